/* What a script must not get: other tables, files, bytecode, memory and time without end. */
#include "rig.h"

static void test_script_sandbox__tables_are_read_only(void **state)
{
	static const struct rig_row rows[] = {
		{"getmetatable(_G).__index = nil",
		 "-ERR user_script:1: Attempt to modify a readonly table script: SHA, on @user_script:1."},
		{"getmetatable('').__index = nil",
		 "-ERR user_script:1: Attempt to modify a readonly table script: SHA, on @user_script:1."},
		{"getmetatable(redis).__newindex = nil redis.x = 1",
		 "-ERR user_script:1: Attempt to modify a readonly table script: SHA, on @user_script:1."},
		{"local m = getmetatable(redis) m = getmetatable(m) or m m.x = 1",
		 "-ERR user_script:1: Attempt to modify a readonly table script: SHA, on @user_script:1."},
		{"for k, v in pairs(redis) do if k == 'call' then return 'seen' end end", "$4 seen"},
		{"local f, t = pairs(redis) if t ~= nil then t.call = 1 end return redis.call('ping')", "+PONG"},
		{"local n = 0 for k in pairs(_G) do n = n + 1 end return n > 20", ":1"},
		{"return rawget(_G, 'redis') == redis", ":1"},
		{"return rawget(redis, 'nosuch') == nil", ":1"},
		{"return next(redis) ~= nil", ":1"},
		{"table.insert(redis, 1)", "-ERR Attempt to modify a readonly table script: SHA, on @user_script:1."},
		{"table.sort(math, function(a, b) return true end) return 1", ":1"},
		{"local s = setmetatable({}, {__index = redis}) return s.call('ping')", "+PONG"},
	};
	struct rig *r = rig_create(1);

	rig_table(r, rows, RP_ARRAY_LEN(rows));
	rig_destroy(r);
}

static void test_script_sandbox__nothing_of_the_machine(void **state)
{
	static const char *const names[] = {"io",    "os",   "require", "package", "debug",   "dofile",  "loadfile",
					    "print", "utf8", "warn",    "setfenv", "getfenv", "newproxy"};
	struct rig *r = rig_create(1);
	char script[64];

	for (size_t i = 0; i < RP_ARRAY_LEN(names); i++) {
		snprintf(script, sizeof script, "return rawget(_G, '%s') == nil", names[i]);
		assert_string_equal(rig_eval(r, script), ":1");
	}
	rig_destroy(r);
}

static void test_script_sandbox__no_bytecode(void **state)
{
	struct rig *r = rig_create(1);

	assert_string_equal(rig_eval(r, "return load(string.dump(function() return 1 end)) == nil"), ":1");
	assert_string_equal(rig_eval(r, "return load(string.dump(function() return 1 end), 'x', 'b') == nil"), ":1");
	assert_string_equal(rig_eval(r, "return loadstring(string.dump(function() return 1 end)) == nil"), ":1");
	assert_string_equal(rig_eval(r, "local s = string.dump(function() return 1 end) "
					"return load(function() local x = s s = nil return x end) == nil"),
			    ":1");
	assert_memory_equal(rig_eval(r, "\033Lua"), "-ERR Error compiling script", 27);
	rig_destroy(r);
}

static void test_script_sandbox__load_keeps_to_the_globals(void **state)
{
	struct rig *r = rig_create(1);

	assert_string_equal(rig_eval(r, "return loadstring('return 1 + 1')()"), ":2");
	assert_string_equal(rig_eval(r, "return load('return a', 'x', 't', {a = 5})()"), ":5");
	assert_non_null(strstr(rig_eval(r, "return loadstring('x = 1')()"), "Attempt to modify a readonly table"));
	rig_destroy(r);
}

static void test_script_sandbox__no_finalisers(void **state)
{
	struct rig *r = rig_create(1);

	assert_string_equal(rig_eval(r,
				     "local t = setmetatable({}, {__gc = function() redis.call('set', 'gc', 1) end}) "
				     "t = nil collectgarbage() collectgarbage() return redis.call('get', 'gc')"),
			    "$-1");
	rig_destroy(r);
}

static void test_script_sandbox__memory_is_bounded(void **state)
{
	struct rig *r = rig_create(1);
	size_t before = script_engine_memory(r->engine);

	assert_non_null(strstr(rig_eval(r, "local s = 'x' while true do s = s .. s end"), "not enough memory"));
	assert_non_null(strstr(rig_eval(r, "local t = {} for i = 1, 1e9 do t[i] = {} end"), "not enough memory"));
	assert_non_null(strstr(rig_eval(r, "return string.rep('x', 2 ^ 40)"), "-ERR"));
	assert_non_null(strstr(rig_eval(r, "return cjson.encode(string.rep('\\1', 3e7))"), "-ERR"));
	assert_string_equal(rig_eval(r, "return 1"), ":1");
	for (int i = 0; i < 200; i++)
		script_engine_collect(r->engine);
	assert_true(script_engine_memory(r->engine) < before + (1 << 20));
	rig_destroy(r);
}

/* Scripts come until memory is short at each of its places, and then to find none. */
static void test_script_sandbox__no_memory_for_a_script(void **state)
{
	struct rig *r = rig_create(1);
	char script[64];

	for (int i = 0; i < 3000; i++) {
		snprintf(script, sizeof script, "return %d", i);
		script_engine_set_memory_max(r->engine, script_engine_memory(r->engine) + (size_t)(i % 64) * 64);
		rig_eval(r, script);
		script_engine_set_memory_max(r->engine, 64 << 20);
		assert_int_equal(rig_eval(r, script)[0], ':');
	}
	rig_destroy(r);
}

/* Told to end, a script ends wherever it is, and however it catches errors. */
static void test_script_sandbox__ends_when_told(void **state)
{
	static const char *const scripts[] = {
		"while true do end",
		"while true do pcall(function() while true do end end) end",
		"while true do xpcall(function() while true do end end, function() end) end",
		"local co = coroutine.create(function() while true do end end) while true do coroutine.resume(co) end",
		"while true do coroutine.wrap(function() while true do end end)() end",
		"local function f() pcall(f) while true do end end f()",
		"local t = setmetatable({}, {__index = function() while true do end end}) return t.x",
		"xpcall(function() while true do end end, function() while true do end end)",
		"coroutine.wrap(function() local x <close> = setmetatable({}, {__close = function() while true do end "
		"end}) while true do end end)()",
		"local co = coroutine.create(function() local x <close> = setmetatable({}, {__close = function() while "
		"true do end end}) while true do end end) coroutine.resume(co)",
		"table.sort({3, 2, 1}, function() while true do end end)",
		"string.gsub('abc', '.', function() while true do end end)",
	};
	struct rig *r = rig_create(1);

	r->end = SCRIPT_KILLED;
	for (size_t i = 0; i < RP_ARRAY_LEN(scripts); i++) {
		script_engine_interrupt(r->engine);
		const char *got = rig_eval(r, scripts[i]);
		if (strstr(got, "Script killed by user") == NULL)
			print_error("%s gives %s\n", scripts[i], got);
		assert_non_null(strstr(got, "Script killed by user"));
		assert_string_equal(rig_eval(r, "return 1"), ":1");
	}
	r->end = SCRIPT_TOO_LONG;
	script_engine_interrupt(r->engine);
	assert_non_null(strstr(rig_eval(r, "while true do end"), "script-max-time"));
	rig_destroy(r);
}

/* Loops in C, where nobody asks whether the script must end, are short. */
static void test_script_sandbox__no_endless_loops_in_c(void **state)
{
	static const struct rig_row rows[] = {
		{"return string.rep('', 1e15)", "$0 "},
		{"return string.rep('', 1e15, '')", "$0 "},
		{"return string.rep('ab', 3, ',')", "$6 ababab"},
		{"return rawget(table, 'move') == nil", ":1"},
	};
	struct rig *r = rig_create(1);

	rig_table(r, rows, RP_ARRAY_LEN(rows));
	r->reply_bufs = 64;
	rig_eval(r, "local t = {} for i = 1, 60 do t = {t, t} end return t");
	rig_eval(r, "local t = {} for i = 1, 60 do t = {map = {a = t, b = t}} end return t");
	r->muted = true;
	rig_eval(r, "local t = {} for i = 1, 60 do t = {t, t} end return t");
	rig_destroy(r);
}

static void test_script_sandbox__deep_recursion_is_an_error(void **state)
{
	struct rig *r = rig_create(1);

	assert_memory_equal(rig_eval(r, "local function f() return 1 + f() end return f()"), "-ERR ", 5);
	assert_string_equal(rig_eval(r, "return 1"), ":1");
	assert_non_null(strstr(rig_eval(r, "local t = {} t[1] = t return t"), "reached lua stack limit"));
	assert_non_null(strstr(rig_eval(r, "return string.rep('x', 1e5):find(string.rep('(', 1e5))"), "-ERR"));
	assert_non_null(strstr(rig_eval(r, "return loadstring('return ' .. string.rep('(', 1e5))()"), "-ERR"));
	rig_destroy(r);
}

/* As deep as Redis, whatever a script sets: data decides how deep the C stack becomes. */
static void test_script_sandbox__deep_data_is_an_error(void **state)
{
	struct rig *r = rig_create(1);

	assert_non_null(strstr(rig_eval(r, "return cmsgpack.unpack(string.rep('\\145', 400000))"),
			       "stack overflow (in function mp_decode_to_lua_array)"));
	assert_non_null(strstr(rig_eval(r, "return cmsgpack.unpack(string.rep('\\129\\1', 400000))"),
			       "stack overflow (in function mp_decode_to_lua_hash)"));
	assert_string_equal(rig_eval(r, "return #cmsgpack.unpack(string.rep('\\145', 7000) .. '\\1')"), ":1");
	assert_non_null(
		strstr(rig_eval(r, "cjson.decode_max_depth(10000000) return cjson.decode(string.rep('[', 400000))"),
		       "Found too many nested data structures"));
	assert_non_null(
		strstr(rig_eval(r, "local t = {} for i = 1, 400000 do t = {t} end cjson.encode_max_depth(10000000) "
				   "return #cjson.encode(t)"),
		       "Cannot serialise, excessive nesting"));
	assert_string_equal(rig_eval(r, "return cjson.decode_max_depth()"), ":10000000");
	rig_destroy(r);
}

/* What one run makes of its environment is gone with it. */
static void test_script_sandbox__another_env_ends_with_its_run(void **state)
{
	struct rig *r = rig_create(1);

	for (int i = 0; i < 2; i++) {
		assert_string_equal(rig_eval(r, "if rawget(_ENV, 'c') then c = c + 1 else _ENV = {c = 1} end return c"),
				    ":1");
		assert_string_equal(rig_eval(r, "_ENV = nil return 1"), ":1");
	}
	assert_string_equal(rig_eval(r, "return tostring(type(redis.call))"), "$8 function");
	rig_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_script_sandbox__tables_are_read_only),
		cmocka_unit_test(test_script_sandbox__nothing_of_the_machine),
		cmocka_unit_test(test_script_sandbox__no_bytecode),
		cmocka_unit_test(test_script_sandbox__load_keeps_to_the_globals),
		cmocka_unit_test(test_script_sandbox__no_finalisers),
		cmocka_unit_test(test_script_sandbox__memory_is_bounded),
		cmocka_unit_test(test_script_sandbox__no_memory_for_a_script),
		cmocka_unit_test(test_script_sandbox__ends_when_told),
		cmocka_unit_test(test_script_sandbox__no_endless_loops_in_c),
		cmocka_unit_test(test_script_sandbox__deep_recursion_is_an_error),
		cmocka_unit_test(test_script_sandbox__deep_data_is_an_error),
		cmocka_unit_test(test_script_sandbox__another_env_ends_with_its_run),
	};

	harness_eal("test_script_sandbox");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
