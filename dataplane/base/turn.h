/* How the kernel shares a CPU between this thread and others: sched_setattr(2) since Linux 6.12 takes a slice per
 * thread. Who has a shorter one than the thread that runs may take its place as soon as it wakes; with equal ones it
 * waits until the other's is over, which is milliseconds, whatever their priorities. Nobody gets more of the CPU for
 * it, and no right is needed. Older kernels ignore it.
 */
#pragma once

#include <stdint.h>

/* Wakes often, works briefly, and others wait for it: the shortest that there is. Between two of that kind the one that
 * wakes waits no longer than that. Who yields its CPU gives up what is left of the slice, which then is little. */
#define TURN_SHORT_NS 100000u
/* Polls and never sleeps: whoever wakes on its CPU is brief, and is somebody it may be waiting for (the kernel's thread
 * that commits what a sync waits for, as an example). */
#define TURN_LONG_NS 20000000u

/* The calling thread, and threads that it makes from here on. 0 or -errno; also 0 where it is not scheduled by slices.
 */
int turn_set(uint64_t slice_ns);
