/* Intsets against a plain sorted array; Redis's form of them. */
#include <stdlib.h>

#include "fixture.h"
#include "store/ds/intset.h"
#include "store/rdb/rdb_intset.h"

#define MOST 400

struct model {
	struct cbuf b;
	int64_t v[MOST + 1];
	uint32_t n;
	uint64_t fail_in; /* reserve calls until one fails; 0: none does */
	uint32_t moves;   /* reserve calls that did not fail */
	struct rng rng;
};

static bool reserve(struct cbuf *b, size_t cap)
{
	struct model *m = rp_container_of(b, struct model, b);
	uint8_t *p;

	if (m->fail_in > 0 && --m->fail_in == 0)
		return false;
	p = malloc(cap); /* always elsewhere, exactly as large */
	assert_non_null(p);
	m->moves++;
	memcpy(p, b->p, b->len);
	free(b->p);
	b->p = p;
	b->cap = cap;
	return true;
}

static void model_init(struct model *m, uint64_t seed)
{
	*m = (struct model){.b = {.len = INTSET_EMPTY_BYTES, .cap = INTSET_EMPTY_BYTES, .reserve = reserve}};
	m->b.p = malloc(INTSET_EMPTY_BYTES);
	assert_non_null(m->b.p);
	intset_init(m->b.p);
	rng_init(&m->rng, seed);
}

/* Position of v, or where it belongs. */
static uint32_t model_find(const struct model *m, int64_t v, bool *there)
{
	uint32_t at = 0;

	while (at < m->n && m->v[at] < v)
		at++;
	*there = at < m->n && m->v[at] == v;
	return at;
}

/* There and back through Redis's form. */
static void check_rdb(const struct model *m)
{
	size_t len = rdb_intset_bytes(m->b.p);
	uint8_t *p = malloc(len);

	assert_non_null(p);
	rdb_intset_write(m->b.p, p);
	assert_true(rdb_intset_valid(p, len));
	assert_int_equal(rdb_intset_count(p), m->n);
	for (uint32_t i = 0; i < m->n; i++)
		assert_true(rdb_intset_get(p, i) == m->v[i]);
	free(p);
}

static void check(const struct model *m)
{
	assert_int_equal(m->b.len, intset_bytes(m->b.p));
	assert_true(m->b.len <= m->b.cap);
	assert_int_equal(intset_count(m->b.p), m->n);
	for (uint32_t i = 0; i < m->n; i++)
		assert_true(intset_get(m->b.p, i) == m->v[i]);
}

static void add(struct model *m, int64_t v)
{
	bool there, added, ok;
	uint32_t at = model_find(m, v, &there);
	size_t room = intset_room(m->b.p, 1, v, v);

	ok = intset_add(&m->b, v, &added);
	if (ok && !there) {
		memmove(&m->v[at + 1], &m->v[at], (m->n - at) * sizeof m->v[0]);
		m->v[at] = v;
		m->n++;
		assert_true(m->b.len <= room);
	}
	assert_int_equal(added, ok && !there);
	check(m);
}

static void take_out(struct model *m, int64_t v)
{
	bool there;
	uint32_t at = model_find(m, v, &there);

	assert_int_equal(intset_remove(&m->b, v), there);
	if (there) {
		m->n--;
		memmove(&m->v[at], &m->v[at + 1], (m->n - at) * sizeof m->v[0]);
	}
	check(m);
}

static void look(const struct model *m, int64_t v)
{
	bool there;
	uint32_t at = model_find(m, v, &there), got;

	assert_int_equal(intset_has(m->b.p, v), there);
	assert_int_equal(intset_find(m->b.p, v, &got), there);
	assert_int_equal(got, at);
}

/* Numbers around the bounds of the widths, up to a width. */
static int64_t number(struct rng *rng, uint32_t widths)
{
	static const int64_t edge[] = {0, INT16_MIN, INT16_MAX, INT32_MIN, INT32_MAX, INT64_MIN, INT64_MAX};
	int64_t v = (int64_t)rng_next(rng) >> (widths == 1 ? 48 : widths == 2 ? 32 : 0);

	switch (rng_below(rng, 3)) {
	case 0:
		return v;
	case 1:
		return v % 50;
	default:
		v = edge[rng_below(rng, 1 + 2 * widths)];
		return v > 0 ? v - (int64_t)rng_below(rng, 4) : v + (int64_t)rng_below(rng, 4);
	}
}

static void run(struct model *m, uint32_t steps, uint32_t widths)
{
	for (uint32_t i = 0; i < steps; i++) {
		int64_t v = number(&m->rng, widths);
		if (m->n < MOST && rng_below(&m->rng, 3) > 0)
			add(m, v);
		else
			take_out(m, m->n > 0 && v & 1 ? m->v[rng_below(&m->rng, m->n)] : v);
		look(m, number(&m->rng, widths));
	}
}

static void test_intset__agrees_with_model(void **state)
{
	for (uint64_t seed = 1; seed <= 30; seed++) {
		struct model m;
		model_init(&m, seed);
		run(&m, 50, 1);
		run(&m, 200, 2);
		check_rdb(&m);
		run(&m, 400, 3);
		check_rdb(&m);
		while (m.n > 0)
			take_out(&m, m.v[m.n / 2]);
		check_rdb(&m);
		free(m.b.p);
	}
}

static void test_intset_add__without_memory_nothing_changes(void **state)
{
	for (uint64_t seed = 1; seed <= 30; seed++) {
		struct model m;
		model_init(&m, seed);
		for (uint32_t i = 0; i < 200; i++) {
			m.fail_in = rng_below(&m.rng, 2);
			add(&m, number(&m.rng, 1 + i / 70));
		}
		free(m.b.p);
	}
}

static void test_intset__bytes_as_in_rdb(void **state)
{
	static const uint8_t want[] = {4, 0, 0, 0, 3, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 5, 0, 0, 0, 0x40, 0x0d, 3, 0};
	struct model m;

	model_init(&m, 1);
	add(&m, 5);
	add(&m, -1);
	add(&m, 200000);
	uint8_t got[sizeof want];
	assert_int_equal(rdb_intset_bytes(m.b.p), sizeof want);
	rdb_intset_write(m.b.p, got);
	assert_memory_equal(got, want, sizeof want);
	free(m.b.p);
}

static void test_intset__takes_the_fewest_bytes(void **state)
{
	static const struct {
		int64_t lo, hi;
		size_t bytes;
	} cases[] = {
		{0, 255, 8 + 2},
		{0, 256, 8 + 4},
		{-1000000, -1000000 + 65535, 8 + 4},
		{100000, 100000 + 65536, 8 + 8},
		{1700000000000, 1700000000200, 12 + 2},
		{INT32_MIN, INT32_MAX, 8 + 8},
		{-100000, 100000, 8 + 8},
		{-1, UINT32_MAX, 12 + 16},
		{INT64_MIN, INT64_MAX, 12 + 16},
		{INT64_MAX - 1, INT64_MAX, 12 + 2},
		{INT64_MIN, INT64_MIN + 1, 12 + 2},
	};

	for (uint32_t i = 0; i < RP_ARRAY_LEN(cases); i++)
		for (int order = 0; order < 2; order++) {
			struct model m;
			model_init(&m, 1);
			add(&m, order ? cases[i].hi : cases[i].lo);
			add(&m, order ? cases[i].lo : cases[i].hi);
			assert_int_equal(m.b.len, cases[i].bytes);
			free(m.b.p);
		}
}

/* What is to come, in one go: enough room whatever the order. */
static void test_intset_room__is_enough(void **state)
{
	for (uint64_t seed = 1; seed <= 300; seed++) {
		struct model m;
		int64_t v[20], lo = INT64_MAX, hi = INT64_MIN;
		model_init(&m, seed);
		run(&m, (uint32_t)rng_below(&m.rng, 10), 1 + (uint32_t)seed % 3);
		for (uint32_t i = 0; i < RP_ARRAY_LEN(v); i++) {
			v[i] = number(&m.rng, 1 + (uint32_t)seed / 3 % 3);
			lo = RP_MIN(lo, v[i]);
			hi = RP_MAX(hi, v[i]);
		}
		assert_true(cbuf_reserve(&m.b, intset_room(m.b.p, RP_ARRAY_LEN(v), lo, hi)));
		m.moves = 0;
		for (uint32_t i = 0; i < RP_ARRAY_LEN(v); i++)
			add(&m, v[i]);
		assert_int_equal(m.moves, 0);
		free(m.b.p);
	}
}

static void test_rdb_intset_valid__refuses_what_is_not_one(void **state)
{
	static const struct {
		uint8_t bytes[16];
		size_t len;
		bool ok;
	} cases[] = {
		{{2, 0, 0, 0, 0, 0, 0, 0}, 8, true},
		{{2, 0, 0, 0, 0, 0, 0}, 7, false},
		{{2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 2, 0}, 12, true},
		{{2, 0, 0, 0, 2, 0, 0, 0, 2, 0, 2, 0}, 12, false},
		{{2, 0, 0, 0, 2, 0, 0, 0, 3, 0, 2, 0}, 12, false},
		{{2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 2}, 11, false},
		{{2, 0, 0, 0, 3, 0, 0, 0, 1, 0, 2, 0}, 12, false},
		{{2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 2, 0}, 12, false},
		{{3, 0, 0, 0, 0, 0, 0, 0}, 8, false},
		{{0, 0, 0, 0, 0, 0, 0, 0}, 8, false},
		{{4, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 0, 2, 0}, 12, false},
		{{4, 0, 0, 0, 1, 0, 0, 0, 1, 0, 2, 0}, 12, true},
	};

	for (uint32_t i = 0; i < RP_ARRAY_LEN(cases); i++)
		assert_int_equal(rdb_intset_valid(cases[i].bytes, cases[i].len), cases[i].ok);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_intset__agrees_with_model),
		cmocka_unit_test(test_intset_add__without_memory_nothing_changes),
		cmocka_unit_test(test_intset__bytes_as_in_rdb),
		cmocka_unit_test(test_intset__takes_the_fewest_bytes),
		cmocka_unit_test(test_intset_room__is_enough),
		cmocka_unit_test(test_rdb_intset_valid__refuses_what_is_not_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
