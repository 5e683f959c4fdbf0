/* Timers: RTO computation, the wheel, keepalive, delayed ACK, giving up. */
#include "peer.h"

static struct peer P;

static int setup(void **state)
{
	peer_params(&P);
	P.p.keepalive_idle_s = 100;
	P.p.keepalive_intvl_s = 10;
	P.p.keepalive_probes = 3;
	peer_start(&P);
	return 0;
}

static int teardown(void **state)
{
	peer_stop(&P);
	return 0;
}

static void test_tcp_rto__follows_rfc6298(void **state)
{
	struct tcp_conn c = {.t = P.t};

	tcp_rto_init(&c);
	assert_int_equal(c.rto_us, 1000000);
	tcp_rto_sample(&c, 100000);
	assert_int_equal(c.srtt_us, 100000);
	assert_int_equal(c.rttvar_us, 50000);
	assert_int_equal(c.rto_us, 300000);
	tcp_rto_sample(&c, 20000);
	assert_int_equal(c.rttvar_us, 57500); /* 3/4 50000 + 1/4 80000 */
	assert_int_equal(c.srtt_us, 90000);   /* 7/8 100000 + 1/8 20000 */
	assert_int_equal(c.rto_us, 320000);
}

static void test_tcp_rto__floor_and_ceiling(void **state)
{
	struct tcp_conn c = {.t = P.t};

	tcp_rto_init(&c);
	tcp_rto_sample(&c, 10);
	assert_int_equal(c.rto_us, 5000);
	tcp_rto_sample(&c, UINT32_MAX);
	assert_int_equal(c.rto_us, 60000000);
}

static void test_tcp_rto__backs_off_and_gives_up(void **state)
{
	uint32_t isn = peer_establish(&P);
	uint64_t start = P.now.mono_us;

	peer_send(&P, "x", 1);
	peer_advance(&P, 1);
	peer_expect(&P, ACK);
	peer_advance(&P, 46100); /* a lone small segment waits for a delayed ACK */
	assert_int_equal(peer_expect(&P, ACK)->seq, isn + 1);
	for (uint64_t rto = 90000; rto < 1000000; rto *= 2) { /* each is twice as long as the last */
		uint64_t was = P.now.mono_us;
		while (P.taken == P.nsegs && P.now.mono_us - was < 2 * rto)
			peer_advance(&P, 100);
		assert_in_range(P.now.mono_us - was, rto - 1100, rto + 2100);
		assert_int_equal(peer_expect(&P, ACK)->seq, isn + 1);
	}
	while (P.closed == 0 && P.now.mono_us < start + 60000000)
		peer_advance(&P, 100000);
	assert_int_equal(P.why, TCP_CLOSED_TIMEOUT);
	assert_true(P.now.mono_us - start >= 20000000);
}

static void test_tcp_wheel__fires_in_time_never_early(void **state)
{
	static struct tcp_conn c[3];
	static const uint64_t after[] = {5000, 1000000, 100000000}; /* the last is beyond the horizon */
	uint64_t now = P.now.mono_us;

	while (tcp_wheel_pop(P.t, now) != NULL)
		;
	for (int i = 0; i < 3; i++) {
		tcp_list_init(&c[i].wheel_link);
		tcp_wheel_add(P.t, &c[i], now + after[i]);
	}
	assert_null(tcp_wheel_pop(P.t, now + 4999));
	assert_true(tcp_wheel_next_us(&P.t->wheel) >= now + 5000);
	assert_ptr_equal(tcp_wheel_pop(P.t, now + 5000 + 2048), &c[0]);
	assert_null(tcp_wheel_pop(P.t, now + 999999));
	assert_ptr_equal(tcp_wheel_pop(P.t, now + 1000000 + 2048), &c[1]);
	tcp_wheel_remove(P.t, &c[2]);
	assert_int_equal(tcp_wheel_next_us(&P.t->wheel), UINT64_MAX);
	assert_null(tcp_wheel_pop(P.t, now + 200000000));
}

/* Keepalive of very many idle connections: nobody looks before the time is near. */
static void test_tcp_wheel__far_deadlines_rest(void **state)
{
	static struct tcp_conn c[2];
	static const uint64_t after[] = {300000000, 7200000000};
	uint64_t now = P.now.mono_us, near_us = 1ULL << TCP_WHEEL_FAR_SHIFT;
	uint64_t horizon = (TCP_WHEEL_FAR - 1ULL) << TCP_WHEEL_FAR_SHIFT;

	while (tcp_wheel_pop(P.t, now) != NULL)
		;
	for (int i = 0; i < 2; i++) {
		tcp_list_init(&c[i].wheel_link);
		tcp_wheel_add(P.t, &c[i], now + after[i]);
		assert_true(c[i].wheel_us <= now + after[i]);
	}
	assert_true(tcp_wheel_next_us(&P.t->wheel) > now + after[0] - near_us);
	assert_null(tcp_wheel_pop(P.t, now + after[0] - near_us));
	assert_ptr_equal(tcp_wheel_pop(P.t, now + after[0]), &c[0]);
	assert_null(tcp_wheel_pop(P.t, now + horizon - near_us));
	assert_ptr_equal(tcp_wheel_pop(P.t, now + horizon), &c[1]);
	assert_int_equal(tcp_wheel_next_us(&P.t->wheel), UINT64_MAX);
}

static void test_tcp_wheel__what_is_due_again_waits_for_the_next_tick(void **state)
{
	static struct tcp_conn c;
	uint64_t now = P.now.mono_us;

	while (tcp_wheel_pop(P.t, now) != NULL)
		;
	tcp_list_init(&c.wheel_link);
	tcp_wheel_add(P.t, &c, now + 5000);
	P.now.mono_us = now += 20000;
	tcp_set_now(P.t, &P.now);
	assert_ptr_equal(tcp_wheel_pop(P.t, now), &c);
	tcp_wheel_add(P.t, &c, now - 10000);
	assert_null(tcp_wheel_pop(P.t, now));
	assert_ptr_equal(tcp_wheel_pop(P.t, now + 2048), &c);
}

/* A tail loss probe that finds no buffer is always due: it must not stop the wheel for everybody. */
static void test_tcp_timer__probe_without_a_buffer(void **state)
{
	struct tcp_opts o = {.has = TCP_OPT_HAS_MSS | TCP_OPT_HAS_SACK_OK, .mss = 1460};
	struct rte_mbuf *hog[512];
	uint32_t n = 0;

	peer_inject_from(&P, PEER_PORT, SYN, PEER_ISN, 0, 60000, &o, NULL, 0);
	uint32_t isn = peer_expect(&P, SYN | ACK)->seq;
	peer_advance(&P, 1000);
	peer_inject(&P, ACK, PEER_ISN + 1, isn + 1, NULL, 0);
	P.hold = true;
	for (int i = 0; i < 3; i++)
		peer_send(&P, (uint8_t[1460]){0}, 1460);
	tcp_poll_output(P.t);
	assert_int_equal(P.nsegs - P.taken, 3);
	P.taken = P.nsegs;
	assert_true(P.c->flags & TCP_F_PTO);
	while ((hog[n] = buf_alloc(P.pool)) != NULL)
		n++;
	peer_advance(&P, 100000);
	assert_in_range(P.t->wheel.tick, (P.now.mono_us >> TCP_WHEEL_SHIFT) - 2, P.now.mono_us >> TCP_WHEEL_SHIFT);
	assert_int_equal(P.nsegs, P.taken);
	P.hold = false;
	rte_pktmbuf_free_bulk(hog, n);
	peer_release_held(&P);
	peer_advance(&P, 1000000);
	assert_true(P.nsegs > P.taken); /* all goes on */
}

static void test_tcp_timer__acks_do_not_touch_the_wheel(void **state)
{
	uint32_t isn = peer_establish(&P), seq = isn + 1;

	peer_send(&P, "a", 1);
	tcp_poll_output(P.t);
	uint64_t at = P.c->wheel_us;
	for (int i = 0; i < 10; i++) {
		peer_send(&P, "b", 1);
		tcp_poll_output(P.t);
		peer_inject(&P, ACK, PEER_ISN + 1, ++seq, NULL, 0);
		assert_int_equal(P.c->wheel_us, at);
	}
}

static void test_tcp_keepalive__answered(void **state)
{
	uint32_t isn = peer_establish(&P);

	for (int i = 0; i < 5; i++) {
		peer_advance(&P, 101000000);
		assert_int_equal(peer_expect(&P, ACK)->seq, isn);
		peer_inject(&P, ACK, PEER_ISN + 1, isn + 1, NULL, 0);
		peer_expect_silence(&P);
	}
	assert_int_equal(P.closed, 0);
}

static void test_tcp_keepalive__unanswered(void **state)
{
	peer_establish(&P);
	peer_advance(&P, 131000000);
	for (int i = 0; i < 3; i++)
		peer_expect(&P, ACK);
	peer_expect(&P, RST | ACK);
	assert_int_equal(P.why, TCP_CLOSED_TIMEOUT);
}

static void test_tcp_keepalive__probe_is_answered_by_us(void **state)
{
	uint32_t isn = peer_establish(&P);

	peer_inject(&P, ACK, PEER_ISN, isn + 1, NULL, 0);
	assert_int_equal(peer_expect(&P, ACK)->ack, PEER_ISN + 1);
	peer_inject(&P, ACK, PEER_ISN, isn + 1, "\0", 1);
	assert_int_equal(peer_expect(&P, ACK)->ack, PEER_ISN + 1);
	assert_int_equal(P.ngot, 0);
}

static void test_tcp_delack__waits_after_the_quick_ones(void **state)
{
	uint32_t isn = peer_establish(&P), seq = PEER_ISN + 1;

	for (int i = 0; i < TCP_QUICK_ACKS; i++) {
		peer_inject(&P, ACK, seq++, isn + 1, "x", 1);
		assert_int_equal(peer_expect(&P, ACK)->ack, seq);
	}
	peer_inject(&P, ACK, seq++, isn + 1, "x", 1);
	peer_expect_silence(&P);
	peer_advance(&P, 4000);
	peer_expect_silence(&P);
	peer_advance(&P, 3100);
	assert_int_equal(peer_expect(&P, ACK)->ack, seq);
	peer_inject(&P, ACK, seq++, isn + 1, "x", 1);
	peer_send(&P, "reply", 5); /* carries the ACK */
	tcp_poll_output(P.t);
	assert_int_equal(peer_expect(&P, ACK)->ack, seq);
	peer_advance(&P, 20000);
	peer_expect_silence(&P);
}

static void test_tcp_delack__every_second_full_segment(void **state)
{
	static const uint8_t full[1460];
	uint32_t isn = peer_establish(&P), seq = PEER_ISN + 1;

	P.c->quick_acks = 0;
	for (int i = 0; i < 4; i++) {
		peer_inject(&P, ACK, seq, isn + 1, full, sizeof(full));
		seq += sizeof(full);
		if (i % 2 == 0)
			peer_expect_silence(&P);
		else
			assert_int_equal(peer_expect(&P, ACK)->ack, seq);
	}
}

/* Its sender's window is small now: a segment alone must not wait for the timer. */
static void test_tcp_delack__none_after_a_hole(void **state)
{
	static const uint8_t full[1460];
	uint32_t isn = peer_establish(&P), seq = PEER_ISN + 1, len = sizeof(full);

	P.c->quick_acks = 0;
	peer_inject(&P, ACK, seq + len, isn + 1, full, len);
	assert_int_equal(peer_expect(&P, ACK)->ack, seq);
	peer_inject(&P, ACK, seq, isn + 1, full, len);
	assert_int_equal(peer_expect(&P, ACK)->ack, seq + 2 * len);
	peer_inject(&P, ACK, seq + 2 * len, isn + 1, full, len);
	assert_int_equal(peer_expect(&P, ACK)->ack, seq + 3 * len);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_tcp_rto__follows_rfc6298),
		T(test_tcp_rto__floor_and_ceiling),
		T(test_tcp_rto__backs_off_and_gives_up),
		T(test_tcp_wheel__fires_in_time_never_early),
		T(test_tcp_wheel__far_deadlines_rest),
		T(test_tcp_wheel__what_is_due_again_waits_for_the_next_tick),
		T(test_tcp_timer__probe_without_a_buffer),
		T(test_tcp_timer__acks_do_not_touch_the_wheel),
		T(test_tcp_keepalive__answered),
		T(test_tcp_keepalive__unanswered),
		T(test_tcp_keepalive__probe_is_answered_by_us),
		T(test_tcp_delack__waits_after_the_quick_ones),
		T(test_tcp_delack__every_second_full_segment),
		T(test_tcp_delack__none_after_a_hole),
	};
	peer_eal("test_tcp_timer");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
