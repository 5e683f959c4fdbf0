/* MULTI, EXEC, DISCARD, WATCH, UNWATCH: handed on to who keeps the transaction. */
#include "cmd/handlers.h"
#include "cmd/tx.h"

static bool there(struct cmd_ctx *c)
{
	if (c->env->tx == NULL)
		reply_errorf(c->out, "ERR '%s' is not available here", c->cmd->name);
	return c->env->tx != NULL;
}

void cmd_multi(struct cmd_ctx *c)
{
	if (there(c))
		c->env->tx->multi(c);
}

void cmd_exec(struct cmd_ctx *c)
{
	if (there(c))
		c->env->tx->exec(c);
}

void cmd_discard(struct cmd_ctx *c)
{
	if (there(c))
		c->env->tx->discard(c);
}

void cmd_watch(struct cmd_ctx *c)
{
	if (there(c))
		c->env->tx->watch(c);
}

void cmd_unwatch(struct cmd_ctx *c)
{
	if (there(c))
		c->env->tx->unwatch(c);
}
