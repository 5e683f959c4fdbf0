/* Whole strings and parts of them: GET, APPEND, ranges, counters, many keys at once. */
#include <stdio.h>
#include <stdlib.h>

#include "harness.h"

#include "base/hash.h"

static int setup(void **state)
{
	*state = harness_create(4);
	return 0;
}

static int teardown(void **state)
{
	harness_destroy(*state);
	return 0;
}

/* Sets key to n bytes 'x'. */
static void set_len(struct harness *h, const char *key, size_t n)
{
	char *text = malloc(n + 1);
	struct slice words[] = {SLICE("SET"), {key, strlen(key)}, {text, n}};

	memset(text, 'x', n);
	assert_string_equal(run_args(h, 3, words), "+OK");
	free(text);
}

static void test_string_get__missing_is_null(void **state)
{
	struct harness *h = *state;

	expect(h, "GET k", "$-1");
	expect(h, "STRLEN k", ":0");
	expect(h, "GETRANGE k 0 -1", "$0 ");
	expect(h, "GETDEL k", "$-1");
	expect(h, "GETEX k EX 0", "$-1");
	expect_events(h, "");
	expect_effects(h, "");
}

static void test_string_encoding__at_each_boundary(void **state)
{
	static const struct {
		const char *value, *enc;
	} cases[] = {
		{"9223372036854775807", "$3 int"},
		{"-9223372036854775808", "$3 int"},
		{"0", "$3 int"},
		{"9223372036854775808", "$6 embstr"},
		{"-0", "$6 embstr"},
		{"01", "$6 embstr"},
		{"1.0", "$6 embstr"},
		{"\"\"", "$6 embstr"},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "$6 embstr"},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "$3 raw"},
	};
	struct harness *h = *state;

	for (size_t i = 0; i < RP_ARRAY_LEN(cases); i++) {
		runf(h, "SET k %s", cases[i].value);
		expect(h, "OBJECT ENCODING k", cases[i].enc);
	}
}

static void test_string_value__lengths_around_inline_and_reference(void **state)
{
	static const size_t lens[] = {0, 1, 44, 45, 1023, 1024, 1025, 16383, 16384, 16385, 100000};
	struct harness *h = *state;

	for (size_t i = 0; i < RP_ARRAY_LEN(lens); i++) {
		char want[32];

		set_len(h, "k", lens[i]);
		snprintf(want, sizeof want, ":%zu", lens[i]);
		expect(h, "STRLEN k", want);
		snprintf(want, sizeof want, "$%zu ", lens[i]);
		run(h, "GET k");
		assert_memory_equal(h->reply, want, strlen(want));
		assert_int_equal(h->reply_len, strlen(want) + lens[i]);
	}
}

static void test_string_append__creates_then_extends(void **state)
{
	struct harness *h = *state;

	expect(h, "APPEND k 12", ":2");
	expect(h, "OBJECT ENCODING k", "$3 int");
	expect(h, "APPEND k 34", ":4");
	expect(h, "OBJECT ENCODING k", "$3 raw");
	expect(h, "APPEND k \"\"", ":4");
	expect_dirty(h, 1);
	expect(h, "GET k", "$4 1234");
	expect(h, "INCR k", ":1235");
	expect(h, "OBJECT ENCODING k", "$3 int");
	expect_effects(h, "APPEND k 12; APPEND k 34; APPEND k ; INCR k");
}

static void test_string_append__through_every_layout(void **state)
{
	struct harness *h = *state;

	for (int i = 1; i <= 400; i++) {
		char want[32];

		snprintf(want, sizeof want, ":%d", i * 50);
		expect(h, "APPEND k 01234567890123456789012345678901234567890123456789", want);
	}
	expect(h, "GETRANGE k 1020 1030", "$11 01234567890");
	expect(h, "GETRANGE k -3 -1", "$3 789");
}

static void test_string_setrange__pads_with_zeros(void **state)
{
	struct harness *h = *state;

	expect(h, "SETRANGE k 3 abc", ":6");
	expect(h, "GETRANGE k 3 -1", "$3 abc");
	run(h, "GET k");
	assert_memory_equal(h->reply, "$6 \0\0\0abc", 9);
	expect(h, "SETRANGE k 4 XY", ":6");
	expect(h, "GETRANGE k 3 -1", "$3 aXY");
	expect_events(h, "setrange:k setrange:k");
}

static void test_string_setrange__empty_value_touches_nothing(void **state)
{
	struct harness *h = *state;
	struct slice key = SLICE("k");

	expect(h, "SETRANGE nokey 5 \"\"", ":0");
	expect(h, "EXISTS nokey", ":0");
	run(h, "SET k 12");
	struct store *s = h->stores[h->slot_map[hash_slot(key)]];
	uint32_t version = store_peek(s, 0, key)->version;
	expect(h, "SETRANGE k 5 \"\"", ":2");
	expect_dirty(h, 0);
	assert_int_equal(store_peek(s, 0, key)->version, version);
	expect(h, "OBJECT ENCODING k", "$3 int");
}

static void test_string_size__limit_of_one_string(void **state)
{
	static const char too_long[] = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)";
	struct harness *h = *state;

	h->conf.max_bulk = 10;
	run(h, "SET k 12345678");
	expect(h, "APPEND k abc", too_long);
	expect(h, "APPEND k ab", ":10");
	expect(h, "SETRANGE k 9 xy", too_long);
	expect(h, "SETRANGE k 9223372036854775807 xy", too_long);
	expect(h, "SETRANGE k 8 xy", ":10");
	expect(h, "SETRANGE k -1 xy", "-ERR offset is out of range");
	expect(h, "SETRANGE k x xy", "-ERR value is not an integer or out of range");
	expect(h, "SETBIT k 79 1", ":1");
	expect(h, "SETBIT k 80 1", "-ERR bit offset is not an integer or out of range");
	/* A file was written under the limit of its time. */
	h->client.flags |= CLIENT_F_REPLAY;
	expect(h, "APPEND k abc", ":13");
	expect(h, "SETRANGE k 12 xyz", ":15");
	expect(h, "SETBIT k 127 1", ":0");
	expect(h, "BITFIELD k SET u8 128 7", "*1 :0");
	expect(h, "STRLEN k", ":17");
	expect(h, "SETRANGE k 9223372036854775807 x", too_long);
}

static void test_string_getrange__clamps(void **state)
{
	static const struct {
		const char *range, *want;
	} cases[] = {
		{"0 3", "$4 0123"},
		{"-3 -1", "$3 9ab"},
		{"0 -1", "$12 0123456789ab"},
		{"10 100", "$2 ab"},
		{"5 3", "$0 "},
		{"-1 -3", "$0 "},
		{"-100 -100", "$1 0"},
		{"-100 0", "$1 0"},
		{"12 20", "$0 "},
		{"11 11", "$1 b"},
		{"-9223372036854775808 9223372036854775807", "$12 0123456789ab"},
	};
	struct harness *h = *state;

	run(h, "SET k 0123456789ab");
	for (size_t i = 0; i < RP_ARRAY_LEN(cases); i++) {
		assert_string_equal(runf(h, "GETRANGE k %s", cases[i].range), cases[i].want);
		assert_string_equal(runf(h, "SUBSTR k %s", cases[i].range), cases[i].want);
	}
	run(h, "SET n -1234");
	expect(h, "GETRANGE n 0 2", "$3 -12");
	expect(h, "GETRANGE n a 2", "-ERR value is not an integer or out of range");
}

static void test_string_getrange__large_part_of_a_blob(void **state)
{
	struct harness *h = *state;

	set_len(h, "k", 200000);
	run(h, "GETRANGE k 1 150000");
	assert_memory_equal(h->reply, "$150000 xxx", 11);
	assert_int_equal(h->reply_len, 8 + 150000);
	run(h, "GETRANGE k 0 -1");
	assert_int_equal(h->reply_len, 8 + 200000);
}

static void test_string_incr__overflow_leaves_the_value(void **state)
{
	struct harness *h = *state;

	expect(h, "INCR n", ":1");
	expect(h, "DECRBY n 3", ":-2");
	expect(h, "INCRBY n 9223372036854775807", ":9223372036854775805");
	expect(h, "INCRBY n 3", "-ERR increment or decrement would overflow");
	expect_dirty(h, 0);
	expect(h, "GET n", "$19 9223372036854775805");
	run(h, "SET n -9223372036854775808");
	expect(h, "DECR n", "-ERR increment or decrement would overflow");
	expect(h, "DECRBY n -9223372036854775808", "-ERR decrement would overflow");
	expect(h, "INCRBY n x", "-ERR value is not an integer or out of range");
	expect(h, "INCRBY fresh -9223372036854775808", ":-9223372036854775808");
	expect_events(h, "incrby:n incrby:n incrby:n set:n incrby:fresh");
}

static void test_string_incr__not_a_number_touches_nothing(void **state)
{
	struct harness *h = *state;
	struct slice key = SLICE("k");
	struct store *s = h->stores[h->slot_map[hash_slot(key)]];

	run(h, "SET k \"10 \"");
	uint32_t version = store_peek(s, 0, key)->version;
	expect(h, "INCR k", "-ERR value is not an integer or out of range");
	expect(h, "INCRBYFLOAT k 1", "-ERR value is not a valid float");
	assert_int_equal(store_peek(s, 0, key)->version, version);
}

static void test_string_incr__keeps_ttl(void **state)
{
	struct harness *h = *state;

	run(h, "SET n 5 PX 1000");
	expect(h, "INCR n", ":6");
	expect(h, "PTTL n", ":1000");
	expect(h, "INCRBYFLOAT n 0.5", "$3 6.5");
	expect(h, "PTTL n", ":1000");
	harness_advance_ms(h, 1001);
	expect(h, "INCR n", ":1");
	expect(h, "PTTL n", ":-1");
}

static void test_string_incrbyfloat__text_and_effect(void **state)
{
	struct harness *h = *state;

	run(h, "SET n 10.50");
	harness_expect_log(h->effects, "SET n 10.50", __FILE__, __LINE__);
	expect(h, "INCRBYFLOAT n 0.1", "$4 10.6");
	expect(h, "INCRBYFLOAT n -5.6", "$1 5");
	expect(h, "OBJECT ENCODING n", "$6 embstr");
	expect(h, "INCRBYFLOAT n 5.0e3", "$4 5005");
	expect(h, "INCRBYFLOAT n x", "-ERR value is not a valid float");
	expect(h, "INCRBYFLOAT n inf", "-ERR increment would produce NaN or Infinity");
	expect(h, "INCRBYFLOAT fresh 1.5", "$3 1.5");
	expect_effects(h, "SET n 10.6 KEEPTTL; SET n 5 KEEPTTL; SET n 5005 KEEPTTL; SET fresh 1.5 KEEPTTL");
	expect(h, "INCR n", ":5006");
}

static void test_string_mset__each_key_in_its_shard(void **state)
{
	struct harness *h = *state;

	expect(h, "MSET a 1 b 2 c 3 a 4", "+OK");
	expect_dirty(h, 4);
	expect_effects(h, "SET a 1; SET b 2; SET c 3; SET a 4");
	expect_events(h, "set:a set:b set:c set:a");
	expect(h, "MGET a nokey b c", "*4 $1 4 $-1 $1 2 $1 3");
	expect(h, "MSET a 1 b", "-ERR wrong number of arguments for 'mset' command");
	expect(h, "MSETNX d 1 b", "-ERR wrong number of arguments for 'msetnx' command");
}

static void test_string_msetnx__all_or_nothing(void **state)
{
	struct harness *h = *state;

	run(h, "SET b 2");
	expect(h, "MSETNX a 1 b 9", ":0");
	expect_dirty(h, 0);
	expect(h, "EXISTS a", ":0");
	expect(h, "MSETNX a 1 c 2 a 3", ":1");
	expect(h, "MGET a b c", "*3 $1 3 $1 2 $1 2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_string_get__missing_is_null, setup, teardown),
		cmocka_unit_test_setup_teardown(test_string_encoding__at_each_boundary, setup, teardown),
		cmocka_unit_test_setup_teardown(test_string_value__lengths_around_inline_and_reference, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_string_append__creates_then_extends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_string_append__through_every_layout, setup, teardown),
		cmocka_unit_test_setup_teardown(test_string_setrange__pads_with_zeros, setup, teardown),
		cmocka_unit_test_setup_teardown(test_string_setrange__empty_value_touches_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_string_size__limit_of_one_string, setup, teardown),
		cmocka_unit_test_setup_teardown(test_string_getrange__clamps, setup, teardown),
		cmocka_unit_test_setup_teardown(test_string_getrange__large_part_of_a_blob, setup, teardown),
		cmocka_unit_test_setup_teardown(test_string_incr__overflow_leaves_the_value, setup, teardown),
		cmocka_unit_test_setup_teardown(test_string_incr__not_a_number_touches_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_string_incr__keeps_ttl, setup, teardown),
		cmocka_unit_test_setup_teardown(test_string_incrbyfloat__text_and_effect, setup, teardown),
		cmocka_unit_test_setup_teardown(test_string_mset__each_key_in_its_shard, setup, teardown),
		cmocka_unit_test_setup_teardown(test_string_msetnx__all_or_nothing, setup, teardown),
	};
	harness_eal("test_string");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
