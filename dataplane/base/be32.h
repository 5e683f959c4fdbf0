/* Words of packet headers, in network order at any address. Headers are made of them, one store each, and are summed by
 * them: a CPU that reads in one piece what it has just written in several, or in others, waits until all of it has left
 * its store buffer. */
#pragma once

#include <endian.h>

#include "base/defs.h"

static inline uint32_t be32_load(const void *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof v);
	return be32toh(v);
}

static inline void be32_store(void *p, uint32_t v)
{
	v = htobe32(v);
	memcpy(p, &v, sizeof v);
}
