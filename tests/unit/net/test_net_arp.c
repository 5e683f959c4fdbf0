#include "world.h"

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

static void test_net_arp__request_for_us_is_answered(void **state)
{
	struct world *w = *state;
	assert_null(world_input(w, frame_arp(w, RTE_ARP_OP_REQUEST, &peer_mac, PEER_IP, OUR_IP)));
	assert_int_equal(w->nsent, 1);
	struct rte_arp_hdr *a = sent_arp(w, 0, RTE_ARP_OP_REPLY);
	assert_true(rte_is_same_ether_addr(&a->arp_data.arp_sha, &our_mac));
	assert_true(rte_is_same_ether_addr(&a->arp_data.arp_tha, &peer_mac));
	assert_int_equal(a->arp_data.arp_sip, OUR_IP);
	assert_int_equal(a->arp_data.arp_tip, PEER_IP);
	assert_true(rte_is_same_ether_addr(&rte_pktmbuf_mtod(w->sent[0], struct rte_ether_hdr *)->dst_addr, &peer_mac));
	assert_int_equal(w->sent[0]->pkt_len, 42);
}

static void test_net_arp__request_for_another_is_ignored(void **state)
{
	struct world *w = *state;
	world_input(w, frame_arp(w, RTE_ARP_OP_REQUEST, &peer_mac, PEER_IP, IP(10, 0, 0, 9)));
	assert_int_equal(w->nsent, 0);
	assert_int_equal(net_counters(w->net)->arp_learned, 0);
}

static void test_net_arp__probe_for_our_address_is_answered_and_not_learned(void **state)
{
	struct world *w = *state;
	world_input(w, frame_arp(w, RTE_ARP_OP_REQUEST, &peer_mac, 0, OUR_IP));
	assert_int_equal(w->nsent, 1);
	sent_arp(w, 0, RTE_ARP_OP_REPLY);
	assert_int_equal(net_counters(w->net)->arp_learned, 0);
}

static void test_net_arp__malformed_is_counted(void **state)
{
	struct world *w = *state;
	static const struct rte_ether_addr group = {{0x01, 0, 0, 0, 0, 2}};
	for (int k = 0; k < 7; k++) {
		struct rte_mbuf *m = frame_arp(w, RTE_ARP_OP_REQUEST, k == 0 ? &group : &peer_mac,
					       k == 1 ? FAR_IP : PEER_IP, OUR_IP);
		struct rte_arp_hdr *a = rte_pktmbuf_mtod_offset(m, struct rte_arp_hdr *, sizeof(struct rte_ether_hdr));
		if (k == 2)
			a->arp_hardware = RTE_BE16(6);
		if (k == 3)
			a->arp_protocol = RTE_BE16(0x86dd);
		if (k == 4)
			a->arp_plen = 16;
		if (k == 5)
			a->arp_opcode = RTE_BE16(3);
		if (k == 6)
			rte_pktmbuf_trim(m, 46 - 27);
		world_input(w, m);
		assert_int_equal(net_counters(w->net)->arp_bad, k + 1);
		assert_int_equal(w->nsent, 0);
	}
}

static void test_net_arp__conflict_is_told_and_defended_once_per_interval(void **state)
{
	struct world *w = *state;
	static struct log_ring log;
	net_destroy(w->net);
	memset(&log, 0, sizeof(log));
	w->params.log = &log;
	w->net = world_net(w, &w->params);
	for (int i = 0; i < 3; i++)
		world_input(w, frame_arp(w, RTE_ARP_OP_REPLY, &peer_mac, OUR_IP, OUR_IP));
	assert_int_equal(net_counters(w->net)->arp_conflict, 3);
	assert_int_equal(log.head, 1);
	assert_int_equal(w->nsent, 1);
	struct rte_arp_hdr *a = sent_arp(w, 0, RTE_ARP_OP_REQUEST);
	assert_int_equal(a->arp_data.arp_sip, OUR_IP);
	assert_int_equal(a->arp_data.arp_tip, OUR_IP);
	world_advance(w, 11000000);
	world_input(w, frame_arp(w, RTE_ARP_OP_REPLY, &peer_mac, OUR_IP, OUR_IP));
	assert_int_equal(log.head, 2);
}

static void test_net_arp__announce_names_our_address(void **state)
{
	struct world *w = *state;
	net_announce(w->net);
	world_flush(w);
	assert_int_equal(w->nsent, 1);
	struct rte_arp_hdr *a = sent_arp(w, 0, RTE_ARP_OP_REQUEST);
	assert_int_equal(a->arp_data.arp_sip, OUR_IP);
	assert_int_equal(a->arp_data.arp_tip, OUR_IP);
	assert_true(rte_is_broadcast_ether_addr(&rte_pktmbuf_mtod(w->sent[0], struct rte_ether_hdr *)->dst_addr));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_net_arp__request_for_us_is_answered),
		T(test_net_arp__request_for_another_is_ignored),
		T(test_net_arp__probe_for_our_address_is_answered_and_not_learned),
		T(test_net_arp__malformed_is_counted),
		T(test_net_arp__conflict_is_told_and_defended_once_per_interval),
		T(test_net_arp__announce_names_our_address),
	};
	return cmocka_run_group_tests(tests, world_group_setup, world_group_teardown);
}
