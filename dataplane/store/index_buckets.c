/* The buckets of an index: room for them, splitting and merging. */
#include "base/hash.h"
#include "store/index_priv.h"

bool buckets_init(struct buckets *t, struct heap *h, uint32_t n)
{
	uint32_t segs = (n + SEG_BUCKETS - 1) >> SEG_SHIFT, cap = RP_MAX(segs, 8u);

	*t = (struct buckets){.segs_cap = cap, .first_cap = RP_MIN(n, SEG_BUCKETS)};
	t->seg = heap_alloc(h, cap * sizeof *t->seg);
	if (t->seg == NULL)
		return false;
	for (; t->segs < segs; t->segs++) {
		size_t bytes = (t->segs == 0 ? t->first_cap : SEG_BUCKETS) * sizeof(struct bucket);
		t->seg[t->segs] = heap_zalloc(h, bytes);
		if (t->seg[t->segs] == NULL) {
			buckets_fini(t, h);
			return false;
		}
	}
	t->n = n;
	return true;
}

static void chain_free(struct buckets *t, struct heap *h, struct bucket *b)
{
	while (b != NULL) {
		struct bucket *more = b->more;
		heap_free(h, b);
		t->overflow--;
		b = more;
	}
}

void buckets_fini(struct buckets *t, struct heap *h)
{
	for (uint32_t b = 0; t->overflow > 0 && b < t->n; b++)
		chain_free(t, h, bucket_at(t, b)->more);
	for (uint32_t i = 0; i < t->segs; i++)
		heap_free(h, t->seg[i]);
	heap_free(h, t->seg);
	*t = (struct buckets){0};
}

size_t buckets_bytes(const struct buckets *t)
{
	uint64_t own = t->segs == 0 ? 0 : t->first_cap + (uint64_t)(t->segs - 1) * SEG_BUCKETS;

	return (own + t->overflow) * sizeof(struct bucket) + t->segs_cap * sizeof *t->seg;
}

/* ---- room ------------------------------------------------------------------------------------------------------ */

/* While there is one segment it doubles. */
static bool first_grow(struct buckets *t, struct heap *h)
{
	uint32_t cap = RP_MIN(t->first_cap * 2, SEG_BUCKETS);
	struct bucket *p = heap_realloc(h, t->seg[0], cap * sizeof *p);

	if (p == NULL)
		return false;
	t->seg[0] = p;
	t->first_cap = cap;
	return true;
}

static bool segment_add(struct buckets *t, struct heap *h)
{
	if (t->segs == t->segs_cap) {
		uint32_t cap = t->segs_cap + t->segs_cap / 4;
		struct bucket **seg = heap_realloc(h, t->seg, cap * sizeof *seg);
		if (seg == NULL)
			return false;
		t->seg = seg;
		t->segs_cap = cap;
	}
	t->seg[t->segs] = heap_alloc(h, SEG_BUCKETS * sizeof(struct bucket));
	if (t->seg[t->segs] == NULL)
		return false;
	t->segs++;
	return true;
}

static bool make_room(struct buckets *t, struct heap *h)
{
	if (t->n < SEG_BUCKETS)
		return t->n < t->first_cap || first_grow(t, h);
	if (t->n == BUCKETS_MAX)
		return false;
	return t->n < t->segs << SEG_SHIFT || segment_add(t, h);
}

/* A segment is given back when the one before it is half empty too, so that it does not come and go. */
static void give_room(struct buckets *t, struct heap *h)
{
	if (t->segs > 1 && t->n + SEG_BUCKETS / 2 <= (t->segs - 1) << SEG_SHIFT)
		heap_free(h, t->seg[--t->segs]);
}

uint64_t *buckets_free_slot(struct buckets *t, struct heap *h, uint32_t at)
{
	for (struct bucket *b = bucket_at(t, at);; b = b->more) {
		for (uint32_t i = 0; i < BUCKET_SLOTS; i++)
			if (b->slot[i] == 0)
				return &b->slot[i];
		if (b->more != NULL)
			continue;
		b->more = heap_zalloc(h, sizeof *b);
		if (b->more == NULL)
			return NULL;
		t->overflow++;
		return &b->more->slot[0];
	}
}

/* ---- splitting and merging --------------------------------------------------------------------------------------- */

/* Where entries go: the end of a chain, lengthened by blocks that the chains taken apart have freed. */
struct sink {
	struct bucket *b;
	uint32_t used;
};

static void sink_put(struct sink *to, uint64_t slot, struct bucket **spare)
{
	if (to->used == BUCKET_SLOTS) {
		struct bucket *more = *spare;
		rp_assert(more != NULL);
		*spare = more->more;
		*more = (struct bucket){0};
		to->b->more = more;
		to->b = more;
		to->used = 0;
	}
	to->b->slot[to->used++] = slot;
}

/* The entry as it stands in a bucket of `level`; the level before was one more or one less. */
static uint64_t slot_relevel(uint64_t slot, uint32_t from, uint32_t to, uint64_t seed)
{
	if (rp_likely(from / NEXT_BITS == to / NEXT_BITS))
		return slot;
	struct slice key = obj_key(slot_object(slot));
	return slot_make(slot_object(slot), hash64(key.ptr, key.len, seed), to);
}

/* Takes the chain of `from` apart: entries whose bit `level` of the hash is set go to `one`, the others to `zero`. Both
 * may be the same. The blocks read become spare before the entries that need them are written. */
static void chain_deal(struct bucket first, uint32_t level, uint32_t to_level, uint64_t seed, struct sink *zero,
		       struct sink *one, struct bucket **spare)
{
	uint64_t bit = (uint64_t)1 << (NEXT_SHIFT + level % NEXT_BITS);
	struct bucket cur = first;

	for (;;) {
		for (uint32_t i = 0; i < BUCKET_SLOTS; i++)
			if (cur.slot[i] != 0)
				sink_put(cur.slot[i] & bit ? one : zero,
					 slot_relevel(cur.slot[i], level, to_level, seed), spare);
		struct bucket *more = cur.more;
		if (more == NULL)
			return;
		cur = *more;
		more->more = *spare;
		*spare = more;
	}
}

bool buckets_split(struct buckets *t, struct heap *h, uint64_t seed)
{
	if (!make_room(t, h))
		return false;
	uint32_t half = high_bit(t->n), level = (uint32_t)__builtin_ctz(half);
	struct bucket *low = bucket_at(t, t->n - half), *high = bucket_at(t, t->n), first = *low, *spare = NULL;

	t->n++;
	*low = *high = (struct bucket){0};
	struct sink zero = {low, 0}, one = {high, 0};
	chain_deal(first, level, level + 1, seed, &zero, &one, &spare);
	chain_free(t, h, spare);
	return true;
}

bool buckets_merge(struct buckets *t, struct heap *h, uint64_t seed)
{
	uint32_t last = t->n - 1, half = high_bit(last), level = (uint32_t)__builtin_ctz(half) + 1;
	struct bucket *low = bucket_at(t, last ^ half), *high = bucket_at(t, last);
	/* Two chains may need one block more than they had. */
	struct bucket *spare = heap_zalloc(h, sizeof *spare), a = *low, b = *high;

	if (spare == NULL)
		return false;
	t->overflow++;
	*low = (struct bucket){0};
	struct sink to = {low, 0};
	chain_deal(a, level, level - 1, seed, &to, &to, &spare);
	chain_deal(b, level, level - 1, seed, &to, &to, &spare);
	chain_free(t, h, spare);
	t->n--;
	give_room(t, h);
	return true;
}
