/* What counts as an error and what as wrong: replies as they come, without a network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "bench/loop.h"

#define VALUE_LEN 12
#define KEY       7

static struct hist hist;
static struct conn_sent sent[4];
static struct conn conn;
static struct gen gen;
static struct phase phase;
static struct loop one;

/* One connection with a request of so many commands under way, for each of `requests`. */
static void given(uint32_t commands, uint32_t requests)
{
	hist_init(&hist);
	gen = (struct gen){.replies = commands, .value_len = VALUE_LEN};
	conn = (struct conn){.state = CONN_READY, .sent = sent, .pending = requests};
	phase = (struct phase){.gen = &gen, .hist = &hist, .verify = true};
	one = (struct loop){.phase = &phase, .cur = &conn, .ring_mask = RP_ARRAY_LEN(sent) - 1};
	for (size_t i = 0; i < RP_ARRAY_LEN(sent); i++)
		sent[i].key = KEY;
}

/* They must look like `text`. */
static void expecting(uint32_t commands, const char *text)
{
	given(commands, 1);
	assert_true(expect_init(&phase.expected, text));
}

static void answered(const char *replies)
{
	conn_sink(&one, &one.sink);
	assert_int_equal(replies_feed(&conn.reader, replies, strlen(replies), &one.sink), 0);
}

#define ONE_MULTI    "+ ; + ; + ; * : :"
#define QUEUED_TWICE "+OK\r\n+QUEUED\r\n+QUEUED\r\n"

static void assert_judged(uint64_t errors, uint64_t wrong)
{
	assert_int_equal(phase.done, 1);
	assert_int_equal(conn.pending, 0);
	assert_int_equal(phase.errors, errors);
	assert_int_equal(phase.wrong, wrong);
}

static void test_verify__a_transaction_that_is_right(void **state)
{
	expecting(4, ONE_MULTI);
	answered(QUEUED_TWICE);
	assert_int_equal(phase.done, 0);
	answered("*2\r\n:1\r\n:1\r\n");
	assert_judged(0, 0);
}

static void test_verify__an_error_inside_of_exec_is_an_error(void **state)
{
	expecting(4, ONE_MULTI);
	answered(QUEUED_TWICE "*2\r\n:1\r\n-ERR value is not an integer\r\n");
	assert_judged(1, 0);
	assert_string_equal(one.error, "ERR value is not an integer");
	given(4, 1); /* also without anything expected */
	phase.verify = false;
	answered(QUEUED_TWICE "*2\r\n-ERR no\r\n:1\r\n");
	assert_judged(1, 0);
}

static void test_verify__an_error_of_any_command_is_one_error(void **state)
{
	expecting(4, ONE_MULTI);
	answered("+OK\r\n-ERR unknown command\r\n+QUEUED\r\n-EXECABORT no\r\n");
	assert_judged(1, 0);
	assert_string_equal(one.error, "ERR unknown command");
}

static void test_verify__the_next_request_is_judged_anew(void **state)
{
	given(4, 3);
	assert_true(expect_init(&phase.expected, ONE_MULTI));
	answered(QUEUED_TWICE "*2\r\n:1\r\n-ERR no\r\n");
	answered(QUEUED_TWICE "*2\r\n:1\r\n:2\r\n");
	answered(QUEUED_TWICE "*2\r\n:1\r\n$1\r\n2\r\n");
	assert_int_equal(phase.done, 3);
	assert_int_equal(phase.errors, 1);
	assert_int_equal(phase.wrong, 1);
}

static void test_verify__every_reply_and_element_is_judged(void **state)
{
	static const struct {
		const char *wire, *said;
	} cases[] = {
		{QUEUED_TWICE "*2\r\n:1\r\n$3\r\nabc\r\n", "a reply of type '$' where one of ':' should be"},
		{QUEUED_TWICE "*2\r\n$-1\r\n:1\r\n", "nil where a reply of type ':' should be"},
		{QUEUED_TWICE "*1\r\n:1\r\n", "more or fewer elements"},
		{QUEUED_TWICE "*3\r\n:1\r\n:2\r\n:3\r\n", "more or fewer elements"},
		{QUEUED_TWICE "*0\r\n", "more or fewer elements"},
		{QUEUED_TWICE "*-1\r\n", "nil where a reply of type '*' should be"},
		{"+OK\r\n:5\r\n+QUEUED\r\n*2\r\n:1\r\n:2\r\n", "a reply of type ':' where one of '+' should be"},
		{":0\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n:2\r\n", "a reply of type ':' where one of '+' should be"},
	};

	for (size_t i = 0; i < RP_ARRAY_LEN(cases); i++) {
		expecting(4, ONE_MULTI);
		answered(cases[i].wire);
		assert_judged(0, 1);
		assert_non_null(strstr(phase.first_wrong, cases[i].said));
	}
}

static void test_verify__without_it_nothing_is_wrong(void **state)
{
	expecting(4, ONE_MULTI);
	phase.verify = false;
	answered(QUEUED_TWICE "*1\r\n$-1\r\n");
	assert_judged(0, 0);
}

/* A bulk string that is the key's value, or differs in its last byte. */
static const char *value(bool right)
{
	static char text[64];
	char bytes[VALUE_LEN + 1] = "";

	gen_value(bytes, KEY, 0, VALUE_LEN);
	bytes[VALUE_LEN - 1] ^= right ? 0 : 1;
	snprintf(text, sizeof text, "$%d\r\n%s\r\n", VALUE_LEN, bytes);
	return text;
}

static void test_verify__values_inside_of_exec(void **state)
{
	const char *const own[] = {"multi", ";",   "get", "key:__rand_int__", ";", "GET", "key:__rand_int__",
				   ";",     "exec"};

	for (int right = 0; right < 2; right++) {
		given(4, 1);
		expect_own(&phase.expected, own, RP_ARRAY_LEN(own), true);
		answered(QUEUED_TWICE "*2\r\n");
		answered(value(right));
		answered("$1\r\nx\r\n"); /* of a key that is not remembered */
		assert_judged(0, !right);
		assert_true(right || strstr(phase.first_wrong, "wrong value of key 7"));
	}
	given(4, 1);
	expect_own(&phase.expected, own, RP_ARRAY_LEN(own), true);
	answered(QUEUED_TWICE "*2\r\n$0\r\n\r\n$1\r\nx\r\n");
	assert_judged(0, 1);
}

static void test_verify__values_of_get(void **state)
{
	for (int right = 0; right < 2; right++) {
		expecting(1, "v");
		answered(value(right));
		assert_judged(0, !right);
	}
	expecting(1, "v");
	answered("$-1\r\n");
	assert_judged(0, 1);
	expecting(1, "$_");
	answered("$-1\r\n");
	assert_judged(0, 0);
}

#define OWN(...) \
	expect_own(&x, (const char *const[]){__VA_ARGS__}, RP_ARRAY_LEN(((const char *const[]){__VA_ARGS__})), true)
#define GET "GET", "key:__rand_int__"

static void test_expect_own__only_what_is_known(void **state)
{
	struct expect x;

	OWN(GET);
	assert_string_equal(expect_word(&x, 0, 0), "v");
	OWN("GET", "other:__rand_int__");
	assert_int_equal(x.ngroups, 0);
	OWN("EVAL", "return 1", "0");
	assert_int_equal(x.ngroups, 0);
	OWN("MULTI", ";", GET, ";", GET, ";", "EXEC");
	assert_int_equal(x.ngroups, 4);
	assert_string_equal(expect_word(&x, 3, 1), "v");
	assert_string_equal(expect_word(&x, 3, 2), "$");
	OWN("MULTI", ";", "SET", "key:__rand_int__", "x", ";", GET, ";", "EXEC"); /* values change */
	assert_int_equal(x.ngroups, 4);
	assert_string_equal(expect_word(&x, 3, 0), "*");
	assert_null(expect_word(&x, 3, 1));
	OWN("MULTI", ";", GET, ";", "DISCARD");
	assert_int_equal(x.ngroups, 0);
	OWN("MULTI", ";", GET, ";", "EXEC", ";", GET);
	assert_int_equal(x.ngroups, 0);
	OWN("MULTI", ";", GET);
	assert_int_equal(x.ngroups, 0);
	OWN("MULTI", ";", "EXEC");
	assert_int_equal(x.ngroups, 2);
	const char *const plain[] = {GET};
	expect_own(&x, plain, 2, false);
	assert_int_equal(x.ngroups, 0);
}

static void test_expect__texts_too_long_are_refused(void **state)
{
	struct expect x;
	char text[4 * EXPECT_WORDS] = "";

	for (int i = 0; i <= EXPECT_WORDS; i++) {
		assert_int_equal(expect_init(&x, text), true);
		strcat(text, ": ");
	}
	assert_int_equal(expect_init(&x, text), false);
	assert_int_equal(expect_init(&x, ":+$_"), false);
	const char *many[2 * EXPECT_WORDS + 1];
	for (int i = 0; i < 2 * EXPECT_WORDS; i++)
		many[i] = i % 2 ? ";" : i == 0 ? "MULTI" : "PING";
	many[2 * EXPECT_WORDS] = "EXEC";
	expect_own(&x, many, RP_ARRAY_LEN(many), false);
	assert_int_equal(x.ngroups, 0);
#define TEST(word, title, expected, command) assert_true(expect_init(&x, expected));
#include "bench/tests.def"
#undef TEST
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verify__a_transaction_that_is_right),
		cmocka_unit_test(test_verify__an_error_inside_of_exec_is_an_error),
		cmocka_unit_test(test_verify__an_error_of_any_command_is_one_error),
		cmocka_unit_test(test_verify__the_next_request_is_judged_anew),
		cmocka_unit_test(test_verify__every_reply_and_element_is_judged),
		cmocka_unit_test(test_verify__without_it_nothing_is_wrong),
		cmocka_unit_test(test_verify__values_inside_of_exec),
		cmocka_unit_test(test_verify__values_of_get),
		cmocka_unit_test(test_expect_own__only_what_is_known),
		cmocka_unit_test(test_expect__texts_too_long_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
