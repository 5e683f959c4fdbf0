/* The append-only file is filled ahead of its stream: the next piece of it is written, and synced, before the stream
 * gets there. What then goes over it changes neither the file's size nor its blocks, so its sync has no journal of the
 * file system to wait for. (Blocks that are only reserved would not do: that they are in use now is journalled, too.)
 *
 * Its operations have the file for themselves: of two syncs at once, one could be told of the other's error.
 *
 * Owner: the control thread.
 */
#pragma once

#include "persist/file_sys.h"

enum aof_ahead_end {
	AOF_AHEAD_DONE,
	AOF_AHEAD_NOT_FILLED, /* a write failed: cut it off, write behind the stream's end */
	AOF_AHEAD_NOT_CUT,    /* it can be tried again */
	AOF_AHEAD_NOT_SYNCED  /* nobody knows what is on the disk */
};

typedef void (*aof_ahead_ended_fn)(void *ctx, enum aof_ahead_end end, int64_t err);

struct aof_ahead {
	struct file_sys *f;
	aof_ahead_ended_fn ended; /* also from within aof_ahead_cut() */
	void *ctx;
	bool busy;       /* an operation is under way */
	bool stop;       /* the piece ends with the write that is under way */
	bool cutting;    /* it is a cut */
	int fd;          /* its file */
	uint64_t synced; /* fill is there up to here, for sure */
	uint64_t end;    /* ... and may be up to here; 0: none */
	uint64_t at, to; /* the piece that is being written: from, up to */
	uint64_t stream; /* where the stream ends */
	struct file_op op;
	char *lines;
};

/* 0, or -ENOMEM. */
int aof_ahead_init(struct aof_ahead *a, struct file_sys *f, aof_ahead_ended_fn ended, void *ctx);
void aof_ahead_fini(struct aof_ahead *a);
/* Another file, which has none. Nothing is under way. */
void aof_ahead_new_file(struct aof_ahead *a);
/* Can a write that ends there go over fill, and leave a line of it behind? */
bool aof_ahead_covers(const struct aof_ahead *a, uint64_t end);
/* Is there anything to cut off, or about to be? */
bool aof_ahead_any(const struct aof_ahead *a);
/* Begins to fill until a write that ends at `to` is covered. `stream`: where the stream ends. */
void aof_ahead_fill(struct aof_ahead *a, int fd, uint64_t stream, uint64_t to);
/* Of a piece that is being written no more is begun: it ends as if a write had failed. */
void aof_ahead_stop(struct aof_ahead *a);
/* Begins to cut it off. What is written behind the stream's end before that has ended may be torn without being known
 * for it. */
void aof_ahead_cut(struct aof_ahead *a, int fd, uint64_t stream);
