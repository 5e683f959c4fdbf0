/* What the tests of net/ share: EAL, a pool, instances whose frames are caught, and builders of frames. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <rte_arp.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "mem/buf.h"
#include "net/net.h"

#define NET_IPV4(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))
#define IP(a, b, c, d)       RTE_BE32(NET_IPV4(a, b, c, d))
#define OUR_IP               IP(10, 0, 0, 1)
#define PEER_IP              IP(10, 0, 0, 2)
#define GATEWAY_IP           IP(10, 0, 0, 254)
#define FAR_IP               IP(192, 0, 2, 7)
#define SENT_MAX             512
#define POOL_SIZE            1023

struct world {
	struct rte_mempool *pool;
	struct net_params params;
	struct net *net;
	struct clock_now now;
	uint32_t nsent;
	struct rte_mbuf *sent[SENT_MAX]; /* what net sent, in order */
};

extern const struct rte_ether_addr our_mac, peer_mac;

/* cmocka group set-up: EAL and pool. */
int world_group_setup(void **state);
int world_group_teardown(void **state);
/* Per test: one instance with 10.0.0.1/24 and a gateway. Teardown fails if a buffer is missing. */
int world_setup(void **state);
int world_teardown(void **state);

struct net *world_net(struct world *w, const struct net_params *p);
/* Moves time on and runs the timers until the whole neighbour table was looked at. */
void world_advance(struct world *w, uint64_t us);
/* Sends what is queued into w->sent. */
void world_flush(struct world *w);
void world_forget(struct world *w); /* frees w->sent */
/* Gives one frame to input; returns the segment that came out, or NULL. */
struct rte_mbuf *world_input(struct world *w, struct rte_mbuf *m);

struct rte_mbuf *frame_arp(struct world *w, uint16_t op, const struct rte_ether_addr *sha, uint32_t sip, uint32_t tip);
/* payload_len bytes of a pattern behind the header; checksums right. */
struct rte_mbuf *frame_tcp(struct world *w, uint32_t src, uint32_t dst, uint16_t sport, uint16_t dport, uint8_t flags,
			   uint16_t payload_len);
struct rte_mbuf *frame_echo(struct world *w, uint16_t payload_len);
static inline struct rte_ipv4_hdr *frame_ip(struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, sizeof(struct rte_ether_hdr));
}
void ip_checksum(struct rte_mbuf *m);
/* A segment as tcp/ hands it to net_tcp_output(). */
struct rte_mbuf *segment(struct world *w, uint16_t payload_len);
/* Is it an ARP packet of this kind? */
struct rte_arp_hdr *sent_arp(struct world *w, uint32_t i, uint16_t op);
