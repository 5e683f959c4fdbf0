/* table as in Lua 5.1: positions outside the list are no errors, and the functions that 5.4 dropped. */
#include "ctrlplane/script/script_priv.h"

#include <lauxlib.h>

#include "ctrlplane/script/lua_buf.h"

static lua_Integer list_len(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	return (lua_Integer)lua_rawlen(L, 1);
}

static int table_insert(lua_State *L)
{
	lua_Integer end = list_len(L) + 1, pos = end;

	if (script_is_protected(L, 1))
		return script_deny_write(L);
	if (lua_gettop(L) == 3) {
		pos = luaL_checkinteger(L, 2);
		/* 5.1 would move the list by as much; no script can mean it, and nobody could end it. */
		luaL_argcheck(L, pos >= 1, 2, "position out of bounds");
		end = RP_MAX(end, pos);
		for (lua_Integer i = end; i > pos; i--) {
			script_look(L);
			lua_rawgeti(L, 1, i - 1);
			lua_rawseti(L, 1, i);
		}
	} else if (lua_gettop(L) != 2) {
		return luaL_error(L, "wrong number of arguments to 'insert'");
	}
	lua_rawseti(L, 1, pos);
	return 0;
}

static int table_remove(lua_State *L)
{
	lua_Integer n = list_len(L), pos = luaL_optinteger(L, 2, n);

	if (pos < 1 || pos > n)
		return 0;
	lua_rawgeti(L, 1, pos);
	for (; pos < n; pos++) {
		script_look(L);
		lua_rawgeti(L, 1, pos + 1);
		lua_rawseti(L, 1, pos);
	}
	lua_pushnil(L);
	lua_rawseti(L, 1, n);
	return 1;
}

static int table_getn(lua_State *L)
{
	lua_pushnumber(L, (lua_Number)list_len(L));
	return 1;
}

static int table_setn(lua_State *L)
{
	return luaL_error(L, "'setn' is obsolete");
}

static int table_maxn(lua_State *L)
{
	lua_Number max = 0;

	luaL_checktype(L, 1, LUA_TTABLE);
	lua_pushnil(L);
	while (lua_next(L, 1) != 0) {
		script_look(L);
		lua_pop(L, 1);
		if (lua_type(L, -1) == LUA_TNUMBER)
			max = RP_MAX(max, lua_tonumber(L, -1));
	}
	lua_pushnumber(L, max);
	return 1;
}

static int table_foreach(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	luaL_checktype(L, 2, LUA_TFUNCTION);
	lua_pushnil(L);
	while (lua_next(L, 1) != 0) {
		script_look(L);
		lua_pushvalue(L, 2);
		lua_pushvalue(L, -3);
		lua_pushvalue(L, -3);
		lua_call(L, 2, 1);
		if (!lua_isnil(L, -1))
			return 1;
		lua_pop(L, 2);
	}
	return 0;
}

static int table_foreachi(lua_State *L)
{
	lua_Integer n = list_len(L);

	luaL_checktype(L, 2, LUA_TFUNCTION);
	for (lua_Integer i = 1; i <= n; i++) {
		script_look(L);
		lua_pushvalue(L, 2);
		lua_pushnumber(L, (lua_Number)i);
		lua_rawgeti(L, 1, i);
		lua_call(L, 2, 1);
		if (!lua_isnil(L, -1))
			return 1;
		lua_pop(L, 1);
	}
	return 0;
}

static int table_unpack(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_Integer i = luaL_optinteger(L, 2, 1), e = luaL_opt(L, luaL_checkinteger, 3, (lua_Integer)lua_rawlen(L, 1));

	if (i > e)
		return 0;
	uint64_t n = (uint64_t)e - (uint64_t)i;
	if (n >= INT32_MAX || !lua_checkstack(L, (int)n + 1))
		return luaL_error(L, "too many results to unpack");
	for (; i < e; i++)
		lua_rawgeti(L, 1, i);
	lua_rawgeti(L, 1, e);
	return (int)n + 1;
}

static int table_concat(lua_State *L)
{
	struct lua_buf b;
	size_t sep_len;
	const char *sep = luaL_optlstring(L, 2, "", &sep_len);

	luaL_checktype(L, 1, LUA_TTABLE);
	lua_Integer i = luaL_optinteger(L, 3, 1), last = luaL_opt(L, luaL_checkinteger, 4, list_len(L));
	lua_buf_init(&b, L);
	for (; i <= last; i++) {
		script_look(L);
		if (rp_unlikely(lua_rawgeti(L, 1, i) != LUA_TSTRING) && !lua_isstring(L, -1))
			return luaL_error(L, "invalid value (%s) at index %d in table for 'concat'",
					  luaL_typename(L, -1), (int)i);
		size_t len;
		const char *s = lua_tolstring(L, -1, &len);
		lua_buf_add(&b, s, len);
		lua_pop(L, 1);
		if (i == last)
			break; /* it may be the last number of all */
		lua_buf_add(&b, sep, sep_len);
	}
	lua_buf_push(&b);
	return 1;
}

static int less(lua_State *L)
{
	script_look(L);
	lua_pushboolean(L, lua_compare(L, 1, 2, LUA_OPLT));
	return 1;
}

/* Upvalue 1 is Lua's, which compares by itself if it is given no function: few strings can take long, if they are
 * long ones. */
static int table_sort(lua_State *L)
{
	lua_settop(L, 2);
	if (lua_isnil(L, 2)) {
		lua_pushcfunction(L, less);
		lua_replace(L, 2);
	}
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, 2, 0);
	return 0;
}

void lua_patch_table(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"unpack", table_unpack},   {"insert", table_insert},
		{"remove", table_remove},   {"getn", table_getn},
		{"setn", table_setn},       {"maxn", table_maxn},
		{"foreach", table_foreach}, {"foreachi", table_foreachi},
		{"concat", table_concat},   {NULL, NULL},
	};

	luaL_setfuncs(L, functions, 0);
	lua_getfield(L, -1, "sort");
	lua_pushcclosure(L, table_sort, 1);
	lua_setfield(L, -2, "sort");
	/* 5.1 had none of it; it goes on in C for as long as its numbers say. */
	lua_pushnil(L);
	lua_setfield(L, -2, "move");
}
