/* Nodes, inserts and memory of the B+ tree.
 *
 * An insert that meets a full leaf first makes room, one valid tree after another, and then descends again: pairs move
 * to a neighbour with room, or the topmost full node below one that has room is split. So running out of memory half
 * way leaves a tree with the same pairs.
 */
#include "store/ds/btree_priv.h"

#define GIVE_MIN 8 /* free places in a neighbour that are worth moving pairs there instead of splitting */

void btree_init(struct btree *t, btree_cmp_fn cmp)
{
	*t = (struct btree){.cmp = cmp};
}

static size_t kind_bytes(uint32_t kind)
{
	return kind == 0 ? leaf_bytes(LEAF_CAP) : sizeof(struct inner);
}

static bool spare_fill(struct btree *t, struct heap *h, uint32_t kind, uint64_t n)
{
	while (t->spares[kind] < n) {
		struct btree_node *s = heap_alloc(h, kind_bytes(kind));

		if (s == NULL)
			return false;
		s->next = t->spare[kind];
		t->spare[kind] = s;
		t->spares[kind]++;
	}
	return true;
}

/* A spare is there. */
static struct btree_node *node_take(struct btree *t, uint32_t level)
{
	uint32_t kind = level > 0;
	struct btree_node *n = t->spare[kind];

	t->spare[kind] = n->next;
	t->spares[kind]--;
	t->nodes[kind]++;
	*n = (struct btree_node){.cap = kind == 0 ? LEAF_CAP : INNER_CAP, .level = level};
	return n;
}

void btree_node_free(struct btree *t, struct heap *h, struct btree_node *n)
{
	t->nodes[node_kind(n)]--;
	heap_free(h, n);
}

/* ---- making room --------------------------------------------------------------------------------------------- */

/* The tree is a leaf at most: it gets room for n pairs. */
static bool root_grow(struct btree *t, struct heap *h, uint32_t n)
{
	struct btree_node *old = t->root;
	uint32_t cap = old != NULL ? old->cap : 2;

	while (cap < n)
		cap = 2 * cap + 2;
	if (old != NULL && old->cap >= cap)
		return true;
	struct btree_node *r = heap_alloc(h, leaf_bytes(cap));
	if (r == NULL)
		return false;
	*r = (struct btree_node){.cap = (uint16_t)cap};
	if (old != NULL) {
		r->count = old->count;
		leaf_move(r, 0, old, 0, old->count);
		heap_free(h, old);
	}
	t->root = r;
	t->nodes[0] = 1;
	t->height = 1;
	return true;
}
_Static_assert(2 * (2 * (2 * (2 * 2 + 2) + 2) + 2) + 2 == LEAF_CAP, "a growing root ends as a leaf");

/* Child i of p is full. Moves pairs to a leaf beside it that has room. */
static bool leaf_give(struct inner *p, uint32_t i)
{
	uint32_t beside = i;

	if (i + 1 < p->n.count && p->below[i + 1] <= LEAF_CAP - GIVE_MIN) {
		beside = i + 1;
		node_give_right(p->child[i], p->child[beside], (LEAF_CAP - p->below[beside]) / 2);
	} else if (i > 0 && p->below[i - 1] <= LEAF_CAP - GIVE_MIN) {
		beside = i - 1;
		node_give_left(p->child[beside], p->child[i], (LEAF_CAP - p->below[beside]) / 2);
	}
	if (beside == i)
		return false;
	inner_note(p, beside);
	inner_note(p, i);
	return true;
}

/* The tree gets a root above its root. */
static void root_raise(struct btree *t)
{
	struct inner *r = inner_of(node_take(t, t->height));

	rp_assert(t->height < PATH_MAX_LV);
	r->child[0] = t->root;
	r->n.count = 1;
	inner_note(r, 0);
	t->root = &r->n;
	t->height++;
}

/* Splits child i of p, which has room; `keep` stay. */
static void child_split(struct btree *t, struct inner *p, uint32_t i, uint32_t keep)
{
	struct btree_node *left = p->child[i], *right = node_take(t, left->level);

	right->count = left->count - (uint16_t)keep;
	node_move(right, 0, left, keep, right->count);
	left->count = (uint16_t)keep;
	if (left->level == 0) {
		right->next = left->next;
		right->prev = left;
		left->next = right;
		if (right->next != NULL)
			right->next->prev = right;
	}
	inner_move(p, i + 2, p, i + 1, p->n.count - i - 1);
	p->child[i + 1] = right;
	p->n.count++;
	inner_note(p, i);
	inner_note(p, i + 1);
}

/* The leaf at the end of the path is full and the next pair goes to `at`. */
static bool make_room(struct btree *t, struct heap *h, struct path *p, const struct btree_node *leaf, uint32_t at)
{
	uint32_t lv = p->depth;

	if (lv > 0 && leaf_give(p->n[lv - 1], p->at[lv - 1]))
		return true;
	const struct btree_node *n = leaf;
	while (lv > 0 && p->n[lv - 1]->n.count == INNER_CAP)
		n = &p->n[--lv]->n;
	if (!spare_fill(t, h, node_kind(n), 1) || (lv == 0 && !spare_fill(t, h, 1, 1u + node_kind(n))))
		return false;
	/* Runs of ascending or descending pairs leave full nodes behind. */
	uint32_t keep = n->count / 2u;
	if (at == leaf->count && leaf->next == NULL)
		keep = n->count - 1u;
	else if (at == 0 && leaf->prev == NULL)
		keep = 1;
	if (lv == 0) {
		root_raise(t);
		child_split(t, inner_of(t->root), 0, keep);
	} else {
		child_split(t, p->n[lv - 1], p->at[lv - 1], keep);
	}
	return true;
}

bool btree_insert(struct btree *t, struct heap *h, uint64_t key, void *ptr)
{
	struct pair_ctx pair = {t->cmp, ptr};
	struct target g = {.key = key, .probe = pair_probe, .ctx = &pair};
	struct btree_node *leaf;
	struct path p;
	uint32_t at;

	if (t->height <= 1 && t->count < LEAF_CAP && !root_grow(t, h, (uint32_t)t->count + 1))
		return false;
	for (;;) {
		leaf = btree_descend(t, &g, &p);
		at = btree_node_search(leaf, &g);
		if (rp_likely(leaf->count < LEAF_CAP))
			break;
		if (!make_room(t, h, &p, leaf, at))
			return false;
	}
	leaf_move(leaf, at + 1, leaf, at, leaf->count - at);
	node_keys(leaf)[at] = key;
	node_ptrs(leaf)[at] = ptr;
	leaf->count++;
	t->count++;
	for (uint32_t lv = 0; lv < p.depth; lv++)
		p.n[lv]->below[p.at[lv]]++;
	if (at == 0)
		path_note_first(&p, leaf);
	return true;
}

/* ---- memory -------------------------------------------------------------------------------------------------- */

/* Where inserts may go, and so how many splits they cause at most. */
struct spread {
	uint32_t full[2];  /* nodes that may be full now, leaves and inner ones */
	uint32_t every[2]; /* inserts after which a new node may be full */
};

/* A split needs a full node. */
static uint64_t splits_at_most(const struct spread *sp, uint32_t kind, uint64_t inserts)
{
	return RP_MIN(inserts, sp->full[kind] + inserts / sp->every[kind] + 2);
}

static bool reserve(struct btree *t, struct heap *h, uint32_t n, const struct spread *sp)
{
	uint64_t all = t->count + n;

	if (t->height <= 1 && !root_grow(t, h, (uint32_t)RP_MIN(all, LEAF_CAP)))
		return false;
	if (t->height == 1 && all <= LEAF_CAP)
		return true;
	uint64_t leaves = splits_at_most(sp, 0, n), level = leaves, inner = 0;
	for (uint32_t lv = 1; lv < t->height; lv++) {
		level = splits_at_most(sp, 1, level);
		inner += level;
	}
	/* Above a root that splits another one comes, which may do the same. */
	for (; level > 0; level /= sp->every[1])
		inner += 1 + level / sp->every[1];
	return spare_fill(t, h, 0, leaves) && spare_fill(t, h, 1, inner);
}

bool btree_reserve(struct btree *t, struct heap *h, uint32_t n)
{
	struct spread anywhere = {.full = {t->nodes[0], t->nodes[1]}, .every = {8, 8}};

	return reserve(t, h, n, &anywhere);
}

/* The node that splits at the right end leaves one pair to the new one: make_room(). */
bool btree_reserve_behind(struct btree *t, struct heap *h, uint32_t n)
{
	static const struct spread behind = {.full = {0, 0}, .every = {LEAF_CAP - 1, INNER_CAP - 1}};

	return reserve(t, h, n, &behind);
}

void btree_trim(struct btree *t, struct heap *h)
{
	for (uint32_t kind = 0; kind < 2; kind++) {
		while (t->spare[kind] != NULL) {
			struct btree_node *n = t->spare[kind];

			t->spare[kind] = n->next;
			heap_free(h, n);
		}
		t->spares[kind] = 0;
	}
}

size_t btree_bytes(const struct btree *t)
{
	size_t leaf = t->height == 1 && t->root != NULL ? leaf_bytes(t->root->cap) : kind_bytes(0);

	return heap_good_size(leaf) * t->nodes[0] + heap_good_size(kind_bytes(0)) * t->spares[0] +
	       heap_good_size(kind_bytes(1)) * (t->nodes[1] + t->spares[1]);
}
