/* Parse and prefetch: the first two stages of a batch. */
#include "session/session_priv.h"

#define REPLIES_WAITING_MAX (64 * 1024) /* bytes of replies behind a request in flight */

/* A request that cannot go on now: it owns its arguments from here on and is the session's next one. */
static void keep(struct session *s, struct batch_entry *e, enum session_wait how)
{
	if (!resp_request_keep(&e->req, s->host->heap)) {
		s->host->count.killed_nomem++;
		resp_request_free(&e->req, s->host->heap);
		session_kill(s, true);
		return;
	}
	struct session_parked *p = session_park(s);
	p->req = e->req;
	p->cmd = e->cmd;
	session_wait(s, how);
}

static bool paused(const struct session_host *h, const struct session *s, const struct cmd *cmd)
{
	if (rp_likely(h->conf.pause_until_ms == 0) || h->now.wall_us / 1000 >= h->conf.pause_until_ms)
		return false;
	if (s->cl.flags & CLIENT_F_ADMIN || cmd == NULL)
		return false;
	return h->conf.pause_all ? cmd->route != CMD_CONTROL : (cmd->flags & (CMD_F_WRITE | CMD_F_MAY_REPLICATE)) != 0;
}

/* Decides what becomes of a request. false: the session takes no further request in this batch. */
static bool route_entry(struct session_host *h, struct session *s, struct batch_entry *e)
{
	uint32_t owner = 0;
	e->m = NULL;
	e->own_key = false;
	e->lease = 0;
	if (rp_unlikely(paused(h, s, e->cmd))) {
		keep(s, e, WAIT_PAUSE);
		return false;
	}
	switch (route_request(h, e->cmd, &e->req, &owner, &e->lease)) {
	case ROUTE_HERE:
		e->lease = 0;
		break;
	case ROUTE_OWN:
		e->lease = 0;
		if (rp_unlikely(h->own_leased)) {
			keep(s, e, WAIT_SHARD);
			return false;
		}
		e->own_key = e->cmd->key_first > 0 && e->req.argc > (uint32_t)e->cmd->key_first;
		/* A command on all shards may hold them on (DEBUG SLEEP): what follows must not be answered before. */
		h->nbatch++;
		return e->cmd->route != CMD_ALL;
	case ROUTE_SEND:
		e->lease = 0;
		e->m = msg_get(h->bus, h->self);
		if (rp_unlikely(e->m == NULL)) {
			keep(s, e, WAIT_MSG);
			return false;
		}
		e->m->owner = (uint8_t)owner;
		h->nbatch++;
		/* A control command may change what the following ones see: they wait for it. */
		return e->cmd->route != CMD_CONTROL;
	case ROUTE_LEASE:
		h->nbatch++;
		return false;
	}
	h->nbatch++;
	return true;
}

/* Takes the session's next request into e. false: there is none. */
static bool next_request(struct session_host *h, struct session *s, struct batch_entry *e)
{
	e->s = s;
	e->protocol_error = NULL;
	e->hinted = false;
	if (rp_unlikely(s->parked != NULL)) {
		e->req = s->parked->req;
		e->cmd = s->parked->cmd;
		session_unpark(s);
		return true;
	}
	struct resp_limits lim = {h->conf.max_bulk, !(s->cl.flags & CLIENT_F_AUTH)};
	for (;;) {
		switch (resp_parser_next(&s->parser, &s->in, &lim, h->arena + h->arena_used, BATCH_ARGS - h->arena_used,
					 &e->req)) {
		case RESP_REQUEST:
			if (e->req.argv == h->arena + h->arena_used)
				h->arena_used += e->req.argc;
			e->cmd = cmd_lookup(e->req.argc, e->req.argv);
			return true;
		case RESP_EMPTY:
			continue;
		case RESP_INCOMPLETE:
			s->dry = true;
			return false;
		case RESP_PROTOCOL:
			h->count.protocol_errors++;
			e->protocol_error = "";
			break;
		case RESP_NOMEM:
			h->count.killed_nomem++;
			e->protocol_error = "out of memory for this request; send smaller ones or raise maxmemory";
			break;
		}
		e->req = (struct resp_request){.begin_pos = s->in.cur_pos, .end_pos = s->in.cur_pos};
		e->cmd = NULL;
		s->dry = true;
		return true;
	}
}

/* Returns true if the session may have more for the next batch. */
static bool parse_session(struct session_host *h, struct session *s)
{
	for (uint32_t n = 0; n < BATCH_PER_SESSION; n++) {
		if (s->closing || s->wait != WAIT_NONE)
			return false;
		if (h->nbatch == BATCH_REQUESTS || BATCH_ARGS - h->arena_used < 8)
			return true;
		struct batch_entry *e = &h->batch[h->nbatch];
		if (!next_request(h, s, e))
			return false;
		if (e->protocol_error != NULL) {
			e->m = NULL;
			e->lease = 0;
			e->own_key = false;
			h->nbatch++;
			return false;
		}
		if (!route_entry(h, s, e))
			return s->wait == WAIT_NONE;
		/* AUTH lifts the limits that the next request is read with. */
		if (rp_unlikely(!(s->cl.flags & CLIENT_F_AUTH)))
			return true;
	}
	return true;
}

/* Replies that could not leave yet stop further requests: those queued here, and those behind requests in flight. */
static bool session_may_reply(const struct session *s)
{
	if (s->out_head != NULL || (s->flight_tail != NULL && s->flight_tail->after_bytes >= REPLIES_WAITING_MAX))
		return false;
	return s->tr->room(s->transport) > 0;
}

void batch_parse(struct session_host *h)
{
	h->nbatch = 0;
	h->arena_used = 0;
	struct session *s = h->ready_head, *old_tail = h->ready_tail;
	h->ready_head = h->ready_tail = NULL;
	while (s != NULL) {
		struct session *next = s->ready_next;
		if (h->nbatch == BATCH_REQUESTS) {
			/* The rest keeps its turn, ahead of those who just had one. */
			old_tail->ready_next = h->ready_head;
			if (h->ready_tail == NULL)
				h->ready_tail = old_tail;
			h->ready_head = s;
			break;
		}
		s->ready = false;
		if (rp_unlikely(s->out_head != NULL))
			session_pump(s);
		bool may_write = s->gone || session_may_reply(s);
		uint32_t before = h->nbatch;
		if (rp_likely(may_write) && parse_session(h, s))
			session_ready(s);
		/* Part of a large request: what the parser took over must not hold the window shut. */
		if (h->nbatch == before)
			session_release_input(s);
		if (rp_unlikely(s->eof || s->gone || s->closing))
			session_doom(s);
		s = next;
	}
}

void batch_prefetch(struct session_host *h)
{
	struct slice key[RP_MAX_BURST];
	uint64_t hash[RP_MAX_BURST];
	uint32_t db[RP_MAX_BURST], at[RP_MAX_BURST];
	struct object *hint[RP_MAX_BURST];
	if (h->own < 0 || h->own_leased || h->nbatch < 2)
		return;
	struct store *st = h->env.stores[h->own];
	h->hint_epoch = store_epoch(st);
	for (uint32_t i = 0; i < h->nbatch;) {
		uint32_t n = 0;
		for (; i < h->nbatch && n < RP_MAX_BURST; i++) {
			struct batch_entry *e = &h->batch[i];
			if (!e->own_key)
				continue;
			key[n] = e->key = e->req.argv[e->cmd->key_first];
			db[n] = e->s->cl.db;
			at[n++] = i;
		}
		if (n == 0)
			break;
		store_prefetch(st, n, db, key, hash, hint);
		for (uint32_t k = 0; k < n; k++) {
			h->batch[at[k]].hash = hash[k];
			h->batch[at[k]].hint = hint[k];
			h->batch[at[k]].hinted = true;
		}
	}
}
