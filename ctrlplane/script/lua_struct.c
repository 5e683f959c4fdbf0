/* struct: packs values into strings and back, in the format notation of Roberto Ierusalimschy's struct library:
 *
 *   > < big or little endian    !n alignment    x padding byte    b B h H l L T iN IN integers    f d floats
 *   cN string of N bytes (c0: all of it; unpacking, as long as the number before says)    s string up to a zero byte
 *
 * Sizes are checked against the data before anything is read.
 */
#include "ctrlplane/script/lua_libs.h"

#include <ctype.h>
#include <lauxlib.h>
#include <limits.h>

#include "ctrlplane/script/lua_buf.h"
#include "ctrlplane/script/lua_numbers.h"

#define INT_BYTES_MAX 32
#define ALIGN_DEFAULT 8 /* of a double */

struct layout {
	lua_State *L;
	const char *fmt;
	bool big;
	size_t align; /* power of two */
};

static void layout_init(struct layout *y, lua_State *L)
{
	*y = (struct layout){.L = L, .fmt = luaL_checkstring(L, 1), .align = 1};
}

static size_t format_number(struct layout *y, size_t otherwise)
{
	size_t n = 0;

	if (!isdigit((unsigned char)*y->fmt))
		return otherwise;
	while (isdigit((unsigned char)*y->fmt)) {
		size_t digit = (size_t)(*y->fmt++ - '0');
		if (n > (INT_MAX - digit) / 10)
			luaL_error(y->L, "integral size overflow");
		n = n * 10 + digit;
	}
	return n;
}

/* Bytes of the option `opt`, whose number is taken off the format. */
static size_t option_size(struct layout *y, char opt)
{
	switch (opt) {
	case 'b':
	case 'B':
	case 'x':
		return 1;
	case 'h':
	case 'H':
		return sizeof(short);
	case 'l':
	case 'L':
		return sizeof(long);
	case 'T':
		return sizeof(size_t);
	case 'f':
		return sizeof(float);
	case 'd':
		return sizeof(double);
	case 'c':
		return format_number(y, 1);
	case 'i':
	case 'I': {
		size_t n = format_number(y, sizeof(int));
		if (n > INT_BYTES_MAX)
			luaL_error(y->L, "integral size %d is larger than limit of %d", (int)n, INT_BYTES_MAX);
		return n;
	}
	default:
		return 0;
	}
}

/* Padding that brings an option of `size` bytes at `at` to its alignment. */
static size_t padding(const struct layout *y, size_t size, char opt, size_t at)
{
	size_t align = size > y->align ? y->align : size;

	if (align <= 1 || opt == 'c')
		return 0;
	return (align - (at & (align - 1))) & (align - 1);
}

/* What is no value: blanks, byte order, alignment. */
static void option_control(struct layout *y, char opt)
{
	switch (opt) {
	case ' ':
		return;
	case '>':
		y->big = true;
		return;
	case '<':
		y->big = false;
		return;
	case '!': {
		size_t n = format_number(y, ALIGN_DEFAULT);
		if (n == 0 || (n & (n - 1)) != 0)
			luaL_error(y->L, "alignment %d is not a power of 2", (int)n);
		y->align = n;
		return;
	}
	default:
		luaL_argerror(y->L, 1, lua_pushfstring(y->L, "invalid format option '%c'", opt));
	}
}

/* ---- packing ---- */

static void pack_integer(struct layout *y, struct lua_buf *b, int arg, size_t size)
{
	lua_Number n = luaL_checknumber(y->L, arg);
	uint64_t v = n < 0 ? (uint64_t)lua_number_cut(n) : n < 0x1p64 ? (uint64_t)n : 0;
	char bytes[INT_BYTES_MAX];

	for (size_t i = 0; i < size; i++) {
		bytes[y->big ? size - 1 - i : i] = (char)v;
		v >>= 8;
	}
	lua_buf_add(b, bytes, size);
}

static void pack_bytes(const struct layout *y, struct lua_buf *b, const void *value, size_t size)
{
	char bytes[sizeof(double)];

	for (size_t i = 0; i < size; i++)
		bytes[y->big ? size - 1 - i : i] = ((const char *)value)[i];
	lua_buf_add(b, bytes, size);
}

static void pack_string(struct layout *y, struct lua_buf *b, int arg, char opt, size_t size)
{
	size_t len;
	const char *s = luaL_checklstring(y->L, arg, &len);

	if (size == 0)
		size = len;
	luaL_argcheck(y->L, len >= size, arg + 1, "string too short"); /* as its readers know it */
	lua_buf_add(b, s, size);
	if (opt == 's')
		lua_buf_char(b, '\0');
}

/* Returns how many arguments it took. */
static int pack_option(struct layout *y, struct lua_buf *b, int arg, char opt, size_t size)
{
	switch (opt) {
	case 'b':
	case 'B':
	case 'h':
	case 'H':
	case 'l':
	case 'L':
	case 'T':
	case 'i':
	case 'I':
		pack_integer(y, b, arg, size);
		return 1;
	case 'x':
		lua_buf_char(b, '\0');
		return 0;
	case 'f': {
		float f = (float)luaL_checknumber(y->L, arg);
		pack_bytes(y, b, &f, size);
		return 1;
	}
	case 'd': {
		double d = luaL_checknumber(y->L, arg);
		pack_bytes(y, b, &d, size);
		return 1;
	}
	case 'c':
	case 's':
		pack_string(y, b, arg, opt, size);
		return 1;
	default:
		option_control(y, opt);
		return 0;
	}
}

static int struct_pack(lua_State *L)
{
	struct layout y;
	struct lua_buf b;
	int arg = 2;
	size_t total = 0;

	layout_init(&y, L);
	lua_pushnil(L); /* what an argument that is missing finds */
	lua_buf_init(&b, L);
	while (*y.fmt != '\0') {
		char opt = *y.fmt++;
		size_t size = option_size(&y, opt), pad = padding(&y, size, opt, total), before = b.len;
		for (size_t i = 0; i < pad; i++)
			lua_buf_char(&b, '\0');
		arg += pack_option(&y, &b, arg, opt, size);
		total += b.len - before;
	}
	lua_buf_push(&b);
	return 1;
}

/* ---- unpacking ---- */

static uint64_t unpack_word(const struct layout *y, const char *p, size_t size)
{
	uint64_t v = 0;

	for (size_t i = 0; i < size; i++)
		v = v << 8 | (uint8_t)p[y->big ? i : size - 1 - i];
	return v;
}

static void unpack_integer(const struct layout *y, const char *p, size_t size, bool is_signed)
{
	uint64_t v = unpack_word(y, p, size);

	if (!is_signed) {
		lua_pushnumber(y->L, (lua_Number)v);
		return;
	}
	if (size > 0 && size < sizeof v) {
		uint64_t sign = 1ull << (size * 8 - 1);
		v = (v ^ sign) - sign;
	}
	lua_pushnumber(y->L, (lua_Number)(int64_t)v);
}

static void unpack_float(const struct layout *y, const char *p, size_t size)
{
	uint64_t bits = unpack_word(y, p, size);
	uint32_t half = (uint32_t)bits;
	double d;
	float f;

	if (size == sizeof f) {
		memcpy(&f, &half, sizeof f);
		d = (double)f;
	} else {
		memcpy(&d, &bits, sizeof d);
	}
	lua_pushnumber(y->L, d);
}

/* c0: as long as the number before it says, which it replaces. */
static size_t counted_size(struct layout *y, size_t left, int results)
{
	if (results == 0 || !lua_isnumber(y->L, -1))
		luaL_error(y->L, "format 'c0' needs a previous size");
	lua_Number n = lua_tonumber(y->L, -1);
	luaL_argcheck(y->L, n >= 0 && n <= (lua_Number)left, 2, "data string too short");
	lua_pop(y->L, 1);
	return (size_t)n;
}

struct unpacking {
	const char *data;
	size_t len, at;
	int results;
};

static void unpack_string(struct layout *y, struct unpacking *u, char opt, size_t size)
{
	const char *p = u->data + u->at;

	if (opt == 's') {
		const char *end = memchr(p, '\0', u->len - u->at);
		if (end == NULL)
			luaL_error(y->L, "unfinished string in data");
		lua_pushlstring(y->L, p, (size_t)(end - p));
		u->at += (size_t)(end - p) + 1;
		u->results++;
		return;
	}
	if (size == 0) {
		size = counted_size(y, u->len - u->at, u->results);
		u->results--;
	}
	lua_pushlstring(y->L, p, size);
	u->at += size;
	u->results++;
}

static void unpack_option(struct layout *y, struct unpacking *u, char opt, size_t size)
{
	switch (opt) {
	case 'b':
	case 'B':
	case 'h':
	case 'H':
	case 'l':
	case 'L':
	case 'T':
	case 'i':
	case 'I':
		unpack_integer(y, u->data + u->at, size, islower((unsigned char)opt));
		break;
	case 'x':
		u->at += size;
		return;
	case 'f':
	case 'd':
		unpack_float(y, u->data + u->at, size);
		break;
	case 'c':
	case 's':
		unpack_string(y, u, opt, size);
		return;
	default:
		option_control(y, opt);
		return;
	}
	u->at += size;
	u->results++;
}

static int struct_unpack(lua_State *L)
{
	struct layout y;
	struct unpacking u = {.results = 0};

	layout_init(&y, L);
	u.data = luaL_checklstring(L, 2, &u.len);
	lua_Integer from = luaL_optinteger(L, 3, 1);
	luaL_argcheck(L, from > 0 || from < 0, 3, "offset must be 1 or greater");
	luaL_argcheck(L, from > 0 && (uint64_t)from - 1 <= u.len, 2, "data string too short");
	u.at = (size_t)from - 1;
	while (*y.fmt != '\0') {
		char opt = *y.fmt++;
		size_t size = option_size(&y, opt);
		u.at += padding(&y, size, opt, u.at);
		luaL_argcheck(L, u.at <= u.len && size <= u.len - u.at, 2, "data string too short");
		luaL_checkstack(L, 2, "too many results");
		unpack_option(&y, &u, opt, size);
	}
	lua_pushnumber(L, (lua_Number)(u.at + 1));
	return u.results + 1;
}

static int struct_size(lua_State *L)
{
	struct layout y;
	size_t total = 0;

	layout_init(&y, L);
	while (*y.fmt != '\0') {
		char opt = *y.fmt++;
		size_t size = option_size(&y, opt);
		total += padding(&y, size, opt, total);
		if (opt == 's')
			luaL_argerror(L, 1, "option 's' has no fixed size");
		else if (opt == 'c' && size == 0)
			luaL_argerror(L, 1, "option 'c0' has no fixed size");
		if (strchr("<>! ", opt) != NULL)
			option_control(&y, opt);
		total += size;
	}
	lua_pushnumber(L, (lua_Number)total);
	return 1;
}

static const luaL_Reg struct_functions[] = {
	{"pack", struct_pack}, {"unpack", struct_unpack}, {"size", struct_size}, {NULL, NULL}};

void lua_open_struct(lua_State *L)
{
	luaL_newlib(L, struct_functions);
}
