/* A run's parameters from its seed. */
#include "sim.h"

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

static bool one_in(struct rng *r, uint32_t n)
{
	return rng_below(r, n) == 0;
}

static void choose_end(struct sim *s, int id)
{
	struct rng *r = &s->rng;

	s->p[id] = (struct tcp_params){
		.pmtu_probe_ms = 100u << rng_below(r, 10),
		.max_conns = SIM_MAX_PAIRS,
		.max_syn = 1 + (uint32_t)rng_below(r, SIM_MAX_PAIRS),
		.max_time_wait = SIM_MAX_PAIRS,
		.rcv_buf = 2000u << rng_below(r, 9),
		.snd_buf = 2000u << rng_below(r, 9),
		.rto_min_us = rng_below(r, 2) ? 5000 : 200000,
		.rto_max_us = 2000000,
		.rto_init_us = 200000,
		.delack_us = 1000u << rng_below(r, 7),
		.time_wait_ms = 40000, /* longer than a last FIN may be lost again and again */
		.syn_retries = 15,     /* or a handshake may end in plain loss */
		.synack_retries = 15,
		.user_timeout_ms = s->leisurely ? 1000000 : 300000, /* FIN_WAIT_2 waits for a peer that pauses */
		.timestamps = rng_below(r, 2),
		.window_scale = rng_below(r, 2),
		.no_sack = one_in(r, 4),
		.ecn = (enum tcp_ecn)rng_below(r, 3),
		.cc = rng_below(r, 2) ? TCP_CC_CUBIC : TCP_CC_NEWRENO,
		.seed = rng_next(r),
	};
	sim_ops(s, &s->p[id].ops);
	if (one_in(r, 4)) { /* a peer that lives answers one of so many probes */
		s->p[id].keepalive_idle_s = 1 + (uint32_t)rng_below(r, 20);
		s->p[id].keepalive_intvl_s = 1;
		s->p[id].keepalive_probes = 30;
	}
	struct tcp_lower *l = &s->p[id].lower;
	l->ext_bufs = rng_below(r, 2);
	if (rng_below(r, 2)) {
		l->train_bytes = 2000 + (uint32_t)rng_below(r, 63001);
		l->train_bufs = 8 + (uint32_t)rng_below(r, 57);
	}
}

/* The path shrinks, and perhaps grows again, several times. */
static void choose_links(struct sim *s)
{
	struct rng *r = &s->rng;
	struct wire_params *p = &s->wp;
	uint64_t at_us = 1000000;

	p->links = 1 + (uint32_t)rng_below(r, 5);
	for (uint32_t i = 0; i < p->links; i++) {
		at_us += rng_below(r, one_in(r, 3) ? 3000000 : 100000);
		p->link[i] = (struct wire_link){
			.at_us = at_us,
			.mtu = one_in(r, 3) ? p->mtu : (uint16_t)(576 + rng_below(r, p->mtu - 576u)),
			.silent = rng_below(r, 2),
		};
	}
}

/* A device that is slow, and stops now and then. */
static void choose_device(struct sim *s)
{
	struct rng *r = &s->rng;
	struct wire_params *p = &s->wp;

	p->tx_ring = 2u << rng_below(r, 6);
	p->tx_us = 1u << rng_below(r, 5);
	if (rng_below(r, 2)) {
		p->tx_stall_ppm = 5000;
		p->tx_stall_us = 100 + (uint32_t)rng_below(r, 2000);
	}
}

/* What befalls some runs beside plain loss. */
static void choose_trouble(struct sim *s)
{
	static const uint32_t spoil[] = {1000, 10000, 50000};
	struct rng *r = &s->rng;
	struct wire_params *p = &s->wp;

	if (one_in(r, 4))
		p->noise_us = p->delay_us;
	if (one_in(r, 4)) {
		p->burst_ppm = 2000;
		p->burst_us = 10u << rng_below(r, 12);
	}
	if (one_in(r, 4))
		p->ce_ppm = 20000;
	if (one_in(r, 4))
		p->spoil_ppm = spoil[rng_below(r, RP_ARRAY_LEN(spoil))];
	if (one_in(r, 4) && p->loss_ppm < 50000 && p->burst_us == 0) { /* or a handshake may end in it */
		p->dark_us = 1000000 + rng_below(r, 300000);
		p->dark_for_us = rng_below(r, 2000000);
	}
	if (one_in(r, 6))
		p->queue = 4 + (uint32_t)rng_below(r, 60);
	if (one_in(r, 6) && p->mtu > 600)
		choose_links(s);
	if (one_in(r, 6))
		choose_device(s);
}

/* What the users want. */
static void choose_users(struct sim *s)
{
	struct rng *r = &s->rng;

	s->leisurely = one_in(r, s->wp.links > 0 ? 4 : 30);
	s->chunk_max = rng_below(r, 2) ? 2048 : 100;
	s->read_ppm = rng_below(r, 3) ? 1000000 : 50000;
	s->pairs = 1 + (uint32_t)rng_below(r, SIM_MAX_PAIRS);
	for (uint32_t i = 0; i < 2 * s->pairs; i++) {
		struct side *d = &s->pair[i / 2].side[i % 2];
		d->to_send = size_of_transfer(r);
		/* Not before it has said something: a SYN cookie would not wait so long for a lost ACK. */
		d->pause_at = (d->to_send + 1) / 2;
		d->pause_us = s->leisurely && rng_below(r, 2) && d->to_send > 0 ? rng_below(r, 700000000) : 0;
		s->pair[i / 2].side[!(i % 2)].expect = d->to_send;
	}
}

void sim_choose(struct sim *s, uint64_t seed)
{
	static const uint32_t loss[] = {0, 0, 1000, 10000, 50000, 150000};
	struct rng *r = &s->rng;
	struct sim_world *world = s->world;

	memset(s, 0, sizeof(*s));
	s->world = world;
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
	choose_users(s);
	s->starve = one_in(r, 8);
	choose_end(s, 0);
	choose_end(s, 1);
	s->broken = one_in(r, 16);
	sim_choose_end(s);
}
