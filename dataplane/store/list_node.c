/* One node of a long list. */
#include "store/list_priv.h"

/* A node's first room. It doubles from there until it is as large as a full one. */
#define ROOM_FIRST 256
/* A block may be larger than what is in it by one part in so many. */
#define TRIM_PART 4

size_t node_bytes(const struct list_node *n)
{
	if (!node_is_large(n))
		return lp_bytes(n->lp);
	return LP_EMPTY_BYTES + lp_entry_bytes((struct slice){n->large->data, n->large->len});
}

static size_t room_before(const struct list_node *n)
{
	return (size_t)(n->lp - n->room);
}

static size_t room_behind(const struct list_node *n)
{
	return n->room_len - room_before(n) - lp_bytes(n->lp);
}

/* A block with room for a listpack of `bytes`, nothing in it yet. */
static struct list_node *block_create(struct heap *h, size_t bytes)
{
	struct list_node *n = heap_alloc(h, sizeof *n + bytes);

	if (n != NULL) {
		n->prev = n->next = NULL;
		n->room_len = (uint32_t)(heap_usable(h, n) - sizeof *n);
	}
	return n;
}

struct list_node *node_create(struct heap *h, size_t bytes, enum list_end room)
{
	struct list_node *n = block_create(h, LP_EMPTY_BYTES + bytes);

	if (n != NULL) {
		n->lp = room == LIST_TAIL ? n->room : n->room + n->room_len - LP_EMPTY_BYTES;
		lp_init(n->lp);
	}
	return n;
}

struct list_node *node_create_large(struct heap *h, struct slice v, struct blob *take)
{
	struct list_node *n = heap_alloc(h, sizeof *n);

	if (n == NULL)
		return NULL;
	if (take == NULL) {
		take = blob_create(h, v.len);
		if (take == NULL) {
			heap_free(h, n);
			return NULL;
		}
		memcpy(take->data, v.ptr, v.len);
		take->len = v.len;
	}
	*n = (struct list_node){.large = take};
	return n;
}

struct list_node *node_copy(struct heap *h, const struct list_node *n)
{
	struct list_node *c;

	if (node_is_large(n)) {
		c = heap_alloc(h, sizeof *c);
		if (c != NULL)
			*c = (struct list_node){.large = blob_ref(n->large)};
		return c;
	}
	c = block_create(h, lp_bytes(n->lp));
	if (c != NULL) {
		c->lp = c->room;
		memcpy(c->lp, n->lp, lp_bytes(n->lp));
	}
	return c;
}

void node_free(struct heap *h, struct list_node *n)
{
	if (node_is_large(n))
		blob_unref(n->large, h);
	heap_free(h, n);
}

void node_link(struct list *l, struct list_node *n, struct list_node *beside, bool after)
{
	n->prev = after ? beside : beside == NULL ? NULL : beside->prev;
	n->next = !after ? beside : beside == NULL ? NULL : beside->next;
	*(n->prev != NULL ? &n->prev->next : &l->first) = n;
	*(n->next != NULL ? &n->next->prev : &l->last) = n;
	l->nodes++;
}

void node_unlink(struct list *l, struct list_node *n)
{
	*(n->prev != NULL ? &n->prev->next : &l->first) = n->next;
	*(n->next != NULL ? &n->next->prev : &l->last) = n->prev;
	l->nodes--;
}

/* The listpack, in a block of its own, takes n's place in the chain. `room`: at which end of it what is over stays. */
static struct list_node *move(struct heap *h, struct list *l, struct list_node *n, size_t bytes, enum list_end room)
{
	struct list_node *m = block_create(h, bytes);
	size_t len = lp_bytes(n->lp);

	if (m == NULL)
		return NULL;
	m->prev = n->prev;
	m->next = n->next;
	m->lp = room == LIST_TAIL ? m->room : m->room + m->room_len - len;
	memcpy(m->lp, n->lp, len);
	*(m->prev != NULL ? &m->prev->next : &l->first) = m;
	*(m->next != NULL ? &m->next->prev : &l->last) = m;
	heap_free(h, n);
	return m;
}

/* How long a block gets that must hold `need` bytes: twice that, but no longer than a full node. */
static size_t room_for(const struct list *l, size_t need)
{
	size_t full = limit_bytes(l->fill);

	return RP_MAX(need, RP_MIN(RP_MAX(2 * need, ROOM_FIRST), full));
}

/* Makes room for `need` more bytes at one end, in the block if there is enough in all, half of what is over staying at
 * the other end. Returns the node, or NULL. */
static struct list_node *make_room(struct heap *h, struct list *l, struct list_node *n, enum list_end where,
				   size_t need)
{
	size_t len = lp_bytes(n->lp), have = where == LIST_HEAD ? room_before(n) : room_behind(n);

	if (have >= need)
		return n;
	if (n->room_len < len + need)
		return move(h, l, n, room_for(l, len + need), where);
	size_t spare = (n->room_len - len - need) / 2;
	uint8_t *to = where == LIST_HEAD ? n->room + n->room_len - spare - len : n->room + spare;
	memmove(to, n->lp, len);
	n->lp = to;
	return n;
}

bool node_push(struct heap *h, struct list *l, struct list_node **n, enum list_end where, struct slice v)
{
	struct node_edit e;

	if (where == LIST_TAIL) {
		node_edit_begin(&e, h, l, *n);
		bool done = lp_append(&e.b, v);
		*n = e.n;
		return done;
	}
	uint8_t *lp = lp_push_front((*n)->lp, room_before(*n), v);
	if (rp_unlikely(lp == NULL)) {
		struct list_node *m = make_room(h, l, *n, LIST_HEAD, lp_entry_bytes(v));
		if (m == NULL)
			return false;
		*n = m;
		lp = lp_push_front(m->lp, room_before(m), v);
	}
	(*n)->lp = lp;
	return lp != NULL;
}

static bool edit_reserve(struct cbuf *b, size_t cap)
{
	struct node_edit *e = (struct node_edit *)b;
	struct list_node *n = make_room(e->h, e->l, e->n, LIST_TAIL, cap - b->len);

	if (n == NULL)
		return false;
	node_edit_begin(e, e->h, e->l, n);
	return true;
}

void node_edit_begin(struct node_edit *e, struct heap *h, struct list *l, struct list_node *n)
{
	size_t len = lp_bytes(n->lp);

	*e = (struct node_edit){.b = {n->lp, len, len + room_behind(n), edit_reserve}, .h = h, .l = l, .n = n};
}

void node_cut(struct list_node *n, uint32_t at, uint32_t count)
{
	struct node_edit e;

	if (at == 0) {
		n->lp = lp_drop_front(n->lp, count);
		return;
	}
	node_edit_begin(&e, NULL, NULL, n);
	lp_delete(&e.b, lp_seek(n->lp, at), count);
}

void node_trim(struct heap *h, struct list *l, struct list_node *n)
{
	if (node_is_large(n))
		return;
	size_t len = lp_bytes(n->lp);
	if (n->room_len > len + len / TRIM_PART + sizeof *n)
		move(h, l, n, len, LIST_TAIL);
}
