/* A transaction's queue and watches. */
#include "session/tx.h"
#include "session/session_priv.h"

#define CHUNK_MIN 512
#define CHUNK_MAX (64 * 1024)

struct tx_chunk {
	struct tx_chunk *next;
	size_t cap, len;
	char data[];
};

struct tx *tx_get(struct session *s)
{
	if (s->cl.tx != NULL)
		return s->cl.tx;
	struct tx *tx = heap_alloc(s->host->heap, sizeof *tx);
	if (tx == NULL)
		return NULL;
	memset(tx, 0, offsetof(struct tx, first));
	tx->heap = s->host->heap;
	tx->cmd = tx->first;
	tx->cap = TX_FIRST;
	tx->info.bytes = sizeof *tx;
	return s->cl.tx = tx;
}

/* ---- queueing ---- */

static bool grow(struct tx *tx)
{
	uint32_t cap = tx->cap * 2;
	struct tx_cmd *more = heap_realloc(tx->heap, tx->cmd == tx->first ? NULL : tx->cmd, cap * sizeof *more);

	if (more == NULL)
		return false;
	if (tx->cmd == tx->first)
		memcpy(more, tx->first, sizeof tx->first);
	tx->cmd = more;
	tx->info.bytes += (cap - tx->cap) * sizeof *more;
	tx->cap = cap;
	return true;
}

void tx_refused(struct session *s)
{
	if (s->cl.tx != NULL && s->cl.tx->info.open)
		s->cl.tx->failed = true;
}

void tx_queue(struct session *s, struct batch_entry *e, struct reply *r)
{
	struct tx *tx = s->cl.tx;
	bool muted = r->muted;

	rp_assert(tx != NULL && tx->info.open);
	s->cl.last_cmd = e->cmd->id;
	/* One that cannot run any more is not remembered, but counted in. */
	if (tx->failed || (tx->watcher != NULL && watcher_dirty(tx->watcher))) {
		resp_request_free(&e->req, s->host->heap);
	} else if (tx->info.n == tx->cap && !grow(tx)) {
		resp_request_free(&e->req, s->host->heap);
		s->host->count.killed_nomem++;
		session_kill(s, true);
		return;
	} else {
		tx->cmd[tx->info.n++] = (struct tx_cmd){e->cmd, e->req, e->hinted, e->hash, e->hint};
		tx->shards |= e->lease;
		tx->flags |= tx_flags_of(e->cmd, &e->req);
		tx->lacks |= ~e->cmd->flags;
		tx->needs |= tx_needs(s->host, e->cmd);
	}
	r->muted = (s->cl.flags & (CLIENT_F_REPLY_OFF | CLIENT_F_SKIP_NEXT)) != 0;
	s->cl.flags &= ~CLIENT_F_SKIP_NEXT;
	reply_status(r, "QUEUED");
	r->muted = muted;
}

static char *chunk_room(struct tx *tx, size_t len)
{
	struct tx_chunk *c = tx->chunks;

	if (c == NULL || c->cap - c->len < len) {
		size_t want = c != NULL ? RP_MIN(c->cap * 2, (size_t)CHUNK_MAX) : CHUNK_MIN;
		struct tx_chunk *fresh = heap_alloc(tx->heap, sizeof *fresh + RP_MAX(want, len));
		if (fresh == NULL)
			return NULL;
		*fresh = (struct tx_chunk){.next = c, .cap = RP_MAX(want, len)};
		tx->chunks = c = fresh;
		tx->info.bytes += sizeof *fresh + fresh->cap;
	}
	char *room = c->data + c->len;
	c->len += (len + 15) & ~(size_t)15;
	c->len = RP_MIN(c->len, c->cap);
	return room;
}

/* Copies a request out of the receive buffers. One that owns memory already goes on owning it. */
static bool settle_one(struct tx *tx, struct resp_request *req)
{
	size_t words = 0;

	for (uint32_t i = 0; i < req->argc; i++)
		words += req->argv[i].len;
	if (req->owned != NULL) {
		tx->info.bytes += words + req->argc * sizeof *req->argv;
		return resp_request_own(req, tx->heap);
	}
	struct slice *argv = (struct slice *)(void *)chunk_room(tx, req->argc * sizeof *argv + words);
	if (argv == NULL)
		return false;
	char *to = (char *)(argv + req->argc);
	for (uint32_t i = 0; i < req->argc; i++) {
		memcpy(to, req->argv[i].ptr, req->argv[i].len);
		argv[i] = (struct slice){to, req->argv[i].len};
		to += req->argv[i].len;
	}
	req->argv = argv;
	return true;
}

bool tx_settle(struct session *s)
{
	struct tx *tx = s->cl.tx;

	for (; tx->loose < tx->info.n; tx->loose++) {
		tx->cmd[tx->loose].hinted = false;
		if (!settle_one(tx, &tx->cmd[tx->loose].req))
			return false;
	}
	return tx->info.bytes <= s->host->conf.query_buffer_bytes;
}

/* ---- the end ---- */

void tx_unwatch(struct session_host *h, struct tx *tx)
{
	if (tx->watcher == NULL)
		return;
	for (struct tx_watch *w = tx->watches, *next; w != NULL; w = next) {
		next = w->next;
		/* Shards that others hold drop the links when they meet them. */
		if ((int32_t)w->shard == h->own && !h->own_leased)
			watch_remove(h->env.stores[w->shard], w->db, (struct slice){w->key, w->len}, tx->watcher);
		tx->info.bytes -= sizeof *w + w->len;
		heap_free(tx->heap, w);
	}
	tx->watches = NULL;
	tx->watched = 0;
	watcher_give_up(tx->watcher, h->env.stores);
	tx->watcher = NULL;
}

void tx_free(struct session_host *h, struct tx *tx)
{
	tx_unwatch(h, tx);
	for (uint32_t i = 0; i < tx->info.n; i++)
		resp_request_free(&tx->cmd[i].req, tx->heap);
	for (struct tx_chunk *c = tx->chunks, *next; c != NULL; c = next) {
		next = c->next;
		heap_free(tx->heap, c);
	}
	if (tx->cmd != tx->first)
		heap_free(tx->heap, tx->cmd);
	heap_free(tx->heap, tx);
}

void tx_end(struct session *s)
{
	if (s->cl.tx == NULL)
		return;
	tx_free(s->host, s->cl.tx);
	s->cl.tx = NULL;
}

void tx_look(struct tx *tx)
{
	tx->info.dirty = tx->watcher != NULL && watcher_dirty(tx->watcher);
}
