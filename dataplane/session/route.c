/* Where a request runs: by its command's route and the shards of its keys. */
#include "session/session_priv.h"

#define ROUTE_KEYS_INLINE 64

/* The set of shards of a request's keys; 0 if it has none or its arguments make no sense. */
static uint64_t key_shards(const struct session_host *h, const struct cmd *cmd, const struct resp_request *req)
{
	const struct slice *argv = req->argv;
	if (rp_unlikely(cmd->wide != NULL) && cmd->wide(req->argc, argv))
		return h->all_shards;
	if (cmd->getkeys == NULL && cmd->key_first == 1 && cmd->key_last == 1)
		return req->argc < 2 ? 0 : 1ull << cmd_shard_of(&h->env, argv[1]);
	uint32_t idx[ROUTE_KEYS_INLINE];
	int n = cmd_getkeys(cmd, req->argc, argv, idx, ROUTE_KEYS_INLINE);
	if (n <= 0)
		return 0;
	if (h->env.nstores == 1)
		return 1;
	uint64_t set = 0;
	if (n <= ROUTE_KEYS_INLINE) {
		for (int i = 0; i < n; i++)
			set |= 1ull << cmd_shard_of(&h->env, argv[idx[i]]);
		return set;
	}
	/* So many keys: with more than a few shards they cover them all anyway, but ask exactly while it is cheap. */
	if (cmd->getkeys != NULL || cmd->key_step <= 0)
		return h->all_shards;
	int32_t last = cmd->key_last < 0 ? (int32_t)req->argc + cmd->key_last : cmd->key_last;
	for (int32_t i = cmd->key_first; i <= last && set != h->all_shards; i += cmd->key_step)
		set |= 1ull << cmd_shard_of(&h->env, argv[i]);
	return set;
}

static enum route_to route_shards(const struct session_host *h, uint64_t set, uint32_t *owner, uint64_t *shards)
{
	*shards = set;
	if (set & (set - 1))
		return ROUTE_LEASE;
	*owner = (uint32_t)__builtin_ctzll(set);
	return (int32_t)*owner == h->own ? ROUTE_OWN : ROUTE_SEND;
}

uint64_t route_shards_of(const struct session_host *h, const struct cmd *cmd, const struct resp_request *req)
{
	switch ((enum cmd_route)cmd->route) {
	case CMD_KEYS:
	case CMD_HOME_KEYS:
		return key_shards(h, cmd, req);
	case CMD_ALL:
	case CMD_SCRIPT: /* which keys it asks for besides those that it names, nobody knows */
		return h->all_shards;
	case CMD_CURSOR:
		return 1ull << cmd_cursor_shard(&h->env, req->argc, req->argv);
	case CMD_HOME:
	case CMD_CONTROL:
	case CMD_CHANNEL:
		return 0;
	}
	return 0;
}

enum route_to route_request(const struct session_host *h, const struct cmd *cmd, const struct resp_request *req,
			    uint32_t *owner, uint64_t *shards)
{
	uint64_t set = 0;
	if (cmd == NULL || !cmd_arity_ok(cmd, req->argc))
		return ROUTE_HERE;
	switch ((enum cmd_route)cmd->route) {
	case CMD_HOME:
		return ROUTE_HERE;
	case CMD_KEYS:
		set = key_shards(h, cmd, req);
		return set == 0 ? ROUTE_HERE : route_shards(h, set, owner, shards);
	case CMD_ALL:
		/* Needs the client as well, so it runs at home: never sent, even if there is only one shard. */
		*shards = h->all_shards;
		return h->env.nstores == 1 && h->own == 0 ? ROUTE_OWN : ROUTE_LEASE;
	case CMD_CURSOR:
		return route_shards(h, 1ull << cmd_cursor_shard(&h->env, req->argc, req->argv), owner, shards);
	case CMD_CONTROL:
		*owner = msg_bus_control(h->bus);
		return *owner == h->self ? ROUTE_HERE : ROUTE_SEND;
	case CMD_HOME_KEYS:
		*shards = key_shards(h, cmd, req);
		if (*shards == 0)
			return ROUTE_HERE;
		return h->own >= 0 && *shards == 1ull << h->own ? ROUTE_OWN : ROUTE_LEASE;
	case CMD_CHANNEL:
		*owner = cmd_channel_owner(&h->env, req->argv[1]);
		return *owner == h->self ? ROUTE_HERE : ROUTE_FREE;
	case CMD_SCRIPT:
		*owner = msg_bus_script(h->bus);
		return *owner == h->self ? ROUTE_HERE : ROUTE_FREE;
	}
	return ROUTE_HERE;
}
