/* The script that runs, as the control thread sees it: how long, what, and how to end it. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "ctrlplane/script/script_thread_priv.h"

/* DPDK and libc use none of the real-time signals beyond the first ones. */
#define LOOK_SIGNAL (SIGRTMIN + 3)
/* Of one that computes long where CPUs are shared: a sixteenth of what those get whom it has no business with. */
#define LONG_NICE    12
#define BUSY_LOOK_US 10000 /* between two looks at who waits for a script that takes too long */
#define CPU_LOOK_US  2000  /* between two looks at how much it computed */
#define CPU_LONG_US  2000  /* since the first look: it does compute */

static __thread struct script_engine *engine_of_thread; /* for the signal handler */

static uint64_t clock_us(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint64_t mono_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

/* ---- script thread ---- */

static void on_look(int sig)
{
	if (engine_of_thread != NULL)
		script_engine_interrupt(engine_of_thread);
}

/* The kernel's priority of the calling thread. */
static bool set_nice(int to)
{
	return setpriority(PRIO_PROCESS, 0, to) == 0;
}

/* Of the run under way. */
static bool told_to_end(const struct script_thread *t)
{
	return __atomic_load_n(&t->hurry, __ATOMIC_SEQ_CST) != SCRIPT_HURRY_NOT ||
	       __atomic_load_n(&t->kill_id, __ATOMIC_SEQ_CST) == t->run_id;
}

static uint64_t cpu_us(void)
{
	return clock_us(CLOCK_THREAD_CPUTIME_ID);
}

static void go_last(struct script_thread *t)
{
	t->waits = set_nice(LONG_NICE);
	/* Told in this instant: who told may have raised it before it was lowered. */
	if (told_to_end(t))
		t->waits = !set_nice(t->nice);
}

/* Who computes long gives way, unless it shall end: then who told has raised it. Who waits long, for shards or for the
 * control thread's answers, must not: each of its waits would then end behind threads that poll. */
static void consider_last(struct script_thread *t, uint64_t us)
{
	if (!t->settings.shares_cpu || !t->can_wait || us < t->cpu_look_us)
		return;
	t->cpu_look_us = us + CPU_LOOK_US;
	if (told_to_end(t))
		t->waits = false;
	else if (!t->waits && cpu_us() - t->cpu_began_us >= CPU_LONG_US)
		go_last(t);
}

uint64_t script_wait_begin(const struct script_thread *t)
{
	return t->shown ? cpu_us() : 0;
}

void script_wait_end(struct script_thread *t, uint64_t began)
{
	if (began != 0)
		t->cpu_began_us += cpu_us() - began;
}

void script_signal_setup(struct script_thread *t)
{
	struct sigaction sa = {.sa_handler = on_look, .sa_flags = SA_RESTART};
	sigset_t set;

	engine_of_thread = t->engine;
	sigaction(LOOK_SIGNAL, &sa, NULL);
	sigemptyset(&set);
	sigaddset(&set, LOOK_SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	t->nice = getpriority(PRIO_PROCESS, 0);
	t->can_wait = t->nice < LONG_NICE && set_nice(LONG_NICE) && set_nice(t->nice);
	__atomic_store_n(&t->tid, gettid(), __ATOMIC_RELEASE);
}

void script_run_began(struct script_thread *t, bool function)
{
	__atomic_store_n(&t->run_wrote, false, __ATOMIC_RELAXED);
	__atomic_store_n(&t->run_function, function, __ATOMIC_RELAXED);
	/* Not t->now: that counts the processor's ticks, the control thread and the signal's look the kernel's time. */
	t->busy_look_us = 0;
	__atomic_store_n(&t->run_began_us, mono_us(), __ATOMIC_RELAXED);
	__atomic_store_n(&t->run_id, t->run_id + 1, __ATOMIC_RELEASE);
	if (rp_unlikely(__atomic_load_n(&t->hurry, __ATOMIC_RELAXED) != SCRIPT_HURRY_NOT))
		script_engine_interrupt(t->engine); /* nobody may be there to send a signal */
}

static void shown_free(struct script_thread *t)
{
	t->shown = false;
	free(t->shown_name);
	t->shown_name = NULL;
	for (uint32_t i = 0; i < t->shown_argc; i++)
		free((char *)t->shown_argv[i].ptr);
	free(t->shown_argv);
	t->shown_argv = NULL;
	t->shown_argc = 0;
}

void script_run_ended(struct script_thread *t)
{
	__atomic_store_n(&t->run_id, t->run_id + 1, __ATOMIC_RELEASE);
	if (rp_likely(!t->shown))
		return;
	if (t->waits)
		t->waits = !set_nice(t->nice);
	pthread_mutex_lock(&t->shown_lock);
	shown_free(t);
	pthread_mutex_unlock(&t->shown_lock);
}

/* A copy of what runs. It is for people: without memory there is less to see. */
static void show(struct script_thread *t)
{
	const struct resp_request *req = &t->current->m->req;

	pthread_mutex_lock(&t->shown_lock);
	t->shown_name = strdup(t->run.code->name);
	t->shown_argv = calloc(req->argc, sizeof *t->shown_argv);
	for (uint32_t i = 0; t->shown_argv != NULL && i < req->argc; i++) {
		char *copy = malloc(req->argv[i].len + 1);
		if (copy == NULL)
			break;
		memcpy(copy, req->argv[i].ptr, req->argv[i].len);
		t->shown_argv[i] = (struct slice){copy, req->argv[i].len};
		t->shown_argc = i + 1;
	}
	t->shown = true;
	pthread_mutex_unlock(&t->shown_lock);
}

/* Its shards, and those of transactions that wait for this thread. */
static void set_busy(struct script_thread *t)
{
	uint64_t shards = t->held;

	for (uint32_t i = 0; i < t->nguests; i++)
		shards |= t->guest[i].m->held;
	lease_set_busy(t->host.leases, t->run.code->function ? LEASE_BUSY_FUNCTION : LEASE_BUSY_SCRIPT, shards);
}

enum script_end script_interrupted(void *ctx)
{
	struct script_thread *t = ctx;
	uint64_t us = mono_us() - __atomic_load_n(&t->run_began_us, __ATOMIC_RELAXED);

	__atomic_store_n(&t->run_wrote, t->run.wrote, __ATOMIC_RELAXED);
	uint32_t hurry = __atomic_load_n(&t->hurry, __ATOMIC_RELAXED);
	if (hurry == SCRIPT_HURRY_ALL || (hurry != SCRIPT_HURRY_NOT && !t->run.wrote)) {
		t->torn = t->run.wrote;
		return SCRIPT_KILLED;
	}
	if (__atomic_load_n(&t->kill_id, __ATOMIC_RELAXED) == t->run_id && !t->run.wrote)
		return SCRIPT_KILLED;
	if (t->settings.max_time_us != 0 && us >= t->settings.max_time_us && !t->run.wrote)
		return SCRIPT_TOO_LONG;
	if (t->settings.busy_us != 0 && us >= t->settings.busy_us && us >= t->busy_look_us) {
		t->busy_look_us = us + BUSY_LOOK_US;
		script_refuse_waiting(t);
		set_busy(t);
	}
	if (!t->shown) {
		show(t);
		t->cpu_began_us = cpu_us();
		t->cpu_look_us = us + CPU_LOOK_US;
	}
	consider_last(t, us);
	return SCRIPT_GO_ON;
}

/* ---- control thread ---- */

/* The run under way; even: none. */
static uint64_t run_now(const struct script_thread *t)
{
	return __atomic_load_n(&t->run_id, __ATOMIC_ACQUIRE);
}

static int64_t run_us(const struct script_thread *t)
{
	return (int64_t)(mono_us() - __atomic_load_n(&t->run_began_us, __ATOMIC_RELAXED));
}

static void look(struct script_thread *t)
{
	if (t->started)
		pthread_kill(t->thread, LOOK_SIGNAL);
}

/* What shall end gives way to nobody any more: behind threads that poll its end took 12 s. */
static void end_soon(struct script_thread *t)
{
	int tid = __atomic_load_n(&t->tid, __ATOMIC_ACQUIRE);

	if (tid != 0 && t->can_wait)
		setpriority(PRIO_PROCESS, (id_t)tid, t->nice); /* where that fails it ends, later */
	look(t);
}

void script_thread_tick(struct script_thread *t)
{
	/* A script that takes longer than a tick is asked from then on, more often than it could be sent signals. */
	if ((run_now(t) & 1) != 0 && run_us(t) >= SCRIPT_LOOK_US)
		look(t);
}

uint64_t script_thread_run(const struct script_thread *t)
{
	uint64_t id = run_now(t);

	return (id & 1) != 0 ? id : 0;
}

bool script_thread_torn(const struct script_thread *t)
{
	return t->torn;
}

uint64_t script_thread_run_us(const struct script_thread *t)
{
	return (run_now(t) & 1) != 0 ? (uint64_t)RP_MAX(run_us(t), (int64_t)1) : 0;
}

bool script_running_get(struct script_thread *t, struct script_running *r)
{
	pthread_mutex_lock(&t->shown_lock);
	if (!t->shown || (run_now(t) & 1) == 0)
		return false;
	*r = (struct script_running){.function = __atomic_load_n(&t->run_function, __ATOMIC_RELAXED),
				     .name = t->shown_name != NULL ? t->shown_name : "",
				     .duration_us = run_us(t),
				     .argc = t->shown_argc,
				     .argv = t->shown_argv};
	return true;
}

void script_running_put(struct script_thread *t)
{
	pthread_mutex_unlock(&t->shown_lock);
}

enum script_kill script_thread_kill(struct script_thread *t, bool function)
{
	uint64_t id = run_now(t);

	if ((id & 1) == 0)
		return SCRIPT_KILL_NOTBUSY;
	if (__atomic_load_n(&t->run_wrote, __ATOMIC_RELAXED))
		return SCRIPT_KILL_UNKILLABLE;
	if (__atomic_load_n(&t->run_function, __ATOMIC_RELAXED) != function)
		return SCRIPT_KILL_OTHER;
	__atomic_store_n(&t->kill_id, id, __ATOMIC_SEQ_CST);
	end_soon(t);
	return SCRIPT_KILL_OK;
}

void script_thread_hurry(struct script_thread *t, enum script_hurry how)
{
	__atomic_store_n(&t->hurry, (uint32_t)how, __ATOMIC_SEQ_CST);
	if (how != SCRIPT_HURRY_NOT)
		end_soon(t);
}

void script_thread_stop(struct script_thread *t)
{
	__atomic_store_n(&t->stop, 1, __ATOMIC_RELAXED);
	script_thread_hurry(t, SCRIPT_HURRY_ALL);
	msg_kick(t->host.bus, t->host.self);
}
