/* Lists: single elements. */
#include "cmd/list_cmd.h"

static void push(struct cmd_ctx *c, enum list_end end, bool create)
{
	bool wrong;
	struct object *o = list_cmd_peek(c, c->argv[1], &wrong);

	if (wrong)
		return;
	if (o == NULL && !create) {
		reply_int(c->out, 0);
		return;
	}
	struct list_ref r = list_cmd_ref(c, c->argv[1], o);
	struct list_values v = list_cmd_values(c, 2, c->argc - 2);
	if (!list_push(&r, end, &v)) {
		list_cmd_forget(c, &v);
		cmd_err_oom(c);
		return;
	}
	store_event(r.s, EVENT_LIST, end == LIST_HEAD ? "lpush" : "rpush", c->db, r.key);
	c->dirty += v.n;
	reply_int(c->out, (int64_t)list_len(r.o));
}

void cmd_lpush(struct cmd_ctx *c)
{
	push(c, LIST_HEAD, true);
}

void cmd_rpush(struct cmd_ctx *c)
{
	push(c, LIST_TAIL, true);
}

void cmd_lpushx(struct cmd_ctx *c)
{
	push(c, LIST_HEAD, false);
}

void cmd_rpushx(struct cmd_ctx *c)
{
	push(c, LIST_TAIL, false);
}

static void pop_one(struct cmd_ctx *c, struct list_ref *r, enum list_end end)
{
	struct list_iter it;

	if (!list_prepare(r)) {
		cmd_err_oom(c);
		return;
	}
	list_seek(r->o, end == LIST_HEAD ? 0 : list_len(r->o) - 1, false, &it);
	list_cmd_reply(c, &it);
	list_remove(r, it.index, 1);
	list_cmd_removed(c, r, end == LIST_HEAD ? "lpop" : "rpop", 1);
}

static void pop(struct cmd_ctx *c, enum list_end end)
{
	bool wrong, counted = c->argc == 3;
	int64_t n = 1;

	if (c->argc > 3) {
		cmd_err_arity(c);
		return;
	}
	if (counted && !cmd_arg_i64_in(c, 2, 0, INT64_MAX, &n, "ERR value is out of range, must be positive"))
		return;
	struct object *o = list_cmd_peek(c, c->argv[1], &wrong);
	if (wrong)
		return;
	if (o == NULL) {
		counted ? reply_null_array(c->out) : reply_null(c->out);
		return;
	}
	if (n == 0) {
		reply_array(c->out, 0);
		return;
	}
	struct list_ref r = list_cmd_ref(c, c->argv[1], o);
	if (!counted) {
		pop_one(c, &r, end);
		return;
	}
	uint64_t many = RP_MIN((uint64_t)n, list_len(r.o));
	if (list_cmd_pop_many(c, &r, end, many))
		list_cmd_removed(c, &r, end == LIST_HEAD ? "lpop" : "rpop", many);
}

void cmd_lpop(struct cmd_ctx *c)
{
	pop(c, LIST_HEAD);
}

void cmd_rpop(struct cmd_ctx *c)
{
	pop(c, LIST_TAIL);
}

void cmd_llen(struct cmd_ctx *c)
{
	bool wrong;
	const struct object *o = list_cmd_read(c, c->argv[1], &wrong);

	if (!wrong)
		reply_int(c->out, o == NULL ? 0 : (int64_t)list_len(o));
}

/* Negative ones count from the tail. false: beyond either end. */
static bool index_in(const struct object *o, int64_t index, uint64_t *at)
{
	int64_t len = (int64_t)list_len(o);

	*at = (uint64_t)(index < 0 ? index + len : index);
	return index < len && index >= -len;
}

void cmd_lindex(struct cmd_ctx *c)
{
	bool wrong;
	const struct object *o = list_cmd_read(c, c->argv[1], &wrong);
	struct list_iter it;
	int64_t index;
	uint64_t at;

	if (wrong)
		return;
	if (o == NULL) {
		reply_null(c->out);
		return;
	}
	if (!cmd_arg_i64(c, 2, &index))
		return;
	if (!index_in(o, index, &at)) {
		reply_null(c->out);
		return;
	}
	list_seek(o, at, false, &it);
	list_cmd_reply(c, &it);
}

/* The place for v is not there. Redis chose the form for it all the same. false: out of memory, the error is written.
 */
static bool will_add(struct cmd_ctx *c, struct object *o, struct slice v)
{
	struct list_ref r = {.s = cmd_store(c, c->argv[1]),
			     .db = c->db,
			     .key = c->argv[1],
			     .o = o,
			     .limit = c->env->conf->types.list_max_listpack_size};

	if (list_will_add(&r, v))
		return true;
	cmd_err_oom(c);
	return false;
}

void cmd_lset(struct cmd_ctx *c)
{
	bool wrong;
	struct object *o = list_cmd_peek(c, c->argv[1], &wrong);
	struct list_iter it;
	int64_t index;
	uint64_t at;

	if (wrong)
		return;
	if (o == NULL) {
		cmd_err_no_key(c);
		return;
	}
	if (!cmd_arg_i64(c, 2, &index))
		return;
	if (!index_in(o, index, &at)) {
		if (will_add(c, o, c->argv[3]))
			reply_error(c->out, "ERR index out of range");
		return;
	}
	struct list_ref r = list_cmd_ref(c, c->argv[1], o);
	list_seek(r.o, at, false, &it);
	if (!list_set(&r, &it, c->argv[3])) {
		cmd_err_oom(c);
		return;
	}
	list_did_shrink(&r);
	store_event(r.s, EVENT_LIST, "lset", c->db, r.key);
	c->dirty++;
	reply_ok(c->out);
}

/* Where the first element equal to argument i stands. */
static bool find_equal(struct cmd_ctx *c, const struct object *o, uint32_t i, struct list_iter *it)
{
	struct lp_key k = lp_key_of(c->argv[i]);

	for (list_seek(o, 0, false, it); !it->end; list_next(it))
		if (list_eq(it, &k))
			return true;
	return false;
}

void cmd_linsert(struct cmd_ctx *c)
{
	bool wrong, after = cmd_arg_is(c, 2, "after");
	struct list_iter it;

	if (!after && !cmd_arg_is(c, 2, "before")) {
		cmd_err_syntax(c);
		return;
	}
	struct object *o = list_cmd_peek(c, c->argv[1], &wrong);
	if (wrong)
		return;
	if (o == NULL) {
		reply_int(c->out, 0);
		return;
	}
	if (!find_equal(c, o, 3, &it)) {
		if (will_add(c, o, c->argv[4]))
			reply_int(c->out, -1);
		return;
	}
	struct list_ref r = list_cmd_ref(c, c->argv[1], o);
	if (!list_insert(&r, &it, after, c->argv[4])) {
		cmd_err_oom(c);
		return;
	}
	store_event(r.s, EVENT_LIST, "linsert", c->db, r.key);
	c->dirty++;
	reply_int(c->out, (int64_t)list_len(r.o));
}
