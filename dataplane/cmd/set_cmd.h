/* Shared by the handlers of sets; not for other modules. */
#pragma once

#include "base/num.h"
#include "cmd/cmd.h"
#include "store/set.h"

/* For reading: the key's set, or NULL; *wrong with the error written if it holds another type. */
struct object *set_cmd_read(struct cmd_ctx *c, struct slice key, bool *wrong);
/* As above without any trace: for writers that may find nothing to do. */
struct object *set_cmd_peek(struct cmd_ctx *c, struct store *s, struct slice key, bool *wrong);
struct set_rules set_cmd_rules(const struct cmd_ctx *c);

/* The sets that keys name. */
#define SET_SOURCES_INLINE 64
struct set_sources {
	uint32_t n;
	const struct object **o; /* NULL: no such key */
	bool missing;            /* one is NULL at least */
	const struct object *few[SET_SOURCES_INLINE];
};
/* Those of n keys from argument `first` on. false: the error is written. */
bool set_sources_get(struct cmd_ctx *c, uint32_t first, uint32_t n, struct set_sources *src);
void set_sources_drop(struct cmd_ctx *c, struct set_sources *src);

/* A whole set as a reply of that kind. */
void set_reply_all(struct reply *out, const struct object *o, enum reply_agg kind);
