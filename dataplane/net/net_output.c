/* Paths and the IPv4 output of TCP segments. RFC 791, 6864 (identification), 1191 (DF). */
#include <errno.h>

#include "net/net_priv.h"

uint32_t net_next_hop(const struct net *n, uint32_t remote)
{
	if (net_subnet_of(n, remote) >= 0)
		return remote;
	if (n->p.gateway.family == 4)
		return n->p.gateway.v4;
	/* Back to the router that the peer's segment came through. */
	return n->p.shared ? remote : 0;
}

/* No connection goes to ourselves, to nobody or to everybody. */
static bool reachable(const struct net *n, uint32_t remote)
{
	uint32_t h = rte_be_to_cpu_32(remote);
	if (h == 0 || h >= NET_IPV4(224, 0, 0, 0) || (h >> 24) == 127 || net_is_local(n, remote))
		return false;
	int i = net_subnet_of(n, remote);
	bool bcast = i >= 0 && n->p.addrs[i].prefix_len < 31 && (remote | n->prefix_mask[i]) == UINT32_MAX;
	return !bcast && net_next_hop(n, remote) != 0;
}

int net_local_for(struct net *n, const struct net_addr *remote, struct net_addr *local)
{
	if (remote->family != 4 || !reachable(n, remote->v4))
		return -ENETUNREACH;
	int i = net_subnet_of(n, net_next_hop(n, remote->v4));
	*local = n->p.addrs[i < 0 ? 0 : i].addr;
	return 0;
}

int net_path_init(struct net *n, struct net_path *path, const struct net_addr *local, const struct net_addr *remote)
{
	if (local->family != 4 || !net_is_local(n, local->v4))
		return -EADDRNOTAVAIL;
	if (remote->family != 4 || !reachable(n, remote->v4))
		return -ENETUNREACH;
	*path = (struct net_path){.local = *local, .remote = *remote, .mtu = n->p.mtu};
	path->neigh = neigh_lookup(n, net_next_hop(n, remote->v4));
	if (path->neigh != NET_NEIGH_NONE)
		path->neigh_gen = n->neigh[path->neigh].gen;
	return 0;
}

static inline bool path_valid(const struct net *n, const struct net_path *path)
{
	return path->neigh != NET_NEIGH_NONE && n->neigh[path->neigh].gen == path->neigh_gen;
}

void net_path_confirm(struct net *n, struct net_path *path)
{
	if (!path_valid(n, path))
		return;
	struct neigh *e = &n->neigh[path->neigh];
	if (e->state < NEIGH_REACHABLE)
		return;
	e->state = NEIGH_REACHABLE;
	e->tries = 0;
	e->confirmed_us = n->now.mono_us;
}

static void ipv4_fill_nosum(struct net *n, struct rte_ipv4_hdr *ip, uint32_t src, uint32_t dst, uint8_t proto,
			    uint8_t tos, uint16_t total_len)
{
	ip->version_ihl = RTE_IPV4_VHL_DEF;
	ip->type_of_service = tos;
	ip->total_length = rte_cpu_to_be_16(total_len);
	ip->packet_id = rte_cpu_to_be_16(n->ip_id++);
	ip->fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG);
	ip->time_to_live = NET_TTL;
	ip->next_proto_id = proto;
	ip->hdr_checksum = 0;
	ip->src_addr = src;
	ip->dst_addr = dst;
}

void net_ipv4_fill(struct net *n, struct rte_ipv4_hdr *ip, uint32_t src, uint32_t dst, uint8_t proto, uint8_t tos,
		   uint16_t total_len)
{
	ipv4_fill_nosum(n, ip, src, dst, proto, tos, total_len);
	ip->hdr_checksum = csum_ipv4_header(ip, NET_IPV4_LEN);
}

void net_tcp_output(struct net *n, struct net_path *path, struct rte_mbuf *m, uint8_t tcp_len)
{
	uint16_t seg_len = (uint16_t)m->pkt_len;
	uint32_t src = path->local.v4, dst = path->remote.v4;
	struct rte_tcp_hdr *tcp = rte_pktmbuf_mtod(m, struct rte_tcp_hdr *);
	uint64_t sum = csum_pseudo_v4(src, dst, IPPROTO_TCP, seg_len);

	m->ol_flags &= ~RTE_MBUF_F_TX_OFFLOAD_MASK;
	m->l2_len = NET_ETH_LEN;
	m->l3_len = NET_IPV4_LEN;
	m->l4_len = tcp_len;
	if (n->p.tx_csum_tcp) {
		/* The device sums the segment on top of the pseudo header that it finds in the field. */
		tcp->cksum = csum_fold(sum);
		m->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM;
	} else {
		tcp->cksum = (uint16_t)~csum_fold(csum_add_mbuf(sum, m, 0, seg_len));
	}
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)rte_pktmbuf_prepend(m, NET_IPV4_LEN);
	ipv4_fill_nosum(n, ip, src, dst, IPPROTO_TCP, path->tos, NET_IPV4_LEN + seg_len);
	if (n->p.tx_csum_ip)
		m->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM;
	else
		ip->hdr_checksum = csum_ipv4_header(ip, NET_IPV4_LEN);
	rte_pktmbuf_prepend(m, NET_ETH_LEN);
	if (rp_unlikely(!path_valid(n, path))) {
		path->neigh = neigh_get(n, net_next_hop(n, dst));
		path->neigh_gen = n->neigh[path->neigh].gen;
	}
	neigh_output(n, path->neigh, m);
}
