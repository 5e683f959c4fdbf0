/* Pub/Sub at home: who of our clients listens to what. */
#include <stdlib.h>

#include "session/monitor.h"
#include "session/pubsub_priv.h"
#include "session/session_priv.h"
#include "session/tracking.h"

#define LEAVE_SLICE 64 /* subscriptions given back in one call */

/* ---- tables ---- */

static struct sub_name *name_of(struct elem *e)
{
	return e != NULL ? rp_container_of(e, struct sub_name, e) : NULL;
}

struct sub_name *sub_name_find(const struct pubsub *ps, enum pubsub_kind of, struct slice name)
{
	return name_of(htab_find(&ps->names[of], name));
}

static bool is_listed(enum pubsub_kind of)
{
	return of == PUBSUB_PATTERN || of == PUBSUB_PREFIX;
}

static bool list_add(struct pubsub *ps, struct sub_name *nm)
{
	struct name_list *l = &ps->list[nm->of];
	if (l->n == l->cap) {
		uint32_t cap = RP_MAX(16u, l->cap * 2);
		struct sub_name **at = heap_realloc(ps->heap, l->at, cap * sizeof *at);
		if (at == NULL)
			return false;
		l->at = at;
		l->cap = cap;
	}
	nm->at = l->n;
	l->at[l->n++] = nm;
	return true;
}

static void list_remove(struct pubsub *ps, struct sub_name *nm)
{
	struct name_list *l = &ps->list[nm->of];
	struct sub_name *last = l->at[--l->n];
	l->at[nm->at] = last;
	last->at = nm->at;
}

static struct sub_name *name_create(struct pubsub *ps, enum pubsub_kind of, struct slice name)
{
	if (name.len > UINT32_MAX / 2)
		return NULL;
	struct sub_name *nm = heap_zalloc(ps->heap, sizeof *nm + name.len);
	if (nm == NULL)
		return NULL;
	nm->of = (uint8_t)of;
	nm->e.len = (uint32_t)name.len;
	if (name.len > 0)
		memcpy(nm->e.name, name.ptr, name.len);
	if (is_listed(of) && !list_add(ps, nm)) {
		heap_free(ps->heap, nm);
		return NULL;
	}
	htab_insert(&ps->names[of], ps->heap, &nm->e);
	return nm;
}

static void name_drop_if_empty(struct pubsub *ps, struct sub_name *nm)
{
	if (nm->n > 0)
		return;
	htab_remove(&ps->names[nm->of], ps->heap, &nm->e);
	if (is_listed((enum pubsub_kind)nm->of))
		list_remove(ps, nm);
	heap_free(ps->heap, nm->seat);
	heap_free(ps->heap, nm);
}

/* What a subscription is found by: its two ends. */
struct ends {
	const struct sub_name *nm;
	const struct session_listener *l;
};

static struct sub *sub_find(const struct pubsub *ps, const struct sub_name *nm, const struct session_listener *l)
{
	struct ends ends = {nm, l};
	struct elem *e = htab_find(&ps->subs, (struct slice){(const char *)&ends, sizeof ends});
	return e != NULL ? rp_container_of(e, struct sub, e) : NULL;
}

static bool seat_room(struct pubsub *ps, struct sub_name *nm)
{
	if (nm->n < nm->cap)
		return true;
	uint32_t cap = RP_MAX(2u, nm->cap * 2);
	struct sub_seat *seat = heap_realloc(ps->heap, nm->seat, cap * sizeof *seat);
	if (seat == NULL)
		return false;
	nm->seat = seat;
	nm->cap = cap;
	return true;
}

static void sub_link(struct sub **list, struct sub *sub)
{
	sub->next = *list;
	sub->pprev = list;
	if (sub->next != NULL)
		sub->next->pprev = &sub->next;
	*list = sub;
}

static void sub_unlink(struct sub *sub)
{
	*sub->pprev = sub->next;
	if (sub->next != NULL)
		sub->next->pprev = sub->pprev;
}

static struct sub *sub_create(struct pubsub *ps, struct sub_name *nm, struct session_listener *l)
{
	struct ends ends = {nm, l};
	struct sub *sub = seat_room(ps, nm) ? heap_zalloc(ps->heap, sizeof *sub + sizeof ends) : NULL;
	if (sub == NULL)
		return NULL;
	sub->nm = nm;
	sub->l = l;
	sub->at = nm->n;
	nm->seat[nm->n++] = (struct sub_seat){l, sub, SUB_PENDING};
	l->pending[nm->of]++;
	sub_link(&l->subs[nm->of], sub);
	sub->e.len = sizeof ends;
	memcpy(sub->e.name, &ends, sizeof ends);
	htab_insert(&ps->subs, ps->heap, &sub->e);
	return sub;
}

static enum sub_state sub_state(const struct sub *sub)
{
	return (enum sub_state)sub->nm->seat[sub->at].state;
}

static void sub_set_state(struct sub *sub, enum sub_state state)
{
	struct sub_seat *seat = &sub->nm->seat[sub->at];
	if (seat->state == SUB_PENDING)
		sub->l->pending[sub->nm->of]--;
	seat->state = (uint8_t)state;
}

/* No look-up finds it any more; messages still do. */
static void sub_hide(struct pubsub *ps, struct sub *sub)
{
	htab_remove(&ps->subs, ps->heap, &sub->e);
	sub_set_state(sub, SUB_LEAVING);
	sub_unlink(sub);
	sub_link(&sub->l->left, sub);
}

/* sub is hidden. */
static void sub_destroy(struct pubsub *ps, struct sub *sub)
{
	struct sub_name *nm = sub->nm;
	struct sub_seat *last = &nm->seat[--nm->n];
	nm->seat[sub->at] = *last;
	last->sub->at = sub->at;
	sub_unlink(sub);
	heap_free(ps->heap, sub);
	name_drop_if_empty(ps, nm);
}

/* ---- the barrier ---- */

struct session_listener *listener_get(struct session *s)
{
	struct session_listener *l = listener_of(s);
	if (l != NULL)
		return l;
	l = heap_zalloc(s->host->heap, sizeof *l);
	if (l == NULL)
		return NULL;
	l->s = s;
	l->barrier.kind = MSG_BARRIER;
	s->cl.listens = &l->is;
	return l;
}

/* One that was lifted while requests before it were still in flight stands there yet: what comes now waits behind it as
 * well. */
static void barrier_raise(struct session_listener *l, uint32_t acks)
{
	l->barrier.done = false;
	if (!l->standing) {
		l->standing = true;
		l->barrier.next = NULL;
		l->barrier.after_head = l->barrier.after_tail = NULL;
		l->barrier.after_bytes = 0;
		l->barrier.after_gate = 0;
		session_flight_push(l->s, &l->barrier);
	}
	l->acks += acks;
}

/* The newest are in front. */
void barrier_pass(struct session_listener *l)
{
	for (int of = 0; of < PUBSUB_TABLES; of++)
		for (struct sub *sub = l->subs[of]; l->pending[of] > 0; sub = sub->next)
			if (sub_state(sub) == SUB_PENDING) {
				sub_set_state(sub, SUB_ACTIVE);
				sub->confirmed = true;
			}
	push_settle(l);
	l->standing = false;
}

static void barrier_lift(struct session_host *h, struct session_listener *l)
{
	l->barrier.done = true;
	if (l->s->flight_head == &l->barrier)
		session_flight_advance(h, l->s);
}

void pubsub_take_ack(struct session_host *h, uint32_t from, const struct post_entry *e)
{
	struct sub *sub = e->ref;
	struct session_listener *l = sub->l;
	uint64_t bit = 1ull << from;
	*(sub->in & bit ? &sub->out : &sub->in) |= bit;
	if (rp_unlikely(e->value == 0)) {
		/* The owner will not tell us of messages: nobody may go on believing it. */
		h->count.killed_nomem++;
		session_kill(l->s, true);
	}
	l->acks--;
	if (--sub->acks == 0 && sub_state(sub) == SUB_LEAVING)
		sub_destroy(h->pubsub, sub);
	if (l->acks == 0)
		barrier_lift(h, l);
}

/* ---- changes ---- */

/* The threads that must know of a name, as a range of endpoints. */
struct owners {
	uint32_t first, n;
};

static struct owners owners_of(const struct session_host *h, enum pubsub_kind of, struct slice name)
{
	if (is_listed(of))
		return (struct owners){0, h->env.nstores};
	return (struct owners){cmd_channel_owner(&h->env, name), 1};
}

/* Tells them. ref: the subscription, if an answer is waited for, or NULL. false: out of memory, nobody was told. */
static bool tell(struct session_host *h, struct owners o, enum post_kind kind, const struct sub_name *nm,
		 struct sub *ref)
{
	struct slice name = elem_name(&nm->e);
	struct slice none = {NULL, 0};
	int delta = kind == POST_SUBSCRIBE ? 1 : -1;
	for (uint32_t i = o.first; i < o.first + o.n; i++)
		if (!post_reserve(h->post, i, name.len))
			return false;
	for (uint32_t i = o.first; i < o.first + o.n; i++) {
		struct post_entry *e;
		if (i != h->self) {
			e = post_add(h->post, i, kind, nm->of, name, none, NULL);
		} else {
			/* Known at once to what follows; the answer keeps its place among the messages. */
			bool ok = nm->of == PUBSUB_PREFIX
					  ? pubsub_prefix_change(h, i, name, delta)
					  : pubsub_owner_change(h->channels, i, (enum pubsub_kind)nm->of, name, delta);
			if (ref == NULL)
				continue;
			e = post_add(h->post, i, POST_ACK, nm->of, none, none, NULL);
			e->value = ok;
		}
		e->ref = ref;
	}
	return true;
}

static uint32_t *count_of(struct session_listener *l, enum pubsub_kind of)
{
	return of == PUBSUB_CHANNEL ? &l->is.channels : of == PUBSUB_PATTERN ? &l->is.patterns : &l->is.shards;
}

static void count_change(struct session_host *h, struct session_listener *l, enum pubsub_kind of, int delta)
{
	struct client *cl = &l->s->cl;
	bool was = (cl->flags & CLIENT_F_PUBSUB) != 0;
	*count_of(l, of) += (uint32_t)delta;
	bool is = l->is.channels + l->is.patterns + l->is.shards > 0;
	if (is == was)
		return;
	cl->flags = is ? cl->flags | CLIENT_F_PUBSUB : cl->flags & ~CLIENT_F_PUBSUB;
	h->count.pubsub_clients += is ? 1 : -1ull;
}

static enum pubsub_done subscribe(void *host, struct client *cl, enum pubsub_kind of, struct slice name)
{
	struct session_host *h = host;
	struct pubsub *ps = h->pubsub;
	struct session_listener *l = listener_get(session_of(cl));
	struct sub_name *nm = sub_name_find(ps, of, name);
	if (l == NULL)
		return PUBSUB_NOMEM;
	if (nm != NULL && sub_find(ps, nm, l) != NULL)
		return PUBSUB_AS_WAS;
	if (nm == NULL && (nm = name_create(ps, of, name)) == NULL)
		return PUBSUB_NOMEM;
	struct owners o = owners_of(h, of, name);
	struct sub *sub = sub_create(ps, nm, l);
	if (sub == NULL || !tell(h, o, POST_SUBSCRIBE, nm, sub)) {
		if (sub != NULL) {
			sub_hide(ps, sub);
			sub_destroy(ps, sub);
		} else {
			name_drop_if_empty(ps, nm);
		}
		return PUBSUB_NOMEM;
	}
	sub->acks = o.n;
	barrier_raise(l, o.n);
	count_change(h, l, of, 1);
	return PUBSUB_CHANGED;
}

static enum pubsub_done unsubscribe(void *host, struct client *cl, enum pubsub_kind of, struct slice name)
{
	struct session_host *h = host;
	struct session_listener *l = listener_of(session_of(cl));
	struct sub_name *nm = l != NULL ? sub_name_find(h->pubsub, of, name) : NULL;
	struct sub *sub = nm != NULL ? sub_find(h->pubsub, nm, l) : NULL;
	if (sub == NULL)
		return PUBSUB_AS_WAS;
	struct owners o = owners_of(h, of, name);
	if (!tell(h, o, POST_UNSUBSCRIBE, nm, sub))
		return PUBSUB_NOMEM;
	sub_hide(h->pubsub, sub);
	sub->acks += o.n;
	barrier_raise(l, o.n);
	count_change(h, l, of, -1);
	return PUBSUB_CHANGED;
}

static bool any(void *host, const struct client *cl, enum pubsub_kind of, struct slice *name)
{
	const struct session_listener *l = (const struct session_listener *)cl->listens;
	if (l == NULL || l->subs[of] == NULL)
		return false;
	*name = elem_name(&l->subs[of]->nm->e);
	return true;
}

struct sub_name *prefix_join(struct session_host *h, struct session_listener *l, struct slice prefix)
{
	struct pubsub *ps = h->pubsub;
	struct sub_name *nm = sub_name_find(ps, PUBSUB_PREFIX, prefix);
	if (nm == NULL && (nm = name_create(ps, PUBSUB_PREFIX, prefix)) == NULL)
		return NULL;
	struct sub *sub = sub_create(ps, nm, l);
	if (sub == NULL) {
		name_drop_if_empty(ps, nm);
		return NULL;
	}
	sub_set_state(sub, SUB_ACTIVE);
	return nm;
}

void prefix_leave(struct session_host *h, struct session_listener *l, struct slice prefix, bool tell_owners)
{
	struct sub_name *nm = sub_name_find(h->pubsub, PUBSUB_PREFIX, prefix);
	struct sub *sub = sub_find(h->pubsub, nm, l);
	/* Without memory the workers go on counting it: messages nobody wants, but no harm. */
	if (tell_owners)
		tell(h, owners_of(h, PUBSUB_PREFIX, prefix), POST_UNSUBSCRIBE, nm, NULL);
	sub_hide(h->pubsub, sub);
	sub_destroy(h->pubsub, sub);
}

static void track_off(void *host, struct client *cl)
{
	tracking_off(listener_of(session_of(cl)));
}

static bool monitor(void *host, struct client *cl)
{
	return monitor_begin(host, cl);
}

static void monitor_off(void *host, struct client *cl)
{
	monitor_end(listener_of(session_of(cl)));
}

static int64_t publish(void *host, enum pubsub_kind of, struct slice channel, struct slice message, struct blob *blob)
{
	return pubsub_owner_publish(host, of, channel, message, blob);
}

void pubsub_publish(struct session_host *h, enum pubsub_kind of, struct slice channel, struct slice message)
{
	uint32_t owner = cmd_channel_owner(&h->env, channel);
	if (owner == h->self)
		pubsub_owner_publish(h, of, channel, message, NULL);
	else
		post_add(h->post, owner, POST_PUBLISH, (uint8_t)of, channel, message, NULL);
}

const struct pubsub_ops pubsub_ops = {
	.subscribe = subscribe,
	.unsubscribe = unsubscribe,
	.any = any,
	.publish = publish,
	.track_off = track_off,
	.monitor = monitor,
	.monitor_off = monitor_off,
};

/* ---- the end ---- */

void listener_leave(struct session_listener *l)
{
	struct session_host *h = l->s->host;
	struct pubsub *ps = h->pubsub;
	rp_assert(l->acks == 0 && !l->pushing);
	if (l->s->cl.flags & CLIENT_F_PUBSUB)
		h->count.pubsub_clients--;
	tracking_off(l);
	monitor_end(l);
	push_fini(l);
	l->s->cl.listens = NULL;
	l->s = NULL;
	l->leaving_next = ps->leaving;
	ps->leaving = l;
}

/* false: no memory now. */
static bool give_back(struct session_host *h, struct sub *sub)
{
	struct sub_name *nm = sub->nm;
	struct owners o = owners_of(h, (enum pubsub_kind)nm->of, elem_name(&nm->e));
	if (!tell(h, o, POST_UNSUBSCRIBE, nm, NULL))
		return false;
	sub_hide(h->pubsub, sub);
	sub_destroy(h->pubsub, sub);
	return true;
}

static struct sub *first_sub(const struct session_listener *l)
{
	for (int of = 0; of < PUBSUB_TABLES; of++)
		if (l->subs[of] != NULL)
			return l->subs[of];
	return NULL;
}

uint32_t pubsub_poll(struct session_host *h)
{
	struct pubsub *ps = h->pubsub;
	uint32_t n = 0;
	while (ps->leaving != NULL && n < LEAVE_SLICE) {
		struct session_listener *l = ps->leaving;
		struct sub *sub = first_sub(l);
		n++;
		if (sub == NULL) {
			ps->leaving = l->leaving_next;
			heap_free(ps->heap, l);
		} else if (!give_back(h, sub)) {
			break;
		}
	}
	return n;
}

bool pubsub_quiet(const struct pubsub *ps)
{
	return ps->leaving == NULL && ps->lines.n == 0;
}

/* ---- set-up ---- */

struct pubsub *pubsub_create(struct session_host *h)
{
	struct pubsub *ps = calloc(1, sizeof *ps);
	if (ps == NULL)
		return NULL;
	ps->heap = h->heap;
	ps->soft_end = &ps->soft;
	for (int i = 0; i < PUBSUB_TABLES; i++)
		htab_init(&ps->names[i], (uint64_t)(uintptr_t)ps);
	htab_init(&ps->subs, (uint64_t)(uintptr_t)ps);
	return ps;
}

static void free_name(void *ctx, struct elem *e)
{
	struct sub_name *nm = name_of(e);
	for (uint32_t i = 0; i < nm->n; i++)
		heap_free(ctx, nm->seat[i].sub);
	heap_free(ctx, nm->seat);
	heap_free(ctx, nm);
}

void pubsub_destroy(struct session_host *h)
{
	struct pubsub *ps = h->pubsub;
	if (ps == NULL)
		return;
	monitor_drop(ps);
	htab_fini(&ps->subs, ps->heap);
	for (int i = 0; i < PUBSUB_TABLES; i++) {
		uint32_t budget = UINT32_MAX;
		htab_drain(&ps->names[i], ps->heap, &budget, free_name, ps->heap);
		htab_fini(&ps->names[i], ps->heap);
	}
	for (struct session_listener *l = ps->leaving, *next; l != NULL; l = next) {
		next = l->leaving_next;
		heap_free(ps->heap, l);
	}
	for (int i = 0; i < PUBSUB_TABLES; i++)
		heap_free(ps->heap, ps->list[i].at);
	free(ps);
}
