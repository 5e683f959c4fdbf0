#include "world.h"

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

static void test_net_input__tcp_comes_out_at_its_header(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *m = world_input(w, frame_tcp(w, PEER_IP, OUR_IP, 4000, 6379, RTE_TCP_ACK_FLAG, 5));
	assert_non_null(m);
	struct rte_tcp_hdr *t = rte_pktmbuf_mtod(m, struct rte_tcp_hdr *);
	assert_int_equal(t->src_port, RTE_BE16(4000));
	assert_int_equal(m->pkt_len, 25);
	assert_int_equal(m->l2_len, 14);
	assert_int_equal(m->l3_len, 20);
	assert_int_equal(m->l4_len, 20);
	struct net_addr src, dst;
	net_segment_addrs(m, &src, &dst);
	assert_int_equal(src.v4, PEER_IP);
	assert_int_equal(dst.v4, OUR_IP);
	rte_pktmbuf_free(m);
}

static void test_net_input__padding_is_trimmed(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *m = frame_tcp(w, PEER_IP, OUR_IP, 4000, 6379, RTE_TCP_ACK_FLAG, 0);
	memset(rte_pktmbuf_append(m, 6), 0xee, 6);
	m = world_input(w, m);
	assert_non_null(m);
	assert_int_equal(m->pkt_len, 20);
	rte_pktmbuf_free(m);
}

static void test_net_input__options_are_accepted(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *m = frame_tcp(w, PEER_IP, OUR_IP, 4000, 6379, RTE_TCP_ACK_FLAG, 3);
	char *head = rte_pktmbuf_prepend(m, 4);
	memmove(head, head + 4, 34);
	memset(head + 34, 1, 4); /* four NOPs */
	frame_ip(m)->version_ihl = 0x46;
	frame_ip(m)->total_length = RTE_BE16(47);
	ip_checksum(m);
	m = world_input(w, m);
	assert_non_null(m);
	assert_int_equal(m->l3_len, 24);
	assert_int_equal(m->pkt_len, 23);
	struct net_addr src, dst;
	net_segment_addrs(m, &src, &dst);
	assert_int_equal(src.v4, PEER_IP);
	rte_pktmbuf_free(m);
}

static void test_net_input__source_route_is_refused(void **state)
{
	struct world *w = *state;
	for (int k = 0; k < 2; k++) {
		struct rte_mbuf *m = frame_tcp(w, PEER_IP, OUR_IP, 4000, 6379, RTE_TCP_ACK_FLAG, 3);
		char *head = rte_pktmbuf_prepend(m, 8);
		memmove(head, head + 8, 34);
		memcpy(head + 34, "\x01\x83\x07\x04\x0a\x00\x00\x09", 8);
		if (k)
			head[35] = (char)0x89;
		frame_ip(m)->version_ihl = 0x47;
		frame_ip(m)->total_length = RTE_BE16(51);
		ip_checksum(m);
		assert_null(world_input(w, m));
		assert_int_equal(net_counters(w->net)->rx_ip_source_route, k + 1);
	}
}

/* Each row spoils one thing of a good segment and names the counter that must tell. */
struct spoil {
	const char *what;
	void (*apply)(struct rte_mbuf *m);
	size_t counter;
	bool resum; /* the IP checksum is made right again */
};

static struct rte_ether_hdr *eth_of(struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
}
static struct rte_tcp_hdr *tcp_of(struct rte_mbuf *m)
{
	return (struct rte_tcp_hdr *)(frame_ip(m) + 1);
}
#define SPOIL(name, ...)                     \
	static void name(struct rte_mbuf *m) \
	{                                    \
		__VA_ARGS__;                 \
	}
SPOIL(s_other_mac, eth_of(m)->dst_addr.addr_bytes[5] ^= 9)
SPOIL(s_broadcast, memset(&eth_of(m)->dst_addr, 0xff, 6))
SPOIL(s_ethertype, eth_of(m)->ether_type = RTE_BE16(0x86dd))
SPOIL(s_vlan, eth_of(m)->ether_type = RTE_BE16(0x8100))
SPOIL(s_vlan_stripped, m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED; m->vlan_tci = 5)
SPOIL(s_short_eth, rte_pktmbuf_trim(m, m->data_len - 13))
SPOIL(s_short_ip, rte_pktmbuf_trim(m, m->data_len - 33))
SPOIL(s_truncated, rte_pktmbuf_trim(m, 1))
SPOIL(s_version, frame_ip(m)->version_ihl = 0x65)
SPOIL(s_ihl, frame_ip(m)->version_ihl = 0x44)
SPOIL(s_total_small, frame_ip(m)->total_length = RTE_BE16(19))
SPOIL(s_ihl_beyond, frame_ip(m)->version_ihl = 0x4f)
SPOIL(s_ttl, frame_ip(m)->time_to_live = 0)
SPOIL(s_ip_sum, frame_ip(m)->hdr_checksum ^= 0x0100)
SPOIL(s_dst, frame_ip(m)->dst_addr = IP(10, 0, 0, 9))
SPOIL(s_dst_bcast, frame_ip(m)->dst_addr = IP(10, 0, 0, 255))
SPOIL(s_src_zero, frame_ip(m)->src_addr = 0)
SPOIL(s_src_mcast, frame_ip(m)->src_addr = IP(224, 0, 0, 1))
SPOIL(s_src_loop, frame_ip(m)->src_addr = IP(127, 0, 0, 1))
SPOIL(s_src_land, frame_ip(m)->src_addr = OUR_IP)
SPOIL(s_frag_more, frame_ip(m)->fragment_offset = RTE_BE16(0x2000))
SPOIL(s_frag_off, frame_ip(m)->fragment_offset = RTE_BE16(3))
SPOIL(s_udp, frame_ip(m)->next_proto_id = IPPROTO_UDP)
SPOIL(s_tcp_off_small, tcp_of(m)->data_off = 0x40)
SPOIL(s_tcp_off_big, tcp_of(m)->data_off = 0xf0)
SPOIL(s_tcp_none, frame_ip(m)->total_length = RTE_BE16(39))
SPOIL(s_tcp_sum, tcp_of(m)->cksum ^= 1)
SPOIL(s_payload, ((char *)(tcp_of(m) + 1))[0] ^= 1)

#define C(name) offsetof(struct net_counters, name)
static const struct spoil spoils[] = {
	/* what                  how              counter             IP sum again */
	{"other MAC", s_other_mac, C(rx_not_ours), false},
	{"broadcast IP", s_broadcast, C(rx_multicast), false},
	{"ethertype", s_ethertype, C(rx_ethertype), false},
	{"VLAN", s_vlan, C(rx_vlan), false},
	{"stripped VLAN", s_vlan_stripped, C(rx_vlan), false},
	{"13 bytes", s_short_eth, C(rx_short), false},
	{"33 bytes", s_short_ip, C(rx_short), false},
	{"truncated", s_truncated, C(rx_truncated), false},
	{"version", s_version, C(rx_ip_header), true},
	{"ihl small", s_ihl, C(rx_ip_header), false},
	{"total small", s_total_small, C(rx_ip_header), true},
	{"ihl beyond total", s_ihl_beyond, C(rx_ip_header), false},
	{"ttl", s_ttl, C(rx_ip_header), true},
	{"IP checksum", s_ip_sum, C(rx_ip_csum), false},
	{"dst", s_dst, C(rx_not_ours), true},
	{"subnet broadcast", s_dst_bcast, C(rx_not_ours), true},
	{"src zero", s_src_zero, C(rx_ip_src), true},
	{"src multicast", s_src_mcast, C(rx_ip_src), true},
	{"src loopback", s_src_loop, C(rx_ip_src), true},
	{"src is ours", s_src_land, C(rx_ip_src), true},
	{"first fragment", s_frag_more, C(rx_ip_fragment), true},
	{"later fragment", s_frag_off, C(rx_ip_fragment), true},
	{"UDP", s_udp, C(rx_ip_proto), true},
	{"TCP offset small", s_tcp_off_small, C(rx_tcp_header), false},
	{"TCP offset big", s_tcp_off_big, C(rx_tcp_header), false},
	{"TCP header cut", s_tcp_none, C(rx_tcp_header), true},
	{"TCP checksum", s_tcp_sum, C(rx_tcp_csum), false},
	{"payload", s_payload, C(rx_tcp_csum), false},
};

static void test_net_input__malformed_frames_are_dropped_and_counted(void **state)
{
	struct world *w = *state;
	for (size_t i = 0; i < RP_ARRAY_LEN(spoils); i++) {
		struct net_counters before = *net_counters(w->net);
		struct rte_mbuf *m = frame_tcp(w, PEER_IP, OUR_IP, 4000, 6379, RTE_TCP_ACK_FLAG, 10);
		spoils[i].apply(m);
		if (spoils[i].resum)
			ip_checksum(m);
		if (world_input(w, m) != NULL)
			fail_msg("%s: accepted", spoils[i].what);
		uint64_t was, is;
		memcpy(&was, (char *)&before + spoils[i].counter, 8);
		memcpy(&is, (const char *)net_counters(w->net) + spoils[i].counter, 8);
		if (is != was + 1)
			fail_msg("%s: its counter did not move", spoils[i].what);
		assert_int_equal(w->nsent, 0);
	}
}

static void test_net_input__every_truncation_is_survived(void **state)
{
	struct world *w = *state;
	for (uint16_t len = 0; len < 64; len++) {
		struct rte_mbuf *m = frame_tcp(w, PEER_IP, OUR_IP, 4000, 6379, RTE_TCP_ACK_FLAG, 10);
		rte_pktmbuf_trim(m, m->data_len - len);
		assert_null(world_input(w, m));
		m = frame_echo(w, 22);
		rte_pktmbuf_trim(m, m->data_len - len);
		assert_null(world_input(w, m));
	}
}

static void test_net_input__scattered_frame_is_gathered(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *m = frame_tcp(w, PEER_IP, OUR_IP, 4000, 6379, RTE_TCP_ACK_FLAG, 100),
			*tail = buf_alloc(w->pool);
	memcpy(rte_pktmbuf_append(tail, 60), rte_pktmbuf_mtod_offset(m, char *, m->data_len - 60), 60);
	rte_pktmbuf_trim(m, 60);
	rte_pktmbuf_chain(m, tail);
	m = world_input(w, m);
	assert_non_null(m);
	assert_int_equal(m->nb_segs, 1);
	assert_int_equal(m->data_len, 120);
	rte_pktmbuf_free(m);
}

static void unfinish(struct rte_mbuf *m)
{
	tcp_of(m)->cksum = rte_ipv4_phdr_cksum(frame_ip(m), 0);
}

static void test_net_input__unfinished_checksum_only_where_allowed(void **state)
{
	struct world *w = *state;
	static struct log_ring log;
	struct rte_mbuf *m = frame_tcp(w, PEER_IP, OUR_IP, 4000, 6379, RTE_TCP_ACK_FLAG, 10);
	unfinish(m);
	assert_null(world_input(w, m));
	assert_int_equal(net_counters(w->net)->rx_tcp_csum, 1);
	net_destroy(w->net);
	memset(&log, 0, sizeof(log));
	w->params.log = &log;
	w->params.accept_partial_csum = true;
	w->net = world_net(w, &w->params);
	for (int i = 0; i < 3; i++) {
		m = frame_tcp(w, PEER_IP, OUR_IP, 4000, 6379, RTE_TCP_ACK_FLAG, 10);
		unfinish(m);
		m = world_input(w, m);
		assert_non_null(m);
		rte_pktmbuf_free(m);
	}
	assert_int_equal(net_counters(w->net)->rx_csum_partial, 3);
	assert_int_equal(log.head, 1);
	m = frame_tcp(w, PEER_IP, OUR_IP, 4000, 6379, RTE_TCP_ACK_FLAG, 10);
	unfinish(m);
	tcp_of(m)->cksum ^= 1;
	assert_null(world_input(w, m));
}

static bool takes(struct world *w, uint64_t flags, bool right)
{
	struct rte_mbuf *m = frame_tcp(w, PEER_IP, OUR_IP, 4000, 6379, RTE_TCP_ACK_FLAG, 10);
	if (!right)
		tcp_of(m)->cksum ^= 0x55;
	m->ol_flags |= flags;
	m = world_input(w, m);
	rte_pktmbuf_free(m);
	return m != NULL;
}

static void test_net_input__device_verdict_is_used_once_proven(void **state)
{
	struct world *w = *state;
	for (int i = 0; i < 64; i++)
		assert_true(takes(w, RTE_MBUF_F_RX_L4_CKSUM_GOOD, true));
	assert_true(takes(w, RTE_MBUF_F_RX_L4_CKSUM_GOOD, false));
	assert_false(takes(w, RTE_MBUF_F_RX_L4_CKSUM_BAD, false));
	assert_false(takes(w, 0, false));
	assert_int_equal(net_counters(w->net)->rx_csum_wrong, 0);
}

static void test_net_input__device_that_is_wrong_is_not_believed_again(void **state)
{
	struct world *w = *state;
	static struct log_ring log;
	for (int k = 0; k < 2; k++) {
		net_destroy(w->net);
		memset(&log, 0, sizeof(log));
		w->params.log = &log;
		w->net = world_net(w, &w->params);
		for (int i = 0; i < 10; i++)
			assert_true(takes(w, RTE_MBUF_F_RX_L4_CKSUM_GOOD, true));
		if (k == 0)
			assert_false(takes(w, RTE_MBUF_F_RX_L4_CKSUM_GOOD, false)); /* it passes what is damaged */
		else
			assert_true(takes(w, RTE_MBUF_F_RX_L4_CKSUM_BAD, true)); /* it damns what is right */
		assert_int_equal(net_counters(w->net)->rx_csum_wrong, 1);
		assert_int_equal(log.head, 1);
		for (int i = 0; i < 100; i++)
			assert_true(takes(w, RTE_MBUF_F_RX_L4_CKSUM_GOOD, true));
		assert_false(takes(w, RTE_MBUF_F_RX_L4_CKSUM_GOOD, false));
		assert_int_equal(log.head, 1);
	}
}

static void test_net_icmp__echo_is_answered_with_right_sums(void **state)
{
	struct world *w = *state;
	static const uint16_t sizes[] = {0, 1, 56, 1471, 1472};
	for (size_t i = 0; i < RP_ARRAY_LEN(sizes); i++) {
		world_forget(w);
		assert_null(world_input(w, frame_echo(w, sizes[i])));
		assert_int_equal(w->nsent, 1);
		struct rte_mbuf *m = w->sent[0];
		struct rte_ipv4_hdr *ip = frame_ip(m);
		struct rte_icmp_hdr *ic = (struct rte_icmp_hdr *)(ip + 1);
		assert_true(rte_is_same_ether_addr(&eth_of(m)->dst_addr, &peer_mac));
		assert_true(rte_is_same_ether_addr(&eth_of(m)->src_addr, &our_mac));
		assert_int_equal(ip->src_addr, OUR_IP);
		assert_int_equal(ip->dst_addr, PEER_IP);
		assert_int_equal(rte_raw_cksum(ip, 20), 0xffff);
		assert_int_equal(ic->icmp_type, RTE_IP_ICMP_ECHO_REPLY);
		assert_int_equal(ic->icmp_ident, RTE_BE16(77));
		assert_int_equal(rte_raw_cksum(ic, 8 + sizes[i]), 0xffff);
		assert_int_equal(m->pkt_len, 42 + sizes[i]);
	}
}

static void test_net_icmp__oversize_and_bad_sum_are_refused(void **state)
{
	struct world *w = *state;
	world_input(w, frame_echo(w, 1473));
	struct rte_mbuf *m = frame_echo(w, 56);
	((struct rte_icmp_hdr *)(frame_ip(m) + 1))->icmp_cksum ^= 1;
	world_input(w, m);
	assert_int_equal(net_counters(w->net)->icmp_bad, 2);
	assert_int_equal(w->nsent, 0);
}

static void test_net_icmp__echo_flood_is_limited_and_recovers(void **state)
{
	struct world *w = *state;
	for (int i = 0; i < 300; i++) {
		world_input(w, frame_echo(w, 0));
		world_forget(w);
	}
	assert_true(net_counters(w->net)->icmp_echo_limited > 0);
	uint64_t was = net_counters(w->net)->icmp_echo;
	world_advance(w, 10000);
	world_input(w, frame_echo(w, 0));
	assert_int_equal(net_counters(w->net)->icmp_echo, was + 1);
}

static void test_net_icmp__errors_are_counted(void **state)
{
	struct world *w = *state;
	for (uint8_t code = 3; code <= 4; code++) {
		struct rte_mbuf *m = frame_echo(w, 28);
		struct rte_icmp_hdr *ic = (struct rte_icmp_hdr *)(frame_ip(m) + 1);
		ic->icmp_type = 3;
		ic->icmp_code = code;
		ic->icmp_cksum = 0;
		ic->icmp_cksum = (uint16_t)~rte_raw_cksum(ic, 36);
		world_input(w, m);
	}
	assert_int_equal(net_counters(w->net)->icmp_unreach, 2);
	assert_int_equal(net_counters(w->net)->icmp_frag_needed, 1);
	assert_int_equal(w->nsent, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_net_input__tcp_comes_out_at_its_header),
		T(test_net_input__padding_is_trimmed),
		T(test_net_input__options_are_accepted),
		T(test_net_input__source_route_is_refused),
		T(test_net_input__malformed_frames_are_dropped_and_counted),
		T(test_net_input__every_truncation_is_survived),
		T(test_net_input__scattered_frame_is_gathered),
		T(test_net_input__unfinished_checksum_only_where_allowed),
		T(test_net_input__device_verdict_is_used_once_proven),
		T(test_net_input__device_that_is_wrong_is_not_believed_again),
		T(test_net_icmp__echo_is_answered_with_right_sums),
		T(test_net_icmp__oversize_and_bad_sum_are_refused),
		T(test_net_icmp__echo_flood_is_limited_and_recovers),
		T(test_net_icmp__errors_are_counted),
	};
	return cmocka_run_group_tests(tests, world_group_setup, world_group_teardown);
}
