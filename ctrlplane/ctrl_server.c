/* SHUTDOWN. */
#include "ctrlplane/ctrl_persist.h"
#include "ctrlplane/ctrl_script.h"

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

/* Who comes meanwhile is refused; if all is saved, for good. */
static int save_alone(struct ctrl *c, struct err *e)
{
	ctrl_hold_begin(c);
	if (ctrl_script_await(c, e) == 0 && ctrl_save_last(c, e) == 0)
		return 0;
	ctrl_hold_end(c);
	return -1;
}

/* False: it could not be saved, and the server goes on. */
static bool save_and_stop(struct ctrl *c, bool force)
{
	struct err e = {""};

	if (c->stop == 0 && save_alone(c, &e) != 0) {
		log_write(LOG_WARNING, "not saved before the end: %s", e.text);
		script_thread_hurry(c->script, SCRIPT_HURRY_NOT);
		if (!force)
			return false;
	}
	ctrl_stop(c);
	return true;
}

/* A second signal ends it at once. */
void ctrl_terminate(struct ctrl *c)
{
	bool save = c->stop == 0 && ctrl_save_points(c) && !c->persist->loading.on;

	if (!save)
		ctrl_stop(c);
	else if (!save_and_stop(c, false))
		log_write(LOG_WARNING, "the server goes on; mend that, or use SHUTDOWN NOSAVE");
}

/* NOW is about replicas: accepted without effect. */
static void ctrl_shutdown(struct cmd_ctx *c)
{
	struct ctrl *ctl = ctrl_of(c);
	struct shutdown_words w;
	enum lease_busy why;

	if (!shutdown_parse(c, &w)) {
		cmd_err_syntax(c);
	} else if (w.abort) {
		reply_error(c->out, "ERR No shutdown in progress.");
	} else if (!w.nosave && ctrl_refuse_busy(c)) {
		return;
	} else if (!w.nosave && (w.save || ctrl_save_points(ctl)) && !ctl->persist->loading.on) {
		if (!save_and_stop(ctl, w.force))
			reply_error(c->out, "ERR Errors trying to SHUTDOWN. Check logs.");
	} else {
		/* No answer: the client sees its connection close, as with Redis. It is the way to end a script that
		 * has written and does not end. */
		ctl->stop_nosave = w.nosave;
		if (w.nosave && lease_busy(ctl->leases, &why) != 0)
			ctrl_stop_now(ctl);
		else
			ctrl_stop(ctl);
	}
}

void ctrl_bind_server(void)
{
	cmd_bind("shutdown", ctrl_shutdown);
}
