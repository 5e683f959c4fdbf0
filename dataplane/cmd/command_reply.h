/* A row as COMMAND INFO and COMMAND DOCS answer it. */
#pragma once

#include "cmd/table.h"

/* One element of COMMAND INFO, with its subcommands. */
void command_reply_info(struct reply *r, const struct cmd *cmd);
/* Name and documentation: one pair of COMMAND DOCS. */
void command_reply_docs(struct reply *r, const struct cmd *cmd);
/* Words of a key spec as a set of flags. */
void command_reply_keyflags(struct reply *r, struct slice words);
/* Number of words in s. */
uint32_t command_words(struct slice s);
/* Bit of an ACL category, 0 if there is none of that name. */
uint32_t command_category(struct slice name);
