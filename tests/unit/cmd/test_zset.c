/* Sorted sets: members, ranges, forms, events, effects. */
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

/* Members m000... with scores 0, 1, ... */
static void fill(const char *key, int n)
{
	for (int i = 0; i < n; i++)
		assert_string_equal(runf(h, "ZADD %s %d m%03d", key, i, i), ":1");
	h->events[0] = h->effects[0] = '\0';
}

static void test_zadd__counts_added_and_with_ch_changed(void **state)
{
	expect(h, "ZADD z 1 a 2 b 3 a", ":2");
	expect_dirty(h, 3);
	expect_events(h, "zadd:z");
	expect_effects(h, "ZADD z 1 a 2 b 3 a");
	expect(h, "ZADD z CH 3 a 5 b 6 c", ":2");
	expect(h, "ZADD z 3 a", ":0");
	expect_dirty(h, 0);
	expect_events(h, "zadd:z");
	expect(h, "ZRANGE z 0 -1 WITHSCORES", "*6 $1 a $1 3 $1 b $1 5 $1 c $1 6");
}

static void test_zadd__conditions(void **state)
{
	expect(h, "ZADD z XX 1 a", ":0");
	expect(h, "EXISTS z", ":0");
	expect(h, "ZADD z 5 a", ":1");
	expect(h, "ZADD z NX 7 a 1 b", ":1");
	expect(h, "ZADD z GT CH 4 a 2 b", ":1");
	expect(h, "ZADD z LT CH 4 a 9 b 1 c", ":2");
	expect(h, "ZRANGE z 0 -1 WITHSCORES", "*6 $1 c $1 1 $1 b $1 2 $1 a $1 4");
	expect(h, "ZADD z XX NX 1 a", "-ERR XX and NX options at the same time are not compatible");
	expect(h, "ZADD z GT LT 1 a", "-ERR GT, LT, and/or NX options at the same time are not compatible");
	expect(h, "ZADD z 1", "-ERR wrong number of arguments for 'zadd' command");
	expect(h, "ZADD z 1 a 2", "-ERR syntax error");
	expect(h, "ZADD z x a", "-ERR value is not a valid float");
	expect(h, "ZADD z INCR 1 a 2 b", "-ERR INCR option supports a single increment-element pair");
}

static void test_zadd__incr(void **state)
{
	expect(h, "ZADD z INCR 1.5 a", "$3 1.5");
	expect_events(h, "zincr:z");
	expect(h, "ZINCRBY z 2 a", "$3 3.5");
	expect(h, "ZADD z NX INCR 1 a", "$-1");
	expect(h, "ZADD z GT INCR -1 a", "$-1");
	expect(h, "ZADD z inf b", ":1");
	expect(h, "ZINCRBY z -inf b", "-ERR resulting score is not a number (NaN)");
	h->client.proto = 3;
	expect(h, "ZINCRBY z 1 a", ",4.5");
	expect(h, "ZADD z XX INCR 1 none", "_");
}

static void test_zadd__scores_of_all_widths(void **state)
{
	static const char *const scores[] = {"0",          "-0",         "1",     "-2147483647", "-2147483648",
					     "2147483647", "2147483648", "0.125", "1234567.75",  "1e+100",
					     "inf",        "-inf",       "5"};

	for (int large = 0; large < 2; large++) {
		run(h, "DEL z");
		if (large)
			fill("z", 200);
		for (size_t i = 0; i < RP_ARRAY_LEN(scores); i++) {
			char want[64];

			runf(h, "ZADD z %s a", scores[i]);
			/* the integers of a listpack know no -0, as in Redis */
			const char *kept = !large && strcmp(scores[i], "-0") == 0 ? "0" : scores[i];
			snprintf(want, sizeof want, "$%zu %s", strlen(kept), kept);
			assert_string_equal(run(h, "ZSCORE z a"), want);
			runf(h, "ZADD z 1 a");
		}
		expect(h, "ZADD z -0 zero", ":1");
		expect(h, "ZSCORE z zero", large ? "$2 -0" : "$1 0");
	}
}

static void test_zset__becomes_large_at_its_limits(void **state)
{
	fill("z", 128);
	expect_enc("z", "listpack");
	expect(h, "ZADD z 500 m500", ":1");
	expect_enc("z", "skiplist");
	expect(h, "ZCARD z", ":129");
	runf(h, "ZADD y 1 %064d", 1);
	expect_enc("y", "listpack");
	runf(h, "ZADD y 1 %065d", 1);
	expect_enc("y", "skiplist");
	runf(h, "ZADD x 1 %065d", 1);
	expect_enc("x", "skiplist");
	expect(h, "ZREM z m500", ":1");
	expect_enc("z", "skiplist");
	expect(h, "ZRANGESTORE w z 0 127", ":128");
	expect_enc("w", "listpack");
}

static void test_zrem__last_member_takes_the_key(void **state)
{
	for (int n = 3; n < 300; n += 200) {
		fill("z", n);
		expect(h, "ZREM z m000 m000 none", ":1");
		expect_dirty(h, 1);
		expect_events(h, "zrem:z");
		for (int i = 1; i < n - 1; i++)
			runf(h, "ZREM z m%03d", i);
		h->events[0] = '\0';
		runf(h, "ZREM z m%03d x", n - 1);
		expect_events(h, "zrem:z del:z");
		expect(h, "EXISTS z", ":0");
	}
}

static void test_zrange__by_rank_score_and_name(void **state)
{
	for (int n = 10; n < 500; n += 300) {
		char last[64];

		run(h, "DEL z");
		fill("z", n);
		expect(h, "ZRANGE z 1 3", "*3 $4 m001 $4 m002 $4 m003");
		snprintf(last, sizeof last, "*2 $4 m%03d $4 m%03d", n - 1, n - 2);
		expect(h, "ZRANGE z 0 1 REV", last);
		expect(h, "ZREVRANGE z 0 1", last);
		snprintf(last, sizeof last, "*1 $4 m%03d", n - 1);
		expect(h, "ZRANGE z -1 1000", last);
		expect(h, "ZRANGE z 5 3", "*0");
		expect(h, "ZRANGE z (2 4 BYSCORE", "*2 $4 m003 $4 m004");
		expect(h, "ZRANGE z 4 (2 BYSCORE REV LIMIT 1 1", "*1 $4 m003");
		expect(h, "ZRANGEBYSCORE z -inf 2 WITHSCORES LIMIT 1 -1", "*4 $4 m001 $1 1 $4 m002 $1 2");
		expect(h, "ZREVRANGEBYSCORE z 2 (0 LIMIT 0 5", "*2 $4 m002 $4 m001");
		expect(h, "ZRANGE z [m003 (m005 BYLEX", "*2 $4 m003 $4 m004");
		expect(h, "ZRANGEBYLEX z - (m002", "*2 $4 m000 $4 m001");
		expect(h, "ZREVRANGEBYLEX z [m002 -", "*3 $4 m002 $4 m001 $4 m000");
		expect(h, "ZCOUNT z 2 (5", ":3");
		expect(h, "ZLEXCOUNT z [m002 (m005", ":3");
		expect(h, "ZLEXCOUNT z + -", ":0");
	}
	expect(h, "ZRANGE z 0 1 LIMIT 0 1",
	       "-ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX");
	expect(h, "ZRANGE z - + BYLEX WITHSCORES",
	       "-ERR syntax error, WITHSCORES not supported in combination with BYLEX");
	expect(h, "ZRANGE z a b BYSCORE", "-ERR min or max is not a float");
	expect(h, "ZRANGE z a b BYLEX", "-ERR min or max not valid string range item");
}

static void test_zrange__resp3_nests_pairs(void **state)
{
	h->client.proto = 3;
	expect(h, "ZADD z 1 a 2.5 b", ":2");
	expect(h, "ZRANGE z 0 -1 WITHSCORES", "*2 *2 $1 a ,1 *2 $1 b ,2.5");
	expect(h, "ZPOPMIN z", "*2 $1 a ,1");
	expect(h, "ZPOPMIN z 5", "*1 *2 $1 b ,2.5");
}

static void test_zrank__both_ways_and_with_score(void **state)
{
	for (int n = 20; n < 500; n += 300) {
		char want[32];

		run(h, "DEL z");
		fill("z", n);
		expect(h, "ZRANK z m007", ":7");
		snprintf(want, sizeof want, ":%d", n - 8);
		expect(h, "ZREVRANK z m007", want);
		expect(h, "ZRANK z m007 WITHSCORE", "*2 :7 $1 7");
		expect(h, "ZRANK z none", "$-1");
		expect(h, "ZRANK z none WITHSCORE", "*-1");
		expect(h, "ZRANK z m007 X", "-ERR syntax error");
	}
}

static void test_zremrange__events_and_the_whole_key(void **state)
{
	for (int n = 10; n < 500; n += 300) {
		char want[32];

		fill("z", n);
		expect(h, "ZREMRANGEBYRANK z 0 1", ":2");
		expect_events(h, "zremrangebyrank:z");
		expect(h, "ZREMRANGEBYSCORE z (3 5", ":2");
		expect_events(h, "zremrangebyscore:z");
		expect(h, "ZREMRANGEBYLEX z [m002 [m003", ":2");
		expect_events(h, "zremrangebylex:z");
		expect(h, "ZREMRANGEBYSCORE z 1000 2000", ":0");
		expect_events(h, "");
		snprintf(want, sizeof want, ":%d", n - 6);
		expect(h, "ZREMRANGEBYRANK z 0 -1", want);
		expect_dirty(h, (uint32_t)n - 6);
		expect_events(h, "zremrangebyrank:z del:z");
	}
}

static void test_zpop__takes_from_the_ends(void **state)
{
	fill("z", 5);
	expect(h, "ZPOPMIN z", "*2 $4 m000 $1 0");
	expect_events(h, "zpopmin:z");
	expect(h, "ZPOPMAX z 2", "*4 $4 m004 $1 4 $4 m003 $1 3");
	expect(h, "ZPOPMAX z 0", "*0");
	expect(h, "ZPOPMIN z -1", "-ERR value is out of range, must be positive");
	expect_events(h, "zpopmax:z");
	expect(h, "ZMPOP 2 none z MAX COUNT 10", "*2 $1 z *2 *2 $4 m002 $1 2 *2 $4 m001 $1 1");
	expect_events(h, "zpopmax:z del:z");
	assert_non_null(strstr(h->effects, "ZPOPMAX z 2"));
	expect(h, "ZMPOP 1 z MIN", "*-1");
}

static void test_zalgebra__unites_intersects_and_takes_away(void **state)
{
	expect(h, "ZADD a 1 x 2 y 3 z", ":3");
	expect(h, "ZADD b 10 y 20 z 30 w", ":3");
	expect(h, "SADD s x z", ":2");
	expect(h, "ZUNION 2 a b WITHSCORES", "*8 $1 x $1 1 $1 y $2 12 $1 z $2 23 $1 w $2 30");
	expect(h, "ZINTER 2 a b WEIGHTS 2 0.5 AGGREGATE MAX WITHSCORES", "*4 $1 y $1 5 $1 z $2 10");
	expect(h, "ZDIFF 2 a b", "*1 $1 x");
	expect(h, "ZINTERCARD 2 a b", ":2");
	expect(h, "ZINTERCARD 2 a b LIMIT 1", ":1");
	expect(h, "ZUNION 2 a s WITHSCORES", "*6 $1 x $1 2 $1 y $1 2 $1 z $1 4");
	expect(h, "ZUNION 0 a", "-ERR at least 1 input key is needed for 'zunion' command");
	h->events[0] = h->effects[0] = '\0';
	expect(h, "ZINTERSTORE d 2 a b", ":2");
	expect_events(h, "zinterstore:d");
	expect_effects(h, "DEL d; ZADD d 12 y 23 z");
	expect(h, "ZDIFFSTORE d 2 a a", ":0");
	expect_events(h, "del:d");
	expect_effects(h, "DEL d");
}

static void test_zrandmember__different_ones_unless_negative(void **state)
{
	for (int n = 20; n < 400; n += 300) {
		bool seen[400] = {0};

		fill("z", n);
		for (int k = 1; k <= n; k += 7) {
			const char *p = runf(h, "ZRANDMEMBER z %d", k);
			int count = 0;

			memset(seen, 0, sizeof seen);
			while ((p = strstr(p, "$4 m")) != NULL) {
				int m = atoi(p + 4);

				assert_false(seen[m]);
				seen[m] = true;
				count++;
				p += 4;
			}
			assert_int_equal(count, k);
		}
		assert_int_equal(strncmp(run(h, "ZRANDMEMBER z -1000 WITHSCORES"), "*2000 ", 6), 0);
		run(h, "DEL z");
	}
	expect(h, "ZRANDMEMBER z", "$-1");
	expect(h, "ZRANDMEMBER z 5", "*0");
}

static void test_zscan__sees_all(void **state)
{
	bool seen[1000] = {0};
	int n = 0;
	char cursor[32] = "0";

	fill("z", 1000);
	do {
		const char *p = runf(h, "ZSCAN z %s COUNT 20", cursor);

		assert_int_equal(sscanf(p, "*2 $%*d %31[0-9]", cursor), 1);
		while ((p = strstr(p, "$4 m")) != NULL) {
			int m = atoi(p + 4);

			n += !seen[m];
			seen[m] = true;
			p += 4;
		}
	} while (strcmp(cursor, "0") != 0);
	assert_int_equal(n, 1000);
	expect(h, "ZADD y 1 a 2.5 b", ":2");
	expect(h, "ZSCAN y 0 MATCH b", "*2 $1 0 *2 $1 b $3 2.5");
}

static void test_zset__copies_and_is_freed(void **state)
{
	fill("z", 3000);
	expect(h, "COPY z y", ":1");
	expect(h, "ZREM z m001", ":1");
	expect(h, "ZCARD y", ":3000");
	expect(h, "ZRANK y m2999", ":2999");
	expect(h, "RENAME y x", "+OK");
	expect(h, "DEL z x", ":2");
}

static void test_zset__other_types_are_refused(void **state)
{
	static const char *const lines[] = {"ZADD s 1 a",
					    "ZREM s a",
					    "ZSCORE s a",
					    "ZCARD s",
					    "ZRANGE s 0 -1",
					    "ZRANK s a",
					    "ZPOPMIN s",
					    "ZUNION 1 s",
					    "ZMPOP 1 s MIN",
					    "ZSCAN s 0",
					    "ZRANDMEMBER s",
					    "ZCOUNT s 0 1",
					    "ZLEXCOUNT s - +",
					    "ZMSCORE s a",
					    "ZINCRBY s 1 a",
					    "ZRANGESTORE d s 0 1",
					    "ZUNIONSTORE d 1 s",
					    "ZINTERCARD 1 s",
					    "ZREMRANGEBYRANK s 0 1"};

	run(h, "SET s x");
	for (size_t i = 0; i < RP_ARRAY_LEN(lines); i++)
		assert_string_equal(run(h, lines[i]),
				    "-WRONGTYPE Operation against a key holding the wrong kind of value");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_zadd__counts_added_and_with_ch_changed),
		T(test_zadd__conditions),
		T(test_zadd__incr),
		T(test_zadd__scores_of_all_widths),
		T(test_zset__becomes_large_at_its_limits),
		T(test_zrem__last_member_takes_the_key),
		T(test_zrange__by_rank_score_and_name),
		T(test_zrange__resp3_nests_pairs),
		T(test_zrank__both_ways_and_with_score),
		T(test_zremrange__events_and_the_whole_key),
		T(test_zpop__takes_from_the_ends),
		T(test_zalgebra__unites_intersects_and_takes_away),
		T(test_zrandmember__different_ones_unless_negative),
		T(test_zscan__sees_all),
		T(test_zset__copies_and_is_freed),
		T(test_zset__other_types_are_refused),
	};

	harness_eal("test_zset");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
