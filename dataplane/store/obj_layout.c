#include "store/store_priv.h"

size_t obj_head_bytes(size_t klen, bool expire)
{
	size_t n = sizeof(struct object) + klen + (expire ? sizeof(struct obj_expiry) : 0);

	if (klen > UINT16_MAX)
		n += sizeof(uint32_t);
	return (n + 7) & ~(size_t)7;
}

size_t obj_value_bytes(const struct object *o)
{
	bool in_place = o->enc != ENC_INT && !(o->flags & (OBJ_F_BLOB | OBJ_F_PAYLOAD));

	return in_place ? o->vlen : sizeof(void *);
}

struct object *obj_create(struct store *s, struct slice key, bool expire, size_t value_bytes)
{
	struct object *o = heap_alloc(s->heap, obj_head_bytes(key.len, expire) + value_bytes);

	if (o == NULL)
		return NULL;
	*o = (struct object){.type = OBJ_STRING, .flags = s->epoch, .clock = store_clock_initial(s)};
	char *p = (char *)(o + 1);
	if (expire) {
		o->flags |= OBJ_F_EXPIRE;
		*obj_expiry(o) = (struct obj_expiry){0};
		p += sizeof(struct obj_expiry);
	}
	if (rp_unlikely(key.len > UINT16_MAX)) {
		uint32_t n = (uint32_t)key.len;
		o->flags |= OBJ_F_LONGKEY;
		memcpy(p, &n, sizeof n);
		p += sizeof n;
	} else {
		o->klen = (uint16_t)key.len;
	}
	if (key.len > 0)
		memcpy(p, key.ptr, key.len);
	return o;
}

struct obj_pointee obj_pointee(const struct object *o)
{
	return (struct obj_pointee){.blob = obj_blob(o), .payload = obj_payload(o)};
}

void pointee_release(struct store *s, struct obj_pointee p)
{
	if (p.blob != NULL)
		blob_unref(p.blob, s->heap);
	else if (p.payload != NULL)
		store_release(s, p.payload);
}

void obj_destroy(struct store *s, struct object *o)
{
	if (rp_unlikely(o->flags & OBJ_F_BURIED))
		return;
	pointee_release(s, obj_pointee(o));
	heap_free(s->heap, o);
}

/* Everything behind the expiry keeps its alignment when it moves: an expiry is a multiple of 8 bytes. */
_Static_assert(sizeof(struct obj_expiry) % 8 == 0, "values stay aligned when a TTL comes or goes");

struct object *obj_relayout(struct store *s, struct object *o, bool expire)
{
	bool had = o->flags & OBJ_F_EXPIRE;
	size_t klen = obj_key(o).len;
	size_t from = sizeof *o + (had ? sizeof(struct obj_expiry) : 0);
	size_t to = sizeof *o + (expire ? sizeof(struct obj_expiry) : 0);
	size_t tail = obj_head_bytes(klen, had) + obj_value_bytes(o) - from;
	struct object *n = o;

	if (to + tail > heap_usable(s->heap, o)) {
		/* An aggregate's area always has room for a pointer. */
		size_t area = RP_MAX(obj_value_bytes(o), sizeof(void *));
		n = heap_alloc(s->heap, obj_head_bytes(klen, expire) + area);
		if (n == NULL)
			return NULL;
		*n = *o;
	}
	memmove((char *)n + to, (char *)o + from, tail);
	n->flags = (uint8_t)(expire ? n->flags | OBJ_F_EXPIRE : n->flags & ~OBJ_F_EXPIRE);
	if (expire && !had)
		*obj_expiry(n) = (struct obj_expiry){0};
	return n;
}
