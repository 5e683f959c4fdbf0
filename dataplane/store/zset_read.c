/* Reading sorted sets in either form. */
#include "store/zset_priv.h"

#define SCAN_EMPTY 10 /* chains that a scan looks at for each member asked for, at most */

uint64_t zval_count(struct zval v)
{
	return v.z != NULL ? v.z->tab.count : v.lp != NULL ? lp_count(v.lp) / 2 : 0;
}

bool zval_find(struct zval v, struct slice name, struct zref *r)
{
	*r = (struct zref){0};
	if (v.z != NULL) {
		r->hash = htab_hash(&v.z->tab, name);
		r->e = htab_find_hashed(&v.z->tab, name, r->hash);
		r->found = r->e != NULL;
		if (r->found)
			r->score = zelem_score(r->e);
	} else if (v.lp != NULL) {
		r->off = zlp_find(v.lp, name);
		r->found = r->off != 0;
		if (r->found)
			r->score = zlp_score(v.lp, r->off);
	}
	return r->found;
}

bool zval_score(struct zval v, struct slice name, double *score)
{
	struct zref r;

	if (!zval_find(v, name, &r))
		return false;
	*score = r.score;
	return true;
}

uint64_t zval_rank(struct zval v, const struct zref *r)
{
	if (v.z != NULL)
		return btree_rank(&v.z->tree, btree_key_of_double(r->score), r->e);
	return zlp_rank(v.lp, r->off);
}

/* ---- spans --------------------------------------------------------------------------------------------------- */

/* Members with scores below `score`, or not above it. */
static uint64_t rank_of_score(const struct btree *t, double score, bool with_equal)
{
	uint64_t key = btree_key_of_double(score);

	return btree_pos_rank(t, btree_lower_bound(t, key + with_equal, NULL, NULL));
}

struct zspan zval_span_by_score(struct zval v, const struct zscore_range *r)
{
	if (v.lp != NULL)
		return zlp_span_by_score(v.lp, r);
	if (v.z == NULL)
		return (struct zspan){0, 0};
	return (struct zspan){rank_of_score(&v.z->tree, r->min, r->min_ex),
			      rank_of_score(&v.z->tree, r->max, !r->max_ex)};
}

struct lex_probe {
	const struct zlex_end *end;
	int bias; /* what equals the end is before the boundary: 1 */
};

static int lex_probe(const void *ctx, const void *ptr)
{
	const struct lex_probe *p = ctx;

	return zlex_cmp(elem_name(ptr), p->end) < p->bias ? -1 : 1;
}

static uint64_t rank_of_name(const struct btree *t, const struct zlex_end *end, bool with_equal)
{
	return btree_pos_rank(t, btree_search(t, lex_probe, &(struct lex_probe){end, with_equal}));
}

struct zspan zval_span_by_lex(struct zval v, const struct zlex_range *r)
{
	if (v.lp != NULL)
		return zlp_span_by_lex(v.lp, r);
	if (v.z == NULL)
		return (struct zspan){0, 0};
	return (struct zspan){rank_of_name(&v.z->tree, &r->min, r->min.ex),
			      rank_of_name(&v.z->tree, &r->max, !r->max.ex)};
}

/* ---- walks --------------------------------------------------------------------------------------------------- */

void ziter_begin(struct ziter *it, struct zval v, uint64_t rank, uint64_t n, bool down)
{
	uint64_t count = zval_count(v);

	it->v = v;
	it->down = down;
	it->left = rank < count ? RP_MIN(n, down ? rank + 1 : count - rank) : 0;
	if (it->left == 0)
		return;
	if (v.z == NULL)
		it->off = lp_seek(v.lp, (int64_t)rank * 2);
	else if (rank == 0)
		it->pos = btree_first(&v.z->tree);
	else
		it->pos = rank == count - 1 ? btree_last(&v.z->tree) : btree_at(&v.z->tree, rank);
}

bool ziter_next(struct ziter *it, struct zitem *item)
{
	if (it->left == 0)
		return false;
	it->left--;
	if (it->v.z != NULL) {
		const struct elem *e = btree_ptr(it->pos);

		if (it->left > 0) {
			it->down ? btree_prev(&it->pos) : btree_next(&it->pos);
			__builtin_prefetch(btree_ptr(it->pos));
		}
		*item = (struct zitem){elem_name(e), zelem_score(e)};
		return true;
	}
	const uint8_t *lp = it->v.lp;
	*item = (struct zitem){lp_get(lp, it->off, it->buf), zlp_score(lp, it->off)};
	if (it->left > 0)
		it->off = it->down ? lp_prev(lp, lp_prev(lp, it->off)) : lp_next(lp, lp_next(lp, it->off));
	return true;
}

struct visit {
	zval_visit_fn fn;
	void *ctx;
	uint64_t seen;
};

static void visit_elem(void *ctx, struct elem *e)
{
	struct visit *v = ctx;

	v->fn(v->ctx, &(struct zitem){elem_name(e), zelem_score(e)});
	v->seen++;
}

uint64_t zval_scan(struct zval v, uint64_t cursor, uint64_t count, zval_visit_fn fn, void *ctx)
{
	struct visit visit = {.fn = fn, .ctx = ctx};
	struct ziter it;
	struct zitem item;

	if (v.z == NULL) {
		ziter_begin(&it, v, 0, UINT64_MAX, false);
		while (ziter_next(&it, &item))
			fn(ctx, &item);
		return 0;
	}
	for (uint64_t chains = 0; visit.seen < count && chains / SCAN_EMPTY < count; chains++) {
		cursor = htab_scan(&v.z->tab, cursor, visit_elem, &visit);
		if (cursor == 0)
			break;
	}
	return cursor;
}
