/* IPv4 input: RFC 791, 1122 (3.2.1). */
#include "net/net_priv.h"

/* Options that name a route (RFC 791, 3.1): refused, RFC 7126. */
#define IPOPT_EOL  0
#define IPOPT_NOP  1
#define IPOPT_LSRR 131
#define IPOPT_SSRR 137

static bool source_routed(const struct rte_ipv4_hdr *ip, uint16_t ip_len)
{
	const uint8_t *o = (const uint8_t *)(ip + 1), *end = (const uint8_t *)ip + ip_len;
	while (o < end && *o != IPOPT_EOL) {
		if (*o == IPOPT_LSRR || *o == IPOPT_SSRR)
			return true;
		if (*o == IPOPT_NOP) {
			o++;
			continue;
		}
		if (end - o < 2 || o[1] < 2)
			return false;
		o += o[1];
	}
	return false;
}

static bool header_checks(struct net *n, struct net_rx *rx)
{
	const struct rte_ipv4_hdr *ip = rx->ip;
	uint32_t room = rx->m->data_len - NET_ETH_LEN;
	uint16_t total = rte_be_to_cpu_16(ip->total_length);

	rx->ip_len = (uint16_t)((ip->version_ihl & 15) * 4);
	if ((ip->version_ihl >> 4) != 4 || rx->ip_len < NET_IPV4_LEN || total < rx->ip_len || ip->time_to_live == 0)
		return net_refuse(rx, &n->c.rx_ip_header);
	if (room < total)
		return net_refuse_truncated(n, rx);
	uint64_t f = rx->m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;
	if (!(f == RTE_MBUF_F_RX_IP_CKSUM_GOOD && net_rx_proven(n)) && csum_fold(csum_add(0, ip, rx->ip_len)) != 0xffff)
		return net_refuse(rx, &n->c.rx_ip_csum);
	rx->l4_len = total - rx->ip_len;
	/* Ethernet pads short frames. */
	if (room > total)
		rte_pktmbuf_trim(rx->m, (uint16_t)(room - total));
	return true;
}

static struct rte_mbuf *fragment(struct net *n, struct net_rx *rx)
{
	uint16_t off = rte_be_to_cpu_16(rx->ip->fragment_offset);
	struct net_frag f = {.src = net_addr4(rx->ip->src_addr),
			     .dst = net_addr4(rx->ip->dst_addr),
			     .id = rx->ip->packet_id,
			     .proto = rx->ip->next_proto_id,
			     .tos = rx->ip->type_of_service,
			     .data = net_rx_l4(rx),
			     .off = (off & RTE_IPV4_HDR_OFFSET_MASK) * 8u,
			     .len = rx->l4_len,
			     .more = off & RTE_IPV4_HDR_MF_FLAG};
	return net_frag_input(n, rx, &f);
}

struct rte_mbuf *net_ipv4_input(struct net *n, struct net_rx *rx)
{
	rx->family = 4;
	if (rx->m->data_len < NET_ETH_LEN + NET_IPV4_LEN) {
		net_refuse(rx, &n->c.rx_short);
		return NULL;
	}
	rx->ip = (struct rte_ipv4_hdr *)(rx->eth + 1);
	if (!header_checks(n, rx))
		return NULL;
	rx->proto = rx->ip->next_proto_id;
	struct net_addr src = net_addr4(rx->ip->src_addr);
	if (!net_is_local(n, rx->ip->dst_addr))
		net_refuse(rx, &n->c.rx_not_ours);
	else if (!net_source_ok(n, &src))
		net_refuse(rx, &n->c.rx_ip_src);
	else if (rx->ip_len > NET_IPV4_LEN && source_routed(rx->ip, rx->ip_len))
		net_refuse(rx, &n->c.rx_ip_source_route);
	else if (rx->ip->fragment_offset & rte_cpu_to_be_16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK))
		return fragment(n, rx);
	else if (rp_likely(rx->proto == IPPROTO_TCP))
		return net_tcp_segment(n, rx);
	else if (rx->proto == IPPROTO_ICMP)
		net_icmp_input(n, rx);
	else
		net_refuse(rx, &n->c.rx_ip_proto);
	return NULL;
}
