/* SSCAN: a table bucket by bucket, a compact set at once. */
#include "base/glob.h"
#include "cmd/cursor.h"
#include "cmd/handlers.h"
#include "cmd/set_cmd.h"

#define SCAN_COUNT 10 /* default of COUNT */

struct member_filter {
	struct reply sub;
	struct slice pattern; /* ptr NULL: everything */
	uint64_t seen, kept;
};

static void keep_member(struct member_filter *f, struct slice m)
{
	f->seen++;
	if (f->pattern.ptr != NULL && !glob_match(f->pattern, m, false))
		return;
	reply_bulk_slice(&f->sub, m);
	f->kept++;
}

static void keep_elem(void *ctx, struct elem *e)
{
	keep_member(ctx, elem_name(e));
}

static bool sscan_options(struct cmd_ctx *c, struct slice *pattern, int64_t *count)
{
	*count = SCAN_COUNT;
	for (uint32_t i = 3; i < c->argc; i += 2) {
		bool more = i + 1 < c->argc;
		if (more && cmd_arg_is(c, i, "count")) {
			if (!cmd_arg_i64(c, i + 1, count))
				return false;
			if (*count >= 1)
				continue;
		} else if (more && cmd_arg_is(c, i, "match")) {
			*pattern = slice_eq(c->argv[i + 1], SLICE("*")) ? (struct slice){NULL, 0} : c->argv[i + 1];
			continue;
		}
		cmd_err_syntax(c);
		return false;
	}
	return true;
}

/* Returns the next cursor. */
static uint64_t scan_set(const struct object *o, uint64_t cursor, uint64_t count, struct member_filter *f)
{
	char buf[NUM_I64_CHARS];
	struct set_iter it;
	struct lp_key m;

	if (o->enc == ENC_HASHTABLE) {
		const struct htab *t = &((const struct set_table *)obj_payload(o))->t;
		uint64_t calls = count > UINT64_MAX / 10 ? count : count * 10;
		do
			cursor = htab_scan(t, cursor, keep_elem, f);
		while (cursor != 0 && f->seen < count && --calls > 0);
		return cursor;
	}
	set_iter_begin(&it, o);
	while (set_iter_next(&it, &m, buf))
		keep_member(f, m.s);
	return 0;
}

void cmd_sscan(struct cmd_ctx *c)
{
	struct member_filter f = {.kept = 0};
	char text[NUM_I64_CHARS];
	uint64_t cursor;
	int64_t count;
	bool wrong;

	if (!cursor_parse(c->argv[2], &cursor)) {
		reply_error(c->out, "ERR invalid cursor");
		return;
	}
	const struct object *o = set_cmd_read(c, c->argv[1], &wrong);

	if (wrong || (o != NULL && !sscan_options(c, &f.pattern, &count)))
		return;
	reply_sub_begin(c->out, &f.sub);
	cursor = o != NULL ? scan_set(o, cursor, (uint64_t)count, &f) : 0;
	reply_array(c->out, 2);
	reply_bulk(c->out, text, num_format_u64(text, cursor));
	reply_sub_end(c->out, &f.sub, REPLY_ARRAY, f.kept);
}
