/* See script_library.h. */
#include "ctrlplane/script/script_library.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "ctrlplane/script/script_priv.h"

#define BUCKETS 1024 /* of functions by name */
#define LOAD_US 500000

struct script_libraries {
	struct script_engine *engine;
	struct script_library *first;
	struct script_function *bucket[BUCKETS];
	uint64_t nlibraries, nfunctions, bytes; /* the engine's thread writes, anybody reads relaxed */
};

/* ---- functions by name ---- */

static uint32_t name_hash(struct slice name)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.ptr[i];
		h = (h ^ (c >= 'A' && c <= 'Z' ? c | 0x20 : c)) * 16777619u;
	}
	return h % BUCKETS;
}

static struct slice name_of(const struct script_function *f)
{
	return (struct slice){f->code.name, strlen(f->code.name)};
}

struct script_function *script_function_find(const struct script_libraries *l, struct slice name)
{
	struct script_function *f = l->bucket[name_hash(name)];

	while (f != NULL && !slice_is(name, f->code.name))
		f = f->next;
	return f;
}

static void hash_in(struct script_libraries *l, struct script_library *lib)
{
	for (struct script_function *f = lib->functions; f != NULL; f = f->next_of_library) {
		struct script_function **at = &l->bucket[name_hash(name_of(f))];
		f->next = *at;
		*at = f;
	}
}

static void hash_out(struct script_libraries *l, struct script_library *lib)
{
	for (struct script_function *f = lib->functions; f != NULL; f = f->next_of_library) {
		struct script_function **at = &l->bucket[name_hash(name_of(f))];
		while (*at != f)
			at = &(*at)->next;
		*at = f->next;
	}
}

/* ---- libraries ---- */

static size_t library_bytes(const struct script_library *lib)
{
	size_t n = sizeof *lib + lib->text.len;

	for (const struct script_function *f = lib->functions; f != NULL; f = f->next_of_library)
		n += sizeof *f + strlen(f->code.name) + 1 + (f->description != NULL ? strlen(f->description) + 1 : 0);
	return n;
}

static void count(struct script_libraries *l, const struct script_library *lib, int sign)
{
	__atomic_store_n(&l->nlibraries, l->nlibraries + (uint64_t)(int64_t)sign, __ATOMIC_RELAXED);
	__atomic_store_n(&l->nfunctions, l->nfunctions + (uint64_t)(sign * (int64_t)lib->nfunctions), __ATOMIC_RELAXED);
	__atomic_store_n(&l->bytes, l->bytes + (uint64_t)(sign * (int64_t)library_bytes(lib)), __ATOMIC_RELAXED);
}

static void link_in(struct script_libraries *l, struct script_library *lib)
{
	struct script_library **at = &l->first;

	while (*at != NULL)
		at = &(*at)->next;
	*at = lib;
	lib->next = NULL;
	hash_in(l, lib);
	count(l, lib, 1);
}

static void link_out(struct script_libraries *l, struct script_library *lib)
{
	struct script_library **at = &l->first;

	while (*at != lib)
		at = &(*at)->next;
	*at = lib->next;
	hash_out(l, lib);
	count(l, lib, -1);
}

static void library_free(struct script_engine *e, struct script_library *lib)
{
	for (struct script_function *f = lib->functions, *next; f != NULL; f = next) {
		next = f->next_of_library;
		luaL_unref(e->L, LUA_REGISTRYINDEX, f->code.ref);
		free((char *)f->code.name);
		free(f->description);
		free(f);
	}
	free((char *)lib->text.ptr);
	free(lib);
}

static struct script_library *find(const struct script_libraries *l, struct slice name)
{
	struct script_library *lib = l->first;

	while (lib != NULL && !slice_eq(name, (struct slice){lib->name, strlen(lib->name)}))
		lib = lib->next;
	return lib;
}

const struct script_library *script_library_first(const struct script_libraries *l)
{
	return l->first;
}

struct script_libraries *script_libraries_create(struct script_engine *e)
{
	struct script_libraries *l = calloc(1, sizeof *l);

	if (l != NULL)
		l->engine = e;
	return l;
}

void script_libraries_destroy(struct script_libraries *l)
{
	if (l == NULL)
		return;
	script_libraries_flush(l);
	free(l);
}

void script_libraries_flush(struct script_libraries *l)
{
	while (l->first != NULL) {
		struct script_library *lib = l->first;
		link_out(l, lib);
		library_free(l->engine, lib);
	}
	lua_gc(l->engine->L, LUA_GCCOLLECT);
}

bool script_library_delete(struct script_libraries *l, struct slice name)
{
	struct script_library *lib = find(l, name);

	if (lib == NULL)
		return false;
	link_out(l, lib);
	library_free(l->engine, lib);
	return true;
}

struct script_library *script_libraries_take(struct script_libraries *l)
{
	struct script_library *all = NULL, **tail = &all;

	while (l->first != NULL) {
		*tail = l->first;
		link_out(l, l->first);
		tail = &(*tail)->next;
		*tail = NULL;
	}
	return all;
}

void script_libraries_put(struct script_libraries *l, struct script_library *before)
{
	script_libraries_flush(l);
	for (struct script_library *next; before != NULL; before = next) {
		next = before->next;
		link_in(l, before);
	}
}

void script_libraries_drop(struct script_libraries *l, struct script_library *before)
{
	for (struct script_library *next; before != NULL; before = next) {
		next = before->next;
		library_free(l->engine, before);
	}
}

/* Why the former library cannot stand beside those that are there. */
static bool may_join(const struct script_libraries *l, const struct script_library *lib, bool replace, char *why)
{
	if (find(l, (struct slice){lib->name, strlen(lib->name)}) != NULL) {
		snprintf(why, SCRIPT_WHY_MAX, "ERR Library %s already exists", lib->name);
		return replace;
	}
	for (const struct script_function *f = lib->functions; f != NULL; f = f->next_of_library) {
		if (script_function_find(l, name_of(f)) == NULL)
			continue;
		snprintf(why, SCRIPT_WHY_MAX, "ERR Function %.256s already exists", f->code.name);
		return false;
	}
	return true;
}

bool script_libraries_merge(struct script_libraries *l, struct script_library *before, bool replace,
			    char why[SCRIPT_WHY_MAX])
{
	for (const struct script_library *lib = before; lib != NULL; lib = lib->next) {
		if (!may_join(l, lib, replace, why)) {
			script_libraries_put(l, before);
			return false;
		}
	}
	for (struct script_library *next; before != NULL; before = next) {
		next = before->next;
		if (find(l, (struct slice){before->name, strlen(before->name)}) != NULL)
			library_free(l->engine, before);
		else
			link_in(l, before);
	}
	return true;
}

/* ---- redis.register_function ---- */

struct registration {
	const char *name, *description;
	int callback; /* stack index; 0: none */
	uint32_t flags;
};

static void take_flags(lua_State *L, struct registration *r)
{
	if (!lua_istable(L, -1))
		script_raise(
			L, "ERR flags argument to redis.register_function must be a table representing function flags");
	for (lua_Integer i = 1; lua_rawgeti(L, -1, i) != LUA_TNIL; i++) {
		struct slice s = {NULL, 0};
		if (lua_type(L, -1) == LUA_TSTRING)
			s.ptr = lua_tolstring(L, -1, &s.len);
		uint32_t flag = script_flag_by_name(s, true);
		if (flag == 0)
			script_raise(L, "ERR unknown flag given");
		r->flags |= flag;
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
}

static const char *take_string(lua_State *L, const char *wrong)
{
	if (!lua_isstring(L, -1))
		script_raise(L, wrong);
	return lua_tostring(L, -1);
}

/* The value on top is that of the named argument. What is kept stays in the table of arguments. */
static void take_named(lua_State *L, const char *key, struct registration *r)
{
	if (strcasecmp(key, "function_name") == 0) {
		r->name = take_string(L,
				      "ERR function_name argument given to redis.register_function must be a string");
	} else if (strcasecmp(key, "description") == 0) {
		r->description = take_string(
			L, "ERR description argument given to redis.register_function must be a string");
	} else if (strcasecmp(key, "callback") == 0) {
		if (!lua_isfunction(L, -1))
			script_raise(L, "ERR callback argument given to redis.register_function must be a function");
		lua_pushvalue(L, -1);
		lua_replace(L, 2);
		r->callback = 2;
	} else if (strcasecmp(key, "flags") == 0) {
		take_flags(L, r);
	} else {
		script_raise(L, "ERR unknown argument given to redis.register_function");
	}
}

static void named_arguments(lua_State *L, struct registration *r)
{
	if (!lua_istable(L, 1))
		script_raise(L, "ERR calling redis.register_function with a single argument is only applicable to Lua "
				"table (representing named arguments).");
	lua_settop(L, 2); /* the callback's place */
	luaL_checkstack(L, LUA_MINSTACK, NULL);
	lua_pushnil(L);
	while (lua_next(L, 1) != 0) {
		if (lua_type(L, -2) == LUA_TNUMBER)
			script_raise(L, "ERR unknown argument given to redis.register_function");
		if (lua_type(L, -2) != LUA_TSTRING)
			script_raise(L, "ERR named argument key given to redis.register_function is not a string");
		/* Texts of numbers are made anew: they stay on the stack. */
		if (lua_type(L, -1) == LUA_TNUMBER) {
			luaL_checkstack(L, LUA_MINSTACK, NULL);
			lua_pushvalue(L, -1);
			take_named(L, lua_tostring(L, -3), r);
			lua_insert(L, 3);
		} else {
			take_named(L, lua_tostring(L, -2), r);
		}
		lua_pop(L, 1);
	}
	if (r->name == NULL)
		script_raise(L, "ERR redis.register_function must get a function name argument");
	if (r->callback == 0)
		script_raise(L, "ERR redis.register_function must get a callback argument");
}

static void unnamed_arguments(lua_State *L, struct registration *r)
{
	if (!lua_isstring(L, 1))
		script_raise(L, "ERR first argument to redis.register_function must be a string");
	if (!lua_isfunction(L, 2))
		script_raise(L, "ERR second argument to redis.register_function must be a function");
	r->name = lua_tostring(L, 1);
	r->callback = 2;
}

static bool registered(const struct script_library *lib, const char *name)
{
	for (const struct script_function *f = lib->functions; f != NULL; f = f->next_of_library)
		if (strcmp(f->code.name, name) == 0)
			return true;
	return false;
}

/* NULL: out of memory. */
static struct script_function *function_new(const struct registration *r, int ref)
{
	struct script_function *f = calloc(1, sizeof *f);
	char *name = strdup(r->name);
	char *description = r->description != NULL ? strdup(r->description) : NULL;

	if (f == NULL || name == NULL || (r->description != NULL && description == NULL)) {
		free(f);
		free(name);
		free(description);
		return NULL;
	}
	f->code = (struct script_code){.ref = ref, .flags = r->flags, .name = name, .function = true};
	f->description = description;
	return f;
}

int script_register_function(lua_State *L)
{
	struct script_library *lib = script_engine_of(L)->loading;
	struct registration r = {NULL};
	int n = lua_gettop(L);

	if (lib == NULL)
		return script_raise(L, "ERR redis.register_function can only be called on FUNCTION LOAD command");
	if (n < 1 || n > 2)
		return script_raise(L, "ERR wrong number of arguments to redis.register_function");
	if (n == 1)
		named_arguments(L, &r);
	else
		unnamed_arguments(L, &r);
	if (!script_name_ok((struct slice){r.name, strlen(r.name)}))
		return script_raise(L,
				    "ERR Library names can only contain letters, numbers, or underscores(_) and must "
				    "be at least one character long");
	if (registered(lib, r.name))
		return script_raise(L, "ERR Function already exists in the library");
	lua_pushvalue(L, r.callback);
	int ref = luaL_ref(L, LUA_REGISTRYINDEX);
	struct script_function *f = function_new(&r, ref), **tail = &lib->functions;
	if (f == NULL) {
		luaL_unref(L, LUA_REGISTRYINDEX, ref);
		return luaL_error(L, "not enough memory");
	}
	f->library = lib;
	while (*tail != NULL)
		tail = &(*tail)->next_of_library;
	*tail = f;
	lib->nfunctions++;
	return 0;
}

/* ---- loading ---- */

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

bool script_load_late(const struct script_engine *e)
{
	return now_us() >= e->load_until_us;
}

struct loading {
	struct slice body;
	char *why;
};

static int load_protected(lua_State *L)
{
	struct loading *ld = lua_touserdata(L, 1);
	struct script_engine *e = script_engine_of(L);
	bool ok;
	size_t len;

	lua_settop(L, 0);
	lua_rawgeti(L, LUA_REGISTRYINDEX, e->handler);
	char *fixed = script_source_fix(ld->body, &len, &ok);
	if (!ok)
		return luaL_error(L, "not enough memory");
	int status = luaL_loadbufferx(L, fixed != NULL ? fixed : ld->body.ptr, len, "@user_function", "t");
	free(fixed);
	if (status != LUA_OK) {
		snprintf(ld->why, SCRIPT_WHY_MAX, "ERR Error compiling function: %s", lua_tostring(L, -1));
		return 0;
	}
	/* Its globals: while it registers, hardly any; its functions then find what scripts find. */
	lua_rawgeti(L, LUA_REGISTRYINDEX, e->load_api);
	script_protect(L);
	lua_pushvalue(L, -1);
	lua_setupvalue(L, -3, 1);
	lua_insert(L, 2); /* handler, env, function */
	if (lua_pcall(L, 0, 0, 1) != LUA_OK) {
		lua_pushliteral(L, "err");
		const char *text = lua_istable(L, -2) && lua_rawget(L, -2) == LUA_TSTRING ? lua_tostring(L, -1)
											  : "ERR unknown error";
		snprintf(ld->why, SCRIPT_WHY_MAX, "ERR Error registering functions: %s", text);
		return 0;
	}
	script_env_switch(L, 2, e->function_globals);
	return 0;
}

/* Runs the library's text. false: `why` says what was wrong. */
static bool run_text(struct script_engine *e, struct script_library *lib, struct slice body, bool bounded, char *why)
{
	struct loading ld = {body, why};

	*why = '\0';
	e->loading = lib;
	e->ended = false;
	e->load_until_us = bounded ? now_us() + LOAD_US : INT64_MAX;
	script_engine_interrupt(e);
	lua_pushcfunction(e->L, load_protected);
	lua_pushlightuserdata(e->L, &ld);
	if (lua_pcall(e->L, 1, 0, 0) != LUA_OK) {
		snprintf(why, SCRIPT_WHY_MAX, "ERR Error registering functions: ERR %s", lua_tostring(e->L, -1));
		lua_pop(e->L, 1);
	}
	lua_sethook(e->L, NULL, 0, 0);
	e->loading = NULL;
	e->ended = false;
	__atomic_store_n(&e->asked, false, __ATOMIC_RELAXED);
	e->running = e->L;
	return *why == '\0';
}

/* Another library's function of the same name as one of lib's; `old` is going to be replaced. */
static const struct script_function *collision(const struct script_libraries *l, const struct script_library *lib,
					       const struct script_library *old)
{
	for (const struct script_function *f = lib->functions; f != NULL; f = f->next_of_library) {
		const struct script_function *other = script_function_find(l, name_of(f));
		if (other != NULL && other->library != old)
			return f;
	}
	return NULL;
}

static struct script_library *library_new(const char *name, struct slice text)
{
	struct script_library *lib = calloc(1, sizeof *lib);
	char *copy = malloc(text.len);

	if (lib == NULL || copy == NULL) {
		free(lib);
		free(copy);
		return NULL;
	}
	memcpy(copy, text.ptr, text.len);
	lib->text = (struct slice){copy, text.len};
	snprintf(lib->name, sizeof lib->name, "%s", name);
	return lib;
}

bool script_library_load(struct script_libraries *l, struct slice text, bool replace, bool bounded,
			 char name[SCRIPT_NAME_MAX], char why[SCRIPT_WHY_MAX])
{
	struct slice body;

	if (!script_meta_library(text, &body, name, why))
		return false;
	struct script_library *old = find(l, (struct slice){name, strlen(name)});
	if (old != NULL && !replace) {
		snprintf(why, SCRIPT_WHY_MAX, "ERR Library '%s' already exists", name);
		return false;
	}
	struct script_library *lib = library_new(name, text);
	if (lib == NULL) {
		snprintf(why, SCRIPT_WHY_MAX, "ERR not enough memory for this library");
		return false;
	}
	const struct script_function *twice = NULL;
	bool ok = run_text(l->engine, lib, body, bounded, why);
	if (ok && lib->functions == NULL) {
		snprintf(why, SCRIPT_WHY_MAX, "ERR No functions registered");
		ok = false;
	} else if (ok && (twice = collision(l, lib, old)) != NULL) {
		snprintf(why, SCRIPT_WHY_MAX, "ERR Function %.256s already exists", twice->code.name);
		ok = false;
	}
	if (!ok) {
		library_free(l->engine, lib);
		return false;
	}
	if (old != NULL) {
		link_out(l, old);
		library_free(l->engine, old);
	}
	link_in(l, lib);
	return true;
}

uint64_t script_libraries_count(const struct script_libraries *l)
{
	return __atomic_load_n(&l->nlibraries, __ATOMIC_RELAXED);
}

uint64_t script_functions_count(const struct script_libraries *l)
{
	return __atomic_load_n(&l->nfunctions, __ATOMIC_RELAXED);
}

uint64_t script_libraries_bytes(const struct script_libraries *l)
{
	return __atomic_load_n(&l->bytes, __ATOMIC_RELAXED);
}
