#include "store/rdb/rdb_intset.h"

#include "store/ds/intset.h"

#define HEAD 8

static uint32_t read_u32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof v);
	return v;
}

static int64_t read_at(const uint8_t *p, uint32_t width, size_t at)
{
	int16_t i16;
	int32_t i32;
	int64_t i64;

	p += HEAD + at * width;
	switch (width) {
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

uint32_t rdb_intset_count(const uint8_t *p)
{
	return read_u32(p + 4);
}

int64_t rdb_intset_get(const uint8_t *p, uint32_t at)
{
	return read_at(p, read_u32(p), at);
}

bool rdb_intset_valid(const uint8_t *p, size_t len)
{
	if (len < HEAD)
		return false;
	uint32_t w = read_u32(p), n = rdb_intset_count(p);
	if ((w != 2 && w != 4 && w != 8) || (len - HEAD) % w != 0 || (len - HEAD) / w != n)
		return false;
	for (uint32_t i = 1; i < n; i++)
		if (read_at(p, w, i - 1) >= read_at(p, w, i))
			return false;
	return true;
}

static uint32_t width_of(int64_t v)
{
	return v == (int16_t)v ? 2 : v == (int32_t)v ? 4 : 8;
}

/* The least and the greatest need the most. */
static uint32_t width_for(const uint8_t *ours)
{
	uint32_t n = intset_count(ours);

	return n == 0 ? 2 : RP_MAX(width_of(intset_get(ours, 0)), width_of(intset_get(ours, n - 1)));
}

size_t rdb_intset_bytes(const uint8_t *ours)
{
	return HEAD + (size_t)intset_count(ours) * width_for(ours);
}

void rdb_intset_write(const uint8_t *ours, uint8_t *out)
{
	uint32_t n = intset_count(ours), w = width_for(ours);

	memcpy(out, &w, sizeof w);
	memcpy(out + sizeof w, &n, sizeof n);
	out += HEAD;
	for (uint32_t i = 0; i < n; i++, out += w) {
		int64_t v = intset_get(ours, i);
		memcpy(out, &v, w); /* the low bytes */
	}
}
