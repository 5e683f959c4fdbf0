/* Sets of keys: adding and taking out. What can fail comes first. */
#include "store/set_priv.h"

/* ---- adding ---- */

static bool build_add_all(struct set_build *b, uint32_t n, const struct slice *m, int64_t *added)
{
	*added = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct lp_key k = lp_key_of(m[i]);
		int one = set_build_add(b, &k);
		if (one == SET_NO_MEMORY)
			return false;
		*added += one;
	}
	return true;
}

static int64_t add_fresh(struct store *s, uint32_t db, struct slice key, uint32_t n, const struct slice *m,
			 const struct set_rules *r)
{
	struct set_build b;
	int64_t added;

	set_build_begin(&b, store_heap(s), r, set_form_for(r->limits, m[0], n));
	if (!build_add_all(&b, n, m, &added)) {
		set_build_drop(&b);
		return SET_NO_MEMORY;
	}
	return set_build_store(&b, s, db, key, STORE_NO_EXPIRE) != NULL ? added : SET_NO_MEMORY;
}

/* The form may change. */
static int64_t add_rebuilt(struct store *s, uint32_t db, struct slice key, struct object *o, uint32_t n,
			   const struct slice *m, const struct set_rules *r)
{
	struct set_build b;
	int64_t added;

	if (!set_build_from(&b, store_heap(s), r, o) || !set_build_expect(&b, n) || !build_add_all(&b, n, m, &added)) {
		set_build_drop(&b);
		return SET_NO_MEMORY;
	}
	if (added > 0)
		o = store_write(s, db, key);
	return set_build_replace(&b, s, db, o) ? added : SET_NO_MEMORY;
}

/* What adding members to a compact form would take. */
struct need {
	uint64_t absent;
	size_t bytes;   /* of a listpack: more than now */
	int64_t lo, hi; /* for an intset */
	bool fits;      /* no member changes the form */
};

static struct need need_of(const struct object *o, uint32_t n, const struct slice *m, const struct type_limits *l)
{
	struct need need = {.fits = true, .lo = INT64_MAX, .hi = INT64_MIN};
	const uint8_t *p = set_bytes_of(o);

	for (uint32_t i = 0; i < n; i++) {
		struct lp_key k = lp_key_of(m[i]);
		if (set_compact_has(o->enc, p, &k))
			continue;
		need.absent++;
		if (o->enc == ENC_INTSET) {
			need.fits &= k.is_num;
			need.lo = RP_MIN(need.lo, k.num);
			need.hi = RP_MAX(need.hi, k.num);
		} else {
			need.fits &= k.s.len <= l->set_max_listpack_value;
			need.bytes += lp_entry_bytes(k.s);
		}
	}
	return need;
}

static bool stays(const struct object *o, uint32_t n, const struct need *need, const struct type_limits *l)
{
	uint64_t most = o->enc == ENC_INTSET ? l->set_max_intset_entries : l->set_max_listpack_entries;
	uint64_t count = set_count(o) + need->absent;

	return need->fits && n <= most && count <= most && count < UINT16_MAX &&
	       obj_compact(o).len + need->bytes <= LP_MAX_BYTES;
}

static int64_t compact_add(struct store *s, uint32_t db, struct slice key, uint32_t n, const struct slice *m,
			   const struct need *need)
{
	struct object *o = store_write(s, db, key);
	enum obj_enc enc = o->enc;
	struct compact c;
	int64_t added = SET_NO_MEMORY;
	size_t cap;

	if (!compact_begin(&c, s, db, o))
		return SET_NO_MEMORY;
	if (enc == ENC_INTSET)
		cap = need->absent == 0 ? c.b.len : intset_room(c.b.p, need->absent, need->lo, need->hi);
	else
		cap = c.b.len + need->bytes;
	if (cbuf_reserve(&c.b, cap)) {
		added = 0;
		for (uint32_t i = 0; i < n; i++) {
			struct lp_key k = lp_key_of(m[i]);
			if (n > 1 && set_compact_has(enc, c.b.p, &k))
				continue;
			rp_assert(set_compact_add(enc, &c.b, &k));
			added++;
		}
	}
	compact_end(&c);
	return added;
}

static void free_list(struct heap *h, struct elem *list)
{
	while (list != NULL) {
		struct elem *next = (struct elem *)(uintptr_t)list->next;
		heap_free(h, list);
		list = next;
	}
}

/* Elements for those members that are not there, chained; duplicates among them included. false: out of memory. */
static bool make_list(struct heap *h, const struct htab *t, uint32_t n, const struct slice *m, struct elem **list)
{
	*list = NULL;
	for (uint32_t i = n; i-- > 0;) {
		if (htab_find(t, m[i]) != NULL)
			continue;
		struct elem *e = set_elem_create(h, m[i]);
		if (e == NULL) {
			free_list(h, *list);
			return false;
		}
		e->next = (uintptr_t)*list;
		*list = e;
	}
	return true;
}

static int64_t table_add_many(struct store *s, uint32_t db, struct slice key, struct htab *t, uint32_t n,
			      const struct slice *m)
{
	struct heap *h = store_heap(s);
	struct elem *list;
	int64_t added = 0;

	if (!make_list(h, t, n, m, &list))
		return SET_NO_MEMORY;
	if (list != NULL)
		store_write(s, db, key);
	while (list != NULL) {
		struct elem *e = list;
		list = (struct elem *)(uintptr_t)e->next;
		uint64_t hash = htab_hash(t, elem_name(e));
		if (htab_find_hashed(t, elem_name(e), hash) != NULL) {
			heap_free(h, e);
			continue;
		}
		htab_insert_hashed(t, h, e, hash);
		added++;
	}
	return added;
}

static int64_t table_add_one(struct store *s, uint32_t db, struct slice key, struct htab *t, struct slice m)
{
	uint64_t hash = htab_hash(t, m);
	struct elem *e;

	if (htab_find_hashed(t, m, hash) != NULL)
		return 0;
	e = set_elem_create(store_heap(s), m);
	if (e == NULL)
		return SET_NO_MEMORY;
	store_write(s, db, key);
	htab_insert_hashed(t, store_heap(s), e, hash);
	return 1;
}

int64_t set_add(struct store *s, uint32_t db, struct slice key, struct object *o, uint32_t n, const struct slice *m,
		const struct set_rules *r)
{
	if (o == NULL)
		return add_fresh(s, db, key, n, m, r);
	if (o->enc == ENC_HASHTABLE) {
		struct htab *t = &set_table_of(o)->t;
		return n == 1 ? table_add_one(s, db, key, t, *m) : table_add_many(s, db, key, t, n, m);
	}
	struct need need = need_of(o, n, m, r->limits);

	if (n == 1 && need.absent == 0)
		return 0;
	if (!stays(o, n, &need, r->limits))
		return add_rebuilt(s, db, key, o, n, m, r);
	return need.absent > 0 ? compact_add(s, db, key, n, m, &need) : 0;
}

/* ---- taking out ---- */

static bool has_any(const struct object *o, uint32_t n, const struct slice *m)
{
	for (uint32_t i = 0; i < n; i++)
		if (set_has_text(o, m[i]))
			return true;
	return false;
}

static int64_t compact_remove(struct store *s, uint32_t db, struct slice key, uint32_t n, const struct slice *m,
			      bool *gone)
{
	struct object *o = store_write(s, db, key);
	enum obj_enc enc = o->enc;
	struct compact c;
	int64_t removed = 0;

	if (!compact_begin(&c, s, db, o))
		return SET_NO_MEMORY;
	for (uint32_t i = 0; i < n; i++) {
		struct lp_key k = lp_key_of(m[i]);
		removed += set_compact_remove(enc, &c.b, &k);
	}
	*gone = set_compact_count(enc, c.b.p) == 0;
	compact_end(&c);
	return removed;
}

static int64_t table_remove(struct store *s, uint32_t db, struct slice key, struct htab *t, uint32_t n,
			    const struct slice *m, bool *gone)
{
	int64_t removed = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint64_t hash = htab_hash(t, m[i]);
		struct elem *e = t->count > 0 ? htab_find_hashed(t, m[i], hash) : NULL;
		if (e == NULL)
			continue;
		if (removed++ == 0)
			store_write(s, db, key);
		htab_remove_hashed(t, store_heap(s), e, hash);
		heap_free(store_heap(s), e);
	}
	*gone = t->count == 0;
	return removed;
}

int64_t set_remove(struct store *s, uint32_t db, struct slice key, struct object *o, uint32_t n, const struct slice *m,
		   bool *gone)
{
	int64_t removed;

	*gone = false;
	if (o->enc == ENC_HASHTABLE)
		removed = table_remove(s, db, key, &set_table_of(o)->t, n, m, gone);
	else
		removed = has_any(o, n, m) ? compact_remove(s, db, key, n, m, gone) : 0;
	if (*gone)
		store_delete(s, db, key);
	return removed;
}

struct object *set_write(struct store *s, uint32_t db, struct slice key)
{
	struct object *o = store_write(s, db, key);
	struct compact c;

	if (o->enc == ENC_HASHTABLE || obj_blob(o) == NULL)
		return o;
	return compact_begin(&c, s, db, o) ? compact_end(&c) : NULL;
}

static void compact_take(enum obj_enc enc, struct cbuf *b, size_t at)
{
	if (enc == ENC_INTSET)
		intset_remove(b, intset_get(b->p, (uint32_t)at));
	else
		lp_delete(b, at, 1);
}

struct object *set_take(struct store *s, uint32_t db, struct object *o, const struct set_pick *pick)
{
	struct compact c;

	if (o->enc == ENC_HASHTABLE) {
		htab_remove(&set_table_of(o)->t, store_heap(s), pick->e);
		heap_free(store_heap(s), pick->e);
		return o;
	}
	rp_assert(compact_begin(&c, s, db, o));
	compact_take(o->enc, &c.b, pick->at);
	return compact_end(&c);
}

/* Walks once; each member goes with the chance that is left for it. */
static void compact_take_some(struct store *s, uint32_t db, struct object *o, uint64_t n, struct rng *rng,
			      set_visit_fn fn, void *ctx)
{
	enum obj_enc enc = o->enc;
	char buf[NUM_I64_CHARS];
	struct compact c;

	rp_assert(compact_begin(&c, s, db, o));
	size_t at = enc == ENC_INTSET ? 0 : lp_first(c.b.p);
	for (uint64_t left = set_compact_count(enc, c.b.p); n > 0; left--) {
		if (rng_below(rng, left) >= n) {
			at = enc == ENC_INTSET ? at + 1 : lp_next(c.b.p, at);
			continue;
		}
		if (enc == ENC_INTSET)
			fn(ctx, (struct slice){buf, num_format_i64(buf, intset_get(c.b.p, (uint32_t)at))});
		else
			fn(ctx, lp_get(c.b.p, at, buf));
		compact_take(enc, &c.b, at);
		n--;
	}
	compact_end(&c);
}

void set_take_some(struct store *s, uint32_t db, struct object *o, uint64_t n, struct rng *rng, set_visit_fn fn,
		   void *ctx)
{
	if (o->enc != ENC_HASHTABLE) {
		compact_take_some(s, db, o, n, rng, fn, ctx);
		return;
	}
	struct htab *t = &set_table_of(o)->t;

	for (; n > 0; n--) {
		struct elem *e = htab_random(t, rng);
		fn(ctx, elem_name(e));
		htab_remove(t, store_heap(s), e);
		heap_free(store_heap(s), e);
	}
}
