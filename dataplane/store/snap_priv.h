/* Between the files of snapshots, and for the store where it meets one. */
#pragma once

#include "store/rdb/rdb.h"
#include "store/snap.h"
#include "store/store_priv.h"

#define SNAP_CHUNK_BYTES ((size_t)64 * 1024) /* a buffer's first size */
#define SNAP_CHUNK_FULL  ((size_t)60 * 1024) /* it leaves with this */
#define SNAP_BLOB_MIN    ((size_t)32 * 1024) /* longer strings are handed over by reference */

/* One stream: a queue of chunks, and the buffer being filled. */
struct snap_queue {
	/* holder */
	struct rdb_out w RP_CACHE_ALIGNED; /* a struct snap_chunk stands in front of its bytes */
	uint32_t db;                       /* selected in the stream; STORE_NO_DB: none yet */
	uint32_t keys;                     /* in the buffer */
	bool open;                         /* the last chunk was, so one must follow */
	struct snap_chunk *tail;
	uint64_t sent_bytes; /* written relaxed, read by anybody */
	/* control */
	struct snap_chunk *head RP_CACHE_ALIGNED; /* the last one taken */
	uint64_t taken_bytes;                     /* written relaxed, read by anybody */
};

/* A large object that is no key any more; the snapshot frees it. */
struct snap_orphan {
	struct snap_orphan *next;
	struct object *o;
	uint32_t db;
};

struct snap {
	struct snap_params p;
	struct snap_queue q[SNAP_STREAMS];
	/* holder */
	struct store *s;
	struct heap *heap;
	int64_t epoch_ms; /* keys expired by then were none */
	bool settling;    /* nothing is written any more */
	uint32_t db;      /* being walked */
	uint32_t ahead;   /* buckets that are in the cache */
	struct rdb_slices big;
	const struct object *big_o;     /* being written in slices, or NULL */
	struct snap_orphan *big_orphan; /* if it is one */
	const struct object *met;       /* a large object that the walk has met */
	const struct object *urgent;    /* a large object that a writer waits for */
	uint32_t met_db, urgent_db;     /* epoch's numbers */
	struct snap_orphan *orphans;
	uint64_t pushed;
	struct snap_stats stats;
	uint32_t ended, failed; /* atomic: holder writes, control reads */
	uint32_t cancel;        /* atomic: control writes, holder reads */
};

/* Of struct snap_stats: this thread alone writes it, others read. */
static inline void snap_count(uint64_t *figure, uint64_t more)
{
	__atomic_store_n(figure, *figure + more, __ATOMIC_RELAXED);
}

/* ---- snap_put.c ---- */
bool snap_queue_init(struct snap *n, enum snap_stream st);
void snap_queue_fini(struct snap *n, enum snap_stream st);
/* A record: whole. */
void snap_put(struct snap *n, enum snap_stream st, const struct object *o, uint32_t db);
/* A large value: what stands before it, then its slices; true: it is whole. */
void snap_put_begin(struct snap *n, const struct object *o, uint32_t db);
bool snap_put_more(struct snap *n, uint64_t until_tsc);
/* The buffer leaves. */
void snap_flush(struct snap *n, enum snap_stream st, bool open);
void snap_fail(struct snap *n);
