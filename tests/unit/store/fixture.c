#include <stdlib.h>

#include "fixture.h"
#include "tests/eal.h"

int fixture_eal(const char *prefix, const char *mem_mb)
{
	return test_eal(prefix, mem_mb);
}

struct heap *fixture_heap(size_t bytes)
{
	struct err e;
	struct heap *h = heap_create(&(struct heap_params){.name = "test", .reserve_bytes = bytes}, &e);

	assert_non_null(h);
	return h;
}

void fixture_heap_check(struct heap *h)
{
	struct heap_stats st;

	while (heap_poll(h, 1000) > 0)
		;
	heap_stats_get(h, &st);
	assert_int_equal(st.used_bytes, 0);
	assert_int_equal(st.blocks, 0);
	heap_destroy(h);
}

struct object *fixture_object(const char *key, size_t len, bool expire)
{
	size_t head = sizeof(struct object) + (expire ? sizeof(struct obj_expiry) : 0);
	struct object *o = calloc(1, head + len);

	assert_non_null(o);
	o->flags = expire ? OBJ_F_EXPIRE : 0;
	o->klen = (uint16_t)len;
	if (len > 0)
		memcpy((char *)o + head, key, len);
	return o;
}
