/* MONITOR over several workers: what is shown, in whose order, and that nothing stays when it ends. */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "session/monitor.h"
#include "session/pubsub_priv.h"
#include "session/session_priv.h"

#define MAX_LINES 4096

static struct rig_conn *watch(struct rig *r, uint32_t home)
{
	struct rig_conn *m = rig_open(r, home);

	r->now.tsc = clock_tsc();
	rig_ask(m, "MONITOR");
	rig_settle(r);
	rig_expect(m, "+OK\r\n");
	return m;
}

static void tell(struct rig_conn *c, const char *line)
{
	rig_ask(c, "%s", line);
	rig_settle(c->rig);
	c->out_len = 0;
}

/* Takes the lines off, without their times; returns how many. */
static uint32_t lines_of(struct rig_conn *m, char *line[MAX_LINES])
{
	uint32_t n = 0;
	char *save = NULL;

	m->out[m->out_len] = '\0';
	m->out_len = 0;
	for (char *l = strtok_r(m->out, "\r\n", &save); l != NULL; l = strtok_r(NULL, "\r\n", &save)) {
		assert_int_equal(l[0], '+');
		assert_true(n < MAX_LINES);
		line[n++] = strchr(l, ' ') + 1;
	}
	return n;
}

static void expect_lines(struct rig_conn *m, const char *const *want, uint32_t nwant)
{
	static char *line[MAX_LINES];
	uint32_t n = lines_of(m, line);

	for (uint32_t i = 0; i < n && i < nwant; i++)
		assert_string_equal(line[i], want[i]);
	assert_int_equal(n, nwant);
}

static void test_monitor__shows_commands_of_every_home(void **state)
{
	static const char *const want[] = {"[0 ] \"SET\" \"a\" \"1\"", "[0 ] \"MGET\" \"a\" \"b\" \"c\" \"d\"",
					   "[5 ] \"SELECT\" \"5\"",    "[5 ] \"AUTH\" \"(redacted)\"",
					   "[5 ] \"MULTI\"",           "[5 ] \"SET\" \"a\" \"2\"",
					   "[5 ] \"GET\" \"b\"",       "[5 ] \"EXEC\""};
	static const char *const said[] = {"SET a 1", "MGET a b c d", "SELECT 5", "AUTH x",
					   "MULTI",   "SET a 2",      "GET b",    "EXEC"};

	for (uint32_t workers = 1; workers <= 8; workers *= 2)
		for (uint32_t home = 0; home <= workers; home++) {
			struct rig *r = rig_create(workers, workers);
			struct rig_conn *m = watch(r, home), *c = rig_open(r, workers / 2);
			for (size_t i = 0; i < RP_ARRAY_LEN(said); i++)
				tell(c, said[i]);
			expect_lines(m, want, RP_ARRAY_LEN(want));
			rig_destroy(r);
		}
}

static void test_monitor__refused_and_discarded_commands_are_not_shown(void **state)
{
	static const char *const want[] = {"[0 ] \"MULTI\"",           "[0 ] \"DISCARD\"", "[0 ] \"WATCH\" \"k\"",
					   "[0 ] \"SET\" \"k\" \"1\"", "[0 ] \"MULTI\"",   "[0 ] \"EXEC\""};
	static const char *const said[] = {"GET",     "NOSUCH", "MULTI",   "SET k 2", "DISCARD",           "WATCH k",
					   "SET k 1", "MULTI",  "SET k 3", "EXEC",    "CLIENT NO-EVICT ON"};
	struct rig *r = rig_create(4, 3);
	struct rig_conn *m = watch(r, 1), *c = rig_open(r, 2);

	for (size_t i = 0; i < RP_ARRAY_LEN(said); i++)
		tell(c, said[i]);
	expect_lines(m, want, RP_ARRAY_LEN(want));
	rig_destroy(r);
}

/* Clients number their commands, whose keys lie everywhere. */
static void test_monitor__each_clients_order_is_kept_in_every_interleaving(void **state)
{
	static char *line[MAX_LINES];

	for (uint64_t seed = 0; seed < 200; seed++) {
		uint32_t workers = 1 + seed % 4, next[4] = {0}, n, sum = 0;
		struct rig *r = rig_create(workers, seed);
		struct rig_conn *m = watch(r, (uint32_t)rng_below(&r->rng, workers + 1)), *c[4];
		for (uint32_t i = 0; i < 4; i++)
			c[i] = rig_open(r, i % (workers + 1));
		for (uint32_t k = 0; k < 40; k++)
			for (uint32_t i = 0; i < 4; i++) {
				if (k % 7 == i)
					rig_ask(c[i], "MSET x%u:%u 1 y%u 1 z%u 1", i, k, k, k);
				else
					rig_ask(c[i], "SET x%u:%u 1", i, k);
				for (uint64_t s = rng_below(&r->rng, 4); s > 0; s--)
					rig_step(r, (uint32_t)rng_below(&r->rng, workers + 1));
			}
		rig_settle(r);
		n = lines_of(m, line);
		assert_int_equal(n, 160);
		for (uint32_t i = 0; i < n; i++, sum++) {
			unsigned who, k;
			assert_int_equal(sscanf(strchr(line[i], 'x'), "x%u:%u", &who, &k), 2);
			assert_int_equal(k, next[who]++);
		}
		rig_destroy(r);
	}
}

static void test_monitor__reset_and_the_end_of_the_connection_end_it(void **state)
{
	struct rig *r = rig_create(2, 1);
	struct rig_conn *a = watch(r, 0), *b = watch(r, 1), *c = rig_open(r, 1);

	a->out_len = b->out_len = 0;
	tell(a, "RESET");
	assert_false(a->session->cl.flags & CLIENT_F_MONITOR);
	assert_true(c->session->host->monitored);
	b->out_len = 0;
	tell(c, "SET k v");
	rig_expect(a, "");
	assert_true(b->out_len > 0);
	rig_drop(b);
	rig_settle(r);
	rig_settle(r);
	assert_false(c->session->host->monitored);
	assert_int_equal(r->shared.monitor_homes[0], 0);
	tell(c, "SET k v");
	rig_expect(a, "");
	rig_destroy(r);
}

static void test_monitor__watches_but_touches_no_key(void **state)
{
	struct rig *r = rig_create(2, 1);
	struct rig_conn *m = watch(r, 0);

	rig_ask(m, "GET k");
	rig_settle(r);
	rig_expect(m, "-ERR Replica can't interact with the keyspace\r\n");
	rig_ask(m, "MONITOR");
	rig_settle(r);
	rig_expect(m, "");
	rig_ask(m, "PING");
	rig_settle(r);
	assert_memory_equal(m->out, "+PONG\r\n+", 8);
	rig_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_monitor__shows_commands_of_every_home),
		cmocka_unit_test(test_monitor__refused_and_discarded_commands_are_not_shown),
		cmocka_unit_test(test_monitor__each_clients_order_is_kept_in_every_interleaving),
		cmocka_unit_test(test_monitor__reset_and_the_end_of_the_connection_end_it),
		cmocka_unit_test(test_monitor__watches_but_touches_no_key),
	};
	rig_eal("test_monitor");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
