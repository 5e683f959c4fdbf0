/* CLIENT: what a client asks and says about itself. */
#include "cmd/client_name.h"
#include "cmd/handlers.h"

bool client_text_ok(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] < '!' || s.ptr[i] > '~')
			return false;
	return true;
}

bool client_name_ok(struct cmd_ctx *c, struct slice name)
{
	if (!client_text_ok(name)) {
		reply_error(c->out, "ERR Client names cannot contain spaces, newlines or special characters.");
		return false;
	}
	if (name.len > CLIENT_NAME_MAX) {
		reply_errorf(c->out, "ERR Client names cannot be longer than %d bytes", CLIENT_NAME_MAX);
		return false;
	}
	return true;
}

struct client_text *client_text_get(const struct cmd_env *env, struct client *cl)
{
	if (cl->text == NULL) {
		cl->text = pool_get(env->client_texts);
		memset(cl->text, 0, sizeof *cl->text);
	}
	return cl->text;
}

void client_set_name(const struct cmd_env *env, struct client *cl, struct slice name)
{
	if (name.len == 0 && cl->text == NULL)
		return;
	struct client_text *t = client_text_get(env, cl);
	memcpy(t->name, name.ptr, name.len);
	t->name[name.len] = '\0';
	t->name_len = (uint8_t)name.len;
}

void cmd_client_id(struct cmd_ctx *c)
{
	reply_int(c->out, (int64_t)c->client_id);
}

void cmd_client_info(struct cmd_ctx *c)
{
	char line[CLIENT_INFO_MAX];
	struct client_held held, *known = NULL;

	if (c->env->client_held != NULL) {
		known = &held;
		c->env->client_held(c->client, known);
	}
	size_t n = client_info_format(c->client, known, c->env->now, line, sizeof line);

	reply_verbatim(c->out, (struct slice){line, n}, "txt");
}

void cmd_client_getname(struct cmd_ctx *c)
{
	const struct client_text *t = c->client->text;

	if (t != NULL && t->name_len)
		reply_bulk(c->out, t->name, t->name_len);
	else
		reply_null(c->out);
}

void cmd_client_setname(struct cmd_ctx *c)
{
	if (!client_name_ok(c, c->argv[2]))
		return;
	client_set_name(c->env, c->client, c->argv[2]);
	reply_ok(c->out);
}

void cmd_client_setinfo(struct cmd_ctx *c)
{
	struct client_text *t;
	bool ver = cmd_arg_is(c, 2, "lib-ver");
	struct slice v = c->argv[3];

	if (!ver && !cmd_arg_is(c, 2, "lib-name")) {
		reply_errorf(c->out, "ERR Unrecognized option '%.*s'", (int)RP_MIN(c->argv[2].len, 128u),
			     c->argv[2].ptr);
		return;
	}
	if (!client_text_ok(v)) {
		reply_errorf(c->out, "ERR %.*s cannot contain spaces, newlines or special characters.",
			     (int)c->argv[2].len, c->argv[2].ptr);
		return;
	}
	if (v.len > CLIENT_NAME_MAX) {
		reply_errorf(c->out, "ERR %.*s cannot be longer than %d bytes", (int)c->argv[2].len, c->argv[2].ptr,
			     CLIENT_NAME_MAX);
		return;
	}
	t = client_text_get(c->env, c->client);
	memcpy(ver ? t->lib_ver : t->lib_name, v.ptr, v.len);
	*(ver ? &t->lib_ver_len : &t->lib_name_len) = (uint8_t)v.len;
	reply_ok(c->out);
}

/* OFF and SKIP are not answered themselves. */
void cmd_client_reply(struct cmd_ctx *c)
{
	struct client *cl = c->client;

	if (cmd_arg_is(c, 2, "on")) {
		cl->flags &= ~(CLIENT_F_REPLY_OFF | CLIENT_F_SKIP_NEXT);
		c->out->muted = false;
		reply_ok(c->out);
	} else if (cmd_arg_is(c, 2, "off")) {
		cl->flags |= CLIENT_F_REPLY_OFF;
	} else if (cmd_arg_is(c, 2, "skip")) {
		if (!(cl->flags & CLIENT_F_REPLY_OFF))
			cl->flags |= CLIENT_F_SKIP_NEXT;
	} else {
		cmd_err_syntax(c);
	}
}

static void switch_flag(struct cmd_ctx *c, uint32_t flag)
{
	bool on = cmd_arg_is(c, 2, "on");

	if (!on && !cmd_arg_is(c, 2, "off")) {
		cmd_err_syntax(c);
		return;
	}
	c->client->flags = on ? c->client->flags | flag : c->client->flags & ~flag;
	reply_ok(c->out);
}

void cmd_client_no_evict(struct cmd_ctx *c)
{
	switch_flag(c, CLIENT_F_NO_EVICT);
}

void cmd_client_no_touch(struct cmd_ctx *c)
{
	switch_flag(c, CLIENT_F_NO_TOUCH);
}
