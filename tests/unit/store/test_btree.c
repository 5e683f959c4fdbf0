/* The tree against a sorted array: order, ranks, bounds, also where many keys are equal; inserts after a reservation
 * never fail; nodes are filled, bytes are what the heap counts. */
#include <stdlib.h>

#include "fixture.h"
#include "store/ds/btree.h"

struct item {
	uint64_t key;
	uint32_t name;
};

struct model {
	struct heap *h;
	struct btree t;
	struct item **at; /* sorted */
	uint32_t n, cap;
	struct rng rng;
	uint64_t keys; /* keys are below */
	uint32_t names;
};

static int item_cmp(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	return x->name < y->name ? -1 : x->name > y->name;
}

static int name_probe(const void *ctx, const void *ptr)
{
	return item_cmp(ptr, ctx);
}

/* By key, then name, whatever the tree knows. */
static int whole_probe(const void *ctx, const void *ptr)
{
	const struct item *x = ptr, *y = ctx;

	return x->key != y->key ? (x->key < y->key ? -7 : 7) : item_cmp(x, y) * 5;
}

static struct model model_make(uint64_t seed, uint32_t cap, uint64_t keys, uint32_t names)
{
	struct model m = {.h = fixture_heap(64 << 20), .cap = cap, .keys = keys, .names = names};

	m.at = calloc(cap, sizeof *m.at);
	rng_init(&m.rng, seed);
	btree_init(&m.t, item_cmp);
	return m;
}

static uint32_t model_bound(const struct model *m, const struct item *it)
{
	uint32_t lo = 0, hi = m->n;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (whole_probe(it, m->at[mid]) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct item random_item(struct model *m)
{
	return (struct item){rng_below(&m->rng, m->keys), (uint32_t)rng_below(&m->rng, m->names)};
}

/* False: it is there already. */
static bool model_add(struct model *m, struct item it)
{
	uint32_t i = model_bound(m, &it);

	if (m->n == m->cap || (i < m->n && whole_probe(&it, m->at[i]) == 0))
		return false;
	struct item *p = malloc(sizeof *p);
	*p = it;
	assert_true(btree_insert(&m->t, m->h, it.key, p));
	memmove(m->at + i + 1, m->at + i, (m->n - i) * sizeof *m->at);
	m->at[i] = p;
	m->n++;
	return true;
}

static void model_del(struct model *m, uint32_t i)
{
	struct item *p = m->at[i];

	assert_true(btree_remove(&m->t, m->h, p->key, p));
	assert_false(btree_remove(&m->t, m->h, p->key, p));
	memset(p, 0xee, sizeof *p);
	free(p);
	m->n--;
	memmove(m->at + i, m->at + i + 1, (m->n - i) * sizeof *m->at);
}

/* Another address for the same pair; the old one is worthless afterwards. */
static void model_replace(struct model *m, uint32_t i)
{
	struct item *p = malloc(sizeof *p);

	*p = *m->at[i];
	btree_replace_ptr(&m->t, p->key, m->at[i], p);
	memset(m->at[i], 0xee, sizeof *p);
	free(m->at[i]);
	m->at[i] = p;
}

static void check_pos(const struct model *m, struct btree_pos pos, uint32_t i)
{
	assert_int_equal(btree_pos_rank(&m->t, pos), i);
	if (i == m->n) {
		assert_null(pos.leaf);
		return;
	}
	assert_non_null(pos.leaf);
	assert_ptr_equal(btree_ptr(pos), m->at[i]);
	assert_int_equal(btree_key(pos), m->at[i]->key);
}

static void check_bounds(const struct model *m, struct item it)
{
	uint32_t i = model_bound(m, &it);
	struct item first = {it.key, 0};

	check_pos(m, btree_lower_bound(&m->t, it.key, name_probe, &it), i);
	check_pos(m, btree_search(&m->t, whole_probe, &it), i);
	check_pos(m, btree_lower_bound(&m->t, it.key, NULL, NULL), model_bound(m, &first));
}

static void check_all(struct model *m)
{
	struct btree_pos f = btree_first(&m->t), b = btree_last(&m->t);
	struct heap_stats st;

	assert_int_equal(m->t.count, m->n);
	for (uint32_t i = 0; i < m->n; i++) {
		check_pos(m, f, i);
		assert_ptr_equal(btree_ptr(b), m->at[m->n - 1 - i]);
		assert_int_equal(btree_next(&f), i + 1 < m->n);
		assert_int_equal(btree_prev(&b), i + 1 < m->n);
	}
	assert_null(f.leaf);
	assert_null(b.leaf);
	heap_stats_get(m->h, &st);
	assert_int_equal(btree_bytes(&m->t), st.used_bytes);
}

static void model_end(struct model *m)
{
	btree_fini(&m->t, m->h);
	fixture_heap_check(m->h);
	while (m->n > 0)
		free(m->at[--m->n]);
	free(m->at);
}

/* Random changes; the tree grows towards its model's capacity, then shrinks, and so on. */
static void churn(uint64_t seed, uint32_t cap, uint64_t keys, uint32_t names, uint32_t rounds)
{
	struct model m = model_make(seed, cap, keys, names);

	for (uint32_t r = 0; r < rounds; r++) {
		uint64_t grow = r / (2 * cap) % 2 == 0 ? 3 : 1;

		if (rng_below(&m.rng, 4) < grow)
			model_add(&m, random_item(&m));
		else if (m.n > 0)
			model_del(&m, (uint32_t)rng_below(&m.rng, m.n));
		if (m.n > 0) {
			uint32_t i = (uint32_t)rng_below(&m.rng, m.n);

			assert_int_equal(btree_rank(&m.t, m.at[i]->key, m.at[i]), i);
			check_pos(&m, btree_at(&m.t, i), i);
			if (rng_below(&m.rng, 4) == 0)
				model_replace(&m, i);
		}
		check_bounds(&m, random_item(&m));
		if (r % 977 == 0)
			check_all(&m);
	}
	check_all(&m);
	model_end(&m);
}

static void test_btree__equals_a_sorted_array(void **state)
{
	churn(1, 20, 10, 30, 3000);
	churn(2, 300, 1u << 20, 1000, 20000);
	churn(3, 12000, UINT64_MAX, 1000, 60000);
}

static void test_btree__equal_keys(void **state)
{
	churn(4, 400, 1, 1u << 20, 10000);
	churn(5, 5000, 3, 1u << 20, 40000);
	churn(6, 9000, 100, 300, 60000);
}

static void test_btree__keys_at_the_ends(void **state)
{
	struct model m = model_make(7, 1000, 1, 1);

	for (uint32_t i = 0; i < 1000; i++)
		model_add(&m, (struct item){i % 2 ? UINT64_MAX : 0, (i * 7919) % 1000});
	check_all(&m);
	check_bounds(&m, (struct item){UINT64_MAX, 501});
	check_bounds(&m, (struct item){UINT64_MAX, 2000});
	check_bounds(&m, (struct item){1, 0});
	model_end(&m);
}

static void test_btree__empty(void **state)
{
	struct model m = model_make(8, 4, 10, 10);

	check_all(&m);
	assert_null(btree_at(&m.t, 0).leaf);
	check_bounds(&m, (struct item){3, 3});
	assert_false(btree_remove(&m.t, m.h, 3, &m));
	model_add(&m, (struct item){1, 1});
	model_del(&m, 0);
	check_all(&m);
	model_end(&m);
}

/* From either end, as streams and queues do, down to nothing. */
static void drain_ends(bool up, bool from_front)
{
	struct model m = model_make(9, 20000, 1, 1);

	for (uint32_t i = 0; i < m.cap; i++)
		model_add(&m, (struct item){up ? i : m.cap - i, 0});
	assert_true(btree_bytes(&m.t) < (size_t)m.cap * 18);
	check_all(&m);
	for (uint32_t i = 0; m.n > 0; i++) {
		model_del(&m, from_front ? 0 : m.n - 1);
		if (i % 997 == 0)
			check_all(&m);
	}
	check_all(&m);
	model_end(&m);
}

static void test_btree__runs_fill_leaves(void **state)
{
	drain_ends(true, true);
	drain_ends(true, false);
	drain_ends(false, true);
	drain_ends(false, false);
}

static void test_btree__random_inserts_fill_leaves(void **state)
{
	struct model m = model_make(10, 20000, UINT64_MAX, 1);

	while (m.n < m.cap)
		model_add(&m, random_item(&m));
	assert_true(btree_bytes(&m.t) < (size_t)m.cap * 21);
	model_end(&m);
}

/* Without an order of its own, equal keys stand in the order of addresses. */
static void test_btree__order_of_addresses(void **state)
{
	struct heap *h = fixture_heap(16 << 20);
	static char base[3000];
	struct btree t;

	btree_init(&t, NULL);
	for (uint32_t i = 0; i < sizeof base; i++)
		assert_true(btree_insert(&t, h, 5, base + (i * 1009) % sizeof base));
	for (uint32_t i = 0; i < sizeof base; i++)
		assert_int_equal(btree_rank(&t, 5, base + i), i);
	btree_fini(&t, h);
	fixture_heap_check(h);
}

static void test_btree__reserved_inserts_never_fail(void **state)
{
	struct model m = model_make(11, 30000, 1u << 30, 1000);
	struct heap_stats st;

	for (uint32_t r = 0; r < 400; r++) {
		uint32_t n = 1 + (uint32_t)rng_below(&m.rng, r % 3 == 0 ? 1 : r % 3 == 1 ? 20 : 200);
		uint64_t key = rng_below(&m.rng, m.keys);

		assert_true(btree_reserve(&m.t, m.h, n));
		heap_fail_after(m.h, 1);
		for (uint32_t i = 0; i < n; i++)
			model_add(&m, r % 5 == 0 ? (struct item){key + i, i} : random_item(&m));
		heap_fail_after(m.h, 0);
		heap_stats_get(m.h, &st);
		assert_int_equal(btree_bytes(&m.t), st.used_bytes);
		if (r % 2 == 0)
			btree_trim(&m.t, m.h);
		if (r % 50 == 0)
			check_all(&m);
	}
	model_end(&m);
}

/* So many that the tree becomes several levels higher. */
static void test_btree__reserved_from_nothing(void **state)
{
	struct model m = model_make(16, 30000, 1u << 30, 1000);

	assert_true(btree_reserve(&m.t, m.h, m.cap));
	heap_fail_after(m.h, 1);
	while (m.n < m.cap)
		model_add(&m, random_item(&m));
	heap_fail_after(m.h, 0);
	check_all(&m);
	model_end(&m);
}

static void test_btree__reserved_behind_is_enough_and_little(void **state)
{
	static const uint32_t before[] = {0, 1, 61, 62, 63, 2000, 9000};

	for (uint32_t b = 0; b < RP_ARRAY_LEN(before); b++)
		for (uint32_t n = 1; n < 20000; n = n * 3 + b) {
			struct model m = model_make(17, 30000, 1u << 30, 1000);
			while (m.n < before[b])
				model_add(&m, random_item(&m));
			size_t had = btree_bytes(&m.t);
			assert_true(btree_reserve_behind(&m.t, m.h, n));
			assert_true(btree_bytes(&m.t) - had < n * 19 + 16384);
			heap_fail_after(m.h, 1);
			for (uint32_t i = 0; i < n; i++)
				model_add(&m, (struct item){m.keys + i, 0});
			heap_fail_after(m.h, 0);
			check_all(&m);
			model_end(&m);
		}
}

/* The most splits: every leaf full, then one more pair into each. */
static void test_btree__reserved_for_full_nodes(void **state)
{
	struct model m = model_make(12, 30000, 1, 1);

	for (uint32_t i = 0; i < 20000; i++)
		model_add(&m, (struct item){i * 10, 0});
	assert_true(btree_reserve(&m.t, m.h, 700));
	heap_fail_after(m.h, 1);
	for (uint32_t i = 0; i < 700; i++)
		model_add(&m, (struct item){i * 285 + 5, 0});
	heap_fail_after(m.h, 0);
	check_all(&m);
	model_end(&m);
}

static void test_btree__insert_without_memory_changes_nothing(void **state)
{
	struct model m = model_make(13, 9000, 1u << 20, 100);
	uint32_t failed = 0;

	for (uint32_t r = 0; r < 8000; r++) {
		struct item it = random_item(&m);

		it.name = 1000; /* not among the others */
		heap_fail_after(m.h, 1 + r % 3);
		bool ok = btree_insert(&m.t, m.h, it.key, &it);
		heap_fail_after(m.h, 0);
		if (ok)
			assert_true(btree_remove(&m.t, m.h, it.key, &it));
		else
			failed++;
		assert_int_equal(m.t.count, m.n);
		model_add(&m, random_item(&m));
		if (r % 500 == 0)
			check_all(&m);
	}
	assert_true(failed > 10);
	check_all(&m);
	model_end(&m);
}

static void count_ptr(void *ctx, void *ptr)
{
	assert_non_null(ptr);
	++*(uint32_t *)ctx;
}

static void test_btree__drains_within_its_budget(void **state)
{
	for (uint32_t step = 1; step < 2000; step = step * 5 + 2) {
		struct model m = model_make(14, 6000, 1u << 30, 10);
		uint32_t seen = 0, budget = step, rounds = 0;

		while (m.n < m.cap)
			model_add(&m, random_item(&m));
		assert_true(btree_reserve(&m.t, m.h, 10));
		while (!btree_drain(&m.t, m.h, &budget, count_ptr, &seen)) {
			assert_int_equal(budget, 0);
			budget = step;
			rounds++;
		}
		assert_int_equal(seen, m.n);
		assert_true(rounds >= m.n / step);
		assert_int_equal(btree_bytes(&m.t), 0);
		model_end(&m);
	}
}

static void test_btree__drains_nodes_alone(void **state)
{
	struct model m = model_make(15, 6000, 1u << 30, 10);
	uint32_t budget = 50;

	while (m.n < m.cap)
		model_add(&m, random_item(&m));
	assert_false(btree_drain(&m.t, m.h, &budget, NULL, NULL));
	assert_int_equal(budget, 0);
	budget = 1000;
	assert_true(btree_drain(&m.t, m.h, &budget, NULL, NULL));
	assert_true(budget > 800);
	model_end(&m);
}

static void test_btree__doubles_keep_their_order(void **state)
{
	static const double d[] = {-__builtin_inf(), -1.5e300, -2, -1, -5e-324, 0, 5e-324, 0.1, 1, 2, __builtin_inf()};

	for (uint32_t i = 0; i < RP_ARRAY_LEN(d); i++) {
		assert_true(btree_double_of_key(btree_key_of_double(d[i])) == d[i]);
		if (i > 0)
			assert_true(btree_key_of_double(d[i - 1]) < btree_key_of_double(d[i]));
	}
	assert_int_equal(btree_key_of_double(-0.0), btree_key_of_double(0.0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_btree__equals_a_sorted_array),
		cmocka_unit_test(test_btree__equal_keys),
		cmocka_unit_test(test_btree__keys_at_the_ends),
		cmocka_unit_test(test_btree__empty),
		cmocka_unit_test(test_btree__runs_fill_leaves),
		cmocka_unit_test(test_btree__random_inserts_fill_leaves),
		cmocka_unit_test(test_btree__order_of_addresses),
		cmocka_unit_test(test_btree__reserved_inserts_never_fail),
		cmocka_unit_test(test_btree__reserved_from_nothing),
		cmocka_unit_test(test_btree__reserved_behind_is_enough_and_little),
		cmocka_unit_test(test_btree__reserved_for_full_nodes),
		cmocka_unit_test(test_btree__insert_without_memory_changes_nothing),
		cmocka_unit_test(test_btree__drains_within_its_budget),
		cmocka_unit_test(test_btree__drains_nodes_alone),
		cmocka_unit_test(test_btree__doubles_keep_their_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
