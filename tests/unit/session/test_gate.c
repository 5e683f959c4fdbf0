/* appendfsync always, seen from the sessions: replies wait for the disk, those that need not do not, order is kept. */
#include "rig.h"

#include <stdlib.h>

/* The reader of the journal begins its next round, and ends it. */
static void begin_round(struct rig *r)
{
	__atomic_add_fetch(&r->clock.begun, 1, __ATOMIC_SEQ_CST);
}

static void end_round(struct rig *r)
{
	__atomic_store_n(&r->clock.synced, r->clock.begun, __ATOMIC_RELEASE);
	rig_settle(r);
}

static void expect_nothing(struct rig_conn *c)
{
	rig_expect(c, "");
}

static void test_gate__write_waits_for_the_round_after_it(void **state)
{
	struct rig *r = rig_create(1, 1);
	struct rig_conn *c = rig_open(r, 0);

	rig_journal(r, 1 << 20);
	begin_round(r);
	rig_send(c, "SET a 1\r\n");
	rig_settle(r);
	expect_nothing(c);
	end_round(r); /* it had begun before the write */
	expect_nothing(c);
	begin_round(r);
	end_round(r);
	rig_expect(c, "+OK\r\n");
	rig_destroy(r);
}

static void test_gate__read_of_what_is_not_durable_waits_and_others_go_on(void **state)
{
	for (uint32_t home = 0; home < 4; home++) {
		struct rig *r = rig_create(4, home);
		struct rig_conn *w = rig_open(r, 0), *saw = rig_open(r, home), *other = rig_open(r, home);
		rig_journal(r, 1 << 20);
		rig_send(w, "SET a 1\r\n");
		rig_settle(r);
		rig_send(saw, "GET a\r\n");
		rig_send(other, "GET b\r\nPING\r\n");
		rig_settle(r);
		expect_nothing(w);
		expect_nothing(saw);
		rig_expect(other, "$-1\r\n+PONG\r\n");
		begin_round(r);
		end_round(r);
		rig_expect(w, "+OK\r\n");
		rig_expect(saw, "$1\r\n1\r\n");
		rig_send(saw, "GET a\r\n");
		rig_settle(r);
		rig_expect(saw, "$1\r\n1\r\n");
		rig_destroy(r);
	}
}

static void test_gate__a_write_that_changed_nothing_waits_for_what_it_saw(void **state)
{
	struct rig *r = rig_create(2, 3);
	struct rig_conn *a = rig_open(r, 0), *b = rig_open(r, 1);

	rig_journal(r, 1 << 20);
	rig_send(a, "DEL a\r\nSETNX a 1\r\n");
	rig_settle(r);
	rig_send(b, "SETNX a 2\r\nDBSIZE\r\n");
	rig_settle(r);
	expect_nothing(b);
	begin_round(r);
	end_round(r);
	rig_expect(a, ":0\r\n:1\r\n");
	rig_expect(b, ":0\r\n:1\r\n");
	rig_destroy(r);
}

static void test_gate__replies_stay_in_order_behind_one_that_waits(void **state)
{
	struct rig *r = rig_create(4, 5);
	struct rig_conn *c = rig_open(r, 1);

	rig_journal(r, 1 << 20);
	rig_send(c, "PING one\r\n");
	rig_settle(r);
	rig_expect(c, "$3\r\none\r\n");
	rig_send(c, "MSET a 1 b 2 c 3 d 4\r\nPING two\r\nGET zzz\r\n");
	rig_settle(r);
	expect_nothing(c);
	begin_round(r);
	rig_send(c, "SET e 5\r\nPING three\r\n");
	rig_settle(r);
	end_round(r);
	rig_expect(c, "+OK\r\n$3\r\ntwo\r\n$-1\r\n");
	begin_round(r);
	end_round(r);
	rig_expect(c, "+OK\r\n$5\r\nthree\r\n");
	rig_destroy(r);
}

static void test_gate__client_that_leaves_takes_its_replies_with_it(void **state)
{
	struct rig *r = rig_create(2, 7);
	struct rig_conn *c = rig_open(r, 0), *d = rig_open(r, 1);

	rig_journal(r, 1 << 20);
	rig_send(c, "SET a 1\r\n");
	rig_send(d, "SET a 2\r\nSET b 2\r\nQUIT\r\n");
	rig_settle(r);
	rig_drop(c);
	rig_settle(r);
	assert_false(d->closed);
	begin_round(r);
	end_round(r);
	rig_expect(d, "+OK\r\n+OK\r\n+OK\r\n");
	assert_true(d->closed);
	rig_destroy(r); /* fails if a buffer is missing */
}

/* A change of more keys than are remembered one by one counts for all. */
static void test_gate__flush_and_wide_changes_count_for_every_key(void **state)
{
	struct rig *r = rig_create(1, 9);
	struct rig_conn *c = rig_open(r, 0), *d = rig_open(r, 0);
	char cmd[4096] = "MSET";

	rig_journal(r, 1 << 20);
	for (int i = 0; i < 200; i++)
		sprintf(cmd + strlen(cmd), " k%d v", i);
	strcat(cmd, "\r\n");
	rig_send(c, cmd);
	rig_settle(r);
	rig_send(d, "GET k199\r\n");
	rig_settle(r);
	expect_nothing(d);
	begin_round(r);
	end_round(r);
	rig_expect(d, "$1\r\nv\r\n");
	rig_send(c, "FLUSHALL\r\n");
	rig_settle(r);
	rig_send(d, "GET k3\r\n");
	rig_settle(r);
	expect_nothing(d);
	begin_round(r);
	end_round(r);
	rig_expect(d, "$-1\r\n");
	rig_destroy(r);
}

static void test_gate__full_journal_holds_writers_and_lets_readers_go_on(void **state)
{
	struct rig *r = rig_create(2, 11);
	struct rig_conn *w = rig_open(r, 0), *rd = rig_open(r, 1);
	char cmd[1200];

	rig_journal(r, 1);
	memset(cmd, 'x', sizeof cmd);
	memcpy(cmd, "SET a ", 6);
	memcpy(cmd + sizeof cmd - 3, "\r\n", 3);
	for (int i = 0; i < 400; i++) {
		rig_send(w, cmd);
		rig_settle(r);
	}
	assert_true(w->session->wait == WAIT_JOURNAL);
	assert_true(r->host[0]->count.journal_waits > 0);
	rig_send(rd, "GET other\r\n");
	rig_settle(r);
	rig_expect(rd, "$-1\r\n");
	for (uint32_t turn = 0; turn < 400; turn++) {
		for (uint32_t i = 0; i < r->n; i++)
			while (journal_ring_peek(r->journal[i].ring) != NULL)
				journal_ring_take(r->journal[i].ring);
		begin_round(r);
		end_round(r);
	}
	assert_true(w->session->wait == WAIT_NONE);
	rig_destroy(r);
}

/* What it waits for includes what was sent elsewhere just before it. */
static void test_gate__waitaof_is_about_all_that_came_before(void **state)
{
	struct rig *r = rig_create(2, 8);
	struct rig_conn *c = rig_open(r, 0); /* "a" lies on the other shard */

	rig_journal(r, 1 << 20);
	for (uint32_t i = 0; i < r->n; i++) { /* not `always`: replies do not wait */
		free(store_gates(r->stores[i]));
		store_set_gates(r->stores[i], NULL);
	}
	r->conf.aof_on = true;
	for (uint32_t i = 0; i <= r->n; i++)
		host_set_conf(r->host[i], &r->conf);
	rig_send(c, "SET a 1\r\nWAITAOF 1 0 0\r\n");
	rig_step(r, 0);
	assert_int_equal(r->host[0]->count.delegated_out, 1);
	begin_round(r);
	rig_settle(r);
	end_round(r);
	rig_expect(c, "+OK\r\n");
	begin_round(r);
	end_round(r);
	rig_expect(c, "*2\r\n:1\r\n:0\r\n");
	rig_destroy(r);
}

int main(int argc, char **argv)
{
	rig_eal(argv[0]);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gate__write_waits_for_the_round_after_it),
		cmocka_unit_test(test_gate__read_of_what_is_not_durable_waits_and_others_go_on),
		cmocka_unit_test(test_gate__a_write_that_changed_nothing_waits_for_what_it_saw),
		cmocka_unit_test(test_gate__replies_stay_in_order_behind_one_that_waits),
		cmocka_unit_test(test_gate__client_that_leaves_takes_its_replies_with_it),
		cmocka_unit_test(test_gate__flush_and_wide_changes_count_for_every_key),
		cmocka_unit_test(test_gate__full_journal_holds_writers_and_lets_readers_go_on),
		cmocka_unit_test(test_gate__waitaof_is_about_all_that_came_before),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
