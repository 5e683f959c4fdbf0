/* COMMAND: what the table says, to clients. */
#include <stdlib.h>

#include "cmd/acl_keys.h"
#include "base/glob.h"
#include "cmd/command_reply.h"
#include "cmd/handlers.h"

#define GETKEYS_INLINE 64

static bool is_top(const struct cmd *cmd)
{
	return cmd->parent < 0 && !(cmd->flags & CMD_F_HIDDEN);
}

static uint32_t count_top(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < cmd_count; i++)
		n += is_top(cmd_at(i));
	return n;
}

/* The row of a name as COMMAND takes it; hidden rows are not there. */
static const struct cmd *visible(struct slice name)
{
	const struct cmd *cmd = cmd_find(name);

	return cmd != NULL && !(cmd->flags & CMD_F_HIDDEN) ? cmd : NULL;
}

static void info_all(struct cmd_ctx *c)
{
	reply_array(c->out, count_top());
	for (uint32_t i = 0; i < cmd_count; i++)
		if (is_top(cmd_at(i)))
			command_reply_info(c->out, cmd_at(i));
}

void cmd_command(struct cmd_ctx *c)
{
	info_all(c);
}

void cmd_command_info(struct cmd_ctx *c)
{
	if (c->argc == 2) {
		info_all(c);
		return;
	}
	reply_array(c->out, c->argc - 2);
	for (uint32_t i = 2; i < c->argc; i++) {
		const struct cmd *cmd = visible(c->argv[i]);
		if (cmd != NULL)
			command_reply_info(c->out, cmd);
		else
			reply_null(c->out);
	}
}

void cmd_command_count(struct cmd_ctx *c)
{
	reply_int(c->out, count_top());
}

void cmd_command_docs(struct cmd_ctx *c)
{
	struct reply sub;
	uint64_t n = 0;

	reply_sub_begin(c->out, &sub);
	for (uint32_t i = 0; c->argc == 2 && i < cmd_count; i++) {
		if (!is_top(cmd_at(i)))
			continue;
		command_reply_docs(&sub, cmd_at(i));
		n++;
	}
	for (uint32_t i = 2; i < c->argc; i++) {
		const struct cmd *cmd = visible(c->argv[i]);
		if (cmd == NULL)
			continue;
		command_reply_docs(&sub, cmd);
		n++;
	}
	reply_sub_end(c->out, &sub, REPLY_MAP, n);
}

enum list_filter {
	LIST_ALL,
	LIST_ACLCAT,
	LIST_PATTERN,
	LIST_MODULE,
};

static bool list_shows(const struct cmd *cmd, enum list_filter by, struct slice what, uint32_t cat)
{
	switch (by) {
	case LIST_ACLCAT:
		return cmd_categories(cmd) & cat;
	case LIST_PATTERN:
		return glob_match(what, cmd_text(cmd->name), true);
	case LIST_MODULE:
		return false;
	default:
		return true;
	}
}

void cmd_command_list(struct cmd_ctx *c)
{
	enum list_filter by = LIST_ALL;
	struct slice what = {NULL, 0};
	struct reply sub;
	uint64_t n = 0;

	if (c->argc > 2) {
		if (c->argc == 5 && cmd_arg_is(c, 2, "filterby"))
			by = cmd_arg_is(c, 3, "aclcat")    ? LIST_ACLCAT
			     : cmd_arg_is(c, 3, "pattern") ? LIST_PATTERN
			     : cmd_arg_is(c, 3, "module")  ? LIST_MODULE
							   : LIST_ALL;
		if (by == LIST_ALL) {
			cmd_err_syntax(c);
			return;
		}
		what = c->argv[4];
	}
	uint32_t cat = by == LIST_ACLCAT ? cmd_category(what) : 0;
	reply_sub_begin(c->out, &sub);
	for (uint32_t i = 0; i < cmd_count; i++) {
		const struct cmd *cmd = cmd_at(i);
		if (cmd->flags & CMD_F_HIDDEN || !list_shows(cmd, by, what, cat))
			continue;
		reply_bulk_str(&sub, cmd->name);
		n++;
	}
	reply_sub_end(c->out, &sub, REPLY_ARRAY, n);
}

/* The flags of the keys of one spec in this request: `variable_flags` depend on its words. */
static struct slice spec_flags(const struct cmd *cmd, const struct cmd_keyspec *ks, uint32_t argc,
			       const struct slice *argv)
{
	struct slice flags = cmd_text(cmd->doc->variable), words, word;
	uint32_t options = (uint32_t)abs(cmd->arity); /* behind the arguments that every request has */

	if (!flags.len)
		return ks->flags;
	cmd_word_next(&flags, ":", &words);
	while (cmd_word_next(&words, " ", &word))
		for (uint32_t i = options; i < argc; i++) {
			char text[16] = {0};
			memcpy(text, word.ptr, RP_MIN(word.len, sizeof text - 1));
			if (slice_is(argv[i], text))
				return ks->flags;
		}
	flags.ptr++;
	flags.len--;
	return flags;
}

static bool spec_has(const struct cmd_keyspec *ks, uint32_t argc, const struct slice *argv, uint32_t idx)
{
	uint32_t from, n, step = (uint32_t)ks->step;

	return cmd_keyspec_find(ks, argc, argv, &from, &n) && idx >= from && (idx - from) % step == 0 &&
	       (idx - from) / step < n;
}

static void reply_key_flags(struct reply *r, const struct cmd *cmd, uint32_t argc, const struct slice *argv,
			    uint32_t idx)
{
	struct slice rest = cmd_text(cmd->doc->specs);
	struct slice flags = {NULL, 0}; /* of the last spec that does not say where its keys are, if no other does */
	struct cmd_keyspec ks;

	while (cmd_keyspec_next(&rest, &ks)) {
		if (ks.unknown)
			flags = ks.flags;
		if (spec_has(&ks, argc, argv, idx)) {
			flags = spec_flags(cmd, &ks, argc, argv);
			break;
		}
	}
	command_reply_flags(r, flags, true);
}

static void reply_keys(struct reply *r, const struct cmd *cmd, uint32_t argc, const struct slice *argv,
		       const uint32_t *idx, uint32_t n, bool with_flags)
{
	reply_array(r, n);
	for (uint32_t i = 0; i < n; i++) {
		if (with_flags)
			reply_array(r, 2);
		reply_bulk_slice(r, argv[idx[i]]);
		if (with_flags)
			reply_key_flags(r, cmd, argc, argv, idx[i]);
	}
}

/* Channels stand where keys do, and are none. */
static bool has_keys(const struct cmd *cmd)
{
	struct slice rest = cmd_text(cmd->doc->specs);
	struct cmd_keyspec ks;
	bool some = cmd->key_first != 0 || cmd->getkeys != NULL, any = rest.len == 0;

	while (some && !any && cmd_keyspec_next(&rest, &ks))
		any = !acl_keys_are_not(ks.flags);
	return some && any;
}

/* The command that the request names, if it has keys and may have that many arguments. */
static const struct cmd *keyed_command(struct cmd_ctx *c, uint32_t argc, const struct slice *argv)
{
	const struct cmd *cmd = cmd_lookup(argc, argv);
	const char *err = NULL;

	if (cmd == NULL)
		err = "ERR Invalid command specified";
	else if (!has_keys(cmd))
		err = "ERR The command has no key arguments";
	else if (!cmd_arity_ok(cmd, argc))
		err = "ERR Invalid number of arguments specified for command";
	if (err != NULL)
		reply_error(c->out, err);
	return err == NULL ? cmd : NULL;
}

static void getkeys(struct cmd_ctx *c, bool with_flags)
{
	uint32_t argc = c->argc - 2, few[GETKEYS_INLINE], *idx = few;
	const struct slice *argv = c->argv + 2;
	const struct cmd *cmd = keyed_command(c, argc, argv);

	if (cmd == NULL)
		return;
	int n = cmd_getkeys(cmd, argc, argv, few, GETKEYS_INLINE);
	if (n < 0 && (cmd->flags & CMD_F_NO_MANDATORY_KEYS)) {
		n = 0;
	} else if (n < 0) {
		reply_error(c->out, "ERR Invalid arguments specified for command");
		return;
	}
	if (n > GETKEYS_INLINE) {
		idx = heap_alloc(c->env->heap, (size_t)n * sizeof *idx);
		if (idx == NULL) {
			cmd_err_oom(c);
			return;
		}
		cmd_getkeys(cmd, argc, argv, idx, (uint32_t)n);
	}
	reply_keys(c->out, cmd, argc, argv, idx, (uint32_t)n, with_flags);
	if (idx != few)
		heap_free(c->env->heap, idx);
}

void cmd_command_getkeys(struct cmd_ctx *c)
{
	getkeys(c, false);
}

void cmd_command_getkeysandflags(struct cmd_ctx *c)
{
	getkeys(c, true);
}
