/* Sets in the making: their form follows their members as Redis's does. */
#include "store/set_priv.h"

static uint64_t intset_limit(const struct type_limits *l)
{
	return RP_MIN(l->set_max_intset_entries, INTSET_MAX - 1); /* one more may come before it is left */
}

static bool build_reserve(struct cbuf *c, size_t cap)
{
	struct set_build *b = rp_container_of(c, struct set_build, b);
	size_t want = cap + cap / 2;
	uint8_t *p = heap_realloc(b->heap, c->p == b->room ? NULL : c->p, want);

	if (p == NULL)
		return false;
	if (c->p == b->room)
		memcpy(p, c->p, c->len);
	c->p = p;
	c->cap = want;
	return true;
}

static void bytes_reset(struct set_build *b)
{
	if (b->b.p != NULL && b->b.p != b->room)
		heap_free(b->heap, b->b.p);
	b->b = (struct cbuf){.p = b->room, .cap = sizeof b->room, .reserve = build_reserve};
}

void set_build_begin(struct set_build *b, struct heap *heap, const struct set_rules *r, enum obj_enc enc)
{
	b->heap = heap;
	b->rules = *r;
	b->enc = enc;
	b->table = NULL;
	b->b.p = NULL;
	bytes_reset(b);
	if (enc == ENC_LISTPACK) {
		lp_init(b->b.p);
		b->b.len = LP_EMPTY_BYTES;
	} else {
		intset_init(b->b.p);
		b->b.len = INTSET_EMPTY_BYTES;
	}
}

bool set_build_from(struct set_build *b, struct heap *heap, const struct set_rules *r, const struct object *o)
{
	struct slice bytes = obj_compact(o);

	set_build_begin(b, heap, r, o->enc);
	if (!cbuf_reserve(&b->b, bytes.len))
		return false;
	memcpy(b->b.p, bytes.ptr, bytes.len);
	b->b.len = bytes.len;
	return true;
}

enum obj_enc set_form_for(const struct type_limits *l, struct slice first, uint64_t n)
{
	int64_t v;

	if (n <= l->set_max_intset_entries && num_parse_i64(first, &v))
		return ENC_INTSET;
	return n <= l->set_max_listpack_entries ? ENC_LISTPACK : ENC_HASHTABLE;
}

uint64_t set_build_count(const struct set_build *b)
{
	if (b->enc == ENC_HASHTABLE)
		return b->table != NULL ? b->table->t.count : 0;
	return set_compact_count(b->enc, b->b.p);
}

static int table_add(struct set_build *b, struct slice name)
{
	if (b->table == NULL && (b->table = set_table_create(b->heap, b->rules.seed)) == NULL)
		return SET_NO_MEMORY;
	uint64_t hash = htab_hash(&b->table->t, name);

	if (htab_find_hashed(&b->table->t, name, hash) != NULL)
		return 0;
	struct elem *e = set_elem_create(b->heap, name);

	if (e == NULL)
		return SET_NO_MEMORY;
	htab_insert_hashed(&b->table->t, b->heap, e, hash);
	return 1;
}

/* Members of the compact form, one after the other. */
static struct set_iter members(const struct set_build *b, struct object *as)
{
	struct set_iter it = {.o = as, .p = b->b.p};

	*as = (struct object){.enc = b->enc & 0xf};
	it.at = b->enc == ENC_LISTPACK ? lp_first(it.p) : 0;
	return it;
}

static bool to_table(struct set_build *b)
{
	char buf[NUM_I64_CHARS];
	struct object as;
	struct set_iter it = members(b, &as);
	struct lp_key m;

	if (b->table == NULL && (b->table = set_table_create(b->heap, b->rules.seed)) == NULL)
		return false;
	htab_reserve(&b->table->t, b->heap, (uint64_t)set_compact_count(b->enc, b->b.p) + 1);
	while (set_iter_next(&it, &m, buf))
		if (table_add(b, m.s) == SET_NO_MEMORY)
			return false;
	b->enc = ENC_HASHTABLE;
	bytes_reset(b);
	return true;
}

/* From an intset. */
static bool to_listpack(struct set_build *b)
{
	struct set_build from = *b;
	uint32_t n = intset_count(b->b.p);
	bool inside = b->b.p == b->room, ok = true;

	if (inside)
		from.b.p = from.room;
	b->b.p = NULL;
	set_build_begin(b, b->heap, &from.rules, ENC_LISTPACK);
	for (uint32_t i = 0; i < n && ok; i++)
		ok = lp_append_i64(&b->b, intset_get(from.b.p, i));
	if (!inside)
		heap_free(b->heap, from.b.p);
	return ok;
}

bool set_build_expect(struct set_build *b, uint64_t n)
{
	const struct type_limits *l = b->rules.limits;

	if ((b->enc == ENC_LISTPACK && n > l->set_max_listpack_entries) ||
	    (b->enc == ENC_INTSET && n > l->set_max_intset_entries))
		return to_table(b);
	return true;
}

static int intset_build_add(struct set_build *b, int64_t v)
{
	bool added;

	if (!intset_add(&b->b, v, &added))
		return SET_NO_MEMORY;
	if (added && intset_count(b->b.p) > intset_limit(b->rules.limits) && !to_table(b))
		return SET_NO_MEMORY;
	return added;
}

static bool listpack_takes(const struct set_build *b, uint64_t count, size_t bytes, size_t longest)
{
	const struct type_limits *l = b->rules.limits;

	return count < l->set_max_listpack_entries && longest <= l->set_max_listpack_value && bytes <= LP_MAX_BYTES;
}

/* The first member that is no integer comes to an intset. */
static bool leave_intset(struct set_build *b, struct slice m)
{
	uint32_t n = intset_count(b->b.p);
	size_t longest = m.len, bytes = lp_entry_bytes(m);
	char buf[NUM_I64_CHARS];

	if (n > 0) {
		size_t low = num_format_i64(buf, intset_get(b->b.p, 0));
		size_t high = num_format_i64(buf, intset_get(b->b.p, n - 1));
		longest = RP_MAX(longest, RP_MAX(low, high));
		bytes += (size_t)n * NUM_I64_CHARS;
	}
	return listpack_takes(b, n, bytes, longest) ? to_listpack(b) : to_table(b);
}

static int listpack_build_add(struct set_build *b, const struct lp_key *m)
{
	if (set_compact_has(ENC_LISTPACK, b->b.p, m))
		return 0;
	if (listpack_takes(b, lp_count(b->b.p), b->b.len + lp_entry_bytes(m->s), m->s.len))
		return set_compact_add(ENC_LISTPACK, &b->b, m) ? 1 : SET_NO_MEMORY;
	return to_table(b) ? table_add(b, m->s) : SET_NO_MEMORY;
}

int set_build_add(struct set_build *b, const struct lp_key *m)
{
	if (b->enc == ENC_INTSET && m->is_num)
		return intset_build_add(b, m->num);
	if (b->enc == ENC_INTSET && !leave_intset(b, m->s))
		return SET_NO_MEMORY;
	return b->enc == ENC_LISTPACK ? listpack_build_add(b, m) : table_add(b, m->s);
}

void set_build_remove(struct set_build *b, const struct lp_key *m)
{
	struct elem *e;

	if (b->enc != ENC_HASHTABLE) {
		set_compact_remove(b->enc, &b->b, m);
	} else if (b->table != NULL && (e = htab_find(&b->table->t, m->s)) != NULL) {
		htab_remove(&b->table->t, b->heap, e);
		heap_free(b->heap, e);
	}
}

bool set_build_integers(struct set_build *b)
{
	struct set_build ints;
	struct htab_iter it;
	struct elem *e;
	size_t off;
	int64_t v;
	bool ok = true, added;

	if (b->enc == ENC_INTSET || set_build_count(b) > intset_limit(b->rules.limits))
		return true;
	set_build_begin(&ints, b->heap, &b->rules, ENC_INTSET);
	if (b->enc == ENC_LISTPACK) {
		for (off = lp_first(b->b.p); off != 0 && ok; off = lp_next(b->b.p, off))
			ok = lp_get_i64(b->b.p, off, &v) && intset_add(&ints.b, v, &added);
	} else if (b->table != NULL) {
		htab_iter_begin(&it, &b->table->t);
		while (ok && (e = htab_iter_next(&it)) != NULL)
			ok = num_parse_i64(elem_name(e), &v) && intset_add(&ints.b, v, &added);
	}
	if (!ok) {
		set_build_drop(&ints);
		return false;
	}
	set_build_drop(b);
	*b = ints;
	if (ints.b.p == ints.room)
		b->b.p = b->room;
	return true;
}

void set_build_drop(struct set_build *b)
{
	set_table_destroy(b->heap, b->table);
	b->table = NULL;
	bytes_reset(b);
}

struct object *set_build_store(struct set_build *b, struct store *s, uint32_t db, struct slice key,
			       int64_t expire_at_ms)
{
	struct slice bytes = {(const char *)b->b.p, b->b.len};
	struct object *o;

	if (b->enc == ENC_HASHTABLE) {
		o = store_add_payload(s, db, key, ENC_HASHTABLE, &b->table->head, expire_at_ms);
		if (o != NULL)
			b->table = NULL;
	} else {
		o = store_add_compact(s, db, key, OBJ_SET, b->enc, bytes, expire_at_ms);
	}
	set_build_drop(b);
	return o;
}

bool set_build_replace(struct set_build *b, struct store *s, uint32_t db, struct object *o)
{
	bool ok = true;

	if (b->enc == ENC_HASHTABLE) {
		store_to_payload(s, db, &o, ENC_HASHTABLE, &b->table->head);
		b->table = NULL;
	} else {
		ok = store_to_compact(s, db, &o, b->enc, (struct slice){(const char *)b->b.p, b->b.len});
	}
	set_build_drop(b);
	return ok;
}
