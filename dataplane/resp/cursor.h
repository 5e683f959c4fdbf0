/* Reading at a bufq's cursor. Inside resp/ only. cur is NULL exactly when everything is read. */
#pragma once

#include "resp/bufq.h"

/* Unread bytes that lie in one piece at the cursor. */
static inline const char *cursor_peek(const struct bufq *q, size_t *len)
{
	if (rp_unlikely(!q->cur)) {
		*len = 0;
		return NULL;
	}
	*len = q->cur->data_len - q->cur_off;
	return rte_pktmbuf_mtod_offset(q->cur, const char *, q->cur_off);
}

/* Advances by n <= unread. */
static inline void cursor_skip(struct bufq *q, size_t n)
{
	q->cur_pos += n;
	n += q->cur_off;
	while (q->cur && n >= q->cur->data_len) {
		n -= q->cur->data_len;
		q->cur = q->cur->next;
	}
	q->cur_off = (uint32_t)n;
}

/* Copies the next n <= unread bytes without advancing. */
static inline void cursor_copy(const struct bufq *q, char *dst, size_t n)
{
	const struct rte_mbuf *m = q->cur;
	uint32_t off = q->cur_off;
	while (n > 0) {
		size_t part = RP_MIN(n, (size_t)(m->data_len - off));
		memcpy(dst, rte_pktmbuf_mtod_offset(m, const char *, off), part);
		dst += part;
		n -= part;
		m = m->next;
		off = 0;
	}
}

/* Distance to the first `byte` among the unread ones, or -1. */
static inline int64_t cursor_find(const struct bufq *q, char byte)
{
	size_t before = 0;
	uint32_t off = q->cur_off;
	for (const struct rte_mbuf *m = q->cur; m; m = m->next, off = 0) {
		const char *p = rte_pktmbuf_mtod_offset(m, const char *, off);
		const char *hit = memchr(p, byte, m->data_len - off);
		if (hit)
			return (int64_t)(before + (size_t)(hit - p));
		before += m->data_len - off;
	}
	return -1;
}
