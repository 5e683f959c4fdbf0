/* Where the stream of a file ends that was filled ahead of it: whatever sectors of the last write are missing, all of
 * it is cut off and nothing else; damage to anything before is told with its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "persist/aof_frame.h"
#include "persist/aof_tail.h"

/* A file, as bytes. */
struct file {
	struct aof_buf b;
	size_t stream; /* where its stream ends */
};

static void put(struct file *f, const void *data, size_t len)
{
	assert_true(aof_buf_put(&f->b, data, len));
}

static void put_set(struct aof_buf *b, size_t bytes, char of)
{
	char *value = malloc(bytes);
	struct slice argv[] = {SLICE("SET"), SLICE("key"), {value, bytes}};

	memset(value, of, bytes);
	assert_true(aof_buf_command(b, 3, argv));
	free(value);
}

/* Behind the stream, as a write over fill leaves it. */
static void put_frame(struct file *f, const struct aof_buf *commands)
{
	struct aof_buf frame = {NULL};

	assert_true(aof_frame_open(&frame) && aof_buf_put(&frame, commands->data, commands->len) &&
		    aof_frame_close(&frame));
	put(f, frame.data, frame.len);
	f->stream = f->b.len;
	aof_buf_fini(&frame);
}

static void put_set_frame(struct file *f, size_t bytes, char of)
{
	struct aof_buf b = {NULL};

	put_set(&b, bytes, of);
	put_frame(f, &b);
	aof_buf_fini(&b);
}

static void put_fill(struct file *f, size_t upto)
{
	if (aof_fill_pad(f->b.len))
		put(f, "#", 1);
	while (f->b.len < upto) {
		char c = aof_fill_byte(f->b.len);
		put(f, &c, 1);
	}
}

static bool bad(enum aof_tail_end found)
{
	return found == AOF_TAIL_BAD_COMMAND || found == AOF_TAIL_BAD_FRAME;
}

static enum aof_tail_end find(const struct file *f, size_t *end)
{
	struct aof_tail t;
	struct err e = {""};

	/* A copy of just that size: a look beyond it is seen. */
	char *exact = malloc(f->b.len);
	memcpy(exact, f->b.data, f->b.len);
	aof_tail_init(&t, exact, f->b.len, 0);
	while (aof_tail_step(&t))
		;
	enum aof_tail_end found = aof_tail_find(&t, end, &e);
	assert_true(!bad(found) || e.text[0] != '\0');
	aof_tail_fini(&t);
	free(exact);
	return found;
}

static void expect(const struct file *f, enum aof_tail_end found, size_t end)
{
	size_t at = SIZE_MAX;
	enum aof_tail_end got = find(f, &at);

	if (got != found || (found != AOF_TAIL_PLAIN && at != end))
		fail_msg("%d at %zu, not %d at %zu, of %zu", got, at, found, end, f->b.len);
}

/* Two frames, the second of which ends `shift` bytes further on than usual, and fill. */
static void begin(struct file *f, size_t shift)
{
	*f = (struct file){.stream = 0};
	put_set_frame(f, 10, 'a');
	put_set_frame(f, 20 + shift, 'b');
}

static void with_fill(struct file *f)
{
	put_fill(f, (f->b.len / AOF_SECTOR + 4) * AOF_SECTOR + AOF_FILL_LINE);
}

/* ---- the last write in parts ---- */

#define KINDS 5

/* Its commands: values of a letter, of '#', of zeros, of ends of lines; commands of which four fill a sector, so that
 * what is left may begin with one. */
static void last_commands(struct aof_buf *b, uint32_t kind)
{
	static const char of[] = {'x', '#', '\0', '\n'};

	for (uint32_t i = 0; i < 12; i++)
		put_set(b, kind == 4 ? 99 : 20 + 31 * i, of[kind % 4]);
	if (kind == 3)
		put_set(b, 600, '*');
}

static void take_sectors(struct file *f, const struct file *new, size_t from, uint32_t mask)
{
	for (uint32_t i = 0; from + i * AOF_SECTOR < new->b.len; i++) {
		size_t at = from + i * AOF_SECTOR;
		if (mask >> i & 1)
			memcpy(f->b.data + at, new->b.data + at, RP_MIN((size_t)AOF_SECTOR, new->b.len - at));
	}
}

/* mask: the sectors that the disk has of it. */
static void expect_torn(const struct file *old, const struct file *new, size_t from, uint32_t mask)
{
	struct file f = {.stream = from};
	size_t end;

	put(&f, old->b.data, old->b.len);
	take_sectors(&f, new, from / AOF_SECTOR * AOF_SECTOR, mask);
	if (memcmp(f.b.data, new->b.data, new->b.len) == 0)
		expect(&f, AOF_TAIL_WHOLE, new->stream);
	else if (memcmp(f.b.data, old->b.data, old->b.len) == 0)
		expect(&f, AOF_TAIL_WHOLE, from);
	else if (bad(find(&f, &end)) || end != from)
		fail_msg("mask %x: %zu, not %zu, of %zu", mask, end, from, f.b.len);
	aof_buf_fini(&f.b);
}

static void tear(size_t shift, uint32_t kind)
{
	struct file old, new;
	struct aof_buf commands = {NULL};

	last_commands(&commands, kind);
	begin(&old, shift);
	begin(&new, shift);
	size_t from = new.stream;
	put_frame(&new, &commands);
	if (aof_fill_pad(new.stream))
		put(&new, "#", 1);
	put_fill(&old, (new.b.len / AOF_SECTOR + 1) * AOF_SECTOR + AOF_FILL_LINE);
	uint32_t sectors = (uint32_t)(new.b.len / AOF_SECTOR - from / AOF_SECTOR + 1);
	assert_in_range(sectors, 3, 10);
	for (uint32_t mask = 0; mask < 1u << sectors; mask++)
		expect_torn(&old, &new, from, mask);
	aof_buf_fini(&old.b);
	aof_buf_fini(&new.b);
	aof_buf_fini(&commands);
}

static void test_aof_tail__any_sectors_of_the_last_write_may_be_missing(void **state)
{
	for (uint32_t kind = 0; kind < KINDS; kind++)
		for (size_t shift = 0; shift < 2 * AOF_SECTOR; shift += kind == KINDS - 1 ? 1 : 7)
			tear(shift, kind);
}

/* The part that is missing stands where a command begins: what is left looks like a stream that is whole. */
static void test_aof_tail__commands_of_a_lost_head_are_not_believed(void **state)
{
	struct file f;
	struct aof_buf commands = {NULL};

	begin(&f, 0);
	size_t from = f.stream;
	do
		put_set(&commands, 1, 'x'); /* 29 bytes */
	while ((from + AOF_FRAME_HEAD + commands.len) % AOF_SECTOR != 0);
	size_t rest = from + AOF_FRAME_HEAD + commands.len;
	put_set(&commands, 30, 'v');
	put_frame(&f, &commands);
	with_fill(&f);
	expect(&f, AOF_TAIL_WHOLE, f.stream);
	for (size_t i = from; i < rest; i++)
		f.b.data[i] = aof_fill_byte(i);
	expect(&f, AOF_TAIL_TORN, from);
	aof_buf_fini(&f.b);
	aof_buf_fini(&commands);
}

/* Where fill was being added when the power went, zeros are there, or part of a line. */
static void test_aof_tail__fill_may_not_be_whole(void **state)
{
	for (size_t cut = 0; cut < 130; cut++) {
		struct file f;
		begin(&f, cut);
		size_t end = f.stream;
		with_fill(&f);
		f.b.len = end + 2 * AOF_FILL_LINE + cut;
		expect(&f, AOF_TAIL_WHOLE, end);
		put(&f, (char[AOF_SECTOR]){0}, AOF_SECTOR);
		expect(&f, AOF_TAIL_WHOLE, end);
		put_fill(&f, (f.b.len / AOF_SECTOR + 2) * AOF_SECTOR);
		expect(&f, AOF_TAIL_WHOLE, end);
		aof_buf_fini(&f.b);
	}
}

/* ---- damage ---- */

static void test_aof_tail__damage_before_the_last_write_is_told(void **state)
{
	struct file f;

	begin(&f, 0);
	size_t head = f.stream;
	put_set_frame(&f, 30, 'c');
	with_fill(&f);
	/* a command of the first frame that is none */
	char *star = memchr(f.b.data, '*', f.b.len);
	*star = '!';
	expect(&f, AOF_TAIL_BAD_COMMAND, (size_t)(star - f.b.data));
	*star = '*';
	expect(&f, AOF_TAIL_WHOLE, f.stream);
	/* the last frame's sum, and something behind it */
	size_t at = f.b.len = f.stream;
	f.b.data[at - 3] ^= 1;
	put_set(&f.b, 10, 'd');
	with_fill(&f);
	expect(&f, AOF_TAIL_BAD_FRAME, head);
	/* nothing behind it: it came to no end */
	f.b.len = at;
	with_fill(&f);
	expect(&f, AOF_TAIL_TORN, head);
	aof_buf_fini(&f.b);
}

/* What a disk that lies leaves: others that came later are there. */
static void test_aof_tail__a_lost_head_with_frames_behind_it_is_damage(void **state)
{
	static const char of[] = {'c', '\n'}; /* the rest is a note, or no command */

	for (uint32_t k = 0; k < RP_ARRAY_LEN(of); k++) {
		struct file f;
		size_t end;
		begin(&f, 0);
		size_t at = f.stream;
		put_set_frame(&f, 700, of[k]);
		put_set_frame(&f, 10, 'd');
		with_fill(&f);
		for (size_t i = at; i < at + 90; i++)
			f.b.data[i] = aof_fill_byte(i);
		assert_int_equal(find(&f, &end), k == 0 ? AOF_TAIL_BAD_FRAME : AOF_TAIL_BAD_COMMAND);
		assert_in_range(end, at, k == 0 ? at : at + 91);
		aof_buf_fini(&f.b);
	}
}

/* ---- what others do ---- */

static void test_aof_tail__files_without_fill_are_not_judged(void **state)
{
	struct file f;

	begin(&f, 0);
	expect(&f, AOF_TAIL_PLAIN, 0);
	f.b.data[f.stream - 3] ^= 1;
	expect(&f, AOF_TAIL_PLAIN, 0);
	f.b.len = AOF_FRAME_HEAD; /* cut, as redis-check-aof does; another frame follows, and then fill */
	put_set_frame(&f, 10, 'e');
	expect(&f, AOF_TAIL_PLAIN, 0);
	with_fill(&f);
	expect(&f, AOF_TAIL_WHOLE, f.stream);
	/* redis-server writes behind fill */
	put_set(&f.b, 10, 'f');
	expect(&f, AOF_TAIL_PLAIN, 0);
	put_set_frame(&f, 10, 'g');
	with_fill(&f);
	expect(&f, AOF_TAIL_WHOLE, f.stream);
	aof_buf_fini(&f.b);
}

/* Redis-server's unfinished command, or the inside of a round whose front is lost: nothing tells. */
static void test_aof_tail__a_value_behind_fill_that_looks_like_fill_is_refused(void **state)
{
	static const char cut[] = "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$9999\r\n";
	struct file f;

	begin(&f, 0);
	size_t end = f.stream;
	with_fill(&f);
	put(&f, cut, sizeof cut - 1);
	put_fill(&f, f.b.len + 1000);
	expect(&f, AOF_TAIL_BAD_FRAME, end);
	put(&f, "#.\n", 3); /* as the sentence says */
	expect(&f, AOF_TAIL_PLAIN, 0);
	aof_buf_fini(&f.b);
}

/* What ends like fill is the value of a command that is not complete, long after the last frame: nothing is known of
 * that but that it is not complete. */
static void test_aof_tail__a_value_that_looks_like_fill_is_none(void **state)
{
	static const char *const first[] = {"", "#TS:1700000000\r\n"};
	static const char cut[] = "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$9999\r\n";

	for (uint32_t k = 0; k < RP_ARRAY_LEN(first); k++) {
		struct file f;
		begin(&f, 0);
		put(&f, first[k], strlen(first[k]));
		put_set(&f.b, 10, 'f');
		put(&f, cut, sizeof cut - 1);
		put_fill(&f, f.b.len + 1000);
		expect(&f, AOF_TAIL_PLAIN, 0);
		aof_buf_fini(&f.b);
	}
}

static void test_aof_frame__reads_what_it_writes_and_nothing_else(void **state)
{
	struct aof_buf b = {NULL};
	struct aof_frame f;

	assert_true(aof_frame_open(&b) && aof_buf_put(&b, "123456789", 9) && aof_frame_close(&b));
	assert_memory_equal(b.data, "#R:000000000009:e9c6d914c4b8d9ca\r\n123456789#", AOF_FRAME_HEAD + 10);
	assert_int_equal(b.len, AOF_FRAME_HEAD + 9);
	assert_true(aof_frame_parse(b.data, b.len, 0, &f) && aof_frame_whole(b.data, b.len, &f));
	assert_int_equal(f.from, AOF_FRAME_HEAD);
	assert_int_equal(f.end, b.len);
	assert_false(aof_frame_whole(b.data, b.len - 1, &f));
	assert_false(aof_frame_parse(b.data, AOF_FRAME_HEAD - 1, 0, &f));
	for (size_t i = 0; i < AOF_FRAME_HEAD; i++) {
		char was = b.data[i];
		b.data[i] = '#';
		assert_true(i == 0 || !aof_frame_parse(b.data, b.len, 0, &f));
		b.data[i] = was;
	}
	aof_buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_aof_tail__any_sectors_of_the_last_write_may_be_missing),
		cmocka_unit_test(test_aof_tail__commands_of_a_lost_head_are_not_believed),
		cmocka_unit_test(test_aof_tail__fill_may_not_be_whole),
		cmocka_unit_test(test_aof_tail__damage_before_the_last_write_is_told),
		cmocka_unit_test(test_aof_tail__a_lost_head_with_frames_behind_it_is_damage),
		cmocka_unit_test(test_aof_tail__files_without_fill_are_not_judged),
		cmocka_unit_test(test_aof_tail__a_value_that_looks_like_fill_is_none),
		cmocka_unit_test(test_aof_tail__a_value_behind_fill_that_looks_like_fill_is_refused),
		cmocka_unit_test(test_aof_frame__reads_what_it_writes_and_nothing_else),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
