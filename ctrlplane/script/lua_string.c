/* string as in Lua 5.1: format() cuts numbers off where 5.4 refuses them, and knows %u and %i; gfind() is gmatch(). */
#include "ctrlplane/script/lua_libs.h"

#include <ctype.h>
#include <lauxlib.h>
#include <stdio.h>

#include "ctrlplane/script/lua_buf.h"
#include "ctrlplane/script/lua_numbers.h"

#define FLAGS    "-+ #0"
#define SPEC_MAX 16  /* "%-+ #0" "99" "." "99" "lld" */
#define ITEM_MAX 512 /* a double in %99.99f */

/* One conversion of a format, copied as printf wants it. */
struct spec {
	char text[SPEC_MAX];
	size_t len;
	char conv;
	bool precise;
};

static bool take_digits(struct spec *s, const char **p)
{
	for (int i = 0; i < 2 && isdigit((unsigned char)**p); i++)
		s->text[s->len++] = *(*p)++;
	return !isdigit((unsigned char)**p);
}

/* *p stands behind the '%'. */
static void spec_take(lua_State *L, struct spec *s, const char **p)
{
	bool fits = true;

	*s = (struct spec){.text = "%", .len = 1};
	while (**p != '\0' && strchr(FLAGS, **p) != NULL) {
		if (s->len > strlen(FLAGS))
			luaL_error(L, "invalid format (repeated flags)");
		s->text[s->len++] = *(*p)++;
	}
	fits = take_digits(s, p);
	if (fits && **p == '.') {
		s->text[s->len++] = *(*p)++;
		s->precise = true;
		fits = take_digits(s, p);
	}
	if (!fits)
		luaL_error(L, "invalid format (width or precision too long)");
	s->conv = **p;
	if (s->conv != '\0')
		++*p;
}

static const char *spec_end(struct spec *s, const char *conv)
{
	snprintf(s->text + s->len, sizeof s->text - s->len, "%s", conv);
	return s->text;
}

static void add_quoted(struct lua_buf *b, const char *s, size_t len)
{
	lua_buf_char(b, '"');
	for (; len-- > 0; s++) {
		if (*s == '"' || *s == '\\' || *s == '\n') {
			lua_buf_char(b, '\\');
			lua_buf_char(b, *s);
		} else if (*s == '\r') {
			lua_buf_add(b, "\\r", 2);
		} else if (*s == '\0') {
			lua_buf_add(b, "\\000", 4);
		} else {
			lua_buf_char(b, *s);
		}
	}
	lua_buf_char(b, '"');
}

static void add_string(struct lua_buf *b, struct spec *s, int arg)
{
	size_t len;
	const char *text = luaL_checklstring(b->L, arg, &len);

	/* As printf would, a string with a zero byte ends there; a long one needs no padding. */
	if (s->len == 1 || (!s->precise && len >= 100)) {
		lua_buf_add(b, text, len);
		return;
	}
	char *to = lua_buf_room(b, ITEM_MAX + 100);
	lua_buf_used(b, (size_t)snprintf(to, ITEM_MAX + 100, spec_end(s, "s"), text));
}

static int64_t unsigned_arg(lua_State *L, int arg)
{
	lua_Number n = luaL_checknumber(L, arg);

	return n >= 0x1p63 && n < 0x1p64 ? (int64_t)(uint64_t)n : lua_number_cut(n);
}

static void add_item(struct lua_buf *b, struct spec *s, int arg)
{
	char conv[4] = {'l', 'l', s->conv == 'i' ? 'd' : s->conv, '\0'};
	size_t len;
	const char *text;
	char *to = lua_buf_room(b, ITEM_MAX);

	switch (s->conv) {
	case 'c':
		lua_buf_used(b, (size_t)snprintf(to, ITEM_MAX, spec_end(s, "c"), (int)luaL_checkinteger(b->L, arg)));
		return;
	case 'd':
	case 'i':
		lua_buf_used(b, (size_t)snprintf(to, ITEM_MAX, spec_end(s, conv),
						 (long long)lua_number_cut(luaL_checknumber(b->L, arg))));
		return;
	case 'o':
	case 'u':
	case 'x':
	case 'X':
		lua_buf_used(b, (size_t)snprintf(to, ITEM_MAX, spec_end(s, conv),
						 (unsigned long long)unsigned_arg(b->L, arg)));
		return;
	case 'e':
	case 'E':
	case 'f':
	case 'g':
	case 'G':
		lua_buf_used(b, (size_t)snprintf(to, ITEM_MAX, spec_end(s, conv + 2), luaL_checknumber(b->L, arg)));
		return;
	case 'q':
		text = luaL_checklstring(b->L, arg, &len);
		add_quoted(b, text, len);
		return;
	case 's':
		add_string(b, s, arg);
		return;
	case '\0':
		luaL_error(b->L, "invalid option '%%' to 'format'");
		return;
	default:
		luaL_error(b->L, "invalid option '%%%c' to 'format'", s->conv);
	}
}

static int string_format(lua_State *L)
{
	struct lua_buf b;
	struct spec s;
	size_t len;
	int arg = 1, n = lua_gettop(L);
	const char *p = luaL_checklstring(L, 1, &len), *end = p + len;

	lua_buf_init(&b, L);
	while (p < end) {
		const char *mark = memchr(p, '%', (size_t)(end - p));
		if (mark == NULL)
			mark = end;
		lua_buf_add(&b, p, (size_t)(mark - p));
		p = mark + 1;
		if (mark == end)
			break;
		if (*p == '%') {
			lua_buf_char(&b, *p++);
			continue;
		}
		spec_take(L, &s, &p);
		if (++arg > n)
			return luaL_argerror(L, arg, "no value");
		add_item(&b, &s, arg);
	}
	lua_buf_push(&b);
	return 1;
}

/* 5.4's goes round once for each repetition, of an empty string, too, where no look at the time would end it. */
static int string_rep(lua_State *L)
{
	size_t len;
	const char *s = luaL_checklstring(L, 1, &len);
	int64_t n = lua_number_cut(luaL_checknumber(L, 2));
	luaL_Buffer b;

	if (n <= 0 || len == 0) {
		lua_pushliteral(L, "");
		return 1;
	}
	if (len > (size_t)INT64_MAX / (uint64_t)n)
		return luaL_error(L, "resulting string too large");
	size_t all = len * (size_t)n, done = len;
	char *to = luaL_buffinitsize(L, &b, all);
	memcpy(to, s, len);
	while (done < all) {
		size_t more = RP_MIN(done, all - done);
		memcpy(to + done, to, more);
		done += more;
	}
	luaL_pushresultsize(&b, all);
	return 1;
}

void lua_patch_string(lua_State *L)
{
	lua_pushcfunction(L, string_format);
	lua_setfield(L, -2, "format");
	lua_pushcfunction(L, string_rep);
	lua_setfield(L, -2, "rep");
	lua_patch_patterns(L);
	lua_getfield(L, -1, "gmatch");
	lua_setfield(L, -2, "gfind");
	/* 5.1 had none of them. */
	static const char *const newer[] = {"pack", "packsize", "unpack"};
	for (size_t i = 0; i < RP_ARRAY_LEN(newer); i++) {
		lua_pushnil(L);
		lua_setfield(L, -2, newer[i]);
	}
}
