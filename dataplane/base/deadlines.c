#include "base/deadlines.h"

#include <errno.h>
#include <stdlib.h>

#define CHILDREN 4

int deadlines_init(struct deadlines *h, uint32_t cap)
{
	*h = (struct deadlines){.cap = cap};
	h->heap = calloc(RP_MAX(cap, 1u), sizeof *h->heap);
	return h->heap != NULL ? 0 : -ENOMEM;
}

void deadlines_fini(struct deadlines *h)
{
	free(h->heap);
	h->heap = NULL;
}

static void put(struct deadlines *h, uint32_t i, struct deadlines_place p)
{
	h->heap[i] = p;
	p.d->place = i + 1;
}

/* p goes up from place i, whose own was moved away, as far as it is earlier. */
static void rise(struct deadlines *h, uint32_t i, struct deadlines_place p)
{
	while (i > 0) {
		uint32_t parent = (i - 1) / CHILDREN;
		h->steps++;
		if (h->heap[parent].at_us <= p.at_us)
			break;
		put(h, i, h->heap[parent]);
		i = parent;
	}
	put(h, i, p);
}

static uint32_t earliest_child(struct deadlines *h, uint32_t i)
{
	uint32_t first = i * CHILDREN + 1, end = RP_MIN(first + CHILDREN, h->n), best = first;

	for (uint32_t k = first; k < end; k++) {
		h->steps++;
		if (h->heap[k].at_us < h->heap[best].at_us)
			best = k;
	}
	return best;
}

static void sink(struct deadlines *h, uint32_t i, struct deadlines_place p)
{
	while (i * CHILDREN + 1 < h->n) {
		uint32_t child = earliest_child(h, i);
		if (h->heap[child].at_us >= p.at_us)
			break;
		put(h, i, h->heap[child]);
		i = child;
	}
	put(h, i, p);
}

void deadlines_add(struct deadlines *h, struct deadline *d, uint64_t at_us)
{
	rp_assert(d->place == 0 && h->n < h->cap);
	rise(h, h->n++, (struct deadlines_place){at_us, d});
}

void deadlines_remove(struct deadlines *h, struct deadline *d)
{
	if (d->place == 0)
		return;
	uint32_t i = d->place - 1;
	struct deadlines_place last = h->heap[--h->n];
	d->place = 0;
	if (last.d == d)
		return;
	if (i > 0 && last.at_us < h->heap[(i - 1) / CHILDREN].at_us)
		rise(h, i, last);
	else
		sink(h, i, last);
}

struct deadline *deadlines_pop(struct deadlines *h, uint64_t now_us)
{
	if (deadlines_next_us(h) > now_us)
		return NULL;
	struct deadline *d = h->heap[0].d;
	deadlines_remove(h, d);
	return d;
}
