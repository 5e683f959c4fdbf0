/* Streams: nodes are copied as they are; groups with what is pending. */
#include "store/rdb/rdb_priv.h"
#include "store/stream_priv.h"

#define ID_BYTES 16 /* of an id as a node's key or in a PEL: two numbers, big-endian */

/* ---- writing --------------------------------------------------------------------------------------------------- */

static void id_encode(uint8_t out[ID_BYTES], struct stream_id id)
{
	uint64_t be[2] = {__builtin_bswap64(id.ms), __builtin_bswap64(id.seq)};

	memcpy(out, be, sizeof be);
}

static void put_id(struct rdb_out *w, struct stream_id id)
{
	rdb_put_len(w, id.ms);
	rdb_put_len(w, id.seq);
}

static void put_raw_id(struct rdb_out *w, struct stream_id id)
{
	uint8_t raw[ID_BYTES];

	id_encode(raw, id);
	rdb_put_raw(w, raw, sizeof raw);
}

static void put_node(struct rdb_out *w, const struct stream_node *n)
{
	uint8_t raw[ID_BYTES];

	id_encode(raw, n->first);
	rdb_put_string(w, (struct slice){(const char *)raw, sizeof raw});
	rdb_put_string(w, (struct slice){(const char *)n->lp, lp_bytes(n->lp)});
}

static void put_meta(struct rdb_out *w, const struct stream *s)
{
	rdb_put_len(w, s->length);
	put_id(w, s->last_id);
	put_id(w, s->first_id);
	put_id(w, s->max_deleted);
	rdb_put_len(w, s->added);
	rdb_put_len(w, s->groups.count);
}

static void put_group_head(struct rdb_out *w, const struct stream_group *g)
{
	rdb_put_string(w, g->name);
	put_id(w, g->last_id);
	rdb_put_len(w, (uint64_t)g->entries_read);
	rdb_put_len(w, g->pel.count);
}

static void put_pending(struct rdb_out *w, const struct stream_pending *p)
{
	put_raw_id(w, p->id);
	rdb_put_i64(w, p->at_ms);
	rdb_put_len(w, p->deliveries);
}

static void put_consumer_head(struct rdb_out *w, const struct stream_consumer *con)
{
	rdb_put_string(w, con->name);
	rdb_put_i64(w, con->seen_ms);
	rdb_put_len(w, con->pel.count);
}

/* ---- in steps: each writes one element, or passes to the next part ---- */

enum stream_stage {
	NODES,
	GROUPS,
	GROUP_PEL,
	CONSUMERS,
	CONSUMER_PEL,
};

void rdb_stream_begin(struct rdb_slices *x, struct rdb_out *w)
{
	const struct stream *s = stream_of(x->o);

	rdb_put_len(w, s->nodes.count);
	x->stage = NODES;
	x->left = s->nodes.count;
	x->pos = btree_first(&s->nodes);
}

static void step_nodes(struct rdb_slices *x, struct rdb_out *w)
{
	const struct stream *s = stream_of(x->o);

	if (x->left > 0) {
		put_node(w, btree_ptr(x->pos));
		btree_next(&x->pos);
		x->left--;
		return;
	}
	put_meta(w, s);
	x->stage = GROUPS;
	x->groups_left = s->groups.count;
	x->group = btree_first(&s->groups);
}

static void step_groups(struct rdb_slices *x, struct rdb_out *w)
{
	const struct stream_group *g = stream_group_at(x->group);

	put_group_head(w, g);
	x->stage = GROUP_PEL;
	x->left = g->pel.count;
	x->pos = btree_first(&g->pel);
}

static void step_group_pel(struct rdb_slices *x, struct rdb_out *w)
{
	const struct stream_group *g = stream_group_at(x->group);

	if (x->left > 0) {
		put_pending(w, stream_pending_at(x->pos));
		btree_next(&x->pos);
		x->left--;
		return;
	}
	rdb_put_len(w, g->consumers.count);
	x->stage = CONSUMERS;
	x->cons_left = g->consumers.count;
	x->con = btree_first(&g->consumers);
}

static void step_consumers(struct rdb_slices *x, struct rdb_out *w)
{
	if (x->cons_left == 0) {
		x->groups_left--;
		btree_next(&x->group);
		x->stage = GROUPS;
		return;
	}
	const struct stream_consumer *con = stream_consumer_at(x->con);
	put_consumer_head(w, con);
	x->stage = CONSUMER_PEL;
	x->left = con->pel.count;
	x->pos = btree_first(&con->pel);
}

static void step_consumer_pel(struct rdb_slices *x, struct rdb_out *w)
{
	if (x->left > 0) {
		put_raw_id(w, stream_pending_at(x->pos)->id);
		btree_next(&x->pos);
		x->left--;
		return;
	}
	x->cons_left--;
	btree_next(&x->con);
	x->stage = CONSUMERS;
}

bool rdb_stream_next(struct rdb_slices *x, struct rdb_out *w)
{
	static void (*const step[])(struct rdb_slices *, struct rdb_out *) = {
		[NODES] = step_nodes,
		[GROUPS] = step_groups,
		[GROUP_PEL] = step_group_pel,
		[CONSUMERS] = step_consumers,
		[CONSUMER_PEL] = step_consumer_pel,
	};

	if (x->stage == GROUPS && x->groups_left == 0)
		return false;
	step[x->stage](x, w);
	return true;
}

void rdb_put_stream(struct rdb_out *w, const struct object *o)
{
	struct rdb_slices x = {.o = o};

	rdb_stream_begin(&x, w);
	while (rdb_stream_next(&x, w))
		;
}

/* ---- reading: what a node must be ------------------------------------------------------------------------------ */

struct load {
	struct rdb_in *r;
	struct heap *heap;
	struct stream *s;
	uint8_t type;
	uint64_t living;       /* entries of all nodes */
	struct stream_id last; /* id of the last entry met */
	bool any;              /* there was one */
	bool nomem;
};

static bool fail_nomem(struct load *l)
{
	l->nomem = true;
	return false;
}

/* A number that is not negative, unless it is a difference of ids. */
static bool next_number(const uint8_t *lp, size_t *off, bool any_sign, int64_t *v)
{
	if (*off == 0 || !lp_get_i64(lp, *off, v) || (*v < 0 && !any_sign))
		return false;
	*off = lp_next(lp, *off);
	return true;
}

static bool skip(const uint8_t *lp, size_t *off, uint64_t n)
{
	for (; n > 0 && *off != 0; n--)
		*off = lp_next(lp, *off);
	return n == 0;
}

/* Ids rise, over all nodes. */
static bool entry_id_valid(struct load *l, struct stream_id first, int64_t ms, int64_t seq)
{
	struct stream_id id = {first.ms + (uint64_t)ms, first.seq + (uint64_t)seq};
	bool ok = stream_id_cmp(id, first) >= 0 && (!l->any || stream_id_cmp(id, l->last) > 0);

	l->last = id;
	l->any = true;
	return ok;
}

static bool entry_valid(struct load *l, const uint8_t *lp, size_t *off, struct stream_id first, int64_t fields,
			bool *deleted)
{
	int64_t flags, ms, seq, n = fields, back;

	if (!next_number(lp, off, false, &flags) || flags > (STREAM_DELETED | STREAM_SAME_FIELDS) ||
	    !next_number(lp, off, true, &ms) || !next_number(lp, off, true, &seq) || !entry_id_valid(l, first, ms, seq))
		return false;
	bool same = flags & STREAM_SAME_FIELDS;
	if (!same && (!next_number(lp, off, false, &n) || n > UINT32_MAX))
		return false;
	*deleted = flags & STREAM_DELETED;
	uint64_t elements = same ? (uint64_t)n : 2 * (uint64_t)n;
	return skip(lp, off, elements) && next_number(lp, off, false, &back) &&
	       (uint64_t)back == elements + (same ? 3 : 4);
}

/* lp is a listpack. */
static bool node_valid(struct load *l, const uint8_t *lp, struct stream_id first)
{
	size_t off = lp_first(lp);
	int64_t count, deleted, fields, end;

	if (!next_number(lp, &off, false, &count) || !next_number(lp, &off, false, &deleted) ||
	    !next_number(lp, &off, false, &fields) || fields > UINT32_MAX || !skip(lp, &off, (uint64_t)fields) ||
	    !next_number(lp, &off, false, &end) || end != 0 || off == 0)
		return false;
	l->living += (uint64_t)count;
	while (off != 0) {
		bool gone;

		if (!entry_valid(l, lp, &off, first, fields, &gone))
			return false;
		count -= !gone;
		deleted -= gone;
	}
	return count == 0 && deleted == 0;
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

static struct stream_id get_id(struct rdb_in *r)
{
	struct stream_id id = {.ms = rdb_get_len(r)};

	id.seq = rdb_get_len(r);
	return id;
}

static struct stream_id id_decode(const void *raw)
{
	uint64_t be[2];

	memcpy(be, raw, sizeof be);
	return (struct stream_id){__builtin_bswap64(be[0]), __builtin_bswap64(be[1])};
}

static struct stream_id get_raw_id(struct rdb_in *r)
{
	const uint8_t *raw = rdb_get_raw(r, ID_BYTES);

	return raw == NULL ? STREAM_ID_MIN : id_decode(raw);
}

static bool add_node(struct load *l, struct stream_id first, struct slice lp)
{
	const uint8_t *p = (const uint8_t *)lp.ptr;

	if (!lp_valid(p, lp.len) || (l->any && stream_id_cmp(first, l->last) <= 0) || !node_valid(l, p, first))
		return false;
	struct stream_node *n = stream_node_create(l->heap, first, lp.len + STREAM_NODE_SLACK);
	if (n == NULL)
		return fail_nomem(l);
	memcpy(n->lp, p, lp.len);
	if (stream_node_link(l->s, l->heap, n))
		return true;
	heap_free(l->heap, n);
	return fail_nomem(l);
}

static bool get_node(struct load *l)
{
	struct rdb_str key, lp;

	if (!rdb_get_string(l->r, &key))
		return false;
	bool ok = key.s.len == ID_BYTES;
	struct stream_id first = ok ? id_decode(key.s.ptr) : STREAM_ID_MIN;
	rdb_str_free(l->r, &key);
	if (!ok || !rdb_get_string(l->r, &lp))
		return false;
	ok = add_node(l, first, lp.s);
	rdb_str_free(l->r, &lp);
	return ok;
}

static bool get_nodes(struct load *l)
{
	for (uint64_t n = rdb_get_len(l->r); n > 0; n--)
		if (!get_node(l))
			return false;
	return !l->r->bad;
}

static bool get_head(struct load *l)
{
	struct stream *s = l->s;
	struct rdb_in *r = l->r;

	s->length = rdb_get_len(r);
	s->last_id = get_id(r);
	if (l->type == RDB_STREAM) {
		s->added = s->length;
		stream_update_first(s);
	} else {
		s->first_id = get_id(r);
		s->max_deleted = get_id(r);
		s->added = rdb_get_len(r);
	}
	return !r->bad && s->length == l->living && (!l->any || stream_id_cmp(l->last, s->last_id) <= 0);
}

static bool get_pending(struct load *l, struct stream_group *g)
{
	struct stream_id id = get_raw_id(l->r);
	int64_t at_ms = rdb_get_i64(l->r);
	uint64_t deliveries = rdb_get_len(l->r);

	if (l->r->bad || stream_pending_find(g, id) != NULL)
		return false;
	struct stream_pending *p = stream_pending_create(l->heap, id);
	if (p == NULL)
		return fail_nomem(l);
	p->at_ms = at_ms;
	p->deliveries = deliveries;
	if (stream_pending_insert(g, l->heap, p))
		return true;
	heap_free(l->heap, p);
	return fail_nomem(l);
}

static bool get_consumers_pel(struct load *l, struct stream_group *g, struct stream_consumer *con, uint64_t *given)
{
	for (uint64_t n = rdb_get_len(l->r); n > 0; n--) {
		struct stream_pending *p = stream_pending_find(g, get_raw_id(l->r));

		if (l->r->bad || p == NULL || p->consumer != NULL)
			return false;
		if (!stream_pending_give(p, l->heap, con))
			return fail_nomem(l);
		++*given;
	}
	return !l->r->bad;
}

static bool get_consumer(struct load *l, struct stream_group *g, uint64_t *given)
{
	struct stream_consumer *con = NULL;
	struct rdb_str name;

	if (!rdb_get_string(l->r, &name))
		return false;
	bool known = stream_consumer_find(g, name.s) != NULL;
	if (!known)
		con = stream_consumer_add(g, l->heap, name.s, 0);
	rdb_str_free(l->r, &name);
	if (con == NULL)
		return known ? false : fail_nomem(l);
	con->seen_ms = rdb_get_i64(l->r);
	con->active_ms = l->type == RDB_STREAM_3 ? rdb_get_i64(l->r) : con->seen_ms;
	return get_consumers_pel(l, g, con, given);
}

static struct stream_group *get_group_head(struct load *l)
{
	struct rdb_str name;

	if (!rdb_get_string(l->r, &name))
		return NULL;
	struct stream_id last = get_id(l->r);
	int64_t entries_read = l->type == RDB_STREAM ? stream_rank_of(l->s, last) : (int64_t)rdb_get_len(l->r);
	struct stream_group *g = NULL;
	if (!l->r->bad && stream_group_find(l->s, name.s) == NULL) {
		g = stream_group_add(l->s, l->heap, name.s, last, entries_read);
		l->nomem = g == NULL;
	}
	rdb_str_free(l->r, &name);
	return g;
}

static bool get_group(struct load *l)
{
	struct stream_group *g = get_group_head(l);
	uint64_t given = 0;

	if (g == NULL)
		return false;
	for (uint64_t n = rdb_get_len(l->r); n > 0; n--)
		if (!get_pending(l, g))
			return false;
	for (uint64_t n = rdb_get_len(l->r); n > 0; n--)
		if (!get_consumer(l, g, &given))
			return false;
	/* nothing is pending for nobody */
	return !l->r->bad && given == g->pel.count;
}

static bool get_stream(struct load *l)
{
	if (!get_nodes(l) || !get_head(l))
		return false;
	for (uint64_t n = rdb_get_len(l->r); n > 0; n--)
		if (!get_group(l))
			return false;
	return !l->r->bad;
}

enum rdb_loaded rdb_load_stream(struct rdb_in *r, uint8_t type, const struct rdb_target *t)
{
	struct load l = {.r = r, .heap = store_heap(t->s), .type = type};

	l.s = stream_create(l.heap);
	if (l.s == NULL)
		return RDB_NO_MEMORY;
	if (!get_stream(&l)) {
		stream_destroy(l.s, l.heap);
		return l.nomem || r->nomem ? RDB_NO_MEMORY : RDB_BAD;
	}
	if (store_add_payload(t->s, t->db, t->key, ENC_STREAM, &l.s->p, t->expire_at_ms) != NULL)
		return RDB_LOADED;
	stream_destroy(l.s, l.heap);
	return RDB_NO_MEMORY;
}
