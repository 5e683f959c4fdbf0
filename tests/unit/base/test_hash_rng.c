#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/rng.h"

/* Vectors of the SipHash paper: key 00..0f, message 00..len-1. */
static void test_hash_sip24__reference_vectors(void **state)
{
	uint8_t msg[15];
	const uint64_t key[2] = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
	for (size_t i = 0; i < sizeof(msg); i++)
		msg[i] = (uint8_t)i;
	assert_true(hash_sip24(msg, 15, key) == 0xa129ca6149be45e5u);
	assert_true(hash_sip24(msg, 0, key) == 0x726fdb47dd0e0e31u);
}

static uint16_t crc16_bitwise(const uint8_t *p, size_t len)
{
	uint16_t crc = 0;
	for (size_t i = 0; i < len; i++) {
		crc ^= (uint16_t)(p[i] << 8);
		for (int b = 0; b < 8; b++)
			crc = (uint16_t)(crc << 1 ^ (crc & 0x8000 ? 0x1021 : 0));
	}
	return crc;
}

static void test_hash_slot__cluster_specification(void **state)
{
	assert_int_equal(hash_slot(SLICE("123456789")), 0x31c3);
	assert_int_equal(hash_slot(SLICE("foo")), 12182);
	assert_int_equal(hash_slot(SLICE("{user1000}.following")), hash_slot(SLICE("user1000")));
	assert_int_equal(hash_slot(SLICE("foo{}{bar}")), crc16_bitwise((const uint8_t *)"foo{}{bar}", 10) % RP_SLOTS);
	assert_int_equal(hash_slot(SLICE("foo{{bar}}zap")), hash_slot(SLICE("{bar")));
	assert_int_equal(hash_slot(SLICE("foo{bar}{zap}")), hash_slot(SLICE("bar")));
	assert_int_equal(hash_slot((struct slice){NULL, 0}), 0);
}

static void test_hash_slot__same_as_bitwise_crc(void **state)
{
	struct rng r;
	uint8_t key[40];
	rng_init(&r, 4);
	for (int i = 0; i < 20000; i++) {
		size_t len = rng_below(&r, sizeof(key) + 1);
		for (size_t k = 0; k < len; k++) {
			key[k] = (uint8_t)rng_next(&r);
			key[k] += key[k] == '{';
		}
		assert_int_equal(hash_slot((struct slice){(char *)key, len}), crc16_bitwise(key, len) % RP_SLOTS);
	}
}

/* One flipped bit, of the input or the seed, changes about half of the output. */
static void test_hash64__avalanche_at_every_length(void **state)
{
	struct rng r;
	uint8_t buf[80];
	rng_init(&r, 5);
	for (size_t len = 1; len <= sizeof(buf); len++) {
		uint64_t changed = 0;
		for (int i = 0; i < 200; i++) {
			uint64_t seed = rng_next(&r);
			for (size_t k = 0; k < len; k++)
				buf[k] = (uint8_t)rng_next(&r);
			uint64_t before = hash64(buf, len, seed);
			assert_true(before == hash64(buf, len, seed));
			assert_true(before != hash64(buf, len, seed ^ 1));
			size_t bit = rng_below(&r, len * 8);
			buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
			uint64_t after = hash64(buf, len, seed);
			assert_true(before != after);
			changed += (uint64_t)__builtin_popcountll(before ^ after);
		}
		assert_in_range(changed, 200 * 30, 200 * 34);
	}
}

static void test_rng__seed_replays_and_below_is_uniform(void **state)
{
	struct rng a, b;
	uint32_t count[10] = {0};
	rng_init(&a, 42);
	rng_init(&b, 42);
	for (int i = 0; i < 100000; i++) {
		uint64_t v = rng_below(&a, 10);
		assert_true(v < 10 && v == rng_below(&b, 10));
		count[v]++;
	}
	for (int i = 0; i < 10; i++)
		assert_in_range(count[i], 9500, 10500);
	uint64_t key[2] = {0, 0};
	rng_system(key, sizeof(key));
	assert_true(key[0] != 0 || key[1] != 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hash_sip24__reference_vectors),
		cmocka_unit_test(test_hash_slot__cluster_specification),
		cmocka_unit_test(test_hash_slot__same_as_bitwise_crc),
		cmocka_unit_test(test_hash64__avalanche_at_every_length),
		cmocka_unit_test(test_rng__seed_replays_and_below_is_uniform),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
