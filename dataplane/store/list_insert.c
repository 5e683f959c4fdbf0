/* Inside the chain: inserting beside an element and replacing one. Which nodes are split, made and merged is Redis's
 * choice: it decides when the list becomes compact again. */
#include "store/list_priv.h"

/* A node that replacing has made so many times too large is split. */
#define OVERFULL 4

/* Appends b's entries to a, and b goes. Memory may be too short: then both stay. Returns the node that has a's. */
static struct list_node *merge(struct heap *h, struct list *l, struct list_node *a, struct list_node *b)
{
	struct node_edit e;

	if (!nodes_merge_fits(l, a, b))
		return a;
	node_edit_begin(&e, h, l, a);
	if (lp_concat(&e.b, b->lp)) {
		node_unlink(l, b);
		node_free(h, b);
	}
	return e.n;
}

/* What a split left small joins its neighbours, in the order in which Redis tries them. */
static void merge_around(struct heap *h, struct list *l, struct list_node *center)
{
	struct list_node *prev = center->prev, *next = center->next;

	if (prev != NULL && prev->prev != NULL)
		merge(h, l, prev->prev, prev);
	if (next != NULL && next->next != NULL)
		merge(h, l, next, next->next);
	if (center->prev != NULL && nodes_merge_fits(l, center->prev, center)) {
		uint32_t nodes = l->nodes;
		struct list_node *joined = merge(h, l, center->prev, center);
		if (l->nodes < nodes)
			center = joined;
	}
	if (center->next != NULL)
		merge(h, l, center, center->next);
}

/* The entries before or (behind) from position `at` on in a node of their own, with room for as many bytes beside the
 * gap. n keeps all of its own. */
static struct list_node *part(struct heap *h, struct list_node *n, uint32_t at, bool behind, size_t room)
{
	size_t len = lp_bytes(n->lp);
	struct list_node *p = node_create(h, len + room, behind ? LIST_HEAD : LIST_TAIL);

	if (p == NULL)
		return NULL;
	p->lp = behind ? p->room + p->room_len - len : p->room;
	memcpy(p->lp, n->lp, len);
	node_cut(p, behind ? 0 : at, behind ? at : lp_count(n->lp) - at);
	return p;
}

/* Between two entries of n: those on one side of the gap go into a node of their own, and v with them, or beside them
 * if it is large. */
static bool insert_by_split(struct heap *h, struct list *l, struct list_node *n, uint32_t at, bool after,
			    struct slice v)
{
	bool large = is_large(l, v.len);
	struct list_node *p = part(h, n, at, after, large ? 0 : lp_entry_bytes(v)), *own = NULL;

	if (p == NULL)
		return false;
	if (large) {
		own = node_create_large(h, v, NULL);
		if (own == NULL) {
			node_free(h, p);
			return false;
		}
	} else {
		node_push(h, l, &p, after ? LIST_HEAD : LIST_TAIL, v);
	}
	node_cut(n, after ? at : 0, after ? lp_count(n->lp) - at : at);
	node_link(l, p, n, after);
	node_trim(h, l, p);
	if (own != NULL)
		node_link(l, own, n, after);
	return true;
}

static bool insert_node(struct heap *h, struct list *l, struct list_node *n, bool after, struct slice v)
{
	struct list_node *own;

	if (is_large(l, v.len)) {
		own = node_create_large(h, v, NULL);
	} else {
		own = node_create(h, lp_entry_bytes(v), LIST_TAIL);
		if (own != NULL)
			node_push(h, l, &own, LIST_TAIL, v);
	}
	if (own == NULL)
		return false;
	node_link(l, own, n, after);
	return true;
}

static bool insert(struct heap *h, struct list *l, struct list_node *n, uint32_t at, bool after, struct slice v)
{
	uint32_t gap = after ? at + 1 : at;

	if (node_takes(l, n, v.len)) {
		struct node_edit e;
		node_edit_begin(&e, h, l, n);
		return lp_insert(&e.b, gap == lp_count(n->lp) ? lp_end(n->lp) : lp_seek(n->lp, gap), v);
	}
	if (gap != 0 && gap != node_count(n)) {
		if (!insert_by_split(h, l, n, gap, after, v))
			return false;
		if (!is_large(l, v.len))
			merge_around(h, l, n);
		return true;
	}
	struct list_node *beside = after ? n->next : n->prev;
	if (node_takes(l, beside, v.len))
		return node_push(h, l, &beside, after ? LIST_HEAD : LIST_TAIL, v);
	return insert_node(h, l, n, after, v);
}

bool chain_insert(struct heap *h, struct list *l, struct list_node *n, uint32_t at, bool after, struct slice v)
{
	if (!insert(h, l, n, at, after, v))
		return false;
	l->count++;
	return true;
}

static bool set_in_place(struct heap *h, struct list *l, struct list_node *n, uint32_t at, struct slice v)
{
	struct node_edit e;

	node_edit_begin(&e, h, l, n);
	return lp_replace(&e.b, lp_seek(n->lp, at), v);
}

bool chain_set(struct heap *h, struct list *l, struct list_node *n, uint32_t at, struct slice v)
{
	bool large = is_large(l, v.len);

	if (!node_is_large(n) && !large && lp_bytes(n->lp) + v.len <= OVERFULL * limit_bytes(l->fill))
		return set_in_place(h, l, n, at, v);
	/* It goes in behind the old one, which is the last of its node then. */
	if (at + 1 == node_count(n) ? !insert_node(h, l, n, true, v) : !insert_by_split(h, l, n, at + 1, true, v))
		return false;
	if (at > 0) {
		node_cut(n, at, 1);
		return true;
	}
	node_unlink(l, n);
	node_free(h, n);
	return true;
}
