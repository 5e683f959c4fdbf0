/* The append-only file: on, off, its part of the loop. */
#include "ctrlplane/ctrl_aof.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "ctrlplane/ctrl_persist.h"

/* ---- names ---- */

char *aof_path(const struct aof *a, const char *file, char *buf)
{
	snprintf(buf, AOF_PATH_MAX, "%s/%s", a->dir, file);
	return buf;
}

void aof_incr_name(const struct aof *a, uint64_t seq, char *buf)
{
	snprintf(buf, AOF_NAME_MAX, "%.400s.%lu.incr.aof", a->name, (unsigned long)seq);
}

void aof_base_name(const struct aof *a, uint64_t seq, char *buf)
{
	snprintf(buf, AOF_NAME_MAX, "%.400s.%lu.base.rdb", a->name, (unsigned long)seq);
}

uint64_t aof_bytes(const struct aof *a)
{
	return a->closed_bytes + aof_writer_offset(a->w);
}

int aof_make_dir(struct ctrl *c, struct err *e)
{
	struct file_sys *f = c->persist->files;
	int rc = f->ops->mkdir(f, c->aof->dir, 0755);

	if (rc == 0)
		rc = file_sys_sync_dir(f,
				       c->aof->dir); /* of the one that it is in: what is acknowledged is found again */
	return rc != 0 && rc != -EEXIST ? file_err(e, "create directory", c->aof->dir, rc) : 0;
}

int aof_create_incr(struct ctrl *c, uint64_t seq, struct err *e)
{
	struct file_sys *f = c->persist->files;
	char name[AOF_NAME_MAX], path[AOF_PATH_MAX];

	if (aof_make_dir(c, e) != 0)
		return -1;
	aof_incr_name(c->aof, seq, name);
	/* One that a killed process has left must not be found again, as it was, where power is lost before that it was
	 * emptied is on the disk. */
	f->ops->unlink(f, aof_path(c->aof, name, path));
	int fd = f->ops->open(f, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return file_err(e, "create", path, fd);
	return fd;
}

/* ---- shards ---- */

void aof_attach(struct ctrl *c)
{
	struct aof *a = c->aof;

	for (uint32_t i = 0; i < c->nworkers; i++)
		journal_ring_reset(a->ring[i]);
	for (uint32_t i = 0; i < c->nworkers; i++) {
		a->detached[i] = false;
		journal_attach(&c->workers[i]->journal, a->ring[i]);
	}
}

static struct msg *shard_call(struct ctrl *c, uint32_t worker, msg_call_fn fn)
{
	uint32_t self = msg_bus_control(c->bus);
	struct msg *m;

	while ((m = msg_get(c->bus, self)) == NULL)
		host_poll_done(&c->host, true);
	m->kind = MSG_CALL_SHARD;
	m->owner = (uint8_t)worker;
	m->fn = fn;
	m->arg[3] = NULL;
	return m;
}

static bool gates_turn(uint32_t *shown, uint32_t from, uint32_t to)
{
	return __atomic_compare_exchange_n(shown, &from, to, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* On the owner's thread. The control thread may change its mind back and forth meanwhile. */
static void hide_gates(void *owner, struct msg *m)
{
	struct worker *w = owner;
	uint32_t *shown = m->arg[0];

	while (!gates_turn(shown, AOF_GATES_TO_STAY, AOF_GATES_SHOWN)) {
		if (!gates_turn(shown, AOF_GATES_TO_HIDE, AOF_GATES_HIDING))
			continue;
		store_set_gates(w->store, NULL);
		__atomic_store_n(shown, AOF_GATES_HIDDEN, __ATOMIC_RELEASE);
		return;
	}
}

static void hide(struct ctrl *c, uint32_t i)
{
	uint32_t *shown = &c->aof->shown[i];

	if (gates_turn(shown, AOF_GATES_TO_STAY, AOF_GATES_TO_HIDE) ||
	    !gates_turn(shown, AOF_GATES_SHOWN, AOF_GATES_TO_HIDE))
		return;
	struct msg *m = shard_call(c, i, hide_gates);
	m->arg[0] = shown;
	msg_send(c->bus, m);
}

static void show(struct ctrl *c, uint32_t i)
{
	uint32_t *shown = &c->aof->shown[i];

	if (gates_turn(shown, AOF_GATES_TO_HIDE, AOF_GATES_TO_STAY))
		return;
	while (__atomic_load_n(shown, __ATOMIC_ACQUIRE) == AOF_GATES_HIDING)
		ctrl_nap();
	if (__atomic_load_n(shown, __ATOMIC_ACQUIRE) != AOF_GATES_HIDDEN)
		return;
	store_show_gates(c->stores[i], c->aof->gates[i]);
	__atomic_store_n(shown, AOF_GATES_SHOWN, __ATOMIC_RELEASE);
}

void aof_show_gates(struct ctrl *c)
{
	c->aof->gated = true;
	for (uint32_t i = 0; i < c->nworkers; i++)
		show(c, i);
}

static void between_commands(void *owner, struct msg *m)
{
}

void aof_set_gated(struct ctrl *c, bool on)
{
	struct aof *a = c->aof;

	if (a->gated == on)
		return;
	a->gated = on;
	if (!on) {
		for (uint32_t i = 0; i < c->nworkers; i++)
			hide(c, i);
		return;
	}
	/* At once, also where a shard is held by a script that never ends: whoever executes finds them when he next
	 * looks, and what was under way before has ended on every worker when this returns. */
	aof_show_gates(c);
	if (!c->workers_gone)
		ctrl_call_all(c, between_commands, NULL);
}

static void detach(void *owner, struct msg *m)
{
	struct worker *w = owner;

	journal_attach(&w->journal, NULL);
}

/* Rings and gates, once and for all: others look at them at any time. */
static int make_rings(struct ctrl *c, struct err *e)
{
	struct aof *a = c->aof;

	for (uint32_t i = 0; i < c->nworkers; i++) {
		a->ring[i] = journal_ring_create(c->config.journal_buffer, i, c->workers[i]->shard_heap, e);
		a->gates[i] = calloc(1, sizeof *a->gates[i]);
		if (a->ring[i] == NULL)
			return -1;
		if (a->gates[i] == NULL)
			return err_set(e, "out of memory for the journal");
	}
	return 0;
}

/* ---- from the writer ---- */

static void on_synced(void *ctx)
{
	struct ctrl *c = ctx;

	for (uint32_t i = 0; i < c->nworkers; i++)
		msg_kick(c->bus, i);
}

static void on_mark(void *ctx, uint64_t mark)
{
	aof_rewrite_mark(ctx, mark);
}

bool ctrl_aof_fails(const struct ctrl *c)
{
	const struct aof *a = c->aof;

	if (a == NULL || (a->state != AOF_ON && a->state != AOF_STARTING))
		return false;
	/* At the start everybody may write; with `always` the replies wait for the first snapshot, but not for one that
	 * may never come about. */
	if (a->state == AOF_STARTING)
		return a->gated && aof_writer_health(a->w) == AOF_BROKEN;
	return aof_writer_health(a->w) != AOF_HEALTHY || !aof_writer_confirmed(a->w);
}

void aof_publish_health(struct ctrl *c)
{
	if (ctrl_aof_fails(c) != c->dp.aof_fails || (c->aof->state == AOF_ON) != c->dp.aof_on)
		ctrl_publish_conf(c);
}

static void on_health(void *ctx, enum aof_health h, const char *why)
{
	struct ctrl *c = ctx;
	struct aof *a = c->aof;

	switch (h) {
	case AOF_HEALTHY:
		log_write(LOG_NOTICE, "append-only file: writing goes on");
		break;
	case AOF_WRITE_FAILS:
		snprintf(a->why, sizeof a->why, "%s", why);
		log_write(LOG_WARNING,
			  "append-only file: %s; tried again every second, and no client may write meanwhile", why);
		break;
	case AOF_BROKEN:
		snprintf(a->why, sizeof a->why, "%s", why);
		log_write(LOG_WARNING,
			  "append-only file: %s; what is on the disk is not known, so it is written anew from memory, "
			  "and no client may write until that is done",
			  why);
		aof_rewrite_cancel(c, "the append-only file failed");
		a->rewrite.not_before_us = 0;
		break;
	}
	aof_publish_health(c);
}

/* ---- life ---- */

int ctrl_aof_init(struct ctrl *c, struct err *e)
{
	struct aof *a = c->aof = calloc(1, sizeof *a);
	struct aof_writer_hooks hooks = {.ctx = c, .synced = on_synced, .mark = on_mark, .health = on_health};

	if (a == NULL)
		return err_set(e, "out of memory at boot");
	a->state = c->config.appendonly ? AOF_LOADING : AOF_OFF;
	a->rewrite.incr_fd = -1;
	a->rewrite.last_s = -1;
	snprintf(a->dir, sizeof a->dir, "%s", c->config.appenddirname);
	snprintf(a->name, sizeof a->name, "%s", c->config.appendfilename);
	if (make_rings(c, e) != 0)
		return -1;
	a->w = aof_writer_create(c->persist->files, &c->durable, a->ring, c->nworkers, &hooks);
	if (a->w == NULL)
		return err_set(e, "out of memory at boot");
	/* Also without appendonly: files that are there keep their names. */
	int rc = aof_manifest_load(c->persist->files, a->dir, a->name, &a->manifest, e);
	if (rc == 0 || rc == -ENOENT)
		return 0;
	if (!c->config.appendonly)
		log_write(LOG_WARNING, "append-only file: %s", e->text);
	return c->config.appendonly ? -1 : 0;
}

void ctrl_aof_close(struct ctrl *c)
{
	struct aof *a = c->aof;

	if (a == NULL || a->w == NULL)
		return;
	aof_rewrite_cancel(c, "shutdown");
	if (a->state == AOF_ON && aof_writer_flush(a->w, c->now.mono_us, c->now.wall_us) != 0)
		log_write(LOG_WARNING, "append-only file: the last writes are not on the disk");
	aof_writer_stop(a->w);
	a->state = AOF_OFF;
}

void ctrl_aof_fini(struct ctrl *c)
{
	struct aof *a = c->aof;

	if (a == NULL)
		return;
	ctrl_aof_close(c);
	if (a->rewrite.running) /* its end is told here */
		ctrl_snapshot_drop(c);
	aof_writer_destroy(a->w);
	for (uint32_t i = 0; i < c->nworkers; i++) {
		if (c->workers != NULL && c->workers[i] != NULL)
			journal_attach(&c->workers[i]->journal, NULL);
		journal_ring_destroy(a->ring[i]);
		free(a->gates[i]);
	}
	aof_manifest_fini(&a->manifest);
	free(a);
	c->aof = NULL;
}

/* Switched off: first the shards stop writing to their rings, then what is in them goes to the file. */
static void stop_begin(struct ctrl *c)
{
	struct aof *a = c->aof;

	aof_rewrite_cancel(c, "appendonly no");
	a->state = AOF_STOPPING;
	aof_set_gated(c, false);
	for (uint32_t i = 0; i < c->nworkers; i++) {
		struct msg *m = shard_call(c, i, detach);
		m->arg[3] = &a->detached[i];
		msg_send(c->bus, m);
	}
}

static void stop_end(struct ctrl *c)
{
	struct aof *a = c->aof;

	for (uint32_t i = 0; i < c->nworkers; i++)
		if (!__atomic_load_n(&a->detached[i], __ATOMIC_ACQUIRE) || a->rewrite.running)
			return;
	if (aof_writer_flush(a->w, c->now.mono_us, c->now.wall_us) != 0)
		log_write(LOG_WARNING, "append-only file: the last writes are not on the disk");
	aof_writer_stop(a->w);
	a->state = AOF_OFF;
	a->closed_bytes = a->base_bytes = 0;
	/* First, so that WAITAOF says that there is no file rather than that all is in it. */
	aof_publish_health(c);
	/* Nobody waits for a disk that nothing is written to. */
	__atomic_store_n(&c->durable.synced, c->durable.begun + 1, __ATOMIC_RELEASE);
	__atomic_store_n(&c->durable.begun, c->durable.begun + 1, __ATOMIC_RELEASE);
	on_synced(c);
	log_write(LOG_NOTICE, "append-only file: off");
}

void ctrl_aof_configure(struct ctrl *c)
{
	struct aof *a = c->aof;

	if (a == NULL)
		return;
	aof_writer_policy(a->w, (enum aof_fsync)c->config.appendfsync, c->config.aof_timestamp_enabled);
	aof_writer_fill_ahead(a->w, c->config.aof_fill_ahead);
	if (a->state == AOF_ON || (a->state == AOF_STARTING && aof_writer_started(a->w)))
		aof_set_gated(c, c->config.appendfsync == AOF_FSYNC_ALWAYS);
	if (a->state == AOF_ON && !c->config.appendonly)
		stop_begin(c);
}

uint64_t ctrl_aof_poll(struct ctrl *c)
{
	struct aof *a = c->aof;

	if (a->state == AOF_STOPPING)
		stop_end(c);
	if (a->state == AOF_STARTING && !c->config.appendonly)
		stop_begin(c);
	uint64_t again = aof_writer_poll(a->w, c->now.mono_us, c->now.wall_us);
	aof_rewrite_poll(c);
	return a->state == AOF_STOPPING ? 1000 : again;
}

bool ctrl_aof_due(const struct ctrl *c)
{
	return aof_writer_due(c->aof->w);
}

void ctrl_aof_tick(struct ctrl *c)
{
	aof_writer_spare_disk(c->aof->w, c->config.no_appendfsync_on_rewrite && ctrl_snapshot_running(c));
}
