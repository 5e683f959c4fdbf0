/* HSCAN: a table bucket by bucket, a listpack at once. */
#include "base/glob.h"
#include "cmd/cursor.h"
#include "cmd/handlers.h"
#include "cmd/hash_cmd.h"

#define SCAN_COUNT 10 /* default of COUNT */

struct field_filter {
	struct reply sub;
	struct slice pattern; /* ptr NULL: everything */
	bool values;
	uint64_t seen, kept;
};

static void keep_field(void *ctx, const struct hash_item *it)
{
	struct field_filter *f = ctx;

	f->seen++;
	if (f->pattern.ptr != NULL && !glob_match(f->pattern, it->field, false))
		return;
	reply_bulk_slice(&f->sub, it->field);
	f->kept++;
	if (f->values) {
		hash_reply_value(&f->sub, it);
		f->kept++;
	}
}

static bool hscan_options(struct cmd_ctx *c, struct field_filter *f, int64_t *count)
{
	*count = SCAN_COUNT;
	for (uint32_t i = 3; i < c->argc; i++) {
		bool more = i + 1 < c->argc;
		if (more && cmd_arg_is(c, i, "count")) {
			if (!cmd_arg_i64(c, ++i, count))
				return false;
			if (*count >= 1)
				continue;
		} else if (more && cmd_arg_is(c, i, "match")) {
			i++;
			f->pattern = slice_eq(c->argv[i], SLICE("*")) ? (struct slice){NULL, 0} : c->argv[i];
			continue;
		} else if (cmd_arg_is(c, i, "novalues")) {
			f->values = false;
			continue;
		}
		cmd_err_syntax(c);
		return false;
	}
	return true;
}

static uint64_t scan_hash(const struct object *o, uint64_t cursor, int64_t now_ms, uint64_t count,
			  struct field_filter *f)
{
	uint64_t calls = count > UINT64_MAX / 10 ? count : count * 10;

	do
		cursor = hash_scan(o, cursor, now_ms, keep_field, f);
	while (cursor != 0 && f->seen < count && --calls > 0);
	return cursor;
}

void cmd_hscan(struct cmd_ctx *c)
{
	struct field_filter f = {.values = true};
	char text[NUM_I64_CHARS];
	uint64_t cursor;
	int64_t count;
	bool wrong;

	if (!cursor_parse(c->argv[2], &cursor)) {
		reply_error(c->out, "ERR invalid cursor");
		return;
	}
	const struct object *o = hash_cmd_read(c, c->argv[1], &wrong);

	if (wrong || (o != NULL && !hscan_options(c, &f, &count)))
		return;
	reply_sub_begin(c->out, &f.sub);
	cursor = o != NULL ? scan_hash(o, cursor, hash_cmd_now(c), (uint64_t)count, &f) : 0;
	reply_array(c->out, 2);
	reply_bulk(c->out, text, num_format_u64(text, cursor));
	reply_sub_end(c->out, &f.sub, REPLY_ARRAY, f.kept);
}
