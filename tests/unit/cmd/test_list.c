/* Lists: replies, forms, events, effects, errors. */
#include <stdio.h>

#include "base/hash.h"
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

static void forget(void)
{
	h->events[0] = h->effects[0] = '\0';
}

static void expect_list(const char *key, const char *want)
{
	char buf[4096];

	snprintf(buf, sizeof buf, "%s", runf(h, "LRANGE %s 0 -1", key));
	assert_string_equal(buf, want);
}

static void expect_enc(const char *key, const char *enc)
{
	char want[32];

	snprintf(want, sizeof want, "$%zu %s", strlen(enc), enc);
	assert_string_equal(runf(h, "OBJECT ENCODING %s", key), want);
}

/* ---- replies ---- */

static void test_list_push__order_and_length(void **state)
{
	expect(h, "RPUSH l a b", ":2");
	expect(h, "LPUSH l c d", ":4");
	expect_list("l", "*4 $1 d $1 c $1 a $1 b");
	expect(h, "LPUSHX l e", ":5");
	expect(h, "RPUSHX l f g", ":7");
	expect(h, "LLEN l", ":7");
	expect(h, "LPUSHX none a", ":0");
	expect_dirty(h, 0);
	expect(h, "RPUSHX none a", ":0");
	expect(h, "EXISTS none", ":0");
	expect(h, "LLEN none", ":0");
}

static void test_list_pop__one_and_many(void **state)
{
	run(h, "RPUSH l a b c d e 1");
	expect(h, "LPOP l", "$1 a");
	expect(h, "RPOP l", "$1 1");
	expect(h, "LPOP l 0", "*0");
	expect_dirty(h, 0);
	expect(h, "LPOP l 2", "*2 $1 b $1 c");
	expect_dirty(h, 2);
	expect(h, "RPOP l 100", "*2 $1 e $1 d");
	expect_dirty(h, 2);
	expect(h, "EXISTS l", ":0");
	expect(h, "LPOP l", "$-1");
	expect(h, "LPOP l 2", "*-1");
	run(h, "HELLO 3");
	expect(h, "LPOP l", "_");
	expect(h, "LPOP l 2", "_");
}

static void test_list_index__from_both_ends(void **state)
{
	run(h, "RPUSH l a b c");
	expect(h, "LINDEX l 0", "$1 a");
	expect(h, "LINDEX l -1", "$1 c");
	expect(h, "LINDEX l -3", "$1 a");
	expect(h, "LINDEX l 3", "$-1");
	expect(h, "LINDEX l -4", "$-1");
	expect(h, "LINDEX l 9223372036854775807", "$-1");
	expect(h, "LINDEX l -9223372036854775808", "$-1");
	expect(h, "LINDEX none 0", "$-1");
	expect(h, "LSET l -1 z", "+OK");
	expect(h, "LSET l 3 z", "-ERR index out of range");
	expect(h, "LSET l -4 z", "-ERR index out of range");
	expect(h, "LSET none 0 z", "-ERR no such key");
	expect_list("l", "*3 $1 a $1 b $1 z");
}

static void test_list_range_and_trim__indices(void **state)
{
	static const struct {
		const char *range, *want;
	} cases[] = {
		{"0 -1", "*3 $1 a $1 b $1 c"},
		{"-2 -1", "*2 $1 b $1 c"},
		{"1 1", "*1 $1 b"},
		{"2 1", "*0"},
		{"3 5", "*0"},
		{"-100 1", "*2 $1 a $1 b"},
		{"-9223372036854775808 9223372036854775807", "*3 $1 a $1 b $1 c"},
		{"0 -4", "*0"},
	};

	for (size_t i = 0; i < RP_ARRAY_LEN(cases); i++) {
		run(h, "DEL l");
		run(h, "RPUSH l a b c");
		assert_string_equal(runf(h, "LRANGE l %s", cases[i].range), cases[i].want);
		assert_string_equal(runf(h, "LTRIM l %s", cases[i].range), "+OK");
		expect_list("l", cases[i].want);
	}
	expect(h, "LRANGE none 0 -1", "*0");
	expect(h, "LTRIM none 0 -1", "+OK");
}

static void test_list_insert_and_remove__by_value(void **state)
{
	run(h, "RPUSH l a b a 1 a");
	expect(h, "LINSERT l BEFORE a x", ":6");
	expect(h, "LINSERT l after 1 y", ":7");
	expect(h, "LINSERT l AFTER nothing y", ":-1");
	expect_dirty(h, 0);
	expect(h, "LINSERT none AFTER a y", ":0");
	expect(h, "LINSERT l BESIDE a y", "-ERR syntax error");
	expect_list("l", "*7 $1 x $1 a $1 b $1 a $1 1 $1 y $1 a");
	expect(h, "LREM l -1 a", ":1");
	expect(h, "LREM l 1 a", ":1");
	expect(h, "LREM l 0 1", ":1");
	expect_list("l", "*4 $1 x $1 b $1 a $1 y");
	expect(h, "LREM l 0 nothing", ":0");
	expect_dirty(h, 0);
	expect(h, "LREM none 0 a", ":0");
	expect(h, "LREM l -9223372036854775808 b", ":1");
}

static void test_lpos__rank_count_maxlen(void **state)
{
	run(h, "RPUSH l a b c 1 2 3 c c");
	expect(h, "LPOS l c", ":2");
	expect(h, "LPOS l c RANK 2", ":6");
	expect(h, "LPOS l c RANK -1", ":7");
	expect(h, "LPOS l c COUNT 2", "*2 :2 :6");
	expect(h, "LPOS l c RANK -1 COUNT 2", "*2 :7 :6");
	expect(h, "LPOS l c COUNT 0", "*3 :2 :6 :7");
	expect(h, "LPOS l c MAXLEN 2", "$-1");
	expect(h, "LPOS l c COUNT 0 MAXLEN 7", "*2 :2 :6");
	expect(h, "LPOS l 2", ":4");
	expect(h, "LPOS l none", "$-1");
	expect(h, "LPOS l none COUNT 1", "*0");
	expect(h, "LPOS none c", "$-1");
	expect(h, "LPOS none c COUNT 1", "*0");
	expect(h, "LPOS l c COUNT -1", "-ERR COUNT can't be negative");
	expect(h, "LPOS l c MAXLEN -1", "-ERR MAXLEN can't be negative");
	expect(h, "LPOS l c RANK 0",
	       "-ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative "
	       "to start from the end of the list");
	expect(h, "LPOS l c RANK", "-ERR syntax error");
	expect(h, "LPOS l c OTHER 1", "-ERR syntax error");
}

static void test_lmove__every_pair_of_ends(void **state)
{
	run(h, "RPUSH a 1 2 3");
	expect(h, "LMOVE a b LEFT LEFT", "$1 1");
	expect(h, "LMOVE a b RIGHT LEFT", "$1 3");
	expect(h, "LMOVE a b LEFT RIGHT", "$1 2");
	expect_list("b", "*3 $1 3 $1 1 $1 2");
	expect(h, "EXISTS a", ":0");
	expect(h, "LMOVE b b LEFT RIGHT", "$1 3");
	expect(h, "RPOPLPUSH b b", "$1 3");
	expect(h, "LMOVE b b LEFT LEFT", "$1 3");
	expect_dirty(h, 1);
	expect_list("b", "*3 $1 3 $1 1 $1 2");
	expect(h, "LMOVE none b LEFT LEFT", "$-1");
	expect_dirty(h, 0);
	expect(h, "RPOPLPUSH none none", "$-1");
	expect(h, "LMOVE b b LEFT UP", "-ERR syntax error");
}

static void test_lmpop__first_key_that_has_elements(void **state)
{
	run(h, "RPUSH b 1 2 3 4");
	expect(h, "LMPOP 2 a b LEFT", "*2 $1 b *1 $1 1");
	expect(h, "LMPOP 2 a b RIGHT COUNT 2", "*2 $1 b *2 $1 4 $1 3");
	expect_dirty(h, 2);
	expect(h, "LMPOP 1 b LEFT COUNT 9223372036854775807", "*2 $1 b *1 $1 2");
	expect(h, "LMPOP 2 a b LEFT", "*-1");
	expect_dirty(h, 0);
	expect(h, "LMPOP 0 a LEFT", "-ERR numkeys should be greater than 0");
	expect(h, "LMPOP 1 a LEFT COUNT 0", "-ERR count should be greater than 0");
	expect(h, "LMPOP 3 a LEFT", "-ERR syntax error");
	expect(h, "LMPOP 1 a UP", "-ERR syntax error");
	expect(h, "LMPOP 1 a LEFT COUNT 1 COUNT 1", "-ERR syntax error");
}

static void test_list__wrong_type_and_wrong_numbers(void **state)
{
	static const char *const wrong[] = {
		"LPUSH s a",
		"RPUSH s a",
		"LPUSHX s a",
		"RPUSHX s a",
		"LPOP s",
		"RPOP s 1",
		"LLEN s",
		"LINDEX s 0",
		"LSET s 0 a",
		"LRANGE s 0 1",
		"LTRIM s 0 1",
		"LREM s 0 a",
		"LPOS s a",
		"LPOS s a COUNT 1",
		"RPOPLPUSH s l",
		"RPOPLPUSH l s",
		"LMPOP 2 s l LEFT",
		"LMOVE l s LEFT RIGHT",
		"LINSERT s BEFORE a b",
		"LMPOP 2 none s LEFT",
	};
	static const char *const numbers[] = {"LINDEX l x",  "LSET l x a", "LRANGE l 0 x",
					      "LTRIM l x 0", "LREM l x a", "LPOS l a RANK x"};

	run(h, "SET s x");
	run(h, "RPUSH l a");
	forget();
	for (size_t i = 0; i < RP_ARRAY_LEN(wrong); i++) {
		expect(h, wrong[i], "-WRONGTYPE Operation against a key holding the wrong kind of value");
		expect_dirty(h, 0);
	}
	for (size_t i = 0; i < RP_ARRAY_LEN(numbers); i++)
		expect(h, numbers[i], "-ERR value is not an integer or out of range");
	expect(h, "LPOP l -1", "-ERR value is out of range, must be positive");
	expect(h, "LPOP l x", "-ERR value is out of range, must be positive");
	expect(h, "LPOP l 1 1", "-ERR wrong number of arguments for 'lpop' command");
	expect_events(h, "");
	expect_effects(h, "");
	expect_list("l", "*1 $1 a");
}

/* ---- what else a change says ---- */

static void test_list__events_and_dirty(void **state)
{
	static const struct {
		const char *line, *events;
		uint32_t dirty;
	} cases[] = {
		{"LPUSH l c b a", "lpush:l", 3},
		{"RPUSH l d e", "rpush:l", 2},
		{"LPUSHX l x", "lpush:l", 1},
		{"RPUSHX l x", "rpush:l", 1},
		{"LSET l 0 y", "lset:l", 1},
		{"LINSERT l BEFORE y z", "linsert:l", 1},
		{"LREM l 0 z", "lrem:l", 1},
		{"LTRIM l 0 -1", "ltrim:l", 0},
		{"LTRIM l 0 4", "ltrim:l", 2},
		{"LPOP l", "lpop:l", 1},
		{"RPOP l", "rpop:l", 1},
		{"RPOP l 1", "rpop:l", 1},
		{"LMOVE l l LEFT RIGHT", "rpush:l lpop:l", 1},
		{"RPOPLPUSH l m", "lpush:m rpop:l", 1},
		{"RPOPLPUSH l m", "lpush:m rpop:l del:l", 1},
		{"LMPOP 2 l m LEFT COUNT 1", "lpop:m", 1},
		{"LMPOP 2 l m RIGHT COUNT 5", "rpop:m del:m", 1},
		{"RPUSH l a", "rpush:l", 1},
		{"LREM l 0 a", "lrem:l del:l", 1},
		{"RPUSH l a", "rpush:l", 1},
		{"LTRIM l 5 6", "ltrim:l del:l", 1},
		{"RPUSH l a b", "rpush:l", 2},
		{"LPOP l 2", "lpop:l del:l", 2},
		{"RPUSH l a", "rpush:l", 1},
		{"LPOP l", "lpop:l del:l", 1},
		{"LPOP l", "", 0},
		{"LMPOP 1 l LEFT", "", 0},
		{"LTRIM l 0 1", "", 0},
	};

	for (size_t i = 0; i < RP_ARRAY_LEN(cases); i++) {
		run(h, cases[i].line);
		expect_dirty(h, cases[i].dirty);
		expect_events(h, cases[i].events);
	}
}

static void test_list__effects_say_what_happened(void **state)
{
	forget();
	run(h, "LPUSH {a}l a b c d e f");
	expect_effects(h, "LPUSH {a}l a b c d e f");
	run(h, "LMOVE {a}l {a}m LEFT RIGHT");
	expect_effects(h, "LMOVE {a}l {a}m LEFT RIGHT");
	run(h, "LMPOP 2 {a}none {a}l LEFT COUNT 2");
	expect_effects(h, "LPOP {a}l 2");
	run(h, "LMPOP 1 {a}l RIGHT COUNT 100");
	expect_effects(h, "RPOP {a}l 3");
	run(h, "LPOP {a}none");
	run(h, "LREM {a}m 0 none");
	run(h, "LINSERT {a}m AFTER none x");
	expect_effects(h, "");
}

/* Keys in as many stores as there are: each journal gets what happened in its own. */
static void test_lmove__over_shards(void **state)
{
	char key[8][4], events[128], effects[128];

	for (int i = 0; i < 8; i++)
		snprintf(key[i], sizeof key[i], "k%d", i);
	for (int i = 0; i < 8; i++)
		for (int j = 0; j < 8; j++) {
			if (h->slot_map[hash_slot((struct slice){key[i], 2})] ==
			    h->slot_map[hash_slot((struct slice){key[j], 2})])
				continue;
			runf(h, "RPUSH %s 7", key[i]);
			forget();
			assert_string_equal(runf(h, "LMOVE %s %s RIGHT LEFT", key[i], key[j]), "$1 7");
			expect_dirty(h, 1);
			snprintf(events, sizeof events, "lpush:%s rpop:%s del:%s", key[j], key[i], key[i]);
			snprintf(effects, sizeof effects, "LPUSH %s 7; RPOP %s", key[j], key[i]);
			expect_events(h, events);
			expect_effects(h, effects);
			assert_string_equal(runf(h, "LPOP %s", key[j]), "$1 7");
		}
}

/* ---- forms ---- */

static void test_list__forms_change_where_redis_changes_them(void **state)
{
	h->conf.types.list_max_listpack_size = 4;
	run(h, "RPUSH l 1 2 3 4");
	expect_enc("l", "listpack");
	run(h, "RPUSH l 5");
	expect_enc("l", "quicklist");
	run(h, "RPOP l 2");
	expect_enc("l", "quicklist");
	run(h, "RPOP l");
	expect_enc("l", "listpack");
	run(h, "LSET l 0 x");
	expect_enc("l", "listpack");
	run(h, "LINSERT l BEFORE x y");
	run(h, "LINSERT l BEFORE x z");
	expect_enc("l", "listpack");
	run(h, "LINSERT l BEFORE none z");
	expect_enc("l", "quicklist");
	expect_list("l", "*4 $1 y $1 z $1 x $1 2");
	run(h, "LTRIM l 0 1");
	expect_enc("l", "listpack");
	run(h, "COPY l m");
	expect_enc("m", "listpack");
	run(h, "LREM l 0 y");
	expect_list("m", "*2 $1 y $1 z");
}

/* A key with so many bytes that a number fits as an integer and not as its text. */
static void push_nearly_full(void)
{
	static char bytes[4079];

	memset(bytes, 'x', sizeof bytes);
	run_args(h, 3, (struct slice[]){SLICE("RPUSH"), SLICE("d"), {bytes, sizeof bytes}});
	expect_enc("d", "listpack");
}

static void test_lmove__weighs_numbers_as_redis_does(void **state)
{
	h->conf.types.list_max_listpack_size = -1;
	push_nearly_full();
	run(h, "RPUSH s 1234567890123456789");
	run(h, "LMOVE s d LEFT RIGHT"); /* out of a listpack it is a text */
	expect_enc("d", "quicklist");
	run(h, "DEL d");
	push_nearly_full();
	h->conf.types.list_max_listpack_size = 1;
	run(h, "RPUSH s 1 1234567890123456789");
	expect_enc("s", "quicklist");
	h->conf.types.list_max_listpack_size = -1;
	run(h, "LMOVE s d RIGHT RIGHT");
	expect_enc("d", "listpack");
	expect(h, "LINDEX d 1", "$19 1234567890123456789");
}

static void test_list__integers_keep_their_text(void **state)
{
	run(h, "RPUSH l 1 01 +1 -0 9223372036854775807 9223372036854775808 \"\" \" 1\"");
	expect_list("l", "*8 $1 1 $2 01 $2 +1 $2 -0 $19 9223372036854775807 $19 9223372036854775808 $0  $2  1");
	expect(h, "LPOS l 01", ":1");
	expect(h, "LREM l 0 1", ":1");
	expect(h, "LPOS l \"\"", ":5");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_list_push__order_and_length, setup, teardown),
		cmocka_unit_test_setup_teardown(test_list_pop__one_and_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_list_index__from_both_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_list_range_and_trim__indices, setup, teardown),
		cmocka_unit_test_setup_teardown(test_list_insert_and_remove__by_value, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lpos__rank_count_maxlen, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lmove__every_pair_of_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lmpop__first_key_that_has_elements, setup, teardown),
		cmocka_unit_test_setup_teardown(test_list__wrong_type_and_wrong_numbers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_list__events_and_dirty, setup, teardown),
		cmocka_unit_test_setup_teardown(test_list__effects_say_what_happened, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lmove__over_shards, setup, teardown),
		cmocka_unit_test_setup_teardown(test_list__forms_change_where_redis_changes_them, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lmove__weighs_numbers_as_redis_does, setup, teardown),
		cmocka_unit_test_setup_teardown(test_list__integers_keep_their_text, setup, teardown),
	};
	harness_eal("test_list");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
