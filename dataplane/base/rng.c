#include "base/rng.h"

#include <errno.h>
#include <sys/random.h>

/* SplitMix64, as the authors of xoshiro advise for seeding: no seed gives the forbidden all-zero state. */
static uint64_t splitmix64(uint64_t *x)
{
	uint64_t z = (*x += 0x9e3779b97f4a7c15u);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static inline uint64_t rotl64(uint64_t x, unsigned k)
{
	return (x << k) | (x >> (64 - k));
}

void rng_init(struct rng *r, uint64_t seed)
{
	for (unsigned i = 0; i < RP_ARRAY_LEN(r->s); i++)
		r->s[i] = splitmix64(&seed);
}

uint64_t rng_next(struct rng *r)
{
	uint64_t *s = r->s;
	uint64_t result = rotl64(s[1] * 5, 7) * 9, t = s[1] << 17;
	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl64(s[3], 45);
	return result;
}

/* Multiply-shift with rejection (Lemire 2019): unbiased, and a division only in the rare case. */
uint64_t rng_below(struct rng *r, uint64_t bound)
{
	rp_assert(bound > 0);
	unsigned __int128 m = (unsigned __int128)rng_next(r) * bound;
	if (rp_unlikely((uint64_t)m < bound)) {
		uint64_t threshold = -bound % bound;
		while ((uint64_t)m < threshold)
			m = (unsigned __int128)rng_next(r) * bound;
	}
	return (uint64_t)(m >> 64);
}

void rng_system(void *buf, size_t len)
{
	char *p = buf;
	while (len > 0) {
		ssize_t n = getrandom(p, len, 0);
		rp_assert(n > 0 || errno == EINTR);
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
}
