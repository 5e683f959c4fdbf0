/* Address space of a heap: reserving, hugepages, faulting in ahead of use. Control thread only. */
#include "mem/heap_priv.h"

#if !HEAP_USE_MALLOC

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static void *map_anon(size_t bytes, int flags)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
	return p == MAP_FAILED ? NULL : p;
}

static int map_huge_front(struct heap *h, size_t huge_bytes, struct err *e)
{
	if (huge_bytes == 0)
		return 0;
	/* Without MAP_NORESERVE: the pages are taken from the kernel's pool now, not by a SIGBUS later. */
	void *p = mmap(h->pages.base, huge_bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_HUGETLB | (21 << MAP_HUGE_SHIFT), -1, 0);
	if (p != MAP_FAILED)
		return 0;
	return err_set(e,
		       "heap %s: cannot map %zu hugepages of 2 MiB (%s); have at least that many free with "
		       "'echo N > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages'",
		       h->name, huge_bytes / HEAP_HUGE, strerror(errno));
}

int heap_map(struct heap *h, const struct heap_params *p, struct err *e)
{
	h->map_bytes = h->limit_bytes + HEAP_HUGE; /* room to align */
	h->map = map_anon(h->map_bytes, 0);
	if (!h->map)
		return err_set(
			e,
			"heap %s: cannot reserve %zu MiB of address space (%s); lower maxmemory or raise 'ulimit -v'",
			h->name, h->limit_bytes >> 20, strerror(errno));
	h->pages.base = (char *)(((uintptr_t)h->map + HEAP_HUGE - 1) & ~(uintptr_t)(HEAP_HUGE - 1));
	h->pages.count = (uint32_t)(h->limit_bytes >> HEAP_PAGE_SHIFT);
	size_t huge = RP_MIN(HEAP_ALIGN_UP(p->huge_bytes, HEAP_HUGE), h->limit_bytes);
	if (map_huge_front(h, huge, e) < 0)
		return -1;
	if (huge < h->limit_bytes)
		madvise(h->pages.base + huge, h->limit_bytes - huge, MADV_HUGEPAGE);
	h->meta_bytes = (size_t)h->pages.count * sizeof(struct span);
	h->pages.meta = map_anon(h->meta_bytes, 0);
	if (!h->pages.meta)
		return err_set(e, "heap %s: cannot map %zu KiB of page table (%s)", h->name, h->meta_bytes >> 10,
			       strerror(errno));
	return 0;
}

void heap_unmap(struct heap *h)
{
	if (h->pages.meta)
		munmap(h->pages.meta, h->meta_bytes);
	if (h->map)
		munmap(h->map, h->map_bytes);
}

/* The owner may be writing the same bytes: an atomic OR of nothing faults the page in and changes nothing. */
static void touch(char *p, size_t bytes)
{
	size_t step = (size_t)sysconf(_SC_PAGESIZE);
	for (size_t off = 0; off < bytes; off += step)
		__atomic_fetch_or(p + off, 0, __ATOMIC_RELAXED);
}

size_t heap_prefault(struct heap *h, size_t bytes)
{
	struct heap_pages *pg = &h->pages;
	uint32_t frontier = __atomic_load_n(&pg->frontier, __ATOMIC_RELAXED);
	size_t ahead = RP_MIN(heap_pages_of(bytes), (size_t)(pg->count - frontier));
	uint32_t from = RP_MAX(pg->prefaulted, frontier), to = frontier + (uint32_t)ahead;
	if (to <= from)
		return 0;
	char *p = pg->base + ((size_t)from << HEAP_PAGE_SHIFT);
	size_t len = (size_t)(to - from) << HEAP_PAGE_SHIFT;
	if (madvise(p, len, MADV_POPULATE_WRITE) < 0) {
		if (errno != EINVAL) /* no memory: let the owner meet its own limit instead of dying here */
			return 0;
		touch(p, len);
	}
	__atomic_store_n(&pg->prefaulted, to, __ATOMIC_RELAXED);
	return len;
}

#endif
