/* Path MTU. Down: a router's message (RFC 1191, believed only if it quotes data under way, RFC 5927), or full segments
 * that time out again and again while no message comes (a black hole, RFC 4821 section 7.7). Up: after a while one
 * segment probes for the interface's MTU, and after it is lost the next for a usual size below (RFC 4821 section 7). A
 * probe is data like any other, in a record of its own: nothing is sent for its sake. */
#include "tcp/tcp_priv.h"

#define MIN_IPV4           256 /* less would only make us waste packets */
#define MIN_IPV6           1280
#define BLACKHOLE_TIMEOUTS 3
#define BLACKHOLE_US       1000000
#define BLACKHOLE_SOONER   10 /* it may have been an outage */

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

static uint64_t retry_us(const struct tcp_conn *c)
{
	return c->t->p.pmtu_probe_ms * 1000ULL;
}

/* What is too long for the path is lost, and no sign of congestion. */
static void lower(struct tcp_conn *c, uint16_t mtu, uint64_t wait_us)
{
	if (c->mtu_retry_us == 0)
		c->mtu_full = c->path.mtu;
	c->path.mtu = mtu;
	c->mtu_next = c->mtu_full;
	c->mtu_probe = 0;
	c->mtu_retry_us = tcp_now_us(c->t) + wait_us;
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

/* ---- up ---- */

/* next: the size to try after this one; what is no larger than the size in use ends the search for a while. */
static void probe_failed(struct tcp_conn *c, uint16_t next)
{
	bool go_on = next > c->path.mtu;

	c->mtu_probe = 0;
	c->mtu_next = go_on ? next : c->mtu_full;
	c->mtu_retry_us = tcp_now_us(c->t) + (go_on ? 0 : retry_us(c));
}

/* A router tells what the probe under way was too long for. */
static void probe_too_long(struct tcp_conn *c, uint16_t mtu)
{
	for (struct rte_mbuf *m = c->snd_head; m != NULL && m != c->snd_new; m = buf_priv(m)->seg.next) {
		if ((buf_priv(m)->seg.flags & (TCP_SEG_PROBE | TCP_SEG_SACKED)) == TCP_SEG_PROBE)
			tcp_sendq_mark_lost(c, m);
	}
	probe_failed(c, mtu);
	tcp_conn_want_output(c);
}

void tcp_pmtu_probe_lost(struct tcp_conn *c)
{
	if (c->mtu_probe != 0)
		probe_failed(c, plateau_below(c, c->mtu_probe));
}

bool tcp_pmtu_only_probe_lost(const struct tcp_conn *c)
{
	struct rte_mbuf *m = c->rtx_hint;

	if (c->lost_segs != 1)
		return false;
	while (!(buf_priv(m)->seg.flags & TCP_SEG_LOST))
		m = buf_priv(m)->seg.next;
	return (buf_priv(m)->seg.flags & TCP_SEG_PROBE) != 0;
}

static void raise_to(struct tcp_conn *c, uint16_t mtu)
{
	c->path.mtu = mtu;
	c->mtu_probe = 0;
	c->mtu_next = c->mtu_full;
	c->mtu_retry_us = mtu < c->mtu_full ? tcp_now_us(c->t) + retry_us(c) : 0;
	c->cwnd = RP_MAX(c->cwnd, (uint32_t)tcp_conn_mss(c));
}

/* Section 7.4: only where what follows the probe shows its loss at once, and the windows have room for all of it. */
uint32_t tcp_pmtu_probe_due(struct tcp_conn *c)
{
	uint32_t mss = tcp_conn_mss(c), len = tcp_conn_mss_at(c, c->mtu_next);
	uint32_t all = len + TCP_DUPACK_THRESHOLD * mss;

	if (tcp_now_us(c->t) < c->mtu_retry_us || c->mtu_probe != 0 || c->lost_segs > 0 || c->sacked_segs > 0 ||
	    (c->flags & (TCP_F_RECOVERY | TCP_F_LOSS | TCP_F_TLP)) || c->snd_new == NULL)
		return 0;
	if (len <= mss) { /* the peer's own limit: no segment gets any longer */
		raise_to(c, c->mtu_next);
		return 0;
	}
	if (c->snd_end - c->snd_nxt < all || c->cwnd < all || (int32_t)(c->snd_una + c->snd_wnd - c->snd_nxt - all) < 0)
		return 0;
	return len;
}

void tcp_pmtu_probe_sent(struct tcp_conn *c)
{
	c->t->count.pmtu_probes++;
	c->mtu_probe = c->mtu_next;
}

void tcp_pmtu_probe_arrived(struct tcp_conn *c)
{
	if (c->mtu_probe == 0)
		return; /* taken for lost before */
	c->t->count.pmtu_raises++;
	raise_to(c, c->mtu_probe);
}

/* ---- down ---- */

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
	if (mtu >= c->path.mtu) {
		if (c->mtu_probe != 0 && mtu < c->mtu_probe)
			probe_too_long(c, mtu);
		return false;
	}
	t->count.pmtu_updates++;
	lower(c, mtu, retry_us(c));
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
	lower(c, mtu, retry_us(c) / BLACKHOLE_SOONER);
}
