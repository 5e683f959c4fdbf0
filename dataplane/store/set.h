/* Sets: an intset while all members are integers and few, a listpack while they are few and short, else a table.
 *
 * A member is looked for as a struct lp_key, so that its text is parsed once. Forms change where Redis's do: the limits
 * are its directives. Owner: the holder of the shard.
 */
#pragma once

#include "store/aggregate.h"
#include "store/ds/htab.h"
#include "store/ds/intset.h"
#include "store/ds/listpack.h"

struct set_table {
	struct payload head;
	struct htab t;
};

extern const struct obj_type_ops set_type_ops;

/* What a set that changes its form needs to know. */
struct set_rules {
	const struct type_limits *limits;
	uint64_t seed; /* of the hash of a new table */
};

/* ---- reading ------------------------------------------------------------------------------------------------- */
uint64_t set_count(const struct object *o);
bool set_has(const struct object *o, const struct lp_key *m);
/* As above without parsing what need not be parsed. */
bool set_has_text(const struct object *o, struct slice m);

struct set_iter {
	const struct object *o;
	const uint8_t *p;
	size_t at; /* of an intset the position, of a listpack the offset */
	struct htab_iter it;
};
void set_iter_begin(struct set_iter *it, const struct object *o);
/* The next member; an integer's text is in buf (NUM_I64_CHARS). false: end. The set must not change meanwhile. */
bool set_iter_next(struct set_iter *it, struct lp_key *m, char *buf);

/* A member and where it is. Valid until the set changes. */
struct set_pick {
	struct slice s;
	size_t at;
	struct elem *e;
};
/* Uniform over all members; an integer's text is in buf. */
struct set_pick set_random(const struct object *o, struct rng *rng, char *buf);

/* ---- changing a key's set ------------------------------------------------------------------------------------ */
#define SET_NO_MEMORY (-1)
/* Adds n members to key's set; o as store_peek() gave it, NULL: the key is created. Returns how many were not there, or
 * SET_NO_MEMORY, then nothing changed. */
int64_t set_add(struct store *s, uint32_t db, struct slice key, struct object *o, uint32_t n, const struct slice *m,
		const struct set_rules *r);
/* Takes members out, and the key away with the last (then *gone). Returns how many were there, or SET_NO_MEMORY, then
 * nothing changed. */
int64_t set_remove(struct store *s, uint32_t db, struct slice key, struct object *o, uint32_t n, const struct slice *m,
		   bool *gone);
/* For changing, so that taking members out cannot fail any more. NULL: out of memory. */
struct object *set_write(struct store *s, uint32_t db, struct slice key);
/* Takes a member of a set from set_write() out; the key stays when it was the last. Returns the object, which may have
 * moved. */
struct object *set_take(struct store *s, uint32_t db, struct object *o, const struct set_pick *pick);
/* Takes n < set_count() random members out; fn gets each while it is there. o as above. */
typedef void (*set_visit_fn)(void *ctx, struct slice m);
void set_take_some(struct store *s, uint32_t db, struct object *o, uint64_t n, struct rng *rng, set_visit_fn fn,
		   void *ctx);

/* ---- making a new set ---------------------------------------------------------------------------------------- */
#define SET_BUILD_ROOM 512
/* A set that is no key's yet. */
struct set_build {
	struct cbuf b; /* of a compact form */
	struct heap *heap;
	struct set_rules rules;
	enum obj_enc enc;
	struct set_table *table;      /* of a table; may be NULL before the first member */
	uint8_t room[SET_BUILD_ROOM]; /* where b starts */
};
/* An empty one in that form. */
void set_build_begin(struct set_build *b, struct heap *heap, const struct set_rules *r, enum obj_enc enc);
/* The form for n members of which `first` is the first. */
enum obj_enc set_form_for(const struct type_limits *l, struct slice first, uint64_t n);
/* 1: added, 0: was there, SET_NO_MEMORY: then it can only be dropped. */
int set_build_add(struct set_build *b, const struct lp_key *m);
void set_build_remove(struct set_build *b, const struct lp_key *m);
uint64_t set_build_count(const struct set_build *b);
/* All members are integers: an intset if there are not too many. false: out of memory. */
bool set_build_integers(struct set_build *b);
/* Becomes the value of key, whatever that was. expire_at_ms: absolute, or STORE_NO_EXPIRE. NULL: out of memory, nothing
 * changed. The builder is over in either case. */
struct object *set_build_store(struct set_build *b, struct store *s, uint32_t db, struct slice key,
			       int64_t expire_at_ms);
void set_build_drop(struct set_build *b);
