/* Client-side caching (CLIENT TRACKING).
 *
 * Default mode: a reading command joins its keys to the client's watcher (WATCH_TRACK); the first change takes the link
 * out, and whoever serves the shard posts it to the client's home. BCAST: a prefix is known to every worker, like a
 * pattern of Pub/Sub; each change of a key then is a message to those prefixes.
 *
 * An invalidation never overtakes a reply: a client that got the old value last would keep it. So it goes behind the
 * requests in flight, and a home handles answers before the posts that were sent after them.
 */
#pragma once

#include "cmd/tracking.h"
#include "session/pubsub.h"

struct watcher;

/* What CLIENT TRACKING asks for. */
struct tracking_wish {
	uint64_t client_id;
	bool on;
	uint32_t flags;    /* TRACK_* */
	uint64_t redirect; /* 0: none */
	const struct slice *prefix;
	uint32_t nprefixes;
	bool whole;      /* tracking_check(): it wants the empty prefix, and has it not yet */
	char error[256]; /* empty: it can be done, or is */
};

/* The endpoint that a client lives at, by its number. */
static inline uint32_t client_home(const struct session_host *h, uint64_t id)
{
	return (uint32_t)((id - 1) % (h->env.nstores + 1));
}
/* Home: may it be done? Sets w->error. */
void tracking_check(struct session_host *h, struct tracking_wish *w);
/* Home: does it. Every worker counts the prefixes already. Sets w->error if the client is gone or memory is short. */
void tracking_set(struct session_host *h, struct tracking_wish *w);
/* Home: tracking ends, for whatever reason. */
void tracking_off(struct session_listener *l);

/* Home: the watcher that the client's next command should join its keys to, NULL: none. */
struct watcher *tracking_watcher(const struct session *s);
/* The same; then forgets CLIENT CACHING, which is said for one command or one whole transaction. The client tracks. */
struct watcher *tracking_begin(struct session *s, const struct cmd *cmd);
/* Home: the command is answered. */
void tracking_end(struct session *s, struct watcher *w);
/* Home: so is EXEC, with whatever was said and read inside. */
void tracking_end_exec(struct session *s);

/* Holder of the shards: posts what their changes made invalid. by: the client that changed it, 0: none. */
void tracking_serve(struct session_host *h, uint64_t shards, uint64_t by);
/* A key of a shard has changed, or databases were flushed (stamp: when): noted for BCAST. */
void tracking_touched(struct session_host *h, uint32_t shard, struct slice key, uint64_t by);
void tracking_flushed(struct session_host *h, uint64_t stamp);

/* ---- from the post ---- */
void tracking_take_invalid(struct session_host *h, const struct post_entry *e);
void tracking_take_touched(struct session_host *h, const struct post_entry *e);
void tracking_take_prefixed(struct session_host *h, const struct post_entry *e);
void tracking_take_flushed(struct session_host *h, const struct post_entry *e);
void tracking_take_redirected(struct session_host *h, const struct post_entry *e);
void tracking_take_broken(struct session_host *h, const struct post_entry *e);
