/* SAVE, BGSAVE, LASTSAVE, save points. */
#include <stdio.h>

#include "ctrlplane/ctrl_load.h"

#define RETRY_S 5 /* after a save that failed */

static struct saving *saving_of(const struct ctrl *c)
{
	return &c->persist->saving;
}

/* ---- changes ---- */

static uint64_t changes_of(const struct cmd_stat *stats)
{
	uint64_t n = 0;

	for (uint32_t id = 0; id < cmd_count; id++)
		n += __atomic_load_n(&stats[id].changes, __ATOMIC_RELAXED);
	return n;
}

static uint64_t all_changes(const struct ctrl *c)
{
	uint64_t n = changes_of(c->host.env.stats);

	for (uint32_t i = 0; i < c->nworkers; i++)
		n += changes_of(c->workers[i]->host.env.stats);
	return n;
}

uint64_t ctrl_save_changes(const struct ctrl *c)
{
	return all_changes(c) - saving_of(c)->changes_base;
}

bool ctrl_save_points(const struct ctrl *c)
{
	return c->config.save.n > 0;
}

/* ---- a save ---- */

static void temp_name(const struct ctrl *c, char *buf, size_t cap)
{
	snprintf(buf, cap, "temp-%s", c->config.dbfilename);
}

bool ctrl_save_misconf(const struct ctrl *c)
{
	return saving_of(c)->failed && c->config.stop_writes_on_bgsave_error && ctrl_save_points(c);
}

/* Writers are told MISCONF, or no longer. */
static void publish(struct ctrl *c)
{
	if (c->dp.misconf != ctrl_save_misconf(c))
		ctrl_publish_conf(c);
}

static void save_failed(struct ctrl *c, const struct err *e)
{
	struct saving *s = saving_of(c);

	s->failed = true;
	s->why = *e;
	log_write(LOG_WARNING, "snapshot failed: %s", e->text);
}

static void save_done(void *ctx, const struct err *e)
{
	struct ctrl *c = ctx;
	struct saving *s = saving_of(c);
	const struct snapshot *sn = &c->persist->snapshot;
	double seconds = (double)(c->now.mono_us - sn->started_us) / 1000000;

	s->ended = true;
	s->last_us = (int64_t)(c->now.mono_us - sn->started_us);
	if (e != NULL && sn->cancelled) {
		s->why = *e;
		log_write(LOG_NOTICE, "snapshot given up: %s", e->text);
	} else if (e != NULL) {
		save_failed(c, e);
	} else {
		s->failed = false;
		s->why.text[0] = '\0';
		s->saves++;
		s->last_save_s = c->now.wall_us / 1000000;
		s->changes_base = s->changes_begin;
		log_write(LOG_NOTICE, "snapshot saved: %s, %lu keys, %.3f seconds", c->config.dbfilename,
			  (unsigned long)sn->total.keys, seconds);
	}
	publish(c);
}

/* At the epoch: what changes from now on is not in the file. */
static void save_epoch(void *ctx)
{
	saving_of(ctx)->changes_begin = all_changes(ctx);
}

static int save_start(struct ctrl *c, struct err *e)
{
	struct saving *s = saving_of(c);
	char temp[CONFIG_STRING_MAX + 8];
	struct snapshot_order o = {
		.path = c->config.dbfilename, .temp = temp, .ctx = c, .epoch = save_epoch, .done = save_done};

	s->scheduled = false;
	s->ended = false;
	s->last_try_s = c->now.wall_us / 1000000;
	temp_name(c, temp, sizeof temp);
	if (ctrl_persist_lock(c, e) == 0 && ctrl_snapshot_start(c, &o, e) == 0)
		return 0;
	save_failed(c, e);
	publish(c);
	return -1;
}

int ctrl_save_now(struct ctrl *c, struct err *e)
{
	struct saving *s = saving_of(c);

	if (save_start(c, e) != 0)
		return -1;
	while (!s->ended)
		ctrl_persist_wait_once(c);
	if (s->why.text[0] == '\0')
		return 0;
	*e = s->why;
	return -1;
}

int ctrl_save_last(struct ctrl *c, struct err *e)
{
	char temp[CONFIG_STRING_MAX + 8];

	temp_name(c, temp, sizeof temp);
	ctrl_hold_all(c, &c->persist->last, "the server ends, and saves all anew");
	int rc = ctrl_persist_lock(c, e);
	if (rc == 0)
		rc = ctrl_snapshot_held(c, c->config.dbfilename, temp, e);
	if (rc == 0)
		log_write(LOG_NOTICE, "saved before the end: %s, %lu keys", c->config.dbfilename,
			  (unsigned long)c->persist->snapshot.total.keys);
	else
		lease_release(c->leases, &c->persist->last, c->host.all_shards);
	return rc;
}

/* ---- save points ---- */

static bool point_reached(const struct ctrl *c)
{
	const struct saving *s = saving_of(c);
	uint64_t changes = ctrl_save_changes(c);
	int64_t now_s = c->now.wall_us / 1000000, age_s = now_s - s->last_save_s;

	if (s->failed && now_s - s->last_try_s < RETRY_S)
		return false;
	for (uint32_t i = 0; i < c->config.save.n; i++)
		if (changes >= c->config.save.point[i].changes && age_s > c->config.save.point[i].seconds)
			return true;
	return false;
}

void ctrl_save_tick(struct ctrl *c)
{
	struct err e;

	if (ctrl_snapshot_running(c) || c->stop != 0 || c->persist->loading.on)
		return;
	if (saving_of(c)->scheduled) {
		save_start(c, &e);
	} else if (point_reached(c)) {
		log_write(LOG_NOTICE, "%lu changes in %ld seconds: saving", (unsigned long)ctrl_save_changes(c),
			  (long)(c->now.wall_us / 1000000 - saving_of(c)->last_save_s));
		save_start(c, &e);
	}
}

bool ctrl_save_running(const struct ctrl *c)
{
	return ctrl_snapshot_running(c) && c->persist->snapshot.order.done == save_done;
}

/* ---- commands ---- */

bool ctrl_refuse_busy(struct cmd_ctx *cc)
{
	const struct ctrl *c = ctrl_of(cc);
	enum lease_busy why;

	if (lease_busy(c->leases, &why) != 0)
		reply_error(cc->out, why == LEASE_BUSY_FUNCTION ? SESSION_BUSY_FUNCTION : SESSION_BUSY_SCRIPT);
	else if (c->persist->holding)
		reply_error(cc->out, "ERR All shards are being saved or loaded already; try again when that has ended");
	else
		return false;
	return true;
}

bool ctrl_refuse_loading(struct cmd_ctx *cc)
{
	if (ctrl_of(cc)->persist->loading.on)
		reply_error(cc->out, "LOADING Redis is loading the dataset in memory");
	return ctrl_of(cc)->persist->loading.on;
}

static void ctrl_bgsave(struct cmd_ctx *cc)
{
	struct ctrl *c = ctrl_of(cc);
	bool schedule = cc->argc == 2 && cmd_arg_is(cc, 1, "schedule");
	struct err e;

	if (ctrl_refuse_busy(cc))
		return;
	if (cc->argc > 2 || (cc->argc == 2 && !schedule)) {
		cmd_err_syntax(cc);
	} else if (ctrl_save_running(c)) {
		reply_error(cc->out, "ERR Background save already in progress");
	} else if (ctrl_snapshot_running(c)) {
		if (schedule)
			saving_of(c)->scheduled = true;
		if (schedule)
			reply_status(cc->out, "Background saving scheduled");
		else
			reply_error(cc->out, "ERR Another child process is active (AOF?): can't BGSAVE right now. Use "
					     "BGSAVE SCHEDULE in order to schedule a BGSAVE whenever possible.");
	} else if (save_start(c, &e) == 0) {
		reply_status(cc->out, "Background saving started");
	} else {
		reply_errorf(cc->out, "ERR %s", e.text);
	}
}

/* Clients of the data path go on meanwhile; the control thread answers nobody. */
static void ctrl_save(struct cmd_ctx *cc)
{
	struct ctrl *c = ctrl_of(cc);
	struct err e;

	if (ctrl_refuse_busy(cc))
		return;
	if (ctrl_snapshot_running(c))
		reply_error(cc->out, "ERR Background save already in progress");
	else if (ctrl_save_now(c, &e) == 0)
		reply_ok(cc->out);
	else
		reply_errorf(cc->out, "ERR %s", e.text);
}

static void ctrl_lastsave(struct cmd_ctx *cc)
{
	reply_int(cc->out, saving_of(ctrl_of(cc))->last_save_s);
}

/* ---- DEBUG RELOAD ---- */

struct reload {
	bool merge, noflush, nosave;
};

static bool reload_words(const struct cmd_ctx *cc, struct reload *r)
{
	*r = (struct reload){.merge = false};
	for (uint32_t i = 2; i < cc->argc; i++) {
		if (cmd_arg_is(cc, i, "merge"))
			r->merge = true;
		else if (cmd_arg_is(cc, i, "noflush"))
			r->noflush = true;
		else if (cmd_arg_is(cc, i, "nosave"))
			r->nosave = true;
		else
			return false;
	}
	return true;
}

static void nothing_between(struct ctrl *c)
{
}

static void empty_stores(struct ctrl *c)
{
	for (uint32_t i = 0; i < c->nworkers; i++)
		store_flush(c->stores[i], UINT32_MAX);
}

static void empty_all(struct ctrl *c)
{
	empty_stores(c);
	c->persist->functions.clear(c->persist->functions.ctx);
}

/* What failed, and what came of it. */
static int reload_failed(const struct err *why, const char *outcome, struct err *e)
{
	return err_set(e, "%.380s; %s", why->text, outcome);
}

/* All shards are held. */
static int reload_held(struct ctrl *c, const struct reload *r, struct err *e)
{
	struct load_order o = {.path = c->config.dbfilename,
			       .merge = r->merge || r->noflush,
			       .held = true,
			       .between = nothing_between,
			       .empty = empty_stores};
	struct load_order look = {.path = o.path, .look = true, .between = nothing_between};
	struct load_result done;
	struct err why = {""};
	char temp[CONFIG_STRING_MAX + 8];

	temp_name(c, temp, sizeof temp);
	if (!r->nosave && (ctrl_persist_lock(c, &why) != 0 || ctrl_snapshot_held(c, o.path, temp, &why) != 0))
		return reload_failed(&why, "nothing was changed", e);
	/* Better to see before all is gone that there is nothing to load. */
	if (r->nosave && ctrl_load(c, &look, &done, &why) != 0)
		return reload_failed(&why, "nothing was changed", e);
	if (!r->noflush)
		empty_all(c);
	if (ctrl_load(c, &o, &done, &why) != 0 && r->noflush)
		return reload_failed(&why, "a part of the file may be loaded; what it does not name is as it was", e);
	if (why.text[0] != '\0') {
		empty_all(c);
		return reload_failed(&why, "all keys and functions are gone", e);
	}
	log_write(LOG_NOTICE, "DB reloaded: %lu keys", (unsigned long)done.keys);
	return 0;
}

static void ctrl_debug_reload(struct cmd_ctx *cc)
{
	struct ctrl *c = ctrl_of(cc);
	struct lease lease = {.submitted = false};
	struct reload r;
	struct err e = {""};

	if (!reload_words(cc, &r)) {
		reply_error(cc->out, "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.");
		return;
	}
	if (ctrl_refuse_loading(cc) || ctrl_refuse_busy(cc))
		return;
	ctrl_hold_begin(c);
	ctrl_hold_all(c, &lease, "DEBUG RELOAD takes its place");
	int rc = reload_held(c, &r, &e);
	lease_release(c->leases, &lease, c->host.all_shards);
	ctrl_hold_end(c);
	if (rc == 0)
		reply_ok(cc->out);
	else
		reply_errorf(cc->out, "ERR Error trying to load the RDB dump, check server logs: %s", e.text);
}

void ctrl_bind_save(void)
{
	cmd_bind("save", ctrl_save);
	cmd_bind("bgsave", ctrl_bgsave);
	cmd_bind("lastsave", ctrl_lastsave);
	cmd_bind("debug|reload", ctrl_debug_reload);
}
