/* Looking keys up ahead: a command over many keys waits for memory once per chunk instead of several times per key.
 *
 *   struct cmd_ahead a;
 *   cmd_ahead_begin(&a, c, 1, 2);                   keys are argv[1], argv[3], ... to the end
 *   for (i = 1; i < c->argc; i += 2) {
 *           struct store *s = cmd_ahead_store(&a, c, i);   argv[i]'s store, which now has a hint for it
 *           ... store_read(s, c->db, c->argv[i]) ...
 *   }
 *   cmd_ahead_end(&a, c);                           no hint outlives the words that it is about
 */
#pragma once

#include "cmd/cmd.h"

#define CMD_AHEAD 32 /* keys looked up at once */

struct cmd_ahead {
	uint32_t first, step;
	uint32_t from, to; /* argument indices of the chunk looked up: [from, to) */
	uint32_t end;      /* no keys from here on */
	uint64_t hinted;   /* shards */
	struct store *store[CMD_AHEAD];
	uint64_t hash[CMD_AHEAD], epoch[CMD_AHEAD];
	struct object *hint[CMD_AHEAD];
};

static inline void cmd_ahead_begin(struct cmd_ahead *a, const struct cmd_ctx *c, uint32_t first, uint32_t step)
{
	a->step = step;
	a->first = a->from = a->to = first;
	a->end = c->argc;
	a->hinted = 0;
}
/* Keys must be asked for in order. */
struct store *cmd_ahead_store(struct cmd_ahead *a, const struct cmd_ctx *c, uint32_t i);
void cmd_ahead_end(const struct cmd_ahead *a, const struct cmd_ctx *c);
