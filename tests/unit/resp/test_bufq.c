#include "tests/unit/resp/fixture.h"

#include "resp/cursor.h"

static void test_bufq__small_payloads_share_a_buffer(void **state)
{
	struct bufq q;
	char text[1000];
	bufq_init(&q);
	for (int i = 0; i < 1000; i++) {
		text[i] = (char)('a' + i % 26);
		bufq_push(&q, fx_buf(&text[i], 1));
	}
	assert_ptr_equal(q.head, q.tail);
	assert_int_equal(bufq_unread(&q), 1000);
	char copy[1000];
	cursor_copy(&q, copy, 1000);
	assert_memory_equal(copy, text, 1000);
	bufq_clear(&q);
	assert_null(q.head);
	assert_int_equal(q.head_pos, 1000);
}

static void test_bufq__cursor_resumes_in_a_read_buffer(void **state)
{
	struct bufq q;
	size_t len;
	bufq_init(&q);
	bufq_push(&q, fx_buf("abc", 3));
	cursor_skip(&q, 3);
	assert_null(q.cur);
	bufq_push(&q, fx_buf("def", 3));
	const char *p = cursor_peek(&q, &len);
	assert_true(len == 3 && memcmp(p, "def", 3) == 0);
	bufq_push(&q, fx_buf("", 0));
	assert_int_equal(bufq_unread(&q), 3);
	bufq_clear(&q);
}

static void test_bufq_release__frees_whole_buffers_only(void **state)
{
	struct bufq q;
	char big[1500];
	memset(big, 'x', sizeof(big));
	bufq_init(&q);
	for (int i = 0; i < 4; i++)
		bufq_push(&q, fx_buf(big, sizeof(big)));
	assert_int_equal(rte_mempool_in_use_count(fx_pool), 4);
	cursor_skip(&q, 4000);
	bufq_release(&q, 2999);
	assert_int_equal(rte_mempool_in_use_count(fx_pool), 3);
	bufq_release(&q, 3000);
	assert_int_equal(rte_mempool_in_use_count(fx_pool), 2);
	assert_int_equal(bufq_held(&q), 3000);
	cursor_skip(&q, 2000);
	bufq_release(&q, 6000);
	assert_null(q.tail);
	assert_int_equal(rte_mempool_in_use_count(fx_pool), 0);
}

static void test_cursor_find__across_buffers(void **state)
{
	struct bufq q;
	char big[1500];
	memset(big, 'x', sizeof(big));
	bufq_init(&q);
	fx_push(&q, big, 1500, 1500);
	bufq_push(&q, fx_buf(big, 1000));
	bufq_push(&q, fx_buf("y\n", 2));
	assert_int_equal(cursor_find(&q, '\n'), 2501);
	cursor_skip(&q, 2501);
	assert_int_equal(cursor_find(&q, '\n'), 0);
	assert_int_equal(cursor_find(&q, 'y'), -1);
	bufq_clear(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bufq__small_payloads_share_a_buffer),
		cmocka_unit_test(test_bufq__cursor_resumes_in_a_read_buffer),
		cmocka_unit_test(test_bufq_release__frees_whole_buffers_only),
		cmocka_unit_test(test_cursor_find__across_buffers),
	};
	return cmocka_run_group_tests(tests, fx_setup, fx_teardown);
}
