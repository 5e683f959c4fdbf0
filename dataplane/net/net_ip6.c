/* IPv6 input (RFC 8200): the fixed header, then the extension headers within bounds. */
#include "net/net_priv.h"

#define EXT_HOP_BY_HOP 0
#define EXT_ROUTING    43
#define EXT_FRAGMENT   44
#define EXT_DEST       60
#define OPT_PAD1       0

/* RFC 8200, 4.2: the two highest bits of an unknown option say whether the packet may be processed. */
static bool options_ok(const uint8_t *o, const uint8_t *end)
{
	while (o < end) {
		if (*o == OPT_PAD1) {
			o++;
			continue;
		}
		if (end - o < 2 || end - o < 2 + o[1])
			return false;
		/* PadN (1) and Router Alert (5) have these bits clear too. */
		if (*o & 0xc0)
			return false;
		o += 2 + o[1];
	}
	return true;
}

/* What follows the header at ext of this kind; 0: malformed or refused. */
static uint32_t ext_len(uint8_t kind, const uint8_t *ext, uint32_t room)
{
	if (room < 8)
		return 0;
	uint32_t len = 8 + ext[1] * 8u;
	if (len > room)
		return 0;
	/* A packet that is to travel on is not for us; RFC 5095. */
	if (kind == EXT_ROUTING)
		return ext[3] == 0 ? len : 0;
	return options_ok(ext + 2, ext + len) ? len : 0;
}

static void frag_read(const struct net_rx *rx, const uint8_t *ext, struct net_frag *f)
{
	uint16_t off = (uint16_t)(ext[2] << 8 | ext[3]);
	*f = (struct net_frag){.src = net_addr6(rx->ip6->src_addr),
			       .dst = net_addr6(rx->ip6->dst_addr),
			       .proto = ext[0],
			       .tos = (uint8_t)(rte_be_to_cpu_32(rx->ip6->vtc_flow) >> 20),
			       .off = off & ~7u,
			       .more = off & 1,
			       .data = ext + 8};
	memcpy(&f->id, ext + 4, 4);
}

/* Walks to the first header that is no extension. *f is filled and *is_frag set when a fragment header stops us. */
static bool walk(struct net *n, struct net_rx *rx, struct net_frag *f, bool *is_frag)
{
	uint32_t total = NET_IPV6_LEN + rte_be_to_cpu_16(rx->ip6->payload_len), at = NET_IPV6_LEN;
	uint8_t kind = rx->ip6->proto;

	while (kind == EXT_HOP_BY_HOP || kind == EXT_ROUTING || kind == EXT_FRAGMENT || kind == EXT_DEST) {
		const uint8_t *ext = (const uint8_t *)rx->ip6 + at;
		bool first = at == NET_IPV6_LEN;
		if (kind == EXT_FRAGMENT && total - at >= 8) {
			frag_read(rx, ext, f);
			f->len = total - at - 8;
			/* Alone: nothing to wait for, RFC 6946. */
			if (f->off || f->more) {
				*is_frag = true;
				return true;
			}
			at += 8;
		} else {
			uint32_t len = kind == EXT_FRAGMENT || (kind == EXT_HOP_BY_HOP && !first)
					       ? 0
					       : ext_len(kind, ext, total - at);
			if (len == 0 || at + len > NET_IPV6_LEN + NET_EXT_MAX)
				return net_refuse(rx, &n->c.rx_ip6_ext);
			at += len;
		}
		kind = ext[0];
		if (at > NET_IPV6_LEN + NET_EXT_MAX)
			return net_refuse(rx, &n->c.rx_ip6_ext);
	}
	rx->ip_len = (uint16_t)at;
	rx->l4_len = (uint16_t)(total - at);
	rx->proto = kind;
	return true;
}

static bool header_checks(struct net *n, struct net_rx *rx)
{
	uint32_t room = rx->m->data_len - NET_ETH_LEN;
	if (room < NET_IPV6_LEN)
		return net_refuse(rx, &n->c.rx_short);
	rx->ip6 = (struct rte_ipv6_hdr *)(rx->eth + 1);
	uint32_t total = NET_IPV6_LEN + rte_be_to_cpu_16(rx->ip6->payload_len);
	/* Length 0 would be a jumbogram, RFC 2675. */
	if ((*(const uint8_t *)rx->ip6 >> 4) != 6 || total == NET_IPV6_LEN)
		return net_refuse(rx, &n->c.rx_ip_header);
	if (room < total)
		return net_refuse_truncated(n, rx);
	if (room > total)
		rte_pktmbuf_trim(rx->m, (uint16_t)(room - total));
	return true;
}

static bool addrs_ok(struct net *n, struct net_rx *rx)
{
	struct net_addr src = net_addr6(rx->ip6->src_addr), dst = net_addr6(rx->ip6->dst_addr);
	/* Groups are for ND only, whose code looks at the addresses by itself. */
	if (rx->proto == IPPROTO_ICMPV6 && dst.v6[0] == 0xff)
		return true;
	const struct net_own *o = net_own_find(n, &dst);
	if (!o || (o->state != OWN_READY && rx->proto != IPPROTO_ICMPV6))
		return net_refuse(rx, o ? &n->c.rx_ip6_tentative : &n->c.rx_not_ours);
	return net_source_ok(n, &src) || net_refuse(rx, &n->c.rx_ip_src);
}

struct rte_mbuf *net_ipv6_input(struct net *n, struct net_rx *rx)
{
	struct net_frag f;
	bool is_frag = false;

	rx->family = 6;
	if (!n->has6) {
		net_refuse(rx, &n->c.rx_ethertype);
		return NULL;
	}
	if (!header_checks(n, rx) || !walk(n, rx, &f, &is_frag))
		return NULL;
	if (is_frag) {
		rx->proto = f.proto;
		if (f.dst.v6[0] == 0xff)
			net_refuse(rx, &n->c.rx_not_ours);
		else if (addrs_ok(n, rx))
			return net_frag_input(n, rx, &f);
		return NULL;
	}
	if (!addrs_ok(n, rx))
		return NULL;
	if (rp_likely(rx->proto == IPPROTO_TCP))
		return net_tcp_segment(n, rx);
	if (rx->proto == IPPROTO_ICMPV6)
		net_icmp6_input(n, rx);
	else
		net_refuse(rx, &n->c.rx_ip_proto);
	return NULL;
}
