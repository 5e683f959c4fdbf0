/* TSC to microseconds. Monotonic time counts from TSC zero, so the clocks of all threads of one host agree. */
#include "base/clock.h"

#include <time.h>

#include <rte_cycles.h>

#define CALIBRATION_NS 20000000
#define READINGS       20
#define CLOSE_CYCLES   20000 /* some microseconds */

/* A multiplication instead of a division, which an idle poll would spend most of its time in: us_per_tick is a binary
 * fraction of 2^64. */
static uint64_t tsc_to_us(const struct clock *c, uint64_t tsc)
{
	return (uint64_t)(((unsigned __int128)tsc * c->us_per_tick) >> 64);
}

/* The TSC and a clock of the kernel at one moment. Between two readings the CPU may be taken away for milliseconds, so
 * the closest of several counts; one within `enough` cycles ends the search. */
struct moment {
	uint64_t tsc, ns;
};

static struct moment moment_read(clockid_t id, uint64_t enough)
{
	struct moment best = {0};
	uint64_t closest = UINT64_MAX;
	struct timespec ts;

	for (int i = 0; i < READINGS && closest > enough; i++) {
		uint64_t before = rte_rdtsc();
		clock_gettime(id, &ts);
		uint64_t took = rte_rdtsc() - before;
		if (took >= closest)
			continue;
		closest = took;
		best = (struct moment){before + took / 2, (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec};
	}
	return best;
}

/* rte_get_tsc_hz() is read once, and off by a few percent where CPUs are busy. */
static uint64_t calibrate_hz(void)
{
	const struct timespec nap = {.tv_nsec = CALIBRATION_NS};
	struct moment begin = moment_read(CLOCK_MONOTONIC, 0);
	nanosleep(&nap, NULL);
	struct moment end = moment_read(CLOCK_MONOTONIC, 0);
	rp_assert(end.ns > begin.ns);
	return (uint64_t)((double)(end.tsc - begin.tsc) * 1e9 / (double)(end.ns - begin.ns));
}

static void sync_wall(struct clock *c)
{
	struct moment m = moment_read(CLOCK_REALTIME, CLOSE_CYCLES);

	c->base_tsc = m.tsc;
	c->base_wall_us = (int64_t)(m.ns / 1000);
	c->resync_tsc = m.tsc + c->tsc_hz;
}

void clock_init(struct clock *c, uint64_t tsc_hz)
{
	c->tsc_hz = tsc_hz ? tsc_hz : calibrate_hz();
	rp_assert(c->tsc_hz > US_PER_S);
	c->us_per_tick = (uint64_t)(((unsigned __int128)US_PER_S << 64) / c->tsc_hz);
	sync_wall(c);
}

void clock_read(struct clock *c, struct clock_now *now)
{
	uint64_t tsc = rte_rdtsc();
	if (rp_unlikely(tsc >= c->resync_tsc)) {
		sync_wall(c);
		tsc = rte_rdtsc();
	}
	now->tsc = tsc;
	now->mono_us = tsc_to_us(c, tsc);
	now->wall_us = c->base_wall_us + (int64_t)tsc_to_us(c, tsc - c->base_tsc);
}
