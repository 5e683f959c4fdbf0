/* How much one connection may hold: both buffers begin small and double when they are what keeps a long path from
 * being full, up to the configured size, and only while half of the packet buffers are free. On a short path the
 * smaller size is more than the path holds. */
#include "tcp/tcp_priv.h"

#define SHORT_PATH_US 500

static bool pool_has_half(const struct tcp *t)
{
	return rte_mempool_avail_count(t->p.pool) >= t->p.pool->size / 2;
}

/* The peer may delay its ACKs: the least round trip is what counts. */
static uint32_t round_trip_us(const struct tcp_conn *c)
{
	return c->min_rtt_us != 0 ? RP_MIN(c->srtt_us, c->min_rtt_us) : c->srtt_us;
}

void tcp_tune_start(struct tcp_conn *c)
{
	c->tune_us = (uint32_t)tcp_now_us(c->t);
	c->tune_seq = c->rcv_nxt;
}

/* A sender that the window holds back delivers all of it in each round trip. */
void tcp_tune_receive(struct tcp_conn *c)
{
	uint32_t rtt = round_trip_us(c), limit = tcp_rcv_limit(c);

	if (rp_likely(rtt < SHORT_PATH_US) || limit >= c->t->p.rcv_buf)
		return;
	uint32_t elapsed = (uint32_t)tcp_now_us(c->t) - c->tune_us;
	if (elapsed < rtt)
		return;
	uint64_t got = (uint64_t)(c->rcv_nxt - c->tune_seq) * rtt / elapsed;
	tcp_tune_start(c);
	if (got <= limit / 2 || !pool_has_half(c->t))
		return;
	c->rcv_grown++;
	c->t->count.rcv_grown++;
}

/* The user waits for room while the congestion window would let more than half of what is queued be under way. */
void tcp_tune_send(struct tcp_conn *c)
{
	uint32_t limit = tcp_snd_limit(c);

	if (c->cwnd <= limit / 2 || limit >= c->t->p.snd_buf || round_trip_us(c) < SHORT_PATH_US ||
	    !pool_has_half(c->t))
		return;
	c->snd_grown++;
	c->t->count.snd_grown++;
}

bool tcp_tune_ooo_full(const struct tcp_conn *c)
{
	const struct tcp *t = c->t;

	if (rp_likely(c->ooo_bufs < t->ooo_bufs_max))
		return false;
	uint32_t most = RP_MIN((uint32_t)t->ooo_bufs_max << c->rcv_grown, (uint32_t)UINT16_MAX);
	return c->ooo_bufs >= most || !pool_has_half(t);
}
