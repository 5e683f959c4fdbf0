/* Strings: reading whole values and parts, and changing parts in place. */
#include "cmd/handlers.h"
#include "cmd/string_priv.h"

#include "base/num.h"

void cmd_get(struct cmd_ctx *c)
{
	bool wrong = false;
	const struct object *o = cmd_read_string(c, c->argv[1], &wrong);

	if (rp_likely(o != NULL))
		string_reply(c->out, o);
	else if (!wrong)
		reply_null(c->out);
}

void cmd_getdel(struct cmd_ctx *c)
{
	struct slice key = c->argv[1];
	struct store *s = cmd_store(c, key);
	bool wrong = false;
	const struct object *o = cmd_read_string(c, key, &wrong);

	if (o == NULL) {
		if (!wrong)
			reply_null(c->out);
		return;
	}
	string_reply(c->out, o);
	store_delete(s, c->db, key);
	store_event(s, EVENT_GENERIC, "del", c->db, key);
	string_effect_del(c, s, key);
	c->dirty++;
}

void cmd_strlen(struct cmd_ctx *c)
{
	bool wrong = false;
	const struct object *o = cmd_read_string(c, c->argv[1], &wrong);

	if (!wrong)
		reply_int(c->out, o != NULL ? (int64_t)obj_string_len(o) : 0);
}

/* Turns positions that may count from the end into [*start, *end] inside len bytes. false: nothing is left. */
static bool range_clamp(int64_t len, int64_t *start, int64_t *end)
{
	if (*start < 0 && *end < 0 && *start > *end)
		return false;
	if (*start < 0)
		*start = RP_MAX(*start + len, 0);
	if (*end < 0)
		*end = RP_MAX(*end + len, 0);
	if (*end >= len)
		*end = len - 1;
	return *start <= *end;
}

void cmd_getrange(struct cmd_ctx *c)
{
	bool wrong = false;
	int64_t start, end;
	const struct object *o;
	struct slice v;
	char buf[NUM_I64_CHARS];

	if (!cmd_arg_i64(c, 2, &start) || !cmd_arg_i64(c, 3, &end))
		return;
	o = cmd_read_string(c, c->argv[1], &wrong);
	if (wrong)
		return;
	v = o != NULL ? obj_string(o, buf) : SLICE("");
	if (range_clamp((int64_t)v.len, &start, &end))
		string_reply_part(c, o, (struct slice){v.ptr + start, (size_t)(end - start + 1)});
	else
		reply_bulk(c->out, "", 0);
}

void cmd_substr(struct cmd_ctx *c)
{
	cmd_getrange(c);
}

static bool append_more(struct cmd_ctx *c, struct store *s, struct slice key, struct object *o, size_t len)
{
	struct slice more = c->argv[2];
	char *p;

	o = string_commit(c, s, key, o);
	p = store_string_edit(s, c->db, key, &o, len + more.len);
	if (p == NULL) {
		cmd_err_oom(c);
		return false;
	}
	memcpy(p + len, more.ptr, more.len);
	return true;
}

void cmd_append(struct cmd_ctx *c)
{
	struct slice key = c->argv[1];
	struct store *s = cmd_store(c, key);
	bool wrong;
	struct object *o = string_peek(c, s, key, &wrong);
	size_t len = o != NULL ? obj_string_len(o) : 0, more = c->argv[2].len;

	if (wrong || (o != NULL && !string_size_ok(c, len, more)))
		return;
	if (!(o != NULL ? append_more(c, s, key, o, len) : string_put(c, s, key, 2, STORE_NO_EXPIRE)))
		return;
	store_event(s, EVENT_STRING, "append", c->db, key);
	c->dirty++;
	reply_int(c->out, (int64_t)(len + more));
}

void cmd_setrange(struct cmd_ctx *c)
{
	struct slice key = c->argv[1], v = c->argv[3];
	struct store *s = cmd_store(c, key);
	bool wrong;
	int64_t off;
	struct object *o;
	size_t len;
	char *p;

	if (!cmd_arg_i64(c, 2, &off))
		return;
	if (off < 0) {
		reply_error(c->out, "ERR offset is out of range");
		return;
	}
	o = string_peek(c, s, key, &wrong);
	if (wrong)
		return;
	len = o != NULL ? obj_string_len(o) : 0;
	if (v.len == 0) {
		reply_int(c->out, (int64_t)len);
		return;
	}
	if (!string_size_ok(c, (uint64_t)off, v.len))
		return;
	len = RP_MAX(len, (size_t)off + v.len);
	o = string_commit(c, s, key, o);
	p = store_string_edit(s, c->db, key, &o, len);
	if (p == NULL) {
		cmd_err_oom(c);
		return;
	}
	memcpy(p + off, v.ptr, v.len);
	store_event(s, EVENT_STRING, "setrange", c->db, key);
	c->dirty++;
	reply_int(c->out, (int64_t)len);
}
