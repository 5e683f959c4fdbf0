#include "world6.h"

#define T(name) cmocka_unit_test_setup_teardown(name, pmtu_setup, world_teardown)

static struct {
	struct net_addr local, remote;
	uint16_t lport, rport, mtu;
	uint32_t seq, calls;
} heard;

static void hear(void *ctx, const struct net_addr *local, uint16_t lport, const struct net_addr *remote, uint16_t rport,
		 uint32_t seq, uint16_t mtu)
{
	heard.local = *local;
	heard.remote = *remote;
	heard.lport = lport;
	heard.rport = rport;
	heard.seq = seq;
	heard.mtu = mtu;
	heard.calls++;
	assert_ptr_equal(ctx, &heard);
}

static int pmtu_setup(void **state)
{
	struct world *w = *state;
	memset(&heard, 0, sizeof(heard));
	world6_setup(state);
	w->params.pmtu = hear;
	w->params.pmtu_ctx = &heard;
	w->params.pmtu_entries = 8;
	world6_again(w);
	return 0;
}

static const uint8_t tcp_head[8] = {6379 >> 8, 6379 & 255, 0x9c, 0x40, 1, 2, 3, 4};

/* ICMP "fragmentation needed" about a packet of ours of total bytes. */
static struct rte_mbuf *frag_needed(struct world *w, uint32_t src, uint16_t total, uint16_t mtu)
{
	struct rte_mbuf *m = frame_echo(w, 28);
	struct rte_icmp_hdr *ic = (struct rte_icmp_hdr *)(frame_ip(m) + 1);
	struct rte_ipv4_hdr *q = (struct rte_ipv4_hdr *)(ic + 1);
	ic->icmp_type = 3;
	ic->icmp_code = 4;
	ic->icmp_ident = 0;
	ic->icmp_seq_nb = rte_cpu_to_be_16(mtu);
	*q = (struct rte_ipv4_hdr){.version_ihl = 0x45,
				   .total_length = rte_cpu_to_be_16(total),
				   .next_proto_id = IPPROTO_TCP,
				   .src_addr = src,
				   .dst_addr = FAR_IP};
	memcpy(q + 1, tcp_head, 8);
	return m;
}

static void give(struct world *w, struct rte_mbuf *m)
{
	struct rte_icmp_hdr *ic = (struct rte_icmp_hdr *)(frame_ip(m) + 1);
	ic->icmp_cksum = 0;
	ic->icmp_cksum = (uint16_t)~rte_raw_cksum(ic, rte_be_to_cpu_16(frame_ip(m)->total_length) - 20);
	assert_null(world_input(w, m));
}

static void test_net_pmtu__quoted_segment_is_told(void **state)
{
	struct world *w = *state;
	give(w, frag_needed(w, OUR_IP, 1500, 1400));
	assert_int_equal(heard.calls, 1);
	assert_int_equal(heard.local.v4, OUR_IP);
	assert_int_equal(heard.remote.v4, FAR_IP);
	assert_int_equal(heard.lport, 6379);
	assert_int_equal(heard.rport, 40000);
	assert_int_equal(heard.seq, 0x01020304);
	assert_int_equal(heard.mtu, 1400);
	/* It alone changes nothing. */
	struct net_addr far = {.family = 4, .v4 = FAR_IP};
	assert_int_equal(net_pmtu_get(w->net, &far), 1500);
}

static void test_net_pmtu__silent_router_means_the_next_plateau(void **state)
{
	struct world *w = *state;
	give(w, frag_needed(w, OUR_IP, 1500, 0));
	assert_int_equal(heard.mtu, 1492);
	give(w, frag_needed(w, OUR_IP, 1492, 0));
	assert_int_equal(heard.mtu, 1280);
	give(w, frag_needed(w, OUR_IP, 577, 0));
	assert_int_equal(heard.mtu, 576);
}

static void test_net_pmtu__nonsense_is_ignored(void **state)
{
	struct world *w = *state;
	give(w, frag_needed(w, PEER_IP, 1500, 1400)); /* not our packet */
	give(w, frag_needed(w, OUR_IP, 1500, 1500));  /* no smaller */
	give(w, frag_needed(w, OUR_IP, 1000, 1200));  /* it would have fitted */
	struct rte_mbuf *m = frag_needed(w, OUR_IP, 1500, 1400);
	struct rte_ipv4_hdr *q = (struct rte_ipv4_hdr *)((char *)(frame_ip(m) + 1) + 8);
	q->next_proto_id = IPPROTO_UDP;
	give(w, m);
	m = frag_needed(w, OUR_IP, 1500, 1400);
	((struct rte_ipv4_hdr *)((char *)(frame_ip(m) + 1) + 8))->fragment_offset = RTE_BE16(5);
	give(w, m);
	m = frag_needed(w, OUR_IP, 1500, 1400);
	((struct rte_ipv4_hdr *)((char *)(frame_ip(m) + 1) + 8))->version_ihl = 0x46; /* ports beyond the end */
	give(w, m);
	for (uint16_t cut = 1; cut <= 28; cut++) {
		m = frag_needed(w, OUR_IP, 1500, 1400);
		rte_pktmbuf_trim(m, cut);
		frame_ip(m)->total_length = rte_cpu_to_be_16(m->data_len - 14);
		ip_checksum(m);
		give(w, m);
	}
	assert_int_equal(heard.calls, 0);
	/* Lower than any path may be: the least instead. */
	give(w, frag_needed(w, OUR_IP, 1500, 68));
	assert_int_equal(heard.mtu, 576);
}

static struct rte_mbuf *too_big(struct world *w, const uint8_t *src, uint16_t total, uint32_t mtu, uint16_t cut)
{
	uint8_t body[8 + 40 + 8] = {2};
	struct rte_ipv6_hdr *q = (struct rte_ipv6_hdr *)(body + 8);
	uint32_t be = rte_cpu_to_be_32(mtu);
	memcpy(body + 4, &be, 4);
	*q = (struct rte_ipv6_hdr){
		.vtc_flow = RTE_BE32(6u << 28), .payload_len = rte_cpu_to_be_16(total - 40), .proto = IPPROTO_TCP};
	memcpy(q->src_addr, src, 16);
	memcpy(q->dst_addr, far6, 16);
	memcpy(q + 1, tcp_head, 8);
	return frame6(w, gw6, our6, IPPROTO_ICMPV6, body, sizeof(body) - cut, 2);
}

static void test_net_pmtu__packet_too_big_of_ipv6(void **state)
{
	struct world *w = *state;
	world_input(w, too_big(w, our6, 1500, 1300, 0));
	assert_int_equal(heard.calls, 1);
	struct net_addr l = addr6(our6), r = addr6(far6);
	assert_true(net_addr_eq(&heard.local, &l));
	assert_true(net_addr_eq(&heard.remote, &r));
	assert_int_equal(heard.seq, 0x01020304);
	assert_int_equal(heard.mtu, 1300);
	world_input(w, too_big(w, our6, 1500, 600, 0)); /* RFC 8201, 4 */
	assert_int_equal(heard.mtu, 1280);
	world_input(w, too_big(w, our6, 1500, 0, 0));
	world_input(w, too_big(w, our6, 1500, 0xffffffff, 0));
	world_input(w, too_big(w, peer6, 1500, 1300, 0));
	for (uint16_t cut = 1; cut <= 48; cut++)
		world_input(w, too_big(w, our6, 1500, 1300, cut));
	assert_int_equal(heard.calls, 2);
}

static void test_net_pmtu__learned_is_used_by_new_paths_until_it_ages(void **state)
{
	struct world *w = *state;
	struct net_path p;
	struct net_addr l = {.family = 4, .v4 = OUR_IP}, r = {.family = 4, .v4 = FAR_IP};
	assert_int_equal(net_pmtu_learn(w->net, &r, 1400), 1400);
	assert_int_equal(net_pmtu_learn(w->net, &r, 1450), 1400); /* never up */
	assert_int_equal(net_pmtu_learn(w->net, &r, 100), 576);
	assert_int_equal(net_path_init(w->net, &p, &l, &r), 0);
	assert_int_equal(p.mtu, 576);
	world_advance(w, 599000000);
	assert_int_equal(net_pmtu_get(w->net, &r), 576);
	world_advance(w, 2000000);
	assert_int_equal(net_pmtu_get(w->net, &r), 1500);
	r = addr6(far6);
	assert_int_equal(net_pmtu_learn(w->net, &r, 1000), 1280);
	assert_int_equal(net_pmtu_get(w->net, &r), 1280);
}

static void test_net_pmtu__memory_is_bounded_and_keeps_the_newest(void **state)
{
	struct world *w = *state;
	uint32_t known = 0;
	for (uint32_t i = 0; i < 1000; i++) {
		struct net_addr r = {.family = 4, .v4 = rte_cpu_to_be_32(NET_IPV4(198, 51, 0, 0) + i)};
		world_advance(w, 1000);
		net_pmtu_learn(w->net, &r, 1000);
		assert_int_equal(net_pmtu_get(w->net, &r), 1000);
	}
	for (uint32_t i = 0; i < 1000; i++) {
		struct net_addr r = {.family = 4, .v4 = rte_cpu_to_be_32(NET_IPV4(198, 51, 0, 0) + i)};
		known += net_pmtu_get(w->net, &r) == 1000;
	}
	assert_in_range(known, 4, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_net_pmtu__quoted_segment_is_told),
		T(test_net_pmtu__silent_router_means_the_next_plateau),
		T(test_net_pmtu__nonsense_is_ignored),
		T(test_net_pmtu__packet_too_big_of_ipv6),
		T(test_net_pmtu__learned_is_used_by_new_paths_until_it_ages),
		T(test_net_pmtu__memory_is_bounded_and_keeps_the_newest),
	};
	return cmocka_run_group_tests(tests, world_group_setup, world_group_teardown);
}
