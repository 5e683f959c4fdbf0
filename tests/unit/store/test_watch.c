/* Who hears of which change: transactions, blocked commands, tracking; and that nothing is left of those who gave up.
 */
#include <stdio.h>
#include <stdlib.h>

#include "fixture.h"
#include "store/events.h"
#include "store/evict.h"
#include "store/store.h"

struct world {
	struct heap *heap, *home;
	struct store *s;
	int64_t now_ms;
};

static void at(struct world *w, int64_t ms)
{
	w->now_ms = ms;
	store_set_now(w->s, (1700000000000 + ms) * 1000);
}

static int world_create(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	struct err e = {0};

	w->heap = fixture_heap(64u << 20);
	w->home = fixture_heap(16u << 20);
	w->s = store_create(
		&(struct store_params){.databases = 3, .hash_seed = 9, .index_initial = 64, .heap = w->heap}, &e);
	assert_non_null(w->s);
	at(w, 0);
	*state = w;
	return 0;
}

static int world_destroy(void **state)
{
	struct world *w = *state;

	store_flush(w->s, UINT32_MAX);
	while (store_poll(w->s, 1000) > 0)
		;
	store_destroy(w->s);
	fixture_heap_check(w->heap);
	fixture_heap_check(w->home);
	free(w);
	return 0;
}

static struct slice key_of(const char *name)
{
	return (struct slice){name, strlen(name)};
}

static void set_ttl(struct world *w, uint32_t db, const char *key, int64_t ttl_ms)
{
	int64_t end = ttl_ms < 0 ? STORE_NO_EXPIRE : 1700000000000 + w->now_ms + ttl_ms;

	assert_non_null(store_set_string(w->s, db, key_of(key), SLICE("v"), NULL, end));
}

static void set(struct world *w, uint32_t db, const char *key)
{
	set_ttl(w, db, key, -1);
}

static struct watcher *watch(struct world *w, enum watch_kind kind, uint32_t db, const char *key)
{
	struct watcher *p = watcher_create(w->home, kind, 0);

	assert_non_null(p);
	assert_true(watch_add(w->s, db, key_of(key), p));
	return p;
}

static void give_up(struct world *w, struct watcher *p)
{
	assert_true(watcher_give_up(p, &w->s));
}

/* Dirty? And it ends. */
static bool was_dirty(struct world *w, struct watcher *p)
{
	bool dirty = watcher_dirty(p);

	give_up(w, p);
	return dirty;
}

static void test_watch__a_change_makes_those_who_watch_the_key_dirty(void **state)
{
	struct world *w = *state;
	struct watcher *a = watch(w, WATCH_TX, 0, "k"), *b = watch(w, WATCH_TX, 0, "k"),
		       *c = watch(w, WATCH_TX, 0, "x"), *d = watch(w, WATCH_TX, 1, "k");

	assert_int_equal(watch_keys(w->s), 3);
	set(w, 0, "k");
	assert_int_equal(watch_keys(w->s), 2);
	assert_true(was_dirty(w, a));
	assert_true(was_dirty(w, b));
	assert_false(was_dirty(w, c));
	assert_false(was_dirty(w, d));
}

static void test_watch__reading_is_no_change(void **state)
{
	struct world *w = *state;
	set(w, 0, "k");
	struct watcher *a = watch(w, WATCH_TX, 0, "k");

	store_read(w->s, 0, key_of("k"));
	store_peek(w->s, 0, key_of("k"));
	store_delete(w->s, 0, key_of("other"));
	assert_false(was_dirty(w, a));
}

static void test_watch__deletion_and_ttl_are_changes(void **state)
{
	struct world *w = *state;
	set(w, 0, "k");
	struct watcher *a = watch(w, WATCH_TX, 0, "k");
	struct object *o = store_peek(w->s, 0, key_of("k"));

	assert_true(store_set_expire(w->s, 0, &o, 1700000005000));
	assert_true(was_dirty(w, a));
	a = watch(w, WATCH_TX, 0, "k");
	assert_true(store_persist(w->s, 0, &o));
	assert_true(was_dirty(w, a));
	a = watch(w, WATCH_TX, 0, "k");
	assert_true(store_delete(w->s, 0, key_of("k")));
	assert_true(was_dirty(w, a));
}

static void test_watch__a_key_that_expires_later_is_a_change(void **state)
{
	struct world *w = *state;
	set_ttl(w, 0, "k", 10);
	struct watcher *a = watch(w, WATCH_TX, 0, "k");

	at(w, 10);
	store_poll(w->s, 100);
	assert_false(watcher_dirty(a));
	at(w, 11);
	store_poll(w->s, 100);
	assert_true(was_dirty(w, a));
}

static void test_watch__a_key_that_had_expired_is_none(void **state)
{
	struct world *w = *state;
	set_ttl(w, 0, "k", 10);
	at(w, 11);
	struct watcher *a = watch(w, WATCH_TX, 0, "k");

	store_poll(w->s, 100);
	assert_null(store_read(w->s, 0, key_of("k")));
	assert_false(was_dirty(w, a));
}

static void test_watch__eviction_is_a_change(void **state)
{
	struct world *w = *state;
	set(w, 0, "k");
	struct watcher *a = watch(w, WATCH_TX, 0, "k");

	assert_true(store_evict(w->s, EVICT_ALLKEYS_RANDOM, 5));
	assert_true(was_dirty(w, a));
}

static void test_watch__a_flush_changes_what_exists(void **state)
{
	struct world *w = *state;
	set(w, 0, "k");
	set(w, 1, "k");
	struct watcher *a = watch(w, WATCH_TX, 0, "k"), *b = watch(w, WATCH_TX, 0, "none"),
		       *c = watch(w, WATCH_TX, 1, "k");

	store_flush(w->s, 0);
	assert_true(was_dirty(w, a));
	assert_false(watcher_dirty(b));
	assert_false(watcher_dirty(c));
	store_flush(w->s, UINT32_MAX);
	assert_false(was_dirty(w, b));
	assert_true(was_dirty(w, c));
}

static void test_watch__a_swap_changes_what_exists_on_either_side(void **state)
{
	struct world *w = *state;
	set(w, 0, "here");
	set(w, 1, "there");
	set_ttl(w, 1, "late", 1);
	set(w, 2, "elsewhere");
	struct watcher *a = watch(w, WATCH_TX, 0, "here"), *b = watch(w, WATCH_TX, 0, "there"),
		       *c = watch(w, WATCH_TX, 0, "none"), *d = watch(w, WATCH_TX, 1, "here"),
		       *e = watch(w, WATCH_TX, 2, "elsewhere"), *f = watch(w, WATCH_TX, 0, "late");

	at(w, 5);
	store_swap(w->s, 0, 1);
	assert_true(was_dirty(w, a));
	assert_true(was_dirty(w, b));
	assert_false(was_dirty(w, c));
	assert_true(was_dirty(w, d));
	assert_false(was_dirty(w, e));
	store_poll(w->s, 100);
	assert_false(was_dirty(w, f)); /* an expired key took the place of none */
}

static void test_watch__once_per_key_and_party(void **state)
{
	struct world *w = *state;
	struct watcher *a = watch(w, WATCH_TX, 0, "k");

	assert_true(watch_add(w->s, 0, key_of("k"), a));
	assert_int_equal(a->refs, 2);
	watch_remove(w->s, 0, key_of("k"), a);
	watch_remove(w->s, 0, key_of("k"), a);
	watch_remove(w->s, 0, key_of("other"), a);
	assert_int_equal(watch_keys(w->s), 0);
	assert_int_equal(a->refs, 1);
	set(w, 0, "k");
	assert_false(was_dirty(w, a));
}

static void test_watch__the_dead_are_swept(void **state)
{
	struct world *w = *state;
	struct watcher *live = NULL, *p[100];
	char key[16];

	for (int i = 0; i < 100; i++) {
		sprintf(key, "k%d", i);
		p[i] = watch(w, WATCH_TX, 0, key);
	}
	live = watch(w, WATCH_TX, 0, "live");
	assert_int_equal(watch_poll(w->s, 10), 0);
	for (int i = 0; i < 100; i++)
		give_up(w, p[i]);
	uint32_t looked = 0, n;
	while ((n = watch_poll(w->s, 10)) > 0) {
		assert_true(n <= 10);
		looked += n;
	}
	assert_int_equal(looked, 101);
	assert_int_equal(watch_keys(w->s), 1);
	give_up(w, live);
	assert_int_equal(watch_poll(w->s, 10), 1);
	assert_int_equal(watch_keys(w->s), 0);
}

static void test_watch__a_few_dead_wait_a_second(void **state)
{
	struct world *w = *state;
	struct watcher *p[20];
	char key[16];

	for (int i = 0; i < 20; i++) {
		sprintf(key, "k%d", i);
		p[i] = watch(w, WATCH_TX, 0, key);
	}
	give_up(w, p[0]);
	assert_int_equal(watch_poll(w->s, 1000), 0);
	at(w, 1000);
	assert_int_equal(watch_poll(w->s, 1000), 20);
	assert_int_equal(watch_keys(w->s), 19);
	for (int i = 1; i < 20; i++)
		give_up(w, p[i]);
}

/* Names of the ready keys, joined. */
static void ready(struct world *w, char *out)
{
	struct watch_key *k;

	*out = 0;
	while ((k = watch_pop_ready(w->s)) != NULL) {
		sprintf(out + strlen(out), "%u%.*s,", watch_key_db(k), (int)watch_key_name(k).len,
			watch_key_name(k).ptr);
		watch_ready_done(w->s, k);
	}
	assert_int_equal(store_notes_pending(w->s) & STORE_NOTE_READY, 0);
}

static void test_watch__ready_keys_in_order_and_once(void **state)
{
	struct world *w = *state;
	struct watcher *a = watch(w, WATCH_BLOCK, 0, "a"), *b = watch(w, WATCH_BLOCK, 1, "b");
	char names[64];

	set(w, 0, "x");
	assert_int_equal(store_notes_pending(w->s), 0);
	set(w, 1, "b");
	set(w, 0, "a");
	set(w, 1, "b");
	assert_int_equal(store_notes_pending(w->s), STORE_NOTE_READY);
	ready(w, names);
	assert_string_equal(names, "1b,0a,");
	set(w, 0, "a");
	store_flush(w->s, UINT32_MAX); /* whoever reads a stream hears that it is gone */
	ready(w, names);
	assert_string_equal(names, "0a,1b,");
	give_up(w, a);
	give_up(w, b);
}

static void test_watch__the_blocked_in_order_of_arrival(void **state)
{
	struct world *w = *state;
	struct watcher *p[4];
	const uint64_t ticket[4] = {20, 30, 10, 40};

	for (int i = 0; i < 4; i++) {
		p[i] = watcher_create(w->home, WATCH_BLOCK, 0);
		p[i]->ticket = ticket[i];
		assert_true(watch_add(w->s, 0, key_of("k"), p[i]));
	}
	give_up(w, p[0]);
	set(w, 0, "k");
	struct watch_key *k = watch_pop_ready(w->s);
	struct watch_link *l = watch_next_blocked(w->s, k, NULL);
	assert_ptr_equal(watch_link_watcher(l), p[2]);
	assert_ptr_equal(watch_link_key(l), k);
	l = watch_next_blocked(w->s, k, l);
	assert_ptr_equal(watch_link_watcher(l), p[1]);
	assert_true(watcher_claim(p[1]));
	assert_false(watcher_claim(p[1]));
	watch_unlink(w->s, l);
	assert_false(watcher_give_up(p[1], &w->s));
	l = watch_next_blocked(w->s, k, watch_next_blocked(w->s, k, NULL));
	assert_ptr_equal(watch_link_watcher(l), p[3]);
	assert_null(watch_next_blocked(w->s, k, l));
	watch_ready_done(w->s, k);
	give_up(w, p[2]);
	give_up(w, p[3]);
}

static void test_watch__a_key_without_links_outlives_its_look(void **state)
{
	struct world *w = *state;
	struct watcher *a = watch(w, WATCH_BLOCK, 0, "k");

	set(w, 0, "k");
	struct watch_key *k = watch_pop_ready(w->s);
	watch_remove(w->s, 0, key_of("k"), a);
	assert_null(watch_next_blocked(w->s, k, NULL));
	assert_true(slice_eq(watch_key_name(k), key_of("k")));
	watch_ready_done(w->s, k);
	assert_int_equal(watch_keys(w->s), 0);
	give_up(w, a);
}

static void test_watch__tracked_keys_are_told_once(void **state)
{
	struct world *w = *state;
	struct watcher *a = watch(w, WATCH_TRACK, 0, "k"), *b = watch(w, WATCH_TRACK, 0, "k"),
		       *dead = watch(w, WATCH_TRACK, 0, "k");

	give_up(w, dead);
	set(w, 0, "k");
	set(w, 0, "k");
	assert_int_equal(store_notes_pending(w->s), STORE_NOTE_INVALID);
	/* Who reads the key before the word is out hears of the next change too. */
	assert_true(watch_add(w->s, 0, key_of("k"), a));
	set(w, 0, "k");
	const struct watcher *expected[] = {a, b, a};
	for (int i = 0; i < 3; i++) {
		struct watch_link *l = watch_pop_invalid(w->s);
		assert_ptr_equal(watch_link_watcher(l), expected[i]);
		assert_true(slice_eq(watch_key_name(watch_link_key(l)), key_of("k")));
		watch_unlink(w->s, l);
	}
	assert_null(watch_pop_invalid(w->s));
	assert_int_equal(store_notes_pending(w->s), 0);
	give_up(w, a);
	give_up(w, b);
}

static void test_watch__a_flush_forgets_tracked_keys_with_one_word_for_all(void **state)
{
	struct world *w = *state;
	set(w, 0, "k");
	struct watcher *a = watch(w, WATCH_TRACK, 0, "k");

	store_flush(w->s, 0);
	assert_int_equal(store_notes_pending(w->s), STORE_NOTE_EVENTS);
	assert_ptr_equal(events_first(w->s)->name, events_flushed);
	events_pop(w->s);
	assert_int_equal(store_notes_pending(w->s), 0);
	assert_int_equal(watch_keys(w->s), 0);
	give_up(w, a);
}

static void test_watch__without_memory_nothing_changes(void **state)
{
	struct world *w = *state;
	struct watcher *a = watcher_create(w->home, WATCH_TX, 0);
	uint64_t n = 1;

	for (;; n++) {
		heap_fail_after(w->heap, n);
		bool ok = watch_add(w->s, 0, key_of("k"), a);
		heap_fail_after(w->heap, 0);
		if (ok)
			break;
		assert_int_equal(watch_keys(w->s), 0);
		assert_int_equal(a->refs, 1);
	}
	assert_true(n > 2);
	heap_fail_after(w->home, 1);
	assert_null(watcher_create(w->home, WATCH_TX, 0));
	heap_fail_after(w->home, 0);
	set(w, 0, "k");
	assert_true(was_dirty(w, a));
}

static void test_watch__the_end_of_a_shard_ends_all_links(void **state)
{
	struct world *w = *state;

	/* What is linked, ready and invalid here, and its memory, is gone after the test's end. */
	give_up(w, watch(w, WATCH_TX, 2, "c"));
	struct watcher *a = watch(w, WATCH_BLOCK, 0, "a"), *b = watch(w, WATCH_TRACK, 0, "b");
	set(w, 0, "a");
	set(w, 0, "b");
	watcher_put(a);
	watcher_put(b);
}

/* Random adds, removals, changes and sweeps beside a model. */
#define MODEL_PARTIES 24
#define MODEL_KEYS    12
static void test_watch__as_the_model(void **state)
{
	struct world *w = *state;
	struct watcher *p[MODEL_PARTIES] = {NULL};
	bool linked[MODEL_PARTIES][MODEL_KEYS] = {{false}}, dirty[MODEL_PARTIES] = {false};
	struct rng rng;
	char key[8];

	rng_init(&rng, 77);
	for (int step = 0; step < 200000; step++) {
		uint32_t i = (uint32_t)rng_below(&rng, MODEL_PARTIES), k = (uint32_t)rng_below(&rng, MODEL_KEYS);
		sprintf(key, "k%u", k);
		switch (rng_below(&rng, 6)) {
		case 0:
		case 1:
			if (p[i] == NULL)
				p[i] = watcher_create(w->home, WATCH_TX, 0);
			assert_true(watch_add(w->s, 0, key_of(key), p[i]));
			linked[i][k] = true;
			break;
		case 2:
			if (p[i] != NULL)
				watch_remove(w->s, 0, key_of(key), p[i]);
			linked[i][k] = false;
			break;
		case 3:
			set(w, 0, key);
			for (uint32_t j = 0; j < MODEL_PARTIES; j++) {
				dirty[j] |= linked[j][k];
				linked[j][k] = false;
			}
			break;
		case 4:
			if (p[i] == NULL)
				break;
			assert_int_equal(watcher_dirty(p[i]), dirty[i]);
			give_up(w, p[i]);
			p[i] = NULL;
			dirty[i] = false;
			memset(linked[i], 0, sizeof linked[i]);
			break;
		case 5:
			at(w, w->now_ms + 1);
			watch_poll(w->s, (uint32_t)rng_below(&rng, 5));
			heap_poll(w->home, 100);
			break;
		}
	}
	for (uint32_t i = 0; i < MODEL_PARTIES; i++)
		if (p[i] != NULL)
			give_up(w, p[i]);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_create, world_destroy)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_watch__a_change_makes_those_who_watch_the_key_dirty),
		T(test_watch__reading_is_no_change),
		T(test_watch__deletion_and_ttl_are_changes),
		T(test_watch__a_key_that_expires_later_is_a_change),
		T(test_watch__a_key_that_had_expired_is_none),
		T(test_watch__eviction_is_a_change),
		T(test_watch__a_flush_changes_what_exists),
		T(test_watch__a_swap_changes_what_exists_on_either_side),
		T(test_watch__once_per_key_and_party),
		T(test_watch__the_dead_are_swept),
		T(test_watch__a_few_dead_wait_a_second),
		T(test_watch__ready_keys_in_order_and_once),
		T(test_watch__the_blocked_in_order_of_arrival),
		T(test_watch__a_key_without_links_outlives_its_look),
		T(test_watch__tracked_keys_are_told_once),
		T(test_watch__a_flush_forgets_tracked_keys_with_one_word_for_all),
		T(test_watch__without_memory_nothing_changes),
		T(test_watch__the_end_of_a_shard_ends_all_links),
		T(test_watch__as_the_model),
	};

	if (fixture_eal("rp_test_watch", "32") != 0)
		return 1;
	return cmocka_run_group_tests_name("store_watch", tests, NULL, NULL);
}
