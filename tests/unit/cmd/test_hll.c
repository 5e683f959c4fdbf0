/* HyperLogLogs: forms, cached counts, errors. The counts themselves are compared with redis-server by tests/diff. */
#include <stdlib.h>

#include "harness.h"
#include "store/hll.h"

static struct harness *h;

static int set_up(void **state)
{
	h = harness_create(2);
	return 0;
}

static int tear_down(void **state)
{
	harness_destroy(h);
	return 0;
}

static void add_many(const char *key, int from, int to)
{
	for (int i = from; i < to; i++)
		runf(h, "PFADD %s element-%d", key, i);
}

static int64_t count(const char *keys)
{
	const char *r = runf(h, "PFCOUNT %s", keys);

	assert_int_equal(r[0], ':');
	return strtol(r + 1, NULL, 10);
}

static void test_pfadd__says_whether_anything_changed(void **state)
{
	expect(h, "PFADD a", ":1");
	expect_events(h, "pfadd:a");
	expect(h, "PFADD a", ":0");
	expect(h, "PFADD a x y z", ":1");
	expect(h, "PFADD a x y z", ":0");
	expect_dirty(h, 0);
	expect(h, "PFCOUNT a", ":3");
	expect(h, "STRLEN a", ":26");
	expect(h, "OBJECT ENCODING a", "$3 raw");
}

static void test_pfadd__becomes_dense_when_runs_are_too_many(void **state)
{
	h->conf.types.hll_sparse_max_bytes = 300;
	add_many("a", 0, 50);
	expect(h, "PFDEBUG ENCODING a", "+sparse");
	add_many("a", 50, 500);
	expect(h, "PFDEBUG ENCODING a", "+dense");
	runf(h, "STRLEN a");
	assert_int_equal(strtol(h->reply + 1, NULL, 10), HLL_DENSE_BYTES);
	assert_in_range(count("a"), 485, 515);
}

static void test_pfcount__is_near_the_truth_for_small_and_large(void **state)
{
	int at = 0;

	for (int n = 10; n <= 100000; n *= 10) {
		add_many("a", at, n);
		at = n;
		assert_in_range(count("a"), n - n / 40 - 1, n + n / 40 + 1);
	}
}

static void test_pfcount__is_kept_in_the_key_until_it_changes(void **state)
{
	expect(h, "PFADD a x y", ":1");
	expect(h, "PFCOUNT a", ":2");
	expect_dirty(h, 1);
	expect(h, "PFCOUNT a", ":2");
	expect_dirty(h, 0);
	expect(h, "PFADD a z", ":1");
	expect(h, "PFCOUNT a", ":3");
}

static void test_pfcount__of_several_keys_is_that_of_their_union(void **state)
{
	add_many("a", 0, 1000);
	add_many("b", 500, 1500);
	assert_in_range(count("a b nothing"), 1470, 1530);
	expect(h, "PFMERGE c a b", "+OK");
	assert_int_equal(count("c"), count("a b"));
	expect(h, "PFDEBUG TODENSE a", ":1");
	expect(h, "PFDEBUG TODENSE a", ":0");
	expect(h, "PFMERGE d a b", "+OK");
	expect(h, "PFDEBUG ENCODING d", "+dense");
	assert_int_equal(count("d"), count("c"));
}

static void test_pf__what_is_none_is_refused(void **state)
{
	run(h, "SET s text");
	expect(h, "PFADD s x", "-WRONGTYPE Key is not a valid HyperLogLog string value.");
	expect(h, "PFCOUNT s", "-WRONGTYPE Key is not a valid HyperLogLog string value.");
	expect(h, "PFMERGE d s", "-WRONGTYPE Key is not a valid HyperLogLog string value.");
	run(h, "SADD set x");
	expect(h, "PFADD set x", "-WRONGTYPE Operation against a key holding the wrong kind of value");
	expect(h, "PFDEBUG ENCODING none", "-ERR The specified key does not exist");
}

static void test_pf__runs_that_make_no_sense_are_refused_but_shown(void **state)
{
	static const char *const runs[] = {"\\x40", "\\x00", "\\x7f\\xff\\x80", "\\x7f", ""};
	static const char *const words[] = {"$3 Z:1", "$3 z:1", "$13 Z:16384 v:1,1", "$7 Z:16129", "$0 "};

	for (size_t i = 0; i < RP_ARRAY_LEN(runs); i++) {
		runf(h, "SET a \"HYLL\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x80%s\"", runs[i]);
		expect(h, "PFDEBUG DECODE a", words[i]);
		expect(h, "PFCOUNT a", "-INVALIDOBJ Corrupted HLL object detected");
		expect(h, "PFMERGE b a", "-INVALIDOBJ Corrupted HLL object detected");
		for (int n = 0; n < 200; n++)
			runf(h, "PFADD a %d", n);
	}
}

/* 16129 of the registers, and a count that was right. */
static void test_pfadd__what_was_added_before_an_error_makes_the_count_old(void **state)
{
	char command[2000];
	size_t n = (size_t)sprintf(command, "PFADD a");

	run(h, "SET a \"HYLL\\x01\\x00\\x00\\x00\\x07\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x7f\\x00\"");
	for (int i = 0; i < 300; i++)
		n += (size_t)sprintf(command + n, " %d", i);
	expect(h, command, "-INVALIDOBJ Corrupted HLL object detected");
	expect(h, "GETRANGE a 15 15", "$1 \x80");
}

static void test_pfadd__out_of_memory_leaves_the_key(void **state)
{
	add_many("a", 0, 100);
	char *before = strdup(runf(h, "GET a"));
	for (uint64_t n = 1; n < 20; n++) {
		heap_fail_after(h->heaps[0], n);
		heap_fail_after(h->heaps[1], n);
		bool done = runf(h, "PFADD a new-%d new-%d", (int)n, (int)n + 100)[0] == ':';
		heap_fail_after(h->heaps[0], 0);
		heap_fail_after(h->heaps[1], 0);
		if (done)
			break;
		assert_string_equal(run(h, "GET a"), before);
	}
	free(before);
}

static void test_pfselftest__passes(void **state)
{
	expect(h, "PFSELFTEST", "+OK");
}

/* ---- against plain registers ---- */

#define MODEL_KEYS  4
#define MODEL_STEPS 3000

struct model {
	struct hll_registers of[MODEL_KEYS];
	bool there[MODEL_KEYS];
	struct rng rng;
};

static uint32_t below(struct model *m, uint32_t n)
{
	return (uint32_t)rng_below(&m->rng, n);
}

/* Adds some elements, few of them or many. */
static void model_add(struct model *m, uint32_t k)
{
	static char text[300][16];
	struct slice argv[2 + 300] = {SLICE("PFADD"), {"abcd" + k, 1}};
	uint32_t n = below(m, 8) == 0 ? below(m, 300) : below(m, 4), range = 1u << below(m, 30), reg;
	bool changed = !m->there[k];
	uint8_t v;

	for (uint32_t i = 0; i < n; i++) {
		struct slice element = {text[i], (size_t)sprintf(text[i], "e%u", below(m, range))};
		reg = hll_of(element, &v);
		changed |= v > m->of[k].r[reg];
		m->of[k].r[reg] = RP_MAX(m->of[k].r[reg], v);
		argv[2 + i] = element;
	}
	m->there[k] = true;
	assert_string_equal(run_args(h, 2 + n, argv), changed ? ":1" : ":0");
}

static void model_merge(struct model *m, uint32_t to, uint32_t from)
{
	assert_string_equal(runf(h, "PFMERGE %c %c", "abcd"[to], "abcd"[from]), "+OK");
	for (uint32_t i = 0; i < HLL_REGISTERS; i++)
		m->of[to].r[i] = RP_MAX(m->of[to].r[i], m->of[from].r[i]);
	m->there[to] = true;
}

/* A dense one with registers of every value, which no element would make in a lifetime. */
static void model_dense(struct model *m, uint32_t k)
{
	static uint8_t bytes[HLL_DENSE_BYTES];
	struct slice argv[] = {SLICE("SET"), {"abcd" + k, 1}, {(const char *)bytes, sizeof bytes}};

	memset(bytes, 0, sizeof bytes);
	memcpy(bytes, "HYLL", 4);
	hll_uncache(bytes);
	for (uint32_t i = 0; i < HLL_REGISTERS; i++) {
		m->of[k].r[i] = (uint8_t)below(m, 52);
		hll_dense_raise(bytes, i, m->of[k].r[i]);
	}
	assert_string_equal(run_args(h, RP_ARRAY_LEN(argv), argv), "+OK");
	m->there[k] = true;
}

static void model_check(struct model *m, uint32_t k, uint32_t other)
{
	static struct hll_registers got, both;
	struct slice key = {"abcd" + k, 1};
	const struct object *o = store_peek(cmd_store(&(struct cmd_ctx){.env = &h->env}, key), 0, key);
	char buf[32];

	memset(&got, 0, sizeof got);
	assert_int_equal(o != NULL, m->there[k]);
	if (o != NULL)
		assert_true(hll_merge(&got, obj_string(o, buf)));
	assert_memory_equal(&got, &m->of[k], sizeof got);
	assert_int_equal((uint64_t)count((char[]){"abcd"[k], '\0'}), hll_count(&m->of[k]));
	for (uint32_t i = 0; i < HLL_REGISTERS; i++)
		both.r[i] = RP_MAX(m->of[k].r[i], m->of[other].r[i]);
	assert_int_equal((uint64_t)count((char[]){"abcd"[k], ' ', "abcd"[other], '\0'}), hll_count(&both));
}

static void test_pf__random_changes_against_registers(void **state)
{
	static struct model m;

	rng_init(&m.rng, 8);
	for (int step = 0; step < MODEL_STEPS; step++) {
		uint32_t k = below(&m, MODEL_KEYS), other = below(&m, MODEL_KEYS), what = below(&m, 100);
		if (what < 80) {
			model_add(&m, k);
		} else if (what < 88) {
			model_merge(&m, k, other);
		} else if (what < 90) {
			model_dense(&m, k);
		} else if (what < 93) {
			runf(h, "PFDEBUG TODENSE %c", "abcd"[k]);
		} else if (what < 97) {
			runf(h, "DEL %c", "abcd"[k]);
			memset(&m.of[k], 0, sizeof m.of[k]);
			m.there[k] = false;
		} else {
			h->conf.types.hll_sparse_max_bytes = (uint64_t[]){0, 50, 300, 3000, 20000}[below(&m, 5)];
		}
		if (step % 8 == 0)
			model_check(&m, k, other);
		h->events[0] = h->effects[0] = '\0';
	}
}

int main(void)
{
	harness_eal("test_hll");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_pfadd__says_whether_anything_changed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_pfadd__becomes_dense_when_runs_are_too_many, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_pfcount__is_near_the_truth_for_small_and_large, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_pfcount__is_kept_in_the_key_until_it_changes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_pfcount__of_several_keys_is_that_of_their_union, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_pf__what_is_none_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_pf__runs_that_make_no_sense_are_refused_but_shown, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_pfadd__what_was_added_before_an_error_makes_the_count_old, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_pfadd__out_of_memory_leaves_the_key, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_pfselftest__passes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_pf__random_changes_against_registers, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
