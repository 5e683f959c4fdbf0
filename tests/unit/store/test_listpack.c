/* Listpacks against an array of strings, against bytes that redis-server wrote, and with bytes that nobody wrote. The
 * bytes stand in blocks of their exact size, so that a sanitizer sees one step too far. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rng.h"
#include "store/ds/listpack.h"

#define MODEL_MAX 300

struct model {
	struct rng rng;
	struct cbuf lp;
	uint32_t n;
	struct slice item[MODEL_MAX];
};

static bool exact_reserve(struct cbuf *b, size_t cap)
{
	uint8_t *p = malloc(cap);
	memcpy(p, b->p, b->len);
	free(b->p);
	b->p = p;
	b->cap = cap;
	return true;
}

static bool no_reserve(struct cbuf *b, size_t cap)
{
	return false;
}

static struct cbuf empty(void)
{
	struct cbuf b = {.p = malloc(LP_EMPTY_BYTES), LP_EMPTY_BYTES, LP_EMPTY_BYTES, exact_reserve};
	lp_init(b.p);
	return b;
}

/* After each edit the block is as long as its listpack again. */
static void trim(struct cbuf *b)
{
	assert_int_equal(b->len, lp_bytes(b->p));
	exact_reserve(b, b->len);
}

static struct slice heap_copy(struct slice s)
{
	char *p = malloc(s.len + 1);
	if (s.len > 0)
		memcpy(p, s.ptr, s.len);
	return (struct slice){p, s.len};
}

/* Integers around every bound, strings around every length's bound, texts that only look like integers. */
static struct slice random_item(struct rng *r)
{
	static const uint32_t lens[] = {0, 1, 2, 62, 63, 64, 65, 125, 126, 4095, 4096, 16377, 16378, 16379};
	static const char *const odd[] = {"-0", "007", "+1", " 1", "1 ", "9223372036854775808", "-9223372036854775809"};
	char buf[16400];
	uint64_t kind = rng_below(r, 8);
	if (kind < 4) {
		uint64_t v = (1ull << rng_below(r, 64)) + rng_below(r, 3) - 1;
		return heap_copy((struct slice){buf, num_format_i64(buf, (int64_t)(kind & 1 ? v : 0 - v))});
	}
	if (kind == 4) {
		const char *s = odd[rng_below(r, RP_ARRAY_LEN(odd))];
		return heap_copy((struct slice){s, strlen(s)});
	}
	size_t len = kind == 5 ? lens[rng_below(r, RP_ARRAY_LEN(lens))] : rng_below(r, 20);
	memset(buf, 'a' + (int)rng_below(r, 3), len);
	return heap_copy((struct slice){buf, len});
}

static void model_splice(struct model *m, uint32_t at, uint32_t del, uint32_t ins)
{
	for (uint32_t i = 0; i < del; i++)
		free((char *)m->item[at + i].ptr);
	memmove(m->item + at + ins, m->item + at + del, (m->n - at - del) * sizeof m->item[0]);
	m->n = m->n - del + ins;
}

static void check_entry(const struct model *m, size_t off, uint32_t i)
{
	char buf[NUM_I64_CHARS];
	int64_t num, want;
	struct slice got = lp_get(m->lp.p, off, buf);
	struct lp_key k = lp_key_of(m->item[i]);
	assert_true(slice_eq(got, m->item[i]));
	assert_true(lp_eq(m->lp.p, off, &k));
	assert_int_equal(lp_entry_size(m->lp.p, off), lp_entry_bytes(m->item[i]));
	bool is_num = num_parse_i64(m->item[i], &want);
	assert_int_equal(lp_get_i64(m->lp.p, off, &num), is_num);
	assert_true(!is_num || num == want);
}

static void check(const struct model *m)
{
	const uint8_t *p = m->lp.p;
	size_t off = lp_first(p), last = 0;
	assert_true(lp_valid(p, m->lp.len));
	assert_int_equal(lp_count(p), m->n);
	for (uint32_t i = 0; i < m->n; i++, off = lp_next(p, off)) {
		assert_int_not_equal(off, 0);
		check_entry(m, off, i);
		assert_int_equal(lp_prev(p, off), last);
		last = off;
	}
	assert_int_equal(off, 0);
	assert_int_equal(lp_last(p), last);
}

/* Finding and seeking from a random place. */
static void check_search(struct model *m)
{
	const uint8_t *p = m->lp.p;
	uint32_t from = (uint32_t)rng_below(&m->rng, m->n + 2), skip = (uint32_t)rng_below(&m->rng, 3);
	size_t at = lp_seek(p, from);
	assert_int_equal(at == 0, from >= m->n);
	assert_true(from >= m->n || lp_seek(p, (int64_t)from - m->n) == at);
	assert_int_equal(lp_seek(p, -(int64_t)m->n - 1), 0);
	struct slice want = m->n > 0 && rng_below(&m->rng, 4) != 0 ? heap_copy(m->item[rng_below(&m->rng, m->n)])
								   : random_item(&m->rng);
	struct lp_key k = lp_key_of(want);
	uint32_t i = from;
	while (i < m->n && !slice_eq(m->item[i], want))
		i += skip + 1;
	assert_int_equal(lp_find(p, at, &k, skip), i < m->n ? lp_seek(p, i) : 0);
	free((char *)want.ptr);
}

static void insert(struct model *m)
{
	uint32_t at = (uint32_t)rng_below(&m->rng, m->n + 1);
	struct slice v = random_item(&m->rng);
	int64_t num;
	if (m->n == MODEL_MAX) {
		free((char *)v.ptr);
		return;
	}
	if (at == m->n && num_parse_i64(v, &num) && rng_below(&m->rng, 2))
		assert_true(lp_append_i64(&m->lp, num));
	else if (at == m->n && rng_below(&m->rng, 2))
		assert_true(lp_append(&m->lp, v));
	else if (at == 0 && rng_below(&m->rng, 2))
		assert_true(lp_prepend(&m->lp, v));
	else
		assert_true(lp_insert(&m->lp, at == m->n ? lp_end(m->lp.p) : lp_seek(m->lp.p, at), v));
	model_splice(m, at, 0, 1);
	m->item[at] = v;
}

static void replace(struct model *m)
{
	if (m->n == 0)
		return;
	uint32_t at = (uint32_t)rng_below(&m->rng, m->n);
	struct slice v = random_item(&m->rng);
	size_t off = lp_seek(m->lp.p, at);
	int64_t num;
	if (num_parse_i64(v, &num) && rng_below(&m->rng, 2))
		assert_true(lp_replace_i64(&m->lp, off, num));
	else
		assert_true(lp_replace(&m->lp, off, v));
	model_splice(m, at, 1, 1);
	m->item[at] = v;
}

static void erase(struct model *m)
{
	if (m->n == 0)
		return;
	uint32_t at = (uint32_t)rng_below(&m->rng, m->n),
		 n = (uint32_t)rng_below(&m->rng, rng_below(&m->rng, 2) ? 3 : 60);
	lp_delete(&m->lp, lp_seek(m->lp.p, at), n);
	model_splice(m, at, RP_MIN(n, m->n - at), 0);
}

static void delete_equal(struct model *m)
{
	if (m->n == 0)
		return;
	uint32_t from = (uint32_t)rng_below(&m->rng, m->n), max = (uint32_t)rng_below(&m->rng, 4), gone = 0;
	struct slice want = heap_copy(m->item[rng_below(&m->rng, m->n)]);
	struct lp_key k = lp_key_of(want);
	size_t off = lp_seek(m->lp.p, from);
	for (uint32_t i = from; i < m->n && gone < max;)
		if (slice_eq(m->item[i], want)) {
			model_splice(m, i, 1, 0);
			gone++;
		} else {
			i++;
		}
	assert_int_equal(lp_delete_equal(&m->lp, off, &k, max), gone);
	free((char *)want.ptr);
}

static void concat(struct model *m)
{
	struct cbuf other = empty();
	uint32_t n = (uint32_t)rng_below(&m->rng, 10);
	for (uint32_t i = 0; i < n && m->n < MODEL_MAX; i++) {
		m->item[m->n] = random_item(&m->rng);
		assert_true(lp_append(&other, m->item[m->n++]));
	}
	assert_true(lp_concat(&m->lp, other.p));
	free(other.p);
}

static void test_listpack__agrees_with_model(void **state)
{
	struct model m = {.lp = empty()};
	rng_init(&m.rng, 41);
	check(&m);
	for (uint32_t i = 0; i < 6000; i++) {
		uint64_t what = rng_below(&m.rng, 100);
		if (what < 70)
			insert(&m);
		else if (what < 85)
			replace(&m);
		else if (what < 94)
			erase(&m);
		else if (what < 97)
			delete_equal(&m);
		else
			concat(&m);
		trim(&m.lp);
		check(&m);
		check_search(&m);
	}
	model_splice(&m, 0, m.n, 0);
	free(m.lp.p);
}

/* The same at the front of a block with room before the listpack. */
static void test_listpack__front_moves_only_the_head(void **state)
{
	enum {
		ROOM = 40000
	};
	struct model m = {.lp = empty()};
	uint8_t *block = malloc(ROOM + LP_EMPTY_BYTES), *p = block + ROOM;
	rng_init(&m.rng, 43);
	lp_init(p);
	for (uint32_t i = 0; i < 20000; i++) {
		struct slice v = random_item(&m.rng);
		v.len = RP_MIN(v.len, 300);
		uint8_t *pushed = m.n < MODEL_MAX ? lp_push_front(p, (size_t)(p - block), v) : NULL;
		if (pushed != NULL) {
			p = pushed;
			model_splice(&m, 0, 0, 1);
			m.item[0] = v;
		} else {
			free((char *)v.ptr);
		}
		if (pushed == NULL || rng_below(&m.rng, 3) == 0) {
			uint32_t n = (uint32_t)rng_below(&m.rng, pushed == NULL ? 200 : 3);
			p = lp_drop_front(p, n);
			model_splice(&m, 0, RP_MIN(n, m.n), 0);
		}
		free(m.lp.p);
		m.lp.p = malloc(lp_bytes(p));
		m.lp.len = m.lp.cap = lp_bytes(p);
		memcpy(m.lp.p, p, m.lp.len);
		check(&m);
	}
	model_splice(&m, 0, m.n, 0);
	free(m.lp.p);
	free(block);
}

/* Values beside each other, and the bytes as redis-server 7.0 dumped them. */
static const struct slice dumped_items[] = {
	SLICE(""),
	SLICE("a"),
	SLICE("0"),
	SLICE("127"),
	SLICE("128"),
	SLICE("-1"),
	SLICE("-4096"),
	SLICE("4095"),
	SLICE("4096"),
	SLICE("-4097"),
	SLICE("32767"),
	SLICE("-32768"),
	SLICE("32768"),
	SLICE("-8388608"),
	SLICE("8388607"),
	SLICE("8388608"),
	SLICE("-2147483648"),
	SLICE("2147483647"),
	SLICE("2147483648"),
	SLICE("-9223372036854775808"),
	SLICE("9223372036854775807"),
	SLICE("9223372036854775808"),
	SLICE("-0"),
	SLICE("007"),
	SLICE("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
	SLICE("yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"),
};
static const char dumped[] =
	"0d0100001a00800181610200017f01c08002dfff02d00002cfff02f1001003f1ffef03f1ff7f03f1008003f200800004f200008004f2"
	"ffff7f04f30000800005f30000008005f3ffffff7f05f4000000800000000009f4000000000000008009f4ffffffffffffff7f099339"
	"32323333373230333638353437373538303814822d30038330303704bf78787878787878787878787878787878787878787878787878"
	"787878787878787878787878787878787878787878787878787878787878787878787878787840e04079797979797979797979797979"
	"79797979797979797979797979797979797979797979797979797979797979797979797979797979797979797979797979797942ff";

static void test_listpack__bytes_are_those_of_redis(void **state)
{
	struct cbuf b = empty();
	for (size_t i = 0; i < RP_ARRAY_LEN(dumped_items); i++)
		assert_true(lp_append(&b, dumped_items[i]));
	assert_int_equal(b.len, (sizeof dumped - 1) / 2);
	for (size_t i = 0; i < b.len; i++) {
		char hex[3];
		snprintf(hex, sizeof hex, "%02x", b.p[i]);
		assert_memory_equal(hex, dumped + 2 * i, 2);
	}
	free(b.p);
}

/* 16383 fits two bytes of 7 bits, and takes three. */
static void test_listpack__back_lengths_are_those_of_redis(void **state)
{
	static const struct {
		uint32_t len, n;
		uint8_t back[3];
	} row[] = {{16377, 2, {0x7f, 0xfe}}, {16378, 3, {0x00, 0xff, 0xff}}, {16379, 3, {0x01, 0x80, 0x80}}};
	char text[16379];
	memset(text, 'z', sizeof text);
	for (size_t i = 0; i < RP_ARRAY_LEN(row); i++) {
		struct cbuf b = empty();
		assert_true(lp_append(&b, (struct slice){text, row[i].len}));
		assert_int_equal(b.len, LP_EMPTY_BYTES + 5 + row[i].len + row[i].n);
		assert_memory_equal(b.p + b.len - 1 - row[i].n, row[i].back, row[i].n);
		assert_int_equal(lp_last(b.p), lp_first(b.p));
		free(b.p);
	}
}

/* The count field holds 16 bits: from 65535 on it only says "many". */
static void test_listpack__more_entries_than_the_count_holds(void **state)
{
	struct cbuf b = empty();
	cbuf_reserve(&b, 1 << 20);
	for (uint32_t i = 0; i < 70000; i++) {
		assert_true(lp_append_i64(&b, i & 127));
		if (i < 65534 || i > 69990)
			assert_int_equal(i % 5000 != 0 || lp_count(b.p) == i + 1, true);
	}
	assert_int_equal(lp_count(b.p), 70000);
	assert_true(lp_valid(b.p, b.len));
	assert_int_equal(lp_seek(b.p, -70000), lp_first(b.p));
	assert_int_equal(lp_seek(b.p, 69999), lp_last(b.p));
	assert_int_equal(lp_seek(b.p, 70000), 0);
	assert_int_equal(lp_seek(b.p, -70001), 0);
	lp_delete(&b, lp_first(b.p), 69000);
	assert_int_equal(lp_count(b.p), 1000);
	assert_true(lp_valid(b.p, b.len));
	free(b.p);
}

static void test_listpack__without_room_nothing_changes(void **state)
{
	struct cbuf b = empty();
	uint8_t before[64];
	assert_true(lp_append(&b, SLICE("one")) && lp_append(&b, SLICE("2")));
	trim(&b);
	memcpy(before, b.p, b.len);
	size_t len = b.len;
	b.reserve = no_reserve;
	assert_false(lp_append(&b, SLICE("x")));
	assert_false(lp_prepend(&b, SLICE("x")));
	assert_false(lp_insert(&b, lp_last(b.p), SLICE("x")));
	assert_false(lp_replace(&b, lp_first(b.p), SLICE("longer")));
	assert_false(lp_append_i64(&b, 7));
	assert_false(lp_replace_i64(&b, lp_last(b.p), 1234));
	assert_false(lp_concat(&b, before));
	assert_int_equal(b.len, len);
	assert_memory_equal(b.p, before, len);
	assert_true(lp_replace(&b, lp_first(b.p), SLICE("two")));
	assert_true(lp_replace(&b, lp_first(b.p), SLICE("t")));
	free(b.p);
}

/* What passes lp_valid() can be read from both sides and edited. */
static void use(uint8_t *bytes, size_t len)
{
	char buf[NUM_I64_CHARS];
	struct cbuf b = {.p = malloc(len), len, len, exact_reserve};
	memcpy(b.p, bytes, len);
	struct lp_key k = lp_key_of(SLICE("42"));
	uint32_t n = lp_count(b.p), seen = 0;
	for (size_t off = lp_first(b.p); off != 0; off = lp_next(b.p, off)) {
		struct slice s = lp_get(b.p, off, buf);
		assert_true(s.len < len + sizeof buf);
		seen++;
	}
	for (size_t off = lp_last(b.p); off != 0; off = lp_prev(b.p, off))
		seen--;
	assert_int_equal(seen, 0);
	lp_find(b.p, lp_first(b.p), &k, 1);
	assert_int_equal(lp_seek(b.p, n), 0);
	if (n > 0) {
		lp_replace(&b, lp_seek(b.p, n / 2), SLICE("replaced"));
		lp_delete(&b, lp_seek(b.p, n / 3), 2);
	}
	assert_true(lp_valid(b.p, b.len));
	free(b.p);
}

static void test_listpack__corrupt_bytes_are_refused_or_harmless(void **state)
{
	struct rng r;
	uint32_t passed = 0;
	rng_init(&r, 7);
	for (uint32_t round = 0; round < 300000; round++) {
		struct cbuf b = empty();
		for (uint64_t i = rng_below(&r, 6); i > 0; i--) {
			struct slice v = random_item(&r);
			v.len = RP_MIN(v.len, 70);
			lp_append(&b, v);
			free((char *)v.ptr);
		}
		size_t len = rng_below(&r, 20) == 0 ? rng_below(&r, b.len + 1) : b.len;
		uint8_t *bytes = malloc(len);
		memcpy(bytes, b.p, len);
		for (uint64_t i = 1 + rng_below(&r, 3); i > 0 && len > 0; i--) {
			size_t at = rng_below(&r, 3) == 0 ? rng_below(&r, RP_MIN(len, 8)) : rng_below(&r, len);
			bytes[at] = rng_below(&r, 2) ? (uint8_t)rng_next(&r) : (uint8_t)(0xf0 | rng_below(&r, 16));
		}
		if (lp_valid(bytes, len)) {
			passed++;
			use(bytes, len);
		}
		free(bytes);
		free(b.p);
	}
	assert_true(passed > 1000);
}

static void test_listpack__lengths_that_lie_are_refused(void **state)
{
	/* one entry "abc" */
	uint8_t good[] = {12, 0, 0, 0, 1, 0, 0x83, 'a', 'b', 'c', 4, 0xff}, bad[sizeof good];
	static const struct {
		uint8_t at, byte;
	} lie[] = {{0, 11},   {0, 13},   {3, 1},    {4, 0},    {4, 2},  {6, 0x84},  {6, 0x82},
		   {6, 0xf0}, {6, 0xf5}, {6, 0xff}, {6, 0xe0}, {10, 3}, {10, 0x84}, {11, 0}};
	assert_true(lp_valid(good, sizeof good));
	for (size_t i = 0; i < RP_ARRAY_LEN(lie); i++) {
		memcpy(bad, good, sizeof good);
		bad[lie[i].at] = lie[i].byte;
		assert_false(lp_valid(bad, sizeof bad));
	}
	for (size_t len = 0; len < sizeof good; len++)
		assert_false(lp_valid(good, len));
	good[4] = good[5] = 0xff; /* unknown: any count will do */
	assert_true(lp_valid(good, sizeof good));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_listpack__agrees_with_model),
		cmocka_unit_test(test_listpack__front_moves_only_the_head),
		cmocka_unit_test(test_listpack__bytes_are_those_of_redis),
		cmocka_unit_test(test_listpack__back_lengths_are_those_of_redis),
		cmocka_unit_test(test_listpack__more_entries_than_the_count_holds),
		cmocka_unit_test(test_listpack__without_room_nothing_changes),
		cmocka_unit_test(test_listpack__corrupt_bytes_are_refused_or_harmless),
		cmocka_unit_test(test_listpack__lengths_that_lie_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
