/* SHUTDOWN. */
#include "ctrlplane/ctrl.h"

struct shutdown_words {
	bool save, nosave, abort, now, force;
};

static bool shutdown_parse(const struct cmd_ctx *c, struct shutdown_words *w)
{
	*w = (struct shutdown_words){.save = false};
	for (uint32_t i = 1; i < c->argc; i++) {
		if (cmd_arg_is(c, i, "nosave"))
			w->nosave = true;
		else if (cmd_arg_is(c, i, "save"))
			w->save = true;
		else if (cmd_arg_is(c, i, "abort"))
			w->abort = true;
		else if (cmd_arg_is(c, i, "now"))
			w->now = true;
		else if (cmd_arg_is(c, i, "force"))
			w->force = true;
		else
			return false;
	}
	return !(w->save && w->nosave) && !(w->abort && c->argc > 2);
}

/* NOW and FORCE are about replicas and failed saves, of which there are none here: accepted without effect. */
static void ctrl_shutdown(struct cmd_ctx *c)
{
	struct shutdown_words w;

	if (!shutdown_parse(c, &w))
		cmd_err_syntax(c);
	else if (w.abort)
		reply_error(c->out, "ERR No shutdown in progress.");
	else if (w.save)
		reply_error(c->out, "ERR Persistence is not in this build; use SHUTDOWN NOSAVE");
	else
		ctrl_stop(ctrl_of(c)); /* no answer: the client sees its connection close, as with Redis */
}

void ctrl_bind_server(void)
{
	cmd_bind("shutdown", ctrl_shutdown);
}
