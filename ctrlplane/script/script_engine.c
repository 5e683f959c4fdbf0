/* The engine's life, its memory, and one script from call to reply. */
#include "ctrlplane/script/script_priv.h"

#include <lauxlib.h>
#include <stdlib.h>

#define HOOK_STEPS    1000 /* instructions between two looks at whether a script must end */
#define COLLECT_EVERY 50   /* scripts between two slices of garbage collection, as Redis */

/* ---- memory ---- */

static void count_memory(struct script_engine *e, size_t now)
{
	__atomic_store_n(&e->memory, now, __ATOMIC_RELAXED);
}

static void *lua_memory(void *ctx, void *ptr, size_t old, size_t new)
{
	struct script_engine *e = ctx;

	if (ptr == NULL)
		old = 0; /* says what kind of object is wanted */
	if (new == 0) {
		free(ptr);
		count_memory(e, e->memory - old);
		return NULL;
	}
	if (rp_unlikely(new > old && e->memory_max != 0 && e->memory - old + new > e->memory_max && !e->emitting))
		return NULL;
	void *p = realloc(ptr, new);
	if (rp_unlikely(p == NULL) && ptr != NULL && new <= old)
		p = ptr; /* Lua counts on that what becomes smaller has room */
	if (p != NULL)
		count_memory(e, e->memory - old + new);
	return p;
}

/* ---- errors ---- */

/* Makes a table {err, source, line} of whatever was raised. */
static int handle_error(lua_State *L)
{
	lua_Debug where;
	int level = 1;
	bool known = lua_getstack(L, level, &where) && lua_getinfo(L, "Sl", &where);

	/* The function that it failed in, and those of ours and of Lua that called that one. */
	while (known && *where.what == 'C' && ++level < 6)
		known = lua_getstack(L, level, &where) && lua_getinfo(L, "Sl", &where);
	if (lua_type(L, 1) != LUA_TTABLE) {
		lua_createtable(L, 0, 3);
		lua_pushfstring(L, "ERR %s", luaL_tolstring(L, 1, NULL));
		lua_setfield(L, -3, "err");
		lua_pop(L, 1);
		lua_replace(L, 1);
	}
	lua_settop(L, 1);
	if (script_is_protected(L, 1))
		return 1;
	if (known) {
		lua_pushliteral(L, "source");
		lua_pushstring(L, where.source);
		lua_rawset(L, 1);
		lua_pushliteral(L, "line");
		lua_pushinteger(L, where.currentline);
		lua_rawset(L, 1);
	}
	return 1;
}

static const char *raw_field(lua_State *L, const char *name)
{
	lua_pushstring(L, name);
	lua_rawget(L, -2);
	const char *s = lua_tostring(L, -1);
	return s; /* stays on the stack, so that it lives */
}

/* The error on top of the stack as the reply: "TEXT script: NAME, on SOURCE:LINE." */
static void reply_failure(lua_State *L, const struct script_code *code, struct reply *out)
{
	if (lua_type(L, -1) == LUA_TSTRING) { /* memory ran out where no table could be made any more */
		reply_errorf(out, "ERR %s script: %s", lua_tostring(L, -1), code->name);
		lua_pop(L, 1);
		return;
	}
	int at = lua_gettop(L);
	const char *text = raw_field(L, "err");
	lua_pushvalue(L, at);
	const char *source = raw_field(L, "source");
	lua_pushvalue(L, at);
	const char *line = raw_field(L, "line");
	luaL_Buffer b;
	luaL_buffinit(L, &b);
	luaL_addstring(&b, text != NULL ? text : "ERR unknown error");
	luaL_addstring(&b, " script: ");
	luaL_addstring(&b, code->name);
	if (source != NULL && line != NULL) {
		luaL_addstring(&b, ", on ");
		luaL_addstring(&b, source);
		luaL_addchar(&b, ':');
		luaL_addstring(&b, line);
		luaL_addchar(&b, '.');
	}
	luaL_pushresult(&b);
	size_t len;
	const char *all = lua_tolstring(L, -1, &len);
	script_emit_error(L, at, out, (struct slice){all, len});
	lua_settop(L, at - 1);
}

/* ---- running ---- */

static void push_strings(lua_State *L, const struct slice *s, uint32_t n)
{
	lua_createtable(L, (int)n, 0);
	for (uint32_t i = 0; i < n; i++) {
		lua_pushlstring(L, s[i].ptr, s[i].len);
		lua_rawseti(L, -2, i + 1);
	}
}

struct run {
	struct script_engine *e;
	const struct script_code *code;
	const struct script_args *args;
	struct reply *out;
};

/* Everything that may fail for want of memory happens under this function's pcall. */
static int run_protected(lua_State *L)
{
	const struct run *r = lua_touserdata(L, 1);
	struct script_engine *e = r->e;
	int params = 0;

	lua_settop(L, 0);
	lua_rawgeti(L, LUA_REGISTRYINDEX, e->handler);
	lua_rawgeti(L, LUA_REGISTRYINDEX, r->code->ref);
	if (r->code->function) {
		push_strings(L, r->args->keys, r->args->nkeys);
		push_strings(L, r->args->args, r->args->nargs);
		params = 2;
	} else {
		lua_rawgeti(L, LUA_REGISTRYINDEX, e->eval_env); /* an earlier run may have set another _ENV */
		lua_setupvalue(L, -2, 1);
		lua_rawgeti(L, LUA_REGISTRYINDEX, e->eval_globals);
		lua_rawgeti(L, LUA_REGISTRYINDEX, e->keys_name);
		push_strings(L, r->args->keys, r->args->nkeys);
		lua_rawset(L, -3);
		lua_rawgeti(L, LUA_REGISTRYINDEX, e->args_name);
		push_strings(L, r->args->args, r->args->nargs);
		lua_rawset(L, -3);
		lua_pop(L, 1);
	}
	int status = lua_pcall(L, params, 1, 1);
	e->emitting = true;
	if (rp_likely(status == LUA_OK))
		script_emit_value(L, r->out, e->resp);
	else
		reply_failure(L, r->code, r->out);
	e->emitting = false;
	return 0;
}

static void use_env(lua_State *L, int env_ref)
{
	lua_rawgeti(L, LUA_REGISTRYINDEX, env_ref);
	lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
}

void script_engine_run(struct script_engine *e, const struct script_code *code, const struct script_args *args,
		       struct reply *out)
{
	lua_State *L = e->L;
	struct run r = {e, code, args, out};

	e->resp = 2;
	e->ended = e->emitting = false;
	e->function = code->function;
	if (code->function)
		use_env(L, e->function_env);
	lua_pushcfunction(L, run_protected);
	lua_pushlightuserdata(L, &r);
	if (rp_unlikely(lua_pcall(L, 1, 0, 0) != LUA_OK)) {
		reply_errorf(out, "ERR %s script: %s", lua_tostring(L, -1), code->name);
		lua_pop(L, 1);
	}
	e->emitting = false;
	if (code->function)
		use_env(L, e->eval_env);
	if (rp_unlikely(lua_gethook(L) != NULL))
		lua_sethook(L, NULL, 0, 0);
	e->running = L;
	e->ended = false;
	__atomic_store_n(&e->asked, false, __ATOMIC_RELAXED);
	if (++e->runs % COLLECT_EVERY == 0)
		script_engine_collect(e);
}

void script_engine_collect(struct script_engine *e)
{
	lua_gc(e->L, LUA_GCSTEP, 0);
}

/* ---- the end before the end ---- */

int script_raise_end(lua_State *L)
{
	const struct script_engine *e = script_engine_of(L);
	enum script_end why = e->why;

	if (why == SCRIPT_LOAD_TIMEOUT)
		return script_raise(L, "ERR FUNCTION LOAD timeout");
	if (why == SCRIPT_KILLED)
		return script_raise(L, e->function ? "ERR Script killed by user with FUNCTION KILL."
						   : "ERR Script killed by user with SCRIPT KILL.");
	return script_raise(L, "ERR Script ran longer than script-max-time allows");
}

int script_end_now(lua_State *L, enum script_end why)
{
	struct script_engine *e = script_engine_of(L);

	e->why = why;
	e->ended = true;
	/* Whoever catches this meets the next one in his next instruction. */
	lua_sethook(L, script_hook, LUA_MASKCOUNT, 1);
	lua_sethook(e->L, script_hook, LUA_MASKCOUNT, 1);
	return script_raise_end(L);
}

static enum script_end ask(struct script_engine *e)
{
	if (e->ended)
		return e->why;
	if (e->loading != NULL)
		return script_load_late(e) ? SCRIPT_LOAD_TIMEOUT : SCRIPT_GO_ON;
	return e->ops.interrupted(e->ops.watch_ctx);
}

void script_look_now(lua_State *L)
{
	struct script_engine *e = script_engine_of(L);

	/* The next signal sets it again; of loading nobody sends one. */
	__atomic_store_n(&e->asked, e->loading != NULL, __ATOMIC_RELAXED);
	enum script_end why = ask(e);
	if (why != SCRIPT_GO_ON)
		script_end_now(L, why);
}

void script_hook(lua_State *L, lua_Debug *ar)
{
	script_look_now(L);
	if (lua_gethookcount(L) != HOOK_STEPS)
		lua_sethook(L, script_hook, LUA_MASKCOUNT, HOOK_STEPS);
}

/* The next instruction looks, as many of them may take long: a comparison of strings of hundreds of megabytes, say. */
void script_engine_interrupt(struct script_engine *e)
{
	__atomic_store_n(&e->asked, true, __ATOMIC_RELAXED);
	lua_sethook(e->running, script_hook, LUA_MASKCOUNT, 1);
	if (e->running != e->L)
		lua_sethook(e->L, script_hook, LUA_MASKCOUNT, 1);
}

/* ---- life ---- */

static int setup(lua_State *L)
{
	struct script_engine *e = script_engine_of(L);

	lua_pushcfunction(L, handle_error);
	e->handler = luaL_ref(L, LUA_REGISTRYINDEX);
	lua_pushliteral(L, "KEYS");
	e->keys_name = luaL_ref(L, LUA_REGISTRYINDEX);
	lua_pushliteral(L, "ARGV");
	e->args_name = luaL_ref(L, LUA_REGISTRYINDEX);
	return script_sandbox_open(L);
}

struct script_engine *script_engine_create(const struct script_ops *ops, size_t memory_max)
{
	struct script_engine *e = calloc(1, sizeof *e);

	if (e == NULL)
		return NULL;
	e->ops = *ops;
	e->L = lua_newstate(lua_memory, e);
	if (e->L == NULL) {
		free(e);
		return NULL;
	}
	*(struct script_engine **)lua_getextraspace(e->L) = e;
	e->running = e->L;
	lua_random_seed(&e->random, 0);
	lua_pushcfunction(e->L, setup);
	if (lua_pcall(e->L, 0, 0, 0) != LUA_OK) {
		script_engine_destroy(e);
		return NULL;
	}
	e->memory_max = memory_max;
	return e;
}

void script_engine_destroy(struct script_engine *e)
{
	if (e == NULL)
		return;
	lua_close(e->L);
	free(e);
}

void script_engine_set_memory_max(struct script_engine *e, size_t bytes)
{
	e->memory_max = bytes;
}

size_t script_engine_memory(const struct script_engine *e)
{
	return __atomic_load_n(&e->memory, __ATOMIC_RELAXED);
}
