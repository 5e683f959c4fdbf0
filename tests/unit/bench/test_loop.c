/* How many requests a test may send, and when: what needs no network of the loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "bench/loop.h"

#define START 1000000

static void test_phase_due__requests_are_due_one_interval_apart(void **state)
{
	struct phase p = {.limit = UINT64_MAX, .start_tsc = START, .deadline_tsc = UINT64_MAX, .tsc_per_request = 10};

	assert_int_equal(phase_due(&p, START, 1), 1);
	for (uint64_t i = 1; i < 1000; i++) {
		assert_int_equal(phase_due(&p, START + 10 * i - 1, 1), i);
		assert_int_equal(phase_due(&p, START + 10 * i, 1), i + 1);
	}
}

static void test_phase_due__batches_are_due_together_at_the_same_rate(void **state)
{
	struct phase p = {.limit = UINT64_MAX, .start_tsc = START, .deadline_tsc = UINT64_MAX, .tsc_per_request = 10};

	assert_int_equal(phase_due(&p, START, 7), 7);
	assert_int_equal(phase_due(&p, START + 69, 7), 7);
	assert_int_equal(phase_due(&p, START + 70, 7), 14);
	assert_int_equal(phase_due(&p, START + 70000, 7), 7007);
}

static void test_phase_due__the_end_is_in_requests_or_in_time(void **state)
{
	struct phase p = {.limit = 20, .start_tsc = START, .deadline_tsc = START + 99, .tsc_per_request = 10};

	assert_int_equal(phase_due(&p, START + 5000, 1), 10); /* at 0, 10, .. 90 */
	assert_int_equal(phase_due(&p, START + 5000, 4), 12); /* at 0, 40, 80 */
	p.deadline_tsc = UINT64_MAX;
	assert_int_equal(phase_due(&p, START + 5000, 1), 20);
	assert_int_equal(phase_due(&p, START + 5000, 7), 20); /* the last batch is smaller */
}

static void test_phase_take__lost_requests_are_sent_again_until_the_limit(void **state)
{
	struct phase p = {.limit = 10, .deadline_tsc = START};

	assert_int_equal(phase_take(&p, 0, 8), 8);
	assert_int_equal(phase_take(&p, 0, 8), 2);
	assert_int_equal(phase_take(&p, 0, 8), 0);
	p.lost = 3;
	assert_int_equal(phase_take(&p, 0, 8), 3);
	p.lost = 4;
	assert_int_equal(phase_take(&p, START, 8), 0);
	assert_true(p.stopped);
	assert_int_equal(p.issued, 13);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_phase_due__requests_are_due_one_interval_apart),
		cmocka_unit_test(test_phase_due__batches_are_due_together_at_the_same_rate),
		cmocka_unit_test(test_phase_due__the_end_is_in_requests_or_in_time),
		cmocka_unit_test(test_phase_take__lost_requests_are_sent_again_until_the_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
