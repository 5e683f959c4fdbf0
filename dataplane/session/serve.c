/* The owner of a shard answers those who wait for its keys, as soon as there is something for them. */
#include "session/session_priv.h"
#include "session/tracking.h"

/* Readers of one stream that one look wakes; the others follow with the next: they take nothing from each other. Of
 * lists and sorted sets no more are served than were put in. */
#define READERS_MAX 64

static void block_ctx(struct session_host *h, struct block *b, struct reply *r, struct cmd_ctx *c)
{
	*c = (struct cmd_ctx){.cmd = b->cmd,
			      .argc = b->argc,
			      .argv = b->argv,
			      .out = r,
			      .env = &h->env,
			      .client_id = b->client_id,
			      .client_flags = b->client_flags,
			      .db = b->db,
			      .rng = &h->env.rng,
			      .track = b->track,
			      .held = 1ull << h->own};
}

/* Is what became of the key news for this one? */
static bool is_news(struct session_host *h, struct block *b, const struct object *o)
{
	struct cmd_ctx c;

	if (o == NULL || o->type != b->type)
		return b->gone_too;
	if (b->ready == NULL)
		return true;
	block_ctx(h, b, NULL, &c);
	return b->ready(&c);
}

static void send_home(struct session_host *h, struct block *b)
{
	struct block_queue *q = &h->served[b->w.home];

	watcher_ref(&b->w);
	if (b->w.home == h->self) {
		block_deliver(h, b);
		return;
	}
	b->next = NULL;
	*(q->tail != NULL ? &q->tail->next : &q->head) = b;
	q->tail = b;
	h->nserved++;
}

/* As if the command came now; it finds something, or an error to be told. */
static void run_claimed(struct session_host *h, struct block *b)
{
	struct reply r;
	struct cmd_ctx c;

	reply_init(&r, h->mbufs, b->fill, b->proto);
	r.bufs_left = h->reply_bufs;
	r.errors = &h->errors;
	r.muted = b->muted;
	block_ctx(h, b, &r, &c);
	h->gate = 0;
	if (rp_unlikely(h->tight) && (b->cmd->flags & CMD_F_DENYOOM) && !room_make(h))
		cmd_err_oom(&c);
	else
		execute_counted(h, &c);
	b->gate = h->gate;
	rp_assert(!c.block.on);
	b->failed = r.failed;
	if (rp_unlikely(r.failed))
		reply_reset(&r, h->heap);
	b->reply_tail = r.tail;
	b->reply_head = reply_take(&r, &b->reply_bytes);
	b->answered = true;
}

/* false: there are more readers than one look serves. */
static bool serve_key(struct session_host *h, struct store *st, struct watch_key *k)
{
	struct watch_link *l, *before = NULL;
	uint32_t readers = 0;

	while ((l = watch_next_blocked(st, k, before)) != NULL) {
		struct block *b = (struct block *)watch_link_watcher(l);
		const struct object *o = store_peek(st, watch_key_db(k), watch_key_name(k));
		if (b->woken || !watch_key_wanted(k, o))
			break;
		if (!is_news(h, b, o)) {
			before = l;
			continue;
		}
		if (b->whole && (b->shards & ~(1ull << h->own)) != 0) {
			b->woken = true;
			send_home(h, b);
			break;
		}
		if (!watcher_claim(&b->w))
			continue;
		if (rp_unlikely(__atomic_load_n(&b->barred, __ATOMIC_RELAXED)))
			b->refused = true;
		else
			run_claimed(h, b);
		send_home(h, b);
		watch_unlink(st, l);
		if (b->type == OBJ_STREAM && ++readers == READERS_MAX)
			return false;
	}
	return true;
}

static void serve_ready(struct session_host *h)
{
	struct store *st = h->env.stores[h->own];
	struct watch_key *k, *more = NULL;

	store_hint(st, (struct slice){NULL, 0}, 0, NULL, 0);
	while ((k = watch_pop_ready(st)) != NULL) {
		bool again = k == more || !serve_key(h, st, k), round = k == more;
		if (again) {
			watch_ready_again(st, k);
			more = more != NULL ? more : k;
		}
		watch_ready_done(st, k);
		if (round)
			break;
	}
}

void host_serve(struct session_host *h)
{
	uint64_t own = 1ull << h->own;

	/* What was done is told before what is done for those who waited for it. */
	host_tell(h, own, h->by);
	if (store_notes_pending(h->env.stores[h->own]) & STORE_NOTE_READY) {
		serve_ready(h);
		host_tell(h, own, 0);
	}
}

/* ---- messages ---------------------------------------------------------------------------------------------------- */

/* At home. arg[0]: chain of blocks, arg[1]: the host. */
static void take_served(void *owner, struct msg *m)
{
	struct session_host *h = m->arg[1];

	for (struct block *b = m->arg[0], *next; b != NULL; b = next) {
		next = b->next;
		block_deliver(h, b);
	}
}

static struct msg *call(struct session_host *h, enum msg_kind kind, uint32_t to, msg_call_fn fn, struct block *b)
{
	struct msg *m = msg_get(h->bus, h->self);

	if (m == NULL)
		return NULL;
	m->kind = (uint8_t)kind;
	m->owner = (uint8_t)to;
	m->fn = fn;
	m->arg[0] = b;
	m->arg[3] = NULL;
	return m;
}

static uint32_t send_served(struct session_host *h)
{
	uint32_t sent = 0;

	for (uint32_t to = 0; to < RP_ARRAY_LEN(h->served) && h->nserved > 0; to++) {
		struct block_queue *q = &h->served[to];
		struct msg *m = q->head != NULL ? call(h, MSG_CALL, to, take_served, q->head) : NULL;
		if (m == NULL)
			continue;
		m->arg[1] = q->head->home;
		for (struct block *b = q->head; b != NULL; b = b->next)
			h->nserved--;
		*q = (struct block_queue){NULL, NULL};
		msg_send(h->bus, m);
		sent++;
	}
	return sent;
}

/* The one whose turn it was has given up: those behind it may go on. */
static void look_again(struct store *st, struct block *b)
{
	watch_recheck(st, b->db, b->argv[b->first]);
	watcher_put(&b->w);
}

/* At the owner of the key's shard, which it holds. */
static void take_poke(void *owner, struct msg *m)
{
	look_again(m->arg[1], m->arg[0]);
}

static bool send_poke(struct session_host *h, struct block *b)
{
	uint32_t to = cmd_shard_of(&h->env, b->argv[b->first]);
	struct store *st = h->env.stores[to];

	if ((int32_t)to == h->own && !h->own_leased) {
		look_again(st, b);
		return true;
	}
	struct msg *m = call(h, MSG_CALL_SHARD, to, take_poke, b);
	if (m == NULL)
		return false;
	m->arg[1] = st;
	msg_send(h->bus, m);
	return true;
}

void host_abandon_served(struct session_host *h)
{
	for (uint32_t to = 0; to < RP_ARRAY_LEN(h->served); to++)
		for (struct block *b; (b = h->served[to].head) != NULL;) {
			h->served[to].head = b->next;
			buf_chain_free(b->reply_head, h->heap);
			watcher_put(&b->w);
		}
	for (struct block *b; (b = h->pokes) != NULL;) {
		h->pokes = b->poke_next;
		watcher_put(&b->w);
	}
	h->nserved = 0;
}

void block_poke(struct session_host *h, struct block *b)
{
	watcher_ref(&b->w);
	b->poke_next = h->pokes;
	h->pokes = b;
}

uint32_t host_send_served(struct session_host *h)
{
	uint32_t sent = h->nserved > 0 ? send_served(h) : 0;

	for (struct block *b; (b = h->pokes) != NULL; sent++) {
		struct block *next = b->poke_next;
		if (!send_poke(h, b))
			break;
		h->pokes = next;
	}
	return sent;
}
