/* EVAL, EVALSHA and their _RO forms; SCRIPT LOAD, EXISTS, FLUSH, SHOW, DEBUG. */
#include <stdlib.h>

#include "base/num.h"
#include "ctrlplane/script/script_thread_priv.h"

#define TEXT_OOM "OOM command not allowed when used memory > 'maxmemory'."

/* Number of keys, keys, arguments from word `first` on. false: the error is written. */
static bool take_args(struct cmd_ctx *c, uint32_t first, struct script_args *a)
{
	int64_t nkeys;

	if (!cmd_arg_i64(c, first, &nkeys))
		return false;
	if (nkeys > (int64_t)c->argc - first - 1) {
		reply_error(c->out, "ERR Number of keys can't be greater than number of args");
		return false;
	}
	if (nkeys < 0) {
		reply_error(c->out, "ERR Number of keys can't be negative");
		return false;
	}
	const struct slice *keys = c->argv + first + 1;
	*a = (struct script_args){.nkeys = (uint32_t)nkeys,
				  .keys = keys,
				  .nargs = c->argc - first - 1 - (uint32_t)nkeys,
				  .args = keys + nkeys};
	return true;
}

/* What the script's own flags say against running it now, as if it were a command with them; NULL: nothing. *rejected:
 * such a command would not have been begun. */
static const char *refused(struct script_thread *t, const struct script_code *code, bool read_only, bool oom,
			   bool *rejected)
{
	*rejected = true;
	if (code->flags & (SCRIPT_COMPAT | SCRIPT_NO_WRITES))
		return NULL;
	if (oom && !(code->flags & SCRIPT_ALLOW_OOM))
		return TEXT_OOM;
	if (t->run.no_writes != NULL)
		return t->run.no_writes;
	*rejected = false;
	return read_only ? "ERR Can not execute a script with write flag using *_ro command." : NULL;
}

void script_run_code(struct cmd_ctx *c, const struct script_code *code, uint32_t first, bool read_only, bool *wide)
{
	struct script_thread *t = script_thread_of(c);
	struct script_args a;
	bool oom, rejected;

	if (!take_args(c, first, &a))
		return;
	oom = script_memory_short(t);
	const char *why = refused(t, code, read_only, oom, &rejected);
	if (why != NULL) {
		c->refused = rejected;
		reply_error(c->out, why);
		return;
	}
	t->run.code = code;
	t->run.args = &a;
	t->run.read_only = read_only;
	script_call_begin(t->call, &t->run, oom);
	script_run_began(t, code->function);
	script_engine_run(t->engine, code, &a, c->out);
	script_run_ended(t);
	script_call_end(t->call);
	*wide |= t->run.undeclared;
}

/* ---- EVAL ---- */

/* The words first, as Redis: a text that does not compile is not looked at for nothing. */
static bool words_ok(struct cmd_ctx *c)
{
	struct script_args a;

	return take_args(c, 2, &a);
}

static void eval_text(struct cmd_ctx *c, bool read_only)
{
	struct script_thread *t = script_thread_of(c);
	struct script *s = script_cache_get(t->cache, t->current->digest);
	char why[SCRIPT_WHY_MAX];

	if (!words_ok(c))
		return;
	if (s == NULL)
		s = script_cache_add(t->cache, c->argv[1], t->current->digest, why);
	if (s == NULL) {
		reply_error(c->out, why);
		return;
	}
	script_run_code(c, &s->code, 2, read_only, &s->wide);
	s->known = true;
}

static void script_cmd_eval(struct cmd_ctx *c)
{
	eval_text(c, false);
}

static void script_cmd_eval_ro(struct cmd_ctx *c)
{
	eval_text(c, true);
}

static void eval_sha(struct cmd_ctx *c, bool read_only)
{
	struct script *s = script_cache_find(script_thread_of(c)->cache, c->argv[1]);

	if (c->argv[1].len == 2 * SHA1_BYTES && !words_ok(c))
		return;
	if (s == NULL) {
		reply_error(c->out, "NOSCRIPT No matching script. Please use EVAL.");
		return;
	}
	script_run_code(c, &s->code, 2, read_only, &s->wide);
	s->known = true;
}

static void script_cmd_evalsha(struct cmd_ctx *c)
{
	eval_sha(c, false);
}

static void script_cmd_evalsha_ro(struct cmd_ctx *c)
{
	eval_sha(c, true);
}

/* ---- SCRIPT ---- */

static void script_cmd_load(struct cmd_ctx *c)
{
	struct script_thread *t = script_thread_of(c);
	uint8_t digest[SHA1_BYTES];
	char why[SCRIPT_WHY_MAX];

	sha1(c->argv[2], digest);
	struct script *s = script_cache_get(t->cache, digest);
	if (s == NULL)
		s = script_cache_add(t->cache, c->argv[2], digest, why);
	if (s == NULL)
		reply_error(c->out, why);
	else
		reply_bulk_str(c->out, s->sha);
}

static void script_cmd_exists(struct cmd_ctx *c)
{
	reply_array(c->out, c->argc - 2);
	for (uint32_t i = 2; i < c->argc; i++)
		reply_int(c->out, script_cache_find(script_thread_of(c)->cache, c->argv[i]) != NULL);
}

static void script_cmd_flush(struct cmd_ctx *c)
{
	if (c->argc > 3 || (c->argc == 3 && !cmd_arg_is(c, 2, "sync") && !cmd_arg_is(c, 2, "async"))) {
		reply_error(c->out, "ERR SCRIPT FLUSH only support SYNC|ASYNC option");
		return;
	}
	script_cache_flush(script_thread_of(c)->cache);
	reply_ok(c->out);
}

static void script_cmd_show(struct cmd_ctx *c)
{
	const struct script *s = script_cache_find(script_thread_of(c)->cache, c->argv[2]);

	if (s == NULL)
		reply_error(c->out, "NOSCRIPT No matching script. Please use EVAL.");
	else
		reply_bulk_slice(c->out, s->code.source);
}

/* There is no debugger: only its end can be asked for. */
static void script_cmd_debug(struct cmd_ctx *c)
{
	if (cmd_arg_is(c, 2, "no"))
		reply_ok(c->out);
	else if (cmd_arg_is(c, 2, "yes") || cmd_arg_is(c, 2, "sync"))
		reply_error(c->out, "ERR There is no Lua debugger in this server; use redis.log() in the script");
	else
		reply_error(c->out, "ERR Use SCRIPT DEBUG YES/SYNC/NO");
}

void script_bind_eval(void)
{
	cmd_bind("eval", script_cmd_eval);
	cmd_bind("eval_ro", script_cmd_eval_ro);
	cmd_bind("evalsha", script_cmd_evalsha);
	cmd_bind("evalsha_ro", script_cmd_evalsha_ro);
	cmd_bind("script|load", script_cmd_load);
	cmd_bind("script|exists", script_cmd_exists);
	cmd_bind("script|flush", script_cmd_flush);
	cmd_bind("script|show", script_cmd_show);
	cmd_bind("script|debug", script_cmd_debug);
}
