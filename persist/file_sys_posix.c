/* The table's plain calls, shared by both kinds, and the kind that does operations at once. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "persist/file_sys_priv.h"

static inline int neg(int rc)
{
	return rc < 0 ? -errno : rc;
}

int posix_open(struct file_sys *f, const char *path, int flags, mode_t mode)
{
	return neg(open(path, flags, mode));
}

int posix_close(struct file_sys *f, int fd)
{
	return neg(close(fd));
}

ssize_t posix_read(struct file_sys *f, int fd, void *buf, size_t len, uint64_t off)
{
	ssize_t n = pread(fd, buf, len, (off_t)off);

	return n < 0 ? -errno : n;
}

int64_t posix_size(struct file_sys *f, int fd)
{
	struct stat st;

	return fstat(fd, &st) != 0 ? -errno : st.st_size;
}

int posix_truncate(struct file_sys *f, int fd, uint64_t len)
{
	return neg(ftruncate(fd, (off_t)len));
}

int posix_buffered(struct file_sys *f, int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 ? -errno : neg(fcntl(fd, F_SETFL, flags & ~O_DIRECT));
}

int posix_rename(struct file_sys *f, const char *from, const char *to)
{
	return neg(rename(from, to));
}

int posix_unlink(struct file_sys *f, const char *path)
{
	return neg(unlink(path));
}

int posix_mkdir(struct file_sys *f, const char *path, mode_t mode)
{
	return neg(mkdir(path, mode));
}

void posix_perform(struct file_op *op)
{
	ssize_t n;

	switch (op->kind) {
	case FILE_OP_WRITE:
		n = pwritev2(op->fd, &(struct iovec){(void *)op->data, op->len}, 1, (off_t)op->off,
			     op->dsync ? RWF_DSYNC : 0);
		op->result = n < 0 ? -errno : n;
		break;
	case FILE_OP_FSYNC:
		op->result = neg(fsync(op->fd));
		break;
	case FILE_OP_FDATASYNC:
		op->result = neg(fdatasync(op->fd));
		break;
	}
}

/* ---- the kind that waits ---- */

struct plain {
	struct file_sys base;
	uint32_t n;
	struct file_op *ended[FILE_OPS_MAX];
};

static int plain_submit(struct file_sys *f, struct file_op *op)
{
	struct plain *p = (struct plain *)f;

	if (p->n + 1 + (op->then != NULL) > FILE_OPS_MAX)
		return -EAGAIN;
	posix_perform(op);
	p->ended[p->n++] = op;
	if (op->then == NULL)
		return 0;
	if (op->result == (op->kind == FILE_OP_WRITE ? (int64_t)op->len : 0))
		posix_perform(op->then);
	else
		op->then->result = -ECANCELED;
	p->ended[p->n++] = op->then;
	return 0;
}

static uint32_t plain_reap(struct file_sys *f, struct file_op **done, uint32_t n, bool wait)
{
	struct plain *p = (struct plain *)f;
	uint32_t k = RP_MIN(n, p->n);

	memcpy(done, p->ended, k * sizeof *done);
	memmove(p->ended, p->ended + k, (p->n - k) * sizeof *done);
	p->n -= k;
	return k;
}

static int plain_event_fd(struct file_sys *f)
{
	return -1;
}

static void plain_destroy(struct file_sys *f)
{
	free(f);
}

struct file_sys *file_sys_plain(struct err *e)
{
	static const struct file_sys_ops ops = {FILE_SYS_POSIX, .submit = plain_submit, .reap = plain_reap,
						.event_fd = plain_event_fd, .destroy = plain_destroy};
	struct plain *p = calloc(1, sizeof *p);

	if (p == NULL) {
		err_set(e, "out of memory for files");
		return NULL;
	}
	p->base.ops = &ops;
	p->base.write_max = SIZE_MAX;
	return &p->base;
}
