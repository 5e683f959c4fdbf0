#include "store/store_priv.h"

/* A payload this small is freed on the spot. */
#define RELEASE_NOW 64

void store_release(struct store *s, struct payload *p)
{
	uint32_t budget = RELEASE_NOW;

	if (obj_type_ops(p->type)->drain(s->heap, p, &budget))
		return;
	p->next = s->dead;
	s->dead = p;
	s->stats.freeing++;
}

uint32_t store_poll_dead(struct store *s, uint32_t budget)
{
	uint32_t left = budget;

	while (s->dead != NULL && left > 0) {
		struct payload *p = s->dead, *next = p->next;
		if (!obj_type_ops(p->type)->drain(s->heap, p, &left))
			break;
		s->dead = next;
		s->stats.freeing--;
		s->stats.freed++;
	}
	return budget - left;
}
