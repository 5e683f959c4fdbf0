/* The chain of nodes behind a long list. A node holds a listpack, which lies anywhere in its block: both ends may have
 * room, so that pushing and popping there moves no other element. An element too large to share a node lies in a blob.
 */
#pragma once

#include "store/list.h"

struct list_node {
	struct list_node *prev, *next;
	union {
		uint8_t *lp;
		struct blob *large; /* if room_len is 0 */
	};
	uint32_t room_len;
	uint8_t room[];
};

/* The payload. */
struct list {
	struct payload head;
	int32_t fill; /* list-max-listpack-size when it was created: Redis keeps to that */
	uint32_t nodes;
	struct list_node *first, *last;
	uint64_t count;
};

static inline bool node_is_large(const struct list_node *n)
{
	return n->room_len == 0;
}
static inline uint32_t node_count(const struct list_node *n)
{
	return node_is_large(n) ? 1 : lp_count(n->lp);
}
/* Bytes as one listpack. */
size_t node_bytes(const struct list_node *n);

/* ---- limits (list_limit.c) ---- */
/* Would a listpack of so many bytes and entries be too large for this list-max-listpack-size? */
bool limit_exceeded(int64_t limit, size_t bytes, uint64_t count);
/* Half of the limit or less: small enough to become compact. */
bool limit_half(int64_t limit, size_t bytes, uint64_t count);
/* Bytes at which a node of that fill is full at the latest. */
size_t limit_bytes(int64_t fill);
int32_t limit_fill(int64_t limit);
/* May an element of len bytes join n, a and b become one? NULL: no. */
bool node_takes(const struct list *l, const struct list_node *n, size_t len);
bool nodes_merge_fits(const struct list *l, const struct list_node *a, const struct list_node *b);
static inline bool is_large(const struct list *l, size_t len)
{
	return len > limit_bytes(l->fill);
}

/* ---- nodes (list_node.c); NULL or false: out of memory, nothing changed ---- */
/* An empty listpack with room for `bytes` of entries, on the given side of it. */
struct list_node *node_create(struct heap *h, size_t bytes, enum list_end room);
struct list_node *node_create_large(struct heap *h, struct slice v, struct blob *take);
struct list_node *node_copy(struct heap *h, const struct list_node *n);
void node_free(struct heap *h, struct list_node *n);
void node_link(struct list *l, struct list_node *n, struct list_node *beside, bool after);
void node_unlink(struct list *l, struct list_node *n);
/* Adds at an end of *n; the node may move. */
bool node_push(struct heap *h, struct list *l, struct list_node **n, enum list_end where, struct slice v);
/* Removes entries of a listpack from number `at` on. */
void node_cut(struct list_node *n, uint32_t at, uint32_t count);
/* Gives back room that is not needed, if it can. */
void node_trim(struct heap *h, struct list *l, struct list_node *n);

/* Editing a node's listpack with lp_*(): it may move, e.n is where it is. */
struct node_edit {
	struct cbuf b;
	struct heap *h;
	struct list *l;
	struct list_node *n;
};
void node_edit_begin(struct node_edit *e, struct heap *h, struct list *l, struct list_node *n);

/* ---- the chain (list_chain.c) ---- */
struct list *chain_create(struct heap *h, int64_t limit);
/* Appends a listpack as one node. */
bool chain_append_node(struct heap *h, struct list *l, const uint8_t *lp);
bool chain_push(struct heap *h, struct list *l, enum list_end where, struct slice v, struct blob *take);
void chain_remove(struct store *s, struct list *l, uint64_t from, uint64_t n);
/* The first or last `max` equal entries of a listpack. Returns how many went. */
uint32_t pack_remove_equal(struct cbuf *b, const struct lp_key *k, uint64_t max, bool back);
uint64_t chain_remove_equal(struct heap *h, struct list *l, const struct lp_key *k, uint64_t max, bool back);
/* The node with element `index`, from the nearer end; *at: which of the node's it is. */
struct list_node *chain_seek(const struct list *l, uint64_t index, uint32_t *at);
/* The element at one end goes to the other, or is pushed again where it was, as pop and push would do. */
bool chain_rotate(struct heap *h, struct list *l, enum list_end from, enum list_end to);
void chain_free(struct heap *h, struct list *l);
/* (list_insert.c) */
bool chain_insert(struct heap *h, struct list *l, struct list_node *n, uint32_t at, bool after, struct slice v);
bool chain_set(struct heap *h, struct list *l, struct list_node *n, uint32_t at, struct slice v);
