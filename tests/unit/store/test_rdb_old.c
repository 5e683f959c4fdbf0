/* Values byte by byte, in every form that Redis has ever written: what they become, and that no cut or broken byte of
 * them is taken for more than it is. */
#include <stdio.h>
#include <stdlib.h>

#include "rdb_world.h"
#include "store/hash.h"

#define KEY SLICE("key")

struct fixture {
	const char *bytes;
	size_t len;
	const char *shown;
};
#define F(bytes, shown)                         \
	{                                       \
		bytes, sizeof(bytes) - 1, shown \
	}

/* A listpack of n entries of that many bytes (all of it after the header of 6, but for the end). */
#define LP(total, n, entries) total "\0\0\0" n "\0" entries "\xff"
/* A ziplist: bytes, offset of the last entry, entries. */
#define ZL(total, tail, n, entries) total "\0\0\0" tail "\0\0\0" n "\0" entries "\xff"

static const struct fixture fixtures[] = {
	/* ---- strings: plain, the integers' three widths, LZF ---- */
	F("\x00\x05hello", "string embstr: hello"),
	F("\x00\x00", "string embstr: "),
	F("\x00\x40\x02hi", "string embstr: hi"),
	F("\x00\x80\0\0\0\x02hi", "string embstr: hi"),
	F("\x00\x81\0\0\0\0\0\0\0\x02hi", "string embstr: hi"),
	F("\x00\xc0\x80", "string int: -128"),
	F("\x00\xc1\x39\x30", "string int: 12345"),
	F("\x00\xc1\xff\xff", "string int: -1"),
	F("\x00\xc2\x00\x00\x00\x80", "string int: -2147483648"),
	F("\x00\xc3\x09\x1a\x01"
	  "aa\xe0\x0d\x00\x01"
	  "aa",
	  "string embstr: aaaaaaaaaaaaaaaaaaaaaaaaaa"),
	/* ---- lists ---- */
	F("\x01\x03\x01"
	  "a\xc0\x07\x02"
	  "bc",
	  "list listpack: a, 7, bc"),
	F("\x0a\x14" ZL("\x14", "\x0f", "\x03",
			"\x00\x01"
			"a"
			"\x03\xf8"
			"\x02\xc0\x39\x30"),
	  "list listpack: a, 7, 12345"),
	/* every kind of entry: 24, 32, 64, 8 bits, the two lengths of longer strings */
	F("\x0a\x37" ZL("\x37", "\x30", "\x07",
			"\x00\xf0\xff\xff\xff"
			"\x05\xd0\x00\x00\x00\x80"
			"\x06\xe0\x00\x00\x00\x00\x00\x00\x00\x80"
			"\x0a\xfe\x80"
			"\x03\x40\x02\x68\x69"
			"\x05\x80\x00\x00\x00\x03\x79\x65\x73"
			"\xfe\x09\x00\x00\x00\xf1"),
	  "list listpack: -1, -2147483648, -9223372036854775808, -128, hi, yes, 0"),
	F("\x0e\x02"
	  "\x0f" ZL("\x0f", "\x0a", "\x01",
		    "\x00\x02"
		    "ab") "\x0d" ZL("\x0d", "\x0a", "\x01", "\x00\xf1"),
	  "list listpack: ab, 0"),
	F("\x12\x02\x01\x05plain\x02\x0a" LP("\x0a", "\x01", "\x81z\x02"), "list quicklist: plain, z"),
	F("\x12\x01\x02\x0c" LP("\x0c", "\x02",
				"\x07\x01\x81"
				"b\x02"),
	  "list listpack: 7, b"),
	/* ---- sets ---- */
	F("\x02\x03\xc0\x05\x01x\x01y", "set listpack: 5, x, y"),
	F("\x02\x02\xc0\x05\xc0\x04", "set intset: 4, 5"),
	F("\x0b\x0c\x02\0\0\0\x02\0\0\0\x01\0\x02\0", "set intset: 1, 2"),
	F("\x0b\x10\x04\0\0\0\x02\0\0\0\xff\xff\xff\xff\x00\x00\x01\x00", "set intset: -1, 65536"),
	F("\x14\x0c" LP("\x0c", "\x02",
			"\x07\x01\x81"
			"b\x02"),
	  "set listpack: 7, b"),
	/* ---- sorted sets ---- */
	F("\x03\x04\x01"
	  "a\x03"
	  "1.5\x01"
	  "b\xfe\x01"
	  "c\xff\xc0\x07\x02-2",
	  "zset listpack: c -inf, 7 -2, a 1.5, b inf"),
	F("\x05\x02\x01"
	  "a\x00\x00\x00\x00\x00\x00\xf8\x3f\x01"
	  "b\x00\x00\x00\x00\x00\x00\x00\xc0",
	  "zset listpack: b -2, a 1.5"),
	F("\x0c\x18" ZL("\x18", "\x12", "\x04",
			"\x00\x01"
			"a"
			"\x03\xf2"
			"\x02\x01"
			"b"
			"\x03\x03"
			"2.5"),
	  "zset listpack: a 1, b 2.5"),
	F("\x11\x14" LP("\x14", "\x04",
			"\x81"
			"a\x02\x01\x01"
			"\x81"
			"b\x02\x83"
			"2.5\x04"),
	  "zset listpack: a 1, b 2.5"),
	/* ---- hashes ---- */
	F("\x09\x0c\x02\x01"
	  "a\x01\x00"
	  "1\x01"
	  "b\x01\x00x\xff",
	  "hash listpack: a 1, b x"),
	F("\x0d\x18" ZL("\x18", "\x12", "\x04",
			"\x00\x01"
			"a"
			"\x03\xf2"
			"\x02\x01"
			"b"
			"\x03\x03xyz"),
	  "hash listpack: a 1, b xyz"),
	/* the first and the last integer of each width, as fields and as values */
	F("\x0d\x40\x47" ZL("\x47", "\x3c", "\x0c",
			    "\x00\xf1"
			    "\x02\xfd"
			    "\x02\xfe\x80"
			    "\x03\xfe\x7f"
			    "\x03\xc0\x00\x80"
			    "\x04\xc0\xff\x7f"
			    "\x04\xf0\x00\x00\x80"
			    "\x05\xf0\xff\xff\x7f"
			    "\x05\xd0\x00\x00\x00\x80"
			    "\x06\xd0\xff\xff\xff\x7f"
			    "\x06\xe0\x00\x00\x00\x00\x00\x00\x00\x80"
			    "\x0a\xe0\xff\xff\xff\xff\xff\xff\xff\x7f"),
	  "hash listpack: -128 127, -2147483648 2147483647, -32768 32767, -8388608 8388607, "
	  "-9223372036854775808 9223372036854775807, 0 12"),
	/* lengths of 14 and 32 bits before strings that are short; so many as 16 bits can count are counted by nobody
	 */
	F("\x0d\x16" ZL("\x16", "\x0e", "\x02", "\x00\x40\x01g\x04\x80\x00\x00\x00\x01v"), "hash listpack: g v"),
	F("\x0d\x11\x11\0\0\0\x0d\0\0\0\xff\xff\x00\x01g\x03\x01v\xff", "hash listpack: g v"),
	/* 5 bytes of what one would have told: the length of the entry before */
	F("\x0d\x1f" ZL("\x1f", "\x17", "\x04",
			"\x00\x01g"
			"\xfe\x03\x00\x00\x00\x01v"
			"\x07\x01h"
			"\xfe\x03\x00\x00\x00\x01w"),
	  "hash listpack: g v, h w"),
	F("\x0d\x0f" ZL("\x0f", "\x0c", "\x02",
			"\x00\x00"
			"\x02\x00"),
	  "hash listpack:  "),
	/* too long to be packed here */
	F("\x0d\x40\x52" ZL("\x52", "\x0d", "\x02",
			    "\x00\x01g"
			    "\x03\x40\x41"
			    "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv"),
	  "hash hashtable: g vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv"),
	F("\x10\x10" LP("\x10", "\x04",
			"\x01\x01\x81"
			"b\x02\x02\x01\x03\x01"),
	  "hash listpack: 1 b, 2 3"),
};

static struct rdb_world *w;

static void set_old(void)
{
	store_set_string(w->s, 0, KEY, SLICE("old"), NULL, 2000000);
}

static void expect_old(void)
{
	assert_string_equal(rdb_world_show(w, KEY), "string embstr: old until 2000000");
}

static void test_rdb_old__every_form_is_read(void **state)
{
	for (size_t i = 0; i < RP_ARRAY_LEN(fixtures); i++) {
		const struct fixture *f = &fixtures[i];
		size_t rest;
		set_old();
		enum rdb_loaded r = rdb_world_load(w, KEY, f->bytes, f->len, STORE_NO_EXPIRE, &rest);
		if (r != RDB_LOADED)
			fail_msg("fixture %zu (%s): %d", i, f->shown, r);
		assert_int_equal(rest, 0);
		assert_string_equal(rdb_world_show(w, KEY), f->shown);
	}
}

static void test_rdb_old__the_time_to_live_comes_with_it(void **state)
{
	for (size_t i = 0; i < RP_ARRAY_LEN(fixtures); i++) {
		const struct fixture *f = &fixtures[i];
		char want[200];
		assert_int_equal(rdb_world_load(w, KEY, f->bytes, f->len, 1234567, NULL), RDB_LOADED);
		snprintf(want, sizeof want, "%s until 1234567", f->shown);
		assert_string_equal(rdb_world_show(w, KEY), want);
	}
}

static void test_rdb_old__no_part_of_a_value_is_one(void **state)
{
	for (size_t i = 0; i < RP_ARRAY_LEN(fixtures); i++)
		for (size_t n = 0; n < fixtures[i].len; n++) {
			set_old();
			assert_int_equal(rdb_world_load(w, KEY, fixtures[i].bytes, n, 3000000, NULL), RDB_BAD);
			expect_old();
		}
}

/* What a changed byte makes of it must be whole or nothing. */
static void try_broken(const char *bytes, size_t len)
{
	struct rdb_out out;

	set_old();
	enum rdb_loaded r = rdb_world_load(w, KEY, bytes, len, STORE_NO_EXPIRE, NULL);
	assert_int_not_equal(r, RDB_NO_MEMORY);
	if (r != RDB_LOADED) {
		expect_old();
		return;
	}
	char *shown = strdup(rdb_world_show(w, KEY));
	rdb_out_init(&out, w->own, true);
	rdb_put_value(&out, store_peek(w->s, 0, KEY));
	assert_false(out.failed);
	store_delete(w->s, 0, KEY);
	assert_int_equal(rdb_world_load(w, KEY, out.p, out.len, STORE_NO_EXPIRE, NULL), RDB_LOADED);
	const char *again = rdb_world_show(w, KEY);
	/* the form may be another: limits are looked at anew */
	assert_string_equal(strchr(again, ':'), strchr(shown, ':'));
	rdb_out_fini(&out);
	free(shown);
}

static void test_rdb_old__a_broken_byte_breaks_nothing_else(void **state)
{
	for (size_t i = 0; i < RP_ARRAY_LEN(fixtures); i++)
		for (size_t at = 0; at < fixtures[i].len; at++)
			for (int v = 0; v < 256; v++) {
				char bytes[256];
				memcpy(bytes, fixtures[i].bytes, fixtures[i].len);
				bytes[at] = (char)v;
				try_broken(bytes, fixtures[i].len);
			}
}

static void test_rdb_old__random_corruption(void **state)
{
	for (int round = 0; round < 60000; round++) {
		const struct fixture *f = &fixtures[rng_below(&w->rng, RP_ARRAY_LEN(fixtures))];
		const struct fixture *g = &fixtures[rng_below(&w->rng, RP_ARRAY_LEN(fixtures))];
		char bytes[512];
		size_t len = f->len, cut = 1 + rng_below(&w->rng, f->len);
		memcpy(bytes, f->bytes, f->len);
		if (rng_below(&w->rng, 4) == 0) { /* the head of one, the tail of another */
			size_t from = rng_below(&w->rng, g->len);
			memcpy(bytes + cut, g->bytes + from, g->len - from);
			len = cut + g->len - from;
		}
		for (uint64_t n = rng_below(&w->rng, 6); n > 0; n--)
			bytes[rng_below(&w->rng, len)] = (char)rng_next(&w->rng);
		try_broken(bytes, len);
	}
}

/* ---- long entries ---- */

struct ziplist {
	uint8_t p[1 << 18];
	size_t len, before; /* bytes of the last entry */
	uint16_t n;
};

/* A string of that many times c, with the shortest of the three lengths. */
static void put_entry(struct ziplist *z, char c, size_t len)
{
	uint8_t *at = z->p + z->len, *from = at;

	if (z->before < 254) {
		*at++ = (uint8_t)z->before;
	} else {
		*at++ = 254;
		for (int i = 0; i < 4; i++)
			*at++ = (uint8_t)(z->before >> 8 * i);
	}
	if (len < 1 << 6) {
		*at++ = (uint8_t)len;
	} else if (len < 1 << 14) {
		*at++ = (uint8_t)(0x40 | len >> 8);
		*at++ = (uint8_t)len;
	} else {
		*at++ = 0x80;
		for (int i = 3; i >= 0; i--)
			*at++ = (uint8_t)(len >> 8 * i);
	}
	memset(at, c, len);
	z->before = (size_t)(at + len - from);
	z->len += z->before;
	z->n++;
}

static void ziplist_begin(struct ziplist *z)
{
	z->len = 10;
	z->before = 0;
	z->n = 0;
}

static void ziplist_end(struct ziplist *z)
{
	uint32_t tail = (uint32_t)(z->len - z->before), total = (uint32_t)z->len + 1;

	memcpy(z->p, &total, sizeof total);
	memcpy(z->p + 4, &tail, sizeof tail);
	memcpy(z->p + 8, &z->n, sizeof z->n);
	z->p[z->len++] = 0xff;
}

static enum rdb_loaded load_ziplist(uint8_t type, const struct ziplist *z)
{
	struct rdb_out out;

	rdb_out_init(&out, w->own, false);
	rdb_put_u8(&out, type);
	rdb_put_len(&out, z->len);
	rdb_put_raw(&out, z->p, z->len);
	assert_false(out.failed);
	enum rdb_loaded r = rdb_world_load(w, KEY, out.p, out.len, STORE_NO_EXPIRE, NULL);
	rdb_out_fini(&out);
	return r;
}

static void drop_key(void)
{
	store_delete(w->s, 0, KEY);
	while (store_poll(w->s, 1000) > 0)
		;
}

static bool all_are(struct slice s, char c, size_t len)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] != c)
			return false;
	return s.len == len;
}

/* Beside the limits of each form of a length: 6, 14 and 32 bits of an entry's own, 1 and 5 bytes of the one's before
 * it (an entry of 251 bytes takes 254 with both). */
static void test_rdb_old__hash_of_long_entries(void **state)
{
	static const size_t lens[] = {1, 63, 64, 250, 251, 252, 255, 256, 16383, 16384, 65536};
	struct ziplist *z = malloc(sizeof *z);
	struct hash_item item;

	ziplist_begin(z);
	for (size_t i = 0; i < RP_ARRAY_LEN(lens); i++) {
		put_entry(z, (char)('a' + i), lens[i]);
		put_entry(z, (char)('A' + i), lens[RP_ARRAY_LEN(lens) - 1 - i]);
	}
	ziplist_end(z);
	assert_int_equal(load_ziplist(RDB_HASH_ZIPLIST, z), RDB_LOADED);
	const struct object *o = store_peek(w->s, 0, KEY);
	assert_int_equal(hash_count(o, store_now_ms(w->s)), RP_ARRAY_LEN(lens));
	for (size_t i = 0; i < RP_ARRAY_LEN(lens); i++) {
		char *field = malloc(lens[i]);
		memset(field, (char)('a' + i), lens[i]);
		assert_true(hash_get(o, (struct slice){field, lens[i]}, store_now_ms(w->s), &item));
		assert_true(all_are(item.value, (char)('A' + i), lens[RP_ARRAY_LEN(lens) - 1 - i]));
		free(field);
	}
	drop_key();
	free(z);
}

/* As many pairs as a hash of the defaults of Redis may have as a ziplist, and one more than it may have here. */
static void test_rdb_old__hash_of_many_entries(void **state)
{
	struct ziplist *z = malloc(sizeof *z);

	for (size_t pairs = 512; pairs <= 513; pairs++) {
		ziplist_begin(z);
		for (size_t i = 0; i < pairs; i++) {
			put_entry(z, (char)('a' + i % 16), 1 + i / 16);
			put_entry(z, 'v', i % 64);
		}
		ziplist_end(z);
		assert_int_equal(load_ziplist(RDB_HASH_ZIPLIST, z), RDB_LOADED);
		const struct object *o = store_peek(w->s, 0, KEY);
		assert_int_equal(hash_count(o, store_now_ms(w->s)), pairs);
		assert_int_equal(o->enc, pairs == 512 ? ENC_LISTPACK : ENC_HASHTABLE);
	}
	drop_key();
	free(z);
}

/* ---- lies ---- */

static const struct fixture lies[] = {
	F("\x00\x81\x7f\xff\xff\xff\xff\xff\xff\xffhello", "a string of 2^63 bytes"),
	F("\x00\x81\xff\xff\xff\xff\xff\xff\xff\xffhello", "a string of 2^64 bytes"),
	F("\x00\x80\x40\x00\x00\x00hello", "a string of 1 GiB"),
	F("\x00\xc3\x04\x80\x3f\xff\xff\xff"
	  "aaaa",
	  "4 bytes become 1 GiB"),
	F("\x00\xc3\x81\xff\xff\xff\xff\xff\xff\xff\xff\x10"
	  "aaaa",
	  "2^64 bytes become 16"),
	F("\x00\xc3\x04\x00\x01"
	  "aaa",
	  "nothing, compressed"),
	F("\x00\xc3\x05\x19\x01"
	  "aa\xe0\x0d",
	  "compressed bytes that end too soon"),
	F("\x00\xc4\x01", "an unknown kind of string"),
	F("\x00\x82\x01", "an unknown kind of length"),
	F("\x01\x81\x7f\xff\xff\xff\xff\xff\xff\xff\x01z", "a list of 2^63 elements"),
	F("\x01\xc0\x01\x01z", "a count that is an encoded string"),
	F("\x02\x81\x7f\xff\xff\xff\xff\xff\xff\xff\x01z", "a set of 2^63 members"),
	F("\x02\x80\x7f\xff\xff\xff\x01z", "a set of 2^31 members"),
	F("\x02\x02\x01z\x01z", "a set with a member twice"),
	F("\x05\x80\x7f\xff\xff\xff\x01z\0\0\0\0\0\0\0\0", "a sorted set of 2^31 members"),
	F("\x05\x01\x01z\x00\x00\x00\x00\x00\x00\xf8\x7f", "a score that is no number"),
	F("\x05\x02\x01z\0\0\0\0\0\0\0\0\x01z\0\0\0\0\0\0\xf0\x3f", "a sorted set with a member twice"),
	F("\x03\x01\x01z\xfd", "a score that is no number, as text"),
	F("\x03\x01\x01z\x03"
	  "abc",
	  "a score that is a word"),
	F("\x0a\x0e" ZL("\xff", "\x0a", "\x01", "\x00\x01z"), "a ziplist longer than it is"),
	F("\x0a\x0e" ZL("\x0e", "\x0a", "\x07", "\x00\x01z"), "a ziplist of more entries than it has"),
	F("\x0a\x12" ZL("\x12", "\x0a", "\x01", "\x00\x80\xff\xff\xff\xffz"), "an entry of 4 GiB"),
	F("\x0a\x0f" ZL("\x0f", "\x0a", "\x01", "\x00\x7f\xffz"), "an entry of 16383 bytes"),
	F("\x12\x01\x02\x0a" LP("\xff", "\x01", "\x81z\x02"), "a listpack longer than it is"),
	F("\x12\x01\x02\x0a" LP("\x0a", "\x02", "\x81z\x02"), "a listpack of more entries than it has"),
	F("\x12\x01\x02\x0a" LP("\x0a", "\x01", "\xbfz\x02"), "a listpack's entry of 63 bytes"),
	F("\x12\x01\x02\x0a" LP("\x0a", "\x01", "\x81z\x03"), "a wrong length backwards"),
	F("\x12\x01\x03\x0a" LP("\x0a", "\x01", "\x81z\x02"), "an unknown kind of node"),
	F("\x0b\x0c\x02\0\0\0\xff\xff\xff\x7f\x01\0\x02\0", "an intset of 2^31 integers"),
	F("\x0b\x0c\x02\0\0\0\x02\0\0\0\x02\0\x01\0", "an intset in no order"),
	F("\x0b\x0c\x03\0\0\0\x02\0\0\0\x01\0\x02\0", "integers of 3 bytes"),
	F("\x14\x0d" LP("\x0d", "\x02", "\x81z\x02\x81z\x02"), "a member twice in a listpack"),
	F("\x11\x11" LP("\x11", "\x04", "\x81z\x02\x01\x01\x81z\x02\x01\x01"), "a name twice in a listpack"),
	F("\x11\x0a" LP("\x0a", "\x01", "\x81z\x02"), "a name without score"),
	F("\x11\x0d" LP("\x0d", "\x02", "\x81z\x02\x81z\x02"), "a score that is a word, in a listpack"),
	F("\x0d\x14" ZL("\x14", "\x10", "\x03", "\x00\x01z\x03\x01v\x03\x01y"), "a field without value"),
	F("\x0d\x0e" ZL("\x0e", "\x0a", "\x01", "\x00\x01z"), "a field and nothing else"),
	F("\x0d\x17" ZL("\x17", "\x13", "\x04", "\x00\x01z\x03\x01v\x03\x01z\x03\x01w"), "a field twice"),
	F("\x0d\x16" ZL("\x16", "\x12", "\x04", "\x00\x01\x37\x03\x01v\x03\xf8\x02\x01w"),
	  "a field twice, as text and as integer"),
	F("\x0d\x1f" ZL("\x1f", "\x1b", "\x04",
			"\x00\xc0\x07\x00\x04\x01v\x03\xe0\x07\x00\x00\x00\x00\x00\x00\x00\x0a\x01w"),
	  "a field twice, as integers of two widths"),
	F("\x0d\x11" ZL("\xff", "\x0d", "\x02", "\x00\x01z\x03\x01v"), "a hash's ziplist longer than it is"),
	F("\x0d\x11" ZL("\x0f", "\x0d", "\x02", "\x00\x01z\x03\x01v"), "a hash's ziplist shorter than it is"),
	F("\x0d\x11" ZL("\x11", "\x0d", "\x04", "\x00\x01z\x03\x01v"), "a hash's ziplist of more entries than it has"),
	F("\x0d\x17" ZL("\x17", "\x13", "\x02", "\x00\x01z\x03\x01v\x03\x01y\x03\x01w"),
	  "a hash's ziplist of fewer entries than it has"),
	F("\x0d\x11" ZL("\x11", "\x0d", "\x02", "\x00\x01z\x02\x01v"), "a wrong length of the entry before"),
	F("\x0d\x11" ZL("\x11", "\x0d", "\x02", "\x03\x01z\x03\x01v"), "a length of the entry before the first"),
	F("\x0d\x15" ZL("\x15", "\x0d", "\x02", "\x00\x01z\xfe\xff\xff\xff\x7f\x01v"),
	  "a wrong length of the entry before, in 5 bytes"),
	F("\x0d\x11" ZL("\x11", "\x0d", "\x02", "\x00\x01z\x03\x3fv"), "a value of 63 bytes"),
	F("\x0d\x11" ZL("\x11", "\x0d", "\x02", "\x00\x01z\x03\x02v"), "a value that takes the end with it"),
	F("\x0d\x12" ZL("\x12", "\x0d", "\x02", "\x00\x01z\x03\x7f\xffv"), "a value of 16383 bytes"),
	F("\x0d\x15" ZL("\x15", "\x0d", "\x02", "\x00\x01z\x03\x80\xff\xff\xff\xffv"), "a value of 4 GiB"),
	F("\x0d\x13" ZL("\x13", "\x0d", "\x02", "\x00\x01z\x03\xe0vvv"), "an integer of 8 bytes in 3"),
	F("\x0d\x12" ZL("\x12", "\x0d", "\x02", "\x00\x01z\x03\xc1\x00\x00"), "an unknown encoding"),
	F("\x0d\x11\x11\0\0\0\x0d\0\0\0\x02\0\x00\x01z\x03\x01v\x00", "a ziplist without end"),
	F("\x0d\x0a\x0a\0\0\0\x0a\0\0\0\x00\0", "a ziplist's header and nothing else"),
	F("\x10\x0a" LP("\x0a", "\x01", "\x81z\x02"), "a field without value in a listpack"),
	F("\x10\x11" LP("\x11", "\x04", "\x81z\x02\x01\x01\x81z\x02\x01\x01"), "a field twice in a listpack"),
	F("\x08\x01", "no type of a value"),
	F("\xff\x01", "no type of a value"),
};

static void test_rdb__lies_are_bad_and_cost_nothing(void **state)
{
	for (size_t i = 0; i < RP_ARRAY_LEN(lies); i++) {
		struct heap_stats before, after;
		set_old();
		heap_stats_get(w->heap, &before);
		enum rdb_loaded r = rdb_world_load(w, KEY, lies[i].bytes, lies[i].len, STORE_NO_EXPIRE, NULL);
		if (r != RDB_BAD)
			fail_msg("%s: %d, %s", lies[i].shown, r, rdb_world_show(w, KEY));
		expect_old();
		heap_stats_get(w->heap, &after);
		assert_int_equal(after.used_bytes, before.used_bytes);
	}
}

static void test_rdb__nothing_in_it_is_no_key(void **state)
{
	static const struct fixture empty[] = {
		F("\x01\x00", "list"),
		F("\x02\x00", "set"),
		F("\x05\x00", "zset"),
		F("\x12\x00", "quicklist"),
		F("\x0a\x0b" ZL("\x0b", "\x0a", "\x00", ""), "ziplist"),
		F("\x12\x01\x02\x07" LP("\x07", "\x00", ""), "listpack"),
		F("\x0b\x08\x02\0\0\0\0\0\0\0", "intset"),
		F("\x14\x07" LP("\x07", "\x00", ""), "set of a listpack"),
		F("\x11\x07" LP("\x07", "\x00", ""), "zset of a listpack"),
		F("\x0c\x0b" ZL("\x0b", "\x0a", "\x00", ""), "zset of a ziplist"),
		F("\x0d\x0b" ZL("\x0b", "\x0a", "\x00", ""), "hash of a ziplist"),
		F("\x10\x07" LP("\x07", "\x00", ""), "hash of a listpack"),
	};

	for (size_t i = 0; i < RP_ARRAY_LEN(empty); i++) {
		set_old();
		enum rdb_loaded r = rdb_world_load(w, KEY, empty[i].bytes, empty[i].len, STORE_NO_EXPIRE, NULL);
		if (r != RDB_EMPTY)
			fail_msg("%s: %d", empty[i].shown, r);
		expect_old();
	}
}

static int set_up(void **state)
{
	if (fixture_eal("test_rdb_old", "512") != 0)
		return -1;
	w = rdb_world_create(1);
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
		cmocka_unit_test(test_rdb_old__every_form_is_read),
		cmocka_unit_test(test_rdb_old__the_time_to_live_comes_with_it),
		cmocka_unit_test(test_rdb_old__no_part_of_a_value_is_one),
		cmocka_unit_test(test_rdb_old__a_broken_byte_breaks_nothing_else),
		cmocka_unit_test(test_rdb_old__random_corruption),
		cmocka_unit_test(test_rdb_old__hash_of_long_entries),
		cmocka_unit_test(test_rdb_old__hash_of_many_entries),
		cmocka_unit_test(test_rdb__lies_are_bad_and_cost_nothing),
		cmocka_unit_test(test_rdb__nothing_in_it_is_no_key),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
