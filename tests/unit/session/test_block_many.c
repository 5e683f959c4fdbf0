/* Many clients that wait: what they cost while nothing happens. Built with room for WAITING of them. */
#include "rig.h"

#include <rte_cycles.h>

#define WAITING (RIG_CONNS - 1)

/* Of many iterations the cheapest, which nothing on this machine has disturbed: in cycles. None of them has work. */
static uint64_t cheapest(struct rig *r, uint32_t host)
{
	uint64_t best = UINT64_MAX;

	for (uint32_t i = 0; i < 3000; i++) {
		uint64_t begin = rte_rdtsc();
		uint32_t work = rig_step(r, host);
		uint64_t end = rte_rdtsc();
		assert_int_equal(work, 0);
		best = RP_MIN(best, end - begin);
	}
	return best;
}

static size_t heap_bytes(const struct rig *r)
{
	size_t n = 0;

	for (uint32_t i = 0; i <= r->n; i++)
		n += heap_used(r->heap[i]) + (i < r->n ? heap_used(r->shard_heap[i]) : 0);
	return n;
}

/* A look at each of them would take a cycle each at least. */
static void test_block__thousands_who_wait_cost_an_iteration_nothing(void **state)
{
	static const char *const ways[] = {"BLPOP some where 0", "BLMOVE from to LEFT RIGHT 1000", "BZPOPMIN z 5000",
					   "XREAD BLOCK 0 STREAMS s $"};
	struct rig *r = rig_create(2, 1);
	struct rig_conn *c = rig_open(r, 0);
	uint64_t alone[2], beside[2];

	rig_ask(c, "PING");
	rig_settle(r);
	for (uint32_t i = 0; i < 2; i++)
		alone[i] = cheapest(r, i);
	size_t before = heap_bytes(r);
	for (uint32_t i = 0; i < WAITING; i++) {
		rig_ask(rig_open(r, i % 2), "%s", ways[i / 2 % RP_ARRAY_LEN(ways)]);
		if (i % 64 == 0)
			rig_settle(r);
	}
	rig_settle(r);
	assert_int_equal(r->host[0]->count.blocked + r->host[1]->count.blocked, WAITING);
	assert_int_equal(rte_mempool_avail_count(r->pool), r->pool_full);
	for (uint32_t i = 0; i <= r->n; i++)
		assert_int_equal(msg_in_use(r->bus, i), 0);
	size_t each = (heap_bytes(r) - before) / WAITING;
	for (uint32_t i = 0; i < 2; i++) {
		beside[i] = cheapest(r, i);
		assert_true(host_quiet(r->host[i])); /* it may sleep */
		assert_true(host_next_us(r->host[i]) > r->now.mono_us);
	}
	print_message("%lu and %lu cycles, %lu and %lu beside %u who wait with %zu bytes each\n", alone[0], alone[1],
		      beside[0], beside[1], WAITING, each);
	assert_true(each < 800);
	for (uint32_t i = 0; i < 2; i++)
		assert_true(beside[i] < alone[i] + WAITING / 2);
	rig_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_block__thousands_who_wait_cost_an_iteration_nothing),
	};
	rig_eal("test_block_many");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
