/* Numbers to text and back with Redis's exact rules. All functions are pure. */
#pragma once

#include "base/defs.h"

#define NUM_I64_CHARS    21 /* longest int64 with sign and NUL */
#define NUM_DOUBLE_CHARS 40
#define NUM_LD_CHARS     5120 /* long double in %.17Lf, worst case */

/* Strict base-10 int64 as Redis's string2ll: no spaces, no '+', no leading zeros, "-0" refused. */
bool num_parse_i64(struct slice s, int64_t *out);
/* As above for uint64 (string2ull: also accepts what strtoull accepts there; see num.c). */
bool num_parse_u64(struct slice s, uint64_t *out);
/* Redis's getDoubleFromObject: whole slice, strtod syntax, inf accepted, nan and spaces refused. */
bool num_parse_double(struct slice s, double *out);
/* Redis's string2ld, for INCRBYFLOAT. */
bool num_parse_ld(struct slice s, long double *out);

/* The value of a hexadecimal digit of either case; -1: it is none. */
static inline int num_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Each writes to buf (size as above), adds a NUL and returns the length. */
size_t num_format_i64(char *buf, int64_t v);
size_t num_format_u64(char *buf, uint64_t v);
/* Shortest text that reads back equal, integers without point: what Redis 7.2 sends for a RESP3 double
 * and stores for scores ("%.17g" where the shortest form would differ). */
size_t num_format_double(char *buf, double v);
/* Redis's ld2string human-friendly: "%.17Lf" with trailing zeros removed: what INCRBYFLOAT stores. */
size_t num_format_ld_human(char *buf, long double v);
