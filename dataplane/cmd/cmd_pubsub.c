/* SUBSCRIBE, PUBLISH and their kin. */
#include "cmd/handlers.h"
#include "cmd/pubsub.h"

static const char *const subscribed[PUBSUB_KINDS] = {"subscribe", "psubscribe", "ssubscribe"};
static const char *const unsubscribed[PUBSUB_KINDS] = {"unsubscribe", "punsubscribe", "sunsubscribe"};

/* What a reply about a name of that kind counts. */
static uint32_t count_of(const struct client *cl, enum pubsub_kind of)
{
	if (cl->listens == NULL)
		return 0;
	return of == PUBSUB_SHARD ? cl->listens->shards : cl->listens->channels + cl->listens->patterns;
}

/* One confirmation. It is a push, so CLIENT REPLY does not silence it. name: NULL if there was nothing to leave. */
static void confirm(struct cmd_ctx *c, enum pubsub_kind of, const char *what, const struct slice *name)
{
	bool muted = c->out->muted;

	c->out->muted = false;
	reply_push(c->out, 3);
	reply_bulk_str(c->out, what);
	if (name != NULL)
		reply_bulk_slice(c->out, *name);
	else
		reply_null(c->out);
	reply_int(c->out, count_of(c->client, of));
	c->out->muted = muted;
}

/* A thread without sessions and channels has nobody to do it. */
static bool possible(struct cmd_ctx *c)
{
	if (c->env->pubsub == NULL)
		reply_errorf(c->out, "ERR '%s' is not available here", c->cmd->name);
	return c->env->pubsub != NULL;
}

static void subscribe(struct cmd_ctx *c, enum pubsub_kind of)
{
	if (!possible(c))
		return;
	for (uint32_t i = 1; i < c->argc; i++) {
		if (c->env->pubsub->subscribe(c->env->host, c->client, of, c->argv[i]) == PUBSUB_NOMEM) {
			cmd_err_oom(c);
			return;
		}
		confirm(c, of, subscribed[of], &c->argv[i]);
	}
}

static void unsubscribe_all(struct cmd_ctx *c, enum pubsub_kind of)
{
	struct slice name;
	uint32_t n = 0;

	for (; c->env->pubsub->any(c->env->host, c->client, of, &name); n++) {
		if (c->env->pubsub->unsubscribe(c->env->host, c->client, of, name) == PUBSUB_NOMEM) {
			cmd_err_oom(c);
			return;
		}
		confirm(c, of, unsubscribed[of], &name);
	}
	if (n == 0)
		confirm(c, of, unsubscribed[of], NULL);
}

static void unsubscribe(struct cmd_ctx *c, enum pubsub_kind of)
{
	if (!possible(c))
		return;
	if (c->argc == 1)
		unsubscribe_all(c, of);
	for (uint32_t i = 1; i < c->argc; i++) {
		if (c->env->pubsub->unsubscribe(c->env->host, c->client, of, c->argv[i]) == PUBSUB_NOMEM) {
			cmd_err_oom(c);
			return;
		}
		confirm(c, of, unsubscribed[of], &c->argv[i]);
	}
}

void client_unsubscribe_all(const struct cmd_env *env, struct client *cl)
{
	struct slice name;

	for (int of = 0; cl->listens != NULL && of < PUBSUB_KINDS; of++)
		while (env->pubsub->any(env->host, cl, of, &name) &&
		       env->pubsub->unsubscribe(env->host, cl, of, name) == PUBSUB_CHANGED)
			;
}

void cmd_subscribe(struct cmd_ctx *c)
{
	subscribe(c, PUBSUB_CHANNEL);
}

void cmd_psubscribe(struct cmd_ctx *c)
{
	subscribe(c, PUBSUB_PATTERN);
}

void cmd_ssubscribe(struct cmd_ctx *c)
{
	if (c->deny_block) {
		reply_error(c->out, "ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client");
		return;
	}
	subscribe(c, PUBSUB_SHARD);
}

void cmd_unsubscribe(struct cmd_ctx *c)
{
	unsubscribe(c, PUBSUB_CHANNEL);
}

void cmd_punsubscribe(struct cmd_ctx *c)
{
	unsubscribe(c, PUBSUB_PATTERN);
}

void cmd_sunsubscribe(struct cmd_ctx *c)
{
	unsubscribe(c, PUBSUB_SHARD);
}

static void publish(struct cmd_ctx *c, enum pubsub_kind of)
{
	if (!possible(c))
		return;
	struct blob *blob = c->req != NULL ? resp_request_take_blob(c->req, 2) : NULL;
	int64_t n = c->env->pubsub->publish(c->env->host, of, c->argv[1], c->argv[2], blob);

	if (blob != NULL)
		blob_unref(blob, c->env->heap);
	if (n < 0)
		cmd_err_oom(c);
	else
		reply_int(c->out, n);
}

void cmd_publish(struct cmd_ctx *c)
{
	publish(c, PUBSUB_CHANNEL);
}

void cmd_spublish(struct cmd_ctx *c)
{
	publish(c, PUBSUB_SHARD);
}
