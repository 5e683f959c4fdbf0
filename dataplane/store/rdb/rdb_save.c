#include "store/hash.h"
#include "store/list_priv.h"
#include "store/rdb/rdb_intset.h"
#include "store/rdb/rdb_priv.h"
#include "store/set.h"
#include "store/zset.h"

#define NODE_PLAIN  1
#define NODE_PACKED 2

static void save_string(struct rdb_out *w, const struct object *o)
{
	char buf[NUM_I64_CHARS];

	if (o->enc == ENC_INT)
		rdb_put_i64_string(w, obj_int(o));
	else
		rdb_put_string(w, obj_string(o, buf));
}

void rdb_put_list_node(struct rdb_out *w, const struct list_node *n)
{
	bool large = node_is_large(n);

	rdb_put_len(w, large ? NODE_PLAIN : NODE_PACKED);
	rdb_put_string(w, large ? (struct slice){n->large->data, n->large->len}
				: (struct slice){(const char *)n->lp, lp_bytes(n->lp)});
}

static void save_list(struct rdb_out *w, const struct object *o)
{
	if (obj_is_compact(o)) {
		rdb_put_len(w, 1);
		rdb_put_len(w, NODE_PACKED);
		rdb_put_string(w, obj_compact(o));
		return;
	}
	const struct list *l = rp_container_of(obj_payload(o), struct list, head);
	rdb_put_len(w, l->nodes);
	for (const struct list_node *n = l->first; n != NULL; n = n->next)
		rdb_put_list_node(w, n);
}

#define INTSET_ON_STACK 4096

static void save_intset(struct rdb_out *w, const struct object *o)
{
	const uint8_t *ours = (const uint8_t *)obj_compact(o).ptr;
	uint8_t few[INTSET_ON_STACK], *p = few;
	size_t n = rdb_intset_bytes(ours);

	if (n > sizeof few && (p = heap_alloc(w->heap, n)) == NULL) {
		w->failed = true;
		return;
	}
	rdb_intset_write(ours, p);
	rdb_put_string(w, (struct slice){(const char *)p, n});
	if (p != few)
		heap_free(w->heap, p);
}

/* A set kept as a listpack has no form of its own in version 10. */
static void save_set(struct rdb_out *w, const struct object *o)
{
	struct set_iter it;
	struct lp_key m;
	char buf[NUM_I64_CHARS];

	if (o->enc == ENC_INTSET) {
		save_intset(w, o);
		return;
	}
	rdb_put_len(w, set_count(o));
	set_iter_begin(&it, o);
	while (set_iter_next(&it, &m, buf))
		rdb_put_string(w, m.s);
}

/* From the greatest down: who reads it finds each member's place at the front. */
static void save_zset(struct rdb_out *w, const struct object *o)
{
	struct zval v = zval_of(o);
	struct ziter it;
	struct zitem item;

	if (obj_is_compact(o)) {
		rdb_put_string(w, obj_compact(o));
		return;
	}
	uint64_t n = zval_count(v);
	rdb_put_len(w, n);
	ziter_begin(&it, v, n - 1, n, true);
	while (ziter_next(&it, &item)) {
		rdb_put_string(w, item.name);
		rdb_put_double(w, item.score);
	}
}

uint16_t rdb_version_of(const struct object *o)
{
	return o->type == OBJ_HASH && hash_has_times(o) ? RDB_VERSION_TTL : RDB_VERSION;
}

uint8_t rdb_type_of(const struct object *o)
{
	switch ((enum obj_type)o->type) {
	case OBJ_STRING:
		return RDB_STRING;
	case OBJ_LIST:
		return RDB_LIST_QUICKLIST_2;
	case OBJ_SET:
		return o->enc == ENC_INTSET ? RDB_SET_INTSET : RDB_SET;
	case OBJ_ZSET:
		return obj_is_compact(o) ? RDB_ZSET_LISTPACK : RDB_ZSET_2;
	case OBJ_HASH:
		return rdb_hash_type(o);
	default:
		return RDB_STREAM_2;
	}
}

void rdb_put_body(struct rdb_out *w, const struct object *o)
{
	static void (*const save[OBJ_TYPES])(struct rdb_out *, const struct object *) = {
		[OBJ_STRING] = save_string, [OBJ_LIST] = save_list,    [OBJ_SET] = save_set,
		[OBJ_ZSET] = save_zset,     [OBJ_HASH] = rdb_put_hash, [OBJ_STREAM] = rdb_put_stream,
	};

	save[o->type](w, o);
}

void rdb_put_value(struct rdb_out *w, const struct object *o)
{
	rdb_put_u8(w, rdb_type_of(o));
	rdb_put_body(w, o);
}
