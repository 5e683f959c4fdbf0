#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "rdb_world.h"
#include "store/hash.h"
#include "store/list.h"
#include "store/set.h"
#include "store/stream.h"
#include "store/zset.h"

struct rdb_world *rdb_world_create(uint64_t seed)
{
	struct rdb_world *w = calloc(1, sizeof *w);
	struct err e = {0};

	w->heap = fixture_heap(64 << 20);
	w->own = fixture_heap(64 << 20);
	struct store_params p = {.databases = 1, .hash_seed = seed, .index_initial = 64, .heap = w->heap};
	w->s = store_create(&p, &e);
	assert_non_null(w->s);
	store_set_now(w->s, 1000000);
	rng_init(&w->rng, seed);
	w->limits = (struct type_limits){.list_max_listpack_size = -2,
					 .hash_max_listpack_entries = 512,
					 .hash_max_listpack_value = 64,
					 .set_max_intset_entries = 512,
					 .set_max_listpack_entries = 128,
					 .set_max_listpack_value = 64,
					 .zset_max_listpack_entries = 128,
					 .zset_max_listpack_value = 64};
	return w;
}

void rdb_world_destroy(struct rdb_world *w)
{
	store_flush(w->s, 0);
	for (int i = 0; i < 100; i++)
		store_poll(w->s, 1000);
	store_destroy(w->s);
	fixture_heap_check(w->heap);
	fixture_heap_check(w->own);
	free(w);
}

enum rdb_loaded rdb_world_load(struct rdb_world *w, struct slice key, const void *p, size_t len, int64_t expire_at_ms,
			       size_t *rest)
{
	uint8_t *copy = malloc(len);
	struct rdb_in in = {.p = copy, .end = copy + len, .heap = w->own};
	struct rdb_target t = {.s = w->s,
			       .key = key,
			       .expire_at_ms = expire_at_ms,
			       .limits = &w->limits,
			       .rng = &w->rng,
			       .deep = true};
	enum rdb_loaded r;

	if (len > 0)
		memcpy(copy, p, len);
	r = rdb_load_value(&in, rdb_get_u8(&in), &t);
	if (rest != NULL)
		*rest = (size_t)(in.end - in.p);
	free(copy);
	store_poll(w->s, 100000); /* what was replaced */
	return r;
}

/* ---- showing ---- */

struct text {
	char *p;
	size_t len;
};

static void put(struct text *t, struct slice s)
{
	size_t n = RP_MIN(s.len, RDB_TEXT - 1 - t->len);

	memcpy(t->p + t->len, s.ptr, n);
	t->len += n;
}

static void put_list(struct text *t, const struct object *o)
{
	char buf[NUM_I64_CHARS];
	struct list_iter it;

	for (list_seek(o, 0, false, &it); !it.end; list_next(&it)) {
		put(t, it.index == 0 ? SLICE(": ") : SLICE(", "));
		put(t, list_get(&it, buf, NULL));
	}
}

static int by_bytes(const void *a, const void *b)
{
	const struct slice *x = a, *y = b;
	int d = memcmp(x->ptr, y->ptr, RP_MIN(x->len, y->len));

	return d != 0 ? d : x->len < y->len ? -1 : x->len > y->len;
}

/* Strings in the order of their bytes; frees them. */
static void put_sorted(struct text *t, struct slice *m, uint64_t n)
{
	qsort(m, n, sizeof *m, by_bytes);
	for (uint64_t i = 0; i < n; i++) {
		put(t, i == 0 ? SLICE(": ") : SLICE(", "));
		put(t, m[i]);
		free((char *)m[i].ptr);
	}
	free(m);
}

static struct slice copy_of(struct slice s, size_t room)
{
	char *p = malloc(s.len + room + 1);

	assert_non_null(p);
	memcpy(p, s.ptr, s.len);
	return (struct slice){p, s.len};
}

static void put_set(struct text *t, const struct object *o)
{
	uint64_t n = set_count(o), i = 0;
	struct slice *all = calloc(n, sizeof *all);
	struct set_iter it;
	struct lp_key m;
	char buf[NUM_I64_CHARS];

	for (set_iter_begin(&it, o); set_iter_next(&it, &m, buf); i++) {
		assert_true(i < n && set_has_text(o, m.s));
		all[i] = copy_of(m.s, 0);
	}
	assert_int_equal(i, n);
	put_sorted(t, all, n);
}

/* "field value", or "field value@time". */
static void put_hash(struct text *t, const struct object *o, int64_t now_ms)
{
	uint64_t n = hash_count(o, now_ms), i = 0;
	struct slice *all = calloc(n, sizeof *all);
	struct hash_iter it;
	struct hash_item item, found;

	for (hash_iter_begin(&it, o, now_ms); hash_iter_next(&it, &item); i++) {
		assert_true(i < n && hash_get(o, item.field, now_ms, &found));
		assert_true(slice_eq(found.value, item.value));
		all[i] = copy_of(item.field, item.value.len + 32);
		char *p = (char *)all[i].ptr + all[i].len;
		*p++ = ' ';
		memcpy(p, item.value.ptr, item.value.len);
		p += item.value.len;
		if (item.at_ms != HASH_NO_TTL)
			p += snprintf(p, 30, "@%ld", item.at_ms);
		all[i].len = (size_t)(p - all[i].ptr);
	}
	assert_int_equal(i, n);
	put_sorted(t, all, n);
}

static void put_zset(struct text *t, const struct object *o)
{
	struct zval v = zval_of(o);
	struct ziter it;
	struct zitem item;
	char score[64];

	ziter_begin(&it, v, 0, UINT64_MAX, false);
	for (uint64_t i = 0; ziter_next(&it, &item); i++) {
		put(t, i == 0 ? SLICE(": ") : SLICE(", "));
		put(t, item.name);
		snprintf(score, sizeof score, " %.17g", item.score);
		put(t, (struct slice){score, strlen(score)});
		double found;
		assert_true(zval_score(v, item.name, &found));
		assert_true(found == item.score);
	}
}

static void put_id(struct text *t, const char *before, struct stream_id id)
{
	char buf[64];

	put(t, (struct slice){buf, (size_t)snprintf(buf, sizeof buf, "%s%lu-%lu", before, (unsigned long)id.ms,
						    (unsigned long)id.seq)});
}

static void put_numbers(struct text *t, const char *fmt, int64_t a, int64_t b)
{
	char buf[100];

	put(t, (struct slice){buf, (size_t)snprintf(buf, sizeof buf, fmt, (long)a, (long)b)});
}

/* " name g last 3-0 read 3 (c seen 5 active 4) [1-0 c at 7 times 2]" */
static void put_group(struct text *t, const struct stream_group *g)
{
	struct btree_pos pos;

	put(t, SLICE(" group "));
	put(t, g->name);
	put_id(t, " last ", g->last_id);
	put_numbers(t, " read %ld", g->entries_read, 0);
	for (pos = btree_first(&g->consumers); pos.leaf != NULL; btree_next(&pos)) {
		const struct stream_consumer *con = stream_consumer_at(pos);
		put(t, SLICE(" ("));
		put(t, con->name);
		put_numbers(t, " seen %ld active %ld)", con->seen_ms, con->active_ms);
	}
	for (pos = btree_first(&g->pel); pos.leaf != NULL; btree_next(&pos)) {
		const struct stream_pending *p = stream_pending_at(pos);
		put_id(t, " [", p->id);
		put(t, SLICE(" "));
		put(t, p->consumer->name);
		put_numbers(t, " at %ld times %ld]", p->at_ms, (int64_t)p->deliveries);
	}
}

static void put_stream(struct text *t, const struct object *o)
{
	const struct stream *s = stream_of(o);
	struct stream_iter it;
	struct stream_entry e;
	struct stream_pair pair;

	put_numbers(t, ": %ld entries of %ld", (int64_t)s->length, (int64_t)s->added);
	put_id(t, " first ", s->first_id);
	put_id(t, " last ", s->last_id);
	put_id(t, " deleted ", s->max_deleted);
	for (stream_iter_begin(&it, s, STREAM_ID_MIN, STREAM_ID_MAX, false); stream_iter_next(&it, &e);) {
		put_id(t, ", ", e.id);
		while (e.pairs > 0) {
			stream_pair_next(&e, &pair);
			put(t, SLICE(" "));
			put(t, pair.name);
			put(t, SLICE("="));
			put(t, pair.value);
		}
	}
	for (struct btree_pos pos = btree_first(&s->groups); pos.leaf != NULL; btree_next(&pos))
		put_group(t, stream_group_at(pos));
}

const char *rdb_world_show(struct rdb_world *w, struct slice key)
{
	return rdb_world_show_in(w, w->s, 0, key);
}

const char *rdb_world_show_in(struct rdb_world *w, struct store *s, uint32_t db, struct slice key)
{
	struct object *o = store_peek(s, db, key);
	struct text t = {w->text, 0};
	char buf[NUM_I64_CHARS];

	if (o == NULL)
		return "none";
	t.len = (size_t)snprintf(w->text, RDB_TEXT, "%s %s", obj_type_name(o->type), obj_enc_name(o->enc));
	if (o->type == OBJ_STRING) {
		put(&t, SLICE(": "));
		put(&t, obj_string(o, buf));
	} else if (o->type == OBJ_LIST) {
		put_list(&t, o);
	} else if (o->type == OBJ_SET) {
		put_set(&t, o);
	} else if (o->type == OBJ_ZSET) {
		put_zset(&t, o);
	} else if (o->type == OBJ_HASH) {
		put_hash(&t, o, store_now_ms(s));
	} else if (o->type == OBJ_STREAM) {
		put_stream(&t, o);
	}
	if (obj_expire_at(o) != -1)
		t.len += (size_t)snprintf(t.p + t.len, RDB_TEXT - t.len, " until %ld", obj_expire_at(o));
	w->text[t.len] = '\0';
	return w->text;
}
