/* The connection itself: PING, HELLO, AUTH, RESET, ... */
#include "cmd/acl_denial.h"
#include "cmd/client_name.h"
#include "cmd/handlers.h"
#include "cmd/pubsub.h"
#include "cmd/tx.h"

void cmd_ping(struct cmd_ctx *c)
{
	if (c->argc > 2) {
		cmd_err_arity(c);
	} else if ((c->client->flags & CLIENT_F_PUBSUB) && c->client->proto == 2) {
		/* Where every reply looks like a message, so does this one. */
		reply_array(c->out, 2);
		reply_bulk_str(c->out, "pong");
		reply_bulk_slice(c->out, c->argc == 2 ? c->argv[1] : SLICE(""));
	} else if (c->argc == 2) {
		reply_bulk_slice(c->out, c->argv[1]);
	} else {
		reply_status(c->out, "PONG");
	}
}

void cmd_echo(struct cmd_ctx *c)
{
	reply_bulk_slice(c->out, c->argv[1]);
}

void cmd_quit(struct cmd_ctx *c)
{
	c->client->flags |= CLIENT_F_CLOSE;
	reply_ok(c->out);
}

/* Somebody makes a browser or the like send us HTTP, with commands in it: its first words close the connection,
 * unanswered as in Redis. */
void cmd_http(struct cmd_ctx *c)
{
	c->client->flags |= CLIENT_F_CLOSE;
}

void cmd_reset(struct cmd_ctx *c)
{
	struct client *cl = c->client;

	client_unsubscribe_all(c->env, cl);
	if (c->env->tx != NULL)
		c->env->tx->reset(c);
	if (cl->flags & CLIENT_F_TRACKING)
		c->env->pubsub->track_off(c->env->host, cl);
	if (cl->flags & CLIENT_F_MONITOR)
		c->env->pubsub->monitor_off(c->env->host, cl);
	cl->flags &= ~(CLIENT_F_REPLY_OFF | CLIENT_F_SKIP_NEXT | CLIENT_F_NO_EVICT | CLIENT_F_NO_TOUCH);
	acl_client_reset(cl, c->env->acl);
	cl->db = 0;
	client_set_name(c->env, cl, (struct slice){"", 0});
	cl->proto = 2;
	c->out->proto = 2;
	c->out->muted = false;
	reply_status(c->out, "RESET");
}

static bool log_in(struct cmd_ctx *c, struct slice user, struct slice password)
{
	const struct cmd_env *env = c->env;
	const struct acl_user *u = acl_find(env->acl, user);
	bool nobody = env->acl == NULL && slice_eq(user, SLICE("default"));

	if (nobody || (u != NULL && u->flags & ACL_U_ON && acl_password_is(u, password))) {
		acl_client_become(c->client, u, true);
		return true;
	}
	acl_report_auth(env, c->client, c->argv[0], user);
	reply_error(c->out, "WRONGPASS invalid username-password pair or user is disabled.");
	return false;
}

/* Nothing to log in with: the default user has no password. */
static bool default_is_open(const struct cmd_env *env)
{
	const struct acl_user *u = acl_find(env->acl, SLICE("default"));

	return u == NULL || u->flags & ACL_U_NOPASS;
}

void cmd_auth(struct cmd_ctx *c)
{
	if (c->argc > 3) {
		cmd_err_syntax(c);
		return;
	}
	if (c->argc == 2 && default_is_open(c->env)) {
		reply_error(c->out, "ERR AUTH <password> called without any password configured for the default user. "
				    "Are you sure your configuration is correct?");
		return;
	}
	if (log_in(c, c->argc == 3 ? c->argv[1] : SLICE("default"), c->argv[c->argc - 1]))
		reply_ok(c->out);
}

void cmd_acl_whoami(struct cmd_ctx *c)
{
	const struct acl_user *u = c->client->user;

	reply_bulk_slice(c->out, u != NULL ? u->name : SLICE("default"));
}

struct hello_options {
	bool auth;
	struct slice user, password;
	bool named;
	struct slice name;
};

static bool hello_options(struct cmd_ctx *c, struct hello_options *o)
{
	*o = (struct hello_options){0};
	for (uint32_t i = 2; i < c->argc; i++) {
		uint32_t more = c->argc - 1 - i;
		if (more >= 2 && cmd_arg_is(c, i, "auth")) {
			o->auth = true;
			o->user = c->argv[++i];
			o->password = c->argv[++i];
		} else if (more >= 1 && cmd_arg_is(c, i, "setname")) {
			o->named = true;
			o->name = c->argv[++i];
			if (!client_name_ok(c, o->name))
				return false;
		} else {
			reply_errorf(c->out, "ERR Syntax error in HELLO option '%.*s'",
				     (int)RP_MIN(c->argv[i].len, 128u), c->argv[i].ptr);
			return false;
		}
	}
	return true;
}

static void hello_reply(struct cmd_ctx *c)
{
	struct reply *r = c->out;

	reply_map(r, 7);
	reply_bulk_str(r, "server");
	reply_bulk_str(r, "redis");
	reply_bulk_str(r, "version");
	reply_bulk_str(r, cmd_redis_version);
	reply_bulk_str(r, "proto");
	reply_int(r, c->client->proto);
	reply_bulk_str(r, "id");
	reply_int(r, (int64_t)c->client->id);
	reply_bulk_str(r, "mode");
	reply_bulk_str(r, "standalone");
	reply_bulk_str(r, "role");
	reply_bulk_str(r, "master");
	reply_bulk_str(r, "modules");
	reply_array(r, 0);
}

void cmd_hello(struct cmd_ctx *c)
{
	struct hello_options o;
	int64_t proto = c->client->proto;

	if (c->argc > 1) {
		if (!cmd_arg_i64_in(c, 1, INT64_MIN, INT64_MAX, &proto,
				    "ERR Protocol version is not an integer or out of range"))
			return;
		if (proto < 2 || proto > 3) {
			reply_error(c->out, "NOPROTO unsupported protocol version");
			return;
		}
	}
	if (!hello_options(c, &o) || (o.auth && !log_in(c, o.user, o.password)))
		return;
	if (!(c->client->flags & CLIENT_F_AUTH)) {
		reply_error(c->out,
			    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "
			    "<proto> AUTH <user> <pass> option can be used to authenticate the client and select the "
			    "RESP protocol version at the same time");
		return;
	}
	if (o.named)
		client_set_name(c->env, c->client, o.name);
	c->client->proto = c->out->proto = (uint8_t)proto;
	hello_reply(c);
}

void cmd_time(struct cmd_ctx *c)
{
	int64_t us = c->env->now->wall_us;

	reply_array(c->out, 2);
	reply_bulk_i64(c->out, us / 1000000);
	reply_bulk_i64(c->out, us % 1000000);
}

void cmd_lolwut(struct cmd_ctx *c)
{
	char text[64] = "Redis ver. ";
	int64_t v;

	for (uint32_t i = 2; i < c->argc && cmd_arg_is(c, 1, "version"); i++)
		if (!cmd_arg_i64(c, i, &v))
			return;
	strcat(text, cmd_redis_version);
	strcat(text, "\n");
	reply_verbatim(c->out, (struct slice){text, strlen(text)}, "txt");
}
