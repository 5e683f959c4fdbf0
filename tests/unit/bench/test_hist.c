/* Histograms against sorted samples. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/rng.h"
#include "bench/hist.h"

#define SAMPLES 200000

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

/* Latencies over many orders of magnitude. */
static uint64_t draw(struct rng *r)
{
	return rng_next(r) >> (24 + rng_below(r, 40));
}

static void test_hist__percentiles_are_those_of_the_sorted_samples(void **state)
{
	static const double percents[] = {0.01, 1, 25, 50, 90, 99, 99.9, 99.99, 99.999, 100};
	uint64_t *v = malloc(SAMPLES * sizeof *v);
	struct hist *h = malloc(sizeof *h);
	struct rng r;

	for (uint64_t seed = 1; seed <= 3; seed++) {
		rng_init(&r, seed);
		hist_init(h);
		for (int i = 0; i < SAMPLES; i++)
			hist_record(h, v[i] = draw(&r));
		qsort(v, SAMPLES, sizeof *v, by_value);
		for (size_t i = 0; i < RP_ARRAY_LEN(percents); i++) {
			size_t rank = (size_t)((percents[i] / 100 * SAMPLES) + 0.9999999);
			uint64_t exact = v[rank - 1], got = hist_percentile(h, percents[i]);
			assert_true(got >= exact);
			assert_true(got - exact <= exact / 1000);
		}
		assert_int_equal(hist_percentile(h, 100), v[SAMPLES - 1]);
		assert_int_equal(hist_percentile(h, 0), v[0]);
	}
	free(v);
	free(h);
}

static void test_hist__mean_min_max_and_count_are_exact(void **state)
{
	struct hist *h = malloc(sizeof *h);

	hist_init(h);
	assert_true(hist_mean(h) == 0);
	assert_int_equal(hist_percentile(h, 99), 0);
	for (uint64_t i = 1; i <= 1001; i++)
		hist_record(h, i * 1000003);
	assert_int_equal(h->count, 1001);
	assert_int_equal(h->min_ns, 1000003);
	assert_int_equal(h->max_ns, UINT64_C(1001) * 1000003);
	assert_true(hist_mean(h) == 501.0 * 1000003);
	assert_int_equal(hist_count_upto(h, 0), 0);
	assert_int_equal(hist_count_upto(h, h->max_ns), 1001);
	free(h);
}

static void test_hist__buckets_join_without_gap_or_overlap(void **state)
{
	for (uint32_t i = 0; i + 1 < HIST_BUCKETS; i++) {
		uint64_t top = hist_bucket_top(i);
		assert_int_equal(hist_index(top), i);
		assert_int_equal(hist_index(top + 1), i + 1);
	}
}

static void test_hist__a_value_beyond_the_range_counts_as_the_longest(void **state)
{
	struct hist *h = malloc(sizeof *h);

	hist_init(h);
	hist_record(h, UINT64_MAX);
	assert_int_equal(h->max_ns, (UINT64_C(1) << HIST_MAX_BITS) - 1);
	assert_int_equal(hist_percentile(h, 50), h->max_ns);
	assert_int_equal(hist_index(h->max_ns), HIST_BUCKETS - 1);
	free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hist__percentiles_are_those_of_the_sorted_samples),
		cmocka_unit_test(test_hist__mean_min_max_and_count_are_exact),
		cmocka_unit_test(test_hist__buckets_join_without_gap_or_overlap),
		cmocka_unit_test(test_hist__a_value_beyond_the_range_counts_as_the_longest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
