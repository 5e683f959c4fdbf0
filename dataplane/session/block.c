/* The home's side of commands that wait. See block.h. */
#include "session/session_priv.h"
#include "session/tracking.h"

/* ---- making ------------------------------------------------------------------------------------------------------ */

static uint64_t all_shards_of(const struct cmd_ctx *c)
{
	uint32_t idx[8];
	int n = cmd_getkeys(c->cmd, c->argc, c->argv, idx, RP_ARRAY_LEN(idx));
	uint64_t set = 0;

	for (int i = 0; i < n; i++)
		set |= 1ull << cmd_shard_of(c->env, c->argv[idx[i]]);
	return set;
}

/* With a copy of the words: the buffers that they came in are not to be held for so long. */
static struct block *block_create(struct heap *heap, const struct cmd_ctx *c)
{
	size_t bytes = 0;

	for (uint32_t i = 0; i < c->argc; i++)
		bytes += c->argv[i].len;
	struct block *b = heap_alloc(heap, sizeof *b + c->argc * sizeof *b->argv + bytes);
	if (b == NULL)
		return NULL;
	*b = (struct block){.w = {.refs = 1, .state = WATCHER_LIVE, .kind = WATCH_BLOCK, .heap = heap},
			    .cmd = c->cmd,
			    .argv = (struct slice *)(b + 1),
			    .argc = c->argc};
	char *p = (char *)(b->argv + c->argc);
	for (uint32_t i = 0; i < c->argc; i++) {
		b->argv[i] = (struct slice){p, c->argv[i].len};
		if (c->argv[i].len > 0)
			memcpy(p, c->argv[i].ptr, c->argv[i].len);
		p += c->argv[i].len;
	}
	return b;
}

/* Links b to its keys. false: out of memory, and to none. */
static bool link_keys(struct cmd_ctx *c, struct block *b)
{
	for (uint32_t i = 0; i < b->n; i++) {
		struct slice key = b->argv[b->first + i];
		if (watch_add(cmd_store(c, key), b->db, key, &b->w))
			continue;
		while (i-- > 0) {
			key = b->argv[b->first + i];
			watch_remove(cmd_store(c, key), b->db, key, &b->w);
		}
		return false;
	}
	return true;
}

static void describe(struct block *b, const struct cmd_ctx *c, struct session *s)
{
	const struct cmd_block *want = &c->block;

	b->first = want->first;
	b->n = want->n;
	b->type = want->type;
	b->whole = want->whole;
	b->gone_too = want->gone_too;
	b->ready = want->ready;
	b->timeout_ms = want->timeout_ms;
	b->durable = want->durable;
	b->track = c->cmd->flags & CMD_F_READONLY ? c->track : NULL;
	b->full_time = want->full_time;
	b->shards = want->whole ? all_shards_of(c) : 0;
	b->db = c->db;
	b->client_id = c->client_id;
	b->client_flags = c->client_flags;
	b->home = s->host;
	b->session = s;
	b->w.home = (uint8_t)s->host->self;
	b->w.client_id = c->client_id;
	b->w.wants = (uint8_t)(1u << want->type | (want->gone_too ? WATCH_WANTS_GONE : 0));
}

struct block *block_make(struct session_host *h, struct cmd_ctx *c, struct session *s, uint16_t fill, bool muted)
{
	struct block *b = block_create(h->heap, c);

	if (b != NULL) {
		describe(b, c, s);
		b->fill = fill;
		b->proto = c->out->proto;
		b->muted = muted;
		if (!link_keys(c, b)) {
			heap_free(h->heap, b);
			b = NULL;
		} else if (rp_unlikely(b->track != NULL)) {
			watcher_ref(b->track);
		}
	}
	if (b == NULL)
		cmd_err_oom(c);
	heap_free(h->heap, c->block.words);
	c->block.words = NULL;
	return b;
}

/* ---- begin and end ----------------------------------------------------------------------------------------------- */

static uint64_t deadline_us(const struct session_host *h, int64_t timeout_ms)
{
	uint64_t ms = (uint64_t)timeout_ms;

	return ms > (UINT64_MAX - h->now.mono_us) / 1000 ? UINT64_MAX : h->now.mono_us + ms * 1000;
}

void block_look_at_user(struct session *s)
{
	struct block *b = s->block;
	uint32_t arg;
	bool ok = (s->cl.flags & CLIENT_F_FREE) || acl_check_client(&s->cl, b->cmd, b->argc, b->argv, &arg) == ACL_OK;

	__atomic_store_n(&b->barred, !ok, __ATOMIC_RELAXED);
}

void block_adopt(struct session *s, struct block *b)
{
	struct session_host *h = s->host;

	rp_assert(s->block == NULL);
	s->block = b;
	block_look_at_user(s);
	s->cl.flags |= CLIENT_F_BLOCKED;
	b->adopted = true;
	if (b->durable != 0)
		host_want_durable(h, b->durable);
	h->count.blocked++;
	if (b->timeout_ms > 0)
		deadlines_add(&h->deadlines, &b->deadline, deadline_us(h, b->timeout_ms));
	session_wait(s, WAIT_BLOCK);
	if (b->early)
		block_deliver(h, b);
	else if (s->gone || s->eof || s->closing)
		session_doom(s);
}

/* No shard runs it, now or later. */
static void untrack(struct block *b)
{
	if (rp_unlikely(b->track != NULL))
		watcher_put(b->track);
	b->track = NULL;
}

/* The session waits no more. Takes the home's reference. */
static void let_go(struct session *s)
{
	struct session_host *h = s->host;
	struct block *b = s->block;

	deadlines_remove(&h->deadlines, &b->deadline);
	s->block = NULL;
	s->cl.flags &= ~CLIENT_F_BLOCKED;
	h->count.blocked--;
	b->session = NULL;
	if (b->n > 1 && watcher_claimed(&b->w))
		watcher_left(&b->w, h->env.stores);
	watcher_put(&b->w);
}

static void reply_begin(struct session *s, struct block *b, struct reply *r)
{
	reply_init(r, s->host->mbufs, s->fill, s->cl.proto);
	r->bufs_left = s->host->reply_bufs;
	r->errors = &s->host->errors;
	r->muted = b->muted;
}

static void reply_end(struct session *s, struct reply *r)
{
	size_t bytes;

	if (rp_unlikely(r->failed)) {
		s->host->count.killed_nomem++;
		session_kill(s, true);
		reply_reset(r, s->host->heap);
	}
	struct rte_mbuf *tail = r->tail, *head = reply_take(r, &bytes);
	session_emit(s, head, tail, bytes, 0);
}

/* WAIT and WAITAOF say how far things are. */
static void answer_again(struct session *s, struct block *b, struct reply *r)
{
	struct session_host *h = s->host;
	struct cmd_ctx c = {.cmd = b->cmd,
			    .argc = b->argc,
			    .argv = b->argv,
			    .out = r,
			    .env = &h->env,
			    .client = &s->cl,
			    .client_id = b->client_id,
			    .client_flags = b->client_flags,
			    .db = b->db,
			    .rng = &h->env.rng,
			    .deny_block = true,
			    .block = {.durable = b->durable}};

	execute_counted(h, &c);
}

static void reply_unserved(struct session *s, struct block *b, enum block_end how, struct reply *r)
{
	struct session_host *h = s->host;

	if (how == BLOCK_TIME_OVER && b->n == 0) {
		answer_again(s, b, r);
		return;
	}
	if (how == BLOCK_TIME_OVER)
		reply_null_array(r);
	else
		reply_error(r, "UNBLOCKED client unblocked via CLIENT UNBLOCK");
	cmd_stat_add(&h->env, b->cmd, 0, how == BLOCK_REJECTED); /* waiting takes no time */
	h->count.commands++;
}

bool block_end(struct session *s, enum block_end how)
{
	struct session_host *h = s->host;
	struct block *b = s->block;
	struct reply r;

	if (s->wait != WAIT_BLOCK) { /* it is about to run under a lease */
		b->late = true;
		b->how = (uint8_t)how;
		return true;
	}
	watcher_ref(&b->w);
	bool first = watcher_give_up(&b->w, h->env.stores);
	if (first)
		untrack(b); /* else the shard that has claimed it may be running it */
	if (!first && how != BLOCK_FORGOTTEN)
		return false;
	if (first && b->whole && (b->shards & (b->shards - 1)) != 0)
		block_poke(h, b);
	if (how != BLOCK_FORGOTTEN) {
		reply_begin(s, b, &r);
		reply_unserved(s, b, how, &r);
		reply_end(s, &r);
	}
	let_go(s);
	session_wait(s, WAIT_NONE);
	return true;
}

void block_abandon(struct session *s)
{
	watcher_ref(&s->block->w);
	watcher_give_up(&s->block->w, s->host->env.stores);
	untrack(s->block);
	let_go(s);
}

/* ---- news -------------------------------------------------------------------------------------------------------- */

static void drop_answer(struct session_host *h, struct block *b)
{
	untrack(b);
	buf_chain_free(b->reply_head, h->heap);
	b->reply_head = NULL;
}

/* As every command whose user may not run it, when it came to its turn. */
static bool admitted(struct session *s, struct block *b, struct reply *r)
{
	if (cmd_admit(&s->host->env, &s->cl, b->argc, b->argv, r) != NULL)
		return true;
	s->host->env.stats[b->cmd->id].rejected++;
	return false;
}

static void answer_refused(struct session *s, struct block *b)
{
	struct reply r;

	reply_begin(s, b, &r);
	if (admitted(s, b, &r)) /* it may again */
		reply_error(&r, "NOPERM the rights of this user have changed while the command waited; send it again");
	reply_end(s, &r);
}

static void take_answer(struct session *s, struct block *b)
{
	if (rp_unlikely(b->failed)) {
		s->host->count.killed_nomem++;
		session_kill(s, true);
	}
	if (rp_unlikely(b->refused))
		answer_refused(s, b);
	else
		session_emit(s, b->reply_head, b->reply_tail, b->reply_bytes, b->gate);
	if (rp_unlikely(b->track != NULL))
		tracking_end(s, b->track);
	untrack(b);
	let_go(s);
	session_wait(s, WAIT_NONE);
	if (rp_unlikely(s->gone || s->eof || s->closing))
		session_doom(s);
}

void block_deliver(struct session_host *h, struct block *b)
{
	struct session *s = b->session;

	if (s != NULL && !b->adopted) {
		b->early = true; /* the traveller's reference stays */
		return;
	}
	if (s == NULL)
		drop_answer(h, b);
	else if (b->answered || b->refused)
		take_answer(s, b);
	else if (s->wait == WAIT_BLOCK)
		session_want_lease(s, b->shards);
	watcher_put(&b->w);
}

static void run_leased(struct session *s, struct block *b, struct cmd_ctx *c)
{
	struct session_host *h = s->host;

	if (rp_unlikely(h->tight) && (b->cmd->flags & CMD_F_DENYOOM) && !room_make(h))
		cmd_err_oom(c);
	else
		execute_counted(h, c);
	h->count.leases++;
	heap_free(h->heap, c->block.words);
}

/* It is the first of those who wait at its key, and its shards are held, so nobody can come between. */
void block_run_leased(struct session *s, struct reply *r)
{
	struct session_host *h = s->host;
	struct block *b = s->block;
	struct slice key = b->argv[b->first];
	struct cmd_ctx c = {.cmd = b->cmd,
			    .argc = b->argc,
			    .argv = b->argv,
			    .out = r,
			    .env = &h->env,
			    .client_id = b->client_id,
			    .client_flags = b->client_flags,
			    .db = b->db,
			    .rng = &h->env.rng};
	bool forgotten = s->gone || s->eof || s->closing;

	r->muted = b->muted;
	if (!forgotten && admitted(s, b, r))
		run_leased(s, b, &c);
	if (c.block.on && b->late && b->how != BLOCK_FORGOTTEN)
		reply_unserved(s, b, b->how, r);
	b->woken = false;
	watch_recheck(cmd_store(&c, key), b->db, key); /* for those behind it, or for itself */
	if (c.block.on && !b->late && !forgotten)
		return;
	watcher_ref(&b->w);
	watcher_give_up(&b->w, h->env.stores);
	let_go(s);
}

bool session_unblock(struct session *s, bool error)
{
	return s->block != NULL && block_end(s, error ? BLOCK_REJECTED : BLOCK_TIME_OVER);
}

static void time_over(struct session_host *h, struct block *b)
{
	block_end(b->session, BLOCK_TIME_OVER);
}

uint32_t host_poll_blocks(struct session_host *h)
{
	struct deadline *d;
	uint32_t n = 0;

	for (; n < RP_MAX_BURST && (d = deadlines_pop(&h->deadlines, h->now.mono_us)) != NULL; n++)
		time_over(h, rp_container_of(d, struct block, deadline));
	return n;
}
