/* The instance: creation, the reserve, the transmit queue. */
#include <errno.h>
#include <stdlib.h>

#include "net/net_priv.h"

static int params_check(const struct net_params *p, struct err *e)
{
	if (p->naddrs == 0 || p->naddrs > NET_MAX_ADDRS)
		return err_set(e, "a port needs 1 to %d addresses, got %u", NET_MAX_ADDRS, p->naddrs);
	for (uint32_t i = 0; i < p->naddrs; i++) {
		if (p->addrs[i].addr.family != 4)
			return err_set(e, "only IPv4 addresses are supported on the device");
		if (p->addrs[i].prefix_len > 32)
			return err_set(e, "prefix length %u is more than 32", p->addrs[i].prefix_len);
	}
	if (p->mtu < 576 || p->mtu > NET_MAX_MTU)
		return err_set(e, "mtu %u is not between 576 and %d", p->mtu, NET_MAX_MTU);
	if (p->gateway.family != 0 && p->gateway.family != 4)
		return err_set(e, "the gateway must be an IPv4 address");
	if (p->nworkers == 0 || p->nworkers > RP_MAX_WORKERS || p->worker >= p->nworkers)
		return err_set(e, "worker %u of %u is out of range", p->worker, p->nworkers);
	if (!p->port && !p->tx_hook)
		return err_set(e, "neither a port nor a transmit hook was given");
	return 0;
}

static void derive(struct net *n)
{
	const struct net_params *p = &n->p;
	for (uint32_t i = 0; i < p->naddrs; i++) {
		uint8_t len = p->addrs[i].prefix_len;
		n->prefix_mask[i] = rte_cpu_to_be_32(len ? UINT32_MAX << (32 - len) : 0);
	}
	memset(&n->bcast_eth.dst_addr, 0xff, sizeof(n->bcast_eth.dst_addr));
	n->bcast_eth.src_addr = p->mac;
	n->bcast_eth.ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_ARP);
	n->steer = p->nworkers > 1 && p->steer_in && p->steer_out;
	n->accept_partial = p->accept_partial_csum || (p->port && port_info(p->port)->rx_partial_csum);
	n->echo_tokens = NET_ECHO_BURST;
}

struct net *net_create(const struct net_params *p, struct err *e)
{
	if (params_check(p, e) < 0)
		return NULL;
	struct net *n = calloc(1, sizeof(*n));
	if (!n) {
		err_set(e, "out of memory for the network instance of worker %u", p->worker);
		return NULL;
	}
	n->p = *p;
	if (n->p.arp_entries == 0)
		n->p.arp_entries = 1024;
	if (n->p.arp_age_s == 0)
		n->p.arp_age_s = 60;
	derive(n);
	if (n->steer) {
		n->nsteer = calloc(p->nworkers, sizeof(*n->nsteer));
		n->steer_q = calloc((size_t)p->nworkers * RP_MAX_BURST, sizeof(*n->steer_q));
	}
	if (neigh_table_init(n) < 0 || (n->steer && (!n->nsteer || !n->steer_q))) {
		err_set(e, "out of memory for the network instance of worker %u", p->worker);
		net_destroy(n);
		return NULL;
	}
	net_reserve_poll(n);
	return n;
}

void net_destroy(struct net *n)
{
	if (!n)
		return;
	neigh_table_fini(n);
	rte_pktmbuf_free_bulk(n->txq, n->ntx);
	rte_pktmbuf_free_bulk(n->reserve, n->nreserve);
	free(n->nsteer);
	free(n->steer_q);
	free(n);
}

void net_set_now(struct net *n, const struct clock_now *now)
{
	n->now = *now;
}

const struct net_counters *net_counters(const struct net *n)
{
	return &n->c;
}

struct rte_mbuf *net_ctl_alloc(struct net *n)
{
	struct rte_mbuf *m = buf_alloc(n->p.pool);
	if (rp_unlikely(!m) && n->nreserve) {
		m = n->reserve[--n->nreserve];
		rte_pktmbuf_reset(m);
		buf_priv(m)->ref.blob = NULL;
	}
	return m;
}

void net_reserve_give(struct net *n, struct rte_mbuf *m)
{
	if (n->nreserve < NET_RESERVE && RTE_MBUF_DIRECT(m) && m->pool == n->p.pool && m->nb_segs == 1 &&
	    rte_mbuf_refcnt_read(m) == 1)
		n->reserve[n->nreserve++] = m;
	else
		rte_pktmbuf_free(m);
}

/* The driver takes receive buffers from the same pool: with none left not even an ARP request comes in. Half of the
 * reserve is then given to the pool, and until the pool has recovered input takes it back from segments that would
 * only make us keep more (RFC 9293 lets us drop them: they are retransmitted). ACKs pass: they free memory. */
void net_reserve_poll(struct net *n)
{
	if (n->nreserve < NET_RESERVE) {
		uint32_t want = NET_RESERVE - n->nreserve;
		n->low = rte_pktmbuf_alloc_bulk(n->p.pool, &n->reserve[n->nreserve], want) != 0;
		if (!n->low)
			n->nreserve = NET_RESERVE;
	}
	if (rte_mempool_empty(n->p.pool)) {
		n->low = true;
		n->c.pool_empty++;
		uint32_t lend = n->nreserve / 2;
		n->nreserve -= lend;
		rte_pktmbuf_free_bulk(&n->reserve[n->nreserve], lend);
	}
}

void net_tx_push(struct net *n, struct rte_mbuf *m)
{
	if (rp_unlikely(n->ntx == NET_TXQ))
		net_poll_tx(n);
	n->txq[n->ntx++] = m;
}

uint32_t net_poll_tx(struct net *n)
{
	uint32_t total = n->ntx, sent = 0;
	uint64_t bytes = 0;

	n->ntx = 0;
	for (uint32_t i = 0; i < total; i++)
		bytes += n->txq[i]->pkt_len;
	if (!n->p.port) {
		for (uint32_t i = 0; i < total; i++)
			n->p.tx_hook(n->p.tx_hook_ctx, n->txq[i]);
		sent = total;
	} else {
		for (uint32_t i = 0; i < total; i += RP_MAX_BURST) {
			uint16_t k = (uint16_t)RP_MIN(total - i, (uint32_t)RP_MAX_BURST);
			sent += port_tx_burst(n->p.port, n->p.worker, &n->txq[i], k);
		}
	}
	n->c.tx_packets += sent;
	n->c.tx_bytes += bytes;
	n->c.tx_dropped += total - sent;
	return sent;
}

uint32_t net_poll_timers(struct net *n)
{
	net_reserve_poll(n);
	return neigh_poll(n);
}

void net_announce(struct net *n)
{
	if (n->p.shared)
		return;
	for (uint32_t i = 0; i < n->p.naddrs; i++)
		net_arp_request(n, n->p.addrs[i].addr.v4, NULL);
}
