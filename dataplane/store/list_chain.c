/* The chain of nodes: ends, ranges, and what the store asks of a payload. */
#include "store/list_priv.h"

/* More nodes than this are freed by store_poll(). */
#define FREE_NOW 64

struct list *chain_create(struct heap *h, int64_t limit)
{
	struct list *l = heap_zalloc(h, sizeof *l);

	if (l != NULL) {
		l->head.type = OBJ_LIST;
		l->fill = limit_fill(limit);
	}
	return l;
}

bool chain_append_node(struct heap *h, struct list *l, const uint8_t *lp)
{
	struct list_node *n = node_create(h, lp_bytes(lp) - LP_EMPTY_BYTES, LIST_TAIL);

	if (n == NULL)
		return false;
	memcpy(n->lp, lp, lp_bytes(lp));
	node_link(l, n, l->last, true);
	l->count += lp_count(lp);
	return true;
}

static struct list_node *node_with(struct heap *h, struct list *l, enum list_end where, struct slice v,
				   struct blob *take)
{
	if (is_large(l, v.len))
		return node_create_large(h, v, take);
	struct list_node *n = node_create(h, lp_entry_bytes(v), where);
	if (n != NULL)
		node_push(h, l, &n, where, v);
	return n;
}

bool chain_push(struct heap *h, struct list *l, enum list_end where, struct slice v, struct blob *take)
{
	struct list_node *end = where == LIST_HEAD ? l->first : l->last;

	if (rp_likely(node_takes(l, end, v.len))) {
		if (!node_push(h, l, &end, where, v))
			return false;
	} else {
		struct list_node *n = node_with(h, l, where, v, take);
		if (n == NULL)
			return false;
		if (end != NULL)
			node_trim(h, l, end);
		node_link(l, n, where == LIST_HEAD ? l->first : l->last, where == LIST_TAIL);
	}
	l->count++;
	return true;
}

struct list_node *chain_seek(const struct list *l, uint64_t index, uint32_t *at)
{
	struct list_node *n;

	if (index < l->count / 2) {
		for (n = l->first; index >= node_count(n); n = n->next)
			index -= node_count(n);
		*at = (uint32_t)index;
		return n;
	}
	uint64_t behind = l->count - index; /* this one included */
	for (n = l->last; behind > node_count(n); n = n->prev)
		behind -= node_count(n);
	*at = (uint32_t)(node_count(n) - behind);
	return n;
}

/* ---- removing ---- */

/* A chain of its own, linked by next only, goes. */
static void free_nodes(struct store *s, struct list_node *first, uint32_t nodes)
{
	struct heap *h = store_heap(s);
	struct list *dead = nodes > FREE_NOW ? chain_create(h, 0) : NULL;

	if (dead != NULL) {
		dead->first = first;
		store_release(s, &dead->head);
		return;
	}
	while (first != NULL) {
		struct list_node *next = first->next;
		node_free(h, first);
		first = next;
	}
}

void chain_remove(struct store *s, struct list *l, uint64_t from, uint64_t n)
{
	struct list_node *gone = NULL, *next;
	uint32_t at, nodes = 0;

	if (n == 0)
		return;
	if (n == l->count) {
		gone = l->first;
		nodes = l->nodes;
		l->first = l->last = NULL;
		l->nodes = 0;
		l->count = 0;
		free_nodes(s, gone, nodes);
		return;
	}
	struct list_node *node = chain_seek(l, from, &at);
	for (; n > 0; node = next, at = 0) {
		uint32_t have = node_count(node), cut = (uint32_t)RP_MIN(n, have - at);
		next = node->next;
		n -= cut;
		l->count -= cut;
		if (cut == have) {
			node_unlink(l, node);
			node->next = gone;
			gone = node;
			nodes++;
			continue;
		}
		node_cut(node, at, cut);
		if (cut > 1)
			node_trim(store_heap(s), l, node);
	}
	free_nodes(s, gone, nodes);
}

/* Where lp_delete_equal() must begin so that it removes the last `max` equal entries. 0: there is none. */
static size_t from_tail(const uint8_t *lp, const struct lp_key *k, uint64_t max)
{
	size_t found = 0;

	for (size_t off = lp_last(lp); off != 0 && max > 0; off = lp_prev(lp, off))
		if (lp_eq(lp, off, k)) {
			found = off;
			max--;
		}
	return found;
}

uint32_t pack_remove_equal(struct cbuf *b, const struct lp_key *k, uint64_t max, bool back)
{
	size_t from = back ? from_tail(b->p, k, max) : lp_first(b->p);

	return from == 0 ? 0 : lp_delete_equal(b, from, k, (uint32_t)RP_MIN(max, UINT32_MAX));
}

/* The node goes with its last entry. Returns how many went. */
static uint32_t node_remove_equal(struct heap *h, struct list *l, struct list_node *n, const struct lp_key *k,
				  uint64_t max, bool back)
{
	struct node_edit e;
	uint32_t gone;

	if (node_is_large(n)) {
		if (!slice_eq((struct slice){n->large->data, n->large->len}, k->s))
			return 0;
		node_unlink(l, n);
		node_free(h, n);
		return 1;
	}
	node_edit_begin(&e, h, l, n);
	gone = pack_remove_equal(&e.b, k, max, back);
	if (lp_count(n->lp) == 0) {
		node_unlink(l, n);
		node_free(h, n);
	} else if (gone > 0) {
		node_trim(h, l, n);
	}
	return gone;
}

uint64_t chain_remove_equal(struct heap *h, struct list *l, const struct lp_key *k, uint64_t max, bool back)
{
	struct list_node *n = back ? l->last : l->first, *next;
	uint64_t gone = 0;

	for (; n != NULL && gone < max; n = next) {
		next = back ? n->prev : n->next;
		gone += node_remove_equal(h, l, n, k, max - gone, back);
	}
	l->count -= gone;
	return gone;
}

/* ---- from end to end ---- */

/* A node that holds just the element at that end, and the element gone from there. */
static struct list_node *take_end(struct heap *h, struct list *l, enum list_end from, enum list_end to)
{
	struct list_node *end = from == LIST_HEAD ? l->first : l->last, *n = end;
	char buf[NUM_I64_CHARS];

	if (node_count(end) == 1) {
		node_unlink(l, end);
		return end;
	}
	size_t off = from == LIST_HEAD ? lp_first(end->lp) : lp_last(end->lp);
	n = node_with(h, l, to, lp_get(end->lp, off, buf), NULL);
	if (n != NULL)
		node_cut(end, from == LIST_HEAD ? 0 : lp_count(end->lp) - 1, 1);
	return n;
}

bool chain_rotate(struct heap *h, struct list *l, enum list_end from, enum list_end to)
{
	char buf[NUM_I64_CHARS];

	if (l->count < 2)
		return true;
	struct list_node *n = take_end(h, l, from, to);
	if (n == NULL)
		return false;
	struct list_node *end = to == LIST_HEAD ? l->first : l->last;
	if (!node_is_large(n)) {
		struct slice v = lp_get(n->lp, lp_first(n->lp), buf);
		if (node_takes(l, end, v.len) && node_push(h, l, &end, to, v)) {
			node_free(h, n);
			return true;
		}
	}
	node_link(l, n, end, to == LIST_TAIL);
	return true;
}

struct list_chain_stats list_chain_stats(const struct object *o)
{
	const struct list *l = obj_payload(o);
	struct list_chain_stats st = {.nodes = l->nodes, .fill = l->fill, .elements = l->count};

	for (const struct list_node *n = l->first; n != NULL; n = n->next)
		st.bytes += node_bytes(n);
	return st;
}

/* ---- what the store asks ---- */

static bool list_drain(struct heap *h, struct payload *p, uint32_t *budget)
{
	struct list *l = rp_container_of(p, struct list, head);

	for (; l->first != NULL && *budget > 0; --*budget) {
		struct list_node *n = l->first;
		l->first = n->next;
		node_free(h, n);
	}
	if (l->first != NULL)
		return false;
	heap_free(h, l);
	return true;
}

void chain_free(struct heap *h, struct list *l)
{
	uint32_t all = UINT32_MAX;

	list_drain(h, &l->head, &all);
}

static struct payload *list_clone(struct heap *to, const struct payload *p)
{
	const struct list *l = rp_container_of(p, const struct list, head);
	struct list *c = chain_create(to, l->fill);

	if (c == NULL)
		return NULL;
	for (const struct list_node *n = l->first; n != NULL; n = n->next) {
		struct list_node *copy = node_copy(to, n);
		if (copy == NULL) {
			chain_free(to, c);
			return NULL;
		}
		node_link(c, copy, c->last, true);
	}
	c->count = l->count;
	return &c->head;
}

static size_t list_bytes(const struct payload *p, uint32_t samples)
{
	const struct list *l = rp_container_of(p, const struct list, head);
	uint32_t n = samples == 0 ? l->nodes : RP_MIN(samples, l->nodes);
	size_t sum = 0;
	const struct list_node *node = l->first;

	for (uint32_t i = 0; i < n; i++, node = node->next)
		sum += sizeof *node + (node_is_large(node) ? sizeof(struct blob) + node->large->cap : node->room_len);
	return heap_good_size(sizeof *l) + (n == 0 ? 0 : (size_t)((__uint128_t)sum * l->nodes / n));
}

const struct obj_type_ops list_type_ops = {.drain = list_drain, .clone = list_clone, .bytes = list_bytes};
