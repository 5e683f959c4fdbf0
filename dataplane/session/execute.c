/* Execute: the requests of a batch in order, each where it belongs. */
#include "cmd/handlers.h"
#include "session/monitor.h"
#include "session/session_priv.h"
#include "session/tracking.h"
#include "session/tx.h"
#include "store/watch.h"

/* The reply being built for the session whose turn it is: consecutive requests of one session share buffers. */
struct turn {
	struct session *s;
	uint64_t gate; /* that all of it waits for */
	/* When its last command ended, if the next one can begin then: to read the clock twice for each is a twentieth
	 * of a GET. 0: other things came between. */
	uint64_t tsc;
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
	session_emit(s, head, tail, bytes, t->gate);
	t->s = NULL;
}

static void turn_begin(struct session_host *h, struct turn *t, struct session *s)
{
	if (t->s == s)
		return;
	turn_end(t);
	t->s = s;
	t->gate = 0;
	t->tsc = 0;
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

/* May this command, outside any lease, change or look at our own shard? */
static bool works_on_own(const struct session_host *h, const struct cmd *cmd)
{
	if (h->own < 0 || h->own_leased)
		return false;
	return cmd->fn == cmd_exec || cmd->route == CMD_KEYS || cmd->route == CMD_HOME_KEYS || cmd->route == CMD_ALL ||
	       cmd->route == CMD_CURSOR;
}

/* Who takes the effects of our shard begins between two commands: without one there is nothing to hold together. */
static bool own_is_journalled(const struct session_host *h)
{
	const struct store *st = h->env.stores[h->own];

	return journal_on(store_journal(st)) || store_gates(st) != NULL;
}

bool command_wide(const struct cmd *cmd)
{
	return cmd->route == CMD_ALL || cmd->route == CMD_CURSOR || (cmd->key_first == 0 && cmd->getkeys == NULL);
}

void execute_counted(struct session_host *h, struct cmd_ctx *c)
{
	bool unit = h->unit.shards == 0 && works_on_own(h, c->cmd) && own_is_journalled(h);
	if (unit)
		host_unit_begin(h, 1ull << h->own);
	h->by = c->client_id;
	uint64_t cycles = cmd_run(c);
	h->gate = unit ? host_unit_end(h, command_wide(c->cmd)) : 0;
	/* What it will hold its shards for (DEBUG SLEEP) is its time as well. */
	if (rp_unlikely(c->hold_us != 0))
		cycles += c->hold_us * (h->tsc_hz / 1000000);
	h->count.commands++;
	if (rp_unlikely(cycles >= h->slow_cycles))
		report_slow(h, c, cycles);
}

void execute_shown(struct session_host *h, struct cmd_ctx *c)
{
	const struct client *cl = c->client;
	bool before = c->cmd->route != CMD_HOME;
	if (before)
		monitor_tell(h, c->cmd, c->argc, c->argv, c->db, &cl->addr);
	execute_counted(h, c);
	if (!before)
		monitor_tell(h, c->cmd, c->argc, c->argv, cl->db, &cl->addr);
}

static void wait_for_news(struct session *s, struct cmd_ctx *c)
{
	struct block *b = block_make(s->host, c, s, s->fill, c->out->muted);

	if (b != NULL)
		block_adopt(s, b);
}

void execute_home(struct session_host *h, struct session *s, const struct cmd *cmd, struct resp_request *req,
		  struct reply *r, uint64_t *tsc)
{
	struct client *cl = &s->cl;
	if (rp_unlikely(s->cl.tx != NULL))
		tx_look(s->cl.tx);
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
			    .rng = &h->env.rng,
			    .tsc = *tsc,
			    .track = rp_unlikely(cl->flags & CLIENT_F_TRACKING) ? tracking_begin(s, cmd) : NULL};
	cl->last_cmd = cmd->id;
	if (rp_likely(!h->monitored))
		execute_counted(h, &c);
	else
		execute_shown(h, &c);
	*tsc = c.tsc;
	if (rp_unlikely(c.track != NULL))
		tracking_end(s, c.track);
	if (rp_unlikely(cl->flags & CLIENT_F_TRACKING) && cmd->fn == cmd_exec)
		tracking_end_exec(s);
	if (rp_unlikely(c.block.on))
		wait_for_news(s, &c);
	if (rp_unlikely(c.hold_us != 0))
		session_park(s)->hold_us = c.hold_us;
	r->proto = cl->proto;
	if (rp_unlikely(cl->flags & CLIENT_F_CLOSE)) {
		s->closing = true;
		session_doom(s);
	}
}

bool admit_disk(const struct dp_conf *conf, const struct cmd *cmd, uint32_t flags, struct reply *r)
{
	bool saved = (flags & CMD_F_WRITE) || cmd->fn == cmd_ping;

	if (conf->loading && !(flags & CMD_F_LOADING)) {
		reply_error(r, "LOADING Redis is loading the dataset in memory");
		return false;
	}
	if (conf->misconf && saved) {
		reply_error(r, SESSION_MISCONF);
		return false;
	}
	if (conf->aof_fails && saved) {
		reply_errorf(r, SESSION_AOF_FAILS "%s", conf->aof_why);
		return false;
	}
	return true;
}

/* Nothing speaks against it at first sight. */
static bool harmless(const struct session *s, const struct batch_entry *e)
{
	const struct cmd *cmd = e->cmd;
	if (rp_unlikely(cmd == NULL || !cmd_arity_ok(cmd, e->req.argc) ||
			(s->cl.flags & (CLIENT_F_FREE | CLIENT_F_PUBSUB | CLIENT_F_MONITOR)) != CLIENT_F_FREE))
		return false;
	if (rp_unlikely(s->host->conf.loading || s->host->conf.misconf || s->host->conf.aof_fails))
		return false;
	if (rp_unlikely(s->host->tight) && (e->queue || (cmd->flags & CMD_F_DENYOOM)))
		return false;
	uint32_t suspect = CMD_F_CONTAINER | CMD_F_PROTECTED | (e->queue ? CMD_F_NO_MULTI : 0);
	return !(cmd->flags & suspect);
}

/* Queues take memory without bound, whatever is in them. */
static bool needs_room(const struct session *s, const struct batch_entry *e)
{
	return s->host->tight && (e->queue || (e->cmd->flags & CMD_F_DENYOOM));
}

/* Refuses what must not run; writes the error. NULL: it was refused. */
static const struct cmd *look_closely(struct session *s, struct batch_entry *e, struct reply *r)
{
	const struct cmd *cmd = e->cmd;
	if (tx_is_exec(cmd)) {
		bool doomed;
		return tx_admit_exec(s, e, r, &doomed) ? cmd : NULL;
	}
	if (cmd != NULL)
		s->cl.last_cmd = cmd->id; /* also of one that is refused: ACL LOG shows the client with it */
	bool muted = r->muted;
	r->muted = (s->cl.flags & (CLIENT_F_REPLY_OFF | CLIENT_F_SKIP_NEXT)) != 0;
	cmd = cmd_admit(&s->host->env, &s->cl, e->req.argc, e->req.argv, r);
	if (cmd != NULL && e->queue && (cmd->flags & CMD_F_NO_MULTI)) {
		reply_error(r, "ERR Command not allowed inside a transaction");
		cmd = NULL;
	}
	if (cmd != NULL && needs_room(s, e) && !room_make(s->host)) {
		reply_error(r, "OOM command not allowed when used memory > 'maxmemory'.");
		cmd = NULL;
	}
	if (cmd != NULL && !admit_disk(&s->host->conf, cmd, cmd->flags, r))
		cmd = NULL;
	if (cmd != NULL && e->refused != NULL) {
		reply_error(r, e->refused);
		cmd = NULL;
	}
	if (cmd == NULL) {
		tx_refused(s);
		s->cl.flags &= ~CLIENT_F_SKIP_NEXT;
		if (e->cmd != NULL)
			s->host->env.stats[e->cmd->id].rejected++;
	}
	r->muted = muted;
	return cmd;
}

static const struct cmd *admit(struct session *s, struct batch_entry *e, struct reply *r)
{
	return rp_likely(harmless(s, e)) ? e->cmd : look_closely(s, e, r);
}

/* false: no memory for what is queued, or too much is; the client goes. */
static bool tx_settled(struct session *s)
{
	if (tx_settle(s))
		return true;
	s->host->count.killed_query++;
	session_kill(s, true);
	return false;
}

static void send_away(struct session_host *h, struct batch_entry *e)
{
	struct session *s = e->s;
	struct msg *m = e->m;
	m->session = s;
	m->cmd = e->cmd;
	m->client_id = s->cl.id;
	m->client_flags = s->cl.flags;
	m->user = NULL;
	if (e->cmd->route == CMD_SCRIPT && !(s->cl.flags & CLIENT_F_FREE))
		acl_user_hold(m->user = s->cl.user);
	m->db = s->cl.db;
	m->fill = s->fill;
	m->proto = s->cl.proto;
	m->muted = (s->cl.flags & (CLIENT_F_REPLY_OFF | CLIENT_F_SKIP_NEXT)) != 0;
	s->cl.flags &= ~CLIENT_F_SKIP_NEXT;
	if (rp_unlikely(s->cl.flags & CLIENT_F_TRACKING) && (m->track = tracking_begin(s, e->cmd)) != NULL)
		watcher_ref(m->track);
	m->req = e->req;
	m->unless_writes = e->asks;
	if (rp_unlikely(h->monitored) && !e->exec && !e->asks)
		monitor_tell(h, e->cmd, e->req.argc, e->req.argv, s->cl.db, &s->cl.addr);
	if (rp_unlikely(e->exec)) {
		m->tx = s->cl.tx;
		s->cl.tx = NULL;
		if (rp_unlikely(s->cl.flags & CLIENT_F_TRACKING))
			tracking_end_exec(s); /* what is said inside needs the client: such a one is not sent away */
	}
	if (e->req.argc <= MSG_ARGV_INLINE) {
		memcpy(m->argv_inline, e->req.argv, e->req.argc * sizeof *e->req.argv);
		m->req.argv = m->argv_inline;
	} else if (!resp_request_keep(&m->req, h->heap)) {
		h->count.killed_nomem++;
		resp_request_free(&m->req, h->heap);
		session_untrack(m);
		msg_put(h->bus, m);
		session_kill(s, true);
		return;
	}
	s->cl.last_cmd = e->cmd->id;
	session_flight_push(s, m);
	h->count.delegated_out++;
	msg_send(h->bus, m);
	if (e->cmd->route == CMD_CONTROL || e->asks || cmd_may_block(e->cmd, e->req.argc, e->req.argv))
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

static void drop_entry(struct session_host *h, struct batch_entry *e)
{
	if (e->m != NULL)
		msg_put(h->bus, e->m);
	resp_request_free(&e->req, h->heap);
}

/* A script has what the request needs for too long. */
static void refuse(struct session_host *h, struct turn *t, struct batch_entry *e)
{
	uint32_t *flags = &e->s->cl.flags;
	if (!tx_is_exec(e->cmd)) {
		look_closely(e->s, e, &t->r);
		drop_entry(h, e);
		return;
	}
	t->r.muted = (*flags & (CLIENT_F_REPLY_OFF | CLIENT_F_SKIP_NEXT)) != 0;
	*flags &= ~CLIENT_F_SKIP_NEXT;
	tx_refuse_exec(e->s, e->refused, &t->r);
	h->env.stats[e->cmd->id].rejected++;
	drop_entry(h, e);
}

/* EXEC that will not run its commands needs neither a message nor a lease to say so. */
static bool exec_admitted(struct session_host *h, struct batch_entry *e, struct reply *r)
{
	bool doomed;
	if (rp_likely(e->m == NULL && !e->leasing && !h->tight && harmless(e->s, e)))
		return true;
	if (!tx_admit_exec(e->s, e, r, &doomed))
		return false;
	if (!doomed && e->m != NULL)
		return tx_settled(e->s); /* its words must outlive this batch */
	if (doomed && e->m != NULL)
		msg_put(h->bus, e->m);
	if (doomed) {
		e->m = NULL;
		e->leasing = false;
	}
	return true;
}

/* On shards that we hold until the end of the batch. */
static void execute_held(struct session_host *h, struct turn *t, struct batch_entry *e)
{
	uint64_t tsc = 0;

	rp_assert((e->held & ~h->kept.shards) == 0);
	/* Hints of those who ran there before. */
	for (uint64_t rest = e->held; rest != 0; rest &= rest - 1)
		store_hint(h->env.stores[__builtin_ctzll(rest)], (struct slice){NULL, 0}, 0, NULL, 0);
	host_unit_begin(h, e->held);
	execute_home(h, e->s, e->cmd, &e->req, &t->r, &tsc);
	t->gate = RP_MAX(t->gate, host_unit_end(h, command_wide(e->cmd)));
	h->count.leases++;
	resp_request_free(&e->req, h->heap);
	host_tell(h, e->held, e->s->cl.id);
}

static void execute_entry(struct session_host *h, struct turn *t, struct batch_entry *e)
{
	struct session *s = e->s;
	turn_begin(h, t, s);
	uint64_t tsc = t->tsc;
	t->tsc = 0;
	if (rp_unlikely(e->protocol_error != NULL)) {
		char buf[RESP_ERROR_MAX];
		t->r.muted = (s->cl.flags & (CLIENT_F_REPLY_OFF | CLIENT_F_SKIP_NEXT)) != 0;
		reply_errorf(&t->r, "ERR %s",
			     *e->protocol_error ? e->protocol_error : resp_parser_error(&s->parser, buf));
		session_kill(s, false);
		return;
	}
	if (rp_unlikely(e->refused != NULL)) {
		refuse(h, t, e);
		return;
	}
	if (rp_unlikely(e->exec) ? !exec_admitted(h, e, &t->r) : admit(s, e, &t->r) == NULL) {
		drop_entry(h, e);
		return;
	}
	if (e->queue) {
		tx_queue(s, e, &t->r);
		t->tsc = h->tight ? 0 : tsc;
		return;
	}
	if (e->m != NULL || e->leasing) {
		turn_end(t); /* what came before goes in front */
		if (e->m != NULL)
			send_away(h, e);
		else
			want_lease(h, e);
		return;
	}
	if (rp_unlikely(e->held != 0)) {
		execute_held(h, t, e);
		return;
	}
	host_hint(h, e->hinted ? &e->key : NULL, e->hash, e->hint);
	if (rp_unlikely(h->tight)) /* making room took a while, which is not the command's */
		tsc = 0;
	execute_home(h, s, e->cmd, &e->req, &t->r, &tsc);
	t->gate = RP_MAX(t->gate, h->gate);
	resp_request_free(&e->req, h->heap);
	if (h->own < 0 || h->own_leased || rp_likely(!host_serve_notes(h)))
		t->tsc = tsc;
	if (rp_unlikely(s->parked != NULL && s->parked->hold_us != 0)) {
		/* Ran on our own shard, but must be held: the reply waits until a lease of all shards has lasted that
		 * long. */
		s->parked->held_tail = t->r.tail;
		s->parked->held_head = reply_take(&t->r, &s->parked->held_bytes);
		s->parked->gate = t->gate;
		t->s = NULL;
		session_want_lease(s, h->all_shards);
	}
}

/* All of a session's requests in this batch have had their turn. */
static void turn_over(struct turn *t, struct session *s)
{
	turn_end(t);
	if (rp_unlikely(s->cl.tx != NULL))
		tx_settled(s);
	session_release_input(s);
	/* It waits for requests that were refused instead of sent. */
	if (rp_unlikely(s->wait == WAIT_DRAIN && s->flight_head == NULL))
		session_wait(s, s->parked != NULL && s->parked->leasing ? WAIT_LEASE : WAIT_NONE);
}

void batch_execute(struct session_host *h)
{
	struct turn t = {.s = NULL};
	struct session *last = NULL;
	for (uint32_t i = 0; i < h->nbatch; i++) {
		struct batch_entry *e = &h->batch[i];
		/* A session's requests stand together: when the next one comes, nothing of the last is needed here any
		 * more. */
		if (last != NULL && last != e->s)
			turn_over(&t, last);
		last = e->s;
		if (rp_unlikely(e->s->closing))
			drop_entry(h, e);
		else
			execute_entry(h, &t, e);
	}
	if (last != NULL)
		turn_over(&t, last);
}
