/* The neighbour table: address to a ready link header.
 *
 * IPv4: FREE -> INCOMPLETE (asked, frames wait) -> REACHABLE -> PROBE (older than arp_age_s: asked by unicast, still in
 * use) -> REACHABLE on an answer or on forward progress of a connection, FREE after arp_tries unanswered.
 * IPv6 (RFC 4861, 7.3): REACHABLE -> STALE (older than nd_reachable_s) -> DELAY (used) -> PROBE after nd_delay_s; a
 * STALE entry that nobody uses for arp_age_s is forgotten.
 * gen counts the lives of an entry, so that a path notices that its entry was recycled. */
#include <stdlib.h>

#include "net/net_priv.h"

static uint32_t bucket(const struct net *n, const struct net_addr *a)
{
	uint64_t x = a->v4, w[2];
	if (a->family == 6) {
		memcpy(w, a->v6, sizeof(w));
		x = (w[0] ^ (w[1] * UINT64_C(0xd6e8feb86659fd93))) + (w[1] >> 32);
	}
	return (uint32_t)((x * UINT64_C(0x9e3779b97f4a7c15)) >> 40) & n->neigh_mask;
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
	n->waiting_max = RP_MAX(n->p.pool->size / (NET_NEIGH_SHARE * n->p.nworkers), n->p.arp_queue);
	return 0;
}

void neigh_table_fini(struct net *n)
{
	for (uint32_t i = 0; n->neigh && i < n->p.arp_entries; i++)
		rte_pktmbuf_free_bulk(n->neigh[i].waiting, n->neigh[i].nwaiting);
	free(n->neigh);
	free(n->neigh_head);
}

uint32_t neigh_lookup(const struct net *n, const struct net_addr *a)
{
	uint32_t i = n->neigh_head[bucket(n, a)];
	while (i != NET_NEIGH_NONE && !net_addr_eq(&n->neigh[i].addr, a))
		i = n->neigh[i].next;
	return i;
}

static void release(struct net *n, uint32_t idx)
{
	struct neigh *e = &n->neigh[idx];
	uint32_t *link = &n->neigh_head[bucket(n, &e->addr)];

	while (*link != idx)
		link = &n->neigh[*link].next;
	*link = e->next;
	n->c.arp_queue_dropped += e->nwaiting;
	n->nwaiting -= e->nwaiting;
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

static uint32_t create(struct net *n, const struct net_addr *a)
{
	static const struct rte_ether_addr unknown;
	if (n->neigh_free == NET_NEIGH_NONE)
		recycle(n);
	uint32_t idx = n->neigh_free, b = bucket(n, a);
	struct neigh *e = &n->neigh[idx];

	n->neigh_free = e->next;
	e->next = n->neigh_head[b];
	n->neigh_head[b] = idx;
	e->addr = *a;
	e->state = NEIGH_INCOMPLETE;
	e->tries = 0;
	e->confirmed_us = 0;
	net_l2_write(n, e->l2, &unknown, a->family == 4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6);
	return idx;
}

static struct rte_ether_addr *mac_of(struct neigh *e)
{
	return &((struct rte_ether_hdr *)e->l2)->dst_addr;
}

/* A full ring: asked again later. */
static void ask_kernel(struct net *n, const struct neigh *e)
{
	struct net_neigh_msg q = {.addr = e->addr};
	if (n->p.neigh_ask && rte_ring_sp_enqueue_elem(n->p.neigh_ask, &q, sizeof(q)) == 0)
		n->c.neigh_asked++;
}

/* A neighbour that has been heard meanwhile stays where it was heard. */
static void hear_kernel(struct net *n)
{
	struct net_neigh_msg a;
	while (rte_ring_sc_dequeue_elem(n->p.neigh_told, &a, sizeof(a)) == 0) {
		uint32_t idx = neigh_lookup(n, &a.addr);
		n->c.neigh_told++;
		if (idx != NET_NEIGH_NONE && n->neigh[idx].state != NEIGH_REACHABLE)
			neigh_learn(n, &a.addr, &a.mac, NEIGH_NEWS_CONFIRMED, false);
	}
}

static void ask(struct net *n, struct neigh *e)
{
	const struct rte_ether_addr *to = e->state == NEIGH_PROBE ? mac_of(e) : NULL;
	e->tries++;
	e->asked_us = n->now.mono_us;
	if (n->p.shared)
		ask_kernel(n, e);
	else if (e->addr.family == 4)
		net_arp_request(n, e->addr.v4, to);
	else
		net_nd_solicit(n, &e->addr, to);
}

uint32_t neigh_get(struct net *n, const struct net_addr *a)
{
	uint32_t idx = neigh_lookup(n, a);
	if (idx == NET_NEIGH_NONE) {
		idx = create(n, a);
		ask(n, &n->neigh[idx]);
	}
	return idx;
}

static void set_state(struct net *n, struct neigh *e, bool confirmed)
{
	e->state = confirmed ? NEIGH_REACHABLE : NEIGH_STALE;
	e->tries = 0;
	e->touched_us = n->now.mono_us;
	if (confirmed || e->confirmed_us == 0)
		e->confirmed_us = n->now.mono_us;
}

/* RFC 4861, 7.2.3 and 7.2.5; ARP knows only answers. */
void neigh_learn(struct net *n, const struct net_addr *a, const struct rte_ether_addr *mac, enum neigh_news news,
		 bool may_create)
{
	uint32_t idx = neigh_lookup(n, a);
	if (idx == NET_NEIGH_NONE) {
		if (!may_create)
			return;
		idx = create(n, a);
	}
	struct neigh *e = &n->neigh[idx];
	bool was_known = e->state != NEIGH_INCOMPLETE, same = was_known && rte_is_same_ether_addr(mac_of(e), mac);
	if (was_known && !same && news == NEIGH_NEWS_NO_OVERRIDE) {
		if (e->state == NEIGH_REACHABLE)
			set_state(n, e, false);
		return;
	}
	if (!same) {
		n->c.arp_learned++;
		*mac_of(e) = *mac;
	}
	/* What was heard unasked and is no news says nothing about the way there. */
	if (news == NEIGH_NEWS_CONFIRMED || !same)
		set_state(n, e, news == NEIGH_NEWS_CONFIRMED);
	uint32_t k = e->nwaiting;
	e->nwaiting = 0;
	n->nwaiting -= k;
	for (uint32_t i = 0; i < k; i++)
		neigh_output(n, idx, e->waiting[i], false);
}

/* An entry in use keeps its MAC until it has aged: no single forged segment moves a live peer. */
void neigh_hear(struct net *n, const struct net_addr *a, const struct rte_ether_addr *mac)
{
	struct net_addr hop;
	if (rp_likely(n->heard.family && net_addr_eq(a, &n->heard) && rte_is_same_ether_addr(mac, &n->heard_mac)))
		return;
	n->heard = *a;
	n->heard_mac = *mac;
	if (!net_next_hop(n, a, &hop))
		return;
	uint32_t idx = neigh_lookup(n, &hop);
	if (idx == NET_NEIGH_NONE || n->neigh[idx].state != NEIGH_REACHABLE)
		neigh_learn(n, &hop, mac, NEIGH_NEWS_CONFIRMED, true);
}

static void wait_in_queue(struct net *n, struct neigh *e, struct rte_mbuf *m)
{
	bool full = n->nwaiting >= n->waiting_max; /* with frames for many who do not answer */
	if (full && e->nwaiting == 0) {
		rte_pktmbuf_free(m);
		n->c.arp_queue_dropped++;
		return;
	}
	/* The oldest waits longest in vain: TCP has given it up first. */
	if (full || e->nwaiting == n->p.arp_queue) {
		rte_pktmbuf_free(e->waiting[0]);
		memmove(&e->waiting[0], &e->waiting[1], (e->nwaiting - 1) * sizeof(e->waiting[0]));
		e->nwaiting--;
		n->nwaiting--;
		n->c.arp_queue_dropped++;
	}
	e->waiting[e->nwaiting++] = m;
	n->nwaiting++;
	n->c.arp_queued++;
}

void neigh_output(struct net *n, uint32_t idx, struct rte_mbuf *m, bool no_wait)
{
	struct neigh *e = &n->neigh[idx];
	if (rp_unlikely(e->state == NEIGH_INCOMPLETE)) {
		if (no_wait) {
			rte_pktmbuf_free(m);
			n->c.arp_queue_dropped++;
		} else {
			wait_in_queue(n, e, m);
		}
		return;
	}
	if (rp_unlikely(e->state == NEIGH_STALE)) {
		e->state = NEIGH_DELAY;
		e->asked_us = n->now.mono_us;
	}
	char *l2 = rte_pktmbuf_prepend(m, n->l2_len);
	memcpy(l2, e->l2, NET_ETH_LEN);
	if (rp_unlikely(n->l2_len > NET_ETH_LEN))
		memcpy(l2 + NET_ETH_LEN, e->l2 + NET_ETH_LEN, NET_VLAN_LEN);
	net_tx_push(n, m);
}

void neigh_confirm(struct net *n, uint32_t idx)
{
	if (n->neigh[idx].state >= NEIGH_STALE)
		set_state(n, &n->neigh[idx], true);
}

static void probe(struct net *n, struct neigh *e)
{
	e->state = NEIGH_PROBE;
	e->tries = 0;
	ask(n, e);
}

static bool older(const struct net *n, uint64_t since_us, uint64_t seconds)
{
	return n->now.mono_us - since_us >= seconds * NET_SECOND_US;
}

/* INCOMPLETE and PROBE: asked again, then given up. */
static void ask_again(struct net *n, uint32_t idx)
{
	struct neigh *e = &n->neigh[idx];
	if (e->state == NEIGH_PROBE && n->p.shared)
		return; /* the kernel asks on; used until it tells or the peer is heard again */
	if (n->now.mono_us - e->asked_us < (uint64_t)n->p.arp_retry_ms * 1000)
		return;
	if (e->tries < n->p.arp_tries) {
		ask(n, e);
		return;
	}
	n->c.arp_expired++;
	release(n, idx);
}

static void age(struct net *n, uint32_t idx)
{
	struct neigh *e = &n->neigh[idx];
	bool v6 = e->addr.family == 6;

	if (e->state == NEIGH_REACHABLE) {
		if (!v6 && older(n, e->confirmed_us, n->p.arp_age_s))
			probe(n, e);
		else if (v6 && older(n, e->confirmed_us, n->p.nd_reachable_s))
			set_state(n, e, false);
	} else if (e->state == NEIGH_STALE) {
		if (older(n, e->touched_us, n->p.arp_age_s))
			release(n, idx);
	} else if (e->state == NEIGH_DELAY) {
		if (older(n, e->asked_us, n->p.nd_delay_s))
			probe(n, e);
	} else {
		ask_again(n, idx);
	}
}

uint32_t neigh_poll(struct net *n)
{
	uint32_t k = RP_MIN(n->p.arp_entries, (uint32_t)NET_NEIGH_SLICE), busy = 0;
	n->heard.family = 0;
	if (n->p.neigh_told)
		hear_kernel(n);
	for (uint32_t i = 0; i < k; i++) {
		n->neigh_scan = n->neigh_scan + 1 < n->p.arp_entries ? n->neigh_scan + 1 : 0;
		if (n->neigh[n->neigh_scan].state != NEIGH_FREE) {
			age(n, n->neigh_scan);
			busy++;
		}
	}
	return busy;
}
