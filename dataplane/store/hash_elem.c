/* Hashes as tables: elements and payloads. */
#include "store/hash_priv.h"

static char *time_place(const struct elem *e)
{
	return (char *)(uintptr_t)e->name + e->len;
}

static char *value_place(const struct elem *e)
{
	return time_place(e) + (e->aux & HELEM_TTL ? sizeof(int64_t) : 0);
}

static size_t value_bytes(const struct elem *e)
{
	return e->aux & HELEM_BLOB ? sizeof(struct blob *) : e->aux & HELEM_LEN;
}

static struct blob *blob_of(const struct elem *e)
{
	struct blob *b = NULL;

	if (e->aux & HELEM_BLOB)
		memcpy(&b, value_place(e), sizeof b);
	return b;
}

int64_t helem_at(const struct elem *e)
{
	int64_t at_ms = HASH_NO_TTL;

	if (e->aux & HELEM_TTL)
		memcpy(&at_ms, time_place(e), sizeof at_ms);
	return at_ms;
}

struct slice helem_value(const struct elem *e, struct blob **blob)
{
	*blob = blob_of(e);
	if (rp_unlikely(*blob != NULL))
		return (struct slice){(*blob)->data, (*blob)->len};
	return (struct slice){value_place(e), e->aux & HELEM_LEN};
}

void helem_set_ttl(struct elem *e, int64_t at_ms)
{
	memcpy(time_place(e), &at_ms, sizeof at_ms);
}

/* Time and value behind the name. */
static void fill(struct elem *e, struct slice value, int64_t at_ms)
{
	e->aux = (uint32_t)value.len;
	if (at_ms != HASH_NO_TTL) {
		e->aux |= HELEM_TTL;
		helem_set_ttl(e, at_ms);
	}
	if (value.len > 0)
		memcpy(value_place(e), value.ptr, value.len);
}

static struct elem *create(struct heap *h, struct slice name, struct slice value, int64_t at_ms)
{
	size_t room = name.len + value.len + (at_ms != HASH_NO_TTL ? sizeof at_ms : 0);
	struct elem *e = heap_alloc(h, sizeof *e + room);

	if (e != NULL) {
		e->len = (uint32_t)name.len;
		if (name.len > 0)
			memcpy(e->name, name.ptr, name.len);
		fill(e, value, at_ms);
	}
	return e;
}

static struct blob *blob_with(struct heap *h, struct slice value)
{
	struct blob *b = blob_create(h, value.len);

	if (b != NULL) {
		memcpy(b->data, value.ptr, value.len);
		b->len = value.len;
	}
	return b;
}

struct elem *helem_create(struct heap *h, struct slice name, struct slice value, struct blob *from, int64_t at_ms)
{
	if (rp_likely(value.len < HASH_BLOB_MIN))
		return create(h, name, value, at_ms);
	struct blob *b = from != NULL && from->data == value.ptr ? blob_ref(from) : blob_with(h, value);
	struct elem *e = b == NULL ? NULL : create(h, name, (struct slice){(char *)&b, sizeof b}, at_ms);

	if (e == NULL) {
		if (b != NULL)
			blob_unref(b, h);
		return NULL;
	}
	e->aux = HELEM_BLOB | (e->aux & HELEM_TTL);
	return e;
}

struct elem *helem_with_ttl(struct heap *h, const struct elem *e, int64_t at_ms)
{
	struct elem *n = create(h, elem_name(e), (struct slice){value_place(e), value_bytes(e)}, at_ms);

	if (n != NULL)
		n->aux = e->aux | (n->aux & HELEM_TTL);
	return n;
}

void helem_free(struct heap *h, struct elem *e)
{
	struct blob *b = blob_of(e);

	if (rp_unlikely(b != NULL))
		blob_unref(b, h);
	heap_free(h, e);
}

bool helem_rewrites(struct heap *h, const struct elem *e, struct slice value)
{
	size_t need = sizeof *e + e->len + value.len, have = heap_usable(h, e);

	return !(e->aux & HELEM_BLOB) && value.len < HASH_BLOB_MIN && need <= have && heap_good_size(need) * 2 >= have;
}

void helem_rewrite(struct elem *e, struct slice value)
{
	fill(e, value, HASH_NO_TTL);
}

void helem_drop_ttl(struct elem *e)
{
	char *from = value_place(e);

	memmove(time_place(e), from, value_bytes(e));
	e->aux &= ~HELEM_TTL;
}

/* ---- tables ---- */

struct hash_table *hash_table_create(struct heap *h, uint64_t seed)
{
	struct hash_table *t = heap_alloc(h, sizeof *t);

	if (t != NULL) {
		*t = (struct hash_table){.h.head.type = OBJ_HASH};
		htab_init(&t->t, seed);
	}
	return t;
}

bool hash_table_expect_times(struct hash_table *t, struct heap *h, uint32_t n)
{
	if (t->times == NULL) {
		t->times = heap_zalloc(h, sizeof *t->times);
		if (t->times == NULL)
			return false;
		btree_init(&t->times->tree, NULL);
		t->times->timer.as.flags = OBJ_F_EXPIRE;
		t->times->timer.due.at_ms = INT64_MAX;
		t->h.timer = &t->times->timer;
	}
	return btree_reserve(&t->times->tree, h, n);
}

bool hash_table_put(struct hash_table *t, struct heap *h, struct elem *e)
{
	uint64_t hash = htab_hash(&t->t, elem_name(e));
	struct elem *old = t->t.count > 0 ? htab_find_hashed(&t->t, elem_name(e), hash) : NULL;

	/* Removing may take away what was reserved, so it comes last. */
	if (e->aux & HELEM_TTL)
		rp_assert(btree_insert(&t->times->tree, h, (uint64_t)helem_at(e), e));
	if (old != NULL) {
		if (old->aux & HELEM_TTL)
			btree_remove(&t->times->tree, h, (uint64_t)helem_at(old), old);
		htab_replace(&t->t, old, e);
		helem_free(h, old);
	} else {
		htab_insert_hashed(&t->t, h, e, hash);
	}
	return old == NULL;
}

void hash_table_take(struct hash_table *t, struct heap *h, struct elem *e)
{
	if (e->aux & HELEM_TTL)
		btree_remove(&t->times->tree, h, (uint64_t)helem_at(e), e);
	htab_remove(&t->t, h, e);
	helem_free(h, e);
}

static void free_elem(void *ctx, struct elem *e)
{
	helem_free(ctx, e);
}

static bool table_drain(struct heap *h, struct hash_table *t, uint32_t *budget)
{
	if (t->times != NULL) {
		if (!btree_drain(&t->times->tree, h, budget, NULL, NULL))
			return false;
		heap_free(h, t->times);
		t->times = NULL;
	}
	if (!htab_drain(&t->t, h, budget, free_elem, h))
		return false;
	htab_fini(&t->t, h);
	heap_free(h, t);
	return true;
}

void hash_table_destroy(struct heap *h, struct hash_table *t)
{
	uint32_t budget = UINT32_MAX;

	while (t != NULL && !table_drain(h, t, &budget))
		budget = UINT32_MAX;
}

static struct elem *elem_copy(struct heap *to, const struct elem *e)
{
	struct blob *b = blob_of(e);
	int64_t at_ms = helem_at(e);
	struct elem *n = create(to, elem_name(e), (struct slice){value_place(e), value_bytes(e)}, at_ms);

	if (n != NULL)
		n->aux = e->aux;
	if (n != NULL && b != NULL)
		blob_ref(b);
	return n;
}

static struct payload *table_clone(struct heap *to, const struct hash_table *from)
{
	struct hash_table *t = hash_table_create(to, from->t.seed);
	struct htab_iter it;
	struct elem *e, *n;

	if (t == NULL)
		return NULL;
	htab_reserve(&t->t, to, from->t.count);
	htab_iter_begin(&it, &from->t);
	while ((e = htab_iter_next(&it)) != NULL) {
		if (((e->aux & HELEM_TTL) && !hash_table_expect_times(t, to, 1)) || (n = elem_copy(to, e)) == NULL) {
			hash_table_destroy(to, t);
			return NULL;
		}
		hash_table_put(t, to, n);
	}
	if (t->times != NULL)
		btree_trim(&t->times->tree, to);
	return &t->h.head;
}

static size_t table_bytes(const struct hash_table *t, uint32_t samples)
{
	uint64_t seen = 0, sum = 0;
	struct htab_iter it;
	struct elem *e;

	htab_iter_begin(&it, &t->t);
	while ((samples == 0 || seen < samples) && (e = htab_iter_next(&it)) != NULL) {
		struct blob *b = blob_of(e);
		sum += heap_good_size((size_t)(value_place(e) - (char *)e) + value_bytes(e));
		sum += b != NULL ? heap_good_size(sizeof *b + b->cap) : 0;
		seen++;
	}
	if (seen > 0)
		sum = (uint64_t)((double)sum / (double)seen * (double)t->t.count);
	if (t->times != NULL)
		sum += heap_good_size(sizeof *t->times) + btree_bytes(&t->times->tree);
	return heap_good_size(sizeof *t) + htab_bytes(&t->t) + sum;
}

/* ---- either payload ---- */

static bool hash_drain(struct heap *h, struct payload *p, uint32_t *budget)
{
	struct hash *x = (struct hash *)p;

	if (!x->packed)
		return table_drain(h, (struct hash_table *)x, budget);
	hash_pack_destroy((struct hash_pack *)x);
	*budget -= *budget > 0;
	return true;
}

static struct payload *hash_clone(struct heap *to, const struct payload *p)
{
	const struct hash *x = (const struct hash *)p;

	if (!x->packed)
		return table_clone(to, (const struct hash_table *)x);
	const struct hash_pack *from = (const struct hash_pack *)x;
	struct hash_pack *n = hash_pack_create(to);

	if (n == NULL || !cbuf_reserve(&n->b, from->b.len)) {
		if (n != NULL)
			hash_pack_destroy(n);
		return NULL;
	}
	memcpy(n->b.p, from->b.p, from->b.len);
	n->b.len = from->b.len;
	return &n->h.head;
}

static size_t hash_bytes(const struct payload *p, uint32_t samples)
{
	const struct hash *x = (const struct hash *)p;

	if (!x->packed)
		return table_bytes((const struct hash_table *)x, samples);
	const struct hash_pack *pack = (const struct hash_pack *)x;

	return heap_good_size(sizeof *pack) + heap_good_size(pack->b.cap);
}

static const struct htab *hash_fields(const struct payload *p)
{
	const struct hash *h = (const struct hash *)p;

	return h->packed ? NULL : &((const struct hash_table *)h)->t;
}

const struct obj_type_ops hash_type_ops = {
	.drain = hash_drain, .clone = hash_clone, .bytes = hash_bytes, .table = hash_fields};
