/* Lists: from the first that has any, and waiting for it. */
#include "cmd/list_cmd.h"

/* ---- LMPOP, BLMPOP ----------------------------------------------------------------------------------------------- */

static bool mpop_count(struct cmd_ctx *c, uint32_t i, int64_t *count)
{
	*count = 1;
	for (bool seen = false; i < c->argc; i += 2, seen = true) {
		if (seen || i + 1 >= c->argc || !cmd_arg_is(c, i, "count")) {
			cmd_err_syntax(c);
			return false;
		}
		if (!cmd_arg_i64_in(c, i + 1, 1, INT64_MAX, count, "ERR count should be greater than 0"))
			return false;
	}
	return true;
}

static void mpop(struct cmd_ctx *c, struct slice key, struct object *o, enum list_end end, uint64_t count)
{
	struct list_ref r = list_cmd_ref(c, key, o);
	uint64_t n = RP_MIN(count, list_len(r.o));
	char text[NUM_I64_CHARS];
	struct reply sub;

	reply_sub_begin(c->out, &sub);
	struct reply *out = c->out;
	c->out = &sub;
	reply_bulk_slice(&sub, key);
	bool done = list_cmd_pop_many(c, &r, end, n);
	c->out = out;
	if (!done) {
		reply_reset(&sub, c->env->heap);
		cmd_err_oom(c);
		return;
	}
	reply_sub_end(c->out, &sub, REPLY_ARRAY, 2);
	cmd_effect(c, r.s, 3,
		   (struct slice[]){
			   end == LIST_HEAD ? SLICE("LPOP") : SLICE("RPOP"), key, {text, num_format_u64(text, n)}});
	list_cmd_removed(c, &r, end == LIST_HEAD ? "lpop" : "rpop", n);
}

struct mpop_args {
	uint32_t first, n; /* keys */
	enum list_end end;
	int64_t count;
};

/* From argument `at` on, which is the number of keys. */
static bool mpop_args(struct cmd_ctx *c, uint32_t at, struct mpop_args *a)
{
	int64_t nkeys;

	if (!cmd_arg_i64_in(c, at, 1, INT64_MAX, &nkeys, "ERR numkeys should be greater than 0"))
		return false;
	if (nkeys > (int64_t)c->argc - at - 2) {
		cmd_err_syntax(c);
		return false;
	}
	a->first = at + 1;
	a->n = (uint32_t)nkeys;
	uint32_t where = a->first + a->n;
	return list_cmd_end(c, where, &a->end) && mpop_count(c, where + 1, &a->count);
}

/* false: all are empty. */
static bool mpop_any(struct cmd_ctx *c, const struct mpop_args *a)
{
	bool wrong;

	for (uint32_t i = a->first; i < a->first + a->n; i++) {
		if (!cmd_holds(c, c->argv[i]))
			continue;
		struct object *o = list_cmd_peek(c, c->argv[i], &wrong);
		if (o != NULL)
			mpop(c, c->argv[i], o, a->end, (uint64_t)a->count);
		if (wrong || o != NULL)
			return true;
	}
	return false;
}

void cmd_lmpop(struct cmd_ctx *c)
{
	struct mpop_args a;

	if (mpop_args(c, 1, &a) && !mpop_any(c, &a))
		reply_null_array(c->out);
}

void cmd_blmpop(struct cmd_ctx *c)
{
	struct mpop_args a;
	int64_t timeout;

	if (mpop_args(c, 2, &a) && cmd_arg_timeout_s(c, 1, &timeout) && !mpop_any(c, &a))
		cmd_block_on(c,
			     &(struct cmd_block){.type = OBJ_LIST, .first = a.first, .n = a.n, .timeout_ms = timeout});
}

/* ---- BLPOP, BRPOP ------------------------------------------------------------------------------------------------ */

static void pop_named(struct cmd_ctx *c, struct slice key, struct object *o, enum list_end end)
{
	struct list_ref r = list_cmd_ref(c, key, o);
	bool head = end == LIST_HEAD;
	struct list_iter it;

	if (!list_prepare(&r)) {
		cmd_err_oom(c);
		return;
	}
	list_seek(r.o, head ? 0 : list_len(r.o) - 1, false, &it);
	reply_array(c->out, 2);
	reply_bulk_slice(c->out, key);
	list_cmd_reply(c, &it);
	cmd_effect(c, r.s, 2, (struct slice[]){head ? SLICE("LPOP") : SLICE("RPOP"), key});
	list_remove(&r, it.index, 1);
	list_cmd_removed(c, &r, head ? "lpop" : "rpop", 1);
}

static void bpop(struct cmd_ctx *c, enum list_end end)
{
	uint32_t last = c->argc - 1;
	int64_t timeout;
	bool wrong;

	if (!cmd_arg_timeout_s(c, last, &timeout))
		return;
	for (uint32_t i = 1; i < last; i++) {
		if (!cmd_holds(c, c->argv[i]))
			continue;
		struct object *o = list_cmd_peek(c, c->argv[i], &wrong);
		if (o != NULL)
			pop_named(c, c->argv[i], o, end);
		if (wrong || o != NULL)
			return;
	}
	cmd_block_on(c, &(struct cmd_block){.type = OBJ_LIST, .first = 1, .n = last - 1, .timeout_ms = timeout});
}

void cmd_blpop(struct cmd_ctx *c)
{
	bpop(c, LIST_HEAD);
}

void cmd_brpop(struct cmd_ctx *c)
{
	bpop(c, LIST_TAIL);
}
