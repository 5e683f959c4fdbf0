/* The wheel against a plain array: nothing early, nothing lost, nothing late once the work is done. */
#include <stdlib.h>

#include "fixture.h"
#include "store/wheel.h"

#define N 2000

struct model {
	struct heap *h;
	struct wheel *w;
	struct object *o[N];
	bool in[N];
	uint32_t count;
	int64_t now;
	struct rng rng;
};

static struct model *model_create(uint64_t seed, int64_t now)
{
	struct model *m = calloc(1, sizeof *m);

	rng_init(&m->rng, seed);
	m->h = fixture_heap(2 << 20);
	m->now = now;
	m->w = wheel_create(m->h, now);
	assert_non_null(m->w);
	for (uint32_t i = 0; i < N; i++) {
		m->o[i] = fixture_object("", 0, true);
		m->o[i]->version = i;
	}
	return m;
}

static void model_destroy(struct model *m)
{
	wheel_destroy(m->w, m->h);
	fixture_heap_check(m->h);
	for (uint32_t i = 0; i < N; i++)
		free(m->o[i]);
	free(m);
}

/* Near, far, past, all magnitudes. */
static int64_t random_time(struct model *m)
{
	uint64_t span = rng_next(&m->rng) >> (1 + rng_below(&m->rng, 63));

	if (rng_below(&m->rng, 8) == 0)
		return RP_MAX(m->now - (int64_t)(span % 100000), 0);
	return span > (uint64_t)(INT64_MAX - m->now) ? INT64_MAX : m->now + (int64_t)span;
}

static void add(struct model *m, uint32_t i, int64_t at)
{
	obj_expiry(m->o[i])->at_ms = at;
	wheel_insert(m->w, m->o[i]);
	m->in[i] = true;
	m->count++;
}

static void cancel(struct model *m, uint32_t i)
{
	wheel_remove(m->w, m->o[i]);
	m->in[i] = false;
	m->count--;
}

static void move(struct model *m, uint32_t i)
{
	struct object *n = fixture_object("", 0, true);

	memcpy(n, m->o[i], sizeof *n + sizeof(struct obj_expiry));
	wheel_moved(m->w, m->o[i], n);
	memset(m->o[i], 0xee, sizeof *n + sizeof(struct obj_expiry));
	free(m->o[i]);
	m->o[i] = n;
}

static void change(struct model *m)
{
	uint32_t i = (uint32_t)rng_below(&m->rng, N);

	if (!m->in[i])
		add(m, i, random_time(m));
	else if (rng_below(&m->rng, 2) == 0)
		cancel(m, i);
	else
		move(m, i);
}

static int64_t earliest(const struct model *m)
{
	int64_t t = INT64_MAX;

	for (uint32_t i = 0; i < N; i++) {
		if (m->in[i])
			t = RP_MIN(t, obj_expiry(m->o[i])->at_ms);
	}
	return t;
}

/* Pops with small budgets until nothing is due. Returns the work it took. */
static uint32_t run_due(struct model *m)
{
	uint32_t work = 0;

	for (;;) {
		uint32_t budget = 1 + (uint32_t)rng_below(&m->rng, 20), given = budget;
		struct object *o = wheel_pop_due(m->w, m->now, &budget);
		assert_true(budget <= given);
		work += given - budget;
		if (o != NULL) {
			assert_true(m->in[o->version] && m->o[o->version] == o);
			assert_true(obj_expiry(o)->at_ms <= m->now);
			m->in[o->version] = false;
			m->count--;
		} else if (budget > 0) {
			break;
		}
	}
	assert_true(m->count == 0 || earliest(m) > m->now);
	assert_int_equal(wheel_count(m->w), m->count);
	assert_true(wheel_next_ms(m->w) <= earliest(m));
	assert_true(m->count > 0 || wheel_next_ms(m->w) == INT64_MAX);
	return work;
}

static void test_wheel__agrees_with_model_over_all_magnitudes(void **state)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct model *m = model_create(seed, 1700000000000);
		for (uint32_t i = 0; i < 2000; i++) {
			for (uint64_t n = rng_below(&m->rng, 20); n > 0; n--)
				change(m);
			m->now += (int64_t)(rng_next(&m->rng) >> (24 + rng_below(&m->rng, 40)));
			run_due(m);
		}
		model_destroy(m);
	}
}

static void test_wheel__survives_a_clock_that_goes_back(void **state)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct model *m = model_create(seed, 1700000000000);
		for (uint32_t i = 0; i < 2000; i++) {
			for (uint64_t n = rng_below(&m->rng, 20); n > 0; n--)
				change(m);
			int64_t by = (int64_t)(rng_next(&m->rng) >> (24 + rng_below(&m->rng, 40)));
			m->now = rng_below(&m->rng, 3) == 0 ? RP_MAX(m->now - by, 0) : m->now + by;
			/* A part of the work, so that the clock changes again halfway. */
			uint32_t budget = (uint32_t)rng_below(&m->rng, 30);
			struct object *o = wheel_pop_due(m->w, m->now, &budget);
			if (o != NULL) {
				assert_true(obj_expiry(o)->at_ms <= m->now);
				m->in[o->version] = false;
				m->count--;
			}
			if (rng_below(&m->rng, 2) == 0)
				run_due(m);
		}
		model_destroy(m);
	}
}

static void test_wheel__due_at_its_millisecond(void **state)
{
	struct model *m = model_create(5, 1000);

	for (uint32_t i = 0; i < N; i++)
		add(m, i, 1001 + (int64_t)rng_below(&m->rng, 10000));
	while (m->count > 0) {
		int64_t first = earliest(m);
		m->now = first - 1;
		uint32_t before = m->count;
		run_due(m);
		assert_int_equal(m->count, before);
		m->now = first;
		run_due(m);
		assert_true(m->count < before);
	}
	model_destroy(m);
}

static void test_wheel__a_jump_over_years_is_cheap(void **state)
{
	struct model *m = model_create(6, 1000);

	for (uint32_t i = 0; i < 100; i++)
		add(m, i, 1000 + (int64_t)1000 * 3600 * 24 * 365 * (1 + i));
	m->now = INT64_MAX - 1;
	/* Two steps per entry and level at most. */
	assert_true(run_due(m) <= 100 * 2 * 11);
	assert_int_equal(m->count, 0);
	add(m, 0, INT64_MAX);
	run_due(m);
	assert_int_equal(m->count, 1);
	m->now = INT64_MAX;
	run_due(m);
	assert_int_equal(m->count, 0);
	model_destroy(m);
}

static void test_wheel__budget_bounds_the_work(void **state)
{
	struct model *m = model_create(7, 0);
	uint32_t none = 0, one = 1;

	for (uint32_t i = 0; i < N; i++)
		add(m, i, 1 << 20);
	m->now = 1 << 20;
	assert_null(wheel_pop_due(m->w, m->now, &none));
	assert_null(wheel_pop_due(m->w, m->now, &one));
	assert_int_equal(one, 0);
	assert_true(wheel_next_ms(m->w) <= m->now);
	run_due(m);
	assert_int_equal(m->count, 0);
	model_destroy(m);
}

static void test_wheel__next_is_exact_when_near(void **state)
{
	struct model *m = model_create(8, 1 << 20);

	assert_int_equal(wheel_next_ms(m->w), INT64_MAX);
	add(m, 0, (1 << 20) + 17);
	assert_int_equal(wheel_next_ms(m->w), (1 << 20) + 17);
	cancel(m, 0);
	assert_int_equal(wheel_next_ms(m->w), INT64_MAX);
	model_destroy(m);
}

static void test_wheel__reset_forgets(void **state)
{
	struct model *m = model_create(9, 1000);

	for (uint32_t i = 0; i < N; i++)
		add(m, i, random_time(m));
	wheel_reset(m->w);
	memset(m->in, 0, sizeof m->in);
	m->count = 0;
	m->now += 1 << 30;
	run_due(m);
	for (uint32_t i = 0; i < N; i++)
		add(m, i, random_time(m));
	run_due(m);
	model_destroy(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wheel__agrees_with_model_over_all_magnitudes),
		cmocka_unit_test(test_wheel__survives_a_clock_that_goes_back),
		cmocka_unit_test(test_wheel__due_at_its_millisecond),
		cmocka_unit_test(test_wheel__a_jump_over_years_is_cheap),
		cmocka_unit_test(test_wheel__budget_bounds_the_work),
		cmocka_unit_test(test_wheel__next_is_exact_when_near),
		cmocka_unit_test(test_wheel__reset_forgets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
