/* MULTI, DISCARD, WATCH, UNWATCH. */
#include "session/session_priv.h"
#include "session/tx.h"

static void op_multi(struct cmd_ctx *c)
{
	struct session *s = session_of(c->client);

	if (s->cl.tx != NULL && s->cl.tx->info.open) {
		reply_error(c->out, "ERR MULTI calls can not be nested");
		return;
	}
	struct tx *tx = tx_get(s);
	if (tx == NULL) {
		/* What follows is to be queued, and has been parsed as such. */
		s->host->count.killed_nomem++;
		session_kill(s, true);
		return;
	}
	tx->info.open = true;
	reply_ok(c->out);
}

static void op_discard(struct cmd_ctx *c)
{
	struct session *s = session_of(c->client);

	if (s->cl.tx == NULL || !s->cl.tx->info.open) {
		reply_error(c->out, "ERR DISCARD without MULTI");
		return;
	}
	tx_end(s);
	reply_ok(c->out);
}

/* false: out of memory. */
static bool watch_one(struct tx *tx, struct session_host *h, uint32_t db, struct slice key)
{
	uint32_t shard = cmd_shard_of(&h->env, key);
	struct store *st = h->env.stores[shard];

	if (watch_has(st, db, key, tx->watcher))
		return true;
	struct tx_watch *w = heap_alloc(tx->heap, sizeof *w + key.len);
	if (w == NULL)
		return false;
	if (!watch_add(st, db, key, tx->watcher)) {
		heap_free(tx->heap, w);
		return false;
	}
	*w = (struct tx_watch){.next = tx->watches, .db = db, .shard = shard, .len = (uint32_t)key.len};
	memcpy(w->key, key.ptr, key.len);
	tx->watches = w;
	tx->watched |= 1ull << shard;
	tx->info.bytes += sizeof *w + key.len;
	return true;
}

static struct tx *get_watching(struct session *s)
{
	struct tx *tx = tx_get(s);

	if (tx == NULL || tx->watcher != NULL)
		return tx;
	tx->watcher = watcher_create(tx->heap, WATCH_TX, (uint8_t)s->host->self);
	if (tx->watcher == NULL)
		return NULL;
	tx->watcher->client_id = s->cl.id;
	return tx;
}

static void op_watch(struct cmd_ctx *c)
{
	struct session *s = session_of(c->client);

	if (s->cl.tx != NULL && s->cl.tx->info.open) {
		reply_error(c->out, "ERR WATCH inside MULTI is not allowed");
		return;
	}
	struct tx *tx = get_watching(s);
	bool ok = tx != NULL;
	/* Once one has changed, the others do not matter. */
	for (uint32_t i = 1; ok && i < c->argc && !watcher_dirty(tx->watcher); i++)
		ok = watch_one(tx, s->host, c->db, c->argv[i]);
	if (ok)
		reply_ok(c->out);
	else
		cmd_err_oom(c);
}

static void op_unwatch(struct cmd_ctx *c)
{
	struct session *s = session_of(c->client);

	if (s->cl.tx != NULL && s->cl.tx->info.open)
		tx_unwatch(s->host, s->cl.tx); /* queued: EXEC has done so already */
	else
		tx_end(s);
	reply_ok(c->out);
}

static void op_reset(struct cmd_ctx *c)
{
	tx_end(session_of(c->client));
}

const struct tx_ops tx_ops = {
	.multi = op_multi,
	.exec = tx_op_exec,
	.discard = op_discard,
	.watch = op_watch,
	.unwatch = op_unwatch,
	.reset = op_reset,
};
