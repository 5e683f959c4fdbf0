/* Globs against a naive recursive matcher, and the answers of redis-server for the odd ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/glob.h"
#include "base/rng.h"

static bool match(const char *pattern, const char *text)
{
	return glob_match((struct slice){pattern, strlen(pattern)}, (struct slice){text, strlen(text)}, false);
}

static void test_glob__answers_of_redis(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool hit;
	} cases[] = {
		{"*", "", false},
		{"", "", true},
		{"", "a", false},
		{"?", "", false},
		{"a*c", "abbbc", true},
		{"a*c", "abbbd", false},
		{"h[ae]llo", "hallo", true},
		{"h[ae]llo", "hillo", false},
		{"h[^e]llo", "hallo", true},
		{"h[^e]llo", "hello", false},
		{"[a-c]", "b", true},
		{"[c-a]", "b", true},
		{"[a-c]", "d", false},
		{"\\*", "*", true},
		{"\\*", "x", false},
		{"[]", "a", false},
		{"[^]", "a", true},
		{"[a", "a", true},
		{"[a", "b", false},
		{"[\\]]", "]", true},
		{"a\\", "a\\", true},
		{"**", "", false},
		{"[", "[", false},
		{"[^", "a", true},
		{"[\\", "\\", true},
		{"a[", "a", false},
		{"[\\a-z]", "-", true},
		{"[a-c", "b", true},
		{"[a-]", "-", false},
		{"[a-]", "_", true},
		{"**a**", "bab", true},
		{"a?c", "abc", true},
	};
	for (size_t i = 0; i < RP_ARRAY_LEN(cases); i++)
		if (match(cases[i].pattern, cases[i].text) != cases[i].hit)
			fail_msg("%s against %s", cases[i].pattern, cases[i].text);
}

static void test_glob__nocase_folds_ascii(void **state)
{
	assert_true(glob_match(SLICE("H[A-C]*o"), SLICE("hbLLO"), true));
	assert_false(glob_match(SLICE("H[A-C]*o"), SLICE("hbLLO"), false));
	assert_true(glob_match(SLICE("\\A"), SLICE("a"), true));
}

/* Plain backtracking over '*', '?' and letters. */
static bool naive(const char *p, const char *s)
{
	if (*p == '\0')
		return *s == '\0';
	if (*p == '*')
		return naive(p + 1, s) || (*s && naive(p, s + 1));
	return *s && (*p == '?' || *p == *s) && naive(p + 1, s + 1);
}

static void test_glob__same_as_naive_matcher(void **state)
{
	struct rng r;
	int hits = 0;
	rng_init(&r, 3);
	for (int i = 0; i < 200000; i++) {
		char p[9] = {0}, s[11] = {0};
		for (size_t k = rng_below(&r, 9); k > 0; k--)
			p[k - 1] = "ab*?"[rng_below(&r, 4)];
		for (size_t k = 1 + rng_below(&r, 10); k > 0; k--)
			s[k - 1] = "ab"[rng_below(&r, 2)];
		bool want = naive(p, s);
		hits += want;
		if (match(p, s) != want)
			fail_msg("%s against %s", p, s);
	}
	assert_true(hits > 1000);
}

static void test_glob__nested_stars_are_polynomial(void **state)
{
	static char text[20001];
	memset(text, 'a', sizeof(text) - 1);
	assert_false(match("a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_glob__answers_of_redis),
		cmocka_unit_test(test_glob__nocase_folds_ascii),
		cmocka_unit_test(test_glob__same_as_naive_matcher),
		cmocka_unit_test(test_glob__nested_stars_are_polynomial),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
