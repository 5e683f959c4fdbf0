#include "keys.h"

#include <math.h>

/* (exp(x) - 1) / x and log(1 + x) / x, also where x is nearly 0. */
static double expm1_over(double x)
{
	return fabs(x) > 1e-8 ? expm1(x) / x : 1 + x / 2 * (1 + x / 3);
}

static double log1p_over(double x)
{
	return fabs(x) > 1e-8 ? log1p(x) / x : 1 - x * (0.5 - x / 3);
}

/* The hat x^-theta, its integral from 1, and the inverse of that; one formula also for theta = 1. */
static double hat(const struct zipf *z, double x)
{
	return exp(-z->theta * log(x));
}

static double hat_integral(const struct zipf *z, double x)
{
	double lx = log(x);
	return expm1_over((1 - z->theta) * lx) * lx;
}

static double hat_integral_inverse(const struct zipf *z, double y)
{
	double t = fmax(y * (1 - z->theta), -1);
	return exp(log1p_over(t) * y);
}

void zipf_init(struct zipf *z, uint64_t n, double theta)
{
	z->n = (double)n;
	z->theta = theta;
	z->h_first = hat_integral(z, 1.5) - 1;
	z->h_last = hat_integral(z, z->n + 0.5);
	z->accept = 2 - hat_integral_inverse(z, hat_integral(z, 2.5) - hat(z, 2));
}

uint64_t zipf_draw(const struct zipf *z, struct rng *r)
{
	for (;;) {
		double unit = (double)(rng_next(r) >> 11) * 0x1p-53;
		double u = z->h_last + unit * (z->h_first - z->h_last);
		double x = hat_integral_inverse(z, u);
		double k = fmin(fmax(floor(x + 0.5), 1), z->n);
		if (k - x <= z->accept || u >= hat_integral(z, k + 0.5) - hat(z, k))
			return (uint64_t)k - 1;
	}
}

void keys_init(struct keys *k, uint64_t n, double theta, uint64_t seed)
{
	memset(k, 0, sizeof *k);
	k->n = n ? n : 1;
	k->order = theta > 0 ? KEYS_ZIPF : KEYS_UNIFORM;
	rng_init(&k->rng, seed);
	if (k->order == KEYS_ZIPF)
		zipf_init(&k->zipf, k->n, theta);
}

uint64_t keys_draw(struct keys *k)
{
	if (rp_likely(k->order == KEYS_UNIFORM))
		return k->n == 1 ? 0 : rng_below(&k->rng, k->n);
	if (k->order == KEYS_ZIPF)
		return zipf_draw(&k->zipf, &k->rng);
	return k->next++ % k->n;
}
