/* Between the files of session/. */
#pragma once

#include "session/session.h"

/* ---- session.c ---- */
/* Sends or queues a reply chain behind everything that was answered before. */
void session_out(struct session *s, struct rte_mbuf *head, struct rte_mbuf *tail, size_t bytes);
/* The same, not before the journal's round `gate` is synced; 0: no such wait. */
void session_out_gated(struct session *s, struct rte_mbuf *head, struct rte_mbuf *tail, size_t bytes, uint64_t gate);
/* The same as session_out(), past what the gate holds back: for the gate alone. */
void session_out_now(struct session *s, struct rte_mbuf *head, struct rte_mbuf *tail, size_t bytes);
/* As session_out_gated(), but behind the replies of requests still in flight. */
void session_emit(struct session *s, struct rte_mbuf *head, struct rte_mbuf *tail, size_t bytes, uint64_t gate);
/* Is there room for a command that may need memory? Evicts keys of our shard if there must be. (room.c) */
bool room_make(struct session_host *h);
/* Appends to the queue behind everything, whatever the transport would take. */
void session_out_append(struct session *s, struct rte_mbuf *head, struct rte_mbuf *tail, size_t bytes);
/* Closes the session if it is beyond its output limit (push.c). */
void session_check_output(struct session *s);
/* A reply that alone is beyond the hard limit: closes its client. Nobody was asked about it before. */
bool session_reply_too_long(struct session *s, size_t bytes);
/* Looks at a few of those beyond the soft limit. */
void host_poll_soft_limits(struct session_host *h);
/* The session that cl lives in. */
static inline struct session *session_of(struct client *cl)
{
	return rp_container_of(cl, struct session, cl);
}
/* Moves queued replies to the transport while it has room. */
void session_pump(struct session *s);
void session_ready(struct session *s);
/* Changes its way of waiting; WAIT_NONE makes it ready. */
void session_wait(struct session *s, enum session_wait how);
/* Tells bufq and transport what nobody needs any more. */
void session_release_input(struct session *s);
/* Room for what waits; it goes with session_unpark() when nothing of it is left. */
struct session_parked *session_park(struct session *s);
void session_unpark(struct session *s);
/* To be looked at after the batch: close it or reap it. */
void session_doom(struct session *s);
void host_reap(struct session_host *h);
/* As host_visit(); also: those whose transport is gone, but of whom something is still under way. */
uint32_t session_visit(struct session_host *h, uint32_t from, uint32_t budget, bool also_gone, session_visit_fn fn,
		       void *ctx);

/* ---- serve.c ---- */
/* To be called by whoever changed something on our own shard, while it holds it, before its next command. */
static inline bool host_serve_notes(struct session_host *h)
{
	if (rp_likely(store_notes_pending(h->env.stores[h->own]) == 0))
		return false;
	host_serve(h);
	return true;
}

/* ---- route.c ---- */
enum route_to {
	ROUTE_HERE,  /* no key, or an error to be said */
	ROUTE_OWN,   /* our own shard */
	ROUTE_SEND,  /* another thread: *owner */
	ROUTE_FREE,  /* another thread, which needs no shard for it: *owner */
	ROUTE_LEASE, /* several shards: *shards */
	ROUTE_QUEUE, /* its session's transaction */
};
enum route_to route_request(const struct session_host *h, const struct cmd *cmd, const struct resp_request *req,
			    uint32_t *owner, uint64_t *shards);

/* ---- gate.c ---- */
/* Keeps the chain if it, or one before it, must wait. false: it may leave now. */
bool session_gate_hold(struct session *s, struct rte_mbuf *head, struct rte_mbuf *tail, size_t bytes, uint64_t gate);
/* Held back of s, which has s->gate. */
size_t session_gate_bytes(const struct session *s);
void session_gate_drop(struct session *s);
uint32_t session_gate_size(void);
/* Lets go what has become durable. Returns the number of sessions looked at. */
uint32_t host_poll_gates(struct session_host *h);
/* Somebody waits in WAITAOF for that round: the reader of the journal hurries. */
void host_want_durable(struct session_host *h, uint64_t gate);
/* Once per iteration: is the journal so full that writers should wait? */
void host_look_at_journal(struct session_host *h);

/* The set of shards that a request needs; 0: none, or its arguments make no sense. */
uint64_t route_shards_of(const struct session_host *h, const struct cmd *cmd, const struct resp_request *req);

/* ---- tx_route.c, tx_exec.c ---- */
/* TX_NEEDS_* of a command. */
uint8_t tx_needs(const struct session_host *h, const struct cmd *cmd);
/* Its CMD_F_*; a script that may write has CMD_F_MAY_REPLICATE. */
uint32_t tx_flags_of(const struct cmd *cmd, const struct resp_request *req);
void tx_op_exec(struct cmd_ctx *c);

/* ---- batch.c ---- */
/* EVAL and its like may write, unless it is one of the read-only commands or its script says that it does not. false:
 * no such command. */
bool script_may_write(const struct cmd *cmd, const struct resp_request *req);
/* Parses ready sessions into h->batch and looks the keys up. */
void batch_parse(struct session_host *h);
void batch_prefetch(struct session_host *h);

/* ---- hold.c ---- */
/* Must the command wait for the snapshot that one of these shards, which we hold, is part of? */
bool hold_wanted(const struct session_host *h, uint64_t shards, const struct cmd *cmd, const struct resp_request *req,
		 uint32_t db);
/* While our shard has a snapshot: is the message kept? */
bool hold_message(struct session_host *h, struct msg *m);
/* One look at all messages that are kept, oldest first. None is added meanwhile. */
struct hold_walk {
	struct msg **at, *before;
	uint64_t waits[HOLD_BITS / 64]; /* sessions of which one was met that goes on waiting: by a hash */
};
void hold_walk_begin(struct session_host *h, struct hold_walk *w);
/* The next that need not wait any more, or NULL. */
struct msg *hold_take(struct session_host *h, struct hold_walk *w);

/* ---- execute.c ---- */
void batch_execute(struct session_host *h);
/* Answers what cannot be asked while the keys are loaded, or changed while they cannot be saved. flags: CMD_F_* of what
 * will run, which EXEC's commands have a part in. false: refused. */
bool admit_disk(const struct dp_conf *conf, const struct cmd *cmd, uint32_t flags, struct reply *r);
/* Runs one command with counters and the slow log's threshold. Unless a unit is open it is one by itself, whose gate is
 * h->gate afterwards. */
void execute_counted(struct session_host *h, struct cmd_ctx *c);
/* The same for a client of ours, while somebody watches. What changes the client itself is shown as it is afterwards,
 * and EXEC behind its commands; else a request may have given its words away by then. */
void execute_shown(struct session_host *h, struct cmd_ctx *c);
/* Its answer tells of keys that it did not look up by name. */
bool command_wide(const struct cmd *cmd);
/* Runs one command for a session under a lease it holds; its reply goes into r. Sets s->hold_us. tsc: as in cmd_ctx. */
void execute_home(struct session_host *h, struct session *s, const struct cmd *cmd, struct resp_request *req,
		  struct reply *r, uint64_t *tsc);

/* ---- host.c ---- */
/* Before a command: what looking ahead in our own shard found of its first key. key NULL: nothing, and the last hint,
 * whose bytes may be gone, is withdrawn. */
static inline void host_hint(struct session_host *h, const struct slice *key, uint64_t hash, struct object *hint)
{
	if (h->own >= 0 && !h->own_leased)
		store_hint(h->env.stores[h->own], key != NULL ? *key : (struct slice){NULL, 0}, hash,
			   key != NULL ? hint : NULL, h->hint_epoch);
}
/* Drops what m holds for client tracking. */
void session_untrack(struct msg *m);
/* Puts m behind the session's requests in flight. */
void session_flight_push(struct session *s, struct msg *m);
/* Emits the answered requests at the head of a session's queue. */
void session_flight_advance(struct session_host *h, struct session *s);

/* ---- leasing.c ---- */
/* Acquires, uses and gives back the leases of waiting sessions. Returns how many ran. */
uint32_t host_poll_leases(struct session_host *h);
/* It waits for a lease, and another session's that is on its way has all of its shards: that one takes it along. */
bool session_follows(const struct session *s);
/* Gives back what was kept for the batch. */
void host_release_kept(struct session_host *h);
/* Starts waiting for a lease (or first for its requests in flight). */
void session_want_lease(struct session *s, uint64_t shards);
