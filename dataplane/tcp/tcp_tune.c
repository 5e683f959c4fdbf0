/* How much one connection may hold: both buffers begin small and double when they are what keeps a path from being
 * full, up to the configured size, and only while half of the packet buffers are free. */
#include "tcp/tcp_priv.h"

#define SHORT_PATH_US 500 /* the smaller send buffer is more than such a path holds */
/* No round trip counts as shorter when the window is judged: that two busy hosts take turns (a burst that waits for the
 * peer's CPU, one ACK for all of it) is no part of the least round trip, and yet the window must cover it. */
#define TUNE_LEAST_US 1000

/* Out-of-order data: a peer that leaves gaps pins a buffer with each byte. So each connection may have a share of what
 * is free now (dynamic thresholds, Choudhury and Hahne 1998), but for a part that is spared: however many peers do
 * that, buffers stay free for all others. When few are, who holds more than that share by now gives all of it back. */
#define OOO_SHARE  8  /* of the free ones */
#define OOO_SPARED 32 /* of all */
#define OOO_LOW    8  /* of all: fewer free ones are few */
#define OOO_SLICE  256

static bool pool_has_half(const struct tcp *t)
{
	return t->bufs_free >= t->p.pool->size / 2;
}

static uint32_t ooo_share(const struct tcp *t)
{
	uint32_t spared = t->p.pool->size / OOO_SPARED;
	return t->bufs_free > spared ? (t->bufs_free - spared) / OOO_SHARE : 0;
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

/* What came in the last round trip is half of what a sender in slow start has under way now, and a quarter of what it
 * wants to have when it hears of this window. */
void tcp_tune_receive(struct tcp_conn *c)
{
	uint32_t rtt = RP_MAX(round_trip_us(c), (uint32_t)TUNE_LEAST_US), limit = tcp_rcv_limit(c);
	uint32_t elapsed = (uint32_t)tcp_now_us(c->t) - c->tune_us;

	if (rp_likely(elapsed < rtt) || limit >= c->t->p.rcv_buf)
		return;
	uint64_t got = c->rcv_nxt - c->tune_seq;
	tcp_tune_start(c);
	while (got * rtt > (uint64_t)limit / 4 * elapsed && limit < c->t->p.rcv_buf && pool_has_half(c->t)) {
		c->rcv_grown++;
		c->t->count.rcv_grown++;
		limit = tcp_rcv_limit(c);
	}
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

	if (rp_likely(pool_has_half(t)))
		return c->ooo_bufs >= RP_MIN((uint32_t)t->ooo_bufs_max << c->rcv_grown, (uint32_t)UINT16_MAX);
	return c->ooo_bufs >= RP_MIN(ooo_share(t), (uint32_t)t->ooo_bufs_max);
}

/* A slice of the connections: what one gives back is the others' share, too, so no more is taken than must be. */
static void take_back(struct tcp *t)
{
	const void *key;
	void *entry;

	for (uint32_t i = 0; i < OOO_SLICE; i++) {
		if (rte_hash_iterate(t->table, &key, &entry, &t->ooo_scan) < 0) {
			t->ooo_scan = 0;
			return;
		}
		struct tcp_conn *c = entry;
		if (tcp_entry_is_tw(entry) || c->ooo_bufs <= ooo_share(t))
			continue;
		t->bufs_free += c->ooo_bufs;
		t->count.drop_ooo_low += c->ooo_bufs;
		tcp_reass_renege(c);
	}
}

void tcp_tune_poll(struct tcp *t)
{
	t->bufs_us = tcp_now_us(t);
	t->bufs_free = rte_mempool_avail_count(t->p.pool);
	if (rp_unlikely(t->bufs_free < t->p.pool->size / OOO_LOW && t->ooo_bufs > 0))
		take_back(t);
}
