/* cjson: what scripts set, and the functions that set it. The settings belong to the Lua state, as in Redis: what one
 * script changes the next one finds. */
#include "ctrlplane/script/lua_cjson.h"

#include <lauxlib.h>
#include <limits.h>

#include "ctrlplane/script/lua_libs.h"

struct cjson_conf *cjson_conf(lua_State *L)
{
	return lua_touserdata(L, lua_upvalueindex(1));
}

/* Argument `arg`, if given, becomes *value; the value is returned to the script. */
static void integer_option(lua_State *L, int arg, int *value, int min, int max)
{
	if (!lua_isnoneornil(L, arg)) {
		lua_Number n = luaL_checknumber(L, arg);
		if (!(n >= min && n <= max))
			luaL_argerror(L, arg, lua_pushfstring(L, "expected integer between %d and %d", min, max));
		*value = (int)n;
	}
	lua_pushnumber(L, *value);
}

static void bool_option(lua_State *L, int arg, bool *value)
{
	if (!lua_isnoneornil(L, arg)) {
		static const char *const words[] = {"off", "on", NULL};
		*value = lua_isboolean(L, arg) ? lua_toboolean(L, arg) : luaL_checkoption(L, arg, NULL, words) == 1;
	}
	lua_pushboolean(L, *value);
}

static int encode_sparse_array(lua_State *L)
{
	struct cjson_conf *c = cjson_conf(L);

	luaL_argcheck(L, lua_gettop(L) <= 3, 4, "found too many arguments");
	lua_settop(L, 3);
	bool_option(L, 1, &c->sparse_convert);
	integer_option(L, 2, &c->sparse_ratio, 0, INT_MAX);
	integer_option(L, 3, &c->sparse_safe, 0, INT_MAX);
	return 3;
}

static void one_argument(lua_State *L)
{
	luaL_argcheck(L, lua_gettop(L) <= 1, 2, "found too many arguments");
	lua_settop(L, 1);
}

static int encode_max_depth(lua_State *L)
{
	one_argument(L);
	integer_option(L, 1, &cjson_conf(L)->encode_depth, 1, INT_MAX);
	return 1;
}

static int decode_max_depth(lua_State *L)
{
	one_argument(L);
	integer_option(L, 1, &cjson_conf(L)->decode_depth, 1, INT_MAX);
	return 1;
}

static int encode_number_precision(lua_State *L)
{
	one_argument(L);
	integer_option(L, 1, &cjson_conf(L)->precision, 1, 14);
	return 1;
}

/* The buffer is never kept; what was set is remembered for who asks. */
static int encode_keep_buffer(lua_State *L)
{
	one_argument(L);
	bool_option(L, 1, &cjson_conf(L)->keep_buffer);
	return 1;
}

static int encode_invalid_numbers(lua_State *L)
{
	static const char *const words[] = {"off", "on", "null", NULL};
	struct cjson_conf *c = cjson_conf(L);

	one_argument(L);
	if (!lua_isnil(L, 1))
		c->encode_invalid = lua_isboolean(L, 1) ? (enum cjson_invalid)lua_toboolean(L, 1)
							: (enum cjson_invalid)luaL_checkoption(L, 1, NULL, words);
	if (c->encode_invalid == CJSON_INVALID_NULL)
		lua_pushliteral(L, "null");
	else
		lua_pushboolean(L, c->encode_invalid == CJSON_INVALID_ON);
	return 1;
}

static int decode_invalid_numbers(lua_State *L)
{
	one_argument(L);
	bool_option(L, 1, &cjson_conf(L)->decode_invalid);
	return 1;
}

static int cjson_new(lua_State *L)
{
	lua_open_cjson(L);
	return 1;
}

void lua_open_cjson(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"encode", cjson_encode},
		{"decode", cjson_decode},
		{"encode_sparse_array", encode_sparse_array},
		{"encode_max_depth", encode_max_depth},
		{"decode_max_depth", decode_max_depth},
		{"encode_number_precision", encode_number_precision},
		{"encode_keep_buffer", encode_keep_buffer},
		{"encode_invalid_numbers", encode_invalid_numbers},
		{"decode_invalid_numbers", decode_invalid_numbers},
		{"new", cjson_new},
		{NULL, NULL},
	};

	luaL_newlibtable(L, functions);
	struct cjson_conf *c = lua_newuserdatauv(L, sizeof *c, 0);
	*c = (struct cjson_conf){.sparse_ratio = 2,
				 .sparse_safe = 10,
				 .encode_depth = 1000,
				 .decode_depth = 1000,
				 .precision = 14,
				 .keep_buffer = true,
				 .decode_invalid = true};
	luaL_setfuncs(L, functions, 1);
	lua_pushlightuserdata(L, NULL);
	lua_setfield(L, -2, "null");
	lua_pushliteral(L, "cjson");
	lua_setfield(L, -2, "_NAME");
	lua_pushliteral(L, "2.1.0");
	lua_setfield(L, -2, "_VERSION");
}
