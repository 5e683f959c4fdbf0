#include "base/crc64.h"

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

__attribute__((constructor)) static void tables_init(void)
{
	tables_fill(&tables);
}

uint64_t crc64(uint64_t crc, const void *data, size_t len)
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
