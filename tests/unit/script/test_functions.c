/* Libraries of functions: loading, its errors, calling, taking out and putting back. */
#include "rig.h"

static const char *load(struct rig *r, const char *text, bool replace)
{
	char name[SCRIPT_NAME_MAX];
	static char why[SCRIPT_WHY_MAX];

	if (script_library_load(r->libraries, (struct slice){text, strlen(text)}, replace, true, name, why))
		snprintf(why, sizeof why, "%s", name);
	return why;
}

#define LIB "#!lua name=x\n"

static const struct rig_row load_errors[] = {
	{"return 1", "ERR Missing library metadata"},
	{"#!lua\nreturn 1", "ERR Library name was not given"},
	{LIB "return 1", "ERR No functions registered"},
	{"#!lua name=x y=1\nreturn 1", "ERR Invalid metadata value given: y=1"},
	{"#!js name=x\nreturn 1", "ERR Engine 'js' not found"},
	{"#!lua name=x name=y\nreturn 1", "ERR Invalid metadata value, name argument was given multiple times"},
	{"#!lua name=x-y\nreturn 1", "ERR Library names can only contain letters, numbers, or underscores(_) and must "
				     "be at least one character long"},
	{"#!lua name=x", "ERR Invalid library metadata"},
	{LIB "error('a')", "ERR Error registering functions: ERR user_function:2: Script attempted to access "
			   "nonexistent global variable 'error'"},
	{LIB "return redis.call('get','a')", "ERR Error registering functions: ERR user_function:2: Script attempted "
					     "to access nonexistent global variable 'call'"},
	{LIB "redis.register_function('f')",
	 "ERR Error registering functions: ERR calling redis.register_function with a single argument is only "
	 "applicable to Lua table (representing named arguments)."},
	{LIB "redis.register_function()",
	 "ERR Error registering functions: ERR wrong number of arguments to redis.register_function"},
	{LIB "redis.register_function('f',1)",
	 "ERR Error registering functions: ERR second argument to redis.register_function must be a function"},
	{LIB "redis.register_function({},function() end)",
	 "ERR Error registering functions: ERR first argument to redis.register_function must be a string"},
	{LIB "redis.register_function('f-g',function() end)",
	 "ERR Error registering functions: ERR Library names can only contain letters, numbers, or underscores(_) and "
	 "must be at least one character long"},
	{LIB "redis.register_function{}",
	 "ERR Error registering functions: ERR redis.register_function must get a function name argument"},
	{LIB "redis.register_function{function_name='f'}",
	 "ERR Error registering functions: ERR redis.register_function must get a callback argument"},
	{LIB "redis.register_function{function_name={},callback=function() end}",
	 "ERR Error registering functions: ERR function_name argument given to redis.register_function must be a "
	 "string"},
	{LIB "redis.register_function{function_name='f',callback=function() end,x=1}",
	 "ERR Error registering functions: ERR unknown argument given to redis.register_function"},
	{LIB "redis.register_function{function_name='f',callback=function() end,flags=1}",
	 "ERR Error registering functions: ERR flags argument to redis.register_function must be a table representing "
	 "function flags"},
	{LIB "redis.register_function{function_name='f',callback=function() end,flags={'x'}}",
	 "ERR Error registering functions: ERR unknown flag given"},
	{LIB "redis.register_function{[1]='f',callback=function() end}",
	 "ERR Error registering functions: ERR unknown argument given to redis.register_function"},
	{LIB "redis.register_function('f',function() end) redis.register_function('f',function() end)",
	 "ERR Error registering functions: ERR Function already exists in the library"},
	{LIB "y=1", "ERR Error registering functions: ERR user_function:2: Attempt to modify a readonly table"},
	{LIB "while true do end", "ERR Error registering functions: ERR FUNCTION LOAD timeout"},
};

static void test_script_functions__load_errors_as_redis(void **state)
{
	struct rig *r = rig_create(1);

	for (size_t i = 0; i < RP_ARRAY_LEN(load_errors); i++) {
		assert_string_equal(load(r, load_errors[i].script, false), load_errors[i].reply);
		assert_int_equal(script_libraries_count(r->libraries), 0);
		assert_int_equal(script_libraries_bytes(r->libraries), 0);
	}
	rig_destroy(r);
}

static void test_script_functions__keep_their_state(void **state)
{
	struct rig *r = rig_create(1);

	assert_string_equal(
		load(r, LIB "local n=0 redis.register_function('f',function(k,a) n=n+1 return {n,k,a} end)", false),
		"x");
	assert_string_equal(rig_fcall(r, "f", "k1", "a b"), "*3 :1 *1 $2 k1 *2 $1 a $1 b");
	assert_string_equal(rig_fcall(r, "F", "", ""), "*3 :2 *0 *0");
	rig_destroy(r);
}

static void test_script_functions__see_what_scripts_see_but_keys(void **state)
{
	struct rig *r = rig_create(1);

	assert_string_equal(load(r,
				 LIB
				 "redis.register_function('f',function() return KEYS end) "
				 "redis.register_function('g',function() return cjson.encode({1}) end) "
				 "redis.register_function('h',function() return load('return tostring(5 / 1)')() end) "
				 "redis.register_function{function_name='w',callback=function() return "
				 "redis.call('set','a','b') end,flags={'no-writes'}}",
				 false),
			    "x");
	assert_string_equal(rig_fcall(r, "f", "k", ""), "-ERR user_function:2: Script attempted to access nonexistent "
							"global variable 'KEYS' script: f, on @user_function:2.");
	assert_string_equal(rig_fcall(r, "g", "", ""), "$3 [1]");
	assert_string_equal(rig_fcall(r, "h", "", ""), "$1 5");
	assert_string_equal(
		rig_fcall(r, "w", "", ""),
		"-ERR Write commands are not allowed from read-only scripts. script: w, on @user_function:2.");
	assert_string_equal(rig_eval_with(r, "return KEYS", "k", ""), "*1 $1 k");
	rig_destroy(r);
}

/* Names of arguments are compared without case: one table may name the same one in thousands of ways. */
static void test_script_functions__one_argument_in_many_spellings(void **state)
{
	struct rig *r = rig_create(1);
	static char text[1 << 17];
	size_t n = (size_t)snprintf(text, sizeof text, LIB "redis.register_function{callback=function() return 1 end");

	for (uint32_t bits = 0; bits < 4096; bits++) {
		char word[] = "function_name";
		for (uint32_t b = 0, at = 0; b < 12; b++, at++) {
			at += word[at] == '_';
			if (bits >> b & 1)
				word[at] = (char)(word[at] - 'a' + 'A');
		}
		n += (size_t)snprintf(text + n, sizeof text - n, ",%s=7", word);
	}
	snprintf(text + n, sizeof text - n, "}");
	assert_string_equal(load(r, text, false), "x");
	assert_string_equal(rig_fcall(r, "7", "", ""), ":1");
	rig_destroy(r);
}

static void test_script_functions__flags_in_any_case(void **state)
{
	struct rig *r = rig_create(1);

	assert_string_equal(load(r,
				 LIB "redis.register_function{function_name='w',callback=function() return "
				     "redis.call('set','a','b') end,flags={'NO-Writes'}}",
				 false),
			    "x");
	assert_memory_equal(rig_fcall(r, "w", "", ""), "-ERR Write commands are not allowed", 35);
	rig_destroy(r);
}

static void test_script_functions__names_are_taken_once(void **state)
{
	struct rig *r = rig_create(1);

	assert_string_equal(load(r, LIB "redis.register_function('f',function() return 1 end)", false), "x");
	assert_string_equal(load(r, LIB "redis.register_function('f',function() return 2 end)", false),
			    "ERR Library 'x' already exists");
	assert_string_equal(load(r, "#!lua name=y\nredis.register_function('F',function() return 2 end)", false),
			    "ERR Function F already exists");
	assert_string_equal(rig_fcall(r, "f", "", ""), ":1");
	assert_string_equal(load(r, LIB "redis.register_function('f',function() return 2 end)", true), "x");
	assert_string_equal(rig_fcall(r, "f", "", ""), ":2");
	assert_true(script_library_delete(r->libraries, SLICE("x")));
	assert_false(script_library_delete(r->libraries, SLICE("x")));
	assert_null(script_function_find(r->libraries, SLICE("f")));
	rig_destroy(r);
}

/* FUNCTION RESTORE: what was there comes back if the new ones do not fit beside it. */
static void test_script_functions__merge_is_all_or_nothing(void **state)
{
	struct rig *r = rig_create(1);
	char why[SCRIPT_WHY_MAX];

	load(r, "#!lua name=a\nredis.register_function('fa',function() return 1 end)", false);
	load(r, "#!lua name=b\nredis.register_function('fb',function() return 1 end)", false);
	struct script_library *before = script_libraries_take(r->libraries);
	load(r, "#!lua name=b\nredis.register_function('fb',function() return 2 end)", false);
	load(r, "#!lua name=c\nredis.register_function('fc',function() return 2 end)", false);
	assert_false(script_libraries_merge(r->libraries, before, false, why));
	assert_string_equal(why, "ERR Library b already exists");
	assert_int_equal(script_libraries_count(r->libraries), 2);
	assert_string_equal(rig_fcall(r, "fb", "", ""), ":1");
	before = script_libraries_take(r->libraries);
	load(r, "#!lua name=b\nredis.register_function('fb',function() return 2 end)", false);
	assert_true(script_libraries_merge(r->libraries, before, true, why));
	assert_int_equal(script_libraries_count(r->libraries), 2);
	assert_string_equal(rig_fcall(r, "fa", "", ""), ":1");
	assert_string_equal(rig_fcall(r, "fb", "", ""), ":2");
	rig_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_script_functions__load_errors_as_redis),
		cmocka_unit_test(test_script_functions__keep_their_state),
		cmocka_unit_test(test_script_functions__see_what_scripts_see_but_keys),
		cmocka_unit_test(test_script_functions__one_argument_in_many_spellings),
		cmocka_unit_test(test_script_functions__flags_in_any_case),
		cmocka_unit_test(test_script_functions__names_are_taken_once),
		cmocka_unit_test(test_script_functions__merge_is_all_or_nothing),
	};

	harness_eal("test_script_functions");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
