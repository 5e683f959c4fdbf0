/* A SCAN cursor: the number of the shard above the position in its index. Stays below 2^53, so that clients which keep
 * it in a double lose nothing. */
#pragma once

#include "base/defs.h"

#define CURSOR_INDEX_BITS 46
#define CURSOR_INDEX_MASK ((1ull << CURSOR_INDEX_BITS) - 1)

_Static_assert((uint64_t)RP_MAX_WORKERS << CURSOR_INDEX_BITS <= 1ull << 53, "a cursor fits a double");
