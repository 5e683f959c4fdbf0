/* Logging. Control-plane code writes lines directly (log_write). Worker code never formats: log_defer() puts
 * a fixed record into the worker's own ring, and the control thread formats it (log_drain). */
#pragma once

#include "base/defs.h"

enum log_level {
	LOG_DEBUG,
	LOG_VERBOSE,
	LOG_NOTICE,
	LOG_WARNING,
	LOG_NOTHING
};

#define LOG_DEFER_ARGS   6
#define LOG_RING_RECORDS 1024

struct log_record {
	const char *
		fmt; /* a string literal; every conversion in it takes a 64-bit integer (%lu %ld %lx) or a literal %s */
	int64_t wall_us;
	uint64_t arg[LOG_DEFER_ARGS];
	uint32_t level;
	uint32_t nargs;
};

/* SPSC: head is written by the worker, tail by the control thread. */
struct log_ring {
	uint32_t head RP_CACHE_ALIGNED; /* worker writes (release), control reads */
	uint32_t level;                 /* control writes (relaxed), worker reads */
	uint64_t dropped;               /* worker writes */
	uint32_t tail RP_CACHE_ALIGNED; /* control writes (release), worker reads */
	struct log_record rec[LOG_RING_RECORDS];
};

/* Opens `path` for appending ("" or NULL: standard output). Control thread. Returns 0 or -errno. */
int log_open(const char *path, enum log_level level);
/* The same path anew, after somebody has moved the file away. Returns 1, 0 if there is no file, or -errno, and then
 * goes on in the old one. */
int log_reopen(void);
void log_close(void);
void log_set_level(enum log_level level);
/* One line, in Redis's format: "pid:C dd Mon yyyy hh:mm:ss.mmm # text". Control thread only. */
void log_write(enum log_level level, const char *fmt, ...) RP_PRINTF(2, 3);

/* Worker side: never blocks, never allocates; a full ring drops and counts. */
void log_defer(struct log_ring *r, enum log_level level, int64_t wall_us, const char *fmt, uint32_t nargs,
	       const uint64_t *args);
/* Control side: writes what is there. Returns how many lines. `who` names the worker. */
uint32_t log_drain(struct log_ring *r, unsigned who);
