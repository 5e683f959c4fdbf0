/* LCS: what it finds, how it says so, and what it refuses. */
#include "harness.h"

static struct harness *h;

static int setup(void **state)
{
	h = harness_create(2);
	run(h, "MSET a ohmytext b mynewtext");
	return 0;
}

static int teardown(void **state)
{
	harness_destroy(h);
	return 0;
}

static void test_lcs__string_and_length(void **state)
{
	expect(h, "LCS a b", "$6 mytext");
	expect(h, "LCS a b LEN", ":6");
	expect(h, "LCS a a", "$8 ohmytext");
	expect(h, "LCS a nokey", "$0 ");
	expect(h, "LCS nokey b LEN", ":0");
	run(h, "SET n 12345");
	run(h, "SET m 1035");
	expect(h, "LCS n m", "$3 135");
}

static void test_lcs__ranges_from_the_end(void **state)
{
	expect(h, "LCS a b IDX", "*4 $7 matches *2 *2 *2 :4 :7 *2 :5 :8 *2 *2 :2 :3 *2 :0 :1 $3 len :6");
	expect(h, "LCS a b IDX MINMATCHLEN 4", "*4 $7 matches *1 *2 *2 :4 :7 *2 :5 :8 $3 len :6");
	expect(h, "LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN", "*4 $7 matches *1 *3 *2 :4 :7 *2 :5 :8 :4 $3 len :6");
	expect(h, "LCS a b IDX MINMATCHLEN -1 WITHMATCHLEN",
	       "*4 $7 matches *2 *3 *2 :4 :7 *2 :5 :8 :4 *3 *2 :2 :3 *2 :0 :1 :2 $3 len :6");
	expect(h, "LCS nokey b IDX", "*4 $7 matches *0 $3 len :0");
}

static void test_lcs__across_words_of_the_table(void **state)
{
	/* 200 x 170 cells: the bits of the way back begin anywhere in a word */
	run(h, "SETRANGE x 199 z");
	run(h, "SETRANGE y 169 z");
	expect(h, "LCS x y LEN", ":170");
	expect(h, "LCS x y IDX", "*4 $7 matches *1 *2 *2 :30 :199 *2 :0 :169 $3 len :170");
}

static void test_lcs__errors(void **state)
{
	expect(h, "LCS a b LEN IDX", "-ERR If you want both the length and indexes, please just use IDX.");
	expect(h, "LCS a b FOO", "-ERR syntax error");
	expect(h, "LCS a b MINMATCHLEN", "-ERR syntax error");
	expect(h, "LCS a b MINMATCHLEN x", "-ERR value is not an integer or out of range");
	h->conf.max_bulk = 9 * 10 * 4 - 1;
	expect(h, "LCS a b", "-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
	h->conf.max_bulk++;
	expect(h, "LCS a b LEN", ":6");
}

static void test_lcs__out_of_memory(void **state)
{
	static const char refused[] = "-ERR Insufficient memory, failed allocating transient memory for LCS";

	for (uint64_t n = 1; n <= 2; n++) {
		heap_fail_after(h->own, n);
		expect(h, "LCS a b", refused);
	}
	heap_fail_after(h->own, 3);
	assert_memory_equal(run(h, "LCS a b"), "-OOM", 4);
	heap_fail_after(h->own, 0);
	expect(h, "LCS a b", "$6 mytext");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lcs__string_and_length, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lcs__ranges_from_the_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lcs__across_words_of_the_table, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lcs__errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lcs__out_of_memory, setup, teardown),
	};
	harness_eal("test_string_lcs");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
