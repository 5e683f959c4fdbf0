/* SET with its options, and the commands that are a SET in other words. Time stands still at START. */
#include "harness.h"

#include "base/hash.h"

#define START_MS 1700000000000ll

static struct harness *h;

static int setup(void **state)
{
	h = harness_create(2);
	assert_int_equal(h->now.wall_us / 1000, START_MS);
	return 0;
}

static int teardown(void **state)
{
	harness_destroy(h);
	return 0;
}

static uint32_t version_of(struct slice key)
{
	return store_peek(h->stores[h->slot_map[hash_slot(key)]], 0, key)->version;
}

static void test_set__conditions(void **state)
{
	expect(h, "SET k 1 XX", "$-1");
	expect(h, "EXISTS k", ":0");
	expect(h, "SET k 1 nx", "+OK");
	uint32_t version = version_of(SLICE("k"));
	expect(h, "SET k 2 NX", "$-1");
	expect_dirty(h, 0);
	expect(h, "SET k 2 NX GET", "$1 1");
	expect_dirty(h, 0);
	expect(h, "SETNX k 2", ":0");
	assert_int_equal(version_of(SLICE("k")), version);
	expect(h, "SET k 3 XX GET", "$1 1");
	expect(h, "SET fresh 1 XX GET", "$-1");
	expect(h, "SET fresh 1 NX GET", "$-1");
	expect(h, "SETNX other 5", ":1");
	expect(h, "MGET k fresh other", "*3 $1 3 $1 1 $1 5");
	expect_effects(h, "SET k 1; SET k 3; SET fresh 1; SETNX other 5");
}

static void test_set__times_to_live(void **state)
{
	expect(h, "SET k v EX 10", "+OK");
	expect(h, "PTTL k", ":10000");
	expect(h, "SET k v px 1500", "+OK");
	expect(h, "PTTL k", ":1500");
	expect(h, "SET k v EXAT 1700000100", "+OK");
	expect(h, "PTTL k", ":100000");
	expect(h, "SET k v PXAT 1700000000001", "+OK");
	expect(h, "PTTL k", ":1");
	expect(h, "SET k v EX 1 EX 2", "+OK");
	expect(h, "PTTL k", ":2000");
	expect(h, "SET k w KEEPTTL", "+OK");
	expect(h, "PTTL k", ":2000");
	expect_effects(h, "SET k v PXAT 1700000010000; SET k v PXAT 1700000001500; SET k v PXAT 1700000100000; "
			  "SET k v PXAT 1700000000001; SET k v PXAT 1700000002000; SET k w KEEPTTL");
	h->events[0] = '\0';
	expect(h, "SET k v", "+OK");
	expect(h, "PTTL k", ":-1");
	expect(h, "SET k v PX 5", "+OK");
	expect_events(h, "set:k set:k expire:k");
	harness_advance_ms(h, 6);
	expect(h, "GET k", "$-1");
}

static void test_set__time_in_the_past(void **state)
{
	expect(h, "SET k v EXAT 1", "+OK");
	expect(h, "GET k", "$-1");
}

static void test_set__conflicts_are_syntax_errors(void **state)
{
	static const char *const options[] = {
		"NX XX",     "EX 10 PX 10",    "EX 10 KEEPTTL", "KEEPTTL PXAT 99999999999999",
		"EX",        "PERSIST",        "FOO",           "EXAT 9999999999 EX 5",
		"XX GET NX", "NX KEEPTTL NX X"};

	for (size_t i = 0; i < RP_ARRAY_LEN(options); i++)
		assert_string_equal(runf(h, "SET k v %s", options[i]), "-ERR syntax error");
	expect(h, "EXISTS k", ":0");
}

static void test_set__invalid_times(void **state)
{
	static const char *const times[] = {"EX 0",
					    "EX -1",
					    "PX 0",
					    "PXAT -5",
					    "EX 9223372036854775807",
					    "PX 9223372036854775807",
					    "EXAT 9223372036854776"};

	for (size_t i = 0; i < RP_ARRAY_LEN(times); i++)
		assert_string_equal(runf(h, "SET k v %s", times[i]), "-ERR invalid expire time in 'set' command");
	expect(h, "SET k v EX 1.5", "-ERR value is not an integer or out of range");
	expect(h, "SETEX k 0 v", "-ERR invalid expire time in 'setex' command");
	expect(h, "PSETEX k -1 v", "-ERR invalid expire time in 'psetex' command");
	run(h, "SET k v");
	expect(h, "GETEX k PX 0", "-ERR invalid expire time in 'getex' command");
}

static void test_setex__as_set_with_a_time(void **state)
{
	expect(h, "SETEX k 10 v", "+OK");
	expect(h, "PTTL k", ":10000");
	expect(h, "PSETEX k 10 w", "+OK");
	expect(h, "PTTL k", ":10");
	expect_effects(h, "SET k v PXAT 1700000010000; SET k w PXAT 1700000000010");
}

static void test_getset__old_value_of_any_kind(void **state)
{
	expect(h, "GETSET k 5", "$-1");
	expect(h, "GETSET k abc", "$1 5");
	expect(h, "GETSET k def", "$3 abc");
	run(h, "SETRANGE k 50000 x");
	run(h, "GETSET k small");
	assert_int_equal(h->reply_len, 7 + 50001);
	run(h, "SETRANGE k 50000 x");
	run(h, "SET k small GET");
	assert_int_equal(h->reply_len, 7 + 50001);
	h->effects[0] = '\0';
	expect(h, "GETSET k 1", "$5 small");
	expect_effects(h, "SET k 1");
}

static void test_getdel__replies_then_deletes(void **state)
{
	run(h, "SET k v");
	h->events[0] = h->effects[0] = '\0';
	expect(h, "GETDEL k", "$1 v");
	expect_dirty(h, 1);
	expect_events(h, "del:k");
	expect_effects(h, "DEL k");
	expect(h, "EXISTS k", ":0");
}

static void test_getex__changes_only_the_time(void **state)
{
	run(h, "SET k 0123456789012345");
	h->events[0] = h->effects[0] = '\0';
	expect(h, "GETEX k", "$16 0123456789012345");
	expect(h, "GETEX k PERSIST", "$16 0123456789012345");
	expect_dirty(h, 0);
	expect(h, "GETEX k EX 10", "$16 0123456789012345");
	expect(h, "PTTL k", ":10000");
	expect(h, "GETEX k PERSIST", "$16 0123456789012345");
	expect(h, "PTTL k", ":-1");
	expect(h, "GETEX k PXAT 1700000000000", "$16 0123456789012345");
	expect(h, "EXISTS k", ":0");
	expect_events(h, "expire:k persist:k del:k");
	expect_effects(h, "PEXPIREAT k 1700000010000; PERSIST k; DEL k");
	expect(h, "GETEX k PERSIST EX 1", "-ERR syntax error");
	expect(h, "GETEX k NX", "-ERR syntax error");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_set__conditions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_set__times_to_live, setup, teardown),
		cmocka_unit_test_setup_teardown(test_set__time_in_the_past, setup, teardown),
		cmocka_unit_test_setup_teardown(test_set__conflicts_are_syntax_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_set__invalid_times, setup, teardown),
		cmocka_unit_test_setup_teardown(test_setex__as_set_with_a_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_getset__old_value_of_any_kind, setup, teardown),
		cmocka_unit_test_setup_teardown(test_getdel__replies_then_deletes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_getex__changes_only_the_time, setup, teardown),
	};
	harness_eal("test_string_set");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
