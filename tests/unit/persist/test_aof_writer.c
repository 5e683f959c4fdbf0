/* The writer of the append-only file against a disk that fails and loses power: whoever was told that his effect is
 * durable finds it, no unit is torn, and each shard's order is kept. */
#include "mem_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "persist/aof_manifest.h"
#include "persist/aof_scan.h"
#include "persist/aof_writer.h"
#include "store/store.h"

#define SHARDS 3
#define UNITS  4096

struct unit { /* one that was emitted */
	uint64_t shards, gate;
	uint64_t seq[SHARDS]; /* 0: takes no part */
};

struct world {
	struct mem_files *m;
	struct rng rng;
	struct heap *heap[SHARDS];
	struct journal journal[SHARDS];
	struct journal_ring *ring[SHARDS];
	struct store *store[SHARDS];
	struct journal_clock clock;
	struct aof_writer *w;
	struct aof_manifest manifest;
	enum aof_health health;
	uint64_t now_us, next_seq[SHARDS], marks, marks_met;
	struct unit unit[UNITS];
	uint32_t nunits;
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
	if (aof_manifest_store(f, "dir", "a", &w->manifest, &e) == 0)
		return fd;
	w->manifest.n = n;
	return -EIO;
}

static void on_mark(void *ctx, uint64_t mark)
{
	struct world *w = ctx;
	int fd = new_incr(w);

	w->marks_met++;
	assert_int_equal(mark, w->marks_met);
	if (fd >= 0)
		aof_writer_switch(w->w, fd);
}

static void world_open(struct world *w, uint64_t seed, enum aof_fsync policy)
{
	struct err e = {""};
	struct aof_writer_hooks hooks = {.ctx = w, .synced = on_synced, .mark = on_mark, .health = on_health};

	memset(w, 0, sizeof *w);
	w->m = mem_files_create(seed);
	rng_init(&w->rng, seed);
	w->now_us = 1000000;
	for (uint32_t i = 0; i < SHARDS; i++) {
		w->heap[i] = heap_create(&(struct heap_params){"shard", 64 << 20, 0}, &e);
		w->ring[i] = journal_ring_create(1, i, w->heap[i], &e);
		w->store[i] = store_create(&(struct store_params){.shard = i,
								  .databases = 2,
								  .hash_seed = 7,
								  .index_initial = 64,
								  .heap = w->heap[i],
								  .journal = &w->journal[i]},
					   &e);
		journal_attach(&w->journal[i], w->ring[i]);
	}
	w->w = aof_writer_create(mem_files_sys(w->m), &w->clock, w->ring, SHARDS, &hooks);
	aof_writer_policy(w->w, policy, false);
	int fd = new_incr(w);
	assert_true(fd >= 0);
	aof_writer_start(w->w, fd, 0, true);
}

static void world_close(struct world *w)
{
	aof_writer_destroy(w->w);
	for (uint32_t i = 0; i < SHARDS; i++) {
		journal_ring_destroy(w->ring[i]);
		store_destroy(w->store[i]);
		heap_destroy(w->heap[i]);
	}
	aof_manifest_fini(&w->manifest);
	mem_files_destroy(w->m);
}

static void emit(struct world *w, uint32_t shard, uint64_t seq, uint32_t unit)
{
	char a[8], b[24], c[24];
	struct slice argv[] = {SLICE("P"),
			       {a, (size_t)sprintf(a, "%u", shard)},
			       {b, (size_t)sprintf(b, "%lu", (unsigned long)seq)},
			       {c, (size_t)sprintf(c, "%u", unit)}};

	journal_emit(&w->journal[shard], unit % 2, 4, argv);
}

static void write_unit(struct world *w)
{
	struct journal_unit u;
	struct unit *one = &w->unit[w->nunits];

	if (w->nunits == UNITS)
		return;
	*one = (struct unit){.shards = 1 + rng_below(&w->rng, 7)};
	journal_begin(&u, w->store, one->shards);
	for (uint32_t i = 0; i < SHARDS; i++)
		if (one->shards >> i & 1 && rng_below(&w->rng, 4) != 0) {
			one->seq[i] = ++w->next_seq[i];
			emit(w, i, one->seq[i], w->nunits);
		}
	if (!journal_end(&u, w->store))
		return;
	one->gate = journal_gate(&w->clock);
	w->nunits++;
}

static void turn(struct world *w)
{
	bool tight = false;

	for (uint32_t i = 0; i < SHARDS; i++)
		tight |= journal_ring_tight(w->ring[i]);
	for (uint64_t n = rng_below(&w->rng, 6); n > 0 && !tight; n--)
		write_unit(w);
	if (rng_below(&w->rng, 50) == 0 && w->marks == w->marks_met)
		journal_mark(w->store, 7, ++w->marks);
	w->now_us += rng_below(&w->rng, 300000);
	aof_writer_poll(w->w, w->now_us, 0);
}

/* ---- what is left after the power came back ---- */

struct left {
	uint64_t last[SHARDS]; /* number of the last effect of each shard */
	bool *unit[SHARDS];    /* [UNITS]: that unit's effect there was found */
};

static void take_left(struct left *l, const struct aof_scan *s)
{
	uint32_t shard = (uint32_t)strtoul(s->argv[1].ptr, NULL, 10);
	uint64_t seq = strtoul(s->argv[2].ptr, NULL, 10), unit = strtoul(s->argv[3].ptr, NULL, 10);

	assert_int_equal(seq, l->last[shard] + 1);
	l->last[shard] = seq;
	l->unit[shard][unit] = true;
}

static void read_file(struct left *l, const char *data, size_t len, bool last)
{
	struct aof_scan s;
	struct err e;
	enum aof_scan_end end;
	bool multi = false;

	while (last && len > 0 && data[len - 1] == '\0')
		len--;
	aof_scan_init(&s, data, len, 0);
	while ((end = aof_scan_next(&s, &e)) == AOF_SCAN_COMMAND) {
		if (slice_is(s.argv[0], "multi")) {
			multi = true;
			/* Only if EXEC is there does it count. */
			struct aof_scan ahead;
			aof_scan_init(&ahead, data, len, s.at);
			do
				end = aof_scan_next(&ahead, &e);
			while (end == AOF_SCAN_COMMAND && !slice_is(ahead.argv[0], "exec"));
			aof_scan_fini(&ahead);
			if (end != AOF_SCAN_COMMAND)
				break;
		} else if (slice_is(s.argv[0], "exec")) {
			assert_true(multi);
			multi = false;
		} else if (slice_is(s.argv[0], "p")) {
			take_left(l, &s);
		} else {
			assert_true(slice_is(s.argv[0], "select"));
		}
	}
	aof_scan_fini(&s);
	assert_true(end == AOF_SCAN_END || (last && end == AOF_SCAN_CUT));
}

static void check_after_power_loss(struct world *w, uint64_t synced)
{
	struct left l = {{0}};
	struct aof_manifest man;
	struct err e;

	for (uint32_t i = 0; i < SHARDS; i++)
		l.unit[i] = calloc(UNITS, sizeof(bool));
	assert_int_equal(aof_manifest_load(mem_files_sys(w->m), "dir", "a", &man, &e), 0);
	for (uint32_t i = 0; i < man.n; i++) {
		char path[AOF_NAME_MAX + 8];
		size_t len;
		snprintf(path, sizeof path, "dir/%s", man.file[i].name);
		const char *data = mem_files_get(w->m, path, &len);
		assert_non_null(data);
		read_file(&l, data, len, i == man.n - 1);
	}
	aof_manifest_fini(&man);
	for (uint32_t u = 0; u < w->nunits; u++) {
		uint32_t parts = 0, found = 0;
		for (uint32_t i = 0; i < SHARDS; i++) {
			parts += w->unit[u].seq[i] != 0;
			found += l.unit[i][u];
		}
		assert_true(found == 0 || found == parts);
		if (w->unit[u].gate <= synced)
			assert_int_equal(found, parts);
	}
	for (uint32_t i = 0; i < SHARDS; i++)
		free(l.unit[i]);
}

static void play(uint64_t seed, enum aof_fsync policy, uint32_t turns)
{
	struct world *w = malloc(sizeof *w);

	world_open(w, seed, policy);
	for (uint32_t i = 0; i < turns; i++)
		turn(w);
	uint64_t synced = w->clock.synced;
	mem_files_power_loss(w->m);
	check_after_power_loss(w, synced);
	world_close(w);
	free(w);
}

static void test_aof_writer__power_loss_keeps_what_was_said_to_be_durable(void **state)
{
	for (uint64_t seed = 1; seed <= 300; seed++) {
		play(seed, AOF_FSYNC_ALWAYS, 1 + (uint32_t)(seed * 7 % 400));
		play(seed, AOF_FSYNC_EVERYSEC, 1 + (uint32_t)(seed * 11 % 400));
		play(seed, AOF_FSYNC_NO, 1 + (uint32_t)(seed * 13 % 200));
	}
}

static void play_failing(uint64_t seed, int err, uint64_t at, uint64_t until, enum aof_fsync policy)
{
	struct world *w = malloc(sizeof *w);

	world_open(w, seed, policy);
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
	check_after_power_loss(w, synced);
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
	write_unit(w);
	for (uint32_t i = 0; i < 50; i++)
		aof_writer_poll(w->w, w->now_us, 0);
	uint64_t before = w->clock.synced;
	mem_files_fail(w->m, 1, ENOSPC, UINT64_MAX / 2);
	do
		write_unit(w);
	while (w->unit[w->nunits - 1].gate <= before);
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
		write_unit(w);
	while (w->nunits == 0);
	mem_files_fail(w->m, 2, EIO, 1); /* the write succeeds, the sync does not */
	for (uint32_t i = 0; i < 50 && w->health == AOF_HEALTHY; i++)
		aof_writer_poll(w->w, w->now_us, 0);
	if (w->health != AOF_BROKEN) /* the write came in two parts */
		mem_files_fail(w->m, 1, EIO, 1);
	uint64_t calls = mem_files_calls(w->m), synced = w->clock.synced;
	write_unit(w);
	for (uint32_t i = 0; i < 50; i++)
		aof_writer_poll(w->w, w->now_us += 100000, 0);
	assert_int_equal(w->health, AOF_BROKEN);
	assert_int_equal(mem_files_calls(w->m), calls);
	assert_int_equal(w->clock.synced, synced);
	assert_false(aof_merge_pending(&(struct aof_merge){.n = 1, .ring = {w->ring[0]}})); /* the ring is kept empty */
	int fd = new_incr(w);
	aof_writer_start(w->w, fd, 0, false);
	do
		write_unit(w);
	while (w->unit[w->nunits - 1].seq[0] == 0);
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
		cmocka_unit_test(test_aof_manifest__reads_what_redis_writes_and_refuses_nonsense),
		cmocka_unit_test(test_aof_scan__says_where_it_ends_and_why),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
