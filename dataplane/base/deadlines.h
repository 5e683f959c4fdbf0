/* Deadlines of many things that wait, the earliest always at hand: a heap of four children per place. Asking whether
 * anything is due costs one compare, however many wait; putting in and taking out O(log n). Owner: one thread.
 */
#pragma once

#include "base/defs.h"

/* Part of what waits; all zero: in no heap. */
struct deadline {
	uint32_t place; /* from 1 on */
};

struct deadlines_place {
	uint64_t at_us;
	struct deadline *d;
};

struct deadlines {
	struct deadlines_place *heap; /* [cap] */
	uint32_t n, cap;
	uint64_t steps; /* places compared so far: what it costs */
};

/* Room for cap of them. -ENOMEM. Control thread, as is the end of it. */
int deadlines_init(struct deadlines *h, uint32_t cap);
void deadlines_fini(struct deadlines *h);
/* d is in no heap. */
void deadlines_add(struct deadlines *h, struct deadline *d, uint64_t at_us);
/* Nothing if it is not in. */
void deadlines_remove(struct deadlines *h, struct deadline *d);
/* Takes out the earliest that is due at now_us; NULL: none is. */
struct deadline *deadlines_pop(struct deadlines *h, uint64_t now_us);

/* UINT64_MAX: nothing waits. */
static inline uint64_t deadlines_next_us(const struct deadlines *h)
{
	return h->n > 0 ? h->heap[0].at_us : UINT64_MAX;
}
