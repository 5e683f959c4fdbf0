/* Hashes: DUMP and RESTORE. */
#include <stdio.h>
#include <stdlib.h>

#include "base/crc64.h"
#include "harness.h"

static struct harness *h;

static int setup(void **state)
{
	h = harness_create(1);
	return 0;
}

static int teardown(void **state)
{
	harness_destroy(h);
	return 0;
}

/* What DUMP answers, without its "$len ". */
static struct slice dump(const char *key, char *to)
{
	runf(h, "DUMP %s", key);
	const char *blank = strchr(h->reply, ' ');
	size_t len = h->reply_len - (size_t)(blank + 1 - h->reply);

	assert_int_equal(h->reply[0], '$');
	memcpy(to, blank + 1, len);
	return (struct slice){to, len};
}

static const char *restore(const char *key, struct slice payload)
{
	struct slice argv[] = {SLICE("RESTORE"), {key, strlen(key)}, SLICE("0"), payload, SLICE("REPLACE")};

	return run_args(h, 5, argv);
}

/* A value as redis-server would send it. */
static const char *restore_value(const char *key, const void *value, size_t len)
{
	char text[512];
	uint16_t version = 12;

	memcpy(text, value, len);
	memcpy(text + len, &version, sizeof version);
	uint64_t crc = crc64(0, text, len + 2);
	memcpy(text + len + 2, &crc, sizeof crc);
	return restore(key, (struct slice){text, len + 10});
}
#define restore_bytes(key, literal) restore_value(key, literal, sizeof(literal) - 1)

static void test_dump__comes_back_in_every_form(void **state)
{
	static const char *const values[][3] = {
		{"HSET k a 1 b text c -70000"},
		{"HSET k a 1 b 2 c 3", "HPEXPIRE k 5000 FIELDS 1 b", "HPEXPIRE k 4000 FIELDS 1 c"},
		{"HSET k a 1 b 12345678901234567890123456789012345678901234567890123456789012345"},
		{"HSET k a 1 c 3 b 12345678901234567890123456789012345678901234567890123456789012345",
		 "HPEXPIRE k 5000 FIELDS 1 b", "HPEXPIRE k 4000 FIELDS 1 c"},
	};
	static const char *const questions[] = {"HLEN %s", "HMGET %s a b c", "HPEXPIRETIME %s FIELDS 3 a b c",
						"OBJECT ENCODING %s"};
	char payload[1024], want[1024];

	for (size_t i = 0; i < RP_ARRAY_LEN(values); i++) {
		run(h, "DEL k");
		for (size_t j = 0; j < 3 && values[i][j] != NULL; j++)
			run(h, values[i][j]);
		assert_string_equal(restore("other", dump("k", payload)), "+OK");
		for (size_t q = 0; q < RP_ARRAY_LEN(questions); q++) {
			snprintf(want, sizeof want, "%s", runf(h, questions[q], "k"));
			assert_string_equal(runf(h, questions[q], "other"), want);
		}
	}
}

static void test_dump__fields_expired_meanwhile_are_left_out(void **state)
{
	char payload[1024];

	run(h, "HSET k a 1 b 2");
	run(h, "HPEXPIRE k 100 FIELDS 1 a");
	struct slice p = dump("k", payload);
	harness_advance_ms(h, 101);
	assert_string_equal(restore("l", p), "+OK");
	expect(h, "HGETALL l", "*2 $1 b $1 2");
	harness_advance_ms(h, -101);
	expect(h, "HLEN l", ":1");
}

static void test_restore__times_as_redis_writes_them(void **state)
{
	/* first time 1800000000000, 2 fields: a without, b 5 ms after the first */
	assert_string_equal(restore_bytes("t", "\x18\x00\x50\x5c\x18\xa3\x01\x00\x00\x02\x00\x01"
					       "a\x01x\x06\x01"
					       "b\x01y"),
			    "+OK");
	expect(h, "HPEXPIRETIME t FIELDS 2 a b", "*2 :-1 :1800000000005");
	expect(h, "HMGET t a b", "*2 $1 x $1 y");
}

static void test_restore__old_forms(void **state)
{
	assert_string_equal(restore_bytes("m", "\x09\x0c\x02\x01"
					       "a\x01\x00"
					       "1\x01"
					       "b\x01\x00x\xff"),
			    "+OK"); /* a zipmap */
	expect(h, "HMGET m a b", "*2 $1 1 $1 x");
	expect(h, "OBJECT ENCODING m", "$8 listpack");
}

static void test_restore__nonsense(void **state)
{
	static const char bad[] = "-ERR Bad data format";

	/* an odd number of entries, a field twice, more pairs than bytes, a time that is none, no pair at all */
	assert_string_equal(restore_bytes("x", "\x10\x0a\x0a\x00\x00\x00\x01\x00\x81"
					       "a\x02\xff"),
			    bad);
	assert_string_equal(restore_bytes("x", "\x04\x02\x01"
					       "a\x01x\x01"
					       "a\x01y"),
			    bad);
	assert_string_equal(restore_bytes("x", "\x04\x80\xff\xff\xff\xff\x01"
					       "a\x01x"),
			    bad);
	assert_string_equal(restore_bytes("x", "\x18\xff\xff\xff\xff\xff\xff\xff\x7f\x01\x05\x01"
					       "a\x01x"),
			    bad);
	assert_string_equal(restore_bytes("x", "\x04\x01\x01"
					       "a"),
			    bad);
	expect(h, "EXISTS x", ":0");
}

/* Whatever a byte is changed to: an answer, and a hash that can be read. */
static void test_restore__any_byte_may_be_wrong(void **state)
{
	static const char *const keys[] = {"p", "q", "r"};
	char good[1024], text[1024];

	run(h, "HSET p a 1 bb xyz c -70000");
	run(h, "HSET q a 1 bb xyz c -70000");
	run(h, "HPEXPIRE q 5000 FIELDS 2 a c");
	h->conf.types.hash_max_listpack_entries = 0;
	run(h, "HSET r a 1 bb xyz c -70000");
	run(h, "HPEXPIRE r 5000 FIELDS 2 a c");
	for (size_t k = 0; k < RP_ARRAY_LEN(keys); k++) {
		struct slice p = dump(keys[k], good);
		for (size_t at = 256; at < (p.len - 10) * 256; at++) {
			memcpy(text, good, p.len);
			text[at / 256] = (char)at;
			if (restore_value("x", text, p.len - 10)[0] == '+')
				assert_int_equal(run(h, "HGETALL x")[0], '*');
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_dump__comes_back_in_every_form, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dump__fields_expired_meanwhile_are_left_out, setup, teardown),
		cmocka_unit_test_setup_teardown(test_restore__times_as_redis_writes_them, setup, teardown),
		cmocka_unit_test_setup_teardown(test_restore__old_forms, setup, teardown),
		cmocka_unit_test_setup_teardown(test_restore__nonsense, setup, teardown),
		cmocka_unit_test_setup_teardown(test_restore__any_byte_may_be_wrong, setup, teardown),
	};
	harness_eal("test_hash_dump");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
