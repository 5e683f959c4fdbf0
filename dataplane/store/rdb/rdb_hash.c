/* Hashes in RDB files. Times of fields, since version 12:
 *
 *   RDB_HASH_TTL            first time (8 bytes), fields (length), and for each: its time as a length, 0 if it has
 * none, else counted from the first, which is 1; field; value RDB_HASH_LISTPACK_TTL   first time or 0 (8 bytes), a
 * listpack of field, value, time or 0, ... by time
 */
#include "store/hash_priv.h"
#include "store/rdb/rdb_priv.h"

#define ALL_FIELDS INT64_MIN /* as of this time no field is expired */

/* ---- writing ---- */

static void put_packed(struct rdb_out *w, const struct object *o)
{
	const struct cbuf *b = &hash_pack_of(o)->b;
	int64_t first_ms = hpack_next_ms(b->p);

	rdb_put_i64(w, first_ms == HASH_NO_TTL ? 0 : first_ms);
	rdb_put_string(w, (struct slice){(const char *)b->p, b->len});
}

uint8_t rdb_hash_type(const struct object *o)
{
	if (o->enc == ENC_LISTPACKEX)
		return RDB_HASH_LISTPACK_TTL;
	if (o->enc == ENC_LISTPACK)
		return RDB_HASH_LISTPACK;
	return hash_has_times(o) ? RDB_HASH_TTL : RDB_HASH;
}

static int64_t first_time(const struct object *o)
{
	return hash_has_times(o) ? hash_timer_of(o)->due.at_ms : HASH_NO_TTL;
}

void rdb_hash_begin(struct rdb_out *w, const struct object *o, struct hash_iter *walk)
{
	if (hash_has_times(o))
		rdb_put_i64(w, first_time(o));
	rdb_put_len(w, hash_count(o, ALL_FIELDS));
	hash_iter_begin(walk, o, ALL_FIELDS);
}

bool rdb_hash_next(struct rdb_out *w, struct hash_iter *walk)
{
	struct hash_item it;
	int64_t first_ms = first_time(walk->o);

	if (!hash_iter_next(walk, &it))
		return false;
	if (first_ms != HASH_NO_TTL)
		rdb_put_len(w, it.at_ms == HASH_NO_TTL ? 0 : (uint64_t)(it.at_ms - first_ms) + 1);
	rdb_put_string(w, it.field);
	rdb_put_string(w, it.value);
	return true;
}

void rdb_put_hash(struct rdb_out *w, const struct object *o)
{
	struct hash_iter walk;

	if (o->enc == ENC_LISTPACKEX) {
		put_packed(w, o);
		return;
	}
	if (o->enc == ENC_LISTPACK) {
		rdb_put_string(w, obj_compact(o));
		return;
	}
	rdb_hash_begin(w, o, &walk);
	while (rdb_hash_next(w, &walk))
		;
}

/* ---- reading ---- */

struct hash_load {
	struct rdb_in *r;
	const struct rdb_target *t;
	struct hash_build b;
	bool nomem;
	uint32_t step; /* entries of a field, 2 or 3 */
	uint32_t have; /* of the field being read */
	struct slice part[2];
	char num[2][NUM_I64_CHARS];
};

static bool put(struct hash_load *x, struct slice field, struct slice value, int64_t at_ms)
{
	int added;

	if (at_ms > HASH_TIME_MAX)
		return false;
	if (at_ms >= 0 && at_ms < store_now_ms(x->t->s)) /* expired meanwhile */
		return true;
	added = hash_build_put(&x->b, field, value, at_ms);
	x->nomem |= added == HASH_NO_MEMORY;
	return added == 1; /* twice is nonsense */
}

/* Fields, values and perhaps times in turn. */
static bool hash_entry(void *ctx, struct slice entry)
{
	struct hash_load *x = ctx;
	int64_t at_ms = 0;
	uint32_t i = x->have;

	if (i < 2) {
		x->part[i] = entry;
		if (entry.len < NUM_I64_CHARS) { /* an integer's text does not outlive the call */
			memcpy(x->num[i], entry.ptr, entry.len);
			x->part[i].ptr = x->num[i];
		}
	} else if (!num_parse_i64(entry, &at_ms) || at_ms < 0) {
		return false;
	}
	if (++x->have < x->step)
		return true;
	x->have = 0;
	return put(x, x->part[0], x->part[1], at_ms == 0 ? HASH_NO_TTL : at_ms);
}

/* The time before a field of RDB_HASH_TTL. false: nonsense. */
static bool get_time(struct rdb_in *r, int64_t first_ms, int64_t *at_ms)
{
	uint64_t n = rdb_get_len(r);

	*at_ms = HASH_NO_TTL;
	if (n == 0)
		return !r->bad;
	if (first_ms < 0 || first_ms > HASH_TIME_MAX || n > (uint64_t)HASH_TIME_MAX)
		return false;
	*at_ms = first_ms + (int64_t)n - 1;
	return true;
}

static bool get_pair(struct hash_load *x, bool times, int64_t first_ms)
{
	struct rdb_in *r = x->r;
	struct rdb_str field, value;
	int64_t at_ms = HASH_NO_TTL;

	if ((times && !get_time(r, first_ms, &at_ms)) || !rdb_get_string(r, &field))
		return false;
	bool ok = rdb_get_string(r, &value);

	if (ok) {
		ok = put(x, field.s, value.s, at_ms);
		rdb_str_free(r, &value);
	}
	rdb_str_free(r, &field);
	return ok;
}

static bool get_pairs(struct hash_load *x, bool times)
{
	struct rdb_in *r = x->r;
	int64_t first_ms = times ? rdb_get_i64(r) : 0;
	uint64_t n = rdb_get_len(r);

	if (r->bad || n > (uint64_t)(r->end - r->p) / 2)
		return false;
	if (!hash_build_expect(&x->b, n)) {
		x->nomem = true;
		return false;
	}
	for (; n > 0; n--)
		if (!get_pair(x, times, first_ms))
			return false;
	return true;
}

static bool get_container(struct hash_load *x, uint8_t type)
{
	struct rdb_str bytes;
	bool ok;

	x->step = type == RDB_HASH_LISTPACK_TTL ? 3 : 2;
	if (x->step == 3)
		rdb_get_i64(x->r);
	if (!rdb_get_string(x->r, &bytes))
		return false;
	const uint8_t *p = (const uint8_t *)bytes.s.ptr;

	if (type == RDB_HASH_ZIPMAP)
		ok = zipmap_each(p, bytes.s.len, hash_entry, x);
	else if (type == RDB_HASH_ZIPLIST)
		ok = ziplist_each(p, bytes.s.len, hash_entry, x);
	else
		ok = listpack_each(p, bytes.s.len, hash_entry, x);
	rdb_str_free(x->r, &bytes);
	return ok && x->have == 0;
}

enum rdb_loaded rdb_load_hash(struct rdb_in *r, uint8_t type, const struct rdb_target *t)
{
	struct hash_load x = {.r = r, .t = t};
	struct hash_rules rules = {t->limits, rng_next(t->rng)};
	bool pairs = type == RDB_HASH || type == RDB_HASH_TTL;

	hash_build_begin(&x.b, store_heap(t->s), &rules);
	bool ok = (pairs ? get_pairs(&x, type == RDB_HASH_TTL) : get_container(&x, type)) && !r->bad;

	if (ok && hash_build_count(&x.b) > 0)
		return hash_build_store(&x.b, t->s, t->db, t->key, t->expire_at_ms) != NULL ? RDB_LOADED
											    : RDB_NO_MEMORY;
	hash_build_drop(&x.b);
	if (ok)
		return RDB_EMPTY;
	return x.nomem || r->nomem ? RDB_NO_MEMORY : RDB_BAD;
}
