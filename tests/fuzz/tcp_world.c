#include "tcp_world.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "../sim/laws.h"

#define STEPS_MAX 256
#define QUIET_US  (300ULL * 1000000)

/* Bits of the configuration. */
enum {
	CFG_TIMESTAMPS = 1 << 0,
	CFG_WSCALE = 1 << 1,
	CFG_NO_SACK = 1 << 2,
	CFG_NEWRENO = 1 << 3,
	CFG_ECN_ON = 1 << 4,
	CFG_NO_COOKIES = 1 << 5,
	CFG_VLAN = 1 << 6,
	CFG_TX_CSUM = 1 << 7,
	CFG_SHARED = 1 << 8,
	CFG_KEEPALIVE = 1 << 9,
	CFG_SMALL_MTU = 1 << 10,
	CFG_BIG_BUFFERS = 1 << 11,
	CFG_FRAGMENTS = 1 << 12,
	CFG_TRAINS = 1 << 13, /* the device cuts trains into segments */
	CFG_EXT_BUFS = 1 << 14,
};

static uint8_t stream_byte(uint32_t seq, uint32_t salt)
{
	uint32_t x = (seq ^ salt) * 0x9e3779b1u;
	return (uint8_t)(x >> 24 ^ x >> 11);
}

uint8_t tw_rx_byte(uint32_t seq)
{
	return stream_byte(seq, 0x5bd1e995);
}

static uint8_t tx_byte(uint32_t seq)
{
	return stream_byte(seq, 0);
}

/* ---- the user ---- */

static struct tw_user *user_new(struct tcp_world *w)
{
	for (uint32_t i = 0; i < TW_USERS; i++) {
		if (w->user[i].c == NULL) {
			w->user[i] = (struct tw_user){0};
			return &w->user[i];
		}
	}
	rp_assert(!"more connections than max_conns allows");
	return NULL;
}

static void opened(struct tcp_world *w, struct tw_user *u)
{
	u->opened = true;
	if (w->reactions & TW_SEND_OPENED)
		tw_send(w, u, 3000, 2);
	if (w->reactions & TW_CLOSE_OPENED)
		tcp_close(u->c);
}

static bool on_accepted(void *ctx, struct tcp_conn *c)
{
	struct tcp_world *w = ctx;

	if (w->reactions & TW_REFUSE)
		return false;
	struct tw_user *u = user_new(w);
	u->c = c;
	tcp_set_user(c, u);
	if (w->reactions & TW_ABORT_ACCEPTED)
		tcp_abort(c);
	else
		opened(w, u);
	return true;
}

static void on_connected(void *ctx, struct tcp_conn *c)
{
	struct tw_user *u = tcp_user(c);

	rp_assert(u->c == c && !u->opened);
	opened(ctx, u);
}

static void on_received(void *ctx, struct tcp_conn *c, void *user, struct rte_mbuf *m)
{
	struct tcp_world *w = ctx;
	struct tw_user *u = user;
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t len = m->data_len;

	rp_assert(u->c == c && u->opened && !u->peer_closed && m->nb_segs == 1 && m->next == NULL && len > 0);
	for (uint32_t i = 0; i < len && !w->raw; i++)
		rp_assert(p[i] == tw_rx_byte(c->irs + 1 + u->received + i));
	u->received += len;
	u->held += len;
	rp_assert(u->held <= w->tp.rcv_buf);
	rte_pktmbuf_free(m);
	if (!(w->reactions & TW_KEEP_RECEIVED))
		tw_consume(u, len);
	if (w->reactions & TW_ECHO_RECEIVED)
		tw_send(w, u, len, 1);
	if (w->reactions & TW_CLOSE_RECEIVED)
		tcp_close(c);
	if (w->reactions & TW_ABORT_RECEIVED)
		tcp_abort(c);
}

static void on_peer_closed(void *ctx, struct tcp_conn *c, void *user)
{
	struct tcp_world *w = ctx;
	struct tw_user *u = user;

	rp_assert(u->c == c && u->opened && !u->peer_closed);
	u->peer_closed = true;
	if (w->reactions & TW_CLOSE_PEER_CLOSED)
		tcp_close(c);
	if (w->reactions & TW_ABORT_PEER_CLOSED)
		tcp_abort(c);
}

static void on_send_ready(void *ctx, struct tcp_conn *c, void *user)
{
	struct tcp_world *w = ctx;
	struct tw_user *u = user;

	rp_assert(u->c == c && u->opened && tcp_send_room(c) > 0);
	if (w->reactions & TW_SEND_READY)
		tw_send(w, u, 500, 1);
	if (w->reactions & TW_ABORT_READY)
		tcp_abort(c);
}

static void on_closed(void *ctx, struct tcp_conn *c, void *user, enum tcp_close_reason why)
{
	struct tcp_world *w = ctx;
	struct tw_user *u = user;

	rp_assert(u->c == c);
	u->c = NULL;
	if (w->reactions & TW_CONNECT_CLOSED) {
		w->reactions &= ~(uint32_t)TW_CONNECT_CLOSED; /* or a refusal goes on for ever */
		tw_connect(w, 1);
	}
}

void tw_connect(struct tcp_world *w, uint32_t slot)
{
	struct tw_user *u = user_new(w);
	int err;

	u->c = tcp_connect(w->tcp, &fz_peer[slot >> 2 & 1], (uint16_t)(TW_PEER_PORT + slot), tw_local_port(slot), u,
			   &err);
	rp_assert(u->c != NULL || err < 0);
}

void tw_send(struct tcp_world *w, struct tw_user *u, uint32_t bytes, uint32_t bufs)
{
	struct rte_mbuf *head = NULL, **link = &head;
	uint32_t seq = u->c->snd_end;

	if (tcp_send_room(u->c) == 0)
		return;
	for (uint32_t i = 0; i < bufs && bytes > 0; i++) {
		struct rte_mbuf *m = buf_alloc(w->pool);
		if (m == NULL)
			break;
		uint32_t len = RP_MIN(bytes / (bufs - i) + 1, (uint32_t)rte_pktmbuf_tailroom(m));
		uint8_t *to = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)len);
		for (uint32_t k = 0; k < len; k++)
			to[k] = tx_byte(seq++);
		bytes -= RP_MIN(len, bytes);
		*link = m;
		link = &m->next;
	}
	if (head != NULL)
		tcp_send(u->c, head);
}

/* Without a copy, as far as that goes. */
void tw_send_value(struct tcp_world *w, struct tw_user *u, uint32_t bytes, uint32_t skip)
{
	struct blob *b = blob_create(w->values, skip + bytes);

	rp_assert(b != NULL);
	for (uint32_t i = 0; i < bytes; i++)
		b->data[skip + i] = (char)tx_byte(u->c->snd_end + i);
	b->len = skip + bytes;
	rp_assert(tcp_send_blob(u->c, b, skip, bytes) <= bytes);
	blob_unref(b, w->values);
}

void tw_consume(struct tw_user *u, uint32_t bytes)
{
	bytes = RP_MIN(bytes, u->held);
	u->held -= bytes;
	tcp_rx_consumed(u->c, bytes);
}

/* ---- the wire ---- */

uint16_t tw_local_port(uint32_t slot)
{
	return (uint16_t)((slot & 1) ? 5000 + slot : TW_PORT);
}

void tw_key(const struct tcp_world *w, uint32_t slot, struct tcp_key *k)
{
	uint32_t v6 = slot >> 2 & 1;
	tcp_key_set(k, &fz_ours[v6].addr, tw_local_port(slot), &fz_peer[v6], (uint16_t)(TW_PEER_PORT + slot));
}

void *tw_entry(struct tcp_world *w, uint32_t slot)
{
	struct tcp_key k;
	tw_key(w, slot, &k);
	return tcp_table_find(w->tcp, &k, tcp_key_hash(w->tcp, &k));
}

/* A frame that waited for its neighbour may come from a connection whose place another one has taken. */
static bool is_of(const struct tcp_conn *c, const struct rte_tcp_hdr *h)
{
	uint32_t seq = rte_be_to_cpu_32(h->sent_seq), ack = rte_be_to_cpu_32(h->recv_ack);
	return c->state >= TCP_ESTABLISHED && seq - c->iss <= c->snd_nxt - c->iss &&
	       ack - c->irs <= c->rcv_nxt - c->irs;
}

/* The right edge of the window that we offer stays or moves on, but for the rounding of the scale. */
static void watch_window(struct tcp_world *w, struct tw_slot *s, uint32_t slot, const struct rte_tcp_hdr *h)
{
	void *e = tw_entry(w, slot);
	const struct tcp_conn *c = e;

	if ((h->tcp_flags & (RTE_TCP_RST_FLAG | RTE_TCP_SYN_FLAG)) || e == NULL || tcp_entry_is_tw(e) || !is_of(c, h)) {
		s->edge_known = false;
		return;
	}
	/* Another connection in its place, whose SYN never left: its frame waited for a neighbour in vain. */
	if (s->edge_irs != c->irs)
		s->edge_known = false;
	s->edge_irs = c->irs;
	uint32_t edge = rte_be_to_cpu_32(h->recv_ack) + ((uint32_t)rte_be_to_cpu_16(h->rx_win) << c->rcv_ws);
	rp_assert(!s->edge_known || (int32_t)(edge - s->edge) > -(1 << c->rcv_ws));
	s->edge = s->edge_known ? tcp_seq_max(edge, s->edge) : edge;
	s->edge_known = true;
}

static void watch_segment(struct tcp_world *w, const struct fz_sent *f)
{
	const struct rte_tcp_hdr *h = (const struct rte_tcp_hdr *)f->l4;
	uint32_t slot = rte_be_to_cpu_16(h->dst_port) - (uint32_t)TW_PEER_PORT, hlen = (h->data_off >> 4) * 4u;
	uint32_t seq = rte_be_to_cpu_32(h->sent_seq), len = f->l4_len - hlen;
	struct tcp_opts o;

	rp_assert(tcp_opts_parse((const uint8_t *)(h + 1), hlen - (uint32_t)sizeof(*h), &o));
	for (uint32_t i = 0; i < len; i++)
		rp_assert(f->l4[hlen + i] == tx_byte(seq + i));
	if (slot >= TW_SLOTS || rte_be_to_cpu_16(h->src_port) != tw_local_port(slot) ||
	    f->family != ((slot & 4) ? 6 : 4))
		return;
	struct tw_slot *s = &w->slot[slot];
	s->sent = seq + len + !!(h->tcp_flags & RTE_TCP_SYN_FLAG) + !!(h->tcp_flags & RTE_TCP_FIN_FLAG);
	if (o.has & TCP_OPT_HAS_TS)
		s->tsval = o.tsval;
	watch_window(w, s, slot, h);
}

static void on_sent(void *ctx, struct rte_mbuf *m)
{
	struct tcp_world *w = ctx;
	struct fz_sent *f = &w->sent;

	fz_sent_check(m, w->vlan, w->mtu, f);
	if (f->type == RTE_ETHER_TYPE_ARP)
		w->hello4 = true;
	else if (f->proto == IPPROTO_ICMPV6 && f->l4[0] == 135)
		w->hello6 = true;
	else if (f->proto == IPPROTO_TCP)
		watch_segment(w, f);
	if (w->tx_hold && w->nheld < TW_HELD)
		w->held[w->nheld++] = m;
	else
		rte_pktmbuf_free(m);
}

void tw_put(struct tcp_world *w, const uint8_t *frame, uint32_t len, uint32_t split)
{
	struct rte_mbuf *m = fz_frame(w->pool, frame, len, split);

	if (m != NULL)
		w->burst[w->nburst++] = m;
	if (w->nburst == TW_BURST)
		tw_deliver(w);
}

/* Options are read from memory that ends where they do. */
static void read_options(const struct rte_mbuf *m)
{
	const struct rte_tcp_hdr *h = rte_pktmbuf_mtod(m, const struct rte_tcp_hdr *);
	uint32_t len = (h->data_off >> 4) * 4u - (uint32_t)sizeof(*h);
	uint8_t *copy = malloc(len + 1);
	struct tcp_opts o;

	rp_assert(copy != NULL && m->data_len >= sizeof(*h) + len);
	memcpy(copy + 1, h + 1, len);
	tcp_opts_parse(copy + 1, len, &o);
	free(copy);
}

void tw_deliver(struct tcp_world *w)
{
	struct rte_mbuf *out[TW_BURST];
	uint32_t n = w->nburst, nout = 0;

	w->nburst = 0;
	for (uint32_t i = 0; i < n; i++) {
		bool guard = w->burst[i]->nb_segs == 1 && rte_mempool_avail_count(w->pool) > 16;
		struct rte_mbuf *m = w->burst[i];
		struct fz_guard g;
		if (guard)
			fz_guard(m, &g);
		nout += net_input_burst(w->net, &m, 1, out + nout);
		if (guard)
			fz_unguard(&g);
	}
	for (uint32_t i = 0; i < nout; i++)
		read_options(out[i]);
	tcp_input_burst(w->tcp, out, nout);
}

static void put_hello(struct tcp_world *w, bool v6)
{
	uint8_t frame[128];
	tw_put(w, frame, fz_put_hello(frame, v6, w->vlan), 0);
	tw_deliver(w);
}

void tw_pump(struct tcp_world *w)
{
	tcp_poll_output(w->tcp);
	net_poll_tx(w->net);
	bool v4 = w->hello4 && !w->mute_peers, v6 = w->hello6 && !w->mute_peers;
	w->hello4 = w->hello6 = false;
	if (v4)
		put_hello(w, false);
	if (v6)
		put_hello(w, true);
	net_poll_tx(w->net);
}

static void set_now(struct tcp_world *w)
{
	net_set_now(w->net, &w->now);
	tcp_set_now(w->tcp, &w->now);
}

static void step(struct tcp_world *w, uint64_t to_us)
{
	w->now.mono_us = to_us;
	set_now(w);
	tcp_poll_timers(w->tcp);
	net_poll_timers(w->net);
	tw_pump(w);
}

void tw_advance(struct tcp_world *w, uint64_t us)
{
	uint64_t until = w->now.mono_us + us;

	for (uint32_t i = 0; i < STEPS_MAX && w->now.mono_us < until; i++)
		step(w, RP_MIN(until, RP_MAX(tcp_next_timer_us(w->tcp), w->now.mono_us + 1)));
	if (w->now.mono_us < until)
		step(w, until);
}

void tw_hog(struct tcp_world *w, uint32_t leave)
{
	uint32_t avail = rte_mempool_avail_count(w->pool);
	uint32_t n = RP_MIN(avail - RP_MIN(avail, leave), TW_POOL - w->nhog);

	if (n > 0)
		rp_assert(rte_mempool_get_bulk(w->pool, w->hog + w->nhog, n) == 0);
	w->nhog += n;
}

void tw_unhog(struct tcp_world *w)
{
	if (w->nhog > 0)
		rte_mempool_put_bulk(w->pool, w->hog, w->nhog);
	w->nhog = 0;
}

void tw_unhold(struct tcp_world *w)
{
	for (uint32_t i = 0; i < w->nheld; i++)
		rte_pktmbuf_free(w->held[i]);
	w->nheld = 0;
}

/* ---- begin, laws, end ---- */

void tw_check(struct tcp_world *w)
{
	const struct tcp_counters *n = tcp_counters(w->tcp);
	uint64_t conns = 0, syns = 0, tws = 0;
	const void *key;
	void *entry;
	uint32_t pos = 0;

	while (rte_hash_iterate(w->tcp->table, &key, &entry, &pos) >= 0) {
		if (tcp_entry_is_tw(entry)) {
			tws++;
			continue;
		}
		const char *broken = law_conn(entry);
		if (broken != NULL)
			fprintf(stderr, "law: %s\n", broken);
		rp_assert(broken == NULL);
		if (((const struct tcp_conn *)entry)->flags & TCP_F_SYN_COUNTED)
			syns++;
		else
			conns++;
	}
	rp_assert(conns == n->conns && syns == n->syn_received && tws == n->time_wait);
	rp_assert(conns <= w->tp.max_conns && syns <= w->tp.max_syn && tws <= w->tp.max_time_wait);
	for (uint32_t i = 0; i < TW_USERS; i++)
		conns -= w->user[i].c != NULL;
	rp_assert(conns == 0);
}

static void on_pmtu(void *ctx, const struct net_addr *local, uint16_t lport, const struct net_addr *remote,
		    uint16_t rport, uint32_t seq, uint16_t mtu)
{
	struct tcp_world *w = ctx;

	if (tcp_pmtu_update(w->tcp, local, lport, remote, rport, seq, mtu))
		net_pmtu_learn(w->net, remote, mtu);
}

static void make_net(struct tcp_world *w, uint16_t cfg)
{
	struct err e;
	struct net_params p = {
		.nworkers = 1,
		.pool = w->pool,
		.mac = fz_our_mac,
		.mtu = w->mtu,
		.naddrs = 2,
		.addrs = {fz_ours[0], fz_ours[1]},
		.shared = cfg & CFG_SHARED,
		.vlan = w->vlan,
		.arp_entries = 16,
		.frag_entries = (cfg & CFG_FRAGMENTS) ? 8 : 0,
		.pmtu = on_pmtu,
		.pmtu_ctx = w,
		.tx_csum_tcp = cfg & (CFG_TX_CSUM | CFG_TRAINS),
		.tx_csum_ip = cfg & CFG_TX_CSUM,
		.tx_ext_bufs = cfg & CFG_EXT_BUFS,
		.tx_train_bytes = (cfg & CFG_TRAINS) ? 20000 : 0,
		.tx_train_bufs = (cfg & CFG_TRAINS) ? 12 : 0,
		.tx_hook = on_sent,
		.tx_hook_ctx = w,
	};
	w->net = net_create(&p, &e);
	rp_assert(w->net != NULL);
}

static void make_tcp(struct tcp_world *w, uint16_t cfg, uint8_t limits)
{
	struct err e;
	w->tp = (struct tcp_params){
		.ops = {.ctx = w,
			.accepted = on_accepted,
			.connected = on_connected,
			.received = on_received,
			.peer_closed = on_peer_closed,
			.send_ready = on_send_ready,
			.closed = on_closed},
		.pool = w->pool,
		.max_conns = 2 + (limits & 7),
		.max_syn = 1 + (limits >> 3 & 3),
		.max_time_wait = 1 + (limits >> 5 & 1),
		.rcv_buf = (cfg & CFG_BIG_BUFFERS) ? 200000 : 8000,
		.snd_buf = (cfg & CFG_BIG_BUFFERS) ? 100000 : 10000,
		.rto_init_us = 200000,
		.rto_max_us = 4000000,
		.keepalive_idle_s = (cfg & CFG_KEEPALIVE) ? 2 : 0,
		.keepalive_intvl_s = 1,
		.keepalive_probes = 3,
		.time_wait_ms = 2000,
		.pmtu_probe_ms = 300,
		.user_timeout_ms = 10000,
		.cc = (cfg & CFG_NEWRENO) ? TCP_CC_NEWRENO : TCP_CC_CUBIC,
		.ecn = (cfg & CFG_ECN_ON) ? TCP_ECN_ON : TCP_ECN_PASSIVE,
		.timestamps = cfg & CFG_TIMESTAMPS,
		.window_scale = cfg & CFG_WSCALE,
		.no_sack = cfg & CFG_NO_SACK,
		.no_syn_cookies = cfg & CFG_NO_COOKIES,
		.seed = 7,
	};
	tcp_lower_net(&w->tp.lower, w->net);
	w->tcp = tcp_create(&w->tp, &e);
	rp_assert(w->tcp != NULL);
}

void tw_begin(struct tcp_world *w, struct rte_mempool *pool, struct heap *values, uint16_t config, uint8_t limits)
{
	memset(w, 0, offsetof(struct tcp_world, sent));
	w->pool = pool;
	w->values = values;
	w->now = (struct clock_now){.mono_us = 1000000000, .wall_us = 1};
	w->vlan = (config & CFG_VLAN) ? 7 : 0;
	w->mtu = (config & CFG_SMALL_MTU) ? 1280 : 1500;
	for (uint32_t i = 0; i < TW_SLOTS; i++)
		w->slot[i].seq = 0x20000000u * i - 3000; /* one wraps early */
	make_net(w, config);
	make_tcp(w, config, limits);
	set_now(w);
	rp_assert(tcp_listen(w->tcp, &(struct net_addr){0}, TW_PORT) == 0);
	put_hello(w, false);
	put_hello(w, true);
	tw_pump(w);
}

/* Nobody answers any more: each connection that was closed ends by itself. */
static void end_all(struct tcp_world *w)
{
	uint64_t until = w->now.mono_us + QUIET_US;
	const struct tcp_counters *n = tcp_counters(w->tcp);

	w->reactions = 0;
	w->tx_hold = false;
	tw_unhog(w);
	tw_unhold(w);
	for (uint32_t i = 0; i < TW_USERS; i++) {
		struct tw_user *u = &w->user[i];
		if (u->c != NULL && u->held > 0)
			tw_consume(u, u->held);
		if (u->c != NULL)
			tcp_close(u->c);
	}
	tw_pump(w);
	while (n->conns + n->syn_received + n->time_wait > 0 && w->now.mono_us < until) {
		step(w, RP_MIN(until, RP_MAX(tcp_next_timer_us(w->tcp), w->now.mono_us + 1)));
		tw_check(w);
	}
	rp_assert(n->conns == 0 && n->syn_received == 0 && n->time_wait == 0);
	rp_assert(w->tcp->conns.in_use == 0 && w->tcp->tws.in_use == 0);
}

void tw_end(struct tcp_world *w)
{
	tw_deliver(w);
	tw_pump(w);
	tw_check(w);
	end_all(w);
	tcp_destroy(w->tcp);
	net_destroy(w->net);
	tw_unhold(w);
	tw_unhog(w);
	struct heap_stats values;
	heap_poll(w->values, UINT32_MAX);
	heap_stats_get(w->values, &values);
	rp_assert(rte_mempool_full(w->pool) && values.blocks == 0);
}
