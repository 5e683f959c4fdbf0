/* Bytes being put together for a Lua string. Unlike luaL_Buffer it lets its user have the stack to itself: only one
 * slot is its own. What it holds belongs to the state, so an error frees it and it counts as the script's memory. */
#pragma once

#include <lua.h>

#include "base/defs.h"

struct lua_buf {
	lua_State *L;
	char *p;
	size_t len, cap;
	int slot; /* stack index of the memory, once `first` is too small */
	char first[512];
};

/* Takes one slot on top of the stack. */
void lua_buf_init(struct lua_buf *b, lua_State *L);
void lua_buf_grow(struct lua_buf *b, size_t more);
void lua_buf_push(struct lua_buf *b); /* pushes the string */

/* A place for n more bytes, which count when lua_buf_used() says so. */
static inline char *lua_buf_room(struct lua_buf *b, size_t n)
{
	if (rp_unlikely(b->cap - b->len < n))
		lua_buf_grow(b, n);
	return b->p + b->len;
}
static inline void lua_buf_used(struct lua_buf *b, size_t n)
{
	b->len += n;
}
static inline void lua_buf_add(struct lua_buf *b, const void *data, size_t n)
{
	memcpy(lua_buf_room(b, n), data, n);
	b->len += n;
}
static inline void lua_buf_char(struct lua_buf *b, char c)
{
	*lua_buf_room(b, 1) = c;
	b->len++;
}
