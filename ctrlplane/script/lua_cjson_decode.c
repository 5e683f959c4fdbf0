/* cjson.decode: JSON (RFC 8259) to values, with what lua-cjson 2.1 accepts beyond it. Input is read once, and no table
 * is made larger than what its text pays for. */
#include "ctrlplane/script/lua_cjson.h"

#include <ctype.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <strings.h>

#include "ctrlplane/script/lua_buf.h"
#include "ctrlplane/script/script_priv.h"

enum token_kind {
	T_OBJ_BEGIN,
	T_OBJ_END,
	T_ARR_BEGIN,
	T_ARR_END,
	T_STRING,
	T_NUMBER,
	T_BOOLEAN,
	T_NULL,
	T_COLON,
	T_COMMA,
	T_END,
	T_ERROR, /* `error` says which */
};

static const char *const token_names[] = {"T_OBJ_BEGIN", "T_OBJ_END", "T_ARR_BEGIN", "T_ARR_END",
					  "T_STRING",    "T_NUMBER",  "T_BOOLEAN",   "T_NULL",
					  "T_COLON",     "T_COMMA",   "T_END"};

struct token {
	enum token_kind kind;
	const char *error;
	size_t at; /* where it begins */
	bool boolean;
	lua_Number number;
};

struct decoder {
	lua_State *L;
	const struct cjson_conf *conf;
	const char *data; /* a zero byte stands behind it */
	size_t pos;
	int depth;
	struct lua_buf text; /* of the string read last; never moves below a table being filled */
};

static void token_error(struct token *t, size_t at, const char *what)
{
	t->kind = T_ERROR;
	t->at = at;
	t->error = what;
}

/* Four hexadecimal digits; -1: they are not. */
static int hex4(const char *s)
{
	int v = 0;

	for (int i = 0; i < 4; i++) {
		if (!isxdigit((unsigned char)s[i]))
			return -1;
		int c = s[i] | 0x20;
		v = v << 4 | (c <= '9' ? c - '0' : c - 'a' + 10);
	}
	return v;
}

static size_t utf8_put(char *p, uint32_t c)
{
	if (c < 0x80) {
		p[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		p[0] = (char)(0xc0 | c >> 6);
		p[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		p[0] = (char)(0xe0 | c >> 12);
		p[1] = (char)(0x80 | (c >> 6 & 0x3f));
		p[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	p[0] = (char)(0xf0 | c >> 18);
	p[1] = (char)(0x80 | (c >> 12 & 0x3f));
	p[2] = (char)(0x80 | (c >> 6 & 0x3f));
	p[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* "\uXXXX", or two of them for what lies beyond 16 bits. Returns the bytes of text read; 0: invalid. */
static size_t take_unicode(struct decoder *d, const char *s)
{
	int hi = hex4(s + 2);
	uint32_t c = (uint32_t)hi;
	size_t len = 6;

	if (hi < 0 || (hi & 0xfc00) == 0xdc00)
		return 0;
	if ((hi & 0xfc00) == 0xd800) {
		if (s[6] != '\\' || s[7] != 'u')
			return 0;
		int lo = hex4(s + 8);
		if (lo < 0 || (lo & 0xfc00) != 0xdc00)
			return 0;
		c = 0x10000 + ((c & 0x3ff) << 10 | (uint32_t)(lo & 0x3ff));
		len = 12;
	}
	char *to = lua_buf_room(&d->text, 4);
	lua_buf_used(&d->text, utf8_put(to, c));
	return len;
}

static char unescape(char c)
{
	switch (c) {
	case '"':
	case '\\':
	case '/':
		return c;
	case 'b':
		return '\b';
	case 't':
		return '\t';
	case 'n':
		return '\n';
	case 'f':
		return '\f';
	case 'r':
		return '\r';
	default:
		return '\0';
	}
}

/* Leaves the string in d->text. */
static void next_string(struct decoder *d, struct token *t)
{
	const char *s = d->data + d->pos + 1;

	d->text.len = 0;
	for (;;) {
		size_t plain = strcspn(s, "\"\\");
		lua_buf_add(&d->text, s, plain);
		s += plain;
		if (*s == '\0') {
			token_error(t, (size_t)(s - d->data), "unexpected end of string");
			return;
		}
		if (*s == '"')
			break;
		size_t len = 2;
		char c = unescape(s[1]);
		if (s[1] == 'u')
			len = take_unicode(d, s);
		else if (c != '\0')
			lua_buf_char(&d->text, c);
		else {
			token_error(t, (size_t)(s - d->data), "invalid escape code");
			return;
		}
		if (len == 0) {
			token_error(t, (size_t)(s - d->data), "invalid unicode escape code");
			return;
		}
		s += len;
	}
	t->kind = T_STRING;
	d->pos = (size_t)(s + 1 - d->data);
}

/* Hexadecimal, octal-looking, infinite or no number: what JSON does not allow. */
static bool number_invalid(const char *p)
{
	if (*p == '+')
		return true;
	if (*p == '-')
		p++;
	if (*p == '0')
		return (p[1] | 0x20) == 'x' || isdigit((unsigned char)p[1]);
	if (isdigit((unsigned char)*p))
		return false;
	return strncasecmp(p, "inf", 3) == 0 || strncasecmp(p, "nan", 3) == 0;
}

static void next_number(struct decoder *d, struct token *t)
{
	const char *s = d->data + d->pos;
	char *end;

	if (!d->conf->decode_invalid && number_invalid(s)) {
		token_error(t, d->pos, "invalid number");
		return;
	}
	t->number = strtod(s, &end);
	if (end == s) {
		token_error(t, d->pos, "invalid number");
		return;
	}
	t->kind = T_NUMBER;
	d->pos += (size_t)(end - s);
}

static bool word_is(struct decoder *d, const char *word)
{
	size_t n = strlen(word);

	if (strncmp(d->data + d->pos, word, n) != 0)
		return false;
	d->pos += n;
	return true;
}

static void next_word(struct decoder *d, struct token *t)
{
	const char *s = d->data + d->pos;

	if (word_is(d, "true")) {
		t->kind = T_BOOLEAN;
		t->boolean = true;
	} else if (word_is(d, "false")) {
		t->kind = T_BOOLEAN;
		t->boolean = false;
	} else if (word_is(d, "null")) {
		t->kind = T_NULL;
	} else if (d->conf->decode_invalid && (strncasecmp(s, "inf", 3) == 0 || strncasecmp(s, "nan", 3) == 0)) {
		next_number(d, t);
	} else {
		token_error(t, d->pos, "invalid token");
	}
}

static void next_token(struct decoder *d, struct token *t)
{
	static const char marks[] = "{}[]:,";
	static const enum token_kind kinds[] = {T_OBJ_BEGIN, T_OBJ_END, T_ARR_BEGIN, T_ARR_END, T_COLON, T_COMMA};
	char c;

	while ((c = d->data[d->pos]) == ' ' || c == '\t' || c == '\n' || c == '\r')
		d->pos++;
	t->at = d->pos;
	if (c == '\0') {
		t->kind = T_END;
	} else if (c == '"') {
		next_string(d, t);
	} else if (c == '-' || c == '+' || isdigit((unsigned char)c)) {
		next_number(d, t);
	} else {
		const char *m = strchr(marks, c);
		if (m == NULL) {
			next_word(d, t);
			return;
		}
		t->kind = kinds[m - marks];
		d->pos++;
	}
}

static _Noreturn void unexpected(struct decoder *d, const char *want, const struct token *t)
{
	luaL_error(d->L, "Expected %s but found %s at character %d", want,
		   t->kind == T_ERROR ? t->error : token_names[t->kind], (int)t->at + 1);
	__builtin_unreachable();
}

static void push_value(struct decoder *d, const struct token *t);

static void descend(struct decoder *d)
{
	if (++d->depth > RP_MIN(d->conf->decode_depth, CJSON_DEPTH_MAX))
		luaL_error(d->L, "Found too many nested data structures (%d) at character %d", d->depth, (int)d->pos);
	luaL_checkstack(d->L, 4, "too many nested data structures");
}

static void push_object(struct decoder *d)
{
	struct token t;

	descend(d);
	lua_newtable(d->L);
	next_token(d, &t);
	while (t.kind != T_OBJ_END) {
		if (t.kind != T_STRING)
			unexpected(d, "object key string", &t);
		lua_buf_push(&d->text);
		next_token(d, &t);
		if (t.kind != T_COLON)
			unexpected(d, "colon", &t);
		next_token(d, &t);
		push_value(d, &t);
		lua_rawset(d->L, -3);
		next_token(d, &t);
		if (t.kind == T_OBJ_END)
			break;
		if (t.kind != T_COMMA)
			unexpected(d, "comma or object end", &t);
		next_token(d, &t);
		if (t.kind == T_OBJ_END)
			unexpected(d, "object key string", &t);
	}
	d->depth--;
}

static void push_array(struct decoder *d)
{
	struct token t;

	descend(d);
	lua_newtable(d->L);
	next_token(d, &t);
	for (lua_Integer i = 1; t.kind != T_ARR_END; i++) {
		push_value(d, &t);
		lua_rawseti(d->L, -2, i);
		next_token(d, &t);
		if (t.kind == T_ARR_END)
			break;
		if (t.kind != T_COMMA)
			unexpected(d, "comma or array end", &t);
		next_token(d, &t);
		if (t.kind == T_ARR_END)
			unexpected(d, "value", &t);
	}
	d->depth--;
}

static void push_value(struct decoder *d, const struct token *t)
{
	script_look(d->L);
	switch (t->kind) {
	case T_STRING:
		lua_buf_push(&d->text);
		return;
	case T_NUMBER:
		lua_pushnumber(d->L, t->number);
		return;
	case T_BOOLEAN:
		lua_pushboolean(d->L, t->boolean);
		return;
	case T_NULL:
		lua_pushlightuserdata(d->L, NULL);
		return;
	case T_OBJ_BEGIN:
		push_object(d);
		return;
	case T_ARR_BEGIN:
		push_array(d);
		return;
	default:
		unexpected(d, "value", t);
	}
}

int cjson_decode(lua_State *L)
{
	struct decoder d = {.L = L, .conf = cjson_conf(L)};
	struct token t;
	size_t len;

	luaL_argcheck(L, lua_gettop(L) == 1, 1, "expected 1 argument");
	d.data = luaL_checklstring(L, 1, &len);
	if (len >= 2 && (d.data[0] == '\0' || d.data[1] == '\0'))
		return luaL_error(L, "JSON parser does not support UTF-16 or UTF-32");
	lua_buf_init(&d.text, L);
	next_token(&d, &t);
	push_value(&d, &t);
	next_token(&d, &t);
	if (t.kind != T_END)
		unexpected(&d, "the end", &t);
	return 1;
}
