/* Leases among threads: nobody but the holder touches a shard, everybody gets his turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>

#include "base/rng.h"
#include "msg/lease.h"

#define THREADS 4
#define LEASES  3000

struct shard {
	uint64_t value RP_CACHE_ALIGNED; /* plain: only its holder may touch it */
};

struct shared {
	struct msg_bus *bus;
	struct lease_table *table;
	struct shard shard[THREADS];
	int32_t running;
};

struct actor {
	struct shared *sh;
	uint32_t id;
	uint64_t added;
	pthread_t thread;
};

static void work_on_own(struct actor *a)
{
	a->sh->shard[a->id].value++;
	a->added++;
}

static bool kicked(const struct actor *a)
{
	struct pollfd fd = {.fd = msg_event_fd(a->sh->bus, a->id), .events = POLLIN};
	return poll(&fd, 1, 0) == 1;
}

/* Gives the CPU away, once in a while; without work of its own until there is news or nobody has any. */
static void rest(struct actor *a, bool for_good)
{
	struct shared *sh = a->sh;
	msg_sleeping(sh->bus, a->id);
	lease_shard_rest(sh->table, a->id);
	do
		sched_yield();
	while (for_good && !kicked(a) && __atomic_load_n(&sh->running, __ATOMIC_ACQUIRE) > 0);
	msg_awake(sh->bus, a->id);
	if (lease_shard_wake(sh->table, a->id))
		work_on_own(a);
}

/* A worker that owns shard `id` and coordinates leases of random sets at the same time. */
static void *act(void *arg)
{
	struct actor *a = arg;
	struct shared *sh = a->sh;
	struct lease l = {0};
	struct rng rng;
	uint32_t left = LEASES;
	rng_init(&rng, a->id + 1);
	while (left > 0 || __atomic_load_n(&sh->running, __ATOMIC_ACQUIRE) > 0) {
		if (!lease_poll_shard(sh->table, a->id)) {
			work_on_own(a);
			if (left == 0 || rng_below(&rng, 4) == 0)
				rest(a, left == 0);
		}
		if (left == 0) {
			sched_yield();
			continue;
		}
		if (!l.submitted) {
			uint64_t set = rng_below(&rng, (1u << THREADS) - 1) + 1;
			if (!lease_try_submit(sh->table, &l, set, a->id))
				sched_yield();
		} else if (lease_granted(&l)) {
			for (uint64_t rest = l.shards; rest != 0; rest &= rest - 1) {
				sh->shard[__builtin_ctzll(rest)].value++;
				a->added++;
			}
			lease_release(sh->table, &l, rng_below(&rng, 4) == 0 ? l.shards : 0);
			if (--left == 0)
				__atomic_sub_fetch(&sh->running, 1, __ATOMIC_RELEASE);
		} else {
			sched_yield();
		}
	}
	return NULL;
}

static void test_lease__no_increment_is_lost_and_every_coordinator_finishes(void **state)
{
	struct err e;
	static struct shared sh;
	struct actor a[THREADS];
	uint64_t added = 0, value = 0;
	sh.bus = msg_bus_create(THREADS, &e);
	sh.table = lease_table_create(sh.bus, THREADS);
	sh.running = THREADS;
	for (uint32_t i = 0; i < THREADS; i++) {
		a[i] = (struct actor){.sh = &sh, .id = i};
		assert_int_equal(pthread_create(&a[i].thread, NULL, act, &a[i]), 0);
	}
	for (uint32_t i = 0; i < THREADS; i++) {
		pthread_join(a[i].thread, NULL);
		added += a[i].added;
	}
	for (uint32_t i = 0; i < THREADS; i++) {
		value += sh.shard[i].value;
		assert_true(lease_shard_quiet(sh.table, i));
	}
	assert_int_equal(value, added);
	lease_table_destroy(sh.table);
	msg_bus_destroy(sh.bus);
}

static void test_lease__two_leases_are_granted_in_the_same_order_everywhere(void **state)
{
	struct err e;
	struct msg_bus *bus = msg_bus_create(3, &e);
	struct lease_table *t = lease_table_create(bus, 3);
	struct lease a = {0}, b = {0};
	for (uint32_t i = 0; i < 3; i++)
		assert_false(lease_poll_shard(t, i));
	assert_true(lease_try_submit(t, &a, 7, 0));
	assert_true(lease_try_submit(t, &b, 6, 1));
	assert_true(lease_poll_shard(t, 1));
	assert_true(lease_poll_shard(t, 2));
	assert_false(lease_granted(&a));
	assert_false(lease_granted(&b));
	assert_true(lease_poll_shard(t, 0));
	assert_true(lease_granted(&a));
	assert_true(lease_poll_shard(t, 1)); /* still a's */
	assert_false(lease_granted(&b));
	lease_release(t, &a, ~0ull);
	assert_false(lease_poll_shard(t, 0));
	assert_false(lease_poll_shard(t, 1)); /* a turn of its own between two leases */
	assert_true(lease_poll_shard(t, 1));
	assert_false(lease_poll_shard(t, 2));
	assert_true(lease_poll_shard(t, 2));
	assert_true(lease_granted(&b));
	lease_release(t, &b, ~0ull);
	assert_false(lease_poll_shard(t, 1));
	lease_table_destroy(t);
	msg_bus_destroy(bus);
}

static void test_lease__a_resting_shard_goes_on_at_once_but_not_past_news_for_its_owner(void **state)
{
	struct err e;
	struct msg_bus *bus = msg_bus_create(2, &e);
	struct lease_table *t = lease_table_create(bus, 2);
	struct lease a = {0}, b = {0}, c = {0};
	lease_shard_rest(t, 0);
	assert_true(lease_try_submit(t, &a, 1, 1));
	assert_true(lease_granted(&a));
	assert_true(lease_try_submit(t, &b, 1, 1));
	assert_true(lease_try_submit(t, &c, 1, 1));
	assert_false(lease_granted(&b));
	lease_release(t, &a, 2); /* another's news */
	assert_true(lease_granted(&b));
	lease_release(t, &b, 1);
	assert_false(lease_granted(&c));
	assert_true(lease_shard_wake(t, 0));
	assert_false(lease_poll_shard(t, 0)); /* a turn of its own */
	assert_true(lease_poll_shard(t, 0));
	assert_true(lease_granted(&c));
	lease_release(t, &c, 1);
	assert_false(lease_poll_shard(t, 0));
	lease_table_destroy(t);
	msg_bus_destroy(bus);
}

static void test_lease__full_inbox_refuses_and_takes_again_later(void **state)
{
	struct err e;
	struct msg_bus *bus = msg_bus_create(1, &e);
	struct lease_table *t = lease_table_create(bus, 1);
	static struct lease l[LEASE_INBOX + 1];
	for (uint32_t i = 0; i < LEASE_INBOX; i++)
		assert_true(lease_try_submit(t, &l[i], 1, 0));
	assert_false(lease_try_submit(t, &l[LEASE_INBOX], 1, 0));
	assert_false(lease_poll_shard(t, 0));
	assert_true(lease_poll_shard(t, 0));
	assert_true(lease_try_submit(t, &l[LEASE_INBOX], 1, 0));
	for (uint32_t i = 0; i <= LEASE_INBOX; i++) {
		while (!lease_poll_shard(t, 0))
			;
		assert_true(lease_granted(&l[i]));
		lease_release(t, &l[i], ~0ull);
	}
	assert_false(lease_poll_shard(t, 0));
	lease_table_destroy(t);
	msg_bus_destroy(bus);
}

/* Brings the shard to the next lease. */
static void hand_over(struct lease_table *t, uint32_t shard)
{
	lease_poll_shard(t, shard);
	assert_true(lease_poll_shard(t, shard));
}

static void test_lease__what_waits_for_a_busy_shard_makes_its_other_shards_busy(void **state)
{
	struct err e;
	struct msg_bus *bus = msg_bus_create(6, &e);
	struct lease_table *t = lease_table_create(bus, 6);
	struct lease script = {0}, other = {0}, pair = {0}, next = {0}, last = {0}, apart = {0};
	enum lease_busy why;
	assert_true(lease_try_submit(t, &script, 1, 0));
	hand_over(t, 0);
	lease_set_busy(t, LEASE_BUSY_SCRIPT, 1);
	assert_int_equal(lease_busy(t, &why), 1);
	assert_true(lease_try_submit(t, &other, 2 | 16, 0)); /* in front of the one that is stuck: goes on */
	assert_true(lease_try_submit(t, &pair, 1 | 2, 1));
	assert_true(lease_try_submit(t, &next, 2 | 4, 2)); /* behind it, for another shard */
	assert_true(lease_try_submit(t, &last, 4 | 8, 3));
	assert_true(lease_try_submit(t, &apart, 32, 4));
	for (int granted = 0; granted < 2; granted++) {
		lease_set_busy(t, LEASE_BUSY_SCRIPT, 1);
		assert_int_equal(lease_busy(t, &why), 1 | 2 | 4 | 8);
		for (uint32_t shard = 1; shard < 6 && granted == 0; shard++)
			hand_over(t, shard);
	}
	assert_true(lease_granted(&other) && lease_granted(&apart));
	lease_release(t, &other, ~0ull);
	hand_over(t, 1);
	assert_false(lease_granted(&pair));
	lease_set_busy(t, LEASE_BUSY_SCRIPT, 1);
	assert_int_equal(lease_busy(t, &why), 1 | 2 | 4 | 8);
	lease_set_busy(t, LEASE_BUSY_NOT, 0);
	assert_int_equal(lease_busy(t, &why), 0);
	lease_release(t, &script, ~0ull);
	hand_over(t, 0);
	assert_true(lease_granted(&pair));
	lease_table_destroy(t);
	msg_bus_destroy(bus);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lease__no_increment_is_lost_and_every_coordinator_finishes),
		cmocka_unit_test(test_lease__two_leases_are_granted_in_the_same_order_everywhere),
		cmocka_unit_test(test_lease__a_resting_shard_goes_on_at_once_but_not_past_news_for_its_owner),
		cmocka_unit_test(test_lease__full_inbox_refuses_and_takes_again_later),
		cmocka_unit_test(test_lease__what_waits_for_a_busy_shard_makes_its_other_shards_busy),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
