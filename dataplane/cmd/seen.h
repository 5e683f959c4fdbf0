/* Which addresses were met: for draws without repetition. */
#pragma once

#include "base/defs.h"

/* The address is in the table of `mask` + 1 (a power of two) now. false: it was before. */
static inline bool seen_add(const void **seen, uint64_t mask, const void *p)
{
	uint64_t at = ((uintptr_t)p >> 4) * 0x9e3779b97f4a7c15ull >> 20;

	for (at &= mask; seen[at] != NULL; at = (at + 1) & mask)
		if (seen[at] == p)
			return false;
	seen[at] = p;
	return true;
}
