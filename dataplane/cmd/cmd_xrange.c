/* Streams: XRANGE, XREVRANGE, XPENDING. */
#include "cmd/handlers.h"
#include "cmd/stream_cmd.h"

static bool range_count(struct cmd_ctx *c, int64_t *count)
{
	for (uint32_t i = 4; i < c->argc; i += 2) {
		if (i + 1 >= c->argc || !cmd_arg_is(c, i, "count")) {
			cmd_err_syntax(c);
			return false;
		}
		if (!cmd_arg_i64(c, i + 1, count))
			return false;
		*count = RP_MAX(*count, 0);
	}
	return true;
}

static void reply_range(struct cmd_ctx *c, const struct stream *s, struct stream_id from, struct stream_id to,
			uint64_t count, bool down)
{
	struct stream_iter it;
	struct stream_entry e;
	struct reply sub;
	uint64_t n = 0;

	reply_sub_begin(c->out, &sub);
	stream_iter_begin(&it, s, from, to, down);
	for (; n < count && !sub.failed && stream_iter_next(&it, &e); n++)
		stream_reply_entry(&sub, &e);
	reply_sub_end(c->out, &sub, REPLY_ARRAY, n);
}

static void range(struct cmd_ctx *c, bool down)
{
	struct stream_id from, to;
	int64_t count = -1;
	bool wrong;

	if (!stream_arg_range(c, down ? 3 : 2, down ? 2 : 3, &from, &to) || !range_count(c, &count))
		return;
	const struct stream *s = stream_read_key(c, c->argv[1], &wrong);
	if (wrong)
		return;
	if (s == NULL)
		reply_array(c->out, 0);
	else if (count == 0)
		reply_null_array(c->out);
	else
		reply_range(c, s, from, to, count < 0 ? UINT64_MAX : (uint64_t)count, down);
}

void cmd_xrange(struct cmd_ctx *c)
{
	range(c, false);
}

void cmd_xrevrange(struct cmd_ctx *c)
{
	range(c, true);
}

/* ---- XPENDING ------------------------------------------------------------------------------------------------ */

struct pending_args {
	struct stream_id from, to;
	int64_t count, min_idle;
	uint32_t consumer; /* argument; 0: all */
};

static bool pending_args(struct cmd_ctx *c, struct pending_args *a)
{
	uint32_t at = 3;

	*a = (struct pending_args){.count = 0};
	if (c->argc == 3)
		return true;
	if (c->argc < 6 || c->argc > 9) {
		cmd_err_syntax(c);
		return false;
	}
	if (cmd_arg_is(c, 3, "idle")) {
		if (!cmd_arg_i64(c, 4, &a->min_idle))
			return false;
		if (c->argc < 8) {
			cmd_err_syntax(c);
			return false;
		}
		at = 5;
	}
	if (!cmd_arg_i64(c, at + 2, &a->count) || !stream_arg_range(c, at, at + 1, &a->from, &a->to))
		return false;
	a->consumer = at + 3 < c->argc ? at + 3 : 0;
	return true;
}

static void pending_consumers(struct cmd_ctx *c, const struct stream_group *g)
{
	struct btree_pos pos = btree_first(&g->consumers);
	struct reply sub;
	uint64_t n = 0;

	reply_sub_begin(c->out, &sub);
	for (uint64_t i = 0; i < g->consumers.count; i++, btree_next(&pos)) {
		const struct stream_consumer *con = stream_consumer_at(pos);

		if (con->pel.count == 0)
			continue;
		reply_array(&sub, 2);
		reply_bulk_slice(&sub, con->name);
		reply_bulk_i64(&sub, (int64_t)con->pel.count);
		n++;
	}
	reply_sub_end(c->out, &sub, REPLY_ARRAY, n);
}

static void pending_summary(struct cmd_ctx *c, const struct stream_group *g)
{
	reply_array(c->out, 4);
	reply_int(c->out, (int64_t)g->pel.count);
	if (g->pel.count == 0) {
		reply_null(c->out);
		reply_null(c->out);
		reply_null_array(c->out);
		return;
	}
	stream_reply_id(c->out, stream_pending_at(btree_first(&g->pel))->id);
	stream_reply_id(c->out, stream_pending_at(btree_last(&g->pel))->id);
	pending_consumers(c, g);
}

static void pending_list(struct cmd_ctx *c, const struct btree *pel, const struct pending_args *a)
{
	int64_t now = store_clock_ms(cmd_store(c, c->argv[1])), left = a->count;
	struct btree_pos pos = stream_pending_from(pel, a->from);
	struct reply sub;

	reply_sub_begin(c->out, &sub);
	for (; left > 0 && pos.leaf != NULL && !sub.failed; btree_next(&pos)) {
		const struct stream_pending *p = stream_pending_at(pos);
		int64_t idle = stream_idle_ms(now, p->at_ms);

		if (stream_id_cmp(p->id, a->to) > 0)
			break;
		if (a->min_idle != 0 && idle < a->min_idle)
			continue;
		reply_array(&sub, 4);
		stream_reply_id(&sub, p->id);
		reply_bulk_slice(&sub, p->consumer->name);
		reply_int(&sub, RP_MAX(idle, 0));
		reply_int(&sub, (int64_t)p->deliveries);
		left--;
	}
	reply_sub_end(c->out, &sub, REPLY_ARRAY, (uint64_t)(RP_MAX(a->count, 0) - RP_MAX(left, 0)));
}

void cmd_xpending(struct cmd_ctx *c)
{
	struct pending_args a;
	bool wrong;

	if (!pending_args(c, &a))
		return;
	const struct stream *s = stream_read_key(c, c->argv[1], &wrong);
	if (wrong)
		return;
	const struct stream_group *g = s == NULL ? NULL : stream_group_find(s, c->argv[2]);
	if (g == NULL) {
		stream_err_no_group(c, c->argv[1], c->argv[2], "");
		return;
	}
	if (c->argc == 3) {
		pending_summary(c, g);
		return;
	}
	const struct stream_consumer *con = a.consumer == 0 ? NULL : stream_consumer_find(g, c->argv[a.consumer]);
	if (a.consumer != 0 && con == NULL)
		reply_array(c->out, 0);
	else
		pending_list(c, con != NULL ? &con->pel : &g->pel, &a);
}
