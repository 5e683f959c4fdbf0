/* Lists in either form: reading, and the changes that commands make. */
#include "store/list_priv.h"

#define COMPACT_STACK 512
/* More entries are not kept in one listpack, whatever their sizes. */
#define COMPACT_COUNT_MAX 32767

static struct list *chain_of(const struct object *o)
{
	return obj_is_compact(o) ? NULL : rp_container_of(obj_payload(o), struct list, head);
}

static const uint8_t *pack_of(const struct object *o)
{
	return (const uint8_t *)obj_compact(o).ptr;
}

/* ---- reading ---- */

uint64_t list_len(const struct object *o)
{
	const struct list *l = chain_of(o);

	return l != NULL ? l->count : lp_count(pack_of(o));
}

/* The iterator stands on n's entry `off`, or on n's large element. */
static void stand_on(struct list_iter *it, const struct list_node *n)
{
	it->node = n;
	it->lp = node_is_large(n) ? NULL : n->lp;
	it->large = node_is_large(n) ? n->large : NULL;
}

void list_seek(const struct object *o, uint64_t index, bool back, struct list_iter *it)
{
	const struct list *l = chain_of(o);
	uint32_t at = (uint32_t)index;

	*it = (struct list_iter){.back = back, .index = index};
	if (l != NULL)
		stand_on(it, chain_seek(l, index, &at));
	else
		it->lp = pack_of(o);
	if (it->lp != NULL)
		it->off = lp_seek(it->lp, at);
}

static void next_node(struct list_iter *it)
{
	const struct list_node *n = it->node == NULL ? NULL : it->back ? it->node->prev : it->node->next;

	if (n == NULL) {
		it->end = true;
		return;
	}
	stand_on(it, n);
	if (it->lp != NULL)
		it->off = it->back ? lp_last(it->lp) : lp_first(it->lp);
}

void list_next(struct list_iter *it)
{
	it->index += it->back ? (uint64_t)-1 : 1;
	if (it->lp != NULL) {
		it->off = it->back ? lp_prev(it->lp, it->off) : lp_next(it->lp, it->off);
		if (rp_likely(it->off != 0))
			return;
	}
	next_node(it);
}

struct slice list_get(const struct list_iter *it, char *buf, struct blob **large)
{
	if (large != NULL)
		*large = (struct blob *)it->large;
	if (rp_unlikely(it->lp == NULL))
		return (struct slice){it->large->data, it->large->len};
	return lp_get(it->lp, it->off, buf);
}

bool list_eq(const struct list_iter *it, const struct lp_key *k)
{
	if (rp_unlikely(it->lp == NULL))
		return slice_eq((struct slice){it->large->data, it->large->len}, k->s);
	return lp_eq(it->lp, it->off, k);
}

bool list_pops_int(const struct list_iter *it)
{
	int64_t v;

	return it->node != NULL && it->lp != NULL && lp_get_i64(it->lp, it->off, &v);
}

/* ---- forms ---- */

/* Would the compact list be too large with elements of `bytes` more? As Redis, by the bytes of their texts. */
static bool outgrows(const struct list_ref *r, const uint8_t *lp, size_t bytes, uint64_t n)
{
	uint64_t count = lp_count(lp) + n;

	return limit_exceeded(r->limit, lp_bytes(lp) + bytes, count) || count > COMPACT_COUNT_MAX;
}

/* A chain with the elements of the compact list, not yet the object's. */
static struct list *chain_from(struct list_ref *r)
{
	struct heap *h = store_heap(r->s);
	struct list *l = chain_create(h, r->limit);

	if (l == NULL || chain_append_node(h, l, pack_of(r->o)))
		return l;
	chain_free(h, l);
	return NULL;
}

static void adopt(struct list_ref *r, struct list *l)
{
	store_to_payload(r->s, r->db, &r->o, ENC_QUICKLIST, &l->head);
}

bool list_will_add(struct list_ref *r, struct slice v)
{
	if (!obj_is_compact(r->o) || !outgrows(r, pack_of(r->o), v.len, 1))
		return true;
	struct list *l = chain_from(r);
	if (l != NULL)
		adopt(r, l);
	return l != NULL;
}

void list_did_shrink(struct list_ref *r)
{
	struct list *l = chain_of(r->o);
	struct list_node *n;

	if (l == NULL || l->nodes != 1)
		return;
	n = l->first;
	size_t bytes = node_bytes(n);
	if (!limit_half(r->limit, bytes, l->count))
		return;
	if (!node_is_large(n)) {
		store_to_compact(r->s, r->db, &r->o, ENC_LISTPACK, (struct slice){(const char *)n->lp, bytes});
		return;
	}
	struct list_node *small = node_create(store_heap(r->s), bytes, LIST_TAIL);
	if (small == NULL)
		return;
	node_push(store_heap(r->s), l, &small, LIST_TAIL, (struct slice){n->large->data, n->large->len});
	store_to_compact(r->s, r->db, &r->o, ENC_LISTPACK, (struct slice){(const char *)small->lp, bytes});
	node_free(store_heap(r->s), small);
}

/* ---- pushing ---- */

static size_t text_bytes(const struct list_values *v)
{
	size_t n = 0;

	for (uint32_t i = 0; i < v->n && !v->popped_int; i++)
		n += v->v[i].len;
	return n;
}

static size_t entries_bytes(const struct list_values *v)
{
	size_t n = 0;

	for (uint32_t i = 0; i < v->n; i++)
		n += lp_entry_bytes(v->v[i]);
	return n;
}

static void pack_push(struct cbuf *b, enum list_end where, const struct list_values *v)
{
	for (uint32_t i = 0; i < v->n; i++) {
		bool done = where == LIST_HEAD ? lp_prepend(b, v->v[i]) : lp_append(b, v->v[i]);
		rp_assert(done);
	}
}

/* All values or none. */
static bool chain_push_all(struct store *s, struct list *l, enum list_end where, const struct list_values *v)
{
	for (uint32_t i = 0; i < v->n; i++) {
		struct blob *take = v->take != NULL && is_large(l, v->v[i].len) ? v->take(v->ctx, i) : NULL;
		if (rp_likely(chain_push(store_heap(s), l, where, v->v[i], take)))
			continue;
		if (take != NULL)
			blob_unref(take, store_heap(s));
		chain_remove(s, l, where == LIST_HEAD ? 0 : l->count - i, i);
		return false;
	}
	return true;
}

static bool push_new_compact(struct list_ref *r, enum list_end where, const struct list_values *v)
{
	uint8_t stack[COMPACT_STACK];
	size_t need = LP_EMPTY_BYTES + entries_bytes(v);
	struct cbuf b = {.p = stack, .len = LP_EMPTY_BYTES, .cap = need};

	if (need > sizeof stack) {
		b.p = heap_alloc(store_heap(r->s), need);
		if (b.p == NULL)
			return false;
	}
	lp_init(b.p);
	pack_push(&b, where, v);
	r->o = store_add_compact(r->s, r->db, r->key, OBJ_LIST, ENC_LISTPACK, (struct slice){(char *)b.p, b.len},
				 STORE_NO_EXPIRE);
	if (b.p != stack)
		heap_free(store_heap(r->s), b.p);
	return r->o != NULL;
}

static bool push_compact(struct list_ref *r, enum list_end where, const struct list_values *v)
{
	struct compact c;

	if (!compact_begin(&c, r->s, r->db, r->o))
		return false;
	bool done = v->n == 1 ? (where == LIST_HEAD ? lp_prepend : lp_append)(&c.b, v->v[0])
			      : cbuf_reserve(&c.b, c.b.len + entries_bytes(v));
	if (done && v->n > 1)
		pack_push(&c.b, where, v);
	r->o = compact_end(&c);
	return done;
}

/* The list, or the key, becomes a chain with the values in it. */
static bool push_to_chain(struct list_ref *r, enum list_end where, const struct list_values *v)
{
	struct heap *h = store_heap(r->s);
	struct list *l = r->o != NULL ? chain_from(r) : chain_create(h, r->limit);

	if (l == NULL)
		return false;
	if (chain_push_all(r->s, l, where, v)) {
		if (r->o != NULL) {
			adopt(r, l);
			return true;
		}
		r->o = store_add_payload(r->s, r->db, r->key, ENC_QUICKLIST, &l->head, STORE_NO_EXPIRE);
		if (r->o != NULL)
			return true;
	}
	chain_free(h, l);
	return false;
}

bool list_push(struct list_ref *r, enum list_end where, const struct list_values *v)
{
	static const uint8_t empty[LP_EMPTY_BYTES] = {LP_EMPTY_BYTES, 0, 0, 0, 0, 0, 0xff};

	if (r->o != NULL && !obj_is_compact(r->o))
		return chain_push_all(r->s, chain_of(r->o), where, v);
	if (outgrows(r, r->o != NULL ? pack_of(r->o) : empty, text_bytes(v), v->n))
		return push_to_chain(r, where, v);
	return r->o != NULL ? push_compact(r, where, v) : push_new_compact(r, where, v);
}

/* ---- removing ---- */

bool list_prepare(struct list_ref *r)
{
	struct compact c;

	if (!(r->o->flags & OBJ_F_BLOB))
		return true;
	bool own = compact_begin(&c, r->s, r->db, r->o);
	r->o = compact_end(&c);
	return own;
}

/* Once list_prepare() said yes. */
static void edit_begin(struct compact *c, struct list_ref *r)
{
	bool own = compact_begin(c, r->s, r->db, r->o);

	rp_assert(own);
}

void list_remove(struct list_ref *r, uint64_t from, uint64_t n)
{
	struct compact c;

	if (!obj_is_compact(r->o)) {
		chain_remove(r->s, chain_of(r->o), from, n);
		return;
	}
	if (n == 0)
		return;
	edit_begin(&c, r);
	lp_delete(&c.b, lp_seek(c.b.p, (int64_t)from), (uint32_t)n);
	r->o = compact_end(&c);
}

uint64_t list_remove_equal(struct list_ref *r, const struct lp_key *k, uint64_t max, bool back)
{
	struct compact c;

	if (!obj_is_compact(r->o))
		return chain_remove_equal(store_heap(r->s), chain_of(r->o), k, max, back);
	edit_begin(&c, r);
	uint32_t gone = pack_remove_equal(&c.b, k, max, back);
	r->o = compact_end(&c);
	return gone;
}

/* ---- inside ---- */

typedef bool (*chain_change_fn)(struct heap *h, struct list *l, uint64_t index, bool after, struct slice v);

static bool change_insert(struct heap *h, struct list *l, uint64_t index, bool after, struct slice v)
{
	uint32_t at;
	struct list_node *n = chain_seek(l, index, &at);

	return chain_insert(h, l, n, at, after, v);
}

static bool change_set(struct heap *h, struct list *l, uint64_t index, bool after, struct slice v)
{
	uint32_t at;
	struct list_node *n = chain_seek(l, index, &at);

	return chain_set(h, l, n, at, v);
}

/* The compact list as a chain, changed. */
static bool change_as_chain(struct list_ref *r, chain_change_fn fn, uint64_t index, bool after, struct slice v)
{
	struct list *l = chain_from(r);

	if (l == NULL)
		return false;
	if (!fn(store_heap(r->s), l, index, after, v)) {
		chain_free(store_heap(r->s), l);
		return false;
	}
	adopt(r, l);
	return true;
}

bool list_insert(struct list_ref *r, const struct list_iter *it, bool after, struct slice v)
{
	struct compact c;

	if (!obj_is_compact(r->o))
		return change_insert(store_heap(r->s), chain_of(r->o), it->index, after, v);
	if (outgrows(r, pack_of(r->o), v.len, 1))
		return change_as_chain(r, change_insert, it->index, after, v);
	if (!compact_begin(&c, r->s, r->db, r->o))
		return false;
	bool done = lp_insert(&c.b, after ? it->off + lp_entry_size(c.b.p, it->off) : it->off, v);
	r->o = compact_end(&c);
	return done;
}

bool list_set(struct list_ref *r, const struct list_iter *it, struct slice v)
{
	struct compact c;

	if (!obj_is_compact(r->o))
		return change_set(store_heap(r->s), chain_of(r->o), it->index, false, v);
	if (outgrows(r, pack_of(r->o), v.len, 1))
		return change_as_chain(r, change_set, it->index, false, v);
	if (!compact_begin(&c, r->s, r->db, r->o))
		return false;
	bool done = lp_replace(&c.b, it->off, v);
	r->o = compact_end(&c);
	return done;
}

/* The element's text lies beside the list meanwhile: in `stack` or, if it is longer, in a block. */
static bool rotate_compact(struct list_ref *r, enum list_end from, enum list_end to)
{
	char stack[COMPACT_STACK], num[NUM_I64_CHARS], *text = stack;
	struct compact c;
	bool done = compact_begin(&c, r->s, r->db, r->o);

	if (done && lp_count(c.b.p) > 1) {
		size_t off = from == LIST_HEAD ? lp_first(c.b.p) : lp_last(c.b.p);
		struct slice v = lp_get(c.b.p, off, num);
		if (v.len > sizeof stack)
			text = heap_alloc(store_heap(r->s), v.len);
		done = text != NULL;
		if (done) {
			memcpy(text, v.ptr, v.len);
			lp_delete(&c.b, off, 1);
			(to == LIST_HEAD ? lp_prepend : lp_append)(&c.b, (struct slice){text, v.len});
		}
		if (text != stack)
			heap_free(store_heap(r->s), text);
	}
	r->o = compact_end(&c);
	return done;
}

/* After a pop the element would be pushed again: does the limit allow that? It may have been set lower, and the text
 * of an integer is longer than its entry. */
static bool rotate_outgrows(const struct list_ref *r, enum list_end from)
{
	const uint8_t *lp = pack_of(r->o);
	char num[NUM_I64_CHARS];
	size_t off = from == LIST_HEAD ? lp_first(lp) : lp_last(lp);
	size_t text = lp_get(lp, off, num).len;

	return limit_exceeded(r->limit, lp_bytes(lp) - lp_entry_size(lp, off) + text, lp_count(lp));
}

bool list_rotate(struct list_ref *r, enum list_end from, enum list_end to)
{
	struct heap *h = store_heap(r->s);

	if (!obj_is_compact(r->o))
		return chain_rotate(h, chain_of(r->o), from, to);
	if (rp_likely(!rotate_outgrows(r, from)))
		return rotate_compact(r, from, to);
	struct list *l = chain_from(r);
	if (l == NULL)
		return false;
	if (!chain_rotate(h, l, from, to)) {
		chain_free(h, l);
		return false;
	}
	adopt(r, l);
	return true;
}
