/* Numbers to text. */
#include "base/num.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char two_digits[201] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
				    "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
				    "8081828384858687888990919293949596979899";

static const uint64_t pow10_u64[20] = {0,
				       10,
				       100,
				       1000,
				       10000,
				       100000,
				       1000000,
				       10000000,
				       100000000,
				       1000000000,
				       10000000000,
				       100000000000,
				       1000000000000,
				       10000000000000,
				       100000000000000,
				       1000000000000000,
				       10000000000000000,
				       100000000000000000,
				       1000000000000000000,
				       10000000000000000000u};

static inline unsigned decimal_digits(uint64_t v)
{
	unsigned guess = (64 - (unsigned)__builtin_clzll(v | 1)) * 1233 >> 12; /* log10(2) ~ 1233/4096 */
	return guess + (v >= pow10_u64[guess]);
}

size_t num_format_u64(char *buf, uint64_t v)
{
	unsigned len = decimal_digits(v);
	char *p = buf + len;
	*p = '\0';
	while (v >= 100) {
		p -= 2;
		memcpy(p, two_digits + v % 100 * 2, 2);
		v /= 100;
	}
	if (v >= 10)
		memcpy(p - 2, two_digits + v * 2, 2);
	else
		p[-1] = (char)('0' + v);
	return len;
}

size_t num_format_i64(char *buf, int64_t v)
{
	if (v >= 0)
		return num_format_u64(buf, (uint64_t)v);
	*buf = '-';
	return 1 + num_format_u64(buf + 1, 0 - (uint64_t)v);
}

/* ---- doubles ---- */

struct decimal {
	char digits[20];
	int count;
	int exp10; /* value = digits x 10^exp10 */
};

static const double pow10_exact[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
				     1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

/* Most scores people use have few decimals: then v * 10^k is a small integer, and one correctly rounded division
 * proves that it reads back. With at most 15 digits no other text that short does, so it is the shortest. */
static bool shortest_fixed(double v, struct decimal *d)
{
	for (int k = 1; k < (int)RP_ARRAY_LEN(pow10_exact); k++) {
		double scaled = v * pow10_exact[k];
		if (scaled >= 1e15)
			return false;
		double whole = rint(scaled);
		if (whole / pow10_exact[k] == v) {
			d->count = (int)num_format_u64(d->digits, (uint64_t)whole);
			d->exp10 = -k;
			return true;
		}
	}
	return false;
}

static void shortest_search(double v, struct decimal *d)
{
	char text[32];
	/* Of normal numbers 15 digits always survive; below them precision fades. */
	for (int prec = v < DBL_MIN ? 0 : 14; prec <= 16; prec++) {
		snprintf(text, sizeof(text), "%.*e", prec, v);
		if (strtod(text, NULL) == v)
			break;
	}
	char *e = strchr(text, 'e');
	int n = 0;
	for (char *p = text; p < e; p++)
		if (*p != '.')
			d->digits[n++] = *p;
	d->exp10 = atoi(e + 1) - (n - 1);
	for (; n > 1 && d->digits[n - 1] == '0'; n--)
		d->exp10++;
	d->count = n;
}

static size_t put_exponent(char *p, int exp)
{
	p[0] = 'e';
	p[1] = exp < 0 ? '-' : '+';
	return 2 + num_format_u64(p + 2, (uint64_t)abs(exp));
}

/* Where the point goes, and from where on an exponent is used, as Redis 7.2 prints doubles. */
static size_t emit_decimal(char *p, const struct decimal *d)
{
	int n = d->count, k = d->exp10, exp = k + n - 1;
	if (k >= 0 && abs(exp) < n + 7) {
		memcpy(p, d->digits, (size_t)n);
		memset(p + n, '0', (size_t)k);
		return (size_t)(n + k);
	}
	if (k < 0 && (k > -7 || abs(exp) < 4)) {
		int whole = n + k; /* digits in front of the point */
		if (whole > 0) {
			memcpy(p, d->digits, (size_t)whole);
			p[whole] = '.';
			memcpy(p + whole + 1, d->digits + whole, (size_t)-k);
			return (size_t)n + 1;
		}
		memcpy(p, "0.", 2);
		memset(p + 2, '0', (size_t)-whole);
		memcpy(p + 2 - whole, d->digits, (size_t)n);
		return (size_t)(2 - whole + n);
	}
	char *q = p;
	*q++ = d->digits[0];
	if (n > 1) {
		*q++ = '.';
		memcpy(q, d->digits + 1, (size_t)n - 1);
		q += n - 1;
	}
	return (size_t)(q - p) + put_exponent(q, exp);
}

static size_t put_word(char *buf, const char *word)
{
	size_t len = strlen(word);
	memcpy(buf, word, len + 1);
	return len;
}

size_t num_format_double(char *buf, double v)
{
	if (rp_likely(fabs(v) <= 0x1p62)) {
		int64_t whole = (int64_t)v;
		if ((double)whole == v)
			return whole == 0 && signbit(v) ? put_word(buf, "-0") : num_format_i64(buf, whole);
	}
	if (isnan(v))
		return put_word(buf, "nan");
	if (isinf(v))
		return put_word(buf, v > 0 ? "inf" : "-inf");
	struct decimal d;
	char *p = buf;
	if (v < 0) {
		*p++ = '-';
		v = -v;
	}
	if (!shortest_fixed(v, &d))
		shortest_search(v, &d);
	p += emit_decimal(p, &d);
	*p = '\0';
	return (size_t)(p - buf);
}

size_t num_format_ld_human(char *buf, long double v)
{
	if (isnan(v))
		return put_word(buf, "nan");
	if (isinf(v))
		return put_word(buf, v > 0 ? "inf" : "-inf");
	size_t len = (size_t)snprintf(buf, NUM_LD_CHARS, "%.17Lf", v);
	while (buf[len - 1] == '0')
		len--;
	if (buf[len - 1] == '.')
		len--;
	buf[len] = '\0';
	return strcmp(buf, "-0") == 0 ? put_word(buf, "0") : len;
}
