#include "world6.h"

#define T(name) cmocka_unit_test_setup_teardown(name, frag_setup, world_teardown)

static int frag_setup(void **state)
{
	struct world *w = *state;
	world6_setup(state);
	w->params.frag_entries = 8;
	w->params.frag_max = 4;
	w->params.frag_timeout_ms = 1000;
	world6_again(w);
	return 0;
}

/* Bytes [off, off + len) of the packet in whole, which has an IPv4 header of 20 bytes. */
static struct rte_mbuf *piece(struct world *w, struct rte_mbuf *whole, uint16_t id, uint16_t off, uint16_t len)
{
	uint16_t total = rte_be_to_cpu_16(frame_ip(whole)->total_length) - 20;
	struct rte_mbuf *m = buf_alloc(w->pool);
	char *to = rte_pktmbuf_append(m, 34 + len);
	memcpy(to, rte_pktmbuf_mtod(whole, char *), 34);
	memcpy(to + 34, rte_pktmbuf_mtod_offset(whole, char *, 34 + off), len);
	struct rte_ipv4_hdr *ip = frame_ip(m);
	ip->packet_id = rte_cpu_to_be_16(id);
	ip->total_length = rte_cpu_to_be_16(20 + len);
	ip->fragment_offset = rte_cpu_to_be_16(off / 8 | (off + len < total ? 0x2000 : 0));
	ip_checksum(m);
	return m;
}

static struct rte_mbuf *piece6(struct world *w, struct rte_mbuf *whole, uint32_t id, uint16_t off, uint16_t len)
{
	const struct rte_ipv6_hdr *ip = frame_ip6(whole);
	uint16_t total = rte_be_to_cpu_16(ip->payload_len);
	uint8_t body[2000] = {ip->proto, 0, off >> 8, (uint8_t)((off & 0xf8) | (off + len < total)),
			      0,         0, id >> 8,  (uint8_t)id};
	memcpy(body + 8, (const char *)(ip + 1) + off, len);
	return frame6(w, ip->src_addr, ip->dst_addr, 44, body, 8 + len, 0);
}

static struct rte_mbuf *whole4(struct world *w)
{
	return frame_tcp(w, PEER_IP, OUR_IP, 4000, 6379, RTE_TCP_ACK_FLAG, 1000);
}

static void check_whole(struct rte_mbuf *m)
{
	assert_non_null(m);
	assert_int_equal(m->pkt_len, 1020);
	assert_int_equal(m->nb_segs, 1);
	for (uint16_t i = 0; i < 1000; i++)
		assert_int_equal(rte_pktmbuf_mtod(m, uint8_t *)[20 + i], (uint8_t)(i * 7 + 3));
	rte_pktmbuf_free(m);
}

static void test_net_frag__any_order_makes_the_whole(void **state)
{
	struct world *w = *state;
	static const uint8_t order[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	static const uint16_t off[] = {0, 400, 800}, len[] = {400, 400, 220};
	struct rte_mbuf *whole = whole4(w);
	for (uint16_t k = 0; k < 6; k++) {
		for (int i = 0; i < 2; i++)
			assert_null(world_input(w, piece(w, whole, k, off[order[k][i]], len[order[k][i]])));
		check_whole(world_input(w, piece(w, whole, k, off[order[k][2]], len[order[k][2]])));
	}
	assert_int_equal(net_counters(w->net)->frag_done, 6);
	rte_pktmbuf_free(whole);
}

static void test_net_frag__datagrams_do_not_mix(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *whole = whole4(w);
	assert_null(world_input(w, piece(w, whole, 1, 0, 512)));
	assert_null(world_input(w, piece(w, whole, 2, 512, 508)));
	check_whole(world_input(w, piece(w, whole, 1, 512, 508)));
	check_whole(world_input(w, piece(w, whole, 2, 0, 512)));
	rte_pktmbuf_free(whole);
}

static void test_net_frag__ipv6(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *whole = frame_tcp6(w, peer6, our6, 4000, 6379, 1400), *m;
	assert_null(world_input(w, piece6(w, whole, 7, 720, 700)));
	m = world_input(w, piece6(w, whole, 7, 0, 720));
	assert_non_null(m);
	assert_int_equal(m->pkt_len, 1420);
	assert_int_equal(m->l3_len, 40);
	struct net_addr src, dst, p = addr6(peer6);
	net_segment_addrs(m, &src, &dst);
	assert_true(net_addr_eq(&src, &p));
	rte_pktmbuf_free(m);
	rte_pktmbuf_free(whole);
}

/* RFC 8200, 4.5: the next header of the first fragment counts, those of the others may be anything. */
static void test_net_frag__ipv6_next_headers_may_differ(void **state)
{
	struct world *w = *state;
	w->params.frag_entries = 1024;
	world6_again(w);
	struct rte_mbuf *whole = frame_tcp6(w, peer6, our6, 4000, 6379, 1400);
	for (uint8_t next = 0; next < 16; next++) {
		struct rte_mbuf *m = piece6(w, whole, next, 720, 700);
		*rte_pktmbuf_mtod_offset(m, uint8_t *, 14 + 40) = next * 16;
		assert_null(world_input(w, m));
		m = world_input(w, piece6(w, whole, next, 0, 720));
		assert_non_null(m);
		rte_pktmbuf_free(m);
	}
	rte_pktmbuf_free(whole);
}

static void test_net_frag__ping_is_answered(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *whole = frame_echo(w, 1000);
	world_input(w, piece(w, whole, 1, 0, 504));
	world_input(w, piece(w, whole, 1, 504, 504));
	assert_int_equal(w->nsent, 1);
	assert_int_equal(w->sent[0]->pkt_len, 14 + 20 + 1008);
	rte_pktmbuf_free(whole);
}

static void test_net_frag__data_behind_the_end_fills_no_hole(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *whole = whole4(w), *longer = frame_tcp(w, PEER_IP, OUR_IP, 4000, 6379, RTE_TCP_ACK_FLAG, 1400);
	for (uint16_t first = 0; first < 2; first++) {
		for (uint16_t i = 0; i < 2; i++)
			assert_null(world_input(w, i == first ? piece(w, whole, first, 800, 220)
							      : piece(w, longer, first, 1024, 200)));
		assert_int_equal(net_counters(w->net)->frag_bad, first + 1);
		/* As many bytes as the whole has, but 600 to 800. */
		assert_null(world_input(w, piece(w, whole, first, 0, 400)));
		assert_null(world_input(w, piece(w, whole, first, 400, 200)));
	}
	assert_int_equal(net_counters(w->net)->frag_done, 0);
	rte_pktmbuf_free(whole);
	rte_pktmbuf_free(longer);
}

/* RFC 5722 */
static void test_net_frag__overlap_ends_the_datagram(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *whole = whole4(w);
	assert_null(world_input(w, piece(w, whole, 1, 0, 512)));
	assert_null(world_input(w, piece(w, whole, 1, 504, 516)));
	assert_int_equal(net_counters(w->net)->frag_bad, 1);
	assert_null(world_input(w, piece(w, whole, 1, 512, 508)));
	assert_int_equal(net_counters(w->net)->frag_done, 0);
	rte_pktmbuf_free(whole);
}

static void test_net_frag__impossible_fragments_are_refused(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *whole = whole4(w), *m;
	m = piece(w, whole, 1, 0, 401); /* not a multiple of 8, more to come */
	assert_null(world_input(w, m));
	m = piece(w, whole, 2, 0, 400);
	frame_ip(m)->fragment_offset = RTE_BE16(0x1fff); /* the end lies beyond 64 KiB */
	ip_checksum(m);
	assert_null(world_input(w, m));
	m = piece(w, whole, 3, 0, 0);
	assert_null(world_input(w, m));
	assert_null(world_input(w, piece(w, whole, 4, 800, 220))); /* the end at 1020 */
	m = piece(w, whole, 4, 0, 800);
	frame_ip(m)->fragment_offset = RTE_BE16(1024 / 8); /* another end */
	ip_checksum(m);
	assert_null(world_input(w, m));
	assert_int_equal(net_counters(w->net)->frag_bad, 4);
	assert_int_equal(net_counters(w->net)->frag_done, 0);
	rte_pktmbuf_free(whole);
}

static void test_net_frag__too_many_pieces_are_refused(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *whole = whole4(w);
	for (uint16_t i = 0; i < 5; i++)
		assert_null(world_input(w, piece(w, whole, 1, i * 8, 8)));
	assert_int_equal(net_counters(w->net)->frag_bad, 1);
	rte_pktmbuf_free(whole);
}

static void test_net_frag__memory_is_bounded(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *whole = whole4(w);
	unsigned before = rte_mempool_avail_count(w->pool);
	for (uint16_t i = 0; i < 500; i++)
		assert_null(world_input(w, piece(w, whole, i, 0, 512)));
	assert_true(before - rte_mempool_avail_count(w->pool) <= 8);
	assert_true(net_counters(w->net)->frag_evicted >= 492);
	rte_pktmbuf_free(whole);
}

static void test_net_frag__incomplete_times_out(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *whole = whole4(w);
	assert_null(world_input(w, piece(w, whole, 1, 0, 512)));
	world_advance(w, 999000);
	assert_int_equal(net_counters(w->net)->frag_timeout, 0);
	world_advance(w, 1000);
	assert_int_equal(net_counters(w->net)->frag_timeout, 1);
	rte_pktmbuf_free(whole);
}

/* RFC 3168, 5.3 */
static void test_net_frag__congestion_mark_survives(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *whole = whole4(w), *m;
	frame_ip(whole)->type_of_service = 2;
	assert_null(world_input(w, piece(w, whole, 1, 0, 512)));
	frame_ip(whole)->type_of_service = 3;
	m = world_input(w, piece(w, whole, 1, 512, 508));
	assert_non_null(m);
	assert_int_equal(rte_pktmbuf_mtod(m, const uint8_t *)[-20 + 1] & 3, 3);
	rte_pktmbuf_free(m);
	assert_null(world_input(w, piece(w, whole, 2, 0, 512)));
	frame_ip(whole)->type_of_service = 0;
	assert_null(world_input(w, piece(w, whole, 2, 512, 508)));
	assert_int_equal(net_counters(w->net)->frag_bad, 1);
	rte_pktmbuf_free(whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_net_frag__any_order_makes_the_whole),
		T(test_net_frag__datagrams_do_not_mix),
		T(test_net_frag__ipv6),
		T(test_net_frag__ipv6_next_headers_may_differ),
		T(test_net_frag__ping_is_answered),
		T(test_net_frag__data_behind_the_end_fills_no_hole),
		T(test_net_frag__overlap_ends_the_datagram),
		T(test_net_frag__impossible_fragments_are_refused),
		T(test_net_frag__too_many_pieces_are_refused),
		T(test_net_frag__memory_is_bounded),
		T(test_net_frag__incomplete_times_out),
		T(test_net_frag__congestion_mark_survives),
	};
	return cmocka_run_group_tests(tests, world_group_setup, world_group_teardown);
}
