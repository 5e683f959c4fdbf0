/* BGREWRITEAOF: a snapshot and a new incremental file take the place of what there was. */
#include <stdio.h>
#include <sys/stat.h>

#include "ctrlplane/ctrl_aof.h"
#include "ctrlplane/ctrl_persist.h"

#define RETRY_US     2000000 /* after one that failed */
#define SWITCH_ON_US 3000000 /* CONFIG SET waits for the shards so long */

static uint64_t file_bytes(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void temp_path(const struct aof *a, char *buf)
{
	snprintf(buf, AOF_PATH_MAX, "%s/temp-%.400s.base.rdb", a->dir, a->name);
}

/* ---- the end ---- */

/* The new incremental file was not put in use. */
static void drop_incr(struct ctrl *c)
{
	struct file_sys *f = c->persist->files;
	struct aof_rewrite *r = &c->aof->rewrite;
	char name[AOF_NAME_MAX], path[AOF_PATH_MAX];

	f->ops->close(f, r->incr_fd);
	r->incr_fd = -1;
	aof_incr_name(c->aof, r->incr_seq, name);
	f->ops->unlink(f, aof_path(c->aof, name, path));
}

static void ended(struct ctrl *c, const char *why)
{
	struct aof *a = c->aof;
	struct aof_rewrite *r = &a->rewrite;

	r->running = false;
	r->failed = why != NULL;
	r->last_s = (int64_t)(c->now.mono_us - r->began_us) / 1000000;
	if (r->incr_fd >= 0)
		drop_incr(c);
	if (why != NULL) {
		r->failures++;
		r->not_before_us = c->now.mono_us + RETRY_US;
		log_write(LOG_WARNING, "append-only file: rewrite failed: %s", why);
		return;
	}
	r->rewrites++;
	r->failures = 0;
	a->base_bytes = aof_bytes(a);
	log_write(LOG_NOTICE, "append-only file: rewritten, %lu bytes", (unsigned long)a->base_bytes);
}

/* Leaves no file that no manifest names. */
static void remove_base(struct ctrl *c)
{
	struct file_sys *f = c->persist->files;
	char name[AOF_NAME_MAX], path[AOF_PATH_MAX];

	aof_base_name(c->aof, c->aof->rewrite.base_seq, name);
	f->ops->unlink(f, aof_path(c->aof, name, path));
	if (!c->aof->rewrite.anew)
		return;
	aof_incr_name(c->aof, c->aof->rewrite.incr_seq, name);
	f->ops->unlink(f, aof_path(c->aof, name, path));
}

/* The manifest as it will be: the new base, and the incremental files from the new one on. 0, or with *e: -1, and all
 * is as it was, or FILE_NOT_SYNCED: it is in its place, and files of both manifests must stay. */
static int put_manifest(struct ctrl *c, struct err *e)
{
	struct aof *a = c->aof;
	struct aof_rewrite *r = &a->rewrite;
	struct file_sys *f = c->persist->files;
	char base[AOF_NAME_MAX], incr[AOF_NAME_MAX];
	struct aof_manifest next;

	aof_base_name(a, r->base_seq, base);
	aof_incr_name(a, r->incr_seq, incr);
	if (!aof_manifest_copy(&a->manifest, &next))
		return err_set(e, "out of memory for the manifest");
	aof_manifest_retire(&next, r->anew || r->alone ? NULL : aof_manifest_last_incr(&next));
	int rc = aof_manifest_add(&next, base, r->base_seq, 'b') &&
				 (!r->anew || aof_manifest_add(&next, incr, r->incr_seq, 'i'))
			 ? aof_manifest_store(f, a->dir, a->name, &next, e)
			 : err_set(e, "out of memory for the manifest");
	if (rc == -1) {
		aof_manifest_fini(&next);
		return -1;
	}
	aof_manifest_fini(&a->manifest);
	a->manifest = next;
	if (rc != 0)
		return rc;
	/* The files of the past go; if the power fails now, the manifest still says that they are to go. */
	if (aof_manifest_clean(f, a->dir, &a->manifest) != 0 &&
	    aof_manifest_store(f, a->dir, a->name, &a->manifest, e) != 0)
		log_write(LOG_WARNING, "append-only file: %s", e->text);
	return 0;
}

/* A stream that no manifest is sure to name ends: it is begun anew. */
static void give_up_stream(struct ctrl *c, const char *why)
{
	if (*why != '\0')
		snprintf(c->aof->why, sizeof c->aof->why, "%.*s", (int)sizeof c->aof->why - 1, why);
	aof_writer_break(c->aof->w);
	if (!c->workers_gone)
		aof_publish_health(c);
}

/* Base and incremental file are there. */
static void finish(struct ctrl *c)
{
	struct aof *a = c->aof;
	struct aof_rewrite *r = &a->rewrite;
	char name[AOF_NAME_MAX], path[AOF_PATH_MAX];
	struct err e = {""};

	int rc = r->given_up ? -1 : put_manifest(c, &e);
	if (rc != 0) {
		if (rc != FILE_NOT_SYNCED)
			remove_base(c);
		if (r->anew)
			give_up_stream(c, e.text);
		ended(c, e.text[0] != '\0' ? e.text : "the new incremental file could not be put in use");
		return;
	}
	aof_base_name(a, r->base_seq, name);
	a->closed_bytes = file_bytes(aof_path(a, name, path));
	ended(c, NULL);
	if (!r->anew)
		return;
	aof_writer_confirm(a->w);
	if (a->state == AOF_STOPPING) /* what the rings still hold goes to the file, and that is its end */
		return;
	a->state = AOF_ON;
	aof_set_gated(c, c->config.appendfsync == AOF_FSYNC_ALWAYS);
	aof_publish_health(c);
}

static void on_done(void *ctx, const struct err *e)
{
	struct ctrl *c = ctx;
	struct aof_rewrite *r = &c->aof->rewrite;

	if (e == NULL) {
		r->based = true;
		return; /* the rest when the writer has come to the mark */
	}
	if (r->anew && r->mark_met)
		aof_writer_break(c->aof->w);
	if (!c->workers_gone)
		aof_publish_health(c);
	remove_base(c); /* it may have its name already */
	ended(c, e->text);
}

/* ---- the beginning ---- */

/* All shards are held: the journal of what follows begins here. */
static void on_epoch(void *ctx)
{
	struct ctrl *c = ctx;
	struct aof_rewrite *r = &c->aof->rewrite;

	if (r->alone) {
		r->mark_met = true;
		return;
	}
	if (!r->anew) {
		journal_mark(c->stores, c->host.all_shards, r->mark);
		return;
	}
	aof_attach(c);
	aof_writer_start(c->aof->w, r->incr_fd, 0, false);
	r->incr_fd = -1;
	r->mark_met = true;
	/* Switched on with `always`: from here on nobody is told of a write before it and the base are on the disk. */
	if (c->config.appendfsync == AOF_FSYNC_ALWAYS)
		aof_show_gates(c);
}

void aof_rewrite_mark(struct ctrl *c, uint64_t mark)
{
	struct aof *a = c->aof;
	struct aof_rewrite *r = &a->rewrite;
	char name[AOF_NAME_MAX];
	struct err e;

	if (!r->running || mark != r->mark)
		return;
	r->mark_met = true;
	aof_incr_name(a, r->incr_seq, name);
	uint32_t n = a->manifest.n;
	int rc = -1;
	if (aof_manifest_add(&a->manifest, name, r->incr_seq, 'i'))
		rc = aof_manifest_store(c->persist->files, a->dir, a->name, &a->manifest, &e);
	if (rc != 0) {
		r->given_up = true;
		/* The old file is no longer the last one that the manifest names, the new one not surely one of them.
		 */
		if (rc == FILE_NOT_SYNCED) {
			c->persist->files->ops->close(c->persist->files, r->incr_fd);
			r->incr_fd = -1;
			give_up_stream(c, e.text);
		} else {
			a->manifest.n = n;
		}
		return;
	}
	a->closed_bytes += aof_writer_offset(a->w);
	aof_writer_switch(a->w, r->incr_fd);
	r->incr_fd = -1;
}

int aof_rewrite_start(struct ctrl *c, bool anew, struct err *e)
{
	struct aof *a = c->aof;
	struct aof_rewrite *r = &a->rewrite;
	char name[AOF_NAME_MAX], path[AOF_PATH_MAX], temp[AOF_PATH_MAX];

	r->scheduled = false;
	r->mark++; /* at once: one that failed may have left its own in the rings, and the writer comes to it yet */
	r->alone = a->state == AOF_OFF;
	r->anew = anew && !r->alone;
	r->mark_met = r->based = r->given_up = false;
	r->base_seq = a->manifest.base_seq + 1;
	r->incr_seq = a->manifest.incr_seq + 1;
	if (ctrl_persist_lock(c, e) != 0 || (r->alone && aof_make_dir(c, e) != 0))
		return -1;
	r->incr_fd = r->alone ? -1 : aof_create_incr(c, r->incr_seq, e);
	if (r->incr_fd < 0 && !r->alone)
		return -1;
	aof_base_name(a, r->base_seq, name);
	aof_path(a, name, path);
	temp_path(a, temp);
	struct snapshot_order o = {
		.path = path, .temp = temp, .aof_base = true, .ctx = c, .epoch = on_epoch, .done = on_done};
	r->began_us = c->now.mono_us;
	r->running = true;
	if (ctrl_snapshot_start(c, &o, e) == 0)
		return 0;
	ended(c, e->text);
	return -1;
}

void aof_rewrite_cancel(struct ctrl *c, const char *why)
{
	struct aof_rewrite *r = &c->aof->rewrite;

	r->scheduled = false;
	if (!r->running)
		return;
	if (!r->based)
		ctrl_snapshot_cancel(c, why);
	else if (!r->mark_met) /* the writer will not come to it any more */
		r->given_up = r->mark_met = true;
}

static bool grown(const struct ctrl *c)
{
	const struct aof *a = c->aof;
	uint64_t now = aof_bytes(a), base = RP_MAX(a->base_bytes, 1ul);

	return c->config.auto_aof_rewrite_percentage != 0 && now >= c->config.auto_aof_rewrite_min_size &&
	       (now - RP_MIN(base, now)) * 100 / base >= (uint64_t)c->config.auto_aof_rewrite_percentage;
}

/* The first half of the way to ON, for CONFIG SET: returns when the stream has begun, and every effect from then on is
 * part of it. 0, or -1 with *e: it has not, and will not. */
int aof_switch_on(struct ctrl *c, struct err *e)
{
	struct aof *a = c->aof;
	struct aof_rewrite *r = &a->rewrite;
	struct clock_now now = c->now;
	uint64_t until = now.mono_us + SWITCH_ON_US;

	if (a->state != AOF_OFF || r->running || ctrl_snapshot_running(c))
		return 0; /* when what is under way has ended */
	a->state = AOF_STARTING;
	log_write(LOG_NOTICE, "append-only file: begins");
	if (aof_rewrite_start(c, true, e) != 0) {
		a->state = AOF_OFF;
		return -1;
	}
	while (r->running && !r->mark_met && now.mono_us < until) {
		ctrl_persist_wait_once(c);
		clock_read(&c->clock, &now);
	}
	if (r->mark_met)
		return 0;
	if (r->running) {
		err_set(e, "the shards are held by somebody, a script perhaps; try again");
		ctrl_snapshot_cancel(c, "the shards are held by somebody");
	} else {
		err_set(e, "%s", c->persist->snapshot.err.text);
	}
	a->state = AOF_OFF;
	return -1;
}

void aof_rewrite_poll(struct ctrl *c)
{
	struct aof *a = c->aof;
	struct aof_rewrite *r = &a->rewrite;
	struct err e;

	if (r->running && r->based && r->mark_met)
		finish(c);
	if (r->running || ctrl_snapshot_running(c) || c->now.mono_us < r->not_before_us || a->state == AOF_STOPPING ||
	    a->state == AOF_LOADING || c->persist->loading.on || c->persist->holding)
		return;
	bool broken = a->state != AOF_OFF && aof_writer_health(a->w) == AOF_BROKEN;
	bool start = a->state == AOF_OFF && c->config.appendonly;
	if (start)
		a->state = AOF_STARTING;
	if (!r->scheduled && !(a->state == AOF_ON && (broken || grown(c))) && a->state != AOF_STARTING)
		return;
	log_write(LOG_NOTICE, "append-only file: %s",
		  a->state == AOF_STARTING ? "begins"
		  : broken                 ? "written anew"
					   : "rewrite begins");
	if (aof_rewrite_start(c, a->state == AOF_STARTING || broken, &e) != 0)
		log_write(LOG_WARNING, "append-only file: %s", e.text);
	else
		return;
	r->not_before_us = c->now.mono_us + RETRY_US;
}
