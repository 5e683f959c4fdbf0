/* Everything below TCP: ARP, neighbour discovery, ICMP and ICMPv6 with what they quote, VLAN tags, extension headers,
 * paths and their neighbours, with one worker or two that steer. Checked beside memory errors: every frame that is
 * sent, every segment that comes out, that nothing answers more than it was asked, and that all is given back.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_arp.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_ring.h>
#include <rte_tcp.h>

#include "fuzz.h"
#include "net/csum.h"

#define POOL    511
#define OPS_MAX 300
#define MTU     1500
#define QUEUE   4 /* frames that wait for one neighbour */
/* What one frame may set free: an answer, a defence, and the frames that waited for its sender. */
#define SENT_PER_INPUT (2 + QUEUE)

enum {
	CFG_VLAN = 1 << 0,
	CFG_SHARED = 1 << 1,
	CFG_DAD = 1 << 2,
	CFG_TWO_WORKERS = 1 << 3,
	CFG_FRAGMENTS = 1 << 4,
	CFG_NO_GATEWAY = 1 << 5,
	CFG_PARTIAL_CSUM = 1 << 6,
};

struct world {
	struct rte_mempool *pool;
	struct rte_ring *ring[2]; /* to worker 0, to worker 1 */
	struct rte_ring *steer_in[2][2], *steer_out[2][2];
	struct net *net[2];
	struct clock_now now;
	uint32_t n; /* workers */
	uint16_t vlan;
	uint32_t sent;
	void *hog[POOL];
	uint32_t nhog;
	uint8_t last[FZ_FRAME_MAX]; /* the frame that came last */
	uint32_t last_len;
	struct fz_sent frame;
};

static struct world w;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	fz_eal("l3");
	w.pool = fz_pool("l3", POOL);
	for (int i = 0; i < 2; i++) {
		char name[16];
		snprintf(name, sizeof(name), "steer%d", i);
		w.ring[i] = rte_ring_create(name, 64, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
		rp_assert(w.ring[i] != NULL);
	}
	for (int i = 0; i < 2; i++) {
		w.steer_in[i][!i] = w.ring[i];
		w.steer_out[i][!i] = w.ring[!i];
	}
	return 0;
}

static const struct net_addr addr4[] = {
	{.family = 4, .v4 = RTE_BE32(0x0a000002)}, {.family = 4, .v4 = RTE_BE32(0x0a000001)},
	{.family = 4, .v4 = RTE_BE32(0x0a0000fe)}, {.family = 4, .v4 = RTE_BE32(0x0a000003)},
	{.family = 4, .v4 = RTE_BE32(0x0a000004)}, {.family = 4, .v4 = RTE_BE32(0)},
	{.family = 4, .v4 = RTE_BE32(0xffffffff)}, {.family = 4, .v4 = RTE_BE32(0x0a0000ff)},
	{.family = 4, .v4 = RTE_BE32(0xe0000001)}, {.family = 4, .v4 = RTE_BE32(0x7f000001)},
	{.family = 4, .v4 = RTE_BE32(0xc0000207)}, {.family = 4, .v4 = RTE_BE32(0xc0000208)},
	{.family = 4, .v4 = RTE_BE32(0x0a000005)}, {.family = 4, .v4 = RTE_BE32(0x0a000006)},
	{.family = 4, .v4 = RTE_BE32(0x0a000007)}, {.family = 4, .v4 = RTE_BE32(0x0a000000)},
};

static const struct net_addr addr6[16] = {
	{.family = 6, .v6 = {0x20, 0x01, 0x0d, 0xb8, [15] = 2}},
	{.family = 6, .v6 = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}},
	{.family = 6, .v6 = {0xfe, 0x80, [15] = 0xfe}},
	{.family = 6, .v6 = {0x20, 0x01, 0x0d, 0xb8, [15] = 3}},
	{.family = 6, .v6 = {0xfe, 0x80, [11] = 0xff, 0xfe, 0, 0, 1}},
	{.family = 6},
	{.family = 6, .v6 = {0xff, 0x02, [15] = 1}},
	{.family = 6, .v6 = {0xff, 0x02, [11] = 1, 0xff, 0, 0, 1}},
	{.family = 6, .v6 = {0xff, 0x02, [11] = 1, 0xff, 0, 0, 3}},
	{.family = 6, .v6 = {[15] = 1}},
	{.family = 6, .v6 = {0x20, 0x01, 0x0d, 0xb9, [15] = 7}},
	{.family = 6, .v6 = {[10] = 0xff, 0xff, 10, 0, 0, 2}},
	{.family = 6, .v6 = {0xfe, 0x80, [15] = 2}},
	{.family = 6, .v6 = {0xff, 0x05, [15] = 1}},
	{.family = 6, .v6 = {0x20, 0x01, 0x0d, 0xb8, [15] = 4}},
	{.family = 6, .v6 = {0x20, 0x01, 0x0d, 0xb8, [15] = 5}},
};

static const struct net_addr *choose(bool v6, uint8_t which)
{
	return v6 ? &addr6[which & 15] : &addr4[which & 15];
}

/* ---- the instances ---- */

static void on_sent(void *ctx, struct rte_mbuf *m)
{
	fz_sent_check(m, w.vlan, MTU, &w.frame);
	w.sent++;
	rte_pktmbuf_free(m);
}

static void on_pmtu(void *ctx, const struct net_addr *local, uint16_t lport, const struct net_addr *remote,
		    uint16_t rport, uint32_t seq, uint16_t mtu)
{
	uint32_t i = *(const uint32_t *)ctx;
	uint16_t least = remote->family == 4 ? 576 : 1280;

	rp_assert(mtu >= least && mtu < MTU && local->family == remote->family);
	if (seq & 1)
		rp_assert(net_pmtu_learn(w.net[i], remote, mtu) <= mtu);
}

static void begin(uint8_t cfg)
{
	static uint32_t id[2] = {0, 1};
	struct err e;

	w.now = (struct clock_now){.mono_us = 1000000000, .wall_us = 1};
	w.vlan = (cfg & CFG_VLAN) ? 7 : 0;
	w.n = (cfg & CFG_TWO_WORKERS) ? 2 : 1;
	w.sent = w.last_len = w.nhog = 0;
	for (uint32_t i = 0; i < w.n; i++) {
		struct net_params p = {
			.worker = i,
			.nworkers = w.n,
			.pool = w.pool,
			.mac = fz_our_mac,
			.mtu = MTU,
			.naddrs = 2,
			.addrs = {fz_ours[0], fz_ours[1]},
			.steer_in = w.n > 1 ? w.steer_in[i] : NULL,
			.steer_out = w.n > 1 ? w.steer_out[i] : NULL,
			.shared = cfg & CFG_SHARED,
			.vlan = w.vlan,
			.arp_entries = 6, /* full now and then */
			.arp_queue = QUEUE,
			.dad_transmits = (cfg & CFG_DAD) ? 2 : 0,
			.frag_entries = (cfg & CFG_FRAGMENTS) ? 4 : 0,
			.pmtu_entries = 4,
			.pmtu = on_pmtu,
			.pmtu_ctx = &id[i],
			.accept_partial_csum = cfg & CFG_PARTIAL_CSUM,
			.tx_hook = on_sent,
		};
		if (!(cfg & CFG_NO_GATEWAY)) {
			p.gateway = addr4[2];
			p.gateway6 = addr6[2];
		}
		w.net[i] = net_create(&p, &e);
		rp_assert(w.net[i] != NULL);
		net_set_now(w.net[i], &w.now);
	}
	if (cfg & 0x80)
		net_announce(w.net[0]);
}

/* A segment that comes out is whole, right and for us. */
static void take_segment(struct rte_mbuf *m)
{
	struct net_addr src, dst;
	const struct rte_tcp_hdr *h = rte_pktmbuf_mtod(m, const struct rte_tcp_hdr *);
	uint32_t hlen = (h->data_off >> 4) * 4u;

	rp_assert(m->nb_segs == 1 && m->next == NULL && m->pkt_len == m->data_len && m->data_len >= hlen);
	rp_assert(hlen >= sizeof(*h) && m->l4_len == hlen && m->l3_len >= 20);
	net_segment_addrs(m, &src, &dst);
	rp_assert(net_addr_eq(&dst, choose(dst.family == 6, 1)) || net_addr_eq(&dst, &addr6[4]));
	rp_assert(src.family == dst.family);
	uint64_t sum = dst.family == 4 ? csum_pseudo_v4(src.v4, dst.v4, IPPROTO_TCP, m->data_len)
				       : csum_pseudo_v6(src.v6, dst.v6, IPPROTO_TCP, m->data_len);
	rp_assert(csum_fold(csum_add(sum, h, m->data_len)) == 0xffff || h->cksum == csum_fold(sum));
	rte_pktmbuf_free(m);
}

static void flush(void)
{
	struct rte_mbuf *out[RP_MAX_BURST];

	for (uint32_t k = 0; k < 2 * w.n; k++) {
		uint32_t i = k % w.n, n = net_poll_rx(w.net[i], out, RP_MAX_BURST);
		for (uint32_t s = 0; s < n; s++)
			take_segment(out[s]);
		net_poll_tx(w.net[i]);
	}
}

static void deliver(struct rte_mbuf *m, uint32_t to)
{
	struct rte_mbuf *out[1];
	bool guard = m->nb_segs == 1 && rte_mempool_avail_count(w.pool) > 16;
	struct fz_guard g;

	w.sent = 0;
	if (guard)
		fz_guard(m, &g);
	uint32_t n = net_input_burst(w.net[to % w.n], &m, 1, out);
	if (guard)
		fz_unguard(&g);
	if (n > 0)
		take_segment(out[0]);
	flush();
	rp_assert(w.sent <= SENT_PER_INPUT * w.n);
}

/* ---- frames ---- */

/* The tag that the frame has, what the device did to it, and where it arrives: from one byte of the input. */
enum {
	HOW_TAG = 3, /* as configured, none, another one, the device took it off */
	HOW_SPLIT = 12,
	HOW_BAD_SUM = 16,
	HOW_OTHER_MAC = 32,
	HOW_WORKER = 64,
	HOW_CUT = 128,
};

static uint16_t tag_of(uint8_t how)
{
	return (how & HOW_TAG) == 0 ? w.vlan : (how & HOW_TAG) == 2 ? 9 : 0;
}

static void arrive(struct fz_in *in, uint8_t how, uint8_t *frame, uint32_t len)
{
	if (!(how & HOW_BAD_SUM))
		fz_csum_fix(frame, len);
	if (how & HOW_OTHER_MAC) /* every broadcast, a group, or somebody else */
		memset(frame, fz_u8(in), 6);
	if (how & HOW_CUT) {
		uint32_t cut = fz_u8(in);
		len -= RP_MIN(len, cut);
	}
	memcpy(w.last, frame, len);
	w.last_len = len;
	struct rte_mbuf *m = fz_frame(w.pool, frame, len, (how & HOW_SPLIT) >> 2);
	if (m == NULL)
		return;
	if ((how & HOW_TAG) == 3) {
		m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
		m->vlan_tci = (uint16_t)(w.vlan | 0x2000);
	}
	deliver(m, how & HOW_WORKER);
}

static void arrive_ip(struct fz_in *in, uint8_t how, const struct net_addr *src, const struct net_addr *dst,
		      uint8_t proto, uint8_t ttl, const void *l4, uint32_t len)
{
	uint8_t frame[FZ_FRAME_MAX];
	struct fz_ends e = {.src = *src, .dst = *dst, .ttl = ttl, .vlan = tag_of(how)};

	arrive(in, how, frame, fz_put_ip(frame, &e, proto, l4, RP_MIN(len, 1500u)));
}

static void op_arp(struct fz_in *in)
{
	uint8_t how = fz_u8(in), what = fz_u8(in), ips = fz_u8(in), frame[128];
	uint32_t len = fz_put_hello(frame, false, tag_of(how));
	uint8_t *p = frame + len - 28;

	p[7] = what & 3; /* 1: request, 2: reply */
	memcpy(p + 14, &addr4[ips & 15].v4, 4);
	memcpy(p + 24, &addr4[ips >> 4].v4, 4);
	if (what & 4) /* of another host */
		p[13] = frame[11] = (uint8_t)(what >> 4);
	if (what & 8)
		memset(frame, 0xff, 6);
	arrive(in, how, frame, len);
}

static void op_nd(struct fz_in *in)
{
	uint8_t how = fz_u8(in), what = fz_u8(in), ends = fz_u8(in), which = fz_u8(in);
	uint8_t msg[24 + 64] = {(uint8_t)(133 + (what & 7)), [4] = (uint8_t)(what & 0xe0)};
	uint32_t len = 24;

	memcpy(msg + 8, addr6[which & 15].v6, 16);
	if (which & 16) {
		msg[24] = 1 + (which >> 5 & 1);
		msg[25] = 1;
		memcpy(msg + 26, &fz_peer_mac, 6);
		msg[31] = (uint8_t)(which >> 6);
		len += 8;
	}
	if (what & 8)
		len += fz_bytes(in, msg + len, fz_u8(in) & 31);
	arrive_ip(in, how, &addr6[ends & 15], &addr6[ends >> 4], IPPROTO_ICMPV6, (what & 16) ? 64 : 255, msg, len);
}

/* What an ICMP error quotes: a segment of ours. */
static uint32_t put_quoted(struct fz_in *in, bool v6, uint8_t *p)
{
	struct rte_tcp_hdr h = {.src_port = RTE_BE16(6379), .data_off = 0x50};
	uint8_t ends = fz_u8(in), how = fz_u8(in), frame[128];
	struct fz_ends e = {.src = *choose(v6, ends), .dst = *choose(v6, ends >> 4), .ttl = 60};

	h.dst_port = rte_cpu_to_be_16((uint16_t)(4000 + (how & 3)));
	h.sent_seq = rte_cpu_to_be_32(fz_u16(in));
	uint32_t n = fz_put_ip(frame, &e, IPPROTO_TCP, &h, sizeof(h)) - 14;
	frame[14 + (v6 ? 4 : 2)] = 5; /* it was longer than what is quoted of it */
	n -= RP_MIN(n, (uint32_t)how >> 3);
	memcpy(p, frame + 14, n);
	return n;
}

static void op_icmp(struct fz_in *in, bool v6)
{
	uint8_t how = fz_u8(in), what = fz_u8(in), ends = fz_u8(in), msg[FZ_FRAME_MAX];
	static const uint8_t type4[] = {RTE_IP_ICMP_ECHO_REQUEST, 3, RTE_IP_ICMP_ECHO_REPLY, 5};
	static const uint8_t type6[] = {128, 2, 1, 129};
	uint32_t len = 8;

	memset(msg, 0, 8);
	msg[0] = v6 ? type6[what & 3] : type4[what & 3];
	msg[1] = !v6 && (what & 3) == 1 ? 4 : 0;
	if (what & 4)
		msg[1] = fz_u8(in);
	msg[6] = fz_u8(in);
	msg[7] = fz_u8(in);
	if (what & 8)
		len += put_quoted(in, v6, msg + len);
	if (what & 16) {
		uint32_t more = fz_u16(in) % 1440;
		memset(msg + len, 0x5a, more);
		len += more;
	}
	if (what & 32) { /* cut near its header */
		uint32_t at = fz_u8(in) & 15;
		len = RP_MIN(len, at);
	}
	arrive_ip(in, how, choose(v6, ends), choose(v6, ends >> 4), v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, 64, msg, len);
}

static void op_tcp(struct fz_in *in)
{
	uint8_t how = fz_u8(in), ends = fz_u8(in), what = fz_u8(in), l4[FZ_FRAME_MAX] = {0};
	bool v6 = what & 1;
	struct rte_tcp_hdr *h = (struct rte_tcp_hdr *)l4;
	uint32_t len = (uint32_t)sizeof(*h) + fz_u8(in);

	h->src_port = rte_cpu_to_be_16((uint16_t)(4000 + (what >> 4)));
	h->dst_port = RTE_BE16(6379);
	h->data_off = (uint8_t)((what & 2) ? fz_u8(in) : 0x50);
	h->tcp_flags = (what & 4) ? RTE_TCP_SYN_FLAG : RTE_TCP_ACK_FLAG;
	arrive_ip(in, how, choose(v6, ends), choose(v6, ends >> 4), IPPROTO_TCP, 64, l4, len);
}

/* A chain of extension headers (of any kind and length), then a segment or a ping. */
static void op_ext(struct fz_in *in)
{
	static const uint8_t kinds[] = {0, 43, 44, 60, 51, 59, IPPROTO_TCP, IPPROTO_ICMPV6};
	uint8_t how = fz_u8(in), n = fz_u8(in) & 15, body[FZ_FRAME_MAX];
	uint8_t first = n ? kinds[fz_u8(in) & 7] : IPPROTO_TCP;
	uint32_t at = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint8_t what = fz_u8(in);
		uint32_t len = 8 + ((what & 8) ? (what >> 4) * 8u : 0);
		memset(body + at, 0, len);
		body[at + 1] = (uint8_t)(len / 8 - 1);
		fz_bytes(in, body + at + 1 + !(what & 8), fz_u8(in) & 15 & (len - 2));
		body[at] = i + 1 < n ? kinds[what & 7] : kinds[6 + (what & 1)];
		at += len;
	}
	memset(body + at, 0, 28);
	if (n && body[at - 8] != IPPROTO_TCP)
		body[at] = 128;
	body[at + 12] = 0x50;
	arrive_ip(in, how, &addr6[0], &addr6[1], first, 64, body, at + 28);
}

static void op_raw(struct fz_in *in, bool again)
{
	uint8_t how = fz_u8(in), frame[FZ_FRAME_MAX];
	uint32_t len = w.last_len;

	if (again) {
		memcpy(frame, w.last, len);
		for (uint32_t i = fz_u8(in) & 7; i > 0 && len > 0; i--) {
			uint32_t at = fz_u16(in) % len;
			frame[at] = fz_u8(in);
		}
	} else {
		len = fz_bytes(in, frame, fz_u16(in) % 1600);
	}
	if (len > 0)
		arrive(in, how, frame, len);
}

/* A segment of ours leaves for some host, known or not. */
static void op_output(struct fz_in *in)
{
	uint8_t which = fz_u8(in), what = fz_u8(in);
	const struct net_addr *remote = choose(which & 16, which);
	struct net *n = w.net[(what & 1) % w.n];
	struct net_addr local;
	struct net_path path;

	if (net_local_for(n, remote, &local) != 0 || net_path_init(n, &path, &local, remote) != 0)
		return;
	rp_assert(path.mtu <= MTU && path.mtu >= (remote->family == 4 ? 576 : 1280));
	for (uint32_t i = 0; i < 1u + (what >> 5); i++) {
		struct rte_mbuf *m = buf_alloc(w.pool);
		if (m == NULL)
			break;
		struct rte_tcp_hdr *h = (struct rte_tcp_hdr *)rte_pktmbuf_append(m, sizeof(*h) + 100);
		memset(h, 0, sizeof(*h) + 100);
		h->data_off = 0x50;
		net_tcp_output(n, &path, m, sizeof(*h));
	}
	if (what & 2)
		net_path_confirm(n, &path);
	flush();
}

static void op_time(struct fz_in *in)
{
	uint8_t k = fz_u8(in);
	uint64_t us = (uint64_t)(1 + (k >> 5)) << (k & 31);

	for (uint32_t i = 0; i < 4; i++) {
		w.now.mono_us += us / 4 + 1;
		for (uint32_t n = 0; n < w.n; n++) {
			net_set_now(w.net[n], &w.now);
			net_poll_timers(w.net[n]);
		}
		flush();
	}
}

static void unhog(void)
{
	if (w.nhog > 0)
		rte_mempool_put_bulk(w.pool, w.hog, w.nhog);
	w.nhog = 0;
}

static void op_hog(struct fz_in *in)
{
	uint32_t leave = fz_u8(in), avail = rte_mempool_avail_count(w.pool);

	if (leave & 0x80)
		unhog();
	else if (w.nhog == 0 && avail > leave && rte_mempool_get_bulk(w.pool, w.hog, avail - leave) == 0)
		w.nhog = avail - leave;
}

static void run_op(struct fz_in *in)
{
	switch (fz_u8(in) & 15) {
	case 0:
	case 1:
		op_arp(in);
		break;
	case 2:
	case 3:
		op_nd(in);
		break;
	case 4:
		op_icmp(in, false);
		break;
	case 5:
		op_icmp(in, true);
		break;
	case 6:
		op_tcp(in);
		break;
	case 7:
		op_ext(in);
		break;
	case 8:
	case 9:
		op_output(in);
		break;
	case 10:
	case 11:
		op_time(in);
		break;
	case 12:
		op_hog(in);
		break;
	case 13:
		op_raw(in, false);
		break;
	default:
		op_raw(in, true);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fz_in in = {data, data + size};

	if (size < 2)
		return 0;
	begin(fz_u8(&in));
	for (uint32_t i = 0; i < OPS_MAX && in.at < in.end; i++)
		run_op(&in);
	unhog();
	flush();
	for (uint32_t i = 0; i < w.n; i++)
		net_destroy(w.net[i]);
	rp_assert(rte_ring_empty(w.ring[0]) && rte_ring_empty(w.ring[1]) && rte_mempool_full(w.pool));
	return 0;
}
