/* What both kinds of heap share: creation, remote frees, statistics. */
#include "mem/heap_priv.h"

#include <stdlib.h>

struct heap *heap_create(const struct heap_params *p, struct err *e)
{
	struct heap *h = aligned_alloc(RP_CACHE_LINE, HEAP_ALIGN_UP(sizeof(*h), RP_CACHE_LINE));
	if (!h) {
		err_set(e, "heap %s: out of memory", p->name);
		return NULL;
	}
	memset(h, 0, sizeof(*h));
	strncpy(h->name, p->name, sizeof(h->name) - 1);
	h->limit_bytes = HEAP_ALIGN_UP(RP_MAX(p->reserve_bytes, HEAP_HUGE), HEAP_HUGE);
	if (heap_pages_of(h->limit_bytes) > UINT32_MAX / 2) {
		err_set(e, "heap %s: %zu bytes are more than a heap can hold; lower maxmemory", h->name,
			h->limit_bytes);
		free(h);
		return NULL;
	}
	if (heap_backend_init(h, p, e) < 0) {
		heap_destroy(h);
		return NULL;
	}
	return h;
}

void heap_destroy(struct heap *h)
{
	if (!h)
		return;
	heap_backend_fini(h);
	free(h);
}

void *heap_zalloc(struct heap *h, size_t size)
{
	void *p = heap_alloc(h, size);
	if (rp_likely(p != NULL))
		memset(p, 0, size);
	return p;
}

size_t heap_good_size(size_t size)
{
	if (size <= HEAP_SMALL_MAX)
		return heap_class_bytes(heap_class(size));
	return heap_pages_of(size) << HEAP_PAGE_SHIFT;
}

void heap_free_remote(struct heap *h, void *ptr)
{
	void *head = __atomic_load_n(&h->remote, __ATOMIC_RELAXED);
	do {
		memcpy(ptr, &head, sizeof(head));
	} while (!__atomic_compare_exchange_n(&h->remote, &head, ptr, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
}

uint32_t heap_poll(struct heap *h, uint32_t budget)
{
	uint32_t n = 0;
	while (n < budget) {
		if (!h->pending) {
			if (!__atomic_load_n(&h->remote, __ATOMIC_RELAXED))
				break;
			h->pending = __atomic_exchange_n(&h->remote, NULL, __ATOMIC_ACQUIRE);
		}
		void *ptr = h->pending;
		memcpy(&h->pending, ptr, sizeof(h->pending));
		heap_free(h, ptr);
		n++;
	}
	return n;
}

void heap_stats_get(const struct heap *h, struct heap_stats *out)
{
	out->used_bytes = __atomic_load_n(&h->stats.used_bytes, __ATOMIC_RELAXED);
	out->committed_bytes = __atomic_load_n(&h->stats.committed_bytes, __ATOMIC_RELAXED);
	out->peak_bytes = __atomic_load_n(&h->stats.peak_bytes, __ATOMIC_RELAXED);
	out->blocks = __atomic_load_n(&h->stats.blocks, __ATOMIC_RELAXED);
	out->faults_inline = __atomic_load_n(&h->stats.faults_inline, __ATOMIC_RELAXED);
}

size_t heap_used(const struct heap *h)
{
	return __atomic_load_n(&h->stats.used_bytes, __ATOMIC_RELAXED);
}

void heap_fail_after(struct heap *h, uint64_t n)
{
	h->fail_in = n;
}
