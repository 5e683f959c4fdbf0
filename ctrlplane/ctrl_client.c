/* CLIENT LIST, PAUSE, UNPAUSE. */
#include <stdlib.h>

#include "base/num.h"
#include "ctrlplane/ctrl_client.h"
#include "ctrlplane/ctrl_text.h"

enum client_type client_type_parse(struct slice word)
{
	static const struct {
		const char *name;
		enum client_type type;
	} types[] = {{"normal", CLIENT_TYPE_NORMAL},
		     {"slave", CLIENT_TYPE_REPLICA},
		     {"replica", CLIENT_TYPE_REPLICA},
		     {"pubsub", CLIENT_TYPE_PUBSUB},
		     {"master", CLIENT_TYPE_MASTER}};

	for (uint32_t i = 0; i < RP_ARRAY_LEN(types); i++)
		if (slice_is(word, types[i].name))
			return types[i].type;
	return CLIENT_TYPE_UNKNOWN;
}

enum client_type client_type_of(const struct client *cl)
{
	return cl->flags & CLIENT_F_PUBSUB ? CLIENT_TYPE_PUBSUB : CLIENT_TYPE_NORMAL;
}

/* ---- gathering ---- */

struct gather {
	struct client_copy *all;
	size_t n, cap;
};

/* One slice of a host's clients. */
struct slice_call {
	uint32_t from, next, n;
	struct client_copy *out; /* CLIENT_SLICE places */
};

static void copy_slice(void *owner, struct msg *m)
{
	const struct worker *w = owner;
	struct slice_call *s = m->arg[0];

	s->n = host_clients(&w->host, s->from, CLIENT_SLICE, s->out, &s->next);
}

static bool gather_room(struct gather *g)
{
	if (g->cap - g->n >= CLIENT_SLICE)
		return true;
	size_t cap = g->cap ? g->cap * 2 : 2 * CLIENT_SLICE;
	struct client_copy *all = realloc(g->all, cap * sizeof *all);
	if (all == NULL)
		return false;
	g->all = all;
	g->cap = cap;
	return true;
}

/* The clients of one host: worker i, or the control thread's own at nworkers. */
static bool gather_host(struct ctrl *c, uint32_t i, struct gather *g)
{
	struct slice_call s = {.next = 0};

	do {
		if (!gather_room(g))
			return false;
		s = (struct slice_call){.from = s.next, .out = g->all + g->n};
		if (i < c->nworkers)
			ctrl_call_one(c, i, copy_slice, &s);
		else
			s.n = host_clients(&c->host, s.from, CLIENT_SLICE, s.out, &s.next);
		g->n += s.n;
	} while (s.next != 0);
	return true;
}

/* In the order in which they came. */
static int by_age(const void *a, const void *b)
{
	const struct client *x = &((const struct client_copy *)a)->cl, *y = &((const struct client_copy *)b)->cl;

	if (x->created_us != y->created_us)
		return x->created_us < y->created_us ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static bool gather_all(struct ctrl *c, struct gather *g)
{
	*g = (struct gather){.all = NULL};
	for (uint32_t i = 0; i <= c->nworkers; i++)
		if (!gather_host(c, i, g))
			return false;
	if (g->n > 1)
		qsort(g->all, g->n, sizeof *g->all, by_age);
	return true;
}

/* ---- LIST ---- */

static void list_one(const struct ctrl *c, const struct client_copy *copy, struct text *t)
{
	struct client cl = client_copy_read(copy);
	char line[CLIENT_INFO_MAX];

	client_info_format(&cl, &copy->held, &c->now, line, sizeof line);
	text_add(t, "%s", line);
}

static void list_ids(struct cmd_ctx *c, const struct gather *g, struct text *t)
{
	for (uint32_t a = 3; a < c->argc; a++) {
		int64_t id = 0;
		num_parse_i64(c->argv[a], &id);
		for (size_t i = 0; i < g->n; i++)
			if (g->all[i].cl.id == (uint64_t)id)
				list_one(ctrl_of(c), &g->all[i], t);
	}
}

/* true: *type says which kind (unknown: all). Else the error is written. */
static bool list_parse(struct cmd_ctx *c, enum client_type *type)
{
	*type = CLIENT_TYPE_UNKNOWN;
	if (c->argc == 4 && cmd_arg_is(c, 2, "type")) {
		*type = client_type_parse(c->argv[3]);
		if (*type == CLIENT_TYPE_UNKNOWN)
			reply_errorf(c->out, "ERR Unknown client type '%.*s'", (int)RP_MIN(c->argv[3].len, 128u),
				     c->argv[3].ptr);
		return *type != CLIENT_TYPE_UNKNOWN;
	}
	if (c->argc > 3 && cmd_arg_is(c, 2, "id")) {
		int64_t id;
		for (uint32_t a = 3; a < c->argc; a++)
			if (!cmd_arg_i64_in(c, a, INT64_MIN, INT64_MAX, &id, "ERR Invalid client ID"))
				return false;
		return true;
	}
	if (c->argc != 2)
		cmd_err_syntax(c);
	return c->argc == 2;
}

static void ctrl_client_list(struct cmd_ctx *c)
{
	enum client_type type;
	struct gather g;
	struct text t = {.buf = NULL};

	if (!list_parse(c, &type))
		return;
	if (!gather_all(ctrl_of(c), &g))
		t.failed = true;
	else if (c->argc > 2 && cmd_arg_is(c, 2, "id"))
		list_ids(c, &g, &t);
	else
		for (size_t i = 0; i < g.n; i++)
			if (type == CLIENT_TYPE_UNKNOWN || client_type_of(&g.all[i].cl) == type)
				list_one(ctrl_of(c), &g.all[i], &t);
	free(g.all);
	text_reply(&t, c->out);
}

/* ---- PAUSE ---- */

/* A pause still in force is never shortened or weakened by another. */
void client_pause_merge(struct dp_conf *d, int64_t now_ms, int64_t until_ms, bool all)
{
	bool in_force = d->pause_until_ms > now_ms;

	d->pause_all = all || (in_force && d->pause_all);
	d->pause_until_ms = in_force ? RP_MAX(d->pause_until_ms, until_ms) : until_ms;
}

static void ctrl_client_pause(struct cmd_ctx *c)
{
	struct ctrl *ctl = ctrl_of(c);
	int64_t ms, now_ms = ctl->now.wall_us / 1000;
	bool all = true;

	if (c->argc > 4) {
		reply_errorf(c->out, "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try CLIENT HELP.",
			     (int)RP_MIN(c->argv[1].len, 128u), c->argv[1].ptr);
		return;
	}
	if (c->argc == 4 && !cmd_arg_is(c, 3, "all")) {
		all = false;
		if (!cmd_arg_is(c, 3, "write")) {
			reply_error(c->out, "ERR CLIENT PAUSE mode must be WRITE or ALL");
			return;
		}
	}
	if (!cmd_arg_i64_in(c, 2, INT64_MIN, INT64_MAX, &ms, "ERR timeout is not an integer or out of range"))
		return;
	if (ms < 0) {
		reply_error(c->out, "ERR timeout is negative");
		return;
	}
	client_pause_merge(&ctl->dp, now_ms, ms > INT64_MAX / 2 ? INT64_MAX / 2 : now_ms + ms, all);
	ctrl_publish_conf(ctl);
	reply_ok(c->out);
}

static void ctrl_client_unpause(struct cmd_ctx *c)
{
	struct ctrl *ctl = ctrl_of(c);

	ctl->dp.pause_until_ms = 0;
	ctl->dp.pause_all = false;
	ctrl_publish_conf(ctl);
	reply_ok(c->out);
}

void ctrl_bind_client(void)
{
	cmd_bind("client|list", ctrl_client_list);
	cmd_bind("client|kill", ctrl_client_kill);
	cmd_bind("client|unblock", ctrl_client_unblock);
	cmd_bind("client|pause", ctrl_client_pause);
	cmd_bind("client|unpause", ctrl_client_unpause);
}
