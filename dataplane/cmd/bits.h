/* Bit strings as Redis numbers them: bit 0 is the most significant bit of byte 0. Pure functions, a word at a time. */
#pragma once

#include "base/defs.h"

enum bits_op {
	BITS_AND,
	BITS_OR,
	BITS_XOR,
	BITS_NOT, /* of one source */
};

/* Set bits among bits first..last of p. */
uint64_t bits_count(const void *p, uint64_t first, uint64_t last);
/* Position of the first bit that equals `bit` among bits first..last of p; -1 if there is none. */
int64_t bits_find(const void *p, uint64_t first, uint64_t last, bool bit);
/* dst = dst op src over len bytes; for BITS_NOT dst = ~src. */
void bits_combine(enum bits_op op, void *restrict dst, const void *restrict src, size_t len);

/* `width` (1..64) bits from bit `at` of the len bytes at p; beyond the end there are zeros. */
uint64_t bits_get(const void *p, size_t len, uint64_t at, unsigned width);
/* All of them lie inside the memory at p. */
void bits_put(void *p, uint64_t at, unsigned width, uint64_t v);
