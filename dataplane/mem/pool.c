#include "mem/pool.h"

#include <errno.h>
#include <sys/mman.h>

#include "mem/heap_priv.h"

#if HEAP_USE_MALLOC
#include <sanitizer/asan_interface.h>
#define HIDE(p, n) ASAN_POISON_MEMORY_REGION(p, n)
#define SHOW(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define HIDE(p, n) ((void)(p))
#define SHOW(p, n) ((void)(p))
#endif

static size_t pool_bytes(const struct pool *p)
{
	return (size_t)p->obj_size * RP_MAX(p->capacity, 1u);
}

int pool_init(struct pool *p, uint32_t obj_size, uint32_t capacity)
{
	memset(p, 0, sizeof(*p));
	p->obj_size = HEAP_ALIGN_UP(RP_MAX(obj_size, 1u), RP_CACHE_LINE);
	p->capacity = capacity;
	void *mem = mmap(NULL, pool_bytes(p), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
			 0);
	if (mem == MAP_FAILED)
		return -ENOMEM;
	madvise(mem, pool_bytes(p), MADV_HUGEPAGE);
	p->mem = mem;
	HIDE(mem, pool_bytes(p));
	return 0;
}

void pool_fini(struct pool *p)
{
	if (p->mem) {
		SHOW(p->mem, pool_bytes(p));
		munmap(p->mem, pool_bytes(p));
	}
	memset(p, 0, sizeof(*p));
}

void *pool_get(struct pool *p)
{
	char *obj = p->free_head;
	if (rp_likely(obj != NULL)) {
		SHOW(obj, p->obj_size);
		memcpy(&p->free_head, obj, sizeof(void *));
	} else if (rp_likely(p->fresh < p->capacity)) {
		obj = pool_at(p, p->fresh++);
		SHOW(obj, p->obj_size);
	} else {
		return NULL;
	}
	p->in_use++;
	return obj;
}

void pool_put(struct pool *p, void *obj)
{
	memcpy(obj, &p->free_head, sizeof(void *));
	p->free_head = obj;
	p->in_use--;
	HIDE(obj, p->obj_size);
}
