/* Requests and protocol errors, whatever the pieces they arrive in. */
#include "tests/unit/resp/fixture.h"

#include <stdio.h>

#define ARENA 64

static const struct resp_limits limits = {.max_bulk = 512u << 20};
static const struct resp_limits unauth = {.max_bulk = 512u << 20, .unauthenticated = true};

/* Appends one request to a transcript: "[arg|arg]". */
static size_t transcribe(char *out, size_t at, const struct resp_request *req)
{
	out[at++] = '[';
	for (uint32_t i = 0; i < req->argc; i++) {
		memcpy(out + at, req->argv[i].ptr, req->argv[i].len);
		at += req->argv[i].len;
		out[at++] = i + 1 < req->argc ? '|' : ']';
	}
	return at;
}

/* Parses all that is there; returns the transcript, ending in "!text" after an error. */
static void drain(struct resp_parser *p, struct bufq *q, const struct resp_limits *lim, char *out, size_t *at)
{
	struct slice arena[ARENA];
	struct resp_request req;
	enum resp_status st;
	while ((st = resp_parser_next(p, q, lim, arena, ARENA, &req)) == RESP_REQUEST || st == RESP_EMPTY) {
		if (st == RESP_REQUEST) {
			*at = transcribe(out, *at, &req);
			resp_request_free(&req, p->heap);
			assert_true(req.end_pos == q->cur_pos && req.begin_pos < req.end_pos);
		}
		bufq_release(q, resp_parser_hold_pos(p, q));
	}
	if (st == RESP_PROTOCOL)
		*at += (size_t)snprintf(out + *at, RESP_ERROR_MAX + 1, "!%s",
					resp_parser_error(p, (char[RESP_ERROR_MAX]){0}));
	out[*at] = '\0';
}

static const char *parse_split(const char *text, size_t len, size_t first, size_t piece, const struct resp_limits *lim)
{
	static char out[300000];
	struct resp_parser p;
	struct bufq q;
	size_t at = 0;
	bufq_init(&q);
	resp_parser_init(&p, fx_heap);
	*out = '\0';
	if (first > 0) {
		fx_push(&q, text, first, 2000);
		drain(&p, &q, lim, out, &at);
	}
	for (size_t off = first; off < len && !strchr(out, '!'); off += piece) {
		/* Buffers with no room left, so that the pieces stay apart. */
		struct rte_mbuf *m = fx_buf(text + off, RP_MIN(piece, len - off));
		if (q.tail)
			q.tail->buf_len = (uint16_t)(q.tail->data_off + q.tail->data_len);
		uint16_t whole = m->buf_len;
		bufq_push(&q, m);
		for (struct rte_mbuf *b = q.head; b; b = b->next)
			b->buf_len = whole;
		drain(&p, &q, lim, out, &at);
	}
	resp_parser_fini(&p);
	bufq_clear(&q);
	assert_int_equal(rte_mempool_in_use_count(fx_pool), 0);
	assert_int_equal(fx_heap_used(), 0);
	return out;
}

static void check(const char *text, size_t len, const struct resp_limits *lim, const char *want)
{
	assert_string_equal(parse_split(text, len, 0, 2000, lim), want);
	assert_string_equal(parse_split(text, len, 0, 1, lim), want);
	assert_string_equal(parse_split(text, len, 0, 3, lim), want);
	for (size_t first = 1; first < len && len < 2000; first++)
		assert_string_equal(parse_split(text, len, first, 2000, lim), want);
}

static void accepts(const char *text, const char *want)
{
	check(text, strlen(text), &limits, want);
}

static void test_resp_parser__pipelines_split_anywhere(void **state)
{
	accepts("*1\r\n$4\r\nPING\r\n", "[PING]");
	accepts("*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$12\r\nhello\r\nworld\r\n*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n",
		"[SET|key|hello\r\nworld][GET|key]");
	accepts("*2\r\n$4\r\nECHO\r\n$0\r\n\r\n*-1\r\n*0\r\nPING\r\n", "[ECHO|][PING]");
	accepts("*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n", "[PING][PING]");
	accepts("*1\rx$4\rxPING\r\n", "[PING]");
	accepts("*2\r\n$4\r\nECHO\r\n$105\r\n"
		"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789ab"
		"cde"
		"\r\nPING\n",
		"[ECHO|"
		"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
		"abcde][PING]");
}

static void test_resp_parser__inline_commands(void **state)
{
	accepts("PING\r\n", "[PING]");
	accepts("\r\n  \r\nset  a\tb \n", "[set|a|b]");
	accepts("PING \"\\x41\\n\\\"\"\n", "[PING|A\n\"]");
	accepts("PING 'a\\'b\\n'\r\n", "[PING|a'b\\n]");
	accepts("PING a\"b c\"\r\n", "[PING|ab c]");
	accepts("PING ''\r\n", "[PING|]");
	accepts("PING \"\\xzz\"\r\n", "[PING|xzz]");
	accepts("PING\va\r\n", "[PING\va]");
	accepts("PING \"a\r\n", "!Protocol error: unbalanced quotes in request");
	accepts("PING \"a\"b\r\n", "!Protocol error: unbalanced quotes in request");
	accepts("PING 'a\r\n", "!Protocol error: unbalanced quotes in request");
	accepts("PING \"abc\\\"\r\n", "!Protocol error: unbalanced quotes in request");
	accepts("PING \"a\\\r\n", "!Protocol error: unbalanced quotes in request");
	check("PING a\0b\r\nPING\r\n", 16, &limits, "[PING|a][PING]");
}

static void test_resp_parser__protocol_errors_of_redis(void **state)
{
	accepts("*abc\r\n", "!Protocol error: invalid multibulk length");
	accepts("*\r\n", "!Protocol error: invalid multibulk length");
	accepts("*01\r\n", "!Protocol error: invalid multibulk length");
	accepts("*1\nPING\r\n", "!Protocol error: invalid multibulk length");
	accepts("*2147483648\r\n", "!Protocol error: invalid multibulk length");
	accepts("*99999999999999999999999999\r\n", "!Protocol error: invalid multibulk length");
	accepts("PING\r\n*1\r\nx4\r\nPING\r\n", "[PING]!Protocol error: expected '$', got 'x'");
	accepts("*1\r\n\r\n", "!Protocol error: expected '$', got '\r'");
	accepts("*1\r\n$\r\n", "!Protocol error: invalid bulk length");
	accepts("*1\r\n$-1\r\n", "!Protocol error: invalid bulk length");
	accepts("*1\r\n$03\r\nabc\r\n", "!Protocol error: invalid bulk length");
	accepts("*1\r\n$536870913\r\n", "!Protocol error: invalid bulk length");
	check("*11\r\n", 5, &unauth, "!Protocol error: unauthenticated multibulk length");
	check("*1\r\n$16385\r\n", 12, &unauth, "!Protocol error: unauthenticated bulk length");
	check("*1\r\n$4\r\nPING\r\n", 14, &unauth, "[PING]");
}

static void test_resp_parser__endless_lines_are_refused(void **state)
{
	static char line[RESP_INLINE_MAX + 2000];
	memset(line, '1', sizeof(line));
	assert_string_equal(parse_split(line, sizeof(line), 0, 2000, &limits),
			    "!Protocol error: too big inline request");
	line[0] = '*';
	assert_string_equal(parse_split(line, sizeof(line), 0, 2000, &limits),
			    "!Protocol error: too big mbulk count string");
	memcpy(line, "*1\r\n$", 5);
	assert_string_equal(parse_split(line, sizeof(line), 0, 2000, &limits),
			    "!Protocol error: too big bulk count string");
}

static void test_resp_parser__longest_inline_line(void **state)
{
	static char line[RESP_INLINE_MAX + 1], want[RESP_INLINE_MAX + 3];
	memset(line, 'a', RESP_INLINE_MAX);
	line[RESP_INLINE_MAX] = '\n';
	memset(want, 'a', sizeof(want) - 1);
	want[0] = '[';
	want[RESP_INLINE_MAX + 1] = ']';
	assert_string_equal(parse_split(line, sizeof(line), 0, 2000, &limits), want);
}

static void test_resp_parser__more_arguments_than_the_arena(void **state)
{
	char text[4000];
	size_t len = (size_t)sprintf(text, "*%d\r\n", 3 * ARENA);
	for (int i = 0; i < 3 * ARENA; i++)
		len += (size_t)sprintf(text + len, "$1\r\n%d\r\n", i % 10);
	const char *out = parse_split(text, len, 0, 2000, &limits);
	assert_int_equal(strlen(out), 2 * 3 * ARENA + 1);
	for (int i = 0; i < 3 * ARENA; i++)
		assert_int_equal(out[1 + 2 * i], '0' + i % 10);
}

static void test_resp_request_keep__survives_the_arena(void **state)
{
	struct slice arena[ARENA];
	struct resp_request req;
	struct resp_parser p;
	struct bufq q;
	bufq_init(&q);
	resp_parser_init(&p, fx_heap);
	fx_push(&q, "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", 20, 100);
	assert_int_equal(resp_parser_next(&p, &q, &limits, arena, ARENA, &req), RESP_REQUEST);
	assert_ptr_equal(req.argv, arena);
	assert_null(req.owned);
	heap_fail_after(fx_heap, 2);
	assert_false(resp_request_keep(&req, fx_heap));
	heap_fail_after(fx_heap, 0);
	assert_true(resp_request_keep(&req, fx_heap));
	memset(arena, 0, sizeof(arena));
	assert_true(slice_is(req.argv[0], "get") && slice_is(req.argv[1], "k"));
	assert_true(resp_request_keep(&req, fx_heap));
	resp_request_free(&req, fx_heap);
	bufq_clear(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resp_parser__pipelines_split_anywhere),
		cmocka_unit_test(test_resp_parser__inline_commands),
		cmocka_unit_test(test_resp_parser__protocol_errors_of_redis),
		cmocka_unit_test(test_resp_parser__endless_lines_are_refused),
		cmocka_unit_test(test_resp_parser__longest_inline_line),
		cmocka_unit_test(test_resp_parser__more_arguments_than_the_arena),
		cmocka_unit_test(test_resp_request_keep__survives_the_arena),
	};
	return cmocka_run_group_tests(tests, fx_setup, fx_teardown);
}
