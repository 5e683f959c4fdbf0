/* find, match, gmatch, gsub as in Lua 5.1 (reference manual, 5.4.1 "Patterns"), with a matcher of our own: how long one
 * goes on is for the pattern and the text to say, for years if they like, and within Lua's nothing looks whether the
 * script must end.
 *
 * A pattern ends at its first byte of zero, a text does not. Both are Lua's strings, so that a zero stands behind them.
 */
#include <ctype.h>
#include <lauxlib.h>

#include "ctrlplane/script/lua_buf.h"
#include "ctrlplane/script/script_priv.h"

#define CAPTURES_MAX 32
#define DEPTH_MAX    4000 /* of items that repeat, and of captures: each is a call */
#define SPECIALS     "^$*+?.([%-"

enum {
	CAPTURE_OPEN = -1,
	CAPTURE_POSITION = -2
};

struct matcher {
	lua_State *L;
	const char *text, *end;
	int depth, ncaptures;
	struct {
		const char *at;
		ptrdiff_t len; /* or CAPTURE_* */
	} capture[CAPTURES_MAX];
};

static const char *match(struct matcher *m, const char *s, const char *p);

/* ---- single characters ---- */

/* Behind the item at p: one character, a class or a set. */
static const char *item_end(struct matcher *m, const char *p)
{
	if (*p == '%') {
		if (p[1] == '\0')
			luaL_error(m->L, "malformed pattern (ends with '%%')");
		return p + 2;
	}
	if (*p != '[')
		return p + 1;
	p += p[1] == '^' ? 2 : 1;
	do { /* a ']' that comes first is one of the set */
		if (*p == '\0')
			luaL_error(m->L, "malformed pattern (missing ']')");
		p += *p == '%' && p[1] != '\0' ? 2 : 1;
	} while (*p != ']');
	return p + 1;
}

static bool in_class(unsigned char c, unsigned char class)
{
	bool is;

	switch (tolower(class)) {
	case 'a':
		is = isalpha(c);
		break;
	case 'c':
		is = iscntrl(c);
		break;
	case 'd':
		is = isdigit(c);
		break;
	case 'l':
		is = islower(c);
		break;
	case 'p':
		is = ispunct(c);
		break;
	case 's':
		is = isspace(c);
		break;
	case 'u':
		is = isupper(c);
		break;
	case 'w':
		is = isalnum(c);
		break;
	case 'x':
		is = isxdigit(c);
		break;
	case 'z':
		is = c == 0;
		break;
	default:
		return class == c;
	}
	return isupper(class) ? !is : is;
}

/* p: the '[', end: its ']'. */
static bool in_set(unsigned char c, const char *p, const char *end)
{
	bool found = true;

	p++;
	if (*p == '^') {
		found = false;
		p++;
	}
	while (p < end) {
		if (*p == '%') {
			if (in_class(c, (unsigned char)p[1]))
				return found;
			p += 2;
		} else if (p[1] == '-' && p + 2 < end) {
			if ((unsigned char)p[0] <= c && c <= (unsigned char)p[2])
				return found;
			p += 3;
		} else if ((unsigned char)*p++ == c) {
			return found;
		}
	}
	return !found;
}

/* Is s one of the item p, which ends at `after`? */
static bool matches_one(const struct matcher *m, const char *s, const char *p, const char *after)
{
	if (s >= m->end)
		return false;
	switch (*p) {
	case '.':
		return true;
	case '%':
		return in_class((unsigned char)*s, (unsigned char)p[1]);
	case '[':
		return in_set((unsigned char)*s, p, after - 1);
	default:
		return *p == *s;
	}
}

/* ---- repetitions ---- */

static const char *match_most(struct matcher *m, const char *s, const char *p, const char *after)
{
	const char *last = s;

	while (matches_one(m, last, p, after)) {
		script_look(m->L);
		last++;
	}
	for (; last >= s; last--) {
		const char *end = match(m, last, after + 1);
		if (end != NULL)
			return end;
	}
	return NULL;
}

static const char *match_least(struct matcher *m, const char *s, const char *p, const char *after)
{
	for (;; s++) {
		const char *end = match(m, s, after + 1);
		if (end != NULL)
			return end;
		if (!matches_one(m, s, p, after))
			return NULL;
	}
}

/* ---- captures ---- */

static const char *match_open(struct matcher *m, const char *s, const char *p)
{
	int i = m->ncaptures;

	if (i >= CAPTURES_MAX)
		luaL_error(m->L, "too many captures");
	bool position = p[1] == ')';
	m->capture[i].at = s;
	m->capture[i].len = position ? CAPTURE_POSITION : CAPTURE_OPEN;
	m->ncaptures = i + 1;
	const char *end = match(m, s, p + (position ? 2 : 1));
	if (end == NULL)
		m->ncaptures--;
	return end;
}

static const char *match_close(struct matcher *m, const char *s, const char *p)
{
	int i = m->ncaptures - 1;

	while (i >= 0 && m->capture[i].len != CAPTURE_OPEN)
		i--;
	if (i < 0)
		luaL_error(m->L, "invalid pattern capture");
	m->capture[i].len = s - m->capture[i].at;
	const char *end = match(m, s, p + 1);
	if (end == NULL)
		m->capture[i].len = CAPTURE_OPEN;
	return end;
}

/* ---- %b, %f, %1 ---- */

static const char *match_balanced(struct matcher *m, const char *s, const char *pair)
{
	int depth = 1;

	if (pair[0] == '\0' || pair[1] == '\0')
		luaL_error(m->L, "unbalanced pattern");
	if (*s != pair[0])
		return NULL;
	for (s++; s < m->end; s++) {
		script_look(m->L);
		if (*s == pair[1]) {
			if (--depth == 0)
				return s + 1;
		} else if (*s == pair[0]) {
			depth++;
		}
	}
	return NULL;
}

/* *p stands behind the "%f". */
static bool at_frontier(struct matcher *m, const char *s, const char **p)
{
	const char *set = *p;

	if (*set != '[')
		luaL_error(m->L, "missing '[' after '%%f' in pattern");
	*p = item_end(m, set);
	unsigned char before = s == m->text ? 0 : (unsigned char)s[-1];
	return !in_set(before, set, *p - 1) && in_set((unsigned char)*s, set, *p - 1);
}

static const char *match_again(struct matcher *m, const char *s, char digit)
{
	int i = digit - '1';

	if (i < 0 || i >= m->ncaptures || m->capture[i].len == CAPTURE_OPEN)
		luaL_error(m->L, "invalid capture index");
	ptrdiff_t len = m->capture[i].len;
	return len >= 0 && m->end - s >= len && memcmp(m->capture[i].at, s, (size_t)len) == 0 ? s + len : NULL;
}

/* ---- a pattern ---- */

/* A place of the text where what begins with the '%' at *p ends, *p behind it. false: it is a class like others. */
static bool match_percent(struct matcher *m, const char **s, const char **p)
{
	char what = (*p)[1];

	if (what == 'b') {
		*s = match_balanced(m, *s, *p + 2);
		*p += *s != NULL ? 4 : 0;
	} else if (what == 'f') {
		*p += 2;
		if (!at_frontier(m, *s, p))
			*s = NULL;
	} else if (isdigit((unsigned char)what)) {
		*s = match_again(m, *s, what);
		*p += 2;
	} else {
		return false;
	}
	return true;
}

/* The rest of the pattern, from p on. */
static const char *match_rest(struct matcher *m, const char *s, const char *p)
{
	while (s != NULL) {
		script_look(m->L);
		switch (*p) {
		case '\0':
			return s;
		case '(':
			return match_open(m, s, p);
		case ')':
			return match_close(m, s, p);
		case '$':
			if (p[1] == '\0')
				return s == m->end ? s : NULL;
			break;
		case '%':
			if (match_percent(m, &s, &p))
				continue;
			break;
		default:
			break;
		}
		const char *after = item_end(m, p), *end;
		switch (*after) {
		case '?':
			if (matches_one(m, s, p, after) && (end = match(m, s + 1, after + 1)) != NULL)
				return end;
			p = after + 1;
			break;
		case '*':
			return match_most(m, s, p, after);
		case '+':
			return matches_one(m, s, p, after) ? match_most(m, s + 1, p, after) : NULL;
		case '-':
			return match_least(m, s, p, after);
		default:
			s = matches_one(m, s, p, after) ? s + 1 : NULL;
			p = after;
		}
	}
	return NULL;
}

/* Where what begins at s and matches the pattern p ends; NULL: nothing does. */
static const char *match(struct matcher *m, const char *s, const char *p)
{
	if (++m->depth > DEPTH_MAX)
		luaL_error(m->L, "pattern too complex");
	const char *end = match_rest(m, s, p);
	m->depth--;
	return end;
}

static const char *match_from(struct matcher *m, const char *s, const char *p)
{
	m->ncaptures = 0;
	m->depth = 0;
	return match(m, s, p);
}

/* ---- what was found ---- */

/* Pushes capture i of the match [s, e): without captures the first is the whole of it. */
static void push_capture(struct matcher *m, int i, const char *s, const char *e)
{
	if (i >= m->ncaptures) {
		if (i != 0)
			luaL_error(m->L, "invalid capture index");
		lua_pushlstring(m->L, s, (size_t)(e - s));
	} else if (m->capture[i].len == CAPTURE_POSITION) {
		lua_pushnumber(m->L, (lua_Number)(m->capture[i].at - m->text + 1));
	} else if (m->capture[i].len == CAPTURE_OPEN) {
		luaL_error(m->L, "unfinished capture");
	} else {
		lua_pushlstring(m->L, m->capture[i].at, (size_t)m->capture[i].len);
	}
}

/* Pushes n of them. */
static int push_captures(struct matcher *m, int n, const char *s, const char *e)
{
	luaL_checkstack(m->L, n, "too many captures");
	for (int i = 0; i < n; i++)
		push_capture(m, i, s, e);
	return n;
}

static int push_found(struct matcher *m, const char *s, const char *e)
{
	return push_captures(m, m->ncaptures == 0 ? 1 : m->ncaptures, s, e);
}

/* ---- functions ---- */

static void matcher_init(struct matcher *m, lua_State *L, const char *text, size_t len)
{
	m->L = L;
	m->text = text;
	m->end = text + len;
}

/* Bytes to leave out before argument `arg`, a position from 1 on or, below zero, from the end. */
static size_t begin_at(lua_State *L, int arg, size_t len)
{
	lua_Integer at = luaL_optinteger(L, arg, 1);

	if (at < 0)
		at += (lua_Integer)len + 1;
	return at <= 1 ? 0 : RP_MIN((size_t)at - 1, len);
}

static int push_place(lua_State *L, size_t begin, size_t end)
{
	lua_pushnumber(L, (lua_Number)(begin + 1));
	lua_pushnumber(L, (lua_Number)end);
	return 2;
}

static int find_plain(lua_State *L, const char *s, size_t len, size_t from, const char *what, size_t what_len)
{
	const char *at = memmem(s + from, len - from, what, what_len);

	if (at != NULL)
		return push_place(L, (size_t)(at - s), (size_t)(at - s) + what_len);
	lua_pushnil(L);
	return 1;
}

static int find(lua_State *L, bool places)
{
	struct matcher m;
	size_t len, plen;
	const char *s = luaL_checklstring(L, 1, &len), *p = luaL_checklstring(L, 2, &plen);
	size_t from = begin_at(L, 3, len);

	if (places && (lua_toboolean(L, 4) || strpbrk(p, SPECIALS) == NULL))
		return find_plain(L, s, len, from, p, plen);
	matcher_init(&m, L, s, len);
	bool anchored = *p == '^';
	p += anchored;
	for (const char *at = s + from; at <= m.end; at++) {
		const char *end = match_from(&m, at, p);
		if (end != NULL && places) {
			int n = push_place(L, (size_t)(at - s), (size_t)(end - s));
			return n + push_captures(&m, m.ncaptures, at, end);
		}
		if (end != NULL)
			return push_found(&m, at, end);
		if (anchored)
			break;
	}
	lua_pushnil(L);
	return 1;
}

static int string_find(lua_State *L)
{
	return find(L, true);
}

static int string_match(lua_State *L)
{
	return find(L, false);
}

/* Upvalues: text, pattern, where to go on. */
static int gmatch_next(lua_State *L)
{
	struct matcher m;
	size_t len;
	const char *s = lua_tolstring(L, lua_upvalueindex(1), &len), *p = lua_tostring(L, lua_upvalueindex(2));

	matcher_init(&m, L, s, len);
	for (const char *at = s + lua_tointeger(L, lua_upvalueindex(3)); at <= m.end; at++) {
		const char *end = match_from(&m, at, p);
		if (end == NULL)
			continue;
		lua_pushinteger(L, end - s + (end == at));
		lua_replace(L, lua_upvalueindex(3));
		return push_found(&m, at, end);
	}
	return 0;
}

static int string_gmatch(lua_State *L)
{
	luaL_checkstring(L, 1);
	luaL_checkstring(L, 2);
	lua_settop(L, 2);
	lua_pushinteger(L, 0);
	lua_pushcclosure(L, gmatch_next, 3);
	return 1;
}

/* ---- gsub ---- */

static void add_top(struct lua_buf *b)
{
	size_t len;
	const char *s = lua_tolstring(b->L, -1, &len);

	lua_buf_add(b, s, len);
	lua_pop(b->L, 1);
}

/* The replacement text, argument 3, for the match [s, e). */
static void add_text(struct matcher *m, struct lua_buf *b, const char *s, const char *e)
{
	size_t len;
	const char *p = lua_tolstring(m->L, 3, &len), *end = p + len;

	for (; p < end; p++) {
		if (*p != '%') {
			lua_buf_char(b, *p);
			continue;
		}
		p++; /* onto the zero behind the text, perhaps */
		if (!isdigit((unsigned char)*p)) {
			lua_buf_char(b, *p);
		} else if (*p == '0') {
			lua_buf_add(b, s, (size_t)(e - s));
		} else {
			push_capture(m, *p - '1', s, e);
			add_top(b);
		}
	}
}

static void add_replacement(struct matcher *m, struct lua_buf *b, const char *s, const char *e)
{
	lua_State *L = m->L;

	switch (lua_type(L, 3)) {
	case LUA_TFUNCTION:
		lua_pushvalue(L, 3);
		lua_call(L, push_found(m, s, e), 1);
		break;
	case LUA_TTABLE:
		push_capture(m, 0, s, e);
		lua_gettable(L, 3);
		break;
	default:
		add_text(m, b, s, e);
		return;
	}
	if (!lua_toboolean(L, -1)) {
		lua_pop(L, 1);
		lua_buf_add(b, s, (size_t)(e - s));
		return;
	}
	if (!lua_isstring(L, -1))
		luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
	add_top(b);
}

static int string_gsub(lua_State *L)
{
	struct matcher m;
	struct lua_buf b;
	size_t len;
	const char *s = luaL_checklstring(L, 1, &len), *p = luaL_checkstring(L, 2);
	int type = lua_type(L, 3), max = (int)luaL_optinteger(L, 4, (lua_Integer)len + 1), n = 0;
	bool anchored = *p == '^';

	luaL_argcheck(L, type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION || type == LUA_TTABLE, 3,
		      "string/function/table expected");
	p += anchored;
	matcher_init(&m, L, s, len);
	lua_buf_init(&b, L);
	while (n < max) {
		const char *end = match_from(&m, s, p);
		if (end != NULL) {
			n++;
			add_replacement(&m, &b, s, end);
		}
		if (end != NULL && end > s)
			s = end;
		else if (s < m.end)
			lua_buf_char(&b, *s++);
		else
			break;
		if (anchored)
			break;
	}
	lua_buf_add(&b, s, (size_t)(m.end - s));
	lua_buf_push(&b);
	lua_pushnumber(L, n);
	return 2;
}

void lua_patch_patterns(lua_State *L)
{
	static const luaL_Reg functions[] = {{"find", string_find},
					     {"match", string_match},
					     {"gmatch", string_gmatch},
					     {"gsub", string_gsub},
					     {NULL, NULL}};

	luaL_setfuncs(L, functions, 0);
}
