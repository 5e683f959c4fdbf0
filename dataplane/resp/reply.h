/* Reply builder: writes RESP2 or RESP3 straight into transmit buffers.
 *
 * Each buffer is filled with at most `fill` payload bytes (the connection's MSS), at BUF_TX_HEADROOM, so that
 * each becomes one TCP segment with its headers written in front of the payload. Buffers are linked through m->next,
 * nb_segs = 1. A value of REPLY_REF_MIN bytes or more that lives in a blob is not copied: a buffer with buf_priv()->ref
 * set stands for it in the chain, and the transport turns it into segments as its window opens.
 *
 * When buffers run out the builder goes into `failed`: what was written is kept, later writes are dropped, and the
 * session closes the client (its stream could not be continued correctly). Owner: the thread that executes the command.
 */
#pragma once

#include "mem/buf.h"
#include "resp/error_stats.h"

#define REPLY_REF_MIN (16 * 1024)

struct reply {
	struct rte_mempool *pool;
	struct rte_mbuf *head, *tail;
	char *pos, *end; /* write window in tail */
	size_t bytes;    /* payload bytes in the chain, refs included */
	uint16_t fill;
	uint8_t proto; /* 2 or 3 */
	bool failed;
	uint32_t bufs_left; /* buffers that this reply may still take; set by its owner after reply_init() (no bound) */
	bool error;         /* an error reply was written: statistics */
	struct error_stats *errors; /* counts them; NULL: nobody does. Set by its owner after reply_init() */
	bool muted;                 /* CLIENT REPLY OFF/SKIP: writes vanish */
};

void reply_init(struct reply *r, struct rte_mempool *pool, uint16_t fill, uint8_t proto);
/* The same with a first buffer of the caller's, data_len 0, which comes back as the head of reply_take()'s chain: for
 * who reads the reply at once and uses the buffer again. It is filled to its end. */
void reply_init_in(struct reply *r, struct rte_mbuf *first, struct rte_mempool *pool, uint8_t proto);
/* Hands over the chain (NULL if empty) and leaves r empty. *bytes = payload bytes. */
struct rte_mbuf *reply_take(struct reply *r, size_t *bytes);
/* Frees what was built. */
void reply_reset(struct reply *r, struct heap *mine);
/* Appends a chain built elsewhere (ownership moves). */
void reply_splice(struct reply *r, struct rte_mbuf *head, struct rte_mbuf *tail, size_t bytes);

/* Raw bytes, as they are on the wire. */
void reply_raw(struct reply *r, const void *data, size_t len);

void reply_status(struct reply *r, const char *text); /* +text */
void reply_ok(struct reply *r);
/* -text; `text` begins with its code ("ERR ...", "WRONGTYPE ..."). CR and LF inside become spaces. */
void reply_error(struct reply *r, const char *text);
void reply_errorf(struct reply *r, const char *fmt, ...) RP_PRINTF(2, 3);
void reply_error_slice(struct reply *r, struct slice text);
void reply_int(struct reply *r, int64_t v);                     /* :v */
void reply_bulk(struct reply *r, const void *data, size_t len); /* $len */
void reply_bulk_str(struct reply *r, const char *text);
void reply_bulk_slice(struct reply *r, struct slice s);
void reply_bulk_i64(struct reply *r, int64_t v);
/* A whole blob as bulk; takes a reference of its own if it is large, copies otherwise. */
void reply_bulk_blob(struct reply *r, struct blob *b);
void reply_null(struct reply *r);             /* $-1 or _ */
void reply_null_array(struct reply *r);       /* *-1 or _ */
void reply_double(struct reply *r, double v); /* bulk or , */
void reply_bool(struct reply *r, bool v);     /* :0/:1 or # */
void reply_bignum(struct reply *r, struct slice digits);
void reply_verbatim(struct reply *r, struct slice text, const char ext[3]);
void reply_array(struct reply *r, uint64_t n);         /* *n */
void reply_map(struct reply *r, uint64_t pairs);       /* *2n or % */
void reply_set(struct reply *r, uint64_t n);           /* *n or ~ */
void reply_push(struct reply *r, uint64_t n);          /* *n or > */
void reply_attribute(struct reply *r, uint64_t pairs); /* RESP3 only */

/* Aggregates whose size is known only afterwards: build the elements in `sub`, then emit header and elements. */
enum reply_agg {
	REPLY_ARRAY,
	REPLY_MAP,
	REPLY_SET,
	REPLY_PUSH
};
void reply_sub_begin(struct reply *r, struct reply *sub);
void reply_sub_end(struct reply *r, struct reply *sub, enum reply_agg kind, uint64_t n);
