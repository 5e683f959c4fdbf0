/* Intset: sorted integers of 2, 4 or 8 bytes, as in Redis's RDB files: 4 bytes width, 4 bytes count, the integers;
 * little-endian. What comes from outside passes intset_valid() first. Owner: the holder of the shard. */
#pragma once

#include "store/ds/cbuf.h"

#define INTSET_EMPTY_BYTES 8

void intset_init(uint8_t *p);
size_t intset_bytes(const uint8_t *p);
uint32_t intset_count(const uint8_t *p);
int64_t intset_get(const uint8_t *p, uint32_t at); /* at < count */
bool intset_has(const uint8_t *p, int64_t v);
/* Position of v, or of the first greater. */
bool intset_find(const uint8_t *p, int64_t v, uint32_t *at);
/* *added: it was not there. false: out of memory, nothing changed. */
bool intset_add(struct cbuf *b, int64_t v, bool *added);
bool intset_remove(struct cbuf *b, int64_t v); /* false: was not there */
/* Width, count, length and order are as they must be. */
bool intset_valid(const uint8_t *p, size_t len);
