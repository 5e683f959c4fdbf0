/* Names that clients give themselves. */
#pragma once

#include "cmd/cmd.h"

/* Only printable characters, no blank: it must fit a line of CLIENT LIST. */
bool client_text_ok(struct slice s);
/* Sets the name of c->client, or writes the error and returns false. An empty name takes it away. */
bool client_set_name(struct cmd_ctx *c, struct slice name);
