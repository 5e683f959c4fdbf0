#include "base/hash.h"

static inline uint64_t load64(const void *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint64_t load32(const void *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}

/* ---- hash64 ---- */

/* Odd constants with balanced bits (fractional digits of square roots of primes). */
#define K0 0x6a09e667f3bcc909u
#define K1 0xbb67ae8584caa73bu
#define K2 0x3c6ef372fe94f82bu
#define K3 0xa54ff53a5f1d36f1u

static inline uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 m = (unsigned __int128)a * b;
	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

uint64_t hash64(const void *data, size_t len, uint64_t seed)
{
	const char *p = data;
	uint64_t a, b;
	seed ^= K0;
	if (rp_likely(len <= 16)) {
		if (len >= 8) {
			a = load64(p);
			b = load64(p + len - 8);
		} else if (len >= 4) {
			a = load32(p);
			b = load32(p + len - 4);
		} else if (len > 0) {
			a = (uint64_t)(uint8_t)p[0] << 16 | (uint64_t)(uint8_t)p[len >> 1] << 8 | (uint8_t)p[len - 1];
			b = 0;
		} else {
			a = b = 0;
		}
	} else {
		size_t left = len;
		if (left > 32) {
			uint64_t lane = seed; /* independent of the other, so that two multiplies are under way */
			do {
				seed = fold(load64(p) ^ K1, load64(p + 8) ^ seed);
				lane = fold(load64(p + 16) ^ K2, load64(p + 24) ^ lane);
				p += 32;
				left -= 32;
			} while (left > 32);
			seed ^= lane;
		}
		if (left > 16) {
			seed = fold(load64(p) ^ K3, load64(p + 8) ^ seed);
			p += 16;
			left -= 16;
		}
		a = load64(p + left - 16); /* may overlap what was read: len > 16 */
		b = load64(p + left - 8);
	}
	return fold(K1 ^ len, fold(a ^ K1, b ^ seed));
}

/* ---- SipHash-2-4 ---- */

#define ROTL(x, k) (((x) << (k)) | ((x) >> (64 - (k))))

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = ROTL(v[1], 13) ^ v[0];
	v[3] = ROTL(v[3], 16) ^ v[2];
	v[0] = ROTL(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = ROTL(v[1], 17) ^ v[2];
	v[3] = ROTL(v[3], 21) ^ v[0];
	v[2] = ROTL(v[2], 32);
}

uint64_t hash_sip24(const void *data, size_t len, const uint64_t key[2])
{
	uint64_t v[4] = {key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du, key[0] ^ 0x6c7967656e657261u,
			 key[1] ^ 0x7465646279746573u};
	const char *p = data;
	size_t left = len;
	for (; left >= 8; left -= 8, p += 8) {
		uint64_t m = load64(p);
		v[3] ^= m;
		sip_round(v);
		sip_round(v);
		v[0] ^= m;
	}
	uint64_t last = (uint64_t)len << 56;
	for (size_t i = 0; i < left; i++)
		last |= (uint64_t)(uint8_t)p[i] << (8 * i);
	v[3] ^= last;
	sip_round(v);
	sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* ---- CRC16 (XMODEM), four bytes a step ---- */

/* The CRC is linear, so the entry of a byte is the XOR of the entries of its bits: x^(16+8t+i) mod x^16+x^12+x^5+1. */
#define BIT(b, i, c) (((b) >> (i)) & 1 ? (c) : 0)
#define ENT(b, c0, c1, c2, c3, c4, c5, c6, c7)                                                           \
	(BIT(b, 0, c0) ^ BIT(b, 1, c1) ^ BIT(b, 2, c2) ^ BIT(b, 3, c3) ^ BIT(b, 4, c4) ^ BIT(b, 5, c5) ^ \
	 BIT(b, 6, c6) ^ BIT(b, 7, c7))
#define ENT0(b)     ENT(b, 0x1021, 0x2042, 0x4084, 0x8108, 0x1231, 0x2462, 0x48c4, 0x9188)
#define ENT1(b)     ENT(b, 0x3331, 0x6662, 0xccc4, 0x89a9, 0x0373, 0x06e6, 0x0dcc, 0x1b98)
#define ENT2(b)     ENT(b, 0x3730, 0x6e60, 0xdcc0, 0xa9a1, 0x4363, 0x86c6, 0x1dad, 0x3b5a)
#define ENT3(b)     ENT(b, 0x76b4, 0xed68, 0xcaf1, 0x85c3, 0x1ba7, 0x374e, 0x6e9c, 0xdd38)
#define ROW4(E, b)  E(b), E((b) + 1), E((b) + 2), E((b) + 3)
#define ROW16(E, b) ROW4(E, b), ROW4(E, (b) + 4), ROW4(E, (b) + 8), ROW4(E, (b) + 12)
#define ROW64(E, b) ROW16(E, b), ROW16(E, (b) + 16), ROW16(E, (b) + 32), ROW16(E, (b) + 48)
#define ROW256(E)   ROW64(E, 0), ROW64(E, 64), ROW64(E, 128), ROW64(E, 192)

static const uint16_t crc_table[4][256] = {{ROW256(ENT0)}, {ROW256(ENT1)}, {ROW256(ENT2)}, {ROW256(ENT3)}};

static uint16_t crc16(const char *data, size_t len)
{
	const uint8_t *p = (const uint8_t *)data;
	uint16_t crc = 0;
	for (; len >= 4; len -= 4, p += 4)
		crc = crc_table[3][(crc >> 8) ^ p[0]] ^ crc_table[2][(crc & 0xff) ^ p[1]] ^ crc_table[1][p[2]] ^
		      crc_table[0][p[3]];
	for (; len > 0; len--, p++)
		crc = (uint16_t)(crc << 8) ^ crc_table[0][(crc >> 8) ^ *p];
	return crc;
}

uint16_t hash_slot(struct slice key)
{
	const char *open = key.len ? memchr(key.ptr, '{', key.len) : NULL;
	if (rp_unlikely(open != NULL)) {
		const char *tag = open + 1, *close = memchr(tag, '}', (size_t)(key.ptr + key.len - tag));
		if (close && close > tag)
			key = (struct slice){tag, (size_t)(close - tag)};
	}
	return crc16(key.ptr, key.len) & (RP_SLOTS - 1);
}
