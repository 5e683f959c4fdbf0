/* Readers of the notations of table.def. */
#include <stdlib.h>

#include "cmd/table.h"

static bool ends_word(char ch, const char *seps)
{
	return strchr(seps, ch) != NULL && ch != '\0';
}

static void skip(struct slice *s, size_t n)
{
	s->ptr += n;
	s->len -= n;
}

bool cmd_word_next(struct slice *rest, const char *seps, struct slice *out)
{
	size_t n = 0;

	while (rest->len && ends_word(*rest->ptr, seps))
		skip(rest, 1);
	while (n < rest->len && !ends_word(rest->ptr[n], seps))
		n++;
	*out = (struct slice){rest->ptr, n};
	if (n > 0)
		skip(rest, n);
	return n > 0;
}

bool cmd_keyspec_next(struct slice *rest, struct cmd_keyspec *out)
{
	struct slice spec, where;
	char *end;

	if (!cmd_word_next(rest, ";", &spec))
		return false;
	*out = (struct cmd_keyspec){.step = 1};
	const char *open = memchr(spec.ptr, '(', spec.len);
	if (open) {
		size_t head = (size_t)(open - spec.ptr);
		out->note = (struct slice){open + 1, spec.len - head - 2};
		spec.len = head;
	}
	cmd_word_next(&spec, " ", &where);
	out->unknown = slice_eq(where, SLICE("?"));
	const char *at = memchr(where.ptr, '@', where.len);
	if (at) {
		out->word = (struct slice){where.ptr, (size_t)(at - where.ptr)};
		where.ptr = at + 1;
	}
	out->first = (int)strtol(where.ptr, &end, 10);
	out->counted = *end == '#';
	if (*end == ':')
		out->last = (int)strtol(end + 1, &end, 10);
	if (*end == ':')
		out->step = (int)strtol(end + 1, &end, 10);
	if (*end == ':')
		out->limit = (int)strtol(end + 1, &end, 10);
	out->flags = spec;
	return true;
}

/* Takes what stands between the bracket at rest->ptr and its partner. false: there is none. */
static bool take_group(struct slice *rest, struct slice *inner)
{
	char open = *rest->ptr, shut = open == '{' ? '}' : ')';
	int depth = 0;

	for (size_t i = 0; i < rest->len; i++) {
		if (rest->ptr[i] == open)
			depth++;
		else if (rest->ptr[i] == shut && --depth == 0) {
			*inner = (struct slice){rest->ptr + 1, i - 1};
			skip(rest, i + 1);
			return true;
		}
	}
	return false;
}

#define ARG_ENDS " |.{(=@~?*&"

static void take_text(struct slice *rest, struct slice *out)
{
	skip(rest, 1);
	/* a word may be one of the marks itself */
	size_t n = rest->len > 0 && ends_word(*rest->ptr, "=~*");
	/* a version may hold '.' */
	while (n < rest->len && !ends_word(rest->ptr[n], " |=@~?*&{("))
		n++;
	*out = (struct slice){rest->ptr, n};
	skip(rest, n);
}

static bool take_type(struct slice *rest, struct cmd_docarg *a)
{
	static const struct {
		const char *word;
		enum cmd_arg_type type;
	} types[] = {
		{"int", ARG_INTEGER},    {"dbl", ARG_DOUBLE},     {"pat", ARG_PATTERN},
		{"tok", ARG_PURE_TOKEN}, {"time", ARG_UNIX_TIME},
	};
	struct slice word;

	take_text(rest, &word);
	if (word.len == 4 && memcmp(word.ptr, "key", 3) == 0) {
		a->type = ARG_KEY;
		a->key_spec = word.ptr[3] - '0';
		return true;
	}
	for (size_t i = 0; i < RP_ARRAY_LEN(types); i++)
		if (slice_is(word, types[i].word)) {
			a->type = types[i].type;
			return true;
		}
	return false;
}

static bool take_suffix(struct slice *rest, struct cmd_docarg *a)
{
	switch (*rest->ptr) {
	case '{':
	case '(':
		a->type = *rest->ptr == '{' ? ARG_ONEOF : ARG_BLOCK;
		return take_group(rest, &a->inner);
	case '.':
		return take_type(rest, a);
	case '=':
		take_text(rest, &a->token);
		return true;
	case '@':
		take_text(rest, &a->since);
		return true;
	case '~':
		take_text(rest, &a->deprecated);
		return true;
	case '?':
		a->optional = true;
		break;
	case '*':
		a->multiple = true;
		break;
	case '&':
		a->multiple_token = true;
		break;
	default:
		return false;
	}
	skip(rest, 1);
	return true;
}

bool cmd_docarg_next(struct slice *rest, struct cmd_docarg *a)
{
	size_t n = 0;

	*a = (struct cmd_docarg){.key_spec = -1};
	while (rest->len && ends_word(*rest->ptr, " |"))
		skip(rest, 1);
	if (!rest->len)
		return false;
	const struct slice whole = *rest;
	while (n < rest->len && !ends_word(rest->ptr[n], ARG_ENDS))
		n++;
	a->name = (struct slice){rest->ptr, n};
	skip(rest, n);
	while (rest->len && !ends_word(*rest->ptr, " |"))
		if (!take_suffix(rest, a)) {
			*rest = whole;
			return false;
		}
	if (a->name.len == 0) {
		a->type = ARG_PURE_TOKEN;
		a->name = a->token;
	}
	return true;
}
