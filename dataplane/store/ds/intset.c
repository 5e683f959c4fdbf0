#include "store/ds/intset.h"

#define HEAD 8

static uint32_t read_u32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof v);
	return v;
}

static void write_u32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, sizeof v);
}

static inline uint32_t width(const uint8_t *p)
{
	return read_u32(p);
}

static uint32_t width_of(int64_t v)
{
	return v == (int16_t)v ? 2 : v == (int32_t)v ? 4 : 8;
}

static inline int64_t read_at(const uint8_t *p, uint32_t w, size_t at)
{
	int16_t i16;
	int32_t i32;
	int64_t i64;

	p += HEAD + at * w;
	switch (w) {
	case 2:
		memcpy(&i16, p, sizeof i16);
		return i16;
	case 4:
		memcpy(&i32, p, sizeof i32);
		return i32;
	default:
		memcpy(&i64, p, sizeof i64);
		return i64;
	}
}

/* The low bytes of v: little-endian. */
static void write_at(uint8_t *p, uint32_t w, size_t at, int64_t v)
{
	memcpy(p + HEAD + at * w, &v, w);
}

void intset_init(uint8_t *p)
{
	write_u32(p, 2);
	write_u32(p + 4, 0);
}

size_t intset_bytes(const uint8_t *p)
{
	return HEAD + (size_t)width(p) * intset_count(p);
}

uint32_t intset_count(const uint8_t *p)
{
	return read_u32(p + 4);
}

int64_t intset_get(const uint8_t *p, uint32_t at)
{
	return read_at(p, width(p), at);
}

bool intset_find(const uint8_t *p, int64_t v, uint32_t *at)
{
	uint32_t w = width(p), from = 0, n = intset_count(p);

	while (n > 0) { /* the answer lies in [from, from + n] */
		uint32_t half = n / 2;
		int64_t x = read_at(p, w, from + half);
		if (x == v) {
			*at = from + half;
			return true;
		}
		from = x < v ? from + half + 1 : from;
		n = x < v ? n - half - 1 : half;
	}
	*at = from;
	return false;
}

bool intset_has(const uint8_t *p, int64_t v)
{
	uint32_t at;

	return width_of(v) <= width(p) && intset_find(p, v, &at);
}

/* A wider integer than all others comes, so it is the first or the last. */
static bool add_widening(struct cbuf *b, int64_t v)
{
	uint32_t old = width(b->p), w = width_of(v), n = intset_count(b->p), front = v < 0 ? 1 : 0;
	size_t len = HEAD + ((size_t)n + 1) * w;

	if (!cbuf_reserve(b, len))
		return false;
	for (uint32_t i = n; i-- > 0;)
		write_at(b->p, w, i + front, read_at(b->p, old, i));
	write_at(b->p, w, front ? 0 : n, v);
	write_u32(b->p, w);
	write_u32(b->p + 4, n + 1);
	b->len = len;
	return true;
}

bool intset_add(struct cbuf *b, int64_t v, bool *added)
{
	uint32_t w = width(b->p), n = intset_count(b->p), at;

	*added = false;
	if (width_of(v) > w)
		return *added = add_widening(b, v);
	if (n > 0 && v > read_at(b->p, w, n - 1))
		at = n;
	else if (intset_find(b->p, v, &at))
		return true;
	if (!cbuf_splice(b, HEAD + (size_t)at * w, 0, w))
		return false;
	write_at(b->p, w, at, v);
	write_u32(b->p + 4, n + 1);
	return *added = true;
}

bool intset_remove(struct cbuf *b, int64_t v)
{
	uint32_t w = width(b->p), at;

	if (width_of(v) > w || !intset_find(b->p, v, &at))
		return false;
	(void)cbuf_splice(b, HEAD + (size_t)at * w, w, 0);
	write_u32(b->p + 4, intset_count(b->p) - 1);
	return true;
}

bool intset_valid(const uint8_t *p, size_t len)
{
	uint32_t w, n;

	if (len < HEAD)
		return false;
	w = width(p);
	n = intset_count(p);
	if ((w != 2 && w != 4 && w != 8) || (len - HEAD) % w != 0 || (len - HEAD) / w != n)
		return false;
	for (uint32_t i = 1; i < n; i++)
		if (read_at(p, w, i - 1) >= read_at(p, w, i))
			return false;
	return true;
}
