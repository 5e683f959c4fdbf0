#include "world.h"

static void test_net_addr__parse(void **state)
{
	static const struct {
		const char *text;
		bool with_len, ok;
		uint8_t family, len;
	} t[] = {
		{"10.0.0.1", false, true, 4, 0},
		{"10.0.0.1", true, true, 4, 32},
		{"10.0.0.1/24", true, true, 4, 24},
		{"10.0.0.1/0", true, true, 4, 0},
		{"10.0.0.1/24", false, false, 0, 0},
		{"10.0.0.1/33", true, false, 0, 0},
		{"10.0.0.1/", true, false, 0, 0},
		{"10.0.0.1/+4", true, false, 0, 0},
		{"10.0.0.256", true, false, 0, 0},
		{"10.0.0", true, false, 0, 0},
		{"", true, false, 0, 0},
		{"fe80::1/64", true, true, 6, 64},
		{"::/129", true, false, 0, 0},
		{"10.0.0.1/0024", true, false, 0, 0},
		{"1234567890123456789012345678901234567890123456789", true, false, 0, 0},
	};
	for (size_t i = 0; i < RP_ARRAY_LEN(t); i++) {
		struct net_addr a;
		uint8_t len = 99;
		assert_int_equal(net_addr_parse(t[i].text, &a, t[i].with_len ? &len : NULL), t[i].ok);
		if (!t[i].ok)
			continue;
		assert_int_equal(a.family, t[i].family);
		if (t[i].with_len)
			assert_int_equal(len, t[i].len);
	}
}

static void test_net_addr__format_reads_back(void **state)
{
	static const char *const t[] = {"10.0.0.1", "255.255.255.255", "fe80::1", "::"};
	for (size_t i = 0; i < RP_ARRAY_LEN(t); i++) {
		struct net_addr a;
		char buf[64];
		assert_true(net_addr_parse(t[i], &a, NULL));
		assert_int_equal(net_addr_format(&a, buf, sizeof(buf)), strlen(t[i]));
		assert_string_equal(buf, t[i]);
		assert_int_equal(net_addr_format(&a, buf, 2), 0);
		assert_string_equal(buf, "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_net_addr__parse),
		cmocka_unit_test(test_net_addr__format_reads_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
