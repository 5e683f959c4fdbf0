/* What programs read: the columns of CSV, and what JSON says of the same run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "bench/report.h"

#define COLUMNS 17

static struct options opts;
static struct loop one; /* TSC of 1 GHz */
static struct phase phase;
static struct hist hist;

static void given(const char *title)
{
	opts = (struct options){.csv = true};
	one = (struct loop){.ns_mult = UINT64_C(1) << 32, .keepalive = true};
	phase = (struct phase){.title = title, .hist = &hist, .last_tsc = 1000000000};
	hist_init(&hist);
}

/* What the report of `phase` prints. */
static const char *printed(void)
{
	static char text[4096];
	FILE *f = tmpfile();

	assert_non_null(f);
	fflush(stdout);
	int before = dup(STDOUT_FILENO);
	dup2(fileno(f), STDOUT_FILENO);
	report_begin(&opts);
	report_test(&opts, &one, &phase, true);
	report_end(&opts);
	dup2(before, STDOUT_FILENO);
	close(before);
	rewind(f);
	text[fread(text, 1, sizeof text - 1, f)] = '\0';
	fclose(f);
	return text;
}

/* Splits quoted fields where they stand; how many there are. */
static uint32_t split(char *line, const char **fields)
{
	uint32_t n = 0;

	for (char *p = line; *p == '"'; p += p[1] == ',' ? 2 : 1) {
		fields[n++] = ++p;
		while (*p != '"')
			p++;
		*p = '\0';
		assert_true(n <= COLUMNS);
	}
	return n;
}

static const char *field(const char *name)
{
	static char head[2048], row[2048];
	const char *names[COLUMNS + 1] = {0}, *values[COLUMNS + 1] = {0};

	assert_int_equal(sscanf(printed(), "%2047[^\n]\n%2047[^\n]", head, row), 2);
	assert_int_equal(split(head, names), COLUMNS);
	assert_int_equal(split(row, values), COLUMNS);
	for (uint32_t i = 0; i < COLUMNS; i++)
		if (names[i] != NULL && strcmp(names[i], name) == 0)
			return values[i];
	return "no such column";
}

static void test_report_csv__columns_of_redis_benchmark_come_first(void **state)
{
	given("GET");
	assert_ptr_equal(strstr(printed(), "\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\","
					   "\"p95_latency_ms\",\"p99_latency_ms\",\"max_latency_ms\","),
			 printed());
	assert_string_equal(field("test"), "GET");
}

static void test_report_csv__a_rate_that_was_not_kept_is_seen(void **state)
{
	given("SET");
	phase.done = 700;
	phase.unsent = 300;
	phase.reopened = 2;
	phase.lost = 5;
	assert_string_equal(field("requests"), "700");
	assert_string_equal(field("unsent"), "300");
	assert_string_equal(field("reopened"), "2");
	assert_string_equal(field("lost"), "5");
	opts = (struct options){.json = true, .device = "tap"};
	assert_non_null(strstr(printed(), "\"unsent\": 300, \"reopened\": 2"));
}

static void test_report_csv__latencies_have_three_digits(void **state)
{
	static const struct {
		uint64_t ns;
		const char *said;
	} cases[] = {
		{0, "0.000"},      {7, "0.000007"},   {362, "0.000362"},        {3620, "0.00362"},
		{36200, "0.0362"}, {362000, "0.362"}, {3620000, "3.620"},       {36212345, "36.212"},
		{100000, "0.100"}, {99900, "0.0999"}, {1234567890, "1234.568"}, {1000, "0.00100"},
	};

	for (size_t i = 0; i < RP_ARRAY_LEN(cases); i++) {
		given("GET");
		hist_record(&hist, cases[i].ns);
		assert_string_equal(field("min_latency_ms"), cases[i].said);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_report_csv__columns_of_redis_benchmark_come_first),
		cmocka_unit_test(test_report_csv__a_rate_that_was_not_kept_is_seen),
		cmocka_unit_test(test_report_csv__latencies_have_three_digits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
