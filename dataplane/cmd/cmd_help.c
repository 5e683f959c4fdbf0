/* HELP of every container, written from the rows of its subcommands. */
#include <stdio.h>

#include "cmd/handlers.h"
#include "cmd/table.h"

#define HELP_LINE 512

/* A line under construction; what does not fit is cut. */
struct line {
	char text[HELP_LINE];
	size_t len;
};

static void line_add(struct line *l, const char *ptr, size_t len)
{
	size_t n = RP_MIN(len, sizeof l->text - 1 - l->len);

	memcpy(l->text + l->len, ptr, n);
	l->len += n;
	l->text[l->len] = '\0';
}

static void line_str(struct line *l, const char *s)
{
	line_add(l, s, strlen(s));
}

static void line_upper(struct line *l, const char *s)
{
	for (; *s; s++) {
		char ch = *s >= 'a' && *s <= 'z' ? (char)(*s - 0x20) : *s;
		line_add(l, &ch, 1);
	}
}

static void line_args(struct line *l, struct slice args, const char *between);

static void line_arg(struct line *l, const struct cmd_docarg *a)
{
	if (a->token.len)
		line_add(l, a->token.ptr, a->token.len);
	if (a->type == ARG_PURE_TOKEN)
		return;
	if (a->token.len)
		line_str(l, " ");
	if (a->type == ARG_ONEOF) {
		/* the brackets of an optional argument are enough around the choice */
		bool bare = a->optional && !a->token.len && !a->multiple;
		line_str(l, bare ? "" : "(");
		line_args(l, a->inner, "|");
		line_str(l, bare ? "" : ")");
	} else if (a->type == ARG_BLOCK) {
		line_args(l, a->inner, " ");
	} else {
		line_str(l, "<");
		line_add(l, a->name.ptr, a->name.len);
		line_str(l, ">");
	}
}

static void line_args(struct line *l, struct slice args, const char *between)
{
	struct cmd_docarg a;

	for (bool first = true; cmd_docarg_next(&args, &a); first = false) {
		if (!first)
			line_str(l, between);
		if (a.optional)
			line_str(l, "[");
		line_arg(l, &a);
		if (a.multiple)
			line_str(l, " ...");
		if (a.optional)
			line_str(l, "]");
	}
}

static void reply_summary(struct reply *r, const char *summary)
{
	struct line l = {.len = 0};

	line_str(&l, "    ");
	line_str(&l, summary);
	line_str(&l, ".");
	reply_status(r, l.text);
}

void cmd_help(struct cmd_ctx *c)
{
	const struct cmd *parent = cmd_at((uint32_t)c->cmd->parent), *sub = NULL;
	struct line l = {.len = 0};
	uint64_t lines = 1;

	while ((sub = cmd_sub_next(parent, sub)) != NULL)
		lines += 2;
	reply_array(c->out, lines);
	line_upper(&l, parent->name);
	line_str(&l, " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
	reply_status(c->out, l.text);
	while ((sub = cmd_sub_next(parent, sub)) != NULL) {
		l.len = 0;
		line_upper(&l, cmd_own_name(sub));
		if (sub->doc->args)
			line_str(&l, " ");
		line_args(&l, cmd_text(sub->doc->args), " ");
		reply_status(c->out, l.text);
		reply_summary(c->out, sub == c->cmd ? "Prints this help" : sub->doc->summary);
	}
}
