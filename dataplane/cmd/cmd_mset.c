/* MGET, MSET, MSETNX: each key in its own shard; the caller holds all of them. */
#include "cmd/cmd_ahead.h"
#include "cmd/handlers.h"
#include "cmd/string_priv.h"

void cmd_mget(struct cmd_ctx *c)
{
	struct cmd_ahead ahead;
	cmd_ahead_begin(&ahead, c, 1, 1);
	reply_array(c->out, c->argc - 1);
	for (uint32_t i = 1; i < c->argc; i++) {
		cmd_ahead_store(&ahead, c, i);
		const struct object *o = cmd_read(c, c->argv[i]);
		if (o != NULL && o->type == OBJ_STRING)
			string_reply(c->out, o);
		else
			reply_null(c->out);
	}
	cmd_ahead_end(&ahead, c);
}

/* A big value that a later pair replaces is left where it is: taken over and replaced, its bytes would be gone before
 * the command's words are journalled. */
static bool is_replaced(const struct cmd_ctx *c, uint32_t i)
{
	if (rp_likely(c->argv[i + 1].len < RESP_BIG_BULK))
		return false;
	for (uint32_t k = i + 2; k < c->argc; k += 2)
		if (slice_eq(c->argv[k], c->argv[i]))
			return true;
	return false;
}

static bool mset_put(struct cmd_ctx *c, struct store *s, uint32_t i)
{
	return is_replaced(c, i) || string_put(c, s, c->argv[i], i + 1, STORE_NO_EXPIRE);
}

static void mset_effect(struct cmd_ctx *c, uint32_t i)
{
	string_effect_set(c, cmd_store(c, c->argv[i]), c->argv[i], c->argv[i + 1], STORE_NO_EXPIRE);
}

/* Of several shards each one's journal gets the keys that live there. */
static void mset_done(struct cmd_ctx *c, struct store *s, uint32_t i)
{
	store_event(s, EVENT_STRING, "set", c->db, c->argv[i]);
	if (c->env->nstores > 1)
		mset_effect(c, i);
	c->dirty++;
}

/* Out of memory at pair `end`: the pairs before it are set, and the journal must not say more. */
static void mset_stopped(struct cmd_ctx *c, uint32_t end)
{
	if (c->env->nstores > 1)
		return;
	for (uint32_t i = 1; i < end; i += 2)
		mset_effect(c, i);
}

void cmd_mset(struct cmd_ctx *c)
{
	if (c->argc % 2 == 0) {
		cmd_err_arity(c);
		return;
	}
	struct cmd_ahead ahead;
	cmd_ahead_begin(&ahead, c, 1, 2);
	for (uint32_t i = 1; i < c->argc; i += 2) {
		struct store *s = cmd_ahead_store(&ahead, c, i);
		if (!mset_put(c, s, i)) {
			cmd_ahead_end(&ahead, c);
			mset_stopped(c, i);
			return;
		}
		mset_done(c, s, i);
	}
	cmd_ahead_end(&ahead, c);
	reply_ok(c->out);
}

static bool any_exists(struct cmd_ctx *c)
{
	for (uint32_t i = 1; i < c->argc; i += 2)
		if (store_peek(cmd_store(c, c->argv[i]), c->db, c->argv[i]) != NULL)
			return true;
	return false;
}

/* All or nothing: no key before pair `end` was there, and values that were taken over go with theirs. */
static void msetnx_undo(struct cmd_ctx *c, uint32_t end)
{
	for (uint32_t i = 1; i < end; i += 2) {
		store_delete(cmd_store(c, c->argv[i]), c->db, c->argv[i]);
		c->argv[i + 1] = SLICE("");
	}
}

void cmd_msetnx(struct cmd_ctx *c)
{
	if (c->argc % 2 == 0) {
		cmd_err_arity(c);
		return;
	}
	if (any_exists(c)) {
		reply_int(c->out, 0);
		return;
	}
	struct cmd_ahead ahead;
	cmd_ahead_begin(&ahead, c, 1, 2);
	for (uint32_t i = 1; i < c->argc; i += 2) {
		if (mset_put(c, cmd_ahead_store(&ahead, c, i), i))
			continue;
		cmd_ahead_end(&ahead, c);
		msetnx_undo(c, i);
		return;
	}
	cmd_ahead_end(&ahead, c);
	for (uint32_t i = 1; i < c->argc; i += 2)
		mset_done(c, cmd_store(c, c->argv[i]), i);
	reply_int(c->out, 1);
}
