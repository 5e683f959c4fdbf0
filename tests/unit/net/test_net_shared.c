/* Addresses that the kernel has too: it answers ARP, we learn from segments. */
#include "world.h"

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

static const struct rte_ether_addr other_mac = {{0x02, 0, 0, 0, 0, 9}};

static void share(struct world *w, bool gateway)
{
	net_destroy(w->net);
	w->params.shared = true;
	if (!gateway)
		w->params.gateway.family = 0;
	w->net = world_net(w, &w->params);
}

static void hear(struct world *w, uint32_t ip, const struct rte_ether_addr *mac)
{
	struct rte_mbuf *m = frame_tcp(w, ip, OUR_IP, 40000, 6379, RTE_TCP_SYN_FLAG, 0);
	rte_pktmbuf_mtod(m, struct rte_ether_hdr *)->src_addr = *mac;
	m = world_input(w, m);
	assert_non_null(m);
	rte_pktmbuf_free(m);
}

static void send_to(struct world *w, uint32_t ip)
{
	struct net_path p;
	struct net_addr l = {.family = 4, .v4 = OUR_IP}, r = {.family = 4, .v4 = ip};
	assert_int_equal(net_path_init(w->net, &p, &l, &r), 0);
	net_tcp_output(w->net, &p, segment(w, 1), 20);
	world_flush(w);
}

static void assert_last_to(struct world *w, uint32_t nsent, const struct rte_ether_addr *mac)
{
	assert_int_equal(w->nsent, nsent);
	assert_true(
		rte_is_same_ether_addr(&rte_pktmbuf_mtod(w->sent[nsent - 1], struct rte_ether_hdr *)->dst_addr, mac));
}

static void test_net_shared__answer_goes_where_the_segment_came_from(void **state)
{
	struct world *w = *state;
	share(w, true);
	hear(w, PEER_IP, &peer_mac);
	send_to(w, PEER_IP);
	assert_last_to(w, 1, &peer_mac);
	hear(w, FAR_IP, &other_mac);
	send_to(w, FAR_IP);
	assert_last_to(w, 2, &other_mac);
}

static void test_net_shared__no_route_needed_back_to_who_spoke(void **state)
{
	struct world *w = *state;
	share(w, false);
	hear(w, FAR_IP, &other_mac);
	send_to(w, FAR_IP);
	assert_last_to(w, 1, &other_mac);
}

static void test_net_shared__no_arp_ever(void **state)
{
	struct world *w = *state;
	share(w, true);
	net_announce(w->net);
	send_to(w, PEER_IP);
	for (int i = 0; i < 10; i++)
		world_advance(w, 500000);
	assert_int_equal(w->nsent, 0);
	assert_int_equal(net_counters(w->net)->arp_request_tx, 0);
	assert_int_equal(net_counters(w->net)->arp_expired, 1);
}

static void test_net_shared__what_waits_goes_when_the_peer_is_heard(void **state)
{
	struct world *w = *state;
	share(w, true);
	send_to(w, PEER_IP);
	assert_int_equal(w->nsent, 0);
	hear(w, PEER_IP, &peer_mac);
	assert_last_to(w, 1, &peer_mac);
}

static void test_net_shared__live_peer_is_not_moved_by_one_segment(void **state)
{
	struct world *w = *state;
	share(w, true);
	hear(w, PEER_IP, &peer_mac);
	hear(w, PEER_IP, &other_mac);
	send_to(w, PEER_IP);
	assert_last_to(w, 1, &peer_mac);
}

static void test_net_shared__aged_entry_is_used_and_moves_with_the_peer(void **state)
{
	struct world *w = *state;
	share(w, true);
	hear(w, PEER_IP, &peer_mac);
	for (int i = 0; i < 20; i++)
		world_advance(w, 10000000);
	send_to(w, PEER_IP);
	assert_last_to(w, 1, &peer_mac);
	hear(w, PEER_IP, &other_mac);
	send_to(w, PEER_IP);
	assert_last_to(w, 2, &other_mac);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_net_shared__answer_goes_where_the_segment_came_from),
		T(test_net_shared__no_route_needed_back_to_who_spoke),
		T(test_net_shared__no_arp_ever),
		T(test_net_shared__what_waits_goes_when_the_peer_is_heard),
		T(test_net_shared__live_peer_is_not_moved_by_one_segment),
		T(test_net_shared__aged_entry_is_used_and_moves_with_the_peer),
	};
	return cmocka_run_group_tests(tests, world_group_setup, world_group_teardown);
}
