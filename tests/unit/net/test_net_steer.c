#include <stdio.h>

#include "world.h"

#define N 3

struct fleet {
	struct world *w;
	struct net *net[N];
	struct rte_ring *ring[N][N]; /* from, to */
	struct rte_ring *in[N][N], *out[N][N];
};

static struct fleet fleet;

static int fleet_setup(void **state)
{
	struct world *w = *state;
	world_setup(state);
	fleet.w = w;
	for (int a = 0; a < N; a++) {
		for (int b = 0; b < N; b++) {
			char name[32];
			snprintf(name, sizeof(name), "r%d_%d", a, b);
			fleet.ring[a][b] = rte_ring_create(name, 64, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
			fleet.out[a][b] = fleet.in[b][a] = fleet.ring[a][b];
		}
	}
	w->params.nworkers = N;
	for (uint32_t i = 0; i < N; i++) {
		w->params.worker = i;
		w->params.steer_in = fleet.in[i];
		w->params.steer_out = fleet.out[i];
		fleet.net[i] = world_net(w, &w->params);
	}
	return 0;
}

static int fleet_teardown(void **state)
{
	for (int a = 0; a < N; a++) {
		net_destroy(fleet.net[a]);
		for (int b = 0; b < N; b++) {
			struct rte_mbuf *m;
			while (rte_ring_dequeue(fleet.ring[a][b], (void **)&m) == 0)
				rte_pktmbuf_free(m);
			rte_ring_free(fleet.ring[a][b]);
		}
	}
	return world_teardown(state);
}

static void test_net_steer__every_flow_reaches_the_worker_that_was_foretold(void **state)
{
	struct world *w = *state;
	struct net_addr l = {.family = 4, .v4 = OUR_IP}, r = {.family = 4, .v4 = PEER_IP};
	uint32_t seen[N] = {0};
	for (uint16_t port = 1000; port < 1300; port++) {
		struct rte_mbuf *m = frame_tcp(w, PEER_IP, OUR_IP, port, 6379, RTE_TCP_ACK_FLAG, 4), *out[RP_MAX_BURST];
		uint32_t arrival = port % N, want = net_flow_worker(fleet.net[0], &l, 6379, &r, port), got = N;
		assert_int_equal(want, net_flow_worker(fleet.net[arrival], &l, 6379, &r, port));
		if (net_input_burst(fleet.net[arrival], &m, 1, out) == 1)
			got = arrival;
		for (uint32_t i = 0; i < N; i++) {
			uint32_t k = net_poll_rx(fleet.net[i], out + (got < N), RP_MAX_BURST - 1);
			if (k) {
				assert_int_equal(got, N);
				got = i;
			}
		}
		assert_int_equal(got, want);
		seen[got]++;
		rte_pktmbuf_free(out[0]);
	}
	for (uint32_t i = 0; i < N; i++)
		assert_in_range(seen[i], 60, 140);
}

static void test_net_steer__a_burst_keeps_the_order_of_a_flow(void **state)
{
	struct world *w = *state;
	struct net_addr l = {.family = 4, .v4 = OUR_IP}, r = {.family = 4, .v4 = PEER_IP};
	struct rte_mbuf *m[20], *out[RP_MAX_BURST];
	uint32_t to = net_flow_worker(fleet.net[0], &l, 6379, &r, 1000), from = (to + 1) % N;
	for (uint16_t i = 0; i < 20; i++)
		m[i] = frame_tcp(w, PEER_IP, OUR_IP, 1000, 6379, RTE_TCP_ACK_FLAG, i + 1);
	assert_int_equal(net_input_burst(fleet.net[from], m, 20, out), 0);
	assert_int_equal(net_poll_rx(fleet.net[to], out, RP_MAX_BURST), 20);
	for (uint16_t i = 0; i < 20; i++)
		assert_int_equal(out[i]->pkt_len, 21 + i);
	assert_int_equal(net_counters(fleet.net[from])->steered_out, 20);
	assert_int_equal(net_counters(fleet.net[to])->steered_in, 20);
	rte_pktmbuf_free_bulk(out, 20);
}

static void test_net_steer__full_ring_drops_and_counts(void **state)
{
	struct world *w = *state;
	struct net_addr l = {.family = 4, .v4 = OUR_IP}, r = {.family = 4, .v4 = PEER_IP};
	uint32_t to = net_flow_worker(fleet.net[0], &l, 6379, &r, 1000), from = (to + 1) % N;
	for (int i = 0; i < 70; i++) {
		struct rte_mbuf *m = frame_tcp(w, PEER_IP, OUR_IP, 1000, 6379, RTE_TCP_ACK_FLAG, 1), *out[1];
		net_input_burst(fleet.net[from], &m, 1, out);
	}
	assert_int_equal(net_counters(fleet.net[from])->steer_dropped, 7);
}

static void test_net_steer__arp_teaches_every_worker_and_one_answers(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *m = frame_arp(w, RTE_ARP_OP_REQUEST, &peer_mac, PEER_IP, OUR_IP), *out[RP_MAX_BURST];
	net_input_burst(fleet.net[1], &m, 1, out);
	for (uint32_t i = 0; i < N; i++) {
		net_poll_rx(fleet.net[i], out, RP_MAX_BURST);
		net_poll_tx(fleet.net[i]);
		assert_int_equal(net_counters(fleet.net[i])->arp_learned, 1);
	}
	assert_int_equal(w->nsent, 1);
	sent_arp(w, 0, RTE_ARP_OP_REPLY);
}

static void test_net_steer__alone_a_flow_is_ours(void **state)
{
	struct world *w = *state;
	struct net_addr l = {.family = 4, .v4 = OUR_IP}, r = {.family = 4, .v4 = PEER_IP};
	for (uint16_t port = 1000; port < 1010; port++)
		assert_int_equal(net_flow_worker(w->net, &l, 6379, &r, port), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fleet_setup, fleet_teardown)
		T(test_net_steer__every_flow_reaches_the_worker_that_was_foretold),
		T(test_net_steer__a_burst_keeps_the_order_of_a_flow),
		T(test_net_steer__full_ring_drops_and_counts),
		T(test_net_steer__arp_teaches_every_worker_and_one_answers),
		T(test_net_steer__alone_a_flow_is_ours),
	};
	return cmocka_run_group_tests(tests, world_group_setup, world_group_teardown);
}
