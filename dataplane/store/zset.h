/* Sorted sets: members in the order of (score, name).
 *
 * A small one is a listpack of member, score, member, ... in that order, as Redis keeps it. A large one is a B+ tree
 * over elements, each of which is one allocation with name and score, beside a table of them by name.
 *
 * Reading works on a zval, which is either form. Ranges by score, name or rank all become a span of ranks, which a
 * ziter then walks. Changing works on a zkey (a key) or a zset of one's own (results that are still being made).
 * Owner: the holder of the shard.
 */
#pragma once

#include "base/num.h"
#include "store/aggregate.h"
#include "store/ds/btree.h"
#include "store/ds/htab.h"
#include "store/ds/listpack.h"

/* The large form. Its elements are those of the table; those that zset_index() has not seen yet are in no order. */
struct zset {
	struct payload p;
	struct htab tab;
	struct btree tree;
};
extern const struct obj_type_ops zset_ops;

/* A sorted set in either form, borrowed; all zero: empty. */
struct zval {
	const uint8_t *lp;
	struct zset *z;
};
static inline struct zval zval_of(const struct object *o)
{
	if (o == NULL)
		return (struct zval){0};
	if (obj_is_compact(o))
		return (struct zval){.lp = (const uint8_t *)obj_compact(o).ptr};
	return (struct zval){.z = obj_payload(o)};
}

struct zitem {
	struct slice name;
	double score;
};

/* ---- reading ------------------------------------------------------------------------------------------------- */
uint64_t zval_count(struct zval v);

/* Where a name stands. */
struct zref {
	bool found;
	double score;
	size_t off;     /* in a listpack: of the name */
	struct elem *e; /* in a zset */
	uint64_t hash;  /* in a zset, found or not */
};
bool zval_find(struct zval v, struct slice name, struct zref *r);
bool zval_score(struct zval v, struct slice name, double *score);
/* Members before this one, which was found. */
uint64_t zval_rank(struct zval v, const struct zref *r);

/* Ranks from lo (included) to hi (not). */
struct zspan {
	uint64_t lo, hi;
};
struct zscore_range {
	double min, max;
	bool min_ex, max_ex;
};
/* An end of a range of names: inf < 0 before, > 0 behind all names. */
struct zlex_end {
	struct slice name;
	int inf;
	bool ex;
};
struct zlex_range {
	struct zlex_end min, max;
};
struct zspan zval_span_by_score(struct zval v, const struct zscore_range *r);
/* Means something only where all scores are equal, as with Redis. */
struct zspan zval_span_by_lex(struct zval v, const struct zlex_range *r);

/* Walks n members from the one at `rank` on, upwards or downwards. The set must not change meanwhile. */
struct ziter {
	struct zval v;
	struct btree_pos pos;
	size_t off;
	uint64_t left;
	bool down;
	char buf[NUM_I64_CHARS]; /* a name that is kept as an integer */
};
void ziter_begin(struct ziter *it, struct zval v, uint64_t rank, uint64_t n, bool down);
/* it->name is valid until the next call. */
bool ziter_next(struct ziter *it, struct zitem *item);
/* About `count` members from the cursor on, in no order: as htab_scan(); a listpack's all at once. */
typedef void (*zval_visit_fn)(void *ctx, const struct zitem *item);
uint64_t zval_scan(struct zval v, uint64_t cursor, uint64_t count, zval_visit_fn fn, void *ctx);

/* ---- changing a key ------------------------------------------------------------------------------------------ */
struct zkey {
	struct store *s;
	struct slice key;
	struct object *o; /* NULL: no such key; moves while it is changed */
	const struct type_limits *lim;
	struct compact c; /* while `editing`: o is old then */
	uint32_t db;
	bool begun, editing;
};
/* Looks for the key without a trace. What is there is a sorted set: the caller checks before doing anything else. */
void zkey_open(struct zkey *k, struct store *s, uint32_t db, struct slice key, const struct type_limits *lim);
struct zval zkey_val(const struct zkey *k);
/* Ends what was begun, if anything; a set without members goes with its key: then true. */
bool zkey_end(struct zkey *k);

#define ZADD_INCR 0x01
#define ZADD_NX   0x02
#define ZADD_XX   0x04
#define ZADD_GT   0x08
#define ZADD_LT   0x10

struct zadd_out {
	uint32_t added, updated, processed;
	double score; /* of the last one */
	bool nan;     /* the increment led to no number; nothing more was done */
};
/* Adds n members or changes their scores, all or (out of memory: false) none. Calls zkey_end() itself. */
bool zkey_add(struct zkey *k, uint32_t n, const struct zitem *items, uint32_t flags, struct zadd_out *out);
/* -1: out of memory, nothing changed; only the first removal can. 1: it was there. */
int zkey_remove(struct zkey *k, struct slice name);
/* Before zkey_remove_span(): false if out of memory. Names and ranks stay. */
bool zkey_begin(struct zkey *k);
void zkey_remove_span(struct zkey *k, struct zspan span);

/* Makes a small sorted set large, as SORT does in Redis. The object may move. false: out of memory, nothing changed. */
bool zset_expand(struct store *s, uint32_t db, struct object **o);

/* ---- sets of one's own --------------------------------------------------------------------------------------- */
struct zset *zset_create(struct heap *h);
/* Frees it at once, wherever its heap is: for results that no key has. */
void zset_destroy(struct zset *z, struct heap *h);
/* The element of that name; *fresh: it was not there and has score 0 now. NULL: out of memory. */
struct elem *zset_touch(struct zset *z, struct heap *h, struct slice name, bool *fresh);
double zelem_score(const struct elem *e);
/* Before zset_index(). e may be exchanged for another. false: out of memory. */
bool zset_set_score(struct zset *z, struct heap *h, struct elem *e, double score);
/* Puts all elements in order; once. false: out of memory. */
bool zset_index(struct zset *z, struct heap *h);
/* Replaces the key with z, which was made in the store's heap and indexed and has members; z is the store's or gone
 * afterwards. A small one becomes a listpack. false: out of memory, nothing changed, z is still the caller's. */
bool zset_store(struct zset *z, struct store *s, uint32_t db, struct slice key, int64_t expire_at_ms,
		const struct type_limits *lim);
