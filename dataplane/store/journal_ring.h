/* One shard's stream of effects on its way to the reader: a byte ring for one producer (the holder of the shard) and
 * one consumer (the control thread).
 *
 *   unit  = head, effects...          published as a whole: the consumer never sees a part of one
 *   effect = head, the command as RESP
 *
 * The bytes are mapped twice, one copy behind the other, so that nothing is ever cut at the end of the ring. A unit
 * that does not fit goes on in blocks of the shard's heap ("overflow"), which the consumer hands back: the ring bounds
 * what is usual, and back-pressure on writers (journal_ring_tight()) keeps the unusual rare. If there is no memory for
 * an overflow either, effects are lost: journal_ring_lost() says so, and the reader must begin anew from a snapshot.
 */
#pragma once

#include "base/err.h"
#include "mem/heap.h"
#include "store/journal.h"

struct journal_block { /* overflow; len bytes of effects */
	struct journal_block *next;
	struct heap *heap; /* where it came from */
	size_t len, cap;
	char data[];
};

struct journal_unit_head {
	uint64_t txid;   /* the same in all parts of a unit; unique among units of several shards */
	uint64_t shards; /* that take part; 0: this one alone */
	uint64_t mark;   /* see journal_mark(); 0: none */
	struct journal_block *overflow;
	uint32_t bytes; /* of its effects here, without this head */
	uint32_t pad;
};

struct journal_effect_head {
	uint32_t bytes; /* of the command */
	uint32_t seq;   /* order within the unit, over all its shards */
	uint32_t db;
	uint32_t pad;
};

/* Control thread. bytes: rounded up to a power of two and whole pages. heap: the shard's, for overflows. NULL with *e.
 */
struct journal_ring *journal_ring_create(size_t bytes, uint32_t shard, struct heap *heap, struct err *e);
/* Nobody writes or reads any more. */
void journal_ring_destroy(struct journal_ring *r);

/* ---- producer ---- */
/* As struct journal's emit; ctx: struct journal_ring *. */
void journal_ring_emit(void *ctx, struct journal_unit *unit, uint32_t db, uint32_t argc, const struct slice *argv);
/* Publishes what was emitted since the last call. */
void journal_ring_publish(struct journal_ring *r, uint64_t txid, uint64_t shards, uint64_t mark);
/* A number for a unit that this ring is the first of. */
uint64_t journal_ring_txid(const struct journal_ring *r);

/* Any thread: half of the ring is in use, so whoever can wait should not write now. */
bool journal_ring_tight(const struct journal_ring *r);
/* Any thread: bytes that the reader has not taken. */
uint64_t journal_ring_used(const struct journal_ring *r);
/* Any thread: bytes published so far. */
uint64_t journal_ring_tail(const struct journal_ring *r);
/* Any thread: units that went into overflow so far. */
uint64_t journal_ring_overflows(const struct journal_ring *r);

/* ---- consumer ---- */
/* The oldest unit that was not taken, NULL if there is none. It stays valid until journal_ring_take(). */
const struct journal_unit_head *journal_ring_peek(struct journal_ring *r);
void journal_ring_take(struct journal_ring *r);
/* Effects are missing from the stream. */
bool journal_ring_lost(const struct journal_ring *r);
/* The reader holds the shard and begins anew: what is in the ring is dropped, and nothing is missing any more. */
void journal_ring_reset(struct journal_ring *r);

/* The effects of one unit's part, in order. */
struct journal_iter {
	const char *at, *end;
	const struct journal_block *block;
	const struct journal_effect_head *effect; /* NULL: none is left */
	const char *command;                      /* RESP, effect->bytes long */
};
void journal_iter_begin(struct journal_iter *it, const struct journal_unit_head *u);
void journal_iter_next(struct journal_iter *it);
