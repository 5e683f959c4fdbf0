/* The control thread: its loop, its calls to the workers, the end. */
#include <errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/turn.h"
#include "ctrlplane/ctrl_client.h"
#include "ctrlplane/ctrl_aof.h"
#include "ctrlplane/ctrl_load.h"
#include "ctrlplane/ctrl_script.h"
#include "net/xdp_neigh.h"

#define TICK_US        100000
#define PREFAULT_BYTES (64u << 20) /* memory made ready ahead of each shard */
#define EVENTS_MAX     64
#define ROUNDS_MAX     16
#define NAP_NS         20000
#define GO_FIRST_NICE  (-5)
#define SPINS          100 /* looks for an answer, some microseconds, before it is waited for asleep */

/* ---- calls to workers ---- */

void ctrl_call_begin(struct ctrl *c, uint32_t worker, msg_call_fn fn, void *arg, bool *done)
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

void ctrl_nap(void)
{
	const struct timespec ts = {.tv_nsec = NAP_NS};

	nanosleep(&ts, NULL);
}

static void call_wait(struct ctrl *c, const bool *done)
{
	for (uint32_t n = 0; !__atomic_load_n(done, __ATOMIC_ACQUIRE); n++)
		if (host_poll_done(&c->host, true) == 0 && n >= SPINS)
			ctrl_nap();
}

/* Workers that were told to stop at once answer no more. Nothing that happens in call_wait() tells them so. */
static bool may_call(const struct ctrl *c)
{
	return !c->workers_gone && c->stop <= 1;
}

void ctrl_call_one(struct ctrl *c, uint32_t worker, msg_call_fn fn, void *arg)
{
	bool done = false;
	if (!may_call(c))
		return;
	ctrl_call_begin(c, worker, fn, arg, &done);
	call_wait(c, &done);
}

void ctrl_call_all(struct ctrl *c, msg_call_fn fn, void *arg)
{
	bool done[RP_MAX_WORKERS] = {false};
	if (!may_call(c))
		return;
	for (uint32_t i = 0; i < c->nworkers; i++)
		ctrl_call_begin(c, i, fn, arg, &done[i]);
	for (uint32_t i = 0; i < c->nworkers; i++)
		call_wait(c, &done[i]);
}

static void take_conf(void *owner, struct msg *m)
{
	struct worker *w = owner;
	host_set_conf(&w->host, m->arg[0]);
	host_poll_memory(&w->host);
}

void ctrl_publish_conf(struct ctrl *c)
{
	boot_dp_conf(c);
	host_set_conf(&c->host, &c->dp);
	host_poll_memory(&c->host);
	ctrl_call_all(c, take_conf, &c->dp);
	ctrl_script_configure(c);
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
	sum += hs.used_bytes;
	heap_stats_get(c->script_heap, &hs);
	return sum + hs.used_bytes;
}

/* ---- the loop ---- */

void ctrl_stop_now(struct ctrl *c)
{
	c->stop = RP_MAX(c->stop, 1u);
	ctrl_stop(c);
}

void ctrl_stop(struct ctrl *c)
{
	uint32_t how = ++c->stop > 1 ? 2 : 1;
	log_write(LOG_NOTICE, how == 1 ? "asked to stop: closing clients" : "stopping at once");
	if (c->admin != NULL)
		admin_stop(c->admin);
	for (uint32_t i = 0; i < c->nworkers; i++) {
		__atomic_store_n(&c->workers[i]->stop, how, __ATOMIC_RELAXED);
		msg_kick(c->bus, i);
	}
	/* A script that never ends must not keep its clients, and so the workers, for ever. What has written is given
	 * time, since half of it is of no use to anybody. */
	script_thread_hurry(c->script, how == 1 ? SCRIPT_HURRY_UNWRITTEN : SCRIPT_HURRY_ALL);
}

static void take_hangup(const struct ctrl *c)
{
	int ret = log_reopen();

	if (ret < 0)
		log_write(LOG_WARNING, "cannot open logfile %s again: %s; its directory must exist and be writable",
			  c->config.logfile, strerror(-ret));
	else if (ret > 0)
		log_write(LOG_NOTICE, "SIGHUP: the log file was opened again");
}

static void take_signals(struct ctrl *c)
{
	struct signalfd_siginfo si;
	while (read(c->signal_fd, &si, sizeof si) == sizeof si) {
		if (si.ssi_signo == SIGHUP)
			take_hangup(c);
		else
			ctrl_terminate(c);
	}
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
	script_thread_tick(c->script);
	xdp_neigh_poll(port_neigh(c->port));
	ctrl_rates_sample(c);
	ctrl_persist_tick(c);
	ctrl_aof_tick(c);
	uint64_t used = ctrl_used_memory(c);
	c->peak_bytes = RP_MAX(c->peak_bytes, used);
	heap_poll(c->heap, 1024);
	host_poll_idle(&c->host);
	host_poll_memory(&c->host);
	host_poll_buffers(&c->host);
	ctrl_poll_users(c);
	ctrl_evict_clients(c);
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
		work = host_poll(&c->host) + host_poll_messages(&c->host) + ctrl_persist_poll(c);
		uint64_t again_us = ctrl_aof_poll(c);
		c->aof_wake_us = again_us == UINT64_MAX ? UINT64_MAX : c->now.mono_us + again_us;
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

/* -1: nobody's time runs out. */
static int until_next_ms(const struct ctrl *c)
{
	uint64_t next = host_next_us(&c->host), now = c->now.mono_us;

	if (next == UINT64_MAX)
		return -1;
	return next <= now ? 0 : (int)RP_MIN((next - now + 999) / 1000, (uint64_t)INT32_MAX);
}

static void wait_events(struct ctrl *c, bool more)
{
	struct epoll_event ev[EVENTS_MAX];
	uint32_t self = msg_bus_control(c->bus);
	msg_sleeping(c->bus, self);
	/* A lease that could not be appended yet is tried again soon; everything else comes with an event. */
	int timeout_ms = more || msg_pending(c->bus, self, true) || ctrl_aof_due(c) ? 0
			 : host_quiet(&c->host)                                     ? until_next_ms(c)
										    : 1;
	uint64_t wake_us = RP_MIN(ctrl_persist_wake_us(c), c->aof_wake_us);
	if (wake_us != UINT64_MAX) {
		int ms = wake_us <= c->now.mono_us ? 1 : (int)((wake_us - c->now.mono_us) / 1000) + 1;
		timeout_ms = timeout_ms < 0 ? ms : RP_MIN(timeout_ms, ms);
	}
	int n = epoll_wait(c->epoll_fd, ev, EVENTS_MAX, timeout_ms);
	msg_awake(c->bus, self);
	set_now(c);
	for (int i = 0; i < n; i++)
		dispatch(c, &ev[i]);
}

/* For those who keep the control thread for long, in no handler: the loop goes round once. */
void ctrl_round(struct ctrl *c)
{
	wait_events(c, true);
	rounds(c);
}

static void launch(struct ctrl *c)
{
	for (uint32_t i = 0; i < c->nworkers; i++) {
		RP_TSAN_GIVE(c->workers[i]);
		rte_eal_remote_launch(worker_main, c->workers[i], i + 1);
	}
}

/* What is on disk, while clients are told LOADING. */
static int load(struct ctrl *c, struct err *e)
{
	if (!c->persist->loading.on)
		return 0;
	ctrl_loading_begin(c);
	int rc = ctrl_load_boot(c, e);
	if (rc == 0) /* or else nobody is served any more */
		ctrl_loading_end(c);
	ctrl_publish_conf(c);
	return rc;
}

static void say_ready(const struct ctrl *c)
{
	const struct port_info *pi = port_info(c->port);
	log_write(LOG_NOTICE, "Redpoll is ready: device %s (%s, %u queue%s), %u worker%s, port %d", c->config.device,
		  pi->driver, pi->nqueues, pi->nqueues == 1 ? "" : "s", c->nworkers, c->nworkers == 1 ? "" : "s",
		  (int)c->config.port);
}

/* Replies wait for what this thread does (appendfsync always), and it does little: where it shares its CPU with
 * somebody busy, it and the kernel's threads that write for it go first. Without the right to that they wait their
 * turn. No further ahead than that: to a thread of much greater weight Linux 6.18 owes so much time that others on the
 * CPU, workers among them, then stand still for seconds (7 s at -20 with two busy programs beside). */
static void go_first(void)
{
	if (setpriority(PRIO_PROCESS, 0, GO_FIRST_NICE) != 0)
		log_write(LOG_VERBOSE, "the control thread has no priority: %s", strerror(errno));
	turn_set(TURN_SHORT_NS);
	prctl(PR_SET_TIMERSLACK, 1000UL, 0, 0, 0);
}

int ctrl_run(struct ctrl *c)
{
	struct err e;
	launch(c);
	int status = script_thread_start(c->script);
	go_first(); /* threads begin with the priority of who makes them */
	if (status != 0)
		err_set(&e, "cannot start the script thread: %s; raise the limit of threads", strerror(-status));
	else
		status = load(c, &e);
	if (c->stop != 0)
		status = 0; /* not loaded, as was wished */
	else if (status == 0)
		say_ready(c);
	else
		log_write(LOG_WARNING, "%s", e.text);
	if (status != 0 && c->stop == 0)
		ctrl_stop(c);
	uint32_t work = 0;
	while (c->stop == 0 || !workers_left(c) || ctrl_script_lasts(c)) {
		wait_events(c, work != 0);
		work = rounds(c);
	}
	/* They went on serving each other until all were done. */
	for (uint32_t i = 0; i < c->nworkers; i++)
		__atomic_store_n(&c->workers[i]->stop, 2, __ATOMIC_RELAXED);
	rte_eal_mp_wait_lcore();
	for (uint32_t i = 0; i < c->nworkers; i++)
		RP_TSAN_TAKE(c->workers[i]);
	script_thread_stop(c->script);
	script_thread_join(c->script);
	if (script_thread_torn(c->script))
		log_write(LOG_WARNING, "a script was ended halfway after it had written: nothing of what it, or the "
				       "transaction that it belongs to, has changed is kept on disk");
	c->workers_gone = true;
	set_now(c);
	ctrl_aof_close(c);
	for (uint32_t i = 0; i < c->nworkers; i++)
		log_drain(&c->workers[i]->log, i);
	if (status != 0)
		fprintf(stderr, "redpoll: %s\n", e.text);
	log_write(LOG_NOTICE, "stopped");
	return status == 0 ? 0 : EXIT_FAILURE;
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
	sigaddset(&set, SIGHUP); /* no end: a terminal that closes must not cost data */
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

/* Operations on files that end wake the loop, where they do not end at once. */
/* For edges: nobody reads it, and as a level it would keep the loop from ever sleeping again. */
static int watch_files(struct ctrl *c)
{
	int fd = file_sys_event_fd(c->persist->files);
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.ptr = c->bus};
	return fd < 0 ? 0 : epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, fd, &ev);
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
	ctrl_make_id(c->run_id);
	ctrl_make_id(c->replid);
	if (make_fds(c, e) != 0 || boot(c, e) != 0 ||
	    watch(c, msg_event_fd(c->bus, msg_bus_control(c->bus)), c->bus) != 0 || watch_files(c) != 0) {
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
