/* The append-only file at boot: what there is is loaded, and written on. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctrlplane/ctrl_aof.h"
#include "ctrlplane/ctrl_load.h"

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

/* A file of Redis before 7 becomes the base of a directory. Done in an order that can be taken up again. */
static int upgrade(struct ctrl *c, struct err *e)
{
	struct aof *a = c->aof;
	struct file_sys *f = c->persist->files;
	char path[AOF_PATH_MAX];
	const struct aof_file *base = aof_manifest_base(&a->manifest);

	aof_path(a, a->name, path);
	if (!exists(a->name) || exists(path) ||
	    (a->manifest.n != 0 && (base == NULL || strcmp(base->name, a->name) != 0)))
		return 0;
	if (aof_make_dir(c, e) != 0)
		return -1;
	if (a->manifest.n == 0 && !aof_manifest_add(&a->manifest, a->name, 1, 'b'))
		return err_set(e, "out of memory for the manifest");
	if (aof_manifest_store(f, a->dir, a->name, &a->manifest, e) != 0)
		return -1;
	int rc = f->ops->rename(f, a->name, path);
	if (rc == 0)
		rc = file_sys_sync_dir(f, path);
	if (rc == 0)
		rc = file_sys_sync_dir(f, a->name);
	if (rc != 0)
		return file_err(e, "move", a->name, rc);
	log_write(LOG_NOTICE, "append-only file: %s is now %s", a->name, path);
	return 0;
}

/* Without a base there is nothing to begin with: what is in the stores, which may be nothing. */
static int make_base(struct ctrl *c, struct err *e)
{
	struct aof *a = c->aof;
	char name[AOF_NAME_MAX], path[AOF_PATH_MAX], temp[AOF_PATH_MAX];
	uint64_t seq = a->manifest.base_seq + 1;

	if (aof_manifest_base(&a->manifest) != NULL)
		return 0;
	aof_base_name(a, seq, name);
	aof_path(a, name, path);
	snprintf(temp, sizeof temp, "%s/temp-%.400s.base.rdb", a->dir, a->name);
	if (ctrl_snapshot_held(c, path, temp, e) != 0)
		return -1;
	return aof_manifest_add(&a->manifest, name, seq, 'b') ? 0 : err_set(e, "out of memory for the manifest");
}

/* The file that the stream goes on in: the last, or a new one. Its descriptor, or -1 with *e. */
static int open_last(struct ctrl *c, uint64_t *off, struct err *e)
{
	struct aof *a = c->aof;
	struct file_sys *f = c->persist->files;
	const struct aof_file *last = aof_manifest_last_incr(&a->manifest);
	char name[AOF_NAME_MAX], path[AOF_PATH_MAX];

	*off = 0;
	if (last != NULL) {
		int fd = f->ops->open(f, aof_path(a, last->name, path), O_WRONLY | O_CLOEXEC, 0);
		if (fd < 0)
			return file_err(e, "open", path, fd);
		*off = (uint64_t)f->ops->size(f, fd);
		/* A process that was killed may have left it, and its name, to the kernel's page cache: what clients
		 * are going to see is made durable first. */
		int rc = file_sys_fsync(f, fd);
		if (rc == 0)
			rc = file_sys_sync_dir(f, path);
		if (rc == 0)
			return fd;
		f->ops->close(f, fd);
		return file_err(e, "sync", path, rc);
	}
	uint64_t seq = a->manifest.incr_seq + 1;
	int fd = aof_create_incr(c, seq, e);
	if (fd < 0 || make_base(c, e) != 0)
		return -1;
	aof_incr_name(a, seq, name);
	if (!aof_manifest_add(&a->manifest, name, seq, 'i'))
		return err_set(e, "out of memory for the manifest");
	return aof_manifest_store(f, a->dir, a->name, &a->manifest, e) == 0 ? fd : -1;
}

static uint64_t bytes_before(const struct aof *a)
{
	const struct aof_file *last = aof_manifest_last_incr(&a->manifest);
	uint64_t sum = 0;
	struct stat st;
	char path[AOF_PATH_MAX];

	for (uint32_t i = 0; i < a->manifest.n; i++) {
		const struct aof_file *file = &a->manifest.file[i];
		if (file != last && file->type != 'h' && stat(aof_path(a, file->name, path), &st) == 0)
			sum += (uint64_t)st.st_size;
	}
	return sum;
}

/* All shards are held. */
static int begin(struct ctrl *c, struct err *e)
{
	struct aof *a = c->aof;
	uint64_t off;

	if (aof_manifest_clean(c->persist->files, a->dir, &a->manifest) != 0 &&
	    aof_manifest_store(c->persist->files, a->dir, a->name, &a->manifest, e) != 0)
		return -1;
	int fd = open_last(c, &off, e);
	if (fd < 0)
		return -1;
	aof_attach(c);
	aof_writer_start(a->w, fd, off, true);
	a->closed_bytes = bytes_before(a);
	a->base_bytes = aof_bytes(a);
	a->state = AOF_ON;
	if (c->config.appendfsync == AOF_FSYNC_ALWAYS)
		aof_show_gates(c);
	ctrl_aof_configure(c);
	return 0;
}

int ctrl_aof_boot(struct ctrl *c, struct err *e)
{
	struct lease lease = {.submitted = false};
	int rc;

	if (ctrl_persist_lock(c, e) != 0)
		return -1;
	ctrl_lease_all(c, &lease);
	rc = upgrade(c, e);
	if (rc == 0 && c->aof->manifest.n != 0)
		rc = ctrl_aof_load(c, e);
	else if (rc == 0 && exists(c->config.dbfilename))
		log_write(LOG_WARNING,
			  "appendonly is on and there is no append-only file yet: %s is not loaded. To take it over, "
			  "start with appendonly no, then CONFIG SET appendonly yes",
			  c->config.dbfilename);
	if (rc == 0)
		rc = begin(c, e);
	lease_release(c->leases, &lease, c->host.all_shards);
	return rc;
}
