/* A blob: bytes with a reference count, for values too large to live inside their object. It is filled once
 * by the receiver of a request or by a command, referenced by the object and by replies under way, and goes back
 * to the heap that it came from when the last reference is dropped, by whatever thread. Never changed while
 * anybody else holds a reference (blob_is_shared): writers copy first. */
#pragma once

#include "mem/heap.h"

struct blob {
	struct heap *heap; /* where it came from; constant */
	uint32_t refcnt;   /* atomic; any thread */
	uint32_t pad;
	size_t cap; /* bytes that fit into data; owner of the last reference writes */
	size_t len; /* bytes valid in data */
	char data[];
};

/* Owner of h. NULL when out of memory. len = 0, one reference. */
struct blob *blob_create(struct heap *h, size_t cap);
/* Owner of b->heap and only reference holder: may move. NULL: b is unchanged. */
struct blob *blob_grow(struct blob *b, size_t cap);
static inline struct blob *blob_ref(struct blob *b)
{
	__atomic_add_fetch(&b->refcnt, 1, __ATOMIC_RELAXED);
	return b;
}
static inline bool blob_is_shared(const struct blob *b)
{
	return __atomic_load_n(&b->refcnt, __ATOMIC_ACQUIRE) > 1;
}
/* Drops a reference. `mine` is a heap that the caller owns now (or NULL): a last reference to a blob of that heap is
 * freed at once, of any other heap handed back through heap_free_remote(). */
void blob_unref(struct blob *b, struct heap *mine);
