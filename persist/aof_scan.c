#include "persist/aof_scan.h"

#include <stdlib.h>

#include "base/num.h"
#include "persist/aof_frame.h"

#define LINE_MAX_BYTES 64 /* of a count or a length, with CR and LF */

void aof_scan_init(struct aof_scan *s, const char *data, size_t len, size_t at)
{
	*s = (struct aof_scan){.data = data, .len = len, .at = at, .from = at};
}

void aof_scan_fini(struct aof_scan *s)
{
	free(s->argv);
	*s = (struct aof_scan){NULL};
}

static enum aof_scan_end bad(struct aof_scan *s, struct err *e, const char *what)
{
	err_set(e, "%s at offset %zu", what, s->at);
	return AOF_SCAN_BAD;
}

/* A note begins at `from`: is it a frame's? */
static void note_frame(struct aof_scan *s)
{
	size_t n = sizeof AOF_FRAME_MARK - 1;

	if (s->at - s->from < n || memcmp(s->data + s->from, AOF_FRAME_MARK, n) != 0)
		return;
	s->framed = true;
	s->head = s->from;
}

/* "#...\n" */
static enum aof_scan_end skip_notes(struct aof_scan *s)
{
	while (s->at < s->len && s->data[s->at] == '#') {
		const char *nl = memchr(s->data + s->at, '\n', s->len - s->at);
		s->from = s->at;
		if (nl == NULL)
			return AOF_SCAN_CUT;
		s->at = (size_t)(nl - s->data) + 1;
		note_frame(s);
	}
	s->from = s->at;
	return s->at < s->len ? AOF_SCAN_COMMAND : AOF_SCAN_END;
}

/* A line of `kind`, a number, CR LF. */
static enum aof_scan_end take_number(struct aof_scan *s, char kind, uint64_t *v, struct err *e)
{
	const char *p = s->data + s->at;
	size_t left = s->len - s->at;

	if (left == 0)
		return AOF_SCAN_CUT;
	if (*p != kind)
		return bad(s, e, kind == '*' ? "no command" : "no argument");
	const char *nl = memchr(p, '\n', RP_MIN(left, (size_t)LINE_MAX_BYTES));
	if (nl == NULL)
		return left < LINE_MAX_BYTES ? AOF_SCAN_CUT : bad(s, e, "no end of a line");
	struct slice text = {p + 1, (size_t)(nl - p) - 1};
	if (text.len > 0 && text.ptr[text.len - 1] == '\r')
		text.len--;
	if (!num_parse_u64(text, v))
		return bad(s, e, kind == '*' ? "no number of arguments" : "no length of an argument");
	s->at += (size_t)(nl - p) + 1;
	return AOF_SCAN_COMMAND;
}

static bool push_arg(struct aof_scan *s, struct slice arg)
{
	if (s->argc == s->cap) {
		uint32_t cap = RP_MAX(2 * s->cap, 16u);
		struct slice *v = realloc(s->argv, cap * sizeof *v);
		if (v == NULL)
			return false;
		s->argv = v;
		s->cap = cap;
	}
	s->argv[s->argc++] = arg;
	return true;
}

static enum aof_scan_end take_arg(struct aof_scan *s, struct err *e)
{
	uint64_t n;
	enum aof_scan_end r = take_number(s, '$', &n, e);

	if (r != AOF_SCAN_COMMAND)
		return r;
	if (n > s->len - s->at || s->len - s->at - n < 2)
		return AOF_SCAN_CUT;
	struct slice arg = {s->data + s->at, n};
	if (memcmp(arg.ptr + n, "\r\n", 2) != 0) {
		s->at += n;
		return bad(s, e, "no end of an argument");
	}
	s->at += n + 2;
	return push_arg(s, arg) ? AOF_SCAN_COMMAND : AOF_SCAN_NOMEM;
}

enum aof_scan_end aof_scan_next(struct aof_scan *s, struct err *e)
{
	uint64_t argc;
	enum aof_scan_end r = skip_notes(s);

	s->argc = 0;
	if (r != AOF_SCAN_COMMAND)
		return r;
	r = take_number(s, '*', &argc, e);
	if (r == AOF_SCAN_COMMAND && (argc == 0 || argc > INT32_MAX)) {
		s->at = s->from;
		return bad(s, e, "no command");
	}
	for (uint64_t i = 0; i < argc && r == AOF_SCAN_COMMAND; i++)
		r = take_arg(s, e);
	return r;
}
