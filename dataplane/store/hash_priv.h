/* What the files of hashes share.
 *
 * An element of a table:
 *
 *   struct elem | name | time, 8 bytes, if HELEM_TTL | value, or struct blob * if HELEM_BLOB
 *
 * aux: these two flags, and the length of a value that is no blob.
 */
#pragma once

#include "store/ds/btree.h"
#include "store/hash.h"

#define HELEM_TTL  0x80000000u
#define HELEM_BLOB 0x40000000u
#define HELEM_LEN  0x3fffffffu
/* A value this long is a blob, so that replies refer to it. */
#define HASH_BLOB_MIN (16 * 1024)

/* When the next field of a hash expires: hangs in a wheel of its database (store_fields.c). A wheel is made for
 * objects, so it looks like one. */
struct hash_timer {
	struct object as;
	struct obj_expiry due;
	struct object *owner; /* the hash it is of; NULL while that is no key's value */
	struct wheel *in;     /* NULL: not armed */
};
_Static_assert(offsetof(struct hash_timer, due) == sizeof(struct object), "due is obj_expiry(&as)");

/* Both payloads begin so. */
struct hash {
	struct payload head;
	bool packed;
	struct hash_timer *timer; /* NULL: no field ever had a TTL */
};

struct hash_times {
	struct hash_timer timer;
	struct btree tree; /* elements with a TTL by it */
};

struct hash_table {
	struct hash h;
	struct htab t;
	struct hash_times *times;
};

/* ENC_LISTPACKEX */
struct hash_pack {
	struct hash h;
	struct hash_timer timer;
	struct heap *heap;
	struct cbuf b;
};

static inline struct hash_table *hash_table_of(const struct object *o)
{
	return obj_payload(o);
}
static inline struct hash_pack *hash_pack_of(const struct object *o)
{
	return obj_payload(o);
}
static inline struct hash_timer *hash_timer_of(const struct object *o)
{
	const struct hash *h = obj_payload(o);

	return h != NULL ? h->timer : NULL;
}
/* Some field is expired. */
static inline bool hash_is_due(const struct object *o, int64_t now_ms)
{
	const struct hash_timer *t = hash_timer_of(o);

	return t != NULL && t->due.at_ms < now_ms;
}

/* ---- elements of tables (hash_elem.c) ------------------------------------------------------------------------ */
/* at_ms: its time or HASH_NO_TTL. from: a blob that may be the value, or NULL. NULL: out of memory. */
struct elem *helem_create(struct heap *h, struct slice name, struct slice value, struct blob *from, int64_t at_ms);
/* The same with a time in the place of none; takes the blob over if the other is then freed by heap_free(). */
struct elem *helem_with_ttl(struct heap *h, const struct elem *e, int64_t at_ms);
void helem_free(struct heap *h, struct elem *e);
/* e, which has no TTL, may get that value in place. */
bool helem_rewrites(struct heap *h, const struct elem *e, struct slice value);
void helem_rewrite(struct elem *e, struct slice value);
void helem_drop_ttl(struct elem *e);
void helem_set_ttl(struct elem *e, int64_t at_ms); /* that has one */
int64_t helem_at(const struct elem *e);
struct slice helem_value(const struct elem *e, struct blob **blob);

/* NULL: out of memory. */
struct hash_table *hash_table_create(struct heap *h, uint64_t seed);
void hash_table_destroy(struct heap *h, struct hash_table *t); /* at once; NULL is ignored */
/* Times can be kept, and n more without fail. false: out of memory. */
bool hash_table_expect_times(struct hash_table *t, struct heap *h, uint32_t n);
/* e, whose time was expected, comes in, in the place of one of the same name, which is freed. Returns whether there was
 * none. */
bool hash_table_put(struct hash_table *t, struct heap *h, struct elem *e);
/* e goes and is freed. */
void hash_table_take(struct hash_table *t, struct heap *h, struct elem *e);
struct hash_pack *hash_pack_create(struct heap *h);
void hash_pack_destroy(struct hash_pack *p);

/* ---- listpacks of 2 (pairs) or 3 (with times) entries a field (hash_pack.c) ------------------------------------ */
#define HASH_TIME_BYTES 12 /* most that a time takes */
size_t hpack_find(const uint8_t *p, const struct lp_key *k, uint32_t step);
/* The item at off; returns where the next one is, 0: none. */
size_t hpack_item(const uint8_t *p, size_t off, uint32_t step, struct hash_item *it);
uint32_t hpack_count(const uint8_t *p, uint32_t step);
/* How many from the front on are expired. */
uint32_t hpack_due(const uint8_t *p, int64_t now_ms);
/* First time, HASH_NO_TTL: none. */
int64_t hpack_next_ms(const uint8_t *p);
/* 1: added, 0: replaced, HASH_NO_MEMORY: nothing changed. at_ms HASH_KEEP_TTL: as it is. off: hpack_find()'s. */
int hpack_put(struct cbuf *b, size_t off, struct slice field, struct slice value, int64_t at_ms, uint32_t step);
/* Another time; HASH_TIME_BYTES are reserved. */
void hpack_set_time(struct cbuf *b, size_t off, int64_t at_ms);
/* All pairs of p get times (none). false: out of memory, b is of no use. */
bool hpack_widen(struct cbuf *b, const uint8_t *p);

/* ---- forms (hash_build.c) ------------------------------------------------------------------------------------ */
bool hash_build_from(struct hash_build *b, struct heap *heap, const struct hash_rules *r, const struct object *o);
/* Takes the place of o's value. false: out of memory, nothing changed. The builder is over in either case. */
bool hash_build_replace(struct hash_build *b, struct store *s, uint32_t db, struct object *o);
/* A field and a value of that length may stand in a listpack of `bytes`. */
static inline bool hash_pack_takes(const struct type_limits *l, struct slice field, struct slice value, size_t bytes)
{
	return field.len <= l->hash_max_listpack_value && value.len <= l->hash_max_listpack_value &&
	       bytes <= LP_MAX_BYTES;
}

/* ---- registry of timers (store_fields.c) --------------------------------------------------------------------- */
/* The fields of o, a key's hash, changed: its timer is set to the next time. */
void store_fields_arm(struct store *s, uint32_t db, struct object *o);
/* Before its payload is another's or freed. */
void store_fields_disarm(struct store *s, struct object *o);
