/* Hashes: times of fields, in either form that keeps them. */
#include <stdio.h>
#include <stdlib.h>

#include "harness.h"

#define START_MS 1700000000000ll
#define LONG65   "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggggg"

static struct harness *h;
static bool table; /* the hashes of this run are tables */

static int setup(void **state)
{
	h = harness_create(4);
	table = false;
	return 0;
}

static int setup_table(void **state)
{
	setup(state);
	table = true;
	h->conf.types.hash_max_listpack_entries = 0;
	return 0;
}

static int teardown(void **state)
{
	harness_destroy(h);
	return 0;
}

static void forget(void)
{
	h->events[0] = h->effects[0] = '\0';
}

static void poll_all(void)
{
	for (uint32_t i = 0; i < h->env.nstores; i++)
		while (store_poll(h->stores[i], 100) > 0)
			;
}

static void expect_enc(const char *key)
{
	const char *enc = table ? "hashtable" : "listpackex";
	char want[32];

	snprintf(want, sizeof want, "$%zu %s", strlen(enc), enc);
	assert_string_equal(runf(h, "OBJECT ENCODING %s", key), want);
}

static void test_hexpire__answers(void **state)
{
	run(h, "HSET k a 1 b 2 c 3");
	forget();
	expect(h, "HEXPIRE k 10 FIELDS 2 a z", "*2 :1 :-2");
	expect_dirty(h, 1);
	expect_events(h, "hexpire:k");
	expect_effects(h, "HPEXPIREAT k 1700000010000 FIELDS 1 a");
	expect_enc("k");
	expect(h, "HTTL k FIELDS 3 a b z", "*3 :10 :-1 :-2");
	expect(h, "HPTTL k FIELDS 1 a", "*1 :10000");
	expect(h, "HEXPIRETIME k FIELDS 1 a", "*1 :1700000010");
	expect(h, "HPEXPIRETIME k FIELDS 1 a", "*1 :1700000010000");
	expect(h, "HPEXPIRE k 1500 FIELDS 1 a", "*1 :1");
	expect(h, "HTTL k FIELDS 1 a", "*1 :2");
	expect(h, "HEXPIRETIME k FIELDS 1 a", "*1 :1700000002");
	expect(h, "HPERSIST k FIELDS 3 a b z", "*3 :1 :-1 :-2");
	expect(h, "HTTL k FIELDS 1 a", "*1 :-1");
	expect(h, "HGETALL k", table ? run(h, "HGETALL k") : "*6 $1 b $1 2 $1 c $1 3 $1 a $1 1");
	expect(h, "HEXPIRE no 10 FIELDS 2 a b", "*2 :-2 :-2");
	expect(h, "HTTL no FIELDS 1 a", "*1 :-2");
	expect(h, "HPERSIST no FIELDS 1 a", "*1 :-2");
}

static void test_hexpire__conditions(void **state)
{
	run(h, "HSET k a 1 b 2");
	run(h, "HPEXPIRE k 5000 FIELDS 1 a");
	expect(h, "HPEXPIRE k 9000 NX FIELDS 2 a b", "*2 :0 :1");
	run(h, "HPERSIST k FIELDS 1 b");
	expect(h, "HPEXPIRE k 6000 XX FIELDS 2 a b", "*2 :1 :0");
	expect(h, "HPEXPIRE k 6000 GT FIELDS 2 a b", "*2 :0 :0");
	expect(h, "HPEXPIRE k 6001 GT FIELDS 2 a b", "*2 :1 :0");
	expect(h, "HPEXPIRE k 6001 LT FIELDS 2 a b", "*2 :0 :1");
	expect(h, "HPEXPIRE k 6000 lt FIELDS 2 a b", "*2 :1 :1");
	expect(h, "HPTTL k FIELDS 2 a b", "*2 :6000 :6000");
	expect(h, "HPEXPIRE k 7000 NX FIELDS 2 b b", "*2 :0 :0");
	run(h, "HPERSIST k FIELDS 1 b");
	expect(h, "HPEXPIRE k 7000 NX FIELDS 3 b b b", "*3 :1 :0 :0");
	forget();
	expect(h, "HPEXPIREAT k 1 GT FIELDS 1 a", "*1 :0");
	expect_events(h, "");
	expect_effects(h, "");
}

static void test_hexpire__past_removes(void **state)
{
	run(h, "HSET k a 1 b 2 c 3");
	run(h, "HPEXPIRE k 5000 FIELDS 1 b");
	forget();
	expect(h, "HPEXPIRE k 0 FIELDS 3 a b a", "*3 :2 :2 :-2");
	expect_dirty(h, 2);
	expect_events(h, "hdel:k");
	expect_effects(h, "HDEL k a b");
	expect(h, "HLEN k", ":1");
	forget();
	expect(h, "HEXPIREAT k 1600000000 FIELDS 1 c", "*1 :2");
	expect_events(h, "hdel:k del:k");
	expect(h, "EXISTS k", ":0");
}

static void test_hexpire__errors(void **state)
{
	run(h, "HSET k a 1");
	run(h, "SET s 1");
	expect(h, "HEXPIRE k x FIELDS 1 a", "-ERR value is not an integer or out of range");
	expect(h, "HEXPIRE k -1 FIELDS 1 a", "-ERR invalid expire time, must be >= 0");
	expect(h, "HEXPIRE k 70368744178 FIELDS 1 a", "-ERR invalid expire time in 'hexpire' command");
	expect(h, "HPEXPIREAT k 70368744177663 FIELDS 1 a", "*1 :1");
	expect(h, "HPEXPIREAT k 70368744177664 FIELDS 1 a", "-ERR invalid expire time in 'hpexpireat' command");
	expect(h, "HEXPIRE k 9 FIELD 1 a", "-ERR Mandatory argument FIELDS is missing or not at the right position");
	expect(h, "HEXPIRE k 9 NX XX FIELDS 1 a",
	       "-ERR Mandatory argument FIELDS is missing or not at the right position");
	expect(h, "HEXPIRE k 9 FIELDS 0 a", "-ERR Parameter `numFields` should be greater than 0");
	expect(h, "HEXPIRE k 9 FIELDS 2 a", "-ERR The `numfields` parameter must match the number of arguments");
	expect(h, "HEXPIRE k 9 NX FIELDS 1", "-ERR The `numfields` parameter must match the number of arguments");
	expect(h, "HTTL k FIELDS 0 a", "-ERR Number of fields must be a positive integer");
	expect(h, "HTTL k FIELDS 2 a", "-ERR The `numfields` parameter must match the number of arguments");
	expect(h, "HEXPIRE s x FIELDS 1 a", "-WRONGTYPE Operation against a key holding the wrong kind of value");
	expect(h, "HPERSIST s FIELDS 1 a", "-WRONGTYPE Operation against a key holding the wrong kind of value");
}

static void test_field__not_seen_after_its_time(void **state)
{
	run(h, "HSET k a 1 b 2 c 3");
	run(h, "HPEXPIRE k 100 FIELDS 2 a b");
	harness_advance_ms(h, 100);
	expect(h, "HLEN k", ":3"); /* the millisecond itself still counts */
	harness_advance_ms(h, 1);
	expect(h, "HLEN k", ":1");
	expect(h, "HGETALL k", "*2 $1 c $1 3");
	expect(h, "HKEYS k", "*1 $1 c");
	expect(h, "HGET k a", "$-1");
	expect(h, "HMGET k a c", "*2 $-1 $1 3");
	expect(h, "HEXISTS k b", ":0");
	expect(h, "HSTRLEN k b", ":0");
	expect(h, "HTTL k FIELDS 2 a c", "*2 :-2 :-1");
	expect(h, "HSCAN k 0", "*2 $1 0 *2 $1 c $1 3");
	for (int i = 0; i < 20; i++)
		expect(h, "HRANDFIELD k", "$1 c");
	expect(h, "HRANDFIELD k -2", "*2 $1 c $1 c");
	expect(h, "HRANDFIELD k 5", "*1 $1 c");
	expect(h, "COPY k other", ":1");
	expect(h, "HLEN other", ":1");
	expect_events(h, "hset:k hexpire:k copy_to:other");
}

static void test_field__removed_though_nobody_reads_it(void **state)
{
	run(h, "HSET k a 1 b 2 c 3 d 4");
	run(h, "HPEXPIRE k 100 FIELDS 1 a");
	run(h, "HPEXPIRE k 200 FIELDS 2 b c");
	forget();
	harness_advance_ms(h, 100);
	poll_all();
	expect_events(h, "");
	harness_advance_ms(h, 1);
	poll_all();
	expect_events(h, "hexpired:k");
	expect_effects(h, "HDEL k a");
	harness_advance_ms(h, 100);
	poll_all();
	expect_events(h, "hexpired:k");
	assert_int_equal(strlen(h->effects), strlen("HDEL k b c"));
	forget();
	run(h, "HPEXPIRE k 10 FIELDS 1 d");
	forget();
	harness_advance_ms(h, 11);
	poll_all();
	expect_events(h, "hexpired:k del:k");
	expect_effects(h, "DEL k");
	expect(h, "DBSIZE", ":0");
}

static void test_hash__gone_when_all_its_fields_are(void **state)
{
	run(h, "HSET k a 1 b 2");
	run(h, "HPEXPIRE k 100 FIELDS 2 a b");
	forget();
	harness_advance_ms(h, 101);
	expect(h, "EXISTS k", ":0");
	expect_events(h, "hexpired:k del:k");
	expect_effects(h, "DEL k");
	expect(h, "TYPE k", "+none");
	run(h, "HSET k a 1 b 2");
	run(h, "HPEXPIRE k 100 FIELDS 2 a b");
	harness_advance_ms(h, 101);
	forget();
	expect(h, "HINCRBY k a 5", ":5");
	expect_effects(h, "DEL k; HINCRBY k a 5");
	expect(h, "HTTL k FIELDS 2 a b", "*2 :-1 :-2");
}

static void test_write__meets_an_expired_field(void **state)
{
	static const char *const lines[][4] = {
		{"HSET k a 9", ":1", "$1 9", "HDEL k a; HSET k a 9"},
		{"HSETNX k a 9", ":1", "$1 9", "HDEL k a; HSETNX k a 9"},
		{"HINCRBY k a 5", ":5", "$1 5", "HDEL k a; HINCRBY k a 5"},
		{"HINCRBYFLOAT k a 0.5", "$3 0.5", "$3 0.5", "HDEL k a; HSET k a 0.5"},
		{"HDEL k a", ":0", "$-1", "HDEL k a"},
		{"HEXPIRE k 5 FIELDS 1 a", "*1 :-2", "$-1", "HDEL k a"},
		{"HPERSIST k FIELDS 1 a", "*1 :-2", "$-1", "HDEL k a"},
		{"HGETDEL k FIELDS 1 a", "*1 $-1", "$-1", "HDEL k a"},
		{"HGETEX k EX 10 FIELDS 1 a", "*1 $-1", "$-1", "HDEL k a"},
		{"HSETEX k FNX KEEPTTL FIELDS 1 a 9", ":1", "$1 9", "HDEL k a; HSETEX k FNX KEEPTTL FIELDS 1 a 9"},
		{"HSETEX k FXX FIELDS 1 a 9", ":0", "$-1", "HDEL k a"},
	};

	for (size_t i = 0; i < RP_ARRAY_LEN(lines); i++) {
		run(h, "DEL k");
		run(h, "HSET k a 1 b 2");
		run(h, "HPEXPIRE k 100 FIELDS 1 a");
		harness_advance_ms(h, 101);
		forget();
		expect(h, lines[i][0], lines[i][1]);
		assert_memory_equal(h->events, "hexpired:k", 10);
		expect_effects(h, lines[i][3]);
		expect(h, "HGET k a", lines[i][2]);
		expect(h, "HPTTL k FIELDS 1 a", lines[i][2][1] == '-' ? "*1 :-2" : "*1 :-1");
	}
}

static void test_write__keeps_or_clears_the_time(void **state)
{
	run(h, "HSET k a 1 b 2 c 3");
	run(h, "HPEXPIRE k 5000 FIELDS 3 a b c");
	expect(h, "HSET k a 7", ":0");
	expect(h, "HINCRBY k b 5", ":7");
	forget();
	expect(h, "HINCRBYFLOAT k c 0.5", "$3 3.5");
	expect_effects(h, "HSETEX k KEEPTTL FIELDS 1 c 3.5");
	expect(h, "HPTTL k FIELDS 3 a b c", "*3 :-1 :5000 :5000");
	expect(h, "HMGET k a b c", "*3 $1 7 $1 7 $3 3.5");
	expect(h, "HSETNX k b 0", ":0");
	run(h, "HDEL k b");
	run(h, "HSET k b 1");
	expect(h, "HPTTL k FIELDS 1 b", "*1 :-1");
	run(h, "HPEXPIRE k 5000 FIELDS 1 b");
	expect(h, "HSET k b " LONG65 " b x new y", ":1"); /* a table from here on */
	expect(h, "HPTTL k FIELDS 3 b c new", "*3 :-1 :5000 :-1");
	expect(h, "OBJECT ENCODING k", "$9 hashtable");
}

static void test_timers__follow_the_key(void **state)
{
	static const char *const moves[][2] = {{"RENAME k {k}2", "{k}2"},
					       {"RENAME k other", "other"},
					       {"COPY k {k}3", "{k}3"},
					       {"MOVE k 3", NULL},
					       {"EXPIRE k 1000", "k"},
					       {"SWAPDB 0 3", NULL},
					       {"RENAME k {k}target", "{k}target"}};

	for (size_t i = 0; i < RP_ARRAY_LEN(moves); i++) {
		run(h, "FLUSHALL");
		run(h, "HSET k a 1 b 2");
		run(h, "HSET {k}target x 1 y 2");
		run(h, "HPEXPIRE {k}target 50 FIELDS 1 x");
		run(h, "HPEXPIRE k 100 FIELDS 1 a");
		run(h, moves[i][0]);
		if (moves[i][1] == NULL)
			run(h, "SELECT 3");
		const char *key = moves[i][1] != NULL ? moves[i][1] : "k";
		assert_string_equal(runf(h, "HPTTL %s FIELDS 2 a b", key), "*2 :100 :-1");
		harness_advance_ms(h, 101);
		forget();
		poll_all();
		assert_non_null(strstr(h->events, "hexpired:"));
		assert_string_equal(runf(h, "HGETALL %s", key), "*2 $1 b $1 2");
		run(h, "SELECT 0");
	}
}

static void test_timers__flush_and_overwrite(void **state)
{
	run(h, "HSET k a 1 b 2");
	run(h, "HPEXPIRE k 100 FIELDS 1 a");
	run(h, "SET k x");
	run(h, "HSET l a 1 b 2");
	run(h, "HPEXPIRE l 100 FIELDS 1 a");
	run(h, "FLUSHDB");
	run(h, "HSET m a 1 b 2");
	run(h, "HPEXPIRE m 100 FIELDS 1 a");
	run(h, "DEL m");
	forget();
	harness_advance_ms(h, 200);
	poll_all();
	expect_events(h, "");
}

static void test_expiry__many_fields_go_in_slices(void **state)
{
	for (int i = 0; i < 400; i++)
		runf(h, "HSET k f%d %d", i, i);
	for (int i = 0; i < 300; i++)
		runf(h, "HPEXPIRE k %d FIELDS 1 f%d", 100 + i % 7, i);
	harness_advance_ms(h, 200);
	expect(h, "HLEN k", ":100");
	struct store *s = h->stores[cmd_shard_of(&h->env, SLICE("k"))];
	store_poll(s, 40);
	expect(h, "HLEN k", ":100");
	assert_string_equal(run(h, "HRANDFIELD k 1000") + 0, h->reply);
	assert_int_equal(strncmp(h->reply, "*100 ", 5), 0);
	expect(h, "HSET k f0 x f1 x", ":2");
	expect(h, "HDEL k f2 f399", ":1");
	poll_all();
	expect(h, "HLEN k", ":101");
	expect(h, "HMGET k f0 f2 f398", "*3 $1 x $-1 $3 398");
}

static void test_hgetdel__gets_and_removes(void **state)
{
	run(h, "HSET k a 1 b 2 c 3");
	run(h, "HPEXPIRE k 5000 FIELDS 1 b");
	forget();
	expect(h, "HGETDEL k FIELDS 4 a z b a", "*4 $1 1 $-1 $1 2 $-1");
	expect_dirty(h, 2);
	expect_events(h, "hdel:k");
	expect_effects(h, "HDEL k a b");
	expect(h, "HGETDEL k FIELDS 1 c", "*1 $1 3");
	expect_events(h, "hdel:k del:k");
	expect(h, "HGETDEL k FIELDS 2 a b", "*2 $-1 $-1");
	expect(h, "HGETDEL k FIELD 1 a", "-ERR Mandatory argument FIELDS is missing or not at the right position");
	expect(h, "HGETDEL k FIELDS x a", "-ERR Number of fields must be a positive integer");
}

static void test_hgetex__times(void **state)
{
	run(h, "HSET k a 1 b 2 c 3");
	forget();
	expect(h, "HGETEX k FIELDS 2 a z", "*2 $1 1 $-1");
	expect_effects(h, "");
	expect(h, "HGETEX k PX 5000 FIELDS 2 a z", "*2 $1 1 $-1");
	expect_effects(h, "HPEXPIREAT k 1700000005000 FIELDS 1 a");
	expect_events(h, "hexpire:k");
	expect(h, "HPTTL k FIELDS 1 a", "*1 :5000");
	expect(h, "HGETEX k PERSIST FIELDS 2 a b", "*2 $1 1 $1 2");
	expect_effects(h, "HPERSIST k FIELDS 1 a");
	expect_events(h, "hpersist:k");
	expect(h, "HGETEX k EXAT 1800000000 FIELDS 1 b", "*1 $1 2");
	expect(h, "HEXPIRETIME k FIELDS 1 b", "*1 :1800000000");
	forget();
	expect(h, "HGETEX k PXAT 5 FIELDS 2 b b", "*2 $1 2 $-1");
	expect_effects(h, "HDEL k b");
	expect_events(h, "hdel:k");
	expect(h, "HGETEX k EX 0 FIELDS 2 a c", "*2 $1 1 $1 3");
	expect_events(h, "hdel:k del:k");
	expect(h, "HGETEX k EX 5 FIELDS 1 a", "*1 $-1");
	expect(h, "HGETEX k EX FIELDS 1 a", "-ERR value is not an integer or out of range");
	expect(h, "HGETEX k NX FIELDS 1 a", "-ERR Mandatory argument FIELDS is missing or not at the right position");
}

static void test_hsetex__conditions_and_times(void **state)
{
	expect(h, "HSETEX k FXX FIELDS 1 a 1", ":0");
	expect(h, "HSETEX k EX 10 FIELDS 2 a 1 b 2", ":1");
	expect_dirty(h, 2);
	expect_enc("k");
	expect_effects(h, "HSETEX k PXAT 1700000010000 FIELDS 2 a 1 b 2");
	expect_events(h, "hset:k hexpire:k");
	expect(h, "HTTL k FIELDS 2 a b", "*2 :10 :10");
	expect(h, "HSETEX k FNX FIELDS 2 c 1 a 2", ":0");
	expect(h, "HSETEX k KEEPTTL FIELDS 2 a 5 c 6", ":1");
	expect(h, "HTTL k FIELDS 3 a b c", "*3 :10 :10 :-1");
	expect(h, "HSETEX k FXX FIELDS 2 a 7 b 8", ":1");
	expect(h, "HTTL k FIELDS 3 a b c", "*3 :-1 :-1 :-1");
	forget();
	expect(h, "HSETEX k PXAT 5 FIELDS 2 a 1 z 1", ":1");
	expect_effects(h, "HDEL k a z");
	expect_events(h, "hset:k hdel:k");
	expect(h, "HMGET k a b c", "*3 $-1 $1 8 $1 6");
	expect(h, "HSETEX k EX 1 PX 1 FIELDS 1 a 1",
	       "-ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified");
	expect(h, "HSETEX k FNX FXX FIELDS 1 a 1", "-ERR Only one of FXX or FNX arguments can be specified");
	expect(h, "HSETEX k EX -1 FIELDS 1 a 1", "-ERR invalid expire time, must be >= 0");
	expect(h, "HSETEX k FIELDS 0 a 1", "-ERR invalid number of fields");
	expect(h, "HSETEX k FIELDS 2 a 1", "-ERR wrong number of arguments for 'hsetex' command");
	expect(h, "HSETEX k WHAT FIELDS 1 a 1", "-ERR unknown argument: WHAT");
	expect(h, "HSETEX k FNX a b KEEPTTL", "-ERR unknown argument: a");
}

#define EITHER_FORM(test)                                           \
	{#test " (listpack)", test, setup, teardown, NULL},         \
	{                                                           \
#test " (table)", test, setup_table, teardown, NULL \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		EITHER_FORM(test_hexpire__answers),
		EITHER_FORM(test_hexpire__conditions),
		EITHER_FORM(test_hexpire__past_removes),
		EITHER_FORM(test_hexpire__errors),
		EITHER_FORM(test_field__not_seen_after_its_time),
		EITHER_FORM(test_field__removed_though_nobody_reads_it),
		EITHER_FORM(test_hash__gone_when_all_its_fields_are),
		EITHER_FORM(test_write__meets_an_expired_field),
		EITHER_FORM(test_write__keeps_or_clears_the_time),
		EITHER_FORM(test_timers__follow_the_key),
		EITHER_FORM(test_timers__flush_and_overwrite),
		EITHER_FORM(test_expiry__many_fields_go_in_slices),
		EITHER_FORM(test_hgetdel__gets_and_removes),
		EITHER_FORM(test_hgetex__times),
		EITHER_FORM(test_hsetex__conditions_and_times),
	};
	harness_eal("test_hash_time");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
