/* Unions, intersections and differences of sorted sets; a plain set counts as one whose scores are all 1. */
#include <math.h>

#include "cmd/handlers.h"
#include "cmd/zset_args.h"
#include "store/set.h"

#define INLINE_INPUTS 16

enum algebra_op {
	OP_UNION,
	OP_INTER,
	OP_DIFF,
	OP_INTERCARD,
};
enum aggregate {
	AGG_SUM,
	AGG_MIN,
	AGG_MAX,
};

struct input {
	const struct object *o; /* NULL: no such key */
	double weight;
};

struct algebra {
	enum algebra_op op;
	bool store, scores;
	uint32_t first, count; /* index of the first key, number of keys */
	enum aggregate agg;
	uint64_t limit; /* of OP_INTERCARD; 0: none */
	struct input *in;
	struct heap *h; /* of the result */
};

/* ---- inputs -------------------------------------------------------------------------------------------------- */

static uint64_t input_count(const struct input *in)
{
	if (in->o == NULL)
		return 0;
	return in->o->type == OBJ_SET ? set_count(in->o) : zval_count(zval_of(in->o));
}

static bool input_find(const struct input *in, struct slice name, double *score)
{
	if (in->o == NULL)
		return false;
	if (in->o->type == OBJ_ZSET)
		return zval_score(zval_of(in->o), name, score);
	*score = 1;
	return set_has_text(in->o, name);
}

struct input_iter {
	bool is_set;
	struct set_iter set;
	struct ziter z;
	char buf[NUM_I64_CHARS];
};

static void input_begin(struct input_iter *it, const struct input *in)
{
	it->is_set = in->o != NULL && in->o->type == OBJ_SET;
	if (it->is_set)
		set_iter_begin(&it->set, in->o);
	else
		ziter_begin(&it->z, zval_of(in->o), 0, UINT64_MAX, false);
}

static bool input_next(struct input_iter *it, struct zitem *item)
{
	struct lp_key m;

	if (!it->is_set)
		return ziter_next(&it->z, item);
	if (!set_iter_next(&it->set, &m, it->buf))
		return false;
	*item = (struct zitem){m.s, 1};
	return true;
}

/* ---- words --------------------------------------------------------------------------------------------------- */

static bool take_weights(struct cmd_ctx *c, struct algebra *a, uint32_t i)
{
	for (uint32_t k = 0; k < a->count; k++)
		if (!num_parse_double(c->argv[i + 1 + k], &a->in[k].weight)) {
			reply_error(c->out, "ERR weight value is not a float");
			return false;
		}
	return true;
}

static bool take_aggregate(struct cmd_ctx *c, struct algebra *a, uint32_t i)
{
	static const char *const words[] = {[AGG_SUM] = "sum", [AGG_MIN] = "min", [AGG_MAX] = "max"};

	for (uint32_t k = 0; k < RP_ARRAY_LEN(words); k++)
		if (cmd_arg_is(c, i + 1, words[k])) {
			a->agg = (enum aggregate)k;
			return true;
		}
	cmd_err_syntax(c);
	return false;
}

static bool take_limit(struct cmd_ctx *c, struct algebra *a, uint32_t i)
{
	int64_t limit;

	if (!cmd_arg_i64_in(c, i + 1, 0, INT64_MAX, &limit, "ERR LIMIT can't be negative"))
		return false;
	a->limit = (uint64_t)limit;
	return true;
}

static bool options(struct cmd_ctx *c, struct algebra *a)
{
	bool combines = a->op == OP_UNION || a->op == OP_INTER;

	for (uint32_t i = a->first + a->count; i < c->argc; i++) {
		uint32_t more = c->argc - i - 1;

		if (combines && more >= a->count && cmd_arg_is(c, i, "weights")) {
			if (!take_weights(c, a, i))
				return false;
			i += a->count;
		} else if (combines && more >= 1 && cmd_arg_is(c, i, "aggregate")) {
			if (!take_aggregate(c, a, i++))
				return false;
		} else if (!a->store && a->op != OP_INTERCARD && cmd_arg_is(c, i, "withscores")) {
			a->scores = true;
		} else if (a->op == OP_INTERCARD && more >= 1 && cmd_arg_is(c, i, "limit")) {
			if (!take_limit(c, a, i++))
				return false;
		} else {
			cmd_err_syntax(c);
			return false;
		}
	}
	return true;
}

static bool key_count(struct cmd_ctx *c, struct algebra *a)
{
	int64_t n;

	if (!cmd_arg_i64(c, a->first - 1, &n))
		return false;
	if (n < 1) {
		reply_errorf(c->out, "ERR at least 1 input key is needed for '%s' command", c->cmd->name);
		return false;
	}
	if (n > (int64_t)c->argc - a->first) {
		cmd_err_syntax(c);
		return false;
	}
	a->count = (uint32_t)n;
	return true;
}

static bool read_inputs(struct cmd_ctx *c, struct algebra *a)
{
	for (uint32_t i = 0; i < a->count; i++) {
		const struct object *o = cmd_read(c, c->argv[a->first + i]);
		if (o != NULL && o->type != OBJ_ZSET && o->type != OBJ_SET) {
			cmd_err_wrongtype(c);
			return false;
		}
		a->in[i] = (struct input){o, 1};
	}
	return true;
}

/* The smallest first; equal ones stay in their order. Few: the number of keys of a command. */
static void sort_inputs(struct algebra *a)
{
	for (uint32_t i = 1; i < a->count; i++) {
		struct input x = a->in[i];
		uint64_t n = input_count(&x);
		uint32_t k = i;

		for (; k > 0 && input_count(&a->in[k - 1]) > n; k--)
			a->in[k] = a->in[k - 1];
		a->in[k] = x;
	}
}

/* ---- results ------------------------------------------------------------------------------------------------- */

static double number_or_zero(double d)
{
	return isnan(d) ? 0 : d;
}

static double aggregate(enum aggregate agg, double a, double b)
{
	switch (agg) {
	case AGG_MIN:
		return b < a ? b : a;
	case AGG_MAX:
		return b > a ? b : a;
	default:
		return number_or_zero(a + b);
	}
}

static bool add(struct zset *z, const struct algebra *a, struct slice name, double score)
{
	bool fresh;
	struct elem *e = zset_touch(z, a->h, name, &fresh);

	if (e == NULL)
		return false;
	return zset_set_score(z, a->h, e, fresh ? score : aggregate(a->agg, zelem_score(e), score));
}

static bool make_union(const struct algebra *a, struct zset *z)
{
	struct input_iter it;
	struct zitem item;

	for (uint32_t i = 0; i < a->count; i++) {
		input_begin(&it, &a->in[i]);
		while (input_next(&it, &item))
			if (!add(z, a, item.name, number_or_zero(a->in[i].weight * item.score)))
				return false;
	}
	return true;
}

/* In all inputs? *score becomes what they make of it. */
static bool in_all(const struct algebra *a, const struct zitem *item, double *score)
{
	*score = number_or_zero(a->in[0].weight * item->score);
	for (uint32_t i = 1; i < a->count; i++) {
		double other;

		if (!input_find(&a->in[i], item->name, &other))
			return false;
		*score = aggregate(a->agg, *score, other * a->in[i].weight);
	}
	return true;
}

static bool make_inter(const struct algebra *a, struct zset *z)
{
	struct input_iter it;
	struct zitem item;
	double score;

	input_begin(&it, &a->in[0]);
	while (input_next(&it, &item))
		if (in_all(a, &item, &score) && !add(z, a, item.name, score))
			return false;
	return true;
}

static bool in_another(const struct algebra *a, struct slice name)
{
	double score;

	for (uint32_t i = 1; i < a->count; i++)
		if (input_find(&a->in[i], name, &score))
			return true;
	return false;
}

static bool make_diff(const struct algebra *a, struct zset *z)
{
	struct input_iter it;
	struct zitem item;

	input_begin(&it, &a->in[0]);
	while (input_next(&it, &item))
		if (!in_another(a, item.name) && !add(z, a, item.name, item.score))
			return false;
	return true;
}

static void reply_card(struct cmd_ctx *c, const struct algebra *a)
{
	struct input_iter it;
	struct zitem item;
	uint64_t n = 0;
	double score;

	input_begin(&it, &a->in[0]);
	while ((a->limit == 0 || n < a->limit) && input_next(&it, &item))
		n += in_all(a, &item, &score);
	reply_int(c->out, (int64_t)n);
}

static void result(struct cmd_ctx *c, struct algebra *a)
{
	static bool (*const make[])(const struct algebra *a, struct zset *z) = {make_union, make_inter, make_diff};
	static const char *const events[] = {"zunionstore", "zinterstore", "zdiffstore"};
	struct zset *z = zset_create(a->h);

	if (z == NULL || !make[a->op](a, z) || !zset_index(z, a->h)) {
		zset_destroy(z, a->h);
		cmd_err_oom(c);
		return;
	}
	if (a->store) {
		zset_store_result(c, c->argv[1], z, events[a->op]);
		return;
	}
	zset_reply_walk(c, (struct zval){.z = z}, 0, UINT64_MAX, false, a->scores);
	zset_destroy(z, a->h);
}

static void algebra(struct cmd_ctx *c, enum algebra_op op, bool store)
{
	struct input few[INLINE_INPUTS];
	struct algebra a = {.op = op, .store = store, .first = store ? 3 : 2, .in = few};

	if (!key_count(c, &a))
		return;
	a.h = store ? store_heap(cmd_store(c, c->argv[1])) : c->env->heap;
	if (a.count > INLINE_INPUTS && (a.in = heap_alloc(c->env->heap, a.count * sizeof *a.in)) == NULL) {
		cmd_err_oom(c);
		return;
	}
	if (read_inputs(c, &a) && options(c, &a)) {
		if (op != OP_DIFF)
			sort_inputs(&a);
		if (op == OP_INTERCARD)
			reply_card(c, &a);
		else
			result(c, &a);
	}
	if (a.in != few)
		heap_free(c->env->heap, a.in);
}

void cmd_zunion(struct cmd_ctx *c)
{
	algebra(c, OP_UNION, false);
}

void cmd_zinter(struct cmd_ctx *c)
{
	algebra(c, OP_INTER, false);
}

void cmd_zdiff(struct cmd_ctx *c)
{
	algebra(c, OP_DIFF, false);
}

void cmd_zunionstore(struct cmd_ctx *c)
{
	algebra(c, OP_UNION, true);
}

void cmd_zinterstore(struct cmd_ctx *c)
{
	algebra(c, OP_INTER, true);
}

void cmd_zdiffstore(struct cmd_ctx *c)
{
	algebra(c, OP_DIFF, true);
}

void cmd_zintercard(struct cmd_ctx *c)
{
	algebra(c, OP_INTERCARD, false);
}
