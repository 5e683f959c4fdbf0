/* A row as COMMAND INFO and COMMAND DOCS answer it. */
#pragma once

#include "cmd/table.h"

/* One element of COMMAND INFO, with its subcommands. */
void command_reply_info(struct reply *r, const struct cmd *cmd);
/* Name and documentation: one pair of COMMAND DOCS. */
void command_reply_docs(struct reply *r, const struct cmd *cmd);
/* Words as a set of flags. `settled`: they are about one request, so "variable_flags" is not among them. */
void command_reply_flags(struct reply *r, struct slice words, bool settled);
