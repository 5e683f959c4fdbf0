#include "base/crc64.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* 0xad93d23594c935a9 with its bits reversed. */
#define POLY   0x95ac9329ac4bc9b5u
#define SLICES 8

struct crc64_tables {
	uint64_t t[SLICES][256];
};

/* Slicing by eight: t[k] is the effect of a byte with k zero bytes behind it. */
static void tables_fill(struct crc64_tables *x)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint64_t c = i;
		for (int bit = 0; bit < 8; bit++)
			c = c & 1 ? c >> 1 ^ POLY : c >> 1;
		x->t[0][i] = c;
	}
	for (uint32_t k = 1; k < SLICES; k++)
		for (uint32_t i = 0; i < 256; i++)
			x->t[k][i] = x->t[k - 1][i] >> 8 ^ x->t[0][x->t[k - 1][i] & 0xff];
}

static struct crc64_tables tables; /* written before main(), constant afterwards */

static uint64_t by_tables(uint64_t crc, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (; len >= SLICES; len -= SLICES, p += SLICES) {
		uint64_t word;
		memcpy(&word, p, sizeof word);
		word ^= crc;
		crc = 0;
		for (uint32_t k = 0; k < SLICES; k++)
			crc ^= tables.t[SLICES - 1 - k][word >> (8 * k) & 0xff];
	}
	for (; len > 0; len--, p++)
		crc = crc >> 8 ^ tables.t[0][(crc ^ *p) & 0xff];
	return crc;
}

/* ---- with carry-less multiplication ---- */

/* Folding (Gopal and others, "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ", Intel 2009): 64 bytes are
 * brought forward over the next 64 by two multiplications for each 16 of them. The sum of the 16 bytes that are left in
 * the end is the sum of all. */
#define FOLD_MIN   256 /* below it the tables are as fast */
#define FOLD_BYTES 64

static struct fold {                   /* written before main(), constant afterwards */
	uint64_t over_4[2], over_1[2]; /* x to the distance modulo the polynomial, for the two halves of 16 bytes */
	bool usable;
} fold;

static uint64_t reversed(uint64_t v)
{
	uint64_t r = 0;

	for (int i = 0; i < 64; i++)
		r |= (v >> i & 1) << (63 - i);
	return r;
}

/* x^n modulo the polynomial, bits reversed as those of the data are. */
static uint64_t x_to(uint32_t n)
{
	uint64_t r = 1, poly = reversed(POLY);

	for (; n > 0; n--)
		r = r << 1 ^ (r >> 63 ? poly : 0);
	return reversed(r);
}

#if defined(__x86_64__)
#define FOLD_TARGET __attribute__((target("pclmul,sse4.1")))

FOLD_TARGET static inline __m128i fold_over(__m128i x, __m128i k, __m128i next)
{
	__m128i low = _mm_clmulepi64_si128(x, k, 0x00), high = _mm_clmulepi64_si128(x, k, 0x11);

	return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

FOLD_TARGET static inline __m128i load(const uint8_t *p)
{
	return _mm_loadu_si128((const __m128i *)p);
}

/* *len >= FOLD_BYTES; moves both on. Returns the sum of what it passed. */
FOLD_TARGET static uint64_t by_folding(uint64_t crc, const uint8_t **data, size_t *len)
{
	const uint8_t *p = *data;
	size_t n = *len;
	__m128i k4 = load((const uint8_t *)fold.over_4), k1 = load((const uint8_t *)fold.over_1), x[4];
	uint8_t rest[16];

	for (int i = 0; i < 4; i++)
		x[i] = load(p + 16 * i);
	x[0] = _mm_xor_si128(x[0], _mm_set_epi64x(0, (long long)crc));
	for (p += FOLD_BYTES, n -= FOLD_BYTES; n >= FOLD_BYTES; p += FOLD_BYTES, n -= FOLD_BYTES)
		for (int i = 0; i < 4; i++)
			x[i] = fold_over(x[i], k4, load(p + 16 * i));
	for (int i = 1; i < 4; i++)
		x[i] = fold_over(x[i - 1], k1, x[i]);
	_mm_storeu_si128((__m128i *)rest, x[3]);
	*data = p;
	*len = n;
	return by_tables(0, rest, sizeof rest);
}

static bool can_fold(void)
{
	__builtin_cpu_init();
	return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
}
#else
static uint64_t by_folding(uint64_t crc, const uint8_t **data, size_t *len)
{
	return crc;
}

static bool can_fold(void)
{
	return false;
}
#endif

__attribute__((constructor)) static void crc64_init(void)
{
	tables_fill(&tables);
	/* The product of two reversed numbers is one bit short. */
	fold.over_4[0] = x_to(8 * FOLD_BYTES + 63);
	fold.over_4[1] = x_to(8 * FOLD_BYTES - 1);
	fold.over_1[0] = x_to(128 + 63);
	fold.over_1[1] = x_to(128 - 1);
	fold.usable = can_fold();
}

uint64_t crc64(uint64_t crc, const void *data, size_t len)
{
	const uint8_t *p = data;

	if (len >= FOLD_MIN && fold.usable)
		crc = by_folding(crc, &p, &len);
	return by_tables(crc, p, len);
}
