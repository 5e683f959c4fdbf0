/* Run while building: is the Lua library the one that lua_numbers.c was written for? Its functions are replaced at link
 * time and reach into values; with another library they might silently do nothing, or harm. */
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/defs.h"

static const struct {
	const char *chunk, *want, *what;
} checks[] = {
	{"return 'k:' .. 10/2", "k:5", "luaO_tostring in `..`"},
	{"return 'k:' .. #'abc' .. -0.0", "k:3-0", "luaO_tostring of integers and -0"},
	{"return tostring(10/2)", "5", "luaL_tolstring"},
	{"return table.concat({1.0, 2^53, 0.1}, ' ')", "1 9.007199254741e+15 0.1",
	 "luaO_tostring through lua_tolstring"},
	{"return string.format('%s', 3.0)", "3", "luaL_tolstring of the string library"},
	{"return math.type(1) .. math.type('10' + 0)", "floatfloat", "luaO_str2num in the parser and in arithmetic"},
	{"return tostring(9223372036854775807 + 1)", "9.2233720368548e+18", "luaO_str2num: no wrap-around"},
	{"return tostring(tonumber('0xffffffffffffffff'))", "1.844674407371e+19", "luaO_str2num of tonumber()"},
	{"return tostring(5 % 0 ~= 5 % 0)", "true", "modulo zero"},
	{"return ('hello'):sub(2.9, 3.9)", "el", "luaL_checkinteger, luaL_optinteger"},
	{"return ('x'):rep(3.7)", "xxx", "luaL_checkinteger"},
	{"local t = {} t[1] = 'a' t[2.0] = 'b' return t[1.0] .. t[2] .. #t", "ab2", "keys of tables"},
	{"local s = '' for i = 1, 3 do s = s .. i end return s", "123", "numeric for"},
	{"return coroutine.wrap(function() return 'co' end)()", "co", "lua_resume"},
};

int main(void)
{
	lua_State *L = luaL_newstate();

	if (L == NULL || sizeof(lua_Integer) != 8 || sizeof(lua_Number) != 8)
		return EXIT_FAILURE;
	*(void **)lua_getextraspace(L) = NULL;
	luaL_openlibs(L);
	for (size_t i = 0; i < RP_ARRAY_LEN(checks); i++) {
		const char *got = luaL_dostring(L, checks[i].chunk) == LUA_OK ? lua_tostring(L, -1) : "(error)";
		if (got == NULL || strcmp(got, checks[i].want) != 0) {
			fprintf(stderr,
				"The Lua library has changed: `%s` gives %s instead of %s (%s).\n"
				"Look at ctrlplane/script/lua_numbers.c before scripts are built upon it.\n",
				checks[i].chunk, got != NULL ? got : "nothing", checks[i].want, checks[i].what);
			return EXIT_FAILURE;
		}
		lua_settop(L, 0);
	}
	lua_close(L);
	return EXIT_SUCCESS;
}
