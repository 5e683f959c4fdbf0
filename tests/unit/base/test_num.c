/* Numbers and texts must agree with Redis: what parses, what prints, and that one undoes the other. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/num.h"
#include "base/rng.h"

static struct slice str(const char *s)
{
	return (struct slice){s, strlen(s)};
}

static void test_num_parse_i64__strict_form(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		int64_t value;
	} cases[] = {
		{"0", true, 0},
		{"-1", true, -1},
		{"10", true, 10},
		{"9223372036854775807", true, INT64_MAX},
		{"-9223372036854775808", true, INT64_MIN},
		{"9223372036854775808", false, 0},
		{"-9223372036854775809", false, 0},
		{"18446744073709551616", false, 0},
		{"99999999999999999999", false, 0},
		{"", false, 0},
		{"-", false, 0},
		{"-0", false, 0},
		{"00", false, 0},
		{"01", false, 0},
		{"+1", false, 0},
		{" 1", false, 0},
		{"1 ", false, 0},
		{"1a", false, 0},
		{"--1", false, 0},
		{"1.0", false, 0},
	};
	for (size_t i = 0; i < RP_ARRAY_LEN(cases); i++) {
		int64_t v = 7;
		assert_int_equal(num_parse_i64(str(cases[i].text), &v), cases[i].ok);
		if (cases[i].ok)
			assert_true(v == cases[i].value);
	}
}

static void test_num_parse_u64__what_strtoull_lets_through(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		uint64_t value;
	} cases[] = {
		{"0", true, 0},
		{"18446744073709551615", true, UINT64_MAX},
		{"18446744073709551616", false, 0},
		{"-1", false, 0},
		{" 5", true, 5},
		{"+5", true, 5},
		{"007", true, 7},
		{"000", true, 0},
		{"-05", true, (uint64_t)-5},
		{"", false, 0},
		{"+", false, 0},
		{"5x", false, 0},
	};
	for (size_t i = 0; i < RP_ARRAY_LEN(cases); i++) {
		uint64_t v = 7;
		assert_int_equal(num_parse_u64(str(cases[i].text), &v), cases[i].ok);
		if (cases[i].ok)
			assert_true(v == cases[i].value);
	}
}

static void test_num_i64__round_trip(void **state)
{
	struct rng r;
	char buf[NUM_I64_CHARS], want[32];
	rng_init(&r, 1);
	for (int i = 0; i < 200000; i++) {
		int64_t v = (int64_t)(rng_next(&r) >> rng_below(&r, 64)), back;
		if (i & 1)
			v = (int64_t)(0 - (uint64_t)v);
		size_t len = num_format_i64(buf, v);
		snprintf(want, sizeof(want), "%lld", (long long)v);
		assert_string_equal(buf, want);
		assert_int_equal(len, strlen(want));
		assert_true(num_parse_i64((struct slice){buf, len}, &back) && back == v);
	}
	assert_int_equal(num_format_i64(buf, INT64_MIN), 20);
	assert_string_equal(buf, "-9223372036854775808");
	assert_int_equal(num_format_u64(buf, UINT64_MAX), 20);
	assert_string_equal(buf, "18446744073709551615");
}

static void test_num_format_double__texts_of_redis(void **state)
{
	static const struct {
		double v;
		const char *text;
	} cases[] = {
		{0, "0"},
		{-0.0, "-0"},
		{3, "3"},
		{-3, "-3"},
		{0.1, "0.1"},
		{-0.5, "-0.5"},
		{3.14159, "3.14159"},
		{1e21, "1e+21"},
		{1e17, "100000000000000000"},
		{1.5e300, "1.5e+300"},
		{1e-7, "1e-7"},
		{0.0001, "0.0001"},
		{0.1 + 0.2, "0.30000000000000004"},
		{1.7976931348623157e308, "1.7976931348623157e+308"},
		{5e-324, "5e-324"},
		{INFINITY, "inf"},
		{-INFINITY, "-inf"},
		{NAN, "nan"},
	};
	char buf[NUM_DOUBLE_CHARS];
	for (size_t i = 0; i < RP_ARRAY_LEN(cases); i++) {
		size_t len = num_format_double(buf, cases[i].v);
		assert_string_equal(buf, cases[i].text);
		assert_int_equal(len, strlen(cases[i].text));
	}
}

static void check_double_round_trip(double v)
{
	char buf[NUM_DOUBLE_CHARS];
	double back;
	size_t len = num_format_double(buf, v);
	assert_true(len < sizeof(buf) && strlen(buf) == len);
	assert_true(num_parse_double((struct slice){buf, len}, &back));
	assert_memory_equal(&back, &v, sizeof(v));
	assert_true(strtod(buf, NULL) == v);
}

static void test_num_double__round_trip(void **state)
{
	struct rng r;
	rng_init(&r, 2);
	for (int i = 0; i < 100000; i++) {
		uint64_t bits = rng_next(&r);
		double v;
		memcpy(&v, &bits, sizeof(v));
		if (isfinite(v))
			check_double_round_trip(v);
		check_double_round_trip((double)(int64_t)rng_below(&r, 1000000000) / 1000.0);
		check_double_round_trip((double)(rng_next(&r) >> 11) * 0x1p-53);
	}
}

static void test_num_parse_double__same_as_strtod(void **state)
{
	static const char *const good[] = {"1",
					   "-1",
					   "1.5",
					   ".5",
					   "5.",
					   "1e3",
					   "0x10",
					   "inf",
					   "-inf",
					   "+2",
					   "00012",
					   "-0",
					   "1E-5",
					   "9007199254740993",
					   "0.000000000000000001"};
	static const char *const bad[] = {"",  " 1", "1 ",    "nan",    "abc",    "1..2",
					  "-", ".",  "1e999", "1e-999", "-1e999", "1e"};
	double v;
	for (size_t i = 0; i < RP_ARRAY_LEN(good); i++) {
		assert_true(num_parse_double(str(good[i]), &v));
		assert_true(v == strtod(good[i], NULL));
	}
	for (size_t i = 0; i < RP_ARRAY_LEN(bad); i++)
		assert_false(num_parse_double(str(bad[i]), &v));
	assert_false(num_parse_double((struct slice){"1\0", 2}, &v));
}

static void test_num_ld__increments_stay_short(void **state)
{
	char buf[NUM_LD_CHARS];
	long double a, b;
	assert_true(num_parse_ld(str("10.50"), &a) && num_parse_ld(str("0.1"), &b));
	num_format_ld_human(buf, a + b);
	assert_string_equal(buf, "10.6");
	assert_int_equal(num_format_ld_human(buf, 5.0e3L), 4);
	assert_string_equal(buf, "5000");
	num_format_ld_human(buf, -0.0L);
	assert_string_equal(buf, "0");
	assert_false(num_parse_ld(str("nan"), &a));
	assert_false(num_parse_ld(str(" 1"), &a));
	assert_false(num_parse_ld(str(""), &a));
}

static void test_num__hexadecimal_digits(void **state)
{
	static const char digits[] = "0123456789abcdef";

	for (int c = -128; c < 128; c++) {
		const char *at = c != 0 ? strchr(digits, c >= 'A' && c <= 'F' ? c | 0x20 : c) : NULL;
		assert_int_equal(num_hex_digit((char)c), at != NULL ? at - digits : -1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_num__hexadecimal_digits),
		cmocka_unit_test(test_num_parse_i64__strict_form),
		cmocka_unit_test(test_num_parse_u64__what_strtoull_lets_through),
		cmocka_unit_test(test_num_i64__round_trip),
		cmocka_unit_test(test_num_format_double__texts_of_redis),
		cmocka_unit_test(test_num_double__round_trip),
		cmocka_unit_test(test_num_parse_double__same_as_strtod),
		cmocka_unit_test(test_num_ld__increments_stay_short),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
