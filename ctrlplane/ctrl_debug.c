/* DEBUG LOG, CHANGE-REPL-ID and SET-DISABLE-DENY-SCRIPTS. */
#include "ctrlplane/ctrl_priv.h"

void ctrl_make_id(char id[41])
{
	uint8_t random[20];

	rng_system(random, sizeof random);
	for (uint32_t i = 0; i < sizeof random; i++)
		snprintf(id + 2 * i, 3, "%02x", random[i]);
}

static void ctrl_debug_log(struct cmd_ctx *c)
{
	log_write(LOG_WARNING, "DEBUG LOG: %.*s", (int)RP_MIN(c->argv[2].len, 512u), c->argv[2].ptr);
	reply_ok(c->out);
}

static void ctrl_debug_change_repl_id(struct cmd_ctx *c)
{
	struct ctrl *ctl = ctrl_of(c);

	ctrl_make_id(ctl->replid);
	log_write(LOG_NOTICE, "Changing replication IDs after receiving change-repl-id");
	reply_ok(c->out);
}

/* What DEBUG answers by itself is enough for tests of how scripts see replies. */
static void ctrl_debug_deny_scripts(struct cmd_ctx *c)
{
	struct ctrl *ctl = ctrl_of(c);

	ctl->debug_scripts = slice_is(c->argv[2], "1");
	ctrl_publish_conf(ctl);
	reply_ok(c->out);
}

void ctrl_bind_debug(void)
{
	cmd_bind("debug|set-disable-deny-scripts", ctrl_debug_deny_scripts);
	cmd_bind("debug|log", ctrl_debug_log);
	cmd_bind("debug|change-repl-id", ctrl_debug_change_repl_id);
}
