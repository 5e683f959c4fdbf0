/* One thread's sessions: its batch loop, its messages, its waiting lists. */
#include "session/session_priv.h"

#include <errno.h>
#include <stdlib.h>

static void host_free_pools(struct session_host *h)
{
	pool_fini(&h->sessions);
	pool_fini(&h->parked);
	pool_fini(&h->texts);
	free(h->env.stats);
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
	h->clients_total = p->clients_total;
	h->heaps = p->heaps;
	h->nheaps = p->nheaps;
	h->all_shards = p->nstores == 64 ? ~0ull : (1ull << p->nstores) - 1;
	h->env = (struct cmd_env){.stores = p->stores,
				  .nstores = p->nstores,
				  .slot_map = p->slot_map,
				  .conf = &h->conf,
				  .heap = p->heap,
				  .now = &h->now,
				  .owner = p->owner};
	h->reply_bufs = UINT32_MAX;
	rng_init(&h->env.rng, p->seed);
	h->env.stats = calloc(cmd_count, sizeof *h->env.stats);
	h->env.client_texts = &h->texts;
	if (h->env.stats == NULL || pool_init(&h->sessions, sizeof(struct session), p->max_sessions) != 0 ||
	    pool_init(&h->parked, sizeof(struct session_parked), p->max_sessions) != 0 ||
	    pool_init(&h->texts, sizeof(struct client_text), p->max_sessions) != 0) {
		host_free_pools(h);
		return err_set(e, "out of memory for %u clients; lower maxclients or free memory", p->max_sessions);
	}
	host_set_conf(h, p->conf);
	return 0;
}

void host_fini(struct session_host *h)
{
	rp_assert(h->sessions.in_use == 0 && h->parked.in_use == 0 && h->texts.in_use == 0);
	host_free_pools(h);
}

void host_set_now(struct session_host *h, const struct clock_now *now)
{
	h->now = *now;
}

void host_set_conf(struct session_host *h, const struct dp_conf *conf)
{
	h->conf = *conf;
	/* One compare per command decides whether anybody wants to hear about it. */
	uint64_t us = conf->slowlog_us >= 0 ? (uint64_t)conf->slowlog_us : UINT64_MAX;
	if (conf->latency_ms != 0 && conf->latency_ms * 1000 < us)
		us = conf->latency_ms * 1000;
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
	if (h->waiting[WAIT_SHARD] != NULL && !h->own_leased)
		retry_waiting(h, WAIT_SHARD);
	if (h->waiting[WAIT_MSG] != NULL)
		retry_waiting(h, WAIT_MSG);
	if (h->waiting[WAIT_PAUSE] != NULL &&
	    (h->conf.pause_until_ms == 0 || h->now.wall_us / 1000 >= h->conf.pause_until_ms))
		retry_waiting(h, WAIT_PAUSE);
	return h->waiting[WAIT_LEASE] != NULL ? host_poll_leases(h) : 0;
}

uint32_t host_poll(struct session_host *h)
{
	uint32_t work = 0;
	h->own_leased = h->own >= 0 && lease_poll_shard(h->leases, (uint32_t)h->own);
	if (h->own >= 0 && !h->own_leased)
		store_set_now(h->env.stores[h->own], h->now.wall_us);
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
	if (h->doomed != NULL)
		host_reap(h);
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
			    .rng = &h->env.rng};
	if (rp_unlikely(h->tight) && (m->cmd->flags & CMD_F_DENYOOM))
		room_make(h); /* it was let in where it came from */
	execute_counted(h, &c);
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

static void serve(struct session_host *h, struct msg **m, uint32_t n)
{
	struct object *hint[RP_MAX_BURST] = {NULL};
	if (h->own >= 0)
		prefetch_messages(h, m, n, hint);
	for (uint32_t i = 0; i < n; i++) {
		if (m[i]->kind != MSG_CMD) {
			m[i]->fn(h->env.owner, m[i]);
		} else {
			int16_t k = m[i]->cmd->key_first;
			bool hinted = k > 0 && m[i]->req.argc > (uint32_t)k;
			if (h->own >= 0)
				store_hint(h->env.stores[h->own], hinted ? m[i]->req.argv[k] : (struct slice){NULL, 0},
					   m[i]->hash, hinted ? hint[i] : NULL, h->hint_epoch);
			run_for_other(h, m[i]);
		}
		msg_reply(h->bus, m[i]);
	}
}

static uint32_t poll_requests(struct session_host *h)
{
	struct msg *m[RP_MAX_BURST];
	uint32_t work, endpoints = msg_bus_control(h->bus) + 1;
	work = msg_take_calls(h->bus, h->self, m, RP_MAX_BURST);
	if (work != 0)
		serve(h, m, work);
	/* While our shard is leased away its requests wait in their rings, in order. */
	if (h->own_leased)
		return work;
	for (uint32_t home = 0; home < endpoints; home++) {
		uint32_t n = msg_take_requests(h->bus, h->self, home, m, RP_MAX_BURST);
		if (n != 0)
			serve(h, m, n);
		work += n;
	}
	return work;
}

/* Emits the answered requests at the head of a session's queue. */
static void flight_advance(struct session_host *h, struct session *s)
{
	struct msg *m;
	while ((m = s->flight_head) != NULL && m->done) {
		s->flight_head = m->next;
		if (m->next == NULL)
			s->flight_tail = NULL;
		if (rp_unlikely(m->failed)) {
			h->count.killed_nomem++;
			session_kill(s, true);
		}
		session_out(s, m->reply_head, m->reply_tail, m->reply_bytes);
		session_out(s, m->after_head, m->after_tail, m->after_bytes);
		resp_request_free(&m->req, h->heap);
		msg_put(h->bus, m);
	}
	session_release_input(s);
	if (s->flight_head == NULL && s->wait == WAIT_DRAIN)
		session_wait(s, s->parked != NULL && s->parked->lease_want != 0 ? WAIT_LEASE : WAIT_NONE);
	if (rp_unlikely(s->gone || s->eof || s->closing))
		session_doom(s);
}

static void advance_stale(void *ctx, struct session *s)
{
	if (s->flight_head != NULL && s->flight_head->done)
		flight_advance(ctx, s);
}

uint32_t host_poll_done(struct session_host *h, bool nested)
{
	if (rp_unlikely(h->stale_flights && !nested)) {
		h->stale_flights = false;
		host_visit(h, 0, UINT32_MAX, advance_stale, h);
	}
	struct msg *m[RP_MAX_BURST];
	uint32_t n = msg_take_done(h->bus, h->self, m, RP_MAX_BURST);
	for (uint32_t i = 0; i < n; i++) {
		m[i]->done = true;
		if (m[i]->kind != MSG_CMD) {
			/* A call's results were in memory that its sender watches. */
			if (m[i]->arg[3] != NULL)
				__atomic_store_n((bool *)m[i]->arg[3], true, __ATOMIC_RELEASE);
			msg_put(h->bus, m[i]);
		} else if (nested) {
			h->stale_flights = true; /* its session's requests may be in the middle of a batch */
		} else if (((struct session *)m[i]->session)->flight_head == m[i]) {
			flight_advance(h, m[i]->session);
		}
	}
	return n;
}

uint32_t host_poll_messages(struct session_host *h)
{
	uint32_t work = host_poll_done(h, false) + poll_requests(h);
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
	if (idle_us < (int64_t)k->h->conf.timeout_s * 1000000 || s->closing || s->flight_head != NULL ||
	    s->wait != WAIT_NONE)
		return;
	k->h->count.killed_idle++;
	k->closed++;
	session_kill(s, false);
}

uint32_t host_poll_idle(struct session_host *h)
{
	struct idle_check k = {h, 0};
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
	/* A shard that came back just now kicked nobody: those who wait for it want one more look. */
	if (h->ready_head != NULL || h->doomed != NULL || h->waiting[WAIT_SHARD] != NULL)
		return false;
	/* A lease that is submitted, like a message in flight or a shard leased away, ends with a kick from the other
	 * side. */
	for (const struct session *s = h->waiting[WAIT_LEASE]; s != NULL; s = s->wait_next)
		if (!s->parked->lease.submitted || lease_granted(&s->parked->lease))
			return false;
	return true;
}
