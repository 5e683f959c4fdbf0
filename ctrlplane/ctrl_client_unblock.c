/* CLIENT UNBLOCK. */
#include "ctrlplane/ctrl_client.h"
#include "session/tracking.h"

struct unblock_call {
	uint64_t id;
	bool error, done;
};

/* On the session's own thread. */
static void unblock_on(struct session_host *h, struct unblock_call *u)
{
	struct session *s = session_by_id(h, u->id);

	u->done = s != NULL && session_unblock(s, u->error);
}

static void unblock_on_worker(void *owner, struct msg *m)
{
	unblock_on(&((struct worker *)owner)->host, m->arg[0]);
}

static bool parse(struct cmd_ctx *c, struct unblock_call *u)
{
	int64_t id;

	if (c->argc > 4) {
		reply_errorf(c->out, "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try CLIENT HELP.",
			     (int)RP_MIN(c->argv[1].len, 128u), c->argv[1].ptr);
		return false;
	}
	u->error = c->argc == 4 && cmd_arg_is(c, 3, "error");
	if (c->argc == 4 && !u->error && !cmd_arg_is(c, 3, "timeout")) {
		reply_error(c->out, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
		return false;
	}
	if (!cmd_arg_i64(c, 2, &id))
		return false;
	u->id = (uint64_t)id;
	return true;
}

void ctrl_client_unblock(struct cmd_ctx *c)
{
	struct ctrl *ctl = ctrl_of(c);
	struct unblock_call u = {.done = false};

	if (!parse(c, &u))
		return;
	uint32_t home = client_home(&ctl->host, u.id);
	if (home < ctl->nworkers)
		ctrl_call_one(ctl, home, unblock_on_worker, &u);
	else
		unblock_on(&ctl->host, &u);
	reply_int(c->out, u.done);
}
