/* Templates: what stands on the wire. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <rte_cycles.h>

#include "bench/gen.h"

static struct gen make(const char *const *words, uint32_t n, uint32_t value_len)
{
	struct gen g;
	struct err e;
	assert_int_equal(gen_init(&g, words, n, value_len, &e), 0);
	return g;
}

static void test_gen__a_request_is_resp_with_key_and_value(void **state)
{
	const char *const words[] = {"SET", "key:__rand_int__", "<__data__>"};
	struct gen g = make(words, 3, 13);
	struct keys k;
	char out[256], value[13], want[256];

	keys_init(&k, 1000, 0, 3);
	for (int i = 0; i < 1000; i++) {
		uint64_t key = gen_write(&g, &k, out);
		assert_true(key < 1000);
		gen_value(value, key, 0, sizeof value);
		int n = snprintf(want, sizeof want, "*3\r\n$3\r\nSET\r\n$16\r\nkey:%012lu\r\n$15\r\n<%.13s>\r\n", key,
				 value);
		assert_int_equal(g.len, n);
		assert_memory_equal(out, want, g.len);
	}
	gen_fini(&g);
}

static void test_gen__each_place_draws_its_own_key_and_values_follow(void **state)
{
	const char *const words[] = {"MSET", "__rand_int__", "__data__", "__rand_int__", "__data__"};
	struct gen g = make(words, 5, 8);
	struct keys k;
	char out[256], value[8];

	keys_init(&k, 10, 0, 3);
	k.order = KEYS_SEQUENCE;
	k.next = 4;
	assert_int_equal(gen_write(&g, &k, out), 4);
	assert_int_equal(k.next, 6);
	const char *p = strstr(out, "000000000004\r\n$8\r\n"), *q = strstr(out, "000000000005\r\n$8\r\n");
	assert_non_null(p);
	assert_non_null(q);
	gen_value(value, 4, 0, 8);
	assert_memory_equal(p + 18, value, 8);
	gen_value(value, 5, 0, 8);
	assert_memory_equal(q + 18, value, 8);
	gen_fini(&g);
}

static void test_gen__commands_of_a_transaction_are_one_request(void **state)
{
	const char *const words[] = {"MULTI", ";", "INCR", "__rand_int__", ";", "EXEC"};
	static const char want[] =
		"*1\r\n$5\r\nMULTI\r\n*2\r\n$4\r\nINCR\r\n$12\r\n000000000007\r\n*1\r\n$4\r\nEXEC\r\n";
	struct gen g = make(words, RP_ARRAY_LEN(words), 8);
	struct keys k;
	char out[256];

	keys_init(&k, 10, 0, 3);
	k.order = KEYS_SEQUENCE;
	k.next = 7;
	assert_int_equal(gen_write(&g, &k, out), 7);
	assert_int_equal(g.replies, 3);
	assert_int_equal(g.len, sizeof want - 1);
	assert_memory_equal(out, want, g.len);
	gen_fini(&g);
}

static void test_gen__digits_of_the_largest_key(void **state)
{
	const char *const words[] = {"GET", "__rand_int__"};
	struct gen g = make(words, 2, 1);
	struct keys k;
	char out[64];

	keys_init(&k, GEN_MAX_KEYS, 0, 3);
	k.order = KEYS_SEQUENCE;
	k.next = GEN_MAX_KEYS - 1;
	assert_int_equal(gen_write(&g, &k, out), GEN_MAX_KEYS - 1);
	assert_memory_equal(out, "*2\r\n$3\r\nGET\r\n$12\r\n999999999999\r\n", g.len);
	gen_fini(&g);
}

static void test_gen__a_value_is_recognised_in_pieces_and_a_wrong_byte_is_seen(void **state)
{
	enum {
		LEN = 5000
	};
	static char v[LEN];

	gen_value(v, 42, 0, LEN);
	for (size_t cut = 0; cut <= LEN; cut += 37) {
		assert_true(gen_value_is(v, 42, 0, cut));
		assert_true(gen_value_is(v + cut, 42, cut, LEN - cut));
	}
	for (size_t i = 0; i < LEN; i += 101) {
		v[i] ^= 1;
		assert_false(gen_value_is(v, 42, 0, LEN));
		v[i] ^= 1;
	}
	assert_false(gen_value_is(v, 43, 0, LEN));
	assert_false(gen_value_is(v + 8, 42, 0, 8));
}

static void test_gen__values_of_different_keys_differ(void **state)
{
	char a[4], b[4];
	uint32_t same = 0;

	for (uint64_t key = 0; key < 10000; key++) {
		gen_value(a, key, 0, sizeof a);
		gen_value(b, key + 1, 0, sizeof b);
		same += memcmp(a, b, sizeof a) == 0;
		for (size_t i = 0; i < sizeof a; i++)
			assert_true(a[i] > ' ' && a[i] < 0x7f);
	}
	assert_true(same < 10);
}

static void test_gen__too_many_placeholders_and_too_large_requests_are_refused(void **state)
{
	const char *words[GEN_MAX_SLOTS + 1], *const large[] = {"__data__"};
	struct gen g;
	struct err e = {""};

	for (int i = 0; i <= GEN_MAX_SLOTS; i++)
		words[i] = "__rand_int__";
	assert_int_equal(gen_init(&g, words, GEN_MAX_SLOTS + 1, 3, &e), -1);
	assert_int_not_equal(e.text[0], 0);
	assert_int_equal(gen_init(&g, large, 1, GEN_MAX_BYTES + 1, &e), -1);
}

/* Told, not judged: other loads of the machine would make it fail. */
static void test_gen__cost_of_a_request(void **state)
{
	const char *const get[] = {"GET", "key:__rand_int__"}, *const put[] = {"SET", "key:__rand_int__", "__data__"};
	struct gen g[2] = {make(get, 2, 32), make(put, 3, 32)};
	static char out[512];

	for (int i = 0; i < 4; i++) {
		struct keys k;
		keys_init(&k, 1000000, i < 2 ? 0 : 0.99, 1);
		uint64_t best = UINT64_MAX;
		for (int round = 0; round < 20; round++) {
			uint64_t t = rte_rdtsc();
			for (int n = 0; n < 10000; n++)
				gen_write(&g[i % 2], &k, out);
			best = RP_MIN(best, (rte_rdtsc() - t) / 10000);
		}
		print_message("# %s %s: %lu cycles\n", i % 2 ? "SET" : "GET", i < 2 ? "uniform" : "zipf", best);
		assert_true(best > 0);
	}
	gen_fini(&g[0]);
	gen_fini(&g[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gen__a_request_is_resp_with_key_and_value),
		cmocka_unit_test(test_gen__each_place_draws_its_own_key_and_values_follow),
		cmocka_unit_test(test_gen__commands_of_a_transaction_are_one_request),
		cmocka_unit_test(test_gen__digits_of_the_largest_key),
		cmocka_unit_test(test_gen__a_value_is_recognised_in_pieces_and_a_wrong_byte_is_seen),
		cmocka_unit_test(test_gen__values_of_different_keys_differ),
		cmocka_unit_test(test_gen__too_many_placeholders_and_too_large_requests_are_refused),
		cmocka_unit_test(test_gen__cost_of_a_request),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
