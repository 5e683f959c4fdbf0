/* The log file. One writer: the control thread, so the sink needs no lock. */
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static FILE *sink;           /* NULL: standard output */
static char where[PATH_MAX]; /* as the file was opened: the working directory may be another one since */
static enum log_level threshold = LOG_NOTICE;

int log_open(const char *path, enum log_level level)
{
	char full[PATH_MAX] = "";
	FILE *f = NULL;
	if (path && *path) {
		f = fopen(path, "ae");
		if (!f)
			return -errno;
		if (!realpath(path, full))
			full[0] = '\0';
	}
	log_close();
	sink = f;
	memcpy(where, full, sizeof(where));
	threshold = level;
	return 0;
}

int log_reopen(void)
{
	if (sink == NULL || where[0] == '\0')
		return 0;
	int ret = log_open(where, threshold);
	return ret < 0 ? ret : 1;
}

void log_close(void)
{
	if (sink)
		fclose(sink);
	sink = NULL;
}

void log_set_level(enum log_level level)
{
	threshold = level;
}

static void write_line(enum log_level level, int64_t wall_us, const char *text)
{
	static const char mark[] = {'.', '-', '*', '#'};
	FILE *f = sink ? sink : stdout;
	time_t sec = (time_t)(wall_us / 1000000);
	struct tm tm;
	char when[32];
	localtime_r(&sec, &tm);
	strftime(when, sizeof(when), "%d %b %Y %H:%M:%S", &tm);
	fprintf(f, "%d:C %s.%03d %c %s\n", (int)getpid(), when, (int)(wall_us / 1000 % 1000), mark[level], text);
}

void log_write(enum log_level level, const char *fmt, ...)
{
	if (level < threshold || level >= LOG_NOTHING)
		return;
	char text[1024];
	struct timespec ts;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	clock_gettime(CLOCK_REALTIME, &ts);
	write_line(level, (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000, text);
	fflush(sink ? sink : stdout);
}

void log_defer(struct log_ring *r, enum log_level level, int64_t wall_us, const char *fmt, uint32_t nargs,
	       const uint64_t *args)
{
	if (level < __atomic_load_n(&r->level, __ATOMIC_RELAXED) || level >= LOG_NOTHING)
		return;
	uint32_t head = r->head;
	if (head - __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE) >= LOG_RING_RECORDS) {
		__atomic_store_n(&r->dropped, r->dropped + 1, __ATOMIC_RELAXED);
		return;
	}
	struct log_record *rec = &r->rec[head % LOG_RING_RECORDS];
	rec->fmt = fmt;
	rec->wall_us = wall_us;
	rec->level = level;
	rec->nargs = RP_MIN(nargs, LOG_DEFER_ARGS);
	for (uint32_t i = 0; i < rec->nargs; i++)
		rec->arg[i] = args[i];
	__atomic_store_n(&r->head, head + 1, __ATOMIC_RELEASE);
}

/* The formats are literals of ours whose conversions all take 64 bits (log.h), so passing every slot is safe. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
static void write_record(const struct log_record *rec, unsigned who)
{
	char text[1024];
	const uint64_t *a = rec->arg;
	int n = snprintf(text, sizeof(text), "worker %u: ", who);
	snprintf(text + n, sizeof(text) - (size_t)n, rec->fmt, a[0], a[1], a[2], a[3], a[4], a[5]);
	write_line((enum log_level)rec->level, rec->wall_us, text);
}
#pragma GCC diagnostic pop

uint32_t log_drain(struct log_ring *r, unsigned who)
{
	uint32_t tail = r->tail, head = __atomic_load_n(&r->head, __ATOMIC_ACQUIRE), n = head - tail;
	for (; tail != head; tail++) {
		struct log_record *rec = &r->rec[tail % LOG_RING_RECORDS];
		for (uint32_t i = rec->nargs; i < LOG_DEFER_ARGS; i++)
			rec->arg[i] = 0;
		if (rec->level >= (uint32_t)threshold)
			write_record(rec, who);
	}
	__atomic_store_n(&r->tail, tail, __ATOMIC_RELEASE);
	if (n > 0)
		fflush(sink ? sink : stdout);
	return n;
}
