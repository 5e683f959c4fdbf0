/* What workers ask of the control thread, and it of itself: the slow log. */
#include "ctrlplane/acl_log.h"
#include "ctrlplane/ctrl_priv.h"

static void log_slow(struct ctrl *c, struct slow_note *n)
{
	const struct cmd *cmd = cmd_at((uint32_t)n->cmd_id);
	if (!(cmd->flags & CMD_F_SKIP_SLOWLOG) && c->dp.slowlog_us >= 0 && n->us >= (uint64_t)c->dp.slowlog_us)
		slowlog_add(c->slowlog, n, (uint32_t)c->config.slowlog_max_len);
	if (c->dp.latency_ms != 0 && n->us >= c->dp.latency_ms * 1000)
		latency_add(c->latency, cmd->flags & CMD_F_FAST ? "fast-command" : "command", n->wall_us / 1000000,
			    (uint32_t)(n->us / 1000));
	heap_free_remote(n->heap, n);
}

static void up_slow(void *owner, struct msg *m)
{
	log_slow(owner, m->arg[0]);
}

void upcalls_own_slow(void *ctx, const struct cmd_ctx *cc, uint64_t us)
{
	struct ctrl *c = ctx;
	struct slow_note *n = slow_note_create(c->heap, cc, c->now.wall_us, us);

	if (n == NULL)
		return;
	if (c->host.serving != NULL)
		slow_note_hang(c->host.serving, n);
	else
		log_slow(c, n);
}

static void log_denied(struct ctrl *c, struct acl_note *n)
{
	acl_log_add(c->acl_log, n, &c->now, (uint32_t)c->config.acllog_max_len);
	acl_user_drop(n->client.cl.user);
	heap_free_remote(n->heap, n);
}

static void up_denied(void *owner, struct msg *m)
{
	log_denied(owner, m->arg[0]);
}

void upcalls_told(void *ctx, struct msg *m, const struct client *cl)
{
	for (struct slow_note *n = slow_notes_take(m, cl), *next; n != NULL; n = next) {
		next = n->next;
		log_slow(ctx, n);
	}
	for (struct acl_note *n = acl_notes_take(m, cl), *next; n != NULL; n = next) {
		next = n->next;
		log_denied(ctx, n);
	}
}

void upcalls_own_denied(void *ctx, const struct acl_denial *d)
{
	struct ctrl *c = ctx;
	struct acl_note *n = acl_note_create(c->heap, d, c->now.wall_us);
	if (n != NULL)
		log_denied(c, n);
}

struct worker_upcalls upcalls_table(void)
{
	return (struct worker_upcalls){.slow = up_slow, .denied = up_denied};
}
