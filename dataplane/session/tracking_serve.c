/* Client-side caching at the shards: who must be told of what has changed. */
#include "session/session_priv.h"
#include "session/tracking.h"
#include "store/watch.h"

static void post_invalid(struct session_host *h, struct watcher *w, struct slice key, uint64_t by)
{
	struct post_entry *e = post_add(h->post, w->home, POST_INVALID, 0, key,
					(struct slice){(const char *)&by, sizeof by}, NULL);
	if (e == NULL) {
		__atomic_store_n(&w->dirty, 1, __ATOMIC_RELEASE); /* its home makes it forget everything */
		return;
	}
	watcher_ref(w);
	e->ref = w;
}

static void serve_shard(struct session_host *h, struct store *s, uint64_t by)
{
	struct watch_link *l;
	while ((l = watch_pop_invalid(s)) != NULL) {
		struct watcher *w = watch_link_watcher(l);
		if (watcher_live(w))
			post_invalid(h, w, watch_key_name(watch_link_key(l)), by);
		watch_unlink(s, l);
	}
}

void tracking_serve(struct session_host *h, uint64_t shards, uint64_t by)
{
	for (uint64_t rest = shards; rest != 0; rest &= rest - 1) {
		struct store *s = h->env.stores[__builtin_ctzll(rest)];
		if (rp_unlikely(store_notes_pending(s) & STORE_NOTE_INVALID))
			serve_shard(h, s, by);
	}
}

void tracking_touched(struct session_host *h, uint32_t shard, struct slice key, uint64_t by)
{
	struct slice data = {(const char *)&by, sizeof by};
	if (h->own >= 0)
		pubsub_owner_publish(h, PUBSUB_PREFIX, key, data, NULL);
	else /* only workers know the prefixes */
		post_add(h->post, shard, POST_TOUCHED, 0, key, data, NULL);
}

void tracking_take_touched(struct session_host *h, const struct post_entry *e)
{
	pubsub_owner_publish(h, PUBSUB_PREFIX, post_name(e), post_data(e), NULL);
}

void tracking_flushed(struct session_host *h, uint64_t stamp)
{
	struct slice none = {NULL, 0}, at = {(const char *)&stamp, sizeof stamp};
	for (uint32_t home = 0; home <= msg_bus_control(h->bus); home++)
		post_add(h->post, home, POST_FLUSHED, 0, none, at, NULL);
}
