/* SORT: elements of a list, set or sorted set, what they weigh, and what their patterns stand for. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "cmd/sort_priv.h"
#include "store/hash.h"
#include "store/list.h"
#include "store/set.h"
#include "store/zset.h"

#define SCORE_TEXT_MAX 512

struct slice sort_keep(struct sort *t, struct slice s)
{
	struct sort_chunk *k = t->chunks;

	if (k == NULL || sizeof k->text - k->used < s.len) {
		k = heap_alloc(t->c->env->heap, sizeof *k);
		if (k == NULL)
			return (struct slice){NULL, 0};
		k->next = t->chunks;
		k->used = 0;
		t->chunks = k;
	}
	char *p = k->text + k->used;

	memcpy(p, s.ptr, s.len);
	k->used += (uint32_t)s.len;
	return (struct slice){p, s.len};
}

/* ---- elements ---- */

/* s is in buf if it was formatted; then it is kept. */
static bool add(struct sort *t, struct slice s, const char *buf)
{
	if (s.ptr == buf)
		s = sort_keep(t, s);
	t->item[t->n] = (struct sort_item){.s = s, .at = t->n};
	t->n++;
	return s.ptr != NULL;
}

static bool load_set(struct sort *t, const struct object *o)
{
	char buf[NUM_I64_CHARS];
	struct set_iter it;
	struct lp_key m;

	set_iter_begin(&it, o);
	while (set_iter_next(&it, &m, buf))
		if (!add(t, m.s, buf))
			return false;
	return true;
}

static bool load_list(struct sort *t, const struct object *o, uint64_t from, uint64_t n)
{
	bool back = t->unsorted && t->desc;
	char buf[NUM_I64_CHARS];
	struct list_iter it;

	if (n > 0)
		list_seek(o, back ? list_len(o) - 1 - from : from, back, &it);
	for (; n > 0; n--, list_next(&it))
		if (!add(t, list_get(&it, buf, NULL), buf))
			return false;
	return true;
}

static bool load_zset(struct sort *t, const struct object *o, uint64_t from, uint64_t n)
{
	bool down = t->unsorted && t->desc;
	struct zval v = zval_of(o);
	struct ziter it;
	struct zitem item;

	if (n == 0)
		return true;
	ziter_begin(&it, v, down ? zval_count(v) - 1 - from : from, n, down);
	while (ziter_next(&it, &item))
		if (!add(t, item.name, it.buf))
			return false;
	return true;
}

static uint64_t count_of(const struct object *o)
{
	if (o == NULL)
		return 0;
	return o->type == OBJ_LIST ? list_len(o) : o->type == OBJ_SET ? set_count(o) : zval_count(zval_of(o));
}

bool sort_load(struct sort *t, const struct object *o)
{
	int64_t all = (int64_t)count_of(o), first = RP_MIN(RP_MAX(t->offset, 0), all);
	int64_t count = t->count < 0 ? all : RP_MIN(t->count, all);
	int64_t end = RP_MIN(first + count, all);
	/* What has an order of its own is read where it is wanted. */
	bool part = t->unsorted && o != NULL && o->type != OBJ_SET;
	uint64_t from = part ? (uint64_t)first : 0, n = part ? (uint64_t)(end - first) : (uint64_t)all;

	t->first = (uint64_t)first - from;
	t->end = (uint64_t)end - from;
	if (n == 0)
		return true;
	t->item = heap_alloc(t->c->env->heap, n * sizeof *t->item);
	if (t->item == NULL)
		return false;
	if (o->type == OBJ_SET)
		return load_set(t, o);
	return o->type == OBJ_LIST ? load_list(t, o, from, n) : load_zset(t, o, from, n);
}

/* ---- patterns ---- */

/* The pattern with its first '*' replaced by the element. */
static struct slice substitute(struct slice pattern, size_t star, struct slice element, char *name)
{
	memcpy(name, pattern.ptr, star);
	memcpy(name + star, element.ptr, element.len);
	memcpy(name + star + element.len, pattern.ptr + star + 1, pattern.len - star - 1);
	return (struct slice){name, pattern.len - 1 + element.len};
}

/* Cuts "->field" off the pattern: looked for behind the star, and nothing if no name follows. */
static struct slice cut_field(struct slice *pattern, size_t star)
{
	const char *arrow = memmem(pattern->ptr + star + 1, pattern->len - star - 1, "->", 2);

	if (arrow == NULL || arrow + 2 == pattern->ptr + pattern->len)
		return (struct slice){NULL, 0};
	struct slice field = {arrow + 2, (size_t)(pattern->ptr + pattern->len - arrow - 2)};

	pattern->len = (size_t)(arrow - pattern->ptr);
	return field;
}

static struct slice field_of(struct sort *t, const struct object *o, struct slice key, struct slice field, char *buf)
{
	struct hash_item it;

	if (!hash_get(o, field, store_now_ms(cmd_store(t->c, key)), &it))
		return (struct slice){NULL, 0};
	if (it.value.ptr != it.value_num)
		return it.value;
	memcpy(buf, it.value_num, it.value.len);
	return (struct slice){buf, it.value.len};
}

static struct slice value_of(struct sort *t, struct slice key, struct slice field, char *buf)
{
	const struct object *o = cmd_read(t->c, key);

	if (o == NULL || o->type != (field.ptr != NULL ? OBJ_HASH : OBJ_STRING))
		return (struct slice){NULL, 0};
	return field.ptr != NULL ? field_of(t, o, key, field, buf) : obj_string(o, buf);
}

struct slice sort_lookup(struct sort *t, struct slice pattern, struct slice element, char *buf, bool *no_memory)
{
	const char *star = memchr(pattern.ptr, '*', pattern.len);
	char few[256], *name = few;
	struct slice found = {NULL, 0};

	if (slice_eq(pattern, SLICE("#")))
		return element;
	if (star == NULL)
		return found;
	size_t at = (size_t)(star - pattern.ptr);
	struct slice field = cut_field(&pattern, at);

	if (pattern.len + element.len > sizeof few)
		name = heap_alloc(t->c->env->heap, pattern.len + element.len);
	if (name == NULL) {
		*no_memory = true;
		return found;
	}
	found = value_of(t, substitute(pattern, at, element, name), field, buf);
	if (name != few)
		heap_free(t->c->env->heap, name);
	return found;
}

/* ---- weights ---- */

/* As strtod() reads it, up to a NUL: blanks in front and the empty text are no fault. */
static bool parse_score(struct slice s, double *score)
{
	char text[SCORE_TEXT_MAX + 1], *end;
	int64_t v;

	if (num_parse_i64(s, &v)) {
		*score = (double)v;
		return true;
	}
	if (s.len > SCORE_TEXT_MAX)
		return false;
	if (s.len > 0)
		memcpy(text, s.ptr, s.len);
	text[s.len] = '\0';
	errno = 0;
	*score = strtod(text, &end);
	return *end == '\0' && errno != ERANGE && !isnan(*score);
}

static bool weigh(struct sort *t, struct sort_item *item)
{
	char buf[NUM_I64_CHARS];
	bool no_memory = false;
	struct slice w = item->s;

	if (t->by.ptr != NULL)
		w = sort_lookup(t, t->by, item->s, buf, &no_memory);
	if (no_memory)
		return false;
	if (t->alpha) {
		item->weight = w.ptr == buf ? sort_keep(t, w) : w;
		return w.ptr == NULL || item->weight.ptr != NULL;
	}
	item->score = 0;
	if (w.ptr != NULL && !parse_score(w, &item->score))
		t->bad_score = true;
	return true;
}

bool sort_weigh(struct sort *t)
{
	for (uint64_t i = 0; i < t->n; i++)
		if (!weigh(t, &t->item[i]))
			return false;
	return true;
}
