/* Between the files of worker/. */
#pragma once

#include "worker/worker.h"

/* ---- transport.c: TCP connections as transports of sessions ---- */
void transport_tcp_ops(struct worker *w, struct tcp_ops *ops);
/* Renews each connection's share of the buffers and wakes those who had theirs. Every NET_TIMERS_US. */
void transport_poll_share(struct worker *w);
/* Ends every session: after its replies, or at once. */
void transport_close_all(struct worker *w, bool at_once);
/* Connections no longer know their sessions, which are about to be freed. */
void transport_forget_all(struct worker *w);

/* ---- wants.c: what goes to the control thread ---- */
void wants_slow(void *ctx, const struct cmd_ctx *c, uint64_t us);
void wants_told(void *ctx, struct msg *m, const struct client *cl);
void wants_denied(void *ctx, const struct acl_denial *d);

/* ---- idle.c ---- */
/* Called after an iteration without work: with `idle adaptive` sleeps when it has been in vain for long enough. */
void worker_idle(struct worker *w);
