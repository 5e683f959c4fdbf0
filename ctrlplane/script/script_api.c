/* The table `redis`. */
#include "ctrlplane/script/script_priv.h"

#include <lauxlib.h>
#include <math.h>
#include <stdio.h>

#include "base/log.h"
#include "base/num.h"
#include "cmd/cmd.h"

#define CALL_TEXTS 8 /* numbers of one call that need no string */

int script_raise(lua_State *L, const char *text)
{
	script_push_error(L, (struct slice){text, strlen(text)});
	return lua_error(L);
}

/* ---- call ---- */

struct call_args {
	uint32_t n;
	struct slice *v;
	struct slice inline_v[SCRIPT_CALL_ARGS];
	char text[CALL_TEXTS][NUM_I64_CHARS];
	uint32_t texts;
};

/* Numbers are printed as short as they read back, whole ones without a point; a few without making a string. */
static void number_arg(lua_State *L, struct call_args *a, int i)
{
	lua_Number n = lua_tonumber(L, i);
	char buf[64];
	int64_t whole = lua_isinteger(L, i) || (n > -1e15 && n < 1e15) ? (int64_t)n : 0;

	if ((lua_Number)whole == n && whole != 0 && whole > -1000000000000000 && whole < 1000000000000000 &&
	    a->texts < CALL_TEXTS) {
		char *t = a->text[a->texts++];
		a->v[i - 1] = (struct slice){t, num_format_i64(t, whole)};
		return;
	}
	if (rp_unlikely(isnan(n)))
		lua_pushstring(L, signbit(n) ? "-nan" : "nan");
	else
		lua_pushlstring(L, buf, num_format_double(buf, n == 0 ? 0 : n));
	lua_replace(L, i);
	a->v[i - 1].ptr = lua_tolstring(L, i, &a->v[i - 1].len);
}

/* The arguments of the function as words of a command; NULL or why not. */
static const char *take_args(lua_State *L, struct call_args *a)
{
	int n = lua_gettop(L);

	if (n == 0)
		return "ERR Please specify at least one argument for this redis lib call";
	a->n = (uint32_t)n;
	a->v = a->inline_v;
	a->texts = 0;
	if (rp_unlikely(n > SCRIPT_CALL_ARGS))
		a->v = lua_newuserdatauv(L, (size_t)n * sizeof *a->v, 0);
	for (int i = 1; i <= n; i++) {
		switch (lua_type(L, i)) {
		case LUA_TSTRING:
			a->v[i - 1].ptr = lua_tolstring(L, i, &a->v[i - 1].len);
			break;
		case LUA_TNUMBER:
			number_arg(L, a, i);
			break;
		default:
			return "ERR Lua redis lib command arguments must be strings or integers";
		}
	}
	return NULL;
}

static int call(lua_State *L, bool raise)
{
	struct script_engine *e = script_engine_of(L);
	struct call_args a;
	const char *wrong = take_args(L, &a);

	if (rp_unlikely(wrong != NULL)) {
		script_push_error(L, (struct slice){wrong, strlen(wrong)});
		return raise ? lua_error(L) : 1;
	}
	if (rp_unlikely(e->ended)) /* a handler of xpcall()'s, say */
		return script_raise_end(L);
	struct slice reply = e->ops.call(e->ops.ctx, a.n, a.v, e->resp);
	if (rp_unlikely(reply.ptr == NULL))
		return script_end_now(L, SCRIPT_ANEW);
	script_push_reply(L, reply);
	if (rp_unlikely(*reply.ptr == '-') && raise)
		return lua_error(L);
	return 1;
}

static int redis_call(lua_State *L)
{
	return call(L, true);
}

static int redis_pcall(lua_State *L)
{
	return call(L, false);
}

/* ---- replies of one's own ---- */

/* Only one string makes one; else an error table, as Redis answers. */
static bool one_string(lua_State *L)
{
	if (lua_gettop(L) == 1 && lua_type(L, 1) == LUA_TSTRING)
		return true;
	script_push_error(L, SLICE("ERR wrong number or type of arguments"));
	return false;
}

static int redis_error_reply(lua_State *L)
{
	if (!one_string(L))
		return 1;
	const char *text = lua_tostring(L, 1);
	if (*text == '-')
		text++;
	size_t len = strlen(text);
	while (len > 0 && (text[len - 1] == '\r' || text[len - 1] == '\n'))
		len--;
	text = lua_pushlstring(L, text, len);
	/* The first word is a code if there is more than one. */
	if (strchr(text, ' ') == NULL)
		lua_pushfstring(L, "ERR %s", text);
	else
		lua_pushstring(L, text);
	lua_createtable(L, 0, 1);
	lua_insert(L, -2);
	lua_setfield(L, -2, "err");
	return 1;
}

static int redis_status_reply(lua_State *L)
{
	if (!one_string(L))
		return 1;
	lua_createtable(L, 0, 1);
	lua_pushvalue(L, 1);
	lua_setfield(L, -2, "ok");
	return 1;
}

/* ---- the rest ---- */

static int redis_sha1hex(lua_State *L)
{
	uint8_t digest[SHA1_BYTES];
	char hex[SHA1_BYTES * 2 + 1];
	struct slice s = {"", 0};

	if (lua_gettop(L) != 1)
		return script_raise(L, "ERR wrong number of arguments");
	if (lua_isstring(L, 1))
		s.ptr = lua_tolstring(L, 1, &s.len);
	sha1(s, digest);
	sha1_hex(digest, hex);
	lua_pushlstring(L, hex, SHA1_BYTES * 2);
	return 1;
}

static int redis_log(lua_State *L)
{
	struct script_engine *e = script_engine_of(L);
	luaL_Buffer b;
	int n = lua_gettop(L);

	if (n < 2)
		return script_raise(L, "ERR redis.log() requires two arguments or more.");
	if (!lua_isnumber(L, 1))
		return script_raise(L, "ERR First argument must be a number (log level).");
	lua_Number level = lua_tonumber(L, 1);
	if (!(level >= LOG_DEBUG && level <= LOG_WARNING))
		return script_raise(L, "ERR Invalid debug level.");
	luaL_buffinit(L, &b);
	for (int i = 2; i <= n; i++) {
		if (!lua_isstring(L, i))
			continue;
		if (i > 2)
			luaL_addchar(&b, ' ');
		lua_pushvalue(L, i);
		luaL_addvalue(&b);
	}
	luaL_pushresult(&b);
	struct slice s;
	s.ptr = lua_tolstring(L, -1, &s.len);
	e->ops.log(e->ops.watch_ctx, (int)level, s);
	return 0;
}

static int redis_setresp(lua_State *L)
{
	if (lua_gettop(L) != 1)
		return script_raise(L, "ERR redis.setresp() requires one argument.");
	lua_Number v = lua_tonumber(L, 1);
	if (v != 2 && v != 3)
		return script_raise(L, "ERR RESP version must be 2 or 3.");
	script_engine_of(L)->resp = (uint8_t)v;
	return 0;
}

static int redis_acl_check_cmd(lua_State *L)
{
	struct script_engine *e = script_engine_of(L);
	struct call_args a;
	const char *wrong = take_args(L, &a);

	if (wrong != NULL)
		return script_raise(L, wrong);
	int may = e->ops.acl_check(e->ops.ctx, a.n, a.v);
	if (may < 0)
		return script_raise(L, "ERR Invalid command passed to redis.acl_check_cmd()");
	lua_pushboolean(L, may);
	return 1;
}

static int redis_set_repl(lua_State *L)
{
	struct script_engine *e = script_engine_of(L);

	if (lua_gettop(L) != 1)
		return script_raise(L, "ERR redis.set_repl() requires two arguments.");
	lua_Number flags = lua_tonumber(L, 1);
	if (!(flags >= 0 && flags <= SCRIPT_REPL_ALL))
		return script_raise(
			L, "ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.");
	e->ops.set_repl(e->ops.ctx, (uint32_t)flags);
	return 0;
}

/* Effects are what is journaled, always. */
static int redis_replicate_commands(lua_State *L)
{
	lua_pushboolean(L, true);
	return 1;
}

/* There is no debugger session: as Redis outside of one. */
static int redis_breakpoint(lua_State *L)
{
	lua_pushboolean(L, false);
	return 1;
}

static int redis_debug(lua_State *L)
{
	return 0;
}

static const struct {
	const char *name;
	int value;
} constants[] = {{"LOG_DEBUG", LOG_DEBUG},
		 {"LOG_VERBOSE", LOG_VERBOSE},
		 {"LOG_NOTICE", LOG_NOTICE},
		 {"LOG_WARNING", LOG_WARNING},
		 {"REPL_NONE", 0},
		 {"REPL_AOF", SCRIPT_REPL_AOF},
		 {"REPL_SLAVE", SCRIPT_REPL_REPLICA},
		 {"REPL_REPLICA", SCRIPT_REPL_REPLICA},
		 {"REPL_ALL", SCRIPT_REPL_ALL}};

static void add_constants(lua_State *L, const char *prefix)
{
	for (size_t i = 0; i < RP_ARRAY_LEN(constants); i++) {
		if (strncmp(constants[i].name, prefix, strlen(prefix)) != 0)
			continue;
		lua_pushnumber(L, constants[i].value);
		lua_setfield(L, -2, constants[i].name);
	}
}

static void add_version(lua_State *L)
{
	unsigned major = 0, minor = 0, patch = 0;

	sscanf(cmd_redis_version, "%u.%u.%u", &major, &minor, &patch);
	lua_pushstring(L, cmd_redis_version);
	lua_setfield(L, -2, "REDIS_VERSION");
	lua_pushnumber(L, major << 16 | minor << 8 | patch);
	lua_setfield(L, -2, "REDIS_VERSION_NUM");
}

void script_api_open(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"call", redis_call},
		{"pcall", redis_pcall},
		{"error_reply", redis_error_reply},
		{"status_reply", redis_status_reply},
		{"sha1hex", redis_sha1hex},
		{"log", redis_log},
		{"setresp", redis_setresp},
		{"acl_check_cmd", redis_acl_check_cmd},
		{"set_repl", redis_set_repl},
		{"replicate_commands", redis_replicate_commands},
		{"breakpoint", redis_breakpoint},
		{"debug", redis_debug},
		{NULL, NULL},
	};

	luaL_newlib(L, functions);
	add_constants(L, "");
	add_version(L);
}

void script_load_api_open(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"register_function", script_register_function}, {"log", redis_log}, {NULL, NULL}};

	luaL_newlib(L, functions);
	add_constants(L, "LOG_");
	add_version(L);
}
