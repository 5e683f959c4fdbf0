/* Aggregates: creating their keys and changing their form. */
#include "store/store_priv.h"

/* A compact value's area has room for a pointer, so that another form always fits in its place. */
static size_t compact_area(size_t len)
{
	return len > OBJ_INLINE_MAX ? sizeof(struct blob *) : RP_MAX(len, sizeof(void *));
}

static struct blob *blob_copy(struct heap *h, struct slice bytes)
{
	struct blob *b = blob_create(h, bytes.len);

	if (b != NULL) {
		memcpy(b->data, bytes.ptr, bytes.len);
		b->len = bytes.len;
	}
	return b;
}

/* Writes one of the three forms into o, whose area has room for it. */
static void value_store(struct object *o, enum obj_enc enc, struct slice bytes, struct blob *b, struct payload *p)
{
	o->enc = enc & 0xf;
	o->flags &= (uint8_t) ~(OBJ_F_BLOB | OBJ_F_PAYLOAD);
	o->vlen = sizeof(void *);
	if (p != NULL) {
		o->flags |= OBJ_F_PAYLOAD;
		memcpy(obj_value(o), &p, sizeof p);
	} else if (b != NULL) {
		o->flags |= OBJ_F_BLOB;
		memcpy(obj_value(o), &b, sizeof b);
	} else {
		memcpy(obj_value(o), bytes.ptr, bytes.len);
		o->vlen = (uint32_t)bytes.len;
	}
}

static struct object *add(struct store *s, uint32_t db, struct slice key, enum obj_type type, enum obj_enc enc,
			  struct slice bytes, struct blob *b, struct payload *p, int64_t at_ms)
{
	uint64_t hash;
	struct object *o = space_find_live(s, db, key, &hash);

	if (at_ms == STORE_KEEP_TTL)
		at_ms = o == NULL ? STORE_NO_EXPIRE : obj_expire_at(o);
	bool pointer = b != NULL || p != NULL;
	struct object *n = obj_create(s, key, at_ms != STORE_NO_EXPIRE,
				      pointer ? sizeof(void *) : compact_area(bytes.len));
	if (n == NULL)
		return NULL;
	n->type = type & 0xf;
	value_store(n, enc, bytes, b, p);
	if (space_put(s, db, o, n, hash, at_ms))
		return n;
	heap_free(s->heap, n);
	return NULL;
}

struct object *store_add_compact(struct store *s, uint32_t db, struct slice key, enum obj_type type, enum obj_enc enc,
				 struct slice bytes, int64_t expire_at_ms)
{
	struct blob *b = NULL;

	if (bytes.len > OBJ_INLINE_MAX && (b = blob_copy(s->heap, bytes)) == NULL)
		return NULL;
	struct object *o = add(s, db, key, type, enc, bytes, b, NULL, expire_at_ms);
	if (o == NULL && b != NULL)
		blob_unref(b, s->heap);
	return o;
}

struct object *store_add_payload(struct store *s, uint32_t db, struct slice key, enum obj_enc enc, struct payload *p,
				 int64_t expire_at_ms)
{
	s->had_payload = true;
	return add(s, db, key, p->type, enc, (struct slice){NULL, 0}, NULL, p, expire_at_ms);
}

/* A block for o's head with another value area; o's key, TTL and header are in it, the wheel and the index know nothing
 * of it yet. */
static struct object *copy_head(struct store *s, const struct object *o, size_t area)
{
	size_t head = obj_head_bytes(obj_key(o).len, o->flags & OBJ_F_EXPIRE);
	struct object *n = heap_alloc(s->heap, head + area);

	if (n != NULL)
		memcpy(n, o, head);
	return n;
}

void store_to_payload(struct store *s, uint32_t db, struct object **o, enum obj_enc enc, struct payload *p)
{
	struct obj_pointee gone = obj_pointee(*o);
	size_t head = obj_head_bytes(obj_key(*o).len, (*o)->flags & OBJ_F_EXPIRE);

	/* A block as large as the compact value's is not kept for a pointer, if there is memory for another. */
	if (heap_usable(s->heap, *o) > heap_good_size(head + sizeof(void *))) {
		struct object *n = copy_head(s, *o, sizeof(void *));
		if (n != NULL) {
			space_relocate(s, db, *o, n);
			*o = n;
		}
	}
	s->had_payload = true;
	value_store(*o, enc, (struct slice){NULL, 0}, NULL, p);
	pointee_release(s, gone);
}

bool store_to_compact(struct store *s, uint32_t db, struct object **o, enum obj_enc enc, struct slice bytes)
{
	struct obj_pointee gone = obj_pointee(*o);
	struct blob *b = NULL;

	if (bytes.len > OBJ_INLINE_MAX && (b = blob_copy(s->heap, bytes)) == NULL)
		return false;
	struct object *n = copy_head(s, *o, compact_area(bytes.len));
	if (n == NULL) {
		if (b != NULL)
			blob_unref(b, s->heap);
		return false;
	}
	space_relocate(s, db, *o, n);
	value_store(n, enc, bytes, b, NULL);
	pointee_release(s, gone);
	*o = n;
	return true;
}
