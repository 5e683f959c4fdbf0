/* Commands that wait: what they take, what they wait for, what they answer where they must not. */
#include "harness.h"

#include <stdio.h>

#include "cmd/table.h"
#include "store/object.h"

static struct harness *h;

static int set_up(void **state)
{
	h = harness_create(4);
	return 0;
}

static int tear_down(void **state)
{
	harness_destroy(h);
	return 0;
}

/* A key on another shard. */
static const char *apart(struct slice from)
{
	static const char *const key[] = {"b", "c", "d", "e", "f", "g"};
	uint32_t i = 0;

	while (cmd_shard_of(&h->env, from) == cmd_shard_of(&h->env, (struct slice){key[i], 1}))
		assert_true(++i < RP_ARRAY_LEN(key));
	return key[i];
}

static void expect_waits(const char *line, uint8_t type, uint32_t first, uint32_t n, int64_t ms)
{
	expect(h, line, "+waits");
	assert_int_equal(h->block.type, type);
	assert_int_equal(h->block.first, first);
	assert_int_equal(h->block.n, n);
	assert_int_equal(h->block.timeout_ms, ms);
	expect_dirty(h, 0);
}

static void test_block__time_outs_are_read_as_redis_reads_them(void **state)
{
	static const char not_float[] = "-ERR timeout is not a float or out of range";
	static const char range[] = "-ERR timeout is out of range", negative[] = "-ERR timeout is negative";
	static const struct {
		const char *word, *error;
		int64_t ms;
	} of[] = {
		{"0", NULL, 0},           {"1", NULL, 1000},      {"0.001", NULL, 1},
		{"0.0001", NULL, 1},      {"1.0001", NULL, 1001}, {"0x10", NULL, 16000},
		{"-0.0001", NULL, 0},     {"1e-400", NULL, 1},    {"9223372036854775", range, 0},
		{"1e18", range, 0},       {"1e400", range, 0},    {"inf", range, 0},
		{"-inf", negative, 0},    {"-0.1", negative, 0},  {"-1", negative, 0},
		{"nan", not_float, 0},    {"abc", not_float, 0},  {"\"\"", not_float, 0},
		{"\" 1\"", not_float, 0},
	};
	for (uint32_t i = 0; i < RP_ARRAY_LEN(of); i++) {
		assert_string_equal(runf(h, "BLPOP none %s", of[i].word), of[i].error ? of[i].error : "+waits");
		if (of[i].error == NULL)
			assert_int_equal(h->block.timeout_ms, of[i].ms);
	}
	expect(h, "WAIT 0 abc", "-ERR timeout is not an integer or out of range");
	expect(h, "WAIT 0 -1", negative);
	expect(h, "WAIT 0 9223372036854775807", range);
	expect(h, "XREAD BLOCK abc STREAMS k 0", "-ERR timeout is not an integer or out of range");
	expect(h, "XREAD BLOCK -1 STREAMS k 0", negative);
}

static void test_block__pops_name_the_key(void **state)
{
	expect(h, "RPUSH l a b c", ":3");
	expect(h, "ZADD z 1 a 2.5 b 3 c", ":3");
	expect_effects(h, "RPUSH l a b c; ZADD z 1 a 2.5 b 3 c");
	expect_events(h, "rpush:l zadd:z");
	expect(h, "BLPOP none l 0", "*2 $1 l $1 a");
	expect(h, "BRPOP l none 0", "*2 $1 l $1 c");
	expect(h, "BLPOP l 0", "*2 $1 l $1 b");
	expect_effects(h, "LPOP l; RPOP l; LPOP l");
	expect_events(h, "lpop:l rpop:l lpop:l del:l");
	expect(h, "BZPOPMIN none z 0", "*3 $1 z $1 a $1 1");
	h->client.proto = 3;
	expect(h, "BZPOPMAX z 0", "*3 $1 z $1 c ,3");
	expect(h, "BZPOPMAX z 0", "*3 $1 z $1 b ,2.5");
	expect_effects(h, "ZPOPMIN z; ZPOPMAX z; ZPOPMAX z");
	expect_events(h, "zpopmin:z zpopmax:z zpopmax:z del:z");
}

static void test_block__pops_of_several(void **state)
{
	expect(h, "RPUSH l a b c", ":3");
	expect(h, "ZADD z 1 a 2 b 3 c", ":3");
	expect_effects(h, "RPUSH l a b c; ZADD z 1 a 2 b 3 c");
	expect(h, "BLMPOP 0 2 none l LEFT COUNT 2", "*2 $1 l *2 $1 a $1 b");
	expect(h, "BLMPOP 0 1 l RIGHT COUNT 9", "*2 $1 l *1 $1 c");
	expect(h, "BZMPOP 0 2 none z MAX", "*2 $1 z *1 *2 $1 c $1 3");
	expect(h, "BZMPOP 0 1 z MIN COUNT 2", "*2 $1 z *2 *2 $1 a $1 1 *2 $1 b $1 2");
	expect_effects(h, "LPOP l 2; RPOP l 1; ZPOPMAX z 1; ZPOPMIN z 2");
	expect(h, "BLMPOP x 1 l LEFT", "-ERR timeout is not a float or out of range");
	expect(h, "BLMPOP x 0 l LEFT", "-ERR numkeys should be greater than 0");
	expect(h, "BLMPOP 1 0 l LEFT", "-ERR numkeys should be greater than 0");
	expect(h, "BLMPOP 1 2 l LEFT", "-ERR syntax error");
	expect(h, "BLMPOP 1 1 l MIDDLE", "-ERR syntax error");
	expect(h, "BZMPOP 1 1 z MIN COUNT 0", "-ERR count should be greater than 0");
	expect(h, "COMMAND GETKEYS BLMPOP 0 2 a b LEFT", "*2 $1 a $1 b");
	expect(h, "COMMAND GETKEYS BLPOP a b 0", "*2 $1 a $1 b");
}

static void test_block__moves_tell_the_journal_of_their_peers(void **state)
{
	expect(h, "RPUSH {k}a 1 2", ":2");
	expect_effects(h, "RPUSH {k}a 1 2");
	expect(h, "BLMOVE {k}a {k}b LEFT RIGHT 0", "$1 1");
	expect(h, "BRPOPLPUSH {k}a {k}a 0", "$1 2");
	expect(h, "BRPOPLPUSH {k}a {k}b 0", "$1 2");
	expect_effects(h, "LMOVE {k}a {k}b LEFT RIGHT; RPOPLPUSH {k}a {k}a; RPOPLPUSH {k}a {k}b");
	const char *other = apart(SLICE("{k}b"));
	assert_string_equal(runf(h, "BLMOVE {k}b %s LEFT RIGHT 0", other), "$1 2");
	char want[64];
	snprintf(want, sizeof want, "RPUSH %s 2; LPOP {k}b", other);
	expect_effects(h, want);
	expect(h, "BLMOVE a b XX LEFT abc", "-ERR syntax error");
	expect(h, "BLMOVE a b LEFT LEFT abc", "-ERR timeout is not a float or out of range");
}

static void test_block__what_each_waits_for(void **state)
{
	expect_waits("BLPOP a b 1", OBJ_LIST, 1, 2, 1000);
	expect_waits("BRPOP a 0", OBJ_LIST, 1, 1, 0);
	assert_false(h->block.whole);
	expect_waits("BLMOVE a b LEFT LEFT 0.5", OBJ_LIST, 1, 1, 500);
	assert_true(h->block.whole);
	expect_waits("BRPOPLPUSH a b 2", OBJ_LIST, 1, 1, 2000);
	expect_waits("BLMPOP 3 2 a b LEFT", OBJ_LIST, 3, 2, 3000);
	expect_waits("BZPOPMIN a b c 0", OBJ_ZSET, 1, 3, 0);
	expect_waits("BZPOPMAX a 0", OBJ_ZSET, 1, 1, 0);
	expect_waits("BZMPOP 1 1 a MIN", OBJ_ZSET, 3, 1, 1000);
	expect_waits("XREAD BLOCK 7 STREAMS a b $ 0", OBJ_STREAM, 4, 2, 7);
	assert_false(h->block.gone_too);
	expect(h, "XGROUP CREATE s g $ MKSTREAM", "+OK");
	expect(h, "XREADGROUP GROUP g c BLOCK 8 STREAMS s >", "+waits");
	assert_true(h->block.gone_too);
	expect(h, "WAIT 1 9", "+waits");
	assert_int_equal(h->block.n, 0);
	assert_int_equal(h->block.timeout_ms, 9);
	expect(h, "WAITAOF 0 1 10", "+waits");
}

/* In a transaction or script: as if the time were over, whatever it is. BLMOVE has a null of its own then. */
static void test_block__where_it_must_not_wait(void **state)
{
	expect(h, "XGROUP CREATE s g $ MKSTREAM", "+OK");
	h->deny_block = true;
	for (uint8_t proto = 2; proto <= 3; proto++) {
		h->client.proto = proto;
		const char *null = proto == 2 ? "*-1" : "_";
		expect(h, "BLPOP a b 0", null);
		expect(h, "BRPOP a 0", null);
		expect(h, "BLMPOP 0 1 a LEFT", null);
		expect(h, "BZPOPMIN a 0", null);
		expect(h, "BZMPOP 0 1 a MIN", null);
		expect(h, "XREAD BLOCK 0 STREAMS a $", null);
		expect(h, "XREADGROUP GROUP g c BLOCK 0 STREAMS s >", null);
		expect(h, "BLMOVE a b LEFT LEFT 0", proto == 2 ? "$-1" : "_");
		expect(h, "BRPOPLPUSH a b 0", proto == 2 ? "$-1" : "_");
		expect(h, "WAIT 3 0", ":0");
		expect(h, "WAITAOF 0 1 0", "*2 :0 :0");
		expect(h, "BLPOP a -1", "-ERR timeout is negative");
	}
}

static void test_block__wait_says_how_many_there_are(void **state)
{
	expect(h, "WAIT 0 0", ":0");
	expect(h, "WAIT -1 0", ":0");
	expect(h, "WAIT abc 0", "-ERR value is not an integer or out of range");
	expect(h, "WAITAOF 0 0 0", "*2 :0 :0");
	expect(h, "WAITAOF 2 0 0", "-ERR value is out of range, value must between 0 and 1");
	expect(h, "WAITAOF 0 -1 0", "-ERR value is out of range, must be positive");
	expect(h, "WAITAOF 1 0 0", "-ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.");
}

/* A shard with news looks at its own keys only. */
static void test_block__served_from_one_shard(void **state)
{
	struct slice x = SLICE("a"), y = {apart(x), 1};

	assert_string_equal(runf(h, "RPUSH %s of-y", y.ptr), ":1");
	expect(h, "RPUSH a of-x", ":1");
	assert_string_equal(runf(h, "XADD s%s 1-1 f v", y.ptr), "$3 1-1");
	h->held = 1ull << cmd_shard_of(&h->env, y);
	assert_non_null(strstr(runf(h, "BLPOP a %s 0", y.ptr), "of-y"));
	assert_string_equal(runf(h, "BLPOP a %s 0", y.ptr), "+waits");
	assert_string_equal(runf(h, "BLMPOP 0 2 a %s LEFT", y.ptr), "+waits");
	assert_string_equal(runf(h, "BZPOPMIN a %s 0", y.ptr), "+waits");
	h->held = 1ull << cmd_shard_of(&h->env, x);
	assert_non_null(strstr(runf(h, "BLMPOP 0 2 %s a RIGHT", y.ptr), "of-x"));
}

/* Words that XREAD was given are read again when there is news. */
static void test_block__last_id_is_fixed_when_the_wait_begins(void **state)
{
	expect(h, "XADD s 5-5 f v", "$3 5-5");
	expect(h, "XREAD BLOCK 0 STREAMS s none $ $", "+waits");
	assert_non_null(h->block.ready);
	assert_non_null(h->block.words);
	expect(h, "XREAD BLOCK 0 STREAMS s 5-5", "+waits");
	assert_null(h->block.words);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_block__time_outs_are_read_as_redis_reads_them, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_block__pops_name_the_key, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_block__pops_of_several, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_block__moves_tell_the_journal_of_their_peers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_block__what_each_waits_for, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_block__where_it_must_not_wait, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_block__wait_says_how_many_there_are, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_block__served_from_one_shard, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_block__last_id_is_fixed_when_the_wait_begins, set_up, tear_down),
	};
	harness_eal("test_block");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
