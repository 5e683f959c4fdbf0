/* Between watch.c and watch_notes.c. */
#pragma once

#include "store/ds/htab.h"
#include "store/store_priv.h"
#include "store/watch.h"

struct watch_key {
	struct watch_line {
		struct watch_link *head, *tail; /* in order of arrival */
	} line[WATCH_KINDS];
	uint32_t refs; /* links, those waiting as invalidations too, and whoever looks at it */
	uint32_t db;
	bool ready;    /* on the ready list */
	uint8_t wants; /* of all that have been linked to it */
	bool gone_too; /* one of those who wait wants to hear of its end, or did */
	struct watch_key *ready_next;
	struct watch_key *whole_next; /* of the keys that the touch of a whole database looks at */
	struct elem name;
};

struct watch_pair {
	const struct watch_key *key;
	const struct watcher *w;
};

struct watch_link {
	struct watch_link *next, *prev; /* of its key; next alone as an invalidation */
	struct watch_link *all_next, *all_prev;
	struct watch_key *key;
	struct watcher *w;
	bool invalid; /* taken out of its key's line */
	union {
		struct elem pair; /* of the table of pairs; its name: */
		struct {
			char head[sizeof(struct elem)];
			struct watch_pair name;
		} as;
	};
};

struct watch_table {
	uint64_t links;
	struct watch_key *ready_head, *ready_tail;
	struct watch_link *invalid_head, *invalid_tail;
	struct watch_link *all;    /* every link */
	struct watch_link *cursor; /* the sweep's next; NULL: no sweep is under way */
	uint64_t swept;            /* store.given_up when the last sweep began */
	int64_t swept_ms;
	struct htab pairs; /* links by key and watcher */
	struct htab db[];
};

/* Takes l out of its key's line; the key stays while it has a reference: l keeps its own. */
void watch_link_detach(struct store *s, struct watch_link *l);
void watch_key_put(struct store *s, struct watch_key *k);
/* Those who track k hear that it has changed. */
void watch_key_untrack(struct store *s, struct watch_key *k);
/* Tells the links of k. The caller has a reference to k. */
void watch_key_touch(struct store *s, struct watch_key *k);
