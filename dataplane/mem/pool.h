/* A fixed pool of equal objects for one owner thread: nothing is allocated after creation. */
#pragma once

#include "base/defs.h"

struct pool {
	char *mem;
	void *free_head; /* each free object's first word links the next */
	uint32_t obj_size;
	uint32_t capacity;
	uint32_t in_use; /* the owner writes, anybody reads */
	uint32_t fresh;  /* objects never handed out yet start here, so that untouched memory stays untouched */
};

/* Anonymous memory (transparent hugepages asked for), 64-byte aligned objects. Returns 0 or -ENOMEM. Control thread. */
int pool_init(struct pool *p, uint32_t obj_size, uint32_t capacity);
void pool_fini(struct pool *p);
/* NULL when exhausted. Not zeroed. */
void *pool_get(struct pool *p);
void pool_put(struct pool *p, void *obj);
/* What is in use of it. Any thread. */
static inline uint64_t pool_bytes_used(const struct pool *p)
{
	return (uint64_t)__atomic_load_n(&p->in_use, __ATOMIC_RELAXED) * p->obj_size;
}
/* Index of an object of this pool, and back: a handle that fits a message. */
static inline uint32_t pool_index(const struct pool *p, const void *obj)
{
	return (uint32_t)(((const char *)obj - p->mem) / p->obj_size);
}
static inline void *pool_at(const struct pool *p, uint32_t idx)
{
	return p->mem + (size_t)idx * p->obj_size;
}
