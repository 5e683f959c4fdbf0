/* Requests that need several shards at once: a session's lease from wish to release. */
#include "session/session_priv.h"

void session_want_lease(struct session *s, uint64_t shards)
{
	struct session_parked *p = session_park(s);
	p->lease_want = shards;
	p->lease_until_us = 0;
	if (s->flight_head != NULL)
		session_wait(s, WAIT_DRAIN);
	else
		session_wait(s, WAIT_LEASE);
}

static void run_kept(struct session *s)
{
	struct session_host *h = s->host;
	struct session_parked *p = s->parked;
	struct reply r;
	struct resp_request req = p->req;
	p->req.argc = 0;
	reply_init(&r, h->mbufs, s->fill, s->cl.proto);
	r.bufs_left = h->reply_bufs;
	r.errors = &h->errors;
	for (uint64_t rest = p->lease_want; rest != 0; rest &= rest - 1)
		store_set_now(h->env.stores[__builtin_ctzll(rest)], h->now.wall_us);
	execute_home(h, s, p->cmd, &req, &r);
	h->count.leases++;
	if (r.failed) {
		h->count.killed_nomem++;
		session_kill(s, true);
		reply_reset(&r, h->heap);
	}
	p->held_tail = r.tail;
	p->held_head = reply_take(&r, &p->held_bytes);
	resp_request_free(&req, h->heap);
}

/* Its shards go back, its reply goes out, and the session goes on. */
static void finish(struct session *s)
{
	struct session_host *h = s->host;
	lease_release(h->leases, &s->parked->lease);
	struct session_parked p = *s->parked;
	session_unpark(s);
	session_wait(s, WAIT_NONE);
	session_out(s, p.held_head, p.held_tail, p.held_bytes);
	session_release_input(s);
	if (s->gone || s->eof || s->closing)
		session_doom(s);
}

static uint32_t poll_lease(struct session *s)
{
	struct session_host *h = s->host;
	struct session_parked *p = s->parked;
	if (!p->lease.submitted) {
		lease_try_submit(h->leases, &p->lease, p->lease_want, h->self);
		return 0;
	}
	if (!lease_granted(&p->lease))
		return 0;
	if (p->lease_until_us != 0) {
		if ((int64_t)h->now.mono_us < p->lease_until_us)
			return 0;
		finish(s);
		return 1;
	}
	if (p->req.argc != 0)
		run_kept(s);
	if (p->hold_us != 0) {
		p->lease_until_us = (int64_t)(h->now.mono_us + p->hold_us);
		return 1;
	}
	finish(s);
	return 1;
}

uint32_t host_poll_leases(struct session_host *h)
{
	uint32_t done = 0;
	for (struct session *s = h->waiting[WAIT_LEASE], *next; s != NULL; s = next) {
		next = s->wait_next;
		done += poll_lease(s);
	}
	return done;
}
