/* Sets: members, forms, events, effects. */
#include <stdio.h>
#include <stdlib.h>

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

static void expect_enc(const char *key, const char *enc)
{
	char want[32];

	snprintf(want, sizeof want, "$%zu %s", strlen(enc), enc);
	assert_string_equal(runf(h, "OBJECT ENCODING %s", key), want);
}

static void add_range(const char *key, const char *prefix, int from, int to)
{
	for (int i = from; i < to; i++)
		assert_string_equal(runf(h, "SADD %s %s%d", key, prefix, i), ":1");
}

static void test_sadd__counts_what_is_new(void **state)
{
	expect(h, "SADD s a b a", ":2");
	expect_dirty(h, 2);
	expect_events(h, "sadd:s");
	expect_effects(h, "SADD s a b a");
	expect(h, "SADD s b", ":0");
	expect_dirty(h, 0);
	expect_events(h, "");
	expect_effects(h, "");
	expect(h, "SADD s b c d c", ":2");
	expect(h, "SCARD s", ":4");
	expect(h, "SISMEMBER s c", ":1");
	expect(h, "SISMEMBER s e", ":0");
	expect(h, "SMISMEMBER s a x d", "*3 :1 :0 :1");
	expect(h, "SMEMBERS s", "*4 $1 a $1 b $1 c $1 d");
	expect(h, "SADD s \"\"", ":1");
	expect(h, "SISMEMBER s \"\"", ":1");
}

static void test_set__missing_key_and_wrong_type(void **state)
{
	static const char *const lines[] = {
		"SADD t a",    "SREM t a",       "SISMEMBER t a", "SMISMEMBER t a", "SMEMBERS t",
		"SCARD t",     "SPOP t",         "SPOP t 1",      "SRANDMEMBER t",  "SMOVE t u a",
		"SMOVE s t a", "SINTER s t",     "SINTER no t",   "SUNION no t",    "SUNIONSTORE d s t",
		"SDIFF no t",  "SINTERCARD 1 t", "SSCAN t 0",     "SDIFFSTORE d t", "SINTERSTORE d no t"};

	run(h, "SET t x");
	run(h, "SADD s a");
	for (size_t i = 0; i < RP_ARRAY_LEN(lines); i++)
		assert_memory_equal(run(h, lines[i]), "-WRONGTYPE", 10);
	expect(h, "SREM no a", ":0");
	expect(h, "SISMEMBER no a", ":0");
	expect(h, "SMISMEMBER no a b", "*2 :0 :0");
	expect(h, "SMEMBERS no", "*0");
	expect(h, "SCARD no", ":0");
	expect(h, "SPOP no", "$-1");
	expect(h, "SPOP no 2", "*0");
	expect(h, "SRANDMEMBER no", "$-1");
	expect(h, "SRANDMEMBER no 2", "*0");
	expect(h, "SMOVE no t a", ":0");
	expect(h, "SSCAN no 0 nonsense", "*2 $1 0 *0");
}

static void test_set__forms_change_where_redis_changes_them(void **state)
{
	add_range("i", "", 0, 512);
	expect_enc("i", "intset");
	run(h, "SADD i 512");
	expect_enc("i", "hashtable");
	add_range("l", "m", 0, 128);
	expect_enc("l", "listpack");
	run(h, "SADD l m0");
	expect_enc("l", "listpack");
	run(h, "SADD l m128");
	expect_enc("l", "hashtable");
	run(h, "SADD v x");
	run(h, "SADD v 1234567890123456789012345678901234567890123456789012345678901234");
	expect_enc("v", "listpack");
	run(h, "SADD v 12345678901234567890123456789012345678901234567890123456789012345");
	expect_enc("v", "hashtable");
	expect(h, "SCARD v", ":3");
}

static void test_set__intset_becomes_listpack_if_small(void **state)
{
	run(h, "SADD s 1 2 3");
	expect_enc("s", "intset");
	expect(h, "SADD s x 2 70000", ":2");
	expect_enc("s", "listpack");
	expect(h, "SMEMBERS s", "*5 $1 1 $1 2 $1 3 $1 x $5 70000");
	expect(h, "SISMEMBER s 2", ":1");
	add_range("m", "", 0, 127);
	run(h, "SADD m x");
	expect_enc("m", "listpack");
	add_range("n", "", 0, 128);
	run(h, "SADD n x");
	expect_enc("n", "hashtable");
	expect(h, "SCARD n", ":129");
}

static void test_set__many_arguments_announce_many_members(void **state)
{
	h->conf.types.set_max_intset_entries = 4;
	h->conf.types.set_max_listpack_entries = 4;
	run(h, "SADD a 1 1 1 1 1");
	expect_enc("a", "hashtable");
	expect(h, "SCARD a", ":1");
	run(h, "SADD b 1");
	expect(h, "SADD b 1 1 1 1 1", ":0");
	expect_enc("b", "hashtable");
	run(h, "SADD c 1 2 3 4");
	expect_enc("c", "intset");
	run(h, "SADD c 5");
	expect_enc("c", "hashtable");
	run(h, "SADD d x 1 1 1");
	expect_enc("d", "listpack");
	h->conf.types.set_max_listpack_entries = 0;
	run(h, "SADD e 1");
	expect_enc("e", "intset");
	run(h, "SADD e x");
	expect_enc("e", "hashtable");
}

static void test_srem__key_goes_with_the_last(void **state)
{
	static const char *const first[] = {
		"SADD s 1 2 3", "SADD s a b c",
		"SADD s a b c 1234567890123456789012345678901234567890123456789012345678901234567"};

	for (size_t i = 0; i < RP_ARRAY_LEN(first); i++) {
		run(h, first[i]);
		h->effects[0] = h->events[0] = '\0';
		expect(h, "SREM s 1 a x a", ":1");
		expect_dirty(h, 1);
		expect_events(h, "srem:s");
		expect_effects(h, "SREM s 1 a x a");
		run(h, "SREM s 1234567890123456789012345678901234567890123456789012345678901234567");
		h->effects[0] = h->events[0] = '\0';
		expect(h, "SREM s 2 3 b c", ":2");
		expect_events(h, "srem:s del:s");
		expect(h, "EXISTS s", ":0");
	}
}

static void test_smove__within_and_across_shards(void **state)
{
	run(h, "SADD {a}1 x y");
	run(h, "SADD {a}2 y");
	h->effects[0] = h->events[0] = '\0';
	expect(h, "SMOVE {a}1 {a}2 x", ":1");
	expect_events(h, "srem:{a}1 sadd:{a}2");
	expect_effects(h, "SMOVE {a}1 {a}2 x");
	expect_dirty(h, 2);
	expect(h, "SMOVE {a}1 {a}2 y", ":1");
	expect_events(h, "srem:{a}1 del:{a}1");
	expect_dirty(h, 1);
	expect(h, "SMOVE {a}2 {a}2 x", ":1");
	expect_events(h, "");
	expect(h, "SMOVE {a}2 {a}2 nothing", ":0");
	h->effects[0] = '\0';
	expect(h, "SMOVE {a}2 {b}1 x", ":1"); /* another shard */
	expect_effects(h, "SREM {a}2 x; SADD {b}1 x");
	expect(h, "SMEMBERS {b}1", "*1 $1 x");
	expect_enc("{b}1", "listpack");
	run(h, "SADD {a}3 5");
	run(h, "SMOVE {a}3 {b}2 5");
	expect_enc("{b}2", "intset");
}

static void test_set__ttl_stays(void **state)
{
	run(h, "SADD s a");
	run(h, "PEXPIRE s 5000");
	add_range("s", "m", 0, 140);
	expect_enc("s", "hashtable");
	expect(h, "PTTL s", ":5000");
	run(h, "SREM s a");
	expect(h, "PTTL s", ":5000");
	run(h, "SADD t z");
	run(h, "SUNIONSTORE s t");
	expect(h, "PTTL s", ":-1");
}

static void test_set__copies_are_their_own(void **state)
{
	add_range("big", "m", 0, 1000);
	add_range("mid", "", 10000, 10500); /* in a blob, which clones share */
	run(h, "COPY big other");
	run(h, "COPY mid {x}other");
	expect(h, "SREM big m1 m2", ":2");
	expect(h, "SCARD other", ":1000");
	expect(h, "SADD {x}other 1", ":1");
	expect(h, "SREM mid 10001", ":1");
	expect(h, "SCARD mid", ":499");
	expect(h, "SCARD {x}other", ":501");
	run(h, "RENAME big moved");
	expect(h, "SISMEMBER moved m3", ":1");
	assert_true(atoi(run(h, "MEMORY USAGE moved") + 1) > 1000 * 20);
}

static void test_sscan__all_once(void **state)
{
	expect(h, "SADD i 1 2 3", ":3");
	expect(h, "SSCAN i 0 MATCH [13]", "*2 $1 0 *2 $1 1 $1 3");
	expect(h, "SSCAN i 0 MATCH [13] MATCH *", "*2 $1 0 *3 $1 1 $1 2 $1 3"); /* the last one counts */
	expect(h, "SSCAN i 0 MATCH * MATCH 2", "*2 $1 0 *1 $1 2");
	expect(h, "SSCAN i 77 COUNT 1", "*2 $1 0 *3 $1 1 $1 2 $1 3");
	expect(h, "SSCAN i x", "-ERR invalid cursor");
	expect(h, "SSCAN i 0 COUNT 0", "-ERR syntax error");
	expect(h, "SSCAN i 0 TYPE set", "-ERR syntax error");
	expect(h, "SSCAN i 0 COUNT", "-ERR syntax error");
	add_range("big", "m", 0, 1000);
	char cursor[32] = "0";
	int seen = 0, calls = 0;

	do {
		const char *r = runf(h, "SSCAN big %s COUNT 50", cursor);
		const char *at = strchr(r + 3, ' ');
		int n;
		assert_int_equal(sscanf(at, "%31s *%d", cursor, &n), 2);
		assert_true(n >= 50 || strcmp(cursor, "0") == 0);
		seen += n;
		calls++;
	} while (strcmp(cursor, "0") != 0);
	assert_int_equal(seen, 1000);
	assert_true(calls >= 15 && calls <= 21);
}

static void test_set__resp3(void **state)
{
	h->client.proto = 3;
	run(h, "SADD s a b");
	expect(h, "SMEMBERS s", "~2 $1 a $1 b");
	expect(h, "SINTER s no", "~0");
	expect(h, "SUNION s", "~2 $1 a $1 b");
	expect(h, "SDIFF s no", "~2 $1 a $1 b");
	expect(h, "SRANDMEMBER s 5", "*2 $1 a $1 b");
	expect(h, "SSCAN s 0", "*2 $1 0 *2 $1 a $1 b");
	expect(h, "SPOP s 0", "~0");
	expect(h, "SPOP s 9", "~2 $1 a $1 b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sadd__counts_what_is_new, setup, teardown),
		cmocka_unit_test_setup_teardown(test_set__missing_key_and_wrong_type, setup, teardown),
		cmocka_unit_test_setup_teardown(test_set__forms_change_where_redis_changes_them, setup, teardown),
		cmocka_unit_test_setup_teardown(test_set__intset_becomes_listpack_if_small, setup, teardown),
		cmocka_unit_test_setup_teardown(test_set__many_arguments_announce_many_members, setup, teardown),
		cmocka_unit_test_setup_teardown(test_srem__key_goes_with_the_last, setup, teardown),
		cmocka_unit_test_setup_teardown(test_smove__within_and_across_shards, setup, teardown),
		cmocka_unit_test_setup_teardown(test_set__ttl_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(test_set__copies_are_their_own, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sscan__all_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_set__resp3, setup, teardown),
	};
	harness_eal("test_set");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
