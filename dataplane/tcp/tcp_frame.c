/* Frames from records of the send queue. A transmission copies no payload: a frame is the queued buffers themselves,
 * held once more, one record or a train of them that the device cuts into segments (TSO). Headers stand in front of the
 * first buffer's payload, or in a buffer of their own if that payload is attached from elsewhere. */
#include "tcp/tcp_priv.h"

static inline struct buf_seg *rec(struct rte_mbuf *m)
{
	return &buf_priv(m)->seg;
}

/* The buffer of a record that somebody below still holds once more: attached bytes again, others copied. */
static struct rte_mbuf *stand_in(struct tcp_conn *c, struct rte_mbuf *m)
{
	const struct buf_seg *s = rec(m);
	struct blob *b = buf_blob(m);
	struct rte_mbuf *n = tcp_mbuf(c->t);

	if (n == NULL)
		return NULL;
	if (b != NULL) {
		buf_attach_blob(n, b, (size_t)((char *)m->buf_addr + s->off - b->data), s->len);
		return n;
	}
	memcpy(rte_pktmbuf_append(n, s->len), (char *)m->buf_addr + s->off, s->len);
	c->t->count.tx_copies++;
	return n;
}

static struct rte_mbuf *part(struct tcp_conn *c, struct rte_mbuf *m, uint16_t headroom)
{
	const struct buf_seg *s = rec(m);

	if (rte_mbuf_refcnt_read(m) != 1 || s->off < headroom)
		return stand_in(c, m);
	m->data_off = s->off; /* the headers of an earlier transmission moved it */
	m->data_len = s->len;
	m->pkt_len = s->len;
	m->ol_flags &= RTE_MBUF_F_EXTERNAL;
	m->tx_offload = 0;
	m->next = NULL; /* perhaps the next one of a train that has left */
	m->nb_segs = 1;
	rte_mbuf_refcnt_update(m, 1);
	return m;
}

struct rte_mbuf *tcp_frame(struct tcp_conn *c, struct rte_mbuf *m, uint32_t len)
{
	bool own_header = RTE_MBUF_HAS_EXTBUF(m);
	struct rte_mbuf *head = own_header ? tcp_mbuf(c->t) : part(c, m, TCP_TX_HEADROOM);
	struct rte_mbuf *tail = head;

	if (head == NULL)
		return NULL;
	if (!own_header) {
		len -= rec(m)->len;
		m = rec(m)->next;
	}
	for (; len > 0; m = rec(m)->next) {
		struct rte_mbuf *p = part(c, m, 0);
		if (p == NULL) {
			rte_pktmbuf_free(head);
			return NULL;
		}
		tail->next = p;
		tail = p;
		head->nb_segs++;
		head->pkt_len += p->data_len;
		len -= rec(m)->len;
	}
	return head;
}

uint32_t tcp_train_max(const struct tcp_conn *c, uint32_t mss)
{
	const struct tcp *t = c->t;

	/* Only the first segment may say that the window was reduced; not every device knows (RFC 3168). */
	if (t->p.lower.train_bytes < 2 * mss || (t->trains_off & tcp_family_bit(c)) || (c->flags & TCP_F_CWR_DUE))
		return mss;
	return t->p.lower.train_bytes / mss * mss;
}

uint32_t tcp_train_cut(struct tcp_conn *c, struct rte_mbuf *m, uint32_t len)
{
	uint32_t got = 0;

	for (uint32_t n = 1; got < len && n < c->t->p.lower.train_bufs; n++, m = rec(m)->next) {
		if (rec(m)->len > len - got && !tcp_sendq_split(c, m, len - got))
			break;
		got += rec(m)->len;
	}
	return got;
}

/* ---- values attached instead of copied ---- */

static struct rte_mbuf *attached(struct tcp_conn *c, struct blob *b, size_t off, uint32_t len)
{
	struct rte_mbuf *m = tcp_mbuf(c->t);

	if (m != NULL)
		buf_attach_blob(m, b, off, (uint16_t)len);
	return m;
}

uint32_t tcp_send_blob(struct tcp_conn *c, struct blob *b, size_t off, size_t len)
{
	uint32_t mss = tcp_conn_mss(c), room = tcp_send_room(c), done = 0;
	uint32_t piece = TCP_RECORD_MAX / mss * mss;

	if (!c->t->p.lower.ext_bufs || (c->flags & (TCP_F_DEAD | TCP_F_FIN_QUEUED)) || room == 0)
		return 0;
	/* Full segments only: what is left over shares one with what follows. */
	uint32_t take = (uint32_t)RP_MIN(len, (size_t)RP_MAX(room, mss)) / mss * mss;
	while (done < take) {
		uint32_t n = RP_MIN(take - done, piece);
		struct rte_mbuf *m = attached(c, b, off + done, n);
		if (m == NULL)
			break;
		tcp_send(c, m);
		done += n;
	}
	c->t->count.bytes_attached += done;
	return done;
}

/* ---- is what the device does with our segments right? ---- */

/* kind: 0 single segments, 1 trains. Said once: a device that was right is trusted. */
static void judge(struct tcp_conn *c, uint32_t kind, bool arrived)
{
	struct tcp *t = c->t;
	uint8_t bit = (uint8_t)(tcp_family_bit(c) << 2 * kind);

	if (!(t->tx_trial & bit))
		return;
	bool go_on = t->p.lower.tx_verdict(t->p.lower.ctx, c->path.local.family, kind != 0, arrived);
	if (arrived || !go_on)
		t->tx_trial &= (uint8_t)~bit;
	if (!go_on && kind != 0)
		t->trains_off |= tcp_family_bit(c);
}

void tcp_tx_judge(struct tcp_conn *c, const struct tcp_acked *a)
{
	for (uint32_t kind = 0; kind < 2; kind++) {
		uint8_t bit = (uint8_t)(1 << kind);
		/* A duplicate that the peer tells of: no loss, and which one came first nobody knows. */
		if (a->arrived & bit)
			judge(c, kind, true);
		else if ((a->again & bit) && !a->dsack)
			judge(c, kind, false);
	}
}
