/* CLIENT KILL. */
#include "ctrlplane/ctrl_client.h"

/* ---- words ---- */

static bool parse_id(struct cmd_ctx *c, uint32_t i, struct kill_filter *f)
{
	int64_t id;

	if (!cmd_arg_i64_in(c, i, 1, INT64_MAX, &id, "ERR client-id should be greater than 0"))
		return false;
	f->id = (uint64_t)id;
	return true;
}

static bool parse_type(struct cmd_ctx *c, uint32_t i, struct kill_filter *f)
{
	f->type = client_type_parse(c->argv[i]);
	if (f->type == CLIENT_TYPE_UNKNOWN)
		reply_errorf(c->out, "ERR Unknown client type '%.*s'", (int)RP_MIN(c->argv[i].len, 128u),
			     c->argv[i].ptr);
	return f->type != CLIENT_TYPE_UNKNOWN;
}

/* Names are case-sensitive. */
static bool parse_user(struct cmd_ctx *c, uint32_t i, struct kill_filter *f)
{
	f->user = c->argv[i];
	if (acl_find(ctrl_of(c)->users, f->user) != NULL)
		return true;
	reply_errorf(c->out, "ERR No such user '%.*s'", (int)RP_MIN(c->argv[i].len, 128u), c->argv[i].ptr);
	return false;
}

static bool parse_skip_me(struct cmd_ctx *c, uint32_t i, struct kill_filter *f)
{
	f->skip_me = cmd_arg_is(c, i, "yes");
	if (f->skip_me || cmd_arg_is(c, i, "no"))
		return true;
	cmd_err_syntax(c);
	return false;
}

static bool parse_pair(struct cmd_ctx *c, uint32_t i, struct kill_filter *f)
{
	if (i + 1 < c->argc) {
		if (cmd_arg_is(c, i, "id"))
			return parse_id(c, i + 1, f);
		if (cmd_arg_is(c, i, "type"))
			return parse_type(c, i + 1, f);
		if (cmd_arg_is(c, i, "user"))
			return parse_user(c, i + 1, f);
		if (cmd_arg_is(c, i, "skipme"))
			return parse_skip_me(c, i + 1, f);
		if (cmd_arg_is(c, i, "addr") || cmd_arg_is(c, i, "laddr")) {
			*(cmd_arg_is(c, i, "addr") ? &f->addr : &f->laddr) = c->argv[i + 1];
			return true;
		}
	}
	cmd_err_syntax(c);
	return false;
}

bool kill_parse(struct cmd_ctx *c, struct kill_filter *f)
{
	*f = (struct kill_filter){.type = CLIENT_TYPE_UNKNOWN, .skip_me = true, .me = c->client_id};
	if (c->argc == 3) {
		f->old_form = true;
		f->skip_me = false;
		f->addr = c->argv[2];
		return true;
	}
	for (uint32_t i = 2; i < c->argc; i += 2)
		if (!parse_pair(c, i, f))
			return false;
	return true;
}

static bool is_endpoint(struct slice a, const struct endpoint *e)
{
	char text[ENDPOINT_TEXT_MAX];
	size_t n = endpoint_format(e, text, sizeof text);

	return slice_eq(a, (struct slice){text, n});
}

bool kill_matches(const struct kill_filter *f, const struct client *cl)
{
	if (f->id != 0 && f->id != cl->id)
		return false;
	if (f->skip_me && f->me == cl->id)
		return false;
	if (f->type != CLIENT_TYPE_UNKNOWN && f->type != client_type_of(cl))
		return false;
	if (f->user.ptr != NULL && (cl->user == NULL || !slice_eq(f->user, cl->user->name)))
		return false;
	return (f->addr.ptr == NULL || is_endpoint(f->addr, &cl->addr)) &&
	       (f->laddr.ptr == NULL || is_endpoint(f->laddr, &cl->laddr));
}

/* ---- killing ---- */

struct kill_call {
	const struct kill_filter *f; /* its slices lie in the request, which stays until the command is done */
	uint32_t from, next, killed;
};

/* On the session's own thread. Whoever kills itself gets its answer first. */
static void kill_one(void *ctx, struct session *s)
{
	struct kill_call *k = ctx;

	if (s->abort || !kill_matches(k->f, &s->cl) || (k->f->old_form && k->killed != 0))
		return;
	session_kill(s, s->cl.id != k->f->me);
	k->killed++;
}

static void kill_slice(void *owner, struct msg *m)
{
	struct worker *w = owner;
	struct kill_call *k = m->arg[0];

	k->next = host_visit(&w->host, k->from, CLIENT_SLICE, kill_one, k);
}

static void kill_on(struct ctrl *c, uint32_t i, struct kill_call *k)
{
	do {
		k->from = k->next;
		if (i < c->nworkers)
			ctrl_call_one(c, i, kill_slice, k);
		else
			k->next = host_visit(&c->host, k->from, CLIENT_SLICE, kill_one, k);
	} while (k->next != 0);
}

void ctrl_client_kill(struct cmd_ctx *c)
{
	struct ctrl *ctl = ctrl_of(c);
	struct kill_filter f;
	struct kill_call k = {.f = &f};

	if (!kill_parse(c, &f))
		return;
	for (uint32_t i = 0; i <= ctl->nworkers; i++)
		kill_on(ctl, i, &k);
	if (!f.old_form)
		reply_int(c->out, k.killed);
	else if (k.killed != 0)
		reply_ok(c->out);
	else
		reply_error(c->out, "ERR No such client");
}
