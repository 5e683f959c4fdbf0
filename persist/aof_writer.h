/* The stream of effects on its way into a file, and what is known of its durability.
 *
 * In rounds: a round begins, takes all that the rings held then, writes it, syncs it, and tells the journal's clock.
 *   always     a round when one of those who wait asks for it (journal_want()); effects that come meanwhile make up
 *              the next one, so one sync serves everybody who waits. What nobody waits for has a round soon, too
 *   everysec   what there is is written at every call; a round once a second
 *   no         no rounds: the kernel writes back when it likes
 *
 * With `always` the file is filled ahead of the stream (aof_ahead.h), and what goes over fill is a frame
 * (aof_frame.h), one write with its sync at a time. The stream's offsets do not count the fill.
 *
 * Writes and syncs run beside the caller (file_sys). A write that fails is tried again every second, from its
 * beginning: nothing is lost as long as the rings have room. After a sync that failed nobody knows what is on the disk,
 * and asking again would only seem to succeed: the writer is broken, drops what it gets, and only aof_writer_start()
 * with a new file, behind a new snapshot, mends it.
 *
 * Owner: the control thread.
 */
#pragma once

#include "persist/aof_merge.h"
#include "persist/file_sys.h"

enum aof_fsync {
	AOF_FSYNC_ALWAYS,
	AOF_FSYNC_EVERYSEC,
	AOF_FSYNC_NO
};

enum aof_health {
	AOF_HEALTHY,
	AOF_WRITE_FAILS, /* tried again every second */
	AOF_BROKEN       /* a sync failed, or effects were lost */
};

#define AOF_HIST_BUCKETS 24 /* powers of two of microseconds */

struct aof_writer_stats {
	uint64_t bytes, writes, syncs, rounds;
	uint64_t delayed; /* a second had passed and the last sync had not returned */
	uint64_t sync_us_last, sync_us_max;
	uint64_t hist[AOF_HIST_BUCKETS];
};

struct aof_writer_hooks {
	void *ctx;
	/* The journal's clock has moved: who waits for it wants to know. */
	void (*synced)(void *ctx);
	/* All before `mark` is written and synced. Gives the writer the file for what follows (aof_writer_switch()), or
	 * leaves it, if there is none, with the old one. */
	void (*mark)(void *ctx, uint64_t mark);
	/* Health has changed; why: "write: No space left on device". */
	void (*health)(void *ctx, enum aof_health h, const char *why);
};

struct aof_writer;

/* clock: of all who wait; the writer's alone to change. NULL: out of memory. */
struct aof_writer *aof_writer_create(struct file_sys *f, struct journal_clock *clock, struct journal_ring *const *rings,
				     uint32_t n, const struct aof_writer_hooks *hooks);
/* Waits for operations under way; closes the file. */
void aof_writer_destroy(struct aof_writer *w);
void aof_writer_policy(struct aof_writer *w, enum aof_fsync policy, bool timestamps);
/* With `always` the file is filled ahead by pieces of so many bytes; 0: it is not. */
void aof_writer_fill_ahead(struct aof_writer *w, uint64_t bytes);
/* No syncs but those of `always` while that is on (no-appendfsync-on-rewrite). */
void aof_writer_spare_disk(struct aof_writer *w, bool on);

/* Begins to write to fd, which it takes, at `off`. Whatever it had before is forgotten: only where a snapshot holds it.
 * confirmed: the file is part of what would be loaded; otherwise nothing counts as durable until aof_writer_confirm().
 */
void aof_writer_start(struct aof_writer *w, int fd, uint64_t off, bool confirmed);
void aof_writer_confirm(struct aof_writer *w);
bool aof_writer_confirmed(const struct aof_writer *w);
/* What it has written is of no use: as after a sync that failed, but nobody is told. */
void aof_writer_break(struct aof_writer *w);
/* From the hook `mark`: the stream goes on in fd. */
void aof_writer_switch(struct aof_writer *w, int fd);
/* Takes no more; what was not written is dropped. */
void aof_writer_stop(struct aof_writer *w);
/* There is something that a round could begin with now: ask before going to sleep. */
bool aof_writer_due(const struct aof_writer *w);
bool aof_writer_started(const struct aof_writer *w);

/* Goes on with what can go on. Returns the microseconds after which it wants to be called again, 0: at once,
 * UINT64_MAX: with the next event only. */
uint64_t aof_writer_poll(struct aof_writer *w, uint64_t mono_us, int64_t wall_us);
/* Asks for a round now, whatever the policy (WAITAOF). */
void aof_writer_sync_soon(struct aof_writer *w);
/* Writes and syncs everything that the rings hold, cuts off what was filled ahead, and waits for it: shutdown, a change
 * to `no`. 0 or -errno. */
int aof_writer_flush(struct aof_writer *w, uint64_t mono_us, int64_t wall_us);

enum aof_health aof_writer_health(const struct aof_writer *w);
uint64_t aof_writer_offset(const struct aof_writer *w);   /* of the file: bytes written */
uint64_t aof_writer_unsynced(const struct aof_writer *w); /* of them not known to be durable */
uint64_t aof_writer_pending(const struct aof_writer *w);  /* bytes in memory, without the rings */
bool aof_writer_syncing(const struct aof_writer *w);
int64_t aof_writer_last_sync_us(const struct aof_writer *w); /* mono; when the last sync returned */
const struct aof_writer_stats *aof_writer_stats(const struct aof_writer *w);
