/* Retransmission timeout: RFC 6298 with a configured floor and ceiling. */
#include "tcp/tcp_priv.h"

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

/* How long the ACK of a short flight may take beside the round trip. */
static uint64_t peer_delay_us(const struct tcp_conn *c)
{
	const struct tcp_params *p = &c->t->p;

	if (!(c->flags & TCP_F_SACK) || c->tlp_needless >= TCP_TLP_NEEDLESS_MAX)
		return TCP_PEER_DELACK_US;
	return p->rto_min_us + p->delack_us; /* a peer like ourselves */
}

uint64_t tcp_rto_now(const struct tcp_conn *c)
{
	uint64_t rto = (uint64_t)c->rto_us << c->backoff;

	/* A FIN is acknowledged at once. */
	if (c->state >= TCP_ESTABLISHED && c->in_flight < 2u * tcp_conn_mss(c) && c->snd_nxt != c->snd_end + 1)
		rto = RP_MAX(rto, peer_delay_us(c));
	return RP_MIN(rto, c->t->p.rto_max_us);
}
