/* Between the files of the script thread. */
#pragma once

#include <pthread.h>

#include "ctrlplane/script/script_cache.h"
#include "ctrlplane/script/script_call.h"
#include "ctrlplane/script/script_library.h"
#include "ctrlplane/script/script_thread.h"

#define SCRIPT_QUEUE   64    /* scripts taken off the rings and not run yet */
#define SCRIPT_LOOK_US 20000 /* a script that runs longer is looked at */

/* A command that waits for its turn. */
struct script_entry {
	struct msg *m;
	uint64_t shards;            /* that it needs; 0: none */
	bool wide;                  /* it leases every shard, since it may use keys that it does not name */
	uint8_t digest[SHA1_BYTES]; /* EVAL's text */
};

struct script_thread {
	struct session_host host; /* no sessions: environment, counters, messages */
	struct script_engine *engine;
	struct script_cache *cache;
	struct script_libraries *libraries;
	struct script_call *call;
	struct script_settings settings; /* replaced between two scripts */
	struct clock clock;
	struct clock_now now;
	pthread_t thread;
	bool started;
	int nice;      /* its priority to the kernel from the beginning */
	bool can_wait; /* it may lower it, as it can raise it again */
	bool waits;    /* and has */
	int tid;       /* atomic: the kernel's name of it, 0 before it has begun; the script thread writes */
	int cpu;
	uint32_t stop, hurry; /* atomic; control writes. hurry: enum script_hurry */
	bool torn;            /* a script was ended that had written: nothing runs any more */

	struct script_entry queue[SCRIPT_QUEUE]; /* in order of arrival */
	uint32_t queued;
	struct msg *late, *late_tail;              /* and those that it has no room for */
	struct script_entry guest[RP_MAX_WORKERS]; /* of transactions, which hold the shards: they are disjoint */
	uint32_t nguests;
	struct script_entry *current; /* the guest or head of the queue that runs */
	struct lease lease;
	bool leasing; /* lease is submitted, or wanted */
	uint64_t want, held;
	struct script_run run;
	uint32_t slow_notes, denials; /* that hang on the message of the one that runs */
	char no_writes[256];          /* run.no_writes */
	uint64_t idle_since_us;
	uint64_t busy_cycles, empty_cycles, batches; /* this thread writes, anybody reads relaxed */

	/* the script that runs, for the control thread */
	uint64_t run_id;            /* atomic: raised at begin and end, odd while one runs; this thread writes */
	uint64_t run_began_us;      /* atomic, monotonic */
	uint64_t busy_look_us;      /* of the run: when those who wait are looked at next; the script thread's */
	uint64_t cpu_look_us;       /* of the run: when its time on the CPU is looked at next; the script thread's */
	uint64_t cpu_began_us;      /* that time at the first look, and what it has waited in vain since then */
	uint64_t kill_id;           /* atomic: the run_id that shall end; control writes */
	bool run_wrote;             /* atomic */
	bool run_function;          /* atomic */
	pthread_mutex_t shown_lock; /* of what follows; never taken by a worker */
	bool shown;
	char *shown_name;
	uint32_t shown_argc;
	struct slice *shown_argv;
};

static inline struct script_thread *script_thread_of(const struct cmd_ctx *c)
{
	return c->env->owner;
}

/* ---- script_thread.c ---- */
/* One turn of the loop; tests play it between those of other threads. Returns its work. */
uint32_t script_iterate(struct script_thread *t);
/* ---- script_batch.c ---- */
/* Takes commands off the rings into the queue. Returns how many. */
uint32_t script_take(struct script_thread *t);
/* Gets on with the queue: leases, runs, releases. Returns how many ran. */
uint32_t script_work(struct script_thread *t);
/* Answers those who wait behind the script that runs: it takes too long. */
void script_refuse_waiting(struct script_thread *t);
/* Beyond maxmemory, and no room could be made on the shards that are held. */
bool script_memory_short(struct script_thread *t);

/* ---- script_keys.c ---- */
/* Which shards the command needs. */
void script_entry_prepare(struct script_thread *t, struct script_entry *e);
/* May the script that EVALSHA or FCALL names write, as far as it is known? */
bool script_may_change(struct script_thread *t, const struct msg *m);

/* ---- script_watch.c ---- */
void script_run_began(struct script_thread *t, bool function);
/* Around a wait of the script that spins: it is no computing. The second takes what the first has returned. */
uint64_t script_wait_begin(const struct script_thread *t);
void script_wait_end(struct script_thread *t, uint64_t began);
void script_run_ended(struct script_thread *t);
/* struct script_ops.interrupted */
enum script_end script_interrupted(void *ctx);
void script_signal_setup(struct script_thread *t);

/* ---- script_upcall.c ---- */
/* struct script_ops.log */
void script_log(void *ctx, int level, struct slice text);
/* A command of the entry that runs, or the entry's own, took at least host.slow_cycles. ctx: the thread. */
void script_report_slow(void *ctx, const struct cmd_ctx *c, uint64_t cycles);
/* cmd_env.acl_denied; ctx: the thread. */
void script_report_denied(void *ctx, const struct acl_denial *d);

/* ---- script_eval.c ---- */
/* Runs code for a command whose words from `first` on are the number of keys, keys and arguments. *wide: remembers that
 * it uses more than its KEYS. */
void script_run_code(struct cmd_ctx *c, const struct script_code *code, uint32_t first, bool read_only, bool *wide);
/* ---- script_function.c ---- */
/* A command has changed the libraries (loaded: added the one that it names). */
void script_libraries_changed(struct cmd_ctx *c, bool loaded);
void script_bind_eval(void);
void script_bind_function(void);
void script_bind_dump(void);
/* FUNCTION RESTORE; word: of the policy, ptr NULL if there is none. False with a reason in why[SCRIPT_WHY_MAX]. */
bool script_restore(struct script_thread *t, struct slice payload, struct slice word, struct heap *heap, char *why);
