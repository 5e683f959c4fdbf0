/* Tail loss probe, RFC 8985 section 7: when the end of a flight stays unanswered, one segment asks for an ACK long
 * before the retransmission timer would. The probe waits in the retransmission timer's place. */
#include "tcp/tcp_priv.h"

#define PTO_MIN_US 2000

bool tcp_tlp_wanted(const struct tcp_conn *c)
{
	return (c->flags & TCP_F_SACK) && !(c->flags & (TCP_F_RECOVERY | TCP_F_LOSS | TCP_F_TLP)) && c->backoff == 0 &&
	       c->state >= TCP_ESTABLISHED && c->in_flight > 0 && c->lost_segs == 0 && c->sacked_segs == 0 &&
	       c->srtt_us != 0;
}

/* A peer may hold back the ACK of a lone segment: tcp_rto_now() knows how long. */
static uint64_t pto_us(const struct tcp_conn *c)
{
	uint64_t rto = tcp_rto_now(c);
	uint32_t one = (c->flags & TCP_F_MTU_PROBE) ? tcp_conn_mss_at(c, c->mtu_probe) : tcp_conn_mss(c);

	if (c->in_flight <= one)
		return rto;
	return RP_MIN(rto, RP_MAX(2ULL * c->srtt_us, (uint64_t)PTO_MIN_US));
}

uint64_t tcp_tlp_due_us(const struct tcp_conn *c)
{
	uint64_t since = RP_MAX(c->last_tx_us, c->progress_us);
	return RP_MIN(since + pto_us(c), c->progress_us + tcp_rto_now(c));
}

void tcp_tlp_sent(struct tcp_conn *c, bool resent)
{
	c->t->count.tlp_probes++;
	c->tlp_end = c->snd_nxt;
	c->flags = (c->flags & ~TCP_F_TLP_RTX) | TCP_F_TLP | (resent ? TCP_F_TLP_RTX : 0);
}

/* Section 7.4.2 */
void tcp_tlp_acked(struct tcp_conn *c, const struct tcp_seg *s, const struct tcp_acked *a)
{
	if (!(c->flags & TCP_F_TLP) || tcp_seq_lt(s->ack, c->tlp_end))
		return;
	if (!(c->flags & TCP_F_TLP_RTX)) {
		c->flags &= ~TCP_F_TLP;
	} else if (a->dsack && a->dup.end == c->tlp_end) { /* the original had arrived: the peer only took its time */
		c->flags &= ~TCP_F_TLP;
		c->t->count.tlp_needless++;
		c->tlp_needless += c->tlp_needless < UINT8_MAX;
	} else if (tcp_seq_gt(s->ack, c->tlp_end)) { /* it mended a loss that nothing else will show */
		c->flags &= ~(TCP_F_TLP | TCP_F_UNDO);
		c->tlp_needless = 0;
		if (!(c->flags & (TCP_F_RECOVERY | TCP_F_LOSS))) {
			c->t->count.tlp_repairs++;
			c->t->cc->enter_recovery(c);
			tcp_ecn_reduced(c);
			c->t->cc->exit_recovery(c);
		}
	} else if (a->bytes == 0 && s->len == 0 && s->opts.nblocks == 0) {
		c->flags &= ~TCP_F_TLP;
	}
}
