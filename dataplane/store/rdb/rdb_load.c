#include <math.h>

#include "store/list_priv.h"
#include "store/rdb/rdb_intset.h"
#include "store/rdb/rdb_priv.h"
#include "store/set.h"
#include "store/zset.h"

/* What is being made of the bytes read. */
struct load {
	struct rdb_in *r;
	const struct rdb_target *t;
	struct heap *heap; /* the target's */
	bool nomem;
};

typedef enum rdb_loaded (*load_fn)(struct load *l, uint8_t type);

static bool fail_nomem(struct load *l)
{
	l->nomem = true;
	return false;
}

static enum rdb_loaded failure(const struct load *l)
{
	return l->nomem || l->r->nomem ? RDB_NO_MEMORY : RDB_BAD;
}

/* ---- strings --------------------------------------------------------------------------------------------------- */

static enum rdb_loaded load_string(struct load *l, uint8_t type)
{
	const struct rdb_target *t = l->t;
	struct rdb_str v;

	if (!rdb_get_string(l->r, &v))
		return failure(l);
	struct object *o = store_set_string(t->s, t->db, t->key, v.s, NULL, t->expire_at_ms);
	rdb_str_free(l->r, &v);
	return o != NULL ? RDB_LOADED : RDB_NO_MEMORY;
}

/* ---- lists ----------------------------------------------------------------------------------------------------- */

struct list_load {
	struct load *l;
	struct list *list;
};

static bool list_item(void *ctx, struct slice item)
{
	struct list_load *x = ctx;

	return chain_push(x->l->heap, x->list, LIST_TAIL, item, NULL) || fail_nomem(x->l);
}

static bool list_listpack(struct list_load *x, struct slice lp)
{
	if (!lp_valid((const uint8_t *)lp.ptr, lp.len))
		return false;
	if (lp_count((const uint8_t *)lp.ptr) == 0)
		return true;
	return chain_append_node(x->l->heap, x->list, (const uint8_t *)lp.ptr) || fail_nomem(x->l);
}

static bool list_part(struct list_load *x, uint8_t type, uint64_t container, struct slice part)
{
	if (type == RDB_LIST || container == 1)
		return list_item(x, part);
	if (type == RDB_LIST_QUICKLIST_2)
		return list_listpack(x, part);
	return ziplist_each((const uint8_t *)part.ptr, part.len, list_item, x);
}

static bool list_parts(struct list_load *x, uint8_t type)
{
	struct rdb_in *r = x->l->r;
	uint64_t n = type == RDB_LIST_ZIPLIST ? 1 : rdb_get_len(r);

	for (; n > 0 && !r->bad; n--) {
		uint64_t container = type == RDB_LIST_QUICKLIST_2 ? rdb_get_len(r) : 2;
		struct rdb_str part;
		if (container < 1 || container > 2 || !rdb_get_string(r, &part))
			return false;
		bool ok = list_part(x, type, container, part.s);
		rdb_str_free(r, &part);
		if (!ok)
			return false;
	}
	return !r->bad;
}

/* The list becomes the key's value or is freed. */
static bool list_keep(struct load *l, struct list *list)
{
	const struct rdb_target *t = l->t;
	const struct list_node *n = list->first;

	if (list->nodes > 1 || node_is_large(n) ||
	    limit_exceeded(t->limits->list_max_listpack_size, node_bytes(n), list->count)) {
		if (store_add_payload(t->s, t->db, t->key, ENC_QUICKLIST, &list->head, t->expire_at_ms) != NULL)
			return true;
		chain_free(l->heap, list);
		return false;
	}
	struct slice lp = {(const char *)n->lp, node_bytes(n)};
	bool ok = store_add_compact(t->s, t->db, t->key, OBJ_LIST, ENC_LISTPACK, lp, t->expire_at_ms) != NULL;
	chain_free(l->heap, list);
	return ok;
}

static enum rdb_loaded load_list(struct load *l, uint8_t type)
{
	const struct rdb_target *t = l->t;
	struct list_load x = {l, chain_create(l->heap, t->limits->list_max_listpack_size)};

	if (x.list == NULL)
		return RDB_NO_MEMORY;
	bool ok = list_parts(&x, type);
	if (!ok || x.list->count == 0) {
		chain_free(l->heap, x.list);
		return ok ? RDB_EMPTY : failure(l);
	}
	return list_keep(l, x.list) ? RDB_LOADED : RDB_NO_MEMORY;
}

/* ---- sets ------------------------------------------------------------------------------------------------------ */

static bool set_member(struct load *l, struct set_build *b, const struct lp_key *m)
{
	int added = set_build_add(b, m);

	return added == 1 || (added == SET_NO_MEMORY && fail_nomem(l));
}

static bool set_members(struct load *l, struct set_build *b, uint64_t n)
{
	for (; n > 0; n--) {
		struct rdb_str m;
		if (!rdb_get_string(l->r, &m))
			return false;
		struct lp_key k = lp_key_of(m.s);
		bool ok = set_member(l, b, &k);
		rdb_str_free(l->r, &m);
		if (!ok)
			return false;
	}
	return true;
}

static bool set_listpack(struct load *l, struct set_build *b, struct slice lp)
{
	const uint8_t *p = (const uint8_t *)lp.ptr;
	char buf[NUM_I64_CHARS];

	if (!lp_valid(p, lp.len))
		return false;
	for (size_t off = lp_first(p); off != 0; off = lp_next(p, off)) {
		struct lp_key k = lp_key_of(lp_get(p, off, buf));
		if (!set_member(l, b, &k))
			return false;
	}
	return true;
}

static bool set_intset(struct load *l, struct set_build *b, struct slice is)
{
	const uint8_t *p = (const uint8_t *)is.ptr;
	char buf[NUM_I64_CHARS];

	if (!rdb_intset_valid(p, is.len))
		return false;
	for (uint32_t i = 0; i < rdb_intset_count(p); i++) {
		struct lp_key k = {.num = rdb_intset_get(p, i), .is_num = true};
		k.s = (struct slice){buf, num_format_i64(buf, k.num)};
		if (!set_member(l, b, &k))
			return false;
	}
	return true;
}

static bool set_read(struct load *l, struct set_build *b, uint8_t type)
{
	struct rdb_str bytes;

	if (type == RDB_SET)
		return set_members(l, b, rdb_get_len(l->r));
	if (!rdb_get_string(l->r, &bytes))
		return false;
	bool ok = type == RDB_SET_INTSET ? set_intset(l, b, bytes.s) : set_listpack(l, b, bytes.s);
	rdb_str_free(l->r, &bytes);
	return ok;
}

static enum rdb_loaded load_set(struct load *l, uint8_t type)
{
	const struct rdb_target *t = l->t;
	struct set_rules rules = {t->limits, rng_next(t->rng)};
	struct set_build b;

	set_build_begin(&b, l->heap, &rules, type == RDB_SET_LISTPACK ? ENC_LISTPACK : ENC_INTSET);
	bool ok = set_read(l, &b, type) && !l->r->bad;
	if (!ok || set_build_count(&b) == 0) {
		set_build_drop(&b);
		return ok ? RDB_EMPTY : failure(l);
	}
	return set_build_store(&b, t->s, t->db, t->key, t->expire_at_ms) != NULL ? RDB_LOADED : RDB_NO_MEMORY;
}

/* ---- sorted sets ----------------------------------------------------------------------------------------------- */

struct zset_load {
	struct load *l;
	struct zset *z;
	struct slice name; /* of the pair being read; ptr NULL: none */
	char num[NUM_I64_CHARS];
};

static bool zset_member(struct zset_load *x, struct slice name, double score)
{
	bool fresh;

	if (isnan(score))
		return false;
	struct elem *e = zset_touch(x->z, x->l->heap, name, &fresh);
	if (e == NULL || (fresh && !zset_set_score(x->z, x->l->heap, e, score)))
		return fail_nomem(x->l);
	return fresh; /* twice is nonsense */
}

/* Names and scores in turn. */
static bool zset_item(void *ctx, struct slice item)
{
	struct zset_load *x = ctx;
	double score;

	if (x->name.ptr == NULL) {
		x->name = item;
		/* An integer's text does not outlive the call. */
		if (item.len < sizeof x->num) {
			memcpy(x->num, item.ptr, item.len);
			x->name.ptr = x->num;
		}
		return true;
	}
	bool ok = num_parse_double(item, &score) && zset_member(x, x->name, score);
	x->name.ptr = NULL;
	return ok;
}

static bool zset_pairs(struct zset_load *x, uint8_t type, uint64_t n)
{
	struct rdb_in *r = x->l->r;

	for (; n > 0; n--) {
		struct rdb_str name;
		if (!rdb_get_string(r, &name))
			return false;
		double score = type == RDB_ZSET ? rdb_get_text_double(r) : rdb_get_double(r);
		bool ok = !r->bad && zset_member(x, name.s, score);
		rdb_str_free(r, &name);
		if (!ok)
			return false;
	}
	return true;
}

bool listpack_each(const uint8_t *p, size_t len, rdb_item_fn fn, void *ctx)
{
	char buf[NUM_I64_CHARS];

	if (!lp_valid(p, len))
		return false;
	for (size_t off = lp_first(p); off != 0; off = lp_next(p, off))
		if (!fn(ctx, lp_get(p, off, buf)))
			return false;
	return true;
}

static bool zset_read(struct zset_load *x, uint8_t type)
{
	struct rdb_in *r = x->l->r;
	struct rdb_str bytes;

	if (type == RDB_ZSET || type == RDB_ZSET_2)
		return zset_pairs(x, type, rdb_get_len(r));
	if (!rdb_get_string(r, &bytes))
		return false;
	const uint8_t *p = (const uint8_t *)bytes.s.ptr;
	bool ok = type == RDB_ZSET_ZIPLIST ? ziplist_each(p, bytes.s.len, zset_item, x)
					   : listpack_each(p, bytes.s.len, zset_item, x);
	ok = ok && x->name.ptr == NULL;
	rdb_str_free(r, &bytes);
	return ok;
}

static enum rdb_loaded load_zset(struct load *l, uint8_t type)
{
	const struct rdb_target *t = l->t;
	struct zset_load x = {.l = l, .z = zset_create(l->heap)};

	if (x.z == NULL)
		return RDB_NO_MEMORY;
	bool ok = zset_read(&x, type) && !l->r->bad;
	uint64_t n = x.z->tab.count;
	if (ok && n > 0) {
		if (zset_index(x.z, l->heap) && zset_store(x.z, t->s, t->db, t->key, t->expire_at_ms, t->limits))
			return RDB_LOADED;
		ok = fail_nomem(l);
	}
	zset_destroy(x.z, l->heap);
	return ok ? RDB_EMPTY : failure(l);
}

/* ---------------------------------------------------------------------------------------------------------------- */

static enum rdb_loaded load_hash(struct load *l, uint8_t type)
{
	return rdb_load_hash(l->r, type, l->t);
}

static enum rdb_loaded load_stream(struct load *l, uint8_t type)
{
	return rdb_load_stream(l->r, type, l->t);
}

static load_fn loader(uint8_t type)
{
	switch (type) {
	case RDB_STRING:
		return load_string;
	case RDB_LIST:
	case RDB_LIST_ZIPLIST:
	case RDB_LIST_QUICKLIST:
	case RDB_LIST_QUICKLIST_2:
		return load_list;
	case RDB_SET:
	case RDB_SET_INTSET:
	case RDB_SET_LISTPACK:
		return load_set;
	case RDB_ZSET:
	case RDB_ZSET_2:
	case RDB_ZSET_ZIPLIST:
	case RDB_ZSET_LISTPACK:
		return load_zset;
	case RDB_HASH:
	case RDB_HASH_ZIPMAP:
	case RDB_HASH_ZIPLIST:
	case RDB_HASH_LISTPACK:
	case RDB_HASH_TTL:
	case RDB_HASH_LISTPACK_TTL:
		return load_hash;
	case RDB_STREAM:
	case RDB_STREAM_2:
	case RDB_STREAM_3:
		return load_stream;
	default:
		return NULL;
	}
}

enum rdb_loaded rdb_load_value(struct rdb_in *r, uint8_t type, const struct rdb_target *t)
{
	struct load l = {.r = r, .t = t, .heap = store_heap(t->s)};
	load_fn fn = loader(type);

	return fn == NULL ? RDB_BAD : fn(&l, type);
}
