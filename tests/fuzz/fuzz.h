/* What the fuzz targets share: the input as a script, EAL, a packet pool that knows its free buffers, frames.
 *
 * A broken law is an rp_assert(): libFuzzer keeps the input that broke it.
 */
#pragma once

#include <rte_mbuf.h>

#include "mem/buf.h"
#include "net/net.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- the input: each operation takes what it needs; behind the end all is zero ---- */

struct fz_in {
	const uint8_t *at, *end;
};

static inline uint8_t fz_u8(struct fz_in *in)
{
	return in->at < in->end ? *in->at++ : 0;
}
static inline uint16_t fz_u16(struct fz_in *in)
{
	uint16_t hi = fz_u8(in);
	return (uint16_t)(hi << 8 | fz_u8(in));
}
static inline uint32_t fz_u32(struct fz_in *in)
{
	uint32_t hi = fz_u16(in);
	return hi << 16 | fz_u16(in);
}
/* Up to len bytes; returns how many there were. */
static inline uint32_t fz_bytes(struct fz_in *in, void *to, uint32_t len)
{
	uint32_t n = (uint32_t)RP_MIN((size_t)len, (size_t)(in->end - in->at));
	if (n > 0)
		memcpy(to, in->at, n);
	in->at += n;
	return n;
}

/* ---- fuzz_pool.c ---- */

void fz_eal(const char *name);
/* A pool whose free buffers are poisoned, last freed last used: who touches a buffer that he has given back, or gives
 * it back twice, is found out. */
struct rte_mempool *fz_pool(const char *name, uint32_t n);
/* The len bytes in as many buffers of the pool as split says (1 to 4), as a device that scatters would. NULL when the
 * pool is empty. */
struct rte_mbuf *fz_frame(struct rte_mempool *pool, const void *data, uint32_t len, uint32_t split);

struct fz_guard {
	struct rte_mbuf *m;
	void *end;
	size_t len;
};
/* From here on nobody may touch what is behind the data of a frame in one buffer. */
void fz_guard(struct rte_mbuf *m, struct fz_guard *g);
/* The frame may be freed meanwhile. */
void fz_unguard(const struct fz_guard *g);

/* ---- fuzz_frame.c ---- */

#define FZ_FRAME_MAX 2048
#define FZ_SENT_MAX  (65536 + 64) /* a train of segments that the device is to cut */

struct fz_ends {
	struct net_addr src, dst;
	uint8_t tos, ttl;
	uint16_t vlan; /* 0: untagged */
};

extern const struct rte_ether_addr fz_our_mac, fz_peer_mac;
/* 10.0.0.1/24 and 2001:db8::1/64 are ours, .2 and ::2 the peer's. */
extern const struct net_ifaddr fz_ours[2];
extern const struct net_addr fz_peer[2]; /* IPv4, IPv6 */

/* Ethernet and IP in front of len bytes of proto, for fz_csum_fix(); returns the length of the frame. */
uint32_t fz_put_ip(uint8_t *frame, const struct fz_ends *e, uint8_t proto, const void *l4, uint32_t len);
/* Makes right every checksum that has its place in the frame. */
void fz_csum_fix(uint8_t *frame, uint32_t len);
/* ARP request or NS, by which the peer makes itself known; returns the length of the frame. */
uint32_t fz_put_hello(uint8_t *frame, bool v6, uint16_t vlan);

/* A frame that was sent, taken apart. */
struct fz_sent {
	uint8_t data[FZ_SENT_MAX];
	uint32_t len;
	uint16_t type;  /* ethernet */
	uint8_t family; /* 0: not IP */
	uint8_t proto;
	struct net_addr src, dst;
	uint8_t *l4;
	uint32_t l4_len;
};
/* Asserts that it is well formed: lengths, checksums, addresses, at most mtu bytes of IP, what the device is told. */
void fz_sent_check(const struct rte_mbuf *m, uint16_t vlan, uint16_t mtu, struct fz_sent *s);
