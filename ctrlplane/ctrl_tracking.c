/* CLIENT TRACKING. It concerns the client's home, the home of whom it redirects to, and with BCAST every worker, so it
 * is the control thread that asks them one after the other. */
#include <stdlib.h>

#include "ctrlplane/ctrl.h"
#include "session/tracking.h"

static void on_host(struct ctrl *c, uint32_t home, msg_call_fn fn, void *arg)
{
	struct msg m = {.arg = {arg}};
	if (home < c->nworkers)
		ctrl_call_one(c, home, fn, arg);
	else
		fn(NULL, &m);
}

struct host_call {
	struct ctrl *ctl;
	struct tracking_wish *w;
	bool found;
	int delta;
};

/* The control thread has no struct worker. */
static struct session_host *host_in(void *owner, struct host_call *k)
{
	return owner != NULL ? &((struct worker *)owner)->host : &k->ctl->host;
}

static void do_find(void *owner, struct msg *m)
{
	struct host_call *k = m->arg[0];
	k->found = session_by_id(host_in(owner, k), k->w->redirect) != NULL;
}

static void do_check(void *owner, struct msg *m)
{
	struct host_call *k = m->arg[0];
	tracking_check(host_in(owner, k), k->w);
}

static void do_set(void *owner, struct msg *m)
{
	struct host_call *k = m->arg[0];
	tracking_set(host_in(owner, k), k->w);
}

static void do_prefixes(void *owner, struct msg *m)
{
	struct host_call *k = m->arg[0];
	struct session_host *h = &((struct worker *)owner)->host;
	for (uint32_t i = 0; i < k->w->nprefixes; i++)
		pubsub_prefix_change(h, client_home(h, k->w->client_id), k->w->prefix[i], k->delta);
}

/* ---- words ---- */

static bool parse_redirect(struct cmd_ctx *c, uint32_t i, struct tracking_wish *w)
{
	struct host_call k = {.ctl = ctrl_of(c), .w = w};
	int64_t id;
	if (w->redirect != 0) {
		reply_error(c->out, "ERR A client can only redirect to a single other client");
		return false;
	}
	if (!cmd_arg_i64(c, i, &id))
		return false;
	w->redirect = (uint64_t)id;
	if (id > 0)
		on_host(k.ctl, client_home(&k.ctl->host, w->redirect), do_find, &k);
	if (!k.found)
		reply_error(c->out, "ERR The client ID you want redirect to does not exist");
	return k.found;
}

/* prefix: room for all words. */
static bool parse(struct cmd_ctx *c, struct tracking_wish *w, struct slice *prefix)
{
	static const struct {
		const char *word;
		uint32_t flag;
	} flags[] = {
		{"bcast", TRACK_BCAST}, {"optin", TRACK_OPTIN}, {"optout", TRACK_OPTOUT}, {"noloop", TRACK_NOLOOP}};
	for (uint32_t i = 3; i < c->argc; i++) {
		bool more = i + 1 < c->argc;
		uint32_t flag = 0;
		for (size_t k = 0; k < RP_ARRAY_LEN(flags); k++)
			if (cmd_arg_is(c, i, flags[k].word))
				flag = flags[k].flag;
		w->flags |= flag;
		if (flag != 0)
			continue;
		if (more && cmd_arg_is(c, i, "redirect")) {
			if (!parse_redirect(c, ++i, w))
				return false;
		} else if (more && cmd_arg_is(c, i, "prefix")) {
			prefix[w->nprefixes++] = c->argv[++i];
		} else {
			cmd_err_syntax(c);
			return false;
		}
	}
	w->on = cmd_arg_is(c, 2, "on");
	if (w->on || cmd_arg_is(c, 2, "off"))
		return true;
	cmd_err_syntax(c);
	return false;
}

/* ---- the command ---- */

static void carry_out(struct cmd_ctx *c, struct tracking_wish *w, struct slice *prefix)
{
	struct ctrl *ctl = ctrl_of(c);
	struct host_call k = {.ctl = ctl, .w = w, .delta = 1};
	uint32_t home = client_home(&ctl->host, w->client_id);
	on_host(ctl, home, do_check, &k);
	if (w->error[0] == '\0') {
		if (w->whole)
			prefix[w->nprefixes++] = SLICE("");
		bool counted = w->on && (w->flags & TRACK_BCAST);
		if (counted)
			ctrl_call_all(ctl, do_prefixes, &k);
		on_host(ctl, home, do_set, &k);
		k.delta = -1;
		if (counted && w->error[0] != '\0')
			ctrl_call_all(ctl, do_prefixes, &k);
	}
	if (w->error[0] != '\0')
		reply_error(c->out, w->error);
	else
		reply_ok(c->out);
}

static void ctrl_client_tracking(struct cmd_ctx *c)
{
	struct tracking_wish w = {.client_id = c->client_id};
	struct slice *prefix = calloc(c->argc, sizeof *prefix);
	w.prefix = prefix;
	if (prefix == NULL) {
		cmd_err_oom(c);
		return;
	}
	if (parse(c, &w, prefix))
		carry_out(c, &w, prefix);
	free(prefix);
}

void ctrl_bind_tracking(void)
{
	cmd_bind("client|tracking", ctrl_client_tracking);
}
