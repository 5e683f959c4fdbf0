/* See stages.h. */
#include "base/stages.h"

/* Two bits below the leading one pick the bucket inside its octave. */
static uint32_t bucket_of(uint64_t cycles)
{
	if (cycles < 4)
		return (uint32_t)cycles;
	uint32_t top = 63 - (uint32_t)__builtin_clzll(cycles);
	uint32_t b = (top - 1) * 4 + (uint32_t)((cycles >> (top - 2)) & 3);
	return RP_MIN(b, STAGE_BUCKETS - 1);
}

uint64_t stage_bucket_end(uint32_t b)
{
	if (b < 4)
		return b;
	uint32_t top = b / 4 + 1;
	return ((uint64_t)(4 + b % 4 + 1) << (top - 2)) - 1;
}

static void enter(struct stage_hist *h, uint64_t cycles)
{
	h->n++;
	h->cycles += cycles;
	h->max = RP_MAX(h->max, cycles);
	h->bucket[bucket_of(cycles)]++;
}

void stages_end(struct stages *s, bool worked)
{
	if (rp_likely(!s->on))
		return;
	uint64_t total = 0;
	for (uint32_t i = 0; i < STAGE_TOTAL; i++) {
		total += s->spent[i];
		if (worked)
			enter(&s->hist[i], s->spent[i]);
		s->spent[i] = 0;
	}
	if (worked)
		enter(&s->hist[STAGE_TOTAL], total);
	s->on = false;
}

uint64_t stage_percentile(const struct stage_hist *h, uint32_t permille)
{
	uint64_t seen = 0, want = (h->n * permille + 999) / 1000;
	for (uint32_t b = 0; b < STAGE_BUCKETS; b++) {
		seen += h->bucket[b];
		if (seen >= want && seen > 0)
			return RP_MIN(stage_bucket_end(b), h->max);
	}
	return h->max;
}

const char *stage_name(enum stage stage)
{
	static const char *const names[] = {
#define STAGE_NAME(name, text, what) text,
		STAGES(STAGE_NAME)
#undef STAGE_NAME
	};
	return names[stage];
}
