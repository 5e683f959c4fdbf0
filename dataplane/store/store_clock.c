/* Redis's approximated LRU (seconds, 24 bits) and LFU (minutes of the last decay, 16 bits; a logarithmic counter, 8
 * bits) in object->clock. */
#include "store/store_priv.h"

#define CLOCK_MASK  0xffffffu
#define LFU_MINUTES 0xffffu
#define LFU_INITIAL 5u /* so that a new key is not the first to be evicted */
#define LFU_COUNT   0xffu

static uint32_t lru_now(const struct store *s)
{
	return (uint32_t)(s->clock_ms / 1000) & CLOCK_MASK;
}

static uint32_t lfu_minutes(const struct store *s)
{
	return (uint32_t)(s->clock_ms / 60000) & LFU_MINUTES;
}

static bool is_lfu(const struct store *s)
{
	return __atomic_load_n(&s->lfu, __ATOMIC_RELAXED);
}

void store_set_clock(struct store *s, bool lfu, uint32_t lfu_log_factor, uint32_t lfu_decay_min)
{
	__atomic_store_n(&s->lfu_log_factor, lfu_log_factor, __ATOMIC_RELAXED);
	__atomic_store_n(&s->lfu_decay_min, lfu_decay_min, __ATOMIC_RELAXED);
	__atomic_store_n(&s->lfu, lfu, __ATOMIC_RELAXED);
}

uint32_t store_clock_initial(const struct store *s)
{
	return is_lfu(s) ? lfu_minutes(s) << 8 | LFU_INITIAL : lru_now(s);
}

uint8_t obj_lfu_freq(const struct store *s, const struct object *o)
{
	uint32_t count = o->clock & LFU_COUNT;

	uint32_t decay_min = __atomic_load_n(&s->lfu_decay_min, __ATOMIC_RELAXED);

	if (decay_min == 0)
		return (uint8_t)count;
	uint32_t idle = (lfu_minutes(s) - (o->clock >> 8)) & LFU_MINUTES;
	uint32_t decay = idle / decay_min;
	return (uint8_t)(decay > count ? 0 : count - decay);
}

uint64_t obj_idle_s(const struct store *s, const struct object *o)
{
	return (lru_now(s) - o->clock) & CLOCK_MASK;
}

void store_clock_access(struct store *s, struct object *o)
{
	if (rp_likely(!is_lfu(s))) {
		o->clock = lru_now(s);
		return;
	}
	uint32_t count = obj_lfu_freq(s, o);
	uint64_t above = count > LFU_INITIAL ? count - LFU_INITIAL : 0;
	if (count < LFU_COUNT &&
	    rng_below(&s->rng, above * __atomic_load_n(&s->lfu_log_factor, __ATOMIC_RELAXED) + 1) == 0)
		count++;
	o->clock = lfu_minutes(s) << 8 | count;
}

void obj_set_new(const struct store *s, struct object *o)
{
	o->clock = store_clock_initial(s);
}

void obj_set_idle(const struct store *s, struct object *o, uint64_t idle_s)
{
	if (!is_lfu(s))
		o->clock = (lru_now(s) - (uint32_t)RP_MIN(idle_s, (uint64_t)CLOCK_MASK)) & CLOCK_MASK;
}

void obj_set_freq(const struct store *s, struct object *o, uint8_t freq)
{
	if (is_lfu(s))
		o->clock = lfu_minutes(s) << 8 | freq;
}
