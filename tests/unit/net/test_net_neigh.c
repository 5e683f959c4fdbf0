#include <errno.h>

#include "world.h"

#define NET_RESERVE_BUFS 64 /* the instance keeps them for itself */

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

static struct net_path path_to(struct world *w, uint32_t ip)
{
	struct net_path p;
	struct net_addr l = {.family = 4, .v4 = OUR_IP}, r = {.family = 4, .v4 = ip};
	assert_int_equal(net_path_init(w->net, &p, &l, &r), 0);
	return p;
}

static void answer(struct world *w, uint32_t ip, const struct rte_ether_addr *mac)
{
	world_input(w, frame_arp(w, RTE_ARP_OP_REPLY, mac, ip, OUR_IP));
}

static struct rte_ether_addr *sent_to(struct world *w, uint32_t i)
{
	return &rte_pktmbuf_mtod(w->sent[i], struct rte_ether_hdr *)->dst_addr;
}

static void test_net_neigh__frames_wait_for_the_answer_in_order(void **state)
{
	struct world *w = *state;
	struct net_path p = path_to(w, PEER_IP);
	for (uint16_t i = 0; i < 3; i++)
		net_tcp_output(w->net, &p, segment(w, i), 20);
	world_flush(w);
	assert_int_equal(w->nsent, 1);
	assert_int_equal(sent_arp(w, 0, RTE_ARP_OP_REQUEST)->arp_data.arp_tip, PEER_IP);
	answer(w, PEER_IP, &peer_mac);
	assert_int_equal(w->nsent, 4);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(w->sent[i + 1]->pkt_len, 54 + i);
		assert_true(rte_is_same_ether_addr(sent_to(w, i + 1), &peer_mac));
	}
	net_tcp_output(w->net, &p, segment(w, 9), 20);
	world_flush(w);
	assert_int_equal(w->nsent, 5);
}

static void test_net_neigh__waiting_queue_is_bounded_and_keeps_the_newest(void **state)
{
	struct world *w = *state;
	struct net_path p = path_to(w, PEER_IP);
	for (uint16_t i = 0; i < 20; i++)
		net_tcp_output(w->net, &p, segment(w, i), 20);
	assert_int_equal(net_counters(w->net)->arp_queue_dropped, 12);
	answer(w, PEER_IP, &peer_mac);
	assert_int_equal(w->nsent, 9);
	assert_int_equal(w->sent[8]->pkt_len, 54 + 19);
}

static void test_net_neigh__silent_hosts_hold_a_share_of_the_pool(void **state)
{
	struct world *w = *state;
	struct net_path p = {0};
	for (uint8_t host = 2; host < 62; host++) {
		p = path_to(w, IP(10, 0, 0, host));
		for (uint16_t i = 0; i < 3; i++)
			net_tcp_output(w->net, &p, segment(w, i), 20);
		world_flush(w);
		world_forget(w);
	}
	uint32_t waiting = POOL_SIZE - NET_RESERVE_BUFS - rte_mempool_avail_count(w->pool);
	assert_in_range(waiting, POOL_SIZE / 20, POOL_SIZE / 16);
	answer(w, IP(10, 0, 0, 2), &peer_mac); /* what was there first has stayed */
	assert_int_equal(w->nsent, 3);
	assert_int_equal(w->sent[2]->pkt_len, 54 + 2);
	for (uint16_t i = 5; i < 10; i++) /* there is room for three again */
		net_tcp_output(w->net, &p, segment(w, i), 20);
	world_flush(w);
	world_forget(w);
	answer(w, IP(10, 0, 0, 61), &peer_mac);
	assert_int_equal(w->nsent, 3);
	assert_int_equal(w->sent[2]->pkt_len, 54 + 9);
	for (int i = 0; i < 10; i++)
		world_advance(w, 500000);
	world_flush(w);
	world_forget(w);
	assert_int_equal(rte_mempool_avail_count(w->pool), POOL_SIZE - NET_RESERVE_BUFS);
}

static void test_net_neigh__replies_without_state_do_not_wait(void **state)
{
	struct world *w = *state;
	struct net_path p = path_to(w, PEER_IP);
	p.no_wait = true;
	net_tcp_output(w->net, &p, segment(w, 1), 20);
	world_flush(w);
	assert_int_equal(w->nsent, 1);
	sent_arp(w, 0, RTE_ARP_OP_REQUEST);
	answer(w, PEER_IP, &peer_mac);
	assert_int_equal(w->nsent, 1);
	net_tcp_output(w->net, &p, segment(w, 2), 20);
	world_flush(w);
	assert_int_equal(w->nsent, 2);
}

static void test_net_neigh__silent_host_is_asked_again_then_given_up(void **state)
{
	struct world *w = *state;
	struct net_path p = path_to(w, PEER_IP);
	net_tcp_output(w->net, &p, segment(w, 1), 20);
	world_flush(w);
	for (int i = 0; i < 10; i++)
		world_advance(w, 500000);
	assert_int_equal(net_counters(w->net)->arp_request_tx, 4);
	assert_int_equal(net_counters(w->net)->arp_expired, 1);
	assert_int_equal(net_counters(w->net)->arp_queue_dropped, 1);
	net_tcp_output(w->net, &p, segment(w, 1), 20); /* the stale path resolves anew */
	assert_int_equal(net_counters(w->net)->arp_request_tx, 5);
}

static void test_net_neigh__aged_entry_is_probed_by_unicast_and_kept_if_it_answers(void **state)
{
	struct world *w = *state;
	struct net_path p = path_to(w, PEER_IP);
	world_input(w, frame_arp(w, RTE_ARP_OP_REQUEST, &peer_mac, PEER_IP, OUR_IP));
	world_forget(w);
	world_advance(w, 59000000);
	assert_int_equal(w->nsent, 0);
	world_advance(w, 2000000);
	assert_int_equal(w->nsent, 1);
	sent_arp(w, 0, RTE_ARP_OP_REQUEST);
	assert_true(rte_is_same_ether_addr(sent_to(w, 0), &peer_mac));
	net_tcp_output(w->net, &p, segment(w, 1), 20); /* usable meanwhile */
	world_flush(w);
	assert_int_equal(w->nsent, 2);
	answer(w, PEER_IP, &peer_mac);
	world_forget(w);
	world_advance(w, 30000000);
	assert_int_equal(w->nsent, 0);
	assert_int_equal(net_counters(w->net)->arp_expired, 0);
}

static void test_net_neigh__aged_entry_without_answer_expires(void **state)
{
	struct world *w = *state;
	world_input(w, frame_arp(w, RTE_ARP_OP_REQUEST, &peer_mac, PEER_IP, OUR_IP));
	world_advance(w, 61000000);
	for (int i = 0; i < 6; i++)
		world_advance(w, 600000);
	assert_int_equal(net_counters(w->net)->arp_expired, 1);
}

static void test_net_neigh__progress_of_a_connection_spares_the_probe(void **state)
{
	struct world *w = *state;
	world_input(w, frame_arp(w, RTE_ARP_OP_REQUEST, &peer_mac, PEER_IP, OUR_IP));
	world_forget(w);
	struct net_path p = path_to(w, PEER_IP);
	for (int i = 0; i < 10; i++) {
		world_advance(w, 30000000);
		net_path_confirm(w->net, &p);
	}
	assert_int_equal(w->nsent, 0);
}

static void test_net_neigh__moved_host_is_followed(void **state)
{
	struct world *w = *state;
	static const struct rte_ether_addr other = {{0x02, 0, 0, 0, 0, 9}};
	world_input(w, frame_arp(w, RTE_ARP_OP_REQUEST, &peer_mac, PEER_IP, OUR_IP));
	struct net_path p = path_to(w, PEER_IP);
	world_input(w, frame_arp(w, RTE_ARP_OP_REQUEST, &other, PEER_IP, PEER_IP));
	world_forget(w);
	net_tcp_output(w->net, &p, segment(w, 1), 20);
	world_flush(w);
	assert_true(rte_is_same_ether_addr(sent_to(w, 0), &other));
}

static void test_net_neigh__unasked_reply_makes_no_entry(void **state)
{
	struct world *w = *state;
	answer(w, PEER_IP, &peer_mac);
	assert_int_equal(net_counters(w->net)->arp_learned, 0);
}

static void test_net_neigh__far_host_goes_through_the_gateway(void **state)
{
	struct world *w = *state;
	struct net_path p = path_to(w, FAR_IP);
	net_tcp_output(w->net, &p, segment(w, 1), 20);
	world_flush(w);
	assert_int_equal(sent_arp(w, 0, RTE_ARP_OP_REQUEST)->arp_data.arp_tip, GATEWAY_IP);
}

static void test_net_neigh__full_table_recycles_and_old_paths_notice(void **state)
{
	struct world *w = *state;
	struct net_path p[100];
	for (uint8_t i = 0; i < 100; i++) {
		const struct rte_ether_addr mac = {{0x02, 1, 0, 0, 0, i}};
		uint32_t ip = rte_cpu_to_be_32(NET_IPV4(10, 0, 0, 100 + i));
		world_advance(w, 1000);
		world_input(w, frame_arp(w, RTE_ARP_OP_REQUEST, &mac, ip, OUR_IP));
		p[i] = path_to(w, ip);
	}
	assert_int_equal(net_counters(w->net)->arp_recycled, 36);
	uint32_t direct = 0;
	for (uint8_t i = 0; i < 100; i++) {
		world_forget(w);
		net_tcp_output(w->net, &p[i], segment(w, 1), 20);
		world_flush(w);
		struct rte_ether_hdr *eth = rte_pktmbuf_mtod(w->sent[w->nsent - 1], struct rte_ether_hdr *);
		if (eth->ether_type != RTE_BE16(RTE_ETHER_TYPE_IPV4))
			continue;
		direct++;
		assert_int_equal(eth->dst_addr.addr_bytes[5], i);
	}
	assert_true(direct > 0);
}

static void test_net_path__refusals(void **state)
{
	struct world *w = *state;
	struct net_path p;
	struct net_addr ours = {.family = 4, .v4 = OUR_IP}, peer = {.family = 4, .v4 = PEER_IP}, got;
	static const uint32_t bad[] = {OUR_IP,           0, IP(255, 255, 255, 255), IP(224, 0, 0, 1), IP(127, 0, 0, 1),
				       IP(10, 0, 0, 255)};
	assert_int_equal(net_path_init(w->net, &p, &peer, &peer), -EADDRNOTAVAIL);
	for (size_t i = 0; i < RP_ARRAY_LEN(bad); i++) {
		struct net_addr r = {.family = 4, .v4 = bad[i]};
		assert_int_equal(net_path_init(w->net, &p, &ours, &r), -ENETUNREACH);
	}
	assert_int_equal(net_local_for(w->net, &peer, &got), 0);
	assert_true(net_addr_eq(&got, &ours));
	net_destroy(w->net);
	w->params.gateway.family = 0;
	w->net = world_net(w, &w->params);
	struct net_addr far = {.family = 4, .v4 = FAR_IP};
	assert_int_equal(net_path_init(w->net, &p, &ours, &far), -ENETUNREACH);
	assert_int_equal(net_local_for(w->net, &far, &got), -ENETUNREACH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_net_neigh__frames_wait_for_the_answer_in_order),
		T(test_net_neigh__waiting_queue_is_bounded_and_keeps_the_newest),
		T(test_net_neigh__silent_hosts_hold_a_share_of_the_pool),
		T(test_net_neigh__replies_without_state_do_not_wait),
		T(test_net_neigh__silent_host_is_asked_again_then_given_up),
		T(test_net_neigh__aged_entry_is_probed_by_unicast_and_kept_if_it_answers),
		T(test_net_neigh__aged_entry_without_answer_expires),
		T(test_net_neigh__progress_of_a_connection_spares_the_probe),
		T(test_net_neigh__moved_host_is_followed),
		T(test_net_neigh__unasked_reply_makes_no_entry),
		T(test_net_neigh__far_host_goes_through_the_gateway),
		T(test_net_neigh__full_table_recycles_and_old_paths_notice),
		T(test_net_path__refusals),
	};
	return cmocka_run_group_tests(tests, world_group_setup, world_group_teardown);
}
