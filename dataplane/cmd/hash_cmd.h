/* Shared by the handlers of hashes; not for other modules. */
#pragma once

#include "base/num.h"
#include "cmd/cmd.h"
#include "store/hash.h"

/* For reading: the key's hash, or NULL; *wrong with the error written if it holds another type. */
struct object *hash_cmd_read(struct cmd_ctx *c, struct slice key, bool *wrong);
/* As above without any trace: for writers that may find nothing to do. */
struct object *hash_cmd_peek(struct cmd_ctx *c, struct store *s, struct slice key, bool *wrong);
/* For a change that reaches for those fields: settled. */
struct object *hash_cmd_settled(struct cmd_ctx *c, struct store *s, uint32_t n, const struct slice *fields,
				uint32_t step, bool *wrong);
struct hash_rules hash_cmd_rules(const struct cmd_ctx *c);
int64_t hash_cmd_now(const struct cmd_ctx *c);
void hash_reply_value(struct reply *out, const struct hash_item *it);
/* The events of fields taken out. */
void hash_removed_events(struct cmd_ctx *c, struct store *s, bool gone);
