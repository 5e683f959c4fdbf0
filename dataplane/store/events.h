/* Keyspace events that wait to be published: in the order in which they happened, in memory of the shard.
 *
 * store_event() notes those of the classes that are wanted; the holder of the shard takes them out after each command
 * or transaction, or else its owner when the shard is back (STORE_NOTE_EVENTS). Stamps put the events of several shards
 * that one thread held together into one order.
 */
#pragma once

#include "store/store.h"

#define EVENT_TO_KEYSPACE (1u << 0) /* K */
#define EVENT_TO_KEYEVENT (1u << 1) /* E */

/* Notes that are no events to be published: names by their address. */
extern const char events_touched[]; /* the key changes: noted while store_set_touches() says so */
extern const char events_flushed[]; /* databases were emptied; noted by shard 0 alone, since a flush concerns all */

struct store_event_note {
	uint64_t stamp;   /* time-stamp counter */
	const char *name; /* lasts for ever */
	uint32_t db;
	uint32_t bytes; /* of the note */
	size_t key_len;
	char key[];
};

/* The classes of which notes are made: notify-keyspace-events. The shard's worker; whoever holds the shard heeds it. */
void store_set_events(struct store *s, uint32_t classes);
/* Does anybody want to hear of every change of a key? The shard's worker. */
void store_set_touches(struct store *s, bool on);
void events_touch(struct store *s, uint32_t db, struct slice key);
void events_flush(struct store *s);
/* Holder: the oldest note, NULL if there is none, and the end of it. */
const struct store_event_note *events_first(const struct store *s);
void events_pop(struct store *s);
void events_fini(struct store *s);
