/* Nanoseconds of an operation on intsets of 16 and of 512 integers: bench_intset [ROUNDS] */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/rng.h"
#include "store/ds/intset.h"

#define MOST 512

static uint64_t ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static bool reserve(struct cbuf *b, size_t cap)
{
	return false; /* there is room for everything */
}

static int64_t value(int order, uint32_t i, struct rng *rng)
{
	switch (order) {
	case 0:
		return i;
	case 1:
		return -(int64_t)i;
	case 2:
		return (int64_t)rng_below(rng, 1000000);
	default:
		return (int64_t)rng_next(rng);
	}
}

int main(int argc, char **argv)
{
	static const char *const orders[] = {"ascending", "descending", "up to a million", "any"};
	static uint8_t bytes[16 + 8 * (MOST + 1)];
	uint32_t rounds = argc > 1 ? (uint32_t)atoi(argv[1]) : 20;
	struct rng rng;
	int64_t v[MOST];
	bool added;
	uint64_t sum = 0;

	rng_init(&rng, 1);
	for (uint32_t n = 16; n <= MOST; n *= 32)
		for (int order = 0; order < 4; order++) {
			uint64_t add = UINT64_MAX, has = UINT64_MAX, get = UINT64_MAX, again = MOST * 100 / n;
			for (uint32_t round = 0; round < rounds; round++) { /* the best counts */
				struct cbuf b = {.p = bytes, .cap = sizeof bytes, .reserve = reserve};
				for (uint32_t i = 0; i < n; i++)
					v[i] = value(order, i, &rng);
				uint64_t t0 = ns();
				for (uint64_t k = 0; k < again; k++) {
					b.len = INTSET_EMPTY_BYTES;
					intset_init(bytes);
					for (uint32_t i = 0; i < n; i++)
						intset_add(&b, v[i], &added);
				}
				uint64_t t1 = ns();
				for (uint64_t k = 0; k < again; k++)
					for (uint32_t i = 0; i < n; i++)
						sum += intset_has(bytes, v[i]);
				uint64_t t2 = ns();
				for (uint64_t k = 0; k < again; k++)
					for (uint32_t i = 0; i < intset_count(bytes); i++)
						sum += (uint64_t)intset_get(bytes, i);
				uint64_t t3 = ns();
				add = RP_MIN(add, t1 - t0);
				has = RP_MIN(has, t2 - t1);
				get = RP_MIN(get, t3 - t2);
			}
			double each = (double)(n * again);
			printf("%3u %-16s add %6.1f  has %6.1f  get %5.1f  ns, %zu bytes\n", n, orders[order],
			       (double)add / each, (double)has / each, (double)get / each, intset_bytes(bytes));
		}
	return sum == 42; /* it is used */
}
