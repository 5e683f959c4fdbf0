/* Between the files of Pub/Sub. */
#pragma once

#include "session/pubsub.h"

#define IMAGE_BYTES (16u << 10) /* frames of consecutive messages that are written once for all their subscribers */

enum sub_state {
	SUB_PENDING, /* its confirmation waits at the barrier: messages follow behind it */
	SUB_ACTIVE,
	SUB_LEAVING, /* unsubscribed; messages are still for it until its owners have answered */
};

/* One client's subscription to one name. */
struct sub {
	struct sub_name *nm;
	struct session_listener *l;
	struct sub *next, **pprev; /* of the listener */
	uint32_t at;               /* its seat */
	uint32_t acks;             /* answers outstanding */
	bool confirmed;            /* was active once */
	uint64_t in, out; /* workers that have answered its beginning, and its end: between the two they count it
			     and their messages are for it */
	struct elem e;    /* named by its two ends */
};

struct sub_seat {
	struct session_listener *l;
	struct sub *sub;
	uint8_t state; /* enum sub_state */
};

/* A name that clients of this home are subscribed to. */
struct sub_name {
	struct sub_seat *seat;
	uint32_t n, cap;
	uint32_t at; /* pattern or prefix: its place in the list of all */
	uint8_t of;  /* enum pubsub_kind */
	struct elem e;
};

struct name_list {
	struct sub_name **at;
	uint32_t n, cap;
};

/* What MONITOR's clients will see, in the order of time. */
struct monitor_lines {
	struct monitor_line **at;
	uint32_t n, cap;
	uint64_t seen_tsc; /* of the newest at the last look: up to it nothing is missing */
	int64_t last_us;   /* shown last */
	uint32_t put_off;  /* iterations in a row that showed nothing, since not everything had been read */
};

struct image {
	uint32_t len;
	char text[IMAGE_BYTES];
};

struct pubsub {
	struct heap *heap;
	struct htab names[PUBSUB_TABLES]; /* of struct sub_name */
	struct htab subs;
	struct name_list list[PUBSUB_TABLES]; /* of patterns and of prefixes, which are tried one by one */
	struct session_listener *trackers;    /* CLIENT TRACKING ON */
	struct session_listener *monitors;    /* MONITOR */
	struct monitor_lines lines;
	struct session_listener *pushed;           /* with something to be sent at the end of the round */
	struct session_listener *soft, **soft_end; /* above the soft limit of their output, the longest first */
	struct session_listener *leaving;          /* of sessions that have ended */
	struct image image[2];                     /* RESP2, RESP3 */
};

/* A client hears of the changes of keys with a prefix, which every worker counts already. Returns its name; NULL: out
 * of memory. */
struct sub_name *prefix_join(struct session_host *h, struct session_listener *l, struct slice prefix);
/* tell: the workers are to count it no more. */
void prefix_leave(struct session_host *h, struct session_listener *l, struct slice prefix, bool tell_owners);
struct sub_name *sub_name_find(const struct pubsub *ps, enum pubsub_kind of, struct slice name);
