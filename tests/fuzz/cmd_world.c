#include "cmd_world.h"

#include <stdlib.h>
#include <string.h>

#define HEAP_BYTES ((size_t)64 << 20)
#define MSS        1460

static const struct client new_client = {.id = 7, .flags = CLIENT_F_AUTH | CLIENT_F_FREE, .last_cmd = -1};

void fz_cmds_open(struct fz_cmds *w, const char *name)
{
	fz_eal(name);
	cmd_table_init();
	w->heap = heap_create(&(struct heap_params){.name = "shard", .reserve_bytes = HEAP_BYTES}, NULL);
	w->own = heap_create(&(struct heap_params){.name = "own", .reserve_bytes = HEAP_BYTES}, NULL);
	w->bufs = rte_pktmbuf_pool_create("fuzz", 8191, 0, BUF_PRIV_BYTES, BUF_DATA_BYTES, 0);
	rp_assert(w->heap && w->own && w->bufs);
	struct store_params p = {.databases = 2, .hash_seed = 42, .index_initial = 64, .heap = w->heap};
	w->store = store_create(&p, NULL);
	rp_assert(w->store);
	pool_init(&w->client_texts, sizeof(struct client_text), 1);
	w->conf = (struct dp_conf){.databases = 2, .max_bulk = 1 << 20, .slowlog_us = -1};
	w->env = (struct cmd_env){.stores = &w->store,
				  .nstores = 1,
				  .slot_map = w->slot_map,
				  .conf = &w->conf,
				  .heap = w->own,
				  .now = &w->now,
				  .client_texts = &w->client_texts,
				  .stats = calloc(cmd_count, sizeof(struct cmd_stat))};
}

/* Small limits, so that a few members are many; or the usual ones. */
static struct type_limits type_limits(uint8_t choice)
{
	if (choice & 1)
		return (struct type_limits){-2, 512, 64, 512, 128, 64, 128, 64, 3000, 4096, 100};
	return (struct type_limits){choice & 2 ? 3 : -1, 4, 8, 4, 4, 8, 4, 8, 64, 128, 4};
}

void fz_cmds_begin(struct fz_cmds *w, uint8_t limits, uint8_t seed, uint8_t proto)
{
	w->conf.types = type_limits(limits);
	rng_init(&w->env.rng, seed);
	w->now = (struct clock_now){.mono_us = 1000000, .wall_us = FZ_NOW_US};
	store_set_now(w->store, FZ_NOW_US);
	w->client = new_client;
	w->client.proto = proto;
}

void fz_cmds_advance(struct fz_cmds *w, uint64_t us)
{
	w->now.mono_us += us;
	w->now.wall_us += (int64_t)us;
	store_set_now(w->store, w->now.wall_us);
	store_poll(w->store, 16);
}

static struct fz_answer gather(struct rte_mbuf *head, size_t bytes)
{
	struct fz_answer a = {.p = malloc(bytes + 1)};

	for (struct rte_mbuf *m = head; m != NULL; m = m->next) {
		struct buf_ref *ref = &buf_priv(m)->ref;
		const char *from = ref->blob != NULL ? ref->blob->data + ref->off : rte_pktmbuf_mtod(m, char *);
		size_t n = ref->blob != NULL ? ref->len : rte_pktmbuf_data_len(m);
		memcpy(a.p + a.len, from, n);
		a.len += n;
	}
	rp_assert(a.len == bytes);
	a.p[a.len] = '\0';
	return a;
}

/* True: it came to wait. */
static bool execute(struct fz_cmds *w, const struct cmd *cmd, uint32_t argc, struct slice *argv, struct reply *r)
{
	bool at_home = cmd->route == CMD_HOME || cmd->route == CMD_ALL;
	struct cmd_ctx c = {.cmd = cmd,
			    .argc = argc,
			    .argv = argv,
			    .out = r,
			    .env = &w->env,
			    .client = at_home ? &w->client : NULL,
			    .client_id = w->client.id,
			    .client_flags = w->client.flags,
			    .db = w->client.db,
			    .rng = &w->env.rng};
	cmd_run(&c);
	if (c.block.on)
		heap_free(w->own, c.block.words);
	return c.block.on;
}

struct fz_answer fz_cmds_run(struct fz_cmds *w, uint32_t argc, const struct slice *argv)
{
	struct slice *args = malloc(argc * sizeof *args);
	struct reply r;
	size_t bytes;
	bool waiting = false;

	memcpy(args, argv, argc * sizeof *argv);
	reply_init(&r, w->bufs, MSS, w->client.proto);
	const struct cmd *cmd = cmd_admit(&w->env, &w->client, argc, args, &r);
	if (cmd != NULL)
		waiting = execute(w, cmd, argc, args, &r);
	bool failed = r.failed;
	struct rte_mbuf *head = reply_take(&r, &bytes);
	struct fz_answer a = failed ? (struct fz_answer){.p = strdup("-failed"), .len = 7, .failed = true}
				    : gather(head, bytes);
	a.waiting = waiting;
	if (head != NULL)
		buf_chain_free(head, w->own);
	free(args);
	return a;
}

void fz_cmds_expect_clean(struct fz_cmds *w)
{
	struct heap_stats st;

	heap_stats_get(w->own, &st);
	rp_assert(st.blocks == 0);
	rp_assert(rte_mempool_in_use_count(w->bufs) == 0);
}
