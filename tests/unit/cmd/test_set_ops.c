/* Intersections, unions, differences and random members, against sets of small numbers as bit masks. */
#include <stdio.h>
#include <stdlib.h>

#include "harness.h"

#define UNIVERSE 40

static struct harness *h;
static struct rng rng;

static int setup(void **state)
{
	h = harness_create(4);
	h->conf.types.set_max_intset_entries = 6;
	h->conf.types.set_max_listpack_entries = 8;
	rng_init(&rng, 5);
	return 0;
}

static int teardown(void **state)
{
	harness_destroy(h);
	return 0;
}

/* Numbers, and words from 20 on. */
static void member_text(int i, char *text)
{
	sprintf(text, i < 20 ? "%d" : "w%d", i);
}

/* Members of an array or set reply, as bits. */
static uint64_t bits_of(const char *reply, uint64_t *total)
{
	uint64_t bits = 0, n = 0;
	char *copy = strdup(reply), *save = NULL;

	assert_true(*reply == '*' || *reply == '~');
	strtok_r(copy, " ", &save);
	while (strtok_r(NULL, " ", &save) != NULL) { /* $length */
		const char *m = strtok_r(NULL, " ", &save);
		int i = atoi(*m == 'w' ? m + 1 : m);
		assert_true(i < 20 ? *m != 'w' : *m == 'w');
		bits |= 1ull << i;
		n++;
	}
	assert_int_equal(n, strtoul(reply + 1, NULL, 10));
	free(copy);
	*total = n;
	return bits;
}

static uint64_t set_bits(const char *reply)
{
	uint64_t n, bits = bits_of(reply, &n);

	assert_int_equal(n, __builtin_popcountll(bits)); /* none twice */
	return bits;
}

static uint64_t make_set(int key)
{
	uint64_t bits = 0;
	int n = (int)rng_below(&rng, 20), range = rng_below(&rng, 2) ? 20 : UNIVERSE;
	char text[16];

	runf(h, "DEL s%d", key);
	for (int i = 0; i < n; i++) {
		int m = (int)rng_below(&rng, (uint64_t)range);
		member_text(m, text);
		runf(h, "SADD s%d %s", key, text);
		bits |= 1ull << m;
	}
	assert_int_equal(set_bits(runf(h, "SMEMBERS s%d", key)), bits);
	return bits;
}

struct operation {
	const char *name;
	uint64_t (*fold)(uint64_t a, uint64_t b);
};

static uint64_t fold_inter(uint64_t a, uint64_t b)
{
	return a & b;
}

static uint64_t fold_union(uint64_t a, uint64_t b)
{
	return a | b;
}

static uint64_t fold_diff(uint64_t a, uint64_t b)
{
	return a & ~b;
}

static const struct operation operations[] = {{"INTER", fold_inter}, {"UNION", fold_union}, {"DIFF", fold_diff}};

static void check_operation(const struct operation *op, const char *keys, uint64_t want)
{
	char line[256];

	assert_int_equal(set_bits(runf(h, "S%s%s", op->name, keys)), want);
	snprintf(line, sizeof line, ":%d", __builtin_popcountll(want));
	const char *dst = rng_below(&rng, 2) ? "d" : "s0"; /* a source, too */
	runf(h, "COPY s0 keep REPLACE");
	assert_string_equal(runf(h, "S%sSTORE %s%s", op->name, dst, keys), line);
	assert_int_equal(set_bits(runf(h, "SMEMBERS %s", dst)), want);
	runf(h, "DEL d s0");
	runf(h, "RENAME keep s0");
}

static void test_set_operations__agree_with_bit_masks(void **state)
{
	for (int round = 0; round < 400; round++) {
		uint64_t bits[4];
		for (int i = 0; i < 4; i++)
			bits[i] = make_set(i);
		int n = 1 + (int)rng_below(&rng, 4);
		char keys[64] = "";
		uint64_t want[3] = {bits[0], bits[0], bits[0]};
		strcat(keys, " s0");
		for (int i = 1; i < n; i++) {
			int k = (int)rng_below(&rng, 4);
			sprintf(keys + strlen(keys), " s%d", k);
			for (int o = 0; o < 3; o++)
				want[o] = operations[o].fold(want[o], bits[k]);
		}
		for (int o = 0; o < 3; o++)
			check_operation(&operations[o], keys, want[o]);
		int inter = __builtin_popcountll(want[0]), limit = (int)rng_below(&rng, 8);
		char reply[16];
		snprintf(reply, sizeof reply, ":%d", limit && limit < inter ? limit : inter);
		assert_string_equal(runf(h, "SINTERCARD %d%s LIMIT %d", n, keys, limit), reply);
		h->events[0] = h->effects[0] = '\0';
	}
}

static void test_set_store__events_and_effects(void **state)
{
	run(h, "SADD {a}1 x y");
	run(h, "SADD {b}1 y z");
	run(h, "SET {a}d text");
	h->effects[0] = h->events[0] = '\0';
	expect(h, "SINTERSTORE {a}d {a}1", ":2");
	expect_events(h, "sinterstore:{a}d");
	expect_effects(h, "SINTERSTORE {a}d {a}1");
	expect_dirty(h, 1);
	expect(h, "SINTERSTORE {a}d {a}1 {b}1", ":1"); /* the other shard is not in this journal */
	expect_effects(h, "DEL {a}d; SADD {a}d y");
	expect_events(h, "sinterstore:{a}d");
	expect(h, "SDIFFSTORE {a}d {a}1 {a}1", ":0");
	expect_effects(h, "SDIFFSTORE {a}d {a}1 {a}1");
	expect_events(h, "del:{a}d");
	expect(h, "SUNIONSTORE {a}d no", ":0");
	expect_dirty(h, 0);
	expect_events(h, "");
	run(h, "SADD {a}d q");
	h->effects[0] = h->events[0] = '\0';
	expect(h, "SINTERSTORE {a}d {b}1 no", ":0");
	expect_effects(h, "DEL {a}d");
	expect(h, "SUNIONSTORE {a}d {a}1 {b}1", ":3");
	expect_events(h, "del:{a}d sunionstore:{a}d");
}

static void test_set_store__forms(void **state)
{
	run(h, "SADD i 1 2 3 4 5 6 7 17 18"); /* a table of integers */
	run(h, "SADD j 1 2 3 8 9 10 11 12 13");
	expect(h, "OBJECT ENCODING i", "$9 hashtable");
	run(h, "SINTERSTORE d i j");
	expect(h, "OBJECT ENCODING d", "$6 intset");
	run(h, "SUNIONSTORE d i j");
	expect(h, "OBJECT ENCODING d", "$9 hashtable");
	run(h, "SADD w a b 1");
	run(h, "SINTERSTORE d w w");
	expect(h, "OBJECT ENCODING d", "$8 listpack");
	run(h, "SUNIONSTORE d w no");
	expect(h, "OBJECT ENCODING d", "$8 listpack");
	run(h, "SINTERSTORE d w i");
	expect(h, "OBJECT ENCODING d", "$6 intset");
}

static void test_sintercard__arguments(void **state)
{
	run(h, "SADD s a");
	expect(h, "SINTERCARD 0 s", "-ERR numkeys should be greater than 0");
	expect(h, "SINTERCARD x s", "-ERR numkeys should be greater than 0");
	expect(h, "SINTERCARD 2 s", "-ERR Number of keys can't be greater than number of args");
	expect(h, "SINTERCARD 1 s LIMIT", "-ERR syntax error");
	expect(h, "SINTERCARD 1 s s", "-ERR syntax error");
	expect(h, "SINTERCARD 1 s LIMIT -1", "-ERR LIMIT can't be negative");
	expect(h, "SINTERCARD 1 s LIMIT 1 limit 0", ":1");
}

static void test_spop__takes_and_says_what(void **state)
{
	for (int round = 0; round < 300; round++) {
		uint64_t bits = make_set(0), n = rng_below(&rng, 12);
		h->effects[0] = h->events[0] = '\0';
		if (bits == 0)
			continue;
		uint64_t got = set_bits(runf(h, "SPOP s0 %d", (int)n));
		uint64_t count = (uint64_t)__builtin_popcountll(bits);
		assert_int_equal(got & ~bits, 0);
		assert_int_equal(__builtin_popcountll(got), RP_MIN(n, count));
		assert_int_equal(h->dirty, RP_MIN(n, count));
		assert_int_equal(set_bits(run(h, "SMEMBERS s0")), bits & ~got);
		expect_events(h, n == 0 ? "" : n >= count ? "spop:s0 del:s0" : "spop:s0");
		if (n >= count)
			expect_effects(h, "DEL s0");
	}
	run(h, "DEL s0");
	run(h, "SADD s0 7");
	h->effects[0] = h->events[0] = '\0';
	expect(h, "SPOP s0", "$1 7");
	expect_effects(h, "SREM s0 7");
	expect_events(h, "spop:s0 del:s0");
	run(h, "SADD s0 7 7 7");
	expect(h, "SPOP s0 -1", "-ERR value is out of range, must be positive");
	expect(h, "SPOP s0 1 2", "-ERR syntax error");
}

static void test_srandmember__distinct_or_not(void **state)
{
	for (int round = 0; round < 300; round++) {
		uint64_t bits = make_set(0), n = 1 + rng_below(&rng, 12), total;
		if (bits == 0)
			continue;
		uint64_t got = set_bits(runf(h, "SRANDMEMBER s0 %d", (int)n));
		assert_int_equal(got & ~bits, 0);
		assert_int_equal(__builtin_popcountll(got), RP_MIN(n, (uint64_t)__builtin_popcountll(bits)));
		got = bits_of(runf(h, "SRANDMEMBER s0 -%d", (int)n), &total);
		assert_int_equal(got & ~bits, 0);
		assert_int_equal(total, n);
	}
	expect(h, "SRANDMEMBER s0 0", "*0");
	expect(h, "SRANDMEMBER s0 x", "-ERR value is not an integer or out of range");
}

/* Each member of a set comes as often as any other, whatever form and count. */
static void check_fair(int members, const char *line, int draws)
{
	uint32_t seen[400] = {0};
	uint64_t total = 0;
	double chi = 0;

	for (int i = 0; i < draws; i++) {
		char *copy = strdup(run(h, line)), *save = NULL, *word = strtok_r(copy, " ", &save);
		for (; word != NULL; word = strtok_r(NULL, " ", &save))
			if (*word == 'm') {
				seen[atoi(word + 1)]++;
				total++;
			}
		free(copy);
	}
	double each = (double)total / members;

	for (int i = 0; i < members; i++)
		chi += (seen[i] - each) * (seen[i] - each) / each;
	assert_true(chi < members + 6 * 20 + 20);
}

static void test_srandmember__fair(void **state)
{
	for (int i = 0; i < 8; i++)
		runf(h, "SADD little m%d", i);
	for (int i = 0; i < 200; i++)
		runf(h, "SADD big m%d", i);
	check_fair(8, "SRANDMEMBER little", 4000);
	check_fair(8, "SRANDMEMBER little 3", 2000);
	check_fair(200, "SRANDMEMBER big", 10000);
	check_fair(200, "SRANDMEMBER big 10", 1000);
	check_fair(200, "SRANDMEMBER big 120", 100);
	check_fair(200, "SRANDMEMBER big -10", 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_set_operations__agree_with_bit_masks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_set_store__events_and_effects, setup, teardown),
		cmocka_unit_test_setup_teardown(test_set_store__forms, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sintercard__arguments, setup, teardown),
		cmocka_unit_test_setup_teardown(test_spop__takes_and_says_what, setup, teardown),
		cmocka_unit_test_setup_teardown(test_srandmember__distinct_or_not, setup, teardown),
		cmocka_unit_test_setup_teardown(test_srandmember__fair, setup, teardown),
	};
	harness_eal("test_set_ops");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
