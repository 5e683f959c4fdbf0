/* Hashes in the making: their form follows their fields as Redis's does. */
#include "store/hash_priv.h"

static bool build_reserve(struct cbuf *c, size_t cap)
{
	struct hash_build *b = rp_container_of(c, struct hash_build, b);
	size_t want = cap + cap / 2;
	uint8_t *p = heap_realloc(b->heap, c->p == b->room ? NULL : c->p, want);

	if (p == NULL)
		return false;
	if (c->p == b->room)
		memcpy(p, c->p, c->len);
	c->p = p;
	c->cap = want;
	return true;
}

static void bytes_init(struct hash_build *b)
{
	b->b = (struct cbuf){.p = b->room, .len = LP_EMPTY_BYTES, .cap = sizeof b->room, .reserve = build_reserve};
	lp_init(b->b.p);
}

static void bytes_drop(struct hash_build *b)
{
	if (b->b.p != b->room)
		heap_free(b->heap, b->b.p);
	bytes_init(b);
}

void hash_build_begin(struct hash_build *b, struct heap *heap, const struct hash_rules *r)
{
	b->heap = heap;
	b->rules = *r;
	b->enc = ENC_LISTPACK;
	b->table = NULL;
	bytes_init(b);
}

bool hash_build_from(struct hash_build *b, struct heap *heap, const struct hash_rules *r, const struct object *o)
{
	struct slice bytes = o->enc == ENC_LISTPACKEX
				     ? (struct slice){(char *)hash_pack_of(o)->b.p, hash_pack_of(o)->b.len}
				     : obj_compact(o);

	hash_build_begin(b, heap, r);
	b->enc = o->enc;
	if (!cbuf_reserve(&b->b, bytes.len))
		return false;
	memcpy(b->b.p, bytes.ptr, bytes.len);
	b->b.len = bytes.len;
	return true;
}

static uint32_t step_of(const struct hash_build *b)
{
	return b->enc == ENC_LISTPACKEX ? 3 : 2;
}

static bool to_pack(struct hash_build *b)
{
	struct hash_build from = *b;
	bool inside = b->b.p == b->room;

	if (inside)
		from.b.p = from.room;
	bytes_init(b);
	b->enc = ENC_LISTPACKEX;
	bool ok = hpack_widen(&b->b, from.b.p);
	if (!inside)
		heap_free(b->heap, from.b.p);
	return ok;
}

static int table_put(struct hash_build *b, struct slice field, struct slice value, int64_t at_ms)
{
	struct hash_table *t = b->table;

	if (t == NULL && (t = b->table = hash_table_create(b->heap, b->rules.seed)) == NULL)
		return HASH_NO_MEMORY;
	if (at_ms == HASH_KEEP_TTL) {
		const struct elem *old = htab_find(&t->t, field);
		at_ms = old != NULL ? helem_at(old) : HASH_NO_TTL;
	}
	if (at_ms != HASH_NO_TTL && !hash_table_expect_times(t, b->heap, 1))
		return HASH_NO_MEMORY;
	struct elem *e = helem_create(b->heap, field, value, b->rules.blob, at_ms);

	return e == NULL ? HASH_NO_MEMORY : hash_table_put(t, b->heap, e);
}

static bool to_table(struct hash_build *b)
{
	uint32_t step = step_of(b), n = hpack_count(b->b.p, step);
	struct hash_item it;

	if (b->table == NULL && (b->table = hash_table_create(b->heap, b->rules.seed)) == NULL)
		return false;
	htab_reserve(&b->table->t, b->heap, (uint64_t)n + 1);
	for (size_t off = lp_first(b->b.p); off != 0;) {
		off = hpack_item(b->b.p, off, step, &it);
		if (table_put(b, it.field, it.value, it.at_ms) == HASH_NO_MEMORY)
			return false;
	}
	b->enc = ENC_HASHTABLE;
	bytes_drop(b);
	return true;
}

bool hash_build_expect(struct hash_build *b, uint64_t n)
{
	if (b->enc == ENC_HASHTABLE || n <= b->rules.limits->hash_max_listpack_entries)
		return true;
	if (!to_table(b))
		return false;
	htab_reserve(&b->table->t, b->heap, RP_MIN(n, UINT16_MAX));
	return true;
}

int hash_build_put(struct hash_build *b, struct slice field, struct slice value, int64_t at_ms)
{
	size_t bytes = b->b.len + lp_entry_bytes(field) + lp_entry_bytes(value) + HASH_TIME_BYTES;

	if (b->enc != ENC_HASHTABLE && !hash_pack_takes(b->rules.limits, field, value, bytes) && !to_table(b))
		return HASH_NO_MEMORY;
	if (b->enc == ENC_LISTPACK && at_ms >= 0 && !to_pack(b))
		return HASH_NO_MEMORY;
	if (b->enc == ENC_HASHTABLE)
		return table_put(b, field, value, at_ms);
	struct lp_key k = lp_key_of(field);
	uint32_t step = step_of(b);
	int added = hpack_put(&b->b, hpack_find(b->b.p, &k, step), field, value, at_ms, step);

	if (added == 1 && hpack_count(b->b.p, step) > b->rules.limits->hash_max_listpack_entries && !to_table(b))
		return HASH_NO_MEMORY;
	return added;
}

uint64_t hash_build_count(const struct hash_build *b)
{
	if (b->enc == ENC_HASHTABLE)
		return b->table != NULL ? b->table->t.count : 0;
	return hpack_count(b->b.p, step_of(b));
}

void hash_build_drop(struct hash_build *b)
{
	hash_table_destroy(b->heap, b->table);
	b->table = NULL;
	bytes_drop(b);
}

/* Of a table or a pack. NULL: out of memory. */
static struct payload *payload_of(struct hash_build *b)
{
	struct hash_pack *p;
	struct hash_table *t = b->table;

	if (b->enc == ENC_HASHTABLE) {
		if (t->times != NULL)
			btree_trim(&t->times->tree, b->heap);
		b->table = NULL;
		return &t->h.head;
	}
	p = hash_pack_create(b->heap);
	if (p == NULL || !cbuf_reserve(&p->b, b->b.len)) {
		if (p != NULL)
			hash_pack_destroy(p);
		return NULL;
	}
	memcpy(p->b.p, b->b.p, b->b.len);
	p->b.len = b->b.len;
	return &p->h.head;
}

struct object *hash_build_store(struct hash_build *b, struct store *s, uint32_t db, struct slice key,
				int64_t expire_at_ms)
{
	struct slice bytes = {(const char *)b->b.p, b->b.len};
	struct payload *p;
	struct object *o = NULL;

	if (b->enc == ENC_LISTPACK) {
		o = store_add_compact(s, db, key, OBJ_HASH, ENC_LISTPACK, bytes, expire_at_ms);
	} else if ((p = payload_of(b)) != NULL) {
		o = store_add_payload(s, db, key, b->enc, p, expire_at_ms);
		if (o == NULL)
			store_release(s, p);
	}
	hash_build_drop(b);
	return o;
}

/* Another structure for the same value. */
static void exchange_payload(struct store *s, struct object *o, enum obj_enc enc, struct payload *p)
{
	struct payload *old = obj_payload(o);

	memcpy(obj_value(o), &p, sizeof p);
	o->enc = enc & 0xf;
	store_release(s, old);
}

bool hash_build_replace(struct hash_build *b, struct store *s, uint32_t db, struct object *o)
{
	struct payload *p;
	bool ok = true;

	if (b->enc == ENC_LISTPACK) {
		ok = store_to_compact(s, db, &o, ENC_LISTPACK, (struct slice){(const char *)b->b.p, b->b.len});
	} else if ((p = payload_of(b)) == NULL) {
		ok = false;
	} else if (obj_is_compact(o)) {
		store_to_payload(s, db, &o, b->enc, p);
		store_fields_arm(s, db, o);
	} else {
		store_fields_disarm(s, o);
		exchange_payload(s, o, b->enc, p);
		store_fields_arm(s, db, o);
	}
	hash_build_drop(b);
	return ok;
}
