/* Prints docs/commands.md from the table of commands. `make format` writes the file, a test compares. */
#include <stdio.h>
#include <string.h>

#include "cmd/table.h"

static const char *const groups[] = {"string", "bitmap", "generic", "connection", "server"};

static const char *where(const struct cmd *c)
{
	switch ((enum cmd_route)c->route) {
	case CMD_HOME:
		return "client's worker";
	case CMD_KEYS:
		return "keys' shard(s)";
	case CMD_ALL:
		return "all shards";
	case CMD_CURSOR:
		return "cursor's shard";
	case CMD_CONTROL:
		return "control thread";
	}
	return "";
}

static void print_row(const struct cmd *c)
{
	char name[64];
	snprintf(name, sizeof name, "%s", c->name);
	for (char *p = name; *p != '\0'; p++)
		*p = *p == '|' ? ' ' : (char)(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
	printf("| `%s` | %s | %s | %s | %s |\n", name, c->doc->since, where(c), c->doc->complexity, c->doc->summary);
}

int main(void)
{
	cmd_table_init();
	printf("# Commands\n\n"
	       "Generated from `dataplane/cmd/table.def`. A command that is not here does not exist in `COMMAND` and "
	       "answers "
	       "`unknown command`.\n\n"
	       "*Where*: a command whose keys lie on one shard runs on that shard's worker; on several, it runs under "
	       "a lease of "
	       "them all, so it is atomic. Differences from Redis are listed with their reasons in "
	       "`tests/diff/known.py`.\n");
	for (size_t g = 0; g < sizeof groups / sizeof *groups; g++) {
		printf("\n## %s\n\n| command | since | where | complexity | what |\n|---|---|---|---|---|\n",
		       groups[g]);
		for (uint32_t i = 0; i < cmd_count; i++) {
			const struct cmd *c = cmd_at(i);
			if (strcmp(c->doc->group, groups[g]) == 0 && !(c->flags & (CMD_F_HIDDEN | CMD_F_CONTAINER)))
				print_row(c);
		}
	}
	printf("\n## of our own, not shown by COMMAND\n\n| command | since | where | complexity | what "
	       "|\n|---|---|---|---|---|\n");
	for (uint32_t i = 0; i < cmd_count; i++)
		if ((cmd_at(i)->flags & CMD_F_HIDDEN) && !(cmd_at(i)->flags & CMD_F_CONTAINER))
			print_row(cmd_at(i));
	return 0;
}
