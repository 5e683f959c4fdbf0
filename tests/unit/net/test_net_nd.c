#include "world6.h"

#define T(name) cmocka_unit_test_setup_teardown(name, world6_setup, world_teardown)

enum {
	NS = 135,
	NA = 136
};

static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};
static const struct rte_ether_addr other_mac = {{0x02, 0, 0, 0, 0, 9}};

static struct rte_ether_addr *sent_to(struct world *w, uint32_t i)
{
	return &rte_pktmbuf_mtod(w->sent[i], struct rte_ether_hdr *)->dst_addr;
}

static void ask_for_us(struct world *w, const struct rte_ether_addr *mac)
{
	uint8_t group[16];
	solicited_node(our6, group);
	world_input(w, frame_nd(w, NS, peer6, group, our6, 0, mac));
}

static void send_one(struct world *w, const uint8_t *to)
{
	struct net_path p;
	struct net_addr l = addr6(our6), r = addr6(to);
	assert_int_equal(net_path_init(w->net, &p, &l, &r), 0);
	net_tcp_output(w->net, &p, segment(w, 4), 20);
	world_flush(w);
}

static void test_net_nd__solicitation_is_answered_and_learned(void **state)
{
	struct world *w = *state;
	ask_for_us(w, &peer_mac);
	assert_int_equal(w->nsent, 1);
	struct nd *na = sent_nd(w, 0, NA);
	assert_memory_equal(na->target, our6, 16);
	assert_memory_equal(na->mac, &our_mac, 6);
	assert_int_equal(na->opt, 2);
	assert_int_equal(na->flags, ND_S | ND_O);
	assert_memory_equal(frame_ip6(w->sent[0])->dst_addr, peer6, 16);
	assert_true(rte_is_same_ether_addr(sent_to(w, 0), &peer_mac));
	send_one(w, peer6); /* no question first */
	assert_int_equal(w->nsent, 2);
	assert_int_equal(frame_ip6(w->sent[1])->proto, IPPROTO_TCP);
}

static void test_net_nd__link_local_address_is_ours(void **state)
{
	struct world *w = *state;
	uint8_t group[16];
	solicited_node(our6_ll, group);
	world_input(w, frame_nd(w, NS, gw6, group, our6_ll, 0, &peer_mac));
	assert_memory_equal(sent_nd(w, 0, NA)->target, our6_ll, 16);
	struct net_addr got, gw = addr6(gw6);
	assert_int_equal(net_local_for(w->net, &gw, &got), 0);
	assert_memory_equal(got.v6, our6_ll, 16);
}

static void test_net_nd__frames_wait_for_the_advertisement(void **state)
{
	struct world *w = *state;
	send_one(w, peer6);
	assert_int_equal(w->nsent, 1);
	struct nd *ns = sent_nd(w, 0, NS);
	assert_memory_equal(ns->target, peer6, 16);
	assert_memory_equal(ns->mac, &our_mac, 6);
	uint8_t group[16];
	solicited_node(peer6, group);
	assert_memory_equal(frame_ip6(w->sent[0])->dst_addr, group, 16);
	assert_int_equal(sent_to(w, 0)->addr_bytes[0], 0x33);
	assert_int_equal(sent_to(w, 0)->addr_bytes[5], 2);
	world_input(w, frame_nd(w, NA, peer6, our6, peer6, ND_S | ND_O, &peer_mac));
	assert_int_equal(w->nsent, 2);
	assert_true(rte_is_same_ether_addr(sent_to(w, 1), &peer_mac));
}

static void test_net_nd__far_host_goes_through_the_gateway(void **state)
{
	struct world *w = *state;
	send_one(w, far6);
	assert_memory_equal(sent_nd(w, 0, NS)->target, gw6, 16);
}

/* The link-local address is the kernel's: it would get the answers to what it seems to have asked. */
static void test_net_nd__beside_the_kernel_a_configured_address_asks(void **state)
{
	struct world *w = *state;
	w->params.no_link_local = true;
	world6_again(w);
	send_one(w, far6);
	assert_memory_equal(sent_nd(w, 0, NS)->target, gw6, 16);
	assert_memory_equal(frame_ip6(w->sent[0])->src_addr, our6, 16);
	world_input(w, frame_nd(w, NA, gw6, our6, gw6, ND_S | ND_O, &peer_mac));
	assert_int_equal(w->nsent, 2);
	assert_memory_equal(frame_ip6(w->sent[1])->dst_addr, far6, 16);
	assert_true(rte_is_same_ether_addr(sent_to(w, 1), &peer_mac));
}

static void test_net_nd__advertisement_without_question_makes_no_entry(void **state)
{
	struct world *w = *state;
	world_input(w, frame_nd(w, NA, peer6, all_nodes, peer6, ND_O, &peer_mac));
	assert_int_equal(net_counters(w->net)->arp_learned, 0);
}

/* RFC 4861, 7.3.3 */
static void test_net_nd__stale_then_delay_then_probe_then_reachable(void **state)
{
	struct world *w = *state;
	send_one(w, peer6);
	world_input(w, frame_nd(w, NA, peer6, our6, peer6, ND_S | ND_O, &peer_mac));
	world_forget(w);
	world_advance(w, 31000000); /* stale: no traffic, no question */
	world_advance(w, 10000000);
	assert_int_equal(w->nsent, 0);
	send_one(w, peer6); /* delay */
	assert_int_equal(w->nsent, 1);
	world_advance(w, 4000000);
	assert_int_equal(w->nsent, 1);
	world_advance(w, 1100000); /* probe, by unicast */
	assert_int_equal(w->nsent, 2);
	sent_nd(w, 1, NS);
	assert_true(rte_is_same_ether_addr(sent_to(w, 1), &peer_mac));
	assert_memory_equal(frame_ip6(w->sent[1])->dst_addr, peer6, 16);
	/* The answer to it may leave the option out. */
	world_input(w, frame_nd(w, NA, peer6, our6, peer6, ND_S, NULL));
	world_forget(w);
	world_advance(w, 20000000);
	assert_int_equal(w->nsent, 0);
}

static void test_net_nd__progress_of_a_connection_spares_the_probe(void **state)
{
	struct world *w = *state;
	struct net_path p;
	struct net_addr l = addr6(our6), r = addr6(peer6);
	ask_for_us(w, &peer_mac);
	world_forget(w);
	assert_int_equal(net_path_init(w->net, &p, &l, &r), 0);
	for (int i = 0; i < 10; i++) {
		net_tcp_output(w->net, &p, segment(w, 4), 20);
		world_advance(w, 4000000);
		net_path_confirm(w->net, &p);
		assert_int_equal(frame_ip6(w->sent[w->nsent - 1])->proto, IPPROTO_TCP);
	}
	assert_int_equal(w->nsent, 10);
}

static void test_net_nd__silent_neighbour_is_given_up(void **state)
{
	struct world *w = *state;
	send_one(w, peer6);
	for (int i = 0; i < 10; i++)
		world_advance(w, 500000);
	assert_int_equal(net_counters(w->net)->nd_solicit_tx, 4);
	assert_int_equal(net_counters(w->net)->arp_expired, 1);
}

static void test_net_nd__unused_stale_entry_is_forgotten(void **state)
{
	struct world *w = *state;
	ask_for_us(w, &peer_mac);
	world_forget(w);
	world_advance(w, 61000000);
	send_one(w, peer6);
	sent_nd(w, 0, NS);
}

/* RFC 4861, 7.2.5 */
static void test_net_nd__override_decides_who_is_believed(void **state)
{
	struct world *w = *state;
	send_one(w, peer6);
	world_input(w, frame_nd(w, NA, peer6, our6, peer6, ND_S | ND_O, &peer_mac));
	world_input(w, frame_nd(w, NA, peer6, all_nodes, peer6, 0, &other_mac));
	world_forget(w);
	send_one(w, peer6);
	assert_true(rte_is_same_ether_addr(sent_to(w, 0), &peer_mac));
	world_input(w, frame_nd(w, NA, peer6, all_nodes, peer6, ND_O, &other_mac));
	world_forget(w);
	send_one(w, peer6);
	assert_true(rte_is_same_ether_addr(sent_to(w, 0), &other_mac));
}

static void test_net_nd__malformed_is_counted(void **state)
{
	struct world *w = *state;
	uint8_t group[16];
	solicited_node(our6, group);
	for (int k = 0; k < 7; k++) {
		struct rte_mbuf *m = frame_nd(w, k == 4 ? NA : NS, k == 5 ? nobody6 : peer6, k == 4 ? all_nodes : group,
					      k == 3 ? group : our6, k == 4 ? ND_S : 0, &peer_mac);
		struct nd *msg = (struct nd *)(frame_ip6(m) + 1);
		if (k == 0)
			frame_ip6(m)->hop_limits = 254; /* came through a router */
		if (k == 1)
			msg->code = 1;
		if (k == 2)
			msg->opt_len = 0;
		if (k == 6)
			msg->opt_len = 2; /* beyond the message */
		msg->cksum = 0;
		msg->cksum = rte_ipv6_udptcp_cksum(frame_ip6(m), msg);
		world_input(w, m);
		if (net_counters(w->net)->nd_bad != (uint64_t)k + 1)
			fail_msg("case %d was taken", k);
	}
	assert_int_equal(w->nsent, 0);
	struct rte_mbuf *m = frame_nd(w, NS, peer6, group, our6, 0, &peer_mac);
	((struct nd *)(frame_ip6(m) + 1))->cksum ^= 1;
	world_input(w, m);
	assert_int_equal(net_counters(w->net)->icmp_bad, 1);
}

static void test_net_nd__stranger_of_another_network_is_not_learned(void **state)
{
	struct world *w = *state;
	uint8_t group[16];
	solicited_node(our6, group);
	world_input(w, frame_nd(w, NS, far6, group, our6, 0, &peer_mac));
	assert_int_equal(net_counters(w->net)->arp_learned, 0);
}

/* RFC 4862, 5.4 */
static void with_dad(struct world *w, struct log_ring *log)
{
	memset(log, 0, sizeof(*log));
	w->params.dad_transmits = 1;
	w->params.log = log;
	world6_again(w);
	net_announce(w->net);
	world_advance(w, 0);
	assert_int_equal(w->nsent, 3); /* gratuitous ARP, two probes */
	for (uint32_t i = 1; i < 3; i++) {
		struct nd *ns = sent_nd(w, i, NS);
		assert_memory_equal(ns->target, i == 1 ? our6 : our6_ll, 16);
		assert_memory_equal(frame_ip6(w->sent[i])->src_addr, nobody6, 16);
		assert_int_equal(w->sent[i]->pkt_len, 14 + 40 + 24);
	}
	world_forget(w);
}

static void test_net_dad__address_is_used_after_a_second_of_silence(void **state)
{
	struct world *w = *state;
	static struct log_ring log;
	struct net_path p;
	struct net_addr l = addr6(our6), r = addr6(peer6);
	with_dad(w, &log);
	ask_for_us(w, &peer_mac);
	assert_null(world_input(w, frame_tcp6(w, peer6, our6, 4000, 6379, 5)));
	assert_int_equal(net_counters(w->net)->rx_ip6_tentative, 1);
	assert_int_equal(w->nsent, 0);
	assert_true(net_path_init(w->net, &p, &l, &r) < 0);
	world_advance(w, 1000000);
	assert_int_equal(w->nsent, 2); /* announced */
	assert_int_equal(sent_nd(w, 0, NA)->flags, ND_O);
	assert_memory_equal(frame_ip6(w->sent[0])->dst_addr, all_nodes, 16);
	assert_int_equal(net_path_init(w->net, &p, &l, &r), 0);
	struct rte_mbuf *m = world_input(w, frame_tcp6(w, peer6, our6, 4000, 6379, 5));
	assert_non_null(m);
	rte_pktmbuf_free(m);
	assert_int_equal(log.head, 0);
}

static void test_net_dad__address_of_another_host_is_never_used(void **state)
{
	struct world *w = *state;
	static struct log_ring log;
	for (int k = 0; k < 2; k++) {
		uint8_t group[16];
		solicited_node(our6, group);
		with_dad(w, &log);
		world_input(w, k == 0 ? frame_nd(w, NA, our6, all_nodes, our6, ND_O, &other_mac)
				      : frame_nd(w, NS, nobody6, group, our6, 0, NULL));
		assert_int_equal(net_counters(w->net)->nd_dad_failed, 1);
		assert_int_equal(log.head, 1);
		assert_string_equal((const char *)log.rec[0].arg[0], "2001:db8::1");
		assert_int_equal(log.rec[0].arg[1], k == 0 ? 0x020000000009 : 0x020000000002);
		world_advance(w, 2000000);
		world_forget(w);
		assert_null(world_input(w, frame_tcp6(w, peer6, our6, 4000, 6379, 5)));
		ask_for_us(w, &peer_mac);
		assert_int_equal(w->nsent, 0);
	}
}

static void test_net_dad__probe_of_another_is_answered_to_all(void **state)
{
	struct world *w = *state;
	uint8_t group[16];
	solicited_node(our6, group);
	world_input(w, frame_nd(w, NS, nobody6, group, our6, 0, NULL));
	assert_int_equal(sent_nd(w, 0, NA)->flags, ND_O);
	assert_memory_equal(frame_ip6(w->sent[0])->dst_addr, all_nodes, 16);
}

static void test_net_nd__conflict_is_told_and_defended_once_per_interval(void **state)
{
	struct world *w = *state;
	static struct log_ring log;
	memset(&log, 0, sizeof(log));
	w->params.log = &log;
	world6_again(w);
	for (int i = 0; i < 3; i++)
		world_input(w, frame_nd(w, NA, our6, all_nodes, our6, ND_O, &other_mac));
	assert_int_equal(log.head, 1);
	assert_int_equal(w->nsent, 1);
	assert_memory_equal(sent_nd(w, 0, NA)->target, our6, 16);
	world_advance(w, 11000000);
	world_input(w, frame_nd(w, NA, our6, all_nodes, our6, ND_O, &other_mac));
	assert_int_equal(log.head, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_net_nd__solicitation_is_answered_and_learned),
		T(test_net_nd__link_local_address_is_ours),
		T(test_net_nd__frames_wait_for_the_advertisement),
		T(test_net_nd__far_host_goes_through_the_gateway),
		T(test_net_nd__beside_the_kernel_a_configured_address_asks),
		T(test_net_nd__advertisement_without_question_makes_no_entry),
		T(test_net_nd__stale_then_delay_then_probe_then_reachable),
		T(test_net_nd__progress_of_a_connection_spares_the_probe),
		T(test_net_nd__silent_neighbour_is_given_up),
		T(test_net_nd__unused_stale_entry_is_forgotten),
		T(test_net_nd__override_decides_who_is_believed),
		T(test_net_nd__malformed_is_counted),
		T(test_net_nd__stranger_of_another_network_is_not_learned),
		T(test_net_dad__address_is_used_after_a_second_of_silence),
		T(test_net_dad__address_of_another_host_is_never_used),
		T(test_net_dad__probe_of_another_is_answered_to_all),
		T(test_net_nd__conflict_is_told_and_defended_once_per_interval),
	};
	return cmocka_run_group_tests(tests, world_group_setup, world_group_teardown);
}
