/* The handlers named by the table's rows. */
#pragma once

#include "cmd/cmd.h"

#define CMD(name, arity, flags, cats, route, handler, ...) void handler(struct cmd_ctx *c);
#define CONTAINER(...)
#define CONTROL(...)
#include "cmd/table.def"
