#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/deadlines.h"
#include "base/rng.h"

#define MANY 10000

struct thing {
	struct deadline d;
	uint64_t at_us;
	bool in;
};

static struct thing thing[MANY];

static void add(struct deadlines *h, struct thing *t, uint64_t at_us)
{
	t->at_us = at_us;
	t->in = true;
	deadlines_add(h, &t->d, at_us);
}

static uint64_t earliest(void)
{
	uint64_t best = UINT64_MAX;
	for (uint32_t i = 0; i < 200; i++)
		if (thing[i].in)
			best = RP_MIN(best, thing[i].at_us);
	return best;
}

/* Beside a plain search, with times that often are equal. */
static void test_deadlines__come_out_in_order_whatever_was_put_in_and_taken_out(void **state)
{
	struct deadlines h;
	struct rng rng;
	rng_init(&rng, 7);
	memset(thing, 0, sizeof thing);
	assert_int_equal(deadlines_init(&h, 200), 0);
	for (uint32_t i = 0; i < 200000; i++) {
		struct thing *t = &thing[rng_below(&rng, 200)];
		if (!t->in) {
			add(&h, t, 1 + rng_below(&rng, 100));
		} else if (rng_below(&rng, 2) == 0) {
			deadlines_remove(&h, &t->d);
			t->in = false;
		} else {
			uint64_t now = rng_below(&rng, 100);
			struct deadline *d = deadlines_pop(&h, now);
			struct thing *p = d != NULL ? rp_container_of(d, struct thing, d) : NULL;
			assert_int_equal(p != NULL, earliest() <= now);
			if (p != NULL) {
				assert_int_equal(p->at_us, earliest());
				assert_int_equal(p->d.place, 0);
				p->in = false;
			}
		}
		assert_int_equal(deadlines_next_us(&h), earliest());
	}
	deadlines_fini(&h);
}

/* What waits is not looked at: a million questions, not one comparison. */
static void test_deadlines__asking_costs_nothing_however_many_wait(void **state)
{
	struct deadlines h;
	memset(thing, 0, sizeof thing);
	assert_int_equal(deadlines_init(&h, MANY), 0);
	for (uint32_t i = 0; i < MANY; i++)
		add(&h, &thing[i], 1000000 + i);
	uint64_t steps = h.steps;
	for (uint64_t now = 0; now < 1000000; now++)
		assert_null(deadlines_pop(&h, now));
	assert_int_equal(h.steps, steps);
	/* Each that goes looks at no more than the children on one way down: 4 on each of 7 levels, and 7 up. */
	for (uint32_t i = 0; i < MANY; i++) {
		steps = h.steps;
		assert_non_null(deadlines_pop(&h, 2000000));
		assert_in_range(h.steps - steps, 0, 40);
	}
	assert_int_equal(h.n, 0);
	deadlines_fini(&h);
}

static void test_deadlines__removing_what_is_not_in_does_nothing(void **state)
{
	struct deadlines h;
	struct deadline a = {0}, b = {0};
	assert_int_equal(deadlines_init(&h, 2), 0);
	deadlines_remove(&h, &a);
	deadlines_add(&h, &a, 5);
	deadlines_remove(&h, &b);
	assert_int_equal(deadlines_next_us(&h), 5);
	deadlines_remove(&h, &a);
	deadlines_remove(&h, &a);
	assert_int_equal(h.n, 0);
	deadlines_fini(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deadlines__come_out_in_order_whatever_was_put_in_and_taken_out),
		cmocka_unit_test(test_deadlines__asking_costs_nothing_however_many_wait),
		cmocka_unit_test(test_deadlines__removing_what_is_not_in_does_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
