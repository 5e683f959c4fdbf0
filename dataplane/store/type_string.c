#include "store/store_priv.h"

static void string_free(struct heap *h, void *payload)
{
	blob_unref(payload, h);
}

/* Clones share the blob until one of them is changed, whatever heap it is from: copying a large value would stall. */
static void *string_clone(struct heap *to, struct heap *from, void *payload)
{
	return blob_ref(payload);
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
