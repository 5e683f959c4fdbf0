/* Streams: groups, their consumers, and what is pending. */
#include "store/stream_priv.h"

/* ---- by name ------------------------------------------------------------------------------------------------- */

static int name_probe(const void *ctx, const void *ptr)
{
	const struct slice *want = ctx, *name = ptr;
	size_t n = RP_MIN(want->len, name->len);
	int r = n == 0 ? 0 : memcmp(name->ptr, want->ptr, n);

	return r != 0 ? r : name->len == want->len ? 0 : name->len < want->len ? -1 : 1;
}

static int name_cmp(const void *a, const void *b)
{
	return name_probe(b, a);
}

/* The first bytes as a number: in the order of the names. */
static uint64_t name_key(struct slice name)
{
	uint64_t v = 0;

	memcpy(&v, name.ptr, RP_MIN(name.len, sizeof v));
	return __builtin_bswap64(v);
}

static struct btree_pos find_name(const struct btree *t, struct slice name)
{
	struct btree_pos pos = {NULL, 0};

	if (t->count > 0)
		pos = btree_lower_bound(t, name_key(name), name_probe, &name);
	if (pos.leaf != NULL && !slice_eq(*(const struct slice *)btree_ptr(pos), name))
		pos.leaf = NULL;
	return pos;
}

/* A zeroed block with a name behind it. */
static void *named_create(struct heap *h, size_t size, struct slice name, struct slice *copy)
{
	char *p = heap_zalloc(h, size + name.len);

	if (p == NULL)
		return NULL;
	memcpy(p + size, name.ptr, name.len);
	*copy = (struct slice){p + size, name.len};
	return p;
}

void stream_groups_init(struct btree *t)
{
	btree_init(t, name_cmp);
}

/* ---- pending entries ----------------------------------------------------------------------------------------- */

static int pending_probe(const void *ctx, const void *ptr)
{
	const struct stream_id *id = ctx;
	const struct stream_pending *p = ptr;

	return p->id.seq == id->seq ? 0 : p->id.seq < id->seq ? -1 : 1;
}

static int pending_cmp(const void *a, const void *b)
{
	return pending_probe(&((const struct stream_pending *)b)->id, a);
}

struct btree_pos stream_pending_from(const struct btree *pel, struct stream_id id)
{
	if (pel->count == 0)
		return (struct btree_pos){NULL, 0};
	return btree_lower_bound(pel, id.ms, pending_probe, &id);
}

struct stream_pending *stream_pending_find(const struct stream_group *g, struct stream_id id)
{
	struct btree_pos pos = stream_pending_from(&g->pel, id);

	if (pos.leaf == NULL || stream_id_cmp(stream_pending_at(pos)->id, id) != 0)
		return NULL;
	return stream_pending_at(pos);
}

struct stream_pending *stream_pending_create(struct heap *h, struct stream_id id)
{
	struct stream_pending *p = heap_alloc(h, sizeof *p);

	if (p != NULL)
		*p = (struct stream_pending){.id = id};
	return p;
}

bool stream_pending_insert(struct stream_group *g, struct heap *h, struct stream_pending *p)
{
	return btree_insert(&g->pel, h, p->id.ms, p);
}

bool stream_pending_give(struct stream_pending *p, struct heap *h, struct stream_consumer *con)
{
	if (p->consumer == con)
		return true;
	if (!btree_insert(&con->pel, h, p->id.ms, p))
		return false;
	if (p->consumer != NULL)
		btree_remove(&p->consumer->pel, h, p->id.ms, p);
	p->consumer = con;
	return true;
}

void stream_pending_drop(struct stream_group *g, struct heap *h, struct stream_pending *p)
{
	if (p->consumer != NULL)
		btree_remove(&p->consumer->pel, h, p->id.ms, p);
	btree_remove(&g->pel, h, p->id.ms, p);
	heap_free(h, p);
}

/* ---- consumers ----------------------------------------------------------------------------------------------- */

struct stream_consumer *stream_consumer_find(const struct stream_group *g, struct slice name)
{
	struct btree_pos pos = find_name(&g->consumers, name);

	return pos.leaf == NULL ? NULL : stream_consumer_at(pos);
}

struct stream_consumer *stream_consumer_add(struct stream_group *g, struct heap *h, struct slice name, int64_t now_ms)
{
	struct slice copy;
	struct stream_consumer *con = named_create(h, sizeof *con, name, &copy);

	if (con == NULL)
		return NULL;
	con->name = copy;
	con->seen_ms = now_ms;
	con->active_ms = -1;
	btree_init(&con->pel, pending_cmp);
	if (btree_insert(&g->consumers, h, name_key(name), &con->name))
		return con;
	heap_free(h, con);
	return NULL;
}

void stream_consumer_remove(struct stream_group *g, struct heap *h, struct stream_consumer *con)
{
	while (con->pel.count > 0)
		stream_pending_drop(g, h, stream_pending_at(btree_first(&con->pel)));
	btree_fini(&con->pel, h);
	btree_remove(&g->consumers, h, name_key(con->name), &con->name);
	heap_free(h, con);
}

/* ---- groups -------------------------------------------------------------------------------------------------- */

struct stream_group *stream_group_find(const struct stream *s, struct slice name)
{
	struct btree_pos pos = find_name(&s->groups, name);

	return pos.leaf == NULL ? NULL : stream_group_at(pos);
}

struct stream_group *stream_group_add(struct stream *s, struct heap *h, struct slice name, struct stream_id last_id,
				      int64_t entries_read)
{
	struct slice copy;
	struct stream_group *g = named_create(h, sizeof *g, name, &copy);

	if (g == NULL)
		return NULL;
	g->p.type = OBJ_STREAM;
	g->kind = STREAM_GROUP;
	g->name = copy;
	g->last_id = last_id;
	g->entries_read = entries_read;
	btree_init(&g->pel, pending_cmp);
	btree_init(&g->consumers, name_cmp);
	if (btree_insert(&s->groups, h, name_key(name), &g->name))
		return g;
	heap_free(h, g);
	return NULL;
}

void stream_group_remove(struct stream *s, struct store *store, struct stream_group *g)
{
	btree_remove(&s->groups, store_heap(store), name_key(g->name), &g->name);
	store_release(store, &g->p);
}

/* ---- all at once or in slices -------------------------------------------------------------------------------- */

static void pending_free(void *ctx, void *ptr)
{
	heap_free(ctx, ptr);
}

/* The consumers' trees only point at what the group's has. */
static bool consumers_drain(struct heap *h, struct stream_group *g, uint32_t *budget)
{
	while (g->consumers.count > 0) {
		struct stream_consumer *con = stream_consumer_at(btree_first(&g->consumers));

		if (*budget == 0 || !btree_drain(&con->pel, h, budget, NULL, NULL))
			return false;
		btree_remove(&g->consumers, h, name_key(con->name), &con->name);
		heap_free(h, con);
		*budget -= *budget > 0;
	}
	btree_fini(&g->consumers, h);
	return true;
}

static bool group_empty(struct heap *h, struct stream_group *g, uint32_t *budget)
{
	return consumers_drain(h, g, budget) && btree_drain(&g->pel, h, budget, pending_free, h);
}

bool stream_group_drain(struct heap *h, struct stream_group *g, uint32_t *budget)
{
	if (!group_empty(h, g, budget))
		return false;
	heap_free(h, g);
	return true;
}

bool stream_groups_drain(struct heap *h, struct stream *s, uint32_t *budget)
{
	while (s->groups.count > 0) {
		struct stream_group *g = stream_group_at(btree_first(&s->groups));

		if (*budget == 0 || !group_empty(h, g, budget))
			return false;
		btree_remove(&s->groups, h, name_key(g->name), &g->name);
		heap_free(h, g);
		*budget -= *budget > 0;
	}
	btree_fini(&s->groups, h);
	return true;
}

static bool consumers_clone(struct heap *h, struct stream_group *to, const struct stream_group *from)
{
	struct btree_pos pos = btree_first(&from->consumers);

	for (uint64_t i = 0; i < from->consumers.count; i++, btree_next(&pos)) {
		const struct stream_consumer *con = stream_consumer_at(pos);
		struct stream_consumer *copy = stream_consumer_add(to, h, con->name, con->seen_ms);

		if (copy == NULL)
			return false;
		copy->active_ms = con->active_ms;
	}
	return true;
}

static bool pel_clone(struct heap *h, struct stream_group *to, const struct stream_group *from)
{
	struct btree_pos pos = btree_first(&from->pel);

	for (uint64_t i = 0; i < from->pel.count; i++, btree_next(&pos)) {
		const struct stream_pending *p = stream_pending_at(pos);
		struct stream_pending *copy = stream_pending_create(h, p->id);

		if (copy == NULL)
			return false;
		copy->at_ms = p->at_ms;
		copy->deliveries = p->deliveries;
		if (!stream_pending_insert(to, h, copy)) {
			heap_free(h, copy);
			return false;
		}
		if (!stream_pending_give(copy, h, stream_consumer_find(to, p->consumer->name)))
			return false;
	}
	return true;
}

bool stream_groups_clone(struct heap *h, struct stream *to, const struct stream *from)
{
	struct btree_pos pos = btree_first(&from->groups);

	for (uint64_t i = 0; i < from->groups.count; i++, btree_next(&pos)) {
		const struct stream_group *g = stream_group_at(pos);
		struct stream_group *copy = stream_group_add(to, h, g->name, g->last_id, g->entries_read);

		if (copy == NULL || !consumers_clone(h, copy, g) || !pel_clone(h, copy, g))
			return false;
	}
	return true;
}

static size_t group_bytes(const struct stream_group *g)
{
	size_t bytes = heap_good_size(sizeof *g + g->name.len) + btree_bytes(&g->pel) + btree_bytes(&g->consumers) +
		       g->pel.count * heap_good_size(sizeof(struct stream_pending));
	struct btree_pos pos = btree_first(&g->consumers);

	for (uint64_t i = 0; i < g->consumers.count; i++, btree_next(&pos)) {
		const struct stream_consumer *con = stream_consumer_at(pos);
		bytes += heap_good_size(sizeof *con + con->name.len) + btree_bytes(&con->pel);
	}
	return bytes;
}

size_t stream_groups_bytes(const struct stream *s)
{
	size_t bytes = btree_bytes(&s->groups);
	struct btree_pos pos = btree_first(&s->groups);

	for (uint64_t i = 0; i < s->groups.count; i++, btree_next(&pos))
		bytes += group_bytes(stream_group_at(pos));
	return bytes;
}

/* ---- how far a group has read -------------------------------------------------------------------------------- */

int64_t stream_rank_of(const struct stream *s, struct stream_id id)
{
	if (s->added == 0)
		return 0;
	int last = stream_id_cmp(id, s->last_id);
	if (last == 0 || (s->length == 0 && last < 0))
		return (int64_t)s->added;
	if (last > 0)
		return STREAM_READ_UNKNOWN;
	int first = stream_id_cmp(id, s->first_id);
	bool whole = stream_id_is_zero(s->max_deleted) || stream_id_cmp(s->max_deleted, s->first_id) < 0;
	if (whole && first <= 0)
		return (int64_t)(s->added - s->length) + (first == 0);
	return STREAM_READ_UNKNOWN;
}

/* Was anything from id on removed by XDEL, between entries that are there? */
static bool has_gaps(const struct stream *s, struct stream_id id)
{
	return s->length > 0 && !stream_id_is_zero(s->max_deleted) && stream_id_cmp(s->max_deleted, s->first_id) >= 0 &&
	       stream_id_cmp(id, s->max_deleted) <= 0;
}

void stream_group_advance(const struct stream *s, struct stream_group *g, struct stream_id id)
{
	if (g->entries_read != STREAM_READ_UNKNOWN && !has_gaps(s, id))
		g->entries_read = (int64_t)((uint64_t)g->entries_read + 1); /* may be any number that was set */
	else if (s->added > 0)
		g->entries_read = stream_rank_of(s, id);
	g->last_id = id;
}

bool stream_group_lag(const struct stream *s, const struct stream_group *g, int64_t *lag)
{
	int64_t read = g->entries_read;

	*lag = 0;
	if (s->added == 0)
		return true;
	if (read == STREAM_READ_UNKNOWN || has_gaps(s, g->last_id))
		read = stream_rank_of(s, g->last_id);
	*lag = (int64_t)(s->added - (uint64_t)read);
	return read != STREAM_READ_UNKNOWN;
}
