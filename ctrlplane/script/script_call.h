/* redis.call() on shards that the script's thread holds: what may run, on which keys, and its reply as bytes. */
#pragma once

#include "cmd/cmd.h"
#include "ctrlplane/script/script_engine.h"

struct script_call;

/* What a command needs that has to run on another thread (PUBLISH, INFO): the reply goes to `out`. */
typedef void (*script_remote_fn)(void *ctx, struct cmd_ctx *c);
/* Somebody may want to see it: h->monitored. */
typedef void (*script_seen_fn)(void *ctx, const struct cmd_ctx *c);
/* A command took at least run->slow_cycles. */
typedef void (*script_slow_fn)(void *ctx, const struct cmd_ctx *c, uint64_t cycles);
/* Is there room for a command that may need memory? */
typedef bool (*script_room_fn)(void *ctx);

struct script_call_params {
	struct cmd_env *env;
	struct rte_mempool *mbufs;
	struct error_stats *errors; /* counts what its commands answer; NULL: nobody does */
	void *ctx;
	script_seen_fn seen;     /* NULL: nobody */
	script_remote_fn remote; /* NULL: such commands are not available */
	script_room_fn room;     /* NULL: always */
	script_slow_fn slow;     /* NULL: nobody wants to know */
};

/* One run of a script, filled in by its caller. */
struct script_run {
	const struct script_code *code;
	const struct script_args *args;
	bool read_only; /* EVAL_RO, FCALL_RO */
	uint64_t held;  /* shards */
	uint32_t db;
	uint64_t client_id;
	const struct acl_user *user; /* whose commands these are; NULL: may do everything */
	uint32_t client_flags;
	uint64_t slow_cycles;  /* commands that take as long are told */
	uint32_t reply_bufs;   /* packet buffers that a reply of a command may take; 0: no bound */
	const char *no_writes; /* why nothing may be written now; NULL: it may */
	struct watcher *track; /* joins the keys that it reads; NULL: nobody caches them */
	bool may_restart;      /* there are more shards than it has: it may begin anew with them */
	/* results */
	bool wrote;
	bool acted;        /* something outside the script has happened that a second run would repeat */
	bool restart;      /* it was ended, to begin anew */
	bool tells_all;    /* a command looked at keys without naming them */
	bool undeclared;   /* it used a key that is not among its KEYS */
	bool out_of_lease; /* it reached for a key on a shard that is not held */
};

/* NULL: out of memory. */
struct script_call *script_call_create(const struct script_call_params *p);
void script_call_destroy(struct script_call *c);
/* Before and after each script. oom: memory was short when it began. */
void script_call_begin(struct script_call *c, struct script_run *run, bool oom);
void script_call_end(struct script_call *c);
/* struct script_ops.call, .acl_check and .set_repl; ctx: struct script_call *. */
struct slice script_call_run(void *ctx, uint32_t argc, const struct slice *argv, uint8_t proto);
int script_call_acl_check(void *ctx, uint32_t argc, const struct slice *argv);
void script_call_set_repl(void *ctx, uint32_t repl);
