/* What the files of the wire share. */
#pragma once

#include "wire.h"

#define WIRE_ETH_BYTES 14
#define WIRE_IP_BYTES  20

static inline bool wire_chance(struct wire *w, uint32_t ppm)
{
	return ppm != 0 && rng_below(&w->rng, 1000000) < ppm;
}

/* The hardware address of an end: a byte, repeated. */
static inline uint8_t wire_mac(int id)
{
	return (uint8_t)(0x02 + 4 * id);
}

/* wire.c */
void wire_push(struct wire *w, struct wire_packet p);

/* wire_send.c: the functions below TCP */
void wire_output(void *ctx, struct net_path *path, struct rte_mbuf *m, uint8_t tcp_len);
uint32_t wire_tx_room(void *ctx);
/* Are the bytes that the device was given still what they were? */
bool wire_untouched(const struct wire_packet *p);

/* wire_watch.c */
void wire_describe(const struct wire *w, int from, const struct rte_tcp_hdr *h, uint32_t len, struct wire_seg *s);
/* Segments in the order in which they leave. */
void wire_watch_window(struct wire *w, const struct wire_seg *s);
