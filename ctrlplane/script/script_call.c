/* See script_call.h. */
#include "ctrlplane/script/script_call.h"

#include "base/clock.h"
#include "cmd/acl_denial.h"

#include <stdio.h>
#include <stdlib.h>

#define KEYS_INLINE   64
#define ERROR_CHARS   512
#define GATHERED_KEPT ((size_t)4 << 20) /* of the memory for replies, after a script */

struct script_call {
	struct script_call_params p;
	uint64_t all_shards;
	struct client client; /* of the run: SELECT changes its database, no other's */
	struct script_run *run;
	bool oom;
	struct rte_mbuf *scratch; /* replies are built in it again and again */
	char *gathered;           /* a reply that did not fit */
	size_t gathered_cap;
	char error[ERROR_CHARS], denied[ERROR_CHARS - 8];
	bool unjournaled;                                                /* redis.set_repl(redis.REPL_NONE) */
	__typeof__(((struct journal *)NULL)->emit) emit[RP_MAX_WORKERS]; /* of the journals, meanwhile */
};

struct script_call *script_call_create(const struct script_call_params *p)
{
	struct script_call *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	c->p = *p;
	c->all_shards = p->env->nstores == 64 ? ~0ull : (1ull << p->env->nstores) - 1;
	c->scratch = buf_alloc(p->mbufs);
	if (c->scratch == NULL) {
		free(c);
		return NULL;
	}
	return c;
}

void script_call_destroy(struct script_call *c)
{
	if (c == NULL)
		return;
	rte_pktmbuf_free_seg(c->scratch);
	free(c->gathered);
	free(c);
}

void script_call_begin(struct script_call *c, struct script_run *run, bool oom)
{
	c->run = run;
	c->oom = oom;
	c->client = (struct client){
		.id = run->client_id, .flags = run->client_flags, .user = run->user, .db = run->db, .proto = 2};
}

/* There is one stream for the append-only file and for replicas: only what neither shall see stays out of it. */
static void journal_off(struct script_call *c, bool off)
{
	if (off == c->unjournaled)
		return;
	c->unjournaled = off;
	for (uint64_t rest = c->run->held; rest != 0; rest &= rest - 1) {
		uint32_t shard = (uint32_t)__builtin_ctzll(rest);
		struct journal *j = store_journal(c->p.env->stores[shard]);
		if (j == NULL)
			continue;
		if (off)
			c->emit[shard] = j->emit;
		j->emit = off ? NULL : c->emit[shard];
	}
}

void script_call_set_repl(void *ctx, uint32_t repl)
{
	journal_off(ctx, repl == 0);
}

void script_call_end(struct script_call *c)
{
	journal_off(c, false);
	c->run = NULL;
	if (rp_unlikely(c->gathered_cap > GATHERED_KEPT)) {
		free(c->gathered);
		c->gathered = NULL;
		c->gathered_cap = 0;
	}
}

/* ---- what may run ---- */

static struct slice failure(struct script_call *c, const char *text)
{
	int n = snprintf(c->error, sizeof c->error, "-%s\r\n", text);

	return (struct slice){c->error, (size_t)n};
}

/* What has not run: no reply has counted it. */
static struct slice refuse(struct script_call *c, const char *text)
{
	if (c->p.errors != NULL)
		error_stats_count(c->p.errors, (struct slice){text, strlen(text)});
	return failure(c, text);
}

/* Why the script's user may not run it; NULL: he may. */
static const char *not_permitted(struct script_call *c, const struct cmd *cmd, uint32_t argc, const struct slice *argv)
{
	uint32_t arg;
	enum acl_verdict v = acl_check_client(&c->client, cmd, argc, argv, &arg);
	char why[ACL_TEXT_MAX];

	if (v == ACL_OK)
		return NULL;
	acl_report(c->p.env, &c->client, v, ACL_IN_LUA, cmd, argv[arg]);
	c->run->acted = true;
	snprintf(c->denied, sizeof c->denied, "ERR ACL failure in script: %s",
		 acl_refusal(v, c->run->user, cmd, argv[arg], false, why));
	return c->denied;
}

/* Returns why the command must not run, or NULL. */
static const char *forbidden(struct script_call *c, const struct cmd *cmd, uint32_t argc, const struct slice *argv)
{
	struct script_run *run = c->run;

	if (!cmd_arity_ok(cmd, argc) || ((cmd->flags & CMD_F_CONTAINER) && cmd->fn == NULL))
		return "ERR Wrong number of args calling Redis command from script";
	bool debugs = cmd->flags & CMD_F_PROTECTED && cmd->route == CMD_HOME && c->p.env->conf->debug_scripts;
	if (cmd->flags & CMD_F_NOSCRIPT && !debugs)
		return "ERR This Redis command is not allowed from script";
	const char *why = run->user != NULL ? not_permitted(c, cmd, argc, argv) : NULL;
	if (rp_unlikely(why != NULL))
		return why;
	if ((run->read_only || run->code->flags & SCRIPT_NO_WRITES) && cmd->flags & (CMD_F_WRITE | CMD_F_MAY_REPLICATE))
		return "ERR Write commands are not allowed from read-only scripts.";
	if (rp_unlikely(run->no_writes != NULL) && cmd->flags & CMD_F_WRITE && !run->wrote)
		return run->no_writes;
	if (rp_unlikely(c->oom) && cmd->flags & CMD_F_DENYOOM && !run->wrote && !(run->code->flags & SCRIPT_ALLOW_OOM))
		return "OOM command not allowed when used memory > 'maxmemory'.";
	return NULL;
}

/* ---- keys ---- */

static bool declared(const struct script_args *a, struct slice key)
{
	for (uint32_t i = 0; i < a->nkeys; i++)
		if (slice_eq(a->keys[i], key))
			return true;
	return false;
}

static struct slice refuse_key(struct script_call *c, struct slice key)
{
	char text[ERROR_CHARS - 8];

	snprintf(text, sizeof text,
		 "ERR Script reached for key '%.*s', which lies on a shard that it has not leased: name it among KEYS, "
		 "give "
		 "it the {tag} of one of them, or set script-lease to auto or all",
		 (int)RP_MIN(key.len, (size_t)128), key.ptr);
	for (char *t = text; *t != '\0'; t++)
		if (*t == '\r' || *t == '\n')
			*t = ' ';
	return refuse(c, text);
}

/* Until it has done something a script that reaches for a shard without holding it was not there at all; afterwards
 * its command fails. */
static struct slice leave_lease(struct script_call *c, struct slice key)
{
	c->run->out_of_lease = true;
	if (c->run->acted || !c->run->may_restart)
		return refuse_key(c, key);
	c->run->restart = true;
	return (struct slice){NULL, 0};
}

static bool key_held(struct script_call *c, struct slice key)
{
	if (!c->run->undeclared && !declared(c->run->args, key))
		c->run->undeclared = true;
	return c->run->held >> cmd_shard_of(c->p.env, key) & 1;
}

/* The first key that lies on a shard which is not held; false: all are. */
static bool find_foreign(struct script_call *c, const struct cmd *cmd, uint32_t argc, const struct slice *argv,
			 struct slice *key)
{
	uint32_t inline_idx[KEYS_INLINE], *idx = inline_idx;
	int n = cmd_getkeys(cmd, argc, argv, idx, KEYS_INLINE);
	bool found = false;

	if (n > KEYS_INLINE) {
		idx = malloc((size_t)n * sizeof *idx);
		if (idx == NULL) {
			*key = argv[inline_idx[0]];
			return true;
		}
		n = cmd_getkeys(cmd, argc, argv, idx, (uint32_t)n);
	}
	for (int i = 0; i < n && !found; i++) {
		*key = argv[idx[i]];
		found = !key_held(c, *key);
	}
	if (idx != inline_idx)
		free(idx);
	return found;
}

/* Everything that the command will touch is held. false: *key names what is not. */
static bool shards_held(struct script_call *c, const struct cmd *cmd, uint32_t argc, const struct slice *argv,
			struct slice *key)
{
	*key = argv[argc > 1];
	switch ((enum cmd_route)cmd->route) {
	case CMD_KEYS:
	case CMD_HOME_KEYS:
		if (cmd->wide != NULL && cmd->wide(argc, argv)) {
			c->run->undeclared = true;
			return c->run->held == c->all_shards;
		}
		if (rp_likely(cmd->getkeys == NULL && cmd->key_first == 1 && cmd->key_last == 1))
			return key_held(c, *key);
		return !find_foreign(c, cmd, argc, argv, key);
	case CMD_ALL:
		c->run->undeclared = true;
		return c->run->held == c->all_shards;
	case CMD_CURSOR:
		c->run->undeclared = true;
		return c->run->held >> cmd_cursor_shard(c->p.env, argc, argv) & 1;
	default:
		return true;
	}
}

/* ---- running ---- */

/* The chain as one piece; it is freed but for the scratch buffer. */
static struct slice gather(struct script_call *c, struct rte_mbuf *head, size_t bytes)
{
	if (rp_likely(head->next == NULL && head->data_len > 0))
		return (struct slice){rte_pktmbuf_mtod(head, char *), bytes};
	if (bytes > c->gathered_cap) {
		char *p = realloc(c->gathered, bytes);
		if (p == NULL) {
			buf_chain_free(head->next, c->p.env->heap);
			head->next = NULL;
			return failure(c, "OOM not enough memory for the reply in the script");
		}
		c->gathered = p;
		c->gathered_cap = bytes;
	}
	size_t at = 0;
	for (struct rte_mbuf *m = head; m != NULL; m = m->next) {
		const struct buf_ref *ref = &buf_priv(m)->ref;
		size_t n = ref->blob != NULL ? ref->len : m->data_len;
		memcpy(c->gathered + at, ref->blob != NULL ? ref->blob->data + ref->off : rte_pktmbuf_mtod(m, char *),
		       n);
		at += n;
	}
	buf_chain_free(head->next, c->p.env->heap);
	head->next = NULL;
	return (struct slice){c->gathered, at};
}

static bool runs_elsewhere(const struct cmd *cmd)
{
	return cmd->route == CMD_CONTROL || cmd->route == CMD_CHANNEL || cmd->route == CMD_SCRIPT;
}

static struct slice execute(struct script_call *c, const struct cmd *cmd, uint32_t argc, const struct slice *argv,
			    uint8_t proto)
{
	struct reply r;

	c->client.proto = proto;
	c->scratch->data_len = 0;
	reply_init_in(&r, c->scratch, c->p.mbufs, proto);
	r.errors = c->p.errors;
	if (c->run->reply_bufs != 0)
		r.bufs_left = c->run->reply_bufs;
	struct cmd_ctx ctx = {.cmd = cmd,
			      .argc = argc,
			      .argv = (struct slice *)argv,
			      .out = &r,
			      .env = c->p.env,
			      .client = &c->client,
			      .client_id = c->client.id,
			      .client_flags = c->client.flags,
			      .db = c->client.db,
			      .rng = &c->p.env->rng,
			      .track = c->run->track,
			      .deny_block = true};
	bool after = cmd->route == CMD_HOME; /* SELECT: as it is from then on */
	if (c->p.seen != NULL && !after)
		c->p.seen(c->p.ctx, &ctx);
	uint64_t cycles;
	if (rp_unlikely(runs_elsewhere(cmd)) && c->p.remote != NULL) {
		uint64_t began = clock_tsc();
		c->p.remote(c->p.ctx, &ctx);
		cycles = clock_tsc() - began;
	} else {
		cycles = cmd_run(&ctx);
	}
	if (rp_unlikely(cycles >= c->run->slow_cycles) && c->p.slow != NULL)
		c->p.slow(c->p.ctx, &ctx, cycles);
	ctx.db = c->client.db;
	if (c->p.seen != NULL && after)
		c->p.seen(c->p.ctx, &ctx);
	bool failed = r.failed;
	size_t bytes;
	struct rte_mbuf *head = reply_take(&r, &bytes);
	if (rp_unlikely(failed)) {
		buf_chain_free(head->next, c->p.env->heap);
		head->next = NULL;
		return failure(c, "OOM no packet buffers left for the reply in the script");
	}
	if (rp_unlikely(bytes == 0))
		return refuse(c, "ERR This Redis command is not allowed from script");
	return gather(c, head, bytes);
}

struct slice script_call_run(void *ctx, uint32_t argc, const struct slice *argv, uint8_t proto)
{
	struct script_call *c = ctx;
	const struct cmd *cmd = cmd_lookup(argc, argv);
	struct slice key;

	if (rp_unlikely(cmd == NULL))
		return refuse(c, cmd_lookup(1, argv) != NULL && argc == 1
					 ? "ERR Wrong number of args calling Redis command from script"
					 : "ERR Unknown Redis command called from script");
	const char *why = forbidden(c, cmd, argc, argv);
	if (rp_unlikely(why != NULL)) {
		c->p.env->stats[cmd->id].rejected++;
		return refuse(c, why);
	}
	if (rp_unlikely(c->p.env->nstores > 1) && !shards_held(c, cmd, argc, argv, &key))
		return leave_lease(c, key);
	if (cmd->flags & CMD_F_WRITE)
		c->run->wrote = true;
	/* Who hears of what it says outside the stores must not hear it twice. */
	c->run->acted |= (cmd->flags & CMD_F_WRITE) != 0 || cmd->route == CMD_CHANNEL;
	c->run->tells_all |= cmd->route == CMD_ALL || cmd->route == CMD_CURSOR || cmd->wide != NULL;
	return execute(c, cmd, argc, argv, proto);
}

int script_call_acl_check(void *ctx, uint32_t argc, const struct slice *argv)
{
	struct script_call *c = ctx;
	const struct cmd *cmd = cmd_lookup(argc, argv);
	uint32_t arg;

	if (cmd == NULL)
		return -1;
	return acl_check(c->run->user, cmd, argc, argv, &arg) == ACL_OK;
}
