/* Sorted sets: members and their scores. */
#include "cmd/handlers.h"
#include "cmd/zset_args.h"

#define ADD_INLINE 8 /* members of one ZADD that need no allocation for their scores */

/* ---- ZADD, ZINCRBY ------------------------------------------------------------------------------------------- */

struct zadd_args {
	uint32_t flags, first, count; /* first score's index, number of pairs */
	bool ch;
};

static bool zadd_flag(struct cmd_ctx *c, uint32_t i, struct zadd_args *a)
{
	static const struct {
		const char *word;
		uint32_t flag;
	} flags[] = {{"nx", ZADD_NX}, {"xx", ZADD_XX}, {"gt", ZADD_GT}, {"lt", ZADD_LT}, {"incr", ZADD_INCR}};

	for (uint32_t k = 0; k < RP_ARRAY_LEN(flags); k++)
		if (cmd_arg_is(c, i, flags[k].word)) {
			a->flags |= flags[k].flag;
			return true;
		}
	a->ch |= cmd_arg_is(c, i, "ch");
	return cmd_arg_is(c, i, "ch");
}

static bool zadd_args(struct cmd_ctx *c, struct zadd_args *a)
{
	uint32_t i = 2, f;
	const char *err = NULL;

	*a = (struct zadd_args){0};
	/* a number is no flag */
	while (i < c->argc && c->argv[i].len > 0 && (uint8_t)c->argv[i].ptr[0] > '9' && zadd_flag(c, i, a))
		i++;
	a->first = i;
	a->count = (c->argc - i) / 2;
	f = a->flags;
	if ((c->argc - i) % 2 != 0 || a->count == 0)
		err = "ERR syntax error";
	else if (f & ZADD_NX && f & ZADD_XX)
		err = "ERR XX and NX options at the same time are not compatible";
	else if ((f & ZADD_NX && f & (ZADD_GT | ZADD_LT)) || (f & ZADD_GT && f & ZADD_LT))
		err = "ERR GT, LT, and/or NX options at the same time are not compatible";
	else if (f & ZADD_INCR && a->count > 1)
		err = "ERR INCR option supports a single increment-element pair";
	if (err != NULL)
		reply_error(c->out, err);
	return err == NULL;
}

static void zadd_reply(struct cmd_ctx *c, uint32_t flags, bool ch, const struct zadd_out *out)
{
	if (!(flags & ZADD_INCR))
		reply_int(c->out, out->added + (ch ? out->updated : 0));
	else if (out->processed > 0)
		reply_double(c->out, out->score);
	else
		reply_null(c->out);
}

void zset_add_items(struct cmd_ctx *c, uint32_t n, const struct zitem *items, uint32_t flags, bool ch)
{
	struct zkey k;
	struct zadd_out out;

	if (!zset_open_key(c, &k, c->argv[1]))
		return;
	if (!zkey_add(&k, n, items, flags, &out)) {
		cmd_err_oom(c);
		return;
	}
	if (out.nan) {
		reply_error(c->out, "ERR resulting score is not a number (NaN)");
		return;
	}
	if (out.added + out.updated > 0)
		store_event(k.s, EVENT_ZSET, flags & ZADD_INCR ? "zincr" : "zadd", c->db, c->argv[1]);
	c->dirty += out.added + out.updated;
	zadd_reply(c, flags, ch, &out);
}

static void zadd(struct cmd_ctx *c, const struct zadd_args *a)
{
	struct zitem few[ADD_INLINE], *items = few;

	if (a->count > ADD_INLINE && (items = heap_alloc(c->env->heap, a->count * sizeof *items)) == NULL) {
		cmd_err_oom(c);
		return;
	}
	uint32_t n = 0;
	for (; n < a->count; n++) {
		items[n].name = c->argv[a->first + 2 * n + 1];
		if (!cmd_arg_double(c, a->first + 2 * n, &items[n].score))
			break;
	}
	if (n == a->count)
		zset_add_items(c, a->count, items, a->flags, a->ch);
	if (items != few)
		heap_free(c->env->heap, items);
}

void cmd_zadd(struct cmd_ctx *c)
{
	struct zadd_args a;

	if (zadd_args(c, &a))
		zadd(c, &a);
}

void cmd_zincrby(struct cmd_ctx *c)
{
	zadd(c, &(struct zadd_args){.flags = ZADD_INCR, .first = 2, .count = 1});
}

/* ---- ZREM ---------------------------------------------------------------------------------------------------- */

void cmd_zrem(struct cmd_ctx *c)
{
	struct zkey k;
	uint64_t n = 0;

	if (!zset_open_key(c, &k, c->argv[1]))
		return;
	for (uint32_t i = 2; i < c->argc; i++) {
		int r = zkey_remove(&k, c->argv[i]);
		if (r < 0) {
			cmd_err_oom(c);
			return;
		}
		n += (uint64_t)r;
		if (r > 0 && zval_count(zkey_val(&k)) == 0)
			break;
	}
	zset_removed(c, &k, "zrem", n);
	reply_int(c->out, (int64_t)n);
}

/* ---- questions ----------------------------------------------------------------------------------------------- */

void cmd_zscore(struct cmd_ctx *c)
{
	bool wrong;
	struct object *o = zset_read_key(c, c->argv[1], &wrong);
	double score;

	if (wrong)
		return;
	if (zval_score(zval_of(o), c->argv[2], &score))
		reply_double(c->out, score);
	else
		reply_null(c->out);
}

void cmd_zmscore(struct cmd_ctx *c)
{
	bool wrong;
	struct object *o = zset_read_key(c, c->argv[1], &wrong);
	double score;

	if (wrong)
		return;
	reply_array(c->out, c->argc - 2);
	for (uint32_t i = 2; i < c->argc; i++)
		if (zval_score(zval_of(o), c->argv[i], &score))
			reply_double(c->out, score);
		else
			reply_null(c->out);
}

void cmd_zcard(struct cmd_ctx *c)
{
	bool wrong;
	struct object *o = zset_read_key(c, c->argv[1], &wrong);

	if (!wrong)
		reply_int(c->out, (int64_t)zval_count(zval_of(o)));
}

static void reply_span_size(struct cmd_ctx *c, struct zspan span)
{
	reply_int(c->out, span.hi > span.lo ? (int64_t)(span.hi - span.lo) : 0);
}

void cmd_zcount(struct cmd_ctx *c)
{
	struct zscore_range r;
	bool wrong;

	if (!zset_score_range(c, c->argv[2], c->argv[3], &r))
		return;
	struct object *o = zset_read_key(c, c->argv[1], &wrong);
	if (!wrong)
		reply_span_size(c, zval_span_by_score(zval_of(o), &r));
}

void cmd_zlexcount(struct cmd_ctx *c)
{
	struct zlex_range r;
	bool wrong;

	if (!zset_lex_range(c, c->argv[2], c->argv[3], &r))
		return;
	struct object *o = zset_read_key(c, c->argv[1], &wrong);
	if (!wrong)
		reply_span_size(c, zval_span_by_lex(zval_of(o), &r));
}

static void zrank(struct cmd_ctx *c, bool reverse)
{
	bool wrong, with_score = c->argc == 4;
	struct zref r;

	if (c->argc > 4) {
		cmd_err_arity(c);
		return;
	}
	if (with_score && !cmd_arg_is(c, 3, "withscore")) {
		cmd_err_syntax(c);
		return;
	}
	struct zval v = zval_of(zset_read_key(c, c->argv[1], &wrong));
	if (wrong)
		return;
	if (!zval_find(v, c->argv[2], &r)) {
		with_score ? reply_null_array(c->out) : reply_null(c->out);
		return;
	}
	uint64_t rank = zval_rank(v, &r);
	if (reverse)
		rank = zval_count(v) - 1 - rank;
	if (with_score)
		reply_array(c->out, 2);
	reply_int(c->out, (int64_t)rank);
	if (with_score)
		reply_double(c->out, r.score);
}

void cmd_zrank(struct cmd_ctx *c)
{
	zrank(c, false);
}

void cmd_zrevrank(struct cmd_ctx *c)
{
	zrank(c, true);
}
