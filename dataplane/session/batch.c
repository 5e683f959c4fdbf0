/* Parse and prefetch: the first two stages of a batch. */
#include "cmd/handlers.h"
#include "session/pubsub.h"
#include "session/session_priv.h"
#include "session/tx.h"

#define HELD_MAX            32          /* requests of one batch on shards that we go on holding for them */
#define REPLIES_WAITING_MAX (64 * 1024) /* bytes of replies behind a request in flight */
#define BUFS_PER_REQUEST    32          /* of the free packet buffers, for each that a session has in a batch */
#define BUFS_FEW            (BATCH_PER_SESSION * BUFS_PER_REQUEST)

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

/* EVAL of a script whose first line says so. */
static bool says_no_writes(const struct resp_request *req)
{
	struct slice text = req->argc > 1 ? req->argv[1] : (struct slice){NULL, 0};
	if (!slice_begins(text, SLICE("#!")))
		return false;
	const char *nl = memchr(text.ptr, '\n', text.len);
	size_t len = nl != NULL ? (size_t)(nl - text.ptr) : text.len;
	return memmem(text.ptr, len, "no-writes", strlen("no-writes")) != NULL;
}

bool script_may_write(const struct cmd *cmd, const struct resp_request *req)
{
	if (cmd->route != CMD_SCRIPT || (cmd->flags & (CMD_F_MOVABLE_KEYS | CMD_F_READONLY)) != CMD_F_MOVABLE_KEYS)
		return false;
	return strcmp(cmd->name, "eval") != 0 || !says_no_writes(req);
}

/* flags: of what it will run. */
static bool paused(const struct session_host *h, const struct session *s, const struct cmd *cmd, uint32_t flags,
		   const struct resp_request *req)
{
	if (rp_likely(!host_paused(h)) || s->cl.flags & CLIENT_F_ADMIN || cmd == NULL)
		return false;
	return h->conf.pause_all || (flags & (CMD_F_WRITE | CMD_F_MAY_REPLICATE)) != 0 || script_may_write(cmd, req);
}

/* EVALSHA and FCALL name a script that only the script thread knows. */
static bool names_a_script(const struct cmd *cmd, const struct resp_request *req)
{
	return script_may_write(cmd, req) && strcmp(cmd->name, "eval") != 0;
}

/* What a session's batch has come to so far. */
#define SENT_SHARD  1u /* a command for another shard is about to be sent */
#define SENT_SCRIPT 2u /* a script is */
#define SENT_ANY    4u /* anything is, to whomever */

static bool subscribes(const struct cmd *cmd)
{
	return (cmd->flags & CMD_F_PUBSUB) && cmd->route == CMD_HOME;
}

/* Its confirmation would stand behind requests that came after the barrier, and messages only behind that. */
static bool barrier_too_early(const struct session *s, uint32_t sent)
{
	const struct session_listener *l = listener_of(s);

	return l != NULL && l->standing && ((sent & SENT_ANY) || s->flight_tail != &l->barrier);
}

/* Who hears a message or runs a script finds done what its sender asked for before, and what follows a script finds
 * done what it does. Messages, and scripts, may follow each other without a pause. flags: CMD_F_* of all it runs. */
static bool must_wait(const struct session *s, const struct cmd *cmd, uint32_t flags, uint32_t sent)
{
	const struct msg *last = s->flight_tail;

	if (cmd == NULL)
		return false;
	/* EXEC may subscribe, too. */
	if (rp_unlikely(flags & CMD_F_PUBSUB) && barrier_too_early(s, sent))
		return true;
	/* WAIT and WAITAOF are about all that came before. */
	if ((cmd->flags & CMD_F_BLOCKING) && cmd->route == CMD_HOME)
		return last != NULL || (sent & SENT_ANY);
	if (cmd->route == CMD_CHANNEL || cmd->route == CMD_SCRIPT)
		if (sent & SENT_SHARD || (last != NULL && last->kind != MSG_CMD_FREE))
			return true;
	return cmd->route != CMD_SCRIPT &&
	       (sent & SENT_SCRIPT || (last != NULL && last->kind == MSG_CMD_FREE && last->cmd->route == CMD_SCRIPT));
}

/* A script has held what the request needs for too long. One that keeps the whole keyspace keeps everything else
 * waiting too, as Redis has it, but for those who come through the admin listener. */
static bool held_too_long(const struct session_host *h, const struct batch_entry *e, enum route_to to, uint32_t owner)
{
	uint64_t needs = 0;

	if (rp_likely(h->busy == 0) || e->cmd == NULL)
		return false;
	if (to == ROUTE_OWN)
		needs = 1ull << h->own;
	else if (to == ROUTE_SEND && e->cmd->route != CMD_CONTROL)
		needs = 1ull << owner;
	else if (to == ROUTE_LEASE)
		needs = e->lease;
	if (needs & h->busy)
		return true;
	if (e->cmd->flags & CMD_F_ALLOW_BUSY)
		return false;
	return e->cmd->route == CMD_SCRIPT || (h->busy == h->all_shards && h->own >= 0);
}

/* Who a client is and whether it listens decides what becomes of what follows. */
static bool changes_client(const struct cmd *cmd)
{
	return (cmd->flags & CMD_F_NO_AUTH) || subscribes(cmd);
}

static bool snapping(const struct session_host *h, uint64_t shards)
{
	for (uint64_t rest = shards; rest != 0; rest &= rest - 1)
		if (store_snap_active(h->env.stores[__builtin_ctzll(rest)]))
			return true;
	return false;
}

/* Whose work is in proportion to its words: the shards' owners are not kept waiting by what lies behind a key. */
static bool is_short(const struct cmd *cmd)
{
	return (cmd->flags & CMD_F_FAST) || cmd->fn == cmd_mset || cmd->fn == cmd_msetnx || cmd->fn == cmd_del;
}

/* We hold all that the request needs until the end of the batch, and nothing of its session is on its way elsewhere. */
static bool may_use_kept(const struct session_host *h, const struct session *s, const struct batch_entry *e,
			 const struct tx_parse *p, uint64_t shards, uint32_t sent)
{
	if (rp_likely(h->kept.shards == 0) || shards == 0 || (shards & ~h->kept.shards) != 0)
		return false;
	if (s->flight_head != NULL || (sent & SENT_ANY) || h->nheld == HELD_MAX)
		return false;
	if (e->exec)
		return !(p->needs & (TX_NEEDS_OTHERS | TX_NEEDS_LEASE)) && !snapping(h, shards);
	return e->cmd->route == CMD_KEYS && is_short(e->cmd) && !cmd_may_block(e->cmd, e->req.argc, e->req.argv) &&
	       !hold_wanted(h, shards, e->cmd, &e->req, s->cl.db);
}

/* If so, it is noted. */
static bool takes_kept(struct session_host *h, const struct session *s, struct batch_entry *e, const struct tx_parse *p,
		       uint64_t shards, uint32_t sent)
{
	if (!may_use_kept(h, s, e, p, shards, sent))
		return false;
	e->held = shards;
	e->lease = 0;
	h->nheld++;
	h->nbatch++;
	return true;
}

/* Decides what becomes of a request. false: the session takes no further request in this batch. *sent: SENT_* of those
 * before it in this batch. */
static bool route_entry(struct session_host *h, struct session *s, struct batch_entry *e, struct tx_parse *p,
			uint32_t *sent)
{
	uint32_t owner = 0;
	enum route_to to;
	e->m = NULL;
	e->own_key = false;
	e->lease = e->held = 0;
	e->queue = e->exec = e->leasing = e->asks = false;
	uint32_t flags = e->cmd != NULL ? tx_cmd_flags(p, e->cmd) : 0;
	if (rp_unlikely(paused(h, s, e->cmd, flags, &e->req))) {
		e->asks = !h->conf.pause_all && !p->open && names_a_script(e->cmd, &e->req);
		if (!e->asks) {
			keep(s, e, WAIT_PAUSE);
			return false;
		}
	}
	if (rp_unlikely(h->journal_tight) &&
	    ((flags & (CMD_F_WRITE | CMD_F_MAY_REPLICATE)) || (e->cmd != NULL && script_may_write(e->cmd, &e->req)))) {
		h->count.journal_waits++;
		keep(s, e, WAIT_JOURNAL);
		return false;
	}
	if (rp_unlikely(tx_concerns(p, e->cmd)))
		to = tx_route(h, p, e, &owner);
	else
		to = route_request(h, e->cmd, &e->req, &owner, &e->lease);
	if (rp_unlikely(to != ROUTE_QUEUE && must_wait(s, e->cmd, flags, *sent))) {
		keep(s, e, WAIT_DRAIN);
		return false;
	}
	if (rp_unlikely(held_too_long(h, e, to, owner))) {
		e->refused = h->busy_why == LEASE_BUSY_FUNCTION ? SESSION_BUSY_FUNCTION : SESSION_BUSY_SCRIPT;
		to = ROUTE_HERE;
	}
	switch (to) {
	case ROUTE_HERE:
		/* What follows a subscription comes after it everywhere. */
		*sent |= e->cmd != NULL && subscribes(e->cmd);
		e->lease = 0;
		h->nbatch++;
		return e->cmd == NULL || !(changes_client(e->cmd) || cmd_may_block(e->cmd, e->req.argc, e->req.argv));
	case ROUTE_OWN:
		e->lease = 0;
		if (rp_unlikely(h->own_leased)) {
			if (takes_kept(h, s, e, p, 1ull << h->own, *sent))
				return true;
			keep(s, e, WAIT_SHARD);
			return false;
		}
		if (rp_unlikely(store_snap_active(h->env.stores[h->own])) &&
		    hold_wanted(h, 1ull << h->own, e->cmd, &e->req, s->cl.db)) {
			keep(s, e, WAIT_SHARD);
			return false;
		}
		e->own_key = e->cmd->key_first > 0 && e->req.argc > (uint32_t)e->cmd->key_first;
		/* A command on all shards may hold them on (DEBUG SLEEP): what follows must not be answered before. */
		h->nbatch++;
		return e->cmd->route != CMD_ALL && !cmd_may_block(e->cmd, e->req.argc, e->req.argv);
	case ROUTE_SEND:
	case ROUTE_FREE:
		e->lease = 0;
		e->m = msg_get(h->bus, h->self);
		if (rp_unlikely(e->m == NULL)) {
			keep(s, e, WAIT_MSG);
			return false;
		}
		e->m->kind = to == ROUTE_FREE ? MSG_CMD_FREE : MSG_CMD;
		e->m->owner = (uint8_t)owner;
		*sent |= SENT_ANY | (to == ROUTE_SEND ? SENT_SHARD : e->cmd->route == CMD_SCRIPT ? SENT_SCRIPT : 0);
		h->nbatch++;
		/* A control command may change what the following ones see: they wait for it. */
		return e->cmd->route != CMD_CONTROL && !e->asks && !cmd_may_block(e->cmd, e->req.argc, e->req.argv);
	case ROUTE_LEASE:
		if (takes_kept(h, s, e, p, e->lease, *sent))
			return true;
		e->leasing = true;
		h->nbatch++;
		return false;
	case ROUTE_QUEUE:
		e->queue = true;
		/* EXEC is likely to come in this batch: its keys' memory is on its way by then. */
		e->own_key = h->own >= 0 && e->lease == 1ull << h->own && e->cmd->key_first > 0 &&
			     e->req.argc > (uint32_t)e->cmd->key_first;
		h->nbatch++;
		return true;
	}
	return true;
}

/* Takes the session's next request into e. false: there is none. */
static bool next_request(struct session_host *h, struct session *s, struct batch_entry *e)
{
	e->s = s;
	e->protocol_error = NULL;
	e->refused = NULL;
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
			if (rp_unlikely(resp_parser_filling(&s->parser) > h->conf.query_buffer_bytes)) {
				h->count.killed_query++;
				session_kill(s, true);
			}
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

/* How many requests of one session a batch takes. While packet buffers are few their replies together must not want
 * half of them: that closes a client. */
static uint32_t most_of_one(struct session_host *h)
{
	if (rp_likely(h->bufs_free >= BUFS_FEW))
		return BATCH_PER_SESSION;
	host_poll_buffers(h);
	return RP_MAX(RP_MIN(h->bufs_free / BUFS_PER_REQUEST, (uint32_t)BATCH_PER_SESSION), 1u);
}

/* Returns true if the session may have more for the next batch. */
static bool parse_session(struct session_host *h, struct session *s)
{
	uint32_t sent = 0, most = most_of_one(h);
	struct tx_parse tx;
	tx_parse_begin(s, &tx);
	for (uint32_t n = 0; n < most; n++) {
		if (s->closing || s->wait != WAIT_NONE)
			return false;
		if (h->nbatch == BATCH_REQUESTS || BATCH_ARGS - h->arena_used < 8)
			return true;
		struct batch_entry *e = &h->batch[h->nbatch];
		if (!next_request(h, s, e))
			return false;
		if (e->protocol_error != NULL) {
			e->m = NULL;
			e->lease = e->held = 0;
			e->own_key = e->queue = e->exec = e->leasing = e->asks = false;
			h->nbatch++;
			return false;
		}
		bool more = route_entry(h, s, e, &tx, &sent);
		if (rp_unlikely(tx_concerns(&tx, e->cmd)) && s->wait == WAIT_NONE)
			more &= tx_parsed(s, &tx, e);
		if (!more)
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
	if (rp_unlikely(s->gate != NULL) && session_gate_bytes(s) >= REPLIES_WAITING_MAX)
		return false;
	return s->tr->room(s->transport) > 0;
}

void batch_parse(struct session_host *h)
{
	h->nbatch = h->nheld = 0;
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

static struct slice member_of(const struct batch_entry *e)
{
	uint32_t at = e->cmd->member;

	return at > 0 && at < e->req.argc ? e->req.argv[at] : (struct slice){0};
}

void batch_prefetch(struct session_host *h)
{
	struct slice key[RP_MAX_BURST], member[RP_MAX_BURST];
	uint64_t hash[RP_MAX_BURST];
	uint32_t db[RP_MAX_BURST], at[RP_MAX_BURST];
	struct object *hint[RP_MAX_BURST];
	if (h->own < 0 || h->own_leased || h->nbatch < 2)
		return;
	struct store *st = h->env.stores[h->own];
	h->hint_epoch = store_epoch(st);
	for (uint32_t i = 0; i < h->nbatch;) {
		uint32_t n = 0, members = 0;
		for (; i < h->nbatch && n < RP_MAX_BURST; i++) {
			struct batch_entry *e = &h->batch[i];
			if (!e->own_key)
				continue;
			key[n] = e->key = e->req.argv[e->cmd->key_first];
			db[n] = e->s->cl.db;
			member[n] = member_of(e);
			members |= e->cmd->member;
			at[n++] = i;
		}
		if (n == 0)
			break;
		store_prefetch(st, n, db, key, hash, hint);
		if (members != 0)
			store_prefetch_members(n, hint, member);
		for (uint32_t k = 0; k < n; k++) {
			h->batch[at[k]].hash = hash[k];
			h->batch[at[k]].hint = hint[k];
			h->batch[at[k]].hinted = true;
		}
	}
}
