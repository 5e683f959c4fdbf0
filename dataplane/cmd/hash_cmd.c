#include "cmd/hash_cmd.h"

static struct object *expect_hash(struct cmd_ctx *c, struct object *o, bool *wrong)
{
	*wrong = o != NULL && o->type != OBJ_HASH;
	if (rp_unlikely(*wrong)) {
		cmd_err_wrongtype(c);
		return NULL;
	}
	return o;
}

struct object *hash_cmd_read(struct cmd_ctx *c, struct slice key, bool *wrong)
{
	return expect_hash(c, cmd_read(c, key), wrong);
}

struct object *hash_cmd_peek(struct cmd_ctx *c, struct store *s, struct slice key, bool *wrong)
{
	return expect_hash(c, store_peek(s, c->db, key), wrong);
}

struct object *hash_cmd_settled(struct cmd_ctx *c, struct store *s, uint32_t n, const struct slice *fields,
				uint32_t step, bool *wrong)
{
	struct object *o = hash_cmd_peek(c, s, c->argv[1], wrong);

	hash_settle(s, c->db, o, n, fields, step);
	return o;
}

struct hash_rules hash_cmd_rules(const struct cmd_ctx *c)
{
	return (struct hash_rules){.limits = &c->env->conf->types, .seed = rng_next(c->rng)};
}

int64_t hash_cmd_now(const struct cmd_ctx *c)
{
	return store_now_ms(cmd_store(c, c->argv[1]));
}

void hash_reply_value(struct reply *out, const struct hash_item *it)
{
	if (rp_unlikely(it->blob != NULL))
		reply_bulk_blob(out, it->blob);
	else
		reply_bulk_slice(out, it->value);
}

void hash_removed_events(struct cmd_ctx *c, struct store *s, bool gone)
{
	store_event(s, EVENT_HASH, "hdel", c->db, c->argv[1]);
	if (gone)
		store_event(s, EVENT_GENERIC, "del", c->db, c->argv[1]);
}
