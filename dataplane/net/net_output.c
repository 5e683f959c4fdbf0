/* Paths and the output of TCP segments. RFC 791, 6864 (identification), 1191 (DF), 8200. */
#include <errno.h>

#include "net/net_priv.h"

/* No connection goes to ourselves, to nobody or to everybody. */
static bool reachable(struct net *n, const struct net_addr *remote, struct net_addr *hop)
{
	if ((remote->family != 4 && remote->family != 6) || !net_source_ok(n, remote))
		return false;
	const struct net_own *o = net_own_subnet(n, remote);
	if (o && remote->family == 4 && o->prefix_len < 31 && (remote->v4 | o->mask4) == UINT32_MAX)
		return false;
	return net_next_hop(n, remote, hop);
}

/* RFC 6724 in small: the address of the same network, else the first that reaches as far. */
int net_local_for(struct net *n, const struct net_addr *remote, struct net_addr *local)
{
	struct net_addr hop;
	if (!reachable(n, remote, &hop))
		return -ENETUNREACH;
	const struct net_own *o = net_own_subnet(n, net_own_subnet(n, remote) ? remote : &hop);
	bool near = net_is_link_local(remote);
	if (o && o->state == OWN_READY && net_is_link_local(&o->addr) == near) {
		*local = o->addr;
		return 0;
	}
	for (uint32_t i = 0; i < n->nown; i++) {
		o = &n->own[i];
		if (o->addr.family == remote->family && o->state == OWN_READY && net_is_link_local(&o->addr) == near) {
			*local = o->addr;
			return 0;
		}
	}
	return -ENETUNREACH;
}

int net_path_init(struct net *n, struct net_path *path, const struct net_addr *local, const struct net_addr *remote)
{
	struct net_addr hop;
	if (!net_own_ready(n, local))
		return -EADDRNOTAVAIL;
	if (remote->family != local->family || !reachable(n, remote, &hop))
		return -ENETUNREACH;
	*path = (struct net_path){.local = *local, .remote = *remote, .mtu = net_pmtu_get(n, remote)};
	path->neigh = neigh_lookup(n, &hop);
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
	if (path_valid(n, path))
		neigh_confirm(n, path->neigh);
}

static void ipv4_fill_nosum(struct net *n, struct rte_ipv4_hdr *ip, uint32_t src, uint32_t dst, uint8_t proto,
			    uint8_t tos, uint16_t total_len)
{
	char *p = (char *)ip;

	be32_store(p, (uint32_t)RTE_IPV4_VHL_DEF << 24 | (uint32_t)tos << 16 | total_len);
	be32_store(p + 4, (uint32_t)n->ip_id++ << 16 | RTE_IPV4_HDR_DF_FLAG);
	be32_store(p + 8, (uint32_t)NET_TTL << 24 | (uint32_t)proto << 16);
	ip->src_addr = src;
	ip->dst_addr = dst;
}

void net_ipv4_fill(struct net *n, struct rte_ipv4_hdr *ip, uint32_t src, uint32_t dst, uint8_t proto, uint8_t tos,
		   uint16_t total_len)
{
	ipv4_fill_nosum(n, ip, src, dst, proto, tos, total_len);
	ip->hdr_checksum = csum_ipv4_header(ip, NET_IPV4_LEN);
}

void net_ipv6_fill(struct rte_ipv6_hdr *ip, const uint8_t *src, const uint8_t *dst, uint8_t proto, uint8_t tos,
		   uint8_t hops, uint16_t payload_len)
{
	ip->vtc_flow = rte_cpu_to_be_32(6u << 28 | (uint32_t)tos << 20);
	ip->payload_len = rte_cpu_to_be_16(payload_len);
	ip->proto = proto;
	ip->hop_limits = hops;
	memcpy(ip->src_addr, src, 16);
	memcpy(ip->dst_addr, dst, 16);
}

/* Does the device help with this segment? A train is never made for one that does not. */
static inline bool device_sums(const struct net *n, const struct net_path *path, const struct rte_mbuf *m)
{
	if (m->tso_segsz != 0)
		return true;
	return n->p.tx_csum_tcp && !path->tx_soft && !n->tx_trial[0][path->local.family == 6].off;
}

/* The length that counts in the pseudo header: the device puts in that of each segment of a train. */
static inline uint16_t pseudo_len(const struct rte_mbuf *m)
{
	return m->tso_segsz != 0 ? 0 : (uint16_t)m->pkt_len;
}

/* sum: of the pseudo header. The device sums the segment on top of what it finds in the field. */
static void tcp_csum(struct rte_mbuf *m, bool device, uint64_t sum, uint64_t family_flag)
{
	struct rte_tcp_hdr *tcp = rte_pktmbuf_mtod(m, struct rte_tcp_hdr *);
	if (device) {
		tcp->cksum = csum_fold(sum);
		m->ol_flags |= family_flag | RTE_MBUF_F_TX_TCP_CKSUM | (m->tso_segsz != 0 ? RTE_MBUF_F_TX_TCP_SEG : 0);
	} else {
		sum = csum_add_words(sum, tcp, m->l4_len);
		tcp->cksum = (uint16_t)~csum_fold(csum_add_mbuf(sum, m, m->l4_len, m->pkt_len - m->l4_len));
	}
}

static void ipv4_wrap(struct net *n, const struct net_path *path, struct rte_mbuf *m)
{
	uint16_t seg_len = (uint16_t)m->pkt_len;
	uint32_t src = path->local.v4, dst = path->remote.v4;
	bool device = device_sums(n, path, m);

	tcp_csum(m, device, csum_pseudo_v4(src, dst, IPPROTO_TCP, pseudo_len(m)), RTE_MBUF_F_TX_IPV4);
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)rte_pktmbuf_prepend(m, NET_IPV4_LEN);
	ipv4_fill_nosum(n, ip, src, dst, IPPROTO_TCP, path->tos, NET_IPV4_LEN + seg_len);
	if (n->p.tx_csum_ip && device)
		m->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM;
	else
		ip->hdr_checksum = csum_ipv4_header(ip, NET_IPV4_LEN);
}

static void ipv6_wrap(struct net *n, const struct net_path *path, struct rte_mbuf *m)
{
	const uint8_t *src = path->local.v6, *dst = path->remote.v6;
	uint16_t seg_len = (uint16_t)m->pkt_len;

	tcp_csum(m, device_sums(n, path, m), csum_pseudo_v6(src, dst, IPPROTO_TCP, pseudo_len(m)), RTE_MBUF_F_TX_IPV6);
	net_ipv6_fill((struct rte_ipv6_hdr *)rte_pktmbuf_prepend(m, NET_IPV6_LEN), src, dst, IPPROTO_TCP, path->tos,
		      NET_TTL, seg_len);
}

/* The self-test of what the device does for us when we send: there is no way to see its frames, but a peer answers what
 * was right. Until one first transmission has arrived, a few that only got through when they were repeated in software
 * are proof enough. */
bool net_tx_verdict(struct net *n, uint8_t family, bool train, bool arrived)
{
	struct net_tx_trial *t = &n->tx_trial[train][family == 6];

	if (arrived)
		t->proven = true;
	if (t->proven || t->off)
		return !t->off;
	if (t->doubts > 0 && n->now.mono_us - t->doubted_us < NET_TX_DOUBT_US)
		return true;
	t->doubted_us = n->now.mono_us;
	if (++t->doubts < NET_TX_DOUBTS)
		return true;
	t->off = true;
	n->c.tx_offload_wrong++;
	if (n->p.log)
		log_defer(
			n->p.log, LOG_WARNING, n->now.wall_us,
			train ? "no peer understands the segments that the device cuts (TSO): from now on we cut them"
			      : "no peer accepts the device's TCP checksums: from now on they are computed in software",
			0, NULL);
	return false;
}

void net_tcp_output(struct net *n, struct net_path *path, struct rte_mbuf *m, uint8_t tcp_len)
{
	bool is_ip4 = path->local.family == 4;

	m->ol_flags &= ~RTE_MBUF_F_TX_OFFLOAD_MASK;
	m->tx_offload = rte_mbuf_tx_offload(n->l2_len, is_ip4 ? NET_IPV4_LEN : NET_IPV6_LEN, tcp_len, m->tso_segsz, 0,
					    0, 0);
	if (rp_likely(is_ip4))
		ipv4_wrap(n, path, m);
	else
		ipv6_wrap(n, path, m);
	if (rp_unlikely(!path_valid(n, path))) {
		struct net_addr hop;
		if (!net_next_hop(n, &path->remote, &hop)) {
			rte_pktmbuf_free(m);
			return;
		}
		path->neigh = neigh_get(n, &hop);
		path->neigh_gen = n->neigh[path->neigh].gen;
	}
	neigh_output(n, path->neigh, m, path->no_wait);
}
