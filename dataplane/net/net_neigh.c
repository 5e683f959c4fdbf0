/* The neighbour table: IPv4 address to a ready Ethernet header.
 *
 * FREE -> INCOMPLETE (asked, frames wait) -> REACHABLE -> PROBE (older than arp_age_s: asked by unicast, still in use)
 * -> REACHABLE on an answer or on forward progress of a connection, FREE after NET_TRIES unanswered. gen counts the
 * lives of an entry, so that a path notices that its entry was recycled. */
#include <stdlib.h>

#include "net/net_priv.h"

static uint32_t bucket(const struct net *n, uint32_t ip)
{
	return (uint32_t)((ip * UINT64_C(0x9e3779b97f4a7c15)) >> 40) & n->neigh_mask;
}

int neigh_table_init(struct net *n)
{
	uint32_t size = n->p.arp_entries, heads = rte_align32pow2(size);

	n->neigh = calloc(size, sizeof(*n->neigh));
	n->neigh_head = malloc(heads * sizeof(*n->neigh_head));
	if (!n->neigh || !n->neigh_head)
		return -1;
	n->neigh_mask = heads - 1;
	memset(n->neigh_head, 0xff, heads * sizeof(*n->neigh_head));
	for (uint32_t i = 0; i < size; i++)
		n->neigh[i].next = i + 1 < size ? i + 1 : NET_NEIGH_NONE;
	n->neigh_free = 0;
	return 0;
}

void neigh_table_fini(struct net *n)
{
	for (uint32_t i = 0; n->neigh && i < n->p.arp_entries; i++)
		rte_pktmbuf_free_bulk(n->neigh[i].waiting, n->neigh[i].nwaiting);
	free(n->neigh);
	free(n->neigh_head);
}

uint32_t neigh_lookup(const struct net *n, uint32_t ip)
{
	uint32_t i = n->neigh_head[bucket(n, ip)];
	while (i != NET_NEIGH_NONE && n->neigh[i].ip != ip)
		i = n->neigh[i].next;
	return i;
}

static void release(struct net *n, uint32_t idx)
{
	struct neigh *e = &n->neigh[idx];
	uint32_t *link = &n->neigh_head[bucket(n, e->ip)];

	while (*link != idx)
		link = &n->neigh[*link].next;
	*link = e->next;
	n->c.arp_queue_dropped += e->nwaiting;
	rte_pktmbuf_free_bulk(e->waiting, e->nwaiting);
	e->nwaiting = 0;
	e->state = NEIGH_FREE;
	e->gen++;
	e->next = n->neigh_free;
	n->neigh_free = idx;
}

/* A full table: of a few entries the one confirmed longest ago gives way, unresolved ones first. */
static void recycle(struct net *n)
{
	uint32_t best = NET_NEIGH_NONE;
	uint64_t best_us = UINT64_MAX;
	for (uint32_t k = 0; k < 16; k++) {
		n->neigh_scan = (n->neigh_scan + 1) % n->p.arp_entries;
		const struct neigh *e = &n->neigh[n->neigh_scan];
		uint64_t us = e->state == NEIGH_INCOMPLETE ? 0 : e->confirmed_us;
		if (e->state != NEIGH_FREE && us < best_us) {
			best = n->neigh_scan;
			best_us = us;
		}
	}
	n->c.arp_recycled++;
	release(n, best);
}

static uint32_t create(struct net *n, uint32_t ip)
{
	if (n->neigh_free == NET_NEIGH_NONE)
		recycle(n);
	uint32_t idx = n->neigh_free, b = bucket(n, ip);
	struct neigh *e = &n->neigh[idx];

	n->neigh_free = e->next;
	e->next = n->neigh_head[b];
	n->neigh_head[b] = idx;
	e->ip = ip;
	e->state = NEIGH_INCOMPLETE;
	e->tries = 0;
	e->eth.src_addr = n->p.mac;
	e->eth.ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	return idx;
}

static void ask(struct net *n, struct neigh *e)
{
	e->tries++;
	e->asked_us = n->now.mono_us;
	if (!n->p.shared)
		net_arp_request(n, e->ip, e->state == NEIGH_PROBE ? &e->eth.dst_addr : NULL);
}

uint32_t neigh_get(struct net *n, uint32_t ip)
{
	uint32_t idx = neigh_lookup(n, ip);
	if (idx == NET_NEIGH_NONE) {
		idx = create(n, ip);
		ask(n, &n->neigh[idx]);
	}
	return idx;
}

void neigh_learn(struct net *n, uint32_t ip, const struct rte_ether_addr *mac, bool may_create)
{
	uint32_t idx = neigh_lookup(n, ip);
	if (idx == NET_NEIGH_NONE) {
		if (!may_create)
			return;
		idx = create(n, ip);
	}
	struct neigh *e = &n->neigh[idx];
	if (e->state == NEIGH_INCOMPLETE || !rte_is_same_ether_addr(&e->eth.dst_addr, mac))
		n->c.arp_learned++;
	e->eth.dst_addr = *mac;
	e->state = NEIGH_REACHABLE;
	e->tries = 0;
	e->confirmed_us = n->now.mono_us;
	uint32_t k = e->nwaiting;
	e->nwaiting = 0;
	for (uint32_t i = 0; i < k; i++)
		neigh_output(n, idx, e->waiting[i]);
}

/* An entry in use keeps its MAC until it has aged: no single forged segment moves a live peer. */
void neigh_hear(struct net *n, uint32_t ip, const struct rte_ether_addr *mac)
{
	if (rp_likely(ip == n->heard_ip && rte_is_same_ether_addr(mac, &n->heard_mac)))
		return;
	n->heard_ip = ip;
	n->heard_mac = *mac;
	uint32_t hop = net_next_hop(n, ip), idx = neigh_lookup(n, hop);
	if (idx == NET_NEIGH_NONE || n->neigh[idx].state != NEIGH_REACHABLE)
		neigh_learn(n, hop, mac, true);
}

void neigh_output(struct net *n, uint32_t idx, struct rte_mbuf *m)
{
	struct neigh *e = &n->neigh[idx];
	if (rp_likely(e->state >= NEIGH_REACHABLE)) {
		memcpy(rte_pktmbuf_mtod(m, void *), &e->eth, NET_ETH_LEN);
		net_tx_push(n, m);
		return;
	}
	/* The oldest waits longest in vain: TCP has given it up first. */
	if (e->nwaiting == NET_NEIGH_QUEUE) {
		rte_pktmbuf_free(e->waiting[0]);
		memmove(&e->waiting[0], &e->waiting[1], (NET_NEIGH_QUEUE - 1) * sizeof(e->waiting[0]));
		e->nwaiting--;
		n->c.arp_queue_dropped++;
	}
	e->waiting[e->nwaiting++] = m;
	n->c.arp_queued++;
}

static void age(struct net *n, uint32_t idx)
{
	struct neigh *e = &n->neigh[idx];
	uint64_t now = n->now.mono_us;

	if (e->state == NEIGH_REACHABLE && now - e->confirmed_us >= (uint64_t)n->p.arp_age_s * 1000000) {
		e->state = NEIGH_PROBE;
		e->tries = 0;
		ask(n, e);
	} else if (e->state == NEIGH_PROBE && n->p.shared) {
		return; /* nobody to ask: used until heard again */
	} else if (e->state != NEIGH_REACHABLE && now - e->asked_us >= NET_RETRY_US) {
		if (e->tries < NET_TRIES) {
			ask(n, e);
			return;
		}
		n->c.arp_expired++;
		release(n, idx);
	}
}

uint32_t neigh_poll(struct net *n)
{
	uint32_t k = RP_MIN(n->p.arp_entries, (uint32_t)NET_NEIGH_SLICE), busy = 0;
	n->heard_ip = 0;
	for (uint32_t i = 0; i < k; i++) {
		n->neigh_scan = n->neigh_scan + 1 < n->p.arp_entries ? n->neigh_scan + 1 : 0;
		if (n->neigh[n->neigh_scan].state != NEIGH_FREE) {
			age(n, n->neigh_scan);
			busy++;
		}
	}
	return busy;
}
