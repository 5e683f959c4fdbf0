/* Lists: from one to another, and from the first that has any. */
#include "cmd/list_cmd.h"

static const char *push_event(enum list_end end)
{
	return end == LIST_HEAD ? "lpush" : "rpush";
}

static const char *pop_event(enum list_end end)
{
	return end == LIST_HEAD ? "lpop" : "rpop";
}

static void rotate(struct cmd_ctx *c, struct object *o, enum list_end from, enum list_end to)
{
	struct list_ref r = list_cmd_ref(c, c->argv[1], o);
	struct list_iter it;

	if (!list_prepare(&r) || !list_rotate(&r, from, to)) {
		cmd_err_oom(c);
		return;
	}
	list_seek(r.o, to == LIST_HEAD ? 0 : list_len(r.o) - 1, false, &it);
	list_cmd_reply(c, &it);
	store_event(r.s, EVENT_LIST, push_event(to), c->db, r.key);
	store_event(r.s, EVENT_LIST, pop_event(from), c->db, r.key);
	c->dirty++;
}

/* Each shard's journal gets what happens there. */
static void move_effects(struct cmd_ctx *c, struct list_ref *src, struct list_ref *dst, enum list_end from,
			 enum list_end to, struct slice v)
{
	if (src->s == dst->s)
		return;
	cmd_effect(c, dst->s, 3, (struct slice[]){to == LIST_HEAD ? SLICE("LPUSH") : SLICE("RPUSH"), dst->key, v});
	cmd_effect(c, src->s, 2, (struct slice[]){from == LIST_HEAD ? SLICE("LPOP") : SLICE("RPOP"), src->key});
}

static void move_between(struct cmd_ctx *c, struct object *so, struct object *dst_o, enum list_end from,
			 enum list_end to)
{
	struct list_ref src = list_cmd_ref(c, c->argv[1], so), dst = list_cmd_ref(c, c->argv[2], dst_o);
	char buf[NUM_I64_CHARS];
	struct list_iter it;

	if (!list_prepare(&src)) {
		cmd_err_oom(c);
		return;
	}
	list_seek(src.o, from == LIST_HEAD ? 0 : list_len(src.o) - 1, false, &it);
	struct slice v = list_get(&it, buf, NULL);
	struct list_values values = {.v = &v, .n = 1, .popped_int = list_pops_int(&it)};
	if (!list_push(&dst, to, &values)) {
		cmd_err_oom(c);
		return;
	}
	move_effects(c, &src, &dst, from, to, v);
	list_cmd_reply(c, &it);
	store_event(dst.s, EVENT_LIST, push_event(to), c->db, dst.key);
	list_remove(&src, it.index, 1);
	list_cmd_removed(c, &src, pop_event(from), 1);
}

static void move(struct cmd_ctx *c, enum list_end from, enum list_end to)
{
	bool wrong;
	struct object *src = list_cmd_peek(c, c->argv[1], &wrong), *dst;

	if (wrong)
		return;
	if (src == NULL) {
		reply_null(c->out);
		return;
	}
	dst = list_cmd_peek(c, c->argv[2], &wrong);
	if (wrong)
		return;
	if (src == dst)
		rotate(c, src, from, to);
	else
		move_between(c, src, dst, from, to);
}

void cmd_lmove(struct cmd_ctx *c)
{
	enum list_end from, to;

	if (list_cmd_end(c, 3, &from) && list_cmd_end(c, 4, &to))
		move(c, from, to);
}

void cmd_rpoplpush(struct cmd_ctx *c)
{
	move(c, LIST_TAIL, LIST_HEAD);
}

/* ---- LMPOP ------------------------------------------------------------------------------------------------------- */

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
	list_cmd_removed(c, &r, pop_event(end), n);
}

void cmd_lmpop(struct cmd_ctx *c)
{
	enum list_end end;
	int64_t nkeys, count;
	bool wrong;

	if (!cmd_arg_i64_in(c, 1, 1, INT64_MAX, &nkeys, "ERR numkeys should be greater than 0"))
		return;
	if (nkeys > (int64_t)c->argc - 3) {
		cmd_err_syntax(c);
		return;
	}
	uint32_t where = (uint32_t)nkeys + 2;
	if (!list_cmd_end(c, where, &end) || !mpop_count(c, where + 1, &count))
		return;
	for (uint32_t i = 2; i < where; i++) {
		struct object *o = list_cmd_peek(c, c->argv[i], &wrong);
		if (wrong)
			return;
		if (o != NULL) {
			mpop(c, c->argv[i], o, end, (uint64_t)count);
			return;
		}
	}
	reply_null_array(c->out);
}
