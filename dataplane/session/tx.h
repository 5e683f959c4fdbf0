/* Transactions: MULTI, the queue, WATCH, EXEC.
 *
 *   parse     tx_route(): which requests are to be queued, and where their EXEC will have to run, is known before any
 * of the batch is executed, since MULTI cannot fail in between (tx_parse) execute   tx_queue() keeps a request; its
 * words stay in the receive buffers until the batch ends, when tx_settle() copies what no EXEC of this batch has used
 * up EXEC      on our own shard: at once. All on one other shard: the transaction is sent there. Else under a lease of
 * the shards of its commands and watched keys; it may wait there for commands that run on other threads
 *
 * A struct tx lives from MULTI or WATCH to EXEC, DISCARD, UNWATCH or the client's end. Owner: the session's home; while
 * it is sent away, who runs it.
 */
#pragma once

#include "cmd/tx.h"
#include "session/session.h"
#include "store/watch.h"

#define TX_FIRST 8 /* commands that need no array of their own */

/* What its commands need beside shards. */
#define TX_NEEDS_CLIENT 0x1 /* the client's own thread */
#define TX_NEEDS_OTHERS 0x2 /* commands that run on other threads */
#define TX_NEEDS_LEASE  0x4 /* its shards may be held on for a while (DEBUG SLEEP) */

struct tx_cmd {
	const struct cmd *cmd;
	struct resp_request req;
	/* What the prefetch of the batch found of its first key, for an EXEC of the same batch: until tx_settle(). */
	bool hinted;
	uint64_t hash;
	struct object *hint;
};

struct tx_watch {
	struct tx_watch *next;
	uint32_t db, shard;
	uint32_t len;
	char key[];
};

struct tx_chunk;

struct tx {
	struct tx_info info;
	struct heap *heap; /* its home's */
	bool failed;       /* a command was refused: EXECABORT */
	bool running;      /* EXEC has begun */
	uint8_t needs;     /* TX_NEEDS_*: of all its commands */
	uint32_t flags;    /* CMD_F_*: likewise */
	uint32_t lacks;    /* CMD_F_* that one of them does not have */
	uint64_t shards;   /* of its commands */
	uint64_t watched;  /* of its watched keys */
	struct watcher *watcher;
	struct tx_watch *watches;
	struct tx_chunk *chunks; /* words of its commands */
	struct tx_cmd *cmd;
	uint32_t cap;
	uint32_t loose; /* commands from here on still lie in the receive buffers */
	/* EXEC with commands on other threads */
	uint32_t at;      /* the next command */
	struct msg *away; /* the answer that it waits for */
	struct reply out;
	uint64_t cycles;
	struct journal_unit unit; /* while it waits */
	uint64_t gate;            /* of its reply */
	struct tx_cmd first[TX_FIRST];
};

/* What is known of a session's transaction while its requests are parsed, ahead of their execution. */
struct tx_parse {
	bool active; /* there may be one */
	bool open;
	uint8_t needs;
	uint32_t flags;
	uint64_t shards, watched;
};

extern const struct tx_ops tx_ops;

/* ---- parse (tx_route.c) ---- */
void tx_parse_begin(const struct session *s, struct tx_parse *p);
/* Has the request to do with a transaction? */
static inline bool tx_concerns(const struct tx_parse *p, const struct cmd *cmd)
{
	return p->active || (cmd != NULL && (cmd->acl & CAT_TRANSACTION));
}
/* Where the request goes, like route_request(); ROUTE_QUEUE: it joins the transaction. e->lease: its shards. Changes
 * nothing but *owner and e. */
enum route_to tx_route(const struct session_host *h, const struct tx_parse *p, struct batch_entry *e, uint32_t *owner);
/* The request was taken. false: what follows must see what becomes of it first. */
bool tx_parsed(const struct session *s, struct tx_parse *p, const struct batch_entry *e);
bool tx_is_exec(const struct cmd *cmd);
/* Flags of what the request will run: EXEC's are those of its commands. */
uint32_t tx_cmd_flags(const struct tx_parse *p, const struct cmd *cmd);

/* ---- the queue (tx.c) ---- */
/* The session's transaction, made if there is none. NULL: out of memory. */
struct tx *tx_get(struct session *s);
/* Takes over e's request, which has been admitted; answers. */
void tx_queue(struct session *s, struct batch_entry *e, struct reply *r);
/* A request was refused while it may have been meant for the queue. */
void tx_refused(struct session *s);
/* End of the session's turn: the receive buffers go. false: out of memory, or it is too large. */
bool tx_settle(struct session *s);
/* The end of the session's transaction and watches, if it has any. */
void tx_end(struct session *s);
/* The end of one that was sent away and has come back, or of one that is no session's any more. */
void tx_free(struct session_host *h, struct tx *tx);
void tx_unwatch(struct session_host *h, struct tx *tx);
/* Has a watched key changed? Into what CLIENT LIST shows. */
void tx_look(struct tx *tx);

/* ---- EXEC (tx_exec.c) ---- */
/* Admits EXEC, or refuses it with EXECABORT, also outside a transaction. *doomed: it will not run its commands, so it
 * needs no shard. */
bool tx_admit_exec(struct session *s, const struct batch_entry *e, struct reply *r, bool *doomed);
/* EXEC is refused for that reason, and with it the transaction. */
void tx_refuse_exec(struct session *s, const char *why, struct reply *r);
/* The session holds the lease of its EXEC: does one of the commands have to wait for a snapshot first? */
bool tx_hold_wanted(const struct session *s);
/* One of its commands runs on another thread now, which uses the shards that the lease has brought: nobody else does.
 */
bool tx_away(const struct session *s);
/* Runs EXEC for a session that holds the lease, as far as it comes. false: it waits for another thread. */
bool tx_resume(struct session *s, const struct cmd *exec);
/* The host is abandoned: what it waits for will not come. */
void tx_abandon(struct session *s);
