/* What a request does to its keys, for the checks of acl_check.c. */
#pragma once

#include "cmd/acl.h"

/* Calls visit() for each key with what is done to it (ACL_READ, ACL_WRITE, both or nothing, as for EXISTS) until that
 * returns false. A request whose words make no sense has no keys: its handler says so. */
typedef bool (*acl_key_fn)(void *ctx, uint32_t idx, uint32_t perms);
void acl_keys_visit(const struct cmd *cmd, uint32_t argc, const struct slice *argv, acl_key_fn visit, void *ctx);
/* Do a spec's flags say that what stands there are no keys, but channels? */
bool acl_keys_are_not(struct slice flags);

/* The channels of a request. */
enum acl_channels {
	ACL_CHANNELS_NONE,
	ACL_CHANNELS_NAMES,    /* from argument 1 on */
	ACL_CHANNELS_PATTERNS, /* from argument 1 on */
	ACL_CHANNELS_ONE       /* argument 1 */
};
enum acl_channels acl_channels_of(const struct cmd *cmd);
