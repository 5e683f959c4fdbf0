/* Where values end, by their lengths alone. */
#include "persist/rdb_file.h"

#define ENCODED   0xc0u /* whole byte, with the encoding in its low bits */
#define ENC_INT32 2u
#define ENC_LZF   3u
#define LEN_32    0x80u
#define LEN_64    0x81u
#define RAW_ID    16

typedef enum rdb_skipped (*part_fn)(const uint8_t **p, const uint8_t *end);

static inline enum rdb_skipped skip_raw(const uint8_t **p, const uint8_t *end, uint64_t n)
{
	if (n > (uint64_t)(end - *p))
		return RDB_CUT;
	*p += n;
	return RDB_SKIPPED;
}

/* *encoded: the byte was a special encoding, which is in *len. */
static inline enum rdb_skipped any_len(const uint8_t **p, const uint8_t *end, uint64_t *len, bool *encoded)
{
	if (*p == end)
		return RDB_CUT;
	uint8_t b = *(*p)++;
	*encoded = b >= ENCODED;
	*len = b & 0x3f;
	if (*encoded || b < 0x40)
		return RDB_SKIPPED;
	if (b < LEN_32) {
		if (*p == end)
			return RDB_CUT;
		*len = *len << 8 | *(*p)++;
		return RDB_SKIPPED;
	}
	if (b != LEN_32 && b != LEN_64)
		return RDB_NONSENSE;
	uint32_t n = b == LEN_32 ? 4 : 8;
	if ((size_t)(end - *p) < n)
		return RDB_CUT;
	for (*len = 0; n > 0; n--)
		*len = *len << 8 | *(*p)++;
	return RDB_SKIPPED;
}

enum rdb_skipped rdb_skip_len(const uint8_t **p, const uint8_t *end, uint64_t *len)
{
	bool encoded;
	enum rdb_skipped r = any_len(p, end, len, &encoded);

	return r == RDB_SKIPPED && encoded ? RDB_NONSENSE : r;
}

enum rdb_skipped rdb_skip_string(const uint8_t **p, const uint8_t *end)
{
	uint64_t len, unpacked;
	bool encoded;
	enum rdb_skipped r = any_len(p, end, &len, &encoded);

	if (r != RDB_SKIPPED || !encoded)
		return r != RDB_SKIPPED ? r : skip_raw(p, end, len);
	if (len <= ENC_INT32)
		return skip_raw(p, end, 1u << len);
	if (len != ENC_LZF)
		return RDB_NONSENSE;
	if ((r = rdb_skip_len(p, end, &len)) != RDB_SKIPPED || (r = rdb_skip_len(p, end, &unpacked)) != RDB_SKIPPED)
		return r;
	return skip_raw(p, end, len);
}

/* ---- parts ----------------------------------------------------------------------------------------------------- */

static enum rdb_skipped number(const uint8_t **p, const uint8_t *end)
{
	uint64_t v;

	return rdb_skip_len(p, end, &v);
}

static enum rdb_skipped eight(const uint8_t **p, const uint8_t *end)
{
	return skip_raw(p, end, 8);
}

static enum rdb_skipped raw_id(const uint8_t **p, const uint8_t *end)
{
	return skip_raw(p, end, RAW_ID);
}

/* A score as text; 253 to 255 stand for themselves. */
static enum rdb_skipped text_double(const uint8_t **p, const uint8_t *end)
{
	if (*p == end)
		return RDB_CUT;
	uint8_t len = *(*p)++;
	return len >= 253 ? RDB_SKIPPED : skip_raw(p, end, len);
}

/* The parts one after the other. */
static enum rdb_skipped skip_parts(const uint8_t **p, const uint8_t *end, const part_fn *part, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		enum rdb_skipped r = part[i](p, end);
		if (r != RDB_SKIPPED)
			return r;
	}
	return RDB_SKIPPED;
}

/* A count, then so many times the parts. Each takes a byte at least, so a count that lies ends with the bytes. */
static enum rdb_skipped skip_counted(const uint8_t **p, const uint8_t *end, const part_fn *part, uint32_t n)
{
	uint64_t count;
	enum rdb_skipped r = rdb_skip_len(p, end, &count);

	for (; r == RDB_SKIPPED && count > 0; count--)
		r = skip_parts(p, end, part, n);
	return r;
}

#define PARTS(...) (const part_fn[]){__VA_ARGS__}, RP_ARRAY_LEN(((const part_fn[]){__VA_ARGS__}))

/* ---- streams --------------------------------------------------------------------------------------------------- */

static enum rdb_skipped pending(const uint8_t **p, const uint8_t *end)
{
	return skip_parts(p, end, PARTS(raw_id, eight, number));
}

static enum rdb_skipped owned(const uint8_t **p, const uint8_t *end)
{
	return skip_counted(p, end, PARTS(raw_id));
}

static enum rdb_skipped consumer(const uint8_t **p, const uint8_t *end)
{
	return skip_parts(p, end, PARTS(rdb_skip_string, eight, owned));
}

static enum rdb_skipped consumer_3(const uint8_t **p, const uint8_t *end)
{
	return skip_parts(p, end, PARTS(rdb_skip_string, eight, eight, owned));
}

static enum rdb_skipped pel(const uint8_t **p, const uint8_t *end)
{
	return skip_counted(p, end, PARTS(pending));
}

static enum rdb_skipped consumers(const uint8_t **p, const uint8_t *end)
{
	return skip_counted(p, end, PARTS(consumer));
}

static enum rdb_skipped consumers_3(const uint8_t **p, const uint8_t *end)
{
	return skip_counted(p, end, PARTS(consumer_3));
}

static enum rdb_skipped group(const uint8_t **p, const uint8_t *end)
{
	return skip_parts(p, end, PARTS(rdb_skip_string, number, number, pel, consumers));
}

static enum rdb_skipped group_2(const uint8_t **p, const uint8_t *end)
{
	return skip_parts(p, end, PARTS(rdb_skip_string, number, number, number, pel, consumers));
}

static enum rdb_skipped group_3(const uint8_t **p, const uint8_t *end)
{
	return skip_parts(p, end, PARTS(rdb_skip_string, number, number, number, pel, consumers_3));
}

static enum rdb_skipped stream(const uint8_t **p, const uint8_t *end, uint8_t type)
{
	part_fn one = type == RDB_STREAM ? group : type == RDB_STREAM_2 ? group_2 : group_3;
	enum rdb_skipped r = skip_counted(p, end, PARTS(rdb_skip_string, rdb_skip_string));

	if (r == RDB_SKIPPED)
		r = skip_parts(p, end, PARTS(number, number, number));
	if (r == RDB_SKIPPED && type != RDB_STREAM)
		r = skip_parts(p, end, PARTS(number, number, number, number, number));
	return r == RDB_SKIPPED ? skip_counted(p, end, &one, 1) : r;
}

/* ---------------------------------------------------------------------------------------------------------------- */

enum rdb_skipped rdb_skip_value(uint8_t type, const uint8_t **p, const uint8_t *end)
{
	switch (type) {
	case RDB_STRING:
	case RDB_HASH_ZIPMAP:
	case RDB_LIST_ZIPLIST:
	case RDB_SET_INTSET:
	case RDB_ZSET_ZIPLIST:
	case RDB_HASH_ZIPLIST:
	case RDB_HASH_LISTPACK:
	case RDB_ZSET_LISTPACK:
	case RDB_SET_LISTPACK:
		return rdb_skip_string(p, end);
	case RDB_LIST:
	case RDB_SET:
	case RDB_LIST_QUICKLIST:
		return skip_counted(p, end, PARTS(rdb_skip_string));
	case RDB_LIST_QUICKLIST_2:
		return skip_counted(p, end, PARTS(number, rdb_skip_string));
	case RDB_ZSET:
		return skip_counted(p, end, PARTS(rdb_skip_string, text_double));
	case RDB_ZSET_2:
		return skip_counted(p, end, PARTS(rdb_skip_string, eight));
	case RDB_HASH:
		return skip_counted(p, end, PARTS(rdb_skip_string, rdb_skip_string));
	case RDB_STREAM:
	case RDB_STREAM_2:
	case RDB_STREAM_3:
		return stream(p, end, type);
	case RDB_HASH_TTL:
		if (skip_raw(p, end, 8) != RDB_SKIPPED)
			return RDB_CUT;
		return skip_counted(p, end, PARTS(number, rdb_skip_string, rdb_skip_string));
	case RDB_HASH_LISTPACK_TTL:
		return skip_parts(p, end, PARTS(eight, rdb_skip_string));
	default:
		return RDB_NONSENSE;
	}
}
