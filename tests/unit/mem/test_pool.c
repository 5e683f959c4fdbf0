#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mem/pool.h"

static void test_pool__hands_out_each_object_once(void **state)
{
	enum {
		N = 1000
	};
	struct pool p;
	void *obj[N];
	assert_int_equal(pool_init(&p, 100, N), 0);
	for (int round = 0; round < 2; round++) {
		uint8_t seen[N] = {0};
		for (int i = 0; i < N; i++) {
			obj[i] = pool_get(&p);
			assert_non_null(obj[i]);
			assert_int_equal((uintptr_t)obj[i] % RP_CACHE_LINE, 0);
			memset(obj[i], i, 100);
			uint32_t idx = pool_index(&p, obj[i]);
			assert_true(idx < N && !seen[idx]++);
			assert_ptr_equal(pool_at(&p, idx), obj[i]);
		}
		assert_null(pool_get(&p));
		assert_int_equal(p.in_use, N);
		for (int i = 0; i < N; i++) {
			assert_int_equal(((uint8_t *)obj[i])[99], (uint8_t)i);
			pool_put(&p, obj[i]);
		}
		assert_int_equal(p.in_use, 0);
	}
	pool_fini(&p);
}

static void test_pool__unused_objects_stay_fresh(void **state)
{
	struct pool p;
	assert_int_equal(pool_init(&p, 8, 1 << 20), 0);
	void *a = pool_get(&p);
	pool_put(&p, a);
	assert_ptr_equal(pool_get(&p), a);
	assert_int_equal(p.fresh, 1);
	pool_put(&p, a);
	pool_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pool__hands_out_each_object_once),
		cmocka_unit_test(test_pool__unused_objects_stay_fresh),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
