/* The index against an array that knows what is in it, while it grows and shrinks, and without memory. */
#include <stdio.h>
#include <stdlib.h>

#include "fixture.h"
#include "store/index.h"

#define SEED 12345
#define KEYS 6000

struct model {
	struct index *ix;
	struct object *obj[KEYS]; /* by key number */
	bool in[KEYS];
	uint32_t seen[KEYS];
	uint32_t count;
	struct heap *heap;
	struct rng rng;
};

static struct slice key_of(const struct model *m, uint32_t k)
{
	return obj_key(m->obj[k]);
}

static uint64_t hash_of(const struct model *m, uint32_t k)
{
	return index_hash(m->ix, key_of(m, k));
}

static struct object *numbered(uint32_t k)
{
	char name[32];

	return fixture_object(name, (size_t)snprintf(name, sizeof name, "key:%u", k), false);
}

static struct model *model_create(uint64_t seed)
{
	struct model *m = calloc(1, sizeof *m);

	rng_init(&m->rng, seed);
	m->heap = fixture_heap(64u << 20);
	m->ix = index_create(m->heap, SEED, 0);
	assert_non_null(m->ix);
	for (uint32_t k = 0; k < KEYS; k++)
		m->obj[k] = numbered(k);
	return m;
}

static void model_destroy(struct model *m)
{
	index_destroy(m->ix);
	fixture_heap_check(m->heap);
	for (uint32_t k = 0; k < KEYS; k++)
		free(m->obj[k]);
	free(m);
}

static void insert(struct model *m, uint32_t k)
{
	assert_true(index_insert(m->ix, m->obj[k], hash_of(m, k)));
	m->in[k] = true;
	m->count++;
}

static void take_out(struct model *m, uint32_t k)
{
	index_remove(m->ix, m->obj[k], hash_of(m, k));
	m->in[k] = false;
	m->count--;
}

static void replace(struct model *m, uint32_t k)
{
	struct object *n = numbered(k);

	index_replace(m->ix, m->obj[k], n, hash_of(m, k));
	memset(m->obj[k], 0xee, sizeof(struct object));
	free(m->obj[k]);
	m->obj[k] = n;
}

static void step(struct model *m, uint32_t range)
{
	uint32_t k = (uint32_t)rng_below(&m->rng, range);

	if (!m->in[k])
		insert(m, k);
	else if (rng_below(&m->rng, 3) == 0)
		take_out(m, k);
	else
		replace(m, k);
}

static void check_all(struct model *m)
{
	struct slice key[RP_MAX_BURST];
	uint64_t hash[RP_MAX_BURST];
	struct object *out[RP_MAX_BURST];

	assert_int_equal(index_count(m->ix), m->count);
	for (uint32_t at = 0; at < KEYS;) {
		uint32_t n = 1 + (uint32_t)rng_below(&m->rng, RP_MAX_BURST);
		n = RP_MIN(n, KEYS - at);
		for (uint32_t i = 0; i < n; i++) {
			key[i] = key_of(m, at + i);
			hash[i] = hash_of(m, at + i);
		}
		index_find_bulk(m->ix, key, hash, n, out);
		for (uint32_t i = 0; i < n; i++) {
			struct object *want = m->in[at + i] ? m->obj[at + i] : NULL;
			assert_ptr_equal(out[i], want);
			assert_ptr_equal(index_find(m->ix, key[i], hash[i]), want);
		}
		at += n;
	}
}

/* The range of keys grows, then shrinks again. */
static void run_model(struct model *m, bool poor)
{
	for (uint32_t i = 0; i < 60000; i++) {
		uint32_t range = RP_MIN(KEYS, 50 + (i < 30000 ? i : 60000 - i));
		uint32_t k = (uint32_t)rng_below(&m->rng, range);
		if (poor && !m->in[k]) {
			heap_fail_after(m->heap, 1 + rng_below(&m->rng, 2));
			bool done = index_insert(m->ix, m->obj[k], hash_of(m, k));
			heap_fail_after(m->heap, 0);
			m->in[k] = done;
			m->count += done;
		} else {
			step(m, range);
		}
		if (i >= 30000 && range < KEYS && m->in[range]) /* the range left it behind */
			take_out(m, range);
		if (rng_below(&m->rng, 4) == 0)
			index_poll(m->ix, 3);
		if (i % 2000 == 0)
			check_all(m);
	}
	check_all(m);
}

static void test_index__agrees_with_model(void **state)
{
	for (uint64_t seed = 1; seed <= 4; seed++) {
		struct model *m = model_create(seed);
		struct index_stats st;
		run_model(m, false);
		index_stats_get(m->ix, &st);
		assert_true(st.splits > 500 && st.merges > 300);
		model_destroy(m);
	}
}

static void test_index__agrees_with_model_when_memory_fails(void **state)
{
	for (uint64_t seed = 1; seed <= 4; seed++) {
		struct model *m = model_create(seed);
		run_model(m, true);
		model_destroy(m);
	}
}

/* Across levels 8 and 16, where the entries' hash bits are used up and read anew. */
static void test_index__stays_right_and_small_over_many_doublings(void **state)
{
	enum {
		N = 700000
	};
	struct heap *heap = fixture_heap(512u << 20);
	struct index *ix = index_create(heap, SEED, 0);
	struct object **o = calloc(N, sizeof *o);
	struct index_stats st;
	char name[32];

	for (uint32_t k = 0; k < N; k++) {
		o[k] = fixture_object(name, (size_t)snprintf(name, sizeof name, "%u", k), false);
		assert_true(index_insert(ix, o[k], index_hash(ix, obj_key(o[k]))));
		if (k % 10007 == 0 && k > 50000) {
			index_stats_get(ix, &st);
			assert_in_range(st.memory_bytes / k, 8, 16);
		}
	}
	for (uint32_t k = 0; k < N; k++)
		assert_ptr_equal(index_find(ix, obj_key(o[k]), index_hash(ix, obj_key(o[k]))), o[k]);
	for (uint32_t k = 100; k < N; k++) {
		index_remove(ix, o[k], index_hash(ix, obj_key(o[k])));
		index_poll(ix, 2);
	}
	while (index_poll(ix, 1000) > 0)
		;
	for (uint32_t k = 0; k < N; k++)
		assert_ptr_equal(index_find(ix, obj_key(o[k]), index_hash(ix, obj_key(o[k]))), k < 100 ? o[k] : NULL);
	index_stats_get(ix, &st);
	assert_true(st.memory_bytes < 256 * 1024);
	index_destroy(ix);
	fixture_heap_check(heap);
	for (uint32_t k = 0; k < N; k++)
		free(o[k]);
	free(o);
}

/* ---- walking ------------------------------------------------------------------------------------------------- */

static void see(void *ctx, struct object *o)
{
	struct model *m = ctx;
	struct slice key = obj_key(o);
	char name[32];

	memcpy(name, key.ptr, key.len);
	name[key.len] = '\0';
	uint32_t k = (uint32_t)strtoul(name + 4, NULL, 10);
	assert_true(m->in[k]);
	assert_ptr_equal(m->obj[k], o);
	m->seen[k]++;
}

/* Keys below `keep` stay all the time; the others come and go, and the index grows and shrinks while the walk is under
 * way. */
static void walk_under_change(uint64_t seed, uint32_t keep, uint32_t budget)
{
	struct model *m = model_create(seed);
	uint64_t cursor = 0;

	for (uint32_t k = 0; k < keep; k++)
		insert(m, k);
	uint32_t range = keep;
	do {
		uint64_t was = cursor;
		index_walk(m->ix, &cursor, budget, see, m);
		assert_true(cursor < 1ull << 32);
		assert_true(cursor != was || cursor == 0);
		/* Now and then many changes per call, else so few that the walk overtakes the growth. */
		uint32_t changes = rng_below(&m->rng, 4) == 0 ? budget : (uint32_t)rng_below(&m->rng, 2);
		for (uint32_t i = 0; i < changes; i++) {
			range = RP_MIN(range + 1, KEYS);
			uint32_t k = keep + (uint32_t)rng_below(&m->rng, range - keep);
			if (!m->in[k])
				insert(m, k);
			else
				take_out(m, k);
			replace(m, (uint32_t)rng_below(&m->rng, keep));
		}
		for (uint32_t k = keep; rng_below(&m->rng, 30) == 0 && k < KEYS; k++)
			if (m->in[k])
				take_out(m, k);
		if (rng_below(&m->rng, 2) == 0)
			index_poll(m->ix, budget);
	} while (cursor != 0);
	for (uint32_t k = 0; k < keep; k++)
		assert_true(m->seen[k] >= 1);
	model_destroy(m);
}

static void test_index_walk__sees_what_stays_while_growing_and_shrinking(void **state)
{
	for (uint64_t seed = 1; seed <= 40; seed++)
		walk_under_change(seed, 20 + (uint32_t)seed * 13, 1 + (uint32_t)seed % 17);
}

static void test_index_walk__once_each_when_nothing_changes(void **state)
{
	struct model *m = model_create(9);
	uint64_t cursor = 0;
	uint32_t calls = 0;

	for (uint32_t k = 0; k < 3000; k++)
		insert(m, k);
	do {
		index_walk(m->ix, &cursor, 10, see, m);
		calls++;
	} while (cursor != 0);
	assert_true(calls > 200);
	for (uint32_t k = 0; k < 3000; k++)
		assert_int_equal(m->seen[k], 1);
	model_destroy(m);
}

static void test_index_walk__odd_cursors_are_harmless(void **state)
{
	struct model *m = model_create(10);

	for (uint32_t k = 0; k < 40; k++)
		insert(m, k);
	for (uint32_t i = 0; i < 10000; i++) {
		uint64_t cursor = rng_next(&m->rng) >> rng_below(&m->rng, 63);
		assert_true(index_walk(m->ix, &cursor, 10, see, m) <= 10 + 40);
	}
	model_destroy(m);
}

static void remove_seen(void *ctx, struct object *o)
{
	struct model *m = ctx;
	struct slice key = obj_key(o);

	index_remove(m->ix, o, index_hash(m->ix, key));
	m->count--;
}

static void test_index_walk__visitor_may_remove(void **state)
{
	struct model *m = model_create(11);
	uint64_t cursor = 0;

	for (uint32_t k = 0; k < 1500; k++)
		insert(m, k);
	do
		index_walk(m->ix, &cursor, 7, remove_seen, m);
	while (cursor != 0);
	assert_int_equal(index_count(m->ix), 0);
	assert_null(index_random(m->ix, 77));
	memset(m->in, 0, sizeof m->in);
	check_all(m);
	model_destroy(m);
}

static void test_index_random__reaches_every_key(void **state)
{
	struct model *m = model_create(12);

	for (uint32_t k = 0; k < 200; k++)
		insert(m, k);
	for (uint32_t i = 0; i < 20000; i++)
		see(m, index_random(m->ix, rng_next(&m->rng)));
	for (uint32_t k = 0; k < 200; k++)
		assert_in_range(m->seen[k], 20, 400);
	for (uint32_t k = 1; k < 200; k++)
		take_out(m, k);
	for (uint32_t i = 0; i < 100; i++)
		assert_ptr_equal(index_random(m->ix, rng_next(&m->rng)), m->obj[0]);
	model_destroy(m);
}

/* ---- emptying ------------------------------------------------------------------------------------------------ */

static void count_seen(void *ctx, struct object *o)
{
	++*(uint32_t *)ctx;
}

static uint32_t drain(struct index_remains *chain)
{
	uint32_t n = 0;

	while (chain != NULL) {
		struct index_remains *next = index_remains_next(chain);
		uint32_t budget;
		do
			budget = 100;
		while (!index_remains_drain(chain, &budget, count_seen, &n));
		index_remains_destroy(chain);
		chain = next;
	}
	return n;
}

static void test_index__room_made_ahead_changes_nothing_else(void **state)
{
	struct model *m = model_create(15);

	assert_true(index_reserve(m->ix, 3000));
	assert_true(index_buckets(m->ix) >= 500);
	uint64_t buckets = index_buckets(m->ix);
	for (uint32_t k = 0; k < 2500; k++)
		insert(m, k);
	assert_int_equal(index_buckets(m->ix), buckets);
	check_all(m);
	assert_false(index_reserve(m->ix, 100000)); /* not empty */
	for (uint32_t k = 2500; k < 5000; k++)
		insert(m, k);
	check_all(m);
	/* looking ahead from anywhere is harmless */
	for (uint64_t cursor = 0; cursor < UINT32_MAX; cursor += 99999999)
		index_walk_ahead(m->ix, cursor, 100);
	check_all(m);
	model_destroy(m);
}

static void test_index__detach_hands_out_every_object(void **state)
{
	struct model *m = model_create(13);
	struct index_remains *chain = NULL;

	for (int round = 0; round < 3; round++) {
		for (uint32_t k = 0; k < 5000; k++)
			insert(m, k);
		assert_true(index_detach(m->ix, &chain, 0));
		assert_int_equal(index_count(m->ix), 0);
		memset(m->in, 0, sizeof m->in);
		m->count = 0;
		check_all(m);
	}
	assert_int_equal(drain(chain), 15000);
	model_destroy(m);
}

static void test_index__detach_without_memory_changes_nothing(void **state)
{
	struct model *m = model_create(14);
	struct index_remains *chain = NULL;

	for (uint32_t k = 0; k < 100; k++)
		insert(m, k);
	for (uint64_t n = 1; n <= 3; n++) {
		heap_fail_after(m->heap, n);
		assert_false(index_detach(m->ix, &chain, 0));
		heap_fail_after(m->heap, 0);
		check_all(m);
	}
	assert_null(chain);
	model_destroy(m);
}

static int setup(void **state)
{
	return fixture_eal("rp_test_index", "128");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_index__agrees_with_model),
		cmocka_unit_test(test_index__agrees_with_model_when_memory_fails),
		cmocka_unit_test(test_index__stays_right_and_small_over_many_doublings),
		cmocka_unit_test(test_index_walk__sees_what_stays_while_growing_and_shrinking),
		cmocka_unit_test(test_index_walk__once_each_when_nothing_changes),
		cmocka_unit_test(test_index_walk__odd_cursors_are_harmless),
		cmocka_unit_test(test_index_walk__visitor_may_remove),
		cmocka_unit_test(test_index_random__reaches_every_key),
		cmocka_unit_test(test_index__room_made_ahead_changes_nothing_else),
		cmocka_unit_test(test_index__detach_hands_out_every_object),
		cmocka_unit_test(test_index__detach_without_memory_changes_nothing),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
