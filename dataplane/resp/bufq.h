/* Received bytes of one session, still in the buffers they arrived in. Positions count bytes since the session began,
 * so "everything before position p may go" needs no list of holders. */
#pragma once

#include "mem/buf.h"

struct bufq {
	struct rte_mbuf *head, *tail; /* linked through m->next; each has at least one byte */
	uint64_t head_pos;            /* position of head's first byte (at its data_off) */
	uint64_t tail_pos;            /* position just after the last byte */
	/* read cursor of the parser */
	struct rte_mbuf *cur; /* buffer the cursor is in, NULL if at tail_pos */
	uint32_t cur_off;     /* offset inside cur */
	uint64_t cur_pos;
};

void bufq_init(struct bufq *q);
/* Takes m (one segment, data = payload). A small payload is copied into the free tail of the last buffer when
 * that one holds only unread bytes or has room, so many tiny segments cost few buffers. */
void bufq_push(struct bufq *q, struct rte_mbuf *m);
/* Frees buffers that lie wholly before pos. pos <= cur_pos. */
void bufq_release(struct bufq *q, uint64_t pos);
void bufq_clear(struct bufq *q);
static inline size_t bufq_unread(const struct bufq *q)
{
	return (size_t)(q->tail_pos - q->cur_pos);
}
static inline size_t bufq_held(const struct bufq *q)
{
	return (size_t)(q->tail_pos - q->head_pos);
}
