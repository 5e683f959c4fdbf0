/* Snapshots of a shard: random changes while it is walked, and the state of the epoch must come out, each key once. */
#include <stdio.h>
#include <stdlib.h>

#include "rdb_world.h"
#include "store/evict.h"
#include "store/hash.h"
#include "store/list.h"
#include "store/set.h"
#include "store/snap.h"
#include "store/stream.h"
#include "store/zset.h"

#define DATABASES 3
#define KEYS      400 /* names in each database */
#define NOW_MS    1000000
#define BEFORE    ((size_t)256 * 1024)

struct world {
	struct rdb_world *rw; /* makes values and shows them; its own store is not used */
	struct heap *heap, *other_heap;
	struct store *s, *other; /* the one under test; the one that reads the snapshot */
	struct rng rng;
	char *want[DATABASES][KEYS]; /* the epoch; NULL: no such key */
	struct snap *snap;
	struct rdb_out file;
	uint32_t open; /* the stream that must go on, plus 1 */
	uint64_t written;
	int64_t now_us, epoch_us;
};

static struct world w;
static uint32_t edits[OBJ_TYPES]; /* of values in their place, while a snapshot was under way */

static struct slice key_of(uint32_t i, char *buf)
{
	return (struct slice){buf, (size_t)sprintf(buf, "key:%u", i)};
}

static struct store *make_store(struct heap *h, uint64_t seed)
{
	struct store_params p = {.databases = DATABASES, .hash_seed = seed, .index_initial = 8, .heap = h};
	struct store *s = store_create(&p, NULL);

	assert_non_null(s);
	store_set_now(s, NOW_MS * 1000);
	return s;
}

static void world_begin(uint64_t seed)
{
	memset(&w, 0, sizeof w);
	w.rw = rdb_world_create(seed);
	w.heap = fixture_heap(256 << 20);
	w.other_heap = fixture_heap(256 << 20);
	w.s = make_store(w.heap, seed);
	w.other = make_store(w.other_heap, seed + 1);
	w.now_us = NOW_MS * 1000;
	rng_init(&w.rng, seed);
}

static void store_end(struct store *s, struct heap *h)
{
	store_flush(s, UINT32_MAX);
	for (int i = 0; i < 1000; i++)
		store_poll(s, 1000);
	store_destroy(s);
	fixture_heap_check(h);
}

static void world_end(void)
{
	for (uint32_t db = 0; db < DATABASES; db++)
		for (uint32_t i = 0; i < KEYS; i++)
			free(w.want[db][i]);
	store_end(w.s, w.heap);
	store_end(w.other, w.other_heap);
	rdb_world_destroy(w.rw);
}

static uint32_t any(uint32_t n)
{
	return (uint32_t)rng_below(&w.rng, n);
}

/* ---- changes ---- */

static const uint32_t counts[] = {1, 5, 40, 300, 1500};

static void append(struct stream *st, uint32_t i)
{
	char value[16];
	struct stream_id id = st->last_id;
	struct slice words[] = {SLICE("field"), {value, (size_t)sprintf(value, "value %u", i)}, SLICE("x"), SLICE("y")};

	assert_true(stream_id_next(&id));
	id.ms += any(2);
	assert_int_equal(stream_append(st, w.heap, id, 1 + any(2), words, &w.rw->limits), STREAM_ADDED);
}

/* What the group has not been given yet goes to one of its consumers. */
static void deliver(struct stream *st, struct stream_group *g, uint32_t most)
{
	struct slice name = any(2) ? SLICE("c") : SLICE("d");
	struct stream_consumer *con = stream_consumer_find(g, name);
	struct stream_iter it;
	struct stream_entry e;
	struct stream_id from = g->last_id;

	if (con == NULL)
		con = stream_consumer_add(g, w.heap, name, w.now_us / 1000);
	assert_non_null(con);
	stream_id_next(&from);
	for (stream_iter_begin(&it, st, from, STREAM_ID_MAX, false); most-- > 0 && stream_iter_next(&it, &e);) {
		struct stream_pending *p = stream_pending_create(w.heap, e.id);
		p->at_ms = w.now_us / 1000;
		p->deliveries = 1 + any(3);
		assert_true(stream_pending_insert(g, w.heap, p) && stream_pending_give(p, w.heap, con));
		stream_group_advance(st, g, e.id);
	}
	con->seen_ms = con->active_ms = w.now_us / 1000;
}

static void set_stream(uint32_t db, struct slice key, uint32_t n)
{
	struct stream *st = stream_create(w.heap);

	for (uint32_t i = 0; i < n; i++)
		append(st, i);
	deliver(st, stream_group_add(st, w.heap, SLICE("g"), STREAM_ID_MIN, 0), n / 2);
	assert_non_null(store_add_payload(w.s, db, key, ENC_STREAM, &st->p, STORE_NO_EXPIRE));
}

/* A value of any type and size becomes the key's. */
static void set_value(uint32_t db, struct slice key)
{
	static const uint8_t types[] = {RDB_STRING, RDB_LIST, RDB_SET, RDB_HASH, RDB_ZSET_2};
	uint8_t type = types[any(RP_ARRAY_LEN(types))];
	uint32_t n = counts[any(any(4) ? 3 : 5)];
	struct rdb_out out;
	char text[64];

	if (any(8) == 0) {
		set_stream(db, key, n);
		return;
	}
	rdb_out_init(&out, w.rw->own, false);
	if (type == RDB_STRING) {
		static char bytes[70000];
		memset(bytes, (int)any(256), sizeof bytes);
		rdb_put_string(&out, (struct slice){bytes, 1 + any(any(8) ? 100 : sizeof bytes)});
	} else {
		rdb_put_len(&out, n);
	}
	for (uint32_t i = 0; type != RDB_STRING && i < n; i++) {
		size_t len = (size_t)sprintf(text, "member %u of %u padded to be long enough", i, any(9));
		rdb_put_string(&out, (struct slice){text, len});
		if (type == RDB_HASH)
			rdb_put_i64_string(&out, (int64_t)any(1000));
		if (type == RDB_ZSET_2)
			rdb_put_double(&out, any(1000) / 7.0);
	}
	struct rdb_in in = {.p = out.p, .end = out.p + out.len, .heap = w.rw->own};
	struct rdb_target t = {.s = w.s,
			       .db = db,
			       .key = key,
			       .expire_at_ms = any(3) ? STORE_NO_EXPIRE : w.now_us / 1000 + any(5000),
			       .limits = &w.rw->limits,
			       .rng = &w.rng};
	assert_int_equal(rdb_load_value(&in, type, &t), RDB_LOADED);
	rdb_out_fini(&out);
}

/* Elements at both ends and in the middle come, go and change. */
static void edit_list(uint32_t db, struct slice key)
{
	struct list_ref r = {.s = w.s, .db = db, .key = key, .limit = w.rw->limits.list_max_listpack_size};
	struct slice two[] = {SLICE("first new one"), SLICE("8")};
	struct list_iter it;

	r.o = store_write(w.s, db, key);
	switch (any(4)) {
	case 0:
		assert_true(list_push(&r, any(2) ? LIST_HEAD : LIST_TAIL, &(struct list_values){.v = two, .n = 2}));
		break;
	case 1:
		list_seek(r.o, any((uint32_t)list_len(r.o)), false, &it);
		assert_true(list_set(&r, &it, two[any(2)]));
		break;
	case 2:
		list_seek(r.o, any((uint32_t)list_len(r.o)), false, &it);
		assert_true(list_insert(&r, &it, any(2), two[any(2)]));
		break;
	default:
		assert_true(list_prepare(&r));
		list_remove(&r, any((uint32_t)list_len(r.o)), 1);
		if (list_len(r.o) == 0)
			store_delete(w.s, db, key);
	}
}

static void edit_zset(uint32_t db, struct slice key)
{
	struct zkey k;
	struct zitem some[] = {{SLICE("new"), any(1000) / 7.0}, {SLICE("other"), any(1000) / 3.0}}, one;
	struct zadd_out out;
	struct ziter it;
	char name[64];

	zkey_open(&k, w.s, db, key, &w.rw->limits);
	if (any(2)) {
		assert_true(zkey_add(&k, 2, some, 0, &out));
		return;
	}
	ziter_begin(&it, zkey_val(&k), any((uint32_t)zval_count(zkey_val(&k))), 1, false);
	assert_true(ziter_next(&it, &one));
	memcpy(name, one.name.ptr, one.name.len);
	assert_int_equal(zkey_remove(&k, (struct slice){name, one.name.len}), 1);
	zkey_end(&k);
}

/* XADD, XREADGROUP, XACK, XDEL, XTRIM. */
static void edit_stream(uint32_t db, struct slice key)
{
	struct stream *st = stream_of(store_write_quiet(w.s, db, key));
	struct stream_group *g = stream_group_find(st, SLICE("g"));
	struct btree_pos pos = btree_first(&g->pel);
	struct stream_id first = st->first_id;

	switch (any(5)) {
	case 0:
		append(st, any(100));
		break;
	case 1:
		deliver(st, g, any(20));
		break;
	case 2:
		if (pos.leaf != NULL)
			stream_pending_drop(g, w.heap, stream_pending_at(pos));
		break;
	case 3:
		if (stream_delete(st, w.heap, first))
			st->max_deleted = first;
		stream_update_first(st);
		break;
	default:
		stream_trim(st, w.heap, &(struct stream_trim){.max_length = st->length / 2, .approx = any(2)});
	}
	store_changed(w.s, db, key);
}

/* Times of fields, some of which are over before the snapshot is. */
static void edit_hash(uint32_t db, struct slice key, struct object *o)
{
	struct hash_rules hr = {&w.rw->limits, 7, NULL};
	struct slice pair[] = {SLICE("new"), SLICE("value")};
	int64_t soon_ms = w.now_us / 1000 + any(300);
	struct hash_item it;
	struct hash_timing x;
	char name[64];

	if (any(2)) {
		hash_settle(w.s, db, o, 1, pair, 1);
		o = store_peek(w.s, db, key);
		assert_true(hash_set(w.s, db, key, o, 1, pair, any(2) ? HASH_NO_TTL : soon_ms, &hr) >= 0);
		return;
	}
	hash_random(o, w.now_us / 1000, &w.rng, &it);
	memcpy(name, it.field.ptr, it.field.len);
	struct slice field = {name, it.field.len};
	hash_settle(w.s, db, o, 1, &field, 1);
	if (it.at_ms != HASH_NO_TTL && any(3) == 0) { /* HPERSIST */
		hash_timing_persisting(&x, w.s, db, key, o);
		hash_timing_set(&x, field, HASH_NO_TTL);
	} else {
		assert_true(hash_timing_begin(&x, w.s, db, key, o, 1, &field));
		if (any(4) == 0)
			hash_timing_remove(&x, field);
		else
			hash_timing_set(&x, field, soon_ms);
	}
	hash_timing_end(&x);
}

/* The value becomes another in its place. */
static void edit(uint32_t db, struct slice key, struct object *o)
{
	struct set_rules sr = {&w.rw->limits, 7};
	struct slice pair[] = {SLICE("new"), SLICE("value")};

	edits[o->type] += store_snap_active(w.s);
	switch (o->type) {
	case OBJ_SET:
		set_add(w.s, db, key, o, 2, pair, &sr);
		break;
	case OBJ_HASH:
		edit_hash(db, key, o);
		break;
	case OBJ_LIST:
		edit_list(db, key);
		break;
	case OBJ_ZSET:
		edit_zset(db, key);
		break;
	case OBJ_STREAM:
		edit_stream(db, key);
		break;
	default:
		o = store_write(w.s, db, key);
		assert_non_null(store_string_edit(w.s, db, key, &o, obj_string_len(o) + any(100)));
	}
}

static void change_key(uint32_t db, struct slice key)
{
	struct object *o = store_peek(w.s, db, key);
	char buf[32];
	struct slice to = key_of(any(KEYS), buf);
	uint32_t to_db = any(DATABASES);

	switch (any(10)) {
	case 0:
		store_delete(w.s, db, key);
		break;
	case 1:
		if (o != NULL && (to_db != db || !slice_eq(to, key)))
			assert_true(store_move(w.s, db, key, w.s, to_db, to));
		break;
	case 2:
		if (o != NULL && (to_db != db || !slice_eq(to, key)))
			assert_non_null(store_clone(w.s, o, w.s, to_db, to));
		break;
	case 3:
		if (o != NULL && (o = store_write(w.s, db, key)) != NULL)
			assert_true(store_set_expire(w.s, db, &o, w.now_us / 1000 + any(5000)));
		break;
	case 4:
		if (o != NULL && (o = store_write(w.s, db, key)) != NULL)
			store_persist(w.s, db, &o);
		break;
	case 5:
	case 6:
	case 7:
		if (o != NULL)
			edit(db, key, o);
		break;
	default:
		set_value(db, key);
	}
}

static void change(void)
{
	char buf[32];

	switch (any(400)) {
	case 0:
		store_flush(w.s, any(4) ? any(DATABASES) : UINT32_MAX);
		return;
	case 1:
	case 2:
		store_swap(w.s, any(DATABASES), any(DATABASES));
		return;
	default:
		change_key(any(DATABASES), key_of(any(KEYS), buf));
	}
	w.now_us += 300;
	store_set_now(w.s, w.now_us);
	store_poll(w.s, any(64));
	store_evict(w.s, any(50) ? EVICT_NONE : EVICT_ALLKEYS_RANDOM, 5);
}

/* ---- the epoch ---- */

static void remember_epoch(void)
{
	char buf[32];

	for (uint32_t db = 0; db < DATABASES; db++)
		for (uint32_t i = 0; i < KEYS; i++) {
			struct slice key = key_of(i, buf);
			if (store_peek(w.s, db, key) != NULL)
				w.want[db][i] = strdup(rdb_world_show_in(w.rw, w.s, db, key));
		}
}

static void snapshot_begin(void)
{
	struct snap_params p = {.compress = any(2), .before_max_bytes = BEFORE, .walk_max_bytes = 128 * 1024};

	w.snap = snap_create(&p);
	assert_non_null(w.snap);
	w.epoch_us = w.now_us;
	remember_epoch();
	store_snap_begin(w.s, w.snap);
	rdb_out_init(&w.file, w.rw->own, false);
}

/* Takes a chunk, as the control thread does. */
static bool take(void)
{
	uint32_t first = w.open ? w.open - 1 : any(SNAP_STREAMS), tries = w.open ? 1 : SNAP_STREAMS;

	for (uint32_t k = 0; k < tries; k++) {
		enum snap_stream st = (enum snap_stream)((first + k) % SNAP_STREAMS);
		struct snap_chunk *c = snap_take(w.snap, st);
		if (c == NULL)
			continue;
		rdb_put_raw(&w.file, c->data, c->len);
		if (c->blob != NULL)
			rdb_put_string(&w.file, (struct slice){c->blob->data, c->blob->len});
		w.open = c->open ? st + 1u : 0;
		w.written += c->keys;
		snap_chunk_done(w.snap, st, c);
		return true;
	}
	return false;
}

static void snapshot_end(void)
{
	for (int i = 0; !snap_ended(w.snap); i++) {
		assert_true(i < 1000000);
		store_snap_poll(w.s, any(2) ? 0 : UINT64_MAX);
		store_poll(w.s, 100);
		take();
	}
	while (take())
		;
	assert_int_equal(w.open, 0);
	assert_false(store_snap_active(w.s));
}

/* ---- what came out ---- */

static uint32_t number_of(struct slice key)
{
	char text[32];

	assert_true(key.len < sizeof text);
	memcpy(text, key.ptr, key.len);
	text[key.len] = '\0';
	return (uint32_t)atoi(text + 4);
}

/* A file does not say whether a string may be written ("raw"), nor that a hash once had fields with a time. */
static const char *held(const char *shown)
{
	return strncmp(shown, "string", 6) == 0 || strncmp(shown, "hash", 4) == 0 ? strchr(shown, ':') : shown;
}

/* Reads a record's key and value into the other store, and compares; *over counts hashes that were expired already.
 * Returns false at the end. */
static bool check_record(struct rdb_in *in, uint32_t *db, bool seen[DATABASES][KEYS], uint64_t *over)
{
	int64_t at_ms = STORE_NO_EXPIRE;
	uint8_t op;

	if (in->p == in->end)
		return false;
	while ((op = rdb_get_u8(in)) == RDB_OP_SELECTDB || op == RDB_OP_EXPIRETIME_MS) {
		if (op == RDB_OP_SELECTDB)
			*db = (uint32_t)rdb_get_len(in);
		else
			at_ms = rdb_get_i64(in);
	}
	struct rdb_str key;
	assert_true(rdb_get_string(in, &key));
	struct rdb_target t = {
		.s = w.other, .db = *db, .key = key.s, .expire_at_ms = at_ms, .limits = &w.rw->limits, .rng = &w.rng};
	enum rdb_loaded got = rdb_load_value(in, op, &t);
	uint32_t i = number_of(key.s);
	assert_true(*db < DATABASES && i < KEYS);
	assert_false(seen[*db][i]);
	seen[*db][i] = true;
	if (got == RDB_EMPTY && w.want[*db][i] == NULL) { /* all its fields were over */
		(*over)++;
		rdb_str_free(in, &key);
		return true;
	}
	assert_int_equal(got, RDB_LOADED);
	assert_non_null(w.want[*db][i]);
	assert_string_equal(held(rdb_world_show_in(w.rw, w.other, *db, key.s)), held(w.want[*db][i]));
	rdb_str_free(in, &key);
	return true;
}

static void check_file(void)
{
	static bool seen[DATABASES][KEYS];
	struct rdb_in in = {.p = w.file.p, .end = w.file.p + w.file.len, .heap = w.rw->own};
	uint64_t n = 0, want = 0, over = 0;
	uint32_t db = 0;

	memset(seen, 0, sizeof seen);
	assert_false(w.file.failed);
	store_set_now(w.other, w.epoch_us);
	for (; check_record(&in, &db, seen, &over); n++)
		;
	for (db = 0; db < DATABASES; db++)
		for (uint32_t i = 0; i < KEYS; i++)
			want += w.want[db][i] != NULL;
	assert_int_equal(n, want + over);
	assert_int_equal(w.written, n);
	assert_int_equal(snap_stats_get(w.snap)->keys, n);
}

static void snapshot_forget(void)
{
	rdb_out_fini(&w.file);
	snap_destroy(w.snap);
	w.snap = NULL;
	w.written = 0;
	w.open = 0;
	for (uint32_t db = 0; db < DATABASES; db++)
		for (uint32_t i = 0; i < KEYS; i++) {
			free(w.want[db][i]);
			w.want[db][i] = NULL;
		}
	store_flush(w.other, UINT32_MAX);
	while (store_poll(w.other, 10000) > 0)
		;
}

static void fill(uint32_t n)
{
	char buf[32];

	for (uint32_t i = 0; i < n; i++)
		set_value(any(DATABASES), key_of(any(KEYS), buf));
}

/* ---- tests ---- */

static void one_snapshot(uint32_t changes)
{
	snapshot_begin();
	for (uint32_t i = 0; i < changes && !snap_ended(w.snap); i++) {
		change();
		if (any(4) == 0)
			store_snap_poll(w.s, 0);
		if (any(3) == 0)
			take();
	}
	snapshot_end();
	check_file();
	snapshot_forget();
}

static void test_snap__the_epoch_comes_out_whatever_changes(void **state)
{
	for (uint64_t seed = 0; seed < 20; seed++) {
		world_begin(seed);
		fill(any(2) ? 300 : 1500);
		for (int i = 0; i < 3; i++)
			one_snapshot(any(3000));
		world_end();
	}
	for (int type = 0; type < OBJ_TYPES; type++)
		if (edits[type] < 500)
			fail_msg("%s: %u edits", obj_type_name((enum obj_type)type), edits[type]);
}

static void test_snap__an_empty_shard_ends_at_once(void **state)
{
	world_begin(1);
	snapshot_begin();
	store_snap_poll(w.s, 0);
	assert_true(snap_ended(w.snap));
	assert_false(take());
	snapshot_forget();
	world_end();
}

/* After one that was cancelled the next one must not miss a key. */
static void test_snap__after_a_cancelled_one_all_keys_are_due_again(void **state)
{
	for (uint64_t seed = 100; seed < 120; seed++) {
		world_begin(seed);
		fill(1000);
		snapshot_begin();
		for (uint32_t i = 0; i < 300; i++) {
			change();
			store_snap_poll(w.s, 0);
		}
		snap_cancel(w.snap);
		assert_true(store_snap_pressing(w.s));
		for (uint32_t i = 0; i < 100; i++) {
			change();
			store_snap_poll(w.s, 0);
			take();
		}
		while (!snap_ended(w.snap))
			store_snap_poll(w.s, 0);
		w.open = 0;
		while (take())
			w.open = 0;
		snapshot_forget();
		one_snapshot(500);
		world_end();
	}
}

static void test_snap__writers_of_a_large_value_wait_until_it_is_written(void **state)
{
	static char member[32];
	struct slice key = SLICE("key:1"), small = SLICE("key:2");
	struct set_rules rules = {&w.rw->limits, 7};

	world_begin(5);
	rules.limits = &w.rw->limits;
	assert_non_null(store_set_string(w.s, 0, small, SLICE("v"), NULL, STORE_NO_EXPIRE));
	for (int i = 0; i < 5000; i++) {
		struct slice m = {member, (size_t)sprintf(member, "member number %d", i)};
		set_add(w.s, 0, key, store_peek(w.s, 0, key), 1, &m, &rules);
	}
	assert_false(store_snap_must_wait(w.s, 0, key));
	snapshot_begin();
	assert_false(store_snap_pressing(w.s));
	assert_true(store_snap_must_wait(w.s, 0, key));
	assert_true(store_snap_pressing(w.s));
	assert_false(store_snap_must_wait(w.s, 0, small));
	assert_false(store_snap_must_wait(w.s, 1, key));
	uint32_t slices = 0;
	for (; store_snap_must_wait(w.s, 0, key); slices++) {
		assert_true(store_snap_pressing(w.s));
		store_snap_poll(w.s, 0);
		take();
	}
	assert_true(slices > 1000); /* a member each: until_tsc was over */
	assert_int_equal(snap_stats_get(w.snap)->inline_large, 0);
	/* the one that is waited for goes first */
	assert_int_equal(snap_stats_get(w.snap)->keys, 1);
	assert_false(store_snap_pressing(w.s));
	snapshot_end();
	check_file();
	snapshot_forget();
	world_end();
}

static void test_snap__writers_wait_when_too_much_is_under_way(void **state)
{
	char buf[32];

	world_begin(6);
	for (uint32_t i = 0; i < KEYS; i++) {
		static char bytes[8000];
		for (size_t k = 0; k < sizeof bytes; k++)
			bytes[k] = (char)any(256);
		assert_non_null(store_set_string(w.s, 0, key_of(i, buf), (struct slice){bytes, sizeof bytes}, NULL,
						 STORE_NO_EXPIRE));
	}
	snapshot_begin();
	uint32_t n = 0;
	for (; !store_snap_full(w.s); n++) {
		assert_true(n < KEYS);
		store_delete(w.s, 0, key_of(n, buf));
	}
	assert_true(n * 8000 > BEFORE / 2 && n * 8000 < BEFORE * 2);
	while (take())
		;
	assert_false(store_snap_full(w.s));
	snapshot_end();
	check_file();
	snapshot_forget();
	world_end();
}

static void test_snap__without_memory_it_fails_and_the_write_does_not(void **state)
{
	char buf[32];

	for (uint64_t n = 1; n < 12; n++) {
		world_begin(n);
		fill(300);
		snapshot_begin();
		heap_fail_after(w.heap, n);
		for (uint32_t i = 0; i < KEYS; i++)
			store_delete(w.s, any(DATABASES), key_of(i, buf));
		for (int i = 0; i < 100; i++)
			store_snap_poll(w.s, UINT64_MAX);
		heap_fail_after(w.heap, 0);
		while (!snap_ended(w.snap)) {
			store_snap_poll(w.s, UINT64_MAX);
			store_poll(w.s, 1000);
			take();
		}
		while (take())
			;
		if (!snap_failed(w.snap))
			check_file();
		w.open = 0;
		while (take())
			w.open = 0;
		snapshot_forget();
		fill(100);
		one_snapshot(200);
		world_end();
	}
}

static int setup(void **state)
{
	return fixture_eal("test_snap", "16");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_snap__the_epoch_comes_out_whatever_changes),
		cmocka_unit_test(test_snap__an_empty_shard_ends_at_once),
		cmocka_unit_test(test_snap__after_a_cancelled_one_all_keys_are_due_again),
		cmocka_unit_test(test_snap__writers_of_a_large_value_wait_until_it_is_written),
		cmocka_unit_test(test_snap__writers_wait_when_too_much_is_under_way),
		cmocka_unit_test(test_snap__without_memory_it_fails_and_the_write_does_not),
	};

	return cmocka_run_group_tests_name("snap", tests, setup, NULL);
}
