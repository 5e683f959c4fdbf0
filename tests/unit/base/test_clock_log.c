#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"

static void test_clock__advances_like_the_kernel(void **state)
{
	struct clock c;
	struct clock_now a, b;
	struct timespec ts, nap = {.tv_nsec = 50000000};
	clock_init(&c, 0);
	clock_read(&c, &a);
	nanosleep(&nap, NULL);
	clock_read(&c, &b);
	clock_gettime(CLOCK_REALTIME, &ts);
	assert_in_range(b.mono_us - a.mono_us, 49000, 2000000);
	assert_true(llabs(b.wall_us - ((int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000)) < 50000);
	for (int i = 0; i < 10000; i++) {
		a = b;
		clock_read(&c, &b);
		assert_true(b.mono_us >= a.mono_us);
	}
}

static void test_clock__calibrates_to_the_same_each_time(void **state)
{
	struct clock a, b;
	clock_init(&a, 0);
	for (int i = 0; i < 5; i++) {
		clock_init(&b, 0);
		assert_in_range(b.tsc_hz, a.tsc_hz - a.tsc_hz / 1000, a.tsc_hz + a.tsc_hz / 1000);
	}
}

static size_t read_back(const char *path, char *buf, size_t cap)
{
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	size_t n = fread(buf, 1, cap - 1, f);
	buf[n] = '\0';
	fclose(f);
	return n;
}

static void test_log__lines_levels_and_deferred_records(void **state)
{
	char path[] = "/tmp/redpoll-log-XXXXXX", text[4096];
	static struct log_ring ring;
	const uint64_t args[] = {42, (uint64_t)(uintptr_t) "reason"};
	close(mkstemp(path));
	assert_int_equal(log_open(path, LOG_NOTICE), 0);
	log_write(LOG_WARNING, "watch %d", 7);
	log_write(LOG_DEBUG, "hidden");
	ring.level = LOG_NOTICE;
	log_defer(&ring, LOG_NOTICE, 1000000, "dropped %lu: %s", 2, args);
	log_defer(&ring, LOG_VERBOSE, 1000000, "quiet %lu", 1, args);
	assert_int_equal(log_drain(&ring, 3), 1);
	assert_int_equal(log_drain(&ring, 3), 0);
	log_close();
	read_back(path, text, sizeof(text));
	unlink(path);
	assert_non_null(strstr(text, " # watch 7\n"));
	assert_non_null(strstr(text, " * worker 3: dropped 42: reason\n"));
	assert_null(strstr(text, "hidden"));
	assert_null(strstr(text, "quiet"));
	assert_int_equal(log_open("/nonexistent/dir/file", LOG_NOTICE), -2);
}

static void test_log_defer__full_ring_drops_and_counts(void **state)
{
	static struct log_ring ring;
	char path[] = "/tmp/redpoll-log-XXXXXX";
	close(mkstemp(path));
	log_open(path, LOG_NOTICE);
	for (int i = 0; i < LOG_RING_RECORDS + 5; i++)
		log_defer(&ring, LOG_WARNING, 0, "x", 0, NULL);
	assert_int_equal(ring.dropped, 5);
	assert_int_equal(log_drain(&ring, 0), LOG_RING_RECORDS);
	log_close();
	unlink(path);
}

static void test_err__keeps_one_bounded_sentence(void **state)
{
	struct err e;
	char longer[2000];
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(err_set(&e, "port %d", 6379), -1);
	assert_string_equal(e.text, "port 6379");
	err_set(&e, "%s", longer);
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
	assert_int_equal(err_set(NULL, "nobody listens"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clock__advances_like_the_kernel),
		cmocka_unit_test(test_clock__calibrates_to_the_same_each_time),
		cmocka_unit_test(test_log__lines_levels_and_deferred_records),
		cmocka_unit_test(test_log_defer__full_ring_drops_and_counts),
		cmocka_unit_test(test_err__keeps_one_bounded_sentence),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
