/* What impair.c tells impair.bpf.c, and what it hears from it. */
#pragma once

#define IMPAIR_ALL (1u << 20) /* a share of everything */

enum impair_dir {
	IMPAIR_IN,
	IMPAIR_OUT,
	IMPAIR_DIRS
};

struct impair_rules {
	/* shares of the packets, of IMPAIR_ALL */
	unsigned int lose, duplicate, corrupt, hold;
	unsigned int ifindex;
	unsigned int tap[IMPAIR_DIRS]; /* where packets wait that are held back */
};

enum {
	IMPAIR_SEEN,
	IMPAIR_LOST,
	IMPAIR_DUPLICATED,
	IMPAIR_CORRUPTED,
	IMPAIR_HELD,
	IMPAIR_COUNTERS
};
