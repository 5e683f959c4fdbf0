/* Software steering: the worker of a flow is a fixed hash of its addresses and ports; a frame that arrived at another
 * worker goes through the ring between the two. Used whenever the device is not trusted to keep a flow on one queue. */
#include "net/net_priv.h"

uint32_t net_flow_hash_worker(uint32_t nworkers, uint32_t local, uint16_t lport, uint32_t remote, uint16_t rport)
{
	/* Multiply and fold twice: neighbouring ports of one client must spread evenly. Ports in host order. */
	uint64_t x = ((uint64_t)remote << 32) | ((uint32_t)rport << 16) | lport;
	x = (x ^ local) * UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 32)) * UINT64_C(0xd6e8feb86659fd93);
	x ^= x >> 32;
	return (uint32_t)(((x & UINT32_MAX) * nworkers) >> 32);
}

uint32_t net_flow_worker(const struct net *n, const struct net_addr *local, uint16_t lport,
			 const struct net_addr *remote, uint16_t rport)
{
	if (!n->steer)
		return n->p.worker;
	return net_flow_hash_worker(n->p.nworkers, local->v4, lport, remote->v4, rport);
}

/* Frames for one worker travel together: one ring operation per burst and target. */
static void push(struct net *n, uint32_t to, struct rte_mbuf *m)
{
	if (rp_unlikely(n->nsteer[to] == RP_MAX_BURST))
		net_steer_flush(n);
	n->steer_q[to * RP_MAX_BURST + n->nsteer[to]++] = m;
}

bool net_steer_tcp(struct net *n, struct rte_mbuf *m, const struct rte_ipv4_hdr *ip, const struct rte_tcp_hdr *tcp)
{
	uint32_t to = net_flow_hash_worker(n->p.nworkers, ip->dst_addr, rte_be_to_cpu_16(tcp->dst_port), ip->src_addr,
					   rte_be_to_cpu_16(tcp->src_port));
	if (to == n->p.worker)
		return false;
	push(n, to, m);
	return true;
}

void net_steer_arp(struct net *n, const struct rte_mbuf *m)
{
	for (uint32_t w = 0; w < n->p.nworkers; w++) {
		if (w == n->p.worker)
			continue;
		struct rte_mbuf *copy = net_ctl_alloc(n);
		if (!copy)
			return;
		uint16_t len = NET_ETH_LEN + NET_ARP_LEN;
		memcpy(rte_pktmbuf_append(copy, len), rte_pktmbuf_mtod(m, const void *), len);
		push(n, w, copy);
	}
}

void net_steer_flush(struct net *n)
{
	for (uint32_t w = 0; w < n->p.nworkers; w++) {
		uint32_t k = n->nsteer[w];
		if (k == 0)
			continue;
		struct rte_mbuf **q = &n->steer_q[w * RP_MAX_BURST];
		uint32_t done = rte_ring_sp_enqueue_burst(n->p.steer_out[w], (void **)q, k, NULL);
		n->nsteer[w] = 0;
		n->c.steered_out += done;
		n->c.steer_dropped += k - done;
		rte_pktmbuf_free_bulk(q + done, k - done);
	}
}

uint32_t net_steer_poll(struct net *n, struct rte_mbuf **m, uint32_t cap)
{
	uint32_t got = 0;
	n->steer_next = (n->steer_next + 1) % n->p.nworkers;
	for (uint32_t i = 0; i < n->p.nworkers && got < cap; i++) {
		uint32_t w = (n->steer_next + i) % n->p.nworkers;
		if (w != n->p.worker)
			got += rte_ring_sc_dequeue_burst(n->p.steer_in[w], (void **)(m + got), cap - got, NULL);
	}
	return got;
}
