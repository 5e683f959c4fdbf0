/* Resumable parser of RESP requests (multibulk and inline), as Redis reads them: RESP2/RESP3 protocol specification
 * and redis-server's own limits and error texts.
 *
 * Arguments are slices into the receive buffers. Only an argument that straddles buffers is gathered into memory of its
 * own; a bulk of RESP_BIG_BULK bytes or more is received straight into a blob that a handler can take as the value. A
 * request that stays incomplete for more than RESP_HOLD_BYTES stops pinning buffers: what was read is copied and the
 * buffers go. Memory grows with bytes received, never by what a length claims.
 *
 * Owner: the session's thread. `heap` is that thread's own heap (never a shard's).
 */
#pragma once

#include "mem/blob.h"
#include "resp/bufq.h"

#define RESP_BIG_BULK   (16 * 1024)
#define RESP_HOLD_BYTES (32 * 1024)
#define RESP_INLINE_MAX (64 * 1024)
#define RESP_ARGS_MAX   INT32_MAX

enum resp_status {
	RESP_INCOMPLETE, /* more bytes needed; state kept */
	RESP_REQUEST,    /* *req filled */
	RESP_EMPTY,      /* an empty line or "*0": consumed, nothing to do; call again */
	RESP_PROTOCOL,   /* protocol error: resp_parser_error() tells it; the connection must be closed after it */
	RESP_NOMEM,      /* out of memory for this request: answer and close */
};

struct resp_limits {
	uint64_t max_bulk;    /* proto-max-bulk-len */
	bool unauthenticated; /* Redis's smaller limits before AUTH: 10 arguments, 16 KiB bulks */
};

/* Memory that a request holds beside the receive buffers; opaque to users. */
struct resp_owned;

struct resp_request {
	uint32_t argc;
	struct slice *argv;
	uint64_t begin_pos, end_pos; /* its bytes in the session's stream */
	struct resp_owned *owned;    /* NULL for nearly every request */
};

struct resp_parser {
	struct heap *heap;
	struct resp_owned *owned; /* of the request being assembled */
	struct slice *argv;       /* heap array while a request is incomplete, else NULL */
	uint32_t argv_cap;
	uint32_t argc; /* arguments complete so far */
	uint32_t want; /* arguments announced, 0 = between requests */
	char error_byte;
	bool gathering;    /* past RESP_HOLD_BYTES: copy every argument */
	int64_t bulk_len;  /* announced length of the current bulk, -1 = its header not read yet */
	struct blob *bulk; /* being filled */
	uint64_t begin_pos;
	const char *error; /* see resp_parser_error() */
};

void resp_parser_init(struct resp_parser *p, struct heap *heap);
/* Frees what an unfinished request holds. */
/* Bytes of the request being received that are out of the receive buffers. */
size_t resp_parser_held(const struct resp_parser *p);
/* Of them those of the argument being received. */
static inline size_t resp_parser_filling(const struct resp_parser *p)
{
	return p->bulk != NULL ? p->bulk->cap : 0;
}
void resp_parser_fini(struct resp_parser *p);

/* Reads one request at q's cursor. `arena` gives room for the argument slices of a request that is complete in q;
 * if it is too small (or the request was resumed) the array is owned by the request instead. Slices stay valid until
 * the caller releases q past req->end_pos, respectively calls resp_request_free(). */
enum resp_status resp_parser_next(struct resp_parser *p, struct bufq *q, const struct resp_limits *lim,
				  struct slice *arena, uint32_t arena_cap, struct resp_request *req);

#define RESP_ERROR_MAX 64
/* The text after "-ERR " of the last RESP_PROTOCOL, in buf (RESP_ERROR_MAX bytes). */
const char *resp_parser_error(const struct resp_parser *p, char *buf);

/* The position before which the parser needs no buffer any more (begin of an unfinished request, or the cursor). */
uint64_t resp_parser_hold_pos(const struct resp_parser *p, const struct bufq *q);

/* Takes argument i as a blob if it was received as one: the caller owns the reference, argv[i] stays readable while
 * that lives. NULL otherwise. */
struct blob *resp_request_take_blob(struct resp_request *req, uint32_t i);
/* Home thread only (the heap's owner). Safe when owned is NULL. */
void resp_request_free(struct resp_request *req, struct heap *heap);
/* Copies a request's slices into memory that it owns, so that it survives the batch's arena. Returns false if out of
 * memory. */
bool resp_request_keep(struct resp_request *req, struct heap *heap);
/* Copies, besides, the words that lie in receive buffers: these may go. Returns false if out of memory. */
bool resp_request_own(struct resp_request *req, struct heap *heap);
