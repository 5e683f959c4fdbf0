/* Path MTU. Down: a router's message (RFC 1191, believed only if it quotes data under way, RFC 5927), or full segments
 * that time out again and again while no message comes (a black hole, RFC 4821 section 7.7). Up: after a while the
 * interface's MTU is tried again. */
#include "tcp/tcp_priv.h"

#define MIN_IPV4           256 /* less would only make us waste packets */
#define MIN_IPV6           1280
#define RETRY_US           600000000ULL /* RFC 1191 section 6.3 */
#define RETRY_BLACKHOLE_US 60000000ULL  /* it may have been an outage */
#define BLACKHOLE_TIMEOUTS 3
#define BLACKHOLE_US       1000000

/* RFC 1191 section 7, the larger half of it, and what RFC 4821 suggests to begin with */
static const uint16_t plateau[] = {8166, 4352, 2002, 1492, 1280, 1024, 576, 296};

static uint16_t least(const struct tcp_conn *c)
{
	return tcp_conn_is_ip4(c) ? MIN_IPV4 : MIN_IPV6;
}

/* The largest plateau below mtu; mtu itself if there is none. */
static uint16_t plateau_below(const struct tcp_conn *c, uint32_t mtu)
{
	for (uint32_t i = 0; i < RP_ARRAY_LEN(plateau); i++) {
		if (plateau[i] < mtu)
			return RP_MAX(plateau[i], least(c));
	}
	return (uint16_t)mtu;
}

/* What is too long for the path is lost, and no sign of congestion. */
static void lower(struct tcp_conn *c, uint16_t mtu, uint64_t retry_us)
{
	if (c->mtu_retry_us == 0)
		c->mtu_full = c->path.mtu;
	c->path.mtu = mtu;
	c->mtu_retry_us = tcp_now_us(c->t) + retry_us;
	uint32_t mss = tcp_conn_mss(c);
	for (struct rte_mbuf *m = c->snd_head; m != NULL && m != c->snd_new; m = buf_priv(m)->seg.next) {
		const struct buf_seg *s = &buf_priv(m)->seg;
		if (s->len > mss && !(s->flags & TCP_SEG_SACKED))
			tcp_sendq_mark_lost(c, m);
	}
	c->cwnd = RP_MAX(c->cwnd, mss);
	c->flags |= TCP_F_RTX_NOW;
	tcp_conn_want_output(c);
}

bool tcp_pmtu_update(struct tcp *t, const struct net_addr *local, uint16_t lport, const struct net_addr *remote,
		     uint16_t rport, uint32_t seq, uint16_t mtu)
{
	struct tcp_key k;

	tcp_key_set(&k, local, lport, remote, rport);
	struct tcp_conn *c = tcp_table_find(t, &k, tcp_key_hash(t, &k));
	if (c == NULL || tcp_entry_is_tw(c) || c->state < TCP_ESTABLISHED ||
	    seq - c->snd_una >= c->snd_nxt - c->snd_una) {
		t->count.drop_icmp++;
		return false;
	}
	mtu = mtu == 0 ? plateau_below(c, c->path.mtu)
		       : RP_MAX(mtu, least(c)); /* routers before RFC 1191 name no size */
	if (mtu >= c->path.mtu)
		return false;
	t->count.pmtu_updates++;
	lower(c, mtu, RETRY_US);
	return true;
}

void tcp_pmtu_timeout(struct tcp_conn *c)
{
	if (c->backoff < BLACKHOLE_TIMEOUTS || tcp_now_us(c->t) - c->progress_us < BLACKHOLE_US ||
	    c->snd_head == NULL || c->snd_head == c->snd_new)
		return;
	/* The next size that makes the head any shorter. */
	uint32_t head = buf_priv(c->snd_head)->seg.len + (tcp_conn_is_ip4(c) ? 40u : 60u);
	head += (c->flags & TCP_F_TS) ? TCP_OPT_TS_BYTES : 0;
	uint16_t mtu = plateau_below(c, RP_MIN(head, (uint32_t)c->path.mtu));
	if (mtu >= head || mtu >= c->path.mtu)
		return;
	c->t->count.pmtu_blackholes++;
	lower(c, mtu, RETRY_BLACKHOLE_US);
}

void tcp_pmtu_retry(struct tcp_conn *c)
{
	c->mtu_retry_us = 0;
	c->path.mtu = c->mtu_full;
	c->cwnd = RP_MAX(c->cwnd, (uint32_t)tcp_conn_mss(c));
}
