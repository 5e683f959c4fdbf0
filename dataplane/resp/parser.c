/* The common request, in one piece in one buffer and with short arguments, is read here without keeping any state.
 * Everything else, also every error, is left to the slow paths, which begin again at the request's first byte. */
#include "resp/parser_priv.h"

#include <stdio.h>

/* "$0\r\n\r\n": no argument is shorter. */
#define ARG_BYTES_MIN 6

void resp_parser_init(struct resp_parser *p, struct heap *heap)
{
	memset(p, 0, sizeof(*p));
	p->heap = heap;
	p->bulk_len = -1;
}

static void forget(struct resp_parser *p)
{
	p->owned = NULL;
	p->argv = NULL;
	p->argv_cap = 0;
	p->argc = 0;
	p->want = 0;
	p->bulk_len = -1;
	p->bulk = NULL;
	p->gathering = false;
}

void resp_parser_fini(struct resp_parser *p)
{
	resp_owned_free(p->owned, p->heap);
	heap_free(p->heap, p->argv);
	if (p->bulk)
		blob_unref(p->bulk, p->heap);
	forget(p);
}

enum resp_status resp_fail(struct resp_parser *p, const char *text)
{
	p->error = text;
	return RESP_PROTOCOL;
}

const char *resp_parser_error(const struct resp_parser *p, char *buf)
{
	if (p->error_byte != '\0')
		snprintf(buf, RESP_ERROR_MAX, "%s, got '%c'", p->error, p->error_byte);
	else
		snprintf(buf, RESP_ERROR_MAX, "%s", p->error);
	return buf;
}

/* A length of up to five digits and its CRLF at s, where at least ARG_BYTES_MIN - 1 bytes can be read. Returns the byte
 * after it, NULL if it is anything else. */
static inline const char *short_length(const char *s, const char *end, uint32_t *out)
{
	uint32_t v = (uint32_t)(uint8_t)s[0] - '0', d = (uint32_t)(uint8_t)s[1] - '0';
	if (rp_unlikely(v > 9))
		return NULL;
	if (d <= 9) {
		const char *stop = RP_MIN(s + 5, end);
		if (v == 0) /* leading zero */
			return NULL;
		for (s += 2, v = v * 10 + d; s < stop && (d = (uint32_t)(uint8_t)*s - '0') <= 9; s++)
			v = v * 10 + d;
		s--;
	}
	if (rp_unlikely(end - s < 3 || s[1] != '\r' || s[2] != '\n'))
		return NULL;
	*out = v;
	return s + 3;
}

/* Returns the bytes of the request at s, 0 if it is not of the common kind. */
static inline size_t parse_common(const char *s, size_t len, const struct resp_limits *lim, struct slice *arena,
				  uint32_t arena_cap, uint32_t *argc)
{
	const char *p = s, *end = s + len;
	uint32_t n, bulk;
	if (rp_unlikely(len < ARG_BYTES_MIN || *p != '*'))
		return 0;
	p = short_length(p + 1, end, &n);
	if (rp_unlikely(!p || n == 0 || n > arena_cap || (lim->unauthenticated && n > 10)))
		return 0;
	for (struct slice *arg = arena, *last = arena + n; arg < last; arg++) {
		if (rp_unlikely(end - p < ARG_BYTES_MIN || *p != '$'))
			return 0;
		p = short_length(p + 1, end, &bulk);
		if (rp_unlikely(!p || bulk >= RESP_BIG_BULK || bulk > lim->max_bulk || (size_t)(end - p) < bulk + 2))
			return 0;
		slice_put(arg, p, bulk);
		p += bulk + 2; /* like Redis, what ends the argument is not looked at */
	}
	*argc = n;
	return (size_t)(p - s);
}

static enum resp_status finish(struct resp_parser *p, struct bufq *q, const struct resp_out *out,
			       struct resp_request *req)
{
	if (p->argv) {
		if (!resp_owned_get(p))
			return RESP_NOMEM;
		p->owned->argv = p->argv;
	}
	req->argc = p->argc;
	req->argv = resp_args(p, out);
	req->begin_pos = p->begin_pos;
	req->end_pos = q->cur_pos;
	req->owned = p->owned;
	forget(p);
	return RESP_REQUEST;
}

static __attribute__((noinline)) enum resp_status parse_slow(struct resp_parser *p, struct bufq *q,
							     const struct resp_limits *lim, const struct resp_out *out,
							     struct resp_request *req)
{
	size_t len;
	const char *s = cursor_peek(q, &len);
	if (len == 0)
		return RESP_INCOMPLETE;
	if (p->want == 0)
		p->begin_pos = q->cur_pos;
	enum resp_status st = p->want > 0 || *s == '*' ? resp_slow_multibulk(p, q, lim, out)
						       : resp_slow_inline(p, q, out);
	if (st == RESP_REQUEST)
		st = finish(p, q, out, req);
	if (st != RESP_REQUEST && st != RESP_INCOMPLETE)
		resp_parser_fini(p);
	return st;
}

enum resp_status resp_parser_next(struct resp_parser *p, struct bufq *q, const struct resp_limits *lim,
				  struct slice *arena, uint32_t arena_cap, struct resp_request *req)
{
	if (rp_likely(p->want == 0 && q->cur)) {
		size_t len;
		const char *s = cursor_peek(q, &len);
		size_t used = parse_common(s, len, lim, arena, arena_cap, &req->argc);
		if (rp_likely(used > 0)) {
			req->argv = arena;
			req->owned = NULL;
			req->begin_pos = q->cur_pos;
			req->end_pos = q->cur_pos += used;
			q->cur_off += (uint32_t)used;
			if (used == len) {
				q->cur = q->cur->next;
				q->cur_off = 0;
			}
			return RESP_REQUEST;
		}
	}
	const struct resp_out out = {arena, arena_cap};
	return parse_slow(p, q, lim, &out, req);
}

uint64_t resp_parser_hold_pos(const struct resp_parser *p, const struct bufq *q)
{
	return p->want == 0 || p->gathering ? q->cur_pos : p->begin_pos;
}
