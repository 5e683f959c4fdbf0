/* What the handlers of lists share. */
#pragma once

#include "base/num.h"
#include "cmd/handlers.h"
#include "store/list.h"

/* Key's list for reading; NULL: there is none. *wrong: it is no list, the error is written. */
struct object *list_cmd_read(struct cmd_ctx *c, struct slice key, bool *wrong);
/* As above for a change that may not come: without a trace. */
struct object *list_cmd_peek(struct cmd_ctx *c, struct slice key, bool *wrong);
/* The change comes: o as list_cmd_peek() gave it, or NULL. */
struct list_ref list_cmd_ref(struct cmd_ctx *c, struct slice key, struct object *o);
/* Arguments [from, from + n) as values to push; large ones are taken over from the request. */
struct list_values list_cmd_values(struct cmd_ctx *c, uint32_t from, uint32_t n);
/* After a push that failed: the bytes of values that were taken over are gone, nobody may look at them later. */
void list_cmd_forget(struct cmd_ctx *c, const struct list_values *v);
/* "left" or "right"; the error is written otherwise. */
bool list_cmd_end(struct cmd_ctx *c, uint32_t i, enum list_end *end);
void list_cmd_reply(struct cmd_ctx *c, const struct list_iter *it);
/* Tells of n elements that were taken out; without elements the key goes. */
void list_cmd_removed(struct cmd_ctx *c, struct list_ref *r, const char *event, uint64_t n);
/* Replies with n elements from an end, out of the list as an array, and takes them out. false: out of memory, the error
 * is written. */
bool list_cmd_pop_many(struct cmd_ctx *c, struct list_ref *r, enum list_end end, uint64_t n);
