/* What an acknowledgement means: RFC 9293 section 3.10.7.4 step 5, RFC 6298 (round trip time), and what is lost: with
 * SACK as RACK says (RFC 8985), without it by counting duplicates (RFC 5681 and 6582). */
#include "tcp/tcp_priv.h"

/* States in which an ACK may say more than its number. */
#define SACK_WORK (TCP_F_RECOVERY | TCP_F_LOSS | TCP_F_TLP | TCP_F_DSACK_ROUND)

/* Karn's rule: a segment sent twice gives no sample, unless the timestamp tells which one was answered. */
static void sample_rtt(struct tcp_conn *c, const struct tcp_acked *a)
{
	if (!a->resent && a->xmit_us != 0) {
		tcp_rto_sample(c, (uint32_t)RP_MIN(tcp_now_us(c->t) - a->xmit_us, (uint64_t)UINT32_MAX));
	} else if (a->resent && a->has_ts) {
		tcp_rto_sample_ts(c, a->tsecr);
	}
}

static void retransmit_head(struct tcp_conn *c)
{
	if (c->snd_head != NULL && c->snd_head != c->snd_new) {
		tcp_sendq_fit(c, c->snd_head); /* without a buffer for that more is taken for lost than is */
		tcp_sendq_mark_lost(c, c->snd_head);
	}
	c->flags |= TCP_F_RTX_NOW;
	tcp_conn_want_output(c);
}

/* What is marked lost beyond the end of a recovery was sent while it went on: the loss of another window, which costs
 * another reduction. */
static void recovered(struct tcp_conn *c)
{
	tcp_rack_recovered(c);
	if (c->lost_segs == 0)
		return;
	tcp_recovery_enter(c);
	c->flags |= TCP_F_RTX_NOW;
}

/* RFC 6582 section 3.2 step 3. With SACK what is lost is known without guessing from partial ACKs. */
static void recovery_ack(struct tcp_conn *c, uint32_t bytes)
{
	uint32_t mss = tcp_conn_mss(c);

	if (tcp_seq_geq(c->snd_una, c->recover)) {
		c->flags &= ~TCP_F_RECOVERY;
		c->recover = c->snd_una - 1; /* nothing of this recovery is under way any more */
		c->dup_bytes = 0;
		c->dupacks = 0;
		c->t->cc->exit_recovery(c);
		recovered(c);
		return;
	}
	if (c->flags & TCP_F_SACK)
		return;
	/* All but the mended hole had left the network before, as duplicate ACKs told. */
	c->dup_bytes -= RP_MIN(c->dup_bytes, bytes > mss ? bytes - mss : 0);
	retransmit_head(c);
}

static void congestion_ack(struct tcp_conn *c, uint32_t bytes)
{
	if (c->flags & TCP_F_RECOVERY) {
		recovery_ack(c, bytes);
		return;
	}
	c->dupacks = 0;
	c->dup_bytes = 0;
	bool loss_over = (c->flags & TCP_F_LOSS) && tcp_seq_geq(c->snd_una, c->recover);
	if (tcp_seq_gt(c->snd_una, c->recover))
		c->recover = c->snd_una - 1; /* keeps up, or it would seem to be ahead after 2 GiB */
	if (c->flags & (TCP_F_CWND_LIMITED | TCP_F_LOSS))
		c->t->cc->acked(c, bytes);
	if (loss_over) {
		c->flags &= ~TCP_F_LOSS;
		recovered(c);
	}
}

static void new_ack(struct tcp_conn *c, const struct tcp_seg *s, struct tcp_acked *a)
{
	struct tcp *t = c->t;

	tcp_sendq_ack(c, s->ack, a);
	c->snd_una = s->ack;
	c->progress_us = tcp_now_us(t);
	c->backoff = 0;
	c->flags &= ~TCP_F_RTX_NOW;
	if (a->bytes > 0) {
		sample_rtt(c, a);
		tcp_recovery_check_undo(c, a);
		congestion_ack(c, a->bytes);
	}
	if (c->snd_una == c->snd_nxt)
		tcp_timer_clear(c, TCP_T_RTX);
	else
		tcp_timer_rtx_restart(c); /* RFC 6298 (5.3) */
	if (c->snd_new != NULL || c->lost_segs > 0)
		tcp_conn_want_output(c);
	t->p.lower.confirm(t->p.lower.ctx, &c->path);
}

/* RFC 5681 section 3.2; the first two let one new segment go each (RFC 3042), by dup_bytes, and no more where no
 * recovery may begin. */
static void dup_ack(struct tcp_conn *c)
{
	c->t->count.dup_acks_in++;
	if (c->flags & TCP_F_LOSS)
		return;
	if (c->dupacks < UINT8_MAX)
		c->dupacks++;
	bool begins = !(c->flags & TCP_F_RECOVERY) && c->dupacks == TCP_DUPACK_THRESHOLD &&
		      tcp_seq_gt(c->snd_una, c->recover);
	if ((c->flags & TCP_F_RECOVERY) || begins || c->dupacks < TCP_DUPACK_THRESHOLD)
		c->dup_bytes = RP_MIN(c->dup_bytes + tcp_conn_mss(c), c->in_flight);
	tcp_conn_want_output(c);
	if (!begins)
		return;
	tcp_recovery_enter(c);
	retransmit_head(c);
}

static bool is_dup_ack(const struct tcp_conn *c, const struct tcp_seg *s)
{
	return s->len == 0 && !(s->flags & RTE_TCP_FIN_FLAG) && c->snd_una != c->snd_nxt &&
	       c->snd_wnd == (uint32_t)s->wnd << c->snd_ws;
}

/* If this is too little to send, the persist timer runs on, and not longer than it would have: a window that opens and
 * closes by a crumb puts nothing off. */
static void window_opened(struct tcp_conn *c)
{
	uint64_t now = tcp_now_us(c->t), at = now + tcp_rto_now(c);

	c->backoff = 0;
	if (!(c->flags & TCP_F_FIN_QUEUED))
		c->progress_us = now;
	if (c->deadline[TCP_T_RTX] > at)
		tcp_timer_set(c, TCP_T_RTX, at);
}

static void update_window(struct tcp_conn *c, const struct tcp_seg *s)
{
	uint32_t wnd = (uint32_t)s->wnd << c->snd_ws;

	/* A retransmission is older by its sequence number than what came before, and yet has the newest window if it
	 * acknowledges more. */
	if (s->ack == c->snd_una && !tcp_seq_lt(c->snd_wl1, s->seq) &&
	    !(c->snd_wl1 == s->seq && tcp_seq_leq(c->snd_wl2, s->ack)))
		return;
	c->snd_wl1 = s->seq;
	c->snd_wl2 = s->ack;
	if (wnd == c->snd_wnd && s->ack == c->snd_una)
		return;
	c->snd_wnd = wnd;
	c->max_snd_wnd = RP_MAX(c->max_snd_wnd, wnd);
	if (c->snd_new == NULL)
		return;
	if ((c->flags & TCP_F_PERSIST) && wnd > 0)
		window_opened(c);
	tcp_conn_want_output(c);
}

static void tell_room(struct tcp_conn *c)
{
	const struct tcp_ops *ops = &c->t->p.ops;

	tcp_tune_send(c);
	if (tcp_send_room(c) == 0)
		return;
	c->flags &= ~TCP_F_WANT_ROOM;
	if (!(c->flags & TCP_F_FIN_QUEUED))
		ops->send_ready(ops->ctx, c, c->user);
}

/* What is behind the ACK when SACK is on. */
static void sack_ack(struct tcp_conn *c, const struct tcp_seg *s, const struct tcp_acked *a)
{
	if (a->bytes == 0) {
		if (a->sacked > 0 && a->xmit_us != 0)
			sample_rtt(c, a);
		tcp_recovery_check_undo(c, a);
	}
	tcp_tlp_acked(c, s, a);
	tcp_rack_adapt(c, a->dsack);
	if (a->sacked > 0) {
		c->t->count.dup_acks_in += a->bytes == 0;
		tcp_conn_want_output(c);
	}
	if (c->sacked_segs > 0 || (c->flags & (TCP_F_RECOVERY | TCP_F_LOSS)))
		tcp_loss_detect(c);
	/* Behind the last segment that is known to have arrived a probe may still be of use. */
	if ((c->flags & TCP_F_PTO) && c->snd_una != c->snd_nxt)
		tcp_timer_rtx_restart(c);
}

void tcp_loss_detect(struct tcp_conn *c)
{
	if (!tcp_rack_detect(c))
		return;
	if (c->flags & (TCP_F_RECOVERY | TCP_F_LOSS)) {
		/* goes on */
	} else if (rp_unlikely(tcp_pmtu_only_probe_lost(c))) {
		c->flags &= ~TCP_F_TLP; /* too long: no sign of congestion (RFC 4821 section 7.6.2) */
	} else {
		tcp_recovery_enter(c);
		c->flags |= TCP_F_RTX_NOW;
	}
	/* What is sent again now has a round trip, too, before the timer may speak (RFC 6675 section 6). */
	if (buf_priv(c->snd_head)->seg.flags & TCP_SEG_LOST)
		tcp_timer_rtx_restart(c);
	tcp_conn_want_output(c);
}

static void take_ack(struct tcp_conn *c, const struct tcp_seg *s)
{
	struct tcp_acked a = {0};

	a.has_ts = (c->flags & TCP_F_TS) && (s->opts.has & TCP_OPT_HAS_TS);
	a.tsecr = s->opts.tsecr;
	if ((c->flags & TCP_F_SACK) && s->opts.nblocks > 0)
		tcp_sack_blocks(c, s, &a);
	else if (!(c->flags & TCP_F_SACK) && s->ack == c->snd_una && is_dup_ack(c, s))
		dup_ack(c);
	update_window(c, s);
	if (rp_unlikely(c->flags & TCP_F_ECN))
		tcp_ecn_acked(c, s);
	if (s->ack != c->snd_una)
		new_ack(c, s, &a);
	if (rp_unlikely(c->t->tx_trial != 0))
		tcp_tx_judge(c, &a);
	if (rp_unlikely(a.probed))
		tcp_pmtu_probe_arrived(c);
	if (rp_unlikely((c->flags & TCP_F_SACK) && (c->flags & SACK_WORK || c->sacked_segs > 0 || a.dsack)))
		sack_ack(c, s, &a);
}

bool tcp_ack_process(struct tcp_conn *c, const struct tcp_seg *s)
{
	if (rp_unlikely(tcp_seq_lt(s->ack, c->snd_una) || tcp_seq_gt(s->ack, c->snd_nxt))) {
		if (tcp_seq_lt(s->ack, c->snd_una) && tcp_seq_geq(s->ack, c->snd_una - c->max_snd_wnd)) {
			tcp_ts_update(c, s);
			return true; /* late, but its text is welcome */
		}
		c->t->count.drop_ack++; /* RFC 5961 section 5.2 */
		tcp_challenge_ack(c);
		return false;
	}
	tcp_ts_update(c, s);
	take_ack(c, s);
	if (rp_unlikely(c->flags & TCP_F_WANT_ROOM))
		tell_room(c);
	return !(c->flags & TCP_F_DEAD);
}
