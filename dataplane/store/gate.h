/* Which replies must wait until effects are durable (appendfsync always): those of writes, and of whatever saw what
 * they wrote. A shard remembers for each key changed lately the round of the journal that makes it durable, in a table
 * by the key's hash: two keys that share a place make a reply wait longer than it had to, never shorter.
 *
 * Owner: the holder of the shard. Without a table (the usual case) nothing is remembered.
 */
#pragma once

#include "store/store.h"

#define GATE_SLOTS   32768 /* power of two */
#define GATE_TOUCHED 64    /* keys that one unit may change before it counts for all keys of the shard */

struct store_gates {
	uint64_t seen; /* the latest round that something found in this unit waits for */
	uint64_t last; /* of the shard's latest change */
	uint64_t all;  /* the least for every key: after a change of more than can be listed */
	uint32_t ntouched;
	bool touched_all;
	uint32_t touched[GATE_TOUCHED];
	uint64_t slot[GATE_SLOTS];
};

/* Holder. g: zeroed memory of the caller's; NULL: none. */
void store_set_gates(struct store *s, struct store_gates *g);
struct store_gates *store_gates(const struct store *s);
/* The same for g != NULL where none is, from any thread: seen from the holder's next unit on at the latest. A unit that
 * is being executed and ends with g counts for all keys. */
void store_show_gates(struct store *s, struct store_gates *g);
/* Around a unit. gate: the round that makes its effects durable, 0 if it had none. Returns the round that a reply about
 * what the unit found or changed has to wait for, 0: none. wide: it may have looked at any key. */
void store_gates_begin(struct store *s);
uint64_t store_gates_end(struct store *s, uint64_t gate, bool wide);
