/* Losses by rule, not luck: one particular segment, or a flight of them, is dropped once, and the repair must be the
 * right one. */
#include "wire.h"

#include <stdio.h>
#include <stdlib.h>

#define PORT  6379
#define BYTES 20000

struct scene {
	const char *name;
	bool (*lose)(const struct wire_seg *s);
	bool all; /* all that leave at that time, not only the first */
	/* what end 0, which sends and closes first, must have counted */
	uint64_t fast_retransmits, rtos, tlp_probes;
	uint64_t within_us; /* from connect to both closed */
};

struct stage {
	const struct scene *scene;
	struct wire w;
	bool lost;
	uint64_t lost_us;
	uint64_t received;
	uint32_t closed;
	struct rte_mempool *pool;
};

static bool data_3(const struct wire_seg *s)
{
	return s->from == 0 && s->nth_data == 3;
}

static bool last_data(const struct wire_seg *s)
{
	return s->from == 0 && s->len > 0 && (s->flags & RTE_TCP_FIN_FLAG);
}

static bool syn(const struct wire_seg *s)
{
	return s->flags == RTE_TCP_SYN_FLAG;
}

static bool syn_ack(const struct wire_seg *s)
{
	return s->flags == (RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG);
}

static bool server_fin(const struct wire_seg *s)
{
	return s->from == 1 && (s->flags & RTE_TCP_FIN_FLAG);
}

static bool any_ack(const struct wire_seg *s)
{
	return s->from == 1 && s->flags == RTE_TCP_ACK_FLAG;
}

static const struct scene scenes[] = {
	/* name, rule, all at once, fast recoveries, timeouts, probes, time */
	{"third data segment", data_3, false, 1, 0, 0, 10000},
	{"last data segment with the FIN", last_data, false, 0, 0, 1, 12000},
	{"SYN", syn, false, 0, 0, 0, 300000},
	{"SYN-ACK", syn_ack, false, 0, 0, 0, 300000},
	{"the server's FIN, which acknowledges ours", server_fin, false, 0, 0, 1, 12000},
	{"one ACK of a flight", any_ack, false, 0, 0, 0, 2000},
	{"all ACKs of a flight", any_ack, true, 0, 0, 1, 10000},
};

static void rule(void *ctx, const struct wire_seg *s, struct wire_fate *f)
{
	struct stage *st = ctx;

	if ((st->lost && !(st->scene->all && s->now_us == st->lost_us)) || !st->scene->lose(s))
		return;
	st->lost_us = s->now_us;
	st->lost = true;
	f->lost = true;
}

static bool on_accepted(void *ctx, struct tcp_conn *c)
{
	return true;
}

static void on_connected(void *ctx, struct tcp_conn *c)
{
	struct stage *st = ctx;

	for (uint32_t left = BYTES; left > 0;) {
		struct rte_mbuf *m = buf_alloc(st->pool);
		uint32_t len = RP_MIN(left, (uint32_t)tcp_mss(c));
		memset(rte_pktmbuf_append(m, (uint16_t)len), 'x', len);
		tcp_send(c, m);
		left -= len;
	}
	tcp_close(c);
}

static void on_received(void *ctx, struct tcp_conn *c, void *user, struct rte_mbuf *m)
{
	((struct stage *)ctx)->received += m->data_len;
	tcp_rx_consumed(c, m->data_len);
	rte_pktmbuf_free(m);
}

static void on_peer_closed(void *ctx, struct tcp_conn *c, void *user)
{
	tcp_close(c);
}

static void on_send_ready(void *ctx, struct tcp_conn *c, void *user)
{
}

static void on_closed(void *ctx, struct tcp_conn *c, void *user, enum tcp_close_reason why)
{
	((struct stage *)ctx)->closed += why == TCP_CLOSED_NORMAL;
}

static void set_up(struct stage *st)
{
	struct tcp_params p = {
		.ops = {st, on_accepted, on_connected, on_received, on_peer_closed, on_send_ready, on_closed},
		.pool = st->pool,
		.max_conns = 4,
		.max_syn = 4,
		.max_time_wait = 4,
		.rto_init_us = 200000,
		.timestamps = true,
		.window_scale = true,
		.seed = 1,
	};

	wire_init(&st->w, &(struct wire_params){.delay_us = 50, .mtu = 1500, .rule = rule, .ctx = st});
	wire_attach(&st->w, 0, &p, st->pool);
	wire_attach(&st->w, 1, &p, st->pool);
	rp_assert(tcp_listen(st->w.end[1].t, &(struct net_addr){0}, PORT) == 0);
}

static bool play(struct stage *st)
{
	const struct scene *sc = st->scene;
	int err;

	set_up(st);
	rp_assert(tcp_connect(st->w.end[0].t, &st->w.end[1].addr, PORT, 1000, NULL, &err) != NULL);
	uint64_t start = st->w.now.mono_us;
	while (st->closed < 2 && st->w.now.mono_us < start + 10000000)
		wire_step(&st->w, 20000);
	uint64_t took = st->w.now.mono_us - start;
	const struct tcp_counters *n = tcp_counters(st->w.end[0].t);
	bool ok = st->lost && st->closed == 2 && st->received == BYTES && took <= sc->within_us &&
		  n->fast_retransmits == sc->fast_retransmits && n->rtos == sc->rtos &&
		  n->tlp_probes == sc->tlp_probes && st->w.violations == 0;
	printf("%s lost: %s, %lu us, %lu fast recoveries, %lu timeouts, %lu probes\n", sc->name,
	       ok ? "mended" : "WRONG", took, n->fast_retransmits, n->rtos, n->tlp_probes);
	wire_fini(&st->w);
	return ok && rte_mempool_avail_count(st->pool) == st->pool->size;
}

int main(void)
{
	struct stage *st = calloc(1, sizeof(*st));
	int failed = 0;

	wire_eal_init("sim_rules");
	struct rte_mempool *pool = wire_pool("sim_rules", 2047);
	for (uint32_t i = 0; i < RP_ARRAY_LEN(scenes); i++) {
		memset(st, 0, sizeof(*st));
		st->scene = &scenes[i];
		st->pool = pool;
		failed += !play(st);
	}
	free(st);
	return failed != 0;
}
