#include "store/stream_priv.h"

/* ---- nodes --------------------------------------------------------------------------------------------------- */

int stream_node_probe(const void *ctx, const void *ptr)
{
	const struct stream_id *id = ctx;
	const struct stream_node *n = ptr;

	return n->first.seq == id->seq ? 0 : n->first.seq < id->seq ? -1 : 1;
}

static int node_cmp(const void *a, const void *b)
{
	return stream_node_probe(&((const struct stream_node *)b)->first, a);
}

struct stream_node *stream_node_create(struct heap *h, struct stream_id first, size_t cap)
{
	struct stream_node *n = heap_alloc(h, sizeof *n + cap);

	if (n == NULL)
		return NULL;
	n->first = first;
	n->cap = (uint32_t)(heap_usable(h, n) - sizeof *n);
	lp_init(n->lp);
	return n;
}

bool stream_node_link(struct stream *s, struct heap *h, struct stream_node *n)
{
	if (!btree_insert(&s->nodes, h, n->first.ms, n))
		return false;
	s->last = n;
	return true;
}

static void node_unlink(struct stream *s, struct heap *h, struct stream_node *n)
{
	btree_remove(&s->nodes, h, n->first.ms, n);
	if (s->last == n)
		s->last = s->nodes.count == 0 ? NULL : btree_ptr(btree_last(&s->nodes));
	heap_free(h, n);
}

/* The same node in a block for `cap` bytes. NULL: out of memory, nothing changed. */
static struct stream_node *node_move(struct stream *s, struct heap *h, struct stream_node *n, size_t len, size_t cap)
{
	struct stream_node *to = stream_node_create(h, n->first, cap);

	if (to == NULL)
		return NULL;
	memcpy(to->lp, n->lp, len);
	btree_replace_ptr(&s->nodes, n->first.ms, n, to);
	if (s->last == n)
		s->last = to;
	heap_free(h, n);
	return to;
}

static bool edit_reserve(struct cbuf *b, size_t cap)
{
	struct stream_edit *e = (struct stream_edit *)b;
	struct stream_node *n = node_move(e->s, e->h, e->n, b->len, cap + cap / 2);

	if (n == NULL && (n = node_move(e->s, e->h, e->n, b->len, cap)) == NULL)
		return false;
	e->n = n;
	b->p = n->lp;
	b->cap = n->cap;
	return true;
}

void stream_edit_begin(struct stream_edit *e, struct stream *s, struct heap *h, struct stream_node *n)
{
	*e = (struct stream_edit){.b = {.p = n->lp, .len = lp_bytes(n->lp), .cap = n->cap, .reserve = edit_reserve},
				  .s = s,
				  .h = h,
				  .n = n};
}

/* Nothing will be added to it any more. */
static void node_close(struct stream *s, struct heap *h, struct stream_node *n)
{
	size_t len = lp_bytes(n->lp), need = sizeof *n + len + STREAM_NODE_SLACK;

	if (heap_good_size(need) < heap_usable(h, n))
		node_move(s, h, n, len, need - sizeof *n);
}

/* ---- appending ----------------------------------------------------------------------------------------------- */

#define ELEMENT_EXTRA 11 /* most that an element takes beside its text */
#define ENTRY_NUMBERS 5  /* flags, difference of ms and seq, number of fields, elements to go back */
#define HEAD_BYTES    (LP_EMPTY_BYTES + 4 * ELEMENT_EXTRA) /* a node's, without names: count, deleted, fields, 0 */

static size_t bytes_at_most(uint32_t words, size_t text)
{
	return text + (words + ENTRY_NUMBERS) * (size_t)ELEMENT_EXTRA;
}

/* Does the last node take another entry with so many bytes of text? */
static bool node_takes(const struct stream_node *n, const struct stream_master *m, size_t text, size_t bytes,
		       const struct type_limits *lim)
{
	size_t max = lim->stream_node_max_bytes, len = lp_bytes(n->lp);

	if (max == 0 || max > LP_MAX_BYTES)
		max = LP_MAX_BYTES;
	if (len + text >= max || len + bytes > LP_MAX_BYTES)
		return false;
	return lim->stream_node_max_entries == 0 || (uint64_t)(m->count + m->deleted) < lim->stream_node_max_entries;
}

static bool same_fields(const uint8_t *lp, const struct stream_master *m, uint32_t n, const struct slice *words)
{
	size_t off = m->names_off;
	char buf[NUM_I64_CHARS];

	if (m->fields != n)
		return false;
	for (uint32_t i = 0; i < n; i++, off = lp_next(lp, off))
		if (!slice_eq(lp_get(lp, off, buf), words[2 * i]))
			return false;
	return true;
}

static void entry_write(struct lp_writer *w, struct stream_id first, struct stream_id id, bool same, uint32_t n,
			const struct slice *words)
{
	lp_writer_put_i64(w, same ? STREAM_SAME_FIELDS : 0);
	lp_writer_put_i64(w, (int64_t)(id.ms - first.ms));
	lp_writer_put_i64(w, (int64_t)(id.seq - first.seq));
	if (!same)
		lp_writer_put_i64(w, n);
	for (uint32_t i = 0; i < 2 * n; i += 2) {
		if (!same)
			lp_writer_put(w, words[i]);
		lp_writer_put(w, words[i + 1]);
	}
	lp_writer_put_i64(w, same ? n + 3ll : 2ll * n + 4);
}

static bool append_to_last(struct stream *s, struct heap *h, const struct stream_master *m, struct stream_id id,
			   uint32_t n, const struct slice *words, size_t bytes)
{
	struct stream_edit e;
	struct lp_writer w;

	stream_edit_begin(&e, s, h, s->last);
	if (!cbuf_reserve(&e.b, e.b.len + bytes + STREAM_NODE_SLACK))
		return false;
	bool same = same_fields(e.b.p, m, n, words);
	lp_replace_i64(&e.b, lp_first(e.b.p), m->count + 1);
	lp_writer_begin(&w, &e.b);
	entry_write(&w, e.n->first, id, same, n, words);
	lp_writer_end(&w);
	return true;
}

/* Its names stand in the head, and nowhere else. */
static bool append_node(struct stream *s, struct heap *h, struct stream_id id, uint32_t n, const struct slice *words,
			size_t bytes)
{
	struct stream_node *node = stream_node_create(h, id, HEAD_BYTES + bytes + STREAM_NODE_SLACK);
	struct stream_node *before = s->last;
	struct lp_writer w;

	if (node == NULL)
		return false;
	if (!stream_node_link(s, h, node)) {
		heap_free(h, node);
		return false;
	}
	struct cbuf b = {.p = node->lp, .len = LP_EMPTY_BYTES, .cap = node->cap};
	lp_writer_begin(&w, &b);
	lp_writer_put_i64(&w, 1);
	lp_writer_put_i64(&w, 0);
	lp_writer_put_i64(&w, n);
	for (uint32_t i = 0; i < n; i++)
		lp_writer_put(&w, words[2 * i]);
	lp_writer_put_i64(&w, 0);
	entry_write(&w, id, id, true, n, words);
	lp_writer_end(&w);
	if (before != NULL)
		node_close(s, h, before);
	return true;
}

static bool append(struct stream *s, struct heap *h, struct stream_id id, uint32_t n, const struct slice *words,
		   size_t text, const struct type_limits *lim)
{
	size_t bytes = bytes_at_most(2 * n, text);
	struct stream_master m;

	if (s->last == NULL)
		return append_node(s, h, id, n, words, bytes);
	stream_master_head(s->last->lp, &m);
	if (!node_takes(s->last, &m, text, bytes, lim))
		return append_node(s, h, id, n, words, bytes);
	return append_to_last(s, h, &m, id, n, words, bytes);
}

enum stream_added stream_append(struct stream *s, struct heap *h, struct stream_id id, uint32_t n,
				const struct slice *words, const struct type_limits *lim)
{
	size_t text = 0;

	for (uint32_t i = 0; i < 2 * n; i++)
		text += words[i].len;
	if (HEAD_BYTES + bytes_at_most(2 * n, text) + STREAM_NODE_SLACK > LP_MAX_BYTES)
		return STREAM_TOO_LARGE;
	if (!append(s, h, id, n, words, text, lim))
		return STREAM_NO_MEMORY;
	s->added++;
	s->last_id = id;
	if (s->length++ == 0)
		s->first_id = id;
	return STREAM_ADDED;
}

/* ---- the stream ---------------------------------------------------------------------------------------------- */

struct stream *stream_create(struct heap *h)
{
	struct stream *s = heap_zalloc(h, sizeof *s);

	if (s == NULL)
		return NULL;
	s->p.type = OBJ_STREAM;
	s->kind = STREAM_WHOLE;
	btree_init(&s->nodes, node_cmp);
	stream_groups_init(&s->groups);
	return s;
}

static void node_free(void *ctx, void *ptr)
{
	heap_free(ctx, ptr);
}

static bool stream_drain(struct heap *h, struct payload *p, uint32_t *budget)
{
	struct stream *s = rp_container_of(p, struct stream, p);

	if (s->kind == STREAM_GROUP)
		return stream_group_drain(h, rp_container_of(p, struct stream_group, p), budget);
	if (!btree_drain(&s->nodes, h, budget, node_free, h) || !stream_groups_drain(h, s, budget))
		return false;
	heap_free(h, s);
	return true;
}

void stream_destroy(struct stream *s, struct heap *h)
{
	uint32_t budget = UINT32_MAX;

	while (s != NULL && !stream_drain(h, &s->p, &budget))
		budget = UINT32_MAX;
}

static bool nodes_clone(struct heap *h, struct stream *to, const struct stream *from)
{
	struct btree_pos pos = btree_first(&from->nodes);

	for (uint64_t i = 0; i < from->nodes.count; i++, btree_next(&pos)) {
		const struct stream_node *n = btree_ptr(pos);
		size_t len = lp_bytes(n->lp);
		struct stream_node *copy = stream_node_create(h, n->first, len + STREAM_NODE_SLACK);

		if (copy == NULL)
			return false;
		memcpy(copy->lp, n->lp, len);
		if (!stream_node_link(to, h, copy)) {
			heap_free(h, copy);
			return false;
		}
	}
	return true;
}

static struct payload *stream_clone(struct heap *to, const struct payload *p)
{
	const struct stream *from = rp_container_of(p, struct stream, p);
	struct stream *s = stream_create(to);

	if (s == NULL)
		return NULL;
	s->length = from->length;
	s->last_id = from->last_id;
	s->first_id = from->first_id;
	s->max_deleted = from->max_deleted;
	s->added = from->added;
	if (nodes_clone(to, s, from) && stream_groups_clone(to, s, from))
		return &s->p;
	stream_destroy(s, to);
	return NULL;
}

static size_t stream_bytes(const struct payload *p, uint32_t samples)
{
	const struct stream *s = rp_container_of(p, struct stream, p);
	uint64_t all = s->nodes.count, n = samples == 0 ? all : RP_MIN(samples, all), sum = 0, i = 0;

	for (struct btree_pos pos = btree_first(&s->nodes); i < n; btree_next(&pos), i++) {
		const struct stream_node *node = btree_ptr(pos);
		sum += sizeof *node + node->cap;
	}
	size_t bytes = heap_good_size(sizeof *s) + btree_bytes(&s->nodes) + stream_groups_bytes(s);
	return bytes + (n > 0 ? (size_t)((double)sum / (double)n * (double)all) : 0);
}

const struct obj_type_ops stream_ops = {.drain = stream_drain, .clone = stream_clone, .bytes = stream_bytes};

/* ---- removing ------------------------------------------------------------------------------------------------ */

/* The head of a node of which `n` living entries were marked. */
static void count_deleted(struct stream_edit *e, const struct stream_master *m, int64_t n)
{
	lp_replace_i64(&e->b, m->deleted_off, m->deleted + n);
	lp_replace_i64(&e->b, lp_first(e->b.p), m->count - n);
}

void stream_update_first(struct stream *s)
{
	struct stream_iter it;
	struct stream_entry e;

	stream_iter_begin(&it, s, STREAM_ID_MIN, STREAM_ID_MAX, false);
	s->first_id = stream_iter_next(&it, &e) ? e.id : STREAM_ID_MIN;
}

bool stream_delete(struct stream *s, struct heap *h, struct stream_id id)
{
	struct stream_iter it;
	struct stream_entry e;
	struct stream_edit edit;

	stream_iter_begin(&it, s, id, id, false);
	if (!stream_iter_next(&it, &e))
		return false;
	s->length--;
	struct stream_node *n = btree_ptr(it.pos);
	if (it.m.count == 1) {
		node_unlink(s, h, n);
		return true;
	}
	stream_edit_begin(&edit, s, h, n);
	lp_replace_i64(&edit.b, e.flags_off, e.flags | STREAM_DELETED);
	count_deleted(&edit, &it.m, 1);
	return true;
}

/* Greatest id that ever stood in the node. */
static struct stream_id node_last_id(const struct stream_node *n, const struct stream_master *m)
{
	struct stream_entry e;
	int64_t back;
	size_t off = lp_last(n->lp);

	lp_get_i64(n->lp, off, &back);
	for (; back > 0; back--)
		off = lp_prev(n->lp, off);
	stream_entry_read(n, m, off, &e);
	return e.id;
}

static bool trim_done(const struct stream *s, const struct stream_trim *t, struct stream_id id)
{
	return t->by_id ? stream_id_cmp(id, t->min_id) >= 0 : s->length <= t->max_length;
}

static bool trim_whole(const struct stream *s, const struct stream_trim *t, const struct stream_node *n,
		       const struct stream_master *m)
{
	if (t->by_id)
		return stream_id_cmp(node_last_id(n, m), t->min_id) < 0;
	return s->length - (uint64_t)m->count >= t->max_length;
}

/* Marks entries at the front of a node that stays. */
static uint64_t trim_within(struct stream *s, struct heap *h, const struct stream_trim *t, struct stream_node *n,
			    const struct stream_master *m)
{
	struct stream_edit edit;
	struct stream_entry e;
	int64_t gone = 0;

	stream_edit_begin(&edit, s, h, n);
	for (size_t off = m->entries_off, next; off != 0; off = next) {
		next = stream_entry_read(n, m, off, &e);
		if (trim_done(s, t, e.id))
			break;
		if (e.flags & STREAM_DELETED)
			continue;
		lp_replace_i64(&edit.b, off, e.flags | STREAM_DELETED); /* as long as before */
		s->length--;
		gone++;
	}
	count_deleted(&edit, m, gone);
	return (uint64_t)gone;
}

struct stream *stream_cut(struct stream *s, struct heap *h)
{
	struct stream *cut = stream_create(h);

	if (cut == NULL)
		return NULL;
	struct btree none = cut->nodes;
	cut->nodes = s->nodes;
	cut->length = s->length;
	s->nodes = none;
	s->length = 0;
	s->last = NULL;
	stream_update_first(s);
	return cut;
}

uint64_t stream_trim(struct stream *s, struct heap *h, const struct stream_trim *t)
{
	uint64_t gone = 0;

	while (s->nodes.count > 0 && (t->by_id || s->length > t->max_length)) {
		struct stream_node *n = btree_ptr(btree_first(&s->nodes));
		struct stream_master m;

		stream_master_read(n->lp, &m);
		if (t->limit != 0 && gone + (uint64_t)m.count > t->limit)
			break;
		if (!trim_whole(s, t, n, &m)) {
			if (!t->approx)
				gone += trim_within(s, h, t, n, &m);
			break;
		}
		s->length -= (uint64_t)m.count;
		gone += (uint64_t)m.count;
		node_unlink(s, h, n);
	}
	if (gone > 0)
		stream_update_first(s);
	return gone;
}
