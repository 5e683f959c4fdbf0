/* Memory runs out at every allocation of every writing command on sets in turn: an error, and the keys as they were. */
#include <stdio.h>

#include "harness.h"

#define STATE_TEXT 65536

static struct harness *h;

static int setup(void **state)
{
	h = harness_create(1);
	h->conf.types.set_max_intset_entries = 6;
	h->conf.types.set_max_listpack_entries = 8;
	h->conf.types.set_max_listpack_value = 300;
	return 0;
}

static int teardown(void **state)
{
	heap_fail_after(h->heaps[0], 0);
	harness_destroy(h);
	return 0;
}

/* Members in their order: a failed command leaves even that. */
static void look(char *text)
{
	static const char *const questions[] = {"SMEMBERS k", "SMEMBERS d", "OBJECT ENCODING k", "OBJECT ENCODING d",
						"PTTL k",     "PTTL d",     "EXISTS fresh",      "DBSIZE"};

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
	run(h, "SADD d old 1 2");
	run(h, "PEXPIRE d 5000");
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
	static const char *const values[][4] = {
		{"PING"},
		{"SADD k 1 2 3 4 5 6"},
		{"SADD k 1 2 3", "PEXPIRE k 700"},
		{"SADD k a b c 1 2 3 4 5"},
		{"SADD k a1" LONG100 LONG100 " a2" LONG100 LONG100 " a3" LONG100 LONG100 " a4" LONG100 LONG100
		 " a5" LONG100 LONG100 " a6" LONG100 LONG100,
		 "COPY k copy"}, /* a shared blob */
		{"SADD k 1 2 3 4 5 6 7 8 9 x old"},
	};
	static const char *const lines[] = {
		"SADD k x",
		"SADD k 100000",
		"SADD k 7 10000000000",
		"SADD k x y z 1 1 2 " LONG100 LONG100 LONG100 LONG100,
		"SADD k p q r s t u v w x y z",
		"SADD fresh 1",
		"SADD fresh a b c d e f g h i j",
		"SREM k 1 a",
		"SPOP k",
		"SPOP k 2",
		"SPOP k 100",
		"SMOVE k d 1",
		"SMOVE k fresh 2",
		"SMOVE d k 1",
		"SMOVE d k old",
		"SINTERSTORE d k k",
		"SINTERSTORE d k d",
		"SUNIONSTORE d k d",
		"SUNIONSTORE fresh k d",
		"SDIFFSTORE d k d",
		"SDIFFSTORE k d k",
		"RENAME k d",
		"COPY k d REPLACE",
	};

	for (size_t v = 0; v < RP_ARRAY_LEN(values); v++)
		for (size_t i = 0; i < RP_ARRAY_LEN(lines); i++)
			sweep(values[v], lines[i]);
}

static void test_nomem__answers_need_memory_of_the_thread(void **state)
{
	static const char *const lines[] = {"SUNION k d", "SDIFF k d", "SRANDMEMBER k 2"};

	run(h, "SADD k 1 2 3 4 5 6 7 8 9 a b c");
	run(h, "SADD d 1 2 3");
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
	harness_eal("test_set_nomem");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
