/* SORT: orders, patterns, limits, results, and which requests need all shards. */
#include <stdio.h>
#include <stdlib.h>

#include "harness.h"

static struct harness *h;

static int setup(void **state)
{
	h = harness_create(4);
	return 0;
}

static int teardown(void **state)
{
	harness_destroy(h);
	return 0;
}

static void test_sort__numbers_words_directions(void **state)
{
	run(h, "SADD s 10 9 -3 2.5 1e2");
	expect(h, "SORT s", "*5 $2 -3 $3 2.5 $1 9 $2 10 $3 1e2");
	expect(h, "SORT s DESC", "*5 $3 1e2 $2 10 $1 9 $3 2.5 $2 -3");
	expect(h, "SORT s ALPHA", "*5 $2 -3 $2 10 $3 1e2 $3 2.5 $1 9");
	expect(h, "SORT s ALPHA DESC LIMIT 1 2", "*2 $3 2.5 $3 1e2");
	expect(h, "SORT s DESC ASC LIMIT -4 2", "*2 $2 -3 $3 2.5");
	expect(h, "SORT s LIMIT 3 -1", "*2 $2 10 $3 1e2");
	expect(h, "SORT s LIMIT 5 1", "*0");
	expect(h, "SORT no", "*0");
	run(h, "SADD s x");
	expect(h, "SORT s", "-ERR One or more scores can't be converted into double");
	expect(h, "SORT_RO s STORE d", "-ERR syntax error");
	expect(h, "SORT s LIMIT 1", "-ERR syntax error");
	expect(h, "SORT s LIMIT x 1", "-ERR value is not an integer or out of range");
	expect(h, "SORT s BY", "-ERR syntax error");
	run(h, "SET t 1");
	expect(h, "SORT t", "-WRONGTYPE Operation against a key holding the wrong kind of value");
}

static void test_sort__patterns_reach_other_shards(void **state)
{
	run(h, "SADD s 1 2 3 4");
	run(h, "MSET w_1 30 w_2 10 w_3 20 n_1 one n_3 three");
	expect(h, "SORT s BY w_*", "*4 $1 4 $1 2 $1 3 $1 1");
	expect(h, "SORT s BY w_* ALPHA DESC LIMIT 0 3", "*3 $1 1 $1 3 $1 2");
	expect(h, "SORT s BY w_* DESC GET # GET n_* GET nothing",
	       "*12 $1 1 $3 one $-1 $1 3 $5 three $-1 $1 2 $-1 $-1 $1 4 $-1 $-1");
	expect(h, "SORT s LIMIT 0 1 GET w_*", "*1 $2 30");
}

static void test_sort__fields_of_hashes(void **state)
{
	run(h, "SADD s 1 2 3");
	run(h, "HSET h_1 f 30 g one");
	run(h, "HSET h_3 f 20");
	expect(h, "SORT s BY h_*->f GET # GET h_*->g", "*6 $1 2 $-1 $1 3 $-1 $1 1 $3 one");
	expect(h, "SORT s BY nosort GET h_*", "*3 $-1 $-1 $-1");
	expect(h, "SORT s GET h_*->f STORE d", ":3");
	expect(h, "SORT d BY nosort", "*3 $2 30 $0  $2 20");
}

/* Shown, a text ends at a byte of zero, and equal ones keep their order; stored, every byte counts. */
static void test_sort__texts_with_zeros(void **state)
{
	const struct slice push[] = {SLICE("RPUSH"), SLICE("l"), {"b\0z", 3}, {"\0", 1},
				     SLICE("b"),     SLICE(""),  {"b\0a", 3}, SLICE("a")};
	const char *replies[] = {"*6 $1 \0 $0  $1 a $3 b\0z $1 b $3 b\0a", "*6 $3 b\0z $1 b $3 b\0a $1 a $1 \0 $0 "};

	run_args(h, RP_ARRAY_LEN(push), push);
	assert_memory_equal(run(h, "SORT l ALPHA"), replies[0], 35);
	assert_memory_equal(run(h, "SORT l ALPHA DESC"), replies[1], 35);
	run(h, "SADD s \"\\x00\" \"\" a"); /* a set's own order is chance */
	assert_memory_equal(run(h, "SORT s ALPHA"), "*3 $0  $1 \0 $1 a", 17);
	expect(h, "SORT l ALPHA STORE d", ":6");
	assert_memory_equal(run(h, "LRANGE d 0 -1"), "*6 $0  $1 \0 $1 a $1 b $3 b\0a $3 b\0z", 35);
}

static void test_sort__sorted_sets_and_lists_have_their_order(void **state)
{
	run(h, "ZADD z 1 c 2 b 3 a");
	expect(h, "SORT z BY nosort", "*3 $1 c $1 b $1 a");
	expect(h, "SORT z BY nosort DESC", "*3 $1 a $1 b $1 c");
	expect(h, "SORT z BY nosort DESC LIMIT 1 1", "*1 $1 b");
	expect(h, "SORT z ALPHA", "*3 $1 a $1 b $1 c");
	run(h, "SADD l 5 4 3");
	expect(h, "SORT l STORE l", ":3");
	expect(h, "TYPE l", "+list");
	expect(h, "SORT l BY nosort LIMIT 1 5", "*2 $1 4 $1 5");
	expect(h, "SORT l BY nosort DESC LIMIT 0 2", "*2 $1 5 $1 4");
}

static void test_sort_store__events_effects_ttl(void **state)
{
	run(h, "SADD s 3 1 2");
	run(h, "SET d x PX 1000");
	h->events[0] = h->effects[0] = '\0';
	expect(h, "SORT s STORE x STORE d", ":3");
	expect_dirty(h, 3);
	expect_events(h, "sortstore:d");
	expect_effects(h, "DEL d; RPUSH d 1 2 3");
	expect(h, "PTTL d", ":-1");
	expect(h, "SORT d DESC GET nothing GET # STORE d", ":6");
	expect_effects(h, "DEL d; RPUSH d  3  2  1");
	expect(h, "SORT d BY nosort", "*6 $0  $1 3 $0  $1 2 $0  $1 1");
	h->events[0] = '\0';
	expect(h, "SORT s LIMIT 9 9 STORE d", ":0");
	expect_events(h, "del:d");
	expect(h, "SORT no STORE d", ":0");
	expect_dirty(h, 0);
	expect_events(h, "");
	expect(h, "SORT s BY nosort DESC STORE d", ":3"); /* a set's own order is chance: sorted all the same */
	expect(h, "SORT d BY nosort", "*3 $1 3 $1 2 $1 1");
}

/* While the append-only file is loaded no time passes: the field would be there. */
static void test_sort_store__journals_what_an_expired_field_gave(void **state)
{
	struct harness *one = harness_create(1);

	run(one, "SADD s 1 2");
	run(one, "HSET h_1 f x g y");
	run(one, "HSET h_2 f y");
	run(one, "HPEXPIRE h_1 100 FIELDS 1 f");
	harness_advance_ms(one, 200);
	one->effects[0] = '\0';
	expect(one, "SORT s GET h_*->f STORE d", ":2");
	expect_effects(one, "DEL d; RPUSH d  y");
	harness_destroy(one);
}

static void test_sort__many(void **state)
{
	struct rng rng;
	long last = 0;

	rng_init(&rng, 3);
	for (int i = 0; i < 3000; i++)
		runf(h, "SADD s %d", (int)rng_below(&rng, 100000));
	for (int round = 0; round < 20; round++) {
		int first = (int)rng_below(&rng, 2000), n = 1 + (int)rng_below(&rng, 900);
		char *all = strdup(run(h, "SORT s")), *part = strdup(runf(h, "SORT s LIMIT %d %d", first, n));
		char *save = NULL, *other = NULL;
		strtok_r(all, " ", &save);
		strtok_r(part, " ", &other);
		assert_int_equal(atoi(part + 1), n);
		last = -1;
		for (int i = 0; i < first + n; i++) {
			strtok_r(NULL, " ", &save);
			const char *m = strtok_r(NULL, " ", &save);
			assert_true(atol(m) > last);
			last = atol(m);
			if (i < first)
				continue;
			strtok_r(NULL, " ", &other);
			assert_string_equal(strtok_r(NULL, " ", &other), m);
		}
		free(all);
		free(part);
	}
}

static bool wide(const char *line)
{
	struct slice words[16];
	uint32_t n = 0;

	for (const char *p = line; *p;) {
		size_t len = strcspn(p, " ");
		words[n++] = (struct slice){p, len};
		p += len + (p[len] == ' ');
	}
	return cmd_lookup(n, words)->wide(n, words);
}

static void test_sort__needs_all_shards_only_for_free_patterns(void **state)
{
	assert_false(wide("SORT {a}s"));
	assert_false(wide("SORT {a}s BY nosort GET #"));
	assert_false(wide("SORT {a}s BY {a}w_* GET {a}n_*->f STORE {b}d"));
	assert_true(wide("SORT {a}s BY w_*"));
	assert_true(wide("SORT {a}s BY {b}w_*"));
	assert_true(wide("SORT {a}s GET # GET {a*}"));
	assert_true(wide("SORT_RO {a}s LIMIT 1 2 GET {}*"));
	assert_false(wide("SORT {a}s STORE by x_*"));
	expect(h, "COMMAND GETKEYS SORT a BY x_* GET y STORE b STORE c", "*2 $1 a $1 c");
	expect(h, "COMMAND GETKEYS SORT a BY STORE x", "*1 $1 a");
	expect(h, "COMMAND GETKEYSANDFLAGS SORT a STORE b", "*2 *2 $1 a *2 +RO +access *2 $1 b *2 +OW +update");
}

static void test_sort__without_memory(void **state)
{
	static const char *const lines[] = {"SORT s", "SORT s BY w_* ALPHA GET w_*", "SORT s STORE d",
					    "SORT s GET w_* GET # STORE s", "SORT s BY w_* GET # STORE d"};

	run(h, "SADD s 1 2 3 4 5 6");
	run(h, "MSET w_1 5 w_2 1000000 w_3 3");
	run(h, "SADD d old");
	for (size_t i = 0; i < RP_ARRAY_LEN(lines); i++) {
		bool failed = true;
		for (uint64_t n = 1; failed; n++) {
			assert_true(n < 50);
			h->events[0] = h->effects[0] = '\0';
			heap_fail_after(h->own, n);
			for (int s = 0; s < 4; s++)
				heap_fail_after(h->heaps[s], n);
			failed = strncmp(run(h, lines[i]), "-OOM", 4) == 0;
			heap_fail_after(h->own, 0);
			for (int s = 0; s < 4; s++)
				heap_fail_after(h->heaps[s], 0);
			if (!failed)
				break;
			expect_dirty(h, 0);
			expect_events(h, "");
			expect(h, "SMEMBERS s", "*6 $1 1 $1 2 $1 3 $1 4 $1 5 $1 6");
			expect(h, "SMEMBERS d", "*1 $3 old");
		}
		run(h, "DEL d s");
		run(h, "SADD d old");
		run(h, "SADD s 1 2 3 4 5 6");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sort__numbers_words_directions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sort__patterns_reach_other_shards, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sort__fields_of_hashes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sort__texts_with_zeros, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sort__sorted_sets_and_lists_have_their_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sort_store__events_effects_ttl, setup, teardown),
		cmocka_unit_test(test_sort_store__journals_what_an_expired_field_gave),
		cmocka_unit_test_setup_teardown(test_sort__many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sort__needs_all_shards_only_for_free_patterns, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sort__without_memory, setup, teardown),
	};
	harness_eal("test_sort");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
