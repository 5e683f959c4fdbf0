/* bit: the operations of LuaBitOp on 32-bit words (bitop.luajit.org, semantics). */
#include "ctrlplane/script/lua_libs.h"

#include <lauxlib.h>

/* A number to a word, modulo 2^32, rounded to even. */
static uint32_t word(lua_State *L, int arg)
{
	union {
		double d;
		uint64_t u;
	} x = {.d = luaL_checknumber(L, arg)};

	x.d += 6755399441055744.0; /* 2^52 + 2^51: the word stands in the low bits of the fraction */
	return (uint32_t)x.u;
}

static int push_word(lua_State *L, uint32_t w)
{
	lua_pushnumber(L, (int32_t)w);
	return 1;
}

static int bit_tobit(lua_State *L)
{
	return push_word(L, word(L, 1));
}

static int bit_bnot(lua_State *L)
{
	return push_word(L, ~word(L, 1));
}

static int bit_band(lua_State *L)
{
	uint32_t w = word(L, 1);

	for (int i = 2; i <= lua_gettop(L); i++)
		w &= word(L, i);
	return push_word(L, w);
}

static int bit_bor(lua_State *L)
{
	uint32_t w = word(L, 1);

	for (int i = 2; i <= lua_gettop(L); i++)
		w |= word(L, i);
	return push_word(L, w);
}

static int bit_bxor(lua_State *L)
{
	uint32_t w = word(L, 1);

	for (int i = 2; i <= lua_gettop(L); i++)
		w ^= word(L, i);
	return push_word(L, w);
}

static int bit_lshift(lua_State *L)
{
	return push_word(L, word(L, 1) << (word(L, 2) & 31));
}

static int bit_rshift(lua_State *L)
{
	return push_word(L, word(L, 1) >> (word(L, 2) & 31));
}

static int bit_arshift(lua_State *L)
{
	return push_word(L, (uint32_t)((int32_t)word(L, 1) >> (word(L, 2) & 31)));
}

static int bit_rol(lua_State *L)
{
	uint32_t w = word(L, 1), n = word(L, 2) & 31;

	return push_word(L, w << n | w >> (-n & 31));
}

static int bit_ror(lua_State *L)
{
	uint32_t w = word(L, 1), n = word(L, 2) & 31;

	return push_word(L, w >> n | w << (-n & 31));
}

static int bit_bswap(lua_State *L)
{
	return push_word(L, __builtin_bswap32(word(L, 1)));
}

static int bit_tohex(lua_State *L)
{
	uint32_t w = word(L, 1);
	int32_t n = lua_isnone(L, 2) ? 8 : (int32_t)word(L, 2);
	const char *digits = n < 0 ? "0123456789ABCDEF" : "0123456789abcdef";
	char buf[8];

	if (n < 0)
		n = n == INT32_MIN ? 8 : -n;
	n = RP_MIN(n, 8);
	for (int32_t i = n; i-- > 0; w >>= 4)
		buf[i] = digits[w & 15];
	lua_pushlstring(L, buf, (size_t)n);
	return 1;
}

static const luaL_Reg bit_functions[] = {
	{"tobit", bit_tobit}, {"bnot", bit_bnot},     {"band", bit_band},     {"bor", bit_bor},
	{"bxor", bit_bxor},   {"lshift", bit_lshift}, {"rshift", bit_rshift}, {"arshift", bit_arshift},
	{"rol", bit_rol},     {"ror", bit_ror},       {"bswap", bit_bswap},   {"tohex", bit_tohex},
	{NULL, NULL},
};

void lua_open_bit(lua_State *L)
{
	luaL_newlib(L, bit_functions);
}
