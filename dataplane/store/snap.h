/* A shard's part of a snapshot: the state of one moment, the epoch, as records of an RDB file, while writes go on.
 *
 *   control thread                          holder of the shard
 *   snap_create()
 *   ... all shards leased ...               store_snap_begin(): the epoch
 *                                           store_snap_poll(): walks in slices; first serialises what a write
 *                                           is about to change (from store_touch_for_write())
 *   snap_take() ... snap_chunk_done()
 *   snap_ended(), snap_destroy()
 *
 * Every object has a bit (OBJ_F_EPOCH) that says whether the epoch's state of it is taken care of: beginning turns the
 * meaning of the bit around, so that all objects are due at once; being walked, being written or being new makes it
 * done. So each key of the epoch is written exactly once, whatever the index does meanwhile. A snapshot that is
 * cancelled walks on without writing, to leave all bits alike.
 *
 * Two streams leave a shard. A chunk ends with a whole record unless it is `open`; then the next chunk of the same
 * stream goes on, and nothing of another stream may stand between. Large values go in slices in the stream of the walk;
 * who wants to write one that is due waits (store_snap_must_wait()), and so do all writers while the other stream has
 * before_max_bytes under way. Who cannot wait (a lease's holder, expiry) is served at once all the same.
 */
#pragma once

#include "store/store.h"

struct snap;

enum snap_stream {
	SNAP_WALK,
	SNAP_BEFORE, /* states before writes */
	SNAP_STREAMS
};

enum snap_clock { /* what is said of keys' use: IDLE, FREQ */
	SNAP_CLOCK_NONE,
	SNAP_CLOCK_LRU,
	SNAP_CLOCK_LFU
};

struct snap_params {
	bool compress;
	enum snap_clock clock;
	size_t before_max_bytes, walk_max_bytes; /* under way, of each stream */
};

/* A piece of a stream. Part of a string's value by reference: length and bytes of `blob`, to be encoded by who takes
 * it, come behind data. */
struct snap_chunk {
	struct snap_chunk *next; /* the stream's order */
	struct heap *heap;
	struct blob *blob; /* or NULL */
	size_t cost_bytes; /* counted as under way */
	uint32_t len, keys;
	bool open;
	uint8_t data[] __attribute__((aligned(8)));
};

struct snap_stats {            /* holder writes, anybody reads relaxed */
	uint64_t keys;         /* written so far, of both streams */
	uint64_t before;       /* of them before a write */
	uint64_t inline_large; /* large values that could not wait for slices */
	uint64_t slices, slice_max_cycles;
	uint64_t waits; /* looks at commands that had to wait */
};

/* ---- control thread ---- */
/* NULL: out of memory. */
struct snap *snap_create(const struct snap_params *p);
/* After snap_ended(), or when nobody uses the shard any more. */
void snap_destroy(struct snap *n);
/* The next chunk of a stream, or NULL. Goes back with snap_chunk_done() before the next snap_take() of that stream. */
struct snap_chunk *snap_take(struct snap *n, enum snap_stream st);
void snap_chunk_done(struct snap *n, enum snap_stream st, struct snap_chunk *k);
/* All chunks are in the streams, and the shard has nothing to do with it any more. */
bool snap_ended(const struct snap *n);
/* The shard ran out of memory for it: what came is not all. */
bool snap_failed(const struct snap *n);
/* From now on nothing is written; it ends soon. */
void snap_cancel(struct snap *n);
uint64_t snap_flying_bytes(const struct snap *n, enum snap_stream st);
const struct snap_stats *snap_stats_get(const struct snap *n);

/* ---- holder of the shard ---- */
void store_snap_begin(struct store *s, struct snap *n);
/* Walks until `until_tsc`. Returns work done; 0: it waits for chunks to be taken, or there is none. */
uint32_t store_snap_poll(struct store *s, uint64_t until_tsc);
bool store_snap_active(const struct store *s);
/* Somebody may be waiting for the walk: for a large value that is being written (also the other shards' streams do), or
 * for its end, as it is cancelled. */
bool store_snap_pressing(const struct store *s);
/* Chunks pushed so far, of both streams: whoever reads them may want to be woken. */
uint64_t store_snap_pushed(const struct store *s);
/* Must a command that writes this key wait? */
bool store_snap_must_wait(struct store *s, uint32_t db, struct slice key);
/* Would any write have to? */
bool store_snap_full(const struct store *s);
/* One does, for that. */
void store_snap_note_wait(struct store *s);
