/* A file that appears whole or not at all, on disks that fail at every call, write short, and lose power. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "mem_files.h"
#include "persist/file_writer.h"

#define PATH  "dir/file"
#define TEMP  "dir/temp-file"
#define BLOCK ((size_t)4096)
#define BYTES 50000

static struct mem_files *m;
static struct file_sys *fs;
static uint8_t data[BYTES];
static struct err e;

static void begin(uint64_t seed)
{
	struct rng rng;

	m = mem_files_create(seed);
	fs = mem_files_sys(m);
	rng_init(&rng, seed);
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)rng_next(&rng);
	assert_int_equal(file_sys_replace(fs, PATH, TEMP, "old", 3, &e), 0);
}

static void end(void)
{
	mem_files_destroy(m);
}

static struct file_writer *make(bool direct, uint64_t rate)
{
	struct file_writer_params p = {.path = PATH,
				       .temp = TEMP,
				       .buffer_bytes = 2 * BLOCK,
				       .buffers = 3,
				       .direct = direct,
				       .rate_bytes = rate};

	e.text[0] = '\0';
	return file_writer_create(fs, &p, &e);
}

/* Writes len bytes in pieces; stops early when `calls` have been made. */
static enum file_writer_state write_all(struct file_writer *w, size_t len, uint64_t calls)
{
	enum file_writer_state st = FILE_WRITER_BUSY;
	size_t at = 0, piece = 1;
	bool over = false;

	while (st == FILE_WRITER_BUSY && mem_files_calls(m) < calls) {
		at += file_writer_put(w, data + at, RP_MIN(piece, len - at), 0);
		piece = piece * 3 % 9973 + 1;
		over = at == len;
		file_sys_poll(fs);
		st = file_writer_poll(w, 0);
		if (over)
			break;
	}
	if (over)
		file_writer_end(w);
	while (st == FILE_WRITER_BUSY && mem_files_calls(m) < calls) {
		file_sys_poll(fs);
		st = file_writer_poll(w, 0);
	}
	return st;
}

static bool is_old(void)
{
	size_t len;
	const char *p = mem_files_get(m, PATH, &len);

	return p != NULL && len == 3 && memcmp(p, "old", 3) == 0;
}

static bool is_new(size_t want)
{
	size_t len;
	const char *p = mem_files_get(m, PATH, &len);

	return p != NULL && len == want && memcmp(p, data, want) == 0;
}

static void test_file_writer__every_length_direct_and_buffered(void **state)
{
	static const size_t lengths[] = {0,    1,    4095,     4096,         4097,  8191,
					 8192, 8193, 3 * 8192, 3 * 8192 + 1, 40000, BYTES};

	for (uint64_t seed = 0; seed < 20; seed++)
		for (size_t i = 0; i < RP_ARRAY_LEN(lengths); i++) {
			begin(seed);
			struct file_writer *w = make(seed % 2, 0);
			assert_non_null(w);
			assert_int_equal(write_all(w, lengths[i], UINT64_MAX), FILE_WRITER_DONE);
			assert_int_equal(file_writer_bytes(w), lengths[i]);
			assert_true(is_new(lengths[i]));
			size_t len;
			assert_null(mem_files_get(m, TEMP, &len));
			file_writer_destroy(w);
			assert_true(is_new(lengths[i]));
			end();
		}
}

static void test_file_writer__direct_refused_under_way_it_goes_on_without(void **state)
{
	for (uint64_t seed = 0; seed < 50; seed++) {
		begin(seed);
		mem_files_refuse_direct(m);
		struct file_writer *w = make(true, 0);
		assert_true(file_writer_direct(w));
		assert_int_equal(write_all(w, BYTES, UINT64_MAX), FILE_WRITER_DONE);
		assert_true(is_new(BYTES));
		assert_false(file_writer_direct(w));
		file_writer_destroy(w);
		end();
	}
}

static void test_file_writer__an_error_at_any_call_leaves_the_old_file(void **state)
{
	static const int errors[] = {ENOSPC, EIO, EROFS, EDQUOT};
	uint64_t failed = 0;

	for (uint64_t seed = 0; seed < 20; seed++)
		for (uint64_t n = 1;; n++) {
			begin(seed);
			/* That call alone, so that the rest can be taken away, or all from there on. */
			mem_files_fail(m, n, errors[n % RP_ARRAY_LEN(errors)], seed < 10 ? 1 : 1ull << 40);
			struct file_writer *w = make(seed % 2, 0);
			enum file_writer_state st = w == NULL ? FILE_WRITER_FAILED : write_all(w, BYTES, UINT64_MAX);
			const char *why = w == NULL ? e.text : file_writer_error(w);
			bool done = st == FILE_WRITER_DONE;
			size_t len;
			if (!done) {
				assert_non_null(strstr(why, strerror(errors[n % RP_ARRAY_LEN(errors)])));
				assert_non_null(strstr(why, "; ")); /* the mend */
				failed++;
			}
			file_writer_destroy(w);
			/* Renamed, but the directory would not be synced: new, and said to have failed. */
			assert_true(done ? is_new(BYTES) : is_old() || is_new(BYTES));
			assert_true(seed >= 10 || !mem_files_remains(m));
			assert_true(mem_files_remains(m) || mem_files_get(m, TEMP, &len) == NULL);
			end();
			if (done)
				break;
		}
	assert_true(failed > 50);
}

/* Who replaces a file knows which contents are in its place now. */
static void test_file_sys__replace_tells_what_is_in_place(void **state)
{
	int rc = -1;

	for (uint64_t n = 1; rc != 0; n++) {
		size_t len;
		begin(1);
		mem_files_fail(m, n, EIO, 1);
		rc = file_sys_replace(fs, PATH, TEMP, "newer", 5, &e);
		assert_true(rc == -1 || rc == FILE_NOT_SYNCED || n > 4);
		assert_non_null(mem_files_get(m, PATH, &len));
		assert_int_equal(len, rc == -1 ? 3 : 5);
		end();
	}
}

/* One error, and all goes well afterwards: a file that failed must not come about after all. */
static void test_file_writer__a_failed_sync_is_not_tried_again(void **state)
{
	for (uint64_t n = 1; n < 60; n++) {
		begin(n);
		mem_files_fail(m, n, EIO, 1);
		struct file_writer *w = make(true, 0);
		enum file_writer_state st = w == NULL ? FILE_WRITER_FAILED : write_all(w, BYTES, UINT64_MAX);
		for (int i = 0; w != NULL && i < 20; i++) {
			file_sys_poll(fs);
			assert_int_equal(file_writer_poll(w, 0), st);
		}
		file_writer_destroy(w);
		assert_true(st == FILE_WRITER_DONE ? is_new(BYTES) : is_old() || is_new(BYTES));
		end();
	}
}

static void test_file_writer__power_loss_at_any_call_leaves_a_whole_file(void **state)
{
	uint32_t old = 0, fresh = 0;

	for (uint64_t seed = 0; seed < 20; seed++)
		for (uint64_t n = 0; n < 40; n++) {
			begin(seed);
			struct file_writer *w = make(seed % 2, 0);
			write_all(w, BYTES, mem_files_calls(m) + n);
			mem_files_power_loss(m);
			old += is_old();
			fresh += is_new(BYTES);
			assert_true(is_old() || is_new(BYTES));
			file_writer_destroy(w);
			end();
		}
	assert_true(old > 0 && fresh > 0);
}

static void test_file_writer__given_up_it_leaves_nothing(void **state)
{
	size_t len;

	for (uint64_t n = 0; n < 20; n++) {
		begin(n);
		struct file_writer *w = make(true, 0);
		write_all(w, BYTES, mem_files_calls(m) + n);
		file_writer_destroy(w);
		assert_true(is_old() || is_new(BYTES));
		assert_null(mem_files_get(m, TEMP, &len));
		end();
	}
}

static void test_file_writer__the_rate_is_kept(void **state)
{
	uint64_t now_us = 1000000, begin_us = now_us;
	size_t at = 0;

	begin(1);
	struct file_writer *w = make(false, 100000); /* bytes per second */
	while (at < BYTES) {
		size_t n = file_writer_put(w, data + at, BYTES - at, now_us);
		at += n;
		if (n == 0 && file_writer_ready_at(w) > now_us)
			now_us = file_writer_ready_at(w);
		file_sys_poll(fs);
		file_writer_poll(w, now_us);
	}
	/* but for what may leave at once */
	assert_true(now_us - begin_us >= 400000 && now_us - begin_us <= 600000);
	file_writer_destroy(w);
	end();
}

/* The same on the disk of this machine, as the server does it. */
static void test_file_writer__on_a_real_disk(void **state)
{
	char dir[] = "/tmp/test_file_writer.XXXXXX", path[64], temp[64];
	uint8_t back[BYTES];

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/file", dir);
	snprintf(temp, sizeof temp, "%s/temp", dir);
	for (int kind = 0; kind < 4; kind++) {
		fs = kind < 2 ? file_sys_create(&e) : file_sys_plain(&e);
		struct file_writer_params p = {
			.path = path, .temp = temp, .buffer_bytes = 2 * BLOCK, .buffers = 2, .direct = kind % 2};
		struct file_writer *w = file_writer_create(fs, &p, &e);
		enum file_writer_state st = FILE_WRITER_BUSY;
		size_t at = 0, len = BYTES - (size_t)kind;
		assert_non_null(w);
		for (bool ended = false; st == FILE_WRITER_BUSY;) {
			if (at < len) {
				at += file_writer_put(w, data + at, len - at, 0);
			} else if (!ended) {
				file_writer_end(w);
				ended = true;
			}
			if (file_sys_poll(fs) == 0)
				file_sys_wait(fs);
			st = file_writer_poll(w, 0);
		}
		assert_int_equal(st, FILE_WRITER_DONE);
		file_writer_destroy(w);
		int fd = fs->ops->open(fs, path, O_RDONLY, 0);
		assert_int_equal(fs->ops->size(fs, fd), len);
		assert_int_equal(fs->ops->read(fs, fd, back, sizeof back, 0), len);
		assert_memory_equal(back, data, len);
		fs->ops->close(fs, fd);
		file_sys_destroy(fs);
	}
	assert_int_equal(remove(path), 0);
	assert_int_equal(remove(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file_writer__every_length_direct_and_buffered),
		cmocka_unit_test(test_file_writer__direct_refused_under_way_it_goes_on_without),
		cmocka_unit_test(test_file_writer__an_error_at_any_call_leaves_the_old_file),
		cmocka_unit_test(test_file_sys__replace_tells_what_is_in_place),
		cmocka_unit_test(test_file_writer__a_failed_sync_is_not_tried_again),
		cmocka_unit_test(test_file_writer__power_loss_at_any_call_leaves_a_whole_file),
		cmocka_unit_test(test_file_writer__given_up_it_leaves_nothing),
		cmocka_unit_test(test_file_writer__the_rate_is_kept),
		cmocka_unit_test(test_file_writer__on_a_real_disk),
	};

	return cmocka_run_group_tests_name("file_writer", tests, NULL, NULL);
}
