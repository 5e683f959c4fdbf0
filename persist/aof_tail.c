#include "persist/aof_tail.h"

#include "persist/aof_frame.h"

#define MARK_BYTES (sizeof AOF_FRAME_MARK - 1)

/* Zeros are fill that the file system did not keep, as the last piece of it may not have been synced. */
static bool may_be_fill(const char *data, size_t at)
{
	return data[at] == '#' || data[at] == '\0' || (data[at] == '\n' && aof_fill_byte(at) == '\n');
}

/* At least one of them is kept behind every write that goes over fill. (Where an end of a line may be is known.) */
static bool has_line(const char *data, size_t len)
{
	char line[AOF_FILL_LINE];

	for (size_t i = 0; i < AOF_FILL_LINE; i++)
		line[i] = aof_fill_byte(i);
	return memmem(data, len, line, sizeof line) != NULL;
}

void aof_tail_init(struct aof_tail *t, const char *data, size_t len, size_t from)
{
	size_t at = len;

	while (at > from && may_be_fill(data, at - 1))
		at--;
	*t = (struct aof_tail){.fill = at, .commands = from, .gap = SIZE_MAX, .last = AOF_SCAN_COMMAND};
	t->filled = has_line(data + at, len - at);
	aof_scan_init(&t->scan, data, len, from);
}

void aof_tail_fini(struct aof_tail *t)
{
	aof_scan_fini(&t->scan);
}

static bool head_at(const struct aof_scan *s, size_t at)
{
	return s->len - at >= MARK_BYTES && memcmp(s->data + at, AOF_FRAME_MARK, MARK_BYTES) == 0;
}

/* A write that never got to the disk, though others did that came after it: fill stands between two frames. */
static void look_for_gap(struct aof_tail *t, size_t head)
{
	const struct aof_scan *s = &t->scan;
	struct aof_frame f;

	if (aof_frame_parse(s->data, s->len, head, &f) && f.end == t->commands && !head_at(s, f.end))
		t->gap = RP_MIN(t->gap, f.end);
}

bool aof_tail_step(struct aof_tail *t)
{
	bool framed = t->scan.framed;
	size_t head = t->scan.head;

	if (!t->filled || t->last != AOF_SCAN_COMMAND)
		return false;
	t->last = aof_scan_next(&t->scan, &t->bad);
	if (framed && t->scan.head != head)
		look_for_gap(t, head);
	if (t->last == AOF_SCAN_COMMAND)
		t->commands = t->scan.at;
	return t->last == AOF_SCAN_COMMAND;
}

/* Does a whole frame stand anywhere behind `at`? */
static bool frame_behind(const struct aof_scan *s, size_t at)
{
	const char *p = s->data + at, *end = s->data + s->len;
	struct aof_frame f;

	while ((p = memmem(p, (size_t)(end - p), AOF_FRAME_MARK, MARK_BYTES)) != NULL) {
		if (aof_frame_parse(s->data, s->len, (size_t)(p - s->data), &f) && aof_frame_whole(s->data, s->len, &f))
			return true;
		p++;
	}
	return false;
}

/* Of the commands nothing is wrong: what stopped the scan, if anything, is fill. */
static bool clean(const struct aof_tail *t)
{
	return t->last == AOF_SCAN_END || (t->last != AOF_SCAN_NOMEM && t->scan.from >= t->fill);
}

/* at: the place, unless the scan has found one. */
static enum aof_tail_end damaged(const struct aof_tail *t, size_t at, size_t *end, struct err *e)
{
	if (clean(t)) {
		*end = at;
		err_set(e, "a write that is not whole, and others follow");
		return AOF_TAIL_BAD_FRAME;
	}
	*end = t->scan.from;
	err_set(e, "%s", t->last == AOF_SCAN_BAD ? t->bad.text : "no end of a command");
	return AOF_TAIL_BAD_COMMAND;
}

/* Do commands begin there that are in no frame? */
static bool commands_at(const struct aof_scan *s, size_t at)
{
	return at + 4 <= s->len && (s->data[at] == '*' || memcmp(s->data + at, "#TS:", 4) == 0);
}

/* Behind fill that follows the last frame. Redis-server may have put them there, and what the file ends with is then no
 * fill but a value that looks like it; or they are the inside of a value, whose command's front power loss has taken.
 */
static bool unframed(const struct aof_tail *t, size_t at)
{
	size_t end = at;

	while (end < t->fill && t->scan.data[end] != '\0' && may_be_fill(t->scan.data, end))
		end++;
	size_t piece = end / AOF_SECTOR * AOF_SECTOR + AOF_FILL_LINE;
	if (piece > end)
		piece -= RP_MIN(piece, (size_t)AOF_SECTOR);
	return piece > at && commands_at(&t->scan, piece);
}

/* The last frame is whole, and something that no frame holds is behind it: what is left of a write whose head is not
 * there, unless others have written it. */
static enum aof_tail_end behind_frame(const struct aof_tail *t, const struct aof_frame *f, size_t *end, struct err *e)
{
	if (!clean(t) && t->scan.from < f->end)
		return damaged(t, t->scan.from, end, e);
	/* No write over fill begins like that. */
	if (commands_at(&t->scan, f->end))
		return AOF_TAIL_PLAIN;
	if (unframed(t, f->end)) {
		*end = f->end;
		err_set(e, "commands in no round: what is left of one, or redis-server's (then add a line of '#.' to "
			   "the file instead)");
		return AOF_TAIL_BAD_FRAME;
	}
	if (frame_behind(&t->scan, f->end))
		return damaged(t, f->end, end, e);
	*end = f->end;
	return AOF_TAIL_TORN;
}

/* The last frame is not whole. f: what its head says; NULL: that is not whole, either. */
static enum aof_tail_end in_frame(const struct aof_tail *t, const struct aof_frame *f, size_t *end, struct err *e)
{
	if (f != NULL ? f->end < t->fill : frame_behind(&t->scan, t->scan.head))
		return damaged(t, t->scan.head, end, e);
	*end = t->scan.head;
	return AOF_TAIL_TORN;
}

enum aof_tail_end aof_tail_find(struct aof_tail *t, size_t *end, struct err *e)
{
	const struct aof_scan *s = &t->scan;
	struct aof_frame f;

	*end = t->commands;
	if (!t->filled)
		return AOF_TAIL_PLAIN;
	if (t->last == AOF_SCAN_NOMEM) {
		err_set(e, "out of memory for a command");
		return AOF_TAIL_BAD_COMMAND;
	}
	if (t->gap != SIZE_MAX)
		return damaged(t, t->gap, end, e);
	if (!s->framed) /* no write has gone over it */
		return clean(t) ? AOF_TAIL_WHOLE : AOF_TAIL_PLAIN;
	if (!aof_frame_parse(s->data, s->len, s->head, &f))
		return in_frame(t, NULL, end, e);
	if (!aof_frame_whole(s->data, s->len, &f))
		return in_frame(t, &f, end, e);
	if (!clean(t) || t->commands > f.end)
		return behind_frame(t, &f, end, e);
	*end = f.end;
	return AOF_TAIL_WHOLE;
}
