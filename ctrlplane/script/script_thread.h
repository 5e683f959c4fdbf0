/* The script thread: takes scripts from every session, leases the shards that a batch of them needs, runs them one by
 * one, answers, gives the shards back. It is an endpoint of the bus and a coordinator of leases like a worker, but has
 * no shard and no sessions. Nobody waits for it but the sessions whose scripts it runs.
 *
 * The control thread creates it, watches how long a script runs (script_thread_tick()), and ends scripts.
 */
#pragma once

#include "worker/worker.h"

struct script_thread;

enum script_lease_mode {
	SCRIPT_LEASE_AUTO,     /* the shards of KEYS; all for scripts that name none or use others */
	SCRIPT_LEASE_DECLARED, /* the shards of KEYS, whatever happens */
	SCRIPT_LEASE_ALL
};

struct script_settings {
	enum script_lease_mode lease;
	uint64_t memory_max;  /* bytes of Lua; 0: no bound */
	uint64_t max_time_us; /* of one script that has written nothing; 0: no bound */
	uint64_t busy_us;     /* busy-reply-threshold; 0: never */
	enum log_level log_level;
	uint64_t spin_us; /* how long it looks for work before it sleeps */
	bool shares_cpu;  /* with threads that sleep when idle: a script that computes long lets them go first */
};

struct script_thread_params {
	struct session_host_params host; /* own -1; ops and owner are filled in */
	struct script_settings settings;
	struct clock clock; /* to copy */
	int cpu;            /* -1: any */
};

/* Handlers of the CMD_SCRIPT rows. Boot. */
void script_bind(void);

/* Control thread. NULL with *e. */
struct script_thread *script_thread_create(const struct script_thread_params *p, struct err *e);
/* 0 or -errno. */
int script_thread_start(struct script_thread *t);
enum script_hurry {
	SCRIPT_HURRY_NOT,
	SCRIPT_HURRY_UNWRITTEN, /* a script that takes long and has written nothing ends */
	SCRIPT_HURRY_ALL        /* whatever it has done. What it wrote is a unit of the journal that is never shown to
				   its reader, and its shards are never given back: only who stops the server may want it */
};
/* The server is going to stop. */
void script_thread_hurry(struct script_thread *t, enum script_hurry how);
/* The number of the run under way, 0: no script runs. */
uint64_t script_thread_run(const struct script_thread *t);
/* A script that had written was ended. Only when the thread has ended. */
bool script_thread_torn(const struct script_thread *t);
/* Asks it to end, and with it the script that runs. Only when the workers have, and this thread serves nobody any more.
 */
void script_thread_stop(struct script_thread *t);
/* Waits until it has ended. */
void script_thread_join(struct script_thread *t);
void script_thread_destroy(struct script_thread *t);
/* Every now and then: has somebody to look after the script that runs? */
void script_thread_tick(struct script_thread *t);
/* New settings; never waits. conf is copied. */
void script_thread_configure(struct script_thread *t, const struct dp_conf *conf, const struct script_settings *s);
struct session_host *script_thread_host(struct script_thread *t);

/* What runs, if it has run so long that others may want to know. Control thread; released with script_running_put(). */
struct script_running {
	bool function;
	const char *name;
	int64_t duration_us;
	uint32_t argc; /* the command */
	const struct slice *argv;
};
enum script_kill {
	SCRIPT_KILL_OK,
	SCRIPT_KILL_NOTBUSY,    /* nothing runs */
	SCRIPT_KILL_OTHER,      /* a function, if a script is meant, and the other way round */
	SCRIPT_KILL_UNKILLABLE, /* it has written */
};
/* How long the script that runs has run; 0: none does. */
uint64_t script_thread_run_us(const struct script_thread *t);
bool script_running_get(struct script_thread *t, struct script_running *r);
void script_running_put(struct script_thread *t);
enum script_kill script_thread_kill(struct script_thread *t, bool function);

struct script_figures {
	uint64_t scripts, scripts_bytes, libraries, functions, functions_bytes, lua_bytes;
	uint64_t busy_cycles, empty_cycles, batches;
};
void script_thread_figures(const struct script_thread *t, struct script_figures *f);
