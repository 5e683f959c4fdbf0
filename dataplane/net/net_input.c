/* From a received frame to a TCP segment, an answer of our own or a counted drop. IEEE 802.1Q, RFC 9293. */
#include "net/net_priv.h"

static void tell_once(struct net *n, bool *told, enum log_level level, const char *text)
{
	if (!*told && n->p.log)
		log_defer(n->p.log, level, n->now.wall_us, text, 0, NULL);
	*told = true;
}

/* A sender on this host hands its segments over with only the pseudo header summed when its device offers checksum
 * offload (veth does) and the receiving driver drops that mark (net_af_packet and net_af_xdp of DPDK 22.11 do). Such
 * data never left this host's memory. Nothing else may look like it: the field must hold exactly that sum. */
static bool csum_is_partial(struct net *n, const struct net_rx *rx, const struct rte_tcp_hdr *tcp)
{
	if (tcp->cksum != csum_fold(net_rx_pseudo(rx)))
		return false;
	n->c.rx_csum_partial++;
	tell_once(
		n, &n->partial_told, n->accept_partial ? LOG_NOTICE : LOG_WARNING,
		n->accept_partial
			? "a sender on this host leaves TCP checksums to its device: accepted on this device; "
			  "`ethtool -K PEER tx off` on its interface makes it compute them"
			: "a sender on this host leaves TCP checksums to its device: on this device such segments are "
			  "dropped; `ethtool -K PEER tx off` on its interface");
	return n->accept_partial;
}

bool net_refuse_truncated(struct net *n, struct net_rx *rx)
{
	tell_once(
		n, &n->truncated_told, LOG_WARNING,
		"frames come cut off, and are dropped: somebody sends or gathers frames larger than the MTU; `ethtool "
		"-K PEER tso off gso off` on a sender's interface of this host, `ethtool -K IFACE gro off lro off` on "
		"ours");
	return net_refuse(rx, &n->c.rx_truncated);
}

static void device_is_wrong(struct net *n)
{
	n->c.rx_csum_wrong++;
	if (!n->rx_csum_useless && n->p.log)
		log_defer(n->p.log, LOG_WARNING, n->now.wall_us,
			  "the device's verdict on a TCP checksum was wrong: from now on they are computed in software",
			  0, NULL);
	n->rx_csum_useless = true;
}

/* The self-test of receive offload: the first verdicts are compared with our own sum, and a bad one always is, because
 * few honest frames have it. NONE means that the data never left this host: the sum may be unfinished. */
static bool tcp_csum_ok(struct net *n, const struct net_rx *rx, const struct rte_tcp_hdr *tcp)
{
	uint64_t f = rx->m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
	bool good = f == RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	if (rp_likely((good && net_rx_proven(n)) || f == RTE_MBUF_F_RX_L4_CKSUM_NONE))
		return true;
	bool right = csum_fold(csum_add(net_rx_pseudo(rx), tcp, rx->l4_len)) == 0xffff;
	if (good && right && n->rx_unproven)
		n->rx_unproven--;
	else if (f != RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN && good != right && !n->rx_csum_useless)
		device_is_wrong(n);
	return right || csum_is_partial(n, rx, tcp);
}

struct rte_mbuf *net_tcp_segment(struct net *n, struct net_rx *rx)
{
	struct rte_mbuf *m = rx->m;
	struct rte_tcp_hdr *tcp = net_rx_l4(rx);
	uint8_t hlen = rx->l4_len >= sizeof(*tcp) ? (uint8_t)((tcp->data_off >> 4) * 4) : 0;

	if (hlen < sizeof(*tcp) || hlen > rx->l4_len) {
		net_refuse(rx, &n->c.rx_tcp_header);
		return NULL;
	}
	if (n->rings && !rx->from_ring && (n->steer || rx->reassembled) && net_steer_tcp(n, rx, tcp))
		return NULL;
	if (!tcp_csum_ok(n, rx, tcp)) {
		net_refuse(rx, &n->c.rx_tcp_csum);
		return NULL;
	}
	if (n->p.shared) {
		struct net_addr src = net_rx_src(rx);
		neigh_hear(n, &src, &rx->eth->src_addr);
	}
	if (rp_unlikely(n->low) && (rx->l4_len > hlen || (tcp->tcp_flags & RTE_TCP_SYN_FLAG))) {
		n->c.rx_shed++;
		net_reserve_give(n, m);
		return NULL;
	}
	rte_pktmbuf_adj(m, NET_ETH_LEN + rx->ip_len);
	m->tx_offload = rte_mbuf_tx_offload(NET_ETH_LEN, rx->ip_len, hlen, 0, 0, 0, 0);
	buf_priv(m)->ref.blob = NULL;
	n->c.rx_tcp++;
	return m;
}

/* Leaves the frame without its tag. A driver may have taken it out already (net_af_packet does). */
static bool vlan_ok(struct net *n, struct net_rx *rx)
{
	struct rte_mbuf *m = rx->m;
	uint16_t id = 0;
	if (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) {
		id = m->vlan_tci & 0xfff;
	} else if (rx->eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_VLAN)) {
		const struct rte_vlan_hdr *tag = (const struct rte_vlan_hdr *)(rx->eth + 1);
		if (m->data_len < NET_ETH_LEN + NET_VLAN_LEN)
			return net_refuse(rx, &n->c.rx_short);
		id = rte_be_to_cpu_16(tag->vlan_tci) & 0xfff;
		memmove((char *)rx->eth + NET_VLAN_LEN, rx->eth, 2 * RTE_ETHER_ADDR_LEN);
		rx->eth = (struct rte_ether_hdr *)rte_pktmbuf_adj(m, NET_VLAN_LEN);
	}
	return id == n->p.vlan || net_refuse(rx, &n->c.rx_vlan);
}

static bool frame_checks(struct net *n, struct net_rx *rx)
{
	struct rte_mbuf *m = rx->m;
	if (rp_unlikely(m->nb_segs > 1) && rte_pktmbuf_linearize(m) != 0)
		return net_refuse(rx, &n->c.rx_scattered);
	if (m->data_len < NET_ETH_LEN)
		return net_refuse(rx, &n->c.rx_short);
	rx->eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	/* The worker that received it has looked at the tag. */
	return rx->from_ring || vlan_ok(n, rx);
}

static struct rte_mbuf *frame_input(struct net *n, struct net_rx *rx)
{
	if (!frame_checks(n, rx))
		return NULL;
	const struct rte_ether_addr *dst = &rx->eth->dst_addr;
	bool unicast = rte_is_same_ether_addr(dst, &n->p.mac), group = rte_is_multicast_ether_addr(dst);
	switch (rx->eth->ether_type) {
	case RTE_BE16(RTE_ETHER_TYPE_IPV4):
		if (rp_likely(unicast))
			return net_ipv4_input(n, rx);
		break;
	case RTE_BE16(RTE_ETHER_TYPE_IPV6):
		if (rp_likely(unicast) || net_nd_wants(n, dst))
			return net_ipv6_input(n, rx);
		break;
	case RTE_BE16(RTE_ETHER_TYPE_ARP):
		if (unicast || rte_is_broadcast_ether_addr(dst)) {
			net_arp_input(n, rx);
			return NULL;
		}
		break;
	default:
		net_refuse(rx, group ? &n->c.rx_multicast : &n->c.rx_ethertype);
		return NULL;
	}
	net_refuse(rx, group ? &n->c.rx_multicast : &n->c.rx_not_ours);
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
	if (n->rings)
		net_steer_flush(n);
	return nout;
}

uint32_t net_poll_rx(struct net *n, struct rte_mbuf **out, uint32_t cap)
{
	struct rte_mbuf *m[RP_MAX_BURST];
	uint32_t nout = 0;

	cap = RP_MIN(cap, (uint32_t)RP_MAX_BURST);
	if (n->rings) {
		/* Half of the room: neither the rings nor the queue can keep the other waiting. */
		uint32_t k = net_steer_poll(n, m, (cap + 1) / 2);
		n->c.steered_in += k;
		nout = input(n, m, k, out, true);
		/* Fragments that became whole here may belong elsewhere. */
		if (k)
			net_steer_flush(n);
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
	const char *at = rte_pktmbuf_mtod(m, const char *) - m->l3_len;
	if ((*at >> 4 & 15) == 4) {
		const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)at;
		*src = net_addr4(ip->src_addr);
		*dst = net_addr4(ip->dst_addr);
	} else {
		const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)at;
		*src = net_addr6(ip->src_addr);
		*dst = net_addr6(ip->dst_addr);
	}
}
