/* Counters: INCR and its relatives. */
#include "cmd/handlers.h"
#include "cmd/string_priv.h"

#include <math.h>

#include "base/num.h"

static bool counter_value(struct cmd_ctx *c, const struct object *o, int64_t *v)
{
	char buf[NUM_I64_CHARS];

	if (rp_likely(o->enc == ENC_INT)) {
		*v = obj_int(o);
		return true;
	}
	if (num_parse_i64(obj_string(o, buf), v))
		return true;
	reply_error(c->out, "ERR value is not an integer or out of range");
	return false;
}

static void counter_add(struct cmd_ctx *c, int64_t delta)
{
	struct slice key = c->argv[1];
	struct store *s = cmd_store(c, key);
	bool wrong;
	struct object *o = string_peek(c, s, key, &wrong);
	int64_t v = 0;

	if (wrong || (o != NULL && !counter_value(c, o, &v)))
		return;
	if (__builtin_add_overflow(v, delta, &v)) {
		reply_error(c->out, "ERR increment or decrement would overflow");
		return;
	}
	o = string_commit(c, s, key, o);
	if (store_set_int(s, c->db, key, o, v) == NULL) {
		cmd_err_oom(c);
		return;
	}
	store_event(s, EVENT_STRING, "incrby", c->db, key);
	c->dirty++;
	reply_int(c->out, v);
}

void cmd_incr(struct cmd_ctx *c)
{
	counter_add(c, 1);
}

void cmd_decr(struct cmd_ctx *c)
{
	counter_add(c, -1);
}

void cmd_incrby(struct cmd_ctx *c)
{
	int64_t delta;

	if (cmd_arg_i64(c, 2, &delta))
		counter_add(c, delta);
}

void cmd_decrby(struct cmd_ctx *c)
{
	int64_t delta;

	if (!cmd_arg_i64(c, 2, &delta))
		return;
	if (delta == INT64_MIN) {
		reply_error(c->out, "ERR decrement would overflow");
		return;
	}
	counter_add(c, -delta);
}

static bool float_value(struct cmd_ctx *c, struct slice text, long double *v)
{
	if (num_parse_ld(text, v))
		return true;
	reply_error(c->out, "ERR value is not a valid float");
	return false;
}

/* Writes the digits as Redis leaves them: text, never an integer, and the TTL stays. */
static bool float_store(struct cmd_ctx *c, struct store *s, struct slice key, struct object *o, struct slice digits)
{
	char *p;

	o = string_commit(c, s, key, o);
	p = store_string_edit(s, c->db, key, &o, digits.len);
	if (p == NULL) {
		cmd_err_oom(c);
		return false;
	}
	memcpy(p, digits.ptr, digits.len);
	if (digits.len <= OBJ_EMBSTR_MAX)
		o->enc = ENC_EMBSTR;
	return true;
}

void cmd_incrbyfloat(struct cmd_ctx *c)
{
	struct slice key = c->argv[1], digits;
	struct store *s = cmd_store(c, key);
	bool wrong;
	struct object *o = string_peek(c, s, key, &wrong);
	long double v = 0, delta;
	char buf[NUM_LD_CHARS];

	if (wrong || (o != NULL && !float_value(c, obj_string(o, buf), &v)) || !float_value(c, c->argv[2], &delta))
		return;
	v += delta;
	if (!isfinite(v)) {
		reply_error(c->out, "ERR increment would produce NaN or Infinity");
		return;
	}
	digits = (struct slice){buf, num_format_ld_human(buf, v)};
	if (!float_store(c, s, key, o, digits))
		return;
	store_event(s, EVENT_STRING, "incrbyfloat", c->db, key);
	string_effect_set(c, s, key, digits, STORE_KEEP_TTL);
	c->dirty++;
	reply_bulk_slice(c->out, digits);
}
