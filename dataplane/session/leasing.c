/* Requests that need several shards at once: a session's lease from wish to release.
 *
 * Handing shards over costs more than most commands. So a session whose shards are all part of a lease that another
 * session of this host waits for asks for none of its own: when the other one is done, it takes along those who wait,
 * in order of arrival, for as long as they cost the shards' owners little. What follows in this iteration's batch and
 * needs no more than these shards runs under the same lease, too: pipelined requests cost one lease together.
 */
#include <rte_cycles.h>

#include "cmd/handlers.h"
#include "session/session_priv.h"
#include "session/tracking.h"
#include "session/tx.h"
#include "store/watch.h"

#define FOLLOW_US 200 /* that those who go along keep the shards for */

void session_want_lease(struct session *s, uint64_t shards)
{
	struct session_parked *p = session_park(s);
	p->leasing = true;
	p->lease_want = shards;
	p->lease_until_us = 0;
	if (s->flight_head != NULL)
		session_wait(s, WAIT_DRAIN);
	else
		session_wait(s, WAIT_LEASE);
}

/* The reply waits until the shards go back. */
static void hold_reply(struct session *s, struct reply *r)
{
	struct session_host *h = s->host;
	struct session_parked *p = s->parked;
	if (r->failed) {
		h->count.killed_nomem++;
		session_kill(s, true);
		reply_reset(r, h->heap);
	}
	p->held_tail = r->tail;
	p->held_head = reply_take(r, &p->held_bytes);
}

/* Its client may have been killed while it waited, or lost the right to it. EXEC's commands are looked at one by one.
 */
static bool still_wanted(struct session *s, const struct resp_request *req, struct reply *r)
{
	const struct cmd *cmd = s->parked->cmd;
	if (rp_unlikely(s->abort))
		return false;
	if (rp_likely((s->cl.flags & CLIENT_F_FREE) || cmd->fn == cmd_exec))
		return true;
	r->muted = (s->cl.flags & (CLIENT_F_REPLY_OFF | CLIENT_F_SKIP_NEXT)) != 0;
	if (cmd_recheck(&s->host->env, &s->cl, cmd, req->argc, req->argv, r))
		return true;
	s->cl.flags &= ~CLIENT_F_SKIP_NEXT;
	s->host->env.stats[cmd->id].rejected++;
	return false;
}

static void run_kept(struct session *s)
{
	struct session_host *h = s->host;
	struct session_parked *p = s->parked;
	struct reply r;
	struct resp_request req = p->req;
	uint64_t tsc = 0;
	p->req.argc = 0;
	reply_init(&r, h->mbufs, s->fill, s->cl.proto);
	r.bufs_left = h->reply_bufs;
	r.errors = &h->errors;
	host_unit_begin(h, p->lease_want);
	if (s->block != NULL) {
		block_run_leased(s, &r);
		p->gate = host_unit_end(h, false);
	} else {
		if (still_wanted(s, &req, &r))
			execute_home(h, s, p->cmd, &req, &r, &tsc);
		p->gate = host_unit_end(h, command_wide(p->cmd));
		h->count.leases++;
	}
	hold_reply(s, &r);
	resp_request_free(&req, h->heap);
}

/* EXEC with commands that run on other threads. false: one of them does so now. */
static bool run_tx(struct session *s)
{
	struct session_parked *p = s->parked;
	if (!tx_resume(s, p->cmd))
		return false;
	s->host->count.leases++;
	p->gate = s->cl.tx->gate;
	hold_reply(s, &s->cl.tx->out);
	tx_end(s);
	resp_request_free(&p->req, s->host->heap);
	p->req.argc = 0;
	return true;
}

/* Work for the shards that the lease has brought. false: it goes on later. */
static bool use_lease(struct session *s)
{
	struct session_host *h = s->host;
	struct session_parked *p = s->parked;
	bool done = true;
	for (uint64_t rest = p->lease_want; rest != 0; rest &= rest - 1)
		store_set_now(h->env.stores[__builtin_ctzll(rest)], h->now.wall_us);
	p->running = true;
	if (s->block == NULL && p->cmd->fn == cmd_exec && (s->cl.tx->needs & TX_NEEDS_OTHERS))
		done = run_tx(s);
	else
		run_kept(s);
	p->running = false;
	return done;
}

/* Its reply goes out, and the session goes on. */
static void go_on(struct session *s)
{
	struct session_parked p = *s->parked;
	session_unpark(s);
	session_wait(s, s->block != NULL ? WAIT_BLOCK : WAIT_NONE);
	session_emit(s, p.held_head, p.held_tail, p.held_bytes, p.gate);
	session_release_input(s);
	if (s->gone || s->eof || s->closing)
		session_doom(s);
}

/* ---- taking others along ---- */

/* Could it run, and be done at once, while these shards are held? Looks at none of them: they may be others' still. */
static bool can_follow(const struct session *s, uint64_t shards)
{
	const struct session_parked *p = s->parked;
	if (p->running || p->lease.submitted || (p->lease_want & ~shards) != 0 || p->lease_until_us != 0)
		return false;
	if (s->block != NULL)
		return true;
	return p->req.argc != 0 && !(p->cmd->fn == cmd_exec && (s->cl.tx->needs & TX_NEEDS_OTHERS));
}

/* Its shards are held: does what it asks for have to wait for a snapshot? */
static bool must_hold(const struct session *s)
{
	const struct session_parked *p = s->parked;
	if (p->req.argc == 0)
		return false;
	return hold_wanted(s->host, p->lease_want, p->cmd, &p->req, s->cl.db) || tx_hold_wanted(s);
}

bool session_follows(const struct session *s)
{
	const struct session_host *h = s->host;
	for (uint32_t i = 0; i < h->nled; i++)
		if (can_follow(s, h->led[i]->shards))
			return true;
	return false;
}

static void submit(struct session *s)
{
	struct session_host *h = s->host;
	struct session_parked *p = s->parked;
	if (session_follows(s))
		return;
	if (lease_try_submit(h->leases, &p->lease, p->lease_want, h->self) && h->nled < LEADERS_MAX)
		h->led[h->nled++] = &p->lease;
}

static void lead_no_more(struct session_host *h, const struct lease *l)
{
	for (uint32_t i = 0; i < h->nled; i++)
		if (h->led[i] == l) {
			h->led[i] = h->led[--h->nled];
			break;
		}
}

uint64_t host_news(const struct session_host *h, uint64_t shards)
{
	uint64_t news = 0;
	for (uint64_t rest = shards; rest != 0; rest &= rest - 1) {
		const struct store *st = h->env.stores[__builtin_ctzll(rest)];
		if (store_notes_pending(st) != 0 || store_snap_active(st))
			news |= rest & -rest;
	}
	return news;
}

static void release(struct session_host *h, struct lease *l)
{
	lead_no_more(h, l);
	lease_release(h->leases, l, host_news(h, l->shards));
}

/* Once granted, a lease is its coordinator's alone: it may be moved. */
static void keep(struct session_host *h, struct lease *l)
{
	lead_no_more(h, l);
	h->kept = *l;
	l->submitted = false;
	for (uint64_t rest = l->shards; rest != 0; rest &= rest - 1)
		store_set_now(h->env.stores[__builtin_ctzll(rest)], h->now.wall_us);
}

/* A batch has no room for anything else between its commands: nobody may wait for news of these shards. And the control
 * thread's commands may wait for leases themselves. */
static bool may_keep(const struct session_host *h, uint64_t shards)
{
	if (h->own < 0 || h->kept.shards != 0)
		return false;
	for (uint64_t rest = shards; rest != 0; rest &= rest - 1)
		if (watch_blocking_keys(h->env.stores[__builtin_ctzll(rest)]) != 0)
			return false;
	return true;
}

void host_release_kept(struct session_host *h)
{
	lease_release(h->leases, &h->kept, host_news(h, h->kept.shards));
	h->kept.shards = 0;
}

/* Those who wait for news of these shards have their turn before anybody else. */
static bool somebody_is_due(const struct session_host *h, uint64_t shards)
{
	for (uint64_t rest = shards; rest != 0; rest &= rest - 1)
		if (store_notes_pending(h->env.stores[__builtin_ctzll(rest)]) & STORE_NOTE_READY)
			return true;
	return false;
}

/* All of these shards are held. */
static struct session *next_follower(const struct session_host *h, uint64_t shards)
{
	struct session *s = h->waiting[WAIT_LEASE];
	while (s != NULL && !(can_follow(s, shards) && !must_hold(s)))
		s = s->wait_next;
	return s;
}

/* All shards are held, by another session. Returns how many it ran. */
static uint32_t take_along(struct session_host *h, uint64_t shards)
{
	uint64_t end = rte_rdtsc() + FOLLOW_US * h->tsc_hz / 1000000;
	uint32_t n = 0;
	struct session *s;
	while (!somebody_is_due(h, shards) && (s = next_follower(h, shards)) != NULL) {
		use_lease(s);
		host_tell(h, s->parked->lease_want, s->cl.id);
		n++;
		if (s->parked->hold_us == 0)
			go_on(s); /* else it still wants them for itself, that long */
		if (rte_rdtsc() >= end)
			break;
	}
	return n;
}

/* The shards go back. Returns how many sessions are done. */
static uint32_t finish(struct session *s)
{
	struct session_host *h = s->host;
	uint64_t shards = s->parked->lease.shards;
	host_tell(h, shards, s->cl.id);
	uint32_t n = 1 + take_along(h, shards);
	if (may_keep(h, shards))
		keep(h, &s->parked->lease);
	else
		release(h, &s->parked->lease);
	go_on(s);
	return n;
}

static uint32_t poll_lease(struct session *s)
{
	struct session_host *h = s->host;
	struct session_parked *p = s->parked;
	if (p->running)
		return 0;
	if (!p->lease.submitted)
		submit(s);
	if (!lease_granted(&p->lease) || tx_away(s))
		return 0;
	if (p->lease_until_us != 0) {
		if ((int64_t)h->now.mono_us < p->lease_until_us)
			return 0;
		return finish(s);
	}
	if (must_hold(s)) {
		/* The shards go on, and we ask for them again. */
		uint32_t n = take_along(h, p->lease.shards);
		release(h, &p->lease);
		return n;
	}
	if ((p->req.argc != 0 || s->block != NULL) && !use_lease(s))
		return 0;
	if (p->hold_us != 0) {
		p->lease_until_us = (int64_t)(h->now.mono_us + p->hold_us);
		return 1;
	}
	return finish(s);
}

uint32_t host_poll_leases(struct session_host *h)
{
	uint32_t done = 0;
	for (struct session *s = h->waiting[WAIT_LEASE], *next; s != NULL; s = next) {
		next = s->wait_next;
		done += poll_lease(s);
		if (next != NULL && next->wait != WAIT_LEASE)
			next = h->waiting[WAIT_LEASE]; /* it was taken along */
	}
	return done;
}
