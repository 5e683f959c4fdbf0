/* The commands of an append-only file, in memory from front to end. A length is believed only as far as bytes are
 * there, and nothing is allocated for it. */
#pragma once

#include "base/err.h"

#include "base/defs.h"

struct aof_scan {
	const char *data;
	size_t len, at;     /* at: what was not looked at yet */
	struct slice *argv; /* of the last command; grows with the arguments that were found */
	uint32_t argc, cap;
	size_t from; /* where it begins */
	bool framed; /* the head of a frame was passed (aof_frame.h) ... */
	size_t head; /* ... the last one here */
};

enum aof_scan_end {
	AOF_SCAN_COMMAND,
	AOF_SCAN_END, /* nothing follows the last command */
	AOF_SCAN_CUT, /* the last command is not complete; it begins at `from` */
	AOF_SCAN_BAD, /* no command: *e says what and where */
	AOF_SCAN_NOMEM
};

void aof_scan_init(struct aof_scan *s, const char *data, size_t len, size_t at);
void aof_scan_fini(struct aof_scan *s);
/* The next command; lines that begin with # are passed over. */
enum aof_scan_end aof_scan_next(struct aof_scan *s, struct err *e);
