/* Both ends in virtual time: what is under way, the iterations, and arrival through net/. */
#include "wire_priv.h"

#include <stdlib.h>

#include <rte_ip.h>

#include "base/hash.h"
#include "tests/eal.h"

#define NET_TIMERS_US 1000 /* as the worker does */

void wire_eal_init(const char *prefix)
{
	rp_assert(test_eal(prefix, "256") == 0);
}

struct rte_mempool *wire_pool(const char *name, uint32_t n)
{
	struct rte_mempool *p = rte_pktmbuf_pool_create(name, n, 0, BUF_PRIV_BYTES, BUF_DATA_BYTES, SOCKET_ID_ANY);
	rp_assert(p != NULL);
	return p;
}

void wire_trace(struct wire *w, const uint64_t *v, uint32_t n)
{
	w->trace = hash64(v, n * sizeof(*v), w->trace);
}

/* ---- what is under way: a heap ordered by arrival ---- */

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

void wire_push(struct wire *w, struct wire_packet p)
{
	uint32_t i = w->n++;

	rp_assert(w->n <= WIRE_INFLIGHT_MAX);
	p.order = w->order++;
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

/* ---- the ends ---- */

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

static bool wire_verdict(void *ctx, uint8_t family, bool train, bool arrived)
{
	struct wire_end *e = ctx;

	e->proven[train] |= arrived;
	return e->proven[train] || ++e->doubts[train] < 4;
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

/* Nothing of TCP is answered by net/ itself. */
static void answer(void *ctx, struct rte_mbuf *m)
{
	rte_pktmbuf_free(m);
}

static void attach_net(struct wire_end *e)
{
	struct err err;
	struct net_params p = {
		.nworkers = 1,
		.pool = e->rx_pool,
		.mtu = 1500,
		.naddrs = 1,
		.addrs = {{e->addr, 24}},
		.arp_entries = 16,
		.pmtu_entries = 16,
		.tx_hook = answer,
	};

	memset(&p.mac, wire_mac(e->id), sizeof(p.mac));
	e->net = net_create(&p, &err);
	rp_assert(e->net != NULL);
	net_set_now(e->net, &e->w->now);
}

void wire_attach(struct wire *w, int id, struct tcp_params *p, struct rte_mempool *rx_pool)
{
	struct err e;
	struct wire_end *end = &w->end[id];

	p->lower = (struct tcp_lower){
		.ext_bufs = p->lower.ext_bufs,
		.train_bytes = p->lower.train_bytes,
		.train_bufs = p->lower.train_bufs,
		.tx_sums = true,
		.tx_verdict = wire_verdict,
		.tx_room = w->p.tx_ring != 0 ? wire_tx_room : NULL,
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
	attach_net(end);
	end->t = tcp_create(p, &e);
	rp_assert(end->t != NULL);
	tcp_set_now(end->t, &w->now);
}

void wire_detach(struct wire *w, int id)
{
	struct wire_end *e = &w->end[id];

	e->refused = wire_refused(w, id);
	tcp_destroy(e->t);
	net_destroy(e->net);
	e->t = NULL;
	e->net = NULL;
}

void wire_fini(struct wire *w)
{
	for (int i = 0; i < 2; i++)
		wire_detach(w, i);
	while (w->n > 0) {
		struct wire_packet p = heap_pop(w);
		free(p.frame);
		rte_pktmbuf_free(p.m);
	}
}

/* ---- arrival ---- */

static void turn_bits(uint8_t *ip, uint32_t len, const struct wire_packet *p)
{
	for (uint32_t i = 0; i < 15; i++) {
		uint32_t bit = p->spoil_at + i;
		if ((p->spoil >> i & 1) && bit < len * 8)
			ip[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
	}
}

/* Copies the frame into a receive buffer, as a device would, and lets go of the sender's. NULL: there is none. */
static struct rte_mbuf *receive(struct wire *w, struct wire_packet p)
{
	struct wire_end *e = &w->end[p.to];
	struct rte_mbuf *m = e->t != NULL ? buf_alloc(e->rx_pool) : NULL;

	if (!wire_untouched(&p))
		w->touched++;
	if (m != NULL) {
		uint8_t *to = (uint8_t *)rte_pktmbuf_append(m, p.len);
		rp_assert(to != NULL);
		memcpy(to, p.frame != NULL ? p.frame : (uint8_t *)p.m->buf_addr + p.off, p.len);
		turn_bits(to + WIRE_ETH_BYTES, p.len - WIRE_ETH_BYTES, &p);
		e->spoilt += p.spoil != 0;
		wire_trace(w, (uint64_t[]){w->now.mono_us, (uint64_t)p.to, hash64(to, p.len, 2)}, 3);
	} else if (e->t != NULL) {
		e->rx_dropped++;
	}
	free(p.frame);
	rte_pktmbuf_free(p.m);
	return m;
}

uint64_t wire_refused(const struct wire *w, int id)
{
	const struct wire_end *e = &w->end[id];

	if (e->net == NULL)
		return e->refused;
	const struct net_counters *n = net_counters(e->net);
	return e->refused + n->rx_packets - n->rx_tcp - n->rx_shed;
}

static void tell_arrived(struct wire *w, int to, const struct rte_mbuf *m)
{
	const struct rte_tcp_hdr *h = rte_pktmbuf_mtod(m, const struct rte_tcp_hdr *);
	struct wire_seg s;

	if (w->p.arrived == NULL)
		return;
	wire_describe(w, !to, h, m->data_len - (h->data_off >> 4) * 4u, &s);
	w->p.arrived(w->p.ctx, to, &s);
}

/* What the product does with a burst: net/ judges the frames, TCP gets those that are whole. */
static void input_burst(struct wire *w, int id, struct rte_mbuf **frames, uint32_t n)
{
	struct rte_mbuf *segs[RP_MAX_BURST];
	struct wire_end *e = &w->end[id];

	if (e->t == NULL)
		return;
	n = net_input_burst(e->net, frames, n, segs);
	for (uint32_t i = 0; i < n; i++)
		tell_arrived(w, id, segs[i]);
	tcp_input_burst(e->t, segs, n);
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
		input_burst(w, i, burst[i], n[i]);
}

static void deliver_icmp(struct wire *w)
{
	for (int i = 0; i < 2; i++) {
		struct wire_end *e = &w->end[i];
		if (e->icmp_mtu != 0 && e->t != NULL)
			tcp_pmtu_update(e->t, &e->addr, e->icmp_sport, &w->end[!i].addr, e->icmp_dport, e->icmp_seq,
					e->icmp_mtu);
		e->icmp_mtu = 0;
	}
}

/* ---- iterations ---- */

static void advance(struct wire *w, uint64_t max_step_us)
{
	uint64_t next = w->now.mono_us + max_step_us;

	for (int i = 0; i < 2; i++) {
		if (w->end[i].t != NULL)
			next = RP_MIN(next, tcp_next_timer_us(w->end[i].t));
	}
	if (w->n > 0)
		next = RP_MIN(next, w->heap[0].at_us);
	w->now.mono_us = RP_MAX(next, w->now.mono_us + 1);
	for (int i = 0; i < 2; i++) {
		if (w->end[i].t == NULL)
			continue;
		net_set_now(w->end[i].net, &w->now);
		tcp_set_now(w->end[i].t, &w->now);
	}
}

static void poll_net_timers(struct wire *w)
{
	if (w->now.mono_us - w->net_timers_us < NET_TIMERS_US)
		return;
	w->net_timers_us = w->now.mono_us;
	for (int i = 0; i < 2; i++) {
		if (w->end[i].net != NULL)
			net_poll_timers(w->end[i].net);
	}
}

void wire_step(struct wire *w, uint64_t max_step_us)
{
	advance(w, max_step_us);
	input(w);
	deliver_icmp(w);
	if (w->work != NULL)
		w->work(w->work_ctx);
	for (int i = 0; i < 2; i++) {
		if (w->end[i].t == NULL)
			continue;
		tcp_poll_output(w->end[i].t);
		tcp_poll_timers(w->end[i].t);
	}
	poll_net_timers(w);
}

void wire_run(struct wire *w, uint64_t for_us)
{
	uint64_t until = w->now.mono_us + for_us;

	while (w->now.mono_us < until)
		wire_step(w, until - w->now.mono_us);
}
