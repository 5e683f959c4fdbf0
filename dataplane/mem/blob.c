#include "mem/blob.h"

struct blob *blob_create(struct heap *h, size_t cap)
{
	if (cap > SIZE_MAX / 2)
		return NULL;
	struct blob *b = heap_alloc(h, sizeof(*b) + cap);
	if (rp_unlikely(!b))
		return NULL;
	b->heap = h;
	b->refcnt = 1;
	b->pad = 0;
	b->cap = heap_usable(h, b) - sizeof(*b);
	b->len = 0;
	return b;
}

struct blob *blob_grow(struct blob *b, size_t cap)
{
	if (cap <= b->cap)
		return b;
	if (cap > SIZE_MAX / 2)
		return NULL;
	struct heap *h = b->heap;
	struct blob *grown = heap_realloc(h, b, sizeof(*b) + cap);
	if (rp_unlikely(!grown))
		return NULL;
	grown->cap = heap_usable(h, grown) - sizeof(*grown);
	return grown;
}

void blob_unref(struct blob *b, struct heap *mine)
{
	/* The only holder needs no atomic decrement: nobody is left who could take a reference. */
	if (blob_is_shared(b) && __atomic_sub_fetch(&b->refcnt, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	if (b->heap == mine)
		heap_free(mine, b);
	else
		heap_free_remote(b->heap, b);
}
