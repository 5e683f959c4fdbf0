/* The end of the line for a broken invariant. */
#include "base/defs.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void rp_panic(const char *file, int line, const char *what)
{
	fflush(stdout);
	fprintf(stderr, "redpoll: internal error at %s:%d: %s\n", file, line, what);
	fflush(stderr);
	abort();
}
