/* xoshiro256** (Blackman & Vigna). One per owner, seeded explicitly: a seed replays a whole run. */
#pragma once

#include "base/defs.h"

struct rng {
	uint64_t s[4];
};

void rng_init(struct rng *r, uint64_t seed);
uint64_t rng_next(struct rng *r);
/* Uniform in [0, bound); bound > 0. */
uint64_t rng_below(struct rng *r, uint64_t bound);
/* Fills buf from the kernel (getrandom): for keys of hashes and ISNs. Control thread, at boot. */
void rng_system(void *buf, size_t len);
