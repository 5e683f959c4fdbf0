/* Ziplists (Redis before 7.0) and zipmaps (before 2.6), read only. Each entry is checked before it is used. */
#include "store/rdb/rdb_priv.h"

/* ---- ziplist: 4 bytes length, 4 bytes offset of the last entry, 2 bytes count, entries, 0xff ---- */

#define ZL_HEADER 10
#define ZL_END    0xff
#define ZL_BIG    0xfe /* length of the previous entry in the 4 bytes that follow */

/* n bytes, little-endian, with their sign. */
static int64_t le(const uint8_t *p, uint32_t n)
{
	uint64_t v = 0;

	memcpy(&v, p, n);
	return (int64_t)(v << (64 - 8 * n)) >> (64 - 8 * n);
}

/* The value of an entry at p; *used: bytes of encoding and content. false: does not fit `room`. */
static bool zl_value(const uint8_t *p, size_t room, char *num, struct slice *out, size_t *used)
{
	static const uint8_t int_bytes[] = {[0xc0 >> 4] = 2, [0xd0 >> 4] = 4, [0xe0 >> 4] = 8};
	uint8_t b = p[0];
	size_t head, len;
	int64_t v;

	if (b >> 6 < 3) {
		head = b >> 6 == 0 ? 1 : b >> 6 == 1 ? 2 : 5;
		if (head > room)
			return false;
		len = head == 1   ? b & 0x3f
		      : head == 2 ? (size_t)(b & 0x3f) << 8 | p[1]
				  : (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
		*out = (struct slice){(const char *)p + head, len};
		*used = head + len;
		return *used <= room;
	}
	len = b == 0xfe ? 1 : b == 0xf0 ? 3 : b >= 0xf1 && b <= 0xfd ? 0 : (b & 0x0f) == 0 ? int_bytes[b >> 4] : 9;
	if (len == 9 || 1 + len > room)
		return false;
	v = len == 0 ? (b & 0x0f) - 1 : le(p + 1, (uint32_t)len);
	*out = (struct slice){num, num_format_i64(num, v)};
	*used = 1 + len;
	return true;
}

bool ziplist_each(const uint8_t *p, size_t len, rdb_item_fn fn, void *ctx)
{
	size_t at = ZL_HEADER, before = 0;
	uint32_t total, tail, n = 0;
	uint16_t count;

	if (len < ZL_HEADER + 1 || p[len - 1] != ZL_END)
		return false;
	memcpy(&total, p, sizeof total);
	memcpy(&tail, p + 4, sizeof tail);
	memcpy(&count, p + 8, sizeof count);
	if (total != len)
		return false;
	while (at < len - 1) {
		size_t begin = at, head = p[at] == ZL_BIG ? 5 : 1, used;
		uint32_t prev = p[at];
		char num[NUM_I64_CHARS];
		struct slice item;
		if (p[at] == ZL_END || at + head >= len - 1)
			return false;
		if (head == 5)
			memcpy(&prev, p + at + 1, sizeof prev);
		if (prev != before || !zl_value(p + at + head, len - 1 - at - head, num, &item, &used) ||
		    !fn(ctx, item))
			return false;
		at += head + used;
		before = at - begin;
		n++;
	}
	return tail == at - before && (count == UINT16_MAX || count == n);
}

/* ---- zipmap: count, then length key, length free value free bytes ..., 0xff ---- */

#define ZM_END 0xff
#define ZM_BIG 0xfe

/* A length at *at; false: not there. */
static bool zm_len(const uint8_t *p, size_t len, size_t *at, size_t *out)
{
	if (*at >= len || p[*at] == ZM_END)
		return false;
	*out = p[(*at)++];
	if (*out != ZM_BIG)
		return true;
	if (len - *at < 4)
		return false;
	uint32_t big;
	memcpy(&big, p + *at, sizeof big);
	*at += sizeof big;
	*out = big;
	return true;
}

static bool zm_item(const uint8_t *p, size_t len, size_t *at, bool value, rdb_item_fn fn, void *ctx)
{
	size_t n, spare = 0;

	if (!zm_len(p, len, at, &n))
		return false;
	if (value) {
		if (*at >= len)
			return false;
		spare = p[(*at)++];
	}
	if (n > len - *at || spare > len - *at - n)
		return false;
	struct slice item = {(const char *)p + *at, n};
	*at += n + spare;
	return fn(ctx, item);
}

bool zipmap_each(const uint8_t *p, size_t len, rdb_item_fn fn, void *ctx)
{
	size_t at = 1;

	while (at < len && p[at] != ZM_END)
		if (!zm_item(p, len, &at, false, fn, ctx) || !zm_item(p, len, &at, true, fn, ctx))
			return false;
	return at + 1 == len;
}
