/* Hashed timing wheel: one node per connection, at the earliest of its deadlines or before. A deadline beyond the
 * wheel's horizon is looked at once per turn. */
#include "tcp/tcp_priv.h"

static inline uint64_t tick_of(uint64_t us)
{
	return us >> TCP_WHEEL_SHIFT;
}

void tcp_wheel_init(struct tcp_wheel *w, uint64_t now_us)
{
	w->tick = tick_of(now_us);
	memset(w->occupied, 0, sizeof(w->occupied));
	for (uint32_t i = 0; i < TCP_WHEEL_SLOTS; i++)
		tcp_list_init(&w->slot[i]);
}

void tcp_wheel_add(struct tcp *t, struct tcp_conn *c, uint64_t at_us)
{
	struct tcp_wheel *w = &t->wheel;
	uint64_t tick = tick_of(at_us + (1u << TCP_WHEEL_SHIFT) - 1); /* never early */

	tick = RP_MIN(RP_MAX(tick, w->tick + 1), w->tick + TCP_WHEEL_SLOTS - 1);
	uint32_t slot = tick % TCP_WHEEL_SLOTS;
	tcp_list_push(&w->slot[slot], &c->wheel_link);
	w->occupied[slot / 64] |= 1ULL << slot % 64;
	c->wheel_us = RP_MIN(at_us, tick << TCP_WHEEL_SHIFT);
	c->wheel_us = RP_MAX(c->wheel_us, 1u);
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

struct tcp_conn *tcp_wheel_pop(struct tcp *t, uint64_t now_us)
{
	struct tcp_wheel *w = &t->wheel;
	uint64_t now = tick_of(now_us);

	if (now > w->tick + TCP_WHEEL_SLOTS)
		w->tick = now - TCP_WHEEL_SLOTS; /* one turn meets everything */
	for (; w->tick < now; w->tick++) {
		struct tcp_link *head = &w->slot[(w->tick + 1) % TCP_WHEEL_SLOTS];
		if (!tcp_list_empty(head)) {
			struct tcp_conn *c = rp_container_of(head->next, struct tcp_conn, wheel_link);
			tcp_wheel_remove(t, c);
			return c;
		}
	}
	return NULL;
}

uint64_t tcp_wheel_next_us(const struct tcp_wheel *w)
{
	for (uint32_t i = 1; i < TCP_WHEEL_SLOTS;) {
		uint64_t tick = w->tick + i;
		uint32_t slot = tick % TCP_WHEEL_SLOTS;
		uint64_t word = w->occupied[slot / 64] >> slot % 64;
		if (word != 0)
			return (tick + (uint32_t)__builtin_ctzll(word)) << TCP_WHEEL_SHIFT;
		i += 64 - slot % 64;
	}
	return UINT64_MAX;
}
