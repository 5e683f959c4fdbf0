/* See cmd_ahead.h. */
#include "cmd/cmd_ahead.h"

/* Looks up those keys of the chunk that live in `s`. */
static void look_up(struct cmd_ahead *a, const struct cmd_ctx *c, struct store *s, uint32_t n)
{
	struct slice key[CMD_AHEAD];
	uint64_t hash[CMD_AHEAD];
	uint32_t db[CMD_AHEAD], at[CMD_AHEAD], k = 0;
	struct object *hint[CMD_AHEAD];
	uint64_t epoch = store_epoch(s);
	for (uint32_t i = 0; i < n; i++) {
		if (a->store[i] != s)
			continue;
		key[k] = c->argv[a->from + i * a->step];
		db[k] = c->db;
		at[k++] = i;
	}
	store_prefetch(s, k, db, key, hash, hint);
	for (uint32_t i = 0; i < k; i++) {
		a->hash[at[i]] = hash[i];
		a->hint[at[i]] = hint[i];
		a->epoch[at[i]] = epoch;
	}
}

static void next_chunk(struct cmd_ahead *a, const struct cmd_ctx *c, uint32_t i)
{
	uint32_t n = 0;
	uint64_t seen = 0;
	a->from = i;
	for (; n < CMD_AHEAD && i < a->end; i += a->step)
		a->store[n++] = cmd_store(c, c->argv[i]);
	a->to = i;
	for (uint32_t k = 0; k < n; k++) {
		uint64_t bit = 1ull << store_shard(a->store[k]);
		if (seen & bit)
			continue;
		seen |= bit;
		look_up(a, c, a->store[k], n);
	}
	a->hinted |= seen;
}

struct store *cmd_ahead_store(struct cmd_ahead *a, const struct cmd_ctx *c, uint32_t i)
{
	if (a->end <= a->first + a->step)
		return cmd_store(c, c->argv[i]); /* a single key: the batch has looked it up already */
	if (i >= a->to)
		next_chunk(a, c, i);
	uint32_t k = (i - a->from) / a->step;
	store_hint(a->store[k], c->argv[i], a->hash[k], a->hint[k], a->epoch[k]);
	return a->store[k];
}

void cmd_ahead_end(const struct cmd_ahead *a, const struct cmd_ctx *c)
{
	for (uint64_t rest = a->hinted; rest != 0; rest &= rest - 1)
		store_hint(c->env->stores[__builtin_ctzll(rest)], (struct slice){NULL, 0}, 0, NULL, 0);
}
