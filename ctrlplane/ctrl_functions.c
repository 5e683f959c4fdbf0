/* Functions in snapshots: the control thread asks the script thread for them. */
#include <stdlib.h>

#include "ctrlplane/ctrl_persist.h"
#include "ctrlplane/script/script_persist.h"

static bool each(void *ctx, rdb_function_put_fn put, void *arg)
{
	struct ctrl *c = ctx;
	struct script_texts x = {.p = NULL};
	struct slice text;
	size_t at = 0;

	ctrl_call_one(c, msg_bus_script(c->bus), script_texts_gather, &x);
	while (script_texts_next(&x, &at, &text) && put(arg, text))
		;
	free(x.p);
	return !x.failed;
}

static int load(void *ctx, struct slice code, bool replace, struct err *e)
{
	struct ctrl *c = ctx;
	struct script_text_load x = {.text = code, .replace = replace};

	ctrl_call_one(c, msg_bus_script(c->bus), script_text_load, &x);
	if (x.ok)
		return 0;
	*e = x.err;
	return -1;
}

static void clear(void *ctx)
{
	struct ctrl *c = ctx;

	ctrl_call_one(c, msg_bus_script(c->bus), script_texts_clear, NULL);
}

void ctrl_functions_init(struct ctrl *c)
{
	c->persist->functions = (struct rdb_functions){.ctx = c, .each = each, .load = load, .clear = clear};
}
