#include <math.h>

#include "store/hll.h"

#define INDEX_BITS 14
#define VALUE_BITS 50 /* of the hash */
#define HASH_SEED  0xadc83b19u
#define ALPHA_INF  0.721347520444481703680 /* 0.5 / ln 2 */
#define CACHE_AT   8
#define CACHE_OLD  0x80 /* in the last byte of the cached count: out of date */

/* ---- the hash: MurmurHash64A (Appleby, public domain), which fixes what the registers mean ------------------------
 */

#define MURMUR_M 0xc6a4a7935bd1e995u

static uint64_t murmur64(const uint8_t *p, size_t len, uint64_t seed)
{
	uint64_t h = seed ^ len * MURMUR_M, k;

	for (; len >= sizeof k; p += sizeof k, len -= sizeof k) {
		memcpy(&k, p, sizeof k);
		k *= MURMUR_M;
		k ^= k >> 47;
		h = (h ^ k * MURMUR_M) * MURMUR_M;
	}
	if (len > 0) {
		k = 0;
		memcpy(&k, p, len);
		h = (h ^ k) * MURMUR_M;
	}
	h = (h ^ h >> 47) * MURMUR_M;
	return h ^ h >> 47;
}

uint32_t hll_of(struct slice element, uint8_t *value)
{
	uint64_t h = murmur64((const uint8_t *)element.ptr, element.len, HASH_SEED);

	*value = (uint8_t)(__builtin_ctzll(h >> INDEX_BITS | (uint64_t)1 << VALUE_BITS) + 1);
	return (uint32_t)h & (HLL_REGISTERS - 1);
}

/* ---- header ------------------------------------------------------------------------------------------------------ */

bool hll_is(struct slice s)
{
	return s.len >= HLL_HEADER && memcmp(s.ptr, "HYLL", 4) == 0 && (uint8_t)s.ptr[4] <= 1 &&
	       (s.ptr[4] == 1 || s.len == HLL_DENSE_BYTES);
}

bool hll_cached(const uint8_t *p, uint64_t *count)
{
	memcpy(count, p + CACHE_AT, sizeof *count);
	return !(p[HLL_HEADER - 1] & CACHE_OLD);
}

void hll_cache(uint8_t *p, uint64_t count)
{
	memcpy(p + CACHE_AT, &count, sizeof count);
}

void hll_uncache(uint8_t *p)
{
	p[HLL_HEADER - 1] |= CACHE_OLD;
}

/* ---- dense ------------------------------------------------------------------------------------------------------- */

static uint8_t dense_get(const uint8_t *p, uint32_t reg)
{
	const uint8_t *b = p + HLL_HEADER + reg * 6 / 8;
	uint32_t shift = reg * 6 % 8, v = b[0];

	if (shift > 2)
		v |= (uint32_t)b[1] << 8;
	return v >> shift & 0x3f;
}

static void dense_set(uint8_t *p, uint32_t reg, uint8_t v)
{
	uint8_t *b = p + HLL_HEADER + reg * 6 / 8;
	uint32_t shift = reg * 6 % 8;

	b[0] = (uint8_t)((b[0] & ~(0x3fu << shift)) | (uint32_t)v << shift);
	if (shift > 2)
		b[1] = (uint8_t)((b[1] & ~(0x3fu >> (8 - shift))) | (uint32_t)v >> (8 - shift));
}

bool hll_dense_would_raise(const uint8_t *p, uint32_t reg, uint8_t v)
{
	return dense_get(p, reg) < v;
}

bool hll_dense_raise(uint8_t *p, uint32_t reg, uint8_t v)
{
	if (!hll_dense_would_raise(p, reg, v))
		return false;
	dense_set(p, reg, v);
	return true;
}

/* ---- sparse: runs --------------------------------------------------------------------------------------------------
 * 00nnnnnn            n + 1 zeros
 * 01nnnnnn nnnnnnnn   n + 1 zeros
 * 1vvvvvnn            n + 1 registers of v + 1
 */

#define ZERO_MOST 64
#define VAL_MOST  4  /* registers of one run */
#define VAL_LIMIT 32 /* greatest value */

struct run {
	uint32_t len, value;
	uint8_t bytes;
};

static bool run_at(const uint8_t *p, const uint8_t *end, struct run *r)
{
	if (p >= end)
		return false;
	if (*p & 0x80)
		*r = (struct run){(*p & 3u) + 1, (*p >> 2 & 0x1fu) + 1, 1};
	else if (!(*p & 0x40))
		*r = (struct run){(*p & 0x3fu) + 1, 0, 1};
	else if (end - p < 2)
		return false;
	else
		*r = (struct run){((*p & 0x3fu) << 8 | p[1]) + 1, 0, 2};
	return true;
}

static uint8_t *put_zeros(uint8_t *p, uint32_t len)
{
	if (len == 0)
		return p;
	if (len > ZERO_MOST)
		*p++ = (uint8_t)(0x40 | (len - 1) >> 8);
	*p++ = (uint8_t)(len - 1);
	return p;
}

static uint8_t *put_value(uint8_t *p, uint32_t value, uint32_t len)
{
	if (len > 0)
		*p++ = (uint8_t)(0x80 | (value - 1) << 2 | (len - 1));
	return p;
}

void hll_init(uint8_t *p)
{
	memset(p, 0, HLL_HEADER);
	memcpy(p, "HYLL", 4);
	p[4] = 1;
	put_zeros(p + HLL_HEADER, HLL_REGISTERS);
}

bool hll_to_dense(struct hll *h)
{
	uint8_t dense[HLL_DENSE_BYTES];
	const uint8_t *p = h->p + HLL_HEADER, *end = h->p + h->len;
	uint32_t reg = 0;
	struct run r;

	if (hll_is_dense(h->p))
		return true;
	memset(dense, 0, sizeof dense);
	memcpy(dense, h->p, HLL_HEADER);
	dense[4] = 0;
	for (; run_at(p, end, &r) && r.len <= HLL_REGISTERS - reg; p += r.bytes, reg += r.len)
		for (uint32_t i = 0; r.value != 0 && i < r.len; i++)
			dense_set(dense, reg + i, (uint8_t)r.value);
	if (p != end || reg != HLL_REGISTERS)
		return false;
	memcpy(h->p, dense, sizeof dense);
	h->len = sizeof dense;
	return true;
}

/* Runs of one value that stand side by side become one, near the place of a change: as many as Redis looks at. */
#define JOIN_STEPS 5

static void join_runs(struct hll *h, uint8_t *p)
{
	uint8_t *end = h->p + h->len;
	struct run a, b;

	for (int steps = JOIN_STEPS; p < end && steps > 0; steps--) {
		if (!run_at(p, end, &a))
			return;
		if (a.value != 0 && run_at(p + 1, end, &b) && b.value == a.value && a.len + b.len <= VAL_MOST) {
			put_value(p + 1, a.value, a.len + b.len);
			memmove(p, p + 1, (size_t)(end - p - 1));
			end--;
			h->len--;
			continue;
		}
		p += a.bytes;
	}
}

/* The runs that run r, whose first register is `first`, becomes when register `reg` gets value v. Returns the bytes. */
static size_t split_run(const struct run *r, uint32_t first, uint32_t reg, uint8_t v, uint8_t *out)
{
	uint32_t before = reg - first, after = r->len - before - 1;
	uint8_t *p = out;

	p = r->value == 0 ? put_zeros(p, before) : put_value(p, r->value, before);
	p = put_value(p, v, 1);
	p = r->value == 0 ? put_zeros(p, after) : put_value(p, r->value, after);
	return (size_t)(p - out);
}

static int sparse_raise(struct hll *h, uint32_t reg, uint8_t v, uint64_t sparse_max)
{
	uint8_t *p = h->p + HLL_HEADER, *end = h->p + h->len, *before = NULL, seq[5];
	uint32_t first = 0;
	struct run r;

	for (;; p += r.bytes, first += r.len) {
		if (!run_at(p, end, &r))
			return -1;
		if (reg - first < r.len)
			break;
		before = p;
	}
	if (r.value >= v)
		return 0;
	size_t n = split_run(&r, first, reg, v, seq);
	if (n > r.bytes && h->len + n - r.bytes > sparse_max)
		return hll_to_dense(h) ? hll_dense_raise(h->p, reg, v) : -1;
	if (h->len + n - r.bytes > HLL_SPARSE_MOST)
		return -1;
	memmove(p + n, p + r.bytes, (size_t)(end - p) - r.bytes);
	memcpy(p, seq, n);
	h->len += n - r.bytes;
	join_runs(h, before != NULL ? before : h->p + HLL_HEADER);
	return 1;
}

int hll_raise(struct hll *h, uint32_t reg, uint8_t v, uint64_t sparse_max)
{
	if (!hll_is_dense(h->p) && v <= VAL_LIMIT)
		return sparse_raise(h, reg, v, sparse_max);
	return hll_to_dense(h) ? hll_dense_raise(h->p, reg, v) : -1;
}

void hll_runs(struct slice s, hll_run_fn fn, void *ctx)
{
	const uint8_t *p = (const uint8_t *)s.ptr + HLL_HEADER, *end = (const uint8_t *)s.ptr + s.len;
	struct run r;

	for (; p < end; p += r.bytes) {
		const uint8_t cut[2] = {*p, 0};
		if (!run_at(p, end, &r))
			run_at(cut, cut + 2, &r);
		fn(ctx, r.value != 0 ? 'v' : r.bytes == 2 ? 'Z' : 'z', r.value, r.len);
	}
}

/* ---- counting ---------------------------------------------------------------------------------------------------- */

bool hll_merge(struct hll_registers *out, struct slice s)
{
	const uint8_t *p = (const uint8_t *)s.ptr, *end = p + s.len;
	uint32_t reg = 0;
	struct run r;

	if (hll_is_dense(p)) {
		for (; reg < HLL_REGISTERS; reg++)
			out->r[reg] = RP_MAX(out->r[reg], dense_get(p, reg));
		return true;
	}
	for (p += HLL_HEADER; run_at(p, end, &r) && r.len <= HLL_REGISTERS - reg; p += r.bytes, reg += r.len)
		for (uint32_t i = 0; r.value != 0 && i < r.len; i++)
			out->r[reg + i] = RP_MAX(out->r[reg + i], (uint8_t)r.value);
	return p == end && reg == HLL_REGISTERS;
}

/* Ertl's sigma and tau: the corrections for registers at zero and at their greatest value. */
static double sigma(double x)
{
	double y = 1, z = x, last;

	if (x == 1)
		return INFINITY;
	do {
		x *= x;
		last = z;
		z += x * y;
		y += y;
	} while (z != last);
	return z;
}

static double tau(double x)
{
	double y = 1, z = 1 - x, last;

	if (x == 0 || x == 1)
		return 0;
	do {
		x = sqrt(x);
		last = z;
		y *= 0.5;
		z -= pow(1 - x, 2) * y;
	} while (z != last);
	return z / 3;
}

uint64_t hll_count(const struct hll_registers *r)
{
	const double m = HLL_REGISTERS;
	uint32_t histogram[64] = {0};

	for (uint32_t i = 0; i < HLL_REGISTERS; i++)
		histogram[r->r[i] & 63]++;
	double z = m * tau((m - histogram[VALUE_BITS + 1]) / m);
	for (uint32_t j = VALUE_BITS; j >= 1; j--)
		z = (z + histogram[j]) * 0.5;
	z += m * sigma(histogram[0] / m);
	return (uint64_t)llroundl(ALPHA_INF * m * m / z);
}
