/* Memory runs out at every allocation of every writing command in turn: an error, and the keys as they were. */
#include "nomem.h"
#include "nomem_lines.h"

static struct harness *h;

static int setup(void **state)
{
	h = harness_create(1);
	h->conf.types.stream_node_max_entries = 6;
	return 0;
}

static int teardown(void **state)
{
	heap_fail_after(h->heaps[0], 0);
	harness_destroy(h);
	return 0;
}

/* Everything a client can see of the keys. */
static const char *const questions[] = {"XINFO STREAM s FULL COUNT 0",
					"XINFO STREAM t FULL COUNT 0",
					"XRANGE fresh - +",
					"XPENDING s g",
					"EXISTS fresh",
					"DBSIZE",
					NULL};

struct size {
	int entries, pending;
};

static void make(struct harness *at, const void *value)
{
	const struct size *size = value;

	run(at, "DEL s t fresh");
	run(at, "XADD t 1 a b");
	run(at, "XGROUP CREATE t g 0");
	for (int i = 1; i <= size->entries; i++)
		runf(at, "XADD s %d field-%d value-%d", i, i % 9 == 8, i);
	run(at, "XGROUP CREATE s g 0 MKSTREAM");
	runf(at, "XREADGROUP GROUP g c COUNT %d STREAMS s >", size->pending);
}

static void test_stream_nomem__every_command_on_every_size(void **state)
{
	static const struct size sizes[] = {{0, 1}, {1, 1}, {5, 2}, {12, 3}, {70, 5}, {140, 130}};
	struct nomem m;

	nomem_init(&m, h, questions, make);
	for (size_t v = 0; v < RP_ARRAY_LEN(sizes); v++)
		for (size_t i = 0; i < RP_ARRAY_LEN(nomem_stream); i++)
			nomem_sweep(&m, &sizes[v], nomem_stream[i]);
	nomem_fini(&m, 500, 3);
}

static bool refused(const char *reply)
{
	return strncmp(reply, "-OOM", 4) == 0;
}

static void expect_begin(const char *line, const char *begin)
{
	const char *r = run(h, line);

	if (strncmp(r, begin, strlen(begin)) != 0)
		fail_msg("'%s' answers '%.60s'", line, r);
}

/* It takes memory in steps: only without any for the first it claims nothing. */
static void test_stream_nomem__xautoclaim_ends_where_memory_does(void **state)
{
	const char *r;
	uint32_t refusals = 0;

	make(h, &(struct size){2500, 2500});
	for (uint64_t n = 1;; n++) {
		heap_fail_after(h->heaps[0], n);
		r = run(h, "XAUTOCLAIM s g new 0 0 COUNT 9000 JUSTID");
		heap_fail_after(h->heaps[0], 0);
		if (!refused(r))
			break;
		refusals++;
		expect(h, "XPENDING s g", "*4 :2500 $3 1-0 $6 2500-0 *1 *2 $1 c $4 2500");
	}
	assert_true(refusals > 0);
	assert_memory_equal(r, "*3 $6 1001-0 *1000 ", 19);
	expect(h, "XPENDING s g", "*4 :2500 $3 1-0 $6 2500-0 *2 *2 $1 c $4 1500 *2 $3 new $4 1000");
	expect_begin("XAUTOCLAIM s g new 0 1001 COUNT 9000 JUSTID", "*3 $3 0-0 *1500 ");
	expect(h, "XPENDING s g", "*4 :2500 $3 1-0 $6 2500-0 *1 *2 $3 new $4 2500");
}

/* Then what is pending stands among what is new. */
static void test_stream_nomem__groups_that_were_set_back(void **state)
{
	static const char *const reads[] = {"XREADGROUP GROUP g new STREAMS s >",
					    "XREADGROUP GROUP g c COUNT 90 STREAMS s s > >"};

	for (size_t i = 0; i < RP_ARRAY_LEN(reads); i++) {
		make(h, &(struct size){400, 400});
		for (int id = 1; id <= 400; id++)
			if (id % 3 != 0)
				runf(h, "XACK s g %d", id);
		run(h, "XGROUP SETID s g 50");
		uint64_t n = 1;
		do
			heap_fail_after(h->heaps[0], n++);
		while (refused(run(h, reads[i])));
		heap_fail_after(h->heaps[0], 0);
		assert_true(n > 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_stream_nomem__every_command_on_every_size, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stream_nomem__xautoclaim_ends_where_memory_does, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stream_nomem__groups_that_were_set_back, setup, teardown),
	};

	harness_eal("test_stream_nomem");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
