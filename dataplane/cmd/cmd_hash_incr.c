/* Hashes: counters in fields. They keep their field's TTL. */
#include <math.h>

#include "cmd/handlers.h"
#include "cmd/hash_cmd.h"

/* The hash for a change of the field of argument 2, which is in *it if *found. */
static struct object *counter_of(struct cmd_ctx *c, struct store *s, struct hash_item *it, bool *found, bool *wrong)
{
	struct object *o = hash_cmd_settled(c, s, 1, c->argv + 2, 1, wrong);

	*found = o != NULL && hash_get(o, c->argv[2], store_now_ms(s), it);
	return o;
}

static bool counter_put(struct cmd_ctx *c, struct store *s, struct object *o, struct slice value, const char *event)
{
	struct hash_rules rules = hash_cmd_rules(c);
	struct slice pair[] = {c->argv[2], value};

	if (hash_set(s, c->db, c->argv[1], o, 1, pair, HASH_KEEP_TTL, &rules) == HASH_NO_MEMORY) {
		cmd_err_oom(c);
		return false;
	}
	store_event(s, EVENT_HASH, event, c->db, c->argv[1]);
	c->dirty++;
	return true;
}

void cmd_hincrby(struct cmd_ctx *c)
{
	struct store *s = cmd_store(c, c->argv[1]);
	struct hash_item it;
	int64_t v = 0, delta;
	bool found, wrong;
	char text[NUM_I64_CHARS];

	if (!cmd_arg_i64(c, 3, &delta))
		return;
	struct object *o = counter_of(c, s, &it, &found, &wrong);

	if (wrong)
		return;
	if (found && !num_parse_i64(it.value, &v)) {
		reply_error(c->out, "ERR hash value is not an integer");
		return;
	}
	if (__builtin_add_overflow(v, delta, &v)) {
		reply_error(c->out, "ERR increment or decrement would overflow");
		return;
	}
	if (counter_put(c, s, o, (struct slice){text, num_format_i64(text, v)}, "hincrby"))
		reply_int(c->out, v);
}

/* The journal gets the sum. */
static void effect_sum(struct cmd_ctx *c, struct store *s, bool has_ttl, struct slice sum)
{
	struct slice key = c->argv[1], field = c->argv[2];

	if (has_ttl)
		cmd_effect(c, s, 7,
			   (struct slice[]){SLICE("HSETEX"), key, SLICE("KEEPTTL"), SLICE("FIELDS"), SLICE("1"), field,
					    sum});
	else
		cmd_effect(c, s, 4, (struct slice[]){SLICE("HSET"), key, field, sum});
}

void cmd_hincrbyfloat(struct cmd_ctx *c)
{
	struct store *s = cmd_store(c, c->argv[1]);
	struct hash_item it;
	long double v = 0, delta;
	bool found, wrong;
	char text[NUM_LD_CHARS];

	if (!num_parse_ld(c->argv[3], &delta)) {
		reply_error(c->out, "ERR value is not a valid float");
		return;
	}
	if (!isfinite(delta)) {
		reply_error(c->out, "ERR value is NaN or Infinity");
		return;
	}
	struct object *o = counter_of(c, s, &it, &found, &wrong);

	if (wrong)
		return;
	if (found && !num_parse_ld(it.value, &v)) {
		reply_error(c->out, "ERR hash value is not a float");
		return;
	}
	v += delta;
	if (!isfinite(v)) {
		reply_error(c->out, "ERR increment would produce NaN or Infinity");
		return;
	}
	struct slice sum = {text, num_format_ld_human(text, v)};

	if (!counter_put(c, s, o, sum, "hincrbyfloat"))
		return;
	effect_sum(c, s, found && it.at_ms != HASH_NO_TTL, sum);
	reply_bulk_slice(c->out, sum);
}
