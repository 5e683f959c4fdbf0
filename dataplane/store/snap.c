/* The walk of a shard's snapshot, and what comes before it. */
#include <rte_cycles.h>

#include "store/snap_priv.h"

#define AHEAD 8 /* buckets of the walk whose cache misses overlap */

static inline void mark_done(const struct store *s, const struct object *o)
{
	struct object *w = (struct object *)(uintptr_t)o; /* what is walked is the store's own */

	w->flags = (uint8_t)((w->flags & ~OBJ_F_EPOCH) | s->epoch);
}

/* Is there nothing to write for it? */
static inline bool nothing(const struct snap *n, const struct object *o)
{
	return n->settling || ((o->flags & OBJ_F_EXPIRE) && obj_expiry(o)->at_ms < n->epoch_ms);
}

void store_snap_begin(struct store *s, struct snap *n)
{
	rp_assert(s->snap == NULL);
	s->epoch ^= OBJ_F_EPOCH;
	s->snap = n;
	n->s = s;
	n->heap = s->heap;
	n->epoch_ms = s->now_ms;
	for (uint32_t i = 0; i < s->params.databases; i++) {
		struct store_db *d = &s->db[i];
		d->epoch_db = i;
		d->walk = 0;
		d->walked = index_count(d->ix) == 0;
	}
	/* What was flushed before is no part of it. */
	for (struct index_remains *r = s->drain; r != NULL; r = index_remains_next(r))
		index_remains_tag_set(r, STORE_NO_DB);
	if (!snap_queue_init(n, SNAP_WALK) || !snap_queue_init(n, SNAP_BEFORE))
		snap_fail(n);
}

bool store_snap_active(const struct store *s)
{
	return s->snap != NULL;
}

bool store_snap_pressing(const struct store *s)
{
	const struct snap *n = s->snap;

	return n != NULL && (n->settling || n->big_o != NULL || n->met != NULL || n->urgent != NULL ||
			     __atomic_load_n(&n->cancel, __ATOMIC_RELAXED));
}

uint64_t store_snap_pushed(const struct store *s)
{
	return s->snap != NULL ? s->snap->pushed : 0;
}

/* ---- large values ---------------------------------------------------------------------------------------------- */

static void big_end(struct snap *n)
{
	struct snap_orphan *w = n->big_orphan;

	mark_done(n->s, n->big_o);
	n->big_o = NULL;
	n->big_orphan = NULL;
	if (w == NULL)
		return;
	w->o->flags &= (uint8_t)~OBJ_F_BURIED;
	obj_destroy(n->s, w->o);
	heap_free(n->heap, w);
}

/* Somebody cannot wait. */
static void big_finish(struct snap *n)
{
	snap_count(&n->stats.inline_large, 1);
	while (!n->settling && !snap_put_more(n, UINT64_MAX))
		;
	big_end(n);
}

static void forget(struct snap *n, const struct object *o)
{
	if (n->urgent == o)
		n->urgent = NULL;
	if (n->met == o)
		n->met = NULL;
}

/* A large object that is about to go is kept until it is written. False: no memory for that. */
static bool bury(struct snap *n, struct object *o, uint32_t db)
{
	struct snap_orphan *w = heap_alloc(n->heap, sizeof *w);

	if (w == NULL)
		return false;
	*w = (struct snap_orphan){.next = n->orphans, .o = o, .db = db};
	n->orphans = w;
	o->flags |= OBJ_F_BURIED;
	return true;
}

/* ---- before writes ---------------------------------------------------------------------------------------------- */

static void before_write(struct snap *n, struct object *o, uint32_t db, bool goes)
{
	bool large = rdb_is_large(o);

	forget(n, o);
	if (nothing(n, o)) {
		mark_done(n->s, o);
		return;
	}
	if (large && goes && bury(n, o, db)) {
		mark_done(n->s, o);
		return;
	}
	snap_count(&n->stats.inline_large, large);
	snap_count(&n->stats.before, 1);
	snap_put(n, SNAP_BEFORE, o, db);
	mark_done(n->s, o);
}

/* The object being written in slices goes: it is kept until that is over. */
static bool bury_big(struct snap *n, struct object *o)
{
	struct snap_orphan *w = heap_alloc(n->heap, sizeof *w);

	if (w == NULL)
		return false;
	*w = (struct snap_orphan){.o = o};
	n->big_orphan = w;
	o->flags |= OBJ_F_BURIED;
	mark_done(n->s, o);
	return true;
}

static void before(struct snap *n, struct object *o, uint32_t db, bool goes)
{
	if (o != n->big_o)
		before_write(n, o, db, goes);
	else if (!goes || !bury_big(n, o))
		big_finish(n);
}

void snap_before_write(struct store *s, uint32_t db, struct object *o, bool goes)
{
	before(s->snap, o, s->db[db].epoch_db, goes);
}

void snap_drop(struct store *s, struct object *o, uint32_t db)
{
	if (db != STORE_NO_DB && snap_due(s, o))
		before(s->snap, o, db, true);
	obj_destroy(s, o);
}

bool store_snap_full(const struct store *s)
{
	const struct snap *n = s->snap;

	return n != NULL && !n->settling && snap_flying_bytes(n, SNAP_BEFORE) >= n->p.before_max_bytes;
}

void store_snap_note_wait(struct store *s)
{
	snap_count(&s->snap->stats.waits, 1);
}

bool store_snap_must_wait(struct store *s, uint32_t db, struct slice key)
{
	struct snap *n = s->snap;
	uint64_t hash;

	/* With strings alone none is large, and the key is not yet in the cache. */
	if (n == NULL || n->settling || !s->had_payload)
		return false;
	const struct object *o = space_find(s, db, key, &hash);
	if (o == NULL || !snap_due(s, o) || !rdb_is_large(o))
		return false;
	snap_count(&n->stats.waits, 1);
	if (n->urgent == NULL && o != n->big_o) {
		n->urgent = o;
		n->urgent_db = s->db[db].epoch_db;
	}
	return true;
}

/* ---- the walk ---------------------------------------------------------------------------------------------------- */

static void visit(void *ctx, struct object *o)
{
	struct snap *n = ctx;

	if (!snap_due(n->s, o))
		return;
	if (rp_unlikely(nothing(n, o))) {
		mark_done(n->s, o);
		return;
	}
	if (rp_unlikely(o->flags & OBJ_F_PAYLOAD) && rdb_is_large(o)) {
		n->met = o;
		return;
	}
	snap_put(n, SNAP_WALK, o, n->met_db);
	mark_done(n->s, o);
}

/* A bucket of the database being walked. One that holds a large object is looked at again when that is written. */
static uint32_t walk_bucket(struct snap *n)
{
	struct store_db *d = &n->s->db[n->db];
	uint64_t from = d->walk;

	if (n->ahead == 0) {
		index_walk_ahead(d->ix, from, AHEAD);
		n->ahead = AHEAD;
	}
	n->ahead--;
	n->met_db = d->epoch_db;
	uint32_t work = index_walk(d->ix, &d->walk, 1, visit, n);
	if (n->met != NULL)
		d->walk = from;
	else
		d->walked = d->walk == 0;
	return work;
}

/* Remains of databases that were flushed since the epoch. False: none is left. */
static bool walk_remains(struct snap *n)
{
	struct index_remains *r = n->s->drain;

	while (r != NULL && index_remains_tag(r) == STORE_NO_DB)
		r = index_remains_next(r);
	return r != NULL;
}

static bool big_next(struct snap *n)
{
	struct snap_orphan *w = n->orphans;

	if (n->urgent != NULL) {
		snap_put_begin(n, n->urgent, n->urgent_db);
		forget(n, n->urgent);
	} else if (n->met != NULL) {
		snap_put_begin(n, n->met, n->met_db);
		n->met = NULL;
	} else if (w != NULL) {
		n->orphans = w->next;
		snap_put_begin(n, w->o, w->db);
		n->big_orphan = w;
	} else {
		return false;
	}
	return true;
}

static void end(struct store *s)
{
	struct snap *n = s->snap;

	if (!n->settling) {
		snap_flush(n, SNAP_WALK, false);
		snap_flush(n, SNAP_BEFORE, false);
	}
	snap_queue_fini(n, SNAP_WALK);
	snap_queue_fini(n, SNAP_BEFORE);
	s->snap = NULL;
	__atomic_store_n(&n->ended, 1, __ATOMIC_RELEASE);
}

/* Nothing is to be written any more: what was kept for that goes. */
static void settle(struct snap *n)
{
	if (n->big_o != NULL)
		big_end(n);
	while (n->orphans != NULL) {
		n->big_orphan = n->orphans;
		n->orphans = n->big_orphan->next;
		n->big_o = n->big_orphan->o;
		big_end(n);
	}
	n->urgent = n->met = NULL;
}

/* One step. 0: there is nothing left but remains that the store's own background work frees. */
static uint32_t step(struct snap *n, uint64_t until_tsc)
{
	struct store *s = n->s;

	if (n->big_o != NULL || big_next(n)) {
		if (snap_put_more(n, until_tsc))
			big_end(n);
		return 1;
	}
	while (n->db < s->params.databases && s->db[n->db].walked)
		n->db++;
	return n->db < s->params.databases ? walk_bucket(n) : 0;
}

/* Databases may have been swapped: one that is not walked may stand before. */
static bool all_walked(const struct store *s)
{
	for (uint32_t i = 0; i < s->params.databases; i++)
		if (!s->db[i].walked)
			return false;
	return true;
}

static void count_slice(struct snap *n, uint64_t begin_tsc)
{
	uint64_t cycles = rte_rdtsc() - begin_tsc;

	snap_count(&n->stats.slices, 1);
	__atomic_store_n(&n->stats.slice_max_cycles, RP_MAX(n->stats.slice_max_cycles, cycles), __ATOMIC_RELAXED);
}

uint32_t store_snap_poll(struct store *s, uint64_t until_tsc)
{
	struct snap *n = s->snap;
	uint64_t begin = rte_rdtsc();
	uint32_t work = 0;

	if (n == NULL)
		return 0;
	if (__atomic_load_n(&n->cancel, __ATOMIC_RELAXED))
		n->settling = true;
	if (n->settling)
		settle(n);
	do {
		if (snap_flying_bytes(n, SNAP_WALK) >= n->p.walk_max_bytes && !n->settling)
			break;
		uint32_t done = step(n, until_tsc);
		if (done == 0 && !all_walked(s))
			n->db = 0;
		else if (done == 0 && !n->settling && (n->urgent != NULL || walk_remains(n)))
			break;
		else if (done == 0) {
			end(s);
			return work + 1;
		}
		work += done + 1;
	} while (rte_rdtsc() < until_tsc);
	if (work > 0)
		count_slice(n, begin);
	return work;
}
