/* An object: one allocation with header, optional expiry, key, and value.
 *
 *   +--------+-------------------+-----------+-----------------------------+
 *   | header | struct obj_expiry | key bytes | value (see below)           |
 *   | 16 B   | only with a TTL   |           | 8-byte aligned              |
 *   +--------+-------------------+-----------+-----------------------------+
 *
 * A string's value is an int64 (ENC_INT), bytes in place, or a pointer to a blob (OBJ_F_BLOB) when longer than
 * OBJ_INLINE_MAX. A small aggregate's likewise, its bytes being a listpack or intset; a large one's is a pointer to its
 * structure (OBJ_F_PAYLOAD).
 * Objects move (growing, gaining a TTL): only the index and the expiry wheel point at them, and store.c keeps both
 * right.
 */
#pragma once

#include "mem/blob.h"

enum obj_type {
	OBJ_STRING,
	OBJ_LIST,
	OBJ_SET,
	OBJ_ZSET,
	OBJ_HASH,
	OBJ_STREAM,
	OBJ_TYPES
};

/* Names as OBJECT ENCODING answers; later types add theirs. For strings RAW/EMBSTR only record what Redis would
 * say: both are stored alike. */
enum obj_enc {
	ENC_RAW,
	ENC_INT,
	ENC_EMBSTR,
	ENC_LISTPACK,
	ENC_QUICKLIST,
	ENC_INTSET,
	ENC_HASHTABLE,
	ENC_SKIPLIST,
	ENC_STREAM,
	ENC_LISTPACKEX, /* a hash whose fields may expire */
	ENC_MAX
};

#define OBJ_F_EXPIRE  0x01 /* struct obj_expiry present */
#define OBJ_F_BLOB    0x02 /* the value is a struct blob * */
#define OBJ_F_LONGKEY 0x04 /* a 4-byte length stands before the key bytes; klen is 0 */
#define OBJ_F_EPOCH   0x10 /* which side of a snapshot's epoch it is on: store/snap.h */
#define OBJ_F_BURIED  0x20 /* no key any more; a snapshot frees it when it is written */
#define OBJ_F_PUT     0x40 /* a list of store_puts_add() names it: only within one command */
#define OBJ_F_PAYLOAD 0x08 /* the value is a struct payload *: store/aggregate.h */

#define OBJ_INLINE_MAX 1024 /* longest string value kept in the object itself */
#define OBJ_EMBSTR_MAX 44   /* Redis's limit of "embstr" */

struct object {
	uint8_t type : 4, enc : 4;
	uint8_t flags;
	uint16_t klen;
	uint32_t
		clock; /* LRU seconds or LFU (16 bits minutes, 8 bits counter), as maxmemory-policy says; low 24 bits */
	uint32_t version; /* raised by store_touch_for_write() */
	uint32_t vlen;    /* bytes of an inline value */
};
_Static_assert(sizeof(struct object) == 16, "an object's header is 16 bytes");

struct obj_expiry {
	int64_t at_ms; /* wall clock, ms since the epoch */
	struct object *next;
	struct object **pprev; /* position in the wheel */
};

static inline struct obj_expiry *obj_expiry(const struct object *o)
{
	return (struct obj_expiry *)(o + 1);
}
/* -1: no TTL. */
static inline int64_t obj_expire_at(const struct object *o)
{
	return o->flags & OBJ_F_EXPIRE ? obj_expiry(o)->at_ms : -1;
}
static inline struct slice obj_key(const struct object *o)
{
	const char *p = (const char *)(o + 1) + (o->flags & OBJ_F_EXPIRE ? sizeof(struct obj_expiry) : 0);
	if (rp_unlikely(o->flags & OBJ_F_LONGKEY)) {
		uint32_t n;
		memcpy(&n, p, sizeof n);
		return (struct slice){p + sizeof n, n};
	}
	return (struct slice){p, o->klen};
}
/* Address of the value area. */
static inline void *obj_value(const struct object *o)
{
	struct slice k = obj_key(o);
	return (void *)(((uintptr_t)k.ptr + k.len + 7) & ~(uintptr_t)7);
}
static inline int64_t obj_int(const struct object *o)
{
	return *(const int64_t *)obj_value(o);
}
static inline struct blob *obj_blob(const struct object *o)
{
	return o->flags & OBJ_F_BLOB ? *(struct blob **)obj_value(o) : NULL;
}
/* The structure of a large aggregate; NULL if the value is another. */
static inline void *obj_payload(const struct object *o)
{
	return o->flags & OBJ_F_PAYLOAD ? *(void **)obj_value(o) : NULL;
}

/* A string object's bytes. ENC_INT is formatted into buf (>= NUM_I64_CHARS), else buf is unused. Valid until the object
 * changes. */
struct slice obj_string(const struct object *o, char *buf);
/* Length of the same without formatting more than needed. */
size_t obj_string_len(const struct object *o);
const char *obj_type_name(enum obj_type t); /* "string", "list", ... as TYPE answers */
const char *obj_enc_name(enum obj_enc e);   /* "raw", "int", ... */
