/* Data: reassembly, windows, loss recovery, buffers. */
#include "peer.h"

static struct peer P;
static const uint8_t zeros[1460];

static int setup(void **state)
{
	peer_params(&P);
	peer_start(&P);
	return 0;
}

static int teardown(void **state)
{
	peer_stop(&P);
	return 0;
}

static void inject_at(uint32_t isn, uint32_t off, const char *text)
{
	peer_inject(&P, ACK, PEER_ISN + 1 + off, isn + 1, text, (uint32_t)strlen(text));
}

static void expect_stream(const char *text)
{
	assert_int_equal(P.ngot, strlen(text));
	assert_memory_equal(P.got, text, strlen(text));
}

static void test_tcp_reass__hole_is_filled(void **state)
{
	uint32_t isn = peer_establish(&P);

	inject_at(isn, 3, "def");
	assert_int_equal(peer_expect(&P, ACK)->ack, PEER_ISN + 1); /* duplicate ACK, at once */
	assert_int_equal(P.ngot, 0);
	inject_at(isn, 0, "abc");
	expect_stream("abcdef");
	assert_int_equal(peer_expect(&P, ACK)->ack, PEER_ISN + 7);
}

static void test_tcp_reass__overlap_left(void **state)
{
	uint32_t isn = peer_establish(&P);

	inject_at(isn, 2, "cdef");
	inject_at(isn, 4, "XXghi"); /* what was there first stays */
	inject_at(isn, 0, "ab");
	expect_stream("abcdefghi");
}

static void test_tcp_reass__overlap_right(void **state)
{
	uint32_t isn = peer_establish(&P);

	inject_at(isn, 6, "ghi");
	inject_at(isn, 4, "efXX");
	inject_at(isn, 0, "abcd");
	expect_stream("abcdefghi");
}

static void test_tcp_reass__big_swallows_small(void **state)
{
	uint32_t isn = peer_establish(&P);

	inject_at(isn, 3, "x");
	inject_at(isn, 5, "y");
	inject_at(isn, 2, "cdefgh");
	inject_at(isn, 4, "zz"); /* wholly inside */
	assert_int_equal(P.c->ooo_bytes, 6);
	inject_at(isn, 0, "ab");
	expect_stream("abcdefgh");
	assert_int_equal(P.c->ooo_bytes, 0);
	assert_int_equal(P.c->ooo_bufs, 0);
}

static void test_tcp_reass__in_order_data_overlaps_the_queue(void **state)
{
	uint32_t isn = peer_establish(&P);

	inject_at(isn, 3, "def");
	inject_at(isn, 0, "abcdeXghi");
	expect_stream("abcdeXghi");
	assert_int_equal(P.c->ooo_bufs, 0);
}

static void test_tcp_reass__crumbs_share_a_buffer(void **state)
{
	uint32_t isn = peer_establish(&P);

	for (uint32_t i = 1; i < 200; i++)
		inject_at(isn, i, "z");
	assert_int_equal(P.c->ooo_bufs, 1);
	assert_int_equal(tcp_counters(P.t)->ooo_merged, 198);
	inject_at(isn, 0, "a");
	assert_int_equal(P.ngot, 200);
}

static void test_tcp_reass__buffers_are_bounded(void **state)
{
	uint32_t isn = peer_establish(&P);

	P.t->ooo_bufs_max = 20;
	for (uint32_t i = 0; i < 300; i++) { /* nothing is contiguous */
		inject_at(isn, 1 + 2 * i, "z");
		P.nsegs = P.taken = 0;
	}
	assert_int_equal(P.c->ooo_bufs, P.t->ooo_bufs_max);
	assert_true(tcp_counters(P.t)->drop_ooo_limit > 0);
}

/* Gaps alone, from one port after the other. */
static uint32_t leave_gaps(uint16_t port, uint32_t n)
{
	peer_inject_from(&P, port, SYN, PEER_ISN, 0, 60000, NULL, NULL, 0);
	uint32_t isn = P.seg[P.nsegs - 1].seq;
	peer_inject_from(&P, port, ACK, PEER_ISN + 1, isn + 1, 60000, NULL, NULL, 0);
	for (uint32_t i = 0; i < n; i++)
		peer_inject_from(&P, port, ACK, PEER_ISN + 2 + 2 * i, isn + 1, 60000, NULL, "z", 1);
	peer_advance(&P, 2000);
	P.nsegs = P.taken = 0;
	return isn;
}

static void test_tcp_reass__many_peers_with_gaps_leave_buffers_to_others(void **state)
{
	peer_stop(&P);
	P.p.max_conns = P.p.max_syn = 128;
	peer_start(&P);
	for (uint16_t i = 0; i < 100; i++)
		leave_gaps(PEER_PORT + i, 120);
	assert_true(rte_mempool_avail_count(P.pool) > P.pool->size / 64);
	assert_true(tcp_counters(P.t)->drop_ooo_limit > 0);
	P.accepted = P.ngot = 0;
	uint32_t isn = leave_gaps(PEER_PORT + 100, 0); /* who leaves none is served */
	peer_inject_from(&P, PEER_PORT + 100, ACK, PEER_ISN + 1, isn + 1, 60000, NULL, "abc", 3);
	expect_stream("abc");
}

static void test_tcp_reass__is_given_back_when_buffers_are_few(void **state)
{
	struct rte_mbuf *hog[420];
	struct tcp_opts o = {.has = TCP_OPT_HAS_MSS | TCP_OPT_HAS_SACK_OK, .mss = 1460};

	peer_inject_from(&P, PEER_PORT, SYN, PEER_ISN, 0, 60000, &o, NULL, 0);
	uint32_t isn = peer_expect(&P, SYN | ACK)->seq;
	peer_inject(&P, ACK, PEER_ISN + 1, isn + 1, NULL, 0);
	for (uint32_t i = 0; i < 40; i++)
		inject_at(isn, 1 + 2 * i, "z");
	assert_int_equal(P.c->ooo_bufs, 40);
	for (uint32_t i = 0; i < RP_ARRAY_LEN(hog); i++)
		assert_non_null(hog[i] = buf_alloc(P.pool));
	peer_advance(&P, 2000);
	assert_int_equal(P.c->ooo_bufs, 0);
	assert_int_equal(tcp_counters(P.t)->drop_ooo_low, 40);
	rte_pktmbuf_free_bulk(hog, RP_ARRAY_LEN(hog));
	P.nsegs = P.taken = 0;
	inject_at(isn, 0, "abc"); /* what is behind that has to come again */
	expect_stream("abc");
	struct peer_seg *s = peer_expect(&P, ACK);
	assert_int_equal(s->ack, PEER_ISN + 4);
	assert_int_equal(s->opts.nblocks, 0);
}

static void test_tcp_reass__what_covers_others_takes_their_place(void **state)
{
	uint32_t isn = peer_establish(&P);

	inject_at(isn, 3, "x");
	inject_at(isn, 5, "y");
	P.t->bufs_free = 0; /* no more is kept */
	inject_at(isn, 8, "z");
	assert_int_equal(tcp_counters(P.t)->drop_ooo_limit, 1);
	inject_at(isn, 2, "cd");
	assert_int_equal(P.c->ooo_bytes, 3);
	inject_at(isn, 2, "cdefgh");
	assert_int_equal(P.c->ooo_bytes, 6);
	inject_at(isn, 0, "ab");
	expect_stream("abcdefgh");
}

static void test_tcp_reass__fin_waits_for_its_data(void **state)
{
	uint32_t isn = peer_establish(&P);

	peer_inject(&P, FIN | ACK, PEER_ISN + 4, isn + 1, "def", 3);
	assert_int_equal(P.peer_closed, 0);
	inject_at(isn, 0, "abc");
	expect_stream("abcdef");
	assert_int_equal(P.peer_closed, 1);
	assert_string_equal(tcp_state_name(P.c), "CLOSE-WAIT");
}

static void test_tcp_rcv__old_bytes_are_trimmed(void **state)
{
	uint32_t isn = peer_establish(&P);

	inject_at(isn, 0, "abc");
	inject_at(isn, 1, "bcd");
	inject_at(isn, 0, "abc"); /* nothing new: only an ACK */
	expect_stream("abcd");
	assert_int_equal(tcp_counters(P.t)->dup_in, 1);
}

static void test_tcp_rcv__window_closes_and_reopens(void **state)
{
	uint32_t isn = peer_establish(&P), sent = 0;

	P.consume = false;
	while (sent < 64000) {
		uint32_t n = RP_MIN(1460u, 64000 - sent);
		peer_inject(&P, ACK, PEER_ISN + 1 + sent, isn + 1, zeros, n);
		sent += n;
	}
	peer_advance(&P, 10000);
	struct peer_seg *s, *last = NULL;
	while ((s = peer_next(&P)) != NULL)
		last = s;
	assert_int_equal(last->wnd, 0);
	assert_int_equal(last->ack, PEER_ISN + 1 + 64000);
	peer_inject(&P, ACK, PEER_ISN + 1 + sent, isn + 1, "x", 1); /* beyond the window */
	assert_int_equal(P.ngot, 64000);
	assert_int_equal(peer_expect(&P, ACK)->ack, PEER_ISN + 1 + 64000);
	tcp_rx_consumed(P.c, 1000); /* less than it is worth telling */
	tcp_poll_output(P.t);
	peer_expect_silence(&P);
	tcp_rx_consumed(P.c, 2000);
	tcp_poll_output(P.t);
	assert_int_equal(peer_expect(&P, ACK)->wnd, 3000);
}

static void test_tcp_snd__zero_window_is_probed(void **state)
{
	uint32_t isn = peer_establish(&P);

	peer_inject_wnd(&P, ACK, PEER_ISN + 1, isn + 1, 0);
	peer_send(&P, "data", 4);
	tcp_poll_output(P.t);
	peer_expect_silence(&P);
	for (int i = 0; i < 20; i++) { /* a closed window is no reason to give up while the peer answers */
		peer_advance(&P, 10000000);
		struct peer_seg *s = peer_expect(&P, ACK);
		assert_int_equal(s->seq, isn);
		assert_int_equal(s->len, 0);
		while (peer_next(&P) != NULL)
			;
		peer_inject_wnd(&P, ACK, PEER_ISN + 1, isn + 1, 0);
	}
	assert_int_equal(P.closed, 0);
	peer_inject_wnd(&P, ACK, PEER_ISN + 1, isn + 1, 1000);
	assert_int_equal(peer_expect(&P, ACK)->len, 4);
	peer_inject(&P, ACK, PEER_ISN + 1, isn + 5, NULL, 0);
	assert_int_equal(tcp_unacked(P.c), 0);
}

static void test_tcp_snd__probes_without_answer_give_up(void **state)
{
	uint32_t isn = peer_establish(&P);

	peer_inject_wnd(&P, ACK, PEER_ISN + 1, isn + 1, 0);
	peer_send(&P, "data", 4);
	peer_advance(&P, 60000000);
	assert_int_equal(P.closed, 1);
	assert_int_equal(P.why, TCP_CLOSED_TIMEOUT);
}

static void test_tcp_snd__silly_window_is_avoided(void **state)
{
	uint32_t isn = peer_establish(&P);

	peer_inject_wnd(&P, ACK, PEER_ISN + 1, isn + 1, 10);
	peer_send(&P, zeros, 1000);
	tcp_poll_output(P.t);
	peer_expect_silence(&P);
	peer_advance(&P, 60000); /* the override timer: better little than nothing */
	assert_int_equal(peer_expect(&P, ACK)->len, 10);
}

static void test_tcp_snd__window_scale_is_applied(void **state)
{
	tcp_destroy(P.t);
	P.p.window_scale = true;
	P.p.rcv_buf = 1 << 20;
	peer_start(&P);
	peer_inject_from(&P, PEER_PORT, SYN, PEER_ISN, 0, 5,
			 &(struct tcp_opts){.has = TCP_OPT_HAS_WSCALE | TCP_OPT_HAS_MSS, .wscale = 8, .mss = 1460},
			 NULL, 0);
	struct peer_seg *s = peer_expect(&P, SYN | ACK);
	assert_int_equal(s->opts.wscale, 5);
	assert_int_equal(s->wnd, 65535); /* a SYN's window is not scaled */
	peer_inject_wnd(&P, ACK, PEER_ISN + 1, s->seq + 1, 8);
	for (int i = 0; i < 4; i++)
		peer_send(&P, zeros, 1000);
	tcp_poll_output(P.t);
	uint32_t sent = 0;
	for (struct peer_seg *d; (d = peer_next(&P)) != NULL;) {
		sent += d->len;
		assert_int_equal(d->wnd, TCP_RCV_BUF_BASE >> 5); /* what a short path begins and ends with */
	}
	assert_int_equal(sent, 2000); /* of 8 << 8; the rest would be silly */
}

static void test_tcp_paws__old_timestamp_is_dropped(void **state)
{
	struct tcp_opts o = {.has = TCP_OPT_HAS_TS, .tsval = 0xfffffff0};

	tcp_destroy(P.t);
	P.p.timestamps = true;
	peer_start(&P);
	peer_inject_from(&P, PEER_PORT, SYN, PEER_ISN, 0, 60000, &o, NULL, 0);
	struct peer_seg *s = peer_expect(&P, SYN | ACK);
	assert_int_equal(s->opts.tsecr, 0xfffffff0);
	uint32_t isn = s->seq;
	o.tsval = 5; /* later, across the wrap */
	peer_inject_from(&P, PEER_PORT, ACK, PEER_ISN + 1, isn + 1, 60000, &o, "ab", 2);
	assert_int_equal(P.ngot, 2);
	o.tsval = 0xfffffff8;
	peer_inject_from(&P, PEER_PORT, ACK, PEER_ISN + 3, isn + 1, 60000, &o, "cd", 2);
	assert_int_equal(P.ngot, 2);
	assert_int_equal(tcp_counters(P.t)->drop_paws, 1);
	P.now.mono_us += TCP_PAWS_IDLE_US + 1; /* RFC 7323 5.5: nothing is older than 24 days */
	tcp_set_now(P.t, &P.now);
	peer_inject_from(&P, PEER_PORT, ACK, PEER_ISN + 3, isn + 1, 60000, &o, "cd", 2);
	assert_int_equal(P.ngot, 4);
}

/* Sends n full segments and takes them from the record. */
static void send_train(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		peer_send(&P, zeros, 1460);
	tcp_poll_output(P.t);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(peer_expect(&P, ACK)->len, 1460);
}

static void test_tcp_loss__three_duplicates_retransmit(void **state)
{
	uint32_t isn = peer_establish(&P);

	send_train(8);
	for (int i = 0; i < 2; i++)
		peer_inject(&P, ACK, PEER_ISN + 1, isn + 1, NULL, 0);
	peer_expect_silence(&P);
	peer_inject(&P, ACK, PEER_ISN + 1, isn + 1, NULL, 0);
	assert_int_equal(peer_expect(&P, ACK)->seq, isn + 1);
	assert_int_equal(tcp_counters(P.t)->fast_retransmits, 1);
	peer_inject(&P, ACK, PEER_ISN + 1, isn + 1 + 2 * 1460, NULL, 0); /* partial: the third is missing too */
	assert_int_equal(peer_expect(&P, ACK)->seq, isn + 1 + 2 * 1460);
	peer_inject(&P, ACK, PEER_ISN + 1, isn + 1 + 8 * 1460, NULL, 0);
	assert_false(P.c->flags & TCP_F_RECOVERY);
	assert_int_equal(tcp_unacked(P.c), 0);
	assert_int_equal(P.c->in_flight, 0);
}

static void test_tcp_loss__fast_retransmit_works_after_gigabytes(void **state)
{
	uint32_t isn = peer_establish(&P), una = isn + 1;

	for (int i = 0; i < 3; i++) { /* as if 1 GiB had gone by, three times */
		P.c->snd_una += 1u << 30;
		P.c->snd_nxt = P.c->snd_end = una = P.c->snd_una;
		send_train(1);
		una += 1460;
		peer_inject(&P, ACK, PEER_ISN + 1, una, NULL, 0);
	}
	send_train(8);
	for (int i = 0; i < 3; i++)
		peer_inject(&P, ACK, PEER_ISN + 1, una, NULL, 0);
	assert_int_equal(peer_expect(&P, ACK)->seq, una);
}

static void test_tcp_snd__window_updates_after_gigabytes_received(void **state)
{
	uint32_t isn = peer_establish(&P), seq = PEER_ISN + 1;

	for (int i = 0; i < 3; i++) {
		seq += 1u << 30;
		P.c->rcv_nxt = P.c->rcv_acked = seq;
		P.c->rcv_adv = seq + 60000;
		peer_inject(&P, ACK, seq++, isn + 1, "x", 1);
	}
	peer_inject_wnd(&P, ACK, seq, isn + 1, 123);
	assert_int_equal(P.c->snd_wnd, 123);
}

static void test_tcp_loss__limited_transmit(void **state)
{
	uint32_t isn = peer_establish(&P);

	for (int i = 0; i < 14; i++)
		peer_send(&P, zeros, 1460);
	tcp_poll_output(P.t);
	for (int i = 0; i < 10; i++) /* RFC 6928 */
		peer_expect(&P, ACK);
	peer_expect_silence(&P);
	peer_inject(&P, ACK, PEER_ISN + 1, isn + 1, NULL, 0);
	assert_int_equal(peer_expect(&P, ACK)->seq, isn + 1 + 10 * 1460);
	peer_inject(&P, ACK, PEER_ISN + 1, isn + 1, NULL, 0);
	assert_int_equal(peer_expect(&P, ACK)->seq, isn + 1 + 11 * 1460);
	peer_expect_silence(&P);
}

static void test_tcp_loss__timeout_resends_from_the_start(void **state)
{
	uint32_t isn = peer_establish(&P);

	send_train(4);
	peer_advance(&P, 10000);
	assert_int_equal(peer_expect(&P, ACK)->seq, isn + 1);
	peer_expect_silence(&P); /* cwnd is one segment */
	assert_int_equal(tcp_counters(P.t)->rtos, 1);
	peer_inject(&P, ACK, PEER_ISN + 1, isn + 1 + 1460, NULL, 0);
	assert_int_equal(peer_expect(&P, ACK)->seq, isn + 1 + 1460);
	assert_int_equal(peer_expect(&P, ACK)->seq, isn + 1 + 2 * 1460);
}

static void test_tcp_snd__long_buffers_are_split(void **state)
{
	uint32_t isn = peer_establish(&P);
	uint8_t data[2048];

	for (uint32_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	peer_send(&P, data, sizeof(data));
	tcp_poll_output(P.t);
	struct peer_seg *a = peer_expect(&P, ACK), *b = peer_expect(&P, ACK);
	assert_int_equal(a->len, 1460);
	assert_memory_equal(a->data, data, 1460);
	assert_int_equal(b->seq, isn + 1 + 1460);
	assert_memory_equal(b->data, data + 1460, 2048 - 1460);
}

static void test_tcp_snd__small_sends_share_a_segment(void **state)
{
	peer_establish(&P);
	peer_send(&P, "+OK\r\n", 5);
	peer_send(&P, ":1\r\n", 4);
	tcp_poll_output(P.t);
	struct peer_seg *s = peer_expect(&P, ACK);
	assert_int_equal(s->len, 9);
	assert_memory_equal(s->data, "+OK\r\n:1\r\n", 9);
	peer_expect_silence(&P);
}

static void test_tcp_snd__held_buffer_is_copied(void **state)
{
	uint32_t isn = peer_establish(&P);

	P.hold = true;
	peer_send(&P, "abcdef", 6);
	tcp_poll_output(P.t);
	peer_expect(&P, ACK);
	peer_inject(&P, ACK, PEER_ISN + 1, isn + 3, NULL, 0); /* two of six bytes */
	uint64_t copies = tcp_counters(P.t)->tx_copies;
	peer_advance(&P, 60000);
	struct peer_seg *s = peer_expect(&P, ACK);
	assert_int_equal(s->seq, isn + 3);
	assert_memory_equal(s->data, "cdef", 4);
	assert_int_equal(tcp_counters(P.t)->tx_copies, copies + 1);
	peer_release_held(&P);
	P.hold = false;
	peer_advance(&P, 100000); /* nobody holds it any more: sent in place */
	assert_memory_equal(peer_expect(&P, ACK)->data, "cdef", 4);
	assert_int_equal(tcp_counters(P.t)->tx_copies, copies + 1);
}

static void test_tcp_snd__room_ends_and_returns(void **state)
{
	uint32_t isn = peer_establish(&P), sent = 0;

	while (tcp_send_room(P.c) > 0) {
		peer_send(&P, zeros, 1460);
		sent += 1460;
	}
	assert_int_equal(P.send_ready, 0);
	tcp_poll_output(P.t);
	peer_inject(&P, ACK, PEER_ISN + 1, isn + 1 + 1460 * 5, NULL, 0);
	assert_int_equal(P.send_ready, 1);
	assert_int_equal(tcp_unacked(P.c), sent - 1460 * 5);
}

/* A frame that left as one record: the peer may name segments of it, not make a buffer of every byte. */
static void test_tcp_sack__single_bytes_make_no_record_each(void **state)
{
	uint32_t isn = peer_establish(&P);

	P.c->flags |= TCP_F_SACK;
	peer_send(&P, zeros, 1460);
	tcp_poll_output(P.t);
	P.c->peer_mss = 200; /* the record is longer than a segment now */
	for (uint32_t at = 1; at < 1460; at += 2) {
		struct tcp_acked a = {0};
		struct tcp_seg s = {.ack = isn + 1, .opts = {.nblocks = 1}};
		s.opts.block[0] = (struct tcp_block){isn + 1 + at, isn + 2 + at};
		tcp_sack_blocks(P.c, &s, &a);
	}
	assert_in_range(P.c->snd_segs, 3, 40);
	assert_int_equal(tcp_unacked(P.c), 1460);
	P.c->flags &= ~TCP_F_SACK;
	peer_inject(&P, ACK, PEER_ISN + 1, isn + 1461, NULL, 0);
	assert_int_equal(P.c->snd_segs + P.c->sacked_segs, 0);
}

static void test_tcp_snd__small_segments_count_as_buffers(void **state)
{
	peer_establish(&P);
	peer_send(&P, zeros, 1460);
	assert_int_equal(tcp_send_bufs(P.c), 1);
	P.c->peer_mss = 73;
	assert_int_equal(tcp_send_bufs(P.c), 20); /* once it has been cut */
}

static int setup_large(void **state)
{
	peer_params(&P);
	P.p.rcv_buf = 4 << 20;
	peer_start(&P);
	return 0;
}

/* Whatever the peer's sequence numbers begin with. */
static void test_tcp_tune__first_round_trip_is_no_reason_to_grow(void **state)
{
	uint32_t first = 0xfff00000;

	peer_inject_from(&P, PEER_PORT, SYN, first, 0, 60000, NULL, NULL, 0);
	uint32_t isn = peer_expect(&P, SYN | ACK)->seq;
	peer_inject(&P, ACK, first + 1, isn + 1, NULL, 0);
	P.c->srtt_us = 500000;
	peer_advance(&P, 600000);
	peer_inject(&P, ACK, first + 1, isn + 1, zeros, 1000);
	assert_int_equal(P.ngot, 1000);
	assert_int_equal(tcp_counters(P.t)->rcv_grown, 0);
	peer_advance(&P, 600000);
	for (uint32_t n = 1000; n < 60000; n += 1000) /* a quarter of the window is not enough, this is less */
		peer_inject(&P, ACK, first + 1 + n, isn + 1, zeros, 1000);
	assert_int_equal(tcp_counters(P.t)->rcv_grown, 0);
}

/* However short the round trip: what comes in a millisecond is what two busy hosts pass to each other at a time. */
static void test_tcp_tune__a_fast_sender_on_a_short_path(void **state)
{
	uint32_t isn = peer_establish(&P), at = PEER_ISN + 1;
	struct {
		uint32_t us, segs, grown;
	} round[] = {{1000, 1, 0}, {999, 100, 0}, {1, 1, 2}, {1000, 100, 2}, {1100, 100, 2}, {1000, 1, 2}};

	P.c->srtt_us = P.c->min_rtt_us = 50;
	for (uint32_t i = 0; i < RP_ARRAY_LEN(round); i++) {
		peer_advance(&P, round[i].us);
		for (uint32_t n = 0; n < round[i].segs; n++, at += 1400) {
			peer_inject(&P, ACK, at, isn + 1, zeros, 1400);
			P.ngot = 0;
		}
		assert_int_equal(tcp_counters(P.t)->rcv_grown, round[i].grown);
	}
}

static void test_tcp_nomem__output_is_retried(void **state)
{
	struct rte_mbuf *hog[512];
	uint32_t n = 0;
	uint32_t isn = peer_establish(&P);
	uint8_t data[2000] = {1};

	peer_send(&P, data, sizeof(data)); /* must be split: needs a buffer */
	struct rte_mbuf *m;
	while ((m = rte_pktmbuf_alloc(P.pool)) != NULL)
		hog[n++] = m;
	tcp_poll_output(P.t);
	peer_expect_silence(&P);
	assert_true(tcp_counters(P.t)->no_mbuf > 0);
	rte_pktmbuf_free(hog[--n]);
	peer_inject_from(&P, 99, SYN, PEER_ISN, 0, 60000, NULL, NULL, 0);
	assert_int_equal(tcp_counters(P.t)->drop_syn_nomem, 1); /* new work is shed first */
	while (n > 0)
		rte_pktmbuf_free(hog[--n]);
	peer_advance(&P, 1000);
	uint32_t sent = 0;
	for (struct peer_seg *s; (s = peer_next(&P)) != NULL;)
		sent += s->len;
	assert_int_equal(sent, 2000);
	peer_inject(&P, ACK, PEER_ISN + 1, isn + 2001, NULL, 0);
	assert_int_equal(tcp_unacked(P.c), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_tcp_reass__hole_is_filled),
		T(test_tcp_reass__overlap_left),
		T(test_tcp_reass__overlap_right),
		T(test_tcp_reass__big_swallows_small),
		T(test_tcp_reass__in_order_data_overlaps_the_queue),
		T(test_tcp_reass__crumbs_share_a_buffer),
		T(test_tcp_reass__buffers_are_bounded),
		T(test_tcp_reass__many_peers_with_gaps_leave_buffers_to_others),
		T(test_tcp_reass__is_given_back_when_buffers_are_few),
		T(test_tcp_reass__what_covers_others_takes_their_place),
		T(test_tcp_reass__fin_waits_for_its_data),
		T(test_tcp_rcv__old_bytes_are_trimmed),
		T(test_tcp_rcv__window_closes_and_reopens),
		T(test_tcp_snd__zero_window_is_probed),
		T(test_tcp_snd__probes_without_answer_give_up),
		T(test_tcp_snd__silly_window_is_avoided),
		T(test_tcp_snd__window_scale_is_applied),
		T(test_tcp_paws__old_timestamp_is_dropped),
		T(test_tcp_loss__three_duplicates_retransmit),
		T(test_tcp_loss__fast_retransmit_works_after_gigabytes),
		T(test_tcp_snd__window_updates_after_gigabytes_received),
		T(test_tcp_loss__limited_transmit),
		T(test_tcp_loss__timeout_resends_from_the_start),
		T(test_tcp_snd__long_buffers_are_split),
		T(test_tcp_snd__small_sends_share_a_segment),
		T(test_tcp_snd__held_buffer_is_copied),
		T(test_tcp_snd__room_ends_and_returns),
		T(test_tcp_sack__single_bytes_make_no_record_each),
		T(test_tcp_snd__small_segments_count_as_buffers),
		cmocka_unit_test_setup_teardown(test_tcp_tune__first_round_trip_is_no_reason_to_grow, setup_large,
						teardown),
		cmocka_unit_test_setup_teardown(test_tcp_tune__a_fast_sender_on_a_short_path, setup_large, teardown),
		T(test_tcp_nomem__output_is_retried),
	};
	peer_eal("test_tcp_data");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
