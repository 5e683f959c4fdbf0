/* A SCAN cursor: the number of the shard above the position in its index. Stays below 2^53, so that clients which keep
 * it in a double lose nothing. */
#pragma once

#include "base/defs.h"

#define CURSOR_INDEX_BITS 46
#define CURSOR_INDEX_MASK ((1ull << CURSOR_INDEX_BITS) - 1)

/* Reads a cursor as Redis does: with strtoul(). */
bool cursor_parse(struct slice text, uint64_t *cursor);

_Static_assert((uint64_t)RP_MAX_WORKERS << CURSOR_INDEX_BITS <= 1ull << 53, "a cursor fits a double");
