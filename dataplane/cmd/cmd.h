/* Commands: one declarative table (cmd/table.def), the handlers, and what a handler may use.
 *
 * A handler runs on the thread that holds the shards it needs: it never waits, locks or looks at another thread's data.
 * It reads its arguments as slices, works on the stores, and writes exactly one reply to ctx->out.
 */
#pragma once

#include "base/hash.h"
#include "cmd/client.h"
#include "mem/pool.h"
#include "resp/parser.h"
#include "resp/reply.h"
#include "store/aggregate.h"
#include "store/evict.h"

/* Where a command runs. */
enum cmd_route {
	CMD_HOME,      /* on the client's own thread; touches no key */
	CMD_KEYS,      /* where its keys are: one shard (delegated if it is not ours), or under a lease of all shards
			  concerned */
	CMD_ALL,       /* at home under a lease of every shard */
	CMD_CURSOR,    /* SCAN: on the shard that the cursor names */
	CMD_CONTROL,   /* on the control thread; handler bound by ctrlplane through cmd_bind() */
	CMD_HOME_KEYS, /* at home, holding the shards of its keys: for what concerns both the client and keys (WATCH) */
	CMD_CHANNEL,   /* on the worker that owns the channel argv[1], see cmd_channel_owner(); touches no shard */
	CMD_SCRIPT,    /* on the script thread; handler bound like those of CMD_CONTROL */
};

/* Redis's command flags (COMMAND INFO prints them in this order). */
enum cmd_flag {
	CMD_F_WRITE = 1 << 0,
	CMD_F_READONLY = 1 << 1,
	CMD_F_DENYOOM = 1 << 2,
	CMD_F_ADMIN = 1 << 3,
	CMD_F_PUBSUB = 1 << 4,
	CMD_F_NOSCRIPT = 1 << 5,
	CMD_F_BLOCKING = 1 << 6,
	CMD_F_LOADING = 1 << 7,
	CMD_F_STALE = 1 << 8,
	CMD_F_SKIP_MONITOR = 1 << 9,
	CMD_F_SKIP_SLOWLOG = 1 << 10,
	CMD_F_ASKING = 1 << 11,
	CMD_F_FAST = 1 << 12,
	CMD_F_NO_AUTH = 1 << 13,
	CMD_F_MAY_REPLICATE = 1 << 14,
	CMD_F_NO_ASYNC_LOADING = 1 << 15,
	CMD_F_NO_MULTI = 1 << 16,
	CMD_F_MOVABLE_KEYS = 1 << 17,
	CMD_F_ALLOW_BUSY = 1 << 18,
	CMD_F_NO_MANDATORY_KEYS = 1 << 22,
	CMD_F_CONTAINER = 1 << 19, /* ours: has subcommands, no handler of its own */
	CMD_F_HIDDEN = 1 << 20,    /* ours: a routing row (DEBUG OBJECT); COMMAND does not show it */
	CMD_F_PROTECTED = 1 << 21, /* ours: only where enable-debug-command allows it */
};

/* ACL categories, in the order in which Redis prints them. */
enum cmd_cat {
	CAT_KEYSPACE = 1 << 0,
	CAT_READ = 1 << 1,
	CAT_WRITE = 1 << 2,
	CAT_SET = 1 << 3,
	CAT_SORTEDSET = 1 << 4,
	CAT_LIST = 1 << 5,
	CAT_HASH = 1 << 6,
	CAT_STRING = 1 << 7,
	CAT_BITMAP = 1 << 8,
	CAT_HYPERLOGLOG = 1 << 9,
	CAT_GEO = 1 << 10,
	CAT_STREAM = 1 << 11,
	CAT_PUBSUB = 1 << 12,
	CAT_ADMIN = 1 << 13,
	CAT_FAST = 1 << 14,
	CAT_SLOW = 1 << 15,
	CAT_BLOCKING = 1 << 16,
	CAT_DANGEROUS = 1 << 17,
	CAT_CONNECTION = 1 << 18,
	CAT_TRANSACTION = 1 << 19,
	CAT_SCRIPTING = 1 << 20,
};

struct cmd_ctx;
struct cmd;
typedef void (*cmd_fn)(struct cmd_ctx *c);
/* Writes up to cap argument indices of keys; returns how many there are, or -1 if the arguments make no sense (the
 * handler then says what). */
typedef int (*cmd_getkeys_fn)(const struct cmd *cmd, uint32_t argc, const struct slice *argv, uint32_t *idx,
			      uint32_t cap);
/* Does this request reach for keys that its words do not name, so that it must hold every shard? */
typedef bool (*cmd_wide_fn)(uint32_t argc, const struct slice *argv);

struct cmd {
	const char *name;                      /* lower case; subcommands "config|get" */
	int16_t id;                            /* position in the table */
	int16_t parent;                        /* container's id, or -1 */
	int16_t arity;                         /* as Redis: negative = at least */
	uint8_t route;                         /* enum cmd_route */
	int16_t key_first, key_last, key_step; /* legacy key range; all 0: no keys */
	uint8_t member;                        /* argument that names an element of the first key's value; 0: none */
	uint32_t flags;
	uint32_t acl;              /* categories beyond those that the flags imply */
	cmd_fn fn;                 /* NULL for containers and unbound control and script commands */
	cmd_getkeys_fn getkeys;    /* NULL: by the range above */
	cmd_wide_fn wide;          /* NULL: never */
	const struct cmd_doc *doc; /* the row's other columns: cmd/table.h */
};

struct acl_table;
struct acl_denial;
typedef void (*acl_denied_fn)(void *owner, const struct acl_denial *d);
struct acl_counts { /* the thread writes, anybody reads relaxed */
	uint64_t auth, cmd, key, channel;
};

/* Executing thread's surroundings: constant while it runs, one per thread. */
struct cmd_env {
	struct store **stores; /* all shards; only those held may be touched */
	uint32_t nstores;
	const uint16_t *slot_map; /* RP_SLOTS entries: slot -> shard */
	const struct dp_conf *conf;
	struct rng rng;
	struct heap *heap; /* this thread's own */
	const struct clock_now *now;
	struct cmd_stat *stats;          /* one per command id; this thread writes, control reads relaxed */
	void *owner;                     /* the worker or control thread: for handlers bound by them */
	struct pool *client_texts;       /* of struct client_text, one for each client: never exhausted */
	const struct acl_table *acl;     /* replaced between two commands when users change; NULL: none (tests) */
	struct acl_counts *acl_counts;   /* NULL: nobody counts */
	acl_denied_fn acl_denied;        /* puts a refusal into ACL LOG; gets `owner`; NULL: nobody does */
	void *host;                      /* what the functions below are given first */
	const struct pubsub_ops *pubsub; /* see cmd/pubsub.h; NULL on a thread without sessions */
	struct journal_clock *durable;   /* how far effects are on the disk */
	const struct tx_ops *tx;         /* see cmd/tx.h; likewise */
	void (*client_held)(const struct client *cl,
			    struct client_held *out); /* of a client at home; NULL: nobody knows */
};

enum cmd_allow { /* in the order of the directives' words */
	CMD_ALLOW_NO,
	CMD_ALLOW_YES,
	CMD_ALLOW_LOCAL /* clients with CLIENT_F_LOCAL */
};

struct output_limit { /* unsent bytes of one client; 0: none */
	uint64_t hard_bytes;
	uint64_t soft_bytes; /* for longer than soft_s */
	uint32_t soft_s;
};

/* Settings that the data path reads. Each thread has its own copy, replaced between two iterations by a message from
 * the control thread. */
struct dp_conf {
	uint32_t databases;
	uint64_t maxmemory;          /* bytes; 0 none */
	uint64_t max_bulk;           /* proto-max-bulk-len */
	uint64_t query_buffer_bytes; /* client-query-buffer-limit */
	struct output_limit output_normal, output_pubsub;
	uint32_t maxclients;
	int64_t slowlog_us;  /* slowlog-log-slower-than, -1 off */
	uint64_t latency_ms; /* latency-monitor-threshold, 0 off */
	uint32_t timeout_s;  /* idle clients; 0 never */
	uint32_t tcp_keepalive_s;
	uint32_t events;            /* notify-keyspace-events */
	uint64_t tracking_max_keys; /* tracking-table-max-keys, 0 none */
	bool lfu;
	uint32_t lfu_log_factor, lfu_decay_min;
	enum evict_policy evict;
	uint32_t evict_samples;
	struct type_limits types;
	uint32_t debug_command; /* enable-debug-command: enum cmd_allow */
	bool debug_scripts;     /* DEBUG SET-DISABLE-DENY-SCRIPTS */
	bool lazy_user_flush;
	uint32_t snapshot_slice_us, snapshot_share; /* share: percent, at least 1 */
	bool loading;                               /* nothing is answered that needs the keys */
	bool misconf;                               /* writes are refused: the last save failed */
	bool aof_on;                                /* effects go to an append-only file */
	bool aof_fails; /* writes are refused: they cannot be put there, for the reason in aof_why */
	char aof_why[192];
	int64_t pause_until_ms; /* CLIENT PAUSE: wall clock; 0 none */
	bool pause_all;         /* all commands, not only writes */
};

#define CMD_HIST_BUCKETS 40

struct cmd_stat {
	uint64_t calls, cycles, rejected, failed;
	uint64_t changes;                /* what they have changed, all together: what save points count */
	uint32_t hist[CMD_HIST_BUCKETS]; /* log2 buckets of nanoseconds: LATENCY HISTOGRAM */
};

/* What a command waits for that found nothing: cmd_block_on(). */
struct cmd_block {
	bool on;
	bool whole;         /* it needs all its keys when it runs again, not only those of the shard that has news */
	bool gone_too;      /* a key that goes or becomes something else is news as well */
	uint8_t type;       /* OBJ_*: what a key must be of to be news */
	uint32_t first, n;  /* arguments that are the keys waited for; n 0: for its time alone */
	int64_t timeout_ms; /* 0: for ever */
	uint64_t durable;   /* or until this round of the journal is synced; 0: does not matter. The command is given it
			     * again   when it is asked to answer after all */
	bool full_time;     /* that round alone is not enough */
	/* Would it find something now? Changes nothing, answers nothing. NULL: yes, if a key is of that type. */
	bool (*ready)(struct cmd_ctx *c);
	void *words; /* block of env->heap that holds arguments written anew; whoever takes up the wait frees it */
};

struct cmd_ctx {
	const struct cmd *cmd;
	uint32_t argc;
	struct slice *argv;
	struct reply *out;
	const struct cmd_env *env;
	struct client *client; /* only for CMD_HOME, CMD_HOME_KEYS and CMD_ALL commands, at home; NULL elsewhere */
	uint64_t client_id;
	uint32_t client_flags; /* copy */
	uint32_t db;
	struct resp_request *req; /* to take blobs from; may be NULL */
	struct rng *rng;
	struct tx *tx;   /* EXEC away from home: the transaction; NULL elsewhere */
	bool refused;    /* set by a handler that has not begun, for want of memory: it counts as rejected */
	bool deny_block; /* in a transaction or script: what would wait answers as if its time were over */
	uint64_t held;   /* a waiting command runs again on news: shards whose keys it may look at. 0: all its keys' */
	struct watcher *track; /* joins the keys that a reading command looks at; NULL: nobody caches them */
	/* results */
	uint32_t dirty;         /* changes made; 0: nothing to journal */
	bool effect_done;       /* the handler emitted its effect itself */
	uint64_t tsc;           /* before: it began then, 0: when cmd_run() is called; after: it ended then */
	uint64_t hold_us;       /* DEBUG SLEEP: keep the lease this long after the handler */
	struct cmd_block block; /* on: it wrote no reply, but waits */
};

/* ---- table ---- */
/* Boot, once, after rte_eal_init() and before any other call; read-only afterwards but for cmd_bind(). */
void cmd_table_init(void);
extern const uint32_t cmd_count;
const struct cmd *cmd_at(uint32_t id);
/* Command (and subcommand, if argv[0] is a container) of a request; NULL if unknown. Case-insensitive; perfect-hash or
 * better: this is on the path of every request. */
const struct cmd *cmd_lookup(uint32_t argc, const struct slice *argv);
/* By "name" or "name|sub". */
const struct cmd *cmd_find(struct slice full_name);
/* Boot only: gives a CMD_CONTROL or CMD_SCRIPT row its handler. Panics if there is no such row. */
void cmd_bind(const char *name, cmd_fn fn);
/* Checks that each row is complete; returns NULL or the name of the first that is not. Boot and tests. */
const char *cmd_table_check(void);

/* What dispatch must refuse before routing: unknown command/subcommand, arity, protected commands, NOAUTH, NOPERM.
 * Writes the error with Redis's text and returns NULL, else the command. */
const struct cmd *cmd_admit(const struct cmd_env *env, struct client *cl, uint32_t argc, const struct slice *argv,
			    struct reply *out);
/* May a command that was admitted, and has waited since, still run by the user's rights? Writes the error if not. */
bool cmd_recheck(const struct cmd_env *env, struct client *cl, const struct cmd *cmd, uint32_t argc,
		 const struct slice *argv, struct reply *out);
/* May a command that MULTI has queued still run, now that EXEC is at it? Writes the error if not. */
bool cmd_readmit(const struct cmd_env *env, struct client *cl, const struct cmd *cmd, uint32_t argc,
		 const struct slice *argv, struct reply *out);
/* Categories with those that flags imply; bits of enum cmd_cat. */
uint32_t cmd_categories(const struct cmd *cmd);
/* Bit of an ACL category, 0 if there is none of that name; the i-th category's name, NULL behind the last. */
uint32_t cmd_category(struct slice name);
const char *cmd_category_name(uint32_t i, uint32_t *bit);
/* Key positions of a request; see cmd_getkeys_fn. */
int cmd_getkeys(const struct cmd *cmd, uint32_t argc, const struct slice *argv, uint32_t *idx, uint32_t cap);
/* For the column `getkeys`: by the row's key specs, where some are counted or stand behind a word. */
int cmd_getkeys_by_specs(const struct cmd *cmd, uint32_t argc, const struct slice *argv, uint32_t *idx, uint32_t cap);
/* The shard that a CMD_CURSOR request goes to: 0 if its cursor makes no sense (the handler then says so). */
uint32_t cmd_cursor_shard(const struct cmd_env *env, uint32_t argc, const struct slice *argv);
/* Runs the handler with statistics; dirty -> journal. Returns the cycles it took. A command that comes to wait
 * (c->block.on) is counted when its wait ends: by running again, or by cmd_stat_add(). */
uint64_t cmd_run(struct cmd_ctx *c);
void cmd_stat_add(const struct cmd_env *env, const struct cmd *cmd, uint64_t cycles, bool failed);

/* Does the command take that many arguments? */
static inline bool cmd_arity_ok(const struct cmd *cmd, uint32_t argc)
{
	return cmd->arity >= 0 ? argc == (uint32_t)cmd->arity : argc >= (uint32_t)-cmd->arity;
}

/* ---- for handlers ---- */
static inline uint32_t cmd_shard_of(const struct cmd_env *env, struct slice key)
{
	return env->nstores == 1 ? 0 : env->slot_map[hash_slot(key)];
}
/* The worker that a channel belongs to. Those of keyspace events have one for all, so that what one command did is
 * heard in that order. */
static inline uint32_t cmd_channel_owner(const struct cmd_env *env, struct slice channel)
{
	if (channel.len > 11 && memcmp(channel.ptr, "__key", 5) == 0 &&
	    (memcmp(channel.ptr + 5, "space@", 6) == 0 || memcmp(channel.ptr + 5, "event@", 6) == 0))
		return 0;
	return cmd_shard_of(env, channel);
}
/* The store that holds this key. */
static inline struct store *cmd_store(const struct cmd_ctx *c, struct slice key)
{
	return c->env->stores[cmd_shard_of(c->env, key)];
}
static inline struct slice cmd_arg(const struct cmd_ctx *c, uint32_t i)
{
	return c->argv[i];
}
/* argument words: case-insensitive */
static inline bool cmd_arg_is(const struct cmd_ctx *c, uint32_t i, const char *word)
{
	return slice_is(c->argv[i], word);
}
/* Parses argument i; on failure writes Redis's error and returns false. */
bool cmd_arg_i64(struct cmd_ctx *c, uint32_t i, int64_t *out); /* "ERR value is not an integer or out of range" */
bool cmd_arg_i64_in(struct cmd_ctx *c, uint32_t i, int64_t lo, int64_t hi, int64_t *out, const char *err);
bool cmd_arg_double(struct cmd_ctx *c, uint32_t i, double *out); /* "ERR value is not a valid float" */

void cmd_err_syntax(struct cmd_ctx *c);    /* ERR syntax error */
void cmd_err_wrongtype(struct cmd_ctx *c); /* WRONGTYPE ... */
void cmd_err_oom(struct cmd_ctx *c);       /* our heap is exhausted: OOM ... */
void cmd_err_no_key(struct cmd_ctx *c);    /* ERR no such key */
void cmd_err_arity(struct cmd_ctx *c);     /* ERR wrong number of arguments for 'x' command */
/* store_read() for this client: store_look() if it said CLIENT NO-TOUCH. */
struct object *cmd_read(struct cmd_ctx *c, struct slice key);
/* Object if it is a string; *wrong set and the error written if it is another type. */
struct object *cmd_read_string(struct cmd_ctx *c, struct slice key, bool *wrong);
struct object *cmd_write_string(struct cmd_ctx *c, struct slice key, bool *wrong);

/* Time-outs as Redis reads them, in seconds with fractions or in milliseconds: *ms, 0 for ever. The error is written
 * otherwise. */
bool cmd_arg_timeout_s(struct cmd_ctx *c, uint32_t i, int64_t *ms);
bool cmd_arg_timeout_ms(struct cmd_ctx *c, uint32_t i, int64_t *ms);
/* Nothing there: b says what to wait for. false: it must not, and answers as one whose time is over (NULL array). */
bool cmd_block_on(struct cmd_ctx *c, const struct cmd_block *b);
/* May this request come to wait? Its session then takes no other before it is answered or waits. */
bool cmd_may_block(const struct cmd *cmd, uint32_t argc, const struct slice *argv);
/* May the handler look at this key? See cmd_ctx.held. */
static inline bool cmd_holds(const struct cmd_ctx *c, struct slice key)
{
	return c->held == 0 || (c->held >> cmd_shard_of(c->env, key) & 1) != 0;
}

/* Effect other than the command's own words, for the journal of `s` (see store/journal.h). May be called several times.
 */
void cmd_effect(struct cmd_ctx *c, struct store *s, uint32_t argc, const struct slice *argv);

/* Set once by boot: lets tests and HELLO/INFO print it. */
extern const char cmd_redis_version[]; /* "7.2.4": what clients sniff for features */
