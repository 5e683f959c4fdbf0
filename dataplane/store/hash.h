/* Hashes: pairs of field and value. A small one is a listpack of field, value, field, ...; when fields have a TTL, a
 * listpack of field, value, time, ... in the order of the times, 0 (none) last; a large one is a table with one
 * allocation per field. Forms change where Redis's do: the limits are its directives.
 *
 * A field's TTL is exact: from the millisecond after the one it names, the field is nowhere to be seen, and
 * store_poll() takes it away, with its event, if nobody else does. A hash whose fields are all expired is expired
 * itself. Owner: the holder of the shard.
 */
#pragma once

#include "base/num.h"
#include "store/aggregate.h"
#include "store/ds/htab.h"
#include "store/ds/listpack.h"

extern const struct obj_type_ops hash_type_ops;

/* What a hash that changes its form needs to know. */
struct hash_rules {
	const struct type_limits *limits;
	uint64_t seed;     /* of the hash of a new table */
	struct blob *blob; /* that holds a value too long for a listpack: a field may refer to it; else NULL */
};

#define HASH_NO_TTL   ((int64_t)-1)
#define HASH_KEEP_TTL ((int64_t)-2)
/* As in Redis: times beyond are refused. */
#define HASH_TIME_MAX (((int64_t)1 << 46) - 1)

/* ---- reading ------------------------------------------------------------------------------------------------- */
/* All of this is as of now_ms: expired fields are not there. */
struct hash_item {
	struct slice field, value; /* valid until the hash changes; integers' texts are below */
	struct blob *blob;         /* that holds the value, or NULL */
	int64_t at_ms;             /* or HASH_NO_TTL */
	char field_num[NUM_I64_CHARS], value_num[NUM_I64_CHARS];
};

/* Its table if it has one, else NULL. */
const struct htab *hash_htab(const struct object *o);
uint64_t hash_count(const struct object *o, int64_t now_ms);
/* The field with its value; it->field is the caller's `field`. */
bool hash_get(const struct object *o, struct slice field, int64_t now_ms, struct hash_item *it);
/* Uniform over all fields. There is one at least. */
void hash_random(const struct object *o, int64_t now_ms, struct rng *rng, struct hash_item *it);

struct hash_iter {
	const struct object *o;
	int64_t now_ms;
	const uint8_t *p;
	size_t at;
	struct htab_iter it;
};
void hash_iter_begin(struct hash_iter *it, const struct object *o, int64_t now_ms);
/* false: end. The hash must not change meanwhile. */
bool hash_iter_next(struct hash_iter *it, struct hash_item *item);

typedef void (*hash_visit_fn)(void *ctx, const struct hash_item *item);
/* As htab_scan() for a table; a listpack is visited at once. */
uint64_t hash_scan(const struct object *o, uint64_t cursor, int64_t now_ms, hash_visit_fn fn, void *ctx);
/* It is kept in a form that has times. */
bool hash_has_times(const struct object *o);
/* All fields will be gone by then. */
bool hash_ends_before(const struct object *o, int64_t at_ms);

/* ---- changing a key's hash ----------------------------------------------------------------------------------- */
#define HASH_NO_MEMORY (-1)
/* Before a change that reaches for these fields (every step'th slice): what is expired of them is taken away, with
 * event and effect. o as store_peek() gave it. */
void hash_settle(struct store *s, uint32_t db, struct object *o, uint32_t n, const struct slice *fields, uint32_t step);
/* Sets n pairs (field, value, field, ...); o as store_peek() gave it and hash_settle() left it, NULL: the key is
 * created. at_ms: the fields' time, HASH_NO_TTL or HASH_KEEP_TTL. Returns how many fields are new, or HASH_NO_MEMORY,
 * then nothing changed. */
int64_t hash_set(struct store *s, uint32_t db, struct slice key, struct object *o, uint32_t n,
		 const struct slice *pairs, int64_t at_ms, const struct hash_rules *r);
/* Takes fields out, and the key away with the last (then *gone). Returns how many were there, or HASH_NO_MEMORY, then
 * nothing changed. */
int64_t hash_remove(struct store *s, uint32_t db, struct slice key, struct object *o, uint32_t n,
		    const struct slice *fields, bool *gone);
/* Afterwards taking fields out cannot fail. Returns the object, which may have moved. NULL: out of memory. */
struct object *hash_unshare(struct store *s, uint32_t db, struct object *o);
/* Gives and takes times of n fields, one after the other, none of which fails:
 *
 *   if (!hash_timing_begin(&x, s, db, key, o, n, fields))      o settled
 *           out of memory, nothing changed
 *   for each of the fields, in their order, one of
 *           hash_timing_set(&x, field, at_ms)                   it is there
 *           hash_timing_remove(&x, field)                       it is there
 *           hash_timing_skip(&x, field)
 *   gone = hash_timing_end(&x)                                  the key went with its last field
 *
 * x.o is the object meanwhile. */
struct hash_timing {
	struct store *s;
	uint32_t db;
	struct slice key;
	struct object *o;
	struct elem *spares;
	bool touched;
};
bool hash_timing_begin(struct hash_timing *x, struct store *s, uint32_t db, struct slice key, struct object *o,
		       uint32_t n, const struct slice *fields);
/* ... for times that are taken away only: needs no memory. */
void hash_timing_persisting(struct hash_timing *x, struct store *s, uint32_t db, struct slice key, struct object *o);
void hash_timing_set(struct hash_timing *x, struct slice field, int64_t at_ms); /* or HASH_NO_TTL */
void hash_timing_remove(struct hash_timing *x, struct slice field);
void hash_timing_skip(struct hash_timing *x, struct slice field);
bool hash_timing_end(struct hash_timing *x);
/* Takes expired fields away, oldest first, at most *budget (decremented). One at least is not expired. */
void hash_expire(struct store *s, uint32_t db, struct object *o, uint32_t *budget);

/* ---- making a new hash --------------------------------------------------------------------------------------- */
#define HASH_BUILD_ROOM 512
/* A hash that is no key's yet. */
struct hash_build {
	struct cbuf b; /* of a listpack */
	struct heap *heap;
	struct hash_rules rules;
	enum obj_enc enc;
	struct hash_table *table;
	uint8_t room[HASH_BUILD_ROOM]; /* where b starts */
};
void hash_build_begin(struct hash_build *b, struct heap *heap, const struct hash_rules *r);
/* n more pairs are announced: a listpack that is not for so many ends. false: out of memory. */
bool hash_build_expect(struct hash_build *b, uint64_t n);
/* 1: added, 0: it was there and has the new value, HASH_NO_MEMORY: then it can only be dropped. */
int hash_build_put(struct hash_build *b, struct slice field, struct slice value, int64_t at_ms);
uint64_t hash_build_count(const struct hash_build *b);
/* Becomes the value of key, whatever that was. NULL: out of memory, nothing changed. The builder is over in either
 * case. */
struct object *hash_build_store(struct hash_build *b, struct store *s, uint32_t db, struct slice key,
				int64_t expire_at_ms);
void hash_build_drop(struct hash_build *b);
