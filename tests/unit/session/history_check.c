/* Is there an order of all operations that explains the answers and what is left in the end?
 *
 * First each key alone: its versions are 1, 2 .. n without a gap, each made by one operation that says so and by no
 * other; n is what the key has in the end; nobody read what nobody wrote; an operation meets its own writes. So what
 * was refused has left nothing, and nothing ran twice.
 *
 * Then all together. What must come before what is known:
 *
 *   the write of version v of a key    ->  the write of v + 1, and whoever read v
 *   whoever read v                     ->  the write of v + 1
 *   an operation of a client           ->  its next one that shares a key with it
 *   whoever was answered               ->  whoever was asked after that
 *
 * An order that keeps to this exists, and with it the history is strictly serialisable (and each key linearizable),
 * exactly if the graph has no cycle. (The approach of Adya's dependency graphs, and of Elle.) Of the pair nobody knows
 * which version came before which; but if anybody who saw or made one was answered before anybody was asked who saw or
 * made the other, it is the older one.
 */
#include "history.h"

#include <stdio.h>
#include <stdlib.h>

#define NOBODY UINT32_MAX

static char why[HISTORY_WHY];

static RP_PRINTF(1, 2) bool wrong(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof why, fmt, ap);
	va_end(ap);
	return false;
}

/* ---- versions ---- */

struct versions {
	uint32_t writer[KEYS][VERSIONS + 1]; /* [v]: operation, NOBODY */
	uint32_t count[KEYS];                /* of writes */
	/* of each token: */
	uint32_t maker[TOKENS_MAX + 1];
	uint32_t version[TOKENS_MAX + 1];             /* 0: it never came to be one */
	uint8_t key[TOKENS_MAX + 1];                  /* of a pair: the first */
	struct touch *follower[KEYS][TOKENS_MAX + 1]; /* the write that took its place */
};

static bool note_writer(struct versions *v, uint32_t op, struct touch *t, int64_t version)
{
	if (version < 1 || version > VERSIONS)
		return wrong("key %u, operation %u: made version %ld", t->key, op, (long)version);
	if (v->writer[t->key][version] != NOBODY)
		return wrong("key %u: operations %u and %u both made version %ld", t->key, v->writer[t->key][version],
			     op, (long)version);
	v->writer[t->key][version] = op;
	t->version = (uint32_t)version;
	if (t->token != 0)
		v->version[t->token] = t->version;
	return true;
}

/* What the writes say of themselves. Those of registers are put in order later. */
static bool note_write(struct versions *v, uint32_t op, struct touch *t)
{
	v->count[t->key]++;
	if (t->token != 0) {
		v->maker[t->token] = op;
		v->key[t->token] = t->key < KEYS - 2 ? t->key : KEYS - 2;
	}
	switch (key_kind(t->key)) {
	case KEY_COUNTER:
		return note_writer(v, op, t, t->seen);
	case KEY_REGISTER:
		if (t->seen < 0 || t->seen > TOKENS_MAX)
			return wrong("key %u, operation %u: found %ld", t->key, op, (long)t->seen);
		if (v->follower[t->key][t->seen] != NULL)
			return wrong("key %u: two writes took the place of %ld, one of them operation %u", t->key,
				     (long)t->seen, op);
		v->follower[t->key][t->seen] = t;
		return true;
	default:
		return true;
	}
}

static bool order_register(struct versions *v, const struct history *h, uint32_t key)
{
	uint32_t version = 0, token = 0;

	for (struct touch *t; (t = v->follower[key][token]) != NULL; token = t->token)
		if (!note_writer(v, v->maker[t->token], t, ++version))
			return false;
	if (token != h->value[key])
		return wrong("key %u: has %ld in the end, and nobody took the place of %u", key, (long)h->value[key],
			     token);
	if (version != v->count[key])
		return wrong("key %u: %u of %u writes follow each other", key, version, v->count[key]);
	return true;
}

static bool order_list(struct versions *v, struct history *h, uint32_t key)
{
	const uint32_t *list = h->list[key - COUNTERS - REGISTERS];

	for (int64_t i = 0; i < h->value[key]; i++) {
		uint32_t token = list[i], op = token <= TOKENS_MAX ? v->maker[token] : NOBODY;
		if (op == NOBODY || v->key[token] != key)
			return wrong("key %u: nobody who says so put %u there", key, token);
		struct touch *t = h->op[op].touch;
		while (!t->write || t->token != token)
			t++;
		if (t->seen >= 0 && t->seen != i + 1)
			return wrong("key %u: operation %u was told %ld for place %ld", key, op, (long)t->seen,
				     (long)i + 1);
		if (!note_writer(v, op, t, i + 1))
			return false;
	}
	return true;
}

static bool order_key(struct versions *v, struct history *h, uint32_t key)
{
	if (key_kind(key) == KEY_REGISTER)
		return order_register(v, h, key);
	if (key_kind(key) == KEY_LIST && !order_list(v, h, key))
		return false;
	if (v->count[key] != h->value[key])
		return wrong("key %u: %u writes made %ld versions", key, v->count[key], (long)h->value[key]);
	for (uint32_t i = 1; i <= v->count[key]; i++)
		if (v->writer[key][i] == NOBODY)
			return wrong("key %u: nobody made version %u", key, i);
	return true;
}

static bool resolve_read(const struct versions *v, uint32_t op, struct touch *t)
{
	bool token = key_kind(t->key) == KEY_REGISTER || key_kind(t->key) == KEY_LIST;

	t->version = (uint32_t)t->seen;
	if (token && !t->length && t->seen != 0) {
		if (t->seen < 0 || t->seen > TOKENS_MAX || v->version[t->seen] == 0 || v->key[t->seen] != t->key)
			return wrong("key %u, operation %u: read %ld, which nobody wrote", t->key, op, (long)t->seen);
		t->version = v->version[t->seen];
	}
	if (t->version > v->count[t->key])
		return wrong("key %u, operation %u: read %ld, which nobody wrote", t->key, op, (long)t->seen);
	return true;
}

/* An operation is alone with its keys: nothing comes between what it does to one. */
static bool alone(uint32_t op, const struct op *o)
{
	int64_t at[KEYS];

	memset(at, 0xff, sizeof at);
	for (uint32_t i = 0; i < o->n; i++) {
		const struct touch *t = &o->touch[i];
		int64_t found = key_kind(t->key) == KEY_PAIR ? t->write ? -1 : t->seen : t->version - t->write;
		if (at[t->key] >= 0 && found >= 0 && at[t->key] != found)
			return wrong("key %u, operation %u: left %ld and found %ld", t->key, op, (long)at[t->key],
				     (long)found);
		at[t->key] = key_kind(t->key) != KEY_PAIR ? t->version : t->write ? t->token : t->seen;
	}
	if (at[KEYS - 2] >= 0 && at[KEYS - 1] >= 0 && at[KEYS - 2] != at[KEYS - 1])
		return wrong("operation %u: saw %ld and %ld of one MSET", op, (long)at[KEYS - 2], (long)at[KEYS - 1]);
	return true;
}

/* Does o change one of the keys of watched, at a time that may lie between its WATCH and its EXEC? */
static bool may_break(const struct op *o, const struct op *watched)
{
	if (o->aborted || o->asked > watched->answered || o->answered < watched[-2].asked)
		return false;
	for (uint32_t i = 0; i < o->n; i++)
		for (uint32_t k = 0; k < watched->n; k++)
			if (o->touch[i].write && o->touch[i].key == watched->touch[k].key)
				return true;
	return false;
}

/* It ran, and nobody came between; or it did not, and somebody may have. */
static bool watched_well(const struct history *h, uint32_t at)
{
	const struct op *o = &h->op[at];

	for (uint32_t k = 0; !o->aborted && k < 2; k++)
		if (o->touch[k].version != o[(int)k - 2].touch[0].version + 1)
			return wrong("key %u, operation %u: a write came between WATCH and EXEC", o->touch[k].key, at);
	if (!o->aborted)
		return true;
	for (uint32_t i = 0; i < h->n; i++)
		if (may_break(&h->op[i], o))
			return true;
	return wrong("operation %u: EXEC did not run though nobody wrote", at);
}

static bool find_versions(struct history *h, struct versions *v)
{
	memset(v->writer, 0xff, sizeof v->writer);
	memset(v->maker, 0xff, sizeof v->maker);
	for (uint32_t i = 0; i < h->n; i++)
		for (uint32_t k = 0; !h->op[i].aborted && k < h->op[i].n; k++)
			if (h->op[i].touch[k].write && !note_write(v, i, &h->op[i].touch[k]))
				return false;
	for (uint32_t key = 0; key < KEYS; key++)
		if (key_kind(key) != KEY_PAIR && !order_key(v, h, key))
			return false;
	for (uint32_t i = 0; i < h->n; i++) {
		struct op *o = &h->op[i];
		for (uint32_t k = 0; !o->aborted && k < o->n; k++)
			if (!o->touch[k].write && key_kind(o->touch[k].key) != KEY_PAIR &&
			    !resolve_read(v, i, &o->touch[k]))
				return false;
		if (!o->aborted && !alone(i, o))
			return false;
	}
	for (uint32_t i = 0; i < h->n; i++)
		if (h->op[i].watched && !watched_well(h, i))
			return false;
	return true;
}

/* ---- the graph ---- */

struct graph {
	/* node: an operation, or (n + i): everything up to the i-th answer */
	uint32_t nodes, nedges, cap;
	struct edge {
		uint32_t to, next;
	} * edge;
	uint32_t *first;
	uint8_t *colour;
};

static void edge(struct graph *g, uint32_t from, uint32_t to)
{
	if (from == to || from == NOBODY || to == NOBODY)
		return;
	if (g->nedges == g->cap) {
		g->cap = g->cap * 2 + 4096;
		g->edge = realloc(g->edge, g->cap * sizeof *g->edge);
	}
	g->edge[g->nedges] = (struct edge){to, g->first[from]};
	g->first[from] = g->nedges++;
}

/* No cycle from here? Depth first, without recursion: histories are long. */
static bool acyclic_from(struct graph *g, uint32_t root, uint32_t *stack)
{
	uint32_t n = 0;
	if (g->colour[root] == 0) {
		stack[n++] = root;
		g->colour[root] = 1;
	}
	while (n > 0) {
		uint32_t at = stack[n - 1], e = g->first[at];
		if (e == NOBODY) {
			g->colour[at] = 2;
			n--;
			continue;
		}
		g->first[at] = g->edge[e].next;
		uint32_t to = g->edge[e].to;
		if (g->colour[to] == 1)
			return wrong("operation %u comes before itself", to);
		if (g->colour[to] == 0) {
			g->colour[to] = 1;
			stack[n++] = to;
		}
	}
	return true;
}

static void by_version(struct graph *g, const struct history *h, const struct versions *v)
{
	for (uint32_t i = 0; i < h->n; i++)
		for (uint32_t k = 0; !h->op[i].aborted && k < h->op[i].n; k++) {
			const struct touch *t = &h->op[i].touch[k];
			if (key_kind(t->key) == KEY_PAIR)
				continue;
			if (t->version > t->write)
				edge(g, v->writer[t->key][t->version - t->write], i);
			if (t->version < VERSIONS)
				edge(g, i, v->writer[t->key][t->version + 1]);
		}
}

static void by_client(struct graph *g, const struct history *h)
{
	uint32_t last[CLIENTS][KEYS];

	memset(last, 0xff, sizeof last);
	for (uint32_t i = 0; i < h->n; i++)
		for (uint32_t k = 0; !h->op[i].aborted && k < h->op[i].n; k++) {
			uint32_t *at = &last[h->op[i].client][h->op[i].touch[k].key];
			edge(g, *at, i);
			*at = i;
		}
}

static int by_answer(const void *a, const void *b)
{
	const struct op *x = *(const struct op *const *)a, *y = *(const struct op *const *)b;
	return x->answered < y->answered ? -1 : x->answered > y->answered;
}

/* "Answered" nodes in a chain: an operation leads to that of its answer, and that of the latest answer before an
 * operation was asked leads to it. */
static void by_time(struct graph *g, const struct history *h)
{
	static const struct op *order[OPS_MAX];
	for (uint32_t i = 0; i < h->n; i++)
		order[i] = &h->op[i];
	qsort(order, h->n, sizeof *order, by_answer);
	for (uint32_t i = 0; i < h->n; i++) {
		edge(g, (uint32_t)(order[i] - h->op), h->n + i);
		if (i > 0)
			edge(g, h->n + i - 1, h->n + i);
	}
	for (uint32_t i = 0; i < h->n; i++) {
		uint32_t low = 0, high = h->n; /* the first that was not answered before */
		while (low < high) {
			uint32_t mid = (low + high) / 2;
			if (order[mid]->answered < h->op[i].asked)
				low = mid + 1;
			else
				high = mid;
		}
		if (low > 0)
			edge(g, h->n + low - 1, i);
	}
}

/* ---- the pair ---- */

/* Of one version of the pair: who made or saw it. [0]: what was there in the beginning. */
struct seen_by {
	uint32_t token, n, op[OPS_MAX];
	uint32_t answered, asked; /* the first that was answered, the last that was asked */
};

static void saw(struct seen_by *s, const struct history *h, uint32_t op)
{
	if (s->n > 0 && s->op[s->n - 1] == op)
		return;
	s->op[s->n++] = op;
	s->answered = RP_MIN(s->answered, h->op[op].answered);
	s->asked = RP_MAX(s->asked, h->op[op].asked);
}

static struct seen_by *version_of(struct seen_by *all, uint32_t n, uint32_t token)
{
	for (uint32_t i = 0; i < n; i++)
		if (all[i].token == token)
			return &all[i];
	return NULL;
}

static bool by_pair(struct graph *g, const struct history *h, const struct versions *v)
{
	static struct seen_by all[OPS_MAX];
	uint32_t n = 1, op;

	all[0] = (struct seen_by){.answered = NOBODY};
	for (uint32_t token = 1; token <= h->tokens; token++)
		if (v->maker[token] != NOBODY && v->key[token] == KEYS - 2) {
			struct seen_by *s = &all[n++];
			s->token = token;
			s->n = s->asked = 0;
			s->answered = NOBODY;
			saw(s, h, v->maker[token]);
		}
	for (op = 0; op < h->n; op++)
		for (uint32_t k = 0; !h->op[op].aborted && k < h->op[op].n; k++) {
			const struct touch *t = &h->op[op].touch[k];
			if (key_kind(t->key) != KEY_PAIR || t->write)
				continue;
			struct seen_by *s = version_of(all, n, (uint32_t)t->seen);
			if (s == NULL)
				return wrong("key %u, operation %u: read %ld, which nobody wrote", t->key, op,
					     (long)t->seen);
			saw(s, h, op);
			if (s->token != 0)
				edge(g, v->maker[s->token], op);
		}
	struct seen_by *last = version_of(all, n, (uint32_t)h->value[KEYS - 2]);
	if (last == NULL || h->value[KEYS - 2] != h->value[KEYS - 1])
		return wrong("the pair is %ld and %ld in the end", (long)h->value[KEYS - 2], (long)h->value[KEYS - 1]);
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t j = 1; j < n; j++)
			if (i != j && (i == 0 || &all[j] == last || all[i].answered < all[j].asked))
				for (uint32_t k = 0; k < all[i].n; k++)
					edge(g, all[i].op[k], v->maker[all[j].token]);
	return true;
}

const char *history_wrong(struct history *h)
{
	struct versions *v = calloc(1, sizeof *v);
	struct graph g = {.nodes = 2 * h->n};
	uint32_t *stack = malloc(g.nodes * sizeof *stack);

	g.first = malloc(g.nodes * sizeof *g.first);
	g.colour = calloc(g.nodes, 1);
	memset(g.first, 0xff, g.nodes * sizeof *g.first);
	bool ok = find_versions(h, v) && by_pair(&g, h, v);
	if (ok) {
		by_version(&g, h, v);
		by_client(&g, h);
		by_time(&g, h);
	}
	for (uint32_t i = 0; ok && i < g.nodes; i++)
		ok = acyclic_from(&g, i, stack);
	free(v);
	free(g.edge);
	free(g.first);
	free(g.colour);
	free(stack);
	return ok ? NULL : why;
}
