/* Redis's form of an intset, as RDB files have it: 4 bytes width (2, 4 or 8), 4 bytes count, the sorted integers;
 * little-endian. */
#pragma once

#include "base/defs.h"

/* Width, count, length and order are as they must be. The other two take what has passed. */
bool rdb_intset_valid(const uint8_t *p, size_t len);
uint32_t rdb_intset_count(const uint8_t *p);
int64_t rdb_intset_get(const uint8_t *p, uint32_t at);

/* From our form: bytes that it takes, and the bytes. */
size_t rdb_intset_bytes(const uint8_t *ours);
void rdb_intset_write(const uint8_t *ours, uint8_t *out);
