/* Sorted sets: ranges by rank, score and name. */
#include "cmd/handlers.h"
#include "cmd/zset_args.h"

enum range_by {
	BY_ANY, /* the words decide */
	BY_RANK,
	BY_SCORE,
	BY_LEX,
};

struct range_args {
	uint32_t key; /* index of the key; min and max follow */
	enum range_by by;
	bool down, down_fixed;
	bool scores, store;
	int64_t offset, limit;
	union {
		struct zscore_range score;
		struct zlex_range lex;
		int64_t rank[2];
	};
};

/* ---- words --------------------------------------------------------------------------------------------------- */

/* Takes the option at *i. false: the error is written. */
static bool range_option(struct cmd_ctx *c, struct range_args *a, uint32_t *i)
{
	if (!a->store && cmd_arg_is(c, *i, "withscores")) {
		a->scores = true;
	} else if (cmd_arg_is(c, *i, "limit") && *i + 2 < c->argc) {
		if (!cmd_arg_i64(c, *i + 1, &a->offset) || !cmd_arg_i64(c, *i + 2, &a->limit))
			return false;
		*i += 2;
	} else if (!a->down_fixed && cmd_arg_is(c, *i, "rev")) {
		a->down = a->down_fixed = true;
	} else if (a->by == BY_ANY && cmd_arg_is(c, *i, "bylex")) {
		a->by = BY_LEX;
	} else if (a->by == BY_ANY && cmd_arg_is(c, *i, "byscore")) {
		a->by = BY_SCORE;
	} else {
		cmd_err_syntax(c);
		return false;
	}
	return true;
}

static bool range_ends(struct cmd_ctx *c, struct range_args *a)
{
	uint32_t min = a->key + 1, max = a->key + 2;

	if (a->by == BY_RANK)
		return cmd_arg_i64(c, min, &a->rank[0]) && cmd_arg_i64(c, max, &a->rank[1]);
	if (a->down) {
		min = a->key + 2;
		max = a->key + 1;
	}
	if (a->by == BY_SCORE)
		return zset_score_range(c, c->argv[min], c->argv[max], &a->score);
	return zset_lex_range(c, c->argv[min], c->argv[max], &a->lex);
}

static bool range_args(struct cmd_ctx *c, struct range_args *a)
{
	const char *err = NULL;

	a->limit = -1;
	for (uint32_t i = a->key + 3; i < c->argc; i++)
		if (!range_option(c, a, &i))
			return false;
	if (a->by == BY_ANY)
		a->by = BY_RANK;
	if (a->limit != -1 && a->by == BY_RANK)
		err = "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX";
	else if (a->scores && a->by == BY_LEX)
		err = "ERR syntax error, WITHSCORES not supported in combination with BYLEX";
	if (err != NULL)
		reply_error(c->out, err);
	return err == NULL && range_ends(c, a);
}

/* ---- walks --------------------------------------------------------------------------------------------------- */

/* The rank to start at and how many members to walk. */
static uint64_t range_start(const struct range_args *a, struct zval v, uint64_t *n)
{
	uint64_t count = zval_count(v);
	struct zspan span;

	if (a->by == BY_RANK) {
		span = zset_rank_span(a->rank[0], a->rank[1], count);
		*n = span.hi - span.lo;
		return a->down ? count - 1 - span.lo : span.lo;
	}
	span = a->by == BY_SCORE ? zval_span_by_score(v, &a->score) : zval_span_by_lex(v, &a->lex);
	uint64_t in = span.hi > span.lo ? span.hi - span.lo : 0;
	uint64_t skip = a->offset < 0 ? in : RP_MIN((uint64_t)a->offset, in);
	*n = a->limit < 0 ? in - skip : RP_MIN((uint64_t)a->limit, in - skip);
	return a->down ? span.hi - 1 - skip : span.lo + skip;
}

static void range_reply(struct cmd_ctx *c, struct range_args *a)
{
	bool wrong;
	uint64_t n, from;

	if (!range_args(c, a))
		return;
	struct zval v = zval_of(zset_read_key(c, c->argv[a->key], &wrong));
	if (wrong)
		return;
	from = range_start(a, v, &n);
	zset_reply_walk(c, v, from, n, a->down, a->scores);
}

void cmd_zrange(struct cmd_ctx *c)
{
	range_reply(c, &(struct range_args){.key = 1});
}

void cmd_zrevrange(struct cmd_ctx *c)
{
	range_reply(c, &(struct range_args){.key = 1, .by = BY_RANK, .down = true, .down_fixed = true});
}

void cmd_zrangebyscore(struct cmd_ctx *c)
{
	range_reply(c, &(struct range_args){.key = 1, .by = BY_SCORE, .down_fixed = true});
}

void cmd_zrevrangebyscore(struct cmd_ctx *c)
{
	range_reply(c, &(struct range_args){.key = 1, .by = BY_SCORE, .down = true, .down_fixed = true});
}

void cmd_zrangebylex(struct cmd_ctx *c)
{
	range_reply(c, &(struct range_args){.key = 1, .by = BY_LEX, .down_fixed = true});
}

void cmd_zrevrangebylex(struct cmd_ctx *c)
{
	range_reply(c, &(struct range_args){.key = 1, .by = BY_LEX, .down = true, .down_fixed = true});
}

/* NULL: out of memory. */
static struct zset *range_copy(struct heap *h, struct zval v, uint64_t from, uint64_t n, bool down)
{
	struct zset *z = zset_create(h);
	struct ziter it;
	struct zitem item;
	bool ok = z != NULL, fresh;

	ziter_begin(&it, v, from, n, down);
	while (ok && ziter_next(&it, &item)) {
		struct elem *e = zset_touch(z, h, item.name, &fresh);
		ok = e != NULL && zset_set_score(z, h, e, item.score);
	}
	if (ok && zset_index(z, h))
		return z;
	zset_destroy(z, h);
	return NULL;
}

void cmd_zrangestore(struct cmd_ctx *c)
{
	struct range_args a = {.key = 2, .store = true};
	bool wrong;
	uint64_t n, from;

	if (!range_args(c, &a))
		return;
	struct zval v = zval_of(zset_read_key(c, c->argv[2], &wrong));
	if (wrong)
		return;
	from = range_start(&a, v, &n);
	struct zset *z = range_copy(store_heap(cmd_store(c, c->argv[1])), v, from, n, a.down);
	if (z == NULL)
		cmd_err_oom(c);
	else
		zset_store_result(c, c->argv[1], z, "zrangestore");
}

/* ---- removing ------------------------------------------------------------------------------------------------ */

static void remove_range(struct cmd_ctx *c, struct range_args *a, const char *event)
{
	struct zkey k;
	uint64_t n;

	if (!range_ends(c, a) || !zset_open_key(c, &k, c->argv[1]))
		return;
	uint64_t from = range_start(a, zkey_val(&k), &n);
	if (n > 0 && n == zval_count(zkey_val(&k))) {
		/* the key goes as a whole, in slices if it is large */
		store_delete(k.s, c->db, k.key);
		store_event(k.s, EVENT_ZSET, event, c->db, k.key);
		store_event(k.s, EVENT_GENERIC, "del", c->db, k.key);
		c->dirty += (uint32_t)n;
	} else if (n > 0) {
		if (!zkey_begin(&k)) {
			cmd_err_oom(c);
			return;
		}
		zkey_remove_span(&k, (struct zspan){from, from + n});
		zset_removed(c, &k, event, n);
	}
	reply_int(c->out, (int64_t)n);
}

void cmd_zremrangebyrank(struct cmd_ctx *c)
{
	remove_range(c, &(struct range_args){.key = 1, .by = BY_RANK, .limit = -1}, "zremrangebyrank");
}

void cmd_zremrangebyscore(struct cmd_ctx *c)
{
	remove_range(c, &(struct range_args){.key = 1, .by = BY_SCORE, .limit = -1}, "zremrangebyscore");
}

void cmd_zremrangebylex(struct cmd_ctx *c)
{
	remove_range(c, &(struct range_args){.key = 1, .by = BY_LEX, .limit = -1}, "zremrangebylex");
}
