/* The text of a script before Lua gets it. */
#include "ctrlplane/script/script_priv.h"

#include <ctype.h>
#include <stdlib.h>

struct scan {
	const char *p, *end;
	char *to; /* NULL: nothing had to be changed so far */
	char *copy;
	const char *begin;
	bool ok;
};

static bool keep_first(struct scan *s, size_t total)
{
	if (s->copy != NULL)
		return true;
	s->copy = malloc(total);
	if (s->copy == NULL) {
		s->ok = false;
		return false;
	}
	memcpy(s->copy, s->begin, (size_t)(s->p - s->begin));
	s->to = s->copy + (s->p - s->begin);
	return true;
}

static void take(struct scan *s, size_t n)
{
	n = RP_MIN(n, (size_t)(s->end - s->p));
	if (s->to != NULL) {
		memcpy(s->to, s->p, n);
		s->to += n;
	}
	s->p += n;
}

/* "[[" or "[==[" at p: its level, else -1. */
static int long_level(const struct scan *s)
{
	const char *q = s->p + 1;

	while (q < s->end && *q == '=')
		q++;
	return q < s->end && *q == '[' ? (int)(q - s->p - 1) : -1;
}

static void take_long(struct scan *s, int level)
{
	take(s, (size_t)level + 2);
	while (s->p < s->end) {
		if (*s->p == ']') {
			const char *q = s->p + 1;
			while (q < s->end && *q == '=' && q - s->p - 1 < level)
				q++;
			if (q - s->p - 1 == level && q < s->end && *q == ']') {
				take(s, (size_t)level + 2);
				return;
			}
		}
		take(s, 1);
	}
}

static void take_comment(struct scan *s)
{
	take(s, 2);
	int level = s->p < s->end && *s->p == '[' ? long_level(s) : -1;
	if (level >= 0) {
		take_long(s, level);
		return;
	}
	while (s->p < s->end && *s->p != '\n')
		take(s, 1);
}

/* false: out of memory. */
static bool take_quoted(struct scan *s, size_t total)
{
	char quote = *s->p;

	take(s, 1);
	while (s->p < s->end && *s->p != quote && *s->p != '\n') {
		if (*s->p != '\\' || s->p + 1 == s->end) {
			take(s, 1);
			continue;
		}
		char c = s->p[1];
		if (strchr("abfnrtv\\\"'\n\r", c) != NULL || isdigit((unsigned char)c)) {
			take(s, 2);
			continue;
		}
		if (!keep_first(s, total))
			return false;
		s->p++; /* the backslash goes */
		take(s, 1);
	}
	take(s, 1);
	return true;
}

char *script_source_fix(struct slice text, size_t *len, bool *ok)
{
	struct scan s = {.p = text.ptr, .begin = text.ptr, .end = text.ptr + text.len, .ok = true};

	while (s.p < s.end && s.ok) {
		int level;
		if (*s.p == '"' || *s.p == '\'')
			take_quoted(&s, text.len);
		else if (*s.p == '-' && s.p + 1 < s.end && s.p[1] == '-')
			take_comment(&s);
		else if (*s.p == '[' && (level = long_level(&s)) >= 0)
			take_long(&s, level);
		else
			take(&s, 1);
	}
	*ok = s.ok;
	if (!s.ok) {
		free(s.copy);
		return NULL;
	}
	*len = s.copy != NULL ? (size_t)(s.to - s.copy) : text.len;
	return s.copy;
}
