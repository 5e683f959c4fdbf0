/* One rte_hash with the direct view of its key store that makes walking, moving and replacing cheap.
 *
 * A key of the rte_hash is 8 bytes, the pointer to the object; its data is the key's full 64-bit hash. Both lie side by
 * side in the key store, so a struct index_slot is what rte_hash keeps for an entry. The compare function sees the hash
 * as well: a wrong candidate costs no access to its object, and moving an entry to another table touches no object.
 *
 * What rte_hash is asked with is a struct index_slot too, whose pointer is tagged (see enum index_probe).
 */
#pragma once

#include "store/index.h"

struct rte_hash;

struct index_slot {
	uint64_t hash;
	struct object *o; /* NULL: free, moved on, or removed */
};

/* How a probe is compared; the value is the tag in its pointer's low bits. */
enum index_probe {
	PROBE_OBJECT = 0,    /* the very object */
	PROBE_KEY = 1,       /* points to a struct slice: same hash and same bytes */
	PROBE_CANDIDATE = 2, /* same hash; the caller compares the bytes when it has prefetched the object */
	PROBE_MASK = 3
};

struct index_table {
	struct rte_hash *h;
	struct index_slot *slots; /* by position */
	uint32_t capacity;
	uint32_t live; /* slots in use */
	uint32_t pos;  /* as the old table: next position to move; detached: next to drain */
	uint32_t gen;  /* mod 64 */
	uint64_t seed;
	struct index_table *next; /* while detached */
};

/* Largest table: rte_hash computes slot * 16 in 32 bits. */
#define INDEX_TABLE_MAX (1u << 28)
/* rte_hash compares its hit mask with (1 << n) - 1, which goes wrong for n = 64: an entry in an extension bucket would
 * be missed. */
#define INDEX_BULK 32

static inline struct index_slot index_probe(enum index_probe how, const void *p, uint64_t hash)
{
	return (struct index_slot){hash, (struct object *)((uintptr_t)p | how)};
}

bool index_table_add(struct index_table *t, struct object *o, uint64_t hash);
/* Position or a negative number. */
int32_t index_table_position(const struct index_table *t, const struct index_slot *probe);
void index_table_positions(const struct index_table *t, const struct index_slot *probe, uint32_t n, int32_t *pos);
/* False if o is not there. */
bool index_table_remove(struct index_table *t, const struct object *o, uint64_t hash);
/* Frees the slot without unhashing it: for a table that gets no more entries. */
void index_table_forget(struct index_table *t, uint32_t pos);
