/* Streams against a plain array of entries. */
#include <stdlib.h>

#include "fixture.h"
#include "store/stream.h"

#define MODEL_MAX 4000
#define ROUNDS    30000

struct model {
	struct stream_id id[MODEL_MAX]; /* living entries, in order */
	uint32_t n;
	struct stream_id last;
};

static const struct type_limits limits = {.stream_node_max_bytes = 300, .stream_node_max_entries = 9};

static void model_remove(struct model *m, uint32_t from, uint32_t n)
{
	memmove(&m->id[from], &m->id[from + n], (m->n - from - n) * sizeof *m->id);
	m->n -= n;
}

static void add(struct stream *s, struct heap *h, struct model *m, struct rng *rng)
{
	static const char text[300];
	uint32_t pairs = 1 + (uint32_t)rng_below(rng, 3);
	struct slice words[6];

	if (m->n == MODEL_MAX)
		return;
	if (rng_below(rng, 3) == 0)
		m->last = (struct stream_id){m->last.ms + 1 + rng_below(rng, 200), rng_below(rng, 3)};
	else
		m->last.seq += 1 + rng_below(rng, 5);
	for (uint32_t i = 0; i < 2 * pairs; i++)
		words[i] = (struct slice){text, rng_below(rng, i % 2 == 0 ? 3 : 90)};
	assert_int_equal(stream_append(s, h, m->last, pairs, words, &limits), STREAM_ADDED);
	m->id[m->n++] = m->last;
}

static void delete_one(struct stream *s, struct heap *h, struct model *m, struct rng *rng)
{
	if (m->n == 0)
		return;
	uint32_t i = (uint32_t)rng_below(rng, m->n);
	struct stream_id id = m->id[i];

	assert_true(stream_delete(s, h, id));
	assert_false(stream_delete(s, h, id));
	stream_update_first(s);
	model_remove(m, i, 1);
}

static void trim(struct stream *s, struct heap *h, struct model *m, struct rng *rng)
{
	uint32_t keep = (uint32_t)rng_below(rng, m->n + 2);
	struct stream_trim t = {.approx = rng_below(rng, 2), .by_id = rng_below(rng, 2), .max_length = keep};

	t.min_id = keep < m->n ? m->id[m->n - keep - 1] : STREAM_ID_MIN;
	uint32_t most = t.by_id ? (keep < m->n ? m->n - keep - 1 : 0) : (keep < m->n ? m->n - keep : 0);
	uint64_t gone = stream_trim(s, h, &t);
	if (t.approx)
		assert_true(gone <= most);
	else
		assert_int_equal(gone, most);
	model_remove(m, 0, (uint32_t)gone);
}

static void check(const struct stream *s, const struct model *m, struct rng *rng)
{
	uint32_t lo = m->n == 0 ? 0 : (uint32_t)rng_below(rng, m->n), hi = lo;
	struct stream_iter up, down;
	struct stream_entry e;

	assert_int_equal(s->length, m->n);
	assert_int_equal(stream_id_cmp(s->first_id, m->n > 0 ? m->id[0] : STREAM_ID_MIN), 0);
	if (m->n == 0)
		return;
	hi += (uint32_t)rng_below(rng, m->n - lo);
	stream_iter_begin(&up, s, m->id[lo], m->id[hi], false);
	stream_iter_begin(&down, s, m->id[lo], m->id[hi], true);
	for (uint32_t i = 0; i <= hi - lo; i++) {
		assert_true(stream_iter_next(&up, &e));
		assert_int_equal(stream_id_cmp(e.id, m->id[lo + i]), 0);
		assert_true(stream_iter_next(&down, &e));
		assert_int_equal(stream_id_cmp(e.id, m->id[hi - i]), 0);
	}
	assert_false(stream_iter_next(&up, &e));
	assert_false(stream_iter_next(&down, &e));
	assert_int_equal(stream_count_above(s, m->id[lo], UINT64_MAX), m->n - lo - 1);
	assert_int_equal(stream_id_cmp(stream_last_entry(s), m->id[m->n - 1]), 0);
}

static void test_stream__agrees_with_model(void **state)
{
	static struct model m;
	struct heap *h = fixture_heap(256ul << 20);
	struct stream *s = stream_create(h);
	struct rng rng;

	rng_init(&rng, 7);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		uint64_t what = rng_below(&rng, 100);

		if (what < 70)
			add(s, h, &m, &rng);
		else if (what < 99)
			delete_one(s, h, &m, &rng);
		else if (rng_below(&rng, 8) == 0)
			trim(s, h, &m, &rng);
		if (i % 16 == 0)
			check(s, &m, &rng);
	}
	stream_destroy(s, h);
	fixture_heap_check(h);
}

static void test_stream__goes_in_slices(void **state)
{
	struct heap *h = fixture_heap(256ul << 20);
	struct stream *s = stream_create(h);
	struct slice words[] = {SLICE("f"), SLICE("v")};
	uint32_t slices = 0, budget;

	for (uint64_t i = 1; i <= 20000; i++)
		assert_int_equal(stream_append(s, h, (struct stream_id){i, 0}, 1, words, &limits), STREAM_ADDED);
	struct stream_group *g = stream_group_add(s, h, SLICE("g"), STREAM_ID_MIN, 0);
	struct stream_consumer *con = stream_consumer_add(g, h, SLICE("c"), 0);
	for (uint64_t i = 1; i <= 20000; i++) {
		struct stream_pending *p = stream_pending_create(h, (struct stream_id){i, 0});

		assert_true(stream_pending_insert(g, h, p) && stream_pending_give(p, h, con));
	}
	do {
		budget = 100;
		slices++;
	} while (!stream_ops.drain(h, &s->p, &budget));
	assert_true(slices > 200);
	fixture_heap_check(h);
}

/* The heap is too small for such entries: nothing reads their text. */
static void test_stream__entries_up_to_what_a_listpack_holds(void **state)
{
	struct heap *h = fixture_heap(64ul << 20);
	struct stream *s = stream_create(h);
	char none[1];
	struct slice words[] = {{none, 0}, {none, 0}};
	struct stream_id id = {1, 0};

	for (int i = 0; i < 2; i++) {
		words[i].len = LP_MAX_BYTES - 200;
		assert_int_equal(stream_append(s, h, id, 1, words, &limits), STREAM_NO_MEMORY);
		words[i].len = LP_MAX_BYTES;
		assert_int_equal(stream_append(s, h, id, 1, words, &limits), STREAM_TOO_LARGE);
		words[i].len = 0;
	}
	words[0].len = words[1].len = LP_MAX_BYTES / 2 - 100;
	assert_int_equal(stream_append(s, h, id, 1, words, &limits), STREAM_NO_MEMORY);
	stream_destroy(s, h);
	fixture_heap_check(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stream__agrees_with_model),
		cmocka_unit_test(test_stream__goes_in_slices),
		cmocka_unit_test(test_stream__entries_up_to_what_a_listpack_holds),
	};

	if (fixture_eal("test_stream", "64") != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
