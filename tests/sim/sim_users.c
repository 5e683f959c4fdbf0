/* Who uses the connections: sends a stream that says of each byte where it belongs, reads when it likes, closes when
 * all is sent. */
#include "sim.h"

uint8_t sim_stream_byte(uint32_t pair, int from, uint64_t off)
{
	uint64_t x = (off / 8 + 1) * 0x9e3779b97f4a7c15ULL + pair * 77u + (unsigned)from * 1313u;
	x ^= x >> 29;
	return (uint8_t)(x >> (off % 8 * 8));
}

/* ---- callbacks ---- */

static void opened(struct sim *s, struct side *d, struct tcp_conn *c)
{
	if (d->opened)
		sim_fail(s, "a connection was opened twice");
	d->opened = true;
	law_cwnd_begin(&d->law, c, &s->tally[d->end], d->syns - 1);
}

static bool on_accepted(void *ctx, struct tcp_conn *c)
{
	struct sim *s = ctx;
	struct net_addr l, r;
	uint16_t lport, rport;

	if (s->refuse)
		return false;
	tcp_conn_addrs(c, &l, &lport, &r, &rport);
	struct side *d = &s->pair[rport - SIM_CLIENT_PORT].side[1];
	d->c = c;
	d->syns = 1; /* whether it was the timer or the peer that made us repeat it is not seen from here */
	tcp_set_user(c, d);
	opened(s, d, c);
	return true;
}

static void on_connected(void *ctx, struct tcp_conn *c)
{
	opened(ctx, tcp_user(c), c);
}

static void on_received(void *ctx, struct tcp_conn *c, void *user, struct rte_mbuf *m)
{
	struct side *d = user;
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);

	if (d->peer_closed || m->nb_segs != 1 || m->data_len == 0)
		sim_fail(ctx, "data after FIN, or a wrong buffer");
	for (uint32_t i = 0; i < m->data_len; i++) {
		if (p[i] != sim_stream_byte(d->pair->id, !d->end, d->received + i)) {
			sim_fail(ctx, "wrong bytes");
			break;
		}
	}
	d->received += m->data_len;
	d->held += m->data_len;
	if (d->held > ((struct sim *)ctx)->p[d->end].rcv_buf)
		sim_fail(ctx, "more delivered than the receive buffer");
	rte_pktmbuf_free(m);
}

static void on_peer_closed(void *ctx, struct tcp_conn *c, void *user)
{
	struct side *d = user;

	if (d->peer_closed || d->received != d->expect)
		sim_fail(ctx, "FIN twice or before its data");
	d->peer_closed = true;
}

static void on_send_ready(void *ctx, struct tcp_conn *c, void *user)
{
}

static void on_closed(void *ctx, struct tcp_conn *c, void *user, enum tcp_close_reason why)
{
	struct side *d = user;

	if (d->closed)
		sim_fail(ctx, "closed twice");
	d->closed = true;
	d->why = why;
	d->c = NULL;
}

void sim_ops(struct sim *s, struct tcp_ops *ops)
{
	*ops = (struct tcp_ops){
		.ctx = s,
		.accepted = on_accepted,
		.connected = on_connected,
		.received = on_received,
		.peer_closed = on_peer_closed,
		.send_ready = on_send_ready,
		.closed = on_closed,
	};
}

void sim_open_all(struct sim *s)
{
	int err;

	rp_assert(tcp_listen(s->w.end[1].t, &(struct net_addr){0}, SIM_PORT) == 0);
	for (uint32_t i = 0; i < s->pairs; i++) {
		struct pair *p = &s->pair[i];
		p->id = i;
		for (int e = 0; e < 2; e++) {
			p->side[e].pair = p;
			p->side[e].end = e;
		}
		p->side[0].c = tcp_connect(s->w.end[0].t, &s->w.end[1].addr, SIM_PORT, (uint16_t)(SIM_CLIENT_PORT + i),
					   &p->side[0], &err);
		rp_assert(p->side[0].c != NULL);
	}
}

/* ---- sending and reading ---- */

/* What may be sent before the next pause, or all. */
static uint64_t sendable(const struct sim *s, const struct side *d)
{
	if (d->pause_us == 0)
		return d->to_send;
	if (d->paused_until == 0)
		return d->pause_at;
	return s->w.now.mono_us < d->paused_until ? d->sent : d->to_send;
}

/* A large value: what can be sent without copying it. The queue alone keeps it afterwards. */
static bool send_value(struct sim *s, struct side *d, uint64_t upto)
{
	size_t some = 1 + (size_t)rng_below(&s->rng, 100000), len = RP_MIN(some, (size_t)(upto - d->sent));
	struct blob *b = blob_create(s->world->values, len);

	for (size_t i = 0; i < len; i++)
		b->data[i] = (char)sim_stream_byte(d->pair->id, d->end, d->sent + i);
	uint32_t n = tcp_send_blob(d->c, b, 0, len);
	d->sent += n;
	blob_unref(b, s->world->values);
	return n > 0;
}

static void send_some(struct sim *s, struct side *d)
{
	bool attach = s->p[d->end].lower.ext_bufs;
	uint64_t upto = sendable(s, d);

	while (attach && d->sent < upto && rng_below(&s->rng, 4) != 0)
		attach = send_value(s, d, upto);
	while (d->sent < upto && tcp_send_room(d->c) > 0) {
		struct rte_mbuf *m = buf_alloc(s->world->tx[d->end]);
		if (m == NULL)
			return;
		uint32_t len = 1 + (uint32_t)rng_below(&s->rng, s->chunk_max);
		len = (uint32_t)RP_MIN((uint64_t)len, upto - d->sent);
		uint8_t *to = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)len);
		for (uint32_t i = 0; i < len; i++)
			to[i] = sim_stream_byte(d->pair->id, d->end, d->sent + i);
		d->sent += len;
		tcp_send(d->c, m);
	}
	if (d->pause_us != 0 && d->paused_until == 0 && d->sent >= d->pause_at) {
		d->paused_until = s->w.now.mono_us + d->pause_us;
		s->pauses++;
	}
}

static void read_some(struct sim *s, struct side *d)
{
	if (d->held == 0 || rng_below(&s->rng, 1000000) >= s->read_ppm)
		return;
	uint32_t n = 1 + (uint32_t)rng_below(&s->rng, d->held);
	tcp_rx_consumed(d->c, n);
	d->held -= n;
}

static bool aborts(struct sim *s, struct side *d)
{
	if (d->abort_at == 0 || d->sent + d->received + 1 < d->abort_at)
		return false;
	d->pair->bad_us = s->w.now.mono_us;
	tcp_abort(d->c);
	return true;
}

static bool is_paused(const struct sim *s, const struct side *d)
{
	return d->paused_until > s->w.now.mono_us;
}

static void side_work(struct sim *s, struct side *d)
{
	if (d->c == NULL)
		return;
	send_some(s, d);
	read_some(s, d);
	if (aborts(s, d))
		return;
	if (d->sent == d->to_send && !d->close_called && !s->linger && !is_paused(s, d)) {
		d->close_called = true;
		tcp_close(d->c);
	}
}

bool sim_all_paused(const struct sim *s)
{
	bool paused = false, any = false;

	for (uint32_t i = 0; i < 2 * s->pairs; i++) {
		const struct side *d = &s->pair[i / 2].side[i % 2];
		if (d->c != NULL && (d->held > 0 || !(is_paused(s, d) || d->close_called)))
			return false;
		paused |= is_paused(s, d);
		any |= d->c != NULL;
	}
	return paused || !any;
}

/* ---- buffers ---- */

static struct rte_mempool *pool_of(const struct sim_world *w, int i)
{
	return i < 2 ? w->tx[i] : w->rx[i - 2];
}

static void give_back(struct sim_world *w, int i)
{
	rte_mempool_put_bulk(pool_of(w, i), w->hog[i], w->hogged[i]);
	w->hogged[i] = 0;
}

void sim_release(struct sim_world *w)
{
	for (int i = 0; i < SIM_POOLS; i++)
		give_back(w, i);
}

/* Somebody else takes nearly all buffers for sending or for receiving, and gives them back some time later. */
static void starve(struct sim *s)
{
	struct sim_world *w = s->world;
	int i = (int)rng_below(&s->rng, SIM_POOLS);
	uint32_t avail = rte_mempool_avail_count(pool_of(w, i));

	if (w->hogged[i] > 0 && rng_below(&s->rng, 8) == 0) {
		give_back(w, i);
	} else if (w->hogged[i] == 0 && rng_below(&s->rng, 32) == 0) {
		uint32_t n = avail - (uint32_t)rng_below(&s->rng, RP_MIN(avail, 4u) + 1);
		if (n > 0 && rte_mempool_get_bulk(pool_of(w, i), w->hog[i], n) == 0)
			w->hogged[i] = n;
	}
}

void sim_work(void *ctx)
{
	struct sim *s = ctx;

	if (s->starve)
		starve(s);
	for (uint32_t i = 0; i < 2 * s->pairs; i++)
		side_work(s, &s->pair[i / 2].side[i % 2]);
}
