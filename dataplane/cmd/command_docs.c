/* COMMAND DOCS: summary, history, arguments. */
#include <stdio.h>

#include "cmd/command_reply.h"

static const char *const type_names[] = {
	[ARG_STRING] = "string",         [ARG_INTEGER] = "integer",
	[ARG_DOUBLE] = "double",         [ARG_KEY] = "key",
	[ARG_PATTERN] = "pattern",       [ARG_UNIX_TIME] = "unix-time",
	[ARG_PURE_TOKEN] = "pure-token", [ARG_ONEOF] = "oneof",
	[ARG_BLOCK] = "block",
};

static void reply_text(struct reply *r, const char *name, struct slice text)
{
	if (!text.len)
		return;
	reply_bulk_str(r, name);
	reply_bulk_slice(r, text);
}

static void reply_lower(struct reply *r, struct slice text)
{
	char buf[64];
	size_t n = RP_MIN(text.len, sizeof buf);

	for (size_t i = 0; i < n; i++)
		buf[i] = text.ptr[i] >= 'A' && text.ptr[i] <= 'Z' ? (char)(text.ptr[i] + 0x20) : text.ptr[i];
	reply_bulk(r, buf, n);
}

static void reply_arg_flags(struct reply *r, const struct cmd_docarg *a)
{
	reply_bulk_str(r, "flags");
	reply_set(r, a->optional + a->multiple + a->multiple_token);
	if (a->optional)
		reply_status(r, "optional");
	if (a->multiple)
		reply_status(r, "multiple");
	if (a->multiple_token)
		reply_status(r, "multiple_token");
}

static void reply_args(struct reply *r, struct slice text)
{
	struct cmd_docarg a;
	uint64_t n = 0;

	for (struct slice rest = text; cmd_docarg_next(&rest, &a);)
		n++;
	reply_bulk_str(r, "arguments");
	reply_array(r, n);
	while (cmd_docarg_next(&text, &a)) {
		bool flags = a.optional || a.multiple || a.multiple_token;
		bool shown = a.type != ARG_ONEOF && a.type != ARG_BLOCK;
		reply_map(r, 2u + shown + (a.key_spec >= 0) + (a.token.len > 0) + (a.since.len > 0) +
				     (a.deprecated.len > 0) + flags + (a.inner.len > 0));
		reply_bulk_str(r, "name");
		reply_lower(r, a.name);
		reply_bulk_str(r, "type");
		reply_bulk_str(r, type_names[a.type]);
		if (shown) {
			reply_bulk_str(r, "display_text");
			reply_lower(r, a.name);
		}
		if (a.key_spec >= 0) {
			reply_bulk_str(r, "key_spec_index");
			reply_int(r, a.key_spec);
		}
		reply_text(r, "token", a.token);
		reply_text(r, "since", a.since);
		reply_text(r, "deprecated_since", a.deprecated);
		if (flags)
			reply_arg_flags(r, &a);
		if (a.inner.len)
			reply_args(r, a.inner);
	}
}

static void reply_history(struct reply *r, struct slice text)
{
	struct slice entry, version;
	uint64_t n = 0;

	if (!text.len)
		return;
	for (struct slice rest = text; cmd_word_next(&rest, "|", &entry);)
		n++;
	reply_bulk_str(r, "history");
	reply_set(r, n);
	while (cmd_word_next(&text, "|", &entry)) {
		cmd_word_next(&entry, " ", &version);
		reply_array(r, 2);
		reply_bulk_slice(r, version);
		reply_bulk(r, entry.ptr + 1, entry.len - 1);
	}
}

static uint64_t count_subs(const struct cmd *cmd)
{
	uint64_t n = 0;

	for (const struct cmd *sub = NULL; (sub = cmd_sub_next(cmd, sub)) != NULL;)
		n += !(sub->flags & CMD_F_HIDDEN);
	return n;
}

static void reply_subs(struct reply *r, const struct cmd *cmd, uint64_t n)
{
	reply_bulk_str(r, "subcommands");
	reply_map(r, n);
	for (const struct cmd *sub = NULL; (sub = cmd_sub_next(cmd, sub)) != NULL;)
		if (!(sub->flags & CMD_F_HIDDEN))
			command_reply_docs(r, sub);
}

void command_reply_docs(struct reply *r, const struct cmd *cmd)
{
	const struct cmd_doc *d = cmd->doc;
	uint64_t subs = count_subs(cmd);
	uint64_t n = 4u + (d->doc_flags != NULL) + (d->deprecated != NULL) + (d->replaced_by != NULL) +
		     (d->history != NULL) + (d->args != NULL) + (subs > 0);

	reply_bulk_str(r, cmd->name);
	reply_map(r, n);
	reply_text(r, "summary", cmd_text(d->summary));
	reply_text(r, "since", cmd_text(d->since));
	reply_text(r, "group", cmd_text(d->group));
	reply_text(r, "complexity", cmd_text(d->complexity));
	if (d->doc_flags) {
		reply_bulk_str(r, "doc_flags");
		command_reply_flags(r, cmd_text(d->doc_flags), false);
	}
	reply_text(r, "deprecated_since", cmd_text(d->deprecated));
	reply_text(r, "replaced_by", cmd_text(d->replaced_by));
	reply_history(r, cmd_text(d->history));
	if (d->args)
		reply_args(r, cmd_text(d->args));
	if (subs > 0)
		reply_subs(r, cmd, subs);
}
