/* Key distributions against the probabilities they stand for. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "bench/keys.h"

#define DRAWS 400000

/* Pearson's statistic over cells of at least ten expected draws, the rest in one. */
static double chi_square(const uint32_t *seen, const double *p, uint64_t n, uint32_t *cells)
{
	double sum = 0, rest_p = 0, rest_seen = 0;

	*cells = 0;
	for (uint64_t i = 0; i < n; i++) {
		double expected = p[i] * DRAWS;
		if (expected < 10) {
			rest_p += p[i];
			rest_seen += seen[i];
			continue;
		}
		sum += (seen[i] - expected) * (seen[i] - expected) / expected;
		++*cells;
	}
	if (rest_p > 0) {
		double expected = rest_p * DRAWS;
		sum += (rest_seen - expected) * (rest_seen - expected) / expected;
		++*cells;
	}
	return sum;
}

static void check(uint64_t n, double theta)
{
	struct keys k;
	uint32_t *seen = calloc(n, sizeof *seen), cells;
	double *p = calloc(n, sizeof *p), total = 0;

	for (uint64_t i = 0; i < n; i++)
		total += p[i] = pow((double)(i + 1), -theta);
	for (uint64_t i = 0; i < n; i++)
		p[i] /= total;
	keys_init(&k, n, theta, 7);
	for (int i = 0; i < DRAWS; i++) {
		uint64_t key = keys_draw(&k);
		assert_true(key < n);
		seen[key]++;
	}
	double x = chi_square(seen, p, n, &cells);
	/* Five standard deviations of the statistic above its mean. */
	double freedom = cells - 1.0;
	if (x > freedom + 5 * sqrt(2 * freedom) + 5)
		fail_msg("n=%lu theta=%g: chi square %.1f of %.0f", n, theta, x, freedom);
	free(seen);
	free(p);
}

static void test_keys__zipf_has_its_frequencies(void **state)
{
	static const double thetas[] = {0.2, 0.5, 0.99, 1, 1.01, 1.5, 3};
	static const uint64_t ns[] = {2, 3, 10, 1000, 50000};

	for (size_t i = 0; i < RP_ARRAY_LEN(ns); i++)
		for (size_t j = 0; j < RP_ARRAY_LEN(thetas); j++)
			check(ns[i], thetas[j]);
}

static void test_keys__uniform_has_its_frequencies(void **state)
{
	check(2, 0);
	check(1000, 0);
}

static void test_keys__zipf_over_many_keys_stays_in_range(void **state)
{
	struct keys k;
	uint64_t largest = 0, hot = 0;

	keys_init(&k, UINT64_C(1000000000000), 0.99, 1);
	for (int i = 0; i < 100000; i++) {
		uint64_t key = keys_draw(&k);
		largest = RP_MAX(largest, key);
		hot += key == 0;
	}
	assert_true(largest < UINT64_C(1000000000000) && largest > UINT64_C(1000000000));
	assert_true(hot > 2000 && hot < 5000); /* its share is about 3.2% */
}

static void test_keys__one_key_and_theta_do_not_loop(void **state)
{
	struct keys k;

	keys_init(&k, 1, 0.99, 1);
	assert_int_equal(keys_draw(&k), 0);
	keys_init(&k, 1, 0, 1);
	assert_int_equal(keys_draw(&k), 0);
}

static void test_keys__sequence_names_every_key_once(void **state)
{
	struct keys k;

	keys_init(&k, 5, 0, 1);
	k.order = KEYS_SEQUENCE;
	for (uint64_t i = 0; i < 5; i++)
		assert_int_equal(keys_draw(&k), i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys__zipf_has_its_frequencies),
		cmocka_unit_test(test_keys__uniform_has_its_frequencies),
		cmocka_unit_test(test_keys__zipf_over_many_keys_stays_in_range),
		cmocka_unit_test(test_keys__one_key_and_theta_do_not_loop),
		cmocka_unit_test(test_keys__sequence_names_every_key_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
