/* Hashes: fields, forms, events, effects. */
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

static void set_range(const char *key, int from, int to)
{
	for (int i = from; i < to; i++)
		assert_string_equal(runf(h, "HSET %s f%d v%d", key, i, i), ":1");
}

static void test_hset__counts_what_is_new(void **state)
{
	expect(h, "HSET k a 1 b 2 a 3", ":2");
	expect_dirty(h, 3);
	expect_events(h, "hset:k");
	expect_effects(h, "HSET k a 1 b 2 a 3");
	expect(h, "HSET k b x c y", ":1");
	expect(h, "HGETALL k", "*6 $1 a $1 3 $1 b $1 x $1 c $1 y");
	expect(h, "HKEYS k", "*3 $1 a $1 b $1 c");
	expect(h, "HVALS k", "*3 $1 3 $1 x $1 y");
	expect(h, "HLEN k", ":3");
	expect(h, "HGET k a", "$1 3");
	expect(h, "HGET k z", "$-1");
	expect(h, "HMGET k a z c", "*3 $1 3 $-1 $1 y");
	expect(h, "HEXISTS k a", ":1");
	expect(h, "HEXISTS k z", ":0");
	expect(h, "HSTRLEN k a", ":1");
	expect(h, "HSTRLEN k z", ":0");
	expect(h, "HSET k a", "-ERR wrong number of arguments for 'hset' command");
	expect(h, "HSET k a 1 b", "-ERR wrong number of arguments for 'hset' command");
	expect(h, "HMSET k a 1 b", "-ERR wrong number of arguments for 'hmset' command");
	expect(h, "HMSET k d 1", "+OK");
	expect(h, "HSET k \"\" \"\"", ":1");
	expect(h, "HGET k \"\"", "$0 ");
}

static void test_hash__forms_change_where_redis_changes_them(void **state)
{
	set_range("n", 0, 512);
	expect_enc("n", "listpack");
	run(h, "HSET n f0 x");
	expect_enc("n", "listpack");
	run(h, "HSET n f512 x");
	expect_enc("n", "hashtable");
	expect(h, "HLEN n", ":513");
	expect(h, "HGET n f0", "$1 x");
	expect(h, "HGET n f77", "$3 v77");
	run(h, "HSET v a 1234567890123456789012345678901234567890123456789012345678901234");
	expect_enc("v", "listpack");
	run(h, "HSET v b 12345678901234567890123456789012345678901234567890123456789012345");
	expect_enc("v", "hashtable");
	expect(h, "HLEN v", ":2");
	run(h, "HSET w 12345678901234567890123456789012345678901234567890123456789012345 x");
	expect_enc("w", "hashtable");
}

static void test_hdel__key_goes_with_the_last(void **state)
{
	static const char *const first[] = {
		"HSET k a 1 b 2 c 3",
		"HSET k a 1 b 2 c 3 x 12345678901234567890123456789012345678901234567890123456789012345678901"};

	for (size_t i = 0; i < RP_ARRAY_LEN(first); i++) {
		run(h, first[i]);
		h->effects[0] = h->events[0] = '\0';
		expect(h, "HDEL k a z a", ":1");
		expect_dirty(h, 1);
		expect_events(h, "hdel:k");
		expect_effects(h, "HDEL k a z a");
		run(h, "HDEL k x");
		h->effects[0] = h->events[0] = '\0';
		expect(h, "HDEL k b c", ":2");
		expect_events(h, "hdel:k del:k");
		expect(h, "EXISTS k", ":0");
		expect(h, "HDEL k b", ":0");
		expect_dirty(h, 0);
	}
}

static void test_hset__large_values_are_shared_with_replies(void **state)
{
	size_t len = 40000;
	char *text = malloc(len + 1);

	memset(text, 'x', len);
	text[len] = '\0';
	struct slice argv[] = {SLICE("HSET"), SLICE("k"), SLICE("big"), {text, len}, SLICE("small"), SLICE("1")};
	assert_string_equal(run_args(h, 6, argv), ":2");
	assert_string_equal(run_args(h, 6, argv), ":0");
	run(h, "COPY k other");
	const char *r = run(h, "HGET other big");
	assert_int_equal(strncmp(r, "$40000 ", 7), 0);
	assert_int_equal(h->reply_len, 7 + len);
	expect(h, "HSTRLEN other big", ":40000");
	expect(h, "HSET k big tiny", ":0");
	expect(h, "HSTRLEN other big", ":40000");
	expect(h, "HGET k big", "$4 tiny");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_hset__counts_what_is_new, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hash__forms_change_where_redis_changes_them, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hdel__key_goes_with_the_last, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hset__large_values_are_shared_with_replies, setup, teardown),
	};
	harness_eal("test_hash");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
