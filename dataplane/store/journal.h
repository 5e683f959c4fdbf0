/* The journal: each write emits its deterministic effect (SPOP -> SREM, EXPIRE -> PEXPIREAT, INCRBYFLOAT -> SET) into
 * its shard's ring, in shard order. One reader on the control thread merges the rings into one stream, which the
 * append-only file and replicas are fed from. Without a reader an emission costs one test of `emit`.
 *
 * What has to stay together is a unit: the effects of one command, of one EXEC, of one script, over all the shards that
 * it held. The reader sees a unit as a whole or not at all, and puts it at a place of the stream that agrees with
 * the order of each of its shards:
 *
 *   journal_begin(&unit, stores, shards)     the holder of these shards, before the first command
 *   ... journal_emit() from handlers, the store's expiry, eviction ...
 *   journal_end(&unit, stores)               before any of the shards is given back
 *
 * An effect outside a unit (expiry in the background) is a unit by itself.
 */
#pragma once

#include "base/defs.h"

struct store;
struct journal_ring;

/* Of the thread that executes; one at a time. */
struct journal_unit {
	uint64_t shards;  /* the set that it holds; 0: none is open */
	uint32_t effects; /* emitted so far, over all shards */
};

struct journal {
	/* Holder of the shard. The slices live only during the call. unit: NULL if the effect stands alone. */
	void (*emit)(void *ctx, struct journal_unit *unit, uint32_t db, uint32_t argc, const struct slice *argv);
	void *ctx;
	struct journal_ring
		*ring; /* what emit writes to, atomic: others look how full it is; NULL in tests that listen */
	struct journal_unit *unit; /* holder: of what it executes now, or NULL */
};

static inline bool journal_on(const struct journal *j)
{
	return j != NULL && j->emit != NULL;
}
static inline void journal_emit(struct journal *j, uint32_t db, uint32_t argc, const struct slice *argv)
{
	if (journal_on(j))
		j->emit(j->ctx, j->unit, db, argc, argv);
}

/* Holder of `shards`. */
void journal_begin(struct journal_unit *u, struct store *const *stores, uint64_t shards);
/* Makes the unit visible to the reader. Returns whether there was any effect. */
bool journal_end(struct journal_unit *u, struct store *const *stores);
/* An open unit goes on as *to: one that has to wait leaves its thread's place to others. */
void journal_move(struct journal_unit *from, struct journal_unit *to, struct store *const *stores);
/* A unit without effects on all of `shards`, which the caller holds: the reader learns that its streams have come to
 * `mark`, at a place that agrees with each of them. mark != 0. */
void journal_mark(struct store *const *stores, uint64_t shards, uint64_t mark);
/* Holder of the shard: its effects go to r from here on; NULL: nobody reads. */
void journal_attach(struct journal *j, struct journal_ring *r);

/* How far the reader has come with making effects durable. Rounds are numbered; in one round the reader takes what the
 * rings held after the round began, writes it and syncs it. A reply that must not leave before its effects are durable
 * waits for the round after the one that had begun when the effects became visible. */
struct journal_clock {
	uint64_t begun RP_CACHE_ALIGNED;  /* reader writes: the latest round that has begun */
	uint64_t synced;                  /* reader writes: the latest round whose effects are durable */
	uint64_t gather_us;               /* reader writes: so long it pays to wait for more before a round begins */
	uint64_t wanted RP_CACHE_ALIGNED; /* anybody raises it: the reader is to come so far soon */
};

/* The round that covers everything that this thread made visible before. */
static inline uint64_t journal_gate(const struct journal_clock *k)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return __atomic_load_n(&k->begun, __ATOMIC_RELAXED) + 1;
}
/* The reader is to come so far soon. */
static inline void journal_want(struct journal_clock *k, uint64_t round)
{
	uint64_t wanted = __atomic_load_n(&k->wanted, __ATOMIC_RELAXED);

	while (wanted < round &&
	       !__atomic_compare_exchange_n(&k->wanted, &wanted, round, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}
static inline uint64_t journal_begun(const struct journal_clock *k)
{
	return __atomic_load_n(&k->begun, __ATOMIC_RELAXED);
}
/* Has a round begun that is not synced? What comes meanwhile goes with the next. */
static inline bool journal_under_way(const struct journal_clock *k)
{
	return __atomic_load_n(&k->begun, __ATOMIC_RELAXED) > __atomic_load_n(&k->synced, __ATOMIC_RELAXED);
}
static inline uint64_t journal_synced(const struct journal_clock *k)
{
	return __atomic_load_n(&k->synced, __ATOMIC_ACQUIRE);
}
