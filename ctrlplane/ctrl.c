/* The control thread: its loop, its calls to the workers, the end. */
#include <errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "ctrlplane/ctrl_priv.h"
#include "net/xdp_neigh.h"

#define TICK_US        100000
#define PREFAULT_BYTES (64u << 20) /* memory made ready ahead of each shard */
#define EVENTS_MAX     64
#define ROUNDS_MAX     16

/* ---- calls to workers ---- */

static void call_start(struct ctrl *c, uint32_t worker, msg_call_fn fn, void *arg, bool *done)
{
	struct msg *m;
	while ((m = msg_get(c->bus, msg_bus_control(c->bus))) == NULL)
		host_poll_done(&c->host, true);
	m->kind = MSG_CALL;
	m->owner = (uint8_t)worker;
	m->fn = fn;
	m->arg[0] = arg;
	m->arg[1] = (void *)(uintptr_t)worker;
	m->arg[3] = done;
	msg_send(c->bus, m);
	msg_flush(c->bus, msg_bus_control(c->bus));
}

static void call_wait(struct ctrl *c, const bool *done)
{
	while (!__atomic_load_n(done, __ATOMIC_ACQUIRE)) {
		host_poll_done(&c->host, true);
		sched_yield(); /* on a machine with few CPUs the worker may need this one */
	}
}

void ctrl_call_one(struct ctrl *c, uint32_t worker, msg_call_fn fn, void *arg)
{
	bool done = false;
	if (c->workers_gone)
		return;
	call_start(c, worker, fn, arg, &done);
	call_wait(c, &done);
}

void ctrl_call_all(struct ctrl *c, msg_call_fn fn, void *arg)
{
	bool done[RP_MAX_WORKERS] = {false};
	if (c->workers_gone)
		return;
	for (uint32_t i = 0; i < c->nworkers; i++)
		call_start(c, i, fn, arg, &done[i]);
	for (uint32_t i = 0; i < c->nworkers; i++)
		call_wait(c, &done[i]);
}

static void take_conf(void *owner, struct msg *m)
{
	struct worker *w = owner;
	host_set_conf(&w->host, m->arg[0]);
}

static void take_clock(void *owner, struct msg *m)
{
	struct worker *w = owner;
	store_set_clock(w->store, m->arg[0] != NULL, (uint32_t)(uintptr_t)m->arg[1], (uint32_t)(uintptr_t)m->arg[2]);
}

void ctrl_publish_conf(struct ctrl *c)
{
	boot_dp_conf(c);
	host_set_conf(&c->host, &c->dp);
	host_poll_memory(&c->host);
	ctrl_call_all(c, take_conf, &c->dp);
	/* The clock's kind is the shard's: it is changed in turn with its commands, without waiting for that. */
	for (uint32_t i = 0; i < c->nworkers; i++) {
		struct msg *m = msg_get(c->bus, msg_bus_control(c->bus));
		if (m == NULL)
			continue;
		m->kind = MSG_CALL_SHARD;
		m->owner = (uint8_t)i;
		m->fn = take_clock;
		m->arg[0] = c->dp.lfu ? m : NULL;
		m->arg[1] = (void *)(uintptr_t)c->dp.lfu_log_factor;
		m->arg[2] = (void *)(uintptr_t)c->dp.lfu_decay_min;
		m->arg[3] = NULL;
		msg_send(c->bus, m);
	}
}

uint64_t ctrl_used_memory(const struct ctrl *c)
{
	struct heap_stats hs;
	uint64_t sum = 0;
	for (uint32_t i = 0; i < c->nworkers; i++) {
		heap_stats_get(c->workers[i]->shard_heap, &hs);
		sum += hs.used_bytes;
		heap_stats_get(c->workers[i]->heap, &hs);
		sum += hs.used_bytes;
	}
	heap_stats_get(c->heap, &hs);
	return sum + hs.used_bytes;
}

/* ---- the loop ---- */

void ctrl_stop(struct ctrl *c)
{
	uint32_t how = ++c->stop > 1 ? 2 : 1;
	log_write(LOG_NOTICE, how == 1 ? "asked to stop: closing clients" : "asked again: stopping at once");
	if (c->admin != NULL)
		admin_stop(c->admin);
	for (uint32_t i = 0; i < c->nworkers; i++) {
		__atomic_store_n(&c->workers[i]->stop, how, __ATOMIC_RELAXED);
		msg_kick(c->bus, i);
	}
}

static void take_signals(struct ctrl *c)
{
	struct signalfd_siginfo si;
	while (read(c->signal_fd, &si, sizeof si) == sizeof si)
		ctrl_stop(c);
}

static void tick(struct ctrl *c)
{
	uint64_t expirations;
	if (read(c->timer_fd, &expirations, sizeof expirations) < 0)
		return;
	for (uint32_t i = 0; i < c->nworkers; i++) {
		log_drain(&c->workers[i]->log, i);
		heap_prefault(c->workers[i]->shard_heap, PREFAULT_BYTES);
		heap_prefault(c->workers[i]->heap, PREFAULT_BYTES / 4);
	}
	xdp_neigh_poll(port_neigh(c->port));
	ctrl_rates_sample(c);
	uint64_t used = ctrl_used_memory(c);
	c->peak_bytes = RP_MAX(c->peak_bytes, used);
	heap_poll(c->heap, 1024);
	host_poll_idle(&c->host);
	host_poll_memory(&c->host);
	host_poll_buffers(&c->host);
}

static void dispatch(struct ctrl *c, const struct epoll_event *ev)
{
	if (ev->data.ptr == &c->signal_fd)
		take_signals(c);
	else if (ev->data.ptr == &c->timer_fd)
		tick(c);
	else if (ev->data.ptr != c->bus)
		admin_event(c->admin, ev->data.ptr, ev->events);
}

static void set_now(struct ctrl *c)
{
	clock_read(&c->clock, &c->now);
	host_set_now(&c->host, &c->now);
}

/* Session work until there is none, within reason. */
static uint32_t rounds(struct ctrl *c)
{
	uint32_t total = 0, work;
	for (uint32_t i = 0; i < ROUNDS_MAX; i++) {
		set_now(c);
		work = host_poll(&c->host) + host_poll_messages(&c->host);
		if (c->admin != NULL)
			admin_poll(c->admin);
		work += msg_flush(c->bus, msg_bus_control(c->bus));
		total += work;
		if (work == 0)
			break;
	}
	return total;
}

static bool workers_left(const struct ctrl *c)
{
	for (uint32_t i = 0; i < c->nworkers; i++)
		if (!__atomic_load_n(&c->workers[i]->left, __ATOMIC_ACQUIRE))
			return false;
	return true;
}

static void wait_events(struct ctrl *c, bool more)
{
	struct epoll_event ev[EVENTS_MAX];
	uint32_t self = msg_bus_control(c->bus);
	msg_sleeping(c->bus, self);
	/* A lease that could not be appended yet is tried again soon; everything else comes with an event. */
	int timeout_ms = more || msg_pending(c->bus, self) ? 0 : host_quiet(&c->host) ? -1 : 1;
	int n = epoll_wait(c->epoll_fd, ev, EVENTS_MAX, timeout_ms);
	msg_awake(c->bus, self);
	set_now(c);
	for (int i = 0; i < n; i++)
		dispatch(c, &ev[i]);
}

static void launch(struct ctrl *c)
{
	for (uint32_t i = 0; i < c->nworkers; i++)
		rte_eal_remote_launch(worker_main, c->workers[i], i + 1);
	const struct port_info *pi = port_info(c->port);
	log_write(LOG_NOTICE, "Redpoll is ready: device %s (%s, %u queue%s), %u worker%s, port %d", c->config.device,
		  pi->driver, pi->nqueues, pi->nqueues == 1 ? "" : "s", c->nworkers, c->nworkers == 1 ? "" : "s",
		  (int)c->config.port);
}

int ctrl_run(struct ctrl *c)
{
	launch(c);
	uint32_t work = 0;
	while (c->stop == 0 || !workers_left(c)) {
		wait_events(c, work != 0);
		work = rounds(c);
	}
	/* They went on serving each other until all were done. */
	for (uint32_t i = 0; i < c->nworkers; i++)
		__atomic_store_n(&c->workers[i]->stop, 2, __ATOMIC_RELAXED);
	rte_eal_mp_wait_lcore();
	c->workers_gone = true;
	for (uint32_t i = 0; i < c->nworkers; i++)
		log_drain(&c->workers[i]->log, i);
	log_write(LOG_NOTICE, "stopped");
	return 0;
}

/* ---- set-up ---- */

static int watch(struct ctrl *c, int fd, void *ptr)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = ptr};
	return fd >= 0 ? epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, fd, &ev) : -1;
}

static int make_fds(struct ctrl *c, struct err *e)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	/* Blocked before EAL makes its threads, so that every thread inherits it and only the descriptor sees them. */
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	c->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	c->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	struct itimerspec every = {.it_interval = {.tv_nsec = TICK_US * 1000}, .it_value = {.tv_nsec = TICK_US * 1000}};
	if (c->epoll_fd < 0 || c->signal_fd < 0 || c->timer_fd < 0 ||
	    timerfd_settime(c->timer_fd, 0, &every, NULL) != 0 || watch(c, c->signal_fd, &c->signal_fd) != 0 ||
	    watch(c, c->timer_fd, &c->timer_fd) != 0)
		return err_set(e, "cannot set up events: %s; raise the limit of open files", strerror(errno));
	return 0;
}

struct ctrl *ctrl_create(const struct config *cf, const char *program, bool *plain_may_do, struct err *e)
{
	struct ctrl *c = aligned_alloc(RP_CACHE_LINE, RTE_ALIGN_CEIL(sizeof *c, RP_CACHE_LINE));
	if (c == NULL) {
		err_set(e, "out of memory at boot");
		return NULL;
	}
	memset(c, 0, sizeof *c);
	c->config = *cf;
	c->program = program;
	c->epoll_fd = c->signal_fd = c->timer_fd = -1;
	uint8_t id[20];
	rng_system(id, sizeof id);
	for (uint32_t i = 0; i < sizeof id; i++)
		snprintf(c->run_id + 2 * i, 3, "%02x", id[i]);
	if (make_fds(c, e) != 0 || boot(c, e) != 0 ||
	    watch(c, msg_event_fd(c->bus, msg_bus_control(c->bus)), c->bus) != 0) {
		*plain_may_do = c->plain_may_do;
		ctrl_destroy(c);
		return NULL;
	}
	return c;
}

void ctrl_destroy(struct ctrl *c)
{
	boot_undo(c);
	for (int i = 0; i < 3; i++) {
		int fd = i == 0 ? c->epoll_fd : i == 1 ? c->signal_fd : c->timer_fd;
		if (fd >= 0)
			close(fd);
	}
	free(c);
}
