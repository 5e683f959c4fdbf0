/* Sorted sets: taking from the ends, and waiting for something to take. */
#include "cmd/handlers.h"
#include "cmd/zset_args.h"

/* ---- ZPOPMIN, ZPOPMAX ---------------------------------------------------------------------------------------- */

/* Replies with n members from an end and takes them out; `nested`: each is an array of its own. The key is there. */
static void pop_reply(struct cmd_ctx *c, struct zkey *k, uint64_t n, bool max, bool nested)
{
	uint64_t count = zval_count(zkey_val(k));
	struct ziter it;
	struct zitem item;

	ziter_begin(&it, zkey_val(k), max ? count - 1 : 0, n, max);
	while (ziter_next(&it, &item)) {
		if (nested)
			reply_array(c->out, 2);
		reply_bulk_slice(c->out, item.name);
		reply_double(c->out, item.score);
	}
	zkey_remove_span(k, max ? (struct zspan){count - n, count} : (struct zspan){0, n});
	zset_removed(c, k, max ? "zpopmax" : "zpopmin", n);
}

static void zpop(struct cmd_ctx *c, bool max)
{
	struct zkey k;
	int64_t want = 1;
	bool counted = c->argc == 3, nested = counted && c->out->proto > 2;

	if (c->argc > 3) {
		cmd_err_syntax(c);
		return;
	}
	if (counted && !cmd_arg_i64_in(c, 2, 0, INT64_MAX, &want, "ERR value is out of range, must be positive"))
		return;
	if (!zset_open_key(c, &k, c->argv[1]))
		return;
	uint64_t n = RP_MIN((uint64_t)want, zval_count(zkey_val(&k)));
	if (n == 0) {
		reply_array(c->out, 0);
		return;
	}
	if (!zkey_begin(&k)) {
		cmd_err_oom(c);
		return;
	}
	reply_array(c->out, nested ? n : 2 * n);
	pop_reply(c, &k, n, max, nested);
}

void cmd_zpopmin(struct cmd_ctx *c)
{
	zpop(c, false);
}

void cmd_zpopmax(struct cmd_ctx *c)
{
	zpop(c, true);
}

/* ---- ZMPOP, BZMPOP, BZPOPMIN, BZPOPMAX ----------------------------------------------------------------------- */

struct mpop_args {
	uint32_t first, n; /* keys */
	bool max;
	int64_t count;
};

static bool mpop_count(struct cmd_ctx *c, uint32_t i, struct mpop_args *a)
{
	a->count = 1;
	for (bool seen = false; i < c->argc; i += 2, seen = true) {
		if (seen || i + 1 >= c->argc || !cmd_arg_is(c, i, "count")) {
			cmd_err_syntax(c);
			return false;
		}
		if (!cmd_arg_i64_in(c, i + 1, 1, INT64_MAX, &a->count, "ERR count should be greater than 0"))
			return false;
	}
	return true;
}

/* From argument `at` on, which is the number of keys. */
static bool mpop_args(struct cmd_ctx *c, uint32_t at, struct mpop_args *a)
{
	int64_t n;

	if (!cmd_arg_i64_in(c, at, 1, INT64_MAX, &n, "ERR numkeys should be greater than 0"))
		return false;
	uint32_t where = at + 1 + (uint32_t)n;
	if (n > (int64_t)c->argc - at - 2 || !(cmd_arg_is(c, where, "max") || cmd_arg_is(c, where, "min"))) {
		cmd_err_syntax(c);
		return false;
	}
	a->first = at + 1;
	a->n = (uint32_t)n;
	a->max = cmd_arg_is(c, where, "max");
	return mpop_count(c, where + 1, a);
}

/* Without a number, as the command without it. */
static void pop_effect(struct cmd_ctx *c, const struct zkey *k, uint64_t n, bool max, bool numbered)
{
	char text[NUM_I64_CHARS];
	struct slice words[] = {max ? SLICE("ZPOPMAX") : SLICE("ZPOPMIN"), k->key, {text, num_format_u64(text, n)}};

	cmd_effect(c, k->s, numbered ? 3 : 2, words);
}

/* Opens the first sorted set of those that has any. false: there is none, or the error is written (*failed). */
static bool first_with_any(struct cmd_ctx *c, uint32_t first, uint32_t n, struct zkey *k, bool *failed)
{
	*failed = false;
	for (uint32_t i = first; i < first + n; i++) {
		if (!cmd_holds(c, c->argv[i]))
			continue;
		*failed = !zset_open_key(c, k, c->argv[i]);
		if (*failed)
			return false;
		if (k->o == NULL)
			continue;
		*failed = !zkey_begin(k);
		if (*failed)
			cmd_err_oom(c);
		return !*failed;
	}
	return false;
}

/* false: all are empty. */
static bool mpop_any(struct cmd_ctx *c, const struct mpop_args *a)
{
	struct zkey k;
	bool failed;

	if (!first_with_any(c, a->first, a->n, &k, &failed))
		return failed;
	uint64_t n = RP_MIN((uint64_t)a->count, zval_count(zkey_val(&k)));
	reply_array(c->out, 2);
	reply_bulk_slice(c->out, k.key);
	reply_array(c->out, n);
	pop_reply(c, &k, n, a->max, true);
	pop_effect(c, &k, n, a->max, true);
	return true;
}

void cmd_zmpop(struct cmd_ctx *c)
{
	struct mpop_args a;

	if (mpop_args(c, 1, &a) && !mpop_any(c, &a))
		reply_null_array(c->out);
}

void cmd_bzmpop(struct cmd_ctx *c)
{
	struct mpop_args a;
	int64_t timeout;

	if (mpop_args(c, 2, &a) && cmd_arg_timeout_s(c, 1, &timeout) && !mpop_any(c, &a))
		cmd_block_on(c,
			     &(struct cmd_block){.type = OBJ_ZSET, .first = a.first, .n = a.n, .timeout_ms = timeout});
}

static void bzpop(struct cmd_ctx *c, bool max)
{
	uint32_t n = c->argc - 2;
	int64_t timeout;
	struct zkey k;
	bool failed;

	if (!cmd_arg_timeout_s(c, c->argc - 1, &timeout))
		return;
	if (first_with_any(c, 1, n, &k, &failed)) {
		reply_array(c->out, 3);
		reply_bulk_slice(c->out, k.key);
		pop_reply(c, &k, 1, max, false);
		pop_effect(c, &k, 1, max, false);
	} else if (!failed) {
		cmd_block_on(c, &(struct cmd_block){.type = OBJ_ZSET, .first = 1, .n = n, .timeout_ms = timeout});
	}
}

void cmd_bzpopmin(struct cmd_ctx *c)
{
	bzpop(c, false);
}

void cmd_bzpopmax(struct cmd_ctx *c)
{
	bzpop(c, true);
}
