/* Lists in both forms against a plain array, under random changes, with limits that change and allocations that fail.
 */
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "store/list_priv.h"

#define MOST     300 /* elements */
#define PUSH_MAX 12
#define KEY      SLICE("a list")
#define COPY     SLICE("its copy")

struct item {
	char *p;
	size_t len;
};

struct model {
	struct item v[MOST + PUSH_MAX];
	uint32_t n;
};

struct world {
	struct heap *heap;
	struct store *s;
	struct rng rng;
	int64_t limit;
	struct model m, copy; /* of KEY and COPY */
	bool failing, failed; /* allocations may fail; the last change did */
};

static struct world *world_create(uint64_t seed)
{
	struct world *w = calloc(1, sizeof *w);
	struct err e = {0};

	w->heap = fixture_heap(256 << 20);
	struct store_params p = {.databases = 1, .hash_seed = seed, .index_initial = 64, .heap = w->heap};
	w->s = store_create(&p, &e);
	assert_non_null(w->s);
	store_set_now(w->s, 1000000);
	rng_init(&w->rng, seed);
	return w;
}

/* ---- the model ---- */

static void model_cut(struct model *m, uint32_t from, uint32_t n)
{
	for (uint32_t i = from; i < from + n; i++)
		free(m->v[i].p);
	memmove(&m->v[from], &m->v[from + n], (m->n - from - n) * sizeof m->v[0]);
	m->n -= n;
}

static void model_put(struct model *m, uint32_t at, struct slice v)
{
	char *p = malloc(v.len + 1);

	assert_non_null(p);
	memcpy(p, v.ptr, v.len);
	memmove(&m->v[at + 1], &m->v[at], (m->n - at) * sizeof m->v[0]);
	m->v[at] = (struct item){p, v.len};
	m->n++;
}

static struct slice model_get(const struct model *m, uint32_t i)
{
	return (struct slice){m->v[i].p, m->v[i].len};
}

static void world_destroy(struct world *w)
{
	model_cut(&w->m, 0, w->m.n);
	model_cut(&w->copy, 0, w->copy.n);
	store_flush(w->s, 0);
	for (int i = 0; i < 100; i++)
		store_poll(w->s, 1000);
	store_destroy(w->s);
	fixture_heap_check(w->heap);
	free(w);
}

/* ---- comparing ---- */

static void check_at(const struct list_iter *it, const struct model *m, uint32_t i)
{
	char buf[NUM_I64_CHARS];
	struct blob *large;
	struct slice want = model_get(m, i), got = list_get(it, buf, &large);
	struct lp_key k = lp_key_of(want);

	assert_false(it->end);
	assert_int_equal(it->index, i);
	assert_int_equal(got.len, want.len);
	assert_memory_equal(got.ptr, want.ptr, want.len);
	assert_true(list_eq(it, &k));
	if (large != NULL)
		assert_ptr_equal(got.ptr, large->data);
}

static void check_walk(const struct object *o, const struct model *m, uint32_t from, bool back)
{
	struct list_iter it;

	list_seek(o, from, back, &it);
	for (uint32_t i = from;; i += back ? UINT32_MAX : 1) {
		check_at(&it, m, i);
		list_next(&it);
		if (i == (back ? 0 : m->n - 1))
			break;
	}
	assert_true(it.end);
}

/* Nodes are linked both ways, none is empty, and they hold as many elements as the list says. */
static void check_chain(const struct list *l)
{
	const struct list_node *prev = NULL;
	uint64_t count = 0;
	uint32_t nodes = 0;

	for (const struct list_node *n = l->first; n != NULL; prev = n, n = n->next, nodes++) {
		assert_ptr_equal(n->prev, prev);
		assert_true(node_count(n) > 0);
		if (!node_is_large(n)) {
			assert_true(lp_valid(n->lp, lp_bytes(n->lp)));
			assert_true(n->lp >= n->room && n->lp + lp_bytes(n->lp) <= n->room + n->room_len);
		}
		count += node_count(n);
	}
	assert_ptr_equal(l->last, prev);
	assert_int_equal(nodes, l->nodes);
	assert_int_equal(count, l->count);
}

static void check(struct world *w, struct slice key, const struct model *m)
{
	struct object *o = store_peek(w->s, 0, key);

	assert_int_equal(o != NULL, m->n > 0);
	if (o == NULL)
		return;
	assert_int_equal(o->type, OBJ_LIST);
	assert_int_equal(o->enc, obj_is_compact(o) ? ENC_LISTPACK : ENC_QUICKLIST);
	assert_int_equal(list_len(o), m->n);
	if (!obj_is_compact(o))
		check_chain(rp_container_of(obj_payload(o), struct list, head));
	check_walk(o, m, 0, false);
	check_walk(o, m, m->n - 1, true);
	uint32_t at = (uint32_t)rng_below(&w->rng, m->n);
	check_walk(o, m, at, false);
	check_walk(o, m, at, true);
}

/* ---- random changes ---- */

#define TEXT_MAX 70000
static const size_t sizes[] = {0, 1, 12, 63, 64, 300, 1000, 4000, 4080, 4090, 4100, 8180, 8200, 17000, TEXT_MAX};

/* Few different ones, so that many are equal; integers of every width; now and then a large one. */
static struct slice random_value(struct world *w, char *buf)
{
	size_t len;

	switch (rng_below(&w->rng, 10)) {
	case 0 ... 3:
		return (struct slice){buf, num_format_i64(buf, (int64_t)rng_below(&w->rng, 5) - 1)};
	case 4:
		return (struct slice){buf, num_format_i64(buf, (int64_t)rng_next(&w->rng) >> rng_below(&w->rng, 64))};
	case 5:
		len = sizes[rng_below(&w->rng, RP_ARRAY_LEN(sizes))];
		break;
	default:
		len = sizes[rng_below(&w->rng, 5)];
	}
	memset(buf, 'a' + (int)rng_below(&w->rng, 3), len);
	return (struct slice){buf, len};
}

static struct list_ref ref(struct world *w)
{
	return (struct list_ref){.s = w->s, .db = 0, .key = KEY, .o = store_write(w->s, 0, KEY), .limit = w->limit};
}

/* A change begins: from here on allocations may fail. */
static void arm(struct world *w)
{
	if (w->failing && rng_below(&w->rng, 2))
		heap_fail_after(w->heap, 1 + rng_below(&w->rng, 4));
}

/* What became of it. Only one that had memory to fail for may fail. */
static bool done(struct world *w, bool ok)
{
	heap_fail_after(w->heap, 0);
	assert_true(ok || w->failing);
	return ok;
}

static struct blob *take_copy(void *ctx, uint32_t i)
{
	struct world *w = ((void **)ctx)[0];
	const struct slice *v = ((void **)ctx)[1];
	struct blob *b = blob_create(w->heap, v[i].len);

	if (b != NULL) {
		memcpy(b->data, v[i].ptr, v[i].len);
		b->len = v[i].len;
	}
	return b;
}

static void op_push(struct world *w)
{
	static char text[PUSH_MAX][TEXT_MAX];
	struct slice v[PUSH_MAX];
	void *ctx[] = {w, v};
	struct list_values values = {.v = v, .n = rng_below(&w->rng, 3) ? 1 : (uint32_t)rng_below(&w->rng, PUSH_MAX)};
	enum list_end where = rng_below(&w->rng, 2) ? LIST_HEAD : LIST_TAIL;

	if (w->m.n + values.n > MOST || values.n == 0)
		return;
	for (uint32_t i = 0; i < values.n; i++)
		v[i] = random_value(w, text[i]);
	if (rng_below(&w->rng, 2)) {
		values.take = take_copy;
		values.ctx = ctx;
	}
	struct list_ref r = ref(w);
	arm(w);
	if (!done(w, list_push(&r, where, &values)))
		return;
	for (uint32_t i = 0; i < values.n; i++)
		model_put(&w->m, where == LIST_HEAD ? 0 : w->m.n, v[i]);
}

/* Elements went: what the commands do then. */
static void removed(struct world *w, struct list_ref *r)
{
	if (w->m.n == 0)
		store_delete(w->s, 0, KEY);
	else
		list_did_shrink(r);
}

static void op_remove(struct world *w)
{
	uint32_t from, n;

	if (w->m.n == 0)
		return;
	n = 1 + (uint32_t)rng_below(&w->rng, rng_below(&w->rng, 8) ? 4 : w->m.n);
	n = RP_MIN(n, w->m.n);
	from = (uint32_t)rng_below(&w->rng, w->m.n - n + 1);
	if (rng_below(&w->rng, 2))
		from = rng_below(&w->rng, 2) ? 0 : w->m.n - n;
	struct list_ref r = ref(w);
	arm(w);
	if (!done(w, list_prepare(&r)))
		return;
	list_remove(&r, from, n);
	model_cut(&w->m, from, n);
	removed(w, &r);
}

static void op_remove_equal(struct world *w)
{
	char text[TEXT_MAX];
	struct slice v = random_value(w, text);
	struct lp_key k = lp_key_of(v);
	bool back = rng_below(&w->rng, 2);
	uint64_t max = rng_below(&w->rng, 3) ? 1 + rng_below(&w->rng, 4) : UINT64_MAX, gone = 0;

	if (w->m.n == 0)
		return;
	struct list_ref r = ref(w);
	arm(w);
	if (!done(w, list_prepare(&r)))
		return;
	uint64_t n = list_remove_equal(&r, &k, max, back);
	for (uint32_t i = 0, at = back ? w->m.n - 1 : 0, all = w->m.n; i < all && gone < max; i++) {
		bool hit = slice_eq(model_get(&w->m, at), v);
		if (hit) {
			model_cut(&w->m, at, 1);
			gone++;
		}
		at = back ? at - 1 : at + !hit;
	}
	assert_int_equal(n, gone);
	removed(w, &r);
}

static void op_insert(struct world *w)
{
	char text[TEXT_MAX];
	struct slice v = random_value(w, text);
	bool after = rng_below(&w->rng, 2);
	struct list_iter it;

	if (w->m.n == 0 || w->m.n == MOST)
		return;
	uint32_t at = (uint32_t)rng_below(&w->rng, w->m.n);
	struct list_ref r = ref(w);
	list_seek(r.o, at, rng_below(&w->rng, 2), &it);
	arm(w);
	if (done(w, list_insert(&r, &it, after, v)))
		model_put(&w->m, at + after, v);
}

static void op_set(struct world *w)
{
	char text[TEXT_MAX];
	struct slice v = random_value(w, text);
	struct list_iter it;

	if (w->m.n == 0)
		return;
	uint32_t at = (uint32_t)rng_below(&w->rng, w->m.n);
	struct list_ref r = ref(w);
	list_seek(r.o, at, false, &it);
	arm(w);
	if (!done(w, list_set(&r, &it, v)))
		return;
	model_cut(&w->m, at, 1);
	model_put(&w->m, at, v);
	list_did_shrink(&r);
}

static void op_rotate(struct world *w)
{
	enum list_end from = rng_below(&w->rng, 2) ? LIST_HEAD : LIST_TAIL;
	enum list_end to = rng_below(&w->rng, 2) ? LIST_HEAD : LIST_TAIL;

	if (w->m.n == 0)
		return;
	struct list_ref r = ref(w);
	arm(w);
	if (!done(w, list_rotate(&r, from, to)) || from == to)
		return;
	struct item x = w->m.v[from == LIST_HEAD ? 0 : w->m.n - 1];
	memmove(&w->m.v[from == LIST_HEAD ? 0 : 1], &w->m.v[from == LIST_HEAD ? 1 : 0],
		(w->m.n - 1) * sizeof w->m.v[0]);
	w->m.v[to == LIST_HEAD ? 0 : w->m.n - 1] = x;
}

/* The copy shares what it can, and must not follow later changes. */
static void op_copy(struct world *w)
{
	struct object *o = store_peek(w->s, 0, KEY);

	arm(w);
	if (o == NULL || !done(w, store_clone(w->s, o, w->s, 0, COPY) != NULL)) {
		heap_fail_after(w->heap, 0);
		return;
	}
	model_cut(&w->copy, 0, w->copy.n);
	for (uint32_t i = 0; i < w->m.n; i++)
		model_put(&w->copy, i, model_get(&w->m, i));
}

static void op_swap(struct world *w)
{
	struct model m = w->m;

	if (w->m.n == 0 || !store_move(w->s, 0, KEY, w->s, 0, SLICE("aside")))
		return;
	if (w->copy.n > 0)
		assert_true(store_move(w->s, 0, COPY, w->s, 0, KEY));
	assert_true(store_move(w->s, 0, SLICE("aside"), w->s, 0, COPY));
	w->m = w->copy;
	w->copy = m;
}

static const int64_t limits[] = {-5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 7, 40, 10000, INT64_MAX, INT64_MIN};

static void op_limit(struct world *w)
{
	if (rng_below(&w->rng, 20) == 0)
		w->limit = limits[rng_below(&w->rng, RP_ARRAY_LEN(limits))];
}

static void play(uint64_t seed, int64_t limit, bool failing, bool limits_change)
{
	static void (*const op[])(struct world *) = {op_push,   op_push,         op_push,   op_push, op_push, op_remove,
						     op_remove, op_insert,       op_insert, op_set,  op_set,  op_rotate,
						     op_rotate, op_remove_equal, op_copy,   op_swap};
	struct world *w = world_create(seed);

	w->limit = limit;
	w->failing = failing;
	for (int i = 0; i < 500; i++) {
		if (limits_change)
			op_limit(w);
		op[rng_below(&w->rng, RP_ARRAY_LEN(op))](w);
		check(w, KEY, &w->m);
		if (i % 16 == 0)
			check(w, COPY, &w->copy);
	}
	world_destroy(w);
}

static void test_list__agrees_with_an_array(void **state)
{
	for (uint64_t i = 0; i < RP_ARRAY_LEN(limits); i++)
		for (uint64_t seed = 0; seed < 3; seed++)
			play(i * 100 + seed, limits[i], false, false);
}

static void test_list__agrees_also_while_limits_change(void **state)
{
	for (uint64_t seed = 1; seed <= 20; seed++)
		play(seed, -2, false, true);
}

static void test_list__a_failed_allocation_leaves_the_list(void **state)
{
	for (uint64_t seed = 1; seed <= 40; seed++)
		play(seed, limits[seed % RP_ARRAY_LEN(limits)], true, seed & 1);
}

/* ---- where the forms change ---- */

static void push(struct world *w, const char *text, size_t len)
{
	struct slice v = {text, len};
	struct list_values values = {.v = &v, .n = 1};
	struct list_ref r = ref(w);

	assert_true(list_push(&r, LIST_TAIL, &values));
	model_put(&w->m, w->m.n, v);
}

static enum obj_enc form(struct world *w)
{
	return store_peek(w->s, 0, KEY)->enc;
}

/* From the tail: the chain must be one node before it becomes compact. */
static void pop(struct world *w)
{
	struct list_ref r = ref(w);

	assert_true(list_prepare(&r));
	list_remove(&r, w->m.n - 1, 1);
	model_cut(&w->m, w->m.n - 1, 1);
	removed(w, &r);
}

static void test_list_form__by_entries_up_at_limit_down_at_half(void **state)
{
	struct world *w = world_create(1);

	w->limit = 6;
	for (int i = 0; i < 6; i++)
		push(w, "x", 1);
	assert_int_equal(form(w), ENC_LISTPACK);
	push(w, "x", 1);
	assert_int_equal(form(w), ENC_QUICKLIST);
	for (int i = 7; i > 3; i--) {
		assert_int_equal(form(w), ENC_QUICKLIST);
		pop(w);
	}
	assert_int_equal(form(w), ENC_LISTPACK);
	world_destroy(w);
}

static void test_list_form__by_bytes(void **state)
{
	struct world *w = world_create(1);
	char text[1000] = {0};

	w->limit = -1; /* 4096 bytes */
	for (int i = 0; i < 4; i++)
		push(w, text, 1000);
	/* 4 entries of 1000 + 2 + 2 bytes and 7 of the listpack's own: 73 more by their text fit */
	assert_int_equal(form(w), ENC_LISTPACK);
	push(w, text, 74);
	assert_int_equal(form(w), ENC_QUICKLIST);
	pop(w);
	pop(w);
	assert_int_equal(form(w), ENC_QUICKLIST);
	pop(w);
	assert_int_equal(form(w), ENC_LISTPACK);
	push(w, text, 1000);
	push(w, text, 1000);
	pop(w);
	assert_int_equal(form(w), ENC_LISTPACK);
	check(w, KEY, &w->m);
	world_destroy(w);
}

static void test_list_form__large_elements_are_blobs_of_their_own(void **state)
{
	struct world *w = world_create(1);
	static char text[200000];
	struct list_iter it;
	struct blob *large;

	w->limit = -2;
	push(w, "small", 5);
	push(w, text, sizeof text);
	push(w, "small", 5);
	struct object *o = store_peek(w->s, 0, KEY);
	assert_int_equal(rp_container_of(obj_payload(o), struct list, head)->nodes, 3);
	list_seek(o, 1, false, &it);
	list_get(&it, text, &large);
	assert_non_null(large);
	check(w, KEY, &w->m);
	world_destroy(w);
}

/* More nodes than are freed at once go in slices. */
static void test_list__many_nodes_are_freed_in_slices(void **state)
{
	struct world *w = world_create(1);
	struct heap_stats before, after;

	w->limit = 1;
	for (int i = 0; i < 250; i++)
		push(w, "x", 1);
	heap_stats_get(w->heap, &before);
	struct list_ref r = ref(w);
	list_remove(&r, 0, 249);
	model_cut(&w->m, 0, 249);
	check(w, KEY, &w->m);
	heap_stats_get(w->heap, &after);
	assert_true(before.blocks - after.blocks < 100);
	for (int i = 0; i < 100; i++)
		store_poll(w->s, 100);
	heap_stats_get(w->heap, &after);
	assert_true(before.blocks - after.blocks >= 249);
	world_destroy(w);
}

static void test_list__all_elements_go_at_one_go(void **state)
{
	struct world *w = world_create(1);
	struct heap_stats before, after;

	w->limit = 1;
	for (int i = 0; i < 250; i++)
		push(w, "x", 1);
	heap_stats_get(w->heap, &before);
	struct list_ref r = ref(w);
	list_remove(&r, 0, 250);
	heap_stats_get(w->heap, &after);
	assert_true(before.blocks - after.blocks < 100);
	assert_int_equal(list_len(r.o), 0);
	assert_true(store_delete(w->s, 0, r.key));
	model_cut(&w->m, 0, 250);
	world_destroy(w);
}

static int set_up(void **state)
{
	return fixture_eal("test_list", "512");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list__agrees_with_an_array),
		cmocka_unit_test(test_list__agrees_also_while_limits_change),
		cmocka_unit_test(test_list__a_failed_allocation_leaves_the_list),
		cmocka_unit_test(test_list_form__by_entries_up_at_limit_down_at_half),
		cmocka_unit_test(test_list_form__by_bytes),
		cmocka_unit_test(test_list_form__large_elements_are_blobs_of_their_own),
		cmocka_unit_test(test_list__many_nodes_are_freed_in_slices),
		cmocka_unit_test(test_list__all_elements_go_at_one_go),
	};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
