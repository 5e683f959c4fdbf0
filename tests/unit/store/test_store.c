/* The store against a table, over random operations, with and without hints, and with every allocation failing. */
#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"
#include "store_model.h"

static const size_t lengths[] = {0, 1, 8, 20, 21, 44, 45, 100, 500, 1023, 1024, 1025, 3000, 20000};

static size_t random_len(struct model *m)
{
	if (rng_below(&m->rng, 500) == 0)
		return 1u << 20;
	return lengths[rng_below(&m->rng, RP_ARRAY_LEN(lengths))];
}

static int64_t random_ttl(struct model *m)
{
	return rng_below(&m->rng, 2) == 0 ? MODEL_NO_TTL : m->now_ms + 1 + (int64_t)rng_below(&m->rng, 2000);
}

/* The version must differ after each mutation: WATCH compares it. */
static void changed(struct model *m, uint32_t db, uint32_t k)
{
	struct object *o = store_peek(m->s, db, model_key(m, k));

	if (o == NULL)
		return;
	assert_int_not_equal(o->version, m->e[db][k].version);
	m->e[db][k].version = o->version;
}

static void op_set(struct model *m, uint32_t db, uint32_t k)
{
	struct model_entry *e = model_entry(m, db, k);
	struct slice v = {m->scratch + rng_below(&m->rng, 1000), random_len(m)};
	char number[NUM_I64_CHARS];
	int64_t at = random_ttl(m), model_at = at;
	struct blob *b = NULL;

	if (rng_below(&m->rng, 3) == 0)
		v = (struct slice){number, num_format_i64(number, (int64_t)rng_next(&m->rng))};
	if (rng_below(&m->rng, 4) == 0) {
		at = STORE_KEEP_TTL;
		model_at = e->in ? e->at_ms : MODEL_NO_TTL;
	}
	if (rng_below(&m->rng, 2) == 0) {
		b = blob_create(m->heap, v.len);
		memcpy(b->data, v.ptr, v.len);
		b->len = v.len;
		v.ptr = b->data;
	}
	struct slice copy = v;
	model_set(m, db, k, copy.ptr, copy.len, model_at);
	struct object *o = store_set_string(m->s, db, model_key(m, k), v, b, at);
	assert_non_null(o);
	assert_ptr_equal(store_peek(m->s, db, model_key(m, k)), o);
	assert_int_equal(!!(o->flags & OBJ_F_BLOB), v.len > OBJ_INLINE_MAX);
}

static void op_set_int(struct model *m, uint32_t db, uint32_t k)
{
	struct model_entry *e = model_entry(m, db, k);
	struct object *o = store_write(m->s, db, model_key(m, k));
	char number[NUM_I64_CHARS];
	int64_t v = (int64_t)rng_next(&m->rng);

	assert_int_equal(o != NULL, e->in);
	o = store_set_int(m->s, db, model_key(m, k), o, v);
	assert_int_equal(o->enc, ENC_INT);
	model_set(m, db, k, number, num_format_i64(number, v), e->in ? e->at_ms : MODEL_NO_TTL);
}

static void op_edit(struct model *m, uint32_t db, uint32_t k)
{
	struct model_entry *e = model_entry(m, db, k);
	struct object *o = store_write(m->s, db, model_key(m, k));
	size_t len = rng_below(&m->rng, 2) == 0 ? random_len(m) : e->len + rng_below(&m->rng, 100);
	char *copy = calloc(1, len + 1);

	char *p = store_string_edit(m->s, db, model_key(m, k), &o, len);
	assert_non_null(p);
	assert_ptr_equal(store_peek(m->s, db, model_key(m, k)), o);
	assert_int_equal(o->enc, ENC_RAW);
	if (e->in)
		memcpy(copy, e->value, RP_MIN(len, e->len));
	if (len > 0)
		p[len - 1] = copy[len - 1] = 'e';
	model_set(m, db, k, copy, len, e->in ? e->at_ms : MODEL_NO_TTL);
	free(copy);
}

static void op_delete(struct model *m, uint32_t db, uint32_t k)
{
	struct model_entry *e = model_entry(m, db, k);

	assert_int_equal(store_delete(m->s, db, model_key(m, k)), e->in);
	model_unset(e);
}

static void op_expire(struct model *m, uint32_t db, uint32_t k)
{
	struct model_entry *e = model_entry(m, db, k);
	struct object *o = store_peek(m->s, db, model_key(m, k));

	if (o == NULL)
		return;
	int64_t at = m->now_ms - 100 + (int64_t)rng_below(&m->rng, 3000);
	assert_true(store_set_expire(m->s, db, &o, at));
	e->at_ms = at;
	if (at > m->now_ms)
		assert_ptr_equal(store_peek(m->s, db, model_key(m, k)), o);
}

static void op_persist(struct model *m, uint32_t db, uint32_t k)
{
	struct model_entry *e = model_entry(m, db, k);
	struct object *o = store_peek(m->s, db, model_key(m, k));

	if (o == NULL)
		return;
	assert_int_equal(store_persist(m->s, db, &o), e->at_ms != MODEL_NO_TTL);
	if (e->at_ms == MODEL_NO_TTL)
		e->version = 0; /* nothing changed, and that is right */
	e->at_ms = MODEL_NO_TTL;
}

static void op_rename(struct model *m, uint32_t db, uint32_t k)
{
	uint32_t to_db = (uint32_t)rng_below(&m->rng, MODEL_DBS), to = (uint32_t)rng_below(&m->rng, MODEL_KEYS);
	struct model_entry *e = model_entry(m, db, k);

	e->version = 0; /* unless deleted it is only read */
	if (!e->in || (to_db == db && to == k))
		return;
	store_delete(m->s, to_db, model_key(m, to));
	model_entry(m, to_db, to); /* counts it if it had expired */
	struct object *o = store_peek(m->s, db, model_key(m, k));
	assert_non_null(store_clone(m->s, o, m->s, to_db, model_key(m, to)));
	model_set(m, to_db, to, e->value, e->len, e->at_ms);
	model_check(m, to_db, to);
	changed(m, to_db, to);
	if (rng_below(&m->rng, 2) == 0)
		op_delete(m, db, k);
}

static void op_read(struct model *m, uint32_t db, uint32_t k)
{
	struct model_entry *e = model_entry(m, db, k);
	uint64_t hits = store_stats_get(m->s)->hits;

	assert_int_equal(store_read(m->s, db, model_key(m, k)) != NULL, e->in);
	assert_int_equal(store_stats_get(m->s)->hits - hits, e->in);
	e->version = 0;
}

typedef void (*op_fn)(struct model *m, uint32_t db, uint32_t k);
static const op_fn ops[] = {op_set,    op_set,  op_set,    op_set_int, op_edit,   op_edit,
			    op_delete, op_read, op_expire, op_persist, op_rename, op_read};

static void swap_or_flush(struct model *m)
{
	uint32_t a = (uint32_t)rng_below(&m->rng, MODEL_DBS), b = (uint32_t)rng_below(&m->rng, MODEL_DBS);

	if (rng_below(&m->rng, 2) == 0) {
		struct model_entry keep[MODEL_KEYS];
		memcpy(keep, m->e[a], sizeof keep);
		memmove(m->e[a], m->e[b], sizeof keep);
		memcpy(m->e[b], keep, sizeof keep);
		store_swap(m->s, a, b);
		return;
	}
	while (store_poll(m->s, 1000) > 0)
		;
	uint64_t in = store_count(m->s, a);
	assert_int_equal(store_flush(m->s, a), in);
	assert_int_equal(store_count(m->s, a), 0);
	for (uint32_t k = 0; k < MODEL_KEYS; k++)
		model_unset(&m->e[a][k]);
}

/* A batch as a worker runs one: look all keys up, then execute, with hints for most; some commands run in another
 * database than was thought. */
static void run_batch(struct model *m, uint32_t n)
{
	uint32_t db[RP_MAX_BURST] = {0}, k[RP_MAX_BURST];
	struct slice key[RP_MAX_BURST] = {0};
	uint64_t hash[RP_MAX_BURST];
	struct object *hint[RP_MAX_BURST];

	for (uint32_t i = 0; i < n; i++) {
		db[i] = (uint32_t)rng_below(&m->rng, MODEL_DBS);
		k[i] = (uint32_t)rng_below(&m->rng, MODEL_KEYS);
		key[i] = model_key(m, k[i]);
	}
	store_prefetch(m->s, n, db, key, hash, hint);
	uint64_t epoch = store_epoch(m->s);
	for (uint32_t i = 0; i < n; i++) {
		if (m->hints && rng_below(&m->rng, 8) != 0)
			store_hint(m->s, key[i], hash[i], hint[i], epoch);
		if (rng_below(&m->rng, 10) == 0)
			db[i] = (uint32_t)rng_below(&m->rng, MODEL_DBS);
		ops[rng_below(&m->rng, RP_ARRAY_LEN(ops))](m, db[i], k[i]);
		model_check(m, db[i], k[i]);
		changed(m, db[i], k[i]);
	}
}

static void run_model(uint64_t seed, bool hints)
{
	struct model *m = model_create(seed, 64);

	m->hints = hints;
	for (uint32_t i = 0; i < 400; i++) {
		run_batch(m, 1 + (uint32_t)rng_below(&m->rng, RP_MAX_BURST));
		if (rng_below(&m->rng, 3) == 0)
			store_poll(m->s, (uint32_t)rng_below(&m->rng, 50));
		model_advance(m, (int64_t)rng_below(&m->rng, 30));
		if (rng_below(&m->rng, 50) == 0)
			swap_or_flush(m);
		if (i % 20 == 0)
			model_check_all(m);
	}
	model_check_all(m);
	model_destroy(m);
}

static void test_store__agrees_with_model(void **state)
{
	for (uint64_t seed = 1; seed <= 4; seed++)
		run_model(seed, false);
}

static void test_store_hint__never_changes_a_result(void **state)
{
	for (uint64_t seed = 11; seed <= 16; seed++)
		run_model(seed, true);
}

static void test_store_hint__of_another_database_is_not_believed(void **state)
{
	struct model *m = model_create(1, 64);
	struct slice key = model_key(m, 5);
	uint32_t db = 0;
	uint64_t hash;
	struct object *hint;

	store_set_string(m->s, 0, key, SLICE("here"), NULL, STORE_NO_EXPIRE);
	store_prefetch(m->s, 1, &db, &key, &hash, &hint);
	store_hint(m->s, key, hash, hint, store_epoch(m->s));
	assert_null(store_read(m->s, 1, key));
	db = 1;
	store_prefetch(m->s, 1, &db, &key, &hash, &hint);
	store_hint(m->s, key, hash, hint, store_epoch(m->s));
	assert_null(store_read(m->s, 1, key));
	assert_non_null(store_read(m->s, 0, key));
	model_destroy(m);
}

/* ---- single promises ----------------------------------------------------------------------------------------- */

static void test_store__set_in_place_keeps_the_object(void **state)
{
	struct model *m = model_create(2, 64);
	struct slice key = SLICE("k");
	struct object *a = store_set_string(m->s, 0, key, SLICE("0123456789012345678901234567890x"), NULL, -1);
	uint64_t epoch = store_epoch(m->s);
	uint32_t version = a->version;

	struct object *b = store_set_string(m->s, 0, key, SLICE("9876543210987654321098765432109y"), NULL, -1);
	assert_ptr_equal(a, b);
	assert_int_equal(store_epoch(m->s), epoch);
	assert_int_not_equal(b->version, version);
	assert_ptr_equal(store_set_string(m->s, 0, key, SLICE("12"), NULL, -1), a);
	assert_int_equal(a->enc, ENC_INT);
	model_destroy(m);
}

static void test_store__encodings_as_redis_says(void **state)
{
	struct model *m = model_create(3, 64);
	struct slice key = SLICE("k"), v = {m->scratch, 44};
	struct object *o = store_set_string(m->s, 0, key, v, NULL, -1);

	assert_string_equal(obj_enc_name(o->enc), "embstr");
	v.len = 45;
	assert_string_equal(obj_enc_name(store_set_string(m->s, 0, key, v, NULL, -1)->enc), "raw");
	v = SLICE("-9223372036854775808");
	o = store_set_string(m->s, 0, key, v, NULL, -1);
	assert_string_equal(obj_enc_name(o->enc), "int");
	assert_int_equal(obj_string_len(o), 20);
	v = SLICE("007");
	assert_string_equal(obj_enc_name(store_set_string(m->s, 0, key, v, NULL, -1)->enc), "embstr");
	assert_string_equal(obj_type_name(o->type), "string");
	model_destroy(m);
}

static void test_store__expired_goes_within_polls_and_says_so(void **state)
{
	struct model *m = model_create(4, 64);

	for (uint32_t k = 2; k < MODEL_KEYS; k++) {
		store_set_string(m->s, 0, model_key(m, k), SLICE("v"), NULL, m->now_ms + k);
		model_set(m, 0, k, "v", 1, m->now_ms + k);
	}
	assert_int_equal(store_avg_ttl_ms(m->s, 0), (2 + MODEL_KEYS - 1) / 2);
	while (m->expired < MODEL_KEYS - 2) {
		model_advance(m, 1);
		model_check_all(m);
	}
	assert_int_equal(store_count(m->s, 0), 0);
	model_destroy(m);
}

static void test_store_delete__of_an_expired_key_is_false(void **state)
{
	struct model *m = model_create(5, 64);

	store_set_string(m->s, 0, SLICE("k"), SLICE("v"), NULL, m->now_ms + 5);
	model_advance(m, 6);
	assert_false(store_delete(m->s, 0, SLICE("k")));
	assert_int_equal(m->expired_events, 1);
	assert_int_equal(m->journal_dels, 1);
	assert_int_equal(store_count(m->s, 0), 0);
	model_destroy(m);
}

static void put_one(struct model *m, bool several)
{
	struct store_put put[1];
	struct store_puts t = {.put = put};

	if (!several) {
		assert_non_null(store_set_string(m->s, 0, SLICE("k"), SLICE("w"), NULL, STORE_NO_EXPIRE));
		return;
	}
	assert_true(store_puts_add(&t, m->s, SLICE("k"), SLICE("w"), NULL));
	store_puts_commit(&t, 0);
}

static void test_store__what_a_pause_has_left_goes_before_its_key_is_written(void **state)
{
	for (int several = 0; several < 2; several++) {
		struct model *m = model_create(7, 64);
		store_set_string(m->s, 0, SLICE("k"), SLICE("v"), NULL, m->now_ms + 5);
		store_freeze(m->s, true);
		model_advance(m, 6);
		assert_int_equal(m->journal_dels, 0);
		put_one(m, several);
		assert_int_equal(store_count(m->s, 0), 1);
		assert_int_equal(store_expires(m->s, 0), 0);
		assert_int_equal(m->journal_dels, 1);
		store_freeze(m->s, false);
		model_advance(m, 100);
		assert_non_null(store_peek(m->s, 0, SLICE("k")));
		assert_int_equal(m->journal_dels, 1);
		model_destroy(m);
	}
}

static void test_store_edit__copies_a_blob_that_a_reply_holds(void **state)
{
	struct model *m = model_create(6, 64);
	struct object *o = store_set_string(m->s, 0, SLICE("k"), (struct slice){m->scratch, 5000}, NULL, -1);
	struct blob *held = blob_ref(obj_blob(o));

	o = store_write(m->s, 0, SLICE("k"));
	char *p = store_string_edit(m->s, 0, SLICE("k"), &o, 5000);
	memset(p, 0, 5000);
	assert_memory_equal(held->data, m->scratch, 5000);
	blob_unref(held, m->heap);
	/* Appending byte by byte must not copy each time. */
	uint32_t moves = 0;
	for (size_t len = 5001; len < 9000; len++) {
		struct blob *was = obj_blob(o);
		store_string_edit(m->s, 0, SLICE("k"), &o, len);
		moves += obj_blob(o) != was;
	}
	assert_true(moves <= 2);
	model_destroy(m);
}

static void test_store_flush__large_database_twice_in_a_row(void **state)
{
	struct model *m = model_create(7, 64);
	char name[32];

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 20000; i++) {
			struct slice key = {name, (size_t)snprintf(name, sizeof name, "k%d", i)};
			int64_t at = i % 3 == 0 ? m->now_ms + 1 + i : -1;
			assert_non_null(store_set_string(m->s, 0, key, SLICE("some value"), NULL, at));
		}
		assert_int_equal(store_flush(m->s, 0), 20000);
		assert_int_equal(store_count(m->s, 0), 0);
		assert_int_equal(store_expires(m->s, 0), 0);
		assert_null(store_read(m->s, 0, SLICE("k0")));
		/* One poll frees no more than it was told to. */
		struct heap_stats a, b;
		heap_stats_get(m->heap, &a);
		store_poll(m->s, 10);
		heap_stats_get(m->heap, &b);
		assert_true(a.blocks - b.blocks <= 10);
		store_set_string(m->s, 0, SLICE("k0"), SLICE("v"), NULL, -1);
		assert_int_equal(store_flush(m->s, 0), 1);
	}
	model_advance(m, 100000);
	while (store_poll(m->s, 1000) > 0)
		;
	assert_int_equal(m->expired_events, 0);
	model_destroy(m);
}

static void test_store_clone__between_shards(void **state)
{
	struct model *a = model_create(8, 64);
	struct heap *h = fixture_heap(64u << 20);
	struct err e;
	struct store *b = store_create(
		&(struct store_params){.shard = 1, .databases = 1, .hash_seed = 9, .index_initial = 64, .heap = h}, &e);
	struct slice big = {a->scratch, 5000};

	store_set_now(b, a->now_ms * 1000);
	struct object *o = store_set_string(a->s, 0, SLICE("k"), big, NULL, a->now_ms + 50);
	struct object *c = store_clone(a->s, o, b, 0, SLICE("other"));
	/* A large value is shared, whatever heap it is from: copying it would stall. */
	assert_ptr_equal(obj_blob(c), obj_blob(o));
	c = store_read(b, 0, SLICE("other"));
	assert_int_equal(obj_string_len(c), 5000);
	assert_int_equal(store_expires(b, 0), 1);
	/* Whoever changes it first gets bytes of its own. */
	assert_non_null(store_string_edit(b, 0, SLICE("other"), &c, 6000));
	assert_ptr_equal(obj_blob(c)->heap, h);
	assert_int_equal(obj_string_len(store_read(a->s, 0, SLICE("k"))), 5000);
	store_flush(b, UINT32_MAX);
	while (store_poll(b, 1000) > 0)
		;
	store_destroy(b);
	fixture_heap_check(h);
	model_destroy(a);
}

static void test_store_clock__lru_and_lfu(void **state)
{
	struct model *m = model_create(9, 64);
	struct object *o = store_set_string(m->s, 0, SLICE("k"), SLICE("v"), NULL, -1);

	model_advance(m, 10000);
	assert_int_equal(obj_idle_s(m->s, o), 10);
	store_peek(m->s, 0, SLICE("k"));
	assert_int_equal(obj_idle_s(m->s, o), 10);
	store_read(m->s, 0, SLICE("k"));
	assert_int_equal(obj_idle_s(m->s, o), 0);

	store_set_clock(m->s, true, 10, 1);
	o = store_set_string(m->s, 1, SLICE("k"), SLICE("v"), NULL, -1);
	assert_int_equal(obj_lfu_freq(m->s, o), 5);
	for (int i = 0; i < 1000; i++)
		store_read(m->s, 1, SLICE("k"));
	/* Redis documents about 18 for factor 10 after 1000 hits. */
	assert_in_range(obj_lfu_freq(m->s, o), 10, 30);
	uint8_t was = obj_lfu_freq(m->s, o);
	model_advance(m, 3 * 60000);
	assert_int_equal(obj_lfu_freq(m->s, o), was - 3);
	model_destroy(m);
}

/* ---- allocation failure -------------------------------------------------------------------------------------- */

/* Each returns whether it worked; k has `len` bytes before. */
static bool try_set(struct model *m, uint32_t k)
{
	return store_set_string(m->s, 0, model_key(m, k), (struct slice){m->scratch, 3000}, NULL, m->now_ms + 9);
}

static bool try_set_short(struct model *m, uint32_t k)
{
	return store_set_string(m->s, 0, model_key(m, k), (struct slice){m->scratch, 600}, NULL, -1);
}

static bool try_edit(struct model *m, uint32_t k)
{
	struct object *o = store_write(m->s, 0, model_key(m, k));

	return store_string_edit(m->s, 0, model_key(m, k), &o, 100000) != NULL;
}

static bool try_edit_short(struct model *m, uint32_t k)
{
	struct object *o = store_write(m->s, 0, model_key(m, k));

	return store_string_edit(m->s, 0, model_key(m, k), &o, 900) != NULL;
}

static bool try_expire(struct model *m, uint32_t k)
{
	struct object *o = store_peek(m->s, 0, model_key(m, k));

	return o == NULL || store_set_expire(m->s, 0, &o, m->now_ms + 10);
}

static bool try_clone(struct model *m, uint32_t k)
{
	struct object *o = store_peek(m->s, 0, model_key(m, k));

	return o == NULL || store_clone(m->s, o, m->s, 1, SLICE("copy")) != NULL;
}

static bool try_set_int(struct model *m, uint32_t k)
{
	return store_set_int(m->s, 0, model_key(m, k), store_write(m->s, 0, model_key(m, k)), 77) != NULL;
}

static void sweep(bool (*op)(struct model *m, uint32_t k), size_t len)
{
	struct model *m = model_create(10, 64);
	uint32_t failures = 0;

	for (uint64_t n = 1;; n++) {
		store_flush(m->s, UINT32_MAX);
		model_unset(&m->e[0][7]);
		if (len != SIZE_MAX) {
			model_set(m, 0, 7, m->scratch + 5, len, MODEL_NO_TTL);
			store_set_string(m->s, 0, model_key(m, 7), (struct slice){m->scratch + 5, len}, NULL, -1);
		}
		heap_fail_after(m->heap, n);
		bool ok = op(m, 7);
		heap_fail_after(m->heap, 0);
		if (ok)
			break;
		failures++;
		model_check(m, 0, 7);
		assert_int_equal(store_count(m->s, 0), len != SIZE_MAX);
		assert_int_equal(store_expires(m->s, 0), 0);
		assert_int_equal(store_count(m->s, 1), 0);
	}
	assert_true(failures < 10);
	model_destroy(m);
}

static void test_store__out_of_memory_changes_nothing(void **state)
{
	static bool (*const op[])(struct model * m, uint32_t k) = {
		try_set, try_set_short, try_edit, try_edit_short, try_expire, try_clone, try_set_int};
	static const size_t before[] = {SIZE_MAX, 0, 1, 8, 24, 200, 1024, 1025, 5000};

	for (size_t i = 0; i < RP_ARRAY_LEN(op); i++) {
		for (size_t j = 0; j < RP_ARRAY_LEN(before); j++)
			sweep(op[i], before[j]);
	}
}

static int setup(void **state)
{
	return fixture_eal("rp_test_store", "256");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_store__agrees_with_model),
		cmocka_unit_test(test_store_hint__never_changes_a_result),
		cmocka_unit_test(test_store_hint__of_another_database_is_not_believed),
		cmocka_unit_test(test_store__set_in_place_keeps_the_object),
		cmocka_unit_test(test_store__encodings_as_redis_says),
		cmocka_unit_test(test_store__expired_goes_within_polls_and_says_so),
		cmocka_unit_test(test_store_delete__of_an_expired_key_is_false),
		cmocka_unit_test(test_store__what_a_pause_has_left_goes_before_its_key_is_written),
		cmocka_unit_test(test_store_edit__copies_a_blob_that_a_reply_holds),
		cmocka_unit_test(test_store_flush__large_database_twice_in_a_row),
		cmocka_unit_test(test_store_clone__between_shards),
		cmocka_unit_test(test_store_clock__lru_and_lfu),
		cmocka_unit_test(test_store__out_of_memory_changes_nothing),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
