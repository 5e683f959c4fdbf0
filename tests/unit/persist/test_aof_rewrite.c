/* The append-only file of a server whose disk fails and loses power, and whose process is killed, at any moment: while
 * it is begun, written, rewritten, switched off and on, and at the next start.
 *
 * The files of ctrlplane/ that do this are the product's; what they need of the rest of it is here, as small as can be:
 * a snapshot is a text that says what it covers (aof_world.h), written by the product's file writer.
 */
#include "aof_world.h"

#include <stdio.h>
#include <stdlib.h>

#include "ctrlplane/ctrl_aof.h"
#include "ctrlplane/ctrl_persist.h"

#define DIR       "dir"
#define NAME      "a"
#define HEAL_US   20000000
#define HEAL_STEP 100000

static const uint64_t ahead[] = {0, 1024, 16384, 65536}; /* aof-fill-ahead, by the seed */

enum sim_state {
	SIM_IDLE,
	SIM_LEASING,
	SIM_WRITING,
	SIM_ENDING,
	SIM_GIVING_UP
};

static struct play {
	struct aof_world world;
	struct ctrl c;
	struct persist persist;
	struct worker worker[SHARDS];
	struct worker *workers[SHARDS];
	enum aof_fsync policy;
	uint64_t seed;
	uint64_t promised; /* the latest round that anybody was told of while it was on */
	uint32_t rewrites;
	bool flips;   /* between `always` and `everysec` */
	bool crashed; /* once: files may be left that nobody names */
	/* the snapshot */
	enum sim_state state;
	struct snapshot_order order;
	char path[256], temp[256];
	struct file_writer *w;
	char *text;
	size_t len, at;
	struct err err;
} * p;

/* ---- the rest of the server ---- */

uint32_t msg_bus_control(const struct msg_bus *b)
{
	return SHARDS;
}

struct msg *msg_get(struct msg_bus *b, uint32_t home)
{
	static struct msg m;

	m = (struct msg){.kind = MSG_CALL};
	return &m;
}

/* At once, on its owner's behalf. */
void msg_send(struct msg_bus *b, struct msg *m)
{
	m->fn(p->workers[m->owner], m);
	if (m->arg[3] != NULL)
		*(bool *)m->arg[3] = true;
}

/* Who is told of rounds that nobody has written, since it is off, knows that it is. */
void msg_kick(struct msg_bus *b, uint32_t to)
{
	assert_true(p->c.aof->state != AOF_OFF || !p->c.dp.aof_on);
}

uint32_t host_poll_done(struct session_host *h, bool nested)
{
	return 0;
}

void ctrl_call_all(struct ctrl *c, msg_call_fn fn, void *arg)
{
}

void ctrl_nap(void)
{
}

void ctrl_publish_conf(struct ctrl *c)
{
	c->dp.aof_on = c->aof->state == AOF_ON;
	c->dp.aof_fails = ctrl_aof_fails(c);
}

void ctrl_lease_all(struct ctrl *c, struct lease *l)
{
}

void lease_release(struct lease_table *t, struct lease *l, uint64_t news)
{
}

int ctrl_persist_lock(struct ctrl *c, struct err *e)
{
	return 0;
}

/* What is in the files is known before: aof_world_check(). */
int ctrl_aof_load(struct ctrl *c, struct err *e)
{
	return 0;
}

/* ---- snapshots ---- */

static struct file_sys *files(void)
{
	return mem_files_sys(p->world.m);
}

bool ctrl_snapshot_running(const struct ctrl *c)
{
	return p->state != SIM_IDLE;
}

static int sim_begin(const char *path, const char *temp, struct err *e)
{
	struct file_writer_params fp = {.path = p->path, .temp = p->temp, .buffer_bytes = 4096, .buffers = 2};

	if (p->state != SIM_IDLE)
		return err_set(e, "one is under way");
	snprintf(p->path, sizeof p->path, "%s", path);
	snprintf(p->temp, sizeof p->temp, "%s", temp);
	p->err.text[0] = '\0';
	p->at = 0;
	p->w = file_writer_create(files(), &fp, e);
	if (p->w == NULL)
		return -1;
	p->state = SIM_LEASING;
	return 0;
}

int ctrl_snapshot_start(struct ctrl *c, const struct snapshot_order *o, struct err *e)
{
	if (sim_begin(o->path, o->temp, e) != 0)
		return -1;
	p->order = *o;
	return 0;
}

static void sim_over(void)
{
	file_writer_destroy(p->w);
	free(p->text);
	p->text = NULL;
	p->state = SIM_IDLE;
	if (p->order.done != NULL)
		p->order.done(p->order.ctx, p->err.text[0] != '\0' ? &p->err : NULL);
}

void ctrl_snapshot_cancel(struct ctrl *c, const char *why)
{
	if (p->state == SIM_IDLE || p->state == SIM_GIVING_UP)
		return;
	err_set(&p->err, "%s", why);
	if (p->state == SIM_LEASING)
		sim_over();
	else
		p->state = SIM_GIVING_UP;
}

void ctrl_snapshot_drop(struct ctrl *c)
{
	if (p->state == SIM_IDLE)
		return;
	err_set(&p->err, "the server ends");
	sim_over();
}

static void sim_epoch(void)
{
	if (p->order.epoch != NULL)
		p->order.epoch(p->order.ctx);
	p->text = aof_world_base(&p->world, &p->len);
	p->state = SIM_WRITING;
}

static void sim_write(void)
{
	if (p->state == SIM_WRITING) {
		size_t n = RP_MIN(p->len - p->at, (size_t)3000);
		p->at += file_writer_put(p->w, p->text + p->at, n, 0);
	}
	if (p->state == SIM_WRITING && p->at == p->len) {
		file_writer_end(p->w);
		p->state = SIM_ENDING;
	}
	enum file_writer_state st = file_writer_poll(p->w, 0);
	if (st == FILE_WRITER_FAILED)
		err_set(&p->err, "%s", file_writer_error(p->w));
	if (st != FILE_WRITER_BUSY)
		sim_over();
}

static void sim_poll(void)
{
	switch (p->state) {
	case SIM_IDLE:
		break;
	case SIM_LEASING:
		if (rng_below(&p->world.rng, 3) == 0)
			sim_epoch();
		break;
	case SIM_WRITING:
	case SIM_ENDING:
		sim_write();
		break;
	case SIM_GIVING_UP:
		sim_over();
		break;
	}
}

int ctrl_snapshot_held(struct ctrl *c, const char *path, const char *temp, struct err *e)
{
	p->order = (struct snapshot_order){.path = NULL};
	if (sim_begin(path, temp, e) != 0)
		return -1;
	sim_epoch();
	while (p->state != SIM_IDLE) {
		file_sys_poll(files());
		sim_write();
	}
	*e = p->err;
	return e->text[0] == '\0' ? 0 : -1;
}

void ctrl_persist_wait_once(struct ctrl *c)
{
	file_sys_poll(files());
	sim_poll();
}

/* ---- a life ---- */

static void play_open(uint64_t seed, enum aof_fsync policy)
{
	struct journal *journal[SHARDS];

	p = aligned_alloc(RP_CACHE_LINE, sizeof *p);
	assert_non_null(p);
	memset(p, 0, sizeof *p);
	for (uint32_t i = 0; i < SHARDS; i++) {
		p->workers[i] = &p->worker[i];
		journal[i] = &p->worker[i].journal;
	}
	p->policy = policy;
	p->seed = seed;
	p->flips = seed % 3 == 0 && policy == AOF_FSYNC_ALWAYS;
	aof_world_open(&p->world, seed, journal, &p->c.durable);
	for (uint32_t i = 0; i < SHARDS; i++) {
		p->worker[i].shard_heap = p->world.heap[i];
		p->worker[i].store = p->world.store[i];
	}
}

static void play_close(void)
{
	aof_world_close(&p->world);
	free(p);
}

static int boot(struct err *e)
{
	struct ctrl *c = &p->c;

	memset(c, 0, sizeof *c);
	c->persist = &p->persist;
	c->persist->files = files();
	c->nworkers = SHARDS;
	c->workers = p->workers;
	c->stores = p->world.store;
	c->host.all_shards = ALL_SHARDS;
	c->now.mono_us = 1000000;
	c->config.appendonly = true;
	c->config.appendfsync = (int)p->policy;
	c->config.journal_buffer = 1;
	c->config.aof_fill_ahead = ahead[p->seed % RP_ARRAY_LEN(ahead)];
	snprintf(c->config.appenddirname, sizeof c->config.appenddirname, DIR);
	snprintf(c->config.appendfilename, sizeof c->config.appendfilename, NAME);
	snprintf(c->config.dbfilename, sizeof c->config.dbfilename, "no such file.rdb");
	p->promised = 0;
	/* Who reads with `always` is told of what is there. */
	for (uint32_t u = 0; u < p->world.nunits; u++)
		p->world.unit[u].gate = p->policy == AOF_FSYNC_ALWAYS ? 0 : 1;
	int rc = ctrl_aof_init(c, e);
	return rc == 0 ? ctrl_aof_boot(c, e) : rc;
}

/* Somebody's commands come and are refused, a disk's answers come, an operator wants something. */
static void turn(bool operates)
{
	struct ctrl *c = &p->c;
	struct aof *a = c->aof;
	struct rng *rng = &p->world.rng;
	struct err e;
	bool tight = false;

	for (uint32_t i = 0; i < SHARDS; i++)
		tight |= journal_ring_tight(a->ring[i]);
	/* Keys expire also while writers are refused. */
	for (uint64_t n = rng_below(rng, c->dp.aof_fails ? 2 : 6); n > 0 && !tight; n--)
		aof_world_write(&p->world);
	c->now.mono_us += rng_below(rng, 300000);
	if (operates && rng_below(rng, 30) == 0 && (a->state == AOF_ON || a->state == AOF_OFF) && !a->rewrite.running &&
	    !ctrl_snapshot_running(c))
		aof_rewrite_start(c, a->state == AOF_ON && aof_writer_health(a->w) == AOF_BROKEN, &e);
	if (operates && rng_below(rng, 40) == 0) {
		c->config.appendonly = !c->config.appendonly;
		ctrl_aof_configure(c);
	}
	if (operates && p->flips && rng_below(rng, 20) == 0) {
		c->config.appendfsync = c->config.appendfsync == (int)AOF_FSYNC_ALWAYS ? (int)AOF_FSYNC_EVERYSEC
										       : (int)AOF_FSYNC_ALWAYS;
		ctrl_aof_configure(c);
	}
	file_sys_poll(files());
	sim_poll();
	ctrl_aof_poll(c);
	if (a->state == AOF_ON)
		p->promised = RP_MAX(p->promised, c->durable.synced);
}

/* The process is gone: nothing that it does then reaches the files. */
static void forget_process(void)
{
	if (p->c.aof != NULL)
		p->rewrites += p->c.aof->rewrite.rewrites;
	ctrl_aof_fini(&p->c);
	if (p->state != SIM_IDLE) {
		file_writer_destroy(p->w);
		free(p->text);
		p->text = NULL;
		p->state = SIM_IDLE;
	}
	mem_files_again(p->world.m);
}

static void crash(bool power)
{
	uint64_t promised = p->promised;

	if (power)
		mem_files_power_loss(p->world.m);
	else
		mem_files_kill(p->world.m);
	forget_process();
	aof_world_check(&p->world, DIR, NAME, promised, true);
	p->crashed = true;
}

static void live(uint32_t turns)
{
	for (uint32_t i = 0; i < turns; i++)
		turn(true);
}

static bool named(const char *path)
{
	const struct aof_manifest *m = &p->c.aof->manifest;

	if (strcmp(path, DIR "/" NAME ".manifest") == 0)
		return true;
	for (uint32_t i = 0; i < m->n; i++)
		if (strcmp(path + strlen(DIR "/"), m->file[i].name) == 0)
			return true;
	return false;
}

/* The disk is well again: so is the server, soon. All that was written is there after an orderly end, and no file is
 * that no manifest names. */
static void expect_healed(void)
{
	struct ctrl *c = &p->c;
	const char *path;

	mem_files_fail(p->world.m, 0, 0, 0);
	c->config.appendonly = true;
	ctrl_aof_configure(c);
	for (uint64_t us = 0; us < HEAL_US || c->aof->rewrite.running; us += HEAL_STEP) {
		assert_true(us < 10 * HEAL_US);
		c->now.mono_us += HEAL_STEP;
		turn(false);
	}
	assert_int_equal(c->aof->state, AOF_ON);
	assert_int_equal(aof_writer_health(c->aof->w), AOF_HEALTHY);
	assert_false(c->dp.aof_fails);
	for (uint32_t i = 0;
	     !p->crashed && !mem_files_remains(p->world.m) && (path = mem_files_name(p->world.m, i)) != NULL; i++)
		if (!named(path))
			fail_msg("%s is left (seed %lu)", path, (unsigned long)p->seed);
	ctrl_aof_close(c);
	p->promised = UINT64_MAX;
	crash(true);
}

static void test_aof_rewrite__killed_or_without_power_it_keeps_what_it_promised(void **state)
{
	struct err e = {""};
	uint32_t rewrites = 0;

	for (uint64_t seed = 1; seed <= 150; seed++)
		for (enum aof_fsync policy = AOF_FSYNC_ALWAYS; policy <= AOF_FSYNC_NO; policy++) {
			play_open(seed, policy);
			for (uint32_t life = 0; life < 4; life++) {
				if (boot(&e) != 0)
					fail_msg("%s", e.text);
				live((uint32_t)rng_below(&p->world.rng, 150));
				crash(rng_below(&p->world.rng, 3) != 0);
			}
			if (boot(&e) != 0)
				fail_msg("%s", e.text);
			expect_healed();
			rewrites += p->rewrites;
			play_close();
		}
	assert_true(rewrites > 200);
}

static void test_aof_rewrite__every_call_may_fail(void **state)
{
	static const int errs[] = {ENOSPC, EIO};

	for (uint64_t at = 1; at <= 130; at++)
		for (uint64_t until = 1; until <= 64; until *= 4)
			for (uint32_t k = 0; k < 2 * RP_ARRAY_LEN(errs); k++) {
				struct err e = {""};
				play_open(at * 7 + until, k % 2 ? AOF_FSYNC_ALWAYS : AOF_FSYNC_EVERYSEC);
				mem_files_fail(p->world.m, at, errs[k / 2], until);
				if (boot(&e) != 0) { /* it says why, and the next start works */
					assert_string_not_equal(e.text, "");
					crash(at % 2);
				} else {
					live(100);
					if (at % 3 == 0)
						crash(at % 2);
					else
						expect_healed();
				}
				mem_files_fail(p->world.m, 0, 0, 0);
				if (boot(&e) != 0)
					fail_msg("%s", e.text);
				expect_healed();
				play_close();
			}
}

/* Turns until it is over, without anybody's wishes. */
static void turns_until(bool (*over)(void))
{
	for (uint32_t i = 0; !over(); i++) {
		assert_true(i < 10000);
		turn(false);
	}
}

static bool is_off(void)
{
	return p->c.aof->state == AOF_OFF;
}

static bool begins(void)
{
	return p->c.aof->state == AOF_STARTING && p->c.aof->rewrite.mark_met;
}

static bool is_at_rest(void)
{
	return p->c.aof->state == AOF_ON && !p->c.aof->rewrite.running;
}

static void switch_to(bool on)
{
	p->c.config.appendonly = on;
	ctrl_aof_configure(&p->c);
}

static void test_aof_rewrite__switched_off_as_its_first_base_is_done_it_is_off(void **state)
{
	struct err e = {""};

	for (uint64_t seed = 1; seed <= 40; seed++) {
		play_open(seed, seed % 2 ? AOF_FSYNC_ALWAYS : AOF_FSYNC_EVERYSEC);
		assert_int_equal(boot(&e), 0);
		struct aof *a = p->c.aof;
		switch_to(false);
		turns_until(is_off);
		switch_to(true);
		turns_until(begins);
		while (!a->rewrite.based) {
			file_sys_poll(files());
			sim_poll();
		}
		switch_to(false);
		ctrl_aof_poll(&p->c);
		assert_int_equal(a->state, AOF_STOPPING);
		turns_until(is_off);
		expect_healed(); /* switches it on again: what is written then is kept */
		play_close();
	}
}

static void test_aof_rewrite__the_mark_that_a_failed_one_left_is_not_the_next_ones(void **state)
{
	struct err e = {""};

	for (uint64_t seed = 1; seed <= 40; seed++) {
		play_open(seed, seed % 2 ? AOF_FSYNC_ALWAYS : AOF_FSYNC_EVERYSEC);
		assert_int_equal(boot(&e), 0);
		struct ctrl *c = &p->c;
		struct aof_rewrite *r = &c->aof->rewrite;
		turns_until(is_at_rest);
		assert_int_equal(aof_rewrite_start(c, false, &e), 0);
		sim_epoch(); /* its mark is in the rings, and the writer has not come to it */
		aof_rewrite_cancel(c, "the disk is full");
		sim_poll();
		assert_false(r->running);
		assert_int_equal(aof_rewrite_start(c, false, &e), 0);
		for (uint32_t i = 0; i < 1000; i++) { /* the next one still waits for all shards */
			c->now.mono_us += 10000;
			ctrl_aof_poll(c);
		}
		for (uint32_t i = 0; i < SHARDS; i++)
			assert_int_equal(journal_ring_used(c->aof->ring[i]), 0);
		assert_true(r->running && !r->mark_met);
		expect_healed();
		play_close();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_aof_rewrite__killed_or_without_power_it_keeps_what_it_promised),
		cmocka_unit_test(test_aof_rewrite__every_call_may_fail),
		cmocka_unit_test(test_aof_rewrite__switched_off_as_its_first_base_is_done_it_is_off),
		cmocka_unit_test(test_aof_rewrite__the_mark_that_a_failed_one_left_is_not_the_next_ones),
	};

	log_open("", getenv("AOF_LOG") ? LOG_VERBOSE : LOG_NOTHING);
	return cmocka_run_group_tests_name("aof_rewrite", tests, NULL, NULL);
}
