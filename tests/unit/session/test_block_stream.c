/* XREAD and XREADGROUP that wait; many readers; statistics; too little memory, no message free. */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>

#define FOR_SEEDS(n) for (uint64_t seed = 1; seed <= (n); seed++)

static uint32_t blocked(const struct rig *r)
{
	uint64_t n = 0;
	for (uint32_t i = 0; i <= r->n; i++)
		n += r->host[i]->count.blocked;
	return (uint32_t)n;
}

static const struct cmd_stat *stat_of(const struct rig *r, uint32_t host, const char *name)
{
	const struct cmd *cmd = cmd_find((struct slice){name, strlen(name)});
	return &r->host[host]->env.stats[cmd->id];
}

static uint64_t calls_of(const struct rig *r, const char *name)
{
	uint64_t n = 0;
	for (uint32_t i = 0; i <= r->n; i++)
		n += stat_of(r, i, name)->calls;
	return n;
}

#define ENTRY(id) "*2\r\n$3\r\n" id "\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"

static void test_xread__waits_for_what_comes_later(void **state)
{
	FOR_SEEDS(40)
	{
		struct rig *r = rig_create(1 + (uint32_t)(seed % 4), seed);
		struct rig_conn *a = rig_open(r, (uint32_t)rng_below(&r->rng, r->n + 1));
		struct rig_conn *b = rig_open(r, (uint32_t)rng_below(&r->rng, r->n + 1)), *p = rig_open(r, 0);
		rig_ask(p, "XADD s 1-1 f v");
		rig_settle(r);
		rig_ask(a, "XREAD BLOCK 0 STREAMS s none $ $");
		rig_ask(b, "XREAD BLOCK 0 COUNT 1 STREAMS s 3-0");
		rig_settle(r);
		rig_ask(p, "XADD s 2-2 f v");
		rig_settle(r);
		rig_expect(a, "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n" ENTRY("2-2"));
		rig_expect(b, "");
		rig_ask(p, "XADD s 3-1 f v");
		rig_settle(r);
		rig_expect(b, "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n" ENTRY("3-1"));
		assert_int_equal(blocked(r), 0);
		rig_destroy(r);
	}
}

/* A name may be a word of the command. */
static void test_xread__a_group_named_as_an_option_waits_like_others(void **state)
{
	struct rig *r = rig_create(1, 4);
	struct rig_conn *c = rig_open(r, 0), *p = rig_open(r, 0);

	rig_ask(p, "XGROUP CREATE s streams $ MKSTREAM");
	rig_settle(r);
	rig_expect(p, "+OK\r\n");
	rig_ask(c, "XREADGROUP GROUP streams c BLOCK 100 STREAMS s >");
	rig_ask(c, "XREADGROUP GROUP streams c BLOCK 100 STREAMS s >");
	rig_settle(r);
	assert_int_equal(blocked(r), 1);
	rig_ask(p, "XADD s 1-1 f v");
	rig_settle(r);
	rig_expect(c, "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n" ENTRY("1-1"));
	assert_int_equal(blocked(r), 1);
	rig_advance_us(r, 100000);
	rig_settle(r);
	rig_expect(c, "*-1\r\n");
	rig_destroy(r);
}

/* More readers than one look serves. */
static void test_xread__all_readers_hear_of_one_entry(void **state)
{
	struct rig *r = rig_create(3, 2);
	struct rig_conn *w[RIG_CONNS - 1], *p = rig_open(r, 0);
	for (uint32_t i = 0; i < RIG_CONNS - 1; i++) {
		w[i] = rig_open(r, i % 2 == 0 ? 1 : i % 3);
		rig_ask(w[i], i % 5 == 0 ? "XREAD BLOCK 0 STREAMS s 9-9" : "XREAD BLOCK 0 STREAMS s $");
		rig_settle(r);
	}
	rig_ask(p, "XADD s 1-1 f v");
	rig_settle(r);
	for (uint32_t i = 0; i < RIG_CONNS - 1; i++)
		rig_expect(w[i], i % 5 == 0 ? "" : "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n" ENTRY("1-1"));
	rig_ask(p, "DEL s");
	rig_settle(r);
	rig_ask(p, "XADD s 10-0 f v");
	rig_settle(r);
	assert_int_equal(blocked(r), 0);
	rig_destroy(r);
}

static void test_xreadgroup__each_entry_goes_to_the_first_who_waits(void **state)
{
	FOR_SEEDS(40)
	{
		struct rig *r = rig_create(1 + (uint32_t)(seed % 4), seed);
		struct rig_conn *w[3], *p = rig_open(r, 0);
		rig_ask(p, "XGROUP CREATE s g $ MKSTREAM");
		rig_settle(r);
		for (uint32_t i = 0; i < 3; i++) {
			w[i] = rig_open(r, (uint32_t)rng_below(&r->rng, r->n + 1));
			rig_ask(w[i], "XREADGROUP GROUP g c%u BLOCK 0 COUNT 1 STREAMS s >", i);
			rig_settle(r);
		}
		rig_ask(p, "XADD s 1-1 f v");
		rig_settle(r);
		rig_expect(w[0], "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n" ENTRY("1-1"));
		rig_expect(w[1], "");
		rig_ask(p, "XADD s 2-1 f v");
		rig_ask(p, "XADD s 3-1 f v");
		rig_settle(r);
		rig_expect(w[1], "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n" ENTRY("2-1"));
		rig_expect(w[2], "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n" ENTRY("3-1"));
		rig_destroy(r);
	}
}

#define NO_GROUP "-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option\r\n"
#define WRONG    "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"

/* The group's end is news to those who wait for it; to XREAD it is not. */
static void test_xreadgroup__hears_that_its_group_is_gone(void **state)
{
	static const char *const ways[][2] = {
		{"DEL s", NO_GROUP},      {"UNLINK s", NO_GROUP},       {"XGROUP DESTROY s g", NO_GROUP},
		{"SET s x", WRONG},       {"RENAME s other", NO_GROUP}, {"FLUSHALL", NO_GROUP},
		{"SWAPDB 0 1", NO_GROUP}, {"PEXPIREAT s 1", NO_GROUP}};
	for (uint32_t i = 0; i < RP_ARRAY_LEN(ways) * 4; i++) {
		struct rig *r = rig_create(1 + i / RP_ARRAY_LEN(ways), 1 + i);
		struct rig_conn *g = rig_open(r, 0), *x = rig_open(r, 0), *p = rig_open(r, r->n);
		rig_ask(p, "XGROUP CREATE s g $ MKSTREAM");
		rig_settle(r);
		rig_ask(g, "XREADGROUP GROUP g c BLOCK 0 STREAMS s >");
		rig_ask(x, "XREAD BLOCK 0 STREAMS s $");
		rig_settle(r);
		rig_ask(p, "%s", ways[i % RP_ARRAY_LEN(ways)][0]);
		rig_settle(r);
		rig_expect(g, ways[i % RP_ARRAY_LEN(ways)][1]);
		rig_expect(x, "");
		rig_destroy(r);
	}
}

static void test_xreadgroup__hears_that_its_key_ran_out(void **state)
{
	struct rig *r = rig_create(1, 1);
	struct rig_conn *g = rig_open(r, 0);
	rig_ask(g, "XGROUP CREATE s g $ MKSTREAM");
	rig_ask(g, "PEXPIRE s 50");
	rig_ask(g, "XREADGROUP GROUP g c BLOCK 0 STREAMS s >");
	rig_settle(r);
	rig_expect(g, "+OK\r\n:1\r\n");
	rig_advance_us(r, 52000);
	rig_settle(r);
	while (store_poll(r->stores[0], 64) != 0)
		;
	assert_false(host_quiet(r->host[0]));
	rig_settle(r);
	rig_expect(g, NO_GROUP);
	rig_destroy(r);
}

/* A command that waits is counted once, when its wait ends; the wait is no part of its time. */
static void test_block__is_counted_once(void **state)
{
	for (uint32_t home = 0; home < 3; home++) {
		struct rig *r = rig_create(2, 1 + home);
		struct rig_conn *w = rig_open(r, home), *p = rig_open(r, 0);
		rig_ask(w, "BLPOP k 0");
		rig_settle(r);
		assert_true(w->session->cl.flags & CLIENT_F_BLOCKED);
		assert_int_equal(calls_of(r, "blpop"), 0);
		rig_ask(p, "RPUSH k x");
		rig_settle(r);
		assert_false(w->session->cl.flags & CLIENT_F_BLOCKED);
		assert_int_equal(calls_of(r, "blpop"), 1);
		rig_ask(w, "BLPOP k 0.001");
		rig_settle(r);
		rig_advance_us(r, 1000);
		rig_settle(r);
		assert_int_equal(calls_of(r, "blpop"), 2);
		rig_ask(w, "BLPOP k 0");
		rig_settle(r);
		assert_true(session_unblock(w->session, true));
		rig_settle(r);
		assert_int_equal(calls_of(r, "blpop"), 3);
		assert_int_equal(stat_of(r, home, "blpop")->failed, 1);
		rig_destroy(r);
	}
}

/* However many wait: an iteration finds no work, and looks at none of them. */
static void test_block__waiting_costs_nothing(void **state)
{
	struct rig *r = rig_create(2, 1);
	for (uint32_t i = 0; i < RIG_CONNS; i++) {
		struct rig_conn *w = rig_open(r, i % 3);
		rig_ask(w, i % 2 == 0 ? "BLPOP a b 1000" : "XREAD BLOCK 0 STREAMS s $");
		rig_settle(r);
	}
	assert_int_equal(blocked(r), RIG_CONNS);
	assert_int_equal(msg_in_use(r->bus, 0) + msg_in_use(r->bus, 1), 0);
	unsigned bufs = rte_mempool_avail_count(r->pool);
	assert_int_equal(bufs, r->pool_full);
	uint64_t steps[3];
	for (uint32_t i = 0; i < 3; i++)
		steps[i] = r->host[i]->deadlines.steps;
	for (uint32_t k = 0; k < 3000; k++) {
		rig_advance_us(r, 10);
		assert_int_equal(rig_step(r, k % 3), 0);
		assert_true(host_quiet(r->host[k % 3]));
	}
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(r->host[i]->deadlines.steps, steps[i]);
	rig_destroy(r);
}

/* Every allocation of a wait fails once: it is answered, nothing stays behind, and the next one works. */
static void test_block__out_of_memory_is_answered(void **state)
{
	static const char *const line[] = {"BLPOP a b c d 0", "BLMOVE a b LEFT LEFT 0",
					   "XREAD BLOCK 0 STREAMS a b $ $"};
	for (uint32_t i = 0; i < RP_ARRAY_LEN(line) * 3; i++) {
		struct rig *r = rig_create(3, 1 + i);
		struct rig_conn *w = rig_open(r, i / RP_ARRAY_LEN(line)), *p = rig_open(r, 3);
		uint32_t refused = 0;
		for (uint64_t n = 1; blocked(r) == 0 && n < 100; n++) {
			for (uint32_t k = 0; k < 3; k++) {
				heap_fail_after(r->heap[k], n);
				heap_fail_after(r->shard_heap[k], n);
			}
			rig_ask(w, "%s", line[i % RP_ARRAY_LEN(line)]);
			rig_settle(r);
			for (uint32_t k = 0; k < 3; k++) {
				heap_fail_after(r->heap[k], 0);
				heap_fail_after(r->shard_heap[k], 0);
			}
			if (w->aborted) { /* no memory to keep the request */
				w = rig_open(r, i / RP_ARRAY_LEN(line));
				continue;
			}
			refused += w->out_len > 0;
			if (w->out_len > 0)
				rig_expect(w, "-OOM command not allowed when used memory > 'maxmemory'.\r\n");
		}
		assert_int_equal(blocked(r), 1);
		assert_true(refused > 0);
		rig_ask(p, i % RP_ARRAY_LEN(line) == 2 ? "XADD a 1-1 f v" : "RPUSH a x");
		rig_settle(r);
		assert_int_equal(blocked(r), 0);
		rig_destroy(r);
	}
}

/* Answers wait for a message; nobody else waits for them. */
static void test_block__answers_leave_when_there_is_a_message(void **state)
{
	struct rig *r = rig_create(2, 6);
	static struct msg *taken[MSG_POOL_SIZE];
	struct rig_conn *w[3], *p = rig_open(r, 0);
	uint32_t n = 0;
	const char *key = "a";
	while (r->slot_map[hash_slot((struct slice){key, 1})] != 0)
		key = key[0] == 'a' ? "b" : key[0] == 'b' ? "c" : "d";
	for (uint32_t i = 0; i < 3; i++) {
		w[i] = rig_open(r, 1);
		rig_ask(w[i], "BLPOP %s 0", key);
		rig_settle(r);
	}
	while ((taken[n] = msg_get(r->bus, 0)) != NULL)
		n++;
	rig_ask(p, "RPUSH %s x y z", key);
	for (uint32_t k = 0; k < 100; k++)
		rig_step(r, k % 3);
	rig_expect(p, ":3\r\n");
	rig_expect(w[0], "");
	assert_false(host_quiet(r->host[0]));
	while (n > 0)
		msg_put(r->bus, taken[--n]);
	rig_settle(r);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(w[i]->out_len, strlen("*2\r\n$1\r\na\r\n$1\r\nx\r\n"));
	rig_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_xread__waits_for_what_comes_later),
		cmocka_unit_test(test_xread__a_group_named_as_an_option_waits_like_others),
		cmocka_unit_test(test_xread__all_readers_hear_of_one_entry),
		cmocka_unit_test(test_xreadgroup__each_entry_goes_to_the_first_who_waits),
		cmocka_unit_test(test_xreadgroup__hears_that_its_group_is_gone),
		cmocka_unit_test(test_xreadgroup__hears_that_its_key_ran_out),
		cmocka_unit_test(test_block__is_counted_once),
		cmocka_unit_test(test_block__waiting_costs_nothing),
		cmocka_unit_test(test_block__out_of_memory_is_answered),
		cmocka_unit_test(test_block__answers_leave_when_there_is_a_message),
	};
	rig_eal("test_block_stream");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
