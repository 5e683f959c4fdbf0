/* Memory runs out at every allocation of every command that changes lists in turn: an error, and the keys as they were.
 */
#include <stdio.h>

#include "harness.h"

#define STATE_TEXT 262144

static struct harness *h;
static unsigned refusals; /* seen by sweep() */

static int setup(void **state)
{
	h = harness_create(2);
	h->conf.types.list_max_listpack_size = 6;
	return 0;
}

static void fail_after(uint64_t n)
{
	heap_fail_after(h->heaps[0], n);
	heap_fail_after(h->heaps[1], n);
}

static int teardown(void **state)
{
	fail_after(0);
	heap_fail_after(h->own, 0);
	harness_destroy(h);
	return 0;
}

/* Everything a client can see. */
static void look(char *text)
{
	static const char *const questions[] = {
		"LRANGE k 0 -1",     "OBJECT ENCODING k", "PTTL k",       "LRANGE d 0 -1",
		"OBJECT ENCODING d", "LRANGE copy 0 -1",  "EXISTS fresh", "DBSIZE"};

	text[0] = '\0';
	for (size_t i = 0; i < RP_ARRAY_LEN(questions); i++) {
		size_t n = strlen(text);
		snprintf(text + n, STATE_TEXT - n, "%s;", run(h, questions[i]));
	}
}

static void prepare(const char *value)
{
	run(h, "DEL k d fresh copy");
	run(h, value);
	run(h, "RPUSH d x y");
	run(h, "PEXPIRE k 5000");
	/* what two keys share must be copied first */
	run(h, "COPY k copy");
	h->events[0] = h->effects[0] = '\0';
}

static void sweep(const char *value, const char *line, bool own)
{
	static char before[STATE_TEXT], after[STATE_TEXT];

	for (uint64_t n = 1; n < 200; n++) {
		prepare(value);
		look(before);
		h->events[0] = '\0';
		own ? heap_fail_after(h->own, n) : fail_after(n);
		bool failed = strncmp(run(h, line), "-OOM", 4) == 0;
		uint32_t dirty = h->dirty;
		heap_fail_after(h->own, 0);
		fail_after(0);
		if (!failed)
			return;
		refusals++;
		assert_int_equal(dirty, 0);
		expect_events(h, "");
		expect_effects(h, "");
		look(after);
		assert_string_equal(after, before);
	}
	fail_msg("'%s' never succeeds", line);
}

#define LONG100   "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggggggghhhhhhhhhhiiiiiiiiiijjjjjjjjjj"
#define LONG1000  LONG100 LONG100 LONG100 LONG100 LONG100 LONG100 LONG100 LONG100 LONG100 LONG100
#define LONG10000 LONG1000 LONG1000 LONG1000 LONG1000 LONG1000 LONG1000 LONG1000 LONG1000 LONG1000 LONG1000

static const char *const lines[] = {
	"LPUSH k a",
	"RPUSH k a",
	"LPUSH k 1 2 3 4 5 6 7 8 9 10 11 12 13 14",
	"RPUSH k 1 2 3 4 5 6 7 " LONG10000 " 9 10 11 12 13 14",
	"LPUSH k " LONG1000,
	"RPUSH k " LONG10000,
	"LPUSH fresh a",
	"RPUSH fresh " LONG1000 " " LONG1000,
	"LPUSH fresh 1 2 3 4 5 6 7 8 9",
	"RPUSH fresh 1 2 " LONG10000 " 3",
	"LPUSHX k a",
	"RPUSHX k a b c d e f g h",
	"LPOP k",
	"RPOP k",
	"LPOP k 2",
	"RPOP k 3",
	"RPOP k 100",
	"LSET k 0 z",
	"LSET k -1 z",
	"LSET k 1 " LONG1000,
	"LSET k 0 " LONG10000,
	"LINSERT k BEFORE 2 z",
	"LINSERT k AFTER 2 z",
	"LINSERT k AFTER 1 " LONG1000,
	"LINSERT k BEFORE 3 " LONG10000,
	"LTRIM k 1 -2",
	"LTRIM k 1 1",
	"LTRIM k 5 1",
	"LREM k 0 2",
	"LREM k -1 1",
	"LMOVE k k LEFT RIGHT",
	"LMOVE k k RIGHT LEFT",
	"LMOVE k k LEFT LEFT",
	"LMOVE k d LEFT RIGHT",
	"LMOVE k d RIGHT LEFT",
	"LMOVE k fresh RIGHT LEFT",
	"RPOPLPUSH d k",
	"LMPOP 2 none k LEFT COUNT 2",
	"LMPOP 2 none k RIGHT COUNT 200",
	"COPY k d REPLACE",
	"RENAME k d",
	"SORT k ALPHA STORE d",
};

static void test_list_nomem__every_command_on_every_form(void **state)
{
	static const char *const values[] = {
		"PING",
		"RPUSH k 1 2 3",
		"RPUSH k 1 2 3 4 5 6",
		"RPUSH k 1 2 3 4 5 6 7",
		"RPUSH k 1 2 " LONG1000 " " LONG1000 " 3", /* in a blob */
		"RPUSH k 1 " LONG10000 " 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20",
		"RPUSH k " LONG10000,
	};

	for (size_t v = 0; v < RP_ARRAY_LEN(values); v++)
		for (size_t i = 0; i < RP_ARRAY_LEN(lines); i++) {
			sweep(values[v], lines[i], false);
			sweep(values[v], lines[i], true);
		}
	assert_true(refusals > 300);
}

/* The limit went down after the list was made. */
static void test_list_nomem__listpacks_longer_than_the_limit(void **state)
{
	for (size_t i = 0; i < RP_ARRAY_LEN(lines); i++) {
		h->conf.types.list_max_listpack_size = -2;
		prepare("RPUSH k 1 2 3 4 5 6 7 8 9 10");
		run(h, "RENAME k model");
		h->conf.types.list_max_listpack_size = 3;
		sweep("COPY model k", lines[i], false);
		run(h, "DEL model");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_list_nomem__every_command_on_every_form, setup, teardown),
		cmocka_unit_test_setup_teardown(test_list_nomem__listpacks_longer_than_the_limit, setup, teardown),
	};
	harness_eal("test_list_nomem");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
