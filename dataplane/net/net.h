/* Ethernet, VLAN, ARP, IPv4, ICMP, IPv6, ICMPv6, Neighbour Discovery and steering for one worker. One instance per
 * worker, no global state.
 *
 * Input: net_input_burst() validates frames and sorts them: TCP segments for our addresses come out (data at the TCP
 * header, l2_len, l3_len and l4_len set, checksums verified), ARP, ND and ICMP are answered, fragments are put
 * together, what belongs to another worker goes through its steering ring, the rest is counted and dropped. Output: an
 * upper layer builds a segment whose data begins at the TCP header and calls net_tcp_output().
 *
 * With an IPv6 address configured the instance also owns the link-local address of its MAC (RFC 4291, appendix A), but
 * where that is the kernel's.
 *
 * RFC 826 (ARP), 5227 (conflict), 791, 1122, 792 (ICMP echo), 1191 (PMTU); 8200 (IPv6), 4861 (ND), 4862 (duplicate
 * address detection), 4443 (ICMPv6), 8201 (PMTU), 5722 (fragments); IEEE 802.1Q.
 */
#pragma once

#include <rte_ring.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/port.h"

struct net;

struct net_addr {
	uint8_t family; /* 4 or 6 */
	union {
		uint32_t v4; /* network order */
		uint8_t v6[16];
	};
};

#define NET_MAX_ADDRS 16

struct net_ifaddr {
	struct net_addr addr;
	uint8_t prefix_len;
};

/* The MAC address on the way to addr: asked for, and told. */
struct net_neigh_msg {
	struct net_addr addr;
	struct rte_ether_addr mac;
};

/* Drop reasons and counters: see net/net_counters.def. The worker writes, anybody reads relaxed. */
struct net_counters {
#define NET_COUNTER(name, help) uint64_t name;
#include "net/net_counters.def"
#undef NET_COUNTER
};

struct net_params {
	struct port *port; /* may be NULL in simulations: then tx goes to tx_hook */
	uint32_t worker, nworkers;
	struct rte_mempool *pool;
	struct rte_ether_addr mac;
	uint16_t mtu;
	struct net_ifaddr addrs[NET_MAX_ADDRS];
	uint32_t naddrs;
	struct net_addr gateway;  /* family 0: none */
	struct net_addr gateway6; /* a second one for the other family */
	struct log_ring *log;     /* may be NULL */
	/* SPSC rings of mbufs between workers, [worker] = from that worker to us / from us to that worker; NULL with
	 * one worker. What teaches neighbours goes to all workers, and fragments that became whole to their flow's. */
	struct rte_ring **steer_in, **steer_out;
	const struct port_rss *rss; /* the device steers TCP; NULL: we do, through the rings */
	/* The kernel has our addresses too (port_info.shared): answers to ARP and ND go there. We send none, and a
	 * neighbour is where its last segment came from. Who has not spoken is asked for through SPSC rings of struct
	 * net_neigh_msg (see xdp_neigh.h; NULL: nobody is asked). */
	bool shared;
	struct rte_ring *neigh_ask, *neigh_told;
	bool no_link_local; /* port_info.beside_kernel: what is sent to it does not come to us */
	uint16_t vlan;      /* 802.1Q id of every frame; 0: untagged */

	/* 0: the default, if none is said to mean "none" */
	uint32_t arp_entries; /* neighbour table size; default 1024 */
	uint32_t arp_age_s;   /* default 60: then probed, kept while it answers; unused IPv6 neighbours are forgotten */
	uint32_t arp_retry_ms;    /* between two questions; default 500 */
	uint32_t arp_tries;       /* questions to a silent neighbour; default 4 */
	uint32_t arp_queue;       /* frames that wait for one neighbour, at most NET_NEIGH_QUEUE; default 8 */
	uint32_t arp_announce;    /* gratuitous ARP or unsolicited NA of each address at start, 2 s apart; default 1 */
	uint32_t arp_defend_s;    /* at most one warning and defence per this time; default 10 */
	uint32_t nd_reachable_s;  /* default 30 */
	uint32_t nd_delay_s;      /* default 5 */
	uint32_t dad_transmits;   /* probes before an IPv6 address is used, 1 s apart; 0: none */
	uint32_t echo_rate;       /* echo replies per second; default 20000 */
	uint32_t frag_entries;    /* datagrams put together at once; 0: fragments are dropped */
	uint32_t frag_max;        /* fragments of one datagram; default 16 */
	uint32_t frag_timeout_ms; /* default 5000 */
	uint32_t pmtu_entries;    /* destinations whose path MTU is remembered; default 256 */
	uint32_t pmtu_age_s;      /* then forgotten, so that a larger one is found; default 600 (RFC 1191, 6.3) */

	/* An ICMP error said that a segment of ours was too large for its path (mtu: of IP packets). Nothing of it is
	 * believed: the receiver compares seq with what it has in flight, then calls net_pmtu_learn(). */
	void (*pmtu)(void *ctx, const struct net_addr *local, uint16_t lport, const struct net_addr *remote,
		     uint16_t rport, uint32_t seq, uint16_t mtu);
	void *pmtu_ctx;
	/* As in port_info. With a port they are the port's; here for simulations. */
	bool tx_csum_ip, tx_csum_tcp, tx_ext_bufs;
	uint32_t tx_train_bytes, tx_train_bufs;
	bool accept_partial_csum;                       /* simulations: as port_info.rx_partial_csum */
	void (*tx_hook)(void *ctx, struct rte_mbuf *m); /* simulations: takes a complete frame */
	void *tx_hook_ctx;
};

/* Control thread. NULL with *e. */
struct net *net_create(const struct net_params *p, struct err *e);
void net_destroy(struct net *n);
void net_set_now(struct net *n, const struct clock_now *now); /* once per iteration */
const struct net_counters *net_counters(const struct net *n);

/* A path to a peer, cached in each connection: next hop, its neighbour entry, the MTU. */
struct net_path {
	struct net_addr local, remote;
	uint32_t neigh;     /* index into the neighbour table */
	uint32_t neigh_gen; /* re-resolved when the entry was recycled */
	uint16_t mtu;       /* IP MTU of this path when it was made; see net_pmtu_get() */
	uint8_t tos;
	bool tx_soft; /* checksums of the next segment in software, whatever the device can do */
	bool no_wait; /* what cannot leave at once is dropped: no frame waits for a neighbour */
};

/* Receives up to n frames from the queue and the steering rings; returns how many TCP segments it put into out (n <=
 * RP_MAX_BURST). Of an out mbuf: data starts at the TCP header and ends with the payload (padding trimmed); buf l3
 * header readable at (data - l3_len). */
uint32_t net_poll_rx(struct net *n, struct rte_mbuf **out, uint32_t cap);
/* Simulations and fuzzers: the same from given frames. Takes all of them. */
uint32_t net_input_burst(struct net *n, struct rte_mbuf **in, uint32_t nin, struct rte_mbuf **out);
/* Addresses of a segment that came out of input. */
void net_segment_addrs(const struct rte_mbuf *m, struct net_addr *src, struct net_addr *dst);

/* 0, -EADDRNOTAVAIL (local is not ours), -ENETUNREACH (no route). */
int net_path_init(struct net *n, struct net_path *path, const struct net_addr *local, const struct net_addr *remote);
/* Our address facing remote. */
int net_local_for(struct net *n, const struct net_addr *remote, struct net_addr *local);
/* The smallest MTU verified on the way to remote, or the device's. */
uint16_t net_pmtu_get(struct net *n, const struct net_addr *remote);
/* The receiver of params.pmtu found the message genuine: new paths to remote start with it. mtu below the least that
 * a path may have (576, IPv6 1280) is taken for that. Returns the MTU to use. */
uint16_t net_pmtu_learn(struct net *n, const struct net_addr *remote, uint16_t mtu);
/* m: data begins at a TCP header of tcp_len bytes whose checksum field is 0, headroom for 40+18 bytes, nb_segs as
 * built; tso_segsz: payload of the segments that the device cuts it into, 0 if it is one. Adds IP and Ethernet, fills
 * or offloads checksums, and queues for TX. Ownership moves. While the neighbour is being resolved up to a few frames
 * per neighbour wait, and of all together no more than a share of the pool, unless path->no_wait. */
void net_tcp_output(struct net *n, struct net_path *path, struct rte_mbuf *m, uint8_t tcp_len);
/* A peer acknowledged what the device had summed (train: cut into segments) for us, arrived: or only its repetition
 * with a checksum made in software. False: this help is no longer used. */
bool net_tx_verdict(struct net *n, uint8_t family, bool train, bool arrived);
const struct net_params *net_params_get(const struct net *n);
/* The peer answered recently through this path: its neighbour entry is alive (called by tcp on forward progress). */
void net_path_confirm(struct net *n, struct net_path *path);
/* Frames that may be queued now without loss. */
uint32_t net_tx_room(const struct net *n);
/* Sends what is queued; returns frames sent. */
uint32_t net_poll_tx(struct net *n);
/* Ageing, retries, duplicate address detection, announcements, time-outs; call every few ms. */
uint32_t net_poll_timers(struct net *n);
/* Announces our addresses (gratuitous ARP; IPv6 after duplicate address detection). Worker 0, at start. */
void net_announce(struct net *n);
/* Which worker a flow belongs to: for active opens to choose a local port that comes back to us. */
uint32_t net_flow_worker(const struct net *n, const struct net_addr *local, uint16_t lport,
			 const struct net_addr *remote, uint16_t rport);

bool net_addr_parse(const char *text, struct net_addr *out, uint8_t *prefix_len /* NULL: no /len allowed */);
size_t net_addr_format(const struct net_addr *a, char *buf, size_t cap);
static inline bool net_addr_eq(const struct net_addr *a, const struct net_addr *b)
{
	return a->family == b->family && (a->family == 4 ? a->v4 == b->v4 : memcmp(a->v6, b->v6, 16) == 0);
}
static inline bool net_is_link_local(const struct net_addr *a)
{
	return a->family == 6 && a->v6[0] == 0xfe && (a->v6[1] & 0xc0) == 0x80;
}
