#include "laws.h"

/* What waits for something has a timer or is on the output list, and the wheel looks in time. */
static const char *law_timers(const struct tcp_conn *c)
{
	uint64_t first = UINT64_MAX;

	if (!tcp_list_empty(&c->out_link))
		return NULL;
	for (int i = 0; i < TCP_TIMERS; i++) {
		if (c->deadline[i] != 0)
			first = RP_MIN(first, c->deadline[i]);
	}
	if (first != UINT64_MAX && (c->wheel_us == 0 || c->wheel_us > first))
		return "the wheel has lost a deadline";
	bool waits = c->snd_una != c->snd_nxt || c->snd_head != NULL || c->state < TCP_ESTABLISHED;
	if (waits && c->deadline[TCP_T_RTX] == 0)
		return "unacknowledged data and no timer";
	return NULL;
}

/* The counts of the queue are what its records say. */
static const char *law_queue(const struct tcp_conn *c)
{
	uint32_t in_flight = 0, lost = 0, sacked = 0, bytes = 0;

	for (struct rte_mbuf *m = c->snd_head; m != NULL; m = buf_priv(m)->seg.next) {
		const struct buf_seg *r = &buf_priv(m)->seg;
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

	for (struct rte_mbuf *m = c->ooo_head; m != NULL; m = buf_priv(m)->seg.next) {
		const struct buf_seg *r = &buf_priv(m)->seg;
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
	static const char *(*const law[])(const struct tcp_conn *) = {law_timers, law_queue, law_ooo, law_sequence};
	const char *broken = NULL;

	for (size_t i = 0; i < RP_ARRAY_LEN(law) && broken == NULL; i++)
		broken = law[i](c);
	return broken;
}
