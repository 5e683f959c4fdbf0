/* Values of every type and form, written and read again. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "rdb_world.h"

#define KEY   SLICE("key")
#define AGAIN SLICE("again")

static struct rdb_world *w;

/* ---- values to write, made by reading them in their plainest forms ---- */

#define TEXT_MAX 40000

/* Around the bounds of the lengths' and strings' encodings; number i of a value, so that all differ. */
static struct slice random_string(char *buf, uint64_t i, size_t most, bool unique)
{
	static const size_t sizes[] = {1, 5, 11, 12, 20, 21, 63, 64, 65, 300, 16383, 16384, TEXT_MAX};
	static const int64_t edges[] = {0, 127, 128, 32767, 32768, INT32_MAX, (int64_t)INT32_MAX + 1, INT64_MAX - 1000};
	size_t len;

	uint64_t k = rng_below(&w->rng, 4);

	switch (rng_below(&w->rng, 4)) {
	case 0:
		/* members must differ, whatever was chosen before */
		return (struct slice){buf,
				      num_format_i64(buf, unique ? (int64_t)(i + (k << 20)) : edges[k] + (int64_t)i)};
	case 1:
		return (struct slice){buf, num_format_i64(buf, unique ? -(int64_t)(i + 1 + (k << 20)) : -edges[k + 4])};
	default:
		len = sizes[rng_below(&w->rng, RP_ARRAY_LEN(sizes))];
		len = RP_MIN(len, most);
	}
	bool noise = rng_below(&w->rng, 2);
	for (size_t at = 0; at < len; at++)
		buf[at] = noise ? (char)rng_next(&w->rng) : 'x';
	size_t n = num_format_i64(buf + len, (int64_t)i);
	return (struct slice){buf, len + n};
}

static double random_score(void)
{
	static const double scores[] = {0, -0.0, 1, -1, 0.1, 1e300, -INFINITY, INFINITY, 4503599627370497.0, 1e-300};

	return scores[rng_below(&w->rng, RP_ARRAY_LEN(scores))];
}

/* Members of which type: that they are integers only, and how long at most. */
static void make(uint8_t type, uint64_t n, bool ints, size_t most)
{
	static char buf[TEXT_MAX + 32];
	struct rdb_out out;

	rdb_out_init(&out, w->own, rng_below(&w->rng, 2));
	rdb_put_u8(&out, type);
	if (type != RDB_STRING)
		rdb_put_len(&out, n);
	for (uint64_t i = 0; i < n; i++) {
		if (ints)
			rdb_put_i64_string(&out, (int64_t)(i << rng_below(&w->rng, 2) * 40) + (int64_t)i);
		else
			rdb_put_string(&out, random_string(buf, i, most, type != RDB_STRING && type != RDB_LIST));
		if (type == RDB_ZSET_2)
			rdb_put_double(&out, random_score());
		if (type == RDB_HASH)
			rdb_put_string(&out, random_string(buf, i, most, type != RDB_STRING && type != RDB_LIST));
	}
	assert_false(out.failed);
	assert_int_equal(rdb_world_load(w, KEY, out.p, out.len, STORE_NO_EXPIRE, NULL), RDB_LOADED);
	rdb_out_fini(&out);
}

/* What is at KEY, written, read elsewhere and written again. */
static void expect_round_trip(bool compress)
{
	struct rdb_out out;
	size_t rest;
	char *shown = strdup(rdb_world_show(w, KEY));

	rdb_out_init(&out, w->own, compress);
	rdb_put_value(&out, store_peek(w->s, 0, KEY));
	assert_false(out.failed);
	assert_int_equal(rdb_world_load(w, AGAIN, out.p, out.len, STORE_NO_EXPIRE, &rest), RDB_LOADED);
	assert_int_equal(rest, 0);
	assert_string_equal(rdb_world_show(w, AGAIN), shown);
	struct object *o = store_peek(w->s, 0, AGAIN);
	if (obj_is_compact(o) && o->type != OBJ_STRING) {
		struct slice a = obj_compact(store_peek(w->s, 0, KEY)), b = obj_compact(o);
		assert_int_equal(a.len, b.len);
	}
	rdb_out_fini(&out);
	free(shown);
}

static void both_ways(uint8_t type, uint64_t n, bool ints, size_t most)
{
	make(type, n, ints, most);
	expect_round_trip(true);
	expect_round_trip(false);
}

static void test_rdb__strings(void **state)
{
	for (int i = 0; i < 300; i++)
		both_ways(RDB_STRING, 1, false, TEXT_MAX);
}

static void test_rdb__every_form_of_collections(void **state)
{
	static const uint8_t types[] = {RDB_LIST, RDB_SET, RDB_ZSET_2, RDB_HASH};
	static const uint64_t counts[] = {1, 2, 7, 8, 9, 63, 64, 127, 128, 129, 511, 512, 513, 1000};
	static const size_t lengths[] = {5, 60, 70, 400};

	for (size_t t = 0; t < RP_ARRAY_LEN(types); t++)
		for (size_t c = 0; c < RP_ARRAY_LEN(counts); c++)
			for (size_t l = 0; l < RP_ARRAY_LEN(lengths); l++) {
				both_ways(types[t], counts[c], false, lengths[l]);
				both_ways(types[t], counts[c], true, 0);
			}
}

static void test_rdb__lists_under_every_limit(void **state)
{
	static const int64_t limits[] = {-5, -4, -3, -2, -1, 0, 1, 2, 7, 1000};

	for (size_t i = 0; i < RP_ARRAY_LEN(limits); i++) {
		w->limits.list_max_listpack_size = limits[i];
		for (int n = 1; n < 12; n++)
			both_ways(RDB_LIST, (uint64_t)n, false, TEXT_MAX);
		both_ways(RDB_LIST, 12, false, 5000);
	}
	w->limits.list_max_listpack_size = -2;
}

/* Written under one set of limits, read under another. */
static void test_rdb__the_form_is_the_readers(void **state)
{
	static const uint8_t types[] = {RDB_LIST, RDB_SET, RDB_ZSET_2, RDB_HASH};
	struct type_limits usual = w->limits;
	struct type_limits small = {.list_max_listpack_size = 4,
				    .hash_max_listpack_entries = 4,
				    .hash_max_listpack_value = 8,
				    .set_max_intset_entries = 4,
				    .set_max_listpack_entries = 4,
				    .set_max_listpack_value = 8,
				    .zset_max_listpack_entries = 4,
				    .zset_max_listpack_value = 8};

	for (size_t t = 0; t < RP_ARRAY_LEN(types); t++)
		for (int ints = 0; ints < 2; ints++) {
			struct rdb_out out;
			make(types[t], 50, ints, 20);
			assert_true(obj_is_compact(store_peek(w->s, 0, KEY)));
			char *shown = strdup(strchr(rdb_world_show(w, KEY), ':'));
			rdb_out_init(&out, w->own, true);
			rdb_put_value(&out, store_peek(w->s, 0, KEY));
			w->limits = small;
			assert_int_equal(rdb_world_load(w, AGAIN, out.p, out.len, STORE_NO_EXPIRE, NULL), RDB_LOADED);
			/* a list keeps the nodes that it had */
			assert_int_equal(obj_is_compact(store_peek(w->s, 0, AGAIN)), false);
			assert_string_equal(strchr(rdb_world_show(w, AGAIN), ':'), shown);
			w->limits = usual;
			rdb_out_fini(&out);
			free(shown);
		}
}

/* ---- memory ---- */

static void expect_no_memory_is_no_change(uint8_t type, uint64_t n, bool ints)
{
	struct rdb_out out;
	enum rdb_loaded r;

	make(type, n, ints, 300);
	rdb_out_init(&out, w->own, true);
	rdb_put_value(&out, store_peek(w->s, 0, KEY));
	for (uint64_t after = 1; after < 2000; after++) {
		store_set_string(w->s, 0, KEY, SLICE("old"), NULL, 2000000);
		heap_fail_after(after & 1 ? w->heap : w->own, (after + 1) / 2);
		r = rdb_world_load(w, KEY, out.p, out.len, 3000000, NULL);
		heap_fail_after(w->heap, 0);
		heap_fail_after(w->own, 0);
		if (r == RDB_LOADED && after & 1)
			break;
		if (r == RDB_LOADED)
			continue;
		assert_int_equal(r, RDB_NO_MEMORY);
		assert_string_equal(rdb_world_show(w, KEY), "string embstr: old until 2000000");
	}
	rdb_out_fini(&out);
}

static void test_rdb__out_of_memory_the_key_stays(void **state)
{
	static const uint8_t types[] = {RDB_STRING, RDB_LIST, RDB_SET, RDB_ZSET_2, RDB_HASH};

	w->limits.list_max_listpack_size = 20;
	w->limits.set_max_intset_entries = 20;
	for (size_t t = 0; t < RP_ARRAY_LEN(types); t++)
		for (int ints = 0; ints < 2; ints++) {
			expect_no_memory_is_no_change(types[t], 1, ints);
			expect_no_memory_is_no_change(types[t], types[t] == RDB_STRING ? 1 : 12, ints);
			expect_no_memory_is_no_change(types[t], types[t] == RDB_STRING ? 1 : 60, ints);
		}
	w->limits.list_max_listpack_size = -2;
	w->limits.set_max_intset_entries = 512;
}

static void test_rdb_out__out_of_memory_is_said(void **state)
{
	make(RDB_LIST, 100, false, 300);
	for (uint64_t after = 1; after < 100; after++) {
		struct rdb_out out;
		rdb_out_init(&out, w->own, true);
		heap_fail_after(w->own, after);
		rdb_put_value(&out, store_peek(w->s, 0, KEY));
		heap_fail_after(w->own, 0);
		bool failed = out.failed;
		rdb_out_fini(&out);
		if (!failed)
			return;
	}
	fail();
}

/* ---- strings alone ---- */

static void test_rdb_put_string__as_redis_writes_it(void **state)
{
	static const struct {
		const char *text, *bytes;
		size_t len;
	} cases[] = {
		{"", "\x00", 1},
		{"1", "\xc0\x01", 2},
		{"-128", "\xc0\x80", 2},
		{"128", "\xc1\x80\x00", 3},
		{"-32769", "\xc2\xff\x7f\xff\xff", 5},
		{"2147483647", "\xc2\xff\xff\xff\x7f", 5},
		{"2147483648",
		 "\x0a"
		 "2147483648",
		 11},
		{"01",
		 "\x02"
		 "01",
		 3},
		{"-0", "\x02-0", 3},
		{"+1", "\x02+1", 3},
	};

	for (size_t i = 0; i < RP_ARRAY_LEN(cases); i++) {
		struct rdb_out out;
		rdb_out_init(&out, w->own, true);
		rdb_put_string(&out, (struct slice){cases[i].text, strlen(cases[i].text)});
		assert_int_equal(out.len, cases[i].len);
		assert_memory_equal(out.p, cases[i].bytes, out.len);
		rdb_out_fini(&out);
	}
}

static void test_rdb_put_len__bounds(void **state)
{
	static const uint64_t v[] = {0, 63, 64, 16383, 16384, UINT32_MAX, (uint64_t)UINT32_MAX + 1, UINT64_MAX};
	static const size_t len[] = {1, 1, 2, 2, 5, 5, 9, 9};

	for (size_t i = 0; i < RP_ARRAY_LEN(v); i++) {
		struct rdb_out out;
		rdb_out_init(&out, w->own, true);
		rdb_put_len(&out, v[i]);
		assert_int_equal(out.len, len[i]);
		struct rdb_in in = {.p = out.p, .end = out.p + out.len, .heap = w->own};
		assert_true(rdb_get_len(&in) == v[i]);
		assert_false(in.bad);
		assert_ptr_equal(in.p, in.end);
		rdb_out_fini(&out);
	}
}

static int set_up(void **state)
{
	if (fixture_eal("test_rdb", "512") != 0)
		return -1;
	w = rdb_world_create(7);
	return 0;
}

static int tear_down(void **state)
{
	rdb_world_destroy(w);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rdb__strings),
		cmocka_unit_test(test_rdb__every_form_of_collections),
		cmocka_unit_test(test_rdb__lists_under_every_limit),
		cmocka_unit_test(test_rdb__the_form_is_the_readers),
		cmocka_unit_test(test_rdb__out_of_memory_the_key_stays),
		cmocka_unit_test(test_rdb_out__out_of_memory_is_said),
		cmocka_unit_test(test_rdb_put_string__as_redis_writes_it),
		cmocka_unit_test(test_rdb_put_len__bounds),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
