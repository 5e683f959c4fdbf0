/* Requests that do not fit a buffer: blobs, gathering, and what memory they may take. */
#include "tests/unit/resp/fixture.h"

#include <stdio.h>
#include <stdlib.h>

#define ARENA 16
#define PIECE 1460

static const struct resp_limits limits = {.max_bulk = 512u << 20};

struct feed {
	struct resp_parser p;
	struct bufq q;
	struct slice arena[ARENA];
	struct resp_request req;
};

static void feed_init(struct feed *f)
{
	bufq_init(&f->q);
	resp_parser_init(&f->p, fx_heap);
}

static void feed_fini(struct feed *f)
{
	resp_parser_fini(&f->p);
	bufq_clear(&f->q);
	assert_int_equal(rte_mempool_in_use_count(fx_pool), 0);
	assert_int_equal(fx_heap_used(), 0);
}

static enum resp_status feed(struct feed *f, const void *data, size_t len)
{
	fx_push(&f->q, data, len, PIECE);
	enum resp_status st = resp_parser_next(&f->p, &f->q, &limits, f->arena, ARENA, &f->req);
	if (st != RESP_REQUEST)
		bufq_release(&f->q, resp_parser_hold_pos(&f->p, &f->q));
	return st;
}

/* Feeds in segments until something other than "incomplete" comes out. */
static enum resp_status feed_all(struct feed *f, const char *data, size_t len)
{
	enum resp_status st = RESP_INCOMPLETE;
	for (size_t off = 0; off < len && st == RESP_INCOMPLETE; off += PIECE)
		st = feed(f, data + off, RP_MIN((size_t)PIECE, len - off));
	return st;
}

/* SET k <len bytes> */
static char *make_set(size_t len, size_t *total)
{
	char *text = malloc(len + 100);
	assert_non_null(text);
	size_t at = (size_t)sprintf(text, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%zu\r\n", len);
	for (size_t i = 0; i < len; i++)
		text[at + i] = (char)(i * 31 + (i >> 8));
	memcpy(text + at + len, "\r\n", 2);
	*total = at + len + 2;
	return text;
}

static void check_set(struct feed *f, const char *text, size_t total, size_t len)
{
	assert_int_equal(f->req.argc, 3);
	assert_int_equal(f->req.argv[2].len, len);
	assert_memory_equal(f->req.argv[2].ptr, text + total - 2 - len, len);
	assert_true(slice_is(f->req.argv[0], "SET") && slice_is(f->req.argv[1], "k"));
}

static void test_resp_parser__big_bulk_becomes_a_blob(void **state)
{
	static const size_t sizes[] = {RESP_BIG_BULK - 1, RESP_BIG_BULK, RESP_BIG_BULK + 1, 100000, 5 << 20};
	for (size_t i = 0; i < RP_ARRAY_LEN(sizes); i++) {
		struct feed f;
		size_t total, len = sizes[i];
		char *text = make_set(len, &total);
		feed_init(&f);
		assert_int_equal(feed_all(&f, text, total), RESP_REQUEST);
		assert_true(f.req.begin_pos == 0 && f.req.end_pos == total);
		check_set(&f, text, total, len);
		struct blob *b = resp_request_take_blob(&f.req, 2);
		assert_int_equal(b != NULL, len >= RESP_BIG_BULK);
		assert_null(resp_request_take_blob(&f.req, 2));
		assert_null(resp_request_take_blob(&f.req, 0));
		resp_request_free(&f.req, fx_heap);
		if (b) {
			assert_memory_equal(b->data, text + total - 2 - len, len);
			assert_int_equal(b->len, len);
			blob_unref(b, fx_heap);
		}
		feed_fini(&f);
		free(text);
	}
}

static void test_resp_parser__blob_not_taken_is_freed_with_the_request(void **state)
{
	struct feed f;
	size_t total;
	char *text = make_set(50000, &total);
	feed_init(&f);
	assert_int_equal(feed_all(&f, text, total), RESP_REQUEST);
	resp_request_free(&f.req, fx_heap);
	feed_fini(&f);
	free(text);
}

static void test_resp_parser__claimed_lengths_cost_nothing(void **state)
{
	struct feed f;
	const char *claims = "*1048576\r\n$3\r\nSET\r\n$536870912\r\n";
	feed_init(&f);
	assert_int_equal(feed(&f, claims, strlen(claims)), RESP_INCOMPLETE);
	assert_true(fx_heap_used() < 1000);
	assert_int_equal(feed(&f, "x", 1), RESP_INCOMPLETE);
	assert_true(fx_heap_used() < 20000);
	feed_fini(&f);
}

static void test_resp_parser__100k_arguments_do_not_pin_buffers(void **state)
{
	enum {
		ARGS = 100000
	};
	struct feed f;
	char *text = malloc(ARGS * 16);
	assert_non_null(text);
	size_t len = (size_t)sprintf(text, "*%d\r\n", ARGS);
	for (int i = 0; i < ARGS; i++)
		len += (size_t)sprintf(text + len, "$6\r\n%06d\r\n", i);
	feed_init(&f);
	enum resp_status st = RESP_INCOMPLETE;
	for (size_t off = 0; off < len && st == RESP_INCOMPLETE; off += PIECE) {
		st = feed(&f, text + off, RP_MIN((size_t)PIECE, len - off));
		assert_true(rte_mempool_in_use_count(fx_pool) < 2 * RESP_HOLD_BYTES / PIECE);
		assert_true(fx_heap_used() < 6 * off + 100000);
	}
	assert_int_equal(st, RESP_REQUEST);
	assert_int_equal(f.req.argc, ARGS);
	bufq_release(&f.q, f.req.end_pos);
	for (int i = 0; i < ARGS; i++) {
		char want[8];
		sprintf(want, "%06d", i);
		assert_int_equal(f.req.argv[i].len, 6);
		assert_memory_equal(f.req.argv[i].ptr, want, 6);
	}
	resp_request_free(&f.req, fx_heap);
	feed_fini(&f);
	free(text);
}

static void test_resp_parser__every_allocation_may_fail(void **state)
{
	size_t total;
	char *text = make_set(60000, &total);
	int failures = 0;
	for (uint64_t n = 1; n < 100; n++) {
		struct feed f;
		feed_init(&f);
		heap_fail_after(fx_heap, n);
		enum resp_status st = feed_all(&f, text, total);
		heap_fail_after(fx_heap, 0);
		if (st == RESP_REQUEST) {
			check_set(&f, text, total, 60000);
			resp_request_free(&f.req, fx_heap);
		} else {
			assert_int_equal(st, RESP_NOMEM);
			failures++;
		}
		feed_fini(&f);
	}
	assert_in_range(failures, 3, 50);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resp_parser__big_bulk_becomes_a_blob),
		cmocka_unit_test(test_resp_parser__blob_not_taken_is_freed_with_the_request),
		cmocka_unit_test(test_resp_parser__claimed_lengths_cost_nothing),
		cmocka_unit_test(test_resp_parser__100k_arguments_do_not_pin_buffers),
		cmocka_unit_test(test_resp_parser__every_allocation_may_fail),
	};
	return cmocka_run_group_tests(tests, fx_setup, fx_teardown);
}
