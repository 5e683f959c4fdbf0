#include "laws.h"

/* The wheel is never early, and late by up to two ticks. */
#define LATE_US (2u << TCP_WHEEL_SHIFT)

static inline const struct buf_seg *rec(struct rte_mbuf *m)
{
	return &buf_priv(m)->seg;
}

/* Whoever is on the output list is served with the next iteration, and needs no timer until then. */
static bool waits_alone(const struct tcp_conn *c)
{
	return tcp_list_empty(&c->out_link);
}

/* ---- timers: what waits for something is looked at in time ---- */

static const char *law_wheel(const struct tcp_conn *c)
{
	uint64_t first = UINT64_MAX;

	for (int i = 0; i < TCP_TIMERS; i++) {
		if (c->deadline[i] != 0)
			first = RP_MIN(first, c->deadline[i]);
	}
	if (waits_alone(c) && first != UINT64_MAX && (c->wheel_us == 0 || c->wheel_us > first))
		return "the wheel has lost a deadline";
	return NULL;
}

/* Retransmission, probe, persist: all that is unacknowledged or unsent. */
static const char *law_rtx_timer(const struct tcp_conn *c)
{
	bool under_way = c->snd_una != c->snd_nxt;

	if (c->deadline[TCP_T_RTX] > tcp_now_us(c->t) + c->t->p.rto_max_us)
		return "the retransmission timer runs beyond its ceiling";
	if (!waits_alone(c))
		return NULL;
	bool waits = under_way || c->snd_head != NULL || c->state < TCP_ESTABLISHED;
	if (waits && c->deadline[TCP_T_RTX] == 0)
		return "unacknowledged data and no timer";
	if (c->state < TCP_ESTABLISHED)
		return NULL;
	if (!under_way && c->snd_new != NULL && !(c->flags & TCP_F_PERSIST))
		return "the window holds data back and the timer is no persist timer";
	if ((c->flags & TCP_F_FIN_QUEUED) && c->snd_new == NULL && c->snd_nxt == c->snd_end)
		return "a FIN was forgotten";
	return NULL;
}

/* What was received is acknowledged now or within the delay. */
static const char *law_ack_timer(const struct tcp_conn *c)
{
	if (c->deadline[TCP_T_DELACK] > tcp_now_us(c->t) + c->t->p.delack_us)
		return "an ACK is delayed beyond its time";
	if (c->state >= TCP_ESTABLISHED && waits_alone(c) && c->rcv_nxt != c->rcv_acked &&
	    c->deadline[TCP_T_DELACK] == 0)
		return "an ACK is owed and no timer runs";
	return NULL;
}

/* Has something arrived that was sent after s (RFC 8985 section 6.2 step 5)? If it arrived in the microsecond in which
 * it was sent, which only fuzzers bring about, what is sent again right then may be the younger. */
static bool overtaken(const struct tcp_conn *c, const struct buf_seg *s)
{
	if (s->flags & (TCP_SEG_SACKED | TCP_SEG_LOST))
		return false;
	return c->rack_xmit_us > s->xmit_us ||
	       (c->rack_xmit_us == s->xmit_us && (s->xmits == 1 || c->rack_rtt_us > 0) &&
		tcp_seq_gt(c->rack_end, s->seq + s->len));
}

/* Who was overtaken, and is not yet taken for lost, may still come until the reordering timer says otherwise. A timeout
 * has judged them all; then the next ACK looks again. */
static const char *law_reordering_timer(const struct tcp_conn *c)
{
	bool looked = c->sacked_segs > 0 || (c->flags & TCP_F_RECOVERY);

	if (!(c->flags & TCP_F_SACK) || !looked || (c->flags & TCP_F_LOSS) || !waits_alone(c) ||
	    c->deadline[TCP_T_REO] != 0)
		return NULL;
	for (struct rte_mbuf *m = c->snd_head; m != NULL && m != c->snd_new; m = rec(m)->next) {
		if (overtaken(c, rec(m)))
			return "a segment may be late or lost and no timer decides";
	}
	return NULL;
}

static const char *law_keep_timer(const struct tcp_conn *c)
{
	const struct tcp_params *p = &c->t->p;
	uint64_t most_us = RP_MAX(p->keepalive_idle_s, p->keepalive_intvl_s) * 1000000ULL;

	if (c->state < TCP_ESTABLISHED)
		return NULL;
	if (c->state == TCP_FIN_WAIT_2)
		most_us = p->user_timeout_ms * 1000ULL;
	else if (p->keepalive_idle_s == 0)
		return NULL;
	if (c->deadline[TCP_T_KEEP] == 0)
		return c->state == TCP_FIN_WAIT_2 ? "FIN_WAIT_2 without an end" : "no keepalive timer";
	if (c->deadline[TCP_T_KEEP] > tcp_now_us(c->t) + most_us)
		return "the keepalive timer runs too long";
	return NULL;
}

const char *law_on_time(const struct tcp_conn *c, struct law_clock *k)
{
	uint64_t now = tcp_now_us(c->t);

	for (int i = 0; i < TCP_TIMERS; i++) {
		if (k->deadline[i] != c->deadline[i]) {
			k->deadline[i] = c->deadline[i];
			k->since_us[i] = now;
		}
		if (c->deadline[i] != 0 && RP_MAX(c->deadline[i], k->since_us[i]) + LATE_US < now)
			return "a timer has not fired";
	}
	return NULL;
}

const char *law_time_wait(const struct tcp *t)
{
	if (tcp_list_empty(&t->tw_list))
		return NULL;
	const struct tcp_tw *w = rp_container_of(t->tw_list.next, struct tcp_tw, link);
	return w->expires_us + LATE_US < tcp_now_us(t) ? "a TIME_WAIT record has outlived its time" : NULL;
}

/* A probe for a larger path MTU that is due and waits for room holds back shorter segments, until what is under way has
 * been acknowledged. */
static bool probe_waits(const struct tcp_conn *c, uint32_t pipe)
{
	uint32_t len = c->mtu_retry_us != 0 ? tcp_pmtu_probe_len(c) : 0;

	return len > 0 && pipe > 0 && pipe + len > c->cwnd;
}

/* A probe that is under way is in the queue. */
static const char *law_probe(const struct tcp_conn *c)
{
	if (!(c->flags & TCP_F_MTU_PROBE))
		return NULL;
	for (struct rte_mbuf *m = c->snd_head; m != NULL && m != c->snd_new; m = rec(m)->next) {
		if ((rec(m)->flags & (TCP_SEG_PROBE | TCP_SEG_SACKED | TCP_SEG_LOST)) == TCP_SEG_PROBE &&
		    rec(m)->xmits == 1)
			return NULL;
	}
	return "a probe for a larger MTU has been forgotten";
}

/* What may leave has left: nobody waits for a timer who could go on. */
const char *law_flow(const struct tcp_conn *c)
{
	uint32_t pipe = c->in_flight - RP_MIN(c->in_flight, c->dup_bytes), mss = tcp_conn_mss(c);
	int32_t room = (int32_t)(c->snd_una + c->snd_wnd - c->snd_nxt);

	if (c->state < TCP_ESTABLISHED || !waits_alone(c))
		return NULL;
	if (c->lost_segs > 0 && pipe + mss <= c->cwnd)
		return "what is lost could be sent again";
	if (c->snd_new == NULL)
		return NULL;
	uint32_t len = RP_MIN((uint32_t)rec(c->snd_new)->len, mss);
	if (room >= (int32_t)len && (pipe == 0 || pipe + len <= c->cwnd) && !probe_waits(c, pipe))
		return "new data could be sent";
	return NULL;
}

/* ---- queues ---- */

/* The counts of the queue are what its records say. */
static const char *law_queue(const struct tcp_conn *c)
{
	uint32_t in_flight = 0, lost = 0, sacked = 0, bytes = 0;

	for (struct rte_mbuf *m = c->snd_head; m != NULL; m = rec(m)->next) {
		const struct buf_seg *r = rec(m);
		in_flight += (r->flags & TCP_SEG_INFLIGHT) ? r->len : 0;
		lost += (r->flags & TCP_SEG_LOST) != 0;
		sacked += (r->flags & TCP_SEG_SACKED) != 0;
		bytes += r->len;
	}
	if (in_flight != c->in_flight || lost != c->lost_segs || sacked != c->sacked_segs || bytes != c->snd_bytes)
		return "the send queue's counts are wrong";
	return NULL;
}

/* Out-of-order data is sorted, apart from each other, and inside of the window. */
static const char *law_ooo(const struct tcp_conn *c)
{
	uint32_t at = c->rcv_nxt, bytes = 0, bufs = 0;
	uint32_t most = RP_MIN((uint32_t)c->t->ooo_bufs_max << c->rcv_grown, (uint32_t)UINT16_MAX);

	for (struct rte_mbuf *m = c->ooo_head; m != NULL; m = rec(m)->next) {
		const struct buf_seg *r = rec(m);
		if (tcp_seq_lt(r->seq, at) || r->len == 0 || r->len != m->data_len)
			return "out-of-order data is not in order";
		at = r->seq + r->len;
		bytes += r->len;
		bufs++;
	}
	if (bufs > 0 && tcp_seq_gt(at, c->rcv_adv))
		return "out-of-order data beyond the window";
	if (bytes != c->ooo_bytes || bufs != c->ooo_bufs || bufs > most)
		return "the counts of out-of-order data are wrong";
	return NULL;
}

/* What the peer is told that we have, we have: it may forget it. */
static const char *law_blocks(const struct tcp_conn *c)
{
	for (uint32_t i = 0; i < c->nblocks; i++) {
		const struct tcp_block *b = &c->sack->block[i];
		uint32_t at = b->start;
		for (struct rte_mbuf *m = c->ooo_head; m != NULL && at != b->end; m = rec(m)->next) {
			if (tcp_seq_leq(rec(m)->seq, at) && tcp_seq_gt(rec(m)->seq + rec(m)->len, at))
				at = rec(m)->seq + rec(m)->len;
		}
		if (tcp_seq_lt(at, b->end))
			return "a SACK block tells of data that is not kept";
	}
	return NULL;
}

static const char *law_sequence(const struct tcp_conn *c)
{
	bool fin = c->flags & TCP_F_FIN_QUEUED;

	if (tcp_seq_gt(c->snd_una, c->snd_nxt) || tcp_seq_gt(c->snd_nxt, c->snd_end + fin))
		return "sequence numbers of what was sent are out of order";
	if (c->state >= TCP_ESTABLISHED && tcp_seq_gt(c->rcv_acked, c->rcv_nxt))
		return "more was acknowledged than received";
	return NULL;
}

const char *law_conn(const struct tcp_conn *c)
{
	static const char *(*const law[])(const struct tcp_conn *) = {
		law_wheel, law_rtx_timer, law_ack_timer, law_reordering_timer, law_keep_timer,
		law_probe, law_queue,     law_ooo,       law_blocks,           law_sequence,
	};
	const char *broken = NULL;

	for (size_t i = 0; i < RP_ARRAY_LEN(law) && broken == NULL; i++)
		broken = law[i](c);
	return broken;
}
