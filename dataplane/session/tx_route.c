/* Parse stage: what a request is to a transaction, and where its EXEC goes. */
#include "cmd/handlers.h"
#include "session/session_priv.h"
#include "session/tx.h"

void tx_parse_begin(const struct session *s, struct tx_parse *p)
{
	const struct tx *tx = s->cl.tx;

	*p = (struct tx_parse){.active = false};
	if (rp_likely(tx == NULL))
		return;
	p->active = true;
	p->open = tx->info.open;
	p->needs = tx->needs;
	p->flags = tx->flags;
	p->shards = tx->shards;
	p->watched = tx->watched;
}

bool tx_is_exec(const struct cmd *cmd)
{
	return cmd != NULL && cmd->fn == cmd_exec;
}

/* Carried out at once, inside a transaction too. */
static bool at_once(const struct cmd *cmd)
{
	return cmd != NULL && (tx_is_exec(cmd) || cmd->fn == cmd_multi || cmd->fn == cmd_discard ||
			       cmd->fn == cmd_watch || cmd->fn == cmd_quit || cmd->fn == cmd_reset);
}

static uint64_t shards_of(const struct session_host *h, const struct batch_entry *e)
{
	if (e->cmd == NULL || !cmd_arity_ok(e->cmd, e->req.argc))
		return 0;
	return route_shards_of(h, e->cmd, &e->req);
}

static enum route_to route_exec(const struct session_host *h, const struct tx_parse *p, struct batch_entry *e,
				uint32_t *owner)
{
	uint64_t set = p->shards | p->watched;

	e->lease = set;
	if (p->needs & (TX_NEEDS_OTHERS | TX_NEEDS_LEASE))
		return ROUTE_LEASE;
	if (set == 0)
		return ROUTE_HERE;
	if (h->own >= 0 && set == 1ull << h->own)
		return ROUTE_OWN;
	*owner = (uint32_t)__builtin_ctzll(set);
	/* What a restricted client may do is checked at its home, and who watches is told there. */
	bool bound = (p->needs & TX_NEEDS_CLIENT) || !(e->s->cl.flags & CLIENT_F_FREE) || h->monitored;
	return (set & (set - 1)) == 0 && !bound ? ROUTE_SEND : ROUTE_LEASE;
}

enum route_to tx_route(const struct session_host *h, const struct tx_parse *p, struct batch_entry *e, uint32_t *owner)
{
	e->exec = p->open && tx_is_exec(e->cmd);
	if (!p->open)
		return route_request(h, e->cmd, &e->req, owner, &e->lease);
	if (e->exec)
		return route_exec(h, p, e, owner);
	e->lease = 0;
	if (at_once(e->cmd)) /* WATCH too: it only says that it cannot be */
		return ROUTE_HERE;
	e->lease = shards_of(h, e);
	return ROUTE_QUEUE;
}

uint8_t tx_needs(const struct session_host *h, const struct cmd *cmd)
{
	switch ((enum cmd_route)cmd->route) {
	case CMD_KEYS:
	case CMD_CURSOR:
		return 0;
	case CMD_HOME:
	case CMD_HOME_KEYS:
		return TX_NEEDS_CLIENT;
	case CMD_ALL:
		return TX_NEEDS_CLIENT | TX_NEEDS_LEASE;
	case CMD_CONTROL:
		return h->self == msg_bus_control(h->bus) ? TX_NEEDS_CLIENT : TX_NEEDS_OTHERS;
	case CMD_CHANNEL:
	case CMD_SCRIPT:
		return TX_NEEDS_OTHERS;
	}
	return 0;
}

uint32_t tx_flags_of(const struct cmd *cmd, const struct resp_request *req)
{
	return rp_unlikely(script_may_write(cmd, req)) ? cmd->flags | CMD_F_MAY_REPLICATE : cmd->flags;
}

/* MULTI or DISCARD will do what it says. */
static bool is_certain(const struct session *s, const struct batch_entry *e)
{
	return (s->cl.flags & (CLIENT_F_FREE | CLIENT_F_PUBSUB)) == CLIENT_F_FREE && cmd_arity_ok(e->cmd, e->req.argc);
}

bool tx_parsed(const struct session *s, struct tx_parse *p, const struct batch_entry *e)
{
	const struct cmd *cmd = e->cmd;

	if (cmd == NULL)
		return true;
	if (e->queue) {
		p->shards |= e->lease;
		p->flags |= tx_flags_of(cmd, &e->req);
		p->needs |= tx_needs(s->host, cmd);
	} else if (cmd->fn == cmd_multi) {
		p->active = true;
		if (!p->open && !is_certain(s, e))
			return false;
		p->open = true;
	} else if (cmd->fn == cmd_watch && !p->open) {
		p->active = true;
		p->watched |= shards_of(s->host, e);
	} else if (cmd->fn == cmd_discard && p->open) {
		if (!is_certain(s, e))
			return false;
		*p = (struct tx_parse){.active = true};
	} else if (tx_is_exec(cmd) && p->open) {
		/* Refused or not, it is the end. Without MULTI it is an error, and the watches stay. What it does to
		 * its client (SUBSCRIBE in it) decides what the next one may do. */
		bool certain = !(p->needs & TX_NEEDS_CLIENT);
		*p = (struct tx_parse){.active = true};
		return certain;
	}
	return true;
}

uint32_t tx_cmd_flags(const struct tx_parse *p, const struct cmd *cmd)
{
	return p->open && tx_is_exec(cmd) ? cmd->flags | p->flags : cmd->flags;
}
