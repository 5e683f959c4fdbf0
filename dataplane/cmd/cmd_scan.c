/* Walks over names: KEYS, SCAN, RANDOMKEY. */
#include "base/glob.h"
#include "base/num.h"
#include "cmd/cursor.h"
#include "cmd/handlers.h"

#define SCAN_COUNT      10   /* default of COUNT */
#define SCAN_SPARSE     2048 /* positions that one call looks at at least, when most are empty */
#define KEYS_STEP       1024
#define RANDOMKEY_TRIES 100

/* What a walk keeps of the objects it passes. */
struct name_filter {
	struct reply *out;
	struct slice pattern; /* empty: everything */
	int type;             /* -1: any */
	uint64_t seen, kept;
};

static void keep_name(void *ctx, struct object *o)
{
	struct name_filter *f = ctx;

	f->seen++;
	if (f->type >= 0 && (int)o->type != f->type)
		return;
	if (f->pattern.ptr && !glob_match(f->pattern, obj_key(o), false))
		return;
	reply_bulk_slice(f->out, obj_key(o));
	f->kept++;
}

/* A pattern that matches every name is no filter. */
static struct slice pattern_of(struct slice p)
{
	return slice_eq(p, SLICE("*")) ? (struct slice){NULL, 0} : p;
}

void cmd_keys(struct cmd_ctx *c)
{
	struct reply sub;
	struct name_filter f = {.out = &sub, .pattern = pattern_of(c->argv[1]), .type = -1};

	reply_sub_begin(c->out, &sub);
	for (uint32_t i = 0; i < c->env->nstores; i++) {
		uint64_t cursor = 0;
		do
			store_walk(c->env->stores[i], c->db, &cursor, KEYS_STEP, keep_name, &f);
		while (cursor != 0);
	}
	reply_sub_end(c->out, &sub, REPLY_ARRAY, f.kept);
}

static int type_by_name(struct slice name)
{
	for (int t = 0; t < OBJ_TYPES; t++)
		if (slice_is(name, obj_type_name((enum obj_type)t)))
			return t;
	return OBJ_TYPES;
}

static bool scan_options(struct cmd_ctx *c, struct name_filter *f, int64_t *count)
{
	*count = SCAN_COUNT;
	for (uint32_t i = 2; i < c->argc; i += 2) {
		bool more = i + 1 < c->argc;
		if (more && cmd_arg_is(c, i, "count")) {
			if (!cmd_arg_i64(c, i + 1, count))
				return false;
			if (*count >= 1)
				continue;
		} else if (more && cmd_arg_is(c, i, "match")) {
			f->pattern = pattern_of(c->argv[i + 1]);
			continue;
		} else if (more && cmd_arg_is(c, i, "type")) {
			f->type = type_by_name(c->argv[i + 1]);
			continue;
		}
		cmd_err_syntax(c);
		return false;
	}
	return true;
}

/* Shows about `count` names of the cursor's shard; returns the cursor to go on with. */
static uint64_t scan_shard(struct cmd_ctx *c, uint64_t cursor, uint64_t count, struct name_filter *f)
{
	uint32_t shard = (uint32_t)(cursor >> CURSOR_INDEX_BITS);
	uint64_t at = cursor & CURSOR_INDEX_MASK, passed = 0;
	uint64_t most = RP_MAX(count * 10, SCAN_SPARSE);

	do {
		uint64_t step = RP_MIN(RP_MAX(count - f->seen, 1u), KEYS_STEP);
		passed += store_walk(c->env->stores[shard], c->db, &at, (uint32_t)step, keep_name, f);
	} while (at != 0 && f->seen < count && passed < most);
	if (at != 0)
		return (uint64_t)shard << CURSOR_INDEX_BITS | at;
	return shard + 1 < c->env->nstores ? (uint64_t)(shard + 1) << CURSOR_INDEX_BITS : 0;
}

void cmd_scan(struct cmd_ctx *c)
{
	struct reply sub;
	struct name_filter f = {.out = &sub, .type = -1};
	uint64_t cursor;
	int64_t count;
	char text[NUM_I64_CHARS];

	if (!cursor_parse(c->argv[1], &cursor)) {
		reply_error(c->out, "ERR invalid cursor");
		return;
	}
	if (!scan_options(c, &f, &count))
		return;
	reply_sub_begin(c->out, &sub);
	/* a cursor that we never gave out: the walk is over */
	if (cursor >> CURSOR_INDEX_BITS < c->env->nstores)
		cursor = scan_shard(c, cursor, (uint64_t)RP_MIN(count, INT32_MAX), &f);
	else
		cursor = 0;
	reply_array(c->out, 2);
	reply_bulk(c->out, text, num_format_u64(text, cursor));
	reply_sub_end(c->out, &sub, REPLY_ARRAY, f.kept);
}

void cmd_randomkey(struct cmd_ctx *c)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < c->env->nstores; i++)
		total += store_count(c->env->stores[i], c->db);
	for (int tries = 0; total && tries < RANDOMKEY_TRIES; tries++) {
		uint64_t at = rng_below(c->rng, total);
		uint32_t i = 0;
		while (at >= store_count(c->env->stores[i], c->db))
			at -= store_count(c->env->stores[i++], c->db);
		struct object *o = store_random(c->env->stores[i], c->db, c->rng);
		if (o != NULL) {
			reply_bulk_slice(c->out, obj_key(o));
			return;
		}
	}
	reply_null(c->out);
}
