/* Growing text. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "ctrlplane/ctrl_text.h"

static bool text_grow(struct text *t, size_t need)
{
	size_t cap = t->cap ? t->cap : 1024;

	while (cap < need)
		cap *= 2;
	char *buf = realloc(t->buf, cap);
	if (buf == NULL)
		return false;
	t->buf = buf;
	t->cap = cap;
	return true;
}

void text_add(struct text *t, const char *fmt, ...)
{
	va_list ap, again;

	if (t->failed)
		return;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(t->buf ? t->buf + t->len : NULL, t->cap - t->len, fmt, ap);
	if (n >= 0 && t->len + (size_t)n >= t->cap && text_grow(t, t->len + (size_t)n + 1))
		vsnprintf(t->buf + t->len, t->cap - t->len, fmt, again);
	va_end(again);
	va_end(ap);
	if (n < 0 || t->len + (size_t)n >= t->cap)
		t->failed = true;
	else
		t->len += (size_t)n;
}

void text_free(struct text *t)
{
	free(t->buf);
	*t = (struct text){.buf = NULL};
}

void text_reply(struct text *t, struct reply *r)
{
	if (t->failed)
		reply_error(r, "ERR out of memory for the answer");
	else
		reply_verbatim(r, (struct slice){t->buf ? t->buf : "", t->len}, "txt");
	text_free(t);
}

const char *text_human(uint64_t bytes, char buf[TEXT_HUMAN_CHARS])
{
	static const char unit[] = "KMGTP";
	double v = (double)bytes / 1024;
	size_t i = 0;

	if (bytes < 1024) {
		snprintf(buf, TEXT_HUMAN_CHARS, "%luB", (unsigned long)bytes);
		return buf;
	}
	for (; v >= 1024 && i + 2 < sizeof unit; i++)
		v /= 1024;
	snprintf(buf, TEXT_HUMAN_CHARS, "%.2f%c", v, unit[i]);
	return buf;
}
