#include "cmd/bits.h"

static inline uint64_t load64(const uint8_t *p)
{
	uint64_t w;
	memcpy(&w, p, sizeof w);
	return w;
}

/* The bits of a byte from position i (0 = most significant) on, and up to position i. */
static inline uint8_t mask_from(unsigned i)
{
	return (uint8_t)(0xff >> i);
}
static inline uint8_t mask_to(unsigned i)
{
	return (uint8_t)(0xff << (7 - i));
}

static uint64_t count_bytes(const uint8_t *p, size_t len)
{
	uint64_t n0 = 0, n1 = 0, n2 = 0, n3 = 0;

	for (; len >= 32; p += 32, len -= 32) {
		n0 += (uint64_t)__builtin_popcountll(load64(p));
		n1 += (uint64_t)__builtin_popcountll(load64(p + 8));
		n2 += (uint64_t)__builtin_popcountll(load64(p + 16));
		n3 += (uint64_t)__builtin_popcountll(load64(p + 24));
	}
	for (; len >= 8; p += 8, len -= 8)
		n0 += (uint64_t)__builtin_popcountll(load64(p));
	for (; len > 0; p++, len--)
		n1 += (uint64_t)__builtin_popcount(*p);
	return n0 + n1 + n2 + n3;
}

uint64_t bits_count(const void *p, uint64_t first, uint64_t last)
{
	const uint8_t *b = p;
	uint64_t head = first / 8, tail = last / 8;
	uint8_t head_mask = mask_from(first % 8), tail_mask = mask_to(last % 8);

	if (head == tail)
		return (uint64_t)__builtin_popcount(b[head] & head_mask & tail_mask);
	return (uint64_t)__builtin_popcount(b[head] & head_mask) + count_bytes(b + head + 1, tail - head - 1) +
	       (uint64_t)__builtin_popcount(b[tail] & tail_mask);
}

/* As bits_find() over whole bytes; flip turns the bit looked for into 1. */
static int64_t find_bytes(const uint8_t *b, size_t len, uint64_t flip)
{
	size_t i = 0;

	while (len - i >= 32 && !((load64(b + i) ^ flip) | (load64(b + i + 8) ^ flip) | (load64(b + i + 16) ^ flip) |
				  (load64(b + i + 24) ^ flip)))
		i += 32;
	for (; len - i >= 8; i += 8) {
		uint64_t w = load64(b + i) ^ flip;
		if (w != 0)
			return (int64_t)(i * 8) + __builtin_clzll(__builtin_bswap64(w));
	}
	for (; i < len; i++) {
		uint8_t w = b[i] ^ (uint8_t)flip;
		if (w != 0)
			return (int64_t)(i * 8) + __builtin_clz(w) - 24;
	}
	return -1;
}

static int64_t find_byte(const uint8_t *b, uint64_t at, uint64_t flip, uint8_t mask)
{
	uint8_t w = (b[at] ^ (uint8_t)flip) & mask;
	return w != 0 ? (int64_t)(at * 8) + __builtin_clz(w) - 24 : -1;
}

int64_t bits_find(const void *p, uint64_t first, uint64_t last, bool bit)
{
	const uint8_t *b = p;
	uint64_t head = first / 8, tail = last / 8, flip = bit ? 0 : UINT64_MAX;
	uint8_t head_mask = mask_from(first % 8), tail_mask = mask_to(last % 8);
	int64_t pos;

	if (head == tail)
		return find_byte(b, head, flip, head_mask & tail_mask);
	pos = find_byte(b, head, flip, head_mask);
	if (pos >= 0)
		return pos;
	pos = find_bytes(b + head + 1, tail - head - 1, flip);
	if (pos >= 0)
		return pos + (int64_t)(head + 1) * 8;
	return find_byte(b, tail, flip, tail_mask);
}

void bits_combine(enum bits_op op, void *restrict dst, const void *restrict src, size_t len)
{
	uint8_t *restrict d = dst;
	const uint8_t *restrict s = src;

	switch (op) {
	case BITS_AND:
		for (size_t i = 0; i < len; i++)
			d[i] &= s[i];
		break;
	case BITS_OR:
		for (size_t i = 0; i < len; i++)
			d[i] |= s[i];
		break;
	case BITS_XOR:
		for (size_t i = 0; i < len; i++)
			d[i] ^= s[i];
		break;
	case BITS_NOT:
		for (size_t i = 0; i < len; i++)
			d[i] = (uint8_t)~s[i];
		break;
	}
}

/* A field of up to 64 bits touches at most 9 bytes: enough for one 128-bit big-endian window. */
typedef unsigned __int128 window;

static inline window window_load(const uint8_t b[16])
{
	return (window)__builtin_bswap64(load64(b)) << 64 | __builtin_bswap64(load64(b + 8));
}

uint64_t bits_get(const void *p, size_t len, uint64_t at, unsigned width)
{
	uint8_t b[16] = {0};
	uint64_t first = at / 8;

	if (first < len)
		memcpy(b, (const uint8_t *)p + first, RP_MIN(len - first, 9));
	return (uint64_t)((window_load(b) << at % 8) >> (128 - width));
}

void bits_put(void *p, uint64_t at, unsigned width, uint64_t v)
{
	uint8_t b[16] = {0}, *to = (uint8_t *)p + at / 8;
	size_t n = (at % 8 + width + 7) / 8;
	unsigned shift = 128 - width - at % 8;
	window mask = (((window)1 << width) - 1) << shift, w;
	uint64_t half[2];

	memcpy(b, to, n);
	w = (window_load(b) & ~mask) | ((window)v << shift & mask);
	half[0] = __builtin_bswap64((uint64_t)(w >> 64));
	half[1] = __builtin_bswap64((uint64_t)w);
	memcpy(b, half, sizeof half);
	memcpy(to, b, n);
}
