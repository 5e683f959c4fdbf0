#include "fleet.h"

#define N 3

/* Of n workers nq have a queue; flows arrive at any of those. */
static void check_matrix(struct world *w, uint32_t n, uint32_t nq)
{
	struct net_addr l = {.family = 4, .v4 = OUR_IP}, r = {.family = 4, .v4 = PEER_IP};
	struct net_addr l6 = addr6(our6), r6 = addr6(peer6);
	uint32_t seen[FLEET_MAX] = {0}, seen6[FLEET_MAX] = {0};
	for (uint16_t port = 1000; port < 1400; port++) {
		uint32_t at = port % nq, want = net_flow_worker(fleet.net[0], &l, 6379, &r, port);
		assert_int_equal(want, net_flow_worker(fleet.net[at], &l, 6379, &r, port));
		assert_int_equal(fleet_input(at, frame_tcp(w, PEER_IP, OUR_IP, port, 6379, RTE_TCP_ACK_FLAG, 4)), want);
		seen[want]++;
		want = net_flow_worker(fleet.net[0], &l6, 6379, &r6, port);
		assert_int_equal(fleet_input(at, frame_tcp6(w, peer6, our6, port, 6379, 4)), want);
		seen6[want]++;
	}
	for (uint32_t i = 0; i < n; i++) {
		assert_in_range(seen[i], 400 / n * 6 / 10, 400 / n * 14 / 10);
		assert_in_range(seen6[i], 400 / n * 6 / 10, 400 / n * 14 / 10);
	}
}

static void test_net_steer__any_workers_over_any_queues(void **state)
{
	struct world *w = *state;
	fleet_close();
	for (uint32_t n = 1; n <= FLEET_MAX; n++) {
		for (uint32_t nq = 1; nq <= n; nq++) {
			fleet_open(w, n, NULL);
			check_matrix(w, n, nq);
			fleet_close();
		}
	}
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

static void test_net_steer__nd_teaches_every_worker_and_one_answers(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *m = frame_nd(w, 135, peer6, our6, our6, 0, &peer_mac), *out[RP_MAX_BURST];
	net_input_burst(fleet.net[1], &m, 1, out);
	for (uint32_t i = 0; i < N; i++) {
		net_poll_rx(fleet.net[i], out, RP_MAX_BURST);
		net_poll_tx(fleet.net[i]);
		assert_int_equal(net_counters(fleet.net[i])->arp_learned, 1);
	}
	assert_int_equal(w->nsent, 1);
	sent_nd(w, 0, 136);
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
		T(test_net_steer__any_workers_over_any_queues),
		T(test_net_steer__a_burst_keeps_the_order_of_a_flow),
		T(test_net_steer__full_ring_drops_and_counts),
		T(test_net_steer__arp_teaches_every_worker_and_one_answers),
		T(test_net_steer__nd_teaches_every_worker_and_one_answers),
		T(test_net_steer__alone_a_flow_is_ours),
	};
	return cmocka_run_group_tests(tests, world_group_setup, world_group_teardown);
}
