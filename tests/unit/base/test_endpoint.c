/* Addresses of clients as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/endpoint.h"

static void expect(const struct endpoint *e, const char *text)
{
	char buf[ENDPOINT_TEXT_MAX];

	assert_int_equal(endpoint_format(e, buf, sizeof buf), strlen(text));
	assert_string_equal(buf, text);
}

static void test_endpoint_format__as_redis_prints_them(void **state)
{
	struct endpoint v6 = {.port = 6379, .family = 6};

	expect(&(struct endpoint){.ip = {10, 0, 0, 255}, .port = 1, .family = 4}, "10.0.0.255:1");
	v6.ip[15] = 1;
	expect(&v6, "[::1]:6379");
	memset(v6.ip, 0xfe, sizeof v6.ip);
	v6.port = 65535;
	expect(&v6, "[fefe:fefe:fefe:fefe:fefe:fefe:fefe:fefe]:65535");
	expect(&(struct endpoint){.port = 9}, "");
}

static void test_endpoint_format__is_cut_at_the_buffer(void **state)
{
	char buf[8];

	assert_int_equal(endpoint_format(&(struct endpoint){.ip = {10, 0, 0, 255}, .port = 1, .family = 4}, buf, 8), 7);
	assert_string_equal(buf, "10.0.0.");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_endpoint_format__as_redis_prints_them),
		cmocka_unit_test(test_endpoint_format__is_cut_at_the_buffer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
