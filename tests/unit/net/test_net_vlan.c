#include "world6.h"

#define T(name) cmocka_unit_test_setup_teardown(name, vlan_setup, world_teardown)
#define VLAN    42

static int vlan_setup(void **state)
{
	struct world *w = *state;
	world6_setup(state);
	w->params.vlan = VLAN;
	world6_again(w);
	return 0;
}

static struct rte_mbuf *tagged(struct rte_mbuf *m, uint16_t tci)
{
	char macs[12];
	memcpy(macs, rte_pktmbuf_mtod(m, char *), 12);
	char *head = rte_pktmbuf_prepend(m, 4);
	memcpy(head, macs, 12);
	head[12] = (char)0x81;
	head[13] = 0;
	head[14] = (char)(tci >> 8);
	head[15] = (char)tci;
	return m;
}

/* Checks the tag and takes it out. */
static void untag(struct rte_mbuf *m)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	assert_int_equal(p[12] << 8 | p[13], 0x8100);
	assert_int_equal(p[14] << 8 | p[15], VLAN);
	char *head = rte_pktmbuf_mtod(m, char *);
	memmove(head + 4, head, 12);
	rte_pktmbuf_adj(m, 4);
}

static struct rte_mbuf *tcp(struct world *w)
{
	return frame_tcp(w, PEER_IP, OUR_IP, 4000, 6379, RTE_TCP_ACK_FLAG, 5);
}

static void accepted(struct world *w, struct rte_mbuf *m)
{
	m = world_input(w, m);
	assert_non_null(m);
	assert_int_equal(m->pkt_len, 25);
	rte_pktmbuf_free(m);
}

static void test_net_vlan__only_our_tag_comes_in(void **state)
{
	struct world *w = *state;
	accepted(w, tagged(tcp(w), VLAN));
	accepted(w, tagged(tcp(w), 0xe000 | VLAN)); /* with a priority */
	struct rte_mbuf *m = tcp(w);
	m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	m->vlan_tci = VLAN;
	accepted(w, m);
	assert_null(world_input(w, tcp(w)));
	assert_null(world_input(w, tagged(tcp(w), VLAN + 1)));
	assert_null(world_input(w, tagged(tagged(tcp(w), VLAN), VLAN + 1)));
	assert_int_equal(net_counters(w->net)->rx_vlan, 3);
	m = tagged(tcp(w), VLAN);
	rte_pktmbuf_trim(m, m->data_len - 17);
	assert_null(world_input(w, m));
	assert_int_equal(net_counters(w->net)->rx_short, 1);
}

static void test_net_vlan__every_kind_of_frame_goes_out_tagged(void **state)
{
	struct world *w = *state;
	uint8_t group[16];
	solicited_node(our6, group);
	world_input(w, tagged(frame_arp(w, RTE_ARP_OP_REQUEST, &peer_mac, PEER_IP, OUR_IP), VLAN));
	world_input(w, tagged(frame_echo(w, 40), VLAN));
	world_input(w, tagged(frame_nd(w, 135, peer6, group, our6, 0, &peer_mac), VLAN));
	net_announce(w->net);
	struct net_path p;
	struct net_addr l = {.family = 4, .v4 = OUR_IP}, r = {.family = 4, .v4 = PEER_IP};
	assert_int_equal(net_path_init(w->net, &p, &l, &r), 0);
	net_tcp_output(w->net, &p, segment(w, 7), 20);
	struct net_addr l6 = addr6(our6), r6 = addr6(peer6);
	assert_int_equal(net_path_init(w->net, &p, &l6, &r6), 0);
	net_tcp_output(w->net, &p, segment(w, 7), 20);
	world_flush(w);
	assert_int_equal(w->nsent, 3 + 3 + 2);
	assert_int_equal(w->sent[6]->l2_len, 18);
	for (uint32_t i = 0; i < w->nsent; i++)
		untag(w->sent[i]);
	sent_arp(w, 0, RTE_ARP_OP_REPLY);
	sent_nd(w, 2, 136);
	assert_int_equal(rte_ipv4_udptcp_cksum_verify(frame_ip(w->sent[6]), frame_ip(w->sent[6]) + 1), 0);
	assert_int_equal(rte_ipv6_udptcp_cksum_verify(frame_ip6(w->sent[7]), frame_ip6(w->sent[7]) + 1), 0);
}

static void test_net_vlan__without_one_only_untagged_and_priority_frames_come_in(void **state)
{
	struct world *w = *state;
	w->params.vlan = 0;
	world6_again(w);
	accepted(w, tcp(w));
	accepted(w, tagged(tcp(w), 0xa000));
	assert_null(world_input(w, tagged(tcp(w), VLAN)));
	assert_int_equal(net_counters(w->net)->rx_vlan, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_net_vlan__only_our_tag_comes_in),
		T(test_net_vlan__every_kind_of_frame_goes_out_tagged),
		T(test_net_vlan__without_one_only_untagged_and_priority_frames_come_in),
	};
	return cmocka_run_group_tests(tests, world_group_setup, world_group_teardown);
}
