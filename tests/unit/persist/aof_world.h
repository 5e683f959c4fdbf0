/* Shards that write units of effects, and what of them is found in an append-only file afterwards.
 *
 * An effect is a command `P shard seq unit`; seq counts each shard's effects. A base file says how many units there
 * were at its epoch, and how many effects each shard had. So what a directory holds can be told from its bytes alone:
 * which units are there, whether one is torn, and whether each shard's effects are in their order.
 */
#pragma once

#include "mem_files.h"
#include "persist/aof_manifest.h"
#include "store/journal_ring.h"
#include "store/store.h"

#define SHARDS     3
#define ALL_SHARDS ((1ull << SHARDS) - 1)
#define UNITS      8192

struct unit { /* one that was emitted */
	uint64_t shards, gate;
	uint64_t seq[SHARDS]; /* 0: takes no part */
};

struct aof_world {
	struct mem_files *m;
	struct rng rng;
	struct heap *heap[SHARDS];
	struct journal *journal[SHARDS];
	struct store *store[SHARDS];
	struct journal_clock *clock;
	uint64_t next_seq[SHARDS];
	struct unit unit[UNITS];
	uint32_t nunits;
};

/* journal: those of the shards; clock: of who reads the rings. */
void aof_world_open(struct aof_world *w, uint64_t seed, struct journal *const *journal, struct journal_clock *clock);
void aof_world_close(struct aof_world *w);
/* Some shards, some effects; nothing if all places are taken. */
void aof_world_write(struct aof_world *w);
/* The base file of this moment, len bytes to be freed. */
char *aof_world_base(const struct aof_world *w, size_t *len);
/* What stands in the files that DIR/NAME.manifest names: every unit that `synced` covers, none of them torn, each
 * shard's effects from the first on, in order. An unfinished end of the last file is no part of it; if `mends`, it is
 * cut off. Units that are not there are forgotten, as if they had never been. */
void aof_world_check(struct aof_world *w, const char *dir, const char *name, uint64_t synced, bool mends);
