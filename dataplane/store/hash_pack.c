/* Hashes as listpacks: pairs, or field, value and time in the order of the times. */
#include "store/hash_priv.h"

#define TIME_NONE 0 /* stands in a listpack for no TTL */

static bool pack_reserve(struct cbuf *b, size_t cap)
{
	struct hash_pack *p = rp_container_of(b, struct hash_pack, b);
	size_t want = cap + cap / 4;
	uint8_t *n = heap_realloc(p->heap, b->p, want);

	if (n == NULL)
		return false;
	b->p = n;
	b->cap = want;
	return true;
}

struct hash_pack *hash_pack_create(struct heap *h)
{
	struct hash_pack *p = heap_zalloc(h, sizeof *p);

	if (p != NULL) {
		p->h = (struct hash){.head.type = OBJ_HASH, .packed = true, .timer = &p->timer};
		p->timer.as.flags = OBJ_F_EXPIRE;
		p->timer.due.at_ms = INT64_MAX;
		p->heap = h;
		p->b.reserve = pack_reserve;
	}
	return p;
}

void hash_pack_destroy(struct hash_pack *p)
{
	heap_free(p->heap, p->b.p);
	heap_free(p->heap, p);
}

size_t hpack_find(const uint8_t *p, const struct lp_key *k, uint32_t step)
{
	size_t first = lp_first(p);

	return first ? lp_find(p, first, k, step - 1) : 0;
}

static int64_t time_at(const uint8_t *p, size_t off)
{
	int64_t at_ms;

	rp_assert(lp_get_i64(p, off, &at_ms));
	return at_ms == TIME_NONE ? HASH_NO_TTL : at_ms;
}

size_t hpack_item(const uint8_t *p, size_t off, uint32_t step, struct hash_item *it)
{
	it->field = lp_get(p, off, it->field_num);
	off = lp_next(p, off);
	it->value = lp_get(p, off, it->value_num);
	it->blob = NULL;
	it->at_ms = HASH_NO_TTL;
	if (step == 3) {
		off = lp_next(p, off);
		it->at_ms = time_at(p, off);
	}
	return lp_next(p, off);
}

uint32_t hpack_count(const uint8_t *p, uint32_t step)
{
	return lp_count(p) / step;
}

/* Of the triple at off. */
static size_t time_off(const uint8_t *p, size_t off)
{
	return lp_next(p, lp_next(p, off));
}

uint32_t hpack_due(const uint8_t *p, int64_t now_ms)
{
	uint32_t n = 0;

	for (size_t off = lp_first(p); off != 0; n++) {
		off = time_off(p, off);
		int64_t at_ms = time_at(p, off);
		if (at_ms == HASH_NO_TTL || at_ms >= now_ms)
			break;
		off = lp_next(p, off);
	}
	return n;
}

int64_t hpack_next_ms(const uint8_t *p)
{
	size_t off = lp_first(p);

	return off ? time_at(p, time_off(p, off)) : HASH_NO_TTL;
}

/* Where a triple with that time belongs: behind those of the same time, none being the latest. */
static size_t place_of(const uint8_t *p, int64_t at_ms)
{
	size_t off = at_ms == HASH_NO_TTL ? 0 : lp_first(p);

	while (off != 0) {
		size_t t = time_off(p, off);
		int64_t other = time_at(p, t);
		if (other == HASH_NO_TTL || other > at_ms)
			return off;
		off = lp_next(p, t);
	}
	return lp_end(p);
}

/* From the last to the first, all at one place: memory is reserved. */
static void insert_triple(struct cbuf *b, struct slice field, struct slice value, int64_t at_ms)
{
	size_t off = place_of(b->p, at_ms);
	char num[NUM_I64_CHARS];
	struct slice time = {num, num_format_i64(num, at_ms == HASH_NO_TTL ? TIME_NONE : at_ms)};

	rp_assert(lp_insert(b, off, time) && lp_insert(b, off, value) && lp_insert(b, off, field));
}

static int put_new(struct cbuf *b, struct slice field, struct slice value, int64_t at_ms, uint32_t step)
{
	size_t need = lp_entry_bytes(field) + lp_entry_bytes(value) + (step == 3 ? HASH_TIME_BYTES : 0);

	if (!cbuf_reserve(b, b->len + need))
		return HASH_NO_MEMORY;
	if (step == 3)
		insert_triple(b, field, value, at_ms == HASH_KEEP_TTL ? HASH_NO_TTL : at_ms);
	else
		rp_assert(lp_append(b, field) && lp_append(b, value));
	return 1;
}

int hpack_put(struct cbuf *b, size_t off, struct slice field, struct slice value, int64_t at_ms, uint32_t step)
{
	if (off == 0)
		return put_new(b, field, value, at_ms, step);
	size_t value_off = lp_next(b->p, off);

	if (step == 2 || at_ms == HASH_KEEP_TTL || at_ms == time_at(b->p, lp_next(b->p, value_off)))
		return lp_replace(b, value_off, value) ? 0 : HASH_NO_MEMORY;
	if (!cbuf_reserve(b, b->len + lp_entry_bytes(value) + HASH_TIME_BYTES))
		return HASH_NO_MEMORY;
	lp_delete(b, off, 3);
	insert_triple(b, field, value, at_ms);
	return 0;
}

static void reverse(uint8_t *p, size_t lo, size_t hi)
{
	for (; lo + 1 < hi; lo++, hi--) {
		uint8_t keep = p[lo];
		p[lo] = p[hi - 1];
		p[hi - 1] = keep;
	}
}

/* [lo, mid) and [mid, hi) change places. */
static void rotate(uint8_t *p, size_t lo, size_t mid, size_t hi)
{
	reverse(p, lo, mid);
	reverse(p, mid, hi);
	reverse(p, lo, hi);
}

void hpack_set_time(struct cbuf *b, size_t off, int64_t at_ms)
{
	size_t t = time_off(b->p, off), to = lp_first(b->p), end;
	char num[NUM_I64_CHARS];

	/* The new time in the place of the old, then the triple's bytes move to where they belong now. */
	rp_assert(lp_replace(b, t, (struct slice){num, num_format_i64(num, at_ms == HASH_NO_TTL ? TIME_NONE : at_ms)}));
	end = lp_next(b->p, t);
	if (end == 0)
		end = lp_end(b->p);
	while (to != 0) {
		t = time_off(b->p, to);
		int64_t other = time_at(b->p, t);
		if (to != off && at_ms != HASH_NO_TTL && (other == HASH_NO_TTL || other > at_ms))
			break;
		to = lp_next(b->p, t);
	}
	if (to == 0)
		to = lp_end(b->p);
	if (to < off)
		rotate(b->p, to, off, end);
	else
		rotate(b->p, off, end, RP_MAX(to, end));
}

bool hpack_widen(struct cbuf *b, const uint8_t *p)
{
	struct hash_item it;

	if (!cbuf_reserve(b, lp_bytes(p) + (size_t)lp_count(p)))
		return false;
	lp_init(b->p);
	b->len = LP_EMPTY_BYTES;
	for (size_t off = lp_first(p); off != 0;) {
		off = hpack_item(p, off, 2, &it);
		if (!lp_append(b, it.field) || !lp_append(b, it.value) || !lp_append_i64(b, TIME_NONE))
			return false;
	}
	return true;
}
