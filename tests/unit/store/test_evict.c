/* Which keys go under each policy, and what is told of it. */
#include <stdio.h>
#include <stdlib.h>

#include "fixture.h"
#include "store/evict.h"
#include "store/set.h"

#define KEYS 2000

struct world {
	struct heap *heap;
	struct store *s;
	struct journal journal;
	uint32_t events, dels;
	int64_t now_s;
};

static void on_event(void *ctx, struct store *s, uint32_t cls, const char *name, uint32_t db, struct slice key)
{
	struct world *w = ctx;

	if (cls == EVENT_EVICTED) {
		assert_string_equal(name, "evicted");
		w->events++;
	}
}

static void on_emit(void *ctx, struct journal_unit *unit, uint32_t db, uint32_t argc, const struct slice *argv)
{
	struct world *w = ctx;

	assert_true(slice_is(argv[0], "DEL"));
	w->dels++;
}

static void at(struct world *w, int64_t second)
{
	w->now_s = second;
	store_set_now(w->s, (1700000000 + second) * 1000000);
}

static struct world *world_create(bool lfu)
{
	struct world *w = calloc(1, sizeof *w);
	struct err e = {0};

	w->heap = fixture_heap(64u << 20);
	w->journal = (struct journal){.ctx = w, .emit = on_emit};
	w->s = store_create(&(struct store_params){.databases = 3,
						   .hash_seed = 5,
						   .index_initial = 64,
						   .heap = w->heap,
						   .hooks = {.ctx = w, .event = on_event},
						   .journal = &w->journal},
			    &e);
	assert_non_null(w->s);
	store_set_clock(w->s, lfu, 1, 1);
	at(w, 0);
	return w;
}

static void world_destroy(struct world *w)
{
	store_flush(w->s, UINT32_MAX);
	while (store_poll(w->s, 1000) > 0)
		;
	store_destroy(w->s);
	fixture_heap_check(w->heap);
	free(w);
}

static struct slice key_of(uint32_t k, char *buf)
{
	return (struct slice){buf, (size_t)sprintf(buf, "key:%u", k)};
}

static void set(struct world *w, uint32_t db, uint32_t k, int64_t ttl_s)
{
	char buf[32];
	int64_t at_ms = ttl_s < 0 ? STORE_NO_EXPIRE : (1700000000 + w->now_s + ttl_s) * 1000;

	assert_non_null(store_set_string(w->s, db, key_of(k, buf), SLICE("value"), NULL, at_ms));
}

static bool has(struct world *w, uint32_t db, uint32_t k)
{
	char buf[32];

	return store_peek(w->s, db, key_of(k, buf)) != NULL;
}

static void evict(struct world *w, enum evict_policy p, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		assert_true(store_evict(w->s, p, 10));
	assert_int_equal(w->events, n);
	assert_int_equal(w->dels, n);
	assert_int_equal(store_stats_get(w->s)->evicted, n);
}

/* Of the keys [0, half) and [half, KEYS): how many of the first are gone. */
static uint32_t gone(struct world *w, uint32_t from, uint32_t to)
{
	uint32_t n = 0;

	for (uint32_t k = from; k < to; k++)
		n += !has(w, 0, k);
	return n;
}

static void test_evict__lru_takes_those_unused_for_longest(void **state)
{
	struct world *w = world_create(false);

	for (uint32_t k = 0; k < KEYS; k++) {
		at(w, k);
		set(w, 0, k, -1);
	}
	evict(w, EVICT_ALLKEYS_LRU, KEYS / 2);
	assert_true(gone(w, 0, KEYS / 2) > KEYS / 2 * 9 / 10);
	world_destroy(w);
}

static void test_evict__lfu_takes_those_used_least(void **state)
{
	struct world *w = world_create(true);
	char buf[32];

	for (uint32_t k = 0; k < KEYS; k++)
		set(w, 0, k, -1);
	for (uint32_t k = KEYS / 2; k < KEYS; k++)
		for (int i = 0; i < 60; i++)
			store_read(w->s, 0, key_of(k, buf));
	evict(w, EVICT_ALLKEYS_LFU, KEYS / 2);
	assert_true(gone(w, 0, KEYS / 2) > KEYS / 2 * 9 / 10);
	world_destroy(w);
}

static void test_evict__ttl_takes_those_that_expire_first(void **state)
{
	struct world *w = world_create(false);

	for (uint32_t k = 0; k < KEYS; k++)
		set(w, 0, k, 100 + k);
	evict(w, EVICT_VOLATILE_TTL, KEYS / 2);
	assert_true(gone(w, 0, KEYS / 2) > KEYS / 2 * 9 / 10);
	world_destroy(w);
}

static void test_evict__volatile_policies_leave_keys_without_ttl(void **state)
{
	static const enum evict_policy policies[] = {EVICT_VOLATILE_LRU, EVICT_VOLATILE_LFU, EVICT_VOLATILE_RANDOM,
						     EVICT_VOLATILE_TTL};

	for (uint32_t i = 0; i < RP_ARRAY_LEN(policies); i++) {
		struct world *w = world_create(policies[i] == EVICT_VOLATILE_LFU);
		for (uint32_t k = 0; k < KEYS; k++)
			set(w, k % 3, k, k % 100 == 0 ? 1000 : -1);
		assert_true(store_evictable(w->s, policies[i]));
		evict(w, policies[i], KEYS / 100);
		assert_false(store_evictable(w->s, policies[i]));
		assert_false(store_evict(w->s, policies[i], 10));
		for (uint32_t k = 0; k < KEYS; k++)
			assert_int_equal(has(w, k % 3, k), k % 100 != 0);
		world_destroy(w);
	}
}

static void test_evict__every_policy_for_all_keys_empties_every_database(void **state)
{
	static const enum evict_policy policies[] = {EVICT_ALLKEYS_LRU, EVICT_ALLKEYS_LFU, EVICT_ALLKEYS_RANDOM};

	for (uint32_t i = 0; i < RP_ARRAY_LEN(policies); i++) {
		struct world *w = world_create(policies[i] == EVICT_ALLKEYS_LFU);
		char buf[300];
		memset(buf, 'k', sizeof buf);
		for (uint32_t k = 0; k < KEYS; k++)
			set(w, k % 3, k, -1);
		for (uint32_t n = 200; n < 300; n++)
			store_set_string(w->s, 1, (struct slice){buf, n}, SLICE("long"), NULL, STORE_NO_EXPIRE);
		evict(w, policies[i], KEYS + 100);
		assert_false(store_evict(w->s, policies[i], 10));
		assert_int_equal(store_stats_get(w->s)->keys, 0);
		world_destroy(w);
	}
}

static size_t blocks(const struct world *w)
{
	struct heap_stats st;

	heap_stats_get(w->heap, &st);
	return st.blocks;
}

/* A large value goes in small steps, none of which takes another key. */
static void test_evict__a_large_value_goes_in_slices(void **state)
{
	struct world *w = world_create(false);
	struct type_limits limits = {0};
	struct set_rules rules = {&limits, 1};
	char buf[32];

	for (uint32_t i = 0; i < 20000; i++) {
		struct slice m = key_of(i, buf);
		assert_int_equal(set_add(w->s, 0, SLICE("large"), store_peek(w->s, 0, SLICE("large")), 1, &m, &rules),
				 1);
	}
	size_t full = blocks(w);
	evict(w, EVICT_ALLKEYS_RANDOM, 1);
	set(w, 0, 1, -1);
	set(w, 0, 2, -1);
	for (size_t was = full; blocks(w) > full - 20000; was = blocks(w)) {
		assert_true(store_evict(w->s, EVICT_ALLKEYS_RANDOM, 10));
		assert_true(was - blocks(w) <= 70);
		assert_int_equal(w->events, 1);
	}
	assert_int_equal(store_count(w->s, 0), 2);
	world_destroy(w);
}

static void test_evict__noeviction_takes_nothing(void **state)
{
	struct world *w = world_create(false);

	set(w, 0, 1, 10);
	assert_false(store_evictable(w->s, EVICT_NONE));
	assert_false(store_evict(w->s, EVICT_NONE, 5));
	assert_true(has(w, 0, 1));
	world_destroy(w);
}

static int setup(void **state)
{
	return fixture_eal("rp_test_evict", "64");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_evict__lru_takes_those_unused_for_longest),
		cmocka_unit_test(test_evict__lfu_takes_those_used_least),
		cmocka_unit_test(test_evict__ttl_takes_those_that_expire_first),
		cmocka_unit_test(test_evict__volatile_policies_leave_keys_without_ttl),
		cmocka_unit_test(test_evict__every_policy_for_all_keys_empties_every_database),
		cmocka_unit_test(test_evict__a_large_value_goes_in_slices),
		cmocka_unit_test(test_evict__noeviction_takes_nothing),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
