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

static void mset_effect(struct cmd_ctx *c, struct store *s, uint32_t i)
{
	string_effect_set(c, s, c->argv[i], c->argv[i + 1], STORE_NO_EXPIRE);
}

/* ---- all or nothing ------------------------------------------------------------------------------------------ */

#define FEW_PAIRS 32 /* no memory is asked for */

struct mset {
	struct store_puts puts;
	struct store_put few[FEW_PAIRS];
};

static bool mset_begin(struct cmd_ctx *c, struct mset *m)
{
	uint32_t pairs = c->argc / 2;

	m->puts = (struct store_puts){.db = c->db, .put = m->few};
	if (rp_likely(pairs <= FEW_PAIRS))
		return true;
	m->puts.put = heap_alloc(c->env->heap, pairs * sizeof *m->puts.put);
	if (m->puts.put != NULL)
		return true;
	cmd_err_oom(c);
	return false;
}

static void mset_end(struct cmd_ctx *c, struct mset *m)
{
	if (rp_unlikely(m->puts.put != m->few))
		heap_free(c->env->heap, m->puts.put);
}

/* The value of pair i is gone: nobody may look at its bytes later. */
static void value_gone(struct cmd_ctx *c, uint32_t i)
{
	if (rp_unlikely(c->argv[i + 1].len >= RESP_BIG_BULK))
		c->argv[i + 1] = SLICE("");
}

static bool mset_add(struct cmd_ctx *c, struct mset *m, struct store *s, uint32_t i)
{
	struct slice v = c->argv[i + 1];
	struct blob *b = NULL;

	if (is_replaced(c, i)) {
		store_puts_skip(&m->puts, s);
		return true;
	}
	if (rp_unlikely(v.len >= RESP_BIG_BULK) && c->req != NULL)
		b = resp_request_take_blob(c->req, i + 1);
	if (rp_likely(store_puts_add(&m->puts, s, c->argv[i], v, b)))
		return true;
	if (b != NULL) {
		blob_unref(b, c->env->heap);
		value_gone(c, i);
	}
	return false;
}

/* Everything that can fail. Otherwise the error is written and no key has changed. */
static bool mset_prepare(struct cmd_ctx *c, struct mset *m)
{
	struct cmd_ahead ahead;
	bool ok = true;

	cmd_ahead_begin(&ahead, c, 1, 2);
	for (uint32_t i = 1; i < c->argc && ok; i += 2)
		ok = mset_add(c, m, cmd_ahead_store(&ahead, c, i), i);
	cmd_ahead_end(&ahead, c);
	if (rp_likely(ok))
		return true;
	for (uint32_t k = 0; k < m->puts.n; k++)
		value_gone(c, 1 + 2 * k);
	store_puts_undo(&m->puts);
	cmd_err_oom(c);
	return false;
}

/* Of several shards each one's journal gets the keys that live there. */
static void mset_commit(struct cmd_ctx *c, struct mset *m)
{
	for (uint32_t k = 0; k < m->puts.n; k++) {
		uint32_t i = 1 + 2 * k;
		store_puts_commit(&m->puts, k);
		store_event(m->puts.put[k].s, EVENT_STRING, "set", c->db, c->argv[i]);
		if (c->env->nstores > 1)
			mset_effect(c, m->puts.put[k].s, i);
	}
	c->dirty += m->puts.n;
}

/* false: out of memory, and the error is written. */
static bool mset(struct cmd_ctx *c)
{
	struct mset m;

	if (!mset_begin(c, &m))
		return false;
	bool ok = mset_prepare(c, &m);
	if (rp_likely(ok))
		mset_commit(c, &m);
	mset_end(c, &m);
	return ok;
}

void cmd_mset(struct cmd_ctx *c)
{
	if (c->argc % 2 == 0)
		cmd_err_arity(c);
	else if (mset(c))
		reply_ok(c->out);
}

static bool any_exists(struct cmd_ctx *c)
{
	for (uint32_t i = 1; i < c->argc; i += 2)
		if (store_peek(cmd_store(c, c->argv[i]), c->db, c->argv[i]) != NULL)
			return true;
	return false;
}

void cmd_msetnx(struct cmd_ctx *c)
{
	if (c->argc % 2 == 0)
		cmd_err_arity(c);
	else if (any_exists(c))
		reply_int(c->out, 0);
	else if (mset(c))
		reply_int(c->out, 1);
}
