/* RACK, RFC 8985 section 6: a segment is lost when one that was sent after it has arrived and the time that reordering
 * may take is over. */
#include "tcp/tcp_priv.h"

#define REO_PERSIST    16       /* recoveries without a DSACK until the window shrinks again */
#define MIN_RTT_AGE_US 10000000 /* an older minimum no longer describes the path */

static inline struct buf_seg *rec(struct rte_mbuf *m)
{
	return &buf_priv(m)->seg;
}

static bool sent_after(uint64_t us1, uint32_t end1, uint64_t us2, uint32_t end2)
{
	return us1 > us2 || (us1 == us2 && tcp_seq_gt(end1, end2));
}

static void update_min_rtt(struct tcp_conn *c, uint32_t rtt_us)
{
	uint64_t now = tcp_now_us(c->t);

	if (c->min_rtt_us != 0 && rtt_us > c->min_rtt_us && now - c->min_rtt_at_us < MIN_RTT_AGE_US)
		return;
	c->min_rtt_us = RP_MAX(rtt_us, 1u);
	c->min_rtt_at_us = now;
}

/* Steps 1 to 3, for each segment that arrived. */
void tcp_rack_delivered(struct tcp_conn *c, const struct buf_seg *s, const struct tcp_acked *a)
{
	uint32_t rtt = (uint32_t)RP_MIN(tcp_now_us(c->t) - s->xmit_us, (uint64_t)UINT32_MAX);
	uint32_t end = s->seq + s->len;

	if (s->xmits > 1) { /* which transmission arrived? */
		if (a->has_ts && tcp_seq_lt(a->tsecr, (uint32_t)(s->xmit_us / TCP_CLOCK_US) + c->ts_off))
			return;
		if (rtt < c->min_rtt_us)
			return;
	} else {
		update_min_rtt(c, rtt);
		if (tcp_seq_lt(end, c->rack_fack))
			c->flags |= TCP_F_REORDER;
	}
	c->rack_fack = tcp_seq_max(c->rack_fack, end);
	if (c->rack_xmit_us == 0 || sent_after(s->xmit_us, end, c->rack_xmit_us, c->rack_end)) {
		c->rack_xmit_us = s->xmit_us;
		c->rack_end = end;
		c->rack_rtt_us = rtt;
	}
}

/* Step 4: the window grows with each round that shows a needless retransmission. */
void tcp_rack_adapt(struct tcp_conn *c, bool dsack)
{
	if ((c->flags & TCP_F_DSACK_ROUND) && tcp_seq_geq(c->snd_una, c->dsack_round))
		c->flags &= ~TCP_F_DSACK_ROUND;
	if (!dsack || (c->flags & TCP_F_DSACK_ROUND))
		return;
	c->flags |= TCP_F_DSACK_ROUND;
	c->dsack_round = c->snd_nxt;
	c->reo_mult += c->reo_mult < UINT8_MAX;
	c->reo_persist = REO_PERSIST;
}

void tcp_rack_recovered(struct tcp_conn *c)
{
	if (c->reo_persist > 0 && --c->reo_persist == 0)
		c->reo_mult = 0;
}

static uint32_t reo_wnd(const struct tcp_conn *c)
{
	if (!(c->flags & TCP_F_REORDER) &&
	    ((c->flags & (TCP_F_RECOVERY | TCP_F_LOSS)) || c->sacked_segs >= TCP_DUPACK_THRESHOLD))
		return 0;
	/* The RFC's bound is the round trip. On a short path what reorders is a host that is busy for longer than that:
	 * the window, which only DSACKs let grow so far, may reach half of the shortest timeout. */
	uint64_t most = RP_MAX(c->srtt_us, c->t->p.rto_min_us / 2);
	return (uint32_t)RP_MIN((uint64_t)(c->reo_mult + 1) * c->min_rtt_us / 4, most);
}

/* Step 5 */
bool tcp_rack_detect(struct tcp_conn *c)
{
	uint64_t now = tcp_now_us(c->t), wait = 0, patience = (uint64_t)c->rack_rtt_us + reo_wnd(c);
	uint32_t before = c->lost_segs;

	for (struct rte_mbuf *m = c->snd_head; m != NULL && m != c->snd_new; m = rec(m)->next) {
		struct buf_seg *s = rec(m);
		if (s->flags & (TCP_SEG_SACKED | TCP_SEG_LOST))
			continue;
		if (!sent_after(c->rack_xmit_us, c->rack_end, s->xmit_us, s->seq + s->len)) {
			/* First transmissions leave in order: all behind are younger. */
			if (s->xmits == 1 && !(c->flags & TCP_F_LOSS) && tcp_seq_geq(s->seq, c->rack_fack))
				break;
			continue;
		}
		if (s->xmit_us + patience <= now)
			tcp_sendq_mark_lost(c, m);
		else
			wait = RP_MAX(wait, s->xmit_us + patience);
	}
	if (wait != 0)
		tcp_timer_set(c, TCP_T_REO, wait);
	else
		tcp_timer_clear(c, TCP_T_REO);
	return c->lost_segs > before;
}

/* Section 6.3 */
void tcp_rack_timeout(struct tcp_conn *c)
{
	uint64_t now = tcp_now_us(c->t), patience = (uint64_t)c->rack_rtt_us + reo_wnd(c);

	if (c->snd_head != NULL && (rec(c->snd_head)->flags & TCP_SEG_SACKED))
		tcp_sack_reneged(c);
	for (struct rte_mbuf *m = c->snd_head; m != NULL && m != c->snd_new; m = rec(m)->next) {
		if (!(rec(m)->flags & TCP_SEG_SACKED) && (m == c->snd_head || rec(m)->xmit_us + patience <= now))
			tcp_sendq_mark_lost(c, m);
	}
	tcp_timer_clear(c, TCP_T_REO);
}
