/* Arrival of a segment in a state behind SYN_SENT: the steps of RFC 9293 section 3.10.7.4, one function each. Each
 * returns false when the segment needs no further step. */
#include "tcp/tcp_priv.h"

/* Text or a FIN that comes near the window is sent again because our ACK was lost. Anything else may be forged, or be
 * the answer to such an answer of ours, for ever (RFC 5961 section 7): one in a while is enough for a peer that keeps
 * the connection alive, or has lost it. */
static void ack_unacceptable(struct tcp_conn *c, const struct tcp_seg *s)
{
	uint16_t now = (uint16_t)(tcp_now_us(c->t) >> TCP_INVALID_SHIFT | 1);
	bool near = s->seq - (c->rcv_nxt - c->t->p.rcv_buf) < 2 * c->t->p.rcv_buf;
	bool again = near && (s->len > 0 || (s->flags & RTE_TCP_FIN_FLAG)) && !(s->flags & RTE_TCP_SYN_FLAG);

	if (!again) {
		if (c->invalid_at != 0 && (uint16_t)(now - c->invalid_at) < c->t->p.invalid_us >> TCP_INVALID_SHIFT) {
			c->t->count.rate_limited++;
			return;
		}
		c->invalid_at = now;
	}
	tcp_conn_ack_now(c);
}

/* RFC 7323 section 5.3. A timestamp older than 24 days says nothing. */
static bool paws_ok(struct tcp_conn *c, const struct tcp_seg *s)
{
	if (!(c->flags & TCP_F_TS) || (s->flags & RTE_TCP_RST_FLAG))
		return true;
	if (!(s->opts.has & TCP_OPT_HAS_TS)) { /* lenient: middleboxes strip options */
		c->t->count.no_timestamp_in++;
		return true;
	}
	if (!c->ts_recent_valid || !tcp_seq_lt(s->opts.tsval, c->ts_recent) ||
	    tcp_now_us(c->t) - c->ts_recent_us > TCP_PAWS_IDLE_US)
		return true;
	c->t->count.drop_paws++;
	/* It may have been overtaken by younger segments: an ACK then says nothing, and data that arrived twice tells
	 * the peer that it sent again in vain (RFC 2883). */
	if (s->len == 0 && s->seq == c->rcv_nxt && !(s->flags & (RTE_TCP_SYN_FLAG | RTE_TCP_FIN_FLAG)))
		return false;
	if (s->len > 0 && tcp_seq_lt(s->seq, c->rcv_nxt) && tcp_seq_leq(s->seq + s->len, c->rcv_nxt))
		tcp_sack_dup(c, s->seq, s->seq + s->len);
	ack_unacceptable(c, s);
	return false;
}

/* RFC 7323 section 4.3 (2): only a segment that begins at or before what we last acknowledged. Its ACK is acceptable:
 * who guesses no more than where the window is does not choose what PAWS refuses. */
void tcp_ts_update(struct tcp_conn *c, const struct tcp_seg *s)
{
	if (!(c->flags & TCP_F_TS) || !(s->opts.has & TCP_OPT_HAS_TS) || !tcp_seq_leq(s->seq, c->rcv_acked))
		return;
	if (c->ts_recent_valid && tcp_seq_lt(s->opts.tsval, c->ts_recent) &&
	    tcp_now_us(c->t) - c->ts_recent_us <= TCP_PAWS_IDLE_US)
		return;
	c->ts_recent = s->opts.tsval;
	c->ts_recent_us = tcp_now_us(c->t);
	c->ts_recent_valid = 1;
}

static void unacceptable(struct tcp_conn *c, struct tcp_seg *s)
{
	if (s->flags & RTE_TCP_RST_FLAG) {
		c->t->count.drop_rst++;
		return;
	}
	if (s->len > 0 && tcp_seq_leq(tcp_seg_end(s), c->rcv_nxt)) {
		c->t->count.dup_in++;
		c->quick_acks = TCP_QUICK_ACKS;
		tcp_sack_dup(c, s->seq, s->seq + s->len);
	} else {
		c->t->count.drop_window++;
	}
	/* Our SYN-ACK was lost if the peer repeats its bare SYN. */
	if (c->state == TCP_SYN_RECEIVED && s->seq == c->irs &&
	    (s->flags & (RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG)) == RTE_TCP_SYN_FLAG) {
		if (tcp_output_syn(c))
			c->t->count.retransmits++;
		c->probes = RP_MAX(c->probes, 1u); /* which one will be answered? (RFC 6298 section 3) */
		return;
	}
	ack_unacceptable(c, s);
}

/* Leaves only what lies inside the window. A SYN or RST is not made any better by its text (RFC 5961 sections 3.2 and
 * 4.2): where it begins is what counts. */
static void trim_to_window(struct tcp_conn *c, struct tcp_seg *s)
{
	if (s->flags & (RTE_TCP_SYN_FLAG | RTE_TCP_RST_FLAG))
		return;
	if (tcp_seq_lt(s->seq, c->rcv_nxt)) {
		uint32_t old = RP_MIN(c->rcv_nxt - s->seq, s->len);
		rte_pktmbuf_adj(s->m, (uint16_t)old);
		s->seq += old;
		s->len -= old;
	}
	if (tcp_seq_gt(s->seq + s->len, c->rcv_adv)) {
		uint32_t over = s->seq + s->len - c->rcv_adv;
		rte_pktmbuf_trim(s->m, (uint16_t)over);
		s->len -= over;
		s->flags &= ~RTE_TCP_FIN_FLAG;
		c->t->count.drop_window++;
		tcp_conn_ack_now(c);
	}
}

/* First, the sequence number. A segment at the right edge of a closed window is let in for its ACK, RST or FIN. */
static bool step_sequence(struct tcp_conn *c, struct tcp_seg *s)
{
	uint32_t end = tcp_seg_end(s);

	if (!paws_ok(c, s))
		return false;
	if (tcp_seq_lt(end, c->rcv_nxt) || (end == c->rcv_nxt && end != s->seq) || tcp_seq_gt(s->seq, c->rcv_adv)) {
		unacceptable(c, s);
		return false;
	}
	c->last_rx_us = tcp_now_us(c->t);
	if (c->state != TCP_SYN_RECEIVED)
		c->probes = 0;
	trim_to_window(c, s);
	return true;
}

/* Second, RST: RFC 5961 section 3.2. */
static bool step_rst(struct tcp_conn *c, struct tcp_seg *s)
{
	if (!(s->flags & RTE_TCP_RST_FLAG))
		return true;
	if (s->seq != c->rcv_nxt) {
		c->t->count.drop_rst++;
		if (tcp_seq_gt(s->seq, c->rcv_nxt)) /* else it lies before the window, and only its text does not */
			tcp_challenge_ack(c);
		return false;
	}
	c->t->count.rst_in++;
	tcp_conn_kill(c, c->state == TCP_SYN_RECEIVED ? TCP_CLOSED_REFUSED : TCP_CLOSED_RESET);
	return false;
}

/* Fourth, SYN: RFC 5961 section 4.2. (Third would be security.) */
static bool step_syn(struct tcp_conn *c, struct tcp_seg *s)
{
	if (!(s->flags & RTE_TCP_SYN_FLAG))
		return true;
	c->t->count.drop_syn++;
	tcp_challenge_ack(c);
	return false;
}

/* The peer answers a cookie that it got before there was room for this half-open connection: go on from the cookie. */
static bool adopt_cookie(struct tcp_conn *c, const struct tcp_seg *s)
{
	struct tcp_opts o;
	bool ecn;

	if ((c->flags & TCP_F_ACTIVE) || s->seq != c->rcv_nxt || !tcp_cookie_check(c->t, s, &o, &ecn))
		return false;
	c->iss = c->snd_una = c->recover = s->ack - 1;
	c->snd_nxt = c->snd_end = s->ack;
	c->flags &= ~(TCP_F_TS | TCP_F_WS | TCP_F_SACK | TCP_F_ECN);
	c->flags |= TCP_F_COOKIE | (ecn ? TCP_F_ECN : 0);
	c->rcv_ws = c->snd_ws = 0;
	tcp_conn_negotiate(c, &o);
	c->probes = 1;
	return true;
}

static bool finish_handshake(struct tcp_conn *c, struct tcp_seg *s)
{
	struct tcp *t = c->t;

	if ((!tcp_seq_gt(s->ack, c->snd_una) || tcp_seq_gt(s->ack, c->snd_nxt)) && !adopt_cookie(c, s)) {
		t->count.drop_ack++;
		if (!tcp_cookie_in_use(t)) /* else it may come from a peer that got one */
			tcp_reply_rst(t, s);
		return false;
	}
	if ((c->flags & TCP_F_SYN_COUNTED) && t->count.conns >= t->p.max_conns) {
		t->count.drop_conn_limit++;
		tcp_conn_reset(c, TCP_CLOSED_ABORTED);
		return false;
	}
	tcp_rto_handshake(c, s);
	c->snd_una = c->iss + 1;
	c->snd_wnd = c->max_snd_wnd = (uint32_t)s->wnd << c->snd_ws;
	c->snd_wl1 = s->seq;
	c->snd_wl2 = s->ack;
	tcp_conn_establish(c);
	return !(c->flags & TCP_F_DEAD);
}

static void fin_acked(struct tcp_conn *c)
{
	switch (c->state) {
	case TCP_FIN_WAIT_1:
		c->state = TCP_FIN_WAIT_2;
		tcp_timer_keep_restart(c);
		break;
	case TCP_CLOSING:
		tcp_tw_enter(c);
		break;
	case TCP_LAST_ACK:
		if (c->flags & TCP_F_COOKIE) /* the cookie must not open it again */
			tcp_tw_enter(c);
		else
			tcp_conn_kill(c, TCP_CLOSED_NORMAL);
		break;
	default:
		break;
	}
}

/* Fifth, ACK. */
static bool step_ack(struct tcp_conn *c, struct tcp_seg *s)
{
	if (!(s->flags & RTE_TCP_ACK_FLAG)) {
		c->t->count.drop_no_ack++;
		return false;
	}
	if (c->state == TCP_SYN_RECEIVED && !finish_handshake(c, s))
		return false;
	if (!tcp_ack_process(c, s))
		return false;
	if (tcp_fin_acked(c))
		fin_acked(c);
	return !(c->flags & TCP_F_DEAD);
}

/* Acknowledge every second full segment (RFC 9293 section 3.8.6.3), the first ones at once, the rest within the
 * delay. What one iteration brings is acknowledged together at its end, but not while the peer's window is small: with
 * one ACK for a flight its loss, or that of the flight's last segment, would leave the peer nothing but its timer. */
static void plan_ack(struct tcp_conn *c)
{
	bool second = c->rcv_nxt - c->rcv_acked >= 2u * c->rcv_mss;

	if (c->quick_acks > 0) {
		c->quick_acks--;
		if (second)
			tcp_output_ack(c);
		else
			tcp_conn_ack_now(c);
	} else if (second || c->ooo_head != NULL) {
		tcp_conn_ack_now(c);
	} else if (c->deadline[TCP_T_DELACK] == 0) {
		tcp_timer_set(c, TCP_T_DELACK, tcp_now_us(c->t) + c->t->p.delack_us);
	}
}

static void deliver(struct tcp_conn *c, struct rte_mbuf *m)
{
	const struct tcp_ops *ops = &c->t->p.ops;
	uint32_t len = m->data_len;

	c->rcv_nxt += len;
	c->rcv_held += len;
	c->t->count.bytes_in += len;
	ops->received(ops->ctx, c, c->user, m);
}

void tcp_input_text_in_order(struct tcp_conn *c, struct tcp_seg *s)
{
	struct rte_mbuf *m = s->m;

	s->m = NULL;
	if (s->len > c->rcv_mss)
		c->rcv_mss = (uint16_t)s->len;
	deliver(c, m);
	if (rp_likely(!(c->flags & TCP_F_DEAD)))
		plan_ack(c);
}

static void fill_holes(struct tcp_conn *c)
{
	struct rte_mbuf *m;

	while (!(c->flags & TCP_F_DEAD) && (m = tcp_reass_pop(c)) != NULL) {
		tcp_conn_ack_now(c); /* RFC 5681 section 4.2: at once when a hole closes */
		deliver(c, m);
	}
	if (c->nblocks > 0)
		tcp_sack_prune(c);
}

static bool receiving(const struct tcp_conn *c)
{
	return c->state == TCP_ESTABLISHED || c->state == TCP_FIN_WAIT_1 || c->state == TCP_FIN_WAIT_2;
}

/* Seventh, the text. (Sixth is URG: the pointer is ignored and urgent bytes stay in line, RFC 6093.) */
static bool step_text(struct tcp_conn *c, struct tcp_seg *s)
{
	if (s->len == 0)
		return true;
	if (!receiving(c)) {
		c->t->count.drop_after_fin++;
		return false;
	}
	if (s->seq == c->rcv_nxt) {
		tcp_input_text_in_order(c, s);
		fill_holes(c);
		return !(c->flags & TCP_F_DEAD);
	}
	tcp_reass_insert(c, s);
	/* A sender that has lost something has a small window: it waits for each ACK until it has grown again. */
	c->quick_acks = TCP_QUICK_ACKS;
	/* Not put off to the end of the iteration: the peer counts duplicates (RFC 5681 section 4.2). */
	tcp_output_ack(c);
	return true;
}

static void peer_fin(struct tcp_conn *c)
{
	const struct tcp_ops *ops = &c->t->p.ops;

	c->flags &= ~TCP_F_OOO_FIN;
	c->rcv_nxt++;
	c->rcv_adv = tcp_seq_max(c->rcv_adv, c->rcv_nxt); /* a FIN needs no window: what follows begins behind it */
	tcp_conn_ack_now(c);
	if (c->state == TCP_ESTABLISHED)
		c->state = TCP_CLOSE_WAIT;
	else if (c->state == TCP_FIN_WAIT_1)
		c->state = TCP_CLOSING; /* our FIN would have been acknowledged in step five */
	bool time_wait = c->state == TCP_FIN_WAIT_2;
	ops->peer_closed(ops->ctx, c, c->user);
	if (time_wait && !(c->flags & TCP_F_DEAD))
		tcp_tw_enter(c);
}

/* Eighth, FIN; it waits for the data in front of it. */
static void step_fin(struct tcp_conn *c, bool fin, uint32_t fin_seq, bool text)
{
	if (!receiving(c)) {
		if (fin)
			tcp_conn_ack_now(c);
		return;
	}
	if (fin && !(c->flags & TCP_F_OOO_FIN)) {
		c->flags |= TCP_F_OOO_FIN;
		c->fin_seq = fin_seq;
		if (fin_seq != c->rcv_nxt && !text) /* else its ACK has left: the peer counts them */
			tcp_conn_ack_now(c);
	}
	if ((c->flags & TCP_F_OOO_FIN) && c->fin_seq == c->rcv_nxt)
		peer_fin(c);
}

void tcp_input_steps(struct tcp_conn *c, struct tcp_seg *s)
{
	if (!step_sequence(c, s) || !step_rst(c, s) || !step_syn(c, s) || !step_ack(c, s))
		return;
	if (c->flags & TCP_F_ECN)
		tcp_ecn_received(c, s);
	uint32_t fin_seq = s->seq + s->len; /* before the text is trimmed and given away */
	bool text = s->len > 0;
	if (step_text(c, s))
		step_fin(c, s->flags & RTE_TCP_FIN_FLAG, fin_seq, text);
}
