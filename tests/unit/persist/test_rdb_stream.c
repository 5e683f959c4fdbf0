/* Streams byte by byte as Redis 5.0, 7.0 and 7.2 write them: types 15, 19 and 21. */
#include <stdlib.h>

#include "../store/rdb_world.h"

#define KEY SLICE("key")

/* Two entries, 1-0 f a and 2-0 f b, in one node: its id, and a listpack of count, deleted, fields, their names, 0; then
 * for each entry flags (as the master), id less the node's, values, elements to go back. */
#define ID(ms) "\0\0\0\0\0\0\0" ms "\0\0\0\0\0\0\0\0"
#define NODE                                             \
	"\x10" ID("\x01") "\x28"                         \
			  "\x28\0\0\0\x0f\0"             \
			  "\x02\x01\x00\x01\x01\x01\x81" \
			  "f\x02\x00\x01"                \
			  "\x02\x01\x00\x01\x00\x01\x81" \
			  "a\x02\x04\x01"                \
			  "\x02\x01\x01\x01\x00\x01\x81" \
			  "b\x02\x04\x01\xff"
#define TIME(ms) ms "\0\0\0\0\0\0\0"
/* What the group waits for: 1-0 delivered once at 7, 2-0 three times at 8. */
#define PENDING "\x02" ID("\x01") TIME("\x07") "\x01" ID("\x02") TIME("\x08") "\x03"
#define OWNED   "\x02" ID("\x01") ID("\x02")
#define ENTRIES ", 1-0 f=a, 2-0 f=b group g last 2-0 read "
#define WAITS   " [1-0 c at 7 times 1] [2-0 c at 8 times 3]"

static const struct fixture {
	const char *bytes;
	size_t len;
	const char *shown;
} fixtures[] = {
#define F(bytes, shown)                         \
	{                                       \
		bytes, sizeof(bytes) - 1, shown \
	}
	F("\x0f\x01" NODE "\x02\x02\x00"
	  "\x01\x01g\x02\x00" PENDING "\x01\x01"
	  "c" TIME("\x09") OWNED,
	  "stream stream: 2 entries of 2 first 1-0 last 2-0 deleted 0-0" ENTRIES "2 (c seen 9 active 9)" WAITS),
	F("\x13\x01" NODE "\x02\x02\x00\x01\x00\x01\x05\x06"
	  "\x01\x01g\x02\x00\x04" PENDING "\x01\x01"
	  "c" TIME("\x09") OWNED,
	  "stream stream: 2 entries of 6 first 1-0 last 2-0 deleted 1-5" ENTRIES "4 (c seen 9 active 9)" WAITS),
	F("\x15\x01" NODE "\x02\x02\x00\x01\x00\x01\x05\x06"
	  "\x01\x01g\x02\x00\x04" PENDING "\x01\x01"
	  "c" TIME("\x09") TIME("\x05") OWNED,
	  "stream stream: 2 entries of 6 first 1-0 last 2-0 deleted 1-5" ENTRIES "4 (c seen 9 active 5)" WAITS),
	/* none is left, and a consumer that never got any */
	F("\x0f\x00\x00\x07\x03\x01\x01g\x02\x00\x00\x01\x01"
	  "c" TIME("\x09") "\x00",
	  "stream stream: 0 entries of 0 first 0-0 last 7-3 deleted 0-0 group g last 2-0 read 0 (c seen 9 active 9)"),
	F("\x15\x00\x00\x07\x03\x00\x00\x07\x03\x04\x01\x01g\x02\x00\x02\x00\x01\x01"
	  "c" TIME("\x09") "\xff\xff\xff\xff\xff\xff\xff\xff\x00",
	  "stream stream: 0 entries of 4 first 0-0 last 7-3 deleted 7-3 group g last 2-0 read 2 (c seen 9 active -1)"),
#undef F
};

static struct rdb_world *w;

static void test_rdb_stream__every_form_is_read(void **state)
{
	for (size_t i = 0; i < RP_ARRAY_LEN(fixtures); i++) {
		size_t rest;
		enum rdb_loaded r = rdb_world_load(w, KEY, fixtures[i].bytes, fixtures[i].len, STORE_NO_EXPIRE, &rest);
		if (r != RDB_LOADED)
			fail_msg("fixture %zu: %d", i, r);
		assert_int_equal(rest, 0);
		assert_string_equal(rdb_world_show(w, KEY), fixtures[i].shown);
	}
}

static void set_old(void)
{
	assert_non_null(store_set_string(w->s, 0, KEY, SLICE("old"), NULL, STORE_NO_EXPIRE));
}

static void test_rdb_stream__no_part_of_one_is_one(void **state)
{
	for (size_t i = 0; i < RP_ARRAY_LEN(fixtures); i++)
		for (size_t n = 0; n < fixtures[i].len; n++) {
			set_old();
			assert_int_equal(rdb_world_load(w, KEY, fixtures[i].bytes, n, STORE_NO_EXPIRE, NULL), RDB_BAD);
			assert_string_equal(rdb_world_show(w, KEY), "string embstr: old");
		}
}

/* Whole or nothing, and nothing is left behind (which the end of the world checks). */
static void test_rdb_stream__a_broken_byte_breaks_nothing_else(void **state)
{
	uint32_t refused = 0, taken = 0;

	for (size_t i = 0; i < RP_ARRAY_LEN(fixtures); i++)
		for (size_t at = 0; at < fixtures[i].len; at++)
			for (int v = 0; v < 256; v++) {
				char bytes[512];
				memcpy(bytes, fixtures[i].bytes, fixtures[i].len);
				bytes[at] = (char)v;
				set_old();
				enum rdb_loaded r = rdb_world_load(w, KEY, bytes, fixtures[i].len, STORE_NO_EXPIRE,
								   NULL);
				assert_int_not_equal(r, RDB_NO_MEMORY);
				const char *shown = rdb_world_show(w, KEY);
				if (r == RDB_LOADED)
					taken++;
				else
					assert_string_equal(shown, "string embstr: old");
				refused += r != RDB_LOADED;
			}
	assert_true(refused > 1000 && taken > 1000);
}

static int setup(void **state)
{
	if (fixture_eal("test_rdb_stream", "16") != 0)
		return -1;
	w = rdb_world_create(3);
	return 0;
}

static int teardown(void **state)
{
	rdb_world_destroy(w);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rdb_stream__every_form_is_read),
		cmocka_unit_test(test_rdb_stream__no_part_of_one_is_one),
		cmocka_unit_test(test_rdb_stream__a_broken_byte_breaks_nothing_else),
	};

	return cmocka_run_group_tests_name("rdb_stream", tests, setup, teardown);
}
