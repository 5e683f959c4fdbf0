/* Inside of the B+ tree: nodes, paths, search in a node.
 *
 *   inner:  | head | first pair of each child: keys.. | pointers.. | children.. | pairs below each child.. |
 *   leaf:   | head | keys.. | pointers.. |                                      linked to its neighbours
 *
 * In every inner node (key[i], ptr[i]) is exactly the first pair below child i, so no node keeps a pointer to what was
 * removed. The keys of a node stand together: searching them touches two or three cache lines, and what the pointers
 * lead to is only looked at where keys are equal. While the root is a leaf it is as small as its pairs allow.
 */
#pragma once

#include "store/ds/btree.h"

#define LEAF_CAP    62 /* pairs: 1 KiB */
#define LEAF_MIN    20 /* below that it joins a neighbour or takes from it */
#define INNER_CAP   72 /* children: 2 KiB */
#define INNER_MIN   24
#define PATH_MAX_LV 24

struct btree_node {
	uint16_t count; /* pairs, or children */
	uint16_t cap;
	uint32_t level;                 /* 0: leaf */
	struct btree_node *prev, *next; /* leaves; `next` also links spares */
};

struct inner {
	struct btree_node n;
	uint64_t key[INNER_CAP];
	void *ptr[INNER_CAP];
	struct btree_node *child[INNER_CAP];
	uint32_t below[INNER_CAP];
};
_Static_assert(sizeof(struct inner) <= 2048, "an inner node is two kilobytes");
_Static_assert(sizeof(struct btree_node) + LEAF_CAP * 16 <= 1024, "a leaf is one kilobyte");

/* Keys and pointers stand alike in both kinds of node. */
static inline uint64_t *node_keys(const struct btree_node *n)
{
	return (uint64_t *)(n + 1);
}
static inline void **node_ptrs(const struct btree_node *n)
{
	return (void **)(node_keys(n) + n->cap);
}
static inline struct inner *inner_of(const struct btree_node *n)
{
	return (struct inner *)n;
}
static inline size_t leaf_bytes(uint32_t cap)
{
	return sizeof(struct btree_node) + cap * 16;
}

/* What a descent looks for: the boundary between pairs before it and the others. */
struct target {
	uint64_t key;
	btree_probe_fn probe; /* among equal keys; NULL: before all of them */
	const void *ctx;
	int bias;     /* a pair is before the boundary if probe() < bias: 1 puts what equals before it, too */
	bool any_key; /* the probe alone knows */
};

/* Where a pair stands among equal keys. */
struct pair_ctx {
	btree_cmp_fn cmp;
	const void *ptr;
};
static inline int pair_probe(const void *ctx, const void *ptr)
{
	const struct pair_ctx *c = ctx;

	if (ptr == c->ptr)
		return 0;
	if (c->cmp != NULL)
		return c->cmp(ptr, c->ptr);
	return ptr < c->ptr ? -1 : 1;
}

/* From the root (0) to the parent of the leaf (depth - 1). */
struct path {
	struct inner *n[PATH_MAX_LV];
	uint32_t at[PATH_MAX_LV];
	uint32_t depth;
};

/* Pairs of the node before the boundary. */
uint32_t btree_node_search(const struct btree_node *n, const struct target *t);
/* Leaf in which the boundary lies, or at whose end or beginning it is; the path to it. t has a root. */
struct btree_node *btree_descend(const struct btree *t, const struct target *g, struct path *p);

static inline void leaf_move(struct btree_node *to, uint32_t at, const struct btree_node *from, uint32_t i, uint32_t n)
{
	memmove(node_keys(to) + at, node_keys(from) + i, n * sizeof(uint64_t));
	memmove(node_ptrs(to) + at, node_ptrs(from) + i, n * sizeof(void *));
}
static inline void inner_move(struct inner *to, uint32_t at, const struct inner *from, uint32_t i, uint32_t n)
{
	memmove(to->key + at, from->key + i, n * sizeof to->key[0]);
	memmove(to->ptr + at, from->ptr + i, n * sizeof to->ptr[0]);
	memmove(to->child + at, from->child + i, n * sizeof to->child[0]);
	memmove(to->below + at, from->below + i, n * sizeof to->below[0]);
}
static inline void node_move(struct btree_node *to, uint32_t at, const struct btree_node *from, uint32_t i, uint32_t n)
{
	if (to->level == 0)
		leaf_move(to, at, from, i, n);
	else
		inner_move(inner_of(to), at, inner_of(from), i, n);
}
/* The last n of `left` go before the first of its right neighbour. */
static inline void node_give_right(struct btree_node *left, struct btree_node *right, uint32_t n)
{
	node_move(right, n, right, 0, right->count);
	node_move(right, 0, left, left->count - n, n);
	left->count -= n;
	right->count += n;
}
/* The first n of `right` go behind the last of its left neighbour. */
static inline void node_give_left(struct btree_node *left, struct btree_node *right, uint32_t n)
{
	node_move(left, left->count, right, 0, n);
	node_move(right, 0, right, n, right->count - n);
	left->count += n;
	right->count -= n;
}
static inline uint64_t node_pairs(const struct btree_node *n)
{
	uint64_t sum = 0;

	if (n->level == 0)
		return n->count;
	for (uint32_t i = 0; i < n->count; i++)
		sum += inner_of(n)->below[i];
	return sum;
}
/* What a parent notes of its child i. */
static inline void inner_note(struct inner *p, uint32_t i)
{
	const struct btree_node *c = p->child[i];

	p->key[i] = node_keys(c)[0];
	p->ptr[i] = node_ptrs(c)[0];
	p->below[i] = (uint32_t)node_pairs(c);
}
/* The first pair of the leaf changed: so does the note of it above, as long as it is also first there. */
static inline void path_note_first(struct path *p, const struct btree_node *leaf)
{
	for (uint32_t lv = p->depth; lv-- > 0;) {
		p->n[lv]->key[p->at[lv]] = node_keys(leaf)[0];
		p->n[lv]->ptr[p->at[lv]] = node_ptrs(leaf)[0];
		if (p->at[lv] > 0)
			return;
	}
}
/* Index in t->spare[] and t->nodes[] of a node's kind. */
static inline uint32_t node_kind(const struct btree_node *n)
{
	return n->level > 0;
}
void btree_node_free(struct btree *t, struct heap *h, struct btree_node *n);
