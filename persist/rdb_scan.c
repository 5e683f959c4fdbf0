/* The items of an RDB file, one after the other. */
#include <stdlib.h>

#include "base/crc64.h"
#include "persist/rdb_file.h"

#define MODULE_1   6 /* types of values that modules wrote */
#define MODULE_2   7
#define NAME_CHARS 9 /* of a module's type, six bits each above ten bits of version */

void rdb_scan_init(struct rdb_scan *s, struct heap *heap, bool check_crc)
{
	*s = (struct rdb_scan){.heap = heap, .check_crc = check_crc};
}

static void free_strings(struct rdb_scan *s)
{
	struct rdb_in r = {.heap = s->heap};

	rdb_str_free(&r, &s->key);
	rdb_str_free(&r, &s->name);
	rdb_str_free(&r, &s->text);
}

void rdb_scan_fini(struct rdb_scan *s)
{
	free_strings(s);
}

void rdb_scan_moved(struct rdb_scan *s)
{
	if (s->check_crc && s->crc_len > 0)
		s->crc = crc64(s->crc, s->crc_from, s->crc_len);
	s->crc_len = 0;
}

/* Bytes are passed by. */
static void take(struct rdb_scan *s, const uint8_t *p, size_t n)
{
	if (s->crc_len == 0)
		s->crc_from = p;
	s->crc_len += n;
	s->off += n;
}

static enum rdb_scan_result bad(const struct rdb_scan *s, struct err *e, const char *what)
{
	err_set(e, "byte %lu: %s; the file is damaged: see redis-check-rdb, and take another copy",
		(unsigned long)s->off, what);
	return RDB_SCAN_BAD;
}

static enum rdb_scan_result cut(const struct rdb_scan *s, bool at_end, struct err *e)
{
	return at_end ? bad(s, e, "it ends in the middle") : RDB_SCAN_MORE;
}

/* ---- the head ---- */

static enum rdb_scan_result head(struct rdb_scan *s, const uint8_t *p, size_t len, bool at_end, size_t *used,
				 struct rdb_item *out, struct err *e)
{
	char digits[5] = "";

	if (len < RDB_HEAD_BYTES && !at_end)
		return RDB_SCAN_MORE;
	if (len < RDB_HEAD_BYTES || memcmp(p, "REDIS", 5) != 0) {
		err_set(e, "it does not begin with REDIS: this is no RDB file; name another with dbfilename");
		return RDB_SCAN_BAD;
	}
	memcpy(digits, p + 5, 4);
	int version = atoi(digits);
	if (version < 1 || version > RDB_VERSION_READ) {
		err_set(e, "RDB version %s; versions 1 to %d are read: write it with a server that writes one of them",
			digits, RDB_VERSION_READ);
		return RDB_SCAN_BAD;
	}
	s->version = (uint16_t)version;
	out->kind = RDB_ITEM_HEAD;
	out->number = s->version;
	*used = RDB_HEAD_BYTES;
	take(s, p, RDB_HEAD_BYTES);
	return RDB_SCAN_ITEM;
}

/* ---- items that are no keys ---- */

/* A string between p and end, which rdb_skip_string() has found whole. */
static bool get_string(struct rdb_scan *s, const uint8_t *p, const uint8_t *end, struct rdb_str *out)
{
	struct rdb_in r = {.p = p, .end = end, .heap = s->heap};

	return rdb_get_string(&r, out);
}

static enum rdb_scan_result result_of(const struct rdb_scan *s, enum rdb_skipped r, bool at_end, struct err *e)
{
	if (r == RDB_SKIPPED)
		return RDB_SCAN_ITEM;
	return r == RDB_CUT ? cut(s, at_end, e) : bad(s, e, "no length stands where one must");
}

/* One or two strings behind the opcode. */
static enum rdb_scan_result strings(struct rdb_scan *s, const uint8_t **p, const uint8_t *end, bool at_end,
				    struct rdb_str *a, struct rdb_str *b, struct err *e)
{
	for (struct rdb_str *out = a; out != NULL; out = out == a ? b : NULL) {
		const uint8_t *from = *p;
		enum rdb_skipped r = rdb_skip_string(p, end);
		if (r != RDB_SKIPPED)
			return result_of(s, r, at_end, e);
		if (!get_string(s, from, *p, out))
			return bad(s, e, "a string that cannot be unpacked");
	}
	return RDB_SCAN_ITEM;
}

static enum rdb_scan_result numbers(struct rdb_scan *s, const uint8_t **p, const uint8_t *end, bool at_end, bool two,
				    struct rdb_item *out, struct err *e)
{
	enum rdb_skipped r = rdb_skip_len(p, end, &out->number);

	if (r == RDB_SKIPPED && two)
		r = rdb_skip_len(p, end, &out->number2);
	return result_of(s, r, at_end, e);
}

static enum rdb_scan_result the_end(struct rdb_scan *s, const uint8_t *opcode, const uint8_t **p, const uint8_t *end,
				    bool at_end, struct err *e)
{
	uint64_t stored;

	if (s->version < 5)
		return RDB_SCAN_ITEM;
	if ((size_t)(end - *p) < sizeof stored)
		return cut(s, at_end, e);
	memcpy(&stored, *p, sizeof stored);
	*p += sizeof stored;
	if (!s->check_crc || stored == 0)
		return RDB_SCAN_ITEM;
	rdb_scan_moved(s);
	return crc64(s->crc, opcode, 1) == stored ? RDB_SCAN_ITEM : bad(s, e, "the checksum is wrong");
}

static enum rdb_scan_result frame(struct rdb_scan *s, uint8_t op, const uint8_t **p, const uint8_t *end, bool at_end,
				  struct rdb_item *out, struct err *e)
{
	enum rdb_scan_result r;

	switch (op) {
	case RDB_OP_SELECTDB:
		out->kind = RDB_ITEM_SELECTDB;
		return numbers(s, p, end, at_end, false, out, e);
	case RDB_OP_RESIZEDB:
		out->kind = RDB_ITEM_RESIZEDB;
		return numbers(s, p, end, at_end, true, out, e);
	case RDB_OP_AUX:
		out->kind = RDB_ITEM_AUX;
		r = strings(s, p, end, at_end, &s->name, &s->text, e);
		out->name = s->name.s;
		out->text = s->text.s;
		return r;
	case RDB_OP_FUNCTION2:
		out->kind = RDB_ITEM_FUNCTION;
		r = strings(s, p, end, at_end, &s->text, NULL, e);
		out->text = s->text.s;
		return r;
	default:
		out->kind = RDB_ITEM_END;
		return the_end(s, *p - 1, p, end, at_end, e);
	}
}

/* ---- keys ---- */

/* What stands before the type. *type: the type's byte. */
static enum rdb_scan_result attributes(struct rdb_scan *s, const uint8_t **p, const uint8_t *end, bool at_end,
				       uint8_t *type, struct rdb_item *out, struct err *e)
{
	for (;;) {
		enum rdb_skipped r = RDB_SKIPPED;
		int32_t seconds;

		if (*p == end)
			return cut(s, at_end, e);
		*type = *(*p)++;
		if (*type == RDB_OP_EXPIRETIME_MS || *type == RDB_OP_EXPIRETIME) {
			size_t n = *type == RDB_OP_EXPIRETIME ? sizeof seconds : sizeof out->expire_at_ms;
			if ((size_t)(end - *p) < n)
				return cut(s, at_end, e);
			memcpy(&seconds, *p, sizeof seconds);
			if (n > sizeof seconds)
				memcpy(&out->expire_at_ms, *p, n);
			else
				out->expire_at_ms = (int64_t)seconds * 1000;
			*p += n;
		} else if (*type == RDB_OP_IDLE) {
			r = rdb_skip_len(p, end, (uint64_t *)&out->idle_s);
		} else if (*type == RDB_OP_FREQ) {
			if (*p == end)
				return cut(s, at_end, e);
			out->freq = *(*p)++;
		} else {
			return RDB_SCAN_ITEM;
		}
		if (r != RDB_SKIPPED)
			return result_of(s, r, at_end, e);
	}
}

/* Who wrote a value that only its module can read. */
static enum rdb_scan_result module(const struct rdb_scan *s, const uint8_t *p, const uint8_t *end, bool at_end,
				   struct err *e)
{
	static const char chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	char name[NAME_CHARS + 1] = "unknown";
	uint64_t id;

	enum rdb_skipped r = rdb_skip_len(&p, end, &id);
	if (r == RDB_CUT && !at_end)
		return RDB_SCAN_MORE;
	if (r == RDB_SKIPPED)
		for (int i = 0; i < NAME_CHARS; i++)
			name[i] = chars[id >> (10 + 6 * (NAME_CHARS - 1 - i)) & 63];
	err_set(e,
		"byte %lu: data of the module type '%s'; there are no modules here: remove these keys where the file "
		"comes from",
		(unsigned long)s->off, name);
	return RDB_SCAN_BAD;
}

static enum rdb_scan_result refuse_type(const struct rdb_scan *s, uint8_t type, const uint8_t *p, const uint8_t *end,
					bool at_end, struct err *e)
{
	if (type == MODULE_1 || type == MODULE_2)
		return module(s, p, end, at_end, e);
	err_set(e, "byte %lu: a value of type %u, which no version up to %d has: damaged, or written by a newer server",
		(unsigned long)s->off, type, RDB_VERSION_READ);
	return RDB_SCAN_BAD;
}

static bool type_known(uint8_t type)
{
	return type <= RDB_ZSET_2 || (type >= RDB_HASH_ZIPMAP && type <= RDB_STREAM_3) || type == RDB_HASH_TTL ||
	       type == RDB_HASH_LISTPACK_TTL;
}

static enum rdb_scan_result key(struct rdb_scan *s, uint8_t type, const uint8_t *p, const uint8_t *end, bool at_end,
				size_t *used, struct rdb_item *out, struct err *e)
{
	const uint8_t *at = p - 1, *name = p;
	enum rdb_skipped r = rdb_skip_string(&p, end);

	out->kind = RDB_ITEM_KEY;
	out->at = at;
	if (r != RDB_SKIPPED)
		return result_of(s, r, at_end, e);
	if (rp_likely(*name < 0x40))
		out->key = (struct slice){(const char *)name + 1, *name};
	else if (get_string(s, name, p, &s->key))
		out->key = s->key.s;
	else
		return bad(s, e, "a key that cannot be unpacked");
	if (!type_known(type))
		return refuse_type(s, type, p, end, at_end, e);
	r = rdb_skip_value(type, &p, end);
	out->len = (size_t)(p - at);
	*used += out->len;
	return result_of(s, r, at_end, e);
}

enum rdb_scan_result rdb_scan_next(struct rdb_scan *s, const uint8_t *p, size_t len, bool at_end, size_t *used,
				   struct rdb_item *out, struct err *e)
{
	const uint8_t *from = p, *end = p + len;
	enum rdb_scan_result r;
	uint8_t type;

	if (s->key.own != NULL || s->name.own != NULL || s->text.own != NULL)
		free_strings(s);
	*out = (struct rdb_item){.expire_at_ms = STORE_NO_EXPIRE, .idle_s = -1, .freq = -1};
	*used = 0;
	if (s->version == 0)
		return head(s, p, len, at_end, used, out, e);
	r = attributes(s, &p, end, at_end, &type, out, e);
	if (r == RDB_SCAN_ITEM && type < RDB_OP_SLOT_INFO) {
		*used = (size_t)(p - 1 - from);
		r = key(s, type, p, end, at_end, used, out, e);
	} else if (r == RDB_SCAN_ITEM &&
		   (type == RDB_OP_MODULE_AUX || type == RDB_OP_FUNCTION || type == RDB_OP_SLOT_INFO)) {
		return type == RDB_OP_MODULE_AUX ? module(s, p, end, at_end, e)
						 : refuse_type(s, type, p, end, at_end, e);
	} else if (r == RDB_SCAN_ITEM) {
		r = frame(s, type, &p, end, at_end, out, e);
		*used = (size_t)(p - from);
	}
	if (r == RDB_SCAN_ITEM)
		take(s, from, *used);
	return r;
}
