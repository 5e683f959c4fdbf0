/* Sets: reading them, and what their forms have in common. */
#include "store/set_priv.h"

struct set_table *set_table_create(struct heap *h, uint64_t seed)
{
	struct set_table *t = heap_alloc(h, sizeof *t);

	if (t != NULL) {
		t->head = (struct payload){.type = OBJ_SET};
		htab_init(&t->t, seed);
	}
	return t;
}

struct elem *set_elem_create(struct heap *h, struct slice name)
{
	struct elem *e = heap_alloc(h, sizeof *e + name.len);

	if (e != NULL) {
		e->len = (uint32_t)name.len;
		if (name.len > 0)
			memcpy(e->name, name.ptr, name.len);
	}
	return e;
}

static void free_elem(void *ctx, struct elem *e)
{
	heap_free(ctx, e);
}

static bool table_drain(struct heap *h, struct payload *p, uint32_t *budget)
{
	struct set_table *t = (struct set_table *)p;

	if (!htab_drain(&t->t, h, budget, free_elem, h))
		return false;
	htab_fini(&t->t, h);
	heap_free(h, t);
	return true;
}

void set_table_destroy(struct heap *h, struct set_table *t)
{
	uint32_t budget = UINT32_MAX;

	while (t != NULL && !table_drain(h, &t->head, &budget))
		budget = UINT32_MAX;
}

static struct payload *table_clone(struct heap *to, const struct payload *p)
{
	const struct set_table *from = (const struct set_table *)p;
	struct set_table *t = set_table_create(to, from->t.seed);
	struct htab_iter it;
	struct elem *e;

	if (t == NULL)
		return NULL;
	htab_reserve(&t->t, to, from->t.count);
	htab_iter_begin(&it, &from->t);
	while ((e = htab_iter_next(&it)) != NULL) {
		struct elem *n = set_elem_create(to, elem_name(e));
		if (n == NULL) {
			set_table_destroy(to, t);
			return NULL;
		}
		htab_insert(&t->t, to, n);
	}
	return &t->head;
}

static size_t table_bytes(const struct payload *p, uint32_t samples)
{
	const struct set_table *t = (const struct set_table *)p;
	uint64_t seen = 0, sum = 0;
	struct htab_iter it;
	struct elem *e;

	htab_iter_begin(&it, &t->t);
	while ((samples == 0 || seen < samples) && (e = htab_iter_next(&it)) != NULL) {
		sum += heap_good_size(sizeof *e + e->len);
		seen++;
	}
	if (seen > 0)
		sum = (uint64_t)((double)sum / (double)seen * (double)t->t.count);
	return heap_good_size(sizeof *t) + htab_bytes(&t->t) + sum;
}

static const struct htab *table_members(const struct payload *p)
{
	return &((const struct set_table *)p)->t;
}

const struct obj_type_ops set_type_ops = {
	.drain = table_drain, .clone = table_clone, .bytes = table_bytes, .table = table_members};

/* ---- compact forms ---- */

uint32_t set_compact_count(enum obj_enc enc, const uint8_t *p)
{
	return enc == ENC_INTSET ? intset_count(p) : lp_count(p);
}

static size_t listpack_find(const uint8_t *p, const struct lp_key *m)
{
	size_t first = lp_first(p);

	return first ? lp_find(p, first, m, 0) : 0;
}

bool set_compact_has(enum obj_enc enc, const uint8_t *p, const struct lp_key *m)
{
	if (enc == ENC_INTSET)
		return m->is_num && intset_has(p, m->num);
	return listpack_find(p, m) != 0;
}

bool set_compact_add(enum obj_enc enc, struct cbuf *b, const struct lp_key *m)
{
	bool added;

	if (enc == ENC_INTSET)
		return intset_add(b, m->num, &added);
	return m->is_num ? lp_append_i64(b, m->num) : lp_append(b, m->s);
}

bool set_compact_remove(enum obj_enc enc, struct cbuf *b, const struct lp_key *m)
{
	if (enc == ENC_INTSET)
		return m->is_num && intset_remove(b, m->num);
	size_t at = listpack_find(b->p, m);

	if (at == 0)
		return false;
	lp_delete(b, at, 1);
	return true;
}

/* ---- reading ---- */

uint64_t set_count(const struct object *o)
{
	if (o->enc == ENC_HASHTABLE)
		return set_table_of(o)->t.count;
	return set_compact_count(o->enc, set_bytes_of(o));
}

bool set_has(const struct object *o, const struct lp_key *m)
{
	if (o->enc == ENC_HASHTABLE)
		return htab_find(&set_table_of(o)->t, m->s) != NULL;
	return set_compact_has(o->enc, set_bytes_of(o), m);
}

bool set_has_text(const struct object *o, struct slice m)
{
	if (o->enc == ENC_HASHTABLE)
		return htab_find(&set_table_of(o)->t, m) != NULL;
	struct lp_key k = lp_key_of(m);

	return set_compact_has(o->enc, set_bytes_of(o), &k);
}

void set_iter_begin(struct set_iter *it, const struct object *o)
{
	*it = (struct set_iter){.o = o};
	if (o->enc == ENC_HASHTABLE) {
		htab_iter_begin(&it->it, &set_table_of(o)->t);
		return;
	}
	it->p = set_bytes_of(o);
	it->at = o->enc == ENC_LISTPACK ? lp_first(it->p) : 0;
}

static struct lp_key listpack_member(const uint8_t *p, size_t at, char *buf)
{
	struct lp_key m = {.s = lp_get(p, at, buf)};

	m.is_num = lp_get_i64(p, at, &m.num);
	return m;
}

static struct lp_key intset_member(const uint8_t *p, size_t at, char *buf)
{
	struct lp_key m = {.num = intset_get(p, (uint32_t)at), .is_num = true};

	m.s = (struct slice){buf, num_format_i64(buf, m.num)};
	return m;
}

bool set_iter_next(struct set_iter *it, struct lp_key *m, char *buf)
{
	struct elem *e;

	switch (it->o->enc) {
	case ENC_INTSET:
		if (it->at == intset_count(it->p))
			return false;
		*m = intset_member(it->p, it->at++, buf);
		return true;
	case ENC_LISTPACK:
		if (it->at == 0)
			return false;
		*m = listpack_member(it->p, it->at, buf);
		it->at = lp_next(it->p, it->at);
		return true;
	default:
		e = htab_iter_next(&it->it);
		if (e != NULL)
			*m = lp_key_of(elem_name(e));
		return e != NULL;
	}
}

struct set_pick set_random(const struct object *o, struct rng *rng, char *buf)
{
	struct set_pick pick = {.at = 0};

	if (o->enc == ENC_HASHTABLE) {
		pick.e = htab_random(&set_table_of(o)->t, rng);
		pick.s = elem_name(pick.e);
		return pick;
	}
	const uint8_t *p = set_bytes_of(o);

	pick.at = rng_below(rng, set_compact_count(o->enc, p));
	if (o->enc == ENC_INTSET) {
		pick.s = intset_member(p, pick.at, buf).s;
	} else {
		pick.at = lp_seek(p, (int64_t)pick.at);
		pick.s = lp_get(p, pick.at, buf);
	}
	return pick;
}
