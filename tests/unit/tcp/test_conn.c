/* Life of a connection: opening, closing, resets, TIME_WAIT, limits. */
#include "peer.h"

static struct peer P;

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

static void test_tcp_open__passive(void **state)
{
	uint32_t isn = peer_establish(&P);

	assert_int_equal(tcp_conn_count(P.t), 1);
	peer_inject(&P, ACK, PEER_ISN + 1, isn + 1, "hello", 5);
	assert_memory_equal(P.got, "hello", 5);
	assert_int_equal(peer_expect(&P, ACK)->ack, PEER_ISN + 6);
}

static struct tcp_conn *open_active(struct peer_seg **syn)
{
	int err;
	struct tcp_conn *c = tcp_connect(P.t, &(struct net_addr){.family = 4, .v4 = rte_cpu_to_be_32(0x0a000002)},
					 PEER_PORT, LOCAL_PORT, NULL, &err);
	assert_non_null(c);
	*syn = peer_expect(&P, SYN);
	P.c = c;
	return c;
}

static void test_tcp_open__active(void **state)
{
	struct peer_seg *syn;

	open_active(&syn);
	peer_inject(&P, SYN | ACK, PEER_ISN, syn->seq + 1, NULL, 0);
	assert_int_equal(P.connected, 1);
	struct peer_seg *s = peer_expect(&P, ACK);
	assert_int_equal(s->seq, syn->seq + 1);
	assert_int_equal(s->ack, PEER_ISN + 1);
}

static void test_tcp_open__active_refused(void **state)
{
	struct peer_seg *syn;

	open_active(&syn);
	peer_inject(&P, RST | ACK, 0, syn->seq, NULL, 0); /* acknowledges nothing: a forgery */
	assert_int_equal(P.closed, 0);
	peer_inject(&P, RST | ACK, 0, syn->seq + 1, NULL, 0);
	assert_int_equal(P.closed, 1);
	assert_int_equal(P.why, TCP_CLOSED_REFUSED);
}

static void test_tcp_open__simultaneous(void **state)
{
	struct peer_seg *syn;

	open_active(&syn);
	peer_inject(&P, SYN, PEER_ISN, 0, NULL, 0);
	struct peer_seg *s = peer_expect(&P, SYN | ACK);
	assert_int_equal(s->seq, syn->seq);
	assert_int_equal(s->ack, PEER_ISN + 1);
	peer_inject(&P, ACK, PEER_ISN + 1, syn->seq + 1, NULL, 0);
	assert_int_equal(P.connected, 1);
	assert_string_equal(tcp_state_name(P.c), "ESTAB");
}

static void test_tcp_open__syn_ack_is_repeated_and_given_up(void **state)
{
	peer_inject(&P, SYN, PEER_ISN, 0, NULL, 0);
	peer_advance(&P, 100000000);
	for (int i = 0; i <= 4; i++)
		peer_expect(&P, SYN | ACK);
	peer_expect_silence(&P);
	assert_int_equal(tcp_counters(P.t)->syn_received, 0);
	assert_int_equal(P.closed, 0); /* never accepted */
}

static void test_tcp_open__half_open_is_limited(void **state)
{
	peer_stop(&P);
	P.p.no_syn_cookies = true;
	peer_start(&P);
	for (uint16_t i = 0; i < 6; i++)
		peer_inject_from(&P, 100 + i, SYN, PEER_ISN, 0, 60000, NULL, NULL, 0);
	assert_int_equal(tcp_counters(P.t)->syn_received, 4);
	assert_int_equal(tcp_counters(P.t)->drop_syn_limit, 2);
}

static void test_tcp_open__refused_by_user(void **state)
{
	P.refuse = true;
	peer_inject(&P, SYN, PEER_ISN, 0, NULL, 0);
	struct peer_seg *s = peer_expect(&P, SYN | ACK);
	peer_inject(&P, ACK, PEER_ISN + 1, s->seq + 1, NULL, 0);
	peer_expect(&P, RST | ACK);
	assert_int_equal(P.closed, 0);
	assert_int_equal(tcp_conn_count(P.t), 0);
}

static void test_tcp_open__no_listener_gets_reset(void **state)
{
	tcp_unlisten(P.t, LOCAL_PORT);
	peer_inject(&P, SYN, PEER_ISN, 0, NULL, 0);
	assert_int_equal(peer_expect(&P, RST | ACK)->ack, PEER_ISN + 1);
	peer_inject(&P, ACK, 5, 99, NULL, 0);
	assert_int_equal(peer_expect(&P, RST)->seq, 99);
	peer_inject(&P, RST, 5, 99, NULL, 0);
	peer_expect_silence(&P);
}

static void test_tcp_open__nonsense_flags_are_dropped(void **state)
{
	peer_inject(&P, SYN | FIN, PEER_ISN, 0, NULL, 0);
	peer_inject(&P, SYN | RST, PEER_ISN, 0, NULL, 0);
	peer_inject(&P, 0, PEER_ISN, 0, NULL, 0);
	peer_inject(&P, FIN, PEER_ISN, 0, NULL, 0);
	peer_expect_silence(&P);
	assert_int_equal(tcp_counters(P.t)->drop_flags, 4);
}

static void test_tcp_isn__moves_with_time_and_differs_by_tuple(void **state)
{
	struct tcp_key a, b;
	struct net_addr x = {.family = 4, .v4 = 1}, y = {.family = 4, .v4 = 2};

	tcp_key_set(&a, &x, 1, &y, 2);
	tcp_key_set(&b, &x, 1, &y, 3);
	uint32_t first = tcp_isn(P.t, &a);
	assert_int_not_equal(first, tcp_isn(P.t, &b));
	P.now.mono_us += 4000;
	tcp_set_now(P.t, &P.now);
	assert_int_equal(tcp_isn(P.t, &a) - first, 1000);
}

static void test_tcp_close__passive(void **state)
{
	uint32_t isn = peer_establish(&P);

	peer_inject(&P, FIN | ACK, PEER_ISN + 1, isn + 1, NULL, 0);
	assert_int_equal(P.peer_closed, 1);
	assert_int_equal(peer_expect(&P, ACK)->ack, PEER_ISN + 2);
	assert_string_equal(tcp_state_name(P.c), "CLOSE-WAIT");
	peer_send(&P, "bye", 3); /* half closed: we may still send */
	tcp_close(P.c);
	tcp_poll_output(P.t);
	struct peer_seg *s = peer_expect(&P, FIN | ACK);
	assert_int_equal(s->len, 3);
	peer_inject(&P, ACK, PEER_ISN + 2, isn + 5, NULL, 0);
	assert_int_equal(P.closed, 1);
	assert_int_equal(P.why, TCP_CLOSED_NORMAL);
	assert_int_equal(tcp_counters(P.t)->time_wait, 0);
}

/* Closes actively as far as TIME_WAIT. */
static uint32_t to_time_wait(void)
{
	uint32_t isn = peer_establish(&P);

	tcp_close(P.c);
	tcp_poll_output(P.t);
	peer_expect(&P, FIN | ACK);
	peer_inject(&P, ACK, PEER_ISN + 1, isn + 2, NULL, 0);
	assert_string_equal(tcp_state_name(P.c), "FIN-WAIT-2");
	peer_inject(&P, ACK, PEER_ISN + 1, isn + 2, "late", 4); /* the other half is open */
	assert_memory_equal(P.got, "late", 4);
	peer_expect(&P, ACK);
	peer_inject(&P, FIN | ACK, PEER_ISN + 5, isn + 2, NULL, 0);
	assert_int_equal(peer_expect(&P, ACK)->ack, PEER_ISN + 6);
	assert_int_equal(P.closed, 1);
	assert_int_equal(P.why, TCP_CLOSED_NORMAL);
	assert_int_equal(tcp_conn_count(P.t), 0);
	return isn;
}

static void test_tcp_close__active_through_time_wait(void **state)
{
	uint32_t isn = to_time_wait();

	assert_int_equal(tcp_counters(P.t)->time_wait, 1);
	peer_advance(&P, 800000);
	peer_inject(&P, FIN | ACK, PEER_ISN + 5, isn + 2, NULL, 0); /* our ACK was lost */
	assert_int_equal(peer_expect(&P, ACK)->ack, PEER_ISN + 6);
	peer_advance(&P, 800000); /* the repeated FIN started the wait again */
	assert_int_equal(tcp_counters(P.t)->time_wait, 1);
	peer_advance(&P, 300000);
	assert_int_equal(tcp_counters(P.t)->time_wait, 0);
}

static void test_tcp_time_wait__newer_syn_reuses(void **state)
{
	uint32_t isn = to_time_wait();

	peer_inject(&P, SYN, PEER_ISN + 2, 0, NULL, 0); /* older than what we had */
	peer_expect(&P, ACK);
	peer_inject(&P, RST, PEER_ISN + 6, 0, NULL, 0); /* RFC 1337 */
	assert_int_equal(tcp_counters(P.t)->time_wait, 1);
	peer_inject(&P, SYN, PEER_ISN + 1000, 0, NULL, 0);
	struct peer_seg *s = peer_expect(&P, SYN | ACK);
	assert_true(tcp_seq_gt(s->seq, isn + 2));
	assert_int_equal(tcp_counters(P.t)->tw_reused, 1);
	assert_int_equal(tcp_counters(P.t)->time_wait, 0);
}

static void test_tcp_time_wait__outlives_a_syn_that_is_refused(void **state)
{
	struct rte_mbuf *hog[512];
	uint32_t n = 0, isn = to_time_wait();

	P.t->p.max_conns = 0;
	peer_inject(&P, SYN, PEER_ISN + 1000, 0, NULL, 0);
	P.t->p.max_conns = 8;
	P.t->p.max_syn = 0;
	peer_inject(&P, SYN, PEER_ISN + 1000, 0, NULL, 0);
	P.t->p.max_syn = 4;
	peer_expect_silence(&P);
	assert_int_equal(tcp_counters(P.t)->time_wait, 1);
	while (rte_mempool_avail_count(P.pool) > 1) /* none to answer with */
		assert_non_null(hog[n++] = buf_alloc(P.pool));
	peer_inject(&P, SYN, PEER_ISN + 1000, 0, NULL, 0);
	peer_expect_silence(&P);
	assert_int_equal(tcp_counters(P.t)->drop_syn_nomem, 1);
	rte_pktmbuf_free_bulk(hog, n);
	assert_int_equal(tcp_counters(P.t)->tw_reused, 0);
	peer_inject(&P, FIN | ACK, PEER_ISN + 5, isn + 2, NULL, 0);
	assert_int_equal(peer_expect(&P, ACK)->ack, PEER_ISN + 6);
	peer_advance(&P, 20000);
	peer_inject(&P, SYN, PEER_ISN + 1000, 0, NULL, 0);
	peer_expect(&P, SYN | ACK);
	assert_int_equal(tcp_counters(P.t)->tw_reused, 1);
	assert_int_equal(tcp_counters(P.t)->time_wait, 0);
}

static void test_tcp_time_wait__oldest_makes_room(void **state)
{
	for (uint16_t port = 100; port < 106; port++) {
		peer_inject_from(&P, port, SYN, PEER_ISN, 0, 60000, NULL, NULL, 0);
		uint32_t isn = peer_expect(&P, SYN | ACK)->seq;
		peer_inject_from(&P, port, ACK, PEER_ISN + 1, isn + 1, 60000, NULL, NULL, 0);
		tcp_close(P.c);
		tcp_poll_output(P.t);
		peer_expect(&P, FIN | ACK);
		peer_inject_from(&P, port, FIN | ACK, PEER_ISN + 1, isn + 2, 60000, NULL, NULL, 0);
		peer_expect(&P, ACK);
	}
	assert_int_equal(tcp_counters(P.t)->time_wait, 4);
	assert_int_equal(tcp_counters(P.t)->tw_recycled, 2);
}

static void test_tcp_close__simultaneous(void **state)
{
	uint32_t isn = peer_establish(&P);

	tcp_close(P.c);
	tcp_poll_output(P.t);
	peer_expect(&P, FIN | ACK);
	peer_inject(&P, FIN | ACK, PEER_ISN + 1, isn + 1, NULL, 0); /* crossed ours */
	assert_string_equal(tcp_state_name(P.c), "CLOSING");
	assert_int_equal(peer_expect(&P, ACK)->ack, PEER_ISN + 2);
	peer_advance(&P, 1200000);
	struct peer_seg *s = peer_expect(&P, FIN | ACK); /* repeated with its FIN bit */
	assert_int_equal(s->seq, isn + 1);
	peer_inject(&P, ACK, PEER_ISN + 2, isn + 2, NULL, 0);
	assert_int_equal(P.closed, 1);
	assert_int_equal(P.why, TCP_CLOSED_NORMAL);
	assert_int_equal(tcp_counters(P.t)->time_wait, 1);
}

static void test_tcp_close__fin_wait_2_is_bounded(void **state)
{
	uint32_t isn = peer_establish(&P);

	tcp_close(P.c);
	tcp_poll_output(P.t);
	peer_inject(&P, ACK, PEER_ISN + 1, isn + 2, NULL, 0);
	peer_advance(&P, 21000000);
	assert_int_equal(P.closed, 1);
	assert_int_equal(P.why, TCP_CLOSED_TIMEOUT);
}

static void test_tcp_rst__only_the_exact_sequence_resets(void **state)
{
	uint32_t isn = peer_establish(&P);

	peer_inject(&P, RST, PEER_ISN + 100, 0, NULL, 0); /* in the window: challenged */
	assert_int_equal(peer_expect(&P, ACK)->ack, PEER_ISN + 1);
	peer_inject(&P, RST, PEER_ISN + 1000000, 0, NULL, 0); /* outside: ignored */
	peer_inject(&P, RST, PEER_ISN - 100, 0, NULL, 0);
	peer_expect_silence(&P);
	peer_inject(&P, SYN, PEER_ISN + 1, 0, NULL, 0); /* challenged too */
	assert_int_equal(peer_expect(&P, ACK)->seq, isn + 1);
	assert_int_equal(P.closed, 0);
	peer_inject(&P, RST, PEER_ISN + 1, 0, NULL, 0);
	assert_int_equal(P.closed, 1);
	assert_int_equal(P.why, TCP_CLOSED_RESET);
}

/* How many there are in a second is not for a stranger to know, or he could learn from those that are left whether one
 * that he provoked on somebody else's connection was sent (CVE-2016-5696). */
static void test_tcp_rst__challenges_are_rate_limited(void **state)
{
	uint64_t least = UINT64_MAX, most = 0;

	peer_establish(&P);
	for (int second = 0; second < 8; second++) {
		uint64_t before = tcp_counters(P.t)->challenge_acks;
		for (int i = 0; i < 2000; i++) {
			peer_inject(&P, RST, PEER_ISN + 100, 0, NULL, 0);
			P.nsegs = P.taken = 0;
		}
		uint64_t n = tcp_counters(P.t)->challenge_acks - before;
		assert_in_range(n, 500, 1499); /* challenge_per_s is 1000 */
		least = RP_MIN(least, n);
		most = RP_MAX(most, n);
		peer_advance(&P, 1000000);
	}
	assert_true(most > least);
	assert_int_equal(tcp_counters(P.t)->rate_limited + tcp_counters(P.t)->challenge_acks, 8 * 2000);
}

static void test_tcp_ack__of_unsent_data_is_refused(void **state)
{
	uint32_t isn = peer_establish(&P);

	peer_inject(&P, ACK, PEER_ISN + 1, isn + 500, "x", 1);
	assert_int_equal(P.ngot, 0);
	assert_int_equal(peer_expect(&P, ACK)->ack, PEER_ISN + 1);
}

static void test_tcp_abort__tells_peer_and_user(void **state)
{
	uint32_t isn = peer_establish(&P);

	tcp_abort(P.c);
	assert_int_equal(peer_expect(&P, RST | ACK)->seq, isn + 1);
	assert_int_equal(P.closed, 1);
	assert_int_equal(P.why, TCP_CLOSED_ABORTED);
	tcp_abort(P.c); /* dead until the next poll: harmless */
	assert_int_equal(P.closed, 1);
}

/* An address that makes a public factor of the hash 0 would hide all else: each such connection in one bucket. */
static void test_tcp_conn__hash_has_no_factor_that_peers_can_clear(void **state)
{
	const uint64_t factor[2] = {0x9e3779b97f4a7c15ULL, 0xd6e8feb86659fd93ULL};

	for (int i = 0; i < 2; i++) {
		struct tcp_key k = {.family = 6, .laddr = {0x20, 1}};
		memcpy(k.raddr + 8 * i, &factor[i], 8);
		uint32_t first = tcp_key_hash(P.t, &k);
		k.laddr[0]++;
		k.raddr[8 * !i]++;
		assert_int_not_equal(tcp_key_hash(P.t, &k), first);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_tcp_conn__hash_has_no_factor_that_peers_can_clear),
		T(test_tcp_open__passive),
		T(test_tcp_open__active),
		T(test_tcp_open__active_refused),
		T(test_tcp_open__simultaneous),
		T(test_tcp_open__syn_ack_is_repeated_and_given_up),
		T(test_tcp_open__half_open_is_limited),
		T(test_tcp_open__refused_by_user),
		T(test_tcp_open__no_listener_gets_reset),
		T(test_tcp_open__nonsense_flags_are_dropped),
		T(test_tcp_isn__moves_with_time_and_differs_by_tuple),
		T(test_tcp_close__passive),
		T(test_tcp_close__active_through_time_wait),
		T(test_tcp_time_wait__newer_syn_reuses),
		T(test_tcp_time_wait__outlives_a_syn_that_is_refused),
		T(test_tcp_time_wait__oldest_makes_room),
		T(test_tcp_close__simultaneous),
		T(test_tcp_close__fin_wait_2_is_bounded),
		T(test_tcp_rst__only_the_exact_sequence_resets),
		T(test_tcp_rst__challenges_are_rate_limited),
		T(test_tcp_ack__of_unsent_data_is_refused),
		T(test_tcp_abort__tells_peer_and_user),
	};
	peer_eal("test_tcp_conn");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
