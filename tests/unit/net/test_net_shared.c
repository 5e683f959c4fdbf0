/* Addresses that the kernel has too: it answers ARP, we learn from segments. */
#include <rte_ring_elem.h>

#include "world6.h"

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

/* The rings to and from the one who asks the kernel. */
static struct rte_ring *ring(const char *name)
{
	struct rte_ring *r = rte_ring_create_elem(name, sizeof(struct net_neigh_msg), 4, SOCKET_ID_ANY,
						  RING_F_SP_ENQ | RING_F_SC_DEQ);
	assert_non_null(r);
	return r;
}

static int kernel_setup(void **state)
{
	struct world *w = *state;
	world6_setup(state);
	w->params.shared = true;
	w->params.gateway.family = w->params.gateway6.family = 0;
	w->params.neigh_ask = ring("ask");
	w->params.neigh_told = ring("told");
	world6_again(w);
	return 0;
}

static int kernel_teardown(void **state)
{
	struct world *w = *state;
	rte_ring_free(w->params.neigh_ask);
	rte_ring_free(w->params.neigh_told);
	return world_teardown(state);
}

static bool asked(struct world *w, const struct net_addr *a)
{
	struct net_neigh_msg q;
	return rte_ring_sc_dequeue_elem(w->params.neigh_ask, &q, sizeof(q)) == 0 && net_addr_eq(&q.addr, a);
}

static void tell(struct world *w, const struct net_addr *a, const struct rte_ether_addr *mac)
{
	struct net_neigh_msg m = {.addr = *a, .mac = *mac};
	assert_int_equal(rte_ring_sp_enqueue_elem(w->params.neigh_told, &m, sizeof(m)), 0);
	net_poll_timers(w->net);
	world_flush(w);
}

static void send_first(struct world *w, const struct net_addr *l, const struct net_addr *r)
{
	struct net_path p;
	assert_int_equal(net_path_init(w->net, &p, l, r), 0);
	net_tcp_output(w->net, &p, segment(w, 1), 20);
	world_flush(w);
}

static void test_net_shared__who_has_not_spoken_is_asked_for(void **state)
{
	struct world *w = *state;
	struct net_addr l[2] = {{.family = 4, .v4 = OUR_IP}, addr6(our6)};
	struct net_addr r[2] = {{.family = 4, .v4 = FAR_IP}, addr6(far6)};
	for (uint32_t i = 0; i < 2; i++) {
		send_first(w, &l[i], &r[i]);
		assert_int_equal(w->nsent, i);
		assert_true(asked(w, &r[i]));
		tell(w, &r[i], &peer_mac);
		assert_last_to(w, i + 1, &peer_mac);
	}
	assert_int_equal(net_counters(w->net)->arp_request_tx + net_counters(w->net)->nd_solicit_tx, 0);
}

static void test_net_shared__a_question_is_repeated_and_given_up(void **state)
{
	struct world *w = *state;
	struct net_addr l = {.family = 4, .v4 = OUR_IP}, r = {.family = 4, .v4 = PEER_IP};
	send_first(w, &l, &r);
	for (int i = 0; i < 4; i++) {
		assert_true(asked(w, &r));
		world_advance(w, 500000);
	}
	assert_false(asked(w, &r));
	assert_int_equal(net_counters(w->net)->arp_expired, 1);
	tell(w, &r, &peer_mac);
	assert_int_equal(w->nsent, 0);
}

static void test_net_shared__who_was_heard_meanwhile_stays_there(void **state)
{
	struct world *w = *state;
	struct net_addr l = {.family = 4, .v4 = OUR_IP}, r = {.family = 4, .v4 = PEER_IP};
	send_first(w, &l, &r);
	hear(w, PEER_IP, &peer_mac);
	world_flush(w);
	tell(w, &r, &other_mac);
	send_to(w, PEER_IP);
	assert_last_to(w, 2, &peer_mac);
}

static void test_net_shared__aged_entry_moves_with_the_kernels(void **state)
{
	struct world *w = *state;
	struct net_addr r = {.family = 4, .v4 = PEER_IP};
	hear(w, PEER_IP, &peer_mac);
	world_advance(w, 61000000);
	assert_true(asked(w, &r));
	send_to(w, PEER_IP);
	assert_last_to(w, 1, &peer_mac);
	tell(w, &r, &other_mac);
	send_to(w, PEER_IP);
	assert_last_to(w, 2, &other_mac);
}

static void test_net_shared__an_ipv6_peer_silent_for_long_is_found_again(void **state)
{
	struct world *w = *state;
	struct net_addr l = addr6(our6), r = addr6(peer6);
	struct rte_mbuf *m = world_input(w, frame_tcp6(w, peer6, our6, 40000, 6379, 1));
	assert_non_null(m);
	rte_pktmbuf_free(m);
	send_first(w, &l, &r);
	assert_last_to(w, 1, &peer_mac);
	for (int i = 0; i < 20; i++)
		world_advance(w, 10000000);
	while (asked(w, &r))
		;
	send_first(w, &l, &r);
	assert_true(asked(w, &r));
	tell(w, &r, &other_mac);
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
#define K(name) cmocka_unit_test_setup_teardown(name, kernel_setup, kernel_teardown)
		K(test_net_shared__who_has_not_spoken_is_asked_for),
		K(test_net_shared__a_question_is_repeated_and_given_up),
		K(test_net_shared__who_was_heard_meanwhile_stays_there),
		K(test_net_shared__aged_entry_moves_with_the_kernels),
		K(test_net_shared__an_ipv6_peer_silent_for_long_is_found_again),
	};
	return cmocka_run_group_tests(tests, world_group_setup, world_group_teardown);
}
