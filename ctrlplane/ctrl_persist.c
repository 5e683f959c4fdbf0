/* Persistence as a whole: its files, the lock of its directory, its part of the loop. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctrlplane/ctrl_aof.h"
#include "ctrlplane/ctrl_load.h"

#define WAIT_MS 1

#define LOCK_NAME "redpoll.lock"

int ctrl_persist_init(struct ctrl *c, struct err *e)
{
	struct persist *p = c->persist = calloc(1, sizeof *p);

	if (p == NULL)
		return err_set(e, "out of memory at boot");
	p->lock_fd = -1;
	p->saving.last_save_s = c->now.wall_us / 1000000;
	p->saving.last_us = -1;
	ctrl_functions_init(c);
	p->loading.on = ctrl_load_wanted(c);
	p->files = file_sys_create(e);
	if (p->files == NULL)
		return -1;
	if (getcwd(c->config.dir, sizeof c->config.dir) == NULL)
		return err_set(e, "cannot tell the path of dir: %s; choose a shorter one", strerror(errno));
	return ctrl_save_points(c) ? ctrl_persist_lock(c, e) : 0;
}

void ctrl_persist_fini(struct ctrl *c)
{
	struct persist *p = c->persist;

	if (p == NULL)
		return;
	ctrl_snapshot_drop(c);
	file_sys_destroy(p->files);
	ctrl_persist_unlock(c);
	free(p);
	c->persist = NULL;
}

uint32_t ctrl_persist_poll(struct ctrl *c)
{
	return file_sys_poll(c->persist->files) + ctrl_snapshot_poll(c);
}

void ctrl_persist_tick(struct ctrl *c)
{
	ctrl_save_tick(c);
}

uint64_t ctrl_persist_wake_us(const struct ctrl *c)
{
	const struct snapshot *s = &c->persist->snapshot;

	if (s->state == SNAPSHOT_LEASING && !s->lease.submitted)
		return 0;
	/* Bytes wait that only the rate holds back. */
	if (s->state == SNAPSHOT_WRITING && s->at_part < s->nparts && c->config.snapshot_bandwidth != 0)
		return file_writer_ready_at(s->w);
	return UINT64_MAX;
}

/* ---- the directory's lock ---- */

static int locked_by_other(const char *dir, int fd, struct err *e)
{
	char pid[32] = "?";
	ssize_t n = pread(fd, pid, sizeof pid - 1, 0);

	if (n > 0)
		pid[strcspn(pid, "\n")] = '\0';
	return err_set(e, "another Redpoll (process %s) writes to the directory %s; stop it, or set dir to another",
		       pid, dir);
}

/* The directory was removed, and perhaps made anew: we are in the old one still, where nothing can be created. */
static void enter_again(struct ctrl *c)
{
	struct persist *p = c->persist;
	struct stat st;

	if (stat(".", &st) != 0 || st.st_nlink != 0 || chdir(c->config.dir) != 0)
		return;
	log_write(LOG_WARNING, "the directory %s was removed and is there again", c->config.dir);
	if (p->lock_fd >= 0)
		close(p->lock_fd);
	p->lock_fd = -1;
}

int ctrl_persist_lock(struct ctrl *c, struct err *e)
{
	struct persist *p = c->persist;
	const char *dir = c->config.dir;
	char text[32];

	enter_again(c);
	if (p->lock_fd >= 0)
		return 0;
	int fd = open(LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0) {
		char path[CONFIG_STRING_MAX + sizeof LOCK_NAME + 1];
		snprintf(path, sizeof path, "%s/%s", dir, LOCK_NAME);
		return file_err(e, "create", path, -errno);
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		int rc = errno == EWOULDBLOCK ? locked_by_other(dir, fd, e) : file_err(e, "lock", LOCK_NAME, -errno);
		close(fd);
		return rc;
	}
	int n = snprintf(text, sizeof text, "%d\n", (int)getpid());
	if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)n, 0) != n) {
		int rc = file_err(e, "write", LOCK_NAME, -errno);
		close(fd);
		return rc;
	}
	p->lock_fd = fd;
	return 0;
}

/* With the lock, if there is one, and with what there is of an append-only file in it. */
static int take_over(struct ctrl *c, bool locks, struct err *e)
{
	struct aof *a = c->aof;
	struct aof_manifest there;

	c->persist->lock_fd = -1;
	if (locks && ctrl_persist_lock(c, e) != 0)
		return -1;
	int rc = aof_manifest_load(c->persist->files, a->dir, a->name, &there, e);
	if (rc != 0 && rc != -ENOENT) {
		ctrl_persist_unlock(c);
		return -1;
	}
	aof_manifest_fini(&a->manifest);
	a->manifest = there;
	return 0;
}

int ctrl_persist_chdir(struct ctrl *c, const char *dir, struct err *e)
{
	struct persist *p = c->persist;
	int old_fd = p->lock_fd;
	char was[CONFIG_STRING_MAX];

	if (ctrl_snapshot_running(c) || c->aof->rewrite.running)
		return err_set(e, "a snapshot is being written; try again when it has ended");
	memcpy(was, c->config.dir, sizeof was);
	if (chdir(dir) != 0)
		return file_err(e, "enter", dir, -errno);
	if (getcwd(c->config.dir, sizeof c->config.dir) == NULL)
		snprintf(c->config.dir, sizeof c->config.dir, "%s", dir);
	if (strcmp(was, c->config.dir) == 0)
		return 0;
	if (take_over(c, old_fd >= 0, e) == 0) {
		if (old_fd >= 0)
			close(old_fd);
		return 0;
	}
	p->lock_fd = old_fd;
	memcpy(c->config.dir, was, sizeof was);
	if (chdir(was) != 0)
		log_write(LOG_WARNING, "cannot go back to %s: %s", was, strerror(errno));
	return -1;
}

void ctrl_persist_unlock(struct ctrl *c)
{
	if (c->persist->lock_fd >= 0)
		close(c->persist->lock_fd);
	c->persist->lock_fd = -1;
}

/* ---- waiting in a command ---- */

static void sleep_a_little(struct ctrl *c)
{
	uint32_t self = msg_bus_control(c->bus);
	struct pollfd p[2] = {{.fd = msg_event_fd(c->bus, self), .events = POLLIN},
			      {.fd = file_sys_event_fd(c->persist->files), .events = POLLIN}};

	uint64_t drained;

	msg_sleeping(c->bus, self);
	if (!msg_pending(c->bus, self, true))
		poll(p, p[1].fd < 0 ? 1 : 2, WAIT_MS);
	msg_awake(c->bus, self);
	/* poll() asks for levels: what ended until now is looked at next, what comes later raises it again. */
	while (p[1].fd >= 0 && read(p[1].fd, &drained, sizeof drained) < 0 && errno == EINTR)
		;
}

/* What others wait for while a command of this thread waits: time, and the append-only file's stream (its rewrites have
 * time). */
static void serve_others(struct ctrl *c)
{
	clock_read(&c->clock, &c->now);
	host_set_now(&c->host, &c->now);
	if (c->aof != NULL && c->aof->state == AOF_ON)
		aof_writer_poll(c->aof->w, c->now.mono_us, c->now.wall_us);
}

void ctrl_persist_wait_once(struct ctrl *c)
{
	serve_others(c);
	uint32_t work = host_poll_nested(&c->host) + ctrl_persist_poll(c);
	work += msg_flush(c->bus, msg_bus_control(c->bus));
	if (work == 0)
		sleep_a_little(c);
}

void ctrl_lease_all(struct ctrl *c, struct lease *l)
{
	while (!lease_try_submit(c->leases, l, c->host.all_shards, msg_bus_control(c->bus)))
		ctrl_nap();
	/* Who stands before us in the queue may need this thread: its own sessions' leases, others' requests. */
	while (!lease_granted(l)) {
		serve_others(c);
		uint32_t work = file_sys_poll(c->persist->files) + host_poll_nested(&c->host);
		work += msg_flush(c->bus, msg_bus_control(c->bus));
		if (work == 0)
			ctrl_nap();
	}
}

void ctrl_hold_begin(struct ctrl *c)
{
	rp_assert(!c->persist->holding);
	c->persist->holding = true;
}

void ctrl_hold_end(struct ctrl *c)
{
	c->persist->holding = false;
}

void ctrl_hold_all(struct ctrl *c, struct lease *l, const char *why)
{
	ctrl_snapshot_cancel(c, why);
	while (ctrl_snapshot_running(c))
		ctrl_persist_wait_once(c);
	ctrl_lease_all(c, l);
}
