/* Lua values as replies, by Redis's rules: a number loses its fraction, an array ends at the first nil, tables with one
 * of the fields err, ok, double, map, set, big_number, verbatim_string stand for what RESP has. */
#include "ctrlplane/script/script_priv.h"

#include <lauxlib.h>

#include "ctrlplane/script/lua_numbers.h"

#define DEPTH_MAX 1000 /* tables inside tables */

struct emitting {
	lua_State *L;
	struct reply *out;
	uint8_t resp;
	int depth;
};

static void emit(struct emitting *e);

/* A status or an error ends at a byte of zero, as in Redis. */
static struct slice top_line(lua_State *L)
{
	const char *s = lua_tostring(L, -1);

	return (struct slice){s, strlen(s)};
}

static struct slice top_string(lua_State *L)
{
	size_t len;
	const char *s = lua_tolstring(L, -1, &len);

	return (struct slice){s, len};
}

/* Pushes the raw field; true if it is of that type, else it is popped. */
static bool has_field(lua_State *L, const char *name, int type)
{
	lua_pushstring(L, name);
	if (lua_rawget(L, -2) == type)
		return true;
	lua_pop(L, 1);
	return false;
}

void script_emit_error(lua_State *L, int table, struct reply *out, struct slice text)
{
	struct error_stats *errors = out->errors;

	lua_pushliteral(L, SCRIPT_ERROR_COUNTED);
	if (lua_rawget(L, table) == LUA_TBOOLEAN && lua_toboolean(L, -1))
		out->errors = NULL;
	reply_error_slice(out, text);
	out->errors = errors;
	lua_pop(L, 1);
}

static void emit_status(struct emitting *e)
{
	struct slice s = top_line(e->L);

	reply_raw(e->out, "+", 1);
	for (size_t i = 0; i < s.len; i++)
		reply_raw(e->out, s.ptr[i] == '\r' || s.ptr[i] == '\n' ? " " : s.ptr + i, 1);
	reply_raw(e->out, "\r\n", 2);
}

/* The table on top as a map or set: every key once, and its value. */
static void emit_keyed(struct emitting *e, bool map)
{
	uint64_t n = 0;

	lua_pushnil(e->L);
	while (lua_next(e->L, -2) != 0) {
		lua_pop(e->L, 1);
		n++;
	}
	if (map)
		reply_map(e->out, n);
	else
		reply_set(e->out, n);
	lua_pushnil(e->L);
	while (lua_next(e->L, -2) != 0) {
		if (!map) {
			lua_pop(e->L, 1);
			lua_pushvalue(e->L, -1);
			emit(e);
			continue;
		}
		lua_pushvalue(e->L, -2);
		emit(e); /* the key */
		emit(e); /* the value; the key stays for the next step */
	}
}

static void emit_bignum(struct emitting *e)
{
	luaL_Buffer b;
	size_t len;
	const char *s = lua_tolstring(e->L, -1, &len);

	luaL_buffinit(e->L, &b);
	for (size_t i = 0; i < len; i++)
		luaL_addchar(&b, s[i] == '\r' || s[i] == '\n' ? ' ' : s[i]);
	luaL_pushresult(&b);
	reply_bignum(e->out, top_string(e->L));
	lua_pop(e->L, 1);
}

static bool emit_verbatim(struct emitting *e)
{
	if (!has_field(e->L, "format", LUA_TSTRING))
		return false;
	char format[3] = {' ', ' ', ' '};
	struct slice f = top_string(e->L);
	memcpy(format, f.ptr, RP_MIN(f.len, sizeof format));
	lua_pop(e->L, 1);
	if (!has_field(e->L, "string", LUA_TSTRING))
		return false;
	reply_verbatim(e->out, top_string(e->L), format);
	lua_pop(e->L, 1);
	return true;
}

/* Tables that stand for something else. true: done. */
static bool emit_special(struct emitting *e)
{
	bool done = true;

	if (has_field(e->L, "err", LUA_TSTRING))
		script_emit_error(e->L, lua_gettop(e->L) - 1, e->out, top_line(e->L));
	else if (has_field(e->L, "ok", LUA_TSTRING))
		emit_status(e);
	else if (has_field(e->L, "double", LUA_TNUMBER))
		reply_double(e->out, lua_tonumber(e->L, -1));
	else if (has_field(e->L, "map", LUA_TTABLE))
		emit_keyed(e, true);
	else if (has_field(e->L, "set", LUA_TTABLE))
		emit_keyed(e, false);
	else if (has_field(e->L, "big_number", LUA_TSTRING))
		emit_bignum(e);
	else if (has_field(e->L, "verbatim_string", LUA_TTABLE))
		done = emit_verbatim(e);
	else
		return false;
	lua_pop(e->L, 1);
	return done;
}

static void emit_array(struct emitting *e)
{
	uint64_t n = 0;

	while (lua_rawgeti(e->L, -1, (lua_Integer)n + 1) != LUA_TNIL) {
		lua_pop(e->L, 1);
		n++;
	}
	lua_pop(e->L, 1);
	reply_array(e->out, n);
	for (uint64_t i = 1; i <= n; i++) {
		lua_rawgeti(e->L, -1, (lua_Integer)i);
		emit(e);
	}
}

static void emit_table(struct emitting *e)
{
	if (++e->depth > DEPTH_MAX || !lua_checkstack(e->L, 6)) {
		reply_error(e->out, "ERR reached lua stack limit");
	} else {
		if (rp_unlikely(script_is_protected(e->L, -1))) {
			script_push_real(e->L, -1);
			lua_replace(e->L, -2);
		}
		if (!emit_special(e))
			emit_array(e);
	}
	e->depth--;
}

static void emit_bool(struct emitting *e, bool v)
{
	if (e->resp == 3)
		reply_bool(e->out, v);
	else if (v)
		reply_int(e->out, 1);
	else
		reply_null(e->out);
}

/* Writes what is on top and pops it. Once the reply has no room left, or when nobody gets it, what is inside of tables
 * is not looked at: tables that hold each other twice are few to keep and endless to write. */
static void emit(struct emitting *e)
{
	if (rp_unlikely(e->out->failed || (e->out->muted && e->depth > 0))) {
		lua_pop(e->L, 1);
		return;
	}
	switch (lua_type(e->L, -1)) {
	case LUA_TSTRING:
		reply_bulk_slice(e->out, top_string(e->L));
		break;
	case LUA_TNUMBER:
		reply_int(e->out, lua_number_cut(lua_tonumber(e->L, -1)));
		break;
	case LUA_TBOOLEAN:
		emit_bool(e, lua_toboolean(e->L, -1));
		break;
	case LUA_TTABLE:
		emit_table(e);
		break;
	default:
		reply_null(e->out);
	}
	lua_pop(e->L, 1);
}

void script_emit_value(lua_State *L, struct reply *out, uint8_t script_resp)
{
	struct emitting e = {L, out, script_resp, 0};

	emit(&e);
}
