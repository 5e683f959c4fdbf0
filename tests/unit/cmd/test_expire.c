/* Times to live. The harness stands at 1700000000 s. */
#include "harness.h"

static struct harness *h;

static int setup(void **state)
{
	h = harness_create(2);
	expect(h, "SET a v", "+OK");
	h->events[0] = h->effects[0] = '\0';
	return 0;
}

static int teardown(void **state)
{
	harness_destroy(h);
	return 0;
}

static void test_expire__all_units_and_bases(void **state)
{
	expect(h, "EXPIRE a 10", ":1");
	expect(h, "TTL a", ":10");
	expect(h, "PTTL a", ":10000");
	expect(h, "EXPIRETIME a", ":1700000010");
	expect(h, "PEXPIRETIME a", ":1700000010000");
	expect(h, "PEXPIRE a 2500", ":1");
	expect(h, "PTTL a", ":2500");
	expect(h, "EXPIREAT a 1700000020", ":1");
	expect(h, "TTL a", ":20");
	expect(h, "PEXPIREAT a 1700000000300", ":1");
	expect(h, "PTTL a", ":300");
	expect(h, "EXPIRE nosuch 10", ":0");
}

static void test_ttl__rounds_to_the_nearest(void **state)
{
	expect(h, "PEXPIRE a 1499", ":1");
	expect(h, "TTL a", ":1");
	expect(h, "PEXPIRE a 1500", ":1");
	expect(h, "TTL a", ":2");
	expect(h, "PEXPIRE a 499", ":1");
	expect(h, "TTL a", ":0");
}

static void test_ttl__without_key_or_time(void **state)
{
	expect(h, "TTL nosuch", ":-2");
	expect(h, "PTTL nosuch", ":-2");
	expect(h, "EXPIRETIME nosuch", ":-2");
	expect(h, "PEXPIRETIME nosuch", ":-2");
	expect(h, "TTL a", ":-1");
	expect(h, "EXPIRETIME a", ":-1");
}

static void test_expire__takes_effect_after_its_millisecond(void **state)
{
	expect(h, "PEXPIRE a 100", ":1");
	harness_advance_ms(h, 100);
	expect(h, "PTTL a", ":0");
	expect(h, "GET a", "$1 v");
	harness_advance_ms(h, 1);
	expect(h, "GET a", "$-1");
}

static void test_expire__past_time_deletes(void **state)
{
	expect(h, "EXPIRE a -1", ":1");
	expect_dirty(h, 1);
	expect_events(h, "del:a");
	expect_effects(h, "DEL a");
	expect(h, "EXISTS a", ":0");
	expect(h, "SET a v", "+OK");
	expect(h, "EXPIREAT a 1", ":1");
	expect(h, "EXISTS a", ":0");
	expect(h, "SET a v", "+OK");
	expect(h, "EXPIRE a 0", ":1");
	expect(h, "EXISTS a", ":0");
}

static void test_expire__effect_is_absolute(void **state)
{
	expect(h, "EXPIRE a 10", ":1");
	expect_effects(h, "PEXPIREAT a 1700000010000");
	expect_events(h, "expire:a");
	expect(h, "PERSIST a", ":1");
	expect_effects(h, "PERSIST a");
	expect_events(h, "persist:a");
	expect(h, "PERSIST a", ":0");
	expect_dirty(h, 0);
	expect(h, "PERSIST nosuch", ":0");
	expect_effects(h, "");
	expect_events(h, "");
	expect(h, "TTL a", ":-1");
}

static void test_expire__conditions(void **state)
{
	expect(h, "EXPIRE a 10 XX", ":0");
	expect(h, "EXPIRE a 10 GT", ":0");
	expect_dirty(h, 0);
	expect(h, "EXPIRE a 10 NX", ":1");
	expect(h, "EXPIRE a 20 NX", ":0");
	expect(h, "EXPIRE a 10 GT", ":0");
	expect(h, "EXPIRE a 20 GT", ":1");
	expect(h, "EXPIRE a 20 LT", ":0");
	expect(h, "EXPIRE a 10 LT", ":1");
	expect(h, "EXPIRE a 30 XX GT", ":1");
	expect(h, "EXPIRE a 40 xx lt", ":0");
	expect(h, "TTL a", ":30");
	expect(h, "PERSIST a", ":1");
	/* without a TTL every time is earlier */
	expect(h, "EXPIRE a 5 LT", ":1");
	/* a condition that fails keeps even a time in the past from deleting */
	expect(h, "EXPIRE a -1 GT", ":0");
	expect(h, "TTL a", ":5");
}

static void test_expire__refuses_bad_options(void **state)
{
	expect(h, "EXPIRE a 10 NX XX", "-ERR NX and XX, GT or LT options at the same time are not compatible");
	expect(h, "EXPIRE a 10 LT NX", "-ERR NX and XX, GT or LT options at the same time are not compatible");
	expect(h, "EXPIRE a 10 GT LT", "-ERR GT and LT options at the same time are not compatible");
	expect(h, "EXPIRE a 10 foo", "-ERR Unsupported option foo");
	expect(h, "EXPIRE a x", "-ERR value is not an integer or out of range");
	expect(h, "EXPIRE a 1.5", "-ERR value is not an integer or out of range");
}

static void test_expire__refuses_what_does_not_fit(void **state)
{
	expect(h, "EXPIRE a 9223372036854775807", "-ERR invalid expire time in 'expire' command");
	expect(h, "EXPIRE a -9223372036854775808", "-ERR invalid expire time in 'expire' command");
	expect(h, "EXPIREAT a 9223372036854775", ":1");
	expect(h, "EXPIREAT a 9223372036854776", "-ERR invalid expire time in 'expireat' command");
	expect(h, "PEXPIRE a 9223372036854775807", "-ERR invalid expire time in 'pexpire' command");
	expect(h, "PEXPIREAT a 9223372036854775807", ":1");
	expect(h, "PEXPIREAT a 9223372036854775808", "-ERR value is not an integer or out of range");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_expire__all_units_and_bases),
		T(test_ttl__rounds_to_the_nearest),
		T(test_ttl__without_key_or_time),
		T(test_expire__takes_effect_after_its_millisecond),
		T(test_expire__past_time_deletes),
		T(test_expire__effect_is_absolute),
		T(test_expire__conditions),
		T(test_expire__refuses_bad_options),
		T(test_expire__refuses_what_does_not_fit),
	};
	harness_eal("test_expire");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
