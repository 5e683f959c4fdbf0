/* Messages between threads: one SPSC ring per ordered pair of endpoints and direction.
 *
 * Endpoints 0..n-1 are the workers, n is the control thread, n + 1 the script thread. A message belongs to its home's
 * pool for ever: home sends it (request or call ring), the owner works on it and sends it back (done ring), home
 * recycles it. Rings are as large as a pool, so pushing never fails. What is in a request ring waits while the owner's
 * shard is leased away; what is in a call ring never does.
 *
 *   home h  --- req[h][o] --->  owner o      what needs the owner's shard
 *           --- call[h][o] -->               what does not
 *           <-- done[o][h] ---
 *
 * A sleeping endpoint is woken through its eventfd: msg_flush() kicks those who announced that they sleep.
 */
#pragma once

#include <rte_ring.h>

#include "base/defs.h"
#include "cmd/cmd.h"
#include "mem/pool.h"

#define MSG_POOL_SIZE \
	2048 /* messages under way from one home, less one; power of two: a ring of this size holds them all */
#define MSG_ARGV_INLINE 6
#define MSG_OUT_BATCH   32

enum msg_kind {
	MSG_CMD,        /* run a command on the owner's shard (or a control command) */
	MSG_CMD_FREE,   /* run a command that touches no shard (PUBLISH, scripts), also while the owner's is leased away
			 */
	MSG_CALL,       /* run fn on the owner's thread between two commands, even while its shard is leased away */
	MSG_CALL_HOST,  /* as MSG_CALL, but fn and back are given the session host (struct session_host *) */
	MSG_CALL_SHARD, /* likewise, but in turn with commands and only while the owner holds its shard itself */
	MSG_BARRIER,    /* never sent: stands among a session's requests in flight until its host lifts it */
};

struct block;
struct msg;
/* `owner` is the thread object of who runs it (struct worker *, struct ctrl *, ...). */
typedef void (*msg_call_fn)(void *owner, struct msg *m);

struct msg {
	struct msg *held_next; /* owner: those that wait for a snapshot, or for their turn to run a script */
	struct msg *next;      /* home: order of the session's requests in flight */
	uint8_t kind;
	uint8_t home, owner;
	bool done; /* home: it came back */
	/* MSG_CALL*: filled by home, results by owner */
	msg_call_fn fn;
	msg_call_fn back; /* runs at home between two batches when it came back, before it is recycled; NULL: nothing */
	void *arg[4];     /* arg[3]: a bool that home sets when it came back, or NULL */
	/* MSG_CMD, MSG_CMD_FREE: filled by home */
	void *session;
	const struct cmd *cmd;
	struct resp_request req;
	struct slice argv_inline[MSG_ARGV_INLINE];
	uint64_t hash;
	uint64_t client_id;
	const struct acl_user *user; /* of a script: held until it has run (acl_user_drop()); NULL: may do everything */
	uint32_t client_flags;
	uint32_t db;
	uint16_t fill;
	uint8_t proto;
	bool muted;
	bool deny_block;       /* see struct cmd_ctx */
	bool unless_writes;    /* a script that is handed back if it may write: clients are paused */
	uint64_t held;         /* shards that its sender has leased, and waits with them for the answer */
	struct tx *tx;         /* EXEC: the transaction */
	struct watcher *track; /* see struct cmd_ctx; a reference of it, home's */
	/* MSG_CMD, MSG_CMD_FREE: filled by owner */
	bool failed;
	bool handed_back; /* nothing of it has run */
	/* worker.h: of what it ran, latest first; home tells whose it was */
	struct slow_note *slow;
	struct acl_note *denied; /* inside of a script */
	struct block *block;     /* it found nothing and waits: session/block.h */
	struct rte_mbuf *reply_head, *reply_tail;
	size_t reply_bytes;
	uint64_t gate; /* round of the journal that the reply waits for; 0: none */
	/* home: replies of commands that ran at home after this one was sent */
	struct rte_mbuf *after_head, *after_tail;
	size_t after_bytes;
	uint64_t after_gate;
};

struct msg_bus;

struct msg_bus *msg_bus_create(uint32_t nworkers, struct err *e);
void msg_bus_destroy(struct msg_bus *b);
uint32_t msg_bus_control(const struct msg_bus *b);   /* the control thread's endpoint number */
uint32_t msg_bus_script(const struct msg_bus *b);    /* the script thread's */
uint32_t msg_bus_endpoints(const struct msg_bus *b); /* how many there are */

static inline bool msg_is_call(const struct msg *m)
{
	return m->kind == MSG_CALL || m->kind == MSG_CALL_HOST || m->kind == MSG_CALL_SHARD;
}

/* Home side. NULL: all are under way; try again in a later iteration. */
struct msg *msg_get(struct msg_bus *b, uint32_t home);
void msg_put(struct msg_bus *b, struct msg *m);
uint32_t msg_in_use(const struct msg_bus *b, uint32_t home);
/* Queues m for its owner; it leaves with msg_flush() or when a batch is full. */
void msg_send(struct msg_bus *b, struct msg *m);
/* Owner side: sends it back. */
void msg_reply(struct msg_bus *b, struct msg *m);
/* Pushes what `self` queued, and wakes receivers that sleep. End of each iteration. Returns messages pushed. */
uint32_t msg_flush(struct msg_bus *b, uint32_t self);
/* Up to n requests from one home for `self`. */
uint32_t msg_take_requests(struct msg_bus *b, uint32_t self, uint32_t home, struct msg **out, uint32_t n);
/* So many requests of that home wait for `self`: all were sent before anything that the caller looks at afterwards. */
uint32_t msg_requests(const struct msg_bus *b, uint32_t self, uint32_t home);
/* Up to n messages that need no shard, from all homes in turn. */
uint32_t msg_take_calls(struct msg_bus *b, uint32_t self, struct msg **out, uint32_t n);
/* Up to n messages of ours that came back. */
uint32_t msg_take_done(struct msg_bus *b, uint32_t self, struct msg **out, uint32_t n);
/* Is anything waiting for self? requests: count them as well as calls and what came back. */
bool msg_pending(const struct msg_bus *b, uint32_t self, bool requests);

/* Sleeping: announce, check msg_pending() and other work once more, wait on the fd, then msg_awake(). */
int msg_event_fd(const struct msg_bus *b, uint32_t self);
void msg_sleeping(struct msg_bus *b, uint32_t self);
void msg_awake(struct msg_bus *b, uint32_t self);
/* Wakes `to` if it sleeps. Any endpoint. */
void msg_kick(struct msg_bus *b, uint32_t to);
