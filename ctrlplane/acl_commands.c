/* Rules about commands. The words are kept in the order in which they were given, as Redis 7.2 prints them; a later
 * word about the same command or category replaces an earlier one. */
#include <ctype.h>
#include <stdlib.h>

#include "ctrlplane/acl_priv.h"

static int err_unknown(struct err *e)
{
	return err_set(e, "Unknown command or category name in ACL");
}

/* Hidden rows are none of Redis's commands: rules are about the command that they belong to. */
static const struct cmd *find_command(struct slice name)
{
	const struct cmd *cmd = cmd_find(name);

	return cmd != NULL && acl_command(cmd) == cmd ? cmd : NULL;
}

/* ---- bits ---- */

static void set_bit(struct acl_selector *s, const struct cmd *cmd, bool allow)
{
	uint64_t bit = 1ull << (cmd->id % 64);

	if (allow) {
		s->commands[cmd->id / 64] |= bit;
		return;
	}
	s->commands[cmd->id / 64] &= ~bit;
	s->flags &= ~ACL_S_ALL_COMMANDS;
}

static void forget_first_args(struct acl_selector *s, const struct cmd *cmd)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->nfirst_args; i++) {
		if (s->first_args[i].cmd == cmd->id)
			free((char *)s->first_args[i].word.ptr);
		else
			s->first_args[n++] = s->first_args[i];
	}
	s->nfirst_args = n;
}

static void forget_all_first_args(struct acl_selector *s)
{
	for (uint32_t i = 0; i < s->nfirst_args; i++)
		free((char *)s->first_args[i].word.ptr);
	s->nfirst_args = 0;
}

/* A command with its subcommands. */
static void set_command(struct acl_selector *s, const struct cmd *cmd, bool allow)
{
	set_bit(s, cmd, allow);
	forget_first_args(s, cmd);
	for (uint32_t i = 0; i < cmd_count; i++)
		if (cmd_at(i)->parent == cmd->id)
			set_bit(s, cmd_at(i), allow);
}

static void set_category(struct acl_selector *s, uint32_t category, bool allow)
{
	for (uint32_t i = 0; i < cmd_count; i++)
		if (cmd_categories(cmd_at(i)) & category) {
			set_bit(s, cmd_at(i), allow);
			forget_first_args(s, cmd_at(i));
		}
}

static void set_every_command(struct acl_selector *s, bool allow)
{
	memset(s->commands, allow ? 0xff : 0, sizeof s->commands);
	s->flags &= ~(ACL_S_ALL_COMMANDS | ACL_S_FUTURE);
	if (allow)
		s->flags |= ACL_S_ALL_COMMANDS | ACL_S_FUTURE;
	forget_all_first_args(s);
	if (s->rules.ptr != NULL)
		((char *)s->rules.ptr)[0] = '\0';
	s->rules.len = 0;
}

static int allow_first_arg(struct acl_selector *s, const struct cmd *cmd, struct slice word, struct err *e)
{
	for (uint32_t i = 0; i < s->nfirst_args; i++)
		if (s->first_args[i].cmd == cmd->id && slice_is(word, s->first_args[i].word.ptr))
			return 0;
	struct slice copy = acl_text_copy(word);
	struct acl_first_arg *a = copy.ptr != NULL ? acl_array_push((void **)&s->first_args, &s->nfirst_args, sizeof *a)
						   : NULL;
	if (a == NULL) {
		free((char *)copy.ptr);
		return acl_err_memory(e);
	}
	*a = (struct acl_first_arg){cmd->id, copy};
	return 0;
}

/* ---- the words ---- */

/* Is `old` (without its sign) the word `now`, or one about a subcommand of it? */
static bool replaces(struct slice now, struct slice old)
{
	return old.len >= now.len && memcmp(old.ptr, now.ptr, now.len) == 0 &&
	       (old.len == now.len || old.ptr[now.len] == '|');
}

static int keep_word(struct acl_selector *s, struct slice word, bool allow, struct err *e)
{
	char *text = malloc(s->rules.len + word.len + 3), *lower = malloc(word.len + 1);
	size_t n = 0;

	if (text == NULL || lower == NULL) {
		free(text);
		free(lower);
		return acl_err_memory(e);
	}
	for (size_t i = 0; i < word.len; i++)
		lower[i] = (char)tolower((unsigned char)word.ptr[i]);
	for (size_t i = 0; i < s->rules.len;) {
		const char *rule = s->rules.ptr + i, *end = memchr(rule, ' ', s->rules.len - i);
		size_t len = end != NULL ? (size_t)(end - rule) : s->rules.len - i;
		i += len + 1;
		if (replaces((struct slice){lower, word.len}, (struct slice){rule + 1, len - 1}))
			continue;
		memcpy(text + n, rule, len);
		text[n + len] = ' ';
		n += len + 1;
	}
	text[n++] = allow ? '+' : '-';
	memcpy(text + n, lower, word.len);
	n += word.len;
	text[n] = '\0';
	free(lower);
	free((char *)s->rules.ptr);
	s->rules = (struct slice){text, n};
	return 0;
}

static int set_one(struct acl_selector *s, struct slice name, bool allow, struct err *e)
{
	const struct cmd *cmd = find_command(name);

	if (cmd == NULL)
		return err_unknown(e);
	set_command(s, cmd, allow);
	return keep_word(s, (struct slice){cmd->name, strlen(cmd->name)}, allow, e);
}

/* "command|word": a subcommand, or only this first argument of a command that has no subcommands. */
static int allow_part(struct acl_selector *s, struct slice name, size_t bar, struct err *e)
{
	const struct cmd *cmd = find_command((struct slice){name.ptr, bar});
	struct slice word = {name.ptr + bar + 1, name.len - bar - 1};

	if (cmd == NULL)
		return err_unknown(e);
	if (cmd->parent >= 0)
		return err_set(e, "Allowing first-arg of a subcommand is not supported");
	if (word.len == 0)
		return acl_err_syntax(e);
	const struct cmd *sub = cmd_find(name);
	if (sub == NULL || acl_command(sub) != sub) {
		/* the rows below DEBUG are ours: to Redis their words are first arguments */
		if (cmd->flags & CMD_F_CONTAINER && !(cmd->flags & CMD_F_PROTECTED))
			return err_unknown(e);
		if (allow_first_arg(s, cmd, word, e))
			return -1;
	} else {
		set_command(s, sub, true);
	}
	return keep_word(s, name, true, e);
}

int acl_commands_set(struct acl_selector *s, struct slice rule, struct err *e)
{
	bool all = slice_is(rule, "allcommands") || slice_is(rule, "+@all");

	if (all || slice_is(rule, "nocommands") || slice_is(rule, "-@all")) {
		set_every_command(s, all);
		return 0;
	}
	if (rule.len == 0 || (rule.ptr[0] != '+' && rule.ptr[0] != '-'))
		return acl_err_syntax(e);
	bool allow = rule.ptr[0] == '+';
	struct slice name = {rule.ptr + 1, rule.len - 1};
	if (name.len > 0 && name.ptr[0] == '@') {
		uint32_t category = cmd_category((struct slice){name.ptr + 1, name.len - 1});
		if (category == 0)
			return err_unknown(e);
		set_category(s, category, allow);
		return keep_word(s, name, allow, e);
	}
	const char *bar = name.len > 0 ? memrchr(name.ptr, '|', name.len) : NULL;
	if (allow && bar != NULL)
		return allow_part(s, name, (size_t)(bar - name.ptr), e);
	return set_one(s, name, allow, e);
}
