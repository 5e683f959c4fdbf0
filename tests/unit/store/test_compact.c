/* Compact values under random edits: bytes, TTL, clones and memory against a plain copy, with allocations failing. */
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "store/aggregate.h"

#define MAX_BYTES 5000
#define KEYS      8

struct value {
	bool in;
	size_t len;
	uint8_t bytes[MAX_BYTES];
	int64_t at_ms;
};

struct world {
	struct heap *heap;
	struct store *s;
	struct rng rng;
	struct value v[KEYS];
};

static struct slice key_of(uint32_t k)
{
	static const char *const name[KEYS] = {
		"a",       "bb",       "a longer key", "0123456789abcdef",
		"another", "key nr 5", "six",          "the last of the keys of this test"};
	return (struct slice){name[k], strlen(name[k])};
}

static struct world *world_create(uint64_t seed)
{
	struct world *w = calloc(1, sizeof *w);
	struct err e = {0};

	w->heap = fixture_heap(64 << 20);
	struct store_params p = {.databases = 1, .hash_seed = seed, .index_initial = 64, .heap = w->heap};
	w->s = store_create(&p, &e);
	assert_non_null(w->s);
	store_set_now(w->s, 1000000);
	rng_init(&w->rng, seed);
	return w;
}

static void world_destroy(struct world *w)
{
	store_flush(w->s, 0);
	for (int i = 0; i < 100; i++)
		store_poll(w->s, 1000);
	store_destroy(w->s);
	fixture_heap_check(w->heap);
	free(w);
}

static void check(struct world *w, uint32_t k)
{
	struct value *v = &w->v[k];
	struct object *o = store_peek(w->s, 0, key_of(k));

	assert_int_equal(o != NULL, v->in);
	if (o == NULL)
		return;
	struct slice b = obj_compact(o);
	assert_int_equal(b.len, v->len);
	assert_memory_equal(b.ptr, v->bytes, v->len);
	assert_int_equal(obj_expire_at(o), v->at_ms);
	assert_int_equal(o->type, OBJ_HASH);
	if (b.len > OBJ_INLINE_MAX)
		assert_true(o->flags & OBJ_F_BLOB);
}

static void op_add(struct world *w, uint32_t k)
{
	struct value *v = &w->v[k],
		     n = {.in = true, .len = rng_below(&w->rng, rng_below(&w->rng, 2) ? 100 : MAX_BYTES)};
	int64_t at = rng_below(&w->rng, 2) ? STORE_NO_EXPIRE : 5000 + (int64_t)k;

	for (size_t i = 0; i < n.len; i++)
		n.bytes[i] = (uint8_t)rng_next(&w->rng);
	n.at_ms = at == STORE_NO_EXPIRE ? -1 : at;
	struct slice bytes = {(char *)n.bytes, n.len};
	if (store_add_compact(w->s, 0, key_of(k), OBJ_HASH, ENC_LISTPACK, bytes, at) != NULL)
		*v = n;
}

/* One edit on bytes and model; false: out of memory. */
static bool splice(struct world *w, struct compact *c, struct value *v)
{
	size_t off = rng_below(&w->rng, v->len + 1), most = rng_below(&w->rng, 4) ? 40 : 3000;
	size_t del = rng_below(&w->rng, RP_MIN(v->len - off, most) + 1);
	size_t ins = rng_below(&w->rng, rng_below(&w->rng, 4) ? 40 : 2000);

	if (v->len - del + ins > MAX_BYTES)
		ins = 0;
	if (!cbuf_splice(&c->b, off, del, ins))
		return false;
	memmove(v->bytes + off + ins, v->bytes + off + del, v->len - off - del);
	v->len = v->len - del + ins;
	for (size_t i = 0; i < ins; i++)
		c->b.p[off + i] = v->bytes[off + i] = (uint8_t)rng_next(&w->rng);
	return true;
}

static void op_edit(struct world *w, uint32_t k)
{
	struct object *o = store_write(w->s, 0, key_of(k));
	struct compact c;

	if (o == NULL || !compact_begin(&c, w->s, 0, o))
		return;
	for (uint64_t n = 1 + rng_below(&w->rng, 3); n > 0 && splice(w, &c, &w->v[k]); n--)
		;
	o = compact_end(&c);
	assert_ptr_equal(o, store_peek(w->s, 0, key_of(k)));
}

static void op_copy(struct world *w, uint32_t k)
{
	uint32_t to = (k + 1) % KEYS;
	struct object *o = store_peek(w->s, 0, key_of(k));

	if (o != NULL && store_clone(w->s, o, w->s, 0, key_of(to)) != NULL)
		w->v[to] = w->v[k];
}

static void op_move(struct world *w, uint32_t k)
{
	uint32_t to = (k + 3) % KEYS;

	if (!w->v[k].in || !store_move(w->s, 0, key_of(k), w->s, 0, key_of(to)))
		return;
	w->v[to] = w->v[k];
	w->v[k].in = false;
}

static void op_ttl(struct world *w, uint32_t k)
{
	struct object *o = store_write(w->s, 0, key_of(k));

	if (o == NULL)
		return;
	if (rng_below(&w->rng, 2)) {
		store_persist(w->s, 0, &o);
		w->v[k].at_ms = -1;
	} else if (store_set_expire(w->s, 0, &o, 9000)) {
		w->v[k].at_ms = 9000;
	}
}

static void op_form(struct world *w, uint32_t k)
{
	struct object *o = store_write(w->s, 0, key_of(k));
	struct slice bytes = {(char *)w->v[k].bytes, w->v[k].len / 2};

	if (o != NULL && store_to_compact(w->s, 0, &o, ENC_LISTPACK, bytes))
		w->v[k].len = bytes.len;
}

static void op_delete(struct world *w, uint32_t k)
{
	assert_int_equal(store_delete(w->s, 0, key_of(k)), w->v[k].in);
	w->v[k].in = false;
}

static void play(uint64_t seed, bool failing)
{
	static void (*const op[])(struct world *, uint32_t) = {op_add,  op_edit, op_edit, op_edit, op_edit,  op_edit,
							       op_copy, op_move, op_ttl,  op_form, op_delete};
	struct world *w = world_create(seed);

	for (int i = 0; i < 3000; i++) {
		uint32_t k = (uint32_t)rng_below(&w->rng, KEYS);
		if (failing && rng_below(&w->rng, 2))
			heap_fail_after(w->heap, 1 + rng_below(&w->rng, 3));
		op[rng_below(&w->rng, RP_ARRAY_LEN(op))](w, k);
		heap_fail_after(w->heap, 0);
		for (k = 0; k < KEYS; k++)
			check(w, k);
	}
	world_destroy(w);
}

static void test_compact__edits_are_what_was_written(void **state)
{
	for (uint64_t seed = 1; seed <= 20; seed++)
		play(seed, false);
}

static void test_compact__a_failed_allocation_leaves_the_value(void **state)
{
	for (uint64_t seed = 100; seed <= 120; seed++)
		play(seed, true);
}

static void test_compact__shrinks_back_into_the_object(void **state)
{
	struct world *w = world_create(1);
	struct slice bytes = {calloc(1, 4000), 4000};
	struct object *o = store_add_compact(w->s, 0, key_of(0), OBJ_SET, ENC_INTSET, bytes, STORE_NO_EXPIRE);
	struct compact c;

	assert_true(o->flags & OBJ_F_BLOB);
	assert_true(compact_begin(&c, w->s, 0, o));
	cbuf_splice(&c.b, 0, 3900, 0);
	o = compact_end(&c);
	assert_false(o->flags & OBJ_F_BLOB);
	assert_int_equal(obj_compact(o).len, 100);
	assert_true(store_object_bytes(w->s, o, 0) < 250);
	free((void *)bytes.ptr);
	world_destroy(w);
}

static int set_up(void **state)
{
	return fixture_eal("test_compact", "128");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compact__edits_are_what_was_written),
		cmocka_unit_test(test_compact__a_failed_allocation_leaves_the_value),
		cmocka_unit_test(test_compact__shrinks_back_into_the_object),
	};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
