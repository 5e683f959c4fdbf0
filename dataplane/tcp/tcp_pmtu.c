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
#define PROBE_GAIN         8  /* a probe shorter than what is wanted is longer than the MSS by this part of it */

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
	c->flags &= ~TCP_F_MTU_PROBE;
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

void tcp_pmtu_init(struct tcp_conn *c)
{
	uint16_t full = c->t->p.lower.mtu;

	if (full <= c->path.mtu)
		return;
	c->mtu_full = c->mtu_next = full;
	c->mtu_retry_us = tcp_now_us(c->t) + retry_us(c);
}

/* next: the size to try after this one; what is no larger than the size in use ends the search for a while. Without
 * SACK each lost probe costs a recovery: one at a time. */
static void probe_failed(struct tcp_conn *c, uint16_t next)
{
	bool go_on = next > c->path.mtu && next < c->mtu_probe;
	bool at_once = go_on && (c->flags & TCP_F_SACK);

	c->flags &= ~TCP_F_MTU_PROBE;
	c->mtu_next = go_on ? next : c->mtu_full;
	c->mtu_retry_us = tcp_now_us(c->t) + (at_once ? 0 : retry_us(c));
}

/* The probe under way if that is what seq belongs to. */
static struct rte_mbuf *probe_at(const struct tcp_conn *c, uint32_t seq)
{
	for (struct rte_mbuf *m = c->snd_head; m != NULL && m != c->snd_new; m = buf_priv(m)->seg.next) {
		const struct buf_seg *s = &buf_priv(m)->seg;
		if (seq - s->seq < s->len)
			return (c->flags & TCP_F_MTU_PROBE) && (s->flags & TCP_SEG_PROBE) ? m : NULL;
	}
	return NULL;
}

/* A router tells what the probe under way was too long for; 0: it does not say. */
static void probe_too_long(struct tcp_conn *c, struct rte_mbuf *m, uint16_t mtu)
{
	if (buf_priv(m)->seg.flags & TCP_SEG_SACKED)
		return;
	tcp_sendq_mark_lost(c, m);
	if (tcp_pmtu_only_probe_lost(c))
		c->flags &= ~TCP_F_TLP;
	probe_failed(c, mtu == 0 ? plateau_below(c, c->mtu_probe) : mtu);
	tcp_conn_want_output(c);
}

void tcp_pmtu_probe_lost(struct tcp_conn *c)
{
	if (c->flags & TCP_F_MTU_PROBE)
		probe_failed(c, plateau_below(c, c->mtu_probe));
}

void tcp_pmtu_probe_found(struct tcp_conn *c)
{
	c->flags |= c->mtu_probe != 0 ? TCP_F_MTU_PROBE : 0;
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

/* The peer's own limit may be below what the path carries. */
static void raise_to(struct tcp_conn *c, uint16_t mtu)
{
	if (tcp_conn_mss_at(c, mtu) == tcp_conn_mss_at(c, c->mtu_full))
		mtu = c->mtu_full;
	c->path.mtu = mtu;
	c->mtu_probe = 0;
	c->flags &= ~TCP_F_MTU_PROBE;
	c->mtu_next = c->mtu_full;
	c->mtu_retry_us = mtu < c->mtu_full ? tcp_now_us(c->t) + retry_us(c) : 0;
	c->cwnd = RP_MAX(c->cwnd, (uint32_t)tcp_conn_mss(c));
}

static uint32_t probe_room(const struct tcp_conn *c)
{
	int32_t wnd = (int32_t)(c->snd_una + c->snd_wnd - c->snd_nxt);
	uint32_t queued = c->snd_end - buf_priv(c->snd_new)->seg.seq;

	return wnd <= 0 ? 0 : RP_MIN(RP_MIN(queued, (uint32_t)wnd), c->cwnd);
}

/* Section 7.4: what follows a probe shows its loss at once. A connection whose flights are too short for that gets a
 * size that they have room for; where even that is none, all that is queued becomes the probe, and a tail loss probe
 * finds out. */
uint32_t tcp_pmtu_probe_len(const struct tcp_conn *c)
{
	const uint32_t quiet = TCP_F_RECOVERY | TCP_F_LOSS | TCP_F_TLP | TCP_F_MTU_PROBE;

	if (tcp_now_us(c->t) < c->mtu_retry_us || c->lost_segs > 0 || c->sacked_segs > 0 || c->dupacks > 0 ||
	    (c->flags & quiet) || c->snd_new == NULL)
		return 0;
	uint32_t mss = tcp_conn_mss(c), want = tcp_conn_mss_at(c, c->mtu_next), behind = TCP_DUPACK_THRESHOLD * mss;
	uint32_t room = probe_room(c), least = RP_MIN(mss + mss / PROBE_GAIN, want);
	if (want <= mss)
		return 0;
	if (room >= behind + least)
		return RP_MIN(want, room - behind);
	bool alone = (c->flags & TCP_F_SACK) && c->in_flight == 0 && room >= least;
	return alone ? RP_MIN(want, room) : 0;
}

uint32_t tcp_pmtu_probe_due(struct tcp_conn *c)
{
	if (tcp_now_us(c->t) >= c->mtu_retry_us && tcp_conn_mss_at(c, c->mtu_full) <= tcp_conn_mss(c))
		raise_to(c, c->mtu_full);
	return c->mtu_retry_us == 0 ? 0 : tcp_pmtu_probe_len(c);
}

void tcp_pmtu_probe_sent(struct tcp_conn *c, uint32_t len)
{
	c->t->count.pmtu_probes++;
	c->mtu_probe = (uint16_t)(c->path.mtu + len - tcp_conn_mss(c));
	c->flags |= TCP_F_MTU_PROBE;
}

void tcp_pmtu_probe_arrived(struct tcp_conn *c)
{
	if (c->mtu_probe <= c->path.mtu)
		return; /* 0: the path has become narrower since */
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
	struct rte_mbuf *probe = probe_at(c, seq);
	if (probe != NULL && (mtu == 0 || (mtu >= c->path.mtu && mtu < c->mtu_probe))) {
		probe_too_long(c, probe, mtu);
		return false;
	}
	mtu = mtu == 0 ? plateau_below(c, c->path.mtu)
		       : RP_MAX(mtu, least(c)); /* routers before RFC 1191 name no size */
	if (mtu >= c->path.mtu)
		return false;
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
