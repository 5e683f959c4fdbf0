/* Removing from the B+ tree, and taking it down.
 *
 * A node that becomes too small joins the one beside it, or takes from it when both would not fit comfortably into one.
 * A node without one beside it (its parent has no other child) may be small, down to nothing: then it goes.
 */
#include "store/ds/btree_priv.h"

static void leaf_unlink(struct btree_node *n)
{
	if (n->prev != NULL)
		n->prev->next = n->next;
	if (n->next != NULL)
		n->next->prev = n->prev;
}

/* Takes child i, which is empty or went into its neighbour, out of p. */
static void child_drop(struct btree *t, struct heap *h, struct inner *p, uint32_t i)
{
	struct btree_node *c = p->child[i];

	if (c->level == 0)
		leaf_unlink(c);
	btree_node_free(t, h, c);
	p->n.count--;
	inner_move(p, i, p, i + 1, p->n.count - i);
}

/* Child i of p is too small and has one beside it. */
static void child_mend(struct btree *t, struct heap *h, struct inner *p, uint32_t i)
{
	uint32_t l = i + 1 < p->n.count ? i : i - 1;
	struct btree_node *left = p->child[l], *right = p->child[l + 1];
	uint32_t sum = left->count + right->count;

	if (sum <= left->cap - left->cap / 8u) {
		node_give_left(left, right, right->count);
		child_drop(t, h, p, l + 1);
		inner_note(p, l);
		return;
	}
	if (left->count > right->count)
		node_give_right(left, right, left->count - sum / 2);
	else
		node_give_left(left, right, right->count - sum / 2);
	inner_note(p, l);
	inner_note(p, l + 1);
}

/* A pair went from the leaf at the end of the path; `first`: it was the leaf's first. */
static void path_mend(struct btree *t, struct heap *h, struct path *p, bool first)
{
	for (uint32_t lv = p->depth; lv-- > 0;) {
		struct inner *n = p->n[lv];
		uint32_t i = p->at[lv];
		struct btree_node *c = n->child[i];

		n->below[i]--;
		if (c->count == 0) {
			child_drop(t, h, n, i);
		} else {
			if (first) {
				n->key[i] = node_keys(c)[0];
				n->ptr[i] = node_ptrs(c)[0];
			}
			if (c->count < (c->level == 0 ? LEAF_MIN : INNER_MIN) && n->n.count > 1)
				child_mend(t, h, n, i);
		}
		first = first && i == 0;
	}
}

static void root_lower(struct btree *t, struct heap *h)
{
	while (t->root->level > 0 && t->root->count == 1) {
		struct btree_node *r = t->root;

		t->root = inner_of(r)->child[0];
		btree_node_free(t, h, r);
		t->height--;
	}
	if (t->root->count == 0) {
		btree_node_free(t, h, t->root);
		t->root = NULL;
		t->height = 0;
	}
}

/* Leaf and index of a pair; its path. -1: it is not there. */
static int pair_find(const struct btree *t, uint64_t key, const void *ptr, struct path *p, struct btree_node **leaf)
{
	struct pair_ctx pair = {t->cmp, ptr};
	struct target g = {.key = key, .probe = pair_probe, .ctx = &pair, .bias = 1};

	if (t->root == NULL)
		return -1;
	*leaf = btree_descend(t, &g, p);
	int at = (int)btree_node_search(*leaf, &g) - 1;
	return at >= 0 && node_keys(*leaf)[at] == key && pair_probe(&pair, node_ptrs(*leaf)[at]) == 0 ? at : -1;
}

bool btree_remove(struct btree *t, struct heap *h, uint64_t key, const void *ptr)
{
	struct btree_node *leaf;
	struct path p;
	int at = pair_find(t, key, ptr, &p, &leaf);

	if (at < 0)
		return false;
	leaf->count--;
	leaf_move(leaf, (uint32_t)at, leaf, (uint32_t)at + 1, leaf->count - (uint32_t)at);
	t->count--;
	path_mend(t, h, &p, at == 0);
	root_lower(t, h);
	return true;
}

void btree_replace_ptr(struct btree *t, uint64_t key, const void *old_ptr, void *new_ptr)
{
	struct btree_node *leaf;
	struct path p;
	int at = pair_find(t, key, old_ptr, &p, &leaf);

	rp_assert(at >= 0);
	node_ptrs(leaf)[at] = new_ptr;
	if (at == 0)
		path_note_first(&p, leaf);
}

/* ---- taking it down ------------------------------------------------------------------------------------------ */

/* False: no budget left. */
static bool leaf_drain(struct btree_node *n, uint32_t *budget, void (*fn)(void *ctx, void *ptr), void *ctx)
{
	if (fn == NULL)
		n->count = 0;
	while (n->count > 0 && *budget > 0) {
		--*budget;
		fn(ctx, node_ptrs(n)[--n->count]);
	}
	return *budget > 0;
}

/* Frees the last node in which nothing is left, or drains the last leaf. False: no budget left. */
static bool drain_last(struct btree *t, struct heap *h, uint32_t *budget, void (*fn)(void *ctx, void *ptr), void *ctx)
{
	struct btree_node *n = t->root, *parent = NULL;

	while (n->level > 0 && n->count > 0) {
		parent = n;
		n = inner_of(n)->child[n->count - 1];
	}
	if (n->level == 0 && !leaf_drain(n, budget, fn, ctx))
		return false;
	if (parent != NULL)
		parent->count--;
	else
		t->root = NULL;
	btree_node_free(t, h, n);
	--*budget;
	return true;
}

bool btree_drain(struct btree *t, struct heap *h, uint32_t *budget, void (*fn)(void *ctx, void *ptr), void *ctx)
{
	while (*budget > 0 && t->root != NULL)
		if (!drain_last(t, h, budget, fn, ctx))
			return false;
	for (uint32_t kind = 0; kind < 2; kind++) {
		while (*budget > 0 && t->spare[kind] != NULL) {
			struct btree_node *n = t->spare[kind];

			t->spare[kind] = n->next;
			t->spares[kind]--;
			heap_free(h, n);
			--*budget;
		}
	}
	if (t->root != NULL || t->spare[0] != NULL || t->spare[1] != NULL)
		return false;
	t->count = 0;
	t->height = 0;
	return true;
}

void btree_fini(struct btree *t, struct heap *h)
{
	uint32_t budget = UINT32_MAX;

	while (!btree_drain(t, h, &budget, NULL, NULL))
		budget = UINT32_MAX;
}
