/* The writer of the append-only file against a disk that fails and loses power: whoever was told that his effect is
 * durable finds it, no unit is torn, and each shard's order is kept. */
#include "aof_world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "persist/aof_frame.h"
#include "persist/aof_scan.h"
#include "persist/aof_writer.h"

static const uint64_t ahead[] = {0, 1024, 16384, 65536}; /* filled ahead, by the seed */

struct world {
	struct aof_world base;
	struct mem_files *m;
	struct journal journal[SHARDS];
	struct journal_ring *ring[SHARDS];
	struct journal_clock clock;
	struct aof_writer *w;
	struct aof_manifest manifest;
	enum aof_health health;
	enum aof_fsync policy;
	bool flips; /* between `always` and `everysec` */
	uint64_t now_us, marks, marks_met;
};

static void on_synced(void *ctx)
{
}

static void on_health(void *ctx, enum aof_health h, const char *why)
{
	((struct world *)ctx)->health = h;
}

static int new_incr(struct world *w)
{
	struct file_sys *f = mem_files_sys(w->m);
	struct err e;
	char name[64], path[128];
	uint64_t seq = w->manifest.incr_seq + 1;

	snprintf(name, sizeof name, "a.%lu.incr.aof", (unsigned long)seq);
	snprintf(path, sizeof path, "dir/%s", name);
	int fd = f->ops->open(f, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd < 0)
		return fd;
	uint32_t n = w->manifest.n;
	assert_true(aof_manifest_add(&w->manifest, name, seq, 'i'));
	int rc = aof_manifest_store(f, "dir", "a", &w->manifest, &e);
	if (rc == 0)
		return fd;
	w->manifest.n = n;
	return rc == FILE_NOT_SYNCED ? -ESTALE : -EIO;
}

static void on_mark(void *ctx, uint64_t mark)
{
	struct world *w = ctx;
	int fd = new_incr(w);

	w->marks_met++;
	assert_int_equal(mark, w->marks_met);
	if (fd >= 0)
		aof_writer_switch(w->w, fd);
	if (fd != -ESTALE)
		return;
	/* Either of two files may be the last one that is named. */
	aof_writer_break(w->w);
	w->health = AOF_BROKEN;
}

static void world_open(struct world *w, uint64_t seed, enum aof_fsync policy)
{
	struct err e = {""};
	struct aof_writer_hooks hooks = {.ctx = w, .synced = on_synced, .mark = on_mark, .health = on_health};
	struct journal *journal[SHARDS];

	memset(w, 0, sizeof *w);
	for (uint32_t i = 0; i < SHARDS; i++)
		journal[i] = &w->journal[i];
	aof_world_open(&w->base, seed, journal, &w->clock);
	w->m = w->base.m;
	w->now_us = 1000000;
	for (uint32_t i = 0; i < SHARDS; i++) {
		w->ring[i] = journal_ring_create(1, i, w->base.heap[i], &e);
		journal_attach(journal[i], w->ring[i]);
	}
	w->w = aof_writer_create(mem_files_sys(w->m), &w->clock, w->ring, SHARDS, &hooks);
	w->policy = policy;
	aof_writer_policy(w->w, policy, false);
	aof_writer_fill_ahead(w->w, ahead[seed % RP_ARRAY_LEN(ahead)]);
	int fd = new_incr(w);
	assert_true(fd >= 0);
	aof_writer_start(w->w, fd, 0, true);
}

static void world_close(struct world *w)
{
	aof_writer_destroy(w->w);
	for (uint32_t i = 0; i < SHARDS; i++)
		journal_ring_destroy(w->ring[i]);
	aof_world_close(&w->base);
	aof_manifest_fini(&w->manifest);
}

static const struct unit *last_unit(const struct world *w)
{
	return &w->base.unit[w->base.nunits - 1];
}

static void turn(struct world *w)
{
	struct rng *rng = &w->base.rng;
	bool tight = false;

	for (uint32_t i = 0; i < SHARDS; i++)
		tight |= journal_ring_tight(w->ring[i]);
	for (uint64_t n = rng_below(rng, 6); n > 0 && !tight; n--)
		aof_world_write(&w->base);
	if (rng_below(rng, 50) == 0 && w->marks == w->marks_met)
		journal_mark(w->base.store, ALL_SHARDS, ++w->marks);
	if (w->flips && rng_below(rng, 20) == 0) {
		w->policy = w->policy == AOF_FSYNC_ALWAYS ? AOF_FSYNC_EVERYSEC : AOF_FSYNC_ALWAYS;
		aof_writer_policy(w->w, w->policy, false);
	}
	w->now_us += rng_below(rng, 300000);
	aof_writer_poll(w->w, w->now_us, 0);
}

static void play(uint64_t seed, enum aof_fsync policy, bool flips, uint32_t turns)
{
	struct world *w = malloc(sizeof *w);

	world_open(w, seed, policy);
	w->flips = flips;
	for (uint32_t i = 0; i < turns; i++)
		turn(w);
	uint64_t synced = w->clock.synced;
	mem_files_power_loss(w->m);
	aof_world_check(&w->base, "dir", "a", synced, false);
	world_close(w);
	free(w);
}

static void test_aof_writer__power_loss_keeps_what_was_said_to_be_durable(void **state)
{
	for (uint64_t seed = 1; seed <= 300; seed++) {
		play(seed, AOF_FSYNC_ALWAYS, false, 1 + (uint32_t)(seed * 7 % 400));
		play(seed, AOF_FSYNC_ALWAYS, true, 1 + (uint32_t)(seed * 5 % 400));
		play(seed, AOF_FSYNC_EVERYSEC, false, 1 + (uint32_t)(seed * 11 % 400));
		play(seed, AOF_FSYNC_NO, false, 1 + (uint32_t)(seed * 13 % 200));
	}
}

static void play_failing(uint64_t seed, int err, uint64_t at, uint64_t until, enum aof_fsync policy)
{
	struct world *w = malloc(sizeof *w);

	world_open(w, seed, policy);
	w->flips = until % 2 == 0;
	mem_files_fail(w->m, at, err, until);
	for (uint32_t i = 0; i < 200; i++)
		turn(w);
	uint64_t synced = w->clock.synced;
	bool broken = w->health == AOF_BROKEN;
	for (uint32_t i = 0; i < 50; i++)
		turn(w);
	if (broken) /* whatever happens then, nobody is told that anything is durable */
		assert_int_equal(w->clock.synced, synced);
	synced = w->clock.synced;
	mem_files_power_loss(w->m);
	aof_world_check(&w->base, "dir", "a", synced, false);
	world_close(w);
	free(w);
}

static void test_aof_writer__every_call_may_fail(void **state)
{
	static const int errs[] = {ENOSPC, EIO};

	for (uint32_t e = 0; e < RP_ARRAY_LEN(errs); e++)
		for (uint64_t at = 1; at <= 60; at++)
			for (uint64_t until = 1; until <= 1000; until += 333) {
				play_failing(at, errs[e], at, until, AOF_FSYNC_ALWAYS);
				play_failing(at, errs[e], at, until, AOF_FSYNC_EVERYSEC);
			}
}

/* A write that fails is no loss: it goes on when there is room again. */
static void test_aof_writer__full_disk_heals_by_itself(void **state)
{
	struct world *w = malloc(sizeof *w);

	world_open(w, 5, AOF_FSYNC_ALWAYS);
	aof_world_write(&w->base);
	for (uint32_t i = 0; i < 50; i++)
		aof_writer_poll(w->w, w->now_us, 0);
	uint64_t before = w->clock.synced;
	mem_files_fail(w->m, 1, ENOSPC, UINT64_MAX / 2);
	do
		aof_world_write(&w->base);
	while (last_unit(w)->gate <= before);
	for (uint32_t i = 0; i < 50; i++)
		aof_writer_poll(w->w, w->now_us += 100000, 0);
	assert_int_equal(w->health, AOF_WRITE_FAILS);
	assert_int_equal(w->clock.synced, before);
	mem_files_fail(w->m, 0, 0, 0);
	for (uint32_t i = 0; i < 100; i++)
		aof_writer_poll(w->w, w->now_us += 100000, 0);
	assert_int_equal(w->health, AOF_HEALTHY);
	assert_true(w->clock.synced > before);
	world_close(w);
	free(w);
}

static void test_aof_writer__failed_sync_is_never_asked_again(void **state)
{
	struct world *w = malloc(sizeof *w);

	world_open(w, 6, AOF_FSYNC_ALWAYS);
	do
		aof_world_write(&w->base);
	while (w->base.nunits == 0);
	mem_files_fail(w->m, 2, EIO, 1); /* the write succeeds, the sync does not */
	for (uint32_t i = 0; i < 50 && w->health == AOF_HEALTHY; i++)
		aof_writer_poll(w->w, w->now_us, 0);
	if (w->health != AOF_BROKEN) /* the write came in two parts */
		mem_files_fail(w->m, 1, EIO, 1);
	uint64_t calls = mem_files_calls(w->m), synced = w->clock.synced;
	aof_world_write(&w->base);
	for (uint32_t i = 0; i < 50; i++)
		aof_writer_poll(w->w, w->now_us += 100000, 0);
	assert_int_equal(w->health, AOF_BROKEN);
	assert_int_equal(mem_files_calls(w->m), calls);
	assert_int_equal(w->clock.synced, synced);
	assert_false(aof_merge_pending(&(struct aof_merge){.n = 1, .ring = {w->ring[0]}})); /* the ring is kept empty */
	int fd = new_incr(w);
	aof_writer_start(w->w, fd, 0, false);
	do
		aof_world_write(&w->base);
	while (last_unit(w)->seq[0] == 0);
	for (uint32_t i = 0; i < 50; i++)
		aof_writer_poll(w->w, w->now_us += 100000, 0);
	assert_int_equal(w->clock.synced, synced); /* not before it is confirmed */
	aof_writer_confirm(w->w);
	for (uint32_t i = 0; i < 50; i++)
		aof_writer_poll(w->w, w->now_us += 100000, 0);
	assert_true(w->clock.synced > synced);
	world_close(w);
	free(w);
}

/* ---- ahead of the stream ---- */

#define PIECE 8192u

/* Time passes until nothing is left to be done. */
static void rest(struct world *w)
{
	for (uint32_t i = 0; i < 100; i++)
		aof_writer_poll(w->w, w->now_us += 10000, 0);
}

/* One that is not empty: that leaves no trace. */
static void write_unit(struct world *w)
{
	uint32_t before = w->base.nunits;

	while (w->base.nunits == before)
		aof_world_write(&w->base);
}

/* Rounds of one unit each, every one of them promised in the end. */
static void write_rounds(struct world *w, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		write_unit(w);
		rest(w);
		assert_true(w->clock.synced >= last_unit(w)->gate);
	}
}

/* Bytes of the n-th file. */
static size_t file_bytes(const struct world *w, uint32_t n, const char **data)
{
	char path[64];
	size_t len = 0;

	snprintf(path, sizeof path, "dir/a.%u.incr.aof", n);
	*data = mem_files_get(w->m, path, &len);
	assert_non_null(*data);
	return len;
}

static bool filled(const struct world *w)
{
	const char *data;
	uint64_t off = aof_writer_offset(w->w);
	size_t len = file_bytes(w, (uint32_t)w->manifest.incr_seq, &data);

	assert_true(len >= off);
	for (size_t i = off; i < len; i++)
		assert_int_equal(data[i], i == off ? '#' : aof_fill_byte(i));
	return len > off;
}

static void world_open_filled(struct world *w, uint64_t seed)
{
	world_open(w, seed, AOF_FSYNC_ALWAYS);
	aof_writer_fill_ahead(w->w, PIECE);
	write_rounds(w, 8);
	assert_true(filled(w));
}

static void test_aof_writer__file_is_filled_ahead_with_always_and_cut_to_the_stream_otherwise(void **state)
{
	struct world *w = malloc(sizeof *w);
	const char *data;

	world_open_filled(w, 11);
	aof_writer_policy(w->w, AOF_FSYNC_EVERYSEC, false);
	rest(w);
	assert_false(filled(w));
	write_rounds(w, 3);
	assert_false(filled(w));
	aof_writer_policy(w->w, AOF_FSYNC_ALWAYS, false);
	write_rounds(w, 8);
	assert_true(filled(w));
	aof_writer_fill_ahead(w->w, 0);
	rest(w);
	assert_false(filled(w));
	aof_writer_fill_ahead(w->w, PIECE);
	write_rounds(w, 8);
	assert_true(filled(w));
	uint64_t off = aof_writer_offset(w->w);
	journal_mark(w->base.store, ALL_SHARDS, ++w->marks);
	rest(w);
	assert_int_equal(w->marks_met, 1);
	assert_int_equal(file_bytes(w, 1, &data), off);
	write_rounds(w, 8);
	assert_true(filled(w));
	assert_int_equal(aof_writer_flush(w->w, w->now_us, 0), 0);
	assert_false(filled(w));
	write_rounds(w, 8);
	assert_true(filled(w));
	assert_int_equal(aof_writer_flush(w->w, w->now_us, 0), 0);
	mem_files_power_loss(w->m);
	assert_int_equal(file_bytes(w, 2, &data), aof_writer_offset(w->w));
	aof_world_check(&w->base, "dir", "a", w->clock.synced, false);
	world_close(w);
	free(w);
}

/* It is on the disk before anything goes over it, and ends where no sector does (aof_frame.h). */
static void test_aof_writer__fill_is_synced_before_it_is_used(void **state)
{
	for (uint64_t seed = 1; seed <= 8; seed++) {
		struct world *w = malloc(sizeof *w);
		const char *data;
		world_open_filled(w, seed);
		size_t len = file_bytes(w, 1, &data);
		assert_int_equal(len % AOF_SECTOR, AOF_FILL_LINE);
		mem_files_power_loss(w->m);
		assert_int_equal(file_bytes(w, 1, &data), len);
		assert_true(filled(w));
		world_close(w);
		free(w);
	}
}

/* Rounds stay within the file's size: that is what it is for. A stream that has grown beyond pieces is filled again, at
 * every offset of its end. */
static void test_aof_writer__rounds_go_over_what_is_filled(void **state)
{
	struct world *w = malloc(sizeof *w);
	const char *data;
	uint32_t grown = 0, rounds = 400;

	world_open_filled(w, 12);
	uint64_t began = aof_writer_offset(w->w), syncs = aof_writer_stats(w->w)->syncs;
	for (uint32_t i = 0; i < rounds; i++) {
		size_t before = file_bytes(w, 1, &data);
		write_rounds(w, 1);
		assert_true(filled(w));
		grown += file_bytes(w, 1, &data) != before;
	}
	uint64_t bytes = aof_writer_offset(w->w) - began;
	assert_true(bytes > 4 * PIECE);
	assert_in_range(grown, bytes / PIECE - 1, bytes / PIECE + 2);
	assert_in_range(aof_writer_stats(w->w)->syncs - syncs, rounds / 2, rounds + rounds / 2);
	world_close(w);
	free(w);
}

/* One that reaches beyond fill: that goes first, or a loss of power might leave parts of it and nothing to tell that
 * by. */
static void test_aof_writer__a_long_round_is_appended(void **state)
{
	struct world *w = malloc(sizeof *w);

	world_open_filled(w, 16);
	for (uint32_t i = 0; i < 200; i++)
		write_unit(w);
	uint64_t off = aof_writer_offset(w->w);
	rest(w);
	assert_true(w->clock.synced >= last_unit(w)->gate && aof_writer_offset(w->w) > off + PIECE);
	assert_false(filled(w));
	write_rounds(w, 2);
	assert_true(filled(w));
	world_close(w);
	free(w);
}

/* Whether it was the write or the sync that failed is not known. */
static void test_aof_writer__error_over_fill_is_a_failed_sync(void **state)
{
	for (uint64_t n = 1; n <= 2; n++) {
		struct world *w = malloc(sizeof *w);
		world_open_filled(w, 13);
		uint64_t synced = w->clock.synced;
		mem_files_fail(w->m, n, n == 1 ? ENOSPC : EIO, 1);
		write_unit(w);
		rest(w);
		assert_int_equal(w->health, AOF_BROKEN);
		assert_int_equal(w->clock.synced, synced);
		world_close(w);
		free(w);
	}
}

/* Two rounds: the second one is the first that wants fill. */
static void test_aof_writer__no_room_for_fill_is_no_failure(void **state)
{
	struct world *w = malloc(sizeof *w);

	world_open(w, 14, AOF_FSYNC_ALWAYS);
	aof_writer_fill_ahead(w->w, PIECE);
	write_rounds(w, 1);
	mem_files_fail(w->m, 1, ENOSPC, 1);
	write_unit(w);
	for (uint32_t i = 0; i < 100; i++)
		aof_writer_poll(w->w, w->now_us += 100, 0);
	assert_true(w->clock.synced >= last_unit(w)->gate);
	assert_int_equal(w->health, AOF_HEALTHY);
	assert_false(filled(w));
	write_rounds(w, 8); /* later it is tried again */
	assert_true(filled(w));
	world_close(w);
	free(w);
}

static void test_aof_writer__failed_sync_of_fill_is_a_failed_sync(void **state)
{
	struct world *w = malloc(sizeof *w);
	bool met = false;

	for (uint64_t seed = 1; seed < 20 && !met; seed++) { /* where the write before it was not short */
		world_open(w, seed, AOF_FSYNC_ALWAYS);
		aof_writer_fill_ahead(w->w, PIECE);
		write_rounds(w, 1);
		uint64_t synced = w->clock.synced;
		mem_files_fail(w->m, 2, EIO, 1);
		write_unit(w);
		rest(w);
		met = w->health == AOF_BROKEN;
		assert_true(!met || w->clock.synced == synced);
		world_close(w);
	}
	assert_true(met);
	free(w);
}

/* ---- what may be missing ---- */

#define MS             1000u
#define FILE_WITHIN_US (5 * MS) /* docs/persistence.md */
#define DISK_WITHIN_US (1000 * MS)
#define WRITE_US       20u
#define SYNC_US        (2 * MS)
#define SLOW_US        (900 * MS)

/* Time as it passes for the control thread and for a disk, and when each unit was written. */
struct timed {
	struct world w;
	uint64_t wrote_us[UNITS];
	uint64_t again_us;  /* the control thread runs */
	uint32_t oldest;    /* unit that is not on the disk yet */
	uint64_t within_us; /* it must be; 0: when it likes */
};

static struct timed *timed_open(uint64_t seed, enum aof_fsync policy, uint64_t sync_us)
{
	struct timed *t = calloc(1, sizeof *t);

	world_open(&t->w, seed, policy);
	mem_files_clock(t->w.m, &t->w.now_us, WRITE_US, sync_us);
	return t;
}

static void timed_close(struct timed *t)
{
	world_close(&t->w);
	free(t);
}

/* Nothing is on its way. A sync that was no round's, for a mark, moves no clock if nobody waits. */
static bool all_is_synced(struct world *w)
{
	struct aof_merge rings = {.n = SHARDS};

	memcpy(rings.ring, w->ring, sizeof w->ring);
	return aof_writer_unsynced(w->w) == 0 && aof_writer_pending(w->w) == 0 && !aof_merge_pending(&rings);
}

static void expect_in_time(struct timed *t)
{
	struct world *w = &t->w;

	if (all_is_synced(w))
		t->oldest = w->base.nunits;
	while (t->oldest < w->base.nunits && w->base.unit[t->oldest].gate <= w->clock.synced)
		t->oldest++;
	if (t->within_us == 0 || t->oldest == w->base.nunits)
		return;
	uint64_t age_us = w->now_us - t->wrote_us[t->oldest];
	if (age_us > t->within_us)
		fail_msg("unit %u is not on the disk after %lu us", t->oldest, (unsigned long)age_us);
}

static uint64_t next_run_us(const struct timed *t)
{
	return RP_MAX(t->w.now_us, RP_MIN(t->again_us, mem_files_ends_us(t->w.m)));
}

/* The control thread runs when it wants to, in whole milliseconds and a little late, and when an operation ends; it is
 * not woken by those who write. */
static void time_passes(struct timed *t, uint64_t us)
{
	struct world *w = &t->w;
	uint64_t until_us = w->now_us + us;

	while (next_run_us(t) < until_us) {
		w->now_us = next_run_us(t);
		uint64_t again_us = aof_writer_poll(w->w, w->now_us, 0);
		expect_in_time(t);
		if (again_us > 0)
			again_us = (again_us + MS - 1) / MS * MS + rng_below(&w->base.rng, 300);
		t->again_us = w->now_us + RP_MAX(again_us, 5u);
	}
	w->now_us = until_us;
}

/* Some units at once. */
static void write_some(struct timed *t)
{
	struct world *w = &t->w;
	uint32_t before = w->base.nunits;

	for (uint64_t n = 1 + rng_below(&w->base.rng, 8); n > 0; n--)
		aof_world_write(&w->base);
	for (uint32_t u = before; u < w->base.nunits; u++)
		t->wrote_us[u] = w->now_us;
}

/* From a microsecond to two seconds, any order of magnitude as likely as another. */
static uint64_t some_time(struct timed *t)
{
	return 1 + rng_below(&t->w.base.rng, 2ul << rng_below(&t->w.base.rng, 21));
}

/* The process ends, or the power is lost: what is older than that is there. */
static void expect_no_more_missing(struct timed *t, uint64_t within_us)
{
	struct world *w = &t->w;

	for (uint32_t u = 0; u < w->base.nunits; u++)
		w->base.unit[u].gate = w->now_us - t->wrote_us[u] > within_us ? 0 : UINT64_MAX;
	aof_world_check(&w->base, "dir", "a", 0, false);
}

static void play_everysec(uint64_t seed, uint64_t sync_us, bool marks, bool flips)
{
	struct timed *t = timed_open(seed, AOF_FSYNC_EVERYSEC, sync_us);
	struct world *w = &t->w;

	/* A file that is changed is synced before, and what the writer is told to do is done step by step. */
	t->within_us = DISK_WITHIN_US + FILE_WITHIN_US + sync_us * (marks || flips ? 4 : 1);
	for (uint64_t n = 1 + seed * 7 % 60; n > 0; n--) {
		write_some(t);
		if (marks && rng_below(&w->base.rng, 10) == 0 && w->marks == w->marks_met)
			journal_mark(w->base.store, ALL_SHARDS, ++w->marks);
		if (flips && rng_below(&w->base.rng, 5) == 0) {
			w->policy = w->policy == AOF_FSYNC_ALWAYS ? AOF_FSYNC_EVERYSEC : AOF_FSYNC_ALWAYS;
			aof_writer_policy(w->w, w->policy, false);
		}
		time_passes(t, some_time(t));
	}
	mem_files_power_loss(w->m);
	expect_no_more_missing(t, t->within_us);
	timed_close(t);
}

static void test_aof_writer__everysec_is_on_the_disk_within_a_second(void **state)
{
	for (uint64_t seed = 1; seed <= 400; seed++) {
		play_everysec(seed, SYNC_US, false, false);
		play_everysec(seed, SYNC_US, seed % 2, true);
	}
}

/* Two while the disk is slow, and not slower than that. */
static void test_aof_writer__everysec_on_a_slow_disk_within_two(void **state)
{
	for (uint64_t seed = 1; seed <= 200; seed++)
		play_everysec(seed, seed * 37 * MS % SLOW_US, false, false);
}

/* Nobody writes any more, and nothing else happens. */
static void test_aof_writer__everysec_last_write_is_not_forgotten(void **state)
{
	for (uint64_t seed = 1; seed <= 50; seed++) {
		struct timed *t = timed_open(seed, AOF_FSYNC_EVERYSEC, SYNC_US);
		time_passes(t, some_time(t));
		do
			write_some(t);
		while (t->w.base.nunits == 0);
		time_passes(t, DISK_WITHIN_US + FILE_WITHIN_US + SYNC_US);
		uint64_t syncs = aof_writer_stats(t->w.w)->syncs;
		assert_int_equal(aof_writer_unsynced(t->w.w), 0);
		time_passes(t, 10 * DISK_WITHIN_US); /* a disk that has nothing to do sleeps */
		assert_int_equal(aof_writer_stats(t->w.w)->syncs, syncs);
		mem_files_power_loss(t->w.m);
		expect_no_more_missing(t, DISK_WITHIN_US);
		timed_close(t);
	}
}

/* One sync a second, however much is written. */
static void test_aof_writer__everysec_syncs_every_second(void **state)
{
	struct timed *t = timed_open(1, AOF_FSYNC_EVERYSEC, SYNC_US);

	for (uint32_t i = 0; i < 1000; i++) {
		write_some(t);
		time_passes(t, 10 * MS);
	}
	assert_in_range(aof_writer_stats(t->w.w)->syncs, 9, 11);
	timed_close(t);
}

static void play_killed(uint64_t seed, enum aof_fsync policy, uint64_t sync_us)
{
	struct timed *t = timed_open(seed, policy, sync_us);

	for (uint64_t n = 1 + seed * 7 % 60; n > 0; n--) {
		write_some(t);
		time_passes(t, some_time(t));
	}
	write_some(t);
	time_passes(t, rng_below(&t->w.base.rng, 2 * FILE_WITHIN_US));
	mem_files_kill(t->w.m);
	expect_no_more_missing(t, FILE_WITHIN_US);
	timed_close(t);
}

/* Also while a sync is under way, however long. */
static void test_aof_writer__is_in_the_file_within_5_ms(void **state)
{
	for (uint64_t seed = 1; seed <= 300; seed++) {
		play_killed(seed, AOF_FSYNC_EVERYSEC, SYNC_US);
		play_killed(seed, AOF_FSYNC_EVERYSEC, SLOW_US);
		play_killed(seed, AOF_FSYNC_NO, SYNC_US);
	}
}

/* ---- files ---- */

static void test_aof_manifest__reads_what_redis_writes_and_refuses_nonsense(void **state)
{
	static const char good[] = "file appendonly.aof.2.base.rdb seq 2 type b\n"
				   "file appendonly.aof.1.incr.aof seq 1 type h\n"
				   "file appendonly.aof.2.incr.aof seq 2 type i\n"
				   "file \"with space.3.incr.aof\" seq 3 type i\n";
	static const char *const bad[] = {
		"",
		"file a seq 1\n",
		"file a seq x type b\n",
		"file ../a seq 1 type b\n",
		"file a seq 1 type b\nfile b seq 2 type b\n",
		"file a seq 2 type i\nfile b seq 1 type i\n",
		"file \"a seq 1 type i\n",
		"nonsense\n",
	};
	struct mem_files *m = mem_files_create(1);
	struct file_sys *f = mem_files_sys(m);
	struct aof_manifest man;
	struct err e;

	assert_int_equal(aof_manifest_load(f, "d", "x", &man, &e), -ENOENT);
	assert_int_equal(file_sys_replace(f, "d/x.manifest", "d/t", good, sizeof good - 1, &e), 0);
	assert_int_equal(aof_manifest_load(f, "d", "x", &man, &e), 0);
	assert_int_equal(man.n, 4);
	assert_string_equal(aof_manifest_base(&man)->name, "appendonly.aof.2.base.rdb");
	assert_string_equal(aof_manifest_last_incr(&man)->name, "with space.3.incr.aof");
	assert_int_equal(man.incr_seq, 3);
	assert_int_equal(aof_manifest_store(f, "d", "y", &man, &e), 0);
	size_t len;
	const char *text = mem_files_get(m, "d/y.manifest", &len);
	assert_int_equal(len, sizeof good - 1);
	assert_memory_equal(text, good, len);
	aof_manifest_fini(&man);
	for (uint64_t n = 1; n <= 2; n++) { /* open, read: that it cannot be read does not mean that there is none */
		mem_files_fail(m, n, EIO, 1);
		assert_int_equal(aof_manifest_load(f, "d", "x", &man, &e), -1);
		assert_non_null(strstr(e.text, "cannot read d/x.manifest"));
	}
	for (uint32_t i = 0; i < RP_ARRAY_LEN(bad); i++) {
		assert_int_equal(file_sys_replace(f, "d/x.manifest", "d/t", bad[i], strlen(bad[i]), &e), 0);
		assert_int_equal(aof_manifest_load(f, "d", "x", &man, &e), -1);
	}
	mem_files_destroy(m);
}

static void test_aof_scan__says_where_it_ends_and_why(void **state)
{
	static const struct {
		const char *text;
		uint32_t commands;
		enum aof_scan_end end;
		size_t from;
	} t[] = {
		{"", 0, AOF_SCAN_END, 0},
		{"*1\r\n$4\r\nPING\r\n", 1, AOF_SCAN_END, 14},
		{"#TS:17\r\n*1\r\n$4\r\nPING\r\n#x\n", 1, AOF_SCAN_END, 25},
		{"*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPI", 1, AOF_SCAN_CUT, 14},
		{"*1\r\n$4\r\nPING\r\n*", 1, AOF_SCAN_CUT, 14},
		{"*1\r\n$4\r\nPING\r", 0, AOF_SCAN_CUT, 0},
		{"*2147483647\r\n$1\r\na\r\n", 0, AOF_SCAN_CUT, 0},
		{"*1\r\n$999999999999\r\na\r\n", 0, AOF_SCAN_CUT, 0},
		{"*1\r\n$18446744073709551615\r\na\r\n", 0, AOF_SCAN_CUT, 0},
		{"*1\r\n$4\r\nPINGxx*1\r\n", 0, AOF_SCAN_BAD, 0},
		{"*0\r\n", 0, AOF_SCAN_BAD, 0},
		{"*-1\r\n", 0, AOF_SCAN_BAD, 0},
		{"*1\r\n+OK\r\n", 0, AOF_SCAN_BAD, 0},
		{"PING\r\n", 0, AOF_SCAN_BAD, 0},
		{"#an endless note", 0, AOF_SCAN_CUT, 0},
	};

	for (uint32_t i = 0; i < RP_ARRAY_LEN(t); i++) {
		struct aof_scan s;
		struct err e;
		uint32_t n = 0;
		enum aof_scan_end end;
		aof_scan_init(&s, t[i].text, strlen(t[i].text), 0);
		while ((end = aof_scan_next(&s, &e)) == AOF_SCAN_COMMAND)
			n++;
		if (end != t[i].end || n != t[i].commands || s.from != t[i].from)
			fail_msg("case %u: end %d after %u commands, from %zu", i, end, n, s.from);
		aof_scan_fini(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_aof_writer__power_loss_keeps_what_was_said_to_be_durable),
		cmocka_unit_test(test_aof_writer__every_call_may_fail),
		cmocka_unit_test(test_aof_writer__full_disk_heals_by_itself),
		cmocka_unit_test(test_aof_writer__failed_sync_is_never_asked_again),
		cmocka_unit_test(test_aof_writer__file_is_filled_ahead_with_always_and_cut_to_the_stream_otherwise),
		cmocka_unit_test(test_aof_writer__rounds_go_over_what_is_filled),
		cmocka_unit_test(test_aof_writer__fill_is_synced_before_it_is_used),
		cmocka_unit_test(test_aof_writer__a_long_round_is_appended),
		cmocka_unit_test(test_aof_writer__error_over_fill_is_a_failed_sync),
		cmocka_unit_test(test_aof_writer__no_room_for_fill_is_no_failure),
		cmocka_unit_test(test_aof_writer__failed_sync_of_fill_is_a_failed_sync),
		cmocka_unit_test(test_aof_writer__everysec_is_on_the_disk_within_a_second),
		cmocka_unit_test(test_aof_writer__everysec_on_a_slow_disk_within_two),
		cmocka_unit_test(test_aof_writer__everysec_last_write_is_not_forgotten),
		cmocka_unit_test(test_aof_writer__everysec_syncs_every_second),
		cmocka_unit_test(test_aof_writer__is_in_the_file_within_5_ms),
		cmocka_unit_test(test_aof_manifest__reads_what_redis_writes_and_refuses_nonsense),
		cmocka_unit_test(test_aof_scan__says_where_it_ends_and_why),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
