/* A log-linear histogram of latencies in nanoseconds, as HdrHistogram's: below 2^11 ns each value has a bucket of its
 * own, above that every power of two is cut into 1024 equal buckets, so a bucket is never wider than 0.1% of its
 * values. One writer. */
#pragma once

#include "base/defs.h"

#define HIST_HALF_BITS 10 /* log2 of the buckets of one power of two */
#define HIST_MAX_BITS  42 /* longest latency: 2^42 ns, over an hour; longer ones count as this */
#define HIST_BUCKETS   ((HIST_MAX_BITS - HIST_HALF_BITS + 1) << HIST_HALF_BITS)

struct hist {
	uint64_t count;
	uint64_t sum_ns;
	uint64_t min_ns, max_ns; /* exact; of no meaning while count is 0 */
	uint64_t bucket[HIST_BUCKETS];
};

void hist_init(struct hist *h);

static inline uint32_t hist_index(uint64_t ns)
{
	uint32_t bits = 63 - (uint32_t)__builtin_clzll(ns | 1);
	uint32_t shift = bits > HIST_HALF_BITS ? bits - HIST_HALF_BITS : 0;
	return (shift << HIST_HALF_BITS) + (uint32_t)(ns >> shift);
}

static inline void hist_record(struct hist *h, uint64_t ns)
{
	ns = RP_MIN(ns, (UINT64_C(1) << HIST_MAX_BITS) - 1);
	h->count++;
	h->sum_ns += ns;
	h->min_ns = RP_MIN(h->min_ns, ns);
	h->max_ns = RP_MAX(h->max_ns, ns);
	h->bucket[hist_index(ns)]++;
}

/* The largest value that a bucket holds. */
uint64_t hist_bucket_top(uint32_t idx);
/* A value that at least `percent` of all values do not exceed, at most 0.1% above the exact one; 0 if there are none.
 */
uint64_t hist_percentile(const struct hist *h, double percent);
/* How many values lie in buckets up to that of ns. */
uint64_t hist_count_upto(const struct hist *h, uint64_t ns);
double hist_mean(const struct hist *h);
