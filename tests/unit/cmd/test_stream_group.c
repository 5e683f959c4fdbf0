/* Streams: groups, consumers, pending entries: replies, events, effects, counters. */
#include <stdio.h>
#include <stdlib.h>

#include "base/crc64.h"
#include "harness.h"

static struct harness *h;

static int setup(void **state)
{
	h = harness_create(4);
	h->conf.types.stream_node_max_entries = 5;
	for (int i = 1; i <= 12; i++)
		runf(h, "XADD s %d f %d", i, i);
	run(h, "XGROUP CREATE s g 0");
	h->events[0] = h->effects[0] = '\0';
	return 0;
}

static int teardown(void **state)
{
	harness_destroy(h);
	return 0;
}

#define NOW "1700000000000"

static void test_xgroup__create(void **state)
{
	expect(h, "XGROUP CREATE s g 0", "-BUSYGROUP Consumer Group name already exists");
	expect(h, "XGROUP CREATE s h $ ENTRIESREAD 5", "+OK");
	expect_dirty(h, 1);
	expect_events(h, "xgroup-create:s");
	expect(h, "XGROUP CREATE none h $",
	       "-ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the "
	       "MKSTREAM option to create an empty stream automatically.");
	expect(h, "XGROUP CREATE new h $ MKSTREAM", "+OK");
	expect(h, "XLEN new", ":0");
	expect(h, "XINFO GROUPS new",
	       "*1 *12 $4 name $1 h $9 consumers :0 $7 pending :0 $17 last-delivered-id $3 0-0 $12 entries-read $-1 $3 "
	       "lag :0");
	expect(h, "XGROUP CREATE s i 0 ENTRIESREAD -2", "-ERR value for ENTRIESREAD must be positive or -1");
	expect(h, "XGROUP CREATE s i 0 X",
	       "-ERR unknown subcommand or wrong number of arguments for 'CREATE'. Try XGROUP HELP.");
	expect(h, "XGROUP DESTROY s h", ":1");
	expect(h, "XGROUP DESTROY s h", ":0");
	expect(h, "XGROUP SETID s h 5", "-NOGROUP No such consumer group 'h' for key name 's'");
}

static void test_xreadgroup__delivers_once(void **state)
{
	expect(h, "XREADGROUP GROUP g c COUNT 2 STREAMS s >",
	       "*1 *2 $1 s *2 *2 $3 1-0 *2 $1 f $1 1 *2 $3 2-0 *2 $1 f $1 2");
	expect_dirty(h, 2);
	expect_events(h, "xgroup-createconsumer:s");
	expect_effects(h, "XGROUP CREATECONSUMER s g c; "
			  "XCLAIM s g c 0 1-0 TIME " NOW " RETRYCOUNT 1 FORCE JUSTID LASTID 1-0; "
			  "XCLAIM s g c 0 2-0 TIME " NOW " RETRYCOUNT 1 FORCE JUSTID LASTID 2-0; "
			  "XGROUP SETID s g 2-0 ENTRIESREAD 2");
	expect(h, "XREADGROUP GROUP g d COUNT 1 STREAMS s >", "*1 *2 $1 s *1 *2 $3 3-0 *2 $1 f $1 3");
	expect(h, "XREADGROUP GROUP g c STREAMS s 1", "*1 *2 $1 s *1 *2 $3 2-0 *2 $1 f $1 2");
	expect(h, "XPENDING s g", "*4 :3 $3 1-0 $3 3-0 *2 *2 $1 c $1 2 *2 $1 d $1 1");
	h->effects[0] = '\0';
	expect(h, "XREADGROUP GROUP g d NOACK COUNT 1 STREAMS s >", "*1 *2 $1 s *1 *2 $3 4-0 *2 $1 f $1 4");
	expect_effects(h, "XGROUP SETID s g 4-0 ENTRIESREAD 4");
	run(h, "XREADGROUP GROUP g d STREAMS s >");
	expect(h, "XREADGROUP GROUP g d STREAMS s >", "*-1");
	expect(h, "XREADGROUP GROUP x d STREAMS s >",
	       "-NOGROUP No such key 's' or consumer group 'x' in XREADGROUP with GROUP option");
}

static void test_xreadgroup__deleted_entries_stay_pending(void **state)
{
	run(h, "XREADGROUP GROUP g c COUNT 2 STREAMS s >");
	run(h, "XDEL s 1");
	expect(h, "XREADGROUP GROUP g c STREAMS s 0", "*1 *2 $1 s *2 *2 $3 1-0 *-1 *2 $3 2-0 *2 $1 f $1 2");
	expect(h, "XPENDING s g - + 10", "*2 *4 $3 1-0 $1 c :0 :1 *4 $3 2-0 $1 c :0 :2");
	h->effects[0] = '\0';
	expect(h, "XAUTOCLAIM s g d 0 0", "*3 $3 0-0 *1 *2 $3 2-0 *2 $1 f $1 2 *1 $3 1-0");
	expect_effects(h, "XGROUP CREATECONSUMER s g d; "
			  "XCLAIM s g c 0 1-0 TIME " NOW " RETRYCOUNT 1 FORCE JUSTID LASTID 2-0; "
			  "XCLAIM s g d 0 2-0 TIME " NOW " RETRYCOUNT 3 FORCE JUSTID LASTID 2-0");
}

static void test_xreadgroup__one_stream_twice(void **state)
{
	expect(h, "XREADGROUP GROUP g c COUNT 1 STREAMS s s > >",
	       "*2 *2 $1 s *1 *2 $3 1-0 *2 $1 f $1 1 *2 $1 s *1 *2 $3 2-0 *2 $1 f $1 2");
	expect(h, "XREADGROUP GROUP g c STREAMS s s > 1",
	       "*2 *2 $1 s *10 *2 $3 3-0 *2 $1 f $1 3 *2 $3 4-0 *2 $1 f $1 4 "
	       "*2 $3 5-0 *2 $1 f $1 5 *2 $3 6-0 *2 $1 f $1 6 *2 $3 7-0 *2 $1 f "
	       "$1 7 *2 $3 8-0 *2 $1 f $1 8 *2 $3 9-0 *2 $1 f $1 9 *2 $4 10-0 *2 "
	       "$1 f $2 10 *2 $4 11-0 *2 $1 f $2 11 *2 $4 12-0 *2 $1 f $2 12 *2 "
	       "$1 s *11 *2 $3 2-0 *2 $1 f $1 2 *2 $3 3-0 *2 $1 f $1 3 *2 $3 4-0 "
	       "*2 $1 f $1 4 *2 $3 5-0 *2 $1 f $1 5 *2 $3 6-0 *2 $1 f $1 6 *2 $3 "
	       "7-0 *2 $1 f $1 7 *2 $3 8-0 *2 $1 f $1 8 *2 $3 9-0 *2 $1 f $1 9 *2 "
	       "$4 10-0 *2 $1 f $2 10 *2 $4 11-0 *2 $1 f $2 11 *2 $4 12-0 *2 $1 f "
	       "$2 12");
	expect(h, "XACK s g 1 2 3 4 5 6 7 8 9 10 11 12 12 99", ":12");
	expect_dirty(h, 12);
	expect(h, "XPENDING s g", "*4 :0 $-1 $-1 *-1");
}

static void test_xclaim__idle_time_and_force(void **state)
{
	run(h, "XREADGROUP GROUP g c COUNT 2 STREAMS s >");
	harness_advance_ms(h, 100);
	expect(h, "XCLAIM s g d 101 1 2", "*0");
	h->effects[0] = '\0';
	expect(h, "XCLAIM s g d 100 1 JUSTID", "*1 $3 1-0");
	expect_effects(h, "XCLAIM s g d 0 1-0 TIME 1700000000100 RETRYCOUNT 1 FORCE JUSTID LASTID 2-0");
	expect(h, "XCLAIM s g d 0 2 5 IDLE 40 RETRYCOUNT 7", "*1 *2 $3 2-0 *2 $1 f $1 2");
	expect(h, "XCLAIM s g d 0 5 99 FORCE TIME 1700000000010", "*1 *2 $3 5-0 *2 $1 f $1 5");
	expect(h, "XPENDING s g - + 10", "*3 *4 $3 1-0 $1 d :0 :1 *4 $3 2-0 $1 d :40 :7 *4 $3 5-0 $1 d :90 :2");
	expect(h, "XPENDING s g IDLE 41 - + 10", "*1 *4 $3 5-0 $1 d :90 :2");
	expect(h, "XPENDING s g - + 10 c", "*0");
	h->effects[0] = '\0';
	expect(h, "XCLAIM s g d 0 99 LASTID 9", "*0");
	expect_effects(h, "XGROUP SETID s g 9-0 ENTRIESREAD 2");
	expect(h, "XCLAIM s g d 0 1 X", "-ERR Unrecognized XCLAIM option 'X'");
}

static void test_xautoclaim__goes_on_where_it_stopped(void **state)
{
	run(h, "XREADGROUP GROUP g c COUNT 5 STREAMS s >");
	expect(h, "XAUTOCLAIM s g d 0 0 COUNT 2 JUSTID", "*3 $3 3-0 *2 $3 1-0 $3 2-0 *0");
	expect(h, "XAUTOCLAIM s g d 0 (3 COUNT 5 JUSTID", "*3 $3 0-0 *2 $3 4-0 $3 5-0 *0");
	expect(h, "XAUTOCLAIM s g d 1 0", "*3 $3 0-0 *0 *0");
	expect(h, "XAUTOCLAIM s g d 0 0 COUNT 0", "-ERR COUNT must be > 0");
	expect(h, "XPENDING s g", "*4 :5 $3 1-0 $3 5-0 *2 *2 $1 c $1 1 *2 $1 d $1 4");
	expect(h, "XGROUP DELCONSUMER s g d", ":4");
	expect(h, "XPENDING s g", "*4 :1 $3 3-0 $3 3-0 *1 *2 $1 c $1 1");
}

static void test_xinfo__groups_and_consumers(void **state)
{
	run(h, "XREADGROUP GROUP g c COUNT 2 STREAMS s >");
	harness_advance_ms(h, 50);
	run(h, "XGROUP CREATECONSUMER s g b");
	expect(h, "XINFO CONSUMERS s g",
	       "*2 *8 $4 name $1 b $7 pending :0 $4 idle :0 $8 inactive :-1 *8 $4 name $1 c $7 pending :2 $4 idle :50 "
	       "$8 "
	       "inactive :50");
	expect(h, "XINFO GROUPS s",
	       "*1 *12 $4 name $1 g $9 consumers :2 $7 pending :2 $17 last-delivered-id $3 2-0 $12 entries-read :2 $3 "
	       "lag "
	       ":10");
	run(h, "XDEL s 6");
	expect(h, "XINFO GROUPS s",
	       "*1 *12 $4 name $1 g $9 consumers :2 $7 pending :2 $17 last-delivered-id $3 2-0 $12 entries-read :2 $3 "
	       "lag "
	       "$-1");
	expect(h, "XINFO STREAM s FULL COUNT 1",
	       "*18 $6 length :11 $15 radix-tree-keys :3 $16 radix-tree-nodes :4 $17 last-generated-id $4 12-0 $20 "
	       "max-deleted-entry-id $3 6-0 $13 entries-added :12 $23 recorded-first-entry-id $3 1-0 $7 entries *1 *2 "
	       "$3 1-0 "
	       "*2 $1 f $1 1 $6 groups *1 *14 $4 name $1 g $17 last-delivered-id $3 2-0 $12 entries-read :2 $3 lag $-1 "
	       "$9 "
	       "pel-count :2 $7 pending *1 *4 $3 1-0 $1 c :" NOW " :1 $9 consumers *2 *10 $4 name $1 b $9 seen-time "
	       ":1700000000050 $11 active-time :-1 $9 pel-count :0 $7 pending *0 *10 $4 name $1 c $9 seen-time :" NOW
	       " $11 active-time :" NOW " $9 pel-count :2 $7 pending *1 *3 $3 1-0 :" NOW " :1");
	expect(h, "XINFO STREAM none", "-ERR no such key");
	expect(h, "XINFO CONSUMERS s x", "-NOGROUP No such consumer group 'x' for key name 's'");
}

static void test_group__goes_in_slices_and_is_copied(void **state)
{
	for (int i = 13; i < 3000; i++)
		runf(h, "XADD s %d f %d", i, i);
	run(h, "XREADGROUP GROUP g c COUNT 2000 STREAMS s >");
	run(h, "XREADGROUP GROUP g d STREAMS s >");
	expect(h, "COPY s t", ":1");
	expect(h, "XGROUP DESTROY s g", ":1");
	expect(h, "XPENDING t g", "*4 :2999 $3 1-0 $6 2999-0 *2 *2 $1 c $4 2000 *2 $1 d $3 999");
	expect(h, "XACK t g 1 2 2999", ":3");
	expect(h, "MEMORY USAGE none", "$-1");
	expect(h, "DEL s t", ":2");
}

static void test_dump__comes_back(void **state)
{
	char line[8192];
	struct slice words[4] = {SLICE("RESTORE"), SLICE("copy"), SLICE("0")};

	run(h, "XREADGROUP GROUP g c COUNT 7 STREAMS s >");
	run(h, "XDEL s 3");
	run(h, "DUMP s");
	char *body = strchr(h->reply, ' ') + 1;
	words[3].len = h->reply_len - (size_t)(body - h->reply);
	memcpy(line, body, words[3].len);
	words[3].ptr = line;
	assert_string_equal(run_args(h, 4, words), "+OK");
	char *want = strdup(run(h, "XINFO STREAM s FULL"));
	assert_string_equal(run(h, "XINFO STREAM copy FULL"), want);
	free(want);
}

/* Whatever comes in a payload: it is refused, or everything can be read and written. */
static void test_restore__of_damaged_bytes(void **state)
{
	static char body[8192];
	struct slice words[5] = {SLICE("RESTORE"), SLICE("copy"), SLICE("0"), {body, 0}, SLICE("REPLACE")};
	uint32_t taken = 0;

	run(h, "XADD s 20 f 1 other 2 third 3");
	run(h, "XDEL s 3");
	run(h, "XREADGROUP GROUP g c COUNT 4 STREAMS s >");
	run(h, "DUMP s");
	char *p = strchr(h->reply, ' ') + 1;
	size_t len = words[3].len = h->reply_len - (size_t)(p - h->reply);
	memcpy(body, p, len);
	for (size_t at = 0; at < len - 10; at++)
		for (int bit = 0; bit < 8; bit++) {
			body[at] ^= (char)(1 << bit);
			uint64_t crc = crc64(0, body, len - 8);
			memcpy(body + len - 8, &crc, 8);
			if (*run_args(h, 5, words) == '+') {
				taken++;
				run(h, "XINFO STREAM copy FULL COUNT 0");
				run(h, "XREVRANGE copy + -");
				run(h, "XADD copy * f v");
				run(h, "XREADGROUP GROUP g x STREAMS copy >");
				run(h, "XTRIM copy MAXLEN 3");
				run(h, "XAUTOCLAIM copy g y 0 0");
			}
			body[at] ^= (char)(1 << bit);
		}
	assert_true(taken > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_xgroup__create, setup, teardown),
		cmocka_unit_test_setup_teardown(test_xreadgroup__delivers_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_xreadgroup__deleted_entries_stay_pending, setup, teardown),
		cmocka_unit_test_setup_teardown(test_xreadgroup__one_stream_twice, setup, teardown),
		cmocka_unit_test_setup_teardown(test_xclaim__idle_time_and_force, setup, teardown),
		cmocka_unit_test_setup_teardown(test_xautoclaim__goes_on_where_it_stopped, setup, teardown),
		cmocka_unit_test_setup_teardown(test_xinfo__groups_and_consumers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_group__goes_in_slices_and_is_copied, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dump__comes_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_restore__of_damaged_bytes, setup, teardown),
	};

	harness_eal("test_stream_group");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
