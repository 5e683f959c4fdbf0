/* Inside of the reply builder: the write window. */
#pragma once

#include "resp/reply.h"

static inline bool reply_stopped(const struct reply *r)
{
	return r->failed | r->muted;
}

/* Writes across as many buffers as it takes. */
void reply_raw_split(struct reply *r, const void *data, size_t len);
/* Appends a stand-in for the whole blob, with a reference of its own. */
void reply_blob_ref(struct reply *r, struct blob *b);

/* A place to write up to n bytes at once, NULL if the window is too small for it. */
static inline char *reply_window(struct reply *r, size_t n)
{
	return rp_likely((size_t)(r->end - r->pos) >= n && !reply_stopped(r)) ? r->pos : NULL;
}

/* `upto` is where writing at reply_window() ended. */
static inline void reply_advance(struct reply *r, char *upto)
{
	r->bytes += (size_t)(upto - r->pos);
	r->pos = upto;
}
