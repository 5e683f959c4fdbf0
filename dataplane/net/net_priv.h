/* Inside of net/: one instance per worker, touched by its worker only. */
#pragma once

#include <rte_arp.h>
#include <rte_ether.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "base/be32.h"
#include "mem/buf.h"
#include "net/csum.h"
#include "net/net.h"

#define NET_ETH_LEN     ((uint16_t)sizeof(struct rte_ether_hdr))
#define NET_VLAN_LEN    ((uint16_t)sizeof(struct rte_vlan_hdr))
#define NET_IPV4_LEN    ((uint16_t)sizeof(struct rte_ipv4_hdr))
#define NET_IPV6_LEN    ((uint16_t)sizeof(struct rte_ipv6_hdr))
#define NET_ARP_LEN     ((uint16_t)sizeof(struct rte_arp_hdr))
#define NET_TTL         64
#define NET_ND_HOPS     255 /* proves that a message was not routed, RFC 4861, 11.2 */
#define NET_TXQ         (RP_MAX_BURST * 4)
#define NET_RESERVE     64 /* mbufs kept for ARP, ND and ICMP */
#define NET_ECHO_BURST  256
#define NET_MIN_MTU     576  /* RFC 1122, 3.3.3 */
#define NET_MIN_MTU6    1280 /* RFC 8200, 5 */
#define NET_MAX_MTU     9216
#define NET_OWN_MAX     (NET_MAX_ADDRS + 1) /* and the link-local address */
#define NET_NEIGH_NONE  UINT32_MAX
#define NET_NEIGH_QUEUE 16  /* room for frames that wait for one neighbour */
#define NET_NEIGH_SHARE 16  /* of the packet buffers, in all workers: frames that wait for neighbours */
#define NET_NEIGH_SLICE 128 /* entries looked at per net_poll_timers() */
#define NET_RX_PROOF    64  /* verdicts of the device that are checked before they are believed */
#define NET_SECOND_US   1000000
#define NET_ANNOUNCE_US 2000000 /* ANNOUNCE_INTERVAL of RFC 5227 */
#define NET_COPY_MAX    512     /* bytes of an ARP or ND frame copied to the other workers */
#define NET_EXT_MAX     256     /* bytes of IPv6 extension headers that we walk: l3_len has 9 bits */

/* Host order; RTE_IPV4() shifts into the sign bit. */
#define NET_IPV4(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

/* RFC 4861, 7.3.2. An IPv4 neighbour knows neither STALE nor DELAY: it is probed as soon as it has aged. */
enum neigh_state {
	NEIGH_FREE,
	NEIGH_INCOMPLETE, /* asked, no answer yet */
	NEIGH_STALE,      /* not confirmed for long; usable, use starts DELAY */
	NEIGH_REACHABLE,
	NEIGH_DELAY, /* in use, an upper layer may still confirm it */
	NEIGH_PROBE, /* asked again by unicast, still used */
};

struct neigh {
	uint8_t l2[NET_ETH_LEN + NET_VLAN_LEN]; /* complete header of a frame to this neighbour, n->l2_len bytes */
	uint8_t state;
	uint8_t tries;
	struct net_addr addr;
	uint32_t gen;
	uint32_t next; /* hash chain or free list */
	uint32_t nwaiting;
	uint64_t confirmed_us;
	uint64_t asked_us;   /* last question; in DELAY: when it began */
	uint64_t touched_us; /* in STALE: last message or use */
	struct rte_mbuf *waiting[NET_NEIGH_QUEUE];
};

enum net_own_state {
	OWN_READY,
	OWN_TENTATIVE, /* duplicate address detection is under way: not ours yet */
	OWN_DUPLICATE, /* somebody else has it: never ours */
};

/* One of our addresses. */
struct net_own {
	struct net_addr addr;
	uint8_t prefix_len;
	uint8_t state;
	uint8_t probes;        /* of duplicate address detection, still to send */
	uint8_t announcements; /* still to send */
	bool started;
	uint32_t mask4; /* network order */
	uint64_t next_us;
	uint64_t conflict_us; /* last warning and defence */
	char text[48];        /* for the deferred log, which holds pointers only */
};

struct net_frags;
struct net_pmtus;

#define NET_TX_DOUBTS   4
#define NET_TX_DOUBT_US 50000 /* what is lost together raises one doubt */

/* What peers' answers have shown about frames that the device completes. */
struct net_tx_trial {
	bool proven, off;
	uint8_t doubts;
	uint64_t doubted_us;
};

struct net {
	struct net_params p;
	struct clock_now now;
	uint16_t l2_len;
	struct net_own own[NET_OWN_MAX];
	uint32_t nown;
	bool has6;
	struct net_addr gw4, gw6; /* family 0: none */
	bool rings;               /* there are steering rings */
	bool steer;               /* TCP is steered by us, not by the device */
	bool accept_partial;
	uint16_t ip_id;

	uint32_t ntx;
	struct rte_mbuf *txq[NET_TXQ];

	struct rte_mbuf *reserve[NET_RESERVE];
	uint32_t nreserve;
	bool low; /* the pool cannot fill the reserve: shed what takes memory */

	uint32_t echo_tokens;
	uint64_t echo_us;
	bool partial_told, truncated_told;
	uint8_t rx_unproven;  /* right verdicts of the device still to be seen before its checksums are believed */
	bool rx_csum_useless; /* it was wrong once: never believed again */
	struct net_tx_trial tx_trial[2][2]; /* [train][IPv6], see net_tx_verdict() */

	struct neigh *neigh;
	uint32_t *neigh_head; /* hash heads; neigh_mask + 1 of them */
	uint32_t neigh_mask;
	uint32_t neigh_free; /* list through next */
	uint32_t neigh_scan;
	uint32_t nwaiting, waiting_max; /* frames that wait for neighbours */
	struct net_addr heard;          /* shared: the last that neigh_hear() saw; family 0: none */
	struct rte_ether_addr heard_mac;

	struct net_frags *frags; /* NULL: fragments are dropped */
	struct net_pmtus *pmtus;

	uint32_t steer_next; /* ring to start with: no worker starves another */
	uint32_t *nsteer;    /* per worker: how many wait in steer_q for the end of the burst */
	struct rte_mbuf **steer_q;

	struct net_counters c;
};

/* What is known of a frame while it goes through input. */
struct net_rx {
	struct rte_mbuf *m;
	struct rte_ether_hdr *eth;
	union {
		struct rte_ipv4_hdr *ip;
		struct rte_ipv6_hdr *ip6;
	};
	uint16_t ip_len;   /* header with options or extension headers */
	uint16_t l4_len;   /* bytes behind the IP header */
	uint8_t family;    /* 4 or 6 */
	uint8_t proto;     /* what follows the IP header */
	bool from_ring;    /* another worker steered it to us */
	bool reassembled;  /* we put it together: no device has chosen its worker */
	uint64_t *dropped; /* the counter of the reason, when refused */
};

static inline bool net_refuse(struct net_rx *rx, uint64_t *counter)
{
	rx->dropped = counter;
	return false;
}

/* The frame is shorter than its packet: told once, because all of a sender's large ones may be. */
bool net_refuse_truncated(struct net *n, struct net_rx *rx);

static inline void *net_rx_l4(const struct net_rx *rx)
{
	return (char *)rx->ip + rx->ip_len;
}

/* Sum of the pseudo header of a received packet. */
static inline uint64_t net_rx_pseudo(const struct net_rx *rx)
{
	if (rx->family == 4)
		return csum_pseudo_v4(rx->ip->src_addr, rx->ip->dst_addr, rx->proto, rx->l4_len);
	return csum_pseudo_v6(rx->ip6->src_addr, rx->ip6->dst_addr, rx->proto, rx->l4_len);
}

/* ---- addresses ---- */

static inline struct net_addr net_addr4(uint32_t ip)
{
	return (struct net_addr){.family = 4, .v4 = ip};
}

static inline struct net_addr net_addr6(const void *ip)
{
	struct net_addr a = {.family = 6};
	memcpy(a.v6, ip, 16);
	return a;
}

/* Of a received packet. */
static inline struct net_addr net_rx_src(const struct net_rx *rx)
{
	return rx->family == 4 ? net_addr4(rx->ip->src_addr) : net_addr6(rx->ip6->src_addr);
}

static inline struct net_addr net_rx_dst(const struct net_rx *rx)
{
	return rx->family == 4 ? net_addr4(rx->ip->dst_addr) : net_addr6(rx->ip6->dst_addr);
}

static inline bool net_is_local(const struct net *n, uint32_t ip)
{
	for (uint32_t i = 0; i < n->nown; i++)
		if (n->own[i].addr.v4 == ip && n->own[i].addr.family == 4)
			return true;
	return false;
}

int net_own_init(struct net *n, struct err *e);
/* Our address, in any state, or NULL. */
struct net_own *net_own_find(struct net *n, const struct net_addr *a);
/* The address whose subnet holds a, or NULL; link-local addresses are in that of ours. */
struct net_own *net_own_subnet(struct net *n, const struct net_addr *a);
/* Is it ours and usable? */
bool net_own_ready(struct net *n, const struct net_addr *a);
/* Another host uses it: tells, and says whether to defend it now. */
bool net_own_conflict(struct net *n, struct net_own *o, const struct rte_ether_addr *mac);
uint32_t net_own_poll(struct net *n);
/* Could anybody have this as source of a packet to us? */
bool net_source_ok(struct net *n, const struct net_addr *a);
/* Next hop of remote: itself when it is on the link, else a gateway. False: no route. */
bool net_next_hop(struct net *n, const struct net_addr *remote, struct net_addr *hop);

/* ---- buffers and frames ---- */

/* A buffer for a frame of our own: the pool, else the reserve. */
struct rte_mbuf *net_ctl_alloc(struct net *n);
/* Refills the reserve, or lends it to the receive path when the pool is empty. */
void net_reserve_poll(struct net *n);
/* Takes m into the reserve or frees it. */
void net_reserve_give(struct net *n, struct rte_mbuf *m);
void net_tx_push(struct net *n, struct rte_mbuf *m);

/* Writes n->l2_len bytes, the tag included. */
void net_l2_write(const struct net *n, void *at, const struct rte_ether_addr *dst, uint16_t type);
/* Puts the header in front of m and queues it. */
void net_l2_output(struct net *n, struct rte_mbuf *m, const struct rte_ether_addr *dst, uint16_t type);
/* Writes a fresh IPv4 header of 20 bytes, checksum included. */
void net_ipv4_fill(struct net *n, struct rte_ipv4_hdr *ip, uint32_t src, uint32_t dst, uint8_t proto, uint8_t tos,
		   uint16_t total_len);
void net_ipv6_fill(struct rte_ipv6_hdr *ip, const uint8_t *src, const uint8_t *dst, uint8_t proto, uint8_t tos,
		   uint8_t hops, uint16_t payload_len);

/* May the device's "checksum is good" stand without looking? */
static inline bool net_rx_proven(const struct net *n)
{
	return n->rx_unproven == 0 && !n->rx_csum_useless;
}

/* ---- input: each takes m, or sets rx->dropped ---- */

/* The TCP segment, or NULL when it was refused, steered or shed (then m is gone unless rx->dropped is set). */
struct rte_mbuf *net_tcp_segment(struct net *n, struct net_rx *rx);
struct rte_mbuf *net_ipv4_input(struct net *n, struct net_rx *rx);
struct rte_mbuf *net_ipv6_input(struct net *n, struct net_rx *rx);
void net_arp_input(struct net *n, struct net_rx *rx);
void net_icmp_input(struct net *n, struct net_rx *rx);
void net_icmp6_input(struct net *n, struct net_rx *rx);
/* NS and NA, checksum verified. */
void net_nd_input(struct net *n, struct net_rx *rx);
/* Is this multicast frame one that IPv6 makes us take? */
bool net_nd_wants(const struct net *n, const struct rte_ether_addr *dst);
/* A token bucket: generous to people and monitors, no amplifier for a flood. */
bool net_echo_allowed(struct net *n);

/* ---- questions and announcements ---- */

/* Asks for ip; to NULL: by broadcast. */
void net_arp_request(struct net *n, uint32_t ip, const struct rte_ether_addr *to);
/* Neighbour solicitation; to NULL: to the solicited-node group. */
void net_nd_solicit(struct net *n, const struct net_addr *a, const struct rte_ether_addr *to);
/* Of duplicate address detection. */
void net_nd_probe(struct net *n, const struct net_own *o);
/* Unsolicited advertisement. */
void net_nd_announce(struct net *n, const struct net_own *o);

/* ---- neighbours ---- */

/* What a message says of a neighbour (RFC 4861, 7.2). */
enum neigh_news {
	NEIGH_NEWS_CONFIRMED,  /* it answered us */
	NEIGH_NEWS_SEEN,       /* it told its address unasked */
	NEIGH_NEWS_NO_OVERRIDE /* a proxy may have told: an address that we know stays */
};

int neigh_table_init(struct net *n);
void neigh_table_fini(struct net *n);
uint32_t neigh_lookup(const struct net *n, const struct net_addr *a);
/* Finds or makes the entry and starts its resolution. */
uint32_t neigh_get(struct net *n, const struct net_addr *a);
/* The neighbour told its address. Creates the entry only if create. */
void neigh_learn(struct net *n, const struct net_addr *a, const struct rte_ether_addr *mac, enum neigh_news news,
		 bool create);
/* Shared addresses: a segment of a came from mac. */
void neigh_hear(struct net *n, const struct net_addr *a, const struct rte_ether_addr *mac);
/* m: a complete frame but for its link header, for which headroom is left. Sends it, lets it wait, or drops it. */
void neigh_output(struct net *n, uint32_t idx, struct rte_mbuf *m, bool no_wait);
void neigh_confirm(struct net *n, uint32_t idx);
uint32_t neigh_poll(struct net *n);

/* ---- path MTU ---- */

int net_pmtu_init(struct net *n);
void net_pmtu_fini(struct net *n);
/* The packet quoted by an ICMP error, len bytes from its IP header on; mtu 0: the router did not say. True if m was
 * steered to the owner of the flow. */
bool net_pmtu_error(struct net *n, struct net_rx *rx, const void *quoted, uint32_t len, uint32_t mtu);

/* ---- fragments ---- */

int net_frag_init(struct net *n, struct err *e);
void net_frag_fini(struct net *n);
uint32_t net_frag_poll(struct net *n);

struct net_frag {
	struct net_addr src, dst;
	uint32_t id;
	uint8_t proto;
	uint8_t tos;
	const void *data;
	uint32_t off, len; /* bytes */
	bool more;
};

/* Takes the data of a fragment; rx->m stays the caller's. Returns the complete packet, with an Ethernet header in
 * front of its IP header, or NULL. */
struct rte_mbuf *net_frag_add(struct net *n, struct net_rx *rx, const struct net_frag *f);
/* A fragment in rx, whose fields f has: reassembles or steers it, and goes on with the whole packet. */
struct rte_mbuf *net_frag_input(struct net *n, struct net_rx *rx, const struct net_frag *f);

/* ---- steering ---- */

/* Ports in host order. */
uint32_t net_flow_hash_worker(uint32_t nworkers, const struct net_addr *local, uint16_t lport,
			      const struct net_addr *remote, uint16_t rport);
/* True if the frame was given to its owner. */
bool net_steer_tcp(struct net *n, const struct net_rx *rx, const struct rte_tcp_hdr *tcp);
/* m goes to worker `to` at the end of the burst. */
void net_steer_push(struct net *n, uint32_t to, struct rte_mbuf *m);
/* Copies an ARP or ND frame to every other worker. */
void net_steer_copies(struct net *n, const struct rte_mbuf *m);
void net_steer_flush(struct net *n);
uint32_t net_steer_poll(struct net *n, struct rte_mbuf **m, uint32_t cap);
