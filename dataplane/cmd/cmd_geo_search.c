/* Places within a circle or a box: GEOSEARCH, GEORADIUS and what stores their results. */
#include <stdlib.h>

#include "cmd/geo_args.h"
#include "cmd/handlers.h"

enum search_kind {
	KIND_RADIUS = 1,   /* GEORADIUS: point and radius have fixed places */
	KIND_MEMBER = 2,   /* GEORADIUSBYMEMBER */
	KIND_SEARCH = 4,   /* words say all */
	KIND_STORE = 8,    /* GEOSEARCHSTORE */
	KIND_READONLY = 16 /* STORE is no word */
};

enum search_order {
	ORDER_NONE,
	ORDER_NEAR,
	ORDER_FAR,
};

struct search {
	uint32_t kind;
	struct zval from;
	bool exists;
	struct geo_shape shape;
	double unit; /* metres */
	bool at_member, at_point, by_radius, by_box;
	bool dist, hash, coord, any;
	int64_t count; /* 0: all */
	enum search_order order;
	const struct slice *store; /* key, or NULL */
	bool store_dist;
};

/* ---- words --------------------------------------------------------------------------------------------------- */

static bool arg_metres(struct cmd_ctx *c, uint32_t i, double *v, const char *err)
{
	if (num_parse_double(c->argv[i], v))
		return true;
	reply_error(c->out, err);
	return false;
}

static bool take_radius(struct cmd_ctx *c, uint32_t i, struct search *s)
{
	double radius;

	if (!arg_metres(c, i, &radius, "ERR need numeric radius"))
		return false;
	if (radius < 0) {
		reply_error(c->out, "ERR radius cannot be negative");
		return false;
	}
	if (!geo_arg_unit(c, i + 1, &s->unit))
		return false;
	s->shape.box = false;
	s->shape.radius = radius * s->unit;
	return true;
}

static bool take_box(struct cmd_ctx *c, uint32_t i, struct search *s)
{
	double width, height;

	if (!arg_metres(c, i, &width, "ERR need numeric width") ||
	    !arg_metres(c, i + 1, &height, "ERR need numeric height"))
		return false;
	if (width < 0 || height < 0) {
		reply_error(c->out, "ERR height or width cannot be negative");
		return false;
	}
	if (!geo_arg_unit(c, i + 2, &s->unit))
		return false;
	s->shape.box = true;
	s->shape.width = width * s->unit;
	s->shape.height = height * s->unit;
	return true;
}

static bool take_member(struct cmd_ctx *c, uint32_t i, struct search *s)
{
	double score;

	if (!s->exists)
		return true;
	if (!zval_score(s->from, c->argv[i], &score)) {
		reply_error(c->out, "ERR could not decode requested zset member");
		return false;
	}
	s->shape.at = geo_of_score(score);
	return true;
}

static bool take_count(struct cmd_ctx *c, uint32_t i, struct search *s)
{
	if (!cmd_arg_i64(c, i, &s->count))
		return false;
	if (s->count > 0)
		return true;
	reply_error(c->out, "ERR COUNT must be > 0");
	return false;
}

/* Words that only say what the reply holds. */
static bool take_flag(struct cmd_ctx *c, uint32_t i, struct search *s)
{
	if (cmd_arg_is(c, i, "withdist"))
		s->dist = true;
	else if (cmd_arg_is(c, i, "withhash"))
		s->hash = true;
	else if (cmd_arg_is(c, i, "withcoord"))
		s->coord = true;
	else if (cmd_arg_is(c, i, "any"))
		s->any = true;
	else if (cmd_arg_is(c, i, "asc"))
		s->order = ORDER_NEAR;
	else if (cmd_arg_is(c, i, "desc"))
		s->order = ORDER_FAR;
	else
		return false;
	return true;
}

/* Words that say where and how wide: *i is moved on. 0: no such word, -1: the error is written. */
static int take_where(struct cmd_ctx *c, uint32_t *i, struct search *s)
{
	uint32_t more = c->argc - *i - 1;
	bool ok;

	if (cmd_arg_is(c, *i, "frommember") && more >= 1 && !s->at_point) {
		s->at_member = true;
		ok = take_member(c, *i + 1, s);
		*i += 1;
	} else if (cmd_arg_is(c, *i, "fromlonlat") && more >= 2 && !s->at_member) {
		s->at_point = true;
		ok = geo_arg_point(c, *i + 1, &s->shape.at);
		*i += 2;
	} else if (cmd_arg_is(c, *i, "byradius") && more >= 2 && !s->by_box) {
		s->by_radius = true;
		ok = take_radius(c, *i + 1, s);
		*i += 2;
	} else if (cmd_arg_is(c, *i, "bybox") && more >= 3 && !s->by_radius) {
		s->by_box = true;
		ok = take_box(c, *i + 1, s);
		*i += 3;
	} else {
		return 0;
	}
	return ok ? 1 : -1;
}

static bool take_store(struct cmd_ctx *c, uint32_t *i, struct search *s)
{
	bool dist = cmd_arg_is(c, *i, "storedist");

	if (s->kind & KIND_STORE && dist) {
		s->store_dist = true;
		return true;
	}
	if (s->kind & (KIND_SEARCH | KIND_READONLY) || *i + 1 >= c->argc || (!dist && !cmd_arg_is(c, *i, "store")))
		return false;
	s->store = &c->argv[*i + 1];
	s->store_dist = dist;
	*i += 1;
	return true;
}

static bool options(struct cmd_ctx *c, uint32_t i, struct search *s)
{
	for (; i < c->argc; i++) {
		int where = 0;

		if (take_flag(c, i, s))
			continue;
		if (cmd_arg_is(c, i, "count") && i + 1 < c->argc) {
			if (!take_count(c, ++i, s))
				return false;
			continue;
		}
		if (s->kind & KIND_SEARCH && (where = take_where(c, &i, s)) != 0) {
			if (where < 0)
				return false;
			continue;
		}
		if (!take_store(c, &i, s)) {
			cmd_err_syntax(c);
			return false;
		}
	}
	return true;
}

/* The words before the options; returns the index of the first of those, or 0 with the error written. */
static uint32_t fixed_words(struct cmd_ctx *c, struct search *s)
{
	if (s->kind & KIND_RADIUS)
		return geo_arg_point(c, 2, &s->shape.at) && take_radius(c, 4, s) ? 6 : 0;
	if (s->kind & KIND_MEMBER)
		return !s->exists || (take_member(c, 2, s) && take_radius(c, 3, s)) ? 5 : 0;
	if (s->kind & KIND_STORE)
		s->store = &c->argv[1];
	return s->kind & KIND_STORE ? 3 : 2;
}

static bool agree(struct cmd_ctx *c, const struct search *s)
{
	int n = (int)c->argv[0].len;
	const char *name = c->argv[0].ptr;

	if (s->store != NULL && (s->dist || s->hash || s->coord))
		reply_errorf(c->out, "ERR %s is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
			     s->kind & KIND_STORE ? "GEOSEARCHSTORE" : "STORE option in GEORADIUS");
	else if (s->kind & KIND_SEARCH && !s->at_member && !s->at_point)
		reply_errorf(c->out, "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for %.*s", n, name);
	else if (s->kind & KIND_SEARCH && !s->by_radius && !s->by_box)
		reply_errorf(c->out, "ERR exactly one of BYRADIUS and BYBOX can be specified for %.*s", n, name);
	else if (s->any && s->count == 0)
		reply_error(c->out, "ERR the ANY argument requires COUNT argument");
	else
		return true;
	return false;
}

/* ---- search -------------------------------------------------------------------------------------------------- */

struct hit {
	struct slice name; /* ptr NULL: text holds it */
	double metres, score;
	char text[NUM_I64_CHARS];
};

struct hits {
	struct heap *h;
	struct hit *at;
	size_t n, cap;
};

static struct slice hit_name(const struct hit *hit)
{
	return hit->name.ptr != NULL ? hit->name : (struct slice){hit->text, hit->name.len};
}

static struct hit *hits_push(struct hits *all)
{
	if (all->n == all->cap) {
		size_t cap = RP_MAX(16, 2 * all->cap);
		struct hit *p = heap_realloc(all->h, all->at, cap * sizeof *p);

		if (p == NULL)
			return NULL;
		all->at = p;
		all->cap = cap;
	}
	return &all->at[all->n++];
}

static bool hits_add(struct hits *all, const struct ziter *it, const struct zitem *item, double metres)
{
	struct hit *hit = hits_push(all);

	if (hit == NULL)
		return false;
	hit->name = item->name;
	hit->metres = metres;
	hit->score = item->score;
	if (item->name.ptr == it->buf) {
		hit->name.ptr = NULL;
		memcpy(hit->text, it->buf, item->name.len);
	}
	return true;
}

/* Members with scores in one area, as many as `limit` (0: all) allows. false: out of memory. */
static bool search_area(const struct search *s, double min, double max, size_t limit, struct hits *all)
{
	struct zscore_range r = {.min = min, .max = max, .max_ex = true};
	struct zspan span = zval_span_by_score(s->from, &r);
	struct ziter it;
	struct zitem item;
	double metres;

	ziter_begin(&it, s->from, span.lo, span.hi > span.lo ? span.hi - span.lo : 0, false);
	while (ziter_next(&it, &item)) {
		if (!geo_within(&s->shape, geo_of_score(item.score), &metres))
			continue;
		if (!hits_add(all, &it, &item, metres))
			return false;
		if (limit != 0 && all->n >= limit)
			break;
	}
	return true;
}

static bool search_all(const struct search *s, struct hits *all)
{
	size_t limit = s->any ? (size_t)s->count : 0;
	struct geo_areas areas;

	geo_areas(&s->shape, &areas);
	for (uint32_t i = 0; i < areas.n && !(limit != 0 && all->n >= limit); i++)
		if (!search_area(s, areas.range[i].min, areas.range[i].max, limit, all))
			return false;
	return true;
}

/* ---- order --------------------------------------------------------------------------------------------------- */

static bool before(const struct hit *a, const struct hit *b, bool far)
{
	return far ? a->metres > b->metres : a->metres < b->metres;
}

/* Merges two sorted runs; places at the same distance stay in their order. */
static void merge(const struct hit *from, struct hit *to, size_t lo, size_t mid, size_t hi, bool far)
{
	size_t a = lo, b = mid;

	for (size_t i = lo; i < hi; i++)
		to[i] = a < mid && (b >= hi || !before(&from[b], &from[a], far)) ? from[a++] : from[b++];
}

static bool sort_hits(struct hits *all, bool far)
{
	struct hit *a = all->at, *b = heap_alloc(all->h, RP_MAX(all->n, 1u) * sizeof *b);

	if (b == NULL)
		return false;
	for (size_t run = 1; run < all->n; run *= 2) {
		for (size_t lo = 0; lo < all->n; lo += 2 * run)
			merge(a, b, lo, RP_MIN(lo + run, all->n), RP_MIN(lo + 2 * run, all->n), far);
		struct hit *t = a;
		a = b;
		b = t;
	}
	heap_free(all->h, b);
	all->at = a;
	return true;
}

/* ---- results ------------------------------------------------------------------------------------------------- */

static void reply_hits(struct cmd_ctx *c, const struct search *s, const struct hit *hit, size_t n)
{
	uint64_t extra = (uint64_t)s->dist + s->hash + s->coord;

	reply_array(c->out, n);
	for (; n > 0; n--, hit++) {
		if (extra > 0)
			reply_array(c->out, extra + 1);
		reply_bulk_slice(c->out, hit_name(hit));
		if (s->dist)
			geo_reply_distance(c, hit->metres, s->unit);
		if (s->hash)
			reply_int(c->out, fabs(hit->score) < 0x1p63 ? (int64_t)hit->score : INT64_MIN);
		if (s->coord)
			geo_reply_point(c, geo_of_score(hit->score));
	}
}

static void store_hits(struct cmd_ctx *c, const struct search *s, const struct hit *hit, size_t n)
{
	struct heap *h = store_heap(cmd_store(c, *s->store));
	struct zset *z = zset_create(h);
	bool ok = z != NULL, fresh;

	for (; ok && n > 0; n--, hit++) {
		struct elem *e = zset_touch(z, h, hit_name(hit), &fresh);
		ok = e != NULL && zset_set_score(z, h, e, s->store_dist ? hit->metres / s->unit : hit->score);
	}
	if (!ok || !zset_index(z, h)) {
		zset_destroy(z, h);
		cmd_err_oom(c);
		return;
	}
	zset_store_result(c, *s->store, z, s->kind & KIND_STORE ? "geosearchstore" : "georadiusstore");
}

static void search_found(struct cmd_ctx *c, const struct search *s)
{
	struct hits all = {.h = c->env->heap};
	enum search_order order = s->order;

	if (s->count != 0 && order == ORDER_NONE && !s->any)
		order = ORDER_NEAR;
	if (!search_all(s, &all) || (order != ORDER_NONE && !sort_hits(&all, order == ORDER_FAR))) {
		cmd_err_oom(c);
	} else {
		size_t n = s->count == 0 ? all.n : RP_MIN(all.n, (size_t)s->count);
		if (s->store != NULL)
			store_hits(c, s, all.at, n);
		else
			reply_hits(c, s, all.at, n);
	}
	heap_free(all.h, all.at);
}

static void search(struct cmd_ctx *c, uint32_t kind)
{
	struct search s = {.kind = kind, .unit = 1};
	bool wrong;
	const struct object *o = zset_read_key(c, c->argv[kind & KIND_STORE ? 2 : 1], &wrong);

	if (wrong)
		return;
	s.exists = o != NULL;
	s.from = zval_of(o);
	uint32_t first = fixed_words(c, &s);
	if (first == 0 || !options(c, first, &s) || !agree(c, &s))
		return;
	if (o != NULL)
		search_found(c, &s);
	else if (s.store != NULL)
		zset_store_result(c, *s.store, NULL, NULL);
	else
		reply_array(c->out, 0);
}

void cmd_georadius(struct cmd_ctx *c)
{
	search(c, KIND_RADIUS);
}

void cmd_georadius_ro(struct cmd_ctx *c)
{
	search(c, KIND_RADIUS | KIND_READONLY);
}

void cmd_georadiusbymember(struct cmd_ctx *c)
{
	search(c, KIND_MEMBER);
}

void cmd_georadiusbymember_ro(struct cmd_ctx *c)
{
	search(c, KIND_MEMBER | KIND_READONLY);
}

void cmd_geosearch(struct cmd_ctx *c)
{
	search(c, KIND_SEARCH);
}

void cmd_geosearchstore(struct cmd_ctx *c)
{
	search(c, KIND_SEARCH | KIND_STORE);
}

/* The key, and that of the last STORE or STOREDIST: the one that is written. */
int cmd_georadius_keys(const struct cmd *cmd, uint32_t argc, const struct slice *argv, uint32_t *idx, uint32_t cap)
{
	uint32_t store_at = 0;

	for (uint32_t i = 5; i + 1 < argc; i++)
		if (slice_is(argv[i], "store") || slice_is(argv[i], "storedist"))
			store_at = ++i;
	if (cap > 0)
		idx[0] = 1;
	if (cap > 1 && store_at != 0)
		idx[1] = store_at;
	return store_at != 0 ? 2 : 1;
}
