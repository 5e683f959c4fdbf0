#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "resp/error_stats.h"

static void count(struct error_stats *s, const char *text)
{
	error_stats_count(s, (struct slice){text, strlen(text)});
}

static void test_error_stats__counts_by_the_first_word(void **state)
{
	struct error_stats s = {.total = 0};

	count(&s, "ERR syntax error");
	count(&s, "ERR no such key");
	count(&s, "WRONGTYPE Operation");
	count(&s, "OOM");
	assert_int_equal(error_stats_of(&s, "ERR"), 2);
	assert_int_equal(error_stats_of(&s, "WRONGTYPE"), 1);
	assert_int_equal(error_stats_of(&s, "OOM"), 1);
	assert_int_equal(error_stats_of(&s, "ER"), 0);
	assert_int_equal(s.total, 4);
}

static void test_error_stats__long_codes_are_cut_and_too_many_only_summed(void **state)
{
	struct error_stats s = {.total = 0};
	char text[100];

	memset(text, 'X', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	count(&s, text);
	count(&s, text);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.e[0].count, 2);
	for (int i = 0; i < 200; i++) {
		snprintf(text, sizeof text, "CODE%d text", i);
		count(&s, text);
	}
	assert_int_equal(s.n, ERROR_CODES);
	assert_int_equal(s.total, 202);
	assert_int_equal(error_stats_of(&s, "CODE10"), 1);
	assert_int_equal(error_stats_of(&s, "CODE150"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_error_stats__counts_by_the_first_word),
		cmocka_unit_test(test_error_stats__long_codes_are_cut_and_too_many_only_summed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
