/* Inside of the heap: page runs below, slab spans above. See heap.h for the contract.
 *
 *   page:  64 KiB of the range, described by one struct span
 *   span:  consecutive pages used as one: free run, slab of equal blocks, or one large block
 *
 * The descriptor of a span's first page describes the span. In a slab every page's `back` leads to it; in a free run or
 * a large block only the first and last page are marked (boundary tags), which is all that coalescing looks at. Pages
 * from the frontier on were never used and belong to no span.
 */
#pragma once

#include "mem/heap.h"

#if defined(__SANITIZE_ADDRESS__)
#define HEAP_USE_MALLOC 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HEAP_USE_MALLOC 1
#endif
#endif
#ifndef HEAP_USE_MALLOC
#define HEAP_USE_MALLOC 0
#endif

#define HEAP_PAGE_SHIFT      16
#define HEAP_PAGE            ((size_t)1 << HEAP_PAGE_SHIFT)
#define HEAP_HUGE            ((size_t)2 << 20)
#define HEAP_ALIGN_UP(x, to) (((x) + (to)-1) / (to) * (to))
#define HEAP_SMALL_MAX       ((size_t)256 << 10)
/* Steps of 8 bytes to 128, of 16 to 512, of 32 to 1 KiB; then 8 for each of the 8 doublings to 256 KiB. */
#define HEAP_CLASSES  120
#define HEAP_RUN_BINS 272 /* run lengths: exact below 64 pages, then 8 per doubling */

_Static_assert(16 + 24 + 16 + 8 * (18 - 10) == HEAP_CLASSES, "classes end at 256 KiB");

enum span_kind {
	SPAN_NONE, /* beyond the frontier */
	SPAN_FREE,
	SPAN_SLAB,
	SPAN_LARGE,
};

struct span {
	void *free;               /* slab: freed blocks, linked through their first word */
	char *fresh;              /* slab: blocks from here on were never handed out */
	struct span *prev, *next; /* slab: spans of the class with room; free run: its bin */
	uint32_t used, capacity;  /* slab: blocks */
	uint32_t block_bytes;
	uint32_t pages;
	uint32_t back; /* pages back to the first of the span */
	uint8_t kind;
	uint8_t class_idx;
} RP_CACHE_ALIGNED;

struct heap_pages {
	char *base;
	struct span *meta; /* one per page */
	uint32_t count;
	uint32_t frontier;   /* owner writes (relaxed), control reads */
	uint32_t prefaulted; /* control writes (relaxed), owner reads */
	struct span *bin[HEAP_RUN_BINS];
	uint64_t bin_used[(HEAP_RUN_BINS + 63) / 64];
};

struct heap {
	struct span *room[HEAP_CLASSES]; /* spans with at least one free block */
	struct heap_stats stats;         /* owner writes (relaxed), any thread reads */
	uint64_t fail_in;                /* heap_fail_after(): 0 = off, 1 = fail now */
	void *pending;                   /* remotely freed blocks taken over by the owner, not yet freed */
	uint8_t span_pages[HEAP_CLASSES];
	struct heap_pages pages;
	char name[32];
	size_t limit_bytes;
	size_t map_bytes, meta_bytes;
	void *map;
	void *blocks;                  /* malloc mode: every live block, for heap_destroy() */
	void *remote RP_CACHE_ALIGNED; /* any thread pushes (release), the owner takes all (acquire) */
};

static inline unsigned heap_class(size_t size)
{
	if (size <= 128)
		return (unsigned)((size + 7) >> 3) - 1;
	if (size <= 512)
		return 16 + (unsigned)((size - 129) >> 4);
	if (size <= 1024)
		return 40 + (unsigned)((size - 513) >> 5);
	size_t s = size - 1;
	unsigned lg = 63 - (unsigned)__builtin_clzll(s);
	return 56 + (lg - 10) * 8 + ((s >> (lg - 3)) & 7);
}

static inline size_t heap_class_bytes(unsigned c)
{
	if (c < 16)
		return (size_t)(c + 1) << 3;
	if (c < 40)
		return 128 + ((size_t)(c - 15) << 4);
	if (c < 56)
		return 512 + ((size_t)(c - 39) << 5);
	unsigned lg = 10 + (c - 56) / 8;
	return ((size_t)1 << lg) + ((size_t)((c & 7) + 1) << (lg - 3));
}

static inline size_t heap_pages_of(size_t size)
{
	return (size + HEAP_PAGE - 1) >> HEAP_PAGE_SHIFT;
}

/* Owner-written statistics that others read: plain loads and stores that the compiler may not tear. */
static inline void heap_stat_set(size_t *field, size_t v)
{
	__atomic_store_n(field, v, __ATOMIC_RELAXED);
}

static inline void heap_account(struct heap *h, size_t bytes)
{
	size_t used = h->stats.used_bytes + bytes;
	heap_stat_set(&h->stats.used_bytes, used);
	heap_stat_set(&h->stats.blocks, h->stats.blocks + 1);
	if (used > h->stats.peak_bytes)
		heap_stat_set(&h->stats.peak_bytes, used);
}

static inline void heap_unaccount(struct heap *h, size_t bytes)
{
	heap_stat_set(&h->stats.used_bytes, h->stats.used_bytes - bytes);
	heap_stat_set(&h->stats.blocks, h->stats.blocks - 1);
}

/* True when the test hook wants this allocation to fail. */
static inline bool heap_must_fail(struct heap *h)
{
	if (rp_likely(h->fail_in == 0))
		return false;
	if (h->fail_in == 1)
		return true;
	h->fail_in--;
	return false;
}

static inline char *heap_span_mem(const struct heap *h, const struct span *s)
{
	return h->pages.base + ((size_t)(s - h->pages.meta) << HEAP_PAGE_SHIFT);
}

/* heap_slab.c or heap_malloc.c. Control thread. */
int heap_backend_init(struct heap *h, const struct heap_params *p, struct err *e);
void heap_backend_fini(struct heap *h);

/* heap_map.c: the range. Control thread. */
int heap_map(struct heap *h, const struct heap_params *p, struct err *e);
void heap_unmap(struct heap *h);

/* heap_pages.c. Owner. A taken run's descriptor has `pages` set and is of kind SPAN_LARGE. NULL: no such run. */
struct span *heap_run_take(struct heap *h, uint32_t pages);
void heap_run_put(struct heap *h, struct span *s);
/* Makes a large block longer or shorter where it stands. Growing fails if what follows is in use. */
bool heap_run_resize(struct heap *h, struct span *s, uint32_t pages);
