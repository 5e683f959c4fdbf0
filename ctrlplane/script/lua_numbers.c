/* Numbers as Lua 5.1 has them, made of the 5.4 library at link time.
 *
 * Scripts for Redis know one kind of number, the double, and build key names out of it: "k:"..(10/2) must be "k:5".
 * The functions below stand in for the library's own (linked with -Wl,--wrap=NAME), which no shim in Lua could reach:
 *
 *   luaO_tostring, luaL_tolstring         numbers as "%.14g" prints them: `..`, tostring(), table.concat(), %s
 *   luaO_str2num                          numerals in source and strings are doubles: no wrap-around at 2^63, no
 *                                         error for n % 0
 *   luaL_checkinteger, luaL_optinteger    arguments of library functions are cut off, not refused: ("abc"):sub(1.5)
 *   lua_resume                            which thread runs, for the hook that ends a script
 *
 * They rely on how the library lays a value out in memory. lua_check.c proves it while building, so that another
 * library fails loudly.
 */
#include "ctrlplane/script/lua_numbers.h"

#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/num.h"

#define EXACT_BELOW 1e14 /* "%.14g" prints integers below it in full */
#define TAG_INTEGER (LUA_TNUMBER | 0 << 4)
#define TAG_FLOAT   (LUA_TNUMBER | 1 << 4)
#define COLLECTABLE (1 << 6)

/* lobject.h: TValue, and what GCObject and TString begin with. */
struct lua_value {
	union {
		void *gc;
		lua_Integer i;
		lua_Number n;
	} v;
	uint8_t tag;
};
struct lua_gc_header {
	void *next;
	uint8_t tag;
};

extern void *luaS_newlstr(lua_State *L, const char *s, size_t len);
void __real_luaO_tostring(lua_State *L, struct lua_value *o);
void __wrap_luaO_tostring(lua_State *L, struct lua_value *o);
const char *__real_luaL_tolstring(lua_State *L, int i, size_t *len);
const char *__wrap_luaL_tolstring(lua_State *L, int i, size_t *len);
size_t __real_luaO_str2num(const char *s, struct lua_value *o);
/* "inf" and "nan" were numbers to tonumber() and arithmetic: a text of nothing but that. Returns its bytes with the
 * NUL, 0 if it is something else. */
static size_t special(const char *s, struct lua_value *o)
{
	const char *p = s + strspn(s, " \t\n\v\f\r");
	char *end;

	p += *p == '-' || *p == '+';
	if (strncasecmp(p, "inf", 3) != 0 && strncasecmp(p, "nan", 3) != 0)
		return 0;
	o->v.n = strtod(s, &end);
	o->tag = TAG_FLOAT;
	end += strspn(end, " \t\n\v\f\r");
	return *end == '\0' ? (size_t)(end - s) + 1 : 0;
}

size_t __wrap_luaO_str2num(const char *s, struct lua_value *o);
lua_Integer __wrap_luaL_checkinteger(lua_State *L, int arg);
lua_Integer __wrap_luaL_optinteger(lua_State *L, int arg, lua_Integer def);
int __real_lua_resume(lua_State *L, lua_State *from, int nargs, int *nres);
int __wrap_lua_resume(lua_State *L, lua_State *from, int nargs, int *nres);

size_t lua_number_text(char *buf, lua_Number n)
{
	if (rp_likely(n > -EXACT_BELOW && n < EXACT_BELOW)) {
		int64_t i = (int64_t)n;
		if (rp_likely((lua_Number)i == n && (i != 0 || !signbit(n))))
			return num_format_i64(buf, i);
	}
	return (size_t)snprintf(buf, LUA_NUMBER_CHARS, "%.14g", n);
}

void __wrap_luaO_tostring(lua_State *L, struct lua_value *o)
{
	char buf[LUA_NUMBER_CHARS];
	size_t len = lua_number_text(buf, o->tag == TAG_INTEGER ? (lua_Number)o->v.i : o->v.n);
	struct lua_gc_header *s = luaS_newlstr(L, buf, len);

	o->v.gc = s;
	o->tag = s->tag | COLLECTABLE;
}

const char *__wrap_luaL_tolstring(lua_State *L, int i, size_t *len)
{
	if (lua_type(L, i) != LUA_TNUMBER)
		return __real_luaL_tolstring(L, i, len);
	lua_pushvalue(L, i);
	return lua_tolstring(L, -1, len);
}

/* A hexadecimal numeral of 64 bits has wrapped around to a negative integer. */
static bool is_hex(const char *s)
{
	while (*s == ' ' || (*s >= '\t' && *s <= '\r'))
		s++;
	return s[0] == '0' && (s[1] | 0x20) == 'x';
}

size_t __wrap_luaO_str2num(const char *s, struct lua_value *o)
{
	size_t n = __real_luaO_str2num(s, o);

	if (rp_unlikely(n == 0))
		return special(s, o);
	if (o->tag == TAG_INTEGER) {
		o->v.n = o->v.i < 0 && is_hex(s) ? (lua_Number)(uint64_t)o->v.i : (lua_Number)o->v.i;
		/* Of doubles there is a zero below nothing, which "-0" names. */
		if (o->v.n == 0 && strchr(s, '-') != NULL)
			o->v.n = -0.0;
		o->tag = TAG_FLOAT;
	}
	return n;
}

int64_t lua_number_cut(lua_Number n)
{
	/* What the machine's conversion gives, whose result C leaves open. */
	return n >= -0x1p63 && n < 0x1p63 ? (int64_t)n : INT64_MIN;
}

lua_Integer __wrap_luaL_checkinteger(lua_State *L, int arg)
{
	int isnum;
	lua_Integer i = lua_tointegerx(L, arg, &isnum);

	return rp_likely(isnum) ? i : lua_number_cut(luaL_checknumber(L, arg));
}

lua_Integer __wrap_luaL_optinteger(lua_State *L, int arg, lua_Integer def)
{
	return lua_isnoneornil(L, arg) ? def : __wrap_luaL_checkinteger(L, arg);
}

int __wrap_lua_resume(lua_State *L, lua_State *from, int nargs, int *nres)
{
	/* Every thread's extra space begins as a copy of its main thread's. */
	lua_State **running = *(lua_State ***)lua_getextraspace(L);

	if (running == NULL)
		return __real_lua_resume(L, from, nargs, nres);
	lua_State *before = *running;
	*running = L;
	int status = __real_lua_resume(L, from, nargs, nres);
	*running = before;
	return status;
}
