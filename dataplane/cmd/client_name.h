/* Names that clients give themselves. */
#pragma once

#include "cmd/cmd.h"

/* Only printable characters, no blank: it must fit a line of CLIENT LIST. */
bool client_text_ok(struct slice s);
/* May a client have this name? Writes the error if not. */
bool client_name_ok(struct cmd_ctx *c, struct slice name);
/* An empty name takes it away. */
void client_set_name(const struct cmd_env *env, struct client *cl, struct slice name);
/* For writing. */
struct client_text *client_text_get(const struct cmd_env *env, struct client *cl);
