/* Memory runs out at every allocation of every writing command in turn: an error, and the keys as they were. */
#include <stdio.h>

#include "harness.h"

static struct harness *h;

static int setup(void **state)
{
	h = harness_create(1);
	h->conf.types.zset_max_listpack_entries = 6;
	h->conf.types.zset_max_listpack_value = 12;
	return 0;
}

static int teardown(void **state)
{
	heap_fail_after(h->heaps[0], 0);
	heap_fail_after(h->own, 0);
	harness_destroy(h);
	return 0;
}

#define STATE_TEXT 16384

/* Everything a client can see of k and d. */
static void look(char *text)
{
	static const char *const questions[] = {
		"ZRANGE k 0 -1 WITHSCORES", "OBJECT ENCODING k", "PTTL k", "ZRANGE d 0 -1 WITHSCORES",
		"OBJECT ENCODING d",        "EXISTS fresh",      "DBSIZE", "ZSCORE k a"};

	text[0] = '\0';
	for (size_t i = 0; i < RP_ARRAY_LEN(questions); i++) {
		size_t n = strlen(text);
		snprintf(text + n, STATE_TEXT - n, "%s;", run(h, questions[i]));
	}
}

static void prepare(const char *value)
{
	run(h, "DEL k d fresh copy");
	runf(h, "%s", value);
	run(h, "PEXPIRE k 5000");
	run(h, "ZADD d 1 x 2 y");
	/* a listpack in a blob that two keys share must be copied first */
	run(h, "COPY k copy");
	h->events[0] = h->effects[0] = '\0';
}

static bool refused(const char *reply)
{
	return strncmp(reply, "-OOM", 4) == 0;
}

/* Fails the n-th allocation for n = 1, 2, ... until the command succeeds. */
static void sweep(const char *value, const char *line, bool own)
{
	char before[STATE_TEXT], after[STATE_TEXT];
	struct heap *heap = own ? h->own : h->heaps[0];

	for (uint64_t n = 1; n < 500; n++) {
		prepare(value);
		look(before);
		h->events[0] = '\0';
		heap_fail_after(heap, n);
		bool failed = refused(run(h, line));
		uint32_t dirty = h->dirty;
		heap_fail_after(heap, 0);
		if (!failed)
			return;
		assert_int_equal(dirty, 0);
		expect_events(h, "");
		expect_effects(h, "");
		look(after);
		assert_string_equal(after, before);
	}
	fail_msg("'%s' never succeeds", line);
}

static const char *const values[] = {
	"PING",
	"ZADD k 1 a",
	"ZADD k 1 a 2 b 3 c 4 d 5 e 6 f",
	"ZADD k 1 a 2 b 3 c 4 d 5 e 6 f 7 g",
	"ZADD k 1 a 2 bbbbbbbbbbbbbbbbbbbbbbbbbb",
	"ZADD k 1 a 0.5 sixteen-letters-",
	"GEOADD k 13 52 a 13.1 52 b 13.2 52 c 13.3 52 d 13.4 52 e 13.5 52 f 13.6 52 g",
};

static const char *const lines[] = {
	"ZADD k 1.5 a",
	"ZADD k 1 new",
	"ZADD k 1e300 a",
	"ZADD k 5 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	"ZADD k 1 n1 2 n2 3.5 n3 9 a 1 n1",
	"ZADD k 1 n1 2 n2 3 n3 4 n4 5 n5 6 n6 7 n7 8 n8 9 n9 10 b",
	"ZADD k CH GT 100 a 200.25 b 3 nnnnnnnnnnnnnnnnnnnn",
	"ZADD k 1 sixteen-letters- 1.5 sixteen-letters- 2 sixteen-letters- 2.5 sixteen-letters-",
	"ZADD k INCR 0.1 a",
	"ZINCRBY k 3 b",
	"ZREM k a b nothing",
	"ZREMRANGEBYRANK k 0 1",
	"ZREMRANGEBYSCORE k 2 3",
	"ZREMRANGEBYLEX k [a (c",
	"ZPOPMIN k",
	"ZPOPMAX k 2",
	"ZMPOP 2 none k MIN COUNT 2",
	"ZRANGESTORE d k 0 1",
	"ZRANGESTORE d k 0 -1",
	"ZRANGESTORE k d 0 -1",
	"ZUNIONSTORE d 2 d k WEIGHTS 0.5 1",
	"ZUNIONSTORE fresh 2 d k",
	"ZINTERSTORE d 2 k k",
	"ZDIFFSTORE k 1 d",
	"ZUNION 2 k d",
	"ZRANDMEMBER k 3",
	"GEOADD k 10 10 a 11 11 q",
	"GEOSEARCHSTORE d k FROMLONLAT 13 52 BYRADIUS 1000 km",
	"GEORADIUS k 13 52 100 km STOREDIST fresh",
	"GEOSEARCH k FROMLONLAT 13 52 BYBOX 1000 1000 km ASC",
};

static void test_zset_nomem__every_command_on_every_form(void **state)
{
	for (size_t v = 0; v < RP_ARRAY_LEN(values); v++)
		for (size_t i = 0; i < RP_ARRAY_LEN(lines); i++) {
			sweep(values[v], lines[i], false);
			sweep(values[v], lines[i], true);
		}
}

static void test_zset_nomem__listpacks_in_blobs(void **state)
{
	char text[4096];
	int n = snprintf(text, sizeof text, "ZADD k");

	h->conf.types.zset_max_listpack_entries = 200;
	for (int i = 0; i < 150; i++)
		n += snprintf(text + n, sizeof text - (size_t)n, " %d member%d", i, i);
	for (size_t i = 0; i < RP_ARRAY_LEN(lines); i++)
		sweep(text, lines[i], false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_zset_nomem__every_command_on_every_form, setup, teardown),
		cmocka_unit_test_setup_teardown(test_zset_nomem__listpacks_in_blobs, setup, teardown),
	};

	harness_eal("test_zset_nomem");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
