/* Pub/Sub as the handlers see it; session/pubsub.c does it. */
#pragma once

#include "cmd/cmd.h"

enum pubsub_kind {
	PUBSUB_CHANNEL,
	PUBSUB_PATTERN,
	PUBSUB_SHARD,                 /* SSUBSCRIBE's channels: names of their own */
	PUBSUB_KINDS,                 /* of what clients subscribe to */
	PUBSUB_PREFIX = PUBSUB_KINDS, /* of keys, whose changes are messages: CLIENT TRACKING BCAST */
	PUBSUB_TABLES
};

enum pubsub_done {
	PUBSUB_CHANGED,
	PUBSUB_AS_WAS, /* subscribed already, or not subscribed */
	PUBSUB_NOMEM,
};

/* What a thread with clients, or with channels, does for the handlers. All at home (the thread of the client), but for
 * `publish`: the thread that owns the channel. */
struct pubsub_ops {
	/* The client's replies from here on leave when every thread concerned knows of the change. */
	enum pubsub_done (*subscribe)(void *host, struct client *cl, enum pubsub_kind of, struct slice name);
	enum pubsub_done (*unsubscribe)(void *host, struct client *cl, enum pubsub_kind of, struct slice name);
	/* Any name of that kind that the client is subscribed to; it stays readable until the end of the iteration,
	 * also when it is unsubscribed meanwhile. false: none. */
	bool (*any)(void *host, const struct client *cl, enum pubsub_kind of, struct slice *name);
	/* Returns how many clients get the message; -1: out of memory. blob: the message as one, borrowed, or NULL. */
	int64_t (*publish)(void *host, enum pubsub_kind of, struct slice channel, struct slice message,
			   struct blob *blob);
	/* CLIENT TRACKING ends. */
	void (*track_off)(void *host, struct client *cl);
	/* MONITOR begins (false: out of memory) and ends. */
	bool (*monitor)(void *host, struct client *cl);
	void (*monitor_off)(void *host, struct client *cl);
};

/* Unsubscribes from everything without a word (RESET). */
void client_unsubscribe_all(const struct cmd_env *env, struct client *cl);
