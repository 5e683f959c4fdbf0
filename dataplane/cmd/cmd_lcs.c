/* LCS: the longest common subsequence of two strings, by the usual dynamic programme.
 *
 * The lengths need one row. To find the way back through the table one bit per cell is enough: whether the cell above
 * is the greater of its two neighbours (where the bytes are equal the way is diagonal, and that can be seen again).
 */
#include "cmd/handlers.h"
#include "cmd/string_priv.h"

#include "base/num.h"

struct lcs_opts {
	bool len_only, ranges, with_len;
	int64_t min_len;
};

struct lcs {
	struct slice a, b;
	uint32_t *row; /* b.len + 1 lengths: of the table's current row */
	uint64_t *up;  /* a.len * b.len bits, or NULL when only the length is wanted */
};

static bool lcs_options(struct cmd_ctx *c, struct lcs_opts *opts)
{
	*opts = (struct lcs_opts){0};
	for (uint32_t i = 3; i < c->argc; i++) {
		if (cmd_arg_is(c, i, "idx")) {
			opts->ranges = true;
		} else if (cmd_arg_is(c, i, "len")) {
			opts->len_only = true;
		} else if (cmd_arg_is(c, i, "withmatchlen")) {
			opts->with_len = true;
		} else if (cmd_arg_is(c, i, "minmatchlen") && i + 1 < c->argc) {
			if (!cmd_arg_i64(c, ++i, &opts->min_len))
				return false;
		} else {
			cmd_err_syntax(c);
			return false;
		}
	}
	if (!opts->ranges || !opts->len_only)
		return true;
	reply_error(c->out, "ERR If you want both the length and indexes, please just use IDX.");
	return false;
}

/* Both strings, empty where there is no key. */
static bool lcs_strings(struct cmd_ctx *c, struct lcs *l, char *buf_a, char *buf_b)
{
	const struct object *a = cmd_read(c, c->argv[1]);
	const struct object *b = cmd_read(c, c->argv[2]);

	if ((a != NULL && a->type != OBJ_STRING) || (b != NULL && b->type != OBJ_STRING)) {
		reply_error(c->out, "ERR The specified keys must contain string values");
		return false;
	}
	l->a = a != NULL ? obj_string(a, buf_a) : SLICE("");
	l->b = b != NULL ? obj_string(b, buf_b) : SLICE("");
	return true;
}

/* Refuses what Redis refuses, by the size of its table (4 bytes a cell), which also bounds the time it takes. */
static bool lcs_size_ok(struct cmd_ctx *c, const struct lcs *l)
{
	if (l->a.len >= UINT32_MAX - 1 || l->b.len >= UINT32_MAX - 1) {
		reply_error(c->out, "ERR String too long for LCS");
		return false;
	}
	if ((unsigned __int128)(l->a.len + 1) * (l->b.len + 1) * sizeof(uint32_t) > c->env->conf->max_bulk) {
		reply_error(c->out, "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
		return false;
	}
	return true;
}

static bool lcs_alloc(struct cmd_ctx *c, struct lcs *l, bool way_back)
{
	struct heap *h = c->env->heap;

	l->row = heap_zalloc(h, (l->b.len + 1) * sizeof *l->row);
	l->up = way_back ? heap_alloc(h, (l->a.len * l->b.len / 64 + 1) * sizeof *l->up) : NULL;
	if (l->row != NULL && (l->up != NULL || !way_back))
		return true;
	heap_free(h, l->row);
	heap_free(h, l->up);
	reply_error(c->out, "ERR Insufficient memory, failed allocating transient memory for LCS");
	return false;
}

/* Fills the table and returns the length of the subsequence. */
static uint32_t lcs_fill(struct lcs *l)
{
	uint64_t bits = 0, cell = 0;

	for (size_t i = 0; i < l->a.len; i++) {
		uint32_t diagonal = 0;
		for (size_t j = 0; j < l->b.len; j++, cell++) {
			uint32_t above = l->row[j + 1], left = l->row[j];
			bool up = above > left;

			l->row[j + 1] = l->a.ptr[i] == l->b.ptr[j] ? diagonal + 1 : up ? above : left;
			diagonal = above;
			bits |= (uint64_t)up << cell % 64;
			if (cell % 64 == 63) {
				if (l->up != NULL)
					l->up[cell / 64] = bits;
				bits = 0;
			}
		}
	}
	if (l->up != NULL)
		l->up[cell / 64] = bits;
	return l->row[l->b.len];
}

/* Goes back from *i, *j to the end of the next run of equal bytes and over it; its length, 0 when the way ends. The run
 * begins at *i, *j then. */
static size_t lcs_run(const struct lcs *l, size_t *i, size_t *j)
{
	size_t run = 0;

	while (*i > 0 && *j > 0) {
		uint64_t cell = (*i - 1) * l->b.len + *j - 1;

		if (l->a.ptr[*i - 1] == l->b.ptr[*j - 1]) {
			--*i;
			--*j;
			run++;
		} else if (run > 0) {
			break;
		} else if (l->up[cell / 64] >> cell % 64 & 1) {
			--*i;
		} else {
			--*j;
		}
	}
	return run;
}

static void reply_range(struct reply *out, size_t first, size_t len)
{
	reply_array(out, 2);
	reply_int(out, (int64_t)first);
	reply_int(out, (int64_t)(first + len - 1));
}

static void lcs_reply_ranges(struct cmd_ctx *c, const struct lcs *l, const struct lcs_opts *opts, uint32_t len)
{
	size_t i = l->a.len, j = l->b.len, run;
	struct reply sub;
	uint64_t n = 0;

	reply_map(c->out, 2);
	reply_bulk_str(c->out, "matches");
	reply_sub_begin(c->out, &sub);
	while ((run = lcs_run(l, &i, &j)) > 0) {
		if ((int64_t)run < opts->min_len)
			continue;
		reply_array(&sub, opts->with_len ? 3 : 2);
		reply_range(&sub, i, run);
		reply_range(&sub, j, run);
		if (opts->with_len)
			reply_int(&sub, (int64_t)run);
		n++;
	}
	reply_sub_end(c->out, &sub, REPLY_ARRAY, n);
	reply_bulk_str(c->out, "len");
	reply_int(c->out, len);
}

static void lcs_reply_string(struct cmd_ctx *c, const struct lcs *l, uint32_t len)
{
	size_t i = l->a.len, j = l->b.len, run, at = len;
	char *text = heap_alloc(c->env->heap, (size_t)len + 1);

	if (text == NULL) {
		cmd_err_oom(c);
		return;
	}
	while ((run = lcs_run(l, &i, &j)) > 0) {
		at -= run;
		memcpy(text + at, l->a.ptr + i, run);
	}
	reply_bulk(c->out, text, len);
	heap_free(c->env->heap, text);
}

void cmd_lcs(struct cmd_ctx *c)
{
	struct lcs_opts opts;
	struct lcs l;
	char buf_a[NUM_I64_CHARS], buf_b[NUM_I64_CHARS];
	uint32_t len;

	if (!lcs_strings(c, &l, buf_a, buf_b) || !lcs_options(c, &opts) || !lcs_size_ok(c, &l) ||
	    !lcs_alloc(c, &l, !opts.len_only))
		return;
	len = lcs_fill(&l);
	if (opts.ranges)
		lcs_reply_ranges(c, &l, &opts, len);
	else if (opts.len_only)
		reply_int(c->out, len);
	else
		lcs_reply_string(c, &l, len);
	heap_free(c->env->heap, l.row);
	heap_free(c->env->heap, l.up);
}
