#include "mem_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#define NAMES   64   /* at one time */
#define FILES   1024 /* ever */
#define OPS     16
#define DIR_OPS 32
#define BLOCK   512

struct content {
	char *data;
	size_t len;
};

struct mem_file { /* an inode */
	struct content now, disk;
	bool direct; /* opened so */
};

struct entry {
	char path[256];
	int file;
};

struct dir_op {                    /* a change of the directory: at once or not at all */
	char gone[256], path[256]; /* "": none */
	int file;                  /* that path leads to now */
};

struct mem_files {
	struct file_sys sys;
	struct rng rng;
	struct mem_file file[FILES];
	uint32_t nfiles;
	struct entry now[NAMES], disk[NAMES];
	struct dir_op dir_op[DIR_OPS]; /* not synced, in their order */
	uint32_t ndir_ops;
	struct file_op *op[OPS];
	bool direct[OPS]; /* so it began */
	uint64_t ends_us[OPS];
	uint32_t nops;
	bool refuses_direct;
	bool dead; /* killed: what is under way comes to nothing */
	uint64_t calls, fail_at, fail_until;
	int fail_errno;
	bool remains;             /* an unlink has failed */
	const uint64_t *clock_us; /* NULL: operations end when they like */
	uint64_t write_us, sync_us;
};

#define DIR_FD 1000

static struct mem_files *of(struct file_sys *f)
{
	return (struct mem_files *)f;
}

static bool fails(struct mem_files *m)
{
	m->calls++;
	return m->fail_at != 0 && m->calls >= m->fail_at && m->calls < m->fail_at + m->fail_until;
}

/* ---- names ---- */

static struct entry *find(struct entry *dir, const char *path)
{
	for (uint32_t i = 0; i < NAMES; i++)
		if (dir[i].path[0] != '\0' && strcmp(dir[i].path, path) == 0)
			return &dir[i];
	return NULL;
}

static struct entry *find_or_make(struct entry *dir, const char *path)
{
	struct entry *e = find(dir, path);

	for (uint32_t i = 0; i < NAMES && e == NULL; i++)
		if (dir[i].path[0] == '\0') {
			e = &dir[i];
			snprintf(e->path, sizeof e->path, "%s", path);
		}
	assert_non_null(e);
	return e;
}

static void apply(struct entry *dir, const struct dir_op *op)
{
	struct entry *gone = op->gone[0] != '\0' ? find(dir, op->gone) : NULL;

	if (gone != NULL)
		gone->path[0] = '\0';
	if (op->path[0] != '\0')
		find_or_make(dir, op->path)->file = op->file;
}

/* The n oldest changes get to the disk. */
static void dir_reaches_disk(struct mem_files *m, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		apply(m->disk, &m->dir_op[i]);
	m->ndir_ops -= n;
	memmove(m->dir_op, m->dir_op + n, m->ndir_ops * sizeof m->dir_op[0]);
}

static void change_dir(struct mem_files *m, const char *gone, const char *path, int file)
{
	if (m->ndir_ops == DIR_OPS)
		dir_reaches_disk(m, 1);
	struct dir_op *op = &m->dir_op[m->ndir_ops++];
	snprintf(op->gone, sizeof op->gone, "%s", gone);
	snprintf(op->path, sizeof op->path, "%s", path);
	op->file = file;
	apply(m->now, op);
}

/* ---- the calls ---- */

static void set(struct content *c, const char *data, size_t len)
{
	char *p = malloc(len + 1);

	memcpy(p, data != NULL ? data : "", data != NULL ? len : 0);
	free(c->data);
	c->data = p;
	c->len = len;
}

static int mem_open(struct file_sys *f, const char *path, int flags, mode_t mode)
{
	struct mem_files *m = of(f);

	if (fails(m))
		return -m->fail_errno;
	if (flags & O_DIRECTORY)
		return DIR_FD;
	if (m->dead && flags & (O_CREAT | O_TRUNC))
		return -EIO;
	struct entry *e = find(m->now, path);
	if (e == NULL && !(flags & O_CREAT))
		return -ENOENT;
	if (e == NULL) {
		assert_true(m->nfiles < FILES);
		change_dir(m, "", path, (int)m->nfiles++);
		e = find(m->now, path);
	}
	if (flags & O_TRUNC)
		set(&m->file[e->file].now, NULL, 0);
	m->file[e->file].direct = flags & O_DIRECT;
	return e->file;
}

/* Closed it is in any case. */
static int mem_close(struct file_sys *f, int fd)
{
	return fails(of(f)) ? -of(f)->fail_errno : 0;
}

static ssize_t mem_read(struct file_sys *f, int fd, void *buf, size_t len, uint64_t off)
{
	struct content *c = &of(f)->file[fd].now;
	size_t n = off < c->len ? RP_MIN(len, c->len - off) : 0;

	if (fails(of(f)))
		return -of(f)->fail_errno;
	memcpy(buf, c->data + off, n);
	return (ssize_t)n;
}

static int64_t mem_size(struct file_sys *f, int fd)
{
	return (int64_t)of(f)->file[fd].now.len;
}

static int mem_truncate(struct file_sys *f, int fd, uint64_t len)
{
	struct content *c = &of(f)->file[fd].now;

	if (fails(of(f)))
		return -of(f)->fail_errno;
	if (of(f)->dead)
		return -EIO;
	c->len = RP_MIN(c->len, len);
	return 0;
}

static int mem_buffered(struct file_sys *f, int fd)
{
	of(f)->file[fd].direct = false;
	return 0;
}

static int mem_rename(struct file_sys *f, const char *from, const char *to)
{
	struct mem_files *m = of(f);

	if (fails(m))
		return -m->fail_errno;
	if (m->dead)
		return -EIO;
	struct entry *e = find(m->now, from);
	if (e == NULL)
		return -ENOENT;
	change_dir(m, from, to, e->file);
	return 0;
}

static int mem_unlink(struct file_sys *f, const char *path)
{
	struct mem_files *m = of(f);

	if (fails(m)) {
		m->remains = true;
		return -m->fail_errno;
	}
	if (m->dead)
		return -EIO;
	if (find(m->now, path) == NULL)
		return -ENOENT;
	change_dir(m, path, "", 0);
	return 0;
}

static int mem_mkdir(struct file_sys *f, const char *path, mode_t mode)
{
	return fails(of(f)) ? -of(f)->fail_errno : 0;
}

static void add_op(struct mem_files *m, struct file_op *op, uint64_t now_us)
{
	uint64_t takes = op->kind != FILE_OP_WRITE ? m->sync_us : m->write_us + (op->dsync ? m->sync_us : 0);

	m->ends_us[m->nops] = now_us + takes;
	m->direct[m->nops] = op->kind == FILE_OP_WRITE && m->file[op->fd].direct;
	m->op[m->nops++] = op;
}

static int mem_submit(struct file_sys *f, struct file_op *op)
{
	struct mem_files *m = of(f);

	if (m->nops + 1 >= OPS)
		return -EAGAIN;
	add_op(m, op, m->clock_us != NULL ? *m->clock_us : 0);
	return 0;
}

static void put(struct content *c, uint64_t off, const char *data, size_t n)
{
	size_t end = RP_MAX(c->len, off + n);

	if (end > c->len || c->data == NULL)
		c->data = realloc(c->data, end + 1);
	if (off > c->len)
		memset(c->data + c->len, 0, off - c->len);
	memcpy(c->data + off, data, n);
	c->len = end;
}

static void perform_write(struct mem_files *m, struct file_op *op)
{
	struct mem_file *f = &m->file[op->fd];
	size_t n = RP_MIN(op->len, m->sys.write_max);

	if (fails(m)) {
		op->result = -m->fail_errno;
		return;
	}
	if (n > 1 && rng_below(&m->rng, 4) == 0)
		n = 1 + rng_below(&m->rng, n - 1);
	put(&f->now, op->off, op->data, n);
	op->result = (int64_t)n;
	if (!op->dsync)
		return;
	if (fails(m))
		op->result = -m->fail_errno;
	else
		put(&f->disk, op->off, op->data, n);
}

static void perform(struct mem_files *m, struct file_op *op, bool direct)
{
	if (m->dead || (direct && m->refuses_direct)) {
		op->result = m->dead ? -EIO : -EINVAL;
		return;
	}
	if (op->kind == FILE_OP_WRITE) {
		perform_write(m, op);
		return;
	}
	op->result = fails(m) ? -m->fail_errno : 0;
	if (op->result != 0)
		return;
	if (op->fd == DIR_FD)
		dir_reaches_disk(m, m->ndir_ops);
	else
		set(&m->file[op->fd].disk, m->file[op->fd].now.data, m->file[op->fd].now.len);
}

/* The one that ends first. */
static uint32_t first_op(const struct mem_files *m)
{
	uint32_t first = 0;

	for (uint32_t i = 1; i < m->nops; i++)
		if (m->ends_us[i] < m->ends_us[first])
			first = i;
	return first;
}

/* Some time passes: one of those under way ends, or none. false: none. */
static bool one_ends(struct mem_files *m, bool wait, uint32_t *i)
{
	if (m->nops == 0)
		return false;
	if (m->clock_us != NULL) {
		*i = first_op(m);
		return wait || m->ends_us[*i] <= *m->clock_us;
	}
	if (!wait && rng_below(&m->rng, 3) == 0)
		return false;
	*i = (uint32_t)rng_below(&m->rng, m->nops);
	return true;
}

static uint32_t mem_reap(struct file_sys *f, struct file_op **done, uint32_t n, bool wait)
{
	struct mem_files *m = of(f);
	uint32_t i;

	if (!one_ends(m, wait, &i))
		return 0;
	bool direct = m->direct[i];
	uint64_t ended_us = m->ends_us[i];
	done[0] = m->op[i];
	m->op[i] = m->op[--m->nops];
	m->direct[i] = m->direct[m->nops];
	m->ends_us[i] = m->ends_us[m->nops];
	perform(m, done[0], direct);
	struct file_op *then = done[0]->then;
	if (then == NULL)
		return 1;
	size_t all = done[0]->kind == FILE_OP_WRITE ? RP_MIN(done[0]->len, m->sys.write_max) : 0;
	if (done[0]->result == (int64_t)all) {
		add_op(m, then, ended_us);
		return 1;
	}
	then->result = -ECANCELED;
	done[1] = then;
	return 2;
}

static int mem_event_fd(struct file_sys *f)
{
	return -1;
}

static const struct file_sys_ops mem_ops = {
	.open = mem_open,
	.close = mem_close,
	.read = mem_read,
	.size = mem_size,
	.truncate = mem_truncate,
	.buffered = mem_buffered,
	.rename = mem_rename,
	.unlink = mem_unlink,
	.mkdir = mem_mkdir,
	.submit = mem_submit,
	.reap = mem_reap,
	.event_fd = mem_event_fd,
};

struct mem_files *mem_files_create(uint64_t seed)
{
	struct mem_files *m = calloc(1, sizeof *m);

	m->sys.ops = &mem_ops;
	rng_init(&m->rng, seed);
	m->sys.write_max = seed % 2 ? SIZE_MAX : 1500;
	return m;
}

struct file_sys *mem_files_sys(struct mem_files *m)
{
	return &m->sys;
}

void mem_files_destroy(struct mem_files *m)
{
	for (uint32_t i = 0; i < m->nfiles; i++) {
		free(m->file[i].now.data);
		free(m->file[i].disk.data);
	}
	free(m);
}

uint64_t mem_files_calls(const struct mem_files *m)
{
	return m->calls;
}

void mem_files_clock(struct mem_files *m, const uint64_t *now_us, uint64_t write_us, uint64_t sync_us)
{
	assert_int_equal(m->nops, 0);
	m->clock_us = now_us;
	m->write_us = write_us;
	m->sync_us = sync_us;
}

uint64_t mem_files_ends_us(const struct mem_files *m)
{
	return m->nops > 0 ? m->ends_us[first_op(m)] : UINT64_MAX;
}

void mem_files_fail(struct mem_files *m, uint64_t n, int err, uint64_t until)
{
	m->fail_at = n != 0 ? m->calls + n : 0;
	m->fail_errno = err;
	m->fail_until = until;
}

/* Sectors that were overwritten, and not synced: each is the old one or the new one. */
static void tear(struct mem_files *m, const struct content *now, struct content *disk)
{
	size_t both = RP_MIN(now->len, disk->len);

	for (size_t at = 0; at < both; at += BLOCK)
		if (rng_below(&m->rng, 2) == 0)
			memcpy(disk->data + at, now->data + at, RP_MIN((size_t)BLOCK, both - at));
}

/* Any part of what was not synced may have got there; the last block of that may be nonsense. */
static void lose(struct mem_files *m, struct mem_file *f)
{
	tear(m, &f->now, &f->disk);
	/* What was cut off and not synced may be there again. */
	size_t synced = rng_below(&m->rng, 2) == 0 ? f->disk.len : RP_MIN(f->disk.len, f->now.len);
	size_t extra = f->now.len > synced ? f->now.len - synced : 0;

	if (extra != 0)
		extra = rng_below(&m->rng, extra + 1);
	char *p = malloc(synced + extra + 1);
	memcpy(p, f->disk.data != NULL ? f->disk.data : "", f->disk.data != NULL ? synced : 0);
	memcpy(p + synced, extra != 0 ? f->now.data + synced : "", extra);
	if (extra > 0 && rng_below(&m->rng, 2) == 0)
		for (size_t i = synced + extra - RP_MIN(extra, (size_t)BLOCK); i < synced + extra; i++)
			p[i] = '\0';
	free(f->now.data);
	f->now = (struct content){p, synced + extra};
	set(&f->disk, p, f->now.len);
}

void mem_files_refuse_direct(struct mem_files *m)
{
	m->refuses_direct = true;
}

void mem_files_kill(struct mem_files *m)
{
	m->dead = true;
	m->fail_at = 0;
}

/* They may be on the disk, or in parts; nobody will be told. */
static void begin_writes(struct mem_files *m)
{
	for (uint32_t i = 0; i < m->nops; i++)
		if (m->op[i]->kind == FILE_OP_WRITE)
			put(&m->file[m->op[i]->fd].now, m->op[i]->off, m->op[i]->data, m->op[i]->len);
}

void mem_files_power_loss(struct mem_files *m)
{
	mem_files_kill(m);
	begin_writes(m);
	/* What was done to the directory gets there in its order, whether or not the files' data does. */
	dir_reaches_disk(m, (uint32_t)rng_below(&m->rng, m->ndir_ops + 1));
	m->ndir_ops = 0;
	memcpy(m->now, m->disk, sizeof m->now);
	for (uint32_t i = 0; i < m->nfiles; i++)
		lose(m, &m->file[i]);
}

void mem_files_again(struct mem_files *m)
{
	assert_int_equal(m->nops, 0);
	m->dead = false;
}

bool mem_files_remains(const struct mem_files *m)
{
	return m->remains;
}

const char *mem_files_name(const struct mem_files *m, uint32_t i)
{
	for (uint32_t k = 0; k < NAMES; k++)
		if (m->now[k].path[0] != '\0' && i-- == 0)
			return m->now[k].path;
	return NULL;
}

const char *mem_files_get(struct mem_files *m, const char *path, size_t *len)
{
	struct entry *e = find(m->now, path);

	if (e == NULL)
		return NULL;
	*len = m->file[e->file].now.len;
	return m->file[e->file].now.data;
}
