/* BITFIELD: types, overflow, and when it counts as a change. */
#include "harness.h"

#include "base/hash.h"

static struct harness *h;

static int setup(void **state)
{
	h = harness_create(2);
	return 0;
}

static int teardown(void **state)
{
	harness_destroy(h);
	return 0;
}

static void test_bitfield__set_get_of_any_width(void **state)
{
	expect(h, "BITFIELD k SET u8 0 255 GET i8 0 GET u4 2 GET u8 #1", "*4 :0 :-1 :15 :0");
	expect(h, "BITFIELD k SET i64 3 -9223372036854775808 GET i64 3",
	       "*2 :-576460752303423488 :-9223372036854775808");
	expect(h, "BITFIELD k SET u63 1 9223372036854775807 GET u63 1", "*2 :8070450532247928832 :9223372036854775807");
	expect(h, "BITFIELD k SET i5 #3 -3 GET i5 15", "*2 :-1 :-3");
	expect(h, "BITFIELD k GET u8 1000000", "*1 :0");
	expect(h, "BITFIELD nokey GET u8 0", "*1 :0");
	expect(h, "BITFIELD nokey", "*0");
	expect(h, "EXISTS nokey", ":0");
}

static void test_bitfield__overflow_wraps_by_default(void **state)
{
	expect(h, "BITFIELD k SET u8 0 257 GET u8 0", "*2 :0 :1");
	expect(h, "BITFIELD k INCRBY u8 0 300", "*1 :45");
	expect(h, "BITFIELD k SET i8 0 127 INCRBY i8 0 1", "*2 :45 :-128");
	expect(h, "BITFIELD k INCRBY i8 0 -1", "*1 :127");
	expect(h, "BITFIELD k SET i64 0 9223372036854775807 INCRBY i64 0 1",
	       "*2 :9151314442816847872 :-9223372036854775808");
	expect(h, "BITFIELD k SET u63 0 -1 GET u63 0", "*2 :4611686018427387904 :9223372036854775807");
}

static void test_bitfield__overflow_saturates(void **state)
{
	expect(h, "BITFIELD k OVERFLOW SAT SET u8 0 300 INCRBY u8 0 -256", "*2 :0 :0");
	expect(h, "BITFIELD k OVERFLOW sat SET u8 0 -1 GET u8 0", "*2 :0 :255");
	expect(h, "BITFIELD k OVERFLOW SAT SET i8 0 -129 GET i8 0", "*2 :-1 :-128");
	expect(h, "BITFIELD k OVERFLOW SAT INCRBY i8 0 9223372036854775807", "*1 :127");
	expect(h, "BITFIELD k OVERFLOW SAT SET i64 0 -9223372036854775808 INCRBY i64 0 -1",
	       "*2 :9151314442816847872 :-9223372036854775808");
	expect(h, "BITFIELD k OVERFLOW SAT SET i8 0 0 SET i8 0 -9223372036854775808 GET i8 0", "*3 :-128 :0 :127");
}

static void test_bitfield__overflow_fails_without_writing(void **state)
{
	run(h, "BITFIELD k SET u2 0 3");
	h->effects[0] = '\0';
	expect(h, "BITFIELD k OVERFLOW FAIL INCRBY u2 0 1 GET u2 0", "*2 $-1 :3");
	expect_dirty(h, 0);
	expect(h, "BITFIELD k OVERFLOW FAIL SET u2 0 4 OVERFLOW WRAP INCRBY u2 0 1", "*2 $-1 :0");
	expect_dirty(h, 1);
	expect_effects(h, "BITFIELD k OVERFLOW FAIL SET u2 0 4 OVERFLOW WRAP INCRBY u2 0 1");
}

static void test_bitfield__unchanged_touches_nothing(void **state)
{
	struct slice key = SLICE("k");
	struct store *s = h->stores[h->slot_map[hash_slot(key)]];

	expect(h, "BITFIELD k SET u8 0 0", "*1 :0");
	expect_dirty(h, 1);
	uint32_t version = store_peek(s, 0, key)->version;
	expect(h, "BITFIELD k SET u8 0 0 INCRBY i4 3 0 GET u8 0", "*3 :0 :0 :0");
	expect_dirty(h, 0);
	assert_int_equal(store_peek(s, 0, key)->version, version);
	expect(h, "BITFIELD k SET u8 0 0 SET u4 0 5 SET u4 0 5 SET u4 0 0", "*4 :0 :0 :5 :5");
	expect_dirty(h, 2);
	assert_int_not_equal(store_peek(s, 0, key)->version, version);
}

static void test_bitfield__errors_before_any_write(void **state)
{
	static const char type[] =
		"-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.";
	static const char *const types[] = {"u64", "i65", "u0", "I8", "x", "i", "8", "u08", "i-1"};

	for (size_t i = 0; i < RP_ARRAY_LEN(types); i++)
		assert_string_equal(runf(h, "BITFIELD k SET u8 0 1 GET %s 0", types[i]), type);
	expect(h, "BITFIELD k SET u8 0 1 GET u8 -1", "-ERR bit offset is not an integer or out of range");
	expect(h, "BITFIELD k SET u8 0 1 GET u8 #", "-ERR bit offset is not an integer or out of range");
	expect(h, "BITFIELD k SET u8 #536870912 1", "-ERR bit offset is not an integer or out of range");
	expect(h, "BITFIELD k SET u8 #9223372036854775807 1", "-ERR bit offset is not an integer or out of range");
	expect(h, "BITFIELD k SET u8 0 x", "-ERR value is not an integer or out of range");
	expect(h, "BITFIELD k SET u8 0 1 OVERFLOW foo", "-ERR Invalid OVERFLOW type specified");
	expect(h, "BITFIELD k SET u8 0 1 OVERFLOW", "-ERR syntax error");
	expect(h, "BITFIELD k SET u8 0", "-ERR syntax error");
	expect(h, "BITFIELD_RO k SET u8 0 1", "-ERR BITFIELD_RO only supports the GET subcommand");
	expect(h, "EXISTS k", ":0");
	run(h, "SET k a");
	expect(h, "BITFIELD_RO k GET u8 0 GET u4 0", "*2 :97 :6");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_bitfield__set_get_of_any_width, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bitfield__overflow_wraps_by_default, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bitfield__overflow_saturates, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bitfield__overflow_fails_without_writing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bitfield__unchanged_touches_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bitfield__errors_before_any_write, setup, teardown),
	};
	harness_eal("test_bitmap_field");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
