/* The connection itself: PING, HELLO, AUTH, RESET, ... */
#include "cmd/client_name.h"
#include "cmd/handlers.h"

void cmd_ping(struct cmd_ctx *c)
{
	if (c->argc > 2)
		cmd_err_arity(c);
	else if (c->argc == 2)
		reply_bulk_slice(c->out, c->argv[1]);
	else
		reply_status(c->out, "PONG");
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

void cmd_reset(struct cmd_ctx *c)
{
	struct client *cl = c->client;

	cl->flags &= ~(CLIENT_F_REPLY_OFF | CLIENT_F_SKIP_NEXT | CLIENT_F_NO_EVICT | CLIENT_F_NO_TOUCH);
	if (c->env->conf->requirepass_len)
		cl->flags &= ~CLIENT_F_AUTH;
	cl->db = 0;
	client_set_name(c->env, cl, (struct slice){"", 0});
	cl->proto = 2;
	c->out->proto = 2;
	c->out->muted = false;
	reply_status(c->out, "RESET");
}

/* Takes as long whatever the first difference is. */
static bool password_is(const struct dp_conf *conf, struct slice given)
{
	size_t want = conf->requirepass_len;
	unsigned char diff = given.len != want;

	for (size_t i = 0; i < given.len; i++)
		diff |= (unsigned char)(given.ptr[i] ^ conf->requirepass[i % sizeof conf->requirepass]);
	return diff == 0;
}

static bool log_in(struct cmd_ctx *c, struct slice user, struct slice password)
{
	const struct dp_conf *conf = c->env->conf;

	if (slice_eq(user, SLICE("default")) && (conf->requirepass_len == 0 || password_is(conf, password))) {
		c->client->flags |= CLIENT_F_AUTH;
		return true;
	}
	reply_error(c->out, "WRONGPASS invalid username-password pair or user is disabled.");
	return false;
}

void cmd_auth(struct cmd_ctx *c)
{
	if (c->argc > 3) {
		cmd_err_syntax(c);
		return;
	}
	if (c->argc == 2 && c->env->conf->requirepass_len == 0) {
		reply_error(c->out, "ERR AUTH <password> called without any password configured for the default user. "
				    "Are you sure your configuration is correct?");
		return;
	}
	if (log_in(c, c->argc == 3 ? c->argv[1] : SLICE("default"), c->argv[c->argc - 1]))
		reply_ok(c->out);
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

	strcat(text, cmd_redis_version);
	strcat(text, "\n");
	reply_verbatim(c->out, (struct slice){text, strlen(text)}, "txt");
}
