/* The small form of sorted sets: a listpack of name, score, name, ..., in order. */
#include "store/zset_priv.h"

double zlp_score(const uint8_t *lp, size_t off)
{
	char buf[NUM_I64_CHARS];
	int64_t v;
	double d = 0;

	off = lp_next(lp, off);
	if (lp_get_i64(lp, off, &v))
		return (double)v;
	num_parse_double(lp_get(lp, off, buf), &d);
	return d;
}

static struct slice score_text(double score, char *buf)
{
	/* As Redis, whose integers know no -0. */
	return (struct slice){buf, num_format_double(buf, score == 0 ? 0 : score)};
}

size_t zlp_find(const uint8_t *lp, struct slice name)
{
	struct lp_key k = lp_key_of(name);
	size_t first = lp_first(lp);

	return first != 0 ? lp_find(lp, first, &k, 1) : 0;
}

uint64_t zlp_rank(const uint8_t *lp, size_t off)
{
	uint64_t rank = 0;

	for (size_t at = lp_first(lp); at != off; at = lp_next(lp, lp_next(lp, at)))
		rank++;
	return rank;
}

size_t zlp_pair_bytes(struct slice name)
{
	return lp_entry_bytes(name) + NUM_DOUBLE_CHARS;
}

/* Where that pair belongs. */
static size_t place_of(const uint8_t *lp, struct slice name, double score)
{
	char buf[NUM_I64_CHARS];

	for (size_t at = lp_first(lp); at != 0; at = lp_next(lp, lp_next(lp, at))) {
		double s = zlp_score(lp, at);

		if (s > score || (s == score && zname_cmp(lp_get(lp, at, buf), name) > 0))
			return at;
	}
	return lp_end(lp);
}

bool zlp_insert(struct cbuf *b, struct slice name, double score)
{
	char buf[NUM_DOUBLE_CHARS];
	struct slice text = score_text(score, buf);

	if (!cbuf_reserve(b, b->len + lp_entry_bytes(name) + lp_entry_bytes(text)))
		return false;
	size_t at = place_of(b->p, name, score);
	return lp_insert(b, at, text) && lp_insert(b, at, name);
}

bool zlp_append(struct cbuf *b, const struct zitem *item)
{
	char buf[NUM_DOUBLE_CHARS];

	return lp_append(b, item->name) && lp_append(b, score_text(item->score, buf));
}

bool zlp_rescore(struct cbuf *b, size_t off, struct slice name, double score)
{
	if (!cbuf_reserve(b, b->len + NUM_DOUBLE_CHARS))
		return false;
	lp_delete(b, off, 2);
	return zlp_insert(b, name, score);
}

/* Pairs before the first for which fn says that it is not before the boundary. */
typedef bool (*before_fn)(const uint8_t *lp, size_t off, const void *ctx);

static uint64_t count_before(const uint8_t *lp, before_fn before, const void *ctx)
{
	uint64_t n = 0;

	for (size_t at = lp_first(lp); at != 0 && before(lp, at, ctx); at = lp_next(lp, lp_next(lp, at)))
		n++;
	return n;
}

static bool below_min(const uint8_t *lp, size_t off, const void *ctx)
{
	const struct zscore_range *r = ctx;
	double s = zlp_score(lp, off);

	return r->min_ex ? s <= r->min : s < r->min;
}
static bool not_above_max(const uint8_t *lp, size_t off, const void *ctx)
{
	const struct zscore_range *r = ctx;
	double s = zlp_score(lp, off);

	return r->max_ex ? s < r->max : s <= r->max;
}

struct zspan zlp_span_by_score(const uint8_t *lp, const struct zscore_range *r)
{
	return (struct zspan){count_before(lp, below_min, r), count_before(lp, not_above_max, r)};
}

static bool before_min_name(const uint8_t *lp, size_t off, const void *ctx)
{
	const struct zlex_range *r = ctx;
	char buf[NUM_I64_CHARS];

	return zlex_cmp(lp_get(lp, off, buf), &r->min) < r->min.ex;
}
static bool not_behind_max_name(const uint8_t *lp, size_t off, const void *ctx)
{
	const struct zlex_range *r = ctx;
	char buf[NUM_I64_CHARS];

	return zlex_cmp(lp_get(lp, off, buf), &r->max) < !r->max.ex;
}

struct zspan zlp_span_by_lex(const uint8_t *lp, const struct zlex_range *r)
{
	return (struct zspan){count_before(lp, before_min_name, r), count_before(lp, not_behind_max_name, r)};
}
