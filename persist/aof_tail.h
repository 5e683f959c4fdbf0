/* Where the stream of the last file ends, if the file was filled ahead of it (aof_ahead.h).
 *
 * Power loss may have left the last write in parts: of its sectors, any. Nobody was told that it is kept, and it is cut
 * off. One write at a time is under way, so all others are whole; where one of those is not, it is damage.
 *
 * A file that does not end with fill ends where its commands do. Its frames are not looked at: redis-check-aof may have
 * cut one short, and others may have followed it since.
 *
 * Order of calls: init, step until it says false, find, fini. Owner: one thread.
 */
#pragma once

#include "persist/aof_scan.h"

enum aof_tail_end {
	AOF_TAIL_PLAIN, /* there is no fill */
	AOF_TAIL_WHOLE, /* the stream ends at *end */
	AOF_TAIL_TORN,  /* likewise; a write that came to no end is behind it */
	/* Damage at *end; *e says what. redis-check-aof finds that of a command, not that of a frame. */
	AOF_TAIL_BAD_COMMAND,
	AOF_TAIL_BAD_FRAME
};

struct aof_tail {
	struct aof_scan scan;
	size_t fill;     /* nothing but fill from here on */
	size_t commands; /* where the last command ends */
	size_t gap;      /* behind a frame, where another should have followed; SIZE_MAX: there is none */
	bool filled;
	enum aof_scan_end last; /* of the scan */
	struct err bad;
};

/* Commands begin at `from`. */
void aof_tail_init(struct aof_tail *t, const char *data, size_t len, size_t from);
void aof_tail_fini(struct aof_tail *t);
/* Passes over one more command. false: there is no more to be seen. */
bool aof_tail_step(struct aof_tail *t);
enum aof_tail_end aof_tail_find(struct aof_tail *t, size_t *end, struct err *e);
