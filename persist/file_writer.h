/* A file written from front to end beside everything else, that appears under its name whole or not at all.
 *
 *   w = file_writer_create(fs, &params, &e);       makes TEMP
 *   file_writer_put(w, data, len) ...              takes what there is room for
 *   file_writer_end(w);                            no more data
 *   file_writer_poll(w) until it is not FILE_WRITER_BUSY
 *
 * Two buffers or more take turns: one fills while the others are on their way to the disk. O_DIRECT keeps the page
 * cache out of it where the file system has it. At the end: fsync, rename TEMP -> PATH, fsync of the directory. After
 * any error the file is given up: TEMP is removed, PATH is as it was; a failed fsync is never tried again.
 *
 * Owner: the control thread, which calls file_sys_poll().
 */
#pragma once

#include "persist/file_sys.h"

enum file_writer_state {
	FILE_WRITER_BUSY,
	FILE_WRITER_DONE,
	FILE_WRITER_FAILED
};

struct file_writer;

struct file_writer_params {
	const char *path; /* where it is in the end; same directory as temp */
	const char *temp;
	size_t buffer_bytes; /* of each; a multiple of 4096 */
	uint32_t buffers;    /* 2 .. 16 */
	bool direct;         /* O_DIRECT if the file system has it */
	uint64_t rate_bytes; /* at most so many per second; 0: no bound */
};

/* NULL with *e: what failed and its mend. */
struct file_writer *file_writer_create(struct file_sys *f, const struct file_writer_params *p, struct err *e);
/* Gives up what is not done: waits for operations under way, removes TEMP. */
void file_writer_destroy(struct file_writer *w);
/* Bytes taken from the front of data; fewer than len: no buffer is free, or the rate is reached, for now. */
size_t file_writer_put(struct file_writer *w, const void *data, size_t len, uint64_t now_us);
void file_writer_end(struct file_writer *w);
/* Goes on with what can go on. */
enum file_writer_state file_writer_poll(struct file_writer *w, uint64_t now_us);
/* When the rate lets more through (mono us); 0: now. */
uint64_t file_writer_ready_at(const struct file_writer *w);
uint64_t file_writer_bytes(const struct file_writer *w);    /* taken so far */
uint64_t file_writer_flying(const struct file_writer *w);   /* of them on their way to the disk */
bool file_writer_direct(const struct file_writer *w);       /* is O_DIRECT in use? */
const char *file_writer_error(const struct file_writer *w); /* the sentence, when it failed */
