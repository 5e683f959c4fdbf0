/* Memory runs out at every allocation of every writing command in turn: an error, and the keys as they were. */
#include <stdio.h>

#include "harness.h"

static struct harness *h;

static int setup(void **state)
{
	h = harness_create(1);
	h->conf.types.stream_node_max_entries = 6;
	return 0;
}

static int teardown(void **state)
{
	heap_fail_after(h->heaps[0], 0);
	heap_fail_after(h->own, 0);
	harness_destroy(h);
	return 0;
}

#define STATE_TEXT 65536

/* Everything a client can see of the keys. */
static void look(char *text)
{
	static const char *const questions[] = {"XINFO STREAM s FULL COUNT 0", "XINFO STREAM t FULL COUNT 0",
						"XPENDING s g", "EXISTS fresh", "DBSIZE"};

	text[0] = '\0';
	for (size_t i = 0; i < RP_ARRAY_LEN(questions); i++) {
		size_t n = strlen(text);
		snprintf(text + n, STATE_TEXT - n, "%s;", run(h, questions[i]));
	}
}

static void prepare(int entries, int pending)
{
	run(h, "DEL s t fresh");
	run(h, "XADD t 1 a b");
	run(h, "XGROUP CREATE t g 0");
	for (int i = 1; i <= entries; i++)
		runf(h, "XADD s %d field-%d value-%d", i, i % 9 == 8, i);
	run(h, "XGROUP CREATE s g 0 MKSTREAM");
	runf(h, "XREADGROUP GROUP g c COUNT %d STREAMS s >", pending);
	h->events[0] = h->effects[0] = '\0';
}

static bool refused(const char *reply)
{
	return strncmp(reply, "-OOM", 4) == 0;
}

/* Fails the n-th allocation for n = 1, 2, ... until the command succeeds. */
static void sweep(int entries, int pending, const char *line, bool own)
{
	static char before[STATE_TEXT], after[STATE_TEXT];
	struct heap *heap = own ? h->own : h->heaps[0];

	for (uint64_t n = 1; n < 500; n++) {
		prepare(entries, pending);
		look(before);
		heap_fail_after(heap, n);
		bool failed = refused(run(h, line));
		uint32_t dirty = h->dirty;
		heap_fail_after(heap, 0);
		if (!failed)
			return;
		assert_int_equal(dirty, 0);
		expect_events(h, "");
		expect_effects(h, "");
		look(after);
		assert_string_equal(after, before);
	}
	fail_msg("'%s' never succeeds", line);
}

static const char *const lines[] = {
	"XADD fresh * f v",
	"XADD s 999 field-0 v",
	"XADD s 999 field-1 v other w",
	"XADD s MAXLEN 3 999 field-0 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	"XADD s MAXLEN ~ 3 999 field-0 v",
	"XTRIM s MAXLEN 2",
	"XTRIM s MINID 4",
	"XDEL s 1 2 3",
	"XGROUP CREATE s h 0",
	"XGROUP CREATE fresh h 0 MKSTREAM",
	"XGROUP CREATECONSUMER s g new",
	"XGROUP DELCONSUMER s g c",
	"XGROUP DESTROY s g",
	"XGROUP SETID s g 2",
	"XREADGROUP GROUP g c STREAMS s >",
	"XREADGROUP GROUP g new COUNT 3 STREAMS s >",
	"XREADGROUP GROUP g new STREAMS s t > >",
	"XREADGROUP GROUP g new COUNT 2 STREAMS s s t s t > > > 0 0",
	"XREADGROUP GROUP g new NOACK STREAMS s >",
	"XCLAIM s g new 0 1 2 3",
	"XCLAIM s g c 0 4 5 6 7 8 9 10 FORCE LASTID 20",
	"XCLAIM s g new 0 4 5 6 7 8 9 10 10 10 FORCE",
	"XAUTOCLAIM s g new 0 0",
	"XACK s g 1 2",
	"XSETID s 1000",
	"COPY s fresh",
};

static void test_stream_nomem__every_command_on_every_size(void **state)
{
	static const int sizes[][2] = {{0, 1}, {1, 1}, {5, 2}, {12, 3}, {70, 5}, {140, 130}};

	for (size_t v = 0; v < RP_ARRAY_LEN(sizes); v++)
		for (size_t i = 0; i < RP_ARRAY_LEN(lines); i++) {
			sweep(sizes[v][0], sizes[v][1], lines[i], false);
			sweep(sizes[v][0], sizes[v][1], lines[i], true);
		}
}

static void expect_begin(const char *line, const char *begin)
{
	const char *r = run(h, line);

	if (strncmp(r, begin, strlen(begin)) != 0)
		fail_msg("'%s' answers '%.60s'", line, r);
}

/* It takes memory in steps: only without any for the first it claims nothing. */
static void test_stream_nomem__xautoclaim_ends_where_memory_does(void **state)
{
	const char *r;

	prepare(2500, 2500);
	for (uint64_t n = 1;; n++) {
		heap_fail_after(h->heaps[0], n);
		r = run(h, "XAUTOCLAIM s g new 0 0 COUNT 9000 JUSTID");
		heap_fail_after(h->heaps[0], 0);
		if (!refused(r))
			break;
		expect(h, "XPENDING s g", "*4 :2500 $3 1-0 $6 2500-0 *1 *2 $1 c $4 2500");
	}
	assert_memory_equal(r, "*3 $6 1001-0 *1000 ", 19);
	expect(h, "XPENDING s g", "*4 :2500 $3 1-0 $6 2500-0 *2 *2 $1 c $4 1500 *2 $3 new $4 1000");
	expect_begin("XAUTOCLAIM s g new 0 1001 COUNT 9000 JUSTID", "*3 $3 0-0 *1500 ");
	expect(h, "XPENDING s g", "*4 :2500 $3 1-0 $6 2500-0 *1 *2 $3 new $4 2500");
}

/* Then what is pending stands among what is new. */
static void test_stream_nomem__groups_that_were_set_back(void **state)
{
	static const char *const reads[] = {"XREADGROUP GROUP g new STREAMS s >",
					    "XREADGROUP GROUP g c COUNT 90 STREAMS s s > >"};

	for (size_t i = 0; i < RP_ARRAY_LEN(reads); i++) {
		prepare(400, 400);
		for (int id = 1; id <= 400; id++)
			if (id % 3 != 0)
				runf(h, "XACK s g %d", id);
		run(h, "XGROUP SETID s g 50");
		uint64_t n = 1;
		do
			heap_fail_after(h->heaps[0], n++);
		while (refused(run(h, reads[i])));
		heap_fail_after(h->heaps[0], 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_stream_nomem__every_command_on_every_size, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stream_nomem__xautoclaim_ends_where_memory_does, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stream_nomem__groups_that_were_set_back, setup, teardown),
	};

	harness_eal("test_stream_nomem");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
