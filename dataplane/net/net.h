/* Ethernet, ARP, IPv4, ICMP and steering for one worker. One instance per worker, no global state.
 *
 * Input: net_input_burst() validates frames and sorts them: TCP segments for our addresses come out (data at the TCP
 * header, l2_len, l3_len and l4_len set, checksums verified), ARP and ICMP are answered, what belongs to another worker
 * goes through its steering ring, the rest is counted and dropped. Output: an upper layer builds a segment whose data
 * begins at the TCP header and calls net_tcp_output().
 *
 * RFC 826 (ARP), 5227 (conflict), 791, 1122, 792 (ICMP echo), 1191 (PMTU).
 */
#pragma once

#include <rte_ring.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/port.h"

struct net;

/* IPv4 now; room for IPv6. */
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
	struct net_addr gateway; /* family 0: none */
	struct log_ring *log;    /* may be NULL */
	/* SPSC rings of mbufs between workers, [worker] = from that worker to us / from us to that worker; NULL with
	 * one worker or a steering device */
	struct rte_ring **steer_in, **steer_out;
	uint32_t arp_entries; /* neighbour table size; default 1024 */
	uint32_t arp_age_s;   /* default 60: then probed, kept while it answers */
	/* The kernel has our addresses too (port_info.shared): answers to ARP go there. We send none, and a neighbour is
	 * where its last segment came from. */
	bool shared;
	bool tx_csum_ip, tx_csum_tcp;
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
	uint16_t mtu;       /* IP MTU of this path */
	uint8_t tos;
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
/* m: data begins at a TCP header of tcp_len bytes whose checksum field is 0, headroom for 40+18 bytes, nb_segs as
 * built. Adds IP and Ethernet, fills or offloads checksums, and queues for TX. Ownership moves. While the neighbour is
 * being resolved up to a few frames per neighbour wait. */
void net_tcp_output(struct net *n, struct net_path *path, struct rte_mbuf *m, uint8_t tcp_len);
/* The peer answered recently through this path: its neighbour entry is alive (called by tcp on forward progress). */
void net_path_confirm(struct net *n, struct net_path *path);
/* Sends what is queued; returns frames sent. */
uint32_t net_poll_tx(struct net *n);
/* ARP ageing and retries; call every few ms. */
uint32_t net_poll_timers(struct net *n);
/* Announces our addresses (gratuitous ARP). Worker 0, at start. */
void net_announce(struct net *n);
/* Which worker a flow belongs to when we steer: for active opens to choose a local port that comes back to us. */
uint32_t net_flow_worker(const struct net *n, const struct net_addr *local, uint16_t lport,
			 const struct net_addr *remote, uint16_t rport);

bool net_addr_parse(const char *text, struct net_addr *out, uint8_t *prefix_len /* NULL: no /len allowed */);
size_t net_addr_format(const struct net_addr *a, char *buf, size_t cap);
static inline bool net_addr_eq(const struct net_addr *a, const struct net_addr *b)
{
	return a->family == b->family && (a->family == 4 ? a->v4 == b->v4 : memcmp(a->v6, b->v6, 16) == 0);
}
