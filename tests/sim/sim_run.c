/* One run: from the seed to the last buffer. */
#include "sim.h"

#include <stdio.h>

#define STEP_US  20000
#define PAUSE_US 1000000 /* while nobody wants anything, nor takes buffers */

/* ---- what may be under way ---- */

/* Beside the windows, which struct law_cwnd knows: what is under way is judged whenever data leaves, and must fit the
 * congestion window then, but for
 *   - the first repetition after a reduction for a loss, after a partial acknowledgement where there is no SACK
 *     (RFC 5681 section 3.2 step 2, RFC 6582 section 3.2 step 3) and after the path has become narrower
 *   - a tail loss probe (RFC 8985 section 7.3), which is counted
 * A duplicate ACK takes a segment out of what is under way, two at most before a recovery: that is limited transmit
 * (RFC 3042) and the inflation of the window in a recovery without SACK (RFC 5681 section 3.2 step 4). Nothing may
 * leave on top of what was already under way when the window shrank. */
#define LIMITED 2

struct flight {
	uint32_t cuts, mss;    /* seen */
	bool at_once;          /* one repetition may leave whatever the window says */
	bool counts;           /* since the connection knew of no duplicate ACK: */
	uint32_t dups, widest; /* so many have come, for segments of so many bytes at most */
	uint32_t ack;          /* the last one that came */
};

static struct {
	struct flight of[SIM_MAX_PAIRS][2];
	uint64_t over[2]; /* segments of this iteration that did not fit: each must be a probe */
} flights;

static struct flight *flight_of(const struct side *d)
{
	return &flights.of[d->pair->id][d->end];
}

static uint32_t pipe_of(const struct flight *f, const struct tcp_conn *c)
{
	uint32_t gone = c->dup_bytes;

	if (!(c->flags & TCP_F_RECOVERY))
		gone = RP_MIN(gone, LIMITED * RP_MAX(f->widest, (uint32_t)tcp_mss(c)));
	return c->in_flight - RP_MIN(c->in_flight, gone);
}

/* Before the law of the window has heard of it. */
static void flight_sent(struct side *d, const struct wire_seg *g)
{
	struct flight *f = flight_of(d);
	const struct tcp_conn *c = d->c;

	if (c == NULL || d->law.tally == NULL || g->len == 0)
		return;
	bool again = tcp_seq_lt(g->seq, d->law.sent_to),
	     loss = d->law.cut == LAW_CUT_FAST || d->law.cut == LAW_CUT_TIMEOUT;
	f->at_once |= (f->cuts != d->law.cuts && loss) || tcp_mss(c) < f->mss;
	f->cuts = d->law.cuts;
	f->mss = tcp_mss(c);
	bool excused = again && f->at_once && (c->flags & TCP_F_RTX_NOW);
	if (excused)
		f->at_once = false;
	flights.over[d->end] += pipe_of(f, c) > c->cwnd && !excused;
}

/* Several may arrive before the connection hears of the first, and it need not hear of all. */
static void flight_arrived(struct side *d, const struct wire_seg *g)
{
	struct flight *f = flight_of(d);
	const struct tcp_conn *c = d->c;

	if (c == NULL || d->law.tally == NULL || (c->flags & TCP_F_SACK) || !(g->flags & RTE_TCP_ACK_FLAG))
		return;
	uint32_t una = f->counts ? tcp_seq_max(f->ack, c->snd_una) : c->snd_una;
	if (tcp_seq_gt(g->ack, una))
		f->at_once |= (c->flags & TCP_F_RECOVERY) || f->dups >= TCP_DUPACK_THRESHOLD;
	else if (tcp_seq_geq(g->ack, c->snd_una) && g->len == 0)
		f->dups++;
	f->ack = tcp_seq_max(una, g->ack);
}

/* ---- what the wire shows ---- */

static struct side *side_of(struct sim *s, int end, uint16_t client_port)
{
	uint32_t i = client_port - (uint32_t)SIM_CLIENT_PORT;

	return i < s->pairs ? &s->pair[i].side[end] : NULL;
}

static void on_sent(void *ctx, const struct wire_seg *g, struct wire_fate *f)
{
	struct sim *s = ctx;
	struct side *d = side_of(s, g->from, g->from == 0 ? g->sport : g->dport);

	f->lost |= s->broken && g->from == 0 && g->train;
	if (d == NULL)
		return;
	d->syns += (g->flags & (RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG)) == RTE_TCP_SYN_FLAG;
	flight_sent(d, g);
	law_cwnd_sent(&d->law, d->c, g);
}

static void on_arrived(void *ctx, int to, const struct wire_seg *g)
{
	struct side *d = side_of(ctx, to, to == 0 ? g->dport : g->sport);

	if (d == NULL)
		return;
	flight_arrived(d, g);
	law_cwnd_arrived(&d->law, d->c, g);
}

/* ---- laws ---- */

static void check_flight(struct sim *s, struct side *d)
{
	const struct tcp_conn *c = d->c;
	struct flight *f = flight_of(d);
	uint32_t mss = tcp_mss(c);

	f->widest = RP_MAX(RP_MAX(mss, (uint32_t)d->mss), f->widest);
	if (f->counts && c->dup_bytes > f->dups * f->widest)
		sim_fail(s, "more has left the network than duplicate ACKs say");
	if (c->dup_bytes == 0) {
		f->ack = f->counts ? tcp_seq_max(f->ack, c->snd_una) : c->snd_una;
		f->counts = true;
		f->dups = f->widest = 0;
	}
	s->mss_lowered += d->mss != 0 && mss < d->mss;
	s->mss_raised += d->mss != 0 && mss > d->mss;
	d->mss = (uint16_t)mss;
}

/* tally: as of before this iteration. */
static void check_probes(struct sim *s, int end, const struct tcp *t, const struct law_tally *tally)
{
	if (t != NULL && flights.over[end] > tcp_counters(t)->tlp_probes - tally->probes)
		sim_fail(s, "more under way than cwnd allows");
	flights.over[end] = 0;
}

static void check_side(struct sim *s, struct side *d)
{
	const struct tcp_conn *c = d->c;
	const char *broken = law_conn(c);

	if (broken == NULL)
		broken = law_on_time(c, &d->clock);
	if (broken == NULL)
		broken = law_flow(c);
	if (c->state >= TCP_ESTABLISHED) {
		check_flight(s, d);
		broken = broken != NULL ? broken : law_cwnd_step(&d->law, c);
	}
	if (broken != NULL)
		sim_fail(s, broken);
	wire_trace(&s->w,
		   (uint64_t[]){(uint64_t)c->flags << 32 | c->state, (uint64_t)c->cwnd << 32 | c->ssthresh,
				(uint64_t)c->rto_us << 32 | c->srtt_us, c->deadline[0], c->deadline[1], c->deadline[2],
				c->deadline[3]},
		   7);
}

static void check_laws(struct sim *s)
{
	for (uint32_t i = 0; i < 2 * s->pairs; i++) {
		struct side *d = &s->pair[i / 2].side[i % 2];
		if (d->c != NULL)
			check_side(s, d);
	}
	for (int e = 0; e < 2; e++) {
		const struct tcp *t = s->w.end[e].t;
		check_probes(s, e, t, &s->tally[e]);
		const char *broken = t == NULL ? NULL : law_tally_step(&s->tally[e], t);
		if (t != NULL && broken == NULL)
			broken = law_time_wait(t);
		if (broken != NULL)
			sim_fail(s, broken);
	}
	sim_check_bound(s);
}

/* ---- the end ---- */

bool sim_over(const struct sim *s)
{
	for (int e = 0; e < 2; e++) {
		if (s->w.end[e].t == NULL)
			continue;
		const struct tcp_counters *n = tcp_counters(s->w.end[e].t);
		if (n->conns != 0 || n->syn_received != 0 || n->time_wait != 0)
			return false;
	}
	return true;
}

static void check_end(struct sim *s)
{
	if (!sim_over(s))
		sim_fail(s, "connections are left");
	sim_check_reasons(s);
	if (s->w.touched != 0)
		sim_fail(s, "a buffer was changed while the wire held it");
	if (s->w.violations != 0)
		sim_fail(s, "a receive window was overrun or shrank");
	for (int e = 0; e < 2; e++) {
		const struct wire_end *w = &s->w.end[e];
		if (wire_refused(&s->w, e) != w->spoilt)
			sim_fail(s, "not exactly the damaged frames were refused");
		if (w->t != NULL && w->tx_over > tcp_counters(w->t)->tlp_probes + s->former.tlp_probes)
			sim_fail(s, "new data went to a device that is full");
		if (w->t != NULL && (w->t->conns.in_use != 0 || w->t->sacks.in_use != 0 || w->t->tws.in_use != 0))
			sim_fail(s, "memory of connections is missing");
	}
}

static void check_buffers(struct sim *s)
{
	struct sim_world *w = s->world;
	struct heap_stats hs;

	for (int e = 0; e < 2; e++) {
		if (rte_mempool_avail_count(w->tx[e]) != w->tx[e]->size ||
		    rte_mempool_avail_count(w->rx[e]) != w->rx[e]->size)
			sim_fail(s, "buffers are missing");
	}
	heap_poll(w->values, UINT32_MAX);
	heap_stats_get(w->values, &hs);
	if (hs.blocks != 0)
		sim_fail(s, "values are missing");
}

static void add_up(struct sim_sum *sum, const struct sim *s)
{
	uint64_t bad_us = s->pair[0].bad_us;

	sim_add_counters(&sum->tcp, &s->former);
	for (int e = 0; e < 2; e++) {
		const struct wire_end *w = &s->w.end[e];
		sum->spoilt += w->spoilt;
		sum->tx_full += w->tx_full;
		sum->rx_dropped += w->rx_dropped;
		if (w->t == NULL)
			continue;
		sim_add_counters(&sum->tcp, tcp_counters(w->t));
		sum->shed += net_counters(w->net)->rx_shed;
	}
	sum->mss_lowered += s->mss_lowered;
	sum->mss_raised += s->mss_raised;
	sum->pauses += s->pauses;
	sum->ends[s->end]++;
	for (uint32_t i = 0; i < 2 * s->pairs; i++)
		sum->closed[s->pair[i / 2].side[i % 2].why] += s->pair[i / 2].side[i % 2].closed;
	if (bad_us != 0)
		sum->longest_us[s->end] = RP_MAX(sum->longest_us[s->end], s->w.now.mono_us - bad_us);
}

/* ---- the run ---- */

void sim_world_init(struct sim_world *w)
{
	struct err err;

	memset(w, 0, sizeof(*w));
	w->values = heap_create(&(struct heap_params){"values", 64 << 20, 0}, &err);
	rp_assert(w->values != NULL);
	for (int e = 0; e < 2; e++) {
		w->tx[e] = wire_pool(e ? "tx1" : "tx0", SIM_TX_BUFS);
		w->rx[e] = wire_pool(e ? "rx1" : "rx0", SIM_RX_BUFS);
	}
}

void sim_world_fini(struct sim_world *w)
{
	heap_destroy(w->values);
	for (int e = 0; e < 2; e++) {
		rte_mempool_free(w->tx[e]);
		rte_mempool_free(w->rx[e]);
	}
}

static void begin(struct sim *s, uint64_t seed)
{
	sim_choose(s, seed);
	s->wp.rule = on_sent;
	s->wp.arrived = on_arrived;
	s->wp.ctx = s;
	wire_init(&s->w, &s->wp);
	s->w.work = sim_work;
	s->w.work_ctx = s;
	for (int e = 0; e < 2; e++) {
		s->p[e].pool = s->world->tx[e];
		wire_attach(&s->w, e, &s->p[e], s->world->rx[e]);
		law_cwnd_watch(s->w.end[e].t);
	}
	sim_open_all(s);
}

bool sim_run(struct sim *s, struct sim_world *world, uint64_t seed, struct sim_sum *sum)
{
	s->world = world;
	memset(&flights, 0, sizeof(flights));
	begin(s, seed);
	while (!sim_over(s) && s->failed == NULL && s->w.now.mono_us < SIM_LIMIT_US) {
		sim_end_happens(s);
		wire_step(&s->w, sim_all_paused(s) && !s->starve ? PAUSE_US : STEP_US);
		check_laws(s);
	}
	check_end(s);
	add_up(sum, s);
	sim_release(world);
	wire_fini(&s->w);
	check_buffers(s);
	return s->failed == NULL;
}

static void tell_side(const struct side *d)
{
	static const char *const why[] = {"normal", "reset", "timeout", "refused", "aborted", "nomem"};

	printf("pair %u end %d: sent %lu/%lu received %lu/%lu held %lu, %s\n", d->pair->id, d->end, d->sent, d->to_send,
	       d->received, d->expect, d->held,
	       d->closed   ? why[d->why]
	       : d->opened ? "open"
			   : "never open");
}

void sim_tell(const struct sim *s)
{
	static const char *const end[] = {"normal", "dark", "gone", "reboot", "abort"};
	const struct wire_params *p = &s->wp;

	printf("loss %u dup %u reorder %u spoil %u ppm, delay %u us, mtu %u and %u changes, queue %u, device %u of %u "
	       "us, "
	       "%u pairs%s%s, end %s at %.3f s, over at %.3f s, trace %016lx\n",
	       p->loss_ppm, p->dup_ppm, p->reorder_ppm, p->spoil_ppm, p->delay_us, p->mtu, p->links, p->queue,
	       p->tx_ring, p->tx_us, s->pairs, s->starve ? ", starved" : "", s->broken ? ", broken device" : "",
	       end[s->end], (double)s->end_us / 1e6, (double)s->w.now.mono_us / 1e6, s->w.trace);
	for (int e = 0; e < 2; e++)
		printf("end %d: %s rcv_buf %u snd_buf %u ts %d ws %d sack %d ecn %d delack %u us keepalive %u s\n", e,
		       s->p[e].cc == TCP_CC_CUBIC ? "cubic" : "newreno", s->p[e].rcv_buf, s->p[e].snd_buf,
		       s->p[e].timestamps, s->p[e].window_scale, !s->p[e].no_sack, s->p[e].ecn, s->p[e].delack_us,
		       s->p[e].keepalive_idle_s);
	for (uint32_t i = 0; i < 2 * s->pairs; i++)
		tell_side(&s->pair[i / 2].side[i % 2]);
}
