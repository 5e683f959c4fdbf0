#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mem/buf.h"
#include "tests/eal.h"

static struct heap *heap;
static struct rte_mempool *pool;

static size_t live_blocks(void)
{
	struct heap_stats s;
	heap_stats_get(heap, &s);
	return s.blocks;
}

static void test_blob__last_reference_returns_it(void **state)
{
	struct blob *b = blob_create(heap, 1000);
	assert_true(b->cap >= 1000 && b->len == 0);
	assert_false(blob_is_shared(b));
	blob_ref(b);
	assert_true(blob_is_shared(b));
	blob_unref(b, heap);
	assert_int_equal(live_blocks(), 1);
	blob_unref(b, heap);
	assert_int_equal(live_blocks(), 0);
}

static void test_blob__foreign_holder_hands_it_back(void **state)
{
	struct blob *b = blob_create(heap, 100);
	blob_unref(b, NULL);
	assert_int_equal(live_blocks(), 1);
	assert_int_equal(heap_poll(heap, 10), 1);
	assert_int_equal(live_blocks(), 0);
}

static void test_blob_grow__keeps_contents_and_survives_failure(void **state)
{
	struct blob *b = blob_create(heap, 100);
	memset(b->data, 'a', 100);
	b->len = 100;
	assert_ptr_equal(blob_grow(b, 50), b);
	heap_fail_after(heap, 1);
	assert_null(blob_grow(b, 100000));
	assert_null(blob_create(heap, 10));
	heap_fail_after(heap, 0);
	b = blob_grow(b, 1 << 20);
	assert_non_null(b);
	assert_true(b->cap >= 1 << 20 && b->len == 100);
	for (int i = 0; i < 100; i++)
		assert_int_equal(b->data[i], 'a');
	blob_unref(b, heap);
	assert_null(blob_create(heap, SIZE_MAX - 8));
}

static void test_buf_chain_free__drops_buffers_and_references(void **state)
{
	unsigned before = rte_mempool_avail_count(pool);
	struct blob *b = blob_create(heap, 20000);
	struct rte_mbuf *m[3];
	for (int i = 0; i < 3; i++) {
		m[i] = buf_alloc(pool);
		assert_null(buf_priv(m[i])->ref.blob);
		if (i)
			m[i - 1]->next = m[i];
	}
	buf_priv(m[1])->ref.blob = blob_ref(b);
	blob_unref(b, heap);
	assert_int_equal(live_blocks(), 1);
	buf_chain_free(m[0], heap);
	assert_int_equal(live_blocks(), 0);
	assert_int_equal(rte_mempool_avail_count(pool), before);
	buf_chain_free(NULL, heap);
}

static int setup(void **state)
{
	if (test_eal("test_blob_buf", "64") != 0)
		return -1;
	pool = rte_pktmbuf_pool_create("p", 255, 0, BUF_PRIV_BYTES, BUF_DATA_BYTES, 0);
	heap = heap_create(&(struct heap_params){.name = "test", .reserve_bytes = 64 << 20}, NULL);
	return pool && heap ? 0 : -1;
}

static int teardown(void **state)
{
	int lost = rte_mempool_in_use_count(pool) != 0 || live_blocks() != 0;
	heap_destroy(heap);
	return lost ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blob__last_reference_returns_it),
		cmocka_unit_test(test_blob__foreign_holder_hands_it_back),
		cmocka_unit_test(test_blob_grow__keeps_contents_and_survives_failure),
		cmocka_unit_test(test_buf_chain_free__drops_buffers_and_references),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
