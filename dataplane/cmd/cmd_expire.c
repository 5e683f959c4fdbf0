/* Times to live: EXPIRE and its relatives. */
#include "base/num.h"
#include "cmd/handlers.h"

enum expire_cond {
	COND_NX = 1 << 0, /* only a key without TTL */
	COND_XX = 1 << 1, /* only one with a TTL */
	COND_GT = 1 << 2, /* only a later time; no TTL counts as never */
	COND_LT = 1 << 3, /* only an earlier time */
};

static bool expire_conditions(struct cmd_ctx *c, uint32_t *cond)
{
	static const char *const words[] = {"nx", "xx", "gt", "lt"};

	*cond = 0;
	for (uint32_t i = 3; i < c->argc; i++) {
		uint32_t w = 0;
		while (w < RP_ARRAY_LEN(words) && !cmd_arg_is(c, i, words[w]))
			w++;
		if (w == RP_ARRAY_LEN(words)) {
			reply_errorf(c->out, "ERR Unsupported option %.*s", (int)RP_MIN(c->argv[i].len, 128u),
				     c->argv[i].ptr);
			return false;
		}
		*cond |= 1u << w;
	}
	if ((*cond & COND_NX) && (*cond & ~COND_NX)) {
		reply_error(c->out, "ERR NX and XX, GT or LT options at the same time are not compatible");
		return false;
	}
	if ((*cond & COND_GT) && (*cond & COND_LT)) {
		reply_error(c->out, "ERR GT and LT options at the same time are not compatible");
		return false;
	}
	return true;
}

/* Argument 2 in units of unit_ms after base_ms, as absolute milliseconds. */
static bool expire_time(struct cmd_ctx *c, int64_t unit_ms, int64_t base_ms, int64_t *at_ms)
{
	int64_t v;

	if (!cmd_arg_i64(c, 2, &v))
		return false;
	if (__builtin_mul_overflow(v, unit_ms, &v) || __builtin_add_overflow(v, base_ms, at_ms)) {
		reply_errorf(c->out, "ERR invalid expire time in '%s' command", c->cmd->name);
		return false;
	}
	return true;
}

static bool condition_holds(uint32_t cond, int64_t now_at_ms, int64_t at_ms)
{
	bool has = now_at_ms >= 0;

	if ((cond & COND_NX) && has)
		return false;
	if ((cond & COND_XX) && !has)
		return false;
	if ((cond & COND_GT) && (!has || at_ms <= now_at_ms))
		return false;
	return !((cond & COND_LT) && has && at_ms >= now_at_ms);
}

static void expire_key(struct cmd_ctx *c, int64_t unit_ms, bool relative)
{
	struct slice key = c->argv[1];
	struct store *s = cmd_store(c, key);
	int64_t at_ms, now_ms = store_now_ms(s);
	uint32_t cond;
	char text[NUM_I64_CHARS];

	if (!expire_conditions(c, &cond) || !expire_time(c, unit_ms, relative ? now_ms : 0, &at_ms))
		return;
	struct object *o = store_peek(s, c->db, key);
	if (o == NULL || !condition_holds(cond, obj_expire_at(o), at_ms)) {
		reply_int(c->out, 0);
		return;
	}
	if (at_ms <= now_ms) {
		store_delete(s, c->db, key);
		store_event(s, EVENT_GENERIC, "del", c->db, key);
		cmd_effect(c, s, 2, (const struct slice[]){SLICE("DEL"), key});
	} else {
		o = store_write(s, c->db, key);
		if (!store_set_expire(s, c->db, &o, at_ms)) {
			cmd_err_oom(c);
			return;
		}
		store_event(s, EVENT_GENERIC, "expire", c->db, key);
		size_t n = num_format_i64(text, at_ms);
		cmd_effect(c, s, 3, (const struct slice[]){SLICE("PEXPIREAT"), key, {text, n}});
	}
	c->dirty++;
	reply_int(c->out, 1);
}

void cmd_expire(struct cmd_ctx *c)
{
	expire_key(c, 1000, true);
}

void cmd_pexpire(struct cmd_ctx *c)
{
	expire_key(c, 1, true);
}

void cmd_expireat(struct cmd_ctx *c)
{
	expire_key(c, 1000, false);
}

void cmd_pexpireat(struct cmd_ctx *c)
{
	expire_key(c, 1, false);
}

/* -2: no such key, -1: no TTL; else its time, in units, rounded to the nearest. */
static void reply_ttl(struct cmd_ctx *c, int64_t unit_ms, bool relative)
{
	struct store *s = cmd_store(c, c->argv[1]);
	struct object *o = store_look(s, c->db, c->argv[1]);
	int64_t at_ms = o ? obj_expire_at(o) : -2;

	if (at_ms < 0) {
		reply_int(c->out, at_ms);
		return;
	}
	int64_t v = relative ? at_ms - store_now_ms(s) : at_ms;
	reply_int(c->out, (v + unit_ms / 2) / unit_ms);
}

void cmd_ttl(struct cmd_ctx *c)
{
	reply_ttl(c, 1000, true);
}

void cmd_pttl(struct cmd_ctx *c)
{
	reply_ttl(c, 1, true);
}

void cmd_expiretime(struct cmd_ctx *c)
{
	reply_ttl(c, 1000, false);
}

void cmd_pexpiretime(struct cmd_ctx *c)
{
	reply_ttl(c, 1, false);
}

void cmd_persist(struct cmd_ctx *c)
{
	struct slice key = c->argv[1];
	struct store *s = cmd_store(c, key);
	struct object *o = store_peek(s, c->db, key);

	if (o == NULL || obj_expire_at(o) < 0) {
		reply_int(c->out, 0);
		return;
	}
	o = store_write(s, c->db, key);
	store_persist(s, c->db, &o);
	store_event(s, EVENT_GENERIC, "persist", c->db, key);
	c->dirty++;
	reply_int(c->out, 1);
}
