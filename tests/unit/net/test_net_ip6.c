#include "world6.h"

#define T(name) cmocka_unit_test_setup_teardown(name, world6_setup, world_teardown)

static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};

static void test_net_ip6__tcp_comes_out_at_its_header(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *m = world_input(w, frame_tcp6(w, peer6, our6, 4000, 6379, 5));
	assert_non_null(m);
	assert_int_equal(rte_pktmbuf_mtod(m, struct rte_tcp_hdr *)->src_port, RTE_BE16(4000));
	assert_int_equal(m->pkt_len, 25);
	assert_int_equal(m->l3_len, 40);
	struct net_addr src, dst, p = addr6(peer6), o = addr6(our6);
	net_segment_addrs(m, &src, &dst);
	assert_true(net_addr_eq(&src, &p));
	assert_true(net_addr_eq(&dst, &o));
	rte_pktmbuf_free(m);
}

/* Puts an extension header between the IPv6 header and what follows. */
static void insert(struct rte_mbuf *m, uint8_t kind, const void *ext, uint16_t len)
{
	char *head = rte_pktmbuf_prepend(m, len);
	memmove(head, head + len, 54);
	struct rte_ipv6_hdr *ip = frame_ip6(m);
	memcpy(ip + 1, ext, len);
	*(uint8_t *)(ip + 1) = ip->proto;
	ip->proto = kind;
	ip->payload_len = rte_cpu_to_be_16(rte_be_to_cpu_16(ip->payload_len) + len);
}

static void test_net_ip6__extension_headers_are_walked(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *m = frame_tcp6(w, peer6, our6, 4000, 6379, 5);
	insert(m, 44, "\0\0\0\0abcd", 8);     /* a fragment that is whole, RFC 6946 */
	insert(m, 60, "\0\0\1\4\0\0\0\0", 8); /* destination options: PadN */
	insert(m, 43, "\0\0\0\0\0\0\0\0", 8); /* routing, no segments left */
	insert(m, 0, "\0\0\5\2\0\0\1\0", 8);  /* hop by hop: router alert, PadN */
	m = world_input(w, m);
	assert_non_null(m);
	assert_int_equal(m->l3_len, 72);
	assert_int_equal(m->pkt_len, 25);
	struct net_addr src, dst, p = addr6(peer6);
	net_segment_addrs(m, &src, &dst);
	assert_true(net_addr_eq(&src, &p));
	rte_pktmbuf_free(m);
}

static void test_net_ip6__bad_extension_headers_are_refused(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *what, *ext;
		uint8_t kind;
	} bad[] = {
		{"segments left", "\0\0\0\1\0\0\0\0", 43},
		{"longer than the packet", "\0\x20\0\0\0\0\0\0", 60},
		{"unknown option", "\0\0\x80\4\0\0\0\0", 60},
		{"option beyond its header", "\0\0\1\5\0\0\0\0", 60},
	};
	uint64_t k = 0;
	for (size_t i = 0; i < RP_ARRAY_LEN(bad); i++) {
		struct rte_mbuf *m = frame_tcp6(w, peer6, our6, 4000, 6379, 5);
		insert(m, bad[i].kind, bad[i].ext, 8);
		if (world_input(w, m) || net_counters(w->net)->rx_ip6_ext != ++k)
			fail_msg("%s: accepted", bad[i].what);
	}
	struct rte_mbuf *m = frame_tcp6(w, peer6, our6, 4000, 6379, 5);
	insert(m, 0, "\0\0\1\4\0\0\0\0", 8);
	insert(m, 60, "\0\0\1\4\0\0\0\0", 8); /* hop by hop is not first */
	assert_null(world_input(w, m));
	/* More than we walk. */
	m = frame_tcp6(w, peer6, our6, 4000, 6379, 600);
	char big[256] = {0, 31, 1, 252};
	rte_pktmbuf_adj(m, 54);
	struct rte_mbuf *h = frame6(w, peer6, our6, 60, big, 256, 0);
	memcpy(rte_pktmbuf_append(h, 256), big, 256);
	*(uint8_t *)(frame_ip6(h) + 1) = 60;
	frame_ip6(h)->payload_len = RTE_BE16(512);
	rte_pktmbuf_free(m);
	assert_null(world_input(w, h));
	assert_int_equal(net_counters(w->net)->rx_ip6_ext, k + 2);
}

#define C(name) offsetof(struct net_counters, name)
static void test_net_ip6__malformed_packets_are_counted(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *what;
		size_t counter;
	} row[] = {
		{"truncated", C(rx_truncated)}, {"version", C(rx_ip_header)},     {"length 0", C(rx_ip_header)},
		{"another's", C(rx_not_ours)},  {"our own source", C(rx_ip_src)}, {"no source", C(rx_ip_src)},
		{"group source", C(rx_ip_src)}, {"UDP", C(rx_ip_proto)},          {"TCP checksum", C(rx_tcp_csum)},
		{"to a group", C(rx_not_ours)}, {"short", C(rx_short)},
	};
	for (size_t i = 0; i < RP_ARRAY_LEN(row); i++) {
		struct net_counters before = *net_counters(w->net);
		const uint8_t *src = i == 4 ? our6 : i == 5 ? nobody6 : i == 6 ? all_nodes : peer6;
		struct rte_mbuf *m = frame_tcp6(w, src, i == 3 ? far6 : i == 9 ? all_nodes : our6, 4000, 6379, 5);
		struct rte_ipv6_hdr *ip = frame_ip6(m);
		if (i == 0)
			rte_pktmbuf_trim(m, 1);
		if (i == 1)
			*(uint8_t *)ip = 0x50;
		if (i == 2)
			ip->payload_len = 0;
		if (i == 7)
			ip->proto = IPPROTO_UDP;
		if (i == 8)
			((struct rte_tcp_hdr *)(ip + 1))->cksum ^= 1;
		if (i == 10)
			rte_pktmbuf_trim(m, m->data_len - 53);
		assert_null(world_input(w, m));
		uint64_t was, is;
		memcpy(&was, (char *)&before + row[i].counter, 8);
		memcpy(&is, (const char *)net_counters(w->net) + row[i].counter, 8);
		if (is != was + 1)
			fail_msg("%s: its counter did not move", row[i].what);
	}
	assert_int_equal(w->nsent, 0);
}

static void test_net_ip6__every_truncation_is_survived(void **state)
{
	struct world *w = *state;
	for (uint16_t len = 0; len < 110; len++) {
		struct rte_mbuf *m = frame_tcp6(w, peer6, our6, 4000, 6379, 5);
		insert(m, 60, "\0\0\1\4\0\0\0\0", 8);
		insert(m, 43, "\0\0\0\0\0\0\0\0", 8);
		uint16_t full = m->data_len;
		if (len >= full)
			len = full - 1;
		rte_pktmbuf_trim(m, full - len);
		/* The length tells the truth: the headers within are cut. */
		if (len >= 54)
			frame_ip6(m)->payload_len = rte_cpu_to_be_16(len - 54);
		assert_null(world_input(w, m));
		if (len == full - 1)
			break;
	}
}

static void test_net_ip6__without_an_address_it_is_not_spoken(void **state)
{
	struct world *w = *state;
	w->params.naddrs = 1;
	w->params.gateway6.family = 0;
	world6_again(w);
	assert_null(world_input(w, frame_tcp6(w, peer6, our6, 4000, 6379, 5)));
	assert_int_equal(net_counters(w->net)->rx_ethertype, 1);
	assert_null(world_input(w, frame_tcp6(w, peer6, all_nodes, 4000, 6379, 5)));
	assert_int_equal(net_counters(w->net)->rx_multicast, 1);
}

static void test_net_ip6__output_is_what_input_reads(void **state)
{
	struct world *w = *state;
	struct net_path p;
	struct net_addr l = addr6(our6), r = addr6(peer6);
	uint8_t group[16];
	solicited_node(our6, group);
	world_input(w, frame_nd(w, 135, peer6, group, our6, 0, &peer_mac));
	world_forget(w);
	assert_int_equal(net_path_init(w->net, &p, &l, &r), 0);
	assert_int_equal(p.mtu, 1500);
	p.tos = 2;
	for (uint16_t len = 0; len < 1440; len += len < 40 ? 1 : 97) {
		net_tcp_output(w->net, &p, segment(w, len), 20);
		world_flush(w);
		struct rte_mbuf *m = w->sent[0];
		struct rte_ipv6_hdr *ip = frame_ip6(m);
		assert_int_equal(m->pkt_len, 14 + 40 + 20 + len);
		assert_int_equal(ip->vtc_flow, RTE_BE32(6u << 28 | 2u << 20));
		assert_int_equal(ip->hop_limits, 64);
		assert_int_equal(rte_ipv6_udptcp_cksum_verify(ip, ip + 1), 0);
		world_forget(w);
	}
}

static void test_net_ip6__offload_leaves_the_pseudo_header(void **state)
{
	struct world *w = *state;
	w->params.tx_csum_tcp = true;
	world6_again(w);
	struct net_path p;
	struct net_addr l = addr6(our6), r = addr6(peer6);
	uint8_t group[16];
	solicited_node(our6, group);
	world_input(w, frame_nd(w, 135, peer6, group, our6, 0, &peer_mac));
	world_forget(w);
	assert_int_equal(net_path_init(w->net, &p, &l, &r), 0);
	net_tcp_output(w->net, &p, segment(w, 11), 20);
	world_flush(w);
	struct rte_mbuf *m = w->sent[0];
	assert_int_equal(m->ol_flags, RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_TCP_CKSUM);
	assert_int_equal(m->l3_len, 40);
	assert_int_equal(((struct rte_tcp_hdr *)(frame_ip6(m) + 1))->cksum,
			 rte_ipv6_phdr_cksum(frame_ip6(m), m->ol_flags));
}

static struct rte_mbuf *echo6(struct world *w, const uint8_t *dst, uint16_t len)
{
	uint8_t body[2000] = {128, 0, 0, 0, 0, 77, 0, 3};
	for (uint16_t i = 0; i < len; i++)
		body[8 + i] = (uint8_t)(i * 3);
	return frame6(w, peer6, dst, IPPROTO_ICMPV6, body, 8 + len, 2);
}

static void test_net_icmp6__echo_is_answered_with_right_sums(void **state)
{
	struct world *w = *state;
	static const uint16_t sizes[] = {0, 1, 56, 1452};
	for (size_t i = 0; i < RP_ARRAY_LEN(sizes); i++) {
		world_forget(w);
		world_input(w, echo6(w, our6, sizes[i]));
		assert_int_equal(w->nsent, 1);
		struct rte_ipv6_hdr *ip = frame_ip6(w->sent[0]);
		assert_int_equal(w->sent[0]->pkt_len, 14 + 48 + sizes[i]);
		assert_int_equal(*(uint8_t *)(ip + 1), 129);
		assert_memory_equal(ip->src_addr, our6, 16);
		assert_memory_equal(ip->dst_addr, peer6, 16);
		assert_int_equal(rte_ipv6_udptcp_cksum_verify(ip, ip + 1), 0);
	}
	world_forget(w);
	world_input(w, echo6(w, our6, 1453));
	assert_int_equal(net_counters(w->net)->icmp_bad, 1);
	world_input(w, echo6(w, all_nodes, 8));
	assert_int_equal(w->nsent, 0);
}

static void test_net_ip6__create_refuses_what_no_host_can_have(void **state)
{
	struct world *w = *state;
	static const char *const bad[] = {"::", "::1", "ff02::1", "::ffff:10.0.0.1"};
	for (size_t i = 0; i < RP_ARRAY_LEN(bad); i++) {
		struct err e = {0};
		struct net_params p = w->params;
		assert_true(net_addr_parse(bad[i], &p.addrs[1].addr, NULL));
		assert_null(net_create(&p, &e));
		assert_non_null(strstr(e.text, "not an address that a host can have"));
	}
	struct err e = {0};
	w->params.mtu = 1279;
	assert_null(net_create(&w->params, &e));
	assert_non_null(strstr(e.text, "1280"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_net_ip6__tcp_comes_out_at_its_header),
		T(test_net_ip6__extension_headers_are_walked),
		T(test_net_ip6__bad_extension_headers_are_refused),
		T(test_net_ip6__malformed_packets_are_counted),
		T(test_net_ip6__every_truncation_is_survived),
		T(test_net_ip6__without_an_address_it_is_not_spoken),
		T(test_net_ip6__output_is_what_input_reads),
		T(test_net_ip6__offload_leaves_the_pseudo_header),
		T(test_net_icmp6__echo_is_answered_with_right_sums),
		T(test_net_ip6__create_refuses_what_no_host_can_have),
	};
	return cmocka_run_group_tests(tests, world_group_setup, world_group_teardown);
}
