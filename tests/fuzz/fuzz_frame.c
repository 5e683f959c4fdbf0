#include <rte_arp.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "fuzz.h"
#include "net/csum.h"

#define ETH 14

const struct rte_ether_addr fz_our_mac = {{0x02, 0, 0, 0, 0, 1}}, fz_peer_mac = {{0x02, 0, 0, 0, 0, 2}};
const struct net_ifaddr fz_ours[2] = {
	{.addr = {.family = 4, .v4 = RTE_BE32(0x0a000001)}, .prefix_len = 24},
	{.addr = {.family = 6, .v6 = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}}, .prefix_len = 64},
};
const struct net_addr fz_peer[2] = {
	{.family = 4, .v4 = RTE_BE32(0x0a000002)},
	{.family = 6, .v6 = {0x20, 0x01, 0x0d, 0xb8, [15] = 2}},
};

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t put_eth(uint8_t *frame, const struct rte_ether_addr *dst, uint16_t vlan, uint16_t type)
{
	uint32_t at = 12;
	memcpy(frame, dst, 6);
	memcpy(frame + 6, &fz_peer_mac, 6);
	if (vlan) {
		put16(frame + at, RTE_ETHER_TYPE_VLAN);
		put16(frame + at + 2, vlan);
		at += 4;
	}
	put16(frame + at, type);
	return at + 2;
}

static uint32_t put_ip4(uint8_t *p, const struct fz_ends *e, uint8_t proto, uint32_t len)
{
	memset(p, 0, 20);
	p[0] = 0x45;
	p[1] = e->tos;
	put16(p + 2, (uint16_t)(20 + len));
	p[8] = e->ttl;
	p[9] = proto;
	memcpy(p + 12, &e->src.v4, 4);
	memcpy(p + 16, &e->dst.v4, 4);
	return 20;
}

static uint32_t put_ip6(uint8_t *p, const struct fz_ends *e, uint8_t proto, uint32_t len)
{
	memset(p, 0, 8);
	p[0] = (uint8_t)(0x60 | e->tos >> 4);
	p[1] = (uint8_t)(e->tos << 4);
	put16(p + 4, (uint16_t)len);
	p[6] = proto;
	p[7] = e->ttl;
	memcpy(p + 8, e->src.v6, 16);
	memcpy(p + 24, e->dst.v6, 16);
	return 40;
}

uint32_t fz_put_ip(uint8_t *frame, const struct fz_ends *e, uint8_t proto, const void *l4, uint32_t len)
{
	struct rte_ether_addr dst = fz_our_mac;
	bool v4 = e->dst.family == 4;

	if (!v4 && e->dst.v6[0] == 0xff)
		dst = (struct rte_ether_addr){{0x33, 0x33, e->dst.v6[12], e->dst.v6[13], e->dst.v6[14], e->dst.v6[15]}};
	uint32_t at = put_eth(frame, &dst, e->vlan, v4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6);
	at += v4 ? put_ip4(frame + at, e, proto, len) : put_ip6(frame + at, e, proto, len);
	memcpy(frame + at, l4, len);
	return at + len;
}

static uint64_t pseudo(const uint8_t *ip, uint8_t proto, uint32_t len)
{
	uint32_t src, dst;
	if (ip[0] >> 4 == 6)
		return csum_pseudo_v6(ip + 8, ip + 24, proto, (uint16_t)len);
	memcpy(&src, ip + 12, 4);
	memcpy(&dst, ip + 16, 4);
	return csum_pseudo_v4(src, dst, proto, (uint16_t)len);
}

/* Where the checksum of this protocol stands; 0: none. */
static uint32_t csum_at(uint8_t proto)
{
	return proto == IPPROTO_TCP ? 16 : proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6 ? 2 : 0;
}

static uint64_t l4_sum(const uint8_t *ip, uint8_t proto, const uint8_t *l4, uint32_t len)
{
	return csum_add(proto == IPPROTO_ICMP ? 0 : pseudo(ip, proto, len), l4, len);
}

static void fix_l4(const uint8_t *ip, uint8_t proto, uint8_t *l4, uint32_t len)
{
	uint32_t at = csum_at(proto);
	if (at == 0 || len < at + 2)
		return;
	memset(l4 + at, 0, 2);
	uint16_t sum = (uint16_t)~csum_fold(l4_sum(ip, proto, l4, len));
	memcpy(l4 + at, &sum, 2);
}

static void fix_ip4(uint8_t *ip, uint32_t len)
{
	uint32_t hlen = (ip[0] & 15) * 4u;
	if (hlen < 20 || hlen > len)
		return;
	memset(ip + 10, 0, 2);
	uint16_t sum = (uint16_t)~csum_fold(csum_add(0, ip, hlen)), total = get16(ip + 2);
	memcpy(ip + 10, &sum, 2);
	if (total >= hlen && total <= len && (get16(ip + 6) & 0x3fff) == 0)
		fix_l4(ip, ip[9], ip + hlen, total - hlen);
}

static void fix_ip6(uint8_t *ip, uint32_t len)
{
	uint32_t at = 40, total = 40u + get16(ip + 4);
	uint8_t kind = ip[6];

	if (total > len)
		return;
	while ((kind == 0 || kind == 43 || kind == 44 || kind == 60) && total - at >= 8) {
		uint32_t ext = kind == 44 ? 8 : 8 + ip[at + 1] * 8u;
		kind = ip[at];
		if (ext > total - at)
			return;
		at += ext;
	}
	fix_l4(ip, kind, ip + at, total - at);
}

void fz_csum_fix(uint8_t *frame, uint32_t len)
{
	uint32_t at = 12;

	while (at + 6 <= len && get16(frame + at) == RTE_ETHER_TYPE_VLAN)
		at += 4;
	if (at + 2 > len)
		return;
	uint16_t type = get16(frame + at);
	at += 2;
	if (type == RTE_ETHER_TYPE_IPV4 && len - at >= 20)
		fix_ip4(frame + at, len - at);
	else if (type == RTE_ETHER_TYPE_IPV6 && len - at >= 40)
		fix_ip6(frame + at, len - at);
}

static uint32_t put_arp(uint8_t *frame, uint16_t vlan)
{
	uint8_t *p = frame + put_eth(frame, &fz_our_mac, vlan, RTE_ETHER_TYPE_ARP);
	static const uint8_t fixed[] = {0, 1, 8, 0, 6, 4, 0, RTE_ARP_OP_REQUEST};
	memcpy(p, fixed, sizeof(fixed));
	memcpy(p + 8, &fz_peer_mac, 6);
	memcpy(p + 14, &fz_peer[0].v4, 4);
	memset(p + 18, 0, 6);
	memcpy(p + 24, &fz_ours[0].addr.v4, 4);
	return (uint32_t)(p + 28 - frame);
}

uint32_t fz_put_hello(uint8_t *frame, bool v6, uint16_t vlan)
{
	if (!v6)
		return put_arp(frame, vlan);
	uint8_t ns[32] = {135};
	memcpy(ns + 8, fz_ours[1].addr.v6, 16);
	ns[24] = ns[25] = 1;
	memcpy(ns + 26, &fz_peer_mac, 6);
	struct fz_ends e = {.src = fz_peer[1], .dst = fz_ours[1].addr, .ttl = 255, .vlan = vlan};
	uint32_t len = fz_put_ip(frame, &e, IPPROTO_ICMPV6, ns, sizeof(ns));
	fz_csum_fix(frame, len);
	return len;
}

/* A segment whose checksum the device completes, or a train that it cuts. */
static void check_offload(const struct rte_mbuf *m, const uint8_t *ip, const struct fz_sent *s)
{
	bool train = m->ol_flags & RTE_MBUF_F_TX_TCP_SEG;
	uint16_t sum = csum_fold(pseudo(ip, s->proto, train ? 0 : s->l4_len));

	rp_assert(memcmp(s->l4 + 16, &sum, 2) == 0);
	rp_assert(ip + m->l3_len == s->l4 && s->data + m->l2_len == ip && m->l4_len == (s->l4[12] >> 4) * 4u);
	rp_assert(train == (m->tso_segsz != 0) && (!train || s->l4_len > m->tso_segsz + m->l4_len));
}

static void check_l4(const struct rte_mbuf *m, const uint8_t *ip, const struct fz_sent *s)
{
	uint32_t at = csum_at(s->proto);

	rp_assert(at != 0 && s->l4_len >= at + 2);
	if (s->proto == IPPROTO_TCP)
		rp_assert(s->l4_len >= 20 && (s->l4[12] >> 4) * 4u >= 20 && (s->l4[12] >> 4) * 4u <= s->l4_len);
	if (s->proto == IPPROTO_TCP && (m->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_TCP_CKSUM)
		check_offload(m, ip, s);
	else
		rp_assert(csum_fold(l4_sum(ip, s->proto, s->l4, s->l4_len)) == 0xffff);
}

static void check_ip4(const struct rte_mbuf *m, uint8_t *ip, uint32_t len, struct fz_sent *s)
{
	rp_assert(len >= 20 && ip[0] == 0x45 && get16(ip + 2) == len && ip[8] > 0);
	if (!(m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM))
		rp_assert(csum_fold(csum_add(0, ip, 20)) == 0xffff);
	s->family = s->src.family = s->dst.family = 4;
	memcpy(&s->src.v4, ip + 12, 4);
	memcpy(&s->dst.v4, ip + 16, 4);
	s->proto = ip[9];
	s->l4 = ip + 20;
	s->l4_len = len - 20;
	check_l4(m, ip, s);
}

static void check_ip6(const struct rte_mbuf *m, uint8_t *ip, uint32_t len, struct fz_sent *s)
{
	rp_assert(len >= 40 && ip[0] >> 4 == 6 && 40u + get16(ip + 4) == len && ip[7] > 0);
	s->family = s->src.family = s->dst.family = 6;
	memcpy(s->src.v6, ip + 8, 16);
	memcpy(s->dst.v6, ip + 24, 16);
	s->proto = ip[6];
	s->l4 = ip + 40;
	s->l4_len = len - 40;
	check_l4(m, ip, s);
}

void fz_sent_check(const struct rte_mbuf *m, uint16_t vlan, uint16_t mtu, struct fz_sent *s)
{
	uint32_t at = 12;

	s->len = m->pkt_len;
	s->family = s->proto = 0;
	rp_assert(m->pkt_len >= ETH && m->pkt_len <= sizeof(s->data));
	const uint8_t *p = rte_pktmbuf_read(m, 0, m->pkt_len, s->data);
	rp_assert(p != NULL);
	if (p != s->data)
		memcpy(s->data, p, m->pkt_len);
	rp_assert(memcmp(s->data + 6, &fz_our_mac, 6) == 0);
	if (vlan) {
		rp_assert(s->len >= ETH + 4 && get16(s->data + at) == RTE_ETHER_TYPE_VLAN);
		rp_assert((get16(s->data + at + 2) & 0xfff) == vlan);
		at += 4;
	}
	s->type = get16(s->data + at);
	at += 2;
	uint32_t ip_len = s->len - at;
	if (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG)
		ip_len = m->l3_len + m->l4_len + m->tso_segsz;
	rp_assert(ip_len <= mtu || s->type == RTE_ETHER_TYPE_ARP);
	if (s->type == RTE_ETHER_TYPE_IPV4)
		check_ip4(m, s->data + at, s->len - at, s);
	else if (s->type == RTE_ETHER_TYPE_IPV6)
		check_ip6(m, s->data + at, s->len - at, s);
	else
		rp_assert(s->type == RTE_ETHER_TYPE_ARP && s->len - at >= 28);
}
