/* Lists: a listpack while small ("listpack"), a chain of listpacks above ("quicklist"). The forms change at the points
 * of Redis 7.2, by list-max-listpack-size. list-compress-depth changes nothing: no node is ever compressed.
 *
 * Owner: the holder of the shard. Nothing here says events, effects or replies.
 */
#pragma once

#include "store/aggregate.h"
#include "store/ds/listpack.h"

enum list_end {
	LIST_HEAD,
	LIST_TAIL
};

/* ---- reading ---- */

/* Of a list that is no listpack: O(nodes). */
struct list_chain_stats {
	uint32_t nodes;
	int32_t fill; /* list-max-listpack-size that it keeps to */
	uint64_t elements;
	uint64_t bytes; /* of the nodes, each as one listpack */
};
struct list_chain_stats list_chain_stats(const struct object *o);

struct list_node;

/* A place in a list. Good until the list changes. */
struct list_iter {
	const struct list_node *node; /* NULL in a compact list */
	const uint8_t *lp;            /* NULL where one large element is all there is */
	const struct blob *large;
	size_t off;
	uint64_t index;
	bool back;
	bool end; /* past the last element */
};

uint64_t list_len(const struct object *o);
/* The element `index` (< list_len), from the nearer end; list_next() goes on from there, towards the head if `back`. */
void list_seek(const struct object *o, uint64_t index, bool back, struct list_iter *it);
void list_next(struct list_iter *it);
/* The element's bytes; an integer is formatted into buf (NUM_I64_CHARS). *large (may be NULL): the blob that holds just
 * them, or NULL. */
struct slice list_get(const struct list_iter *it, char *buf, struct blob **large);
bool list_eq(const struct list_iter *it, const struct lp_key *k);
/* Does Redis pop this as a bare integer? It does so from a chain. */
bool list_pops_int(const struct list_iter *it);

/* ---- changing ---- */

/* The list of a change. o: as store_write() gave it, or NULL (only list_push() creates). Updated. */
struct list_ref {
	struct store *s;
	uint32_t db;
	struct slice key;
	struct object *o;
	int64_t limit; /* list-max-listpack-size */
};

/* What is to be pushed, in this order. */
struct list_values {
	const struct slice *v;
	uint32_t n;
	bool popped_int; /* list_pops_int(): Redis does not weigh it when it asks for the form */
	/* Value i as a blob to be taken over, or NULL: asked for those that would get one anyway. May be NULL. */
	struct blob *(*take)(void *ctx, uint32_t i);
	void *ctx;
};

/* All or nothing. false: out of memory; blobs taken are gone. */
bool list_push(struct list_ref *r, enum list_end where, const struct list_values *v);
/* Before any removal: what it needs memory for. false: out of memory, nothing changed. The removals below then cannot
 * fail. They may leave the list empty: the caller then deletes the key. */
bool list_prepare(struct list_ref *r);
void list_remove(struct list_ref *r, uint64_t from, uint64_t n);
/* Removes elements equal to k, the first `max` from the head, or from the tail if `back`. Returns how many. */
uint64_t list_remove_equal(struct list_ref *r, const struct lp_key *k, uint64_t max, bool back);
/* Beside or instead of the element at `it`. false: out of memory, nothing changed. */
bool list_insert(struct list_ref *r, const struct list_iter *it, bool after, struct slice v);
bool list_set(struct list_ref *r, const struct list_iter *it, struct slice v);
/* The element at one end goes to the other or stays, as LMOVE within one key. false: out of memory, nothing changed. */
bool list_rotate(struct list_ref *r, enum list_end from, enum list_end to);

/* The form that Redis chooses before it looks for the place of a new element, which may not exist then. Needs no
 * store_write(). false: out of memory. */
bool list_will_add(struct list_ref *r, struct slice v);
/* The form that Redis chooses after elements went. */
void list_did_shrink(struct list_ref *r);

extern const struct obj_type_ops list_type_ops;
