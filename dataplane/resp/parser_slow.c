/* Multibulk requests that are incomplete, straddle buffers, have big arguments, or are wrong. The cursor stands
 * between two tokens whenever this returns RESP_INCOMPLETE: a header is read when its line is there, a short argument
 * when all of it is there, a big one as it comes. */
#include "resp/parser_priv.h"

#include "base/num.h"

#define NUMBER_CHARS_MAX 20 /* longest text that can be an int64 */
#define UNAUTH_ARGS_MAX  10
#define UNAUTH_BULK_MAX  (16 * 1024)

static const char *const too_big[2] = {"Protocol error: too big mbulk count string",
				       "Protocol error: too big bulk count string"};

/* Reads the header line at the cursor without consuming it: *mark is its first byte, *ok and *value the number after
 * it, *bytes the length of the line with its end. */
static enum resp_status read_header(struct resp_parser *p, const struct bufq *q, bool bulk, char *mark, bool *ok,
				    int64_t *value, size_t *bytes)
{
	char line[1 + NUMBER_CHARS_MAX];
	size_t unread = bufq_unread(q);
	int64_t cr = cursor_find(q, '\r');
	if (cr < 0) {
		if (unread > RESP_INLINE_MAX)
			return resp_fail(p, too_big[bulk]);
		return RESP_INCOMPLETE;
	}
	if ((size_t)cr + 2 > unread)
		return RESP_INCOMPLETE;
	size_t keep = RP_MIN((size_t)cr, sizeof(line));
	line[0] = '\r'; /* what an empty line begins with */
	cursor_copy(q, line, keep);
	*mark = line[0];
	*ok = cr > 0 && (size_t)cr <= sizeof(line) && num_parse_i64((struct slice){line + 1, (size_t)cr - 1}, value);
	*bytes = (size_t)cr + 2;
	return RESP_REQUEST;
}

static enum resp_status read_count(struct resp_parser *p, struct bufq *q, const struct resp_limits *lim)
{
	char mark;
	bool ok;
	int64_t n = 0;
	size_t bytes;
	enum resp_status st = read_header(p, q, false, &mark, &ok, &n, &bytes);
	if (st != RESP_REQUEST)
		return st;
	if (!ok || n > RESP_ARGS_MAX)
		return resp_fail(p, "Protocol error: invalid multibulk length");
	if (lim->unauthenticated && n > UNAUTH_ARGS_MAX)
		return resp_fail(p, "Protocol error: unauthenticated multibulk length");
	cursor_skip(q, bytes);
	if (n <= 0)
		return RESP_EMPTY;
	p->want = (uint32_t)n;
	return RESP_REQUEST;
}

static enum resp_status read_bulk_length(struct resp_parser *p, struct bufq *q, const struct resp_limits *lim)
{
	char mark;
	bool ok;
	int64_t n = 0;
	size_t bytes;
	enum resp_status st = read_header(p, q, true, &mark, &ok, &n, &bytes);
	if (st != RESP_REQUEST)
		return st;
	if (mark != '$') {
		p->error_byte = mark;
		return resp_fail(p, "Protocol error: expected '$'");
	}
	if (!ok || n < 0 || (uint64_t)n > lim->max_bulk)
		return resp_fail(p, "Protocol error: invalid bulk length");
	if (lim->unauthenticated && n > UNAUTH_BULK_MAX)
		return resp_fail(p, "Protocol error: unauthenticated bulk length");
	cursor_skip(q, bytes);
	p->bulk_len = n;
	return RESP_REQUEST;
}

static enum resp_status read_short(struct resp_parser *p, struct bufq *q, const struct resp_out *out)
{
	size_t len = (size_t)p->bulk_len, piece;
	if (bufq_unread(q) < len + 2)
		return RESP_INCOMPLETE;
	const char *ptr = cursor_peek(q, &piece);
	if (p->gathering || piece < len) {
		char *copy = resp_owned_room(p, len);
		if (!copy)
			return RESP_NOMEM;
		cursor_copy(q, copy, len);
		ptr = copy;
	}
	if (!resp_arg_push(p, out, ptr, len))
		return RESP_NOMEM;
	cursor_skip(q, len + 2);
	return RESP_REQUEST;
}

/* Room for what is here now; twice the old size each time, so that a claimed length alone costs nothing. */
static bool reserve_blob(struct resp_parser *p, size_t need)
{
	size_t total = (size_t)p->bulk_len;
	if (!p->bulk) {
		p->bulk = blob_create(p->heap, RP_MIN(total, RP_MAX(need, (size_t)RESP_BIG_BULK)));
		return p->bulk != NULL;
	}
	if (need <= p->bulk->cap)
		return true;
	struct blob *grown = blob_grow(p->bulk, RP_MIN(total, RP_MAX(need, p->bulk->cap * 2)));
	if (grown)
		p->bulk = grown;
	return grown != NULL;
}

static enum resp_status read_big(struct resp_parser *p, struct bufq *q, const struct resp_out *out)
{
	size_t have = p->bulk ? p->bulk->len : 0, missing = (size_t)p->bulk_len - have;
	size_t now = RP_MIN(bufq_unread(q), missing);
	if (now > 0) {
		if (!reserve_blob(p, have + now))
			return RESP_NOMEM;
		cursor_copy(q, p->bulk->data + have, now);
		cursor_skip(q, now);
		p->bulk->len += now;
		missing -= now;
	}
	if (missing > 0 || bufq_unread(q) < 2)
		return RESP_INCOMPLETE;
	struct blob *b = p->bulk;
	if (!resp_owned_set_blob(p, p->argc, b))
		return RESP_NOMEM;
	p->bulk = NULL; /* from here on the request's */
	if (!resp_arg_push(p, out, b->data, b->len))
		return RESP_NOMEM;
	cursor_skip(q, 2);
	return RESP_REQUEST;
}

/* Copies what still lies in the buffers, so that they can go. */
static bool start_gathering(struct resp_parser *p)
{
	for (uint32_t i = 0; i < p->argc; i++) {
		struct slice *arg = &p->argv[i];
		if (p->owned && i < p->owned->blobs_cap && p->owned->blobs[i])
			continue;
		char *copy = resp_owned_room(p, arg->len);
		if (!copy)
			return false;
		memcpy(copy, arg->ptr, arg->len);
		arg->ptr = copy;
	}
	p->gathering = true;
	if (p->owned)
		p->owned->whole = true;
	return true;
}

static enum resp_status suspend(struct resp_parser *p, struct bufq *q, const struct resp_out *out)
{
	if (!resp_args_spill(p, out))
		return RESP_NOMEM;
	if (!p->gathering && q->cur_pos - p->begin_pos > RESP_HOLD_BYTES && !start_gathering(p))
		return RESP_NOMEM;
	return RESP_INCOMPLETE;
}

enum resp_status resp_slow_multibulk(struct resp_parser *p, struct bufq *q, const struct resp_limits *lim,
				     const struct resp_out *out)
{
	enum resp_status st = RESP_REQUEST;
	if (p->want == 0)
		st = read_count(p, q, lim);
	while (st == RESP_REQUEST && p->argc < p->want) {
		if (p->bulk_len < 0) {
			st = read_bulk_length(p, q, lim);
			if (st != RESP_REQUEST)
				break;
		}
		st = p->bulk_len < RESP_BIG_BULK ? read_short(p, q, out) : read_big(p, q, out);
		if (st == RESP_REQUEST)
			p->bulk_len = -1;
	}
	return st == RESP_INCOMPLETE ? suspend(p, q, out) : st;
}
