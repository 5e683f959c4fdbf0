/* Commands that wait (BLPOP and its like): from the moment when one found nothing to its answer.
 *
 *   executing thread, holding the shards     the command finds nothing: block_make() copies it into a struct block and
 *                                            links it to its keys there (store/watch.h)
 *   home                                     block_adopt(): the session takes no further request; a deadline is set
 *   owner of a shard                         host_serve(), after each command: keys that changed -> the first of those
 *                                            who wait -> claim, run, answer by a message to the home (serve.c)
 *   home                                     block_deliver(): the reply goes out, the session goes on
 *
 * A command that needs a second shard (BLMOVE) cannot be run by the owner of the one with news: its home is told and
 * runs it under a lease. Until then those behind it at that key wait on, so that the order of arrival is kept.
 *
 * Time-outs, CLIENT UNBLOCK and the end of a client are decided at home by the watcher's state, without a word to the
 * shards. Whoever comes first has it: a block that a shard has claimed is answered, whatever its home wants.
 */
#pragma once

#include "base/deadlines.h"
#include "cmd/cmd.h"
#include "store/watch.h"

struct session;
struct session_host;

/* From the heap of the thread that executed it. Goes with the watcher's last reference. */
struct block {
	struct watcher w; /* first: what is freed */
	/* Constant since block_make(). */
	const struct cmd *cmd;
	struct slice *argv;
	uint32_t argc;
	uint32_t first, n; /* keys waited for */
	uint32_t db;
	uint32_t client_flags;
	uint64_t client_id;
	uint64_t shards; /* whole: of all its keys */
	int64_t timeout_ms;
	struct watcher *track; /* joins the keys that it reads, when it is served, too; with a reference, which the home
				* gives back. NULL: none does */
	uint64_t durable;      /* ends when this round of the journal is synced; 0: does not matter */
	bool (*ready)(struct cmd_ctx *c);
	uint16_t fill;
	uint8_t proto, type;
	bool whole, gone_too, muted, full_time;
	struct session_host *home;
	bool woken;  /* the holder of its keys' shard writes: its home was told to run it */
	bool barred; /* atomic: its user must not run it any more; the home writes, who serves it reads */
	/* The home's. */
	struct session *session; /* NULL: it is not there any more */
	struct deadline deadline;
	bool adopted;
	bool early; /* news came before it was adopted */
	bool late;  /* it was to end while it ran under a lease; `how` says why */
	uint8_t how;
	struct block *poke_next;
	/* On its way from the shard that claimed or woke it to its home, with a reference of its own: the shard writes,
	 * then the home reads. */
	struct block *next;
	struct rte_mbuf *reply_head, *reply_tail;
	size_t reply_bytes;
	uint64_t gate; /* of the reply */
	bool answered, failed;
	bool refused; /* claimed while barred: its home says why it was not run */
};

/* What the owner of a shard has for one home. */
struct block_queue {
	struct block *head, *tail;
};

enum block_end {
	BLOCK_TIME_OVER, /* answered as Redis answers when the time is over */
	BLOCK_REJECTED,  /* -UNBLOCKED */
	BLOCK_FORGOTTEN, /* nobody is there to be answered */
};

/* The holder of the shards of c's keys: c->block says what it waits for. s: the session at its home, fill, muted: its
 * reply's. With the home's reference. NULL: out of memory, the error is written. */
struct block *block_make(struct session_host *h, struct cmd_ctx *c, struct session *s, uint16_t fill, bool muted);

/* ---- home ---- */
/* s waits from now on, or has its answer already. */
void block_adopt(struct session *s, struct block *b);
/* From another thread or our own shard: an answer, or news that needs a lease. Takes the traveller's reference. */
void block_deliver(struct session_host *h, struct block *b);
/* Ends the wait of s. false: too late, it is being answered. */
bool block_end(struct session *s, enum block_end how);
/* The end of one that its shard may have woken: those behind it at its key are to be looked at. */
void block_poke(struct session_host *h, struct block *b);
/* host_abandon(): without an answer, whatever its state; and what was on its way from here. */
void block_abandon(struct session *s);
void host_abandon_served(struct session_host *h);
/* s has been given its lease: runs the command once more. Its reply, if it has one, goes into r; else it waits on. */
void block_run_leased(struct session *s, struct reply *r);
/* The user of s, which waits, has changed. */
void block_look_at_user(struct session *s);
/* Time-outs that are due, and what could not be sent yet. Returns how many. */
uint32_t host_poll_blocks(struct session_host *h);

/* ---- owner of a shard ---- */
/* Serves what the changes of our shard made ready. Call it through host_serve_notes(). */
void host_serve(struct session_host *h);
/* Sends answers to their homes; those that find no message wait for the next call. */
uint32_t host_send_served(struct session_host *h);
