/* TSC to microseconds. Monotonic time counts from TSC zero, so the clocks of all threads of one host agree. */
#include "base/clock.h"

#include <time.h>

#include <rte_cycles.h>

#define CALIBRATION_NS 20000000

/* A multiplication instead of a division, which an idle poll would spend most of its time in: us_per_tick is a binary
 * fraction of 2^64. */
static uint64_t tsc_to_us(const struct clock *c, uint64_t tsc)
{
	return (uint64_t)(((unsigned __int128)tsc * c->us_per_tick) >> 64);
}

static int64_t wall_now_us(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * US_PER_S + ts.tv_nsec / 1000;
}

static uint64_t mono_now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t calibrate_hz(void)
{
	const struct timespec nap = {.tv_nsec = CALIBRATION_NS};
	uint64_t ns0 = mono_now_ns(), tsc0 = rte_rdtsc();
	nanosleep(&nap, NULL);
	uint64_t ns1 = mono_now_ns(), tsc1 = rte_rdtsc();
	rp_assert(ns1 > ns0);
	return (uint64_t)((double)(tsc1 - tsc0) * 1e9 / (double)(ns1 - ns0));
}

static void sync_wall(struct clock *c, uint64_t tsc)
{
	c->base_tsc = tsc;
	c->base_wall_us = wall_now_us();
	c->resync_tsc = tsc + c->tsc_hz;
}

void clock_init(struct clock *c, uint64_t tsc_hz)
{
	c->tsc_hz = tsc_hz ? tsc_hz : calibrate_hz();
	rp_assert(c->tsc_hz > US_PER_S);
	c->us_per_tick = (uint64_t)(((unsigned __int128)US_PER_S << 64) / c->tsc_hz);
	sync_wall(c, rte_rdtsc());
}

void clock_read(struct clock *c, struct clock_now *now)
{
	uint64_t tsc = rte_rdtsc();
	if (rp_unlikely(tsc >= c->resync_tsc))
		sync_wall(c, tsc);
	now->tsc = tsc;
	now->mono_us = tsc_to_us(c, tsc);
	now->wall_us = c->base_wall_us + (int64_t)tsc_to_us(c, tsc - c->base_tsc);
}
