#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tcp/tcp_opts.h"
#include "tcp/tcp_seq.h"

static void test_tcp_opts__syn_reads_back(void **state)
{
	struct tcp_opts in = {.has = TCP_OPT_HAS_MSS | TCP_OPT_HAS_WSCALE | TCP_OPT_HAS_TS,
			      .mss = 1460,
			      .wscale = 7,
			      .tsval = 0x80000001,
			      .tsecr = 5},
			out;
	uint8_t buf[TCP_OPT_MAX];
	uint32_t n = tcp_opts_emit_syn(buf, &in);

	assert_int_equal(n, 20);
	assert_true(tcp_opts_parse(buf, n, &out));
	assert_int_equal(out.has, in.has);
	assert_int_equal(out.mss, 1460);
	assert_int_equal(out.wscale, 7);
	assert_int_equal(out.tsval, 0x80000001);
	assert_int_equal(out.tsecr, 5);
}

static void test_tcp_opts__scale_is_clamped(void **state)
{
	struct tcp_opts o;

	assert_true(tcp_opts_parse((uint8_t[]){3, 3, 200, 0}, 4, &o));
	assert_int_equal(o.wscale, 14);
}

static void test_tcp_opts__unknown_is_skipped(void **state)
{
	struct tcp_opts o;
	static const uint8_t p[] = {1, 254, 4, 9, 9, 2, 4, 5, 180, 0, 99, 99};

	assert_true(tcp_opts_parse(p, sizeof(p), &o));
	assert_int_equal(o.has, TCP_OPT_HAS_MSS);
	assert_int_equal(o.mss, 1460);
}

static void test_tcp_opts__bad_length_is_refused(void **state)
{
	struct tcp_opts o;

	assert_false(tcp_opts_parse((uint8_t[]){2, 0, 0, 0}, 4, &o));
	assert_false(tcp_opts_parse((uint8_t[]){2, 1, 0, 0}, 4, &o));
	assert_false(tcp_opts_parse((uint8_t[]){8, 10, 0, 0}, 4, &o));
	assert_false(tcp_opts_parse((uint8_t[]){1, 1, 1, 8}, 4, &o));
}

static void test_tcp_opts__wrong_size_of_known_kind_is_ignored(void **state)
{
	struct tcp_opts o;

	assert_true(tcp_opts_parse((uint8_t[]){2, 3, 5, 3, 2, 0}, 6, &o));
	assert_int_equal(o.has, 0);
}

static void test_tcp_opts__ts_only_is_recognised(void **state)
{
	uint8_t p[TCP_OPT_TS_BYTES];
	struct tcp_opts o;

	tcp_opts_emit_ts(p, 77, 88);
	assert_true(tcp_opts_parse_ts_only(p, sizeof(p), &o));
	assert_int_equal(o.tsval, 77);
	assert_int_equal(o.tsecr, 88);
	p[0] = 2;
	assert_false(tcp_opts_parse_ts_only(p, sizeof(p), &o));
}

static void test_tcp_seq__compares_across_the_wrap(void **state)
{
	assert_true(tcp_seq_lt(0xfffffff0, 5));
	assert_false(tcp_seq_lt(5, 0xfffffff0));
	assert_true(tcp_seq_geq(5, 5));
	assert_false(tcp_seq_gt(5, 5));
	assert_int_equal(tcp_seq_max(0xfffffff0, 5), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp_opts__syn_reads_back),
		cmocka_unit_test(test_tcp_opts__scale_is_clamped),
		cmocka_unit_test(test_tcp_opts__unknown_is_skipped),
		cmocka_unit_test(test_tcp_opts__bad_length_is_refused),
		cmocka_unit_test(test_tcp_opts__wrong_size_of_known_kind_is_ignored),
		cmocka_unit_test(test_tcp_opts__ts_only_is_recognised),
		cmocka_unit_test(test_tcp_seq__compares_across_the_wrap),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
