/* Sets: intersections, unions and differences, answered or stored. */
#include "cmd/handlers.h"
#include "cmd/set_cmd.h"

#define EFFECT_MEMBERS 64 /* of one SADD in the journal */

/* Where the members of a result go: a reply, a new set, or only into the count. */
struct sink {
	struct reply sub;
	bool replies;
	struct set_build *build;
	uint64_t n, limit;  /* limit 0: none */
	bool only_integers; /* so far */
	bool no_memory;
};

/* false: no more are wanted. */
static bool sink_put(struct sink *k, const struct lp_key *m)
{
	k->n++;
	k->only_integers &= m->is_num;
	if (k->build != NULL && set_build_add(k->build, m) == SET_NO_MEMORY) {
		k->no_memory = true;
		return false;
	}
	if (k->replies)
		reply_bulk_slice(&k->sub, m->s);
	return k->n != k->limit;
}

static uint64_t count_of(const struct object *o)
{
	return o != NULL ? set_count(o) : 0;
}

/* By count, ascending or descending (Shell 1959, gaps of Ciura 2001). */
static void sort_sources(const struct object **o, uint32_t n, bool descending)
{
	static const uint32_t gaps[] = {1750, 701, 301, 132, 57, 23, 10, 4, 1};

	for (size_t g = 0; g < RP_ARRAY_LEN(gaps); g++)
		for (uint32_t i = gaps[g]; i < n; i++) {
			const struct object *x = o[i];
			uint32_t k = i;
			for (; k >= gaps[g]; k -= gaps[g]) {
				uint64_t before = count_of(o[k - gaps[g]]);
				if (descending ? before >= count_of(x) : before <= count_of(x))
					break;
				o[k] = o[k - gaps[g]];
			}
			o[k] = x;
		}
}

/* ---- intersections ---- */

static bool in_all(const struct set_sources *src, const struct lp_key *m)
{
	for (uint32_t i = 1; i < src->n; i++)
		if (src->o[i] != src->o[0] && !set_has(src->o[i], m))
			return false;
	return true;
}

/* The sources are sorted, none is missing. */
static void intersect(const struct set_sources *src, struct sink *k)
{
	char buf[NUM_I64_CHARS];
	struct set_iter it;
	struct lp_key m;

	set_iter_begin(&it, src->o[0]);
	while (set_iter_next(&it, &m, buf))
		if (in_all(src, &m) && !sink_put(k, &m))
			return;
}

/* ---- unions ---- */

/* seen: members so far. */
static void unite(const struct set_sources *src, struct set_build *seen, struct sink *k)
{
	char buf[NUM_I64_CHARS];
	struct set_iter it;
	struct lp_key m;

	for (uint32_t i = 0; i < src->n; i++) {
		if (src->o[i] == NULL)
			continue;
		set_iter_begin(&it, src->o[i]);
		while (set_iter_next(&it, &m, buf)) {
			int added = set_build_add(seen, &m);
			k->no_memory = added == SET_NO_MEMORY;
			if (k->no_memory || (added && !sink_put(k, &m)))
				return;
		}
	}
}

/* ---- differences ---- */

/* Each member of the first in all others, largest first. */
static void subtract_by_looking(const struct set_sources *src, struct sink *k)
{
	char buf[NUM_I64_CHARS];
	struct set_iter it;
	struct lp_key m;

	sort_sources(src->o + 1, src->n - 1, true);
	set_iter_begin(&it, src->o[0]);
	while (set_iter_next(&it, &m, buf)) {
		bool found = false;
		for (uint32_t i = 1; i < src->n && src->o[i] != NULL && !found; i++)
			found = set_has(src->o[i], &m);
		if (!found && !sink_put(k, &m))
			return;
	}
}

/* All members of the first into `left`, then out what the others have. false: out of memory. */
static bool subtract_by_removing(const struct set_sources *src, struct set_build *left)
{
	char buf[NUM_I64_CHARS];
	struct set_iter it;
	struct lp_key m;

	set_iter_begin(&it, src->o[0]);
	while (set_iter_next(&it, &m, buf))
		if (set_build_add(left, &m) == SET_NO_MEMORY)
			return false;
	for (uint32_t i = 1; i < src->n && set_build_count(left) > 0; i++) {
		if (src->o[i] == NULL)
			continue;
		set_iter_begin(&it, src->o[i]);
		while (set_build_count(left) > 0 && set_iter_next(&it, &m, buf))
			set_build_remove(left, &m);
	}
	return true;
}

enum diff_way {
	DIFF_NOTHING,
	DIFF_LOOKING,
	DIFF_REMOVING
};

/* The cheaper one, as Redis weighs them. */
static enum diff_way diff_way(const struct set_sources *src)
{
	uint64_t looking = 0, removing = 0;

	if (src->o[0] == NULL)
		return DIFF_NOTHING;
	for (uint32_t i = 0; i < src->n; i++) {
		if (i > 0 && src->o[i] == src->o[0])
			return DIFF_NOTHING;
		looking += src->o[i] != NULL ? set_count(src->o[0]) : 0;
		removing += count_of(src->o[i]);
	}
	return looking / 2 <= removing ? DIFF_LOOKING : DIFF_REMOVING;
}

/* ---- answers ---- */

static void sink_reply_begin(struct cmd_ctx *c, struct sink *k)
{
	*k = (struct sink){.replies = true};
	reply_sub_begin(c->out, &k->sub);
}

static void sink_reply_end(struct cmd_ctx *c, struct sink *k)
{
	if (!k->no_memory) {
		reply_sub_end(c->out, &k->sub, REPLY_SET, k->n);
		return;
	}
	reply_reset(&k->sub, c->env->heap);
	cmd_err_oom(c);
}

void cmd_sinter(struct cmd_ctx *c)
{
	struct set_sources src;
	struct sink k;

	if (!set_sources_get(c, 1, c->argc - 1, &src))
		return;
	if (src.missing) {
		reply_set(c->out, 0);
	} else if (src.n == 1) {
		set_reply_all(c->out, src.o[0], REPLY_SET);
	} else {
		sort_sources(src.o, src.n, false);
		sink_reply_begin(c, &k);
		intersect(&src, &k);
		sink_reply_end(c, &k);
	}
	set_sources_drop(c, &src);
}

void cmd_smembers(struct cmd_ctx *c)
{
	cmd_sinter(c);
}

static bool sintercard_args(struct cmd_ctx *c, int64_t *n, int64_t *limit)
{
	const char *err = "ERR numkeys should be greater than 0";

	*limit = 0;
	if (!cmd_arg_i64_in(c, 1, 1, INT64_MAX, n, err))
		return false;
	if (*n > c->argc - 2) {
		reply_error(c->out, "ERR Number of keys can't be greater than number of args");
		return false;
	}
	for (uint32_t i = 2 + (uint32_t)*n; i < c->argc; i += 2) {
		if (i + 1 == c->argc || !cmd_arg_is(c, i, "limit")) {
			cmd_err_syntax(c);
			return false;
		}
		if (!cmd_arg_i64_in(c, i + 1, 0, INT64_MAX, limit, "ERR LIMIT can't be negative"))
			return false;
	}
	return true;
}

void cmd_sintercard(struct cmd_ctx *c)
{
	struct set_sources src;
	struct sink k = {0};
	int64_t n, limit;

	if (!sintercard_args(c, &n, &limit) || !set_sources_get(c, 2, (uint32_t)n, &src))
		return;
	k.limit = (uint64_t)limit;
	if (!src.missing) {
		sort_sources(src.o, src.n, false);
		intersect(&src, &k);
	}
	reply_int(c->out, (int64_t)k.n);
	set_sources_drop(c, &src);
}

void cmd_sunion(struct cmd_ctx *c)
{
	struct set_rules rules = set_cmd_rules(c);
	struct set_sources src;
	struct set_build seen;
	struct sink k;

	if (!set_sources_get(c, 1, c->argc - 1, &src))
		return;
	if (src.n == 1 && !src.missing) {
		set_reply_all(c->out, src.o[0], REPLY_SET);
	} else {
		set_build_begin(&seen, c->env->heap, &rules, ENC_HASHTABLE);
		sink_reply_begin(c, &k);
		unite(&src, &seen, &k);
		sink_reply_end(c, &k);
		set_build_drop(&seen);
	}
	set_sources_drop(c, &src);
}

static void reply_left(struct cmd_ctx *c, const struct set_build *left)
{
	struct htab_iter it;
	struct elem *e;

	reply_set(c->out, set_build_count(left));
	if (left->table == NULL)
		return;
	htab_iter_begin(&it, &left->table->t);
	while ((e = htab_iter_next(&it)) != NULL)
		reply_bulk_slice(c->out, elem_name(e));
}

static void reply_diff(struct cmd_ctx *c, const struct set_sources *src)
{
	struct set_rules rules = set_cmd_rules(c);
	struct set_build left;
	struct sink k;

	switch (diff_way(src)) {
	case DIFF_NOTHING:
		reply_set(c->out, 0);
		return;
	case DIFF_LOOKING:
		sink_reply_begin(c, &k);
		subtract_by_looking(src, &k);
		sink_reply_end(c, &k);
		return;
	case DIFF_REMOVING:
		set_build_begin(&left, c->env->heap, &rules, ENC_HASHTABLE);
		if (subtract_by_removing(src, &left))
			reply_left(c, &left);
		else
			cmd_err_oom(c);
		set_build_drop(&left);
	}
}

void cmd_sdiff(struct cmd_ctx *c)
{
	struct set_sources src;

	if (!set_sources_get(c, 1, c->argc - 1, &src))
		return;
	reply_diff(c, &src);
	set_sources_drop(c, &src);
}

/* ---- stored ---- */

/* Sources of other shards are not in this shard's journal: it gets the result itself. */
static bool own_words_do(const struct cmd_ctx *c, const struct store *s)
{
	for (uint32_t i = 2; i < c->argc; i++)
		if (cmd_store(c, c->argv[i]) != s)
			return false;
	return true;
}

static void effect_result(struct cmd_ctx *c, struct store *s, const struct object *o)
{
	char buf[EFFECT_MEMBERS][NUM_I64_CHARS];
	struct slice words[2 + EFFECT_MEMBERS] = {SLICE("SADD"), c->argv[1]};
	struct set_iter it;
	struct lp_key m;
	uint32_t n = 0;

	if (own_words_do(c, s))
		return;
	cmd_effect(c, s, 2, (struct slice[]){SLICE("DEL"), c->argv[1]});
	if (o == NULL || !journal_on(store_journal(s)))
		return;
	set_iter_begin(&it, o);
	while (set_iter_next(&it, &m, buf[n])) {
		words[2 + n++] = m.s;
		if (n == EFFECT_MEMBERS) {
			cmd_effect(c, s, 2 + n, words);
			n = 0;
		}
	}
	if (n > 0)
		cmd_effect(c, s, 2 + n, words);
}

/* An empty result: the key goes. */
static void store_nothing(struct cmd_ctx *c, struct store *s)
{
	if (store_delete(s, c->db, c->argv[1])) {
		store_event(s, EVENT_GENERIC, "del", c->db, c->argv[1]);
		effect_result(c, s, NULL);
		c->dirty++;
	}
	reply_int(c->out, 0);
}

/* The builder is over afterwards. */
static void store_result(struct cmd_ctx *c, struct set_build *b, bool no_memory, const char *event)
{
	struct store *s = cmd_store(c, c->argv[1]);
	uint64_t n = set_build_count(b);

	if (no_memory || n == 0) {
		set_build_drop(b);
		no_memory ? cmd_err_oom(c) : store_nothing(c, s);
		return;
	}
	struct object *o = set_build_store(b, s, c->db, c->argv[1], STORE_NO_EXPIRE);

	if (o == NULL) {
		cmd_err_oom(c);
		return;
	}
	store_event(s, EVENT_SET, event, c->db, c->argv[1]);
	effect_result(c, s, o);
	c->dirty++;
	reply_int(c->out, (int64_t)n);
}

void cmd_sinterstore(struct cmd_ctx *c)
{
	struct store *s = cmd_store(c, c->argv[1]);
	struct set_rules rules = set_cmd_rules(c);
	struct set_sources src;
	struct set_build b;
	struct sink k = {.build = &b, .only_integers = true};

	if (!set_sources_get(c, 2, c->argc - 2, &src))
		return;
	if (src.missing) {
		store_nothing(c, s);
	} else {
		sort_sources(src.o, src.n, false);
		set_build_begin(&b, store_heap(s), &rules, src.o[0]->enc);
		intersect(&src, &k);
		if (!k.no_memory && k.only_integers)
			k.no_memory = !set_build_integers(&b);
		store_result(c, &b, k.no_memory, "sinterstore");
	}
	set_sources_drop(c, &src);
}

void cmd_sunionstore(struct cmd_ctx *c)
{
	struct store *s = cmd_store(c, c->argv[1]);
	struct set_rules rules = set_cmd_rules(c);
	struct set_sources src;
	struct set_build b;
	struct sink k = {0};

	if (!set_sources_get(c, 2, c->argc - 2, &src))
		return;
	set_build_begin(&b, store_heap(s), &rules, ENC_INTSET);
	unite(&src, &b, &k);
	store_result(c, &b, k.no_memory, "sunionstore");
	set_sources_drop(c, &src);
}

void cmd_sdiffstore(struct cmd_ctx *c)
{
	struct store *s = cmd_store(c, c->argv[1]);
	struct set_rules rules = set_cmd_rules(c);
	struct set_sources src;
	struct set_build b;
	struct sink k = {.build = &b};
	enum diff_way way;

	if (!set_sources_get(c, 2, c->argc - 2, &src))
		return;
	set_build_begin(&b, store_heap(s), &rules, ENC_INTSET);
	way = diff_way(&src);
	if (way == DIFF_LOOKING)
		subtract_by_looking(&src, &k);
	else if (way == DIFF_REMOVING)
		k.no_memory = !subtract_by_removing(&src, &b);
	store_result(c, &b, k.no_memory, "sdiffstore");
	set_sources_drop(c, &src);
}
