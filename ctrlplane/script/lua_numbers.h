/* Numbers as Lua 5.1 has them; see lua_numbers.c. */
#pragma once

#include <lua.h>

#include "base/defs.h"

#define LUA_NUMBER_CHARS 32

/* "%.14g" in buf (LUA_NUMBER_CHARS). Returns the length. */
size_t lua_number_text(char *buf, lua_Number n);
/* Cut off towards zero; INT64_MIN if that does not fit. */
int64_t lua_number_cut(lua_Number n);
