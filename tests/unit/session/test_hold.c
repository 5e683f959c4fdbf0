/* Commands that wait for a snapshot, and those that do not; what is answered while keys are loaded or cannot be saved.
 */
#include "rig.h"

#include <stdio.h>

#include "base/hash.h"

#define MEMBERS 2000

static struct snap *snap[RIG_WORKERS];

static void ask(struct rig_conn *c, const char *line)
{
	rig_send(c, line);
	rig_send(c, "\r\n");
}

static void steps(struct rig *r, int n)
{
	for (int i = 0; i < n; i++)
		for (uint32_t h = 0; h <= r->n; h++)
			rig_step(r, h);
}

static void answers(struct rig *r, struct rig_conn *c, const char *line, const char *want)
{
	ask(c, line);
	steps(r, 20);
	rig_expect(c, want);
}

/* Waits, though everybody runs. */
static void waits(struct rig *r, struct rig_conn *c, const char *line)
{
	ask(c, line);
	steps(r, 50);
	rig_expect(c, "");
}

/* A set that is written in slices, on the shard of its name. */
static void make_large(struct rig *r, struct rig_conn *c, const char *key)
{
	char line[512];

	for (int i = 0; i < MEMBERS; i += 20) {
		char *p = line + sprintf(line, "SADD %s", key);
		for (int k = i; k < i + 20; k++)
			p += sprintf(p, " member%d", k);
		answers(r, c, line, ":20\r\n");
	}
}

static void epoch(struct rig *r, size_t before_max)
{
	struct snap_params p = {.before_max_bytes = before_max, .walk_max_bytes = 64 << 20};

	for (uint32_t i = 0; i < r->n; i++) {
		snap[i] = snap_create(&p);
		assert_non_null(snap[i]);
		store_snap_begin(r->stores[i], snap[i]);
	}
}

static void take_all(struct rig *r)
{
	for (uint32_t i = 0; i < r->n; i++)
		for (int st = 0; st < SNAP_STREAMS; st++)
			for (struct snap_chunk *k; (k = snap_take(snap[i], (enum snap_stream)st)) != NULL;)
				snap_chunk_done(snap[i], (enum snap_stream)st, k);
}

static void finish(struct rig *r)
{
	for (uint32_t i = 0; i < r->n; i++) {
		while (!snap_ended(snap[i]))
			store_snap_poll(r->stores[i], UINT64_MAX);
	}
	take_all(r);
	for (uint32_t i = 0; i < r->n; i++) {
		assert_int_equal(snap_stats_get(snap[i])->inline_large, 0);
		snap_destroy(snap[i]);
	}
}

/* Wherever the client is: at home with the key, on another worker, on the control thread. */
static void test_hold__writers_of_a_large_value_wait_and_nobody_else(void **state)
{
	for (uint32_t home = 0; home < 3; home++) {
		struct rig *r = rig_create(2, home);
		struct rig_conn *c = rig_open(r, home), *other = rig_open(r, home);
		make_large(r, c, "large");
		answers(r, c, "SET small 1", "+OK\r\n");
		epoch(r, 1 << 20);
		waits(r, c, "SADD large late");
		answers(r, other, "SET small 2", "+OK\r\n");
		answers(r, other, "SCARD large", ":2000\r\n");
		answers(r, other, "SADD fresh a", ":1\r\n");
		/* what the same client asks for next comes after it */
		waits(r, c, "SCARD large");
		waits(r, c, "GET small");
		finish(r);
		steps(r, 20);
		rig_expect(c, ":1\r\n:2001\r\n$1\r\n2\r\n");
		rig_destroy(r);
	}
}

static void test_hold__under_a_lease_too(void **state)
{
	struct rig *r = rig_create(2, 1);
	struct rig_conn *c = rig_open(r, 0), *other = rig_open(r, 1);

	make_large(r, c, "large");
	answers(r, c, "SADD a 1 2", ":2\r\n");
	answers(r, c, "SADD b 2 3", ":2\r\n");
	epoch(r, 1 << 20);
	waits(r, c, "SINTERSTORE large a b");
	answers(r, other, "SCARD large", ":2000\r\n");
	answers(r, other, "SINTERSTORE small a b", ":1\r\n");
	finish(r);
	steps(r, 20);
	rig_expect(c, ":1\r\n");
	answers(r, c, "SCARD large", ":1\r\n");
	rig_destroy(r);
}

/* Nobody looks at a shard before its owner has handed it over, also for those who would go along. */
static void test_hold__who_waits_for_a_lease_looks_at_no_shard(void **state)
{
	struct rig *r = rig_create(2, 1);
	struct rig_conn *leader = rig_open(r, 0), *follower = rig_open(r, 0);

	make_large(r, leader, "large");
	epoch(r, 1 << 20);
	ask(leader, "MGET large a b c d");
	ask(follower, "MSET large 1 a 1 b 1 c 1 d 1");
	for (int i = 0; i < 5; i++)
		rig_step(r, 0);
	assert_int_equal(r->host[0]->nled, 1);
	for (uint32_t i = 0; i < r->n; i++)
		assert_int_equal(snap_stats_get(snap[i])->waits, 0);
	steps(r, 50);
	rig_expect(leader, "*5\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n");
	rig_expect(follower, "");
	finish(r);
	steps(r, 20);
	rig_expect(follower, "+OK\r\n");
	rig_destroy(r);
}

/* The one whose lease it is must wait; who comes after it is done under that lease. */
static void test_hold__others_go_along_with_one_that_waits(void **state)
{
	struct rig *r = rig_create(2, 1);
	struct rig_conn *c = rig_open(r, 0), *other = rig_open(r, 0);

	make_large(r, c, "large");
	epoch(r, 1 << 20);
	ask(c, "MSET large 1 a 1 b 1 c 1 d 1");
	ask(other, "MGET large a b c d");
	steps(r, 50);
	rig_expect(c, "");
	rig_expect(other, "*5\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n");
	finish(r);
	steps(r, 20);
	rig_expect(c, "+OK\r\n");
	rig_destroy(r);
}

/* n: none. */
static uint32_t full_shard(const struct rig *r)
{
	uint32_t i = 0;

	while (i < r->n && !store_snap_full(r->stores[i]))
		i++;
	return i;
}

static void test_hold__all_writers_wait_while_too_much_is_under_way(void **state)
{
	struct rig *r = rig_create(2, 1);
	struct rig_conn *c = rig_open(r, 0), *other = rig_open(r, 1);
	char line[64];
	int n = 0;

	for (int i = 0; i < 3000; i++) {
		sprintf(line, "SET key%d 0123456789012345678901234567890123456789", i);
		answers(r, i % 2 ? c : other, line, "+OK\r\n");
	}
	epoch(r, 100);
	for (; full_shard(r) == r->n; n++) {
		assert_true(n < 3000);
		sprintf(line, "SET key%d x", n);
		answers(r, c, line, "+OK\r\n");
	}
	/* also one that changes no key of the epoch */
	for (n = 0;; n++) {
		int len = sprintf(line, "fresh%d", n);
		if (r->slot_map[hash_slot((struct slice){line, (size_t)len})] == full_shard(r))
			break;
	}
	sprintf(line, "SET fresh%d 1", n);
	waits(r, other, line);
	answers(r, c, "GET key2999", "$40\r\n0123456789012345678901234567890123456789\r\n");
	take_all(r);
	steps(r, 20);
	rig_expect(other, "+OK\r\n");
	finish(r);
	rig_destroy(r);
}

static void test_hold__while_loading_only_what_needs_no_key_is_answered(void **state)
{
	struct rig *r = rig_create(2, 1);
	struct rig_conn *c = rig_open(r, 0);
	static const char loading[] = "-LOADING Redis is loading the dataset in memory\r\n";

	r->conf.loading = true;
	for (uint32_t i = 0; i <= r->n; i++)
		host_set_conf(r->host[i], &r->conf);
	answers(r, c, "GET a", loading);
	answers(r, c, "MSET a 1 b 2 c 3 d 4", loading);
	answers(r, c, "DBSIZE", loading);
	answers(r, c, "PING", loading);
	answers(r, c, "SELECT 1", "+OK\r\n");
	answers(r, c, "CLIENT GETNAME", "$-1\r\n");
	r->conf.loading = false;
	for (uint32_t i = 0; i <= r->n; i++)
		host_set_conf(r->host[i], &r->conf);
	answers(r, c, "GET a", "$-1\r\n");
	rig_destroy(r);
}

static void test_hold__what_cannot_be_saved_is_not_changed(void **state)
{
	struct rig *r = rig_create(2, 1);
	struct rig_conn *c = rig_open(r, 0);

	answers(r, c, "SET a 1", "+OK\r\n");
	r->conf.misconf = true;
	for (uint32_t i = 0; i <= r->n; i++)
		host_set_conf(r->host[i], &r->conf);
	answers(r, c, "GET a", "$1\r\n1\r\n");
	ask(c, "SET a 2");
	steps(r, 20);
	assert_memory_equal(c->out, "-MISCONF Redis is configured to save RDB snapshots", 50);
	c->out_len = 0;
	answers(r, c, "GET a", "$1\r\n1\r\n");
	rig_destroy(r);
}

static void set_conf(struct rig *r)
{
	for (uint32_t i = 0; i <= r->n; i++)
		host_set_conf(r->host[i], &r->conf);
}

/* EXEC is refused for what it would run, as a whole. */
static void test_hold__nor_by_a_transaction_that_was_queued_before(void **state)
{
	struct rig *r = rig_create(2, 1);
	struct rig_conn *writes = rig_open(r, 0), *reads = rig_open(r, 0);

	answers(r, writes, "SET a 1", "+OK\r\n");
	for (int loading = 0; loading < 2; loading++) {
		const char *why = loading ? "-EXECABORT Transaction discarded because of: LOADING "
					  : "-EXECABORT Transaction discarded because of: MISCONF ";
		answers(r, writes, "MULTI", "+OK\r\n");
		answers(r, writes, "SET a 2", "+QUEUED\r\n");
		answers(r, reads, "MULTI", "+OK\r\n");
		answers(r, reads, loading ? "CLIENT ID" : "GET a", "+QUEUED\r\n");
		r->conf.misconf = !loading;
		r->conf.loading = loading;
		set_conf(r);
		ask(reads, "EXEC");
		ask(writes, "EXEC");
		steps(r, 20);
		assert_memory_equal(reads->out, "*1\r\n", 4);
		assert_memory_equal(writes->out, why, strlen(why));
		reads->out_len = writes->out_len = 0;
		r->conf.misconf = r->conf.loading = false;
		set_conf(r);
		answers(r, writes, "EXEC", "-ERR EXEC without MULTI\r\n");
		answers(r, writes, "GET a", "$1\r\n1\r\n");
	}
	rig_destroy(r);
}

static int setup(void **state)
{
	rig_eal("test_hold");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hold__writers_of_a_large_value_wait_and_nobody_else),
		cmocka_unit_test(test_hold__under_a_lease_too),
		cmocka_unit_test(test_hold__who_waits_for_a_lease_looks_at_no_shard),
		cmocka_unit_test(test_hold__others_go_along_with_one_that_waits),
		cmocka_unit_test(test_hold__all_writers_wait_while_too_much_is_under_way),
		cmocka_unit_test(test_hold__while_loading_only_what_needs_no_key_is_answered),
		cmocka_unit_test(test_hold__what_cannot_be_saved_is_not_changed),
		cmocka_unit_test(test_hold__nor_by_a_transaction_that_was_queued_before),
	};

	return cmocka_run_group_tests_name("hold", tests, setup, NULL);
}
