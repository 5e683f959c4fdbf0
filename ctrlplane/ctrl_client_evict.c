/* maxmemory-clients: when all clients together hold more, those that hold the most are closed. Looked at ten times a
 * second; only while the setting is in force. */
#include "ctrlplane/ctrl_client.h"

#define PICKS     64          /* clients closed at one look, at most */
#define LIMIT_MIN (128 << 10) /* as in Redis: whoever set less could not take it back */

struct pick {
	size_t bytes;
	uint64_t id;
	uint32_t host, index; /* place in its host's pool */
};

struct look {
	struct session_host *h;
	uint32_t host, from, next;
	uint64_t total;
	struct pick pick[PICKS]; /* the largest, largest first */
	uint32_t npicks;
};

static void remember(struct look *k, const struct pick *p)
{
	uint32_t i = k->npicks < PICKS ? k->npicks++ : PICKS - 1;

	if (i == PICKS - 1 && k->pick[i].bytes >= p->bytes)
		return;
	for (; i > 0 && k->pick[i - 1].bytes < p->bytes; i--)
		k->pick[i] = k->pick[i - 1];
	k->pick[i] = *p;
}

/* On the session's own thread. */
static void look_at(void *ctx, struct session *s)
{
	struct look *k = ctx;
	struct client_held held;

	session_held(&s->cl, &held);
	struct pick p = {held.total, s->cl.id, k->host, pool_index(&k->h->sessions, s)};

	k->total += p.bytes;
	if (!(s->cl.flags & CLIENT_F_NO_EVICT) && !s->abort)
		remember(k, &p);
}

static void look_slice(struct session_host *h, struct look *k)
{
	k->h = h;
	k->next = host_visit(h, k->from, CLIENT_SLICE, look_at, k);
}

static void look_on_worker(void *owner, struct msg *m)
{
	look_slice(&((struct worker *)owner)->host, m->arg[0]);
}

static void look_on(struct ctrl *c, uint32_t host, struct look *k)
{
	k->host = host;
	k->next = 0;
	do {
		k->from = k->next;
		if (host < c->nworkers)
			ctrl_call_one(c, host, look_on_worker, k);
		else
			look_slice(&c->host, k);
	} while (k->next != 0);
}

/* ---- closing ---- */

struct closing {
	const struct pick *pick;
	bool done;
};

static void close_if_same(void *ctx, struct session *s)
{
	struct closing *k = ctx;

	if (s->cl.id != k->pick->id || s->abort)
		return;
	session_kill(s, true);
	k->done = true;
}

static void close_on_worker(void *owner, struct msg *m)
{
	struct closing *k = m->arg[0];

	host_visit(&((struct worker *)owner)->host, k->pick->index, 1, close_if_same, k);
}

static bool evict(struct ctrl *c, const struct pick *p)
{
	struct closing k = {p, false};

	if (p->host < c->nworkers)
		ctrl_call_one(c, p->host, close_on_worker, &k);
	else
		host_visit(&c->host, p->index, 1, close_if_same, &k);
	return k.done;
}

/* UINT64_MAX: all that they like. */
static uint64_t limit(const struct config *cf)
{
	uint64_t most = (uint64_t)cf->maxmemory_clients;

	if (cf->maxmemory_clients == 0 || (cf->maxmemory_clients < 0 && cf->maxmemory == 0))
		return UINT64_MAX;
	if (cf->maxmemory_clients < 0)
		most = cf->maxmemory / 100 * (uint64_t)-cf->maxmemory_clients;
	return RP_MAX(most, (uint64_t)LIMIT_MIN);
}

void ctrl_evict_clients(struct ctrl *c)
{
	uint64_t most = limit(&c->config);
	struct look k = {.total = 0};

	if (rp_likely(most == UINT64_MAX) || c->workers_gone)
		return;
	for (uint32_t i = 0; i <= c->nworkers; i++)
		look_on(c, i, &k);
	for (uint32_t i = 0; i < k.npicks && k.total > most; i++) {
		k.total -= k.pick[i].bytes;
		if (!evict(c, &k.pick[i]))
			continue;
		c->evicted_clients++;
		log_write(LOG_NOTICE,
			  "client %lu is closed: it held %zu bytes, all of them more than maxmemory-clients",
			  k.pick[i].id, k.pick[i].bytes);
	}
}
