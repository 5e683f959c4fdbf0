/* Bad ends: a hole that never closes, a peer that disappears or comes back without a memory, users who reset. Whatever
 * it is, each connection ends within a bound, and nothing of it stays. */
#include "sim.h"

/* How long a side takes at most to give up: what it has sent stays unacknowledged, or the probes of its keepalive do,
 * or its SYN; a peer that still reaches us may have begun FIN_WAIT_2 anew meanwhile. Each is seen with the next timer.
 */
static uint64_t bound_us(const struct tcp_params *p)
{
	uint64_t user = p->user_timeout_ms * 1000ULL, rto = p->rto_max_us;
	uint64_t keep = (p->keepalive_idle_s + (p->keepalive_probes + 1ULL) * p->keepalive_intvl_s) * 1000000;

	return RP_MAX(2 * user + rto, keep) + (p->syn_retries + 1) * rto;
}

static void choose_impatience(struct sim *s)
{
	struct rng *r = &s->rng;

	for (int e = 0; e < 2; e++) {
		struct tcp_params *p = &s->p[e];
		p->syn_retries = 5;
		p->synack_retries = 4;
		p->user_timeout_ms = 1000 + (uint32_t)rng_below(r, 20000);
		p->keepalive_idle_s = 1 + (uint32_t)rng_below(r, 10);
		p->keepalive_intvl_s = 1 + (uint32_t)rng_below(r, 3);
		p->keepalive_probes = 1 + (uint32_t)rng_below(r, 4);
	}
}

static void choose_aborts(struct sim *s)
{
	struct rng *r = &s->rng;

	s->refuse = rng_below(r, 8) == 0;
	for (uint32_t i = 0; i < 2 * s->pairs; i++) {
		struct side *d = &s->pair[i / 2].side[i % 2];
		d->abort_at = rng_below(r, 2) ? 1 + rng_below(r, d->to_send + d->expect + 1) : 0;
	}
}

void sim_choose_end(struct sim *s)
{
	struct rng *r = &s->rng;

	if (rng_below(r, 6) != 0)
		return;
	s->end = (enum sim_end)(1 + rng_below(r, SIM_ENDS - 1));
	choose_impatience(s);
	for (uint32_t i = 0; i < 2 * s->pairs; i++)
		s->pair[i / 2].side[i % 2].pause_us = 0;
	s->wp.dark_us = 0;
	if (s->end == SIM_END_ABORT) {
		choose_aborts(s);
		return;
	}
	s->linger = rng_below(r, 2);
	s->victim = (int)rng_below(r, 2);
	s->end_us = 1000000 + rng_below(r, rng_below(r, 2) ? 40 * s->wp.delay_us : 3000000);
	s->back_us = s->end_us + rng_below(r, 3000000);
	if (s->end == SIM_END_DARK) {
		s->wp.dark_us = s->end_us;
		s->wp.dark_for_us = UINT64_MAX;
		s->wp.dark_from = (uint32_t)rng_below(r, 4);
	}
}

static void note_bad(struct sim *s)
{
	for (uint32_t i = 0; i < s->pairs; i++)
		s->pair[i].bad_us = s->w.now.mono_us;
}

void sim_add_counters(struct tcp_counters *sum, const struct tcp_counters *n)
{
#define TCP_COUNTER(name, help) sum->name += n->name;
#include "tcp/tcp_counters.def"
#undef TCP_COUNTER
}

static void disappear(struct sim *s)
{
	s->gone = true;
	sim_add_counters(&s->former, tcp_counters(s->w.end[s->victim].t));
	wire_detach(&s->w, s->victim);
}

/* Another life: new secrets, no connection, nobody listens yet. */
static void come_back(struct sim *s)
{
	s->back_us = 0;
	s->p[s->victim].seed++;
	s->tally[s->victim] = (struct law_tally){0};
	wire_attach(&s->w, s->victim, &s->p[s->victim], s->world->rx[s->victim]);
	law_cwnd_watch(s->w.end[s->victim].t);
}

void sim_end_happens(struct sim *s)
{
	uint64_t now = s->w.now.mono_us;

	if (s->end == SIM_END_NORMAL || s->end == SIM_END_ABORT || now < s->end_us)
		return;
	if (s->pair[0].bad_us == 0) {
		note_bad(s);
		if (s->end != SIM_END_DARK)
			disappear(s);
	}
	if (s->end == SIM_END_REBOOT && s->back_us != 0 && now >= s->back_us)
		come_back(s);
}

void sim_check_bound(struct sim *s)
{
	uint64_t now = s->w.now.mono_us;

	for (uint32_t i = 0; i < s->pairs; i++) {
		struct pair *p = &s->pair[i];
		for (int e = 0; e < 2 && p->bad_us != 0; e++) {
			if (p->side[e].c != NULL && now - p->bad_us > bound_us(&s->p[e]))
				sim_fail(s, "a connection has outlived its bound");
		}
	}
}

/* Both FINs done: all bytes arrived, ours there, too. */
static void check_normal(struct sim *s, const struct side *d)
{
	const struct side *peer = &d->pair->side[!d->end];

	if (d->received != d->expect || (peer->opened && peer->received != peer->expect))
		sim_fail(s, "bytes are missing");
}

static void check_reason(struct sim *s, const struct side *d)
{
	bool by_user = s->gone || s->end == SIM_END_ABORT;

	if (!d->opened && !d->closed && s->end != SIM_END_NORMAL)
		return; /* its SYN never came this far */
	if (!d->closed)
		sim_fail(s, "a connection did not end");
	else if (d->why == TCP_CLOSED_NORMAL)
		check_normal(s, d);
	else if (s->end == SIM_END_NORMAL || d->why == TCP_CLOSED_NOMEM || (d->why == TCP_CLOSED_ABORTED && !by_user))
		sim_fail(s, "a connection ended badly");
}

void sim_check_reasons(struct sim *s)
{
	for (uint32_t i = 0; i < 2 * s->pairs; i++)
		check_reason(s, &s->pair[i / 2].side[i % 2]);
}
