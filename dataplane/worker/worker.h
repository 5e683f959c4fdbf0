/* A worker: one poll-mode thread with a queue pair, a network and a TCP instance, its sessions and its shard.
 *
 * Created and destroyed by the control thread; worker_main() runs on the worker's lcore until it was told to stop and
 * its clients are gone.
 */
#pragma once

#include "msg/lease.h"
#include "net/net.h"
#include "session/session.h"
#include "tcp/tcp.h"

/* Counters of the loop itself. The worker writes, anybody reads relaxed. */
struct worker_counters {
	uint64_t iterations;
	uint64_t busy_cycles;  /* of iterations that found work */
	uint64_t empty_cycles; /* of those that found none, sleeps not counted */
	uint64_t sleeps;
	uint64_t slept_us;
};

/* How a worker asks the control thread for something: functions that run there as message calls. */
struct worker_upcalls {
	msg_call_fn slow;   /* arg: struct slow_note *, which it frees with heap_free_remote() */
	msg_call_fn denied; /* arg: struct acl_note *, likewise */
};

/* A slow command, as the slow log keeps it: at most SLOW_ARGS arguments, long ones cut. One block of `heap`. */
#define SLOW_ARGS      32
#define SLOW_ARG_BYTES 128
struct slow_note {
	struct heap *heap;
	struct slow_note *next; /* of its message, an earlier one */
	int64_t wall_us;
	uint64_t us;
	uint64_t client_id;
	int16_t cmd_id;
	struct endpoint addr;           /* of the client, which only its home knows */
	char name[CLIENT_NAME_MAX + 1]; /* likewise */
	uint32_t argc;                  /* kept here */
	uint32_t argc_total;            /* of the command */
	uint16_t len[SLOW_ARGS];
	uint32_t cut[SLOW_ARGS]; /* bytes left out of each */
	char text[];             /* the arguments one after another */
};

/* NULL: out of memory. The owner of h. */
struct slow_note *slow_note_create(struct heap *h, const struct cmd_ctx *c, int64_t wall_us, uint64_t us);
/* Whoever runs m: the note goes home with it. */
void slow_note_hang(struct msg *m, struct slow_note *n);
/* Of the notes that hang on m only the newest n stay. 0: what a script had another thread do is part of the script. */
void slow_notes_keep(struct msg *m, uint32_t n);
/* At home: takes the notes off m, the earliest first, and names their client. */
struct slow_note *slow_notes_take(struct msg *m, const struct client *cl);

/* A refusal, as ACL LOG keeps it; long texts are cut. One block of `heap`. */
#define ACL_NOTE_TEXT 256
struct acl_note {
	struct heap *heap;
	struct acl_note *next; /* of its message, an earlier one */
	int64_t wall_us;
	enum acl_verdict why;
	enum acl_context where;
	uint16_t object_len, username_len;
	char object[ACL_NOTE_TEXT], username[ACL_NOTE_TEXT];
	struct client_copy client; /* holds its user: acl_user_drop() */
};

/* NULL: out of memory. The owner of h. */
struct acl_note *acl_note_create(struct heap *h, const struct acl_denial *d, int64_t wall_us);
/* As slow_note_hang(), slow_notes_take(). */
void acl_note_hang(struct msg *m, struct acl_note *n);
struct acl_note *acl_notes_take(struct msg *m, const struct client *cl);

struct worker_params {
	uint32_t id, nworkers;
	struct port *port;
	struct msg_bus *bus;
	struct lease_table *leases;
	struct store **stores; /* all shards; [id] is filled in by worker_create() */
	const uint16_t *slot_map;
	const struct dp_conf *conf;
	const struct acl_table *users; /* see struct session_host_params */
	struct net_params net;         /* port, worker, pool and rings are filled in */
	struct tcp_params tcp;         /* ops, lower, pool, worker likewise */
	uint16_t listen_port;          /* 0: none */
	uint32_t max_sessions;
	struct heap **heaps; /* see struct session_host_params; [2 * id] and [2 * id + 1] are filled in */
	uint32_t nheaps;
	struct session_shared *shared; /* see struct session_host_params */
	struct journal_clock *durable; /* likewise */
	uint32_t databases;
	uint32_t index_initial;
	uint64_t hash_seed;               /* the same for all shards */
	size_t shard_reserve, shard_huge; /* heap of the shard; see heap.h */
	bool huge_required;               /* fail rather than use plain memory for the shard */
	size_t own_reserve;               /* heap of the thread */
	uint64_t seed;
	uint64_t tsc_hz;
	bool adaptive;
	uint32_t spin_us;
	uint32_t rx_burst; /* frames taken at once, 8 to RP_MAX_BURST: some drivers give none if asked for 1 to 3 */
	struct worker_upcalls up;
};

struct worker {
	uint32_t id;
	uint32_t stop; /* control writes: 0 run, 1 finish and leave, 2 leave now */
	uint32_t left; /* worker writes (release) when its loop has ended */
	struct port *port;
	struct net *net;
	struct tcp *tcp;
	struct store *store;
	struct heap *shard_heap, *heap;
	struct msg_bus *bus;
	struct lease_table *leases;
	struct clock clock;
	struct clock_now now;
	struct worker_upcalls up;
	struct journal journal;
	struct log_ring log;
	struct worker_counters count;
	uint16_t listen_port;
	uint64_t snap_pushed;   /* chunks of a snapshot that the control thread was told of */
	uint64_t snap_rest_tsc; /* no slice of it before, beside clients */
	uint64_t served_us;     /* when something last came in; mono */
	bool snap_rests;        /* this iteration left it out */
	bool adaptive, draining;
	uint32_t spin_us, sleep_us;
	uint32_t rx_burst;
	uint32_t nworkers;
	uint32_t nqueues;          /* of the port; workers beyond them send through worker id % nqueues */
	uint32_t send_share_bytes; /* unacknowledged bytes that a connection may have now */
	bool starved;              /* somebody wanted more than its share */
	uint32_t wake_at;          /* the session where waking of those goes on */
	uint64_t idle_since_us, background_us, net_timers_us, drain_until_us;
	struct rte_ring **steer_in, **steer_out; /* see struct net_params */
	int rx_fd;
	struct session_host host;
};

/* Control thread. NULL with *e. Listens at once; packets are answered when worker_main() runs. */
struct worker *worker_create(const struct worker_params *p, struct err *e);
/* After worker_main() has returned: drops its clients. Of all workers before worker_destroy() of any, since replies may
 * refer to values in other workers' heaps. */
void worker_abandon(struct worker *w);
void worker_destroy(struct worker *w);
/* The thread function (lcore_function_t). arg: struct worker *. */
int worker_main(void *arg);
