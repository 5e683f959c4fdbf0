/* Several strings at once, all or none. What can fail comes first: blocks for the new values, and new keys' places in
 * the index, where they stand unannounced until the commit. An object that the list names bears OBJ_F_PUT and the
 * number of its entry, so that a key that comes again is known without a search. */
#include "store/string_form.h"

enum put_kind {
	PUT_NOTHING, /* another entry has the key */
	PUT_NEW,     /* n is in the index */
	PUT_REPLACE, /* n instead of o */
	PUT_OVER,    /* the value is written over o's */
};

/* A complete object for the value of f. *f->blob is its. NULL: out of memory. */
static struct object *make(struct store *s, struct slice key, struct string_form *f, struct blob *take)
{
	if (f->bytes.len > OBJ_INLINE_MAX && (f->blob = string_blob(s, f->bytes, take)) == NULL)
		return NULL;
	struct object *n = obj_create(s, key, false, f->area);
	if (n != NULL)
		string_form_store(n, f);
	else if (f->blob != NULL && f->blob != take)
		blob_unref(f->blob, s->heap);
	return n;
}

static bool goes_over(const struct store *s, const struct object *o, struct slice key, const struct string_form *f)
{
	return f->bytes.len <= OBJ_INLINE_MAX && string_fits(s, o, key.len, false, f->area);
}

static void mark(struct store_puts *t, struct object *o, const struct store_put *p)
{
	o->flags |= OBJ_F_PUT;
	o->version = (uint32_t)(p - t->put);
}

/* The object that stands for p's key in the index. */
static struct object *standing(const struct store_put *p)
{
	return p->kind == PUT_NEW ? p->n : p->o;
}

/* Entry p gets another value. */
static bool put_again(struct store_puts *t, struct store_put *p, struct slice key, struct string_form *f,
		      struct blob *take)
{
	struct object *was = p->kind == PUT_OVER ? NULL : p->n, *n = NULL;
	bool over = p->o != NULL && goes_over(p->s, p->o, key, f);

	if (!over && (n = make(p->s, key, f, take)) == NULL)
		return false;
	if (p->kind == PUT_NEW) {
		index_replace(p->s->db[t->db].ix, was, n, p->hash);
		space_moved(p->s);
		mark(t, n, p);
	} else {
		p->kind = over ? PUT_OVER : PUT_REPLACE;
	}
	if (was != NULL)
		obj_destroy(p->s, was);
	p->v = f->bytes;
	p->enc = f->enc;
	if (over)
		p->num = f->num;
	else
		p->n = n;
	return true;
}

static bool put_first(struct store_puts *t, struct store_put *p, struct slice key, struct string_form *f,
		      struct blob *take)
{
	struct store *s = p->s;

	if (p->o != NULL && goes_over(s, p->o, key, f)) {
		p->kind = PUT_OVER;
		p->num = f->num;
	} else {
		p->n = make(s, key, f, take);
		if (p->n == NULL)
			return false;
		p->kind = p->o != NULL ? PUT_REPLACE : PUT_NEW;
		if (p->o == NULL && !space_index(s, t->db, p->n, p->hash)) {
			if (f->blob == take)
				p->n->flags &= (uint8_t)~OBJ_F_BLOB; /* it stays the caller's */
			obj_destroy(s, p->n);
			return false;
		}
	}
	if (p->o != NULL)
		p->version = p->o->version;
	mark(t, standing(p), p);
	return true;
}

bool store_puts_add(struct store_puts *t, struct store *s, struct slice key, struct slice v, struct blob *take)
{
	struct string_form f;
	uint64_t hash;
	struct object *o = space_find_live(s, t->db, key, &hash);

	string_form_init(&f, v);
	if (rp_unlikely(o != NULL && (o->flags & OBJ_F_PUT))) {
		if (!put_again(t, &t->put[o->version], key, &f, take))
			return false;
		store_puts_skip(t, s);
	} else {
		struct store_put *p = &t->put[t->n];
		*p = (struct store_put){.s = s, .o = o, .hash = hash, .v = v, .enc = f.enc};
		if (!put_first(t, p, key, &f, take))
			return false;
		t->n++;
	}
	if (take != NULL && take != f.blob)
		blob_unref(take, s->heap);
	return true;
}

void store_puts_skip(struct store_puts *t, struct store *s)
{
	t->put[t->n++] = (struct store_put){.s = s, .kind = PUT_NOTHING};
}

static void unmark(const struct store_put *p)
{
	struct object *o = standing(p);

	o->flags &= (uint8_t)~OBJ_F_PUT;
	if (p->o != NULL)
		o->version = p->version;
}

static void write_over(struct store_puts *t, const struct store_put *p)
{
	struct string_form f = {
		.bytes = p->v, .num = p->num, .enc = p->enc, .area = p->enc == ENC_INT ? sizeof f.num : p->v.len};

	store_touch_for_write(p->s, t->db, obj_key(p->o), p->o);
	string_overwrite(p->s, t->db, p->o, &f, STORE_NO_EXPIRE);
}

void store_puts_commit(struct store_puts *t, uint32_t i)
{
	struct store_put *p = &t->put[i];

	if (p->kind == PUT_NOTHING)
		return;
	unmark(p);
	if (p->kind == PUT_NEW) {
		space_announce(p->s, t->db, p->n, STORE_NO_EXPIRE);
		return;
	}
	store_clock_access(p->s, p->o);
	if (p->kind == PUT_OVER) {
		write_over(t, p);
		return;
	}
	p->n->clock = p->o->clock;
	rp_assert(space_put(p->s, t->db, p->o, p->n, p->hash, STORE_NO_EXPIRE));
}

void store_puts_undo(struct store_puts *t)
{
	for (uint32_t i = 0; i < t->n; i++) {
		struct store_put *p = &t->put[i];
		if (p->kind == PUT_NOTHING)
			continue;
		unmark(p);
		if (p->kind == PUT_NEW) {
			index_remove(p->s->db[t->db].ix, p->n, p->hash);
			space_moved(p->s);
		}
		if (p->kind != PUT_OVER)
			obj_destroy(p->s, p->n);
	}
	t->n = 0;
}
