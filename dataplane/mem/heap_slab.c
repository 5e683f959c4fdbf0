/* The heap proper: blocks of size classes out of slab spans, larger ones as page runs. */
#include "mem/heap_priv.h"

#if !HEAP_USE_MALLOC

#define SPAN_PAGES_MAX 32
#define CACHE_MAX      (32 * 1024) /* an empty last span of a class is kept up to this block size */

static inline struct span *span_of(const struct heap *h, const void *ptr)
{
	struct span *s = &h->pages.meta[((const char *)ptr - h->pages.base) >> HEAP_PAGE_SHIFT];
	return s - s->back;
}

static inline void room_push(struct heap *h, struct span *s)
{
	struct span **head = &h->room[s->class_idx];
	s->prev = NULL;
	s->next = *head;
	if (s->next)
		s->next->prev = s;
	*head = s;
}

static inline void room_remove(struct heap *h, struct span *s)
{
	if (s->next)
		s->next->prev = s->prev;
	if (s->prev)
		s->prev->next = s->next;
	else
		h->room[s->class_idx] = s->next;
}

/* Pages of a slab of this class: the fewest that hold four blocks and waste at most a sixteenth. */
static uint8_t choose_span_pages(size_t block)
{
	for (size_t n = 1; n < SPAN_PAGES_MAX; n++) {
		size_t bytes = n * HEAP_PAGE;
		if (bytes / block >= 4 && bytes % block <= bytes / 16)
			return (uint8_t)n;
	}
	return SPAN_PAGES_MAX;
}

int heap_backend_init(struct heap *h, const struct heap_params *p, struct err *e)
{
	for (unsigned c = 0; c < HEAP_CLASSES; c++)
		h->span_pages[c] = choose_span_pages(heap_class_bytes(c));
	return heap_map(h, p, e);
}

void heap_backend_fini(struct heap *h)
{
	heap_unmap(h);
}

/* Gives the pages of empty spans that were kept back to the pool. */
static void drop_cached(struct heap *h)
{
	for (unsigned c = 0; c < HEAP_CLASSES; c++) {
		struct span *s = h->room[c];
		if (s && s->used == 0) {
			room_remove(h, s);
			heap_run_put(h, s);
		}
	}
}

/* When the pages are used up, what others freed and what is cached is taken back first. */
static struct span *take_pages(struct heap *h, uint32_t pages)
{
	struct span *s = heap_run_take(h, pages);
	if (rp_likely(s != NULL))
		return s;
	heap_poll(h, UINT32_MAX);
	drop_cached(h);
	return heap_run_take(h, pages);
}

static struct span *slab_create(struct heap *h, unsigned c)
{
	struct span *s = take_pages(h, h->span_pages[c]);
	if (!s)
		return NULL;
	s->block_bytes = (uint32_t)heap_class_bytes(c);
	s->capacity = (uint32_t)(s->pages * HEAP_PAGE / s->block_bytes);
	s->class_idx = (uint8_t)c;
	s->free = NULL;
	s->fresh = heap_span_mem(h, s);
	s->used = 0;
	for (uint32_t i = 0; i < s->pages; i++) {
		s[i].kind = SPAN_SLAB;
		s[i].back = i;
	}
	room_push(h, s);
	return s;
}

static void *large_alloc(struct heap *h, size_t size)
{
	if (size > h->limit_bytes)
		return NULL;
	struct span *s = take_pages(h, (uint32_t)heap_pages_of(size));
	if (!s)
		return NULL;
	heap_account(h, s->pages * HEAP_PAGE);
	return heap_span_mem(h, s);
}

void *heap_alloc(struct heap *h, size_t size)
{
	if (rp_unlikely(heap_must_fail(h)))
		return NULL;
	if (rp_unlikely(size > HEAP_SMALL_MAX))
		return large_alloc(h, size);
	unsigned c = heap_class(size);
	struct span *s = h->room[c];
	if (rp_unlikely(!s)) {
		s = slab_create(h, c);
		if (!s)
			return NULL;
	}
	void *p = s->free;
	if (rp_likely(p != NULL)) {
		memcpy(&s->free, p, sizeof(void *));
	} else {
		p = s->fresh;
		s->fresh += s->block_bytes;
	}
	if (rp_unlikely(++s->used == s->capacity))
		room_remove(h, s);
	heap_account(h, s->block_bytes);
	return p;
}

/* An empty span goes, unless it is the last of a small class: that one would be asked for again at once. */
static void span_emptied(struct heap *h, struct span *s)
{
	if (!s->next && !s->prev && s->block_bytes <= CACHE_MAX)
		return;
	room_remove(h, s);
	heap_run_put(h, s);
}

void heap_free(struct heap *h, void *ptr)
{
	if (!ptr)
		return;
	struct span *s = span_of(h, ptr);
	if (rp_unlikely(s->kind != SPAN_SLAB)) {
		rp_assert(s->kind == SPAN_LARGE);
		heap_unaccount(h, s->pages * HEAP_PAGE);
		heap_run_put(h, s);
		return;
	}
	memcpy(ptr, &s->free, sizeof(void *));
	s->free = ptr;
	heap_unaccount(h, s->block_bytes);
	if (rp_unlikely(s->used-- == s->capacity))
		room_push(h, s);
	if (rp_unlikely(s->used == 0))
		span_emptied(h, s);
}

size_t heap_usable(const struct heap *h, const void *ptr)
{
	const struct span *s = span_of(h, ptr);
	return s->kind == SPAN_SLAB ? s->block_bytes : s->pages * HEAP_PAGE;
}

static bool resize_in_place(struct heap *h, struct span *s, size_t size)
{
	if (s->kind != SPAN_LARGE || size <= HEAP_SMALL_MAX || size > h->limit_bytes)
		return false;
	size_t before = s->pages * HEAP_PAGE;
	if (!heap_run_resize(h, s, (uint32_t)heap_pages_of(size)))
		return false;
	heap_unaccount(h, before);
	heap_account(h, s->pages * HEAP_PAGE);
	return true;
}

void *heap_realloc(struct heap *h, void *ptr, size_t size)
{
	if (!ptr)
		return heap_alloc(h, size);
	struct span *s = span_of(h, ptr);
	size_t usable = s->kind == SPAN_SLAB ? s->block_bytes : s->pages * HEAP_PAGE;
	if (heap_good_size(size) == usable)
		return ptr;
	if (h->fail_in == 0 && resize_in_place(h, s, size))
		return ptr;
	void *moved = heap_alloc(h, size);
	if (!moved)
		return NULL;
	memcpy(moved, ptr, RP_MIN(usable, size));
	heap_free(h, ptr);
	return moved;
}

#endif
