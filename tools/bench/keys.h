/* Which key the next request names: uniform, by Zipf's law, or every key once. */
#pragma once

#include "base/rng.h"

/* Rejection-inversion for discrete distributions (W. Hoermann, G. Derflinger, ACM TOMACS 6(3), 1996): constant time
 * and no table, whatever the number of keys. */
struct zipf {
	double n, theta;
	double h_first, h_last; /* the integral of the hat over all ranks begins and ends here */
	double accept;          /* an inverse so close to its rank needs no look at the hat */
};

/* n >= 1 ranks, theta > 0. */
void zipf_init(struct zipf *z, uint64_t n, double theta);
/* 0 .. n-1, the most frequent first. */
uint64_t zipf_draw(const struct zipf *z, struct rng *r);

enum keys_order {
	KEYS_UNIFORM,
	KEYS_ZIPF,
	KEYS_SEQUENCE,
};

struct keys {
	enum keys_order order;
	uint64_t n;
	uint64_t next; /* KEYS_SEQUENCE */
	struct rng rng;
	struct zipf zipf;
};

/* theta 0: uniform. */
void keys_init(struct keys *k, uint64_t n, double theta, uint64_t seed);
uint64_t keys_draw(struct keys *k);
