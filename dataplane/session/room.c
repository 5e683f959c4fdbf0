/* Room under maxmemory. What all heaps use together is exact at any moment: a command that may need memory is let in
 * when it is below the limit, or can be brought there by evicting keys of our own shard. A shard that holds more than
 * its even part evicts in the background as well, so that those who write do not live at the cost of one shard. */
#include "session/session_priv.h"
#include "store/evict.h"

/* So close to the limit every command looks. What comes in between two background looks is less. */
#define TIGHT_BYTES (64ull << 20)
/* Keys that make room for one command: further ones go in the background, and the command is let in. */
#define EVICT_STEPS      16
#define EVICT_BACKGROUND 128

static uint64_t used_bytes(const struct session_host *h)
{
	uint64_t used = 0;

	for (uint32_t i = 0; i < h->nheaps; i++)
		used += heap_used(h->heaps[i]);
	return used;
}

static bool evict_down(struct session_host *h, uint32_t steps)
{
	struct store *s = h->env.stores[h->own];

	while (used_bytes(h) > h->conf.maxmemory) {
		if (steps-- == 0 || !store_evict(s, h->conf.evict, h->conf.evict_samples))
			return false;
	}
	return true;
}

static bool others_may(const struct session_host *h)
{
	for (uint32_t i = 0; i < h->env.nstores; i++)
		if (store_evictable(h->env.stores[i], h->conf.evict))
			return true;
	return false;
}

bool room_make(struct session_host *h)
{
	/* While clients are paused the keys stay as they are. */
	if (used_bytes(h) <= h->conf.maxmemory || host_paused(h))
		return true;
	if (h->own >= 0 && !h->own_leased && evict_down(h, EVICT_STEPS))
		return true;
	return others_may(h);
}

uint32_t host_poll_memory(struct session_host *h)
{
	uint64_t max = h->conf.maxmemory;

	if (max == 0) {
		h->tight = false;
		return 0;
	}
	uint64_t used = used_bytes(h);
	h->tight = used + TIGHT_BYTES > max;
	if (used <= max || h->own < 0 || h->own_leased || h->conf.evict == EVICT_NONE || host_paused(h))
		return 0;
	const struct store *own = h->env.stores[h->own];
	if (heap_used(store_heap(own)) < max / h->env.nstores && h->env.nstores > 1)
		return 0;
	return evict_down(h, EVICT_BACKGROUND) ? 0 : 1;
}
