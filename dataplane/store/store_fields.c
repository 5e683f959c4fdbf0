/* Timers of hashes whose fields expire. A timer stays with its payload wherever that goes: from key to key, from
 * database to database; its owner is the object that has the payload now. */
#include "store/hash_priv.h"
#include "store/store_priv.h"

static void disarm(struct store *s, struct hash_timer *t)
{
	if (t->in != NULL) {
		wheel_remove(t->in, &t->as);
		s->timers--;
		t->in = NULL;
	}
}

static void arm(struct store *s, uint32_t db, struct hash_timer *t, int64_t at_ms)
{
	struct wheel *w = s->db[db].fields;

	if (t->in == w && t->due.at_ms == at_ms)
		return;
	disarm(s, t);
	t->due.at_ms = at_ms;
	if (at_ms == INT64_MAX)
		return;
	wheel_insert(w, &t->as);
	t->in = w;
	s->timers++;
}

static int64_t next_ms(const struct object *o)
{
	int64_t at_ms;

	if (o->enc == ENC_LISTPACKEX) {
		at_ms = hpack_next_ms(hash_pack_of(o)->b.p);
		return at_ms == HASH_NO_TTL ? INT64_MAX : at_ms;
	}
	const struct btree *tree = &hash_table_of(o)->times->tree;

	return tree->count == 0 ? INT64_MAX : (int64_t)btree_key(btree_first(tree));
}

static struct hash_timer *timer_of(const struct object *o)
{
	return o->type == OBJ_HASH ? hash_timer_of(o) : NULL;
}

void store_fields_arm(struct store *s, uint32_t db, struct object *o)
{
	struct hash_timer *t = timer_of(o);

	if (t == NULL)
		return;
	t->owner = o;
	arm(s, db, t, next_ms(o));
}

void store_fields_disarm(struct store *s, struct object *o)
{
	struct hash_timer *t = timer_of(o);

	if (t == NULL || t->owner != o)
		return;
	disarm(s, t);
	t->owner = NULL;
}

void fields_reset(struct store *s, uint32_t db)
{
	s->timers -= wheel_count(s->db[db].fields);
	wheel_reset(s->db[db].fields);
}

bool fields_all_expired(const struct store *s, const struct object *o)
{
	return o->type == OBJ_HASH && hash_ends_before(o, s->now_ms);
}

uint32_t store_poll_fields(struct store *s, uint32_t db, uint32_t *budget)
{
	uint32_t given = *budget;
	struct object *shadow;

	while (s->timers > 0 && (shadow = wheel_pop_due(s->db[db].fields, s->now_ms - 1, budget)) != NULL) {
		struct hash_timer *t = rp_container_of(shadow, struct hash_timer, as);
		t->in = NULL;
		s->timers--;
		if (obj_expired(s, t->owner))
			space_expire(s, db, t->owner, index_hash(s->db[db].ix, obj_key(t->owner)));
		else
			hash_expire(s, db, t->owner, budget);
	}
	return given - *budget;
}
