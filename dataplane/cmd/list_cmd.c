#include "cmd/list_cmd.h"

static struct object *expect_list(struct cmd_ctx *c, struct object *o, bool *wrong)
{
	*wrong = o != NULL && o->type != OBJ_LIST;
	if (rp_unlikely(*wrong)) {
		cmd_err_wrongtype(c);
		return NULL;
	}
	return o;
}

struct object *list_cmd_read(struct cmd_ctx *c, struct slice key, bool *wrong)
{
	return expect_list(c, cmd_read(c, key), wrong);
}

struct object *list_cmd_peek(struct cmd_ctx *c, struct slice key, bool *wrong)
{
	return expect_list(c, store_peek(cmd_store(c, key), c->db, key), wrong);
}

struct list_ref list_cmd_ref(struct cmd_ctx *c, struct slice key, struct object *o)
{
	struct store *s = cmd_store(c, key);

	return (struct list_ref){.s = s,
				 .db = c->db,
				 .key = key,
				 .o = o != NULL ? store_write(s, c->db, key) : NULL,
				 .limit = c->env->conf->types.list_max_listpack_size};
}

/* A value received into a blob of its own becomes the element without a copy, in the first of the values' arguments. */
static struct blob *take_value(void *ctx, uint32_t i)
{
	struct cmd_ctx *c = ctx;

	return c->req != NULL && c->argv[2 + i].len >= RESP_BIG_BULK ? resp_request_take_blob(c->req, 2 + i) : NULL;
}

struct list_values list_cmd_values(struct cmd_ctx *c, uint32_t from, uint32_t n)
{
	/* The journal needs the words of a request of which more than one shard or reader knows. */
	bool whole = from == 2 && !journal_on(store_journal(cmd_store(c, c->argv[1])));

	return (struct list_values){.v = c->argv + from, .n = n, .take = whole ? take_value : NULL, .ctx = c};
}

void list_cmd_forget(struct cmd_ctx *c, const struct list_values *v)
{
	for (uint32_t i = 0; i < v->n && v->take != NULL && c->req != NULL; i++)
		if (v->v[i].len >= RESP_BIG_BULK)
			c->argv[2 + i] = SLICE("");
}

bool list_cmd_end(struct cmd_ctx *c, uint32_t i, enum list_end *end)
{
	bool left = cmd_arg_is(c, i, "left");

	*end = left ? LIST_HEAD : LIST_TAIL;
	if (left || cmd_arg_is(c, i, "right"))
		return true;
	cmd_err_syntax(c);
	return false;
}

void list_cmd_reply(struct cmd_ctx *c, const struct list_iter *it)
{
	char buf[NUM_I64_CHARS];
	struct blob *large;
	struct slice v = list_get(it, buf, &large);

	if (rp_unlikely(large != NULL))
		reply_bulk_blob(c->out, large);
	else
		reply_bulk_slice(c->out, v);
}

void list_cmd_removed(struct cmd_ctx *c, struct list_ref *r, const char *event, uint64_t n)
{
	store_event(r->s, EVENT_LIST, event, c->db, r->key);
	if (list_len(r->o) == 0) {
		store_delete(r->s, c->db, r->key);
		store_event(r->s, EVENT_GENERIC, "del", c->db, r->key);
	} else {
		list_did_shrink(r);
	}
	c->dirty += (uint32_t)n;
}

bool list_cmd_pop_many(struct cmd_ctx *c, struct list_ref *r, enum list_end end, uint64_t n)
{
	uint64_t len = list_len(r->o);
	struct list_iter it;

	if (!list_prepare(r)) {
		cmd_err_oom(c);
		return false;
	}
	reply_array(c->out, n);
	list_seek(r->o, end == LIST_HEAD ? 0 : len - 1, end == LIST_TAIL, &it);
	for (uint64_t i = 0; i < n; i++) {
		list_cmd_reply(c, &it);
		if (i + 1 < n)
			list_next(&it);
	}
	list_remove(r, end == LIST_HEAD ? 0 : len - n, n);
	return true;
}
