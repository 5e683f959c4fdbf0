/* Growing text, INFO's choice of sections, percentiles, latency series and their drawing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "ctrlplane/ctrl_info.h"
#include "ctrlplane/ctrl_latency.h"
#include "ctrlplane/ctrl_memory.h"

static void test_text__bytes_for_people(void **state)
{
	assert_string_equal(TEXT_HUMAN(0), "0B");
	assert_string_equal(TEXT_HUMAN(1023), "1023B");
	assert_string_equal(TEXT_HUMAN(1536), "1.50K");
	assert_string_equal(TEXT_HUMAN(1511976), "1.44M");
	assert_string_equal(TEXT_HUMAN(25276510208), "23.54G");
	assert_string_equal(TEXT_HUMAN(1ull << 60), "1024.00P");
}

static void test_text__grows(void **state)
{
	struct text t = {.buf = NULL};

	for (int i = 0; i < 2000; i++)
		text_add(&t, "%04d\n", i);
	assert_false(t.failed);
	assert_int_equal(t.len, 10000);
	assert_memory_equal(t.buf + 9995, "1999\n", 6);
	text_free(&t);
}

static uint32_t choose(const char *word, bool *chosen)
{
	uint32_t n = 0;

	memset(chosen, 0, INFO_SECTIONS);
	info_choose((struct slice){word, strlen(word)}, chosen);
	for (uint32_t i = 0; i < INFO_SECTIONS; i++)
		n += chosen[i];
	return n;
}

static void test_info__words_choose_sections(void **state)
{
	bool a[INFO_SECTIONS], b[INFO_SECTIONS];

	assert_int_equal(choose("all", a), INFO_SECTIONS);
	assert_int_equal(choose("EVERYTHING", a), INFO_SECTIONS);
	assert_int_equal(choose("default", a), INFO_SECTIONS - 3);
	assert_int_equal(choose("nosuch", a), 0);
	assert_int_equal(choose("Modules", a), 1);
	assert_int_equal(choose("module_list", b), 1);
	assert_memory_equal(a, b, sizeof a);
}

static void test_stats__bounds_are_those_of_redis(void **state)
{
	static const uint64_t us[] = {1, 2, 4, 8, 16, 33, 66, 132, 264, 528, 1056};

	for (uint32_t i = 0; i < RP_ARRAY_LEN(us); i++)
		assert_int_equal(stats_bucket_ns(9 + i) / 1000, us[i]);
}

static void test_stats__percentiles(void **state)
{
	struct cmd_stat st = {.calls = 0};

	assert_int_equal(stats_percentile_ns(&st, 50), 0);
	st.hist[10] = 98;
	st.hist[20] = 2;
	assert_int_equal(stats_percentile_ns(&st, 50), stats_bucket_ns(10));
	assert_int_equal(stats_percentile_ns(&st, 99), stats_bucket_ns(20));
}

static void test_latency__ring_keeps_the_newest(void **state)
{
	struct latency *l = latency_create();
	struct latency_sample s[LATENCY_SAMPLES];
	struct latency_summary sum;

	for (uint32_t i = 1; i <= LATENCY_SAMPLES + 10; i++)
		latency_add(l, "e", i, i == 1 ? 1000 : i);
	const struct latency_event *e = latency_find(l, SLICE("e"));
	assert_int_equal(latency_series(e, s), LATENCY_SAMPLES);
	assert_int_equal(s[0].at_s, 11);
	assert_int_equal(s[LATENCY_SAMPLES - 1].at_s, LATENCY_SAMPLES + 10);
	assert_int_equal(e->max_ms, 1000);
	latency_summarise(e, &sum);
	assert_int_equal(sum.min_ms, 11);
	assert_int_equal(sum.max_ms, LATENCY_SAMPLES + 10);
	assert_int_equal(sum.span_s, LATENCY_SAMPLES - 1);
	latency_destroy(l);
}

static void test_latency__events_are_bounded(void **state)
{
	struct latency *l = latency_create();
	char name[] = "a";

	for (uint32_t i = 0; i < LATENCY_EVENTS + 3; i++, name[0]++)
		latency_add(l, name, 1, 1);
	assert_int_equal(l->nevents, LATENCY_EVENTS);
	assert_true(latency_forget(l, SLICE("b")));
	assert_false(latency_forget(l, SLICE("b")));
	assert_non_null(latency_find(l, SLICE("a")));
	assert_non_null(latency_find(l, SLICE("c")));
	latency_destroy(l);
}

static void test_latency__graph(void **state)
{
	struct latency *l = latency_create();
	struct text t = {.buf = NULL};

	latency_add(l, "command", 967, 20);
	latency_add(l, "command", 995, 5);
	latency_graph(latency_find(l, SLICE("command")), 1000, &t);
	assert_non_null(strstr(t.buf, "command - high 20 ms, low 5 ms (all time high 20 ms)\n"));
	assert_non_null(strstr(t.buf, "-\n# \n# \n# \n#_\n35\n3s\ns \n"));
	text_free(&t);
	latency_destroy(l);
}

static void test_memory__doctor_names_what_it_finds(void **state)
{
	struct memory_figures m = {.used = 1000, .dataset = 1000};
	struct text t = {.buf = NULL};

	memory_advise(&m, 0, 0, &t);
	assert_string_equal(t.buf, "There is too little data here for a diagnosis.\n");
	text_free(&t);
	m = (struct memory_figures){.used = 95 << 20, .dataset = 90 << 20, .peak = 95 << 20, .heap_used = 1};
	memory_advise(&m, 100 << 20, 0, &t);
	assert_non_null(strstr(t.buf, "95.00M of maxmemory 100.00M"));
	text_free(&t);
	memory_advise(&m, 0, 0, &t);
	assert_string_equal(t.buf, "Nothing is wrong with the memory.\n");
	text_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text__bytes_for_people),
		cmocka_unit_test(test_text__grows),
		cmocka_unit_test(test_info__words_choose_sections),
		cmocka_unit_test(test_stats__bounds_are_those_of_redis),
		cmocka_unit_test(test_stats__percentiles),
		cmocka_unit_test(test_latency__ring_keeps_the_newest),
		cmocka_unit_test(test_latency__events_are_bounded),
		cmocka_unit_test(test_latency__graph),
		cmocka_unit_test(test_memory__doctor_names_what_it_finds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
