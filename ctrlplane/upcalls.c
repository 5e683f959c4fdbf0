/* What workers ask of the control thread, and it of itself: index tables, the slow log. */
#include "ctrlplane/ctrl_priv.h"

static void give_table(void *owner, struct msg *m)
{
	index_give_table(m->arg[0], m->arg[1]);
}

static void up_build_table(void *owner, struct msg *m)
{
	struct ctrl *c = owner;
	struct worker *w = m->arg[2];
	struct index *ix = m->arg[0];
	struct msg *back = msg_get(c->bus, msg_bus_control(c->bus));
	struct index_table *t = index_table_create(index_name(ix), index_seed(ix), (uint32_t)(uintptr_t)m->arg[1]);
	if (t == NULL)
		log_write(LOG_WARNING, "no memory for a larger index table; raise eal-memory");
	if (back == NULL) {
		index_table_destroy(t); /* the index then grows in place */
		return;
	}
	back->kind = MSG_CALL_SHARD;
	back->owner = (uint8_t)w->id;
	back->fn = give_table;
	back->arg[0] = ix;
	back->arg[1] = t;
	back->arg[3] = NULL;
	msg_send(c->bus, back);
}

static void up_drop_table(void *owner, struct msg *m)
{
	index_table_destroy(m->arg[0]);
}

static void up_slow(void *owner, struct msg *m)
{
	struct ctrl *c = owner;
	struct slow_note *n = m->arg[0];
	const struct cmd *cmd = cmd_at((uint32_t)n->cmd_id);
	if (!(cmd->flags & CMD_F_SKIP_SLOWLOG) && c->dp.slowlog_us >= 0 && n->us >= (uint64_t)c->dp.slowlog_us)
		slowlog_add(c->slowlog, n, (uint32_t)c->config.slowlog_max_len);
	if (c->dp.latency_ms != 0 && n->us >= c->dp.latency_ms * 1000)
		latency_add(c->latency, cmd->flags & CMD_F_FAST ? "fast-command" : "command", n->wall_us / 1000000,
			    (uint32_t)(n->us / 1000));
	heap_free_remote(n->heap, n);
}

void upcalls_own_slow(void *ctx, const struct cmd_ctx *cc, uint64_t us)
{
	struct ctrl *c = ctx;
	struct slow_note *n = slow_note_create(c->heap, cc, c->now.wall_us, us);
	struct msg m = {.arg = {n}};
	if (n != NULL)
		up_slow(c, &m);
}

struct worker_upcalls upcalls_table(void)
{
	return (struct worker_upcalls){.build_table = up_build_table, .drop_table = up_drop_table, .slow = up_slow};
}
