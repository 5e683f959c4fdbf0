/* The instance: creation, the reserve, the transmit queue. */
#include <errno.h>
#include <stdlib.h>

#include "net/net_priv.h"

static int addrs_check(const struct net_params *p, struct err *e)
{
	if (p->naddrs == 0 || p->naddrs > NET_MAX_ADDRS)
		return err_set(e, "a port needs 1 to %d addresses, got %u", NET_MAX_ADDRS, p->naddrs);
	for (uint32_t i = 0; i < p->naddrs; i++) {
		uint8_t family = p->addrs[i].addr.family, most = family == 4 ? 32 : 128;
		if (family != 4 && family != 6)
			return err_set(e, "address %u is neither IPv4 nor IPv6", i + 1);
		if (p->addrs[i].prefix_len > most)
			return err_set(e, "prefix length %u is more than %u", p->addrs[i].prefix_len, most);
		if (family == 6 && p->mtu < NET_MIN_MTU6)
			return err_set(e, "IPv6 needs an mtu of at least %d, it is %u", NET_MIN_MTU6, p->mtu);
	}
	return 0;
}

static int params_check(const struct net_params *p, struct err *e)
{
	if (addrs_check(p, e) < 0)
		return -1;
	if (p->mtu < NET_MIN_MTU || p->mtu > NET_MAX_MTU)
		return err_set(e, "mtu %u is not between %d and %d", p->mtu, NET_MIN_MTU, NET_MAX_MTU);
	if (rte_pktmbuf_data_room_size(p->pool) < RTE_PKTMBUF_HEADROOM + p->mtu + NET_ETH_LEN)
		return err_set(e, "mtu %u does not fit the packet buffers", p->mtu);
	if (p->vlan > 4094)
		return err_set(e, "vlan %u is not between 0 and 4094", p->vlan);
	if (p->gateway.family && p->gateway.family == p->gateway6.family)
		return err_set(e, "two gateways of one family");
	if (p->arp_queue > NET_NEIGH_QUEUE)
		return err_set(e, "%u frames cannot wait for a neighbour, at most %d", p->arp_queue, NET_NEIGH_QUEUE);
	if (p->nworkers == 0 || p->nworkers > RP_MAX_WORKERS || p->worker >= p->nworkers)
		return err_set(e, "worker %u of %u is out of range", p->worker, p->nworkers);
	if (!p->port && !p->tx_hook)
		return err_set(e, "neither a port nor a transmit hook was given");
	return 0;
}

static void param_default(uint32_t *field, uint32_t value)
{
	if (*field == 0)
		*field = value;
}

static void params_default(struct net_params *p)
{
	param_default(&p->arp_entries, 1024);
	param_default(&p->arp_age_s, 60);
	param_default(&p->arp_retry_ms, 500);
	param_default(&p->arp_tries, 4);
	param_default(&p->arp_queue, 8);
	param_default(&p->arp_announce, 1);
	param_default(&p->arp_defend_s, 10);
	param_default(&p->nd_reachable_s, 30);
	param_default(&p->nd_delay_s, 5);
	param_default(&p->echo_rate, 20000);
	param_default(&p->frag_max, 16);
	param_default(&p->frag_timeout_ms, 5000);
	param_default(&p->pmtu_entries, 256);
	param_default(&p->pmtu_age_s, 600);
}

static void gateway_set(struct net *n, const struct net_addr *gw)
{
	if (gw->family == 4)
		n->gw4 = *gw;
	else if (gw->family == 6)
		n->gw6 = *gw;
}

static void offloads_of(struct net_params *p, const struct port_info *i)
{
	p->tx_csum_ip = i->tx_csum_ip;
	p->tx_csum_tcp = i->tx_csum_tcp;
	p->tx_ext_bufs = i->tx_ext_bufs;
	p->tx_train_bytes = i->tx_train_bytes;
	p->tx_train_bufs = i->tx_train_bufs;
}

static void derive(struct net *n)
{
	const struct net_params *p = &n->p;
	n->l2_len = p->vlan ? NET_ETH_LEN + NET_VLAN_LEN : NET_ETH_LEN;
	gateway_set(n, &p->gateway);
	gateway_set(n, &p->gateway6);
	n->rings = p->nworkers > 1 && p->steer_in && p->steer_out;
	n->steer = n->rings && !p->rss;
	if (p->port) {
		offloads_of(&n->p, port_info(p->port));
		n->p.no_link_local = port_info(p->port)->beside_kernel;
	}
	n->accept_partial = p->accept_partial_csum || (p->port && port_info(p->port)->rx_partial_csum);
	n->echo_tokens = NET_ECHO_BURST;
	n->rx_unproven = NET_RX_PROOF;
}

static int tables_init(struct net *n, struct err *e)
{
	if (n->rings) {
		n->nsteer = calloc(n->p.nworkers, sizeof(*n->nsteer));
		n->steer_q = calloc((size_t)n->p.nworkers * RP_MAX_BURST, sizeof(*n->steer_q));
	}
	if (neigh_table_init(n) < 0 || net_pmtu_init(n) < 0 || (n->rings && (!n->nsteer || !n->steer_q)))
		return err_set(e, "out of memory for the network instance of worker %u", n->p.worker);
	return net_frag_init(n, e);
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
	params_default(&n->p);
	derive(n);
	if (net_own_init(n, e) < 0 || tables_init(n, e) < 0) {
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
	net_frag_fini(n);
	net_pmtu_fini(n);
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

const struct net_params *net_params_get(const struct net *n)
{
	return &n->p;
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

void net_l2_write(const struct net *n, void *at, const struct rte_ether_addr *dst, uint16_t type)
{
	struct rte_ether_hdr *eth = at;
	eth->dst_addr = *dst;
	eth->src_addr = n->p.mac;
	eth->ether_type = rte_cpu_to_be_16(type);
	if (n->p.vlan) {
		struct rte_vlan_hdr *tag = (struct rte_vlan_hdr *)(eth + 1);
		eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_VLAN);
		tag->vlan_tci = rte_cpu_to_be_16(n->p.vlan);
		tag->eth_proto = rte_cpu_to_be_16(type);
	}
}

void net_l2_output(struct net *n, struct rte_mbuf *m, const struct rte_ether_addr *dst, uint16_t type)
{
	net_l2_write(n, rte_pktmbuf_prepend(m, n->l2_len), dst, type);
	net_tx_push(n, m);
}

uint32_t net_tx_room(const struct net *n)
{
	uint32_t room = n->p.port ? port_tx_room(n->p.port, n->p.worker) : UINT32_MAX;
	return room > n->ntx ? room - n->ntx : 0;
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
	return neigh_poll(n) + net_own_poll(n) + net_frag_poll(n);
}
