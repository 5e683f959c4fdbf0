/* Execute: the requests of a batch in order, each where it belongs. */
#include "session/session_priv.h"

/* The reply being built for the session whose turn it is: consecutive requests of one session share buffers. */
struct turn {
	struct session *s;
	struct reply r;
};

static void turn_end(struct turn *t)
{
	struct session *s = t->s;
	if (s == NULL)
		return;
	if (rp_unlikely(t->r.failed)) {
		/* Part of a reply is lost: the stream cannot be continued. */
		s->host->count.killed_nomem++;
		session_kill(s, true);
		reply_reset(&t->r, s->host->heap);
	}
	struct rte_mbuf *tail = t->r.tail;
	size_t bytes;
	struct rte_mbuf *head = reply_take(&t->r, &bytes);
	session_emit(s, head, tail, bytes);
	t->s = NULL;
}

static void turn_begin(struct session_host *h, struct turn *t, struct session *s)
{
	if (t->s == s)
		return;
	turn_end(t);
	t->s = s;
	reply_init(&t->r, h->mbufs, s->fill, s->cl.proto);
	t->r.bufs_left = h->reply_bufs;
	t->r.errors = &h->errors;
}

static void report_slow(struct session_host *h, const struct cmd_ctx *c, uint64_t cycles)
{
	uint64_t us = cycles * 1000000 / h->tsc_hz;
	if ((h->conf.slowlog_us >= 0 && us >= (uint64_t)h->conf.slowlog_us && !(c->cmd->flags & CMD_F_SKIP_SLOWLOG)) ||
	    (h->conf.latency_ms != 0 && us >= h->conf.latency_ms * 1000))
		h->ops.slow(h->ops.ctx, c, us);
}

void execute_counted(struct session_host *h, struct cmd_ctx *c)
{
	uint64_t cycles = cmd_run(c);
	/* What it will hold its shards for (DEBUG SLEEP) is its time as well. */
	if (rp_unlikely(c->hold_us != 0))
		cycles += c->hold_us * (h->tsc_hz / 1000000);
	h->count.commands++;
	if (rp_unlikely(cycles >= h->slow_cycles))
		report_slow(h, c, cycles);
}

void execute_home(struct session_host *h, struct session *s, const struct cmd *cmd, struct resp_request *req,
		  struct reply *r)
{
	struct client *cl = &s->cl;
	r->muted = (cl->flags & (CLIENT_F_REPLY_OFF | CLIENT_F_SKIP_NEXT)) != 0;
	cl->flags &= ~CLIENT_F_SKIP_NEXT;
	struct cmd_ctx c = {.cmd = cmd,
			    .argc = req->argc,
			    .argv = req->argv,
			    .out = r,
			    .env = &h->env,
			    .client = cl,
			    .client_id = cl->id,
			    .client_flags = cl->flags,
			    .db = cl->db,
			    .req = req,
			    .rng = &h->env.rng};
	cl->last_us = (int64_t)h->now.mono_us;
	cl->last_cmd = cmd->id;
	cl->commands++;
	execute_counted(h, &c);
	if (rp_unlikely(c.hold_us != 0))
		session_park(s)->hold_us = c.hold_us;
	r->proto = cl->proto;
	if (rp_unlikely(cl->flags & CLIENT_F_CLOSE)) {
		s->closing = true;
		session_doom(s);
	}
}

/* Refuses what must not run; writes the error. */
static const struct cmd *admit(struct session *s, struct batch_entry *e, struct reply *r)
{
	const struct cmd *cmd = e->cmd;
	if (rp_likely(cmd != NULL && (s->cl.flags & CLIENT_F_AUTH) && cmd_arity_ok(cmd, e->req.argc) &&
		      !(cmd->flags & CMD_F_CONTAINER)) &&
	    !(rp_unlikely(s->host->tight) && (cmd->flags & CMD_F_DENYOOM)))
		return cmd;
	bool muted = r->muted;
	r->muted = (s->cl.flags & (CLIENT_F_REPLY_OFF | CLIENT_F_SKIP_NEXT)) != 0;
	cmd = cmd_admit(&s->cl, e->req.argc, e->req.argv, r);
	if (cmd != NULL && s->host->tight && (cmd->flags & CMD_F_DENYOOM) && !room_make(s->host)) {
		reply_error(r, "OOM command not allowed when used memory > 'maxmemory'.");
		cmd = NULL;
	}
	if (cmd == NULL) {
		s->cl.flags &= ~CLIENT_F_SKIP_NEXT;
		if (e->cmd != NULL)
			s->host->env.stats[e->cmd->id].rejected++;
	}
	r->muted = muted;
	return cmd;
}

static void send_away(struct session_host *h, struct batch_entry *e)
{
	struct session *s = e->s;
	struct msg *m = e->m;
	m->kind = MSG_CMD;
	m->session = s;
	m->cmd = e->cmd;
	m->client_id = s->cl.id;
	m->client_flags = s->cl.flags;
	m->db = s->cl.db;
	m->fill = s->fill;
	m->proto = s->cl.proto;
	m->muted = (s->cl.flags & (CLIENT_F_REPLY_OFF | CLIENT_F_SKIP_NEXT)) != 0;
	s->cl.flags &= ~CLIENT_F_SKIP_NEXT;
	m->req = e->req;
	if (e->req.argc <= MSG_ARGV_INLINE) {
		memcpy(m->argv_inline, e->req.argv, e->req.argc * sizeof *e->req.argv);
		m->req.argv = m->argv_inline;
	} else if (!resp_request_keep(&m->req, h->heap)) {
		h->count.killed_nomem++;
		resp_request_free(&m->req, h->heap);
		msg_put(h->bus, m);
		session_kill(s, true);
		return;
	}
	s->cl.last_us = (int64_t)h->now.mono_us;
	s->cl.last_cmd = e->cmd->id;
	s->cl.commands++;
	if (s->flight_tail != NULL)
		s->flight_tail->next = m;
	else
		s->flight_head = m;
	s->flight_tail = m;
	h->count.delegated_out++;
	msg_send(h->bus, m);
	if (e->cmd->route == CMD_CONTROL)
		session_wait(s, WAIT_DRAIN);
}

static void want_lease(struct session_host *h, struct batch_entry *e)
{
	struct session *s = e->s;
	if (!resp_request_keep(&e->req, h->heap)) {
		h->count.killed_nomem++;
		resp_request_free(&e->req, h->heap);
		session_kill(s, true);
		return;
	}
	struct session_parked *p = session_park(s);
	p->req = e->req;
	p->cmd = e->cmd;
	session_want_lease(s, e->lease);
}

static void execute_entry(struct session_host *h, struct turn *t, struct batch_entry *e)
{
	struct session *s = e->s;
	turn_begin(h, t, s);
	if (rp_unlikely(e->protocol_error != NULL)) {
		char buf[RESP_ERROR_MAX];
		reply_errorf(&t->r, "ERR %s",
			     *e->protocol_error ? e->protocol_error : resp_parser_error(&s->parser, buf));
		session_kill(s, false);
		return;
	}
	if (admit(s, e, &t->r) == NULL) {
		if (e->m != NULL)
			msg_put(h->bus, e->m);
		resp_request_free(&e->req, h->heap);
		return;
	}
	if (e->m != NULL || e->lease != 0) {
		turn_end(t); /* what came before goes in front */
		if (e->m != NULL)
			send_away(h, e);
		else
			want_lease(h, e);
		return;
	}
	if (h->own >= 0 && !h->own_leased)
		/* An empty key withdraws the last hint, whose bytes may be gone. */
		store_hint(h->env.stores[h->own], e->hinted ? e->key : (struct slice){NULL, 0}, e->hash,
			   e->hinted ? e->hint : NULL, h->hint_epoch);
	execute_home(h, s, e->cmd, &e->req, &t->r);
	resp_request_free(&e->req, h->heap);
	if (rp_unlikely(s->parked != NULL && s->parked->hold_us != 0)) {
		/* Ran on our own shard, but must be held: the reply waits until a lease of all shards has lasted that
		 * long. */
		s->parked->held_tail = t->r.tail;
		s->parked->held_head = reply_take(&t->r, &s->parked->held_bytes);
		t->s = NULL;
		session_want_lease(s, h->all_shards);
	}
}

static void drop_entry(struct session_host *h, struct batch_entry *e)
{
	if (e->m != NULL)
		msg_put(h->bus, e->m);
	resp_request_free(&e->req, h->heap);
}

void batch_execute(struct session_host *h)
{
	struct turn t = {.s = NULL};
	struct session *last = NULL;
	for (uint32_t i = 0; i < h->nbatch; i++) {
		struct batch_entry *e = &h->batch[i];
		/* A session's requests stand together: when the next one comes, nothing of the last is needed here any
		 * more. */
		if (last != NULL && last != e->s) {
			turn_end(&t);
			session_release_input(last);
		}
		last = e->s;
		if (rp_unlikely(e->s->closing))
			drop_entry(h, e);
		else
			execute_entry(h, &t, e);
	}
	turn_end(&t);
	if (last != NULL)
		session_release_input(last);
}
