#include "store/events.h"
#include "store/store_priv.h"

bool store_delete(struct store *s, uint32_t db, struct slice key)
{
	uint64_t hash;
	struct object *o = space_find_live(s, db, key, &hash);

	if (o == NULL)
		return false;
	store_touch_for_delete(s, db, key, o);
	space_remove(s, db, o, hash);
	obj_destroy(s, o);
	return true;
}

/* ---- TTL ------------------------------------------------------------------------------------------------------- */

bool store_set_expire(struct store *s, uint32_t db, struct object **o, int64_t at_ms)
{
	struct object *old = *o, *n = old;
	uint64_t hash;

	at_ms = RP_MAX(at_ms, 0);
	store_touch_for_write(s, db, obj_key(old), old);
	if (old->flags & OBJ_F_EXPIRE) {
		space_unlink_expiry(s, db, old);
	} else {
		space_find(s, db, obj_key(old), &hash);
		n = obj_relayout(s, old, true);
		if (n == NULL)
			return false;
		if (n != old) {
			space_replace(s, db, old, n, hash);
			heap_free(s->heap, old);
		}
	}
	space_link_expiry(s, db, n, at_ms);
	*o = n;
	return true;
}

bool store_persist(struct store *s, uint32_t db, struct object **o)
{
	if (!((*o)->flags & OBJ_F_EXPIRE))
		return false;
	store_touch_for_write(s, db, obj_key(*o), *o);
	space_unlink_expiry(s, db, *o);
	/* Smaller than before, so it stays in its block. */
	rp_assert(obj_relayout(s, *o, false) == *o);
	return true;
}

int64_t store_avg_ttl_ms(const struct store *s, uint32_t db)
{
	const struct store_db *d = &s->db[db];

	if (d->expires == 0)
		return 0;
	int64_t left = (int64_t)(d->expire_sum_ms / d->expires) - s->now_ms;
	return RP_MAX(left, 0);
}

/* ---- copies ---------------------------------------------------------------------------------------------------- */

/* What src points at, for another object. false: out of memory. Blobs are shared until one of the two is changed,
 * whatever heap they are from: copying a large value would stall. */
static bool copy_pointee(const struct object *src, struct store *to, struct object *n)
{
	struct obj_pointee p = obj_pointee(src);

	if (p.blob != NULL)
		blob_ref(p.blob);
	if (p.payload == NULL)
		return true;
	p.payload = obj_type_ops(src->type)->clone(to->heap, p.payload);
	if (p.payload == NULL)
		return false;
	memcpy(obj_value(n), &p.payload, sizeof p.payload);
	return true;
}

/* A new object of `to`, in no index yet, with src's value area as it is. */
static struct object *copy_shallow(const struct object *src, struct store *to, struct slice key)
{
	size_t area = obj_value_bytes(src);
	struct object *n = obj_create(to, key, src->flags & OBJ_F_EXPIRE, RP_MAX(area, sizeof(void *)));

	if (n == NULL)
		return NULL;
	n->type = src->type;
	n->enc = src->enc;
	n->flags |= src->flags & (OBJ_F_BLOB | OBJ_F_PAYLOAD);
	to->had_payload |= (src->flags & OBJ_F_PAYLOAD) != 0;
	n->clock = src->clock;
	n->vlen = src->vlen;
	memcpy(obj_value(n), obj_value(src), area);
	return n;
}

static struct object *copy_object(const struct object *src, struct store *to, struct slice key)
{
	struct object *n = copy_shallow(src, to, key);

	if (n != NULL && !copy_pointee(src, to, n)) {
		heap_free(to->heap, n);
		return NULL;
	}
	return n;
}

struct object *store_clone(struct store *from, const struct object *src, struct store *to, uint32_t db,
			   struct slice key)
{
	uint64_t hash;

	struct object *old = space_find_live(to, db, key, &hash), *n = copy_object(src, to, key);
	if (n == NULL)
		return NULL;
	rp_assert(old != src);
	if (!space_put(to, db, old, n, hash, obj_expire_at(src))) {
		obj_destroy(to, n);
		return NULL;
	}
	if (old != NULL) /* Redis deletes it and adds another */
		store_event(to, EVENT_NEW, "new", db, key);
	return n;
}

/* Within a store: the value changes hands. */
static bool move_value(struct store *s, uint32_t from_db, struct object *o, uint64_t from_hash, uint32_t to_db,
		       struct slice to_key)
{
	uint64_t hash;
	struct object *old = space_find_live(s, to_db, to_key, &hash), *n = copy_shallow(o, s, to_key);

	if (n == NULL)
		return false;
	if (!space_put(s, to_db, old, n, hash, obj_expire_at(o))) {
		heap_free(s->heap, n);
		return false;
	}
	if (old != NULL)
		store_event(s, EVENT_NEW, "new", to_db, to_key);
	store_touch_for_write(s, from_db, obj_key(o), o);
	space_remove(s, from_db, o, from_hash);
	heap_free(s->heap, o);
	return true;
}

bool store_move(struct store *from, uint32_t from_db, struct slice from_key, struct store *to, uint32_t to_db,
		struct slice to_key)
{
	uint64_t hash;
	struct object *o = space_find_live(from, from_db, from_key, &hash);

	rp_assert(o != NULL);
	if (from == to)
		return move_value(from, from_db, o, hash, to_db, to_key);
	if (store_clone(from, o, to, to_db, to_key) == NULL)
		return false;
	return store_delete(from, from_db, from_key);
}

/* ---- whole databases --------------------------------------------------------------------------------------------- */

struct flush_walk {
	struct store *s;
	struct store_db *d;
};

static void flush_one(void *ctx, struct object *o)
{
	struct flush_walk *w = ctx;

	index_remove(w->d->ix, o, index_hash(w->d->ix, obj_key(o)));
	snap_drop(w->s, o, w->d->epoch_db);
}

static void flush_in_place(struct store *s, struct store_db *d)
{
	struct flush_walk w = {s, d};
	uint64_t cursor = 0;

	do
		index_walk(d->ix, &cursor, UINT32_MAX, flush_one, &w);
	while (cursor != 0);
}

static uint64_t flush_db(struct store *s, uint32_t db)
{
	struct store_db *d = &s->db[db];
	uint64_t n = index_count(d->ix);

	if (n == 0)
		return 0;
	space_touch_all(s, db);
	watch_touch_flush(s, db);
	space_moved(s);
	wheel_reset(d->wheel);
	fields_reset(s, db);
	s->stats.keys -= n;
	s->stats.expires -= d->expires;
	d->expires = 0;
	d->expire_sum_ms = 0;
	if (index_buckets(d->ix) <= INDEX_SMALL || !index_detach(d->ix, &s->drain, d->epoch_db))
		flush_in_place(s, d);
	else
		s->stats.freeing += n;
	return n;
}

uint64_t store_flush(struct store *s, uint32_t db)
{
	uint64_t n = 0;

	events_flush(s);
	watch_forget_tracked(s);
	if (db != UINT32_MAX)
		return flush_db(s, db);
	for (uint32_t i = 0; i < s->params.databases; i++)
		n += flush_db(s, i);
	return n;
}

void store_swap(struct store *s, uint32_t db_a, uint32_t db_b)
{
	if (db_a == db_b)
		return;
	space_touch_all(s, db_a);
	space_touch_all(s, db_b);
	watch_touch_swap(s, db_a, db_b);
	space_moved(s);
	struct store_db keep = s->db[db_a];
	s->db[db_a] = s->db[db_b];
	s->db[db_b] = keep;
}

uint64_t store_count(const struct store *s, uint32_t db)
{
	return index_count(s->db[db].ix);
}

uint64_t store_expires(const struct store *s, uint32_t db)
{
	return s->db[db].expires;
}

/* ---- looking around ------------------------------------------------------------------------------------------------
 */

struct live_walk {
	const struct store *s;
	index_visit_fn fn;
	void *ctx;
};

static void visit_live(void *ctx, struct object *o)
{
	const struct live_walk *w = ctx;

	if (!obj_expired(w->s, o))
		w->fn(w->ctx, o);
}

uint32_t store_walk(struct store *s, uint32_t db, uint64_t *cursor, uint32_t budget, index_visit_fn fn, void *ctx)
{
	struct live_walk w = {s, fn, ctx};

	return index_walk(s->db[db].ix, cursor, budget, visit_live, &w);
}

/* Expired keys are removed within milliseconds: this many in a row are not met unless there is nothing else. */
#define RANDOM_TRIES 100

struct object *store_random(struct store *s, uint32_t db, struct rng *rng)
{
	for (int i = 0; i < RANDOM_TRIES; i++) {
		struct object *o = index_random(s->db[db].ix, rng_next(rng));
		if (o == NULL || !obj_expired(s, o))
			return o;
	}
	return NULL;
}

size_t store_object_bytes(const struct store *s, const struct object *o, uint32_t samples)
{
	struct obj_pointee p = obj_pointee(o);
	size_t n = heap_usable(s->heap, o) + INDEX_ENTRY_BYTES;

	if (p.blob != NULL)
		n += heap_good_size(sizeof *p.blob + p.blob->cap);
	else if (p.payload != NULL)
		n += obj_type_ops(o->type)->bytes(p.payload, samples);
	return n;
}
