/* Memory runs out at every allocation of every writing command in turn: an error, and the key as it was. */
#include <stdio.h>

#include "nomem.h"
#include "nomem_lines.h"

#define STATE_TEXT 16384

static struct harness *h;

/* Everything a client can see of the keys. */
static const char *const questions[] = {
	"BITCOUNT k", "GETRANGE k 0 100", "STRLEN k",     "PTTL k", "GET k", "OBJECT ENCODING k", "GET d", "PTTL d",
	"GET fresh",  "PTTL fresh",       "EXISTS fresh", "DBSIZE", NULL};

static void make(struct harness *at, const void *value)
{
	run(at, "DEL k d fresh fresh2");
	run(at, value);
	run(at, "SET d old PX 5000");
}

static void test_nomem__every_command_on_every_layout(void **state)
{
	static const char *const values[] = {"PING",
					     "SET k 17",
					     "SET k text PX 100",
					     "SETRANGE k 1000 x",
					     "SETRANGE k 1023 x",
					     "SETRANGE k 20000 x"};
	struct nomem m;

	h = harness_create(1);
	nomem_init(&m, h, questions, make);
	for (size_t v = 0; v < RP_ARRAY_LEN(values); v++)
		for (size_t i = 0; i < RP_ARRAY_LEN(nomem_string); i++)
			nomem_sweep(&m, values[v], nomem_string[i]);
	nomem_fini(&m, 120, 15);
	harness_destroy(h);
}

static void test_nomem__counters(void **state)
{
	static const char *const counters[][2] = {{"SET k 9", "INCR k"},
						  {"SET k 9 PX 700", "INCRBYFLOAT k 0.00000000000000001"},
						  {"APPEND k 9", "INCRBY k 1000000000000"},
						  {"SET k -9", "DECR k"},
						  {"APPEND k 9", "DECRBY k 1000000000000"}};
	struct nomem m;

	h = harness_create(1);
	nomem_init(&m, h, questions, make);
	for (size_t i = 0; i < RP_ARRAY_LEN(counters); i++)
		nomem_sweep(&m, counters[i][0], counters[i][1]);
	nomem_fini(&m, 1, 0);
	harness_destroy(h);
}

static bool refused(const char *reply)
{
	return strncmp(reply, "-OOM", 4) == 0;
}

/* ---- MSET: all or nothing ------------------------------------------------------------------------------------ */

#define T100  "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
#define T1100 T100 T100 T100 T100 T100 T100 T100 T100 T100 T100 T100

/* Everything a client can see of keys a to h, and how many others there are. */
static void look_keys(char *text)
{
	static const char *const about[] = {"GET %c", "TYPE %c", "OBJECT ENCODING %c", "PTTL %c"};
	size_t n = 0;

	for (char key = 'a'; key <= 'h'; key++)
		for (size_t q = 0; q < RP_ARRAY_LEN(about); q++)
			n += (size_t)sprintf(text + n, "%s;", runf(h, about[q], key));
	sprintf(text + n, "%s", run(h, "DBSIZE"));
}

static void prepare_keys(void)
{
	run(h, "FLUSHALL");
	for (uint32_t s = 0; s < h->env.nstores; s++)
		while (store_poll(h->stores[s], 1000) > 0)
			;
	run(h, "MSET a 17 b text c " T100 " d " T1100);
	run(h, "SET e timed PX 5000");
	run(h, "RPUSH f 1 2 3");
	h->events[0] = h->effects[0] = '\0';
}

static void watch_all(struct watcher **w)
{
	for (int i = 0; i < 8; i++) {
		char key = (char)('a' + i);
		w[i] = watcher_create(h->own, WATCH_TX, 0);
		assert_true(watch_add(cmd_store(&(struct cmd_ctx){.env = &h->env}, (struct slice){&key, 1}),
				      h->client.db, (struct slice){&key, 1}, w[i]));
	}
}

/* Of which keys was there news? A bit each. */
static uint32_t heard(struct watcher **w)
{
	uint32_t dirty = 0;

	for (uint32_t i = 0; i < 8; i++) {
		dirty |= (uint32_t)watcher_dirty(w[i]) << i;
		watcher_give_up(w[i], h->stores);
	}
	for (uint32_t s = 0; s < h->env.nstores; s++)
		while (store_poll(h->stores[s], 1000) > 0)
			;
	return dirty;
}

static bool once(const char *line, struct heap *heap, uint64_t n, uint32_t *news)
{
	static char before[STATE_TEXT], after[STATE_TEXT];
	struct watcher *w[8];

	prepare_keys();
	look_keys(before);
	watch_all(w);
	heap_fail_after(heap, n);
	bool failed = refused(run(h, line));
	uint32_t dirty = h->dirty;
	heap_fail_after(heap, 0);
	*news = heard(w);
	if (!failed)
		return true;
	assert_int_equal(dirty, 0);
	assert_int_equal(*news, 0);
	expect_events(h, "");
	expect_effects(h, "");
	look_keys(after);
	assert_string_equal(after, before);
	return false;
}

/* Fails the n-th allocation of each heap in turn. */
static void sweep_mset(const char *line, uint32_t changed, bool fails)
{
	uint32_t news, failures = 0;

	for (uint32_t i = 0; i <= h->env.nstores; i++)
		for (uint64_t n = 1; !once(line, i < h->env.nstores ? h->heaps[i] : h->own, n, &news); n++) {
			assert_true(n < 500);
			failures++;
		}
	assert_int_equal(news, changed);
	assert_int_equal(failures > 0, fails);
}

static void sweep_msets(uint32_t nstores)
{
	char many[4096] = "MSET";

	h = harness_create(nstores);
	sweep_mset("MSET g 1 h 2", 0xc0, true);
	sweep_mset("MSET a 18 b 19", 0x03, false); /* written over what is there */
	sweep_mset("MSET g new a 18 b longer-than-before-by-much-and-by-more c 1 d 2 e 3 f 4", 0x7f, true);
	sweep_mset("MSET c " T1100 " h " T1100 " d " T1100, 0x8c, true);
	sweep_mset("MSET g 1 a 1 g " T100 " a " T1100 " g 2 a 2 f 1 f " T1100 " e 1 e 2", 0x71, true);
	sweep_mset("MSETNX g 1 h " T1100 " g 3", 0xc0, true);
	/* More than are kept on the stack, and new buckets of a small index. */
	run(h, "SELECT 1");
	for (int i = 0; i < 150; i++)
		sprintf(many + strlen(many), " key%d %d", i, i);
	sweep_mset(many, 0, true);
	harness_destroy(h);
}

static void test_nomem__mset_sets_all_or_nothing(void **state)
{
	sweep_msets(1);
	sweep_msets(4);
}

static void test_mset__says_what_was_done(void **state)
{
	h = harness_create(1);
	prepare_keys();
	expect(h, "MSET g 1 a 2 g 3 f 4 a " T100, "+OK");
	expect_dirty(h, 5);
	expect_events(h, "set:g set:a set:g set:f set:a");
	expect_effects(h, "MSET g 1 a 2 g 3 f 4 a " T100);
	expect(h, "MGET g a f", "*3 $1 3 $100 " T100 " $1 4");
	harness_destroy(h);
	h = harness_create(4);
	expect(h, "MSET a 1 b 2 a 3", "+OK");
	expect_events(h, "set:a set:b set:a");
	expect_effects(h, "SET a 1; SET b 2; SET a 3");
	harness_destroy(h);
}

/* Random pairs with few keys, memory that ends anywhere, against a table. */
static void test_mset__model(void **state)
{
	static const char *const values[] = {"7", "-123456789012", "text", T100, T1100, "other" T1100, ""};
	const char *model[8] = {NULL};
	struct rng rng;

	h = harness_create(3);
	rng_init(&rng, 5);
	for (int round = 0; round < 4000; round++) {
		struct slice argv[1 + 2 * 6] = {SLICE("MSET")};
		char keys[6];
		uint32_t pairs = 1 + (uint32_t)rng_below(&rng, 6), value[6];
		for (uint32_t i = 0; i < pairs; i++) {
			keys[i] = (char)('a' + rng_below(&rng, 8));
			value[i] = (uint32_t)rng_below(&rng, RP_ARRAY_LEN(values));
			argv[1 + 2 * i] = (struct slice){&keys[i], 1};
			argv[2 + 2 * i] = (struct slice){values[value[i]], strlen(values[value[i]])};
		}
		struct heap *heap = h->heaps[rng_below(&rng, 3)];
		heap_fail_after(heap, rng_below(&rng, 2) ? 1 + rng_below(&rng, 4) : 0);
		bool failed = refused(run_args(h, 1 + 2 * pairs, argv));
		heap_fail_after(heap, 0);
		for (uint32_t i = 0; i < pairs && !failed; i++)
			model[keys[i] - 'a'] = values[value[i]];
		char gone = (char)('a' + rng_below(&rng, 8));
		if (rng_below(&rng, 4) == 0) {
			runf(h, "DEL %c", gone);
			model[gone - 'a'] = NULL;
		}
		for (char key = 'a'; key <= 'h'; key++) {
			const char *want = model[key - 'a'], *got = runf(h, "GET %c", key);
			if (want == NULL)
				assert_string_equal(got, "$-1");
			else
				assert_string_equal(strchr(got, ' ') + 1, want);
		}
		h->events[0] = h->effects[0] = '\0';
	}
	harness_destroy(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nomem__every_command_on_every_layout),
		cmocka_unit_test(test_nomem__counters),
		cmocka_unit_test(test_nomem__mset_sets_all_or_nothing),
		cmocka_unit_test(test_mset__says_what_was_done),
		cmocka_unit_test(test_mset__model),
	};
	harness_eal("test_string_nomem");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
