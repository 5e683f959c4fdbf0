/* The command line: redis-benchmark's habits, and one sentence for each mistake. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "bench/options.h"

#define GOOD "--device", "tap", "--address", "10.0.0.2/24", "-h", "10.0.0.1"

static int parse(struct options *o, struct err *e, int n, const char *const *words)
{
	static char *argv[32]; /* the options point into it */

	memset(argv, 0, sizeof argv);
	argv[0] = (char *)(uintptr_t) "redpoll-bench";
	for (int i = 0; i < n; i++)
		argv[i + 1] = (char *)(uintptr_t)words[i];
	e->text[0] = '\0';
	return options_parse(o, n + 1, argv, e);
}

#define PARSE(...) \
	parse(&o, &e, (int)RP_ARRAY_LEN(((const char *const[]){__VA_ARGS__})), (const char *const[]){__VA_ARGS__})

static void test_options__defaults_are_those_of_redis_benchmark(void **state)
{
	struct options o;
	struct err e;

	assert_int_equal(PARSE(GOOD), 0);
	assert_int_equal(o.port, 6379);
	assert_int_equal(o.conns, 50);
	assert_int_equal(o.requests, 100000);
	assert_int_equal(o.pipeline, 1);
	assert_int_equal(o.value_len, 3);
	assert_int_equal(o.keepalive, 1);
	assert_int_equal(o.ncommand, 0);
	assert_false(o.quiet || o.csv || o.json || o.load || o.verify);
}

static void test_options__letters_words_and_a_command(void **state)
{
	struct options o;
	struct err e;

	assert_int_equal(PARSE(GOOD, "-c", "7", "--requests=9", "--zipf", "0.99", "-q", "--address", "10.0.0.3/24",
			       "-t", "get", "--", "SET", "-x"),
			 0);
	assert_int_equal(o.conns, 7);
	assert_int_equal(o.requests, 9);
	assert_true(o.zipf > 0.98 && o.zipf < 1);
	assert_true(o.quiet);
	assert_int_equal(o.address.n, 2);
	assert_string_equal(o.address.text[1], "10.0.0.3/24");
	assert_string_equal(o.tests, "get");
	assert_int_equal(o.ncommand, 2);
	assert_string_equal(o.command[1], "-x");
}

static void test_options__mistakes_are_refused(void **state)
{
	struct options o;
	struct err e;

	assert_int_equal(PARSE("-h", "10.0.0.1"), -1);
	assert_non_null(strstr(e.text, "--device"));
	assert_int_equal(PARSE("--device", "tap", "-h", "10.0.0.1"), -1);
	assert_non_null(strstr(e.text, "--address"));
	assert_int_equal(PARSE("--device", "tap", "--address", "10.0.0.2/24"), -1);
	assert_non_null(strstr(e.text, "-h"));
	assert_int_equal(PARSE(GOOD, "-c", "0"), -1);
	assert_non_null(strstr(e.text, "'0'"));
	assert_int_equal(PARSE(GOOD, "-c", "1.5"), -1);
	assert_int_equal(PARSE(GOOD, "-c", "-1"), -1);
	assert_int_equal(PARSE(GOOD, "-c", "nan"), -1);
	assert_int_equal(PARSE(GOOD, "-c", "12x"), -1);
	assert_int_equal(PARSE(GOOD, "-c"), -1);
	assert_non_null(strstr(e.text, "CONNS"));
	assert_int_equal(PARSE(GOOD, "--nosuch"), -1);
	assert_non_null(strstr(e.text, "--nosuch"));
	assert_int_equal(PARSE(GOOD, "-"), 0);
	assert_int_equal(PARSE(GOOD, "--quiet=1"), -1);
	assert_int_equal(PARSE(GOOD, "--csv", "--json"), -1);
	assert_int_equal(PARSE(GOOD, "--hugepages", "maybe"), -1);
	assert_int_equal(PARSE(GOOD, "--user", "u"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options__defaults_are_those_of_redis_benchmark),
		cmocka_unit_test(test_options__letters_words_and_a_command),
		cmocka_unit_test(test_options__mistakes_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
