#include "resp/bufq.h"

/* Payloads up to this are worth copying, so that single bytes do not cost a buffer each. */
#define COPY_MAX 512

void bufq_init(struct bufq *q)
{
	memset(q, 0, sizeof(*q));
}

static bool append_copy(struct bufq *q, struct rte_mbuf *m)
{
	struct rte_mbuf *t = q->tail;
	uint16_t len = m->data_len, old = t->data_len;
	if (len > COPY_MAX || rte_pktmbuf_tailroom(t) < len || !RTE_MBUF_DIRECT(t) || rte_mbuf_refcnt_read(t) != 1)
		return false;
	memcpy(rte_pktmbuf_mtod_offset(t, char *, old), rte_pktmbuf_mtod(m, char *), len);
	t->data_len = (uint16_t)(old + len);
	t->pkt_len = t->data_len;
	if (!q->cur) {
		q->cur = t;
		q->cur_off = old;
	}
	rte_pktmbuf_free_seg(m);
	return true;
}

void bufq_push(struct bufq *q, struct rte_mbuf *m)
{
	uint16_t len = m->data_len;
	if (rp_unlikely(len == 0)) {
		rte_pktmbuf_free_seg(m);
		return;
	}
	m->next = NULL;
	if (!q->tail) {
		q->head = m;
	} else {
		if (append_copy(q, m)) {
			q->tail_pos += len;
			return;
		}
		q->tail->next = m;
	}
	q->tail = m;
	q->tail_pos += len;
	if (!q->cur) {
		q->cur = m;
		q->cur_off = 0;
	}
}

void bufq_release(struct bufq *q, uint64_t pos)
{
	rp_assert(pos <= q->cur_pos);
	while (q->head && q->head_pos + q->head->data_len <= pos) {
		struct rte_mbuf *m = q->head;
		q->head_pos += m->data_len;
		q->head = m->next;
		m->next = NULL;
		rte_pktmbuf_free_seg(m);
	}
	if (!q->head)
		q->tail = NULL;
}

void bufq_clear(struct bufq *q)
{
	/* The unread bytes go as well. */
	q->cur = NULL;
	q->cur_off = 0;
	q->cur_pos = q->tail_pos;
	bufq_release(q, q->tail_pos);
}
