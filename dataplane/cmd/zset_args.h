/* What the handlers of sorted sets share: keys of the right type, ranges, replies, effects. */
#pragma once

#include "cmd/cmd.h"
#include "store/zset.h"

/* Object of `key` if it is a sorted set. *wrong set and the error written if it is another type. */
struct object *zset_read_key(struct cmd_ctx *c, struct slice key, bool *wrong);
/* zkey_open(); false, with the error written, if the key is of another type. */
bool zset_open_key(struct cmd_ctx *c, struct zkey *k, struct slice key);
/* Adds to the key that is the first argument, as ZADD: event, reply, dirty. ch: the reply counts changes, too. */
void zset_add_items(struct cmd_ctx *c, uint32_t n, const struct zitem *items, uint32_t flags, bool ch);
/* Members were removed: event `name`, the end of the edit, "del" if that was the last member. */
void zset_removed(struct cmd_ctx *c, struct zkey *k, const char *name, uint64_t n);

/* Each writes Redis's error and returns false if the words are no range. */
bool zset_score_range(struct cmd_ctx *c, struct slice min, struct slice max, struct zscore_range *r);
bool zset_lex_range(struct cmd_ctx *c, struct slice min, struct slice max, struct zlex_range *r);
/* Ranks that count from the end if negative; an empty span if there are none. */
struct zspan zset_rank_span(int64_t start, int64_t end, uint64_t count);

/* A reply of n members: header and each item. RESP3 nests pairs, RESP2 does not. */
void zset_reply_begin(struct cmd_ctx *c, uint64_t n, bool with_scores);
void zset_reply_item(struct cmd_ctx *c, const struct zitem *item, bool with_scores);
/* n members of v from `rank` on. */
void zset_reply_walk(struct cmd_ctx *c, struct zval v, uint64_t rank, uint64_t n, bool down, bool with_scores);

/* The result of a *STORE command in z (made in the heap of key's store; NULL: empty) becomes the key; event and reply.
 * z is gone afterwards. */
void zset_store_result(struct cmd_ctx *c, struct slice key, struct zset *z, const char *event);
