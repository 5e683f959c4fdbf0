/* MONITOR: which commands its clients see, and how. */
#pragma once

#include "cmd/cmd.h"

/* What administrators do is nobody else's business. */
static inline bool monitor_shows(const struct cmd *cmd)
{
	return !(cmd->flags & CMD_F_ADMIN);
}

/* Word i as people may see it, here and in the slow log: passwords, and what tells of users, are left out, as in Redis.
 */
struct slice monitor_word(const struct cmd *cmd, const struct slice *argv, uint32_t i);
/* Room that is enough for the line of a request. */
size_t monitor_line_max(uint32_t argc, const struct slice *argv);
/* The line behind its time: `[db addr] "word" ...\r\n`; passwords are left out. from: NULL for a script. Returns its
 * length. */
size_t monitor_line(char *buf, const struct cmd *cmd, uint32_t argc, const struct slice *argv, uint32_t db,
		    const struct endpoint *from);
