/* CONFIG. */
#include <stdlib.h>

#include "ctrlplane/ctrl_stats.h"

/* ---- GET ---- */

struct getting {
	struct reply *out;
	bool *shown; /* by row: a directive that several patterns match is answered once */
	uint64_t n;
};

static void get_one(void *ctx, const char *name, const char *value)
{
	struct getting *g = ctx;
	const struct config_option *o = config_find((struct slice){name, strlen(name)});
	uint32_t row = (uint32_t)(o - config_at(0));

	if (g->shown[row])
		return;
	g->shown[row] = true;
	reply_bulk_str(g->out, name);
	reply_bulk_str(g->out, value);
	g->n++;
}

static void ctrl_config_get(struct cmd_ctx *c)
{
	struct reply sub;
	struct getting g = {&sub, calloc(config_count(), sizeof *g.shown), 0};

	if (g.shown == NULL) {
		reply_error(c->out, "ERR out of memory for the answer");
		return;
	}
	reply_sub_begin(c->out, &sub);
	for (uint32_t i = 2; i < c->argc; i++)
		config_get(&ctrl_of(c)->config, cmd_arg(c, i), get_one, &g);
	reply_sub_end(c->out, &sub, REPLY_MAP, g.n);
	free(g.shown);
}

/* ---- SET ---- */

static void err_argument(struct cmd_ctx *c, const char *name, const char *why)
{
	reply_errorf(c->out, "ERR CONFIG SET failed (possibly related to argument '%s') - %s", name, why);
}

/* Every name must be known and stand once. */
static bool names_ok(struct cmd_ctx *c)
{
	if (c->argc % 2 != 0) {
		reply_error(c->out, "ERR syntax error");
		return false;
	}
	for (uint32_t i = 2; i < c->argc; i += 2) {
		const struct config_option *o = config_find(c->argv[i]);
		if (o == NULL) {
			reply_errorf(c->out, "ERR Unknown option or number of arguments for CONFIG SET - '%.*s'",
				     (int)RP_MIN(c->argv[i].len, 128u), c->argv[i].ptr);
			return false;
		}
		for (uint32_t k = 2; k < i; k += 2) {
			if (config_find(c->argv[k]) != o)
				continue;
			err_argument(c, o->name, "duplicate parameter");
			return false;
		}
	}
	return true;
}

/* What this process cannot do any more. NULL: nothing. */
static const char *beyond_boot(const struct ctrl *c, const struct config *next)
{
	if (c->nworkers > 0 && next->maxclients > (int64_t)c->workers[0]->host.sessions.capacity)
		return "The value is above that of the start, for which memory was taken";
	return NULL;
}

/* Changes *next by the arguments. */
static bool config_try(struct cmd_ctx *c, struct config *next)
{
	struct err e;

	for (uint32_t i = 2; i < c->argc; i += 2) {
		const char *name = config_find(c->argv[i])->name, *why = NULL;
		if (config_set(next, c->argv[i], c->argv[i + 1], false, &e) != 0)
			why = e.text;
		else
			why = beyond_boot(ctrl_of(c), next);
		if (why != NULL) {
			err_argument(c, name, why);
			return false;
		}
	}
	if (config_check(next, &e) != 0) {
		err_argument(c, config_find(c->argv[2])->name, e.text);
		return false;
	}
	return true;
}

static void config_apply(struct ctrl *c)
{
	log_set_level((enum log_level)c->config.loglevel);
	for (uint32_t i = 0; i < c->nworkers; i++)
		__atomic_store_n(&c->workers[i]->log.level, (uint32_t)c->config.loglevel, __ATOMIC_RELAXED);
	ctrl_publish_conf(c);
}

static void ctrl_config_set(struct cmd_ctx *c)
{
	struct ctrl *ctl = ctrl_of(c);
	struct config *next;

	if (!names_ok(c))
		return;
	next = malloc(sizeof *next);
	if (next == NULL) {
		reply_error(c->out, "ERR out of memory for the settings");
		return;
	}
	*next = ctl->config;
	if (config_try(c, next)) {
		ctl->config = *next;
		config_apply(ctl);
		reply_ok(c->out);
	}
	free(next);
}

/* ---- RESETSTAT, REWRITE ---- */

static void ctrl_config_resetstat(struct cmd_ctx *c)
{
	stats_reset(ctrl_of(c));
	reply_ok(c->out);
}

static void ctrl_config_rewrite(struct cmd_ctx *c)
{
	const struct ctrl *ctl = ctrl_of(c);
	struct err e;

	if (ctl->config.file[0] == '\0') {
		reply_error(c->out, "ERR The server is running without a config file");
		return;
	}
	if (config_rewrite(&ctl->config, &e) != 0) {
		log_write(LOG_WARNING, "CONFIG REWRITE failed: %s", e.text);
		reply_errorf(c->out, "ERR Rewriting config file: %s", e.text);
		return;
	}
	log_write(LOG_NOTICE, "CONFIG REWRITE executed with success");
	reply_ok(c->out);
}

void ctrl_bind_config(void)
{
	cmd_bind("config|get", ctrl_config_get);
	cmd_bind("config|set", ctrl_config_set);
	cmd_bind("config|resetstat", ctrl_config_resetstat);
	cmd_bind("config|rewrite", ctrl_config_rewrite);
}
