/* Large values in slices. */
#include <rte_cycles.h>

#include "store/list_priv.h"
#include "store/rdb/rdb_priv.h"
#include "store/stream.h"

/* More than this takes long enough to be cut: elements of tables; nodes of lists and streams, which hold a few KiB. */
#define LARGE_ELEMENTS 256
#define LARGE_NODES    4
#define LARGE_GROUPS   4

static bool stream_is_large(const struct stream *s)
{
	struct btree_pos pos = btree_first(&s->groups);

	if (s->nodes.count > LARGE_NODES || s->groups.count > LARGE_GROUPS)
		return true;
	for (uint64_t i = 0; i < s->groups.count; i++, btree_next(&pos)) {
		const struct stream_group *g = stream_group_at(pos);
		if (g->pel.count > LARGE_ELEMENTS || g->consumers.count > LARGE_ELEMENTS)
			return true;
	}
	return false;
}

bool rdb_is_large(const struct object *o)
{
	if (!(o->flags & OBJ_F_PAYLOAD))
		return false;
	switch ((enum obj_type)o->type) {
	case OBJ_LIST:
		return rp_container_of(obj_payload(o), struct list, head)->nodes > LARGE_NODES;
	case OBJ_SET:
		return set_count(o) > LARGE_ELEMENTS;
	case OBJ_ZSET:
		return zval_count(zval_of(o)) > LARGE_ELEMENTS;
	case OBJ_HASH:
		return o->enc == ENC_HASHTABLE && hash_count(o, INT64_MIN) > LARGE_ELEMENTS;
	case OBJ_STREAM:
		return stream_is_large(stream_of(o));
	default:
		return false;
	}
}

static void begin_list(struct rdb_slices *x, struct rdb_out *w)
{
	const struct list *l = rp_container_of(obj_payload(x->o), struct list, head);

	rdb_put_len(w, l->nodes);
	x->at = l->first;
}

static bool next_list(struct rdb_slices *x, struct rdb_out *w)
{
	const struct list_node *n = x->at;

	if (n == NULL)
		return false;
	rdb_put_list_node(w, n);
	x->at = n->next;
	return true;
}

static void begin_set(struct rdb_slices *x, struct rdb_out *w)
{
	rdb_put_len(w, set_count(x->o));
	set_iter_begin(&x->set, x->o);
}

static bool next_set(struct rdb_slices *x, struct rdb_out *w)
{
	char buf[NUM_I64_CHARS];
	struct lp_key m;

	if (!set_iter_next(&x->set, &m, buf))
		return false;
	rdb_put_string(w, m.s);
	return true;
}

/* From the greatest down, as rdb_save.c does. */
static void begin_zset(struct rdb_slices *x, struct rdb_out *w)
{
	struct zval v = zval_of(x->o);
	uint64_t n = zval_count(v);

	rdb_put_len(w, n);
	ziter_begin(&x->zset, v, n - 1, n, true);
}

static bool next_zset(struct rdb_slices *x, struct rdb_out *w)
{
	struct zitem item;

	if (!ziter_next(&x->zset, &item))
		return false;
	rdb_put_string(w, item.name);
	rdb_put_double(w, item.score);
	return true;
}

static void begin_hash(struct rdb_slices *x, struct rdb_out *w)
{
	rdb_hash_begin(w, x->o, &x->hash);
}

static bool next_hash(struct rdb_slices *x, struct rdb_out *w)
{
	return rdb_hash_next(w, &x->hash);
}

static const struct slicing {
	void (*begin)(struct rdb_slices *x, struct rdb_out *w);
	bool (*next)(struct rdb_slices *x, struct rdb_out *w); /* false: nothing was left */
} slicing[OBJ_TYPES] = {
	[OBJ_LIST] = {begin_list, next_list},
	[OBJ_SET] = {begin_set, next_set},
	[OBJ_ZSET] = {begin_zset, next_zset},
	[OBJ_HASH] = {begin_hash, next_hash},
	[OBJ_STREAM] = {rdb_stream_begin, rdb_stream_next},
};

void rdb_slices_begin(struct rdb_slices *x, struct rdb_out *w, const struct object *o)
{
	*x = (struct rdb_slices){.o = o};
	slicing[o->type].begin(x, w);
}

bool rdb_slices_next(struct rdb_slices *x, struct rdb_out *w, uint64_t until_tsc, size_t until_bytes)
{
	bool (*next)(struct rdb_slices *, struct rdb_out *) = slicing[x->o->type].next;

	do {
		if (!next(x, w))
			return true;
	} while (w->len < until_bytes && !w->failed && rte_rdtsc() < until_tsc);
	return false;
}
