/* Congestion control: the curves. */
#include "peer.h"

static struct peer P;
static struct tcp_conn C;

static int setup(void **state)
{
	peer_params(&P);
	peer_start(&P);
	memset(&C, 0, sizeof(C));
	C.t = P.t;
	C.flags = TCP_F_SACK;
	C.peer_mss = 1000;
	C.path.mtu = 1500;
	C.path.local.family = 4;
	C.srtt_us = 100000;
	C.rto_us = 300000;
	return 0;
}

static int teardown(void **state)
{
	peer_stop(&P);
	return 0;
}

/* One round trip: a whole window is acknowledged. */
static void round_trip(const struct tcp_cc *cc)
{
	uint32_t cwnd = C.cwnd;

	P.now.mono_us += C.srtt_us;
	tcp_set_now(P.t, &P.now);
	for (uint32_t done = 0; done < cwnd; done += 1000)
		cc->acked(&C, RP_MIN(1000u, cwnd - done));
}

static void loss(const struct tcp_cc *cc)
{
	C.snd_nxt = C.snd_una + C.cwnd;
	cc->enter_recovery(&C);
	cc->exit_recovery(&C);
}

static void test_tcp_cc__slow_start_doubles(void **state)
{
	const struct tcp_cc *all[] = {&tcp_cc_newreno, &tcp_cc_cubic};

	for (int i = 0; i < 2; i++) {
		all[i]->init(&C);
		assert_int_equal(C.cwnd, 10000);
		round_trip(all[i]);
		assert_int_equal(C.cwnd, 20000);
	}
}

static void test_tcp_cc__slow_start_doubles_for_a_receiver_that_gathers(void **state)
{
	const struct tcp_cc *all[] = {&tcp_cc_newreno, &tcp_cc_cubic};

	for (int i = 0; i < 2; i++) {
		all[i]->init(&C);
		for (uint32_t cwnd = 10000; cwnd <= 640000; cwnd *= 2) {
			assert_int_equal(C.cwnd, cwnd);
			all[i]->acked(&C, C.cwnd);
		}
		C.flags |= TCP_F_LOSS;
		uint32_t cwnd = C.cwnd;
		all[i]->acked(&C, C.cwnd);
		assert_int_equal(C.cwnd, cwnd + tcp_conn_mss(&C));
		C.flags &= ~TCP_F_LOSS;
	}
}

static void test_tcp_newreno__halves_and_grows_by_a_segment(void **state)
{
	tcp_cc_newreno.init(&C);
	C.cwnd = 100000;
	loss(&tcp_cc_newreno);
	assert_int_equal(C.cwnd, 50000);
	for (int i = 0; i < 10; i++)
		round_trip(&tcp_cc_newreno);
	assert_in_range(C.cwnd, 59500, 60000);
}

/* K = cbrt((1000 - 700) / 0.4) = 9.08 s; at K the window is where it was lost, beyond it grows ever faster. */
static void test_tcp_cubic__returns_to_w_max_at_k(void **state)
{
	tcp_cc_cubic.init(&C);
	C.cwnd = 1000000;
	loss(&tcp_cc_cubic);
	assert_int_equal(C.cwnd, 700000);
	for (int i = 0; i < 45; i++)
		round_trip(&tcp_cc_cubic);
	assert_in_range(C.cwnd, 955000, 975000); /* 1000 - 0.4 * 4.58^3 = 962 */
	for (int i = 0; i < 46; i++)
		round_trip(&tcp_cc_cubic);
	assert_in_range(C.cwnd, 990000, 1010000);
	for (int i = 0; i < 50; i++)
		round_trip(&tcp_cc_cubic);
	assert_in_range(C.cwnd, 1040000, 1070000); /* 1000 + 0.4 * 5^3 = 1050 */
}

static void test_tcp_cubic__is_no_slower_than_reno_on_short_paths(void **state)
{
	C.srtt_us = 1000;
	C.rto_us = 5000;
	tcp_cc_cubic.init(&C);
	C.cwnd = 20000;
	loss(&tcp_cc_cubic);
	for (int i = 0; i < 100; i++)
		round_trip(&tcp_cc_cubic);
	assert_true(C.cwnd > 14000 + 50 * 1000);
}

static void test_tcp_cubic__fast_convergence(void **state)
{
	tcp_cc_cubic.init(&C);
	C.cwnd = 1000000;
	loss(&tcp_cc_cubic);
	loss(&tcp_cc_cubic); /* below the last maximum: leave room to others */
	assert_int_equal(C.cubic.w_max, 595000);
	assert_int_equal(C.cwnd, 490000);
}

static void test_tcp_cubic__timeout_and_undo(void **state)
{
	tcp_cc_cubic.init(&C);
	C.cwnd = 1000000;
	loss(&tcp_cc_cubic);
	C.snd_nxt = C.snd_una + C.cwnd;
	tcp_cc_cubic.timeout(&C, true);
	assert_int_equal(C.cwnd, 1000);
	assert_int_equal(C.ssthresh, 490000);
	tcp_cc_cubic.undo(&C);
	assert_int_equal(C.cubic.w_max, 1000000);
}

static void test_tcp_cubic__a_pause_is_no_time_to_grow(void **state)
{
	tcp_cc_cubic.init(&C);
	C.cwnd = 1000000;
	loss(&tcp_cc_cubic);
	for (int i = 0; i < 10; i++)
		round_trip(&tcp_cc_cubic);
	uint32_t before = C.cwnd;
	P.now.mono_us += 60000000;
	round_trip(&tcp_cc_cubic);
	assert_true(C.cwnd < before + 20000);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_tcp_cc__slow_start_doubles),
		T(test_tcp_cc__slow_start_doubles_for_a_receiver_that_gathers),
		T(test_tcp_newreno__halves_and_grows_by_a_segment),
		T(test_tcp_cubic__returns_to_w_max_at_k),
		T(test_tcp_cubic__is_no_slower_than_reno_on_short_paths),
		T(test_tcp_cubic__fast_convergence),
		T(test_tcp_cubic__timeout_and_undo),
		T(test_tcp_cubic__a_pause_is_no_time_to_grow),
	};
	peer_eal("test_tcp_cc");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
