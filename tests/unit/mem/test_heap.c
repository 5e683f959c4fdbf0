/* The heap against a model: contents, exact accounting, everything returned. Runs in both modes (slab, and malloc
 * under AddressSanitizer); what only the slab heap does is skipped in the latter. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rng.h"
#include "mem/heap_priv.h"

#define MIB ((size_t)1 << 20)

static struct heap *make(size_t reserve)
{
	struct err e = {0};
	const struct heap_params p = {.name = "test", .reserve_bytes = reserve};
	struct heap *h = heap_create(&p, &e);
	if (!h)
		fail_msg("%s", e.text);
	return h;
}

static struct heap_stats stats(const struct heap *h)
{
	struct heap_stats s;
	heap_stats_get(h, &s);
	return s;
}

static void destroy_empty(struct heap *h)
{
	assert_int_equal(stats(h).used_bytes, 0);
	assert_int_equal(stats(h).blocks, 0);
	heap_destroy(h);
}

/* What heap_alloc() promises. */
static size_t align_of(size_t size)
{
	return size <= 128 && size % 16 != 0 ? 8 : 16;
}

static void test_heap_class__covers_every_size(void **state)
{
	for (size_t size = 1; size <= HEAP_SMALL_MAX; size++) {
		unsigned c = heap_class(size);
		assert_true(c < HEAP_CLASSES);
		assert_true(heap_class_bytes(c) >= size);
		assert_true(c == 0 || heap_class_bytes(c - 1) < size);
		assert_int_equal(heap_class_bytes(c) % align_of(size), 0);
	}
	assert_int_equal(heap_good_size(1), 8);
	assert_int_equal(heap_good_size(65), 72);
	assert_int_equal(heap_good_size(129), 144);
	assert_int_equal(heap_good_size(257), 272);
	assert_int_equal(heap_good_size(513), 544);
	assert_int_equal(heap_good_size(1025), 1152);
	assert_int_equal(heap_good_size(HEAP_SMALL_MAX), HEAP_SMALL_MAX);
	assert_int_equal(heap_good_size(HEAP_SMALL_MAX + 1), 5 * HEAP_PAGE);
}

struct block {
	uint8_t *ptr;
	size_t size;
	uint8_t seed;
};

static void fill(struct block *b, size_t from)
{
	for (size_t i = from; i < b->size; i++)
		b->ptr[i] = (uint8_t)(b->seed + i * 7);
}

static void check(const struct block *b, size_t upto)
{
	for (size_t i = 0; i < upto; i++)
		if (b->ptr[i] != (uint8_t)(b->seed + i * 7))
			fail_msg("byte %zu of %zu changed", i, b->size);
}

static size_t random_size(struct rng *r)
{
	switch (rng_below(r, 20)) {
	case 0:
		return 1 + rng_below(r, 2 * MIB);
	case 1:
	case 2:
		return 1 + rng_below(r, 64 * 1024);
	default:
		return 1 + rng_below(r, 700);
	}
}

static void resize(struct heap *h, struct block *b, size_t size)
{
	size_t kept = RP_MIN(size, b->size);
	uint8_t *moved = heap_realloc(h, b->ptr, size);
	assert_non_null(moved);
	b->ptr = moved;
	b->size = size;
	check(b, kept);
	fill(b, kept);
}

static void test_heap__random_operations_keep_contents_and_accounts(void **state)
{
	enum {
		SLOTS = 400
	};
	static struct block slot[SLOTS];
	struct heap *h = make(1024 * MIB);
	struct rng r;
	size_t used = 0, blocks = 0;
	rng_init(&r, 7);
	for (int i = 0; i < 60000; i++) {
		struct block *b = &slot[rng_below(&r, SLOTS)];
		if (!b->ptr) {
			*b = (struct block){.size = random_size(&r), .seed = (uint8_t)i};
			b->ptr = heap_alloc(h, b->size);
			assert_non_null(b->ptr);
			assert_int_equal((uintptr_t)b->ptr % align_of(b->size), 0);
			fill(b, 0);
			used += heap_good_size(b->size);
			blocks++;
		} else if (rng_below(&r, 3) == 0) {
			used -= heap_good_size(b->size);
			resize(h, b, random_size(&r));
			used += heap_good_size(b->size);
		} else {
			check(b, b->size);
			used -= heap_good_size(b->size);
			blocks--;
			heap_free(h, b->ptr);
			b->ptr = NULL;
		}
		assert_int_equal(stats(h).used_bytes, used);
		assert_int_equal(stats(h).blocks, blocks);
		if (b->ptr)
			assert_int_equal(heap_usable(h, b->ptr), heap_good_size(b->size));
	}
	for (int i = 0; i < SLOTS; i++) {
		heap_free(h, slot[i].ptr);
		slot[i].ptr = NULL;
	}
	assert_true(stats(h).peak_bytes > 0);
	destroy_empty(h);
}

static void test_heap__exhausted_range_is_whole_again_after_frees(void **state)
{
	static void *ptr[70000];
	static const size_t sizes[] = {48, 1000, 20000, 300000};
	struct heap *h = make(16 * MIB);
	size_t first_count[RP_ARRAY_LEN(sizes)] = {0};
	for (int round = 0; round < 3; round++) {
		for (size_t s = 0; s < RP_ARRAY_LEN(sizes); s++) {
			size_t n = 0;
			while (n < RP_ARRAY_LEN(ptr) && (ptr[n] = heap_alloc(h, sizes[s])))
				n++;
			assert_true(n * heap_good_size(sizes[s]) > 14 * MIB || n == RP_ARRAY_LEN(ptr));
			if (round == 0)
				first_count[s] = n;
			assert_int_equal(n, first_count[s]);
			for (size_t i = 0; i < n; i++) /* odd ones first: runs must coalesce from both sides */
				if (i & 1)
					heap_free(h, ptr[i]);
			for (size_t i = 0; i < n; i += 2)
				heap_free(h, ptr[i]);
		}
	}
	void *whole = heap_alloc(h, 16 * MIB);
	assert_non_null(whole);
	assert_null(heap_alloc(h, 16));
	heap_free(h, whole);
	assert_null(heap_alloc(h, 17 * MIB));
	assert_null(heap_alloc(h, SIZE_MAX - 100));
	destroy_empty(h);
}

static void test_heap__half_gigabyte_block(void **state)
{
	struct heap *h = make(600 * MIB);
	char *p = heap_alloc(h, 512 * MIB);
	assert_non_null(p);
	p[0] = 1;
	p[512 * MIB - 1] = 2;
	heap_free(h, p);
	destroy_empty(h);
}

static void test_heap_realloc__large_run_grows_in_place(void **state)
{
	if (HEAP_USE_MALLOC)
		skip();
	struct heap *h = make(64 * MIB);
	char *a = heap_alloc(h, MIB), *b = heap_alloc(h, MIB), *c = heap_alloc(h, MIB);
	assert_ptr_equal(heap_realloc(h, c, 4 * MIB), c); /* frontier behind it */
	heap_free(h, b);
	assert_ptr_equal(heap_realloc(h, a, 2 * MIB), a); /* free run behind it */
	assert_ptr_equal(heap_realloc(h, a, MIB + 1), a); /* tail given back */
	b = heap_alloc(h, MIB - HEAP_PAGE);
	assert_ptr_equal(b, a + MIB + HEAP_PAGE);
	assert_ptr_not_equal(heap_realloc(h, a, 2 * MIB), a);
	assert_int_equal(stats(h).used_bytes, 7 * MIB - HEAP_PAGE);
	heap_destroy(h);
}

static void test_heap_fail_after__nth_and_all_later_fail(void **state)
{
	struct heap *h = make(4 * MIB);
	heap_fail_after(h, 3);
	void *a = heap_alloc(h, 10), *b = heap_zalloc(h, 500000);
	assert_non_null(a);
	assert_non_null(b);
	assert_null(heap_alloc(h, 10));
	assert_null(heap_realloc(h, a, 1000));
	assert_null(heap_alloc(h, 10));
	heap_fail_after(h, 0);
	a = heap_realloc(h, a, 1000);
	assert_non_null(a);
	heap_free(h, a);
	heap_free(h, b);
	heap_free(h, NULL);
	destroy_empty(h);
}

#define REMOTE_BLOCKS 50000

struct remote {
	struct heap *heap;
	void **ptr;
	int first;
};

static void *free_remotely(void *arg)
{
	struct remote *r = arg;
	for (int i = r->first; i < REMOTE_BLOCKS; i += 2)
		heap_free_remote(r->heap, r->ptr[i]);
	return NULL;
}

static void test_heap_free_remote__two_threads_beside_the_owner(void **state)
{
	static void *ptr[REMOTE_BLOCKS];
	struct heap *h = make(64 * MIB);
	for (int i = 0; i < REMOTE_BLOCKS; i++)
		ptr[i] = heap_alloc(h, 16 + (size_t)(i % 500));
	struct remote r[2] = {{h, ptr, 0}, {h, ptr, 1}};
	pthread_t t[2];
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, free_remotely, &r[i]);
	uint32_t back = 0;
	for (int i = 0; i < 1000; i++) {
		void *p = heap_alloc(h, 100);
		uint32_t n = heap_poll(h, 10);
		assert_true(n <= 10);
		back += n;
		heap_free(h, p);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	back += heap_poll(h, UINT32_MAX);
	assert_int_equal(back, REMOTE_BLOCKS);
	destroy_empty(h);
}

static void test_heap__takes_back_remote_frees_when_it_runs_short(void **state)
{
	struct heap *h = make(2 * MIB);
	void *p = heap_alloc(h, 2 * MIB);
	assert_non_null(p);
	assert_null(heap_alloc(h, 16));
	heap_free_remote(h, p);
	p = heap_alloc(h, 16);
	assert_non_null(p);
	heap_free(h, p);
	destroy_empty(h);
}

static void test_heap_prefault__owner_meets_no_fault_and_contents_stay(void **state)
{
	if (HEAP_USE_MALLOC)
		skip();
	struct heap *h = make(64 * MIB);
	char *a = heap_alloc(h, 1000000);
	assert_true(stats(h).faults_inline >= 16);
	memset(a, 'x', 1000000);
	assert_int_equal(heap_prefault(h, 8 * MIB), 8 * MIB);
	assert_int_equal(heap_prefault(h, 8 * MIB), 0);
	uint64_t before = stats(h).faults_inline;
	char *b = heap_alloc(h, 4 * MIB);
	assert_int_equal(stats(h).faults_inline, before);
	assert_int_equal(heap_prefault(h, 8 * MIB), 4 * MIB);
	assert_true(heap_prefault(h, 1000 * MIB) < 64 * MIB);
	for (int i = 0; i < 1000000; i++)
		assert_true(a[i] == 'x');
	heap_free(h, a);
	heap_free(h, b);
	destroy_empty(h);
}

static void test_heap_create__missing_hugepages_name_the_mend(void **state)
{
	if (HEAP_USE_MALLOC)
		skip();
	struct err e = {0};
	const struct heap_params huge = {
		.name = "shard 0", .reserve_bytes = (size_t)1 << 41, .huge_bytes = (size_t)1 << 41};
	assert_null(heap_create(&huge, &e));
	assert_non_null(strstr(e.text, "/sys/kernel/mm/hugepages/"));
	assert_non_null(strstr(e.text, "1048576 hugepages"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_heap_class__covers_every_size),
		cmocka_unit_test(test_heap__random_operations_keep_contents_and_accounts),
		cmocka_unit_test(test_heap__exhausted_range_is_whole_again_after_frees),
		cmocka_unit_test(test_heap__half_gigabyte_block),
		cmocka_unit_test(test_heap_realloc__large_run_grows_in_place),
		cmocka_unit_test(test_heap_fail_after__nth_and_all_later_fail),
		cmocka_unit_test(test_heap_free_remote__two_threads_beside_the_owner),
		cmocka_unit_test(test_heap__takes_back_remote_frees_when_it_runs_short),
		cmocka_unit_test(test_heap_prefault__owner_meets_no_fault_and_contents_stay),
		cmocka_unit_test(test_heap_create__missing_hugepages_name_the_mend),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
