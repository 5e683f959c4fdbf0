/* Text to numbers. The integer forms are strict, so that a string which parses is exactly what formatting the number
 * gives back: this is what lets a value be stored as an integer. */
#include "base/num.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* Digits without sign; the first must be 1-9. */
static bool parse_digits(const char *p, size_t len, uint64_t *out)
{
	if (len == 0 || len > 20 || *p < '1' || *p > '9')
		return false;
	uint64_t v = 0;
	size_t safe = RP_MIN(len, 19), i = 0; /* 19 digits cannot overflow 64 bits */
	for (; i < safe; i++) {
		unsigned d = (unsigned)(uint8_t)p[i] - '0';
		if (d > 9)
			return false;
		v = v * 10 + d;
	}
	for (; i < len; i++) {
		unsigned d = (unsigned)(uint8_t)p[i] - '0';
		if (d > 9 || __builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, d, &v))
			return false;
	}
	*out = v;
	return true;
}

bool num_parse_i64(struct slice s, int64_t *out)
{
	uint64_t v;
	if (s.len == 1 && s.ptr[0] == '0') {
		*out = 0;
		return true;
	}
	if (s.len > 0 && s.ptr[0] == '-') {
		if (!parse_digits(s.ptr + 1, s.len - 1, &v) || v > (uint64_t)INT64_MAX + 1)
			return false;
		*out = (int64_t)(0 - v);
		return true;
	}
	if (!parse_digits(s.ptr, s.len, &v) || v > INT64_MAX)
		return false;
	*out = (int64_t)v;
	return true;
}

/* What is no strict int64 goes through strtoull in Redis, so spaces in front, a sign and leading zeros pass there. */
static bool parse_u64_loose(struct slice s, uint64_t *out)
{
	size_t i = 0;
	bool negative = false;
	while (i < s.len && isspace((unsigned char)s.ptr[i]))
		i++;
	if (i < s.len && (s.ptr[i] == '-' || s.ptr[i] == '+'))
		negative = s.ptr[i++] == '-';
	if (i == s.len)
		return false;
	while (i < s.len - 1 && s.ptr[i] == '0')
		i++;
	uint64_t v = 0;
	if (!(i == s.len - 1 && s.ptr[i] == '0') && !parse_digits(s.ptr + i, s.len - i, &v))
		return false;
	*out = negative ? 0 - v : v;
	return true;
}

bool num_parse_u64(struct slice s, uint64_t *out)
{
	int64_t i;
	if (rp_likely(num_parse_i64(s, &i))) {
		*out = (uint64_t)i;
		return i >= 0;
	}
	return parse_u64_loose(s, out);
}

static const double pow10_exact[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
				     1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* [-]digits[.digits] with a value that a double holds exactly before the one correctly rounded division. */
static bool parse_double_plain(struct slice s, double *out)
{
	size_t i = s.len > 0 && s.ptr[0] == '-', digits = 0, decimals = 0;
	bool point = false;
	uint64_t v = 0;
	if (s.len > 20)
		return false;
	for (; i < s.len; i++) {
		unsigned d = (unsigned)(uint8_t)s.ptr[i] - '0';
		if (d <= 9) {
			v = v * 10 + d;
			digits++;
			decimals += point;
		} else if (s.ptr[i] == '.' && !point) {
			point = true;
		} else {
			return false;
		}
	}
	if (digits == 0 || digits > 19 || v > (1ull << 53))
		return false;
	double d = (double)v / pow10_exact[decimals];
	*out = s.ptr[0] == '-' ? -d : d;
	return true;
}

bool num_parse_double(struct slice s, double *out)
{
	if (rp_likely(parse_double_plain(s, out)))
		return true;
	char buf[NUM_LD_CHARS], *end;
	if (s.len == 0 || s.len >= sizeof(buf) || isspace((unsigned char)s.ptr[0]))
		return false;
	memcpy(buf, s.ptr, s.len);
	buf[s.len] = '\0';
	errno = 0;
	double v = strtod(buf, &end);
	if (end != buf + s.len || isnan(v) || (errno == ERANGE && (isinf(v) || v == 0)))
		return false;
	*out = v;
	return true;
}

bool num_parse_ld(struct slice s, long double *out)
{
	char buf[NUM_LD_CHARS], *end;
	if (s.len == 0 || s.len >= sizeof(buf) || isspace((unsigned char)s.ptr[0]))
		return false;
	memcpy(buf, s.ptr, s.len);
	buf[s.len] = '\0';
	errno = 0;
	long double v = strtold(buf, &end);
	if (end != buf + s.len || isnan(v) || (errno == ERANGE && (isinf(v) || v == 0)))
		return false;
	*out = v;
	return true;
}
