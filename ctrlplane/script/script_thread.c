/* The script thread's life: set-up, loop, the way out. */
#include "ctrlplane/script/script_thread.h"

#include <errno.h>
#include <poll.h>
#include <rte_cycles.h>
#include <rte_lcore.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "ctrlplane/script/script_thread_priv.h"
#include "session/monitor.h"

#define STACK_BYTES     ((size_t)16 << 20) /* nested data of scripts is walked by calls */
#define SLEEP_MS        100
#define SEEN_PARCELS    8    /* of MONITOR's lines that wait while a script runs */
#define BACKGROUND_MASK 0xff /* iterations between two looks at memory and buffers */

/* ---- commands that run elsewhere ---- */

static uint32_t owner_of(const struct session_host *h, const struct cmd_ctx *c)
{
	if (c->cmd->route == CMD_CHANNEL && c->argc > 1)
		return cmd_channel_owner(&h->env, c->argv[1]);
	return msg_bus_control(h->bus);
}

static void fill_msg(const struct session_host *h, const struct cmd_ctx *c, struct msg *m)
{
	m->kind = c->cmd->route == CMD_CHANNEL ? MSG_CMD_FREE : MSG_CMD;
	m->owner = (uint8_t)owner_of(h, c);
	m->session = NULL;
	m->cmd = c->cmd;
	m->client_id = c->client_id;
	m->client_flags = c->client_flags;
	m->db = c->db;
	m->fill = c->out->fill;
	m->proto = c->out->proto;
	m->muted = false;
	m->req = (struct resp_request){.argc = c->argc, .argv = c->argv};
}

/* Nobody waits for the end of a call. */
static void call_ended(struct session_host *h, struct msg *m)
{
	if (m->back != NULL)
		m->back(m->kind == MSG_CALL_HOST ? h : h->env.owner, m);
	msg_put(h->bus, m);
}

/* A script's command, for those in MONITOR. */
static void seen(void *ctx, const struct cmd_ctx *c)
{
	struct script_thread *t = ctx;
	struct session_host *h = &t->host;

	if (rp_likely(!h->monitored))
		return;
	monitor_tell(h, c->cmd, c->argc, c->argv, c->db, NULL);
	if (post_waiting(h->post) >= SEEN_PARCELS) {
		host_poll_done(h, false);
		post_flush(h);
		msg_flush(h->bus, h->self);
	}
}

/* Until m is back; what else comes back meanwhile are calls whose end nobody waits for. False: the server stops. */
static bool await(struct script_thread *t, const struct msg *m)
{
	struct session_host *h = &t->host;
	struct msg *back;

	while (!__atomic_load_n(&t->stop, __ATOMIC_RELAXED)) {
		if (msg_take_done(h->bus, h->self, &back, 1) == 0)
			sched_yield();
		else if (back == m)
			return true;
		else
			call_ended(h, back);
	}
	return false;
}

/* Sends the command where it belongs and waits for its reply. Nobody there waits for this thread. */
static void run_elsewhere(void *ctx, struct cmd_ctx *c)
{
	struct script_thread *t = ctx;
	struct session_host *h = &t->host;
	struct msg *m = msg_get(h->bus, h->self);

	if (m == NULL) {
		reply_error(c->out, "ERR too many messages under way for this script; try again");
		return;
	}
	fill_msg(h, c, m);
	msg_send(h->bus, m);
	msg_flush(h->bus, h->self);
	uint64_t began = script_wait_begin(t);
	bool answered = await(t, m);
	script_wait_end(t, began);
	if (!answered) {
		reply_error(c->out, "ERR the server stops"); /* and nobody is left to answer */
		return;
	}
	c->out->failed |= m->failed;
	reply_splice(c->out, m->reply_head, m->reply_tail, m->reply_bytes);
	slow_notes_keep(m, 0);
	msg_put(h->bus, m);
}

/* ---- the loop ---- */

static bool quiet(const struct script_thread *t)
{
	if (t->nguests > 0)
		return false;
	if (t->lease.submitted)
		return !lease_granted(&t->lease);
	return t->queued == 0;
}

static void idle(struct script_thread *t)
{
	struct session_host *h = &t->host;

	if (t->idle_since_us == 0)
		t->idle_since_us = t->now.mono_us;
	if (t->now.mono_us - t->idle_since_us < t->settings.spin_us) {
		sched_yield(); /* where CPUs are few, whoever sends us work may need this one */
		return;
	}
	struct pollfd fd = {.fd = msg_event_fd(h->bus, h->self), .events = POLLIN};
	msg_sleeping(h->bus, h->self);
	if (quiet(t) && !msg_pending(h->bus, h->self, true) && !__atomic_load_n(&t->stop, __ATOMIC_RELAXED))
		poll(&fd, 1, SLEEP_MS);
	else
		sched_yield();
	msg_awake(h->bus, h->self);
}

static void background(struct script_thread *t)
{
	host_poll_buffers(&t->host);
	heap_poll(t->host.heap, 64);
}

uint32_t script_iterate(struct script_thread *t)
{
	clock_read(&t->clock, &t->now);
	host_set_now(&t->host, &t->now);
	uint32_t work = host_poll_done(&t->host, false);
	work += script_take(t);
	work += script_work(t);
	work += post_flush(&t->host);
	host_kick_journal(&t->host);
	return work + msg_flush(t->host.bus, t->host.self);
}

static void *script_main(void *arg)
{
	struct script_thread *t = arg;
	uint64_t last = rte_rdtsc();

	rte_thread_register(); /* a cache of packet buffers; without one it works, too */
	prctl(PR_SET_TIMERSLACK, 1000UL, 0, 0, 0);
	script_signal_setup(t);
	for (uint32_t i = 0; !__atomic_load_n(&t->stop, __ATOMIC_RELAXED); i++) {
		uint32_t work = script_iterate(t);
		if ((i & BACKGROUND_MASK) == 0)
			background(t);
		uint64_t now = rte_rdtsc();
		__atomic_store_n(work > 0 ? &t->busy_cycles : &t->empty_cycles,
				 (work > 0 ? t->busy_cycles : t->empty_cycles) + now - last, __ATOMIC_RELAXED);
		if (work > 0) {
			t->idle_since_us = 0;
		} else {
			idle(t);
			now = rte_rdtsc();
		}
		last = now;
	}
	rte_thread_unregister();
	return NULL;
}

/* ---- settings ---- */

struct new_conf {
	struct dp_conf conf;
	struct script_settings settings;
};

static void take_conf(void *owner, struct msg *m)
{
	struct script_thread *t = owner;
	struct new_conf *n = m->arg[0];

	host_set_conf(&t->host, &n->conf);
	t->settings = n->settings;
	script_engine_set_memory_max(t->engine, n->settings.memory_max);
	free(n);
}

void script_thread_configure(struct script_thread *t, const struct dp_conf *conf, const struct script_settings *s)
{
	uint32_t control = msg_bus_control(t->host.bus);
	struct new_conf *n = malloc(sizeof *n);
	struct msg *m = n != NULL ? msg_get(t->host.bus, control) : NULL;

	if (m == NULL) {
		free(n); /* the next change carries this one */
		return;
	}
	n->conf = *conf;
	n->settings = *s;
	m->kind = MSG_CALL;
	m->owner = (uint8_t)t->host.self;
	m->fn = take_conf;
	m->arg[0] = n;
	m->arg[3] = NULL;
	msg_send(t->host.bus, m);
	msg_flush(t->host.bus, control);
}

/* ---- life ---- */

static bool make_engine(struct script_thread *t)
{
	struct script_call_params cp = {.env = &t->host.env,
					.mbufs = t->host.mbufs,
					.errors = &t->host.errors,
					.ctx = t,
					.seen = seen,
					.remote = run_elsewhere,
					.slow = script_report_slow};

	t->call = script_call_create(&cp);
	if (t->call == NULL)
		return false;
	struct script_ops ops = {.ctx = t->call,
				 .call = script_call_run,
				 .acl_check = script_call_acl_check,
				 .set_repl = script_call_set_repl,
				 .watch_ctx = t,
				 .log = script_log,
				 .interrupted = script_interrupted};
	t->engine = script_engine_create(&ops, t->settings.memory_max);
	if (t->engine == NULL)
		return false;
	t->cache = script_cache_create(t->engine);
	t->libraries = script_libraries_create(t->engine);
	return t->cache != NULL && t->libraries != NULL;
}

struct script_thread *script_thread_create(const struct script_thread_params *p, struct err *e)
{
	struct script_thread *t = aligned_alloc(RP_CACHE_LINE, RTE_ALIGN_CEIL(sizeof *t, RP_CACHE_LINE));
	struct session_host_params hp = p->host;

	if (t == NULL) {
		err_set(e, "out of memory for the script thread");
		return NULL;
	}
	memset(t, 0, sizeof *t);
	hp.owner = t;
	hp.max_sessions = 1;
	hp.ops.denied = script_report_denied;
	if (host_init(&t->host, &hp, e) != 0) {
		free(t);
		return NULL;
	}
	t->settings = p->settings;
	t->clock = p->clock;
	t->cpu = p->cpu;
	pthread_mutex_init(&t->shown_lock, NULL);
	clock_read(&t->clock, &t->now);
	host_set_now(&t->host, &t->now);
	host_poll_buffers(&t->host);
	if (!make_engine(t)) {
		err_set(e, "out of memory for the script engine; raise script-max-memory or free memory");
		script_thread_destroy(t);
		return NULL;
	}
	return t;
}

int script_thread_start(struct script_thread *t)
{
	pthread_attr_t attr;
	cpu_set_t cpus;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	if (t->cpu >= 0) {
		CPU_ZERO(&cpus);
		CPU_SET((unsigned)t->cpu, &cpus);
		pthread_attr_setaffinity_np(&attr, sizeof cpus, &cpus);
	}
	int status = pthread_create(&t->thread, &attr, script_main, t);
	pthread_attr_destroy(&attr);
	if (status != 0)
		return -status;
	pthread_setname_np(t->thread, "redpoll-script");
	t->started = true;
	return 0;
}

void script_thread_join(struct script_thread *t)
{
	if (!t->started)
		return;
	pthread_join(t->thread, NULL);
	t->started = false;
}

void script_thread_destroy(struct script_thread *t)
{
	if (t == NULL)
		return;
	script_libraries_destroy(t->libraries);
	script_cache_destroy(t->cache);
	script_engine_destroy(t->engine);
	script_call_destroy(t->call);
	host_fini(&t->host);
	pthread_mutex_destroy(&t->shown_lock);
	free(t);
}

struct session_host *script_thread_host(struct script_thread *t)
{
	return &t->host;
}

void script_thread_figures(const struct script_thread *t, struct script_figures *f)
{
	*f = (struct script_figures){.scripts = script_cache_count(t->cache),
				     .scripts_bytes = script_cache_bytes(t->cache),
				     .libraries = script_libraries_count(t->libraries),
				     .functions = script_functions_count(t->libraries),
				     .functions_bytes = script_libraries_bytes(t->libraries),
				     .lua_bytes = script_engine_memory(t->engine),
				     .busy_cycles = __atomic_load_n(&t->busy_cycles, __ATOMIC_RELAXED),
				     .empty_cycles = __atomic_load_n(&t->empty_cycles, __ATOMIC_RELAXED),
				     .batches = __atomic_load_n(&t->batches, __ATOMIC_RELAXED)};
}

void script_bind(void)
{
	script_bind_eval();
	script_bind_function();
}
