/* Lists: from one to another. */
#include "cmd/list_cmd.h"

static const char *push_event(enum list_end end)
{
	return end == LIST_HEAD ? "lpush" : "rpush";
}

static const char *pop_event(enum list_end end)
{
	return end == LIST_HEAD ? "lpop" : "rpop";
}

/* A blocking command's effect is that of the one that does not wait. */
static void effect_unblocked(struct cmd_ctx *c, struct list_ref *src)
{
	if (c->argc == 6)
		cmd_effect(c, src->s, 5,
			   (struct slice[]){SLICE("LMOVE"), c->argv[1], c->argv[2], c->argv[3], c->argv[4]});
	else if (c->argc == 4)
		cmd_effect(c, src->s, 3, (struct slice[]){SLICE("RPOPLPUSH"), c->argv[1], c->argv[2]});
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
	list_did_shrink(&r);
	effect_unblocked(c, &r);
	c->dirty++;
}

/* Each shard's journal gets what happens there. */
static void move_effects(struct cmd_ctx *c, struct list_ref *src, struct list_ref *dst, enum list_end from,
			 enum list_end to, struct slice v)
{
	if (src->s == dst->s) {
		effect_unblocked(c, src);
		return;
	}
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

/* false: there is nothing to move. */
static bool move(struct cmd_ctx *c, enum list_end from, enum list_end to)
{
	bool wrong;
	struct object *src = list_cmd_peek(c, c->argv[1], &wrong), *dst;

	if (wrong || src == NULL)
		return wrong;
	dst = list_cmd_peek(c, c->argv[2], &wrong);
	if (wrong)
		return true;
	if (src == dst)
		rotate(c, src, from, to);
	else
		move_between(c, src, dst, from, to);
	return true;
}

void cmd_lmove(struct cmd_ctx *c)
{
	enum list_end from, to;

	if (list_cmd_end(c, 3, &from) && list_cmd_end(c, 4, &to) && !move(c, from, to))
		reply_null(c->out);
}

void cmd_rpoplpush(struct cmd_ctx *c)
{
	if (!move(c, LIST_TAIL, LIST_HEAD))
		reply_null(c->out);
}

/* Redis has two nulls for it: this one where it must not wait, an array's when the time is over. */
static void bmove(struct cmd_ctx *c, enum list_end from, enum list_end to)
{
	int64_t timeout;

	if (!cmd_arg_timeout_s(c, c->argc - 1, &timeout) || move(c, from, to))
		return;
	if (c->deny_block)
		reply_null(c->out);
	else
		cmd_block_on(c, &(struct cmd_block){
					.whole = true, .type = OBJ_LIST, .first = 1, .n = 1, .timeout_ms = timeout});
}

void cmd_blmove(struct cmd_ctx *c)
{
	enum list_end from, to;

	if (list_cmd_end(c, 3, &from) && list_cmd_end(c, 4, &to))
		bmove(c, from, to);
}

void cmd_brpoplpush(struct cmd_ctx *c)
{
	bmove(c, LIST_TAIL, LIST_HEAD);
}
