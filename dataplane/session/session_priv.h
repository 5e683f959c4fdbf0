/* Between the files of session/. */
#pragma once

#include "session/session.h"

/* ---- session.c ---- */
/* Sends or queues a reply chain behind everything that was answered before. */
void session_out(struct session *s, struct rte_mbuf *head, struct rte_mbuf *tail, size_t bytes);
/* The same, but behind the replies of requests still in flight. */
void session_emit(struct session *s, struct rte_mbuf *head, struct rte_mbuf *tail, size_t bytes);
/* Is there room for a command that may need memory? Evicts keys of our shard if there must be. (room.c) */
bool room_make(struct session_host *h);
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

/* ---- route.c ---- */
enum route_to {
	ROUTE_HERE,  /* no key, or an error to be said */
	ROUTE_OWN,   /* our own shard */
	ROUTE_SEND,  /* another thread: *owner */
	ROUTE_LEASE, /* several shards: *shards */
};
enum route_to route_request(const struct session_host *h, const struct cmd *cmd, const struct resp_request *req,
			    uint32_t *owner, uint64_t *shards);

/* ---- batch.c ---- */
/* Parses ready sessions into h->batch and looks the keys up. */
void batch_parse(struct session_host *h);
void batch_prefetch(struct session_host *h);

/* ---- execute.c ---- */
void batch_execute(struct session_host *h);
/* Runs one command with counters and the slow log's threshold. */
void execute_counted(struct session_host *h, struct cmd_ctx *c);
/* Runs one command for a session under a lease it holds; its reply goes into r. Sets s->hold_us. */
void execute_home(struct session_host *h, struct session *s, const struct cmd *cmd, struct resp_request *req,
		  struct reply *r);

/* ---- leasing.c ---- */
/* Acquires, uses and gives back the leases of waiting sessions. Returns how many ran. */
uint32_t host_poll_leases(struct session_host *h);
/* Starts waiting for a lease (or first for its requests in flight). */
void session_want_lease(struct session *s, uint64_t shards);
