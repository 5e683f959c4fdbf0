#include "base/turn.h"

#include <errno.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

/* struct sched_attr in its first version: the C library of Debian 12 has no name for it, and the kernel's header and
 * the library's do not go together. */
struct turn_attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime_ns, deadline_ns, period_ns;
};

int turn_set(uint64_t slice_ns)
{
	struct turn_attr a = {.size = sizeof a};

	if (syscall(SYS_sched_getattr, 0, &a, sizeof a, 0) != 0)
		return -errno;
	if (a.policy != SCHED_OTHER)
		return 0;
	a.runtime_ns = slice_ns;
	return syscall(SYS_sched_setattr, 0, &a, 0) == 0 ? 0 : -errno;
}
