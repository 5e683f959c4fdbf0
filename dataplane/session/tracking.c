/* See tracking.h. This file: the client's home. */
#include "session/tracking.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"
#include "cmd/handlers.h"
#include "session/pubsub_priv.h"
#include "session/session_priv.h"
#include "store/watch.h"

/* ---- switching on and off ---- */

static bool overlap(struct slice a, struct slice b)
{
	size_t n = RP_MIN(a.len, b.len);
	return n == 0 || memcmp(a.ptr, b.ptr, n) == 0;
}

static bool prefixes_overlap(const struct client_listens *is, struct tracking_wish *w)
{
	static const char text[] =
		"ERR Prefix '%.*s' overlaps with %s prefix '%.*s'. Prefixes for a single client must "
		"not overlap.";
	for (uint32_t i = 0; i < w->nprefixes; i++) {
		struct slice p = w->prefix[i], q = {NULL, 0};
		const char *what = NULL;
		for (uint32_t k = 0; what == NULL && is != NULL && k < is->nprefixes; k++)
			if (overlap(p, q = is->prefixes[k]))
				what = "an existing";
		for (uint32_t k = i + 1; what == NULL && k < w->nprefixes; k++)
			if (overlap(p, q = w->prefix[k]))
				what = "another provided";
		if (what == NULL)
			continue;
		snprintf(w->error, sizeof w->error, text, (int)RP_MIN(p.len, 64u), p.ptr, what, (int)RP_MIN(q.len, 64u),
			 q.ptr);
		return true;
	}
	return false;
}

/* The first objection, in Redis's order. */
static const char *objection(uint32_t old, const struct tracking_wish *w)
{
	bool bcast = w->flags & TRACK_BCAST;
	if (!bcast && w->nprefixes > 0)
		return "ERR PREFIX option requires BCAST mode to be enabled";
	if ((old & TRACK_ON) && bcast != !!(old & TRACK_BCAST))
		return "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then "
		       "re-enabling it with a different mode.";
	if (bcast && (w->flags & (TRACK_OPTIN | TRACK_OPTOUT)))
		return "ERR OPTIN and OPTOUT are not compatible with BCAST";
	if ((w->flags & TRACK_OPTIN) && (w->flags & TRACK_OPTOUT))
		return "ERR You can't specify both OPTIN mode and OPTOUT mode";
	if (((w->flags & TRACK_OPTIN) && (old & TRACK_OPTOUT)) || ((w->flags & TRACK_OPTOUT) && (old & TRACK_OPTIN)))
		return "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then "
		       "re-enabling it with a different mode.";
	return NULL;
}

static bool has_prefix(const struct client_listens *is, struct slice prefix)
{
	for (uint32_t i = 0; is != NULL && i < is->nprefixes; i++)
		if (slice_eq(is->prefixes[i], prefix))
			return true;
	return false;
}

void tracking_check(struct session_host *h, struct tracking_wish *w)
{
	struct session *s = session_by_id(h, w->client_id);
	const struct client_listens *is = s != NULL ? s->cl.listens : NULL;
	const char *no = w->on ? objection(is != NULL ? is->tracking : 0, w) : NULL;
	w->error[0] = '\0';
	if (no != NULL)
		snprintf(w->error, sizeof w->error, "%s", no);
	else if (w->on && (w->flags & TRACK_BCAST) && !prefixes_overlap(is, w) && w->nprefixes == 0)
		w->whole = !has_prefix(is, (struct slice){NULL, 0});
}

static int by_name(const void *a, const void *b)
{
	const struct slice *x = a, *y = b;
	int c = memcmp(x->ptr, y->ptr, RP_MIN(x->len, y->len));
	return c != 0 ? c : (x->len > y->len) - (x->len < y->len);
}

/* The client's list of prefixes, in their order, with those of the wish added. false: out of memory. */
static bool prefixes_add(struct session_listener *l, const struct tracking_wish *w)
{
	struct heap *heap = l->s->host->heap;
	uint32_t n = l->is.nprefixes;
	if (w->nprefixes == 0)
		return true;
	struct slice *all = heap_realloc(heap, l->is.prefixes, (n + w->nprefixes) * sizeof *all);
	if (all == NULL)
		return false;
	l->is.prefixes = all;
	for (uint32_t i = 0; i < w->nprefixes; i++) {
		struct sub_name *nm = prefix_join(l->s->host, l, w->prefix[i]);
		if (nm == NULL) {
			while (i-- > 0)
				prefix_leave(l->s->host, l, w->prefix[i], false);
			return false;
		}
		all[n + i] = elem_name(&nm->e);
	}
	l->is.nprefixes = n + w->nprefixes;
	qsort(all, l->is.nprefixes, sizeof *all, by_name);
	return true;
}

static bool begin(struct session_listener *l)
{
	struct session_host *h = l->s->host;
	if (l->is.tracking & TRACK_ON)
		return true;
	l->watcher = watcher_create(h->heap, WATCH_TRACK, (uint8_t)h->self);
	if (l->watcher == NULL)
		return false;
	l->watcher->of = l;
	l->watcher->client_id = l->s->cl.id;
	l->tracks_since = clock_tsc();
	l->track_next = h->pubsub->trackers;
	l->track_pprev = &h->pubsub->trackers;
	if (l->track_next != NULL)
		l->track_next->track_pprev = &l->track_next;
	h->pubsub->trackers = l;
	h->count.tracking_clients++;
	l->s->cl.flags |= CLIENT_F_TRACKING;
	l->is.tracking = TRACK_ON;
	return true;
}

void tracking_off(struct session_listener *l)
{
	struct session_host *h = l->s->host;
	if (!(l->is.tracking & TRACK_ON))
		return;
	for (uint32_t i = 0; i < l->is.nprefixes; i++)
		prefix_leave(h, l, l->is.prefixes[i], true);
	heap_free(h->heap, l->is.prefixes);
	l->is.prefixes = NULL;
	l->is.nprefixes = 0;
	watcher_give_up(l->watcher, h->env.stores);
	l->watcher = NULL;
	*l->track_pprev = l->track_next;
	if (l->track_next != NULL)
		l->track_next->track_pprev = l->track_pprev;
	h->count.tracking_clients--;
	l->s->cl.flags &= ~CLIENT_F_TRACKING;
	l->is.tracking = 0;
	l->is.redirect = 0;
}

void tracking_set(struct session_host *h, struct tracking_wish *w)
{
	struct session *s = session_by_id(h, w->client_id);
	struct session_listener *l = s != NULL ? listener_get(s) : NULL;
	w->error[0] = '\0';
	if (!w->on) {
		if (l != NULL)
			tracking_off(l);
		return;
	}
	if (l == NULL || !begin(l) || !prefixes_add(l, w)) {
		snprintf(w->error, sizeof w->error, "OOM no memory for tracking; raise maxmemory or free memory");
		return;
	}
	l->is.tracking = TRACK_ON | (w->flags & (TRACK_BCAST | TRACK_OPTIN | TRACK_OPTOUT | TRACK_NOLOOP));
	l->is.redirect = w->redirect;
}

/* ---- commands of a client that tracks ---- */

struct watcher *tracking_watcher(const struct session *s)
{
	struct session_listener *l = listener_of(s);
	if (l == NULL || !(s->cl.flags & CLIENT_F_TRACKING) || (l->is.tracking & TRACK_BCAST))
		return NULL;
	uint32_t t = l->is.tracking;
	bool said = t & TRACK_CACHING;
	if (((t & TRACK_OPTIN) && !said) || ((t & TRACK_OPTOUT) && said))
		return NULL;
	return l->watcher;
}

/* Not CLIENT itself, and not what stands between MULTI and the end of EXEC. */
static bool ends_caching(const struct session *s, const struct cmd *cmd)
{
	if (cmd->parent >= 0 && strcmp(cmd_at((uint32_t)cmd->parent)->name, "client") == 0)
		return false;
	return cmd->fn != cmd_multi && (!client_in_multi(&s->cl) || cmd->fn == cmd_discard);
}

struct watcher *tracking_begin(struct session *s, const struct cmd *cmd)
{
	struct watcher *w = tracking_watcher(s);
	if (ends_caching(s, cmd))
		listener_of(s)->is.tracking &= ~TRACK_CACHING;
	return w;
}

static void invalidate(struct session_host *h, struct session_listener *l, const struct slice *key, uint64_t by);

void tracking_end(struct session *s, struct watcher *w)
{
	struct session_listener *l = listener_of(s);
	/* Tracking may have ended meanwhile, and w with it. */
	if (l == NULL || l->watcher != w || rp_likely(!watcher_dirty(w)))
		return;
	__atomic_store_n(&w->dirty, 0, __ATOMIC_RELAXED);
	invalidate(s->host, l, NULL, 0);
}

void tracking_end_exec(struct session *s)
{
	struct session_listener *l = listener_of(s);
	if (l == NULL || l->watcher == NULL)
		return;
	l->is.tracking &= ~TRACK_CACHING;
	tracking_end(s, l->watcher);
}

/* ---- telling ---- */

/* The keys part of an invalidation: an array of one, or null for all. */
static void push_keys(struct session_listener *t, const struct slice *key)
{
	char head[64];
	if (key == NULL) {
		push_bytes(t, t->s->cl.proto == 3 ? SLICE("_\r\n") : SLICE("$-1\r\n"));
		return;
	}
	int n = snprintf(head, sizeof head, "*1\r\n$%zu\r\n", key->len);
	push_bytes(t, (struct slice){head, (size_t)n});
	push_bytes(t, *key);
	push_bytes(t, SLICE("\r\n"));
}

static void tell(struct session_listener *t, const struct slice *key, bool redirected)
{
	static const char as_push[] = ">2\r\n$10\r\ninvalidate\r\n";
	static const char as_message[] = "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n";
	struct session *s = t->s;
	if (s->cl.proto != 3 && !(redirected && (s->cl.flags & CLIENT_F_PUBSUB)))
		return; /* it could not tell it from a reply */
	bool behind = s->flight_head != NULL;
	if (behind)
		push_behind_begin(t);
	push_bytes(t, s->cl.proto == 3 ? SLICE(as_push) : SLICE(as_message));
	push_keys(t, key);
	if (behind)
		push_behind_end(t);
}

struct redirected {
	uint64_t to, from;
	bool all;
};

static struct session *open_session(const struct session_host *h, uint64_t id)
{
	struct session *s = session_by_id(h, id);
	return s != NULL && !s->closing ? s : NULL;
}

static void broken(struct session_host *h, const struct redirected *r)
{
	struct session *s = open_session(h, r->from);
	struct session_listener *l = s != NULL ? listener_of(s) : NULL;
	char text[64];
	if (l == NULL || l->is.redirect != r->to)
		return;
	l->is.tracking |= TRACK_BROKEN;
	if (s->cl.proto != 3)
		return;
	int n = snprintf(text, sizeof text, ">2\r\n$21\r\ntracking-redir-broken\r\n:%lu\r\n", r->to);
	push_bytes(l, (struct slice){text, (size_t)n});
}

static void redirect_here(struct session_host *h, const struct redirected *r, struct slice key)
{
	struct session *s = open_session(h, r->to);
	struct session_listener *t = s != NULL ? listener_get(s) : NULL;
	if (t != NULL) {
		tell(t, r->all ? NULL : &key, true);
		return;
	}
	uint32_t home = client_home(h, r->from);
	if (home == h->self)
		broken(h, r);
	else
		post_add(h->post, home, POST_BROKEN, 0, (struct slice){NULL, 0},
			 (struct slice){(const char *)r, sizeof *r}, NULL);
}

/* key: NULL for all. */
static void invalidate(struct session_host *h, struct session_listener *l, const struct slice *key, uint64_t by)
{
	struct session *s = l->s;
	if (s == NULL || s->closing || s->gone)
		return;
	if ((l->is.tracking & TRACK_NOLOOP) && by == s->cl.id)
		return;
	if (l->is.redirect == 0) {
		tell(l, key, false);
		return;
	}
	struct slice name = key != NULL ? *key : (struct slice){NULL, 0};
	struct redirected r = {.to = l->is.redirect, .from = s->cl.id, .all = key == NULL};
	uint32_t home = client_home(h, r.to);
	if (home == h->self)
		redirect_here(h, &r, name);
	else
		post_add(h->post, home, POST_REDIRECTED, 0, name, (struct slice){(const char *)&r, sizeof r}, NULL);
}

/* ---- from the post ---- */

static uint64_t number_in(struct slice data)
{
	uint64_t v = 0;
	memcpy(&v, data.ptr, sizeof v);
	return v;
}

void tracking_take_invalid(struct session_host *h, const struct post_entry *e)
{
	struct watcher *w = e->ref;
	struct slice key = post_name(e);
	if (watcher_live(w))
		invalidate(h, w->of, &key, number_in(post_data(e)));
	watcher_put(w);
}

void tracking_take_prefixed(struct session_host *h, const struct post_entry *e)
{
	struct slice key = post_name(e);
	const struct name_list *all = &h->pubsub->list[PUBSUB_PREFIX];
	for (uint32_t i = 0; i < all->n; i++) {
		const struct sub_name *nm = all->at[i];
		if (!slice_begins(key, elem_name(&nm->e)))
			continue;
		for (uint32_t k = 0; k < nm->n; k++)
			if (nm->seat[k].state == SUB_ACTIVE)
				invalidate(h, nm->seat[k].l, &key, number_in(post_data(e)));
	}
}

/* Who began after that has read nothing that it concerns. */
void tracking_take_flushed(struct session_host *h, const struct post_entry *e)
{
	uint64_t stamp = number_in(post_data(e));
	for (struct session_listener *l = h->pubsub->trackers; l != NULL; l = l->track_next)
		if (l->tracks_since < stamp)
			invalidate(h, l, NULL, 0);
}

static struct redirected redirected_in(const struct post_entry *e)
{
	struct redirected r;
	memcpy(&r, post_data(e).ptr, sizeof r);
	return r;
}

void tracking_take_redirected(struct session_host *h, const struct post_entry *e)
{
	struct redirected r = redirected_in(e);
	redirect_here(h, &r, post_name(e));
}

void tracking_take_broken(struct session_host *h, const struct post_entry *e)
{
	struct redirected r = redirected_in(e);
	broken(h, &r);
}
