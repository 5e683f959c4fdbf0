#include "stage.h"

#include <stdio.h>

#define BYTES       20000
#define AHEAD_BYTES 500000 /* what is queued at once: not all buffers */

uint64_t stage_us(const struct stage *st)
{
	return st->w.now.mono_us - STAGE_START;
}

bool stage_once(struct stage *st, const struct wire_seg *s)
{
	if (st->hits == 0)
		st->hit_us = s->now_us;
	return st->hits++ == 0;
}

bool stage_together(struct stage *st, const struct wire_seg *s)
{
	if (st->hits == 0)
		st->hit_us = s->now_us;
	if (s->now_us != st->hit_us)
		return false;
	st->hits++;
	return true;
}

/* ---- buffers and ends ---- */

void stage_hog(struct stage *st, struct rte_mempool *pool, uint32_t leave)
{
	uint32_t avail = rte_mempool_avail_count(pool);

	if (avail <= leave)
		return;
	rp_assert(rte_mempool_get_bulk(pool, st->hog + st->hogged, avail - leave) == 0);
	st->hogged += avail - leave;
	st->hog_pool = pool;
}

void stage_unhog(struct stage *st)
{
	if (st->hogged > 0)
		rte_mempool_put_bulk(st->hog_pool, st->hog, st->hogged);
	st->hogged = 0;
}

void stage_vanish(struct stage *st)
{
	st->gone = true;
	wire_detach(&st->w, 1);
}

void stage_return(struct stage *st)
{
	st->p[1].seed++;
	st->tally[1] = (struct law_tally){0};
	wire_attach(&st->w, 1, &st->p[1], st->rx);
	law_cwnd_watch(st->w.end[1].t);
}

/* ---- the users ---- */

static void send_all(struct stage *st)
{
	struct tcp_conn *c = st->actor[0].c;

	while (c != NULL && st->sent < st->bytes && tcp_unacked(c) < AHEAD_BYTES) {
		struct rte_mbuf *m = buf_alloc(st->tx);
		if (m == NULL)
			return;
		uint32_t len = RP_MIN(st->bytes - st->sent, (uint32_t)tcp_mss(c));
		memset(rte_pktmbuf_append(m, (uint16_t)len), 'x', len);
		st->sent += len;
		tcp_send(c, m);
	}
	if (c != NULL && st->sent == st->bytes && !st->scene->keep)
		tcp_close(c);
}

void stage_send(struct stage *st, uint32_t bytes)
{
	st->bytes += bytes;
	send_all(st);
}

static bool on_accepted(void *ctx, struct tcp_conn *c)
{
	struct stage *st = ctx;
	struct actor *a = &st->actor[1];

	if (st->refuses)
		return false;
	if (a->opened)
		st->wrong = "a connection was opened twice";
	a->c = c;
	a->opened = true;
	tcp_set_user(c, a);
	law_cwnd_begin(&a->law, c, &st->tally[1], 0);
	return true;
}

static void on_connected(void *ctx, struct tcp_conn *c)
{
	struct stage *st = ctx;
	struct actor *a = &st->actor[0];

	a->c = c;
	a->opened = true;
	law_cwnd_begin(&a->law, c, &st->tally[0], (uint32_t)a->syns - 1);
	send_all(st);
}

static void on_received(void *ctx, struct tcp_conn *c, void *user, struct rte_mbuf *m)
{
	struct actor *a = user;

	a->received += m->data_len;
	if (!((struct stage *)ctx)->deaf)
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
	struct actor *a = user;

	a->c = NULL;
	a->closed = true;
	a->why = why;
}

/* ---- the play ---- */

static void rule(void *ctx, const struct wire_seg *s, struct wire_fate *f)
{
	struct stage *st = ctx;
	struct actor *a = &st->actor[s->from];

	a->syns += (s->flags & (RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG)) == RTE_TCP_SYN_FLAG;
	law_cwnd_sent(&a->law, a->c, s);
	if (st->scene->rule != NULL)
		st->scene->rule(st, s, f);
}

static void arrived(void *ctx, int to, const struct wire_seg *s)
{
	struct actor *a = &((struct stage *)ctx)->actor[to];

	law_cwnd_arrived(&a->law, a->c, s);
}

static void act(void *ctx)
{
	struct stage *st = ctx;

	if (st->sent < st->bytes)
		send_all(st);
	if (st->scene->act != NULL)
		st->scene->act(st);
}

static void set_up(struct stage *st)
{
	st->bytes = BYTES;
	st->port = STAGE_PORT;
	st->wp = (struct wire_params){.delay_us = 50, .mtu = 1500, .rule = rule, .arrived = arrived, .ctx = st};
	for (int e = 0; e < 2; e++)
		st->p[e] = (struct tcp_params){
			.ops = {st, on_accepted, on_connected, on_received, on_peer_closed, on_send_ready, on_closed},
			.pool = st->tx,
			.max_conns = 4,
			.max_syn = 4,
			.max_time_wait = 4,
			.rto_init_us = 200000,
			.rto_max_us = STAGE_RTO_MAX,
			.timestamps = true,
			.window_scale = true,
			.seed = 1,
		};
	if (st->scene->set != NULL)
		st->scene->set(st);
	wire_init(&st->w, &st->wp);
	st->w.work = act;
	st->w.work_ctx = st;
	for (int e = 0; e < 2; e++) {
		wire_attach(&st->w, e, &st->p[e], st->rx);
		law_cwnd_watch(st->w.end[e].t);
	}
}

static void check_laws(struct stage *st)
{
	for (int e = 0; e < 2 && st->wrong == NULL; e++) {
		struct actor *a = &st->actor[e];
		const struct tcp *t = st->w.end[e].t;
		if (t == NULL)
			continue;
		st->wrong = law_time_wait(t);
		if (a->c != NULL && st->wrong == NULL)
			st->wrong = law_on_time(a->c, &a->clock);
		if (a->c != NULL && st->wrong == NULL)
			st->wrong = law_flow(a->c);
		if (a->c != NULL && st->wrong == NULL)
			st->wrong = law_conn(a->c);
		if (a->c != NULL && st->wrong == NULL)
			st->wrong = law_cwnd_step(&a->law, a->c);
		if (st->wrong == NULL)
			st->wrong = law_tally_step(&st->tally[e], t);
	}
}

/* Nobody knows of a connection any more, but for records in TIME_WAIT. */
static bool over(const struct stage *st)
{
	for (int e = 0; e < 2; e++) {
		const struct tcp *t = st->w.end[e].t;
		if (t != NULL && (tcp_counters(t)->conns != 0 || tcp_counters(t)->syn_received != 0))
			return false;
	}
	return true;
}

static void check_wants(struct stage *st)
{
	for (const struct want *w = st->scene->want; w < st->scene->want + STAGE_WANTS && w->name != NULL; w++) {
		if (st->w.end[w->end].t == NULL)
			continue;
		uint64_t is = *(const uint64_t *)((const char *)tcp_counters(st->w.end[w->end].t) + w->counter);
		if (is < w->least || is > w->most) {
			printf("%s of end %d: %lu\n", w->name, w->end, is);
			st->wrong = "another repair than it should be";
		}
	}
}

static void check_end(struct stage *st, uint64_t took_us)
{
	const struct scene *sc = st->scene;

	for (int e = 0; e < 2; e++) {
		const struct actor *a = &st->actor[e];
		if ((a->opened && !a->closed) || (a->closed && a->why != sc->why[e])) {
			printf("end %d: closed %d, reason %d\n", e, a->closed, a->why);
			st->wrong = "a connection did not end as it should";
		}
		if (wire_refused(&st->w, e) != st->w.end[e].spoilt)
			st->wrong = "not exactly the damaged frames were refused";
	}
	check_wants(st);
	if (!sc->part && st->actor[1].received != st->bytes)
		st->wrong = "bytes are missing";
	if (st->w.violations != 0 || st->w.touched != 0)
		st->wrong = "a window or a buffer was not kept";
	if (took_us > sc->within_us || took_us < sc->after_us)
		st->wrong = "it took another time";
	if (sc->rule != NULL && st->hits == 0)
		st->wrong = "the rule met nothing";
	if (sc->check != NULL && st->wrong == NULL)
		st->wrong = sc->check(st);
}

bool stage_play(struct stage *st, const struct scene *sc, struct rte_mempool *tx, struct rte_mempool *rx)
{
	int err;

	memset(st, 0, sizeof(*st));
	st->scene = sc;
	st->tx = tx;
	st->rx = rx;
	set_up(st);
	if (st->cookies)
		st->w.end[1].t->p.max_syn = 0;
	rp_assert(tcp_listen(st->w.end[1].t, &(struct net_addr){0}, st->port) == 0);
	rp_assert(tcp_connect(st->w.end[0].t, &st->w.end[1].addr, STAGE_PORT, 1000, &st->actor[0], &err) != NULL);
	while (!over(st) && st->wrong == NULL && stage_us(st) <= sc->within_us) {
		wire_step(&st->w, 20000);
		check_laws(st);
	}
	uint64_t took = stage_us(st);
	if (st->wrong == NULL)
		check_end(st, took);
	stage_unhog(st);
	wire_fini(&st->w);
	if (rte_mempool_avail_count(tx) != tx->size || rte_mempool_avail_count(rx) != rx->size)
		st->wrong = "buffers are missing";
	printf("%s: %s, %lu us\n", sc->name, st->wrong == NULL ? "right" : st->wrong, took);
	return st->wrong == NULL;
}
