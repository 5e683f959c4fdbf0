/* The control plane: one thread that sleeps in epoll and does what must never delay a packet.
 *
 * It has a session_host of its own (endpoint n, no shard): the admin listener's clients are ordinary sessions whose
 * transport is a kernel socket, and whose commands reach the shards through the rings. CMD_CONTROL commands run here,
 * for its own clients and for those of the workers.
 *
 * Order of calls: ctrl_create(), ctrl_run() (returns after SIGTERM or SHUTDOWN), ctrl_destroy(). All on the main
 * thread.
 */
#pragma once

#include "cmd/pubsub.h"
#include "ctrlplane/config.h"
#include "worker/worker.h"

struct slowlog;
struct persist;
struct aof;
struct latency;
struct acl_log;
struct admin;
struct script_thread;

struct ctrl {
	struct config config; /* the master copy; workers have struct dp_conf */
	struct dp_conf dp;    /* what was last sent to them */
	const char *program;  /* argv[0] made absolute */
	char run_id[41];      /* 40 hex digits */
	bool debug_scripts;   /* DEBUG SET-DISABLE-DENY-SCRIPTS */
	char replid[41];      /* of the data, as replicas know it; likewise */
	int64_t started_wall_us;
	uint64_t started_mono_us;
	struct port *port;
	struct net_ifaddr addrs[NET_MAX_ADDRS]; /* in use: set, the default, or the interface's */
	uint32_t naddrs;
	struct net_addr gateway, gateway6;
	struct msg_bus *bus;
	struct lease_table *leases;
	uint16_t *slot_map;
	uint32_t nworkers;
	struct worker **workers;
	struct store **stores;
	struct heap **heaps; /* [2 * nworkers + 2]: shard and thread of each worker, ours, the script thread's */
	struct rte_ring ***steer_in;  /* [to][from]; NULL with one worker */
	struct rte_ring ***steer_out; /* [from][to]: the same rings */
	struct heap *heap;            /* this thread's */
	struct session_host host;
	struct script_thread *script;
	struct heap *script_heap;
	struct clock clock;
	struct clock_now now;
	struct admin *admin;
	struct persist *persist; /* ctrl_persist.h */
	struct aof *aof;         /* ctrl_aof.h */
	uint64_t aof_wake_us;    /* when the append-only file wants its next turn */
	struct journal_clock durable;
	struct slowlog *slowlog;
	struct latency *latency;
	struct acl_table *users;  /* what every host has now */
	struct acl_user *retired; /* replaced, but perhaps still with a request under way */
	struct acl_log *acl_log;
	int epoll_fd, signal_fd, timer_fd;
	uint32_t stop;                          /* signals that asked for the end so far */
	uint64_t stop_since_us, script_seen_us; /* ctrl_script_lasts() */
	bool stop_nosave;   /* by SHUTDOWN NOSAVE: a script that others are told BUSY for is not waited for */
	bool hugepages;     /* in use */
	bool workers_gone;  /* their threads have ended: nobody would answer a call */
	bool plain_may_do;  /* boot failed with hugepages that `auto` chose */
	struct stat_rates { /* instantaneous_* of INFO: 16 samples, 100 ms apart */
		uint64_t last_us, last_commands, last_in, last_out;
		uint64_t ops[16], in[16], out[16];
		uint32_t at;
	} rates;
	struct stat_base { /* what CONFIG RESETSTAT took off; counters of workers only grow */
		uint64_t commands, sessions, rejected, hits, misses, expired, evicted, freed, net_in, net_out;
		struct acl_counts denied;
		struct cmd_stat *cmd; /* [cmd_count] */
		struct error_stats errors;
	} base;
	uint64_t peak_bytes;
	uint64_t evicted_clients; /* since CONFIG RESETSTAT */
	struct session_shared shared;
};

/* NULL with one sentence in *e. Everything made so far is taken down again. *plain_may_do: the hugepages that `auto`
 * chose were taken by others meanwhile. EAL cannot be started twice in a process, so a new one with `hugepages no` is
 * what helps. */
struct ctrl *ctrl_create(const struct config *c, const char *program, bool *plain_may_do, struct err *e);
/* Starts the workers and runs until asked to end. Returns the exit status. */
int ctrl_run(struct ctrl *c);
void ctrl_destroy(struct ctrl *c);

/* ---- for the files of ctrlplane/ ---- */

/* Waits some microseconds for what another thread does, asleep. Never by sched_yield(): this thread goes first wherever
 * it shares a CPU (go_first()), and whoever it waits for would not run there for seconds. */
void ctrl_nap(void);
/* Runs fn on every worker's thread, between two commands, also while its shard is leased; returns when all have. fn
 * gets (struct worker *, m) with m->arg[0] = arg and m->arg[1] = the worker's number. Meanwhile the control thread
 * answers nobody. */
void ctrl_call_all(struct ctrl *c, msg_call_fn fn, void *arg);
void ctrl_call_one(struct ctrl *c, uint32_t worker, msg_call_fn fn, void *arg);
/* The same without waiting: *done is set when fn has run and a later call or round has seen it come back. */
void ctrl_call_begin(struct ctrl *c, uint32_t worker, msg_call_fn fn, void *arg, bool *done);
/* Makes struct dp_conf from the configuration and has every worker take it. Returns when all have. */
void ctrl_publish_conf(struct ctrl *c);
/* Gives every host other users and closes the clients of those that are no more (client `me` after its reply). Takes
 * `next`; the old table and what is not part of `next` are freed. Returns when no host refers to them. */
void ctrl_publish_users(struct ctrl *c, struct acl_table *next, uint64_t me);
/* The default user gets the requirepass of the configuration. */
int ctrl_set_requirepass(struct ctrl *c, struct err *e);
/* The users as lines of the configuration file, NULL at the end; none if they have a file of their own. NULL: out of
 * memory. */
char **ctrl_users_lines(const struct ctrl *c);
void ctrl_users_lines_free(char **lines);
/* Frees replaced users that no request refers to any more. */
void ctrl_poll_users(struct ctrl *c);
/* Asks the loop to end. */
void ctrl_stop(struct ctrl *c);
/* As the second signal. */
void ctrl_stop_now(struct ctrl *c);
/* The same for SIGTERM: with save points all is saved first. */
void ctrl_terminate(struct ctrl *c);
/* One round of the loop, for who keeps the control thread for long outside of any command. */
void ctrl_round(struct ctrl *c);
/* The control thread of a CMD_CONTROL handler. */
static inline struct ctrl *ctrl_of(const struct cmd_ctx *c)
{
	return c->env->owner;
}
/* All heaps together: what used_memory and maxmemory count. */
uint64_t ctrl_used_memory(const struct ctrl *c);

/* Gives every CMD_CONTROL row of the command table its handler; each file below has one of these. */
void ctrl_bind_config(void);  /* CONFIG GET SET RESETSTAT REWRITE */
void ctrl_bind_info(void);    /* INFO */
void ctrl_bind_client(void);  /* CLIENT LIST KILL PAUSE UNPAUSE */
void ctrl_bind_slowlog(void); /* SLOWLOG GET LEN RESET */
void ctrl_bind_pubsub(void);  /* PUBSUB */
void ctrl_bind_latency(void); /* LATENCY ... */
void ctrl_bind_stages(void);  /* LATENCY STAGES */
void ctrl_bind_memory(void);  /* MEMORY STATS DOCTOR PURGE MALLOC-STATS */
void ctrl_bind_debug(void);   /* DEBUG LOG CHANGE-REPL-ID */
void ctrl_bind_acl(void);     /* ACL but WHOAMI */
void ctrl_bind_script(void);  /* EVAL FCALL SCRIPT FUNCTION */
void ctrl_bind_server(void);  /* SHUTDOWN LOLWUT */
void ctrl_bind_save(void);    /* SAVE BGSAVE LASTSAVE, DEBUG RELOAD */

void ctrl_bind_tracking(void); /* CLIENT TRACKING */

/* ctrl_slowlog.c, ctrl_latency.c: fed by the workers' notes and by the control thread's own commands. */
struct slowlog *slowlog_create(void);
void slowlog_destroy(struct slowlog *l);
/* Copies the note. addr: "ip:port" and name of the client are looked up by the caller or empty. max_len:
 * slowlog-max-len. */
void slowlog_add(struct slowlog *l, const struct slow_note *n, uint32_t max_len);
/* Forgets the oldest beyond that number. */
void slowlog_trim(struct slowlog *l, uint32_t max_len);
struct latency *latency_create(void);
void latency_destroy(struct latency *l);
/* An event ("command", "fast-command", ...) took ms milliseconds at wall clock second at_s. */
void latency_add(struct latency *l, const char *event, int64_t at_s, uint32_t ms);

/* How many channels, patterns or shard channels have subscribers. */
uint64_t ctrl_pubsub_names(const struct ctrl *c, enum pubsub_kind of);

/* Text of INFO's sections. */
void ctrl_rates_sample(struct ctrl *c); /* every 100 ms */

/* admin.c */
struct admin *admin_create(struct ctrl *c, struct err *e); /* NULL with e->text empty: admin-port 0 */
void admin_destroy(struct admin *a);
/* epoll says that the listener (ptr == a) or a connection is ready. */
void admin_event(struct admin *a, void *ptr, uint32_t events);
/* After each round of session work: writes what is queued, closes what ended. */
void admin_poll(struct admin *a);
void admin_stop(struct admin *a); /* no new clients */
