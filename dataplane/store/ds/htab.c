/* A link names an element and says two things that save the look at it:
 *
 *   63    60 59          48 47                                  0
 *   +--------+--------------+-----------------------------------+
 *   | length | tag          | address                           |
 *   +--------+--------------+-----------------------------------+
 *
 * the tag is hash bits 16 to 27 of the element named; length counts the elements from there to the end of the chain, 15
 * standing for 15 and more. A find that misses mostly reads the bucket alone; so does the split of a bucket of one,
 * from 64K buckets on; and a random element is drawn from the lengths of whole cache lines of buckets.
 *
 * With n buckets, 2^k <= n < 2^(k+1), bucket b holds the hashes that end in its k + 1 low bits if its buddy b ^ 2^k
 * exists, else those that end in its k low bits.
 */
#include "store/ds/htab.h"
#include "base/hash.h"

#define SEG_SHIFT   13 /* buckets of a segment: 64 KiB, a page of the heap */
#define SEG_BUCKETS (1u << SEG_SHIFT)
#define BUCKETS_MIN 8 /* what it does not shrink below */
#define BUCKETS_MAX (1u << 31)
#define STEPS_MAX   2 /* buckets made or given up by one insert or removal, when it lags behind */

#define LINK_ADDR (((uint64_t)1 << 48) - 1)
#define TAG_SHIFT 48
#define TAG_BITS  12
#define LINK_TAG  ((((uint64_t)1 << TAG_BITS) - 1) << TAG_SHIFT)
#define TAG_FROM  16 /* first bit of the hash in the tag */
#define LEN_SHIFT 60
#define LEN_ONE   ((uint64_t)1 << LEN_SHIFT)
#define LEN_MAX   15
#define GROUP     8 /* buckets of a cache line */

static inline struct elem *link_elem(uint64_t l)
{
	return (struct elem *)(uintptr_t)(l & LINK_ADDR);
}

static inline uint32_t link_len(uint64_t l)
{
	return (uint32_t)(l >> LEN_SHIFT);
}

static inline uint64_t tag_of(uint64_t hash)
{
	return hash << (TAG_SHIFT - TAG_FROM) & LINK_TAG;
}

/* tag: in its place. */
static inline void push(uint64_t *head, struct elem *e, uint64_t tag)
{
	uint64_t len = *head >> LEN_SHIFT;

	e->next = *head;
	*head = (uint64_t)(uintptr_t)e | tag | (len < LEN_MAX ? len + 1 : LEN_MAX) << LEN_SHIFT;
}

static inline uint32_t high_bit(uint32_t n)
{
	return 1u << (31 - __builtin_clz(n));
}

static inline uint32_t bucket_of(const struct htab *t, uint64_t hash)
{
	uint32_t full = UINT32_MAX >> __builtin_clz(t->buckets), b = (uint32_t)hash & full;

	return b < t->buckets ? b : b & full >> 1;
}

static inline uint64_t *bucket_at(const struct htab *t, uint32_t b)
{
	if (rp_likely(t->buckets <= SEG_BUCKETS))
		return &t->one[b];
	return &t->seg[b >> SEG_SHIFT][b & (SEG_BUCKETS - 1)];
}

void htab_init(struct htab *t, uint64_t seed)
{
	*t = (struct htab){.seed = seed, .buckets = 1, .cap = 1};
	t->one = &t->first;
}

uint64_t htab_hash(const struct htab *t, struct slice name)
{
	return hash64(name.ptr, name.len, t->seed);
}

void htab_prefetch(const struct htab *t, uint64_t hash)
{
	__builtin_prefetch(bucket_at(t, bucket_of(t, hash)));
}

void htab_prefetch_elem(const struct htab *t, uint64_t hash)
{
	elem_prefetch(link_elem(*bucket_at(t, bucket_of(t, hash))));
}

void htab_prefetch_next(const struct htab *t, uint64_t hash)
{
	uint64_t l = *bucket_at(t, bucket_of(t, hash));

	if ((l & LINK_TAG) != tag_of(hash) && link_len(l) > 1)
		elem_prefetch(link_elem(link_elem(l)->next));
}

struct elem *htab_find_hashed(const struct htab *t, struct slice name, uint64_t hash)
{
	uint64_t l = *bucket_at(t, bucket_of(t, hash)), tag = tag_of(hash);

	if (l == 0)
		return NULL;
	for (;;) {
		const struct elem *e = link_elem(l);
		if ((l & LINK_TAG) == tag && slice_eq(elem_name(e), name))
			return link_elem(l);
		if (link_len(l) == 1)
			return NULL;
		l = e->next;
	}
}

struct elem *htab_find(const struct htab *t, struct slice name)
{
	return t->count > 0 ? htab_find_hashed(t, name, htab_hash(t, name)) : NULL;
}

/* ---- growing and shrinking ---- */

/* The only segment gets room for at least `want` buckets. */
static bool one_resize(struct htab *t, struct heap *h, uint32_t want)
{
	uint32_t cap = (uint32_t)(heap_good_size(want * sizeof *t->one) / sizeof *t->one);
	uint64_t *p;

	cap = RP_MIN(cap, SEG_BUCKETS);
	p = heap_realloc(h, t->one == &t->first ? NULL : t->one, cap * sizeof *p);
	if (p == NULL)
		return false;
	if (t->one == &t->first)
		p[0] = t->first;
	t->one = p;
	t->cap = cap;
	return true;
}

/* The second segment comes, and the directory with it. */
static bool directory_begin(struct htab *t, struct heap *h)
{
	uint32_t cap = 8;
	uint64_t **seg = heap_alloc(h, cap * sizeof *seg);

	if (seg == NULL)
		return false;
	seg[0] = t->one;
	seg[1] = heap_alloc(h, SEG_BUCKETS * sizeof **seg);
	if (seg[1] == NULL) {
		heap_free(h, seg);
		return false;
	}
	t->seg = seg;
	t->cap = cap;
	return true;
}

static bool segment_add(struct htab *t, struct heap *h, uint32_t at)
{
	if (at == t->cap) {
		uint32_t cap = at + at / 4;
		uint64_t **seg = heap_realloc(h, t->seg, cap * sizeof *seg);
		if (seg == NULL)
			return false;
		t->seg = seg;
		t->cap = cap;
	}
	t->seg[at] = heap_alloc(h, SEG_BUCKETS * sizeof **t->seg);
	return t->seg[at] != NULL;
}

/* Room for one more bucket; after it `buckets` must be raised. */
static bool make_room(struct htab *t, struct heap *h)
{
	uint32_t n = t->buckets;

	if (n < SEG_BUCKETS)
		return n < t->cap || one_resize(t, h, n + RP_MAX(n / 4, BUCKETS_MIN - 1));
	if (n == SEG_BUCKETS)
		return directory_begin(t, h);
	if (n == BUCKETS_MAX)
		return false;
	return (n & (SEG_BUCKETS - 1)) != 0 || segment_add(t, h, n >> SEG_SHIFT);
}

/* Gives up what held nothing but the bucket behind the last. */
static void give_room(struct htab *t, struct heap *h)
{
	uint32_t n = t->buckets;

	if (n < SEG_BUCKETS) {
		if (t->cap > 2 * n + 2 * BUCKETS_MIN)
			one_resize(t, h, n + n / 4);
	} else if (n == SEG_BUCKETS) {
		uint64_t **seg = t->seg;
		heap_free(h, seg[1]);
		t->one = seg[0];
		t->cap = SEG_BUCKETS;
		heap_free(h, seg);
	} else if ((n & (SEG_BUCKETS - 1)) == 0) {
		heap_free(h, t->seg[n >> SEG_SHIFT]);
	}
}

/* Bit `bit` (one bit set) of the hash of the element that l names. */
static inline bool hash_has(const struct htab *t, uint64_t l, uint32_t bit)
{
	if (bit >> TAG_FROM != 0 && bit >> TAG_FROM < 1u << TAG_BITS)
		return (l >> TAG_SHIFT & bit >> TAG_FROM) != 0;
	return (htab_hash(t, elem_name(link_elem(l))) & bit) != 0;
}

/* Makes one more bucket out of the elements of its buddy that belong there. */
static bool split(struct htab *t, struct heap *h)
{
	uint32_t bit = high_bit(t->buckets);
	uint64_t *from, *to, l;

	if (!make_room(t, h))
		return false;
	t->buckets++;
	from = bucket_at(t, t->buckets - 1 - bit);
	to = bucket_at(t, t->buckets - 1);
	l = *from;
	*to = 0;
	if (link_len(l) == 1) { /* the usual one: moves as it is */
		if (hash_has(t, l, bit)) {
			*to = l;
			*from = 0;
		}
		return true;
	}
	*from = 0;
	while (l != 0) {
		struct elem *e = link_elem(l);
		uint64_t next = e->next;
		push(hash_has(t, l, bit) ? to : from, e, l & LINK_TAG);
		l = next;
	}
	return true;
}

static void merge(struct htab *t, struct heap *h)
{
	uint32_t last = t->buckets - 1;
	uint64_t *to = bucket_at(t, last ^ high_bit(last)), l = *bucket_at(t, last);

	while (l != 0) {
		struct elem *e = link_elem(l);
		uint64_t next = e->next;
		push(to, e, l & LINK_TAG);
		l = next;
	}
	t->buckets = last;
	give_room(t, h);
}

void htab_insert_hashed(struct htab *t, struct heap *h, struct elem *e, uint64_t hash)
{
	push(bucket_at(t, bucket_of(t, hash)), e, tag_of(hash));
	t->count++;
	for (int i = 0; i < STEPS_MAX && t->count > t->buckets; i++)
		if (!split(t, h))
			break;
}

void htab_insert(struct htab *t, struct heap *h, struct elem *e)
{
	htab_insert_hashed(t, h, e, htab_hash(t, elem_name(e)));
}

void htab_reserve(struct htab *t, struct heap *h, uint64_t n)
{
	uint32_t want = (uint32_t)RP_MIN(n, SEG_BUCKETS);

	if (t->count > 0 || want <= t->buckets || t->buckets > SEG_BUCKETS)
		return;
	if (want > t->cap && !one_resize(t, h, want))
		return;
	memset(t->one, 0, want * sizeof *t->one);
	t->buckets = want;
}

/* ---- taking out ---- */

/* Says the lengths of a whole chain anew. */
static void count_chain(uint64_t *head)
{
	uint64_t n = 0;

	for (uint64_t l = *head; l != 0; l = link_elem(l)->next)
		n++;
	for (uint64_t *l = head; n > 0; l = &link_elem(*l)->next, n--)
		*l = (*l & (LINK_ADDR | LINK_TAG)) | RP_MIN(n, (uint64_t)LEN_MAX) << LEN_SHIFT;
}

void htab_remove_hashed(struct htab *t, struct heap *h, struct elem *e, uint64_t hash)
{
	uint64_t *head = bucket_at(t, bucket_of(t, hash)), *l = head;
	bool counts = link_len(*head) < LEN_MAX;

	while (link_elem(*l) != e) {
		struct elem *before = link_elem(*l);
		rp_assert(before != NULL);
		if (counts)
			*l -= LEN_ONE;
		l = &before->next;
	}
	*l = e->next;
	if (rp_unlikely(!counts))
		count_chain(head);
	t->count--;
	for (int i = 0; i < STEPS_MAX && t->count < t->buckets - t->buckets / 4 && t->buckets > BUCKETS_MIN; i++)
		merge(t, h);
}

void htab_remove(struct htab *t, struct heap *h, struct elem *e)
{
	htab_remove_hashed(t, h, e, htab_hash(t, elem_name(e)));
}

void htab_replace(struct htab *t, struct elem *e, struct elem *n)
{
	uint64_t *l = bucket_at(t, bucket_of(t, htab_hash(t, elem_name(n))));

	while (link_elem(*l) != e) {
		rp_assert(*l != 0);
		l = &link_elem(*l)->next;
	}
	n->next = e->next;
	*l = (*l & ~LINK_ADDR) | (uint64_t)(uintptr_t)n;
}

bool htab_drain(struct htab *t, struct heap *h, uint32_t *budget, htab_visit_fn fn, void *ctx)
{
	while (*budget > 0) {
		uint64_t *head = bucket_at(t, t->buckets - 1);
		if (*head != 0) {
			struct elem *e = link_elem(*head);
			*head = e->next;
			t->count--;
			fn(ctx, e);
		} else if (t->buckets > 1) {
			t->buckets--;
			if (t->buckets >= SEG_BUCKETS)
				give_room(t, h);
			if (t->buckets >= GROUP)
				__builtin_prefetch(link_elem(*bucket_at(t, t->buckets - GROUP)));
		} else {
			return true;
		}
		--*budget;
	}
	return false;
}

void htab_fini(struct htab *t, struct heap *h)
{
	if (t->buckets > SEG_BUCKETS) {
		for (uint32_t i = 0; i << SEG_SHIFT < t->buckets; i++)
			heap_free(h, t->seg[i]);
		heap_free(h, t->seg);
	} else if (t->one != &t->first) {
		heap_free(h, t->one);
	}
	htab_init(t, t->seed);
}

/* ---- all, some, one ---- */

static inline uint32_t reverse(uint32_t v)
{
	v = (v >> 1 & 0x55555555) | (v & 0x55555555) << 1;
	v = (v >> 2 & 0x33333333) | (v & 0x33333333) << 2;
	v = (v >> 4 & 0x0f0f0f0f) | (v & 0x0f0f0f0f) << 4;
	return __builtin_bswap32(v);
}

/* The order of a scan is that of the reversed hashes: a bucket is one stretch of it, whose end the cursor names; splits
 * and merges only make stretches shorter or longer. */
uint64_t htab_scan(const struct htab *t, uint64_t cursor, htab_visit_fn fn, void *ctx)
{
	uint32_t half = high_bit(t->buckets), at = (uint32_t)cursor, mask = half - 1;

	if ((at & mask) + half < t->buckets)
		mask |= half;
	for (uint64_t l = *bucket_at(t, at & mask); l != 0;) {
		struct elem *e = link_elem(l);
		l = e->next;
		fn(ctx, e);
	}
	return reverse(reverse(at | ~mask) + 1);
}

static uint32_t chain_len(uint64_t l)
{
	uint32_t n = link_len(l);

	if (rp_unlikely(n == LEN_MAX)) {
		for (n = 0; l != 0; l = link_elem(l)->next)
			n++;
	}
	return n;
}

/* The element number `at` of the n buckets from `from` on; NULL: there are not so many. */
static struct elem *pick(const struct htab *t, uint32_t from, uint32_t n, uint64_t at)
{
	for (uint32_t b = from; b < from + n; b++) {
		uint64_t l = *bucket_at(t, b);
		uint32_t len = chain_len(l);
		if (at >= len) {
			at -= len;
			continue;
		}
		while (at-- > 0)
			l = link_elem(l)->next;
		return link_elem(l);
	}
	return NULL;
}

/* Elements of a group of buckets, or more. */
static inline uint64_t group_len(const uint64_t *b)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < GROUP; i++)
		sum += b[i] >> LEN_SHIFT;
	return sum;
}

static bool group_is_long(const uint64_t *b)
{
	for (uint32_t i = 0; i < GROUP; i++)
		if (link_len(b[i]) == LEN_MAX)
			return true;
	return false;
}

/* Draws a group of buckets and a number below the most elements that a group has, until there is such an element:
 * exactly uniform. Lengths are Poisson distributed around `mean` at most; that one exceeds 14 + 2 * mean has a chance
 * of less than 1e-8. Takes 4 to 6 draws. */
struct elem *htab_random(const struct htab *t, struct rng *rng)
{
	uint32_t groups = (t->buckets + GROUP - 1) / GROUP;
	uint64_t mean = GROUP * t->count / high_bit(t->buckets) + 1, most = 14 + 2 * mean;

	if (t->count == 0)
		return NULL;
	if (groups <= 2 || t->count < t->buckets / 16)
		return pick(t, 0, t->buckets, rng_below(rng, t->count));
	for (;;) {
		uint64_t r = rng_next(rng), at = (r & UINT32_MAX) * most >> 32;
		uint32_t from = (uint32_t)((r >> 32) * groups >> 32) * GROUP, n = RP_MIN(GROUP, t->buckets - from);
		const uint64_t *b = bucket_at(t, from);
		if (rp_likely(n == GROUP)) {
			uint64_t len = group_len(b);
			if (at >= len && (len < LEN_MAX || !group_is_long(b)))
				continue;
		}
		struct elem *e = pick(t, from, n, at);
		if (e)
			return e;
	}
}

void htab_iter_begin(struct htab_iter *it, const struct htab *t)
{
	*it = (struct htab_iter){.t = t};
}

struct elem *htab_iter_next(struct htab_iter *it)
{
	const struct htab *t = it->t;
	struct elem *e = it->e;

	while (e == NULL) {
		if (it->bucket == t->buckets)
			return NULL;
		e = link_elem(*bucket_at(t, it->bucket++));
		if (it->bucket + GROUP < t->buckets)
			__builtin_prefetch(link_elem(*bucket_at(t, it->bucket + GROUP)));
	}
	it->e = link_elem(e->next);
	return e;
}

size_t htab_bytes(const struct htab *t)
{
	size_t segs = ((size_t)t->buckets + SEG_BUCKETS - 1) >> SEG_SHIFT;

	if (t->one == &t->first)
		return 0;
	if (t->buckets <= SEG_BUCKETS)
		return heap_good_size(t->cap * sizeof *t->one);
	return heap_good_size(t->cap * sizeof *t->seg) + segs * heap_good_size(SEG_BUCKETS * sizeof **t->seg);
}
