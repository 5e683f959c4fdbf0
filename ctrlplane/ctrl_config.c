/* CONFIG. */
#include <stdlib.h>

#include "ctrlplane/ctrl_aof.h"
#include "ctrlplane/ctrl_persist.h"
#include "ctrlplane/ctrl_stats.h"

/* ---- GET ---- */

struct getting {
	struct reply *out;
	struct slice typed; /* a name without wildcards is answered as it was written */
	bool *shown;        /* by number: a name that several patterns match is answered once */
	uint64_t n;
};

static void get_one(void *ctx, uint32_t number, const char *name, const char *value)
{
	struct getting *g = ctx;

	if (g->shown[number])
		return;
	g->shown[number] = true;
	if (g->typed.ptr != NULL)
		reply_bulk_slice(g->out, g->typed);
	else
		reply_bulk_str(g->out, name);
	reply_bulk_str(g->out, value);
	g->n++;
}

static bool is_pattern(struct slice word)
{
	for (size_t i = 0; i < word.len; i++)
		if (memchr("[*?", word.ptr[i], 3) != NULL)
			return true;
	return false;
}

static void ctrl_config_get(struct cmd_ctx *c)
{
	struct reply sub;
	struct getting g = {.out = &sub, .shown = calloc(config_names(), sizeof *g.shown)};

	if (g.shown == NULL) {
		reply_error(c->out, "ERR out of memory for the answer");
		return;
	}
	reply_sub_begin(c->out, &sub);
	for (uint32_t i = 2; i < c->argc; i++) {
		struct slice word = cmd_arg(c, i);
		g.typed = is_pattern(word) ? (struct slice){NULL, 0} : word;
		config_get(&ctrl_of(c)->config, word, get_one, &g);
	}
	reply_sub_end(c->out, &sub, REPLY_MAP, g.n);
	free(g.shown);
}

/* ---- SET ---- */

static void err_argument(struct cmd_ctx *c, struct slice name, const char *why)
{
	reply_errorf(c->out, "ERR CONFIG SET failed (possibly related to argument '%.*s') - %s",
		     (int)RP_MIN(name.len, 128u), name.ptr, why);
}

static void err_option(struct cmd_ctx *c, const struct config_option *o, const char *why)
{
	err_argument(c, (struct slice){o->name, strlen(o->name)}, why);
}

/* Who may set these decides which files are written. */
static bool is_protected(const struct config_option *o)
{
	return strcmp(o->name, "dir") == 0 || strcmp(o->name, "dbfilename") == 0;
}

static bool may_set_protected(const struct cmd_ctx *c)
{
	int who = ctrl_of(c)->config.enable_protected_configs;

	return who == CONFIG_PROTECTED_YES || (who == CONFIG_PROTECTED_LOCAL && (c->client_flags & CLIENT_F_ADMIN));
}

/* Which files are written is not to change under who reads them. */
static bool is_for_loaded(const struct config_option *o)
{
	return strcmp(o->name, "dir") == 0 || strcmp(o->name, "appendonly") == 0;
}

/* Every name must be known, stand once and be one that can change. */
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
		if (o->fixed) {
			err_argument(c, c->argv[i], "can't set immutable config");
			return false;
		}
		if (is_for_loaded(o) && ctrl_refuse_loading(c))
			return false;
		if (is_protected(o) && !may_set_protected(c)) {
			err_argument(c, c->argv[i], "can't set protected config");
			return false;
		}
		for (uint32_t k = 2; k < i; k += 2) {
			if (config_find(c->argv[k]) != o)
				continue;
			err_argument(c, c->argv[i], "duplicate parameter");
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
		const char *why = NULL;
		if (config_set(next, c->argv[i], c->argv[i + 1], false, &e) != 0)
			why = e.text;
		else
			why = beyond_boot(ctrl_of(c), next);
		if (why != NULL) {
			err_option(c, config_find(c->argv[i]), why);
			return false;
		}
	}
	if (config_check(next, &e) != 0) {
		err_option(c, config_find(c->argv[2]), e.text);
		return false;
	}
	return true;
}

/* It sets the default user's password also if that was changed by ACL SETUSER meanwhile. */
static bool names_requirepass(const struct cmd_ctx *c)
{
	for (uint32_t i = 2; i < c->argc; i += 2)
		if (cmd_arg_is(c, i, "requirepass"))
			return true;
	return false;
}

static void config_apply(struct ctrl *c, bool password)
{
	struct err e;

	if (password && ctrl_set_requirepass(c, &e) != 0)
		log_write(LOG_WARNING, "CONFIG SET requirepass: %s", e.text);
	log_set_level((enum log_level)c->config.loglevel);
	for (uint32_t i = 0; i < c->nworkers; i++)
		__atomic_store_n(&c->workers[i]->log.level, (uint32_t)c->config.loglevel, __ATOMIC_RELAXED);
	slowlog_trim(c->slowlog, (uint32_t)c->config.slowlog_max_len);
	ctrl_publish_conf(c);
	ctrl_aof_configure(c);
}

/* Another directory is entered before anything else takes effect. */
static bool config_enter(struct cmd_ctx *c, struct config *next)
{
	struct ctrl *ctl = ctrl_of(c);
	struct err e;

	if (strcmp(next->dir, ctl->config.dir) == 0)
		return true;
	if (ctl->aof != NULL && ctl->aof->state != AOF_OFF) {
		err_argument(c, SLICE("dir"), "the append-only file is in the present one; switch it off first");
		return false;
	}
	if (ctrl_persist_chdir(ctl, next->dir, &e) != 0) {
		err_argument(c, SLICE("dir"), e.text);
		return false;
	}
	memcpy(next->dir, ctl->config.dir, sizeof next->dir);
	return true;
}

/* The append-only file begins now, if it is to: when the client hears OK, what he writes from then on is part of it.
 * Not so in a transaction, or while others take all shards: to wait for shards there is to wait for oneself, so it
 * begins afterwards (aof_rewrite_poll()). */
static bool config_begin_aof(struct cmd_ctx *c, bool was_on)
{
	struct ctrl *ctl = ctrl_of(c);
	struct err e = {""};

	if (was_on || !ctl->config.appendonly || ctl->aof == NULL || c->deny_block || ctl->persist->holding)
		return true;
	if (aof_switch_on(ctl, &e) == 0)
		return true;
	log_write(LOG_WARNING, "append-only file: %s", e.text);
	ctl->config.appendonly = 0;
	err_argument(c, SLICE("appendonly"), "Unable to turn on AOF. Check server logs.");
	return false;
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
	if (config_try(c, next) && config_enter(c, next)) {
		bool password = names_requirepass(c), was_on = ctl->config.appendonly;
		ctl->config = *next;
		config_apply(ctl, password);
		if (config_begin_aof(c, was_on))
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
	char **users = ctrl_users_lines(ctl);
	if (users == NULL) {
		reply_error(c->out, "ERR out of memory for the lines of users");
		return;
	}
	int failed = config_rewrite(&ctl->config, (const char *const *)users, &e);
	ctrl_users_lines_free(users);
	if (failed) {
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
