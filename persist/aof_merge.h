/* The rings of all shards become one stream of commands: SELECT where the database changes, MULTI and EXEC around a
 * unit of several effects.
 *
 * A unit of one shard is taken in its shard's order. A unit of several is taken when it is the oldest of each of them,
 * so its place agrees with every shard. Leases stand in one serial order, so there is always one that can go.
 *
 * Owner: the control thread.
 */
#pragma once

#include "persist/aof_buf.h"
#include "store/journal_ring.h"

struct aof_merge {
	uint32_t n;
	struct journal_ring *ring[RP_MAX_WORKERS];
	uint32_t db;                    /* selected in the stream; UINT32_MAX: none yet */
	bool timestamps;                /* #TS: lines (aof-timestamp-enabled) */
	int64_t stamp_s;                /* of the last one */
	uint64_t units, effects;        /* taken so far */
	uint64_t until[RP_MAX_WORKERS]; /* what stood in each ring at aof_merge_begin() */
};

enum aof_merge_end {
	AOF_MERGE_DRAINED, /* all that was there */
	AOF_MERGE_FULL,    /* out has as much as it should */
	AOF_MERGE_MARK,    /* a mark was taken: what follows belongs behind it */
	AOF_MERGE_LOST,    /* effects are missing: begin anew from a snapshot */
	AOF_MERGE_NOMEM    /* out could not grow; nothing was lost */
};

void aof_merge_init(struct aof_merge *m, struct journal_ring *const *rings, uint32_t n);
/* The stream goes on in another file. */
void aof_merge_new_file(struct aof_merge *m);
/* Takes units into out until it has `most` bytes or more. now_s: for #TS. *mark: with AOF_MERGE_MARK. */
enum aof_merge_end aof_merge_poll(struct aof_merge *m, struct aof_buf *out, size_t most, int64_t now_s, uint64_t *mark);
/* Is there anything to take? */
bool aof_merge_pending(const struct aof_merge *m);
/* A round begins: remembers what is in the rings now ... */
void aof_merge_begin(struct aof_merge *m);
/* ... so that this says whether all of it was taken. */
bool aof_merge_passed(const struct aof_merge *m);
/* Drops what is in the rings. */
void aof_merge_discard(struct aof_merge *m);
