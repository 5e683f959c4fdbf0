#include "mem/buf.h"

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
