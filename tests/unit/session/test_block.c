/* Commands that wait: served, in order, by whichever shard; timed out, ended, abandoned at every moment. */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>

#define FOR_SEEDS(n) for (uint64_t seed = 1; seed <= (n); seed++)

/* A few steps of random hosts: whatever is under way is caught in the middle. */
static void wander(struct rig *r, uint64_t most)
{
	for (uint64_t k = rng_below(&r->rng, most + 1); k > 0; k--)
		rig_step(r, (uint32_t)rng_below(&r->rng, r->n + 1));
}

static uint32_t blocked(const struct rig *r)
{
	uint64_t n = 0;
	for (uint32_t i = 0; i <= r->n; i++)
		n += r->host[i]->count.blocked;
	return (uint32_t)n;
}

/* Random homes for the one who waits and the one who pushes: own shard, another's, the control thread. */
static void test_block__a_push_answers_who_waits(void **state)
{
	FOR_SEEDS(100)
	{
		struct rig *r = rig_create(1 + (uint32_t)(seed % 4), seed);
		struct rig_conn *w = rig_open(r, (uint32_t)rng_below(&r->rng, r->n + 1));
		struct rig_conn *p = rig_open(r, (uint32_t)rng_below(&r->rng, r->n + 1));
		rig_ask(w, "BLPOP k 0");
		rig_settle(r);
		rig_expect(w, "");
		assert_int_equal(blocked(r), 1);
		rig_ask(p, "RPUSH k x y");
		rig_settle(r);
		rig_expect(p, ":2\r\n");
		rig_expect(w, "*2\r\n$1\r\nk\r\n$1\r\nx\r\n");
		assert_int_equal(blocked(r), 0);
		rig_ask(p, "LRANGE k 0 -1");
		rig_settle(r);
		rig_expect(p, "*1\r\n$1\r\ny\r\n");
		rig_destroy(r);
	}
}

static void test_block__what_comes_behind_is_answered_behind(void **state)
{
	FOR_SEEDS(50)
	{
		struct rig *r = rig_create(3, seed);
		struct rig_conn *w = rig_open(r, (uint32_t)(seed % 4)), *p = rig_open(r, 1);
		rig_ask(w, "SET other 1");
		rig_ask(w, "ECHO before");
		rig_ask(w, "BLPOP k 0");
		rig_ask(w, "GET other");
		rig_ask(w, "ECHO behind");
		rig_settle(r);
		rig_expect(w, "+OK\r\n$6\r\nbefore\r\n");
		rig_ask(p, "LPUSH k x");
		rig_settle(r);
		rig_expect(w, "*2\r\n$1\r\nk\r\n$1\r\nx\r\n$1\r\n1\r\n$6\r\nbehind\r\n");
		rig_destroy(r);
	}
}

static void test_block__time_outs_are_exact(void **state)
{
	for (uint32_t home = 0; home < 3; home++) {
		struct rig *r = rig_create(2, 1 + home);
		struct rig_conn *w = rig_open(r, home), *v = rig_open(r, home), *u = rig_open(r, home);
		rig_ask(w, "BLPOP a b 0.005");
		rig_ask(v, "BLMOVE a b LEFT LEFT 0.0041");
		rig_ask(u, "WAIT 1 7");
		rig_settle(r);
		rig_advance_us(r, 4999);
		rig_settle(r);
		rig_expect(w, "");
		rig_expect(v, "");
		rig_advance_us(r, 1);
		rig_settle(r);
		rig_expect(w, "*-1\r\n");
		rig_expect(v, "*-1\r\n");
		rig_advance_us(r, 1999);
		rig_settle(r);
		rig_expect(u, "");
		rig_advance_us(r, 1);
		rig_settle(r);
		rig_expect(u, ":0\r\n");
		assert_int_equal(blocked(r), 0);
		rig_destroy(r);
	}
}

/* Clients of all homes block one after the other; what is pushed then goes to them in that order. */
static void test_block__first_come_first_served(void **state)
{
	FOR_SEEDS(100)
	{
		struct rig *r = rig_create(4, seed);
		struct rig_conn *w[8], *p = rig_open(r, (uint32_t)(seed % 5));
		for (uint32_t i = 0; i < 8; i++) {
			w[i] = rig_open(r, (uint32_t)rng_below(&r->rng, 5));
			rig_ask(w[i], rng_below(&r->rng, 2) ? "BLPOP k 0" : "BLPOP other k third k 0");
			rig_settle(r);
		}
		for (uint32_t i = 0; i < 8; i += 2) {
			rig_ask(p, "RPUSH k %u %u", i, i + 1);
			wander(r, 12);
		}
		rig_settle(r);
		for (uint32_t i = 0; i < 8; i++) {
			char want[64];
			snprintf(want, sizeof want, "*2\r\n$1\r\nk\r\n$1\r\n%u\r\n", i);
			rig_expect(w[i], want);
		}
		rig_destroy(r);
	}
}

/* Also where each needs a lease, which it takes in its own time. */
static void test_block__first_come_first_served_across_shards(void **state)
{
	FOR_SEEDS(100)
	{
		struct rig *r = rig_create(4, seed);
		struct rig_conn *w[6], *p = rig_open(r, (uint32_t)(seed % 5));
		for (uint32_t i = 0; i < 6; i++) {
			w[i] = rig_open(r, (uint32_t)rng_below(&r->rng, 5));
			rig_ask(w[i], i % 3 == 2 ? "BLPOP k 0" : "BLMOVE k dest%u LEFT LEFT 0", i);
			rig_settle(r);
		}
		for (uint32_t i = 0; i < 6; i += 2) {
			rig_ask(p, "RPUSH k %u %u", i, i + 1);
			wander(r, 12);
		}
		rig_settle(r);
		for (uint32_t i = 0; i < 6; i++) {
			char want[64];
			snprintf(want, sizeof want, i % 3 == 2 ? "*2\r\n$1\r\nk\r\n$1\r\n%u\r\n" : "$1\r\n%u\r\n", i);
			rig_expect(w[i], want);
		}
		rig_destroy(r);
	}
}

static void test_block__the_next_is_served_when_the_first_gives_up(void **state)
{
	FOR_SEEDS(200)
	{
		struct rig *r = rig_create(3, seed);
		struct rig_conn *a = rig_open(r, (uint32_t)(seed % 4)), *b = rig_open(r, (uint32_t)(seed / 4 % 4));
		struct rig_conn *p = rig_open(r, (uint32_t)(seed / 16 % 4));
		rig_ask(a, "BLMOVE k other LEFT LEFT 0.010");
		rig_settle(r);
		rig_ask(b, "BLPOP k 0");
		rig_settle(r);
		rig_ask(p, "RPUSH k x");
		wander(r, 10);
		if (seed & 1)
			rig_drop(a);
		else
			rig_advance_us(r, 10000);
		rig_settle(r);
		/* Either a moved it in time, or b has it. */
		rig_ask(p, "LLEN other");
		rig_ask(p, "LLEN k");
		rig_settle(r);
		p->out[p->out_len] = '\0';
		bool moved = strstr(p->out, ":1\r\n:1\r\n:0\r\n") != NULL;
		if (!moved)
			assert_non_null(strstr(p->out, ":1\r\n:0\r\n:0\r\n"));
		rig_expect(b, moved ? "" : "*2\r\n$1\r\nk\r\n$1\r\nx\r\n");
		rig_destroy(r);
	}
}

static void test_block__chains_of_moves_go_through(void **state)
{
	FOR_SEEDS(50)
	{
		struct rig *r = rig_create(4, seed);
		struct rig_conn *w[6], *p = rig_open(r, 0);
		for (uint32_t i = 0; i < 6; i++) {
			w[i] = rig_open(r, (uint32_t)rng_below(&r->rng, 5));
			rig_ask(w[i], "BRPOPLPUSH l%u l%u 0", i, i + 1);
			rig_settle(r);
		}
		rig_ask(p, "LPUSH l0 token");
		rig_settle(r);
		for (uint32_t i = 0; i < 6; i++)
			rig_expect(w[i], "$5\r\ntoken\r\n");
		rig_ask(p, "LRANGE l6 0 -1");
		rig_settle(r);
		rig_expect(p, ":1\r\n*1\r\n$5\r\ntoken\r\n");
		rig_destroy(r);
	}
}

/* Moves never lose or double an element, whoever leaves and whenever. */
static void test_block__moves_conserve_in_every_interleaving(void **state)
{
	FOR_SEEDS(300)
	{
		struct rig *r = rig_create(1 + (uint32_t)(seed % 4), seed);
		struct rig_conn *w[12], *p = rig_open(r, (uint32_t)rng_below(&r->rng, r->n + 1));
		uint32_t pushed = 0;
		for (uint32_t i = 0; i < 12; i++)
			w[i] = rig_open(r, (uint32_t)rng_below(&r->rng, r->n + 1));
		for (uint32_t round = 0; round < 60; round++) {
			uint32_t i = (uint32_t)rng_below(&r->rng, 12);
			switch (rng_below(&r->rng, 8)) {
			case 0:
				if (!w[i]->closed)
					rig_drop(w[i]);
				break;
			case 1:
				rig_advance_us(r, rng_below(&r->rng, 3000));
				break;
			case 2:
			case 3:
				rig_ask(p, "RPUSH l%u x", (uint32_t)rng_below(&r->rng, 5));
				pushed++;
				break;
			default:
				if (!w[i]->closed)
					rig_ask(w[i], "BLMOVE l%u l%u LEFT RIGHT 0.00%u",
						(uint32_t)rng_below(&r->rng, 5), (uint32_t)rng_below(&r->rng, 5),
						(uint32_t)rng_below(&r->rng, 4));
			}
			wander(r, 8);
		}
		rig_settle(r);
		p->out_len = 0;
		uint32_t found = 0;
		for (uint32_t k = 0; k < 5; k++) {
			rig_ask(p, "LLEN l%u", k);
			rig_settle(r);
			p->out[p->out_len] = '\0';
			found += (uint32_t)atoi(p->out + 1);
			p->out_len = 0;
		}
		assert_int_equal(found, pushed);
		rig_destroy(r);
	}
}

/* Each element goes to one client or stays; with a client that left it may go. */
static void test_block__pops_deliver_once_in_every_interleaving(void **state)
{
	FOR_SEEDS(300)
	{
		struct rig *r = rig_create(1 + (uint32_t)(seed % 4), seed);
		struct rig_conn *w[10], *p = rig_open(r, (uint32_t)rng_below(&r->rng, r->n + 1));
		uint32_t pushed = 0, lost = 0, got = 0, asked[10] = {0};
		bool seen[64] = {false};
		for (uint32_t i = 0; i < 10; i++)
			w[i] = rig_open(r, (uint32_t)rng_below(&r->rng, r->n + 1));
		for (uint32_t round = 0; round < 60; round++) {
			uint32_t i = (uint32_t)rng_below(&r->rng, 10);
			uint64_t what = rng_below(&r->rng, 10);
			if (what == 0 && !w[i]->closed) {
				rig_drop(w[i]);
				lost += asked[i]; /* whatever it asked for may have come too late for it */
			} else if (what == 1) {
				rig_advance_us(r, rng_below(&r->rng, 3000));
			} else if (what < 5 && pushed < 64) {
				rig_ask(p, "RPUSH l%u %u", (uint32_t)rng_below(&r->rng, 4), 100 + pushed++);
			} else if (!w[i]->closed) {
				asked[i]++;
				rig_ask(w[i], what & 1 ? "BLPOP l0 l1 l2 l3 0.00%u" : "BRPOP l3 l1 l3 0.00%u",
					(uint32_t)rng_below(&r->rng, 3));
			}
			wander(r, 8);
		}
		rig_settle(r);
		p->out_len = 0;
		for (uint32_t k = 0; k < 4; k++)
			rig_ask(p, "LRANGE l%u 0 -1", k);
		rig_settle(r);
		for (uint32_t i = 0; i <= 10; i++) {
			struct rig_conn *c = i < 10 ? w[i] : p;
			c->out[c->out_len] = '\0';
			for (char *s = c->out; (s = strstr(s, "$3\r\n1")) != NULL; s += 4, got++) {
				uint32_t v = (uint32_t)atoi(s + 4) - 100;
				assert_true(v < 64 && !seen[v]);
				seen[v] = true;
			}
		}
		assert_in_range(got, pushed > lost ? pushed - lost : 0, pushed);
		rig_destroy(r);
	}
}

static void test_block__unblock_ends_the_wait_either_way(void **state)
{
	struct rig *r = rig_create(2, 3);
	struct rig_conn *w[4], *p = rig_open(r, 0);
	for (uint32_t i = 0; i < 4; i++) {
		w[i] = rig_open(r, i % 3);
		rig_ask(w[i], i < 2 ? "BZPOPMIN a b 0" : "BLMOVE a b LEFT LEFT 0");
	}
	rig_settle(r);
	for (uint32_t i = 0; i < 4; i++)
		assert_true(session_unblock(w[i]->session, i & 1));
	rig_settle(r);
	for (uint32_t i = 0; i < 4; i++)
		rig_expect(w[i], i & 1 ? "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n" : "*-1\r\n");
	assert_false(session_unblock(w[0]->session, false));
	rig_ask(p, "LPUSH a x");
	rig_ask(p, "LLEN a");
	rig_settle(r);
	rig_expect(p, ":1\r\n:1\r\n");
	rig_destroy(r);
}

static void test_block__a_client_that_left_takes_nothing(void **state)
{
	FOR_SEEDS(50)
	{
		struct rig *r = rig_create(3, seed);
		struct rig_conn *w = rig_open(r, (uint32_t)(seed % 4)), *p = rig_open(r, 0);
		rig_ask(w, seed & 1 ? "BLPOP k q 0" : "BLMOVE k q LEFT LEFT 0");
		rig_settle(r);
		if (seed & 2)
			session_eof(w->session);
		else
			rig_drop(w);
		rig_settle(r);
		assert_true(w->closed);
		rig_ask(p, "RPUSH k x");
		rig_ask(p, "LLEN k");
		rig_settle(r);
		rig_expect(p, ":1\r\n:1\r\n");
		rig_destroy(r);
	}
}

static void test_block__another_type_is_no_news(void **state)
{
	struct rig *r = rig_create(2, 1);
	struct rig_conn *l = rig_open(r, 0), *z = rig_open(r, 1), *p = rig_open(r, 0);
	rig_ask(l, "BLPOP k 0");
	rig_ask(z, "BZPOPMAX k 0");
	rig_settle(r);
	rig_ask(p, "SET k v");
	rig_ask(p, "DEL k");
	rig_ask(p, "ZADD k 1 a 2 b");
	rig_settle(r);
	rig_expect(l, "");
	rig_expect(z, "*3\r\n$1\r\nk\r\n$1\r\nb\r\n$1\r\n2\r\n");
	rig_ask(p, "DEL k");
	rig_ask(p, "RPUSH k x");
	rig_settle(r);
	rig_expect(l, "*2\r\n$1\r\nk\r\n$1\r\nx\r\n");
	rig_destroy(r);
}

static void test_block__databases_are_apart_until_swapped(void **state)
{
	struct rig *r = rig_create(2, 1);
	struct rig_conn *w = rig_open(r, 0), *p = rig_open(r, 1);
	rig_ask(w, "SELECT 3");
	rig_ask(w, "BLPOP k 0");
	rig_ask(p, "RPUSH k x");
	rig_settle(r);
	rig_expect(w, "+OK\r\n");
	rig_ask(p, "SWAPDB 0 3");
	rig_settle(r);
	rig_expect(w, "*2\r\n$1\r\nk\r\n$1\r\nx\r\n");
	rig_destroy(r);
}

/* What makes a list without a push. */
static void test_block__every_way_to_a_list_is_news(void **state)
{
	static const char *const ways[] = {"RENAME src k", "COPY src k", "SORT src ALPHA STORE k",
					   "LMOVE src k LEFT LEFT", "RPOPLPUSH src k"};
	for (uint32_t i = 0; i < RP_ARRAY_LEN(ways) * 8; i++) {
		struct rig *r = rig_create(1 + i % 4, 1 + i);
		struct rig_conn *w = rig_open(r, 0), *p = rig_open(r, r->n);
		rig_ask(p, "RPUSH src x");
		rig_ask(w, "BRPOP k 0");
		rig_settle(r);
		rig_ask(p, "%s", ways[i % RP_ARRAY_LEN(ways)]);
		rig_settle(r);
		rig_expect(w, "*2\r\n$1\r\nk\r\n$1\r\nx\r\n");
		rig_destroy(r);
	}
}

/* Nobody is served before the transaction has ended, whatever it puts in and takes out on its way. */
static void test_block__transactions_serve_at_their_end(void **state)
{
	FOR_SEEDS(60)
	{
		struct rig *r = rig_create(1 + (uint32_t)(seed % 4), seed);
		struct rig_conn *a = rig_open(r, (uint32_t)rng_below(&r->rng, r->n + 1));
		struct rig_conn *b = rig_open(r, (uint32_t)rng_below(&r->rng, r->n + 1));
		struct rig_conn *p = rig_open(r, (uint32_t)rng_below(&r->rng, r->n + 1));
		rig_ask(a, "BLPOP k 0");
		rig_settle(r);
		rig_ask(b, "BLMOVE k other LEFT LEFT 0");
		rig_settle(r);
		rig_ask(p, "MULTI");
		rig_ask(p, "RPUSH k gone");
		rig_ask(p, "DEL k");
		rig_ask(p, "RPUSH k x y");
		rig_ask(p, "BLPOP none 0");
		rig_ask(p, "LLEN k");
		rig_ask(p, "EXEC");
		rig_settle(r);
		rig_expect(p, "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n"
			      "*5\r\n:1\r\n:1\r\n:2\r\n*-1\r\n:2\r\n");
		rig_expect(a, "*2\r\n$1\r\nk\r\n$1\r\nx\r\n");
		rig_expect(b, "$1\r\ny\r\n");
		rig_ask(a, "BLPOP k 0");
		rig_ask(p, "MULTI");
		rig_ask(p, "RPUSH k x");
		rig_ask(p, "DEL k");
		rig_ask(p, "EXEC");
		rig_settle(r);
		rig_expect(a, "");
		rig_destroy(r);
	}
}

static void test_block__large_element_comes_whole(void **state)
{
	struct rig *r = rig_create(2, 4);
	struct rig_conn *w[2] = {rig_open(r, 0), rig_open(r, 1)}, *p = rig_open(r, 0);
	size_t size = 40000;
	char *big = malloc(size + 3), head[64];
	memset(big, 'v', size);
	memcpy(big + size, "\r\n", 3);
	rig_ask(w[0], "BLPOP k 0");
	rig_settle(r);
	rig_ask(w[1], "BLPOP k 0");
	rig_settle(r);
	for (uint32_t i = 0; i < 2; i++) {
		snprintf(head, sizeof head, "*3\r\n$5\r\nRPUSH\r\n$1\r\nk\r\n$%zu\r\n", size);
		rig_send(p, head);
		rig_send_cut(p, big, size + 2, 1448);
		rig_settle(r);
		w[i]->out[w[i]->out_len] = '\0';
		assert_int_equal(w[i]->out_len, strlen("*2\r\n$1\r\nk\r\n$40000\r\n") + size + 2);
	}
	free(big);
	rig_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_block__a_push_answers_who_waits),
		cmocka_unit_test(test_block__what_comes_behind_is_answered_behind),
		cmocka_unit_test(test_block__time_outs_are_exact),
		cmocka_unit_test(test_block__first_come_first_served),
		cmocka_unit_test(test_block__first_come_first_served_across_shards),
		cmocka_unit_test(test_block__the_next_is_served_when_the_first_gives_up),
		cmocka_unit_test(test_block__chains_of_moves_go_through),
		cmocka_unit_test(test_block__moves_conserve_in_every_interleaving),
		cmocka_unit_test(test_block__pops_deliver_once_in_every_interleaving),
		cmocka_unit_test(test_block__unblock_ends_the_wait_either_way),
		cmocka_unit_test(test_block__a_client_that_left_takes_nothing),
		cmocka_unit_test(test_block__another_type_is_no_news),
		cmocka_unit_test(test_block__databases_are_apart_until_swapped),
		cmocka_unit_test(test_block__every_way_to_a_list_is_news),
		cmocka_unit_test(test_block__transactions_serve_at_their_end),
		cmocka_unit_test(test_block__large_element_comes_whole),
	};
	rig_eal("test_block");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
