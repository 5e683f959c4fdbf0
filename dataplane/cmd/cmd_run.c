/* Admission before routing, and execution with its statistics and journal. */
#include <rte_cycles.h>

#include "cmd/acl_denial.h"
#include "cmd/handlers.h"
#include "cmd/table.h"
#include "cmd/tracking.h"

#define UNKNOWN_ARGS_MAX 128 /* bytes of arguments that an error repeats */

static void refuse_unknown(uint32_t argc, const struct slice *argv, struct reply *out)
{
	char args[UNKNOWN_ARGS_MAX * 2 + 8];
	size_t n = 0;

	for (uint32_t i = 1; i < argc && n < UNKNOWN_ARGS_MAX; i++) {
		size_t len = strnlen(argv[i].ptr, RP_MIN(argv[i].len, UNKNOWN_ARGS_MAX - n)); /* up to a NUL */
		args[n++] = '\'';
		memcpy(args + n, argv[i].ptr, len);
		n += len;
		args[n++] = '\'';
		args[n++] = ' ';
	}
	reply_errorf(out, "ERR unknown command '%.*s', with args beginning with: %.*s",
		     (int)RP_MIN(argv[0].len, UNKNOWN_ARGS_MAX), argv[0].ptr, (int)n, args);
}

/* The container's name as HELP is asked for it. */
static void upper_name(const struct cmd *cmd, char *buf, size_t cap)
{
	size_t i = 0;

	for (; cmd->name[i] && i + 1 < cap; i++)
		buf[i] = cmd->name[i] >= 'a' && cmd->name[i] <= 'z' ? (char)(cmd->name[i] - 0x20) : cmd->name[i];
	buf[i] = '\0';
}

/* A container of hidden rows is an ordinary command to Redis, which says so. */
static void refuse_sub(const struct cmd *parent, bool hidden, struct slice word, struct reply *out)
{
	char name[32];

	upper_name(parent, name, sizeof name);
	reply_errorf(out, "ERR unknown subcommand%s '%.*s'. Try %s HELP.",
		     hidden ? " or wrong number of arguments for" : "", (int)RP_MIN(word.len, 128u), word.ptr, name);
}

static void refuse_arity(const struct cmd *cmd, uint32_t argc, const struct slice *argv, struct reply *out)
{
	if (cmd->flags & CMD_F_HIDDEN && cmd->parent >= 0 && argc > 1)
		refuse_sub(cmd_at((uint32_t)cmd->parent), true, argv[1], out);
	else
		reply_errorf(out, "ERR wrong number of arguments for '%s' command", cmd->name);
}

/* Redis says DEBUG, whatever its subcommand. */
static bool refuse_protected(const struct cmd_env *env, const struct client *cl, struct reply *out)
{
	uint32_t allow = env->conf->debug_command;

	if (allow == CMD_ALLOW_YES || (allow == CMD_ALLOW_LOCAL && cl->flags & CLIENT_F_LOCAL))
		return false;
	reply_error(out,
		    "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can "
		    "run it from a local connection, otherwise you need to set this option in the configuration "
		    "file, and then restart the server.");
	return true;
}

/* By the user's rights. */
static bool refuse_user(const struct cmd_env *env, struct client *cl, const struct cmd *cmd, uint32_t argc,
			const struct slice *argv, struct reply *out)
{
	char text[ACL_TEXT_MAX];
	uint32_t arg;
	enum acl_verdict v = acl_check_client(cl, cmd, argc, argv, &arg);

	if (v == ACL_OK)
		return false;
	acl_report(env, cl, v, client_in_multi(cl) ? ACL_IN_MULTI : ACL_IN_TOPLEVEL, cmd, argv[arg]);
	reply_errorf(out, "NOPERM %s", acl_refusal(v, cl->user, cmd, argv[arg], false, text));
	return true;
}

bool cmd_recheck(const struct cmd_env *env, struct client *cl, const struct cmd *cmd, uint32_t argc,
		 const struct slice *argv, struct reply *out)
{
	return (cl->flags & CLIENT_F_FREE) || !refuse_user(env, cl, cmd, argc, argv, out);
}

bool cmd_readmit(const struct cmd_env *env, struct client *cl, const struct cmd *cmd, uint32_t argc,
		 const struct slice *argv, struct reply *out)
{
	char text[ACL_TEXT_MAX];
	uint32_t arg;
	enum acl_verdict v = cl->flags & CLIENT_F_FREE ? ACL_OK : acl_check_client(cl, cmd, argc, argv, &arg);

	if (rp_likely(v == ACL_OK))
		return true;
	acl_report(env, cl, v, ACL_IN_MULTI, cmd, argv[arg]);
	reply_error(out, acl_refusal_exec(v, text));
	return false;
}

/* In RESP2 a subscribed client could not tell other replies from messages. */
static bool fits_among_messages(const struct cmd *cmd)
{
	bool subscribes = (cmd->flags & CMD_F_PUBSUB) && cmd->route == CMD_HOME;

	return subscribes || cmd->fn == cmd_ping || cmd->fn == cmd_quit || cmd->fn == cmd_reset;
}

const struct cmd *cmd_admit(const struct cmd_env *env, struct client *cl, uint32_t argc, const struct slice *argv,
			    struct reply *out)
{
	const struct cmd *cmd = cmd_lookup(argc, argv);

	if (rp_unlikely(cmd == NULL)) {
		const struct cmd *parent = cmd_lookup(1, argv);
		if (parent == NULL)
			refuse_unknown(argc, argv, out);
		else
			refuse_sub(parent, cmd_sub_next(parent, NULL)->flags & CMD_F_HIDDEN, argv[1], out);
		return NULL;
	}
	if (rp_unlikely(!cmd_arity_ok(cmd, argc))) {
		refuse_arity(cmd, argc, argv, out);
		return NULL;
	}
	if (rp_unlikely(cmd->flags & CMD_F_PROTECTED) && refuse_protected(env, cl, out))
		return NULL;
	if (rp_unlikely(!(cl->flags & CLIENT_F_AUTH) && !(cmd->flags & CMD_F_NO_AUTH))) {
		reply_error(out, "NOAUTH Authentication required.");
		return NULL;
	}
	if (rp_unlikely(!(cl->flags & CLIENT_F_FREE)) && refuse_user(env, cl, cmd, argc, argv, out))
		return NULL;
	if (rp_unlikely(cl->flags & CLIENT_F_MONITOR) &&
	    cmd->flags & (CMD_F_READONLY | CMD_F_WRITE | CMD_F_MAY_REPLICATE)) {
		reply_error(out, "ERR Replica can't interact with the keyspace");
		return NULL;
	}
	if (rp_unlikely((cl->flags & CLIENT_F_PUBSUB) && cl->proto == 2 && !fits_among_messages(cmd))) {
		reply_errorf(out,
			     "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are "
			     "allowed in this context",
			     cmd->name);
		return NULL;
	}
	return cmd;
}

/* The journal of the first key's shard gets the command's own words. */
static void journal_words(struct cmd_ctx *c)
{
	uint32_t first;
	struct store *s = c->env->stores[0];

	if (c->cmd->key_first > 0)
		s = cmd_store(c, c->argv[c->cmd->key_first]);
	else if (cmd_getkeys(c->cmd, c->argc, c->argv, &first, 1) > 0)
		s = cmd_store(c, c->argv[first]);
	journal_emit(store_journal(s), c->db, c->argc, c->argv);
}

/* Set once at boot by cmd_run_init(), constant afterwards. */
static uint64_t ns_per_cycle = 1ull << 32; /* in parts of 2^-32 */

void cmd_run_init(void)
{
	uint64_t hz = rte_get_tsc_hz();

	if (hz != 0)
		ns_per_cycle = (uint64_t)(1e9 / (double)hz * 0x1p32);
}

static inline uint32_t hist_bucket(uint64_t cycles)
{
	uint64_t ns = (uint64_t)((unsigned __int128)cycles * ns_per_cycle >> 32) | 1;

	return RP_MIN(63u - (uint32_t)__builtin_clzll(ns), CMD_HIST_BUCKETS - 1u);
}

void cmd_stat_add(const struct cmd_env *env, const struct cmd *cmd, uint64_t cycles, bool failed)
{
	struct cmd_stat *st = &env->stats[cmd->id];

	st->calls++;
	st->cycles += cycles;
	st->hist[hist_bucket(cycles)]++;
	if (rp_unlikely(failed))
		st->failed++;
}

/* ---- CLIENT NO-TOUCH ---- */

#define UNTOUCHED_INLINE 16

struct untouched {
	uint32_t arg, clock;
};

static struct object *key_held(const struct cmd_ctx *c, uint32_t arg)
{
	struct slice key = c->argv[arg];

	return cmd_holds(c, key) ? store_peek(cmd_store(c, key), c->db, key) : NULL;
}

/* The keys that there are, with their clocks, as many as fit. */
static uint32_t note_clocks(const struct cmd_ctx *c, struct untouched *at, uint32_t *idx, uint32_t cap)
{
	int n = cmd_getkeys(c->cmd, c->argc, c->argv, idx, cap);
	uint32_t known = 0;

	for (int i = 0; i < RP_MIN(n, (int)cap); i++) {
		const struct object *o = key_held(c, idx[i]);
		if (o != NULL)
			at[known++] = (struct untouched){.arg = idx[i], .clock = o->clock};
	}
	return known;
}

/* For a client that does not touch: what changes a key leaves it the clock that it had (what reads it looks without a
 * trace, cmd_read()). Without memory to remember those of a request with very many keys, they are touched. */
static void run_untouched(struct cmd_ctx *c)
{
	struct untouched few[UNTOUCHED_INLINE], *at = few;
	uint32_t idx_few[UNTOUCHED_INLINE], *idx = idx_few, cap = UNTOUCHED_INLINE, n;

	if (c->argc > UNTOUCHED_INLINE) {
		void *more = heap_alloc(c->env->heap, c->argc * (sizeof *at + sizeof *idx));
		if (more != NULL) {
			at = more;
			idx = (uint32_t *)(at + c->argc);
			cap = c->argc;
		}
	}
	n = note_clocks(c, at, idx, cap);
	c->cmd->fn(c);
	for (uint32_t i = 0; i < n; i++) {
		struct object *o = key_held(c, at[i].arg);
		if (o != NULL)
			o->clock = at[i].clock;
	}
	if (at != few)
		heap_free(c->env->heap, at);
}

/* TOUCH is there to touch, RESTORE says itself when its key was used, and the others put another key in its place. */
static bool leaves_clocks(const struct cmd_ctx *c)
{
	cmd_fn fn = c->cmd->fn;

	return (c->cmd->route == CMD_KEYS || c->cmd->route == CMD_HOME_KEYS) && fn != cmd_touch && fn != cmd_restore &&
	       fn != cmd_rename && fn != cmd_renamenx && fn != cmd_copy;
}

uint64_t cmd_run(struct cmd_ctx *c)
{
	if (rp_unlikely(c->cmd->fn == NULL)) {
		c->env->stats[c->cmd->id].rejected++;
		reply_errorf(c->out, "ERR '%s' is not available here", c->cmd->name);
		return 0;
	}
	c->out->error = false;
	uint64_t begin = c->tsc != 0 ? c->tsc : rte_rdtsc();
	c->tsc = begin;
	if (rp_unlikely(c->client_flags & CLIENT_F_NO_TOUCH) && leaves_clocks(c))
		run_untouched(c);
	else
		c->cmd->fn(c);
	if (rp_unlikely(c->track != NULL) && (c->cmd->flags & CMD_F_READONLY))
		cmd_track_keys(c);
	if (c->dirty) {
		c->env->stats[c->cmd->id].changes += c->dirty;
		if (!c->effect_done && c->env->nstores)
			journal_words(c);
	}
	if (rp_likely(c->tsc == begin)) /* else it ended with a command of its own */
		c->tsc = rte_rdtsc();
	uint64_t cycles = c->tsc - begin;

	if (rp_unlikely(c->out->error) && c->refused)
		c->env->stats[c->cmd->id].rejected++;
	else if (rp_likely(!c->block.on))
		cmd_stat_add(c->env, c->cmd, cycles, c->out->error);
	return cycles;
}

void cmd_effect(struct cmd_ctx *c, struct store *s, uint32_t argc, const struct slice *argv)
{
	journal_emit(store_journal(s), c->db, argc, argv);
	c->effect_done = true;
}
