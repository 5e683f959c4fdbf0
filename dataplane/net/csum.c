#include "net/csum.h"

uint64_t csum_add(uint64_t sum, const void *data, size_t len)
{
	const unsigned char *p = data;
	/* 32-bit words into 64-bit accumulators: no carry to follow, so the compiler can use vectors; the number of
	 * words of any packet is far below 2^32. */
	uint64_t a = 0, b = 0;
	for (; len >= 8; len -= 8, p += 8) {
		uint32_t w[2];
		memcpy(w, p, 8);
		a += w[0];
		b += w[1];
	}
	sum += csum_fold(a + b);
	for (; len >= 2; len -= 2, p += 2) {
		uint16_t w;
		memcpy(&w, p, 2);
		sum += w;
	}
	if (len)
		sum += rte_cpu_to_be_16((uint16_t)(*p << 8));
	return sum;
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
		uint16_t part = csum_fold(csum_add(0, rte_pktmbuf_mtod_offset(m, const char *, off), n));
		/* After an odd number of bytes every further byte sits in the other half of its word. */
		sum += odd ? rte_bswap16(part) : part;
		odd ^= n & 1;
		len -= n;
		off = 0;
	}
	return sum;
}
