/* Times of fields: giving them, and what happens when they are over. */
#include "store/hash_priv.h"

#define BATCH 32 /* fields of one HDEL */

/* ---- expired fields go ---- */

static void tell_journal(struct store *s, uint32_t db, struct slice key, uint32_t n, struct slice *argv)
{
	argv[0] = SLICE("HDEL");
	argv[1] = key;
	journal_emit(store_journal(s), db, n + 2, argv);
}

/* The first n triples of a pack, at most BATCH. */
static void pack_drop(struct store *s, uint32_t db, struct object *o, uint32_t n)
{
	struct cbuf *b = &hash_pack_of(o)->b;
	struct hash_item items[BATCH];
	struct slice argv[BATCH + 2];
	size_t off = lp_first(b->p);

	for (uint32_t i = 0; i < n; i++) {
		off = hpack_item(b->p, off, 3, &items[i]);
		argv[i + 2] = items[i].field;
	}
	tell_journal(s, db, obj_key(o), n, argv);
	lp_delete(b, lp_first(b->p), 3 * n);
}

/* n elements, at most BATCH. */
static void table_drop(struct store *s, uint32_t db, struct object *o, uint32_t n, struct elem *const *e)
{
	struct slice argv[BATCH + 2];

	for (uint32_t i = 0; i < n; i++)
		argv[i + 2] = elem_name(e[i]);
	tell_journal(s, db, obj_key(o), n, argv);
	for (uint32_t i = 0; i < n; i++)
		hash_table_take(hash_table_of(o), store_heap(s), e[i]);
}

/* Up to n of those that are due first. */
static uint32_t table_drop_due(struct store *s, uint32_t db, struct object *o, uint32_t n)
{
	const struct btree *tree = &hash_table_of(o)->times->tree;
	struct btree_pos pos = btree_first(tree);
	struct elem *e[BATCH];
	uint32_t k = 0;

	while (k < n && pos.leaf != NULL && (int64_t)btree_key(pos) < store_now_ms(s)) {
		e[k++] = btree_ptr(pos);
		btree_next(&pos);
	}
	if (k > 0)
		table_drop(s, db, o, k, e);
	return k;
}

void hash_expire(struct store *s, uint32_t db, struct object *o, uint32_t *budget)
{
	struct slice key = obj_key(o);

	if (*budget == 0) {
		store_fields_arm(s, db, o); /* its timer fired */
		return;
	}
	store_touch_for_write(s, db, key, o);
	while (*budget > 0 && hash_is_due(o, store_now_ms(s))) {
		uint32_t n = RP_MIN(*budget, (uint32_t)BATCH);
		if (o->enc == ENC_LISTPACKEX) {
			n = RP_MIN(n, hpack_due(hash_pack_of(o)->b.p, store_now_ms(s)));
			pack_drop(s, db, o, n);
		} else {
			n = table_drop_due(s, db, o, n);
		}
		*budget -= n;
		store_fields_arm(s, db, o);
	}
	store_event(s, EVENT_HASH, "hexpired", db, key);
}

void hash_settle(struct store *s, uint32_t db, struct object *o, uint32_t n, const struct slice *fields, uint32_t step)
{
	uint32_t all = UINT32_MAX, dropped = 0;
	int64_t now_ms = store_now_ms(s);

	if (rp_likely(o == NULL || !hash_is_due(o, now_ms)))
		return;
	if (o->enc == ENC_LISTPACKEX) {
		hash_expire(s, db, o, &all);
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		struct elem *e = htab_find(&hash_table_of(o)->t, fields[i * step]);
		if (e == NULL || !(e->aux & HELEM_TTL) || helem_at(e) >= now_ms)
			continue;
		if (dropped++ == 0)
			store_touch_for_write(s, db, obj_key(o), o);
		table_drop(s, db, o, 1, &e);
	}
	if (dropped > 0) {
		store_event(s, EVENT_HASH, "hexpired", db, obj_key(o));
		store_fields_arm(s, db, o);
	}
}

/* ---- giving times ---- */

/* A listpack of pairs becomes one with times and room for n more. NULL: out of memory, nothing changed. */
static struct object *to_pack(struct store *s, uint32_t db, struct object *o, uint32_t n)
{
	struct hash_pack *p = hash_pack_create(store_heap(s));

	if (p == NULL || !hpack_widen(&p->b, (const uint8_t *)obj_compact(o).ptr) ||
	    !cbuf_reserve(&p->b, p->b.len + (size_t)n * HASH_TIME_BYTES)) {
		if (p != NULL)
			hash_pack_destroy(p);
		return NULL;
	}
	store_to_payload(s, db, &o, ENC_LISTPACKEX, &p->h.head);
	return o;
}

static void free_spares(struct hash_timing *x)
{
	while (x->spares != NULL) {
		struct elem *next = (struct elem *)(uintptr_t)x->spares->next;
		heap_free(store_heap(x->s), x->spares); /* a blob is the original's */
		x->spares = next;
	}
}

/* A copy with room for a time of each field that has none, in the order of the fields. */
static bool make_spares(struct hash_timing *x, uint32_t n, const struct slice *fields)
{
	struct hash_table *t = hash_table_of(x->o);

	if (!hash_table_expect_times(t, store_heap(x->s), n))
		return false;
	for (uint32_t i = n; i-- > 0;) {
		struct elem *e = htab_find(&t->t, fields[i]), *spare;
		if (e == NULL || (e->aux & HELEM_TTL))
			continue;
		spare = helem_with_ttl(store_heap(x->s), e, 0);
		if (spare == NULL) {
			free_spares(x);
			return false;
		}
		spare->next = (uintptr_t)x->spares;
		x->spares = spare;
	}
	return true;
}

bool hash_timing_begin(struct hash_timing *x, struct store *s, uint32_t db, struct slice key, struct object *o,
		       uint32_t n, const struct slice *fields)
{
	*x = (struct hash_timing){.s = s, .db = db, .key = key, .o = o};
	if (o->enc == ENC_HASHTABLE)
		return make_spares(x, n, fields);
	if (o->enc == ENC_LISTPACK)
		return (x->o = to_pack(s, db, o, n)) != NULL;
	struct cbuf *b = &hash_pack_of(o)->b;

	return cbuf_reserve(b, b->len + (size_t)n * HASH_TIME_BYTES);
}

void hash_timing_persisting(struct hash_timing *x, struct store *s, uint32_t db, struct slice key, struct object *o)
{
	*x = (struct hash_timing){.s = s, .db = db, .key = key, .o = o};
}

static void touch(struct hash_timing *x)
{
	if (!x->touched)
		store_write(x->s, x->db, x->key);
	x->touched = true;
}

/* The spare made for this use of the field, or NULL. */
static struct elem *pop_spare(struct hash_timing *x, struct slice field)
{
	struct elem *e = x->spares;

	if (e == NULL || !slice_eq(elem_name(e), field))
		return NULL;
	x->spares = (struct elem *)(uintptr_t)e->next;
	return e;
}

static void table_set_time(struct hash_timing *x, struct slice field, int64_t at_ms)
{
	struct hash_table *t = hash_table_of(x->o);
	struct elem *e = htab_find(&t->t, field), *spare = pop_spare(x, field);
	struct heap *h = store_heap(x->s);
	int64_t old_ms = helem_at(e);

	if (old_ms == HASH_NO_TTL) {
		htab_replace(&t->t, e, spare);
		heap_free(h, e);
		e = spare;
		spare = NULL;
	}
	if (spare != NULL) /* the field stood twice in the list */
		heap_free(h, spare);
	if (old_ms == at_ms)
		return;
	/* Removing may take away what was reserved, so it comes last. */
	if (at_ms != HASH_NO_TTL)
		rp_assert(btree_insert(&t->times->tree, h, (uint64_t)at_ms, e));
	if (old_ms != HASH_NO_TTL)
		btree_remove(&t->times->tree, h, (uint64_t)old_ms, e);
	if (at_ms != HASH_NO_TTL)
		helem_set_ttl(e, at_ms);
	else
		helem_drop_ttl(e);
}

void hash_timing_set(struct hash_timing *x, struct slice field, int64_t at_ms)
{
	touch(x);
	if (x->o->enc == ENC_HASHTABLE) {
		table_set_time(x, field, at_ms);
		return;
	}
	struct cbuf *b = &hash_pack_of(x->o)->b;
	struct lp_key k = lp_key_of(field);

	hpack_set_time(b, hpack_find(b->p, &k, 3), at_ms);
}

void hash_timing_skip(struct hash_timing *x, struct slice field)
{
	struct elem *spare = pop_spare(x, field);

	if (spare != NULL)
		heap_free(store_heap(x->s), spare);
}

void hash_timing_remove(struct hash_timing *x, struct slice field)
{
	touch(x);
	hash_timing_skip(x, field);
	if (x->o->enc == ENC_HASHTABLE) {
		struct hash_table *t = hash_table_of(x->o);
		hash_table_take(t, store_heap(x->s), htab_find(&t->t, field));
		return;
	}
	struct cbuf *b = &hash_pack_of(x->o)->b;
	struct lp_key k = lp_key_of(field);

	lp_delete(b, hpack_find(b->p, &k, 3), 3);
}

bool hash_timing_end(struct hash_timing *x)
{
	free_spares(x);
	store_fields_arm(x->s, x->db, x->o);
	if (hash_count(x->o, store_now_ms(x->s)) > 0)
		return false;
	return store_delete(x->s, x->db, x->key);
}
