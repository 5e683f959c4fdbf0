/* Sessions: opening, input, output queue, closing. */
#include "session/pubsub.h"
#include "session/session_priv.h"
#include "session/tx.h"

#define OUT_FREE \
	16384 /* bytes of a reply that may leave without a look at the limits: Redis does not count them either */

/* ---- lists ---- */

void session_ready(struct session *s)
{
	struct session_host *h = s->host;
	if (s->ready || s->wait != WAIT_NONE)
		return;
	s->ready = true;
	s->ready_next = NULL;
	if (h->ready_tail != NULL)
		h->ready_tail->ready_next = s;
	else
		h->ready_head = s;
	h->ready_tail = s;
}

static void count_blocked(struct session *s, bool blocked)
{
	s->host->count.blocked += blocked ? 1 : -1;
	s->cl.flags = blocked ? s->cl.flags | CLIENT_F_BLOCKED : s->cl.flags & ~CLIENT_F_BLOCKED;
}

void session_wait(struct session *s, enum session_wait how)
{
	struct session_host *h = s->host;
	if (s->wait == how)
		return;
	if (rp_unlikely(s->wait == WAIT_PAUSE || how == WAIT_PAUSE))
		count_blocked(s, how == WAIT_PAUSE);
	if (s->wait != WAIT_NONE) {
		*s->wait_pprev = s->wait_next;
		*(s->wait_next != NULL ? &s->wait_next->wait_pprev : &h->waiting_end[s->wait]) = s->wait_pprev;
	}
	s->wait = (uint8_t)how;
	if (how == WAIT_NONE) {
		session_ready(s);
		return;
	}
	s->wait_next = NULL;
	s->wait_pprev = h->waiting_end[how];
	*s->wait_pprev = s;
	h->waiting_end[how] = &s->wait_next;
}

void session_doom(struct session *s)
{
	if (s->doomed)
		return;
	s->doomed = true;
	s->doomed_next = s->host->doomed;
	s->host->doomed = s;
}

struct session_parked *session_park(struct session *s)
{
	if (s->parked == NULL) {
		s->parked = pool_get(&s->host->parked);
		memset(s->parked, 0, sizeof *s->parked);
	}
	return s->parked;
}

void session_unpark(struct session *s)
{
	pool_put(&s->host->parked, s->parked);
	s->parked = NULL;
}

/* ---- by number ---- */

static uint32_t *id_bucket(const struct session_host *h, uint64_t id)
{
	return &h->by_id[id / h->client_id_step & h->id_mask];
}

struct session *session_by_id(const struct session_host *h, uint64_t id)
{
	for (uint32_t k = *id_bucket(h, id); k != 0; k = h->id_next[k - 1]) {
		struct session *s = pool_at(&h->sessions, k - 1);
		if (s->cl.id == id)
			return s->gone ? NULL : s;
	}
	return NULL;
}

static void id_add(struct session *s)
{
	uint32_t *bucket = id_bucket(s->host, s->cl.id), place = pool_index(&s->host->sessions, s);

	s->host->id_next[place] = *bucket;
	*bucket = place + 1;
}

static void id_remove(struct session *s)
{
	uint32_t *at = id_bucket(s->host, s->cl.id), place = pool_index(&s->host->sessions, s);

	while (*at != place + 1)
		at = &s->host->id_next[*at - 1];
	*at = s->host->id_next[place];
}

/* ---- places under maxclients ---- */

/* The control thread counts its clients by itself: where all places of the data path are taken the operator still gets
 * in, and the other way round. */
static bool counts(const struct session_host *h)
{
	return h->own >= 0;
}

/* Give it back also when there was none. */
static bool place_take(struct session_host *h)
{
	uint64_t before = counts(h) ? __atomic_fetch_add(&h->shared->clients, 1, __ATOMIC_RELAXED) : h->count.clients;

	return before < h->conf.maxclients;
}

static void place_give(struct session_host *h)
{
	if (counts(h))
		__atomic_fetch_sub(&h->shared->clients, 1, __ATOMIC_RELAXED);
}

/* ---- input ---- */

struct session *session_open(struct session_host *h, const struct session_transport *tr, void *transport, uint16_t fill)
{
	struct session *s = place_take(h) ? pool_get(&h->sessions) : NULL;
	if (s == NULL) {
		place_give(h);
		h->count.sessions_rejected++;
		return NULL;
	}
	memset(s, 0, sizeof *s);
	s->host = h;
	s->tr = tr;
	s->transport = transport;
	s->fill = fill;
	s->live = true;
	s->dry = true;
	s->cl.id = h->next_client_id;
	h->next_client_id += h->client_id_step;
	id_add(s);
	s->cl.proto = 2;
	s->cl.last_cmd = -1;
	s->cl.created_us = s->cl.last_us = (int64_t)h->now.mono_us;
	acl_client_reset(&s->cl, h->env.acl);
	bufq_init(&s->in);
	resp_parser_init(&s->parser, h->heap);
	h->count.clients++;
	h->count.sessions_opened++;
	return s;
}

void session_input(struct session *s, struct rte_mbuf *m)
{
	if (rp_unlikely(s->closing || s->gone)) {
		uint32_t bytes = m->data_len;
		rte_pktmbuf_free(m);
		if (!s->gone)
			s->tr->consumed(s->transport, bytes);
		return;
	}
	bufq_push(&s->in, m);
	s->dry = false;
	s->cl.last_us = (int64_t)s->host->now.mono_us;
	session_ready(s);
}

void session_eof(struct session *s)
{
	s->eof = true;
	session_ready(s);
	session_doom(s);
}

void session_send_ready(struct session *s)
{
	session_ready(s);
}

void session_gone(struct session *s)
{
	s->gone = true;
	session_ready(s);
	session_doom(s);
}

void session_kill(struct session *s, bool at_once)
{
	s->closing = true;
	s->abort |= at_once;
	session_doom(s);
}

void session_release_input(struct session *s)
{
	uint64_t pos = resp_parser_hold_pos(&s->parser, &s->in);
	if (s->parked != NULL && s->parked->req.argc != 0 && s->parked->req.begin_pos < pos)
		pos = s->parked->req.begin_pos;
	const struct msg *m = s->flight_head;
	if (m != NULL &&
	    rp_unlikely(m->kind == MSG_BARRIER)) /* has no words; those behind it have, and there is but one */
		m = m->next;
	if (m != NULL && m->req.begin_pos < pos)
		pos = m->req.begin_pos;
	if (pos <= s->released_pos)
		return;
	uint32_t bytes = (uint32_t)(pos - s->released_pos);
	bufq_release(&s->in, pos);
	s->released_pos = pos;
	if (!s->gone)
		s->tr->consumed(s->transport, bytes);
}

/* ---- output ---- */

static bool chain_has_refs(const struct rte_mbuf *m)
{
	for (; m != NULL; m = m->next)
		if (m->data_len == 0)
			return true;
	return false;
}

void session_out_append(struct session *s, struct rte_mbuf *head, struct rte_mbuf *tail, size_t bytes)
{
	if (s->out_tail != NULL)
		s->out_tail->next = head;
	else
		s->out_head = head;
	s->out_tail = tail;
	s->out_bytes += bytes;
}

void session_out(struct session *s, struct rte_mbuf *head, struct rte_mbuf *tail, size_t bytes)
{
	session_out_gated(s, head, tail, bytes, 0);
}

void session_out_gated(struct session *s, struct rte_mbuf *head, struct rte_mbuf *tail, size_t bytes, uint64_t gate)
{
	if (head == NULL)
		return;
	if (rp_unlikely(s->gate != NULL || gate != 0) && session_gate_hold(s, head, tail, bytes, gate)) {
		session_check_output(s);
		return;
	}
	session_out_now(s, head, tail, bytes);
}

void session_out_now(struct session *s, struct rte_mbuf *head, struct rte_mbuf *tail, size_t bytes)
{
	/* Behind a reply that was dropped none leaves: it would be taken for that one. */
	if (rp_unlikely(s->gone || s->abort)) {
		buf_chain_free(head, s->host->heap);
		return;
	}
	if (rp_unlikely(bytes > OUT_FREE) && session_reply_too_long(s, bytes)) {
		buf_chain_free(head, s->host->heap);
		return;
	}
	s->cl.last_us = (int64_t)s->host->now.mono_us;
	if (rp_likely(s->out_head == NULL && s->tr->room(s->transport) > 0 && !chain_has_refs(head))) {
		s->tr->send(s->transport, head, bytes);
		return;
	}
	session_out_append(s, head, tail, bytes);
	session_pump(s);
	session_check_output(s);
}

void session_emit(struct session *s, struct rte_mbuf *head, struct rte_mbuf *tail, size_t bytes, uint64_t gate)
{
	struct msg *last = s->flight_tail;
	if (rp_likely(last == NULL)) {
		session_out_gated(s, head, tail, bytes, gate);
		return;
	}
	if (head == NULL)
		return;
	last->after_gate = RP_MAX(last->after_gate, gate);
	if (last->after_tail != NULL)
		last->after_tail->next = head;
	else
		last->after_head = head;
	last->after_tail = tail;
	last->after_bytes += bytes;
	session_check_output(s);
}

/* One segment's worth of *ref by value. 0: no buffer. */
static size_t pump_copy(struct session *s, const struct buf_ref *ref, uint32_t room)
{
	struct rte_mbuf *part = buf_alloc(s->host->mbufs);
	if (part == NULL)
		return 0;
	uint16_t n = (uint16_t)RP_MIN(RP_MIN((size_t)s->fill, ref->len), (size_t)room);
	memcpy(rte_pktmbuf_append(part, n), ref->blob->data + ref->off, n);
	s->tr->send(s->transport, part, n);
	return n;
}

/* Gives the transport the next part of the blob that `m` stands for. false: no buffer left or no room. */
static bool pump_ref(struct session *s, struct rte_mbuf *m)
{
	struct buf_ref *ref = &buf_priv(m)->ref;
	uint32_t room;
	while (ref->len > 0 && (room = s->tr->room(s->transport)) > 0) {
		size_t n = 0;
		if (s->tr->send_blob != NULL)
			n = s->tr->send_blob(s->transport, ref->blob, ref->off, ref->len);
		if (n == 0)
			n = pump_copy(s, ref, room);
		if (n == 0)
			return false;
		s->cl.last_us = (int64_t)s->host->now.mono_us;
		ref->off += n;
		ref->len -= n;
		s->out_bytes -= n;
	}
	return ref->len == 0;
}

void session_pump(struct session *s)
{
	while (s->out_head != NULL && !s->gone && s->tr->room(s->transport) > 0) {
		struct rte_mbuf *m = s->out_head;
		if (m->data_len == 0 && !pump_ref(s, m)) {
			session_ready(s); /* out of buffers, perhaps: tried again in the next iteration */
			return;
		}
		s->out_head = m->next;
		if (s->out_head == NULL)
			s->out_tail = NULL;
		m->next = NULL;
		if (m->data_len == 0) {
			buf_chain_free(m, s->host->heap);
			continue;
		}
		s->out_bytes -= m->data_len;
		s->cl.last_us = (int64_t)s->host->now.mono_us;
		s->tr->send(s->transport, m, m->data_len);
	}
}

/* ---- the end ---- */

static void session_destroy(struct session *s)
{
	struct session_host *h = s->host;
	rp_assert(s->flight_head == NULL && !s->ready && s->wait == WAIT_NONE);
	session_gate_drop(s);
	tx_end(s);
	resp_parser_fini(&s->parser);
	bufq_clear(&s->in);
	buf_chain_free(s->out_head, h->heap);
	rp_assert(s->block == NULL);
	if (s->parked != NULL) {
		rp_assert(!s->parked->lease.submitted);
		buf_chain_free(s->parked->held_head, h->heap);
		session_unpark(s);
	}
	if (s->cl.text != NULL)
		pool_put(&h->texts, s->cl.text);
	if (s->cl.listens != NULL)
		listener_leave(listener_of(s));
	s->live = false;
	id_remove(s);
	h->count.clients--;
	place_give(h);
	pool_put(&h->sessions, s);
}

/* Drops what a session waits for, as if it had never been asked. Only when no thread works on it any more. */
static void session_forget(struct session *s)
{
	struct session_host *h = s->host;
	struct msg *m;
	while ((m = s->flight_head) != NULL) {
		s->flight_head = m->next;
		buf_chain_free(m->reply_head, h->heap);
		buf_chain_free(m->after_head, h->heap);
		if (m->kind == MSG_BARRIER) {
			listener_of(s)->acks = 0;
			listener_of(s)->standing = false;
			continue;
		}
		session_untrack(m);
		resp_request_free(&m->req, h->heap);
		if (m->tx != NULL)
			tx_free(h, m->tx);
		msg_put(h->bus, m);
	}
	tx_abandon(s);
	if (s->parked != NULL) {
		if (s->parked->req.argc != 0)
			resp_request_free(&s->parked->req, h->heap);
		s->parked->lease.submitted = false;
	}
	if (s->block != NULL)
		block_abandon(s);
	s->wait = WAIT_NONE;
	s->ready = false;
}

/* A place of the pool that is free is poisoned under ASan; this one flag of it may be read all the same. */
__attribute__((no_sanitize("address"))) static bool place_live(const struct session *s)
{
	return s->live;
}

void host_abandon(struct session_host *h)
{
	for (uint32_t i = 0; i < h->sessions.fresh; i++) {
		struct session *s = pool_at(&h->sessions, i);
		if (!place_live(s))
			continue;
		session_forget(s);
		session_destroy(s);
	}
	h->ready_head = h->ready_tail = h->doomed = NULL;
	host_abandon_served(h);
}

/* Everything that it asked for has been answered and handed to the transport. */
static bool session_finished(const struct session *s)
{
	return s->flight_head == NULL && s->wait == WAIT_NONE && s->parked == NULL && s->out_head == NULL &&
	       (s->gate == NULL || s->gone);
}

static void doomed_look(struct session *s)
{
	if (!s->gone && s->abort) {
		s->tr->abort(s->transport);
		s->gone = true;
	}
	/* What waits is given up when we close; what is on its way somewhere else or under a lease comes to its end
	 * first. */
	if (s->closing && s->parked != NULL && s->wait != WAIT_LEASE && s->wait != WAIT_DRAIN) {
		resp_request_free(&s->parked->req, s->host->heap);
		session_unpark(s);
		session_wait(s, WAIT_NONE);
	}
	if (s->block != NULL && (s->gone || s->eof || s->closing)) {
		s->closing = true; /* what it sent behind the command that waits is not carried out */
		block_end(s, BLOCK_FORGOTTEN);
	}
	if (!s->gone && !s->close_sent && session_finished(s) && (s->closing || (s->eof && s->dry))) {
		s->closing = s->close_sent = true;
		s->tr->close(s->transport);
	}
	/* What was received is carried out even if its client has left meanwhile. */
	if (s->gone && !s->ready && s->flight_head == NULL && s->wait == WAIT_NONE && s->parked == NULL)
		session_destroy(s);
}

void host_reap(struct session_host *h)
{
	struct session *s = h->doomed;
	h->doomed = NULL;
	while (s != NULL) {
		struct session *next = s->doomed_next;
		s->doomed = false;
		doomed_look(s);
		s = next;
	}
}

void session_held(const struct client *cl, struct client_held *out)
{
	const struct session *s = session_of((struct client *)cl);
	const struct resp_parser *p = &s->parser;

	out->input = bufq_held(&s->in);
	out->arguments = p->argv_cap * sizeof *p->argv + resp_parser_held(p);
	out->output = s->out_bytes;
	if (s->flight_tail != NULL)
		out->output += s->flight_tail->after_bytes;
	if (s->gate != NULL)
		out->output += session_gate_bytes(s);
	out->total = sizeof *s + out->input + out->arguments + out->output;
	if (s->parked != NULL)
		out->total += sizeof *s->parked;
	if (s->cl.text != NULL)
		out->total += sizeof *s->cl.text;
	if (s->cl.tx != NULL)
		out->total += s->cl.tx->info.bytes;
}

/* ---- visits from the control thread's calls ---- */

uint32_t session_visit(struct session_host *h, uint32_t from, uint32_t budget, bool also_gone, session_visit_fn fn,
		       void *ctx)
{
	uint32_t end = (uint32_t)RP_MIN((uint64_t)from + budget, h->sessions.fresh);
	for (uint32_t i = from; i < end; i++) {
		struct session *s = pool_at(&h->sessions, i);
		if (place_live(s) && (also_gone || !s->gone))
			fn(ctx, s);
	}
	return end < h->sessions.fresh ? end : 0;
}

uint32_t host_visit(struct session_host *h, uint32_t from, uint32_t budget, session_visit_fn fn, void *ctx)
{
	return session_visit(h, from, budget, false, fn, ctx);
}

struct copy_out {
	struct client_copy *out;
	uint32_t n;
};

void client_copy_make(struct client_copy *out, const struct client *cl)
{
	out->cl = *cl;
	if (cl->tx != NULL) {
		tx_look(cl->tx);
		out->tx = cl->tx->info;
	}
	if (cl->text != NULL)
		out->text = *cl->text;
	if (cl->listens != NULL)
		out->listens = *cl->listens;
}

struct client client_copy_read(const struct client_copy *copy)
{
	struct client cl = copy->cl;

	if (cl.text != NULL)
		cl.text = (struct client_text *)&copy->text;
	if (cl.listens != NULL)
		cl.listens = (struct client_listens *)&copy->listens;
	if (cl.tx != NULL)
		cl.tx = (struct tx *)(uintptr_t)&copy->tx;
	return cl;
}

static void copy_client(void *ctx, struct session *s)
{
	struct copy_out *c = ctx;
	struct client_copy *out = &c->out[c->n++];

	client_copy_make(out, &s->cl);
	session_held(&s->cl, &out->held);
}

uint32_t host_clients(const struct session_host *h, uint32_t from, uint32_t budget, struct client_copy *out,
		      uint32_t *next)
{
	struct copy_out c = {out, 0};
	*next = host_visit((struct session_host *)h, from, budget, copy_client, &c);
	return c.n;
}
