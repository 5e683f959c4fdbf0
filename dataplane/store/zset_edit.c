/* Changing sorted sets: one member in place; several on a copy of the listpack, or with everything they may need
 * prepared, so that running out of memory changes nothing. */
#include "store/zset_priv.h"

#define MEMBERS_AHEAD 2

void zkey_open(struct zkey *k, struct store *s, uint32_t db, struct slice key, const struct type_limits *lim)
{
	k->s = s;
	k->key = key;
	k->o = store_peek(s, db, key);
	k->lim = lim;
	k->db = db;
	k->begun = k->editing = false;
}

struct zval zkey_val(const struct zkey *k)
{
	if (k->editing)
		return (struct zval){.lp = k->c.b.p};
	return zval_of(k->o);
}

bool zkey_begin(struct zkey *k)
{
	if (k->begun)
		return true;
	k->o = store_write(k->s, k->db, k->key);
	k->editing = obj_is_compact(k->o) && compact_begin(&k->c, k->s, k->db, k->o);
	k->begun = k->editing || !obj_is_compact(k->o);
	return k->begun;
}

bool zkey_end(struct zkey *k)
{
	if (!k->begun)
		return false;
	bool empty = zval_count(zkey_val(k)) == 0;
	if (k->editing)
		k->o = compact_end(&k->c);
	k->begun = k->editing = false;
	if (!empty)
		return false;
	store_delete(k->s, k->db, k->key);
	k->o = NULL;
	return true;
}

/* ---- a value being changed, of a key or not ------------------------------------------------------------------ */

struct edit {
	struct heap *h;
	const struct type_limits *lim;
	struct cbuf *lp;    /* while z is NULL */
	struct zset *z;     /* made here if there was a listpack before */
	struct elem *fresh; /* made ahead for the next member, or NULL */
};

static struct zval edit_val(const struct edit *ed)
{
	return ed->z != NULL ? (struct zval){.z = ed->z} : (struct zval){.lp = ed->lp->p};
}

/* What ZADD does to a member: its new score in *score. */
enum outcome {
	NOTHING,
	SAME, /* nothing either, but it counts as processed */
	ADD,
	CHANGE,
	NO_NUMBER,
};

static enum outcome decide(const struct zref *r, uint32_t flags, double *score)
{
	if (__builtin_isnan(*score))
		return NO_NUMBER;
	if (!r->found)
		return flags & ZADD_XX ? NOTHING : ADD;
	if (flags & ZADD_NX)
		return NOTHING;
	if (flags & ZADD_INCR) {
		*score += r->score;
		if (__builtin_isnan(*score))
			return NO_NUMBER;
	}
	if ((flags & ZADD_LT && *score >= r->score) || (flags & ZADD_GT && *score <= r->score))
		return NOTHING;
	return *score != r->score ? CHANGE : SAME;
}

static void note(enum outcome what, double score, struct zadd_out *out)
{
	out->added += what == ADD;
	out->updated += what == CHANGE;
	out->nan = what == NO_NUMBER;
	if (what == SAME || what == ADD || what == CHANGE) {
		out->processed++;
		out->score = score;
	}
}

static struct elem *take_fresh(struct edit *ed, struct slice name, double score)
{
	struct elem *e = ed->fresh;

	if (e == NULL)
		return zelem_create(ed->h, name, score);
	ed->fresh = NULL;
	zelem_set(e, score);
	return e;
}

static bool apply_zset(struct edit *ed, const struct zref *r, struct slice name, double score)
{
	struct elem *e = NULL;

	if ((!r->found || !zelem_fits(ed->h, r->e, score)) && (e = take_fresh(ed, name, score)) == NULL)
		return false;
	if (r->found ? zset_rescore(ed->z, ed->h, r->e, e, score) : zset_put(ed->z, ed->h, e, r->hash))
		return true;
	heap_free(ed->h, e);
	return false;
}

static bool fits_listpack(const struct edit *ed, struct slice name)
{
	return lp_count(ed->lp->p) / 2 + 1 <= ed->lim->zset_max_listpack_entries &&
	       name.len <= ed->lim->zset_max_listpack_value && ed->lp->len + zlp_pair_bytes(name) <= LP_MAX_BYTES;
}

/* Adds the member or gives it that score. false: out of memory, nothing changed. */
static bool apply(struct edit *ed, struct zref *r, struct slice name, double score)
{
	if (ed->z != NULL)
		return apply_zset(ed, r, name, score);
	if (r->found)
		return zlp_rescore(ed->lp, r->off, name, score);
	if (fits_listpack(ed, name))
		return zlp_insert(ed->lp, name, score);
	ed->z = zset_of_listpack(ed->h, ed->lp->p);
	if (ed->z == NULL)
		return false;
	r->hash = htab_hash(&ed->z->tab, name);
	if (apply_zset(ed, r, name, score))
		return true;
	zset_destroy(ed->z, ed->h);
	ed->z = NULL;
	return false;
}

/* ---- one member ---------------------------------------------------------------------------------------------- */

static bool add_in_place(struct zkey *k, struct zref *r, struct slice name, double score)
{
	struct edit ed = {.h = store_heap(k->s), .lim = k->lim};

	if (!zkey_begin(k))
		return false;
	if (k->editing)
		ed.lp = &k->c.b;
	else
		ed.z = obj_payload(k->o);
	bool was_compact = ed.z == NULL, ok = apply(&ed, r, name, score);
	zkey_end(k);
	if (ok && was_compact && ed.z != NULL)
		store_to_payload(k->s, k->db, &k->o, ENC_SKIPLIST, &ed.z->p);
	return ok;
}

/* ---- several ------------------------------------------------------------------------------------------------- */

/* A listpack in a block of its own. */
struct scratch {
	struct cbuf b;
	struct heap *h;
};

static bool scratch_reserve(struct cbuf *b, size_t cap)
{
	struct scratch *t = (struct scratch *)b;
	uint8_t *p = heap_realloc(t->h, b->p, cap + cap / 2);

	if (p == NULL)
		return false;
	b->p = p;
	b->cap = cap + cap / 2;
	return true;
}

static bool scratch_init(struct scratch *t, struct heap *h, const uint8_t *lp, size_t more)
{
	size_t len = lp != NULL ? lp_bytes(lp) : LP_EMPTY_BYTES;

	*t = (struct scratch){.h = h, .b = {.reserve = scratch_reserve, .len = len, .cap = len + more}};
	t->b.p = heap_alloc(h, len + more);
	if (t->b.p == NULL)
		return false;
	if (lp != NULL)
		memcpy(t->b.p, lp, len);
	else
		lp_init(t->b.p);
	return true;
}

static bool edit_all(struct edit *ed, uint32_t n, const struct zitem *items, uint32_t flags, struct zadd_out *out)
{
	for (uint32_t i = 0; i < n && !out->nan; i++) {
		double score = items[i].score;
		struct zref r;

		zval_find(edit_val(ed), items[i].name, &r);
		enum outcome what = decide(&r, flags, &score);
		if ((what == ADD || what == CHANGE) && !apply(ed, &r, items[i].name, score))
			return false;
		note(what, score, out);
	}
	return true;
}

/* The key becomes what was made of its listpack. */
static bool attach(struct zkey *k, const struct edit *ed)
{
	struct slice bytes = {(const char *)ed->lp->p, ed->lp->len};

	if (k->o == NULL) {
		if (ed->z != NULL)
			k->o = store_add_payload(k->s, k->db, k->key, ENC_SKIPLIST, &ed->z->p, STORE_NO_EXPIRE);
		else
			k->o = store_add_compact(k->s, k->db, k->key, OBJ_ZSET, ENC_LISTPACK, bytes, STORE_NO_EXPIRE);
		return k->o != NULL;
	}
	k->o = store_write(k->s, k->db, k->key);
	if (ed->z == NULL)
		return store_to_compact(k->s, k->db, &k->o, ENC_LISTPACK, bytes);
	store_to_payload(k->s, k->db, &k->o, ENC_SKIPLIST, &ed->z->p);
	return true;
}

static bool starts_compact(const struct zkey *k, struct slice name)
{
	return k->lim->zset_max_listpack_entries > 0 && name.len <= k->lim->zset_max_listpack_value;
}

/* A new key, or a listpack: works on a copy. */
static bool add_detached(struct zkey *k, uint32_t n, const struct zitem *items, uint32_t flags, struct zadd_out *out)
{
	struct heap *h = store_heap(k->s);
	struct edit ed = {.h = h, .lim = k->lim};
	struct scratch t;

	if (!scratch_init(&t, h, zkey_val(k).lp, zlp_pair_bytes(items[0].name)))
		return false;
	ed.lp = &t.b;
	bool ok = k->o != NULL || starts_compact(k, items[0].name) || (ed.z = zset_create(h)) != NULL;
	ok = ok && edit_all(&ed, n, items, flags, out);
	bool changed = ok && out->added + out->updated > 0;
	ok = ok && (!changed || attach(k, &ed));
	if (!(ok && changed))
		zset_destroy(ed.z, h);
	heap_free(h, t.b.p);
	return ok;
}

/* Elements that the members may need; NULL where there is one that will do. */
static bool make_ahead(struct zset *z, struct heap *h, uint32_t n, const struct zitem *items, struct elem **fresh)
{
	for (uint32_t i = 0; i < n; i++) {
		struct zref r;

		if (zval_find((struct zval){.z = z}, items[i].name, &r) && zelem_fits(h, r.e, items[i].score))
			continue;
		fresh[i] = zelem_create(h, items[i].name, items[i].score);
		if (fresh[i] == NULL)
			return false;
	}
	return btree_reserve(&z->tree, h, n);
}

static void add_ahead(struct zkey *k, uint32_t n, const struct zitem *items, uint32_t flags, struct elem **fresh,
		      struct zadd_out *out)
{
	struct edit ed = {.h = store_heap(k->s), .lim = k->lim, .z = obj_payload(k->o)};

	for (uint32_t i = 0; i < n; i++) {
		double score = items[i].score;
		struct zref r;

		zval_find((struct zval){.z = ed.z}, items[i].name, &r);
		enum outcome what = decide(&r, flags, &score);
		ed.fresh = fresh[i];
		if (what == ADD || what == CHANGE) {
			zkey_begin(k);
			rp_assert(apply_zset(&ed, &r, items[i].name, score));
		}
		fresh[i] = ed.fresh;
		note(what, score, out);
	}
}

/* INCR takes one member only, so scores are known ahead. */
static bool add_to_zset(struct zkey *k, uint32_t n, const struct zitem *items, uint32_t flags, struct zadd_out *out)
{
	struct heap *h = store_heap(k->s);
	struct zset *z = obj_payload(k->o);
	struct elem **fresh = heap_zalloc(h, n * sizeof *fresh);

	if (fresh == NULL)
		return false;
	bool ok = make_ahead(z, h, n, items, fresh);
	if (ok)
		add_ahead(k, n, items, flags, fresh, out);
	for (uint32_t i = 0; i < n; i++)
		heap_free(h, fresh[i]);
	heap_free(h, fresh);
	btree_trim(&z->tree, h);
	zkey_end(k);
	return ok;
}

bool zkey_add(struct zkey *k, uint32_t n, const struct zitem *items, uint32_t flags, struct zadd_out *out)
{
	*out = (struct zadd_out){0};
	if (k->o == NULL && flags & ZADD_XX)
		return true;
	if (k->o == NULL || (n > 1 && obj_is_compact(k->o)))
		return add_detached(k, n, items, flags, out);
	if (n > 1)
		return add_to_zset(k, n, items, flags, out);
	double score = items[0].score;
	struct zref r;
	zval_find(zkey_val(k), items[0].name, &r);
	enum outcome what = decide(&r, flags, &score);
	if ((what == ADD || what == CHANGE) && !add_in_place(k, &r, items[0].name, score))
		return false;
	note(what, score, out);
	return true;
}

/* ---- removing ------------------------------------------------------------------------------------------------ */

int zkey_remove(struct zkey *k, struct slice name)
{
	struct zref r;

	if (k->o == NULL || !zval_find(zkey_val(k), name, &r))
		return 0;
	if (!zkey_begin(k))
		return -1;
	if (k->editing)
		lp_delete(&k->c.b, r.off, 2);
	else
		zset_drop(obj_payload(k->o), store_heap(k->s), r.e, r.hash);
	return 1;
}

/* Who takes from an end mostly comes again: the next member's bucket and those behind it are on their way by then. */
static void fetch_next(const struct zset *z, bool front)
{
	struct btree_pos pos = front ? btree_first(&z->tree) : btree_last(&z->tree);

	if (z->tab.count == 0)
		return;
	htab_prefetch(&z->tab, htab_hash(&z->tab, elem_name(btree_ptr(pos))));
	for (int i = 0; i < MEMBERS_AHEAD && (front ? btree_next(&pos) : btree_prev(&pos)); i++)
		elem_prefetch(btree_ptr(pos));
}

void zkey_remove_span(struct zkey *k, struct zspan span)
{
	if (span.lo >= span.hi)
		return;
	if (k->editing) {
		lp_delete(&k->c.b, lp_seek(k->c.b.p, (int64_t)span.lo * 2), (uint32_t)(span.hi - span.lo) * 2);
		return;
	}
	struct zset *z = obj_payload(k->o);
	bool from_front = span.lo == 0, at_end = from_front || span.hi == z->tab.count;
	for (uint64_t i = span.lo; i < span.hi; i++) {
		struct elem *e = btree_ptr(from_front ? btree_first(&z->tree) : btree_at(&z->tree, span.lo));

		zset_drop(z, store_heap(k->s), e, htab_hash(&z->tab, elem_name(e)));
	}
	if (at_end)
		fetch_next(z, from_front);
}

/* ---- results ------------------------------------------------------------------------------------------------- */

static bool small_enough(const struct zset *z, const struct type_limits *lim, size_t *bytes)
{
	*bytes = LP_EMPTY_BYTES;
	if (z->tab.count > lim->zset_max_listpack_entries)
		return false;
	for (struct btree_pos pos = btree_first(&z->tree); pos.leaf != NULL; btree_next(&pos)) {
		struct slice name = elem_name(btree_ptr(pos));

		if (name.len > lim->zset_max_listpack_value)
			return false;
		*bytes += zlp_pair_bytes(name);
	}
	return *bytes <= LP_MAX_BYTES;
}

bool zset_expand(struct store *s, uint32_t db, struct object **o)
{
	if (!obj_is_compact(*o))
		return true;
	struct zset *z = zset_of_listpack(store_heap(s), (const uint8_t *)obj_compact(*o).ptr);
	if (z == NULL)
		return false;
	store_to_payload(s, db, o, ENC_SKIPLIST, &z->p);
	return true;
}

bool zset_store(struct zset *z, struct store *s, uint32_t db, struct slice key, int64_t expire_at_ms,
		const struct type_limits *lim)
{
	struct heap *h = store_heap(s);
	struct scratch t;
	struct ziter it;
	struct zitem item;
	size_t bytes;

	if (!small_enough(z, lim, &bytes))
		return store_add_payload(s, db, key, ENC_SKIPLIST, &z->p, expire_at_ms) != NULL;
	if (!scratch_init(&t, h, NULL, bytes))
		return false;
	ziter_begin(&it, (struct zval){.z = z}, 0, UINT64_MAX, false);
	while (ziter_next(&it, &item))
		zlp_append(&t.b, &item);
	struct slice lp = {(const char *)t.b.p, t.b.len};
	bool ok = store_add_compact(s, db, key, OBJ_ZSET, ENC_LISTPACK, lp, expire_at_ms) != NULL;
	heap_free(h, t.b.p);
	if (ok)
		zset_destroy(z, h);
	return ok;
}
