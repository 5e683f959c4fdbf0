/* Hash table of named elements, for what has many: fields of a hash, members of a set or sorted set. Linear hashing
 * (Litwin 1980) with chains through the elements: it grows and shrinks by one bucket per insert or removal, so no
 * operation ever stalls, and no insert can fail: without memory for another bucket its chains only become longer.
 *
 * An element is allocated by its type, around struct elem; the table never copies or frees one. Once it has an element
 * a table stays where it is. Owner: the holder of the shard.
 */
#pragma once

#include "base/rng.h"
#include "mem/heap.h"

struct elem {
	uint64_t next; /* table's: a link to the next element (see htab.c) */
	uint32_t len;  /* bytes of the name */
	uint32_t aux;  /* the type's */
	char name[];
};

static inline struct slice elem_name(const struct elem *e)
{
	return (struct slice){e->name, e->len};
}

/* Half of the elements with short names begin in one cache line and end in the next. */
static inline void elem_prefetch(const struct elem *e)
{
	__builtin_prefetch(e);
	__builtin_prefetch((const char *)e + RP_CACHE_LINE / 2);
}

struct htab {
	uint64_t seed;
	uint64_t count;
	union {
		uint64_t *one;  /* the buckets while one segment holds them; a bucket is a link to its first element */
		uint64_t **seg; /* else the directory of segments */
	};
	uint64_t first;   /* the only bucket while there is no memory, or no need, for others */
	uint32_t buckets; /* in use */
	uint32_t cap;     /* buckets that `one` has room for, or segments that `seg` has */
};

void htab_init(struct htab *t, uint64_t seed);
/* Frees the buckets; the elements are the caller's. */
void htab_fini(struct htab *t, struct heap *h);
uint64_t htab_hash(const struct htab *t, struct slice name);
/* Starts loading what a find of that hash will need: its bucket, and once that is there, what hangs in it. */
void htab_prefetch(const struct htab *t, uint64_t hash);
void htab_prefetch_elem(const struct htab *t, uint64_t hash);
/* ... and the one behind it, where the first is not the one. */
void htab_prefetch_next(const struct htab *t, uint64_t hash);
struct elem *htab_find(const struct htab *t, struct slice name);
struct elem *htab_find_hashed(const struct htab *t, struct slice name, uint64_t hash);
/* No element of that name is there. Never fails. */
void htab_insert(struct htab *t, struct heap *h, struct elem *e);
void htab_insert_hashed(struct htab *t, struct heap *h, struct elem *e, uint64_t hash);
/* Takes e, which is there, out. */
void htab_remove(struct htab *t, struct heap *h, struct elem *e);
void htab_remove_hashed(struct htab *t, struct heap *h, struct elem *e, uint64_t hash);
/* n takes the place of e (same name). */
void htab_replace(struct htab *t, struct elem *e, struct elem *n);
/* Before the first insert of a bulk load of n elements: makes their buckets, as far as that is quick. Advisory. */
void htab_reserve(struct htab *t, struct heap *h, uint64_t n);

typedef void (*htab_visit_fn)(void *ctx, struct elem *e);
/* Visits the chain at the cursor; returns the next cursor, 0 after the last. Guarantees of SCAN while the table grows
 * and shrinks: what is there from beginning to end is visited at least once. fn changes nothing. */
uint64_t htab_scan(const struct htab *t, uint64_t cursor, htab_visit_fn fn, void *ctx);
/* Uniform over all elements. NULL if empty. */
struct elem *htab_random(const struct htab *t, struct rng *rng);

/* In storage order; the table must not change meanwhile. */
struct htab_iter {
	const struct htab *t;
	uint32_t bucket; /* the next to look at */
	struct elem *e;  /* the next to return, if in a chain */
};
void htab_iter_begin(struct htab_iter *it, const struct htab *t);
/* NULL: end. The element returned may be freed before the next call. */
struct elem *htab_iter_next(struct htab_iter *it);

/* Takes elements out to be freed by fn, and frees buckets; each costs one of *budget. True when nothing is left.
 * Nothing but this and htab_fini() may be called on the table after the first call. */
bool htab_drain(struct htab *t, struct heap *h, uint32_t *budget, htab_visit_fn fn, void *ctx);
/* Bytes of buckets and directory. */
size_t htab_bytes(const struct htab *t);
