/* See msg.h. */
#include "msg/msg.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* What one endpoint has queued for another and not pushed yet. Only `self` touches it. */
struct msg_out {
	uint32_t nreq, ncall, ndone;
	struct msg *req[MSG_OUT_BATCH];
	struct msg *call[MSG_OUT_BATCH];
	struct msg *done[MSG_OUT_BATCH];
};

struct msg_endpoint {
	uint32_t sleeping RP_CACHE_ALIGNED; /* the endpoint writes, senders read and clear */
	int event_fd;
	struct pool pool RP_CACHE_ALIGNED; /* its own messages; only it touches this */
	struct msg_out *out;               /* [endpoints] */
	uint64_t dirty[2];                 /* destinations with something in out */
	uint32_t call_turn;                /* whose calls are taken first next time */
};

struct msg_bus {
	uint32_t n; /* endpoints */
	struct msg_endpoint *ep;
	struct rte_ring **req;  /* [home * n + owner] */
	struct rte_ring **done; /* [owner * n + home] */
	struct rte_ring **call; /* [home * n + owner]: what must not wait behind commands for a shard */
};

static struct rte_ring *ring_create(void)
{
	ssize_t size = rte_ring_get_memsize(MSG_POOL_SIZE);
	struct rte_ring *r = aligned_alloc(RP_CACHE_LINE, RTE_ALIGN_CEIL((size_t)size, RP_CACHE_LINE));
	if (r != NULL && rte_ring_init(r, "msg", MSG_POOL_SIZE, RING_F_SP_ENQ | RING_F_SC_DEQ) != 0) {
		free(r);
		return NULL;
	}
	return r;
}

static bool endpoint_init(struct msg_bus *b, struct msg_endpoint *ep)
{
	ep->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ep->out = calloc(b->n, sizeof *ep->out);
	return ep->event_fd >= 0 && ep->out != NULL && pool_init(&ep->pool, sizeof(struct msg), MSG_POOL_SIZE - 1) == 0;
}

struct msg_bus *msg_bus_create(uint32_t nworkers, struct err *e)
{
	struct msg_bus *b = calloc(1, sizeof *b);
	if (b == NULL)
		goto nomem;
	b->n = nworkers + 2;
	b->ep = aligned_alloc(RP_CACHE_LINE, b->n * sizeof *b->ep);
	b->req = calloc((size_t)b->n * b->n, sizeof *b->req);
	b->done = calloc((size_t)b->n * b->n, sizeof *b->done);
	b->call = calloc((size_t)b->n * b->n, sizeof *b->call);
	if (b->ep == NULL || b->req == NULL || b->done == NULL || b->call == NULL)
		goto nomem;
	memset(b->ep, 0, b->n * sizeof *b->ep);
	for (uint32_t i = 0; i < b->n; i++)
		b->ep[i].event_fd = -1;
	for (uint32_t i = 0; i < b->n; i++)
		if (!endpoint_init(b, &b->ep[i]))
			goto nomem;
	for (uint32_t i = 0; i < b->n * b->n; i++) {
		b->req[i] = ring_create();
		b->done[i] = ring_create();
		b->call[i] = ring_create();
		if (b->req[i] == NULL || b->done[i] == NULL || b->call[i] == NULL)
			goto nomem;
	}
	return b;
nomem:
	msg_bus_destroy(b);
	err_set(e, "cannot set up the rings between %u workers: out of memory; use fewer workers or free memory",
		nworkers);
	return NULL;
}

void msg_bus_destroy(struct msg_bus *b)
{
	if (b == NULL)
		return;
	for (uint32_t i = 0; b->ep != NULL && i < b->n; i++) {
		if (b->ep[i].event_fd >= 0)
			close(b->ep[i].event_fd);
		free(b->ep[i].out);
		pool_fini(&b->ep[i].pool);
	}
	for (uint32_t i = 0; b->req != NULL && b->done != NULL && b->call != NULL && i < b->n * b->n; i++) {
		free(b->req[i]);
		free(b->done[i]);
		free(b->call[i]);
	}
	free(b->call);
	free(b->ep);
	free(b->req);
	free(b->done);
	free(b);
}

uint32_t msg_bus_control(const struct msg_bus *b)
{
	return b->n - 2;
}

uint32_t msg_bus_script(const struct msg_bus *b)
{
	return b->n - 1;
}

uint32_t msg_bus_endpoints(const struct msg_bus *b)
{
	return b->n;
}

struct msg *msg_get(struct msg_bus *b, uint32_t home)
{
	struct msg *m = pool_get(&b->ep[home].pool);
	if (rp_unlikely(m == NULL))
		return NULL;
	m->next = NULL;
	m->done = false;
	m->failed = false;
	m->deny_block = m->unless_writes = false;
	m->handed_back = false;
	m->held = 0;
	m->tx = NULL;
	m->back = NULL;
	m->track = NULL;
	m->slow = NULL;
	m->denied = NULL;
	m->block = NULL;
	m->home = (uint8_t)home;
	m->reply_head = m->reply_tail = NULL;
	m->after_head = m->after_tail = NULL;
	m->reply_bytes = m->after_bytes = 0;
	m->gate = m->after_gate = 0;
	return m;
}

void msg_put(struct msg_bus *b, struct msg *m)
{
	pool_put(&b->ep[m->home].pool, m);
}

uint32_t msg_in_use(const struct msg_bus *b, uint32_t home)
{
	return b->ep[home].pool.in_use;
}

static void mark_dirty(struct msg_endpoint *self, uint32_t to)
{
	self->dirty[to / 64] |= 1ull << to % 64;
}

static void push(struct rte_ring *r, struct msg **m, uint32_t n)
{
	unsigned pushed = rte_ring_sp_enqueue_bulk(r, (void **)m, n, NULL);
	/* A ring holds every message of the pool that feeds it, so it cannot be full. */
	rp_assert(pushed == n);
}

/* Answers before calls: what a call tells may be about what an answer says. */
static void push_done(struct msg_bus *b, uint32_t self, uint32_t to)
{
	struct msg_out *o = &b->ep[self].out[to];
	if (o->ndone > 0)
		push(b->done[self * b->n + to], o->done, o->ndone);
	o->ndone = 0;
}

/* And calls before requests: a request may ask for what a call told (SLOWLOG GET). */
static void push_calls(struct msg_bus *b, uint32_t self, uint32_t to)
{
	struct msg_out *o = &b->ep[self].out[to];

	if (o->ncall == 0)
		return;
	push_done(b, self, to);
	push(b->call[self * b->n + to], o->call, o->ncall);
	o->ncall = 0;
}

void msg_send(struct msg_bus *b, struct msg *m)
{
	struct msg_endpoint *self = &b->ep[m->home];
	struct msg_out *o = &self->out[m->owner];
	mark_dirty(self, m->owner);
	if (m->kind == MSG_CALL || m->kind == MSG_CALL_HOST || m->kind == MSG_CMD_FREE) {
		o->call[o->ncall++] = m;
		if (o->ncall == MSG_OUT_BATCH)
			push_calls(b, m->home, m->owner);
		return;
	}
	o->req[o->nreq++] = m;
	if (o->nreq == MSG_OUT_BATCH) {
		push_calls(b, m->home, m->owner);
		push(b->req[m->home * b->n + m->owner], o->req, o->nreq);
		o->nreq = 0;
	}
}

void msg_reply(struct msg_bus *b, struct msg *m)
{
	struct msg_endpoint *self = &b->ep[m->owner];
	struct msg_out *o = &self->out[m->home];
	o->done[o->ndone++] = m;
	mark_dirty(self, m->home);
	if (o->ndone == MSG_OUT_BATCH)
		push_done(b, m->owner, m->home);
}

static uint32_t flush_one(struct msg_bus *b, uint32_t self, uint32_t to)
{
	struct msg_out *o = &b->ep[self].out[to];
	uint32_t n = o->nreq + o->ncall + o->ndone;
	push_done(b, self, to);
	push_calls(b, self, to);
	if (o->nreq > 0)
		push(b->req[self * b->n + to], o->req, o->nreq);
	o->nreq = 0;
	msg_kick(b, to);
	return n;
}

uint32_t msg_flush(struct msg_bus *b, uint32_t self)
{
	struct msg_endpoint *ep = &b->ep[self];
	uint32_t n = 0;
	for (uint32_t i = 0; i < RP_ARRAY_LEN(ep->dirty); i++)
		for (; ep->dirty[i] != 0; ep->dirty[i] &= ep->dirty[i] - 1)
			n += flush_one(b, self, 64 * i + (uint32_t)__builtin_ctzll(ep->dirty[i]));
	return n;
}

uint32_t msg_take_requests(struct msg_bus *b, uint32_t self, uint32_t home, struct msg **out, uint32_t n)
{
	return rte_ring_sc_dequeue_burst(b->req[home * b->n + self], (void **)out, n, NULL);
}

uint32_t msg_requests(const struct msg_bus *b, uint32_t self, uint32_t home)
{
	uint32_t n = rte_ring_count(b->req[home * b->n + self]);

	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return n;
}

uint32_t msg_take_calls(struct msg_bus *b, uint32_t self, struct msg **out, uint32_t n)
{
	struct msg_endpoint *ep = &b->ep[self];
	uint32_t got = 0, home = ep->call_turn;
	for (uint32_t i = 0; i < b->n && got < n; i++) {
		got += rte_ring_sc_dequeue_burst(b->call[home * b->n + self], (void **)(out + got), n - got, NULL);
		home = home + 1 < b->n ? home + 1 : 0;
	}
	ep->call_turn = home;
	return got;
}

uint32_t msg_take_done(struct msg_bus *b, uint32_t self, struct msg **out, uint32_t n)
{
	uint32_t got = 0;
	for (uint32_t owner = 0; owner < b->n && got < n; owner++)
		got += rte_ring_sc_dequeue_burst(b->done[owner * b->n + self], (void **)(out + got), n - got, NULL);
	return got;
}

bool msg_pending(const struct msg_bus *b, uint32_t self, bool requests)
{
	for (uint32_t i = 0; i < b->n; i++)
		if ((requests && !rte_ring_empty(b->req[i * b->n + self])) ||
		    !rte_ring_empty(b->call[i * b->n + self]) || !rte_ring_empty(b->done[i * b->n + self]))
			return true;
	return false;
}

int msg_event_fd(const struct msg_bus *b, uint32_t self)
{
	return b->ep[self].event_fd;
}

/* Store of `sleeping`, then a look at the rings; the sender pushes, then looks at `sleeping`: with a full fence on both
 * sides at least one of the two sees the other. */
void msg_sleeping(struct msg_bus *b, uint32_t self)
{
	__atomic_store_n(&b->ep[self].sleeping, 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void msg_awake(struct msg_bus *b, uint32_t self)
{
	uint64_t drained;
	__atomic_store_n(&b->ep[self].sleeping, 0, __ATOMIC_RELAXED);
	while (read(b->ep[self].event_fd, &drained, sizeof drained) < 0 && errno == EINTR)
		;
}

void msg_kick(struct msg_bus *b, uint32_t to)
{
	uint64_t one = 1;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (rp_likely(__atomic_load_n(&b->ep[to].sleeping, __ATOMIC_RELAXED) == 0))
		return;
	if (__atomic_exchange_n(&b->ep[to].sleeping, 0, __ATOMIC_RELAXED) == 0)
		return; /* somebody else wakes it */
	while (write(b->ep[to].event_fd, &one, sizeof one) < 0 && errno == EINTR)
		;
}
