/* SACK, sending side: the scoreboard of RFC 6675 is a mark on each record of the send queue. An ACK repeats most of
 * what the one before it said: only what is new is searched for, from where the last search ended. */
#include "tcp/tcp_priv.h"

#define SPARE_CUTS 16 /* records that SACK may make of any queue */

static inline struct buf_seg *rec(struct rte_mbuf *m)
{
	return &buf_priv(m)->seg;
}

static void mark(struct tcp_conn *c, struct buf_seg *s, struct tcp_acked *a)
{
	if (s->flags & TCP_SEG_INFLIGHT)
		c->in_flight -= s->len;
	if (s->flags & TCP_SEG_LOST)
		c->lost_segs--;
	s->flags = (s->flags & ~(TCP_SEG_INFLIGHT | TCP_SEG_LOST)) | TCP_SEG_SACKED;
	c->sacked_segs++;
	a->sacked += s->len;
	tcp_acked_note(a, s);
	if (s->xmits == 1)
		a->xmit_us = s->xmit_us;
	tcp_rack_delivered(c, s, a);
}

struct tcp_sack *tcp_sack_get(struct tcp_conn *c)
{
	if (c->sack == NULL) {
		c->sack = pool_get(&c->t->sacks);
		memset(c->sack, 0, sizeof(*c->sack));
	}
	return c->sack;
}

/* Cuts from [*start, *end) what the last ACK had already said. */
static void skip_known(const struct tcp_conn *c, uint32_t *start, uint32_t *end)
{
	for (uint32_t i = 0; c->sack != NULL && i < TCP_SACK_BLOCKS; i++) {
		const struct tcp_block *k = &c->sack->known[i];
		if (tcp_seq_geq(*start, k->start) && tcp_seq_lt(*start, k->end))
			*start = tcp_seq_lt(*end, k->end) ? *end : k->end;
		if (tcp_seq_gt(*end, k->start) && tcp_seq_leq(*end, k->end))
			*end = tcp_seq_max(*start, k->start);
	}
}

/* Of a record that left as several segments a block may cover some: it becomes records of what has arrived and what
 * has not. Without a buffer for that the block says nothing about it. A peer that names single bytes gets no more
 * records than twice the segments. */
static void cut_at_edges(struct tcp_conn *c, struct rte_mbuf *m, const struct tcp_block *b)
{
	const struct buf_seg *s = rec(m);
	uint32_t edge = tcp_seq_lt(s->seq, b->start) ? b->start : b->end;
	uint32_t most = RP_MIN(c->t->snd_segs_max, SPARE_CUTS + 2 * (c->snd_bytes / tcp_conn_mss(c)));

	if (tcp_seq_lt(edge, s->seq + s->len) && c->snd_segs < most)
		tcp_sendq_split(c, m, edge - s->seq);
}

static void take_block(struct tcp_conn *c, const struct tcp_block *b, struct tcp_acked *a)
{
	uint32_t start = b->start, end = b->end;
	struct rte_mbuf *m = c->snd_head;

	skip_known(c, &start, &end);
	if (start == end)
		return;
	if (c->sack_hint != NULL && tcp_seq_leq(rec(c->sack_hint)->seq, start))
		m = c->sack_hint;
	for (; m != NULL && m != c->snd_new && tcp_seq_lt(rec(m)->seq, end); m = rec(m)->next) {
		struct buf_seg *s = rec(m);
		if (tcp_seq_leq(s->seq + s->len, start))
			continue;
		c->sack_hint = m;
		if (rp_unlikely(s->len > tcp_conn_mss(c)))
			cut_at_edges(c, m, b);
		if (!(s->flags & TCP_SEG_SACKED) && tcp_seq_geq(s->seq, b->start) &&
		    tcp_seq_leq(s->seq + s->len, b->end))
			mark(c, s, a);
	}
}

/* RFC 2883 section 4: the first block reports a duplicate if the ACK, or the block behind it, covers it. */
static bool is_duplicate(const struct tcp_opts *o, uint32_t ack)
{
	const struct tcp_block *b = o->block;

	return tcp_seq_leq(b->end, ack) ||
	       (o->nblocks > 1 && tcp_seq_geq(b[0].start, b[1].start) && tcp_seq_leq(b[0].end, b[1].end));
}

void tcp_sack_blocks(struct tcp_conn *c, const struct tcp_seg *s, struct tcp_acked *a)
{
	const struct tcp_opts *o = &s->opts;
	struct tcp_block good[TCP_SACK_BLOCKS] = {0};
	uint32_t n = 0;

	for (uint32_t i = 0; i < o->nblocks; i++) {
		struct tcp_block b = o->block[i];
		if (!tcp_seq_lt(b.start, b.end) || tcp_seq_gt(b.end, c->snd_nxt)) {
			c->t->count.bad_sacks++;
		} else if (i == 0 && is_duplicate(o, s->ack)) {
			a->dsack = true;
			a->dup = b;
			c->t->count.dsacks_in++;
		} else if (tcp_seq_gt(b.end, s->ack) && tcp_seq_geq(b.start, c->snd_una)) {
			take_block(c, &b, a);
			good[n++] = b;
		}
	}
	memcpy(tcp_sack_get(c)->known, good, sizeof(good));
}

/* RFC 2018 section 8. It had arrived and was given up: none of it is under way. */
void tcp_sack_reneged(struct tcp_conn *c)
{
	for (struct rte_mbuf *m = c->snd_head; m != NULL && m != c->snd_new; m = rec(m)->next) {
		if (rec(m)->flags & TCP_SEG_SACKED) {
			rec(m)->flags &= ~TCP_SEG_SACKED;
			tcp_sendq_mark_lost(c, m);
		}
	}
	c->sacked_segs = 0;
	c->sack_hint = NULL;
	memset(tcp_sack_get(c)->known, 0, sizeof(c->sack->known));
}
