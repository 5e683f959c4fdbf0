/* BGREWRITEAOF, DEBUG LOADAOF, and what INFO says of the append-only file. */
#include "ctrlplane/ctrl_aof.h"
#include "ctrlplane/ctrl_info.h"
#include "ctrlplane/ctrl_load.h"
#include "ctrlplane/ctrl_persist.h"
#include "store/journal_ring.h"

/* ---- INFO ---- */

static void line(struct text *t, const char *name, uint64_t v)
{
	text_add(t, "%s:%lu\r\n", name, (unsigned long)v);
}

/* Wanted, and not yet there: the first rewrite waits for another snapshot, or has failed and is tried again. */
static bool beginning(const struct ctrl *c)
{
	return c->config.appendonly && c->aof->state != AOF_ON && c->aof->state != AOF_LOADING &&
	       !c->aof->rewrite.running;
}

static void rewrite_lines(const struct ctrl *c, struct text *t)
{
	const struct aof_rewrite *r = &c->aof->rewrite;

	line(t, "aof_rewrite_in_progress", r->running);
	line(t, "aof_rewrite_scheduled", r->scheduled || beginning(c));
	text_add(t, "aof_last_rewrite_time_sec:%ld\r\n", (long)r->last_s);
	text_add(t, "aof_current_rewrite_time_sec:%ld\r\n",
		 r->running ? (long)((c->now.mono_us - r->began_us) / 1000000) : -1L);
	text_add(t, "aof_last_bgrewrite_status:%s\r\n", r->failed ? "err" : "ok");
	line(t, "aof_rewrites", r->rewrites);
	line(t, "aof_rewrites_consecutive_failures", r->failures);
	line(t, "aof_last_cow_size", 0);
}

/* Buckets that are not empty: "le_128us=17,le_256us=3". */
static void sync_lines(const struct aof_writer_stats *s, struct text *t)
{
	const char *sep = "";

	line(t, "aof_syncs", s->syncs);
	line(t, "aof_sync_last_usec", s->sync_us_last);
	line(t, "aof_sync_max_usec", s->sync_us_max);
	text_add(t, "aof_sync_latency_usec:");
	for (uint32_t b = 0; b < AOF_HIST_BUCKETS; b++) {
		if (s->hist[b] == 0)
			continue;
		text_add(t, "%sle_%lu=%lu", sep, 2ul << b, (unsigned long)s->hist[b]);
		sep = ",";
	}
	text_add(t, "\r\n");
}

static void journal_lines(const struct ctrl *c, struct text *t)
{
	uint64_t used = 0, overflows = 0, waits = STAT_LOAD(c->host.count.journal_waits);

	for (uint32_t i = 0; i < c->nworkers; i++) {
		used += journal_ring_used(c->aof->ring[i]);
		overflows += journal_ring_overflows(c->aof->ring[i]);
		waits += STAT_LOAD(c->workers[i]->host.count.journal_waits);
	}
	line(t, "journal_bytes_in_flight", used);
	line(t, "journal_overflows", overflows);
	line(t, "journal_writer_waits", waits);
}

void info_aof(const struct ctrl *c, struct text *t)
{
	const struct aof *a = c->aof;
	const struct aof_writer_stats *s = aof_writer_stats(a->w);
	bool on = a->state == AOF_ON;

	line(t, "aof_enabled", a->state != AOF_OFF);
	rewrite_lines(c, t);
	text_add(t, "aof_last_write_status:%s\r\n", ctrl_aof_fails(c) ? "err" : "ok");
	if (on) {
		line(t, "aof_current_size", aof_bytes(a));
		line(t, "aof_base_size", a->base_bytes);
		line(t, "aof_pending_rewrite", a->rewrite.scheduled);
		line(t, "aof_buffer_length", aof_writer_pending(a->w));
		line(t, "aof_pending_bio_fsync", aof_writer_syncing(a->w));
		line(t, "aof_delayed_fsync", s->delayed);
	}
	line(t, "aof_bytes_written", s->bytes);
	line(t, "aof_bytes_unsynced", aof_writer_unsynced(a->w));
	line(t, "aof_sync_rounds", s->rounds);
	sync_lines(s, t);
	journal_lines(c, t);
}

/* ---- commands ---- */

static void ctrl_bgrewriteaof(struct cmd_ctx *cc)
{
	struct ctrl *c = ctrl_of(cc);
	struct aof *a = c->aof;
	struct err e;

	if (ctrl_refuse_busy(cc))
		return;
	if (a->state != AOF_ON && a->state != AOF_OFF) {
		reply_error(cc->out, "ERR The append-only file is being switched on or off");
	} else if (a->rewrite.running) {
		reply_error(cc->out, "ERR Background append only file rewriting already in progress");
	} else if (ctrl_snapshot_running(c)) {
		a->rewrite.scheduled = true;
		reply_status(cc->out, "Background append only file rewriting scheduled");
	} else if (aof_rewrite_start(c, a->state == AOF_ON && aof_writer_health(a->w) == AOF_BROKEN, &e) == 0) {
		reply_status(cc->out, "Background append only file rewriting started");
	} else {
		reply_errorf(cc->out, "ERR Can't execute an AOF background rewriting: %s", e.text);
	}
}

/* All shards are held, and everything is in the file. */
static int load_again(struct ctrl *c, struct err *e)
{
	struct aof *a = c->aof;
	struct err why = {""};

	if (aof_writer_flush(a->w, c->now.mono_us, c->now.wall_us) != 0)
		return err_set(e, "the append-only file could not be written; nothing was changed");
	for (uint32_t i = 0; i < c->nworkers; i++)
		journal_attach(&c->workers[i]->journal, NULL);
	for (uint32_t i = 0; i < c->nworkers; i++)
		store_flush(c->stores[i], UINT32_MAX);
	c->persist->functions.clear(c->persist->functions.ctx);
	int rc = ctrl_aof_load(c, &why);
	aof_attach(c);
	return rc == 0 ? 0 : err_set(e, "%.380s; only what stands before that is there now", why.text);
}

static void ctrl_debug_loadaof(struct cmd_ctx *cc)
{
	struct ctrl *c = ctrl_of(cc);
	struct lease lease = {.submitted = false};
	struct err e = {""};

	if (c->aof->state != AOF_ON) {
		reply_error(cc->out, "ERR There is no append-only file");
		return;
	}
	if (ctrl_refuse_busy(cc))
		return;
	ctrl_hold_begin(c);
	ctrl_hold_all(c, &lease, "DEBUG LOADAOF takes its place");
	/* Once more: other commands came while it waited. */
	int rc = c->aof->state == AOF_ON ? load_again(c, &e) : err_set(&e, "it was switched off meanwhile");
	lease_release(c->leases, &lease, c->host.all_shards);
	ctrl_hold_end(c);
	if (rc == 0)
		reply_ok(cc->out);
	else
		reply_errorf(cc->out, "ERR Error trying to load the AOF files, check server logs: %s", e.text);
}

void ctrl_bind_aof(void)
{
	cmd_bind("bgrewriteaof", ctrl_bgrewriteaof);
	cmd_bind("debug|loadaof", ctrl_debug_loadaof);
}
