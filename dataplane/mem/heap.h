/* The heap of one owner: size-class slabs and page runs inside a reserved range of address space.
 *
 * A heap has one owner at a time (a shard's heap belongs to whoever holds the shard; a worker's own heap,
 * for its sessions, to that worker). Only heap_free_remote() may be called by anybody.
 *
 * Layout: the range is cut into 64 KiB pages. Small classes (8-byte steps to 128 bytes, 16 to 512, 32 to
 * 1 KiB, then 8 steps per doubling up to 256 KiB) live in slab spans of one or more pages; larger blocks are page runs.
 * Empty spans return to the page pool and can serve another class. Memory is faulted in ahead of use by the control
 * thread (heap_prefault), so that a worker does not meet a page fault on its path. Under ASan every block is a malloc
 * block.
 */
#pragma once

#include "base/defs.h"
#include "base/err.h"

struct heap;

struct heap_params {
	const char *name;     /* for errors and MEMORY STATS */
	size_t reserve_bytes; /* address space; also the heap's hard limit. Rounded up to 2 MiB */
	size_t huge_bytes;    /* how much of the front of it is backed by reserved 2 MiB hugepages (may be 0) */
};

struct heap_stats {
	size_t used_bytes;      /* sum of usable sizes of live blocks: what maxmemory counts */
	size_t committed_bytes; /* pages in use by spans and runs */
	size_t peak_bytes;      /* highest used_bytes so far */
	size_t blocks;          /* live blocks */
	uint64_t faults_inline; /* pages handed out before they were prefaulted */
};

/* Control thread. On failure says why and how to mend it. */
struct heap *heap_create(const struct heap_params *p, struct err *e);
/* All blocks are gone afterwards, freed or not. */
void heap_destroy(struct heap *h);

/* Owner. NULL when the range is exhausted. 16-byte aligned, a size of up to 128 bytes that is no multiple of 16
 * 8-byte aligned. size > 0. Not zeroed. */
void *heap_alloc(struct heap *h, size_t size);
void *heap_zalloc(struct heap *h, size_t size);
/* Owner. Keeps contents; may move. On NULL the old block is untouched. */
void *heap_realloc(struct heap *h, void *ptr, size_t size);
/* Owner of h, and ptr came from h. NULL is ignored. */
void heap_free(struct heap *h, void *ptr);
/* Any thread: pushes ptr on h's lock-free list; its owner frees it in heap_poll() or when it runs short. */
void heap_free_remote(struct heap *h, void *ptr);
/* Bytes usable at ptr (>= what was asked for). */
size_t heap_usable(const struct heap *h, const void *ptr);
/* What heap_alloc(size) would really take. Pure. */
size_t heap_good_size(size_t size);

/* Owner, in the background slice: takes back remotely freed blocks. Returns how many (<= budget). */
uint32_t heap_poll(struct heap *h, uint32_t budget);
/* Control thread, beside the owner: faults in up to `bytes` ahead of the owner's high-water mark. Returns bytes
 * touched. */
size_t heap_prefault(struct heap *h, size_t bytes);
/* Any thread may read; values are relaxed atomics. */
void heap_stats_get(const struct heap *h, struct heap_stats *out);
/* heap_stats.used_bytes alone. */
size_t heap_used(const struct heap *h);
/* Test hook: the n-th following allocation (1 = the next) and all after it fail until called with 0. */
void heap_fail_after(struct heap *h, uint64_t n);
