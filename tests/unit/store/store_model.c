#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"
#include "store_model.h"

#define SCRATCH (2u << 20)

static void before_write(void *ctx, struct store *s, uint32_t db, struct slice key, struct object *o)
{
	struct model *m = ctx;

	m->before_write++;
	m->last_write_key = key;
	if (o != NULL)
		assert_true(slice_eq(obj_key(o), key));
	else
		m->created++;
}

static void event(void *ctx, struct store *s, uint32_t cls, const char *name, uint32_t db, struct slice key)
{
	struct model *m = ctx;

	if (cls == EVENT_EXPIRED) {
		assert_string_equal(name, "expired");
		assert_null(store_peek(s, db, key));
		m->expired_events++;
	} else if (cls == EVENT_KEY_MISS) {
		assert_string_equal(name, "keymiss");
		m->misses++;
	} else {
		assert_int_equal(cls, EVENT_NEW);
		assert_non_null(store_peek(s, db, key));
	}
}

static void emit(void *ctx, struct journal_unit *unit, uint32_t db, uint32_t argc, const struct slice *argv)
{
	struct model *m = ctx;

	assert_int_equal(argc, 2);
	assert_true(slice_eq(argv[0], SLICE("DEL")));
	m->journal_dels++;
}

/* Lengths of keys differ: most are short, one needs the long form. */
static void name_keys(struct model *m)
{
	for (int k = 0; k < MODEL_KEYS; k++)
		snprintf(m->key[k], sizeof m->key[k], "%.*s%d", k % 30, "key:with:more:or:less:text:in:it", k);
}

struct slice model_key(struct model *m, uint32_t k)
{
	if (k == 0)
		return (struct slice){m->scratch, 70000};
	return (struct slice){m->key[k], k == 1 ? 0 : strlen(m->key[k])};
}

struct model *model_create(uint64_t seed, uint32_t index_initial)
{
	struct model *m = calloc(1, sizeof *m);
	struct err e;

	rng_init(&m->rng, seed);
	m->heap = fixture_heap(512u << 20);
	m->now_ms = 1700000000000;
	m->journal = (struct journal){.ctx = m, .emit = emit};
	m->scratch = malloc(SCRATCH);
	for (uint32_t i = 0; i < SCRATCH; i++)
		m->scratch[i] = (char)rng_next(&m->rng);
	name_keys(m);
	m->s = store_create(&(struct store_params){.databases = MODEL_DBS,
						   .hash_seed = seed,
						   .index_initial = index_initial,
						   .heap = m->heap,
						   .hooks = {m, before_write, event},
						   .journal = &m->journal},
			    &e);
	assert_non_null(m->s);
	store_set_now(m->s, m->now_ms * 1000);
	return m;
}

void model_destroy(struct model *m)
{
	store_flush(m->s, UINT32_MAX);
	while (store_poll(m->s, 1000) > 0)
		;
	assert_int_equal(store_stats_get(m->s)->keys, 0);
	assert_int_equal(store_stats_get(m->s)->expires, 0);
	store_destroy(m->s);
	fixture_heap_check(m->heap);
	for (uint32_t db = 0; db < MODEL_DBS; db++) {
		for (uint32_t k = 0; k < MODEL_KEYS; k++)
			free(m->e[db][k].value);
	}
	free(m->scratch);
	free(m);
}

void model_unset(struct model_entry *e)
{
	free(e->value);
	*e = (struct model_entry){0};
}

struct model_entry *model_entry(struct model *m, uint32_t db, uint32_t k)
{
	struct model_entry *e = &m->e[db][k];

	if (e->in && e->at_ms != MODEL_NO_TTL && e->at_ms < m->now_ms) {
		model_unset(e);
		m->expired++;
	}
	return e;
}

void model_set(struct model *m, uint32_t db, uint32_t k, const char *v, size_t len, int64_t at_ms)
{
	struct model_entry *e = &m->e[db][k];
	char *copy = malloc(len + 1);

	if (len > 0)
		memcpy(copy, v, len);
	free(e->value);
	e->in = true;
	e->value = copy;
	e->len = len;
	e->at_ms = at_ms;
}

static void check_object(const struct model_entry *e, const struct object *o)
{
	char buf[NUM_I64_CHARS];

	assert_int_equal(o->type, OBJ_STRING);
	assert_int_equal(obj_string_len(o), e->len);
	assert_true(slice_eq(obj_string(o, buf), (struct slice){e->value, e->len}));
	assert_int_equal(obj_expire_at(o), e->at_ms);
}

void model_check(struct model *m, uint32_t db, uint32_t k)
{
	struct model_entry *e = model_entry(m, db, k);
	struct object *o = store_peek(m->s, db, model_key(m, k));

	assert_int_equal(o != NULL, e->in);
	if (o != NULL) {
		assert_true(slice_eq(obj_key(o), model_key(m, k)));
		check_object(e, o);
		assert_true(store_object_bytes(m->s, o, 0) >= e->len);
	}
}

static void see(void *ctx, struct object *o)
{
	++*(uint32_t *)ctx;
}

static void check_db(struct model *m, uint32_t db)
{
	uint32_t in = 0, ttl = 0, walked = 0;
	__int128 left = 0;
	uint64_t cursor = 0;

	for (uint32_t k = 0; k < MODEL_KEYS; k++) {
		model_check(m, db, k);
		const struct model_entry *e = &m->e[db][k];
		in += e->in;
		ttl += e->in && e->at_ms != MODEL_NO_TTL;
		left += e->in && e->at_ms != MODEL_NO_TTL ? e->at_ms - m->now_ms : 0;
	}
	assert_int_equal(store_count(m->s, db), in);
	assert_int_equal(store_expires(m->s, db), ttl);
	int64_t avg = ttl == 0 ? 0 : (int64_t)(left / ttl);
	assert_in_range(store_avg_ttl_ms(m->s, db) + 1, avg, avg + 2);
	do
		store_walk(m->s, db, &cursor, 16, see, &walked);
	while (cursor != 0);
	assert_true(walked >= in);
	assert_int_equal(store_random(m->s, db, &m->rng) != NULL, in > 0);
}

void model_check_all(struct model *m)
{
	uint64_t keys = 0, expires = 0;

	while (store_poll(m->s, 100) > 0)
		;
	for (uint32_t db = 0; db < MODEL_DBS; db++) {
		check_db(m, db);
		keys += store_count(m->s, db);
		expires += store_expires(m->s, db);
	}
	const struct store_stats *st = store_stats_get(m->s);
	assert_int_equal(st->keys, keys);
	assert_int_equal(st->expires, expires);
	assert_int_equal(st->expired, m->expired);
	assert_int_equal(m->expired_events, m->expired);
	assert_int_equal(m->journal_dels, m->expired);
	assert_int_equal(m->misses, st->misses);
}

void model_advance(struct model *m, int64_t by_ms)
{
	m->now_ms += by_ms;
	store_set_now(m->s, m->now_ms * 1000);
	for (uint32_t db = 0; db < MODEL_DBS; db++) {
		for (uint32_t k = 0; k < MODEL_KEYS; k++)
			model_entry(m, db, k);
	}
}
