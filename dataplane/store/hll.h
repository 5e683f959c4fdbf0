/* HyperLogLog (Flajolet et al. 2007; Ertl's estimator, arXiv:1702.01284) in Redis's very bytes, so that what one wrote
 * the other counts alike: 16 bytes of header ("HYLL", encoding, 8 bytes cached count), then 16384 registers, either
 * packed in 6 bits each (dense) or as runs (sparse). Works on bytes and knows nothing of keys.
 */
#pragma once

#include "base/defs.h"

#define HLL_REGISTERS   16384
#define HLL_HEADER      16
#define HLL_DENSE_BYTES (HLL_HEADER + HLL_REGISTERS * 6 / 8)
#define HLL_EMPTY_BYTES (HLL_HEADER + 2)
/* No sparse form is longer: one byte for a register is the most that runs cost. */
#define HLL_SPARSE_MOST (HLL_HEADER + 2 * HLL_REGISTERS)

/* A sparse or dense one while it is changed: a copy of the bytes, as the length may change. */
struct hll {
	uint8_t *p; /* room for HLL_SPARSE_MOST bytes */
	size_t len;
};

/* Registers as one byte each. */
struct hll_registers {
	uint8_t r[HLL_REGISTERS];
};

/* Does it look like one (magic, encoding, length of a dense one)? What the runs hold is found when they are read. */
bool hll_is(struct slice s);
static inline bool hll_is_dense(const uint8_t *p)
{
	return p[4] == 0;
}
/* An empty sparse one: HLL_EMPTY_BYTES. */
void hll_init(uint8_t *p);

/* The register that an element concerns and the value that it asks for. */
uint32_t hll_of(struct slice element, uint8_t *value);

/* The register of a dense one becomes at least v. true: it has changed. */
bool hll_dense_raise(uint8_t *p, uint32_t reg, uint8_t v);
bool hll_dense_would_raise(const uint8_t *p, uint32_t reg, uint8_t v);
/* As above for either form; a sparse one that would grow beyond sparse_max bytes, or hold what runs cannot, becomes
 * dense. -1: its runs make no sense. */
int hll_raise(struct hll *h, uint32_t reg, uint8_t v, uint64_t sparse_max);
/* false: its runs make no sense. */
bool hll_to_dense(struct hll *h);

/* out[i] becomes the greater of the two. false: its runs make no sense. */
bool hll_merge(struct hll_registers *out, struct slice s);
uint64_t hll_count(const struct hll_registers *r);

/* The count kept in the header: false if it is out of date. */
bool hll_cached(const uint8_t *p, uint64_t *count);
void hll_cache(uint8_t *p, uint64_t count);
void hll_uncache(uint8_t *p);

/* The runs of a sparse one in words, as PFDEBUG DECODE shows them: one call per run, whatever sense they make together;
 * a long one that is cut off goes on with a zero. */
typedef void (*hll_run_fn)(void *ctx, char kind, uint32_t value, uint32_t len); /* kind 'z', 'Z' (long) or 'v' */
void hll_runs(struct slice s, hll_run_fn fn, void *ctx);
