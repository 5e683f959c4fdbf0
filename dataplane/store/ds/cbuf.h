/* A compact value while it is edited: the bytes of a listpack or an intset, wherever they live (in an object, in a
 * blob, in a node of a list). Whoever owns the bytes says how they get room. */
#pragma once

#include "base/defs.h"

struct cbuf {
	uint8_t *p;
	size_t len, cap; /* bytes in use, bytes there */
	/* Makes cap at least `cap`; p may move, its first len bytes are kept. false: out of memory, nothing changed. */
	bool (*reserve)(struct cbuf *b, size_t cap);
};

static inline bool cbuf_reserve(struct cbuf *b, size_t cap)
{
	return cap <= b->cap || b->reserve(b, cap);
}

/* `del` bytes at `off` become `ins` bytes that the caller writes then. false: out of memory, nothing changed; never
 * when ins <= del or enough was reserved before. */
static inline bool cbuf_splice(struct cbuf *b, size_t off, size_t del, size_t ins)
{
	if (!cbuf_reserve(b, b->len - del + ins))
		return false;
	if (ins != del)
		memmove(b->p + off + ins, b->p + off + del, b->len - off - del);
	b->len = b->len - del + ins;
	return true;
}
