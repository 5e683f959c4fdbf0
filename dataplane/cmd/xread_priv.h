/* Between the files of XREAD and XREADGROUP. */
#pragma once

#include "cmd/handlers.h"
#include "cmd/stream_cmd.h"

struct xread_args {
	uint64_t count;   /* UINT64_MAX: all */
	uint32_t keys, n; /* first key, number of streams; each has its id n words behind */
	uint32_t group;   /* argument; 0: XREAD */
	bool for_group;   /* XREADGROUP */
	bool noack;
	bool block;
	int64_t timeout_ms;
};

enum xread_mode {
	READ_NOTHING, /* not within reach */
	READ_NEW,     /* above `after`, or what the group was not given yet */
	READ_HISTORY, /* what the consumer was given and has not acknowledged */
};

/* One of the streams. */
struct xread_one {
	struct slice key;
	struct store *st;
	struct stream *s;
	struct stream_group *g;
	struct stream_consumer *con;
	struct stream_id after;
	struct stream_pending *spare; /* made beforehand */
	enum xread_mode mode;
	bool made; /* the consumer is new */
};

/* Reads the words but for keys and ids; the error is written otherwise. */
bool xread_args(struct cmd_ctx *c, struct xread_args *a);
/* Has the stream entries above `after`, which becomes the group's last id if there is a group? */
bool xread_has_new(struct xread_one *one);
/* No stream has anything: waits, or says so. */
void xread_wait(struct cmd_ctx *c, const struct xread_args *a, const struct xread_one *ones);
