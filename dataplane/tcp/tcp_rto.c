/* Retransmission timeout: RFC 6298 with a configured floor and ceiling. */
#include "tcp/tcp_priv.h"

#define RTO_AFTER_SYN_US 3000000u /* (5.7) */

void tcp_rto_init(struct tcp_conn *c)
{
	c->srtt_us = 0;
	c->rttvar_us = 0;
	c->rto_us = c->t->p.rto_init_us;
	c->backoff = 0;
}

void tcp_rto_sample(struct tcp_conn *c, uint32_t rtt_us)
{
	const struct tcp_params *p = &c->t->p;

	rtt_us = RP_MIN(RP_MAX(rtt_us, 1u), p->rto_max_us);
	if (c->srtt_us == 0) { /* (2.2) */
		c->srtt_us = rtt_us;
		c->rttvar_us = rtt_us / 2;
	} else { /* (2.3): alpha 1/8, beta 1/4 */
		uint32_t diff = rtt_us > c->srtt_us ? rtt_us - c->srtt_us : c->srtt_us - rtt_us;
		c->rttvar_us += diff / 4 - c->rttvar_us / 4;
		c->srtt_us += rtt_us / 8 - c->srtt_us / 8;
		c->srtt_us = RP_MAX(c->srtt_us, 1u);
	}
	/* A sample with each ACK lets the variance of a long path fade within a round trip (RFC 7323 appendix G). What
	 * it has to cover there at least is that the peer delays an ACK. */
	uint32_t least = RP_MAX((uint32_t)TCP_CLOCK_US, RP_MIN(c->srtt_us / 2, (uint32_t)TCP_PEER_DELACK_US));
	uint32_t rto = c->srtt_us + RP_MAX(least, 4 * c->rttvar_us);
	c->rto_us = RP_MIN(RP_MAX(rto, p->rto_min_us), p->rto_max_us);
}

void tcp_rto_sample_ts(struct tcp_conn *c, uint32_t tsecr)
{
	uint32_t ticks = tcp_ts_now(c->t, c->ts_off) - tsecr;

	if (ticks < c->t->p.rto_max_us / TCP_CLOCK_US)
		tcp_rto_sample(c, RP_MAX(ticks, 1u) * TCP_CLOCK_US);
}

/* How long the ACK of a short flight may take beside the round trip. */
static uint64_t peer_delay_us(const struct tcp_conn *c)
{
	const struct tcp_params *p = &c->t->p;

	if (!(c->flags & TCP_F_SACK) || c->tlp_needless >= TCP_TLP_NEEDLESS_MAX)
		return TCP_PEER_DELACK_US;
	return p->rto_min_us + p->delack_us; /* a peer like ourselves */
}

void tcp_rto_handshake(struct tcp_conn *c, const struct tcp_seg *s)
{
	bool cookie = c->flags & TCP_F_COOKIE; /* whatever it echoes, nobody knows when it was sent */

	if (c->probes == 0)
		tcp_rto_sample(c, (uint32_t)RP_MIN(tcp_now_us(c->t) - c->last_tx_us, (uint64_t)UINT32_MAX));
	else if (!cookie && (c->flags & TCP_F_TS) && (s->opts.has & TCP_OPT_HAS_TS))
		tcp_rto_sample_ts(c, s->opts.tsecr);
	if (c->srtt_us == 0 && c->backoff > 0)
		c->rto_us = RP_MIN(RP_MAX(c->t->p.rto_init_us, RTO_AFTER_SYN_US), c->t->p.rto_max_us);
}

void tcp_rto_double(struct tcp_conn *c)
{
	c->rto_us = (uint32_t)RP_MIN(2 * tcp_rto_now(c), (uint64_t)c->t->p.rto_max_us);
}

uint64_t tcp_rto_now(const struct tcp_conn *c)
{
	uint64_t rto = c->rto_us;

	/* A FIN is acknowledged at once. */
	if (c->state >= TCP_ESTABLISHED && c->in_flight < 2u * tcp_conn_mss(c) && c->snd_nxt != c->snd_end + 1)
		rto = RP_MAX(rto, peer_delay_us(c));
	return RP_MIN(rto, (uint64_t)c->t->p.rto_max_us);
}
