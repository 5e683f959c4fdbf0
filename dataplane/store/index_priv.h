/* Buckets of the index.
 *
 *   slot   63     56 55     48 47                        0
 *          +--------+---------+-------------------------+
 *          |  tag   |  next   |   object's address      |      0: free
 *          +--------+---------+-------------------------+
 *
 * With n buckets, 2^k <= n < 2^(k+1), bucket b holds the hashes that end in its k + 1 low bits if its buddy b ^ 2^k
 * exists, else those that end in its k low bits: k + 1 or k is the bucket's level. `next` is the byte of the hash that
 * holds bit `level`: it decides the splits to come, until they use it up. `tag` is the hash's highest byte.
 */
#pragma once

#include "store/index.h"

#define BUCKET_SLOTS 7

struct bucket {
	uint64_t slot[BUCKET_SLOTS];
	struct bucket *more; /* overflow */
};
_Static_assert(sizeof(struct bucket) == 64, "a bucket is a cache line");

#define SEG_SHIFT   10 /* buckets of a segment: 64 KiB */
#define SEG_BUCKETS (1u << SEG_SHIFT)
#define BUCKETS_MIN 8
#define BUCKETS_MAX (1u << 31)

#define SLOT_ADDR  (((uint64_t)1 << 48) - 1)
#define NEXT_SHIFT 48
#define TAG_SHIFT  56
#define NEXT_BITS  8

struct buckets {
	struct bucket **seg; /* directory; the only segment may be shorter than the others */
	uint32_t n, segs, segs_cap;
	uint32_t first_cap; /* buckets of the first segment */
	uint64_t overflow;
};

struct index {
	struct buckets b;
	uint32_t floor; /* buckets that it does not shrink below */
	uint64_t count;
	uint64_t seed;
	struct heap *heap;
	uint64_t splits, merges;
};

struct index_remains {
	struct buckets b;
	struct heap *heap;
	struct index_remains *next;
	uint32_t tag;
};

static inline struct object *slot_object(uint64_t s)
{
	return (struct object *)(uintptr_t)(s & SLOT_ADDR);
}

static inline uint64_t slot_make(const struct object *o, uint64_t hash, uint32_t level)
{
	return (uint64_t)(uintptr_t)o | (hash >> (level & ~(uint32_t)(NEXT_BITS - 1)) & 0xff) << NEXT_SHIFT |
	       (hash >> TAG_SHIFT) << TAG_SHIFT;
}

static inline struct bucket *bucket_at(const struct buckets *t, uint32_t b)
{
	return &t->seg[b >> SEG_SHIFT][b & (SEG_BUCKETS - 1)];
}

static inline uint32_t high_bit(uint32_t n)
{
	return 1u << (31 - __builtin_clz(n));
}

static inline uint32_t bucket_level(const struct buckets *t, uint32_t b)
{
	uint32_t half = high_bit(t->n), k = (uint32_t)__builtin_ctz(half);

	return k + ((b & (half - 1)) + half < t->n);
}

static inline uint32_t bucket_of(const struct buckets *t, uint64_t hash)
{
	uint32_t full = UINT32_MAX >> __builtin_clz(t->n), b = (uint32_t)hash & full;

	return b < t->n ? b : b & full >> 1;
}

/* index_buckets.c */
bool buckets_init(struct buckets *t, struct heap *h, uint32_t n);
void buckets_fini(struct buckets *t, struct heap *h);
/* One more bucket, or one less. false: out of memory, nothing changed. */
bool buckets_split(struct buckets *t, struct heap *h, uint64_t seed);
bool buckets_merge(struct buckets *t, struct heap *h, uint64_t seed);
/* A free slot of bucket b. NULL: out of memory. */
uint64_t *buckets_free_slot(struct buckets *t, struct heap *h, uint32_t b);
size_t buckets_bytes(const struct buckets *t);
