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
#include "cmd/acl_denial.h"
#include "msg/lease.h"
#include "session/block.h"
#include "store/gate.h"
#include "store/snap.h"

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

/* Answers to those who want what a script has held for longer than busy-reply-threshold. */
#define SESSION_MISCONF                                                                                              \
	"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands " \
	"that may modify the data set are disabled, because this instance is configured to report errors during "    \
	"writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for "    \
	"details about the RDB error."
#define SESSION_AOF_FAILS     "MISCONF Errors writing to the AOF file: "
#define SESSION_BUSY_SCRIPT   "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
#define SESSION_BUSY_FUNCTION "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."

enum session_wait {
	WAIT_NONE,    /* may parse */
	WAIT_SHARD,   /* our own shard is leased away */
	WAIT_MSG,     /* no message free */
	WAIT_LEASE,   /* a lease is being acquired, or held (DEBUG SLEEP) */
	WAIT_DRAIN,   /* its requests in flight must come back first */
	WAIT_PAUSE,   /* CLIENT PAUSE */
	WAIT_JOURNAL, /* a write, and the reader of the journal is far behind */
	WAIT_BLOCK,   /* BLPOP and its like found nothing: session->block */
	WAIT_WAYS
};

/* What a session has to remember of a request that waits, and of its lease: most never do, so it is not part of them.
 */
struct session_parked {
	struct resp_request req; /* argc 0: none */
	const struct cmd *cmd;
	struct lease lease;
	bool leasing;                           /* it wants or has a lease */
	bool running;                           /* under it, now: what waits in there may poll leases, not this one */
	uint64_t lease_want;                    /* of these shards */
	uint64_t hold_us;                       /* keep the lease this long after the command (DEBUG SLEEP) */
	int64_t lease_until_us;                 /* being held until then */
	struct rte_mbuf *held_head, *held_tail; /* its reply, not to be seen before that */
	size_t held_bytes;
	uint64_t gate; /* of that reply */
};

/* In the order of use: what every request needs stands in the first five cache lines. */
struct session {
	struct session_host *host;
	const struct session_transport *tr;
	void *transport;
	uint16_t fill;   /* payload bytes per reply buffer */
	uint8_t wait;    /* enum session_wait */
	bool live;       /* this place of the pool is in use */
	bool eof;        /* the client sends no more; it and the next two are looked at as one word, seldom written */
	bool gone;       /* the transport is no more */
	bool closing;    /* no further request is taken; closed when its replies are out */
	bool close_sent; /* the transport was told to close */
	bool dry;        /* no complete request is left in `in` */
	bool ready;      /* on the ready list */
	bool abort;      /* to be closed at once, dropping what is unsent */
	bool doomed;     /* on the list of sessions to be looked at after the batch */
	struct session *ready_next;
	struct msg *flight_head, *flight_tail; /* requests in flight, oldest first */
	struct bufq in;
	uint64_t released_pos; /* stream position up to which the transport was told consumed() */
	struct resp_parser parser;
	struct session_parked *parked;        /* NULL: nothing waits */
	struct block *block;                  /* NULL: no command of it waits for news */
	struct rte_mbuf *out_head, *out_tail; /* replies that the transport had no room for */
	struct session_gate *gate;            /* replies that wait for the disk; NULL: none */
	struct client cl;
	size_t out_bytes; /* from out_head on */
	struct session *doomed_next;
	struct session *wait_next, **wait_pprev; /* host's list of its way of waiting */
};
_Static_assert(sizeof(struct session) <= 384, "a million idle clients must fit");

#define LEADERS_MAX       8 /* leases of one host that others may go along with */
#define BATCH_REQUESTS    256
#define BATCH_ARGS        2048
#define BATCH_PER_SESSION 128
#define HOLD_BITS         2048

/* One parsed request of the batch. */
struct batch_entry {
	struct session *s;
	const struct cmd *cmd;      /* NULL: unknown; the error is written when its turn comes */
	const char *protocol_error; /* instead of a request: answer this and close; "": the parser's */
	const char *refused;        /* answer this instead of running it */
	uint64_t lease;             /* shards to lease first; 0: none */
	struct resp_request req;
	struct msg *m; /* goes to another thread: reserved at parse time */
	uint64_t hash;
	struct object *hint;
	struct slice key;
	uint64_t held; /* runs at home, since we hold these shards, all it needs, until the end of the batch; 0: no */
	bool queue;    /* joins its session's transaction; lease: the shards that it will need there */
	bool exec;     /* EXEC of a transaction */
	bool leasing;  /* runs under a lease, of no shard at all perhaps */
	bool asks;     /* clients are paused, and only the script thread knows whether this may write */
	bool own_key;  /* key lies on our own shard */
	bool hinted;   /* and was looked up ahead */
};

struct host_counters { /* the home thread writes, anybody reads relaxed */
	uint64_t commands, delegated_out, delegated_in, leases, protocol_errors;
	uint64_t sessions_opened, sessions_rejected, killed_output, killed_query, killed_nomem, killed_idle;
	uint64_t clients, blocked;                 /* now */
	uint64_t pubsub_clients, tracking_clients; /* now */
	uint64_t journal_waits;                    /* times that a write had to wait for the journal's reader */
};

struct session_host_ops {
	void *ctx;
	/* A command took longer than slowlog_us or latency_ms: tell the control thread. */
	void (*slow)(void *ctx, const struct cmd_ctx *c, uint64_t us);
	/* m->slow or m->denied came back with the answer to this client of ours: likewise. */
	void (*told)(void *ctx, struct msg *m, const struct client *cl);
	acl_denied_fn denied; /* gets the params' owner */
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
	struct msg *serving; /* another thread's, whose command is running, or NULL */
	bool stale_flights;  /* answers came while a batch was under way */
	struct msg *stale_calls, **stale_calls_end; /* and calls with a `back`, oldest first */
	struct msg_bus *bus;
	struct lease_table *leases;
	struct rte_mempool *mbufs;
	struct heap *heap;
	struct session_host_ops ops;
	struct pool sessions, parked, texts, gates; /* as many of each: with a session the others cannot be exhausted */
	struct session_shared *shared;
	uint64_t next_client_id, client_id_step;
	/* Sessions by their numbers, which are given one after the other, so that most buckets have one: places in the
	 * pool from 1 on, and for each place the next one in its bucket. */
	uint32_t *by_id, *id_next, id_mask;
	struct session *ready_head, *ready_tail;
	struct session *waiting[WAIT_WAYS], **waiting_end[WAIT_WAYS]; /* in order of arrival */
	struct lease *led[LEADERS_MAX];                               /* submitted for sessions of ours */
	uint32_t nled;
	struct lease kept; /* of a session that is done: the rest of this iteration's batch uses it. No shards: none */
	struct session *doomed;
	struct deadlines deadlines;                    /* of blocked sessions */
	struct block_queue served[RP_MAX_WORKERS + 2]; /* by home: answers on their way */
	uint32_t nserved;
	struct block *pokes; /* ended ones whose shards are to be told */
	uint64_t busy;       /* shards that a script has held for too long; constant during a batch */
	enum lease_busy busy_why;
	struct msg *deferred, **deferred_end; /* calls for our shard that came while it was busy, in order */
	bool own_leased;                      /* somebody else holds our shard; constant during a batch */
	uint64_t leased_us;                   /* since when; mono */
	bool journal_tight;                   /* writers wait; constant during a batch */
	bool journal_kick;                    /* replies wait for the reader of the journal: wake it ... */
	bool gathers;                         /* ... but not before those are there who are about to come */
	uint64_t journal_gate;                /* the round that they wait for */
	uint64_t gather_from_us;              /* the first came, or the last round returned */
	uint64_t gather_last_us;              /* the last came */
	struct journal_clock *durable;        /* NULL: there is no journal */
	struct journal_unit unit;             /* being executed */
	uint64_t gate;                        /* of the command executed last */
	bool want_durable;                    /* a session waits in WAITAOF */
	uint64_t by;                          /* whose it was; 0: what changes now is nobody's doing */
	uint64_t gate_seen;                   /* the round that gated sessions were looked at for */
	struct session_gate *gated;
	struct msg *held_head, *held_tail; /* others' commands that wait for a snapshot: hold.c */
	uint32_t held_of[HOLD_BITS];       /* how many of them, of the sessions that share this number */
	uint64_t snap_cycles;              /* a slice of a snapshot */
	uint32_t idle_cursor;
	struct host_counters count;
	struct error_stats errors;
	struct acl_counts denied;
	bool monitored;                /* somebody watches what we do: as of the last monitor_look() */
	uint64_t monitor_homes[2];     /* where */
	bool calls_drained;            /* nothing was left in the call rings at the last look */
	struct post *post;             /* what goes to other hosts at the end of the iteration: post.h */
	struct pubsub *pubsub;         /* what our clients listen to: pubsub.h */
	struct pubsub_owner *channels; /* our channels */
	struct stages stages;          /* times its owner's whole iteration */
	struct batch_entry batch[BATCH_REQUESTS];
	uint32_t nbatch;
	uint32_t nheld; /* of the batch, those that run on the shards of `kept` */
	struct slice arena[BATCH_ARGS];
	uint32_t arena_used;
};

/* What all hosts share. Atomic: every home writes, all read. */
struct session_shared {
	uint32_t clients; /* of all workers: maxclients is checked against it */
	/* Homes with clients in MONITOR, a bit each: every home looks in each iteration, while clients come and go. */
	uint64_t monitor_homes[2] RP_CACHE_ALIGNED;
};
_Static_assert(RP_MAX_WORKERS < 2 * 64, "a bit for each worker and the control thread");

struct session_host_params {
	uint32_t self;
	int32_t own;
	uint32_t nstores;
	struct store **stores;
	const uint16_t *slot_map;
	struct msg_bus *bus;
	struct lease_table *leases;
	struct rte_mempool *mbufs;
	struct heap *heap;             /* the thread's own */
	struct journal_clock *durable; /* borrowed; NULL: no journal */
	bool gathers;                  /* it polls, so it may wait a little before it wakes the reader of the journal */
	const struct dp_conf *conf;
	const struct acl_table *users; /* as of now; NULL: none (tests) */
	uint32_t max_sessions;
	struct session_shared *shared; /* one for all hosts */
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
/* Clients are paused. */
static inline bool host_paused(const struct session_host *h)
{
	return rp_unlikely(h->conf.pause_until_ms != 0) && h->now.wall_us / 1000 < h->conf.pause_until_ms;
}
/* Gives the host new users: for log-ins from now on at once, for its clients by host_visit_users(). */
void host_set_users(struct session_host *h, const struct acl_table *t);
/* The clients at pool positions [from, from + budget) get their user's new snapshot; those whose user is no more are
 * closed, the client `me` only when it has its reply. Returns the next position, 0 at the end: then nobody here refers
 * to an older snapshot. */
uint32_t host_visit_users(struct session_host *h, uint32_t from, uint32_t budget, uint64_t me);

/* One batch: leases, waiting sessions, then parse .. pump. Returns the number of requests taken. */
uint32_t host_poll(struct session_host *h);
/* Messages: requests for our shard and calls, and answers to ours. Returns how many. */
uint32_t host_poll_messages(struct session_host *h);
/* Wakes the reader of the journal if a reply waits for it and no more are about to come; part of the above. */
void host_kick_journal(struct session_host *h);
/* The second half of it alone. nested: called from inside a command that waits for the end of a call of its own;
 * sessions are then left as they are, since a batch is under way, and looked at with the next call. */
uint32_t host_poll_done(struct session_host *h, bool nested);
/* For a command that keeps its thread for long, or waits for a lease: others' requests, and leases of its own sessions,
 * which may be in its way, go on. */
uint32_t host_poll_nested(struct session_host *h);
/* Closes a few idle clients when `timeout` is set. Returns how many. */
uint32_t host_poll_idle(struct session_host *h);
/* Compares the memory in use with maxmemory and evicts a bounded number of our shard's keys if there is too much.
 * Cheap, but no work for every iteration. Returns 1 if there is more to do. */
uint32_t host_poll_memory(struct session_host *h);
/* Counts the free packet buffers; looks at every thread's cache, so about once in a millisecond. */
void host_poll_buffers(struct session_host *h);
/* When the next time-out of a blocked client is due; UINT64_MAX: none. */
static inline uint64_t host_next_us(const struct session_host *h)
{
	return deadlines_next_us(&h->deadlines);
}
/* CLIENT UNBLOCK, for the calls of the control thread: ends the wait of s. false: it does not wait. */
bool session_unblock(struct session *s, bool error);
/* For who runs commands by itself on shards that it holds (see gate.c). */
/* Around everything that may change a shard: one command, or all that runs under one lease. The holder of `shards`. */
void host_unit_begin(struct session_host *h, uint64_t shards);
/* Returns the gate of the reply. wide: it tells of keys that were not looked up one by one. */
uint64_t host_unit_end(struct session_host *h, bool wide);
/* Nothing waits here that time or another iteration alone would resolve: the thread may sleep. */
bool host_quiet(const struct session_host *h);
/* The same of what other threads sent, and of the own shard. While that is leased away, what wants it is not looked at:
 * its coming back kicks this thread, and so does its being called busy. */
bool host_inbox_quiet(const struct session_host *h);
/* Around giving the CPU away: leases of our shard are handed over by those who want them. false: it does not rest,
 * there is no host_wake(). */
bool host_rest(struct session_host *h);
void host_wake(struct session_host *h, struct clock *clock);
/* Those of the shards, all held, whose owners have something to do there. */
uint64_t host_news(const struct session_host *h, uint64_t shards);

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

/* Bytes that a client holds: its own, what it has sent that is not carried out yet, what it has not read. Home. */
void session_held(const struct client *cl, struct client_held *out);

struct client_copy {
	struct client cl;
	struct client_text text;       /* if cl.text is not NULL, which is of no other use here */
	struct client_listens listens; /* likewise */
	struct tx_info tx;             /* likewise cl.tx */
	struct client_held held;       /* only from host_clients() */
};
/* Of a client of this thread. */
void client_copy_make(struct client_copy *out, const struct client *cl);
/* The copy as a client again, for who prints it: what it points to is in the copy. */
struct client client_copy_read(const struct client_copy *copy);
/* For CLIENT LIST: copies the clients at pool positions [from, ...) into out; *next is where to go on, 0 at the end.
 * Returns how many. */
uint32_t host_clients(const struct session_host *h, uint32_t from, uint32_t budget, struct client_copy *out,
		      uint32_t *next);
/* Home: the session of that number; NULL: it is not here, or not any more. */
struct session *session_by_id(const struct session_host *h, uint64_t id);
/* fn may kill the session. Visits live ones from position `from` on, `budget` positions. */
typedef void (*session_visit_fn)(void *ctx, struct session *s);
uint32_t host_visit(struct session_host *h, uint32_t from, uint32_t budget, session_visit_fn fn, void *ctx);
