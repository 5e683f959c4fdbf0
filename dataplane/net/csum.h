/* The Internet checksum (RFC 1071) over buffers and mbuf chains. Pure functions. */
#pragma once

#include <rte_ip.h>
#include <rte_mbuf.h>

#include "base/defs.h"

/* Adds the 16-bit words of data to sum, some of them as the halves of longer ones; fold with csum_fold(). A byte left
 * over counts as the high byte of a word. */
uint64_t csum_add(uint64_t sum, const void *data, size_t len);

/* The same of a header that has just been written by 32-bit words, len a multiple of 4: read by the same ones (see
 * be32.h), which the barrier keeps the compiler from joining. */
static inline uint64_t csum_add_words(uint64_t sum, const void *data, size_t len)
{
	for (size_t i = 0; i < len; i += 4) {
		uint32_t w;
		memcpy(&w, (const char *)data + i, sizeof w);
		sum += w;
		rte_compiler_barrier();
	}
	return sum;
}

/* Sum of the len bytes of m from off on, over all its segments. */
uint64_t csum_add_mbuf(uint64_t sum, const struct rte_mbuf *m, uint32_t off, uint32_t len);

static inline uint16_t csum_fold(uint64_t sum)
{
	/* Each half to the other: in the upper one the carry of the lower has come around. */
	sum += sum << 32 | sum >> 32;
	uint32_t half = (uint32_t)(sum >> 32);
	half += half << 16 | half >> 16;
	return (uint16_t)(half >> 16);
}

/* The pseudo header (RFC 9293, 3.1). src and dst in network order, len in host order. */
static inline uint64_t csum_pseudo_v4(uint32_t src, uint32_t dst, uint8_t proto, uint16_t len)
{
	return (uint64_t)src + dst + rte_cpu_to_be_16(proto) + rte_cpu_to_be_16(len);
}

/* RFC 8200, 8.1. src and dst: 16 bytes each. */
static inline uint64_t csum_pseudo_v6(const void *src, const void *dst, uint8_t proto, uint16_t len)
{
	uint32_t w[8];
	uint64_t sum = (uint64_t)rte_cpu_to_be_16(proto) + rte_cpu_to_be_16(len);
	memcpy(w, src, 16);
	memcpy(w + 4, dst, 16);
	for (int i = 0; i < 8; i++)
		sum += w[i];
	return sum;
}

/* Header of an IPv4 packet without trusting its length field beyond what the caller checked. */
static inline uint16_t csum_ipv4_header(const struct rte_ipv4_hdr *ip, size_t len)
{
	return (uint16_t)~csum_fold(csum_add_words(0, ip, len));
}
