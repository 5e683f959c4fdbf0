/* Order-statistic B+ tree: pointers in the order of an 8-byte key and, where keys are equal, of what they point at.
 * Sorted sets (key: score), streams (time part of the first entry), pending entries, expiring fields (time).
 * Rank, element at rank and bounds cost O(log n) with few cache misses: a leaf is a run of (key, pointer), so that the
 * pointers are followed only where keys are equal.
 *
 * Inserts cannot fail when nodes were reserved before. Owner: the holder of the shard.
 */
#pragma once

#include "mem/heap.h"

/* Order of two pointers with equal keys: < 0, 0, > 0. NULL where keys are unique or any order will do (addresses). */
typedef int (*btree_cmp_fn)(const void *a, const void *b);

struct btree_node;

struct btree {
	struct btree_node *root;
	btree_cmp_fn cmp;
	uint64_t count;
	struct btree_node *spare[2]; /* reserved: leaves, inner nodes */
	uint32_t spares[2];
	uint32_t nodes[2]; /* in use, likewise */
	uint32_t height;   /* levels; 0: empty */
};

/* A position: valid until the tree changes. */
struct btree_pos {
	struct btree_node *leaf; /* NULL: beyond either end */
	uint32_t at;
};

void btree_init(struct btree *t, btree_cmp_fn cmp);
/* Frees all nodes at once; small trees. */
void btree_fini(struct btree *t, struct heap *h);
/* Frees nodes; fn, if not NULL, gets each pointer. *budget goes down by one for each node and each call of fn, and it
 * stops at 0. True when nothing is left. Nothing but this and btree_bytes() may be called after the first call. */
bool btree_drain(struct btree *t, struct heap *h, uint32_t *budget, void (*fn)(void *ctx, void *ptr), void *ctx);

/* Reserves nodes so that the next n inserts cannot fail. false: out of memory. */
bool btree_reserve(struct btree *t, struct heap *h, uint32_t n);
/* The same for an ascending run behind all pairs that are there: it fills its nodes, and so needs far fewer. */
bool btree_reserve_behind(struct btree *t, struct heap *h, uint32_t n);
/* Gives unused reserved nodes back. */
void btree_trim(struct btree *t, struct heap *h);
/* The pair must not be there. false: out of memory (never after a reservation), no pair changed. Ascending and
 * descending runs of inserts fill the nodes. Less than 2^32 pairs below one child of the root. */
bool btree_insert(struct btree *t, struct heap *h, uint64_t key, void *ptr);
/* true: it was there. */
bool btree_remove(struct btree *t, struct heap *h, uint64_t key, const void *ptr);
/* Same place in the order (cmp says equal): another address for the same pair. */
void btree_replace_ptr(struct btree *t, uint64_t key, const void *old_ptr, void *new_ptr);

/* Number of pairs before this one, which is there. */
uint64_t btree_rank(const struct btree *t, uint64_t key, const void *ptr);
/* Number of pairs before pos. */
uint64_t btree_pos_rank(const struct btree *t, struct btree_pos pos);
struct btree_pos btree_at(const struct btree *t, uint64_t rank);
struct btree_pos btree_first(const struct btree *t);
struct btree_pos btree_last(const struct btree *t);
bool btree_next(struct btree_pos *p); /* false: it was the last; then leaf is NULL */
bool btree_prev(struct btree_pos *p);
uint64_t btree_key(struct btree_pos p);
void *btree_ptr(struct btree_pos p);

/* First pair with key >= `key`; among those with equal key the first for which probe(ctx, ptr) >= 0 (probe tells how
 * ptr stands to what is looked for: < 0 before it, > 0 behind it; NULL: the first of that key). leaf NULL: none. */
typedef int (*btree_probe_fn)(const void *ctx, const void *ptr);
struct btree_pos btree_lower_bound(const struct btree *t, uint64_t key, btree_probe_fn probe, const void *ctx);
/* First pair for which probe(ctx, ptr) >= 0, over the whole tree: for orders in which all keys are equal or that the
 * probe knows better (ZRANGEBYLEX). */
struct btree_pos btree_search(const struct btree *t, btree_probe_fn probe, const void *ctx);

/* A double as a key: keeps the order, -0 equals 0; no NaN. And back. */
static inline uint64_t btree_key_of_double(double d)
{
	union {
		double d;
		int64_t i;
	} u = {.d = d == 0 ? 0 : d};
	return u.i < 0 ? ~(uint64_t)u.i : (uint64_t)u.i | (uint64_t)1 << 63;
}
static inline double btree_double_of_key(uint64_t k)
{
	union {
		double d;
		uint64_t i;
	} u = {.i = k >> 63 ? k & ~((uint64_t)1 << 63) : ~k};
	return u.d;
}
/* Bytes of all nodes, reserved ones too. */
size_t btree_bytes(const struct btree *t);
