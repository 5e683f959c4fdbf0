/* SYN cookies: nothing is kept, nothing is lost, nothing is taken on trust. */
#include "peer.h"

#define OPTS (TCP_OPT_HAS_MSS | TCP_OPT_HAS_WSCALE | TCP_OPT_HAS_TS | TCP_OPT_HAS_SACK_OK)

static struct peer P;
static const struct tcp_opts full = {.has = OPTS, .mss = 1460, .wscale = 9, .tsval = 77};

static int setup(void **state)
{
	peer_params(&P);
	P.p.timestamps = P.p.window_scale = true;
	P.p.rcv_buf = 256 << 10;
	peer_start(&P);
	for (uint16_t i = 0; i < 4; i++) { /* max_syn */
		peer_inject_from(&P, 100 + i, SYN, PEER_ISN, 0, 60000, NULL, NULL, 0);
		peer_expect(&P, SYN | ACK);
	}
	return 0;
}

static int teardown(void **state)
{
	peer_stop(&P);
	return 0;
}

static struct peer_seg *get_cookie(uint16_t port, const struct tcp_opts *o)
{
	peer_inject_from(&P, port, SYN, PEER_ISN, 0, 60000, o, NULL, 0);
	struct peer_seg *s = peer_expect(&P, SYN | ACK);
	assert_int_equal(tcp_counters(P.t)->syn_received, 4);
	assert_int_equal(s->ack, PEER_ISN + 1);
	return s;
}

static void answer(uint16_t port, const struct peer_seg *s, uint32_t seq, uint32_t ack, const char *text)
{
	struct tcp_opts o = {.has = s->opts.has & TCP_OPT_HAS_TS, .tsval = 78, .tsecr = s->opts.tsval};

	peer_inject_from(&P, port, ACK, seq, ack, 100, &o, text, (uint32_t)strlen(text));
	tcp_poll_output(P.t);
}

static void test_tcp_cookie__keeps_every_option(void **state)
{
	struct peer_seg *s = get_cookie(PEER_PORT, &full);

	assert_int_equal(s->opts.has, OPTS);
	peer_advance(&P, 300000);
	answer(PEER_PORT, s, PEER_ISN + 1, s->seq + 1, "hello");
	assert_int_equal(P.accepted, 1);
	assert_memory_equal(P.got, "hello", 5);
	assert_true(P.c->flags & TCP_F_TS);
	assert_true(P.c->flags & TCP_F_SACK);
	assert_true(P.c->flags & TCP_F_WS);
	assert_int_equal(P.c->snd_ws, 9);
	assert_int_equal(P.c->snd_wnd, 100 << 9);
	assert_int_equal(P.c->peer_mss, 1460);
	assert_int_equal(tcp_counters(P.t)->cookies_good, 1);
}

static void test_tcp_cookie__our_timestamps_never_go_back(void **state)
{
	uint32_t last = get_cookie(1, &full)->opts.tsval - 64;

	for (uint16_t i = 0; i < 200; i++) {
		peer_advance(&P, 1000);
		struct peer_seg *s = get_cookie(PEER_PORT, &full);
		if (i > 0)
			assert_true(tcp_seq_geq(s->opts.tsval, last));
		last = s->opts.tsval;
		P.nsegs = P.taken = 0;
	}
}

static void test_tcp_cookie__no_timestamp_no_options(void **state)
{
	struct tcp_opts o = full;

	o.has &= ~TCP_OPT_HAS_TS;
	struct peer_seg *s = get_cookie(PEER_PORT, &o);
	assert_int_equal(s->opts.has, TCP_OPT_HAS_MSS);
	answer(PEER_PORT, s, PEER_ISN + 1, s->seq + 1, "");
	assert_int_equal(P.accepted, 1);
	assert_false(P.c->flags & (TCP_F_SACK | TCP_F_WS | TCP_F_TS));
	assert_int_equal(P.c->snd_wnd, 100);
}

static void test_tcp_cookie__forged_or_old_is_refused(void **state)
{
	struct peer_seg *s = get_cookie(PEER_PORT, &full);

	answer(PEER_PORT, s, PEER_ISN + 1, s->seq + 2, "");     /* another MSS */
	answer(PEER_PORT, s, PEER_ISN + 2, s->seq + 1, "");     /* another ISN */
	answer(PEER_PORT + 1, s, PEER_ISN + 1, s->seq + 1, ""); /* another tuple */
	peer_expect_silence(&P);
	struct peer_seg old = *s;
	P.now.mono_us += 65000000;
	tcp_set_now(P.t, &P.now);
	answer(PEER_PORT, &old, PEER_ISN + 1, old.seq + 1, "");
	peer_expect(&P, RST); /* no cookie is under way any more */
	assert_int_equal(P.accepted, 0);
	assert_int_equal(tcp_counters(P.t)->cookies_good, 0);
	assert_true(tcp_counters(P.t)->cookies_bad >= 3);
}

static void test_tcp_cookie__later_data_waits_for_the_first(void **state)
{
	struct peer_seg *s = get_cookie(PEER_PORT, &full);

	answer(PEER_PORT, s, PEER_ISN + 4, s->seq + 1, "def");
	peer_expect_silence(&P);
	answer(PEER_PORT, s, PEER_ISN + 1, s->seq + 1, "abc");
	assert_int_equal(P.accepted, 1);
	assert_memory_equal(P.got, "abc", 3);
}

static void test_tcp_cookie__a_later_half_open_takes_it_over(void **state)
{
	struct peer_seg cookie = *get_cookie(PEER_PORT, &full);

	peer_inject_from(&P, 100, RST, PEER_ISN + 1, 0, 0, NULL, NULL, 0); /* there is room again */
	peer_advance(&P, 5000);
	peer_inject_from(&P, PEER_PORT, SYN, PEER_ISN, 0, 60000, &full, NULL, 0);
	peer_expect(&P, SYN | ACK);
	answer(PEER_PORT, &cookie, PEER_ISN + 1, cookie.seq + 1, "abc");
	assert_int_equal(P.accepted, 1);
	assert_memory_equal(P.got, "abc", 3);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_tcp_cookie__keeps_every_option),
		T(test_tcp_cookie__our_timestamps_never_go_back),
		T(test_tcp_cookie__no_timestamp_no_options),
		T(test_tcp_cookie__forged_or_old_is_refused),
		T(test_tcp_cookie__later_data_waits_for_the_first),
		T(test_tcp_cookie__a_later_half_open_takes_it_over),
	};
	peer_eal("test_tcp_cookie");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
