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

#include "ctrlplane/config.h"
#include "worker/worker.h"

struct slowlog;
struct latency;
struct admin;

struct ctrl {
	struct config config; /* the master copy; workers have struct dp_conf */
	struct dp_conf dp;    /* what was last sent to them */
	const char *program;  /* argv[0] made absolute */
	char run_id[41];      /* 40 hex digits */
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
	struct heap **heaps;          /* [2 * nworkers + 1]: shard and thread of each worker, and ours */
	struct rte_ring ***steer_in;  /* [to][from]; NULL with one worker */
	struct rte_ring ***steer_out; /* [from][to]: the same rings */
	struct heap *heap;            /* this thread's */
	struct session_host host;
	struct clock clock;
	struct clock_now now;
	struct admin *admin;
	struct slowlog *slowlog;
	struct latency *latency;
	int epoll_fd, signal_fd, timer_fd;
	uint32_t stop;      /* signals that asked for the end so far */
	bool hugepages;     /* in use */
	bool workers_gone;  /* their threads have ended: nobody would answer a call */
	bool plain_may_do;  /* boot failed with hugepages that `auto` chose */
	struct stat_rates { /* instantaneous_* of INFO: 16 samples, 100 ms apart */
		uint64_t last_us, last_commands, last_in, last_out;
		uint64_t ops[16], in[16], out[16];
		uint32_t at;
	} rates;
	struct stat_base { /* what CONFIG RESETSTAT took off; counters of workers only grow */
		uint64_t commands, sessions, rejected, hits, misses, expired, evicted, net_in, net_out;
		struct cmd_stat *cmd; /* [cmd_count] */
		struct error_stats errors;
	} base;
	uint64_t peak_bytes;
	uint32_t clients_total; /* atomic: see struct session_host_params */
};

/* NULL with one sentence in *e. Everything made so far is taken down again. *plain_may_do: the hugepages that `auto`
 * chose were taken by others meanwhile. EAL cannot be started twice in a process, so a new one with `hugepages no` is
 * what helps. */
struct ctrl *ctrl_create(const struct config *c, const char *program, bool *plain_may_do, struct err *e);
/* Starts the workers and runs until asked to end. Returns the exit status. */
int ctrl_run(struct ctrl *c);
void ctrl_destroy(struct ctrl *c);

/* ---- for the files of ctrlplane/ ---- */

/* Runs fn on every worker's thread, between two commands, also while its shard is leased; returns when all have. fn
 * gets (struct worker *, m) with m->arg[0] = arg and m->arg[1] = the worker's number. Meanwhile the control thread
 * answers nobody. */
void ctrl_call_all(struct ctrl *c, msg_call_fn fn, void *arg);
void ctrl_call_one(struct ctrl *c, uint32_t worker, msg_call_fn fn, void *arg);
/* Makes struct dp_conf from the configuration and has every worker take it. Returns when all have. */
void ctrl_publish_conf(struct ctrl *c);
/* Asks the loop to end, as SIGTERM does. */
void ctrl_stop(struct ctrl *c);
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
void ctrl_bind_latency(void); /* LATENCY ... */
void ctrl_bind_stages(void);  /* LATENCY STAGES */
void ctrl_bind_memory(void);  /* MEMORY STATS DOCTOR PURGE MALLOC-STATS */
void ctrl_bind_server(void);  /* SHUTDOWN LOLWUT */

/* ctrl_slowlog.c, ctrl_latency.c: fed by the workers' notes and by the control thread's own commands. */
struct slowlog *slowlog_create(void);
void slowlog_destroy(struct slowlog *l);
/* Copies the note. addr: "ip:port" and name of the client are looked up by the caller or empty. max_len:
 * slowlog-max-len. */
void slowlog_add(struct slowlog *l, const struct slow_note *n, uint32_t max_len);
struct latency *latency_create(void);
void latency_destroy(struct latency *l);
/* An event ("command", "fast-command", ...) took ms milliseconds at wall clock second at_s. */
void latency_add(struct latency *l, const char *event, int64_t at_s, uint32_t ms);

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
