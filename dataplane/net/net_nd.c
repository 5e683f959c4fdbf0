/* Neighbour Discovery between hosts (RFC 4861: solicitations and advertisements) and the messages of duplicate address
 * detection (RFC 4862, 5.4). Routers come from the configuration: their advertisements and redirects are not believed.
 * Only hosts of our own subnets are learned. */
#include "net/net_priv.h"

#define ND_SOLICIT          135
#define ND_ADVERTISE        136
#define ND_OPT_SOURCE       1
#define ND_OPT_TARGET       2
#define ND_FLAG_SOLICITED   RTE_BE32(1u << 30)
#define ND_FLAG_OVERRIDE    RTE_BE32(1u << 29)
#define ND_OPT_UNIT         8
#define MCAST_MAC_PREFIX(m) ((m)->addr_bytes[0] == 0x33 && (m)->addr_bytes[1] == 0x33)

struct nd_msg {
	uint8_t type, code;
	uint16_t cksum;
	uint32_t flags; /* of an advertisement */
	uint8_t target[16];
} __rte_packed;

struct nd_opt {
	uint8_t type, len;
	struct rte_ether_addr mac;
};

static const uint8_t unspecified[16], all_nodes[16] = {0xff, 0x02, [15] = 1};

static void solicited_group(const uint8_t *a, uint8_t out[16])
{
	static const uint8_t prefix[13] = {0xff, 0x02, [11] = 1, [12] = 0xff};
	memcpy(out, prefix, 13);
	memcpy(out + 13, a + 13, 3);
}

static struct rte_ether_addr group_mac(const uint8_t *ip)
{
	return (struct rte_ether_addr){{0x33, 0x33, ip[12], ip[13], ip[14], ip[15]}};
}

bool net_nd_wants(const struct net *n, const struct rte_ether_addr *dst)
{
	if (!n->has6 || !MCAST_MAC_PREFIX(dst))
		return false;
	struct rte_ether_addr mac = group_mac(all_nodes);
	if (rte_is_same_ether_addr(dst, &mac))
		return true;
	for (uint32_t i = 0; i < n->nown; i++)
		if (n->own[i].addr.family == 6 && dst->addr_bytes[2] == 0xff &&
		    memcmp(&dst->addr_bytes[3], &n->own[i].addr.v6[13], 3) == 0)
			return true;
	return false;
}

/* Sends a message; opt 0: without the link-layer address. */
static void nd_send(struct net *n, struct nd_msg *msg, const uint8_t *src, const uint8_t *dst,
		    const struct rte_ether_addr *mac, uint8_t opt)
{
	struct rte_mbuf *m = net_ctl_alloc(n);
	uint16_t len = sizeof(*msg) + (opt ? sizeof(struct nd_opt) : 0);
	if (!m)
		return;
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)rte_pktmbuf_append(m, NET_IPV6_LEN + len);
	struct nd_msg *to = (struct nd_msg *)(ip + 1);
	*to = *msg;
	if (opt)
		*(struct nd_opt *)(to + 1) = (struct nd_opt){opt, 1, n->p.mac};
	net_ipv6_fill(ip, src, dst, IPPROTO_ICMPV6, 0, NET_ND_HOPS, len);
	to->cksum = 0;
	to->cksum = (uint16_t)~csum_fold(csum_add(csum_pseudo_v6(src, dst, IPPROTO_ICMPV6, len), to, len));
	net_l2_output(n, m, mac, RTE_ETHER_TYPE_IPV6);
}

static void solicit(struct net *n, const uint8_t *src, const uint8_t *target, const struct rte_ether_addr *to)
{
	struct nd_msg msg = {.type = ND_SOLICIT};
	uint8_t group[16];
	memcpy(msg.target, target, 16);
	solicited_group(target, group);
	struct rte_ether_addr mac = group_mac(group);
	n->c.nd_solicit_tx++;
	nd_send(n, &msg, src, to ? target : group, to ? to : &mac, src == unspecified ? 0 : ND_OPT_SOURCE);
}

void net_nd_solicit(struct net *n, const struct net_addr *a, const struct rte_ether_addr *to)
{
	const struct net_own *o = net_own_subnet(n, a);
	for (uint32_t i = 0; (!o || o->state != OWN_READY) && i < n->nown; i++)
		if (n->own[i].addr.family == 6)
			o = &n->own[i];
	/* With no address yet the question would look like duplicate address detection: it is asked again later. */
	if (o && o->state == OWN_READY)
		solicit(n, o->addr.v6, a->v6, to);
}

void net_nd_probe(struct net *n, const struct net_own *o)
{
	solicit(n, unspecified, o->addr.v6, NULL);
}

static void advertise(struct net *n, const uint8_t *target, uint32_t flags, const uint8_t *dst,
		      const struct rte_ether_addr *mac)
{
	struct nd_msg msg = {.type = ND_ADVERTISE, .flags = flags | ND_FLAG_OVERRIDE};
	memcpy(msg.target, target, 16);
	n->c.nd_advert_tx++;
	nd_send(n, &msg, target, dst, mac, ND_OPT_TARGET);
}

void net_nd_announce(struct net *n, const struct net_own *o)
{
	struct rte_ether_addr mac = group_mac(all_nodes);
	advertise(n, o->addr.v6, 0, all_nodes, &mac);
}

/* RFC 4861, 7.1: finds the link-layer address of this kind (*mac NULL: none). False: malformed. */
static bool options(const struct nd_msg *msg, uint32_t len, uint8_t kind, const struct rte_ether_addr **mac)
{
	const uint8_t *o = (const uint8_t *)(msg + 1), *end = (const uint8_t *)msg + len;
	*mac = NULL;
	while (o < end) {
		if (end - o < ND_OPT_UNIT || o[1] == 0 || end - o < o[1] * ND_OPT_UNIT)
			return false;
		if (o[0] == kind && o[1] == 1)
			*mac = &((const struct nd_opt *)o)->mac;
		o += o[1] * ND_OPT_UNIT;
	}
	return !*mac || rte_is_valid_assigned_ether_addr(*mac);
}

static bool valid(const struct net_rx *rx, const struct nd_msg *msg, const struct rte_ether_addr **mac)
{
	bool ask = msg->type == ND_SOLICIT, nobody = memcmp(rx->ip6->src_addr, unspecified, 16) == 0;
	uint8_t group[16];

	if (rx->ip6->hop_limits != NET_ND_HOPS || rx->l4_len < sizeof(*msg) || msg->code != 0 ||
	    msg->target[0] == 0xff || !options(msg, rx->l4_len, ask ? ND_OPT_SOURCE : ND_OPT_TARGET, mac))
		return false;
	if (!ask)
		return !nobody && !((msg->flags & ND_FLAG_SOLICITED) && rx->ip6->dst_addr[0] == 0xff);
	solicited_group(msg->target, group);
	return !nobody || (!*mac && memcmp(rx->ip6->dst_addr, group, 16) == 0);
}

static void defend(struct net *n, const struct net_rx *rx, struct net_own *o, const struct rte_ether_addr *mac)
{
	/* Every worker must stop to use a duplicate, one of them tells and defends. */
	if (rx->from_ring && o->state != OWN_TENTATIVE)
		return;
	if (net_own_conflict(n, o, mac))
		net_nd_announce(n, o);
}

/* RFC 4861, 7.2.3 and 7.2.4; RFC 4862, 5.4.3 */
static void solicited(struct net *n, const struct net_rx *rx, const struct nd_msg *msg,
		      const struct rte_ether_addr *mac)
{
	struct net_addr target = net_addr6(msg->target), src = net_addr6(rx->ip6->src_addr);
	struct net_own *o = net_own_find(n, &target);
	bool nobody = memcmp(src.v6, unspecified, 16) == 0;

	if (!o || o->state == OWN_DUPLICATE)
		return;
	if (nobody) {
		struct rte_ether_addr all = group_mac(all_nodes);
		if (o->state == OWN_TENTATIVE)
			defend(n, rx, o, &rx->eth->src_addr);
		else if (!rx->from_ring)
			advertise(n, target.v6, 0, all_nodes, &all);
		return;
	}
	if (o->state == OWN_TENTATIVE || !net_source_ok(n, &src))
		return;
	if (mac && net_own_subnet(n, &src))
		neigh_learn(n, &src, mac, NEIGH_NEWS_SEEN, true);
	if (!rx->from_ring)
		advertise(n, target.v6, ND_FLAG_SOLICITED, src.v6, mac ? mac : &rx->eth->src_addr);
}

/* RFC 4861, 7.2.5; RFC 4862, 5.4.4 */
static void advertised(struct net *n, const struct net_rx *rx, const struct nd_msg *msg,
		       const struct rte_ether_addr *mac)
{
	struct net_addr target = net_addr6(msg->target);
	struct net_own *o = net_own_find(n, &target);
	bool sol = msg->flags & ND_FLAG_SOLICITED, over = msg->flags & ND_FLAG_OVERRIDE;

	if (o) {
		if (o->state != OWN_DUPLICATE)
			defend(n, rx, o, mac ? mac : &rx->eth->src_addr);
		return;
	}
	uint32_t idx = neigh_lookup(n, &target);
	if (idx == NET_NEIGH_NONE)
		return;
	if (!mac) {
		/* The answer to a question by unicast may leave it out. */
		if (sol && n->neigh[idx].state != NEIGH_INCOMPLETE)
			neigh_confirm(n, idx);
		return;
	}
	struct neigh *e = &n->neigh[idx];
	bool same = rte_is_same_ether_addr(&((struct rte_ether_hdr *)e->l2)->dst_addr, mac);
	bool keep = !over && !same && e->state != NEIGH_INCOMPLETE;
	neigh_learn(n, &target, mac,
		    keep  ? NEIGH_NEWS_NO_OVERRIDE
		    : sol ? NEIGH_NEWS_CONFIRMED
			  : NEIGH_NEWS_SEEN,
		    false);
}

void net_nd_input(struct net *n, struct net_rx *rx)
{
	const struct nd_msg *msg = net_rx_l4(rx);
	const struct rte_ether_addr *mac;

	n->c.nd_rx++;
	if (!valid(rx, msg, &mac)) {
		rx->dropped = &n->c.nd_bad;
		return;
	}
	if (rte_is_same_ether_addr(&rx->eth->src_addr, &n->p.mac)) {
		rte_pktmbuf_free(rx->m); /* our own, reflected */
		return;
	}
	if (n->rings && !rx->from_ring)
		net_steer_copies(n, rx->m);
	if (msg->type == ND_SOLICIT)
		solicited(n, rx, msg, mac);
	else
		advertised(n, rx, msg, mac);
	rte_pktmbuf_free(rx->m);
}
