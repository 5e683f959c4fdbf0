#include <errno.h>
#include <lzf.h>
#include <math.h>

#include "store/rdb/rdb_priv.h"

const uint8_t *rdb_get_raw(struct rdb_in *r, size_t len)
{
	const uint8_t *p = r->p;

	if (r->bad || len > (size_t)(r->end - r->p)) {
		r->bad = true;
		return NULL;
	}
	r->p += len;
	return p;
}

uint8_t rdb_get_u8(struct rdb_in *r)
{
	const uint8_t *p = rdb_get_raw(r, 1);

	return p == NULL ? 0 : *p;
}

/* *encoded: the six bits of a special encoding were read instead. */
static uint64_t get_len(struct rdb_in *r, bool *encoded)
{
	uint8_t b = rdb_get_u8(r);
	const uint8_t *p;

	*encoded = b >> 6 == LEN_ENCODED;
	if (*encoded || b >> 6 == 0)
		return b & 0x3f;
	if (b >> 6 == LEN_14)
		return (uint64_t)(b & 0x3f) << 8 | rdb_get_u8(r);
	if (b == LEN_32 && (p = rdb_get_raw(r, 4)) != NULL) {
		uint32_t be;
		memcpy(&be, p, sizeof be);
		return __builtin_bswap32(be);
	}
	if (b == LEN_64 && (p = rdb_get_raw(r, 8)) != NULL) {
		uint64_t be;
		memcpy(&be, p, sizeof be);
		return __builtin_bswap64(be);
	}
	r->bad = true;
	return 0;
}

uint64_t rdb_get_len(struct rdb_in *r)
{
	bool encoded;
	uint64_t v = get_len(r, &encoded);

	r->bad |= encoded;
	return r->bad ? 0 : v;
}

static void get_int(struct rdb_in *r, uint32_t bytes, struct rdb_str *out)
{
	const uint8_t *p = rdb_get_raw(r, bytes);
	int64_t v = 0;

	if (p == NULL)
		return;
	memcpy(&v, p, bytes);
	v = (int64_t)((uint64_t)v << (64 - 8 * bytes)) >> (64 - 8 * bytes);
	out->s = (struct slice){out->num, num_format_i64(out->num, v)};
}

/* Compressed data cannot grow beyond this factor, so a lying length costs no memory. */
#define LZF_MOST 300

static void get_lzf(struct rdb_in *r, struct rdb_str *out)
{
	uint64_t packed = rdb_get_len(r), len = rdb_get_len(r);
	const uint8_t *p = rdb_get_raw(r, packed);

	if (p == NULL || len == 0 || len / LZF_MOST > packed || len > UINT32_MAX) {
		r->bad = true;
		return;
	}
	out->own = heap_alloc(r->heap, len);
	if (out->own == NULL) {
		r->nomem = r->bad = true;
		return;
	}
	if (lzf_decompress(p, (unsigned)packed, out->own, (unsigned)len) != len)
		r->bad = true;
	out->s = (struct slice){out->own, len};
}

bool rdb_get_string(struct rdb_in *r, struct rdb_str *out)
{
	bool encoded;
	uint64_t v = get_len(r, &encoded);

	out->own = NULL;
	out->s = (struct slice){NULL, 0};
	if (!encoded)
		out->s = (struct slice){(const char *)rdb_get_raw(r, v), v};
	else if (v == ENC_LZF)
		get_lzf(r, out);
	else if (v <= ENC_INT32)
		get_int(r, 1u << v, out);
	else
		r->bad = true;
	if (r->bad)
		rdb_str_free(r, out);
	return !r->bad;
}

void rdb_str_free(struct rdb_in *r, struct rdb_str *s)
{
	heap_free(r->heap, s->own);
	s->own = NULL;
	s->s = (struct slice){NULL, 0};
}

double rdb_get_double(struct rdb_in *r)
{
	const uint8_t *p = rdb_get_raw(r, sizeof(double));
	double v = 0;

	if (p != NULL)
		memcpy(&v, p, sizeof v);
	return v;
}

int64_t rdb_get_i64(struct rdb_in *r)
{
	const uint8_t *p = rdb_get_raw(r, sizeof(int64_t));
	int64_t v = 0;

	if (p != NULL)
		memcpy(&v, p, sizeof v);
	return v;
}

double rdb_get_text_double(struct rdb_in *r)
{
	uint8_t len = rdb_get_u8(r);
	double v = 0;

	if (len == 255)
		return -INFINITY;
	if (len == 254)
		return INFINITY;
	if (len == 253)
		return NAN;
	const uint8_t *p = rdb_get_raw(r, len);
	if (p != NULL && !num_parse_double((struct slice){(const char *)p, len}, &v))
		r->bad = true;
	return v;
}
