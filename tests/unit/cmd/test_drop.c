/* Large keys go in slices, whatever takes them away: a command frees a bounded number of blocks, the background the
 * rest, a bounded number each time. So what one command holds its shard for does not grow with the key. */
#include "harness.h"

#include <stdio.h>

#define MANY      60000 /* elements */
#define AT_A_TIME 200   /* of one command */
#define AT_ONCE   200   /* blocks that one command may free: store_release() goes as far as 64 elements */
#define BUDGET    100

static struct harness *h;

static int set_up(void **state)
{
	h = harness_create(1);
	return 0;
}

static int tear_down(void **state)
{
	harness_destroy(h);
	return 0;
}

static size_t blocks(void)
{
	struct heap_stats st;

	heap_stats_get(h->heaps[0], &st);
	return st.blocks;
}

/* MANY elements of `each` words, the last of which is new. */
static void fill(const char *cmd, const char *key, uint32_t each, const char *first)
{
	static char text[AT_A_TIME][16];
	struct slice argv[2 + 2 * AT_A_TIME] = {{cmd, strlen(cmd)}, {key, strlen(key)}};

	for (uint32_t n = 0; n < MANY; n += AT_A_TIME) {
		uint32_t argc = 2;
		for (uint32_t i = 0; i < AT_A_TIME; i++) {
			if (each == 2)
				argv[argc++] = (struct slice){first, strlen(first)};
			argv[argc++] = (struct slice){text[i], (size_t)sprintf(text[i], "e%u", n + i)};
		}
		run_args(h, argc, argv);
	}
}

static void fill_stream(void)
{
	for (uint32_t n = 1; n <= MANY / 10; n++)
		runf(h, "XADD k %u %s v", n, "a-field-of-some-length-so-that-nodes-fill-up");
	run(h, "XGROUP CREATE k g 0");
	run(h, "XREADGROUP GROUP g c NOACK COUNT 1 STREAMS k >");
	for (uint32_t n = 0; n < MANY / 10; n += 1000)
		run(h, "XREADGROUP GROUP g c COUNT 1000 STREAMS k >");
}

static void make(const char *type)
{
	h->conf.types.list_max_listpack_size = 8;
	h->conf.types.stream_node_max_entries = 4;
	if (strcmp(type, "list") == 0)
		fill("RPUSH", "k", 1, NULL);
	else if (strcmp(type, "set") == 0)
		fill("SADD", "k", 1, NULL);
	else if (strcmp(type, "hash") == 0)
		for (uint32_t n = 0; n < MANY / 4; n++)
			runf(h, "HSET k f%u v g%u v h%u v i%u v", n, n, n, n);
	else if (strcmp(type, "zset") == 0)
		fill("ZADD", "k", 2, "1");
	else
		fill_stream();
}

static const char *const type[] = {"list", "set", "hash", "zset", "stream"};

static void expect_slices(const char *what, size_t before, const char *line)
{
	size_t full = blocks();

	run(h, line);
	assert_true(full > before + 1000);
	if (full > blocks() + AT_ONCE)
		fail_msg("%s, %s: %zu blocks were freed at once", what, line, full - blocks());
	for (uint32_t done = 1; done > 0;) {
		size_t was = blocks();
		done = store_poll(h->stores[0], BUDGET);
		/* Each kind of background work has the budget. */
		if (was > blocks() + 5 * BUDGET)
			fail_msg("%s, %s: %zu blocks in one slice", what, line, was - blocks());
	}
	assert_in_range(blocks(), 0, before + 64);
}

static void test_drop__whatever_takes_the_key_away(void **state)
{
	static const char *const ways[] = {"DEL k",          "UNLINK k", "SET k v",
					   "RENAME other k", "FLUSHALL", "PEXPIREAT k 1"};

	for (uint32_t t = 0; t < RP_ARRAY_LEN(type); t++)
		for (uint32_t w = 0; w < RP_ARRAY_LEN(ways); w++) {
			run(h, "FLUSHALL");
			run(h, "SET other v");
			while (store_poll(h->stores[0], 1000) > 0)
				;
			size_t before = blocks();
			make(type[t]);
			expect_slices(type[t], before, ways[w]);
		}
}

static void test_drop__all_elements_at_once(void **state)
{
	static const char *const ways[][2] = {{"list", "LTRIM k 1 0"},
					      {"zset", "ZREMRANGEBYRANK k 0 -1"},
					      {"zset", "ZREMRANGEBYSCORE k -inf +inf"},
					      {"zset", "ZREMRANGEBYLEX k - +"},
					      {"set", "SINTERSTORE k k none"},
					      {"zset", "ZINTERSTORE k 2 k none"}};

	for (uint32_t w = 0; w < RP_ARRAY_LEN(ways); w++) {
		run(h, "FLUSHALL");
		while (store_poll(h->stores[0], 1000) > 0)
			;
		size_t before = blocks();
		make(ways[w][0]);
		expect_slices(ways[w][0], before, ways[w][1]);
	}
}

static void test_drop__a_group_of_many_pending_entries(void **state)
{
	size_t before = blocks();

	make("stream");
	expect_slices("stream", before, "DEL k");
	make("stream");
	size_t full = blocks();
	expect(h, "XGROUP DESTROY k g", ":1");
	assert_in_range(full - blocks(), 0, AT_ONCE);
}

static void test_drop__all_entries_of_a_stream(void **state)
{
	size_t before = blocks();

	run(h, "FLUSHALL");
	make("stream");
	run(h, "XGROUP DESTROY k g");
	while (store_poll(h->stores[0], 1000) > 0)
		;
	expect_slices("stream", before, "XTRIM k MAXLEN 0");
	expect(h, "XLEN k", ":0");
	expect(h, "XADD k 100000000 f v", "$11 100000000-0");
	expect(h, "XRANGE k - +", "*1 *2 $11 100000000-0 *2 $1 f $1 v");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_drop__whatever_takes_the_key_away, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_drop__all_elements_at_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_drop__a_group_of_many_pending_entries, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_drop__all_entries_of_a_stream, set_up, tear_down),
	};
	harness_eal("test_drop");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
