/* EXEC. */
#include <rte_cycles.h>

#include "cmd/acl.h"
#include "session/monitor.h"
#include "session/session_priv.h"
#include "session/tracking.h"
#include "session/tx.h"
#include "store/watch.h"

/* ---- admission ---- */

static bool cannot_run(const struct tx *tx)
{
	return tx == NULL || tx->failed || (tx->watcher != NULL && watcher_dirty(tx->watcher));
}

void tx_refuse_exec(struct session *s, const char *why, struct reply *r)
{
	reply_errorf(r, "EXECABORT Transaction discarded because of: %s", why);
	tx_end(s);
}

/* EXEC itself was refused: so is the whole transaction. */
static void abort_because(struct session *s, struct reply *why, struct reply *r)
{
	char text[256] = "";
	size_t bytes, len = 0;
	struct rte_mbuf *m = reply_take(why, &bytes);

	if (m != NULL) {
		const char *p = rte_pktmbuf_mtod(m, const char *);
		size_t skip = bytes > 5 && memcmp(p, "-ERR ", 5) == 0 ? 5 : 1;
		len = RP_MIN((size_t)m->data_len - skip, sizeof text);
		memcpy(text, p + skip, len);
		while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
			len--;
	}
	buf_chain_free(m, s->host->heap);
	text[RP_MIN(len, sizeof text - 1)] = '\0';
	tx_refuse_exec(s, text, r);
}

static bool no_room(struct session *s)
{
	return rp_unlikely(s->host->tight) && !cannot_run(s->cl.tx) && (s->cl.tx->flags & CMD_F_DENYOOM) &&
	       !room_make(s->host);
}

bool tx_admit_exec(struct session *s, const struct batch_entry *e, struct reply *r, bool *doomed)
{
	struct reply why;
	bool muted = r->muted;

	*doomed = cannot_run(s->cl.tx);
	reply_sub_begin(r, &why);
	why.muted = false;
	why.errors = NULL;
	bool ok = cmd_admit(&s->host->env, &s->cl, e->req.argc, e->req.argv, &why) != NULL;
	/* What it would run decides, also if it will not. */
	if (ok && s->cl.tx != NULL && s->cl.tx->info.open)
		ok = admit_disk(&s->host->conf, e->cmd,
				(e->cmd->flags | s->cl.tx->flags) & ~(s->cl.tx->lacks & CMD_F_LOADING), &why);
	if (ok && no_room(s)) {
		reply_error(&why, "OOM command not allowed when used memory > 'maxmemory'.");
		ok = false;
	}
	if (ok)
		return true;
	s->host->env.stats[e->cmd->id].rejected++;
	r->muted = (s->cl.flags & (CLIENT_F_REPLY_OFF | CLIENT_F_SKIP_NEXT)) != 0;
	s->cl.flags &= ~CLIENT_F_SKIP_NEXT;
	abort_because(s, &why, r);
	r->muted = muted;
	return false;
}

/* ---- running; all shards concerned are held ---- */

/* A key that it watches changed, or is expired by now though nobody has looked. */
static bool watch_broken(struct session_host *h, struct tx *tx)
{
	if (rp_likely(tx->watcher == NULL))
		return false;
	for (const struct tx_watch *w = tx->watches; w != NULL && !watcher_dirty(tx->watcher); w = w->next)
		watch_expire(h->env.stores[w->shard], w->db, (struct slice){w->key, w->len});
	return watcher_dirty(tx->watcher);
}

/* Its own changes are no others'. The memory is its home's to free. */
static void unlink_watches(struct session_host *h, struct tx *tx)
{
	for (const struct tx_watch *w = tx->watches; w != NULL; w = w->next)
		watch_remove(h->env.stores[w->shard], w->db, (struct slice){w->key, w->len}, tx->watcher);
}

/* Answers what keeps it from running. true: nothing does. */
static bool may_begin(struct session_host *h, struct tx *tx, struct reply *out)
{
	if (tx->failed)
		reply_error(out, "EXECABORT Transaction discarded because of previous errors.");
	else if (watch_broken(h, tx))
		reply_null_array(out);
	else
		return true;
	return false;
}

static void begin(struct session_host *h, struct tx *tx, struct reply *out)
{
	tx->running = true;
	unlink_watches(h, tx);
	reply_array(out, tx->info.n);
}

/* cl: NULL away from home. tsc: when the one before ended, 0: unknown; becomes when this one did. Returns how long its
 * shards are to be held on. */
static uint64_t run_one(struct session_host *h, struct tx *tx, struct tx_cmd *q, struct client *cl,
			const struct cmd_ctx *exec, uint64_t *tsc)
{
	struct cmd_ctx c = {.cmd = q->cmd,
			    .argc = q->req.argc,
			    .argv = q->req.argv,
			    .out = exec->out,
			    .env = &h->env,
			    .client = cl,
			    .client_id = exec->client_id,
			    .client_flags = exec->client_flags,
			    .db = cl != NULL ? cl->db : exec->db,
			    .req = &q->req,
			    .rng = exec->rng,
			    .tsc = *tsc,
			    .track = cl != NULL && rp_unlikely(cl->flags & CLIENT_F_TRACKING)
					     ? tracking_watcher(session_of(cl))
					     : exec->track,
			    .deny_block = true};

	if (cl != NULL && !cmd_readmit(&h->env, cl, q->cmd, c.argc, c.argv, c.out))
		return 0;
	if (cl != NULL) /* as the look at its rights left them */
		c.client_flags = cl->flags;
	host_hint(h, q->hinted ? &q->req.argv[q->cmd->key_first] : NULL, q->hash, q->hint);
	if (rp_likely(cl == NULL || !h->monitored))
		execute_counted(h, &c);
	else
		execute_shown(h, &c);
	*tsc = c.tsc;
	if (cl != NULL) {
		c.out->proto = cl->proto;
		c.out->muted |= (cl->flags & CLIENT_F_REPLY_OFF) != 0;
	}
	return c.hold_us;
}

static void run(struct session_host *h, struct tx *tx, struct cmd_ctx *c)
{
	uint64_t tsc = tx->watches == NULL ? c->tsc : 0; /* to look at them took a while */

	begin(h, tx, c->out);
	for (uint32_t i = 0; i < tx->info.n; i++)
		c->hold_us += run_one(h, tx, &tx->cmd[i], c->client, c, &tsc);
	c->tsc = tsc;
	c->out->error = false; /* EXEC has not failed if one of its commands has */
}

void tx_op_exec(struct cmd_ctx *c)
{
	struct session_host *h = c->env->host;
	struct session *s = c->client != NULL ? session_of(c->client) : NULL;
	struct tx *tx = s != NULL ? s->cl.tx : c->tx;

	if (tx == NULL || !tx->info.open) {
		reply_error(c->out, "ERR EXEC without MULTI");
		return;
	}
	if (may_begin(h, tx, c->out))
		run(h, tx, c);
	if (s != NULL)
		tx_end(s);
}

/* ---- with commands on other threads ---- */

static bool send_one(struct session *s, struct tx_cmd *q, uint32_t owner, enum route_to to)
{
	struct session_host *h = s->host;
	struct msg *m = msg_get(h->bus, h->self);

	if (m == NULL)
		return false;
	m->kind = to == ROUTE_FREE ? MSG_CMD_FREE : MSG_CMD;
	m->owner = (uint8_t)owner;
	m->session = s;
	m->cmd = q->cmd;
	m->client_id = s->cl.id;
	m->client_flags = s->cl.flags;
	m->db = s->cl.db;
	m->fill = s->fill;
	m->proto = s->cl.proto;
	m->muted = s->cl.tx->out.muted;
	m->track = rp_unlikely(s->cl.flags & CLIENT_F_TRACKING) ? tracking_watcher(s) : NULL;
	if (rp_unlikely(m->track != NULL))
		watcher_ref(m->track);
	m->held = s->cl.tx->shards | s->cl.tx->watched;
	m->deny_block = true;
	m->user = NULL;
	if (q->cmd->route == CMD_SCRIPT && !(s->cl.flags & CLIENT_F_FREE))
		acl_user_hold(m->user = s->cl.user);
	m->req = q->req;
	s->cl.tx->away = m;
	if (rp_unlikely(h->monitored))
		monitor_tell(h, q->cmd, q->req.argc, q->req.argv, s->cl.db, &s->cl.addr);
	h->count.delegated_out++;
	msg_send(h->bus, m);
	return true;
}

/* false: its answer is not here yet. */
static bool take_answer(struct session *s)
{
	struct tx *tx = s->cl.tx;
	struct msg *m = tx->away;

	if (!m->done)
		return false;
	reply_splice(&tx->out, m->reply_head, m->reply_tail, m->reply_bytes);
	tx->out.failed |= m->failed;
	tx->cmd[tx->at++].req = m->req;
	if (rp_unlikely(m->slow != NULL || m->denied != NULL))
		s->host->ops.told(s->host->ops.ctx, m, &s->cl);
	session_untrack(m);
	msg_put(s->host->bus, m);
	tx->away = NULL;
	return true;
}

/* The next command. false: it has to wait. */
static bool step(struct session *s, struct cmd_ctx *exec)
{
	struct tx *tx = s->cl.tx;
	struct tx_cmd *q = &tx->cmd[tx->at];
	uint32_t owner;
	uint64_t shards, begin = rte_rdtsc(), tsc = 0;

	if (tx->away != NULL)
		return take_answer(s);
	enum route_to to = route_request(s->host, q->cmd, &q->req, &owner, &shards);
	bool others = tx_needs(s->host, q->cmd) & TX_NEEDS_OTHERS;
	if (others && !cmd_readmit(&s->host->env, &s->cl, q->cmd, q->req.argc, q->req.argv, &tx->out)) {
		tx->at++;
		return true;
	}
	if (others && (to == ROUTE_SEND || to == ROUTE_FREE)) {
		send_one(s, q, owner, to);
		return false;
	}
	session_park(s)->hold_us += run_one(s->host, tx, q, &s->cl, exec, &tsc);
	tx->cycles += rte_rdtsc() - begin;
	tx->at++;
	return true;
}

bool tx_hold_wanted(const struct session *s)
{
	const struct tx *tx = s->cl.tx;

	if (tx == NULL || !tx->info.open || tx->running)
		return false;
	for (uint32_t i = 0; i < tx->info.n; i++)
		if (hold_wanted(s->host, tx->shards, tx->cmd[i].cmd, &tx->cmd[i].req, s->cl.db))
			return true;
	return false;
}

/* As execute_home() for an ordinary command. */
static void open_reply(struct session *s, const struct cmd *exec)
{
	struct session_host *h = s->host;
	struct reply *r = &s->cl.tx->out;

	reply_init(r, h->mbufs, s->fill, s->cl.proto);
	r->bufs_left = h->reply_bufs;
	r->errors = &h->errors;
	r->muted = (s->cl.flags & (CLIENT_F_REPLY_OFF | CLIENT_F_SKIP_NEXT)) != 0;
	s->cl.flags &= ~CLIENT_F_SKIP_NEXT;
	s->cl.last_cmd = exec->id;
}

static void open_exec(struct session *s, const struct cmd *exec)
{
	struct tx *tx = s->cl.tx;

	open_reply(s, exec);
	host_unit_begin(s->host, s->parked->lease_want);
	if (may_begin(s->host, tx, &tx->out))
		begin(s->host, tx, &tx->out);
	else
		tx->at = tx->info.n;
	tx->running = true;
}

bool tx_away(const struct session *s)
{
	const struct tx *tx = s->cl.tx;

	return tx != NULL && tx->away != NULL && !tx->away->done;
}

bool tx_resume(struct session *s, const struct cmd *exec)
{
	struct session_host *h = s->host;
	struct tx *tx = s->cl.tx;
	struct cmd_ctx c = {.cmd = exec, .out = &tx->out, .env = &h->env, .client_id = s->cl.id, .rng = &h->env.rng};

	if (!tx->running)
		open_exec(s, exec);
	else
		journal_move(&tx->unit, &h->unit, h->env.stores);
	while (tx->at < tx->info.n && step(s, &c))
		;
	if (tx->at < tx->info.n) {
		journal_move(&h->unit, &tx->unit, h->env.stores);
		return false;
	}
	tx->gate = host_unit_end(h, true);
	cmd_stat_add(&h->env, exec, tx->cycles, false);
	if (rp_unlikely(h->monitored))
		monitor_tell(h, exec, s->parked->req.argc, s->parked->req.argv, s->cl.db, &s->cl.addr);
	h->count.commands++;
	if (rp_unlikely(s->cl.flags & CLIENT_F_TRACKING))
		tracking_end_exec(s);
	return true;
}

void tx_abandon(struct session *s)
{
	struct tx *tx = s->cl.tx;

	if (tx == NULL)
		return;
	if (tx->away != NULL) {
		buf_chain_free(tx->away->reply_head, s->host->heap);
		session_untrack(tx->away);
		msg_put(s->host->bus, tx->away);
	}
	if (tx->running)
		reply_reset(&tx->out, s->host->heap);
	tx_end(s);
}
