/* Transactions over buffers: queueing and its errors, WATCH over shards, EXEC at home, elsewhere and under leases. */
#include "../acl_one.h"
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "store/watch.h"

/* A key of shard `shard` of r: "name", with something behind it. */
static const char *key_on(const struct rig *r, uint32_t shard, const char *name, char *buf)
{
	for (int i = 0;; i++) {
		int n = sprintf(buf, "%s%d", name, i);
		if (r->slot_map[hash_slot((struct slice){buf, (size_t)n})] == shard)
			return buf;
	}
}

static uint64_t watched_keys(const struct rig *r)
{
	uint64_t n = 0;
	for (uint32_t i = 0; i < r->n; i++)
		n += watch_keys(r->stores[i]);
	return n;
}

static void test_tx__runs_where_its_keys_are(void **state)
{
	for (uint32_t shard = 0; shard < 4; shard++) {
		struct rig *r = rig_create(4, shard + 1);
		struct rig_conn *c = rig_open(r, 0);
		char key[32], text[256];
		key_on(r, shard, "k", key);
		sprintf(text, "MULTI\r\nINCR %s\r\nINCR %s\r\nGET %s\r\nEXEC\r\nECHO after\r\n", key, key, key);
		rig_send(c, text);
		rig_settle(r);
		rig_expect(c, "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n:1\r\n:2\r\n$1\r\n2\r\n$5\r\nafter\r\n");
		assert_int_equal(r->host[0]->count.leases, 0);
		assert_int_equal(r->host[0]->count.delegated_out, shard == 0 ? 0 : 1);
		rig_destroy(r);
	}
}

static void test_tx__over_shards_takes_a_lease_of_them(void **state)
{
	struct rig *r = rig_create(4, 5);
	struct rig_conn *c = rig_open(r, 0);
	char a[32], b[32], text[256];
	sprintf(text, "MULTI\r\nSET %s 1\r\nSET %s 2\r\nMGET %s %s\r\nEXEC\r\n", key_on(r, 1, "a", a),
		key_on(r, 2, "b", b), a, b);
	rig_send(c, text);
	rig_settle(r);
	rig_expect(c, "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n+OK\r\n+OK\r\n*2\r\n$1\r\n1\r\n$1\r\n2\r\n");
	assert_int_equal(r->host[0]->count.leases, 1);
	rig_destroy(r);
}

static void test_tx__queued_words_outlive_their_buffers(void **state)
{
	for (uint64_t seed = 1; seed <= 50; seed++) {
		struct rig *r = rig_create(3, seed);
		struct rig_conn *c = rig_open(r, (uint32_t)(seed % 4)), *other = rig_open(r, 0);
		static char in[65536], want[65536];
		int n = sprintf(in, "*1\r\n$5\r\nMULTI\r\n"), w = sprintf(want, "+OK\r\n"), q = 0;
		static char replies[4096];
		for (int i = 0; i < 200; i++) {
			char value[64];
			int len = sprintf(value, "value-%d-of-%d", i, (int)seed);
			n += sprintf(in + n, "*3\r\n$3\r\nSET\r\n$1\r\n%c\r\n$%d\r\n%s\r\n", 'a' + i % 20, len, value);
			w += sprintf(want + w, "+QUEUED\r\n");
			q += sprintf(replies + q, "+OK\r\n");
		}
		n += sprintf(in + n, "*2\r\n$4\r\nMGET\r\n$1\r\na\r\n*1\r\n$4\r\nEXEC\r\n");
		w += sprintf(want + w, "+QUEUED\r\n*201\r\n%s*1\r\n", replies);
		char last[64];
		int len = sprintf(last, "value-180-of-%d", (int)seed);
		w += sprintf(want + w, "$%d\r\n%s\r\n", len, last);
		/* in pieces, with work of others in between that uses the buffers again */
		for (int at = 0; at < n;) {
			int piece = 1 + (int)rng_below(&r->rng, 900);
			piece = RP_MIN(piece, n - at);
			rig_send_cut(c, in + at, (size_t)piece, 1 + rng_below(&r->rng, 1448));
			at += piece;
			rig_send(other, "PING xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n");
			for (uint64_t k = rng_below(&r->rng, 12); k > 0; k--)
				rig_step(r, (uint32_t)rng_below(&r->rng, 4));
		}
		rig_settle(r);
		rig_expect(c, want);
		assert_int_equal(c->consumed, n);
		rig_destroy(r);
	}
}

static void test_tx__errors_at_queueing_abort_it(void **state)
{
	struct rig *r = rig_create(2, 7);
	struct rig_conn *c = rig_open(r, 0);
	rig_send(c, "MULTI\r\nNOSUCH\r\nSET a 1\r\nEXEC\r\nMULTI\r\nGET\r\nEXEC\r\nGET a\r\n");
	rig_settle(r);
	rig_expect(c, "+OK\r\n-ERR unknown command 'NOSUCH', with args beginning with: \r\n+QUEUED\r\n"
		      "-EXECABORT Transaction discarded because of previous errors.\r\n"
		      "+OK\r\n-ERR wrong number of arguments for 'get' command\r\n"
		      "-EXECABORT Transaction discarded because of previous errors.\r\n$-1\r\n");
	rig_send(c, "MULTI\r\nMULTI\r\nWATCH a\r\nSHUTDOWN\r\nEXEC\r\n");
	rig_settle(r);
	rig_expect(c, "+OK\r\n-ERR MULTI calls can not be nested\r\n-ERR WATCH inside MULTI is not allowed\r\n"
		      "-ERR Command not allowed inside a transaction\r\n"
		      "-EXECABORT Transaction discarded because of previous errors.\r\n");
	rig_send(c, "EXEC\r\nDISCARD\r\nUNWATCH\r\nMULTI\r\nEXEC\r\nMULTI\r\nSET a 1\r\nDISCARD\r\nGET a\r\n");
	rig_settle(r);
	rig_expect(c, "-ERR EXEC without MULTI\r\n-ERR DISCARD without MULTI\r\n+OK\r\n+OK\r\n*0\r\n"
		      "+OK\r\n+QUEUED\r\n+OK\r\n$-1\r\n");
	rig_send(c, "MULTI\r\nSET a 1\r\nEXEC now\r\nDISCARD\r\n");
	rig_settle(r);
	rig_expect(c, "+OK\r\n+QUEUED\r\n-EXECABORT Transaction discarded because of: "
		      "wrong number of arguments for 'exec' command\r\n-ERR DISCARD without MULTI\r\n");
	rig_destroy(r);
}

static void test_tx__nested_multi_and_watch_inside_do_not_abort(void **state)
{
	struct rig *r = rig_create(2, 7);
	struct rig_conn *c = rig_open(r, 1);
	rig_send(c, "MULTI\r\nMULTI\r\nWATCH a\r\nSET a 1\r\nEXEC\r\n");
	rig_settle(r);
	rig_expect(c,
		   "+OK\r\n-ERR MULTI calls can not be nested\r\n-ERR WATCH inside MULTI is not allowed\r\n+QUEUED\r\n"
		   "*1\r\n+OK\r\n");
	rig_destroy(r);
}

static void test_tx__errors_of_its_commands_do_not_stop_it(void **state)
{
	struct rig *r = rig_create(2, 9);
	struct rig_conn *c = rig_open(r, 0);
	rig_send(c, "MULTI\r\nSET a x\r\nINCR a\r\nLPUSH a 1\r\nSET b y\r\nEXEC\r\n");
	rig_settle(r);
	rig_expect(c, "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*4\r\n+OK\r\n"
		      "-ERR value is not an integer or out of range\r\n"
		      "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n+OK\r\n");
	rig_destroy(r);
}

static void test_tx__the_connection_changes_inside(void **state)
{
	struct rig *r = rig_create(2, 11);
	struct rig_conn *c = rig_open(r, 0);
	rig_send(c,
		 "SET a zero\r\nMULTI\r\nSELECT 3\r\nSET a three\r\nGET a\r\nEXEC\r\nGET a\r\nSELECT 0\r\nGET a\r\n");
	rig_settle(r);
	rig_expect(c, "+OK\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n+OK\r\n+OK\r\n$5\r\nthree\r\n"
		      "$5\r\nthree\r\n+OK\r\n$4\r\nzero\r\n");
	rig_send(c, "MULTI\r\nCLIENT REPLY SKIP\r\nGET a\r\nEXEC\r\nPING\r\nPING x\r\n");
	rig_settle(r);
	rig_expect(c, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n$4\r\nzero\r\n$1\r\nx\r\n");
	rig_send(c, "MULTI\r\nSELECT 1\r\nCLIENT REPLY OFF\r\nGET a\r\nEXEC\r\nCLIENT REPLY ON\r\n");
	rig_settle(r);
	rig_expect(c, "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n+OK\r\n+OK\r\n");
	rig_send(c, "MULTI\r\nSET a 1\r\nRESET\r\nEXEC\r\n");
	rig_settle(r);
	rig_expect(c, "+OK\r\n+QUEUED\r\n+RESET\r\n-ERR EXEC without MULTI\r\n");
	rig_send(c, "MULTI\r\nSET a 1\r\nQUIT\r\n");
	rig_settle(r);
	rig_expect(c, "+OK\r\n+QUEUED\r\n+OK\r\n");
	assert_true(c->closed);
	rig_destroy(r);
}

static void test_tx__resp3(void **state)
{
	struct rig *r = rig_create(2, 13);
	struct rig_conn *c = rig_open(r, 0), *other = rig_open(r, 1);
	rig_send(c, "HELLO 3\r\n");
	rig_settle(r);
	c->out_len = 0;
	rig_send(c, "MULTI\r\nGET none\r\nEXEC\r\nWATCH a\r\nMULTI\r\n");
	rig_settle(r);
	rig_send(other, "SET a 1\r\n");
	rig_settle(r);
	rig_send(c, "EXEC\r\n");
	rig_settle(r);
	rig_expect(c, "+OK\r\n+QUEUED\r\n*1\r\n_\r\n+OK\r\n+OK\r\n_\r\n");
	rig_destroy(r);
}

/* A change of a watched key on any shard, by anybody, in any database concerned, makes EXEC answer null. */
static void test_tx__watch_over_shards(void **state)
{
	for (uint32_t home = 0; home < 4; home++)
		for (uint32_t shard = 0; shard < 3; shard++) {
			struct rig *r = rig_create(3, home * 3 + shard + 1);
			struct rig_conn *c = rig_open(r, home), *other = rig_open(r, (home + 1) % 4);
			char key[3][32], text[256];
			for (uint32_t i = 0; i < 3; i++)
				key_on(r, i, "k", key[i]);
			sprintf(text, "WATCH %s %s %s\r\nMULTI\r\nSET x 1\r\n", key[0], key[1], key[2]);
			rig_send(c, text);
			rig_settle(r);
			assert_int_equal(watched_keys(r), 3);
			sprintf(text, "SELECT 1\r\nSET %s 1\r\nSELECT 0\r\n", key[shard]);
			rig_send(other, text);
			rig_settle(r);
			sprintf(text, "LPUSH %s 1\r\n", key[shard]);
			rig_send(other, text);
			rig_settle(r);
			rig_send(c, "EXEC\r\nGET x\r\n");
			rig_settle(r);
			rig_expect(c, "+OK\r\n+OK\r\n+QUEUED\r\n*-1\r\n$-1\r\n");
			/* nobody changes them now, and the client's own commands inside do not count */
			sprintf(text, "WATCH %s %s %s\r\nMULTI\r\nSET %s 2\r\nSET %s 2\r\nEXEC\r\n", key[0], key[1],
				key[2], key[0], key[1]);
			rig_send(c, text);
			rig_settle(r);
			rig_expect(c, "+OK\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n+OK\r\n");
			rig_destroy(r);
		}
}

static void test_tx__own_changes_before_multi_count(void **state)
{
	struct rig *r = rig_create(2, 15);
	struct rig_conn *c = rig_open(r, 0);
	rig_send(c, "WATCH a b\r\nSET b 1\r\nMULTI\r\nSET a 1\r\nEXEC\r\nMULTI\r\nSET a 1\r\nEXEC\r\n");
	rig_settle(r);
	rig_expect(c, "+OK\r\n+OK\r\n+OK\r\n+QUEUED\r\n*-1\r\n+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
	rig_send(c, "WATCH a b\r\nSET b 1\r\nUNWATCH\r\nMULTI\r\nSET a 1\r\nEXEC\r\n");
	rig_settle(r);
	rig_expect(c, "+OK\r\n+OK\r\n+OK\r\n+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
	rig_send(c, "WATCH a b\r\nSET b 1\r\nMULTI\r\nSET a 1\r\nDISCARD\r\nMULTI\r\nSET a 1\r\nEXEC\r\n");
	rig_settle(r);
	rig_expect(c, "+OK\r\n+OK\r\n+OK\r\n+QUEUED\r\n+OK\r\n+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
	rig_destroy(r);
}

static void test_tx__expiry_flush_and_swap_are_changes(void **state)
{
	const char *change[] = {NULL,          "FLUSHALL\r\n", "FLUSHDB\r\n", "SWAPDB 0 1\r\n", "RENAME k z\r\n",
				"MOVE k 2\r\n"};
	for (uint32_t i = 0; i < RP_ARRAY_LEN(change); i++)
		for (uint32_t home = 0; home < 3; home++) {
			struct rig *r = rig_create(2, i + 1);
			struct rig_conn *c = rig_open(r, home), *other = rig_open(r, 0);
			rig_send(c, "SET k 1 PX 10\r\nWATCH k none\r\nMULTI\r\nSET x 1\r\n");
			rig_settle(r);
			if (change[i] != NULL)
				rig_send(other, change[i]);
			else
				rig_advance_us(r, 11000);
			rig_settle(r);
			other->out_len = 0;
			rig_send(c, "EXEC\r\n");
			rig_settle(r);
			rig_expect(c, "+OK\r\n+OK\r\n+OK\r\n+QUEUED\r\n*-1\r\n");
			/* of a key that is not there, they are none */
			rig_send(c, "WATCH none\r\nMULTI\r\nSET x 1\r\n");
			rig_settle(r);
			if (change[i] != NULL && i < 4)
				rig_send(other, change[i]);
			rig_settle(r);
			rig_send(c, "EXEC\r\n");
			rig_settle(r);
			rig_expect(c, "+OK\r\n+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
			rig_destroy(r);
		}
}

static void test_tx__what_runs_elsewhere_runs_in_its_turn(void **state)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct rig *r = rig_create(3, seed);
		struct rig_conn *c = rig_open(r, (uint32_t)(seed % 4));
		char a[32], b[32], text[512];
		/* The control thread of this rig has no handlers: it says so, between the others. */
		sprintf(text, "MULTI\r\nSET %s 1\r\nINFO\r\nINCR %s\r\nSLOWLOG LEN\r\nINCR %s\r\nEXEC\r\nGET %s\r\n",
			key_on(r, 0, "a", a), a, key_on(r, 2, "b", b), a);
		rig_send(c, text);
		rig_settle(r);
		rig_expect(
			c,
			"+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*5\r\n+OK\r\n"
			"-ERR 'info' is not available here\r\n:2\r\n-ERR 'slowlog|len' is not available here\r\n:1\r\n"
			"$1\r\n2\r\n");
		rig_send(c, "MULTI\r\nINFO\r\nEXEC\r\n");
		rig_settle(r);
		rig_expect(c, "+OK\r\n+QUEUED\r\n*1\r\n-ERR 'info' is not available here\r\n");
		rig_destroy(r);
	}
}

/* A client that vanishes or is killed anywhere in a transaction leaves nothing behind, and all of it or nothing done.
 */
static void test_tx__client_that_vanishes_leaves_all_or_nothing(void **state)
{
	for (uint64_t seed = 1; seed <= 300; seed++) {
		struct rig *r = rig_create(3, seed);
		struct rig_conn *c = rig_open(r, (uint32_t)(seed % 4)), *after = rig_open(r, 0);
		rig_send(c, "WATCH w1 w2 w3 w4\r\nMULTI\r\nSET a 1\r\nINFO\r\nSET b 1\r\nSET c 1\r\n");
		for (uint64_t k = rng_below(&r->rng, 12); k > 0; k--)
			rig_step(r, (uint32_t)rng_below(&r->rng, 4));
		rig_send(c, "SET d 1\r\nEXEC\r\nWATCH a\r\nMULTI\r\nGET a\r\n");
		for (uint64_t k = rng_below(&r->rng, 20); k > 0; k--)
			rig_step(r, (uint32_t)rng_below(&r->rng, 4));
		if (seed & 1)
			rig_drop(c);
		else
			session_kill(c->session, true);
		rig_settle(r);
		rig_send(after, "EXISTS a b c d\r\n");
		rig_settle(r);
		assert_true(after->out[1] == '0' || after->out[1] == '4');
		for (uint32_t i = 0; i < r->n; i++) {
			store_set_now(r->stores[i], r->now.wall_us + 10000000);
			while (store_poll(r->stores[i], 100) > 0)
				;
		}
		assert_int_equal(watched_keys(r), 0);
		rig_destroy(r);
	}
}

/* Transactions of several clients move what they find between counters: nothing is lost or made. */
static void test_tx__money_is_neither_lost_nor_made(void **state)
{
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct rig *r = rig_create(1 + (uint32_t)(seed % 4), seed);
		struct rig_conn *c[6];
		for (uint32_t i = 0; i < 6; i++)
			c[i] = rig_open(r, i % (r->n + 1));
		for (int round = 0; round < 60; round++) {
			for (uint32_t i = 0; i < 6; i++) {
				char text[256];
				unsigned from = (unsigned)rng_below(&r->rng, 10), to = (unsigned)rng_below(&r->rng, 10);
				if (i < 4)
					sprintf(text, "MULTI\r\nDECRBY acct%u 3\r\nINCRBY acct%u 3\r\nEXEC\r\n", from,
						to);
				else
					sprintf(text,
						"MGET acct0 acct1 acct2 acct3 acct4 acct5 acct6 acct7 acct8 acct9\r\n");
				rig_send(c[i], text);
				for (uint64_t k = rng_below(&r->rng, 8); k > 0; k--)
					rig_step(r, (uint32_t)rng_below(&r->rng, r->n + 1));
			}
		}
		rig_settle(r);
		for (uint32_t i = 4; i < 6; i++) {
			char *p = c[i]->out;
			c[i]->out[c[i]->out_len] = '\0';
			for (int round = 0; round < 60; round++) {
				long sum = 0;
				assert_int_equal(strncmp(p, "*10\r\n", 5), 0);
				p += 5;
				for (int k = 0; k < 10; k++) {
					if (strncmp(p, "$-1\r\n", 5) != 0) {
						p = strchr(p, '\n') + 1;
						sum += strtol(p, &p, 10);
						p += 2;
					} else {
						p += 5;
					}
				}
				assert_int_equal(sum, 0);
			}
		}
		rig_destroy(r);
	}
}

static void test_tx__larger_than_its_limit_closes_the_client(void **state)
{
	struct rig *r = rig_create(1, 17);
	struct rig_conn *c = rig_open(r, 0), *other = rig_open(r, 0);
	r->conf.query_buffer_bytes = 20000;
	for (uint32_t i = 0; i <= r->n; i++)
		host_set_conf(r->host[i], &r->conf);
	rig_send(c, "MULTI\r\n");
	for (int i = 0; i < 400 && !c->aborted; i++) {
		rig_send(c, "SET a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n");
		rig_settle(r);
	}
	assert_true(c->aborted);
	assert_int_equal(r->host[0]->count.killed_query, 1);
	rig_send(other, "GET a\r\n");
	rig_settle(r);
	rig_expect(other, "$-1\r\n");
	rig_destroy(r);
}

static void test_tx__over_maxmemory(void **state)
{
	struct rig *r = rig_create(2, 19);
	struct rig_conn *c = rig_open(r, 0);
	rig_send(c, "MULTI\r\nSET a 1\r\n");
	rig_settle(r);
	r->conf.maxmemory = 1;
	for (uint32_t i = 0; i <= r->n; i++) {
		host_set_conf(r->host[i], &r->conf);
		r->host[i]->heaps = r->shard_heap;
		r->host[i]->nheaps = r->n;
		host_poll_memory(r->host[i]);
	}
	rig_send(c, "EXEC\r\nMULTI\r\nGET a\r\nEXEC\r\nMULTI\r\nEXEC\r\n");
	rig_settle(r);
	rig_expect(c, "+OK\r\n+QUEUED\r\n-EXECABORT Transaction discarded because of: "
		      "OOM command not allowed when used memory > 'maxmemory'.\r\n"
		      "+OK\r\n-OOM command not allowed when used memory > 'maxmemory'.\r\n"
		      "-EXECABORT Transaction discarded because of previous errors.\r\n+OK\r\n*0\r\n");
	rig_destroy(r);
}

static void test_tx__noauth(void **state)
{
	struct rig *r = rig_create(2, 21);
	for (uint32_t i = 0; i <= r->n; i++)
		host_set_users(r->host[i], acl_one("secret"));
	struct rig_conn *c = rig_open(r, 0);
	rig_send(c, "MULTI\r\nEXEC\r\nAUTH secret\r\nMULTI\r\nSET a 1\r\nEXEC\r\n");
	rig_settle(r);
	rig_expect(c, "-NOAUTH Authentication required.\r\n"
		      "-EXECABORT Transaction discarded because of: NOAUTH Authentication "
		      "required.\r\n+OK\r\n+OK\r\n+QUEUED\r\n"
		      "*1\r\n+OK\r\n");
	rig_send(c, "MULTI\r\nSET a 2\r\nRESET\r\nMULTI\r\nSET a 3\r\nEXEC\r\nAUTH secret\r\nGET a\r\n");
	rig_settle(r);
	rig_expect(
		c,
		"+OK\r\n+QUEUED\r\n+RESET\r\n-NOAUTH Authentication required.\r\n-NOAUTH Authentication required.\r\n"
		"-EXECABORT Transaction discarded because of: NOAUTH Authentication required.\r\n+OK\r\n$1\r\n1\r\n");
	rig_destroy(r);
}

/* An EXEC that is an error ends no watch: the next one needs the watched key's shard, too. */
static void test_tx__exec_without_multi_keeps_the_watches(void **state)
{
	struct rig *r = rig_create(2, 22);
	struct rig_conn *c = rig_open(r, 0);
	char here[32], there[32], text[256];
	sprintf(text, "WATCH %s\r\nEXEC\r\nDISCARD\r\nMULTI\r\nSET %s 1\r\nEXEC\r\n", key_on(r, 1, "w", there),
		key_on(r, 0, "x", here));
	rig_send(c, text);
	rig_settle(r);
	rig_expect(c, "+OK\r\n-ERR EXEC without MULTI\r\n-ERR DISCARD without MULTI\r\n+OK\r\n+QUEUED\r\n"
		      "*1\r\n+OK\r\n");
	assert_int_equal(r->host[0]->count.leases, 2); /* WATCH's and EXEC's */
	assert_int_equal(watched_keys(r), 0);
	rig_destroy(r);
}

/* It would wait for shards that EXEC holds. */
static void test_tx__what_loads_everything_is_no_part_of_one(void **state)
{
	struct rig *r = rig_create(2, 24);
	struct rig_conn *c = rig_open(r, 0);
	rig_send(c, "MULTI\r\nDEBUG LOADAOF\r\nDISCARD\r\n");
	rig_settle(r);
	rig_expect(c, "+OK\r\n-ERR Command not allowed inside a transaction\r\n+OK\r\n");
	rig_destroy(r);
}

/* May do everything but DISCARD. */
static const struct acl_user *who_may_not_discard(void)
{
	static struct acl_selector all;
	static struct acl_user user = {
		.name = {"u", 1}, .flags = ACL_U_ON | ACL_U_NOPASS, .selectors = &all, .nselectors = 1};
	uint32_t id = cmd_find(SLICE("discard"))->id;

	all.flags = ACL_S_ALL_KEYS | ACL_S_ALL_CHANNELS;
	memset(all.commands, 0xff, sizeof all.commands);
	all.commands[id / 64] &= ~(1ull << id % 64);
	return &user;
}

/* Who waits for a lease runs nothing that was forbidden meanwhile, and nothing at all once it is killed. */
static void test_lease__rights_and_life_are_looked_at_when_it_comes(void **state)
{
	for (int killed = 0; killed < 2; killed++) {
		struct rig *r = rig_create(2, 25);
		struct rig_conn *c = rig_open(r, 0), *other = rig_open(r, 0);
		char a[32], b[32], text[256];
		key_on(r, 0, "a", a);
		key_on(r, 1, "b", b);
		sprintf(text, "MSET %s 1 %s 1\r\n", a, b);
		rig_send(c, text);
		rig_step(r, 0);
		assert_int_equal(c->session->wait, WAIT_LEASE);
		if (killed) {
			session_kill(c->session, true);
		} else {
			static struct acl_selector none;
			static struct acl_user user = {.name = {"u", 1},
						       .flags = ACL_U_ON | ACL_U_NOPASS,
						       .selectors = &none,
						       .nselectors = 1};
			acl_client_become(&c->session->cl, &user, true);
		}
		rig_settle(r);
		c->out[c->out_len] = '\0';
		if (killed)
			assert_int_equal(c->out_len, 0);
		else
			assert_non_null(strstr(c->out, "-NOPERM"));
		sprintf(text, "MGET %s %s\r\n", a, b);
		rig_send(other, text);
		rig_settle(r);
		rig_expect(other, "*2\r\n$-1\r\n$-1\r\n");
		rig_destroy(r);
	}
}

static void test_lease__a_batch_goes_on_holding_shards_for_few_and_short_ones(void **state)
{
	struct rig *r = rig_create(2, 26);
	struct rig_conn *c = rig_open(r, 0);
	char a[32], b[32], text[256];
	uint32_t most = 0;
	key_on(r, 0, "a", a);
	key_on(r, 1, "b", b);
	for (int shorts = 0; shorts < 2; shorts++) {
		sprintf(text, shorts ? "MSET %s 1 %s 1\r\n" : "SUNIONSTORE %s %s\r\n", a, b);
		for (int i = 0; i < 120; i++)
			rig_send(c, text);
		for (int i = 0; i < 2000; i++) {
			rig_step(r, i % 2);
			most = RP_MAX(most, r->host[0]->nheld);
		}
		c->out[c->out_len] = '\0';
		assert_int_equal(c->out_len, 120 * (shorts ? 5 : 4));
		c->out_len = 0;
		if (shorts)
			assert_in_range(most, 2, 32);
		else
			assert_int_equal(most, 0);
	}
	rig_destroy(r);
}

/* The transaction stays open, and what follows belongs to it. */
static void test_tx__discard_that_is_refused_ends_nothing(void **state)
{
	struct rig *r = rig_create(2, 23);
	struct rig_conn *c = rig_open(r, 0);
	rig_settle(r);
	acl_client_become(&c->session->cl, who_may_not_discard(), true);
	rig_send(c, "MULTI\r\nDISCARD\r\nSET a 1\r\nEXEC\r\nGET a\r\n");
	rig_settle(r);
	c->out[c->out_len] = '\0';
	assert_non_null(strstr(c->out, "NOPERM"));
	assert_string_equal(strstr(c->out, "+QUEUED"),
			    "+QUEUED\r\n-EXECABORT Transaction discarded because of previous errors.\r\n$-1\r\n");
	c->out_len = 0;
	rig_destroy(r);
}

/* What follows in the same batch was taken for queued when MULTI could not know. */
static void test_tx__multi_behind_an_exec_that_subscribes_is_refused(void **state)
{
	struct rig *r = rig_create(2, 27);
	struct rig_conn *c = rig_open(r, 0);
	rig_settle(r);
	rig_send(c, "MULTI\r\nSUBSCRIBE x\r\nEXEC\r\nMULTI\r\nPING\r\nUNSUBSCRIBE x\r\n");
	rig_settle(r);
	c->out[c->out_len] = '\0';
	assert_non_null(strstr(c->out, "-ERR Can't execute 'multi'"));
	assert_string_equal(strstr(c->out, "*2\r\n$4\r\npong"),
			    "*2\r\n$4\r\npong\r\n$0\r\n\r\n*3\r\n$11\r\nunsubscribe\r\n$1\r\nx\r\n:0\r\n");
	c->out_len = 0;
	rig_destroy(r);
}

static void test_tx__without_memory_for_the_queue_the_client_goes(void **state)
{
	const char *part[] = {"WATCH a b\r\n", "MULTI\r\nSET a 1\r\nSET b 1\r\n",
			      "SET c 1\r\nSET d 1\r\nSET e 1\r\nSET f 1\r\nSET g 1\r\nSET h 1\r\nSET i 1\r\nEXEC\r\n"};
	bool gone = false, done = false;
	for (uint64_t n = 1; !done; n++) {
		struct rig *r = rig_create(2, n);
		struct rig_conn *c = rig_open(r, 0);
		rig_send(c, "PING\r\n");
		rig_settle(r);
		heap_fail_after(r->heap[0], n);
		for (uint32_t i = 0; i < 3 && !c->aborted && !c->closed; i++) {
			rig_send(c, part[i]);
			rig_settle(r);
		}
		heap_fail_after(r->heap[0], 0);
		gone |= c->aborted || c->closed;
		c->out[c->out_len] = '\0';
		done = strstr(c->out, "*9\r\n") != NULL;
		rig_destroy(r);
	}
	assert_true(gone);
}

static void test_tx__pause_holds_exec_until_its_time(void **state)
{
	struct rig *r = rig_create(2, 23);
	struct rig_conn *c = rig_open(r, 0);
	rig_send(c, "MULTI\r\nSET a 1\r\nGET a\r\n");
	rig_settle(r);
	r->conf.pause_until_ms = r->now.wall_us / 1000 + 50;
	for (uint32_t i = 0; i <= r->n; i++)
		host_set_conf(r->host[i], &r->conf);
	rig_send(c, "EXEC\r\nPING\r\n");
	rig_settle(r);
	rig_expect(c, "+OK\r\n+QUEUED\r\n+QUEUED\r\n"); /* it would write */
	rig_advance_us(r, 51000);
	rig_settle(r);
	rig_expect(c, "*2\r\n+OK\r\n$1\r\n1\r\n+PONG\r\n");
	rig_destroy(r);
}

static void test_tx__client_list_shows_it(void **state)
{
	struct rig *r = rig_create(2, 25);
	struct rig_conn *c = rig_open(r, 0), *other = rig_open(r, 1);
	struct client_copy copy;
	char line[CLIENT_INFO_MAX];
	uint32_t next;
	rig_send(c, "WATCH a\r\nMULTI\r\nSET a 1\r\nGET a\r\n");
	rig_settle(r);
	rig_send(other, "SET a 2\r\n");
	rig_settle(r);
	assert_int_equal(host_clients(r->host[0], 0, 1, &copy, &next), 1);
	copy.cl.tx = (struct tx *)&copy.tx;
	client_info_format(&copy.cl, &copy.held, &r->now, line, sizeof line);
	assert_non_null(strstr(line, " flags=xd "));
	assert_non_null(strstr(line, " multi=2 "));
	assert_null(strstr(line, " multi-mem=0 "));
	rig_send(c, "DISCARD\r\nMULTI\r\nCLIENT INFO\r\nEXEC\r\n");
	rig_settle(r);
	c->out[c->out_len] = '\0';
	assert_non_null(strstr(c->out, " flags=x "));
	assert_non_null(strstr(c->out, " multi=1 "));
	assert_int_equal(host_clients(r->host[0], 0, 1, &copy, &next), 1);
	client_info_format(&copy.cl, NULL, &r->now, line, sizeof line);
	assert_non_null(strstr(line, " multi=-1 "));
	rig_destroy(r);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tx__runs_where_its_keys_are),
		cmocka_unit_test(test_tx__over_shards_takes_a_lease_of_them),
		cmocka_unit_test(test_tx__queued_words_outlive_their_buffers),
		cmocka_unit_test(test_tx__errors_at_queueing_abort_it),
		cmocka_unit_test(test_tx__nested_multi_and_watch_inside_do_not_abort),
		cmocka_unit_test(test_tx__errors_of_its_commands_do_not_stop_it),
		cmocka_unit_test(test_tx__the_connection_changes_inside),
		cmocka_unit_test(test_tx__resp3),
		cmocka_unit_test(test_tx__watch_over_shards),
		cmocka_unit_test(test_tx__own_changes_before_multi_count),
		cmocka_unit_test(test_tx__expiry_flush_and_swap_are_changes),
		cmocka_unit_test(test_tx__what_runs_elsewhere_runs_in_its_turn),
		cmocka_unit_test(test_tx__client_that_vanishes_leaves_all_or_nothing),
		cmocka_unit_test(test_tx__money_is_neither_lost_nor_made),
		cmocka_unit_test(test_tx__larger_than_its_limit_closes_the_client),
		cmocka_unit_test(test_tx__over_maxmemory),
		cmocka_unit_test(test_tx__noauth),
		cmocka_unit_test(test_tx__exec_without_multi_keeps_the_watches),
		cmocka_unit_test(test_tx__discard_that_is_refused_ends_nothing),
		cmocka_unit_test(test_tx__multi_behind_an_exec_that_subscribes_is_refused),
		cmocka_unit_test(test_tx__what_loads_everything_is_no_part_of_one),
		cmocka_unit_test(test_lease__rights_and_life_are_looked_at_when_it_comes),
		cmocka_unit_test(test_lease__a_batch_goes_on_holding_shards_for_few_and_short_ones),
		cmocka_unit_test(test_tx__without_memory_for_the_queue_the_client_goes),
		cmocka_unit_test(test_tx__pause_holds_exec_until_its_time),
		cmocka_unit_test(test_tx__client_list_shows_it),
	};
	rig_eal(argv[0]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
