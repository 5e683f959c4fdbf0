/* Memory runs out at every allocation of every writing command on hashes in turn: an error, and the keys as they were.
 */
#include <stdio.h>

#include "harness.h"

#define STATE_TEXT 65536

static struct harness *h;

static int setup(void **state)
{
	h = harness_create(1);
	h->conf.types.hash_max_listpack_entries = 6;
	h->conf.types.hash_max_listpack_value = 300;
	return 0;
}

static int teardown(void **state)
{
	heap_fail_after(h->heaps[0], 0);
	harness_destroy(h);
	return 0;
}

/* Fields in their order: a failed command leaves even that. */
static void look(char *text)
{
	static const char *const questions[] = {"HGETALL k",
						"HGETALL d",
						"HPEXPIRETIME k FIELDS 8 a b c d 1 2 3 4",
						"OBJECT ENCODING k",
						"OBJECT ENCODING d",
						"PTTL k",
						"EXISTS fresh",
						"DBSIZE"};

	text[0] = '\0';
	for (size_t i = 0; i < RP_ARRAY_LEN(questions); i++) {
		size_t n = strlen(text);
		snprintf(text + n, STATE_TEXT - n, "%s;", run(h, questions[i]));
	}
}

static void prepare(const char *const *value)
{
	run(h, "DEL k d fresh copy");
	for (; *value != NULL; value++)
		run(h, *value);
	run(h, "HSET d old 1 a 2");
	h->events[0] = h->effects[0] = '\0';
}

static void sweep(const char *const *value, const char *line)
{
	static char before[STATE_TEXT], after[STATE_TEXT];

	for (uint64_t n = 1; n < 60; n++) {
		prepare(value);
		look(before);
		h->events[0] = '\0';
		heap_fail_after(h->heaps[0], n);
		bool failed = strncmp(run(h, line), "-OOM", 4) == 0;
		uint32_t dirty = h->dirty;
		heap_fail_after(h->heaps[0], 0);
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

#define LONG100 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggggggghhhhhhhhhhiiiiiiiiiijjjjjjjjjj"

static void test_nomem__every_command_on_every_form(void **state)
{
	static const char *const values[][5] = {
		{"PING"},
		{"HSET k a 1 b 2 c 3", "PEXPIRE k 700"},
		{"HSET k a 1 b 2 c 3 1 1 2 2 3 3"},
		{"HSET k a " LONG100 LONG100 " b " LONG100 LONG100 " c " LONG100 LONG100 " d " LONG100 LONG100
		 " 1 " LONG100 LONG100 " 2 " LONG100 LONG100,
		 "COPY k copy"}, /* a shared blob */
		{"HSET k a 1 b 2 c 3", "HPEXPIRE k 5000 FIELDS 1 b"},
		{"HSET k a 1 b 2 c 3 1 1 2 2 3 3", "HPEXPIRE k 5000 FIELDS 1 b", "HPEXPIRE k 3000 FIELDS 1 2"},
		{"HSET k a 1 b 2 c 3 d 4 1 1 2 2 3 3 4 4"},
		{"HSET k a 1 b 2 c 3 d 4 1 1 2 2 3 3 4 4", "HPEXPIRE k 5000 FIELDS 1 b", "HPEXPIRE k 3000 FIELDS 1 2"},
	};
	static const char *const lines[] = {
		"HSET k a 5",
		"HSET k x " LONG100 LONG100,
		"HSET k x " LONG100 LONG100 LONG100 LONG100,
		"HSET k a 1 b " LONG100 " x 1 y 2",
		"HSET k p 1 q 2 r 3 s 4 t 5 u 6 v 7",
		"HSET fresh a 1",
		"HSET fresh a 1 b 2 c 3 d 4 e 5 f 6 g 7 h 8",
		"HMSET k z 1",
		"HSETNX k z " LONG100,
		"HDEL k a 1",
		"HINCRBY k 1 1000000",
		"HINCRBY k new 5",
		"HINCRBYFLOAT k 2 0.125",
		"HEXPIRE k 100 FIELDS 3 a b 1",
		"HEXPIRE k 100 FIELDS 3 a a a",
		"HEXPIRE k 0 FIELDS 2 a b",
		"HPERSIST k FIELDS 2 a b",
		"HGETDEL k FIELDS 2 a b",
		"HGETEX k EX 10 FIELDS 2 a b",
		"HGETEX k PERSIST FIELDS 2 a b",
		"HSETEX k EX 10 FIELDS 2 a 1 x 2",
		"HSETEX k KEEPTTL FIELDS 2 b 1 x 2",
		"HSETEX fresh EX 10 FIELDS 2 a 1 x 2",
		"HSETEX k EX 0 FIELDS 2 a 1 x 2",
		"RENAME k d",
		"COPY k d REPLACE",
	};

	for (size_t v = 0; v < RP_ARRAY_LEN(values); v++)
		for (size_t i = 0; i < RP_ARRAY_LEN(lines); i++)
			sweep(values[v], lines[i]);
}

static void test_nomem__answers_need_memory_of_the_thread(void **state)
{
	static const char *const lines[] = {
		"HRANDFIELD k 2", "HEXPIRE k 100 FIELDS 40 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 "
				  "24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40"};

	run(h, "HSET k 1 1 2 2 3 3 4 4 5 5 6 6 7 7 8 8 9 9 a a b b c c d d");
	for (size_t i = 0; i < RP_ARRAY_LEN(lines); i++)
		for (uint64_t n = 1; n < 30; n++) {
			heap_fail_after(h->own, n);
			const char *r = run(h, lines[i]);
			assert_true(*r == '*' || strncmp(r, "-OOM", 4) == 0);
			heap_fail_after(h->own, 0);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nomem__every_command_on_every_form, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nomem__answers_need_memory_of_the_thread, setup, teardown),
	};
	harness_eal("test_hash_nomem");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
