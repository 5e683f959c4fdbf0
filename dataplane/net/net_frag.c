/* Fragments put together again (RFC 791, 3.2; 8200, 4.5; 5722: any overlap ends the datagram; 3168, 5.3: ECN).
 *
 * Each datagram under way owns one buffer, into which its fragments are copied; a bitmap tells which units of 8 bytes
 * have come. So a datagram costs one buffer and one entry whatever its fragments are, and the memory of the whole is
 * fixed. The entries are a set-associative table: a few places for each hash, the oldest gives way. */
#include <stdlib.h>

#include "net/net_priv.h"

#define FRAG_WAYS   4
#define FRAG_UNIT   8
#define FRAG_BYTES  (NET_MAX_MTU)
#define FRAG_UNITS  (FRAG_BYTES / FRAG_UNIT)
#define FRAG_MARGIN (NET_ETH_LEN + NET_IPV6_LEN) /* in front of the data, for the new headers */
#define FRAG_CE     3

struct frag_entry {
	struct rte_mbuf *m; /* NULL: free; its data is the payload */
	struct net_addr src, dst;
	uint32_t id;
	uint8_t proto, tos;
	uint32_t total; /* bytes, 0: the last fragment has not come */
	uint32_t have;  /* bytes */
	uint32_t reach; /* end of the farthest fragment */
	uint32_t count; /* fragments */
	uint64_t since_us;
	uint64_t map[(FRAG_UNITS + 63) / 64];
};

struct net_frags {
	uint32_t nsets, busy, scan;
	struct frag_entry e[];
};

int net_frag_init(struct net *n, struct err *e)
{
	if (n->p.frag_entries == 0)
		return 0;
	uint32_t nsets = (n->p.frag_entries + FRAG_WAYS - 1) / FRAG_WAYS;
	n->frags = calloc(1, sizeof(*n->frags) + (size_t)nsets * FRAG_WAYS * sizeof(n->frags->e[0]));
	if (!n->frags)
		return err_set(e, "out of memory for %u datagrams in fragments", n->p.frag_entries);
	n->frags->nsets = nsets;
	return 0;
}

static void release(struct net *n, struct frag_entry *x)
{
	rte_pktmbuf_free(x->m);
	x->m = NULL;
	n->frags->busy--;
}

void net_frag_fini(struct net *n)
{
	for (uint32_t i = 0; n->frags && i < n->frags->nsets * FRAG_WAYS; i++)
		rte_pktmbuf_free(n->frags->e[i].m);
	free(n->frags);
}

static uint32_t hash(const struct net_frag *f, uint32_t n)
{
	uint32_t proto = f->src.family == 6 ? 0 : f->proto; /* as in same() */
	return net_flow_hash_worker(n, &f->dst, (uint16_t)f->id, &f->src, (uint16_t)(f->id >> 16 ^ proto));
}

static bool same(const struct frag_entry *x, const struct net_frag *f)
{
	/* RFC 8200, 4.5: of IPv6 the next header does not count. */
	return x->m && x->id == f->id && (x->proto == f->proto || f->src.family == 6) &&
	       net_addr_eq(&x->src, &f->src) && net_addr_eq(&x->dst, &f->dst);
}

static struct frag_entry *entry(struct net *n, const struct net_frag *f)
{
	struct frag_entry *set = &n->frags->e[(size_t)hash(f, n->frags->nsets) * FRAG_WAYS], *at = set;
	for (uint32_t i = 0; i < FRAG_WAYS; i++) {
		if (same(&set[i], f))
			return &set[i];
		if (at->m && (!set[i].m || set[i].since_us < at->since_us))
			at = &set[i];
	}
	/* Under pressure other work comes first. */
	struct rte_mbuf *m = n->low ? NULL : buf_alloc(n->p.pool);
	if (!m)
		return NULL;
	if (at->m) {
		n->c.frag_evicted++;
		release(n, at);
	}
	rte_pktmbuf_append(m, FRAG_MARGIN);
	rte_pktmbuf_adj(m, FRAG_MARGIN);
	memset(at->map, 0, sizeof(at->map));
	at->m = m;
	at->src = f->src;
	at->dst = f->dst;
	at->id = f->id;
	at->proto = f->proto;
	at->tos = f->tos;
	at->total = at->have = at->reach = at->count = 0;
	at->since_us = n->now.mono_us;
	n->frags->busy++;
	return at;
}

/* Marks the units; false if one was marked before. */
static bool mark(struct frag_entry *x, uint32_t off, uint32_t len)
{
	for (uint32_t u = off / FRAG_UNIT; u < (off + len + FRAG_UNIT - 1) / FRAG_UNIT; u++) {
		if (x->map[u / 64] >> (u % 64) & 1)
			return false;
		x->map[u / 64] |= UINT64_C(1) << (u % 64);
	}
	return true;
}

static bool ecn_merge(uint8_t *tos, uint8_t other)
{
	uint8_t a = *tos & 3, b = other & 3;
	if ((a == FRAG_CE && b == 0) || (b == FRAG_CE && a == 0))
		return false;
	if (b == FRAG_CE)
		*tos |= FRAG_CE;
	return true;
}

/* False: the datagram cannot be believed. */
static bool accept_fragment(const struct net *n, struct frag_entry *x, const struct net_frag *f)
{
	uint32_t end = f->off + f->len, room = x->m->buf_len - x->m->data_off;
	if (f->len == 0 || (f->more && f->len % FRAG_UNIT) || end > FRAG_BYTES || end > room)
		return false;
	if (!f->more) {
		if (x->total)
			return false;
		x->total = end;
	}
	if (++x->count > n->p.frag_max || !mark(x, f->off, f->len) || !ecn_merge(&x->tos, f->tos))
		return false;
	if (f->off == 0)
		x->proto = f->proto;
	x->have += f->len;
	x->reach = RP_MAX(x->reach, end);
	memcpy(rte_pktmbuf_mtod_offset(x->m, char *, f->off), f->data, f->len);
	/* What lies behind the end must not make up for a hole: the buffer's old contents would fill it. */
	return x->total == 0 || x->reach <= x->total;
}

static struct rte_mbuf *finish(struct net *n, struct frag_entry *x, const struct rte_ether_hdr *eth)
{
	struct rte_mbuf *m = x->m;
	uint16_t type = RTE_ETHER_TYPE_IPV4;

	rte_pktmbuf_append(m, (uint16_t)x->total);
	if (x->src.family == 4) {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)rte_pktmbuf_prepend(m, NET_IPV4_LEN);
		net_ipv4_fill(n, ip, x->src.v4, x->dst.v4, x->proto, x->tos, (uint16_t)(NET_IPV4_LEN + x->total));
	} else {
		type = RTE_ETHER_TYPE_IPV6;
		net_ipv6_fill((struct rte_ipv6_hdr *)rte_pktmbuf_prepend(m, NET_IPV6_LEN), x->src.v6, x->dst.v6,
			      x->proto, x->tos, NET_TTL, (uint16_t)x->total);
	}
	struct rte_ether_hdr *to = (struct rte_ether_hdr *)rte_pktmbuf_prepend(m, NET_ETH_LEN);
	*to = *eth;
	to->ether_type = rte_cpu_to_be_16(type);
	x->m = NULL;
	n->frags->busy--;
	n->c.frag_done++;
	return m;
}

struct rte_mbuf *net_frag_add(struct net *n, struct net_rx *rx, const struct net_frag *f)
{
	struct frag_entry *x = entry(n, f);
	n->c.frag_rx++;
	if (!x) {
		n->c.frag_no_buffer++;
		return NULL;
	}
	if (!accept_fragment(n, x, f)) {
		n->c.frag_bad++;
		release(n, x);
		return NULL;
	}
	return x->total && x->have == x->total ? finish(n, x, rx->eth) : NULL;
}

struct rte_mbuf *net_frag_input(struct net *n, struct net_rx *rx, const struct net_frag *f)
{
	if (!n->frags || (n->p.nworkers > 1 && !n->rings)) {
		net_refuse(rx, &n->c.rx_ip_fragment);
		return NULL;
	}
	uint32_t to = n->rings && !rx->from_ring ? hash(f, n->p.nworkers) : n->p.worker;
	if (to != n->p.worker) {
		net_steer_push(n, to, rx->m);
		return NULL;
	}
	struct rte_mbuf *m = net_frag_add(n, rx, f);
	rte_pktmbuf_free(rx->m);
	if (!m)
		return NULL;
	*rx = (struct net_rx){.m = m, .eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *), .reassembled = true};
	return f->src.family == 4 ? net_ipv4_input(n, rx) : net_ipv6_input(n, rx);
}

uint32_t net_frag_poll(struct net *n)
{
	uint32_t done = 0;
	if (!n->frags || n->frags->busy == 0)
		return 0;
	for (uint32_t k = 0; k < RP_MIN(n->frags->nsets * FRAG_WAYS, 32u); k++) {
		struct frag_entry *x = &n->frags->e[n->frags->scan];
		n->frags->scan = (n->frags->scan + 1) % (n->frags->nsets * FRAG_WAYS);
		if (x->m && n->now.mono_us - x->since_us >= (uint64_t)n->p.frag_timeout_ms * 1000) {
			n->c.frag_timeout++;
			release(n, x);
			done++;
		}
	}
	return done;
}
