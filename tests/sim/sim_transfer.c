/* Whole connections over a bad wire, thousands of seeds: each byte arrives once and in order, each connection ends,
 * each buffer comes back, no window is overrun.
 *
 *   sim_transfer [--runs N] [--seed N]     --seed replays one run and tells its parameters
 */
#include "laws.h"
#include "wire.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#define PORT      6379
#define MAX_PAIRS 4
#define TX_BUFS   16383
#define LIMIT_US  (600ULL * 1000000)

/* Of a connection, as it was after the last iteration. */
struct law {
	bool known;
	uint32_t cwnd, una, in_flight, undo_cwnd;
	uint64_t undos;
};

struct side {
	struct tcp_conn *c;
	struct pair *pair;
	int end; /* 0: client */
	uint64_t to_send, sent;
	uint64_t received, held;
	uint64_t expect;
	bool peer_closed, closed, close_called;
	struct law law;
	enum tcp_close_reason why;
};

struct pair {
	struct sim *sim;
	uint32_t id;
	struct side side[2];
};

struct sim {
	uint64_t seed;
	struct rng rng;
	struct wire w;
	struct tcp_params p[2];
	struct wire_params wp;
	uint32_t pairs, accepted;
	struct pair pair[MAX_PAIRS];
	uint32_t chunk_max, read_ppm;
	bool starve; /* buffers run out now and then */
	bool broken; /* the device of end 0 spoils what it cuts into segments */
	const char *failed;
};

static struct rte_mempool *tx_pool[2], *rx_pool[2];
static struct heap *values; /* what is sent without a copy */

static void fail(struct sim *s, const char *why)
{
	if (s->failed == NULL)
		s->failed = why;
}

static uint8_t stream_byte(uint32_t pair, int from, uint64_t off)
{
	uint64_t x = (off / 8 + 1) * 0x9e3779b97f4a7c15ULL + pair * 77u + (unsigned)from * 1313u;
	x ^= x >> 29;
	return (uint8_t)(x >> (off % 8 * 8));
}

static bool on_accepted(void *ctx, struct tcp_conn *c)
{
	struct sim *s = ctx;
	struct net_addr l, r;
	uint16_t lport, rport;

	tcp_conn_addrs(c, &l, &lport, &r, &rport);
	struct side *side = &s->pair[rport - 1000].side[1];
	side->c = c;
	s->accepted++;
	tcp_set_user(c, side);
	return true;
}

static void on_connected(void *ctx, struct tcp_conn *c)
{
}

static void on_received(void *ctx, struct tcp_conn *c, void *user, struct rte_mbuf *m)
{
	struct side *d = user;
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);

	if (d->peer_closed || m->nb_segs != 1 || m->data_len == 0)
		fail(ctx, "data after FIN, or a wrong buffer");
	for (uint32_t i = 0; i < m->data_len; i++) {
		if (p[i] != stream_byte(d->pair->id, !d->end, d->received + i)) {
			fail(ctx, "wrong bytes");
			break;
		}
	}
	d->received += m->data_len;
	d->held += m->data_len;
	if (d->held > ((struct sim *)ctx)->p[d->end].rcv_buf)
		fail(ctx, "more delivered than the receive buffer");
	rte_pktmbuf_free(m);
}

static void on_peer_closed(void *ctx, struct tcp_conn *c, void *user)
{
	struct side *d = user;

	if (d->peer_closed || d->received != d->expect)
		fail(ctx, "FIN twice or before its data");
	d->peer_closed = true;
}

static void on_send_ready(void *ctx, struct tcp_conn *c, void *user)
{
}

static void on_closed(void *ctx, struct tcp_conn *c, void *user, enum tcp_close_reason why)
{
	struct side *d = user;

	if (d->closed)
		fail(ctx, "closed twice");
	d->closed = true;
	d->why = why;
	d->c = NULL;
}

/* A large value: what can be sent without copying it. The queue alone keeps it afterwards. */
static bool send_value(struct sim *s, struct side *d)
{
	size_t some = 1 + (size_t)rng_below(&s->rng, 100000), len = RP_MIN(some, (size_t)(d->to_send - d->sent));
	struct blob *b = blob_create(values, len);

	for (size_t i = 0; i < len; i++)
		b->data[i] = (char)stream_byte(d->pair->id, d->end, d->sent + i);
	uint32_t n = tcp_send_blob(d->c, b, 0, len);
	d->sent += n;
	blob_unref(b, values);
	return n > 0;
}

static void send_some(struct sim *s, struct side *d)
{
	bool attach = s->p[d->end].lower.ext_bufs;

	while (attach && d->sent < d->to_send && rng_below(&s->rng, 4) != 0)
		attach = send_value(s, d);
	while (d->sent < d->to_send && tcp_send_room(d->c) > 0) {
		struct rte_mbuf *m = buf_alloc(tx_pool[d->end]);
		if (m == NULL)
			return;
		uint32_t len = 1 + (uint32_t)rng_below(&s->rng, s->chunk_max);
		len = (uint32_t)RP_MIN((uint64_t)len, d->to_send - d->sent);
		uint8_t *to = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)len);
		for (uint32_t i = 0; i < len; i++)
			to[i] = stream_byte(d->pair->id, d->end, d->sent + i);
		d->sent += len;
		tcp_send(d->c, m);
	}
}

static void side_work(struct sim *s, struct side *d)
{
	if (d->c == NULL)
		return;
	send_some(s, d);
	if (d->held > 0 && rng_below(&s->rng, 1000000) < s->read_ppm) {
		uint32_t n = 1 + (uint32_t)rng_below(&s->rng, d->held);
		tcp_rx_consumed(d->c, n);
		d->held -= n;
	}
	if (d->sent == d->to_send && !d->close_called) {
		d->close_called = true;
		tcp_close(d->c);
	}
}

static void *hog[2][TX_BUFS];
static uint32_t hogged[2];

static void release(int e)
{
	rte_mempool_put_bulk(tx_pool[e], hog[e], hogged[e]);
	hogged[e] = 0;
}

/* Somebody else takes nearly all buffers, and gives them back some time later. */
static void starve(struct sim *s)
{
	int e = (int)rng_below(&s->rng, 2);
	uint32_t avail = rte_mempool_avail_count(tx_pool[e]);

	if (hogged[e] > 0 && rng_below(&s->rng, 8) == 0) {
		release(e);
	} else if (hogged[e] == 0 && rng_below(&s->rng, 32) == 0) {
		uint32_t n = avail - (uint32_t)rng_below(&s->rng, RP_MIN(avail, 4u) + 1);
		if (n > 0 && rte_mempool_get_bulk(tx_pool[e], hog[e], n) == 0)
			hogged[e] = n;
	}
}

static void work(void *ctx)
{
	struct sim *s = ctx;

	if (s->starve)
		starve(s);
	for (uint32_t i = 0; i < s->pairs; i++) {
		side_work(s, &s->pair[i].side[0]);
		side_work(s, &s->pair[i].side[1]);
	}
}

/* cwnd grows by no more than what was acknowledged, or back to where it was; what is sent fits it, but for one
 * retransmission and one probe. */
static void check_cwnd(struct sim *s, struct side *d)
{
	const struct tcp_conn *c = d->c;
	uint32_t mss = tcp_mss(c);
	struct law *l = &d->law, was = *l;
	uint64_t undos = tcp_counters(s->w.end[d->end].t)->undos;

	*l = (struct law){true, c->cwnd, c->snd_una, c->in_flight, c->undo_cwnd, undos};
	if (!was.known)
		return;
	uint64_t most = (uint64_t)was.cwnd + (c->snd_una - was.una) + mss;
	if (undos != was.undos)
		most += RP_MAX(was.undo_cwnd, c->undo_cwnd);
	if (c->cwnd > most || c->cwnd > TCP_CWND_MAX || c->cwnd < mss)
		fail(s, "cwnd breaks its law");
	uint32_t pipe = c->in_flight - RP_MIN(c->in_flight, c->dup_bytes);
	uint32_t fits = RP_MAX(RP_MAX(was.cwnd, c->cwnd) + 2 * mss, was.in_flight + mss);
	if (undos == was.undos && pipe > fits)
		fail(s, "more under way than cwnd allows");
}

static void check_laws(struct sim *s)
{
	for (uint32_t i = 0; i < 2 * s->pairs; i++) {
		struct side *d = &s->pair[i / 2].side[i % 2];
		if (d->c == NULL)
			continue;
		const char *broken = law_conn(d->c);
		if (broken != NULL)
			fail(s, broken);
		if (d->c->state >= TCP_ESTABLISHED)
			check_cwnd(s, d);
	}
}

static uint64_t size_of_transfer(struct rng *r)
{
	switch (rng_below(r, 4)) {
	case 0:
		return 0;
	case 1:
		return rng_below(r, 200);
	case 2:
		return rng_below(r, 10000);
	default:
		return rng_below(r, 150000);
	}
}

static void choose_end(struct sim *s, int id)
{
	struct rng *r = &s->rng;

	s->p[id] = (struct tcp_params){
		.ops = {.ctx = s,
			.accepted = on_accepted,
			.connected = on_connected,
			.received = on_received,
			.peer_closed = on_peer_closed,
			.send_ready = on_send_ready,
			.closed = on_closed},
		.pool = tx_pool[id],
		.max_conns = MAX_PAIRS,
		.max_syn = 1 + (uint32_t)rng_below(r, MAX_PAIRS),
		.max_time_wait = MAX_PAIRS,
		.rcv_buf = 2000u << rng_below(r, 9),
		.snd_buf = 2000u << rng_below(r, 9),
		.rto_min_us = rng_below(r, 2) ? 5000 : 200000,
		.rto_max_us = 2000000,
		.rto_init_us = 200000,
		.delack_us = 1000u << rng_below(r, 7),
		.time_wait_ms = 10000,
		.user_timeout_ms = 300000,
		.timestamps = rng_below(r, 2),
		.window_scale = rng_below(r, 2),
		.no_sack = rng_below(r, 4) == 0,
		.ecn = (enum tcp_ecn)rng_below(r, 3),
		.cc = rng_below(r, 2) ? TCP_CC_CUBIC : TCP_CC_NEWRENO,
		.seed = rng_next(r),
	};
	struct tcp_lower *l = &s->p[id].lower;
	l->ext_bufs = rng_below(r, 2);
	if (rng_below(r, 2)) {
		l->train_bytes = 2000 + (uint32_t)rng_below(r, 63001);
		l->train_bufs = 8 + (uint32_t)rng_below(r, 57);
	}
}

static bool drop_broken(void *ctx, const struct wire_seg *g)
{
	return ((struct sim *)ctx)->broken && g->from == 0 && g->train;
}

/* What befalls some runs beside plain loss. */
static void choose_trouble(struct sim *s)
{
	struct rng *r = &s->rng;
	struct wire_params *p = &s->wp;

	if (rng_below(r, 4) == 0)
		p->noise_us = p->delay_us;
	if (rng_below(r, 4) == 0) {
		p->burst_ppm = 2000;
		p->burst_us = 10u << rng_below(r, 12);
	}
	if (rng_below(r, 4) == 0)
		p->ce_ppm = 20000;
	if (rng_below(r, 4) == 0 && p->loss_ppm < 50000 && p->burst_us == 0) { /* or a handshake may end in it */
		p->dark_us = 1000000 + rng_below(r, 300000);
		p->dark_for_us = rng_below(r, 2000000);
	}
	if (rng_below(r, 6) == 0)
		p->queue = 4 + (uint32_t)rng_below(r, 60);
	if (rng_below(r, 6) == 0 && p->mtu > 600) {
		p->link_mtu = (uint16_t)(576 + rng_below(r, p->mtu - 576u));
		p->link_us = 1000000 + rng_below(r, 100000);
		p->link_silent = rng_below(r, 2);
	}
}

static void choose(struct sim *s, uint64_t seed)
{
	static const uint32_t loss[] = {0, 0, 1000, 10000, 50000, 150000};
	struct rng *r = &s->rng;

	memset(s, 0, sizeof(*s));
	s->seed = seed;
	rng_init(r, seed);
	s->wp = (struct wire_params){
		.seed = rng_next(r),
		.loss_ppm = loss[rng_below(r, RP_ARRAY_LEN(loss))],
		.dup_ppm = rng_below(r, 3) ? 0 : 20000,
		.reorder_ppm = rng_below(r, 2) ? 0 : 100000,
		.delay_us = 10u << rng_below(r, 10),
		.mtu = rng_below(r, 3) ? 1500 : (uint16_t)(200 + rng_below(r, 1300)),
	};
	s->wp.jitter_us = s->wp.delay_us * 4;
	choose_trouble(s);
	s->chunk_max = rng_below(r, 2) ? 2048 : 100;
	s->read_ppm = rng_below(r, 3) ? 1000000 : 50000;
	s->pairs = 1 + (uint32_t)rng_below(r, MAX_PAIRS);
	s->starve = rng_below(r, 8) == 0;
	choose_end(s, 0);
	choose_end(s, 1);
	s->broken = rng_below(r, 16) == 0;
	s->wp.drop = drop_broken;
	s->wp.ctx = s;
}

static bool over(const struct sim *s)
{
	for (uint32_t i = 0; i < s->pairs; i++) {
		if (!s->pair[i].side[0].closed || !s->pair[i].side[1].closed)
			return false;
	}
	return tcp_counters(s->w.end[0].t)->time_wait + tcp_counters(s->w.end[1].t)->time_wait == 0;
}

static void open_all(struct sim *s)
{
	int err;

	rp_assert(tcp_listen(s->w.end[1].t, &(struct net_addr){0}, PORT) == 0);
	for (uint32_t i = 0; i < s->pairs; i++) {
		struct pair *p = &s->pair[i];
		p->id = i;
		for (int e = 0; e < 2; e++) {
			p->side[e].pair = p;
			p->side[e].end = e;
			p->side[e].to_send = size_of_transfer(&s->rng);
		}
		p->side[0].expect = p->side[1].to_send;
		p->side[1].expect = p->side[0].to_send;
		p->side[0].c = tcp_connect(s->w.end[0].t, &s->w.end[1].addr, PORT, (uint16_t)(1000 + i), &p->side[0],
					   &err);
		rp_assert(p->side[0].c != NULL);
	}
}

static void check_end(struct sim *s)
{
	for (uint32_t i = 0; i < s->pairs; i++) {
		for (int e = 0; e < 2; e++) {
			struct side *d = &s->pair[i].side[e];
			if (!d->closed)
				fail(s, "a connection did not end");
			else if (d->why != TCP_CLOSED_NORMAL)
				fail(s, "a connection ended badly");
			else if (d->received != d->expect)
				fail(s, "bytes are missing");
		}
	}
	if (s->w.touched != 0)
		fail(s, "a buffer was changed while the wire held it");
	if (s->w.violations != 0)
		fail(s, "a receive window was overrun or shrank");
	for (int e = 0; e < 2; e++) {
		const struct tcp_counters *n = tcp_counters(s->w.end[e].t);
		if (n->conns != 0 || n->syn_received != 0 || n->time_wait != 0)
			fail(s, "connections are left");
	}
}

/* Sums over all runs: what a long series must have met to mean anything. */
static void add_up(struct tcp_counters *sum, const struct sim *s)
{
	for (int e = 0; e < 2; e++) {
		const struct tcp_counters *n = tcp_counters(s->w.end[e].t);
#define TCP_COUNTER(name, help) sum->name += n->name;
#include "tcp/tcp_counters.def"
#undef TCP_COUNTER
	}
}

static bool met_everything(const struct tcp_counters *n)
{
	printf("%lu segments, %lu retransmitted, %lu fast recoveries, %lu timeouts, %lu out of order, %lu probes, "
	       "%lu window updates, %lu delayed ACKs, %lu copies, %lu splits, %lu merges, %lu failed allocations, "
	       "%lu probes for tails, %lu of them needless, %lu undone recoveries, "
	       "%lu trains, %lu bytes attached, %lu cookies, %lu ECN reductions, %lu MTUs lowered by ICMP, %lu for a "
	       "black hole\n",
	       n->segs_out, n->retransmits, n->fast_retransmits, n->rtos, n->ooo_in, n->window_probes,
	       n->window_updates, n->delayed_acks, n->tx_copies, n->tx_splits, n->tx_merges, n->no_mbuf, n->tlp_probes,
	       n->tlp_needless, n->undos, n->trains_out, n->bytes_attached, n->cookies_good, n->ecn_reductions,
	       n->pmtu_updates, n->pmtu_blackholes);
	return n->fast_retransmits && n->rtos && n->ooo_in && n->window_probes && n->window_updates &&
	       n->delayed_acks && n->tx_copies && n->tx_splits && n->tx_merges && n->fast_path && n->no_mbuf &&
	       n->tlp_probes && n->tlp_repairs && n->tlp_needless && n->undos && n->dsacks_in && n->cookies_good &&
	       n->ecn_reductions && n->pmtu_updates && n->pmtu_blackholes && n->trains_out && n->bytes_attached;
}

static bool run(struct sim *s, uint64_t seed, struct tcp_counters *sum)
{
	choose(s, seed);
	wire_init(&s->w, &s->wp);
	s->w.work = work;
	s->w.work_ctx = s;
	wire_attach(&s->w, 0, &s->p[0], rx_pool[0]);
	wire_attach(&s->w, 1, &s->p[1], rx_pool[1]);
	open_all(s);
	while (!over(s) && s->failed == NULL && s->w.now.mono_us < LIMIT_US) {
		wire_step(&s->w, 20000);
		check_laws(s);
	}
	check_end(s);
	add_up(sum, s);
	release(0);
	release(1);
	wire_fini(&s->w);
	for (int e = 0; e < 2; e++) {
		if (rte_mempool_avail_count(tx_pool[e]) != tx_pool[e]->size ||
		    rte_mempool_avail_count(rx_pool[e]) != rx_pool[e]->size)
			fail(s, "buffers are missing");
	}
	struct heap_stats hs;
	heap_poll(values, UINT32_MAX);
	heap_stats_get(values, &hs);
	if (hs.blocks != 0)
		fail(s, "values are missing");
	return s->failed == NULL;
}

static void tell(const struct sim *s)
{
	printf("loss %u dup %u reorder %u ppm, delay %u us, mtu %u, %u pairs, ended at %.3f s\n", s->wp.loss_ppm,
	       s->wp.dup_ppm, s->wp.reorder_ppm, s->wp.delay_us, s->wp.mtu, s->pairs, s->w.now.mono_us / 1e6);
	for (int e = 0; e < 2; e++)
		printf("end %d: rcv_buf %u snd_buf %u ts %d ws %d delack %u us\n", e, s->p[e].rcv_buf, s->p[e].snd_buf,
		       s->p[e].timestamps, s->p[e].window_scale, s->p[e].delack_us);
	for (uint32_t i = 0; i < s->pairs; i++) {
		for (int e = 0; e < 2; e++) {
			const struct side *d = &s->pair[i].side[e];
			printf("pair %u end %d: sent %lu/%lu received %lu/%lu held %lu closed %d why %d\n", i, e,
			       d->sent, d->to_send, d->received, d->expect, d->held, d->closed, d->why);
		}
	}
}

int main(int argc, char **argv)
{
	static const struct option opts[] = {{"runs", 1, NULL, 'r'}, {"seed", 1, NULL, 's'}, {0}};
	uint64_t runs = 4000, first = 1;
	bool replay = false;
	int o;

	while ((o = getopt_long(argc, argv, "", opts, NULL)) != -1) {
		if (o == 'r') {
			runs = strtoull(optarg, NULL, 0);
		} else if (o == 's') {
			first = strtoull(optarg, NULL, 0);
			runs = 1;
			replay = true;
		} else {
			return 2;
		}
	}
	wire_eal_init("sim_transfer");
	struct err err;
	values = heap_create(&(struct heap_params){"values", 64 << 20, 0}, &err);
	rp_assert(values != NULL);
	for (int e = 0; e < 2; e++) {
		tx_pool[e] = wire_pool(e ? "tx1" : "tx0", TX_BUFS);
		rx_pool[e] = wire_pool(e ? "rx1" : "rx0", 8191);
	}
	struct sim *s = calloc(1, sizeof(*s));
	struct tcp_counters sum = {0};
	for (uint64_t seed = first; seed < first + runs; seed++) {
		bool ok = run(s, seed, &sum);
		if (!ok)
			printf("seed %lu: %s\n", seed, s->failed);
		if (!ok || replay)
			tell(s);
		if (!ok)
			return 1;
	}
	free(s);
	printf("%lu runs\n", runs);
	return met_everything(&sum) || runs < 1000 ? 0 : 1;
}
