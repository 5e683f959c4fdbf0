/* The send queue: transmission records in the private area of the queued buffers. */
#include "tcp/tcp_priv.h"

static inline struct buf_seg *rec(struct rte_mbuf *m)
{
	return &buf_priv(m)->seg;
}

/* The record lives in the private area and headers go in front of the payload: the buffer must be ours alone. */
static struct rte_mbuf *own(struct tcp_conn *c, struct rte_mbuf *m)
{
	if (rte_mbuf_refcnt_read(m) == 1)
		return m;
	struct rte_mbuf *copy = tcp_mbuf(c->t);
	char *to = copy == NULL ? NULL : rte_pktmbuf_append(copy, m->data_len);
	if (to == NULL) {
		rte_pktmbuf_free(copy);
		rte_pktmbuf_free_seg(m);
		c->flags |= TCP_F_NOMEM; /* a hole in the stream cannot be mended */
		return NULL;
	}
	memcpy(to, rte_pktmbuf_mtod(m, char *), m->data_len);
	rte_pktmbuf_free_seg(m);
	c->t->count.tx_copies++;
	return copy;
}

/* Small sends share the unsent tail's buffer, so that neither the wire nor the pool pays for each. */
static bool merge(struct tcp_conn *c, struct rte_mbuf *m)
{
	struct rte_mbuf *tail = c->snd_tail;

	if (c->snd_new == NULL || m->data_len > TCP_MERGE_BYTES || !RTE_MBUF_DIRECT(tail))
		return false;
	struct buf_seg *s = rec(tail);
	if (s->len + m->data_len > tcp_conn_mss(c) || m->data_len > (uint32_t)tail->buf_len - s->off - s->len)
		return false;
	memcpy((char *)tail->buf_addr + s->off + s->len, rte_pktmbuf_mtod(m, char *), m->data_len);
	s->len += m->data_len;
	tail->data_len = s->len;
	tail->pkt_len = s->len;
	c->snd_end += m->data_len;
	c->snd_bytes += m->data_len;
	c->t->count.tx_merges++;
	rte_pktmbuf_free_seg(m);
	return true;
}

static void append(struct tcp_conn *c, struct rte_mbuf *m)
{
	*rec(m) = (struct buf_seg){.seq = c->snd_end, .len = m->data_len, .off = m->data_off};
	m->pkt_len = m->data_len;
	if (c->snd_head == NULL)
		c->snd_head = m;
	else
		rec(c->snd_tail)->next = m;
	c->snd_tail = m;
	if (c->snd_new == NULL)
		c->snd_new = m;
	c->snd_segs++;
	c->snd_end += m->data_len;
	c->snd_bytes += m->data_len;
}

void tcp_sendq_push(struct tcp_conn *c, struct rte_mbuf *chain)
{
	for (struct rte_mbuf *m = chain, *next; m != NULL; m = next) {
		next = m->next;
		m->next = NULL;
		m->nb_segs = 1;
		if (m->data_len == 0) {
			rte_pktmbuf_free(m);
			continue;
		}
		if (merge(c, m))
			continue;
		m = own(c, m);
		if (m != NULL)
			append(c, m);
	}
}

/* A buffer with the bytes of m from at on; those of a blob are not copied. */
static struct rte_mbuf *rest_of(struct tcp_conn *c, struct rte_mbuf *m, uint32_t at)
{
	const struct buf_seg *s = rec(m);
	char *from = (char *)m->buf_addr + s->off + at;
	uint16_t rest = (uint16_t)(s->len - at);
	struct blob *b = buf_blob(m);
	struct rte_mbuf *n = tcp_mbuf(c->t);

	if (n != NULL && b != NULL) {
		buf_attach_blob(n, b, (size_t)(from - b->data), rest);
		return n;
	}
	char *to = n == NULL ? NULL : rte_pktmbuf_append(n, rest);
	if (to == NULL) {
		rte_pktmbuf_free(n);
		return NULL;
	}
	memcpy(to, from, rest);
	return n;
}

bool tcp_sendq_split(struct tcp_conn *c, struct rte_mbuf *m, uint32_t at)
{
	struct buf_seg *s = rec(m);
	uint32_t rest = s->len - at;
	struct rte_mbuf *n = rest_of(c, m, at);

	if (n == NULL)
		return false;
	*rec(n) = *s;
	rec(n)->seq = s->seq + at;
	rec(n)->len = (uint16_t)rest;
	rec(n)->off = n->data_off;
	s->next = n;
	s->len = (uint16_t)at;
	if (c->snd_tail == m)
		c->snd_tail = n;
	if (s->flags & TCP_SEG_LOST)
		c->lost_segs++;
	if (s->flags & TCP_SEG_SACKED)
		c->sacked_segs++;
	c->snd_segs++;
	c->t->count.tx_splits++;
	return true;
}

/* The record in front of what was never sent; NULL: there is none. */
static struct rte_mbuf *before_new(struct tcp_conn *c)
{
	struct rte_mbuf *m = c->snd_head;

	if (m == c->snd_new)
		return NULL;
	while (rec(m)->next != c->snd_new)
		m = rec(m)->next;
	return m;
}

bool tcp_sendq_gather(struct tcp_conn *c, uint32_t len)
{
	struct rte_mbuf *n = tcp_mbuf(c->t), *before = before_new(c);
	char *to = n == NULL ? NULL : rte_pktmbuf_append(n, (uint16_t)len);

	if (to == NULL) {
		rte_pktmbuf_free(n);
		return false;
	}
	*rec(n) = (struct buf_seg){.seq = rec(c->snd_new)->seq, .len = (uint16_t)len, .off = n->data_off};
	for (uint32_t got = 0; got < len;) {
		struct rte_mbuf *m = c->snd_new;
		struct buf_seg *s = rec(m);
		uint32_t part = RP_MIN(len - got, (uint32_t)s->len);
		memcpy(to + got, (char *)m->buf_addr + s->off, part);
		got += part;
		if (part == s->len) {
			c->snd_new = s->next;
			c->snd_segs--;
			rte_pktmbuf_free_seg(m);
		} else {
			s->seq += part;
			s->off += part;
			s->len -= part;
		}
	}
	rec(n)->next = c->snd_new;
	if (c->snd_new == NULL)
		c->snd_tail = n;
	if (before == NULL)
		c->snd_head = n;
	else
		rec(before)->next = n;
	c->snd_new = n;
	c->snd_segs++;
	c->t->count.tx_copies++;
	return true;
}

bool tcp_sendq_fit(struct tcp_conn *c, struct rte_mbuf *m)
{
	uint32_t mss = tcp_conn_mss(c);
	return rec(m)->len <= mss || tcp_sendq_split(c, m, mss);
}

static void forget(struct tcp_conn *c, struct rte_mbuf *m)
{
	struct buf_seg *s = rec(m);

	if (s->flags & TCP_SEG_LOST)
		c->lost_segs--;
	if (s->flags & TCP_SEG_SACKED)
		c->sacked_segs--;
	if (c->rtx_hint == m)
		c->rtx_hint = s->next;
	if (c->sack_hint == m)
		c->sack_hint = NULL;
	c->snd_head = s->next;
	if (c->snd_head == NULL)
		c->snd_tail = NULL;
	c->snd_segs--;
	rte_pktmbuf_free_seg(m); /* its next may still be that of a train */
}

static void note_delivered(struct tcp_conn *c, const struct buf_seg *s, uint32_t len, struct tcp_acked *a)
{
	struct buf_seg what = *s;

	what.len = (uint16_t)len; /* of a record that is cut below, not its end */
	a->xmit_us = s->xmit_us;
	tcp_acked_note(a, s);
	if (c->flags & TCP_F_SACK)
		tcp_rack_delivered(c, &what, a);
}

void tcp_sendq_ack(struct tcp_conn *c, uint32_t ack, struct tcp_acked *a)
{
	while (c->snd_head != NULL && c->snd_head != c->snd_new && tcp_seq_lt(rec(c->snd_head)->seq, ack)) {
		struct rte_mbuf *m = c->snd_head;
		struct buf_seg *s = rec(m);
		uint32_t covered = RP_MIN(ack - s->seq, (uint32_t)s->len);
		if (s->next != NULL) {
			rte_prefetch0(rec(s->next));
			rte_prefetch0(s->next);
			rte_prefetch0(&s->next->next);
		}
		if (s->flags & TCP_SEG_INFLIGHT)
			c->in_flight -= covered;
		if (!(s->flags & TCP_SEG_SACKED)) { /* else it told its story when it arrived */
			a->resent |= s->xmits > 1;
			note_delivered(c, s, covered, a);
		}
		a->bytes += covered;
		c->snd_bytes -= covered;
		if (covered == s->len) {
			forget(c, m);
			continue;
		}
		s->seq += covered; /* the buffer may be in the driver's hands: only the record changes */
		s->off += covered;
		s->len -= covered;
	}
}

void tcp_sendq_mark_lost(struct tcp_conn *c, struct rte_mbuf *m)
{
	struct buf_seg *s = rec(m);

	if ((s->flags & TCP_SEG_LOST) || !(s->flags & TCP_SEG_SENT))
		return;
	if (s->flags & TCP_SEG_INFLIGHT)
		c->in_flight -= s->len;
	s->flags = (s->flags & ~TCP_SEG_INFLIGHT) | TCP_SEG_LOST;
	c->lost_segs++;
	if (rp_unlikely(s->flags & TCP_SEG_PROBE))
		tcp_pmtu_probe_lost(c);
	if (c->rtx_hint == NULL || tcp_seq_lt(s->seq, rec(c->rtx_hint)->seq))
		c->rtx_hint = m;
}

void tcp_sendq_unmark_lost(struct tcp_conn *c, struct rte_mbuf *m)
{
	struct buf_seg *s = rec(m);

	if (!(s->flags & TCP_SEG_LOST))
		return;
	if (rp_unlikely(s->flags & TCP_SEG_PROBE))
		tcp_pmtu_probe_found(c);
	s->flags = (s->flags & ~TCP_SEG_LOST) | TCP_SEG_INFLIGHT;
	c->in_flight += s->len;
	c->lost_segs--;
}

void tcp_sendq_free(struct tcp_conn *c)
{
	while (c->snd_head != NULL) {
		struct rte_mbuf *m = c->snd_head;
		c->snd_head = rec(m)->next;
		rte_pktmbuf_free_seg(m);
	}
	c->snd_tail = c->snd_new = c->rtx_hint = c->sack_hint = NULL;
	c->snd_bytes = c->snd_segs = c->in_flight = c->lost_segs = c->sacked_segs = 0;
}
