/* Channels and patterns at their owner: how many subscribers there are at which home. */
#include <stdlib.h>

#include "base/glob.h"
#include "session/pubsub.h"
#include "store/events.h"

struct chan {
	uint32_t total; /* subscribers */
	uint32_t at;    /* pattern or prefix: its place in the list of all */
	struct elem e;  /* its name; behind it the subscribers of each home */
};

struct pubsub_owner {
	struct heap *heap;
	uint32_t homes;
	struct htab names[PUBSUB_TABLES];
	uint64_t counts[PUBSUB_TABLES]; /* of names; the owner writes, anybody reads relaxed */
	struct chan_list {
		struct chan **at;
		uint32_t n, cap;
	} list[PUBSUB_TABLES]; /* of patterns and of prefixes, which are tried one by one */
};

static uint32_t *counts_of(struct chan *ch)
{
	return (uint32_t *)RTE_PTR_ALIGN_CEIL(ch->e.name + ch->e.len, sizeof(uint32_t));
}

static struct chan *chan_of(struct elem *e)
{
	return e != NULL ? rp_container_of(e, struct chan, e) : NULL;
}

struct pubsub_owner *pubsub_owner_create(uint32_t homes, struct heap *heap)
{
	struct pubsub_owner *o = calloc(1, sizeof *o);
	if (o == NULL)
		return NULL;
	o->heap = heap;
	o->homes = homes;
	for (int i = 0; i < PUBSUB_TABLES; i++)
		htab_init(&o->names[i], (uint64_t)(uintptr_t)o);
	return o;
}

static void free_chan(void *ctx, struct elem *e)
{
	heap_free(ctx, chan_of(e));
}

void pubsub_owner_destroy(struct pubsub_owner *o)
{
	if (o == NULL)
		return;
	for (int i = 0; i < PUBSUB_TABLES; i++) {
		uint32_t budget = UINT32_MAX;
		htab_drain(&o->names[i], o->heap, &budget, free_chan, o->heap);
		htab_fini(&o->names[i], o->heap);
	}
	for (int i = 0; i < PUBSUB_TABLES; i++)
		heap_free(o->heap, o->list[i].at);
	free(o);
}

static void count_names(struct pubsub_owner *o, enum pubsub_kind of)
{
	__atomic_store_n(&o->counts[of], o->names[of].count, __ATOMIC_RELAXED);
}

static bool is_listed(enum pubsub_kind of)
{
	return of == PUBSUB_PATTERN || of == PUBSUB_PREFIX;
}

static bool list_add(struct pubsub_owner *o, enum pubsub_kind of, struct chan *ch)
{
	struct chan_list *l = &o->list[of];
	if (l->n == l->cap) {
		uint32_t cap = RP_MAX(16u, l->cap * 2);
		struct chan **at = heap_realloc(o->heap, l->at, cap * sizeof *at);
		if (at == NULL)
			return false;
		l->at = at;
		l->cap = cap;
	}
	ch->at = l->n;
	l->at[l->n++] = ch;
	return true;
}

static void list_remove(struct pubsub_owner *o, enum pubsub_kind of, struct chan *ch)
{
	struct chan_list *l = &o->list[of];
	struct chan *last = l->at[--l->n];
	l->at[ch->at] = last;
	last->at = ch->at;
}

static struct chan *chan_create(struct pubsub_owner *o, enum pubsub_kind of, struct slice name)
{
	if (name.len > UINT32_MAX / 2)
		return NULL;
	size_t bytes = sizeof(struct chan) + name.len + sizeof(uint32_t) * (o->homes + 1);
	struct chan *ch = heap_zalloc(o->heap, bytes);
	if (ch == NULL)
		return NULL;
	ch->e.len = (uint32_t)name.len;
	if (name.len > 0)
		memcpy(ch->e.name, name.ptr, name.len);
	if (is_listed(of) && !list_add(o, of, ch)) {
		heap_free(o->heap, ch);
		return NULL;
	}
	htab_insert(&o->names[of], o->heap, &ch->e);
	count_names(o, of);
	return ch;
}

bool pubsub_owner_change(struct pubsub_owner *o, uint32_t home, enum pubsub_kind of, struct slice name, int delta)
{
	struct chan *ch = chan_of(htab_find(&o->names[of], name));
	if (delta < 0 && (ch == NULL || counts_of(ch)[home] == 0))
		return true; /* it was never counted, for want of memory */
	if (ch == NULL && (ch = chan_create(o, of, name)) == NULL)
		return false;
	counts_of(ch)[home] += (uint32_t)delta;
	ch->total += (uint32_t)delta;
	if (ch->total > 0)
		return true;
	htab_remove(&o->names[of], o->heap, &ch->e);
	if (is_listed(of))
		list_remove(o, of, ch);
	heap_free(o->heap, ch);
	count_names(o, of);
	return true;
}

uint64_t pubsub_owner_names(const struct pubsub_owner *o, enum pubsub_kind of)
{
	return __atomic_load_n(&o->counts[of], __ATOMIC_RELAXED);
}

uint64_t pubsub_owner_subscribers(struct pubsub_owner *o, enum pubsub_kind of, struct slice name)
{
	const struct chan *ch = chan_of(htab_find(&o->names[of], name));
	return ch != NULL ? ch->total : 0;
}

struct scan {
	pubsub_visit_fn fn;
	void *ctx;
};

static void scan_one(void *ctx, struct elem *e)
{
	const struct scan *s = ctx;
	s->fn(s->ctx, elem_name(e));
}

uint64_t pubsub_owner_scan(struct pubsub_owner *o, enum pubsub_kind of, uint64_t cursor, pubsub_visit_fn fn, void *ctx)
{
	struct scan s = {fn, ctx};
	return htab_scan(&o->names[of], cursor, scan_one, &s);
}

bool pubsub_prefix_change(struct session_host *h, uint32_t home, struct slice prefix, int delta)
{
	bool ok = pubsub_owner_change(h->channels, home, PUBSUB_PREFIX, prefix, delta);
	store_set_touches(h->env.stores[h->own], h->channels->names[PUBSUB_PREFIX].count > 0);
	return ok;
}

void pubsub_take_change(struct session_host *h, uint32_t from, struct post_entry *e)
{
	int delta = e->kind == POST_SUBSCRIBE ? 1 : -1;
	bool ok = e->of == PUBSUB_PREFIX
			  ? pubsub_prefix_change(h, from, post_name(e), delta)
			  : pubsub_owner_change(h->channels, from, (enum pubsub_kind)e->of, post_name(e), delta);
	if (e->ref != NULL)
		post_ack(h->post, from, e, ok);
}

/* ---- publishing ---- */

/* Homes with subscribers: a bit each, the control thread's being the one after the workers'. */
struct homes {
	uint64_t word[2];
};

static int64_t add_subscribers(const struct pubsub_owner *o, struct chan *ch, struct homes *to)
{
	const uint32_t *count = counts_of(ch);
	for (uint32_t i = 0; i < o->homes; i++)
		if (count[i] != 0)
			to->word[i / 64] |= 1ull << i % 64;
	return ch->total;
}

static bool fits(enum pubsub_kind of, const struct chan *ch, struct slice name)
{
	return of == PUBSUB_CHANNEL ? glob_match(elem_name(&ch->e), name, false)
				    : slice_begins(name, elem_name(&ch->e));
}

/* The patterns that a channel's name matches, or the prefixes that a key begins with. */
static int64_t add_listed(const struct pubsub_owner *o, enum pubsub_kind of, struct slice name, struct homes *to)
{
	const struct chan_list *l = &o->list[of == PUBSUB_CHANNEL ? PUBSUB_PATTERN : PUBSUB_PREFIX];
	int64_t n = 0;
	for (uint32_t i = 0; i < l->n; i++)
		if (fits(of, l->at[i], name))
			n += add_subscribers(o, l->at[i], to);
	return n;
}

int64_t pubsub_owner_publish(struct session_host *h, enum pubsub_kind of, struct slice channel, struct slice message,
			     struct blob *blob)
{
	struct pubsub_owner *o = h->channels;
	struct chan *ch = of != PUBSUB_PREFIX ? chan_of(htab_find(&o->names[of], channel)) : NULL;
	struct homes to = {{0}};
	int64_t n = ch != NULL ? add_subscribers(o, ch, &to) : 0;
	if (of == PUBSUB_CHANNEL || of == PUBSUB_PREFIX)
		n += add_listed(o, of, channel, &to);
	for (uint32_t i = 0; i < o->homes; i++)
		if ((to.word[i / 64] & 1ull << i % 64) &&
		    post_add(h->post, i, POST_DELIVER, of, channel, message, blob) == NULL)
			return -1;
	return n;
}
