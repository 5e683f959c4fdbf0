/* The handlers named by the table's rows. */
#pragma once

#include "cmd/cmd.h"

#define CMD(name, arity, flags, cats, route, handler, ...) void handler(struct cmd_ctx *c);
#define CONTAINER(...)
#define CONTROL(...)
#define SCRIPTED(...)
#include "cmd/table.def"

/* Columns of SORT. */
int cmd_sort_keys(const struct cmd *cmd, uint32_t argc, const struct slice *argv, uint32_t *idx, uint32_t cap);
bool cmd_sort_wide(uint32_t argc, const struct slice *argv);
/* Column of GEORADIUS and GEORADIUSBYMEMBER. */
int cmd_georadius_keys(const struct cmd *cmd, uint32_t argc, const struct slice *argv, uint32_t *idx, uint32_t cap);
/* Column of XREAD and XREADGROUP. */
int cmd_xread_getkeys(const struct cmd *cmd, uint32_t argc, const struct slice *argv, uint32_t *idx, uint32_t cap);
bool cmd_xread_may_block(uint32_t argc, const struct slice *argv);
