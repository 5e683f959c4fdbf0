/* Sorted sets: random members, ZSCAN. */
#include <math.h>
#include <stdio.h>

#include "base/glob.h"
#include "cmd/cursor.h"
#include "cmd/handlers.h"
#include "cmd/zset_args.h"

/* ---- ZRANDMEMBER --------------------------------------------------------------------------------------------- */

static void reply_at(struct cmd_ctx *c, struct zval v, uint64_t rank, bool with_scores)
{
	struct ziter it;
	struct zitem item;

	ziter_begin(&it, v, rank, 1, false);
	if (ziter_next(&it, &item))
		zset_reply_item(c, &item, with_scores);
}

/* k different ones of a listpack in one walk: each with the chance that is left to it (Knuth, algorithm S). */
static void reply_sample_walk(struct cmd_ctx *c, struct zval v, uint64_t k, bool with_scores)
{
	uint64_t left = zval_count(v);
	struct ziter it;
	struct zitem item;

	ziter_begin(&it, v, 0, UINT64_MAX, false);
	for (; k > 0 && ziter_next(&it, &item); left--)
		if (rng_below(c->rng, left) < k) {
			zset_reply_item(c, &item, with_scores);
			k--;
		}
}

/* The i-th of a random permutation of [0, n): four rounds of a Feistel network over the next even power of two, walked
 * on until it is within n. Needs no memory for what was drawn. */
static uint64_t permuted(uint64_t i, uint64_t n, const uint64_t key[4])
{
	uint32_t half = 1;

	while (half < 32 && 1ull << (2 * half) < n)
		half++;
	uint64_t mask = (1ull << half) - 1;
	do {
		uint64_t l = i >> half, r = i & mask;

		for (uint32_t round = 0; round < 4; round++) {
			uint64_t f = hash64(&r, sizeof r, key[round]) & mask, t = r;
			r = l ^ f;
			l = t;
		}
		i = l << half | r;
	} while (i >= n);
	return i;
}

static void reply_sample(struct cmd_ctx *c, struct zval v, uint64_t k, bool with_scores)
{
	uint64_t n = zval_count(v), key[4];

	if (v.z == NULL) {
		reply_sample_walk(c, v, k, with_scores);
		return;
	}
	for (uint32_t i = 0; i < 4; i++)
		key[i] = rng_next(c->rng);
	for (uint64_t i = 0; i < k; i++)
		reply_at(c, v, permuted(i, n, key), with_scores);
}

static void randmember_count(struct cmd_ctx *c, struct zval v, int64_t count, bool with_scores)
{
	uint64_t n = zval_count(v), k = count < 0 ? 0 - (uint64_t)count : (uint64_t)count;

	if (n == 0 || k == 0) {
		reply_array(c->out, 0);
		return;
	}
	if (count > 0 && k >= n) {
		zset_reply_walk(c, v, 0, n, false, with_scores);
		return;
	}
	zset_reply_begin(c, k, with_scores);
	if (count > 0) {
		reply_sample(c, v, k, with_scores);
		return;
	}
	for (; k > 0 && !c->out->failed; k--)
		reply_at(c, v, rng_below(c->rng, n), with_scores);
}

static bool randmember_arg(struct cmd_ctx *c, int64_t *count)
{
	if (!cmd_arg_i64(c, 2, count))
		return false;
	if (*count != INT64_MIN)
		return true;
	reply_error(c->out,
		    "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807");
	return false;
}

void cmd_zrandmember(struct cmd_ctx *c)
{
	int64_t count = 1;
	bool wrong, with_scores = c->argc == 4;

	if (c->argc > 2 && !randmember_arg(c, &count))
		return;
	if (c->argc > 4 || (with_scores && !cmd_arg_is(c, 3, "withscores"))) {
		cmd_err_syntax(c);
		return;
	}
	if (with_scores && (count < -INT64_MAX / 2 || count > INT64_MAX / 2)) {
		reply_error(c->out, "ERR value is out of range");
		return;
	}
	struct zval v = zval_of(zset_read_key(c, c->argv[1], &wrong));
	if (wrong)
		return;
	if (c->argc > 2)
		randmember_count(c, v, count, with_scores);
	else if (zval_count(v) == 0)
		reply_null(c->out);
	else
		reply_at(c, v, rng_below(c->rng, zval_count(v)), false);
}

/* ---- ZSCAN --------------------------------------------------------------------------------------------------- */

struct scan {
	struct reply sub;
	struct slice pattern; /* empty: everything */
	uint64_t kept;
	bool listpack;
};

/* Redis writes scores of large sets as long doubles here, and only here. */
static void scan_reply_score(struct scan *s, double score)
{
	char text[NUM_DOUBLE_CHARS];
	int n;

	if (s->listpack || isinf(score))
		n = (int)num_format_double(text, score);
	else
		n = snprintf(text, sizeof text, "%.17Lg", (long double)score);
	reply_bulk(&s->sub, text, (size_t)n);
}

static void scan_visit(void *ctx, const struct zitem *item)
{
	struct scan *s = ctx;

	if (s->pattern.ptr != NULL && !glob_match(s->pattern, item->name, false))
		return;
	reply_bulk_slice(&s->sub, item->name);
	scan_reply_score(s, item->score);
	s->kept += 2;
}

static bool scan_options(struct cmd_ctx *c, struct scan *s, int64_t *count)
{
	for (uint32_t i = 3; i < c->argc; i += 2) {
		bool more = i + 1 < c->argc;
		if (more && cmd_arg_is(c, i, "count")) {
			if (!cmd_arg_i64(c, i + 1, count))
				return false;
			if (*count >= 1)
				continue;
		} else if (more && cmd_arg_is(c, i, "match")) {
			s->pattern = slice_eq(c->argv[i + 1], SLICE("*")) ? (struct slice){NULL, 0} : c->argv[i + 1];
			continue;
		}
		cmd_err_syntax(c);
		return false;
	}
	return true;
}

void cmd_zscan(struct cmd_ctx *c)
{
	struct scan s = {.kept = 0};
	uint64_t cursor;
	int64_t count = 10;
	char text[NUM_I64_CHARS];
	bool wrong;

	if (!cursor_parse(c->argv[2], &cursor)) {
		reply_error(c->out, "ERR invalid cursor");
		return;
	}
	struct zval v = zval_of(zset_read_key(c, c->argv[1], &wrong));
	if (wrong)
		return;
	if (v.lp == NULL && v.z == NULL) {
		reply_array(c->out, 2);
		reply_bulk_str(c->out, "0");
		reply_array(c->out, 0);
		return;
	}
	if (!scan_options(c, &s, &count))
		return;
	s.listpack = v.lp != NULL;
	reply_sub_begin(c->out, &s.sub);
	cursor = zval_scan(v, cursor, (uint64_t)RP_MIN(count, INT32_MAX), scan_visit, &s);
	reply_array(c->out, 2);
	reply_bulk(c->out, text, num_format_u64(text, cursor));
	reply_sub_end(c->out, &s.sub, REPLY_ARRAY, s.kept);
}
