#include "base/num.h"
#include "store/object.h"

struct slice obj_string(const struct object *o, char *buf)
{
	if (o->enc == ENC_INT)
		return (struct slice){buf, num_format_i64(buf, obj_int(o))};
	if (o->flags & OBJ_F_BLOB) {
		const struct blob *b = obj_blob(o);
		return (struct slice){b->data, b->len};
	}
	return (struct slice){obj_value(o), o->vlen};
}

size_t obj_string_len(const struct object *o)
{
	if (o->enc == ENC_INT) {
		int64_t v = obj_int(o);
		uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
		size_t n = 1 + (v < 0);
		for (; u >= 10; u /= 10)
			n++;
		return n;
	}
	return o->flags & OBJ_F_BLOB ? obj_blob(o)->len : o->vlen;
}

const char *obj_type_name(enum obj_type t)
{
	static const char *const name[OBJ_TYPES] = {
		[OBJ_STRING] = "string", [OBJ_LIST] = "list", [OBJ_SET] = "set",
		[OBJ_ZSET] = "zset",     [OBJ_HASH] = "hash", [OBJ_STREAM] = "stream"};
	return name[t];
}

const char *obj_enc_name(enum obj_enc e)
{
	static const char *const name[ENC_MAX] = {[ENC_RAW] = "raw",
						  [ENC_INT] = "int",
						  [ENC_EMBSTR] = "embstr",
						  [ENC_LISTPACK] = "listpack",
						  [ENC_QUICKLIST] = "quicklist",
						  [ENC_INTSET] = "intset",
						  [ENC_HASHTABLE] = "hashtable",
						  [ENC_SKIPLIST] = "skiplist",
						  [ENC_STREAM] = "stream",
						  [ENC_LISTPACKEX] = "listpackex"};
	return name[e];
}
