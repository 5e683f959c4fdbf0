/* One connection: opening, sending its batch, counting replies, the ways it ends. */
#include <errno.h>
#include <stdio.h>

#include "loop.h"

#define RETRY_US 10000

void conn_leave_list(struct conn *c)
{
	if (c->on)
		TAILQ_REMOVE(c->on, c, link);
	c->on = NULL;
}

void conn_enter_list(struct conn *c, struct conn_list *list)
{
	conn_leave_list(c);
	TAILQ_INSERT_TAIL(list, c, link);
	c->on = list;
}

static bool is_idle(const struct conn *c)
{
	return c->sent == NULL;
}

static uint64_t *open_count(struct loop *l, const struct conn *c)
{
	return is_idle(c) ? &l->nidle_open : &l->nopen;
}

/* Nothing of the connection is left but its place among the closed ones. */
static void forget(struct loop *l, struct conn *c)
{
	if (c->state == CONN_CONNECTING)
		l->nconnecting--;
	else if (c->state == CONN_READY)
		--*open_count(l, c);
	if (l->error_of == c)
		l->error_of = NULL;
	c->state = CONN_CLOSED;
	c->tc = NULL;
	c->head = c->pending = c->quota = c->part = c->elements = 0;
	c->refused = false;
	c->wrong = 0;
	memset(&c->reader, 0, sizeof c->reader);
	conn_enter_list(c, is_idle(c) ? &l->closed_idle : &l->closed);
}

static void fail(struct loop *l, struct conn *c, enum tcp_close_reason why)
{
	if (l->phase) {
		l->phase->lost += c->pending + c->quota;
		l->phase->reopened++;
	}
	l->last_why = why;
	l->retry_us = l->rig.now.mono_us + RETRY_US;
	forget(l, c);
}

int conn_open(struct loop *l, struct conn *c)
{
	int why = 0;

	conn_leave_list(c);
	c->tc = rig_connect(&l->rig, &l->remote, l->port, c, &why);
	if (c->tc != NULL) {
		c->state = CONN_CONNECTING;
		c->greeting = (uint16_t)(l->greeting_replies + is_idle(c));
		l->nconnecting++;
		return 0;
	}
	if (l->phase)
		l->phase->issued -= c->quota;
	l->retry_us = l->rig.now.mono_us + RETRY_US;
	forget(l, c);
	return why;
}

void conn_finish(struct loop *l, struct conn *c)
{
	struct tcp_conn *tc = c->tc;
	bool open = c->state == CONN_READY;

	tcp_set_user(tc, NULL);
	forget(l, c);
	if (open)
		tcp_close(tc);
	else
		tcp_abort(tc);
}

/* ---- sending ---- */

struct chain {
	struct rte_mbuf *head, *tail;
};

static struct rte_mbuf *chain_add(struct loop *l, struct chain *ch)
{
	struct rte_mbuf *m = buf_alloc(l->rig.pool);
	if (m == NULL)
		return NULL;
	if (ch->tail)
		ch->tail->next = m;
	else
		ch->head = m;
	ch->tail = m;
	return m;
}

static bool chain_put(struct loop *l, struct chain *ch, const char *p, size_t len, uint16_t mss)
{
	while (len > 0) {
		struct rte_mbuf *m = ch->tail;
		if ((m == NULL || m->data_len >= mss) && (m = chain_add(l, ch)) == NULL)
			return false;
		size_t n = RP_MIN(len, (size_t)mss - m->data_len);
		memcpy(rte_pktmbuf_append(m, (uint16_t)n), p, n);
		p += n;
		len -= n;
	}
	return true;
}

/* Writes the quota into buffers of at most a segment. NULL: no buffers. */
static struct rte_mbuf *chain_requests(struct loop *l, struct conn *c, uint16_t mss)
{
	const struct phase *p = l->phase;
	uint32_t len = p->gen->len;
	struct chain ch = {0};

	for (uint32_t i = 0; i < c->quota; i++) {
		struct conn_sent *s = &c->sent[(c->head + c->pending + i) & l->ring_mask];
		s->tsc = c->stamp_tsc;
		if (rp_likely(len <= mss)) {
			struct rte_mbuf *m = ch.tail;
			if ((m == NULL || m->data_len + len > mss) && (m = chain_add(l, &ch)) == NULL)
				goto short_of_buffers;
			s->key = gen_write(p->gen, p->keys, rte_pktmbuf_append(m, (uint16_t)len));
		} else {
			s->key = gen_write(p->gen, p->keys, l->scratch);
			if (!chain_put(l, &ch, l->scratch, len, mss))
				goto short_of_buffers;
		}
	}
	return ch.head;
short_of_buffers:
	rte_pktmbuf_free(ch.head);
	return NULL;
}

void conn_send(struct loop *l, struct conn *c)
{
	uint64_t next = l->phase->keys->next;
	struct rte_mbuf *m = chain_requests(l, c, RP_MIN(tcp_mss(c->tc), (uint16_t)(BUF_DATA_BYTES - BUF_TX_HEADROOM)));

	if (rp_unlikely(m == NULL)) {
		l->phase->keys->next = next;
		conn_enter_list(c, &l->stalled);
		return;
	}
	c->pending += c->quota;
	c->quota = 0;
	tcp_send(c->tc, m);
}

static void send_greeting(struct loop *l, struct conn *c)
{
	static const char ping[] = "*1\r\n$4\r\nPING\r\n";
	struct chain ch = {0};
	uint16_t mss = tcp_mss(c->tc);

	if (!chain_put(l, &ch, l->greeting, l->greeting_len, mss) ||
	    (is_idle(c) && !chain_put(l, &ch, ping, sizeof ping - 1, mss))) {
		rte_pktmbuf_free(ch.head);
		tcp_abort(c->tc); /* no buffers: opened again later */
		return;
	}
	tcp_send(c->tc, ch.head);
}

void conn_next(struct loop *l, struct conn *c)
{
	struct phase *p = l->phase;

	if (p == NULL || c->state != CONN_READY || is_idle(c))
		return;
	if (!l->keepalive) {
		if (c->quota > 0)
			conn_send(l, c);
		else
			conn_finish(l, c);
	} else if (p->rate > 0) {
		if (c->on == NULL && c->pending < p->pipeline)
			conn_enter_list(c, &l->ready);
	} else if (c->pending == 0 && c->quota == 0) {
		c->quota = phase_take(p, l->tsc, p->pipeline);
		c->stamp_tsc = l->tsc;
		if (c->quota > 0)
			conn_send(l, c);
	}
}

/* ---- replies ---- */

static void on_greeted(struct loop *l, struct conn *c, char type)
{
	if (type == '-') {
		if (!l->fatal.text[0])
			err_set(&l->fatal, "the server refuses: %s", l->error);
		return;
	}
	if (--c->greeting > 0)
		return;
	c->state = CONN_READY;
	l->nconnecting--;
	++*open_count(l, c);
	l->alive_us = l->rig.now.mono_us;
}

static void note_wrong(struct phase *p, const struct conn *c, uint64_t key)
{
	char *to = p->first_wrong;

	if (p->wrong++ > 0)
		return;
	if (c->wrong == WRONG_VALUE)
		snprintf(to, sizeof p->first_wrong, "wrong value of key %lu", key);
	else if (c->wrong == WRONG_LENGTH)
		snprintf(to, sizeof p->first_wrong, "more or fewer elements in the reply than should be");
	else if (c->wrong == WRONG_NIL)
		snprintf(to, sizeof p->first_wrong, "nil where a reply of type '%s' should be", c->word);
	else
		snprintf(to, sizeof p->first_wrong, "a reply of type '%c' where one of '%s' should be", c->wrong,
			 c->word);
}

/* The reply under way, or the element of it that came last. */
static void judge(struct conn *c, const char *word, char type, bool nil)
{
	if (rp_likely(c->wrong || word == NULL || expect_is(word, type, nil)))
		return;
	c->wrong = nil ? WRONG_NIL : type;
	c->word = word;
}

static void judge_reply(const struct expect *x, struct conn *c, char type, bool nil)
{
	judge(c, expect_word(x, c->part, 0), type, nil);
	if (c->part < x->ngroups && x->group[c->part].elements > 0 && c->elements != x->group[c->part].elements)
		c->wrong = c->wrong ? c->wrong : WRONG_LENGTH;
	c->elements = 0;
}

static void on_reply(void *ctx, char type, bool nil)
{
	struct loop *l = ctx;
	struct conn *c = l->cur;
	struct phase *p = l->phase;

	if (rp_unlikely(c->greeting > 0)) {
		on_greeted(l, c, type);
		return;
	}
	if (rp_unlikely(c->pending == 0 || p == NULL))
		return; /* the server's farewell: what it says is kept in l->error */
	if (p->verify)
		judge_reply(&p->expected, c, type, nil);
	if (rp_unlikely(++c->part < p->gen->replies))
		return;
	c->part = 0;
	const struct conn_sent *s = &c->sent[c->head++ & l->ring_mask];
	c->pending--;
	p->done++;
	hist_record(p->hist, (uint64_t)((unsigned __int128)(l->tsc - s->tsc) * l->ns_mult >> 32));
	if (rp_unlikely(c->refused))
		p->errors++;
	else if (rp_unlikely(c->wrong))
		note_wrong(p, c, s->key);
	c->refused = false;
	c->wrong = 0;
}

static bool is_answering(const struct loop *l, const struct conn *c)
{
	return l->phase != NULL && c->greeting == 0 && c->pending > 0;
}

static void on_element(void *ctx, char type, bool nil)
{
	struct loop *l = ctx;
	struct conn *c = l->cur;

	if (is_answering(l, c))
		judge(c, expect_word(&l->phase->expected, c->part, ++c->elements), type, nil);
}

static void on_bulk(void *ctx, const char *p, size_t n, uint64_t off, uint64_t total)
{
	struct loop *l = ctx;
	struct conn *c = l->cur;

	if (!is_answering(l, c) || c->wrong)
		return;
	const char *word = expect_word(&l->phase->expected, c->part, c->elements);
	if (word == NULL || *word != 'v')
		return;
	if (total != l->phase->gen->value_len || !gen_value_is(p, c->sent[c->head & l->ring_mask].key, off, n))
		c->wrong = WRONG_VALUE;
}

static void on_error(void *ctx, const char *p, size_t n, bool last)
{
	struct loop *l = ctx;

	l->cur->refused |= is_answering(l, l->cur);
	if (l->error_of == NULL && l->error_len == 0)
		l->error_of = l->cur;
	if (l->error_of != l->cur)
		return;
	n = RP_MIN(n, sizeof l->error - 1 - l->error_len);
	memcpy(l->error + l->error_len, p, n);
	l->error_len += n;
	if (last && l->error_len > 0 && l->error[l->error_len - 1] == '\r')
		l->error_len--;
	l->error[l->error_len] = '\0';
	if (last)
		l->error_of = NULL;
}

void conn_sink(struct loop *l, struct reply_sink *s)
{
	const struct phase *p = l->phase && l->phase->verify ? l->phase : NULL;

	*s = (struct reply_sink){.ctx = l,
				 .reply = on_reply,
				 .error = on_error,
				 .element = p && p->expected.elements ? on_element : NULL,
				 .bulk = p && p->expected.values ? on_bulk : NULL};
}

/* ---- what TCP tells ---- */

static void on_connected(void *ctx, struct tcp_conn *tc)
{
	struct loop *l = ctx;
	struct conn *c = tcp_user(tc);

	l->reached = true;
	l->alive_us = l->rig.now.mono_us;
	if (c->greeting > 0) {
		send_greeting(l, c);
		return;
	}
	c->state = CONN_READY;
	l->nconnecting--;
	++*open_count(l, c);
	conn_next(l, c);
}

static void on_received(void *ctx, struct tcp_conn *tc, void *user, struct rte_mbuf *m)
{
	struct loop *l = ctx;
	struct conn *c = user;

	tcp_rx_consumed(tc, m->data_len);
	if (c != NULL) {
		l->cur = c;
		bool garbage = replies_feed(&c->reader, rte_pktmbuf_mtod(m, const char *), m->data_len, &l->sink) < 0;
		if (rp_unlikely(garbage) && !l->fatal.text[0])
			err_set(&l->fatal, "the server's replies are no RESP: is -p a Redis port?");
		if (c->pending == 0 || l->phase->rate > 0)
			conn_next(l, c);
	}
	rte_pktmbuf_free(m);
}

static void on_peer_closed(void *ctx, struct tcp_conn *tc, void *user)
{
	if (user != NULL) {
		tcp_set_user(tc, NULL);
		fail(ctx, user, TCP_CLOSED_NORMAL);
	}
	tcp_close(tc);
}

static void on_send_ready(void *ctx, struct tcp_conn *tc, void *user)
{
	/* A batch is handed over whole: there is nothing to continue with. */
}

static void on_closed(void *ctx, struct tcp_conn *tc, void *user, enum tcp_close_reason why)
{
	if (user != NULL)
		fail(ctx, user, why);
}

void conn_tcp_ops(struct loop *l, struct tcp_ops *ops)
{
	*ops = (struct tcp_ops){.ctx = l,
				.connected = on_connected,
				.received = on_received,
				.peer_closed = on_peer_closed,
				.send_ready = on_send_ready,
				.closed = on_closed};
}
