/* Streams: reading nodes and walking ranges of ids. */
#include "store/stream_priv.h"

static int64_t number(const uint8_t *lp, size_t off)
{
	int64_t v = 0;

	lp_get_i64(lp, off, &v);
	return v;
}

/* The number at *off, which is followed by another element. Most take one byte and their length another. */
static inline int64_t take_number(const uint8_t *lp, size_t *off)
{
	int64_t v = lp[*off];

	if (rp_likely(v < 0x80)) {
		*off += 2;
		return v;
	}
	v = number(lp, *off);
	*off = lp_next(lp, *off);
	return v;
}

void stream_master_head(const uint8_t *lp, struct stream_master *m)
{
	size_t off = lp_first(lp);

	m->count = take_number(lp, &off);
	m->deleted_off = off;
	m->deleted = take_number(lp, &off);
	m->fields = (uint32_t)take_number(lp, &off);
	m->names_off = off;
}

void stream_master_read(const uint8_t *lp, struct stream_master *m)
{
	stream_master_head(lp, m);
	size_t off = m->names_off;
	for (uint32_t i = 0; i < m->fields; i++)
		off = lp_next(lp, off);
	m->entries_off = lp_next(lp, off);
}

size_t stream_entry_read(const struct stream_node *n, const struct stream_master *m, size_t off, struct stream_entry *e)
{
	const uint8_t *lp = n->lp;

	e->node = n;
	e->flags_off = off;
	e->flags = take_number(lp, &off);
	e->id.ms = n->first.ms + (uint64_t)take_number(lp, &off);
	e->id.seq = n->first.seq + (uint64_t)take_number(lp, &off);
	uint64_t elements;
	if (e->flags & STREAM_SAME_FIELDS) {
		e->pairs = m->fields;
		e->name_off = m->names_off;
		e->value_off = off;
		elements = e->pairs;
	} else {
		e->pairs = (uint32_t)take_number(lp, &off);
		e->name_off = off;
		elements = 2ull * e->pairs;
	}
	for (; elements > 0; elements--)
		off = lp_next(lp, off);
	return lp_next(lp, off);
}

void stream_pair_next(struct stream_entry *e, struct stream_pair *p)
{
	const uint8_t *lp = e->node->lp;
	bool same = e->flags & STREAM_SAME_FIELDS;

	p->name = lp_get(lp, e->name_off, p->name_buf);
	e->name_off = lp_next(lp, e->name_off);
	size_t value = same ? e->value_off : e->name_off;
	p->value = lp_get(lp, value, p->value_buf);
	value = lp_next(lp, value);
	if (same)
		e->value_off = value;
	else
		e->name_off = value;
	e->pairs--;
}

/* ---- walking ------------------------------------------------------------------------------------------------- */

/* The node in which id stands if it is anywhere: the last that begins at or below it. */
static struct btree_pos node_of(const struct stream *s, struct stream_id id)
{
	if (stream_id_cmp(id, s->last->first) >= 0)
		return btree_last(&s->nodes);
	struct btree_pos pos = btree_lower_bound(&s->nodes, id.ms, stream_node_probe, &id); /* there is one: the last */
	const struct stream_node *n = btree_ptr(pos);
	if (stream_id_cmp(n->first, id) > 0)
		btree_prev(&pos);
	return pos;
}

static void enter_node(struct stream_iter *it)
{
	it->node = it->pos.leaf == NULL ? NULL : btree_ptr(it->pos);
	if (it->node == NULL)
		return;
	stream_master_read(it->node->lp, &it->m);
	it->off = it->down ? lp_last(it->node->lp) : it->m.entries_off;
}

void stream_iter_begin(struct stream_iter *it, const struct stream *s, struct stream_id lo, struct stream_id hi,
		       bool down)
{
	it->lo = lo;
	it->hi = hi;
	it->down = down;
	it->pos = s->last == NULL ? (struct btree_pos){NULL, 0} : node_of(s, down ? hi : lo);
	if (!down && it->pos.leaf == NULL && s->last != NULL)
		it->pos = btree_first(&s->nodes);
	enter_node(it);
}

static bool iter_end(struct stream_iter *it)
{
	it->node = NULL;
	return false;
}

static bool next_up(struct stream_iter *it, struct stream_entry *e)
{
	while (it->node != NULL) {
		if (it->off == 0) {
			btree_next(&it->pos);
			enter_node(it);
			continue;
		}
		it->off = stream_entry_read(it->node, &it->m, it->off, e);
		if (stream_id_cmp(e->id, it->hi) > 0)
			return iter_end(it);
		if (!(e->flags & STREAM_DELETED) && stream_id_cmp(e->id, it->lo) >= 0)
			return true;
	}
	return false;
}

static bool next_down(struct stream_iter *it, struct stream_entry *e)
{
	while (it->node != NULL) {
		const uint8_t *lp = it->node->lp;
		int64_t back = number(lp, it->off);

		if (back == 0) { /* the end of the master entry */
			btree_prev(&it->pos);
			enter_node(it);
			continue;
		}
		size_t off = it->off;
		for (; back > 0; back--)
			off = lp_prev(lp, off);
		it->off = lp_prev(lp, off);
		stream_entry_read(it->node, &it->m, off, e);
		if (stream_id_cmp(e->id, it->lo) < 0)
			return iter_end(it);
		if (!(e->flags & STREAM_DELETED) && stream_id_cmp(e->id, it->hi) <= 0)
			return true;
	}
	return false;
}

bool stream_iter_next(struct stream_iter *it, struct stream_entry *e)
{
	return it->down ? next_down(it, e) : next_up(it, e);
}

bool stream_has(const struct stream *s, struct stream_id id)
{
	struct stream_iter it;
	struct stream_entry e;

	stream_iter_begin(&it, s, id, id, false);
	return stream_iter_next(&it, &e);
}

struct stream_id stream_last_entry(const struct stream *s)
{
	struct stream_iter it;
	struct stream_entry e;

	stream_iter_begin(&it, s, STREAM_ID_MIN, STREAM_ID_MAX, true);
	return stream_iter_next(&it, &e) ? e.id : STREAM_ID_MIN;
}

uint64_t stream_count_above(const struct stream *s, struct stream_id id, uint64_t most)
{
	struct stream_iter it;
	struct stream_entry e;
	uint64_t n = 0;

	if (!stream_id_next(&id))
		return 0;
	stream_iter_begin(&it, s, id, STREAM_ID_MAX, false);
	if (it.node == NULL)
		return 0;
	while (it.off != 0 && n < most) {
		it.off = stream_entry_read(it.node, &it.m, it.off, &e);
		n += !(e.flags & STREAM_DELETED) && stream_id_cmp(e.id, id) >= 0;
	}
	/* of the nodes behind it the heads say enough */
	while (n < most && btree_next(&it.pos)) {
		stream_master_read(((const struct stream_node *)btree_ptr(it.pos))->lp, &it.m);
		n += (uint64_t)it.m.count;
	}
	return RP_MIN(n, most);
}
