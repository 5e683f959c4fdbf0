#include "persist/aof_writer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "persist/aof_ahead.h"
#include "persist/aof_frame.h"

#define BUFFER_BYTES  (1u << 20) /* taken from the rings for one write */
#define BUFFER_KEPT   (4u << 20)
#define RETRY_US      1000000
#define SECOND_US     1000000
#define EVERYSEC_US   950000 /* between two rounds: with the look at the rings and the disk a second is promised */
#define POLL_US       4000   /* everysec, no: between two looks at the rings; sleep is in whole ms, 5 are promised */
#define POLL_IDLE_US  100000
#define UNASKED_US    1000 /* always: effects that nobody has asked a round for have one after that */
#define GATHER_PART   4    /* of the time that a sync takes */
#define GATHER_MAX_US 200
#define AHEAD_SHARE \
	4 /* of a piece: a longer buffer goes behind the stream, or there would be a sync of fill for each */

struct aof_writer {
	struct file_sys *f;
	struct journal_clock *clock;
	struct aof_merge merge;
	struct aof_writer_hooks hooks;
	enum aof_fsync policy;
	enum aof_health health;
	bool spare_disk;
	bool sync_soon;

	int fd; /* -1: stopped */
	bool confirmed;
	uint64_t off; /* written */
	uint64_t synced_off;
	struct aof_buf fill, fly; /* being filled; being written, from fly_done on */
	size_t fly_done;
	bool framed; /* what is in fill, or fly */
	struct file_op wop, sop;
	bool writing, syncing;
	bool over_fill; /* the write under way is; it is its own sync */
	uint64_t retry_us;

	struct aof_ahead ahead;
	uint64_t ahead_bytes;    /* a piece; 0: the file is not filled ahead */
	uint64_t ahead_retry_us; /* after a failure */
	bool flushing;           /* aof_writer_flush(): it is not, either */
	bool after_frame;        /* what stands in front of off is one */

	uint64_t round;                        /* under way; 0: none */
	bool round_taken;                      /* all of it is in the buffers or beyond */
	uint64_t sync_round;                   /* that the sync under way ends; 0: none */
	uint64_t sync_off;                     /* bytes that it covers */
	uint64_t mark;                         /* met, not told yet; 0: none */
	uint64_t sync_began_us, last_round_us; /* began */
	uint64_t round_ended_us;
	uint64_t sync_began_ns; /* for the figures: the caller's clock stands still within a call */
	int64_t last_sync_us;
	uint64_t now_us;
	int64_t wall_us;
	struct aof_writer_stats stats;
};

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* ---- life ---- */

static void ahead_ended(void *ctx, enum aof_ahead_end end, int64_t err);

struct aof_writer *aof_writer_create(struct file_sys *f, struct journal_clock *clock, struct journal_ring *const *rings,
				     uint32_t n, const struct aof_writer_hooks *hooks)
{
	struct aof_writer *w = calloc(1, sizeof *w);

	if (w == NULL)
		return NULL;
	w->f = f;
	w->clock = clock;
	w->hooks = *hooks;
	w->fd = -1;
	aof_merge_init(&w->merge, rings, n);
	if (aof_ahead_init(&w->ahead, f, ahead_ended, w) == 0)
		return w;
	free(w);
	return NULL;
}

/* Until nothing is under way. What comes of it is of no interest any more. */
static void settle(struct aof_writer *w)
{
	w->health = AOF_BROKEN;
	aof_ahead_stop(&w->ahead);
	while (w->writing || w->syncing || w->ahead.busy)
		file_sys_wait(w->f);
}

static void new_file(struct aof_writer *w, uint64_t off)
{
	w->off = w->synced_off = off;
	w->after_frame = false;
	aof_ahead_new_file(&w->ahead);
	aof_merge_new_file(&w->merge);
}

void aof_writer_stop(struct aof_writer *w)
{
	settle(w);
	if (w->fd >= 0)
		w->f->ops->close(w->f, w->fd);
	w->fd = -1;
	w->fill.len = w->fly.len = w->fly_done = 0;
	w->round = w->sync_round = w->mark = 0;
	w->health = AOF_HEALTHY;
	new_file(w, 0);
}

void aof_writer_destroy(struct aof_writer *w)
{
	if (w == NULL)
		return;
	aof_writer_stop(w);
	aof_ahead_fini(&w->ahead);
	aof_buf_fini(&w->fill);
	aof_buf_fini(&w->fly);
	free(w);
}

void aof_writer_policy(struct aof_writer *w, enum aof_fsync policy, bool timestamps)
{
	w->policy = policy;
	w->merge.timestamps = timestamps;
}

void aof_writer_fill_ahead(struct aof_writer *w, uint64_t bytes)
{
	w->ahead_bytes = bytes;
}

void aof_writer_spare_disk(struct aof_writer *w, bool on)
{
	w->spare_disk = on;
}

void aof_writer_start(struct aof_writer *w, int fd, uint64_t off, bool confirmed)
{
	aof_writer_stop(w);
	w->fd = fd;
	w->confirmed = confirmed;
	new_file(w, off);
}

void aof_writer_confirm(struct aof_writer *w)
{
	w->confirmed = true;
	w->sync_soon = true;
}

bool aof_writer_confirmed(const struct aof_writer *w)
{
	return w->confirmed;
}

void aof_writer_break(struct aof_writer *w)
{
	w->fill.len = w->fly.len = w->fly_done = 0;
	w->round = w->mark = 0;
	w->health = AOF_BROKEN;
}

void aof_writer_switch(struct aof_writer *w, int fd)
{
	w->f->ops->close(w->f, w->fd);
	w->fd = fd;
	new_file(w, 0);
}

bool aof_writer_started(const struct aof_writer *w)
{
	return w->fd >= 0;
}

void aof_writer_sync_soon(struct aof_writer *w)
{
	w->sync_soon = true;
}

/* ---- failures ---- */

static void tell(struct aof_writer *w, enum aof_health h, const char *what, int64_t err)
{
	char why[128];

	w->health = h;
	if (what != NULL)
		snprintf(why, sizeof why, "%s: %s", what, strerror((int)-err));
	w->hooks.health(w->hooks.ctx, h, what != NULL ? why : "");
}

static void breaks(struct aof_writer *w, const char *what, int64_t err)
{
	aof_writer_break(w);
	tell(w, AOF_BROKEN, what, err);
}

static void try_again_later(struct aof_writer *w, int64_t err)
{
	w->retry_us = w->now_us + RETRY_US;
	if (w->health == AOF_HEALTHY)
		tell(w, AOF_WRITE_FAILS, "write", err);
}

/* The file ends where the last whole write did, and all of this one is tried again. Over fill it was a sync as well,
 * and nobody knows which of them it was. */
static void write_failed(struct aof_writer *w, int64_t err)
{
	if (w->over_fill) {
		breaks(w, "fsync", err);
		return;
	}
	w->f->ops->truncate(w->f, w->fd, w->off);
	w->fly_done = 0;
	try_again_later(w, err);
}

static void write_works(struct aof_writer *w)
{
	if (w->health == AOF_WRITE_FAILS)
		tell(w, AOF_HEALTHY, NULL, 0);
}

/* ---- operations ---- */

/* It was interrupted before it began: no failure. */
static bool not_done(const struct file_op *op)
{
	return op->result == -EINTR || op->result == -EAGAIN;
}

static void write_ended(struct file_op *op);
static void sync_ended(struct file_op *op);
static void start_sync(struct aof_writer *w, uint64_t round);

/* off: the sync covers what is before. */
static void prepare_sync(struct aof_writer *w, uint64_t round, uint64_t off)
{
	w->sop = (struct file_op){.kind = FILE_OP_FDATASYNC, .fd = w->fd, .done = sync_ended, .of = w};
	w->sync_round = round;
	w->sync_off = off;
	w->sync_began_us = w->now_us;
	w->sync_began_ns = clock_ns();
	w->syncing = true;
}

/* Does the buffer that is written now end the round? */
static bool ends_round(const struct aof_writer *w)
{
	return w->round != 0 && w->round_taken && w->mark == 0 && !w->syncing;
}

/* Of the buffer, with what belongs behind it. */
static size_t fly_bytes(const struct aof_writer *w)
{
	return w->fly.len + (w->over_fill ? aof_fill_pad(w->off + w->fly.len) : 0);
}

/* Over fill it is on the disk when it is written. Elsewhere the last write of a round, which may take several, takes
 * its sync with it: one way to the kernel's thread and back for both. */
static void start_write(struct aof_writer *w)
{
	size_t left = fly_bytes(w) - w->fly_done;
	bool ends = ends_round(w), with_sync = ends && !w->over_fill && left <= w->f->write_max;

	w->wop = (struct file_op){.kind = FILE_OP_WRITE,
				  .fd = w->fd,
				  .data = w->fly.data + w->fly_done,
				  .len = left,
				  .off = w->off + w->fly_done,
				  .dsync = w->over_fill,
				  .then = with_sync ? &w->sop : NULL,
				  .done = write_ended,
				  .of = w};
	if (with_sync)
		prepare_sync(w, w->round, w->off + w->fly.len);
	if (w->over_fill) {
		w->sync_round = ends ? w->round : 0;
		w->sync_began_ns = clock_ns();
	}
	w->writing = true;
	int r = file_sys_start(w->f, &w->wop);
	if (r == 0)
		return;
	w->writing = false;
	w->syncing &= !with_sync;
	if (r != -EAGAIN)
		write_failed(w, r);
}

static void buffer_written(struct aof_writer *w);

static void write_ended(struct file_op *op)
{
	struct aof_writer *w = op->of;

	w->writing = false;
	if (w->health == AOF_BROKEN)
		return;
	if (not_done(&w->wop)) {
		start_write(w);
		return;
	}
	if (w->wop.result <= 0) {
		write_failed(w, w->wop.result == 0 ? -ENOSPC : w->wop.result);
		return;
	}
	w->fly_done += (size_t)w->wop.result;
	if (w->fly_done < fly_bytes(w))
		start_write(w);
	else
		buffer_written(w);
}

static void count_sync(struct aof_writer *w)
{
	uint64_t us = (clock_ns() - w->sync_began_ns) / 1000;
	uint32_t b = 63u - (uint32_t)__builtin_clzll(us | 1);

	w->stats.syncs++;
	w->stats.sync_us_last = us;
	w->stats.sync_us_max = RP_MAX(w->stats.sync_us_max, us);
	w->stats.hist[RP_MIN(b, AOF_HIST_BUCKETS - 1u)]++;
	w->last_sync_us = (int64_t)w->now_us;
	__atomic_store_n(&w->clock->gather_us, RP_MIN(us / GATHER_PART, (uint64_t)GATHER_MAX_US), __ATOMIC_RELAXED);
}

/* All up to off is on the disk, and the round that this ends with it. */
static void synced(struct aof_writer *w, uint64_t off)
{
	count_sync(w);
	w->synced_off = RP_MAX(w->synced_off, off);
	if (w->sync_round == 0)
		return;
	w->stats.rounds++;
	w->round_ended_us = w->now_us;
	if (w->round == w->sync_round)
		w->round = 0;
	if (w->confirmed) {
		__atomic_store_n(&w->clock->synced, w->sync_round, __ATOMIC_RELEASE);
		w->hooks.synced(w->hooks.ctx);
	}
}

static void sync_ended(struct file_op *op)
{
	struct aof_writer *w = op->of;

	w->syncing = false;
	if (w->health == AOF_BROKEN)
		return;
	if (w->sop.result == -ECANCELED) /* all of its write was not done: another one follows the rest */
		return;
	if (not_done(&w->sop)) {
		start_sync(w, w->sync_round);
		return;
	}
	if (w->sop.result < 0) {
		breaks(w, "fsync", w->sop.result);
		return;
	}
	synced(w, w->sync_off);
}

static void buffer_written(struct aof_writer *w)
{
	w->off += w->fly.len;
	w->stats.bytes += w->fly.len;
	w->stats.writes++;
	w->fly.len = w->fly_done = 0;
	w->after_frame = w->framed;
	if (w->over_fill)
		synced(w, w->off);
	write_works(w);
}

static void start_sync(struct aof_writer *w, uint64_t round)
{
	prepare_sync(w, round, w->off);
	int r = file_sys_start(w->f, &w->sop);
	if (r != 0)
		w->syncing = false;
	if (r != 0 && r != -EAGAIN)
		breaks(w, "fsync", r);
}

/* ---- ahead of the stream ---- */

static bool fills(const struct aof_writer *w)
{
	return w->policy == AOF_FSYNC_ALWAYS && w->ahead_bytes != 0 && w->confirmed && !w->flushing;
}

static void ahead_ended(void *ctx, enum aof_ahead_end end, int64_t err)
{
	struct aof_writer *w = ctx;

	if (w->health == AOF_BROKEN)
		return;
	switch (end) {
	case AOF_AHEAD_DONE:
		if (w->fly.len == 0)
			write_works(w);
		break;
	case AOF_AHEAD_NOT_FILLED:
		w->ahead_retry_us = w->now_us + RETRY_US;
		break;
	case AOF_AHEAD_NOT_CUT:
		try_again_later(w, err);
		break;
	case AOF_AHEAD_NOT_SYNCED:
		breaks(w, "fsync", err);
		break;
	}
}

/* What was filled is cut off. false: not yet. */
static bool cut_fill(struct aof_writer *w)
{
	if (w->syncing || (w->health == AOF_WRITE_FAILS && w->now_us < w->retry_us))
		return false;
	aof_ahead_cut(&w->ahead, w->fd, w->off);
	return true;
}

/* A short frame goes over fill, of which there must be enough, and behind a frame: what power loss leaves of the last
 * one is told from the one before. All else goes behind the stream's end, where nothing may be then. Begins the one or
 * the other. false: not yet. */
static bool write_buffer(struct aof_writer *w)
{
	bool fill = w->framed && fills(w) && !w->syncing;

	w->fly_done = 0; /* if a part was written, where is decided anew */
	w->over_fill = fill && aof_ahead_covers(&w->ahead, w->off + w->fly.len);
	if (w->over_fill) {
		start_write(w);
		return true;
	}
	if (fill && w->after_frame && w->off == w->synced_off && w->fly.len <= w->ahead_bytes / AHEAD_SHARE &&
	    w->now_us >= w->ahead_retry_us) {
		aof_ahead_fill(&w->ahead, w->fd, w->off, w->off + w->ahead_bytes);
		return true;
	}
	if (aof_ahead_any(&w->ahead))
		return cut_fill(w);
	start_write(w);
	return true;
}

/* ---- rounds ---- */

/* Is there anything that no round has covered? */
static bool anything(const struct aof_writer *w)
{
	return w->off > w->synced_off || w->fly.len != 0 || aof_merge_pending(&w->merge);
}

static bool wanted(const struct aof_writer *w)
{
	return __atomic_load_n(&w->clock->wanted, __ATOMIC_ACQUIRE) > w->clock->begun;
}

/* Is a round due? Those who wait ask for it. */
static bool round_due(const struct aof_writer *w)
{
	if (w->sync_soon || wanted(w))
		return true;
	if (!anything(w))
		return false;
	if (w->policy == AOF_FSYNC_ALWAYS)
		return w->now_us - w->round_ended_us >= UNASKED_US;
	return w->policy == AOF_FSYNC_EVERYSEC && !w->spare_disk && w->now_us - w->last_round_us >= EVERYSEC_US;
}

bool aof_writer_due(const struct aof_writer *w)
{
	return w->fd >= 0 && w->health == AOF_HEALTHY && w->round == 0 && !w->writing && !w->syncing &&
	       !w->ahead.busy && w->fly.len == 0 && (w->policy == AOF_FSYNC_ALWAYS || wanted(w)) && round_due(w);
}

static void begin_round(struct aof_writer *w)
{
	w->round = w->clock->begun + 1;
	w->round_taken = false;
	w->sync_soon = false;
	w->last_round_us = w->now_us;
	/* Whoever reads the new number made his effects visible too late for this round; whoever read the old one made
	 * them visible before we look. */
	__atomic_store_n(&w->clock->begun, w->round, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	aof_merge_begin(&w->merge);
}

/* Takes from the rings into fill, as a frame if the file is filled ahead. false: the writer broke. */
static bool take(struct aof_writer *w)
{
	uint64_t mark = 0;

	w->framed = fills(w);
	if (w->framed && !aof_frame_open(&w->fill)) {
		breaks(w, "journal", -ENOMEM);
		return false;
	}
	size_t head = w->fill.len;
	switch (aof_merge_poll(&w->merge, &w->fill, BUFFER_BYTES, w->wall_us / 1000000, &mark)) {
	case AOF_MERGE_DRAINED:
		w->round_taken = true;
		break;
	case AOF_MERGE_FULL:
		w->round_taken |= aof_merge_passed(&w->merge);
		break;
	case AOF_MERGE_MARK:
		w->mark = mark;
		break;
	case AOF_MERGE_LOST:
		breaks(w, "journal", -ENOMEM);
		return false;
	case AOF_MERGE_NOMEM: /* what is in fill leaves first */
		if (w->fill.len == head)
			breaks(w, "journal", -ENOMEM);
		break;
	}
	if (w->fill.len == head)
		w->fill.len = 0;
	else if (w->framed && !aof_frame_close(&w->fill))
		breaks(w, "journal", -ENOMEM);
	return w->health != AOF_BROKEN;
}

static void swap_buffers(struct aof_writer *w)
{
	struct aof_buf full = w->fill;

	/* One large effect must not keep its memory for ever. */
	if (rp_unlikely(w->fly.cap > BUFFER_KEPT))
		aof_buf_fini(&w->fly);
	w->fill = w->fly;
	w->fly = full;
	w->fill.len = 0;
	w->fly_done = 0;
}

/* Everything before the mark is in the file: synced, it is told. Returns whether something was begun or done. */
static bool pass_mark(struct aof_writer *w)
{
	uint64_t mark = w->mark;

	if (w->syncing)
		return false;
	if (w->off > w->synced_off) {
		start_sync(w, 0);
		return true;
	}
	if (aof_ahead_any(&w->ahead))
		return cut_fill(w);
	w->mark = 0;
	w->hooks.mark(w->hooks.ctx, mark);
	return true;
}

/* One step. false: nothing can be done before an operation ends or time passes. */
static bool step(struct aof_writer *w)
{
	if (w->writing || w->ahead.busy || w->fd < 0)
		return false;
	if (aof_ahead_any(&w->ahead) && !fills(w))
		return cut_fill(w);
	if (w->fly.len != 0) {
		if (w->health == AOF_WRITE_FAILS && w->now_us < w->retry_us)
			return false;
		return write_buffer(w);
	}
	if (w->mark != 0)
		return pass_mark(w);
	if (w->round == 0 && !w->syncing && round_due(w))
		begin_round(w);
	if (w->round != 0 && w->round_taken) {
		if (!w->syncing) {
			start_sync(w, w->round);
			return w->syncing;
		}
		if (w->policy == AOF_FSYNC_ALWAYS)
			return false;
	}
	if (w->policy == AOF_FSYNC_ALWAYS && w->round == 0)
		return false;
	if (!take(w) || w->fill.len == 0)
		return w->mark != 0 || (w->round != 0 && w->round_taken && !w->syncing && w->health != AOF_BROKEN);
	swap_buffers(w);
	return true;
}

/* The rings fill up, and the disk does not take it: better to begin anew later than to stop the shards now. */
static void give_up_if_full(struct aof_writer *w)
{
	for (uint32_t i = 0; i < w->merge.n; i++)
		if (w->health == AOF_WRITE_FAILS && journal_ring_tight(w->merge.ring[i]))
			breaks(w, "write", w->wop.result < 0 ? w->wop.result : -ENOSPC);
}

uint64_t aof_writer_poll(struct aof_writer *w, uint64_t mono_us, int64_t wall_us)
{
	bool more = true;

	w->now_us = mono_us;
	w->wall_us = wall_us;
	if (w->fd < 0)
		return UINT64_MAX;
	for (uint32_t i = 0; i < 64 && more; i++) {
		more = file_sys_poll(w->f) != 0;
		if (w->health == AOF_BROKEN) {
			aof_merge_discard(&w->merge);
			return POLL_IDLE_US;
		}
		more |= step(w);
	}
	give_up_if_full(w);
	if (w->syncing && w->policy == AOF_FSYNC_EVERYSEC && mono_us - w->sync_began_us > 2 * SECOND_US)
		w->stats.delayed++;
	if (more)
		return 0;
	if (w->policy == AOF_FSYNC_ALWAYS && w->health == AOF_HEALTHY)
		return w->round == 0 && anything(w) ? UNASKED_US : POLL_IDLE_US;
	if (w->policy == AOF_FSYNC_ALWAYS)
		return RETRY_US / 10;
	return POLL_US;
}

int aof_writer_flush(struct aof_writer *w, uint64_t mono_us, int64_t wall_us)
{
	enum aof_fsync policy = w->policy;
	uint64_t round = w->clock->begun + 2; /* one may be under way */

	if (w->fd < 0)
		return 0;
	w->policy = AOF_FSYNC_ALWAYS;
	w->flushing = true;
	while (w->health == AOF_HEALTHY &&
	       (w->round != 0 || w->syncing || w->clock->begun < round || aof_ahead_any(&w->ahead))) {
		w->sync_soon |= w->round == 0 && w->clock->begun < round;
		aof_writer_poll(w, mono_us, wall_us);
	}
	w->policy = policy;
	w->flushing = false;
	return w->health == AOF_HEALTHY ? 0 : -EIO;
}

/* ---- figures ---- */

enum aof_health aof_writer_health(const struct aof_writer *w)
{
	return w->health;
}

uint64_t aof_writer_offset(const struct aof_writer *w)
{
	return w->off;
}

uint64_t aof_writer_unsynced(const struct aof_writer *w)
{
	return w->off - w->synced_off;
}

uint64_t aof_writer_pending(const struct aof_writer *w)
{
	return w->fill.len + w->fly.len - w->fly_done;
}

bool aof_writer_syncing(const struct aof_writer *w)
{
	return w->syncing || (w->writing && w->over_fill);
}

int64_t aof_writer_last_sync_us(const struct aof_writer *w)
{
	return w->last_sync_us;
}

const struct aof_writer_stats *aof_writer_stats(const struct aof_writer *w)
{
	return &w->stats;
}
