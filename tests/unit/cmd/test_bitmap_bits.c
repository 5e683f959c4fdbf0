/* The word-at-a-time bit functions against the plainest way to say the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rng.h"
#include "cmd/bits.h"

#define BYTES 200

static bool bit_at(const uint8_t *p, uint64_t i)
{
	return p[i / 8] >> (7 - i % 8) & 1;
}

/* Exactly `len` bytes, so that ASan sees a read beyond them. Mostly `fill`, so that long runs occur. */
static uint8_t *make_bytes(struct rng *rng, size_t len, uint8_t fill)
{
	uint8_t *p = malloc(len);

	memset(p, fill, len);
	for (int n = 0; n < 3; n++)
		p[rng_next(rng) % len] = (uint8_t)rng_next(rng);
	return p;
}

static void test_bits_count__any_range(void **state)
{
	struct rng rng;

	rng_init(&rng, 1);
	for (int round = 0; round < 3000; round++) {
		size_t len = 1 + rng_next(&rng) % BYTES;
		uint8_t *p = make_bytes(&rng, len, round & 1 ? 0xff : 0x10);
		uint64_t first = rng_next(&rng) % (len * 8), last = first + rng_next(&rng) % (len * 8 - first), n = 0;

		for (uint64_t i = first; i <= last; i++)
			n += bit_at(p, i);
		assert_int_equal(bits_count(p, first, last), n);
		free(p);
	}
}

static void test_bits_find__first_of_any_range(void **state)
{
	struct rng rng;

	rng_init(&rng, 2);
	for (int round = 0; round < 6000; round++) {
		size_t len = 1 + rng_next(&rng) % BYTES;
		bool bit = round & 1;
		uint8_t *p = make_bytes(&rng, len, bit ? 0 : 0xff);
		uint64_t first = rng_next(&rng) % (len * 8), last = first + rng_next(&rng) % (len * 8 - first);
		int64_t want = -1;

		for (uint64_t i = first; i <= last && want < 0; i++)
			if (bit_at(p, i) == bit)
				want = (int64_t)i;
		assert_int_equal(bits_find(p, first, last, bit), want);
		free(p);
	}
}

static void test_bits_field__width_and_place(void **state)
{
	struct rng rng;

	rng_init(&rng, 3);
	for (int round = 0; round < 5000; round++) {
		unsigned width = 1 + rng_next(&rng) % 64;
		uint64_t at = rng_next(&rng) % 77, v = rng_next(&rng) >> (64 - width);
		size_t len = (at + width + 7) / 8;
		uint8_t *p = make_bytes(&rng, len, (uint8_t)round), *before = malloc(len);

		memcpy(before, p, len);
		bits_put(p, at, width, v);
		assert_int_equal(bits_get(p, len, at, width), v);
		for (uint64_t i = 0; i < len * 8; i++)
			assert_int_equal(bit_at(p, i),
					 i < at || i >= at + width ? bit_at(before, i) : v >> (at + width - 1 - i) & 1);
		free(before);
		free(p);
	}
}

static void test_bits_get__zeros_beyond_the_end(void **state)
{
	const uint8_t byte = 0xff;

	assert_int_equal(bits_get(&byte, 1, 4, 8), 0xf0);
	assert_int_equal(bits_get(&byte, 1, 8, 8), 0);
	assert_int_equal(bits_get(&byte, 1, 1u << 31, 64), 0);
	assert_int_equal(bits_get(&byte, 0, 0, 8), 0);
}

static void test_bits_combine__every_op(void **state)
{
	struct rng rng;

	rng_init(&rng, 4);
	for (size_t len = 1; len < BYTES; len++) {
		uint8_t *s = malloc(len), *d = malloc(len), *got = malloc(len);

		for (size_t i = 0; i < len; i++) {
			s[i] = (uint8_t)rng_next(&rng);
			d[i] = (uint8_t)rng_next(&rng);
		}
		for (enum bits_op op = BITS_AND; op <= BITS_NOT; op++) {
			memcpy(got, d, len);
			bits_combine(op, got, s, len);
			for (size_t i = 0; i < len; i++) {
				uint8_t want[] = {[BITS_AND] = d[i] & s[i],
						  [BITS_OR] = d[i] | s[i],
						  [BITS_XOR] = d[i] ^ s[i],
						  [BITS_NOT] = (uint8_t)~s[i]};
				assert_int_equal(got[i], want[op]);
			}
		}
		free(got);
		free(d);
		free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bits_count__any_range),
		cmocka_unit_test(test_bits_find__first_of_any_range),
		cmocka_unit_test(test_bits_field__width_and_place),
		cmocka_unit_test(test_bits_get__zeros_beyond_the_end),
		cmocka_unit_test(test_bits_combine__every_op),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
