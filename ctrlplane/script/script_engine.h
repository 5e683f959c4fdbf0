/* The script engine: Lua 5.4 that behaves as scripts for Redis expect. It knows one thing of the rest: "run this
 * command" (struct script_ops). One engine, one thread at a time.
 *
 *   script_engine_create()
 *     script_cache_get(), script_cache_add()      EVAL's scripts by SHA-1        (script_cache.h)
 *     script_library_load(), script_function_find()  functions                   (script_library.h)
 *     script_engine_run()                          runs either, writes one reply
 *   script_engine_destroy()
 *
 * A script sees tables that it can read only, no files, no bytecode, no clock; what it allocates is bounded by
 * `memory_max`. script_engine_interrupt(), from a signal handler of the engine's thread, makes the running script ask
 * ops.interrupted() whether it must end: with its next instruction, or where it is in C for long, there
 * (script_look()), and every 1000 instructions from then on.
 */
#pragma once

#include <lua.h>

#include "base/sha1.h"
#include "ctrlplane/script/lua_libs.h"
#include "resp/reply.h"

/* What a script says of itself behind `flags=`. */
enum script_flag {
	SCRIPT_NO_WRITES = 1 << 0,
	SCRIPT_ALLOW_OOM = 1 << 1,
	SCRIPT_ALLOW_STALE = 1 << 2,
	SCRIPT_NO_CLUSTER = 1 << 3,
	SCRIPT_ALLOW_CROSS_SLOT = 1 << 4,
	SCRIPT_COMPAT = 1 << 5, /* ours: an EVAL without a first line of flags, judged command by command */
};

enum script_repl { /* redis.set_repl() */
	SCRIPT_REPL_AOF = 1,
	SCRIPT_REPL_REPLICA = 2,
	SCRIPT_REPL_ALL = 3,
};

enum script_end { /* why ops.interrupted() ends a script */
	SCRIPT_GO_ON,
	SCRIPT_KILLED,       /* by SCRIPT KILL, FUNCTION KILL, SHUTDOWN */
	SCRIPT_TOO_LONG,     /* script-max-time */
	SCRIPT_LOAD_TIMEOUT, /* ours: of FUNCTION LOAD */
	SCRIPT_ANEW,         /* ours: ops.call() returned nothing */
};

struct script_engine;

struct script_ops {
	void *ctx;
	/* Runs a command and returns its reply as it is on the wire, RESP2 or RESP3, valid until the next call.
	 * `errors` of the command or of what forbids it are replies, too. ptr NULL: the script ends here, whatever it
	 * would do about it, and nobody will see its reply: it is to begin anew. */
	struct slice (*call)(void *ctx, uint32_t argc, const struct slice *argv, uint8_t proto);
	/* May the script's user run it? 1, 0, or -1 if there is no such command. */
	int (*acl_check)(void *ctx, uint32_t argc, const struct slice *argv);
	void (*set_repl)(void *ctx, uint32_t repl);
	void *watch_ctx; /* of the following */
	/* redis.log(); level as enum log_level. */
	void (*log)(void *ctx, int level, struct slice text);
	enum script_end (*interrupted)(void *ctx);
};

/* What runs: a cached script or a function. */
struct script_code {
	int ref;             /* of the Lua function in the registry */
	uint32_t flags;      /* enum script_flag */
	const char *name;    /* sha or function name: error texts */
	bool function;       /* gets keys and arguments as parameters, not as KEYS and ARGV */
	struct slice source; /* EVAL's: its text */
};

struct script_args {
	uint32_t nkeys, nargs;
	const struct slice *keys, *args;
};

/* NULL: out of memory. memory_max: bytes that Lua may have, 0 no bound. */
struct script_engine *script_engine_create(const struct script_ops *ops, size_t memory_max);
void script_engine_destroy(struct script_engine *e);
void script_engine_set_memory_max(struct script_engine *e, size_t bytes);
size_t script_engine_memory(const struct script_engine *e); /* any thread: a snapshot */
/* Runs it to its end and writes one reply. */
void script_engine_run(struct script_engine *e, const struct script_code *code, const struct script_args *args,
		       struct reply *out);
/* A bounded slice of garbage collection between scripts. */
void script_engine_collect(struct script_engine *e);
/* Async-signal-safe, on the engine's thread. */
void script_engine_interrupt(struct script_engine *e);
