/* Requests that need several shards at once: a session's lease from wish to release. */
#include "session/session_priv.h"

void session_want_lease(struct session *s, uint64_t shards)
{
	s->lease_want = shards;
	s->lease_until_us = 0;
	if (s->flight_head != NULL)
		session_wait(s, WAIT_DRAIN);
	else
		session_wait(s, WAIT_LEASE);
}

static void run_kept(struct session *s)
{
	struct session_host *h = s->host;
	struct reply r;
	struct resp_request req = s->kept;
	s->kept.argc = 0;
	reply_init(&r, h->mbufs, s->fill, s->cl.proto);
	r.bufs_left = h->reply_bufs;
	for (uint64_t rest = s->lease_want; rest != 0; rest &= rest - 1)
		store_set_now(h->env.stores[__builtin_ctzll(rest)], h->now.wall_us);
	execute_home(h, s, s->kept_cmd, &req, &r);
	h->count.leases++;
	if (r.failed) {
		h->count.killed_nomem++;
		session_kill(s, true);
		reply_reset(&r, h->heap);
	}
	s->held_tail = r.tail;
	s->held_head = reply_take(&r, &s->held_bytes);
	resp_request_free(&req, h->heap);
}

/* Its shards go back, its reply goes out, and the session goes on. */
static void finish(struct session *s)
{
	struct session_host *h = s->host;
	lease_release(h->leases, &s->lease);
	struct rte_mbuf *head = s->held_head;
	s->held_head = NULL;
	s->lease_until_us = 0;
	s->hold_us = 0;
	s->lease_want = 0;
	session_wait(s, WAIT_NONE);
	session_out(s, head, s->held_tail, s->held_bytes);
	session_release_input(s);
	if (s->gone || s->eof || s->closing)
		session_doom(s);
}

static uint32_t poll_lease(struct session *s)
{
	struct session_host *h = s->host;
	if (!s->lease.submitted) {
		lease_try_submit(h->leases, &s->lease, s->lease_want, h->self);
		return 0;
	}
	if (!lease_granted(&s->lease))
		return 0;
	if (s->lease_until_us != 0) {
		if ((int64_t)h->now.mono_us < s->lease_until_us)
			return 0;
		finish(s);
		return 1;
	}
	if (s->kept.argc != 0)
		run_kept(s);
	if (s->hold_us != 0) {
		s->lease_until_us = (int64_t)(h->now.mono_us + s->hold_us);
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
