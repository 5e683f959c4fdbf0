/* Our own addresses: which are ours, which network they are in, duplicate address detection (RFC 4862, 5.4),
 * announcements at start (RFC 5227, 2.3) and conflicts with other hosts (RFC 5227, 2.4). */
#include <stdio.h>

#include "net/net_priv.h"

static bool prefix_eq(const uint8_t *a, const uint8_t *b, uint8_t bits)
{
	uint8_t bytes = bits / 8, rest = bits % 8;
	if (memcmp(a, b, bytes) != 0)
		return false;
	return rest == 0 || ((a[bytes] ^ b[bytes]) & (0xff00 >> rest & 0xff)) == 0;
}

static struct net_own *own_add(struct net *n, const struct net_addr *a, uint8_t prefix_len)
{
	struct net_own *o = &n->own[n->nown++];
	*o = (struct net_own){.addr = *a, .prefix_len = prefix_len};
	if (a->family == 4) {
		o->mask4 = rte_cpu_to_be_32(prefix_len ? UINT32_MAX << (32 - prefix_len) : 0);
	} else if (n->p.dad_transmits && !n->p.shared) {
		o->state = OWN_TENTATIVE;
		o->probes = (uint8_t)RP_MIN(n->p.dad_transmits, 255u);
	}
	net_addr_format(a, o->text, sizeof(o->text));
	return o;
}

/* RFC 4291, appendix A: the interface identifier is the MAC with one bit flipped and ff:fe in the middle. */
static struct net_addr link_local(const struct rte_ether_addr *mac)
{
	const uint8_t *b = mac->addr_bytes;
	return (struct net_addr){
		.family = 6, .v6 = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, b[0] ^ 2, b[1], b[2], 0xff, 0xfe, b[3], b[4], b[5]}};
}

static bool is_host6(const struct net_addr *a)
{
	static const uint8_t none[16], loop[16] = {[15] = 1}, mapped[12] = {[10] = 0xff, [11] = 0xff};
	return a->v6[0] != 0xff && memcmp(a->v6, none, 16) != 0 && memcmp(a->v6, loop, 16) != 0 &&
	       memcmp(a->v6, mapped, 12) != 0;
}

int net_own_init(struct net *n, struct err *e)
{
	bool has_link_local = false;
	for (uint32_t i = 0; i < n->p.naddrs; i++) {
		const struct net_ifaddr *a = &n->p.addrs[i];
		struct net_own *o = own_add(n, &a->addr, a->prefix_len);
		if (a->addr.family == 4)
			continue;
		if (!is_host6(&a->addr))
			return err_set(e, "%s is not an address that a host can have", o->text);
		n->has6 = true;
		has_link_local |= net_is_link_local(&a->addr);
	}
	/* Shared: the kernel's may be another, and only it takes part in Neighbour Discovery. Beside the kernel: the
	 * gateway's answers would go to it, so a configured address asks. */
	if (n->has6 && !has_link_local && !n->p.shared && !n->p.no_link_local) {
		struct net_addr ll = link_local(&n->p.mac);
		own_add(n, &ll, 64);
	}
	return 0;
}

struct net_own *net_own_find(struct net *n, const struct net_addr *a)
{
	for (uint32_t i = 0; i < n->nown; i++)
		if (net_addr_eq(&n->own[i].addr, a))
			return &n->own[i];
	return NULL;
}

bool net_own_ready(struct net *n, const struct net_addr *a)
{
	const struct net_own *o = net_own_find(n, a);
	return o && o->state == OWN_READY;
}

struct net_own *net_own_subnet(struct net *n, const struct net_addr *a)
{
	for (uint32_t i = 0; i < n->nown; i++) {
		struct net_own *o = &n->own[i];
		if (o->addr.family != a->family || o->state == OWN_DUPLICATE)
			continue;
		if (a->family == 4 ? ((a->v4 ^ o->addr.v4) & o->mask4) == 0
				   : prefix_eq(a->v6, o->addr.v6, o->prefix_len))
			return o;
	}
	return NULL;
}

/* RFC 1122, 3.2.1.3, RFC 4291: what may never be a source; our own address neither (the LAND attack). */
bool net_source_ok(struct net *n, const struct net_addr *a)
{
	if (a->family == 6)
		return is_host6(a) && !net_own_find(n, a);
	uint32_t h = rte_be_to_cpu_32(a->v4);
	return h != 0 && h < NET_IPV4(224, 0, 0, 0) && (h >> 24) != 127 && !net_is_local(n, a->v4);
}

bool net_next_hop(struct net *n, const struct net_addr *remote, struct net_addr *hop)
{
	*hop = *remote;
	if (net_own_subnet(n, remote))
		return true;
	/* Back to the router that the peer's segment came through. */
	if (n->p.shared && (remote->family == 4 ? n->gw4 : n->gw6).family == 0)
		return true;
	*hop = remote->family == 4 ? n->gw4 : n->gw6;
	return hop->family != 0 && !net_is_link_local(remote);
}

static void tell(struct net *n, const char *fmt, const struct net_own *o, const struct rte_ether_addr *mac)
{
	uint64_t args[] = {(uintptr_t)o->text, 0};
	for (int i = 0; i < RTE_ETHER_ADDR_LEN; i++)
		args[1] = args[1] << 8 | mac->addr_bytes[i];
	if (n->p.log)
		log_defer(n->p.log, LOG_WARNING, n->now.wall_us, fmt, 2, args);
}

bool net_own_conflict(struct net *n, struct net_own *o, const struct rte_ether_addr *mac)
{
	n->c.arp_conflict++;
	if (o->state == OWN_TENTATIVE) {
		o->state = OWN_DUPLICATE;
		n->c.nd_dad_failed++;
		tell(n,
		     "address conflict: %s is already used by MAC %012lx; we do not use it: give one of the two "
		     "another address, then restart",
		     o, mac);
		return false;
	}
	if (o->conflict_us && n->now.mono_us - o->conflict_us < (uint64_t)n->p.arp_defend_s * NET_SECOND_US)
		return false;
	o->conflict_us = n->now.mono_us;
	tell(n, "address conflict: our %s is also claimed by MAC %012lx; give one of the two another address", o, mac);
	return o->state == OWN_READY;
}

static void announce(struct net *n, struct net_own *o)
{
	o->announcements--;
	o->next_us = n->now.mono_us + NET_ANNOUNCE_US;
	if (o->addr.family == 4)
		net_arp_request(n, o->addr.v4, NULL);
	else
		net_nd_announce(n, o);
}

void net_announce(struct net *n)
{
	if (n->p.shared)
		return;
	for (uint32_t i = 0; i < n->nown; i++) {
		struct net_own *o = &n->own[i];
		o->announcements = (uint8_t)RP_MIN(n->p.arp_announce, 255u);
		if (o->state == OWN_READY)
			announce(n, o);
	}
}

/* Every worker counts the time; the first one sends. */
static void detect(struct net *n, struct net_own *o)
{
	if (o->started && n->now.mono_us < o->next_us)
		return;
	o->started = true;
	if (o->probes == 0) {
		o->state = OWN_READY;
		return;
	}
	o->probes--;
	o->next_us = n->now.mono_us + NET_SECOND_US;
	if (n->p.worker == 0)
		net_nd_probe(n, o);
}

uint32_t net_own_poll(struct net *n)
{
	uint32_t busy = 0;
	for (uint32_t i = 0; i < n->nown; i++) {
		struct net_own *o = &n->own[i];
		if (o->state == OWN_TENTATIVE) {
			detect(n, o);
			busy++;
		}
		if (o->state == OWN_READY && o->announcements && n->now.mono_us >= o->next_us) {
			announce(n, o);
			busy++;
		}
	}
	return busy;
}
