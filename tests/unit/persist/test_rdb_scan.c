/* RDB files byte by byte: their frame in every version, where values of every type end, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/crc64.h"
#include "persist/rdb_records.h"
#include "tests/eal.h"

static struct heap *heap;
static struct err e;

/* A literal with NUL bytes in it. */
#define BYTES(lit) ((struct slice){(lit), sizeof(lit) - 1})

/* ---- a file, scanned as it arrives ---- */

struct seen {
	uint32_t items, keys;
	struct rdb_item last;
	char key[64];
	bool ended;
};

/* Scans bytes that become available `step` at a time. Returns how it ended. */
static enum rdb_scan_result scan(struct slice file, size_t step, bool check_crc, struct seen *seen)
{
	struct rdb_scan s;
	size_t at = 0, have = 0;
	enum rdb_scan_result r = RDB_SCAN_MORE;

	memset(seen, 0, sizeof *seen);
	e.text[0] = '\0';
	rdb_scan_init(&s, heap, check_crc);
	while (!seen->ended) {
		size_t used = 0;
		/* a copy of exactly that length, so that ASan knows its end */
		uint8_t *copy = malloc(have - at + 1);
		memcpy(copy, file.ptr + at, have - at);
		r = rdb_scan_next(&s, copy, have - at, have == file.len, &used, &seen->last, &e);
		if (r == RDB_SCAN_ITEM) {
			assert_true(used <= have - at);
			at += used;
			seen->items++;
			seen->keys += seen->last.kind == RDB_ITEM_KEY;
			seen->ended = seen->last.kind == RDB_ITEM_END;
			if (seen->last.kind == RDB_ITEM_KEY)
				snprintf(seen->key, sizeof seen->key, "%.*s", (int)seen->last.key.len,
					 seen->last.key.ptr);
			rdb_scan_moved(&s);
			assert_int_equal(s.off, at);
		}
		free(copy);
		if (r == RDB_SCAN_BAD)
			break;
		if (r == RDB_SCAN_MORE) {
			assert_true(have < file.len);
			have = RP_MIN(have + step, file.len);
		}
	}
	rdb_scan_fini(&s);
	return r;
}

static void expect_whole(struct slice file, uint32_t keys)
{
	struct seen seen;

	for (size_t step = 1; step <= 9; step += 4) {
		enum rdb_scan_result r = scan(file, step, true, &seen);
		if (r != RDB_SCAN_ITEM)
			fail_msg("%s", e.text);
		assert_int_equal(seen.keys, keys);
	}
	assert_int_equal(scan(file, file.len, true, &seen), RDB_SCAN_ITEM);
	assert_int_equal(seen.keys, keys);
	/* cut anywhere, it is refused */
	for (size_t len = 0; len < file.len; len++)
		assert_int_equal(scan((struct slice){file.ptr, len}, 100, true, &seen), RDB_SCAN_BAD);
}

static void expect_refused(struct slice file, const char *why)
{
	struct seen seen;

	assert_int_equal(scan(file, 7, true, &seen), RDB_SCAN_BAD);
	if (strstr(e.text, why) == NULL)
		fail_msg("'%s' does not say '%s'", e.text, why);
}

/* ---- the frame ---- */

static bool each_function(void *ctx, rdb_function_put_fn put, void *arg)
{
	assert_true(put(arg, SLICE("#!lua name=one\nreturn")));
	assert_true(put(arg, SLICE("#!lua name=two\nreturn")));
	return true;
}

static struct slice written(struct rdb_out *w, uint16_t version, bool checksum)
{
	struct rdb_functions f = {.each = each_function};
	struct rdb_head h = {.version = version, .redis_ver = "7.2.4", .ctime_s = 1700000000, .functions = &f};

	rdb_out_init(w, heap, true);
	rdb_put_head(w, &h);
	rdb_put_selectdb(w, 0);
	rdb_put_resizedb(w, 70000, 3);
	rdb_put_u8(w, RDB_OP_EXPIRETIME_MS);
	rdb_put_i64(w, 1800000000000);
	rdb_put_u8(w, RDB_OP_IDLE);
	rdb_put_len(w, 100);
	rdb_put_u8(w, RDB_STRING);
	rdb_put_string(w, SLICE("key"));
	rdb_put_string(w, SLICE("value"));
	rdb_put_selectdb(w, 300);
	rdb_put_u8(w, RDB_OP_FREQ);
	rdb_put_u8(w, 9);
	rdb_put_u8(w, RDB_STRING);
	rdb_put_string(w, SLICE("a key that can be compressed: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
	rdb_put_string(w, SLICE("12345"));
	rdb_put_u8(w, RDB_OP_EOF);
	uint64_t crc = checksum ? crc64(0, w->p, w->len) : 0;
	if (version >= 5)
		rdb_put_raw(w, &crc, sizeof crc);
	assert_false(w->failed);
	return (struct slice){(const char *)w->p, w->len};
}

static void test_rdb_scan__a_whole_file_in_any_pieces(void **state)
{
	struct rdb_out w;

	for (uint16_t version = 1; version <= RDB_VERSION_READ; version++) {
		expect_whole(written(&w, version, version != 7), 2);
		rdb_out_fini(&w);
	}
}

static void test_rdb_scan__what_is_said_of_keys(void **state)
{
	static const enum rdb_item_kind kinds[] = {
		RDB_ITEM_HEAD, RDB_ITEM_AUX,      RDB_ITEM_AUX,      RDB_ITEM_AUX,      RDB_ITEM_AUX,
		RDB_ITEM_AUX,  RDB_ITEM_FUNCTION, RDB_ITEM_FUNCTION, RDB_ITEM_SELECTDB, RDB_ITEM_RESIZEDB,
		RDB_ITEM_KEY,  RDB_ITEM_SELECTDB, RDB_ITEM_KEY,      RDB_ITEM_END};
	struct rdb_item it[RP_ARRAY_LEN(kinds)];
	struct rdb_out w;
	struct slice file = written(&w, 10, true);
	struct rdb_scan s;
	size_t at = 0, used;

	rdb_scan_init(&s, heap, true);
	for (size_t i = 0; i < RP_ARRAY_LEN(kinds); i++, at += used) {
		assert_int_equal(
			rdb_scan_next(&s, (const uint8_t *)file.ptr + at, file.len - at, true, &used, &it[i], &e),
			RDB_SCAN_ITEM);
		assert_int_equal(it[i].kind, kinds[i]);
		if (i == 7)
			assert_true(slice_eq(it[i].text, SLICE("#!lua name=two\nreturn")));
		if (i == 1)
			assert_true(slice_eq(it[i].name, SLICE("redis-ver")) && slice_eq(it[i].text, SLICE("7.2.4")));
		if (i == 12)
			assert_int_equal(it[i].key.len, 73);
	}
	assert_int_equal(at, file.len);
	assert_int_equal(it[9].number, 70000);
	assert_int_equal(it[9].number2, 3);
	assert_int_equal(it[10].expire_at_ms, 1800000000000);
	assert_int_equal(it[10].idle_s, 100);
	assert_int_equal(it[10].freq, -1);
	assert_int_equal(it[10].len, 11);
	assert_int_equal(it[11].number, 300);
	assert_int_equal(it[12].expire_at_ms, STORE_NO_EXPIRE);
	assert_int_equal(it[12].freq, 9);
	rdb_scan_fini(&s);
	rdb_out_fini(&w);
}

static void test_rdb_scan__checksum(void **state)
{
	struct rdb_out w;
	struct seen seen;
	struct slice file = written(&w, 10, true);

	for (size_t i = RDB_HEAD_BYTES; i < file.len; i++) {
		w.p[i] ^= 1;
		assert_int_equal(scan(file, 1000, true, &seen), RDB_SCAN_BAD);
		w.p[i] ^= 1;
	}
	w.p[file.len - 1] ^= 1;
	expect_refused(file, "checksum is wrong");
	assert_int_equal(scan(file, 1000, false, &seen), RDB_SCAN_ITEM);
	rdb_out_fini(&w);
}

/* ---- old and new values ---- */

/* Bodies of values by hand: type, bytes. */
static const struct {
	uint8_t type;
	const char *p;
	size_t len;
} bodies[] = {
#define BODY(type, lit)                    \
	{                                  \
		type, lit, sizeof(lit) - 1 \
	}
	BODY(RDB_STRING, "\x05hello"),
	BODY(RDB_STRING, "\xc0\x7b"),
	BODY(RDB_STRING, "\xc1\x39\x30"),
	BODY(RDB_STRING, "\xc2\x15\xcd\x5b\x07"),
	BODY(RDB_STRING, "\x40\x05hello"),
	BODY(RDB_STRING, "\x80\x00\x00\x00\x05hello"),
	BODY(RDB_STRING, "\x81\x00\x00\x00\x00\x00\x00\x00\x05hello"),
	BODY(RDB_STRING, "\xc3\x04\x0a\x00"
			 "a\xe0\x00"),
	BODY(RDB_LIST, "\x02\x01"
		       "a\x01"
		       "b"),
	BODY(RDB_SET, "\x01\x01"
		      "a"),
	BODY(RDB_ZSET, "\x03\x01"
		       "a\x03"
		       "1.5\x01"
		       "b\xfe\x01"
		       "c\xff"),
	BODY(RDB_HASH, "\x01\x01"
		       "f\x01"
		       "v"),
	BODY(RDB_ZSET_2, "\x01\x01"
			 "a\x00\x00\x00\x00\x00\x00\xf8\x3f"),
	BODY(RDB_HASH_ZIPMAP, "\x09\x01\x01"
			      "f\x01\x00"
			      "v\xff\x00\x00"),
	BODY(RDB_LIST_ZIPLIST, "\x0d\x0d\x00\x00\x00\x0a\x00\x00\x00\x01\x00\x00\xf2\xff"),
	BODY(RDB_SET_INTSET, "\x0a\x02\x00\x00\x00\x01\x00\x00\x00\x07\x00"),
	BODY(RDB_ZSET_ZIPLIST, "\x10\x10\x00\x00\x00\x0d\x00\x00\x00\x02\x00\x00\x01z\x03\xf2\xff"),
	BODY(RDB_HASH_ZIPLIST, "\x11\x11\x00\x00\x00\x0d\x00\x00\x00\x02\x00\x00\x01g\x03\x01v\xff"),
	BODY(RDB_LIST_QUICKLIST, "\x01\x0d\x0d\x00\x00\x00\x0a\x00\x00\x00\x01\x00\x00\xf2\xff"),
	BODY(RDB_LIST_QUICKLIST_2, "\x02\x02\x09\x09\x00\x00\x00\x01\x00\x07\x01\xff\x01\x05plain"),
	BODY(RDB_HASH_LISTPACK, "\x0b\x0b\x00\x00\x00\x02\x00\x01\x01\x02\x01\xff"),
	BODY(RDB_ZSET_LISTPACK, "\x0c\x0c\x00\x00\x00\x02\x00\x81z\x02\x01\x01\xff"),
	BODY(RDB_SET_LISTPACK, "\x09\x09\x00\x00\x00\x01\x00\x07\x01\xff"),
	BODY(RDB_STREAM, "\x00\x00\x05\x00\x01\x01g\x05\x00\x01"
			 "0123456789abcdef"
			 "\x01\x02\x03\x04\x05\x06\x07\x08\x02\x01\x01"
			 "c\x01\x02\x03\x04\x05\x06\x07\x08\x01"
			 "0123456789abcdef"),
	BODY(RDB_STREAM_2, "\x00\x00\x05\x00\x00\x00\x00\x00\x05\x01\x01g\x05\x00\x03\x00\x00"),
	BODY(RDB_STREAM_3, "\x00\x00\x05\x00\x00\x00\x00\x00\x05\x01\x01g\x05\x00\x03\x00\x01\x01"
			   "c\x01\x02\x03\x04\x05\x06\x07\x08\x01\x02\x03\x04\x05\x06\x07\x08\x00"),
	BODY(RDB_HASH_TTL, "\x01\x02\x03\x04\x05\x06\x07\x08\x01\x01\x01"
			   "f\x01"
			   "v"),
	BODY(RDB_HASH_LISTPACK_TTL, "\x01\x02\x03\x04\x05\x06\x07\x08\x03xyz"),
#undef BODY
};

static bool has_body(uint8_t type)
{
	for (size_t i = 0; i < RP_ARRAY_LEN(bodies); i++)
		if (bodies[i].type == type)
			return true;
	return false;
}

/* A type whose end is known has a body above. */
static void test_rdb_scan__every_type_that_is_known_is_tried(void **state)
{
	for (uint32_t type = 0; type <= UINT8_MAX; type++) {
		static const uint8_t nothing[1];
		const uint8_t *p = nothing;
		bool known = rdb_skip_value((uint8_t)type, &p, nothing) != RDB_NONSENSE;
		if (known != has_body((uint8_t)type))
			fail_msg("type %u", type);
	}
}

static void test_rdb_scan__where_values_of_every_type_end(void **state)
{
	struct rdb_out w;

	for (size_t i = 0; i < RP_ARRAY_LEN(bodies); i++) {
		rdb_out_init(&w, heap, false);
		rdb_put_raw(&w, "REDIS0006", RDB_HEAD_BYTES);
		rdb_put_u8(&w, bodies[i].type);
		rdb_put_string(&w, SLICE("k"));
		rdb_put_raw(&w, bodies[i].p, bodies[i].len);
		rdb_put_u8(&w, RDB_STRING);
		rdb_put_string(&w, SLICE("last"));
		rdb_put_string(&w, SLICE("x"));
		rdb_put_u8(&w, RDB_OP_EOF);
		uint64_t crc = crc64(0, w.p, w.len);
		rdb_put_raw(&w, &crc, sizeof crc);
		expect_whole((struct slice){(const char *)w.p, w.len}, 2);
		struct seen seen;
		assert_int_equal(scan((struct slice){(const char *)w.p, w.len}, 3, true, &seen), RDB_SCAN_ITEM);
		assert_string_equal(seen.key, "last");
		rdb_out_fini(&w);
	}
}

/* Files as they were written before there were checksums. */
static void test_rdb_scan__files_of_old_versions(void **state)
{
	expect_whole(BYTES("REDIS0001\xfe\x00\x00\x01"
			   "a\x01"
			   "b\xff"),
		     1);
	expect_whole(BYTES("REDIS0003\xfe\x00\xfd\xff\xff\xff\x7f\x00\x01"
			   "a\x01"
			   "b\xff"),
		     1);
	expect_whole(BYTES("REDIS0004\xfe\x00\xfc\xff\xff\xff\x7f\xff\x00\x00\x00\x09\x01"
			   "a\x09\x01\x01"
			   "f\x01\x00"
			   "v\xff\x00\x00\xff"),
		     1);
	expect_whole(
		BYTES("REDIS0006\xfe\x00\x0a\x01"
		      "a\x0d\x0d\x00\x00\x00\x0a\x00\x00\x00\x01\x00\x00\xf2\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00"),
		1);
}

static void test_rdb_scan__what_is_refused_says_why(void **state)
{
	expect_refused(BYTES(""), "no RDB file");
	expect_refused(BYTES("REDIS"), "no RDB file");
	expect_refused(BYTES("*1\r\n$4\r\nPING\r\n"), "no RDB file");
	expect_refused(BYTES("REDIS0013\xff"), "versions 1 to 12 are read");
	expect_refused(BYTES("REDIS9999\xff"), "versions 1 to 12 are read");
	expect_refused(BYTES("REDIS0000\xff"), "versions 1 to 12 are read");
	expect_refused(BYTES("REDISabcd\xff"), "versions 1 to 12 are read");
	/* a module's value, whose type says who wrote it; of its own, and beside the keys */
	expect_refused(BYTES("REDIS0009\x07\x01k\x81\x5e\x1d\x4a\xa9\x09\x27\x2c\x00"), "module type 'Xh1KqQknL'");
	expect_refused(BYTES("REDIS0009\xf7\x81\x5e\x1d\x4a\xa9\x09\x27\x2c\x00"), "module type 'Xh1KqQknL'");
	expect_refused(BYTES("REDIS0009\x06\x01k\x81\x5e\x1d\x4a\xa9\x09\x27\x2c\x00"), "no modules here");
	expect_refused(BYTES("REDIS0009\x63\x01k\x01v"), "type 99");
	expect_refused(BYTES("REDIS0010\xf6\x01k\x01v"), "type 246");
	expect_refused(BYTES("REDIS0009\x00\xc4\x01v"), "no length");
	expect_refused(BYTES("REDIS0009\x00\x82\x01v"), "no length");
	expect_refused(BYTES("REDIS0009\x00\x01k\xc3\x03\x0a\xff\xff\xff\xff"), "ends in the middle");
	expect_refused(BYTES("REDIS0009\x00\xc3\x03\x0a\xff\xff\xff\x01v"), "cannot be unpacked");
}

/* ---- records ---- */

static struct store *store;
static struct type_limits limits = {-2, 512, 64, 512, 128, 64, 128, 64, 3000, 4096, 100};

static void load(struct rdb_records *r, struct slice block, const size_t *at, uint32_t n)
{
	static struct rdb_record rec[100];
	struct rng rng;

	rng_init(&rng, 1);
	for (uint32_t i = 0; i < n; i++)
		rec[i] = (struct rdb_record){.at = (const uint8_t *)block.ptr + at[i],
					     .expire_at_ms = i == 1 ? 5000000000000 : STORE_NO_EXPIRE};
	r->s = store;
	r->heap = heap;
	r->rng = &rng;
	r->limits = &limits;
	r->begin = (const uint8_t *)block.ptr;
	r->end = r->begin + block.len;
	r->off = 1000;
	r->n = n;
	r->rec = rec;
	r->loaded = 0;
	r->failed = false;
	rdb_records_load(r);
}

static void test_rdb_records__become_keys(void **state)
{
	struct slice block = BYTES("\x00\x01"
				   "a\x01"
				   "x\x00\x01"
				   "b\xc0\x07\x01\x01"
				   "c\x01\x01z");
	struct rdb_records r = {.merge = false};
	size_t at[] = {0, 5, 10};

	load(&r, block, at, 3);
	assert_false(r.failed);
	assert_int_equal(r.loaded, 3);
	struct object *b = store_peek(store, 0, SLICE("b"));
	assert_non_null(b);
	assert_int_equal(obj_expire_at(b), 5000000000000);
	assert_int_equal(b->enc, ENC_INT);
	assert_int_equal(store_peek(store, 0, SLICE("c"))->type, OBJ_LIST);
	/* again: they are there already */
	load(&r, block, at, 3);
	assert_true(r.failed);
	assert_non_null(strstr(r.err.text, "byte 1000"));
	assert_non_null(strstr(r.err.text, "twice"));
	r.merge = true;
	load(&r, block, at, 3);
	assert_false(r.failed);
	assert_int_equal(r.loaded, 3);
	store_flush(store, 0);
}

static void test_rdb_records__damaged_value(void **state)
{
	/* a listpack whose bytes are none */
	struct slice block = BYTES("\x00\x01"
				   "a\x01"
				   "x\x10\x01"
				   "h\x03xyz");
	struct rdb_records r = {.merge = false};
	size_t at[] = {0, 5};

	load(&r, block, at, 2);
	assert_true(r.failed);
	assert_int_equal(r.loaded, 1);
	assert_non_null(strstr(r.err.text, "byte 1005"));
	assert_null(store_peek(store, 0, SLICE("h")));
	store_flush(store, 0);
}

/* ---- */

static int setup(void **state)
{
	if (test_eal("test_rdb_scan", "16") != 0)
		return -1;
	heap = heap_create(&(struct heap_params){.name = "test", .reserve_bytes = 64 << 20}, &e);
	store = store_create(&(struct store_params){.databases = 1, .hash_seed = 1, .heap = heap}, &e);
	return heap != NULL && store != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	struct heap_stats st;

	while (store_poll(store, 1000) > 0)
		;
	store_destroy(store);
	heap_stats_get(heap, &st);
	heap_destroy(heap);
	return st.blocks == 0 ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rdb_scan__a_whole_file_in_any_pieces),
		cmocka_unit_test(test_rdb_scan__what_is_said_of_keys),
		cmocka_unit_test(test_rdb_scan__checksum),
		cmocka_unit_test(test_rdb_scan__where_values_of_every_type_end),
		cmocka_unit_test(test_rdb_scan__every_type_that_is_known_is_tried),
		cmocka_unit_test(test_rdb_scan__files_of_old_versions),
		cmocka_unit_test(test_rdb_scan__what_is_refused_says_why),
		cmocka_unit_test(test_rdb_records__become_keys),
		cmocka_unit_test(test_rdb_records__damaged_value),
	};

	return cmocka_run_group_tests_name("rdb_scan", tests, setup, teardown);
}
