#include <stdlib.h>

#include "store/events.h"
#include "store/store_priv.h"

static bool db_init(struct store *s, uint32_t i, struct err *e)
{
	const struct store_params *p = &s->params;
	s->db[i].ix = index_create(p->heap, p->hash_seed, i == 0 ? p->index_initial : 0);
	if (s->db[i].ix == NULL) {
		err_set(e, "shard %u: no heap memory for the index of database %u: raise its memory", p->shard, i);
		return false;
	}
	s->db[i].wheel = wheel_create(p->heap, 0);
	if (s->db[i].wheel == NULL) {
		err_set(e, "shard %u: no heap memory for the expiry wheel of database %u: raise its memory", p->shard,
			i);
		return false;
	}
	s->db[i].fields = wheel_create(p->heap, 0);
	if (s->db[i].fields == NULL) {
		err_set(e, "shard %u: no heap memory for the timers of database %u: raise its memory", p->shard, i);
		return false;
	}
	return true;
}

struct store *store_create(const struct store_params *p, struct err *e)
{
	struct store *s = calloc(1, sizeof *s + p->databases * sizeof s->db[0]);

	if (s == NULL) {
		err_set(e, "shard %u: out of memory", p->shard);
		return NULL;
	}
	s->params = *p;
	s->heap = p->heap;
	s->hint.absent_db = STORE_NO_DB;
	rng_init(&s->rng, p->hash_seed);
	store_set_clock(s, false, 10, 1);
	for (uint32_t i = 0; i < p->databases; i++) {
		if (!db_init(s, i, e)) {
			store_destroy(s);
			return NULL;
		}
	}
	return s;
}

void store_destroy(struct store *s)
{
	if (s == NULL)
		return;
	watch_fini(s);
	events_fini(s);
	while (s->drain != NULL) {
		struct index_remains *r = s->drain;
		s->drain = index_remains_next(r);
		index_remains_destroy(r);
	}
	for (uint32_t i = 0; i < s->params.databases; i++) {
		index_destroy(s->db[i].ix);
		if (s->db[i].wheel != NULL)
			wheel_destroy(s->db[i].wheel, s->heap);
		if (s->db[i].fields != NULL)
			wheel_destroy(s->db[i].fields, s->heap);
	}
	free(s);
}

void store_set_now(struct store *s, int64_t wall_us)
{
	s->now_ms = s->clock_ms = wall_us / 1000;
	s->hint = (struct store_key_hint){.absent_db = STORE_NO_DB};
}

int64_t store_now_ms(const struct store *s)
{
	return s->now_ms;
}

void store_set_replay(struct store *s, bool on, int64_t wall_us)
{
	store_set_now(s, wall_us);
	if (on)
		s->now_ms = 0;
}

int64_t store_clock_ms(const struct store *s)
{
	return s->clock_ms;
}

struct heap *store_heap(const struct store *s)
{
	return s->heap;
}

struct journal *store_journal(const struct store *s)
{
	return s->params.journal;
}

uint32_t store_shard(const struct store *s)
{
	return s->params.shard;
}

uint32_t store_databases(const struct store *s)
{
	return s->params.databases;
}

uint64_t store_field_timers(const struct store *s)
{
	return s->timers;
}

const struct store_stats *store_stats_get(const struct store *s)
{
	return &s->stats;
}

struct index *store_index(struct store *s, uint32_t db)
{
	return s->db[db].ix;
}

void store_reserve(struct store *s, uint32_t db, uint64_t keys)
{
	index_reserve(s->db[db].ix, keys);
}

/* ---- batch hints --------------------------------------------------------------------------------------------- */

/* An opaque hint is the object's address, or 1 for "no such key", with the number of the database in the 16 bits that
 * no user address has: a command before it in the batch may have selected another database. 0 says nothing. */
#define HINT_DB_SHIFT 48
#define HINT_ABSENT   1u

static struct object *hint_pack(uint32_t db, const struct object *o)
{
	if (db > UINT16_MAX)
		return NULL;
	uintptr_t low = o == NULL ? HINT_ABSENT : (uintptr_t)o;
	return (struct object *)((uintptr_t)db << HINT_DB_SHIFT | low);
}

/* Keys [from, to) are all of one database. */
static void prefetch_run(struct store *s, uint32_t db, const struct slice *key, const uint64_t *hash, uint32_t n,
			 struct object **hint)
{
	index_find_bulk(s->db[db].ix, key, hash, n, hint);
	for (uint32_t i = 0; i < n; i++)
		hint[i] = hint_pack(db, hint[i]);
}

void store_prefetch(struct store *s, uint32_t n, const uint32_t *db, const struct slice *key, uint64_t *hash,
		    struct object **hint)
{
	/* All databases of a store have one seed. */
	for (uint32_t i = 0; i < n; i++)
		hash[i] = index_hash(s->db[0].ix, key[i]);
	for (uint32_t from = 0, to; from < n; from = to) {
		for (to = from + 1; to < n && db[to] == db[from]; to++)
			;
		prefetch_run(s, db[from], key + from, hash + from, to - from, hint + from);
	}
}

static struct object *hint_object(const struct object *hint)
{
	uintptr_t low = (uintptr_t)hint & (((uintptr_t)1 << HINT_DB_SHIFT) - 1);

	return low > HINT_ABSENT ? (struct object *)low : NULL;
}

static const struct htab *table_of(const struct object *o)
{
	const struct payload *p = o != NULL ? obj_payload(o) : NULL;

	if (p == NULL)
		return NULL;
	const struct obj_type_ops *ops = obj_type_ops((enum obj_type)o->type);
	return ops->table != NULL ? ops->table(p) : NULL;
}

void store_prefetch_members(uint32_t n, struct object *const *hint, const struct slice *name)
{
	const struct htab *t[RP_MAX_BURST];
	uint64_t hash[RP_MAX_BURST];

	for (uint32_t i = 0; i < n; i++) {
		t[i] = name[i].len > 0 ? table_of(hint_object(hint[i])) : NULL;
		if (t[i] == NULL)
			continue;
		hash[i] = htab_hash(t[i], name[i]);
		htab_prefetch(t[i], hash[i]);
	}
	for (uint32_t i = 0; i < n; i++)
		if (t[i] != NULL)
			htab_prefetch_elem(t[i], hash[i]);
	for (uint32_t i = 0; i < n; i++)
		if (t[i] != NULL)
			htab_prefetch_next(t[i], hash[i]);
}

void store_hint(struct store *s, struct slice key, uint64_t hash, struct object *hint, uint64_t epoch)
{
	uintptr_t h = (uintptr_t)hint;
	uint32_t db = (uint32_t)(h >> HINT_DB_SHIFT);
	uintptr_t low = h & (((uintptr_t)1 << HINT_DB_SHIFT) - 1);

	s->hint = (struct store_key_hint){
		.key = key, .hash = hash, .epoch = epoch, .absent_db = low == HINT_ABSENT ? db : STORE_NO_DB};
	/* Inserts leave objects where they are: only the half that counts moves must be as it was. */
	if (low > HINT_ABSENT && (uint32_t)(epoch >> 32) == s->moves) {
		s->last = (struct object *)low;
		s->last_hash = hash;
		s->last_db = db;
	}
}

uint64_t store_epoch(const struct store *s)
{
	return (uint64_t)s->moves << 32 | s->inserts;
}

/* ---- finding ------------------------------------------------------------------------------------------------- */

struct object *store_ask(struct store *s, uint32_t db, struct slice key)
{
	uint64_t hash;
	struct object *o = space_find_live(s, db, key, &hash);

	*(o != NULL ? &s->stats.hits : &s->stats.misses) += 1;
	return o;
}

struct object *store_look(struct store *s, uint32_t db, struct slice key)
{
	struct object *o = store_ask(s, db, key);

	if (o == NULL)
		store_event(s, EVENT_KEY_MISS, "keymiss", db, key);
	return o;
}

struct object *store_read(struct store *s, uint32_t db, struct slice key)
{
	struct object *o = store_look(s, db, key);

	if (o != NULL)
		store_clock_access(s, o);
	return o;
}

struct object *store_peek(struct store *s, uint32_t db, struct slice key)
{
	uint64_t hash;
	struct object *o = space_find(s, db, key, &hash);

	return o != NULL && obj_expired(s, o) ? NULL : o;
}

struct object *store_write(struct store *s, uint32_t db, struct slice key)
{
	uint64_t hash;
	struct object *o = space_find_live(s, db, key, &hash);

	if (o != NULL) {
		store_clock_access(s, o);
		store_touch_for_write(s, db, key, o);
	}
	return o;
}

/* Those who want to hear of changes. */
static inline void tell(struct store *s, uint32_t db, struct slice key)
{
	if (rp_unlikely(s->watched != 0))
		watch_touch(s, db, key);
	if (rp_unlikely(__atomic_load_n(&s->touches, __ATOMIC_RELAXED)))
		events_touch(s, db, key);
}

/* What must see the object as it was, or count its changes. */
static inline void prepare(struct store *s, uint32_t db, struct slice key, struct object *o, bool goes)
{
	if (o != NULL && snap_due(s, o))
		snap_before_write(s, db, o, goes);
	if (s->params.hooks.before_write != NULL)
		s->params.hooks.before_write(s->params.hooks.ctx, s, db, key, o);
	if (rp_unlikely(s->gates != NULL))
		gates_touch(s, key);
	s->version++;
	if (o != NULL)
		o->version = s->version;
}

static inline void touch(struct store *s, uint32_t db, struct slice key, struct object *o, bool goes)
{
	prepare(s, db, key, o, goes);
	tell(s, db, key);
}

struct object *store_write_quiet(struct store *s, uint32_t db, struct slice key)
{
	uint64_t hash;
	struct object *o = space_find_live(s, db, key, &hash);

	if (o != NULL) {
		store_clock_access(s, o);
		prepare(s, db, key, o, false);
	}
	return o;
}

void store_changed(struct store *s, uint32_t db, struct slice key)
{
	tell(s, db, key);
}

void store_touch_for_write(struct store *s, uint32_t db, struct slice key, struct object *o)
{
	touch(s, db, key, o, false);
}

void store_touch_for_delete(struct store *s, uint32_t db, struct slice key, struct object *o)
{
	touch(s, db, key, o, true);
}
