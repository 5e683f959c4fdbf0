/* Hashes: fields in, fields out, and questions about them. */
#include "cmd/handlers.h"
#include "cmd/hash_cmd.h"

/* ---- setting ---- */

/* A single value that was received as a blob, and that only a table holds. */
static struct blob *take_value(struct cmd_ctx *c)
{
	if (rp_likely(c->argv[3].len < RESP_BIG_BULK) || c->argc != 4 || c->req == NULL ||
	    c->argv[3].len <= c->env->conf->types.hash_max_listpack_value)
		return NULL;
	return resp_request_take_blob(c->req, 3);
}

/* false: the error is written. */
static bool set_pairs(struct cmd_ctx *c, struct store *s, int64_t *added)
{
	struct hash_rules rules = hash_cmd_rules(c);
	uint32_t n = (c->argc - 2) / 2;
	bool wrong;

	if (rp_unlikely(c->argc % 2 != 0)) {
		cmd_err_arity(c);
		return false;
	}
	struct object *o = hash_cmd_settled(c, s, n, c->argv + 2, 2, &wrong);

	if (rp_unlikely(wrong))
		return false;
	rules.blob = take_value(c);
	*added = hash_set(s, c->db, c->argv[1], o, n, c->argv + 2, HASH_NO_TTL, &rules);
	if (rp_unlikely(rules.blob != NULL))
		blob_unref(rules.blob, c->env->heap);
	if (rp_unlikely(*added == HASH_NO_MEMORY)) {
		if (rules.blob != NULL)
			c->argv[3] = SLICE(""); /* its bytes are gone: nobody may look at them later */
		cmd_err_oom(c);
		return false;
	}
	store_event(s, EVENT_HASH, "hset", c->db, c->argv[1]);
	c->dirty += n;
	return true;
}

void cmd_hset(struct cmd_ctx *c)
{
	int64_t added;

	if (set_pairs(c, cmd_store(c, c->argv[1]), &added))
		reply_int(c->out, added);
}

void cmd_hmset(struct cmd_ctx *c)
{
	int64_t added;

	if (set_pairs(c, cmd_store(c, c->argv[1]), &added))
		reply_ok(c->out);
}

void cmd_hsetnx(struct cmd_ctx *c)
{
	struct store *s = cmd_store(c, c->argv[1]);
	struct hash_rules rules = hash_cmd_rules(c);
	struct hash_item it;
	bool wrong;
	struct object *o = hash_cmd_settled(c, s, 1, c->argv + 2, 1, &wrong);

	if (wrong)
		return;
	if (o != NULL && hash_get(o, c->argv[2], store_now_ms(s), &it)) {
		reply_int(c->out, 0);
		return;
	}
	if (hash_set(s, c->db, c->argv[1], o, 1, c->argv + 2, HASH_NO_TTL, &rules) == HASH_NO_MEMORY) {
		cmd_err_oom(c);
		return;
	}
	store_event(s, EVENT_HASH, "hset", c->db, c->argv[1]);
	c->dirty++;
	reply_int(c->out, 1);
}

void cmd_hdel(struct cmd_ctx *c)
{
	struct store *s = cmd_store(c, c->argv[1]);
	bool wrong, gone = false;
	struct object *o = hash_cmd_settled(c, s, c->argc - 2, c->argv + 2, 1, &wrong);
	int64_t removed = 0;

	if (wrong)
		return;
	if (o != NULL)
		removed = hash_remove(s, c->db, c->argv[1], o, c->argc - 2, c->argv + 2, &gone);
	if (removed == HASH_NO_MEMORY) {
		cmd_err_oom(c);
		return;
	}
	if (removed > 0)
		hash_removed_events(c, s, gone);
	c->dirty += (uint32_t)removed;
	reply_int(c->out, removed);
}

/* ---- reading ---- */

/* The field named by argument 2. false: not there; *wrong: the error is written. */
static bool get_field(struct cmd_ctx *c, struct hash_item *it, bool *wrong)
{
	const struct object *o = hash_cmd_read(c, c->argv[1], wrong);

	return o != NULL && hash_get(o, c->argv[2], hash_cmd_now(c), it);
}

void cmd_hget(struct cmd_ctx *c)
{
	struct hash_item it;
	bool wrong;

	if (get_field(c, &it, &wrong))
		hash_reply_value(c->out, &it);
	else if (!wrong)
		reply_null(c->out);
}

void cmd_hexists(struct cmd_ctx *c)
{
	struct hash_item it;
	bool wrong, found = get_field(c, &it, &wrong);

	if (!wrong)
		reply_int(c->out, found);
}

void cmd_hstrlen(struct cmd_ctx *c)
{
	struct hash_item it;
	bool wrong, found = get_field(c, &it, &wrong);

	if (!wrong)
		reply_int(c->out, found ? (int64_t)it.value.len : 0);
}

void cmd_hmget(struct cmd_ctx *c)
{
	struct hash_item it;
	bool wrong;
	const struct object *o = hash_cmd_read(c, c->argv[1], &wrong);
	int64_t now_ms = hash_cmd_now(c);

	if (wrong)
		return;
	reply_array(c->out, c->argc - 2);
	for (uint32_t i = 2; i < c->argc; i++)
		if (o != NULL && hash_get(o, c->argv[i], now_ms, &it))
			hash_reply_value(c->out, &it);
		else
			reply_null(c->out);
}

void cmd_hlen(struct cmd_ctx *c)
{
	bool wrong;
	const struct object *o = hash_cmd_read(c, c->argv[1], &wrong);

	if (!wrong)
		reply_int(c->out, o != NULL ? (int64_t)hash_count(o, hash_cmd_now(c)) : 0);
}

enum part {
	FIELDS = 1,
	VALUES = 2
};

static void reply_parts(struct cmd_ctx *c, uint32_t parts)
{
	struct hash_iter walk;
	struct hash_item it;
	bool wrong;
	const struct object *o = hash_cmd_read(c, c->argv[1], &wrong);
	int64_t now_ms = hash_cmd_now(c);

	if (wrong)
		return;
	uint64_t n = o != NULL ? hash_count(o, now_ms) : 0;

	if (parts == (FIELDS | VALUES))
		reply_map(c->out, n);
	else
		reply_array(c->out, n);
	if (o == NULL)
		return;
	hash_iter_begin(&walk, o, now_ms);
	while (hash_iter_next(&walk, &it)) {
		if (parts & FIELDS)
			reply_bulk_slice(c->out, it.field);
		if (parts & VALUES)
			hash_reply_value(c->out, &it);
	}
}

void cmd_hgetall(struct cmd_ctx *c)
{
	reply_parts(c, FIELDS | VALUES);
}

void cmd_hkeys(struct cmd_ctx *c)
{
	reply_parts(c, FIELDS);
}

void cmd_hvals(struct cmd_ctx *c)
{
	reply_parts(c, VALUES);
}
