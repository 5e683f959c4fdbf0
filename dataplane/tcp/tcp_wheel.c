/* Hashed timing wheel: one node per connection, at the earliest of its deadlines or before. What is farther away than
 * the near slots reach stands in a far one until its span begins; a deadline beyond those, too, is looked at once per
 * turn. */
#include "tcp/tcp_priv.h"

static inline uint64_t tick_of(uint64_t us)
{
	return us >> TCP_WHEEL_SHIFT;
}

static inline uint64_t far_of(uint64_t us)
{
	return us >> TCP_WHEEL_FAR_SHIFT;
}

void tcp_wheel_init(struct tcp_wheel *w, uint64_t now_us)
{
	w->tick = tick_of(now_us);
	w->far = far_of(now_us);
	memset(w->occupied, 0, sizeof(w->occupied));
	for (uint32_t i = 0; i < RP_ARRAY_LEN(w->slot); i++)
		tcp_list_init(&w->slot[i]);
}

static void add_at(struct tcp_wheel *w, struct tcp_conn *c, uint32_t slot, uint64_t look_us)
{
	tcp_list_push(&w->slot[slot], &c->wheel_link);
	w->occupied[slot / 64] |= 1ULL << slot % 64;
	c->wheel_us = RP_MAX(look_us, 1u);
}

void tcp_wheel_add(struct tcp *t, struct tcp_conn *c, uint64_t at_us)
{
	struct tcp_wheel *w = &t->wheel;
	uint64_t tick = tick_of(at_us + (1u << TCP_WHEEL_SHIFT) - 1); /* never early */
	uint64_t span = RP_MIN(far_of(at_us), w->far + TCP_WHEEL_FAR - 1);

	if (tick >= w->tick + TCP_WHEEL_SLOTS && span > RP_MAX(w->far, far_of(tcp_now_us(t)))) {
		add_at(w, c, TCP_WHEEL_SLOTS + span % TCP_WHEEL_FAR, span << TCP_WHEEL_FAR_SHIFT);
		return;
	}
	/* Not before the next tick, even if it is due: what a timer sets must not come into the slot that is being
	 * served, or who always is due would stop the wheel for all. */
	tick = RP_MAX(tick, RP_MAX(w->tick, tick_of(tcp_now_us(t))) + 1);
	tick = RP_MIN(tick, w->tick + TCP_WHEEL_SLOTS - 1);
	add_at(w, c, tick % TCP_WHEEL_SLOTS, RP_MIN(at_us, tick << TCP_WHEEL_SHIFT));
}

void tcp_wheel_remove(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_wheel *w = &t->wheel;
	struct tcp_link *prev = c->wheel_link.prev;

	if (c->wheel_us == 0)
		return;
	c->wheel_us = 0;
	tcp_list_remove(&c->wheel_link);
	if (tcp_list_empty(prev)) { /* it was alone: prev is the slot's head */
		uint32_t slot = (uint32_t)(prev - w->slot);
		w->occupied[slot / 64] &= ~(1ULL << slot % 64);
	}
}

static struct tcp_conn *pop_slot(struct tcp *t, uint32_t slot)
{
	struct tcp_link *head = &t->wheel.slot[slot];

	if (tcp_list_empty(head))
		return NULL;
	struct tcp_conn *c = rp_container_of(head->next, struct tcp_conn, wheel_link);
	tcp_wheel_remove(t, c);
	return c;
}

struct tcp_conn *tcp_wheel_pop(struct tcp *t, uint64_t now_us)
{
	struct tcp_wheel *w = &t->wheel;
	uint64_t now = tick_of(now_us), span = far_of(now_us);
	struct tcp_conn *c;

	/* One turn meets everything. */
	w->tick = RP_MAX(w->tick, now - RP_MIN(now, (uint64_t)TCP_WHEEL_SLOTS));
	w->far = RP_MAX(w->far, span - RP_MIN(span, (uint64_t)TCP_WHEEL_FAR));
	for (; w->tick < now; w->tick++) {
		c = pop_slot(t, (w->tick + 1) % TCP_WHEEL_SLOTS);
		if (c != NULL)
			return c;
	}
	for (; w->far < span; w->far++) {
		c = pop_slot(t, TCP_WHEEL_SLOTS + (w->far + 1) % TCP_WHEEL_FAR);
		if (c != NULL)
			return c;
	}
	return NULL;
}

/* The next time after `last` whose slot is occupied, UINT64_MAX if none. */
static uint64_t next_occupied(const uint64_t *occupied, uint32_t slots, uint64_t last)
{
	for (uint32_t i = 1; i <= slots;) {
		uint32_t slot = (last + i) % slots;
		uint64_t word = occupied[slot / 64] >> slot % 64;
		if (word != 0)
			return last + i + (uint32_t)__builtin_ctzll(word);
		i += 64 - slot % 64;
	}
	return UINT64_MAX;
}

uint64_t tcp_wheel_next_us(const struct tcp_wheel *w)
{
	uint64_t tick = next_occupied(w->occupied, TCP_WHEEL_SLOTS, w->tick);
	uint64_t span = next_occupied(w->occupied + TCP_WHEEL_SLOTS / 64, TCP_WHEEL_FAR, w->far);

	return RP_MIN(tick == UINT64_MAX ? tick : tick << TCP_WHEEL_SHIFT,
		      span == UINT64_MAX ? span : span << TCP_WHEEL_FAR_SHIFT);
}
