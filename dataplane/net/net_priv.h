/* Inside of net/: one instance per worker, touched by its worker only. */
#pragma once

#include <rte_arp.h>
#include <rte_ether.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "mem/buf.h"
#include "net/csum.h"
#include "net/net.h"

#define NET_ETH_LEN     ((uint16_t)sizeof(struct rte_ether_hdr))
#define NET_IPV4_LEN    ((uint16_t)sizeof(struct rte_ipv4_hdr))
#define NET_ARP_LEN     ((uint16_t)sizeof(struct rte_arp_hdr))
#define NET_TTL         64
#define NET_TXQ         (RP_MAX_BURST * 4)
#define NET_RESERVE     64    /* mbufs kept for ARP and ICMP */
#define NET_ECHO_RATE   20000 /* echo replies per second and worker */
#define NET_ECHO_BURST  256
#define NET_MAX_MTU     2034 /* a frame with VLAN tag must fit one 2 KiB buffer */
#define NET_NEIGH_NONE  UINT32_MAX
#define NET_NEIGH_QUEUE 8   /* frames that wait for one neighbour */
#define NET_NEIGH_SLICE 128 /* entries looked at per net_poll_timers() */
#define NET_RETRY_US    500000
#define NET_TRIES       4
#define NET_CONFLICT_US 10000000 /* one warning per this time */

/* Host order; RTE_IPV4() shifts into the sign bit. */
#define NET_IPV4(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

enum neigh_state {
	NEIGH_FREE,
	NEIGH_INCOMPLETE, /* asked, no answer yet */
	NEIGH_REACHABLE,
	NEIGH_PROBE, /* aged: asked again by unicast, still used */
};

struct neigh {
	struct rte_ether_hdr eth; /* complete header of a frame to this neighbour; copied in one go */
	uint8_t state;
	uint8_t tries;
	uint32_t ip; /* network order */
	uint32_t gen;
	uint32_t next; /* hash chain or free list */
	uint32_t nwaiting;
	uint64_t confirmed_us;
	uint64_t asked_us;
	struct rte_mbuf *waiting[NET_NEIGH_QUEUE];
};

struct net {
	struct net_params p;
	struct clock_now now;
	struct rte_ether_hdr bcast_eth;
	uint32_t prefix_mask[NET_MAX_ADDRS]; /* network order */
	bool steer;
	bool accept_partial;
	uint16_t ip_id;

	uint32_t ntx;
	struct rte_mbuf *txq[NET_TXQ];

	struct rte_mbuf *reserve[NET_RESERVE];
	uint32_t nreserve;
	bool low; /* the pool cannot fill the reserve: shed what takes memory */

	uint32_t echo_tokens;
	uint64_t echo_us;
	uint64_t conflict_us;
	bool partial_told;

	struct neigh *neigh;
	uint32_t *neigh_head; /* hash heads; neigh_mask + 1 of them */
	uint32_t neigh_mask;
	uint32_t neigh_free; /* list through next */
	uint32_t neigh_scan;
	uint32_t heard_ip; /* shared: the last that neigh_hear() saw; 0: none */
	struct rte_ether_addr heard_mac;

	uint32_t steer_next; /* ring to start with: no worker starves another */
	uint32_t *nsteer;    /* per worker: how many wait in steer_q for the end of the burst */
	struct rte_mbuf **steer_q;

	struct net_counters c;
};

/* What is known of a frame while it goes through input. */
struct net_rx {
	struct rte_mbuf *m;
	struct rte_ether_hdr *eth;
	struct rte_ipv4_hdr *ip;
	uint16_t ip_len;   /* header */
	uint16_t l4_len;   /* bytes behind the IP header */
	bool from_ring;    /* another worker steered it to us */
	uint64_t *dropped; /* the counter of the reason, when refused */
};

static inline bool net_is_local(const struct net *n, uint32_t ip)
{
	for (uint32_t i = 0; i < n->p.naddrs; i++)
		if (n->p.addrs[i].addr.v4 == ip)
			return true;
	return false;
}

/* Where frames for remote go: itself when it is in one of our subnets, else the gateway; 0: no route. */
uint32_t net_next_hop(const struct net *n, uint32_t remote);
/* Index of the address whose subnet holds ip, or -1. */
int net_subnet_of(const struct net *n, uint32_t ip);

/* A buffer for a frame of our own: the pool, else the reserve. */
struct rte_mbuf *net_ctl_alloc(struct net *n);
/* Refills the reserve, or lends it to the receive path when the pool is empty. */
void net_reserve_poll(struct net *n);
/* Takes m into the reserve or frees it. */
void net_reserve_give(struct net *n, struct rte_mbuf *m);

void net_tx_push(struct net *n, struct rte_mbuf *m);
/* Writes a fresh IPv4 header of 20 bytes, checksum included. */
void net_ipv4_fill(struct net *n, struct rte_ipv4_hdr *ip, uint32_t src, uint32_t dst, uint8_t proto, uint8_t tos,
		   uint16_t total_len);

/* ARP: takes m. */
void net_arp_input(struct net *n, struct net_rx *rx);
/* Asks for ip; to NULL: by broadcast. */
void net_arp_request(struct net *n, uint32_t ip, const struct rte_ether_addr *to);

/* ICMP: takes m. */
void net_icmp_input(struct net *n, struct net_rx *rx);

int neigh_table_init(struct net *n);
void neigh_table_fini(struct net *n);
uint32_t neigh_lookup(const struct net *n, uint32_t ip);
/* Finds or makes the entry and starts its resolution. */
uint32_t neigh_get(struct net *n, uint32_t ip);
/* The neighbour told its address. Creates the entry only if create. */
void neigh_learn(struct net *n, uint32_t ip, const struct rte_ether_addr *mac, bool create);
/* Shared addresses: a segment of ip came from mac. */
void neigh_hear(struct net *n, uint32_t ip, const struct rte_ether_addr *mac);
/* m: a complete frame but for its Ethernet header, which is reserved in front. Sends it or lets it wait. */
void neigh_output(struct net *n, uint32_t idx, struct rte_mbuf *m);
uint32_t neigh_poll(struct net *n);

uint32_t net_flow_hash_worker(uint32_t nworkers, uint32_t local, uint16_t lport, uint32_t remote, uint16_t rport);
/* True if the frame was given to its owner. */
bool net_steer_tcp(struct net *n, struct rte_mbuf *m, const struct rte_ipv4_hdr *ip, const struct rte_tcp_hdr *tcp);
/* Copies an ARP frame to every other worker. */
void net_steer_arp(struct net *n, const struct rte_mbuf *m);
void net_steer_flush(struct net *n);
uint32_t net_steer_poll(struct net *n, struct rte_mbuf **m, uint32_t cap);
