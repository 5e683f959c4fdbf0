/* Explicit congestion notification, RFC 3168: agreed on in the handshake, then the network marks instead of dropping.
 * Only new data carries ECT (section 6.1.5). */
#include "tcp/tcp_priv.h"

#define BOTH (RTE_TCP_ECE_FLAG | RTE_TCP_CWR_FLAG)

bool tcp_ecn_wanted(const struct tcp *t, uint8_t flags)
{
	return t->p.ecn != TCP_ECN_OFF && (flags & (BOTH | RTE_TCP_SYN_FLAG)) == (BOTH | RTE_TCP_SYN_FLAG);
}

void tcp_ecn_syn_ack(struct tcp_conn *c, uint8_t flags)
{
	if (c->t->p.ecn == TCP_ECN_ON && (flags & BOTH) == RTE_TCP_ECE_FLAG)
		c->flags |= TCP_F_ECN;
}

uint8_t tcp_ecn_syn_flags(struct tcp_conn *c)
{
	/* Section 6.1.1.1: who swallows the first SYN may do so because of these bits. But it may as well have arrived:
	 * the peer's segments can be marked, and the marks are for us to echo (section 6.1.1). */
	if (c->probes > 0) {
		c->no_ect = true;
		return 0;
	}
	if (c->state == TCP_SYN_SENT)
		return c->t->p.ecn == TCP_ECN_ON ? BOTH : 0;
	return (c->flags & TCP_F_ECN) ? RTE_TCP_ECE_FLAG : 0;
}

void tcp_ecn_received(struct tcp_conn *c, const struct tcp_seg *s)
{
	if (s->flags & RTE_TCP_CWR_FLAG)
		c->flags &= ~TCP_F_ECE;
	if (s->ce) {
		c->t->count.ecn_ce_in++;
		c->flags |= TCP_F_ECE;
		tcp_conn_ack_now(c);
	}
}

/* Section 6.1.2: once per window of data, as for a loss, but nothing is sent again. What was under way counts as it was
 * before this ACK, which may be for all of it. The window is over when something behind its end is acknowledged: not
 * before has the peer seen our CWR, and up to then it goes on to echo. */
void tcp_ecn_acked(struct tcp_conn *c, const struct tcp_seg *s)
{
	if ((c->flags & TCP_F_CWR) && tcp_seq_gt(s->ack, c->cwr_end))
		c->flags &= ~TCP_F_CWR;
	if (!(s->flags & RTE_TCP_ECE_FLAG) || c->no_ect || (c->flags & (TCP_F_RECOVERY | TCP_F_LOSS | TCP_F_CWR)) ||
	    c->snd_una == c->snd_nxt)
		return;
	c->t->count.ecn_reductions++;
	c->t->cc->enter_recovery(c);
	c->cwr_end = c->snd_nxt;
	c->flags = (c->flags & ~TCP_F_UNDO) | TCP_F_CWR | TCP_F_CWR_DUE;
}
