/* Intset: sorted integers, each kept as its distance from a base in 1, 2, 4 or 8 bytes, little-endian:
 *
 *   +-----------------------------------------+------------------+----------+----------+----
 *   | 4 B: count << 3 | base has 8 B << 2 | w | base: 4 or 8 B   | distance | distance | ...     2^w bytes each
 *   +-----------------------------------------+------------------+----------+----------+----
 *
 * The base lies as far below the least integer as the width allows beside room above the greatest, so that integers
 * that come in any order move it a number of times that only depends on the widths. Redis's form of the same is
 * another: store/rdb/rdb_intset.h. Owner: the holder of the shard. */
#pragma once

#include "store/ds/cbuf.h"

#define INTSET_EMPTY_BYTES 8
#define INTSET_MAX         ((uint32_t)1 << 28) /* integers */

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
/* Bytes that it takes at most while `more` integers from lo to hi come to it. */
size_t intset_room(const uint8_t *p, uint64_t more, int64_t lo, int64_t hi);
