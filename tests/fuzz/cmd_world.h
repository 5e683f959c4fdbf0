/* One store and one client without a server around them, for the targets that run commands. */
#pragma once

#include "cmd/cmd.h"
#include "fuzz.h"

#define FZ_NOW_US 1700000000000000

struct fz_cmds {
	struct cmd_env env;
	struct dp_conf conf;
	struct clock_now now;
	struct client client;
	struct pool client_texts;
	struct heap *heap, *own; /* the shard's; that of requests */
	struct store *store;
	struct rte_mempool *bufs;
	uint16_t slot_map[RP_SLOTS];
};

/* The bytes on the wire, with a NUL behind them; to be freed. */
struct fz_answer {
	char *p;
	size_t len;
	bool failed;  /* there were no buffers for it */
	bool waiting; /* it would block, and answered nothing */
};

void fz_cmds_open(struct fz_cmds *w, const char *name);
/* Before an input: the first byte chooses when small values become large ones. */
void fz_cmds_begin(struct fz_cmds *w, uint8_t limits, uint8_t seed, uint8_t proto);
/* What the session does with a request, but for routes: argv is copied. */
struct fz_answer fz_cmds_run(struct fz_cmds *w, uint32_t argc, const struct slice *argv);
/* Virtual time goes on, and what is due is done. */
void fz_cmds_advance(struct fz_cmds *w, uint64_t us);
/* Beside what the keys hold nothing is left. */
void fz_cmds_expect_clean(struct fz_cmds *w);
