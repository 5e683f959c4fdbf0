/* Libraries that scripts find beside Lua's own. Each leaves its table on the stack. */
#pragma once

#include <lua.h>

#include "base/defs.h"

struct lua_random { /* math.random's state: the same numbers after the same seed everywhere */
	uint64_t x;
};

void lua_open_bit(lua_State *L);
void lua_open_struct(lua_State *L);
void lua_open_cjson(lua_State *L);
void lua_open_cmsgpack(lua_State *L);
/* math of Lua 5.1. `random` lives as long as the state. */
void lua_open_math(lua_State *L, struct lua_random *random);
/* Changes the string and the table library on top of the stack to what 5.1 has. */
void lua_patch_string(lua_State *L);
void lua_patch_patterns(lua_State *L);
void lua_patch_table(lua_State *L);
void lua_random_seed(struct lua_random *r, int32_t seed);
