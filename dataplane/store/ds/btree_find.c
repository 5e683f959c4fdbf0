/* Descents that change nothing: search, rank, positions. */
#include "store/ds/btree_priv.h"

/* Keys below `key`; without branches that depend on data. */
static uint32_t keys_below(const uint64_t *k, uint32_t n, uint64_t key)
{
	const uint64_t *b = k;

	if (n == 0)
		return 0;
	while (n > 1) {
		uint32_t half = n / 2;

		b += half & -(uint32_t)(b[half - 1] < key);
		n -= half;
	}
	return (uint32_t)(b - k) + (*b < key);
}

uint32_t btree_node_search(const struct btree_node *n, const struct target *g)
{
	const uint64_t *k = node_keys(n);
	void *const *ptr = node_ptrs(n);
	uint32_t lo = 0, hi = n->count;

	if (!g->any_key) {
		lo = keys_below(k, hi, g->key);
		if (lo == hi || k[lo] != g->key || g->probe == NULL)
			return lo;
		if (g->key != UINT64_MAX)
			hi = lo + keys_below(k + lo, hi - lo, g->key + 1);
	}
	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (g->probe(g->ctx, ptr[mid]) < g->bias)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct btree_node *btree_descend(const struct btree *t, const struct target *g, struct path *p)
{
	struct btree_node *n = t->root;

	p->depth = 0;
	while (n->level > 0) {
		uint32_t i = btree_node_search(n, g);

		i -= i > 0;
		p->n[p->depth] = inner_of(n);
		p->at[p->depth++] = i;
		n = inner_of(n)->child[i];
	}
	return n;
}

static struct btree_pos boundary(const struct btree *t, const struct target *g)
{
	struct path p;

	if (t->root == NULL)
		return (struct btree_pos){NULL, 0};
	struct btree_node *leaf = btree_descend(t, g, &p);
	uint32_t at = btree_node_search(leaf, g);
	return at < leaf->count ? (struct btree_pos){leaf, at} : (struct btree_pos){leaf->next, 0};
}

struct btree_pos btree_lower_bound(const struct btree *t, uint64_t key, btree_probe_fn probe, const void *ctx)
{
	return boundary(t, &(struct target){.key = key, .probe = probe, .ctx = ctx});
}

struct btree_pos btree_search(const struct btree *t, btree_probe_fn probe, const void *ctx)
{
	return boundary(t, &(struct target){.probe = probe, .ctx = ctx, .any_key = true});
}

uint64_t btree_rank(const struct btree *t, uint64_t key, const void *ptr)
{
	struct pair_ctx pair = {t->cmp, ptr};
	struct target g = {.key = key, .probe = pair_probe, .ctx = &pair, .bias = 1};
	struct path p;
	uint64_t rank = btree_node_search(btree_descend(t, &g, &p), &g);

	for (uint32_t lv = 0; lv < p.depth; lv++)
		for (uint32_t i = 0; i < p.at[lv]; i++)
			rank += p.n[lv]->below[i];
	return rank - 1;
}

uint64_t btree_pos_rank(const struct btree *t, struct btree_pos pos)
{
	return pos.leaf == NULL ? t->count : btree_rank(t, btree_key(pos), btree_ptr(pos));
}

struct btree_pos btree_at(const struct btree *t, uint64_t rank)
{
	struct btree_node *n = t->root;

	if (rank >= t->count)
		return (struct btree_pos){NULL, 0};
	while (n->level > 0) {
		const struct inner *in = inner_of(n);
		uint32_t i = 0;

		while (rank >= in->below[i])
			rank -= in->below[i++];
		n = in->child[i];
	}
	return (struct btree_pos){n, (uint32_t)rank};
}

struct btree_pos btree_first(const struct btree *t)
{
	struct btree_node *n = t->root;

	while (n != NULL && n->level > 0)
		n = inner_of(n)->child[0];
	return (struct btree_pos){n, 0};
}

struct btree_pos btree_last(const struct btree *t)
{
	struct btree_node *n = t->root;

	while (n != NULL && n->level > 0)
		n = inner_of(n)->child[n->count - 1];
	return (struct btree_pos){n, n != NULL ? n->count - 1u : 0};
}

bool btree_next(struct btree_pos *p)
{
	if (++p->at == p->leaf->count)
		*p = (struct btree_pos){p->leaf->next, 0};
	return p->leaf != NULL;
}

bool btree_prev(struct btree_pos *p)
{
	if (p->at-- == 0) {
		struct btree_node *n = p->leaf->prev;

		*p = (struct btree_pos){n, n != NULL ? n->count - 1u : 0};
	}
	return p->leaf != NULL;
}

uint64_t btree_key(struct btree_pos p)
{
	return node_keys(p.leaf)[p.at];
}

void *btree_ptr(struct btree_pos p)
{
	return node_ptrs(p.leaf)[p.at];
}
