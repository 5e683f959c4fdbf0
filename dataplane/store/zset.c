/* The large form of sorted sets: elements, table and tree. */
#include "base/hash.h"
#include "store/zset_priv.h"

/* ---- elements ------------------------------------------------------------------------------------------------ */

static size_t elem_bytes(size_t name_len, bool wide)
{
	return sizeof(struct elem) + name_len + (wide ? sizeof(double) : 0);
}

double zelem_score(const struct elem *e)
{
	double d;

	if (rp_likely((int32_t)e->aux != ZELEM_WIDE))
		return (int32_t)e->aux;
	memcpy(&d, e->name + e->len, sizeof d);
	return d;
}

bool zelem_fits(const struct heap *h, const struct elem *e, double score)
{
	return (int32_t)e->aux == ZELEM_WIDE || zscore_is_narrow(score) ||
	       heap_usable(h, e) >= elem_bytes(e->len, true);
}

void zelem_set(struct elem *e, double score)
{
	if (zscore_is_narrow(score)) {
		e->aux = (uint32_t)(int32_t)score;
		return;
	}
	e->aux = (uint32_t)ZELEM_WIDE;
	memcpy(e->name + e->len, &score, sizeof score);
}

struct elem *zelem_create(struct heap *h, struct slice name, double score)
{
	struct elem *e = heap_alloc(h, elem_bytes(name.len, !zscore_is_narrow(score)));

	if (e == NULL)
		return NULL;
	e->next = 0;
	e->len = (uint32_t)name.len;
	memcpy(e->name, name.ptr, name.len);
	zelem_set(e, score);
	return e;
}

static int elem_cmp(const void *a, const void *b)
{
	return zname_cmp(elem_name(a), elem_name(b));
}

static uint64_t elem_key(const struct elem *e)
{
	return btree_key_of_double(zelem_score(e));
}

/* ---- the set ------------------------------------------------------------------------------------------------- */

struct zset *zset_create(struct heap *h)
{
	struct zset *z = heap_alloc(h, sizeof *z);

	if (z == NULL)
		return NULL;
	z->p = (struct payload){.type = OBJ_ZSET};
	htab_init(&z->tab, hash64(&z, sizeof z, (uintptr_t)h));
	btree_init(&z->tree, elem_cmp);
	return z;
}

bool zset_put(struct zset *z, struct heap *h, struct elem *e, uint64_t hash)
{
	if (!btree_insert(&z->tree, h, elem_key(e), e))
		return false;
	htab_insert_hashed(&z->tab, h, e, hash);
	return true;
}

bool zset_rescore(struct zset *z, struct heap *h, struct elem *e, struct elem *bigger, double score)
{
	uint64_t from = elem_key(e), to = btree_key_of_double(score);
	struct elem *n = bigger != NULL ? bigger : e;

	if (from == to) {
		if (bigger != NULL)
			btree_replace_ptr(&z->tree, from, e, bigger);
	} else {
		if (!btree_insert(&z->tree, h, to, n))
			return false;
		btree_remove(&z->tree, h, from, e);
	}
	zelem_set(n, score);
	if (bigger != NULL) {
		htab_replace(&z->tab, e, bigger);
		heap_free(h, e);
	}
	return true;
}

void zset_drop(struct zset *z, struct heap *h, struct elem *e, uint64_t hash)
{
	btree_remove(&z->tree, h, elem_key(e), e);
	htab_remove_hashed(&z->tab, h, e, hash);
	heap_free(h, e);
}

struct zset *zset_of_listpack(struct heap *h, const uint8_t *lp)
{
	struct zset *z = zset_create(h);
	struct ziter it;
	struct zitem item;

	if (z == NULL)
		return NULL;
	ziter_begin(&it, (struct zval){.lp = lp}, 0, UINT64_MAX, false);
	while (ziter_next(&it, &item)) {
		struct elem *e = zelem_create(h, item.name, item.score);

		if (e == NULL || !zset_put(z, h, e, htab_hash(&z->tab, item.name))) {
			heap_free(h, e);
			zset_destroy(z, h);
			return NULL;
		}
	}
	return z;
}

/* ---- sets of one's own --------------------------------------------------------------------------------------- */

struct elem *zset_touch(struct zset *z, struct heap *h, struct slice name, bool *fresh)
{
	uint64_t hash = htab_hash(&z->tab, name);
	struct elem *e = htab_find_hashed(&z->tab, name, hash);

	*fresh = e == NULL;
	if (e == NULL && (e = zelem_create(h, name, 0)) != NULL)
		htab_insert_hashed(&z->tab, h, e, hash);
	return e;
}

bool zset_set_score(struct zset *z, struct heap *h, struct elem *e, double score)
{
	if (!zelem_fits(h, e, score)) {
		struct elem *bigger = zelem_create(h, elem_name(e), score);

		if (bigger == NULL)
			return false;
		htab_replace(&z->tab, e, bigger);
		heap_free(h, e);
		return true;
	}
	zelem_set(e, score);
	return true;
}

bool zset_index(struct zset *z, struct heap *h)
{
	struct htab_iter it;
	struct elem *e;

	htab_iter_begin(&it, &z->tab);
	while ((e = htab_iter_next(&it)) != NULL)
		if (!btree_insert(&z->tree, h, elem_key(e), e))
			return false;
	return true;
}

/* ---- what the store does with it ----------------------------------------------------------------------------- */

static void elem_free(void *ctx, struct elem *e)
{
	heap_free(ctx, e);
}

static bool zset_drain(struct heap *h, struct payload *p, uint32_t *budget)
{
	struct zset *z = (struct zset *)p;

	if (!btree_drain(&z->tree, h, budget, NULL, NULL) || !htab_drain(&z->tab, h, budget, elem_free, h))
		return false;
	htab_fini(&z->tab, h);
	heap_free(h, z);
	return true;
}

void zset_destroy(struct zset *z, struct heap *h)
{
	uint32_t budget = UINT32_MAX;

	while (z != NULL && !zset_drain(h, &z->p, &budget))
		budget = UINT32_MAX;
}

static struct payload *zset_clone(struct heap *to, const struct payload *p)
{
	const struct zset *from = (const struct zset *)p;
	struct zset *z = zset_create(to);
	struct btree_pos pos = btree_first(&from->tree);

	if (z == NULL)
		return NULL;
	htab_reserve(&z->tab, to, from->tab.count);
	for (; pos.leaf != NULL; btree_next(&pos)) {
		const struct elem *e = btree_ptr(pos);
		struct elem *n = zelem_create(to, elem_name(e), zelem_score(e));

		if (n == NULL || !zset_put(z, to, n, htab_hash(&z->tab, elem_name(n)))) {
			heap_free(to, n);
			zset_destroy(z, to);
			return NULL;
		}
	}
	return &z->p;
}

static size_t zset_bytes(const struct payload *p, uint32_t samples)
{
	const struct zset *z = (const struct zset *)p;
	uint64_t n = samples == 0 ? z->tree.count : RP_MIN((uint64_t)samples, z->tree.count), sum = 0, i = 0;
	size_t bytes = heap_good_size(sizeof *z) + htab_bytes(&z->tab) + btree_bytes(&z->tree);

	for (struct btree_pos pos = btree_first(&z->tree); i < n; btree_next(&pos), i++) {
		const struct elem *e = btree_ptr(pos);

		sum += heap_good_size(elem_bytes(e->len, (int32_t)e->aux == ZELEM_WIDE));
	}
	return bytes + (n > 0 ? (size_t)((double)sum / (double)n * (double)z->tree.count) : 0);
}

static const struct htab *zset_members(const struct payload *p)
{
	return &((const struct zset *)p)->tab;
}

const struct obj_type_ops zset_ops = {
	.drain = zset_drain, .clone = zset_clone, .bytes = zset_bytes, .table = zset_members};
