/* The same for IPv6: 2001:db8::1/64 beside 10.0.0.1, gateway fe80::fe. */
#pragma once

#include "world.h"

extern const uint8_t our6[16], our6_ll[16], peer6[16], far6[16], gw6[16], nobody6[16];

struct nd {
	uint8_t type, code;
	uint16_t cksum;
	uint32_t flags;
	uint8_t target[16];
	uint8_t opt, opt_len, mac[6];
} __attribute__((packed));

#define ND_S RTE_BE32(1u << 30)
#define ND_O RTE_BE32(1u << 29)

int world6_setup(void **state);
void world6_again(struct world *w); /* new instance from w->params */
struct net_addr addr6(const uint8_t *a);
static inline struct rte_ipv6_hdr *frame_ip6(struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, struct rte_ipv6_hdr *, sizeof(struct rte_ether_hdr));
}
/* Any IPv6 packet; len bytes of body, whose checksum at sum_off (0: none) is made right for proto. */
struct rte_mbuf *frame6(struct world *w, const uint8_t *src, const uint8_t *dst, uint8_t proto, const void *body,
			uint16_t len, uint16_t sum_off);
struct rte_mbuf *frame_tcp6(struct world *w, const uint8_t *src, const uint8_t *dst, uint16_t sport, uint16_t dport,
			    uint16_t payload_len);
/* Neighbour discovery; mac NULL: without the option. */
struct rte_mbuf *frame_nd(struct world *w, uint8_t type, const uint8_t *src, const uint8_t *dst, const uint8_t *target,
			  uint32_t flags, const struct rte_ether_addr *mac);
struct nd *sent_nd(struct world *w, uint32_t i, uint8_t type);
void solicited_node(const uint8_t *a, uint8_t out[16]);
