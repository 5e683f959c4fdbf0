/* Time. Data-path code never asks the system for it: a worker reads the TSC once per iteration and
 * passes what it read down, so a simulator can pass virtual time instead. */
#pragma once

#include "base/defs.h"

/* The time-stamp counter alone. */
static inline uint64_t clock_tsc(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	uint64_t v;
	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(v));
	return v;
#else
#error "no time-stamp counter known for this architecture"
#endif
}

/* One reading. Written by the owner of the loop once per iteration. */
struct clock_now {
	uint64_t tsc;     /* cycles */
	uint64_t mono_us; /* microseconds since an arbitrary point, never goes back */
	int64_t wall_us;  /* microseconds since the Unix epoch */
};

struct clock {
	uint64_t tsc_hz;
	uint64_t us_per_tick; /* microseconds of one cycle, times 2^64 */
	uint64_t base_tsc;
	int64_t base_wall_us;
	uint64_t resync_tsc; /* when wall time is next compared with the kernel's */
};

/* Calibrates against CLOCK_MONOTONIC if tsc_hz is 0. Any thread, once per clock. */
void clock_init(struct clock *c, uint64_t tsc_hz);

/* Reads TSC and derives the rest; about once per second also re-reads the wall clock (vDSO, no system call). */
void clock_read(struct clock *c, struct clock_now *now);
