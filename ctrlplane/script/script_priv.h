/* Between the files of the engine. */
#pragma once

#include "ctrlplane/script/script_engine.h"

#define SCRIPT_CALL_ARGS 64 /* arguments of one redis.call() without memory of its own */
#define SCRIPT_ERR_MAX   512

struct script_library;

struct script_engine {
	lua_State *running; /* must be first: __wrap_lua_resume() keeps it */
	lua_State *L;
	struct script_ops ops;
	size_t memory, memory_max; /* memory: this thread writes, anybody reads relaxed */
	struct lua_random random;
	/* registry references */
	int handler;                        /* of errors */
	int eval_globals, function_globals; /* what scripts and functions see: real tables */
	int eval_env, function_env;         /* what they get as _ENV */
	int load_api;                       /* what a library sees while it registers its functions: real table */
	int keys_name, args_name;           /* the strings */
	/* of the run under way */
	uint8_t resp;  /* redis.setresp() */
	bool function; /* a function's, not EVAL's */
	bool emitting; /* a reply that is half written ends, whatever little memory that takes */
	bool ended;    /* it must not go on: errors pass through every pcall() */
	bool asked;    /* atomic, the signal handler's: loops in C shall look whether it must end */
	enum script_end why;
	uint32_t runs;
	struct script_library *loading; /* redis.register_function() adds to it */
	int64_t load_until_us;
};

static inline struct script_engine *script_engine_of(lua_State *L)
{
	return *(struct script_engine **)lua_getextraspace(L);
}

/* ---- script_sandbox.c ---- */
/* Builds everything that scripts see. Runs protected; errors are out of memory. */
int script_sandbox_open(lua_State *L);
/* Replaces the table on top of the stack by one that reads from it and cannot be written. */
void script_protect(lua_State *L);
/* Is the value at `i` such a table? */
bool script_is_protected(lua_State *L, int i);
/* Raises the error that answers writing to one. */
int script_deny_write(lua_State *L);
/* Pushes the table that a protected one at `i` reads from. Never to be left to a script. */
void script_push_real(lua_State *L, int i);
/* From now on the protected table at `env` reads from another one. */
void script_env_switch(lua_State *L, int env, int globals_ref);

/* ---- script_base.c ---- */
/* Puts what differs from Lua's own into the table of globals on top. */
void script_base_open(lua_State *L);
/* The end of a script passes through the coroutine library on top as well. */
void script_patch_coroutine(lua_State *L);

/* ---- script_api.c ---- */
/* Pushes the table `redis`. */
void script_api_open(lua_State *L);
/* Pushes what a library finds as `redis` while it is being loaded. */
void script_load_api_open(lua_State *L);
/* Raises {err = text}. */
int script_raise(lua_State *L, const char *text);
void script_push_error(lua_State *L, struct slice text);
/* The field that says of an error table that its error was counted: where its command answered, and nowhere else. The
 * name is Redis's, for scripts see it. */
#define SCRIPT_ERROR_COUNTED "ignore_error_stats_update"

/* ---- script_engine.c ---- */
/* Raises the error of a script that must end (again, when somebody caught it). */
int script_raise_end(lua_State *L);
/* Ends the script for that reason: raises its error, which nobody can catch. */
int script_end_now(lua_State *L, enum script_end why);
/* The hook of a script, or of a library that is being loaded, that may have to end. */
void script_hook(lua_State *L, lua_Debug *ar);
void script_look_now(lua_State *L);
/* In whatever goes on in C for as long as a script's data says, where no instruction of Lua would look: must the script
 * end? Then this raises an error; memory must be the state's. */
static inline void script_look(lua_State *L)
{
	if (rp_unlikely(__atomic_load_n(&script_engine_of(L)->asked, __ATOMIC_RELAXED)))
		script_look_now(L);
}

/* ---- script_push.c ---- */
/* Pushes a reply as a Lua value. */
void script_push_reply(lua_State *L, struct slice reply);

/* ---- script_emit.c ---- */
/* The error of the table at that place of the stack, counted unless it was before. */
void script_emit_error(lua_State *L, int table, struct reply *out, struct slice text);
/* Writes the value on top as a reply, and pops it. script_resp: what redis.setresp() said. */
void script_emit_value(lua_State *L, struct reply *out, uint8_t script_resp);

/* ---- script_library.c ---- */
int script_register_function(lua_State *L);
/* Has the library that is being loaded taken too long? */
bool script_load_late(const struct script_engine *e);

/* ---- script_source.c ---- */
/* Lua 5.1 took "\q" for "q"; 5.4 refuses it. A copy without such backslashes, or NULL if there are none (then the text
 * is as it should be). malloc()ed; *ok false: out of memory. */
char *script_source_fix(struct slice text, size_t *len, bool *ok);
