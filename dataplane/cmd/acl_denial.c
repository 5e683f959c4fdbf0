#include "cmd/acl_denial.h"
#include "cmd/table.h"

static void report(const struct cmd_env *env, const struct acl_denial *d)
{
	struct acl_counts *n = env->acl_counts;

	if (n != NULL)
		switch (d->why) {
		case ACL_DENIED_CMD:
			n->cmd++;
			break;
		case ACL_DENIED_KEY:
			n->key++;
			break;
		case ACL_DENIED_CHANNEL:
			n->channel++;
			break;
		default:
			n->auth++;
		}
	if (env->acl_denied != NULL)
		env->acl_denied(env->owner, d);
}

void acl_report(const struct cmd_env *env, const struct client *cl, enum acl_verdict why, enum acl_context where,
		const struct cmd *cmd, struct slice arg)
{
	struct acl_denial d = {.why = why,
			       .where = where,
			       .object = why == ACL_DENIED_CMD ? cmd_text(acl_command(cmd)->name) : arg,
			       .username = cl->user != NULL ? cl->user->name : SLICE("default"),
			       .client = cl};

	report(env, &d);
}

void acl_report_auth(const struct cmd_env *env, const struct client *cl, struct slice word, struct slice username)
{
	struct acl_denial d = {.why = ACL_DENIED_AUTH,
			       .where = client_in_multi(cl) ? ACL_IN_MULTI : ACL_IN_TOPLEVEL,
			       .object = word,
			       .username = username,
			       .client = cl};

	report(env, &d);
}
