/* Keys of any type, on one shard and over four. */
#include "harness.h"

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

static void test_del__counts_keys_over_shards(void **state)
{
	expect(h, "MSET a 1 b 2 c 3 d 4", "+OK");
	expect_events(h, "set:a set:b set:c set:d");
	expect(h, "EXISTS a b c d a x", ":5");
	expect(h, "DEL a b x", ":2");
	expect_dirty(h, 2);
	expect_events(h, "del:a del:b");
	expect(h, "UNLINK c c", ":1");
	expect(h, "DBSIZE", ":1");
}

static void test_type__names(void **state)
{
	expect(h, "SET a 1", "+OK");
	expect(h, "TYPE a", "+string");
	expect(h, "TYPE nosuch", "+none");
}

static void test_rename__moves_value_and_ttl(void **state)
{
	expect(h, "SET a v PX 1000", "+OK");
	expect(h, "SET b old", "+OK");
	h->events[0] = '\0';
	expect(h, "RENAME a b", "+OK");
	expect_dirty(h, 1);
	expect_events(h, "rename_from:a rename_to:b");
	expect(h, "EXISTS a", ":0");
	expect(h, "GET b", "$1 v");
	expect(h, "PTTL b", ":1000");
	expect(h, "RENAME nosuch b", "-ERR no such key");
	/* without a TTL it takes the target's away */
	expect(h, "SET c w", "+OK");
	expect(h, "RENAME c b", "+OK");
	expect(h, "PTTL b", ":-1");
}

static void test_rename__onto_itself(void **state)
{
	expect(h, "SET a v", "+OK");
	h->events[0] = '\0';
	expect(h, "RENAME a a", "+OK");
	expect_dirty(h, 0);
	expect(h, "RENAMENX a a", ":0");
	expect(h, "RENAMENX nosuch nosuch", "-ERR no such key");
	expect_events(h, "");
	expect(h, "GET a", "$1 v");
}

static void test_renamenx__only_to_a_free_name(void **state)
{
	expect(h, "MSET a 1 b 2", "+OK");
	expect(h, "RENAMENX a b", ":0");
	expect(h, "RENAMENX a c", ":1");
	expect(h, "MGET a b c", "*3 $-1 $1 2 $1 1");
}

static void test_copy__options(void **state)
{
	expect(h, "SET a v PX 500", "+OK");
	h->events[0] = '\0';
	expect(h, "COPY a b", ":1");
	expect_events(h, "copy_to:b");
	expect(h, "PTTL b", ":500");
	expect(h, "COPY a b", ":0");
	expect(h, "SET b w", "+OK");
	expect(h, "COPY a b REPLACE", ":1");
	expect(h, "GET b", "$1 v");
	expect(h, "COPY a a DB 3", ":1");
	expect(h, "COPY nosuch b REPLACE", ":0");
	expect(h, "SELECT 3", "+OK");
	expect(h, "GET a", "$1 v");
	expect(h, "DBSIZE", ":1");
}

static void test_copy__is_independent(void **state)
{
	expect(h, "SET a v", "+OK");
	expect(h, "COPY a b", ":1");
	expect(h, "APPEND a w", ":2");
	expect(h, "MGET a b", "*2 $2 vw $1 v");
}

static void test_copy__errors(void **state)
{
	expect(h, "COPY a a", "-ERR source and destination objects are the same");
	expect(h, "COPY a b DB 99", "-ERR DB index is out of range");
	expect(h, "COPY a b DB x", "-ERR value is not an integer or out of range");
	expect(h, "COPY a b DB", "-ERR syntax error");
	expect(h, "COPY a b foo", "-ERR syntax error");
}

static void test_move__to_another_database(void **state)
{
	expect(h, "SET a v PX 500", "+OK");
	h->events[0] = '\0';
	expect(h, "MOVE a 1", ":1");
	expect_events(h, "move_from:a move_to:a");
	expect(h, "EXISTS a", ":0");
	expect(h, "SET a w", "+OK");
	expect(h, "MOVE a 1", ":0");
	expect(h, "MOVE nosuch 1", ":0");
	expect(h, "MOVE a 0", "-ERR source and destination objects are the same");
	expect(h, "MOVE a 16", "-ERR DB index is out of range");
	expect(h, "MOVE a x", "-ERR value is not an integer or out of range");
	expect(h, "SELECT 1", "+OK");
	expect(h, "GET a", "$1 v");
	expect(h, "PTTL a", ":500");
}

static void test_swapdb__all_shards(void **state)
{
	expect(h, "MSET a 1 b 2 c 3 d 4", "+OK");
	expect(h, "SWAPDB 0 5", "+OK");
	expect(h, "DBSIZE", ":0");
	expect(h, "SELECT 5", "+OK");
	expect(h, "MGET a b c d", "*4 $1 1 $1 2 $1 3 $1 4");
	expect(h, "SWAPDB x 1", "-ERR invalid first DB index");
	expect(h, "SWAPDB 1 x", "-ERR invalid second DB index");
	expect(h, "SWAPDB 1 16", "-ERR DB index is out of range");
}

static void test_flush__one_or_all(void **state)
{
	expect(h, "MSET a 1 b 2 c 3", "+OK");
	expect(h, "SELECT 1", "+OK");
	expect(h, "MSET a 1 b 2", "+OK");
	expect(h, "FLUSHDB ASYNC", "+OK");
	expect_dirty(h, 2);
	expect(h, "SELECT 0", "+OK");
	expect(h, "DBSIZE", ":3");
	expect(h, "FLUSHALL", "+OK");
	expect(h, "DBSIZE", ":0");
	expect(h, "FLUSHALL foo", "-ERR syntax error");
	expect(h, "FLUSHALL SYNC ASYNC", "-ERR syntax error");
}

static void test_select__checks_the_number(void **state)
{
	expect(h, "SELECT 15", "+OK");
	assert_int_equal(h->client.db, 15);
	expect(h, "SELECT 16", "-ERR DB index is out of range");
	expect(h, "SELECT -1", "-ERR DB index is out of range");
	expect(h, "SELECT x", "-ERR value is not an integer or out of range");
	assert_int_equal(h->client.db, 15);
}

static void test_object__facts(void **state)
{
	expect(h, "SET i 12345", "+OK");
	expect(h, "SET s abc", "+OK");
	expect(h, "OBJECT ENCODING i", "$3 int");
	expect(h, "OBJECT ENCODING s", "$6 embstr");
	expect(h, "OBJECT ENCODING nosuch", "$-1");
	expect(h, "OBJECT REFCOUNT s", ":1");
	expect(h, "OBJECT REFCOUNT nosuch", "$-1");
	harness_advance_ms(h, 5000);
	expect(h, "OBJECT IDLETIME s", ":5");
	expect(h, "TOUCH s nosuch", ":1");
	expect(h, "OBJECT IDLETIME s", ":0");
	expect(h, "OBJECT FREQ s",
	       "-ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when "
	       "switching between policies at runtime LRU and LFU data will take some time to adjust.");
	expect(h, "OBJECT FREQ nosuch", "$-1");
}

static void test_object__no_touch_client_leaves_no_trace(void **state)
{
	expect(h, "SET s abc", "+OK");
	harness_advance_ms(h, 7000);
	expect(h, "CLIENT NO-TOUCH ON", "+OK");
	expect(h, "GET s", "$3 abc");
	expect(h, "OBJECT IDLETIME s", ":7");
	expect(h, "APPEND s d", ":4");
	expect(h, "SET s abc", "+OK");
	expect(h, "MSET a 1 b 2 c 3 d 4 e 5 f 6 g 7 s 8", "+OK");
	expect(h, "OBJECT IDLETIME s", ":7");
	expect(h, "OBJECT IDLETIME a", ":0");
	expect(h, "DEL s", ":1");
	expect(h, "SET s abc", "+OK");
	expect(h, "OBJECT IDLETIME s", ":0");
	harness_advance_ms(h, 7000);
	expect(h, "TOUCH s", ":1");
	expect(h, "OBJECT IDLETIME s", ":0");
	harness_advance_ms(h, 7000);
	expect(h, "GET s", "$3 abc");
	expect(h, "OBJECT IDLETIME s", ":7");
	expect(h, "COPY s copy", ":1");
	expect(h, "OBJECT IDLETIME copy", ":0");
	expect(h, "OBJECT IDLETIME s", ":7");
	expect(h, "CLIENT NO-TOUCH OFF", "+OK");
	expect(h, "GET s", "$3 abc");
	expect(h, "OBJECT IDLETIME s", ":0");
}

static void test_memory_usage__options(void **state)
{
	expect(h, "SET s abc", "+OK");
	assert_int_equal(run(h, "MEMORY USAGE s")[0], ':');
	assert_int_equal(run(h, "MEMORY USAGE s SAMPLES 0")[0], ':');
	expect(h, "MEMORY USAGE nosuch", "$-1");
	expect(h, "MEMORY USAGE s SAMPLES -1", "-ERR syntax error");
	expect(h, "MEMORY USAGE s SAMPLES x", "-ERR value is not an integer or out of range");
	expect(h, "MEMORY USAGE s foo 1", "-ERR syntax error");
	expect(h, "MEMORY USAGE s SAMPLES", "-ERR syntax error");
}

static void test_debug__sleep_and_object(void **state)
{
	expect(h, "DEBUG SLEEP 0.25", "+OK");
	assert_int_equal(h->hold_us, 250000);
	expect(h, "DEBUG OBJECT nosuch", "-ERR no such key");
	expect(h, "SET s abc", "+OK");
	assert_non_null(strstr(run(h, "DEBUG OBJECT s"), " encoding:embstr serializedlength:4 lru:"));
}

static void test_generic__expired_key_is_gone(void **state)
{
	expect(h, "SET a v PX 10", "+OK");
	expect(h, "SET b w", "+OK");
	harness_advance_ms(h, 11);
	expect(h, "EXISTS a", ":0");
	expect(h, "TYPE a", "+none");
	expect(h, "RENAME a c", "-ERR no such key");
	expect(h, "COPY a c", ":0");
	expect(h, "DEL a", ":0");
	expect(h, "SET a v PX 10", "+OK");
	harness_advance_ms(h, 11);
	expect(h, "RENAMENX b a", ":1");
	expect(h, "GET a", "$1 w");
}

/* Words of scripts come and go at the same addresses. */
static void test_several_keys__what_was_looked_up_is_forgotten(void **state)
{
	static const char *const cmds[] = {"MGET", "EXISTS", "TOUCH", "DEL", "MSET"};

	for (size_t i = 0; i < RP_ARRAY_LEN(cmds); i++) {
		char bytes[] = "aabb";
		struct slice first = {bytes, 2}, second = {bytes + 2, 2}, name = {cmds[i], strlen(cmds[i])};
		struct slice several[] = {name, first, second}, mset[] = {name, first, SLICE("x"), second, SLICE("y")};
		struct slice one[] = {SLICE("GET"), second};
		run(h, "FLUSHALL");
		run(h, "SET cc 1");
		run_args(h, i == 4 ? 5 : 3, i == 4 ? mset : several);
		memcpy(bytes + 2, "cc", 2);
		assert_string_equal(run_args(h, 2, one), "$1 1");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_del__counts_keys_over_shards),
		T(test_type__names),
		T(test_rename__moves_value_and_ttl),
		T(test_rename__onto_itself),
		T(test_renamenx__only_to_a_free_name),
		T(test_copy__options),
		T(test_copy__is_independent),
		T(test_copy__errors),
		T(test_move__to_another_database),
		T(test_swapdb__all_shards),
		T(test_flush__one_or_all),
		T(test_select__checks_the_number),
		T(test_object__facts),
		T(test_object__no_touch_client_leaves_no_trace),
		T(test_memory_usage__options),
		T(test_debug__sleep_and_object),
		T(test_generic__expired_key_is_gone),
		T(test_several_keys__what_was_looked_up_is_forgotten),
	};
	harness_eal("test_generic");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
