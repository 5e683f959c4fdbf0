/* The chain of transmit buffers a reply is written into. The texts themselves are in reply_types.c. */
#include "resp/reply_priv.h"

void reply_init(struct reply *r, struct rte_mempool *pool, uint16_t fill, uint8_t proto)
{
	memset(r, 0, sizeof(*r));
	r->pool = pool;
	r->fill = fill;
	r->proto = proto;
	r->bufs_left = UINT32_MAX;
}

/* Writes the length of the buffer being filled into it and closes the window. */
static void seal(struct reply *r)
{
	if (!r->pos)
		return;
	struct rte_mbuf *t = r->tail;
	t->data_len = (uint16_t)(r->pos - rte_pktmbuf_mtod(t, char *));
	t->pkt_len = t->data_len;
	r->pos = r->end = NULL;
}

static void link_tail(struct reply *r, struct rte_mbuf *head, struct rte_mbuf *tail)
{
	if (r->tail)
		r->tail->next = head;
	else
		r->head = head;
	r->tail = tail;
}

static void open_window(struct reply *r)
{
	struct rte_mbuf *t = r->tail;
	size_t room = RP_MIN((size_t)r->fill, (size_t)(t->buf_len - t->data_off));
	char *data = rte_pktmbuf_mtod(t, char *);
	if (t->data_len < room) {
		r->pos = data + t->data_len;
		r->end = data + room;
	}
}

void reply_init_in(struct reply *r, struct rte_mbuf *first, struct rte_mempool *pool, uint8_t proto)
{
	reply_init(r, pool, (uint16_t)(first->buf_len - first->data_off), proto);
	r->head = r->tail = first;
	open_window(r);
}

static struct rte_mbuf *append_buf(struct reply *r)
{
	seal(r);
	struct rte_mbuf *m = rp_likely(r->bufs_left > 0) ? buf_alloc(r->pool) : NULL;
	if (rp_unlikely(!m)) {
		r->failed = true;
		return NULL;
	}
	r->bufs_left--;
	link_tail(r, m, m);
	return m;
}

struct rte_mbuf *reply_take(struct reply *r, size_t *bytes)
{
	struct rte_mbuf *head = r->head;
	seal(r);
	*bytes = r->bytes;
	r->head = r->tail = NULL;
	r->bytes = 0;
	return head;
}

void reply_reset(struct reply *r, struct heap *mine)
{
	size_t bytes;
	buf_chain_free(reply_take(r, &bytes), mine);
}

static bool is_ref(const struct rte_mbuf *m)
{
	return ((const struct buf_priv *)rte_mbuf_to_priv((struct rte_mbuf *)(uintptr_t)m))->ref.blob != NULL;
}

void reply_splice(struct reply *r, struct rte_mbuf *head, struct rte_mbuf *tail, size_t bytes)
{
	if (!head)
		return;
	if (rp_unlikely(reply_stopped(r))) {
		buf_chain_free(head, NULL);
		return;
	}
	if (head == tail && !is_ref(head) && bytes <= (size_t)(r->end - r->pos)) {
		/* Many small replies from elsewhere share a segment like our own. */
		memcpy(r->pos, rte_pktmbuf_mtod(head, char *), bytes);
		r->pos += bytes;
		rte_pktmbuf_free_seg(head);
	} else {
		seal(r);
		link_tail(r, head, tail);
		if (!is_ref(tail))
			open_window(r);
	}
	r->bytes += bytes;
}

void reply_raw_split(struct reply *r, const void *data, size_t len)
{
	const char *src = data;
	if (reply_stopped(r))
		return;
	while (len > 0) {
		if (r->pos == r->end) {
			if (!append_buf(r))
				return;
			open_window(r);
		}
		size_t part = RP_MIN(len, (size_t)(r->end - r->pos));
		memcpy(r->pos, src, part);
		r->pos += part;
		r->bytes += part;
		src += part;
		len -= part;
	}
}

void reply_blob_ref(struct reply *r, struct blob *b)
{
	if (reply_stopped(r))
		return;
	struct rte_mbuf *m = append_buf(r);
	if (!m)
		return;
	buf_priv(m)->ref = (struct buf_ref){.blob = blob_ref(b), .off = 0, .len = b->len};
	r->bytes += b->len;
}

void reply_sub_begin(struct reply *r, struct reply *sub)
{
	reply_init(sub, r->pool, r->fill, r->proto);
	sub->muted = r->muted;
	sub->errors = r->errors;
	sub->bufs_left = r->bufs_left;
}

void reply_sub_end(struct reply *r, struct reply *sub, enum reply_agg kind, uint64_t n)
{
	static void (*const header[])(struct reply *, uint64_t) = {[REPLY_ARRAY] = reply_array,
								   [REPLY_MAP] = reply_map,
								   [REPLY_SET] = reply_set,
								   [REPLY_PUSH] = reply_push};
	size_t bytes;
	struct rte_mbuf *tail = sub->tail, *head = reply_take(sub, &bytes);
	r->bufs_left = sub->bufs_left;
	header[kind](r, n);
	reply_splice(r, head, tail, bytes);
	r->failed |= sub->failed;
	r->error |= sub->error;
}
