#include <lzf.h>

#include "store/rdb/rdb.h"
#include "store/rdb/rdb_priv.h"

#define OUT_FIRST 256

void rdb_out_init(struct rdb_out *w, struct heap *heap, bool compress)
{
	*w = (struct rdb_out){.heap = heap, .compress = compress};
}

void rdb_out_fini(struct rdb_out *w)
{
	heap_free(w->heap, w->p);
	w->p = NULL;
}

/* len more bytes, not yet written. NULL: out of memory. */
static uint8_t *room(struct rdb_out *w, size_t len)
{
	if (w->failed)
		return NULL;
	if (w->len + len > w->cap) {
		size_t cap = RP_MAX(RP_MAX(w->len + len, w->cap * 2), (size_t)OUT_FIRST);
		uint8_t *p = heap_realloc(w->heap, w->p, cap);
		if (p == NULL) {
			w->failed = true;
			return NULL;
		}
		w->p = p;
		w->cap = cap;
	}
	w->len += len;
	return w->p + w->len - len;
}

void rdb_put_raw(struct rdb_out *w, const void *data, size_t len)
{
	uint8_t *p = room(w, len);

	if (p != NULL && len > 0)
		memcpy(p, data, len);
}

void rdb_put_u8(struct rdb_out *w, uint8_t v)
{
	rdb_put_raw(w, &v, 1);
}

void rdb_put_len(struct rdb_out *w, uint64_t v)
{
	if (v < 1u << 6) {
		rdb_put_u8(w, (uint8_t)v);
	} else if (v < 1u << 14) {
		uint8_t b[2] = {(uint8_t)(LEN_14 << 6 | v >> 8), (uint8_t)v};
		rdb_put_raw(w, b, sizeof b);
	} else if (v <= UINT32_MAX) {
		uint32_t be = __builtin_bswap32((uint32_t)v);
		rdb_put_u8(w, LEN_32);
		rdb_put_raw(w, &be, sizeof be);
	} else {
		uint64_t be = __builtin_bswap64(v);
		rdb_put_u8(w, LEN_64);
		rdb_put_raw(w, &be, sizeof be);
	}
}

/* False: does not fit 32 bits. */
static bool put_int(struct rdb_out *w, int64_t v)
{
	uint8_t kind;
	size_t n;

	if (v >= INT8_MIN && v <= INT8_MAX) {
		kind = ENC_INT8;
		n = 1;
	} else if (v >= INT16_MIN && v <= INT16_MAX) {
		kind = ENC_INT16;
		n = 2;
	} else if (v >= INT32_MIN && v <= INT32_MAX) {
		kind = ENC_INT32;
		n = 4;
	} else {
		return false;
	}
	rdb_put_u8(w, LEN_ENCODED << 6 | kind);
	rdb_put_raw(w, &v, n); /* little-endian */
	return true;
}

#define REPEAT_MAX  64 /* longer strings are tried without asking */
#define REPEAT_BITS 10

/* May three bytes in a row be there twice? Where not, there is nothing to compress, and finding that out this way costs
 * a tenth of trying. */
static bool may_repeat(struct slice s)
{
	uint64_t seen[(1 << REPEAT_BITS) / 64] = {0};
	const uint8_t *p = (const uint8_t *)s.ptr;

	for (size_t i = 0; i + 3 <= s.len; i++) {
		uint32_t three = p[i] | (uint32_t)p[i + 1] << 8 | (uint32_t)p[i + 2] << 16;
		uint32_t at = three * 2654435761u >> (32 - REPEAT_BITS);
		if (seen[at / 64] >> at % 64 & 1)
			return true;
		seen[at / 64] |= 1ull << at % 64;
	}
	return false;
}

/* False: not worth it. */
static bool put_lzf(struct rdb_out *w, struct slice s)
{
	/* Compressed it must be at least four bytes shorter. */
	if (s.len <= LZF_MIN || s.len > UINT32_MAX || (s.len <= REPEAT_MAX && !may_repeat(s)))
		return false;
	size_t begin = w->len, most = s.len - 4;
	/* The lengths come first: the compressed one is known afterwards, so the bytes are made behind room for both.
	 */
	uint8_t *p = room(w, 1 + 2 * LEN_MAX_BYTES + most);
	if (p == NULL)
		return true;
	size_t at = begin + 1 + 2 * LEN_MAX_BYTES;
	unsigned n = lzf_compress(s.ptr, (unsigned)s.len, w->p + at, (unsigned)most);
	w->len = begin;
	if (n == 0)
		return false;
	rdb_put_u8(w, LEN_ENCODED << 6 | ENC_LZF);
	rdb_put_len(w, n);
	rdb_put_len(w, s.len);
	memmove(w->p + w->len, w->p + at, n);
	w->len += n;
	return true;
}

void rdb_put_string(struct rdb_out *w, struct slice s)
{
	int64_t v;

	if (s.len <= INT_TEXT_MAX && num_parse_i64(s, &v) && put_int(w, v))
		return;
	if (w->compress && put_lzf(w, s))
		return;
	rdb_put_len(w, s.len);
	rdb_put_raw(w, s.ptr, s.len);
}

void rdb_put_i64_string(struct rdb_out *w, int64_t v)
{
	char buf[NUM_I64_CHARS];

	if (put_int(w, v))
		return;
	size_t n = num_format_i64(buf, v);
	rdb_put_len(w, n);
	rdb_put_raw(w, buf, n);
}

void rdb_put_double(struct rdb_out *w, double v)
{
	rdb_put_raw(w, &v, sizeof v);
}

void rdb_put_i64(struct rdb_out *w, int64_t v)
{
	rdb_put_raw(w, &v, sizeof v);
}
