/* SYN cookies, RFC 4987 section 3.6: when no more half-open connections are kept, all that the handshake must remember
 * travels in our SYN-ACK. The sequence number holds the MSS and a MAC of the tuple, the peer's ISN and the time; the
 * lowest bits of our timestamp hold what the options agreed on.
 *
 *   ISN        MAC 28 bits | epoch 1 bit | MSS 3 bits
 *   timestamp  clock | ECN 1 bit | SACK 1 bit | window scale 4 bits, 15: none
 */
#include "tcp/tcp_priv.h"

#define EPOCH_US  32000000ULL /* a cookie is good for one to two of these */
#define WS_NONE   15u
#define OPT_SACK  16u
#define OPT_ECN   32u
#define OPT_MASK  63u
#define LOW_BITS  4
#define EPOCH_BIT 8u
#define MSS_MASK  7u

static const uint16_t mss_table[] = {TCP_DEFAULT_MSS, 1200, 1300, 1360, 1440, 1460, 4312, 8960};
_Static_assert(RP_ARRAY_LEN(mss_table) == MSS_MASK + 1, "three bits");

static uint32_t mac(const struct tcp *t, const struct tcp_key *k, uint32_t irs, uint64_t epoch, uint32_t mss)
{
	struct {
		struct tcp_key key;
		uint64_t epoch;
		uint32_t irs, mss;
	} in = {*k, epoch, irs, mss};

	return (uint32_t)hash_sip24(&in, sizeof(in), t->cookie_key) << LOW_BITS;
}

static uint32_t cookie(const struct tcp *t, const struct tcp_key *k, uint32_t irs, uint64_t epoch, uint32_t mss)
{
	return mac(t, k, irs, epoch, mss) | ((epoch & 1) ? EPOCH_BIT : 0) | mss;
}

static uint32_t mss_index(const struct tcp_seg *s)
{
	uint32_t mss = s->key->family == 4 ? TCP_DEFAULT_MSS : TCP_DEFAULT_MSS_IPV6, i = MSS_MASK;

	if (s->opts.has & TCP_OPT_HAS_MSS)
		mss = s->opts.mss;
	while (i > 0 && mss_table[i] > mss)
		i--;
	return i;
}

/* Our clock with the options in its lowest bits, never ahead of the clock: the peer must not see it go back. */
static uint32_t stamp(const struct tcp *t, const struct tcp_seg *s, bool sack, bool ecn)
{
	uint32_t now = tcp_ts_now(t, tcp_ts_offset(t, s->key));
	uint32_t bits = (t->p.window_scale && (s->opts.has & TCP_OPT_HAS_WSCALE)) ? s->opts.wscale : WS_NONE;

	bits |= (sack ? OPT_SACK : 0) | (ecn ? OPT_ECN : 0);
	uint32_t ts = (now & ~OPT_MASK) | bits;
	return tcp_seq_gt(ts, now) ? ts - (OPT_MASK + 1) : ts;
}

void tcp_cookie_send(struct tcp *t, const struct tcp_seg *s)
{
	bool ts = t->p.timestamps && (s->opts.has & TCP_OPT_HAS_TS);
	bool sack = ts && !t->p.no_sack && (s->opts.has & TCP_OPT_HAS_SACK_OK);
	bool ecn = ts && tcp_ecn_wanted(t, s->flags);
	uint64_t epoch = tcp_now_us(t) / EPOCH_US;
	struct tcp_opts o = {.has = TCP_OPT_HAS_MSS, .wscale = t->rcv_ws};

	if (ts) { /* without a timestamp there is nothing to keep an option in */
		o.has |= TCP_OPT_HAS_TS | (sack ? TCP_OPT_HAS_SACK_OK : 0);
		o.has |= (t->p.window_scale && (s->opts.has & TCP_OPT_HAS_WSCALE)) ? TCP_OPT_HAS_WSCALE : 0;
		o.tsval = stamp(t, s, sack, ecn);
		o.tsecr = s->opts.tsval;
	}
	struct rte_tcp_hdr h = {
		.sent_seq = rte_cpu_to_be_32(cookie(t, s->key, s->seq, epoch, mss_index(s))),
		.recv_ack = rte_cpu_to_be_32(s->seq + 1),
		.rx_win = rte_cpu_to_be_16((uint16_t)RP_MIN(t->p.rcv_buf, 65535u)),
		.tcp_flags = RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG | (ecn ? RTE_TCP_ECE_FLAG : 0),
	};
	if (tcp_reply_syn_ack(t, s->key, &h, &o)) {
		t->cookie_us = tcp_now_us(t);
		t->count.cookies_sent++;
	}
}

/* The options of the SYN as far as the echoed timestamp kept them; false: not one that we sent. */
static bool recall_options(const struct tcp *t, const struct tcp_seg *s, struct tcp_opts *o, bool *ecn)
{
	*ecn = false;
	if (!t->p.timestamps || !(s->opts.has & TCP_OPT_HAS_TS))
		return true;
	uint32_t age = tcp_ts_now(t, tcp_ts_offset(t, s->key)) - s->opts.tsecr;
	if (age > 2 * EPOCH_US / TCP_CLOCK_US + OPT_MASK)
		return false;
	o->has |= TCP_OPT_HAS_TS;
	o->tsval = s->opts.tsval;
	uint32_t ws = s->opts.tsecr & 15;
	if (ws != WS_NONE) {
		o->has |= TCP_OPT_HAS_WSCALE;
		o->wscale = (uint8_t)ws;
	}
	if (s->opts.tsecr & OPT_SACK)
		o->has |= TCP_OPT_HAS_SACK_OK;
	*ecn = s->opts.tsecr & OPT_ECN;
	return true;
}

bool tcp_cookie_in_use(const struct tcp *t)
{
	return t->cookie_us != 0 && tcp_now_us(t) - t->cookie_us <= 2 * EPOCH_US;
}

bool tcp_cookie_check(struct tcp *t, const struct tcp_seg *s, struct tcp_opts *o, bool *ecn)
{
	uint64_t epoch = tcp_now_us(t) / EPOCH_US;
	uint32_t isn = s->ack - 1, mss = isn & MSS_MASK;

	if (!tcp_cookie_in_use(t))
		return false;
	if ((epoch & 1) != ((isn & EPOCH_BIT) != 0))
		epoch--;
	*o = (struct tcp_opts){.has = TCP_OPT_HAS_MSS, .mss = mss_table[mss]};
	if (isn == cookie(t, s->key, s->seq - 1, epoch, mss) && recall_options(t, s, o, ecn)) {
		t->count.cookies_good++;
		return true;
	}
	t->count.cookies_bad++;
	return false;
}
