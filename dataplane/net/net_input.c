/* From a received frame to a TCP segment, an answer of our own or a counted drop. RFC 791, 1122 (3.2.1), 9293. */
#include "net/net_priv.h"

/* IPv4 options that name a route (RFC 791, 3.1): refused, RFC 7126. */
#define IPOPT_EOL  0
#define IPOPT_NOP  1
#define IPOPT_LSRR 131
#define IPOPT_SSRR 137

static bool refuse(struct net_rx *rx, uint64_t *counter)
{
	rx->dropped = counter;
	return false;
}

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

/* RFC 1122, 3.2.1.3: what may never be a source; our own address neither (the LAND attack). */
static bool bad_source(const struct net *n, uint32_t src)
{
	uint32_t h = rte_be_to_cpu_32(src);
	return h == 0 || h >= NET_IPV4(224, 0, 0, 0) || (h >> 24) == 127 || net_is_local(n, src);
}

static bool ipv4_checks(struct net *n, struct net_rx *rx, uint32_t frame_len)
{
	const struct rte_ipv4_hdr *ip = rx->ip;
	uint16_t total = rte_be_to_cpu_16(ip->total_length);

	rx->ip_len = (uint16_t)((ip->version_ihl & 15) * 4);
	if ((ip->version_ihl >> 4) != 4 || rx->ip_len < NET_IPV4_LEN || total < rx->ip_len || ip->time_to_live == 0)
		return refuse(rx, &n->c.rx_ip_header);
	if (frame_len - NET_ETH_LEN < total)
		return refuse(rx, &n->c.rx_truncated);
	uint64_t f = rx->m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;
	if (f == RTE_MBUF_F_RX_IP_CKSUM_BAD ||
	    (f != RTE_MBUF_F_RX_IP_CKSUM_GOOD && csum_fold(csum_add(0, ip, rx->ip_len)) != 0xffff))
		return refuse(rx, &n->c.rx_ip_csum);
	if (!net_is_local(n, ip->dst_addr))
		return refuse(rx, &n->c.rx_not_ours);
	if (bad_source(n, ip->src_addr))
		return refuse(rx, &n->c.rx_ip_src);
	if (rx->ip_len > NET_IPV4_LEN && source_routed(ip, rx->ip_len))
		return refuse(rx, &n->c.rx_ip_source_route);
	if (ip->fragment_offset & rte_cpu_to_be_16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK))
		return refuse(rx, &n->c.rx_ip_fragment);
	rx->l4_len = total - rx->ip_len;
	/* Ethernet pads short frames. */
	if (frame_len > (uint32_t)NET_ETH_LEN + total)
		rte_pktmbuf_trim(rx->m, (uint16_t)(frame_len - NET_ETH_LEN - total));
	return true;
}

/* A sender on this host hands its segments over with only the pseudo header summed when its device offers checksum
 * offload (veth does) and the receiving driver drops that mark (net_af_packet and net_af_xdp of DPDK 22.11 do). Such
 * data never left this host's memory. Nothing else may look like it: the field must hold exactly that sum. */
static bool csum_is_partial(struct net *n, const struct net_rx *rx, const struct rte_tcp_hdr *tcp)
{
	if (tcp->cksum != csum_fold(csum_pseudo_v4(rx->ip->src_addr, rx->ip->dst_addr, IPPROTO_TCP, rx->l4_len)))
		return false;
	n->c.rx_csum_partial++;
	if (!n->partial_told && n->p.log) {
		n->partial_told = true;
		log_defer(n->p.log, LOG_NOTICE, n->now.wall_us,
			  "a sender on this host leaves TCP checksums to its device: accepted on this device; "
			  "`ethtool -K PEER tx off` on its interface makes it compute them",
			  0, NULL);
	}
	return n->accept_partial;
}

static bool tcp_csum_ok(struct net *n, const struct net_rx *rx, const struct rte_tcp_hdr *tcp)
{
	uint64_t f = rx->m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
	if (rp_likely(f == RTE_MBUF_F_RX_L4_CKSUM_GOOD || f == RTE_MBUF_F_RX_L4_CKSUM_NONE))
		return true;
	uint64_t sum = csum_pseudo_v4(rx->ip->src_addr, rx->ip->dst_addr, IPPROTO_TCP, rx->l4_len);
	if (f == RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN && csum_fold(csum_add(sum, tcp, rx->l4_len)) == 0xffff)
		return true;
	return csum_is_partial(n, rx, tcp);
}

/* Returns the segment, or NULL when it was refused, steered or shed (then m is gone unless rx->dropped is set). */
static struct rte_mbuf *tcp_segment(struct net *n, struct net_rx *rx)
{
	struct rte_mbuf *m = rx->m;
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)((char *)rx->ip + rx->ip_len);
	uint8_t hlen = rx->l4_len >= sizeof(*tcp) ? (uint8_t)((tcp->data_off >> 4) * 4) : 0;

	if (hlen < sizeof(*tcp) || hlen > rx->l4_len) {
		refuse(rx, &n->c.rx_tcp_header);
		return NULL;
	}
	if (n->steer && !rx->from_ring && net_steer_tcp(n, m, rx->ip, tcp))
		return NULL;
	if (!tcp_csum_ok(n, rx, tcp)) {
		refuse(rx, &n->c.rx_tcp_csum);
		return NULL;
	}
	if (n->p.shared)
		neigh_hear(n, rx->ip->src_addr, &rx->eth->src_addr);
	if (rp_unlikely(n->low) && (rx->l4_len > hlen || (tcp->tcp_flags & RTE_TCP_SYN_FLAG))) {
		n->c.rx_shed++;
		net_reserve_give(n, m);
		return NULL;
	}
	rte_pktmbuf_adj(m, NET_ETH_LEN + rx->ip_len);
	m->l2_len = NET_ETH_LEN;
	m->l3_len = rx->ip_len;
	m->l4_len = hlen;
	buf_priv(m)->ref.blob = NULL;
	n->c.rx_tcp++;
	return m;
}

static struct rte_mbuf *ipv4_input(struct net *n, struct net_rx *rx, uint32_t frame_len)
{
	if (frame_len < NET_ETH_LEN + NET_IPV4_LEN) {
		refuse(rx, &n->c.rx_short);
		return NULL;
	}
	rx->ip = (struct rte_ipv4_hdr *)(rx->eth + 1);
	if (!ipv4_checks(n, rx, frame_len))
		return NULL;
	if (rp_likely(rx->ip->next_proto_id == IPPROTO_TCP))
		return tcp_segment(n, rx);
	if (rx->ip->next_proto_id == IPPROTO_ICMP)
		net_icmp_input(n, rx);
	else
		refuse(rx, &n->c.rx_ip_proto);
	return NULL;
}

static bool frame_checks(struct net *n, struct net_rx *rx)
{
	struct rte_mbuf *m = rx->m;
	if (rp_unlikely(m->nb_segs > 1) && rte_pktmbuf_linearize(m) != 0)
		return refuse(rx, &n->c.rx_scattered);
	if (m->data_len < NET_ETH_LEN)
		return refuse(rx, &n->c.rx_short);
	rx->eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	/* A driver may have taken the tag out of the frame (net_af_packet does). */
	if ((m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) && (m->vlan_tci & 0xfff) != 0)
		return refuse(rx, &n->c.rx_vlan);
	return true;
}

static struct rte_mbuf *frame_input(struct net *n, struct net_rx *rx)
{
	if (!frame_checks(n, rx))
		return NULL;
	bool unicast = rte_is_same_ether_addr(&rx->eth->dst_addr, &n->p.mac);
	switch (rx->eth->ether_type) {
	case RTE_BE16(RTE_ETHER_TYPE_IPV4):
		if (rp_likely(unicast))
			return ipv4_input(n, rx, rx->m->data_len);
		refuse(rx, rte_is_multicast_ether_addr(&rx->eth->dst_addr) ? &n->c.rx_multicast : &n->c.rx_not_ours);
		break;
	case RTE_BE16(RTE_ETHER_TYPE_ARP):
		if (unicast || rte_is_broadcast_ether_addr(&rx->eth->dst_addr))
			net_arp_input(n, rx);
		else
			refuse(rx, &n->c.rx_not_ours);
		break;
	case RTE_BE16(RTE_ETHER_TYPE_VLAN):
		refuse(rx, &n->c.rx_vlan);
		break;
	default:
		refuse(rx, rte_is_multicast_ether_addr(&rx->eth->dst_addr) ? &n->c.rx_multicast : &n->c.rx_ethertype);
	}
	return NULL;
}

static uint32_t input(struct net *n, struct rte_mbuf **in, uint32_t nin, struct rte_mbuf **out, bool from_ring)
{
	uint32_t nout = 0;
	for (uint32_t i = 0; i < nin; i++) {
		if (i + 4 < nin)
			rte_prefetch0(rte_pktmbuf_mtod(in[i + 4], void *));
		struct net_rx rx = {.m = in[i], .from_ring = from_ring};
		struct rte_mbuf *seg = frame_input(n, &rx);
		if (rp_likely(seg != NULL)) {
			out[nout++] = seg;
		} else if (rx.dropped) {
			(*rx.dropped)++;
			rte_pktmbuf_free(rx.m);
		}
	}
	return nout;
}

uint32_t net_input_burst(struct net *n, struct rte_mbuf **in, uint32_t nin, struct rte_mbuf **out)
{
	for (uint32_t i = 0; i < nin; i++)
		n->c.rx_bytes += in[i]->pkt_len;
	n->c.rx_packets += nin;
	uint32_t nout = input(n, in, nin, out, false);
	if (n->steer)
		net_steer_flush(n);
	return nout;
}

uint32_t net_poll_rx(struct net *n, struct rte_mbuf **out, uint32_t cap)
{
	struct rte_mbuf *m[RP_MAX_BURST];
	uint32_t nout = 0;

	cap = RP_MIN(cap, (uint32_t)RP_MAX_BURST);
	if (n->steer) {
		/* Half of the room: neither the rings nor the queue can keep the other waiting. */
		uint32_t k = net_steer_poll(n, m, (cap + 1) / 2);
		n->c.steered_in += k;
		nout = input(n, m, k, out, true);
	}
	if (n->p.port && cap > nout) {
		uint32_t k = port_rx_burst(n->p.port, n->p.worker, m, (uint16_t)(cap - nout));
		if (k)
			nout += net_input_burst(n, m, k, out + nout);
	}
	return nout;
}

void net_segment_addrs(const struct rte_mbuf *m, struct net_addr *src, struct net_addr *dst)
{
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(rte_pktmbuf_mtod(m, const char *) - m->l3_len);
	*src = (struct net_addr){.family = 4, .v4 = ip->src_addr};
	*dst = (struct net_addr){.family = 4, .v4 = ip->dst_addr};
}
