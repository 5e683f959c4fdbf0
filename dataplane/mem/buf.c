#include "mem/buf.h"

static void detached(void *addr, void *blob)
{
	blob_unref(blob, NULL);
}

void buf_attach_blob(struct rte_mbuf *m, struct blob *b, size_t off, uint16_t len)
{
	struct rte_mbuf_ext_shared_info *ext = &buf_priv(m)->ext;
	char *at = b->data + off;

	ext->free_cb = detached;
	ext->fcb_opaque = blob_ref(b);
	rte_mbuf_ext_refcnt_set(ext, 1);
	/* Only drivers that copy by virtual address get these. */
	rte_pktmbuf_attach_extbuf(m, at, (rte_iova_t)(uintptr_t)at, len, ext);
	m->data_len = len;
	m->pkt_len = len;
}

void buf_chain_free(struct rte_mbuf *head, struct heap *mine)
{
	while (head) {
		struct rte_mbuf *next = head->next;
		struct blob *b = buf_priv(head)->ref.blob;
		if (b)
			blob_unref(b, mine);
		head->next = NULL;
		rte_pktmbuf_free_seg(head);
		head = next;
	}
}
