/* ARP (RFC 826) with conflict detection (RFC 5227). Only hosts of our own subnets are believed. */
#include "net/net_priv.h"

int net_subnet_of(const struct net *n, uint32_t ip)
{
	for (uint32_t i = 0; i < n->p.naddrs; i++)
		if (((ip ^ n->p.addrs[i].addr.v4) & n->prefix_mask[i]) == 0)
			return (int)i;
	return -1;
}

static void arp_fill(const struct net *n, struct rte_arp_hdr *a, uint16_t op, uint32_t sip, uint32_t tip,
		     const struct rte_ether_addr *tha)
{
	a->arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER);
	a->arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	a->arp_hlen = RTE_ETHER_ADDR_LEN;
	a->arp_plen = 4;
	a->arp_opcode = rte_cpu_to_be_16(op);
	a->arp_data.arp_sha = n->p.mac;
	a->arp_data.arp_sip = sip;
	a->arp_data.arp_tha = *tha;
	a->arp_data.arp_tip = tip;
}

void net_arp_request(struct net *n, uint32_t ip, const struct rte_ether_addr *to)
{
	static const struct rte_ether_addr zero;
	struct rte_mbuf *m = net_ctl_alloc(n);
	int i = net_subnet_of(n, ip);

	if (!m)
		return;
	struct rte_ether_hdr *eth = (struct rte_ether_hdr *)rte_pktmbuf_append(m, NET_ETH_LEN + NET_ARP_LEN);
	*eth = n->bcast_eth;
	if (to)
		eth->dst_addr = *to;
	/* Asked for one of our own addresses this is the announcement of RFC 5227, 2.3. */
	uint32_t sip = net_is_local(n, ip) ? ip : n->p.addrs[i < 0 ? 0 : i].addr.v4;
	arp_fill(n, (struct rte_arp_hdr *)(eth + 1), RTE_ARP_OP_REQUEST, sip, ip, &zero);
	n->c.arp_request_tx++;
	net_tx_push(n, m);
}

/* In the buffer of the request. */
static void arp_reply(struct net *n, struct rte_mbuf *m)
{
	struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	struct rte_arp_hdr *a = (struct rte_arp_hdr *)(eth + 1);
	struct rte_ether_addr peer = a->arp_data.arp_sha;

	arp_fill(n, a, RTE_ARP_OP_REPLY, a->arp_data.arp_tip, a->arp_data.arp_sip, &peer);
	eth->dst_addr = peer;
	eth->src_addr = n->p.mac;
	m->data_len = NET_ETH_LEN + NET_ARP_LEN;
	m->pkt_len = m->data_len;
	m->ol_flags = 0;
	n->c.arp_reply_tx++;
	net_tx_push(n, m);
}

static bool arp_valid(const struct net *n, const struct net_rx *rx, const struct rte_arp_hdr *a)
{
	if (a->arp_hardware != RTE_BE16(RTE_ARP_HRD_ETHER) || a->arp_protocol != RTE_BE16(RTE_ETHER_TYPE_IPV4) ||
	    a->arp_hlen != RTE_ETHER_ADDR_LEN || a->arp_plen != 4)
		return false;
	if (a->arp_opcode != RTE_BE16(RTE_ARP_OP_REQUEST) && a->arp_opcode != RTE_BE16(RTE_ARP_OP_REPLY))
		return false;
	/* Zero: somebody probes for a free address (RFC 5227, 2.1.1). */
	if (a->arp_data.arp_sip != 0 && net_subnet_of(n, a->arp_data.arp_sip) < 0)
		return false;
	return rte_is_valid_assigned_ether_addr(&a->arp_data.arp_sha) &&
	       rte_is_same_ether_addr(&a->arp_data.arp_sha, &rx->eth->src_addr);
}

static void arp_conflict(struct net *n, const struct rte_arp_hdr *a)
{
	n->c.arp_conflict++;
	if (!n->p.log || (n->conflict_us && n->now.mono_us - n->conflict_us < NET_CONFLICT_US))
		return;
	n->conflict_us = n->now.mono_us;
	uint32_t ip = rte_be_to_cpu_32(a->arp_data.arp_sip);
	uint64_t mac = 0;
	for (int i = 0; i < RTE_ETHER_ADDR_LEN; i++)
		mac = mac << 8 | a->arp_data.arp_sha.addr_bytes[i];
	uint64_t args[] = {ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255, mac};
	log_defer(n->p.log, LOG_WARNING, n->now.wall_us,
		  "address conflict: our %lu.%lu.%lu.%lu is also claimed by MAC %012lx; give one of the two another "
		  "address",
		  5, args);
	/* One defence per interval, RFC 5227, 2.4 (b). */
	net_arp_request(n, a->arp_data.arp_sip, NULL);
}

void net_arp_input(struct net *n, struct net_rx *rx)
{
	const struct rte_arp_hdr *a = (const struct rte_arp_hdr *)(rx->eth + 1);

	n->c.arp_rx++;
	if (rx->m->data_len < NET_ETH_LEN + NET_ARP_LEN || !arp_valid(n, rx, a)) {
		rx->dropped = &n->c.arp_bad;
		return;
	}
	if (rte_is_same_ether_addr(&a->arp_data.arp_sha, &n->p.mac)) {
		rte_pktmbuf_free(rx->m); /* our own, reflected */
		return;
	}
	if (n->steer && !rx->from_ring)
		net_steer_arp(n, rx->m);
	bool for_us = net_is_local(n, a->arp_data.arp_tip) && a->arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST);
	if (net_is_local(n, a->arp_data.arp_sip)) {
		if (!rx->from_ring)
			arp_conflict(n, a);
		for_us = false;
	} else if (a->arp_data.arp_sip != 0) {
		neigh_learn(n, a->arp_data.arp_sip, &a->arp_data.arp_sha, for_us);
	}
	if (for_us && !rx->from_ring)
		arp_reply(n, rx->m);
	else
		rte_pktmbuf_free(rx->m);
}
