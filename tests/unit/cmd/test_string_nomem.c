/* Memory runs out at every allocation of every writing command in turn: an error, and the key as it was. */
#include <stdio.h>

#include "harness.h"

static struct harness *h;

static int setup(void **state)
{
	h = harness_create(1);
	return 0;
}

static int teardown(void **state)
{
	heap_fail_after(h->heaps[0], 0);
	harness_destroy(h);
	return 0;
}

#define STATE_TEXT 8192

/* Everything a client can see of k and d. */
static void look(char *text)
{
	static const char *const questions[] = {"BITCOUNT k", "GETRANGE k 0 100",  "STRLEN k",
						"PTTL k",     "OBJECT ENCODING k", "GET d",
						"PTTL d",     "EXISTS fresh",      "DBSIZE"};

	text[0] = '\0';
	for (size_t i = 0; i < RP_ARRAY_LEN(questions); i++) {
		size_t n = strlen(text);
		snprintf(text + n, STATE_TEXT - n, "%s;", run(h, questions[i]));
	}
}

static void prepare(const char *value)
{
	run(h, "DEL k d fresh");
	runf(h, "%s", value);
	run(h, "SET d old PX 5000");
	h->events[0] = h->effects[0] = '\0';
}

static bool refused(const char *reply)
{
	return strncmp(reply, "-OOM", 4) == 0;
}

/* Fails the n-th allocation for n = 1, 2, ... until the command succeeds. */
static void sweep(const char *value, const char *line)
{
	char before[STATE_TEXT], after[STATE_TEXT];

	for (uint64_t n = 1; n < 20; n++) {
		prepare(value);
		look(before);
		h->events[0] = '\0';
		heap_fail_after(h->heaps[0], n);
		bool failed = refused(run(h, line));
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

static void test_nomem__every_command_on_every_layout(void **state)
{
	static const char *const values[] = {"PING",
					     "SET k 17",
					     "SET k text PX 100",
					     "SETRANGE k 1000 x",
					     "SETRANGE k 1023 x",
					     "SETRANGE k 20000 x"};
	static const char *const lines[] = {
		"SET k aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"SET k v PX 10000 GET",
		"SET fresh 1 NX",
		"SETEX k 10 v",
		"GETSET k v",
		"GETEX k EX 10",
		"GETEX d PERSIST",
		"APPEND k tail",
		"APPEND fresh tail",
		"SETRANGE k 30000 x",
		"SETRANGE fresh 3000 x",
		"INCR fresh",
		"INCRBYFLOAT fresh 1.5",
		"SETBIT k 400000 1",
		"SETBIT fresh 1 1",
		"BITOP NOT d k",
		"BITOP OR fresh k d",
		"BITFIELD k SET u8 300000 77",
		"BITFIELD fresh INCRBY u8 0 1",
		"MSETNX fresh 1 fresh2 2",
		"SETBIT k 0 0",
		"BITFIELD k SET u1 0 0",
		"RENAME k d",
		"COPY k d REPLACE",
		"COPY k fresh",
	};

	for (size_t v = 0; v < RP_ARRAY_LEN(values); v++)
		for (size_t i = 0; i < RP_ARRAY_LEN(lines); i++) {
			sweep(values[v], lines[i]);
			run(h, "DEL fresh2");
		}
}

static void test_nomem__counters(void **state)
{
	sweep("SET k 9", "INCR k");
	sweep("SET k 9 PX 700", "INCRBYFLOAT k 0.00000000000000001");
	sweep("APPEND k 9", "INCRBY k 1000000000000");
}

static void test_nomem__mset_says_what_was_done(void **state)
{
	for (uint64_t n = 1; n < 20; n++) {
		run(h, "DEL a b c");
		h->effects[0] = '\0';
		heap_fail_after(h->heaps[0], n);
		bool failed = refused(run(h, "MSET a 1 b 2 c 3"));
		uint32_t dirty = h->dirty;
		heap_fail_after(h->heaps[0], 0);
		if (!failed)
			return;
		static const char *const effects[] = {"", "SET a 1", "SET a 1; SET b 2"};
		assert_true(dirty < RP_ARRAY_LEN(effects));
		expect_effects(h, effects[dirty]);
		char want[16];
		snprintf(want, sizeof want, ":%u", dirty);
		expect(h, "EXISTS a b c", want);
	}
	fail();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nomem__every_command_on_every_layout, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nomem__counters, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nomem__mset_says_what_was_done, setup, teardown),
	};
	harness_eal("test_string_nomem");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
