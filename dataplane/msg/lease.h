/* Leases: exclusive ownership of a set of shards, handed over by their workers, never taken from outside.
 *
 *   coordinator                                  each shard's owner, between two commands
 *   lease_try_submit() ---append to inboxes----> lease_poll_shard(): head of inbox becomes holder, waiting--
 *   lease_granted() when waiting == 0
 *   ... works on the shards' memory ...
 *   lease_release() ---holder = NULL-----------> shard runs again
 *
 * An owner that gives its CPU away lets its shard rest: until it wakes, those who submit and release leases hand the
 * shard over in its place, one at a time and in the same order, so that nobody waits for a thread that does not run.
 *
 * All appends of one lease happen under one try-lock held only for them, so two leases stand in the same order in every
 * inbox: no deadlock, one global serial order; and owners grant in parallel. A coordinator holds at most one lease per
 * session and never waits for a second while holding one.
 */
#pragma once

#include "msg/msg.h"

#define LEASE_INBOX \
	1024 /* leases waiting at one shard; power of two; a full inbox makes lease_try_submit() fail for now */

struct lease {
	uint64_t shards;      /* set of shards; coordinator writes before submitting */
	uint32_t coordinator; /* endpoint to wake */
	int32_t waiting;      /* atomic: owners that have not granted yet; owners count down, coordinator reads */
	bool submitted;       /* coordinator */
};

struct lease_table;

struct lease_table *lease_table_create(struct msg_bus *bus, uint32_t nshards);
void lease_table_destroy(struct lease_table *t);

/* Coordinator. false: somebody else is appending or an inbox is full; try again in the next iteration. */
bool lease_try_submit(struct lease_table *t, struct lease *l, uint64_t shards, uint32_t coordinator);
static inline bool lease_granted(const struct lease *l)
{
	return l->submitted && __atomic_load_n(&l->waiting, __ATOMIC_ACQUIRE) == 0;
}
/* Coordinator, once granted. news: those of the shards whose owners have something to do there before anybody else:
 * they are woken, and have their turn. */
void lease_release(struct lease_table *t, struct lease *l, uint64_t news);

/* Owner of the shard, between two commands: hands the shard over to the next lease if it has it. Returns true while
 * somebody else holds it. */
bool lease_poll_shard(struct lease_table *t, uint32_t shard);
/* Owner, which holds the shard: it does not look at it before it has woken it. */
void lease_shard_rest(struct lease_table *t, uint32_t shard);
/* Owner. false: somebody else holds it, or is handing it over now; lease_poll_shard() tells when it is back. */
bool lease_shard_wake(struct lease_table *t, uint32_t shard);
/* Nobody waits for or holds the shard (owner's view): it may sleep. */
bool lease_shard_quiet(const struct lease_table *t, uint32_t shard);
/* It is still held by the lease that lease_poll_shard() saw. Its release kicks the owner. */
bool lease_shard_held(const struct lease_table *t, uint32_t shard);

/* Shards that a script has held, or kept from others, for longer than busy-reply-threshold: who wants them is told so.
 */
enum lease_busy {
	LEASE_BUSY_NOT,
	LEASE_BUSY_SCRIPT,
	LEASE_BUSY_FUNCTION
};
/* The holder of these shards; again and again while it goes on. What waits for them keeps others waiting, too: the
 * shards of all those leases become busy with them. */
void lease_set_busy(struct lease_table *t, enum lease_busy why, uint64_t shards);
/* Any thread. The set of such shards; 0 nearly always. */
uint64_t lease_busy(const struct lease_table *t, enum lease_busy *why);
