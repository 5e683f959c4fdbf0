/* How a string value is kept: shared by store_string.c and store_puts.c, private to the store. */
#pragma once

#include "base/num.h"
#include "store/store_priv.h"

/* A block this much larger than needed is given back rather than overwritten in place. */
#define STRING_SLACK_MIN 256

struct string_form {
	struct slice bytes; /* in the object, unless blob */
	int64_t num;        /* ENC_INT */
	struct blob *blob;  /* or NULL */
	size_t area;        /* bytes of the value area */
	uint8_t enc;
};

/* Of the value v. Not to be copied while fresh: a load across stores under way waits for all of them. */
static inline void string_form_init(struct string_form *f, struct slice v)
{
	f->bytes = v;
	f->num = 0;
	f->blob = NULL;
	f->area = v.len;
	f->enc = ENC_RAW;
	if (v.len < NUM_I64_CHARS && num_parse_i64(v, &f->num)) {
		f->enc = ENC_INT;
		f->area = sizeof f->num;
	} else if (v.len <= OBJ_EMBSTR_MAX) {
		f->enc = ENC_EMBSTR;
	} else if (v.len > OBJ_INLINE_MAX) {
		f->area = sizeof f->blob;
	}
}

/* Writes the value into o, whose block is large enough; frees nothing. f->bytes may lie in o's own value. */
static inline void string_form_store(struct object *o, const struct string_form *f)
{
	void *area = obj_value(o);

	o->type = OBJ_STRING;
	o->enc = f->enc & 0xf;
	o->flags &= (uint8_t) ~(OBJ_F_BLOB | OBJ_F_PAYLOAD);
	if (f->blob != NULL) {
		o->flags |= OBJ_F_BLOB;
		memcpy(area, &f->blob, sizeof f->blob);
	} else if (f->enc == ENC_INT) {
		memcpy(area, &f->num, sizeof f->num);
	} else if (f->area > 0) {
		memmove(area, f->bytes.ptr, f->area);
	}
	o->vlen = (uint32_t)f->area;
}

/* May a value of so many bytes be written over o's, whatever that is? */
static inline bool string_fits(const struct store *s, const struct object *o, size_t klen, bool expire, size_t area)
{
	if ((bool)(o->flags & OBJ_F_EXPIRE) != expire)
		return false;
	/* A string in place that takes as much: no look at what the heap knows of the block, a miss of its own. */
	if (o->type == OBJ_STRING && !(o->flags & OBJ_F_BLOB) && o->vlen == area)
		return true;
	size_t have = heap_usable(s->heap, o), need = obj_head_bytes(klen, expire) + area;
	return need <= have && (have <= STRING_SLACK_MIN || have <= 2 * need);
}

/* The blob for a long value: the caller's, if v is all of it, else a copy. NULL: out of memory. */
struct blob *string_blob(struct store *s, struct slice v, struct blob *take);
/* Writes over o's value, which fits. */
void string_overwrite(struct store *s, uint32_t db, struct object *o, const struct string_form *f, int64_t at_ms);
