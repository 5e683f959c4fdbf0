/* Compact values, edited in place: store/aggregate.h. */
#include "store/store_priv.h"

/* What a value outgrowing its block gets beyond need: blocks' sizes round up by as much already. */
#define BLOB_SLACK(need) ((need) / 8)
/* A block this much larger than its value is exchanged for a smaller one when an edit ends. */
#define COMPACT_SLACK_MIN 256

static size_t head_bytes(const struct object *o)
{
	return obj_head_bytes(obj_key(o).len, o->flags & OBJ_F_EXPIRE);
}

static void point_at(struct compact *c)
{
	struct object *o = c->o;
	struct blob *blob = obj_blob(o);

	if (blob != NULL) {
		c->b.p = (uint8_t *)blob->data;
		c->b.cap = blob->cap;
	} else {
		c->b.p = obj_value(o);
		c->b.cap = RP_MIN(heap_usable(c->s->heap, o) - head_bytes(o), (size_t)OBJ_INLINE_MAX);
	}
}

/* The object in another block, with `area` bytes for the value and the first `keep` of them copied. */
static bool relocate(struct compact *c, size_t area, size_t keep)
{
	size_t head = head_bytes(c->o);
	struct object *n = heap_alloc(c->s->heap, head + RP_MAX(area, sizeof(void *)));

	if (n == NULL)
		return false;
	memcpy(n, c->o, head + keep);
	space_relocate(c->s, c->db, c->o, n);
	c->o = n;
	return true;
}

static void hang_blob(struct object *o, struct blob *b)
{
	o->flags |= OBJ_F_BLOB;
	o->vlen = sizeof b;
	memcpy(obj_value(o), &b, sizeof b);
}

static struct blob *blob_with_room(struct compact *c, size_t cap)
{
	struct blob *b = blob_create(c->s->heap, cap + BLOB_SLACK(cap));

	if (b == NULL)
		b = blob_create(c->s->heap, cap);
	if (b != NULL) {
		memcpy(b->data, c->b.p, c->b.len);
		b->len = c->b.len;
	}
	return b;
}

static bool to_blob(struct compact *c, size_t cap)
{
	struct blob *b = blob_with_room(c, cap);

	if (b == NULL)
		return false;
	relocate(c, sizeof b, 0); /* the block that held the bytes serves as well */
	hang_blob(c->o, b);
	return true;
}

static bool compact_reserve(struct cbuf *b, size_t cap)
{
	struct compact *c = (struct compact *)b;
	struct blob *blob = obj_blob(c->o);

	if (blob != NULL) {
		blob->len = b->len; /* what is to be kept */
		struct blob *n = blob_grow(blob, cap + BLOB_SLACK(cap));
		if (n == NULL && (n = blob_grow(blob, cap)) == NULL)
			return false;
		hang_blob(c->o, n);
	} else if (cap > OBJ_INLINE_MAX) {
		if (!to_blob(c, cap))
			return false;
	} else if (!relocate(c, cap, b->len)) {
		return false;
	}
	point_at(c);
	return true;
}

bool compact_begin(struct compact *c, struct store *s, uint32_t db, struct object *o)
{
	struct blob *blob = obj_blob(o);

	*c = (struct compact){.b.reserve = compact_reserve, .s = s, .o = o, .db = db};
	point_at(c);
	c->b.len = obj_compact(o).len;
	if (blob == NULL || (!blob_is_shared(blob) && blob->heap == s->heap))
		return true;
	struct blob *own = blob_with_room(c, c->b.len);
	if (own == NULL)
		return false;
	hang_blob(o, own);
	blob_unref(blob, s->heap);
	point_at(c);
	return true;
}

/* Back into the object. */
static void from_blob(struct compact *c, struct blob *blob)
{
	if (!relocate(c, c->b.len, 0))
		return;
	c->o->flags &= (uint8_t)~OBJ_F_BLOB;
	memcpy(obj_value(c->o), blob->data, c->b.len);
	c->o->vlen = (uint32_t)c->b.len;
	blob_unref(blob, c->s->heap);
}

struct object *compact_end(struct compact *c)
{
	struct blob *blob = obj_blob(c->o);
	size_t len = c->b.len;

	if (blob != NULL) {
		blob->len = len;
		if (len <= OBJ_INLINE_MAX / 2)
			from_blob(c, blob);
		return c->o;
	}
	c->o->vlen = (uint32_t)len;
	size_t have = heap_usable(c->s->heap, c->o);
	if (have > COMPACT_SLACK_MIN && have > 2 * (head_bytes(c->o) + len))
		relocate(c, len, len);
	return c->o;
}
