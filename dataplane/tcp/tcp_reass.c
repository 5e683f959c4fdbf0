/* Out-of-order data: a sorted list without overlaps. What is already there wins over what comes again. Bounded by the
 * window in bytes, and by ooo_bufs_max and a share of the free ones in buffers; small pieces are copied into their
 * neighbour so that a peer that sends crumbs cannot pin the pool. */
#include "tcp/tcp_priv.h"

static inline struct buf_seg *rec(struct rte_mbuf *m)
{
	return &buf_priv(m)->seg;
}

static inline uint32_t rec_end(struct rte_mbuf *m)
{
	return rec(m)->seq + rec(m)->len;
}

static void unlink_next(struct tcp_conn *c, struct rte_mbuf *prev, struct rte_mbuf *m)
{
	if (prev == NULL)
		c->ooo_head = rec(m)->next;
	else
		rec(prev)->next = rec(m)->next;
	if (c->ooo_tail == m)
		c->ooo_tail = prev;
	c->ooo_bytes -= rec(m)->len;
	c->ooo_bufs--;
	c->t->ooo_bufs--;
}

/* Last buffer that starts at or before seq, or NULL. */
static struct rte_mbuf *find_prev(struct tcp_conn *c, uint32_t seq)
{
	struct rte_mbuf *prev = NULL;

	if (c->ooo_tail != NULL && tcp_seq_leq(rec(c->ooo_tail)->seq, seq))
		return c->ooo_tail; /* the usual case: behind one hole all comes in order */
	for (struct rte_mbuf *m = c->ooo_head; m != NULL && tcp_seq_leq(rec(m)->seq, seq); m = rec(m)->next)
		prev = m;
	return prev;
}

static void trim_left(struct tcp_seg *s, uint32_t n)
{
	rte_pktmbuf_adj(s->m, (uint16_t)n);
	s->seq += n;
	s->len -= n;
}

/* Removes followers that s covers and trims s at the first that reaches farther. */
static void trim_right(struct tcp_conn *c, struct rte_mbuf *prev, struct tcp_seg *s)
{
	struct rte_mbuf *next;

	while ((next = prev != NULL ? rec(prev)->next : c->ooo_head) != NULL) {
		uint32_t end = s->seq + s->len;
		if (tcp_seq_geq(rec(next)->seq, end))
			return;
		if (tcp_seq_gt(rec_end(next), end)) {
			uint32_t cut = end - rec(next)->seq;
			rte_pktmbuf_trim(s->m, (uint16_t)cut);
			s->len -= cut;
			return;
		}
		unlink_next(c, prev, next);
		rte_pktmbuf_free(next);
	}
}

static bool merge(struct tcp_conn *c, struct rte_mbuf *prev, struct tcp_seg *s)
{
	if (prev == NULL || rec_end(prev) != s->seq || s->len > TCP_MERGE_BYTES || !RTE_MBUF_DIRECT(prev) ||
	    rte_mbuf_refcnt_read(prev) != 1 || rte_pktmbuf_tailroom(prev) < s->len)
		return false;
	memcpy(rte_pktmbuf_append(prev, (uint16_t)s->len), rte_pktmbuf_mtod(s->m, char *), s->len);
	rec(prev)->len += s->len;
	c->ooo_bytes += s->len;
	c->t->count.ooo_merged++;
	rte_pktmbuf_free(s->m);
	return true;
}

static void link_after(struct tcp_conn *c, struct rte_mbuf *prev, struct tcp_seg *s)
{
	struct rte_mbuf *m = s->m;

	*rec(m) = (struct buf_seg){.seq = s->seq, .len = (uint16_t)s->len};
	if (prev == NULL) {
		rec(m)->next = c->ooo_head;
		c->ooo_head = m;
	} else {
		rec(m)->next = rec(prev)->next;
		rec(prev)->next = m;
	}
	if (rec(m)->next == NULL)
		c->ooo_tail = m;
	c->ooo_bytes += s->len;
	c->ooo_bufs++;
	c->t->ooo_bufs++;
	c->t->bufs_free -= c->t->bufs_free > 0;
}

/* Does s cover all of the buffer behind prev? Then it takes its place. */
static bool covers_next(struct tcp_conn *c, struct rte_mbuf *prev, const struct tcp_seg *s)
{
	struct rte_mbuf *next = prev != NULL ? rec(prev)->next : c->ooo_head;

	return next != NULL && tcp_seq_leq(rec_end(next), s->seq + s->len);
}

void tcp_reass_insert(struct tcp_conn *c, struct tcp_seg *s)
{
	struct rte_mbuf *prev = find_prev(c, s->seq);

	if (prev != NULL && tcp_seq_gt(rec_end(prev), s->seq)) {
		uint32_t overlap = rec_end(prev) - s->seq;
		if (overlap >= s->len) {
			c->t->count.dup_in++;
			tcp_sack_dup(c, s->seq, s->seq + s->len);
			rte_pktmbuf_free(s->m);
			s->m = NULL;
			return;
		}
		trim_left(s, overlap);
	}
	/* Before followers go: what the peer was told that we have stays, or what covers it does. */
	bool full = tcp_tune_ooo_full(c) && !covers_next(c, prev, s);
	trim_right(c, prev, s);
	c->t->count.ooo_in++;
	uint32_t end = s->seq + s->len;
	if (merge(c, prev, s)) {
		tcp_sack_note(c, s->seq, end);
		s->m = NULL;
		return;
	}
	if (full) {
		c->t->count.drop_ooo_limit++;
		rte_pktmbuf_free(s->m);
	} else {
		link_after(c, prev, s);
		tcp_sack_note(c, s->seq, end);
	}
	s->m = NULL;
}

struct rte_mbuf *tcp_reass_pop(struct tcp_conn *c)
{
	struct rte_mbuf *m;

	while ((m = c->ooo_head) != NULL && tcp_seq_leq(rec(m)->seq, c->rcv_nxt)) {
		uint32_t old = c->rcv_nxt - rec(m)->seq;
		uint32_t len = rec(m)->len;
		unlink_next(c, NULL, m);
		if (old < len) {
			rte_pktmbuf_adj(m, (uint16_t)old);
			return m;
		}
		rte_pktmbuf_free(m);
	}
	return NULL;
}

void tcp_reass_free(struct tcp_conn *c)
{
	while (c->ooo_head != NULL) {
		struct rte_mbuf *m = c->ooo_head;
		c->ooo_head = rec(m)->next;
		rte_pktmbuf_free(m);
	}
	c->ooo_tail = NULL;
	c->ooo_bytes = 0;
	c->t->ooo_bufs -= c->ooo_bufs;
	c->ooo_bufs = 0;
}

void tcp_reass_renege(struct tcp_conn *c)
{
	tcp_reass_free(c);
	c->nblocks = 0;
}
