#include "store/string_form.h"

#define STRING_DOUBLE_MAX ((size_t)1 << 20) /* a growing value doubles up to here, then gains as much each time */

struct blob *string_blob(struct store *s, struct slice v, struct blob *take)
{
	if (take != NULL && v.ptr == take->data && v.len == take->len)
		return take;
	struct blob *b = blob_create(s->heap, v.len);
	if (b == NULL)
		return NULL;
	memcpy(b->data, v.ptr, v.len);
	b->len = v.len;
	return b;
}

void string_overwrite(struct store *s, uint32_t db, struct object *o, const struct string_form *f, int64_t at_ms)
{
	struct obj_pointee gone = obj_pointee(o);

	if (o->flags & OBJ_F_PAYLOAD)
		store_fields_disarm(s, o); /* a hash with times: its timer goes with it */
	string_form_store(o, f);
	pointee_release(s, gone);
	if (o->flags & OBJ_F_EXPIRE) {
		space_unlink_expiry(s, db, o);
		space_link_expiry(s, db, o, at_ms);
	}
}

/* n, complete but for its TTL, takes the place of o (NULL: the key is new). False: out of memory, n is freed as a
 * block, nothing changed. */
static bool install(struct store *s, uint32_t db, uint64_t hash, struct object *o, struct object *n, int64_t at_ms)
{
	if (o != NULL)
		n->clock = o->clock;
	if (space_put(s, db, o, n, hash, at_ms))
		return true;
	heap_free(s->heap, n);
	return false;
}

static struct object *set_anew(struct store *s, uint32_t db, struct slice key, uint64_t hash, struct object *o,
			       const struct string_form *f, int64_t at_ms)
{
	struct object *n = obj_create(s, key, at_ms != STORE_NO_EXPIRE, f->area);

	if (n == NULL)
		return NULL;
	string_form_store(n, f);
	return install(s, db, hash, o, n, at_ms) ? n : NULL;
}

/* f->blob is taken over on success. */
static struct object *set_form(struct store *s, uint32_t db, struct slice key, uint64_t hash, struct object *o,
			       const struct string_form *f, int64_t at_ms)
{
	if (at_ms == STORE_KEEP_TTL)
		at_ms = o == NULL ? STORE_NO_EXPIRE : obj_expire_at(o);
	else if (at_ms != STORE_NO_EXPIRE)
		at_ms = RP_MAX(at_ms, 0);
	if (o == NULL || !string_fits(s, o, key.len, at_ms != STORE_NO_EXPIRE, f->area))
		return set_anew(s, db, key, hash, o, f, at_ms);
	store_touch_for_write(s, db, key, o);
	string_overwrite(s, db, o, f, at_ms);
	return o;
}

struct object *store_set_string(struct store *s, uint32_t db, struct slice key, struct slice v, struct blob *take,
				int64_t expire_at_ms)
{
	uint64_t hash;
	struct object *o = space_find_live(s, db, key, &hash);
	struct string_form f;

	string_form_init(&f, v);
	if (v.len > OBJ_INLINE_MAX && (f.blob = string_blob(s, v, take)) == NULL)
		return NULL;
	if (o != NULL)
		store_clock_access(s, o);
	o = set_form(s, db, key, hash, o, &f, expire_at_ms);
	if (o == NULL) {
		if (f.blob != NULL && f.blob != take)
			blob_unref(f.blob, s->heap);
		return NULL;
	}
	if (take != NULL && take != f.blob)
		blob_unref(take, s->heap);
	return o;
}

struct object *store_set_int(struct store *s, uint32_t db, struct slice key, struct object *o, int64_t v)
{
	struct string_form f = {.num = v, .area = sizeof v, .enc = ENC_INT};
	uint64_t hash;

	/* A number takes a number's place: no look at the block's size, which is a miss of its own. */
	if (o != NULL && o->type == OBJ_STRING && o->enc == ENC_INT) {
		memcpy(obj_value(o), &v, sizeof v);
		return o;
	}
	if (o != NULL && string_fits(s, o, key.len, o->flags & OBJ_F_EXPIRE, f.area)) {
		struct obj_pointee gone = obj_pointee(o);
		string_form_store(o, &f);
		pointee_release(s, gone);
		return o;
	}
	o = space_find_live(s, db, key, &hash);
	return set_form(s, db, key, hash, o, &f, STORE_KEEP_TTL);
}

/* ---- editing in place ------------------------------------------------------------------------------------------ */

static size_t grown(size_t len)
{
	return len < STRING_DOUBLE_MAX ? len * 2 : len + STRING_DOUBLE_MAX;
}

/* A blob of len bytes, as many of them from old as it has, the others zero. */
static struct blob *blob_with(struct store *s, struct slice old, size_t len, size_t cap)
{
	struct blob *b = blob_create(s->heap, cap);

	if (b == NULL && cap > len)
		b = blob_create(s->heap, len);
	if (b == NULL)
		return NULL;
	size_t keep = RP_MIN(old.len, len);
	if (keep > 0)
		memcpy(b->data, old.ptr, keep);
	memset(b->data + keep, 0, len - keep);
	b->len = len;
	return b;
}

/* o's value is a blob. */
static char *edit_blob(struct store *s, struct object *o, size_t len)
{
	struct blob *b = obj_blob(o);
	/* Only the owner of its heap may make a blob longer; its bytes are the last holder's to change. */
	if (blob_is_shared(b) || (len > b->cap && b->heap != s->heap)) {
		struct slice old = {b->data, b->len};
		struct blob *n = blob_with(s, old, len, len > b->len ? grown(len) : len);
		if (n == NULL)
			return NULL;
		blob_unref(b, s->heap);
		b = n;
	} else if (len > b->cap) {
		struct blob *n = blob_grow(b, grown(len));
		if (n == NULL && (n = blob_grow(b, len)) == NULL)
			return NULL;
		b = n;
	}
	if (len > b->len)
		memset(b->data + b->len, 0, len - b->len);
	b->len = len;
	o->enc = ENC_RAW;
	memcpy(obj_value(o), &b, sizeof b);
	return b->data;
}

/* o's value is in place, and so is the new one. */
static bool edit_in_place(struct store *s, struct object *o, size_t len)
{
	char text[NUM_I64_CHARS], *area = obj_value(o);
	struct slice old = obj_string(o, text);

	if ((size_t)(area - (char *)o) + len > heap_usable(s->heap, o))
		return false;
	size_t keep = RP_MIN(old.len, len);
	memmove(area, old.ptr, keep);
	memset(area + keep, 0, len - keep);
	o->enc = ENC_RAW;
	o->vlen = (uint32_t)len;
	return true;
}

/* The value moves out of the object, or a key is created with a long one. */
static struct object *edit_to_blob(struct store *s, uint32_t db, struct slice key, struct object *o, size_t len)
{
	char text[NUM_I64_CHARS];
	struct slice old = o == NULL ? (struct slice){NULL, 0} : obj_string(o, text);
	struct string_form f = {.area = sizeof f.blob, .enc = ENC_RAW};
	uint64_t hash;

	f.blob = blob_with(s, old, len, o == NULL ? len : grown(len));
	if (f.blob == NULL)
		return NULL;
	o = space_find_live(s, db, key, &hash);
	o = set_form(s, db, key, hash, o, &f, STORE_KEEP_TTL);
	if (o == NULL)
		blob_unref(f.blob, s->heap);
	return o;
}

/* The value gets a larger block, or a key is created with a short one. */
static struct object *edit_to_block(struct store *s, uint32_t db, struct slice key, struct object *o, size_t len)
{
	char text[NUM_I64_CHARS];
	struct slice old = o == NULL ? (struct slice){NULL, 0} : obj_string(o, text);
	bool expire = o != NULL && (o->flags & OBJ_F_EXPIRE);
	size_t room = o == NULL ? len : RP_MIN(grown(len), (size_t)OBJ_INLINE_MAX);
	uint64_t hash;

	struct object *n = obj_create(s, key, expire, room);
	if (n == NULL && (room == len || (n = obj_create(s, key, expire, len)) == NULL))
		return NULL;
	char *area = obj_value(n);
	size_t keep = RP_MIN(old.len, len);
	if (keep > 0)
		memcpy(area, old.ptr, keep);
	memset(area + keep, 0, len - keep);
	n->vlen = (uint32_t)len;
	o = space_find_live(s, db, key, &hash);
	return install(s, db, hash, o, n, expire ? obj_expire_at(o) : STORE_NO_EXPIRE) ? n : NULL;
}

char *store_string_edit(struct store *s, uint32_t db, struct slice key, struct object **o, size_t len)
{
	struct object *n = *o;

	if (n != NULL && (n->flags & OBJ_F_BLOB))
		return edit_blob(s, n, len);
	if (len > OBJ_INLINE_MAX) {
		n = edit_to_blob(s, db, key, n, len);
	} else if (n == NULL || !edit_in_place(s, n, len)) {
		n = edit_to_block(s, db, key, n, len);
	}
	if (n == NULL)
		return NULL;
	*o = n;
	return n->flags & OBJ_F_BLOB ? obj_blob(n)->data : obj_value(n);
}

/* An integer in a block too small for its digits. */
static struct object *int_to_block(struct store *s, uint32_t db, struct slice key, struct object *o)
{
	char text[NUM_I64_CHARS];
	struct slice digits = obj_string(o, text);
	int64_t at_ms = obj_expire_at(o);
	uint64_t hash;
	struct object *n = obj_create(s, key, at_ms >= 0, digits.len);

	if (n == NULL)
		return NULL;
	memcpy(obj_value(n), digits.ptr, digits.len);
	n->vlen = (uint32_t)digits.len;
	n->version = o->version;
	n->clock = o->clock;
	n->flags = (uint8_t)((n->flags & ~OBJ_F_EPOCH) | (o->flags & OBJ_F_EPOCH));
	space_find(s, db, key, &hash);
	space_unlink_expiry(s, db, o);
	space_replace(s, db, o, n, hash);
	heap_free(s->heap, o);
	if (at_ms >= 0)
		space_link_expiry(s, db, n, at_ms);
	return n;
}

bool store_string_raw(struct store *s, uint32_t db, struct slice key, struct object **o)
{
	if ((*o)->enc != ENC_INT) {
		(*o)->enc = ENC_RAW;
		return true;
	}
	struct object *n = edit_in_place(s, *o, obj_string_len(*o)) ? *o : int_to_block(s, db, key, *o);
	if (n == NULL)
		return false;
	*o = n;
	return true;
}
