/* Software steering: the worker of a flow is a fixed hash of its addresses and ports; a frame that arrived at another
 * worker goes through the ring between the two. Used whenever the device is not trusted to keep a flow on one queue.
 * Where it is, the device's own hash says whose a flow is, and the rings carry what it cannot tell apart. */
#include "net/net_priv.h"
#include "net/port_rss.h"

static uint32_t addr_fold(const struct net_addr *a)
{
	uint64_t w[2];
	if (a->family == 4)
		return a->v4;
	memcpy(w, a->v6, sizeof(w));
	uint64_t x = (w[0] ^ (w[1] >> 32 | w[1] << 32)) * UINT64_C(0xa0761d6478bd642f);
	return (uint32_t)((x ^ w[1] * UINT64_C(0xe7037ed1a0b428db)) >> 32);
}

uint32_t net_flow_hash_worker(uint32_t nworkers, const struct net_addr *local, uint16_t lport,
			      const struct net_addr *remote, uint16_t rport)
{
	/* Multiply and fold twice: neighbouring ports of one client must spread evenly. */
	uint64_t x = ((uint64_t)addr_fold(remote) << 32) | ((uint32_t)rport << 16) | lport;
	x = (x ^ addr_fold(local)) * UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 32)) * UINT64_C(0xd6e8feb86659fd93);
	x ^= x >> 32;
	return (uint32_t)(((x & UINT32_MAX) * nworkers) >> 32);
}

uint32_t net_flow_worker(const struct net *n, const struct net_addr *local, uint16_t lport,
			 const struct net_addr *remote, uint16_t rport)
{
	if (!n->rings)
		return n->p.worker;
	if (n->p.rss)
		return port_rss_queue(n->p.rss, local, lport, remote, rport);
	return net_flow_hash_worker(n->p.nworkers, local, lport, remote, rport);
}

/* Frames for one worker travel together: one ring operation per burst and target. */
void net_steer_push(struct net *n, uint32_t to, struct rte_mbuf *m)
{
	if (rp_unlikely(n->nsteer[to] == RP_MAX_BURST))
		net_steer_flush(n);
	n->steer_q[to * RP_MAX_BURST + n->nsteer[to]++] = m;
}

bool net_steer_tcp(struct net *n, const struct net_rx *rx, const struct rte_tcp_hdr *tcp)
{
	struct net_addr local = net_rx_dst(rx), remote = net_rx_src(rx);
	uint32_t to = net_flow_worker(n, &local, rte_be_to_cpu_16(tcp->dst_port), &remote,
				      rte_be_to_cpu_16(tcp->src_port));
	if (to == n->p.worker)
		return false;
	net_steer_push(n, to, rx->m);
	return true;
}

void net_steer_copies(struct net *n, const struct rte_mbuf *m)
{
	uint16_t len = RP_MIN(m->data_len, NET_COPY_MAX);
	for (uint32_t w = 0; w < n->p.nworkers; w++) {
		if (w == n->p.worker)
			continue;
		struct rte_mbuf *copy = net_ctl_alloc(n);
		if (!copy)
			return;
		memcpy(rte_pktmbuf_append(copy, len), rte_pktmbuf_mtod(m, const void *), len);
		net_steer_push(n, w, copy);
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
