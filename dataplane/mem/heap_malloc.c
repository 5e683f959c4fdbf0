/* The heap under AddressSanitizer: every block is a malloc block with red zones, counted as the slab heap counts. */
#include "mem/heap_priv.h"

#if HEAP_USE_MALLOC

#include <stdlib.h>

/* In front of each block; the list is for heap_destroy(). */
struct block {
	struct block *prev, *next;
	struct heap *heap;
	size_t usable;
};

_Static_assert(sizeof(struct block) % 16 == 0, "blocks stay 16-byte aligned");

static struct block *block_of(const void *ptr)
{
	return (struct block *)ptr - 1;
}

static void list_add(struct heap *h, struct block *b)
{
	b->prev = NULL;
	b->next = h->blocks;
	if (b->next)
		b->next->prev = b;
	h->blocks = b;
}

static void list_remove(struct heap *h, struct block *b)
{
	if (b->next)
		b->next->prev = b->prev;
	if (b->prev)
		b->prev->next = b->next;
	else
		h->blocks = b->next;
}

int heap_backend_init(struct heap *h, const struct heap_params *p, struct err *e)
{
	return 0;
}

size_t heap_prefault(struct heap *h, size_t bytes)
{
	return 0;
}

void heap_backend_fini(struct heap *h)
{
	while (h->blocks) {
		struct block *b = h->blocks;
		h->blocks = b->next;
		free(b);
	}
}

void *heap_alloc(struct heap *h, size_t size)
{
	if (heap_must_fail(h) || size > h->limit_bytes)
		return NULL;
	size_t usable = heap_good_size(size);
	if (h->stats.used_bytes + usable > h->limit_bytes)
		heap_poll(h, UINT32_MAX);
	if (h->stats.used_bytes + usable > h->limit_bytes)
		return NULL;
	struct block *b = malloc(sizeof(*b) + usable);
	if (!b)
		return NULL;
	b->heap = h;
	b->usable = usable;
	list_add(h, b);
	heap_account(h, usable);
	heap_stat_set(&h->stats.committed_bytes, h->stats.used_bytes);
	return b + 1;
}

void heap_free(struct heap *h, void *ptr)
{
	if (!ptr)
		return;
	struct block *b = block_of(ptr);
	rp_assert(b->heap == h);
	list_remove(h, b);
	heap_unaccount(h, b->usable);
	heap_stat_set(&h->stats.committed_bytes, h->stats.used_bytes);
	free(b);
}

size_t heap_usable(const struct heap *h, const void *ptr)
{
	return block_of(ptr)->usable;
}

void *heap_realloc(struct heap *h, void *ptr, size_t size)
{
	if (!ptr)
		return heap_alloc(h, size);
	size_t usable = heap_usable(h, ptr);
	if (heap_good_size(size) == usable)
		return ptr;
	void *moved = heap_alloc(h, size);
	if (!moved)
		return NULL;
	memcpy(moved, ptr, RP_MIN(usable, size));
	heap_free(h, ptr);
	return moved;
}

#endif
