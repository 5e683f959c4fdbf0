/* The index of one database of one shard: key -> object.
 *
 * Linear hashing (Litwin 1980) over buckets of one cache line: seven entries and a link to an overflow bucket. It grows
 * and shrinks by single buckets, so no operation ever stalls, there is one place to look, and nothing is built ahead.
 * An entry is an object's address and 16 bits of its key's hash, half of which say where it belongs after the next
 * splits: growing looks at no object but at every eighth doubling.
 *
 * Owner: the holder of the shard. Memory comes from the shard's heap.
 */
#pragma once

#include "store/object.h"

struct index;

struct index_stats {
	uint64_t entries, buckets, overflow; /* overflow: extra buckets of full ones */
	uint64_t splits, merges;
	size_t memory_bytes; /* of the heap */
};

/* Room for `initial` entries at once. NULL: out of memory. */
struct index *index_create(struct heap *h, uint64_t seed, uint64_t initial);
/* The objects are the caller's. */
void index_destroy(struct index *ix);

/* The hash that the calls below take. Pure. */
uint64_t index_hash(const struct index *ix, struct slice key);

struct object *index_find(const struct index *ix, struct slice key, uint64_t hash);
/* Up to RP_MAX_BURST keys; out[i] is NULL where there is none. Prefetches as it goes. */
void index_find_bulk(const struct index *ix, const struct slice *key, const uint64_t *hash, uint32_t n,
		     struct object **out);
/* The key must not be there. false: out of memory. */
bool index_insert(struct index *ix, struct object *o, uint64_t hash);
/* o must be there. */
void index_remove(struct index *ix, struct object *o, uint64_t hash);
/* Replaces the pointer to old_obj by new_obj (same key). Never fails, never moves the entry. old_obj is not looked at.
 */
void index_replace(struct index *ix, struct object *old_obj, struct object *new_obj, uint64_t hash);

uint64_t index_count(const struct index *ix);
/* Visits whole buckets from *cursor on, until `budget` units of work are done, an object or a bucket being one each;
 * fn gets each object. *cursor 0 starts and, after the last, ends a walk. Guarantees of SCAN, also while growing
 * and shrinking: what is there from beginning to end is visited at least once. The cursor fits 32 bits. fn may remove
 * objects, and may not insert. Returns the work done. */
typedef void (*index_visit_fn)(void *ctx, struct object *o);
uint32_t index_walk(struct index *ix, uint64_t *cursor, uint32_t budget, index_visit_fn fn, void *ctx);
/* Brings the next `buckets` of a walk from `cursor` on, and their objects, into the cache. */
void index_walk_ahead(const struct index *ix, uint64_t cursor, uint32_t buckets);
/* Makes room for so many entries of an index that is empty. False: it is not, or out of memory; nothing changed. */
bool index_reserve(struct index *ix, uint64_t entries);
/* A random object (uniform over positions, bounded tries then next occupied), NULL if empty. `rnd` any random number.
 */
struct object *index_random(const struct index *ix, uint64_t rnd);

/* Empties the index at once: its buckets, objects still in them, are put in front of *chain, to be drained one by one
 * and destroyed; tag: the caller's. False: out of memory, nothing changed. */
struct index_remains;
bool index_detach(struct index *ix, struct index_remains **chain, uint32_t tag);
uint32_t index_remains_tag(const struct index_remains *r);
void index_remains_tag_set(struct index_remains *r, uint32_t tag);
struct index_remains *index_remains_next(const struct index_remains *r);
/* Takes objects out, at most *budget units of work (decremented). True when it is empty and its buckets are freed. */
bool index_remains_drain(struct index_remains *r, uint32_t *budget, index_visit_fn fn, void *ctx);
void index_remains_destroy(struct index_remains *r);
/* Buckets that a complete walk visits now. */
uint64_t index_buckets(const struct index *ix);

/* An index with no more buckets than this is quickly emptied entry by entry. */
#define INDEX_SMALL 512
/* What an entry costs on the average. */
#define INDEX_ENTRY_BYTES 14

/* Gives up buckets that many removals left behind, at most `budget`. Returns how many. */
uint32_t index_poll(struct index *ix, uint32_t budget);
void index_stats_get(const struct index *ix, struct index_stats *out);
