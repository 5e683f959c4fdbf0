/* Hashes: reading them in any form. */
#include "store/hash_priv.h"

/* Draws from a table before it is walked for a field that is not expired. */
#define RANDOM_TRIES 32

static uint32_t step_of(const struct object *o)
{
	return o->enc == ENC_LISTPACKEX ? 3 : 2;
}

static const uint8_t *bytes_of(const struct object *o)
{
	return o->enc == ENC_LISTPACKEX ? hash_pack_of(o)->b.p : (const uint8_t *)obj_compact(o).ptr;
}

static uint64_t due_count(const struct object *o, int64_t now_ms)
{
	if (rp_likely(!hash_is_due(o, now_ms)))
		return 0;
	if (o->enc == ENC_LISTPACKEX)
		return hpack_due(bytes_of(o), now_ms);
	const struct btree *tree = &hash_table_of(o)->times->tree;
	struct btree_pos pos = btree_lower_bound(tree, (uint64_t)now_ms, NULL, NULL);

	return pos.leaf != NULL ? btree_pos_rank(tree, pos) : tree->count;
}

const struct htab *hash_htab(const struct object *o)
{
	return o->enc == ENC_HASHTABLE ? &hash_table_of(o)->t : NULL;
}

uint64_t hash_count(const struct object *o, int64_t now_ms)
{
	uint64_t n = o->enc == ENC_HASHTABLE ? hash_table_of(o)->t.count : hpack_count(bytes_of(o), step_of(o));

	return n - due_count(o, now_ms);
}

bool hash_has_times(const struct object *o)
{
	return o->enc == ENC_LISTPACKEX ||
	       (o->enc == ENC_HASHTABLE && hash_table_of(o)->times != NULL && hash_table_of(o)->times->tree.count > 0);
}

bool hash_ends_before(const struct object *o, int64_t at_ms)
{
	if (!hash_is_due(o, at_ms))
		return false;
	if (o->enc == ENC_LISTPACKEX)
		return hpack_due(bytes_of(o), at_ms) == hpack_count(bytes_of(o), 3);
	const struct hash_table *t = hash_table_of(o);

	return t->times->tree.count == t->t.count && (int64_t)btree_key(btree_last(&t->times->tree)) < at_ms;
}

static bool alive(int64_t at_ms, int64_t now_ms)
{
	return at_ms == HASH_NO_TTL || at_ms >= now_ms;
}

static void elem_item(const struct elem *e, struct hash_item *it)
{
	it->field = elem_name(e);
	it->value = helem_value(e, &it->blob);
	it->at_ms = helem_at(e);
}

bool hash_get(const struct object *o, struct slice field, int64_t now_ms, struct hash_item *it)
{
	if (o->enc == ENC_HASHTABLE) {
		const struct elem *e = htab_find(&hash_table_of(o)->t, field);
		if (e == NULL)
			return false;
		elem_item(e, it);
		return rp_likely(alive(it->at_ms, now_ms));
	}
	struct lp_key k = lp_key_of(field);
	const uint8_t *p = bytes_of(o);
	size_t off = hpack_find(p, &k, step_of(o));

	if (off == 0)
		return false;
	hpack_item(p, off, step_of(o), it);
	it->field = field;
	return alive(it->at_ms, now_ms);
}

void hash_iter_begin(struct hash_iter *it, const struct object *o, int64_t now_ms)
{
	*it = (struct hash_iter){.o = o, .now_ms = now_ms};
	if (o->enc == ENC_HASHTABLE) {
		htab_iter_begin(&it->it, &hash_table_of(o)->t);
		return;
	}
	it->p = bytes_of(o);
	it->at = lp_first(it->p);
}

bool hash_iter_next(struct hash_iter *it, struct hash_item *item)
{
	struct elem *e;

	do {
		if (it->o->enc == ENC_HASHTABLE) {
			if ((e = htab_iter_next(&it->it)) == NULL)
				return false;
			elem_item(e, item);
			continue;
		}
		if (it->at == 0)
			return false;
		it->at = hpack_item(it->p, it->at, step_of(it->o), item);
	} while (rp_unlikely(!alive(item->at_ms, it->now_ms)));
	return true;
}

/* The n-th that is not expired. */
static void nth(const struct object *o, uint64_t n, int64_t now_ms, struct hash_item *it)
{
	struct hash_iter walk;

	hash_iter_begin(&walk, o, now_ms);
	do
		rp_assert(hash_iter_next(&walk, it));
	while (n-- > 0);
}

void hash_random(const struct object *o, int64_t now_ms, struct rng *rng, struct hash_item *it)
{
	uint64_t due = due_count(o, now_ms), live = hash_count(o, now_ms);

	if (o->enc != ENC_HASHTABLE) {
		uint64_t at = due + rng_below(rng, live);
		hpack_item(bytes_of(o), lp_seek(bytes_of(o), (int64_t)(at * step_of(o))), step_of(o), it);
		return;
	}
	for (int i = 0; i < RANDOM_TRIES; i++) {
		elem_item(htab_random(&hash_table_of(o)->t, rng), it);
		if (alive(it->at_ms, now_ms))
			return;
	}
	nth(o, rng_below(rng, live), now_ms, it);
}

struct scan {
	int64_t now_ms;
	hash_visit_fn fn;
	void *ctx;
};

static void scan_elem(void *ctx, struct elem *e)
{
	const struct scan *x = ctx;
	struct hash_item it;

	elem_item(e, &it);
	if (alive(it.at_ms, x->now_ms))
		x->fn(x->ctx, &it);
}

uint64_t hash_scan(const struct object *o, uint64_t cursor, int64_t now_ms, hash_visit_fn fn, void *ctx)
{
	struct scan x = {now_ms, fn, ctx};
	struct hash_iter it;
	struct hash_item item;

	if (o->enc == ENC_HASHTABLE)
		return htab_scan(&hash_table_of(o)->t, cursor, scan_elem, &x);
	hash_iter_begin(&it, o, now_ms);
	while (hash_iter_next(&it, &item))
		fn(ctx, &item);
	return 0;
}
