#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/crc64.h"

static void test_crc64__check_value(void **state)
{
	assert_int_equal(crc64(0, "123456789", 9), 0xe9c6d914c4b8d9ca);
	assert_int_equal(crc64(0, "", 0), 0);
}

static void test_crc64__in_parts_as_at_once(void **state)
{
	char text[100];

	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (char)(i * 7);
	for (size_t cut = 0; cut <= sizeof text; cut++)
		assert_int_equal(crc64(crc64(0, text, cut), text + cut, sizeof text - cut),
				 crc64(0, text, sizeof text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crc64__check_value),
		cmocka_unit_test(test_crc64__in_parts_as_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
