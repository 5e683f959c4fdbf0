/* Hashes of keys: setting and removing fields. What can fail comes first. */
#include "store/hash_priv.h"

/* ---- setting: new keys and other forms ---- */

static bool build_put_all(struct hash_build *b, uint32_t n, const struct slice *pairs, int64_t at_ms, int64_t *added)
{
	*added = 0;
	if (!hash_build_expect(b, n))
		return false;
	for (uint32_t i = 0; i < n; i++) {
		int one = hash_build_put(b, pairs[2 * i], pairs[2 * i + 1], at_ms);
		if (one == HASH_NO_MEMORY)
			return false;
		*added += one;
	}
	return true;
}

static int64_t set_fresh(struct store *s, uint32_t db, struct slice key, uint32_t n, const struct slice *pairs,
			 int64_t at_ms, const struct hash_rules *r)
{
	struct hash_build b;
	int64_t added;

	hash_build_begin(&b, store_heap(s), r);
	if (!build_put_all(&b, n, pairs, at_ms, &added)) {
		hash_build_drop(&b);
		return HASH_NO_MEMORY;
	}
	return hash_build_store(&b, s, db, key, STORE_NO_EXPIRE) != NULL ? added : HASH_NO_MEMORY;
}

static int64_t set_rebuilt(struct store *s, uint32_t db, struct slice key, struct object *o, uint32_t n,
			   const struct slice *pairs, int64_t at_ms, const struct hash_rules *r)
{
	struct hash_build b;
	int64_t added;

	if (!hash_build_from(&b, store_heap(s), r, o) || !build_put_all(&b, n, pairs, at_ms, &added)) {
		hash_build_drop(&b);
		return HASH_NO_MEMORY;
	}
	o = store_write(s, db, key);
	return hash_build_replace(&b, s, db, o) ? added : HASH_NO_MEMORY;
}

/* ---- setting: listpacks ---- */

/* What setting pairs in a listpack would take. */
struct need {
	uint64_t absent;
	size_t bytes; /* more than now, at most */
	size_t off;   /* of the last pair's field, 0: absent */
	bool fits;    /* no pair changes the form */
};

static struct need need_of(const uint8_t *p, uint32_t step, uint32_t n, const struct slice *pairs,
			   const struct type_limits *l)
{
	struct need need = {.fits = true};

	for (uint32_t i = 0; i < n; i++) {
		struct lp_key k = lp_key_of(pairs[2 * i]);
		size_t value = lp_entry_bytes(pairs[2 * i + 1]);
		need.fits = need.fits && hash_pack_takes(l, k.s, pairs[2 * i + 1], 0);
		need.off = hpack_find(p, &k, step);
		if (need.off == 0) {
			need.absent++;
			need.bytes += lp_entry_bytes(k.s) + value;
		} else {
			size_t old = lp_entry_size(p, lp_next(p, need.off));
			need.bytes += step == 3 ? value : value > old ? value - old : 0;
		}
		need.bytes += step == 3 ? HASH_TIME_BYTES : 0;
	}
	return need;
}

static bool stays(const uint8_t *p, uint32_t step, uint32_t n, const struct need *need, const struct type_limits *l)
{
	uint64_t count = hpack_count(p, step) + need->absent;

	return need->fits && n <= l->hash_max_listpack_entries && count <= l->hash_max_listpack_entries &&
	       count * step < UINT16_MAX && lp_bytes(p) + need->bytes <= LP_MAX_BYTES;
}

/* Memory is reserved. */
static int64_t put_all(struct cbuf *b, uint32_t step, uint32_t n, const struct slice *pairs, int64_t at_ms,
		       const struct need *need)
{
	int64_t added = 0;

	if (n == 1)
		return hpack_put(b, need->off, pairs[0], pairs[1], at_ms, step);
	for (uint32_t i = 0; i < n; i++) {
		struct lp_key k = lp_key_of(pairs[2 * i]);
		added += hpack_put(b, hpack_find(b->p, &k, step), k.s, pairs[2 * i + 1], at_ms, step);
	}
	return added;
}

static int64_t compact_set(struct store *s, uint32_t db, struct slice key, uint32_t n, const struct slice *pairs,
			   const struct need *need)
{
	struct object *o = store_write(s, db, key);
	int64_t added = HASH_NO_MEMORY;
	struct compact c;

	if (!compact_begin(&c, s, db, o))
		return HASH_NO_MEMORY;
	if (cbuf_reserve(&c.b, c.b.len + need->bytes))
		added = put_all(&c.b, 2, n, pairs, HASH_NO_TTL, need);
	compact_end(&c);
	return added;
}

static int64_t pack_set(struct store *s, uint32_t db, struct slice key, struct object *o, uint32_t n,
			const struct slice *pairs, int64_t at_ms, const struct need *need)
{
	struct cbuf *b = &hash_pack_of(o)->b;
	int64_t added;

	if (!cbuf_reserve(b, b->len + need->bytes))
		return HASH_NO_MEMORY;
	o = store_write(s, db, key);
	added = put_all(b, 3, n, pairs, at_ms, need);
	store_fields_arm(s, db, o);
	return added;
}

/* ---- setting: tables ---- */

/* A field of a new element keeps the time that it has. */
static int64_t time_for(const struct htab *t, struct slice field, int64_t at_ms)
{
	const struct elem *old = at_ms == HASH_KEEP_TTL ? htab_find(t, field) : NULL;

	if (at_ms != HASH_KEEP_TTL)
		return at_ms;
	return old != NULL ? helem_at(old) : HASH_NO_TTL;
}

static void free_list(struct heap *h, struct elem *list)
{
	while (list != NULL) {
		struct elem *next = (struct elem *)(uintptr_t)list->next;
		helem_free(h, list);
		list = next;
	}
}

/* Elements for all pairs, chained in their order. false: out of memory. */
static bool make_list(struct heap *h, struct hash_table *t, uint32_t n, const struct slice *pairs, int64_t at_ms,
		      struct blob *blob, struct elem **list)
{
	*list = NULL;
	if (at_ms != HASH_NO_TTL && (at_ms != HASH_KEEP_TTL || t->times != NULL) && !hash_table_expect_times(t, h, n))
		return false;
	for (uint32_t i = n; i-- > 0;) {
		struct slice field = pairs[2 * i];
		struct elem *e = helem_create(h, field, pairs[2 * i + 1], blob, time_for(&t->t, field, at_ms));
		if (e == NULL) {
			free_list(h, *list);
			return false;
		}
		e->next = (uintptr_t)*list;
		*list = e;
	}
	return true;
}

static int64_t table_set(struct store *s, uint32_t db, struct slice key, struct hash_table *t, uint32_t n,
			 const struct slice *pairs, int64_t at_ms, struct blob *blob)
{
	struct heap *h = store_heap(s);
	struct elem *list;
	int64_t added = 0;

	if (!make_list(h, t, n, pairs, at_ms, blob, &list))
		return HASH_NO_MEMORY;
	struct object *o = store_write(s, db, key);

	while (list != NULL) {
		struct elem *e = list;
		list = (struct elem *)(uintptr_t)e->next;
		added += hash_table_put(t, h, e);
	}
	store_fields_arm(s, db, o);
	return added;
}

/* One field whose time does not matter. */
static int64_t table_set_one(struct store *s, uint32_t db, struct slice key, struct hash_table *t,
			     const struct slice *pair, struct blob *blob)
{
	struct heap *h = store_heap(s);
	uint64_t hash = htab_hash(&t->t, pair[0]);
	struct elem *old = htab_find_hashed(&t->t, pair[0], hash), *e;

	if (old != NULL && helem_rewrites(h, old, pair[1])) {
		store_write(s, db, key);
		helem_rewrite(old, pair[1]);
		return 0;
	}
	e = helem_create(h, pair[0], pair[1], blob, HASH_NO_TTL);
	if (e == NULL)
		return HASH_NO_MEMORY;
	store_write(s, db, key);
	if (old == NULL) {
		htab_insert_hashed(&t->t, h, e, hash);
		return 1;
	}
	htab_replace(&t->t, old, e);
	helem_free(h, old);
	return 0;
}

int64_t hash_set(struct store *s, uint32_t db, struct slice key, struct object *o, uint32_t n,
		 const struct slice *pairs, int64_t at_ms, const struct hash_rules *r)
{
	uint32_t step = 2;

	if (o == NULL)
		return set_fresh(s, db, key, n, pairs, at_ms, r);
	if (o->enc == ENC_HASHTABLE) {
		struct hash_table *t = hash_table_of(o);
		if (n == 1 && t->times == NULL && at_ms < 0)
			return table_set_one(s, db, key, t, pairs, r->blob);
		return table_set(s, db, key, t, n, pairs, at_ms, r->blob);
	}
	const uint8_t *p = (const uint8_t *)obj_compact(o).ptr;

	if (o->enc == ENC_LISTPACKEX) {
		step = 3;
		p = hash_pack_of(o)->b.p;
	}
	struct need need = need_of(p, step, n, pairs, r->limits);

	if ((step == 2 && at_ms >= 0) || !stays(p, step, n, &need, r->limits))
		return set_rebuilt(s, db, key, o, n, pairs, at_ms, r);
	if (step == 3)
		return pack_set(s, db, key, o, n, pairs, at_ms, &need);
	return compact_set(s, db, key, n, pairs, &need);
}

/* ---- removing ---- */

static bool has_any(const uint8_t *p, uint32_t step, uint32_t n, const struct slice *fields)
{
	for (uint32_t i = 0; i < n; i++) {
		struct lp_key k = lp_key_of(fields[i]);
		if (hpack_find(p, &k, step) != 0)
			return true;
	}
	return false;
}

static int64_t remove_all(struct cbuf *b, uint32_t step, uint32_t n, const struct slice *fields)
{
	int64_t removed = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct lp_key k = lp_key_of(fields[i]);
		size_t off = hpack_find(b->p, &k, step);
		if (off != 0) {
			lp_delete(b, off, step);
			removed++;
		}
	}
	return removed;
}

static int64_t compact_remove(struct store *s, uint32_t db, struct slice key, uint32_t n, const struct slice *fields,
			      bool *gone)
{
	struct object *o = store_write(s, db, key);
	struct compact c;
	int64_t removed;

	if (!compact_begin(&c, s, db, o))
		return HASH_NO_MEMORY;
	removed = remove_all(&c.b, 2, n, fields);
	*gone = lp_count(c.b.p) == 0;
	compact_end(&c);
	return removed;
}

static int64_t pack_remove(struct store *s, uint32_t db, struct slice key, struct object *o, uint32_t n,
			   const struct slice *fields, bool *gone)
{
	int64_t removed;

	o = store_write(s, db, key);
	removed = remove_all(&hash_pack_of(o)->b, 3, n, fields);
	*gone = hash_count(o, store_now_ms(s)) == 0;
	store_fields_arm(s, db, o);
	return removed;
}

static int64_t table_remove(struct store *s, uint32_t db, struct slice key, struct object *o, uint32_t n,
			    const struct slice *fields, bool *gone)
{
	struct hash_table *t = hash_table_of(o);
	int64_t removed = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct elem *e = htab_find(&t->t, fields[i]);
		if (e == NULL)
			continue;
		if (removed++ == 0)
			store_write(s, db, key);
		hash_table_take(t, store_heap(s), e);
	}
	*gone = hash_count(o, store_now_ms(s)) == 0;
	if (removed > 0)
		store_fields_arm(s, db, o);
	return removed;
}

int64_t hash_remove(struct store *s, uint32_t db, struct slice key, struct object *o, uint32_t n,
		    const struct slice *fields, bool *gone)
{
	int64_t removed = 0;

	*gone = false;
	if (o->enc == ENC_HASHTABLE)
		removed = table_remove(s, db, key, o, n, fields, gone);
	else if (o->enc == ENC_LISTPACKEX)
		removed = has_any(hash_pack_of(o)->b.p, 3, n, fields) ? pack_remove(s, db, key, o, n, fields, gone) : 0;
	else if (has_any((const uint8_t *)obj_compact(o).ptr, 2, n, fields))
		removed = compact_remove(s, db, key, n, fields, gone);
	if (*gone) /* it was expired if fields are left, and that is told already */
		*gone = store_delete(s, db, key);
	return removed;
}

struct object *hash_unshare(struct store *s, uint32_t db, struct object *o)
{
	struct compact c;

	if (obj_blob(o) == NULL)
		return o;
	return compact_begin(&c, s, db, o) ? compact_end(&c) : NULL;
}
