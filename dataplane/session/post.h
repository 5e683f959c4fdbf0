/* Post: small entries from one thread's host to another's. They are gathered in parcels during an iteration and leave
 * at its end, one message per parcel; from one host to another they arrive in the order in which they were added. A
 * host posts to itself like to others: it reads that at the end of the same iteration.
 *
 * Everything that goes around between hosts without belonging to a request travels so: subscriptions, published
 * messages, keyspace events, invalidations, what MONITOR shows.
 */
#pragma once

#include "cmd/cmd.h"

struct session_host;

enum post_kind {
	POST_SUBSCRIBE,   /* to a channel's owner: one client more; ref comes back with POST_ACK unless NULL */
	POST_UNSUBSCRIBE, /* one less */
	POST_ACK,         /* from it: done; value 0: there was no memory */
	POST_PUBLISH,     /* to it: a message to be published */
	POST_DELIVER,     /* from it: a message for the home's clients */
	POST_INVALID,     /* to a tracking client's home: a key has changed; ref: its watcher, with a reference */
	POST_TOUCHED,     /* to a worker: a key has changed, as those who track prefixes want to hear */
	POST_FLUSHED,     /* to every home: databases were emptied; data: the time-stamp counter */
	POST_REDIRECTED,  /* to the home of who hears for somebody else: an invalid key */
	POST_BROKEN,      /* back: it is there no more */
	POST_MONITOR,     /* to a monitor's home: a command; data: the time-stamp counter */
};

/* One entry. Strings stand behind it, the name first. */
struct post_entry {
	uint32_t bytes; /* with its strings, a multiple of 8 */
	uint8_t kind;   /* enum post_kind */
	uint8_t of;     /* enum pubsub_kind */
	uint16_t value;
	uint32_t name_len, data_len;
	void *ref;
	struct blob *blob; /* instead of data in place: one reference, which the receiver takes over; NULL: none */
	char text[];
};

static inline struct slice post_name(const struct post_entry *e)
{
	return (struct slice){e->text, e->name_len};
}

static inline struct slice post_data(const struct post_entry *e)
{
	return e->blob != NULL ? (struct slice){e->blob->data, e->blob->len}
			       : (struct slice){e->text + e->name_len, e->data_len};
}

/* The next entry of the parcel, NULL after the last. */
struct post_entry *post_next(const struct post_entry *e, const void *end);

struct post;

/* NULL: out of memory. endpoints: all of the bus; heap: the host's own. Control thread. */
struct post *post_create(uint32_t endpoints, struct heap *heap);
/* Drops what was not sent. Owner of the heap. */
void post_destroy(struct post *p);

/* Makes room for an entry with strings of so many bytes, so that the next post_add() to that endpoint with no more than
 * them succeeds. false: out of memory. */
bool post_reserve(struct post *p, uint32_t to, size_t text_bytes);
/* Adds an entry and returns it with kind, of, lengths and strings filled in, everything else 0; NULL: out of memory. A
 * blob is referenced, not copied: `data` is then ignored. */
struct post_entry *post_add(struct post *p, uint32_t to, enum post_kind kind, uint8_t of, struct slice name,
			    struct slice data, struct blob *blob);

/* Answers an entry that arrived from `to` with POST_ACK, whose ref is the entry's and whose value is ok. Without memory
 * the answer travels in the entry's own parcel, on its way back. */
void post_ack(struct post *p, uint32_t to, struct post_entry *e, bool ok);

/* At the end of an iteration: reads what was posted to ourselves and sends the rest. What finds no message free stays
 * for the next time. Returns how many parcels went. */
uint32_t post_flush(struct session_host *h);
/* How many parcels wait. */
uint32_t post_waiting(const struct post *p);
/* Nothing waits to be sent. */
bool post_quiet(const struct post *p);
