/* Runs of 64 KiB pages: free runs in bins by length, coalesced on return, and a frontier behind which nothing was ever
 * used. */
#include "mem/heap_priv.h"

#if !HEAP_USE_MALLOC

/* Bin that a free run of this length is kept in. */
static unsigned bin_of(uint32_t pages)
{
	if (pages < 64)
		return pages;
	unsigned lg = 31 - (unsigned)__builtin_clz(pages);
	return 64 + (lg - 6) * 8 + ((pages >> (lg - 3)) & 7);
}

/* First bin in which every run is long enough. */
static unsigned bin_fitting(uint32_t pages)
{
	if (pages < 64)
		return pages;
	unsigned lg = 31 - (unsigned)__builtin_clz(pages);
	return bin_of(pages) + ((pages & ((1u << (lg - 3)) - 1)) != 0);
}

static void bin_push(struct heap_pages *pg, struct span *s)
{
	unsigned b = bin_of(s->pages);
	s->prev = NULL;
	s->next = pg->bin[b];
	if (s->next)
		s->next->prev = s;
	pg->bin[b] = s;
	pg->bin_used[b / 64] |= 1ull << (b % 64);
}

static void bin_remove(struct heap_pages *pg, struct span *s)
{
	unsigned b = bin_of(s->pages);
	if (s->next)
		s->next->prev = s->prev;
	if (s->prev) {
		s->prev->next = s->next;
		return;
	}
	pg->bin[b] = s->next;
	if (!s->next)
		pg->bin_used[b / 64] &= ~(1ull << (b % 64));
}

/* Marks both ends, so that neighbours can find the span from either side. */
static void mark(struct span *s, uint32_t pages, enum span_kind kind)
{
	struct span *last = s + pages - 1;
	last->kind = (uint8_t)kind;
	last->back = pages - 1;
	s->kind = (uint8_t)kind;
	s->back = 0;
	s->pages = pages;
}

static void free_insert(struct heap_pages *pg, struct span *s, uint32_t pages)
{
	mark(s, pages, SPAN_FREE);
	bin_push(pg, s);
}

static struct span *find_run(struct heap_pages *pg, uint32_t pages)
{
	unsigned b = bin_fitting(pages), w = b / 64;
	if (b >= HEAP_RUN_BINS)
		return NULL;
	uint64_t bits = pg->bin_used[w] & (~0ull << (b % 64));
	while (!bits && ++w < RP_ARRAY_LEN(pg->bin_used))
		bits = pg->bin_used[w];
	if (bits)
		return pg->bin[w * 64 + (unsigned)__builtin_ctzll(bits)];
	for (struct span *s = pg->bin[bin_of(pages)]; s; s = s->next) /* long runs only: few */
		if (s->pages >= pages)
			return s;
	return NULL;
}

/* Moves the frontier up by `pages`. */
static void advance(struct heap *h, uint32_t pages)
{
	struct heap_pages *pg = &h->pages;
	uint32_t to = pg->frontier + pages;
	uint32_t ready = RP_MAX(__atomic_load_n(&pg->prefaulted, __ATOMIC_RELAXED), pg->frontier);
	if (to > ready)
		__atomic_store_n(&h->stats.faults_inline, h->stats.faults_inline + (to - ready), __ATOMIC_RELAXED);
	__atomic_store_n(&pg->frontier, to, __ATOMIC_RELAXED);
}

/* A run that ends at the new frontier, beginning with the free run below the old one if there is one. */
static struct span *take_frontier(struct heap *h, uint32_t pages)
{
	struct heap_pages *pg = &h->pages;
	struct span *s = &pg->meta[pg->frontier];
	uint32_t below = 0;
	if (pg->frontier > 0 && s[-1].kind == SPAN_FREE) {
		s -= 1 + s[-1].back;
		below = s->pages;
	}
	if (pages - below > pg->count - pg->frontier)
		return NULL;
	if (below)
		bin_remove(pg, s);
	advance(h, pages - below);
	return s;
}

static void commit(struct heap *h, int64_t pages)
{
	heap_stat_set(&h->stats.committed_bytes, h->stats.committed_bytes + (size_t)(pages * (int64_t)HEAP_PAGE));
}

struct span *heap_run_take(struct heap *h, uint32_t pages)
{
	struct heap_pages *pg = &h->pages;
	struct span *s = find_run(pg, pages);
	if (s) {
		bin_remove(pg, s);
		if (s->pages > pages)
			free_insert(pg, s + pages, s->pages - pages);
	} else {
		s = take_frontier(h, pages);
		if (!s)
			return NULL;
	}
	mark(s, pages, SPAN_LARGE);
	commit(h, pages);
	return s;
}

/* The span after s, or NULL at the frontier. */
static struct span *following(struct heap_pages *pg, struct span *s, uint32_t pages)
{
	struct span *next = s + pages;
	return next < pg->meta + pg->frontier ? next : NULL;
}

void heap_run_put(struct heap *h, struct span *s)
{
	struct heap_pages *pg = &h->pages;
	uint32_t pages = s->pages;
	commit(h, -(int64_t)pages);
	struct span *next = following(pg, s, pages);
	if (next && next->kind == SPAN_FREE) {
		bin_remove(pg, next);
		pages += next->pages;
	}
	if (s > pg->meta && s[-1].kind == SPAN_FREE) {
		s -= 1 + s[-1].back;
		bin_remove(pg, s);
		pages += s->pages;
	}
	free_insert(pg, s, pages);
}

static bool run_grow(struct heap *h, struct span *s, uint32_t more)
{
	struct heap_pages *pg = &h->pages;
	struct span *next = following(pg, s, s->pages);
	uint32_t avail = 0;
	if (next) {
		if (next->kind != SPAN_FREE)
			return false;
		avail = next->pages;
	}
	if (avail < more) { /* only the frontier behind it can help */
		if (s + s->pages + avail != pg->meta + pg->frontier || more - avail > pg->count - pg->frontier)
			return false;
		if (next)
			bin_remove(pg, next);
		advance(h, more - avail);
		return true;
	}
	bin_remove(pg, next);
	if (avail > more)
		free_insert(pg, next + more, avail - more);
	return true;
}

bool heap_run_resize(struct heap *h, struct span *s, uint32_t pages)
{
	uint32_t old = s->pages;
	if (pages > old) {
		if (!run_grow(h, s, pages - old))
			return false;
		mark(s, pages, SPAN_LARGE);
		commit(h, (int64_t)pages - old);
	} else if (pages < old) {
		mark(s + pages, old - pages, SPAN_LARGE);
		mark(s, pages, SPAN_LARGE);
		heap_run_put(h, s + pages);
	}
	return true;
}

#endif
