/* Streams: entries, ids, ranges, trimming, events, effects. */
#include <stdio.h>

#include "harness.h"

static struct harness *h;

static int setup(void **state)
{
	h = harness_create(4);
	h->conf.types.stream_node_max_entries = 5;
	return 0;
}

static int teardown(void **state)
{
	harness_destroy(h);
	return 0;
}

/* Entries 1-0, 2-0, ... of one field. */
static void fill(const char *key, int n)
{
	char want[32];

	for (int i = 1; i <= n; i++) {
		snprintf(want, sizeof want, "$%d %d-0", i < 10 ? 3 : 4, i);
		assert_string_equal(runf(h, "XADD %s %d f %d", key, i, i), want);
	}
	h->events[0] = h->effects[0] = '\0';
}

static void test_xadd__ids(void **state)
{
	expect(h, "XADD s * f v", "$15 1700000000000-0");
	expect_dirty(h, 1);
	expect_events(h, "xadd:s");
	expect_effects(h, "XADD s 1700000000000-0 f v");
	expect(h, "XADD s * f v", "$15 1700000000000-1");
	expect(h, "XADD s 1700000000000-* f v", "$15 1700000000000-2");
	expect(h, "XADD s 1700000000005 f v", "$15 1700000000005-0");
	expect(h, "XADD s * f v", "$15 1700000000005-1");
	h->effects[0] = '\0';
	expect(h, "XADD s 1700000000006-* f v", "$15 1700000000006-0");
	expect_effects(h, "XADD s 1700000000006-0 f v");
	expect(h, "XADD s 1700000000006-0 f v",
	       "-ERR The ID specified in XADD is equal or smaller than the target stream top item");
	expect(h, "XADD s 5-* f v",
	       "-ERR The ID specified in XADD is equal or smaller than the target stream top item");
	expect(h, "XADD s 0-0 f v", "-ERR The ID specified in XADD must be greater than 0-0");
	expect(h, "XADD s x f v", "-ERR Invalid stream ID specified as stream command argument");
	expect(h, "XADD s + f v", "-ERR Invalid stream ID specified as stream command argument");
	expect(h, "XADD s 1-2-3 f v", "-ERR Invalid stream ID specified as stream command argument");
	expect(h, "XADD s * f", "-ERR wrong number of arguments for 'xadd' command");
	expect(h, "XADD t 0-* f v", "$3 0-1");
	expect(h, "XADD t 18446744073709551615-18446744073709551615 f v",
	       "$41 18446744073709551615-18446744073709551615");
	expect(h, "XADD t * f v", "-ERR The stream has exhausted the last possible ID, unable to add more items");
	expect(h, "XLEN t", ":2");
	expect(h, "OBJECT ENCODING s", "$6 stream");
	expect(h, "TYPE s", "+stream");
}

static void test_xadd__makes_the_key_or_not(void **state)
{
	expect(h, "XADD s NOMKSTREAM * f v", "$-1");
	expect(h, "EXISTS s", ":0");
	expect(h, "XADD s MAXLEN 0 1 f v", "$3 1-0");
	expect_events(h, "xadd:s xtrim:s");
	expect(h, "XLEN s", ":0");
	expect(h, "EXISTS s", ":1");
	expect(h, "SET k v", "+OK");
	expect(h, "XADD k * f v", "-WRONGTYPE Operation against a key holding the wrong kind of value");
	expect(h, "XLEN k", "-WRONGTYPE Operation against a key holding the wrong kind of value");
}

static void test_xrange__both_ways_over_nodes(void **state)
{
	fill("s", 23);
	expect(h, "XRANGE s 4 6", "*3 *2 $3 4-0 *2 $1 f $1 4 *2 $3 5-0 *2 $1 f $1 5 *2 $3 6-0 *2 $1 f $1 6");
	expect(h, "XRANGE s (4-0 (6-0", "*1 *2 $3 5-0 *2 $1 f $1 5");
	expect(h, "XREVRANGE s 6 4", "*3 *2 $3 6-0 *2 $1 f $1 6 *2 $3 5-0 *2 $1 f $1 5 *2 $3 4-0 *2 $1 f $1 4");
	expect(h, "XRANGE s - + COUNT 1", "*1 *2 $3 1-0 *2 $1 f $1 1");
	expect(h, "XREVRANGE s + - COUNT 1", "*1 *2 $4 23-0 *2 $1 f $2 23");
	expect(h, "XRANGE s - + COUNT 0", "*-1");
	expect(h, "XRANGE s 24 +", "*0");
	expect(h, "XRANGE s 0 0-5", "*0");
	expect(h, "XRANGE none - +", "*0");
	expect(h, "XRANGE s (18446744073709551615-18446744073709551615 +", "-ERR invalid start ID for the interval");
	expect(h, "XRANGE s - (0", "*0");
	expect(h, "XRANGE s - (0-0", "-ERR invalid end ID for the interval");
	expect(h, "XRANGE s (- +", "-ERR Invalid stream ID specified as stream command argument");
	for (int i = 1; i <= 23; i++) {
		char want[64];

		snprintf(want, sizeof want, "*1 *2 $%d %d-0 *2 $1 f $%d %d", i < 10 ? 3 : 4, i, i < 10 ? 1 : 2, i);
		assert_string_equal(runf(h, "XRANGE s %d %d", i, i), want);
		assert_string_equal(runf(h, "XREVRANGE s %d %d", i, i), want);
	}
}

static void test_xadd__fields_of_their_own(void **state)
{
	expect(h, "XADD s 1 a 1 b 2", "$3 1-0");
	expect(h, "XADD s 2 a 3 b 4", "$3 2-0");
	expect(h, "XADD s 3 a 3 c 4", "$3 3-0");
	expect(h, "XADD s 4 a 3", "$3 4-0");
	expect(h, "XADD s 4-1 1 2 3 4 5 6", "$3 4-1");
	expect(h, "XRANGE s - +",
	       "*5 *2 $3 1-0 *4 $1 a $1 1 $1 b $1 2 *2 $3 2-0 *4 $1 a $1 3 $1 b $1 4 *2 $3 3-0 *4 $1 a $1 3 $1 c $1 4 "
	       "*2 $3 4-0 *2 $1 a $1 3 *2 $3 4-1 *6 $1 1 $1 2 $1 3 $1 4 $1 5 $1 6");
	expect(h, "XREVRANGE s + - COUNT 2", "*2 *2 $3 4-1 *6 $1 1 $1 2 $1 3 $1 4 $1 5 $1 6 *2 $3 4-0 *2 $1 a $1 3");
}

static void test_xdel__marks_and_forgets(void **state)
{
	fill("s", 12);
	expect(h, "XDEL s 3 3 7-0 99", ":2");
	expect_dirty(h, 2);
	expect_events(h, "xdel:s");
	expect(h, "XDEL s 3", ":0");
	expect_events(h, "");
	expect(h, "XLEN s", ":10");
	expect(h, "XRANGE s 2 4", "*2 *2 $3 2-0 *2 $1 f $1 2 *2 $3 4-0 *2 $1 f $1 4");
	expect(h, "XDEL s 1 2 4 5", ":4");
	expect(h, "XRANGE s - + COUNT 1", "*1 *2 $3 6-0 *2 $1 f $1 6");
	expect(h, "XDEL s 6 8 9 10 11 12", ":6");
	expect(h, "XLEN s", ":0");
	expect(h, "XRANGE s - +", "*0");
	expect(h, "XREVRANGE s + -", "*0");
	expect(h, "XADD s 12 f v", "-ERR The ID specified in XADD is equal or smaller than the target stream top item");
	expect(h, "XADD s 13 f v", "$4 13-0");
	expect(h, "XDEL s x", "-ERR Invalid stream ID specified as stream command argument");
	expect(h, "XDEL none 1", ":0");
}

static void test_xtrim__exactly_and_by_nodes(void **state)
{
	fill("s", 23);
	expect(h, "XTRIM s MAXLEN ~ 20", ":0");
	expect_dirty(h, 0);
	expect(h, "XTRIM s MAXLEN ~ 18", ":5");
	expect_dirty(h, 5);
	expect_events(h, "xtrim:s");
	expect_effects(h, "XTRIM s MAXLEN = 18");
	expect(h, "XTRIM s MAXLEN 16", ":2");
	expect_effects(h, "XTRIM s MAXLEN 16");
	expect(h, "XRANGE s - + COUNT 1", "*1 *2 $3 8-0 *2 $1 f $1 8");
	expect(h, "XTRIM s MINID ~ 12", ":3");
	expect_effects(h, "XTRIM s MINID = 11-0");
	expect(h, "XTRIM s MINID = 12-1", ":2");
	expect(h, "XLEN s", ":11");
	expect(h, "XTRIM s MAXLEN ~ 0 LIMIT 4", ":3");
	expect(h, "XTRIM s MAXLEN ~ 0 LIMIT 0", ":8");
	expect(h, "XLEN s", ":0");
	expect(h, "XTRIM s MAXLEN 1 LIMIT 5", "-ERR syntax error, LIMIT cannot be used without the special ~ option");
	expect(h, "XTRIM s LIMIT 5 5", "-ERR syntax error");
}

static void test_xadd__trims(void **state)
{
	fill("s", 10);
	expect(h, "XADD s MAXLEN ~ 7 LIMIT 100 11 f v", "$4 11-0");
	expect_effects(h, "XADD s MAXLEN = 11 11-0 f v");
	expect(h, "XADD s NOMKSTREAM MAXLEN ~ 6 12 f v", "$4 12-0");
	expect_effects(h, "XADD s MAXLEN = 7 12-0 f v");
	expect_events(h, "xadd:s xadd:s xtrim:s");
	expect(h, "XADD s MINID = 8 * f v", "$15 1700000000000-0");
	expect_effects(h, "XADD s MINID = 8 1700000000000-0 f v");
	expect(h, "XLEN s", ":6");
	expect(h, "XADD s MAXLEN 3 MINID 3 * f v",
	       "-ERR syntax error, MAXLEN and MINID options at the same time are not compatible");
	expect(h, "XADD s LIMIT 3 * f v",
	       "-ERR syntax error, LIMIT cannot be used without specifying a trimming strategy");
}

static void test_xread__several_streams(void **state)
{
	fill("a", 3);
	fill("b", 2);
	expect(h, "XREAD COUNT 1 STREAMS a b none 1 2 0", "*1 *2 $1 a *1 *2 $3 2-0 *2 $1 f $1 2");
	expect(h, "XREAD STREAMS a b 2-0 1", "*2 *2 $1 a *1 *2 $3 3-0 *2 $1 f $1 3 *2 $1 b *1 *2 $3 2-0 *2 $1 f $1 2");
	expect(h, "XREAD BLOCK 100 STREAMS a b $ $", "+waits");
	expect(h, "XREAD STREAMS a b 1",
	       "-ERR Unbalanced 'xread' list of streams: for each stream key an ID or '$' must be specified.");
	expect(h, "COMMAND GETKEYS XREAD COUNT 5 STREAMS a b 1 2", "*2 $1 a $1 b");
	h->client.proto = 3;
	expect(h, "XREAD STREAMS a b 2-0 1", "%2 $1 a *1 *2 $3 3-0 *2 $1 f $1 3 $1 b *1 *2 $3 2-0 *2 $1 f $1 2");
	expect(h, "XREAD STREAMS a 9", "_");
}

static void test_xsetid__rules(void **state)
{
	fill("s", 3);
	expect(h, "XSETID s 2", "-ERR The ID specified in XSETID is smaller than the target stream top item");
	expect(h, "XSETID s 9 ENTRIESADDED 2 MAXDELETEDID 1",
	       "-ERR The entries_added specified in XSETID is smaller than the target stream length");
	expect(h, "XSETID s 9 ENTRIESADDED 7 MAXDELETEDID 1", "+OK");
	expect_events(h, "xsetid:s");
	expect(h, "XADD s 9 f v", "-ERR The ID specified in XADD is equal or smaller than the target stream top item");
	expect(h, "XSETID none 1", "-ERR no such key");
}

static void test_stream__copies_and_goes(void **state)
{
	fill("s", 40);
	expect(h, "COPY s t", ":1");
	expect(h, "XDEL s 39", ":1");
	expect(h, "XLEN t", ":40");
	expect(h, "XRANGE t 39 39", "*1 *2 $4 39-0 *2 $1 f $2 39");
	expect(h, "XADD t 41 f v", "$4 41-0");
	expect(h, "RENAME t u", "+OK");
	expect(h, "DEL s u", ":2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_xadd__ids, setup, teardown),
		cmocka_unit_test_setup_teardown(test_xadd__makes_the_key_or_not, setup, teardown),
		cmocka_unit_test_setup_teardown(test_xrange__both_ways_over_nodes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_xadd__fields_of_their_own, setup, teardown),
		cmocka_unit_test_setup_teardown(test_xdel__marks_and_forgets, setup, teardown),
		cmocka_unit_test_setup_teardown(test_xtrim__exactly_and_by_nodes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_xadd__trims, setup, teardown),
		cmocka_unit_test_setup_teardown(test_xread__several_streams, setup, teardown),
		cmocka_unit_test_setup_teardown(test_xsetid__rules, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stream__copies_and_goes, setup, teardown),
	};

	harness_eal("test_stream");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
