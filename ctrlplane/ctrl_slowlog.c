/* The slow log: the latest slow commands of all threads, newest first. */
#include <stdio.h>
#include <stdlib.h>

#include "ctrlplane/ctrl.h"

struct slow_entry {
	struct slow_entry *older, *newer;
	uint64_t id;
	struct slow_note note; /* with its text behind it; must be last */
};

struct slowlog {
	struct slow_entry *newest, *oldest;
	uint64_t next_id;
	uint32_t len;
};

struct slowlog *slowlog_create(void)
{
	return calloc(1, sizeof(struct slowlog));
}

void slowlog_trim(struct slowlog *l, uint32_t max_len)
{
	while (l->len > max_len) {
		struct slow_entry *e = l->oldest;
		l->oldest = e->newer;
		if (l->oldest != NULL)
			l->oldest->older = NULL;
		else
			l->newest = NULL;
		free(e);
		l->len--;
	}
}

void slowlog_destroy(struct slowlog *l)
{
	if (l == NULL)
		return;
	slowlog_trim(l, 0);
	free(l);
}

void slowlog_add(struct slowlog *l, const struct slow_note *n, uint32_t max_len)
{
	size_t text = 0;

	for (uint32_t i = 0; i < n->argc; i++)
		text += n->len[i];
	struct slow_entry *e = malloc(sizeof *e + text);
	if (e == NULL)
		return; /* the log is for people: nothing depends on it */
	memcpy(&e->note, n, sizeof *n + text);
	e->note.heap = NULL;
	e->id = l->next_id++;
	e->newer = NULL;
	e->older = l->newest;
	if (l->newest != NULL)
		l->newest->newer = e;
	else
		l->oldest = e;
	l->newest = e;
	l->len++;
	slowlog_trim(l, max_len);
}

/* ---- SLOWLOG ---- */

static void reply_arg(struct reply *r, const char *text, const struct slow_note *n, uint32_t i)
{
	char cut[SLOW_ARG_BYTES + 48];

	if (n->cut[i] == 0) {
		reply_bulk(r, text, n->len[i]);
		return;
	}
	int len = snprintf(cut + n->len[i], sizeof cut - n->len[i], "... (%u more bytes)", n->cut[i]);
	memcpy(cut, text, n->len[i]);
	reply_bulk(r, cut, n->len[i] + (size_t)len);
}

/* The last of the arguments kept gives its place to the number of those that are missing. */
static void reply_args(struct reply *r, const struct slow_note *n)
{
	const char *text = n->text;
	bool more = n->argc_total > n->argc;
	uint32_t shown = more && n->argc > 0 ? n->argc - 1 : n->argc;

	reply_array(r, shown + more);
	for (uint32_t i = 0; i < shown; i++) {
		reply_arg(r, text, n, i);
		text += n->len[i];
	}
	if (more) {
		char note[48];
		snprintf(note, sizeof note, "... (%u more arguments)", n->argc_total - shown);
		reply_bulk_str(r, note);
	}
}

static void slowlog_get(struct cmd_ctx *c)
{
	const struct slowlog *l = ctrl_of(c)->slowlog;
	int64_t count = 10;
	char addr[ENDPOINT_TEXT_MAX];

	if (c->argc > 3) {
		reply_error(c->out, "ERR unknown subcommand or wrong number of arguments for 'GET'. Try SLOWLOG HELP.");
		return;
	}
	if (c->argc == 3 &&
	    !cmd_arg_i64_in(c, 2, -1, INT64_MAX, &count, "ERR count should be greater than or equal to -1"))
		return;
	uint64_t n = count == -1 || count > l->len ? l->len : (uint64_t)count;
	reply_array(c->out, n);
	for (const struct slow_entry *e = l->newest; n > 0; e = e->older, n--) {
		reply_array(c->out, 6);
		reply_int(c->out, (int64_t)e->id);
		reply_int(c->out, e->note.wall_us / 1000000);
		reply_int(c->out, (int64_t)e->note.us);
		reply_args(c->out, &e->note);
		endpoint_format(&e->note.addr, addr, sizeof addr);
		reply_bulk_str(c->out, addr);
		reply_bulk_str(c->out, e->note.name);
	}
}

static void slowlog_len(struct cmd_ctx *c)
{
	reply_int(c->out, ctrl_of(c)->slowlog->len);
}

static void slowlog_reset(struct cmd_ctx *c)
{
	slowlog_trim(ctrl_of(c)->slowlog, 0);
	reply_ok(c->out);
}

void ctrl_bind_slowlog(void)
{
	cmd_bind("slowlog|get", slowlog_get);
	cmd_bind("slowlog|len", slowlog_len);
	cmd_bind("slowlog|reset", slowlog_reset);
}
