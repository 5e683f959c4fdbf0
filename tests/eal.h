/* EAL for test programs: a little ordinary memory, one thread, nothing left behind. */
#pragma once

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>

#include "base/defs.h"

/* name, perhaps a path: whose memory it is. 0, or -1. */
static inline int test_eal(const char *name, const char *mem_mb)
{
	static char prefix[64];
	const char *args[] = {"test",           "--no-huge",         "--no-shconf",   "-m",   mem_mb,     "--no-pci",
			      "--no-telemetry", "--log-level=error", "--file-prefix", prefix, "--lcores", "0",
			      "--iova-mode=va"};
	char *argv[RP_ARRAY_LEN(args)]; /* EAL reorders them */

	const char *slash = strrchr(name, '/');

	snprintf(prefix, sizeof(prefix), "%s-%d", slash != NULL ? slash + 1 : name, (int)getpid());
	memcpy(argv, args, sizeof(argv));
	if (rte_eal_init((int)RP_ARRAY_LEN(argv), argv) < 0)
		return -1;
	rmdir(rte_eal_get_runtime_dir()); /* EAL makes it and leaves it */
	return 0;
}
