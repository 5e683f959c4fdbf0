/* Inline commands: one line, words split by blanks, quoted as in redis-cli. */
#include "resp/parser_priv.h"

#include <ctype.h>

#include "base/num.h"

/* The line is split where it stands: unquoting never makes a word longer. */
struct splitter {
	const char *in, *end;
	char *out;
};

static char escape_value(char c)
{
	switch (c) {
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	case 'b':
		return '\b';
	case 'a':
		return '\a';
	default:
		return c;
	}
}

/* Nothing but a blank may follow a closing quote. */
static bool closes_word(const struct splitter *s)
{
	return s->in == s->end || isspace((unsigned char)*s->in);
}

/* After the opening quote. False: the quote is never closed, or something is glued to the closing one. */
static bool double_quoted(struct splitter *s)
{
	while (s->in < s->end) {
		char c = *s->in++;
		if (c == '"')
			return closes_word(s);
		if (c == '\\' && s->end - s->in >= 3 && s->in[0] == 'x' && num_hex_digit(s->in[1]) >= 0 &&
		    num_hex_digit(s->in[2]) >= 0) {
			c = (char)(num_hex_digit(s->in[1]) * 16 + num_hex_digit(s->in[2]));
			s->in += 3;
		} else if (c == '\\' && s->in < s->end) {
			c = escape_value(*s->in++);
		}
		*s->out++ = c;
	}
	return false;
}

static bool single_quoted(struct splitter *s)
{
	while (s->in < s->end) {
		char c = *s->in++;
		if (c == '\'')
			return closes_word(s);
		if (c == '\\' && s->in < s->end && *s->in == '\'')
			c = *s->in++;
		*s->out++ = c;
	}
	return false;
}

static bool next_word(struct splitter *s)
{
	while (s->in < s->end) {
		char c = *s->in++;
		switch (c) {
		case ' ':
		case '\n':
		case '\r':
		case '\t':
			return true;
		case '"':
			return double_quoted(s);
		case '\'':
			return single_quoted(s);
		default:
			*s->out++ = c;
		}
	}
	return true;
}

static enum resp_status split(struct resp_parser *p, const struct resp_out *out, char *line, size_t len)
{
	const char *nul = memchr(line, '\0', len); /* Redis splits a C string */
	struct splitter s = {line, nul ? nul : line + len, line};
	for (;;) {
		while (s.in < s.end && isspace((unsigned char)*s.in))
			s.in++;
		if (s.in == s.end)
			break;
		const char *word = s.out;
		if (!next_word(&s))
			return resp_fail(p, "Protocol error: unbalanced quotes in request");
		if (!resp_arg_push(p, out, word, (size_t)(s.out - word)))
			return RESP_NOMEM;
	}
	return p->argc > 0 ? RESP_REQUEST : RESP_EMPTY;
}

enum resp_status resp_slow_inline(struct resp_parser *p, struct bufq *q, const struct resp_out *out)
{
	int64_t nl = cursor_find(q, '\n');
	if (nl > RESP_INLINE_MAX || (nl < 0 && bufq_unread(q) > RESP_INLINE_MAX))
		return resp_fail(p, "Protocol error: too big inline request");
	if (nl < 0)
		return RESP_INCOMPLETE;
	size_t len = (size_t)nl;
	char *line = resp_owned_room(p, len);
	if (!line)
		return RESP_NOMEM;
	cursor_copy(q, line, len);
	cursor_skip(q, len + 1);
	if (len > 0 && line[len - 1] == '\r')
		len--;
	return split(p, out, line, len);
}
