/* Lists, hashes, sets, sorted sets, streams: how their values hang on an object.
 *
 * A small one is compact: the bytes of a listpack or intset, in the object itself or, when longer than OBJ_INLINE_MAX,
 * in a blob (clones share it until one is changed). A large one is a structure, the payload, allocated from the shard's
 * heap by its type. A key whose last element goes is deleted by whoever removes it: there are no empty aggregates.
 *
 * Owner: the holder of the shard.
 */
#pragma once

#include "store/ds/cbuf.h"
#include "store/ds/htab.h"
#include "store/store.h"

/* First member of every payload. */
struct payload {
	struct payload *next; /* store's: payloads waiting to be freed */
	uint8_t type;         /* enum obj_type; the creator of the payload sets it */
};

/* Where compact forms end: the directives of the same names (list-max-listpack-size, ...). */
struct type_limits {
	int64_t list_max_listpack_size; /* entries, or -1 .. -5: 4, 8, 16, 32, 64 KiB */
	uint64_t hash_max_listpack_entries, hash_max_listpack_value;
	uint64_t set_max_intset_entries, set_max_listpack_entries, set_max_listpack_value;
	uint64_t zset_max_listpack_entries, zset_max_listpack_value;
	uint64_t hll_sparse_max_bytes;
	uint64_t stream_node_max_bytes, stream_node_max_entries; /* 0: no bound */
};

/* What a type does with its payloads. Its file defines one; type_ops.c lists them. */
struct obj_type_ops {
	/* Frees up to *budget elements (decremented), in the end the payload itself: then true. Nothing else is called
	 * on the payload after the first call. */
	bool (*drain)(struct heap *h, struct payload *p, uint32_t *budget);
	/* A copy in another heap (or the same). NULL: out of memory. */
	struct payload *(*clone)(struct heap *to, const struct payload *p);
	/* Bytes it takes, from `samples` elements (0: all), as MEMORY USAGE asks. */
	size_t (*bytes)(const struct payload *p, uint32_t samples);
	/* The table that its elements are found in by name; NULL: there is none. */
	const struct htab *(*table)(const struct payload *p);
};
const struct obj_type_ops *obj_type_ops(enum obj_type t);
/* Frees a payload that no object has (yet). Large ones in slices by store_poll(). */
void store_release(struct store *s, struct payload *p);

/* The bytes of a compact value. */
static inline struct slice obj_compact(const struct object *o)
{
	if (o->flags & OBJ_F_BLOB) {
		const struct blob *b = obj_blob(o);
		return (struct slice){b->data, b->len};
	}
	return (struct slice){obj_value(o), o->vlen};
}
static inline bool obj_is_compact(const struct object *o)
{
	return !(o->flags & OBJ_F_PAYLOAD);
}

/* Sets key to a compact value (copied) or a payload (taken over on success), whatever it was. expire_at_ms: absolute,
 * STORE_NO_EXPIRE or STORE_KEEP_TTL. NULL: out of memory, nothing changed. */
struct object *store_add_compact(struct store *s, uint32_t db, struct slice key, enum obj_type type, enum obj_enc enc,
				 struct slice bytes, int64_t expire_at_ms);
struct object *store_add_payload(struct store *s, uint32_t db, struct slice key, enum obj_enc enc, struct payload *p,
				 int64_t expire_at_ms);
/* Another form of the same value, for an object from store_write(): touches nothing, keeps TTL, clock and version. *o
 * is updated. The old form is freed. store_to_payload() cannot fail. false: out of memory, nothing changed. `bytes` may
 * not lie in the object. */
void store_to_payload(struct store *s, uint32_t db, struct object **o, enum obj_enc enc, struct payload *p);
bool store_to_compact(struct store *s, uint32_t db, struct object **o, enum obj_enc enc, struct slice bytes);

/* Editing a compact value in place:
 *
 *   struct compact c;
 *   if (!compact_begin(&c, s, db, o))        o from store_write()
 *           out of memory
 *   ... lp_append(&c.b, v) ...
 *   o = compact_end(&c);                     the object may have moved; never fails
 *
 * Between the two the key is found by nobody else and no other call of the store is made. A failed edit leaves the
 * value as it was; compact_end() must be called all the same. */
struct compact {
	struct cbuf b; /* first: its reserve finds the rest */
	struct store *s;
	struct object *o;
	uint32_t db;
};
bool compact_begin(struct compact *c, struct store *s, uint32_t db, struct object *o);
struct object *compact_end(struct compact *c);

/* Moves a key, TTL included, in the place of what is there, within one store or to another one held by the same holder.
 * Within a store no value is copied. false: out of memory, nothing changed. The keys must differ. */
bool store_move(struct store *from, uint32_t from_db, struct slice from_key, struct store *to, uint32_t to_db,
		struct slice to_key);
