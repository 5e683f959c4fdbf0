/* math as in Lua 5.1, all in doubles, with the random numbers that Redis scripts get: POSIX lrand48. */
#include "ctrlplane/script/lua_libs.h"

#include <lauxlib.h>
#include <math.h>

#define RAND_MAX_VALUE INT32_MAX

#define MATH_1(name, call)                                       \
	static int math_##name(lua_State *L)                     \
	{                                                        \
		lua_pushnumber(L, call(luaL_checknumber(L, 1))); \
		return 1;                                        \
	}
#define MATH_2(name, call)                                                               \
	static int math_##name(lua_State *L)                                             \
	{                                                                                \
		lua_pushnumber(L, call(luaL_checknumber(L, 1), luaL_checknumber(L, 2))); \
		return 1;                                                                \
	}

static double to_deg(double x)
{
	return x * (180.0 / M_PI);
}

static double to_rad(double x)
{
	return x * (M_PI / 180.0);
}

MATH_1(abs, fabs)
MATH_1(acos, acos)
MATH_1(asin, asin)
MATH_1(atan, atan)
MATH_1(ceil, ceil)
MATH_1(cos, cos)
MATH_1(cosh, cosh)
MATH_1(deg, to_deg)
MATH_1(exp, exp)
MATH_1(floor, floor)
MATH_1(log, log)
MATH_1(log10, log10)
MATH_1(rad, to_rad)
MATH_1(sin, sin)
MATH_1(sinh, sinh)
MATH_1(sqrt, sqrt)
MATH_1(tan, tan)
MATH_1(tanh, tanh)
MATH_2(atan2, atan2)
MATH_2(fmod, fmod)
MATH_2(pow, pow)

static int math_frexp(lua_State *L)
{
	int e;

	lua_pushnumber(L, frexp(luaL_checknumber(L, 1), &e));
	lua_pushnumber(L, e);
	return 2;
}

static int math_ldexp(lua_State *L)
{
	lua_pushnumber(L, ldexp(luaL_checknumber(L, 1), (int)luaL_checkinteger(L, 2)));
	return 1;
}

static int math_modf(lua_State *L)
{
	double whole, n = luaL_checknumber(L, 1), part = modf(n, &whole);

	lua_pushnumber(L, whole);
	lua_pushnumber(L, part);
	return 2;
}

static int math_max(lua_State *L)
{
	lua_Number best = luaL_checknumber(L, 1);

	for (int i = 2; i <= lua_gettop(L); i++)
		best = RP_MAX(best, luaL_checknumber(L, i));
	lua_pushnumber(L, best);
	return 1;
}

static int math_min(lua_State *L)
{
	lua_Number best = luaL_checknumber(L, 1);

	for (int i = 2; i <= lua_gettop(L); i++)
		best = RP_MIN(best, luaL_checknumber(L, i));
	lua_pushnumber(L, best);
	return 1;
}

/* ---- random numbers ---- */

void lua_random_seed(struct lua_random *r, int32_t seed)
{
	r->x = (uint64_t)(uint32_t)seed << 16 | 0x330E;
}

static int32_t random_next(struct lua_random *r)
{
	r->x = (r->x * 0x5DEECE66Dull + 0xB) & ((1ull << 48) - 1);
	return (int32_t)(r->x >> 17);
}

static int math_random(lua_State *L)
{
	struct lua_random *r = lua_touserdata(L, lua_upvalueindex(1));
	lua_Number x = (lua_Number)(random_next(r) % RAND_MAX_VALUE) / (lua_Number)RAND_MAX_VALUE;

	switch (lua_gettop(L)) {
	case 0:
		lua_pushnumber(L, x);
		return 1;
	case 1: {
		int upper = (int)luaL_checkinteger(L, 1);
		luaL_argcheck(L, 1 <= upper, 1, "interval is empty");
		lua_pushnumber(L, floor(x * upper) + 1);
		return 1;
	}
	case 2: {
		int lower = (int)luaL_checkinteger(L, 1), upper = (int)luaL_checkinteger(L, 2);
		luaL_argcheck(L, lower <= upper, 2, "interval is empty");
		lua_pushnumber(L, floor(x * ((double)upper - lower + 1)) + lower);
		return 1;
	}
	default:
		return luaL_error(L, "wrong number of arguments");
	}
}

static int math_randomseed(lua_State *L)
{
	lua_random_seed(lua_touserdata(L, lua_upvalueindex(1)), (int32_t)luaL_checkinteger(L, 1));
	return 0;
}

static const luaL_Reg math_functions[] = {
	{"abs", math_abs},     {"acos", math_acos}, {"asin", math_asin},   {"atan", math_atan},   {"atan2", math_atan2},
	{"ceil", math_ceil},   {"cos", math_cos},   {"cosh", math_cosh},   {"deg", math_deg},     {"exp", math_exp},
	{"floor", math_floor}, {"fmod", math_fmod}, {"frexp", math_frexp}, {"ldexp", math_ldexp}, {"log", math_log},
	{"log10", math_log10}, {"max", math_max},   {"min", math_min},     {"mod", math_fmod},    {"modf", math_modf},
	{"pow", math_pow},     {"rad", math_rad},   {"sin", math_sin},     {"sinh", math_sinh},   {"sqrt", math_sqrt},
	{"tan", math_tan},     {"tanh", math_tanh}, {NULL, NULL},
};

void lua_open_math(lua_State *L, struct lua_random *random)
{
	static const luaL_Reg random_functions[] = {
		{"random", math_random}, {"randomseed", math_randomseed}, {NULL, NULL}};

	luaL_newlib(L, math_functions);
	lua_pushnumber(L, M_PI);
	lua_setfield(L, -2, "pi");
	lua_pushnumber(L, HUGE_VAL);
	lua_setfield(L, -2, "huge");
	lua_pushlightuserdata(L, random);
	luaL_setfuncs(L, random_functions, 1);
}
