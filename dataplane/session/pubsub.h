/* Pub/Sub. A channel belongs to the worker of its name's slot (those of keyspace events: to the first one), which
 * counts its subscribers per home; every worker counts those of each pattern. Homes know which of their clients listen
 * to what.
 *
 *   home      SUBSCRIBE  --- POST_SUBSCRIBE --->  owner: count[home]++
 *             reply      <-- POST_ACK -----------
 *   any       PUBLISH    --- MSG_CMD_FREE ----->  owner: answers with the sum of the counts
 *   homes                <-- POST_DELIVER ------         one entry for each home with a subscriber
 *             every subscriber's buffer
 *
 * What an owner posts arrives in order, so a message that it handled before a subscription is not seen by it and one
 * that it handled afterwards is, whatever the threads do; the same for the end of a subscription. Until every owner
 * concerned has answered, the client's replies wait behind its `barrier`, a request in flight that is never sent.
 */
#pragma once

#include "cmd/pubsub.h"
#include "session/post.h"
#include "session/session.h"
#include "store/ds/htab.h"

/* A client that hears more than replies to its requests. Its home's; lives as long as the session, and a little longer
 * while its subscriptions are taken back. */
struct session_listener {
	struct client_listens is;        /* what its handlers see; session->cl.listens */
	struct session *s;               /* NULL: gone */
	struct sub *subs[PUBSUB_TABLES]; /* by kind, newest first */
	struct sub *left;                /* given up, and not forgotten by all owners yet */
	uint32_t acks;                   /* answers that its barrier waits for */
	uint32_t pending[PUBSUB_TABLES]; /* subscriptions whose confirmation waits at the barrier */
	struct msg barrier;
	bool standing; /* the barrier is among the requests in flight */
	/* tracking.c */
	struct watcher *watcher; /* joined to the keys that it has read; NULL: it does not track */
	uint64_t tracks_since;   /* time-stamp counter */
	struct session_listener *track_next, **track_pprev;
	struct session_listener *monitor_next, **monitor_pprev; /* monitor.c */
	/* push.c */
	bool pushing; /* on the list of those with something in `out` */
	bool behind;  /* between push_behind_begin() and _end() */
	struct session_listener *push_next;
	struct reply out;
	uint32_t room;      /* bytes that may still be put into buffers in this round */
	struct blob *spill; /* bytes that wait for a client that reads too slowly: last part of its output queue */
	/* output limit */
	int64_t soft_since_us; /* above the soft limit since then; 0: not */
	struct session_listener *soft_next, **soft_pprev;
	struct session_listener *leaving_next;
};

struct pubsub;

/* NULL: out of memory. Control thread. */
struct pubsub *pubsub_create(struct session_host *h);
void pubsub_destroy(struct session_host *h);
extern const struct pubsub_ops pubsub_ops;

/* The session's listener, made if need be. NULL: out of memory. */
struct session_listener *listener_get(struct session *s);
static inline struct session_listener *listener_of(const struct session *s)
{
	return (struct session_listener *)s->cl.listens;
}
/* Subscriptions whose confirmation leaves now are in force: from here on messages need not follow behind it. */
void barrier_pass(struct session_listener *l);
/* The session ends: what it listened to is given back by pubsub_poll(). */
void listener_leave(struct session_listener *l);
/* A bounded slice of giving back. Returns how much it did. */
uint32_t pubsub_poll(struct session_host *h);
bool pubsub_quiet(const struct pubsub *ps);

/* Publishes from any host, wherever the channel's owner is; nobody hears how many get it. */
void pubsub_publish(struct session_host *h, enum pubsub_kind of, struct slice channel, struct slice message);

/* Publishes the keyspace events that these shards, all held, have noted. by: the client whose command it was, 0:
 * nobody's. (events.c) */
void host_publish_events(struct session_host *h, uint64_t shards, uint64_t by);
/* The same, and to those who cache its keys: all that others are told of a change. */
void host_tell(struct session_host *h, uint64_t shards, uint64_t by);

/* ---- from the post ---- */
void pubsub_take_change(struct session_host *h, uint32_t from, struct post_entry *e);
void pubsub_take_ack(struct session_host *h, uint32_t from, const struct post_entry *e);
/* Delivers e and what can be delivered together with it; returns the entry to go on with, NULL at the end. */
struct post_entry *pubsub_take_messages(struct session_host *h, uint32_t from, const struct post_entry *e,
					const void *end);

/* ---- owner (pubsub_owner.c) ---- */
struct pubsub_owner;
struct pubsub_owner *pubsub_owner_create(uint32_t homes, struct heap *heap);
void pubsub_owner_destroy(struct pubsub_owner *o);
/* false: out of memory. */
bool pubsub_owner_change(struct pubsub_owner *o, uint32_t home, enum pubsub_kind of, struct slice name, int delta);
/* The same for a prefix of keys, whose changes our shard notes while there is any. Worker. */
bool pubsub_prefix_change(struct session_host *h, uint32_t home, struct slice prefix, int delta);
/* How many names of that kind have subscribers. Any thread. */
uint64_t pubsub_owner_names(const struct pubsub_owner *o, enum pubsub_kind of);
/* Subscribers of one name. Owner. */
uint64_t pubsub_owner_subscribers(struct pubsub_owner *o, enum pubsub_kind of, struct slice name);
/* Visits names as htab_scan() does, a few at a time. Owner. */
typedef void (*pubsub_visit_fn)(void *ctx, struct slice name);
uint64_t pubsub_owner_scan(struct pubsub_owner *o, enum pubsub_kind of, uint64_t cursor, pubsub_visit_fn fn, void *ctx);
/* Posts the message to every home that has subscribers; returns how many there are, -1: out of memory. */
int64_t pubsub_owner_publish(struct session_host *h, enum pubsub_kind of, struct slice channel, struct slice message,
			     struct blob *blob);

/* ---- push.c: bytes that leave between replies ---- */
/* Appends to what goes to the client in this round. */
void push_bytes(struct session_listener *l, struct slice bytes);
/* The same for a whole blob, by reference if it is large. */
void push_blob(struct session_listener *l, struct blob *b);
/* What is pushed between these two goes behind the replies that wait for requests in flight. */
void push_behind_begin(struct session_listener *l);
void push_behind_end(struct session_listener *l);
/* What was pushed so far goes in front of whatever the session says next. */
void push_settle(struct session_listener *l);
/* Ends the round: hands everything to the sessions' output. */
void push_flush(struct session_host *h);
/* Frees what is left of a listener's output. */
void push_fini(struct session_listener *l);
