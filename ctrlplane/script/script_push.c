/* Replies as Lua values, by Redis's rules (docs "Lua API", conversions). The bytes come from our own commands. */
#include "ctrlplane/script/script_priv.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"

struct reading {
	lua_State *L;
	const char *p, *end;
};

static void push_one(struct reading *r);

/* The rest of the line; p goes behind its CR LF. */
static struct slice take_line(struct reading *r)
{
	const char *cr = memchr(r->p, '\r', (size_t)(r->end - r->p));

	rp_assert(cr != NULL && cr + 1 < r->end);
	struct slice s = {r->p, (size_t)(cr - r->p)};
	r->p = cr + 2;
	return s;
}

static int64_t take_number(struct reading *r)
{
	int64_t v = 0;
	bool minus = *r->p == '-';

	if (minus)
		r->p++;
	for (; *r->p != '\r'; r->p++)
		v = v * 10 + (*r->p - '0');
	r->p += 2;
	return minus ? -v : v;
}

static void push_field(lua_State *L, const char *name, struct slice text)
{
	lua_createtable(L, 0, 1);
	lua_pushlstring(L, text.ptr, text.len);
	lua_setfield(L, -2, name);
}

static void push_bulk(struct reading *r)
{
	int64_t len = take_number(r);

	if (len < 0) {
		lua_pushboolean(r->L, false);
		return;
	}
	lua_pushlstring(r->L, r->p, (size_t)len);
	r->p += len + 2;
}

static void push_array(struct reading *r)
{
	int64_t n = take_number(r);

	if (n < 0) {
		lua_pushboolean(r->L, false);
		return;
	}
	luaL_checkstack(r->L, 4, "reply nested too deeply");
	lua_createtable(r->L, (int)n, 0);
	for (int64_t i = 1; i <= n; i++) {
		push_one(r);
		lua_rawseti(r->L, -2, i);
	}
}

/* {map = {...}}, or {set = {member = true, ...}} */
static void push_keyed(struct reading *r, bool map)
{
	int64_t n = take_number(r);

	luaL_checkstack(r->L, 6, "reply nested too deeply");
	lua_createtable(r->L, 0, 1);
	lua_createtable(r->L, 0, (int)n);
	for (int64_t i = 0; i < n; i++) {
		push_one(r);
		if (map)
			push_one(r);
		else
			lua_pushboolean(r->L, true);
		if (lua_isnil(r->L, -2))
			lua_pop(r->L, 2);
		else
			lua_rawset(r->L, -3);
	}
	lua_setfield(r->L, -2, map ? "map" : "set");
}

static void push_double(struct reading *r)
{
	struct slice s = take_line(r);
	char text[NUM_DOUBLE_CHARS];

	snprintf(text, sizeof text, "%.*s", (int)s.len, s.ptr);
	lua_createtable(r->L, 0, 1);
	lua_pushnumber(r->L, strtod(text, NULL));
	lua_setfield(r->L, -2, "double");
}

static void push_verbatim(struct reading *r)
{
	int64_t len = take_number(r);

	lua_createtable(r->L, 0, 1);
	lua_createtable(r->L, 0, 2);
	lua_pushlstring(r->L, r->p, 3);
	lua_setfield(r->L, -2, "format");
	lua_pushlstring(r->L, r->p + 4, (size_t)len - 4);
	lua_setfield(r->L, -2, "string");
	lua_setfield(r->L, -2, "verbatim_string");
	r->p += len + 2;
}

static void skip_attribute(struct reading *r)
{
	for (int64_t n = take_number(r) * 2; n > 0; n--) {
		push_one(r);
		lua_pop(r->L, 1);
	}
	push_one(r);
}

static void push_rare(struct reading *r, char kind)
{
	switch (kind) {
	case '%':
		push_keyed(r, true);
		return;
	case '~':
		push_keyed(r, false);
		return;
	case '_':
		take_line(r);
		lua_pushnil(r->L);
		return;
	case '#':
		lua_pushboolean(r->L, *take_line(r).ptr == 't');
		return;
	case ',':
		push_double(r);
		return;
	case '(':
		push_field(r->L, "big_number", take_line(r));
		return;
	case '=':
		push_verbatim(r);
		return;
	case '|':
		skip_attribute(r);
		return;
	default:
		rp_assert(!"a reply of no kind");
	}
}

static void push_one(struct reading *r)
{
	rp_assert(r->p < r->end);
	char kind = *r->p++;
	switch (kind) {
	case ':':
		lua_pushnumber(r->L, (lua_Number)take_number(r));
		return;
	case '$':
		push_bulk(r);
		return;
	case '+':
		push_field(r->L, "ok", take_line(r));
		return;
	case '*':
		push_array(r);
		return;
	case '-':
		script_push_error(r->L, take_line(r));
		lua_pushboolean(r->L, true);
		lua_setfield(r->L, -2, SCRIPT_ERROR_COUNTED);
		return;
	default:
		push_rare(r, kind);
	}
}

void script_push_error(lua_State *L, struct slice text)
{
	push_field(L, "err", text);
}

void script_push_reply(lua_State *L, struct slice reply)
{
	struct reading r = {L, reply.ptr, reply.ptr + reply.len};

	push_one(&r);
}
