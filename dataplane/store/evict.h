/* Eviction: which key of a shard goes when memory is short. As Redis: some keys are sampled, the best candidates seen
 * so far are kept in a small pool, and the best of them goes. Bounded work per call.
 *
 * Owner: the holder of the shard.
 */
#pragma once

#include "store/store.h"

enum evict_policy { /* in the order of maxmemory-policy's words */
	EVICT_VOLATILE_LRU,
	EVICT_VOLATILE_LFU,
	EVICT_VOLATILE_RANDOM,
	EVICT_VOLATILE_TTL,
	EVICT_ALLKEYS_LRU,
	EVICT_ALLKEYS_LFU,
	EVICT_ALLKEYS_RANDOM,
	EVICT_NONE,
};

static inline bool evict_is_volatile(enum evict_policy p)
{
	return p <= EVICT_VOLATILE_TTL;
}
static inline bool evict_is_lfu(enum evict_policy p)
{
	return p == EVICT_VOLATILE_LFU || p == EVICT_ALLKEYS_LFU;
}

/* Is there a key that the policy may evict? Any thread, as of a moment ago. */
bool store_evictable(const struct store *s, enum evict_policy p);
/* Evicts one key (effect DEL, event "evicted"), or goes on freeing the last one if that was large. `samples` as
 * maxmemory-samples. false: there is none. */
bool store_evict(struct store *s, enum evict_policy p, uint32_t samples);
