/* Several workers of one port with rings between them, whose frames are caught. */
#pragma once

#include <rte_ring.h>

#include "world6.h"

#define FLEET_MAX 4

struct port_rss;

struct fleet {
	uint32_t n;
	struct world *w;
	struct net *net[FLEET_MAX];
	struct rte_ring *in[FLEET_MAX][FLEET_MAX], *out[FLEET_MAX][FLEET_MAX]; /* [to][from], [from][to] */
};

extern struct fleet fleet;

/* n workers with the addresses of world6; rss as net_params. */
void fleet_open(struct world *w, uint32_t n, const struct port_rss *rss);
/* Tells if a buffer stayed behind. */
void fleet_close(void);
int fleet_setup(void **state); /* three workers that steer by themselves */
int fleet_teardown(void **state);
/* Gives a frame to worker `at`, lets all of them look at their rings until nothing moves; the worker where a segment
 * came out, fleet.n for none. The segment is freed. */
uint32_t fleet_input(uint32_t at, struct rte_mbuf *m);
