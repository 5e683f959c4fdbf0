/* The system calls that persistence makes on files, behind one table, so that tests can make each of them fail, and can
 * lose power.
 *
 * Calls that wait for the disk (writes, syncs) are operations: file_sys_start() begins one, file_sys_poll() calls
 * done() of those that have ended, in any order; the descriptor of file_sys_event_fd() becomes readable when one ends.
 * Nobody reads it: who waits for it asks epoll for edges (EPOLLET). With io_uring they run beside the caller; where the
 * kernel refuses io_uring, they are done at once (file_sys_plain).
 *
 * Owner: the control thread. Results are 0 (or a count, a descriptor) or negative errno.
 */
#pragma once

#include <sys/types.h>

#include "base/defs.h"
#include "base/err.h"

enum file_op_kind {
	FILE_OP_WRITE, /* may end short */
	FILE_OP_FSYNC,
	FILE_OP_FDATASYNC
};

/* One operation under way. It and its data are the caller's, untouched until done() is called. */
struct file_op {
	enum file_op_kind kind;
	int fd;
	const void *data;
	size_t len;
	uint64_t off;
	bool dsync; /* a write: it ends when FILE_OP_FDATASYNC of what it wrote would have */
	/* NULL, or begun when all of this one is done; else it ends with -ECANCELED. A write that something follows is
	 * no longer than write_max of the file system. */
	struct file_op *then;
	int64_t result;                   /* bytes written, 0, or -errno */
	bool ended;                       /* set before done() is called */
	void (*done)(struct file_op *op); /* may be NULL */
	void *of;                         /* the caller's */
};

struct file_sys;

struct file_sys_ops {
	int (*open)(struct file_sys *f, const char *path, int flags, mode_t mode);
	int (*close)(struct file_sys *f, int fd);
	ssize_t (*read)(struct file_sys *f, int fd, void *buf, size_t len, uint64_t off);
	int64_t (*size)(struct file_sys *f, int fd);
	int (*truncate)(struct file_sys *f, int fd, uint64_t len);
	/* O_DIRECT off for a descriptor that was opened with it. */
	int (*buffered)(struct file_sys *f, int fd);
	int (*rename)(struct file_sys *f, const char *from, const char *to);
	int (*unlink)(struct file_sys *f, const char *path);
	int (*mkdir)(struct file_sys *f, const char *path, mode_t mode);
	/* op and what is to follow it. -EAGAIN: too many are under way. */
	int (*submit)(struct file_sys *f, struct file_op *op);
	/* Those that have ended, result filled in. wait: for one at least, if one is under way. */
	uint32_t (*reap)(struct file_sys *f, struct file_op **done, uint32_t n, bool wait);
	int (*event_fd)(struct file_sys *f); /* -1: operations end within submit() */
	void (*destroy)(struct file_sys *f);
};

/* First member of what implements it. */
struct file_sys {
	const struct file_sys_ops *ops;
	size_t write_max; /* what one write takes at once; a longer one ends short */
};

#define FILE_OPS_MAX 64 /* operations under way at once */

/* io_uring; plain calls if the kernel has none for us, with a line in the log. NULL: out of memory. */
struct file_sys *file_sys_create(struct err *e);
struct file_sys *file_sys_plain(struct err *e);
static inline void file_sys_destroy(struct file_sys *f)
{
	if (f != NULL)
		f->ops->destroy(f);
}

static inline int file_sys_event_fd(struct file_sys *f)
{
	return f->ops->event_fd(f);
}
/* Begins op, and with it op->then, which may have none behind it. 0, or -EAGAIN: try again after file_sys_poll(). */
int file_sys_start(struct file_sys *f, struct file_op *op);
/* Calls done() of operations that have ended. Returns how many. */
uint32_t file_sys_poll(struct file_sys *f);
/* As above, but waits for one at least, if one is under way. */
uint32_t file_sys_wait(struct file_sys *f);
/* The rest waits, too, and is for the moments when the control thread may: boot, shutdown, small files. done() of other
 * operations is called meanwhile. */
/* Begins op and waits for its end; returns its result. */
int64_t file_sys_run(struct file_sys *f, struct file_op *op);
/* Writes all of it at `off`. 0 or -errno. */
int file_sys_write_all(struct file_sys *f, int fd, const void *data, size_t len, uint64_t off);
int file_sys_fsync(struct file_sys *f, int fd);
/* Makes creations, renames and removals in the directory of `path` last. 0 or -errno. */
int file_sys_sync_dir(struct file_sys *f, const char *path);
/* A small file's new contents, put in its place at once or not at all: TEMP, sync, rename, sync of the directory. 0, or
 * with *e: -1, the old contents are there; FILE_NOT_SYNCED, the new ones are, but after a loss of power it may be
 * either. */
#define FILE_NOT_SYNCED 1
int file_sys_replace(struct file_sys *f, const char *path, const char *temp, const void *data, size_t len,
		     struct err *e);
/* Directory part of a path ("." if it has none) into buf. Returns buf. */
const char *file_sys_dir(const char *path, char *buf, size_t cap);
/* "cannot WHAT PATH: reason; mend". Returns -1. */
int file_err(struct err *e, const char *what, const char *path, int64_t negative_errno);
