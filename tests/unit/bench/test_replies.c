/* The reply reader: the same events wherever the stream is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "bench/replies.h"

struct seen {
	char text[1024]; /* one line of events */
	size_t len;
	bool elements; /* are told as well */
};

static void on_reply(void *ctx, char type, bool nil)
{
	struct seen *s = ctx;
	s->len += (size_t)snprintf(s->text + s->len, sizeof s->text - s->len, "%c%s ", type, nil ? "nil" : "");
}

static void on_bulk(void *ctx, const char *p, size_t n, uint64_t off, uint64_t total)
{
	struct seen *s = ctx;
	if (off == 0)
		s->len += (size_t)snprintf(s->text + s->len, sizeof s->text - s->len, "%lu:", total);
	s->len += (size_t)snprintf(s->text + s->len, sizeof s->text - s->len, "%.*s", (int)n, n ? p : "");
}

static void on_error(void *ctx, const char *p, size_t n, bool last)
{
	struct seen *s = ctx;
	s->len += (size_t)snprintf(s->text + s->len, sizeof s->text - s->len, "%.*s", (int)n, p);
	if (last) {
		assert_true(s->len > 0 && s->text[s->len - 1] == '\r');
		s->text[--s->len] = '\0';
	}
}

static void on_element(void *ctx, char type, bool nil)
{
	struct seen *s = ctx;
	s->len += (size_t)snprintf(s->text + s->len, sizeof s->text - s->len, "(%c%s)", type, nil ? "nil" : "");
}

static int feed(struct reply_reader *r, struct seen *s, const char *p, size_t n)
{
	struct reply_sink sink = {.ctx = s, .reply = on_reply, .bulk = on_bulk, .error = on_error};
	sink.element = s->elements ? on_element : NULL;
	/* A copy of its own: a read beyond the piece is seen by the sanitizer. */
	char *copy = malloc(n ? n : 1);
	memcpy(copy, p, n);
	int ret = replies_feed(r, copy, n, &sink);
	free(copy);
	return ret;
}

static const struct {
	const char *wire, *events;
} streams[] = {
	{"+OK\r\n+PONG\r\n", "+ + "},
	{":12\r\n:-3\r\n", ": : "},
	{"$5\r\nhello\r\n$0\r\n\r\n$2\r\n\r\n\r\n", "5:hello$ 0:$ 2:\r\n$ "},
	{"$-1\r\n*-1\r\n_\r\n", "$nil *nil _nil "},
	{"-ERR no\r\n+OK\r\n", "ERR no- + "},
	{"*3\r\n$1\r\na\r\n:1\r\n$-1\r\n+OK\r\n", "* + "},
	{"*0\r\n*2\r\n*0\r\n*1\r\n*2\r\n-ERR inner\r\n$-1\r\n:7\r\n", "* ERR inner* : "},
	{"%2\r\n+a\r\n:1\r\n+b\r\n~2\r\n:1\r\n:2\r\n,1.5\r\n#t\r\n(123456789012345678901\r\n", "% , # ( "},
	{"=8\r\ntxt:some\r\n!5\r\nERR x\r\n", "8:txt:some= 5:ERR x! "},
	{">3\r\n+message\r\n+c\r\n$1\r\nx\r\n:1\r\n", ": "},
	{">2\r\n+x\r\n-not yours\r\n+OK\r\n", "+ "},
	{"|1\r\n+ttl\r\n:3\r\n$2\r\nhi\r\n:1\r\n", "* : "},
};

static void test_replies__whole(void **state)
{
	for (size_t i = 0; i < RP_ARRAY_LEN(streams); i++) {
		struct reply_reader r = {0};
		struct seen s = {0};
		assert_int_equal(feed(&r, &s, streams[i].wire, strlen(streams[i].wire)), 0);
		assert_string_equal(s.text, streams[i].events);
		assert_int_equal(r.left, 0);
	}
}

static void test_replies__cut_at_any_two_places(void **state)
{
	for (size_t i = 0; i < RP_ARRAY_LEN(streams); i++) {
		const char *w = streams[i].wire;
		size_t n = strlen(w);
		for (size_t a = 0; a <= n; a++) {
			for (size_t b = a; b <= n; b++) {
				struct reply_reader r = {0};
				struct seen s = {0};
				assert_int_equal(feed(&r, &s, w, a), 0);
				assert_int_equal(feed(&r, &s, w + a, b - a), 0);
				assert_int_equal(feed(&r, &s, w + b, n - b), 0);
				assert_string_equal(s.text, streams[i].events);
			}
		}
	}
}

static void test_replies__elements_wherever_it_is_cut(void **state)
{
	static const struct {
		const char *wire, *events;
	} nested[] = {
		{"*3\r\n$1\r\na\r\n:1\r\n$-1\r\n+OK\r\n", "($)1:a(:)($nil)* + "},
		{"*2\r\n*1\r\n-ERR inner\r\n$0\r\n\r\n", "(*)(-)ERR inner($)0:* "},
		{"*3\r\n*-1\r\n_\r\n%1\r\n+a\r\n#t\r\n:1\r\n", "(*nil)(_nil)(%)(+)(#)* : "},
		{">2\r\n+x\r\n$1\r\ny\r\n$2\r\nhi\r\n", "2:hi$ "},
	};

	for (size_t i = 0; i < RP_ARRAY_LEN(nested); i++) {
		for (size_t a = 0; a <= strlen(nested[i].wire); a++) {
			struct reply_reader r = {0};
			struct seen s = {.elements = true};
			assert_int_equal(feed(&r, &s, nested[i].wire, a), 0);
			assert_int_equal(feed(&r, &s, nested[i].wire + a, strlen(nested[i].wire) - a), 0);
			assert_string_equal(s.text, nested[i].events);
		}
	}
}

static void test_replies__byte_by_byte(void **state)
{
	for (size_t i = 0; i < RP_ARRAY_LEN(streams); i++) {
		struct reply_reader r = {0};
		struct seen s = {0};
		for (const char *p = streams[i].wire; *p; p++)
			assert_int_equal(feed(&r, &s, p, 1), 0);
		assert_string_equal(s.text, streams[i].events);
	}
}

static void test_replies__what_is_no_resp_is_refused(void **state)
{
	static const char *const bad[] = {
		"HTTP/1.1 400\r\n",          "$x\r\n",      "$\r\n",           "*1a\r\n", "$--1\r\n", "$1-\r\n",
		"$99999999999999999999\r\n", "+OK\r\n\r\n", "$3\r\nabcd\r\n\n"};
	for (size_t i = 0; i < RP_ARRAY_LEN(bad); i++) {
		struct reply_reader r = {0};
		struct seen s = {0};
		assert_int_equal(feed(&r, &s, bad[i], strlen(bad[i])), -1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replies__whole),
		cmocka_unit_test(test_replies__cut_at_any_two_places),
		cmocka_unit_test(test_replies__elements_wherever_it_is_cut),
		cmocka_unit_test(test_replies__byte_by_byte),
		cmocka_unit_test(test_replies__what_is_no_resp_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
