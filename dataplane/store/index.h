/* The index of one database of one shard: key -> object. Everything about rte_hash stays behind this header.
 *
 * Grows without a stall: at 75% it asks for a table of the next size through `index_ops.want_table` (the control thread
 * builds it and hands it back with index_give_table()), then every insert and every index_poll() moves a few entries;
 * lookups try the new table, then the old. If the old table fills up before the new one arrives, it is built in place
 * and counted (index_stats.inline_grows).
 *
 * Owner: the holder of the shard. index_table_create/destroy: control thread (or the owner in the inline case).
 */
#pragma once

#include "store/object.h"

struct index;
struct index_table; /* an rte_hash with its generation */

/* Called by the owner: please build a table of `entries` entries and deliver it with index_give_table(). May do
 * nothing. */
struct index_ops {
	void *ctx;
	void (*want_table)(void *ctx, struct index *ix, uint32_t entries);
	void (*drop_table)(void *ctx, struct index_table *t); /* emptied: to be destroyed off the data path */
};

struct index_stats {
	uint64_t entries, capacity, grows, inline_grows, moved;
	size_t memory_bytes;
};

/* `name` must be unique in the process (it names rte_hash tables). `initial` entries, at least 64. NULL: out of EAL
 * memory. Control thread. */
struct index *index_create(const char *name, uint64_t seed, uint32_t initial, const struct index_ops *ops);
void index_destroy(struct index *ix);

struct index_table *index_table_create(const char *index_name, uint64_t seed, uint32_t entries);
void index_table_destroy(struct index_table *t);
/* Name and seed to build a table for ix with; constant, any thread. */
const char *index_name(const struct index *ix);
uint64_t index_seed(const struct index *ix);
void index_give_table(struct index *ix, struct index_table *t); /* t NULL: could not be built; asked again later */

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
/* Replaces the pointer to old_obj by new_obj (same key). Never fails, never moves the entry. old_obj's memory must
 * still be readable. */
void index_replace(struct index *ix, struct object *old_obj, struct object *new_obj, uint64_t hash);

uint64_t index_count(const struct index *ix);
/* Visits up to `budget` key positions from *cursor on; fn gets each object there. *cursor 0 starts and, after the last,
 * ends a walk. Guarantees of SCAN, also while growing: what is there from beginning to end is visited at least once.
 * The cursor fits 46 bits. fn may remove the object it is given and no other, and may not insert. Returns positions
 * visited. */
typedef void (*index_visit_fn)(void *ctx, struct object *o);
uint32_t index_walk(struct index *ix, uint64_t *cursor, uint32_t budget, index_visit_fn fn, void *ctx);
/* A random object (uniform over positions, bounded tries then next occupied), NULL if empty. `rnd` any random number.
 */
struct object *index_random(const struct index *ix, uint64_t rnd);

/* Empties the index at once: its tables, their objects still in them, are put in front of *chain (linked by
 * index_table_next()), to be drained and dropped one by one, and a small table takes their place: a spare that was
 * asked for (want_table) when the index became large, else one built on the spot. False: out of EAL memory, nothing
 * changed.
 */
bool index_detach(struct index *ix, struct index_table **chain);
struct index_table *index_table_next(const struct index_table *t);
/* Takes objects out of a detached table: visits at most *budget positions (decremented). True when it is empty. */
bool index_table_drain(struct index_table *t, uint32_t *budget, index_visit_fn fn, void *ctx);
/* Gives a drained table to index_ops.drop_table. */
void index_drop(struct index *ix, struct index_table *t);
/* Key positions that a complete walk visits now. */
uint64_t index_positions(const struct index *ix);

/* An index with no more positions than this is quickly emptied entry by entry; a larger one keeps a spare table for
 * index_detach(). */
#define INDEX_SMALL 4096

/* What one position of a table costs: slot, buckets, free lists. */
#define INDEX_POSITION_BYTES 37

/* Moves entries while growing, from at most `budget` positions. Returns how many positions it looked at. */
uint32_t index_poll(struct index *ix, uint32_t budget);
void index_stats_get(const struct index *ix, struct index_stats *out);
