/* Inside of sorted sets: listpacks and elements. */
#pragma once

#include "store/zset.h"

/* An element's aux is its score where that is a whole number of 32 bits, else ZELEM_WIDE, and the double stands behind
 * the name: most elements need no room for it. */
#define ZELEM_WIDE INT32_MIN

static inline bool zscore_is_narrow(double d)
{
	return d > INT32_MIN && d <= INT32_MAX && d == (double)(int32_t)d && !(d == 0 && __builtin_signbit(d));
}
/* Order of two members with equal scores. */
static inline int zname_cmp(struct slice a, struct slice b)
{
	int c = memcmp(a.ptr, b.ptr, RP_MIN(a.len, b.len));

	return c != 0 ? c : a.len < b.len ? -1 : a.len > b.len;
}
/* How a name stands to an end of a range: < 0 before it, > 0 behind it, 0 equal. */
static inline int zlex_cmp(struct slice name, const struct zlex_end *end)
{
	return end->inf != 0 ? -end->inf : zname_cmp(name, end->name);
}

/* ---- elements: zset.c ---- */
struct elem *zelem_create(struct heap *h, struct slice name, double score);
/* Room for that score? Its block says so, not the score that it has now: what fits once fits ever after. */
bool zelem_fits(const struct heap *h, const struct elem *e, double score);
/* There is room. */
void zelem_set(struct elem *e, double score);
/* e is in neither table nor tree yet. false: out of memory, nothing changed. */
bool zset_put(struct zset *z, struct heap *h, struct elem *e, uint64_t hash);
/* Gives e another score; `bigger`, if not NULL, takes its place and e is freed. false: out of memory, nothing changed.
 */
bool zset_rescore(struct zset *z, struct heap *h, struct elem *e, struct elem *bigger, double score);
/* Takes e out and frees it. */
void zset_drop(struct zset *z, struct heap *h, struct elem *e, uint64_t hash);
/* All members of a listpack. NULL: out of memory. */
struct zset *zset_of_listpack(struct heap *h, const uint8_t *lp);

/* ---- listpacks: zset_listpack.c; offsets are those of names ---- */
double zlp_score(const uint8_t *lp, size_t off);
size_t zlp_find(const uint8_t *lp, struct slice name);
/* Index of the pair. */
uint64_t zlp_rank(const uint8_t *lp, size_t off);
/* false: out of memory, nothing changed. */
bool zlp_insert(struct cbuf *b, struct slice name, double score);
/* Behind all others, where it belongs. */
bool zlp_append(struct cbuf *b, const struct zitem *item);
bool zlp_rescore(struct cbuf *b, size_t off, struct slice name, double score);
/* Bytes that a pair takes at most. */
size_t zlp_pair_bytes(struct slice name);
struct zspan zlp_span_by_score(const uint8_t *lp, const struct zscore_range *r);
struct zspan zlp_span_by_lex(const uint8_t *lp, const struct zlex_range *r);
