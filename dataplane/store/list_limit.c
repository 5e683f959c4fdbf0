/* When a listpack of a list is full: list-max-listpack-size, as Redis 7.2 reads it. */
#include "store/list_priv.h"

/* Beside a bound on entries, one on bytes. */
#define BYTES_WITH_COUNT 8192
#define FILL_MAX         32767
#define FILL_MIN         (-5)
/* What an element takes beside its bytes, by Redis's estimate. */
#define ENTRY_OVERHEAD 8

size_t limit_bytes(int64_t fill)
{
	return fill >= 0 ? BYTES_WITH_COUNT : (size_t)2048 << -RP_MAX(fill, FILL_MIN);
}

int32_t limit_fill(int64_t limit)
{
	return (int32_t)RP_MAX(RP_MIN(limit, FILL_MAX), FILL_MIN);
}

bool limit_exceeded(int64_t limit, size_t bytes, uint64_t count)
{
	return bytes > limit_bytes(limit) || (limit >= 0 && count > (uint64_t)RP_MAX(limit, 1));
}

bool limit_half(int64_t limit, size_t bytes, uint64_t count)
{
	return limit >= 0 ? count <= (uint64_t)RP_MAX(limit, 1) / 2 : bytes <= limit_bytes(limit) / 2;
}

bool node_takes(const struct list *l, const struct list_node *n, size_t len)
{
	return n != NULL && !node_is_large(n) && !is_large(l, len) &&
	       !limit_exceeded(l->fill, lp_bytes(n->lp) + len + ENTRY_OVERHEAD, (uint64_t)lp_count(n->lp) + 1);
}

bool nodes_merge_fits(const struct list *l, const struct list_node *a, const struct list_node *b)
{
	return a != NULL && b != NULL && !node_is_large(a) && !node_is_large(b) &&
	       !limit_exceeded(l->fill, lp_bytes(a->lp) + lp_bytes(b->lp) - LP_EMPTY_BYTES,
			       (uint64_t)lp_count(a->lp) + lp_count(b->lp));
}
