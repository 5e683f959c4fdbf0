/* Lua's own globals where scripts for Redis know another behaviour, and where they could break out. */
#include "ctrlplane/script/script_priv.h"

#include <ctype.h>
#include <lauxlib.h>
#include <stdlib.h>

/* An error that ends the script passes through every pcall(). */
static void pass_on_end(lua_State *L)
{
	if (rp_unlikely(script_engine_of(L)->ended))
		script_raise_end(L);
}

/* An error table of redis.call() is its text to who caught it. */
static void error_to_text(lua_State *L)
{
	if (lua_type(L, -1) != LUA_TTABLE)
		return;
	lua_pushliteral(L, "err");
	lua_rawget(L, -2);
	if (lua_isstring(L, -1))
		lua_replace(L, -2);
	else
		lua_pop(L, 1);
}

static int base_pcall(lua_State *L)
{
	luaL_checkany(L, 1);
	lua_pushboolean(L, true);
	lua_insert(L, 1);
	if (rp_likely(lua_pcall(L, lua_gettop(L) - 2, LUA_MULTRET, 0) == LUA_OK))
		return lua_gettop(L);
	pass_on_end(L);
	error_to_text(L);
	lua_pushboolean(L, false);
	lua_insert(L, -2);
	return 2;
}

/* Upvalue 1 is the script's handler. It runs where the error is raised: for one that ends the script that is inside the
 * hook, where nothing could end the handler. */
static int handle_error(lua_State *L)
{
	if (rp_unlikely(script_engine_of(L)->ended))
		return 1;
	lua_settop(L, 1);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, 1, 1);
	return 1;
}

static int base_xpcall(lua_State *L)
{
	luaL_checktype(L, 2, LUA_TFUNCTION);
	int n = lua_gettop(L) - 2;
	/* handler, function, arguments */
	lua_pushvalue(L, 1);
	lua_pushvalue(L, 2);
	lua_pushcclosure(L, handle_error, 1);
	lua_replace(L, 1);
	lua_replace(L, 2);
	if (lua_pcall(L, n, LUA_MULTRET, 1) == LUA_OK) {
		lua_pushboolean(L, true);
		lua_replace(L, 1);
		return lua_gettop(L);
	}
	pass_on_end(L);
	lua_pushboolean(L, false);
	lua_insert(L, -2);
	return 2;
}

/* coroutine.resume(): upvalue 1 is Lua's. */
static int base_resume(lua_State *L)
{
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
	pass_on_end(L);
	return lua_gettop(L);
}

/* What coroutine.wrap() gives: upvalue 1 is Lua's resume(), 2 the coroutine. Lua's own would run the __close of
 * variables of a coroutine that was ended, where nothing could end that. */
static int wrapped(lua_State *L)
{
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_pushvalue(L, lua_upvalueindex(2));
	lua_insert(L, 2);
	lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
	pass_on_end(L);
	if (lua_toboolean(L, 1))
		return lua_gettop(L) - 1;
	if (lua_isstring(L, -1)) {
		luaL_where(L, 1);
		lua_insert(L, -2);
		lua_concat(L, 2);
	}
	return lua_error(L);
}

/* coroutine.wrap(): upvalue 1 is Lua's resume(), 2 its create(). */
static int base_wrap(lua_State *L)
{
	lua_settop(L, 1);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_pushvalue(L, lua_upvalueindex(2));
	lua_pushvalue(L, 1);
	lua_call(L, 1, 1);
	lua_pushcclosure(L, wrapped, 2);
	return 1;
}

void script_patch_coroutine(lua_State *L)
{
	lua_getfield(L, -1, "resume");
	lua_getfield(L, -2, "create");
	lua_pushcclosure(L, base_wrap, 2);
	lua_setfield(L, -2, "wrap");
	lua_getfield(L, -1, "resume");
	lua_pushcclosure(L, base_resume, 1);
	lua_setfield(L, -2, "resume");
	lua_pushnil(L); /* as in 5.1 */
	lua_setfield(L, -2, "close");
}

int script_deny_write(lua_State *L)
{
	lua_pushliteral(L, "Attempt to modify a readonly table");
	return lua_error(L);
}

/* A number is a text like others: it says where the error was raised. */
static int base_error(lua_State *L)
{
	int level = (int)luaL_optinteger(L, 2, 1);

	lua_settop(L, 1);
	if (lua_isstring(L, 1) && level > 0) {
		luaL_where(L, level);
		lua_insert(L, 1);
		lua_concat(L, 2);
	}
	return lua_error(L);
}

static int base_rawset(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	luaL_checkany(L, 2);
	luaL_checkany(L, 3);
	lua_settop(L, 3);
	if (script_is_protected(L, 1))
		return script_deny_write(L);
	lua_rawset(L, 1);
	return 1;
}

/* Raw reading sees through the protection, as scripts that look for a global expect. */
static int base_rawget(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	luaL_checkany(L, 2);
	lua_settop(L, 2);
	if (script_is_protected(L, 1)) {
		script_push_real(L, 1);
		lua_replace(L, 1);
	}
	lua_rawget(L, 1);
	return 1;
}

static int base_next(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 2);
	if (rp_unlikely(script_is_protected(L, 1))) {
		script_push_real(L, 1);
		lua_replace(L, 1);
	}
	if (lua_next(L, 1))
		return 2;
	lua_pushnil(L);
	return 1;
}

/* A finaliser would run between scripts. Lua looks for it when a table gets its metatable: it does not find it. */
static int base_setmetatable(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	luaL_argexpected(L, lua_isnil(L, 2) || lua_istable(L, 2), 2, "nil or table");
	lua_settop(L, 2);
	if (script_is_protected(L, 1))
		return script_deny_write(L);
	if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
		return luaL_error(L, "cannot change a protected metatable");
	if (lua_isnil(L, 2)) {
		lua_setmetatable(L, 1);
		return 1;
	}
	lua_pushliteral(L, "__gc");
	bool gc = lua_rawget(L, 2) != LUA_TNIL;
	if (gc) {
		lua_pushliteral(L, "__gc");
		lua_pushnil(L);
		lua_rawset(L, 2);
	}
	lua_pushvalue(L, 2);
	lua_setmetatable(L, 1);
	if (gc) {
		lua_pushliteral(L, "__gc");
		lua_pushvalue(L, 3);
		lua_rawset(L, 2);
	}
	lua_settop(L, 1);
	return 1;
}

/* ---- load ---- */

/* Leaves the function, or nil and the error. */
static int loaded(lua_State *L, int status, int env)
{
	if (status != LUA_OK) {
		lua_pushnil(L);
		lua_insert(L, -2);
		return 2;
	}
	if (env != 0) {
		lua_pushvalue(L, env);
		if (lua_setupvalue(L, -2, 1) == NULL)
			lua_pop(L, 1);
	}
	return 1;
}

static int load_text(lua_State *L, struct slice text, const char *name, int env)
{
	bool ok;
	size_t len;
	char *fixed = script_source_fix(text, &len, &ok);

	if (!ok)
		return luaL_error(L, "not enough memory");
	int status = luaL_loadbufferx(L, fixed != NULL ? fixed : text.ptr, len, name, "t");
	free(fixed);
	return loaded(L, status, env);
}

/* All pieces of a reader function as one string. */
static void gather(lua_State *L)
{
	luaL_Buffer b;

	lua_settop(L, 4);
	lua_newtable(L);
	int n = 0;
	for (;;) {
		script_look(L); /* a reader may be C all the way */
		lua_pushvalue(L, 1);
		lua_call(L, 0, 1);
		if (lua_isnil(L, -1) || (lua_isstring(L, -1) && lua_rawlen(L, -1) == 0))
			break;
		if (!lua_isstring(L, -1))
			luaL_error(L, "reader function must return a string");
		lua_rawseti(L, 5, ++n);
	}
	lua_pop(L, 1);
	luaL_buffinit(L, &b);
	for (int i = 1; i <= n; i++) {
		lua_rawgeti(L, 5, i);
		luaL_addvalue(&b);
	}
	luaL_pushresult(&b);
	lua_replace(L, 1);
}

/* load(text or reader [, name [, mode [, env]]]): never bytecode. */
static int base_load(lua_State *L)
{
	int env = lua_isnone(L, 4) ? 0 : 4;
	size_t len;

	lua_settop(L, 4);
	if (lua_isfunction(L, 1))
		gather(L);
	const char *s = luaL_checklstring(L, 1, &len);
	return load_text(L, (struct slice){s, len}, luaL_optstring(L, 2, "=(load)"), env);
}

static int base_loadstring(lua_State *L)
{
	size_t len;
	const char *s = luaL_checklstring(L, 1, &len);

	return load_text(L, (struct slice){s, len}, luaL_optstring(L, 2, s), 0);
}

/* ---- garbage ---- */

/* Scripts may ask, and collect; how the collector works is not theirs to change. */
static int base_collectgarbage(lua_State *L)
{
	static const char *const words[] = {"collect",      "count",       "step",       "stop",
					    "restart",      "setpause",    "setstepmul", "isrunning",
					    "generational", "incremental", NULL};

	switch (luaL_checkoption(L, 1, "collect", words)) {
	case 0:
	case 2:
		lua_gc(L, LUA_GCCOLLECT);
		break;
	case 1:
		lua_pushnumber(L, (lua_Number)script_engine_of(L)->memory / 1024);
		return 1;
	default:
		break;
	}
	lua_pushnumber(L, 0);
	return 1;
}

static int base_gcinfo(lua_State *L)
{
	lua_pushnumber(L, (lua_Number)(script_engine_of(L)->memory >> 10));
	return 1;
}

/* tonumber(text, base) as in 5.1: strtoul() reads it, whatever can be a text. */
static bool read_in_base(lua_State *L, int base, lua_Number *n)
{
	const char *s = luaL_checkstring(L, 1);
	char *end;

	luaL_argcheck(L, base >= 2 && base <= 36, 2, "base out of range");
	*n = (lua_Number)strtoul(s, &end, base);
	if (end == s)
		return false;
	while (isspace((unsigned char)*end))
		end++;
	return *end == '\0';
}

/* Upvalue 1 is Lua's. */
static int base_tonumber(lua_State *L)
{
	int base = (int)luaL_optnumber(L, 2, 10);
	lua_Number n;

	if (base != 10) {
		if (read_in_base(L, base, &n))
			lua_pushnumber(L, n);
		else
			lua_pushnil(L);
		return 1;
	}
	luaL_checkany(L, 1);
	lua_settop(L, 1);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, 1, 1);
	return 1;
}

void script_base_open(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"error", base_error},
		{"pcall", base_pcall},
		{"xpcall", base_xpcall},
		{"rawset", base_rawset},
		{"rawget", base_rawget},
		{"next", base_next},
		{"setmetatable", base_setmetatable},
		{"load", base_load},
		{"loadstring", base_loadstring},
		{"collectgarbage", base_collectgarbage},
		{"gcinfo", base_gcinfo},
		{NULL, NULL},
	};

	luaL_setfuncs(L, functions, 0);
	lua_getfield(L, -1, "tonumber");
	lua_pushcclosure(L, base_tonumber, 1);
	lua_setfield(L, -2, "tonumber");
}
