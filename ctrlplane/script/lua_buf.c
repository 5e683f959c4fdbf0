/* See lua_buf.h. */
#include "ctrlplane/script/lua_buf.h"

#include <lauxlib.h>

void lua_buf_init(struct lua_buf *b, lua_State *L)
{
	b->L = L;
	b->p = b->first;
	b->len = 0;
	b->cap = sizeof b->first;
	luaL_checkstack(L, 3, "too many results");
	lua_pushnil(L);
	b->slot = lua_gettop(L);
}

void lua_buf_grow(struct lua_buf *b, size_t more)
{
	size_t cap = b->cap;

	if (more > PTRDIFF_MAX / 4 || b->len > PTRDIFF_MAX / 4)
		luaL_error(b->L, "string too long");
	while (cap - b->len < more)
		cap *= 2;
	char *p = lua_newuserdatauv(b->L, cap, 0);
	memcpy(p, b->p, b->len);
	b->p = p;
	b->cap = cap;
	lua_replace(b->L, b->slot);
}

void lua_buf_push(struct lua_buf *b)
{
	lua_pushlstring(b->L, b->p, b->len);
}
