/* What scripts see: libraries that can be read and not changed.
 *
 * A protected table is an empty one whose metatable reads from the real one, which scripts cannot reach: not through
 * getmetatable() (the field __metatable), rawset() or setmetatable() (script_base.c asks script_is_protected()), nor by
 * a method of strings.
 */
#include "ctrlplane/script/script_priv.h"

#include <lauxlib.h>
#include <lualib.h>

static const char protected_mark; /* its address marks the metatables of protected tables */

static int deny_write(lua_State *L)
{
	return luaL_error(L, "Attempt to modify a readonly table");
}

static int deny_read(lua_State *L)
{
	const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : luaL_typename(L, 2);

	return luaL_error(L, "Script attempted to access nonexistent global variable '%s'", name);
}

static int next_real(lua_State *L)
{
	lua_settop(L, 2);
	return lua_next(L, lua_upvalueindex(1)) ? 2 : 0;
}

/* pairs() of a protected table walks the real one, which it does not give away. */
static int pairs_real(lua_State *L)
{
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_pushcclosure(L, next_real, 1);
	return 1;
}

/* Pushes a metatable that reads from the table at `real`. */
static void push_meta(lua_State *L, int real)
{
	real = lua_absindex(L, real);
	lua_createtable(L, 0, 5);
	lua_pushvalue(L, real);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, deny_write);
	lua_setfield(L, -2, "__newindex");
	lua_pushvalue(L, real);
	lua_pushcclosure(L, pairs_real, 1);
	lua_setfield(L, -2, "__pairs");
	lua_pushboolean(L, true);
	lua_rawsetp(L, -2, &protected_mark);
}

/* Pushes what getmetatable() shows: a protected table itself, with `__index` as the string library's if given. */
static void push_shown_meta(lua_State *L, int shown_index)
{
	lua_newtable(L); /* proxy */
	lua_newtable(L); /* real */
	if (shown_index != 0) {
		lua_pushvalue(L, shown_index);
		lua_setfield(L, -2, "__index");
	}
	push_meta(L, -1);
	lua_remove(L, -2);
	lua_pushvalue(L, -2);
	lua_setfield(L, -2, "__metatable"); /* of this one: itself */
	lua_setmetatable(L, -2);
}

void script_protect(lua_State *L)
{
	lua_newtable(L);
	push_meta(L, -2);
	push_shown_meta(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_setmetatable(L, -2);
	lua_remove(L, -2);
}

bool script_is_protected(lua_State *L, int i)
{
	if (lua_type(L, i) != LUA_TTABLE || !lua_getmetatable(L, i))
		return false;
	bool is = lua_rawgetp(L, -1, &protected_mark) == LUA_TBOOLEAN;
	lua_pop(L, 2);
	return is;
}

void script_push_real(lua_State *L, int i)
{
	lua_getmetatable(L, i);
	lua_getfield(L, -1, "__index");
	lua_remove(L, -2);
}

void script_env_switch(lua_State *L, int env, int globals_ref)
{
	lua_getmetatable(L, env);
	lua_rawgeti(L, LUA_REGISTRYINDEX, globals_ref);
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
}

/* ---- building ---- */

/* Reading a name that is not there is an error. */
static void strict(lua_State *L)
{
	lua_createtable(L, 0, 1);
	lua_pushcfunction(L, deny_read);
	lua_setfield(L, -2, "__index");
	lua_setmetatable(L, -2);
}

static void drop_fields(lua_State *L, const char *const *names)
{
	for (; *names != NULL; names++) {
		lua_pushnil(L);
		lua_setfield(L, -2, *names);
	}
}

/* Protects the library on top and makes it a global of the table below. */
static void add_library(lua_State *L, const char *name)
{
	script_protect(L);
	lua_setfield(L, -2, name);
}

static void add_string(lua_State *L)
{
	luaL_requiref(L, LUA_STRLIBNAME, luaopen_string, 0);
	lua_patch_string(L);
	lua_pushliteral(L, "");
	lua_getmetatable(L, -1);
	lua_remove(L, -2); /* string, its metatable */
	lua_pushvalue(L, -2);
	script_protect(L);
	push_shown_meta(L, lua_gettop(L));
	lua_setfield(L, -3, "__metatable");
	lua_setfield(L, -4, "string"); /* the table of globals stands below `string` */
	lua_pop(L, 2);
}

static void add_lua_libraries(lua_State *L)
{
	struct script_engine *e = script_engine_of(L);

	add_string(L);
	luaL_requiref(L, LUA_TABLIBNAME, luaopen_table, 0);
	lua_patch_table(L);
	lua_getfield(L, -1, "unpack");
	lua_setfield(L, -3, "unpack");
	add_library(L, "table");
	luaL_requiref(L, LUA_COLIBNAME, luaopen_coroutine, 0);
	static const char *const newer[] = {"close", "isyieldable", NULL};
	drop_fields(L, newer);
	script_patch_coroutine(L);
	add_library(L, "coroutine");
	lua_open_math(L, &e->random);
	add_library(L, "math");
}

static void add_own_libraries(lua_State *L)
{
	static const struct {
		const char *name;
		void (*open)(lua_State *L);
	} own[] = {{"bit", lua_open_bit},
		   {"cjson", lua_open_cjson},
		   {"cmsgpack", lua_open_cmsgpack},
		   {"struct", lua_open_struct},
		   {"redis", script_api_open}};

	for (size_t i = 0; i < RP_ARRAY_LEN(own); i++) {
		own[i].open(L);
		add_library(L, own[i].name);
	}
	lua_getfield(L, -1, "redis");
	lua_setfield(L, -2, "server");
}

/* The globals of scripts: EVAL's, which KEYS and ARGV come into, and those of functions. */
static void finish_globals(lua_State *L, int *globals_ref, int *env_ref)
{
	strict(L);
	lua_pushvalue(L, -1);
	script_protect(L);
	lua_pushvalue(L, -1);
	lua_setfield(L, -3, "_G");
	*env_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	*globals_ref = luaL_ref(L, LUA_REGISTRYINDEX);
}

static void copy_table(lua_State *L)
{
	lua_newtable(L);
	lua_pushnil(L);
	while (lua_next(L, -3) != 0) {
		lua_pushvalue(L, -2);
		lua_insert(L, -2);
		lua_rawset(L, -4);
	}
}

int script_sandbox_open(lua_State *L)
{
	struct script_engine *e = script_engine_of(L);
	static const char *const unsafe[] = {"dofile", "loadfile", "print", "rawlen", "warn", "require", NULL};

	luaL_requiref(L, LUA_GNAME, luaopen_base, 0);
	drop_fields(L, unsafe);
	script_base_open(L);
	add_lua_libraries(L);
	add_own_libraries(L);
	copy_table(L);
	finish_globals(L, &e->function_globals, &e->function_env);
	finish_globals(L, &e->eval_globals, &e->eval_env);
	lua_newtable(L);
	script_load_api_open(L);
	strict(L);
	script_protect(L);
	lua_setfield(L, -2, "redis");
	strict(L);
	e->load_api = luaL_ref(L, LUA_REGISTRYINDEX);
	lua_rawgeti(L, LUA_REGISTRYINDEX, e->eval_env);
	lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
	/* The loaded libraries are real tables: nobody shall find them by their names. */
	lua_pushnil(L);
	lua_setfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
	return 0;
}
