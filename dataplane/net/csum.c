#include "net/csum.h"

/* Lanes of two 32-bit words: the halves are added up apart, so there is no carry to follow, and the words of any packet
 * are far fewer than 2^32. The compiler makes of it what the machine has. */
typedef uint64_t lanes __attribute__((vector_size(32)));

static inline lanes lanes_load(const unsigned char *p)
{
	lanes v;
	memcpy(&v, p, sizeof v);
	return v;
}

/* The sum of the first n * sizeof(lanes) bytes. Two pairs of sums, or each addition waits for the one before. */
static uint64_t sum_lanes(const unsigned char *p, size_t n)
{
	const lanes low = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
	lanes a = {0}, b = {0}, c = {0}, d = {0};

	for (; n >= 2; n -= 2, p += 2 * sizeof(lanes)) {
		lanes v = lanes_load(p), w = lanes_load(p + sizeof(lanes));
		a += v & low;
		b += v >> 32;
		c += w & low;
		d += w >> 32;
	}
	if (n) {
		lanes v = lanes_load(p);
		a += v & low;
		b += v >> 32;
	}
	a += b + c + d;
	return a[0] + a[1] + a[2] + a[3];
}

uint64_t csum_add(uint64_t sum, const void *data, size_t len)
{
	const unsigned char *p = data;
	size_t n = len / sizeof(lanes);
	uint64_t a = n ? sum_lanes(p, n) : 0, b = 0;
	p += n * sizeof(lanes);
	for (len %= sizeof(lanes); len >= 8; len -= 8, p += 8) {
		uint32_t w[2];
		memcpy(w, p, 8);
		a += w[0];
		b += w[1];
	}
	if (len & 4) {
		uint32_t w;
		memcpy(&w, p, 4);
		a += w;
		p += 4;
	}
	if (len & 2) {
		uint16_t w;
		memcpy(&w, p, 2);
		b += w;
		p += 2;
	}
	if (len & 1)
		a += rte_cpu_to_be_16((uint16_t)(*p << 8));
	return sum + a + b;
}

uint64_t csum_add_mbuf(uint64_t sum, const struct rte_mbuf *m, uint32_t off, uint32_t len)
{
	bool odd = false;
	for (; m && len; m = m->next) {
		if (off >= m->data_len) {
			off -= m->data_len;
			continue;
		}
		uint32_t n = RP_MIN(len, m->data_len - off);
		uint64_t part = csum_add(0, rte_pktmbuf_mtod_offset(m, const char *, off), n);
		/* After an odd number of bytes every further byte sits in the other half of its word. */
		sum += odd ? rte_bswap16(csum_fold(part)) : part;
		odd ^= n & 1;
		len -= n;
		off = 0;
	}
	return sum;
}
