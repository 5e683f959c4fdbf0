/* Hashes: the keyed 64-bit hash of the index and the CRC16 of Redis Cluster's slots. */
#pragma once

#include "base/defs.h"

/* Keyed 64-bit hash by 64x64->128 multiply folding (the wyhash family's construction). Not for secrets;
 * the seed only keeps a client from choosing colliding keys. */
uint64_t hash64(const void *data, size_t len, uint64_t seed);

/* SipHash-2-4 (Aumasson, Bernstein): where a peer must not be able to predict (ISN, cookies). */
uint64_t hash_sip24(const void *data, size_t len, const uint64_t key[2]);

/* CRC16-CCITT (XMODEM) of the key or of its {tag}, mod 16384: Redis Cluster specification. */
uint16_t hash_slot(struct slice key);
