/* ARP (RFC 826) with conflict detection (RFC 5227). Only hosts of our own subnets are believed. */
#include "net/net_priv.h"

static const struct rte_ether_addr broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

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

/* Our address that faces ip; asked for one of our own addresses this is the announcement of RFC 5227, 2.3. */
static uint32_t sender_for(struct net *n, uint32_t ip)
{
	struct net_addr a = net_addr4(ip);
	if (net_is_local(n, ip))
		return ip;
	const struct net_own *o = net_own_subnet(n, &a);
	for (uint32_t i = 0; !o; i++)
		if (n->own[i].addr.family == 4)
			o = &n->own[i];
	return o->addr.v4;
}

void net_arp_request(struct net *n, uint32_t ip, const struct rte_ether_addr *to)
{
	static const struct rte_ether_addr zero;
	struct rte_mbuf *m = net_ctl_alloc(n);

	if (!m)
		return;
	struct rte_arp_hdr *a = (struct rte_arp_hdr *)rte_pktmbuf_append(m, NET_ARP_LEN);
	arp_fill(n, a, RTE_ARP_OP_REQUEST, sender_for(n, ip), ip, &zero);
	n->c.arp_request_tx++;
	net_l2_output(n, m, to ? to : &broadcast, RTE_ETHER_TYPE_ARP);
}

/* In the buffer of the request. */
static void arp_reply(struct net *n, struct rte_mbuf *m)
{
	struct rte_arp_hdr *a = (struct rte_arp_hdr *)rte_pktmbuf_adj(m, NET_ETH_LEN);
	struct rte_ether_addr peer = a->arp_data.arp_sha;

	arp_fill(n, a, RTE_ARP_OP_REPLY, a->arp_data.arp_tip, a->arp_data.arp_sip, &peer);
	m->data_len = NET_ARP_LEN;
	m->pkt_len = m->data_len;
	m->ol_flags = 0;
	n->c.arp_reply_tx++;
	net_l2_output(n, m, &peer, RTE_ETHER_TYPE_ARP);
}

static bool arp_valid(struct net *n, const struct net_rx *rx, const struct rte_arp_hdr *a)
{
	struct net_addr sender = net_addr4(a->arp_data.arp_sip);
	if (a->arp_hardware != RTE_BE16(RTE_ARP_HRD_ETHER) || a->arp_protocol != RTE_BE16(RTE_ETHER_TYPE_IPV4) ||
	    a->arp_hlen != RTE_ETHER_ADDR_LEN || a->arp_plen != 4)
		return false;
	if (a->arp_opcode != RTE_BE16(RTE_ARP_OP_REQUEST) && a->arp_opcode != RTE_BE16(RTE_ARP_OP_REPLY))
		return false;
	/* Zero: somebody probes for a free address (RFC 5227, 2.1.1). */
	if (sender.v4 != 0 && !net_own_subnet(n, &sender))
		return false;
	return rte_is_valid_assigned_ether_addr(&a->arp_data.arp_sha) &&
	       rte_is_same_ether_addr(&a->arp_data.arp_sha, &rx->eth->src_addr);
}

/* One defence per interval, RFC 5227, 2.4 (b). */
static void arp_conflict(struct net *n, const struct rte_arp_hdr *a, const struct net_addr *sender)
{
	if (net_own_conflict(n, net_own_find(n, sender), &a->arp_data.arp_sha))
		net_arp_request(n, sender->v4, NULL);
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
	if (n->rings && !rx->from_ring)
		net_steer_copies(n, rx->m);
	struct net_addr sender = net_addr4(a->arp_data.arp_sip);
	bool request = a->arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST);
	bool for_us = request && net_is_local(n, a->arp_data.arp_tip);
	if (net_is_local(n, sender.v4)) {
		if (!rx->from_ring)
			arp_conflict(n, a, &sender);
		for_us = false;
	} else if (sender.v4 != 0) {
		neigh_learn(n, &sender, &a->arp_data.arp_sha, NEIGH_NEWS_CONFIRMED, for_us);
	}
	if (for_us && !rx->from_ring)
		arp_reply(n, rx->m);
	else
		rte_pktmbuf_free(rx->m);
}
