#include "hist.h"

#include <math.h>

void hist_init(struct hist *h)
{
	memset(h, 0, sizeof *h);
	h->min_ns = UINT64_MAX;
}

uint64_t hist_bucket_top(uint32_t idx)
{
	uint32_t group = idx >> HIST_HALF_BITS, shift = group > 1 ? group - 1 : 0;
	uint64_t mantissa = idx - ((uint64_t)shift << HIST_HALF_BITS);
	return ((mantissa + 1) << shift) - 1;
}

uint64_t hist_percentile(const struct hist *h, double percent)
{
	uint64_t rank = (uint64_t)ceil(percent / 100 * (double)h->count), seen = 0;

	if (h->count == 0)
		return 0;
	if (percent <= 0)
		return h->min_ns;
	rank = RP_MIN(RP_MAX(rank, (uint64_t)1), h->count);
	for (uint32_t i = hist_index(h->min_ns); i < HIST_BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen >= rank)
			return RP_MIN(hist_bucket_top(i), h->max_ns);
	}
	return h->max_ns;
}

uint64_t hist_count_upto(const struct hist *h, uint64_t ns)
{
	uint32_t last = hist_index(RP_MIN(ns, (UINT64_C(1) << HIST_MAX_BITS) - 1));
	uint64_t seen = 0;

	for (uint32_t i = 0; i <= last; i++)
		seen += h->bucket[i];
	return seen;
}

double hist_mean(const struct hist *h)
{
	return h->count ? (double)h->sum_ns / (double)h->count : 0;
}
