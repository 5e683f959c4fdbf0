/* Sessions over buffers: order, delegation, leases, waiting, the end. */
#include "../acl_one.h"
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"

static const char *bulk(char *buf, const char *word)
{
	return buf + sprintf(buf, "$%zu\r\n%s\r\n", strlen(word), word);
}

/* A request out of words between blanks, appended to buf. */
static size_t request(char *buf, const char *line)
{
	char copy[4096], *save = NULL;
	char body[8192];
	int n = 0;
	char *p = body;
	strcpy(copy, line);
	for (char *w = strtok_r(copy, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save), n++)
		p = (char *)bulk(p, w);
	*p = '\0';
	return (size_t)sprintf(buf, "*%d\r\n%s", n, body);
}

static void ask(struct rig_conn *c, const char *line)
{
	char buf[16384];
	size_t n = request(buf, line);
	rig_send_cut(c, buf, n, 1448);
}

static void test_session__pipeline_over_shards_is_answered_in_order(void **state)
{
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct rig *r = rig_create(4, seed);
		struct rig_conn *c = rig_open(r, (uint32_t)(seed % 5));
		static char in[65536], want[65536];
		size_t in_len = 0, want_len = 0;
		long counter[16] = {0};
		for (int i = 0; i < 300; i++) {
			char line[64];
			uint64_t k = rng_below(&r->rng, 16);
			if (rng_below(&r->rng, 8) == 0) {
				sprintf(line, "ECHO %d", i);
				want_len += (size_t)sprintf(want + want_len, "$%d\r\n%d\r\n",
							    i > 99  ? 3
							    : i > 9 ? 2
								    : 1,
							    i);
			} else {
				sprintf(line, "INCR key%d", (int)k);
				want_len += (size_t)sprintf(want + want_len, ":%ld\r\n", ++counter[k]);
			}
			in_len += request(in + in_len, line);
		}
		rig_send_cut(c, in, in_len, 1 + rng_below(&r->rng, 1448));
		rig_settle(r);
		rig_expect(c, want);
		assert_int_equal(c->consumed, in_len);
		rig_destroy(r);
	}
}

static void test_session__mset_over_shards_runs_under_a_lease(void **state)
{
	struct rig *r = rig_create(4, 3);
	struct rig_conn *c = rig_open(r, 0);
	ask(c, "MSET a 1 b 2 c 3 d 4 e 5 f 6 g 7 h 8");
	ask(c, "MGET a b c d e f g h nothing");
	rig_settle(r);
	rig_expect(c, "+OK\r\n*9\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n$1\r\n6\r\n$1\r\n7\r\n"
		      "$1\r\n8\r\n$-1\r\n");
	assert_int_equal(r->host[0]->count.leases, 2);
	rig_destroy(r);
}

/* Writers set all keys to one value, readers must never see two values: whatever the order of iterations. */
static void test_session__multi_key_commands_are_atomic_in_every_interleaving(void **state)
{
	for (uint64_t seed = 1; seed <= 100; seed++) {
		struct rig *r = rig_create(3, seed);
		struct rig_conn *c[6];
		for (uint32_t i = 0; i < 6; i++)
			c[i] = rig_open(r, i % 4);
		for (int round = 0; round < 40; round++) {
			for (uint32_t i = 0; i < 6; i++) {
				char line[128];
				if (i < 3)
					sprintf(line, "MSET a %d b %d c %d d %d", round * 10 + i, round * 10 + i,
						round * 10 + i, round * 10 + i);
				else
					sprintf(line, "MGET a b c d");
				ask(c[i], line);
				for (uint64_t k = rng_below(&r->rng, 12); k > 0; k--)
					rig_step(r, (uint32_t)rng_below(&r->rng, 4));
			}
		}
		rig_settle(r);
		for (uint32_t i = 3; i < 6; i++) {
			char *p = c[i]->out;
			c[i]->out[c[i]->out_len] = '\0';
			for (int round = 0; round < 40; round++) {
				long v[4];
				assert_int_equal(strncmp(p, "*4\r\n", 4), 0);
				p += 4;
				for (int k = 0; k < 4; k++) {
					if (strncmp(p, "$-1\r\n", 5) == 0) {
						v[k] = -1;
						p += 5;
						continue;
					}
					p = strchr(p, '\n') + 1;
					v[k] = strtol(p, &p, 10);
					p += 2;
				}
				for (int k = 1; k < 4; k++)
					assert_int_equal(v[k], v[0]);
			}
		}
		rig_destroy(r);
	}
}

static void test_session__eof_after_requests_still_answers_then_closes(void **state)
{
	struct rig *r = rig_create(2, 5);
	struct rig_conn *c = rig_open(r, 0);
	ask(c, "SET a 1");
	ask(c, "SET b 2");
	ask(c, "MGET a b");
	session_eof(c->session);
	rig_settle(r);
	rig_expect(c, "+OK\r\n+OK\r\n*2\r\n$1\r\n1\r\n$1\r\n2\r\n");
	assert_true(c->closed);
	rig_destroy(r);
}

static void test_session__client_that_vanishes_leaves_nothing_behind(void **state)
{
	for (uint64_t seed = 1; seed <= 100; seed++) {
		struct rig *r = rig_create(4, seed);
		struct rig_conn *c = rig_open(r, 0);
		for (int i = 0; i < 20; i++)
			ask(c, i % 5 == 4 ? "MSET a 1 b 2 c 3 d 4" : i & 1 ? "INCR x" : "GET y");
		for (uint64_t k = rng_below(&r->rng, 20); k > 0; k--)
			rig_step(r, (uint32_t)rng_below(&r->rng, 5));
		rig_drop(c);
		rig_destroy(r);
	}
}

static void test_session__protocol_error_answers_what_came_before_then_closes(void **state)
{
	struct rig *r = rig_create(1, 1);
	struct rig_conn *c = rig_open(r, 0);
	ask(c, "PING");
	rig_send(c, "*1\r\n+oops\r\n");
	rig_settle(r);
	rig_expect(c, "+PONG\r\n-ERR Protocol error: expected '$', got '+'\r\n");
	assert_true(c->closed);
	rig_destroy(r);
}

static void test_session__slow_reader_stops_its_own_requests_only(void **state)
{
	struct rig *r = rig_create(2, 9);
	struct rig_conn *slow = rig_open(r, 0), *other = rig_open(r, 0);
	slow->room = 0;
	for (int i = 0; i < 50; i++)
		ask(slow, "PING");
	ask(other, "PING");
	rig_settle(r);
	assert_int_equal(slow->out_len, 0);
	rig_expect(other, "+PONG\r\n");
	slow->room = UINT32_MAX;
	session_send_ready(slow->session);
	rig_settle(r);
	assert_int_equal(slow->out_len, 50 * 7);
	rig_destroy(r);
}

static void test_session__large_value_leaves_as_room_allows(void **state)
{
	struct rig *r = rig_create(2, 11);
	struct rig_conn *c = rig_open(r, 1);
	size_t size = 300000;
	char *big = malloc(size + 64);
	int n = sprintf(big, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%zu\r\n", size);
	rig_send_cut(c, big, (size_t)n, 1448);
	for (size_t i = 0; i < size; i++)
		big[i] = (char)('a' + i % 23);
	big[size] = '\r';
	big[size + 1] = '\n';
	rig_send_cut(c, big, size + 2, 1448);
	rig_settle(r);
	rig_expect(c, "+OK\r\n");
	c->room = 4000;
	ask(c, "GET k");
	ask(c, "PING");
	rig_settle(r);
	assert_in_range(c->out_len, 1, 8000);
	for (int i = 0; i < 1000 && c->out_len < size + 10 + 2 + 7; i++) {
		c->room = 5000;
		session_send_ready(c->session);
		rig_settle(r);
	}
	c->out[c->out_len] = '\0';
	assert_int_equal(strncmp(c->out, "$300000\r\n", 9), 0);
	assert_memory_equal(c->out + 9, big, size + 2);
	assert_string_equal(c->out + 9 + size + 2, "+PONG\r\n");
	free(big);
	rig_destroy(r);
}

static char key_of_shard(struct rig *r, uint32_t shard)
{
	char key = 'a';

	while (cmd_shard_of(&r->host[0]->env, (struct slice){&key, 1}) != shard)
		key++;
	return key;
}

/* A reply beyond the limit goes, and its client: no later one may be taken for it. */
static void test_session__nothing_leaves_behind_a_reply_that_is_too_long(void **state)
{
	struct rig *r = rig_create(2, 23);
	struct rig_conn *c = rig_open(r, 0);
	char away = key_of_shard(r, 1), here = key_of_shard(r, 0), words[512];

	r->conf.output_normal.hard_bytes = 50000;
	for (uint32_t i = 0; i <= r->n; i++)
		host_set_conf(r->host[i], &r->conf);
	for (int i = 0; i < 600; i++) {
		snprintf(words, sizeof words, "RPUSH %c %0100d", away, i);
		ask(c, words);
	}
	rig_settle(r);
	c->out_len = 0;
	snprintf(words, sizeof words, "LRANGE %c 0 -1", away);
	ask(c, words);
	snprintf(words, sizeof words, "GET %c", here);
	ask(c, words);
	rig_settle(r);
	assert_int_equal(c->out_len, 0);
	assert_true(c->aborted);
	assert_int_equal(r->host[0]->count.killed_output, 1);
	rig_destroy(r);
}

static void test_session__part_of_a_large_request_does_not_hold_the_window_shut(void **state)
{
	struct rig *r = rig_create(1, 21);
	struct rig_conn *c = rig_open(r, 0);
	static char part[65536];
	char head[64];
	int n = sprintf(head, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\n");
	rig_send_cut(c, head, (size_t)n, 1448);
	for (uint64_t sent = 0; sent + sizeof part <= 1000000; sent += sizeof part) {
		uint64_t before = c->consumed;
		rig_send_cut(c, part, sizeof part, 1448);
		rig_settle(r);
		assert_in_range(c->consumed - before, sizeof part / 2, sizeof part * 2);
	}
	rig_destroy(r);
}

static void test_session__killed_while_it_waits_leaves_nothing_behind(void **state)
{
	struct rig *r = rig_create(2, 23);
	struct rig_conn *killed = rig_open(r, 0), *quits = rig_open(r, 0);
	r->conf.pause_until_ms = r->now.wall_us / 1000 + 50;
	for (uint32_t i = 0; i <= r->n; i++)
		host_set_conf(r->host[i], &r->conf);
	ask(killed, "SET a 1");
	ask(quits, "QUIT");
	ask(quits, "SET a 1");
	rig_settle(r);
	rig_expect(quits, "+OK\r\n");
	assert_true(quits->closed);
	session_kill(killed->session, true);
	rig_settle(r);
	assert_true(killed->aborted);
	assert_int_equal(r->shared.clients, 0);
	rig_destroy(r);
}

static void test_session__over_maxmemory_what_needs_memory_is_refused(void **state)
{
	struct rig *r = rig_create(2, 25);
	struct rig_conn *c = rig_open(r, 0);
	r->conf.maxmemory = 1;
	for (uint32_t i = 0; i <= r->n; i++) {
		host_set_conf(r->host[i], &r->conf);
		r->host[i]->heaps = r->shard_heap;
		r->host[i]->nheaps = r->n;
		host_poll_memory(r->host[i]);
	}
	ask(c, "SET a 1");
	ask(c, "MSET a 1 b 2 c 3 d 4");
	ask(c, "GET a");
	rig_settle(r);
	rig_expect(c, "-OOM command not allowed when used memory > 'maxmemory'.\r\n"
		      "-OOM command not allowed when used memory > 'maxmemory'.\r\n$-1\r\n");
	rig_destroy(r);
}

static void test_session__leases_without_pause_do_not_starve_a_shard(void **state)
{
	struct rig *r = rig_create(3, 27);
	struct rig_conn *writer[6], *home = rig_open(r, 0), *away = rig_open(r, 1);
	for (uint32_t i = 0; i < 6; i++)
		writer[i] = rig_open(r, i % 3);
	for (int round = 0; round < 400; round++) {
		for (uint32_t i = 0; i < 6; i++)
			ask(writer[i], "MSET a 1 b 2 c 3 d 4 e 5");
		if (round == 10)
			for (uint32_t k = 0; k < 3; k++) {
				const char *keys[] = {"GET a", "GET b", "GET c"};
				ask(home, keys[k]);
				ask(away, keys[k]);
			}
		for (uint32_t i = 0; i < 3; i++)
			rig_step(r, i);
	}
	rig_expect(home, "$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n");
	rig_expect(away, "$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n");
	rig_destroy(r);
}

static void test_session__auth_and_a_large_request_in_one_write(void **state)
{
	struct rig *r = rig_create(1, 29);
	for (uint32_t i = 0; i <= r->n; i++)
		host_set_users(r->host[i], acl_one("secret"));
	struct rig_conn *c = rig_open(r, 0);
	char both[4096];
	size_t n = request(both, "AUTH secret");
	n += request(both + n, "DEL 1 2 3 4 5 6 7 8 9 10 11 12");
	rig_send_cut(c, both, n, 1448);
	rig_settle(r);
	rig_expect(c, "+OK\r\n:0\r\n");
	rig_destroy(r);
}

static void test_session__reply_beyond_its_share_of_buffers_closes_its_client_only(void **state)
{
	struct rig *r = rig_create(1, 31);
	struct rig_conn *greedy = rig_open(r, 0), *other = rig_open(r, 0);
	static char line[60000];
	ask(greedy, "SETRANGE k 15000 x");
	rig_settle(r);
	rig_expect(greedy, ":15001\r\n");
	host_poll_buffers(r->host[0]);
	int n = sprintf(line, "*%d\r\n$4\r\nMGET\r\n", 2001);
	for (int i = 0; i < 2000; i++)
		n += sprintf(line + n, "$1\r\nk\r\n");
	rig_send_cut(greedy, line, (size_t)n, 1448);
	ask(other, "PING");
	rig_settle(r);
	rig_expect(other, "+PONG\r\n");
	assert_true(greedy->aborted);
	rig_destroy(r);
}

static void test_session__pause_holds_writes_until_its_time(void **state)
{
	struct rig *r = rig_create(2, 13);
	struct rig_conn *c = rig_open(r, 0);
	r->conf.pause_until_ms = r->now.wall_us / 1000 + 50;
	for (uint32_t i = 0; i <= r->n; i++)
		host_set_conf(r->host[i], &r->conf);
	ask(c, "PING");
	ask(c, "SET a 1");
	ask(c, "PING");
	rig_settle(r);
	rig_expect(c, "+PONG\r\n");
	rig_advance_us(r, 51000);
	rig_settle(r);
	rig_expect(c, "+OK\r\n+PONG\r\n");
	rig_destroy(r);
}

static void test_session__debug_sleep_holds_every_shard_and_answers_at_its_end(void **state)
{
	for (uint32_t workers = 1; workers <= 2; workers++) {
		struct rig *r = rig_create(workers, 17);
		struct rig_conn *c = rig_open(r, 0), *other = rig_open(r, workers - 1);
		ask(c, "ECHO before");
		rig_settle(r);
		rig_expect(c, "$6\r\nbefore\r\n");
		/* in one buffer: what follows is answered behind it */
		char buf[512];
		size_t n = request(buf, "DEBUG SLEEP 0.01");
		n += request(buf + n, "ECHO after");
		n += request(buf + n, "NOTHING");
		rig_send_cut(c, buf, n, n);
		rig_settle(r);
		ask(other, "SET a 1");
		ask(other, "SET b 1");
		for (int i = 0; i < 1000; i++)
			rig_step(r, (uint32_t)rng_below(&r->rng, workers + 1));
		rig_expect(c, "");
		rig_expect(other, "");
		rig_advance_us(r, 10001);
		rig_settle(r);
		rig_expect(c, "+OK\r\n$5\r\nafter\r\n-ERR unknown command 'NOTHING', with args beginning with: \r\n");
		rig_expect(other, "+OK\r\n+OK\r\n");
		rig_destroy(r);
	}
}

static void test_session__noauth_refuses_until_auth(void **state)
{
	struct rig *r = rig_create(1, 19);
	for (uint32_t i = 0; i <= r->n; i++)
		host_set_users(r->host[i], acl_one("secret"));
	struct rig_conn *c = rig_open(r, 0);
	ask(c, "GET a");
	ask(c, "AUTH secret");
	ask(c, "GET a");
	rig_settle(r);
	rig_expect(c, "-NOAUTH Authentication required.\r\n+OK\r\n$-1\r\n");
	rig_destroy(r);
}

#define SHARERS 5

/* They wait for the same shards: one lease is asked for, all that they have sent is done under it, and it goes back. */
static void test_session__sessions_of_a_worker_share_a_lease(void **state)
{
	struct rig *r = rig_create(2, 1);
	struct rig_conn *c[SHARERS];
	uint32_t submitted = 0, steps = 0;

	for (uint32_t i = 0; i < SHARERS; i++) {
		c[i] = rig_open(r, 0);
		for (uint32_t k = 0; k < 20; k++)
			ask(c[i], "MSET a 1 b 2 c 3 d 4");
	}
	for (uint32_t i = 0; i < 3; i++)
		rig_step(r, 0);
	for (uint32_t i = 0; i < SHARERS; i++)
		submitted += c[i]->session->parked != NULL && c[i]->session->parked->lease.submitted;
	assert_int_equal(submitted, 1);
	for (; c[0]->out_len < 20 * 5 || c[SHARERS - 1]->out_len < 20 * 5; steps++) {
		assert_true(steps < 12);
		rig_step(r, 1);
		rig_step(r, 0);
	}
	assert_int_equal(r->host[0]->nled, 0);
	assert_int_equal(r->host[0]->kept.shards, 0);
	for (uint32_t i = 0; i < SHARERS; i++)
		for (uint32_t k = 0; k < 20; k++)
			assert_memory_equal(c[i]->out + 5 * k, "+OK\r\n", 5);
	rig_destroy(r);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_session__pipeline_over_shards_is_answered_in_order),
		cmocka_unit_test(test_session__mset_over_shards_runs_under_a_lease),
		cmocka_unit_test(test_session__multi_key_commands_are_atomic_in_every_interleaving),
		cmocka_unit_test(test_session__eof_after_requests_still_answers_then_closes),
		cmocka_unit_test(test_session__client_that_vanishes_leaves_nothing_behind),
		cmocka_unit_test(test_session__protocol_error_answers_what_came_before_then_closes),
		cmocka_unit_test(test_session__slow_reader_stops_its_own_requests_only),
		cmocka_unit_test(test_session__large_value_leaves_as_room_allows),
		cmocka_unit_test(test_session__nothing_leaves_behind_a_reply_that_is_too_long),
		cmocka_unit_test(test_session__part_of_a_large_request_does_not_hold_the_window_shut),
		cmocka_unit_test(test_session__killed_while_it_waits_leaves_nothing_behind),
		cmocka_unit_test(test_session__over_maxmemory_what_needs_memory_is_refused),
		cmocka_unit_test(test_session__leases_without_pause_do_not_starve_a_shard),
		cmocka_unit_test(test_session__sessions_of_a_worker_share_a_lease),
		cmocka_unit_test(test_session__auth_and_a_large_request_in_one_write),
		cmocka_unit_test(test_session__reply_beyond_its_share_of_buffers_closes_its_client_only),
		cmocka_unit_test(test_session__pause_holds_writes_until_its_time),
		cmocka_unit_test(test_session__debug_sleep_holds_every_shard_and_answers_at_its_end),
		cmocka_unit_test(test_session__noauth_refuses_until_auth),
	};
	rig_eal(argv[0]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
