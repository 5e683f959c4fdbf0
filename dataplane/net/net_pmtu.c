/* Path MTU (RFC 1191, 8201): what ICMP errors quote goes to TCP, what TCP found genuine is remembered by destination.
 *
 * The memory is a set-associative table: a few places for each hash, the oldest gives way. */
#include <stdlib.h>

#include "net/net_priv.h"

#define PMTU_WAYS 4

struct pmtu {
	struct net_addr remote; /* family 0: free */
	uint16_t mtu;
	uint64_t at_us;
};

struct net_pmtus {
	uint32_t nsets;
	uint32_t used; /* so that nobody searches an empty table */
	struct pmtu e[];
};

/* RFC 1191, 7.1: MTUs of networks, for routers that do not tell theirs. */
static const uint16_t plateau[] = {8166, 4352, 2002, 1492, 1280, 1006, NET_MIN_MTU};

int net_pmtu_init(struct net *n)
{
	uint32_t nsets = (n->p.pmtu_entries + PMTU_WAYS - 1) / PMTU_WAYS;
	n->pmtus = calloc(1, sizeof(*n->pmtus) + (size_t)nsets * PMTU_WAYS * sizeof(n->pmtus->e[0]));
	if (!n->pmtus)
		return -1;
	n->pmtus->nsets = nsets;
	return 0;
}

void net_pmtu_fini(struct net *n)
{
	free(n->pmtus);
}

static struct pmtu *set_of(struct net *n, const struct net_addr *a)
{
	uint32_t h = net_flow_hash_worker(n->pmtus->nsets, a, 0, a, 0);
	return &n->pmtus->e[(size_t)h * PMTU_WAYS];
}

uint16_t net_pmtu_get(struct net *n, const struct net_addr *remote)
{
	if (rp_likely(n->pmtus->used == 0))
		return n->p.mtu;
	struct pmtu *set = set_of(n, remote);
	for (uint32_t i = 0; i < PMTU_WAYS; i++) {
		if (set[i].remote.family == 0 || !net_addr_eq(&set[i].remote, remote))
			continue;
		if (n->now.mono_us - set[i].at_us < (uint64_t)n->p.pmtu_age_s * NET_SECOND_US)
			return set[i].mtu;
		set[i].remote.family = 0;
		n->pmtus->used--;
	}
	return n->p.mtu;
}

uint16_t net_pmtu_learn(struct net *n, const struct net_addr *remote, uint16_t mtu)
{
	uint16_t least = remote->family == 4 ? NET_MIN_MTU : NET_MIN_MTU6, now = net_pmtu_get(n, remote);
	mtu = RP_MAX(mtu, least);
	if (mtu >= now)
		return now;
	struct pmtu *set = set_of(n, remote), *at = set;
	for (uint32_t i = 0; i < PMTU_WAYS; i++) {
		if (set[i].remote.family && net_addr_eq(&set[i].remote, remote)) {
			at = &set[i];
			break;
		}
		if (at->remote.family && (set[i].remote.family == 0 || set[i].at_us < at->at_us))
			at = &set[i];
	}
	n->pmtus->used += at->remote.family == 0;
	*at = (struct pmtu){.remote = *remote, .mtu = mtu, .at_us = n->now.mono_us};
	n->c.pmtu_learned++;
	return mtu;
}

struct quoted {
	struct net_addr local, remote;
	uint32_t total; /* length of the whole packet */
	const uint8_t *tcp;
};

static bool quoted4(const void *packet, uint32_t len, struct quoted *q)
{
	const struct rte_ipv4_hdr *ip = packet;
	if (len < sizeof(*ip) || (ip->version_ihl >> 4) != 4)
		return false;
	uint32_t hlen = (ip->version_ihl & 15) * 4u;
	if (hlen < sizeof(*ip) || len < hlen + 8 || ip->next_proto_id != IPPROTO_TCP ||
	    (ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_OFFSET_MASK)))
		return false;
	*q = (struct quoted){.local = net_addr4(ip->src_addr),
			     .remote = net_addr4(ip->dst_addr),
			     .total = rte_be_to_cpu_16(ip->total_length),
			     .tcp = (const uint8_t *)packet + hlen};
	return true;
}

/* We send no extension headers. */
static bool quoted6(const void *packet, uint32_t len, struct quoted *q)
{
	const struct rte_ipv6_hdr *ip = packet;
	if (len < sizeof(*ip) + 8 || (*(const uint8_t *)packet >> 4) != 6 || ip->proto != IPPROTO_TCP)
		return false;
	*q = (struct quoted){.local = net_addr6(ip->src_addr),
			     .remote = net_addr6(ip->dst_addr),
			     .total = NET_IPV6_LEN + rte_be_to_cpu_16(ip->payload_len),
			     .tcp = (const uint8_t *)(ip + 1)};
	return true;
}

/* 0: nothing that we could obey. */
static uint16_t mtu_meant(const struct net *n, const struct quoted *q, uint32_t mtu)
{
	if (mtu == 0 && q->local.family == 4) {
		uint32_t i = 0;
		while (i + 1 < RP_ARRAY_LEN(plateau) && plateau[i] >= q->total)
			i++;
		mtu = plateau[i];
	}
	if (mtu == 0 || mtu >= n->p.mtu || mtu >= q->total)
		return 0;
	return (uint16_t)RP_MAX(mtu, (uint32_t)(q->local.family == 4 ? NET_MIN_MTU : NET_MIN_MTU6));
}

static uint16_t be16_at(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

bool net_pmtu_error(struct net *n, struct net_rx *rx, const void *packet, uint32_t len, uint32_t mtu)
{
	struct quoted q;
	if (!(rx->family == 4 ? quoted4(packet, len, &q) : quoted6(packet, len, &q)) || !net_own_find(n, &q.local))
		return false;
	uint16_t lport = be16_at(q.tcp), rport = be16_at(q.tcp + 2);
	if (n->rings && !rx->from_ring) {
		uint32_t to = net_flow_worker(n, &q.local, lport, &q.remote, rport);
		if (to != n->p.worker) {
			net_steer_push(n, to, rx->m);
			return true;
		}
	}
	uint16_t meant = mtu_meant(n, &q, mtu);
	if (meant == 0) {
		n->c.pmtu_ignored++;
		return false;
	}
	uint32_t seq = (uint32_t)be16_at(q.tcp + 4) << 16 | be16_at(q.tcp + 6);
	if (n->p.pmtu)
		n->p.pmtu(n->p.pmtu_ctx, &q.local, lport, &q.remote, rport, seq, meant);
	return false;
}
