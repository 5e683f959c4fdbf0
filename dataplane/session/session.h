/* Sessions: parse -> route -> execute -> reply in order. Knows no transport: a worker feeds one from a TCP connection,
 * the control thread from a kernel socket, a test from a buffer.
 *
 * A session_host is what one thread has for its sessions; there is one per worker and one on the control thread (which
 * has no shard of its own). Each call of host_poll() is one batch, in stages so that memory latency overlaps:
 *
 *   parse      every complete request of the ready sessions, routed by its keys          (batch.c)
 *   prefetch   bulk lookup of the keys of our own shard
 *   execute    in per-session order: at home, by message to the owner, or under a lease   (execute.c)
 *   pump       replies to the transports                                                  (session.c)
 *
 * A request that must wait (its shard is leased away, no message is free, clients are paused, it needs a lease or an
 * answer first) stops its session only: it is kept in session->parked and tried again. Replies leave in the order of
 * the requests: while messages are in flight, what runs at home appends its reply behind the last of them.
 */
#pragma once

#include "base/log.h"
#include "base/stages.h"
#include "msg/lease.h"

struct session;
struct session_host;

/* The transport of one session. All calls come from the session's home thread. */
struct session_transport {
	/* Takes a chain of buffers without blob references. */
	void (*send)(void *transport, struct rte_mbuf *chain, size_t bytes);
	/* Takes bytes [off, off + len) of b by reference: how many, from the first on; 0: send() them. May be NULL. */
	size_t (*send_blob)(void *transport, struct blob *b, size_t off, size_t len);
	/* Bytes that it would like to have now; 0: wait for session_send_ready(). */
	uint32_t (*room)(void *transport);
	/* Received bytes that the session does not hold any more. */
	void (*consumed)(void *transport, uint32_t bytes);
	/* No more replies will follow: close after what was sent. The transport then calls session_gone(). */
	void (*close)(void *transport);
	/* The same at once, dropping what is unsent. */
	void (*abort)(void *transport);
};

enum session_wait {
	WAIT_NONE,  /* may parse */
	WAIT_SHARD, /* our own shard is leased away */
	WAIT_MSG,   /* no message free */
	WAIT_LEASE, /* a lease is being acquired, or held (DEBUG SLEEP) */
	WAIT_DRAIN, /* its requests in flight must come back first */
	WAIT_PAUSE, /* CLIENT PAUSE */
	WAIT_WAYS
};

/* What a session has to remember of a request that waits, and of its lease: most never do, so it is not part of them.
 */
struct session_parked {
	struct resp_request req; /* argc 0: none */
	const struct cmd *cmd;
	struct lease lease;
	uint64_t lease_want;                    /* shards to lease */
	uint64_t hold_us;                       /* keep the lease this long after the command (DEBUG SLEEP) */
	int64_t lease_until_us;                 /* being held until then */
	struct rte_mbuf *held_head, *held_tail; /* its reply, not to be seen before that */
	size_t held_bytes;
};

/* In the order of use: what every request needs stands in the first five cache lines. */
struct session {
	struct session_host *host;
	const struct session_transport *tr;
	void *transport;
	uint16_t fill;   /* payload bytes per reply buffer */
	uint8_t wait;    /* enum session_wait */
	bool live;       /* this place of the pool is in use */
	bool eof;        /* the client sends no more */
	bool dry;        /* no complete request is left in `in` */
	bool gone;       /* the transport is no more */
	bool closing;    /* no further request is taken; closed when its replies are out */
	bool close_sent; /* the transport was told to close */
	bool ready;      /* on the ready list */
	bool abort;      /* to be closed at once, dropping what is unsent */
	bool doomed;     /* on the list of sessions to be looked at after the batch */
	struct session *ready_next;
	struct msg *flight_head, *flight_tail; /* requests in flight, oldest first */
	struct bufq in;
	uint64_t released_pos; /* stream position up to which the transport was told consumed() */
	struct resp_parser parser;
	struct session_parked *parked;        /* NULL: nothing waits */
	struct rte_mbuf *out_head, *out_tail; /* replies that the transport had no room for */
	struct client cl;
	size_t out_bytes;
	struct session *doomed_next;
	struct session *wait_next, **wait_pprev; /* host's list of its way of waiting */
};
_Static_assert(sizeof(struct session) <= 384, "a million idle clients must fit");

#define BATCH_REQUESTS    256
#define BATCH_ARGS        2048
#define BATCH_PER_SESSION 128

/* One parsed request of the batch. */
struct batch_entry {
	struct session *s;
	const struct cmd *cmd;      /* NULL: unknown; the error is written when its turn comes */
	const char *protocol_error; /* instead of a request: answer this and close; "": the parser's */
	uint64_t lease;             /* shards to lease first; 0: none */
	struct resp_request req;
	struct msg *m; /* goes to another thread: reserved at parse time */
	uint64_t hash;
	struct object *hint;
	struct slice key;
	bool own_key; /* key lies on our own shard */
	bool hinted;  /* and was looked up ahead */
};

struct host_counters { /* the home thread writes, anybody reads relaxed */
	uint64_t commands, delegated_out, delegated_in, leases, protocol_errors;
	uint64_t sessions_opened, sessions_rejected, killed_output, killed_nomem, killed_idle;
	uint64_t clients; /* now */
};

struct session_host_ops {
	void *ctx;
	/* A command took longer than slowlog_us or latency_ms: tell the control thread. */
	void (*slow)(void *ctx, const struct cmd_ctx *c, uint64_t us);
};

struct session_host {
	uint32_t self; /* endpoint */
	int32_t own;   /* own shard, -1: none */
	struct cmd_env env;
	struct dp_conf conf;
	struct clock_now now;
	uint64_t tsc_hz;
	uint64_t slow_cycles;      /* commands that took this long are reported */
	bool tight;                /* so close to maxmemory that commands must look for room */
	struct heap *const *heaps; /* every heap of the appliance: what maxmemory counts */
	uint32_t nheaps;
	uint64_t all_shards; /* the set of every shard */
	uint32_t bufs_free;  /* packet buffers free, as of the last host_poll_buffers() */
	uint32_t reply_bufs; /* how many of them one reply may take: its client is closed rather than all others starved
			      */
	uint64_t hint_epoch; /* of the lookups of this batch */
	bool stale_flights;  /* answers came while a batch was under way */
	struct msg_bus *bus;
	struct lease_table *leases;
	struct rte_mempool *mbufs;
	struct heap *heap;
	struct session_host_ops ops;
	struct pool sessions, parked, texts; /* as many of each: with a session the others cannot be exhausted */
	uint32_t *clients_total;
	uint64_t next_client_id, client_id_step;
	struct session *ready_head, *ready_tail;
	struct session *waiting[WAIT_WAYS];
	struct session *doomed;
	bool own_leased; /* somebody else holds our shard; constant during a batch */
	uint32_t idle_cursor;
	struct host_counters count;
	struct error_stats errors;
	struct stages stages; /* times its owner's whole iteration */
	struct batch_entry batch[BATCH_REQUESTS];
	uint32_t nbatch;
	struct slice arena[BATCH_ARGS];
	uint32_t arena_used;
};

struct session_host_params {
	uint32_t self;
	int32_t own;
	uint32_t nstores;
	struct store **stores;
	const uint16_t *slot_map;
	struct msg_bus *bus;
	struct lease_table *leases;
	struct rte_mempool *mbufs;
	struct heap *heap; /* the thread's own */
	const struct dp_conf *conf;
	uint32_t max_sessions;
	uint32_t *clients_total; /* atomic; clients of all hosts: every home adds and takes away, maxclients is checked
				    against it */
	uint64_t first_client_id, client_id_step;
	struct heap *const *heaps; /* all of them, this thread's included; filled before the first host_poll_memory() */
	uint32_t nheaps;
	uint64_t seed, tsc_hz;
	struct session_host_ops ops;
	void *owner; /* struct worker * or struct ctrl *: cmd_env.owner and the first argument of calls */
};

/* Control thread. Memory for the host comes from its caller. */
int host_init(struct session_host *h, const struct session_host_params *p, struct err *e);
void host_fini(struct session_host *h);
/* Ends every session without a word to its transport. Only when no other thread runs any more. Before host_fini(). */
void host_abandon(struct session_host *h);
/* Once per iteration, before everything else. */
void host_set_now(struct session_host *h, const struct clock_now *now);
void host_set_conf(struct session_host *h, const struct dp_conf *conf);

/* One batch: leases, waiting sessions, then parse .. pump. Returns the number of requests taken. */
uint32_t host_poll(struct session_host *h);
/* Messages: requests for our shard and calls, and answers to ours. Returns how many. */
uint32_t host_poll_messages(struct session_host *h);
/* The second half of it alone. nested: called from inside a command that waits for the end of a call of its own;
 * sessions are then left as they are, since a batch is under way, and looked at with the next call. */
uint32_t host_poll_done(struct session_host *h, bool nested);
/* Closes a few idle clients when `timeout` is set. Returns how many. */
uint32_t host_poll_idle(struct session_host *h);
/* Compares the memory in use with maxmemory and evicts a bounded number of our shard's keys if there is too much.
 * Cheap, but no work for every iteration. Returns 1 if there is more to do. */
uint32_t host_poll_memory(struct session_host *h);
/* Counts the free packet buffers; looks at every thread's cache, so about once in a millisecond. */
void host_poll_buffers(struct session_host *h);
/* Nothing waits here that time or another iteration alone would resolve: the thread may sleep. */
bool host_quiet(const struct session_host *h);

/* NULL: maxclients is reached, or no session is free (the transport should answer with host_reject_text() and close).
 */
struct session *session_open(struct session_host *h, const struct session_transport *tr, void *transport,
			     uint16_t fill);
/* Payload from the transport; ownership moves. */
void session_input(struct session *s, struct rte_mbuf *m);
/* The client will send no more. */
void session_eof(struct session *s);
void session_send_ready(struct session *s);
/* The transport is gone; the session ends as soon as nothing of it is in flight. */
void session_gone(struct session *s);
/* Ends a session from our side: after its replies, or at once. */
void session_kill(struct session *s, bool at_once);

/* What clients take now, without the memory of requests and replies under way. Any thread. */
uint64_t host_clients_bytes(const struct session_host *h);

struct client_copy {
	struct client cl;
	struct client_text text; /* if cl.text is not NULL, which is of no other use here */
};
/* For CLIENT LIST: copies the clients at pool positions [from, ...) into out; *next is where to go on, 0 at the end.
 * Returns how many. */
uint32_t host_clients(const struct session_host *h, uint32_t from, uint32_t budget, struct client_copy *out,
		      uint32_t *next);
/* fn may kill the session. Visits live ones from position `from` on, `budget` positions. */
typedef void (*session_visit_fn)(void *ctx, struct session *s);
uint32_t host_visit(struct session_host *h, uint32_t from, uint32_t budget, session_visit_fn fn, void *ctx);
