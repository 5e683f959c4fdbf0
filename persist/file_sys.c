/* Calls that file_sys.h offers on top of its table, and errors as sentences. */
#include "persist/file_sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#define REAP_MAX 32

int file_sys_start(struct file_sys *f, struct file_op *op)
{
	op->ended = false;
	op->result = 0;
	if (op->then != NULL) {
		rp_assert(op->kind != FILE_OP_WRITE || op->len <= f->write_max);
		op->then->ended = false;
		op->then->result = 0;
	}
	return f->ops->submit(f, op);
}

static uint32_t poll_ended(struct file_sys *f, bool wait)
{
	struct file_op *done[REAP_MAX];
	uint32_t n = f->ops->reap(f, done, REAP_MAX, wait);

	for (uint32_t i = 0; i < n; i++)
		done[i]->ended = true;
	for (uint32_t i = 0; i < n; i++)
		if (done[i]->done != NULL)
			done[i]->done(done[i]);
	return n;
}

uint32_t file_sys_poll(struct file_sys *f)
{
	return poll_ended(f, false);
}

uint32_t file_sys_wait(struct file_sys *f)
{
	return poll_ended(f, true);
}

int64_t file_sys_run(struct file_sys *f, struct file_op *op)
{
	int rc;

	while ((rc = file_sys_start(f, op)) == -EAGAIN)
		poll_ended(f, true);
	if (rc != 0)
		return rc;
	while (!op->ended)
		poll_ended(f, true);
	return op->result;
}

int file_sys_write_all(struct file_sys *f, int fd, const void *data, size_t len, uint64_t off)
{
	const char *p = data;

	while (len > 0) {
		struct file_op op = {.kind = FILE_OP_WRITE, .fd = fd, .data = p, .len = len, .off = off};
		int64_t n = file_sys_run(f, &op);
		if (n == -EINTR || n == -EAGAIN)
			continue;
		if (n <= 0)
			return n == 0 ? -EIO : (int)n;
		p += n;
		len -= (size_t)n;
		off += (uint64_t)n;
	}
	return 0;
}

int file_sys_fsync(struct file_sys *f, int fd)
{
	struct file_op op = {.kind = FILE_OP_FSYNC, .fd = fd};

	return (int)file_sys_run(f, &op);
}

const char *file_sys_dir(const char *path, char *buf, size_t cap)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		snprintf(buf, cap, ".");
	else
		snprintf(buf, cap, "%.*s", slash == path ? 1 : (int)(slash - path), path);
	return buf;
}

int file_sys_sync_dir(struct file_sys *f, const char *path)
{
	char dir[4096];
	int fd = f->ops->open(f, file_sys_dir(path, dir, sizeof dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);

	if (fd < 0)
		return fd;
	int rc = file_sys_fsync(f, fd);
	f->ops->close(f, fd);
	return rc;
}

static int write_temp(struct file_sys *f, const char *temp, const void *data, size_t len)
{
	int fd = f->ops->open(f, temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		return fd;
	int rc = file_sys_write_all(f, fd, data, len, 0);
	if (rc == 0)
		rc = file_sys_fsync(f, fd);
	int closed = f->ops->close(f, fd);
	return rc != 0 ? rc : closed;
}

int file_sys_replace(struct file_sys *f, const char *path, const char *temp, const void *data, size_t len,
		     struct err *e)
{
	int rc = write_temp(f, temp, data, len);

	if (rc == 0)
		rc = f->ops->rename(f, temp, path);
	if (rc != 0) {
		f->ops->unlink(f, temp);
		return file_err(e, "write", path, rc);
	}
	rc = file_sys_sync_dir(f, path);
	if (rc == 0)
		return 0;
	file_err(e, "sync the directory of", path, rc);
	return FILE_NOT_SYNCED;
}

static const char *mend_of(int errnum)
{
	switch (errnum) {
	case ENOSPC:
	case EDQUOT:
		return "free space there, or set dir to a place that has some";
	case EFBIG:
		return "raise the limit of the size of files";
	case EIO:
		return "the disk fails; see the kernel's log, and set dir to another disk";
	case EACCES:
	case EPERM:
		return "give this user the right to write there, or set dir to a place where it has it";
	case EROFS:
		return "the file system is mounted read-only; remount it, or set dir to another";
	case ENOENT:
	case ENOTDIR:
		return "create the directory, or set dir to one that exists";
	case EMFILE:
	case ENFILE:
		return "raise the limit of open files";
	case ENOMEM:
		return "free memory";
	default:
		return "see the kernel's log, or set dir to another place";
	}
}

int file_err(struct err *e, const char *what, const char *path, int64_t negative_errno)
{
	int n = (int)-negative_errno;

	return err_set(e, "cannot %s %s: %s; %s", what, path, strerror(n), mend_of(n));
}
