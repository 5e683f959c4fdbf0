/* Operations through io_uring. */
#include <errno.h>
#include <liburing.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"
#include "persist/file_sys_priv.h"

/* The kernel takes no more than 2 GiB, and does not call that short. */
#define WRITE_MAX ((size_t)1 << 30)

struct uring {
	struct file_sys base;
	struct io_uring ring;
	int event_fd;
	uint32_t flying;
};

static void prepare(struct uring *u, struct file_op *op)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

	if (op->kind == FILE_OP_WRITE) {
		io_uring_prep_write(sqe, op->fd, op->data, (unsigned)RP_MIN(op->len, WRITE_MAX), op->off);
		sqe->rw_flags = op->dsync ? RWF_DSYNC : 0;
	} else {
		io_uring_prep_fsync(sqe, op->fd, op->kind == FILE_OP_FDATASYNC ? IORING_FSYNC_DATASYNC : 0);
	}
	if (op->then != NULL)
		io_uring_sqe_set_flags(sqe, IOSQE_IO_LINK);
	io_uring_sqe_set_data(sqe, op);
	u->flying++;
}

static int uring_submit(struct file_sys *f, struct file_op *op)
{
	struct uring *u = (struct uring *)f;
	uint32_t n = op->then != NULL ? 2 : 1;

	if (u->flying + n > FILE_OPS_MAX || io_uring_sq_space_left(&u->ring) < n)
		return -EAGAIN;
	prepare(u, op);
	if (n == 2)
		prepare(u, op->then);
	/* What the kernel did not take now goes with the next call. */
	io_uring_submit(&u->ring);
	return 0;
}

static uint32_t uring_reap(struct file_sys *f, struct file_op **done, uint32_t n, bool wait)
{
	struct uring *u = (struct uring *)f;
	struct io_uring_cqe *cqe;
	uint32_t k = 0;

	if (u->flying == 0)
		return 0;
	if (io_uring_sq_ready(&u->ring) > 0)
		io_uring_submit(&u->ring);
	if (wait)
		while (io_uring_wait_cqe(&u->ring, &cqe) == -EINTR)
			;
	while (k < n && io_uring_peek_cqe(&u->ring, &cqe) == 0) {
		done[k] = io_uring_cqe_get_data(cqe);
		done[k++]->result = cqe->res;
		io_uring_cqe_seen(&u->ring, cqe);
	}
	u->flying -= k;
	return k;
}

static int uring_event_fd(struct file_sys *f)
{
	return ((struct uring *)f)->event_fd;
}

static void uring_destroy(struct file_sys *f)
{
	struct uring *u = (struct uring *)f;

	io_uring_queue_exit(&u->ring);
	close(u->event_fd);
	free(u);
}

static const struct file_sys_ops uring_ops = {FILE_SYS_POSIX, .submit = uring_submit, .reap = uring_reap,
					      .event_fd = uring_event_fd, .destroy = uring_destroy};

/* The kernel's threads that wait for the disk run where the caller may: left alone they would run on any CPU, also on
 * one that a worker has for itself. Kernels before 5.14 know nothing of it. */
static void stay_here(struct uring *u)
{
	cpu_set_t cpus;

	if (sched_getaffinity(0, sizeof cpus, &cpus) == 0)
		io_uring_register_iowq_aff(&u->ring, sizeof cpus, &cpus);
}

struct file_sys *file_sys_create(struct err *e)
{
	struct uring *u = calloc(1, sizeof *u);

	if (u == NULL) {
		err_set(e, "out of memory for files");
		return NULL;
	}
	u->base.ops = &uring_ops;
	u->base.write_max = WRITE_MAX;
	u->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	int rc = u->event_fd < 0 ? -errno : io_uring_queue_init(FILE_OPS_MAX, &u->ring, 0);
	if (rc == 0 && (rc = io_uring_register_eventfd(&u->ring, u->event_fd)) != 0)
		io_uring_queue_exit(&u->ring);
	if (rc == 0) {
		stay_here(u);
		return &u->base;
	}
	log_write(LOG_WARNING,
		  "the kernel refuses io_uring (%s): files are written with calls that wait, during which the control "
		  "thread answers nobody; allow io_uring to avoid it",
		  strerror(-rc));
	if (u->event_fd >= 0)
		close(u->event_fd);
	free(u);
	return file_sys_plain(e);
}
