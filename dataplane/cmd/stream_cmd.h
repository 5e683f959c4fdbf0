/* What the commands of streams share. Private to cmd/. */
#pragma once

#include "cmd/cmd.h"
#include "store/stream.h"

#define STREAM_ID_CHARS (2 * NUM_I64_CHARS)

/* ---- ids as texts ---- */
enum stream_id_form {
	STREAM_ID_STRICT,   /* ms or ms-seq */
	STREAM_ID_INTERVAL, /* also - and + */
	STREAM_ID_NEW       /* also ms-* */
};
/* `seq`: what a missing one means; *any_seq: it was "*". false: no id. */
bool stream_id_parse(struct slice text, enum stream_id_form form, uint64_t seq, struct stream_id *id, bool *any_seq);
/* Of argument i; writes Redis's error. */
bool stream_arg_id(struct cmd_ctx *c, uint32_t i, struct stream_id *id);
/* Arguments lo and hi of a range, with '(' for an end that is not in it. */
bool stream_arg_range(struct cmd_ctx *c, uint32_t lo, uint32_t hi, struct stream_id *from, struct stream_id *to);
bool stream_arg_from(struct cmd_ctx *c, uint32_t i, struct stream_id *from);
/* Returns the length. */
size_t stream_id_format(char buf[STREAM_ID_CHARS], struct stream_id id);

/* ---- keys ---- */
/* NULL: none, or *wrong is set and the error written. */
struct stream *stream_read_key(struct cmd_ctx *c, struct slice key, bool *wrong);
/* Who changes what XRANGE shows calls store_changed(). */
struct stream *stream_write_key(struct cmd_ctx *c, struct slice key, bool *wrong);
/* To Redis what changes no more than what groups remember reads the key: it is counted as found or missing. */
struct stream *stream_use_key(struct cmd_ctx *c, struct slice key, bool *wrong);
/* The error for a key or group that is missing. */
void stream_err_no_group(struct cmd_ctx *c, struct slice key, struct slice group, const char *where);
/* Of an existing group, for a command that changes it; writes the error. */
struct stream_group *stream_write_group(struct cmd_ctx *c, struct stream **s);

/* Times may be any numbers that were loaded. */
static inline int64_t stream_idle_ms(int64_t now_ms, int64_t at_ms)
{
	return (int64_t)((uint64_t)now_ms - (uint64_t)at_ms);
}

/* ---- replies ---- */
void stream_reply_id(struct reply *r, struct stream_id id);
/* [id, [field, value, ...]] */
void stream_reply_entry(struct reply *r, struct stream_entry *e);
/* The entry of that id; false: it is no more. */
bool stream_reply_entry_at(struct reply *r, const struct stream *s, struct stream_id id);

/* A PEL keeps the nodes that were reserved for so few entries; for more they are given back. */
#define STREAM_SPARE_MAX 64

/* ---- effects ---- */
/* What remains to be said of a pending entry: its consumer, time and deliveries. */
void stream_effect_claim(struct cmd_ctx *c, struct store *st, struct slice key, const struct stream_group *g,
			 const struct stream_pending *p);
void stream_effect_setid(struct cmd_ctx *c, struct store *st, struct slice key, const struct stream_group *g);
/* A new consumer: event, effect, dirty. */
void stream_consumer_made(struct cmd_ctx *c, struct store *st, struct slice key, const struct stream_group *g,
			  const struct stream_consumer *con);
