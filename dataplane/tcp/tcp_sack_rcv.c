/* SACK, receiving side: RFC 2018 section 4 and RFC 2883. The blocks that changed last come first; what no longer fits
 * is forgotten, the cumulative ACK covers it in the end. */
#include "tcp/tcp_priv.h"

static void drop_block(struct tcp_conn *c, uint32_t i)
{
	struct tcp_block *b = c->sack->block;

	c->nblocks--;
	memmove(&b[i], &b[i + 1], (c->nblocks - i) * sizeof(*b));
}

void tcp_sack_note(struct tcp_conn *c, uint32_t start, uint32_t end)
{
	struct tcp_block b = {start, end};

	if (!(c->flags & TCP_F_SACK))
		return;
	struct tcp_block *kept = tcp_sack_get(c)->block;
	for (uint32_t i = 0; i < c->nblocks;) {
		const struct tcp_block *o = &kept[i];
		if (tcp_seq_gt(o->start, b.end) || tcp_seq_lt(o->end, b.start)) {
			i++;
			continue;
		}
		b.start = tcp_seq_lt(o->start, b.start) ? o->start : b.start;
		b.end = tcp_seq_max(o->end, b.end);
		drop_block(c, i);
	}
	if (c->nblocks == TCP_SACK_BLOCKS)
		c->nblocks--;
	memmove(&kept[1], &kept[0], c->nblocks * sizeof(*kept));
	kept[0] = b;
	c->nblocks++;
}

void tcp_sack_prune(struct tcp_conn *c)
{
	for (uint32_t i = 0; i < c->nblocks;) {
		if (tcp_seq_leq(c->sack->block[i].end, c->rcv_nxt))
			drop_block(c, i);
		else
			i++;
	}
}

void tcp_sack_dup(struct tcp_conn *c, uint32_t start, uint32_t end)
{
	if (!(c->flags & TCP_F_SACK) || start == end)
		return;
	/* Each is told by itself: the peer counts them before it takes a needless reduction back (RFC 3708). */
	if (c->flags & TCP_F_DSACK_DUE)
		tcp_output_ack(c);
	c->flags |= TCP_F_DSACK_DUE;
	tcp_sack_get(c)->dup_block = (struct tcp_block){start, end};
}

uint32_t tcp_sack_emit(struct tcp_conn *c, uint8_t *p, uint32_t room)
{
	struct tcp_block b[TCP_SACK_BLOCKS];
	uint32_t n = 0, most = RP_MIN(room < 4 ? 0 : (room - 4) / 8, (uint32_t)TCP_SACK_BLOCKS);

	if (most == 0)
		return 0;
	if (c->flags & TCP_F_DSACK_DUE) {
		b[n++] = c->sack->dup_block;
		c->flags &= ~TCP_F_DSACK_DUE;
		c->t->count.dsacks_out++;
	}
	for (uint32_t i = 0; i < c->nblocks && n < most; i++)
		b[n++] = c->sack->block[i];
	return n == 0 ? 0 : tcp_opts_emit_sack(p, b, n);
}
