/* The script thread's work: from the rings to the queue, under a lease, and back as answers. */
#include <rte_cycles.h>
#include <stdio.h>

#include "ctrlplane/script/script_thread_priv.h"
#include "cmd/acl.h"
#include "session/monitor.h"
#include "session/tracking.h"
#include "store/evict.h"

#define BATCH_US    200 /* after which a batch gives its shards back although more scripts wait */
#define EVICT_STEPS 16  /* keys that make room for one script */
#define AHEAD       32  /* scripts whose keys are fetched together */
#define FIRST_KEY   3   /* its place among the arguments: EVALSHA sha1 numkeys key ... */

/* ---- taking ---- */

static void serve_call(struct script_thread *t, struct msg *m)
{
	m->fn(t, m);
	msg_reply(t->host.bus, m);
}

static void late_add(struct script_thread *t, struct msg *m)
{
	m->held_next = NULL;
	if (t->late != NULL)
		t->late_tail->held_next = m;
	else
		t->late = m;
	t->late_tail = m;
}

static struct msg *late_take(struct script_thread *t)
{
	struct msg *m = t->late;

	t->late = m->held_next;
	return m;
}

/* Clients are paused, and it may write. */
static void hand_back(struct script_thread *t, struct msg *m)
{
	acl_user_drop(m->user);
	m->handed_back = true;
	msg_reply(t->host.bus, m);
}

/* The rings are emptied however long the queue is: a transaction that keeps the queue's shards from it may be among
 * those who wait in them. */
uint32_t script_take(struct script_thread *t)
{
	struct msg *m[SCRIPT_QUEUE];
	uint32_t n = msg_take_calls(t->host.bus, t->host.self, m, SCRIPT_QUEUE);

	for (uint32_t i = 0; i < n; i++) {
		if (m[i]->kind == MSG_CALL)
			serve_call(t, m[i]);
		else if (m[i]->held != 0)
			t->guest[t->nguests++].m = m[i];
		else
			late_add(t, m[i]);
	}
	while (t->late != NULL && t->queued < SCRIPT_QUEUE) {
		struct msg *next = late_take(t);
		if (rp_unlikely(next->unless_writes) && script_may_change(t, next)) {
			hand_back(t, next);
			continue;
		}
		struct script_entry *e = &t->queue[t->queued++];
		e->m = next;
		script_entry_prepare(t, e);
	}
	return n;
}

static void refuse(struct script_thread *t, struct msg *m)
{
	struct reply r;

	reply_init(&r, t->host.mbufs, m->fill, m->proto);
	r.errors = &t->host.errors;
	r.muted = m->muted;
	reply_error(&r, t->run.code->function ? SESSION_BUSY_FUNCTION : SESSION_BUSY_SCRIPT);
	t->host.env.stats[m->cmd->id].rejected++;
	acl_user_drop(m->user);
	m->failed = r.failed;
	m->gate = 0;
	m->reply_tail = r.tail;
	m->reply_head = reply_take(&r, &m->reply_bytes);
	msg_reply(t->host.bus, m);
}

/* Not those inside transactions, which have begun already: they wait for the end of the script. */
void script_refuse_waiting(struct script_thread *t)
{
	struct msg *m[SCRIPT_QUEUE];
	bool guest = t->current->m->held != 0;
	uint32_t keep = guest ? 0 : (uint32_t)(t->current - t->queue) + 1;

	for (uint32_t i = keep; i < t->queued; i++)
		refuse(t, t->queue[i].m);
	t->queued = keep;
	while (t->late != NULL)
		refuse(t, late_take(t));
	uint32_t n = msg_take_calls(t->host.bus, t->host.self, m, SCRIPT_QUEUE);
	for (uint32_t i = 0; i < n; i++) {
		if (m[i]->kind == MSG_CALL)
			serve_call(t, m[i]);
		else if (m[i]->held != 0)
			t->guest[t->nguests++].m = m[i];
		else
			refuse(t, m[i]);
	}
	msg_flush(t->host.bus, t->host.self);
}

/* ---- memory ---- */

static uint64_t used_bytes(const struct session_host *h)
{
	uint64_t used = 0;

	for (uint32_t i = 0; i < h->nheaps; i++)
		used += heap_used(h->heaps[i]);
	return used;
}

bool script_memory_short(struct script_thread *t)
{
	const struct dp_conf *conf = &t->host.conf;

	/* While clients are paused the keys stay as they are. */
	if (rp_likely(conf->maxmemory == 0) || host_paused(&t->host))
		return false;
	for (uint32_t step = 0; used_bytes(&t->host) > conf->maxmemory; step++) {
		bool evicted = false;
		for (uint64_t rest = t->held; rest != 0 && step < EVICT_STEPS; rest &= rest - 1)
			evicted |= store_evict(t->host.env.stores[__builtin_ctzll(rest)], conf->evict,
					       conf->evict_samples);
		if (!evicted)
			return step < EVICT_STEPS;
	}
	return false;
}

/* ---- running ---- */

/* Why no script may write now, as execute.c says it of other commands; NULL: they may. */
static const char *writes_refused(struct script_thread *t)
{
	const struct dp_conf *conf = &t->host.conf;

	if (conf->misconf)
		return SESSION_MISCONF;
	if (!conf->aof_fails)
		return NULL;
	snprintf(t->no_writes, sizeof t->no_writes, SESSION_AOF_FAILS "%s", conf->aof_why);
	return t->no_writes;
}

/* Runs the entry's command. false: it must run again under a lease of every shard, and nothing has happened; or it was
 * ended halfway, and its unit stays open for ever. */
static bool run_entry(struct script_thread *t, struct script_entry *e)
{
	struct session_host *h = &t->host;
	struct msg *m = e->m;
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
	t->current = e;
	t->slow_notes = t->denials = 0;
	t->run = (struct script_run){.held = t->settings.lease == SCRIPT_LEASE_DECLARED ? e->shards : t->held,
				     .db = m->db,
				     .client_id = m->client_id,
				     .user = m->user,
				     .client_flags = m->client_flags,
				     .slow_cycles = h->slow_cycles,
				     .reply_bufs = h->reply_bufs,
				     .no_writes = writes_refused(t),
				     .track = m->track,
				     .may_restart = m->held == 0 && !e->wide && t->settings.lease == SCRIPT_LEASE_AUTO};
	/* A transaction has a unit of its own. */
	bool unit = t->held != 0 && m->held == 0;
	if (unit)
		host_unit_begin(h, t->held);
	uint64_t cycles = cmd_run(&c);
	if (rp_unlikely(t->torn))
		return false;
	m->gate = unit ? host_unit_end(h, t->run.tells_all) : 0;
	if (rp_unlikely(t->run.restart)) {
		reply_reset(&r, h->heap);
		slow_notes_keep(m, 0);
		e->wide = true;
		e->shards = h->all_shards;
		return false;
	}
	if (unit) /* of a transaction its home tells */
		host_tell(h, t->held, m->client_id);
	acl_user_drop(m->user);
	h->count.commands++;
	h->count.delegated_in++;
	if (rp_unlikely(cycles >= h->slow_cycles))
		script_report_slow(t, &c, cycles);
	m->failed = r.failed;
	if (rp_unlikely(r.failed))
		reply_reset(&r, h->heap);
	m->reply_tail = r.tail;
	m->reply_head = reply_take(&r, &m->reply_bytes);
	/* Those in MONITOR see what it did before what follows its answer. */
	if (rp_unlikely(h->monitored)) {
		post_flush(h);
		msg_flush(h->bus, h->self);
	}
	msg_reply(h->bus, m);
	return true;
}

static void set_now(struct script_thread *t)
{
	monitor_look(&t->host);
	clock_read(&t->clock, &t->now);
	host_set_now(&t->host, &t->now);
}

/* The first keys of those that run next come into the cache together, if they are of one shard. */
static void fetch_ahead(const struct script_thread *t, uint32_t from)
{
	uint64_t hash[AHEAD], shard = t->queue[from].shards & t->held;
	uint32_t db[AHEAD], n = 0;
	struct slice key[AHEAD];
	struct object *hint[AHEAD];

	if (__builtin_popcountll(shard) != 1)
		return;
	for (uint32_t i = from; i < t->queued && i < from + AHEAD; i++) {
		const struct msg *m = t->queue[i].m;
		if (t->queue[i].shards != shard || m->req.argc <= FIRST_KEY)
			continue;
		key[n] = m->req.argv[FIRST_KEY];
		db[n++] = m->db;
	}
	store_prefetch(t->host.env.stores[__builtin_ctzll(shard)], n, db, key, hash, hint);
}

/* Runs what the shards held suffice for, in order, until somebody else must have a turn. Returns how many. */
static uint32_t run_queue(struct script_thread *t)
{
	uint32_t n = 0;
	uint64_t begin_us = t->now.mono_us;

	while (n < t->queued) {
		struct script_entry *e = &t->queue[n];
		if ((e->shards & ~t->held) != 0 || (t->held != 0 && t->now.mono_us - begin_us > BATCH_US))
			break;
		set_now(t);
		for (uint64_t rest = t->held; rest != 0; rest &= rest - 1)
			store_set_now(t->host.env.stores[__builtin_ctzll(rest)], t->now.wall_us);
		if (n % AHEAD == 0)
			fetch_ahead(t, n);
		if (!run_entry(t, e))
			break;
		n++;
	}
	if (t->held == 0) /* else they stay so until the shards go back */
		lease_set_busy(t->host.leases, LEASE_BUSY_NOT, 0);
	if (n > 0) {
		t->queued -= n;
		memmove(t->queue, t->queue + n, t->queued * sizeof *t->queue);
	}
	return n;
}

/* ---- leases ---- */

/* The shards of all that wait, up to the first that needs none: it may run without. */
static uint64_t wanted(const struct script_thread *t)
{
	uint64_t set = 0;

	for (uint32_t i = 0; i < t->queued && t->queue[i].shards != 0; i++)
		set |= t->queue[i].shards;
	return set;
}

static void release(struct script_thread *t)
{
	lease_set_busy(t->host.leases, LEASE_BUSY_NOT, 0);
	t->held = 0;
	t->leasing = false;
	lease_release(t->host.leases, &t->lease, host_news(&t->host, t->lease.shards));
	t->batches++;
	/* Those who wait for an answer get it at once, and the shards' owners see that they are back. */
	post_flush(&t->host);
	msg_flush(t->host.bus, t->host.self);
	host_kick_journal(&t->host);
}

/* Scripts inside transactions, whose shards are leased for them already: they wait for nobody, as nobody gets those
 * shards before they have run. */
static uint32_t run_guests(struct script_thread *t)
{
	uint32_t n = t->nguests;

	/* More may come while one runs for long. */
	for (uint32_t i = 0; i < n; i++) {
		struct script_entry *e = &t->guest[0];
		t->held = e->m->held;
		script_entry_prepare(t, e);
		set_now(t);
		for (uint64_t rest = t->held; rest != 0; rest &= rest - 1)
			store_set_now(t->host.env.stores[__builtin_ctzll(rest)], t->now.wall_us);
		if (!run_entry(t, e))
			return i; /* torn, since it cannot ask for more shards */
		lease_set_busy(t->host.leases, LEASE_BUSY_NOT, 0);
		t->nguests--;
		memmove(t->guest, t->guest + 1, t->nguests * sizeof *t->guest);
	}
	t->held = 0;
	if (n > 0)
		msg_flush(t->host.bus, t->host.self);
	return n;
}

uint32_t script_work(struct script_thread *t)
{
	if (rp_unlikely(t->torn))
		return 0;
	uint32_t guests = t->nguests > 0 ? run_guests(t) : 0;
	if (rp_unlikely(t->torn))
		return guests;
	if (t->queued == 0 && !t->lease.submitted) {
		t->leasing = false; /* those who wanted it were refused meanwhile */
		return guests;
	}
	if (!t->leasing) {
		t->want = wanted(t);
		if (t->want == 0)
			return run_queue(t);
		t->leasing = true;
	}
	if (!t->lease.submitted && !lease_try_submit(t->host.leases, &t->lease, t->want, t->host.self))
		return 0;
	if (!lease_granted(&t->lease))
		return 0;
	t->held = t->want;
	script_take(t);            /* what came meanwhile may use the same lease */
	uint32_t n = run_queue(t); /* perhaps none: a lease that was asked for is granted, and must be given back */
	if (rp_likely(!t->torn))
		release(t);
	return n;
}
