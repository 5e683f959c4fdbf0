/* The index against an array that knows what is in it, over growth with tables that come at once, late, or never. */
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
	/* tables on order */
	uint32_t want[8], nwant, dropped, refused;
	bool answer_at_once, refuse;
	struct rng rng;
};

static void want_table(void *ctx, struct index *ix, uint32_t entries)
{
	struct model *m = ctx;

	if (m->refuse) {
		m->refused++;
		index_give_table(ix, NULL);
		return;
	}
	if (m->answer_at_once) {
		index_give_table(ix, index_table_create(index_name(ix), index_seed(ix), entries));
		return;
	}
	assert_true(m->nwant < RP_ARRAY_LEN(m->want));
	m->want[m->nwant++] = entries;
}

static void drop_table(void *ctx, struct index_table *t)
{
	struct model *m = ctx;

	m->dropped++;
	index_table_destroy(t);
}

static void deliver(struct model *m)
{
	for (uint32_t i = 0; i < m->nwant; i++)
		index_give_table(m->ix, index_table_create(index_name(m->ix), index_seed(m->ix), m->want[i]));
	m->nwant = 0;
}

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

static struct model *model_create(uint32_t initial, uint64_t seed)
{
	struct model *m = calloc(1, sizeof *m);
	struct index_ops ops = {.ctx = m, .want_table = want_table, .drop_table = drop_table};

	rng_init(&m->rng, seed);
	m->ix = index_create("t", SEED, initial, &ops);
	assert_non_null(m->ix);
	for (uint32_t k = 0; k < KEYS; k++)
		m->obj[k] = numbered(k);
	return m;
}

static void model_destroy(struct model *m)
{
	index_destroy(m->ix);
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

static void run_model(struct model *m, bool poll, uint32_t deliver_odds)
{
	for (uint32_t i = 0; i < 40000; i++) {
		step(m, RP_MIN(KEYS, 50 + i));
		if (poll && rng_below(&m->rng, 4) == 0)
			index_poll(m->ix, 3);
		if (deliver_odds != 0 && rng_below(&m->rng, deliver_odds) == 0)
			deliver(m);
		if (i % 2000 == 0)
			check_all(m);
	}
	check_all(m);
}

static void test_index__agrees_with_model_when_tables_come_at_once(void **state)
{
	struct model *m = model_create(64, 1);
	struct index_stats st;

	m->answer_at_once = true;
	run_model(m, true, 0);
	index_stats_get(m->ix, &st);
	assert_true(st.grows >= 6);
	assert_int_equal(st.inline_grows, 0);
	assert_int_equal(m->dropped, st.grows);
	assert_true(st.moved > 0 && st.memory_bytes > 0);
	model_destroy(m);
}

static void test_index__agrees_with_model_when_tables_come_late(void **state)
{
	for (uint32_t odds = 5; odds < 5000; odds *= 6) {
		struct model *m = model_create(64, odds);
		run_model(m, odds > 100, odds);
		deliver(m);
		model_destroy(m);
	}
}

static void test_index__grows_inline_when_no_table_comes(void **state)
{
	struct model *m = model_create(64, 3);
	struct index_stats st;

	m->refuse = true;
	run_model(m, false, 0);
	index_stats_get(m->ix, &st);
	assert_true(st.inline_grows >= 6);
	assert_int_equal(st.grows, st.inline_grows);
	/* A refused table is asked for again, but not at every insert. */
	assert_true(m->refused > st.grows);
	assert_true(m->refused < 64 * st.grows);
	model_destroy(m);
}

static void test_index__asks_once_at_three_quarters(void **state)
{
	struct model *m = model_create(64, 4);

	for (uint32_t k = 0; k < 47; k++)
		insert(m, k);
	assert_int_equal(m->nwant, 0);
	for (uint32_t k = 47; k < 60; k++)
		insert(m, k);
	assert_int_equal(m->nwant, 1);
	assert_int_equal(m->want[0], 128);
	deliver(m);
	check_all(m);
	/* The old table is gone before the new one is three quarters full. */
	for (uint32_t k = 60; m->dropped == 0; k++)
		insert(m, k);
	assert_int_equal(m->nwant, 0);
	check_all(m);
	model_destroy(m);
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

/* Keys below `keep` stay all the time; the others come and go, and the index grows while the walk is under way. */
static void walk_under_change(uint64_t seed, uint32_t keep, uint32_t budget, uint32_t deliver_odds)
{
	struct model *m = model_create(64, seed);
	uint64_t cursor = 0;

	for (uint32_t k = 0; k < keep; k++)
		insert(m, k);
	uint32_t range = keep;
	do {
		uint64_t was = cursor;
		assert_true(index_walk(m->ix, &cursor, budget, see, m) <= budget);
		assert_true(cursor < 1ull << 46);
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
		if (rng_below(&m->rng, deliver_odds) == 0)
			deliver(m);
		if (rng_below(&m->rng, 8) == 0)
			index_poll(m->ix, budget);
	} while (cursor != 0);
	for (uint32_t k = 0; k < keep; k++)
		assert_true(m->seen[k] >= 1);
	deliver(m);
	model_destroy(m);
}

static void test_index_walk__sees_what_stays_while_growing(void **state)
{
	for (uint64_t seed = 1; seed <= 40; seed++)
		walk_under_change(seed, 20 + (uint32_t)seed * 13, 1 + (uint32_t)seed % 17, 1 + (uint32_t)seed % 5);
}

static void test_index_walk__goes_on_in_the_new_table(void **state)
{
	struct model *m = model_create(64, 15);
	uint64_t cursor = 0;

	for (uint32_t k = 0; k < 60; k++)
		insert(m, k);
	deliver(m);
	for (uint32_t k = 60; k < 65; k++)
		insert(m, k);
	assert_int_equal(m->dropped, 0);
	do
		index_walk(m->ix, &cursor, 7, see, m);
	while (cursor != 0);
	for (uint32_t k = 0; k < 65; k++)
		assert_int_equal(m->seen[k], 1);
	model_destroy(m);
}

static void test_index_walk__once_each_when_nothing_changes(void **state)
{
	struct model *m = model_create(64, 9);
	uint64_t cursor = 0;
	uint32_t calls = 0;

	m->answer_at_once = true;
	for (uint32_t k = 0; k < 3000; k++)
		insert(m, k);
	do {
		index_walk(m->ix, &cursor, 10, see, m);
		calls++;
	} while (cursor != 0);
	assert_true(calls > 300);
	for (uint32_t k = 0; k < 3000; k++)
		assert_int_equal(m->seen[k], 1);
	model_destroy(m);
}

static void test_index_walk__odd_cursors_are_harmless(void **state)
{
	struct model *m = model_create(64, 10);

	for (uint32_t k = 0; k < 40; k++)
		insert(m, k);
	for (uint32_t i = 0; i < 10000; i++) {
		uint64_t cursor = rng_next(&m->rng) >> rng_below(&m->rng, 63);
		assert_true(index_walk(m->ix, &cursor, 10, see, m) <= 10);
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
	struct model *m = model_create(64, 11);
	uint64_t cursor = 0;

	for (uint32_t k = 0; k < 1500; k++) {
		insert(m, k);
		deliver(m);
	}
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
	struct model *m = model_create(64, 12);

	for (uint32_t k = 0; k < 200; k++)
		insert(m, k);
	deliver(m);
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

static uint32_t drain(struct model *m, struct index_table *chain)
{
	uint32_t n = 0;

	while (chain != NULL) {
		struct index_table *next = index_table_next(chain);
		uint32_t budget;
		do
			budget = 100;
		while (!index_table_drain(chain, &budget, count_seen, &n));
		index_drop(m->ix, chain);
		chain = next;
	}
	return n;
}

static void test_index__detach_hands_out_every_object(void **state)
{
	struct model *m = model_create(64, 13);
	struct index_table *chain = NULL;
	struct index_stats st;

	for (int round = 0; round < 3; round++) {
		for (uint32_t k = 0; k < 5000; k++) {
			insert(m, k);
			if (k % 50 == 0)
				deliver(m);
		}
		assert_true(index_detach(m->ix, &chain));
		assert_int_equal(index_count(m->ix), 0);
		memset(m->in, 0, sizeof m->in);
		m->count = 0;
		check_all(m);
		assert_int_equal(drain(m, chain), 5000);
		chain = NULL;
	}
	index_stats_get(m->ix, &st);
	assert_int_equal(st.inline_grows, 0);
	deliver(m);
	model_destroy(m);
}

static void test_index__detach_without_a_spare_builds_one(void **state)
{
	struct model *m = model_create(64, 14);
	struct index_table *chain = NULL;
	struct index_stats st;

	for (uint32_t k = 0; k < 100; k++) {
		insert(m, k);
		deliver(m);
	}
	assert_true(index_detach(m->ix, &chain));
	index_stats_get(m->ix, &st);
	assert_int_equal(st.inline_grows, 1);
	assert_int_equal(drain(m, chain), 100);
	model_destroy(m);
}

static int setup(void **state)
{
	return fixture_eal("rp_test_index", "128");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_index__agrees_with_model_when_tables_come_at_once),
		cmocka_unit_test(test_index__agrees_with_model_when_tables_come_late),
		cmocka_unit_test(test_index__grows_inline_when_no_table_comes),
		cmocka_unit_test(test_index__asks_once_at_three_quarters),
		cmocka_unit_test(test_index_walk__sees_what_stays_while_growing),
		cmocka_unit_test(test_index_walk__goes_on_in_the_new_table),
		cmocka_unit_test(test_index_walk__once_each_when_nothing_changes),
		cmocka_unit_test(test_index_walk__odd_cursors_are_harmless),
		cmocka_unit_test(test_index_walk__visitor_may_remove),
		cmocka_unit_test(test_index_random__reaches_every_key),
		cmocka_unit_test(test_index__detach_hands_out_every_object),
		cmocka_unit_test(test_index__detach_without_a_spare_builds_one),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
