#include "cmd/hash_args.h"

bool hash_arg_time(struct cmd_ctx *c, uint32_t i, int64_t unit_ms, int64_t base_ms, int64_t *at_ms)
{
	int64_t v;

	if (!cmd_arg_i64(c, i, &v))
		return false;
	if (v < 0) {
		reply_error(c->out, "ERR invalid expire time, must be >= 0");
		return false;
	}
	if (v > HASH_TIME_MAX / unit_ms || v * unit_ms > HASH_TIME_MAX - base_ms) {
		reply_errorf(c->out, "ERR invalid expire time in '%s' command", c->cmd->name);
		return false;
	}
	*at_ms = v * unit_ms + base_ms;
	return true;
}

bool hash_arg_fields(struct cmd_ctx *c, uint32_t i, uint32_t *n, const char *bad_number)
{
	int64_t v;

	if (i >= c->argc || !cmd_arg_is(c, i, "fields")) {
		reply_error(c->out, "ERR Mandatory argument FIELDS is missing or not at the right position");
		return false;
	}
	if (i + 1 >= c->argc) {
		reply_error(c->out, bad_number);
		return false;
	}
	if (!cmd_arg_i64_in(c, i + 1, 1, INT64_MAX, &v, bad_number))
		return false;
	*n = c->argc - i - 2;
	if (v != (int64_t)*n) {
		reply_error(c->out, "ERR The `numfields` parameter must match the number of arguments");
		return false;
	}
	return true;
}

bool hash_arg_expiry(struct cmd_ctx *c, uint32_t i, int64_t now_ms, int64_t *at_ms, bool *ok)
{
	bool relative = cmd_arg_is(c, i, "ex") || cmd_arg_is(c, i, "px");
	bool seconds = cmd_arg_is(c, i, "ex") || cmd_arg_is(c, i, "exat");

	*ok = true;
	if (!relative && !seconds && !cmd_arg_is(c, i, "pxat"))
		return false;
	if (i + 1 >= c->argc) {
		reply_error(c->out, "ERR missing expire time");
		*ok = false;
	} else {
		*ok = hash_arg_time(c, i + 1, seconds ? 1000 : 1, relative ? now_ms : 0, at_ms);
	}
	return true;
}

bool hash_words_begin(struct cmd_ctx *c, struct hash_words *x, uint32_t most)
{
	x->n = 0;
	x->w = x->few;
	if (most > HASH_WORDS_FEW && (x->w = heap_alloc(c->env->heap, most * sizeof *x->w)) == NULL) {
		cmd_err_oom(c);
		return false;
	}
	return true;
}

void hash_words_end(struct cmd_ctx *c, struct hash_words *x)
{
	if (x->w != x->few)
		heap_free(c->env->heap, x->w);
}
