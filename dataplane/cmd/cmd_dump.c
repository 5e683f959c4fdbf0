/* DUMP and RESTORE: a value in the format of RDB files, with the version (2 bytes) and a CRC-64 (8 bytes) behind it. */
#include "base/num.h"
#include "cmd/handlers.h"
#include "store/rdb/rdb.h"

void cmd_dump(struct cmd_ctx *c)
{
	const struct object *o = cmd_read(c, c->argv[1]);
	struct rdb_out w;

	if (o == NULL) {
		reply_null(c->out);
		return;
	}
	rdb_out_init(&w, c->env->heap, true);
	rdb_put_value(&w, o);
	rdb_put_footer(&w, rdb_version_of(o));
	if (w.failed)
		cmd_err_oom(c);
	else
		reply_bulk(c->out, w.p, w.len);
	rdb_out_fini(&w);
}

struct restore {
	int64_t ttl_ms, idle_s, freq; /* -1: not given */
	bool replace, absolute;
	struct slice body; /* type and value */
};

static bool option_number(struct cmd_ctx *c, uint32_t i, int64_t max, int64_t *out, const char *err)
{
	if (!cmd_arg_i64(c, i, out))
		return false;
	if (*out >= 0 && *out <= max)
		return true;
	reply_error(c->out, err);
	return false;
}

static bool restore_options(struct cmd_ctx *c, struct restore *r)
{
	*r = (struct restore){.idle_s = -1, .freq = -1};
	for (uint32_t i = 4; i < c->argc; i++) {
		bool more = i + 1 < c->argc;
		if (cmd_arg_is(c, i, "replace")) {
			r->replace = true;
		} else if (cmd_arg_is(c, i, "absttl")) {
			r->absolute = true;
		} else if (cmd_arg_is(c, i, "idletime") && more && r->freq == -1) {
			if (!option_number(c, ++i, INT64_MAX, &r->idle_s, "ERR Invalid IDLETIME value, must be >= 0"))
				return false;
		} else if (cmd_arg_is(c, i, "freq") && more && r->idle_s == -1) {
			if (!option_number(c, ++i, 255, &r->freq, "ERR Invalid FREQ value, must be >= 0 and <= 255"))
				return false;
		} else {
			cmd_err_syntax(c);
			return false;
		}
	}
	return true;
}

static void restore_effect(struct cmd_ctx *c, struct store *s, const struct restore *r)
{
	char ttl[NUM_I64_CHARS];
	struct slice at = {ttl, num_format_i64(ttl, r->ttl_ms)};

	cmd_effect(c, s, 6,
		   (struct slice[]){SLICE("RESTORE"), c->argv[1], at, c->argv[3], SLICE("ABSTTL"), SLICE("REPLACE")});
}

static enum rdb_loaded load(struct cmd_ctx *c, struct store *s, const struct restore *r)
{
	struct rdb_in in = {.p = (const uint8_t *)r->body.ptr,
			    .end = (const uint8_t *)r->body.ptr + r->body.len,
			    .heap = c->env->heap};
	struct rdb_target t = {.s = s,
			       .db = c->db,
			       .key = c->argv[1],
			       .expire_at_ms = r->ttl_ms == 0 ? STORE_NO_EXPIRE : r->ttl_ms,
			       .limits = &c->env->conf->types,
			       .rng = c->rng,
			       .deep = true};

	return rdb_load_value(&in, rdb_get_u8(&in), &t);
}

static void restored(struct cmd_ctx *c, struct store *s, const struct restore *r, bool replaced)
{
	struct object *o = store_peek(s, c->db, c->argv[1]);

	if (o != NULL && r->idle_s >= 0)
		obj_set_idle(s, o, (uint64_t)r->idle_s);
	if (o != NULL && r->freq >= 0)
		obj_set_freq(s, o, (uint8_t)r->freq);
	restore_effect(c, s, r);
	if (replaced) /* Redis deletes it and adds another */
		store_event(s, EVENT_NEW, "new", c->db, c->argv[1]);
	store_event(s, EVENT_GENERIC, "restore", c->db, c->argv[1]);
	c->dirty++;
	reply_ok(c->out);
}

/* The value's time is over already: it goes, and what it has replaced is gone with it. */
static void restored_too_late(struct cmd_ctx *c, struct store *s, bool replaced)
{
	store_delete(s, c->db, c->argv[1]);
	if (replaced) {
		cmd_effect(c, s, 2, (struct slice[]){SLICE("DEL"), c->argv[1]});
		store_event(s, EVENT_GENERIC, "del", c->db, c->argv[1]);
		c->dirty++;
	}
	reply_ok(c->out);
}

void cmd_restore(struct cmd_ctx *c)
{
	struct store *s = cmd_store(c, c->argv[1]);
	struct restore r;

	if (!restore_options(c, &r))
		return;
	bool there = store_peek(s, c->db, c->argv[1]) != NULL;
	if (!r.replace && there) {
		reply_error(c->out, "BUSYKEY Target key name already exists.");
		return;
	}
	if (!option_number(c, 2, INT64_MAX, &r.ttl_ms, "ERR Invalid TTL value, must be >= 0"))
		return;
	if (!rdb_payload_open(c->argv[3], &r.body)) {
		reply_error(c->out, "ERR DUMP payload version or checksum are wrong");
		return;
	}
	if (r.ttl_ms != 0 && !r.absolute && __builtin_add_overflow(r.ttl_ms, store_now_ms(s), &r.ttl_ms)) {
		reply_error(c->out, "ERR Invalid TTL value, must be >= 0");
		return;
	}
	/* Nonsense is refused also then. */
	bool over = r.ttl_ms != 0 && r.ttl_ms <= store_now_ms(s);
	if (over)
		r.ttl_ms = 0;
	switch (load(c, s, &r)) {
	case RDB_LOADED:
		if (over)
			restored_too_late(c, s, there);
		else
			restored(c, s, &r, there);
		return;
	case RDB_NO_MEMORY:
		cmd_err_oom(c);
		return;
	default:
		reply_error(c->out, "ERR Bad data format");
	}
}
