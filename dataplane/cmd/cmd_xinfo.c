/* Streams: XINFO. */
#include "cmd/handlers.h"
#include "cmd/stream_cmd.h"

#define FULL_COUNT 10 /* entries that FULL shows unless told */

/* Of argument 2; writes the error if there is none. */
static const struct stream *info_stream(struct cmd_ctx *c)
{
	bool wrong;
	const struct stream *s = stream_read_key(c, c->argv[2], &wrong);

	if (s == NULL && !wrong)
		cmd_err_no_key(c);
	return s;
}

static void field_int(struct reply *r, const char *name, uint64_t v)
{
	reply_bulk_str(r, name);
	reply_int(r, (int64_t)v);
}

static void field_id(struct reply *r, const char *name, struct stream_id id)
{
	reply_bulk_str(r, name);
	stream_reply_id(r, id);
}

static void field_name(struct reply *r, struct slice name)
{
	reply_bulk_str(r, "name");
	reply_bulk_slice(r, name);
}

/* The counters of a group: null where deletions hide them. */
static void field_read(struct reply *r, const struct stream *s, const struct stream_group *g)
{
	int64_t lag;

	reply_bulk_str(r, "entries-read");
	if (g->entries_read == STREAM_READ_UNKNOWN)
		reply_null(r);
	else
		reply_int(r, g->entries_read);
	reply_bulk_str(r, "lag");
	if (stream_group_lag(s, g, &lag))
		reply_int(r, lag);
	else
		reply_null(r);
}

/* ---- XINFO STREAM -------------------------------------------------------------------------------------------- */

/* What both forms begin with: seven fields. */
static void info_head(struct reply *r, const struct stream *s)
{
	field_int(r, "length", s->length);
	field_int(r, "radix-tree-keys", s->nodes.count);
	field_int(r, "radix-tree-nodes", s->nodes.count + 1);
	field_id(r, "last-generated-id", s->last_id);
	field_id(r, "max-deleted-entry-id", s->max_deleted);
	field_int(r, "entries-added", s->added);
	field_id(r, "recorded-first-entry-id", s->first_id);
}

static void field_edge(struct reply *r, const char *name, const struct stream *s, bool last)
{
	struct stream_iter it;
	struct stream_entry e;

	reply_bulk_str(r, name);
	stream_iter_begin(&it, s, STREAM_ID_MIN, STREAM_ID_MAX, last);
	if (stream_iter_next(&it, &e))
		stream_reply_entry(r, &e);
	else
		reply_null(r);
}

static void full_entries(struct reply *r, const struct stream *s, uint64_t count)
{
	struct stream_iter it;
	struct stream_entry e;

	reply_bulk_str(r, "entries");
	reply_array(r, RP_MIN(s->length, count));
	stream_iter_begin(&it, s, STREAM_ID_MIN, STREAM_ID_MAX, false);
	for (uint64_t i = 0; i < count && !r->failed && stream_iter_next(&it, &e); i++)
		stream_reply_entry(r, &e);
}

static void full_pending(struct reply *r, const struct btree *pel, uint64_t count, bool with_consumer)
{
	struct btree_pos pos = btree_first(pel);
	uint64_t n = RP_MIN(pel->count, count);

	field_int(r, "pel-count", pel->count);
	reply_bulk_str(r, "pending");
	reply_array(r, n);
	for (; n > 0 && !r->failed; n--, btree_next(&pos)) {
		const struct stream_pending *p = stream_pending_at(pos);

		reply_array(r, with_consumer ? 4 : 3);
		stream_reply_id(r, p->id);
		if (with_consumer)
			reply_bulk_slice(r, p->consumer->name);
		reply_int(r, p->at_ms);
		reply_int(r, (int64_t)p->deliveries);
	}
}

static void full_consumers(struct reply *r, const struct stream_group *g, uint64_t count)
{
	struct btree_pos pos = btree_first(&g->consumers);

	reply_bulk_str(r, "consumers");
	reply_array(r, g->consumers.count);
	for (uint64_t i = 0; i < g->consumers.count; i++, btree_next(&pos)) {
		const struct stream_consumer *con = stream_consumer_at(pos);

		reply_map(r, 5);
		field_name(r, con->name);
		field_int(r, "seen-time", (uint64_t)con->seen_ms);
		field_int(r, "active-time", (uint64_t)con->active_ms);
		full_pending(r, &con->pel, count, false);
	}
}

static void full_groups(struct reply *r, const struct stream *s, uint64_t count)
{
	struct btree_pos pos = btree_first(&s->groups);

	reply_bulk_str(r, "groups");
	reply_array(r, s->groups.count);
	for (uint64_t i = 0; i < s->groups.count; i++, btree_next(&pos)) {
		const struct stream_group *g = stream_group_at(pos);

		reply_map(r, 7);
		field_name(r, g->name);
		field_id(r, "last-delivered-id", g->last_id);
		field_read(r, s, g);
		full_pending(r, &g->pel, count, true);
		full_consumers(r, g, count);
	}
}

/* FULL [COUNT n]. */
static bool full_count(struct cmd_ctx *c, uint64_t *count)
{
	int64_t n = FULL_COUNT;

	if ((c->argc != 4 && c->argc != 6) || !cmd_arg_is(c, 3, "full") ||
	    (c->argc == 6 && !cmd_arg_is(c, 4, "count"))) {
		reply_errorf(c->out, "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try XINFO HELP.",
			     (int)RP_MIN(c->argv[1].len, 128u), c->argv[1].ptr);
		return false;
	}
	if (c->argc == 6 && !cmd_arg_i64(c, 5, &n))
		return false;
	*count = n < 0 ? FULL_COUNT : n == 0 ? UINT64_MAX : (uint64_t)n;
	return true;
}

void cmd_xinfo_stream(struct cmd_ctx *c)
{
	const struct stream *s = info_stream(c);
	uint64_t count;

	if (s == NULL)
		return;
	if (c->argc > 3) {
		if (!full_count(c, &count))
			return;
		reply_map(c->out, 9);
		info_head(c->out, s);
		full_entries(c->out, s, count);
		full_groups(c->out, s, count);
		return;
	}
	reply_map(c->out, 10);
	info_head(c->out, s);
	field_int(c->out, "groups", s->groups.count);
	field_edge(c->out, "first-entry", s, false);
	field_edge(c->out, "last-entry", s, true);
}

/* ---- XINFO GROUPS, XINFO CONSUMERS --------------------------------------------------------------------------- */

void cmd_xinfo_groups(struct cmd_ctx *c)
{
	const struct stream *s = info_stream(c);

	if (s == NULL)
		return;
	struct btree_pos pos = btree_first(&s->groups);
	reply_array(c->out, s->groups.count);
	for (uint64_t i = 0; i < s->groups.count; i++, btree_next(&pos)) {
		const struct stream_group *g = stream_group_at(pos);

		reply_map(c->out, 6);
		field_name(c->out, g->name);
		field_int(c->out, "consumers", g->consumers.count);
		field_int(c->out, "pending", g->pel.count);
		field_id(c->out, "last-delivered-id", g->last_id);
		field_read(c->out, s, g);
	}
}

void cmd_xinfo_consumers(struct cmd_ctx *c)
{
	const struct stream *s = info_stream(c);
	struct slice key = c->argv[2], name = c->argv[3];

	if (s == NULL)
		return;
	const struct stream_group *g = stream_group_find(s, name);
	if (g == NULL) {
		reply_errorf(c->out, "NOGROUP No such consumer group '%.*s' for key name '%.*s'",
			     (int)RP_MIN(name.len, 512u), name.ptr, (int)RP_MIN(key.len, 512u), key.ptr);
		return;
	}
	int64_t now = store_clock_ms(cmd_store(c, key));
	struct btree_pos pos = btree_first(&g->consumers);
	reply_array(c->out, g->consumers.count);
	for (uint64_t i = 0; i < g->consumers.count; i++, btree_next(&pos)) {
		const struct stream_consumer *con = stream_consumer_at(pos);

		reply_map(c->out, 4);
		field_name(c->out, con->name);
		field_int(c->out, "pending", con->pel.count);
		reply_bulk_str(c->out, "idle");
		reply_int(c->out, RP_MAX(stream_idle_ms(now, con->seen_ms), 0));
		reply_bulk_str(c->out, "inactive");
		reply_int(c->out, con->active_ms < 0 ? -1 : RP_MAX(stream_idle_ms(now, con->active_ms), 0));
	}
}
