/* The journal hook: each write emits its deterministic effect (SPOP -> SREM, EXPIRE -> PEXPIREAT, INCRBYFLOAT -> SET),
 * in shard order. AOF and replication will read it; without a reader an emission costs one test of `emit`. */
#pragma once

#include "base/defs.h"

struct journal {
	void *ctx;
	uint64_t txid;    /* of the effect being executed when it spans shards; 0: a single one. Holder writes */
	uint32_t nshards; /* how many shards take part in txid */
	/* Holder of the shard. The slices live only during the call. */
	void (*emit)(void *ctx, uint64_t txid, uint32_t nshards, uint32_t db, uint32_t argc, const struct slice *argv);
};

static inline bool journal_on(const struct journal *j)
{
	return j != NULL && j->emit != NULL;
}
static inline void journal_emit(struct journal *j, uint32_t db, uint32_t argc, const struct slice *argv)
{
	if (journal_on(j))
		j->emit(j->ctx, j->txid, j->nshards, db, argc, argv);
}
