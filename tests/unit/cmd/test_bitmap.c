/* SETBIT, GETBIT, BITCOUNT, BITPOS, BITOP. */
#include <stdio.h>

#include "harness.h"

#include "base/hash.h"

static struct harness *h;

static int setup(void **state)
{
	h = harness_create(4);
	return 0;
}

static int teardown(void **state)
{
	harness_destroy(h);
	return 0;
}

static void test_setbit__grows_with_zeros(void **state)
{
	expect(h, "SETBIT k 7 1", ":0");
	expect(h, "STRLEN k", ":1");
	expect(h, "SETBIT k 7 0", ":1");
	expect(h, "SETBIT k 100000 1", ":0");
	expect(h, "STRLEN k", ":12501");
	expect(h, "BITCOUNT k", ":1");
	expect(h, "GETBIT k 100000", ":1");
	expect(h, "GETBIT k 100001", ":0");
	expect(h, "GETBIT k 4294967295", ":0");
	expect(h, "GETBIT nokey 5", ":0");
	run(h, "SET n 1");
	expect(h, "SETBIT n 6 1", ":0");
	expect(h, "GET n", "$1 3");
	expect(h, "OBJECT ENCODING n", "$3 raw");
}

static void test_setbit__same_bit_touches_nothing(void **state)
{
	struct slice key = SLICE("k");
	struct store *s = h->stores[h->slot_map[hash_slot(key)]];

	expect(h, "SETBIT k 3 0", ":0");
	expect_dirty(h, 1);
	uint32_t version = store_peek(s, 0, key)->version;
	expect(h, "SETBIT k 3 0", ":0");
	expect_dirty(h, 0);
	assert_int_equal(store_peek(s, 0, key)->version, version);
	expect_effects(h, "SETBIT k 3 0");
}

static void test_setbit__arguments(void **state)
{
	static const char bad_offset[] = "-ERR bit offset is not an integer or out of range";
	static const char bad_bit[] = "-ERR bit is not an integer or out of range";

	expect(h, "SETBIT k -1 1", bad_offset);
	expect(h, "SETBIT k 4294967296 1", bad_offset);
	expect(h, "SETBIT k #1 1", bad_offset);
	expect(h, "SETBIT k x 2", bad_offset);
	expect(h, "GETBIT k x", bad_offset);
	expect(h, "SETBIT k 1 2", bad_bit);
	expect(h, "SETBIT k 1 -1", bad_bit);
	expect(h, "SETBIT k 1 \"\"", bad_bit);
	expect(h, "EXISTS k", ":0");
}

static void test_bitcount__ranges(void **state)
{
	static const struct {
		const char *range;
		int want;
	} cases[] = {{"", 26},       {"0 0", 4},     {"1 1", 6},     {"0 -5", 10},     {"5 30 BIT", 17},
		     {"2 1", 0},     {"-2 -1", 7},   {"-1 -2", 0},   {"100 200", 0},   {"-100 100 byte", 26},
		     {"1 6 bit", 4}, {"0 0 BIT", 0}, {"1 1 BIT", 1}, {"-8 -1 BIT", 4}, {"-1 -2 FOO", 0}};

	run(h, "SET k foobar");
	for (size_t i = 0; i < RP_ARRAY_LEN(cases); i++) {
		char want[16];
		snprintf(want, sizeof want, ":%d", cases[i].want);
		assert_string_equal(runf(h, "BITCOUNT k %s", cases[i].range), want);
	}
	expect(h, "BITCOUNT k 1", "-ERR syntax error");
	expect(h, "BITCOUNT k 1 2 FOO", "-ERR syntax error");
	expect(h, "BITCOUNT k a 2", "-ERR value is not an integer or out of range");
	expect(h, "BITCOUNT nokey 1", ":0");
}

static void test_bitpos__ranges(void **state)
{
	run(h, "SET k \"\\xff\\xf0\\x00\"");
	expect(h, "BITPOS k 0", ":12");
	expect(h, "BITPOS k 1", ":0");
	expect(h, "BITPOS k 1 2", ":-1");
	expect(h, "BITPOS k 0 0 0", ":-1");
	expect(h, "BITPOS k 0 13 -1 BIT", ":13");
	expect(h, "BITPOS k 1 7 15 bit", ":7");
	expect(h, "BITPOS k 1 12 23 bit", ":-1");
	expect(h, "BITPOS k 0 5 2", ":-1");
	run(h, "SET ones \"\\xff\\xff\"");
	expect(h, "BITPOS ones 0", ":16");
	expect(h, "BITPOS ones 0 1", ":16");
	expect(h, "BITPOS ones 0 0 -1", ":-1");
	expect(h, "BITPOS ones 0 2", ":-1");
	run(h, "SET empty \"\"");
	expect(h, "BITPOS empty 0", ":-1");
	expect(h, "BITPOS nokey 0", ":0");
	expect(h, "BITPOS nokey 1", ":-1");
	expect(h, "BITPOS k 2", "-ERR The bit argument must be 1 or 0.");
	expect(h, "BITPOS k 1 0 1 FOO", "-ERR syntax error");
	expect(h, "BITPOS k 1 0 1 BIT x", "-ERR syntax error");
}

static void test_bitop__sources_of_unequal_length(void **state)
{
	run(h, "MSET a abcdef b abc n 12");
	expect(h, "BITOP AND d a b", ":6");
	run(h, "GET d");
	assert_memory_equal(h->reply, "$6 abc\0\0\0", 9);
	expect(h, "BITOP or d a b n", ":6");
	expect(h, "GET d", "$6 qrcdef");
	expect(h, "BITOP XOR d a a", ":6");
	expect(h, "BITCOUNT d", ":0");
	expect(h, "BITOP NOT a a", ":6");
	expect(h, "BITCOUNT a", ":27");
	expect(h, "BITOP AND d n nokey", ":2");
	expect(h, "BITCOUNT d", ":0");
}

static void test_bitop__result_is_raw_without_ttl(void **state)
{
	run(h, "SET a 12");
	run(h, "SET d x PX 1000");
	h->events[0] = h->effects[0] = '\0';
	expect(h, "BITOP AND d a", ":2");
	expect_dirty(h, 1);
	expect_events(h, "set:d");
	expect_effects(h, "SET d 12");
	expect(h, "OBJECT ENCODING d", "$3 raw");
	expect(h, "PTTL d", ":-1");
	expect(h, "GET d", "$2 12");
}

static void test_bitop__nothing_deletes(void **state)
{
	run(h, "SET d x");
	h->events[0] = h->effects[0] = '\0';
	expect(h, "BITOP OR d no1 no2", ":0");
	expect_dirty(h, 1);
	expect(h, "BITOP OR d no1 no2", ":0");
	expect_dirty(h, 0);
	expect_effects(h, "DEL d");
	expect(h, "BITOP NOT d a b", "-ERR BITOP NOT must be called with a single source key.");
	expect(h, "BITOP foo d a", "-ERR syntax error");
}

static void test_bitop__large_and_many(void **state)
{
	char line[1024] = "BITOP XOR d";

	run(h, "SETBIT big 1000000 1");
	run(h, "SETBIT big2 999999 1");
	expect(h, "BITOP OR d big big2", ":125001");
	expect(h, "BITCOUNT d", ":2");
	expect(h, "BITPOS d 1", ":999999");
	for (int i = 0; i < 41; i++) {
		runf(h, "SETBIT s%d %d 1", i, i * 100);
		snprintf(line + strlen(line), sizeof line - strlen(line), " s%d", i);
	}
	expect(h, line, ":501");
	expect(h, "BITCOUNT d", ":41");
	expect(h, "BITPOS d 1 4000 -1 BIT", ":4000");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_setbit__grows_with_zeros, setup, teardown),
		cmocka_unit_test_setup_teardown(test_setbit__same_bit_touches_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_setbit__arguments, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bitcount__ranges, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bitpos__ranges, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bitop__sources_of_unequal_length, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bitop__result_is_raw_without_ttl, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bitop__nothing_deletes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bitop__large_and_many, setup, teardown),
	};
	harness_eal("test_bitmap");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
