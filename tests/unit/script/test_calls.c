/* redis.call on the shards that are held, and what forbids a command. */
#include "rig.h"

static void test_script_calls__keys_and_arguments(void **state)
{
	struct rig *r = rig_create(1);

	assert_string_equal(rig_eval_with(r, "return {KEYS, ARGV}", "a b", "c"), "*2 *2 $1 a $1 b *1 $1 c");
	assert_string_equal(
		rig_eval_with(r, "redis.call('set', KEYS[1], ARGV[1]) return redis.call('get', KEYS[1])", "k", "v"),
		"$1 v");
	expect(r->h, "GET k", "$1 v");
	rig_destroy(r);
}

static void test_script_calls__names_the_key_outside_its_lease(void **state)
{
	struct rig *r = rig_create(4);

	expect(r->h, "MSET a 1 b 2 c 3 d 4 e 5", "+OK");
	for (uint32_t shard = 0; shard < 4; shard++) {
		const char *text;
		r->held = 1ull << shard;
		for (char key = 'a'; key <= 'e'; key++) {
			char script[64], name[2] = {key, '\0'};
			bool mine = cmd_shard_of(&r->h->env, (struct slice){name, 1}) == shard;
			snprintf(script, sizeof script, "return redis.call('get', '%c')", key);
			text = rig_eval(r, script);
			assert_int_equal(*text == '$', mine);
			assert_int_equal(r->run.out_of_lease, !mine);
			if (!mine) {
				char named[16];
				snprintf(named, sizeof named, "key '%c'", key);
				assert_non_null(strstr(text, named));
			}
		}
	}
	assert_non_null(strstr(rig_eval(r, "return redis.call('dbsize')"), "-ERR"));
	assert_non_null(strstr(rig_eval(r, "return redis.call('mget', 'a', 'b', 'c', 'd', 'e')"), "-ERR"));
	r->held = 0;
	assert_string_equal(rig_eval(r, "return redis.call('dbsize')"), ":5");
	assert_string_equal(rig_eval(r, "return redis.call('mget', 'a', 'e')"), "*2 $1 1 $1 5");
	rig_destroy(r);
}

static void test_script_calls__notes_keys_that_it_did_not_name(void **state)
{
	struct rig *r = rig_create(4);

	rig_eval_with(r, "return redis.call('get', KEYS[1])", "a", "");
	assert_false(r->run.undeclared);
	rig_eval_with(r, "return redis.call('get', KEYS[1] .. 'x')", "a", "");
	assert_true(r->run.undeclared);
	assert_false(r->run.wrote);
	rig_eval_with(r, "return redis.call('set', KEYS[1], 1)", "a", "");
	assert_true(r->run.wrote);
	rig_destroy(r);
}

static void test_script_calls__read_only_forms_do_not_write(void **state)
{
	struct rig *r = rig_create(1);

	r->read_only = true;
	assert_string_equal(
		rig_eval(r, "return redis.call('set', 'a', 1)"),
		"-ERR Write commands are not allowed from read-only scripts. script: SHA, on @user_script:1.");
	assert_string_equal(rig_eval(r, "return redis.pcall('set', 'a', 1)"),
			    "-ERR Write commands are not allowed from read-only scripts.");
	assert_string_equal(rig_eval(r, "return redis.call('get', 'a')"), "$-1");
	rig_destroy(r);
}

static void test_script_calls__out_of_memory_before_the_first_write(void **state)
{
	struct rig *r = rig_create(1);

	r->oom = true;
	assert_string_equal(rig_eval(r, "return redis.call('set', 'a', 1)"),
			    "-OOM command not allowed when used memory > 'maxmemory'. script: SHA, on @user_script:1.");
	assert_string_equal(rig_eval(r, "return redis.call('get', 'a')"), "$-1");
	assert_string_equal(rig_eval(r, "redis.call('del', 'x') return redis.call('set', 'a', 1)"), "+OK");
	assert_string_equal(rig_eval(r, "#!lua flags=allow-oom\nreturn redis.call('set', 'a', 1)"), "+OK");
	rig_destroy(r);
}

static void test_script_calls__effects_are_journaled_unless_told_not_to(void **state)
{
	struct rig *r = rig_create(1);

	rig_eval(r, "redis.call('set', 'a', 1) redis.set_repl(redis.REPL_NONE) redis.call('set', 'b', 1) "
		    "redis.set_repl(redis.REPL_ALL) redis.call('set', 'c', 1)");
	expect_effects(r->h, "set a 1; set c 1");
	rig_eval(r, "redis.set_repl(redis.REPL_NONE) redis.call('set', 'b', 1)");
	rig_eval(r, "redis.call('set', 'd', 1)");
	expect_effects(r->h, "set d 1");
	rig_destroy(r);
}

static void test_script_calls__large_replies_and_arguments(void **state)
{
	struct rig *r = rig_create(1);

	assert_string_equal(rig_eval(r, "local v = string.rep('x', 300000) redis.call('set', 'big', v) "
					"return redis.call('get', 'big') == v"),
			    ":1");
	assert_string_equal(rig_eval(r, "for i = 1, 3000 do redis.call('rpush', 'l', i) end "
					"local t = redis.call('lrange', 'l', 0, -1) return {#t, t[1], t[3000]}"),
			    "*3 :3000 $1 1 $4 3000");
	assert_string_equal(
		rig_eval(r, "local t = {} for i = 1, 500 do t[i] = i end return redis.call('sadd', 's', unpack(t))"),
		":500");
	rig_destroy(r);
}

static void test_script_calls__a_reply_takes_no_more_buffers_than_others_may(void **state)
{
	struct rig *r = rig_create(1);

	rig_eval(r, "for i = 1, 3000 do redis.call('rpush', 'l', i) end");
	r->call_bufs = 3;
	assert_non_null(strstr(rig_eval(r, "return redis.call('lrange', 'l', 0, -1)"), "-OOM no packet buffers left"));
	assert_string_equal(rig_eval(r, "return redis.call('lrange', 'l', 0, 0)"), "*1 $1 1");
	rig_destroy(r);
}

static void test_script_calls__nothing_is_written_that_cannot_be_kept(void **state)
{
	struct rig *r = rig_create(1);

	r->no_writes = "MISCONF no";
	assert_non_null(strstr(rig_eval(r, "return redis.call('set', 'a', 1)"), "-MISCONF no"));
	assert_string_equal(rig_eval(r, "return redis.call('exists', 'a')"), ":0");
	rig_destroy(r);
}

static void test_script_calls__log_and_database(void **state)
{
	struct rig *r = rig_create(1);

	rig_eval(r, "redis.log(redis.LOG_WARNING, 'a', 1, 'b')");
	assert_string_equal(r->log, "3 a 1 b");
	assert_string_equal(
		rig_eval(r, "redis.call('select', 3) redis.call('set', 'a', 1) return redis.call('dbsize')"), ":1");
	expect(r->h, "DBSIZE", ":0");
	rig_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_script_calls__keys_and_arguments),
		cmocka_unit_test(test_script_calls__names_the_key_outside_its_lease),
		cmocka_unit_test(test_script_calls__notes_keys_that_it_did_not_name),
		cmocka_unit_test(test_script_calls__read_only_forms_do_not_write),
		cmocka_unit_test(test_script_calls__out_of_memory_before_the_first_write),
		cmocka_unit_test(test_script_calls__effects_are_journaled_unless_told_not_to),
		cmocka_unit_test(test_script_calls__large_replies_and_arguments),
		cmocka_unit_test(test_script_calls__a_reply_takes_no_more_buffers_than_others_may),
		cmocka_unit_test(test_script_calls__nothing_is_written_that_cannot_be_kept),
		cmocka_unit_test(test_script_calls__log_and_database),
	};

	harness_eal("test_script_calls");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
