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

/* Long data is summed in another way than short. */
static void test_crc64__long_data_as_byte_by_byte(void **state)
{
	static uint8_t bytes[3000];

	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * i * 31 >> 3);
	for (size_t len = 0; len < sizeof bytes - 16; len += len < 600 ? 1 : 37)
		for (size_t off = 0; off < 16; off += 5) {
			uint64_t one = len, all = crc64(len, bytes + off, len);
			for (size_t i = 0; i < len; i++)
				one = crc64(one, bytes + off + i, 1);
			assert_int_equal(all, one);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crc64__check_value),
		cmocka_unit_test(test_crc64__in_parts_as_at_once),
		cmocka_unit_test(test_crc64__long_data_as_byte_by_byte),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
