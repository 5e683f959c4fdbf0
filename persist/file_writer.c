/* See file_writer.h. */
#include "persist/file_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#define BLOCK      4096
#define PATH_BYTES 1024
#define BURST_US   50000 /* what a bounded rate lets through at once */
#define TRIES_MAX  16    /* of a write that makes no progress */

enum stage {
	STAGE_DATA,
	STAGE_TAIL,     /* the last buffers are on their way */
	STAGE_FSYNC,    /* of the file */
	STAGE_DIR_SYNC, /* renamed */
	STAGE_DONE,
	STAGE_FAILED
};

struct wbuf {
	struct file_op op;
	struct file_writer *w;
	uint8_t *mem;
	size_t len; /* filled */
	uint32_t tries;
	bool flying, waiting; /* waiting: to be started when there is room for an operation */
	bool direct;          /* so its operation began; the file may be so no more */
};

struct file_writer {
	struct file_sys *fs;
	enum stage stage;
	int fd, dir_fd;
	bool direct, waiting_sync;
	char path[PATH_BYTES], temp[PATH_BYTES];
	size_t buffer_bytes;
	uint32_t nbufs, cur;
	uint64_t off, total; /* where the buffer being filled goes; bytes taken */
	uint64_t rate_bytes, ready_us;
	struct file_op sync;
	struct err err;
	struct wbuf buf[];
};

static void fail(struct file_writer *w, const char *what, int64_t rc)
{
	if (w->stage == STAGE_FAILED)
		return;
	w->stage = STAGE_FAILED;
	file_err(&w->err, what, w->path, rc);
}

static uint32_t flying(const struct file_writer *w)
{
	uint32_t n = w->waiting_sync ? 1 : 0;

	for (uint32_t i = 0; i < w->nbufs; i++)
		n += w->buf[i].flying;
	return n;
}

/* ---- one buffer ---- */

static void buf_done(struct file_op *op);

static void buf_start(struct file_writer *w, struct wbuf *b)
{
	b->flying = true;
	b->direct = w->direct;
	int rc = file_sys_start(w->fs, &b->op);
	b->waiting = rc == -EAGAIN;
	if (rc == 0 || rc == -EAGAIN)
		return;
	b->flying = false;
	fail(w, "write", rc);
}

/* The whole of a filled buffer; the last one is filled up to a whole block. */
static void buf_send(struct file_writer *w, struct wbuf *b)
{
	size_t len = b->len;

	if (w->direct && len % BLOCK != 0) {
		size_t padded = (len + BLOCK - 1) / BLOCK * BLOCK;
		memset(b->mem + len, 0, padded - len);
		len = padded;
	}
	b->op = (struct file_op){.kind = FILE_OP_WRITE,
				 .fd = w->fd,
				 .data = b->mem,
				 .len = len,
				 .off = w->off,
				 .done = buf_done,
				 .of = b};
	b->tries = 0;
	w->off += len;
	buf_start(w, b);
}

/* What a short write left; a direct one begins anew at the block where it ended. */
static void buf_rest(struct file_writer *w, struct wbuf *b, size_t done)
{
	if (w->direct)
		done -= done % BLOCK;
	b->tries = done == 0 ? b->tries + 1 : 0;
	if (b->tries > TRIES_MAX) {
		fail(w, "write", -EIO);
		return;
	}
	b->op.data = (const char *)b->op.data + done;
	b->op.len -= done;
	b->op.off += done;
	buf_start(w, b);
}

static void buf_done(struct file_op *op)
{
	struct wbuf *b = op->of;
	struct file_writer *w = b->w;

	b->flying = false;
	if (w->stage == STAGE_FAILED)
		return;
	if (op->result == -EINTR || op->result == -EAGAIN) {
		buf_rest(w, b, 0);
	} else if (op->result == -EINVAL && b->direct) {
		/* A file system that takes O_DIRECT at open and refuses it now, of all buffers that were under way. */
		int rc = w->direct ? w->fs->ops->buffered(w->fs, w->fd) : 0;
		if (rc < 0) {
			fail(w, "write", rc);
			return;
		}
		w->direct = false;
		buf_rest(w, b, 0);
	} else if (op->result < 0) {
		fail(w, "write", op->result);
	} else if ((size_t)op->result < op->len) {
		buf_rest(w, b, (size_t)op->result);
	} else {
		b->len = 0;
	}
}

/* ---- the way through ---- */

static void sync_done(struct file_op *op)
{
	struct file_writer *w = op->of;

	w->waiting_sync = false;
	if (op->result < 0)
		fail(w, "sync", op->result);
}

static void sync_start(struct file_writer *w, int fd)
{
	w->sync = (struct file_op){.kind = FILE_OP_FSYNC, .fd = fd, .done = sync_done, .of = w};
	int rc = file_sys_start(w->fs, &w->sync);
	if (rc == 0)
		w->waiting_sync = true;
	else if (rc != -EAGAIN)
		fail(w, "sync", rc);
}

/* All data is written: the file gets its exact length and is synced. */
static void finish_data(struct file_writer *w)
{
	int rc = w->off != w->total ? w->fs->ops->truncate(w->fs, w->fd, w->total) : 0;

	if (rc < 0) {
		fail(w, "set the length of", rc);
		return;
	}
	w->off = w->total;
	sync_start(w, w->fd);
	if (w->waiting_sync)
		w->stage = STAGE_FSYNC;
}

/* The file is safe: it gets its name, and its directory is synced. */
static void finish_name(struct file_writer *w)
{
	char dir[PATH_BYTES];
	int rc = w->fd >= 0 ? w->fs->ops->close(w->fs, w->fd) : 0;

	w->fd = -1;
	if (rc == 0 && w->dir_fd < 0)
		rc = w->dir_fd = w->fs->ops->open(w->fs, file_sys_dir(w->path, dir, sizeof dir),
						  O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (rc >= 0)
		rc = w->fs->ops->rename(w->fs, w->temp, w->path);
	if (rc < 0) {
		fail(w, "put in its place", rc);
		return;
	}
	w->stage = STAGE_DIR_SYNC;
	w->temp[0] = '\0';
	sync_start(w, w->dir_fd);
}

static void finish_dir(struct file_writer *w)
{
	w->fs->ops->close(w->fs, w->dir_fd);
	w->dir_fd = -1;
	w->stage = STAGE_DONE;
}

static void start_waiting(struct file_writer *w)
{
	for (uint32_t i = 0; i < w->nbufs; i++)
		if (w->buf[i].waiting)
			buf_start(w, &w->buf[i]);
}

enum file_writer_state file_writer_poll(struct file_writer *w, uint64_t now_us)
{
	if (w->stage != STAGE_FAILED)
		start_waiting(w);
	if (w->stage == STAGE_TAIL && flying(w) == 0)
		finish_data(w);
	else if (w->stage == STAGE_FSYNC && !w->waiting_sync)
		finish_name(w);
	else if (w->stage == STAGE_DIR_SYNC && !w->waiting_sync && w->sync.ended)
		finish_dir(w);
	else if (w->stage == STAGE_DIR_SYNC && !w->waiting_sync)
		sync_start(w, w->dir_fd);
	if (w->stage == STAGE_DONE)
		return FILE_WRITER_DONE;
	return w->stage == STAGE_FAILED ? FILE_WRITER_FAILED : FILE_WRITER_BUSY;
}

/* How many of len bytes the rate lets through now. */
static size_t rate_allows(const struct file_writer *w, size_t len, uint64_t now_us)
{
	if (w->rate_bytes == 0)
		return len;
	uint64_t burst = RP_MAX(w->rate_bytes * BURST_US / 1000000, (uint64_t)BLOCK);
	return now_us < w->ready_us ? 0 : RP_MIN(len, (size_t)burst);
}

static void rate_charge(struct file_writer *w, size_t len, uint64_t now_us)
{
	if (w->rate_bytes != 0)
		w->ready_us = RP_MAX(w->ready_us, now_us - RP_MIN(now_us, (uint64_t)BURST_US)) +
			      len * 1000000 / w->rate_bytes;
}

size_t file_writer_put(struct file_writer *w, const void *data, size_t len, uint64_t now_us)
{
	const uint8_t *p = data;
	size_t taken = 0, allowed;

	rp_assert(w->stage == STAGE_DATA || w->stage == STAGE_FAILED);
	if (w->stage == STAGE_FAILED)
		return len; /* nothing of it counts */
	if (w->buf[w->cur].flying)
		return 0;
	allowed = rate_allows(w, len, now_us);
	while (taken < allowed && !w->buf[w->cur].flying && w->stage == STAGE_DATA) {
		struct wbuf *b = &w->buf[w->cur];
		size_t n = RP_MIN(allowed - taken, w->buffer_bytes - b->len);
		memcpy(b->mem + b->len, p + taken, n);
		b->len += n;
		taken += n;
		if (b->len == w->buffer_bytes) {
			buf_send(w, b);
			w->cur = (w->cur + 1) % w->nbufs;
		}
	}
	w->total += taken;
	rate_charge(w, taken, now_us);
	return taken;
}

void file_writer_end(struct file_writer *w)
{
	if (w->stage != STAGE_DATA)
		return;
	struct wbuf *b = &w->buf[w->cur];
	if (!b->flying && b->len > 0)
		buf_send(w, b);
	if (w->stage == STAGE_DATA)
		w->stage = STAGE_TAIL;
}

/* ---- set-up ---- */

static int open_temp(struct file_writer *w, bool direct)
{
	int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, rc = -EINVAL;

	if (direct)
		rc = w->fs->ops->open(w->fs, w->temp, flags | O_DIRECT, 0644);
	w->direct = rc >= 0;
	if (rc == -EINVAL)
		rc = w->fs->ops->open(w->fs, w->temp, flags, 0644);
	w->fd = rc;
	return rc;
}

struct file_writer *file_writer_create(struct file_sys *f, const struct file_writer_params *p, struct err *e)
{
	struct file_writer *w = calloc(1, sizeof *w + p->buffers * sizeof w->buf[0]);
	bool ok = w != NULL;

	rp_assert(p->buffers >= 2 && p->buffer_bytes % BLOCK == 0);
	for (uint32_t i = 0; ok && i < p->buffers; i++) {
		w->buf[i].w = w;
		w->buf[i].mem = aligned_alloc(BLOCK, p->buffer_bytes);
		ok = w->buf[i].mem != NULL;
		w->nbufs++;
	}
	if (!ok) {
		err_set(e, "out of memory for the buffers of %s", p->path);
		file_writer_destroy(w);
		return NULL;
	}
	w->fs = f;
	w->dir_fd = -1;
	w->buffer_bytes = p->buffer_bytes;
	w->rate_bytes = p->rate_bytes;
	snprintf(w->path, sizeof w->path, "%s", p->path);
	snprintf(w->temp, sizeof w->temp, "%s", p->temp);
	int rc = open_temp(w, p->direct);
	if (rc < 0) {
		file_err(e, "create", w->temp, rc);
		w->temp[0] = '\0';
		file_writer_destroy(w);
		return NULL;
	}
	return w;
}

void file_writer_destroy(struct file_writer *w)
{
	if (w == NULL)
		return;
	if (w->fs != NULL) {
		if (w->stage != STAGE_DONE)
			w->stage = STAGE_FAILED;
		/* What waits for its turn never left. */
		for (uint32_t i = 0; i < w->nbufs; i++)
			w->buf[i].flying &= !w->buf[i].waiting;
		while (flying(w) > 0)
			file_sys_wait(w->fs);
		if (w->fd >= 0)
			w->fs->ops->close(w->fs, w->fd);
		if (w->dir_fd >= 0)
			w->fs->ops->close(w->fs, w->dir_fd);
		if (w->temp[0] != '\0')
			w->fs->ops->unlink(w->fs, w->temp);
	}
	for (uint32_t i = 0; i < w->nbufs; i++)
		free(w->buf[i].mem);
	free(w);
}

uint64_t file_writer_ready_at(const struct file_writer *w)
{
	return w->ready_us;
}

uint64_t file_writer_bytes(const struct file_writer *w)
{
	return w->total;
}

uint64_t file_writer_flying(const struct file_writer *w)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < w->nbufs; i++)
		n += w->buf[i].flying ? w->buf[i].len : 0;
	return n;
}

bool file_writer_direct(const struct file_writer *w)
{
	return w->direct;
}

const char *file_writer_error(const struct file_writer *w)
{
	return w->err.text;
}
