/* ICMPv6 (RFC 4443): echo is answered in the buffer that it came in, "packet too big" goes to TCP, ND to net_nd.c. */
#include "net/net_priv.h"

#define ICMP6_UNREACHABLE  1
#define ICMP6_TOO_BIG      2 /* the MTU is in the second word, RFC 4443, 3.2 */
#define ICMP6_ECHO         128
#define ICMP6_ECHO_REPLY   129
#define ICMP6_ND_SOLICIT   135
#define ICMP6_ND_ADVERTISE 136

struct icmp6_hdr {
	uint8_t type, code;
	uint16_t cksum;
	uint32_t word;
} __rte_packed;

/* An echo to a group would need another source: hosts may leave it unanswered, RFC 4443, 4.2. The answer carries no
 * extension headers. */
static void echo_reply(struct net *n, struct net_rx *rx)
{
	struct rte_ether_addr to = rx->eth->src_addr;
	struct rte_ipv6_hdr old = *rx->ip6;
	uint8_t tos = (uint8_t)(rte_be_to_cpu_32(old.vtc_flow) >> 20);

	rte_pktmbuf_adj(rx->m, NET_ETH_LEN + rx->ip_len - NET_IPV6_LEN);
	struct rte_ipv6_hdr *ip = rte_pktmbuf_mtod(rx->m, struct rte_ipv6_hdr *);
	net_ipv6_fill(ip, old.dst_addr, old.src_addr, IPPROTO_ICMPV6, tos, NET_TTL, rx->l4_len);
	struct icmp6_hdr *ic = (struct icmp6_hdr *)(ip + 1);
	ic->type = ICMP6_ECHO_REPLY;
	ic->cksum = 0;
	uint64_t sum = csum_pseudo_v6(ip->src_addr, ip->dst_addr, IPPROTO_ICMPV6, rx->l4_len);
	ic->cksum = (uint16_t)~csum_fold(csum_add(sum, ic, rx->l4_len));
	rx->m->ol_flags = 0;
	n->c.icmp_echo++;
	net_l2_output(n, rx->m, &to, RTE_ETHER_TYPE_IPV6);
}

static void echo(struct net *n, struct net_rx *rx)
{
	struct net_addr dst = net_addr6(rx->ip6->dst_addr), src = net_addr6(rx->ip6->src_addr);
	if (!net_own_ready(n, &dst) || !net_source_ok(n, &src))
		rx->dropped = &n->c.rx_not_ours;
	else if (rx->l4_len > n->p.mtu - NET_IPV6_LEN)
		rx->dropped = &n->c.icmp_bad;
	else if (!net_echo_allowed(n))
		rx->dropped = &n->c.icmp_echo_limited;
	else
		echo_reply(n, rx);
}

static void too_big(struct net *n, struct net_rx *rx, const struct icmp6_hdr *ic)
{
	if (!rx->from_ring)
		n->c.icmp_frag_needed++;
	if (!net_pmtu_error(n, rx, ic + 1, rx->l4_len - (uint32_t)sizeof(*ic), rte_be_to_cpu_32(ic->word)))
		rte_pktmbuf_free(rx->m);
}

void net_icmp6_input(struct net *n, struct net_rx *rx)
{
	const struct icmp6_hdr *ic = net_rx_l4(rx);

	n->c.icmp_rx++;
	if (rx->l4_len < sizeof(*ic) || csum_fold(csum_add(net_rx_pseudo(rx), ic, rx->l4_len)) != 0xffff) {
		rx->dropped = &n->c.icmp_bad;
		return;
	}
	switch (ic->type) {
	case ICMP6_ECHO:
		echo(n, rx);
		return;
	case ICMP6_ND_SOLICIT:
	case ICMP6_ND_ADVERTISE:
		net_nd_input(n, rx);
		return;
	case ICMP6_TOO_BIG:
		too_big(n, rx, ic);
		return;
	case ICMP6_UNREACHABLE:
		n->c.icmp_unreach++;
		break;
	default:
		n->c.icmp_other++;
	}
	rte_pktmbuf_free(rx->m);
}
