/* cmsgpack: MessagePack (msgpack.org, "spec.md"), with the choices of lua-cmsgpack 0.4: a table with the keys 1..n is
 * an array, any other a map; a number without fraction is an integer; tables deeper than NESTING_MAX are nil. */
#include "ctrlplane/script/lua_libs.h"

#include <lauxlib.h>
#include <limits.h>
#include <math.h>

#include "ctrlplane/script/lua_buf.h"
#include "ctrlplane/script/lua_numbers.h"
#include "ctrlplane/script/script_priv.h"

#define NESTING_MAX  16   /* tables inside tables that are packed */
#define UNPACK_DEPTH 7990 /* and unpacked: as many as Lua 5.1's stack has room for */

/* ---- packing ---- */

static void put_be(struct lua_buf *b, uint8_t mark, uint64_t v, int bytes)
{
	char out[9] = {(char)mark};

	for (int i = bytes; i > 0; i--, v >>= 8)
		out[i] = (char)v;
	lua_buf_add(b, out, (size_t)bytes + 1);
}

static void pack_bytes(struct lua_buf *b, const char *s, size_t len)
{
	if (len < 32)
		put_be(b, (uint8_t)(0xa0 | len), 0, 0);
	else if (len <= 0xff)
		put_be(b, 0xd9, len, 1);
	else if (len <= 0xffff)
		put_be(b, 0xda, len, 2);
	else
		put_be(b, 0xdb, len, 4);
	lua_buf_add(b, s, len);
}

static void pack_integer(struct lua_buf *b, int64_t n)
{
	uint64_t u = (uint64_t)n;

	if (n >= -32 && n <= 127)
		put_be(b, (uint8_t)n, 0, 0);
	else if (n >= 0)
		put_be(b,
		       u <= 0xff         ? 0xcc
		       : u <= 0xffff     ? 0xcd
		       : u <= 0xffffffff ? 0xce
					 : 0xcf,
		       u,
		       u <= 0xff         ? 1
		       : u <= 0xffff     ? 2
		       : u <= 0xffffffff ? 4
					 : 8);
	else
		put_be(b,
		       n >= INT8_MIN    ? 0xd0
		       : n >= INT16_MIN ? 0xd1
		       : n >= INT32_MIN ? 0xd2
					: 0xd3,
		       u,
		       n >= INT8_MIN    ? 1
		       : n >= INT16_MIN ? 2
		       : n >= INT32_MIN ? 4
					: 8);
}

static void pack_number(struct lua_buf *b, lua_Number n)
{
	float f = (float)n;

	if (n >= -0x1p63 && n < 0x1p63 && (lua_Number)(int64_t)n == n) {
		pack_integer(b, (int64_t)n);
	} else if ((double)f == n) {
		uint32_t bits;
		memcpy(&bits, &f, sizeof bits);
		put_be(b, 0xca, bits, 4);
	} else {
		uint64_t bits;
		memcpy(&bits, &n, sizeof bits);
		put_be(b, 0xcb, bits, 8);
	}
}

/* Are the keys of the table at `t` exactly 1..n? Sets n, and *pairs to how many there are. */
static bool is_array(lua_State *L, int t, size_t *n, size_t *pairs)
{
	bool array = true;
	size_t max = 0;

	*pairs = 0;
	lua_pushnil(L);
	while (lua_next(L, t) != 0) {
		script_look(L);
		lua_pop(L, 1);
		lua_Number k = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : 0;
		if (array && k >= 1 && k == floor(k) && k <= 0x1p53)
			max = RP_MAX(max, (size_t)k);
		else
			array = false;
		++*pairs;
	}
	*n = max;
	return array && max == *pairs;
}

static void pack_value(lua_State *L, struct lua_buf *b, int at, int level);

static void pack_header(struct lua_buf *b, size_t n, uint8_t fix, uint8_t mark16)
{
	if (n <= 15)
		put_be(b, (uint8_t)(fix | n), 0, 0);
	else if (n <= 0xffff)
		put_be(b, mark16, n, 2);
	else
		put_be(b, mark16 + 1, n, 4);
}

static void pack_table(lua_State *L, struct lua_buf *b, int at, int level)
{
	size_t n, pairs;
	int top = lua_gettop(L);

	luaL_checkstack(L, 4, "in function table_to_msgpack");
	if (is_array(L, at, &n, &pairs)) {
		pack_header(b, n, 0x90, 0xdc);
		for (size_t i = 1; i <= n; i++) {
			lua_rawgeti(L, at, (lua_Integer)i);
			pack_value(L, b, top + 1, level + 1);
			lua_settop(L, top);
		}
		return;
	}
	pack_header(b, pairs, 0x80, 0xde);
	lua_pushnil(L);
	while (lua_next(L, at) != 0) {
		pack_value(L, b, top + 1, level + 1);
		pack_value(L, b, top + 2, level + 1);
		lua_settop(L, top + 1);
	}
}

static void pack_value(lua_State *L, struct lua_buf *b, int at, int level)
{
	size_t len;
	const char *s;

	script_look(L);
	switch (lua_type(L, at)) {
	case LUA_TSTRING:
		s = lua_tolstring(L, at, &len);
		pack_bytes(b, s, len);
		break;
	case LUA_TBOOLEAN:
		put_be(b, lua_toboolean(L, at) ? 0xc3 : 0xc2, 0, 0);
		break;
	case LUA_TNUMBER:
		pack_number(b, lua_tonumber(L, at));
		break;
	case LUA_TTABLE:
		if (level < NESTING_MAX) {
			pack_table(L, b, at, level);
			break;
		}
		put_be(b, 0xc0, 0, 0);
		break;
	default:
		put_be(b, 0xc0, 0, 0);
	}
}

static int msgpack_pack(lua_State *L)
{
	struct lua_buf b;
	int n = lua_gettop(L);

	if (n == 0)
		return luaL_argerror(L, 0, "MessagePack pack needs input.");
	lua_buf_init(&b, L);
	for (int i = 1; i <= n; i++)
		pack_value(L, &b, i, 0);
	lua_buf_push(&b);
	return 1;
}

/* ---- unpacking ---- */

struct input {
	lua_State *L;
	const uint8_t *p;
	size_t left;
	int depth; /* of arrays and maps around the value */
};

static int bad_format(const struct input *in)
{
	return luaL_error(in->L, "Bad data format in input.");
}

static void need(const struct input *in, size_t n)
{
	if (in->left < n)
		luaL_error(in->L, "Missing bytes in input.");
}

static uint64_t take_be(struct input *in, size_t bytes)
{
	uint64_t v = 0;

	need(in, bytes);
	for (size_t i = 0; i < bytes; i++)
		v = v << 8 | in->p[i];
	in->p += bytes;
	in->left -= bytes;
	return v;
}

static void unpack_value(struct input *in);

static void unpack_string(struct input *in, size_t len)
{
	need(in, len);
	lua_pushlstring(in->L, (const char *)in->p, len);
	in->p += len;
	in->left -= len;
}

/* The C stack is as deep as the data. */
static void descend(struct input *in, int slots, const char *where)
{
	if (++in->depth > UNPACK_DEPTH)
		luaL_error(in->L, "stack overflow (%s)", where);
	luaL_checkstack(in->L, slots, where);
}

static void unpack_array(struct input *in, size_t n)
{
	need(in, n); /* each element takes a byte at least: a length makes no room that its data does not pay for */
	descend(in, 2, "in function mp_decode_to_lua_array");
	lua_createtable(in->L, (int)RP_MIN(n, (size_t)INT_MAX), 0);
	for (size_t i = 1; i <= n; i++) {
		unpack_value(in);
		lua_rawseti(in->L, -2, (lua_Integer)i);
	}
	in->depth--;
}

static void unpack_map(struct input *in, size_t n)
{
	need(in, n * 2);
	descend(in, 3, "in function mp_decode_to_lua_hash");
	lua_newtable(in->L);
	for (size_t i = 0; i < n; i++) {
		unpack_value(in);
		unpack_value(in);
		if (lua_isnil(in->L, -2) || (lua_type(in->L, -2) == LUA_TNUMBER && isnan(lua_tonumber(in->L, -2))))
			bad_format(in);
		lua_rawset(in->L, -3);
	}
	in->depth--;
}

static void unpack_float(struct input *in)
{
	uint32_t bits = (uint32_t)take_be(in, 4);
	float f;

	memcpy(&f, &bits, sizeof f);
	lua_pushnumber(in->L, f);
}

static void unpack_double(struct input *in)
{
	uint64_t bits = take_be(in, 8);
	double d;

	memcpy(&d, &bits, sizeof d);
	lua_pushnumber(in->L, d);
}

/* Marks from 0xc0 to 0xdf. */
static void unpack_marked(struct input *in, uint8_t mark)
{
	switch (mark) {
	case 0xc0:
		lua_pushnil(in->L);
		return;
	case 0xc2:
	case 0xc3:
		lua_pushboolean(in->L, mark == 0xc3);
		return;
	case 0xca:
		unpack_float(in);
		return;
	case 0xcb:
		unpack_double(in);
		return;
	case 0xcc:
	case 0xcd:
	case 0xce:
		lua_pushnumber(in->L, (lua_Number)take_be(in, 1u << (mark - 0xcc)));
		return;
	case 0xcf: /* the largest ones come out negative there, too */
	case 0xd3:
		lua_pushnumber(in->L, (lua_Number)(int64_t)take_be(in, 8));
		return;
	case 0xd0:
		lua_pushnumber(in->L, (int8_t)take_be(in, 1));
		return;
	case 0xd1:
		lua_pushnumber(in->L, (int16_t)take_be(in, 2));
		return;
	case 0xd2:
		lua_pushnumber(in->L, (int32_t)take_be(in, 4));
		return;
	case 0xd9:
	case 0xda:
	case 0xdb:
		unpack_string(in, take_be(in, 1u << (mark - 0xd9)));
		return;
	case 0xdc:
	case 0xdd:
		unpack_array(in, take_be(in, mark == 0xdc ? 2 : 4));
		return;
	case 0xde:
	case 0xdf:
		unpack_map(in, take_be(in, mark == 0xde ? 2 : 4));
		return;
	default:
		bad_format(in);
	}
}

static void unpack_value(struct input *in)
{
	uint8_t mark = (uint8_t)take_be(in, 1);

	script_look(in->L);
	luaL_checkstack(in->L, 1, "too many return values at once; use unpack_one or unpack_limit instead.");
	if (mark <= 0x7f)
		lua_pushnumber(in->L, mark);
	else if (mark >= 0xe0)
		lua_pushnumber(in->L, (int8_t)mark);
	else if (mark >= 0xc0)
		unpack_marked(in, mark);
	else if (mark >= 0xa0)
		unpack_string(in, mark & 0x1f);
	else if (mark >= 0x90)
		unpack_array(in, mark & 0x0f);
	else
		unpack_map(in, mark & 0x0f);
}

/* limit 0: all values, without the offset where the next would begin. */
static int unpack_some(lua_State *L, lua_Integer limit, lua_Integer offset)
{
	size_t len;
	const char *s = luaL_checklstring(L, 1, &len);
	int n = 0;

	if (offset < 0 || limit < 0)
		return luaL_error(L, "Invalid request to unpack with offset of %d and limit of %d.", (int)offset,
				  (int)len);
	if ((uint64_t)offset > len)
		return luaL_error(L, "Start offset %d greater than input length %d.", (int)offset, (int)len);
	bool all = limit == 0;
	if (all)
		limit = INT_MAX;
	struct input in = {L, (const uint8_t *)s + offset, len - (size_t)offset};
	for (; in.left > 0 && n < limit; n++)
		unpack_value(&in);
	if (all)
		return n;
	luaL_checkstack(L, 1, "too many results");
	lua_pushnumber(L, in.left == 0 ? -1 : (lua_Number)(len - in.left));
	lua_insert(L, 2);
	return n + 1;
}

static int msgpack_unpack(lua_State *L)
{
	luaL_checkstring(L, 1);
	lua_settop(L, 1);
	return unpack_some(L, 0, 0);
}

static int msgpack_unpack_one(lua_State *L)
{
	lua_Integer offset = luaL_optinteger(L, 2, 0);

	lua_settop(L, 1);
	return unpack_some(L, 1, offset);
}

static int msgpack_unpack_limit(lua_State *L)
{
	lua_Integer limit = luaL_checkinteger(L, 2), offset = luaL_optinteger(L, 3, 0);

	lua_settop(L, 1);
	return unpack_some(L, limit, offset);
}

static const luaL_Reg msgpack_functions[] = {
	{"pack", msgpack_pack},
	{"unpack", msgpack_unpack},
	{"unpack_one", msgpack_unpack_one},
	{"unpack_limit", msgpack_unpack_limit},
	{NULL, NULL},
};

void lua_open_cmsgpack(lua_State *L)
{
	luaL_newlib(L, msgpack_functions);
	lua_pushliteral(L, "cmsgpack");
	lua_setfield(L, -2, "_NAME");
	lua_pushliteral(L, "lua-cmsgpack 0.4.0");
	lua_setfield(L, -2, "_VERSION");
}
