#include "replies.h"

enum {
	AT_TYPE,
	IN_LINE,
	IN_NUMBER,
	IN_BULK,
};

/* What the server pushes on its own is nobody's reply, nor are its elements. */
static inline bool is_pushed(const struct reply_reader *r)
{
	return r->top == '>';
}

/* The element under way is complete. Nested elements need no stack: an aggregate only adds to those still to come. */
static void element_done(struct reply_reader *r, const struct reply_sink *s)
{
	r->state = AT_TYPE;
	if (--r->left > 0)
		return;
	if (!is_pushed(r))
		s->reply(s->ctx, r->top, r->nil);
}

static void element_begins(const struct reply_reader *r, bool nil, const struct reply_sink *s)
{
	if (!r->alone && s->element && !is_pushed(r))
		s->element(s->ctx, r->type, nil);
}

/* Is somebody told of the bytes of this bulk string? */
static inline bool is_told(const struct reply_reader *r, const struct reply_sink *s)
{
	return s->bulk && (r->alone || (s->element && !is_pushed(r)));
}

static int at_type(struct reply_reader *r, char type, const struct reply_sink *s)
{
	r->alone = r->left == 0;
	if (r->alone) {
		r->left = 1;
		r->top = type;
		r->nil = type == '_';
	}
	r->type = type;
	switch (type) {
	case '+':
	case '-':
	case ':':
	case ',':
	case '#':
	case '(':
	case '_':
		r->state = IN_LINE;
		element_begins(r, type == '_', s);
		return 0;
	case '$':
	case '!':
	case '=':
	case '*':
	case '~':
	case '%':
	case '>':
	case '|':
		r->state = IN_NUMBER;
		r->number = 0;
		r->minus = r->digits = false;
		return 0;
	default:
		return -1;
	}
}

static const char *in_line(struct reply_reader *r, const char *p, const char *end, const struct reply_sink *s)
{
	const char *nl = memchr(p, '\n', (size_t)(end - p));
	const char *stop = nl ? nl : end;

	if (rp_unlikely(r->type == '-' && s->error && !is_pushed(r)))
		s->error(s->ctx, p, (size_t)(stop - p), nl != NULL);
	if (nl == NULL)
		return end;
	element_done(r, s);
	return nl + 1;
}

/* A length line is complete. */
static void number_done(struct reply_reader *r, const struct reply_sink *s)
{
	uint64_t n = r->minus ? 0 : r->number;

	if (r->type != '|')
		element_begins(r, r->minus, s);
	if (r->type == '$' || r->type == '!' || r->type == '=') {
		if (r->minus) {
			r->nil |= r->alone;
			element_done(r, s);
			return;
		}
		r->bulk = n;
		r->number = n + 2;
		if (n == 0 && is_told(r, s))
			s->bulk(s->ctx, NULL, 0, 0, 0);
		r->state = IN_BULK;
		return;
	}
	if (r->minus)
		r->nil |= r->alone;
	r->left += r->type == '%' || r->type == '|' ? 2 * n : n;
	if (r->type == '|') { /* attributes: the element that they belong to is still to come */
		r->left++;
		if (r->alone)
			r->top = '*';
	}
	element_done(r, s);
}

static int in_number(struct reply_reader *r, const char **pp, const char *end, const struct reply_sink *s)
{
	const char *p = *pp;

	for (; p < end; p++) {
		unsigned digit = (unsigned char)*p - '0';
		if (digit < 10 && r->number < (UINT64_C(1) << 40)) {
			r->number = r->number * 10 + digit;
			r->digits = true;
		} else if (*p == '-' && !r->digits && !r->minus) {
			r->minus = true;
		} else if (*p == '\n' && r->digits) {
			number_done(r, s);
			*pp = p + 1;
			return 0;
		} else if (*p != '\r' || !r->digits) {
			return -1;
		}
	}
	*pp = p;
	return 0;
}

static const char *in_bulk(struct reply_reader *r, const char *p, const char *end, const struct reply_sink *s)
{
	uint64_t have = (uint64_t)(end - p), n = RP_MIN(have, r->number);

	if (is_told(r, s) && r->number > 2)
		s->bulk(s->ctx, p, RP_MIN(n, r->number - 2), r->bulk + 2 - r->number, r->bulk);
	r->number -= n;
	if (r->number == 0)
		element_done(r, s);
	return p + n;
}

int replies_feed(struct reply_reader *r, const char *p, size_t len, const struct reply_sink *s)
{
	const char *end = p + len;

	while (p < end) {
		switch (r->state) {
		case AT_TYPE:
			if (at_type(r, *p++, s) < 0)
				return -1;
			break;
		case IN_LINE:
			p = in_line(r, p, end, s);
			break;
		case IN_NUMBER:
			if (in_number(r, &p, end, s) < 0)
				return -1;
			break;
		default:
			p = in_bulk(r, p, end, s);
		}
	}
	return 0;
}
