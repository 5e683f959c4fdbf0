/* One thread's sessions: its batch loop, its messages, its waiting lists. */
#include "session/monitor.h"
#include "session/pubsub.h"
#include "store/events.h"
#include "session/session_priv.h"
#include "session/tracking.h"
#include "session/tx.h"
#include "store/watch.h"

#include <errno.h>
#include <stdlib.h>

static void host_free_pools(struct session_host *h)
{
	pool_fini(&h->sessions);
	pool_fini(&h->parked);
	pool_fini(&h->texts);
	pool_fini(&h->gates);
	deadlines_fini(&h->deadlines);
	post_destroy(h->post);
	pubsub_owner_destroy(h->channels);
	pubsub_destroy(h);
	free(h->env.stats);
	free(h->by_id);
	free(h->id_next);
}

int host_init(struct session_host *h, const struct session_host_params *p, struct err *e)
{
	memset(h, 0, sizeof *h);
	h->self = p->self;
	h->own = p->own;
	h->bus = p->bus;
	h->leases = p->leases;
	h->mbufs = p->mbufs;
	h->heap = p->heap;
	h->ops = p->ops;
	h->tsc_hz = p->tsc_hz;
	h->next_client_id = p->first_client_id;
	h->client_id_step = p->client_id_step;
	h->shared = p->shared;
	h->durable = p->durable;
	h->gathers = p->gathers;
	h->heaps = p->heaps;
	h->nheaps = p->nheaps;
	h->all_shards = p->nstores == 64 ? ~0ull : (1ull << p->nstores) - 1;
	h->env = (struct cmd_env){.stores = p->stores,
				  .nstores = p->nstores,
				  .slot_map = p->slot_map,
				  .conf = &h->conf,
				  .heap = p->heap,
				  .now = &h->now,
				  .durable = p->durable,
				  .owner = p->owner,
				  .host = h,
				  .pubsub = &pubsub_ops,
				  .tx = &tx_ops,
				  .client_held = session_held};
	h->reply_bufs = UINT32_MAX;
	for (int i = 0; i < WAIT_WAYS; i++)
		h->waiting_end[i] = &h->waiting[i];
	h->stale_calls_end = &h->stale_calls;
	h->deferred_end = &h->deferred;
	rng_init(&h->env.rng, p->seed);
	h->env.stats = calloc(cmd_count, sizeof *h->env.stats);
	while (h->id_mask + 1 < p->max_sessions)
		h->id_mask = h->id_mask * 2 + 1;
	h->by_id = calloc((size_t)h->id_mask + 1, sizeof *h->by_id);
	h->id_next = calloc(p->max_sessions, sizeof *h->id_next);
	h->env.client_texts = &h->texts;
	h->env.acl_counts = &h->denied;
	h->env.acl_denied = p->ops.denied;
	h->env.acl = p->users;
	h->post = post_create(msg_bus_endpoints(p->bus), p->heap);
	h->channels = pubsub_owner_create(msg_bus_control(p->bus) + 1, p->heap);
	h->pubsub = pubsub_create(h);
	if (h->env.stats == NULL || h->by_id == NULL || h->id_next == NULL || h->post == NULL || h->channels == NULL ||
	    h->pubsub == NULL || pool_init(&h->sessions, sizeof(struct session), p->max_sessions) != 0 ||
	    pool_init(&h->parked, sizeof(struct session_parked), p->max_sessions) != 0 ||
	    pool_init(&h->texts, sizeof(struct client_text), p->max_sessions) != 0 ||
	    pool_init(&h->gates, session_gate_size(), p->max_sessions) != 0 ||
	    deadlines_init(&h->deadlines, p->max_sessions) != 0) {
		host_free_pools(h);
		return err_set(e, "out of memory for %u clients; lower maxclients or free memory", p->max_sessions);
	}
	host_set_conf(h, p->conf);
	return 0;
}

void host_fini(struct session_host *h)
{
	rp_assert(h->sessions.in_use == 0 && h->parked.in_use == 0 && h->texts.in_use == 0 && h->gates.in_use == 0);
	host_free_pools(h);
}

void host_set_now(struct session_host *h, const struct clock_now *now)
{
	h->now = *now;
}

void host_set_conf(struct session_host *h, const struct dp_conf *conf)
{
	h->conf = *conf;
	if (h->own >= 0) {
		store_set_events(h->env.stores[h->own], conf->events);
		store_set_clock(h->env.stores[h->own], conf->lfu, conf->lfu_log_factor, conf->lfu_decay_min);
	}
	/* One compare per command decides whether anybody wants to hear about it. */
	uint64_t us = conf->slowlog_us >= 0 ? (uint64_t)conf->slowlog_us : UINT64_MAX;
	if (conf->latency_ms != 0 && conf->latency_ms * 1000 < us)
		us = conf->latency_ms * 1000;
	h->snap_cycles = conf->snapshot_slice_us * h->tsc_hz / 1000000;
	h->slow_cycles = us > UINT64_MAX / h->tsc_hz ? UINT64_MAX : us * h->tsc_hz / 1000000;
}

/* Those who wait for nothing but another try. */
static void retry_waiting(struct session_host *h, enum session_wait how)
{
	for (struct session *s = h->waiting[how], *next; s != NULL; s = next) {
		next = s->wait_next;
		session_wait(s, WAIT_NONE);
	}
}

static uint32_t poll_waiting(struct session_host *h)
{
	if (h->waiting[WAIT_SHARD] != NULL && (!h->own_leased || h->busy >> h->own & 1))
		retry_waiting(h, WAIT_SHARD);
	if (h->waiting[WAIT_MSG] != NULL)
		retry_waiting(h, WAIT_MSG);
	if (rp_unlikely(h->waiting[WAIT_JOURNAL] != NULL && !h->journal_tight))
		retry_waiting(h, WAIT_JOURNAL);
	if (h->waiting[WAIT_PAUSE] != NULL && !host_paused(h))
		retry_waiting(h, WAIT_PAUSE);
	return h->waiting[WAIT_LEASE] != NULL ? host_poll_leases(h) : 0;
}

uint32_t host_poll(struct session_host *h)
{
	uint32_t work = 0;
	h->by = 0;
	monitor_look(h);
	bool leased = h->own >= 0 && lease_poll_shard(h->leases, (uint32_t)h->own);
	if (leased && !h->own_leased)
		h->leased_us = h->now.mono_us;
	h->own_leased = leased;
	h->busy = lease_busy(h->leases, &h->busy_why);
	if (h->own >= 0 && !h->own_leased) {
		store_set_now(h->env.stores[h->own], h->now.wall_us);
		store_freeze(h->env.stores[h->own], host_paused(h));
		host_serve_notes(h); /* of whoever held it meanwhile, and of what ran out */
	}
	if (h->durable != NULL) {
		host_look_at_journal(h);
		work += host_poll_gates(h);
	}
	if (rp_unlikely(host_next_us(h) <= h->now.mono_us))
		work += host_poll_blocks(h);
	work += poll_waiting(h);
	stages_mark(&h->stages, STAGE_WAITING);
	if (h->ready_head != NULL) {
		batch_parse(h);
		stages_mark(&h->stages, STAGE_PARSE);
		batch_prefetch(h);
		stages_mark(&h->stages, STAGE_PREFETCH);
		batch_execute(h);
		work += h->nbatch;
	}
	if (rp_unlikely(h->kept.shards != 0))
		host_release_kept(h);
	if (h->doomed != NULL)
		host_reap(h);
	if (rp_unlikely(!pubsub_quiet(h->pubsub)))
		work += pubsub_poll(h);
	stages_mark(&h->stages, STAGE_EXECUTE);
	return work;
}

/* ---- messages ---- */

static void run_for_other(struct session_host *h, struct msg *m)
{
	struct reply r;
	reply_init(&r, h->mbufs, m->fill, m->proto);
	r.bufs_left = h->reply_bufs;
	r.errors = &h->errors;
	r.muted = m->muted;
	struct cmd_ctx c = {.cmd = m->cmd,
			    .argc = m->req.argc,
			    .argv = m->req.argv,
			    .out = &r,
			    .env = &h->env,
			    .client_id = m->client_id,
			    .client_flags = m->client_flags,
			    .db = m->db,
			    .req = &m->req,
			    .track = m->track,
			    .rng = &h->env.rng,
			    .tx = m->tx,
			    .deny_block = m->deny_block};
	if (rp_unlikely(h->tight) && (m->cmd->flags & CMD_F_DENYOOM))
		room_make(h); /* it was let in where it came from */
	h->serving = m;
	execute_counted(h, &c);
	h->serving = NULL;
	m->gate = h->gate;
	if (rp_unlikely(c.block.on))
		m->block = block_make(h, &c, m->session, m->fill, m->muted);
	h->count.delegated_in++;
	m->failed = r.failed;
	if (rp_unlikely(r.failed))
		reply_reset(&r, h->heap);
	m->reply_tail = r.tail;
	m->reply_head = reply_take(&r, &m->reply_bytes);
}

static void prefetch_messages(struct session_host *h, struct msg **m, uint32_t n, struct object **hint)
{
	struct slice key[RP_MAX_BURST];
	uint64_t hash[RP_MAX_BURST];
	uint32_t db[RP_MAX_BURST], at[RP_MAX_BURST], k = 0;
	struct object *found[RP_MAX_BURST];
	for (uint32_t i = 0; i < n; i++) {
		hint[i] = NULL;
		const struct cmd *cmd = m[i]->cmd;
		if (m[i]->kind != MSG_CMD || cmd->key_first <= 0 || m[i]->req.argc <= (uint32_t)cmd->key_first)
			continue;
		key[k] = m[i]->req.argv[cmd->key_first];
		db[k] = m[i]->db;
		at[k++] = i;
	}
	if (k == 0)
		return;
	h->hint_epoch = store_epoch(h->env.stores[h->own]);
	store_prefetch(h->env.stores[h->own], k, db, key, hash, found);
	for (uint32_t i = 0; i < k; i++) {
		m[at[i]]->hash = hash[i];
		hint[at[i]] = found[i];
	}
}

/* What a call's functions are given first. */
static void *call_arg(struct session_host *h, const struct msg *m)
{
	return m->kind == MSG_CALL_HOST ? h : h->env.owner;
}

static void serve(struct session_host *h, struct msg **m, uint32_t n)
{
	struct object *hint[RP_MAX_BURST] = {NULL};
	bool snapping = h->own >= 0 && !h->own_leased && (store_snap_active(h->env.stores[h->own]) || h->held_head);
	if (h->own >= 0)
		prefetch_messages(h, m, n, hint);
	for (uint32_t i = 0; i < n; i++) {
		if (msg_is_call(m[i])) {
			m[i]->fn(call_arg(h, m[i]), m[i]);
		} else if (m[i]->kind == MSG_CMD_FREE) {
			run_for_other(h, m[i]);
		} else if (rp_unlikely(snapping) && hold_message(h, m[i])) {
			continue;
		} else {
			int16_t k = m[i]->cmd->key_first;
			bool hinted = k > 0 && m[i]->req.argc > (uint32_t)k;
			host_hint(h, hinted ? &m[i]->req.argv[k] : NULL, m[i]->hash, hint[i]);
			run_for_other(h, m[i]);
		}
		if (h->own >= 0 && !h->own_leased)
			host_serve_notes(h);
		msg_reply(h->bus, m[i]);
	}
}

/* Answers a command for our shard, which a script has held for too long. */
static void refuse(struct session_host *h, struct msg *m)
{
	struct reply r;
	reply_init(&r, h->mbufs, m->fill, m->proto);
	r.errors = &h->errors;
	r.muted = m->muted;
	reply_error(&r, h->busy_why == LEASE_BUSY_FUNCTION ? SESSION_BUSY_FUNCTION : SESSION_BUSY_SCRIPT);
	h->env.stats[m->cmd->id].rejected++;
	m->failed = r.failed;
	m->gate = 0;
	m->reply_tail = r.tail;
	m->reply_head = reply_take(&r, &m->reply_bytes);
	msg_reply(h->bus, m);
}

/* The script may have ended since host_poll() looked. */
static bool still_busy(const struct session_host *h)
{
	enum lease_busy why;

	return (lease_busy(h->leases, &why) >> h->own & 1) != 0;
}

/* What has been sent to us and cannot be served for a while: commands are answered, calls kept. Who sent one after the
 * script's answer must not be told that it runs: only those are refused that were there at a look at it. */
static uint32_t refuse_requests(struct session_host *h)
{
	struct msg *m[RP_MAX_BURST];
	uint32_t work = 0, endpoints = msg_bus_endpoints(h->bus);
	for (uint32_t home = 0; home < endpoints; home++) {
		uint32_t n = msg_requests(h->bus, h->self, home);
		if (n == 0 || !still_busy(h))
			continue;
		n = msg_take_requests(h->bus, h->self, home, m, RP_MIN(n, (uint32_t)RP_MAX_BURST));
		for (uint32_t i = 0; i < n; i++) {
			if (m[i]->kind == MSG_CMD) {
				refuse(h, m[i]);
				continue;
			}
			m[i]->next = NULL;
			*h->deferred_end = m[i];
			h->deferred_end = &m[i]->next;
		}
		work += n;
	}
	return work;
}

static uint32_t serve_deferred(struct session_host *h)
{
	struct msg *m = h->deferred, *next;
	uint32_t n = 0;
	h->deferred = NULL;
	h->deferred_end = &h->deferred;
	for (; m != NULL; m = next, n++) {
		next = m->next;
		m->fn(h->env.owner, m);
		host_serve_notes(h);
		msg_reply(h->bus, m);
	}
	return n;
}

/* Others' commands that a snapshot made wait. */
static uint32_t poll_held(struct session_host *h)
{
	struct hold_walk w;
	uint32_t n = 0;
	hold_walk_begin(h, &w);
	for (struct msg *m; n < RP_MAX_BURST && (m = hold_take(h, &w)) != NULL; n++) {
		store_hint(h->env.stores[h->own], (struct slice){NULL, 0}, 0, NULL, 0);
		run_for_other(h, m);
		host_serve_notes(h);
		msg_reply(h->bus, m);
	}
	return n;
}

static uint32_t poll_calls(struct session_host *h);

/* calls: those that were sent before a request may be served before it now. */
static uint32_t poll_requests(struct session_host *h, bool calls)
{
	struct msg *m[RP_MAX_BURST];
	uint32_t work = 0, endpoints = msg_bus_endpoints(h->bus);
	/* While our shard is leased away its requests wait in their rings, in order. */
	if (h->own_leased)
		return rp_unlikely(h->busy >> h->own & 1) ? work + refuse_requests(h) : work;
	if (rp_unlikely(h->deferred != NULL))
		work += serve_deferred(h);
	if (rp_unlikely(h->held_head != NULL))
		work += poll_held(h);
	for (uint32_t home = 0; home < endpoints; home++) {
		uint32_t n = msg_take_requests(h->bus, h->self, home, m, RP_MAX_BURST);
		if (n == 0)
			continue;
		/* Who asks the control thread what it was told is answered with all that was told before. */
		for (bool more = calls && h->own < 0; more; more = !h->calls_drained)
			work += poll_calls(h);
		serve(h, m, n);
		work += n;
	}
	return work;
}

void session_untrack(struct msg *m)
{
	if (rp_unlikely(m->track != NULL))
		watcher_put(m->track);
	m->track = NULL;
}

void session_flight_push(struct session *s, struct msg *m)
{
	if (s->flight_tail != NULL)
		s->flight_tail->next = m;
	else
		s->flight_head = m;
	s->flight_tail = m;
}

/* A script that may write, asked for while clients are paused: the session waits with it. */
static void take_back(struct session_host *h, struct session *s, struct msg *m)
{
	struct resp_request req = m->req;

	if (s->gone || s->closing)
		return;
	m->req = (struct resp_request){.argc = 0};
	if (!resp_request_keep(&req, h->heap)) {
		h->count.killed_nomem++;
		resp_request_free(&req, h->heap);
		session_kill(s, true);
		return;
	}
	if (m->muted && !(s->cl.flags & CLIENT_F_REPLY_OFF))
		s->cl.flags |= CLIENT_F_SKIP_NEXT;
	struct session_parked *p = session_park(s);
	p->req = req;
	p->cmd = m->cmd;
	session_wait(s, WAIT_PAUSE);
}

/* The answer to one that was sent though clients are paused. */
static void answered_in_pause(struct session_host *h, struct session *s, struct msg *m)
{
	if (m->handed_back)
		take_back(h, s, m);
	else if (rp_unlikely(h->monitored))
		monitor_tell(h, m->cmd, m->req.argc, m->req.argv, m->db, &s->cl.addr);
}

void session_flight_advance(struct session_host *h, struct session *s)
{
	struct msg *m;
	struct block *b = NULL; /* of the last in flight: none is sent behind it */
	while ((m = s->flight_head) != NULL && m->done) {
		b = m->block;
		s->flight_head = m->next;
		if (m->next == NULL)
			s->flight_tail = NULL;
		if (rp_unlikely(m->failed)) {
			h->count.killed_nomem++;
			session_kill(s, true);
		}
		if (rp_unlikely(m->kind == MSG_BARRIER))
			barrier_pass(listener_of(s));
		session_out_gated(s, m->reply_head, m->reply_tail, m->reply_bytes, m->gate);
		session_out_gated(s, m->after_head, m->after_tail, m->after_bytes, m->after_gate);
		if (rp_unlikely(m->kind == MSG_BARRIER))
			continue;
		if (rp_unlikely(m->unless_writes))
			answered_in_pause(h, s, m);
		if (rp_unlikely(m->slow != NULL || m->denied != NULL))
			h->ops.told(h->ops.ctx, m, &s->cl);
		if (rp_unlikely(m->track != NULL))
			tracking_end(s, m->track);
		session_untrack(m);
		resp_request_free(&m->req, h->heap);
		if (rp_unlikely(m->tx != NULL))
			tx_free(h, m->tx);
		msg_put(h->bus, m);
	}
	session_release_input(s);
	if (rp_unlikely(b != NULL))
		block_adopt(s, b);
	else if (s->flight_head == NULL && s->wait == WAIT_DRAIN)
		session_wait(s, s->parked != NULL && s->parked->leasing ? WAIT_LEASE : WAIT_NONE);
	else if (rp_unlikely(!s->dry))
		session_ready(s); /* too many replies behind those in flight may have stopped it */
	if (rp_unlikely(s->gone || s->eof || s->closing))
		session_doom(s);
}

static void advance_stale(void *ctx, struct session *s)
{
	if (s->flight_head != NULL && s->flight_head->done)
		session_flight_advance(ctx, s);
}

/* A call's results are in memory that its sender watches, or its `back` takes them. */
static void call_back(struct session_host *h, struct msg *m, bool nested)
{
	if (m->back != NULL && nested) {
		*h->stale_calls_end = m;
		h->stale_calls_end = &m->next;
		return;
	}
	if (m->back != NULL)
		m->back(call_arg(h, m), m);
	if (m->arg[3] != NULL)
		__atomic_store_n((bool *)m->arg[3], true, __ATOMIC_RELEASE);
	msg_put(h->bus, m);
}

/* What came back while a batch was under way. */
static void catch_up(struct session_host *h)
{
	struct msg *m = h->stale_calls, *next;
	h->stale_calls = NULL;
	h->stale_calls_end = &h->stale_calls;
	for (; m != NULL; m = next) {
		next = m->next;
		call_back(h, m, false);
	}
	if (h->stale_flights) {
		h->stale_flights = false;
		session_visit(h, 0, UINT32_MAX, true, advance_stale,
			      h); /* of killed ones, too: they wait for just that */
	}
}

uint32_t host_poll_done(struct session_host *h, bool nested)
{
	if (rp_unlikely((h->stale_flights || h->stale_calls != NULL) && !nested))
		catch_up(h);
	struct msg *m[RP_MAX_BURST];
	uint32_t n = msg_take_done(h->bus, h->self, m, RP_MAX_BURST);
	for (uint32_t i = 0; i < n; i++) {
		m[i]->done = true;
		if (msg_is_call(m[i])) {
			call_back(h, m[i], nested);
		} else if (nested) {
			h->stale_flights = true; /* its session's requests may be in the middle of a batch */
		} else if (((struct session *)m[i]->session)->flight_head == m[i]) {
			session_flight_advance(h, m[i]->session);
		}
	}
	return n;
}

uint32_t host_poll_nested(struct session_host *h)
{
	uint32_t work = host_poll_done(h, true) + poll_requests(h, false);
	return work + (h->waiting[WAIT_LEASE] != NULL ? host_poll_leases(h) : 0);
}

static uint32_t poll_calls(struct session_host *h)
{
	struct msg *calls[RP_MAX_BURST];
	uint32_t n = msg_take_calls(h->bus, h->self, calls, RP_MAX_BURST), done, work = 0;
	h->calls_drained = n < RP_MAX_BURST;
	/* Every answer that was sent before one of these calls is handled before it. */
	do
		work += done = host_poll_done(h, false);
	while (n > 0 && done == RP_MAX_BURST);
	if (n > 0)
		serve(h, calls, n);
	return work + n;
}

uint32_t host_poll_messages(struct session_host *h)
{
	uint32_t work = poll_calls(h) + poll_requests(h, true);
	host_kick_journal(h);
	if (rp_unlikely(h->nserved != 0 || h->pokes != NULL))
		work += host_send_served(h);
	work += post_flush(h);
	stages_mark(&h->stages, STAGE_MESSAGES);
	return work;
}

/* ---- background ---- */

uint64_t host_clients_bytes(const struct session_host *h)
{
	return pool_bytes_used(&h->sessions) + pool_bytes_used(&h->parked) + pool_bytes_used(&h->texts);
}

struct idle_check {
	struct session_host *h;
	uint32_t closed;
};

static void close_if_idle(void *ctx, struct session *s)
{
	struct idle_check *k = ctx;
	int64_t idle_us = (int64_t)k->h->now.mono_us - s->cl.last_us;
	if (idle_us < (int64_t)k->h->conf.timeout_s * 1000000 || s->abort || s->flight_head != NULL ||
	    s->gate != NULL || s->wait != WAIT_NONE || (s->cl.flags & (CLIENT_F_PUBSUB | CLIENT_F_MONITOR)))
		return;
	k->h->count.killed_idle += !s->closing;
	k->closed++;
	/* Who does not read has no answers to wait for; who has not come to the end of those that were sent in as long
	 * again, neither. */
	session_kill(s, s->closing || s->out_head != NULL);
	s->cl.last_us = (int64_t)k->h->now.mono_us;
}

uint32_t host_poll_idle(struct session_host *h)
{
	struct idle_check k = {h, 0};
	host_poll_soft_limits(h);
	if (h->conf.timeout_s == 0)
		return 0;
	h->idle_cursor = host_visit(h, h->idle_cursor, 16, close_if_idle, &k);
	return k.closed;
}

void host_poll_buffers(struct session_host *h)
{
	h->bufs_free = rte_mempool_avail_count(h->mbufs);
	h->reply_bufs = h->bufs_free / 2;
}

bool host_quiet(const struct session_host *h)
{
	if ((h->gated != NULL || h->want_durable) && journal_synced(h->durable) != h->gate_seen)
		return false;
	if (h->journal_kick && !journal_under_way(h->durable))
		return false;
	if (h->ready_head != NULL || h->doomed != NULL || (h->waiting[WAIT_SHARD] != NULL && !h->own_leased) ||
	    h->nserved != 0 || h->pokes != NULL || h->held_head != NULL || !post_quiet(h->post) ||
	    !pubsub_quiet(h->pubsub))
		return false;
	if (h->own >= 0 && !h->own_leased && store_notes_pending(h->env.stores[h->own]) != 0)
		return false;
	/* A lease that is submitted, like a message in flight or a shard leased away, ends with a kick from the other
	 * side. */
	for (const struct session *s = h->waiting[WAIT_LEASE]; s != NULL; s = s->wait_next)
		if (s->parked->lease.submitted ? lease_granted(&s->parked->lease) : !session_follows(s))
			return false;
	return true;
}

bool host_rest(struct session_host *h)
{
	if (h->own < 0 || h->own_leased || host_news(h, 1ull << h->own) != 0)
		return false;
	lease_shard_rest(h->leases, (uint32_t)h->own);
	return true;
}

void host_wake(struct session_host *h, struct clock *clock)
{
	struct clock_now now;

	h->own_leased = !lease_shard_wake(h->leases, (uint32_t)h->own);
	if (!h->own_leased)
		return;
	clock_read(clock, &now);
	h->leased_us = now.mono_us;
}

bool host_inbox_quiet(const struct session_host *h)
{
	enum lease_busy why;

	if (msg_pending(h->bus, h->self, !h->own_leased || h->busy >> h->own & 1))
		return false;
	if (h->own < 0)
		return true;
	if (!h->own_leased)
		return lease_shard_quiet(h->leases, (uint32_t)h->own);
	/* One that came back since host_poll(), or was called busy, kicked nobody: one more look. */
	return lease_shard_held(h->leases, (uint32_t)h->own) && lease_busy(h->leases, &why) == h->busy;
}
