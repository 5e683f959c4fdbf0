/* What our mbufs carry beside DPDK's own fields.
 *
 * Every packet pool is created with BUF_PRIV_BYTES of private area. A buffer is in one place at a time:
 * in a reply chain (ref: a stand-in for a range of a blob), or in a TCP send queue (seg: its transmission record). A
 * queued buffer may be empty itself and have bytes of a blob attached (buf_attach_blob()).
 * Chains outside the driver are linked through m->next with nb_segs left at 1, so rte_pktmbuf_free() frees a whole
 * chain.
 */
#pragma once

#include <rte_mbuf.h>

#include "mem/blob.h"

/* Stands for len bytes of a blob from off on: data_len is 0, the reference count is held by this buffer. */
struct buf_ref {
	struct blob *blob; /* NULL in an ordinary buffer */
	size_t off;
	size_t len;
};

/* One transmitted or queued TCP segment; see tcp/ for its use. Sized here so that the pool can be made. */
struct buf_seg {
	struct rte_mbuf *next;
	uint64_t xmit_us; /* time of the last transmission */
	uint32_t seq;     /* first sequence number of the payload */
	uint16_t len;     /* payload bytes */
	uint16_t off;     /* data_off of the payload while queued: headers are written in front of it */
	uint8_t flags;    /* tcp/: sacked, lost, retransmitted, fin, ... */
	uint8_t xmits;    /* transmissions so far, saturating */
	uint16_t pad;
	uint32_t pad2;
};

struct buf_priv {
	union {
		struct buf_ref ref;
		struct buf_seg seg;
	};
	struct rte_mbuf_ext_shared_info ext; /* of the blob attached; valid while it is */
};

#define BUF_PRIV_BYTES  RTE_ALIGN_CEIL(sizeof(struct buf_priv), RTE_MBUF_PRIV_ALIGN)
#define BUF_DATA_BYTES  (RTE_PKTMBUF_HEADROOM + 2048) /* the DPDK default: 2 KiB and headroom */
#define BUF_TX_HEADROOM RTE_PKTMBUF_HEADROOM          /* room for VLAN + IPv6 + TCP with all options */

static inline struct buf_priv *buf_priv(struct rte_mbuf *m)
{
	return (struct buf_priv *)rte_mbuf_to_priv(m);
}

/* The name of the mempool's operations that pools of packet buffers use, for rte_pktmbuf_pool_create_by_ops(). */
const char *buf_pool_ops(void);

/* rte_pktmbuf_alloc() with a clean private area. NULL when the pool is empty. */
static inline struct rte_mbuf *buf_alloc(struct rte_mempool *pool)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	if (rp_likely(m != NULL))
		buf_priv(m)->ref.blob = NULL;
	return m;
}

/* Fetches the third buffer from now that the pool will give: in a long send queue it was last touched many segments
 * ago, and two are often taken right after each other. */
static inline void buf_prefetch_ahead(struct rte_mempool *pool)
{
	const struct rte_mempool_cache *k = rte_mempool_default_cache(pool, rte_lcore_id());

	if (k == NULL || k->len < 3)
		return;
	struct rte_mbuf *m = k->objs[k->len - 3];
	rte_prefetch0(m);
	rte_prefetch0(&m->next);
	rte_prefetch0(buf_priv(m));
}

/* Makes m, fresh from the pool, consist of bytes [off, off + len) of b, with a reference of its own that lasts until
 * the last holder of m lets go. Any thread may be that one: the blob then goes back through its heap's list. */
void buf_attach_blob(struct rte_mbuf *m, struct blob *b, size_t off, uint16_t len);
/* The blob that m has attached, NULL if none. */
static inline struct blob *buf_blob(struct rte_mbuf *m)
{
	return RTE_MBUF_HAS_EXTBUF(m) ? (struct blob *)m->shinfo->fcb_opaque : NULL;
}

/* Drops every blob reference of a reply chain, then frees it. `mine` as in blob_unref(). */
void buf_chain_free(struct rte_mbuf *head, struct heap *mine);
