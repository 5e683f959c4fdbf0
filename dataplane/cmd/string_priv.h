/* Shared by the handlers of strings and bitmaps; not for other modules. */
#pragma once

#include "cmd/cmd.h"

/* Object of `key` if it is a string, without any trace of the visit: for writers that may yet find nothing to do.
 * *wrong set and the error written if it is another type. */
struct object *string_peek(struct cmd_ctx *c, struct store *s, struct slice key, bool *wrong);
/* The change that string_peek() prepared is certain now: o (or NULL) as store_write() gives it. */
struct object *string_commit(struct cmd_ctx *c, struct store *s, struct slice key, struct object *o);

/* A string object as a bulk. */
void string_reply(struct reply *out, const struct object *o);
/* Bytes inside the string of o (or formatted from it). Large parts are moved into a blob so that they do not fill the
 * transmit buffers. */
void string_reply_part(struct cmd_ctx *c, const struct object *o, struct slice part);

/* Sets key to argument vi, taking it over when it was received as a blob. Event, dirty and reply are the caller's. On
 * false nothing changed and the error is written. */
bool string_put(struct cmd_ctx *c, struct store *s, struct slice key, uint32_t vi, int64_t expire_at_ms);

/* Bytes that a string may have. */
uint64_t string_max(const struct cmd_ctx *c);
/* false, with the error written, if size + add bytes are more than a string may have. */
bool string_size_ok(struct cmd_ctx *c, uint64_t size, uint64_t add);

/* The journal gets SET key value [PXAT at | KEEPTTL] instead of the command's own words. */
void string_effect_set(struct cmd_ctx *c, struct store *s, struct slice key, struct slice value, int64_t expire_at_ms);
/* ... or DEL key. */
void string_effect_del(struct cmd_ctx *c, struct store *s, struct slice key);

/* A value outliving its object: what GETSET answers after the new value is in place. */
struct string_held {
	struct blob *blob; /* own reference, or NULL */
	size_t len;
	bool found;
	char bytes[OBJ_INLINE_MAX];
};
void string_hold(struct string_held *h, const struct object *o);
/* Replies with it (null if there was no object). */
void string_held_reply(struct reply *out, const struct string_held *h);
void string_held_drop(struct string_held *h, struct store *s);
