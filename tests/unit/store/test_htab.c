/* The table of elements against an array that knows what is in it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "fixture.h"
#include "store/ds/htab.h"

#define NAMES   60000
#define HEAP_MB 256

struct model {
	struct heap *heap;
	struct htab t;
	struct elem *elem[NAMES]; /* by number; NULL: not in the table */
	uint32_t seen[NAMES];
	uint32_t count;
	struct rng rng;
};

static struct slice name_of(uint32_t n, char buf[32])
{
	return (struct slice){buf, (size_t)snprintf(buf, 32, n % 3 ? "m%u" : "a longer member:%u", n)};
}

static struct elem *elem_create(uint32_t n)
{
	char buf[32];
	struct slice s = name_of(n, buf);
	struct elem *e = malloc(sizeof *e + s.len);

	assert_non_null(e);
	*e = (struct elem){.len = (uint32_t)s.len, .aux = n};
	memcpy(e->name, s.ptr, s.len);
	return e;
}

static struct model *model_create(uint64_t seed)
{
	struct model *m = calloc(1, sizeof *m);

	assert_non_null(m);
	rng_init(&m->rng, seed);
	m->heap = fixture_heap((size_t)HEAP_MB << 20);
	htab_init(&m->t, rng_next(&m->rng));
	return m;
}

static void model_destroy(struct model *m)
{
	htab_fini(&m->t, m->heap);
	for (uint32_t i = 0; i < NAMES; i++)
		free(m->elem[i]);
	fixture_heap_check(m->heap);
	free(m);
}

static void put(struct model *m, uint32_t n)
{
	m->elem[n] = elem_create(n);
	htab_insert(&m->t, m->heap, m->elem[n]);
	m->count++;
}

static void take_out(struct model *m, uint32_t n)
{
	htab_remove(&m->t, m->heap, m->elem[n]);
	memset(m->elem[n], 0xee, sizeof(struct elem));
	free(m->elem[n]);
	m->elem[n] = NULL;
	m->count--;
}

static void exchange(struct model *m, uint32_t n)
{
	struct elem *e = elem_create(n);

	htab_replace(&m->t, m->elem[n], e);
	memset(m->elem[n], 0xee, sizeof(struct elem));
	free(m->elem[n]);
	m->elem[n] = e;
}

static void check_one(struct model *m, uint32_t n)
{
	char buf[32];

	assert_ptr_equal(htab_find(&m->t, name_of(n, buf)), m->elem[n]);
}

static void check_all(struct model *m)
{
	struct htab_iter it;
	struct elem *e;
	uint32_t n = 0;

	assert_int_equal(m->t.count, m->count);
	for (uint32_t i = 0; i < NAMES; i++)
		check_one(m, i);
	htab_iter_begin(&it, &m->t);
	for (; (e = htab_iter_next(&it)) != NULL; n++)
		assert_ptr_equal(m->elem[e->aux], e);
	assert_int_equal(n, m->count);
}

static void step(struct model *m, uint32_t range, uint32_t remove_percent)
{
	uint32_t n = (uint32_t)rng_below(&m->rng, range);
	uint64_t dice = rng_below(&m->rng, 100);

	check_one(m, n);
	if (m->elem[n] == NULL) {
		if (dice >= remove_percent)
			put(m, n);
	} else if (dice < remove_percent) {
		take_out(m, n);
	} else if (dice < remove_percent + 10) {
		exchange(m, n);
	}
	check_one(m, n);
}

static void fill(struct model *m, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (m->elem[i] == NULL)
			put(m, i);
}

static void test_htab__agrees_with_model(void **state)
{
	const uint32_t range[] = {4, 40, 1000, NAMES};

	for (uint64_t seed = 1; seed <= 8; seed++) {
		struct model *m = model_create(seed);
		uint32_t r = range[seed % 4];
		for (uint32_t phase = 0; phase < 6; phase++) {
			for (uint32_t i = 0; i < r * 2 + 100; i++)
				step(m, r, phase % 2 ? 85 : 10);
			check_all(m);
		}
		model_destroy(m);
	}
}

static void test_htab__buckets_follow_count(void **state)
{
	struct model *m = model_create(1);

	fill(m, NAMES);
	assert_true(m->t.buckets == NAMES);
	assert_true(htab_bytes(&m->t) < NAMES * sizeof(uint64_t) * 5 / 4);
	for (uint32_t i = 0; i < NAMES - 10; i++) {
		take_out(m, i);
		assert_true(m->t.buckets <= m->count * 4 / 3 + 8);
	}
	check_all(m);
	assert_true(htab_bytes(&m->t) <= 512);
	model_destroy(m);
}

static void test_htab__bytes_are_those_of_the_heap(void **state)
{
	struct model *m = model_create(1);
	struct heap_stats st;

	for (uint32_t i = 0; i < NAMES; i++) {
		put(m, i);
		if (i % 97 == 0 || i == NAMES - 1) {
			heap_stats_get(m->heap, &st);
			assert_int_equal(htab_bytes(&m->t), st.used_bytes);
		}
	}
	model_destroy(m);
}

static void test_htab__works_without_memory(void **state)
{
	for (uint64_t fail_from = 1; fail_from <= 60; fail_from++) {
		struct model *m = model_create(fail_from);
		uint32_t range = fail_from > 40 ? NAMES / 3 : 300;
		heap_fail_after(m->heap, fail_from);
		for (uint32_t i = 0; i < range; i++)
			step(m, range, 20);
		check_all(m);
		heap_fail_after(m->heap, 0); /* there is memory again: it catches up */
		for (uint32_t i = 0; i < range * 2; i++)
			step(m, range, 5);
		check_all(m);
		fill(m, range);
		assert_true(m->t.buckets == range);
		heap_fail_after(m->heap, 1); /* shrinks without any */
		for (uint32_t i = 0; i < range; i++)
			take_out(m, i);
		assert_int_equal(m->t.count, 0);
		heap_fail_after(m->heap, 0);
		model_destroy(m);
	}
}

static void test_htab__long_chains_keep_their_count(void **state)
{
	struct model *m = model_create(3);

	heap_fail_after(m->heap, 1); /* all in one chain */
	for (uint32_t i = 0; i < 100; i++)
		put(m, i);
	assert_int_equal(m->t.buckets, 1);
	for (uint32_t i = 0; i < 400; i++) {
		uint32_t n = (uint32_t)rng_below(&m->rng, 100);
		if (m->elem[n])
			take_out(m, n);
		check_all(m);
	}
	model_destroy(m);
}

static void test_htab__reserve_makes_buckets(void **state)
{
	const uint32_t n[] = {1, 100, 8192, NAMES};

	for (uint32_t i = 0; i < RP_ARRAY_LEN(n); i++) {
		struct model *m = model_create(5);
		htab_reserve(&m->t, m->heap, n[i]);
		assert_true(m->t.buckets == RP_MIN(n[i], 8192u));
		fill(m, n[i]);
		check_all(m);
		htab_reserve(&m->t, m->heap, NAMES); /* too late, and harmless */
		check_all(m);
		model_destroy(m);
	}
	struct model *m = model_create(6);
	heap_fail_after(m->heap, 1);
	htab_reserve(&m->t, m->heap, 1000);
	fill(m, 1000);
	check_all(m);
	model_destroy(m);
}

static void see(void *ctx, struct elem *e)
{
	struct model *m = ctx;

	m->seen[e->aux]++;
}

/* Elements below `stays` are there all the time and must be seen, while others come and go. */
static void scan_while(struct model *m, uint32_t stays, uint32_t range, uint32_t remove_percent)
{
	uint64_t cursor = 0, calls = 0;

	memset(m->seen, 0, sizeof m->seen);
	fill(m, stays);
	do {
		cursor = htab_scan(&m->t, cursor, see, m);
		assert_true(++calls < 4 * NAMES);
		for (uint32_t k = rng_below(&m->rng, 2) ? 20 : 0; k > 0; k--) {
			uint32_t n = stays + (uint32_t)rng_below(&m->rng, range - stays);
			bool remove = rng_below(&m->rng, 100) < remove_percent;
			if (remove && m->elem[n])
				take_out(m, n);
			else if (!remove && !m->elem[n])
				put(m, n);
		}
	} while (cursor != 0);
	for (uint32_t i = 0; i < stays; i++)
		assert_true(m->seen[i] > 0);
}

static void test_htab_scan__misses_nothing_while_growing_and_shrinking(void **state)
{
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct model *m = model_create(seed);
		scan_while(m, 500, NAMES, 0);
		fill(m, NAMES);
		scan_while(m, 500, NAMES, 100);
		scan_while(m, 500, 3000, 50);
		model_destroy(m);
	}
}

static void test_htab_scan__once_each_when_nothing_changes(void **state)
{
	const uint32_t n[] = {0, 1, 9, 1000, 8192, 8193, 20011};

	for (uint32_t i = 0; i < RP_ARRAY_LEN(n); i++) {
		struct model *m = model_create(7);
		uint64_t cursor = 0;
		fill(m, n[i]);
		do {
			cursor = htab_scan(&m->t, cursor, see, m);
		} while (cursor != 0);
		for (uint32_t k = 0; k < NAMES; k++)
			assert_int_equal(m->seen[k], m->elem[k] != NULL);
		model_destroy(m);
	}
}

static void test_htab_scan__any_cursor(void **state)
{
	struct model *m = model_create(8);

	fill(m, 1000);
	for (uint32_t i = 0; i < 1000; i++)
		assert_true(htab_scan(&m->t, rng_next(&m->rng), see, m) <= UINT32_MAX);
	model_destroy(m);
}

/* Chi-square of draws over elements: normal with mean n - 1 and variance 2(n - 1) for large n. */
static void check_uniform(struct model *m, uint32_t n, uint32_t per)
{
	double chi = 0, sigma = sqrt(2.0 * n);

	memset(m->seen, 0, sizeof m->seen);
	for (uint32_t i = 0; i < n * per; i++)
		m->seen[htab_random(&m->t, &m->rng)->aux]++;
	for (uint32_t i = 0; i < NAMES; i++) {
		double d = (double)m->seen[i] - per;
		if (m->elem[i])
			chi += d * d / per;
		else
			assert_int_equal(m->seen[i], 0);
	}
	assert_true(fabs(chi - n) < 5 * sigma + 5);
}

static void test_htab_random__uniform(void **state)
{
	const uint32_t n[] = {1, 2, 7, 17, 100, 255, 256, 257, 384, 1000, 8193, 12000};

	for (uint32_t i = 0; i < RP_ARRAY_LEN(n); i++) {
		struct model *m = model_create(9 + i);
		assert_null(htab_random(&m->t, &m->rng));
		fill(m, n[i]);
		check_uniform(m, n[i], 50);
		model_destroy(m);
	}
}

static void test_htab_random__uniform_after_removals_and_without_memory(void **state)
{
	struct model *m = model_create(20);

	fill(m, 3000);
	for (uint32_t i = 700; i < 3000; i++)
		take_out(m, i);
	check_uniform(m, 700, 50);
	model_destroy(m);
	m = model_create(21);
	fill(m, 64);
	heap_fail_after(m->heap, 1); /* chains of dozens */
	fill(m, 2000);
	check_uniform(m, 2000, 50);
	model_destroy(m);
	m = model_create(22);
	htab_reserve(&m->t, m->heap, 5000); /* nearly empty */
	fill(m, 100);
	check_uniform(m, 100, 50);
	model_destroy(m);
}

static void drop(void *ctx, struct elem *e)
{
	struct model *m = ctx;

	assert_ptr_equal(m->elem[e->aux], e);
	m->elem[e->aux] = NULL;
	m->count--;
	free(e);
}

static void test_htab_drain__keeps_its_budget(void **state)
{
	const uint32_t n[] = {0, 1, 30, 8193, NAMES};

	for (uint32_t i = 0; i < RP_ARRAY_LEN(n); i++) {
		struct model *m = model_create(30);
		bool done = false;
		fill(m, n[i]);
		for (uint32_t calls = 0; !done; calls++) {
			uint32_t budget = 100, before = m->count;
			done = htab_drain(&m->t, m->heap, &budget, drop, m);
			assert_true(before - m->count <= 100 - budget);
			assert_true(done || budget == 0);
			assert_true(calls <= 2 * n[i] / 100 + 1);
		}
		assert_int_equal(m->count, 0);
		htab_fini(&m->t, m->heap);
		fill(m, 20); /* and it can be used again */
		check_all(m);
		model_destroy(m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_htab__agrees_with_model),
		cmocka_unit_test(test_htab__buckets_follow_count),
		cmocka_unit_test(test_htab__bytes_are_those_of_the_heap),
		cmocka_unit_test(test_htab__works_without_memory),
		cmocka_unit_test(test_htab__long_chains_keep_their_count),
		cmocka_unit_test(test_htab__reserve_makes_buckets),
		cmocka_unit_test(test_htab_scan__misses_nothing_while_growing_and_shrinking),
		cmocka_unit_test(test_htab_scan__once_each_when_nothing_changes),
		cmocka_unit_test(test_htab_scan__any_cursor),
		cmocka_unit_test(test_htab_random__uniform),
		cmocka_unit_test(test_htab_random__uniform_after_removals_and_without_memory),
		cmocka_unit_test(test_htab_drain__keeps_its_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
