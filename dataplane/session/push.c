/* Pushes: bytes that go to a client between the replies to its requests. What is pushed in one iteration shares
 * buffers. For a client that reads too slowly they wait in memory of ours, not in packet buffers, which all clients
 * share. */
#include "session/pubsub_priv.h"
#include "session/session_priv.h"

#define ROUND_BYTES   (32u << 10) /* of one iteration that go into packet buffers */
#define SPILL_MIN     (4u << 10)  /* sizes of the blobs that the rest waits in */
#define SPILL_MAX     (64u << 10)
#define LOW_BUFS      1024 /* half of the buffers free: below it nobody is given some to wait in */
#define SOFT_LOOK_MAX 64   /* clients above their soft limit looked at in one call */

static void set_room(struct session_listener *l)
{
	const struct session *s = l->s;
	if (l->behind || s->gate != NULL)
		l->room = UINT32_MAX; /* behind replies that wait: there is one queue for both */
	else if (s->out_head != NULL || s->host->reply_bufs < LOW_BUFS)
		l->room = 0;
	else
		l->room = RP_MIN(s->tr->room(s->transport), ROUND_BYTES);
}

static void round_begin(struct session_listener *l)
{
	struct session *s = l->s;
	struct session_host *h = s->host;
	l->pushing = true;
	l->push_next = h->pubsub->pushed;
	h->pubsub->pushed = l;
	reply_init(&l->out, h->mbufs, s->fill, s->cl.proto);
	l->out.bufs_left = h->reply_bufs;
	set_room(l);
}

/* What was put into buffers goes to the session's output. */
static void hand_over(struct session_listener *l)
{
	struct session *s = l->s;
	struct rte_mbuf *tail = l->out.tail, *head;
	size_t bytes;
	if (rp_unlikely(l->out.failed)) {
		s->host->count.killed_nomem++;
		session_kill(s, true);
		reply_reset(&l->out, s->host->heap);
		return;
	}
	head = reply_take(&l->out, &bytes);
	if (head != NULL)
		session_out(s, head, tail, bytes);
}

/* A buffer that stands for the first bytes of a blob. Takes over the reference. NULL: none is free, s ends. */
static struct rte_mbuf *stand_in(struct session *s, struct blob *b, size_t len)
{
	struct rte_mbuf *m = buf_alloc(s->host->mbufs);
	if (m == NULL) {
		blob_unref(b, s->host->heap);
		s->host->count.killed_nomem++;
		session_kill(s, true);
		return NULL;
	}
	buf_priv(m)->ref = (struct buf_ref){.blob = b, .off = 0, .len = len};
	return m;
}

/* The last part of the output queue, if it is the listener's blob and has room. */
static struct buf_ref *spill_open(const struct session_listener *l)
{
	struct rte_mbuf *tail = l->s->out_tail;
	if (tail == NULL || l->spill == NULL || tail->data_len != 0 || buf_priv(tail)->ref.blob != l->spill)
		return NULL;
	return l->spill->len < l->spill->cap ? &buf_priv(tail)->ref : NULL;
}

static void spill_drop(struct session_listener *l)
{
	if (l->spill != NULL)
		blob_unref(l->spill, l->s->host->heap);
	l->spill = NULL;
}

static struct buf_ref *spill_next(struct session_listener *l)
{
	struct session *s = l->s;
	size_t cap = SPILL_MIN;
	if (l->spill != NULL && s->out_head != NULL)
		cap = RP_MIN(2 * l->spill->cap, (size_t)SPILL_MAX);
	spill_drop(l);
	l->spill = blob_create(s->host->heap, cap);
	if (l->spill == NULL) {
		s->host->count.killed_nomem++;
		session_kill(s, true);
		return NULL;
	}
	struct rte_mbuf *m = stand_in(s, blob_ref(l->spill), 0);
	if (m == NULL)
		return NULL;
	session_out_append(s, m, m, 0);
	return &buf_priv(m)->ref;
}

static void spill(struct session_listener *l, const char *p, size_t len)
{
	struct session *s = l->s;
	if (l->out.head != NULL)
		hand_over(l);
	while (len > 0 && !s->abort) {
		struct buf_ref *ref = spill_open(l);
		if (ref == NULL && (ref = spill_next(l)) == NULL)
			return;
		size_t n = RP_MIN(len, l->spill->cap - l->spill->len);
		memcpy(l->spill->data + l->spill->len, p, n);
		l->spill->len += n;
		ref->len += n;
		s->out_bytes += n;
		p += n;
		len -= n;
	}
	session_check_output(s);
}

void push_bytes(struct session_listener *l, struct slice bytes)
{
	if (!l->pushing)
		round_begin(l);
	size_t now = RP_MIN(bytes.len, (size_t)l->room);
	if (rp_likely(now > 0)) {
		reply_raw(&l->out, bytes.ptr, now);
		l->room -= (uint32_t)now;
	}
	if (rp_unlikely(now < bytes.len && l->s->gate != NULL)) {
		set_room(l);
		push_bytes(l, (struct slice){bytes.ptr + now, bytes.len - now});
	} else if (rp_unlikely(now < bytes.len))
		spill(l, bytes.ptr + now, bytes.len - now);
}

void push_blob(struct session_listener *l, struct blob *b)
{
	struct session *s = l->s;
	if (b->len < REPLY_REF_MIN || l->behind) {
		push_bytes(l, (struct slice){b->data, b->len});
		return;
	}
	if (!l->pushing)
		round_begin(l);
	if (l->out.head != NULL)
		hand_over(l);
	struct rte_mbuf *m = s->abort ? NULL : stand_in(s, blob_ref(b), b->len);
	if (m == NULL)
		return;
	session_out(s, m, m, b->len);
	set_room(l);
}

void push_settle(struct session_listener *l)
{
	if (l->pushing)
		hand_over(l);
}

void push_behind_begin(struct session_listener *l)
{
	if (!l->pushing)
		round_begin(l);
	hand_over(l);
	l->behind = true;
	set_room(l);
}

void push_behind_end(struct session_listener *l)
{
	struct session *s = l->s;
	struct rte_mbuf *tail = l->out.tail;
	size_t bytes;
	l->behind = false;
	if (l->out.failed) {
		hand_over(l);
	} else {
		struct rte_mbuf *head = reply_take(&l->out, &bytes);
		session_emit(s, head, tail, bytes, 0);
	}
	set_room(l);
}

void push_flush(struct session_host *h)
{
	struct session_listener *l = h->pubsub->pushed;
	h->pubsub->pushed = NULL;
	while (l != NULL) {
		struct session_listener *next = l->push_next;
		l->pushing = false;
		if (rp_likely(l->out.head != NULL || l->out.failed))
			hand_over(l);
		if (rp_unlikely(l->s->out_head != NULL))
			session_pump(l->s);
		if (l->s->out_head == NULL)
			spill_drop(l);
		l = next;
	}
}

/* ---- output limits ---- */

static void soft_forget(struct session_listener *l)
{
	if (l->soft_since_us == 0)
		return;
	l->soft_since_us = 0;
	*l->soft_pprev = l->soft_next;
	*(l->soft_next != NULL ? &l->soft_next->soft_pprev : &l->s->host->pubsub->soft_end) = l->soft_pprev;
}

static void soft_begin(struct session_host *h, struct session_listener *l)
{
	l->soft_since_us = (int64_t)h->now.mono_us;
	l->soft_next = NULL;
	l->soft_pprev = h->pubsub->soft_end;
	*l->soft_pprev = l;
	h->pubsub->soft_end = &l->soft_next;
}

static const struct output_limit *limit_of(const struct session *s)
{
	return s->cl.flags & CLIENT_F_PUBSUB ? &s->host->conf.output_pubsub : &s->host->conf.output_normal;
}

static void cut(struct session *s)
{
	s->host->count.killed_output++;
	session_kill(s, true);
}

/* What it has not taken, and what waits behind its requests in flight or for the disk. */
static size_t waiting_bytes(const struct session *s)
{
	size_t n = s->out_bytes;
	if (s->flight_tail != NULL)
		n += s->flight_tail->after_bytes;
	if (s->gate != NULL)
		n += session_gate_bytes(s);
	return n;
}

bool session_reply_too_long(struct session *s, size_t bytes)
{
	const struct output_limit *lim = limit_of(s);
	if (lim->hard_bytes == 0 || bytes <= lim->hard_bytes)
		return false;
	if (!s->abort)
		cut(s);
	return true;
}

void session_check_output(struct session *s)
{
	const struct output_limit *lim = limit_of(s);
	if (s->abort)
		return;
	size_t bytes = waiting_bytes(s);
	if (lim->hard_bytes != 0 && bytes > lim->hard_bytes) {
		cut(s);
		return;
	}
	if (rp_likely(lim->soft_bytes == 0 || bytes <= lim->soft_bytes))
		return;
	struct session_listener *l = listener_get(s);
	if (l != NULL && l->soft_since_us == 0)
		soft_begin(s->host, l);
}

void host_poll_soft_limits(struct session_host *h)
{
	uint32_t budget = SOFT_LOOK_MAX;
	for (struct session_listener *l = h->pubsub->soft, *next; l != NULL && budget-- > 0; l = next) {
		const struct output_limit *lim = limit_of(l->s);
		next = l->soft_next;
		if (lim->soft_bytes == 0 || waiting_bytes(l->s) <= lim->soft_bytes)
			soft_forget(l);
		else if ((int64_t)h->now.mono_us - l->soft_since_us > (int64_t)lim->soft_s * 1000000 && !l->s->abort)
			cut(l->s);
	}
}

void push_fini(struct session_listener *l)
{
	soft_forget(l);
	spill_drop(l);
}
