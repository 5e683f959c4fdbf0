#include "peer.h"
#include "tests/eal.h"

#define IP_BYTES 20

static struct rte_mempool *pool;

void peer_eal(const char *name)
{
	rp_assert(test_eal(name, "64") == 0);
	pool = rte_pktmbuf_pool_create("peer", 511, 0, BUF_PRIV_BYTES, BUF_DATA_BYTES, SOCKET_ID_ANY);
	rp_assert(pool != NULL);
}

static bool on_accepted(void *ctx, struct tcp_conn *c)
{
	struct peer *p = ctx;

	p->c = c;
	p->accepted++;
	return !p->refuse;
}

static void on_connected(void *ctx, struct tcp_conn *c)
{
	((struct peer *)ctx)->connected++;
}

static void on_received(void *ctx, struct tcp_conn *c, void *user, struct rte_mbuf *m)
{
	struct peer *p = ctx;

	rp_assert(p->ngot + m->data_len <= sizeof(p->got));
	memcpy(p->got + p->ngot, rte_pktmbuf_mtod(m, void *), m->data_len);
	p->ngot += m->data_len;
	if (p->consume)
		tcp_rx_consumed(c, m->data_len);
	rte_pktmbuf_free(m);
}

static void on_peer_closed(void *ctx, struct tcp_conn *c, void *user)
{
	((struct peer *)ctx)->peer_closed++;
}

static void on_send_ready(void *ctx, struct tcp_conn *c, void *user)
{
	((struct peer *)ctx)->send_ready++;
}

static void on_closed(void *ctx, struct tcp_conn *c, void *user, enum tcp_close_reason why)
{
	struct peer *p = ctx;

	p->closed++;
	p->why = why;
}

static int path_init(void *ctx, struct net_path *path, const struct net_addr *local, const struct net_addr *remote)
{
	*path = (struct net_path){.local = *local, .remote = *remote, .mtu = 1500};
	return 0;
}

static void output(void *ctx, struct net_path *path, struct rte_mbuf *m, uint8_t tcp_len)
{
	struct peer *p = ctx;
	const struct rte_tcp_hdr *h = rte_pktmbuf_mtod(m, const struct rte_tcp_hdr *);
	struct peer_seg *s = &p->seg[p->nsegs++];

	rp_assert(p->nsegs < RP_ARRAY_LEN(p->seg));
	s->flags = h->tcp_flags;
	s->seq = rte_be_to_cpu_32(h->sent_seq);
	s->ack = rte_be_to_cpu_32(h->recv_ack);
	s->wnd = rte_be_to_cpu_16(h->rx_win);
	s->len = m->pkt_len - tcp_len;
	rp_assert(tcp_opts_parse((const uint8_t *)(h + 1), tcp_len - sizeof(*h), &s->opts));
	s->tso = m->tso_segsz;
	s->bufs = m->nb_segs;
	s->soft = path->tx_soft;
	uint32_t n = RP_MIN(s->len, (uint32_t)sizeof(s->data));
	const void *at = rte_pktmbuf_read(m, tcp_len, n, s->data);
	if (at != s->data)
		memcpy(s->data, at, n);
	rte_pktmbuf_prepend(m, 34); /* as net/ does */
	if (p->hold)
		p->held[p->nheld++] = m;
	else
		rte_pktmbuf_free(m);
}

static void confirm(void *ctx, struct net_path *path)
{
}

static bool tx_verdict(void *ctx, uint8_t family, bool train, bool arrived)
{
	struct peer *p = ctx;

	if (train)
		*(arrived ? &p->said_right : &p->said_wrong) += 1;
	return p->said_wrong < 2;
}

static int local_for(void *ctx, const struct net_addr *remote, struct net_addr *local)
{
	*local = (struct net_addr){.family = 4, .v4 = rte_cpu_to_be_32(0x0a000001)};
	return 0;
}

void peer_params(struct peer *p)
{
	memset(p, 0, sizeof(*p));
	p->pool = pool;
	p->consume = true;
	p->now.mono_us = 1000000000;
	p->p = (struct tcp_params){
		.ops = {.ctx = p,
			.accepted = on_accepted,
			.connected = on_connected,
			.received = on_received,
			.peer_closed = on_peer_closed,
			.send_ready = on_send_ready,
			.closed = on_closed},
		.lower = {.ctx = p,
			  .path_init = path_init,
			  .output = output,
			  .confirm = confirm,
			  .local_for = local_for,
			  .tx_sums = true,
			  .tx_verdict = tx_verdict},
		.pool = pool,
		.max_conns = 8,
		.max_syn = 4,
		.max_time_wait = 4,
		.rcv_buf = 64000,
		.snd_buf = 64000,
		.user_timeout_ms = 20000,
		.seed = 7,
	};
}

void peer_start(struct peer *p)
{
	struct err e;

	p->t = tcp_create(&p->p, &e);
	rp_assert(p->t != NULL);
	tcp_set_now(p->t, &p->now);
	assert_int_equal(tcp_listen(p->t, &(struct net_addr){0}, LOCAL_PORT), 0);
}

void peer_release_held(struct peer *p)
{
	while (p->nheld > 0)
		rte_pktmbuf_free(p->held[--p->nheld]);
}

void peer_stop(struct peer *p)
{
	tcp_destroy(p->t);
	peer_release_held(p);
	assert_int_equal(rte_mempool_avail_count(p->pool), p->pool->size);
}

void peer_advance(struct peer *p, uint64_t us)
{
	uint64_t until = p->now.mono_us + us;

	tcp_poll_output(p->t);
	while (p->now.mono_us < until) {
		p->now.mono_us = RP_MIN(until, RP_MAX(tcp_next_timer_us(p->t), p->now.mono_us + 1));
		tcp_set_now(p->t, &p->now);
		tcp_poll_timers(p->t);
		tcp_poll_output(p->t);
	}
}

static void put_headers(struct rte_mbuf *m, uint16_t port, uint8_t flags, uint32_t seq, uint32_t ack, uint16_t wnd,
			const struct tcp_opts *o)
{
	uint8_t *ip = (uint8_t *)rte_pktmbuf_append(m, IP_BYTES);
	struct rte_tcp_hdr *h = (struct rte_tcp_hdr *)rte_pktmbuf_append(m, sizeof(*h));
	uint8_t opts[TCP_OPT_MAX];
	uint32_t olen = 0;

	memset(ip, 0, IP_BYTES);
	ip[0] = 0x45;
	memcpy(ip + 12, (uint8_t[]){10, 0, 0, 2, 10, 0, 0, 1}, 8);
	if (o != NULL)
		olen = tcp_opts_emit_syn(opts, o);
	*h = (struct rte_tcp_hdr){
		.src_port = rte_cpu_to_be_16(port),
		.dst_port = rte_cpu_to_be_16(LOCAL_PORT),
		.sent_seq = rte_cpu_to_be_32(seq),
		.recv_ack = rte_cpu_to_be_32(ack),
		.data_off = (uint8_t)((sizeof(*h) + olen) / 4 << 4),
		.tcp_flags = flags,
		.rx_win = rte_cpu_to_be_16(wnd),
	};
	if (olen > 0)
		memcpy(rte_pktmbuf_append(m, (uint16_t)olen), opts, olen);
}

void peer_inject_from(struct peer *p, uint16_t port, uint8_t flags, uint32_t seq, uint32_t ack, uint16_t wnd,
		      const struct tcp_opts *o, const void *data, uint32_t len)
{
	struct rte_mbuf *m = buf_alloc(p->pool);

	assert_non_null(m);
	put_headers(m, port, flags, seq, ack, wnd, o);
	if (len > 0)
		memcpy(rte_pktmbuf_append(m, (uint16_t)len), data, len);
	rte_pktmbuf_adj(m, IP_BYTES);
	m->l3_len = IP_BYTES;
	tcp_input_burst(p->t, &m, 1);
}

void peer_inject(struct peer *p, uint8_t flags, uint32_t seq, uint32_t ack, const void *data, uint32_t len)
{
	peer_inject_from(p, PEER_PORT, flags, seq, ack, 60000, NULL, data, len);
	tcp_poll_output(p->t);
}

void peer_inject_wnd(struct peer *p, uint8_t flags, uint32_t seq, uint32_t ack, uint16_t wnd)
{
	peer_inject_from(p, PEER_PORT, flags, seq, ack, wnd, NULL, NULL, 0);
	tcp_poll_output(p->t);
}

struct peer_seg *peer_next(struct peer *p)
{
	return p->taken < p->nsegs ? &p->seg[p->taken++] : NULL;
}

struct peer_seg *peer_expect(struct peer *p, uint8_t flags)
{
	struct peer_seg *s = peer_next(p);

	assert_non_null(s);
	assert_int_equal(s->flags & ~PSH, flags);
	return s;
}

void peer_expect_silence(struct peer *p)
{
	assert_int_equal(p->nsegs - p->taken, 0);
}

uint32_t peer_establish(struct peer *p)
{
	peer_inject_from(p, PEER_PORT, SYN, PEER_ISN, 0, 60000, &(struct tcp_opts){.has = TCP_OPT_HAS_MSS, .mss = 1460},
			 NULL, 0);
	uint32_t isn = peer_expect(p, SYN | ACK)->seq;
	peer_inject(p, ACK, PEER_ISN + 1, isn + 1, NULL, 0);
	assert_int_equal(p->accepted, 1);
	assert_string_equal(tcp_state_name(p->c), "ESTAB");
	return isn;
}

void peer_send(struct peer *p, const void *data, uint32_t len)
{
	struct rte_mbuf *m = buf_alloc(p->pool);

	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), data, len);
	tcp_send(p->c, m);
}
