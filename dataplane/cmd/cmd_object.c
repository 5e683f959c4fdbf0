/* How a value is stored: OBJECT, MEMORY USAGE, and DEBUG's relatives. */
#include <stdio.h>

#include "cmd/handlers.h"

#define DEFAULT_SAMPLES 5
#define POLICY_NOTE \
	" Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust."

/* The object of argument 2, seen without a trace; answers null if there is none. */
static struct object *object_arg(struct cmd_ctx *c, struct store **s)
{
	*s = cmd_store(c, c->argv[2]);
	struct object *o = store_peek(*s, c->db, c->argv[2]);
	if (o == NULL)
		reply_null(c->out);
	return o;
}

void cmd_object_encoding(struct cmd_ctx *c)
{
	struct store *s;
	struct object *o = object_arg(c, &s);

	if (o != NULL)
		reply_bulk_str(c->out, obj_enc_name(o->enc));
}

void cmd_object_freq(struct cmd_ctx *c)
{
	struct store *s;
	struct object *o = object_arg(c, &s);

	if (o == NULL)
		return;
	if (!c->env->conf->lfu)
		reply_error(c->out,
			    "ERR An LFU maxmemory policy is not selected, access frequency not tracked." POLICY_NOTE);
	else
		reply_int(c->out, obj_lfu_freq(s, o));
}

void cmd_object_idletime(struct cmd_ctx *c)
{
	struct store *s;
	struct object *o = object_arg(c, &s);

	if (o == NULL)
		return;
	if (c->env->conf->lfu)
		reply_error(c->out, "ERR An LFU maxmemory policy is selected, idle time not tracked." POLICY_NOTE);
	else
		reply_int(c->out, (int64_t)obj_idle_s(s, o));
}

/* Values are never shared between keys. */
void cmd_object_refcount(struct cmd_ctx *c)
{
	struct store *s;

	if (object_arg(c, &s) != NULL)
		reply_int(c->out, 1);
}

void cmd_memory_usage(struct cmd_ctx *c)
{
	struct store *s;
	int64_t samples = DEFAULT_SAMPLES;

	for (uint32_t i = 3; i < c->argc; i += 2) {
		if (!cmd_arg_is(c, i, "samples") || i + 1 >= c->argc) {
			cmd_err_syntax(c);
			return;
		}
		if (!cmd_arg_i64(c, i + 1, &samples))
			return;
		if (samples < 0) {
			cmd_err_syntax(c);
			return;
		}
	}
	struct object *o = object_arg(c, &s);
	if (o != NULL)
		reply_int(c->out, (int64_t)store_object_bytes(s, o, (uint32_t)RP_MIN(samples, UINT32_MAX)));
}

void cmd_debug_object(struct cmd_ctx *c)
{
	struct store *s = cmd_store(c, c->argv[2]);
	struct object *o = store_peek(s, c->db, c->argv[2]);
	char line[256];

	if (o == NULL) {
		cmd_err_no_key(c);
		return;
	}
	snprintf(line, sizeof line,
		 "Value at:%p refcount:1 encoding:%s serializedlength:%zu lru:%u lru_seconds_idle:%lu", (void *)o,
		 obj_enc_name(o->enc), o->type == OBJ_STRING ? obj_string_len(o) + 1 : 0, o->clock & 0xffffff,
		 c->env->conf->lfu ? 0ul : (unsigned long)obj_idle_s(s, o));
	reply_status(c->out, line);
}

void cmd_debug_sleep(struct cmd_ctx *c)
{
	double seconds;

	if (!cmd_arg_double(c, 2, &seconds))
		return;
	if (seconds > 0)
		c->hold_us = (uint64_t)(RP_MIN(seconds, 3600.0) * 1e6);
	reply_ok(c->out);
}
