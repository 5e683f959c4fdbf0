/* Walks over names on four shards. */
#include <stdio.h>
#include <stdlib.h>

#include "harness.h"

#include "base/num.h"
#include "cmd/cursor.h"

#define KEYS 2000

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

static void fill(const char *prefix, int n)
{
	for (int i = 0; i < n; i++)
		assert_string_equal(runf(h, "SET %s%d v", prefix, i), "+OK");
}

/* Reads "$len text" at *p. */
static struct slice bulk(const char **p)
{
	char *end;

	assert_int_equal(**p, '$');
	size_t len = strtoul(*p + 1, &end, 10);
	*p = end + 1 + len + 1;
	return (struct slice){end + 1, len};
}

struct walk {
	unsigned calls, names, most;
	unsigned char seen[KEYS];
};

/* Follows the cursor from 0 to 0; names are `prefix` and a number. between: called between two calls. */
static void walk_all(struct walk *w, const char *options, const char *prefix, void (*between)(unsigned call))
{
	char cursor[32] = "0";

	memset(w, 0, sizeof *w);
	do {
		const char *p = runf(h, "SCAN %s %s", cursor, options);
		assert_memory_equal(p, "*2 ", 3);
		p += 3;
		struct slice next = bulk(&p);
		snprintf(cursor, sizeof cursor, "%.*s", (int)next.len, next.ptr);
		assert_true(strtoull(cursor, NULL, 10) < 1ull << 53);
		assert_int_equal(*p, '*');
		unsigned n = (unsigned)strtoul(p + 1, (char **)&p, 10);
		p++;
		w->most = RP_MAX(w->most, n);
		w->names += n;
		for (unsigned i = 0; i < n; i++) {
			struct slice name = bulk(&p);
			assert_memory_equal(name.ptr, prefix, strlen(prefix));
			unsigned at = (unsigned)atoi(name.ptr + strlen(prefix));
			assert_true(at < KEYS);
			w->seen[at]++;
		}
		if (between != NULL)
			between(w->calls);
		assert_true(++w->calls < 100000);
	} while (strcmp(cursor, "0") != 0);
}

static void check_seen(const struct walk *w, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		if (!w->seen[i])
			fail_msg("%u was not shown", i);
}

static void test_scan__shows_every_key_once(void **state)
{
	struct walk w;

	fill("k", KEYS);
	walk_all(&w, "", "k", NULL);
	check_seen(&w, 0, KEYS);
	assert_int_equal(w.names, KEYS);
	/* Whole buckets, so a few more than asked for. */
	assert_true(w.calls >= KEYS / 20);
	assert_true(w.most <= 10 + 20);
	walk_all(&w, "COUNT 100000", "k", NULL);
	check_seen(&w, 0, KEYS);
	assert_int_equal(w.calls, 4);
}

static void add_and_remove(unsigned call)
{
	runf(h, "SET new%u v", call);
	runf(h, "DEL k%u", call % 500);
}

static void grow(unsigned call)
{
	for (unsigned i = 0; i < 40; i++)
		runf(h, "SET k%u v", 1000 + (call * 40 + i) % 1000);
}

static void test_scan__keys_that_stay_are_shown_while_others_change(void **state)
{
	struct walk w;

	fill("k", KEYS);
	walk_all(&w, "MATCH k* COUNT 7", "k", add_and_remove);
	check_seen(&w, 500, KEYS);
}

static void test_scan__keys_that_stay_are_shown_while_the_index_grows(void **state)
{
	struct walk w;

	fill("k", 1000);
	walk_all(&w, "COUNT 20", "k", grow);
	check_seen(&w, 0, 1000);
}

static void test_scan__sparse_keyspace_needs_few_calls(void **state)
{
	struct walk w;

	fill("k", 3);
	walk_all(&w, "", "k", NULL);
	check_seen(&w, 0, 3);
	assert_true(w.calls <= 8);
}

static void test_scan__filters(void **state)
{
	struct walk w;

	fill("k", 100);
	fill("other", 100);
	walk_all(&w, "MATCH k1?", "k", NULL);
	assert_int_equal(w.names, 10);
	walk_all(&w, "MATCH k* TYPE string", "k", NULL);
	assert_int_equal(w.names, 100);
	walk_all(&w, "TYPE LIST", "k", NULL);
	assert_int_equal(w.names, 0);
	walk_all(&w, "TYPE nosuch", "k", NULL);
	assert_int_equal(w.names, 0);
}

static void test_scan__expired_keys_are_not_shown(void **state)
{
	struct walk w;

	fill("k", 20);
	for (int i = 0; i < 10; i++)
		runf(h, "PEXPIRE k%d 10", i);
	harness_advance_ms(h, 11);
	walk_all(&w, "", "k", NULL);
	assert_int_equal(w.names, 10);
	check_seen(&w, 10, 20);
}

static void test_scan__errors(void **state)
{
	expect(h, "SCAN foo", "-ERR invalid cursor");
	expect(h, "SCAN 99999999999999999999999", "-ERR invalid cursor");
	expect(h, "SCAN 0 COUNT 0", "-ERR syntax error");
	expect(h, "SCAN 0 COUNT x", "-ERR value is not an integer or out of range");
	expect(h, "SCAN 0 MATCH", "-ERR syntax error");
	expect(h, "SCAN 0 foo bar", "-ERR syntax error");
	/* a cursor that was never given out ends the walk */
	expect(h, "SCAN 9007199254740991", "*2 $1 0 *0");
}

static uint32_t shard_of(const char *cursor)
{
	struct slice argv[2] = {SLICE("SCAN"), {cursor, strlen(cursor)}};

	return cmd_cursor_shard(&h->env, 2, argv);
}

static void test_cursor__names_its_shard(void **state)
{
	char text[32];

	snprintf(text, sizeof text, "%llu", 3ull << CURSOR_INDEX_BITS | 12345);
	assert_int_equal(shard_of("0"), 0);
	assert_int_equal(shard_of(text), 3);
	assert_int_equal(shard_of("foo"), 0);
	snprintf(text, sizeof text, "%llu", 4ull << CURSOR_INDEX_BITS);
	assert_int_equal(shard_of(text), 0);
	assert_int_equal(cmd_cursor_shard(&h->env, 1, (struct slice[]){SLICE("SCAN")}), 0);
}

static void test_keys__all_shards_by_pattern(void **state)
{
	expect(h, "KEYS *", "*0");
	expect(h, "MSET one 1 two 2 three 3 four 4", "+OK");
	assert_memory_equal(run(h, "KEYS *"), "*4 ", 3);
	assert_memory_equal(run(h, "KEYS t*"), "*2 ", 3);
	expect(h, "KEYS ?o?r", "*1 $4 four");
	expect(h, "KEYS nosuch", "*0");
	expect(h, "SELECT 1", "+OK");
	expect(h, "KEYS *", "*0");
}

static void test_randomkey__weighs_shards_by_their_keys(void **state)
{
	unsigned hits[2] = {0};

	expect(h, "RANDOMKEY", "$-1");
	/* one tag, one shard: 300 keys there, a few elsewhere */
	for (int i = 0; i < 300; i++)
		runf(h, "SET {tag}%d v", i);
	expect(h, "MSET b 1 c 2 d 3", "+OK");
	for (int i = 0; i < 1000; i++)
		hits[strchr(run(h, "RANDOMKEY"), '{') != NULL]++;
	assert_true(hits[1] > 950);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_scan__shows_every_key_once),
		T(test_scan__keys_that_stay_are_shown_while_others_change),
		T(test_scan__keys_that_stay_are_shown_while_the_index_grows),
		T(test_scan__sparse_keyspace_needs_few_calls),
		T(test_scan__filters),
		T(test_scan__expired_keys_are_not_shown),
		T(test_scan__errors),
		T(test_cursor__names_its_shard),
		T(test_keys__all_shards_by_pattern),
		T(test_randomkey__weighs_shards_by_their_keys),
	};
	harness_eal("test_scan");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
