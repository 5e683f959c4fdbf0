/* Frames of several buffers: trains that the device cuts, values attached instead of copied, and whom to trust. */
#include "peer.h"

#define MSS 1460u

static struct peer P;
static struct heap *heap;
static struct blob *value;

static int setup_with(uint16_t mtu)
{
	struct err e;

	peer_params(&P);
	P.p.lower.mtu = mtu;
	P.p.lower.ext_bufs = true;
	P.p.lower.train_bytes = 8000;
	P.p.lower.train_bufs = 16;
	peer_start(&P);
	heap = heap_create(&(struct heap_params){"test", 4 << 20, 0}, &e);
	value = blob_create(heap, 100000);
	for (uint32_t i = 0; i < 100000; i++)
		value->data[i] = (char)(i * 7 + i / 1460);
	return 0;
}

static int setup(void **state)
{
	return setup_with(0);
}

static int setup_wide(void **state)
{
	return setup_with(1900);
}

static int teardown(void **state)
{
	struct heap_stats hs;

	peer_stop(&P);
	blob_unref(value, heap);
	heap_poll(heap, UINT32_MAX);
	heap_stats_get(heap, &hs);
	assert_int_equal(hs.blocks, 0);
	heap_destroy(heap);
	return 0;
}

static void attach(size_t len, uint32_t taken)
{
	assert_int_equal(tcp_send_blob(P.c, value, 0, len), taken);
	tcp_poll_output(P.t);
}

static struct peer_seg *expect_frame(uint32_t seq, uint32_t len, uint16_t tso)
{
	struct peer_seg *s = peer_expect(&P, ACK);

	assert_int_equal(s->seq, seq);
	assert_int_equal(s->len, len);
	assert_int_equal(s->tso, tso);
	return s;
}

static void ack(uint32_t isn, uint32_t off)
{
	peer_inject(&P, ACK, PEER_ISN + 1, isn + 1 + off, NULL, 0);
}

static void sack(uint32_t isn, uint32_t off, uint32_t from, uint32_t to)
{
	uint8_t opt[12] = {1, 1, 5, 10};
	struct rte_mbuf *m = buf_alloc(P.pool);
	uint8_t *ip = (uint8_t *)rte_pktmbuf_append(m, 20);
	struct rte_tcp_hdr *h = (struct rte_tcp_hdr *)rte_pktmbuf_append(m, sizeof(*h));
	uint32_t edge[2] = {rte_cpu_to_be_32(isn + 1 + from), rte_cpu_to_be_32(isn + 1 + to)};

	memset(ip, 0, 20);
	ip[0] = 0x45;
	memcpy(ip + 12, (uint8_t[]){10, 0, 0, 2, 10, 0, 0, 1}, 8);
	*h = (struct rte_tcp_hdr){.src_port = rte_cpu_to_be_16(PEER_PORT),
				  .dst_port = rte_cpu_to_be_16(LOCAL_PORT),
				  .sent_seq = rte_cpu_to_be_32(PEER_ISN + 1),
				  .recv_ack = rte_cpu_to_be_32(isn + 1 + off),
				  .data_off = 8 << 4,
				  .tcp_flags = ACK,
				  .rx_win = rte_cpu_to_be_16(60000)};
	memcpy(opt + 4, edge, 8);
	memcpy(rte_pktmbuf_append(m, sizeof(opt)), opt, sizeof(opt));
	rte_pktmbuf_adj(m, 20);
	m->l3_len = 20;
	tcp_input_burst(P.t, &m, 1);
	tcp_poll_output(P.t);
}

static uint32_t establish_with_sack(void)
{
	peer_inject_from(&P, PEER_PORT, SYN, PEER_ISN, 0, 60000,
			 &(struct tcp_opts){.has = TCP_OPT_HAS_MSS | TCP_OPT_HAS_SACK_OK, .mss = 1460}, NULL, 0);
	uint32_t isn = peer_expect(&P, SYN | ACK)->seq;
	ack(isn, 0);
	return isn;
}

static void test_tcp_frame__train_is_full_segments(void **state)
{
	uint32_t isn = peer_establish(&P);

	attach(10 * MSS + 100, 10 * MSS); /* what is no full segment is for the caller to copy */
	struct peer_seg *s = expect_frame(isn + 1, 5 * MSS, MSS);
	assert_memory_equal(s->data, value->data, sizeof(s->data));
	s = expect_frame(isn + 1 + 5 * MSS, 5 * MSS, MSS);
	assert_memory_equal(s->data, value->data + 5 * MSS, sizeof(s->data));
	peer_expect_silence(&P);
	assert_int_equal(tcp_counters(P.t)->trains_out, 2);
	assert_int_equal(tcp_counters(P.t)->tx_copies, 0);
}

static void test_tcp_frame__copied_buffers_make_a_train(void **state)
{
	uint32_t isn = peer_establish(&P);

	for (int i = 0; i < 4; i++)
		peer_send(&P, value->data + i * MSS, i < 3 ? MSS : 100);
	tcp_poll_output(P.t);
	assert_int_equal(expect_frame(isn + 1, 3 * MSS + 100, MSS)->bufs, 4);
	assert_int_equal(tcp_counters(P.t)->tx_copies, 0);
	ack(isn, 3 * MSS + 100);
	assert_int_equal(tcp_unacked(P.c), 0);
}

/* As where another connection has found the path to be narrow: the interface has 1900, paths begin with 1500. */
static void test_tcp_frame__a_path_that_began_narrow_is_probed(void **state)
{
	peer_inject_from(&P, PEER_PORT, SYN, PEER_ISN, 0, 60000,
			 &(struct tcp_opts){.has = TCP_OPT_HAS_MSS | TCP_OPT_HAS_SACK_OK, .mss = 1860}, NULL, 0);
	uint32_t isn = peer_expect(&P, SYN | ACK)->seq;
	ack(isn, 0);
	attach(2 * MSS, 2 * MSS);
	expect_frame(isn + 1, 2 * MSS, MSS);
	ack(isn, 2 * MSS);
	peer_advance(&P, 600000000);
	attach(5 * MSS, 5 * MSS);
	expect_frame(isn + 1 + 2 * MSS, 1860, 0);
	expect_frame(isn + 1 + 2 * MSS + 1860, 5 * MSS - 1860, MSS);
	ack(isn, 7 * MSS);
	assert_int_equal(tcp_mss(P.c), 1860);
	assert_int_equal(tcp_counters(P.t)->pmtu_raises, 1);
}

static void test_tcp_frame__window_bounds_a_train(void **state)
{
	uint32_t isn = peer_establish(&P);

	peer_inject_wnd(&P, ACK, PEER_ISN + 1, isn + 1, 3 * MSS + 500);
	attach(10 * MSS, 10 * MSS);
	expect_frame(isn + 1, 3 * MSS, MSS);
	peer_expect_silence(&P);
}

static void test_tcp_frame__sack_inside_of_a_train(void **state)
{
	uint32_t isn = establish_with_sack();

	attach(5 * MSS, 5 * MSS);
	expect_frame(isn + 1, 5 * MSS, MSS);
	sack(isn, 0, 2 * MSS, 5 * MSS); /* the first two are missing */
	peer_advance(&P, 1000);
	for (uint32_t i = 0; i < 2; i++) {
		struct peer_seg *s = expect_frame(isn + 1 + i * MSS, MSS, 0);
		assert_true(s->soft);
		assert_memory_equal(s->data, value->data + i * MSS, MSS);
	}
	peer_expect_silence(&P);
	assert_int_equal(tcp_counters(P.t)->retransmits, 2);
	assert_int_equal(tcp_counters(P.t)->tx_copies, 0);
	ack(isn, 5 * MSS);
	assert_int_equal(tcp_unacked(P.c), 0);
}

static void test_tcp_frame__resent_while_the_device_holds_it(void **state)
{
	uint32_t isn = establish_with_sack();

	P.hold = true;
	attach(2 * MSS, 2 * MSS);
	expect_frame(isn + 1, 2 * MSS, MSS);
	sack(isn, 0, MSS, 2 * MSS);
	peer_advance(&P, 300000);
	struct peer_seg *s = expect_frame(isn + 1, MSS, 0);
	assert_memory_equal(s->data, value->data, MSS);
	assert_int_equal(tcp_counters(P.t)->tx_copies, 0);
}

static void test_tcp_frame__value_outlives_its_owner(void **state)
{
	uint32_t isn = peer_establish(&P);
	struct blob *b = blob_create(heap, 20000);

	P.hold = true;
	assert_int_equal(tcp_send_blob(P.c, b, 0, 2 * MSS), 2 * MSS);
	blob_unref(b, heap); /* overwritten meanwhile */
	tcp_poll_output(P.t);
	expect_frame(isn + 1, 2 * MSS, MSS);
	assert_int_equal(b->refcnt, 1);
	tcp_abort(P.c); /* and then only the device has it */
	assert_int_equal(b->refcnt, 1);
	peer_release_held(&P);
}

static void test_tcp_frame__nothing_attached_where_it_cannot_be_sent(void **state)
{
	P.t->p.lower.ext_bufs = false;
	peer_establish(&P);
	assert_int_equal(tcp_send_blob(P.c, value, 0, 50000), 0);
	P.t->p.lower.ext_bufs = true;
	assert_int_equal(tcp_send_blob(P.c, value, 0, MSS - 1), 0);
	tcp_close(P.c);
	assert_int_equal(tcp_send_blob(P.c, value, 0, 50000), 0);
}

static void test_tcp_frame__no_buffer_is_no_loss(void **state)
{
	struct rte_mbuf *all[512];
	uint32_t isn = peer_establish(&P), n = 0;

	attach(0, 0);
	assert_int_equal(tcp_send_blob(P.c, value, 0, 4 * MSS), 4 * MSS);
	while ((all[n] = rte_pktmbuf_alloc(P.pool)) != NULL)
		n++;
	tcp_poll_output(P.t);
	peer_expect_silence(&P);
	rte_pktmbuf_free_bulk(all, n);
	tcp_poll_output(P.t);
	expect_frame(isn + 1, 4 * MSS, MSS);
}

/* The device spoils what it cuts: only repetitions, made in software, get through. */
static void test_tcp_frame__trains_that_never_arrive_are_given_up(void **state)
{
	uint32_t isn = peer_establish(&P), off = 0;

	attach(4 * MSS, 4 * MSS);
	expect_frame(isn + 1, 4 * MSS, MSS);
	while (off < 4 * MSS) {
		while (P.nsegs == P.taken)
			peer_advance(&P, 1000);
		struct peer_seg *s = peer_expect(&P, ACK);
		assert_true(s->soft && s->len == MSS && s->tso == 0);
		off = s->seq + s->len - isn - 1;
		P.taken = P.nsegs;
		ack(isn, off);
	}
	assert_int_equal(tcp_unacked(P.c), 0);
	P.taken = P.nsegs;
	assert_int_equal(P.said_right, 0);
	assert_int_equal(P.said_wrong, 2); /* and then no more */
	attach(3 * MSS, 3 * MSS);
	expect_frame(isn + 1 + off, MSS, 0);
}

static void test_tcp_frame__one_train_that_arrives_is_proof(void **state)
{
	uint32_t isn = peer_establish(&P);

	attach(2 * MSS, 2 * MSS);
	ack(isn, 2 * MSS);
	assert_int_equal(P.said_right, 0); /* too short to tell */
	attach(4 * MSS, 4 * MSS);
	ack(isn, 3 * MSS); /* some of it is enough */
	ack(isn, 6 * MSS);
	assert_int_equal(P.said_right, 1);
	attach(4 * MSS, 4 * MSS);
	ack(isn, 10 * MSS);
	assert_int_equal(P.said_right, 1); /* said once */
	assert_int_equal(P.said_wrong, 0);
}

static void test_tcp_frame__new_data_waits_for_room_below(void **state)
{
	uint32_t isn = peer_establish(&P);

	P.t->tx_room = 0;
	assert_int_equal(tcp_send_blob(P.c, value, 0, 2 * MSS), 2 * MSS);
	bool done;
	tcp_output_conn(P.c, &done);
	assert_false(done);
	peer_expect_silence(&P);
	tcp_poll_output(P.t); /* looks again */
	expect_frame(isn + 1, 2 * MSS, MSS);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_tcp_frame__train_is_full_segments),
		T(test_tcp_frame__copied_buffers_make_a_train),
		cmocka_unit_test_setup_teardown(test_tcp_frame__a_path_that_began_narrow_is_probed, setup_wide,
						teardown),
		T(test_tcp_frame__window_bounds_a_train),
		T(test_tcp_frame__sack_inside_of_a_train),
		T(test_tcp_frame__resent_while_the_device_holds_it),
		T(test_tcp_frame__value_outlives_its_owner),
		T(test_tcp_frame__nothing_attached_where_it_cannot_be_sent),
		T(test_tcp_frame__no_buffer_is_no_loss),
		T(test_tcp_frame__trains_that_never_arrive_are_given_up),
		T(test_tcp_frame__one_train_that_arrives_is_proof),
		T(test_tcp_frame__new_data_waits_for_room_below),
	};

	peer_eal("test_tcp_frame");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
