/* Loss recovery: when it begins and ends, and taking it back when it was needless: RFC 3522 (Eifel, the timestamp shows
 * that the original arrived) and RFC 3708 (a DSACK for everything that was sent again). */
#include "tcp/tcp_priv.h"

static void remember(struct tcp_conn *c)
{
	c->undo_cwnd = c->cwnd;
	c->undo_ssthresh = c->ssthresh;
	c->undo_marker = c->snd_una;
	c->undo_rtx = 0;
	c->flags = (c->flags | TCP_F_UNDO) & ~TCP_F_EIFEL;
}

void tcp_recovery_enter(struct tcp_conn *c)
{
	c->t->count.fast_retransmits++;
	remember(c);
	c->t->cc->enter_recovery(c);
	tcp_ecn_reduced(c);
	c->flags |= TCP_F_RECOVERY;
	c->recover = c->snd_nxt;
}

void tcp_recovery_timeout(struct tcp_conn *c)
{
	if (c->backoff == 0 && !(c->flags & TCP_F_LOSS)) {
		if (!(c->flags & TCP_F_RECOVERY))
			remember(c);
		else
			c->flags &= ~TCP_F_UNDO; /* two reductions cannot be told apart any more */
	}
	c->t->cc->timeout(c, c->backoff == 0);
	tcp_ecn_reduced(c);
	c->dup_bytes = 0;
	c->dupacks = 0;
	c->recover = c->snd_nxt;
	c->flags = (c->flags & ~(TCP_F_RECOVERY | TCP_F_TLP)) | TCP_F_LOSS | TCP_F_RTX_NOW;
}

void tcp_recovery_resent(struct tcp_conn *c)
{
	if (!(c->flags & TCP_F_UNDO))
		return;
	if (c->undo_rtx == 0) {
		c->undo_ts = tcp_ts_now(c->t, c->ts_off);
		c->flags |= TCP_F_EIFEL;
	}
	c->undo_rtx++;
}

static void undo(struct tcp_conn *c)
{
	c->t->count.undos++;
	c->cwnd = RP_MAX(c->cwnd, c->undo_cwnd);
	c->ssthresh = RP_MAX(c->ssthresh, c->undo_ssthresh);
	c->t->cc->undo(c);
	c->flags &= ~(TCP_F_RECOVERY | TCP_F_LOSS | TCP_F_UNDO | TCP_F_EIFEL | TCP_F_RTX_NOW | TCP_F_CWND_LIMITED);
	c->dup_bytes = 0;
	c->dupacks = 0;
	c->backoff = 0;
	for (struct rte_mbuf *m = c->snd_head; c->lost_segs > 0 && m != NULL; m = buf_priv(m)->seg.next)
		tcp_sendq_unmark_lost(c, m);
	tcp_conn_want_output(c);
}

void tcp_recovery_check_undo(struct tcp_conn *c, const struct tcp_acked *a)
{
	if (!(c->flags & TCP_F_UNDO) || c->undo_rtx == 0)
		return;
	if (c->snd_una - c->undo_marker > 1u << 30) { /* long over */
		c->flags &= ~(TCP_F_UNDO | TCP_F_EIFEL);
		return;
	}
	/* Only the first ACK that moves on after the retransmission says which of the two it answers. */
	if ((c->flags & TCP_F_EIFEL) && a->bytes > 0) {
		c->flags &= ~TCP_F_EIFEL;
		if (a->has_ts && tcp_seq_lt(a->tsecr, c->undo_ts)) {
			undo(c);
			return;
		}
	}
	if (a->dsack && tcp_seq_geq(a->dup.start, c->undo_marker) && tcp_seq_leq(a->dup.end, c->snd_nxt)) {
		if (--c->undo_rtx == 0)
			undo(c);
	}
}
