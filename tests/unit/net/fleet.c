#include "fleet.h"

#include <stdio.h>

struct fleet fleet;

static void rings_open(uint32_t n)
{
	for (uint32_t a = 0; a < n; a++) {
		for (uint32_t b = 0; b < n; b++) {
			char name[32];
			snprintf(name, sizeof(name), "r%u_%u", a, b);
			fleet.out[a][b] = fleet.in[b][a] = rte_ring_create(name, 64, SOCKET_ID_ANY,
									   RING_F_SP_ENQ | RING_F_SC_DEQ);
			assert_non_null(fleet.out[a][b]);
		}
	}
}

void fleet_open(struct world *w, uint32_t n, const struct port_rss *rss)
{
	fleet.w = w;
	fleet.n = n;
	rings_open(n);
	w->params.nworkers = n;
	w->params.rss = rss;
	for (uint32_t i = 0; i < n; i++) {
		w->params.worker = i;
		w->params.steer_in = n > 1 ? fleet.in[i] : NULL;
		w->params.steer_out = n > 1 ? fleet.out[i] : NULL;
		fleet.net[i] = world_net(w, &w->params);
	}
}

void fleet_close(void)
{
	for (uint32_t a = 0; a < fleet.n; a++) {
		net_destroy(fleet.net[a]);
		for (uint32_t b = 0; b < fleet.n; b++) {
			struct rte_mbuf *m;
			while (rte_ring_dequeue(fleet.out[a][b], (void **)&m) == 0)
				rte_pktmbuf_free(m);
			rte_ring_free(fleet.out[a][b]);
		}
	}
	fleet.n = 0;
}

int fleet_setup(void **state)
{
	world6_setup(state);
	fleet_open(*state, 3, NULL);
	return 0;
}

int fleet_teardown(void **state)
{
	fleet_close();
	return world_teardown(state);
}

uint32_t fleet_input(uint32_t at, struct rte_mbuf *m)
{
	struct rte_mbuf *out[RP_MAX_BURST];
	uint32_t got = fleet.n;

	uint32_t k = net_input_burst(fleet.net[at], &m, 1, out);
	if (k)
		got = at;
	rte_pktmbuf_free_bulk(out, k);
	/* A fragment may travel to where it is put together, and on from there. */
	for (uint32_t i = 0; i < 2 * fleet.n; i++) {
		k = net_poll_rx(fleet.net[i % fleet.n], out, RP_MAX_BURST);
		if (k == 0)
			continue;
		assert_int_equal(k, 1);
		assert_int_equal(got, fleet.n);
		got = i % fleet.n;
		rte_pktmbuf_free_bulk(out, k);
	}
	return got;
}
