/* The rings' streams as one, while shards go on writing: what comes in the middle of a sweep comes by way of
 * journal_ring_peek(), which the linker leads through here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "persist/aof_merge.h"

#define SHARDS 2

const struct journal_unit_head *__real_journal_ring_peek(struct journal_ring *r);
const struct journal_unit_head *__wrap_journal_ring_peek(struct journal_ring *r);

static struct heap *heap[SHARDS];
static struct journal_ring *ring[SHARDS];
static struct aof_merge merge;
static struct aof_buf out;
static uint32_t meanwhile;  /* at the next look at this shard's ring ... */
static void (*comes)(void); /* ... this comes; NULL: nothing */

const struct journal_unit_head *__wrap_journal_ring_peek(struct journal_ring *r)
{
	void (*fn)(void) = comes;

	if (fn != NULL && r == ring[meanwhile]) {
		comes = NULL;
		fn();
	}
	return __real_journal_ring_peek(r);
}

static void world_open(void)
{
	struct err e = {""};

	for (uint32_t i = 0; i < SHARDS; i++) {
		heap[i] = heap_create(&(struct heap_params){"shard", 16 << 20, 0}, &e);
		assert_non_null(heap[i]);
		ring[i] = journal_ring_create(1, i, heap[i], &e);
		assert_non_null(ring[i]);
	}
	aof_merge_init(&merge, ring, SHARDS);
	out = (struct aof_buf){NULL};
}

static void world_close(void)
{
	aof_buf_fini(&out);
	for (uint32_t i = 0; i < SHARDS; i++) {
		journal_ring_destroy(ring[i]);
		heap_destroy(heap[i]);
	}
}

static void emit(struct journal_unit *u, uint32_t shard, const char *word, size_t len)
{
	struct slice argv[] = {SLICE("SET"), {word, len}};

	journal_ring_emit(ring[shard], u, 0, 2, argv);
}

static void emit_whole(uint32_t shard)
{
	emit(NULL, shard, "whole", 5);
}

/* There is no memory for the second of its three effects. */
static void emit_torn_part(struct journal_unit *u, uint32_t shard)
{
	static char big[100000];

	memset(big, 'b', sizeof big);
	emit(u, shard, "torn", 4);
	heap_fail_after(heap[shard], 1);
	emit(u, shard, big, sizeof big);
	heap_fail_after(heap[shard], 0);
	emit(u, shard, "torn", 4);
	assert_true(journal_ring_lost(ring[shard]));
}

static void torn_unit_of_one(void)
{
	struct journal_unit u = {.shards = 2};

	emit_torn_part(&u, 1);
	journal_ring_publish(ring[1], 0, 0, 0);
}

static void torn_unit_of_both(void)
{
	struct journal_unit u = {.shards = 3};
	uint64_t txid = journal_ring_txid(ring[0]);

	emit(&u, 0, "torn", 4);
	emit_torn_part(&u, 1);
	journal_ring_publish(ring[0], txid, 3, 0);
	journal_ring_publish(ring[1], txid, 3, 0);
}

static void expect_nothing_torn(uint32_t at, void (*fn)(void))
{
	uint64_t mark;

	world_open();
	emit_whole(0);
	emit_whole(1);
	meanwhile = at;
	comes = fn;
	assert_int_equal(aof_merge_poll(&merge, &out, SIZE_MAX, 0, &mark), AOF_MERGE_LOST);
	assert_null(comes);
	assert_null(memmem(out.data, out.len, "torn", 4));
	world_close();
}

static void test_aof_merge__a_unit_that_lost_an_effect_meanwhile_is_no_part_of_it(void **state)
{
	expect_nothing_torn(1, torn_unit_of_one);
}

static void test_aof_merge__nor_are_its_parts_on_other_shards(void **state)
{
	for (uint32_t at = 0; at < SHARDS; at++)
		expect_nothing_torn(at, torn_unit_of_both);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_aof_merge__a_unit_that_lost_an_effect_meanwhile_is_no_part_of_it),
		cmocka_unit_test(test_aof_merge__nor_are_its_parts_on_other_shards),
	};

	return cmocka_run_group_tests_name("aof_merge", tests, NULL, NULL);
}
