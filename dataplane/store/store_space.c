#include "store/store_priv.h"

static void remember(struct store *s, uint32_t db, struct object *o, uint64_t hash)
{
	s->last = o;
	s->last_hash = hash;
	s->last_db = db;
}

void space_moved(struct store *s)
{
	s->moves++;
	s->last = NULL;
}

struct object *space_find(struct store *s, uint32_t db, struct slice key, uint64_t *hash)
{
	struct index *ix = s->db[db].ix;
	bool hinted = key.ptr != NULL && key.ptr == s->hint.key.ptr && key.len == s->hint.key.len;

	*hash = hinted ? s->hint.hash : index_hash(ix, key);
	gates_find(s, *hash);
	/* The hash goes first: the last object may still be on its way from memory. */
	if (*hash == s->last_hash && s->last != NULL && s->last_db == db && slice_eq(obj_key(s->last), key))
		return s->last;
	if (hinted && s->hint.absent_db == db && s->hint.epoch == store_epoch(s))
		return NULL;
	struct object *o = index_find(ix, key, *hash);
	if (o != NULL)
		remember(s, db, o, *hash);
	return o;
}

struct object *space_find_live(struct store *s, uint32_t db, struct slice key, uint64_t *hash)
{
	struct object *o = space_find(s, db, key, hash);

	if (o != NULL && rp_unlikely(obj_expired(s, o))) {
		if (!s->frozen)
			space_expire(s, db, o, *hash);
		return NULL;
	}
	return o;
}

/* One that a pause has left, though nobody sees it any more. */
static void expire_frozen(struct store *s, uint32_t db, struct slice key)
{
	uint64_t hash;
	struct object *o = space_find(s, db, key, &hash);

	if (o != NULL && obj_expired(s, o))
		space_expire(s, db, o, hash);
}

void space_link_expiry(struct store *s, uint32_t db, struct object *o, int64_t at_ms)
{
	struct store_db *d = &s->db[db];

	obj_expiry(o)->at_ms = at_ms;
	wheel_insert(d->wheel, o);
	d->expires++;
	d->expire_sum_ms += at_ms;
	s->stats.expires++;
}

void space_expiry_gone(struct store *s, uint32_t db, struct object *o)
{
	struct store_db *d = &s->db[db];

	d->expires--;
	d->expire_sum_ms -= obj_expiry(o)->at_ms;
	s->stats.expires--;
}

void space_unlink_expiry(struct store *s, uint32_t db, struct object *o)
{
	if ((o->flags & OBJ_F_EXPIRE) && obj_expiry(o)->pprev != NULL) {
		wheel_remove(s->db[db].wheel, o);
		space_expiry_gone(s, db, o);
	}
}

bool space_index(struct store *s, uint32_t db, struct object *o, uint64_t hash)
{
	/* First: of two with one name nobody could tell which is found. */
	if (rp_unlikely(s->frozen))
		expire_frozen(s, db, obj_key(o));
	if (!index_insert(s->db[db].ix, o, hash))
		return false;
	s->inserts++;
	remember(s, db, o, hash);
	return true;
}

void space_announce(struct store *s, uint32_t db, struct object *o, int64_t at_ms)
{
	struct slice key = obj_key(o);

	store_touch_for_write(s, db, key, NULL);
	o->version = s->version;
	s->stats.keys++;
	if (o->flags & OBJ_F_PAYLOAD)
		store_fields_arm(s, db, o);
	if (at_ms != STORE_NO_EXPIRE)
		space_link_expiry(s, db, o, at_ms);
	store_event(s, EVENT_NEW, "new", db, key);
}

bool space_insert(struct store *s, uint32_t db, struct object *o, uint64_t hash, int64_t at_ms)
{
	if (!space_index(s, db, o, hash))
		return false;
	space_announce(s, db, o, at_ms);
	return true;
}

bool space_put(struct store *s, uint32_t db, struct object *o, struct object *n, uint64_t hash, int64_t at_ms)
{
	if (o == NULL)
		return space_insert(s, db, n, hash, at_ms);
	store_touch_for_delete(s, db, obj_key(o), o);
	n->version = o->version;
	space_unlink_expiry(s, db, o);
	space_replace(s, db, o, n, hash);
	obj_destroy(s, o);
	if (at_ms != STORE_NO_EXPIRE)
		space_link_expiry(s, db, n, at_ms);
	return true;
}

void space_remove(struct store *s, uint32_t db, struct object *o, uint64_t hash)
{
	space_unlink_expiry(s, db, o);
	if (o->flags & OBJ_F_PAYLOAD)
		store_fields_disarm(s, o);
	index_remove(s->db[db].ix, o, hash);
	s->stats.keys--;
	space_moved(s);
}

void space_replace(struct store *s, uint32_t db, struct object *o, struct object *n, uint64_t hash)
{
	index_replace(s->db[db].ix, o, n, hash);
	if (n->flags & OBJ_F_PAYLOAD)
		store_fields_arm(s, db, n);
	if (o->flags & OBJ_F_PAYLOAD)
		store_fields_disarm(s, o);
	space_moved(s);
	remember(s, db, n, hash);
}

void space_relocate(struct store *s, uint32_t db, struct object *o, struct object *n)
{
	uint64_t hash;

	space_find(s, db, obj_key(o), &hash);
	if (o->flags & OBJ_F_EXPIRE)
		wheel_moved(s->db[db].wheel, o, n);
	space_replace(s, db, o, n, hash);
	heap_free(s->heap, o);
}

void space_expire(struct store *s, uint32_t db, struct object *o, uint64_t hash)
{
	struct slice key = obj_key(o);
	bool fields = !(o->flags & OBJ_F_EXPIRE) || obj_expiry(o)->at_ms >= s->now_ms;

	store_touch_for_delete(s, db, key, o);
	space_remove(s, db, o, hash);
	journal_emit(s->params.journal, db, 2, (struct slice[]){SLICE("DEL"), key});
	if (fields) { /* a hash that lost its last field */
		store_event(s, EVENT_HASH, "hexpired", db, key);
		store_event(s, EVENT_GENERIC, "del", db, key);
	} else {
		s->stats.expired++;
		store_event(s, EVENT_EXPIRED, "expired", db, key);
	}
	obj_destroy(s, o);
}

void space_touch_all(struct store *s, uint32_t db)
{
	if (rp_unlikely(s->gates != NULL))
		gates_touch(s, (struct slice){NULL, 0});
	if (s->params.hooks.before_write != NULL)
		s->params.hooks.before_write(s->params.hooks.ctx, s, db, (struct slice){NULL, 0}, NULL);
}
