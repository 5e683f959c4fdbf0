#include "persist/aof_ahead.h"

#include <errno.h>
#include <stdlib.h>

#include "persist/aof_frame.h"

#define WRITE_BYTES (128u << 10) /* at a time */

/* One '#' for a stream that ends where a line does, then what fill has from its beginning on. */
int aof_ahead_init(struct aof_ahead *a, struct file_sys *f, aof_ahead_ended_fn ended, void *ctx)
{
	*a = (struct aof_ahead){.f = f, .ended = ended, .ctx = ctx, .lines = malloc(1 + AOF_FILL_LINE + WRITE_BYTES)};
	if (a->lines == NULL)
		return -ENOMEM;
	a->lines[0] = '#';
	for (uint32_t i = 0; i < AOF_FILL_LINE + WRITE_BYTES; i++)
		a->lines[1 + i] = aof_fill_byte(i);
	return 0;
}

void aof_ahead_fini(struct aof_ahead *a)
{
	free(a->lines);
	a->lines = NULL;
}

void aof_ahead_new_file(struct aof_ahead *a)
{
	a->synced = a->end = 0;
}

bool aof_ahead_covers(const struct aof_ahead *a, uint64_t end)
{
	return end + AOF_FILL_LINE < a->synced;
}

bool aof_ahead_any(const struct aof_ahead *a)
{
	return a->busy || a->end != 0;
}

static void over(struct aof_ahead *a, enum aof_ahead_end end, int64_t err)
{
	a->busy = false;
	a->ended(a->ctx, end, err);
}

static void start(struct aof_ahead *a, struct file_op op)
{
	a->op = op;
	a->op.fd = a->fd;
	a->op.of = a;
	/* Too many under way: its owner comes again. */
	a->busy = file_sys_start(a->f, &a->op) == 0;
}

/* ---- its end ---- */

static void start_sync(struct aof_ahead *a);

static void sync_ended(struct file_op *op)
{
	struct aof_ahead *a = op->of;

	if (op->result == -EINTR || op->result == -EAGAIN) {
		start_sync(a);
		return;
	}
	if (op->result < 0) {
		over(a, AOF_AHEAD_NOT_SYNCED, op->result);
		return;
	}
	a->synced = a->end = a->cutting ? 0 : a->to;
	over(a, AOF_AHEAD_DONE, 0);
}

/* That a file is shorter is of its metadata, which fdatasync() may leave out. */
static void start_sync(struct aof_ahead *a)
{
	start(a, (struct file_op){.kind = a->cutting ? FILE_OP_FSYNC : FILE_OP_FDATASYNC, .done = sync_ended});
}

void aof_ahead_cut(struct aof_ahead *a, int fd, uint64_t stream)
{
	a->fd = fd;
	a->cutting = true;
	a->synced = 0;
	int rc = a->f->ops->truncate(a->f, fd, stream);
	if (rc != 0)
		over(a, AOF_AHEAD_NOT_CUT, rc);
	else
		start_sync(a);
}

/* ---- the next piece ---- */

static void write_ended(struct file_op *op);

static const char *lines_at(const struct aof_ahead *a)
{
	return a->at == a->stream && aof_fill_pad(a->at) ? a->lines : a->lines + 1 + a->at % AOF_FILL_LINE;
}

static void start_write(struct aof_ahead *a)
{
	start(a, (struct file_op){.kind = FILE_OP_WRITE,
				  .data = lines_at(a),
				  .len = RP_MIN(a->to - a->at, (uint64_t)WRITE_BYTES),
				  .off = a->at,
				  .done = write_ended});
}

static void write_ended(struct file_op *op)
{
	struct aof_ahead *a = op->of;

	if (op->result == -EINTR || op->result == -EAGAIN) {
		start_write(a);
		return;
	}
	if (op->result <= 0) {
		over(a, AOF_AHEAD_NOT_FILLED, op->result == 0 ? -ENOSPC : op->result);
		return;
	}
	a->at += (uint64_t)op->result;
	a->end = RP_MAX(a->end, a->at);
	if (a->stop)
		over(a, AOF_AHEAD_NOT_FILLED, -ECANCELED);
	else if (a->at < a->to)
		start_write(a);
	else
		start_sync(a);
}

void aof_ahead_fill(struct aof_ahead *a, int fd, uint64_t stream, uint64_t to)
{
	a->fd = fd;
	a->cutting = a->stop = false;
	a->stream = stream;
	a->at = RP_MAX(a->synced, stream);
	a->to = (to / AOF_SECTOR + 1) * AOF_SECTOR + AOF_FILL_LINE;
	start_write(a);
}

void aof_ahead_stop(struct aof_ahead *a)
{
	a->stop = true;
}
