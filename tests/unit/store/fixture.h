/* What the store's tests share: EAL without hugepages, a heap, and a model of random keys. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "base/rng.h"
#include "mem/heap.h"
#include "store/object.h"

/* Group set-up: EAL with `mem_mb` MiB. Returns 0. */
int fixture_eal(const char *prefix, const char *mem_mb);
struct heap *fixture_heap(size_t bytes);
/* Checks that nothing is left, then destroys. */
void fixture_heap_check(struct heap *h);
/* An object with this key, outside of any store. expire: with room for a TTL. */
struct object *fixture_object(const char *key, size_t len, bool expire);
