/* Whatever a script is at, in Lua or in C, it ends soon after it was asked to; and one that is to begin anew ends
 * wherever it is, with nothing done. */
#include "rig.h"

#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <time.h>

static struct rig *rig;

static void on_alarm(int sig)
{
	script_engine_interrupt(rig->engine);
}

static void ask_every_ms(long ms)
{
	struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	struct itimerval t = {{0, ms * 1000}, {0, ms * 1000}};

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &t, NULL);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void test_script_ends__in_what_goes_on_in_c(void **state)
{
	/* Each would go on for minutes at least. */
	static const char *const scripts[] = {
		"while true do end",
		"return ('a'):rep(30000):find(('a*'):rep(20) .. 'b')",
		"return ('a'):rep(30000):match(('a-'):rep(20) .. 'b')",
		"return ('a'):rep(10000000):gsub('.-b', '')",
		"return ('a'):rep(10000000):gsub('a*b', '')",
		"for w in ('a'):rep(10000000):gmatch('[^b]-b') do end",
		"return ('('):rep(10000000):find('%b()')",
		"return ('ab'):rep(2000000):find('(.-)(.-)%1%2c')",
		"pcall(string.find, ('a'):rep(30000), ('a*'):rep(20) .. 'b') return 1",
		"local f = coroutine.wrap(function() return ('a'):rep(30000):find(('a*'):rep(20) .. 'b') end) return "
		"f()",
		"local t, s = {}, ('x'):rep(5000000) for i = 1, 100000 do t[i] = s end table.sort(t)",
		"local t = {} for i = 1, 1000000 do t[i] = i end while true do table.insert(t, 1, 1) table.remove(t, "
		"1) end",
		"local t = {} for i = 1, 1000000 do t[i] = i end while true do table.concat(t) end",
		"local t = {} for i = 1, 1000000 do t[i] = i end while true do cjson.decode(cjson.encode(t)) end",
		"local t = {} for i = 1, 1000000 do t[i] = i end while true do cmsgpack.unpack(cmsgpack.pack(t)) end",
		"local t = {} for i = 1, 1000000 do t[i] = i end while true do table.maxn(t) table.foreachi(t, type) "
		"end",
		"local s = ('x'):rep(10000000) while true do local a = s < s end",
	};

	rig = rig_create(1);
	rig->end = SCRIPT_KILLED;
	ask_every_ms(50);
	for (size_t i = 0; i < RP_ARRAY_LEN(scripts); i++) {
		double begin = seconds();
		const char *reply = rig_eval(rig, scripts[i]);
		if (strstr(reply, "Script killed by user") == NULL || seconds() - begin > 10)
			fail_msg("%s\n  after %.1f s gives %s", scripts[i], seconds() - begin, reply);
	}
	ask_every_ms(0);
	rig_destroy(rig);
}

static void test_script_ends__looking_changes_nothing(void **state)
{
	rig = rig_create(1);
	ask_every_ms(1);
	for (int i = 0; i < 20; i++)
		assert_string_equal(rig_eval(rig,
					     "local t = {} for i = 1, 20000 do t[i] = (i * 7919) % 20000 end "
					     "table.sort(t) local s = table.concat(t, ' ') "
					     "local n, r = 0, {} for w in s:gmatch('%d+') do n = n + 1 r[n] = w end "
					     "return {n, r[1], r[20000], (select(2, s:gsub(' ', '')))}"),
				    "*4 :20000 $1 0 $5 19999 :19999");
	ask_every_ms(0);
	rig_destroy(rig);
}

static void test_script_ends__a_library_in_c(void **state)
{
	char name[SCRIPT_NAME_MAX], why[SCRIPT_WHY_MAX];
	struct slice text = SLICE("#!lua name=l\nlocal s = ('a'):rep(30000):find(('a*'):rep(20) .. 'b')");

	rig = rig_create(1);
	double begin = seconds();
	assert_false(script_library_load(rig->libraries, text, false, true, name, why));
	assert_non_null(strstr(why, "FUNCTION LOAD timeout"));
	assert_true(seconds() - begin < 10);
	assert_string_equal(rig_eval(rig, "return 1"), ":1");
	rig_destroy(rig);
}

/* One key of each of two shards. */
static void find_keys(struct rig *r, char *near, char *far)
{
	bool found[2] = {false, false};

	for (char key = 'a'; key <= 'z'; key++) {
		uint32_t shard = cmd_shard_of(&r->h->env, (struct slice){&key, 1});
		*(shard == 0 ? near : far) = key;
		found[shard] = true;
	}
	assert_true(found[0] && found[1]);
}

static void test_script_ends__to_begin_anew(void **state)
{
	/* N is held, F is not. */
	static const char *const scripts[] = {
		"redis.call('get', 'F') redis.call('set', 'N', 1)",
		"redis.pcall('get', 'F') redis.call('set', 'N', 1)",
		"pcall(redis.call, 'get', 'F') redis.call('set', 'N', 1)",
		"while true do pcall(redis.call, 'get', 'F') end",
		"xpcall(function() redis.call('get', 'F') end, function() redis.call('set', 'N', 1) end)",
		"xpcall(redis.call, redis.call, 'get', 'F')",
		"coroutine.wrap(function() pcall(redis.call, 'get', 'F') redis.call('set', 'N', 1) end)()",
		"local c = coroutine.create(redis.call) coroutine.resume(c, 'get', 'F') redis.call('set', 'N', 1)",
		"local function deep(n) local c = coroutine.create(function() if n == 0 then redis.call('get', 'F') "
		"end "
		"deep(n - 1) while true do end end) coroutine.resume(c) end deep(5) redis.call('set', 'N', 1)",
		"('x'):gsub('x', function() pcall(redis.call, 'get', 'F') end) redis.call('set', 'N', 1)",
		"local m = setmetatable({}, {__tostring = function() redis.call('set', 'N', 1) return '' end}) "
		"xpcall(function() redis.call('get', 'F') end, function() error(m) end) tostring(m)",
	};
	struct rig *r = rig_create(2);
	char near = 0, far = 0, text[512];

	find_keys(r, &near, &far);
	r->held = 1;
	for (size_t i = 0; i < RP_ARRAY_LEN(scripts); i++) {
		snprintf(text, sizeof text, "%s", scripts[i]);
		for (char *c = text; *c != '\0'; c++)
			if (c[0] == '\'' && (c[1] == 'N' || c[1] == 'F') && c[2] == '\'')
				c[1] = c[1] == 'N' ? near : far;
		r->may_restart = true;
		rig_eval(r, text);
		if (!r->run.restart || r->run.wrote)
			fail_msg("%s: restart %d, wrote %d", text, r->run.restart, r->run.wrote);
	}
	/* The next one is none the worse for it. */
	assert_string_equal(rig_eval(r, "return pcall(error, 'x')"), "$-1");
	rig_destroy(r);
}

static void test_script_ends__not_anew_once_it_has_acted(void **state)
{
	struct rig *r = rig_create(2);
	char near = 0, far = 0, text[128];

	find_keys(r, &near, &far);
	r->held = 1;
	r->may_restart = true;
	snprintf(text, sizeof text, "redis.call('set', '%c', 1) return redis.pcall('get', '%c')", near, far);
	assert_non_null(strstr(rig_eval(r, text), "which lies on a shard that it has not leased"));
	assert_false(r->run.restart);
	assert_true(r->run.acted && r->run.wrote);
	rig_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_script_ends__in_what_goes_on_in_c),
		cmocka_unit_test(test_script_ends__looking_changes_nothing),
		cmocka_unit_test(test_script_ends__a_library_in_c),
		cmocka_unit_test(test_script_ends__to_begin_anew),
		cmocka_unit_test(test_script_ends__not_anew_once_it_has_acted),
	};

	harness_eal("test_script_ends");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
