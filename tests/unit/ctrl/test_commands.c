/* Answers of the control thread's commands: shapes and texts of Redis. */
#include "tests/unit/ctrl/run.h"

#include "ctrlplane/acl_log.h"
#include "ctrlplane/ctrl_client.h"

/* A note of `argc` arguments "a", of a command with `total`. */
static void note(uint32_t argc, uint32_t total, uint32_t cut, uint32_t max_len)
{
	struct slow_note *n = calloc(1, sizeof *n + argc);

	n->wall_us = 5000000;
	n->us = 42;
	n->argc = argc;
	n->argc_total = total;
	for (uint32_t i = 0; i < argc; i++)
		n->len[i] = 1;
	n->cut[0] = cut;
	memset(n->text, 'a', argc);
	n->addr = (struct endpoint){.ip = {1, 2, 3, 4}, .port = 5, .family = 4};
	strcpy(n->name, "me");
	slowlog_add(run_ctrl->slowlog, n, max_len);
	free(n);
}

static void test_slowlog__shape_of_an_entry(void **state)
{
	run("slowlog reset", 2);
	note(2, 2, 72, 128);
	const char *got = run("slowlog get", 2);
	assert_non_null(strstr(got, " :5 :42 *2 $20 a... (72 more bytes) $1 a $9 1.2.3.4:5 $2 me "));
	assert_memory_equal(got, "*1 *6 :", 7);
}

static void test_slowlog__missing_arguments_take_the_last_place(void **state)
{
	run("slowlog reset", 2);
	note(SLOW_ARGS, 41, 0, 128);
	const char *got = run("slowlog get -1", 3);
	assert_non_null(strstr(got, " *32 "));
	assert_non_null(strstr(got, "$1 a $23 ... (10 more arguments) "));
}

static void test_slowlog__keeps_the_newest(void **state)
{
	run("slowlog reset", 2);
	for (uint32_t i = 0; i < 5; i++)
		note(1, 1, 0, 3);
	assert_string_equal(run("slowlog len", 2), ":3 ");
	assert_memory_equal(run("slowlog get 2", 2), "*2 ", 3);
	assert_string_equal(run("slowlog get 0", 2), "*0 ");
	note(1, 1, 0, 0);
	assert_string_equal(run("slowlog len", 2), ":0 ");
	assert_string_equal(run("slowlog get -2", 2), "-ERR count should be greater than or equal to -1 ");
}

static void denied(const char *object, int64_t wall_us, uint32_t max_len)
{
	struct clock_now now = {.wall_us = wall_us};
	struct acl_note *n = calloc(1, sizeof *n);

	n->why = ACL_DENIED_KEY;
	n->wall_us = wall_us;
	n->object_len = (uint16_t)strlen(object);
	memcpy(n->object, object, n->object_len);
	acl_log_add(run_ctrl->acl_log, n, &now, max_len);
	free(n);
}

/* In `acl log`'s answer: what `object` has of id, counted and last updated (ms). */
static void shows(const char *got, const char *object, int id, int count, int updated_ms)
{
	char text[96];
	const char *at;

	snprintf(text, sizeof text, "$5 count :%d $6 reason $3 key $7 context $8 toplevel $6 object $1 %s ", count,
		 object);
	at = strstr(got, text);
	assert_non_null(at);
	snprintf(text, sizeof text, "$8 entry-id :%d ", id);
	assert_non_null(strstr(at, text));
	assert_true(strstr(at, text) < strstr(at, "timestamp-created"));
	snprintf(text, sizeof text, "$22 timestamp-last-updated :%d ", updated_ms);
	assert_non_null(strstr(at, text));
}

static void test_acl_log__stands_by_time_however_it_is_told(void **state)
{
	acl_log_reset(run_ctrl->acl_log);
	denied("b", 2000, 128);
	denied("c", 3000, 128);
	denied("a", 1000, 128); /* another worker's, told late */
	denied("c", 2500, 128); /* counts, and is no news */
	const char *got = run("acl log", 2);
	const char *a = strstr(got, "object $1 a "), *b = strstr(got, "object $1 b "), *c = strstr(got, "object $1 c ");
	assert_true(c != NULL && c < b && b < a);
	shows(got, "a", 0, 1, 1);
	shows(got, "b", 1, 1, 2);
	shows(got, "c", 2, 2, 3);
}

static void test_acl_log__ids_stay_and_count_what_was_cut(void **state)
{
	acl_log_reset(run_ctrl->acl_log);
	denied("d", 4000, 128);
	int first = atoi(strstr(run("acl log", 2), "entry-id :") + 10);
	denied("e", 6000, 2);
	denied("f", 5000, 2); /* d goes */
	const char *got = run("acl log", 2);
	assert_null(strstr(got, "object $1 d "));
	shows(got, "f", first + 1, 1, 5);
	shows(got, "e", first + 2, 1, 6);
	denied("g", 7000, 1); /* and two that had been shown */
	shows(run("acl log", 2), "g", first + 3, 1, 7);
	denied("h", 8000, 0); /* never shown, but counted */
	denied("i", 9000, 1);
	shows(run("acl log", 2), "i", first + 5, 1, 9);
}

static void test_latency__latest_history_reset(void **state)
{
	latency_add(run_ctrl->latency, "command", 100, 20);
	latency_add(run_ctrl->latency, "command", 102, 3);
	latency_add(run_ctrl->latency, "command", 102, 5);
	assert_string_equal(run("latency latest", 3), "*1 *4 $7 command :102 :5 :20 ");
	assert_string_equal(run("latency history command", 3), "*2 *2 :100 :20 *2 :102 :5 ");
	assert_string_equal(run("latency history other", 3), "*0 ");
	assert_string_equal(run("latency graph other", 2), "-ERR No samples available for event 'other' ");
	assert_string_equal(run("latency reset other command", 2), ":1 ");
	assert_string_equal(run("latency latest", 2), "*0 ");
}

static void test_latency__histogram_is_cumulative(void **state)
{
	struct cmd_stat *st = &run_ctrl->host.env.stats[cmd_find(SLICE("config|get"))->id];

	*st = (struct cmd_stat){.calls = 6};
	st->hist[3] = 1;  /* below a microsecond */
	st->hist[9] = 1;  /* up to 1.024 us */
	st->hist[14] = 4; /* up to 32.768 us */
	assert_string_equal(run("latency histogram config nosuch", 3),
			    "%1 $10 config|get %2 $5 calls :6 $14 histogram_usec %2 :1 :2 :33 :6 ");
	*st = (struct cmd_stat){.calls = 0};
	assert_string_equal(run("latency histogram config", 2), "*0 ");
}

static void test_config__get_answers_each_directive_once(void **state)
{
	assert_string_equal(run("config get timeout TIME*", 3), "%1 $7 timeout $1 0 ");
	assert_string_equal(run("config get nosuch", 2), "*0 ");
}

static void test_config__set_refuses_all_or_nothing(void **state)
{
	assert_string_equal(run("config set timeout 5 nosuch 1", 2),
			    "-ERR Unknown option or number of arguments for CONFIG SET - 'nosuch' ");
	assert_string_equal(run("config set timeout 5 maxmemory xx", 2),
			    "-ERR CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a "
			    "memory value ");
	assert_string_equal(run("config set timeout 5 TIMEOUT 6", 2),
			    "-ERR CONFIG SET failed (possibly related to argument 'TIMEOUT') - duplicate parameter ");
	assert_string_equal(run("config set timeout 5 maxmemory", 2), "-ERR syntax error ");
	assert_int_equal(run_ctrl->config.timeout, 0);
	assert_string_equal(run("config rewrite", 2), "-ERR The server is running without a config file ");
}

static void test_client__kill_words(void **state)
{
	assert_string_equal(run("client kill id 0", 2), "-ERR client-id should be greater than 0 ");
	assert_string_equal(run("client kill type x", 2), "-ERR Unknown client type 'x' ");
	assert_string_equal(run("client kill user x", 2), "-ERR No such user 'x' ");
	assert_string_equal(run("client kill id 1 addr", 2), "-ERR syntax error ");
	assert_string_equal(run("client kill 1.2.3.4:5", 2), "-ERR No such client ");
	assert_string_equal(run("client kill addr 1.2.3.4:5", 2), ":0 ");
}

static void test_client__kill_filter(void **state)
{
	struct client cl = {.id = 7,
			    .addr = {.ip = {1, 2, 3, 4}, .port = 5, .family = 4},
			    .laddr = {.ip = {9, 9, 9, 9}, .port = 6379, .family = 4}};
	struct kill_filter f = {.type = CLIENT_TYPE_UNKNOWN, .skip_me = true, .me = 7};

	assert_false(kill_matches(&f, &cl));
	f.skip_me = false;
	assert_true(kill_matches(&f, &cl));
	f.addr = SLICE("1.2.3.4:5");
	assert_true(kill_matches(&f, &cl));
	f.laddr = SLICE("1.2.3.4:5");
	assert_false(kill_matches(&f, &cl));
	f.laddr = SLICE("9.9.9.9:6379");
	f.id = 8;
	assert_false(kill_matches(&f, &cl));
	f.id = 7;
	f.type = CLIENT_TYPE_REPLICA;
	assert_false(kill_matches(&f, &cl));
}

static void test_client__pause_is_never_weakened(void **state)
{
	struct dp_conf d = {.pause_until_ms = 0};

	client_pause_merge(&d, 1000, 2000, true);
	client_pause_merge(&d, 1500, 1600, false);
	assert_int_equal(d.pause_until_ms, 2000);
	assert_true(d.pause_all);
	client_pause_merge(&d, 2000, 2100, false);
	assert_int_equal(d.pause_until_ms, 2100);
	assert_false(d.pause_all);
}

static void test_shutdown__words(void **state)
{
	assert_string_equal(run("shutdown nosave save", 2), "-ERR syntax error ");
	assert_string_equal(run("shutdown abort now", 2), "-ERR syntax error ");
	assert_string_equal(run("shutdown abort", 2), "-ERR No shutdown in progress. ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slowlog__shape_of_an_entry),
		cmocka_unit_test(test_slowlog__missing_arguments_take_the_last_place),
		cmocka_unit_test(test_slowlog__keeps_the_newest),
		cmocka_unit_test(test_acl_log__stands_by_time_however_it_is_told),
		cmocka_unit_test(test_acl_log__ids_stay_and_count_what_was_cut),
		cmocka_unit_test(test_latency__latest_history_reset),
		cmocka_unit_test(test_latency__histogram_is_cumulative),
		cmocka_unit_test(test_config__get_answers_each_directive_once),
		cmocka_unit_test(test_config__set_refuses_all_or_nothing),
		cmocka_unit_test(test_client__kill_words),
		cmocka_unit_test(test_client__kill_filter),
		cmocka_unit_test(test_client__pause_is_never_weakened),
		cmocka_unit_test(test_shutdown__words),
	};
	return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
