/* The journal's ring: units whole, in order, over several shards, and what happens when there is no room. */
#include <stdio.h>
#include <stdlib.h>

#include "fixture.h"
#include "store/journal_ring.h"
#include "store/store.h"

#define SHARDS 3

struct world {
	struct heap *heap[SHARDS];
	struct journal journal[SHARDS];
	struct journal_ring *ring[SHARDS];
	struct store *store[SHARDS];
};

static void world_open(struct world *w, size_t bytes)
{
	struct err e = {""};

	for (uint32_t i = 0; i < SHARDS; i++) {
		struct heap_params hp = {"shard", 64 << 20, 0};
		w->heap[i] = heap_create(&hp, &e);
		w->ring[i] = journal_ring_create(bytes, i, w->heap[i], &e);
		assert_non_null(w->ring[i]);
		w->journal[i] = (struct journal){.emit = NULL};
		struct store_params p = {.shard = i,
					 .databases = 2,
					 .hash_seed = 7,
					 .index_initial = 64,
					 .heap = w->heap[i],
					 .journal = &w->journal[i]};
		w->store[i] = store_create(&p, &e);
		assert_non_null(w->store[i]);
		journal_attach(&w->journal[i], w->ring[i]);
	}
}

static void world_close(struct world *w)
{
	for (uint32_t i = 0; i < SHARDS; i++) {
		struct heap_stats hs;
		journal_ring_destroy(w->ring[i]);
		store_destroy(w->store[i]);
		heap_poll(w->heap[i], UINT32_MAX);
		heap_stats_get(w->heap[i], &hs);
		assert_int_equal(hs.blocks, 0);
		heap_destroy(w->heap[i]);
	}
}

static void say(struct world *w, uint32_t shard, const char *a, const char *b)
{
	struct slice v[] = {{a, strlen(a)}, {b, strlen(b)}};

	journal_emit(&w->journal[shard], 0, 2, v);
}

static void expect_effect(const struct journal_iter *it, uint32_t seq, const char *command)
{
	assert_non_null(it->effect);
	assert_int_equal(it->effect->seq, seq);
	assert_int_equal(it->effect->bytes, strlen(command));
	assert_memory_equal(it->command, command, strlen(command));
}

static void test_journal__effect_outside_a_unit_is_seen_at_once_as_resp(void **state)
{
	struct world w;
	struct journal_iter it;

	world_open(&w, 1 << 20);
	assert_null(journal_ring_peek(w.ring[1]));
	say(&w, 1, "DEL", "some key");
	const struct journal_unit_head *u = journal_ring_peek(w.ring[1]);
	assert_non_null(u);
	assert_int_equal(u->shards, 0);
	journal_iter_begin(&it, u);
	expect_effect(&it, 0, "*2\r\n$3\r\nDEL\r\n$8\r\nsome key\r\n");
	journal_iter_next(&it);
	assert_null(it.effect);
	journal_ring_take(w.ring[1]);
	assert_null(journal_ring_peek(w.ring[1]));
	assert_int_equal(journal_ring_used(w.ring[1]), 0);
	world_close(&w);
}

static void test_journal__unit_is_seen_as_a_whole_on_each_of_its_shards(void **state)
{
	struct world w;
	struct journal_unit u;
	struct journal_iter it;

	world_open(&w, 1 << 20);
	journal_begin(&u, w.store, 5);
	say(&w, 2, "A", "1");
	say(&w, 0, "B", "2");
	say(&w, 2, "C", "3");
	assert_null(journal_ring_peek(w.ring[2]));
	assert_true(journal_end(&u, w.store));
	const struct journal_unit_head *h0 = journal_ring_peek(w.ring[0]), *h2 = journal_ring_peek(w.ring[2]);
	assert_int_equal(h0->shards, 5);
	assert_int_equal(h2->shards, 5);
	assert_int_equal(h0->txid, h2->txid);
	assert_null(journal_ring_peek(w.ring[1]));
	journal_iter_begin(&it, h2);
	expect_effect(&it, 0, "*2\r\n$1\r\nA\r\n$1\r\n1\r\n");
	journal_iter_next(&it);
	expect_effect(&it, 2, "*2\r\n$1\r\nC\r\n$1\r\n3\r\n");
	journal_iter_begin(&it, h0);
	expect_effect(&it, 1, "*2\r\n$1\r\nB\r\n$1\r\n2\r\n");
	world_close(&w);
}

static void test_journal__unit_without_effects_leaves_no_trace(void **state)
{
	struct world w;
	struct journal_unit u;

	world_open(&w, 1 << 20);
	journal_begin(&u, w.store, 7);
	assert_false(journal_end(&u, w.store));
	for (uint32_t i = 0; i < SHARDS; i++)
		assert_null(journal_ring_peek(w.ring[i]));
	world_close(&w);
}

static void test_journal__mark_stands_on_every_shard(void **state)
{
	struct world w;

	world_open(&w, 1 << 20);
	say(&w, 0, "X", "1");
	journal_mark(w.store, 7, 42);
	assert_int_equal(journal_ring_peek(w.ring[0])->mark, 0);
	journal_ring_take(w.ring[0]);
	uint64_t txid = journal_ring_peek(w.ring[0])->txid;
	for (uint32_t i = 0; i < SHARDS; i++) {
		assert_int_equal(journal_ring_peek(w.ring[i])->mark, 42);
		assert_int_equal(journal_ring_peek(w.ring[i])->txid, txid);
		assert_int_equal(journal_ring_peek(w.ring[i])->bytes, 0);
	}
	world_close(&w);
}

/* Many rounds through a small ring, against a plain queue of the same texts. */
static void test_journal__what_goes_in_comes_out_over_many_turns(void **state)
{
	struct world w;
	struct journal_iter it;
	char text[5000];
	uint64_t written = 0, read = 0;
	struct rng rng;

	rng_init(&rng, 11);
	world_open(&w, 1);
	while (read < 20000) {
		while (!journal_ring_tight(w.ring[0])) {
			size_t n = rng_below(&rng, sizeof text - 20) + 20;
			memset(text, 'a' + (int)(written % 26), n);
			text[n] = '\0';
			say(&w, 0, "SET", text);
			written++;
		}
		for (uint64_t n = rng_below(&rng, 50); n > 0 && read < written; n--, read++) {
			journal_iter_begin(&it, journal_ring_peek(w.ring[0]));
			assert_int_equal(it.command[it.effect->bytes - 3], 'a' + (int)(read % 26));
			journal_ring_take(w.ring[0]);
		}
	}
	assert_int_equal(journal_ring_overflows(w.ring[0]), 0);
	world_close(&w);
}

static void test_journal__unit_larger_than_the_ring_overflows_in_order(void **state)
{
	struct world w;
	struct journal_unit u;
	struct journal_iter it;
	char big[100000], text[16];
	uint32_t n = 20000;

	world_open(&w, 1);
	memset(big, 'b', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	journal_begin(&u, w.store, 1);
	for (uint32_t i = 0; i < n; i++) {
		snprintf(text, sizeof text, "%u", i);
		say(&w, 0, text, i % 1000 == 7 ? big : "small");
	}
	assert_true(journal_end(&u, w.store));
	assert_int_equal(journal_ring_overflows(w.ring[0]), 1);
	journal_iter_begin(&it, journal_ring_peek(w.ring[0]));
	for (uint32_t i = 0; i < n; i++, journal_iter_next(&it)) {
		assert_non_null(it.effect);
		assert_int_equal(it.effect->seq, i);
		assert_int_equal(strtoul(strchr(it.command, '\n') + 1 + 4, NULL, 10), i);
	}
	assert_null(it.effect);
	journal_ring_take(w.ring[0]);
	assert_false(journal_ring_lost(w.ring[0]));
	world_close(&w);
}

static void test_journal__without_memory_the_loss_is_told(void **state)
{
	struct world w;
	char big[100000];

	world_open(&w, 1);
	memset(big, 'b', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	heap_fail_after(w.heap[0], 1);
	say(&w, 0, "SET", big);
	heap_fail_after(w.heap[0], 0);
	assert_true(journal_ring_lost(w.ring[0]));
	journal_ring_reset(w.ring[0]);
	assert_false(journal_ring_lost(w.ring[0]));
	assert_null(journal_ring_peek(w.ring[0]));
	say(&w, 0, "SET", "x");
	assert_non_null(journal_ring_peek(w.ring[0]));
	world_close(&w);
}

/* A reader that has stopped: the ring ends with a loss, never with a unit written over. */
static void test_journal__full_ring_tells_a_loss(void **state)
{
	struct world w;
	struct journal_iter it;

	world_open(&w, 1);
	heap_fail_after(w.heap[0], 1);
	for (uint32_t i = 0; i < 100000; i++)
		say(&w, 0, "DEL", "a key that went");
	heap_fail_after(w.heap[0], 0);
	assert_true(journal_ring_lost(w.ring[0]));
	assert_true(journal_ring_tight(w.ring[0]));
	const struct journal_unit_head *u;
	while ((u = journal_ring_peek(w.ring[0])) != NULL) {
		journal_iter_begin(&it, u);
		if (it.effect != NULL)
			assert_memory_equal(it.command, "*2\r\n$3\r\nDEL\r\n", 13);
		journal_ring_take(w.ring[0]);
	}
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_journal__effect_outside_a_unit_is_seen_at_once_as_resp),
		cmocka_unit_test(test_journal__unit_is_seen_as_a_whole_on_each_of_its_shards),
		cmocka_unit_test(test_journal__unit_without_effects_leaves_no_trace),
		cmocka_unit_test(test_journal__mark_stands_on_every_shard),
		cmocka_unit_test(test_journal__what_goes_in_comes_out_over_many_turns),
		cmocka_unit_test(test_journal__unit_larger_than_the_ring_overflows_in_order),
		cmocka_unit_test(test_journal__without_memory_the_loss_is_told),
		cmocka_unit_test(test_journal__full_ring_tells_a_loss),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
