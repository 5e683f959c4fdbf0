/* Refusals on their way to ACL LOG. */
#pragma once

#include "cmd/acl.h"

struct acl_denial {
	enum acl_verdict why;
	enum acl_context where;
	struct slice object, username;
	const struct client *client;
};

/* Counts a refusal and tells the control thread. `cmd` or `arg` is what was refused: the command, the key or channel,
 * or for ACL_DENIED_AUTH the word AUTH or HELLO. The thread of env. */
void acl_report(const struct cmd_env *env, const struct client *cl, enum acl_verdict why, enum acl_context where,
		const struct cmd *cmd, struct slice arg);
/* A failed log-in as `username`. */
void acl_report_auth(const struct cmd_env *env, const struct client *cl, struct slice word, struct slice username);
