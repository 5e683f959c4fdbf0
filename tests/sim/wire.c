#include "wire.h"

#include <stdio.h>
#include <stdlib.h>

#include <rte_eal.h>
#include <rte_ip.h>

#include "base/hash.h"

#define ETH_BYTES 14
#define IP_BYTES  20

void wire_eal_init(const char *prefix)
{
	const char *argv[] = {"test",           "--no-huge",         "--no-shconf",   "-m",   "256",      "--no-pci",
			      "--no-telemetry", "--log-level=error", "--file-prefix", prefix, "--lcores", "0"};
	rp_assert(rte_eal_init((int)RP_ARRAY_LEN(argv), (char **)argv) >= 0);
}

struct rte_mempool *wire_pool(const char *name, uint32_t n)
{
	struct rte_mempool *p = rte_pktmbuf_pool_create(name, n, 0, BUF_PRIV_BYTES, BUF_DATA_BYTES, SOCKET_ID_ANY);
	rp_assert(p != NULL);
	return p;
}

static bool before(const struct wire_packet *a, const struct wire_packet *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void swap(struct wire_packet *a, struct wire_packet *b)
{
	struct wire_packet x = *a;
	*a = *b;
	*b = x;
}

static void heap_push(struct wire *w, struct wire_packet p)
{
	uint32_t i = w->n++;

	rp_assert(w->n <= WIRE_INFLIGHT_MAX);
	w->heap[i] = p;
	for (; i > 0 && before(&w->heap[i], &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
		swap(&w->heap[i], &w->heap[(i - 1) / 2]);
}

static struct wire_packet heap_pop(struct wire *w)
{
	struct wire_packet top = w->heap[0];

	w->heap[0] = w->heap[--w->n];
	for (uint32_t i = 0;;) {
		uint32_t least = i, l = 2 * i + 1;
		if (l < w->n && before(&w->heap[l], &w->heap[least]))
			least = l;
		if (l + 1 < w->n && before(&w->heap[l + 1], &w->heap[least]))
			least = l + 1;
		if (least == i)
			return top;
		swap(&w->heap[i], &w->heap[least]);
		i = least;
	}
}

static struct wire_flow *flow_of(struct wire *w, int owner, uint16_t lport, uint16_t rport)
{
	for (uint32_t i = 0; i < WIRE_FLOWS; i++) {
		struct wire_flow *f = &w->flow[owner][i];
		if (f->lport == 0) {
			f->lport = lport;
			f->rport = rport;
		}
		if (f->lport == lport && f->rport == rport)
			return f;
	}
	rp_assert(!"more flows than the wire observes");
	return NULL;
}

static uint8_t syn_scale(const struct rte_tcp_hdr *h, bool *has)
{
	const uint8_t *p = (const uint8_t *)(h + 1), *end = (const uint8_t *)h + (h->data_off >> 4) * 4;

	*has = false;
	while (p < end && *p != 0) {
		if (*p == 3) {
			*has = true;
			return p[2];
		}
		p += *p == 1 ? 1 : p[1];
	}
	return 0;
}

/* The receive window: data stays left of the farthest edge advertised, and the edge moves back by less than one unit
 * of the scale. */
static void observe(struct wire *w, const struct wire_seg *s, const struct rte_tcp_hdr *h)
{
	struct wire_flow *mine = flow_of(w, s->from, s->sport, s->dport);
	struct wire_flow *peer = flow_of(w, !s->from, s->dport, s->sport);

	if (s->flags & RTE_TCP_RST_FLAG)
		return;
	if (s->flags & RTE_TCP_SYN_FLAG) {
		mine->ws = syn_scale(h, &mine->syn_ws);
		mine->edge_known = false;
	}
	if (s->len > 0 && peer->edge_known && (int32_t)(s->seq + s->len - peer->edge) > 0)
		w->violations++;
	if (!(s->flags & RTE_TCP_ACK_FLAG))
		return;
	uint8_t ws = (s->flags & RTE_TCP_SYN_FLAG) || !mine->syn_ws || !peer->syn_ws ? 0 : mine->ws;
	uint32_t edge = s->ack + ((uint32_t)s->wnd << ws);
	if (mine->edge_known && (int32_t)(edge - mine->edge) <= -(1 << ws))
		w->violations++;
	if (!mine->edge_known || (int32_t)(edge - mine->edge) > 0)
		mine->edge = edge;
	mine->edge_known = true;
}

static void describe(struct wire_end *e, const struct rte_tcp_hdr *h, uint32_t len, struct wire_seg *s)
{
	*s = (struct wire_seg){
		.from = e->id,
		.flags = h->tcp_flags,
		.seq = rte_be_to_cpu_32(h->sent_seq),
		.ack = rte_be_to_cpu_32(h->recv_ack),
		.len = len,
		.wnd = rte_be_to_cpu_16(h->rx_win),
		.sport = rte_be_to_cpu_16(h->src_port),
		.dport = rte_be_to_cpu_16(h->dst_port),
		.now_us = e->w->now.mono_us,
	};
	if (s->len > 0)
		s->nth_data = ++e->data_segs;
}

static bool chance(struct wire *w, uint32_t ppm)
{
	return ppm != 0 && rng_below(&w->rng, 1000000) < ppm;
}

static uint64_t frame_sum(const struct rte_mbuf *m, uint16_t off, uint16_t len)
{
	return hash64((const char *)m->buf_addr + off, len, 1);
}

static void put_on_wire(struct wire *w, struct rte_mbuf *m, int to, uint64_t at_us)
{
	heap_push(w, (struct wire_packet){
			     .at_us = at_us,
			     .order = w->order++,
			     .m = m,
			     .off = m->data_off,
			     .len = m->data_len,
			     .sum = frame_sum(m, m->data_off, m->data_len),
			     .to = to,
		     });
}

static uint64_t arrival(struct wire *w)
{
	uint64_t at = w->now.mono_us + w->p.delay_us;

	if (w->p.noise_us != 0)
		at += rng_below(&w->rng, w->p.noise_us);
	if (w->p.jitter_us != 0 && chance(w, w->p.reorder_ppm))
		at += rng_below(&w->rng, w->p.jitter_us);
	return at;
}

static void put_ip(struct wire_end *e, uint8_t *ip, uint8_t tos)
{
	struct wire *w = e->w;

	memset(ip, 0, IP_BYTES);
	ip[0] = 0x45;
	ip[1] = (tos & 3) != 0 && chance(w, w->p.ce_ppm) ? 3 : tos;
	memcpy(ip + 12, &e->addr.v4, 4);
	memcpy(ip + 16, &w->end[!e->id].addr.v4, 4);
}

static void put_frame(struct wire_end *e, struct rte_mbuf *m, uint8_t tos)
{
	uint8_t *ip = (uint8_t *)rte_pktmbuf_prepend(m, IP_BYTES);

	rp_assert(ip != NULL && m->nb_segs == 1 && m->next == NULL);
	put_ip(e, ip, tos);
	uint8_t *eth = (uint8_t *)rte_pktmbuf_prepend(m, ETH_BYTES);
	rp_assert(eth != NULL);
	memset(eth, 0xee, ETH_BYTES);
}

static bool too_long(struct wire_end *e, uint32_t ip_len, const struct wire_seg *s)
{
	const struct wire_params *p = &e->w->p;

	if (p->link_mtu == 0 || s->now_us < p->link_us || ip_len <= p->link_mtu)
		return false;
	if (!p->link_silent) {
		e->icmp = true;
		e->icmp_sport = s->sport;
		e->icmp_dport = s->dport;
		e->icmp_seq = s->seq;
	}
	return true;
}

static bool is_lost(struct wire_end *e, uint32_t ip_len, const struct wire_seg *s)
{
	struct wire *w = e->w;

	if (too_long(e, ip_len, s) || (w->p.queue != 0 && e->queued >= w->p.queue))
		return true;
	if (w->p.dark_us != 0 && s->now_us >= w->p.dark_us && s->now_us < w->p.dark_us + w->p.dark_for_us)
		return true;
	if (chance(w, w->p.burst_ppm))
		e->burst_until_us = s->now_us + w->p.burst_us;
	if (s->now_us < e->burst_until_us)
		return true;
	return chance(w, w->p.loss_ppm);
}

/* Copies the payload bytes [at, at + len) of m, whose first part is the TCP header. */
static void gather(const struct rte_mbuf *m, uint32_t at, uint32_t len, uint8_t *to)
{
	const uint8_t *p = rte_pktmbuf_read(m, at, len, to);

	rp_assert(p != NULL);
	if (p != to)
		memcpy(to, p, len);
}

static void push_piece(struct wire_end *e, struct wire_packet p)
{
	for (struct rte_mbuf *m = p.m; m != NULL; m = m->next)
		rte_mbuf_refcnt_update(m, 1);
	p.at_us = arrival(e->w);
	p.order = e->w->order++;
	e->queued++;
	heap_push(e->w, p);
}

/* One segment of a frame of several buffers, as a device makes them: the flags that belong to an end of the train only
 * there. The wire keeps a copy, to see whether the buffers stay what they were. */
static void put_piece(struct wire_end *e, struct net_path *path, struct rte_mbuf *m, uint8_t tcp_len, uint32_t at,
		      uint32_t len)
{
	struct wire *w = e->w;
	uint32_t all = m->pkt_len - tcp_len;
	uint8_t *frame = malloc(ETH_BYTES + IP_BYTES + tcp_len + len);
	struct rte_tcp_hdr *h = (struct rte_tcp_hdr *)(frame + ETH_BYTES + IP_BYTES);
	struct wire_seg s;

	memset(frame, 0xee, ETH_BYTES);
	put_ip(e, frame + ETH_BYTES, path->tos);
	gather(m, 0, tcp_len, (uint8_t *)h);
	gather(m, tcp_len + at, len, (uint8_t *)h + tcp_len);
	h->sent_seq = rte_cpu_to_be_32(rte_be_to_cpu_32(h->sent_seq) + at);
	if (at + len < all)
		h->tcp_flags &= ~(RTE_TCP_FIN_FLAG | RTE_TCP_PSH_FLAG);
	rp_assert(at == 0 || !(h->tcp_flags & RTE_TCP_CWR_FLAG));
	describe(e, h, len, &s);
	s.train = all > len;
	s.soft = path->tx_soft;
	w->trains += s.train && at == 0;
	observe(w, &s, h);
	bool lost = is_lost(e, IP_BYTES + tcp_len + len, &s);
	if (w->p.watch != NULL)
		w->p.watch(w->p.ctx, &s);
	if ((w->p.drop != NULL && w->p.drop(w->p.ctx, &s)) || lost) {
		free(frame);
		return;
	}
	struct wire_packet p = {
		.m = m,
		.frame = frame,
		.payload = (uint16_t)(ETH_BYTES + IP_BYTES + tcp_len),
		.at = tcp_len + at,
		.len = (uint16_t)(ETH_BYTES + IP_BYTES + tcp_len + len),
		.to = !e->id,
	};
	if (chance(w, w->p.dup_ppm)) {
		struct wire_packet twin = p;
		twin.frame = malloc(p.len);
		memcpy(twin.frame, frame, p.len);
		push_piece(e, twin);
	}
	push_piece(e, p);
}

static void put_train(struct wire_end *e, struct net_path *path, struct rte_mbuf *m, uint8_t tcp_len)
{
	uint32_t all = m->pkt_len - tcp_len, most = m->tso_segsz != 0 ? m->tso_segsz : all;

	rp_assert(m->data_len >= tcp_len && (m->tso_segsz == 0 || e->train_bytes >= all));
	rp_assert(m->nb_segs <= RP_MAX(e->train_bufs, 2u) && most + tcp_len + IP_BYTES <= e->w->p.mtu);
	for (uint32_t at = 0; at < all; at += most)
		put_piece(e, path, m, tcp_len, at, RP_MIN(most, all - at));
	rte_pktmbuf_free(m);
}

static void wire_output(void *ctx, struct net_path *path, struct rte_mbuf *m, uint8_t tcp_len)
{
	struct wire_end *e = ctx;
	struct wire *w = e->w;
	struct wire_seg s;

	if (m->nb_segs > 1 || m->tso_segsz != 0) {
		put_train(e, path, m, tcp_len);
		return;
	}
	describe(e, rte_pktmbuf_mtod(m, const struct rte_tcp_hdr *), m->pkt_len - tcp_len, &s);
	s.soft = path->tx_soft;
	rp_assert(m->pkt_len == m->data_len && m->pkt_len + IP_BYTES <= w->p.mtu);
	observe(w, &s, rte_pktmbuf_mtod(m, struct rte_tcp_hdr *));
	bool lost = is_lost(e, m->pkt_len + IP_BYTES, &s);
	put_frame(e, m, path->tos);
	if (w->p.watch != NULL)
		w->p.watch(w->p.ctx, &s);
	if ((w->p.drop != NULL && w->p.drop(w->p.ctx, &s)) || lost) {
		rte_pktmbuf_free(m);
		return;
	}
	if (chance(w, w->p.dup_ppm)) {
		rte_mbuf_refcnt_update(m, 1);
		e->queued++;
		put_on_wire(w, m, !e->id, arrival(w));
	}
	e->queued++;
	put_on_wire(w, m, !e->id, arrival(w));
}

static int wire_path_init(void *ctx, struct net_path *path, const struct net_addr *local, const struct net_addr *remote)
{
	struct wire_end *e = ctx;

	*path = (struct net_path){.local = *local, .remote = *remote, .mtu = e->w->p.mtu};
	return 0;
}

static void wire_confirm(void *ctx, struct net_path *path)
{
}

static int wire_local_for(void *ctx, const struct net_addr *remote, struct net_addr *local)
{
	*local = ((struct wire_end *)ctx)->addr;
	return 0;
}

void wire_init(struct wire *w, const struct wire_params *p)
{
	memset(w, 0, sizeof(*w));
	w->p = *p;
	rng_init(&w->rng, p->seed);
	w->now.mono_us = 1000000;
	for (int i = 0; i < 2; i++)
		w->end[i] = (struct wire_end){
			.w = w,
			.id = i,
			.addr = {.family = 4, .v4 = rte_cpu_to_be_32(0x0a000001 + i)},
		};
}

static bool wire_verdict(void *ctx, uint8_t family, bool train, bool arrived)
{
	struct wire_end *e = ctx;

	e->proven[train] |= arrived;
	return e->proven[train] || ++e->doubts[train] < 4;
}

void wire_attach(struct wire *w, int id, struct tcp_params *p, struct rte_mempool *rx_pool)
{
	struct err e;
	struct wire_end *end = &w->end[id];

	p->lower = (struct tcp_lower){
		.ext_bufs = p->lower.ext_bufs,
		.train_bytes = p->lower.train_bytes,
		.train_bufs = p->lower.train_bufs,
		.tx_verdict = wire_verdict,
		.ctx = end,
		.path_init = wire_path_init,
		.output = wire_output,
		.confirm = wire_confirm,
		.local_for = wire_local_for,
	};
	end->train_bytes = p->lower.train_bytes;
	end->train_bufs = p->lower.train_bufs;
	p->name_tag = (uint32_t)id + 1;
	end->rx_pool = rx_pool;
	end->t = tcp_create(p, &e);
	rp_assert(end->t != NULL);
	tcp_set_now(end->t, &w->now);
}

void wire_fini(struct wire *w)
{
	for (int i = 0; i < 2; i++)
		tcp_destroy(w->end[i].t);
	while (w->n > 0) {
		struct wire_packet p = heap_pop(w);
		free(p.frame);
		rte_pktmbuf_free(p.m);
	}
}

/* Are the bytes that the device was given still what they were? */
static bool untouched(const struct wire_packet *p)
{
	uint32_t len = p->len - p->payload;
	uint8_t now[65536];

	if (p->frame == NULL)
		return frame_sum(p->m, p->off, p->len) == p->sum;
	gather(p->m, p->at, len, now);
	return memcmp(now, p->frame + p->payload, len) == 0;
}

/* Copies the frame into a receive buffer, as a device would, and lets go of the sender's. */
static struct rte_mbuf *receive(struct wire *w, struct wire_packet p)
{
	struct rte_mbuf *m = buf_alloc(w->end[p.to].rx_pool);
	uint32_t len = p.len;

	if (!untouched(&p))
		w->touched++;
	if (m != NULL) {
		memcpy(rte_pktmbuf_append(m, (uint16_t)len),
		       p.frame != NULL ? (char *)p.frame : (char *)p.m->buf_addr + p.off, len);
		rte_pktmbuf_adj(m, ETH_BYTES + IP_BYTES);
		m->l2_len = ETH_BYTES;
		m->l3_len = IP_BYTES;
	} else {
		w->end[p.to].rx_dropped++;
	}
	free(p.frame);
	rte_pktmbuf_free(p.m);
	return m;
}

static void deliver_icmp(struct wire *w)
{
	for (int i = 0; i < 2; i++) {
		struct wire_end *e = &w->end[i];
		if (e->icmp)
			tcp_pmtu_update(e->t, &e->addr, e->icmp_sport, &w->end[!i].addr, e->icmp_dport, e->icmp_seq,
					w->p.link_mtu);
		e->icmp = false;
	}
}

static void input(struct wire *w)
{
	struct rte_mbuf *burst[2][RP_MAX_BURST];
	uint32_t n[2] = {0, 0};

	while (w->n > 0 && w->heap[0].at_us <= w->now.mono_us && n[0] < RP_MAX_BURST && n[1] < RP_MAX_BURST) {
		struct wire_packet p = heap_pop(w);
		w->end[!p.to].queued--;
		struct rte_mbuf *m = receive(w, p);
		if (m != NULL)
			burst[p.to][n[p.to]++] = m;
	}
	for (int i = 0; i < 2; i++)
		tcp_input_burst(w->end[i].t, burst[i], n[i]);
}

void wire_step(struct wire *w, uint64_t max_step_us)
{
	uint64_t next = w->now.mono_us + max_step_us;

	for (int i = 0; i < 2; i++)
		next = RP_MIN(next, tcp_next_timer_us(w->end[i].t));
	if (w->n > 0)
		next = RP_MIN(next, w->heap[0].at_us);
	w->now.mono_us = RP_MAX(next, w->now.mono_us + 1);
	for (int i = 0; i < 2; i++)
		tcp_set_now(w->end[i].t, &w->now);
	input(w);
	deliver_icmp(w);
	if (w->work != NULL)
		w->work(w->work_ctx);
	for (int i = 0; i < 2; i++) {
		tcp_poll_output(w->end[i].t);
		tcp_poll_timers(w->end[i].t);
	}
}

void wire_run(struct wire *w, uint64_t for_us)
{
	uint64_t until = w->now.mono_us + for_us;

	while (w->now.mono_us < until)
		wire_step(w, until - w->now.mono_us);
}
