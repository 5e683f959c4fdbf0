#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/stages.h"

static void test_stages__percentiles_bound_the_samples_within_a_fifth(void **state)
{
	static struct stages s;
	struct rng r;
	rng_init(&r, 7);
	for (uint32_t i = 0; i < 100000; i++) {
		s.on = true;
		s.spent[STAGE_PARSE] = 1000 + rng_below(&r, 1000);
		stages_end(&s, true);
	}
	const struct stage_hist *h = &s.hist[STAGE_PARSE];
	assert_int_equal(h->n, 100000);
	assert_in_range(stage_percentile(h, 500), 1500, 1800);
	assert_in_range(stage_percentile(h, 990), 1980, 2400);
	assert_in_range(stage_percentile(h, 1000), 1990, 1999);
	assert_int_equal(s.hist[STAGE_TOTAL].cycles, h->cycles);
}

static void test_stages__idle_iterations_and_untimed_ones_are_not_entered(void **state)
{
	static struct stages s;
	for (uint32_t i = 0; i < 64; i++) {
		stages_begin(&s, 0);
		stages_mark(&s, STAGE_RX);
		stages_end(&s, i >= 32);
	}
	assert_int_equal(s.hist[STAGE_RX].n, 32 / STAGES_EVERY);
	assert_string_equal(stage_name(STAGE_TCP_OUT), "tcp-out");
}

static void test_stages__small_and_huge_values_have_their_buckets(void **state)
{
	static struct stages s;
	for (uint64_t v = 0; v < 5; v++) {
		s.on = true;
		s.spent[STAGE_TX] = v;
		stages_end(&s, true);
	}
	assert_int_equal(stage_percentile(&s.hist[STAGE_TX], 200), 0);
	assert_int_equal(stage_percentile(&s.hist[STAGE_TX], 1000), 4);
	s.on = true;
	s.spent[STAGE_TX] = UINT64_MAX / 2;
	stages_end(&s, true);
	assert_true(stage_percentile(&s.hist[STAGE_TX], 1000) > UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stages__percentiles_bound_the_samples_within_a_fifth),
		cmocka_unit_test(test_stages__idle_iterations_and_untimed_ones_are_not_entered),
		cmocka_unit_test(test_stages__small_and_huge_values_have_their_buckets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
