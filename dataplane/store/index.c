#include <rte_prefetch.h>

#include "base/hash.h"
#include "store/index_priv.h"

/* Entries per bucket, in halves, above which an insert splits and below which index_poll() merges. */
#define GROW_HALVES   11
#define SHRINK_HALVES 4
#define STEPS_MAX     2 /* splits by one insert, when memory was short before */

#define OBJ_HEAD_BYTES 40

#define WALK_AHEAD   16u
#define RANDOM_TRIES 64
#define RANDOM_SLOTS (2 * BUCKET_SLOTS)

struct index *index_create(struct heap *h, uint64_t seed, uint64_t initial)
{
	struct index *ix = heap_zalloc(h, sizeof *ix);
	uint32_t n = (uint32_t)RP_MIN(initial * 2 / GROW_HALVES, (uint64_t)BUCKETS_MAX / 2);

	if (ix == NULL)
		return NULL;
	ix->floor = RP_MAX(n, (uint32_t)BUCKETS_MIN);
	if (!buckets_init(&ix->b, h, ix->floor)) {
		heap_free(h, ix);
		return NULL;
	}
	ix->seed = seed;
	ix->heap = h;
	return ix;
}

void index_destroy(struct index *ix)
{
	if (ix == NULL)
		return;
	buckets_fini(&ix->b, ix->heap);
	heap_free(ix->heap, ix);
}

uint64_t index_hash(const struct index *ix, struct slice key)
{
	return hash64(key.ptr, key.len, ix->seed);
}

/* ---- finding --------------------------------------------------------------------------------------------------- */

/* Half a bucket. */
typedef uint64_t lanes __attribute__((vector_size(32), aligned(8), may_alias));

/* A bit for each slot of b in use that has the 16 bits of `want` above its address. All at once: one by one this is
 * half of what a lookup takes. */
static inline uint32_t candidates(const struct bucket *b, uint64_t want)
{
	const lanes low = {1, 2, 4, 8}, high = {16, 32, 64, 0}; /* the last lane is b->more */
	lanes x = *(const lanes *)b->slot, y = *(const lanes *)(b->slot + 4);
	lanes hit = ((lanes)((x ^ want) >> NEXT_SHIFT == 0) & (lanes)(x != 0) & low) |
		    ((lanes)((y ^ want) >> NEXT_SHIFT == 0) & (lanes)(y != 0) & high);

	return (uint32_t)(hit[0] | hit[1] | hit[2] | hit[3]);
}
_Static_assert(BUCKET_SLOTS == 7, "seven slots and a pointer");

static inline uint64_t wanted(const struct buckets *t, uint32_t at, uint64_t hash)
{
	return slot_make(NULL, hash, bucket_level(t, at));
}

struct object *index_find(const struct index *ix, struct slice key, uint64_t hash)
{
	uint32_t at = bucket_of(&ix->b, hash);
	uint64_t want = wanted(&ix->b, at, hash);

	for (const struct bucket *b = bucket_at(&ix->b, at); b != NULL; b = b->more) {
		for (uint32_t m = candidates(b, want); m != 0; m &= m - 1) {
			struct object *o = slot_object(b->slot[__builtin_ctz(m)]);
			if (slice_eq(obj_key(o), key))
				return o;
		}
	}
	return NULL;
}

/* The first object of bucket `at` that may be the one; its key is not looked at. */
static struct object *find_candidate(const struct index *ix, uint64_t hash)
{
	uint32_t at = bucket_of(&ix->b, hash);
	uint64_t want = wanted(&ix->b, at, hash);

	for (const struct bucket *b = bucket_at(&ix->b, at); b != NULL; b = b->more) {
		uint32_t m = candidates(b, want);
		if (m != 0)
			return slot_object(b->slot[__builtin_ctz(m)]);
	}
	return NULL;
}

/* find_candidate() as far as the bucket itself goes. *more: what it has besides, if that must be looked at. */
static struct object *find_first(const struct index *ix, uint64_t hash, const struct bucket **more)
{
	uint32_t at = bucket_of(&ix->b, hash);
	const struct bucket *b = bucket_at(&ix->b, at);
	uint32_t m = candidates(b, wanted(&ix->b, at, hash));

	*more = m == 0 ? b->more : NULL;
	return m != 0 ? slot_object(b->slot[__builtin_ctz(m)]) : NULL;
}

/* Without a TTL key and short value lie in the first OBJ_HEAD_BYTES; of small blocks every third begins in one cache
 * line and ends in the next. */
static inline void prefetch_object(const struct object *o)
{
	if (o == NULL) /* there is no page, which takes long to find out */
		return;
	rte_prefetch0(o);
	rte_prefetch0((const char *)o + OBJ_HEAD_BYTES - 1);
}

void index_find_bulk(const struct index *ix, const struct slice *key, const uint64_t *hash, uint32_t n,
		     struct object **out)
{
	uint64_t later = 0; /* those that may lie in an overflow bucket, one in ten: each would wait for memory alone */

	for (uint32_t i = 0; i < n; i++)
		rte_prefetch0(bucket_at(&ix->b, bucket_of(&ix->b, hash[i])));
	for (uint32_t i = 0; i < n; i++) {
		const struct bucket *more;
		out[i] = find_first(ix, hash[i], &more);
		if (rp_unlikely(more != NULL)) {
			rte_prefetch0(more);
			later |= 1ull << i;
		} else {
			prefetch_object(out[i]);
		}
	}
	for (uint64_t rest = later; rest != 0; rest &= rest - 1) {
		uint32_t i = (uint32_t)__builtin_ctzll(rest);
		out[i] = find_candidate(ix, hash[i]);
		prefetch_object(out[i]);
	}
	for (uint32_t i = 0; i < n; i++) {
		/* Of two with the same bits the first may hide the right one. */
		if (out[i] != NULL && rp_unlikely(!slice_eq(obj_key(out[i]), key[i])))
			out[i] = index_find(ix, key[i], hash[i]);
	}
}
_Static_assert(RP_MAX_BURST <= 64, "a bit for each key");

/* ---- changing -------------------------------------------------------------------------------------------------- */

static bool wants_split(const struct index *ix)
{
	return ix->count * 2 > (uint64_t)ix->b.n * GROW_HALVES;
}

bool index_insert(struct index *ix, struct object *o, uint64_t hash)
{
	uint32_t at = bucket_of(&ix->b, hash);
	uint64_t *slot = buckets_free_slot(&ix->b, ix->heap, at);

	if (slot == NULL)
		return false;
	*slot = slot_make(o, hash, bucket_level(&ix->b, at));
	ix->count++;
	for (uint32_t i = 0; i < STEPS_MAX && rp_unlikely(wants_split(ix)); i++) {
		if (!buckets_split(&ix->b, ix->heap, ix->seed))
			break; /* the chains become longer */
		ix->splits++;
	}
	return true;
}

/* The slot of an object that is there. */
static uint64_t *locate(const struct index *ix, const struct object *o, uint64_t hash)
{
	for (struct bucket *b = bucket_at(&ix->b, bucket_of(&ix->b, hash));; b = b->more) {
		rp_assert(b != NULL);
		for (uint32_t i = 0; i < BUCKET_SLOTS; i++)
			if (slot_object(b->slot[i]) == o)
				return &b->slot[i];
	}
}

void index_remove(struct index *ix, struct object *o, uint64_t hash)
{
	*locate(ix, o, hash) = 0;
	ix->count--;
}

void index_replace(struct index *ix, struct object *old_obj, struct object *new_obj, uint64_t hash)
{
	uint64_t *slot = locate(ix, old_obj, hash);

	*slot = (*slot & ~SLOT_ADDR) | (uint64_t)(uintptr_t)new_obj;
}

uint32_t index_poll(struct index *ix, uint32_t budget)
{
	uint32_t n = 0;

	while (n < budget && ix->b.n > ix->floor && ix->count * 2 < (uint64_t)ix->b.n * SHRINK_HALVES &&
	       buckets_merge(&ix->b, ix->heap, ix->seed))
		n++;
	ix->merges += n;
	return n;
}

uint64_t index_count(const struct index *ix)
{
	return ix->count;
}

uint64_t index_buckets(const struct index *ix)
{
	return ix->b.n;
}

void index_stats_get(const struct index *ix, struct index_stats *out)
{
	*out = (struct index_stats){.entries = ix->count,
				    .buckets = ix->b.n,
				    .overflow = ix->b.overflow,
				    .splits = ix->splits,
				    .merges = ix->merges,
				    .memory_bytes = buckets_bytes(&ix->b)};
}

/* ---- walking --------------------------------------------------------------------------------------------------- */

static inline uint32_t reverse(uint32_t v)
{
	v = (v >> 1 & 0x55555555) | (v & 0x55555555) << 1;
	v = (v >> 2 & 0x33333333) | (v & 0x33333333) << 2;
	v = (v >> 4 & 0x0f0f0f0f) | (v & 0x0f0f0f0f) << 4;
	return __builtin_bswap32(v);
}

static void prefetch_chain(const struct bucket *b)
{
	for (uint32_t i = 0; i < BUCKET_SLOTS; i++)
		rte_prefetch0(slot_object(b->slot[i]));
}

/* fn may remove what it is given: buckets stay where they are meanwhile. */
static uint32_t visit_chain(struct bucket *b, index_visit_fn fn, void *ctx)
{
	uint32_t n = 1;

	for (; b != NULL; b = b->more) {
		prefetch_chain(b);
		for (uint32_t i = 0; i < BUCKET_SLOTS; i++) {
			if (b->slot[i] == 0)
				continue;
			fn(ctx, slot_object(b->slot[i]));
			n++;
		}
	}
	return n;
}

static inline uint32_t walk_mask(const struct index *ix, uint32_t at)
{
	uint32_t half = high_bit(ix->b.n), mask = half - 1;

	return (at & mask) + half < ix->b.n ? mask | half : mask;
}

/* The order is that of the reversed hashes: a bucket is one stretch of it, whose end the cursor names; splits and
 * merges only make stretches shorter or longer. */
uint32_t index_walk(struct index *ix, uint64_t *cursor, uint32_t budget, index_visit_fn fn, void *ctx)
{
	uint32_t at = (uint32_t)*cursor, n = 0;

	do {
		uint32_t mask = walk_mask(ix, at);
		n += visit_chain(bucket_at(&ix->b, at & mask), fn, ctx);
		at = reverse(reverse(at | ~mask) + 1);
	} while (at != 0 && n < budget);
	*cursor = at;
	return n;
}

void index_walk_ahead(const struct index *ix, uint64_t cursor, uint32_t buckets)
{
	const struct bucket *b[WALK_AHEAD];
	uint32_t at = (uint32_t)cursor, n = 0;

	do {
		uint32_t mask = walk_mask(ix, at);
		b[n] = bucket_at(&ix->b, at & mask);
		rte_prefetch0(b[n++]);
		at = reverse(reverse(at | ~mask) + 1);
	} while (at != 0 && n < RP_MIN(buckets, WALK_AHEAD));
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t k = 0; k < BUCKET_SLOTS; k++) {
			const char *o = (const char *)slot_object(b[i]->slot[k]);
			rte_prefetch0(o);
			rte_prefetch0(o + RP_CACHE_LINE);
		}
}

bool index_reserve(struct index *ix, uint64_t entries)
{
	uint32_t n = (uint32_t)RP_MIN(entries * 2 / GROW_HALVES + 1, (uint64_t)BUCKETS_MAX / 2);
	struct buckets fresh;

	if (ix->count != 0 || n <= ix->b.n || !buckets_init(&fresh, ix->heap, n))
		return false;
	buckets_fini(&ix->b, ix->heap);
	ix->b = fresh;
	return true;
}

struct object *index_random(const struct index *ix, uint64_t rnd)
{
	uint32_t at = 0;

	if (ix->count == 0)
		return NULL;
	for (int i = 0; i < RANDOM_TRIES; i++) {
		at = (uint32_t)((unsigned __int128)rnd * ix->b.n >> 64);
		rnd = rnd * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX generator */
		const struct bucket *b = bucket_at(&ix->b, at);
		uint32_t slot = (uint32_t)((rnd >> 32) * RANDOM_SLOTS >> 32);
		if (slot >= BUCKET_SLOTS && (b = b->more) == NULL)
			continue;
		struct object *o = slot_object(b->slot[slot % BUCKET_SLOTS]);
		if (o != NULL)
			return o;
	}
	for (;; at = at + 1 == ix->b.n ? 0 : at + 1)
		for (const struct bucket *b = bucket_at(&ix->b, at); b != NULL; b = b->more)
			for (uint32_t i = 0; i < BUCKET_SLOTS; i++)
				if (b->slot[i] != 0)
					return slot_object(b->slot[i]);
}

/* ---- emptying -------------------------------------------------------------------------------------------------- */

bool index_detach(struct index *ix, struct index_remains **chain, uint32_t tag)
{
	struct index_remains *r = heap_alloc(ix->heap, sizeof *r);
	struct buckets fresh;

	if (r == NULL)
		return false;
	if (!buckets_init(&fresh, ix->heap, RP_MIN(ix->floor, SEG_BUCKETS))) {
		heap_free(ix->heap, r);
		return false;
	}
	*r = (struct index_remains){.b = ix->b, .heap = ix->heap, .next = *chain, .tag = tag};
	*chain = r;
	ix->b = fresh;
	ix->count = 0;
	return true;
}

uint32_t index_remains_tag(const struct index_remains *r)
{
	return r->tag;
}

void index_remains_tag_set(struct index_remains *r, uint32_t tag)
{
	r->tag = tag;
}

struct index_remains *index_remains_next(const struct index_remains *r)
{
	return r->next;
}

/* Empties the last bucket and gives up its segment if it was the first of one. */
bool index_remains_drain(struct index_remains *r, uint32_t *budget, index_visit_fn fn, void *ctx)
{
	struct buckets *t = &r->b;

	while (*budget > 0 && t->n > 0) {
		struct bucket *b = bucket_at(t, t->n - 1), *more;
		uint32_t n = visit_chain(b, fn, ctx);
		for (b = b->more; b != NULL; b = more) {
			more = b->more;
			heap_free(r->heap, b);
			t->overflow--;
		}
		if ((--t->n & (SEG_BUCKETS - 1)) == 0)
			while (t->segs > t->n >> SEG_SHIFT)
				heap_free(r->heap, t->seg[--t->segs]);
		*budget -= RP_MIN(n, *budget);
	}
	return t->n == 0;
}

void index_remains_destroy(struct index_remains *r)
{
	buckets_fini(&r->b, r->heap);
	heap_free(r->heap, r);
}
