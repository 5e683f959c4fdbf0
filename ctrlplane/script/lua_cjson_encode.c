/* cjson.encode: values to JSON (RFC 8259), in the choices of lua-cjson 2.1. */
#include "ctrlplane/script/lua_cjson.h"

#include <lauxlib.h>
#include <math.h>
#include <stdio.h>

#include "ctrlplane/script/lua_buf.h"
#include "ctrlplane/script/script_priv.h"
#include "ctrlplane/script/lua_numbers.h"

#define NUMBER_MAX 40

struct encoder {
	lua_State *L;
	const struct cjson_conf *conf;
	struct lua_buf out;
};

static _Noreturn void refuse(struct encoder *e, int at, const char *why)
{
	luaL_error(e->L, "Cannot serialise %s: %s", lua_typename(e->L, lua_type(e->L, at)), why);
	__builtin_unreachable();
}

/* The letter behind the backslash; 'u': by number; 0: as it is. */
static char escape_of(unsigned char c)
{
	switch (c) {
	case '"':
	case '\\':
	case '/':
		return (char)c;
	case '\b':
		return 'b';
	case '\t':
		return 't';
	case '\n':
		return 'n';
	case '\f':
		return 'f';
	case '\r':
		return 'r';
	default:
		return c < 0x20 || c == 0x7f ? 'u' : '\0';
	}
}

static void encode_string(struct encoder *e, int at)
{
	static const char digits[] = "0123456789abcdef";
	size_t len;
	const char *s = lua_tolstring(e->L, at, &len);
	/* Room for the worst case once, then no test for each byte. */
	if (len > SIZE_MAX / 8)
		luaL_error(e->L, "string too long");
	char *begin = lua_buf_room(&e->out, len * 6 + 2), *p = begin;

	*p++ = '"';
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];
		char esc = escape_of(c);
		if (rp_likely(esc == '\0')) {
			*p++ = (char)c;
			continue;
		}
		*p++ = '\\';
		*p++ = esc;
		if (esc == 'u') {
			memcpy(p, "00", 2);
			p[2] = digits[c >> 4];
			p[3] = digits[c & 15];
			p += 4;
		}
	}
	*p++ = '"';
	lua_buf_used(&e->out, (size_t)(p - begin));
}

static void encode_number(struct encoder *e, int at)
{
	lua_Number n = lua_tonumber(e->L, at);
	char *to = lua_buf_room(&e->out, NUMBER_MAX);

	if (isnan(n) || isinf(n)) {
		switch (e->conf->encode_invalid) {
		case CJSON_INVALID_OFF:
			refuse(e, at, "must not be NaN or Inf");
		case CJSON_INVALID_NULL:
			lua_buf_add(&e->out, "null", 4);
			return;
		case CJSON_INVALID_ON:
			if (isnan(n)) {
				lua_buf_add(&e->out, "nan", 3);
				return;
			}
		}
	}
	if (rp_likely(e->conf->precision == 14))
		lua_buf_used(&e->out, lua_number_text(to, n));
	else
		lua_buf_used(&e->out, (size_t)snprintf(to, NUMBER_MAX, "%.*g", e->conf->precision, n));
}

/* Elements of the table at `at` if it is an array; -1: it is an object. */
static lua_Integer array_length(struct encoder *e, int at)
{
	lua_State *L = e->L;
	lua_Number max = 0, items = 0;

	lua_pushnil(L);
	while (lua_next(L, at) != 0) {
		script_look(L);
		lua_pop(L, 1);
		lua_Number k = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : 0;
		if (!(k >= 1 && k == floor(k) && k < 0x1p53)) {
			lua_pop(L, 1);
			return -1;
		}
		max = RP_MAX(max, k);
		items++;
	}
	if (e->conf->sparse_ratio > 0 && max > items * e->conf->sparse_ratio && max > e->conf->sparse_safe) {
		if (!e->conf->sparse_convert)
			refuse(e, at, "excessively sparse array");
		return -1;
	}
	return (lua_Integer)max;
}

static void encode_value(struct encoder *e, int at, int depth);

static void encode_array(struct encoder *e, int at, lua_Integer n, int depth)
{
	lua_buf_char(&e->out, '[');
	for (lua_Integer i = 1; i <= n; i++) {
		if (i > 1)
			lua_buf_char(&e->out, ',');
		lua_rawgeti(e->L, at, i);
		encode_value(e, lua_gettop(e->L), depth);
		lua_pop(e->L, 1);
	}
	lua_buf_char(&e->out, ']');
}

static void encode_key(struct encoder *e, int at)
{
	switch (lua_type(e->L, at)) {
	case LUA_TNUMBER:
		lua_buf_char(&e->out, '"');
		encode_number(e, at);
		lua_buf_char(&e->out, '"');
		break;
	case LUA_TSTRING:
		encode_string(e, at);
		break;
	default:
		refuse(e, at, "table key must be a number or string");
	}
}

static void encode_object(struct encoder *e, int at, int depth)
{
	bool first = true;

	lua_buf_char(&e->out, '{');
	lua_pushnil(e->L);
	while (lua_next(e->L, at) != 0) {
		int value = lua_gettop(e->L);
		if (!first)
			lua_buf_char(&e->out, ',');
		first = false;
		encode_key(e, value - 1);
		lua_buf_char(&e->out, ':');
		encode_value(e, value, depth);
		lua_pop(e->L, 1);
	}
	lua_buf_char(&e->out, '}');
}

static void encode_table(struct encoder *e, int at, int depth)
{
	depth++;
	if (depth > RP_MIN(e->conf->encode_depth, CJSON_DEPTH_MAX))
		luaL_error(e->L, "Cannot serialise, excessive nesting (%d)", depth);
	luaL_checkstack(e->L, 6, NULL);
	lua_Integer n = array_length(e, at);
	if (n > 0)
		encode_array(e, at, n, depth);
	else
		encode_object(e, at, depth);
}

static void encode_value(struct encoder *e, int at, int depth)
{
	script_look(e->L);
	switch (lua_type(e->L, at)) {
	case LUA_TSTRING:
		encode_string(e, at);
		return;
	case LUA_TNUMBER:
		encode_number(e, at);
		return;
	case LUA_TBOOLEAN:
		if (lua_toboolean(e->L, at))
			lua_buf_add(&e->out, "true", 4);
		else
			lua_buf_add(&e->out, "false", 5);
		return;
	case LUA_TTABLE:
		encode_table(e, at, depth);
		return;
	case LUA_TNIL:
		lua_buf_add(&e->out, "null", 4);
		return;
	case LUA_TLIGHTUSERDATA:
		if (lua_touserdata(e->L, at) == NULL) {
			lua_buf_add(&e->out, "null", 4);
			return;
		}
		/* fall through */
	default:
		refuse(e, at, "type not supported");
	}
}

int cjson_encode(lua_State *L)
{
	struct encoder e = {.L = L, .conf = cjson_conf(L)};

	luaL_argcheck(L, lua_gettop(L) == 1, 1, "expected 1 argument");
	lua_buf_init(&e.out, L);
	encode_value(&e, 1, 0);
	lua_buf_push(&e.out);
	return 1;
}
