#include "store/store_priv.h"

static void string_free(struct heap *h, void *payload)
{
	blob_unref(payload, h);
}

/* Within a heap clones share the blob until one of them is changed. Between heaps the bytes are copied, so that a
 * shard's memory is what its keys take. */
static void *string_clone(struct heap *to, struct heap *from, void *payload)
{
	struct blob *b = payload;

	if (b->heap == to)
		return blob_ref(b);
	struct blob *copy = blob_create(to, b->len);
	if (copy == NULL)
		return NULL;
	memcpy(copy->data, b->data, b->len);
	copy->len = b->len;
	return copy;
}

static size_t string_bytes(const void *payload, uint32_t samples)
{
	const struct blob *b = payload;

	return heap_good_size(sizeof *b + b->cap);
}

const struct obj_type_ops *obj_type_ops(enum obj_type t)
{
	static const struct obj_type_ops ops[OBJ_TYPES] = {
		[OBJ_STRING] = {.free = string_free, .clone = string_clone, .bytes = string_bytes},
	};
	return &ops[t];
}
