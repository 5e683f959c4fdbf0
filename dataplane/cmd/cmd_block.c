/* Waiting: time-outs, what a command waits for, WAIT and WAITAOF. */
#include <math.h>

#include "base/num.h"
#include "cmd/handlers.h"

static bool refuse(struct cmd_ctx *c, const char *err)
{
	reply_error(c->out, err);
	return false;
}

/* Redis adds it to its clock, which must not overflow. */
static bool timeout_ok(struct cmd_ctx *c, int64_t ms)
{
	if (ms < 0)
		return refuse(c, "ERR timeout is negative");
	return ms <= INT64_MAX - c->env->now->wall_us / 1000 || refuse(c, "ERR timeout is out of range");
}

bool cmd_arg_timeout_s(struct cmd_ctx *c, uint32_t i, int64_t *ms)
{
	long double s;

	if (!num_parse_ld(c->argv[i], &s) || isnan(s))
		return refuse(c, "ERR timeout is not a float or out of range");
	s *= 1000;
	if (s > (long double)INT64_MAX)
		return refuse(c, "ERR timeout is out of range");
	*ms = s <= -1 ? -1 : (int64_t)ceill(s);
	return timeout_ok(c, *ms);
}

bool cmd_arg_timeout_ms(struct cmd_ctx *c, uint32_t i, int64_t *ms)
{
	return cmd_arg_i64_in(c, i, INT64_MIN, INT64_MAX, ms, "ERR timeout is not an integer or out of range") &&
	       timeout_ok(c, *ms);
}

bool cmd_block_on(struct cmd_ctx *c, const struct cmd_block *b)
{
	if (c->deny_block) {
		reply_null_array(c->out);
		return false;
	}
	c->block = *b;
	c->block.on = true;
	return true;
}

/* XREAD and XREADGROUP say so, the others are there to wait. */
bool cmd_may_block(const struct cmd *cmd, uint32_t argc, const struct slice *argv)
{
	if (rp_likely(!(cmd->flags & CMD_F_BLOCKING)))
		return false;
	return cmd->getkeys != cmd_xread_getkeys || cmd_xread_may_block(argc, argv);
}

/* ---- WAIT, WAITAOF ----------------------------------------------------------------------------------------------- */

/* There are no replicas that could acknowledge anything, so WAIT only waits for its time. */

static void wait_for_time(struct cmd_ctx *c, int64_t timeout_ms)
{
	c->block = (struct cmd_block){.on = true, .timeout_ms = timeout_ms};
}

void cmd_wait(struct cmd_ctx *c)
{
	int64_t replicas, timeout;

	if (!cmd_arg_i64(c, 1, &replicas) || !cmd_arg_timeout_ms(c, 2, &timeout))
		return;
	if (replicas <= 0 || c->deny_block)
		reply_int(c->out, 0);
	else
		wait_for_time(c, timeout);
}

/* What was waited for is there, or the time is over. */
static void reply_waitaof(struct cmd_ctx *c)
{
	uint64_t round = c->block.durable;

	reply_array(c->out, 2);
	reply_int(c->out, round != 0 && round <= journal_synced(c->env->durable));
	reply_int(c->out, 0);
}

void cmd_waitaof(struct cmd_ctx *c)
{
	int64_t local, replicas, timeout;

	if (!cmd_arg_i64(c, 1, &local))
		return;
	if (local < 0 || local > 1) {
		refuse(c, "ERR value is out of range, value must between 0 and 1");
		return;
	}
	if (!cmd_arg_i64_in(c, 2, 0, INT64_MAX, &replicas, "ERR value is out of range, must be positive") ||
	    !cmd_arg_timeout_ms(c, 3, &timeout))
		return;
	if (local != 0 && !c->env->conf->aof_on) {
		refuse(c, "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.");
		return;
	}
	if (c->deny_block || (local == 0 && replicas == 0)) {
		reply_waitaof(c);
		return;
	}
	wait_for_time(c, timeout);
	if (!c->env->conf->aof_on)
		return;
	c->block.durable = journal_gate(c->env->durable);
	c->block.full_time = replicas != 0;
}
